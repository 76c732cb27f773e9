"""No purge hold holds any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.guards.purge_world import Job, Tables, idb

from infomart_dr.errors import GuardError, TopologyError
from infomart_dr.guards.purge_holds import End, IdbHolds, PurgeHolds, holds_released
from infomart_dr.plan.step import Observation
from infomart_dr.sensors.purge_hold import PurgeHoldReleasedSensor


class World:
    """Two IDBs."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.tables = {name: Tables(self.now) for name in ("ts1", "ts2")}
        self.topology = SimpleNamespace(name="lab")

    def choose(self, which: str = "") -> list[IdbHolds]:
        return [idb(tables, Job(), name=name) for name, tables in self.tables.items() if which in ("", name)]

    def place(self, name: str, hold: str, begins: timedelta = timedelta(0), ends: timedelta = timedelta(1)) -> None:
        (store,) = [each.store for each in self.choose(name)]
        assert store.place(hold, "anna", "", "index rebuild", self.now + begins, End(ends_at=self.now + ends))

    def release(self, name: str, hold: str) -> None:
        (store,) = [each.store for each in self.choose(name)]
        assert store.release(hold, "anna", "done")

    def ask(self, hold: str = "", which: str = "") -> Observation:
        return holds_released(self, hold, which)  # type: ignore[arg-type]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    found = World()
    monkeypatch.setattr(PurgeHolds, "choose", lambda self, which="": found.choose(which))
    return found


def test_any_hold_is_waited_for_at_every_idb(world: World) -> None:
    assert world.ask().summary == "no purge hold is active at site2/ts1, site2/ts2"
    world.place("ts2", "CHG1")
    seen = world.ask()
    assert not seen.satisfied
    assert seen.summary.startswith("1 active purge hold(s): site2/ts2: CHG1 of anna (index rebuild), from ")
    assert world.ask(which="ts1").satisfied
    world.release("ts2", "CHG1")
    assert world.ask().details == {"idbs": ["site2/ts1", "site2/ts2"], "holding": []}


def test_one_hold_is_waited_for_until_each_idb_has_released_it(world: World) -> None:
    for name in ("ts1", "ts2"):
        world.place(name, "CHG1")
    world.place("ts1", "CHG2")
    world.release("ts1", "CHG1")
    assert not world.ask("CHG1").satisfied
    world.release("ts2", "CHG1")
    seen = world.ask("CHG1")
    assert (seen.satisfied, seen.summary) == (True, "the purge hold CHG1 is released at site2/ts1, site2/ts2")
    assert not world.ask().satisfied, "another one holds"


def test_a_hold_that_nobody_placed_is_an_error_and_not_a_released_one(world: World) -> None:
    with pytest.raises(
        GuardError, match=r"The purge hold 'CHG9' is unknown at site2/ts1, site2/ts2\.\nNext: Give the id"
    ):
        world.ask("CHG9")
    world.place("ts2", "CHG9")
    world.release("ts2", "CHG9")
    assert world.ask("CHG9").satisfied, "known at one IDB is enough"


def test_a_deployment_whose_purging_nobody_can_hold_is_final(world: World) -> None:
    world.tables.clear()
    with pytest.raises(TopologyError, match="No IDB of lab has purge_jobs"):
        world.ask()


def test_a_hold_that_begins_later_does_not_hold_yet_and_one_past_its_end_does_until_the_guard_has_ended_it(
    world: World,
) -> None:
    world.place("ts1", "later", begins=timedelta(hours=1))
    assert world.ask().satisfied
    world.place("ts1", "past", ends=timedelta(hours=-1))
    assert not world.ask().satisfied


def test_the_arguments_are_plain() -> None:
    sensor = PurgeHoldReleasedSensor(task_id="t", hold="CHG1", which="site1")
    context: Any = {}
    assert sensor.arguments(context) == {"hold": "CHG1", "which": "site1"}
    assert {"deployment", "hold", "which"} == set(sensor.template_fields)
    assert sensor.question() == "infomart_dr.guards.purge_holds.deployment.holds_released"
