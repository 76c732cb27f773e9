"""Readiness in Airflow: cases from one topology or a folder of them, and a report that fails in one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from infomart_dr.errors import GuardError, TopologyError
from infomart_dr.evidence.service import StaleRoles
from infomart_dr.guards import service
from infomart_dr.readiness import steps as readiness
from infomart_dr.readiness.report import Finding, Level, Report
from infomart_dr.readiness.steps import ALL_THAT_FIT, CheckReadiness, ListCases, ReportReadiness
from infomart_lab import config as lab_config
from infomart_lab import topology as lab_topology


def document(tmp_path: Path, name: str, scenario: str = "return-to-normal", **roles: str) -> dict[str, Any]:
    made = lab_topology.topology(lab_config.create(tmp_path / f"lab-{name}", scenario_name=scenario))
    for site, role in roles.items():
        made["sites"][site]["role"] = role
    return made | {"deployment": name}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A topology folder with two deployments."""
    made = tmp_path / "topologies"
    made.mkdir()
    (made / "east.yaml").write_text(yaml.safe_dump(document(tmp_path, "east")))
    west = document(tmp_path, "west", "active-standby", site2="standby")
    (made / "west.yaml").write_text(yaml.safe_dump(west))
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(made))
    return made


def listed(**params: str) -> list[tuple[str, str, str, str]]:
    values = {"deployment": "", "procedure": ALL_THAT_FIT, "source": "", "target": ""} | params
    cases = ListCases(task_id="list_cases").execute({"params": values})  # type: ignore[arg-type]
    return [(case["deployment"], case["procedure"], case["source"], case["target"]) for case in cases]


def test_a_scheduled_run_takes_every_deployment_of_the_folder_with_what_its_roles_call_for(folder: Path) -> None:
    assert listed() == [
        ("east", "return_to_normal", "site2", "site3"),
        ("east", "setup_replication", "site2", "site3"),
        ("east", "database_transfer", "site2", "site3"),
        ("west", "failover", "site1", "site2"),
        ("west", "switchover", "site1", "site2"),
    ]


def test_one_file_is_one_deployment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(folder / "west.yaml"))
    assert {case[0] for case in listed()} == {"west"}


def test_a_chosen_procedure_takes_its_sites_from_the_form_or_the_topology(folder: Path) -> None:
    assert listed(deployment="west", procedure="switchover", source="site2", target="site1") == [
        ("west", "switchover", "site2", "site1")
    ]
    assert listed(deployment="west", procedure="failover") == [("west", "failover", "site1", "site2")]


def test_all_that_fit_is_narrowed_by_a_given_site(folder: Path) -> None:
    assert {case[0] for case in listed(target="site3")} == {"east"}


def test_a_topology_that_cannot_be_read_is_a_blocked_case_and_the_others_are_checked(folder: Path) -> None:
    (folder / "broken.yaml").write_text("deployment: broken\n")
    cases = readiness.list_cases("", ALL_THAT_FIT, "", "")
    assert [case["deployment"] for case in cases if "error" in case] == ["broken"]
    assert len(cases) == 6
    report = readiness.check(next(case for case in cases if "error" in case))
    assert report.level == "blocked" and "mistake(s)" in report.blocked_sentence()


def test_a_failover_without_a_standby_is_a_blocked_case_with_one_remedy_in_the_forms_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(folder / "east.yaml"))
    (case,) = readiness.list_cases("", "failover", "", "")
    report = readiness.check(case)
    (finding,) = report.findings
    assert report.title == "failover of east (? -> ?)"
    assert finding.what == "The target is not given and no site has the role standby."
    assert finding.remedy.endswith("start a new run with the parameter target, one of: site3.")


def test_a_procedure_for_the_other_architecture_is_a_blocked_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "topology.yaml"
    file.write_text(yaml.safe_dump(document(tmp_path, "lab", "active-active")))
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(file))
    (case,) = readiness.list_cases("", "switchover", "site1", "site2")
    (finding,) = readiness.check(case).findings
    assert "infomart_switchover is for active-standby deployments" in finding.what


def test_a_topology_that_calls_for_nothing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "topology.yaml"
    file.write_text(yaml.safe_dump(document(tmp_path, "lab", site3="failed")))
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(file))
    with pytest.raises(GuardError, match="neither a standby nor a new site"):
        listed()


def test_without_a_topology_the_list_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INFOMART_DR_TOPOLOGY", raising=False)
    with pytest.raises(TopologyError, match="INFOMART_DR_TOPOLOGY is not set"):
        listed()


# -- roles that nobody has set -------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "target"), [("site2", "site3"), ("site3", "site2")])
def test_roles_that_a_plan_has_made_take_the_place_of_every_remedy_by_the_old_ones(
    folder: Path, monkeypatch: pytest.MonkeyPatch, source: str, target: str
) -> None:
    """After a return to normal, before the roles are set: only site3 serves, and nothing may say *Stop it*."""
    wrong = [
        Finding("goldengate_connection", "site2", "ok", "fine"),
        Finding("server_stopped", "site3", "blocked", "the server at site3 runs", "Stop it"),
    ]
    monkeypatch.setattr(readiness, "examine", lambda *_: wrong)
    monkeypatch.setattr(readiness, "estimated_times", lambda *_: {})
    asked: list[tuple[str, ...]] = []

    def stale(deployment: object, sites: tuple[str, ...]) -> StaleRoles:
        asked.append(sites)
        return StaleRoles("CHG-1", 1_800_000_000, "site3", {"site2": "standby", "site3": "active"})

    monkeypatch.setattr(service, "stale", stale)
    case = {"deployment": "east", "procedure": "return_to_normal", "source": source, "target": target}
    found = readiness.check(case).findings
    assert asked == [("site2",)], "no login that was refused is tried again"
    if source == "site3":
        assert found == wrong, "the run names the sites as they are now"
        return
    (finding,) = found
    assert (finding.check, finding.level) == ("roles", "blocked")
    assert finding.what.startswith("Plan CHG-1 made site3 active at 2027-01-15")
    assert "sites.site2.role: standby, sites.site3.role: active" in finding.remedy and "Stop it" not in finding.remedy


# -- report ----------------------------------------------------------------------------------------

CASES = [
    {"deployment": "west", "procedure": name, "source": "site1", "target": "site2"}
    for name in ("failover", "switchover")
]


class Instance:
    """A task instance that keeps the pushed values."""

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def reported(levels: list[Level], cases: Any = CASES) -> tuple[Instance, dict[str, Any]]:
    reports = [
        Report(**case, findings=[Finding("undo", "site1", level, "undo is short", "raise it")]).to_json()
        for case, level in zip(CASES, levels, strict=False)
    ]
    instance = Instance()
    operator = ReportReadiness(task_id="report_readiness", cases=cases, reports=reports)
    try:
        return instance, operator.execute({"ti": instance})  # type: ignore[typeddict-item]
    except GuardError as error:
        return instance, {"error": error.what}


def test_a_run_without_a_blocked_check_is_a_success_also_with_warnings() -> None:
    _, result = reported(["ok", "warning"])
    assert (result["level"], result["blocked"]) == ("warning", [])
    assert reported(["ok", "ok"])[1]["level"] == "ok"
    assert "## failover of west (site1 -> site2): ok" in reported(["ok", "ok"])[1]["markdown"]


def test_a_blocked_check_fails_the_run_in_one_sentence_and_the_report_is_there_all_the_same() -> None:
    instance, result = reported(["blocked", "blocked"])
    assert result["error"] == "Not ready: west: undo at site1: undo is short (failover, switchover)."
    assert instance.pushed["readiness"]["level"] == "blocked"
    assert "| blocked | undo | site1 |" in instance.pushed["readiness"]["markdown"]


def test_a_check_that_broke_off_is_named_and_fails_the_run() -> None:
    assert reported(["ok"])[1]["error"] == "Not ready: switchover of west: the check failed, see its task's log."


def test_a_list_that_failed_fails_the_report() -> None:
    assert "could not be listed" in reported([], cases=None)[1]["error"]


def test_a_case_is_checked_and_comes_back_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Report(**CASES[0], findings=[Finding("undo", "site1", "warning", "short", "raise it")])
    monkeypatch.setattr(readiness, "check", lambda case: made)
    assert CheckReadiness(task_id="check_readiness", case=CASES[0]).execute({}) == made.to_json()  # type: ignore[typeddict-item]
