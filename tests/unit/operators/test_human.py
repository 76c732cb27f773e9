"""Steps of people, and gates: who is asked, the effect of the answer, and four eyes."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.exceptions import HITLRejectException
from airflow.sdk.exceptions import AirflowSkipException
from tests.unit.operators.fakes import FakeLock, FakeStep, replace_question

from infomart_dr.errors import GuardError, TransientError
from infomart_dr.guards import fitness
from infomart_dr.guards.faults import Fault
from infomart_dr.operators import human
from infomart_dr.operators.configuration import SetScheduler
from infomart_dr.operators.human import Gate, HumanStep
from infomart_dr.operators.server import CutoverGate
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation


class Asked(Exception):
    """A person is asked; the task is parked."""


class Lamp(HumanStep):
    """Switches a lamp on."""

    def __init__(self, *, by_hand: bool, **kwargs: Any) -> None:
        super().__init__(task_id="switch_the_lamp", **kwargs)
        self.by_hand, self.on, self.trusted = by_hand, False, True

    def instructions(self, step: Any) -> str | None:
        return "1. Press the switch." if self.by_hand else None

    def observe(self, step: Any) -> Observation:
        return Observation(self.on, f"the lamp is {'on' if self.on else 'off'}")

    def act(self, step: Any, seen: Observation) -> None:
        self.on = True

    def confirmed(self, step: Any) -> Observation | None:
        return None if self.trusted else self.observe(step)


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Any:
    found: Any = FakeStep()
    found.topology.approval = SimpleNamespace(four_eyes=False)
    monkeypatch.setattr(human.Step, "from_context", lambda context: found)

    def ask(self: Any, context: Any) -> None:
        raise Asked(self.body)

    monkeypatch.setattr(human.HITLOperator, "execute", ask)
    return found


def context(requester: str = "anna") -> Any:
    return {"dag_run": SimpleNamespace(triggering_user_name=requester)}


def answer(option: str, who: str = "ben") -> dict[str, Any]:
    return {
        "chosen_options": [option],
        "params_input": {},
        "responded_at": datetime(2026, 11, 25, tzinfo=UTC),
        "responded_by_user": {"id": who, "name": who},
    }


def test_a_program_does_the_step_where_there_is_one(step: Any) -> None:
    lamp = Lamp(by_hand=False)
    assert lamp.execute(context())["summary"] == "the lamp is on"


def test_a_person_is_asked_with_instructions_under_the_lock_where_there_is_none(step: Any) -> None:
    with pytest.raises(Asked, match="Press the switch"):
        Lamp(by_hand=True).execute(context())
    assert step.lock.signs_of_life == 1
    step.lock = FakeLock()
    with pytest.raises(GuardError, match="does not hold the lock"):
        Lamp(by_hand=True).execute(context())


def test_a_confirmation_counts_and_is_checked_where_it_can_be(step: Any) -> None:
    lamp = Lamp(by_hand=True)
    assert "confirmed" in lamp.execute_complete(context(), answer("Done"))["summary"]
    lamp.trusted = False
    with pytest.raises(GuardError, match="confirmed, but the lamp is off"):
        lamp.execute_complete(context(), answer("Done"))
    with pytest.raises(GuardError, match="not possible"):
        lamp.execute_complete(context(), answer("Not possible"))


def test_a_gate_shows_the_evidence_and_says_who_approved(step: Any) -> None:
    class Shown(Gate):
        def evidence(self, step: Any) -> str:
            return "two endpoints are silent"

    gate = Shown(task_id="gate", subject="Go on?", body="Decide.")
    with pytest.raises(Asked, match=r"Decide\.\n\ntwo endpoints are silent"):
        gate.execute(context())
    assert gate.execute_complete(context(), answer("Approve"))["summary"] == "approved by ben"


def test_an_approval_is_recorded_with_the_person_and_renewed_by_a_later_one(step: Any) -> None:
    gate = Gate(task_id="chapter.approve_cutover", subject="Go on?", body="Decide.")
    for who in ("ben", "carla"):
        gate.execute_complete(context(), answer("Approve", who))
        assert step.ledger["approved:approve_cutover"].startswith(f"{who} at 20")


@pytest.mark.parametrize("held", [True, False])
def test_a_rejection_says_that_the_plans_hold_stays_where_it_has_one(
    step: Any, capsys: pytest.CaptureFixture[str], held: bool
) -> None:
    if held:
        step.ledger["purge_hold"] = "{}"
    with pytest.raises(HITLRejectException):
        Gate(task_id="gate", subject="Go on?", body="").execute_complete(context(), answer("Reject"))
    assert ("The purge hold 'plan plan-1' stays" in capsys.readouterr().out) == held


def test_a_form_of_a_later_try_says_that_earlier_answers_do_not_count(step: Any) -> None:
    again = context() | {"ti": SimpleNamespace(try_number=2)}
    for asked in (Lamp(by_hand=True), Gate(task_id="gate", subject="Go on?", body="Decide.")):
        with pytest.raises(Asked, match=r"Asked again \(try 2\)"):
            asked.execute(again)
    first = context() | {"ti": SimpleNamespace(try_number=1)}
    with pytest.raises(Asked, match=r"^Decide\.$"):
        Gate(task_id="gate", subject="Go on?", body="Decide.").execute(first)


def test_with_four_eyes_the_one_who_started_the_run_cannot_approve_it(step: Any) -> None:
    gate = Gate(task_id="gate", subject="Go on?", body="")
    gate.execute_complete(context("ben"), answer("Approve", "ben"))
    step.topology.approval.four_eyes = True
    with pytest.raises(TransientError, match="two people"):
        gate.execute_complete(context("ben"), answer("Approve", "ben"))
    gate.execute_complete(context("anna"), answer("Approve", "ben"))


def test_a_gate_of_another_option_is_skipped_and_one_behind_the_plan_is_not_asked_again(step: Any) -> None:
    gate = Gate(task_id="gate", subject="Go on?", body="", option="target", unless=facts.POINT_OF_NO_RETURN)
    step.params["option"] = "source"
    with pytest.raises(AirflowSkipException, match="asks for 'source'"):
        gate.execute(context())
    step.params["option"] = "target"
    step.ledger["point_of_no_return"] = "1"
    assert "past this step" in gate.execute(context())["summary"]


def test_the_scheduler_that_is_off_already_is_still_recorded_as_touched(
    step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the back-out would not know that the plan answers for the service."""
    replace_question(monkeypatch, "configured", lambda *_: Observation(True, "GIM is as it must be"))
    step.site = lambda role: SimpleNamespace(configuration=SimpleNamespace(backend="gax"))
    step.configuration = lambda role: SimpleNamespace(apply=lambda name, change: [])
    SetScheduler(task_id="hold_scheduler", on=False, fact=facts.SERVER_TOUCHED, guide="").execute(context())
    assert step.ledger["server_touched"]


def test_the_gate_of_a_cutover_names_deployment_sites_and_what_the_target_needs(
    step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step.topology.name = "gim"
    replace_question(monkeypatch, "replication_now", lambda *_: ["RGIM at site3: RUNNING"])
    replace_question(monkeypatch, "after_the_start", lambda step: ["12 table(s) have no partition"])
    monkeypatch.setattr(fitness, "all_faults", lambda step, copies: [Fault("a job is enabled", "Disable it", False)])
    wanted = (
        r"(?s)^Go\?\n\nReason for this run: not given\n\n\*\*Deployment gim: from site2 to site3\.\*\*"
        r".*- 12 table.*- a job is enabled"
    )
    with pytest.raises(Asked, match=wanted):
        CutoverGate(task_id="approve_cutover", subject="Cut over?", body="Go?").execute(context())
