"""A plan whose goal was reached before it began does nothing, and one that is under way uses its own facts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import FakeLock, FakeStep, replace_question

from infomart_dr.errors import GuardError, RequestError
from infomart_dr.guards.goal import reached_already
from infomart_dr.guards.replication import replicates
from infomart_dr.hooks.configuration import Change
from infomart_dr.operators.base import needless
from infomart_dr.operators.clearing import advising
from infomart_dr.operators.goal import CheckAlreadyDone
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation


class World:
    """The sites that serve, the servers that run, and the groups that run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.serves: set[str] = set()
        self.runs: set[str] = set()
        self.groups: dict[tuple[str, str], str] = {}
        #: Application objects that differ from the goal.
        self.wrong: set[str] = set()
        self.asked: list[str] = []
        replace_question(monkeypatch, "serving", lambda step, role: self._look(role, self.serves))
        replace_question(monkeypatch, "running_at", lambda step, role: self._look(role, self.serves | self.runs))
        replace_question(
            monkeypatch, "server_runs", lambda step, role: ["a process"] if role in self.serves | self.runs else []
        )
        replace_question(
            monkeypatch,
            "configured",
            lambda step, role, name, change: Observation(name not in self.wrong, f"{name} differs"),
        )
        replace_question(
            monkeypatch,
            "survivor_changes",
            lambda step: {"GIM_site2": Change(), "DAP_TS1_site1": Change(enabled=False)},
        )

    def _look(self, role: str, where: set[str]) -> Observation:
        self.asked.append(role)
        return Observation(role in where, "Running" if role in where else "Stopped")

    def follows(self, source: str, target: str) -> None:
        self.groups = {(source, "EGIM"): "RUNNING", (source, "PGIM"): "RUNNING", (target, "RGIM"): "RUNNING"}

    def step(self, **facts: str) -> Any:
        step: Any = FakeStep(**facts)
        groups = SimpleNamespace(extract="EGIM", pump="PGIM", replicat="RGIM")
        step.site = lambda role: SimpleNamespace(
            goldengate=SimpleNamespace(groups=groups), configuration=SimpleNamespace(backend="gax")
        )
        step.ggsci = lambda role: SimpleNamespace(status=lambda name: self.groups.get((role, name)))
        return step


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def look(step: Any, wanted: Any = "moved") -> dict[str, Any]:
    return CheckAlreadyDone(task_id="check_already_done", goal=wanted)._run(step)


# -- what is noted ---------------------------------------------------------------------------------


def test_a_plan_that_has_something_to_do_is_begun(world: World) -> None:
    step = world.step()
    assert "under way" in look(step)["summary"]
    assert step.ledger == {"begun": "yes"} and needless(step, None) is None


def test_a_goal_that_is_reached_before_makes_every_other_step_needless(world: World) -> None:
    world.serves = {"target"}
    world.follows("target", "source")
    step = world.step()
    assert look(step)["summary"] == "nothing to do: site3 already serves and site2 follows it"
    assert "begun" not in step.ledger
    assert needless(step, None) == "nothing to do: site3 already serves and site2 follows it"


def test_a_plan_that_is_under_way_is_not_stopped_by_a_goal_that_it_has_just_reached(world: World) -> None:
    """Otherwise a retry would leave out the steps after the cutover."""
    world.serves = {"target"}
    world.follows("target", "source")
    step = world.step(begun="yes", point_of_no_return="1")
    assert "its recorded facts show what is left" in look(step)["summary"]
    assert facts.GOAL_REACHED.name not in step.ledger and world.asked == []


@pytest.mark.parametrize("fact", ["old_replication_removed", "purge_hold", "server_touched", "standby_touched"])
def test_a_plan_that_another_procedure_has_begun_is_under_way_too(world: World, fact: str) -> None:
    """A cutover continues the plan of a transfer, which has no check of its own."""
    world.serves = {"target"}
    world.follows("target", "source")
    step = world.step(**{fact: "1"})
    assert "its recorded facts show what is left" in look(step)["summary"]
    assert facts.GOAL_REACHED.name not in step.ledger


def test_a_goal_is_forgotten_when_the_world_has_changed_before_the_plan_goes_on(world: World) -> None:
    world.serves = {"target"}
    world.follows("target", "source")
    step = world.step()
    look(step)
    world.groups.clear()
    assert "under way" in look(step)["summary"]
    assert step.ledger == {"begun": "yes"} and needless(step, None) is None


def test_a_goal_that_stands_is_found_again_and_recorded_once(world: World) -> None:
    world.serves = {"target"}
    world.follows("target", "source")
    step = world.step()
    look(step)
    life = step.lock.signs_of_life
    assert look(step)["goal_reached"] is True
    assert step.lock.signs_of_life == life, "nothing was done"


def test_nothing_is_recorded_without_the_lock(world: World) -> None:
    step = world.step()
    step.lock = FakeLock()
    with pytest.raises(GuardError, match="lock"):
        look(step)
    assert step.ledger == {}


def test_a_procedure_that_continues_a_plan_refuses_the_id_of_none(world: World) -> None:
    """A mistyped id would begin an empty plan, and stop at a later step that asks for its facts."""
    step = world.step(sites="site2 -> site3")
    task = CheckAlreadyDone(task_id="check_already_done", goal="moved", continues=True)
    with pytest.raises(RequestError, match="has copied nothing to site3") as refused, advising(task, None):
        task._run(step)
    assert refused.value.next_step.startswith("Start a new run with the parameter plan, the run id of")
    assert "begun" not in step.ledger and world.asked == []
    assert "under way" in task._run(world.step(old_replication_removed="yes"))["summary"]


# -- what counts as reached ------------------------------------------------------------------------


def test_a_switchover_is_done_only_when_the_target_serves_alone_and_is_followed(world: World) -> None:
    step = world.step()
    world.serves = {"target"}
    assert reached_already(step, "moved") is None
    world.follows("target", "source")
    assert reached_already(step, "moved")
    world.runs = {"source"}
    assert reached_already(step, "moved") is None
    world.runs, world.serves = set(), {"source"}
    assert reached_already(step, "moved") is None


def test_a_standby_is_set_up_when_the_source_serves_and_the_target_follows_it(world: World) -> None:
    step = world.step()
    world.serves = {"source"}
    world.follows("target", "source")
    assert reached_already(step, "follows") is None, "that is the other direction"
    world.follows("source", "target")
    assert reached_already(step, "follows") == "site2 already serves and site3 follows it"


@pytest.mark.parametrize("option", ["target takes over", "source stays active"])
def test_the_option_of_a_return_to_normal_says_what_its_goal_is(world: World, option: str) -> None:
    stays = option == "source stays active"
    serves, follows = ("source", "target") if stays else ("target", "source")
    world.serves = {serves}
    world.follows(serves, follows)
    step = world.step()
    step.params["option"] = option
    assert "nothing to do" in look(step, "")["summary"]
    other = world.step()
    other.params["option"] = "target takes over" if stays else "source stays active"
    assert "under way" in look(other, "")["summary"]


@pytest.mark.parametrize("missing", [("source", "EGIM"), ("source", "PGIM"), ("target", "RGIM")])
@pytest.mark.parametrize("state", [None, "STOPPED", "ABENDED"])
def test_a_site_is_followed_only_while_all_three_groups_run(
    world: World, missing: tuple[str, str], state: str | None
) -> None:
    step = world.step()
    world.follows("source", "target")
    assert replicates(step, "to_target")
    if state is None:
        del world.groups[missing]
    else:
        world.groups[missing] = state
    assert not replicates(step, "to_target")


def test_a_site_without_groups_is_not_asked_for_its_server(world: World) -> None:
    """A new site may have no server yet."""
    assert reached_already(world.step(), "moved") is None
    assert world.asked == []


def test_a_failover_is_done_when_the_survivor_serves_and_the_lost_site_is_never_asked(world: World) -> None:
    step = world.step()
    assert reached_already(step, "failover") is None
    world.runs = {"target"}
    assert reached_already(step, "failover") == "site3 already serves (Running)"
    assert set(world.asked) == {"target"}


def test_of_two_active_sites_a_failover_is_done_when_every_object_ignores_the_lost_one(world: World) -> None:
    step = world.step()
    step.topology.architecture = "active-active"
    world.wrong = {"DAP_TS1_site1"}
    assert reached_already(step, "failover") is None
    world.wrong = set()
    assert reached_already(step, "failover") == "site3 already ignores site2"


def test_where_a_person_configures_nobody_can_say_that_the_lost_site_is_ignored(world: World) -> None:
    step = world.step()
    step.topology.architecture = "active-active"
    step.site = lambda role: SimpleNamespace(configuration=SimpleNamespace(backend="manual"))
    assert reached_already(step, "failover") is None


def test_two_sites_serve_only_when_both_do(world: World) -> None:
    step = world.step()
    world.serves = {"source"}
    assert reached_already(step, "both serve") is None
    world.serves = {"source", "target"}
    assert reached_already(step, "both serve") == "site2 and site3 already both serve"
