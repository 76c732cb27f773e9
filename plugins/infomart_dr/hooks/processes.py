"""Search for processes of a host by their command lines."""

from __future__ import annotations


def pgrep(pattern: str) -> list[str]:
    """The command that finds processes.

    The first letter is in brackets. So the pattern matches the process, and not the command line of a shell that runs
    the same pgrep, here or for another task.

    :param pattern: ``process_pattern`` of the topology, which begins with a letter, a digit, ``_`` or ``/``.
    """
    return ["pgrep", "-f", f"[{pattern[0]}]{pattern[1:]}"]
