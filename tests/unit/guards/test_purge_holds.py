"""Purge holds: several at once, two Airflows, a person who enables a job, ends without a judgement, the ring."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.guards.purge_world import NOW, Job, Tables, days, idb

from infomart_dr.errors import PermanentError, TopologyError, UnreachableError
from infomart_dr.guards import high_water_marks as high_water_marks_guard
from infomart_dr.guards.purge_holds import End, HeldJob, Hold, HoldStore, IdbHolds, PurgeHolds, ring_warning


def place(
    here: IdbHolds, hold_id: str = "CHG1", *, begins: datetime = NOW, end: End | None = None, owner: str = "anna"
) -> bool:
    return here.store.place(hold_id, owner, "", "test", begins, end or End(ends_at=NOW + days(2)))


def enforce(here: IdbHolds, now: datetime = NOW) -> Any:
    """The guard, with holds that end by time only."""
    return here.enforce(now, lambda hold: "its end has come" if hold.end.ends_at and hold.end.ends_at <= now else None)


@pytest.fixture
def tables() -> Tables:
    return Tables()


# -- holding and giving back -----------------------------------------------------------------------


def test_a_hold_disables_every_job_of_an_idb_and_its_end_enables_them(tables: Tables) -> None:
    jobs = Job("ICON.A"), Job("ICON.B")
    here = idb(tables, *jobs)
    place(here)
    enforce(here)
    assert [job.enabled for job in jobs] == [False, False]
    report = enforce(here, NOW + days(2))
    assert [job.enabled for job in jobs] == [True, True]
    assert any("is over" in words for words in report.changed)
    assert tables.jobs == []


def test_a_job_that_no_hold_ever_touched_is_never_touched(tables: Tables) -> None:
    asleep, awake = Job("ICON.A", enabled=False), Job("ICON.B")
    enforce(idb(tables, asleep, awake))
    assert asleep.acts == awake.acts == []
    assert tables.made == set(), "a look makes no tables"


def test_a_job_that_was_disabled_before_the_hold_stays_disabled(tables: Tables) -> None:
    job = Job(enabled=False)
    here = idb(tables, job)
    place(here)
    enforce(here)
    enforce(here, NOW + days(3))
    assert not job.enabled
    assert tables.jobs == []


def test_a_check_that_finds_everything_as_it_must_be_acts_on_no_job(tables: Tables) -> None:
    job = Job()
    here = idb(tables, job)
    place(here)
    for _ in range(3):
        enforce(here)
    assert job.acts == ["disable"]


def test_purging_resumes_when_the_last_of_several_holds_is_gone(tables: Tables) -> None:
    job = Job()
    here = idb(tables, job)
    place(here, "CHG1", end=End(ends_at=NOW + days(1)))
    place(here, "CHG2", end=End(ends_at=NOW + days(2)))
    enforce(here)
    enforce(here, NOW + days(1))
    assert not job.enabled
    enforce(here, NOW + days(2))
    assert job.enabled


def test_a_hold_that_is_placed_ahead_of_time_begins_by_the_guard(tables: Tables) -> None:
    job = Job()
    here = idb(tables, job)
    place(here, begins=NOW + days(1))
    assert enforce(here).holds
    assert job.acts == []
    enforce(here, NOW + days(1))
    assert not job.enabled


def test_a_hold_of_an_id_that_stands_is_not_placed_a_second_time(tables: Tables) -> None:
    here = idb(tables, Job())
    assert place(here)
    assert not place(here)
    here.store.release("CHG1", "anna", "done")
    assert not place(here), "a placing that is cleared after the release brings nothing back"
    assert not here.active(NOW)


def test_an_owner_that_does_not_fit_is_refused(tables: Tables) -> None:
    with pytest.raises(PermanentError, match=r"(?s)251 bytes.*\nNext: Start a new run with a shorter id"):
        place(idb(tables, Job()), owner="x" * 251)


# -- somebody enables the job ----------------------------------------------------------------------


def test_a_job_that_somebody_enables_under_a_hold_is_disabled_again_and_reported(tables: Tables) -> None:
    job = Job()
    here = idb(tables, job)
    place(here)
    assert enforce(here).reported == []
    job.enabled = True
    assert "somebody enabled ICON.PURGE under a hold" in enforce(here).reported[0]
    assert not job.enabled
    assert tables.jobs[0]["enabled_again"] == 1
    assert enforce(here).reported == []


def test_a_job_that_was_disabled_before_and_enabled_under_the_hold_is_enabled_at_its_end(tables: Tables) -> None:
    job = Job(enabled=False)
    here = idb(tables, job)
    place(here)
    enforce(here)
    job.enabled, job.memory = True, "2026-11-03T02:00:00"
    enforce(here)
    enforce(here, NOW + days(3))
    assert job.acts == ["disable", "enable 2026-11-03T02:00:00"]


def test_a_check_that_broke_off_before_the_job_was_disabled_takes_nobody_for_the_culprit(tables: Tables) -> None:
    job = Job()
    here = idb(tables, job)
    place(here)
    here.store.note(job.key, True, "")
    assert enforce(here).reported == []
    assert not job.enabled


def test_a_job_that_cannot_be_enabled_keeps_its_row_for_the_next_check(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job()
    here = idb(tables, job)
    place(here)
    enforce(here)
    with monkeypatch.context() as patch:
        patch.setattr(Job, "_enable", lambda self, memory: None)
        ((_, error),) = enforce(here, NOW + days(3)).errors
        assert "after it was enabled" in error.what
    enforce(here, NOW + days(3))
    assert job.enabled


# -- a purge that runs -----------------------------------------------------------------------------


def test_a_purge_that_runs_is_left_to_end_and_held_by_the_next_check(tables: Tables) -> None:
    job = Job()
    job.running = True
    here = idb(tables, job, Job("ICON.B"))
    place(here)
    assert enforce(here).running == ["ICON.PURGE"]
    assert job.enabled
    assert [row["job"] for row in tables.jobs] == ["ICON.B"], "what runs is not noted: its state is not known yet"
    job.running = False
    enforce(here)
    assert job.acts == ["disable"]


# -- two Airflows, two IDBs, two deployments -------------------------------------------------------


def test_two_airflows_see_the_same_holds(tables: Tables) -> None:
    job = Job()
    first, second = idb(tables, job), idb(tables, job)
    place(first, "CHG1")
    enforce(first)
    place(second, "CHG2", end=End(ends_at=NOW + days(5)))
    enforce(first, NOW + days(2))
    assert not job.enabled, "the first Airflow gives nothing back that the second one holds"
    enforce(second, NOW + days(5))
    assert job.acts == ["disable", "enable"]


def test_a_hold_that_another_airflow_places_while_the_job_is_given_back_holds(tables: Tables) -> None:
    """The second still finds the job disabled, and does nothing; the first must check again after enabling."""

    class Racing(Job):
        def _enable(self, memory: str) -> None:
            place(second, "CHG2", end=End(ends_at=NOW + days(5)))
            second.hold_jobs()
            super()._enable(memory)

    job = Racing()
    first, second = idb(tables, job), idb(tables, job)
    place(first)
    enforce(first)
    enforce(first, NOW + days(2))
    assert not job.enabled
    assert tables.jobs[0]["was_enabled"] == "Y"
    job.acts.clear()
    Racing._enable = Job._enable  # type: ignore[method-assign]
    enforce(second, NOW + days(5))
    assert job.acts == ["enable"]


def test_a_job_that_purges_two_idbs_is_given_back_with_the_last(tables: Tables) -> None:
    job = Job()
    first, second = idb(tables, job, name="ts1"), idb(tables, job, name="ts2")
    place(first, end=End(ends_at=NOW + days(1)))
    place(second, end=End(ends_at=NOW + days(2)))
    for here in (first, second):
        enforce(here)
    assert "stays disabled" in enforce(first, NOW + days(1)).changed[-1]
    assert not job.enabled
    enforce(second, NOW + days(2))
    assert job.enabled


def before_the_next_row_is_forgotten(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let another run act between the reading of a job and the end of the check."""
    forget, meanwhile = HoldStore.forget, iter([act])

    def slowly(self: HoldStore, row: HeldJob) -> bool:
        next(meanwhile, lambda: None)()
        return forget(self, row)

    monkeypatch.setattr(HoldStore, "forget", slowly)


def test_two_guards_that_give_a_job_back_at_once_leave_it_enabled(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job()
    here, there = idb(tables, job), idb(tables, job)
    place(here)
    enforce(here)
    here.store.release("CHG1", "anna", "done")
    before_the_next_row_is_forgotten(monkeypatch, lambda: enforce(there, NOW))
    enforce(here, NOW)
    assert job.enabled
    assert tables.jobs == []


def test_a_job_of_two_idbs_whose_last_holds_end_at_once_is_enabled(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job()
    one, other = (idb(tables, job, name=name) for name in ("ts1", "ts2"))
    for each in (one, other):
        place(each)
        enforce(each)
        each.store.release("CHG1", "anna", "done")
    before_the_next_row_is_forgotten(monkeypatch, lambda: enforce(other, NOW))
    enforce(one, NOW)
    assert job.enabled
    assert tables.jobs == []


def test_a_hold_of_an_airflow_whose_clock_is_ahead_is_kept_by_one_whose_clock_is_not(tables: Tables) -> None:
    job = Job()
    here = idb(tables, job)
    ahead = timedelta(minutes=2)
    place(here, begins=NOW + ahead)
    enforce(here, NOW + ahead)
    enforce(here, NOW)
    assert not job.enabled


def test_a_job_of_two_idbs_gets_back_what_its_first_hold_remembered_of_it(tables: Tables) -> None:
    job = Job(memory="2026-11-03T02:00:00")
    one, other = (idb(tables, job, name=name) for name in ("ts1", "ts2"))
    place(one)
    enforce(one)
    job.memory = ""
    place(other)
    enforce(other)
    for each in (one, other):
        each.store.release("CHG1", "anna", "done")
        enforce(each)
    assert job.acts == ["disable", "enable 2026-11-03T02:00:00"]


def test_a_job_of_two_idbs_that_somebody_enabled_is_enabled_by_the_last_whichever_saw_it(tables: Tables) -> None:
    job = Job(enabled=False)
    one, other = (idb(tables, job, name=name) for name in ("ts1", "ts2"))
    for each in (one, other):
        place(each)
        enforce(each)
    job.enabled = True
    enforce(one)
    assert not job.enabled
    for each in (one, other):
        each.store.release("CHG1", "anna", "done")
        enforce(each)
    assert job.enabled


def test_a_hold_that_is_extended_while_its_end_is_judged_holds_on(tables: Tables) -> None:
    job = Job()
    here = idb(tables, job)
    place(here)
    enforce(here)

    def over(hold: Hold) -> str:
        here.store.extend(hold.hold_id, End(ends_at=NOW + days(9)), NOW)
        return "its end has come"

    report = here.enforce(NOW + days(2), over)
    assert not job.enabled
    assert len(report.holds) == 1


def test_a_job_that_cannot_be_reached_keeps_no_other_from_being_held(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, near = Job("cron on a lost host"), Job("ICON.B")
    monkeypatch.setattr(away, "state", lambda: 1 / 0)
    here = idb(tables, away, near)
    place(here)
    report = enforce(here)
    assert not near.enabled
    assert [what for what, _ in report.errors] == ["site2/ts1: cron on a lost host"]
    here.store.release("CHG1", "anna", "done")
    assert enforce(here, NOW).changed == ["ICON.B is enabled"]


def test_the_holds_of_another_deployment_in_the_same_database_hold_the_job_they_share(tables: Tables) -> None:
    job = Job()
    here, there = idb(tables, job), idb(tables, job, deployment="other")
    place(here, end=End(ends_at=NOW + days(1)))
    place(there, end=End(ends_at=NOW + days(2)))
    enforce(there)
    enforce(here)
    enforce(here, NOW + days(1))
    assert not job.enabled
    enforce(there, NOW + days(2))
    assert job.enabled


def test_a_held_job_that_left_the_topology_is_named_and_its_row_stays(tables: Tables) -> None:
    here = idb(tables, Job("ICON.OLD"))
    place(here)
    enforce(here)
    report = enforce(idb(tables, Job("ICON.NEW")), NOW + days(3))
    assert "ICON.OLD is held but no longer in the topology" in report.warnings[0]
    assert tables.jobs


def test_a_held_job_that_left_the_topology_is_named_also_while_its_hold_stands(tables: Tables) -> None:
    here = idb(tables, Job("ICON.OLD"))
    place(here)
    enforce(here)
    assert "ICON.OLD is held but no longer" in enforce(idb(tables, Job("ICON.NEW"))).warnings[0]


# -- the partition ring ----------------------------------------------------------------------------


def test_the_ring_warns_from_seventy_percent_on_and_not_before() -> None:
    assert ring_warning(NOW - days(9.7), NOW, 14, None) == ""
    warning = ring_warning(NOW - days(9.8), NOW, 14, None)
    assert "9.8 of 14 days" in warning
    assert "in 4.2 days, at 2026-11-06 16:48:00 UTC" in warning


@pytest.mark.parametrize(
    ("waiting", "words"),
    [
        ((NOW - days(12), 17), "17 call(s) from 2026-10-21 12:00:00 UTC on"),
        ((NOW - days(15), 17), "since 2026-11-01 12:00:00 UTC"),
        ((NOW, 0), "nothing would be lost now"),
    ],
)
def test_the_ring_says_what_is_lost_by_what_is_not_extracted(waiting: Any, words: str) -> None:
    assert words in ring_warning(NOW - days(11), NOW, 14, waiting)


def test_the_ring_counts_from_the_oldest_call_that_is_not_extracted() -> None:
    """It overwrites the oldest calls first, also those from before the hold."""
    since = NOW - days(0.5)
    warning = ring_warning(since, NOW, 14, (NOW - days(13), 17))
    assert "extraction is 13.0 of 14 days of the partition ring behind: 17 call(s)" in warning
    assert "beginning in 1.0 days" in warning
    assert ring_warning(since, NOW, 14, (NOW - days(9), 17)) == ""
    assert ring_warning(since, NOW, 14, (NOW - days(13), 0)) == "", "an idle data source loses nothing"


def test_an_idb_without_partitions_has_no_ring() -> None:
    assert ring_warning(NOW - days(300), NOW, None, None) == ""


def test_the_age_of_a_hold_is_that_of_the_stopped_purge_and_not_of_the_newest_hold(tables: Tables) -> None:
    here = idb(tables, Job())
    place(here, "CHG1", end=End(ends_at=NOW + days(9)))
    enforce(here)
    place(here, "CHG2", end=End(ends_at=NOW + days(20)))
    assert enforce(here, NOW + days(9.5)).warnings == []
    assert "10.0 of 14 days" in enforce(here, NOW + days(10)).warnings[0]


# -- ends ------------------------------------------------------------------------------------------


class Deployment:
    """A deployment whose site3 fills up: marks by data source, and calls beyond them in the IDB of site2."""

    def __init__(self, **marks: int) -> None:
        self.marks = {int(key.removeprefix("ds")): mark for key, mark in marks.items()}
        self.beyond = 0
        self.table = "GIDB_G_CALL_V"
        self.reachable = True
        #: Marks of one site, where they are others.
        self.marks_at: dict[str, dict[int, int]] = {}
        self.asked: list[str] = []
        self.databases: dict[str, Tables] = {}
        source = SimpleNamespace(
            name="ts1",
            data_source_key=101,
            schema_name="ICON",
            connection="c",
            purge_jobs=["J"],
            partition_ring_days=14,
        )
        bare = SimpleNamespace(name="bare", data_source_key=102, schema_name=None, connection="d", purge_jobs=[])
        sites = {
            "site1": SimpleNamespace(role="failed", idbs=[source], purged_idbs=[source]),
            "site2": SimpleNamespace(role="active", idbs=[source, bare], purged_idbs=[source]),
            "site3": SimpleNamespace(role="new", idbs=[], purged_idbs=[]),
        }
        self.topology = SimpleNamespace(
            name="lab", sites=sites, site=lambda name: sites[name], info_mart=SimpleNamespace(schema_name="GIM")
        )
        self.site = sites.__getitem__

    def oracle(self, connection: str) -> Any:
        tables = self.databases.setdefault(connection, Tables())

        def value(name: str, identifiers: Any = None, **binds: Any) -> Any:
            return self.beyond if name == "idb_calls_above" else tables.value(name, identifiers, **binds)

        return SimpleNamespace(value=value, select=tables.select, execute=tables.execute)

    def info_mart(self, site: str) -> Any:
        self.asked.append(site)
        if not self.reachable:
            raise UnreachableError(f"{site} does not answer.")
        marks = self.marks_at.get(site, self.marks)
        rows = [{"data_source_key": key, "table_name": self.table, "max_ts": mark} for key, mark in marks.items()]
        return SimpleNamespace(select=lambda *_: rows)

    def user(self, connection: str) -> str:
        return "SYSTEM"

    def purge_jobs(self, settings: Any) -> list[Job]:
        return [Job(key) for key in settings.purge_jobs]


T = int((NOW - days(1)).timestamp())


def is_over(world: Deployment, end: End, tables: Tables, now: datetime = NOW) -> tuple[str | None, list[str]]:
    warnings: list[str] = []
    hold = Hold("CHG1", "anna", "test", NOW - days(2), NOW - days(2), end)
    holds = PurgeHolds(world)  # type: ignore[arg-type]
    return holds.over(idb(tables, Job()), hold, now, warnings), warnings


@pytest.mark.parametrize(
    ("mark", "beyond", "over"), [(T + 1, 5, True), (T, 5, False), (T, 0, True)], ids=["passed", "behind", "idle"]
)
def test_a_hold_ends_when_the_sites_mark_of_its_own_data_source_has_passed(
    tables: Tables, mark: int, beyond: int, over: bool
) -> None:
    world = Deployment(ds101=mark, ds102=0)
    world.beyond = beyond
    why, warnings = is_over(world, End(until_site="site3", until_time=NOW - days(1)), tables)
    assert bool(why) == over
    assert warnings == []


def test_an_idle_data_source_ends_no_hold_before_its_time(tables: Tables) -> None:
    world = Deployment(ds101=T)
    assert is_over(world, End(until_site="site3", until_time=NOW + days(1)), tables)[0] is None


def test_a_data_source_with_an_idb_that_nobody_counts_is_not_idle(tables: Tables) -> None:
    """The ICON of one IDB of a pair was down: its IDB is empty, and the calls are in the other one."""
    world = Deployment(ds101=T)
    world.topology.sites["site2"].idbs[1].data_source_key = 101
    assert is_over(world, End(until_site="site3", until_time=NOW - days(1)), tables)[0] is None


def test_a_data_source_without_calls_is_never_taken_for_idle(tables: Tables) -> None:
    """G_CALL of a Configuration Server's or OCS's IDB is always empty."""
    world = Deployment(ds101=T)
    world.table = "GIDB_GO_CAMPAIGN"
    end = End(until_site="site3", until_time=NOW - days(1))
    why, (warning,) = is_over(world, end, tables)
    assert why is None and "without calls nobody can tell" in warning
    world.marks[101] = T + 1
    assert is_over(world, end, tables)[0]


def test_a_table_without_a_mark_says_nothing_of_its_data_source() -> None:
    rows = [{"data_source_key": 1, "max_ts": mark} for mark in (9, None, 5)] + [{"data_source_key": 2, "max_ts": None}]
    assert high_water_marks_guard.lowest(rows) == {1: 5}


def test_a_site_without_a_mark_of_the_data_source_ends_nothing(tables: Tables) -> None:
    assert is_over(Deployment(ds102=T + 9), End(until_site="site3", until_time=NOW - days(1)), tables)[0] is None


@pytest.mark.parametrize("site", ["site1", "site3"], ids=["lost", "does not answer"])
def test_a_site_that_cannot_be_asked_keeps_the_hold_and_says_so(tables: Tables, site: str) -> None:
    world = Deployment(ds101=T + 9)
    world.reachable = False
    why, warnings = is_over(world, End(until_site=site, until_time=NOW - days(1)), tables)
    assert why is None
    assert "CHG1 is kept" in warnings[0]


def test_a_plans_hold_ends_by_no_time(tables: Tables) -> None:
    world = Deployment(ds101=T + 9)
    assert is_over(world, End(until_site="site3"), tables, NOW + days(100)) == (None, [])


def test_an_idb_whose_connection_is_missing_keeps_no_other_from_the_guard(
    tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = Deployment(ds101=T)
    source, bare = world.topology.sites["site2"].idbs
    world.topology.sites["site2"].purged_idbs = [source, bare]
    holds = PurgeHolds(world)  # type: ignore[arg-type]
    there = idb(tables, Job())
    place(there, end=End(ends_at=NOW + days(4000)))

    def of(site: str, settings: Any) -> IdbHolds:
        if settings is source:
            raise TopologyError("There is no connection c.")
        return there

    monkeypatch.setattr(holds, "of", of)
    first, second = holds.enforce_all()
    assert [what for what, _ in first.errors] == ["site2/ts1: holds"]
    assert not there.jobs[0].enabled and second.errors == []  # type: ignore[attr-defined]


# -- jobs that left the topology --------------------------------------------------------------------


def held_in(tables: Tables, **row: Any) -> None:
    here = idb(tables, Job("ICON.OLD"), **row)
    place(here)
    enforce(here)


def warnings_of(world: Deployment) -> list[str]:
    reports = PurgeHolds(world).enforce_all()  # type: ignore[arg-type]
    assert [report.errors for report in reports if report.errors] == []
    return [f"{report.idb}: {words}" for report in reports for words in report.warnings]


@pytest.mark.parametrize("name", ["gone", "bare"], ids=["the IDB", "its whole list"])
@pytest.mark.parametrize("connection", ["c", "d"], ids=["of a held IDB", "of an IDB that is not held"])
def test_a_job_that_is_held_for_an_idb_that_left_the_topology_is_named(name: str, connection: str) -> None:
    world = Deployment(ds101=T)
    held_in(world.databases.setdefault(connection, Tables()), name=name)
    (warning,) = warnings_of(world)
    assert warning.startswith(f"site2/{name}: ICON.OLD is held but no longer in the topology")
    assert "enable it by hand (it was enabled before the hold), then delete its row" in warning


def test_what_other_deployments_hold_and_what_a_lost_site_held_is_not_taken_for_left() -> None:
    world = Deployment(ds101=T)
    shared = world.databases.setdefault("c", Tables())
    held_in(shared, name="gone", deployment="other")
    held_in(shared, name="ts1", site="site1")
    assert warnings_of(world) == []


def test_an_idb_of_a_lost_site_is_not_asked_for_what_left(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Deployment(ds101=T)
    world.topology.sites["site1"].idbs = [SimpleNamespace(name="far", connection="lost", purge_jobs=[])]
    asked: list[str] = []
    monkeypatch.setattr(world, "user", lambda connection: asked.append(connection) or "SYSTEM")
    warnings_of(world)
    assert set(asked) == {"c", "d"}


def test_two_connections_of_one_user_name_a_job_once() -> None:
    world = Deployment(ds101=T)
    world.databases = dict.fromkeys(("c", "d"), Tables())
    held_in(world.databases["c"], name="gone")
    assert len(warnings_of(world)) == 1


def no_connection(world: Deployment, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    user = world.user

    def missing(connection: str) -> str:
        if connection == name:
            raise TopologyError(f"There is no connection {name}.")
        return user(connection)

    monkeypatch.setattr(world, "user", missing)


def test_a_connection_of_no_held_idb_that_gives_no_answer_does_not_fail_the_guard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = Deployment(ds101=T)
    no_connection(world, monkeypatch, "d")
    assert "cannot check for held jobs that left the topology: There is no connection d" in "".join(warnings_of(world))


def test_an_idb_that_gives_no_answer_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = Deployment(ds101=T)
    no_connection(world, monkeypatch, "c")
    reports = PurgeHolds(world).enforce_all()  # type: ignore[arg-type]
    assert [label for report in reports for label, _ in report.errors] == ["site2/ts1: holds"]


# -- calls not yet extracted -----------------------------------------------------------------------


def mark(before: timedelta) -> int:
    return int((NOW - before).timestamp())


def ring_warnings(world: Deployment, here: IdbHolds, now: datetime = NOW) -> list[str]:
    return PurgeHolds(world).enforce(here, now).warnings  # type: ignore[arg-type]


def test_a_hold_that_is_placed_while_extraction_is_far_behind_is_warned_of_at_once(tables: Tables) -> None:
    world = Deployment(ds101=mark(days(13)))
    world.beyond = 17
    here = idb(tables, Job())
    place(here)
    (warning,) = ring_warnings(world, here)
    assert "extraction is 13.0 of 14 days" in warning and "in 1.0 days" in warning
    world.beyond = 0
    assert ring_warnings(world, here) == []


@pytest.mark.parametrize("unknown", ["no schema", "no calls", "no answer"])
def test_where_nobody_knows_what_is_extracted_the_age_is_that_of_the_hold(tables: Tables, unknown: str) -> None:
    world = Deployment(ds101=mark(days(13)))
    world.beyond = 17
    here = idb(tables, Job())
    if unknown == "no schema":
        here.settings.schema_name = None
    elif unknown == "no calls":
        world.table = "GIDB_GO_CAMPAIGN"
    else:
        world.reachable = False
    place(here, end=End(ends_at=NOW + days(20)))
    assert ring_warnings(world, here) == []
    (warning,) = ring_warnings(world, here, NOW + days(10))
    assert "purging has been stopped for 10.0 of 14 days of the partition ring: calls from" in warning


@pytest.mark.parametrize("until", [None, NOW - days(1)], ids=["a plan's", "by hand"])
def test_the_marks_that_a_site_has_before_it_is_filled_say_nothing(tables: Tables, until: datetime | None) -> None:
    """Marks of an earlier use would report a false loss; those of the active site count."""
    world = Deployment(ds101=mark(timedelta(minutes=1)))
    world.marks_at["site3"] = {101: mark(days(60))}
    world.beyond = 17
    here = idb(tables, Job())
    place(here, end=End(until_site="site3", until_time=until))
    assert ring_warnings(world, here) == []
    world.marks[101] = mark(days(-9))
    (warning,) = ring_warnings(world, here, NOW + days(10))
    assert "calls from 2026-11-02 12:00:00 UTC on" in warning, "what the site lacks from the hold on is not known"
    world.marks[101] = mark(days(13))
    assert "extraction is 13.0 of 14 days" in ring_warnings(world, here)[0]


def test_a_site_that_gives_no_answer_is_asked_once_a_check(tables: Tables) -> None:
    world = Deployment()
    world.reachable = False
    holds = PurgeHolds(world)  # type: ignore[arg-type]
    for name in ("ts1", "ts2"):
        here = idb(tables, Job(name), name=name)
        place(here)
        holds.enforce(here, NOW)
    assert world.asked == ["site2"]


# -- choosing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("which", "found"), [("", ["site2/ts1"]), ("site2", ["site2/ts1"]), ("ts1", ["site2/ts1"])])
def test_a_site_or_all_are_its_idbs_that_have_purge_jobs(which: str, found: list[str]) -> None:
    assert [each.label for each in PurgeHolds(Deployment()).choose(which)] == found  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("which", "words"),
    [("site1", "role failed"), ("bare", "nothing to hold"), ("paris", "Give one of: bare")],
)
def test_what_cannot_be_held_is_refused_with_the_reason(which: str, words: str) -> None:
    with pytest.raises(PermanentError, match=words):
        PurgeHolds(Deployment()).choose(which)  # type: ignore[arg-type]
