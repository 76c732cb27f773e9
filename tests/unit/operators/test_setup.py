"""Prerequisites of replication, the gate of the parameter files, and the steps of people at a new site."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.sdk.exceptions import AirflowSkipException
from tests.unit.operators.fakes import FakeStep, replace_question
from tests.unit.operators.fit_databases import FitDatabases

from infomart_dr import topology
from infomart_dr.errors import GuardError, PermanentError, UnreachableError
from infomart_dr.guards import prerequisites
from infomart_dr.guards import replication as replication_guard
from infomart_dr.guards.replication import ParameterFile
from infomart_dr.hooks import goldengate_parameters
from infomart_dr.operators import human
from infomart_dr.operators.replication import RenderParameterFiles
from infomart_dr.operators.setup import (
    ApproveParameterFiles,
    CheckPrerequisites,
    CreateHwmIndex,
    DeployIcons,
    DeployServer,
)
from infomart_dr.plan.step import Observation
from infomart_lab import config as lab_config
from infomart_lab import topology as lab_topology


class Files(dict[str, str]):
    """A host's files by path; a path that ends with / is a folder."""

    def exists(self, path: str) -> bool:
        return path in self or any(name.startswith(f"{path}/") for name in self)

    def read_file(self, path: str) -> str:
        return self[path]

    def write_file(self, path: str, text: str) -> None:
        self[path] = text


class Deployment(FakeStep):
    """The lab's active-standby deployment before replication: site1 serves, site2 will follow; all is prepared."""

    def __init__(self, tmp_path: Path, *, release: str = "8.1.4", **facts: str) -> None:
        super().__init__(**facts)
        config = lab_config.create(tmp_path / "lab", scenario_name="active-standby", release=release)
        self.document = lab_topology.topology(config)
        self.sites = {"source": "site1", "target": "site2"}
        self.read_topology()
        self.files = {role: Files() for role in ("source", "target")}
        for role, files in self.files.items():
            site = self.site(role)
            for folder in prerequisites.GOLDENGATE_FOLDERS:
                files[f"{site.goldengate.home}/{folder}/x"] = ""
            files[f"{site.info_mart_server.root}/x"] = ""
        self.runs: set[str] = set()
        self.host_property: str | None = "site1-gim"
        self.logging = {
            role: {
                "log_mode": "ARCHIVELOG",
                "supplemental_log_data_min": "YES",
                "force_logging": "YES",
                "goldengate": "TRUE",
            }
            for role in ("source", "target")
        }
        self.tables = {role: ["CTL_EXTRACT_HWM", "INTERACTION_FACT"] for role in ("source", "target")}
        self.databases = FitDatabases()
        self.indexes: dict[str, list[Any]] = {"source": [], "target": []}
        #: Container by connection, of a CDB.
        self.containers: dict[str, dict[str, str]] = {"source": {}, "target": {}}
        #: The parameter of a database that is no CDB: none before 12.1.
        self.not_a_cdb: list[dict[str, str]] = []
        self.executed: list[tuple[str, str]] = []
        self.missing_objects: set[str] = set()
        self.disabled: set[str] = set()
        #: Seconds since the last event by connection; None: never; an exception: it cannot be asked.
        self.last_event: dict[str, Any] = {}

    def read_topology(self) -> None:
        self.topology = topology.parse(yaml.safe_dump(self.document), Path("topology.yaml"))  # type: ignore[assignment]

    def site(self, role: str) -> Any:
        return self.topology.sites[self.sites[role]]

    def host(self, role: str, kind: str = "db") -> Files:
        return self.files[role]

    def dba(self, role: str) -> Any:
        def select(name: str, **binds: Any) -> list[dict[str, Any]]:
            found = self.logging[role]
            rows = {
                "supplemental_logging": [found],
                "container_database": [{"value": "TRUE"}] if self.containers[role] else self.not_a_cdb,
                "replication_parameter": [{"value": found["goldengate"]}] if found["goldengate"] else [],
                "tables": [{"table_name": table, "partitioned": "NO", "temporary": "N"} for table in self.tables[role]],
            }
            return rows[name] if name in rows else hook.select(name, **binds)

        hook = self.databases.hook(role, "dba")
        value = self.container(role, "dba_connection", hook)
        return SimpleNamespace(**{**vars(hook), "select": select, "value": value})

    def ggsci(self, role: str) -> Any:
        return self.databases.ggsci(role)

    def container(self, role: str, connection: str, hook: Any) -> Any:
        """Values of a connection, among them its container; a database that is no CDB is not asked for it."""

        def value(name: str, **binds: Any) -> Any:
            return self.containers[role][connection] if name == "container_name" else hook.value(name, **binds)

        return value

    def goldengate_database(self, role: str) -> Any:
        hook = self.databases.hook(role, "goldengate")
        return SimpleNamespace(**{**vars(hook), "value": self.container(role, "goldengate_connection", hook)})

    def info_mart(self, role: str) -> Any:
        def execute(name: str, identifiers: dict[str, str]) -> int:
            assert identifiers == {"schema": "GIM"}
            self.executed.append((role, name))
            self.indexes[role].append(index())
            return 0

        return SimpleNamespace(execute=execute, value=self.container(role, "info_mart_connection", None))

    def configuration(self, role: str) -> Any:
        def read(name: str) -> Any:
            if name in self.missing_objects:
                raise PermanentError(f"GAX has no Application object {name}.")
            return SimpleNamespace(state=2 if name in self.disabled else 1)

        return SimpleNamespace(read=read)

    def oracle(self, connection: str) -> Any:
        def value(name: str, identifiers: dict[str, str]) -> int | None:
            age = self.last_event.get(connection, 1)
            if isinstance(age, Exception):
                raise age
            return None if age is None else int(time.time()) - age

        return SimpleNamespace(value=value)


def index(*columns: str, table: str = "CTL_EXTRACT_HWM") -> Any:
    return SimpleNamespace(table=table, columns=columns or ("TABLE_NAME", "DATA_SOURCE_KEY", "MAX_TS"))


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    found = Deployment(tmp_path)
    patch(monkeypatch, found)
    return found


def patch(monkeypatch: pytest.MonkeyPatch, step: Deployment) -> None:
    replace_question(monkeypatch, "server_runs", lambda _, role: ["process 7"] if role in step.runs else [])
    replace_question(monkeypatch, "application_host", lambda _, role: step.host_property)
    replace_question(monkeypatch, "dictionary_of", lambda _, role: SimpleNamespace(indexes=step.indexes[role]))
    monkeypatch.setattr(human.Step, "from_context", lambda context: step)


# -- prerequisites ---------------------------------------------------------------------------------


def check(step: Any) -> dict[str, Any]:
    return CheckPrerequisites(task_id="check_prerequisites")._run(step)


def test_a_prepared_deployment_passes(step: Any) -> None:
    assert "GoldenGate and access points fit" in check(step)["summary"]


def test_everything_that_is_missing_is_reported_at_once(step: Any) -> None:
    step.runs = {"target"}
    step.host_property = "site2-gim"
    step.files["target"] = Files({f"{step.site('target').goldengate.home}/dirprm/x": ""})
    step.logging["source"].update(log_mode="NOARCHIVELOG", goldengate="FALSE")
    step.logging["target"].update(supplemental_log_data_min="NO")
    step.missing_objects = {"DAP_GIM_site2", "DAP_TS1_site1"}
    with pytest.raises(GuardError) as caught:
        check(step)
    for words in (
        "9 prerequisite(s) are missing",
        "the Info Mart Server at site2 is running (process 7)",
        "the Application object GIM has the host site2-gim, not site1-gim",
        "is not deployed at site2",
        "the database of site1 is in NOARCHIVELOG mode",
        "minimal supplemental logging is off at site2 (ALTER DATABASE ADD SUPPLEMENTAL LOG DATA)",
        "enable_goldengate_replication is FALSE at site1",
        "lacks dirchk, dirdat, dirpcs, dirrpt (ggsci: CREATE SUBDIRS)",
        "DAP DAP_GIM_site2 of site2: GAX has no",
        "DAP DAP_TS1_site1 of site1: GAX has no",
    ):
        assert words in caught.value.what


CONNECTIONS = ("dba_connection", "info_mart_connection", "goldengate_connection")


def in_a_pdb(step: Any) -> None:
    """The topology names a PDB at the target."""
    site = step.document["sites"]["site2"]
    site["database"] |= {"pdb": "GIMPDB", "environment": {}}
    site["goldengate"]["capture_login"] = {"alias": "cggate"}
    step.read_topology()


@pytest.mark.parametrize("parameter", [[], [{"value": "FALSE"}]])
def test_a_database_that_is_no_cdb_has_no_pdb(step: Any, parameter: list[dict[str, str]]) -> None:
    step.not_a_cdb = parameter
    check(step)
    in_a_pdb(step)
    with pytest.raises(
        GuardError, match=r"(?s)1 prerequisite.*the database of site2 is no CDB, and database.pdb is GIMPDB"
    ):
        check(step)


@pytest.mark.parametrize("container", ["CDB$ROOT", "GIMPDB"])
def test_a_cdb_that_the_topology_does_not_name_is_refused(step: Any, container: str) -> None:
    step.containers["target"] = dict.fromkeys(CONNECTIONS, container)
    with pytest.raises(GuardError) as caught:
        check(step)
    assert f"the database of site2 is a CDB (dba_connection leads to {container})" in caught.value.what
    assert "needs database.pdb and goldengate.capture_login" in caught.value.what


def test_each_connection_leads_to_the_pdb(step: Any) -> None:
    in_a_pdb(step)
    step.containers["target"] = dict.fromkeys(CONNECTIONS, "GIMPDB")
    check(step)


@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize("container", ["CDB$ROOT", "OTHER"])
def test_a_connection_into_another_container_is_refused(step: Any, connection: str, container: str) -> None:
    in_a_pdb(step)
    step.containers["target"] = {**dict.fromkeys(CONNECTIONS, "GIMPDB"), connection: container}
    with pytest.raises(GuardError) as caught:
        check(step)
    assert "1 prerequisite" in caught.value.what
    assert f"{connection} of site2 leads to the container {container}, and database.pdb is GIMPDB" in caught.value.what


def test_an_owner_that_comes_with_the_import_is_not_asked_for_its_container(step: Any) -> None:
    in_a_pdb(step)
    step.databases.rows["target"]["account"] = []
    step.containers["target"] = {name: "GIMPDB" for name in CONNECTIONS if name != "info_mart_connection"}
    check(step)


@pytest.mark.parametrize("word", ["YES", "IMPLICIT"])
def test_supplemental_logging_that_is_there_in_another_word_is_there(step: Any, word: str) -> None:
    step.logging["source"]["supplemental_log_data_min"] = word
    check(step)


def test_a_database_without_the_parameter_is_of_a_release_that_needs_none(step: Any) -> None:
    step.logging["source"]["goldengate"] = ""
    check(step)


def test_where_a_person_configures_the_objects_are_not_asked_for(step: Any) -> None:
    step.document["sites"]["site1"]["configuration"] = {"backend": "manual"}
    step.read_topology()
    step.host_property, step.missing_objects = None, {"DAP_GIM_site2"}
    check(step)


# -- parameter files -------------------------------------------------------------------------------

OLD = "EXTRACT EGIM\nUSERID ggate, PASSWORD s3cret\nEXTTRAIL ./dirdat/em\n"
NEW = "EXTRACT EGIM\nUSERIDALIAS ggate\nEXTTRAIL ./dirdat/em\n"


def gate() -> ApproveParameterFiles:
    return ApproveParameterFiles(task_id="approve_parameter_files", subject="Write?", body="")


@pytest.fixture
def files(step: Any, monkeypatch: pytest.MonkeyPatch) -> list[ParameterFile]:
    found = [
        ParameterFile("source", "/ogg/dirprm/egim.prm", NEW, OLD, "EGIM"),
        ParameterFile("source", "/ogg/GLOBALS", "GGSCHEMA GGATE\n", "GGSCHEMA GGATE\n"),
        ParameterFile("target", "/ogg/dirprm/rgim.prm", "REPLICAT RGIM\n", None, "RGIM"),
    ]
    replace_question(monkeypatch, "parameter_files", lambda step: found)
    return found


def test_the_gate_shows_what_would_be_written_and_no_password(step: Any, files: list[ParameterFile]) -> None:
    shown = gate().evidence(step)
    assert "**site1: /ogg/dirprm/egim.prm**" in shown and "**site2: /ogg/dirprm/rgim.prm**" in shown
    assert "-USERID ggate, PASSWORD ***" in shown and "+USERIDALIAS ggate" in shown and "s3cret" not in shown
    assert "--- (no file)" in shown and "+REPLICAT RGIM" in shown
    assert "GLOBALS" not in shown, "a file that is right is not shown"
    assert gate().does_not_apply(step) is None


def changed_gate(**more: Any) -> ApproveParameterFiles:
    return ApproveParameterFiles(
        task_id="approve_changed_files", subject="Replace?", body="", changed_only=True, **more
    )


def render(step: Any, **more: Any) -> Any:
    return RenderParameterFiles(task_id="render_parameter_files", **more)._run(step)


def test_a_persons_file_is_replaced_only_in_the_state_that_somebody_has_approved(
    step: Any, files: list[ParameterFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(GuardError, match=r"egim[.]prm, and nobody has approved") as caught:
        render(step)
    assert "approve_changed_files" in caught.value.next_step
    assert "/ogg/dirprm/egim.prm" not in step.files["source"]
    shown = changed_gate().evidence(step)
    assert "a person has written or changed it" in shown and "+USERIDALIAS ggate" in shown
    assert "rgim.prm" not in shown, "a new file needs no gate"
    with pytest.raises(GuardError):
        render(step)
    changed_gate().accepted(step, "anna")
    assert "unapproved" in (changed_gate().does_not_apply(step) or "")
    edited = files[0] = ParameterFile("source", "/ogg/dirprm/egim.prm", NEW, OLD + "-- no, wait\n", "EGIM")
    with pytest.raises(GuardError):
        render(step)
    changed_gate().evidence(step)
    changed_gate().refused(step)
    with pytest.raises(GuardError):
        render(step)
    changed_gate().evidence(step)
    changed_gate().accepted(step, "anna")
    step.files["source"]["/ogg/dirprm/egim.prm"] = edited.there
    monkeypatch.setattr(RenderParameterFiles, "verify", lambda self, step: Observation(True, "written"))
    render(step)
    assert step.files["source"]["/ogg/dirprm/egim.prm"] == NEW
    assert step.files["source"]["/ogg/dirprm/egim.prm.before-0a1b2c3d"] == edited.there
    assert step.files["target"]["/ogg/dirprm/rgim.prm"] == "REPLICAT RGIM\n"


def test_nobody_is_asked_about_a_file_of_the_procedures_own(step: Any, files: list[ParameterFile]) -> None:
    role: Any = "source"
    rendered = goldengate_parameters.render_site(step.topology, "site1", "site2")["EGIM"]
    files[:] = [
        ParameterFile(role, "/ogg/dirprm/egim.prm", "EXTRACT OTHER\n", rendered, "EGIM"),
        ParameterFile(role, "/ogg/GLOBALS", "X\nGGSCHEMA GGATE\n", "X\n"),
    ]
    assert changed_gate().does_not_apply(step)
    for there in (rendered + "-- a word\n", "-- mine\n" + rendered, rendered.partition("\n")[2]):
        files[0] = ParameterFile(role, "/ogg/dirprm/egim.prm", "EXTRACT OTHER\n", there, "EGIM")
        assert changed_gate().does_not_apply(step) is None
    files[0] = ParameterFile(role, "/ogg/dirprm/egim.prm", rendered, rendered + "-- a word\n", "EGIM")
    assert changed_gate().does_not_apply(step), "the statements are the same: nothing is replaced"


def test_the_gate_of_the_set_up_counts_for_the_later_one(step: Any, files: list[ParameterFile]) -> None:
    gate().evidence(step)
    gate().accepted(step, "anna")
    assert changed_gate().does_not_apply(step)
    files.append(ParameterFile("target", "/ogg/dirprm/egim.prm", NEW, OLD, "EGIM"))
    assert [file.role for file in changed_gate().files(step)] == ["source", "target"]


def test_files_of_a_direction_in_use_stay_and_nobody_is_asked_about_them(step: Any, files: list[ParameterFile]) -> None:
    assert changed_gate(keep="to_target").does_not_apply(step)
    summary = render(step, keep="to_target")["summary"]
    assert "in use, so not replaced: site1:/ogg/dirprm/egim.prm, site2:/ogg/dirprm/rgim.prm" in summary
    assert changed_gate(keep="to_source").does_not_apply(step) is None


def test_nobody_is_asked_when_every_file_is_right(step: Any, files: list[ParameterFile]) -> None:
    files[:] = [ParameterFile(each.role, each.path, each.text, each.text) for each in files]
    with pytest.raises(AirflowSkipException, match="as rendered already"):
        gate().execute({"dag_run": None})


def test_a_file_that_is_only_of_another_password_is_a_difference_all_the_same(
    step: Any, files: list[ParameterFile]
) -> None:
    files[:] = [ParameterFile("source", "/ogg/dirprm/egim.prm", OLD, OLD.replace("s3cret", "other"))]
    assert gate().does_not_apply(step) is None
    assert "other" not in gate().evidence(step)


def test_long_differences_are_cut_off_with_a_word_about_the_rest(step: Any, files: list[ParameterFile]) -> None:
    lines = "".join(f"TABLE GIM.T_{number};\n" for number in range(3000))
    files[:] = [ParameterFile("source", "/ogg/dirprm/egim.prm", lines, None)]
    shown = gate().evidence(step)
    assert len(shown) < 21_000 and "the log of render_parameter_files will show the rest" in shown


def test_the_files_of_both_sites_are_rendered_with_what_the_hosts_have(
    step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = step.site("source").goldengate.home
    step.files["source"][f"{home}/GLOBALS"] = "ENABLEMONITORING\n"
    found = {(file.role, file.path.rpartition("/")[2]): file for file in replication_guard.parameter_files(step)}
    names = {"egim.prm", "pgim.prm", "rgim.prm", "GLOBALS"}
    assert set(found) == {(role, name) for role in ("source", "target") for name in names}
    assert found["source", "GLOBALS"].text.startswith("ENABLEMONITORING\nGGSCHEMA GGATE\n")
    assert found["source", "GLOBALS"].there == "ENABLEMONITORING\n"
    assert found["target", "GLOBALS"].there is None and not found["target", "GLOBALS"].right
    for (role, _), file in found.items():
        step.files[role][file.path] = file.text
    assert all(file.right for file in replication_guard.parameter_files(step))


# -- the index of early releases -------------------------------------------------------------------


def create(step: Any) -> dict[str, Any]:
    return CreateHwmIndex(task_id="create_hwm_index")._run(step)


@pytest.fixture(params=["8.1", "8.1.0", "8.1.1", "8.1.001.02", "8.1.101.18"])
def early(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    step = Deployment(tmp_path, release=request.param)
    patch(monkeypatch, step)
    return step


def test_early_releases_get_the_index_at_both_sites_once(early: Any) -> None:
    create(early)
    assert early.executed == [("source", "hwm_index"), ("target", "hwm_index")]
    create(early)
    assert len(early.executed) == 2


def test_the_index_is_made_only_where_the_table_is_and_it_is_not(early: Any) -> None:
    early.tables["target"] = []
    early.indexes["source"] = [index("TABLE_NAME"), index(table="CTL_X")]
    create(early)
    assert early.executed == [("source", "hwm_index")]


def test_an_index_of_another_name_with_the_same_columns_is_enough(early: Any) -> None:
    early.indexes = {"source": [index()], "target": [index()]}
    assert create(early)["summary"] == "the index exists"
    assert early.executed == []


@pytest.mark.parametrize("release", ["8.1.2", "8.1.4", "8.1.402.07", "8.5"])
def test_later_releases_have_a_key_and_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: str
) -> None:
    step: Any = Deployment(tmp_path, release=release)
    patch(monkeypatch, step)
    with pytest.raises(AirflowSkipException, match=f"release {release} has a key"):
        create(step)
    assert goldengate_parameters.three_parts(release) >= (8, 1, 2)


# -- a new site ------------------------------------------------------------------------------------


def icons() -> DeployIcons:
    return DeployIcons(task_id="deploy_icons", role="target")


def test_a_site_whose_icons_collect_asks_nobody(step: Any) -> None:
    assert icons().instructions(step) is None
    assert "2 IDB(s) at site2 collect" in icons().execute({})["summary"]


def test_what_keeps_the_icons_from_collecting_is_listed_for_the_person(step: Any) -> None:
    step.missing_objects, step.disabled = {"DAP_TS1_site2"}, {"ICON_TS2_site2"}
    step.last_event["oracle_site2_idb"] = None
    # The other IDB of the pair stands at neither of the two sites.
    sites = step.document["sites"]
    sites["site3"]["idbs"] = [idb for idb in sites["site1"]["idbs"] if idb["data_source_key"] == 102]
    sites["site1"]["idbs"] = [idb for idb in sites["site1"]["idbs"] if idb["data_source_key"] == 101]
    step.read_topology()
    text = icons().instructions(step)
    assert text is not None
    for words in (
        "the Application object DAP_TS1_site2 does not exist",
        "the Application object ICON_TS2_site2 is disabled",
        "data source 102 has IDBs at site2, site3 and none at site1",
        "the IDB ts1-site2 has never received an event of its data source",
        "one IDB belongs to site2 and the other to site1",
    ):
        assert words in text


def test_a_data_source_with_a_single_idb_is_not_asked_to_become_a_pair(step: Any) -> None:
    sites = step.document["sites"]
    sites["site1"]["idbs"] = [idb for idb in sites["site1"]["idbs"] if idb["data_source_key"] == 101]
    step.read_topology()
    assert icons().instructions(step) is None


def test_an_idb_that_cannot_be_asked_is_named_and_is_no_proof(step: Any) -> None:
    step.last_event["oracle_site2_idb"] = UnreachableError("ORA-12541: no listener")
    assert "cannot be queried: ORA-12541" in str(icons().instructions(step))
    seen = icons().confirmed(step)
    assert seen is not None and not seen.satisfied


def test_an_old_last_event_is_asked_about_and_a_persons_word_stands_for_it(step: Any) -> None:
    step.last_event["oracle_site2_idb"] = 3600
    assert "1 h old" in str(icons().instructions(step))
    seen = icons().confirmed(step)
    assert seen is not None and seen.satisfied and "1 h old" in seen.summary


def test_a_last_event_that_is_a_timestamp_is_read_as_well(step: Any) -> None:
    hour_ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(hours=1)
    step.oracle = lambda connection: SimpleNamespace(value=lambda name, names: hour_ago)
    assert "1 h old" in str(icons().instructions(step))


def test_a_confirmation_of_what_is_still_missing_is_not_taken(step: Any) -> None:
    step.disabled = {"DAP_TS1_site2"}
    seen = icons().confirmed(step)
    assert seen is not None and not seen.satisfied and "DAP_TS1_site2 is disabled" in seen.summary


def server() -> DeployServer:
    return DeployServer(task_id="deploy_info_mart_server", role="target")


def test_a_server_that_is_deployed_and_stopped_asks_nobody(step: Any) -> None:
    assert server().instructions(step) is None
    assert "deployed at site2 and stopped" in server().execute({})["summary"]


def test_a_missing_server_is_deployed_by_a_person_who_must_not_start_it(step: Any) -> None:
    step.files["target"] = Files()
    text = str(server().instructions(step))
    root = step.site("target").info_mart_server.root
    assert f"`{root}`" in text and "Do not create an Application object: `GIM`" in text
    assert "Do not start the server" in text
    seen = server().confirmed(step)
    assert seen is not None and not seen.satisfied and root in seen.summary


def test_a_server_that_runs_at_the_new_site_stops_the_run(step: Any) -> None:
    step.runs = {"target"}
    with pytest.raises(GuardError, match=r"at site2 runs: process 7") as caught:
        server().execute({})
    assert "no service starts it automatically" in caught.value.next_step
