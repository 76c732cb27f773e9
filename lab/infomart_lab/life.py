"""Beginning and end of the lab's processes: they end with the supervisor, and end in order on SIGTERM."""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from infomart_lab.config import LabConfig

_PR_SET_PDEATHSIG = 1


def supervisor_file(config: LabConfig) -> Path:
    """File that holds the supervisor's process id; the supervisor removes it when it stops."""
    return config.run_dir / "supervisor.pid"


def process_exists(pid: int) -> bool:
    """True while ``pid`` runs; a zombie counts as gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return True
    return state != "Z"


def follow_supervisor(config: LabConfig, *, poll_seconds: float = 0.5) -> None:
    """End this process as soon as the supervisor is gone or has removed its file.

    When there is no supervisor's file (as in tests), nothing is followed.

    :param poll_seconds: seconds between two checks.
    """
    path = supervisor_file(config)
    try:
        pid = int(path.read_text())
    except (FileNotFoundError, ValueError):
        return

    def watch() -> None:
        pause = threading.Event()
        while not pause.wait(poll_seconds):
            try:
                # Another number means that a new lab was started over the old one.
                alive = int(path.read_text()) == pid and process_exists(pid)
            except FileNotFoundError:
                alive = False
            except (ValueError, OSError):
                alive = process_exists(pid)
            if not alive:
                os._exit(0)

    threading.Thread(target=watch, name="follow-supervisor", daemon=True).start()


def set_parent_death_signal(number: int = signal.SIGKILL) -> None:
    """Let the kernel send ``number`` to this process when the thread that started it ends (Linux only).

    A change of user clears it, so call it after dropping privileges; it survives ``exec``.
    """
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    except (OSError, AttributeError):
        return


def on_terminate(callback: Callable[[], None]) -> None:
    """Call ``callback`` on SIGTERM and SIGINT; only the main thread may ask for it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: callback())


def stop_event() -> threading.Event:
    """Event that SIGTERM and SIGINT set; only the main thread may ask for it."""
    event = threading.Event()
    on_terminate(event.set)
    return event
