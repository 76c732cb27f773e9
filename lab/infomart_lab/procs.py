"""The processes of a lab in /proc: find them by site and host, and end them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

#: As in :mod:`infomart_lab.config`, whose import would cost each ``pgrep`` a third of a second.
HOME_VARIABLE = "INFOMART_LAB_HOME"
HOST_VARIABLE = "INFOMART_LAB_HOST"
#: Set for every process of a site, so that a whole site can be failed at once.
SITE_VARIABLE = "INFOMART_LAB_SITE"
#: Set by the supervisor for every part; a process with only the lab's home is a person's shell.
PART_VARIABLE = "INFOMART_LAB_PART"

_PROC = Path("/proc")
#: Loaded here: after a fork in a program with threads the loader's lock may be held for ever.
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
#: State of a listening socket in /proc/net/tcp.
_LISTENS = "0A"


def die_with_parent(signum: int = signal.SIGTERM) -> None:
    """Ask the kernel to send ``signum`` to this process when its parent dies; for ``preexec_fn``."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0)


def become_subreaper() -> None:
    """Make orphans among this process's descendants its children, so that none is lost."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir(_PROC) if name.isdigit()]  # noqa: PTH208


def environment(pid: int) -> dict[str, str]:
    """Environment with which process ``pid`` was started; empty when it is gone, or another user's."""
    return _variables(_environ(pid))


def _environ(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return b""


def _variables(raw: bytes) -> dict[str, str]:
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0") if b"=" in entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def command_line(pid: int) -> str:
    """Command line of process ``pid`` with blanks between the arguments; empty when it is gone."""
    try:
        raw = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ""
    return os.fsdecode(raw.rstrip(b"\0").replace(b"\0", b" "))


def _stat(pid: int) -> tuple[str, int] | None:
    """State letter and parent of a process."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123
            text = file.read()
    except OSError:
        return None
    fields = text[text.rindex(b")") + 2 :].split()
    return fields[0].decode(), int(fields[1])


def alive(pid: int) -> bool:
    """True when process ``pid`` exists and is not a zombie."""
    found = _stat(pid)
    return found is not None and found[0] not in "ZX"


def with_descendants(roots: Iterable[int]) -> set[int]:
    """``roots`` and all processes below them."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        if found := _stat(pid):
            children.setdefault(found[1], []).append(pid)
    result: set[int] = set()
    queue = list(roots)
    while queue:
        pid = queue.pop()
        if pid not in result:
            result.add(pid)
            queue.extend(children.get(pid, []))
    return result


def _ancestors(pid: int) -> set[int]:
    result: set[int] = set()
    while pid > 0 and pid not in result:
        result.add(pid)
        found = _stat(pid)
        pid = found[1] if found else 0
    return result


def listeners(ports: Iterable[int]) -> dict[int, str]:
    """Listeners on TCP ports of this machine, by port, as ``process 4711 (postgres)``.

    Ports without a listener are left out; of another user's process only that is said.
    """
    wanted = set(ports)
    found: dict[str, int] = {}
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (_PROC / "net" / name).read_text().splitlines()[1:]:
                fields = line.split()
                port = int(fields[1].rpartition(":")[2], 16)
                if fields[3] == _LISTENS and port in wanted:
                    found[f"socket:[{fields[9]}]"] = port
    who: dict[int, str] = {}
    for pid in sorted(_pids()) if found else []:
        with contextlib.suppress(OSError):
            for descriptor in os.scandir(_PROC / str(pid) / "fd"):
                with contextlib.suppress(OSError):
                    if (held := found.get(os.readlink(descriptor.path))) is not None:  # noqa: PTH115
                        name = command_line(pid).partition(" ")[0].rpartition("/")[2]
                        who.setdefault(held, f"process {pid} ({name})")
    return dict.fromkeys(found.values(), "a process of another user") | who


def lab_processes(home: Path, *, site: str | None = None, host: str | None = None) -> list[int]:
    """Living processes of the lab under ``home``, by the environment with which they were started.

    The caller and its ancestors are left out.

    :param site: only the processes of this site.
    :param host: only those of this host, as ``site2/db``.
    """
    own = _ancestors(os.getpid())
    wanted = os.fsencode(f"{HOME_VARIABLE}={home}") + b"\0"
    found = []
    for pid in _pids():
        raw = _environ(pid)
        # the quick check first: most processes are not of the lab
        if wanted not in raw or pid in own:
            continue
        variables = _variables(raw)
        if variables.get(HOME_VARIABLE) != str(home):
            continue
        on_host = variables.get(HOST_VARIABLE)
        of_site = variables.get(SITE_VARIABLE) or (on_host or "").partition("/")[0] or None
        if not (of_site or variables.get(PART_VARIABLE)):
            continue
        if (site and of_site != site) or (host and on_host != host):
            continue
        if alive(pid):
            found.append(pid)
    return found


def send(pids: Iterable[int], signum: int) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signum)


def is_postgres(pid: int) -> bool:
    """True for a PostgreSQL postmaster or one of its children."""
    name = command_line(pid).partition(" ")[0].rstrip(":")
    return Path(name).name == "postgres"


def end_all(find: Callable[[], Iterable[int]], *, grace: float = 5.0) -> list[int]:
    """End the processes that ``find`` returns, also those that appear in the meantime.

    SIGTERM first and SIGKILL after ``grace`` seconds; PostgreSQL last, by a fast shutdown (SIGINT).

    :returns: processes that could not be ended.
    """
    for postgres_too, first in ((False, signal.SIGTERM), (True, signal.SIGINT)):
        told: set[int] = set()
        deadline = time.monotonic() + grace
        while True:
            left = {pid for pid in find() if alive(pid) and (postgres_too or not is_postgres(pid))}
            if not left:
                break
            late = time.monotonic() > deadline
            if late and time.monotonic() > deadline + 3:
                break
            for pid in left:
                if late:
                    send([pid], signal.SIGKILL)
                elif pid not in told:
                    # SIGINT only cancels a backend's statement: the postmaster ends the backend
                    send([pid], first if is_postgres(pid) or not postgres_too else signal.SIGTERM)
                    told.add(pid)
            time.sleep(0.05)
    return sorted(pid for pid in find() if alive(pid))


def kill_all(find: Callable[[], Iterable[int]], *, seconds: float = 5.0) -> list[int]:
    """SIGKILL the processes that ``find`` returns, and those that they have started, as a power failure does.

    :returns: processes that are still there after ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while left := [pid for pid in find() if alive(pid)]:
        send(left, signal.SIGKILL)
        if time.monotonic() > deadline:
            return left
        time.sleep(0.03)
    return []
