"""The step that estimates the loss: its input, its facts, and their reuse by a retry."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import oracledb
import pytest
from tests.unit.operators.fakes import FakeStep

from infomart_dr.errors import PermanentError, UnreachableError
from infomart_dr.evidence.comparison import INTERVAL
from infomart_dr.guards import loss_reading
from infomart_dr.guards.loss_reading import Base, sources_of
from infomart_dr.hooks.oracle import OracleUnreachable
from infomart_dr.operators import loss
from infomart_dr.operators.loss import EstimateLoss
from infomart_dr.plan import facts
from infomart_dr.times import clock

T0 = 1_762_000_200 // INTERVAL * INTERVAL
#: Two calls a second for two hours; then the site is lost, and the first estimate is ten minutes later.
MARK, LAST_EVENT, FAILED, NOW = T0 + 7100, T0 + 7190, T0 + 7200, T0 + 7800


def idb(name: str, key: int, source_site: str | None = None, schema: str | None = "ICON", **more: Any) -> Any:
    fields = {
        "name": name,
        "data_source_key": key,
        "source_site": source_site,
        "schema_name": schema and f"{schema}_{key}",
        "connection": f"idb_{name.rpartition('-')[2]}",
    }
    return SimpleNamespace(**(fields | more))


def topology(**idbs: list[Any]) -> Any:
    roles = {"site1": "active", "site2": "standby", "site3": "new", "site0": "failed"}
    sites = {name: SimpleNamespace(role=roles[name], idbs=found) for name, found in idbs.items()}
    return SimpleNamespace(architecture="active-standby", sites=sites)


# -- data sources ------------------------------------------------------------------------------------


def test_the_idb_that_is_left_is_the_survivors() -> None:
    pair = topology(
        site1=[idb("ts1-site1", 101, "site1")],
        site3=[idb("ts1-site3", 101, "site1")],
        site2=[idb("ts1-site2", 101, "site1")],
    )
    (source,) = sources_of(pair, "site1", "site2")
    assert source.idb is not None
    assert (source.key, source.idb.name, source.at_failed_site, source.placed) == (101, "ts1-site2", True, True)
    assert source.countable


def test_an_idb_at_a_third_site_is_left_and_one_at_a_lost_site_is_not() -> None:
    third = topology(site1=[idb("ts1-site1", 101, "site1")], site3=[idb("ts1-site3", 101, "site1")], site2=[])
    assert [source.name for source in sources_of(third, "site1", "site2")] == ["ts1-site3"]
    lost = topology(site1=[idb("ts1-site1", 101)], site0=[idb("ts1-site0", 101, "site1")], site2=[])
    (source,) = sources_of(lost, "site1", "site2")
    assert (source.idb, source.name) == (None, "ts1-site1")


def test_a_pair_of_which_neither_says_where_its_t_server_is_is_not_placed() -> None:
    pair = topology(site1=[idb("ts1-site1", 101)], site2=[idb("ts1-site2", 101)])
    (source,) = sources_of(pair, "site1", "site2")
    assert (source.at_failed_site, source.placed) == (True, False)
    pair.sites["site2"].idbs[0].source_site = "site2"
    (source,) = sources_of(pair, "site1", "site2")
    assert (source.at_failed_site, source.placed) == (False, True)


def test_an_idb_without_a_schema_or_with_several_sources_is_not_counted() -> None:
    shared = {"schema_name": "ICON", "connection": "idb_site2"}
    several = topology(
        site2=[idb("ts1-site2", 101, **shared), idb("ts2-site2", 102, **shared), idb("ts3-site2", 103, schema=None)]
    )
    sources = sources_of(several, "site1", "site2")
    assert [source.countable for source in sources] == [False, False, False]
    assert sources[0].trouble == "ts1-site2 holds several data sources"
    assert sources[2].trouble == "ts3-site2 has no schema"


def test_marks_of_calls_are_told_from_those_of_other_tables() -> None:
    rows = [
        {"data_source_key": key, "table_name": table, "max_ts": ts}
        for key, table, ts in [
            (101, "GIDB_G_CALL_V", 50),
            (101, "GIDB_G_PARTY_V", 90),
            (101, "GIDB_G_CALL_HISTORY_V", 91),
            (102, "G_CALL", 70),
            (103, "GIDB_G_CALL_MM", 80),
            (9, "GIDB_GC_AGENT", 10),
            (104, "G_CALL", None),
        ]
    ]
    assert loss_reading.marks_of(rows) == ({101: 50, 102: 70, 103: 80}, {9: 10, 104: 0})


def test_a_last_event_is_taken_as_seconds_and_as_a_time() -> None:
    assert loss_reading.epoch(FAILED) == FAILED
    assert loss_reading.epoch(datetime.fromtimestamp(FAILED, UTC)) == FAILED
    assert loss_reading.epoch(datetime.fromtimestamp(FAILED, UTC).replace(tzinfo=None)) == FAILED
    assert loss_reading.epoch(None) is None


# -- a survivor ---------------------------------------------------------------------------------------


class World:
    """Databases of a survivor, answered from lists.

    Source 101 is an HA pair whose T-Server is lost, 102 one whose T-Server goes on, 104 has no other IDB.
    """

    def __init__(self) -> None:
        self.now = NOW
        self.calls = {
            key: [(f"{key}-{ts}-{n}", ts) for ts in range(T0, LAST_EVENT if key == 101 else FAILED) for n in (1, 2)]
            for key in (101, 102, 104)
        }
        self.marks = dict.fromkeys((101, 102, 104), MARK)
        self.facts = {guid: ts for calls in self.calls.values() for guid, ts in calls if ts <= MARK}
        self.covered = dict(self.marks)
        self.last_event: dict[int, int] = {101: LAST_EVENT, 102: NOW}
        self.sign = MARK + 5
        #: Connections, or IDBs, that do not answer, and IDBs that break off while their calls are read.
        self.broken: set[str] = set()
        self.breaking: set[str] = set()
        self.asked: list[str] = []

    def lose(self, after: int, key: int = 101) -> int:
        gone = [guid for guid, ts in self.calls[key] if after < ts <= MARK]
        for guid in gone:
            del self.facts[guid]
        return len(gone)

    def answer(self, connection: str, name: str, schema: str, binds: dict[str, Any]) -> list[tuple[Any, ...]]:
        self.asked.append(connection)
        if connection in self.broken or f"{connection}/{schema}" in self.broken:
            raise OracleUnreachable(f"Connect: connection {connection}: no listener answers.", code="ORA-12541")
        return list(getattr(self, name)(schema.rpartition("_")[2], **binds))

    def idb_last_event(self, key: str) -> list[tuple[Any, ...]]:
        return [(self.last_event[int(key)],)]

    def ended(self, key: str, after_ts: int, until_ts: int, oldest_ts: int) -> list[tuple[str, int]]:
        assert oldest_ts < after_ts
        return [(guid, ts) for guid, ts in self.calls[int(key)] if after_ts < ts <= until_ts]

    def idb_guids(self, key: str, **binds: int) -> list[tuple[Any, ...]]:
        if key in self.breaking:
            raise UnreachableError("Statement idb_guids: the connection was lost.")
        return list(self.ended(key, **binds))

    def idb_calls_by_bucket(self, key: str, bucket_seconds: int, **binds: int) -> list[tuple[Any, ...]]:
        return self.buckets([ts for _, ts in self.ended(key, **binds)], bucket_seconds)

    @staticmethod
    def buckets(times: list[int], seconds: int) -> list[tuple[Any, ...]]:
        return sorted(Counter(ts // seconds for ts in times).items())

    def hwm(self, _: str) -> list[tuple[Any, ...]]:
        return [(key, "GIDB_G_CALL_V", mark) for key, mark in self.marks.items()]

    def fact_sign_of_life(self, _: str) -> list[tuple[Any, ...]]:
        return [(self.sign,)]

    def fact_newest(self, _: str, from_key: int, oldest_key: int) -> list[tuple[Any, ...]]:
        return [(max(self.facts.values()), 17)]

    def fact_covered(self, _: str, audit_key: int, since_ts: int) -> list[tuple[Any, ...]]:
        assert audit_key == 17
        return list(self.covered.items())

    def fact_guids(self, _: str, from_key: int, to_key: int, oldest_key: int) -> Iterator[tuple[Any, ...]]:
        assert oldest_key < from_key
        return ((guid,) for guid, ts in self.facts.items() if from_key <= ts // INTERVAL * INTERVAL <= to_key)

    def fact_by_bucket(self, _: str, bucket_seconds: int, **keys: int) -> list[tuple[Any, ...]]:
        return self.buckets([self.facts[guid] for (guid,) in self.fact_guids("", **keys)], bucket_seconds)


COLUMNS = {
    "hwm": ("data_source_key", "table_name", "max_ts"),
    "fact_newest": ("end_ts", "audit_key"),
    "fact_covered": ("data_source_key", "covered_ts"),
    "fact_by_bucket": ("bucket", "interactions"),
    "idb_calls_by_bucket": ("bucket", "calls"),
}


class Hook:
    def __init__(self, world: World, connection: str) -> None:
        self.world, self.connection = world, connection

    def rows(self, name: str, identifiers: dict[str, str], binds: dict[str, Any]) -> list[tuple[Any, ...]]:
        return self.world.answer(self.connection, name, identifiers["schema"], binds)

    def select(self, name: str, identifiers: dict[str, str], **binds: Any) -> list[dict[str, Any]]:
        return [dict(zip(COLUMNS[name], row, strict=True)) for row in self.rows(name, identifiers, binds)]

    def value(self, name: str, identifiers: dict[str, str], **binds: Any) -> Any:
        return self.rows(name, identifiers, binds)[0][0]


class LossStep(FakeStep):
    """A failover from site1 to site2."""

    def __init__(self, world: World, **facts: str) -> None:
        super().__init__(**facts)
        self.world = world
        self.pair = SimpleNamespace(source="site1", target="site2")
        self.topology = topology(
            site1=[idb("ts1-site1", 101, "site1"), idb("ts2-site1", 102, "site2"), idb("ts4-site1", 104, "site1")],
            site2=[idb("ts1-site2", 101, "site1"), idb("ts2-site2", 102, "site2")],
        )

    def oracle(self, connection: str) -> Hook:
        return Hook(self.world, connection)

    def info_mart(self, role: str) -> Hook:
        assert role == "target"
        return self.oracle("gim_site2")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(
        loss_reading, "stream", lambda hook, name, identifiers, **binds: hook.rows(name, identifiers, binds)
    )
    monkeypatch.setattr(loss.time, "time", lambda: float(world.now))
    return world


def run(step: LossStep, moment: Any = "drained") -> dict[str, Any]:
    return EstimateLoss(task_id="estimate_loss", moment=moment)._run(step)  # type: ignore[arg-type]


def by_key(result: dict[str, Any]) -> dict[int, tuple[int, int | None]]:
    return {source["key"]: (source["lost_low"], source["lost_high"]) for source in result["sources"]}


def drained(world: World, **params: str) -> LossStep:
    step = LossStep(world, standby_drained="RGIM is STOPPED at the end")
    step.params |= {"failure_time": clock(FAILED), **params}
    return step


# -- what it finds -------------------------------------------------------------------------------------


def test_after_the_draining_what_has_no_fact_is_lost_to_the_call(world: World) -> None:
    lost = world.lose(MARK - 20, key=102)
    result = run(drained(world))
    assert by_key(result)[102] == (lost, lost)
    # Twenty calls in the queue, at two a second; a hundred seconds without any IDB.
    low, high = by_key(result)[101]
    assert low < 20 < high < 60  # type: ignore[operator]
    low, high = by_key(result)[104]
    assert 100 < low < 200 < high < 320  # type: ignore[operator]
    assert result["drained"] and result["lost_low"] >= lost + 100
    assert {"lost_low", "lost_high", "report", "sources", "summary"} <= set(result)


def test_before_the_draining_nothing_is_lost_for_certain(world: World) -> None:
    world.lose(MARK - 20)
    step = LossStep(world)
    result = run(step, "before")
    assert not result["drained"]
    assert result["lost_low"] == 0 and result["lost_high"] > 240
    assert "upper limit" in result["report"] and "upper limit" in result["summary"]
    assert facts.LOSS_MARKS.name not in step.ledger, "marks may still move"


def test_the_lost_site_is_never_asked(world: World) -> None:
    run(drained(world))
    assert set(world.asked) == {"gim_site2", "idb_site2"}


def test_an_idb_that_cannot_be_asked_is_an_uncertainty_and_no_failure(world: World) -> None:
    world.broken = {"idb_site2/ICON_101"}
    result = run(drained(world))
    low, high = by_key(result)[101]
    assert low == 0 and high is not None and high >= 200
    assert "no listener answers" in result["report"]
    assert by_key(result)[102] == (0, 0), "the other one is counted"


def test_a_last_event_to_come_is_not_believed(world: World) -> None:
    world.last_event[101] = NOW + 7200
    result = run(drained(world))
    assert "LEVENT_ITIME is not in UTC" in result["report"]
    assert (by_key(result)[101][1] or 0) >= 200, "nothing undelivered would be a false comfort"


def test_an_idb_without_a_last_event_is_not_counted(world: World) -> None:
    world.last_event[101] = None  # type: ignore[assignment]
    assert "has no last event" in run(drained(world))["report"]


def test_one_that_breaks_off_in_the_comparison_is_one_too(world: World) -> None:
    world.breaking = {"101"}
    result = run(drained(world))
    assert "the connection was lost" in result["report"]
    assert by_key(result)[101][0] == 0
    assert by_key(result)[102] == (0, 0)


def test_a_survivor_that_cannot_be_asked_stops_the_step(world: World) -> None:
    world.broken = {"gim_site2"}
    with pytest.raises(OracleUnreachable):
        run(drained(world))


def test_facts_above_an_older_mark_are_extracted_twice(world: World) -> None:
    world.marks = dict.fromkeys(world.marks, MARK - 60)
    result = run(drained(world))
    (twice,) = [p for s in result["sources"] for p in s["parts"] if p["case"] == "d" and s["key"] == 102]
    assert "120 calls above the mark already have a fact" in twice["why"]
    assert "later than every mark" in result["report"]


def test_a_source_that_the_topology_does_not_name_is_said(world: World) -> None:
    world.marks[199] = MARK
    assert "data source 199" in run(drained(world))["report"]


def test_a_source_without_calls_is_no_loss(world: World) -> None:
    step = drained(world)
    step.topology.sites["site1"].idbs.append(idb("ocs-site1", 9))
    hwm = [*world.hwm(""), (9, "GIDB_GO_CAMPAIGN", MARK), (9, "GIDB_GO_CHAIN", MARK - 9)]
    world.hwm = lambda _: hwm  # type: ignore[method-assign]
    result = run(step)
    assert by_key(result)[9] == (0, 0)
    # Not counted, but named with its times.
    (row,) = [line for line in result["report"].splitlines() if line.startswith("| 9 ")]
    assert "other data are lost" in row and f"{clock(MARK)} - {clock(FAILED + 1)[11:]}" in row


# -- when it was lost ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "tolerance"), [(f"{clock(FAILED)}", 1), ("%Y-%m-%dT%H:%MZ", 60)])
def test_a_failure_time_is_as_exact_as_it_is_written(world: World, text: str, tolerance: int) -> None:
    moment = datetime.fromtimestamp(FAILED, UTC)
    result = run(drained(world, failure_time=moment.strftime(text)))
    # To the minute it may lie before the last sign of life, which then counts.
    middle = int(moment.timestamp()) if tolerance == 1 else int(moment.timestamp()) // 60 * 60
    assert result["failure_from"] == max(middle - tolerance, LAST_EVENT)
    assert result["failure_to"] == middle + tolerance


def test_a_failure_time_that_is_none_stops_the_step(world: World) -> None:
    with pytest.raises(PermanentError, match="failure_time is not a valid time"):
        run(drained(world, failure_time="yesterday"))


def test_without_a_failure_time_the_first_estimate_ends_the_span_at_each_retry_too(world: World) -> None:
    step = LossStep(world)
    first = run(step, "before")
    assert (first["failure_from"], first["failure_to"]) == (LAST_EVENT, NOW)
    world.now += 900
    assert run(step, "before")["failure_to"] == NOW
    assert "failure_time narrows" in first["report"]


# -- what it notes -------------------------------------------------------------------------------------


def test_it_records_a_summary_and_a_report_and_records_them_again(world: World) -> None:
    step = drained(world)
    run(step)
    first = step.ledger["loss:drained"]
    world.lose(MARK - 5)
    run(step)
    assert step.ledger["loss:drained"] != first
    assert len(step.ledger["loss_report"].encode()) <= 3900
    assert "Calls lost" in step.ledger["loss_report"]


def test_marks_stand_once_drained_whatever_the_survivors_server_moves(world: World) -> None:
    lost = world.lose(MARK - 20, key=102)
    step = drained(world)
    first = run(step)
    # The server runs: it extracts waiting calls, and never those below the old marks.
    step.ledger["point_of_no_return"] = str(NOW)
    world.facts |= {guid: ts for key in (101, 102) for guid, ts in world.calls[key] if ts > MARK}
    world.marks = dict.fromkeys(world.marks, NOW)
    world.covered, world.sign = dict(world.marks), NOW
    for moment in ("drained", "end"):
        assert by_key(run(step, moment)) == by_key(first)
    assert by_key(first)[102] == (lost, lost)
    end = run(step, "end")
    assert "178 waiting calls have their fact now, 0 have none yet" in end["report"]
    assert [e["moment"] for e in end["earlier"]] == ["drained"]
    assert end["disagreements"] == []


def test_marks_of_another_draining_are_recorded_again(world: World) -> None:
    step = drained(world)
    run(step)
    step.ledger["standby_drained"] = "RGIM is STOPPED, later"
    world.marks = dict.fromkeys(world.marks, MARK + 30)
    result = run(step)
    assert all(source["mark"] == MARK + 30 for source in result["sources"])


def test_a_server_that_ran_before_the_marks_were_recorded_proves_nothing(world: World) -> None:
    step = drained(world)
    step.ledger["point_of_no_return"] = str(NOW)
    result = run(step, "end")
    assert not result["drained"] and result["lost_low"] == 0
    assert "ran before the marks were recorded" in result["report"]


def test_the_end_is_compared_with_the_estimates(world: World) -> None:
    step = LossStep(world)
    step.params["failure_time"] = clock(FAILED)
    before = run(step, "before")
    step.ledger["standby_drained"] = "yes"
    run(step)
    end = run(step, "end")
    assert [e["moment"] for e in end["earlier"]] == ["before", "drained"]
    assert end["earlier"][0]["lost_high"] == before["lost_high"]
    assert "Estimate before the draining: 0 to " in end["report"]


def test_recorded_marks_are_read_back_for_the_same_draining_only() -> None:
    base = Base({101: MARK, 102: MARK + 7}, {9: MARK - 3}, {101: MARK - 10}, MARK - 1, MARK + 9, drained=True)
    text = base.to_text("at RBA 17")
    assert Base.from_text(text, "at RBA 17") == base
    assert Base.from_text(text, "at RBA 18") is None


@pytest.mark.parametrize(("sources", "with_covered"), [(150, True), (220, False)])
def test_marks_of_many_sources_fit_one_fact_of_the_ledger(sources: int, with_covered: bool) -> None:
    marks = {100_000 + n: MARK - 17 * n for n in range(sources)}
    text = Base(marks, {}, {key: mark - 40 for key, mark in marks.items()}).to_text("x" * 1000)
    assert len(text.encode()) <= 4000
    read = Base.from_text(text, "x" * 1000)
    assert read is not None and read.marks == marks
    assert bool(read.covered) is with_covered


def test_without_a_trace_of_the_transformation_the_newest_fact_must_do(world: World) -> None:
    world.covered = {}
    result = run(drained(world))
    (extracted,) = [p for s in result["sources"] for p in s["parts"] if s["key"] == 104 and p["case"] == "c"]
    assert extracted["start"] == MARK - INTERVAL
    assert extracted["high"] > 2 * INTERVAL


# -- how it is built -----------------------------------------------------------------------------------


def test_its_page_names_the_guides_lines_and_that_it_changes_nothing() -> None:
    task = EstimateLoss(task_id="estimate_loss", moment="before")
    assert (task.role, task.under_lock) == ("target", False)
    assert "Potential Data Loss: pp. 16-17 (p. 16)" in task.doc_md and "nothing but the estimate" in task.doc_md
    assert ":param" not in task.doc_md


def test_an_unknown_moment_is_a_mistake_in_the_dag() -> None:
    with pytest.raises(ValueError, match="allowed: before, drained, end"):
        EstimateLoss(task_id="estimate_loss", moment="after")  # type: ignore[arg-type]


def test_of_two_active_info_marts_only_what_the_survivor_can_no_longer_extract_is_lost(world: World) -> None:
    world.lose(MARK - 20, key=102)
    step = LossStep(world)
    step.params["failure_time"] = clock(FAILED)
    step.topology.architecture = "active-active"
    before = run(step, "before")
    # Extracted by the survivor itself: its own transformation brings the facts.
    assert by_key(before)[102] == (0, 0)
    low, high = by_key(before)[101]
    assert low < 20 < high < 60  # type: ignore[operator]
    low, high = by_key(before)[104]
    assert 100 < low < 200 < high < 320  # type: ignore[operator]
    report = before["report"]
    assert "**Loss estimate. Calls lost:" in report and "calls active at the failure are lost" in report
    assert "extracted twice" not in report and "drained" not in report and "site2 has extracted them itself" in report
    assert facts.LOSS_MARKS.name not in step.ledger and step.ledger.has(facts.LOSS_REPORT)
    # The survivor's server goes on meanwhile.
    world.marks[102] = world.covered[102] = FAILED
    end = run(step, "end")
    assert by_key(end) == by_key(before) and "Loss at the end of the failover" in end["report"]


class Cursor:
    def __init__(self, rows: list[tuple[Any, ...]], error: str = "") -> None:
        self.rows, self.error, self.executed = rows, error, ""

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, text: str, binds: dict[str, Any]) -> None:
        self.executed = text

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        yield from self.rows
        if self.error:
            raise oracledb.OperationalError(self.error)


class Connection:
    def __init__(self, cursor: Cursor) -> None:
        self._cursor, self.closed = cursor, False

    def cursor(self) -> Cursor:
        return self._cursor

    def close(self) -> None:
        self.closed = True


def streaming(cursor: Cursor) -> tuple[Connection, Any]:
    connection = Connection(cursor)
    return connection, SimpleNamespace(get_conn=lambda: connection, target=lambda: "connection idb_site2")


def test_rows_come_as_a_stream_and_the_connection_is_closed() -> None:
    connection, hook = streaming(Cursor([("a", 1), ("b", 2)]))
    rows = loss_reading.stream(hook, "idb_guids", {"schema": "ICON"}, after_ts=1, until_ts=2, oldest_ts=0)
    assert next(rows) == ("a", 1)
    assert not connection.closed
    assert list(rows) == [("b", 2)]
    assert connection.closed
    assert "ICON.g_call" in connection.cursor().executed


def test_a_stream_that_breaks_off_raises_a_typed_error_and_closes() -> None:
    connection, hook = streaming(Cursor([("a", 1)], "ORA-03113: end-of-file on communication channel"))
    with pytest.raises(Exception, match="Statement idb_guids: connection idb_site2: the connection was lost") as caught:
        list(loss_reading.stream(hook, "idb_guids", {"schema": "ICON"}, after_ts=1, until_ts=2, oldest_ts=0))
    assert getattr(caught.value, "retryable", False)
    assert connection.closed


def test_the_facts_of_the_loss_are_json(world: World) -> None:
    step = drained(world)
    run(step)
    assert json.loads(step.ledger["loss:drained"])["drained"] is True
    assert json.loads(step.ledger["loss_marks"])["proof"] == "RGIM is STOPPED at the end"
