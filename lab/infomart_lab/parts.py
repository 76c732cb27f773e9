"""A part of the lab, as the supervisor starts it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Part:
    """One process that the supervisor starts and watches.

    :param name: as shown by ``status``; unique in its site.
    :param argv: program and arguments; never a secret.
    :param env: added to the supervisor's environment.
    :param cwd: working folder, the lab's home by default.
    :param ready: a function, or a URL that answers below 500 once the part serves; None: ready when started.
    :param log: file for its output, ``<home>/logs/<name>.log`` by default.
    :param once: runs to its end; the next part waits for it, and an exit code other than 0 is a failure.
    :param site: the site that it is part of, None for the whole lab.
    :param ready_seconds: most seconds until it is ready.
    """

    name: str
    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    ready: Callable[[], bool] | str | None = None
    log: Path | None = None
    once: bool = False
    site: str | None = None
    ready_seconds: float = 90.0
    user: int | None = None
    group: int | None = None
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 8.0


class StartError(Exception):
    """A part did not start; the message names it and its log."""
