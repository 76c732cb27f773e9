"""A plan's hold on IDB purging: placed before the copy, released when the high-water marks have passed it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from infomart_dr.guards.plan_holds import (
    has_hold,
    high_water_mark_passed_hold,
    idbs_of_plan,
    no_purge_runs,
    purges_that_run,
    site_at_the_end,
)
from infomart_dr.guards.purge_holds import Report
from infomart_dr.guards.purge_holds.idb import IdbHolds, raise_all
from infomart_dr.guards.purge_holds.store import End, plan_hold
from infomart_dr.hooks.purge_jobs import PurgeRunsError
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation, Step
from infomart_dr.sensors.base import StepSensor
from infomart_dr.text import sorted_names


class HoldPurging(StepSensor):
    """Hold the purging of the Interaction Databases before anything is copied. The step waits for a running purge."""

    guide = "Database Transfer: stop purging IDBs (guide:232)"
    changes = "a hold of this plan in the database of each IDB; the topology's purge jobs are disabled at both sites"
    undo = "release_idb_purge_hold, also in a later run of the plan; of an abandoned plan, the DAG infomart_purge_hold"
    probe = staticmethod(no_purge_runs)

    def observe(self, step: Step) -> Observation:
        idbs, now = idbs_of_plan(step), datetime.now(UTC)
        states = {f"{idb.label}: {job}": state for idb in idbs for job, state in idb.states().items()}
        loose = [job for job, state in states.items() if state.enabled or state.running]
        without = [idb.label for idb in idbs if not has_hold(idb, step.plan_id, now)]
        held = step.ledger.get(facts.PURGE_HOLD)
        details = {"hold": held, "jobs": len(states)}
        if loose or without or held is None:
            return Observation(
                False,
                f"purging is enabled or runs: {sorted_names(loose) or 'no job'}; "
                f"without a hold of this plan: {sorted_names(without) or 'no IDB'}",
                details,
            )
        return Observation(True, f"purging is held: {len(states)} job(s) disabled", details)

    def prepare(self, step: Step) -> None:
        now = datetime.now(UTC)
        idbs = idbs_of_plan(step)
        rings = [days for idb in idbs if (days := idb.settings.partition_ring_days)]
        reason = str(step.params.get("reason") or "database transfer")
        fact = {"owner": step.owner, "reason": reason, "since": int(now.timestamp())}
        if rings:
            fact["ceiling"] = int(now.timestamp()) + min(rings) * 86400
        hold = plan_hold(step.plan_id)
        if any((stands := idb.store.hold(hold)) is not None and not stands.until_its_plan for idb in idbs):
            # Data collected from now on must be processed too before the hold ends.
            step.ledger.forget(facts.PURGE_HOLD)
        step.ledger.put_once(facts.PURGE_HOLD, fact)
        site = step.at(site_at_the_end(step, "target")).name
        for idb in idbs:
            # The hold first, then the jobs: the guard may run at any time.
            placed = idb.store.place(hold, step.owner, "", reason, now, End(until_site=site))
            if not placed and idb.store.reopen(hold, step.owner, now, site):
                self.log.info("act: %s: the hold of this plan had an end and is active again", idb.label)
        self._hold(idbs)

    def _hold(self, idbs: list[IdbHolds]) -> None:
        reports = [idb.hold_jobs() for idb in idbs]
        for report in reports:
            for words in [*report.changed, *report.reported]:
                self.log.info("act: %s: %s", report.idb, words)
        raise_all([error for report in reports for error in report.errors])

    def after(self, step: Step, reached: Observation) -> Observation:
        self._hold(idbs_of_plan(step))
        if running := purges_that_run(idbs_of_plan(step)):
            raise PurgeRunsError(
                f"Purges run again: {sorted_names(running)}.", "The retry waits until they have ended."
            )
        return self.observe(step)

    def next_step(self) -> str:
        return "Find out why the purge does not end, or who enables it, then clear this task."


class ReleasePurgeHold(StepSensor):
    """Release the purge hold, once the serving site's high-water mark has passed it.

    Holds left by earlier plans are released with it. Purging resumes where no other hold is left.

    :param role: the site that serves at the end; with the option that the source stays active, the source.
    """

    guide = "Database Transfer: until the data is processed (guide:232)"
    changes = (
        "the plan's holds are released; purge jobs that were enabled before are enabled where no other hold is active"
    )
    undo = "infomart_purge_hold with place"
    probe = staticmethod(high_water_mark_passed_hold)
    in_report = True

    def arguments(self, step: Step) -> dict[str, Any]:
        return {"role": site_at_the_end(step, self.role)}

    def prepare(self, step: Step) -> None:
        # From now on the guard can end the hold too, if this Airflow is lost.
        since = datetime.fromtimestamp(step.ledger.require(facts.PURGE_HOLD)["since"], UTC)
        end = End(until_site=step.at(site_at_the_end(step, self.role)).name, until_time=since)
        for idb in idbs_of_plan(step):
            idb.store.extend(plan_hold(step.plan_id), end, datetime.now(UTC))

    def finish(self, step: Step, seen: Observation) -> None:
        now, reports = datetime.now(UTC), list[Report]()
        for idb in idbs_of_plan(step):
            # Only one plan runs at a time: holds of other plans are left over.
            for hold in idb.store.holds():
                if hold.released_at is None and hold.of_plan:
                    idb.store.release(hold.hold_id, step.owner, seen.summary)
                    self.log.info("act: %s: released %s", idb.label, hold)
            if others := idb.active(now):
                self.log.info("act: %s: purging stays held by %s", idb.label, "; ".join(map(str, others)))
                continue
            # The row of a job that stays disabled is kept, so that a retry enables it.
            report = idb.give_back(now)
            reports.append(report)
            for words in report.changed:
                self.log.info("act: %s: %s", idb.label, words)
            for words in [*report.warnings, *(f"{job} is enabled by the guard" for job in report.running)]:
                self.log.warning("%s: %s", idb.label, words)
        raise_all([error for report in reports for error in report.errors])

    def next_step(self) -> str:
        return (
            "Find out why the high-water mark does not move, then clear this task. Purging stays held. If GIM Manager "
            "shows that everything is extracted, release the plan's hold with infomart_purge_hold and mark this task "
            "as success."
        )
