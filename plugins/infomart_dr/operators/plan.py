"""The plan itself: its lock, and the hold on IDB purging around it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infomart_dr.errors import GuardError
from infomart_dr.guards.purge_holds import End, IdbHolds, PurgeHolds, Report, plan_hold, raise_all
from infomart_dr.hooks.purge_jobs import PurgeRunsError
from infomart_dr.operators.base import SOURCE_STAYS, StepOperator, WaitOperator
from infomart_dr.plan import facts
from infomart_dr.plan.step import Seen, Step
from infomart_dr.text import sorted_names
from infomart_dr.topology import BOTH_ROLES, SiteRole

if TYPE_CHECKING:
    from infomart_dr.topology import Architecture, Topology


class TakeLock(StepOperator):
    """Take the deployment's lock, so that no other plan runs, whichever Airflow started it.

    :param sites: roles that the procedure works at.
    :param only: the architecture that the procedure is for; None: both.
    """

    changes = "a row in DR_LOCK of GoldenGate's schema at the surviving site"
    undo = "the task release_lock, also when the run fails"
    under_lock = False
    always = True

    def __init__(
        self, *, sites: Sequence[SiteRole] = BOTH_ROLES, only: Architecture | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.sites, self.only = list(sites), only

    def must_fit(self, topology: Topology) -> None:
        """Refuse a deployment that the procedure is not for.

        :raises TopologyError: it is of the other architecture.
        """
        if self.only is not None:
            topology.must_be(self.only, self.dag_id)

    def observe(self, step: Step) -> Seen:
        # First what is wrong with topology or parameters, before anything is touched.
        self.must_fit(step.topology)
        sites = self._sites(step)
        step.lock.ensure_tables()
        holder = step.lock.holder()
        if holder is not None and holder.is_run(step.plan_id, step.owner):
            return Seen(True, f"the lock is held by this run ({sites})", self._facts(step))
        what = f"the lock is held by {holder.owner}" if holder else f"the lock is free ({sites})"
        return Seen(False, what, self._facts(step))

    def _sites(self, step: Step) -> str:
        return " -> ".join(step.name(role) for role in self.sites)

    def _facts(self, step: Step) -> dict[str, Any]:
        return {"plan": step.plan_id, **{role: step.name(role) for role in self.sites}}

    def act(self, step: Step, seen: Seen) -> None:
        reason = f"{step.params.get('reason') or 'not given'}; requested by {step.requester or 'nobody by name'}"
        dead, holder = step.params.get("take_lock_from"), step.lock.holder()
        if dead and holder is not None and holder.plan_id == dead:
            step.lock.take_over(step.plan_id, step.owner, reason, held_by=dead)
        elif dead and holder is not None and not holder.is_run(step.plan_id, step.owner):
            raise GuardError(
                f"The lock is to be taken from plan {dead}, and plan {holder.plan_id} of {holder.owner} holds it.",
                "Look whether that plan is the dead one; then give its id as take_lock_from.",
            )
        else:
            step.lock.take(step.plan_id, step.owner, reason)

    def finish(self, step: Step, seen: Seen) -> None:
        self._note_request(step)
        if len(self.sites) < 2:
            return
        sites = step.ledger.put_once(facts.SITES, self._sites(step))
        if sites != self._sites(step):
            raise GuardError(
                f"Plan {step.plan_id} is for {sites}; this run is for {self._sites(step)}.",
                "Give the plan's own source and target, or begin a new plan.",
            )
        other = step.replication.get(facts.REPLICATION_PLAN)
        if step.ledger.has(facts.OLD_REPLICATION_REMOVED) and other not in (None, step.plan_id):
            raise GuardError(
                f"Plan {other} has replaced the capture of plan {step.plan_id}, which misses changes since then.",
                "Go on with that plan, or begin a new one.",
            )

    def _note_request(self, step: Step) -> None:
        """Who asked for this run, and why: several runs may go on with one plan."""
        run = hashlib.sha1(step.owner.encode(), usedforsecurity=False).hexdigest()[:8]
        asked = {
            "run": step.owner,
            "requester": step.requester,
            "reason": str(step.params.get("reason") or ""),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        step.ledger.put_once(facts.REQUESTED.of(run), asked)


class ReleaseLock(StepOperator):
    """Give the deployment's lock back, once the service is back too."""

    changes = "the plan's row in DR_LOCK is removed"
    undo = "start the procedure again; it takes the lock again"
    always = True

    def observe(self, step: Step) -> Seen:
        if not step.holds_lock:
            return Seen(True, "this plan holds no lock")
        return Seen(False, "the lock is held by this run")

    def act(self, step: Step, seen: Seen) -> None:
        from infomart_dr.guards.server import serving

        if step.ledger.has(facts.SERVER_TOUCHED):
            role: SiteRole = "target" if step.ledger.has(facts.POINT_OF_NO_RETURN) else "source"
            service = serving(step, role)
            if not service.done:
                # Without the lock, a return_service_to_source that is cleared would take itself for nobody's.
                raise GuardError(
                    f"{step.name(role)} must serve and does not ({service.what}); the lock stays.",
                    "Correct the cause, clear the step that failed and this run's way back; then clear this task.",
                )
        step.lock.release(step.plan_id)


def _idbs(step: Step) -> list[IdbHolds]:
    """The IDBs at both sites that have purge jobs."""
    return PurgeHolds(step.deployment).of_sites([step.name("source"), step.name("target")])


def _site_at_the_end(step: Step, role: SiteRole) -> SiteRole:
    """Who serves at the end: a run whose option is that the source stays active says the source."""
    return "source" if step.params.get("option") == SOURCE_STAYS else role


def _run_now(idbs: Iterable[IdbHolds]) -> list[str]:
    return [f"{idb.label}: {job}" for idb in idbs for job, state in idb.states().items() if state.running]


def no_purge_runs(step: Step, role: SiteRole) -> Seen:
    """Probe: no purge is at work at either site."""
    running = _run_now(_idbs(step))
    return Seen(not running, f"purges that run: {sorted_names(running)}" if running else "no purge runs")


class HoldPurging(WaitOperator):
    """Hold the purging of the Interaction Databases, before anything is copied; a purge that runs is waited for."""

    guide = "Database Transfer: stop purging IDBs (guide:232)"
    changes = "a hold of this plan in the database of each IDB; the topology's purge jobs are disabled at both sites"
    undo = "the task release_idb_purge_hold; of a plan that was given up, infomart_purge_hold with release"
    probe = "infomart_dr.operators.plan.no_purge_runs"

    def observe(self, step: Step) -> Seen:
        idbs, now = _idbs(step), datetime.now(UTC)
        states = {f"{idb.label}: {job}": state for idb in idbs for job, state in idb.states().items()}
        loose = [job for job, state in states.items() if state.enabled or state.running]
        without = [idb.label for idb in idbs if not _has_hold(idb, step.plan_id, now)]
        held = step.ledger.get(facts.PURGE_HOLD)
        details = {"hold": held, "jobs": len(states)}
        if loose or without or held is None:
            return Seen(
                False,
                f"purging is enabled or runs: {sorted_names(loose) or 'no job'}; "
                f"without a hold of this plan: {sorted_names(without) or 'no IDB'}",
                details,
            )
        return Seen(True, f"purging is held: {len(states)} job(s) disabled", details)

    def prepare(self, step: Step) -> None:
        now = datetime.now(UTC)
        idbs = _idbs(step)
        rings = [days for idb in idbs if (days := idb.settings.partition_ring_days)]
        reason = str(step.params.get("reason") or "database transfer")
        fact = {"owner": step.owner, "reason": reason, "since": int(now.timestamp())}
        if rings:
            fact["ceiling"] = int(now.timestamp()) + min(rings) * 86400
        hold = plan_hold(step.plan_id)
        if any((stands := idb.store.hold(hold)) is not None and not stands.until_its_plan for idb in idbs):
            # What is collected from now on must be processed too before it ends.
            step.ledger.forget(facts.PURGE_HOLD)
        step.ledger.put_once(facts.PURGE_HOLD, fact)
        site = step.name(_site_at_the_end(step, "target"))
        for idb in idbs:
            # The hold first, the jobs then: the guard may look at any time.
            placed = idb.store.place(hold, step.owner, "", reason, now, End(until_site=site))
            if not placed and idb.store.reopen(hold, step.owner, now, site):
                self.log.info("act: %s: the hold of this plan had an end, and holds again", idb.label)
        self._hold(idbs)

    def _hold(self, idbs: list[IdbHolds]) -> None:
        reports = [idb.hold_jobs() for idb in idbs]
        for report in reports:
            for words in [*report.changed, *report.reported]:
                self.log.info("act: %s: %s", report.idb, words)
        raise_all([error for report in reports for error in report.errors])

    def _conclude(self, step: Step) -> dict[str, Any]:
        self._hold(_idbs(step))
        if running := _run_now(_idbs(step)):
            raise PurgeRunsError(
                f"Purges run again: {sorted_names(running)}.", "It is tried again when they have ended."
            )
        seen = self.observe(step)
        self.log.info("verify: %s", seen.what)
        if not seen.done:
            raise GuardError(f"{self.task_id}: acted, but {seen.what}", self.next_step())
        return self._result(step, seen)

    def next_step(self) -> str:
        return "Look why the purge does not end, or who enables it; then clear this task."


def _has_hold(idb: IdbHolds, plan_id: str, now: datetime) -> bool:
    """Whether the plan's hold holds, and its plan alone can end it."""
    hold = idb.store.hold(plan_hold(plan_id))
    return hold is not None and hold.active(now) and hold.until_its_plan


def high_water_mark_passed_hold(step: Step, role: SiteRole) -> Seen:
    """Probe: the site's high-water marks lie beyond the moment the hold was placed.

    :param role: the site that serves now.
    """
    from infomart_dr.guards.high_water_marks import marks

    hold = step.ledger.require(facts.PURGE_HOLD)
    found = marks(step, role, hold["since"])
    left = hold.get("ceiling", float("inf")) - time.time()
    warning = f"; WARNING: the hold's ceiling is {left / 86400:.1f} days away" if left < 4 * 86400 else ""
    # Of what nobody can judge nothing may be purged; where no purge is held, it does not matter.
    held = {str(idb.settings.data_source_key) for idb in _idbs(step)} if found.unknown else ()
    unjudged = [f"data source {key}: not past it, and without calls that would tell whether it is idle"
                for key in found.unknown if key in held]  # fmt: skip
    if not found.passed or unjudged:
        what = f"{'; '.join([*found.behind, *unjudged]) or 'no rows'}{found.others()}"
        return Seen(False, f"the high-water mark has not passed the hold: {what}{warning}")
    what = f"the high-water marks of {len(found.moved)} data source(s) passed the hold{found.others()}"
    return Seen(True, what + warning)


class ReleasePurgeHold(WaitOperator):
    """Release the purge hold, once the serving site's high-water mark has passed it.

    Holds that plans before this one have left go with it. Purging is resumed where no other hold is left.

    :param role: the site that serves at the end; a run whose option is that the source stays active asks the source.
    """

    guide = "Database Transfer: until the data is processed (guide:232)"
    changes = "the plan's holds are released; purge jobs that were enabled before are enabled where nothing else holds"
    undo = "infomart_purge_hold with place"
    probe = "infomart_dr.operators.plan.high_water_mark_passed_hold"
    in_report = True

    def arguments(self, step: Step) -> dict[str, Any]:
        return {"role": _site_at_the_end(step, self.role)}

    def prepare(self, step: Step) -> None:
        # From here on the guard can end the hold too, should this Airflow be lost.
        since = datetime.fromtimestamp(step.ledger.require(facts.PURGE_HOLD)["since"], UTC)
        end = End(until_site=step.name(_site_at_the_end(step, self.role)), until_time=since)
        for idb in _idbs(step):
            idb.store.extend(plan_hold(step.plan_id), end, datetime.now(UTC))

    def finish(self, step: Step, seen: Seen) -> None:
        now, reports = datetime.now(UTC), list[Report]()
        for idb in _idbs(step):
            # One plan runs at a time: what other plans have left here is given up.
            for hold in idb.store.holds():
                if hold.released_at is None and hold.of_plan:
                    idb.store.release(hold.hold_id, step.owner, seen.what)
                    self.log.info("act: %s: released %s", idb.label, hold)
            if others := idb.active(now):
                self.log.info("act: %s: purging stays held by %s", idb.label, "; ".join(map(str, others)))
                continue
            # The row of a job that stays disabled stays, so that a retry does it again.
            report = idb.give_back(now)
            reports.append(report)
            for words in report.changed:
                self.log.info("act: %s: %s", idb.label, words)
            for words in [*report.warnings, *(f"{job} is enabled by the guard" for job in report.running)]:
                self.log.warning("%s: %s", idb.label, words)
        raise_all([error for report in reports for error in report.errors])

    def next_step(self) -> str:
        return (
            "Look why the high-water mark stands still; then clear this task. Purging stays held. If GIM Manager shows "
            "that all is extracted, release the plan's hold by infomart_purge_hold and mark this task a success."
        )
