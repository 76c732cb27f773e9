"""Replication has caught up: a marker of the sensor's own, the same in each try, and none left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import FakeLock

from infomart_dr.errors import GuardError, PermanentError, TopologyError, TransientError, UnreachableError
from infomart_dr.guards import markers
from infomart_dr.sensors.catch_up import ReplicationCatchUpSensor, marker_key
from infomart_dr.topology import AliasLogin, EncryptedLogin, GoldenGate

KEY = "sensor:0a1b"


class Coded(GuardError):
    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Database:
    """DR_MARKER at one site, as one of its users."""

    def __init__(self, world: World, site: str, user: str) -> None:
        self.world, self.site, self.user = world, site, user

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        yield self

    def value(self, name: str, identifiers: Any = None, **binds: Any) -> int:
        if name == "table_exists":
            return int(binds["table_name"] in self.world.tables)
        assert name == "current_scn" and self.user == "dba"
        self.world.scn += 1
        return self.world.scn

    def select(self, name: str, identifiers: Any = None, **binds: Any) -> list[dict[str, Any]]:
        if name == "lock_holder":
            return self.world.lock_rows
        if self.site in self.world.without_table:
            raise Coded("ORA-00942")
        rows = self.world.rows[self.site]
        if name == "marker_get":
            return [row for row in rows if row["marker_id"] == binds["marker_id"]]
        assert name == "markers"
        # LIKE with its wildcards may find too many rows.
        assert binds["pattern"].endswith(":%")
        return [row for row in rows if row["site"] == binds["site"]]

    def execute(self, name: str, identifiers: Any = None, **binds: Any) -> int:
        if error := self.world.errors.get((self.site, name)):
            raise error
        rows = self.world.rows[self.site]
        self.world.acts.append(f"{name} {self.site} {self.user}")
        if name == "marker_put":
            rows.append(binds)
        else:
            assert name == "marker_forget"
            rows[:] = [row for row in rows if row["marker_id"] != binds["marker_id"]]
        return 1


class World:
    """A deployment with replication from site1 to site2."""

    def __init__(self, release: str = "19.1") -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {"site1": [], "site2": []}
        self.tables = {"DR_LOCK"}
        self.lock_rows: list[dict[str, Any]] = []
        self.without_table: set[str] = set()
        self.errors: dict[tuple[str, str], Exception] = {}
        self.acts: list[str] = []
        self.scn = 4710
        self.replicat: str | None = "RUNNING"
        self.capture = {"EGIM": "RUNNING", "PGIM": "RUNNING"}
        self.locks = {"site1": FakeLock(), "site2": FakeLock()}
        login = EncryptedLogin(user="GGATE", encrypted_password="A" * 32) if release < "12" else AliasLogin(alias="g")
        self._site = SimpleNamespace(goldengate=GoldenGate(home="/ogg", release=release, login=login))
        self.topology = SimpleNamespace(name="lab", pair=self._pair)

    def _pair(self, source: str | None, target: str | None) -> Any:
        return SimpleNamespace(source=source or "site1", target=target or "site2")

    def site(self, name: str) -> Any:
        if name not in self.rows:
            raise TopologyError(f"no site {name}")
        return self._site

    def goldengate_database(self, site: str) -> Database:
        return Database(self, site, "ggate")

    def dba(self, site: str) -> Database:
        return Database(self, site, "dba")

    def at(self, site: str) -> Any:
        return SimpleNamespace(
            name=site, settings=SimpleNamespace(goldengate=self._site.goldengate), ggsci=self.ggsci(site)
        )

    def ggsci(self, site: str) -> Any:
        return SimpleNamespace(
            info_all=lambda: [SimpleNamespace(group=name, status=status) for name, status in self.capture.items()],
            info=lambda name: SimpleNamespace(status=self.replicat) if self.replicat else None,
            lag=lambda name: SimpleNamespace(seconds=3, at_eof=False),
            report_tail=lambda name: "OGG-01296 it broke.",
        )

    def replicate(self) -> None:
        here = {row["marker_id"] for row in self.rows["site1"]}
        self.rows["site2"] = [row for row in self.rows["site2"] if row["marker_id"] in here] + [
            row for row in self.rows["site1"] if row not in self.rows["site2"]
        ]

    def ask(self, key: str = KEY) -> Any:
        return markers.caught_up(self, "", "", key)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markers.PlanLock, "at", lambda deployment, site: deployment.locks[site])


@pytest.fixture
def world() -> World:
    return World()


# -- the question ----------------------------------------------------------------------------------


def test_one_marker_is_written_asked_for_and_removed_when_it_has_arrived(world: World) -> None:
    seen = world.ask()
    assert not seen.satisfied
    assert (
        seen.summary
        == "the marker from site1 has not arrived (RGIM RUNNING, lag 3 s behind what has arrived, not at EOF, EGIM "
        "RUNNING, PGIM RUNNING), SCN 4711 of site1"
    )
    assert world.rows["site1"] == [{"marker_id": f"{KEY}:4711", "site": "site1", "scn": 4711}]
    assert not world.ask().satisfied
    world.replicate()
    seen = world.ask()
    assert seen.satisfied and seen.summary.startswith("the marker arrived at site2 (RGIM RUNNING")
    assert seen.details == {
        "replicat": "RUNNING",
        "lag_seconds": 3,
        "at_eof": False,
        "source": "site1",
        "target": "site2",
        "marker": f"{KEY}:4711",
        "scn": 4711,
    }
    assert world.acts == ["marker_put site1 ggate", "marker_forget site1 ggate"], "GoldenGate carries the removal"


def test_a_second_wait_of_the_same_task_has_a_marker_of_its_own(world: World) -> None:
    world.ask()
    world.replicate()
    assert world.ask().satisfied
    # The removal has not arrived yet: the old row proves nothing about the new moment.
    assert world.rows["site1"] == [] and world.rows["site2"]
    assert not world.ask().satisfied
    assert [row["marker_id"] for row in world.rows["site1"]] == [f"{KEY}:4712"]


def test_markers_of_others_are_neither_counted_nor_removed(world: World) -> None:
    other = {"marker_id": "watch:lab:1", "site": "site1", "scn": None}
    world.rows["site1"], world.rows["site2"] = [other], [other]
    world.ask("sensor:9999")
    assert not world.ask().satisfied
    world.replicate()
    assert world.ask().satisfied
    assert [row["marker_id"] for row in world.rows["site1"]] == ["watch:lab:1", "sensor:9999:4711"]


def test_before_12c_the_dba_writes_and_the_removal_is_done_at_both_sites() -> None:
    world = World("11.2")
    world.ask()
    world.replicate()
    assert world.ask().satisfied
    assert world.acts == ["marker_put site1 dba", "marker_forget site1 ggate", "marker_forget site2 ggate"]


@pytest.mark.parametrize("site", ["site1", "site2"])
def test_nothing_is_written_and_nothing_removed_while_a_plan_holds_the_lock(world: World, site: str) -> None:
    world.locks[site] = FakeLock("plan-9", "a run")
    world.replicat = None
    seen = world.ask()
    assert not seen.satisfied and world.acts == []
    assert seen.summary.startswith("the marker from site1 to site2 is not written yet: plan plan-9 is running")
    world.locks[site] = FakeLock()
    world.replicat = "RUNNING"
    world.ask()
    world.locks[site] = FakeLock("plan-9", "a run")
    world.replicat = "STOPPED"
    assert "has not arrived: plan plan-9 is running" in world.ask().summary, "what a plan stops is not judged"
    world.replicate()
    assert world.ask().satisfied
    assert world.acts == ["marker_put site1 ggate"]


def test_a_plan_that_takes_the_lock_right_before_the_marker_is_seen(world: World) -> None:
    now = datetime.now(UTC)
    world.lock_rows = [{"plan_id": "p", "owner": "o", "reason": "r", "taken_at": now, "heartbeat_at": now}]
    assert "a plan is running" in world.ask().summary and world.acts == []


def test_a_removal_that_fails_is_no_reason_to_fail(world: World) -> None:
    world.ask()
    world.replicate()
    world.errors["site1", "marker_forget"] = UnreachableError("db1 is gone.")
    assert world.ask().satisfied


def test_an_insert_that_is_there_already_counts(world: World) -> None:
    world.errors["site1", "marker_put"] = Coded("ORA-00001")
    assert "SCN 4711" in world.ask().summary


def test_a_replicat_that_is_missing_or_down_is_named_with_what_to_do(world: World) -> None:
    world.replicat = None
    with pytest.raises(
        GuardError, match=r"(?s)There is no RGIM at site2: .*\nNext: Set up replication from site1 to site2"
    ):
        world.ask()
    world.replicat = "ABENDED"
    with pytest.raises(TransientError, match=r"(?s)RGIM at site2 is ABENDED: .* OGG-01296 it broke"):
        world.ask()


@pytest.mark.parametrize("group", ["EGIM", "PGIM"])
def test_a_group_that_stands_at_the_source_is_named_with_its_report(world: World, group: str) -> None:
    assert not world.ask().satisfied
    world.capture[group] = "ABENDED"
    with pytest.raises(TransientError, match=rf"(?s){group} at site1 is ABENDED: .* it broke.*START EXTRACT {group}"):
        world.ask()
    del world.capture[group]
    with pytest.raises(GuardError, match=f"There is no {group} at site1"):
        world.ask()


@pytest.mark.parametrize("site", ["site1", "site2"])
def test_a_site_without_a_marker_table_is_final(world: World, site: str) -> None:
    world.without_table.add(site)
    with pytest.raises(GuardError, match=f"There is no marker table at {site}.\nNext: Run infomart_setup_replication"):
        world.ask()
    with pytest.raises(GuardError, match=f"There is no marker table at {site}"):
        markers.is_at(world, site, "m")  # type: ignore[arg-type]


def test_a_given_marker_is_waited_for_at_one_site_and_never_removed(world: World) -> None:
    assert not markers.is_at(world, "site2", "0a-final").satisfied  # type: ignore[arg-type]
    world.rows["site2"].append({"marker_id": "0a-final", "site": "site1", "scn": 12})
    seen = markers.is_at(world, "site2", "0a-final")  # type: ignore[arg-type]
    assert (seen.satisfied, seen.summary) == (True, "the marker 0a-final of site1 is at site2")
    assert seen.details["scn"] == 12 and world.acts == []


# -- the sensor ------------------------------------------------------------------------------------


def context(**changes: Any) -> Any:
    named = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "try_number": 1}
    return {"ti": SimpleNamespace(**(named | changes))}


def test_the_markers_name_depends_on_run_and_task_and_not_on_the_try() -> None:
    first = marker_key(context())
    assert marker_key(context(try_number=2)) == first
    others = [marker_key(context(**change)) for change in ({"run_id": "s"}, {"task_id": "u"}, {"map_index": 0})]
    assert len({first, *others}) == 4
    assert len(f"{first}:{2**63}".encode()) <= 250


def test_a_retry_asks_for_the_marker_of_the_first_try(world: World) -> None:
    for number in (1, 2):
        world.ask(ReplicationCatchUpSensor(task_id="t").arguments(context(try_number=number))["key"])
    assert len(world.rows["site1"]) == 1


def test_the_question_is_chosen_by_the_marker() -> None:
    own = ReplicationCatchUpSensor(task_id="t", source="site1", target="site2")
    assert own.question() == "infomart_dr.guards.markers.caught_up"
    assert own.arguments(context()) == {"source": "site1", "target": "site2", "key": marker_key(context())}
    given = ReplicationCatchUpSensor(task_id="t", target="site2", marker="m")
    assert given.question() == "infomart_dr.guards.markers.is_at"
    assert given.arguments(context()) == {"site": "site2", "marker": "m"}


@pytest.mark.parametrize("wrong", [{"marker": "m"}, {"marker": "m", "source": "site1", "target": "site2"}])
def test_a_marker_needs_the_one_site_at_which_it_must_arrive(wrong: dict[str, str]) -> None:
    with pytest.raises(PermanentError, match="Give target, and no source"):
        ReplicationCatchUpSensor(task_id="t", **wrong).arguments(context())
