"""Lock and purge hold: one run at a time, and nothing stays held or is let go too early."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import FakeLedger, FakeLock, FakeStep

from infomart_dr.errors import GuardError
from infomart_dr.hooks import purge_jobs
from infomart_dr.operators import server
from infomart_dr.operators.plan import HoldPurging, ReleaseLock, ReleasePurgeHold, TakeLock, high_water_mark_passed_hold
from infomart_dr.step import Seen


def take(step: Any) -> dict[str, Any]:
    return TakeLock(task_id="take_lock")._run(step)


def release(step: Any) -> dict[str, Any]:
    return ReleaseLock(task_id="release_lock")._run(step)


# -- lock ------------------------------------------------------------------------------------------


def test_a_second_run_of_the_same_plan_waits_for_the_first() -> None:
    step = FakeStep(owner="infomart_cutover run-2")
    step.lock = FakeLock("plan-1", "infomart_return_to_normal run-1")
    with pytest.raises(GuardError, match="run-1"):
        take(step)


def test_the_lock_of_a_lost_run_is_taken_over_only_by_naming_its_plan() -> None:
    step = FakeStep(owner="infomart_cutover run-2")
    step.lock = FakeLock("plan-1", "infomart_return_to_normal run-1")
    step.params["take_lock_from"] = "plan-0"
    with pytest.raises(GuardError):
        take(step)
    step.params["take_lock_from"] = "plan-1"
    assert "held by this run" in take(step)["what"]


def test_a_run_that_was_overtaken_does_not_release_the_others_lock() -> None:
    step = FakeStep(owner="dag run-1")
    step.lock = FakeLock("plan-1", "dag run-2")
    release(step)
    assert step.lock.holder() is not None


def test_who_asked_for_a_run_and_why_is_noted_for_good_once_a_run() -> None:
    step = FakeStep(owner="infomart_cutover INC0012345")
    step.params["reason"] = "fire"
    take(step)
    take(step)
    step.owner, step.requester = "infomart_cutover INC0012345.2", ""
    step.lock = FakeLock()
    take(step)
    noted = [json.loads(value) for name, value in step.ledger.items() if name.startswith("requested ")]
    assert [(each["run"], each["requester"], each["reason"]) for each in noted] == [
        ("infomart_cutover INC0012345", "anna", "fire"),
        ("infomart_cutover INC0012345.2", "", "fire"),
    ]


def test_the_lock_says_who_asked_to_whoever_meets_it() -> None:
    step = FakeStep()
    step.lock, reasons = FakeLock(), []
    step.lock.take = lambda plan, owner, reason: (reasons.append(reason), step.lock._hold(plan, owner))  # type: ignore[method-assign]
    step.params["reason"] = "fire"
    take(step)
    assert reasons == ["fire; requested by anna"]


def test_a_plan_is_not_gone_on_with_between_other_sites() -> None:
    step = FakeStep()
    take(step)
    step.sites["target"] = "site4"
    with pytest.raises(GuardError, match="site2 -> site3; this run is for site2 -> site4"):
        take(step)


def test_a_plan_whose_capture_another_plan_replaced_is_not_gone_on_with() -> None:
    step = FakeStep(old_replication_removed="yes")
    step.replication["plan"] = "plan-1"
    take(step)
    step.replication["plan"] = "plan-2"
    with pytest.raises(GuardError, match="plan-2 has replaced the capture"):
        take(step)


@pytest.mark.parametrize(("facts", "role"), [({}, "source"), ({"point_of_no_return": "1"}, "target")])
def test_the_lock_stays_until_somebody_serves(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, str], role: str
) -> None:
    serving: set[str] = set()
    monkeypatch.setattr(server, "serving", lambda step, role: Seen(role in serving, "Stopped"))
    step = FakeStep(server_touched="1", **facts)
    with pytest.raises(GuardError, match="the lock stays"):
        release(step)
    assert step.lock.holder() is not None
    serving.add(role)
    release(step)
    assert step.lock.holder() is None


# -- purge hold ------------------------------------------------------------------------------------


class Jobs:
    """PurgeJobs over a dictionary: connection and job to enabled."""

    enabled: dict[tuple[str, str], bool]

    def __init__(self, connection: str) -> None:
        self.connection = connection

    def state(self, job: str) -> Any:
        return SimpleNamespace(enabled=self.enabled[self.connection, job])

    def hold(self, job: str) -> None:
        self.enabled[self.connection, job] = False

    def release(self, job: str) -> None:
        self.enabled[self.connection, job] = True


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> type[Jobs]:
    monkeypatch.setattr(purge_jobs, "PurgeJobs", Jobs)
    # two IDBs of one site whose jobs have the same name; at the other site the job was disabled for good
    Jobs.enabled = {("a2", "ICON.PURGE"): True, ("b2", "ICON.PURGE"): False, ("a3", "ICON.PURGE"): True}
    return Jobs


def plan_of(plan_id: str, holds: FakeLedger) -> Any:
    step: Any = FakeStep(plan_id)
    step.holds = holds
    idbs = {
        "source": [
            SimpleNamespace(name="a", connection="a2", purge_jobs=["ICON.PURGE"]),
            SimpleNamespace(name="b", connection="b2", purge_jobs=["ICON.PURGE"]),
        ],
        "target": [SimpleNamespace(name="a", connection="a3", purge_jobs=["ICON.PURGE"])],
    }
    step.site = lambda role: SimpleNamespace(idbs=idbs[role])
    step.oracle = lambda connection: connection
    step.info_mart = lambda role: SimpleNamespace(
        select=lambda *a, **b: [{"data_source_key": 1, "max_ts": time.time() + 60}]
    )
    return step


def hold(step: Any) -> None:
    HoldPurging(task_id="hold")._run(step)


def let_go(step: Any) -> None:
    ReleasePurgeHold(task_id="release", role="target")._run(step)


def test_a_hold_that_a_given_up_plan_left_is_released_by_the_next_plan(jobs: type[Jobs]) -> None:
    before, holds = dict(jobs.enabled), FakeLedger()
    hold(plan_of("plan-1", holds))
    assert not any(jobs.enabled.values())
    second = plan_of("plan-2", holds)
    hold(second)
    let_go(second)
    assert jobs.enabled == before
    assert holds == {}


def test_a_job_that_was_disabled_at_the_first_hold_and_enabled_since_is_enabled_again(jobs: type[Jobs]) -> None:
    holds = FakeLedger()
    hold(plan_of("plan-1", holds))
    jobs.enabled["b2", "ICON.PURGE"] = True
    second = plan_of("plan-2", holds)
    hold(second)
    assert not any(jobs.enabled.values())
    let_go(second)
    assert all(jobs.enabled.values())


def test_a_release_that_broke_off_is_finished_by_the_retry(jobs: type[Jobs], monkeypatch: pytest.MonkeyPatch) -> None:
    step = plan_of("plan-1", FakeLedger())
    before = dict(jobs.enabled)
    hold(step)
    with monkeypatch.context() as patch:
        patch.setattr(Jobs, "release", lambda self, job: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            let_go(step)
    let_go(step)
    assert jobs.enabled == before


def test_a_plan_that_finds_no_hold_of_its_own_says_so_instead_of_having_let_it_go() -> None:
    with pytest.raises(GuardError, match="purge_hold"):
        high_water_mark_passed_hold(plan_of("plan-1", FakeLedger()), "target")
