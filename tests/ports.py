"""Ports for a lab of the tests: a block that no other test, checkout or program uses."""

from __future__ import annotations

import errno
import os
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from infomart_lab import procs
from infomart_lab.config import port_in_use

ADDRESS = "127.0.0.1"
#: Ports of a block: a lab's from the first on, and above them those of what runs beside it.
LENGTH = 300
AIRFLOW, SECOND_AIRFLOW, STACK = 270, 280, 290
#: Bound while the block is in use, so that no other test chooses it.
GUARD = 299
#: Above the ports of ``make up``, and below those that Linux gives to outgoing connections.
BLOCKS = tuple(range(22_000, 32_768 - LENGTH, LENGTH))


class NoPortsError(RuntimeError):
    """Every block is taken."""


@contextmanager
def block() -> Iterator[int]:
    """The first port of a free block, kept for the caller to the end of the context.

    A block in which another program listens is left out with a warning that names the program.

    :raises NoPortsError: every block is taken.
    """
    for first in _in_order():
        guard = _hold(first + GUARD)
        if guard is None:
            _warn(first, procs.listeners([first + GUARD]))
            continue
        with guard:
            taken = [port for port in range(first, first + GUARD) if port_in_use(port, ADDRESS)]
            if not taken:
                yield first
                return
        _warn(first, {port: procs.listeners(taken).get(port, "") for port in taken})
    raise NoPortsError(f"No {LENGTH} free ports from {BLOCKS[0]} to {BLOCKS[-1] + LENGTH - 1} for a lab of the tests.")


def _in_order() -> Iterator[int]:
    """The blocks; each worker of pytest-xdist begins with another one."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    begin = 7 * worker % len(BLOCKS)
    yield from BLOCKS[begin:] + BLOCKS[:begin]


def _hold(port: int) -> socket.socket | None:
    """A socket that is bound to a port and does not listen; None when the port is taken.

    Without SO_REUSEADDR: with it, two sockets could be bound while neither listens.
    """
    guard = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        guard.bind((ADDRESS, port))
    except OSError as error:
        guard.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return guard


def _warn(first: int, taken: dict[int, str]) -> None:
    """Name the ports in use and, where possible, the process that has them; say nothing of another test's block."""
    if taken:
        named = ", ".join(f"{port} ({who or 'process not visible'})" for port, who in sorted(taken.items())[:3])
        more = f" and {len(taken) - 3} more" if len(taken) > 3 else ""
        warnings.warn(
            f"In use: {'port' if len(taken) == 1 else 'ports'} {named}{more}. "
            f"The lab takes other ports than {first} to {first + LENGTH - 1}.",
            stacklevel=4,
        )
