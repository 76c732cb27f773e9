"""Waiting until the survivor's Replicat has applied what arrived."""

from __future__ import annotations

from typing import Any

from infomart_dr.guards.replication import replicat_at_trail_end
from infomart_dr.operators.failover import AGAIN
from infomart_dr.plan import facts
from infomart_dr.plan.step import Step
from infomart_dr.sensors.base import StepSensor


class WaitForTrailEnd(StepSensor):
    """Let the survivor's Replicat apply everything that arrived before the site was lost."""

    guide = "before DR 1 (guide:1025): the guide stops GoldenGate at once and loses the data in the trail"
    changes = "a stopped Replicat is started again"
    undo = "STOP REPLICAT"
    probe = staticmethod(replicat_at_trail_end)

    def arguments(self, step: Step) -> dict[str, Any]:
        return {}

    def prepare(self, step: Step) -> None:
        step.ledger.require(facts.SITE_FAILURE_CONFIRMED)
        name = step.at("target").settings.goldengate.groups.replicat
        ggsci = step.at("target").ggsci
        if ggsci.status(name) == "STOPPED":
            ggsci.start_manager()
            self.log.info("act: %s", ggsci.start(name).what)

    def next_step(self) -> str:
        return f"Check the Replicat's report and correct the cause; {AGAIN}"
