"""A plan that has nothing to do says so first: the goal of its procedure was reached before it began."""

from __future__ import annotations

from typing import Literal

from infomart_dr.operators.base import GOAL_REACHED, SOURCE_STAYS, StepOperator
from infomart_dr.operators.server import configured, running_at, server_runs, serving
from infomart_dr.plan.step import Seen, SiteRole, Step

#: ``failover``: the survivor serves; ``moved``: the target serves and the source follows it; ``follows``: the source
#: serves and the target follows it; ``both serve``: each its own Info Mart.
Goal = Literal["failover", "moved", "follows", "both serve"]


#: Facts of a plan that another procedure has begun.
PROGRESS = ("old_replication_removed", "purge_hold", "server_touched", "standby_touched")


class LookWhetherDone(StepOperator):
    """See whether the goal is reached already; then every other step of this plan has nothing to do.

    :param goal: what the procedure is for; empty: the run's parameter ``option`` says it.
    """

    changes = "a row in the plan's ledger"
    always = True
    in_report = True

    def __init__(self, *, goal: Goal | Literal[""] = "", **kwargs: object) -> None:
        if not goal:
            self.guide = "Choice of Active Site (guide:276-280); Return to Normal, options 1 and 2 (guide:1072-1084)"
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.goal = goal

    def _goal(self, step: Step) -> Goal:
        if self.goal:
            return self.goal
        return "follows" if step.params.get("option") == SOURCE_STAYS else "moved"

    def observe(self, step: Step) -> Seen:
        facts = step.ledger.all()
        if "begun" in facts or any(fact in facts for fact in PROGRESS):
            return Seen(True, "the plan is under way; its own facts say what is left")
        reached = reached_already(step, self._goal(step))
        if reached and facts.get(GOAL_REACHED):
            return Seen(True, f"nothing to do: {reached}", {"goal_reached": True})
        return Seen(False, reached or "the goal is not reached yet", {"goal_reached": bool(reached)})

    def act(self, step: Step, seen: Seen) -> None:
        step.ledger.forget(GOAL_REACHED)
        if seen.facts["goal_reached"]:
            step.ledger.put_once(GOAL_REACHED, seen.what)
        else:
            step.ledger.put_once("begun", "yes")


def reached_already(step: Step, goal: Goal) -> str | None:
    """Why a goal counts as reached; None when it is not."""
    if goal == "failover":
        if step.topology.architecture == "active-active":
            return _sources_are_dropped(step)
        # Without a look at the lost site, which cannot be asked.
        seen = running_at(step, "target")
        return f"{step.name('target')} serves already ({seen.what})" if seen.done else None
    if goal == "both serve":
        both = serving(step, "source").done and serving(step, "target").done
        return f"{step.name('source')} and {step.name('target')} both serve already" if both else None
    serves: SiteRole = "target" if goal == "moved" else "source"
    follows: SiteRole = "source" if goal == "moved" else "target"
    # A site that is not filled yet has no groups; asked first, since it may have no server either.
    if not replicates(step, serves, follows):
        return None
    if not serving(step, serves).done or server_runs(step, follows):
        return None
    return f"{step.name(serves)} serves and {step.name(follows)} follows it already"


def replicates(step: Step, source: SiteRole, target: SiteRole) -> bool:
    """Whether Extract and pump run at one site and the Replicat at the other."""
    there, here = step.site(source).goldengate.groups, step.site(target).goldengate.groups
    running = [
        step.ggsci(role).status(name) == "RUNNING"
        for role, name in ((source, there.extract), (source, there.pump), (target, here.replicat))
    ]
    return all(running)


def _sources_are_dropped(step: Step) -> str | None:
    """Of an active-active deployment: the survivor's server ignores the lost site already."""
    from infomart_dr.operators.failover import survivor_changes

    if step.site("target").configuration.backend == "manual":
        return None
    changes = survivor_changes(step).items()
    if all(configured(step, "target", name, change).done for name, change in changes):
        return f"{step.name('target')} ignores {step.name('source')} already"
    return None
