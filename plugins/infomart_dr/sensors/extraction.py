"""Waiting for the ETL: quiet before a stop; after a start the migration state, and calls that become facts."""

from __future__ import annotations

from typing import Any

from infomart_dr.errors import GuardError
from infomart_dr.guards.extraction import etl_is_quiet
from infomart_dr.guards.loading import loads
from infomart_dr.guards.server import migration_state, running_at, server_runs
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation, Step
from infomart_dr.sensors.base import StepSensor


class WaitForQuietEtl(StepSensor):
    """Wait until running ETL jobs have ended and everything extracted is transformed."""

    guide = "not in the guide; replication excludes GIDB_G_* and CTL_TRANSFORM_HISTORY"
    probe = staticmethod(etl_is_quiet)

    def limit(self, step: Step) -> float:
        return step.topology.timeouts.quiesce

    def observe(self, step: Step) -> Observation:
        if not server_runs(step, self.role):
            # A stopped server transforms nothing more: waiting does not help.
            seen = etl_is_quiet(step, self.role)
            if not seen.satisfied:
                raise GuardError(
                    f"The Info Mart Server at {step.at(self.role).name} is stopped, but {seen.summary}.",
                    "Start it with run-scheduler true and let Job_TransformGIM finish. Then clear this task.",
                )
            return seen
        return super().observe(step)

    def next_step(self) -> str:
        return "Check the ETL jobs in GIM Manager, then clear this task."


class CheckMigrationState(StepSensor):
    """Wait until the started server reports the migration state, or shows that it is not in it.

    Only in the migration state run_migration_job runs.
    """

    guide = "DR 7a (guide:1041)"
    changes = "a row in the plan's ledger"
    probe = staticmethod(migration_state)
    under_lock = False

    def limit(self, step: Step) -> float:
        return step.topology.timeouts.quiesce

    def collect(self, step: Step, event: dict[str, Any]) -> Observation | None:
        if event["state"] == "timeout" and (seen := running_at(step, self.role)).satisfied:
            # Its sessions may have another program than the topology says. prove_loading checks the log again.
            what = f"{seen.summary}; no message of the migration state"
            self.log.warning("verify: %s", what)
            return Observation(True, what, {"migration": False})
        return super().collect(step, event)

    def finish(self, step: Step, seen: Observation) -> None:
        step.ledger.forget(facts.MIGRATION_STATE)
        step.ledger.put_once(facts.MIGRATION_STATE, bool(seen.details["migration"]))

    def next_step(self) -> str:
        return "Read the server's log: it must connect to its Info Mart. Correct the cause, then clear this task."


class ProveLoading(StepSensor):
    """Wait until calls have gone all the way: extracted, transformed, and loaded as facts."""

    guide = "Return to Normal 15: run ETL jobs (guide:1121); DR 9 (guide:1050); active-active 2 (guide:407)"
    probe = staticmethod(loads)

    def arguments(self, step: Step) -> dict[str, Any]:
        return {"role": self.role, "since": self._since(step)}

    def _since(self, step: Step) -> int:
        """The start of the server, or the change after which it must still load."""
        if self.role == "source":
            return step.ledger.require(facts.EXPORT_ENDED)
        started = step.ledger.get(facts.POINT_OF_NO_RETURN)
        return step.ledger.require(facts.STANDBY_TOUCHED) if started is None else started

    def limit(self, step: Step) -> float:
        return step.topology.timeouts.quiesce

    def next_step(self) -> str:
        return (
            "The server runs and loads nothing. Read the messages of its jobs in its log and in GIM Manager, correct "
            "the cause (partitions: Job_MaintainGIM, tablespace, schema), then clear this task."
        )
