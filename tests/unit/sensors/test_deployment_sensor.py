"""Each sensor's reaction to its probe: in the task, in the triggerer, and at the timeout."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, ClassVar

import pytest
from airflow.sdk.exceptions import (
    AirflowRescheduleException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferralTimeout,
    TaskDeferred,
)

from infomart_dr import get_provider_info
from infomart_dr.deployment import Deployment
from infomart_dr.errors import CredentialsError, PermanentError, TransientError, UnreachableError
from infomart_dr.operators.base import RETRY_POLICY
from infomart_dr.plan.step import Observation
from infomart_dr.sensors.deployment_sensor import DeploymentSensor
from infomart_dr.triggers.condition import ConditionTrigger

NOT_YET, REACHED = Observation(False, "not yet", {"n": 0}), Observation(True, "it is there", {"n": 1})
GONE, REFUSED = UnreachableError("db2 is gone.", "Start it."), CredentialsError("refused", "Correct it.")


class World:
    """Answers of the probe, one after the other, and the arguments that it got."""

    seen: ClassVar[list[Observation | Exception]] = []
    asked: ClassVar[list[tuple[str, dict[str, Any]]]] = []


def probe(deployment: Deployment, **arguments: Any) -> Observation:
    assert isinstance(deployment, Deployment)
    World.asked.append((deployment._name, arguments))
    found = World.seen.pop(0) if len(World.seen) > 1 else World.seen[0]
    if isinstance(found, Exception):
        raise found
    return found


class Light(DeploymentSensor):
    """Waits for a light."""

    probe = staticmethod(probe)

    def arguments(self, context: Any) -> dict[str, Any]:
        return {"colour": context["colour"]}


CONTEXT: Any = {"colour": "green"}


def light(*seen: Observation | Exception, **given: Any) -> Light:
    World.seen, World.asked = list(seen), []
    return Light(task_id="light", **({"deployment": "north", "poke_interval": 0.01, "timeout": 5} | given))


def deferred(sensor: Light) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        sensor.execute(CONTEXT)
    assert caught.value.method_name == "resume"
    return caught.value


def event_of(trigger: Any) -> dict[str, Any]:
    async def first() -> dict[str, Any]:
        return (await asyncio.wait_for(anext(trigger.run()), 5)).payload

    return asyncio.run(first())


def resumed(sensor: Light, event: dict[str, Any]) -> Any:
    """Resume a deferred task as Airflow does."""
    return sensor.resume_execution("resume", {"event": event}, CONTEXT)


# -- in the task -----------------------------------------------------------------------------------


def test_it_asks_until_the_goal_is_reached_and_returns_what_it_found() -> None:
    sensor = light(NOT_YET, NOT_YET, REACHED)
    assert sensor.execute(CONTEXT) == {"summary": "it is there", "n": 1}
    assert World.asked == [("north", {"colour": "green"})] * 3


def test_in_the_mode_reschedule_it_gives_its_worker_back_between_two_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    sensor = light(NOT_YET, mode="reschedule")
    context = CONTEXT | {"ti": type("TI", (), {"get_first_reschedule_date": lambda self, context: None})()}
    with pytest.raises(AirflowRescheduleException):
        sensor.execute(context)
    with pytest.raises(UnreachableError):
        light(GONE, mode="reschedule").execute(context)


def test_a_timeout_is_airflows_own_and_soft_fail_makes_a_skip_of_it() -> None:
    with pytest.raises(AirflowSensorTimeout):
        light(NOT_YET, timeout=0.02).execute(CONTEXT)
    with pytest.raises(AirflowSkipException):
        light(NOT_YET, timeout=0.02, soft_fail=True).execute(CONTEXT)


def test_errors_of_time_are_borne_for_the_patience_in_a_row() -> None:
    assert light(GONE, NOT_YET, GONE, REACHED).execute(CONTEXT)["n"] == 1
    with pytest.raises(UnreachableError):
        light(GONE, patience=0.05).execute(CONTEXT)
    with pytest.raises(UnreachableError):
        light(GONE, patience=0).execute(CONTEXT)


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_permanent_error_fails_at_once_also_with_soft_fail(deferrable: bool) -> None:
    with pytest.raises(CredentialsError, match=r"^refused\nNext: Correct it\.$"):
        light(REFUSED, deferrable=deferrable, soft_fail=True).execute(CONTEXT)
    with pytest.raises(AirflowSkipException, match="never_fail"):
        light(REFUSED, deferrable=deferrable, never_fail=True).execute(CONTEXT)


def test_a_permanent_error_is_not_tried_again_unless_the_task_has_a_policy_of_its_own() -> None:
    assert light(NOT_YET).retry_policy is RETRY_POLICY
    own = type(RETRY_POLICY)(rules=[])
    assert light(NOT_YET, retry_policy=own).retry_policy is own
    assert light(NOT_YET, default_args={"retry_policy": own}).retry_policy is own


# -- in the triggerer ------------------------------------------------------------------------------


def test_a_goal_that_is_reached_needs_no_deferral() -> None:
    assert light(REACHED, deferrable=True).execute(CONTEXT) == {"summary": "it is there", "n": 1}


def test_a_deferred_wait_has_the_sensors_times_and_makes_the_deployment_again() -> None:
    found = deferred(light(NOT_YET, deferrable=True, timeout=60, poke_interval=7, patience=30))
    path, arguments = found.trigger.serialize()
    assert path == "infomart_dr.triggers.condition.ConditionTrigger"
    assert json.loads(json.dumps(arguments)) == arguments, "plain JSON"
    deadline = arguments.pop("deadline")
    assert 59 < deadline - time.time() <= 60
    assert arguments == {
        "deployment": "north",
        "probe": f"{__name__}.probe",
        "arguments": {"colour": "green"},
        "poll": 7,
        "patience": 30,
        "silent": False,
    }
    assert found.timeout is not None and found.timeout.total_seconds() > 60, "Airflow's own end comes after it"
    World.seen, World.asked = [NOT_YET, REACHED], []
    again = ConditionTrigger(**arguments | {"deadline": deadline, "poll": 0.01})
    assert event_of(again) == {"state": "reached", "summary": "it is there", "details": {"n": 1}}
    assert World.asked == [("north", {"colour": "green"})] * 2


def test_a_trigger_is_for_a_step_or_for_a_deployment() -> None:
    given: dict[str, Any] = {"probe": "p", "arguments": {}, "poll": 1, "deadline": 0}
    for wrong in ({}, {"step": {}, "deployment": "north"}):
        with pytest.raises(ValueError, match="either step or deployment"):
            ConditionTrigger(**given, **wrong)


def test_an_error_of_time_at_the_first_question_defers() -> None:
    assert event_of(deferred(light(GONE, REACHED, deferrable=True)).trigger)["state"] == "reached"


def test_a_deferred_wait_returns_what_the_trigger_found() -> None:
    event = {"state": "reached", "summary": "it is there", "details": {"n": 2}}
    assert resumed(light(NOT_YET), event) == {"summary": "it is there", "n": 2}


def test_a_deferred_wait_that_is_too_long_says_what_it_saw_last() -> None:
    event = event_of(deferred(light(NOT_YET, deferrable=True, timeout=0)).trigger)
    assert event["state"] == "timeout"
    with pytest.raises(AirflowSensorTimeout, match="Sensor has timed out after 0 seconds: not yet"):
        resumed(light(NOT_YET, timeout=0), event)
    for given in ({"soft_fail": True}, {"never_fail": True}):
        with pytest.raises(AirflowSkipException):
            resumed(light(NOT_YET, **given), event)


def test_a_triggerer_that_says_nothing_is_a_timeout_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(self: Any, context: Any, event: Any) -> None:
        raise TaskDeferralTimeout("late")

    monkeypatch.setattr(DeploymentSensor, "resume", late)
    with pytest.raises(AirflowSensorTimeout):
        resumed(light(NOT_YET), {})


@pytest.mark.parametrize(("retryable", "kind"), [(True, TransientError), (False, PermanentError)])
def test_an_error_of_the_triggerer_keeps_its_kind_and_soft_fail_does_not_hide_it(
    retryable: bool, kind: type[Exception]
) -> None:
    event = {"state": "failed", "retryable": retryable, "what": "db2 is gone.", "next_step": "Start it."}
    with pytest.raises(kind, match=r"^db2 is gone\.\nNext: Start it\.$"):
        resumed(light(NOT_YET, soft_fail=True), event)
    with pytest.raises(AirflowSkipException):
        resumed(light(NOT_YET, never_fail=True), event)


def test_silent_fail_bears_every_error_until_the_timeout() -> None:
    assert light(REFUSED, REACHED, silent_fail=True).execute(CONTEXT)["n"] == 1
    trigger = deferred(light(REFUSED, REFUSED, GONE, REACHED, deferrable=True, silent_fail=True, patience=0)).trigger
    assert event_of(trigger)["state"] == "reached"
    trigger = deferred(light(REFUSED, deferrable=True, silent_fail=True, timeout=0)).trigger
    assert event_of(trigger) == {"state": "timeout", "summary": "the check failed: refused", "details": {}}


def test_deferral_is_airflows_default() -> None:
    assert light(NOT_YET).deferrable is False


def test_airflow_is_told_of_the_modules() -> None:
    from importlib import import_module
    from importlib.resources import files

    from jsonschema import Draft7Validator

    information = get_provider_info()
    Draft7Validator(json.loads((files("airflow") / "provider_info.schema.json").read_text())).validate(information)
    names = [name for entry in information["sensors"] for name in entry["python-modules"]]
    found = {
        name for module in names for name, value in vars(import_module(module)).items() if _is_sensor(value, module)
    }
    import infomart_dr.sensors

    assert found == set(infomart_dr.sensors.__all__)


def _is_sensor(value: Any, module: str) -> bool:
    return isinstance(value, type) and issubclass(value, DeploymentSensor) and value.__module__ == module
