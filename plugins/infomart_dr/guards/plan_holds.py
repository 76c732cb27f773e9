"""The hold of a plan on IDB purging: is it placed, does a purge run, have the marks passed it."""

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
    return PurgeHolds(step.deployment).of_sites([step.name("source"), step.name("target")])


def site_at_the_end(step: Step, role: SiteRole) -> SiteRole:
    """Who serves at the end: a run whose option is that the source stays active says the source."""
    return "source" if step.params.get("option") == SOURCE_STAYS else role


def purges_that_run(idbs: Iterable[IdbHolds]) -> list[str]:
    return [f"{idb.label}: {job}" for idb in idbs for job, state in idb.states().items() if state.running]


def no_purge_runs(step: Step, role: SiteRole) -> Observation:
    """Probe: no purge is at work at either site."""
    running = purges_that_run(idbs_of_plan(step))
    return Observation(not running, f"purges that run: {sorted_names(running)}" if running else "no purge runs")


def has_hold(idb: IdbHolds, plan_id: str, now: datetime) -> bool:
    """Whether the plan's hold holds, and its plan alone can end it."""
    hold = idb.store.hold(plan_hold(plan_id))
    return hold is not None and hold.active(now) and hold.until_its_plan


def high_water_mark_passed_hold(step: Step, role: SiteRole) -> Observation:
    """Probe: the site's high-water marks lie beyond the moment the hold was placed.

    :param role: the site that serves now.
    """
    hold = step.ledger.require(facts.PURGE_HOLD)
    found = marks(step, role, hold["since"])
    left = hold.get("ceiling", float("inf")) - time.time()
    warning = f"; WARNING: the hold's ceiling is {left / 86400:.1f} days away" if left < 4 * 86400 else ""
    # Of what nobody can judge nothing may be purged; where no purge is held, it does not matter.
    held = {str(idb.settings.data_source_key) for idb in idbs_of_plan(step)} if found.unknown else ()
    unjudged = [f"data source {key}: not past it, and without calls that would tell whether it is idle"
                for key in found.unknown if key in held]  # fmt: skip
    if not found.passed or unjudged:
        what = f"{'; '.join([*found.behind, *unjudged]) or 'no rows'}{found.others()}"
        return Observation(False, f"the high-water mark has not passed the hold: {what}{warning}")
    what = f"the high-water marks of {len(found.moved)} data source(s) passed the hold{found.others()}"
    return Observation(True, what + warning)


def chosen_idbs(step: Step) -> list[IdbHolds]:
    found = PurgeHolds(step.deployment).choose(str(step.params.get("which") or ""))
    if not found:
        raise GuardError(
            "No IDB of a site that is not lost has purge_jobs in the topology: there is nothing to hold.",
            "Name what purges each IDB under idbs.purge_jobs.",
        )
    return found


def no_chosen_purge_runs(step: Step, role: str = "") -> Observation:
    """Probe: no purge is at work at those of the chosen IDBs where one must be held or given back.

    Where nothing is held any more, purges run as they always do, and nobody waits for them.
    """
    now = datetime.now(UTC)
    idbs = [idb for idb in chosen_idbs(step) if idb.active(now) or idb.since() is not None]
    running = [f"{idb.label}: {job}" for idb in idbs for job, state in idb.states().items() if state.running]
    return Observation(not running, f"purges that run: {sorted_names(running)}" if running else "no purge runs")
