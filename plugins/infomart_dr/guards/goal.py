"""The goal of a procedure, and the evidence that it is already reached."""

from __future__ import annotations

from typing import Literal

from infomart_dr.guards.application import configured, survivor_changes
from infomart_dr.guards.replication import replicates
from infomart_dr.guards.server import running_at, server_runs, serving
from infomart_dr.plan.step import Step
from infomart_dr.topology import SiteRole

#: ``failover``: the survivor serves; ``moved``: the target serves and the source follows it; ``follows``: the source
#: serves and the target follows it; ``both serve``: each its own Info Mart.
Goal = Literal["failover", "moved", "follows", "both serve"]


def reached_already(step: Step, goal: Goal) -> str | None:
    """The reason why a goal counts as reached; None when it is not."""
    if goal == "failover":
        if step.topology.architecture == "active-active":
            return _sources_are_dropped(step)
        # The lost site cannot be asked.
        seen = running_at(step, "target")
        return f"{step.at('target').name} already serves ({seen.summary})" if seen.satisfied else None
    if goal == "both serve":
        both = serving(step, "source").satisfied and serving(step, "target").satisfied
        return f"{step.at('source').name} and {step.at('target').name} already both serve" if both else None
    serves: SiteRole = "target" if goal == "moved" else "source"
    follows: SiteRole = "source" if goal == "moved" else "target"
    # Asked first: a site that is not filled yet has no groups, and may have no server either.
    if not replicates(step, "to_source" if goal == "moved" else "to_target"):
        return None
    if not serving(step, serves).satisfied or server_runs(step, follows):
        return None
    return f"{step.at(serves).name} already serves and {step.at(follows).name} follows it"


def _sources_are_dropped(step: Step) -> str | None:
    """Of an active-active deployment: the reason why the survivor's server counts as ignoring the lost site."""
    if step.at("target").settings.configuration.backend == "manual":
        return None
    changes = survivor_changes(step).items()
    if all(configured(step, "target", name, change).satisfied for name, change in changes):
        return f"{step.at('target').name} already ignores {step.at('source').name}"
    return None
