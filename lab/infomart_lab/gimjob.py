"""Stand-in for a site's own command that runs one job of its Info Mart Server: ``gimjob Job_MaintainGIM``.

Genesys publishes no interface for it. Here a file ``<server root>/jobs/<job>.request`` asks the running server, whose
answer is ``<job>.result``; the server obeys requests also while [schedule] run-scheduler is false. Exit codes: 0 the
job succeeded, 1 wrong use, 2 the server does not run, 3 the job failed or did not end in time.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infomart_lab import config as lab_config
from infomart_lab import lca
from infomart_lab.config import HOST_VARIABLE

MAINTAIN, MIGRATE = "Job_MaintainGIM", "Job_MigrateGIM"
#: Jobs that can be requested.
JOBS = (MIGRATE, MAINTAIN)
#: Seconds for one job.
TIMEOUT = 120.0
SUCCESS, WRONG_USE, NO_SERVER, FAILURE = 0, 1, 2, 3
#: Seconds between two checks of the answer and of the server's process.
_POLL_SECONDS = 0.1
_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Result:
    """Result of a requested job.

    :param number: of the request.
    :param ok: the job succeeded.
    :param text: one line for the caller.
    """

    number: str
    ok: bool
    text: str


def _file(root: Path, job: str, kind: str) -> Path:
    return root / "jobs" / f"{job}.{kind}"


# -- the side of the server -----------------------------------------------------------------------


def requested(root: Path, job: str) -> str | None:
    """Number of the request for a job; None without a request.

    :param root: root folder of the server.
    """
    try:
        return _file(root, job, "request").read_text().strip()
    except FileNotFoundError:
        return None


def answer(root: Path, job: str, result: Result) -> None:
    """Write the job's result for the caller, and remove the request."""
    temporary = _file(root, job, "new")
    temporary.write_text(json.dumps({"number": result.number, "ok": result.ok, "text": result.text}))
    # The result comes first: with neither file, the request was withdrawn.
    temporary.replace(_file(root, job, "result"))
    withdraw(root, job, result.number)


# -- the side of the command ----------------------------------------------------------------------


def ask(root: Path, job: str) -> str:
    """Request a job; a request that exists already is used.

    :returns: number of the request.
    """
    request = _file(root, job, "request")
    request.parent.mkdir(parents=True, exist_ok=True)
    mine = secrets.token_hex(8)
    temporary = request.with_suffix(f".{mine}")
    temporary.write_text(mine)
    try:
        while True:
            with contextlib.suppress(FileExistsError):
                os.link(temporary, request)
                return mine
            if number := requested(root, job):
                return number
            # A file made by hand has no number.
            request.unlink(missing_ok=True)
    finally:
        temporary.unlink()


def withdraw(root: Path, job: str, number: str) -> None:
    """Take a request back, if it is still the one with this number."""
    if requested(root, job) == number:
        _file(root, job, "request").unlink(missing_ok=True)


def result_of(root: Path, job: str, number: str) -> Result | None:
    """The answer to a request; None while there is none."""
    try:
        found = Result(**json.loads(_file(root, job, "result").read_text()))
    except FileNotFoundError:
        return None
    return found if found.number == number else None


def run(config: lab_config.LabConfig, site: str, job: str, *, timeout: float = TIMEOUT) -> tuple[int, str]:
    """Let the server of a site run a job and wait for its end.

    :returns: exit code and one line.
    """
    root = config.server_root(site)
    if not lca.processes(config, site):
        return NO_SERVER, f"{job} not started: the Info Mart Server does not run on {site}-gim"
    number = ask(root, job)
    deadline, looked = time.monotonic() + timeout, time.monotonic()
    lives = True
    while True:
        # The answer is read again after the process was seen gone: a server may answer and then end.
        if result := result_of(root, job, number):
            return (SUCCESS if result.ok else FAILURE), result.text
        now = time.monotonic()
        if not lives or now > deadline:
            withdraw(root, job, number)
            why = f"it has not ended after {timeout:g} s" if lives else "the Info Mart Server has ended"
            return FAILURE, f"{job} failed: {why}"
        if now - looked > _LOOK_SECONDS:
            lives, looked = bool(lca.processes(config, site)), now
        time.sleep(_POLL_SECONDS)


def parse(arguments: Sequence[str]) -> tuple[str, float]:
    """Job and seconds from ``[--timeout SECONDS] JOB``.

    :raises ValueError: wrong use.
    """
    rest, timeout = list(arguments), TIMEOUT
    if "--timeout" in rest:
        at = rest.index("--timeout")
        timeout = float(rest[at + 1]) if at + 1 < len(rest) else -1
        del rest[at : at + 2]
    if len(rest) != 1 or rest[0] not in JOBS or not 0 < timeout < float("inf"):
        raise ValueError(f"usage: gimjob [--timeout SECONDS] {'|'.join(JOBS)}")
    return rest[0], timeout


def main(arguments: Sequence[str] | None = None) -> int:
    """``gimjob`` on the host of an Info Mart Server.

    :returns: exit code.
    """
    try:
        job, timeout = parse(sys.argv[1:] if arguments is None else arguments)
    except ValueError as error:
        print(error if str(error).startswith("usage") else f"gimjob: {error}", file=sys.stderr)
        return WRONG_USE
    site = os.environ[HOST_VARIABLE].partition("/")[0]
    code, line = run(lab_config.load(), site, job, timeout=timeout)
    print(line, file=sys.stderr if code else sys.stdout, flush=True)
    return code


if __name__ == "__main__":
    raise SystemExit(main())
