"""Data Pump's stand-ins over two real clusters: an import has what was exported, and users see the real output."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.waiting import wait_for as wait

from infomart_lab import config as lab_config
from infomart_lab import life
from infomart_lab.config import LabConfig, Site
from infomart_lab.datapump import export_job, jobs, server
from infomart_lab.oracle import catalog
from infomart_lab.postgres import Cluster, connect

pytestmark = pytest.mark.lab
ROOT = Path(__file__).resolve().parents[3]

USERS = """
create role system login superuser; create schema system authorization system;
create role gim login; create schema gim authorization gim;
create role ggate login superuser; create schema ggate authorization ggate;
"""
SCHEMA = """
set role gim;
create sequence gim.seq_interaction start 1 cache 20;
create sequence gim.seq_audit start 7;
create function gim.twice(n bigint) returns bigint language sql immutable as 'select n * 2';
create table gim.interaction_fact (interaction_id bigint not null, status varchar(40), start_ts timestamp(0),
    amount numeric, doubled bigint generated always as (gim.twice(interaction_id)) stored,
    constraint pk_interaction_fact primary key (interaction_id));
create index i_if_start on gim.interaction_fact (start_ts);
create unique index i_if_status on gim.interaction_fact (status, interaction_id);
create table gim.ctl_extract_hwm (table_name varchar(30), data_source_key integer, max_ts bigint);
alter table gim.ctl_extract_hwm replica identity full;
create table gim.irf (irf_id bigint primary key, interaction_id bigint,
    constraint fk_irf foreign key (interaction_id) references gim.interaction_fact (interaction_id));
create table gim.parted (id bigint not null, day integer not null, primary key (id, day)) partition by range (day);
create table gim.parted_p1 partition of gim.parted for values from (0) to (10);
create table gim.parted_p2 partition of gim.parted for values from (10) to (20);
create view gim.v_open as select interaction_id from gim.interaction_fact where status is null;
create function gim.note() returns trigger language plpgsql as 'begin return new; end';
create trigger tr_irf before insert on gim.irf for each row execute function gim.note();
insert into gim.interaction_fact
    select n, case when n % 3 > 0 then 'st\\t' || n end, timestamp '2026-11-02' + n * interval '1 s', n / 7.0
    from generate_series(1, 3000) n;
insert into gim.ctl_extract_hwm values ('INTERACTION_FACT', 102, 5), (null, null, null);
insert into gim.irf select n, n from generate_series(1, 500) n;
insert into gim.parted select n, n % 20 from generate_series(1, 100) n;
select setval('gim.seq_interaction', 3000), setval('gim.seq_audit', 7, false);
reset role;
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, base_port: int) -> Iterator[LabConfig]:
    home = tmp_path_factory.mktemp("pump")
    sites = {"site2": Site(name="site2"), "site3": Site(name="site3", data_pump="11.2", info_mart=False)}
    config = lab_config.create(home, base_port=base_port, sites=sites)
    clusters = [Cluster(config, site) for site in config.sites]
    try:
        for cluster in clusters:
            cluster.start()
            with connect(config, cluster.site, "postgres") as connection:
                connection.execute("create database gim")
            config.dump_dir(cluster.site).mkdir(parents=True)
            with connect(config, cluster.site) as connection:
                connection.execute(USERS)
                catalog.install(connection, config, cluster.site, "gim")
                connection.execute(
                    "insert into sys.lab_directories values ('GIM_DUMP', %s)"
                    " on conflict (directory_name) do update set directory_path = excluded.directory_path",
                    (str(config.dump_dir(cluster.site)),),
                )
        with connect(config, "site2") as connection:
            connection.execute(SCHEMA)
            # As that of the other site, so that its release can read the dump sets.
            connection.execute("update sys.lab_parameters set value = '11.2.0.0.0' where name = 'compatible'")
        yield config
    finally:
        for cluster in clusters:
            cluster.stop()


@pytest.fixture(autouse=True)
def clean(lab: LabConfig) -> Iterator[None]:
    yield
    (lab.home / "faults.json").unlink(missing_ok=True)
    for site in lab.sites:
        with connect(lab, site) as connection:
            for name, pid in connection.execute("select job_name, pid from sys.lab_datapump_jobs").fetchall():
                if life.process_exists(pid):
                    os.kill(pid, signal.SIGKILL)
                connection.execute(f"drop table if exists system.{name.lower()}")
            connection.execute("delete from sys.lab_datapump_jobs")
        for path in lab.dump_dir(site).iterdir():
            path.unlink()
    with connect(lab, "site3") as connection:
        connection.execute("drop schema gim cascade; create schema gim authorization gim")


def start(lab: LabConfig, site: str, program: str, *words: str, user: str = "system") -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "INFOMART_LAB_HOME": str(lab.home),
        "INFOMART_LAB_HOST": f"{site}/db",
        "PYTHONPATH": str(ROOT / "lab"),
    }
    return subprocess.Popen(
        [sys.executable, "-m", f"infomart_lab.datapump.{program}", user, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=lab.home,
    )


def run(
    lab: LabConfig, site: str, program: str, *words: str, answers: str = "", user: str = "system"
) -> tuple[int, str]:
    process = start(lab, site, program, *words, user=user)
    output, _ = process.communicate(lab.password(site, "SYSTEM") + "\n" + answers, timeout=60)
    return process.returncode, output


def detached(lab: LabConfig, site: str, program: str, *words: str) -> subprocess.Popen[str]:
    """Start a client, give it the password and leave it alone."""
    process = start(lab, site, program, *words)
    assert process.stdin
    process.stdin.write(lab.password(site, "SYSTEM") + "\n")
    process.stdin.flush()
    return process


def export(lab: LabConfig, *words: str, **more: str) -> tuple[int, str]:
    name = [] if any("job_name" in word for word in words) else ["job_name=gim_exp"]
    files = [] if any("dumpfile" in word for word in words) else ["dumpfile=gim_%U.dmp"]
    return run(lab, "site2", "expdp", "schemas=gim", "directory=gim_dump", *files, *name, *words, **more)


@pytest.fixture(scope="module")
def kept(lab: LabConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dump set that several tests import."""
    code, output = export(lab)
    assert code == 0, output
    folder = tmp_path_factory.mktemp("kept")
    for path in lab.dump_dir("site2").glob("*.dmp"):
        path.rename(folder / path.name)
    return folder


def carry(lab: LabConfig, source: Path | None = None) -> None:
    for path in (source or lab.dump_dir("site2")).glob("*.dmp"):
        (lab.dump_dir("site3") / path.name).write_bytes(path.read_bytes())


def load(lab: LabConfig, *words: str, **more: str) -> tuple[int, str]:
    files = [] if any("dumpfile" in word for word in words) else ["dumpfile=gim_%U.dmp"]
    return run(lab, "site3", "impdp", "directory=gim_dump", "job_name=gim_imp", *files, *words, **more)


def query(lab: LabConfig, site: str, statement: str) -> Any:
    with connect(lab, site) as connection:
        return connection.execute(statement).fetchall()


def checksums(lab: LabConfig, site: str) -> dict[str, Any]:
    tables = ("interaction_fact", "ctl_extract_hwm", "irf", "parted")
    return {
        table: query(lab, site, f"select count(*), sum(hashtextextended(t::text, 0)) from gim.{table} t")
        for table in tables
    }


def state(lab: LabConfig, site: str, job: str) -> tuple[str, int] | None:
    rows = query(lab, site, f"select state, pid from sys.lab_datapump_jobs where job_name = '{job}'")
    return rows[0] if rows else None


def held_up(lab: LabConfig, site: str, program: str, *words: str) -> tuple[subprocess.Popen[str], int]:
    """Start a job that finishes one table and stops in the next; the client and the server's process id."""
    fault, job = f"{site}.{program}.slow", f"gim_{program[:3]}"
    lab_config.set_fault(lab, fault, 8)
    client = detached(lab, site, program, "directory=gim_dump", f"job_name={job}", *words)

    def look() -> int:
        found = state(lab, site, job.upper())
        if not found or found[0] != "EXECUTING":
            return 0
        return found[1] if query(lab, site, f"select 1 from system.{job} where kind = 'TABLE_DATA'") else 0

    pid = wait(look)
    lab_config.set_fault(lab, fault, 6000)
    return client, pid


# -- round trip --------------------------------------------------------------------------------------


def test_what_is_exported_is_what_is_imported(lab: LabConfig) -> None:
    code, output = export(lab, "parallel=2", "logfile=exp.log")
    assert code == 0, output
    assert '. . exported "GIM"."INTERACTION_FACT"' in output
    assert re.search(r'Job "SYSTEM"\."GIM_EXP" successfully completed at \w{3} \w{3} .* elapsed 0 00:00:\d\d', output)
    log = (lab.dump_dir("site2") / "exp.log").read_text()
    assert log.startswith(";;; \nExport: Release 19.0.0.0.0") and "successfully completed" in log
    assert lab.password("site2", "SYSTEM") not in output + log
    assert state(lab, "site2", "GIM_EXP") is None
    carry(lab)
    query(lab, "site3", "select pg_create_logical_replication_slot('probe', 'test_decoding')")
    code, output = load(lab, "table_exists_action=replace", "logfile=imp.log", "parallel=2")
    changes = "select count(*) from pg_logical_slot_peek_changes('probe', null, null, 'only-local', '{}')"
    changes += " where data like 'table gim.%'"
    # replication must not carry an import
    assert query(lab, "site3", changes.format(1)) == [(0,)] and query(lab, "site3", changes.format(0)) > [(3000,)]
    query(lab, "site3", "select pg_drop_replication_slot('probe')")
    assert code == 5, output
    assert 'ORA-31684: Object type USER:"GIM" already exists' in output
    assert re.search(r'Job "SYSTEM"\."GIM_IMP" completed with 1 error\(s\) at \d\d:\d\d:\d\d\n', output)
    assert checksums(lab, "site2") == checksums(lab, "site3")
    for statement in (
        "select indexname, indexdef from pg_indexes where schemaname = 'gim' order by 1",
        "select conname, pg_get_constraintdef(oid) from pg_constraint"
        " where connamespace = 'gim'::regnamespace order by 1",
        "select tgname from pg_trigger where not tgisinternal order by 1",
        "select relname, relreplident, relkind, relowner::regrole::text from pg_class"
        " where relnamespace = 'gim'::regnamespace order by 1",
        "select viewname, definition from pg_views where schemaname = 'gim'",
        "select sequencename, last_value from pg_sequences where schemaname = 'gim' order by 1",
    ):
        assert query(lab, "site2", statement) == query(lab, "site3", statement)
    assert query(lab, "site3", "select nextval('gim.seq_interaction'), nextval('gim.seq_audit')") == [(3001, 7)]
    assert query(lab, "site3", "select count(*) from pg_replication_origin") == [(0,)]
    # a second import: sequences are not reset, tables are replaced
    query(lab, "site3", "select setval('gim.seq_audit', 900)")
    with connect(lab, "site3") as connection:
        connection.execute("delete from gim.irf; delete from gim.interaction_fact where interaction_id > 10")
    code, output = load(lab, "table_exists_action=replace")
    assert code == 5 and 'ORA-31684: Object type SEQUENCE:"GIM"."SEQ_AUDIT" already exists' in output
    assert query(lab, "site3", "select last_value from gim.seq_audit") == [(900,)]
    assert checksums(lab, "site2") == checksums(lab, "site3")


def test_skip_leaves_existing_tables_alone(lab: LabConfig, kept: Path) -> None:
    carry(lab, kept)
    load(lab)
    with connect(lab, "site3") as connection:
        connection.execute("delete from gim.ctl_extract_hwm; drop index gim.i_if_start")
    code, output = load(lab, "exclude=user,sequence,view,function")
    assert code == 5
    assert 'ORA-39151: Table "GIM"."CTL_EXTRACT_HWM" exists. All dependent metadata and data will be skipped' in output
    assert query(lab, "site3", "select count(*) from gim.ctl_extract_hwm") == [(0,)]
    assert not query(lab, "site3", "select 1 from pg_indexes where indexname = 'i_if_start'")


def test_a_failed_index_is_named_and_can_be_imported_alone(lab: LabConfig, kept: Path) -> None:
    carry(lab, kept)
    lab_config.set_fault(lab, "site3.impdp.fail_index", "I_IF_START")
    code, output = load(lab, "table_exists_action=replace", "exclude=user")
    assert code == 5
    assert "ORA-39083: Object type INDEX failed to create with error:\nORA-14102" in output
    assert 'Failing sql is:\nCREATE INDEX "GIM"."I_IF_START" ON "GIM"."INTERACTION_FACT"' in output
    assert not query(lab, "site3", "select 1 from pg_indexes where indexname = 'i_if_start'")
    lab_config.set_fault(lab, "site3.impdp.fail_index", None)
    code, output = load(lab, "include=index:\"IN ('I_IF_START')\"")
    assert code == 0, output
    assert query(lab, "site3", "select 1 from pg_indexes where indexname = 'i_if_start'")


def test_filters_of_one_type_must_all_hold(lab: LabConfig, kept: Path) -> None:
    carry(lab, kept)
    load(lab)
    code, output = load(lab, "include=index:\"IN ('I_IF_START')\"", "include=index:\"IN ('I_IF_STATUS')\"")
    assert code == 5 and "ORA-39168: Object path INDEX was not found.\nORA-31655" in output
    code, output = load(lab, "include=index")
    assert code == 5 and 'ORA-31684: Object type INDEX:"GIM"."I_IF_START" already exists' in output


def test_a_grant_to_a_user_who_is_missing_and_code_with_warnings_are_errors(lab: LabConfig) -> None:
    with connect(lab, "site2") as connection:
        connection.execute("drop role if exists report; create role report; grant select on gim.irf to report")
    try:
        export(lab, "exclude=statistics")
        with connect(lab, "site2") as connection:
            connection.execute("drop owned by report; drop role report")
        # Each site of the lab has its own cluster, so the role is missing at site3.
        carry(lab, lab.dump_dir("site2"))
        lab_config.set_fault(lab, "site3.impdp.compile_warnings", ["V_OPEN"])
        code, output = load(lab, "table_exists_action=replace", "exclude=user")
    finally:
        with connect(lab, "site2") as connection:
            connection.execute("drop role if exists report")
    assert code == 5, output
    assert (
        "ORA-39083: Object type OBJECT_GRANT failed to create with error:\nORA-01917: user or role 'REPORT'" in output
    )
    assert 'GRANT SELECT ON "GIM"."IRF" TO "REPORT"' in output
    assert 'ORA-39082: Object type VIEW:"GIM"."V_OPEN" created with compilation warnings' in output
    assert "STATISTICS" not in output and "completed with 2 error(s)" in output
    assert checksums(lab, "site2") == checksums(lab, "site3")


def test_a_login_without_a_service_is_in_the_root_of_a_cdb_which_has_no_schema(lab: LabConfig) -> None:
    lab_config.change(lab.home, lambda stored: setattr(stored.sites["site2"], "pdb", "GIMPDB2"))
    config = lab_config.load(lab.home)
    with connect(config, "site2", "postgres") as connection:
        connection.execute("create database cdb")
    try:
        with connect(config, "site2", "cdb") as connection:
            connection.execute("create schema system")
            catalog.install(connection, config, "site2", "cdb")
        code, output = export(lab)
        assert code != 0 and "ORA-39165: Schema GIM was not found." in output, output
        words = ("schemas=gim", "directory=gim_dump", "dumpfile=pdb.dmp", "job_name=gim_exp")
        code, output = run(lab, "site2", "expdp", *words, user="system@GIM2")
        assert code == 0 and '. . exported "GIM"."INTERACTION_FACT"' in output, output
    finally:
        lab_config.change(lab.home, lambda stored: setattr(stored.sites["site2"], "pdb", None))
        with connect(lab, "site2", "postgres") as connection:
            connection.execute("drop database cdb with (force)")


def test_a_worker_on_another_instance_has_no_folder(lab: LabConfig) -> None:
    lab_config.set_fault(lab, "site2.expdp.other_instance", True)
    code, output = export(lab, "parallel=2")
    assert code == 5 and "ORA-31617: unable to open dump file" in output and "ORA-27037" in output
    code, output = export(lab, "parallel=2", "cluster=no", "reuse_dumpfiles=y")
    assert code == 0, output


# -- one SCN -----------------------------------------------------------------------------------------


def in_process(lab: LabConfig, **wanted: Any) -> tuple[int, str]:
    """Do an export in this process, so that its snapshots can be replaced."""
    folder, guid = jobs.new_folder(lab, "site2")
    parameters = jobs.JobParameters(
        operation="EXPORT", schemas=["GIM"], directory="GIM_DUMP", dumpfile=["gim_%U.dmp"], **wanted
    )
    definition = jobs.Definition(
        owner="SYSTEM",
        name="GIM_EXP",
        database="gim",
        parameters=parameters,
        command="SYSTEM/********",
        folder=folder,
        created=time.time(),
        guid=guid,
    )
    job = jobs.Job(lab, "site2", "gim", "SYSTEM", "GIM_EXP")
    with job.connect() as connection:
        job.create(connection, definition)
    code = server.run(lab, "site2", "gim", "SYSTEM", "GIM_EXP")
    return code, definition.messages.read_text()


class Snapshots:
    """The services of the lab's oracle part, over a snapshot that the test holds."""

    class SnapshotTooOld(Exception):
        pass

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.asked = 0
        self.let_go_after = 10**6

    def resolve(self, config: LabConfig, site: str, scn: int) -> str:
        self.asked += 1
        if scn != 4711 or self.asked > self.let_go_after:
            raise self.SnapshotTooOld
        row = self.connection.execute("select pg_export_snapshot()").fetchone()
        return str(row[0]) if row else ""


@pytest.fixture
def snapshots(lab: LabConfig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Snapshots]:
    with connect(lab, "site2", autocommit=False) as connection:
        connection.execute("set transaction isolation level repeatable read")
        fake = Snapshots(connection)
        fake.resolve(lab, "site2", 4711)
        monkeypatch.setattr(export_job, "snapshots", fake)
        yield fake
        connection.rollback()


def test_flashback_scn_exports_what_was_committed_then(lab: LabConfig, snapshots: Snapshots) -> None:
    before = checksums(lab, "site2")
    with connect(lab, "site2") as connection:
        connection.execute("insert into gim.interaction_fact values (9001, 'late')")
        connection.execute("update gim.ctl_extract_hwm set max_ts = 99")
    try:
        code, _ = in_process(lab, flashback_scn=4711, parallel=2)
        assert code == 0
        carry(lab)
        load(lab)
        assert checksums(lab, "site3") == before
    finally:
        with connect(lab, "site2") as connection:
            connection.execute("delete from gim.interaction_fact where interaction_id = 9001")
            connection.execute("update gim.ctl_extract_hwm set max_ts = 5 where table_name is not null")
            connection.execute("update gim.ctl_extract_hwm set max_ts = null where table_name is null")


def test_tables_after_the_snapshot_is_released_are_not_in_the_dump(lab: LabConfig, snapshots: Snapshots) -> None:
    snapshots.asked, snapshots.let_go_after = 0, 2
    code, messages = in_process(lab, flashback_scn=4711)
    assert code == 5
    assert "ORA-31693" in messages and "ORA-02354" in messages and "ORA-01555: snapshot too old" in messages
    assert "completed with 4 error(s)" in messages


# -- a job without its client ------------------------------------------------------------------------


def test_the_job_outlives_its_client_and_can_be_attached_to(lab: LabConfig) -> None:
    client, _ = held_up(lab, "site2", "expdp", "schemas=gim", "dumpfile=g.dmp")
    client.kill()
    client.communicate()
    attached = "select attached_sessions from sys.dba_datapump_jobs"
    wait(lambda: query(lab, "site2", attached) == [(0,)])
    client = detached(lab, "site2", "expdp", "attach=gim_exp")
    wait(lambda: query(lab, "site2", attached) == [(1,)])
    lab_config.set_fault(lab, "site2.expdp.slow", None)
    output, _ = client.communicate("status\nparallel=2\ncontinue_client\n", timeout=60)
    assert "Export> " in output and "  State: EXECUTING" in output and "Job: GIM_EXP" in output
    wait(lambda: state(lab, "site2", "GIM_EXP") is None)
    assert list(lab.dump_dir("site2").glob("g.dmp"))
    assert "successfully completed" in (lab.dump_dir("site2") / "export.log").read_text()


def test_a_killed_export_goes_on_with_start_job(lab: LabConfig) -> None:
    client, pid = held_up(lab, "site2", "expdp", "schemas=gim", "dumpfile=g.dmp")
    os.kill(pid, signal.SIGKILL)
    output, _ = client.communicate(timeout=60)
    assert client.returncode == 1 and "ORA-31626" in output
    found = state(lab, "site2", "GIM_EXP")
    assert found and found[0] == "NOT RUNNING"
    lab_config.set_fault(lab, "site2.expdp.slow", None)
    code, output = export(lab, "dumpfile=other.dmp")
    assert code == 1 and "ORA-31634: job already exists" in output
    code, output = run(lab, "site2", "expdp", "attach=gim_exp", answers="continue_client\n")
    assert code == 0 and "has been reopened at" in output, output
    carry(lab)
    assert load(lab, "dumpfile=g.dmp", "exclude=user")[0] == 0
    assert checksums(lab, "site2") == checksums(lab, "site3")


def test_a_killed_import_doubles_nothing_when_it_goes_on(lab: LabConfig, kept: Path) -> None:
    carry(lab, kept)
    client, pid = held_up(lab, "site3", "impdp", "dumpfile=gim_%U.dmp")
    os.kill(pid, signal.SIGKILL)
    client.communicate(timeout=60)
    lab_config.set_fault(lab, "site3.impdp.slow", None)
    _, output = run(lab, "site3", "impdp", "attach=gim_imp", answers="start_job\ncontinue_client\n")
    log = (lab.dump_dir("site3") / "import.log").read_text()
    wait(lambda: state(lab, "site3", "GIM_IMP") is None)
    assert "completed with 1 error(s)" in (lab.dump_dir("site3") / "import.log").read_text(), output + log
    assert checksums(lab, "site2") == checksums(lab, "site3")


def test_stop_and_kill(lab: LabConfig) -> None:
    lab_config.set_fault(lab, "site2.expdp.slow", 30)
    client = detached(lab, "site2", "expdp", "schemas=gim", "directory=gim_dump", "dumpfile=g.dmp", "job_name=gim_exp")
    wait(lambda: (state(lab, "site2", "GIM_EXP") or ("",))[0] == "EXECUTING")
    code, output = run(lab, "site2", "expdp", "attach=gim_exp", answers="stop_job=immediate\nyes\n")
    assert code == 0 and "Are you sure you wish to stop this job ([yes]/no): " in output
    assert 'Job "SYSTEM"."GIM_EXP" stopped by user request at' in client.communicate(timeout=60)[0]
    assert (state(lab, "site2", "GIM_EXP") or ("",))[0] == "NOT RUNNING"
    code, output = run(lab, "site2", "expdp", "attach=gim_exp", answers="kill_job\nyes\n")
    assert code == 0
    assert state(lab, "site2", "GIM_EXP") is None and not list(lab.dump_dir("site2").glob("*.dmp"))


def test_a_full_disk_waits_and_goes_on(lab: LabConfig) -> None:
    lab_config.set_fault(lab, "site2.expdp.disk_full", True)
    client = detached(
        lab,
        "site2",
        "expdp",
        "schemas=gim",
        "directory=gim_dump",
        "dumpfile=g.dmp",
        "job_name=gim_exp",
        "logfile=e.log",
    )
    log = lab.dump_dir("site2") / "e.log"
    wait(lambda: log.exists() and "ORA-39171: Job is experiencing a resumable wait." in log.read_text())
    assert (state(lab, "site2", "GIM_EXP") or ("",))[0] == "EXECUTING"
    lab_config.set_fault(lab, "site2.expdp.disk_full", None)
    output, _ = client.communicate(timeout=60)
    assert client.returncode == 0 and "ORA-01653" in output


def resumable(config: LabConfig, site: str) -> list[tuple[str, str, str]]:
    """Name, status and message of the sessions in DBA_RESUMABLE."""
    rows = query(config, site, "select name, status, coalesce(error_msg, '') from sys.dba_resumable order by name")
    return [(str(name), str(status), str(message)) for name, status, message in rows]


def test_a_wait_for_space_shows_in_the_dictionary_and_its_end_in_no_line(lab: LabConfig) -> None:
    lab_config.set_fault(lab, "site2.expdp.disk_full", True)
    words = ("schemas=gim", "directory=gim_dump", "dumpfile=g.dmp", "job_name=gim_exp", "logfile=e.log")
    client = detached(lab, "site2", "expdp", *words)
    wait(lambda: any(status == "SUSPENDED" for _, status, _ in resumable(lab, "site2")))
    ((name, _, message),) = [row for row in resumable(lab, "site2") if row[1] == "SUSPENDED"]
    assert name == "SYSTEM.GIM_EXP.1" and message.startswith("ORA-01653")
    lab_config.set_fault(lab, "site2.expdp.disk_full", None)
    output, _ = client.communicate(timeout=60)
    assert "resum" not in output.rpartition("Resumable stmt start")[2].lower()
    assert {status for _, status, _ in resumable(lab, "site2")} == {"NORMAL"}


def test_an_index_waits_for_space_without_a_word(lab: LabConfig) -> None:
    assert export(lab, "dumpfile=gim.dmp")[0] == 0
    carry(lab)
    lab_config.set_fault(lab, "site3.impdp.disk_full", "indexes")
    words = ("directory=gim_dump", "dumpfile=gim.dmp", "job_name=gim_imp", "logfile=i.log")
    client = detached(lab, "site3", "impdp", *words)
    log = lab.dump_dir("site3") / "i.log"
    wait(lambda: any("ORA-01652" in message for _, _, message in resumable(lab, "site3")))
    assert "ORA-01652" not in log.read_text()
    lab_config.set_fault(lab, "site3.impdp.disk_full", None)
    assert client.wait(timeout=60) in (0, 5), "with what was there before"


# -- refusals ----------------------------------------------------------------------------------------


def test_refusals_and_exit_codes(lab: LabConfig) -> None:
    dump = lab.dump_dir("site2") / "gim.dmp"
    dump.write_text("older")
    code, output = export(lab, "dumpfile=gim.dmp")
    assert code == 1 and f'ORA-31641: unable to create dump file "{dump}"' in output and "ORA-27038" in output
    assert "Starting" not in output and state(lab, "site2", "GIM_EXP") is None and dump.read_text() == "older"
    code, output = export(lab, "dumpfile=gim.dmp", "reuse_dumpfiles=y", "status=100000")
    assert code == 0
    code, output = run(lab, "site2", "expdp", "schemas=gim", "directory=nowhere")
    assert code == 1 and "ORA-39087: directory name NOWHERE is invalid" in output
    process = start(lab, "site2", "expdp", "schemas=gim")
    output, _ = process.communicate("wrong\n", timeout=60)
    assert process.returncode == 1 and "UDE-01017" in output and "ORA-01017" in output


def test_a_dump_set_that_is_not_whole_is_refused(lab: LabConfig) -> None:
    assert export(lab, "filesize=12K")[0] == 0
    files = sorted(lab.dump_dir("site2").glob("*.dmp"))
    assert len(files) > 2 and all(path.stat().st_size < 24 * 1024 for path in files)
    carry(lab)
    (lab.dump_dir("site3") / files[-1].name).unlink()
    code, output = load(lab)
    assert code == 1 and "ORA-39059: dump file set is incomplete" in output
    carry(lab)
    damaged = lab.dump_dir("site3") / files[0].name
    content = bytearray(damaged.read_bytes())
    content[3000] ^= 1
    damaged.write_bytes(content)
    code, output = load(lab)
    assert code == 5 and "ORA-31693" in output and "ORA-31619: invalid dump file" in output
    code, output = load(lab, "dumpfile=none.dmp")
    assert code == 1 and "ORA-31640: unable to open dump file" in output


# -- a target that cannot take the dump set ----------------------------------------------------------


@contextlib.contextmanager
def changed(lab: LabConfig, site: str, **values: str) -> Iterator[None]:
    """Other settings of a site's database."""
    with connect(lab, site) as connection:
        before = dict(connection.execute("select name, value from sys.lab_parameters").fetchall())
        for name, value in values.items():
            connection.execute("update sys.lab_parameters set value = %s where name = %s", (value, name))
    try:
        yield
    finally:
        with connect(lab, site) as connection:
            for name in values:
                connection.execute("update sys.lab_parameters set value = %s where name = %s", (before[name], name))


WHOLE = ("schemas=GIM", "directory=GIM_DUMP", "dumpfile=gim.dmp")


def taken_over(lab: LabConfig, *words: str, **source: str) -> tuple[int, str]:
    """An export from site2 with other settings, imported at site3."""
    with changed(lab, "site2", **source):
        (lab.dump_dir("site2") / "gim.dmp").unlink(missing_ok=True)
        code, output = run(lab, "site2", "expdp", *WHOLE, *words)
        assert code == 0, output
    shutil.copy(lab.dump_dir("site2") / "gim.dmp", lab.dump_dir("site3") / "gim.dmp")
    return run(lab, "site3", "impdp", *WHOLE, "table_exists_action=replace")


def test_a_newer_time_zone_file_is_refused(lab: LabConfig) -> None:
    code, output = taken_over(lab, timezone_version="43")
    assert code != 0 and "TSTZ version 43 into a target database with TSTZ version 32" in output
    with connect(lab, "site3") as connection:
        assert not connection.execute("select 1 from pg_tables where schemaname = 'gim'").fetchall()


def test_a_higher_compatible_is_refused_unless_the_export_is_written_for_the_older_one(lab: LabConfig) -> None:
    code, output = taken_over(lab, compatible="19.0.0")
    assert code != 0 and "ORA-39142: incompatible version number 19.0.0" in output
    code, output = taken_over(lab, "version=11.2", compatible="19.0.0")
    assert "ORA-39142" not in output and "imported" in output


def test_tables_of_a_missing_tablespace_are_not_created_and_have_no_rows(lab: LabConfig) -> None:
    code, output = taken_over(lab, schema_tablespace="GIM_DATA")
    assert code == 5 and "ORA-00959: tablespace 'GIM_DATA' does not exist" in output
    assert "imported" not in output


def test_a_standard_edition_has_one_worker(lab: LabConfig) -> None:
    words = ("schemas=GIM", "directory=GIM_DUMP", "dumpfile=gim_%U.dmp")
    with changed(lab, "site2", edition="Standard Edition"):
        code, output = run(lab, "site2", "expdp", *words, "parallel=2")
        assert code != 0 and "ORA-39094" in output
        assert run(lab, "site2", "expdp", *words, "parallel=1")[0] == 0


# -- what is not a table -----------------------------------------------------------------------------

#: Code, a synonym and an enabled job at the source, and older code of the same names at the target.
CODE = """
insert into sys.lab_source (owner, type, name, text) values ('GIM', 'PACKAGE', 'ETL', '{package}');
insert into sys.lab_synonyms values ('GIM', 'CALLS', 'GIM', '{synonym}', null);
"""
JOB = """
insert into sys.lab_scheduler_jobs (owner, job_name, job_action) values ('GIM', 'NIGHT', 'create table gim.ran ()')
"""


@pytest.fixture
def code(lab: LabConfig) -> Iterator[None]:
    query = "delete from sys.lab_source; delete from sys.lab_synonyms; delete from sys.lab_scheduler_jobs; "
    query += "delete from sys.lab_invalid"
    with connect(lab, "site2") as connection:
        connection.execute(CODE.format(package="package etl as new", synonym="INTERACTION_FACT"))
        connection.execute(JOB)
    yield
    for site in ("site2", "site3"):
        with connect(lab, site) as connection:
            connection.execute(query)


def objects(lab: LabConfig) -> dict[str, tuple[str, str]]:
    """Text and status of views and packages at the target."""
    found = query(
        lab,
        "site3",
        "select o.object_type || ' ' || o.object_name, coalesce(v.text, s.text, y.table_name), o.status"
        " from sys.dba_objects o left join sys.dba_views v on v.view_name = o.object_name"
        " left join sys.dba_source s on s.name = o.object_name"
        " left join sys.dba_synonyms y on y.synonym_name = o.object_name"
        " where o.owner = 'GIM' and o.object_type in ('VIEW', 'PACKAGE', 'SYNONYM')",
    )
    return {name: (" ".join(text.split()), status) for name, text, status in found}


def test_an_import_keeps_code_that_exists_with_its_old_text_and_views_of_replaced_tables_invalid(
    lab: LabConfig, code: None
) -> None:
    assert export(lab)[0] == 0
    carry(lab)
    with connect(lab, "site3") as connection:
        connection.execute("create table gim.interaction_fact (interaction_id bigint, status varchar(40))")
        connection.execute("create view gim.v_open as select interaction_id from gim.interaction_fact")
        connection.execute(CODE.format(package="package etl as old", synonym="OLD_TABLE"))
    done, output = load(lab, "table_exists_action=replace", "exclude=job", "exclude=procobj")
    assert done == 5
    for kind, name in (("VIEW", "V_OPEN"), ("PACKAGE", "ETL"), ("SYNONYM", "CALLS")):
        assert f'ORA-31684: Object type {kind}:"GIM"."{name}" already exists' in output
    found = objects(lab)
    assert found["PACKAGE ETL"] == ("package etl as old", "VALID")
    assert found["SYNONYM CALLS"] == ("OLD_TABLE", "VALID")
    assert "status IS NULL" not in found["VIEW V_OPEN"][0] and found["VIEW V_OPEN"][1] == "INVALID"
    with connect(lab, "site3") as connection:
        connection.execute("call dbms_utility.compile_schema('GIM', false)")
    assert objects(lab)["VIEW V_OPEN"] == (found["VIEW V_OPEN"][0], "VALID"), "compiled, and still the old text"
    assert query(lab, "site3", "select count(*) from sys.lab_scheduler_jobs") == [(0,)]


def test_code_that_was_dropped_before_arrives_new_and_an_enabled_job_runs_at_once(lab: LabConfig, code: None) -> None:
    assert export(lab)[0] == 0
    carry(lab)
    with connect(lab, "site3") as connection:
        connection.execute("create table gim.interaction_fact (interaction_id bigint, status varchar(40))")
        connection.execute("create view gim.v_open as select interaction_id from gim.interaction_fact")
        connection.execute("create view gim.v_on_view as select * from gim.v_open")
        connection.execute(CODE.format(package="package etl as old", synonym="OLD_TABLE"))
        for kind, name in (("VIEW", "V_OPEN"), ("PACKAGE", "ETL"), ("SYNONYM", "CALLS")):
            connection.execute("call sys.drop_code(%s, 'GIM', %s)", (kind, name))
    assert objects(lab)["VIEW V_ON_VIEW"][1] == "INVALID"
    done, output = load(lab, "table_exists_action=replace")
    assert done == 5 and "VIEW" not in "".join(line for line in output.splitlines() if "ORA-31684" in line)
    found = objects(lab)
    assert found["PACKAGE ETL"] == ("package etl as new", "VALID")
    assert found["SYNONYM CALLS"] == ("INTERACTION_FACT", "VALID")
    assert "status IS NULL" in found["VIEW V_OPEN"][0] and found["VIEW V_OPEN"][1] == "VALID"
    # Due at its creation: the job has run before anybody could disable it.
    assert query(lab, "site3", "select enabled from sys.lab_scheduler_jobs") == [(True,)]
    assert query(lab, "site3", "select to_regclass('gim.ran') is not null") == [(True,)]
