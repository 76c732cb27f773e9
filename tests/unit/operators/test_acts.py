"""What a step of the guide does at the sites: each test fails where the step acts on nothing.

Topology, Application objects and their comparison are real; hosts, databases and ggsci keep what they were told.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred
from tests.unit.operators.fakes import FakeStep, replace_question

from infomart_dr import topology
from infomart_dr.errors import GuardError
from infomart_dr.hooks.configuration import Change, differences
from infomart_dr.hooks.gax import from_gax, to_gax
from infomart_dr.hooks.goldengate_parameters import exclusion_list, parameter_path
from infomart_dr.operators import dump_set, jobs, reaggregate
from infomart_dr.operators.active_active import BringChosenReports
from infomart_dr.operators.base import StepOperator
from infomart_dr.operators.configuration import ConfigureApplication
from infomart_dr.operators.dump_set import CaptureScn, CheckFreeSpace, CheckIndexes, DropSequences, TransferDumpSet
from infomart_dr.operators.failover import ConfirmSiteFailure
from infomart_dr.operators.human import ApprovalOperator
from infomart_dr.operators.reaggregate import CheckRequested, RequestReaggregation
from infomart_dr.operators.replication import (
    AddExtract,
    EnableSupplementalLogging,
    NoteToSourceScn,
    RenderParameterFiles,
    StartCapture,
    StopReplicationToTarget,
)
from infomart_dr.operators.server import CheckServerLog, CutoverGate, ProveSourceStopped, StartInfoMartServer
from infomart_dr.operators.setup import ApproveParameterFiles, UseNewSources
from infomart_dr.plan.step import Observation
from infomart_dr.sensors.extraction import ProveLoading
from infomart_dr.sensors.replicated import WaitForFinalCatchUp
from infomart_lab import config as lab_config
from infomart_lab import configuration as lab_configuration
from infomart_lab import topology as lab_topology

ROOT = Path(__file__).resolve().parents[3]
#: Facts of a plan whose writers are stopped and whose databases are equal.
EQUAL = {"final_stop": "1800000000", "tables_compared": "yes"}


class Sites(FakeStep):
    """The lab's active-standby deployment during a return to normal: site2 serves, site3 is new."""

    def __init__(self, folder: Path, **facts: str) -> None:
        super().__init__(**facts)
        config = lab_config.create(folder / "lab", scenario_name="return-to-normal")
        text = yaml.safe_dump(lab_topology.topology(config))
        self.topology = topology.parse(text, Path("topology.yaml"))  # type: ignore[assignment]
        self.pair = self.topology.pair("site2", "site3")
        self.stored = {
            name: {"version": 1, **found} for name, found in lab_configuration.default(config)["applications"].items()
        }
        #: What the sites were told, in its order.
        self.told: list[str] = []
        #: State of a group by ``role:group``; None: it does not exist.
        self.groups: dict[str, str] = {}
        self.files: dict[str, dict[str, str]] = {"source": {}, "target": {}}
        self.runs: set[str] = set()
        self.scn = 4711
        self.sequences = ["SEQ_A", "SEQ_B"]

    def application(self, role: str) -> str:
        return self.topology.application(self.sites[role])

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

    def _tell(self, role: str, words: str, **more: Any) -> Any:
        self.told.append(f"{role}: {words}")
        return SimpleNamespace(what=words, **more)

    def ggsci(self, role: str) -> Any:
        def change(verb: str, name: str, state: str, *rest: Any, **more: Any) -> Any:
            self.groups[f"{role}:{name}"] = state
            return self._tell(role, " ".join([verb, name, *map(str, rest), *(f"{k}={v}" for k, v in more.items())]))

        return SimpleNamespace(
            info=lambda name: self.groups.get(f"{role}:{name}"),
            status=lambda name: self.groups.get(f"{role}:{name}"),
            register_extract=lambda name: self._tell(role, f"REGISTER {name}", scn=4000),
            add_extract=lambda name, trail, **more: change("ADD EXTRACT", name, "STOPPED", trail, **more),
            add_pump=lambda name, *trails: change("ADD PUMP", name, "STOPPED", *trails),
            retain_logs=lambda name: self._tell(role, f"LOGRETENTION {name}"),
            start_manager=lambda: self._tell(role, "START MGR"),
            start=lambda name: change("START", name, "RUNNING"),
            stop=lambda name, force=False: change("STOP", name, "STOPPED"),
            wait_running=lambda *names: None,
            log_since=lambda after: ("", ("ggserr.log", 99)),
            enable_schema_trandata=lambda schema, wanted: self._tell(
                role, f"SCHEMATRANDATA {schema}, INTERACTION_FACT {wanted('INTERACTION_FACT')}"
            ),
            enable_table_trandata=lambda schema, table: self._tell(role, f"TRANDATA {schema}.{table}"),
        )

    def dba(self, role: str) -> Any:
        def select(name: str, names: Any = None, **binds: Any) -> list[dict[str, Any]]:
            return [{"sequence_name": each} for each in self.sequences] if name == "sequences" else []

        def execute(name: str, names: Any, **binds: Any) -> int:
            assert name == "drop_sequence"
            self.sequences.remove(names["sequence"])
            return 1

        return SimpleNamespace(value=lambda name: self.scn, select=select, execute=execute)

    def goldengate_database(self, role: str) -> Any:
        return SimpleNamespace(
            select=lambda name, names, marker_id: [],
            execute=lambda name, names, **binds: self._tell(role, f"{name} {binds['marker_id']} {binds['scn']}"),
        )

    def host(self, role: str, kind: str = "db") -> Any:
        there = self.files[role]
        return SimpleNamespace(
            exists=lambda path: path in there,
            read_file=lambda path, limit=0: there[path],
            write_file=lambda path, text: there.update({path: text}),
            work_path=lambda *parts: "/".join(("/work", *parts)),
            file_sizes=lambda folder, names: {
                name: len(there[f"{folder}/{name}"]) for name in names if f"{folder}/{name}" in there
            },
            ssh_connection=f"ssh_{role}",
        )

    def management_layer(self, role: str) -> Any:
        return SimpleNamespace(start=lambda dbid: self.runs.add(role))


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    found = Sites(tmp_path)
    replace_question(monkeypatch, "server_runs", lambda step, role: ["a process"] if role in found.runs else [])
    replace_question(monkeypatch, "serving", lambda step, role: Observation(role in found.runs, "Running or not"))
    monkeypatch.setattr(StepOperator, "settled", lambda self, step: self.verify(step))
    monkeypatch.setattr(jobs.JobOperator, "new_attempt", lambda self, step: Attempt(step, self))
    monkeypatch.setattr(jobs.JobOperator, "latest", lambda self, step: None)
    monkeypatch.setattr(jobs.JobOperator, "wait", waits)
    return found


class Attempt:
    """A job that is submitted: its program is kept."""

    def __init__(self, step: Any, task: Any) -> None:
        self.step, self.task = step, task

    def submit(self, program: Any, **_: Any) -> None:
        self.step.told.append(f"job {self.task.job}: {program}")


class Waits(Exception):
    """The step waits for a job."""


def waits(task: Any, step: Any, attempt: Any, *_: Any) -> None:
    raise Waits


def connections(step: Any) -> set[str]:
    return set(step.read("GIM").connections)


def enabled(step: Any, name: str) -> bool:
    """An object is as enabled as a change to it would make it."""
    return not differences(step.read(name), Change(enabled=True))


# -- Application objects -----------------------------------------------------------------------------


def test_the_server_moves_to_the_new_site_with_its_own_host_database_and_sources(step: Any) -> None:
    """Return to Normal 14: Host, command line, ICONs and DAPs, old and new Info Mart; the scheduler stays off."""
    here, there = step.site("target").info_mart_server, step.site("source").info_mart_server
    collecting = {idb.dap for idb in step.site("target").idbs}
    for name in collecting:
        step.apply(name, Change(enabled=False))
    step.apply("GIM", Change(disconnect=sorted(collecting)))
    step.ledger |= EQUAL
    ConfigureApplication(task_id="configure_application", role="target")._run(step)
    moved = step.read("GIM")
    assert (moved.host, moved.command_line) == (here.host_object, here.command_line)
    assert here.dap in moved.connections and there.dap not in moved.connections
    assert collecting <= set(moved.connections) and all(enabled(step, name) for name in collecting)
    assert moved.options["schedule"]["run-scheduler"] == "false"
    assert step.ledger["application_moved"] == "site3", "the back-out must know it"


def test_the_server_does_not_move_before_the_databases_were_compared(step: Any) -> None:
    step.ledger |= {"final_stop": "1800000000"}
    with pytest.raises(GuardError, match="tables_compared"):
        ConfigureApplication(task_id="configure_application", role="target")._run(step)


def test_the_serving_server_uses_the_new_sites_idbs_as_soon_as_their_objects_exist(step: Any) -> None:
    """Return to Normal 3 and 14c: objects that a failover has disabled are enabled and connected."""
    daps = sorted(idb.dap for idb in step.site("target").idbs)
    for name in daps:
        step.apply(name, Change(enabled=False))
    step.apply("GIM", Change(disconnect=daps))
    UseNewSources(task_id="use_new_sources", role="source")._run(step)
    assert set(daps) <= connections(step) and all(enabled(step, name) for name in daps)


@pytest.mark.parametrize(("chosen", "served"), [("target", ["target"]), ("source", ["source"])])
def test_the_reports_come_from_the_site_that_the_run_chose_and_from_no_other(
    step: Any, monkeypatch: pytest.MonkeyPatch, chosen: str, served: list[str]
) -> None:
    step.params["report_source"] = chosen
    brought = []
    monkeypatch.setattr(BringChosenReports, "instructions", lambda self, step: None)
    monkeypatch.setattr(BringChosenReports.__mro__[1], "does_not_apply", lambda self, step: None)
    monkeypatch.setattr(
        BringChosenReports.__mro__[1], "observe", lambda self, step: Observation(self.role in brought, "reports")
    )
    monkeypatch.setattr(BringChosenReports.__mro__[1], "act", lambda self, step, seen: brought.append(self.role))
    for role in ("source", "target"):
        task = BringChosenReports(task_id=f"bring_{role}", role=role)
        if role == chosen:
            task._run(step)
        else:
            with pytest.raises(AirflowSkipException, match=f"reports from {step.name(chosen)}"):
                task._run(step)
    assert brought == served


# -- the copy ----------------------------------------------------------------------------------------


def test_the_scn_of_the_plan_is_that_of_the_source_once_capture_runs_and_nothing_older_is_open(
    step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = {"open": True}
    replace_question(
        monkeypatch, "no_older_transactions", lambda step, direction: Observation(not older["open"], "2 are open")
    )
    task = CaptureScn(task_id="capture_scn")
    with pytest.raises(GuardError, match="to_target_capture_scn"):
        task._run(step)
    step.ledger["to_target_capture_scn"] = "4000"
    with pytest.raises(GuardError, match="2 are open"):
        task._run(step)
    older["open"] = False
    step.runs.add("source")
    with pytest.raises(GuardError, match="Info Mart Server runs"):
        task._run(step)
    step.runs.clear()
    assert task._run(step)["scn"] == 4711 and step.ledger["scn"] == "4711"
    step.scn = 5000
    assert task._run(step)["scn"] == 4711, "a retry takes no other"


@pytest.fixture
def manifest(step: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A dump set of one file, proven by its manifest, in the source's directory."""
    found = SimpleNamespace(
        files=[SimpleNamespace(name="gim_01.dmp", size=9)],
        total_bytes=9,
        source_site="site2",
        digest=lambda: "abc",
        to_text=lambda: "the manifest",
        dictionary=SimpleNamespace(indexes=[1, 2]),
    )
    replace_question(monkeypatch, "proven_manifest", lambda step: found)
    replace_question(monkeypatch, "directory_path", lambda step, role: f"/dp/{role}")
    step.files["source"]["/dp/source/gim_01.dmp"] = "dump file"
    return found


def test_a_dump_set_that_does_not_fit_at_the_target_stops_the_run(
    step: Any, manifest: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = SimpleNamespace(folder="/dp/target", free=5, needed=9, fits=False)
    monkeypatch.setattr(dump_set, "import_room", lambda step, size, files: room)
    with pytest.raises(GuardError, match="/dp/target at site3 has 5 B free, 9 B needed"):
        CheckFreeSpace(task_id="check_free_space")._run(step)
    room.fits = True
    assert CheckFreeSpace(task_id="check_free_space")._run(step)["needed_bytes"] == 9


def test_the_dump_set_goes_to_the_target_and_is_recorded_once_it_has_arrived(step: Any, manifest: Any) -> None:
    task = TransferDumpSet(task_id="transfer_files")
    with pytest.raises(Waits):
        task._run(step)
    (job,) = step.told
    assert "transferred" not in step.ledger and "rsync" in job and "/dp/target" in job
    step.files["target"]["/dp/target/gim_01.dmp"] = "dump file"
    with pytest.raises(Waits):
        task._run(step)
    task.collect(step, {"state": "ended", "exit_code": 0})
    assert step.ledger["transferred"] == "abc"
    assert step.files["target"]["/work/plans/0a1b2c3d/manifest.json"] == "the manifest"
    assert task._run(step)["files"] == 1 and len(step.told) == 2, "a retry copies nothing again"


def test_the_targets_sequences_are_dropped_once_the_dump_set_is_proven(step: Any, manifest: Any) -> None:
    task = DropSequences(task_id="drop_sequences", role="target")
    step.ledger["dump_set_proven"] = "another"
    with pytest.raises(GuardError, match="the sequences were not dropped"):
        task._run(step)
    assert step.sequences == ["SEQ_A", "SEQ_B"]
    step.ledger["dump_set_proven"] = "abc"
    task._run(step)
    assert step.sequences == [] and step.ledger["sequences_dropped"] == "yes"


@pytest.mark.parametrize(
    ("missing", "unusable", "words"),
    [(["I_A"], [], "missing: I_A"), ([], ["I_B"], r"unusable: I_B \(REBUILD\)"), (["I_A"], ["I_B"], "I_A; unusable")],
)
def test_an_index_that_is_missing_or_unusable_at_the_target_stops_the_run(
    step: Any, manifest: Any, monkeypatch: pytest.MonkeyPatch, missing: list[str], unusable: list[str], words: str
) -> None:
    replace_question(monkeypatch, "missing_indexes", lambda step: missing)
    broken = [SimpleNamespace(name=name, statement="REBUILD") for name in unusable]
    replace_question(monkeypatch, "unusable_indexes", lambda step, role: broken)
    with pytest.raises(GuardError, match=words) as caught:
        CheckIndexes(task_id="check_indexes", role="target")._run(step)
    assert "recreate_missing_indexes" in caught.value.next_step
    missing.clear(), broken.clear()
    assert CheckIndexes(task_id="check_indexes", role="target")._run(step)["indexes"] == 2


# -- replication -------------------------------------------------------------------------------------


def test_the_files_at_the_sites_leave_out_every_table_of_the_guides_lists_and_take_the_rest(step: Any) -> None:
    RenderParameterFiles(task_id="render_parameter_files")._run(step)
    release = step.topology.info_mart.release
    listed = yaml.safe_load((ROOT / "include" / "gg" / "exclusions" / f"{exclusion_list(release)}.yaml").read_text())
    tables = [each["name"].replace("*", "X") for each in listed["exclusions"]]
    assert len(tables) > 60
    for role in ("source", "target"):
        home, groups = step.site(role).goldengate.home, step.site(role).goldengate.groups
        for group in (groups.extract, groups.pump, groups.replicat):
            lines = [
                line for line in step.files[role][f"{home}/{parameter_path(group)}"].splitlines() if "EXCLUDE" in line
            ]
            for table in tables:
                assert any(excludes(line, table) for line in lines), f"{group} at {role} takes {table}"
            for table in ("INTERACTION_FACT", "CTL_EXTRACT_HWM"):
                assert not any(excludes(line, table) for line in lines), f"{group} at {role} leaves out {table}"


def excludes(line: str, table: str) -> bool:
    """A line of a parameter file leaves a table out, by its name or by a pattern."""
    return any(fnmatchcase(table, name) for name in re.findall(r"\bGIM\.\"?([A-Z0-9_$*]+)", line))


def test_the_files_at_the_sites_have_the_groups_names_their_trails_and_no_line_twice(step: Any) -> None:
    """Set-up: parameter files of Extract, pump and Replicat with the site's own names, at both sites."""
    RenderParameterFiles(task_id="render_parameter_files")._run(step)
    here, there = step.site("source").goldengate, step.site("target").goldengate
    files = {name.rpartition("/")[2]: text for name, text in step.files["source"].items()}
    assert f"EXTRACT {here.groups.extract}" in files[f"{here.groups.extract.lower()}.prm"]
    assert f"EXTTRAIL {here.trails.local}" in files[f"{here.groups.extract.lower()}.prm"]
    assert f"RMTTRAIL {there.trails.arriving('site2')}" in files[f"{here.groups.pump.lower()}.prm"]
    replicat = step.files["target"][f"{there.home}/{parameter_path(there.groups.replicat)}"]
    assert f"REPLICAT {there.groups.replicat}" in replicat and "HANDLECOLLISIONS" not in replicat
    written = dict(step.files["target"])
    RenderParameterFiles(task_id="render_parameter_files")._run(step)
    assert step.files["target"] == written, "a second time nothing is written"


def test_capture_is_registered_and_added_with_its_trails_and_recorded(step: Any) -> None:
    task = AddExtract(task_id="add_extract", direction="to_target")
    task._run(step)
    groups, trails = step.site("source").goldengate.groups, step.site("source").goldengate.trails
    assert step.told == [
        f"source: REGISTER {groups.extract}",
        f"source: ADD EXTRACT {groups.extract} {trails.local} integrated=True scn=4000",
        f"source: ADD PUMP {groups.pump} {trails.local} {step.site('target').goldengate.trails.arriving('site2')}",
    ]
    assert {"to_target_capture_added", "to_target_capture_registered"} <= set(step.ledger)
    assert "ggserr:to_target:site3" in step.ledger, "the later check reads only what follows"
    task._run(step)
    assert len(step.told) == 3, "a retry adds nothing again"


def test_extract_and_pump_run_before_the_scn_from_which_capture_is_complete(step: Any) -> None:
    groups = step.site("source").goldengate.groups
    step.groups = {f"source:{groups.extract}": "STOPPED", f"source:{groups.pump}": "STOPPED"}
    assert StartCapture(task_id="start", direction="to_target")._run(step)["scn"] == 4711
    assert set(step.groups.values()) == {"RUNNING"} and step.ledger["to_target_capture_scn"] == "4711"


@pytest.mark.parametrize("again", [False, True])
def test_supplemental_logging_is_enabled_for_replicated_tables_and_the_marker_and_once_more_after_an_upgrade(
    step: Any, again: bool
) -> None:
    if again:
        EnableSupplementalLogging(task_id="enable", role="source")._run(step)
        step.told.clear()
    EnableSupplementalLogging(task_id="enable_again", role="source", again=again)._run(step)
    schema = step.site("source").goldengate.schema_name
    assert step.told == ["source: SCHEMATRANDATA GIM, INTERACTION_FACT True", f"source: TRANDATA {schema}.DR_MARKER"]


def test_the_new_active_sites_scn_is_taken_once_and_only_of_equal_databases(step: Any) -> None:
    task = NoteToSourceScn(task_id="note", direction="to_source", role="target")
    with pytest.raises(GuardError, match="tables_compared"):
        task._run(step)
    step.ledger |= EQUAL
    assert task._run(step)["scn"] == 4711 and step.ledger["to_source_scn"] == "4711"


def test_the_direction_is_switched_by_stopping_all_three_groups_and_the_back_out_knows_it(step: Any) -> None:
    names = step.site("source").goldengate.groups, step.site("target").goldengate.groups
    groups = {f"source:{names[0].extract}", f"source:{names[0].pump}", f"target:{names[1].replicat}"}
    step.groups = dict.fromkeys(groups, "RUNNING")
    task = StopReplicationToTarget(task_id="stop_replication_to_target")
    with pytest.raises(GuardError, match="tables_compared"):
        task._run(step)
    assert set(step.groups.values()) == {"RUNNING"}
    step.ledger |= EQUAL
    task._run(step)
    assert step.groups == dict.fromkeys(groups, "STOPPED") and step.ledger["to_target_stopped"] == "yes"


def test_the_final_catch_up_waits_for_a_marker_behind_the_scn_of_the_stop(
    step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_question(monkeypatch, "marker_arrived", lambda step, **_: Observation(False, "not yet"))
    vars(step.topology.timeouts)["inline_wait"] = 0.0
    task = WaitForFinalCatchUp(task_id="wait", direction="to_target", moment="final")
    with pytest.raises(GuardError, match="final_stop"):
        task._run(step)
    step.ledger |= EQUAL
    with pytest.raises(TaskDeferred) as waits:
        task._run(step)
    assert step.ledger["noted_scn"] == "4711"
    assert step.told == ["source: marker_put 0a1b2c3d-final-1800000000 4711"]
    assert waits.value.trigger.arguments["marker"] == "0a1b2c3d-final-1800000000"  # type: ignore[attr-defined]


# -- servers -----------------------------------------------------------------------------------------


def test_the_sources_server_runs_again_after_the_export_unless_the_run_wants_it_stopped(step: Any) -> None:
    step.ledger["loading_stopped"] = "1"
    task = StartInfoMartServer(task_id="start_info_mart_server")
    step.params["server_during_transfer"] = "stopped"
    task._run(step)
    assert step.runs == set() and "loading_stopped" in step.ledger
    step.params["server_during_transfer"] = "running"
    task._run(step)
    assert step.runs == {"source"} and "loading_stopped" not in step.ledger


def test_the_source_is_not_started_while_the_other_sites_server_runs(step: Any) -> None:
    step.runs.add("target")
    with pytest.raises(GuardError):
        StartInfoMartServer(task_id="start_info_mart_server")._run(step)
    assert step.runs == {"target"}


def test_a_source_whose_server_runs_stops_the_start_of_the_target(step: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_question(monkeypatch, "moved_since", lambda step: None)
    step.runs.add("source")
    with pytest.raises(GuardError, match="at site2 runs: a process"):
        ProveSourceStopped(task_id="prove_source_stopped")._run(step)
    step.runs.clear()
    assert "proven stopped" in ProveSourceStopped(task_id="prove_source_stopped")._run(step)["summary"]


def test_an_alarm_in_the_servers_log_stops_the_run_and_so_does_a_missing_log(
    step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, log = step.site("target").info_mart_server.log_file, {"text": "12:00 Std 20100 all is well\n"}
    replace_question(monkeypatch, "server_log", lambda step, role: log["text"])
    task = CheckServerLog(task_id="check_server_log", role="target")
    with pytest.raises(GuardError, match="does not exist"):
        task._run(step)
    step.files["target"][path] = ""
    assert "has none of" in task._run(step)["summary"]
    mark = next(iter(step.topology.info_mart.log_alarms))
    log["text"] += f"12:01 Alr {mark} it is not\n"
    with pytest.raises(GuardError, match=mark):
        task._run(step)


def test_a_server_that_has_loaded_nothing_is_waited_for(step: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {"loads": False}
    replace_question(monkeypatch, "loads", lambda step, role, since: Observation(seen["loads"], f"{role} {since}"))
    step.ledger["point_of_no_return"] = "1800000000"
    vars(step.topology.timeouts)["inline_wait"] = 0.0
    task = ProveLoading(task_id="prove_loading", role="target")
    with pytest.raises(TaskDeferred) as waits:
        task._run(step)
    assert waits.value.trigger.arguments == {"role": "target", "since": 1800000000}  # type: ignore[attr-defined]
    seen["loads"] = True
    assert task._run(step)["summary"] == "target 1800000000"


# -- proofs and decisions ----------------------------------------------------------------------------


def test_a_reaggregation_that_was_not_requested_stops_the_run(step: Any) -> None:
    step.topology = step.topology.model_copy(update={"raa": step.topology.raa.model_copy(update={"enabled": True})})
    with pytest.raises(GuardError, match="re-aggregation is not requested"):
        CheckRequested(task_id="check_request", role="target")._run(step)
    step.ledger["reaggregation_requested"] = "2026-11-02 to 2026-11-03"
    assert "requested: 2026-11-02" in CheckRequested(task_id="check_request", role="target")._run(step)["summary"]


def test_the_interval_begins_24_hours_before_the_failure_and_ends_now(step: Any) -> None:
    now = datetime(2026, 11, 3, 9, tzinfo=UTC)
    step.params["failure_time"] = "2026-11-02T17:00:00Z"
    window, source = RequestReaggregation(task_id="request_reaggregation").window(step, now)
    assert (window.start, window.end) == (datetime(2026, 11, 1, 17, tzinfo=UTC), now)
    assert "failure_time of this run" in source


def test_the_request_for_that_interval_is_made_once_and_recorded(step: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """DR 10a, Return to Normal 19a: GIMAgg gets both ends, as epoch times before RAA 8.1.4."""
    raa = step.topology.raa.model_copy(update={"enabled": True, "release": "8.1.0"})
    step.topology = step.topology.model_copy(update={"raa": raa})
    step.params["failure_time"] = "2026-11-02T17:00:00Z"
    login = SimpleNamespace(host="h", port=1521, login="gim", password="")
    monkeypatch.setattr(reaggregate, "connection", lambda name: login)
    made: list[Any] = []
    program = SimpleNamespace(insert=lambda url, user, password, start, end, job_id: made.append((start, end)) or "ok")
    monkeypatch.setattr(reaggregate, "Reaggregation", lambda host, raa, root: program)
    for _ in range(2):
        RequestReaggregation(task_id="request_reaggregation", role="target")._run(step)
    ((start, end),) = made
    assert int(start) == int(datetime(2026, 11, 1, 17, tzinfo=UTC).timestamp()) and int(end) > int(start)
    assert "24 h before 2026-11-02 17:00:00 UTC" in step.ledger["reaggregation_requested"]


class Shown(Exception):
    """A gate has asked."""


@pytest.mark.parametrize(
    ("gate", "method", "words"),
    [
        (ConfirmSiteFailure, "evidence", "Calls lost: 0 to 36"),
        (CutoverGate, "evidence", "site3 takes over"),
        (ApproveParameterFiles, "evidence", "+EXTRACT EGIM"),
    ],
)
def test_a_gate_shows_its_evidence_under_the_lock_and_then_asks(
    step: Any, monkeypatch: pytest.MonkeyPatch, gate: Any, method: str, words: str
) -> None:
    asked: list[str] = []

    def ask(self: Any, context: Any) -> None:
        asked.append(self.body)
        raise Shown

    file = SimpleNamespace(
        role="source", path="/ogg/dirprm/egim.prm", is_a_persons=False, state="x", diff=lambda: "+EXTRACT EGIM"
    )
    monkeypatch.setattr(ApprovalOperator, "execute", ask)
    monkeypatch.setattr("infomart_dr.operators.human.Step.from_context", lambda context: step)
    for question, answer in {
        "link_out": "**Link**", "replication_now": ["RUNNING"], "after_the_start": ["nothing"], "all_faults": [],
        "differing_files": ([file], []),
    }.items():  # fmt: skip
        replace_question(monkeypatch, question, lambda *_, _answer=answer, **__: _answer)
    monkeypatch.setattr("infomart_dr.guards.fitness.all_faults", lambda *_, **__: [])
    step.ledger["loss_report"] = "Calls lost: 0 to 36"
    task = gate(task_id="gate", subject="Do it?", body="")
    with pytest.raises(Shown):
        task.execute({"ti": None})
    assert words in asked[0]
    step.lock.release("plan-1")
    with pytest.raises(GuardError, match="lock"):
        gate(task_id="gate2", subject="Do it?", body="").execute({"ti": None})
    assert len(asked) == 1
