"""The site that serves by the procedures' own record, compared with the roles in the topology: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infomart_dr.plan import facts
from infomart_dr.times import shown
from infomart_dr.topology import Role, Topology


@dataclass(frozen=True)
class StaleRoles:
    """Roles that a plan has made, and that the topology does not have yet.

    :param plan_id: the plan.
    :param at: time of its point of no return.
    :param active: the site that it has made active.
    :param wanted: the roles to set, by site.
    """

    plan_id: str
    at: int
    active: str
    wanted: Mapping[str, Role]

    def sentence(self, topology: Topology) -> str:
        """For the log, an alert and a report."""
        said = ", ".join(f"{name}: {topology.sites[name].role}" for name in sorted(self.wanted))
        return f"Plan {self.plan_id} made {self.active} active at {shown(self.at)}; the topology still says {said}."

    @property
    def remedy(self) -> str:
        """The next step."""
        roles = ", ".join(f"sites.{name}.role: {role}" for name, role in sorted(self.wanted.items()))
        return f"Set {roles} in the topology file. Do not start or stop anything because of the old roles."


def _plans(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    plans: dict[str, dict[str, str]] = {}
    for row in rows:
        plans.setdefault(str(row["plan_id"]), {})[str(row["name"])] = str(row["value"])
    return plans


def stale_roles(rows: Iterable[Mapping[str, Any]], topology: Topology, running: str | None = None) -> StaleRoles | None:
    """The newest plan that moved the service, if the topology does not know of it; None: it does.

    :param rows: plan_id, name and value of :func:`infomart_dr.plan.facts.of_service`, from the ledgers of all sites.
    :param running: the plan that holds the lock; its roles are set after its end.
    """
    moved = [
        (facts.POINT_OF_NO_RETURN.read(noted[facts.POINT_OF_NO_RETURN.name]), plan_id, noted)
        for plan_id, noted in _plans(rows).items()
        if facts.POINT_OF_NO_RETURN.name in noted and facts.SITES.name in noted
    ]
    if not moved:
        return None
    at, plan_id, noted = max(moved, key=lambda plan: plan[0])
    source, _, target = noted[facts.SITES.name].partition(" -> ")
    if plan_id == running or not {source, target} <= topology.sites.keys():
        return None
    alone = topology.architecture == "active-standby"
    before: Role = "failed" if facts.SITE_FAILURE_CONFIRMED.name in noted else "standby" if alone else "active"
    # Only who is active counts: the other site's role changes on, as when a lost site becomes a new one.
    if topology.sites[target].role == "active" and not (alone and topology.sites[source].role == "active"):
        return None
    return StaleRoles(plan_id, at, target, {source: before, target: "active"})


def current_roles(rows: Iterable[Mapping[str, Any]], topology: Topology) -> dict[str, Role]:
    """The roles as they are: those of the topology, changed by the newest plan that moved the service.

    A plan that still runs counts too, once it is past its point of no return.
    """
    made = stale_roles(rows, topology)
    return {name: site.role for name, site in topology.sites.items()} | dict(made.wanted if made else {})


def stopped_since(rows: Iterable[Mapping[str, Any]], plan_id: str) -> int | None:
    """The time since which no server loads data, because a plan has stopped it and started none; None: one runs."""
    noted = _plans(rows).get(plan_id, {})
    if facts.LOADING_STOPPED.name not in noted or facts.POINT_OF_NO_RETURN.name in noted:
        return None
    return facts.LOADING_STOPPED.read(noted[facts.LOADING_STOPPED.name])


def binds() -> dict[str, str]:
    """Binds of the statement ``ledger_measured`` for these facts."""
    names = [fact.name for fact in facts.of_service()]
    return {f"fact_{number}": names[min(number, len(names)) - 1] for number in range(1, 10)}
