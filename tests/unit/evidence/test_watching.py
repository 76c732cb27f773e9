"""The answers of a survey become findings, and findings become alerts: once at the begin, once at the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from infomart_dr.errors import UnreachableError
from infomart_dr.evidence import watching
from infomart_dr.evidence.watching import Condition, Finding, Roles, Standing, State, Trouble
from infomart_dr.hooks.parse_ggsci import LogRecord, parse_info_all
from infomart_dr.plan.lock import Holder
from infomart_dr.topology import Watch

WATCH = Watch()
NOW = 1_800_000_000.0


def levels(findings: list[Finding]) -> dict[str, str]:
    return {finding.key: finding.level for finding in findings}


# -- groups --------------------------------------------------------------------------------------------


def info_all(*rows: str, manager: str = "RUNNING") -> Any:
    head = "Program     Status      Group       Lag at Chkpt  Time Since Chkpt\n"
    return parse_info_all(head + "\n".join([f"MANAGER     {manager}", *rows]))


def at_source(*rows: str, **more: Any) -> list[Finding]:
    return watching.group_findings("site1", info_all(*rows, **more), {"EGIM", "PGIM"}, {"EGIM", "PGIM", "RGIM"}, WATCH)


RUNS = ("EXTRACT     RUNNING     EGIM        00:00:02      00:00:05", "EXTRACT  RUNNING  PGIM  00:00:00  00:00:08")


def test_groups_that_run_near_the_present_are_no_finding() -> None:
    assert at_source(*RUNS) == []


@pytest.mark.parametrize(
    ("row", "level", "said"),
    [
        # The lag of a group that does not run is that of its last checkpoint, and says nothing.
        ("EXTRACT ABENDED EGIM 00:00:00 16:05:24", "critical", "is ABENDED; its last checkpoint is 16 h 5 min old"),
        ("EXTRACT STOPPED EGIM 00:00:06 842:45:01", "critical", "is STOPPED; its last checkpoint is 35 d 2 h old"),
        ("EXTRACT STOPPED EGIM unknown unknown", "critical", "is STOPPED."),
        ("EXTRACT RUNNING EGIM 00:00:00 00:10:00", "critical", "RUNNING but has made no checkpoint for 10 min"),
        ("EXTRACT RUNNING EGIM unknown 02:00:00", "critical", "The lag that it shows (unknown) is as old"),
        ("EXTRACT STARTING EGIM 00:00:00 00:30:00", "critical", "is STARTING but has made no checkpoint"),
        ("EXTRACT RUNNING EGIM 00:05:00 00:00:03", "warning", "is RUNNING with a lag of 5 min"),
        ("EXTRACT RUNNING EGIM 00:30:00 00:00:03", "critical", "is RUNNING with a lag of 30 min"),
    ],
)
def test_a_group_is_judged_by_status_lag_and_time_since_checkpoint_together(row: str, level: str, said: str) -> None:
    (finding,) = at_source(row, RUNS[1])
    assert (finding.key, finding.level) == ("site1/groups/EGIM", level)
    assert said in finding.sentence and finding.remedy


@pytest.mark.parametrize("row", ["EXTRACT STARTING EGIM 00:00:00 00:00:03", "EXTRACT RUNNING EGIM unknown unknown"])
def test_a_group_that_comes_up_or_shows_no_figures_yet_is_no_finding(row: str) -> None:
    assert at_source(row, RUNS[1]) == []


def test_a_group_that_must_run_and_is_not_there_is_found() -> None:
    (finding,) = at_source(RUNS[1])
    assert finding.key == "site1/groups/EGIM" and "no group EGIM" in finding.sentence


def test_a_group_that_the_role_does_not_ask_for_is_a_warning_only_while_it_runs() -> None:
    assert levels(at_source(*RUNS, "REPLICAT RUNNING RGIM 00:00:00 00:00:01")) == {"site1/groups/RGIM": "warning"}
    assert at_source(*RUNS, "REPLICAT STOPPED RGIM 00:00:00 99:00:01") == []
    assert at_source(*RUNS, "REPLICAT ABENDED OTHER 00:00:00 99:00:01") == [], "not one of ours"


def test_a_manager_that_does_not_run_is_found_where_replication_is_asked_for() -> None:
    assert levels(at_source(*RUNS, manager="STOPPED")) == {"site1/groups/MANAGER": "critical"}
    assert watching.group_findings("site1", [], set(), {"EGIM"}, WATCH) == []


def test_the_type_column_of_21c_changes_nothing() -> None:
    rows = "EXTRACT     RUNNING     EGIM        INTEGRATED  00:00:02      00:30:05", RUNS[1]
    assert levels(at_source(*rows)) == {"site1/groups/EGIM": "critical"}


# -- lag -----------------------------------------------------------------------------------------------


def test_a_marker_that_arrived_gives_the_exact_lag() -> None:
    lag = watching.lag_of(0.5, 0.5, [("w:1", 10.0)], {"w:1"}, 10.0)
    assert (lag.seconds, lag.exact) == (0.5, True)
    assert watching.lag_findings("site1", "site2", lag, WATCH) == []


def test_without_it_the_oldest_marker_that_is_missing_gives_the_least() -> None:
    written = [("w:1", 100.0), ("w:2", 400.0), ("w:3", 700.0), ("w:4", 1000.0)]
    lag = watching.lag_of(None, 10.0, written, {"w:1"}, 1000.0)
    assert (lag.seconds, lag.exact) == (610.0, False)
    (finding,) = watching.lag_findings("site1", "site2", lag, WATCH)
    assert finding.level == "warning" and "at least 10 min" in finding.sentence
    assert finding.key == "site1-site2/lag/marker"


def test_a_marker_older_than_one_that_arrived_is_not_waited_for() -> None:
    """An earlier target got it, before this one was filled."""
    lag = watching.lag_of(None, 10.0, [("w:0", 5.0), ("w:1", 100.0), ("w:2", 400.0)], {"w:1"}, 400.0)
    assert lag.seconds == 10.0


def test_when_nothing_ever_arrived_the_oldest_of_all_counts() -> None:
    assert watching.lag_of(None, 3.0, [("w:1", 0.0), ("w:2", 2000.0)], (), 2000.0).seconds == 2003.0


# -- ggserr.log ------------------------------------------------------------------------------------------


def record(code: str, severity: str = "ERROR", message: str = "Delivery, rgim.prm:\n no.") -> LogRecord:
    return LogRecord(datetime(2026, 11, 2, tzinfo=UTC), severity, code, message)


def test_errors_are_counted_by_number_and_end_when_they_have_been_quiet() -> None:
    first = watching.troubles({}, [record("OGG-01296"), record("OGG-01296"), record("OGG-00987", "INFO")], NOW, WATCH)
    assert {code: trouble.count for code, trouble in first.items()} == {"OGG-01296": 2}
    later = watching.troubles(first, [record("OGG-01668")], NOW + 3599, WATCH)
    assert set(later) == {"OGG-01296", "OGG-01668"}
    assert set(watching.troubles(later, [], NOW + 3600, WATCH)) == {"OGG-01668"}
    (finding,) = watching.ggserr_findings("site2", first)
    assert finding.key == "site2/ggserr/OGG-01296" and finding.level == "warning"
    assert "2 new error(s) OGG-01296: Delivery, rgim.prm: no." in finding.sentence


def test_an_ignored_number_is_no_finding_also_when_it_stood_before() -> None:
    watch = Watch(ggserr_ignore=["OGG-01668"])
    before = {"OGG-01668": Trouble(last=NOW, count=1, message="x")}
    assert watching.troubles(before, [record("OGG-01668")], NOW + 1, watch) == {}


# -- high-water marks --------------------------------------------------------------------------------------


def row(key: int, table: str, mark: int | None) -> dict[str, Any]:
    return {"data_source_key": key, "table_name": table, "max_ts": mark}


def test_the_mark_of_the_calls_counts_and_else_the_newest_of_the_tables() -> None:
    rows = [
        row(1, "G_CALL", 50), row(1, "GIDB_G_CALL_V", 60), row(1, "G_USERDATA", 99), row(2, "G_AGENT", 7),
        row(2, "G_LOGIN", 5), row(3, "G_CALL", None),
    ]  # fmt: skip
    assert watching.newest_marks(rows) == {1: 60, 2: 7}


def test_a_mark_stands_since_the_first_survey_that_saw_it() -> None:
    first = watching.standing({}, {1: 60}, NOW)
    assert watching.standing(first, {1: 60}, NOW + 300)["1"].since == NOW
    assert watching.standing(first, {1: 61}, NOW + 300)["1"].since == NOW + 300


def test_an_old_mark_is_found_unless_its_source_is_idle() -> None:
    marks = {
        "101": Standing(mark=int(NOW) - 7200, since=NOW - 6000),
        "102": Standing(mark=int(NOW) - 20_000, since=NOW),
        "103": Standing(mark=int(NOW) - 100, since=NOW),
        "104": Standing(mark=int(NOW) - 99_999, since=NOW - 9000),
    }
    found = watching.hwm_findings("site1", marks, {101: "ts-fra"}, {101, 102, 103, 104}, {104}, NOW, WATCH)
    assert levels(found) == {"site1/hwm/101": "warning", "site1/hwm/102": "critical"}
    assert "101 (ts-fra) at site1 is 2 h old and has not moved for at least 1 h 40 min" in found[0].sentence
    assert "and moves" in found[1].sentence


def test_an_old_mark_of_a_source_without_calls_is_a_warning_at_most() -> None:
    marks = {"7": Standing(mark=int(NOW) - 99_999, since=NOW - 9000)}
    (found,) = watching.hwm_findings("site1", marks, {}, set(), set(), NOW, WATCH)
    assert found.level == "warning" and "Without calls nobody can tell" in found.sentence


# -- disk ----------------------------------------------------------------------------------------------------

GB = 1_000_000_000


def test_a_disk_that_fills_is_reported_with_the_hour_at_which_it_is_full() -> None:
    points: list[tuple[float, int]] = []
    for look in range(7):
        points = watching.samples(points, 60 * GB - look * GB, NOW + look * 300, WATCH)
    assert watching.seconds_until_full(points, WATCH) == pytest.approx(54 * 300)
    (finding,) = watching.trail_findings("site1", "/ogg/dirdat", points, WATCH)
    assert finding.level == "warning" and "full in 4 h 30 min at the growth of the last 30 min" in finding.sentence


@pytest.mark.parametrize(
    "points",
    [[(NOW, 5)], [(NOW, 9), (NOW + 899, 5)], [(NOW, 5), (NOW + 1800, 5)], [(NOW, 5), (NOW + 1800, 9)]],
    ids=["one look", "too short a span", "no growth", "space was freed"],
)
def test_no_growth_is_made_up(points: list[tuple[float, int]]) -> None:
    assert watching.seconds_until_full(points, WATCH) is None


def test_little_free_space_is_found_without_any_growth() -> None:
    assert watching.trail_findings("s", "/d", [(NOW, 11 * GB)], WATCH) == []
    assert watching.trail_findings("s", "/d", [(NOW, 9 * GB)], WATCH)[0].level == "warning"
    assert watching.trail_findings("s", "/d", [(NOW, 1 * GB)], WATCH)[0].level == "critical"


def test_samples_keep_the_window_and_stay_few() -> None:
    points: list[tuple[float, int]] = []
    for look in range(1000):
        points = watching.samples(points, look, NOW + look, WATCH)
    assert len(points) <= 25
    assert points[-1] == (NOW + 999, 999) and points[-1][0] - points[0][0] > 500
    assert watching.samples(points, 5, NOW + 9999, WATCH) == [(NOW + 9999, 5)], "older ones are forgotten"


# -- link ----------------------------------------------------------------------------------------------------


def test_an_outage_counts_down_from_the_last_survey_that_found_the_link_up() -> None:
    outage = watching.outage_of(NOW - 21_000, NOW - 25_000, True, 28_800, NOW)
    (finding,) = watching.link_findings("site1", "site2", outage, True, ["ts2"], NOW, WATCH)
    assert "in 2 h 10 min the Info Mart Server gives up the data of site2 (ts2)" in finding.sentence
    assert finding.level == "warning" and finding.numbers["left_seconds"] == 7800
    assert "(Operation Modes, pp. 12-13)" in finding.remedy


def test_it_becomes_critical_before_the_data_is_given_up_and_stays_so_after_it() -> None:
    near = watching.outage_of(NOW - 22_000, None, True, 28_800, NOW)
    assert watching.link_findings("a", "b", near, True, [], NOW, WATCH)[0].level == "critical"
    over = watching.outage_of(NOW - 30_000, None, True, 28_800, NOW)
    (finding,) = watching.link_findings("a", "b", over, False, [], NOW, WATCH)
    assert finding.level == "critical" and "gave up the data of b 20 min ago" in finding.sentence
    assert "Airflow does not reach it either" in finding.sentence


def test_a_link_that_no_survey_found_up_counts_from_what_was_extracted_last() -> None:
    assert watching.outage_of(None, NOW - 3600, True, 28_800, NOW).left == 25_200
    assert watching.outage_of(None, None, True, 28_800, NOW).left == 28_800
    assert watching.outage_of(None, NOW + 50, True, 28_800, NOW).since == NOW, "a mark of another clock"


def test_a_site_without_data_sources_has_no_countdown_and_a_link_that_is_up_no_finding() -> None:
    outage = watching.outage_of(NOW - 99_999, None, False, 28_800, NOW)
    (finding,) = watching.link_findings("a", "b", outage, True, [], NOW, WATCH)
    assert finding.level == "warning" and "given up" not in finding.sentence
    assert watching.link_findings("a", "b", None, True, [], NOW, WATCH) == []


# -- holds -----------------------------------------------------------------------------------------------------


def test_a_hold_is_warned_of_before_the_partition_ring_comes_round() -> None:
    day = 86_400.0

    def found(age: float, ring: float = 14) -> list[tuple[str, str]]:
        since = NOW - age * day
        findings = watching.hold_findings("site2", "ts1", since, since, ring * day, NOW, WATCH)
        assert all(finding.subject == "site2/ts1/holds" for finding in findings)
        return [(finding.level, finding.sentence.partition("must keep ")[2]) for finding in findings]

    assert found(9) == [] and found(15, ring=60) == []
    assert found(10) == [("warning", "will be overwritten in 4 d.")]
    assert found(13) == [("critical", "will be overwritten in 24 h.")]
    assert found(15) == [("critical", "have been overwritten for 24 h.")]


def test_a_hold_is_warned_of_by_the_oldest_call_that_is_not_extracted() -> None:
    day = 86_400.0
    (finding,) = watching.hold_findings("site2", "ts1", NOW - day, NOW - 13 * day, 14 * day, NOW, WATCH)
    assert finding.level == "critical"
    assert "has been held for 24 h, and its extraction is 13 d behind; the oldest calls" in finding.sentence
    assert finding.sentence.endswith("will be overwritten in 24 h.") and "extraction catch up" in finding.remedy


# -- roles ---------------------------------------------------------------------------------------------------


def topology(architecture: str = "active-standby", **roles: str) -> Any:
    idbs = [SimpleNamespace(name="ts1"), SimpleNamespace(name="link")]
    sites = {name: SimpleNamespace(role=role, purged_idbs=idbs) for name, role in roles.items()}
    return SimpleNamespace(sites=sites, architecture=architecture)


def test_what_is_watched_follows_from_the_roles() -> None:
    roles = Roles.of(topology(site1="active", site2="standby", site3="new", site4="failed"))
    assert roles.sites == ("site1", "site2")
    assert roles.replications == (("site1", "site2"),)
    assert roles.links == (("site1", "site2"),)
    assert {"site1/hwm", "site2/groups", "site1-site2/lag"} <= roles.subjects()
    assert not {"site3/host", "site2/hwm"} & roles.subjects()
    assert {"site2/ts1/holds", "site3/ts1/holds"} <= roles.subjects(), "a new site's IDBs may be held, too"
    assert "site4/ts1/holds" not in roles.subjects()


def test_after_a_failover_a_single_site_is_watched_without_replication() -> None:
    roles = Roles.of(topology(site1="failed", site2="active"))
    assert (roles.sites, roles.replications, roles.links) == (("site2",), (), ())


def test_two_active_sites_have_links_both_ways_and_no_replication() -> None:
    roles = Roles.of(topology("active-active", site1="active", site2="active"))
    assert roles.replications == () and set(roles.links) == {("site1", "site2"), ("site2", "site1")}


# -- the plan under way ------------------------------------------------------------------------------------------


def holder(quiet: float) -> Holder:
    beat = datetime.fromtimestamp(NOW - quiet, UTC)
    return Holder("INC-1", "infomart_failover INC-1", "fire", beat - timedelta(days=9), beat)


@pytest.mark.parametrize(("quiet", "level"), [(0, "info"), (86_399, "info"), (86_400, "warning"), (9e6, "warning")])
def test_a_plan_is_a_warning_once_it_has_given_no_sign_of_life_for_so_long(quiet: float, level: str) -> None:
    found = watching.plan_finding("site2", holder(quiet), NOW, WATCH)
    assert (found.key, found.level) == ("site2/lock/plan", level)
    assert "Plan INC-1 of infomart_failover INC-1 holds the lock at site2" in found.sentence
    assert ("last sign of life" in found.sentence and "operating.md" in found.remedy) == (level == "warning")
    sooner = watching.plan_finding("site2", holder(600), NOW, WATCH.model_copy(update={"plan_quiet": 600}))
    assert sooner.level == "warning"


# -- from one survey to the next ---------------------------------------------------------------------------------


def finding(key: str = "site2/groups/RGIM", level: Any = "warning", sentence: str = "It is stopped.") -> Finding:
    return Finding(key, level, sentence, "Start it.")


ALL = Roles.of(topology(site1="active", site2="standby")).subjects()


def after(
    before: dict[str, Condition], *found: Finding, now: float = NOW, judged: set[str] | None = None
) -> tuple[dict[str, Condition], list[tuple[str, str, str]]]:
    conditions, alerts = watching.transitions("lab", before, found, ALL if judged is None else judged, ALL, now)
    return conditions, [(alert.what, alert.key, alert.level) for alert in alerts]


def test_a_condition_is_reported_when_it_begins_and_not_again_while_it_stands() -> None:
    conditions, told = after({}, finding())
    assert told == [("began", "site2/groups/RGIM", "warning")]
    conditions, told = after(conditions, finding(sentence="Still."), now=NOW + 300)
    assert told == [] and conditions["site2/groups/RGIM"].since == NOW
    assert conditions["site2/groups/RGIM"].sentence == "Still."


def test_a_warning_that_becomes_critical_is_reported_once_however_often_it_goes_up_and_down() -> None:
    conditions, _ = after({}, finding())
    conditions, told = after(conditions, finding(level="critical"))
    assert told == [("worse", "site2/groups/RGIM", "critical")]
    for level in ("warning", "critical", "warning"):
        conditions, told = after(conditions, finding(level=level))
        assert told == []
    _, told = after(conditions)
    assert told == [("ended", "site2/groups/RGIM", "critical")], "the level that was told"


def test_an_end_is_reported_once_and_a_new_beginning_is_a_new_condition() -> None:
    conditions, _ = after({}, finding())
    conditions, told = after(conditions, now=NOW + 780)
    assert told == [("ended", "site2/groups/RGIM", "warning")] and conditions == {}
    assert after(conditions)[1] == []
    assert after(conditions, finding())[1] == [("began", "site2/groups/RGIM", "warning")]


def test_what_nobody_could_see_neither_ends_nor_begins() -> None:
    conditions, _ = after({}, finding())
    unreachable = watching.not_seen("site2/host", UnreachableError("no route.", "Check it."))
    conditions, told = after(conditions, unreachable, judged=ALL - {"site2/groups", "site2/ggserr"})
    assert told == [("began", "site2/host/look", "critical")]
    assert set(conditions) == {"site2/groups/RGIM", "site2/host/look"}
    conditions, told = after(conditions)
    assert {what for what, _, _ in told} == {"ended"} and conditions == {}


def test_a_part_that_could_not_be_asked_leaves_what_stood_of_it_and_ends_when_it_answers() -> None:
    conditions, _ = after({}, finding())
    broken = watching.not_seen("site2/groups", UnreachableError("ggsci hangs.", ""))
    conditions, told = after(conditions, broken, judged=ALL - {"site2/groups"})
    assert told == [("began", "site2/groups/look", "critical")]
    assert broken.sentence == "Could not check groups of site2: ggsci hangs."
    _, told = after(conditions, finding())
    assert told == [("ended", "site2/groups/look", "critical")]


@pytest.mark.parametrize(
    ("name", "held", "groups", "level"),
    [
        ("OGG$CAP_EGIM", 600, "EGIM", None),
        ("OGG$CAP_EGIM", 2 * 86_400, "EGIM", "warning"),
        ("OGG$CAP_EGIM", 4 * 86_400, "EGIM", "critical"),
        ("OGG$CAP_EGIM", None, "ESALES", "warning"),
        ("OGG$CAP_EGIM", 4 * 86_400, "ESALES", "critical"),
        ("OGG$_EGIM", 600, "ESALES", "warning"),
        ("OGG$_EGIM2BA4AC53", 600, "ESALES", "warning"),
        ("OGG$_EGIM2ABA4AC53D", 600, "ESALES", None),
        ("OGG$CAP_EGIM2", 600, "ESALES", None),
        ("OGG$CAP_EOTHER", 600, "EGIM", None),
        ("OGG$CAP_EOTHER", 2 * 86_400, "EGIM", "warning"),
    ],
)
def test_old_archived_logs_and_registrations_without_a_group(
    name: str, held: float | None, groups: str, level: str | None
) -> None:
    row = {"capture_name": name, "status": "DISABLED", "required_checkpoint_scn": 4711, "held_seconds": held}
    found = watching.capture_findings(
        "site1", [row], info_all(f"EXTRACT RUNNING {groups} 00:00:01 00:00:01"), "EGIM", WATCH
    )
    assert [(each.key, each.level) for each in found] == ([(f"site1/capture/{name}", level)] if level else [])
    assert all("DISABLED" in each.sentence for each in found)


def test_what_is_not_watched_any_more_ends_with_that_reason() -> None:
    before = {"site9/groups/RGIM": Condition(level="critical", told="critical", since=NOW - 60, sentence="Down.")}
    conditions, alerts = watching.transitions("lab", before, [], set(), ALL, NOW)
    assert conditions == {} and alerts[0].sentence == "No longer watched, after 60 s: Down."


def test_information_is_never_reported() -> None:
    assert after({}, finding("site1/lock/plan", "info")) == ({}, [])


def test_an_alert_has_the_same_identity_whoever_sends_it() -> None:
    def identity(now: float, before: dict[str, Condition]) -> str:
        return watching.transitions("lab", before, [], ALL, ALL, now)[1][0].id

    before, _ = after({}, finding())
    assert identity(NOW + 300, before) == identity(NOW + 305, before)


def test_a_state_survives_its_own_text() -> None:
    conditions, _ = after({}, finding())
    state = State(number=7, positions={"site1": (12, 345)}, conditions=conditions, space={"site1": [(NOW, 5)]})
    assert State.model_validate_json(state.model_dump_json(exclude_defaults=True)) == state
