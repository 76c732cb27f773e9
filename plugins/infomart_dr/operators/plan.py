"""The plan itself: its lock, and the hold on IDB purging around it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from infomart_dr.errors import GuardError, InfoMartError, RequestError
from infomart_dr.guards.newest import overtaken_by
from infomart_dr.guards.server import serving
from infomart_dr.operators.base import StepOperator
from infomart_dr.plan import facts
from infomart_dr.plan.lock import Holder, PlanLock
from infomart_dr.plan.parameters import TIMES, missing
from infomart_dr.plan.step import Observation, Step
from infomart_dr.times import moment
from infomart_dr.topology import BOTH_ROLES, Architecture, SiteRole, Topology


def run_key(step: Step) -> str:
    """Eight characters for a run of a plan: several runs may continue one plan."""
    return hashlib.sha1(step.owner.encode(), usedforsecurity=False).hexdigest()[:8]


class TakeLock(StepOperator):
    """Take the deployment's lock, so that no other plan runs, from this Airflow or from another.

    :param sites: roles that the procedure works at.
    :param only: the architecture that the procedure is for; None: both.
    :param needs: names of parameters, of which a run must give one; empty: none.
    """

    changes = "a row in DR_LOCK of GoldenGate's schema at the surviving site"
    undo = "the task release_lock, also when the run fails"
    under_lock = False
    always = True

    def __init__(
        self,
        *,
        sites: Sequence[SiteRole] = BOTH_ROLES,
        only: Architecture | None = None,
        needs: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.sites, self.only, self.needs = list(sites), only, list(needs)

    def must_fit(self, topology: Topology) -> None:
        """Refuse a deployment that the procedure is not for.

        :raises TopologyError: it is of the other architecture.
        """
        if self.only is not None:
            topology.must_be(self.only, self.dag_id)

    def observe(self, step: Step) -> Observation:
        # Topology and parameters are checked first, before anything is changed.
        if fault := missing(step.params, self.needs):
            raise RequestError(fault, "Start a new run with it.")
        for name in TIMES:
            moment(name, str(step.params.get(name) or ""))
        self.must_fit(step.topology)
        sites = self._sites(step)
        step.lock.ensure_tables()
        holder = step.lock.holder()
        if self._is_held(step, holder) and step.epochs.is_open():
            return Observation(True, f"the lock is held by this run ({sites})", self._facts(step))
        what = f"the lock is held by {holder.owner}" if holder else f"the lock is free ({sites})"
        return Observation(False, what, self._facts(step))

    def _sites(self, step: Step) -> str:
        return " -> ".join(step.at(role).name for role in self.sites)

    def _facts(self, step: Step) -> dict[str, Any]:
        return {"plan": step.plan_id, **{role: step.at(role).name for role in self.sites}}

    def act(self, step: Step, seen: Observation) -> None:
        reason = f"{step.params.get('reason') or 'not given'}; requested by {step.requester or 'an unknown person'}"
        dead, holder = step.params.get("take_lock_from"), step.lock.holder()
        self._refuse_a_run_elsewhere(step, dead)
        if self._is_held(step, holder):
            self.log.info("act: this run holds the lock; its back-out has begun, or it has no epoch yet")
        elif dead and holder is not None and holder.plan_id == dead:
            step.lock.take_over(step.plan_id, step.owner, reason, held_by=dead)
        elif holder is not None and holder.is_run(step.plan_id, step.owner):
            raise GuardError(
                f"The deployment is locked by {holder}, a run of the same name in another Airflow.",
                "Start a new run with another id, once that run has ended. If that Airflow is lost: prove that none of "
                "its programs still runs, then start a new run that names the plan in the parameter take_lock_from.",
            )
        elif holder is not None and holder.plan_id == step.plan_id and self._has_ended(step, holder):
            self.log.info("act: %s has ended; this run continues its plan", holder.owner)
            step.lock.take_over(step.plan_id, step.owner, reason, held_by=step.plan_id)
        elif dead and holder is not None and not holder.is_run(step.plan_id, step.owner):
            raise GuardError(
                f"take_lock_from names plan {dead}, but plan {holder.plan_id} of {holder.owner} holds the lock.",
                "Make sure that nothing of that plan runs any more. Then start a run with its id as take_lock_from.",
            )
        elif holder is not None and self._has_ended(step, holder):
            raise GuardError(
                f"The deployment is locked by {holder}. That run has ended; it kept the lock because no site was "
                "proven to serve.",
                f"Continue its plan: start its DAG with plan = {holder.plan_id}. Or clear the back-out of that run.",
            )
        else:
            step.lock.take(step.plan_id, step.owner, reason)
        step.begin()

    @staticmethod
    def _is_held(step: Step, holder: Holder | None) -> bool:
        """This run holds the lock, and not one of the same name in another Airflow."""
        if holder is None or not holder.is_run(step.plan_id, step.owner):
            return False
        epoch = step.epochs.current()
        return epoch is None or epoch.owner != step.owner or epoch.is_of(step.owner)

    @staticmethod
    def _has_ended(step: Step, holder: Holder) -> bool:
        """The holder's run has ended in this Airflow; another one's runs are not known here."""
        epoch = step.epochs.current()
        known = epoch is None or epoch.owner != holder.owner or epoch.is_of(holder.owner)
        return known and step.runs.has_ended(holder.owner)

    def _refuse_a_run_elsewhere(self, step: Step, dead: object) -> None:
        """Refuse while the lock at another site is held by a run that is not overtaken.

        A failover's lock is at the survivor, and a planned move's at its source.
        """
        own, (found, _) = step.epochs.current(), step.epochs.elsewhere()
        for site, epoch in found.items():
            if epoch.state == "closed" or epoch.is_of(step.owner) or (own is not None and own.number > epoch.number):
                continue
            holder = PlanLock.at(step.deployment, site).holder()
            if holder is None or holder.owner != epoch.owner or holder.plan_id in (dead, step.plan_id):
                continue
            raise GuardError(
                f"The deployment is locked at {site} by {holder}.",
                "Wait until that run has ended. If its Airflow is lost: prove that none of its programs still runs, "
                "then start a new run that names its plan in the parameter take_lock_from.",
            )

    def finish(self, step: Step, seen: Observation) -> None:
        self._note_request(step)
        if len(self.sites) < 2:
            return
        sites = step.ledger.put_once(facts.SITES, self._sites(step))
        if sites != self._sites(step):
            raise GuardError(
                f"Plan {step.plan_id} is for {sites}; this run is for {self._sites(step)}.",
                "Start a run with the plan's own source and target, or start a new plan.",
            )
        if step.ledger.has(facts.OLD_REPLICATION_REMOVED) and (other := self._replaced_by(step)):
            raise GuardError(
                f"Plan {other} has replaced the capture of plan {step.plan_id}, whose trails miss all later changes.",
                f"Continue plan {other}, or start a new plan.",
            )

    def _replaced_by(self, step: Step) -> str | None:
        """The plan whose capture runs, when it is another one, by the ledgers of both sites."""
        for number, entry in enumerate(step.replications):
            try:
                other = entry.get(facts.REPLICATION_PLAN)
            except InfoMartError as error:
                # The back-out depends on this task. Where nobody answers, nothing can be removed either.
                if number == 0:
                    raise
                self.log.warning("The other site does not say which plan's capture runs: %s", error.what)
                continue
            if other not in (None, step.plan_id):
                return other
        return None

    def _note_request(self, step: Step) -> None:
        """Record who requested this run, and why: several runs may continue one plan."""
        asked = {
            "run": step.owner,
            "requester": step.requester,
            "reason": str(step.params.get("reason") or ""),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        step.ledger.put_once(facts.REQUESTED.of(run_key(step)), asked)


class ReleaseLock(StepOperator):
    """Release the deployment's lock, after a check that a site serves."""

    # Also a run that has no epoch yet, or is overtaken, must be able to let go of its lock.
    under_lock = False

    changes = "the plan's row in DR_LOCK is removed"
    undo = "start the procedure again; it takes the lock again"
    always = True

    def observe(self, step: Step) -> Observation:
        if not step.holds_lock:
            return Observation(True, "this plan holds no lock")
        return Observation(False, "the lock is held by this run")

    def act(self, step: Step, seen: Observation) -> None:
        newer = overtaken_by(step)
        if newer is None:
            step.enter()
        if newer is not None:
            self.log.warning("decide: %s has taken the deployment since; this run lets go of its own lock only", newer)
        elif step.ledger.has(facts.SERVER_TOUCHED):
            role: SiteRole = "target" if step.ledger.has(facts.POINT_OF_NO_RETURN) else "source"
            service = serving(step, role)
            if not service.satisfied:
                # Without the lock, a cleared return_service_to_source would conclude that it has nothing to restore.
                raise GuardError(
                    f"{step.at(role).name} must serve but does not ({service.summary}); the lock stays held.",
                    "Correct the cause. Clear the failed step and this run's back-out, then clear this task.",
                )
        ended = facts.ENDED.of(run_key(step))
        # A cleared run ends again.
        step.ledger.forget(ended)
        step.ledger.put_once(ended, int(time.time()))
        if newer is None:
            # A try of this run that is paused now may act on no host any more.
            step.begin("closed")
        step.lock.release(step.plan_id)

    def finish(self, step: Step, seen: Observation) -> None:
        if failed := step.runs.hidden_failure(self):
            raise GuardError(
                f"This run failed at {failed}: a person marked the run as failed. The lock is released.",
                f"Correct the cause. Then start this DAG with plan = {step.plan_id}, or give the plan up.",
            )
