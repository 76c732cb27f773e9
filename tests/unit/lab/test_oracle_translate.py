"""Oracle's statements into PostgreSQL's: many shapes, and loud refusals."""

from __future__ import annotations

import pytest

from infomart_lab.oracle.errors import OracleError, from_postgres
from infomart_lab.oracle.translate import translate


def squeezed(text: str) -> str:
    return "".join(text.split()).lower()


@pytest.mark.parametrize(
    ("oracle", "postgres"),
    [
        ("SELECT a FROM t;", "SELECT a FROM t"),
        ('select "A", "b" from "GIM"."T"', 'select "a", "b" from "gim"."t"'),
        ("select a x, b as y from t", "select a as x, b as y from t"),
        ("select serial# as s from v$session", 'select "serial#" as s from v$session'),
        ("select nvl(a, 0) z from t", "select coalesce(a, 0) as z from t"),
        ("select '' z from dual", "select null as z from dual"),
        ("select q'[it's]' z from dual", "select 'it''s' as z from dual"),
        ("select 1 /* c */ z -- d\nfrom dual", "select 1 as z from dual"),
        ("select a/b z from t", "select a * 1.0 / b as z from t"),
        ("select a from t minus select b from u", "select a from t except select b from u"),
        ("select a from t where rownum <= 5", "select a from t where true limit (5)"),
        ("select a from t where b = 1 and rownum < 5", "select a from t where b = 1 and true limit (5) - 1"),
        (
            "select a from (select b a from t where rownum = 1) where a > 2",
            "select a from (select b a from t where true limit (1)) where a > 2",
        ),
        ("select s.nextval n from dual", "select nextval('s') as n from dual"),
        ("select gim.s.nextval n from dual", "select nextval('gim.s') as n from dual"),
        ("select a from t for update of a nowait", "select a from t for update nowait"),
        ("select cast(a as varchar2(10 char)) z from t", "select cast(a as varchar(10)) as z from t"),
        (
            "select cast(a as number) z, cast(b as date) y from t",
            "select cast(a as numeric) as z, cast(b as timestamp(0)) as y from t",
        ),
        (
            "select listagg(a, ',') within group (order by b) z from t",
            "select string_agg((a)::text, ',' order by b) as z from t",
        ),
        (
            "select decode(a, 1, 'x', 'y') z from t",
            "select case when (a) is not distinct from (1) then 'x' else 'y' end as z from t",
        ),
        ("delete t where a = 1", "delete from t where a = 1"),
        ("update t x set x.a = 1, x.b = x.c where x.d = 2", "update t x set a = 1, b = x.c where x.d = 2"),
        ("insert into t (a) values (sysdate)", "insert into t (a) values (sys.sysdate())"),
        ("truncate table gim.t drop storage", "truncate table gim.t"),
        (
            "create unique index gim.i on t (a asc, b) tablespace x online parallel 4",
            "create unique index i on gim.t (a asc, b)",
        ),
        (
            "create table t (a number(10) not null, b number(20), c number(8,2), d varchar2(5 byte), e date, f clob)"
            " tablespace x nologging",
            "create table t (a bigint not null, b numeric(20), c numeric(8,2), d varchar(5), e timestamp(0), f text)",
        ),
        (
            "create table t (a number, constraint t_pk primary key (a) using index tablespace x)",
            "create table t (a numeric, constraint t_pk primary key (a))",
        ),
        ("alter sequence s restart start with 7", "alter sequence s restart with 7"),
        (
            "create sequence s start with 1 nocache maxvalue 9999999999999999999999999999 noorder",
            "create sequence s start with 1 cache 1 maxvalue 9223372036854775807",
        ),
        ("drop table t cascade constraints purge", "drop table t cascade"),
        # A sequence may go although a column has it as its default.
        ("drop sequence s", "drop sequence s cascade"),
        ("grant select, insert on gim.t to ggate", "grant select, insert on gim.t to ggate"),
        ("lock table t in exclusive mode nowait", "lock table t in exclusive mode nowait"),
        ("call dbms_scheduler.disable('X', true)", "call dbms_scheduler.disable('x', true)"),
        (
            "begin sys.dbms_scheduler.disable(name => 'X', force => TRUE); end;",
            "call dbms_scheduler.disable(name => 'x', force => true)",
        ),
        ("begin execute immediate 'drop table t'; end;", "drop table t"),
    ],
)
def test_statements_are_translated(oracle: str, postgres: str) -> None:
    assert squeezed(translate(oracle).sql) == squeezed(postgres)


@pytest.mark.parametrize(
    ("sql", "heading"),
    [
        ("select count(*) from t", "COUNT(*)"),
        ("select max( a ) from t", "MAX(A)"),
        ("select a || 'x y' from t", "A||'x y'"),
        ("select distinct upper(a) from t", "UPPER(A)"),
        ("with q as (select 1 a from dual) select a + 1 from q", "A+1"),
        ("select sysdate from dual", "SYSDATE"),
        ("select :1 from dual", ":1"),
        ("select case when a = 1 then 2 end from t", "CASEWHENA=1THEN2END"),
        ("select null from dual", "NULL"),
    ],
)
def test_unnamed_columns_are_headed_by_their_text(sql: str, heading: str) -> None:
    statement = translate(sql)
    assert f'AS "{heading}"' in statement.sql
    assert heading in statement.exact_names


def test_an_alias_in_quotes_keeps_its_case() -> None:
    statement = translate('select count(*) "Rows", a "X" from t')
    assert statement.exact_names == {"Rows"}
    assert '"Rows"' in statement.sql and '"x"' in statement.sql


def test_binds_count_by_occurrence_in_sql_and_by_name_in_calls() -> None:
    query = translate("select a from t where b = :x and c = :y and d = :x and e = ':z'")
    assert query.binds == ["X", "Y", "X"] and query.order == [0, 1, 2]
    call = translate("begin p.q(:x, :y, :x); end;")
    assert call.binds == ["X", "Y"] and call.order == [0, 1, 0]
    decoded = translate("select decode(:a, 1, :b, :a) z from dual")
    assert (decoded.binds == ["A", "B", "A"] and decoded.order == [0, 0, 1, 2][:4]) or sorted(set(decoded.order)) == [
        0,
        1,
        2,
    ]


def test_values_that_returning_fills_are_no_input() -> None:
    statement = translate("update t set a = :a where b = :b returning c, d into :c, :d")
    assert statement.returning == 2 and statement.order == [0, 1]
    assert statement.sql.endswith("RETURNING c , d")


@pytest.mark.parametrize(
    "sql",
    [
        "select current_scn from v$database",
        "SELECT d.CURRENT_SCN, d.name FROM V$DATABASE d",
        "select to_char(current_scn) c from sys.v$database",
        "select dbms_flashback.get_system_change_number from dual",
    ],
)
def test_the_scn_is_left_for_the_session(sql: str) -> None:
    statement = translate(sql)
    assert (
        statement.needs_scn and "{scn}" in statement.sql and "get_system" not in statement.sql.lower().split('as "')[0]
    )


@pytest.mark.parametrize("sql", ["select name from v$database", "select current_scn from t"])
def test_other_statements_take_no_snapshot(sql: str) -> None:
    assert not translate(sql).needs_scn


@pytest.mark.parametrize(
    "sql",
    [
        "flashback table t to before drop",
        "explain plan for select 1 from dual",
        "create table t (a number) partition by range (a) (partition p values less than (1))",
        "create global temporary table t (a number)",
        "alter user gim identified by x",
        "alter table t modify (a number(5))",
        "begin p; q; end;",
        "declare x number; begin p(x); end;",
        "select a from t where rownum <= 1 order by a",
        "create public synonym x for y",
        "alter session set container = pdb1",
    ],
)
def test_what_is_not_known_is_refused_by_name(sql: str) -> None:
    with pytest.raises(OracleError, match="ORA-00900: lab: statement not known to the lab's listener") as caught:
        translate(sql)
    assert caught.value.code == 900


def test_text_that_is_no_sql_is_refused() -> None:
    for sql, number in (
        ("", 900),
        ("select 'x", 1756),
        ("select \x01 from dual", 911),
        ("select (1 from dual where rownum = 1 and decode(1", 907),
    ):
        with pytest.raises(OracleError) as caught:
            translate(sql)
        assert caught.value.code == number


@pytest.mark.parametrize(
    ("state", "message", "detail", "sql", "expected"),
    [
        (
            "23505",
            "duplicate key",
            {"schema": "gim", "constraint": "t_pk"},
            "insert",
            "ORA-00001: unique constraint (GIM.T_PK) violated",
        ),
        (
            "23502",
            "null",
            {"schema": "gim", "table": "t", "column": "a"},
            "insert into t",
            'ORA-01400: cannot insert NULL into ("GIM"."T"."A")',
        ),
        (
            "23502",
            "null",
            {"schema": "gim", "table": "t", "column": "a"},
            "update t",
            'ORA-01407: cannot update ("GIM"."T"."A") to NULL',
        ),
        ("42P01", 'relation "x" does not exist', {}, "select 1 from x", "ORA-00942: table or view does not exist"),
        ("42P01", 'sequence "x" does not exist', {}, "drop sequence x", "ORA-02289: sequence does not exist"),
        (
            "42P01",
            'relation "x" does not exist',
            {},
            "select gim.x.nextval from dual",
            "ORA-02289: sequence does not exist",
        ),
        (
            "42P01",
            'relation "y" does not exist',
            {},
            "select x.nextval from y",
            "ORA-00942: table or view does not exist",
        ),
        ("42703", "column t.a does not exist", {}, "select", 'ORA-00904: "T.A": invalid identifier'),
        ("P0001", 'ORA-27476: "A"."B" does not exist', {}, "call x", 'ORA-27476: "A"."B" does not exist'),
        ("42501", "permission denied for view dba_tables", {}, "select 1", "ORA-00942: table or view does not exist"),
        ("42501", "must be owner of table t", {}, "drop table t", "ORA-01031: insufficient privileges"),
        (
            "55P03",
            "could not obtain lock",
            {},
            "select",
            "ORA-00054: resource busy and acquire with NOWAIT specified or timeout expired",
        ),
        ("57P01", "terminating connection", {}, "select", "ORA-03113: end-of-file on communication channel"),
        ("XX999", "odd", {}, "select", "ORA-20999: lab: PostgreSQL XX999: odd"),
    ],
)
def test_postgresqls_errors_become_oracles(
    state: str, message: str, detail: dict[str, str], sql: str, expected: str
) -> None:
    assert str(from_postgres(state, message, detail, sql)) == expected
