"""Two active Info Marts: one configuration that differs in three things, and never two servers at one Info Mart."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.sdk.exceptions import AirflowSkipException
from tests.unit.operators.fakes import FakeStep, replace_question

from infomart_dr import topology
from infomart_dr.errors import GuardError
from infomart_dr.guards.application import configuration_differences
from infomart_dr.hooks.configuration import differences
from infomart_dr.hooks.gax import from_gax, to_gax
from infomart_dr.operators import human
from infomart_dr.operators.active_active import (
    BringChosenReports,
    CaptureScnOfCopy,
    CompareConfiguration,
    CreateInfoMart,
    KeepConfigurationInStep,
    StartSecondServer,
)
from infomart_dr.operators.base import StepOperator
from infomart_dr.operators.server import ServeAtSource
from infomart_dr.plan.step import Observation
from infomart_lab import config as lab_config
from infomart_lab import configuration as lab_configuration
from infomart_lab import topology as lab_topology

INFO_MART = {"CTL_EXTRACT_HWM": ["MAX_TS"], "INTERACTION_FACT": ["ID", "MEDIA"], "GIDB_G_CALL": ["CALLID"]}


class Pair(FakeStep):
    """The lab's active-active deployment: site2 survived, site1 comes back."""

    def __init__(self, tmp_path: Path, **facts: str) -> None:
        super().__init__(**facts)
        config = lab_config.create(tmp_path / "lab", scenario_name="active-active")
        self.document = lab_topology.topology(config)
        self.sites = {"source": "site2", "target": "site1"}
        self.stored = {
            name: {"version": 1, **found} for name, found in lab_configuration.default(config)["applications"].items()
        }
        #: Columns by table at the target; the source has those of an Info Mart.
        self.tables: dict[str, list[str]] = {}
        self.scn = 4711
        self.started: list[str] = []
        self.read_topology()

    def read_topology(self) -> None:
        self.topology = topology.parse(yaml.safe_dump(self.document), Path("topology.yaml"))  # type: ignore[assignment]

    def application(self, role: str) -> str:
        return self.topology.application(self.sites[role])

    def application_dbid(self, role: str) -> int:
        return self.topology.application_dbid(self.sites[role])

    def site(self, role: str) -> Any:
        return self.topology.sites[self.sites[role]]

    def configuration(self, role: str) -> Any:
        return self

    def read(self, name: str) -> Any:
        return from_gax(self.stored[name])

    def apply(self, name: str, change: Any) -> Any:
        before = self.read(name)
        self.stored[name] = to_gax(before, change)
        return differences(before, change)

    def management_layer(self, role: str) -> Any:
        return SimpleNamespace(start=lambda dbid: self.started.append(f"{role} {dbid}"))

    def dba(self, role: str) -> Any:
        def select(name: str, owner: str) -> list[dict[str, Any]]:
            tables = self.tables if role == "target" else INFO_MART
            if name == "tables":
                return [{"table_name": table} for table in tables]
            if name == "columns":
                kind = {
                    "data_type": "NUMBER",
                    "data_length": 22,
                    "data_precision": 10,
                    "data_scale": 0,
                    "nullable": "N",
                }
                return [
                    {"table_name": table, "column_name": each, **kind} for table in tables for each in tables[table]
                ]
            return []

        return SimpleNamespace(value=lambda name: self.scn, select=select)


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    found = Pair(tmp_path)
    monkeypatch.setattr(human.Step, "from_context", lambda context: found)
    replace_question(monkeypatch, "log_size", lambda step, role: 4711)
    replace_question(monkeypatch, "newest_fact", lambda step, role, moment: 0)
    monkeypatch.setattr(StepOperator, "settled", lambda self, step: self.verify(step))
    replace_question(
        monkeypatch, "serving", lambda step, role: Observation(any(role in word for word in found.started), "Stopped")
    )
    return found


def connections(step: Any, site: str) -> set[str]:
    return set(step.stored[f"GIM_{site}"]["connections"])


# -- one configuration -----------------------------------------------------------------------------


def test_the_two_objects_may_differ_in_host_command_line_and_info_mart_only(step: Any) -> None:
    one, other = step.read("GIM_site2"), step.read("GIM_site1")
    assert one.host != other.host and one.command_line != other.command_line
    assert configuration_differences(step, one, other) == []


def test_every_other_difference_is_named_with_the_object_that_has_it(step: Any) -> None:
    step.stored["GIM_site1"]["connections"].remove("DAP_TS2_site2")
    step.stored["GIM_site2"]["connections"].remove("ICON_TS1_site1")
    step.stored["GIM_site1"]["options"]["gim-etl"]["days-to-keep-gidb-facts"] = "30"
    step.stored["GIM_site2"]["options"]["log"] = {"verbose": "all"}
    found = configuration_differences(step, step.read("GIM_site2"), step.read("GIM_site1"))
    assert found == [
        "only GIM_site2 is connected to DAP_TS2_site2",
        "only GIM_site1 is connected to ICON_TS1_site1",
        "[gim-etl] days-to-keep-gidb-facts: '14' and '30'",
        "[log] verbose: 'all' and None",
    ]
    with pytest.raises(GuardError, match=r"(?s)GIM_site2 and GIM_site1 differ: .*DAP_TS2_site2") as caught:
        CompareConfiguration(task_id="compare", role="target")._run(step)
    assert "keep_configuration_in_step" in caught.value.next_step


def test_objects_that_nobody_can_read_are_not_compared(step: Any) -> None:
    step.document["sites"]["site2"]["configuration"] = {"backend": "manual"}
    step.read_topology()
    with pytest.raises(AirflowSkipException, match="cannot be read"):
        CompareConfiguration(task_id="compare", role="target")._run(step)


def keep() -> KeepConfigurationInStep:
    return KeepConfigurationInStep(task_id="keep_configuration_in_step", role="target")


def test_the_second_server_gets_the_configuration_of_the_first_with_its_own_host_and_info_mart(step: Any) -> None:
    step.stored["GIM_site2"]["options"]["gim-etl"]["days-to-keep-gidb-facts"] = "30"
    # The state that a failover and the hold for the export have left.
    step.stored["GIM_site2"]["options"]["schedule"]["run-scheduler"] = "false"
    for name in ("DAP_TS1_site1", "ICON_TS1_site2"):
        step.stored[name]["state"] = 2
    step.stored["GIM_site2"]["connections"].remove("DAP_TS1_site1")
    step.stored["GIM_site1"].update(host="site3-gim", connections=["DAP_GIM_site2", "DAP_OLD"])
    step.stored["GIM_site2"]["connections"].append("MessageServer")
    keep()._run(step)
    target = step.stored["GIM_site1"]
    assert (target["host"], "site1-cfg" in target["commandLine"]) == ("site1-gim", True)
    assert target["options"]["gim-etl"]["days-to-keep-gidb-facts"] == "30"
    assert target["options"]["schedule"]["run-scheduler"] == "true", "the hold of the other one is not copied"
    assert step.stored["GIM_site2"]["options"]["schedule"]["run-scheduler"] == "false", "nor is it lifted here"
    assert "DAP_GIM_site1" in connections(step, "site1") and "DAP_GIM_site2" not in connections(step, "site1")
    assert "DAP_GIM_site2" in connections(step, "site2") and "DAP_GIM_site1" not in connections(step, "site2")
    assert all(found["state"] == 1 for found in step.stored.values())
    sources = {name for name in step.stored if name.startswith(("DAP_TS", "ICON_TS"))}
    assert sources <= connections(step, "site1") and sources <= connections(step, "site2")
    # Every connection, not those to IDBs alone; and none that the other server lacks.
    assert connections(step, "site1") ^ connections(step, "site2") == {"DAP_GIM_site1", "DAP_GIM_site2"}
    assert "MessageServer" in connections(step, "site1")
    before = {name: dict(found) for name, found in step.stored.items()}
    keep()._run(step)
    assert step.stored == before


def test_a_person_gets_the_changes_of_both_servers_where_nothing_can_be_read(step: Any) -> None:
    step.document["sites"]["site1"]["configuration"] = {"backend": "manual"}
    step.read_topology()
    step.stored.clear()
    text = str(keep().instructions(step))
    lines = [line.strip() for line in text.splitlines()]
    for value in ("GIM_site1", "GIM_site2", "site1-gim", "DAP_GIM_site1", "DAP_GIM_site2", "DAP_TS1_site1"):
        assert value in lines
    assert "copy every other connection and every option of `GIM_site2` to `GIM_site1`" in text


def serve(step: Any) -> dict[str, Any]:
    return ServeAtSource(task_id="serve_at_source", role="source")._run(step)


def test_a_source_that_was_stopped_for_the_transfer_serves_again_with_its_scheduler_on(step: Any) -> None:
    step.stored["GIM_site2"]["options"]["schedule"]["run-scheduler"] = "false"
    serve(step)
    assert step.started == ["source 122"]
    assert step.stored["GIM_site2"]["options"]["schedule"]["run-scheduler"] == "true"
    assert step.stored["GIM_site1"]["options"]["schedule"]["run-scheduler"] == "true"
    serve(step)
    assert len(step.started) == 1


def test_a_source_whose_object_nobody_can_change_is_started_all_the_same(step: Any) -> None:
    step.document["sites"]["site2"]["configuration"] = {"backend": "manual"}
    step.read_topology()
    step.stored.clear()
    serve(step)
    assert step.started == ["source 122"]


def test_of_an_active_standby_pair_the_source_does_not_start_while_the_standbys_server_runs(
    step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step.topology = SimpleNamespace(architecture="active-standby")
    step.site = lambda role: SimpleNamespace(configuration=SimpleNamespace(backend="manual"))
    step.application = lambda role: "GIM"
    step.application_dbid = lambda role: 121
    step.pair = SimpleNamespace(other=lambda role: "target")
    running = ["process 7"]
    replace_question(monkeypatch, "server_runs", lambda step, role: running if role == "target" else [])
    with pytest.raises(GuardError, match=r"(?s)at site1 is still running: process 7.*Two servers must never write"):
        serve(step)
    assert step.started == []
    running.clear()
    serve(step)
    assert step.started == ["source 121"]


# -- the second server -----------------------------------------------------------------------------


def start(step: Any) -> dict[str, Any]:
    return StartSecondServer(task_id="start_second_server", role="target")._run(step)


def test_the_second_server_starts_once_when_it_has_its_own_info_mart(step: Any) -> None:
    start(step)
    assert step.started == ["target 121"]
    assert {"point_of_no_return", "server_touched"} <= set(step.ledger)
    assert step.ledger["server_log_begin"] == "4711"
    start(step)
    assert len(step.started) == 1


@pytest.mark.parametrize("connected", [["DAP_GIM_site1", "DAP_GIM_site2"], ["DAP_GIM_site2"], []])
def test_a_second_server_at_the_others_info_mart_is_not_started(step: Any, connected: list[str]) -> None:
    step.stored["GIM_site1"]["connections"] = ["DAP_TS1_site1", *connected]
    with pytest.raises(GuardError, match="two servers write to one Info Mart"):
        start(step)
    assert step.started == [] and step.ledger == {}


def test_a_server_that_somebody_started_is_still_recorded_as_past_the_point_of_no_return(step: Any) -> None:
    step.started = ["target by hand"]
    start(step)
    assert "point_of_no_return" in step.ledger


# -- the second Info Mart --------------------------------------------------------------------------


def test_the_scn_of_a_copy_is_taken_only_while_the_server_is_stopped(
    step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = CaptureScnOfCopy(task_id="capture_scn")
    replace_question(monkeypatch, "server_runs", lambda step, role: ["process 7"] if role == "source" else [])
    with pytest.raises(GuardError, match="process 7"):
        capture.act(step, Observation(False, ""))
    assert "scn" not in step.ledger
    replace_question(monkeypatch, "server_runs", lambda step, role: [])
    capture.act(step, Observation(False, ""))
    step.scn = 5000
    capture.act(step, Observation(False, ""))
    assert step.ledger["scn"] == "4711", "one SCN"


def test_an_empty_info_mart_is_made_by_a_person_and_looked_for_afterwards(step: Any) -> None:
    create = CreateInfoMart(task_id="create_info_mart", role="target")
    text = str(create.instructions(step))
    assert "service `GIM1`" in text and "8.1.4" in text and "as the user `GIM`" in text
    seen = create.confirmed(step)
    assert seen is not None and not seen.satisfied and "not those of an Info Mart" in seen.summary
    step.tables = INFO_MART
    seen = create.confirmed(step)
    assert seen is not None and seen.satisfied
    assert create.instructions(step) is None


def test_an_info_mart_of_another_hot_fix_is_not_taken_for_an_identical_one(step: Any) -> None:
    step.tables = {"CTL_EXTRACT_HWM": ["MAX_TS"], "INTERACTION_FACT": ["ID"], "NEW_FACT": ["ID"]}
    create = CreateInfoMart(task_id="create_info_mart", role="target")
    seen = create.confirmed(step)
    assert seen is not None and not seen.satisfied
    for found in (
        "table GIDB_G_CALL is missing",
        "table NEW_FACT is at the target only",
        "column INTERACTION_FACT.MEDIA (NUMBER(10) not null) is missing or differs",
    ):
        assert found in seen.summary
    assert "GIDB_G_CALL is missing" in str(create.instructions(step))


# -- reports ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("chosen", "here", "other"), [("source", "source", "target"), ("target", "target", "source")])
def test_reports_are_brought_into_service_at_the_chosen_site_only(
    step: Any, chosen: str, here: Any, other: Any
) -> None:
    step.params["report_source"] = chosen
    assert BringChosenReports(task_id="bring", role=here).does_not_apply(step) is None
    assert f"reports from {step.sites[here]}" in str(
        BringChosenReports(task_id="bring", role=other).does_not_apply(step)
    )


def test_a_chosen_site_without_reports_is_skipped(step: Any) -> None:
    del step.document["sites"]["site2"]["reports"]
    step.read_topology()
    assert "no reports at site2" in str(BringChosenReports(task_id="bring", role="source").does_not_apply(step))
