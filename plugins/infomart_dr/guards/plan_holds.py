"""The hold of a plan on IDB purging: its state, running purges, and the marks that must pass it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime

from infomart_dr.errors import GuardError
from infomart_dr.guards.high_water_marks import marks
from infomart_dr.guards.purge_holds.deployment import PurgeHolds
from infomart_dr.guards.purge_holds.idb import IdbHolds
from infomart_dr.guards.purge_holds.store import plan_hold
from infomart_dr.plan import facts
from infomart_dr.plan.parameters import SOURCE_STAYS
from infomart_dr.plan.step import Observation, Step
from infomart_dr.text import sorted_names
from infomart_dr.topology.topology import SiteRole


def idbs_of_plan(step: Step) -> list[IdbHolds]:
    """The IDBs at both sites that have purge jobs."""
    return PurgeHolds(step.deployment).of_sites([step.at("source").name, step.at("target").name])


def site_at_the_end(step: Step, role: SiteRole) -> SiteRole:
    """Role of the site that serves at the end; the option "source stays active" makes it the source."""
    return "source" if step.params.get("option") == SOURCE_STAYS else role


def purges_that_run(idbs: Iterable[IdbHolds]) -> list[str]:
    return [f"{idb.label}: {job}" for idb in idbs for job, state in idb.states().items() if state.running]


def no_purge_runs(step: Step, role: SiteRole) -> Observation:
    """Probe: no purge runs at either site."""
    running = purges_that_run(idbs_of_plan(step))
    return Observation(not running, f"running purges: {sorted_names(running)}" if running else "no purge runs")


def has_hold(idb: IdbHolds, plan_id: str, now: datetime) -> bool:
    """The plan's hold is active, and only its plan can end it."""
    hold = idb.store.hold(plan_hold(plan_id))
    return hold is not None and hold.active(now) and hold.until_its_plan


def high_water_mark_passed_hold(step: Step, role: SiteRole) -> Observation:
    """Probe: the site's high-water marks are past the moment at which the hold was placed.

    :param role: the serving site.
    """
    hold = step.ledger.require(facts.PURGE_HOLD)
    found = marks(step, role, hold["since"])
    left = hold.get("ceiling", float("inf")) - time.time()
    warning = f"; WARNING: the hold's ceiling is {left / 86400:.1f} days away" if left < 4 * 86400 else ""
    # A data source that nobody can judge must stay held; where no purge is held, it does not matter.
    held = {str(idb.settings.data_source_key) for idb in idbs_of_plan(step)} if found.unknown else ()
    unjudged = [f"data source {key}: not past it, and without calls nobody can tell whether it is idle"
                for key in found.unknown if key in held]  # fmt: skip
    if not found.passed or unjudged:
        what = f"{'; '.join([*found.behind, *unjudged]) or 'no marks'}{found.others()}"
        return Observation(False, f"the high-water marks have not passed the hold: {what}{warning}")
    what = f"the high-water marks of {len(found.moved)} data source(s) passed the hold{found.others()}"
    return Observation(True, what + warning)


def chosen_idbs(step: Step) -> list[IdbHolds]:
    found = PurgeHolds(step.deployment).choose(str(step.params.get("which") or ""))
    if not found:
        raise GuardError(
            "No IDB of a surviving site has purge_jobs in the topology: there is nothing to hold.",
            "Add the jobs that purge each IDB under idbs.purge_jobs.",
        )
    return found


def no_chosen_purge_runs(step: Step, role: str = "") -> Observation:
    """Probe: no purge runs at those of the chosen IDBs whose jobs must be held or given back.

    IDBs without a hold and without held jobs are left out: their purges run as usual.
    """
    now = datetime.now(UTC)
    idbs = [idb for idb in chosen_idbs(step) if idb.active(now) or idb.since() is not None]
    running = [f"{idb.label}: {job}" for idb in idbs for job, state in idb.states().items() if state.running]
    return Observation(not running, f"running purges: {sorted_names(running)}" if running else "no purge runs")
