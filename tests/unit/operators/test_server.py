"""The service: one server, the point of no return, and the back-out also at the second try."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import FakeLock, FakeStep, replace_question

from infomart_dr.errors import GuardError, OvertakenError, RemoteCommandError, UnreachableError
from infomart_dr.operators.base import StepOperator, step_defaults
from infomart_dr.operators.server import (
    NoteFinalStop,
    ProveSourceStopped,
    ReturnServiceToSource,
    StartAtTarget,
    StopInfoMartServer,
)
from infomart_dr.plan.step import Observation
from infomart_dr.topology import Trails

STOPPED = {"final_stop": "1", "noted_scn": "7", "tables_compared": "yes", "to_source_scn": "9"}


class World:
    """The sites at which the server runs, and GoldenGate's commands."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs: set[str] = {"source"}
        self.commands: list[str] = []
        self.scripts: list[str] = []
        self.fail = False
        self.unreachable = ""
        replace_question(monkeypatch, "server_runs", lambda step, role: ["a process"] if role in self.runs else [])
        replace_question(monkeypatch, "serving", lambda step, role: Observation(role in self.runs, "Running or not"))
        self.moved: str | None = None
        replace_question(monkeypatch, "moved_since", lambda step: self.moved)
        replace_question(monkeypatch, "log_size", lambda step, role: 0)
        replace_question(monkeypatch, "newest_fact", lambda step, role, moment: 0)
        replace_question(monkeypatch, "running_at", lambda step, role: Observation(role in self.runs, "Running or not"))
        replace_question(monkeypatch, "move_to", lambda step, role, scheduler: None)
        monkeypatch.setattr(StepOperator, "settled", lambda self, step: self.verify(step))

    def step(self, **facts: str) -> Any:
        step: Any = FakeStep(**facts)
        step.topology.info_mart = SimpleNamespace(application="GIM", application_dbid=101)
        step.pair = SimpleNamespace(other=lambda role: {"source": "target", "target": "source"}[role])
        groups = SimpleNamespace(extract="EGIM", pump="PGIM", replicat="RGIM")
        step.site = lambda role: SimpleNamespace(
            goldengate=SimpleNamespace(home="/ogg", groups=groups, trails=Trails()),
            configuration=SimpleNamespace(backend="gax"),
        )
        step.ggsci = lambda role: SimpleNamespace(
            stop=lambda name, force=False: self._command("STOP", role, name),
            start=lambda name: self._command("START", role, name),
            info_all=lambda: [],
            remove_group=lambda name: self._command("REMOVE", role, name),
        )
        step.host = lambda role, kind="db": SimpleNamespace(run=lambda argv: self.scripts.append(argv[-1]))
        step.configuration = lambda role: SimpleNamespace(apply=lambda name, change: [])
        step.management_layer = lambda role: SimpleNamespace(
            start=lambda dbid: self._start(role), stop=lambda dbid, graceful: self.runs.discard(role)
        )
        return step

    def _command(self, verb: str, role: str, name: str) -> Any:
        if role == self.unreachable:
            raise UnreachableError(f"{role} cannot be reached.")
        self.commands.append(f"{verb} {role} {name}")
        return SimpleNamespace(what="done")

    def _start(self, role: str) -> None:
        if self.fail:
            raise RemoteCommandError("mlcmd failed.")
        self.runs.add(role)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def start(step: Any) -> dict[str, Any]:
    return StartAtTarget(task_id="start", role="target")._run(step)


def back(step: Any) -> dict[str, Any]:
    return ReturnServiceToSource(task_id="return_service_to_source")._run(step)


def test_a_start_that_is_refused_is_not_past_the_point_of_no_return(world: World) -> None:
    step = world.step(**STOPPED)
    with pytest.raises(GuardError, match="Two servers must never write"):
        start(step)
    assert "point_of_no_return" not in step.ledger
    world.runs.clear()
    start(step)
    assert world.runs == {"target"} and "point_of_no_return" in step.ledger


@pytest.mark.parametrize("question", ["server_runs", "newest_fact"])
def test_a_try_whose_run_was_ended_meanwhile_records_no_point_of_no_return(
    world: World, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    """The try stood right before the start; the back-out has returned the service and released the lock."""
    step = world.step(**STOPPED)
    world.runs.clear()

    def overtaken(*asked: Any) -> Any:
        step.lock.release("plan-1")
        return [] if question == "server_runs" else 7

    replace_question(monkeypatch, question, overtaken)
    with pytest.raises(GuardError, match="does not hold the lock"):
        start(step)
    assert not {"point_of_no_return", "server_touched"} & set(step.ledger) and "target" not in world.runs


def test_a_stop_of_a_running_server_makes_an_earlier_comparison_void(world: World) -> None:
    """Airflow died after the comparison, a person started the server, and the cutover is tried again."""
    step = world.step(**STOPPED)
    StopInfoMartServer(task_id="stop")._run(step)
    assert not set(STOPPED) & set(step.ledger)
    assert world.runs == set()


def test_a_server_that_is_stopped_already_keeps_its_comparison(world: World) -> None:
    world.runs.clear()
    step = world.step(**STOPPED)
    StopInfoMartServer(task_id="stop")._run(step)
    assert set(STOPPED) <= set(step.ledger)


def test_the_final_stop_is_shown_as_a_time(world: World) -> None:
    world.runs.clear()
    step = world.step(final_stop="1796069707")
    assert (
        NoteFinalStop(task_id="note")._run(step)["summary"] == "the writers are stopped since 2026-11-30 20:15:07 UTC"
    )


def test_the_back_out_starts_the_service_and_then_the_reverse_groups(world: World) -> None:
    world.runs.clear()
    step = world.step(server_touched="1", to_target_stopped="yes", application_moved="site3", **STOPPED)
    back(step)
    assert world.runs == {"source"}
    assert set(step.ledger) == {"server_touched"}
    starts = ["START source EGIM", "START source PGIM", "START target RGIM"]
    assert [command for command in world.commands if command.startswith("START")] == starts


#: Recorded when the groups of replication to the source have been added.
ADDED = {
    **{"to_source_capture_registered": "5", "to_source_capture_added": "6", "to_source_capture_scn": "7"},
    **{"to_source_after_csn": "9", "ggserr:to_source:site2": "{}", "ggserr:to_source:site3": "{}"},
}


def test_the_back_out_removes_the_groups_that_the_cutover_added_once_the_service_is_back(world: World) -> None:
    """An Extract that stays registered keeps the archived logs for ever."""
    world.runs.clear()
    step = world.step(server_touched="1", to_target_stopped="yes", **STOPPED, **ADDED)
    back(step)
    removed = ["REMOVE source RGIM", "REMOVE target PGIM", "REMOVE target EGIM"]
    assert world.commands[-3:] == removed
    assert set(step.ledger) == {"server_touched"}
    # The trails of replication to the target stay: the source's own, and the one that arrives at the target.
    at_source, at_target = world.scripts
    assert "dirdat/dp[0-9]*" in at_source and "dirdat/em[0-9]*" not in at_source
    assert "dirdat/em[0-9]*" in at_target and "dirdat/dp[0-9]*" not in at_target and "BR/EGIM" in at_target


def test_groups_at_a_site_that_does_not_answer_are_removed_by_the_next_back_out(world: World) -> None:
    world.runs.clear()
    world.unreachable = "target"
    step = world.step(server_touched="1", to_target_stopped="yes", **STOPPED, **ADDED)
    back(step)
    assert world.runs == {"source"} and "to_source_capture_added" in step.ledger
    assert "to_source_after_csn" not in step.ledger
    world.unreachable = ""
    back(step)
    assert "REMOVE target EGIM" in world.commands and "to_source_capture_added" not in step.ledger


def test_the_back_out_of_a_run_without_a_cutover_removes_nothing(world: World) -> None:
    world.runs.clear()
    back(world.step(server_touched="1"))
    assert not any(command.startswith("REMOVE") for command in world.commands)


def test_a_service_that_a_person_gave_back_makes_the_comparison_void_too(world: World) -> None:
    step = world.step(server_touched="1", to_target_stopped="yes", application_moved="site3", **STOPPED)
    back(step)
    assert set(step.ledger) == {"server_touched"}
    assert "START target RGIM" in world.commands


def test_a_back_out_that_failed_is_tried_again_also_after_a_final_error(world: World) -> None:
    world.runs.clear()
    world.fail = True
    step = world.step(server_touched="1")
    with pytest.raises(RemoteCommandError):
        back(step)
    world.fail = False
    back(step)
    assert world.runs == {"source"}
    operator = ReturnServiceToSource(task_id="return", default_args=step_defaults())
    assert operator.retry_policy is None and operator.retries == step_defaults()["retries"]


def test_past_the_point_of_no_return_the_back_out_says_whether_the_target_serves(world: World) -> None:
    step = world.step(server_touched="1", point_of_no_return="1", **STOPPED)
    world.runs.clear()
    with pytest.raises(GuardError, match=r"(?s)site3 does not serve.*Never start the source"):
        back(step)
    world.runs.add("target")
    assert "the target serves" in back(step)["summary"]
    assert world.runs == {"target"}


def test_a_run_without_the_lock_starts_nothing(world: World) -> None:
    world.runs.clear()
    step = world.step(server_touched="1")
    step.lock = FakeLock("plan-1", "dag run-2")
    back(step)
    assert world.runs == set() and world.commands == []


# -- writers since the comparison, and newer runs ---------------------------------------------------


def test_a_writer_since_the_comparison_is_refused_before_the_point_of_no_return(world: World) -> None:
    step = world.step(**STOPPED)
    world.runs.clear()
    world.moved = "a sequence has given out values"
    for act in (lambda: ProveSourceStopped(task_id="prove")._run(step), lambda: start(step)):
        with pytest.raises(GuardError, match="has written to the Info Mart at site2 since the tables were compared"):
            act()
    assert "point_of_no_return" not in step.ledger and not world.runs
    world.moved = None
    ProveSourceStopped(task_id="prove")._run(step)
    start(step)
    # Past it the target's own changes reach the source.
    world.moved = "the high-water mark of data source 101"
    ProveSourceStopped(task_id="prove")._run(step)
    start(step)


def test_the_start_notes_the_site_that_serves_and_the_back_out_follows_that_note(world: World) -> None:
    step = world.step(**STOPPED)
    world.runs.clear()
    start(step)
    assert step.epochs.noted_service.site == "site3"
    back_again = world.step(server_touched="1")
    back_again.epochs.noted_service = step.epochs.noted_service
    world.runs.clear()
    with pytest.raises(GuardError, match="may not start: site3 serves"):
        back(back_again)
    assert not world.runs


def test_a_back_out_forbids_the_other_steps_of_its_run(world: World) -> None:
    step = world.step(server_touched="1")
    world.runs.clear()
    back(step)
    assert step.epochs.epoch.state == "back-out" and world.runs == {"source"}


def test_an_overtaken_run_returns_no_service(world: World) -> None:
    step = world.step(server_touched="1")
    world.runs.clear()
    step.epochs.others = {"site3": replace(step.epochs.epoch, number=9, owner="infomart_failover lost")}
    assert "infomart_failover lost, epoch 9" in back(step)["summary"]
    assert not world.runs and not world.commands


def test_a_run_that_a_failover_has_overtaken_does_not_cross_the_point_of_no_return(world: World) -> None:
    step = world.step(**STOPPED)
    world.runs.clear()
    step.epochs.others = {"site3": replace(step.epochs.epoch, number=9, owner="infomart_failover lost")}
    with pytest.raises(OvertakenError):
        start(step)
    assert "point_of_no_return" not in step.ledger and not world.runs
