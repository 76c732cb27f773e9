"""The plays of ``make demo SCENARIO=...``: procedures, disasters and calls, in an order that a person could follow.

A play acts on a :class:`Stage`; ``demo.py`` builds it over a lab and a real Airflow, and judges the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

#: Seconds of calls between two acts.
BETWEEN = 8.0


class Stage(Protocol):
    """The place of a play."""

    def run(self, dag_id: str, **params: Any) -> None:
        """Start a procedure, answer its gates, and wait for its success."""

    def calls(self, seconds: float) -> None:
        """Let calls go on."""

    def fail(self, site: str) -> None:
        """Lose all of a site at once."""

    def heal(self, site: str) -> None:
        """Bring a lost site back with its data."""

    def roles(self, **roles: str) -> None:
        """Set roles in the topology file, as an administrator does after a run."""


@dataclass(frozen=True)
class Scenario:
    """A play, with the criteria of its judgement.

    :param lab: the scenario of the lab at the start.
    :param audited: sites whose Info Mart must hold every call exactly once at the end.
    :param loses: the play loses a site: the missing calls must lie within the loss estimate.
    """

    lab: str
    play: Callable[[Stage], None]
    audited: tuple[str, ...]
    loses: bool = False


def return_to_normal(stage: Stage) -> None:
    """Site 2 serves alone; Site 3 is filled, takes over, and Site 2 follows it."""
    stage.run("infomart_return_to_normal")


def option_2(stage: Stage) -> None:
    """Site 2 serves alone and goes on; Site 3 is filled and becomes its standby."""
    stage.run("infomart_return_to_normal", option="source stays active")


def setup(stage: Stage) -> None:
    """Site 1 serves; Site 2 is filled from it and follows it."""
    stage.run("infomart_setup_replication", source="site1", target="site2")
    stage.roles(site1="active", site2="standby")
    stage.calls(BETWEEN)


def switchover(stage: Stage) -> None:
    """Set up, then Site 2 takes over and Site 1 follows it."""
    setup(stage)
    stage.run("infomart_switchover", source="site1", target="site2")
    stage.roles(site1="standby", site2="active")


def failover(stage: Stage) -> None:
    """Set up, then Site 1 is lost in the middle of its work, and Site 2 takes over."""
    setup(stage)
    stage.fail("site1")
    stage.run("infomart_failover", failed_site="site1", survivor="site2")
    stage.roles(site1="failed", site2="active")


def active_active(stage: Stage) -> None:
    """Two Info Marts; Site 1 is lost, Site 2 ignores it, Site 1 comes back with a copy of Site 2's."""
    stage.calls(BETWEEN)
    stage.fail("site1")
    stage.run("infomart_failover", failed_site="site1", survivor="site2")
    stage.roles(site1="failed", site2="active")
    stage.calls(BETWEEN)
    stage.heal("site1")
    stage.roles(site1="new", site2="active")
    stage.run("infomart_return_to_normal_active_active", source="site2", target="site1")
    stage.roles(site1="active", site2="active")


def full_circle(stage: Stage) -> None:
    """Set up, Site 1 lost, Site 2 takes over, Site 1 recovered as its standby, and switched back to Site 1."""
    failover(stage)
    stage.calls(BETWEEN)
    stage.heal("site1")
    stage.roles(site1="new", site2="active")
    stage.run("infomart_return_to_normal", source="site2", target="site1", option="source stays active")
    stage.roles(site1="standby", site2="active")
    stage.calls(BETWEEN)
    stage.run("infomart_switchover", source="site2", target="site1")
    stage.roles(site1="active", site2="standby")


SCENARIOS: dict[str, Scenario] = {
    "return-to-normal": Scenario("return-to-normal", return_to_normal, ("site3", "site2")),
    "option-2": Scenario("return-to-normal", option_2, ("site2", "site3")),
    "setup": Scenario("active-standby", setup, ("site1", "site2")),
    "switchover": Scenario("active-standby", switchover, ("site2", "site1")),
    "failover": Scenario("active-standby", failover, ("site2",), loses=True),
    "active-active": Scenario("active-active", active_active, ("site2", "site1"), loses=True),
    "full-circle": Scenario("active-standby", full_circle, ("site1", "site2"), loses=True),
}
