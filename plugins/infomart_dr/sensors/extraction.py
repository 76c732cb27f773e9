"""Waiting for the ETL: quiet before a stop, high-water marks that move after a start."""

from __future__ import annotations

from typing import Any

from infomart_dr.errors import GuardError
from infomart_dr.guards.extraction import etl_is_quiet
from infomart_dr.guards.high_water_marks import high_water_mark_moved
from infomart_dr.guards.server import server_runs
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


class ProveHighWaterMarkMoves(StepSensor):
    """Wait until the target's high-water marks have moved past the server's start: extraction works."""

    guide = "Return to Normal 15: run ETL jobs (guide:1121)"
    probe = staticmethod(high_water_mark_moved)

    def arguments(self, step: Step) -> dict[str, Any]:
        return {"role": self.role, "since": step.ledger.require(facts.POINT_OF_NO_RETURN)}

    def limit(self, step: Step) -> float:
        return step.topology.timeouts.quiesce
