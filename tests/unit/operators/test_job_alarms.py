"""A long job that waits for space or takes too long: it is reported, stops the task at its limit, and runs on."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from tests.unit.operators.fakes import FakeStep, replace_question

from infomart_dr.errors import GuardError, PermanentError
from infomart_dr.evidence.estimate import Measured
from infomart_dr.guards import dump_set as guard
from infomart_dr.hooks import transfer
from infomart_dr.notifiers.tickets import Alarm
from infomart_dr.operators import dump_set, jobs
from infomart_dr.operators.dump_set import RunImpdp, TransferDumpSet
from infomart_dr.triggers.data_pump import DataPumpTrigger

AGAIN = {
    **{"ssh_connection": "db3", "work_folder": ".w", "job_id": "0a1b2c3d-impdp-1", "step": {}, "role": "target"},
    **{"data_pump_job": "GIM_IMP_1", "space_wait": 5400, "held_since": 1000.0, "log_offset": 77},
}
HELD = {"state": "held", "reason": "job GIM_IMP_1 waits for space: ORA-01653", "since": 1000.0, "again": AGAIN}
RELEASED = {"state": "released", "reason": "", "since": 1000.0, "again": {**AGAIN, "held_since": None}}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Alarm, int, bool]]:
    found: list[tuple[Alarm, int, bool]] = []
    monkeypatch.setattr(jobs, "tell_alarm", lambda alarm, since, *, over: found.append((alarm, since, over)))
    return found


def deferred(step: Any, event: dict[str, Any]) -> DataPumpTrigger:
    with pytest.raises(TaskDeferred) as raised:
        RunImpdp(task_id="run_impdp", role="target").take(step, event)
    trigger = raised.value.trigger
    assert isinstance(trigger, DataPumpTrigger)
    return trigger


def test_a_wait_for_space_is_told_at_once_recorded_and_waited_for(told: list[tuple[Alarm, int, bool]]) -> None:
    step: Any = FakeStep()
    trigger = deferred(step, HELD)
    assert (trigger.job_id, trigger.held_since, trigger.log_offset) == ("0a1b2c3d-impdp-1", 1000.0, 77)
    ((alarm, since, over),) = told
    assert not over and "ORA-01653" in alarm.what and "at most 1 h 30 min" in alarm.what
    assert "Add a data file" in alarm.next_step
    assert str(since) in step.ledger["job_alarm:run_impdp"]


def test_the_end_of_a_wait_is_told_under_the_same_alarm(told: list[tuple[Alarm, int, bool]]) -> None:
    step: Any = FakeStep()
    deferred(step, HELD)
    assert deferred(step, RELEASED).held_since is None
    (_, begun, _), (_, since, over) = told
    assert over and since == begun and "job_alarm:run_impdp" not in step.ledger


def test_a_job_that_ends_while_it_waits_ends_the_alarm(
    told: list[tuple[Alarm, int, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    step: Any = FakeStep()
    deferred(step, HELD)
    monkeypatch.setattr(RunImpdp, "collect", lambda self, step, event: None)
    event = {"state": "ended", "exit_code": 5, "job_id": "0a1b2c3d-impdp-1", "seconds": 1.0, "reason": ""}
    RunImpdp(task_id="run_impdp", role="target").take(step, event)
    assert [over for _, _, over in told] == [False, True] and not step.ledger


def test_at_the_limit_of_a_wait_for_space_the_task_stops_and_says_what_to_do(
    told: list[tuple[Alarm, int, bool]],
) -> None:
    step: Any = FakeStep()
    deferred(step, HELD)
    event = {"state": "overdue", "reason": HELD["reason"], "since": time.time() - 5400, "job_id": "j"}
    with pytest.raises(GuardError, match=r"for 1 h 30 min, job GIM_IMP_1 waits for space: ORA-01653") as raised:
        RunImpdp(task_id="run_impdp", role="target").take(step, event)
    assert isinstance(raised.value, PermanentError), "no retry: a person must act"
    assert "clear this task: it attaches to the job" in raised.value.next_step
    assert "job_alarm:run_impdp" in step.ledger, "the job still waits, and infomart_watch says so"


def test_files_that_nobody_can_read_are_told_while_the_export_runs(told: list[tuple[Alarm, int, bool]]) -> None:
    step: Any = FakeStep()
    step.host = lambda role: SimpleNamespace(label="ssh_db3")
    deferred(step, {"state": "unreadable", "reason": "gim_01.dmp (-rw-r----- oracle:oinstall)", "again": AGAIN})
    ((alarm, _, _),) = told
    assert "ssh_db3: the SSH user cannot read" in alarm.what and "oracle:oinstall" in alarm.what
    assert "to the group of these files" in alarm.next_step


def test_a_job_that_takes_long_is_told_before_its_limit(told: list[tuple[Alarm, int, bool]]) -> None:
    step: Any = FakeStep()
    deferred(step, {"state": "late", "reason": "", "again": AGAIN})
    ((alarm, _, _),) = told
    assert "for 1 h 30 min; the limit is 2 h" in alarm.what and "timeouts.impdp" in alarm.next_step


def test_at_its_limit_the_task_stops_and_the_job_runs_on(told: list[tuple[Alarm, int, bool]]) -> None:
    event = {"state": "overdue", "reason": "", "job_id": "0a1b2c3d-impdp-1"}
    with pytest.raises(GuardError, match="has not ended within 2 h; it still runs") as raised:
        RunImpdp(task_id="run_impdp", role="target").take(FakeStep(), event)
    assert "timeouts.impdp" in raised.value.next_step and "attaches" in raised.value.next_step


# -- the relay, which copies in the task itself ------------------------------------------------------


@pytest.mark.parametrize(("passed", "alarms", "stops"), [(0.0, 0, False), (5500.0, 1, False), (7300.0, 0, True)])
def test_a_relay_has_the_same_limit_and_alarm(
    told: list[tuple[Alarm, int, bool]], monkeypatch: pytest.MonkeyPatch, passed: float, alarms: int, stops: bool
) -> None:
    step: Any = FakeStep()
    step.host = lambda role: None
    clock = [0.0]

    def relay(source: Any, target: Any, plan: Any, tell: Any) -> None:
        clock[0] = passed
        tell({"a.dmp": 1})
        tell({"a.dmp": 2})

    monkeypatch.setattr(transfer, "relay", relay)
    monkeypatch.setattr(dump_set.time, "monotonic", lambda: clock[0])
    operator = TransferDumpSet(task_id="transfer_files")
    plan = SimpleNamespace(files=[("a.dmp", 10)])
    if stops:
        with pytest.raises(GuardError, match="has not ended within 2 h"):
            operator._relay(step, plan)
    else:
        operator._relay(step, plan)
    assert len(told) == alarms


# -- the limit ---------------------------------------------------------------------------------------


def limited(monkeypatch: pytest.MonkeyPatch, *, runs: list[Measured], bandwidth: int | None = None) -> Any:
    step: Any = FakeStep(schema_bytes="1000000000000")
    vars(step.topology.timeouts).update(expdp=None, impdp=None, transfer=None)
    step.topology.transfer = SimpleNamespace(bandwidth=bandwidth)
    replace_question(monkeypatch, "measured_runs", lambda step: runs)
    return step


def test_the_limit_is_of_the_topology_or_twice_the_longest_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    step = limited(monkeypatch, runs=[Measured(10**12, {"export": 7200.0, "import": 10.0})])
    assert guard.time_limit(step, "export") == 2 * 1.5 * 7200
    assert guard.time_limit(step, "import") == 3600, "at least an hour"
    step.topology.timeouts.expdp = 600
    assert guard.time_limit(step, "export") == 600


def test_a_limited_bandwidth_gives_a_transfer_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    step = limited(monkeypatch, runs=[], bandwidth=1000)
    assert guard.time_limit(step, "transfer") == 2 * 10**12 / 10**6
