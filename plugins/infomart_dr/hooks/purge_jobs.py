"""Scheduler jobs that purge an IDB: observed, held (disabled) and released (enabled), each time proven.

A partitioned IDB has 14 daily partitions in a ring and its purge truncates whole partitions, so a hold keeps
data only until the ring comes round (rule 8): the caller watches how long a hold lasts.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Any, Protocol

from infomart_dr.errors import CurableError, FinalError, GuardError

log = logging.getLogger(__name__)

_NAME = re.compile(r"^([A-Z][A-Z0-9_$#]{0,29})\.([A-Z][A-Z0-9_$#]{0,127})$")
#: The scheduler refuses to disable a job that runs (ORA-27478).
_JOB_RUNS = "ORA-27478"


class Statements(Protocol):
    """The part of InfoMartOracleHook that is needed here."""

    def select(self, name: str, identifiers: Any = None, **binds: Any) -> list[dict[str, Any]]: ...
    def execute(self, name: str, identifiers: Any = None, **binds: Any) -> int: ...


@dataclass(frozen=True)
class JobState:
    """A job as DBA_SCHEDULER_JOBS shows it.

    :param name: ``OWNER.NAME``.
    :param state: SCHEDULED, RUNNING, DISABLED, ...
    """

    name: str
    enabled: bool
    state: str

    @property
    def running(self) -> bool:
        """True while a purge is at work; a disabled job's last run may still be."""
        return self.state == "RUNNING"


class PurgeJobs:
    """Purge jobs of one IDB's database.

    :param hook: Oracle hook of the IDB's ``connection``.
    """

    def __init__(self, hook: Statements) -> None:
        self._hook = hook

    def state(self, name: str) -> JobState:
        """State of a job.

        :param name: ``OWNER.NAME``, as in the topology.
        :raises FinalError: no such job, or the connection may not see it.
        """
        match = _NAME.match(name)
        if match is None:
            raise FinalError(
                f"{name[:60]!r} is not OWNER.NAME of a scheduler job.", "Correct purge_jobs in the topology."
            )
        rows = self._hook.select("scheduler_jobs", owner=match[1], job_name=match[2])
        if not rows:
            raise FinalError(
                f"There is no scheduler job {name}, or the user of the connection may not see it.",
                "Correct idbs.purge_jobs in the topology, or grant SELECT_CATALOG_ROLE.",
            )
        row = rows[0]
        return JobState(name, str(row["enabled"]).upper() == "TRUE", str(row["state"] or "").upper())

    def hold(self, name: str) -> JobState:
        """Disable a job so that it deletes nothing.

        :returns: the state before: the caller notes it (``Ledger.put_once``), so that a release enables only
            what was enabled.
        :raises CurableError: a purge runs now; it ends by itself.
        :raises GuardError: the job is enabled after the act.
        """
        before = self.state(name)
        if before.running:
            raise CurableError(
                f"The purge job {name} runs now.",
                "It is tried again; wait until the job has ended, or stop it (DBMS_SCHEDULER.STOP_JOB).",
            )
        if not before.enabled:
            log.info("The purge job %s is disabled already.", name)
            return before
        try:
            self._hook.execute("disable_job", job=name)
        except Exception as error:
            if getattr(error, "code", None) != _JOB_RUNS:
                raise
            raise CurableError(
                f"The purge job {name} began to run meanwhile.", "It is tried again when the job has ended."
            ) from None
        after = self.state(name)
        if after.enabled or after.running:
            raise GuardError(
                f"The purge job {name} is still {after.state} (enabled: {after.enabled}) after the hold.",
                "Find out who enables or runs it, and disable it there.",
            )
        log.info("The purge job %s is held.", name)
        return before

    def release(self, name: str) -> JobState:
        """Enable a job again.

        :returns: the state after.
        :raises GuardError: the job is not enabled after the act.
        """
        before = self.state(name)
        if before.enabled:
            log.info("The purge job %s is enabled already.", name)
            return before
        self._hook.execute("enable_job", job=name)
        after = self.state(name)
        if not after.enabled:
            raise GuardError(
                f"The purge job {name} is {after.state} after it was enabled.",
                "Look at its end date and its program (DBA_SCHEDULER_JOBS), then enable it by hand.",
            )
        log.info("The purge job %s is enabled.", name)
        return after
