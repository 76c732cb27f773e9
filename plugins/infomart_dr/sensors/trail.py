"""Waiting until the survivor's Replicat has applied what arrived."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from infomart_dr.errors import TransientError
from infomart_dr.guards.replication import drained_or_cut, replicat_at_trail_end
from infomart_dr.operators.failover import AGAIN, apply_one_by_one
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation, Step
from infomart_dr.sensors.base import StepSensor


class WaitForTrailEnd(StepSensor):
    """Let the survivor's Replicat apply everything that arrived before the site was lost."""

    guide = "before DR 1 (guide:1025): the guide stops GoldenGate at once and loses the data in the trail"
    changes = (
        "a stopped Replicat is started again; with accept_cut_trail an ABENDED one too, with GROUPTRANSOPS 1 in its "
        "parameter file"
    )
    undo = "STOP REPLICAT"
    probe = staticmethod(drained_or_cut)
    #: Seconds for which the step itself waits for transactions that are applied one by one.
    ONE_BY_ONE_SECONDS: ClassVar[float] = 120

    def arguments(self, step: Step) -> dict[str, Any]:
        return {}

    def prepare(self, step: Step) -> None:
        step.ledger.require(facts.SITE_FAILURE_CONFIRMED)
        name = step.at("target").settings.goldengate.groups.replicat
        ggsci = step.at("target").ggsci
        if ggsci.status(name) == "STOPPED":
            ggsci.start_manager()
            self.log.info("act: %s", ggsci.start(name).what)
        elif step.params.get("accept_cut_trail") and not step.ledger.has(facts.CUT_TRAIL):
            apply_one_by_one(step)

    def observe(self, step: Step) -> Observation:
        return replicat_at_trail_end(step)

    def after(self, step: Step, reached: Observation) -> Observation:
        if not reached.details.get("cut"):
            return reached
        apply_one_by_one(step)
        deadline = time.monotonic() + self.ONE_BY_ONE_SECONDS
        while not (seen := replicat_at_trail_end(step)).satisfied:
            if time.monotonic() > deadline:
                raise TransientError(f"Transactions are applied one by one: {seen.summary}.", "The retry waits for it.")
            time.sleep(1.0)
        return seen

    def next_step(self) -> str:
        return f"Check the Replicat's report and correct the cause; {AGAIN}"
