"""After a start: the migration state is waited for as long as the server needs, and extraction alone is no success."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from tests.unit.operators.fakes import FakeStep, replace_question

from infomart_dr.errors import GuardError, TransientError
from infomart_dr.guards.loading import loads
from infomart_dr.guards.server import migration_state
from infomart_dr.operators import server as server_operators
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation
from infomart_dr.sensors.extraction import CheckMigrationState, ProveLoading

STARTED = 1_800_000_000


class World:
    """A server that was started at site3: its log, its sessions, and what the ETL has written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log = ""
        self.connected: list[float] = []
        self.extracted_at: int | None = None
        self.marks = Observation(True, "2 high-water mark(s) at site3 moved past the start")
        self.newest: int | None = None
        self.calls = 0
        self.runs = True
        replace_question(monkeypatch, "server_log", lambda step, role: self.log)
        replace_question(
            monkeypatch, "running_at", lambda step, role: Observation(self.runs, "Info Mart Server: Running")
        )
        replace_question(monkeypatch, "high_water_mark_moved", lambda step, role, since: self.marks)

    def step(self, **recorded: str) -> Any:
        step: Any = FakeStep(**{"point_of_no_return": str(STARTED), "server_log_begin": "0"} | recorded)
        step.failover = False
        step.topology.timeouts.migration_check, step.topology.timeouts.quiesce = 60, 1800
        step.site = lambda role: SimpleNamespace(info_mart_server=SimpleNamespace(session_program="%gim_etl%"))
        step.dba = lambda role: SimpleNamespace(
            select=lambda name, **binds: [{"seconds": each} for each in self.connected]
        )
        step.info_mart = lambda role: SimpleNamespace(select=self._select, value=lambda name, names: self.extracted_at)
        return step

    def _select(self, name: str, identifiers: Any, **binds: Any) -> list[dict[str, Any]]:
        if name == "fact_newest":
            # The day before the start is read, and not the whole Info Mart.
            assert STARTED - 90_000 < binds["oldest_key"] == binds["from_key"] < STARTED - 80_000
            return [{"end_ts": self.newest, "audit_key": 7}]
        assert name == "calls_extracted" and binds == {"since_ts": STARTED}
        return [
            {"table_name": "GIDB_G_CALL_V", "row_count": self.calls},
            {"table_name": "GIDB_G_USERDATA_HISTORY_V", "row_count": 99},
        ]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


# -- migration -------------------------------------------------------------------------------------


def migration(step: Any) -> CheckMigrationState:
    return CheckMigrationState(task_id="check_migration_state", role="target")


@pytest.mark.parametrize("mark", ["55-20152", "55-20034"])
def test_the_migration_state_is_what_the_log_says(world: World, mark: str) -> None:
    world.log = f"2026-11-25T03:00:00.000 Alarm {mark} Server is in the migration state"
    step = world.step()
    assert migration(step)._run(step)["migration"] is True
    assert step.ledger["migration_state"] == "yes"


def test_a_server_that_loads_for_long_is_waited_for_and_not_taken_for_one_without_a_migration(world: World) -> None:
    step = world.step()
    seen = migration_state(step, "target")
    assert not seen.satisfied and "not connected to its Info Mart yet" in seen.summary
    with pytest.raises(TaskDeferred) as caught:
        migration(step)._run(step)
    trigger: Any = caught.value.trigger
    assert trigger.probe == "infomart_dr.guards.server.migration_state"
    assert "migration_state" not in step.ledger
    # It has just connected, and checks its schema.
    world.connected = [5.0]
    assert not migration_state(step, "target").satisfied
    world.log = "55-20152"
    assert migration_state(step, "target").details == {"migration": True}


def test_a_server_that_is_connected_for_a_while_without_a_message_is_in_no_migration_state(world: World) -> None:
    world.connected = [3.0, 61.0]
    step = world.step()
    assert migration(step)._run(step)["migration"] is False
    assert step.ledger["migration_state"] == "no"


def test_a_server_that_extracts_is_in_no_migration_state_and_is_not_waited_for(world: World) -> None:
    world.extracted_at = STARTED + 1
    assert migration_state(world.step(), "target").details == {"migration": False}
    world.extracted_at = STARTED - 1
    assert not migration_state(world.step(), "target").satisfied, "extracted before the start, it proves nothing"


def test_the_state_is_looked_for_anew_each_time(world: World) -> None:
    world.log, step = "55-20152", world.step()
    migration(step)._run(step)
    world.log, world.extracted_at = "", STARTED + 9
    migration(step)._run(step)
    assert step.ledger["migration_state"] == "no"


def test_a_server_that_runs_without_a_known_session_is_gone_on_with_and_one_that_does_not_run_stops(
    world: World,
) -> None:
    step, late = world.step(), {"state": "timeout", "summary": "not connected", "details": {"migration": False}}
    assert migration(step)._conclude(step, migration(step).collect(step, late))["migration"] is False
    world.runs = False
    with pytest.raises(GuardError, match="timed out") as caught:
        migration(step).collect(step, late)
    assert "server's log" in caught.value.next_step


# -- loading ---------------------------------------------------------------------------------------


def test_extraction_without_a_fact_is_no_success(world: World) -> None:
    """Every transformation fails for want of a partition, while the marks move."""
    world.calls, world.newest = 40, STARTED - 300
    seen = loads(world.step(newest_fact=str(STARTED - 300)), "target", STARTED)
    assert not seen.satisfied
    assert "40 call(s) were extracted at site3 since the start, and none became a fact" in seen.summary


def test_a_fact_that_was_not_there_before_the_start_has_gone_all_the_way(world: World) -> None:
    world.calls, world.newest = 40, STARTED - 200
    seen = loads(world.step(newest_fact=str(STARTED - 300)), "target", STARTED)
    assert seen.satisfied and "became facts" in seen.summary
    # What the standby had before is not counted, although nobody could ask it then.
    assert not loads(world.step(), "target", STARTED).satisfied
    world.newest = STARTED + 1
    assert loads(world.step(), "target", STARTED).satisfied


def test_marks_that_stand_are_not_passed_by_older_facts(world: World) -> None:
    world.marks, world.newest = Observation(False, "data source 101: 100 s behind"), STARTED + 5
    assert loads(world.step(newest_fact="0"), "target", STARTED).summary == "data source 101: 100 s behind"


def test_an_hour_without_calls_has_nothing_to_load_and_says_so(world: World) -> None:
    seen = loads(world.step(newest_fact=str(STARTED)), "target", STARTED)
    assert seen.satisfied and "no call was extracted" in seen.summary


def test_a_migration_that_the_server_reports_late_stops_the_proof_at_once(world: World) -> None:
    world.log, world.marks = "55-20034", Observation(False, "data source 101: 100 s behind")
    with pytest.raises(GuardError, match="in the migration state") as caught:
        loads(world.step(), "target", STARTED)
    assert "Run Job_MigrateGIM" in caught.value.next_step
    # Somebody has run it meanwhile, and the message stays in the log.
    world.marks, world.newest = Observation(True, "2 high-water mark(s) moved"), STARTED + 5
    assert loads(world.step(), "target", STARTED).satisfied


@pytest.mark.parametrize(
    ("role", "recorded", "since"),
    [
        ("target", {}, STARTED),
        ("source", {"export_ended": "77"}, 77),
        ("target", {"point_of_no_return": "", "standby_touched": "88"}, 88),
    ],
)
def test_the_proof_begins_at_the_start_or_at_the_change_that_it_is_about(
    world: World, role: Any, recorded: dict[str, str], since: int
) -> None:
    step = world.step(**recorded)
    if not step.ledger["point_of_no_return"]:
        del step.ledger["point_of_no_return"]
    assert ProveLoading(task_id="prove_loading", role=role).arguments(step) == {"role": role, "since": since}


def test_a_timeout_of_the_proof_says_what_stands(world: World) -> None:
    step = world.step()
    with pytest.raises(GuardError, match="transformation or loading stands") as caught:
        ProveLoading(task_id="prove_loading", role="target").collect(
            step, {"state": "timeout", "summary": "40 call(s) ...: transformation or loading stands"}
        )
    assert "Job_MaintainGIM" in caught.value.next_step


# -- before the start ------------------------------------------------------------------------------


def test_the_newest_fact_is_recorded_before_the_start_and_never_holds_a_failover(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    replace_question(monkeypatch, "log_size", lambda step, role: 0)
    monkeypatch.setattr(server_operators, "time", SimpleNamespace(time=lambda: STARTED))
    world.newest, step = STARTED - 20, world.step()
    step.ledger.clear()
    server_operators.cross_point_of_no_return(step, lambda: started.append("server"))
    assert step.ledger.get(facts.NEWEST_FACT) == STARTED - 20

    def slow(name: str, identifiers: Any, **binds: Any) -> None:
        raise TransientError("no answer within 120 s")

    step = world.step()
    step.ledger.clear()
    step.info_mart = lambda role: SimpleNamespace(select=slow)
    server_operators.cross_point_of_no_return(step, lambda: started.append("server"))
    assert started == ["server", "server"] and facts.NEWEST_FACT.name not in step.ledger
