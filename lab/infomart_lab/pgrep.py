"""Stand-in for a host's ``pgrep [-f] PATTERN``: it finds only the processes of its host."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from infomart_lab import procs


def main(arguments: list[str] | None = None) -> int:
    """Print the ids of the processes whose name (with ``-f``: command line) matches.

    :returns: exit code as pgrep's: 0 found, 1 nothing found, 2 wrong use.
    """
    given = sys.argv[1:] if arguments is None else arguments
    full = "-f" in given
    patterns = [argument for argument in given if argument != "-f"]
    if len(patterns) != 1 or patterns[0].startswith("-"):
        print("usage: pgrep [-f] PATTERN", file=sys.stderr)
        return 2
    try:
        pattern = re.compile(patterns[0])
    except re.error as error:
        print(f"pgrep: {error}", file=sys.stderr)
        return 2
    home, host = Path(os.environ[procs.HOME_VARIABLE]), os.environ[procs.HOST_VARIABLE]
    found = []
    for pid in sorted(procs.lab_processes(home, host=host)):
        text = procs.command_line(pid)
        if not full:
            try:
                text = Path(f"/proc/{pid}/comm").read_text().strip()
            except OSError:
                continue
        if pattern.search(text):
            found.append(pid)
    for pid in found:
        print(pid)
    return 0 if found else 1


if __name__ == "__main__":
    raise SystemExit(main())
