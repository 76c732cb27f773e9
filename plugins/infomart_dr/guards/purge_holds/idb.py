"""Holds and purge jobs of one IDB."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from infomart_dr.errors import GuardError, InfoMartError, PermanentError, TransientError
from infomart_dr.guards.purge_holds.ring import ring_warning
from infomart_dr.guards.purge_holds.store import HeldJob, Hold, HoldStore
from infomart_dr.hooks.purge_jobs import JobState, PurgeJob, PurgeRunsError
from infomart_dr.topology import Idb

log = logging.getLogger(__name__)


def typed(error: Exception) -> InfoMartError:
    """The error itself, or a permanent one for an unexpected error."""
    if isinstance(error, InfoMartError):
        return error
    return PermanentError(f"{type(error).__name__}: {error}", "Unexpected error. Report it with the task log.")


def raise_all(errors: Sequence[tuple[str, InfoMartError]]) -> None:
    """Raise one error for all: permanent when any of them is; none without errors."""
    if not errors:
        return
    kind = TransientError if all(error.retryable for _, error in errors) else PermanentError
    what = " ".join(f"{label}: {error.what}" for label, error in errors)
    raise kind(what, errors[0][1].next_step or "Correct each of these; all others are done.")


@dataclass
class Report:
    """The result for one IDB.

    :param changed: jobs that were disabled or enabled, and holds that ended.
    :param reported: events that a person should know: a job was enabled under a hold.
    :param warnings: dangers if nobody acts.
    :param running: jobs whose purge runs now; the next check handles them again.
    :param errors: failures, with the job or the IDB.
    """

    idb: str
    holds: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    errors: list[tuple[str, InfoMartError]] = field(default_factory=list)

    def failed(self, what: str, error: Exception) -> None:
        """Keep an error, so that the rest of the work goes on."""
        log.warning("%s: %s: %s", self.idb, what, error, exc_info=not isinstance(error, InfoMartError))
        self.errors.append((f"{self.idb}: {what}", typed(error)))


def left_behind(row: HeldJob) -> str:
    """The warning about a held job that the topology does not name."""
    return (
        f"{row.job} is held but no longer in the topology, so nothing will enable it. Put it back into the topology "
        f"until its holds are over. Or {'enable it by hand' if row.was_enabled else 'leave it disabled'} (it was "
        f"{'enabled' if row.was_enabled else 'disabled'} before the hold), then delete its row in DR_PURGE_JOB"
    )


class IdbHolds:
    """Holds and purge jobs of one IDB.

    :param jobs: the topology's purge jobs.
    :param clock: gives the present time.
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
        """The holds that are active now."""
        return [hold for hold in self.store.holds() if hold.active(now)]

    def since(self) -> datetime | None:
        """Time at which purging stopped: that of the oldest held job."""
        return min((job.held_since for job in self.store.jobs() if self.store.is_own(job)), default=None)

    def hold_jobs(self, report: Report | None = None) -> Report:
        """Disable every purge job; the report names those that run, and errors."""
        report = report or Report(self.label)
        for job in self.jobs:
            with self._reported(job, report):
                self._hold(job, report)
        return report

    @contextmanager
    def _reported(self, job: PurgeJob, report: Report) -> Iterator[None]:
        """Report a running purge or an error of one job; the others go on."""
        try:
            yield
        except PurgeRunsError as error:
            report.running.append(job.key)
            log.info("%s: %s", self.label, error.what)
        except Exception as error:
            report.failed(job.key, error)

    def _row(self, job: str) -> HeldJob | None:
        return next((each for each in self.store.jobs() if self.store.is_own(each) and each.job == job), None)

    def _others(self, job: str) -> list[HeldJob]:
        """Rows of other IDBs that the same job purges."""
        return [each for each in self.store.jobs() if each.job == job and not self.store.is_own(each)]

    def _held_for_others(self, job: str, now: datetime) -> list[str]:
        """Other IDBs that the same job purges and that are held now; a row alone proves no hold."""
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
                # Recorded before the change: the held state must never be mistaken for the state before the hold.
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
                # From now on, a job that is found enabled was enabled by somebody else.
                self.store.touch(job.key)
            if before.enabled:
                report.changed.append(f"{job.key} is disabled")
            if row is not None and row.changes > 1 and state.enabled:
                report.reported.append(f"somebody enabled {job.key} under a hold; it is disabled again")
            return
        raise GuardError(
            f"Purge job {job.key} of {self.label} keeps being recorded and removed: two Airflows disagree.",
            "Compare the clocks and topologies of both Airflows.",
        )

    def give_back(self, now: datetime, report: Report | None = None) -> Report:
        """Enable the jobs that were enabled before, where no hold is left."""
        report = report or Report(self.label)
        jobs = {job.key: job for job in self.jobs}
        for row in [each for each in self.store.jobs() if self.store.is_own(each)]:
            job = jobs.get(row.job)
            if job is None:
                report.warnings.append(left_behind(row))
                continue
            with self._reported(job, report):
                self._give_back(job, row, now, report)
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
        # A row that is still there was written by another run that holds; one that is gone was given back twice.
        if held or self._row(row.job) is not None:
            self._hold(job, report)

    def enforce(
        self,
        now: datetime,
        over: Callable[[Hold], str | None],
        waiting: Callable[[datetime], tuple[datetime, int] | None] = lambda since: None,
    ) -> Report:
        """Make the jobs match the holds.

        :param over: the reason why a hold is over; None: it is not.
        :param waiting: for :func:`ring_warning`, from the time at which purging stopped; called only for a ring.
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
