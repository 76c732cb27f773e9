"""Jobs of the Info Mart Server that have no public interface: the site's own command runs them, or a person."""

from __future__ import annotations

import time
from typing import Any

from infomart_dr.errors import GuardError
from infomart_dr.guards.excluded_tables import is_partitioned
from infomart_dr.guards.server import log_size
from infomart_dr.operators.human import HumanStep
from infomart_dr.operators.jobs import JobOperator, failed
from infomart_dr.plan import facts
from infomart_dr.plan.facts import Fact
from infomart_dr.plan.step import Observation, Step
from infomart_dr.times import shown, span


class RunEtlJob(JobOperator, HumanStep):
    """Run a job of the Info Mart Server by its name, through the site's own command or a person.

    :param etl_job: ``Job_MigrateGIM`` or ``Job_MaintainGIM``.
    """

    changes = "what the job changes in the Info Mart"
    undo = "none"
    host_kind = "gim"

    def __init__(self, *, etl_job: str, **kwargs: Any) -> None:
        kwargs.setdefault("subject", f"Run {etl_job} and wait until it has succeeded")
        super().__init__(**kwargs)
        self.etl_job = etl_job
        self.job = etl_job.lower().replace("_", "-")

    @property
    def done(self) -> Fact[str]:
        """The fact that the job has succeeded in this plan."""
        return facts.ETL_JOB_DONE.of(self.etl_job)

    def instructions(self, step: Step) -> str | None:
        # A person who has confirmed it is not asked again.
        if step.topology.info_mart.jobs.backend == "command" or step.ledger.get(self.done) is not None:
            return None
        return (
            f"1. Open GIM Manager (or the Administration Console) of {step.at(self.role).name}.\n"
            f"2. Start **{self.etl_job}** of the application `{step.at(self.role).application}`.\n"
            "3. Wait until its status shows that it has completed successfully.\n"
            "4. Answer *Done*. If the job failed, answer *Not possible*: the run then stops here."
        )

    def observe(self, step: Step) -> Observation:
        ended = step.ledger.get(self.done)
        return Observation(
            ended is not None, f"{self.etl_job} has succeeded: {ended}" if ended else f"{self.etl_job} has not run"
        )

    def act(self, step: Step, seen: Observation) -> None:
        latest = self.latest(step)
        # An attempt that has succeeded meanwhile is only recorded.
        if latest is not None and (latest[1].active or latest[1].exit_code == 0):
            return self.wait(step, latest[0])
        attempt = self.new_attempt(step)
        words = [word.replace("{job}", self.etl_job) for word in step.topology.info_mart.jobs.command]
        attempt.submit(words)
        return self.wait(step, attempt)

    def job_limit(self, step: Step) -> float | None:
        return step.topology.info_mart.jobs.timeout

    def overdue(self, step: Step, event: dict[str, Any]) -> GuardError:
        return GuardError(
            f"{self.etl_job} has not ended within {span(step.topology.info_mart.jobs.timeout)}.",
            "The job is still running. Check it in GIM Manager, then clear this task to continue waiting for it.",
        )

    @property
    def later(self) -> str:
        return "If it needs more time, set info_mart.jobs.timeout in the topology."

    def collect(self, step: Step, event: dict[str, Any]) -> None:
        if self.ended(event) != 0:
            raise failed(
                f"{self.etl_job} failed: the command ended with {event['exit_code']}.",
                self.printed(step, event),
                "Check the job in GIM Manager, correct the cause, then clear this task.",
            )
        self.log.info("act: %s", self.printed(step, event).strip()[-2000:])
        self._note(step, "its command ended with 0")

    def confirmed(self, step: Step) -> Observation | None:
        self._note(step, "a person confirmed it")
        return self.observe(step)

    def _note(self, step: Step, how: str) -> None:
        step.ledger.put_once(self.done, f"{how} at {shown(time.time())}")

    def next_step(self) -> str:
        return f"Check {self.etl_job} in GIM Manager, then clear this task."


class RunMigrationJob(RunEtlJob):
    """Run Job_MigrateGIM, but only if the server reports the migration state."""

    guide = "DR 7 (guide:1040-1045)"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(etl_job="Job_MigrateGIM", **kwargs)

    def does_not_apply(self, step: Step) -> str | None:
        if not step.ledger.get(facts.MIGRATION_STATE):
            return "the server's log has no message of the migration state"
        return None

    def finish(self, step: Step, seen: Observation) -> None:
        # Only messages after the migration count; its own alarm is answered. Recorded once: clearing this step later
        # must not hide messages written since.
        begin = step.ledger.put_once(facts.LOG_AFTER_MIGRATION, log_size(step, self.role))
        step.ledger.forget(facts.SERVER_LOG_BEGIN)
        step.ledger.put_once(facts.SERVER_LOG_BEGIN, begin)


class RunMaintenanceJob(RunEtlJob):
    """Run Job_MaintainGIM, so that a partitioned Info Mart has up-to-date partitions before data is loaded."""

    guide = "DR 8a, 8b (guide:1046-1048)"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(etl_job="Job_MaintainGIM", **kwargs)

    def does_not_apply(self, step: Step) -> str | None:
        return None if is_partitioned(step, self.role) else "the Info Mart is not partitioned"


class BringReportsIntoService(HumanStep):
    """Bring GI2 or GCXI into service at the site that serves: by the site's own command, or by a person."""

    guide = (
        "Site Failure: GI2 at Site 2 (guide:1013); active-active (guide:395); "
        "GI2 at the site of the active Info Mart (guide:163)"
    )
    changes = "reports are served from this site's Info Mart"
    undo = "bring the reports into service at another site"
    settle_seconds = 30

    def does_not_apply(self, step: Step) -> str | None:
        if step.at(self.role).settings.reports is None:
            return f"the topology has no reports at {step.at(self.role).name}"
        return None

    def instructions(self, step: Step) -> str | None:
        reports = step.at(self.role).settings.reports
        assert reports is not None
        if reports.backend == "command":
            return None
        site = step.at(self.role).settings
        return (
            f"1. Bring **{reports.product}** at {step.at(self.role).name} into service.\n"
            f"2. Its data source must be the Info Mart there: service `{site.database.service}`, "
            f"schema `{step.schema}`.\n"
            "3. Open one of today's reports and check that it has data. Then answer *Done*."
        )

    def _words(self, step: Step, words: list[str]) -> list[str]:
        return [word.replace("{site}", step.at(self.role).name) for word in words]

    def observe(self, step: Step) -> Observation:
        reports = step.at(self.role).settings.reports
        assert reports is not None and reports.host is not None
        with self._host(step, reports.host) as host:
            done = host.run(self._words(step, reports.check), check=False)
        what = f"{reports.product} at {step.at(self.role).name} is {'' if done.exit_code == 0 else 'not '}in service"
        return Observation(done.exit_code == 0, what)

    def act(self, step: Step, seen: Observation) -> None:
        reports = step.at(self.role).settings.reports
        assert reports is not None and reports.host is not None
        with self._host(step, reports.host) as host:
            done = host.run(self._words(step, reports.start), check=False)
        if done.exit_code != 0:
            raise GuardError(
                f"{reports.product} did not start: the command ended with {done.exit_code}: "
                f"{(done.stderr or done.stdout).strip()[-500:]}",
                "Correct the cause that the output names, then clear this task.",
            )
        self.log.info("act: %s", done.stdout.strip()[-500:] or "(no output)")

    @staticmethod
    def _host(step: Step, name: str) -> Any:
        from infomart_dr.hooks.remote_host import RemoteHost

        return RemoteHost.from_topology(step.topology, name)

    def next_step(self) -> str:
        return "Bring the reports into service by hand, then mark this task as success. The Info Mart itself serves."
