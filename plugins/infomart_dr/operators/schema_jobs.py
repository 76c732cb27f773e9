"""Jobs of the Info Mart's owner: disabled at a site that does not serve, enabled at the one that does."""

from __future__ import annotations

from infomart_dr.guards import schema_jobs
from infomart_dr.operators.base import StepOperator
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation, Step
from infomart_dr.text import sorted_names


class HoldSchemaJobs(StepOperator):
    """Disable the jobs of the Info Mart's owner at a site that does not serve, and remember them in its ledger."""

    guide = "not in the guide: a job of the schema at a standby writes beside the replication"
    changes = "enabled jobs of the Info Mart's owner at the site are disabled (DBMS_JOB: broken)"
    undo = "release_schema_jobs enables them at the site that serves; the back-out enables them at the source"

    def observe(self, step: Step) -> Observation:
        name = step.at(self.role).name
        enabled = [job.name for job in schema_jobs.schema_jobs(step, self.role) if job.enabled]
        if enabled:
            return Observation(False, f"enabled at {name}: {sorted_names(enabled)}")
        held = sorted_names(list(schema_jobs.held_jobs(step, self.role))) or "none"
        return Observation(True, f"no job of {step.schema} is enabled at {name}; held: {held}")

    def act(self, step: Step, seen: Observation) -> None:
        if self.role == "source":
            # The back-out must know that it has to enable them again.
            step.ledger.put_once(facts.SOURCE_JOBS_HELD, True)
        schema_jobs.hold(step, self.role)


class ReleaseSchemaJobs(StepOperator):
    """Enable the jobs of the Info Mart's owner at the site that serves from now on.

    They are those that the procedures hold there, and those that they hold under the same name at the other site. A
    lost site is not asked for its jobs; other disabled jobs are listed.
    """

    guide = "not in the guide: jobs of the schema run at the site that serves"
    changes = "held jobs of the Info Mart's owner are enabled at the site"
    undo = "DBMS_SCHEDULER.DISABLE; DBMS_JOB.BROKEN"
    in_report = True

    def _elsewhere(self, step: Step) -> set[str]:
        return set() if step.failover else set(schema_jobs.held_jobs(step, "source"))

    def observe(self, step: Step) -> Observation:
        elsewhere = self._elsewhere(step)
        jobs = schema_jobs.schema_jobs(step, self.role)
        waiting = [job.name for job in schema_jobs.to_release(step, self.role, elsewhere)]
        name = step.at(self.role).name
        if waiting:
            return Observation(False, f"held at {name}: {sorted_names(waiting)}")
        what = f"{sum(job.enabled for job in jobs)} of {len(jobs)} job(s) of {step.schema} are enabled at {name}"
        if lacking := elsewhere - {job.name for job in jobs}:
            what += f"; missing here and held at the other site: {sorted_names(list(lacking))}"
        if disabled := [job.name for job in jobs if not job.enabled]:
            what += f"; disabled, enable by hand what must run: {sorted_names(disabled)}"
        return Observation(True, what)

    def act(self, step: Step, seen: Observation) -> None:
        for name in schema_jobs.release(step, self.role, self._elsewhere(step)):
            self.log.info("act: %s is enabled", name)
