"""Purge jobs of an IDB, by four mechanisms: observe, hold (disable) and release (enable), always with proof.

A running purge is never killed: a hold waits for its end.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol

from infomart_dr.errors import GuardError, PermanentError, TransientError, UnexpectedReplyError
from infomart_dr.hooks.processes import pgrep
from infomart_dr.topology import CommandJob, CronJob, DbmsJob, SchedulerJob

log = logging.getLogger(__name__)

#: The scheduler refuses to disable a job that runs (ORA-27478).
_JOB_RUNS = "ORA-27478"
#: Mark before a held line of a crontab; the original line follows it.
CRON_MARK = "#infomart_dr purge hold: "
#: Exit codes of the site's own state command.
ENABLED, DISABLED, RUNNING = 0, 3, 4
#: crontab -l as bytes: the rest of the file must stay unchanged.
_READ = 'exec "$@"'
#: Files in the work folder of the crontab's host: the crontab to install, and the previous one.
CRONTAB_NEW, CRONTAB_BEFORE = "crontab.new", "crontab.before"


class Statements(Protocol):
    """The part of InfoMartOracleHook that is needed here."""

    def select(self, name: str, identifiers: Any = None, **binds: Any) -> list[dict[str, Any]]: ...
    def execute(self, name: str, identifiers: Any = None, **binds: Any) -> int: ...


class Host(Protocol):
    """The part of RemoteHost that is needed here."""

    def run(self, argv: Sequence[str], *, check: bool = True) -> Any: ...
    def write_file(self, path: str, text: str | bytes, mode: int = 0o600) -> None: ...
    def shell_bytes(self, text: str, *arguments: str) -> bytes: ...
    def work_path(self, *parts: str) -> str: ...


class PurgeRunsError(TransientError):
    """A purge runs; it ends by itself."""


@dataclass(frozen=True)
class JobState:
    """State of a job, according to its mechanism.

    :param running: a purge runs; it may be the last run of a disabled job.
    :param words: the state in the mechanism's own words.
    :param memory: data from before the hold that the release needs.
    """

    enabled: bool
    running: bool
    words: str
    memory: str = ""


class PurgeJob(ABC):
    """One job that purges an IDB.

    :param key: its name in the procedures' own tables and in messages.
    """

    #: True: disabling it during a run prevents the next run and lets this one end.
    disable_while_running: ClassVar[bool] = False

    def __init__(self, key: str) -> None:
        self.key = key

    @abstractmethod
    def state(self) -> JobState:
        """The state of the job.

        :raises PermanentError: there is no such job, or the user may not see it.
        """

    @abstractmethod
    def _disable(self) -> None: ...

    @abstractmethod
    def _enable(self, memory: str) -> None: ...

    def wait_for(self, state: JobState) -> None:
        """Raise an error when a running purge prevents the hold.

        :raises PurgeRunsError: a purge runs, and its job cannot be disabled meanwhile or is disabled already.
        """
        if state.running and not (state.enabled and self.disable_while_running):
            raise PurgeRunsError(f"The purge job {self.key} runs now.", "Do nothing: the task checks it again.")

    def hold(self) -> JobState:
        """Disable the job so that it deletes nothing.

        :returns: the state before the hold.
        :raises PurgeRunsError: a purge runs now; it ends by itself.
        :raises GuardError: the job is still enabled after the hold.
        """
        before = self.state()
        self.wait_for(before)
        if not before.enabled:
            log.info("The purge job %s is disabled already.", self.key)
            return before
        self._disable()
        after = self.state()
        if after.enabled:
            raise GuardError(
                f"The purge job {self.key} is still {after.words} after the hold.",
                "Find out who enables it, and disable it there.",
            )
        if after.running:
            raise PurgeRunsError(
                f"The purge job {self.key} is disabled, and its last run continues.",
                "Do nothing: the task checks it again.",
            )
        log.info("The purge job %s is held.", self.key)
        return before

    def release(self, memory: str = "") -> JobState:
        """Enable the job again.

        :param memory: memory of the state before the hold.
        :returns: the state after the release.
        :raises PurgeRunsError: a purge runs now although the job is disabled.
        :raises GuardError: the job is not enabled after the release.
        """
        before = self.state()
        if before.enabled:
            log.info("The purge job %s is enabled already.", self.key)
            return before
        if before.running:
            # Only a person runs a disabled job; and a state command's "running" says nothing about enabled or disabled.
            raise PurgeRunsError(f"The purge job {self.key} runs now.", "Do nothing: the next check enables it.")
        self._enable(memory)
        after = self.state()
        if not after.enabled:
            raise GuardError(
                f"The purge job {self.key} is {after.words} after it was enabled.",
                "Find out why, and enable it by hand; the next check finds it enabled.",
            )
        log.info("The purge job %s is enabled.", self.key)
        return after


class SchedulerPurge(PurgeJob):
    """A job of DBMS_SCHEDULER.

    :param hook: Oracle hook of the IDB's ``connection``.
    """

    def __init__(self, settings: SchedulerJob, hook: Statements) -> None:
        super().__init__(settings.key)
        self._name, self._hook = settings.job, hook

    def state(self) -> JobState:
        owner, _, name = self._name.partition(".")
        rows = self._hook.select("scheduler_jobs", owner=owner, job_name=name)
        if not rows:
            raise PermanentError(
                f"There is no scheduler job {self._name}, or the connection's user cannot see it.",
                "Correct idbs.purge_jobs in the topology, or grant SELECT_CATALOG_ROLE.",
            )
        state = str(rows[0]["state"] or "").upper()
        return JobState(str(rows[0]["enabled"]).upper() == "TRUE", state == "RUNNING", state)

    def _disable(self) -> None:
        try:
            self._hook.execute("disable_job", job=self._name)
        except Exception as error:
            if getattr(error, "code", None) != _JOB_RUNS:
                raise
            raise PurgeRunsError(
                f"The purge job {self.key} began to run meanwhile.", "Do nothing: the task checks it again."
            ) from None

    def _enable(self, memory: str) -> None:
        self._hook.execute("enable_job", job=self._name)


def next_run(noted: str, now: datetime) -> datetime:
    """Next run of a job that missed its runs: at its time of day, never immediately.

    :param noted: NEXT_DATE before the hold, in ISO form; empty when it was not known.
    :param now: time at the database's host.
    """
    at = datetime.fromisoformat(noted) if noted else now + timedelta(days=1)
    # NEXT_DATE of a job that was already broken is in the year 4000.
    if at > now + timedelta(days=366):
        return now + timedelta(days=1)
    missed = max(0, -((at - now) // timedelta(days=1)))
    at += timedelta(days=missed)
    return at if at > now else at + timedelta(days=1)


class DbmsJobPurge(PurgeJob):
    """A job of DBMS_JOB: a hold marks it broken.

    The owner uses DBMS_JOB; every other user needs DBMS_IJOB. A running job is not marked, since the end of the run
    would remove the mark.

    :param hook: Oracle hook of the IDB's ``connection``.
    """

    def __init__(self, settings: DbmsJob, hook: Statements) -> None:
        super().__init__(settings.key)
        self._settings, self._hook = settings, hook

    def _row(self) -> dict[str, Any]:
        rows = self._hook.select("dbms_jobs", job_number=self._settings.job)
        if not rows or rows[0]["priv_user"] != self._settings.owner:
            found = f"belongs to {rows[0]['priv_user']}" if rows else "is not in DBA_JOBS"
            raise PermanentError(
                f"The job {self._settings.job} of {self._settings.owner} {found}.",
                "Correct idbs.purge_jobs in the topology (a resubmitted job has a new number).",
            )
        return rows[0]

    def state(self) -> JobState:
        row = self._row()
        broken = str(row["broken"]).upper() == "Y"
        running = row["this_date"] is not None
        words = "broken" if broken else f"due at {row['next_date']}"
        memory = "" if broken or row["next_date"] is None else row["next_date"].isoformat()
        return JobState(not broken, running, f"{words}{', running' if running else ''}", memory)

    def _package(self, row: dict[str, Any]) -> str:
        return "dbms_job" if row["own"] == "Y" else "dbms_ijob"

    def _disable(self) -> None:
        self._hook.execute(f"{self._package(self._row())}_break", job_number=self._settings.job)

    def _enable(self, memory: str) -> None:
        row = self._row()
        self._hook.execute(
            f"{self._package(row)}_mend",
            job_number=self._settings.job,
            next_run=next_run(memory, row["time_there"]),
        )


# -- cron ------------------------------------------------------------------------------------------


def _bare(line: bytes) -> bytes:
    return line.rstrip(b"\r\n")


def crontab_counts(text: bytes, line: str) -> tuple[int, int]:
    """Number of times that the line is in a crontab, and number of times that it is held there."""
    lines = [_bare(each) for each in text.splitlines(keepends=True)]
    return lines.count(line.encode()), lines.count((CRON_MARK + line).encode())


def crontab_held(text: bytes, line: str) -> bytes:
    """The crontab with the line commented out; every other byte is unchanged."""
    wanted = line.encode()
    return b"".join(
        CRON_MARK.encode() + each if _bare(each) == wanted else each for each in text.splitlines(keepends=True)
    )


def crontab_released(text: bytes, line: str) -> bytes:
    """The crontab with the line as before the hold; a second held copy is removed."""
    held = (CRON_MARK + line).encode()
    kept, back = [], crontab_counts(text, line)[0] > 0
    for each in text.splitlines(keepends=True):
        if _bare(each) != held:
            kept.append(each)
        elif not back:
            kept.append(each.removeprefix(CRON_MARK.encode()))
            back = True
    return b"".join(kept)


class CronPurge(PurgeJob):
    """A line of a user's crontab. A hold comments it out, with a mark that names these procedures.

    :param host: the host of the crontab.
    """

    disable_while_running = True

    def __init__(self, settings: CronJob, host: Host) -> None:
        super().__init__(settings.key)
        self._settings, self._host = settings, host
        self._crontab = ["crontab", *(["-u", settings.user] if settings.user else [])]

    def _text(self) -> bytes:
        return self._host.shell_bytes(_READ, *self._crontab, "-l")

    def state(self) -> JobState:
        lines, held = crontab_counts(self._text(), self._settings.line)
        if lines > 1 or not lines + held:
            raise PermanentError(
                f"The line {self._settings.line!r} occurs {lines} times in the crontab on {self._settings.host}, "
                "and must occur once.",
                "Correct idbs.purge_jobs in the topology, or the crontab. Blanks must match too.",
            )
        running = self._host.run(pgrep(self._settings.process_pattern), check=False).exit_code
        if running not in (0, 1):
            raise UnexpectedReplyError(
                f"pgrep on {self._settings.host} ended with exit code {running}.", "Run it there by hand."
            )
        words = "in the crontab" if lines else "commented out"
        return JobState(bool(lines), running == 0, f"{words}{', running' if running == 0 else ''}")

    def _write(self, change: Any) -> None:
        # Read immediately before the change, and again after it: others edit a crontab too.
        old = self._text()
        # crontab -l of Debian shows a carriage return as these two letters, and they would be installed.
        if any(_bare(line).endswith(b"\\r") for line in old.splitlines(keepends=True)):
            raise PermanentError(
                f"The crontab on {self._settings.host} has lines that end with a carriage return.",
                "Remove the carriage returns (it was edited on Windows), then clear this task.",
            )
        new = change(old, self._settings.line)
        kept, wanted = self._host.work_path(CRONTAB_BEFORE), self._host.work_path(CRONTAB_NEW)
        self._host.write_file(kept, old)
        # From a file: with standard input, cron would install a part of it when the connection breaks.
        self._host.write_file(wanted, new)
        self._host.run([*self._crontab, wanted])
        if self._text() != new:
            raise GuardError(
                f"The crontab on {self._settings.host} differs from the one that was installed.",
                f"Read it (crontab -l): somebody changed it at the same time. {kept} is the old version; "
                "then clear this task.",
            )

    def _disable(self) -> None:
        self._write(crontab_held)

    def _enable(self, memory: str) -> None:
        self._write(crontab_released)


class CommandPurge(PurgeJob):
    """A purge that commands of the site hold and release.

    :param host: the host of the commands.
    """

    def __init__(self, settings: CommandJob, host: Host) -> None:
        super().__init__(settings.key)
        self._settings, self._host = settings, host

    def state(self) -> JobState:
        done = self._host.run(self._settings.state, check=False)
        words = {ENABLED: "enabled", DISABLED: "disabled", RUNNING: "running"}.get(done.exit_code)
        if words is None:
            raise UnexpectedReplyError(
                f"The state command of {self.key} ended with exit code {done.exit_code}, which is not a known state: "
                f"{(done.stderr or done.stdout).strip()[-300:] or 'without output'}.",
                f"It must end with {ENABLED} (enabled), {DISABLED} (disabled) or {RUNNING} (a purge runs now).",
            )
        return JobState(done.exit_code == ENABLED, done.exit_code == RUNNING, words)

    def _disable(self) -> None:
        self._host.run(self._settings.hold)

    def _enable(self, memory: str) -> None:
        self._host.run(self._settings.release)
