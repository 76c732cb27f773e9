"""High-water marks of a site have passed a moment."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest

from infomart_dr.errors import GuardError, PermanentError, TopologyError
from infomart_dr.guards.high_water_marks import marks_passed
from infomart_dr.plan.step import Observation
from infomart_dr.sensors.high_water_mark import HighWaterMarkSensor, epoch

SINCE = 1_000_000


class World:
    """Data sources 101 and 102, each with an IDB at site1 and site2; site1 serves."""

    def __init__(self) -> None:
        self.marks = {101: SINCE - 100, 102: SINCE + 100}
        self.waiting = {101: 3, 102: 0}
        self.tables: dict[int, str] = {}
        self.roles = {"site1": "active", "site2": "standby"}
        self.sources = {101: "site1", 102: "site2"}
        self.asked: list[str] = []

    def ask(self, site: str = "", since: int = SINCE, data_sources: tuple[int, ...] = ()) -> Observation:
        return marks_passed(self, site, since, data_sources)  # type: ignore[arg-type]

    @property
    def topology(self) -> Any:
        sites = {
            name: SimpleNamespace(
                role=role,
                idbs=[
                    SimpleNamespace(
                        data_source_key=key, schema_name="I", connection=f"{name}/{key}", source_site=self.sources[key]
                    )
                    for key in self.sources
                ],
            )
            for name, role in self.roles.items()
        }

        def site(name: str) -> Any:
            if name not in sites:
                raise TopologyError(f"no site {name}")
            return sites[name]

        return SimpleNamespace(
            sites=sites, site=site, active_site="site1", info_mart=SimpleNamespace(schema_name="GIM")
        )

    def info_mart(self, site: str) -> Any:
        self.asked.append(site)
        rows = [
            {"data_source_key": key, "table_name": self.tables.get(key, "GIDB_G_CALL_V"), "max_ts": mark}
            for key, mark in self.marks.items()
        ]
        return SimpleNamespace(select=lambda *_: rows)

    def oracle(self, connection: str) -> Any:
        self.asked.append(connection)
        key = int(connection.split("/")[1])
        return SimpleNamespace(value=lambda name, identifiers, low: self.waiting[key])


@pytest.fixture
def world() -> World:
    return World()


# -- the question ----------------------------------------------------------------------------------


def test_a_data_source_with_calls_before_the_moment_is_waited_for(world: World) -> None:
    seen = world.ask()
    assert not seen.satisfied
    assert seen.summary == ("high-water marks at site1, to pass 1970-01-12 13:46:40 UTC: data source 101: 100 s behind")
    world.marks[101] = SINCE + 1
    seen = world.ask()
    assert (seen.satisfied, seen.summary) == (
        True,
        "high-water marks at site1 have passed 1970-01-12 13:46:40 UTC: 2 moved",
    )
    assert seen.details == {"site": "site1", "moved": ["101", "102"], "idle": [], "lost": [], "behind": []}
    assert world.ask("site2").details["site"] == "site2"


def test_an_idle_data_source_and_one_of_a_lost_site_are_not_waited_for(world: World) -> None:
    world.waiting[101] = 0
    assert world.ask().summary.endswith("1 moved; idle: 101")
    world.waiting[101] = 3
    world.roles["site3"], world.sources[101] = "failed", "site3"
    assert world.ask().summary.endswith("1 moved; lost: 101")
    with pytest.raises(GuardError, match="site3 has the role failed"):
        world.ask("site3")


def test_a_moment_that_has_not_come_is_not_passed_however_empty_the_idbs_are(world: World) -> None:
    world.waiting = {101: 0, 102: 0}
    assert "is in the future" in world.ask(since=int(time.time()) + 60).summary
    assert world.asked == []


def test_only_the_given_data_sources_matter_and_each_must_be_judged(world: World) -> None:
    assert world.ask(data_sources=(102,)).satisfied
    assert not [name for name in world.asked if name.endswith("/101")]
    assert "data source 103: no mark" in world.ask(data_sources=(102, 103)).summary
    world.tables[101] = "GIDB_GC_AGENT"
    assert world.ask().satisfied, "one without calls is not judged unless it was asked for"
    seen = world.ask(data_sources=(101,))
    assert not seen.satisfied and "without calls nobody can tell whether it is idle" in seen.summary


def test_without_any_mark_nothing_is_passed(world: World) -> None:
    world.marks.clear()
    seen = world.ask()
    assert not seen.satisfied and seen.summary.endswith(": no marks")


def test_a_site_that_does_not_exist_is_final(world: World) -> None:
    with pytest.raises(TopologyError):
        world.ask("site9")


# -- the sensor ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moment",
    [
        "2026-11-02T17:00Z",
        "2026-11-02 18:00:00+01:00",
        " 1793638800 ",
        1793638800,
        1793638799.5,
        datetime(2026, 11, 2, 17, tzinfo=UTC),
        datetime(2026, 11, 2, 22, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        "2026-11-02T16:59:59.000001Z",
    ],
)
def test_a_moment_may_be_written_in_several_ways(moment: Any) -> None:
    assert epoch(moment) == 1793638800


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("yesterday", "is not a valid time: 'yesterday'"),
        ("", "is not a valid time"),
        ("None", "is not a valid time"),
        ("-5", "is not a valid time"),
        ("20261102", "has no time zone"),
        (20261102, "has no time zone"),
        ("1793638800000", "is not a valid time"),
        ("2026-11-02T17:00", "has no time zone"),
        (datetime(2026, 11, 2), "has no time zone"),
    ],
)
def test_a_moment_that_is_not_clear_is_refused(moment: Any, words: str) -> None:
    with pytest.raises(PermanentError, match=words):
        epoch(moment)


@pytest.mark.parametrize(
    ("given", "keys"), [((), []), ([102, "101", 101], [101, 102]), ("[102, '101']", [101, 102]), ("", [])]
)
def test_the_arguments_are_plain(given: Any, keys: list[int]) -> None:
    sensor = HighWaterMarkSensor(task_id="t", moment=str(SINCE * 1000), site="site2", data_sources=given)
    assert sensor.arguments({}) == {"site": "site2", "since": SINCE * 1000, "data_sources": keys}  # type: ignore[arg-type]
    assert {"deployment", "moment", "site", "data_sources"} == set(sensor.template_fields)


def test_a_data_source_is_named_by_its_key() -> None:
    with pytest.raises(PermanentError, match="not a number: 'TS1'"):
        HighWaterMarkSensor(task_id="t", moment=str(SINCE * 1000), data_sources=["TS1"]).arguments({})  # type: ignore[arg-type]
