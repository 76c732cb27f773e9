"""The first step of a plan: it finds out whether the procedure's goal was reached before the plan began."""

from __future__ import annotations

from typing import Literal

from infomart_dr.errors import RequestError
from infomart_dr.guards.goal import Goal, reached_already
from infomart_dr.operators.base import StepOperator
from infomart_dr.plan import facts
from infomart_dr.plan.parameters import SOURCE_STAYS
from infomart_dr.plan.step import NOTHING_DONE, Observation, Step

#: Facts of a plan that another procedure has begun.
PROGRESS = (facts.OLD_REPLICATION_REMOVED, facts.PURGE_HOLD, facts.SERVER_TOUCHED, facts.STANDBY_TOUCHED)


class CheckAlreadyDone(StepOperator):
    """Check whether the goal is already reached. If so, every other step of this plan has nothing to do.

    :param goal: the procedure's goal; empty: by the run's parameter ``option``.
    :param continues: the procedure continues a plan that another one has begun.
    """

    changes = "a row in the plan's ledger"
    always = True
    in_report = True

    def __init__(self, *, goal: Goal | Literal[""] = "", continues: bool = False, **kwargs: object) -> None:
        if not goal:
            self.guide = "Choice of Active Site (guide:276-280); Return to Normal, options 1 and 2 (guide:1072-1084)"
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.goal, self.continues = goal, continues

    def _goal(self, step: Step) -> Goal:
        if self.goal:
            return self.goal
        return "follows" if step.params.get("option") == SOURCE_STAYS else "moved"

    def observe(self, step: Step) -> Observation:
        recorded = step.ledger.all()
        if facts.BEGUN in recorded or any(fact in recorded for fact in PROGRESS):
            return Observation(
                True, "the plan is under way; its recorded facts show what is left", {NOTHING_DONE: True}
            )
        if self.continues and facts.GOAL_REACHED not in recorded:
            raise RequestError(
                f"Plan {step.plan_id} has copied nothing to {step.at('target').name}: no fact of it is recorded.",
                "Give the parameter plan, the run id of the run that has copied the database.",
            )
        reached = reached_already(step, self._goal(step))
        if reached and recorded.get(facts.GOAL_REACHED):
            return Observation(True, f"nothing to do: {reached}", {"goal_reached": True})
        return Observation(False, reached or "the goal is not reached yet", {"goal_reached": bool(reached)})

    def act(self, step: Step, seen: Observation) -> None:
        step.ledger.forget(facts.GOAL_REACHED)
        if seen.details["goal_reached"]:
            step.ledger.put_once(facts.GOAL_REACHED, seen.summary)
        else:
            step.ledger.put_once(facts.BEGUN, True)
