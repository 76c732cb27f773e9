"""Makes the purge jobs match the holds, and waits for a running purge."""

from __future__ import annotations

from datetime import UTC, datetime

from infomart_dr.guards.plan_holds import chosen_idbs, no_chosen_purge_runs
from infomart_dr.guards.purge_holds.deployment import PurgeHolds
from infomart_dr.guards.purge_holds.idb import raise_all
from infomart_dr.hooks.purge_jobs import PurgeRunsError
from infomart_dr.operators.purge_holds import LIST, HoldStep, log_report
from infomart_dr.plan.step import Observation, Step
from infomart_dr.sensors.base import StepSensor
from infomart_dr.text import sorted_names


class MatchJobs(HoldStep, StepSensor):
    """Make the purge jobs match the holds now, as the guard does by schedule. The step waits for a running purge."""

    guide = "Database Transfer: stop purging IDBs, until the data is processed (guide:232)"
    changes = "purge jobs are disabled where a hold is in force, and enabled where the last hold has ended"
    undo = "infomart_purge_hold with release or place"
    probe = staticmethod(no_chosen_purge_runs)

    def does_not_apply(self, step: Step) -> str | None:
        return "the run only lists holds" if step.params["action"] == LIST else None

    def observe(self, step: Step) -> Observation:
        now = datetime.now(UTC)
        unlike: list[str] = []
        for idb in chosen_idbs(step):
            rows = {row.job for row in idb.store.jobs() if idb.store.is_own(row)}
            if not idb.active(now):
                unlike += [f"{idb.label}: {job} is not released yet" for job in sorted(rows)]
                continue
            for job, state in idb.states().items():
                if state.enabled or state.running or job not in rows:
                    unlike.append(f"{idb.label}: {job} is {state.words}")
        if unlike:
            return Observation(False, f"jobs that do not match the holds: {sorted_names(unlike)}")
        return Observation(True, "the purge jobs match the holds")

    def prepare(self, step: Step) -> None:
        holds = PurgeHolds(step.deployment)
        reports = [holds.enforce(idb) for idb in chosen_idbs(step)]
        for report in reports:
            log_report(self, report)
        raise_all([error for report in reports for error in report.errors])

    def after(self, step: Step, reached: Observation) -> Observation:
        self.prepare(step)
        if not (running := no_chosen_purge_runs(step)).satisfied:
            raise PurgeRunsError(f"{running.summary}.", "The retry waits until they have ended.")
        return self.observe(step)

    def next_step(self) -> str:
        return "Check the job where it is defined, then clear this task. infomart_purge_guard also tries it regularly."
