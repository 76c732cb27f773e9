"""The plan itself: its lock, and the hold on IDB purging around it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from infomart_dr.errors import GuardError
from infomart_dr.operators.base import SOURCE_STAYS, StepOperator, WaitOperator, sorted_names
from infomart_dr.step import Seen, SiteRole, Step

#: A partitioned IDB reuses its 14 daily partitions: a hold that lasts longer protects nothing.
HOLD_CEILING_DAYS = 14


class TakeLock(StepOperator):
    """Take the deployment's lock, so that no other plan runs, whichever Airflow started it.

    :param sites: roles that the procedure works at.
    """

    changes = "a row in DR_LOCK of GoldenGate's schema at the surviving site"
    undo = "the task release_lock, also when the run fails"
    under_lock = False
    always = True

    def __init__(self, *, sites: Sequence[SiteRole] = ("source", "target"), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sites = list(sites)

    def observe(self, step: Step) -> Seen:
        # Reading the sites first reports a wrong topology or parameter before anything is touched.
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
        else:
            step.lock.take(step.plan_id, step.owner, reason)

    def finish(self, step: Step, seen: Seen) -> None:
        self._note_request(step)
        if len(self.sites) < 2:
            return
        sites = step.ledger.put_once("sites", self._sites(step))
        if sites != self._sites(step):
            raise GuardError(
                f"Plan {step.plan_id} is for {sites}; this run is for {self._sites(step)}.",
                "Give the plan's own source and target, or begin a new plan.",
            )
        other = step.replication.get("plan")
        if step.ledger.get("old_replication_removed") and other not in (None, step.plan_id):
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
        step.ledger.put_once(f"requested {run}", json.dumps(asked))


class ReleaseLock(StepOperator):
    """Give the deployment's lock back, once the service is back too."""

    changes = "the plan's row in DR_LOCK is removed"
    undo = "start the procedure again; it takes the lock again"
    always = True

    def observe(self, step: Step) -> Seen:
        holder = step.lock.holder()
        if holder is None or not holder.is_run(step.plan_id, step.owner):
            return Seen(True, "this plan holds no lock")
        return Seen(False, "the lock is held by this run")

    def act(self, step: Step, seen: Seen) -> None:
        from infomart_dr.operators.server import serving

        if step.ledger.get("server_touched"):
            role: SiteRole = "target" if step.ledger.get("point_of_no_return") else "source"
            service = serving(step, role)
            if not service.done:
                # Without the lock, a return_service_to_source that is cleared would take itself for nobody's.
                raise GuardError(
                    f"{step.name(role)} must serve and does not ({service.what}); the lock stays.",
                    "Correct the cause, clear the step that failed and this run's way back; then clear this task.",
                )
        step.lock.release(step.plan_id)


def purge_jobs(step: Step) -> list[tuple[SiteRole, str, str, str]]:
    """Role, IDB, connection and job of every purge job at the two sites."""
    roles: tuple[SiteRole, SiteRole] = ("source", "target")
    return [
        (role, idb.name, idb.connection, job)
        for role in roles
        for idb in step.site(role).idbs
        for job in idb.purge_jobs
    ]


def hold_fact(step: Step, role: SiteRole, idb: str, job: str) -> str:
    """Name of the deployment's fact that a hold has disabled this job, which was enabled before."""
    return f"{step.name(role)}:{idb}:{job}"


class HoldPurging(StepOperator):
    """Disable the scheduler jobs that purge the Interaction Databases, before anything is copied."""

    guide = "Database Transfer: stop purging IDBs (guide:232)"
    changes = "the topology's purge jobs are disabled at both sites; which were enabled is noted in the ledger"
    undo = "the task release_idb_purge_hold enables those jobs that were enabled before"

    def observe(self, step: Step) -> Seen:
        from infomart_dr.hooks.purge_jobs import PurgeJobs

        enabled = []
        for role, idb, connection, job in purge_jobs(step):
            if PurgeJobs(step.oracle(connection)).state(job).enabled:
                enabled.append(f"{step.name(role)}/{idb}/{job}")
        held = step.ledger.get("purge_hold")
        facts = {"hold": json.loads(held) if held else None, "jobs": len(purge_jobs(step))}
        if enabled or held is None:
            return Seen(False, f"purging is enabled: {sorted_names(enabled) or 'no job'}", facts)
        return Seen(True, f"purging is held: {len(purge_jobs(step))} job(s) disabled", facts)

    def act(self, step: Step, seen: Seen) -> None:
        from infomart_dr.hooks.purge_jobs import PurgeJobs

        now = datetime.now(UTC)
        step.ledger.put_once(
            "purge_hold",
            json.dumps(
                {
                    "owner": step.owner,
                    "reason": str(step.params.get("reason") or "database transfer"),
                    "since": int(now.timestamp()),
                    "ceiling": int(now.timestamp()) + HOLD_CEILING_DAYS * 86400,
                }
            ),
        )
        for role, idb, connection, job in purge_jobs(step):
            jobs = PurgeJobs(step.oracle(connection))
            enabled = jobs.state(job).enabled
            if enabled:
                # Noted before it is changed and beyond this plan: neither a retry nor the plan after one that was
                # given up may take the hold for the prior state.
                step.holds.put_once(hold_fact(step, role, idb, job), "enabled")
            self.log.info("act: %s/%s/%s was %s", step.name(role), idb, job, "enabled" if enabled else "disabled")
            jobs.hold(job)


def high_water_mark_passed_hold(step: Step, role: SiteRole) -> Seen:
    """Probe: the site's high-water marks lie beyond the moment the hold was placed.

    :param role: the site that serves now.
    """
    from infomart_dr.operators.server import marks

    hold = json.loads(step.ledger.require("purge_hold"))
    found = marks(step, role, hold["since"])
    left = hold["ceiling"] - time.time()
    warning = f"; WARNING: the hold's ceiling is {left / 86400:.1f} days away" if left < 4 * 86400 else ""
    if not found.passed:
        what = f"{'; '.join(found.behind) or 'no rows'}{found.others()}"
        return Seen(False, f"the high-water mark has not passed the hold: {what}{warning}")
    what = f"the high-water marks of {len(found.moved)} data source(s) passed the hold{found.others()}"
    return Seen(True, what + warning)


class ReleasePurgeHold(WaitOperator):
    """Enable the purge jobs again, once the serving site's high-water mark has passed the hold.

    :param role: the site that serves at the end; a run whose option is that the source stays active asks the source.
    """

    guide = "Database Transfer: until the data is processed (guide:232)"
    changes = "purge jobs that were enabled before the plan are enabled again"
    undo = "DBMS_SCHEDULER.DISABLE of the jobs named in the log"
    probe = "infomart_dr.operators.plan.high_water_mark_passed_hold"
    in_report = True

    def arguments(self, step: Step) -> dict[str, Any]:
        stays = step.params.get("option") == SOURCE_STAYS
        return {"role": "source" if stays else self.role}

    def finish(self, step: Step, seen: Seen) -> None:
        from infomart_dr.hooks.purge_jobs import PurgeJobs

        for role, idb, connection, job in purge_jobs(step):
            fact = hold_fact(step, role, idb, job)
            if step.holds.get(fact):
                # Raises when the job stays disabled; forgotten only then, so that a retry does it again.
                PurgeJobs(step.oracle(connection)).release(job)
                step.holds.forget(fact)
                self.log.info("act: %s/%s/%s is enabled again", step.name(role), idb, job)

    def next_step(self) -> str:
        return "Look why the high-water mark stands still; then clear this task. Purging stays held."
