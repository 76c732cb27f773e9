"""A step's run: finished work is not repeated, results are proven, errors are typed."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowSkipException
from tests.unit.operators.fakes import FakeLock, FakeStep

from infomart_dr.errors import (
    CredentialsError,
    GuardError,
    PermanentError,
    TopologyError,
    TransientError,
    UnreachableError,
)
from infomart_dr.operators.base import RETRY_POLICY, CheckOperator, StepOperator, raise_from
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation


class Light(StepOperator):
    """Switches a light on; ``works``: the switch works."""

    def __init__(self, *, on: bool = False, works: bool = True, **kwargs: Any) -> None:
        super().__init__(task_id="light", **kwargs)
        self.on, self.works, self.looks, self.acts = on, works, 0, 0

    def observe(self, step: Any) -> Observation:
        self.looks += 1
        return Observation(self.on, f"the light is {'on' if self.on else 'off'}", {"watts": 5})

    def act(self, step: Any, seen: Observation) -> None:
        self.acts += 1
        self.on = self.works

    def next_step(self) -> str:
        return "Change the bulb."


# -- observe, decide, act, verify ------------------------------------------------------------------


def test_a_goal_that_is_reached_is_left_alone_also_without_the_lock() -> None:
    step, light = FakeStep(), Light(on=True)
    step.lock = FakeLock()
    result = light._run(step)  # type: ignore[arg-type]
    assert (light.looks, light.acts) == (1, 0)
    assert (result["summary"], result["watts"]) == ("the light is on", 5)


def test_an_act_is_followed_by_another_check_and_a_second_run_does_nothing() -> None:
    step, light = FakeStep(), Light()
    assert light._run(step)["summary"] == "the light is on"  # type: ignore[arg-type]
    assert (light.looks, light.acts) == (2, 1)
    light._run(step)  # type: ignore[arg-type]
    assert light.acts == 1


def test_an_act_that_does_not_reach_the_goal_stops_the_run_with_the_next_step() -> None:
    with pytest.raises(GuardError, match=r"(?s)acted, but the light is off.*Change the bulb"):
        Light(works=False)._run(FakeStep())  # type: ignore[arg-type]


@pytest.mark.parametrize("lock", [FakeLock(), FakeLock("plan-2", "dag run-1"), FakeLock("plan-1", "dag run-2")])
def test_nothing_is_done_by_a_run_that_does_not_hold_the_lock(lock: FakeLock) -> None:
    step, light = FakeStep(), Light()
    step.lock = lock
    with pytest.raises(GuardError, match="lock"):
        light._run(step)  # type: ignore[arg-type]
    assert light.acts == 0


def test_an_act_leaves_a_sign_of_life_in_the_lock() -> None:
    step = FakeStep()
    Light()._run(step)  # type: ignore[arg-type]
    assert step.lock.signs_of_life == 1


def test_a_step_that_the_plan_is_past_does_not_even_check() -> None:
    light = Light(unless=facts.EXPORTED)
    assert "past this step (exported: GIM_EXP)" in light._run(FakeStep(exported="GIM_EXP"))["summary"]  # type: ignore[arg-type]
    assert (light.looks, light.acts) == (0, 0)
    light._run(FakeStep())  # type: ignore[arg-type]
    assert light.acts == 1


def test_the_passing_of_a_step_is_shown_as_a_time() -> None:
    light = Light(unless=facts.POINT_OF_NO_RETURN)
    what = light._run(FakeStep(point_of_no_return="1796069707"))["summary"]  # type: ignore[arg-type]
    assert what == "the plan is past this step (point of no return: 2026-11-30 20:15:07 UTC)"


def test_a_plan_whose_goal_was_reached_before_does_nothing_but_what_is_always_done() -> None:
    class Always(Light):
        always = True

    light, always = Light(), Always()
    step = FakeStep(goal_reached="the target serves")
    assert light._run(step)["summary"] == "nothing to do: the target serves"  # type: ignore[arg-type]
    always._run(step)  # type: ignore[arg-type]
    assert (light.looks, light.acts, always.acts) == (0, 0, 1)


def test_a_step_without_use_in_this_deployment_is_skipped_with_the_reason() -> None:
    class Partitions(Light):
        def does_not_apply(self, step: Any) -> str | None:
            return "the Info Mart is not partitioned"

    light = Partitions()
    with pytest.raises(AirflowSkipException, match="does not apply: the Info Mart is not partitioned"):
        light._run(FakeStep())  # type: ignore[arg-type]
    assert (light.looks, light.acts) == (0, 0)


def test_a_check_stops_the_run_with_what_it_saw() -> None:
    class Check(CheckOperator):
        def observe(self, step: Any) -> Observation:
            return Observation(False, "a table is missing")

    with pytest.raises(GuardError, match=r"^a table is missing\nNext: "):
        Check(task_id="check")._run(FakeStep())  # type: ignore[arg-type]


# -- errors and retries ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (PermanentError("x"), RetryAction.FAIL),
        (GuardError("x"), RetryAction.FAIL),
        (TopologyError("x"), RetryAction.FAIL),
        (CredentialsError("x"), RetryAction.FAIL),
        (TransientError("x"), RetryAction.DEFAULT),
        (UnreachableError("x"), RetryAction.DEFAULT),
        (ConnectionResetError("x"), RetryAction.DEFAULT),
    ],
)
def test_only_a_transient_error_is_tried_again(error: Exception, action: RetryAction) -> None:
    assert RETRY_POLICY.evaluate(error, 1, 7).action == action


@pytest.mark.parametrize("name", ["HITLRejectException", "HITLTimeoutError"])
def test_a_persons_no_is_not_asked_for_again(name: str) -> None:
    from airflow.providers.standard import exceptions

    assert RETRY_POLICY.evaluate(getattr(exceptions, name)("no"), 1, 7).action == RetryAction.FAIL


@pytest.mark.parametrize(
    ("event", "kind", "text"),
    [
        (
            {"state": "failed", "what": "No.", "next_step": "Look.", "retryable": False},
            PermanentError,
            "^No.\nNext: Look.$",
        ),
        ({"state": "failed", "what": "No.", "retryable": True}, TransientError, "^No.$"),
        ({"state": "unreachable", "reason": "db2 is gone."}, TransientError, "^db2 is gone.$"),
        ({"state": "failed", "what": "No.", "error": "GuardError", "retryable": False}, GuardError, "^No.$"),
        ({"state": "unreachable", "reason": "Gone.", "error": "UnreachableError"}, UnreachableError, "^Gone.$"),
        ({"state": "failed", "what": "No.", "error": "SystemExit", "retryable": False}, PermanentError, "^No.$"),
        ({"state": "failed", "what": "No.", "error": "Sequence", "retryable": True}, TransientError, "^No.$"),
        ({"state": "failed", "what": "No.", "error": "InfoMartError", "retryable": False}, PermanentError, "^No.$"),
    ],
)
def test_the_error_of_a_trigger_arrives_as_it_was(event: dict[str, Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text) as caught:
        raise_from(event)
    assert caught.type is kind
