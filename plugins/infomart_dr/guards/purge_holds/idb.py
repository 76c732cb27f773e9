"""Holds and purge jobs of one IDB."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from infomart_dr.errors import GuardError, InfoMartError, PermanentError, TransientError
from infomart_dr.guards.purge_holds.ring import ring_warning
from infomart_dr.guards.purge_holds.store import HeldJob, Hold, HoldStore
from infomart_dr.hooks.purge_jobs import JobState, PurgeJob, PurgeRunsError
from infomart_dr.topology import Idb

log = logging.getLogger(__name__)


def typed(error: Exception) -> InfoMartError:
    """An error of the procedures, for one that may be a fault of their own."""
    if isinstance(error, InfoMartError):
        return error
    return PermanentError(f"{type(error).__name__}: {error}", "Report this with the task's log: nobody foresaw it.")


def raise_all(errors: Sequence[tuple[str, InfoMartError]]) -> None:
    """Raise one error for all; final when any of them is. Without any, nothing is raised."""
    if not errors:
        return
    kind = TransientError if all(error.retryable for _, error in errors) else PermanentError
    what = " ".join(f"{label}: {error.what}" for label, error in errors)
    raise kind(what, errors[0][1].next_step or "Look at each of these; the others are done.")


@dataclass
class Report:
    """What a look at one IDB came to.

    :param changed: jobs that were disabled or enabled, and holds that ended.
    :param reported: what somebody should know: a job was enabled under a hold.
    :param warnings: what will go wrong if nobody acts.
    :param running: jobs whose purge runs now; they are looked at again.
    :param errors: what could not be done, with the job or the IDB.
    """

    idb: str
    holds: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    errors: list[tuple[str, InfoMartError]] = field(default_factory=list)

    def failed(self, what: str, error: Exception) -> None:
        """Keep an error: what else is to be done must not wait for it."""
        log.warning("%s: %s: %s", self.idb, what, error, exc_info=not isinstance(error, InfoMartError))
        self.errors.append((f"{self.idb}: {what}", typed(error)))


def left_behind(row: HeldJob) -> str:
    """A warning of a job whose row stays: the topology does not name it."""
    return (
        f"{row.job} is held and no longer in the topology, so that nothing enables it: put it back until its holds are "
        f"over; or enable it by hand where it was enabled ({'yes' if row.was_enabled else 'no'}), then delete its row "
        "in DR_PURGE_JOB"
    )


class IdbHolds:
    """Holds and purge jobs of one IDB.

    :param jobs: the topology's purge jobs.
    :param clock: what time it is.
    """

    def __init__(
        self,
        site: str,
        idb: Idb,
        store: HoldStore,
        jobs: Iterable[PurgeJob],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.site, self.settings, self.store = site, idb, store
        self.jobs, self._clock = list(jobs), clock
        self.label = f"{site}/{idb.name}"

    def states(self) -> dict[str, JobState]:
        """State of each purge job."""
        return {job.key: job.state() for job in self.jobs}

    def active(self, now: datetime) -> list[Hold]:
        """The holds that hold now."""
        return [hold for hold in self.store.holds() if hold.active(now)]

    def since(self) -> datetime | None:
        """When purging stopped: the oldest of the held jobs."""
        return min((job.held_since for job in self.store.jobs() if self.store.is_own(job)), default=None)

    def hold_jobs(self, report: Report | None = None) -> Report:
        """Disable every purge job; those that run, and errors, are named in the report."""
        report = report or Report(self.label)
        for job in self.jobs:
            try:
                self._hold(job, report)
            except PurgeRunsError as error:
                report.running.append(job.key)
                log.info("%s: %s", self.label, error.what)
            except Exception as error:
                report.failed(job.key, error)
        return report

    def _row(self, job: str) -> HeldJob | None:
        return next((each for each in self.store.jobs() if self.store.is_own(each) and each.job == job), None)

    def _others(self, job: str) -> list[HeldJob]:
        """Rows of other IDBs that the same job purges."""
        return [each for each in self.store.jobs() if each.job == job and not self.store.is_own(each)]

    def _held_for_others(self, job: str, now: datetime) -> list[str]:
        """Other IDBs that the same job purges and that are held now; a row alone may be about to go."""
        return sorted(
            f"{each.site}/{each.idb}"
            for each in self._others(job)
            if any(hold.active(now) for hold in self.store.of(each).holds())
        )

    def _hold(self, job: PurgeJob, report: Report) -> None:
        for _ in range(5):
            row, state = self._row(job.key), job.state()
            job.wait_for(state)
            if row is None:
                # Noted before it is changed: nobody may take the hold for the state before it.
                others = self._others(job.key)
                was = state.enabled or any(other.was_enabled for other in others)
                memory = state.memory or next((other.memory for other in others if other.memory), "")
                noted = self.store.note(job.key, was, memory)
            elif state.enabled and row.changes > 1:
                noted = self.store.enabled_again(job.key, state.memory)
            else:
                noted = self.store.touch(job.key)
            if not noted:
                continue
            if row is not None and row.changes > 1 and not state.enabled:
                return
            before = job.hold()
            if row is None or row.changes == 1:
                # From now on, who finds it enabled knows that somebody has done that.
                self.store.touch(job.key)
            if before.enabled:
                report.changed.append(f"{job.key} is disabled")
            if row is not None and row.changes > 1 and state.enabled:
                report.reported.append(f"{job.key} was enabled by somebody under a hold, and is disabled again")
            return
        raise GuardError(
            f"The purge job {job.key} of {self.label} is noted and forgotten again and again.",
            "Look whether two Airflows disagree about the holds (clocks, topologies).",
        )

    def give_back(self, now: datetime, report: Report | None = None) -> Report:
        """Enable the jobs that were enabled before, where nothing holds them any more."""
        report = report or Report(self.label)
        jobs = {job.key: job for job in self.jobs}
        for row in [each for each in self.store.jobs() if self.store.is_own(each)]:
            job = jobs.get(row.job)
            if job is None:
                report.warnings.append(left_behind(row))
                continue
            try:
                self._give_back(job, row, now, report)
            except PurgeRunsError as error:
                report.running.append(job.key)
                log.info("%s: %s", self.label, error.what)
            except Exception as error:
                report.failed(job.key, error)
        return report

    def _give_back(self, job: PurgeJob, row: HeldJob, now: datetime, report: Report) -> None:
        others = self._held_for_others(row.job, now)
        if others:
            report.changed.append(f"{row.job} stays disabled: it also purges {', '.join(others)}, which is held")
        elif row.was_enabled:
            job.release(row.memory)
            report.changed.append(f"{row.job} is enabled")
        else:
            report.changed.append(f"{row.job} stays disabled, as it was before the hold")
        self.store.forget(row)
        then = max(now, self._clock())
        held = self.active(then) or (not others and self._held_for_others(row.job, then))
        # A row that is still there was written by somebody who holds; one that is gone was given back twice.
        if held or self._row(row.job) is not None:
            self._hold(job, report)

    def enforce(
        self,
        now: datetime,
        over: Callable[[Hold], str | None],
        waiting: Callable[[datetime], tuple[datetime, int] | None] = lambda since: None,
    ) -> Report:
        """Make the jobs match the holds.

        :param over: why a hold is over; None: it is not.
        :param waiting: for :func:`ring_warning`, given when purging stopped; asked where there is a ring.
        """
        report = Report(self.label)
        active = []
        for hold in self.store.holds():
            if not hold.active(now):
                if hold.released_at is None:
                    report.holds.append(str(hold))
                continue
            if (why := over(hold)) is not None and self.store.over(hold, why):
                report.changed.append(f"the hold {hold.hold_id} is over: {why}")
            else:
                active.append(hold)
                report.holds.append(str(hold))
        if not active:
            return self.give_back(now, report)
        self.hold_jobs(report)
        named = {job.key for job in self.jobs}
        rows = [row for row in self.store.jobs() if self.store.is_own(row)]
        report.warnings += [left_behind(row) for row in rows if row.job not in named]
        since, ring = self.since(), self.settings.partition_ring_days
        if since is not None and ring is not None and (words := ring_warning(since, now, ring, waiting(since))):
            report.warnings.append(words)
        return report
