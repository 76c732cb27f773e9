"""Re-aggregation begins 24 hours before the failure as the run knows it, however late it runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import FakeStep

from infomart_dr.errors import GuardError, PermanentError
from infomart_dr.operators import reaggregate
from infomart_dr.operators.plan import TakeLock
from infomart_dr.operators.reaggregate import RequestReaggregation
from infomart_dr.plan import facts

FAILURE = datetime(2026, 11, 2, 10, 0, tzinfo=UTC)
#: The gate was answered twenty hours later.
NOW = FAILURE + timedelta(hours=20)
DAY = timedelta(hours=24)


def estimate(moment: str, low: datetime | None, high: datetime) -> str:
    bounds = [int(low.timestamp()) if low else 0, int(high.timestamp())]
    return json.dumps({"moment": moment, "low": 0, "high": 1, "sources": [], "failure": bounds})


def failover(**params: Any) -> FakeStep:
    """A failover whose evidence was gathered ten minutes after the failure."""
    look = FAILURE + timedelta(minutes=10)
    step = FakeStep(
        **{
            facts.LOSS_FIRST_LOOK.name: str(int(look.timestamp())),
            facts.LOSS_SUMMARY.of("before").name: estimate("before", FAILURE, look),
            facts.LOSS_SUMMARY.of("end").name: estimate("end", None, look),
        }
    )
    step.params, step.run_after = params, look
    return step


def window(step: Any, now: datetime = NOW) -> tuple[datetime, datetime, str]:
    found, source = RequestReaggregation(task_id="request_reaggregation").window(step, now)
    return found.start, found.end, source


def test_a_gate_answered_twenty_hours_later_does_not_move_the_interval() -> None:
    start, end, source = window(failover())
    assert (start, end) == (FAILURE - DAY, NOW), "until the current time, as the guide says"
    assert "2026-11-02 10:00:00 UTC: last sign of life of the lost site" in source


def test_a_time_that_the_run_gives_goes_first() -> None:
    assert window(failover(failure_time="2026-11-02T09:30Z"))[0] == FAILURE - DAY - timedelta(minutes=30)
    start, _, source = window(failover(reaggregate_from="2026-10-31T00:00Z", failure_time="2026-11-02T09:30Z"))
    assert (start, source) == (datetime(2026, 10, 31, tzinfo=UTC), "reaggregate_from of this run")


def test_without_a_sign_of_life_the_runs_request_counts_also_after_a_clear() -> None:
    """A rejected gate forgets the first estimate; cleared hours later, the next one is a late one."""
    late = NOW - timedelta(hours=1)
    step = failover()
    step.ledger.clear()
    step.ledger[facts.LOSS_FIRST_LOOK.name] = str(int(late.timestamp()))
    step.ledger[facts.LOSS_SUMMARY.of("before").name] = estimate("before", None, late)
    start, _, source = window(step)
    assert start == FAILURE + timedelta(minutes=10) - DAY
    assert "may have failed earlier" in source


def test_a_planned_move_counts_from_its_stop() -> None:
    step = FakeStep(**{facts.FINAL_STOP.name: str(int(FAILURE.timestamp()))})
    start, end, source = window(step, FAILURE + timedelta(hours=3))
    assert (start, end) == (FAILURE - DAY, FAILURE + timedelta(hours=3))
    assert "planned move" in source


def test_a_run_that_knows_no_failure_never_takes_the_present_time_for_it() -> None:
    with pytest.raises(GuardError, match=r"(?s)time of the failure is unknown.*failure_time or reaggregate_from"):
        window(FakeStep())


def test_a_run_by_itself_must_name_a_time_before_anything_is_changed() -> None:
    lock = TakeLock(task_id="take_lock", sites=("source",), needs=("failure_time", "reaggregate_from"))
    step = FakeStep()
    with pytest.raises(PermanentError, match="The run must name failure_time or reaggregate_from"):
        lock.observe(step)  # type: ignore[arg-type]
    step.params = {"reaggregate_from": "2026-11-02T00:00Z"}
    assert lock.observe(step).satisfied  # type: ignore[arg-type]


def test_the_log_and_the_ledger_say_where_the_time_comes_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step = failover()
    step.topology.raa = SimpleNamespace(release="8.1.0", jdbc_url={"site3": "jdbc:x"}, enabled=True)
    database = SimpleNamespace(info_mart_connection="gim", service="GIM")
    server = SimpleNamespace(root="/gim")
    step.site = lambda role: SimpleNamespace(database=database, info_mart_server=server)  # type: ignore[attr-defined]
    step.host = lambda role, kind: None  # type: ignore[attr-defined]
    monkeypatch.setattr(
        reaggregate, "connection", lambda name: SimpleNamespace(host="h", port=1, login="l", password="")
    )
    made: list[Any] = []
    monkeypatch.setattr(
        reaggregate,
        "Reaggregation",
        lambda *a: SimpleNamespace(insert=lambda *sent, **_: made.append(sent) or "", raa=a),
    )
    RequestReaggregation(task_id="request_reaggregation", role="target")._run(step)  # type: ignore[arg-type]
    assert made[0][3] == str(int((FAILURE - DAY).timestamp()))
    assert (
        "the interval begins at 2026-11-01 10:00:00 UTC (24 h before 2026-11-02 10:00:00 UTC" in capsys.readouterr().out
    )
    assert "last sign of life" in step.ledger[facts.REAGGREGATION_REQUESTED.name]
