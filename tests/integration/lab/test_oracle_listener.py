"""The lab's Oracle listener, seen through the unmodified driver and the unmodified hook."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import oracledb
import psycopg
import pytest

from infomart_dr import files, statements
from infomart_lab import config as lab_config
from infomart_lab import postgres
from infomart_lab.config import LabConfig, Site
from infomart_lab.oracle import catalog, redo, snapshots
from infomart_lab.oracle.server import OraclePart

pytestmark = pytest.mark.lab

SITE = "site2"
Connect = Callable[..., Any]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, base_port: int) -> LabConfig:
    sites = {name: Site(name=name, info_mart=False, undo_retention=60) for name in lab_config.SITES}
    return lab_config.create(tmp_path_factory.mktemp("oracle"), base_port=base_port, sites=sites)


@pytest.fixture(scope="module")
def cluster(config: LabConfig) -> Iterator[postgres.Cluster]:
    cluster = postgres.Cluster(config, SITE)
    cluster.start()
    with postgres.connect(config, SITE, "postgres") as connection:
        connection.execute("CREATE DATABASE gim")
        connection.execute("CREATE DATABASE idb")
    for database in ("gim", "idb"):
        with postgres.connect(config, SITE, database) as connection:
            for user in config.oracle_users(SITE, database):
                name = user.lower()
                if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
                    power = "SUPERUSER" if user in ("SYSTEM", "GGATE") else ""
                    connection.execute(f"CREATE ROLE {name} LOGIN {power}".encode())
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION {name}".encode())
            catalog.install(connection, config, SITE, database)
            catalog.install(connection, config, SITE, database)
    redo.create_slot(config, SITE)
    redo.create_slot(config, SITE)
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def part(config: LabConfig, cluster: postgres.Cluster) -> Iterator[OraclePart]:
    part = OraclePart(config, SITE)
    part.start()
    yield part
    part.stop()


@pytest.fixture
def connect(config: LabConfig, part: OraclePart) -> Iterator[Connect]:
    opened: list[Any] = []

    def make(user: str = "GIM", *, password: str | None = None, service: str | None = None, **more: Any) -> Any:
        service = service or config.service_name(SITE)
        connection = oracledb.connect(
            user=user,
            password=password or config.password(SITE, user),
            dsn=f"{config.address}:{config.port(SITE, 'oracle')}/{service}",
            **more,
        )
        opened.append(connection)
        return connection

    yield make
    for connection in opened:
        try:
            connection.rollback()
            connection.close()
        except oracledb.Error:
            pass


@pytest.fixture
def gim(connect: Connect) -> Any:
    return connect("GIM")


@pytest.fixture
def table(gim: Any) -> Iterator[str]:
    cursor = gim.cursor()
    cursor.execute(
        "create table lab_t (id number(10) constraint lab_t_pk primary key, name varchar2(20 char) not null, "
        "made date default sysdate, stamp timestamp, price number(10,2), note clob)"
    )
    yield "lab_t"
    gim.rollback()
    cursor.execute("drop table lab_t purge")


def code(error: pytest.ExceptionInfo[oracledb.Error]) -> str:
    return str(error.value.args[0].full_code)


def rows(connection: Any, sql: str, *binds: Any, **named: Any) -> list[Any]:
    cursor = connection.cursor()
    cursor.execute(sql, *binds, **named)
    return list(cursor.fetchall())


# -- log-on ----------------------------------------------------------------------------------------


def test_the_driver_logs_on_and_sees_an_oracle_of_the_sites_release(connect: Connect) -> None:
    connection = connect("SYSTEM", mode=oracledb.AUTH_MODE_SYSDBA)
    assert connection.version == "19.0.0.0.0"
    assert rows(connection, "select user from dual") == [("SYSTEM",)]
    connection.ping()


def test_a_wrong_password_and_an_unknown_user_get_the_same_refusal(connect: Connect) -> None:
    for user, password in (("GIM", "wrong"), ("NOBODY", "wrong"), ("GIM", "x" * 200)):
        with pytest.raises(oracledb.DatabaseError) as caught:
            connect(user, password=password)
        assert code(caught) == "ORA-01017"


def test_an_unknown_service_is_refused_by_the_listener(connect: Connect) -> None:
    with pytest.raises(oracledb.DatabaseError, match=r"DPY-6001|ORA-12514"):
        connect("GIM", service="NOSUCH")


def test_a_long_descriptor_arrives_in_a_second_packet(config: LabConfig, connect: Connect) -> None:
    address = f"(ADDRESS=(PROTOCOL=TCP)(HOST={config.address})(PORT={config.port(SITE, 'oracle')}))"
    connection = oracledb.connect(
        user="GIM",
        password=config.password(SITE, "GIM"),
        dsn=f"(DESCRIPTION={address}(CONNECT_DATA=(SERVICE_NAME=GIM2)(COLOCATION_TAG={'x' * 250})))",
    )
    assert rows(connection, "select 1 from dual") == [(1,)]
    connection.close()


def test_the_interaction_database_has_its_own_users(config: LabConfig, connect: Connect) -> None:
    connection = connect("ICON_TS2", service=config.service_name(SITE, "idb"))
    assert rows(connection, "select sys_context('userenv', 'db_name') from dual") == [("IDB2",)]
    with pytest.raises(oracledb.DatabaseError) as caught:
        connect("ICON_TS2")
    assert code(caught) == "ORA-01017"


# -- queries and changes -----------------------------------------------------------------------------


def test_values_of_every_type_come_back_as_they_went(gim: Any, table: str) -> None:
    made = datetime(2026, 2, 3, 4, 5, 6)
    stamp = datetime(2026, 2, 3, 4, 5, 6, 789000)
    cursor = gim.cursor()
    cursor.setinputsizes(None, None, None, oracledb.DB_TYPE_TIMESTAMP)
    note = "äöü " * 20000
    cursor.execute("insert into lab_t values (:1, :2, :3, :4, :5, :6)", [1, "ä", made, stamp, -12.5, note])
    cursor.execute("insert into lab_t (id, name, made) values (:a, :b, null)", a=2, b="x")
    cursor.execute("select id, name, made, stamp, price, note from lab_t order by id")
    assert [d[0] for d in cursor.description] == ["ID", "NAME", "MADE", "STAMP", "PRICE", "NOTE"]
    first, second = cursor.fetchall()
    assert first[:5] == (1, "ä", made, stamp, -12.5)
    assert first[5].read() == note and first[5].size() == len(note)
    assert first[5].read(3, 5) == note[2:7]
    assert second == (2, "x", None, None, None, None)


def test_a_clob_comes_as_text_when_the_client_asks_for_that(gim: Any, table: str) -> None:
    gim.cursor().execute("insert into lab_t (id, name, note) values (1, 'a', 'long text')")
    gim.cursor().execute("insert into lab_t (id, name, note) values (2, 'b', null)")
    cursor = gim.cursor()
    for _ in range(2):  # the second time with the cursor of the statement cache
        cursor.execute("select note from lab_t order by id", fetch_lobs=False)
        assert cursor.fetchall() == [("long text",), (None,)]


@pytest.mark.parametrize("arraysize", [1, 2, 3, 100, 1000])
def test_rows_arrive_whole_whatever_the_array_size(gim: Any, arraysize: int) -> None:
    cursor = gim.cursor()
    cursor.arraysize = arraysize
    cursor.prefetchrows = arraysize
    count = 7 if arraysize < 100 else 3000
    sql = f"select g, rpad('x', 100) from generate_series(1, {count}) g"
    for _ in range(2):
        cursor.execute(sql)
        assert [r[0] for r in cursor] == list(range(1, count + 1))
        assert cursor.rowcount == count


@pytest.mark.parametrize(
    "number", ["0", "1", "-1", "100", "0.5", "-0.01", "123456789012345678", "1e20", "-99.99", "1234567.000001"]
)
def test_numbers_pass_both_ways_without_loss(gim: Any, number: str) -> None:
    from decimal import Decimal

    cursor = gim.cursor()
    cursor.outputtypehandler = lambda c, m: c.var(Decimal, arraysize=c.arraysize)
    cursor.execute("select cast(:1 as number), :2 + 0 from dual", [Decimal(number), Decimal(number)])
    assert cursor.fetchone() == (Decimal(number), Decimal(number))


def test_a_statement_rolls_back_alone_and_the_transaction_goes_on(connect: Connect, gim: Any, table: str) -> None:
    cursor = gim.cursor()
    cursor.execute("insert into lab_t (id, name) values (1, 'a')")
    assert cursor.rowcount == 1
    with pytest.raises(oracledb.IntegrityError) as caught:
        cursor.execute("insert into lab_t (id, name) values (1, 'b')")
    assert code(caught) == "ORA-00001" and "GIM.LAB_T_PK" in str(caught.value)
    cursor.execute("update lab_t t set t.name = 'c' where t.id = :1", [1])
    assert cursor.rowcount == 1
    other = connect("GIM")
    assert rows(other, "select name from lab_t") == []
    gim.commit()
    assert rows(other, "select name from lab_t") == [("c",)]
    cursor.execute("delete lab_t")
    gim.rollback()
    assert rows(other, "select count(*) from lab_t") == [(1,)]


def test_ddl_commits(connect: Connect, gim: Any, table: str) -> None:
    gim.cursor().execute("insert into lab_t (id, name) values (1, 'a')")
    gim.cursor().execute("create unique index lab_t_name on lab_t (name asc, id desc) tablespace users online")
    gim.rollback()
    assert rows(connect("GIM"), "select id from lab_t") == [(1,)]


def test_many_rows_in_one_call_and_values_returned(gim: Any, table: str) -> None:
    cursor = gim.cursor()
    cursor.executemany("insert into lab_t (id, name) values (:1, :2)", [(i, f"n{i}") for i in range(50)])
    assert cursor.rowcount == 50
    cursor.executemany("insert into lab_t (id, name) values (:1, :2)", [(i, f"n{i}") for i in range(50, 80)])
    assert rows(gim, "select count(*), max(id) from lab_t") == [(80, 79)]
    name = cursor.var(str)
    cursor.execute("update lab_t set name = 'r' where id = :i returning name into :n", i=5, n=name)
    assert name.getvalue() == ["r"]


def test_a_merge_and_the_old_ways_of_oracle_are_understood(gim: Any, table: str) -> None:
    cursor = gim.cursor()
    for name in ("a", "b"):
        cursor.execute(
            "merge into lab_t t using (select :id as id, :name as name from dual) s on (t.id = s.id) "
            "when matched then update set t.name = s.name "
            "when not matched then insert (id, name) values (s.id, s.name)",
            id=1,
            name=name,
        )
    assert rows(gim, "select name || null || '!', nvl(note, 'none') from lab_t where rownum <= 1") == [("b!", "none")]
    assert rows(gim, "select decode(name, 'b', 1, 0), 1/4, sysdate - made from lab_t")[0][:2] == (1, 0.25)
    assert rows(gim, "select to_char(1.50), to_char(date '2026-02-03', 'DD.MM.YYYY') from dual") == [
        ("1.5", "03.02.2026")
    ]
    assert abs(rows(gim, "select (sysdate - (sysdate - 1/24)) * 24 from dual")[0][0] - 1) < 0.01


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select * from nosuch", "ORA-00942"),
        ("select nosuch from dual", "ORA-00904"),
        ("select nosuch(1) from dual", "ORA-00904"),
        ("insert into lab_t (id) values (1)", "ORA-01400"),
        ("insert into lab_t (id, name) values (1, rpad('x', 30, 'y'))", "ORA-12899"),
        ("create table lab_t (id number)", "ORA-00955"),
        ("drop sequence nosuch", "ORA-02289"),
        ("select nosuch.nextval from dual", "ORA-02289"),
        ("drop index nosuch", "ORA-01418"),
        ("select to_number('x') from dual", "ORA-01722"),
        ("select 1/0 from dual", "ORA-01476"),
        ("select * from dba_tables", "ORA-00942"),
        ("select * from v$session", "ORA-00942"),
        ("drop table system.nosuch", "ORA-00942"),
        ("call nosuch.proc()", "ORA-06576"),
        ("explain plan for select 1 from dual", "ORA-00900"),
        ("select * from lab_t connect by prior id = id", "ORA-00900"),
        ("select * from lab_t a, lab_t b where a.id = b.id(+)", "ORA-00900"),
        ("select id from lab_t where rownum <= 1 order by id", "ORA-00900"),
        ("begin null; null; end;", "ORA-00900"),
        ("select 'open from dual", "ORA-01756"),
    ],
)
def test_errors_have_oracles_numbers(gim: Any, table: str, sql: str, expected: str) -> None:
    with pytest.raises(oracledb.Error) as caught:
        gim.cursor().execute(sql)
    if caught.value.args[0].full_code != "DPY-2041":  # the driver itself sees the open quote
        assert code(caught) == expected
    assert rows(gim, "select 1 from dual") == [(1,)]


def test_an_unknown_statement_fails_loudly_and_names_itself(gim: Any) -> None:
    with pytest.raises(oracledb.DatabaseError, match="statement not known to the lab's listener: flashback table"):
        gim.cursor().execute("flashback table x to scn 5")


def test_foreign_keys_and_locks_have_their_errors(connect: Connect, gim: Any, table: str) -> None:
    cursor = gim.cursor()
    cursor.execute("create table lab_child (id number(10) constraint lab_child_fk references lab_t (id))")
    try:
        with pytest.raises(oracledb.IntegrityError) as caught:
            cursor.execute("insert into lab_child values (1)")
        assert code(caught) == "ORA-02291"
        cursor.execute("insert into lab_t (id, name) values (1, 'a')")
        cursor.execute("insert into lab_child values (1)")
        with pytest.raises(oracledb.IntegrityError) as caught:
            cursor.execute("delete from lab_t")
        assert code(caught) == "ORA-02292"
        gim.commit()
        cursor.execute("update lab_t set name = 'b'")
        with pytest.raises(oracledb.DatabaseError) as locked:
            rows(connect("GIM"), "select id from lab_t for update nowait")
        assert code(locked) == "ORA-00054"
    finally:
        gim.rollback()
        cursor.execute("drop table lab_child")


def test_another_current_schema_and_the_clients_autocommit(connect: Connect, table: str) -> None:
    system = connect("SYSTEM")
    system.current_schema = "GIM"
    system.autocommit = True
    cursor = system.cursor()
    cursor.execute("insert into lab_t (id, name) values (:1, 'a')", [1])
    cursor.execute("insert into lab_t (id, name) values (:1, 'a')", [2])
    assert rows(connect("GIM"), "select count(*) from lab_t") == [(2,)]
    other = connect("SYSTEM").cursor()
    with pytest.raises(oracledb.DatabaseError) as caught:
        other.execute("select * from lab_t")
    assert code(caught) == "ORA-00942"
    other.execute("alter session set current_schema = gim")
    assert other.execute("select id from lab_t order by id").fetchall() == [(1,), (2,)]
    system.current_schema = "NOSUCH"
    with pytest.raises(oracledb.DatabaseError) as caught:
        cursor.execute("select 1 from dual")
    assert code(caught) == "ORA-01435"


def test_a_read_only_transaction_sees_one_state_and_changes_nothing(connect: Connect, gim: Any, table: str) -> None:
    reader = connect("GIM")
    reader.cursor().execute("set transaction read only")
    assert rows(reader, "select count(*) from lab_t") == [(0,)]
    gim.cursor().execute("insert into lab_t (id, name) values (1, 'a')")
    gim.commit()
    assert rows(reader, "select count(*) from lab_t") == [(0,)]
    with pytest.raises(oracledb.DatabaseError) as caught:
        reader.cursor().execute("delete from lab_t")
    assert code(caught) == "ORA-01456"
    reader.commit()
    assert rows(reader, "select count(*) from lab_t") == [(1,)]


async def test_the_drivers_asynchronous_face_works_too(config: LabConfig, part: OraclePart) -> None:
    connection = await oracledb.connect_async(
        user="GIM",
        password=config.password(SITE, "GIM"),
        dsn=f"{config.address}:{config.port(SITE, 'oracle')}/GIM2",
    )
    cursor = connection.cursor()
    await cursor.execute("select g, rpad('x', 200) from generate_series(1, 500) g")
    assert len(await cursor.fetchall()) == 500
    connection.call_timeout = 200
    with pytest.raises(oracledb.DatabaseError, match="DPY-4024"):
        await cursor.execute("call dbms_session.sleep(20)")
    await connection.close()


# -- interruption ------------------------------------------------------------------------------------


def test_a_call_timeout_cancels_the_statement_and_the_session_lives(config: LabConfig, gim: Any) -> None:
    gim.call_timeout = 300
    start = time.monotonic()
    with pytest.raises(oracledb.DatabaseError, match="DPY-4024"):
        gim.cursor().execute("call dbms_session.sleep(20)")
    assert time.monotonic() - start < 3
    gim.call_timeout = 0
    assert rows(gim, "select 1 from dual") == [(1,)]
    with postgres.connect(config, SITE) as connection:
        sleeping = (
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%sleep(%%' AND state = 'active' AND pid <> %s"
        )
        assert connection.execute(sleeping, [connection.info.backend_pid]).fetchone() == (0,)


def test_cancel_from_another_thread_is_ora_01013(gim: Any) -> None:
    timer = threading.Timer(0.3, gim.cancel)
    timer.start()
    with pytest.raises(oracledb.DatabaseError) as caught:
        gim.cursor().execute("call dbms_session.sleep(20)")
    assert code(caught) == "ORA-01013"
    timer.join()
    assert rows(gim, "select 1 from dual") == [(1,)]


def test_a_client_that_vanishes_takes_its_statement_with_it(config: LabConfig, connect: Connect) -> None:
    import subprocess
    import sys

    dsn = f"{config.address}:{config.port(SITE, 'oracle')}/GIM2"
    script = (
        "import oracledb, sys; password = sys.stdin.readline().strip();"
        "c = oracledb.connect(user='GIM', password=password, dsn=sys.argv[1]);"
        "print('up', flush=True); c.cursor().execute('call dbms_session.sleep(33)')"
    )
    client = subprocess.Popen(
        [sys.executable, "-c", script, dsn], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert client.stdin is not None and client.stdout is not None
    client.stdin.write(config.password(SITE, "GIM") + "\n")
    client.stdin.flush()
    assert client.stdout.readline() == "up\n"
    query = (
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%%sleep(%%' AND state = 'active' "
        "AND pid <> pg_backend_pid()"
    )
    with postgres.connect(config, SITE) as connection:

        def running(wanted: int) -> bool:
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                if connection.execute(query).fetchone() == (wanted,):
                    return True
                time.sleep(0.02)
            return False

        assert running(1)
        client.kill()
        client.wait()
        assert running(0)


# -- dictionary ----------------------------------------------------------------------------------------


def test_the_dictionary_shows_tables_keys_indexes_and_sequences(connect: Connect, gim: Any, table: str) -> None:
    cursor = gim.cursor()
    cursor.execute("create sequence lab_s start with 10 increment by 5 cache 20")
    cursor.execute("create index lab_t_i on lab_t (made)")
    try:
        assert rows(gim, "select index_name, uniqueness, status from user_indexes order by 1") == [
            ("LAB_T_I", "NONUNIQUE", "VALID"),
            ("LAB_T_PK", "UNIQUE", "VALID"),
        ]
        last = "select last_number from user_sequences where sequence_name = 'LAB_S'"
        assert rows(gim, last) == [(10,)]
        assert rows(gim, "select lab_s.nextval from dual") == [(10,)]
        assert rows(gim, last) == [(10 + 20 * 5,)]  # the next one that no session has cached
        cursor.execute("alter sequence gim.lab_s restart start with 100")
        assert rows(gim, last) == [(100,)]
        system = connect("SYSTEM")
        assert rows(
            system,
            "select column_name, data_type, data_length, data_precision, data_scale, nullable from dba_tab_columns "
            "where owner = :o and table_name = :t order by column_id",
            o="GIM",
            t="LAB_T",
        ) == [
            ("ID", "NUMBER", 22, 19, 0, "N"),
            ("NAME", "VARCHAR2", 20, None, None, "N"),
            ("MADE", "DATE", 7, None, None, "Y"),
            ("STAMP", "TIMESTAMP(6)", 11, None, 6, "Y"),
            ("PRICE", "NUMBER", 22, 10, 2, "Y"),
            ("NOTE", "CLOB", 4000, None, None, "Y"),
        ]
        cursor.execute("alter index lab_t_i unusable")
        assert rows(system, "select status from dba_indexes where index_name = 'LAB_T_I'") == [("UNUSABLE",)]
        cursor.execute("alter index lab_t_i rebuild")
        assert rows(system, "select status from dba_indexes where index_name = 'LAB_T_I'") == [("VALID",)]
        # The lab's own catalogue is hidden; GoldenGate's trigger for DDL is of SYS.
        ours = "select object_name from dba_objects where owner in ('SYS', 'PG_CATALOG')"
        assert rows(system, ours) == [("GGS_DDL_TRIGGER_BEFORE",)]
    finally:
        cursor.execute("drop sequence lab_s")


def test_a_table_that_system_makes_belongs_to_its_schema(connect: Connect, gim: Any) -> None:
    connect("SYSTEM").cursor().execute("create table gim.lab_made (id number(9) primary key)")
    gim.cursor().execute("insert into lab_made values (1)")
    gim.commit()
    gim.cursor().execute("drop table lab_made")


def test_scheduler_jobs_are_switched_by_call_and_by_block(config: LabConfig, connect: Connect) -> None:
    with postgres.connect(config, SITE, "idb") as connection:
        connection.execute(
            "INSERT INTO sys.lab_scheduler_jobs (owner, job_name) "
            "VALUES ('ICON_TS2', 'PURGE_IDB') ON CONFLICT DO NOTHING"
        )
    icon = connect("ICON_TS2", service="IDB2")
    state = "select enabled, state from user_scheduler_jobs where job_name = 'PURGE_IDB'"
    cursor = icon.cursor()
    cursor.execute("begin dbms_scheduler.disable(:1); end;", ["PURGE_IDB"])
    assert rows(icon, state) == [("FALSE", "DISABLED")]
    cursor.execute("call dbms_scheduler.enable(:job)", job="PURGE_IDB")
    assert rows(icon, state) == [("TRUE", "SCHEDULED")]
    cursor.callproc("dbms_scheduler.disable", ["ICON_TS2.PURGE_IDB"])
    assert rows(icon, state) == [("FALSE", "DISABLED")]
    cursor.execute("BEGIN SYS.DBMS_SCHEDULER.DISABLE(name => 'PURGE_IDB', force => TRUE); END;")
    with pytest.raises(oracledb.DatabaseError) as caught:
        cursor.execute("call dbms_scheduler.enable('NOSUCH')")
    assert code(caught) == "ORA-27476"


def test_a_scheduler_job_that_runs_is_disabled_by_force_only(config: LabConfig, connect: Connect) -> None:
    with postgres.connect(config, SITE, "idb") as connection:
        connection.execute(
            "INSERT INTO sys.lab_scheduler_jobs (owner, job_name, state) VALUES ('ICON_TS2', 'RUNS', 'RUNNING')"
        )
    cursor = connect("SYSTEM", service="IDB2").cursor()
    with pytest.raises(oracledb.DatabaseError) as caught:
        cursor.execute("call dbms_scheduler.disable(:job)", job="ICON_TS2.RUNS")
    assert code(caught) == "ORA-27478"
    cursor.execute("begin dbms_scheduler.disable('ICON_TS2.RUNS', true); end;")
    state = "select enabled, state from dba_scheduler_jobs where job_name = 'RUNS'"
    assert rows(connect("SYSTEM", service="IDB2"), state) == [("FALSE", "RUNNING")]


def test_a_job_of_dbms_job_is_broken_by_its_owner_and_by_dbms_ijob_for_others(
    config: LabConfig, connect: Connect
) -> None:
    with postgres.connect(config, SITE, "idb") as connection:
        connection.execute(
            "INSERT INTO sys.lab_jobs (job, owner, what, next_date) "
            "VALUES (41, 'ICON_TS2', 'purge;', timestamp '2026-11-03 02:00')"
        )
    owner, system = connect("ICON_TS2", service="IDB2"), connect("SYSTEM", service="IDB2")
    statements = {name: files.statement(f"dbms_{name}") for name in ("jobs", "job_break", "ijob_break", "ijob_mend")}
    owner.cursor().execute(statements["job_break"], job_number=41)
    with pytest.raises(oracledb.DatabaseError) as caught:
        owner.cursor().execute(statements["ijob_break"], job_number=41)
    assert code(caught) == "ORA-06550"
    with pytest.raises(oracledb.DatabaseError) as caught:
        system.cursor().execute(statements["job_break"], job_number=41)
    assert code(caught) == "ORA-23421"
    ((number, user, broken, next_date, this_date, _, own),) = rows(system, statements["jobs"], job_number=41)
    assert (number, user, broken, next_date.year, this_date, own) == (41, "ICON_TS2", "Y", 4000, None, "N")
    system.cursor().execute(statements["ijob_mend"], job_number=41, next_run=datetime(2026, 11, 4, 2, 0))
    system.cursor().execute(statements["ijob_break"], job_number=41)
    system.cursor().execute(statements["ijob_mend"], job_number=41, next_run=datetime(2026, 11, 5, 2, 0))
    row = rows(system, statements["jobs"], job_number=41)[0]
    assert row[2:4] == ("N", datetime(2026, 11, 5, 2, 0))


def test_an_open_transaction_shows_with_a_start_scn_that_is_not_too_high(connect: Connect, table: str) -> None:
    system, gim = connect("SYSTEM"), connect("GIM")
    time.sleep(0.5)
    before = rows(system, "select current_scn from v$database")[0][0]
    gim.module = "a module"
    gim.cursor().execute("insert into lab_t (id, name) values (1, 'a')")
    query = (
        "select s.username, s.module, t.start_scn, s.sid, s.serial# from gv$transaction t "
        "join gv$session s on s.taddr = t.addr where s.username = 'GIM'"
    )
    found = rows(system, query)
    assert [f[:2] for f in found] == [("GIM", "a module")]
    time.sleep(0.5)
    gim2 = connect("GIM")
    gim2.cursor().execute("insert into lab_t (id, name) values (2, 'b')")
    gim2.commit()
    after = rows(system, "select current_scn from v$database")[0][0]
    assert found[0][2] < after and before < after
    system.cursor().execute(f"alter system kill session '{found[0][3]},{found[0][4]}'")
    with pytest.raises(oracledb.DatabaseError):
        gim.cursor().execute("select 1 from dual")


def test_the_airflow_hook_works_unchanged(config: LabConfig, part: OraclePart, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.models.connection import Connection
    from airflow.providers.oracle.hooks.oracle import OracleHook

    uri = Connection(
        conn_id="lab_oracle",
        conn_type="oracle",
        host=config.address,
        port=config.port(SITE, "oracle"),
        login="SYSTEM",
        password=config.password(SITE, "SYSTEM"),
        extra=json.dumps({"service_name": "GIM2", "mode": "sysdba"}),
    )
    hook = OracleHook(oracle_conn_id="lab_oracle")
    monkeypatch.setattr(hook, "get_connection", lambda _: uri)
    assert hook.get_first("select name, log_mode from v$database") == ("GIM2", "ARCHIVELOG")
    assert hook.get_records("select value from v$parameter where name = :n", parameters={"n": "undo_retention"}) == [
        ("60",)
    ]
    assert hook.test_connection()[0]


#: Statements about the fitness of a database, with a column of each.
OF_FITNESS = {
    "nologging_tables": "PARTITION_NAME",
    "container_logging": "FORCE_LOGGING",
    "goldengate_support": "SUPPORT_MODE",
    "goldengate_not_unique": "BAD_COLUMN",
    "goldengate_privileges": "PRIVILEGE_TYPE",
    "granted_tables": "PRIVILEGE",
    "database_parameters": "VALUE",
    "character_sets": "VALUE",
    "timezone_file": "VERSION",
    "banner": "BANNER",
    "tablespaces": "TABLESPACE_NAME",
    "schema_tablespaces": "TABLESPACE_NAME",
    "account": "PROFILE",
    "profiles": "PROFILE",
    "granted_roles": "GRANTED_ROLE",
    "grantees": "GRANTEE",
    "users_and_roles": "NAME",
    "dumped_segments": "BYTES",
    "lob_retention": "PCTVERSION",
    "dbms_jobs_of": "BROKEN",
    "interval_tables": "TABLE_NAME",
    "undo_retention": "TUNED",
    "redo_written": "SECONDS",
    "own_account": "TIME_THERE",
    "open_transactions_age": "IDLE_SECONDS",
    "space_waits": "ERROR_MSG",
    "identity_columns": "LAST_NUMBER",
    "identity_columns_12_1": "LAST_NUMBER",
}


@pytest.mark.parametrize(("name", "column"), OF_FITNESS.items())
def test_a_statement_of_fitness_is_answered(connect: Connect, name: str, column: str) -> None:
    sql = files.statement(name)
    cursor = connect("SYSTEM").cursor()
    names = ("owner", "grantee", "job_name")
    binds = {bind: "GGATE" if bind == "grantee" else "GIM" for bind in names if f":{bind}" in sql}
    cursor.execute(sql, binds)
    assert column in [each[0] for each in cursor.description]
    cursor.fetchall()


def test_redo_in_two_archive_destinations_counts_once(config: LabConfig, connect: Connect) -> None:
    system = connect("SYSTEM")
    with postgres.connect(config, SITE) as connection:
        connection.execute("insert into sys.lab_scn_time (scn, time_dp) select pg_current_wal_lsn() - '0/0', now()")
        connection.execute("CREATE TABLE gim.lab_archived AS SELECT n FROM generate_series(1, 5000) n")
    logs = rows(system, "select dest_id, blocks * block_size from v$archived_log order by dest_id")
    assert [destination for destination, _ in logs] == [1, 2]
    written = rows(system, files.statement("redo_written"))[0][0]
    assert logs[0][1] <= written < logs[0][1] + logs[1][1]


def test_the_dictionary_shows_the_end_of_partitions_that_only_the_sites_own_server_makes(
    config: LabConfig, connect: Connect
) -> None:
    """And the history of the ETL is asked as the product asks it."""
    ends, gim = files.statement("partition_ends"), connect("GIM")
    assert rows(connect("SYSTEM"), ends, owner="GIM") == []
    with postgres.connect(config, SITE) as connection:
        connection.execute("insert into sys.lab_partitions values ('gim', 1796000000)")
        connection.execute("create table gim.gidb_g_call_v (id bigint primary key)")
        connection.execute(
            "create table gim.ctl_extract_history (table_name varchar(30), data_source_key bigint, row_count bigint,"
            " extract_end_time timestamp(0), created_ts bigint);"
            "insert into gim.ctl_extract_history values ('GIDB_G_CALL_V', 101, 7, '2026-11-01 00:00:00', 100);"
            "create table gim.ctl_transform_history (job_id varchar(64), job_version varchar(32), hwm_name varchar(64),"
            " hwm_value bigint, transform_start_time timestamp(0), transform_end_time timestamp(0), row_count bigint,"
            " created_ts bigint);"
            "alter table gim.gidb_g_call_v owner to gim; alter table gim.ctl_extract_history owner to gim;"
            "alter table gim.ctl_transform_history owner to gim"
        )
    try:
        assert rows(connect("SYSTEM"), ends, owner="GIM") == [("GIDB_G_CALL_V", "1796000000")]
        shown = dict(rows(connect("SYSTEM"), "select table_name, partitioned from dba_tables where owner = 'GIM'"))
        assert (shown["GIDB_G_CALL_V"], shown["CTL_EXTRACT_HISTORY"]) == ("YES", "NO")
        for name, since in (("calls_extracted", 50), ("loading_pending", 50)):
            assert rows(gim, files.statement(name, schema="GIM"), since_ts=since) != []
            assert rows(gim, files.statement(name, schema="GIM"), since_ts=150) == []
        gim.cursor().execute(
            "insert into gim.ctl_transform_history values ('J', '8.1.4', '101', 100, sysdate, sysdate, 1, 100)"
        )
        assert rows(gim, files.statement("loading_pending", schema="GIM"), since_ts=50) == []
        (session, *_) = rows(connect("SYSTEM"), files.statement("sessions_of"), username="GIM", program="%")
        assert 0 <= session[-1] < 600
    finally:
        gim.rollback()
        with postgres.connect(config, SITE) as connection:
            connection.execute("delete from sys.lab_partitions")
            for table in ("gidb_g_call_v", "ctl_extract_history", "ctl_transform_history"):
                connection.execute(f"drop table gim.{table}".encode())


def test_an_age_is_never_below_zero(connect: Connect) -> None:
    """A session on an instance of the cluster whose clock is ahead; and the lab's own, which has whole seconds."""
    statement = files.statement("sessions_of").replace("- logon_time)", "- (logon_time + 1))")
    system = connect("SYSTEM")
    assert {row[-1] for row in rows(system, statement, username="SYSTEM", program="%")} == {0}
    for _ in range(3):
        connect("GIM")
        for session in rows(system, "select sysdate - logon_time from v$session where username = 'GIM'"):
            assert session[0] >= 0


# -- SCN and redo --------------------------------------------------------------------------------------


def keys_at(config: LabConfig, scn: int, table: str) -> set[int]:
    name = snapshots.resolve(config, SITE, scn)
    with psycopg.connect(config.postgres_dsn(SITE)) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute(f"SET TRANSACTION SNAPSHOT '{name}'".encode())
        return {row[0] for row in connection.execute(f"SELECT id FROM gim.{table}".encode())}


def test_the_snapshot_of_an_scn_holds_exactly_the_redo_up_to_it(config: LabConfig, connect: Connect) -> None:
    system = connect("SYSTEM")
    with postgres.connect(config, SITE) as connection:
        connection.execute("CREATE TABLE gim.lab_p (id bigint PRIMARY KEY)")
    stop = threading.Event()
    written = [0, 0, 0]

    def write(worker: int) -> None:
        with psycopg.connect(config.postgres_dsn(SITE)) as connection:
            number = worker
            while not stop.is_set():
                connection.execute("INSERT INTO gim.lab_p VALUES (%s)", [number])
                if number % 7 == 0:
                    connection.execute("INSERT INTO gim.lab_p VALUES (%s)", [number + 10_000_000])
                connection.commit()
                number += 3
                written[worker] += 1

    writers = [threading.Thread(target=write, args=(n,)) for n in range(3)]
    for writer in writers:
        writer.start()
    found: dict[int, set[int]] = {}
    try:
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            scn = rows(system, "select current_scn from v$database")[0][0]
            found[scn] = keys_at(config, scn, "lab_p")
            time.sleep(0.02)
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert len(found) > 10 and sum(written) > 300
    by_csn: list[tuple[int, set[int]]] = [
        (r["csn"], {int(o["row"]["ID"]) for o in r["ops"] if o.get("table") == "GIM.LAB_P"})
        for r in redo.read(config, SITE, 0)
    ]
    assert [c for c, _ in by_csn] == sorted({c for c, _ in by_csn})
    for scn, seen in found.items():
        assert seen == {key for csn, keys in by_csn if csn <= scn for key in keys}, scn


def test_an_scn_never_goes_back_and_an_import_is_in_the_next_snapshot(config: LabConfig, connect: Connect) -> None:
    system = connect("SYSTEM")
    query = "select d.current_scn, d.name from v$database d"
    with postgres.connect(config, SITE) as connection:
        connection.execute("CREATE TABLE gim.lab_i (id bigint PRIMARY KEY)")
        first = rows(system, query)[0][0]
        assert keys_at(config, first, "lab_i") == set()
        assert keys_at(config, first + 1, "lab_i") == set()  # no commit lies between
        connection.execute("SELECT pg_replication_origin_create('lab_import')")
        connection.execute("SELECT pg_replication_origin_session_setup('lab_import')")
        connection.execute("INSERT INTO gim.lab_i VALUES (1)")
        connection.execute("SELECT pg_replication_origin_session_reset()")
    again = rows(system, query)[0][0]
    assert again > first and keys_at(config, again, "lab_i") == {1}
    stored_up_to_now(config)
    assert not [r for r in redo.read(config, SITE, first) if "LAB_I" in json.dumps(r)]
    scns = [rows(system, query)[0][0] for _ in range(10)]
    assert scns == sorted(scns)


def test_released_undo_is_ora_01555_and_the_future_is_ora_08181(config: LabConfig, connect: Connect) -> None:
    system = connect("SYSTEM")
    scn = rows(system, "select current_scn from v$database")[0][0]
    lab_config.set_fault(config, f"{SITE}.oracle.undo_released", True)
    try:
        deadline = time.monotonic() + 5
        with pytest.raises(snapshots.SnapshotTooOld, match="ORA-01555"):
            while time.monotonic() < deadline:
                snapshots.resolve(config, SITE, scn)
                time.sleep(0.05)
    finally:
        lab_config.set_fault(config, f"{SITE}.oracle.undo_released", None)
    with pytest.raises(snapshots.InvalidScn, match="ORA-08181"):
        snapshots.resolve(config, SITE, scn + 10**12)


def stored_up_to_now(config: LabConfig) -> None:
    with postgres.connect(config, SITE) as connection:
        row = connection.execute("SELECT (pg_current_wal_flush_lsn() - '0/0')::bigint").fetchone()
        assert row is not None
    deadline = time.monotonic() + 10
    while redo.position(config, SITE) < row[0] - 1:
        assert time.monotonic() < deadline, "the redo does not catch up"
        time.sleep(0.02)


def test_redo_has_rows_keys_tags_ddl_and_no_dictionary(config: LabConfig, part: OraclePart) -> None:
    stored_up_to_now(config)
    after = redo.position(config, SITE)
    with postgres.connect(config, SITE) as connection:
        connection.execute("CREATE TABLE gim.lab_r (id bigint PRIMARY KEY, a text, b numeric(8,2))")
        connection.execute("CREATE TEMP TABLE lab_temp (id bigint)")
        big = "x" * 20000
        with connection.transaction():
            connection.execute("SELECT pg_logical_emit_message(true, 'tag', '00')")
            connection.execute("INSERT INTO gim.lab_r VALUES (1, 'one', 1.5), (2, NULL, NULL)")
            connection.execute("UPDATE gim.lab_r SET a = 'two' WHERE id = 2")
            connection.execute("UPDATE gim.lab_r SET id = 3 WHERE id = 2")
            connection.execute("DELETE FROM gim.lab_r WHERE id = 1")
        connection.execute("INSERT INTO sys.lab_directories VALUES ('X', '/x')")
        connection.execute("CREATE TABLE gim.lab_nokey (a text, b text)")
        connection.execute("INSERT INTO gim.lab_nokey VALUES (random()::text || %s, 'b')", [big])
        connection.execute("UPDATE gim.lab_nokey SET b = 'c'")
        connection.execute("TRUNCATE gim.lab_nokey")
        connection.execute("ALTER TABLE gim.lab_nokey DROP COLUMN b")
        connection.execute("DROP TABLE gim.lab_nokey")
    stored_up_to_now(config)
    records = list(redo.read(config, SITE, after))
    assert [[o["op"] for o in r["ops"]] for r in records] == [
        ["DDL"],
        ["I", "I", "U", "U", "D"],
        ["DDL"],
        ["I"],
        ["U"],
        ["T"],
        ["DDL"],
        ["DDL"],
    ]
    create, rows_, _, _, nokey, _, _, drop = records
    assert create["ops"][0] == {
        "op": "DDL",
        "schema": "GIM",
        "object": "LAB_R",
        "type": "TABLE",
        "sql": "CREATE TABLE gim.lab_r (id bigint PRIMARY KEY, a text, b numeric(8,2))",
    }
    assert drop["ops"][0]["object"] == "LAB_NOKEY" and drop["ops"][0]["sql"] == "DROP TABLE gim.lab_nokey"
    assert rows_["tag"] == "00" and create["tag"] is None
    assert rows_["start"] < rows_["csn"]
    assert rows_["ops"] == [
        {"op": "I", "table": "GIM.LAB_R", "row": {"ID": "1", "A": "one", "B": "1.50"}},
        {"op": "I", "table": "GIM.LAB_R", "row": {"ID": "2", "A": None, "B": None}},
        {"op": "U", "table": "GIM.LAB_R", "key": {"ID": "2"}, "row": {"ID": "2", "A": "two", "B": None}},
        {"op": "U", "table": "GIM.LAB_R", "key": {"ID": "2"}, "row": {"ID": "3", "A": "two", "B": None}},
        {"op": "D", "table": "GIM.LAB_R", "key": {"ID": "1"}},
    ]
    # stored apart and unchanged: the value is known from the old row
    assert nokey["ops"][0]["row"]["A"].endswith(big) and nokey["ops"][0]["key"]["B"] == "b"
    assert datetime.fromisoformat(create["ts"]).tzinfo == UTC


def test_a_large_transaction_and_a_restart_neither_lose_nor_double(config: LabConfig, part: OraclePart) -> None:
    stored_up_to_now(config)
    after = redo.position(config, SITE)
    with postgres.connect(config, SITE) as connection:
        connection.execute("CREATE TABLE gim.lab_big (id bigint PRIMARY KEY, a text)")
        connection.execute("INSERT INTO gim.lab_big SELECT g, 'row ' || g FROM generate_series(1, 30000) g")
        part.reader.stop()
        connection.execute("INSERT INTO gim.lab_big VALUES (-1, 'after')")
        part.reader = redo.Reader(config, SITE)
        part.keeper._reader = part.reader
        part.reader.start()
    stored_up_to_now(config)
    operations = [len(r["ops"]) for r in redo.read(config, SITE, after)]
    assert operations == [1, 30000, 1]


# -- tnsping -------------------------------------------------------------------------------------------


def connect_packet(text: bytes, header: int) -> bytes:
    """A CONNECT packet with the header of an older or newer client."""
    fields = struct.pack(">HHHHHHHHHH", 318, 300, 0, 2048, 32767, 32520, 0, 1, len(text), header)
    body = fields.ljust(header - 8, b"\0") + text
    return struct.pack(">HHBBH", len(body) + 8, 0, 1, 0, 0) + body


def reply_to(port: int, packet: bytes) -> tuple[int, bytes]:
    """Type and body of the listener's answer to one packet; it closes the connection after it."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(packet)
        data = b""
        while piece := client.recv(4096):
            data += piece
    assert struct.unpack(">H", data[:2])[0] == len(data)
    return data[4], data[8:]


@pytest.mark.parametrize("header", [34, 58])
@pytest.mark.parametrize("text", [b"(CONNECT_DATA=(COMMAND=ping))", b"(CONNECT_DATA=(CID=(USER=x))(COMMAND = PING))"])
def test_a_ping_is_refused_without_an_error_as_real_listeners_do(
    config: LabConfig, part: OraclePart, header: int, text: bytes
) -> None:
    kind, body = reply_to(config.port(SITE, "oracle"), connect_packet(text, header))
    assert kind == 4
    assert struct.unpack(">H", body[2:4])[0] == len(body) - 4
    assert body[4:].startswith(b"(DESCRIPTION=(TMP=)(VSNNUM=")
    assert b"(ERR=0)(ALIAS=LISTENER)" in body


def test_an_unknown_service_is_refused_with_its_error(config: LabConfig, part: OraclePart) -> None:
    text = b"(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=NONE)))"
    kind, body = reply_to(config.port(SITE, "oracle"), connect_packet(text, 58))
    assert (kind, b"(ERR=12514)" in body) == (4, True)


# -- the dictionary as the checks read it ----------------------------------------------------------------


def said(connection: Any, name: str) -> list[dict[str, Any]]:
    """Rows of one of the product's statements about the Info Mart's schema."""
    cursor = connection.cursor()
    cursor.execute(files.statement(name), owner="GIM")
    columns = [column[0].lower() for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def superuser(config: LabConfig, *statements: str) -> None:
    with postgres.connect(config, SITE, "gim") as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_a_descending_column_and_an_expression_have_a_hidden_name_and_an_expression(
    connect: Connect, gim: Any, table: str
) -> None:
    gim.cursor().execute("create index lab_t_d on lab_t (made desc, id)")
    gim.cursor().execute("create index lab_t_f on lab_t (upper(name))")
    system = connect("SYSTEM")
    kinds = {row["index_name"]: row["index_type"] for row in said(system, "indexes")}
    assert kinds["LAB_T_D"] == kinds["LAB_T_F"] == "FUNCTION-BASED NORMAL" and kinds["LAB_T_PK"] == "NORMAL"
    columns = {(row["index_name"], row["column_position"]): row for row in said(system, "index_columns")}
    assert columns["LAB_T_D", 1]["column_name"].startswith("SYS_NC") and columns["LAB_T_D", 1]["descend"] == "DESC"
    assert columns["LAB_T_D", 2]["column_name"] == "ID" and columns["LAB_T_F", 1]["column_name"].startswith("SYS_NC")
    expressions = {
        (row["index_name"], row["column_position"]): row["column_expression"]
        for row in said(system, "index_expressions")
    }
    assert expressions["LAB_T_D", 1] == '"MADE"' and "UPPER" in expressions["LAB_T_F", 1]
    assert ("LAB_T_D", 2) not in expressions


def test_an_identity_column_has_a_sequence_that_is_named_after_its_table(
    config: LabConfig, connect: Connect, gim: Any
) -> None:
    superuser(
        config,
        "create table gim.lab_ident (id bigint generated always as identity (start with 7), note text)",
        "alter table gim.lab_ident owner to gim",
    )
    system = connect("SYSTEM")
    try:
        assert [
            (row["table_name"], row["column_name"], row["last_number"]) for row in said(system, "identity_columns")
        ] == [("LAB_IDENT", "ID", 7)]
        assert rows(system, "select count(*) from dba_sequences where sequence_name like 'ISEQ$$%'") == [(1,)]
        assert [row for row in said(system, "sequences") if "ISEQ" in row["sequence_name"]] == []
    finally:
        gim.cursor().execute("drop table lab_ident")


def test_an_unusable_partition_shows_in_its_own_view_only_and_is_rebuilt(
    config: LabConfig, connect: Connect, gim: Any
) -> None:
    superuser(
        config,
        "create table gim.lab_parts (id bigint, day integer) partition by range (day)",
        "create table gim.lab_parts_1 partition of gim.lab_parts for values from (0) to (10)",
        "create table gim.lab_parts_2 partition of gim.lab_parts for values from (10) to (20)",
        "create index lab_parts_i on gim.lab_parts (id)",
        "alter table gim.lab_parts owner to gim",
        "update pg_index set indisvalid = false where indexrelid = 'gim.lab_parts_2_id_idx'::regclass",
    )
    system = connect("SYSTEM")
    try:
        (index,) = [row for row in said(system, "indexes") if row["index_name"] == "LAB_PARTS_I"]
        assert (index["status"], index["partitioned"], index["locality"]) == ("N/A", "YES", "LOCAL")
        (unusable,) = said(system, "unusable_partitions")
        assert (unusable["index_name"], unusable["kind"], unusable["partition_name"]) == (
            "LAB_PARTS_I",
            "PARTITION",
            "LAB_PARTS_2",
        )
        part = (unusable["kind"], unusable["partition_name"])
        gim.cursor().execute(statements.rebuild_index(unusable["owner"], unusable["index_name"], part))
        assert said(system, "unusable_partitions") == []
    finally:
        gim.cursor().execute("drop table lab_parts")


def test_grants_and_what_other_schemas_have_on_the_schema_are_listed(
    config: LabConfig, connect: Connect, gim: Any, table: str
) -> None:
    system = connect("SYSTEM")
    system.cursor().execute("grant execute on sys.dbms_lock to gim")
    gim.cursor().execute("grant select on lab_t to ggate")
    superuser(
        config,
        "create view ggate.v_tenant as select id from gim.lab_t",
        "insert into sys.lab_synonyms values ('PUBLIC', 'CALLS', 'GIM', 'LAB_T', null)",
        "insert into sys.lab_synonyms values ('GIM', 'OWN', 'GIM', 'LAB_T', null)",
    )
    try:
        granted = {statements.grant(row) for row in said(system, "object_grants")}
        assert {'grant execute on "SYS"."DBMS_LOCK" to "GIM"', 'grant select on "GIM"."LAB_T" to "GGATE"'} <= granted
        assert {"CREATE SESSION"} <= {row["privilege"] for row in said(system, "system_grants")}
        assert {
            (row["type"], row["owner"], row["name"], row["referenced_name"]) for row in said(system, "dependants")
        } == {
            ("VIEW", "GGATE", "V_TENANT", "LAB_T"),
            ("SYNONYM", "PUBLIC", "CALLS", "LAB_T"),
        }
        assert [row["synonym_name"] for row in said(system, "synonyms")] == ["OWN"]
    finally:
        superuser(
            config, "drop view ggate.v_tenant", "delete from sys.lab_synonyms", "delete from sys.lab_object_grants"
        )


def test_what_is_not_a_table_is_dropped_by_its_owner_and_what_depends_on_it_becomes_invalid(
    config: LabConfig, connect: Connect, gim: Any, table: str
) -> None:
    cursor = gim.cursor()
    cursor.execute("create view v_one as select id from lab_t")
    cursor.execute("create view v_two as select id from v_one")
    superuser(
        config, "insert into sys.lab_source (owner, type, name, text) values ('GIM', 'PACKAGE', 'P', 'package p as')"
    )
    system = connect("SYSTEM")
    assert [row["view_name"] for row in said(system, "views")] == ["V_ONE", "V_TWO"]
    assert [(row["type"], row["name"]) for row in said(system, "units")] == [("PACKAGE", "P")]
    cursor.execute(statements.drop_object("GIM", "PACKAGE", "P"))
    cursor.execute(statements.drop_object("GIM", "VIEW", "V_ONE"))
    assert said(system, "units") == []
    assert [(row["object_type"], row["object_name"]) for row in said(system, "invalid_objects")] == [("VIEW", "V_TWO")]
    compile_ = files.statement("compile_schema")
    cursor.execute(compile_, owner="GIM")
    assert len(said(system, "invalid_objects")) == 1, "its base is missing"
    cursor.execute("create view v_one as select id from lab_t")
    cursor.execute(compile_, owner="GIM")
    assert said(system, "invalid_objects") == []
    assert rows(gim, "select count(*) from v_two") == [(0,)]
    for view in ("V_TWO", "V_ONE"):
        cursor.execute(statements.drop_object("GIM", "VIEW", view))
    for kind, error in (("VIEW", "ORA-00942"), ("PACKAGE", "ORA-04043"), ("SYNONYM", "ORA-01434")):
        with pytest.raises(oracledb.DatabaseError, match=error):
            cursor.execute(statements.drop_object("GIM", kind, "NOT_THERE"))


def test_rows_are_hashed_with_lobs_and_names_in_quotes(gim: Any, table: str) -> None:
    cursor = gim.cursor()
    cursor.execute("insert into lab_t (id, name, price, note) values (1, 'ä', 1.5, 'a long text')")
    columns = [("ID", "NUMBER"), ("NAME", "VARCHAR2"), ("PRICE", "NUMBER"), ("NOTE", "CLOB"), ("MADE", "DATE")]
    hashed = statements.row_hash("GIM", "LAB_T", columns)
    before = rows(gim, hashed.sql)
    assert before[0][0] == 1 and before[0][1] > 0
    for change in ("price = 1.6", "note = 'a long tex'", "note = 'b long text'", "name = 'a'"):
        cursor.execute("savepoint before_change")
        cursor.execute(f"update lab_t set {change}")
        assert rows(gim, hashed.sql) != before, change
        cursor.execute("rollback to before_change")
    assert rows(gim, hashed.sql) == before
    wide = statements.row_hash("GIM", "LAB_T", [statements.Column("NAME", "VARCHAR2", 2500)], convert=True)
    assert rows(gim, wide.sql)[0][0] == 1


# -- triggers after logon --------------------------------------------------------------------------

TRIGGER = "DR_LOST_SITE_GIM"


@pytest.fixture
def refusing(connect: Connect) -> Iterator[Any]:
    """A session of the DBA whose trigger refuses GIM from one machine, as the procedures write it."""
    dba = connect("SYSTEM")
    cursor = dba.cursor()
    cursor.execute(
        statements.refuse_logons(
            *("SYSTEM", TRIGGER, "GIM"),
            names=["SITE1-GIM"],
            labels=["GIM1"],
            addresses=["10.0.0.1"],
            message="infomart-dr: the Info Mart Server of site1 is refused.",
        )
    )
    yield cursor
    cursor.execute(statements.drop_trigger("SYSTEM", TRIGGER))
    with pytest.raises(oracledb.DatabaseError, match="ORA-04080"):
        cursor.execute(statements.drop_trigger("SYSTEM", TRIGGER))


def test_a_logon_trigger_refuses_one_user_from_the_machines_that_it_names_once_it_is_enabled(
    connect: Connect, refusing: Any
) -> None:
    query = files.statement("logon_trigger")
    assert connect("GIM", machine="site1-gim").is_healthy(), "it is made disabled"
    (row,) = refusing.execute(query, trigger_name=TRIGGER).fetchall()
    assert row[:3] == ("SYSTEM", "DISABLED", "VALID") and "'SITE1-GIM'" in row[3]
    refusing.execute(statements.enable_trigger("SYSTEM", TRIGGER))
    for machine in ("site1-gim", "gim1.example.net"):
        with pytest.raises(oracledb.DatabaseError) as refused:
            connect("GIM", machine=machine)
        said = str(refused.value)
        assert code(refused) == "ORA-04088"
        assert "error during execution of trigger 'SYSTEM.DR_LOST_SITE_GIM'" in said
        assert "ORA-00604: error occurred at recursive SQL level 1" in said
        assert "ORA-20911: infomart-dr: the Info Mart Server of site1 is refused." in said
    assert connect("GIM", machine="site2-gim").is_healthy()
    assert connect("GIM").is_healthy(), "Airflow's own machine"
    assert connect("GGATE", machine="site1-gim").is_healthy()
    refusing.execute(f"alter trigger SYSTEM.{TRIGGER} disable")
    assert connect("GIM", machine="site1-gim").is_healthy()


def test_a_server_of_the_lab_is_refused_as_a_client_of_the_listener_is(config: LabConfig, refusing: Any) -> None:
    refusing.execute(statements.enable_trigger("SYSTEM", TRIGGER))

    def server(machine: str) -> None:
        name = postgres.program_on(machine, "gim_etl_server")
        postgres.connect(config, SITE, user="gim", application_name=name).close()

    with pytest.raises(psycopg.OperationalError, match=r"(?s)ORA-04088.*ORA-00604.*ORA-20911.*ORA-06512"):
        server("site1-gim")
    server("site2-gim")


def test_who_may_administer_such_triggers_logs_on_all_the_same(
    config: LabConfig, connect: Connect, refusing: Any
) -> None:
    """PL/SQL Language Reference 19c, 9.8."""
    refusing.execute(statements.enable_trigger("SYSTEM", TRIGGER))
    refusing.execute("grant ADMINISTER DATABASE TRIGGER to GIM")
    try:
        assert connect("GIM", machine="site1-gim").is_healthy()
    finally:
        refusing.execute("revoke ADMINISTER DATABASE TRIGGER from GIM")


def test_an_invalid_trigger_that_is_enabled_refuses_every_ordinary_user(connect: Connect, refusing: Any) -> None:
    refusing.execute(
        f"create or replace trigger SYSTEM.{TRIGGER} after logon on database declare x number; begin x := y; end;"
    )
    (row,) = refusing.execute(files.statement("logon_trigger"), trigger_name=TRIGGER).fetchall()
    assert row[1:3] == ("ENABLED", "INVALID")
    with pytest.raises(oracledb.DatabaseError, match=r"ORA-04098.*is invalid and failed re-validation"):
        connect("GIM")


def test_a_trigger_of_the_database_needs_a_privilege(gim: Any) -> None:
    with pytest.raises(oracledb.DatabaseError, match="ORA-01031"):
        gim.cursor().execute(
            statements.refuse_logons(
                *("GIM", TRIGGER, "GIM"), names=["A"], labels=[], addresses=[], message="infomart-dr: refused."
            )
        )
