"""Readiness in a running lab: it finds each seeded defect, nothing else, and changes nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from infomart_dr.deployment import Deployment
from infomart_dr.plan.lock import PlanLock
from infomart_dr.readiness import steps as readiness
from infomart_dr.readiness.report import Report
from infomart_lab import config as lab_config
from infomart_lab import configuration, host, supervisor, topology
from infomart_lab.audit import audit
from infomart_lab.config import LabConfig
from infomart_lab.icon import set_load
from infomart_lab.postgres import connect

from .conftest import change_topology, running
from .driver import ROOT, Procedure, connections

pytestmark = pytest.mark.lab
COPY = {"deployment": "", "procedure": "return_to_normal", "source": "site2", "target": "site3"}
SWITCHOVER, FAILOVER = COPY | {"procedure": "switchover"}, COPY | {"procedure": "failover"}
Seed = Callable[[LabConfig], AbstractContextManager[None]]


def troubles(report: Report) -> dict[str, str]:
    """Level by check and site, of all checks that are not ready."""
    return {
        f"{finding.check} {finding.site}": finding.level
        for finding in report.findings
        if finding.level in ("warning", "blocked")
    }


# -- seeds -----------------------------------------------------------------------------------------


@contextmanager
def environment(name: str, change: Callable[[dict[str, Any]], None] | None) -> Iterator[None]:
    """Replace an Airflow connection, or remove it."""
    variable = f"AIRFLOW_CONN_{name.upper()}"
    before = os.environ.pop(variable)
    if change is not None:
        fields = json.loads(before)
        change(fields)
        os.environ[variable] = json.dumps(fields)
    try:
        yield
    finally:
        os.environ[variable] = before


def missing_connection(name: str) -> Seed:
    return lambda lab: environment(name, None)


def wrong_password(name: str) -> Seed:
    return lambda lab: environment(name, lambda fields: fields.update(password="wrong"))


def another_host_key(lab: LabConfig) -> AbstractContextManager[None]:
    def change(fields: dict[str, Any]) -> None:
        extra = json.loads(fields["extra"])
        extra["host_key"] = host.host_key_line(lab, "site2", "db")
        fields["extra"] = json.dumps(extra)

    return environment("ssh_site3_db", change)


def changed_topology(change: Callable[[dict[str, Any]], None]) -> Seed:
    @contextmanager
    def seed(lab: LabConfig) -> Iterator[None]:
        change_topology(change)
        try:
            yield
        finally:
            topology.write(lab_config.load(lab.home))

    return seed


def site(document: dict[str, Any], name: str, part: str) -> dict[str, Any]:
    return document["sites"][name][part]


def statements(name: str, seed: str, undo: str, database: str = "gim") -> Seed:
    """Statements at a site's cluster, and those that undo them."""

    @contextmanager
    def seeded(lab: LabConfig) -> Iterator[None]:
        with connect(lab, name, database) as conn:
            conn.execute(seed.encode())
        try:
            yield
        finally:
            with connect(lab, name, database) as conn:
                conn.execute(undo.encode())

    return seeded


def parameter(name: str, key: str, value: str, before: str) -> Seed:
    update = "update sys.lab_parameters set value = '{}' where name = '{}'"
    return statements(name, update.format(value, key), update.format(before, key))


def program(name: str, kind: str, file: str, script: str) -> Seed:
    """A program of this name that comes first in a host's path."""

    @contextmanager
    def seed(lab: LabConfig) -> Iterator[None]:
        path = lab.bin_dir(name, kind) / file
        assert not path.exists()
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        try:
            yield
        finally:
            path.unlink()

    return seed


def full_disk(name: str, folder: str) -> Seed:
    """A file system without room for anything, of one folder."""
    line = "echo 'Filesystem 1024-blocks Used Available Capacity Mounted'; echo '/dev/x 1000 999 1 99% /x'"
    return program(name, "db", "df", f'case "$*$PWD" in *{folder}*) {line}; exit 0;; esac; exec /bin/df "$@"')


def moved(path: Callable[[LabConfig], Path]) -> Seed:
    """Move a file or folder away."""

    @contextmanager
    def seed(lab: LabConfig) -> Iterator[None]:
        here = path(lab)
        aside = here.with_name(f"{here.name}.aside")
        here.rename(aside)
        try:
            yield
        finally:
            aside.rename(here)

    return seed


def edited(path: Callable[[LabConfig], Path], edit: Callable[[str], str]) -> Seed:
    @contextmanager
    def seed(lab: LabConfig) -> Iterator[None]:
        here = path(lab)
        before = here.read_text()
        assert edit(before) != before
        here.write_text(edit(before))
        try:
            yield
        finally:
            here.write_text(before)

    return seed


def fault(name: str, value: object) -> Seed:
    @contextmanager
    def seed(lab: LabConfig) -> Iterator[None]:
        lab_config.set_fault(lab, name, value)
        try:
            yield
        finally:
            lab_config.set_fault(lab, name, None)

    return seed


def objects(change: Callable[[dict[str, Any]], None]) -> Seed:
    """Changed Application objects."""

    @contextmanager
    def seed(lab: LabConfig) -> Iterator[None]:
        before = configuration.read(lab)
        configuration.update(lab, lambda document: change(document["applications"]))
        try:
            yield
        finally:
            configuration.update(lab, lambda document: document.update(before))

    return seed


@contextmanager
def stopped_listener(lab: LabConfig) -> Iterator[None]:
    supervisor.request(lab, "stop", part="oracle", site="site3")
    try:
        yield
    finally:
        supervisor.request(lab, "start", part="oracle", site="site3")


@contextmanager
def held_lock(lab: LabConfig) -> Iterator[None]:
    with Deployment() as deployment:
        lock = PlanLock.at(deployment, "site2")
        lock.take("other-plan", "infomart_failover other-plan", "a rehearsal")
        try:
            yield
        finally:
            lock.release("other-plan")


@contextmanager
def second_server(lab: LabConfig) -> Iterator[None]:
    """A process at site3's host with the name of the Info Mart Server."""
    words = [sys.executable, "-c", "import time; time.sleep(300)", "infomart_lab.gim_server site3"]
    process = subprocess.Popen(words, env=host.environment(lab, "site3", "gim"))
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def stopped_replicat(lab: LabConfig) -> Iterator[None]:
    with Deployment() as deployment:
        deployment.ggsci("site3").stop("RGIM")
        try:
            yield
        finally:
            deployment.ggsci("site3").start("RGIM")
            deployment.ggsci("site3").wait_running("RGIM")


@contextmanager
def no_schema_logging(lab: LabConfig) -> Iterator[None]:
    """In a quiet hour, since a changed row that is logged without its key would stop the Replicat."""
    set_load(lab, 0)
    assert audit(lab, "site3", wait=120).pending == 0
    with Deployment() as deployment:
        ggsci = deployment.ggsci("site2")
        ggsci.execute("DELETE SCHEMATRANDATA GIM", login=True)
        try:
            yield
        finally:
            ggsci.enable_schema_trandata("GIM")
            set_load(lab, 20.0)


SHIFTED = """
create or replace function sys.systimestamp() returns timestamptz language sql stable as
    $$select clock_timestamp(){}$$
"""
JOB = "insert into sys.lab_datapump_jobs (owner_name, job_name, operation, job_mode, state) values "
SCHEDULED = (
    "insert into sys.lab_scheduler_jobs (owner, job_name, job_action) values ('GIM', 'REPORT', 'begin null; end;')"
)


def in_a_pdb(document: dict[str, Any]) -> None:
    site(document, "site3", "database").update(pdb="GIMPDB3", environment={})
    site(document, "site3", "goldengate").update(capture_login={"alias": "ggroot"})


#: Defects of a site that is to be filled: how each is seeded, and all that must be found.
DEFECTS: dict[str, tuple[Seed, dict[str, str]]] = {
    "a connection is missing": (
        missing_connection("oracle_site3_gim"),
        {"info_mart_connection site3": "blocked"},
    ),
    "a password is wrong": (wrong_password("oracle_site2_dba"), {"dba_connection site2": "blocked"}),
    "the Management Layer refuses the password": (
        wrong_password("management_site2"),
        {"management_layer site2": "blocked"},
    ),
    "a listener is down": (stopped_listener, {"dba_connection site3": "blocked"}),
    "a host key is another one": (another_host_key, {"database_host site3": "blocked"}),
    "a host does not answer": (fault("site3.ssh-gim.hang", True), {"server_host site3": "blocked"}),
    "GoldenGate has another release": (
        changed_topology(lambda document: site(document, "site2", "goldengate").update(release="18.1")),
        {"goldengate_release site2": "blocked"},
    ),
    "the database has another release": (
        changed_topology(lambda document: site(document, "site3", "database").update(release="12.2")),
        {"database_release site3": "blocked"},
    ),
    "a login of GoldenGate is refused": (
        changed_topology(lambda document: site(document, "site2", "goldengate").update(login={"alias": "nobody"})),
        {"goldengate_logins site2": "blocked"},
    ),
    "the topology names a PDB, and the database has none": (
        changed_topology(in_a_pdb),
        {"container site3": "blocked", "goldengate_logins site3": "blocked"},
    ),
    "a role is revoked": (
        statements(
            "site3",
            "delete from sys.lab_privileges where grantee = 'SYSTEM' and privilege like '%IMP_FULL_DATABASE'",
            "insert into sys.lab_privileges values ('SYSTEM', 'IMP_FULL_DATABASE'), "
            "('SYSTEM', 'DATAPUMP_IMP_FULL_DATABASE')",
        ),
        {"privileges site3": "blocked"},
    ),
    "the target's disk is full": (full_disk("site3", "dump"), {"import_space site3": "blocked"}),
    "the source's disk is full": (full_disk("site2", "dump"), {"export_space site2": "blocked"}),
    "there is no room for trails": (full_disk("site3", "dirdat"), {"trail_space site3": "blocked"}),
    "the dump folder is missing": (
        moved(lambda lab: lab.dump_dir("site3")),
        {"data_pump_directory site3": "blocked"},
    ),
    "undo is kept for too short": (
        parameter("site2", "undo_retention", "2", "900"),
        {"undo_retention site2": "blocked"},
    ),
    "the recovery area is full": (
        parameter("site2", "db_recovery_file_dest_size", str(1024**3), str(100 * 1024**3)),
        {"redo_space site2": "blocked"},
    ),
    "minimal supplemental logging is off": (
        parameter("site2", "supplemental_log_data_min", "NO", "YES"),
        {"supplemental_logging site2": "blocked"},
    ),
    "changes are not all logged": (
        parameter("site2", "force_logging", "NO", "YES"),
        {"supplemental_logging site2": "blocked"},
    ),
    "the target's time zone file is older": (
        parameter("site2", "timezone_version", "43", "32"),
        {"database_settings site2 and site3": "blocked"},
    ),
    "the target lacks the tablespace": (
        parameter("site2", "schema_tablespace", "GIM_DATA", "USERS"),
        {"target_objects site2 and site3": "blocked"},
    ),
    "the topology calls the Info Mart partitioned": (
        changed_topology(lambda document: document["info_mart"].update(partitioned=True)),
        {"partitioned site2": "warning"},
    ),
    "the server gives up stuck data earlier": (
        objects(lambda all: all["GIM"]["options"]["gim-etl"].update({"extract-data-stuck-threshold": "3600"})),
        {"stuck_threshold site2": "warning"},
    ),
    "a data source is not in the topology": (
        changed_topology(
            lambda document: [
                entry.update(data_source_key=999)
                for each in document["sites"].values()
                for entry in each["idbs"]
                if entry["data_source_key"] == 103
            ]
        ),
        {"data_sources site2": "warning"},
    ),
    "the server does not read an IDB": (
        objects(lambda all: all["GIM"]["connections"].remove("ICON_TS2_site2")),
        {"extraction site2": "warning"},
    ),
    "the streams pool is small": (
        parameter("site2", "streams_pool_size", "0", str(2 * 1024**3)),
        {"streams_pool site2": "warning"},
    ),
    "the Replicat may not delete rows": (
        statements(
            "site3",
            "delete from sys.lab_privileges where grantee = 'GGATE' and privilege = 'DELETE ANY TABLE'",
            "insert into sys.lab_privileges values ('GGATE', 'DELETE ANY TABLE')",
        ),
        {"privileges site3": "blocked"},
    ),
    "a Data Pump job was left behind": (
        statements(
            "site3",
            JOB + "('SYSTEM', 'GIM_IMP_OLD', 'IMPORT', 'SCHEMA', 'NOT RUNNING')",
            "delete from sys.lab_datapump_jobs where job_name = 'GIM_IMP_OLD'",
        ),
        {"data_pump_jobs site3": "warning"},
    ),
    "a Data Pump job runs": (
        statements(
            "site2",
            JOB + "('SYSTEM', 'NIGHTLY', 'EXPORT', 'FULL', 'EXECUTING')",
            "delete from sys.lab_datapump_jobs where job_name = 'NIGHTLY'",
        ),
        {"data_pump_jobs site2": "blocked"},
    ),
    "a scheduler job writes at the target": (
        statements("site3", SCHEDULED, "delete from sys.lab_scheduler_jobs where job_name = 'REPORT'"),
        {"scheduler_jobs site3": "warning"},
    ),
    "a purge job is not to be seen": (
        statements(
            "site3",
            "update sys.lab_scheduler_jobs set job_name = 'PURGE_OTHER' where owner = 'ICON_TS2'",
            "update sys.lab_scheduler_jobs set job_name = 'PURGE_IDB' where owner = 'ICON_TS2'",
            "idb",
        ),
        {"purge_jobs site3": "blocked"},
    ),
    "purge jobs of another owner may not be held": (
        statements(
            "site2",
            "delete from sys.lab_privileges where grantee = 'SYSTEM' and privilege = 'CREATE ANY JOB'",
            "insert into sys.lab_privileges values ('SYSTEM', 'CREATE ANY JOB')",
            "idb",
        ),
        {"idb_privileges site2": "blocked"},
    ),
    "a password is about to expire": (
        statements(
            "site2",
            "update sys.lab_users set expiry_date = now() + interval '5 days' where username = 'GGATE'",
            "update sys.lab_users set expiry_date = now() + interval '180 days' where username = 'GGATE'",
        ),
        {"accounts site2": "warning"},
    ),
    "a database's clock is ahead": (
        statements("site3", SHIFTED.format(" + interval '10 minutes'"), SHIFTED.format("")),
        {"database_clock site3": "blocked"},
    ),
    "a host's clock is behind": (
        program("site2", "gim", "date", "echo $(($(/bin/date +%s) - 60))"),
        {"host_clocks site2": "warning"},
    ),
    "two DAPs have the role INFO_MART": (
        objects(lambda found: found["DAP_TS2_site3"]["options"]["gim-etl"].update(role="INFO_MART")),
        {"access_points site3": "blocked"},
    ),
    "a DAP is missing": (
        objects(lambda found: found.pop("DAP_TS3_site3") and None),
        {"access_points site3": "blocked"},
    ),
    "the server is connected to another Info Mart": (
        objects(lambda found: found["GIM"]["connections"].append("DAP_GIM_site3")),
        {"access_points site2": "blocked"},
    ),
    "the scheduler is off": (
        objects(lambda found: found["GIM"]["options"]["schedule"].update({"run-scheduler": "false"})),
        {"server_serves site2": "warning"},
    ),
    "the target's service starts by itself": (
        fault("site3.gim_server.autostart", True),
        {"manual_start site3": "blocked"},
    ),
    "the target's server runs": (second_server, {"server_stopped site3": "blocked"}),
    "another plan holds the lock": (held_lock, {"lock site2": "blocked"}),
    "the target's host key is not known to the source": (
        edited(lambda lab: lab.host_dir("site2", "db") / ".ssh" / "known_hosts", lambda text: "# nobody\n"),
        {"transfer_route site2 and site3": "blocked"},
    ),
    "RAA is missing": (
        moved(lambda lab: lab.server_root("site3") / "agg" / "GIMAgg.jar"),
        {"programs site3": "blocked"},
    ),
}

#: The same, of a standby that follows.
STANDBY_DEFECTS: dict[str, tuple[Seed, dict[str, str], dict[str, str]]] = {
    "an exclusion is missing in a parameter file": (
        edited(
            lambda lab: lab.goldengate_home("site2") / "dirprm" / "egim.prm",
            lambda text: "".join(line for line in text.splitlines(True) if "CTL_EXTRACT_HISTORY" not in line),
        ),
        SWITCHOVER,
        {"parameter_files site2 and site3": "blocked"},
    ),
    "the Replicat is stopped": (stopped_replicat, SWITCHOVER, {"replication site3": "blocked"}),
    "an index is missing at the standby": (
        statements(
            "site3",
            "drop index gim.i_c_extr_hwm_id",
            "create unique index i_c_extr_hwm_id on gim.ctl_extract_hwm (table_name, data_source_key, max_ts)",
        ),
        FAILOVER,
        {"schema_parity site2 and site3": "blocked"},
    ),
    "supplemental logging of the schema is off": (
        no_schema_logging,
        SWITCHOVER,
        {"schema_logging site2": "blocked"},
    ),
    "an endpoint is not where the topology says": (
        changed_topology(
            lambda document: site(document, "site2", "management_layer")["seen_from"]["site3"].update(port=9)
        ),
        FAILOVER,
        {"endpoints site2": "warning"},
    ),
}
#: Defects that a quick run tests too.
QUICK = ("a connection is missing", "undo is kept for too short", "another plan holds the lock")


# -- tests -----------------------------------------------------------------------------------------


def footprint(lab: LabConfig) -> dict[str, Any]:
    """State that readiness must not change: files, procedures' tables, Application objects, scheduler jobs."""
    found: dict[str, Any] = {"objects": configuration.read(lab)}
    for name in ("site2", "site3"):
        home = lab.host_dir(name, "db")
        folders = (home / ".infomart_dr", lab.goldengate_home(name) / "dirprm", lab.dump_dir(name))
        files = [path for folder in folders if folder.exists() for path in sorted(folder.rglob("*")) if path.is_file()]
        found[name] = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        with connect(lab, name) as conn:
            found[f"{name} tables"] = conn.execute(
                "select schemaname, tablename from pg_tables where schemaname in ('gim', 'ggate') order by 1, 2"
            ).fetchall()
            found[f"{name} lock"] = conn.execute("select to_regclass('ggate.dr_lock')").fetchall()
        with connect(lab, name, "idb") as conn:
            # The lab starts the jobs itself, so their last start and their state change.
            found[f"{name} jobs"] = conn.execute(
                "select owner, job_name, enabled, job_action, repeat_interval from sys.lab_scheduler_jobs order by 1, 2"
            ).fetchall()
    return found


def look(lab: LabConfig, seed: Seed, case: dict[str, str]) -> Report:
    """Make a report with a defect, then undo the defect."""
    with seed(lab):
        return readiness.check(case)


def assert_found(report: Report, wanted: dict[str, str]) -> None:
    assert troubles(report) == wanted, report.table()
    for finding in report.findings:
        if finding.level in ("warning", "blocked"):
            assert finding.remedy and finding.what
            assert finding.sentence() in report.blocked_sentence() or finding.level == "warning"


@pytest.fixture
def lab(tmp_path: Path, base_port: int) -> Iterator[LabConfig]:
    """A lab of each test's own, where every defect begins from the same state."""
    with running(tmp_path / "lab", base_port=base_port, scale=300, rate=20.0) as config, connections(config):
        yield config


@pytest.mark.timeout(600)
def test_a_healthy_lab_is_ready_nothing_is_changed_and_a_few_defects_are_found(lab: LabConfig) -> None:
    before = footprint(lab)
    cases = readiness.list_cases("", readiness.ALL_THAT_FIT, "", "")
    assert [case["procedure"] for case in cases] == ["return_to_normal", "setup_replication", "database_transfer"]
    for case in cases:
        report = readiness.check(case)
        assert {finding.level for finding in report.findings} == {"ok"}, [
            str(f) for f in report.findings if f.level != "ok"
        ]
        assert "export" in report.estimate
    assert footprint(lab) == before
    for name in QUICK:
        seed, wanted = DEFECTS[name]
        assert_found(look(lab, seed, COPY), wanted)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_each_seeded_defect_is_found_and_nothing_else_is_reported(lab: LabConfig) -> None:
    """One after the other in one lab: so each also proves that the one before was undone."""
    assert_each_found(lab, {name: (seed, COPY, wanted) for name, (seed, wanted) in DEFECTS.items()})
    assert len(DEFECTS) >= 20


def assert_each_found(lab: LabConfig, defects: dict[str, tuple[Seed, dict[str, str], dict[str, str]]]) -> None:
    """Seed and undo one after the other; report all that went wrong."""
    wrong = {}
    for name, (seed, case, wanted) in defects.items():
        report = look(lab, seed, case)
        if troubles(report) != wanted:
            wrong[name] = report.table()
    assert not wrong, "\n".join(f"{name}:\n{table}" for name, table in wrong.items())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_standby_that_follows_is_ready_its_estimates_are_measured_and_its_defects_are_found(lab: LabConfig) -> None:
    Procedure("infomart_setup_replication", plan="setup").run()
    lab_config.change(lab.home, lambda stored: stored.roles.update(site2="active", site3="standby"))
    topology.write(lab_config.load(lab.home))
    cases = readiness.list_cases("", readiness.ALL_THAT_FIT, "", "")
    assert [case["procedure"] for case in cases] == ["failover", "switchover"]
    before = footprint(lab)
    for case in cases:
        report = readiness.check(case)
        assert {finding.level for finding in report.findings} == {"ok"}, [
            str(f) for f in report.findings if f.level != "ok"
        ]
    assert footprint(lab) == before
    measured = readiness.check({**COPY, "procedure": "database_transfer"}).estimate
    assert all("measured in 1 run(s)" in measured[part] for part in ("export", "transfer", "import"))
    assert_each_found(lab, STANDBY_DEFECTS)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_in_airflow_is_a_success_when_ready_and_fails_in_one_sentence_when_not(
    lab: LabConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The DAG by ``dag.test()``: mapped at run time, over a folder with a deployment that cannot be read."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.utils.db import initdb

    initdb()
    dag = DagBag(str(ROOT / "dags" / "infomart_readiness.py")).dags["infomart_readiness"]
    folder = tmp_path / "topologies"
    folder.mkdir()
    shutil.copy(os.environ["INFOMART_DR_TOPOLOGY"], folder / "lab.yaml")
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(folder))
    run = dag.test(run_conf={"procedure": "database_transfer"})
    assert run.state == "success"
    (folder / "other.yaml").write_text("deployment: other\n")
    run = dag.test(run_conf={"procedure": "database_transfer"})
    assert run.state == "failed"
    states = {(ti.task_id, ti.map_index): ti.state for ti in run.get_task_instances()}
    assert states[("check_readiness", 0)] == states[("check_readiness", 1)] == "success"
    assert states[("report_readiness", -1)] == "failed"
    monkeypatch.delenv("INFOMART_DR_TOPOLOGY")
    assert dag.test(run_conf={}).state == "failed"
