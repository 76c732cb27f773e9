"""A waiting step: in the task for a short while, then deferred; poke_interval, timeout and soft_fail are honoured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred
from airflow.sdk.module_loading import import_string
from tests.unit.operators.fakes import FakeLock, FakeStep

from infomart_dr.dagfiles import load_dags
from infomart_dr.errors import (
    CredentialsError,
    GuardError,
    InfoMartError,
    PermanentError,
    TransientError,
    UnreachableError,
)
from infomart_dr.hooks.oracle import OracleCredentials
from infomart_dr.operators.base import raise_from
from infomart_dr.plan.step import Observation, Step
from infomart_dr.sensors.base import StepSensor
from infomart_dr.triggers.condition import ConditionTrigger

ROOT = Path(__file__).resolve().parents[3]


class World:
    """Answers of the probe, one after the other."""

    looks: ClassVar[list[Observation | Exception]] = []


def probe(step: Any, **arguments: Any) -> Observation:
    look = World.looks.pop(0) if len(World.looks) > 1 else World.looks[0]
    if isinstance(look, Exception):
        raise look
    return look


class Wait(StepSensor):
    """Waits for the world."""

    probe = staticmethod(probe)


def deferred(step: FakeStep, **arguments: Any) -> ConditionTrigger:
    with pytest.raises(TaskDeferred) as caught:
        Wait(task_id="wait", **arguments)._run(step)  # type: ignore[arg-type]
    assert caught.value.method_name == "resume"
    trigger = caught.value.trigger
    assert isinstance(trigger, ConditionTrigger)
    return trigger


@pytest.fixture
def resume(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], dict[str, Any]]:
    monkeypatch.setattr(Step, "from_context", lambda context: FakeStep())
    return lambda event: Wait(task_id="wait").resume({}, event)  # type: ignore[arg-type]


def test_a_wait_that_is_over_before_it_begins_does_not_defer() -> None:
    World.looks = [Observation(True, "all is there", {"n": 1})]
    assert Wait(task_id="wait")._run(FakeStep())["n"] == 1  # type: ignore[arg-type]


def test_a_short_wait_is_waited_for_here_and_bears_no_error() -> None:
    step = FakeStep()
    step.topology.timeouts.inline_wait = 5.0
    World.looks = [
        Observation(False, "not yet"),
        Observation(False, "not yet"),
        Observation(True, "all is there", {"n": 2}),
    ]
    assert Wait(task_id="wait")._run(step)["n"] == 2  # type: ignore[arg-type]
    World.looks = [Observation(False, "not yet"), TransientError("the line is dead")]
    deferred(step)


def test_a_wait_defers_with_the_step_and_a_deadline() -> None:
    World.looks = [Observation(False, "not yet")]
    trigger = deferred(FakeStep())
    assert trigger.step == {"plan_id": "plan-1", "owner": "dag run-1"}
    assert 0 < trigger.deadline - time.time() <= 5


class Marked(Wait):
    """A wait that writes a marker first."""

    written: ClassVar[list[str]] = []

    def prepare(self, step: Any) -> None:
        self.written.append("marker")


def test_a_wait_acts_after_its_first_check_and_only_under_the_lock() -> None:
    Marked.written.clear()
    World.looks = [Observation(True, "it is there already")]
    Marked(task_id="wait")._run(FakeStep())  # type: ignore[arg-type]
    World.looks = [Observation(False, "not yet")]
    step = FakeStep()
    step.lock = FakeLock()
    with pytest.raises(GuardError):
        Marked(task_id="wait")._run(step)  # type: ignore[arg-type]
    assert Marked.written == []
    with pytest.raises(TaskDeferred):
        Marked(task_id="wait")._run(FakeStep())  # type: ignore[arg-type]
    assert Marked.written == ["marker"]


def test_a_wait_ends_with_what_the_trigger_saw(resume: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    result = resume({"state": "reached", "summary": "it arrived", "details": {"lag": 0}})
    assert (result["summary"], result["lag"]) == ("it arrived", 0)


def test_a_wait_that_was_too_long_is_final_and_says_what_it_saw(
    resume: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    with pytest.raises(GuardError, match="The wait timed out: not yet"):
        resume({"state": "timeout", "summary": "not yet", "details": {}})


def test_the_topologys_poll_and_the_steps_limit_hold_where_the_step_has_none_of_its_own() -> None:
    World.looks = [Observation(False, "not yet")]
    step = FakeStep()
    step.topology.timeouts.poll, step.topology.timeouts.catch_up = 7.0, 300.0
    of_topology = deferred(step)
    assert of_topology.poll == 7.0 and 290 < of_topology.deadline - time.time() <= 300
    own = deferred(step, poke_interval=timedelta(seconds=2), timeout=60)
    assert own.poll == 2.0 and 50 < own.deadline - time.time() <= 60


def test_a_wait_with_soft_fail_is_skipped_at_its_timeout_and_never_hides_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Step, "from_context", lambda context: FakeStep())
    soft = Wait(task_id="wait", soft_fail=True)
    with pytest.raises(AirflowSkipException, match="not yet"):
        soft.resume({}, {"state": "timeout", "summary": "not yet", "details": {}})  # type: ignore[arg-type]
    with pytest.raises(PermanentError, match="refused"):
        soft.resume({}, {"state": "failed", "retryable": False, "what": "refused"})  # type: ignore[arg-type]


def test_a_waiting_step_is_a_sensor_of_airflow() -> None:
    wait = Wait(task_id="wait")
    assert isinstance(wait, BaseSensorOperator) and wait._is_sensor
    assert wait.question() == f"{__name__}.probe"


def test_every_waiting_step_of_a_procedure_has_a_probe_that_the_triggerer_can_import() -> None:
    found = 0
    for dag in load_dags(ROOT / "dags").values():
        for task in dag.tasks:
            if isinstance(task, StepSensor):
                assert import_string(task.question()) is task.probe, task.task_id
                found += 1
    assert found >= 20


def test_an_error_of_the_probe_keeps_its_kind_across_the_deferral(
    resume: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    with pytest.raises(TransientError, match="gone"):
        resume({"state": "failed", "retryable": True, "what": "gone", "next_step": "wait"})
    with pytest.raises(PermanentError, match="refused"):
        resume({"state": "failed", "retryable": False, "what": "refused", "next_step": "correct it"})


def trigger(**changes: Any) -> ConditionTrigger:
    arguments: dict[str, Any] = {
        "step": {"plan_id": "plan-1"},
        "probe": f"{__name__}.probe",
        "arguments": {"role": "source"},
        "poll": 0.01,
        "deadline": time.time() + 5,
        "patience": 5.0,
    }
    return ConditionTrigger(**(arguments | changes))


def event_of(waiting: ConditionTrigger) -> dict[str, Any]:
    async def first() -> dict[str, Any]:
        return (await asyncio.wait_for(anext(waiting.run()), 5)).payload

    return asyncio.run(first())


def test_a_trigger_is_made_again_from_what_it_serialises() -> None:
    path, arguments = trigger(patience=7.0).serialize()
    assert path == "infomart_dr.triggers.condition.ConditionTrigger"
    again = ConditionTrigger(**arguments)
    assert again.serialize() == (path, arguments)
    assert arguments["patience"] == 7.0


def test_the_trigger_asks_until_the_goal_is_reached_and_bears_transient_errors_meanwhile() -> None:
    World.looks = [
        Observation(False, "no"),
        UnreachableError("db2 is gone."),
        Observation(False, "no"),
        Observation(True, "yes", {"n": 2}),
    ]
    assert event_of(trigger()) == {"state": "reached", "summary": "yes", "details": {"n": 2}}


def test_the_triggers_patience_ends_when_nothing_but_errors_come() -> None:
    World.looks = [UnreachableError("db2 is gone.", "Start it.")]
    event = event_of(trigger(patience=0.05))
    assert event == {
        "state": "failed",
        "error": "UnreachableError",
        "retryable": True,
        "what": "db2 is gone.",
        "next_step": "Start it.",
    }


def test_patience_is_for_errors_in_a_row() -> None:
    gone: InfoMartError = UnreachableError("gone")
    World.looks = [gone, Observation(False, "no")] * 12 + [Observation(True, "yes")]
    assert event_of(trigger(patience=0.09))["state"] == "reached"


def test_the_trigger_gives_up_at_once_on_a_permanent_error() -> None:
    World.looks = [CredentialsError("refused", "Correct it.")]
    event = event_of(trigger())
    assert (event["state"], event["retryable"], event["what"]) == ("failed", False, "refused")


def test_an_error_keeps_its_type_across_a_deferral() -> None:
    World.looks = [OracleCredentials("refused", "Correct it.", code="ORA-01017")]
    with pytest.raises(CredentialsError, match="refused\nNext: Correct it") as caught:
        raise_from(event_of(trigger()))
    assert caught.type is CredentialsError, "a hook's own kind becomes that of errors.py"


def test_the_trigger_ends_at_its_deadline() -> None:
    World.looks = [Observation(False, "not yet")]
    assert event_of(trigger(deadline=time.time() - 1)) == {"state": "timeout", "summary": "not yet", "details": {}}
