"""Readiness: the framework of checks, the verdicts, and which procedures a topology calls for."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from tests.unit.hooks.gg_sample import make_topology
from tests.unit.operators.fakes import FakeAt, StepOf
from tests.unit.operators.fit_databases import FitDatabases

from infomart_dr import topology
from infomart_dr.errors import CredentialsError, PermanentError, UnexpectedReplyError, UnreachableError
from infomart_dr.evidence.estimate import Span
from infomart_dr.guards import privileges
from infomart_dr.guards.dump_set import Undo
from infomart_dr.hooks.parse_ggsci import GroupInfo
from infomart_dr.plan import facts
from infomart_dr.readiness import (
    accounts,
    clocks_and_releases,
    procedures,
    reach,
    replication,
    room,
    services,
    transfer,
)
from infomart_dr.readiness.context import CheckContext, ReadOnlyStep
from infomart_dr.readiness.report import (
    Check,
    Finding,
    Planned,
    Report,
    Verdict,
    blocked,
    blocked_sentence,
    examine,
    faults,
    merge,
    ok,
    warning,
)
from infomart_dr.topology import BOTH_ROLES, DbmsJob, GoldenGate, SchedulerJob, SiteRole
from infomart_lab import config as lab_config
from infomart_lab import topology as lab_topology

ROOT = Path(__file__).resolve().parents[3]


def site_name(role: SiteRole) -> str:
    return {"source": "site1", "target": "site2"}[role]


def check(name: str, look: Callable[..., Any] = lambda looks, role: ok("fine"), **kwargs: Any) -> Check:
    return Check(name, "", look, **kwargs)


def raises(error: Exception) -> Callable[..., Verdict]:
    def look(looks: Any, role: SiteRole) -> Verdict:
        raise error

    return look


def levels(*planned: Check | Planned) -> dict[tuple[str, str], str]:
    listed = [each if isinstance(each, Planned) else Planned(each) for each in planned]
    return {(finding.check, finding.site): finding.level for finding in examine(listed, None, site_name)}


# -- framework -------------------------------------------------------------------------------------


def test_a_check_that_cannot_run_is_blocked_with_the_reason_and_its_remedy() -> None:
    planned = [Planned(check("dba", raises(CredentialsError("refused.", "Correct it."))), ("source",))]
    (found,) = examine(planned, None, site_name)
    assert (found.level, found.what, found.remedy, found.unreachable) == ("blocked", "refused.", "Correct it.", False)


def test_what_needs_a_failed_check_is_skipped_and_says_what_it_needs() -> None:
    dba = check("dba", lambda looks, role: blocked("closed", "open it") if role == "source" else ok("fine"))
    undo = check("undo", raises(AssertionError("must not look")), needs=("dba",))
    found = examine([Planned(dba), Planned(undo, ("source",))], None, site_name)
    assert (found[-1].level, found[-1].what) == ("not checked", "needs dba at site1")


def test_the_same_check_at_the_other_site_is_made() -> None:
    dba = check("dba", lambda looks, role: blocked("closed", "open it") if role == "source" else ok("fine"))
    found = levels(dba, check("undo", needs=("dba",)))
    assert found["undo", "site1"] == "not checked"
    assert found["undo", "site2"] == "ok"


def test_what_needs_a_check_that_was_skipped_is_skipped_too() -> None:
    found = levels(
        Planned(check("host", raises(UnreachableError("silent"))), ("source",)),
        Planned(check("directory", needs=("host",)), ("source",)),
        Planned(check("space", needs=("directory",)), ("source",)),
    )
    assert found["space", "site1"] == "not checked"


@pytest.mark.parametrize(
    ("error", "level"), [(UnreachableError("silent"), "not checked"), (CredentialsError("refused"), "ok")]
)
def test_one_silent_listener_is_reported_once_and_a_refused_login_says_nothing_of_the_others(
    error: Exception, level: str
) -> None:
    found = levels(check("dba", raises(error)), check("owner", behind=("dba",)))
    assert found["owner", "site1"] == level


def test_a_check_of_the_target_may_need_something_of_the_source() -> None:
    dba = check("dba", lambda looks, role: blocked("closed", "open it") if role == "source" else ok("fine"))
    found = levels(dba, Planned(check("room", of_source=("dba",)), ("target",)))
    assert found["room", "site2"] == "not checked"


def test_a_check_of_the_pair_needs_both_sites_and_is_one_line() -> None:
    dba = check("dba", lambda looks, role: ok("fine") if role == "target" else blocked("closed", "open it"))
    found = levels(dba, Planned(check("parity", needs=("dba",), once=True), ("target",)))
    assert found["parity", "site1 and site2"] == "not checked"


def test_a_warning_does_not_keep_others_from_looking() -> None:
    found = levels(check("dba", lambda looks, role: warning("soon", "do it")), check("undo", needs=("dba",)))
    assert found["undo", "site1"] == "ok"


def test_several_verdicts_come_to_the_worst_with_every_sentence_that_asks_for_something() -> None:
    merged = merge([ok("fine"), warning("soon", "change it"), blocked("now", "stop it")])
    assert merged == Verdict("blocked", "soon; now", "change it stop it")
    assert merge([ok("a"), ok("b")]) == ok("a; b")
    assert merge([]).level == "ok"


def test_a_long_list_of_faults_is_cut_and_counted() -> None:
    verdict = faults([str(number) for number in range(11)], "fine", "remedy")
    assert verdict.what == "0; 1; 2; 3; 4; 5; 6; 7 and 3 more"
    assert faults([], "fine", "remedy") == ok("fine")


# -- report ----------------------------------------------------------------------------------------


def report(*findings: Finding) -> Report:
    return Report("lab", "failover", "site1", "site2", list(findings), {"outage": "1 s to 2 s (assumed)"})


BLOCKED = Finding("undo", "site1", "blocked", "too | short.", "raise it")
WARNED = Finding("accounts", "site2", "warning", "ends soon", "change it")
UNSEEN = Finding("service", "site2", "not checked", "no command")
FINE = Finding("dba", "site1", "ok", "logs in")


@pytest.mark.parametrize(
    ("findings", "level"),
    [((FINE, UNSEEN), "ok"), ((FINE, WARNED, UNSEEN), "warning"), ((WARNED, BLOCKED), "blocked"), ((), "ok")],
)
def test_the_level_of_a_report_is_its_worst_and_what_nobody_can_see_is_no_fault(
    findings: tuple[Finding, ...], level: str
) -> None:
    assert report(*findings).level == level


def test_the_sentence_names_every_blocked_check_and_no_other() -> None:
    assert report(FINE, WARNED, BLOCKED).blocked_sentence() == "lab: undo at site1: too | short (failover)"
    assert report(FINE, WARNED).blocked_sentence() == ""


def test_a_fault_that_several_procedures_meet_is_reported_once() -> None:
    other = Report("lab", "switchover", "site1", "site2", [BLOCKED])
    third = Report("other", "failover", "site1", "site2", [BLOCKED])
    assert blocked_sentence([report(BLOCKED), other, third]) == (
        "lab: undo at site1: too | short (failover, switchover); other: undo at site1: too | short (failover)"
    )


def test_the_report_as_markdown_begins_with_the_worst_and_keeps_its_columns() -> None:
    text = report(FINE, WARNED, BLOCKED).markdown()
    rows = [line for line in text.splitlines() if line.startswith(("| blocked", "| warning", "| ok"))]
    assert [row.split(" | ")[0] for row in rows] == ["| blocked", "| warning", "| ok"]
    assert "too \\| short" in rows[0]
    assert "| outage | 1 s to 2 s (assumed) |" in text


def test_a_report_survives_xcom() -> None:
    before = report(FINE, WARNED, BLOCKED)
    assert Report.from_json(before.to_json()) == before


# -- verdicts --------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 2, 12, 0)


@pytest.mark.parametrize(
    ("status", "days", "level"),
    [
        ("OPEN", None, "ok"),
        ("OPEN", 60.0, "ok"),
        ("OPEN", 13.9, "warning"),
        ("OPEN", 0.1, "warning"),
        ("OPEN", -0.1, "blocked"),
        ("EXPIRED(GRACE)", 5.0, "warning"),
    ],
)
def test_a_password_is_warned_of_two_weeks_before_its_end(status: str, days: float | None, level: str) -> None:
    expiry = None if days is None else NOW + timedelta(days=days)
    row = {"username": "GIM", "account_status": status, "expiry_date": expiry, "time_there": NOW}
    assert accounts.account_verdict("gim_site1", row).level == level


@pytest.mark.parametrize(
    ("difference", "level"),
    [(0.0, "ok"), (-9.0, "ok"), (30.0, "warning"), (-30.0, "warning"), (600.0, "blocked"), (-7200.0, "blocked")],
)
def test_a_clock_is_judged_by_its_distance_in_both_directions(difference: float, level: str) -> None:
    assert clocks_and_releases.clock_verdict("site1-db", difference).level == level


@pytest.mark.parametrize(("text", "seconds"), [("1793620800\n", 1793620800), ("", None), ("Mon Nov  2", None)])
def test_the_seconds_of_a_host_are_a_number_or_an_error(text: str, seconds: int | None) -> None:
    if seconds is not None:
        assert clocks_and_releases.parse_seconds(text) == seconds
        return
    with pytest.raises(UnexpectedReplyError, match="date"):
        clocks_and_releases.parse_seconds(text)


@pytest.mark.parametrize(
    ("found", "wanted", "parts", "wrong"),
    [
        ("19.0.0.0.0", "19.0", 2, False),
        ("19.3.0.0.0", "19.0", 2, True),
        ("11.2.0.4.0", "11.2", 2, False),
        ("8.1.4", "8.1.4", 3, False),
        ("8.1.402.07", "8.1.4", 3, True),
        ("8.1.4", "8.1", 3, False),
        ("", "19.0", 2, True),
    ],
)
def test_a_release_is_compared_by_its_first_parts(found: str, wanted: str, parts: int, wrong: bool) -> None:
    assert bool(list(clocks_and_releases.release_faults("x", found, wanted, parts))) is wrong


@pytest.mark.parametrize(("retention", "level"), [(9, "blocked"), (10, "warning"), (99, "warning"), (100, "ok")])
def test_undo_is_judged_by_both_bounds_of_the_export(retention: int, level: str) -> None:
    assert room.undo_verdict(Undo(retention, Span(10, 100), None, 0.0)).level == level


@pytest.mark.parametrize(("free", "level"), [(99, "blocked"), (100, "warning"), (999, "warning"), (1000, "ok")])
def test_room_for_changes_is_judged_by_both_bounds_of_the_copy(free: int, level: str) -> None:
    assert room.space_verdict("dirdat", free, 10.0, Span(10, 100)).level == level


def group(status: str, lag: int | None, ago: int | None) -> GroupInfo:
    return GroupInfo("REPLICAT", "RGIM", status, initialized=False, lag=lag, updated_ago=ago)


@pytest.mark.parametrize(
    ("info", "level"),
    [
        (None, "blocked"),
        (group("ABENDED", 0, 0), "blocked"),
        (group("STOPPED", 0, 0), "blocked"),
        (group("RUNNING", 6, 4), "ok"),
        (group("RUNNING", 0, 5000), "warning"),
        (group("RUNNING", 5000, 0), "warning"),
        (group("RUNNING", None, None), "ok"),
    ],
)
def test_a_group_is_judged_by_status_lag_and_time_since_its_checkpoint_together(
    info: GroupInfo | None, level: str
) -> None:
    assert replication.group_verdict("RGIM", info).level == level


def test_one_privilege_of_a_group_is_enough_and_the_first_is_named() -> None:
    wanted = [("A", "B"), ("C",), ("D", "E")]
    assert privileges.missing_privileges({"B", "C"}, wanted) == ["D"]


def test_an_export_is_asked_of_the_source_and_an_import_of_the_target_of_a_copy_only() -> None:
    def wanted(role: SiteRole, copies: bool, release: str = "19.1") -> list[tuple[str, ...]]:
        return privileges.wanted_of_dba(SimpleNamespace(goldengate=SimpleNamespace(release=release)), role, copies)  # type: ignore[arg-type]

    assert ("DATAPUMP_EXP_FULL_DATABASE", "EXP_FULL_DATABASE") in wanted("source", True)
    assert ("DATAPUMP_IMP_FULL_DATABASE", "IMP_FULL_DATABASE") in wanted("target", True)
    assert len(wanted("source", False)) == 1
    assert ("INSERT ANY TABLE",) in wanted("source", False, "11.2")


class World:
    """A database whose owner may not log in; the step has nothing else."""

    def __init__(self, error: Exception | None) -> None:
        def value(name: str) -> datetime:
            if error is not None:
                raise error
            return NOW

        self.hook = SimpleNamespace(conn_id="gim_site2", value=value)

    def info_mart(self, role: str) -> Any:
        return self.hook

    def at(self, role: str) -> FakeAt:
        return FakeAt(self, role)


def test_what_an_idbs_user_needs_hangs_on_its_jobs_and_on_the_tables_that_are_there() -> None:
    def idb(*jobs: Any) -> Any:
        return SimpleNamespace(purge_jobs=jobs)

    scheduler = SchedulerJob(mechanism="dbms_scheduler", job="ICON.PURGE")
    dbms_job = DbmsJob(mechanism="dbms_job", owner="ICON", job=41)
    needed = {
        (user, tables, jobs): [group[0] for group in accounts.hold_privileges(user, [idb(*jobs)], tables)]
        for user in ("ICON", "READER")
        for tables in (True, False)
        for jobs in ((scheduler,), (dbms_job,), ())
    }
    assert needed["READER", False, (scheduler,)] == ["CREATE TABLE", "SELECT_CATALOG_ROLE", "ALTER ON ICON.PURGE"]
    assert needed["ICON", True, (scheduler,)] == ["SELECT_CATALOG_ROLE"]
    wanted = accounts.hold_privileges("READER", [idb(scheduler)], True)
    assert privileges.missing_privileges({"SELECT_CATALOG_ROLE", "MANAGE SCHEDULER"}, wanted) == ["ALTER ON ICON.PURGE"]
    assert privileges.missing_privileges({"SELECT_CATALOG_ROLE", "ALTER ON ICON.PURGE"}, wanted) == []
    assert privileges.missing_privileges({"DBA", "CREATE ANY JOB"}, wanted) == []
    assert needed["READER", True, (dbms_job,)] == ["SELECT_CATALOG_ROLE"]
    assert needed["READER", True, ()] == []


@pytest.mark.parametrize(
    ("procedure", "role", "level"),
    [
        ("database_transfer", "target", "warning"),
        ("database_transfer", "source", "blocked"),
        ("switchover", "target", "blocked"),
    ],
)
def test_an_owner_that_may_come_with_the_import_is_warned_of_and_not_tried_again(
    procedure: str, role: SiteRole, level: str
) -> None:
    world = World(CredentialsError("ORA-01017", "Correct it."))
    looks = CheckContext(world, procedure)  # type: ignore[arg-type]
    (found,) = examine([Planned(reach.INFO_MART, (role,))], looks, site_name)
    assert found.level == level
    assert looks.without_owner == ({"target"} if level == "warning" else set())


@pytest.mark.parametrize("asked", [replication.SCHEMA_LOGGING, reach.GOLDENGATE_LOGINS], ids=lambda each: each.name)
def test_a_refused_password_of_goldengate_is_not_tried_again_by_ggsci(asked: Check) -> None:
    """Before 12c DBLOGIN takes the password of the connection; any query would fail here."""
    refused = check("goldengate_connection", raises(CredentialsError("refused.", "Correct it.")))
    fine = [check(name) for name in asked.needs if name != refused.name]
    assert levels(refused, *fine, asked)[asked.name, "site1"] == "not checked"


def test_the_logins_of_goldengate_are_those_that_ggsci_proves(tmp_path: Path) -> None:
    databases = FitDatabases()
    databases.logins["source"] = "C##GGATE"
    sites, sources = lab_config.scenario("active-standby", cdb=["site1"])
    document = lab_topology.topology(lab_config.create(tmp_path, sites=sites, data_sources=sources))
    site = topology.parse(yaml.safe_dump(document), Path("topology.yaml")).sites["site1"]
    step = StepOf(ggsci=databases.ggsci, name=site_name, site=lambda role: site, dba=lambda r: databases.hook(r, "dba"))
    world = SimpleNamespace(step=step)
    assert reach._goldengate_logins(world, "source") == ok("logs in as C##GGATE")  # type: ignore[arg-type]
    databases.rows["source"]["goldengate_privileges"] = []
    found = reach._goldengate_logins(world, "source")  # type: ignore[arg-type]
    assert (found.level, "shows no capture privileges" in found.what) == ("warning", True)


@pytest.mark.parametrize(
    ("pdb", "capture_login", "parameter", "container", "level", "words"),
    [
        (None, False, [], "", "ok", "no CDB"),
        ("GIMPDB1", True, [{"value": "TRUE"}], "GIMPDB1", "ok", "is a PDB of a CDB.*captures from CDB[$]ROOT"),
        ("GIMPDB1", False, [{"value": "TRUE"}], "GIMPDB1", "ok", "captures from the PDB itself"),
        (None, False, [{"value": "TRUE"}], "GIMPDB1", "blocked", "the topology needs database.pdb"),
        ("GIMPDB1", True, [], "", "blocked", "is no CDB, and database.pdb is GIMPDB1"),
        ("GIMPDB1", True, [{"value": "TRUE"}], "CDB$ROOT", "blocked", "dba_connection of site1 leads to .* CDB[$]ROOT"),
    ],
)
def test_the_kind_of_a_database_is_told_and_must_be_that_of_the_topology(
    pdb: str | None, capture_login: bool, parameter: list[dict[str, str]], container: str, level: str, words: str
) -> None:
    databases = FitDatabases()
    databases.rows["source"] |= {"container_database": parameter, "container_name": [{"name": container}]}  # type: ignore[dict-item]
    site = SimpleNamespace(
        database=SimpleNamespace(pdb=pdb), goldengate=SimpleNamespace(capture_login=capture_login or None)
    )
    step = StepOf(
        schema="GIM",
        name=site_name,
        site=lambda role: site,
        dba=lambda role: databases.hook(role, "dba"),
        goldengate_database=lambda role: databases.hook(role, "goldengate"),
        info_mart=raises(CredentialsError("ORA-01017", "Correct it.")),
    )
    # The owner comes with the import: a refused login is not tried again.
    found = reach._container(SimpleNamespace(step=step, without_owner={"source"}), "source")  # type: ignore[arg-type]
    assert found.level == level
    assert re.search(words, found.what), found.what


def test_an_estimate_does_not_log_in_where_a_login_was_refused() -> None:
    step = StepOf(name=site_name, ledger_role="source")
    looks = CheckContext(step, "switchover")  # type: ignore[arg-type]
    refused = Finding("dba_connection", "site1", "blocked", "refused", "correct it")
    # Any query would fail: the step has no databases.
    assert procedures.estimated_times(looks, [refused]) == {}


# -- known hosts -----------------------------------------------------------------------------------

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJu7Y8F0qkG2y7y5nq1q7v1H5f6J8o9p0r1s2t3u4v5w"
OTHER = "AAAAC3NzaC1lZDI1NTE5AAAAIJu7Y8F0qkG2y7y5nq1q7v1H5f6J8o9p0r1s2t3u4v5x"


@pytest.mark.parametrize(
    ("text", "port", "wrong"),
    [
        (f"db3 ssh-ed25519 {KEY}\n", 22, ""),
        (f"# comment\n\n[db3]:2222,10.0.0.3 ssh-ed25519 {KEY} comment\n", 2222, ""),
        (f"db3 ssh-ed25519 {KEY}\n", 2222, "no host key of [db3]:2222"),
        (f"db3 ssh-ed25519 {OTHER}\n", 22, "differs from"),
        ("db3 ssh-ed25519 garbage\n", 22, "no host key"),
        ("", 22, "no host key"),
    ],
)
def test_a_known_host_must_have_the_key_that_airflow_knows(text: str, port: int, wrong: str) -> None:
    found = "; ".join(transfer.known_host_faults(text, "db3", port, "ssh-ed25519", KEY))
    assert wrong in found and bool(wrong) is bool(found)


def test_a_hashed_known_host_is_found() -> None:
    import paramiko

    hashed = paramiko.HostKeys.hash_host("db3")
    assert not list(transfer.known_host_faults(f"{hashed} ssh-ed25519 {KEY}\n", "db3", 22, "ssh-ed25519", KEY))


# -- procedures ------------------------------------------------------------------------------------


def lab(tmp_path: Path, scenario: str, **roles: str) -> topology.Topology:
    document = lab_topology.topology(lab_config.create(tmp_path / "lab", scenario_name=scenario))
    for site, role in roles.items():
        document["sites"][site]["role"] = role
    return topology.parse(yaml.safe_dump(document), Path("topology.yaml"))


def test_a_new_site_calls_for_what_fills_it(tmp_path: Path) -> None:
    assert procedures.fitting(lab(tmp_path, "return-to-normal")) == [
        ("return_to_normal", "site2", "site3"),
        ("setup_replication", "site2", "site3"),
        ("database_transfer", "site2", "site3"),
    ]


def test_a_standby_calls_for_what_makes_it_serve(tmp_path: Path) -> None:
    assert procedures.fitting(lab(tmp_path, "active-standby", site2="standby")) == [
        ("failover", "site1", "site2"),
        ("switchover", "site1", "site2"),
    ]


def test_either_site_of_an_active_active_deployment_may_be_lost(tmp_path: Path) -> None:
    found = procedures.fitting(lab(tmp_path, "active-active"))
    assert set(found) == {("failover", "site1", "site2"), ("failover", "site2", "site1")}


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("PORT 7809\nAUTORESTART EXTRACT *\n", ["ok"]),
        ("AUTOSTART ER *", ["blocked", "warning", "warning"]),
        ("AUTORESTART REPLICAT RG*", ["blocked"]),
        ("INCLUDE more.prm", ["warning"]),
    ],
)
def test_a_manager_that_starts_our_groups_by_itself_is_named(text: str, levels: list[str]) -> None:
    goldengate = GoldenGate(home="/ogg", login={"alias": "gg"})
    step = StepOf(
        site=lambda role: SimpleNamespace(goldengate=goldengate),
        name=site_name,
        host=lambda role: SimpleNamespace(exists=lambda path: True, read_file=lambda path: text),
    )
    found = replication.MANAGER.look(SimpleNamespace(step=step), "target")  # type: ignore[arg-type]
    assert [verdict.level for verdict in found] == levels  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("command", "exit_code", "level"),
    [([], 0, "not checked"), (["gimservice"], 0, "ok"), (["gimservice"], 3, "blocked")],
)
def test_a_server_that_its_host_would_start_is_named(command: list[str], exit_code: int, level: str) -> None:
    """A restart of the host would start a second Info Mart Server."""
    done = SimpleNamespace(stdout="automatic" if exit_code else "manual", stderr="", exit_code=exit_code)
    step = StepOf(
        site=lambda role: SimpleNamespace(info_mart_server=SimpleNamespace(manual_start_check=command)),
        name=site_name,
        host=lambda role, kind: SimpleNamespace(run=lambda argv, check: done),
    )
    verdict = services.MANUAL_START.look(SimpleNamespace(step=step), "target")  # type: ignore[arg-type]
    assert verdict.level == level  # type: ignore[union-attr]


def test_an_active_active_failover_is_not_asked_for_replication_or_a_stopped_survivor() -> None:
    names = {each.check.name for each in procedures.PROCEDURES["failover"].checks("active-active")}
    assert not names & {"replication", "schema_parity", "parameter_files", "server_stopped", "trail_space"}
    assert {"dba_connection", "access_points", "programs", "endpoints", "lock"} <= names


def test_the_form_offers_every_procedure() -> None:
    from infomart_dr.runbook.readiness import PROCEDURES

    assert set(PROCEDURES) == set(procedures.PROCEDURES)


@pytest.mark.parametrize("procedure", procedures.PROCEDURES)
@pytest.mark.parametrize("architecture", ["active-standby", "active-active"])
def test_what_a_check_needs_comes_before_it_in_every_list(procedure: str, architecture: str) -> None:
    seen: set[tuple[str, SiteRole]] = set()
    for planned in procedures.PROCEDURES[procedure].checks(architecture):
        for role in planned.roles:
            for one in BOTH_ROLES if planned.check.once else (role,):
                missing = [name for name in planned.check.needs if (name, one) not in seen]
                missing += [name for name in planned.check.of_source if (name, "source") not in seen]
                assert not missing, f"{planned.check.name} at {one} needs {missing}"
            seen.add((planned.check.name, role))


@pytest.mark.parametrize(("role", "level"), [("standby", "ok"), ("new", "warning"), ("active", "warning")])
def test_a_site_that_takes_over_without_being_a_standby_is_warned_of(role: str, level: str) -> None:
    step = StepOf(site=lambda _: SimpleNamespace(role=role))
    verdict = services.ROLE.look(SimpleNamespace(step=step), "target")
    assert isinstance(verdict, Verdict)
    assert verdict.level == level
    taking_over = [
        name for name, each in procedures.PROCEDURES.items() if services.ROLE in [one.check for one in each.planned]
    ]
    assert taking_over == ["failover", "switchover"]


JOB = SchedulerJob(mechanism="dbms_scheduler", job="ICON.PURGE")


@pytest.mark.parametrize(
    ("connections", "level"),
    [
        ({"ts1": "oracle_a", "ts2": "oracle_b"}, "warning"),
        ({"ts1": "oracle_a", "ts2": "oracle_a"}, "ok"),
        ({"ts1": "oracle_a", "ts2": "oracle_elsewhere"}, "ok"),
        ({"ts1": "oracle_a", "ts2": "oracle_other_pdb"}, "ok"),
    ],
)
def test_one_database_job_over_two_connections_is_warned_of(connections: dict[str, str], level: str) -> None:
    # The PDBs of a CDB have one DBID.
    identities = {
        "oracle_a": {"dbid": 7, "db_name": "IDBPDB1"},
        "oracle_b": {"dbid": 7, "db_name": "IDBPDB1"},
        "oracle_elsewhere": {"dbid": 8, "db_name": "IDBPDB1"},
        "oracle_other_pdb": {"dbid": 7, "db_name": "IDBPDB2"},
    }
    idbs = [
        SimpleNamespace(name=name, connection=connection, purge_jobs=[JOB]) for name, connection in connections.items()
    ]
    deployment = SimpleNamespace(
        oracle=lambda name: SimpleNamespace(select=lambda statement: [identities[name]]),
        purge_jobs=lambda idb: [
            SimpleNamespace(key=JOB.key, state=lambda: SimpleNamespace(words="enabled", running=False))
        ],
    )
    step = StepOf(site=lambda role: SimpleNamespace(idbs=idbs), deployment=deployment)
    verdicts = services.PURGE_JOBS.look(SimpleNamespace(step=step), "source")
    assert isinstance(verdicts, list)
    assert merge(verdicts).level == level


def test_the_documented_list_is_that_of_the_checks() -> None:
    assert procedures.list_of_checks() in (ROOT / "docs" / "readiness.md").read_text()


def test_rights_of_the_idbs_users_that_no_check_sees_are_reported_where_that_is_said() -> None:
    jobs = [
        SchedulerJob(mechanism="dbms_scheduler", job="ICON.PURGE"),
        DbmsJob(mechanism="dbms_job", owner="ICON", job=41),
    ]
    idbs: list[Any] = [SimpleNamespace(purge_jobs=jobs)]
    seen = {name for group in accounts.hold_privileges("READER", idbs, False) for name in group}
    unseen = (ROOT / "docs" / "readiness.md").read_text().partition("## What it cannot see")[2]
    for right in ("EXECUTE on SYS.DBMS_IJOB", "ALTER on a scheduler job"):
        assert right not in seen and right in unseen


# -- nothing is changed ----------------------------------------------------------------------------


def test_a_step_that_only_checks_refuses_every_fact_statement_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = lab_config.create(tmp_path / "lab")
    file = tmp_path / "topology.yaml"
    file.write_text(yaml.safe_dump(lab_topology.topology(config)))
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(file))
    with ReadOnlyStep(deployment="", source="", target="", failover=False) as step:
        assert step.ledger.get(facts.SCN) is None and not any(entry.all() for entry in step.replications)
        for change in (
            lambda: step.ledger.put_once(facts.SCN, 1),
            lambda: step.replications[0].forget("plan"),
            lambda: step.at("source").dba.execute("take_lock"),
            lambda: step.at("target").goldengate_database.execute("take_lock"),
            lambda: step.at("source").host().write_file("/x", "y"),
            lambda: step.lock.heartbeat("plan"),
        ):
            with pytest.raises(PermanentError, match="must not change anything"):
                change()


@pytest.mark.parametrize(
    ("older", "level", "said"),
    [
        ("21.3", "ok", "GoldenGate 21.3.0.0.0"),
        ("19.1", "ok", "with trails in the format of 19.1 for site3"),
        ("11.2", "blocked", "cannot read the trail"),
    ],
)
def test_a_trail_that_the_other_sites_goldengate_cannot_read_blocks(older: str, level: str, said: str) -> None:
    names = {"source": "site2", "target": "site3"}
    read = make_topology(unlike={"site2": {"release": "21.3"}, "site3": {"release": older}})
    step = StepOf(
        site=lambda role: read.sites[names[role]],
        name=lambda role: names[role],
        ggsci=lambda role: SimpleNamespace(release=lambda: "21.3.0.0.0"),
    )
    verdict = clocks_and_releases.GOLDENGATE_RELEASE.look(SimpleNamespace(step=step), "source")
    assert verdict.level == level and said in verdict.what


@pytest.mark.parametrize(("role", "folder"), [("source", "/trails/out"), ("target", "/u01/ogg/dirdat")])
def test_the_room_for_trails_is_looked_for_where_the_trails_are(role: SiteRole, folder: str) -> None:
    goldengate = GoldenGate(
        home="/u01/ogg", login={"alias": "ggate"}, trails={"local": "/trails/out/em", "remote": "./dirdat/dp"}
    )
    asked: list[str] = []
    step = StepOf(
        site=lambda role: SimpleNamespace(goldengate=goldengate),
        name=site_name,
        host=lambda role: SimpleNamespace(free_space=lambda folder: asked.append(folder) or 10**9),
    )
    looks = SimpleNamespace(step=step, redo_rate=1.0, copies=False)
    assert room.TRAIL_SPACE.look(looks, role).level == "ok"
    assert asked == [folder]
