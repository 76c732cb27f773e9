"""The fitness of both databases: each fault is found before anything stops, and named with its remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.operators.fakes import FakeStep, replace_question
from tests.unit.operators.fit_databases import GB, FitDatabases

from infomart_dr import topology
from infomart_dr.errors import CredentialsError, GuardError, PermanentError, RemoteCommandError, UnreachableError
from infomart_dr.evidence.estimate import Span
from infomart_dr.guards import fitness
from infomart_dr.guards.dump_set import Undo, dump_bytes
from infomart_dr.operators.setup import CheckPrerequisites
from infomart_lab import config as lab_config
from infomart_lab import topology as lab_topology


class World(FakeStep):
    """The lab's topology over two healthy databases."""

    def __init__(self, tmp_path: Path) -> None:
        super().__init__()
        self.document = lab_topology.topology(
            lab_config.create(tmp_path / "lab", scenario_name="active-standby", release="8.1.4")
        )
        self.sites = {"source": "site1", "target": "site2"}
        self.databases = FitDatabases()
        self.change(lambda document: None)

    def change(self, how: Callable[[dict[str, Any]], object]) -> None:
        how(self.document)
        self.topology = topology.parse(yaml.safe_dump(self.document), Path("topology.yaml"))  # type: ignore[assignment]

    def site(self, role: str) -> Any:
        return self.topology.sites[self.sites[role]]

    def dba(self, role: str) -> Any:
        return self.databases.hook(role, "dba")

    def goldengate_database(self, role: str) -> Any:
        return self.databases.hook(role, "goldengate")

    def info_mart(self, role: str) -> Any:
        return self.databases.hook(role, "dba")

    def ggsci(self, role: str) -> Any:
        return self.databases.ggsci(role)

    def faults(self, *, copies: bool = True) -> dict[str, bool]:
        """Faults; True: a run stops."""
        return {str(fault): fault.stops for fault in fitness.all_faults(self, copies=copies)}  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def rows(role: str, name: str, *found: dict[str, Any]) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.databases.rows[role][name] = list(found)

    return change


def row(role: str, name: str, **values: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.databases.rows[role][name][0].update(values)

    return change


def parameter(role: str, name: str, value: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        for each in world.databases.rows[role]["database_parameters"]:
            if each["name"] == name:
                each["value"] = value

    return change


def without(role: str, kind: str, *words: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.databases.held[role, kind] -= set(words)

    return change


def both(*changes: Callable[[World], None]) -> Callable[[World], None]:
    def change(world: World) -> None:
        for each in changes:
            each(world)

    return change


def setting(site: str, part: str, **values: Any) -> Callable[[World], None]:
    return lambda world: world.change(lambda document: document["sites"][site][part].update(values))


def cluster(*instances: str) -> Callable[[World], None]:
    """The source's database has several instances, and Data Pump is bound to none of them."""

    def change(world: World) -> None:
        setting("site1", "database", environment={})(world)
        rows(
            "source",
            "instance",
            *(
                {"version": "19.0.0.0.0", "instance_name": name, "host_name": f"db1{letter}"}
                for name, letter in zip(instances, "abc", strict=False)
            ),
        )(world)

    return change


def classic(**goldengate: Any) -> Callable[[World], None]:
    """Site 1 captures in the classic way."""

    def change(world: World) -> None:
        world.databases.held["source", "goldengate"] |= {"SELECT ANY DICTIONARY", "FLASHBACK ANY TABLE"}
        setting("site1", "goldengate", capture="classic", **goldengate)(world)

    return change


def test_a_classic_capture_that_has_what_it_needs_is_no_fault(world: World) -> None:
    rows("source", "redo_threads", {"threads": 2})(world)
    rows("source", "redo_files", {"member": "+DATA/gim/redo01.log"})(world)
    classic(threads=2, extra_parameters={"extract": ["TRANLOGOPTIONS DBLOGREADER"]})(world)
    assert world.faults() == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (rows("source", "redo_threads", {"threads": 2}), "site1 has 2 redo threads, and goldengate.threads is 1"),
        (rows("source", "redo_files", {"member": "+DATA/gim/redo01.log"}), "in ASM (+DATA/gim/redo01.log)"),
        (rows("source", "ddl_trigger"), "the DDL objects of classic capture are missing at site1"),
        (row("source", "ddl_trigger", status="DISABLED"), "the DDL objects of classic capture are missing at site1"),
        (row("source", "table_exists", found=0), "the DDL objects of classic capture are missing at site1"),
    ],
)
def test_a_classic_capture_that_cannot_work_is_refused(
    world: World, change: Callable[[World], None], words: str
) -> None:
    change(world)
    assert world.faults() == {}, "integrated capture needs none of it"
    classic()(world)
    (fault,) = world.faults(copies=False).items()
    assert words in fault[0] and fault[1], "the run stops"


def test_two_healthy_databases_have_no_fault(world: World) -> None:
    assert world.faults() == {}
    assert world.faults(copies=False) == {}


@pytest.mark.parametrize(
    ("change", "words", "stops", "copies_only"),
    [
        (row("source", "supplemental_logging", force_logging="NO"), "FORCE LOGGING is NO at site1", True, False),
        (
            row("target", "supplemental_logging", force_logging="STANDBY NOLOGGING FOR DATA AVAILABILITY"),
            "FORCE LOGGING is STANDBY NOLOGGING FOR DATA AVAILABILITY at site2",
            True,
            False,
        ),
        (rows("source", "timezone_file", {"version": 33}), "impdp refuses the dump set (ORA-39405)", True, True),
        (
            rows("target", "character_sets", {"parameter": "NLS_CHARACTERSET", "value": "WE8MSWIN1252"}),
            "characters that WE8MSWIN1252 lacks are lost",
            True,
            True,
        ),
        (
            rows(
                "source",
                "character_sets",
                {"parameter": "NLS_CHARACTERSET", "value": "WE8MSWIN1252"},
                {"parameter": "NLS_NCHAR_CHARACTERSET", "value": "AL16UTF16"},
            ),
            "more bytes than its column has (ORA-12899)",
            False,
            True,
        ),
        (parameter("target", "compatible", "12.2.0"), "written with VERSION=12.2.0", False, True),
        (
            rows("source", "banner", {"banner": "Oracle Database 19c Standard Edition 2 Release 19.0.0.0.0"}),
            "Data Pump refuses it (ORA-39094)",
            True,
            True,
        ),
        (rows("source", "schema_tablespaces", {"tablespace_name": "GIM_DATA"}), "(ORA-00959)", True, True),
        (
            both(row("source", "account", profile="REPORTING"), rows("target", "account")),
            "the profile REPORTING of GIM is missing at site2: the import cannot create the user (ORA-02380)",
            True,
            True,
        ),
        (
            both(row("source", "account", default_tablespace="GIM_DATA"), rows("target", "account")),
            "the tablespace GIM_DATA of GIM is missing at site2",
            True,
            True,
        ),
        (
            cluster("GIM1", "GIM2"),
            "has 2 instances (GIM1 on db1a, GIM2 on db1b), and Data Pump logs in to any of them",
            False,
            True,
        ),
        (
            rows("source", "granted_roles", {"granted_role": "GIM_READ"}),
            "roles of GIM are missing at site2: GIM_READ (ORA-01919)",
            False,
            True,
        ),
        (rows("source", "grantees", {"grantee": "BI"}), "are missing at site2: BI (ORA-01917)", False, True),
        (row("target", "recovery_area", space_used=95 * GB), "import may write 10.7 GB of redo", False, True),
        (
            rows(
                "source",
                "lob_retention",
                {"table_name": "T", "column_name": "L", "pctversion": 10, "securefile": "NO"},
            ),
            "T.L (PCTVERSION 10)",
            False,
            True,
        ),
        (without("source", "dba", "DATAPUMP_EXP_FULL_DATABASE"), "lacks DATAPUMP_EXP_FULL_DATABASE", True, True),
        (without("target", "dba", "DATAPUMP_IMP_FULL_DATABASE"), "lacks DATAPUMP_IMP_FULL_DATABASE", True, True),
        (without("target", "goldengate", "INSERT ANY TABLE"), "GRANT INSERT ANY TABLE TO GGATE", True, False),
        (without("source", "goldengate", "CREATE ANY INDEX"), "GRANT CREATE ANY INDEX TO GGATE", True, False),
        (
            rows("source", "goldengate_privileges"),
            "DBMS_GOLDENGATE_AUTH.GRANT_ADMIN_PRIVILEGE('GGATE')",
            True,
            False,
        ),
        (
            rows("source", "goldengate_support", {"table_name": "INTERACTION_FACT", "support_mode": "NONE"}),
            "skips tables that GoldenGate does not support: INTERACTION_FACT (NONE)",
            False,
            False,
        ),
        (
            rows("source", "goldengate_not_unique", {"table_name": "INTERACTION_FACT", "bad_column": "Y"}),
            "have no key",
            False,
            False,
        ),
        (rows("source", "interval_tables", {"table_name": "INTERACTION_FACT"}), "SYS_Pn names differ", False, False),
        (parameter("source", "streams_pool_size", str(GB)), "streams_pool_size is 1.1 GB at site1", False, False),
        (
            rows("target", "scheduler_jobs_of", {"owner": "GIM", "job_name": "REPORT", "enabled": "TRUE"}),
            "the scheduler job GIM.REPORT is enabled at site2",
            False,
            False,
        ),
        (
            rows("target", "dbms_jobs_of", {"job": 41, "broken": "N"}),
            "the job 41 of DBMS_JOB is enabled at site2",
            False,
            False,
        ),
    ],
)
def test_a_fault_is_found_and_stops_a_run_where_the_run_would_lose_by_it(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[World], None],
    words: str,
    stops: bool,
    copies_only: bool,
) -> None:
    change(world)
    found = world.faults()
    assert [stop for text, stop in found.items() if words in text] == [stops], found
    assert (words in " ".join(world.faults(copies=False))) is not copies_only
    for other in ("standby_faults", "goldengate_faults", "access_point_faults"):
        replace_question(monkeypatch, other, lambda *_: [])
    check = CheckPrerequisites(task_id="check_prerequisites")
    if stops:
        with pytest.raises(GuardError, match="prerequisite\\(s\\) are missing"):
            check._run(world)  # type: ignore[arg-type]
    else:
        assert words.split(" (")[0] in check._run(world)["summary"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        rows("target", "timezone_file", {"version": 41}),
        row("source", "supplemental_logging", supplemental_log_data_min="IMPLICIT"),
        rows("source", "goldengate_support", {"table_name": "TMP_X", "support_mode": "NONE"}),
        rows("source", "scheduler_jobs_of", {"owner": "GIM", "job_name": "REPORT", "enabled": "TRUE"}),
        rows("target", "scheduler_jobs_of", {"owner": "GIM", "job_name": "REPORT", "enabled": "FALSE"}),
        rows("target", "dbms_jobs_of", {"job": 41, "broken": "Y"}),
        rows("target", "recovery_area"),
        parameter("target", "compatible", "19.0.0.0"),
        # An owner that is there keeps its own profile.
        row("source", "account", profile="REPORTING"),
    ],
)
def test_what_harms_nothing_is_no_fault(world: World, change: Callable[[World], None]) -> None:
    change(world)
    assert world.faults() == {}


@pytest.mark.parametrize("there", [False, True], ids=["the import creates the owner", "the owner exists"])
def test_a_missing_profile_or_default_tablespace_stops_only_the_creation_of_the_owner(
    world: World, there: bool
) -> None:
    row("source", "account", profile="GIM_PROFILE", default_tablespace="GIM_DEFAULT")(world)
    rows("source", "profiles", {"profile": "DEFAULT"}, {"profile": "GIM_PROFILE"})(world)
    if not there:
        rows("target", "account")(world)
    found = world.faults()
    assert [stop for text, stop in found.items() if "(ORA-02380)" in text] == [True] * (not there)
    assert [stop for text, stop in found.items() if "GIM_DEFAULT" in text] == [True] * (not there)
    if not there:
        (text,) = [text for text in found if "ORA-02380" in text]
        assert "the profile GIM_PROFILE of GIM is missing at site2" in text and "CREATE PROFILE GIM_PROFILE" in text
        rows("target", "profiles", {"profile": "GIM_PROFILE"})(world)
        assert not [text for text in world.faults() if "ORA-02380" in text]


def test_data_pump_that_is_bound_to_one_instance_of_a_cluster_is_no_fault(world: World) -> None:
    cluster("GIM1", "GIM2")(world)
    setting("site1", "database", data_pump={"connect": "//db1a:1521/GIM1", "parallel": 1})(world)


def in_a_pdb(world: World, **database: Any) -> None:
    """Site1 has a PDB, from whose root a common user captures."""

    def change(document: dict[str, Any]) -> None:
        site = document["sites"]["site1"]
        site["database"] |= {"pdb": "GIMPDB1", "environment": {}} | database
        site["goldengate"]["capture_login"] = {"alias": "ggroot"}

    world.change(change)
    rows("source", "container_database", {"value": "TRUE"})(world)
    rows("source", "container_name", {"name": "GIMPDB1"})(world)
    world.databases.logins["source"] = "C##GGATE"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CredentialsError("goldengate.login on site1-db was refused.", "Correct it."), "refused (remedy: Correct it)"),
        (RemoteCommandError("ggsci does not start in /ogg: no such file.", "Check it."), "ggsci does not start"),
    ],
)
def test_a_login_of_goldengate_that_fails_stops_a_run(world: World, error: PermanentError, words: str) -> None:
    in_a_pdb(world)
    world.databases.logins["source"] = error
    assert [stops for text, stops in world.faults().items() if words in text] == [True]
    assert len(world.faults()) == 1


def test_a_silent_host_of_goldengate_is_no_fault_of_the_databases(world: World) -> None:
    world.databases.logins["target"] = UnreachableError("silent")
    with pytest.raises(UnreachableError):
        world.faults()


@pytest.mark.parametrize("copies", [True, False])
def test_a_run_of_two_active_sites_asks_for_the_kind_of_the_database_too(world: World, copies: bool) -> None:
    def change(document: dict[str, Any]) -> None:
        document["architecture"] = "active-active"
        for number, site in enumerate(document["sites"].values(), 201):
            site["info_mart_server"] |= {"application": f"GIM_{number}", "application_dbid": number}

    world.change(change)
    rows("source", "container_database", {"value": "TRUE"})(world)
    rows("source", "container_name", {"name": "CDB$ROOT"})(world)
    assert any("the database of site1 is a CDB" in text for text in world.faults(copies=copies))


def test_a_common_user_whose_capture_privileges_the_pdb_shows_is_no_fault(world: World) -> None:
    in_a_pdb(world)
    assert world.faults() == {}


@pytest.mark.parametrize(
    ("release", "statement", "held", "words"),
    [
        ("19.0", "goldengate_privileges", [], "GRANT_ADMIN_PRIVILEGE('C##GGATE', CONTAINER => 'ALL')"),
        ("19.0", "goldengate_privileges", [{"privilege_type": "APPLY"}], "shows no capture privileges"),
        ("23.0", "granted_roles", [{"granted_role": "CONNECT"}], "GRANT OGG_CAPTURE TO C##GGATE CONTAINER = ALL"),
    ],
)
def test_a_common_user_without_capture_privileges_is_told_and_stops_no_run(
    world: World, release: str, statement: str, held: list[dict[str, str]], words: str
) -> None:
    in_a_pdb(world, release=release)
    world.databases.held["source", "goldengate"] |= {"OGG_CAPTURE", "OGG_APPLY"}
    rows("source", statement, *held)(world)
    assert [stops for text, stops in world.faults().items() if words in text] == [False], world.faults()
    assert len(world.faults()) == 1


def test_a_prompt_without_the_user_says_nothing_of_privileges(world: World) -> None:
    in_a_pdb(world)
    world.databases.logins["source"] = None
    rows("source", "goldengate_privileges")(world)
    assert world.faults() == {}


def test_force_logging_of_the_pluggable_database_is_enough(world: World) -> None:
    row("source", "supplemental_logging", force_logging="NO")(world)
    rows("source", "container_logging", {"force_logging": "YES"})(world)
    assert world.faults() == {}


def test_tables_without_logging_are_named_where_the_database_does_not_force_it(world: World) -> None:
    row("source", "supplemental_logging", force_logging="NO")(world)
    rows("source", "nologging_tables", {"table_name": "INTERACTION_FACT", "partition_name": "P1"})(world)
    assert any("NOLOGGING now: INTERACTION_FACT.P1" in text for text in world.faults())


def test_an_automatic_sga_gives_the_streams_pool_room(world: World) -> None:
    parameter("source", "streams_pool_size", "0")(world)
    assert len(world.faults()) == 1
    parameter("source", "sga_target", str(8 * GB))(world)
    assert world.faults() == {}


def test_grants_on_each_replicated_table_take_the_place_of_the_any_privilege(world: World) -> None:
    without("target", "goldengate", "INSERT ANY TABLE")(world)
    tables = [each["table_name"] for each in world.databases.rows["source"]["tables"]]
    rows("target", "granted_tables", *({"table_name": name, "privilege": "INSERT"} for name in tables))(world)
    assert world.faults() == {}
    rows("target", "granted_tables", {"table_name": tables[0], "privilege": "INSERT"})(world)
    assert any("lacks INSERT ANY TABLE (1 tables)" in text for text in world.faults())


@pytest.mark.parametrize(
    ("version", "status", "stops"),
    [
        ("11.2.0.1.0", "ENABLED", [True]),
        ("11.2.0.1.0", "DISABLED", [False]),
        ("11.2.0.2.0", "ENABLED", []),
    ],
)
def test_triggers_that_the_replicat_cannot_suppress_stop_a_run(
    world: World, version: str, status: str, stops: list[bool]
) -> None:
    setting("site2", "goldengate", capture="classic")(world)
    row("target", "instance", version=version)(world)
    rows("target", "triggers", {"trigger_name": "TR", "table_name": "INTERACTION_FACT", "status": status})(world)
    assert [stop for text, stop in world.faults().items() if "older than 11.2.0.2" in text] == stops


def test_integrated_capture_is_refused_before_11_2_0_3_whose_view_of_privileges_does_not_exist(world: World) -> None:
    row("source", "instance", version="11.2.0.2.0")(world)
    rows("source", "goldengate_privileges")(world)
    assert [stop for text, stop in world.faults().items() if "integrated capture needs 11.2.0.3" in text] == [True]
    assert not [text for text in world.faults() if "DBMS_GOLDENGATE_AUTH" in text]


def test_more_than_99_files_are_refused_before_12_2(world: World) -> None:
    rows("source", "dumped_segments", {"compress_for": "NONE", "bytes": 300 * GB})(world)
    setting("site1", "database", data_pump={"file_size": "2G", "parallel": 1})(world)
    assert world.faults() == {}
    setting("site1", "database", release="12.1")(world)
    assert [stops for text, stops in world.faults().items() if "at most 99 (ORA-39095)" in text] == [True]


def test_a_dump_set_has_rows_without_compression_and_no_index(world: World) -> None:
    rows(
        "source",
        "dumped_segments",
        {"compress_for": "NONE", "bytes": 100},
        {"compress_for": "QUERY HIGH", "bytes": 10},
        {"compress_for": "ROW STORE", "bytes": 1},
    )(world)
    assert dump_bytes(world, "source") == 100 + 60 + 3  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("retention", "tuned", "guaranteed", "short", "long"),
    [
        (50, None, False, False, False),
        (100, None, False, False, True),
        (9, None, False, True, False),
        (9, 200, False, False, True),
        (900, 50, False, False, False),
        (900, 50, True, False, True),
        (5, 8, False, True, False),
    ],
)
def test_undo_is_judged_by_what_the_database_kept_and_by_a_guarantee(
    retention: int, tuned: int | None, guaranteed: bool, short: bool, long: bool
) -> None:
    undo = Undo(retention, Span(10, 100), None, 0.0, tuned, guaranteed)
    assert (undo.too_short, undo.covers) == (short, long)
