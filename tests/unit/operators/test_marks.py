"""High-water marks against a moment: moved, idle, of a lost site, or behind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import FakeStep

from infomart_dr.guards.high_water_marks import high_water_mark_moved, marks

SINCE = 1000


class World:
    """Data sources 101 and 102, each with an IDB at site2 and site3."""

    def __init__(self) -> None:
        self.marks = {101: 900, 102: 1100}
        self.waiting = {101: 0, 102: 0}
        self.tables: dict[int, str] = {}
        self.schema: str | None = "ICON"
        self.roles = {"site1": "failed", "site2": "active", "site3": "new"}
        self.source_sites = {101: "site2", 102: "site3"}
        self.asked: list[str] = []

    def step(self) -> Any:
        step: Any = FakeStep()
        step.failover = False
        step.info_mart = lambda role: SimpleNamespace(
            select=lambda *_: [
                {"data_source_key": key, "table_name": self.tables.get(key, "GIDB_G_CALL_V"), "max_ts": mark}
                for key, mark in self.marks.items()
            ]
        )
        sites = {
            name: SimpleNamespace(
                role=role, idbs=[self._idb(name, key) for key in self.marks] if name != "site1" else []
            )
            for name, role in self.roles.items()
        }
        step.topology.sites, step.topology.site = sites, lambda name: sites[name]
        step.oracle = self._oracle
        return step

    def _idb(self, site: str, key: int) -> Any:
        return SimpleNamespace(
            data_source_key=key, schema_name=self.schema, connection=f"{site}/{key}", source_site=self.source_sites[key]
        )

    def _oracle(self, connection: str) -> Any:
        self.asked.append(connection)
        key = int(connection.split("/")[1])
        return SimpleNamespace(value=lambda name, identifiers, low: self.waiting[key])


@pytest.fixture
def world() -> World:
    return World()


def test_a_source_without_calls_beyond_its_mark_is_idle_and_is_not_waited_for(world: World) -> None:
    found = marks(world.step(), "source", SINCE)
    assert (found.moved, found.idle, found.behind) == (["102"], ["101"], [])
    seen = high_water_mark_moved(world.step(), "source", SINCE)
    assert seen.satisfied and seen.summary.endswith("moved past the start; idle: 101")


def test_a_source_with_calls_beyond_its_mark_is_behind(world: World) -> None:
    world.waiting[101] = 3
    seen = high_water_mark_moved(world.step(), "source", SINCE)
    assert not seen.satisfied and "data source 101: 100 s behind" in seen.summary


def test_a_source_without_calls_is_not_taken_for_idle_and_proves_nothing(world: World) -> None:
    """A Configuration Server's IDB always has an empty G_CALL."""
    world.tables[101] = "GIDB_GC_AGENT"
    seen = high_water_mark_moved(world.step(), "source", SINCE)
    assert seen.satisfied and seen.summary.endswith("; without calls, not judged: 101")
    assert not [name for name in world.asked if name.endswith("/101")]
    world.tables[102] = "GIDB_GO_CAMPAIGN"
    world.marks[102] = 900
    assert not high_water_mark_moved(world.step(), "source", SINCE).satisfied


def test_a_source_whose_idb_cannot_be_counted_is_behind_until_its_mark_moves(world: World) -> None:
    world.schema = None
    assert not high_water_mark_moved(world.step(), "source", SINCE).satisfied
    world.marks[101] = 1001
    assert high_water_mark_moved(world.step(), "source", SINCE).satisfied


def test_a_source_of_a_lost_site_is_not_waited_for_and_a_lost_site_is_asked_for_nothing(world: World) -> None:
    world.waiting[101] = 3
    world.source_sites[101] = "site1"
    seen = high_water_mark_moved(world.step(), "source", SINCE)
    assert seen.satisfied and seen.summary.endswith("; lost: 101")
    world.source_sites[101] = "site2"
    step = world.step()
    # The topology of a failover still calls the lost site active.
    step.failover, step.sites = True, {"source": "site2", "target": "site3"}
    world.asked.clear()
    assert marks(step, "target", SINCE).lost == ["101"]
    assert not [name for name in world.asked if name.startswith("site2")]


def test_without_any_mark_nothing_is_proven(world: World) -> None:
    world.marks.clear()
    assert not high_water_mark_moved(world.step(), "source", SINCE).satisfied
