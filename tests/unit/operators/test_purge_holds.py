"""infomart_purge_hold and infomart_purge_guard: valid forms, and the actions of a run, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, ParamValidationError, TaskDeferred
from tests.unit.guards.purge_world import Job, Tables, idb
from tests.unit.operators.fakes import FakeStep, replace_question

from infomart_dr.errors import GuardError, PermanentError, RequestError, TopologyError, TransientError, UnreachableError
from infomart_dr.guards.plan_holds import no_chosen_purge_runs
from infomart_dr.guards.purge_holds import End, HoldStore, IdbHolds, Report, plan_hold
from infomart_dr.operators import purge_holds
from infomart_dr.operators.purge_holds import (
    ChangeHolds,
    CheckRequest,
    EnforceHolds,
    ListHolds,
    read_request,
)
from infomart_dr.plan.parameters import RUN_ID_LIMIT
from infomart_dr.runbook.purge_holds import hold_params
from infomart_dr.sensors.purge_jobs import MatchJobs

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
PLACE = {"action": "place", "ends_at": "2026-11-03T05:00Z", "reason": "index rebuild"}


# -- the request -----------------------------------------------------------------------------------


def test_a_hold_has_the_id_of_its_run_and_begins_now_unless_a_begin_is_given() -> None:
    request = read_request(PLACE, "CHG0042", NOW, NOW)
    assert (request.hold, request.begins_at, request.reason) == ("CHG0042", NOW, "index rebuild")
    later = read_request(PLACE | {"begins_at": "2026-11-02T22:00Z"}, "CHG0042", NOW, NOW)
    assert later.begins_at == NOW + timedelta(hours=10)


def test_a_hold_may_end_by_a_sites_high_water_mark() -> None:
    given = {"action": "place", "until_site_passes": "site3", "until_time": "2026-11-01T00:00", "ticket": "CHG1"}
    request = read_request(given, "run", NOW, NOW)
    assert request.end == End(until_site="site3", until_time=datetime(2026, 11, 1, tzinfo=UTC))
    assert request.reason == "ticket CHG1"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (PLACE | {"ends_at": ""}, "needs one end"),
        (PLACE | {"until_site_passes": "site3", "until_time": "2026-11-01T00:00Z"}, "needs one end"),
        (PLACE | {"until_site_passes": "site3"}, "belong together"),
        (PLACE | {"until_time": "2026-11-01T00:00Z"}, "belong together"),
        (
            PLACE | {"ends_at": "2026-11-02T11:59Z"},
            "later than the begin and than the request .2026-11-02 12:00:00 UTC",
        ),
        (
            PLACE | {"begins_at": "2026-11-03T06:00Z"},
            "later than the begin and than the request .2026-11-02 12:00:00 UTC",
        ),
        (PLACE | {"reason": " "}, "a reason or a ticket"),
        (PLACE | {"hold": "CHG1"}, "takes none"),
        (PLACE | {"ends_at": "tomorrow"}, "not a valid time"),
        ({"action": "extend", "ends_at": "2026-11-03T05:00Z"}, "needs the id of a hold"),
        ({"action": "extend", "hold": "CHG1"}, "needs one end"),
        ({"action": "release"}, "needs the id of a hold"),
        ({"action": "release", "hold": "CHG1", "ends_at": "2026-11-03T05:00Z"}, "takes none"),
        ({"action": "release", "hold": "CHG1", "begins_at": "2026-11-03T05:00Z"}, "takes none"),
        ({"action": "list", "hold": "CHG1"}, "takes none"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused_with_the_reason(given: dict[str, str], words: str) -> None:
    with pytest.raises(PermanentError, match=words):
        read_request(given, "run", NOW, NOW)


def test_a_request_is_judged_by_when_it_was_asked_for() -> None:
    late = datetime(2026, 11, 4, tzinfo=UTC)
    assert read_request(PLACE, "CHG0042", NOW, late).begins_at == late
    with pytest.raises(PermanentError, match="later than the begin and than the request"):
        read_request(PLACE, "CHG0042", late, late)


# -- a run -----------------------------------------------------------------------------------------


class World:
    """Two IDBs in one database."""

    def __init__(self) -> None:
        self.tables = Tables(datetime.now(UTC))
        self.jobs = {"ts1": Job("ICON.A"), "ts2": Job("ICON.B")}
        self.unreachable: set[str] = set()
        self.extracted: tuple[datetime, int] | None = None

    def choose(self, which: str = "") -> list[IdbHolds]:
        return [idb(self.tables, job, name=name) for name, job in self.jobs.items() if which in ("", name)]

    def living(self) -> list[str]:
        return ["site2", "site3"]

    def waiting(self, here: IdbHolds, since: datetime, now: datetime) -> tuple[datetime, int] | None:
        return self.extracted

    def enforce(self, here: IdbHolds) -> Report:
        now = datetime.now(UTC)
        if here.settings.name in self.unreachable:
            report = Report(here.label)
            report.failed("holds", UnreachableError("The database does not answer."))
            return report
        return here.enforce(now, lambda hold: "over" if hold.end.ends_at and hold.end.ends_at <= now else None)

    def enforce_all(self) -> list[Report]:
        return [self.enforce(here) for here in self.choose()]

    def enabled(self) -> list[bool]:
        return [job.enabled for job in self.jobs.values()]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    replace_question(monkeypatch, "PurgeHolds", lambda deployment: deployment)
    return World()


def in_days(number: int) -> str:
    return f"{datetime.now(UTC) + timedelta(days=number):%Y-%m-%dT%H:%M:%SZ}"


def step_of(world: World, run_id: str = "CHG1", **params: str) -> Any:
    step: Any = FakeStep(run_id, f"infomart_purge_hold {run_id}")
    step.params = {"action": "place", "which": "", **params}
    step.deployment = world
    step.topology.timeouts.inline_wait = 5.0
    roles = {"site1": "failed", "site2": "active", "site3": "new"}
    step.topology.sites = {name: SimpleNamespace(role=role) for name, role in roles.items()}
    step.topology.site = lambda name, parameter: step.topology.sites[name]
    return step


def run(step: Any, asked_at: datetime | None = None, person: str = "anna") -> None:
    """A run, or one that is cleared, when it was asked for at that time."""
    step.requester, step.run_after = person, asked_at or step.deployment.tables.now
    check, change = CheckRequest(task_id="check"), ChangeHolds(task_id="change")
    for task in (check, change, MatchJobs(task_id="match"), ListHolds(task_id="list")):
        try:
            task._run(step)
        except AirflowSkipException:
            assert step.params["action"] == "list"


def place(world: World, run_id: str = "CHG1", **params: str) -> None:
    run(step_of(world, run_id, **{"ends_at": in_days(2), "reason": "index rebuild", **params}))


def test_placed_extended_and_released_a_hold_is_one_row_with_its_owner(world: World) -> None:
    place(world, which="ts1", ticket="CHG0042")
    assert world.enabled() == [False, True]
    run(step_of(world, "run-2", action="extend", hold="CHG1", ends_at=in_days(5)))
    run(step_of(world, "run-3", action="release", hold="CHG1", reason="done early"))
    assert world.enabled() == [True, True]
    (row,) = world.tables.holds
    assert (row["owner"], row["ticket"]) == ("anna, infomart_purge_hold CHG1", "CHG0042")
    assert row["ends_at"].date() == (datetime.now(UTC) + timedelta(days=5)).date()
    assert (row["released_by"], row["released_why"]) == ("anna, infomart_purge_hold run-3", "done early")


def test_the_longest_id_of_a_run_fits_whoever_started_it(world: World) -> None:
    run_id, person = "x" * RUN_ID_LIMIT, "anna.\N{LATIN SMALL LETTER U WITH DIAERESIS}" * 50
    step = step_of(world, run_id, which="ts1", ends_at=in_days(2), reason="index rebuild")
    for _ in range(2):
        run(step, person=person)
    (row,) = world.tables.holds
    assert row["hold_id"] == run_id
    assert row["owner"].startswith("anna.") and row["owner"].endswith(f", infomart_purge_hold {run_id}")
    run(step_of(world, "y" * RUN_ID_LIMIT, action="release", hold=run_id), person=person)
    assert world.tables.holds[0]["released_by"].endswith(f", infomart_purge_hold {'y' * RUN_ID_LIMIT}")


def test_a_hold_at_all_idbs_may_be_released_at_one(world: World) -> None:
    place(world)
    run(step_of(world, "run-2", action="release", hold="CHG1", which="ts2"))
    assert world.enabled() == [False, True]


def test_a_run_that_is_cleared_repeats_nothing(world: World) -> None:
    place(world)
    place(world)
    assert [job.acts for job in world.jobs.values()] == [["disable"], ["disable"]]
    release = step_of(world, "run-2", action="release", hold="CHG1")
    run(release)
    run(release)
    place(world)
    assert world.enabled() == [True, True], "placing again is a new run's affair"


def test_a_run_that_is_cleared_after_its_end_repeats_nothing_and_succeeds(world: World) -> None:
    asked = datetime.now(UTC) - timedelta(days=3)
    world.tables.now = asked
    begun, over = asked + timedelta(minutes=1), End(ends_at=asked + timedelta(days=2))
    for here in world.choose():
        here.store.place("CHG1", "anna, infomart_purge_hold CHG1", "", "index rebuild", begun, over)
        here.store.release("CHG1", "its own end", "its end has come")
    before = [dict(row) for row in world.tables.holds]
    run(step_of(world, ends_at=f"{over.ends_at:%Y-%m-%dT%H:%M:%SZ}", reason="index rebuild"), asked)
    assert world.tables.holds == before
    assert [job.acts for job in world.jobs.values()] == [[], []]


def test_a_hold_whose_end_passed_before_it_could_be_placed_holds_nothing_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An IDB was away, or the DAG paused, until after the end."""
    warned: list[str] = []
    log = SimpleNamespace(info=lambda *args: None, warning=lambda words, *args: warned.append(words % args))
    monkeypatch.setattr(ChangeHolds, "log", log)
    step, asked = step_of(world, ends_at=in_days(-1), reason="index rebuild"), datetime.now(UTC) - timedelta(days=3)
    for _ in range(2):
        run(step, asked)
    assert [job.acts for job in world.jobs.values()] == [[], []]
    assert [row["released_by"] for row in world.tables.holds] == ["its own end"] * 2
    assert [words.partition(":")[0] for words in warned[:2]] == ["site2/ts1", "site2/ts2"]
    assert "passed before the hold could be placed: it holds nothing" in warned[0]


def test_an_extension_that_is_cleared_after_its_end_repeats_nothing_and_succeeds(world: World) -> None:
    place(world, which="ts1")
    step, asked = step_of(world, "run-2", action="extend", hold="CHG1", ends_at=in_days(3)), datetime.now(UTC)
    run(step, asked)
    world.choose("ts1")[0].store.release("CHG1", "its own end", "its end has come")
    before = [dict(row) for row in world.tables.holds]
    run(step, asked)
    assert world.tables.holds == before
    with pytest.raises(GuardError, match="already released"):
        run(step_of(world, "run-3", action="extend", hold="CHG1", ends_at=in_days(3)), asked + timedelta(hours=1))


def test_a_hold_for_later_is_stored_at_once_and_touches_no_job(world: World) -> None:
    place(world, begins_at=in_days(1))
    assert world.enabled() == [True, True]
    assert len(world.tables.holds) == 2
    assert world.tables.jobs == []


def test_an_older_run_that_is_cleared_does_not_take_back_what_a_later_one_extended(world: World) -> None:
    place(world, which="ts1")
    first, second = (
        step_of(world, run_id, action="extend", hold="CHG1", ends_at=in_days(days))
        for run_id, days in (
            ("run-2", 5),
            ("run-3", 10),
        )
    )
    asked = datetime.now(UTC)
    run(first, asked)
    run(second, asked + timedelta(hours=1))
    run(first, asked)
    (row,) = world.tables.holds
    assert row["ends_at"].date() == (datetime.now(UTC) + timedelta(days=10)).date()


def test_a_hold_is_not_shortened_by_an_extension(world: World) -> None:
    place(world, which="ts1", ends_at=in_days(5))
    with pytest.raises(GuardError, match="before the present one"):
        run(step_of(world, "run-2", action="extend", hold="CHG1", ends_at=in_days(2)))


def by_mark(day: int, site: str = "site2") -> dict[str, str]:
    return {"ends_at": "", "until_site_passes": site, "until_time": f"2026-11-{day:02}T00:00Z"}


@pytest.mark.parametrize(
    ("present", "new", "words"),
    [
        (by_mark(9), by_mark(8), "2026-11-08 00:00:00 UTC is before the present one"),
        (by_mark(9), by_mark(10, "site3"), "by the mark of site2 and the new one by that of site3"),
        (by_mark(9), {"ends_at": in_days(99)}, "The present end is a mark and the new one a time"),
        ({"ends_at": in_days(2)}, by_mark(28), "The present end is a time and the new one a mark"),
    ],
)
def test_an_extension_that_may_let_a_hold_end_sooner_is_refused(
    world: World, present: dict[str, str], new: dict[str, str], words: str
) -> None:
    place(world, which="ts1", **present)
    before = [dict(row) for row in world.tables.holds]
    with pytest.raises(GuardError, match=f"(?s){words}.*\nNext: Place another hold"):
        run(step_of(world, "run-2", action="extend", hold="CHG1", **new))
    assert world.tables.holds == before


def test_a_hold_by_a_mark_is_extended_to_a_later_time_of_the_same_site(world: World) -> None:
    place(world, which="ts1", **by_mark(9))
    for _ in range(2):
        run(step_of(world, "run-2", action="extend", hold="CHG1", **by_mark(10)))
    (row,) = world.tables.holds
    assert (row["until_time"].day, row["changes"]) == (10, 1), "the same end again changes nothing"


@pytest.mark.parametrize("person", ["bert", "anna"])
def test_a_run_does_not_take_the_hold_of_another_run_with_its_id_for_its_own(world: World, person: str) -> None:
    """Two Airflows and one ticket: the second run must not succeed with a hold that it has not asked for."""
    place(world, which="ts1")
    run(step_of(world, "run-2", action="release", hold="CHG1"))
    step = step_of(world, which="ts1", ends_at=in_days(3), reason="x")
    with pytest.raises(GuardError, match="this run has not placed"):
        run(step, datetime.now(UTC) + timedelta(hours=1), person)
    assert world.enabled() == [True, True]


def test_a_plan_and_a_person_may_use_one_ticket_number(world: World) -> None:
    place(world, run_id="CHG0042", which="ts1")
    (first, _) = world.choose()
    assert first.store.place(plan_hold("CHG0042"), "plan", "", "copy", datetime.now(UTC), End(until_site="site3"))
    assert len(first.active(datetime.now(UTC))) == 2


def test_an_idb_that_cannot_be_asked_keeps_no_other_from_being_held(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = HoldStore.hold

    def silent(self: HoldStore, hold_id: str) -> Any:
        if self.idb["idb"] == "ts1":
            raise UnreachableError("The database does not answer.")
        return asked(self, hold_id)

    monkeypatch.setattr(HoldStore, "hold", silent)
    with pytest.raises(TransientError, match="site2/ts1: The database does not answer"):
        place(world)
    assert [row["idb"] for row in world.tables.holds] == ["ts2"]
    assert world.enabled() == [True, False], "its jobs do not wait for the retries of the step"
    with pytest.raises(TransientError, match="site2/ts1"):
        place(world)


def test_a_hold_that_is_released_at_one_idb_is_extended_at_the_others(world: World) -> None:
    place(world)
    run(step_of(world, "run-2", action="release", hold="CHG1", which="ts2"))
    run(step_of(world, "run-3", action="extend", hold="CHG1", ends_at=in_days(9)))
    assert [row["end_asked_at"] is not None for row in world.tables.holds] == [True, False]


def test_without_any_purge_job_in_the_topology_the_request_is_refused(world: World) -> None:
    world.jobs.clear()
    with pytest.raises(GuardError, match="nothing to hold"):
        place(world)


@pytest.mark.parametrize("action", ["extend", "release"])
def test_a_hold_that_nobody_placed_is_refused_with_those_that_are_open(world: World, action: str) -> None:
    place(world, which="ts1")
    end = {"ends_at": in_days(3)} if action == "extend" else {}
    with pytest.raises(RequestError, match="Open holds: CHG1"):
        run(step_of(world, "run-2", action=action, hold="CHG9", **end))


def test_a_hold_that_is_released_or_a_plans_is_not_extended(world: World) -> None:
    place(world, which="ts1")
    run(step_of(world, "run-2", action="release", hold="CHG1"))
    with pytest.raises(GuardError, match="already released"):
        run(step_of(world, "run-3", action="extend", hold="CHG1", ends_at=in_days(3)))
    (first, _) = world.choose()
    first.store.place(plan_hold("plan-1"), "run", "", "copy", datetime.now(UTC), End(until_site="site3"))
    with pytest.raises(GuardError, match="belongs to a plan"):
        run(step_of(world, "run-4", action="extend", hold="plan plan-1", ends_at=in_days(3)))


def test_a_hold_of_a_given_up_plan_may_be_released_by_hand(world: World) -> None:
    (first, _) = world.choose()
    first.store.place(plan_hold("plan-1"), "run", "", "copy", datetime.now(UTC), End(until_site="site3"))
    first.hold_jobs()
    asked = hold_params()["hold"].resolve("plan plan-1")
    run(step_of(world, "run-2", action="release", hold=asked))
    assert world.enabled() == [True, True]


@pytest.mark.parametrize("value", ["plan ", "plan  CHG1", "a plan", "plan CHG1 ", "plan a;b"])
def test_a_blank_in_a_holds_id_stands_after_the_word_plan_only(value: str) -> None:
    with pytest.raises(ParamValidationError):
        hold_params()["hold"].resolve(value)


def test_a_site_that_no_mark_can_pass_is_refused_before_anything_is_written(world: World) -> None:
    with pytest.raises(KeyError):
        place(world, ends_at="", until_site_passes="paris", until_time=in_days(0))
    assert world.tables.holds == []


@pytest.mark.parametrize("action", ["place", "extend"])
def test_the_mark_of_a_lost_site_is_refused_as_an_end(world: World, action: str) -> None:
    place(world, "CHG0", which="ts1", **by_mark(9))
    hold = {"action": "extend", "hold": "CHG0"} if action == "extend" else {"reason": "index rebuild"}
    before = [dict(row) for row in world.tables.holds]
    with pytest.raises(
        GuardError, match=r"(?s)site1 has the role failed.*never end by itself.*\nNext: Start a run with a site"
    ):
        run(step_of(world, which="ts1", **hold, **by_mark(10, "site1")))
    assert world.tables.holds == before


def test_a_list_changes_nothing_and_shows_holds_jobs_and_the_ring(world: World) -> None:
    world.tables.now = datetime.now(UTC) - timedelta(days=12)
    place(world, which="ts1")
    world.jobs["ts1"].enabled = True
    seen = ListHolds(task_id="list")._run(step_of(world, "run-2", action="list"))
    lines = "\n".join(seen["lines"])
    assert "site2/ts1: CHG1 of anna" in lines
    assert "ICON.A held since" in lines
    assert "12.0 of 14 days" in lines
    run(step_of(world, "run-2", action="list"))
    assert world.enabled() == [True, True]


def test_a_list_shows_what_extraction_is_behind(world: World) -> None:
    place(world, which="ts1")
    world.extracted = datetime.now(UTC) - timedelta(days=13), 17
    lines = ListHolds(task_id="list")._run(step_of(world, "run-2", action="list"))["lines"]
    assert "extraction is 13.0 of 14 days of the partition ring behind: 17 call(s)" in lines[-1]


def test_a_list_shows_the_holds_of_the_idbs_that_answer_and_names_all_that_do_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.jobs = {name: Job(f"ICON.{name}") for name in ("ts1", "ts2", "ts3")}
    place(world)
    asked = HoldStore.holds

    def silent(self: HoldStore) -> Any:
        if self.idb["idb"] != "ts2":
            raise UnreachableError("The database does not answer.")
        return asked(self)

    monkeypatch.setattr(HoldStore, "holds", silent)
    shown: list[str] = []
    task = ListHolds(task_id="list")
    monkeypatch.setattr(ListHolds, "log", SimpleNamespace(info=lambda words, *args: shown.append(words % args)))
    with pytest.raises(TransientError, match=r"(?s)site2/ts1: The database does not answer.*site2/ts3: The database"):
        task._run(step_of(world, "run-2", action="list"))
    assert any(line.startswith("site2/ts2: CHG1 of anna") for line in shown)
    assert any(line.startswith("site2/ts2: ICON.ts2 held since") for line in shown)


def test_a_purge_that_runs_is_waited_for_and_then_held(world: World) -> None:
    world.jobs["ts1"].running = True
    step = step_of(world, ends_at=in_days(2), reason="x")
    step.topology.timeouts.inline_wait = 0.0
    ChangeHolds(task_id="change")._run(step)
    task = MatchJobs(task_id="match")
    with pytest.raises(TaskDeferred) as deferred:
        task._run(step)
    assert deferred.value.trigger.probe == "infomart_dr.guards.plan_holds.no_chosen_purge_runs"
    assert world.enabled() == [True, False]
    assert not no_chosen_purge_runs(step).satisfied
    world.jobs["ts1"].running = False
    task.after(step, no_chosen_purge_runs(step))
    assert world.enabled() == [False, False]


def test_a_purge_that_runs_after_the_release_is_not_waited_for(world: World) -> None:
    place(world, which="ts1")
    world.jobs["ts2"].running = True
    step = step_of(world, "run-2", action="release", hold="CHG1")
    ChangeHolds(task_id="change")._run(step)
    world.jobs["ts1"].running = True
    assert not no_chosen_purge_runs(step).satisfied, (
        "the job is disabled still, and cannot be given back while a purge runs"
    )
    world.jobs["ts1"].running = False
    task = MatchJobs(task_id="match")
    task.prepare(step)
    world.jobs["ts1"].running = True
    assert no_chosen_purge_runs(step).satisfied, "given back, it purges as it always did"
    assert task.after(step, no_chosen_purge_runs(step)).satisfied
    assert world.enabled() == [True, True]


# -- the guard -------------------------------------------------------------------------------------


class FakeDeployment:
    def __init__(self, world: World) -> None:
        self.world = world

    def __enter__(self) -> Any:
        return self.world

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def guard(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(purge_holds, "Deployment", lambda name: FakeDeployment(world))
    return lambda: EnforceHolds(task_id="enforce", deployment="lab").execute({})  # type: ignore[arg-type]


def test_the_guard_reports_what_somebody_enabled(world: World, guard: Any) -> None:
    place(world, which="ts1")
    world.jobs["ts1"].enabled = True
    assert guard()["reported"] == [
        "site2/ts1: somebody enabled ICON.A under a hold; it is disabled again",
    ]
    assert guard()["reported"] == []


def test_an_idb_that_cannot_be_asked_fails_the_guard_after_the_others_are_done(world: World, guard: Any) -> None:
    place(world)
    world.jobs["ts2"].enabled = True
    world.unreachable = {"ts1"}
    with pytest.raises(TransientError, match="site2/ts1: holds: The database does not answer"):
        guard()
    assert world.enabled() == [False, False]


def test_a_permanent_trouble_makes_the_guards_error_permanent(
    world: World, guard: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = iter([UnreachableError("no answer"), TopologyError("no such job")])

    def fail(here: IdbHolds) -> Report:
        report = Report(here.label)
        report.failed("ICON.A", next(errors))
        return report

    monkeypatch.setattr(world, "enforce", fail)
    with pytest.raises(PermanentError, match=r"no answer site2/ts2: ICON\.A: no such job"):
        guard()
