"""Every statement of include/sql: header, Oracle grammar, binds, no name from the topology."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlglot
from sqlglot import exp

import infomart_dr
from infomart_dr import files, statements
from infomart_dr.errors import PermanentError

FOLDER = files.include_folder() / "sql"
PATHS = sorted(FOLDER.glob("*.sql"))
#: Rendered by infomart_dr.statements, not by files.statement.
GENERATED = {
    *("row_hash", "sequence_restart", "sequence_options", "drop_object", "rebuild_index"),
    *("refuse_logons", "enable_trigger", "drop_trigger"),
}
PLAIN = [path for path in PATHS if path.stem not in GENERATED]
PLACEHOLDERS = {"schema", "table", "column", "sequence"}
HEADER = ("reads", "binds", "privilege", "source")
#: Schemas whose objects every database has.
PUBLIC = re.compile(
    r"^(g?v\$|dba_|all_|session_privs$|session_roles$|user_users$|user_tab_privs_recd$|nls_database_parameters$|dual$)"
)
#: Likely bind names that Oracle refuses (ORA-01745).
RESERVED = set(
    re.findall(
        r"\w+",
        """
        access add all alter and any as asc audit between by char check cluster column comment compress
        connect create current date decimal default delete desc distinct drop else exclusive exists file
        float for from grant group having identified immediate in increment index initial insert integer
        intersect into is level like lock long minus mlslabel mode modify noaudit nocompress not nowait null
        number of offline on online option or order pctfree prior public raw rename resource row rowid rownum
        rows select session set share size smallint start successful synonym sysdate table then to trigger
        uid union unique update user validate values varchar varchar2 view whenever where with
        """,
    )
)
#: Names from the topology; no file may contain them.
SITE_NAMES = re.compile(r"\b(gim|ggate|ggs|system|sys(?!\.dbms_)|gim_dump)\.", re.IGNORECASE)
#: sqlglot has no grammar for CALL and for blocks: one procedure of a package with binds and booleans.
CALL = re.compile(r"call [a-z_]+\.[a-z_]+\((:\w+(, :\w+)*)?\)")
BLOCK = re.compile(r"begin (sys\.)?dbms_[a-z_]+\.[a-z_]+\((:\w+|true|false)(, (:\w+|true|false))*\); end;")


def _names(path: Path) -> set[str]:
    return set(re.findall(r"{{\s*(\w+)[^}]*}}", path.read_text()))


def _sql(path: Path) -> str:
    return files.statement(path.stem, **{name: f"X{name.upper()}" for name in _names(path)})


def _header(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^-- (\w+): (.+)$", path.read_text(), re.MULTILINE))


def _parse(sql: str) -> exp.Expression:
    # sqlglot does not know that an index may have a schema.
    sql = re.sub(r"(?i)^(create (?:unique )?index )\w+\.", r"\1", sql)
    (tree,) = sqlglot.parse(sql, dialect="oracle")
    assert tree is not None
    return tree


def test_the_folder_holds_the_statements_that_the_procedures_name():
    assert {"current_scn", "open_transactions", "take_lock", "etl_pending", "drop_sequence"} <= {
        path.stem for path in PATHS
    }


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_a_header_says_reads_binds_privilege_and_source(path):
    header = _header(path)
    assert [key for key in HEADER if header.get(key, "").strip()] == list(HEADER)
    assert all(len(line) <= 120 for line in path.read_text().splitlines())


@pytest.mark.parametrize("path", PLAIN, ids=lambda p: p.stem)
def test_a_file_is_one_statement_of_oracles_grammar(path):
    sql = _sql(path)
    if sql.startswith("begin "):
        assert BLOCK.fullmatch(sql)
        return
    assert ";" not in sql
    if sql.startswith("call "):
        assert CALL.fullmatch(sql)
        return
    tree = _parse(sql)
    assert not isinstance(tree, exp.Command), "sqlglot did not understand it"
    assert not list(tree.find_all(exp.Star)) or list(tree.find_all(exp.Count)), "name the columns"


@pytest.mark.parametrize("path", PLAIN, ids=lambda p: p.stem)
def test_binds_are_those_of_the_header_and_oracle_takes_their_names(path):
    used = set(re.findall(r"(?<![:\w]):([a-z_0-9]+)", _sql(path)))
    stated = re.sub(r"\([^)]*\)", "", _header(path)["binds"])
    assert used == (set() if stated.startswith("none") else {name.strip() for name in stated.split(",")})
    assert not used & RESERVED


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_names_that_the_topology_decides_are_placeholders(path):
    text = path.read_text()
    if path.stem not in GENERATED:
        assert _names(path) <= PLACEHOLDERS
    body = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    assert not SITE_NAMES.search(body)


@pytest.mark.parametrize("path", PLAIN, ids=lambda p: p.stem)
def test_every_table_is_the_dictionarys_or_stands_in_a_schema_of_the_topology(path):
    sql = _sql(path)
    if sql.startswith(("call ", "begin ")):
        assert "dbms_" in sql
        return
    for table in _parse(sql).find_all(exp.Table):
        if table.db:
            assert table.db.upper() == "XSCHEMA", table.sql()
        elif not isinstance(table.parent, exp.Index | exp.Create):
            assert PUBLIC.match(table.name.lower()), table.sql()


# -- releases of the database ------------------------------------------------------------------------

#: What came after 11.2, with its release. Sources: Database Reference, SQL Language Reference.
LATER = {
    r"\bdba_goldengate_privileges\b": "11.2.0.3",
    r"\b(dba|all)_goldengate_(support_mode|not_unique)\b": "11.2.0.4",
    r"\b(dba|all|user|cdb)_tab_identity_cols\b": "12.1",
    r"\b(dba|cdb)_pdbs\b|\bcdb_\w+|\bv\$(pdbs|containers)\b": "12.1",
    r"\bcon_id\b|'CON_(ID|NAME)'": "12.1",
    r"\boracle_maintained\b|\bidentity_column\b|\bdefault_on_null\b|\blast_login\b|\bauthentication_type\b": "12.1",
    r"\bindexing\b|\bsession_id\b": "12.1",
    r"\bfetch\s+(first|next)\b|\boffset\s+\S+\s+rows?\b": "12.1",
    r"\bjson_\w+|\bstandard_hash\b|\bapprox_\w+|\b(cross|outer)\s+apply\b|\blateral\b|\bmatch_recognize\b": "12.1",
    r"\bas\s+identity\b|\binvisible\b|\bwith\s+(function|procedure)\b|\beditionable\b|\bdefault\s+on\s+null\b": "12.1",
    r"\bdba_pdbs\b(?s:.*)\bforce_logging\b|\bforce_logging\b(?s:.*)\bdba_pdbs\b": "12.2",
    r"\bi\.sequence_name\b": "12.2",
    r"\bon\s+overflow\b|\bon\s+conversion\s+error\b|\bvalidate_conversion\b|\bcollate\b": "12.2",
    r"\brestart\s+start\s+with\b|\balter\s+sequence\b[^;]*\brestart\b": "18",
    r"\blistagg\s*\(\s*distinct\b|\bany_value\b|\bbitmap_\w+_agg\b": "19",
    r"\bexcept\b|\bintersect\s+all\b|\bblockchain\b": "21",
    r"\bif\s+(not\s+)?exists\b|\bvalues\s*\([^)]*\)\s*,\s*\(|\bboolean\b|\breturning\s+(old|new)\b": "23",
}
#: Statements that an older database cannot run, with the release and the code that decides about them.
FROM = {
    "container_logging": ("12.2", "guards/prerequisites.py"),
    # Asked of a CDB only.
    "container_name": ("12.1", "guards/prerequisites.py"),
    "goldengate_not_unique": ("11.2.0.4", "guards/fitness.py"),
    "goldengate_privileges": ("11.2.0.3", "guards/privileges.py"),
    "goldengate_support": ("11.2.0.4", "guards/fitness.py"),
    "identity_columns": ("12.2", "guards/dictionary.py"),
    "identity_columns_12_1": ("12.1", "guards/dictionary.py"),
    "sequence_restart": ("18", "operators/failover.py"),
}


def _body(path: Path) -> str:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("--")]
    return "\n".join(lines).lower()


def _needed(text: str) -> str:
    """The release that a statement needs."""
    found = [release for pattern, release in LATER.items() if re.search(pattern.lower(), text)]
    return max(found, key=lambda release: [int(part) for part in release.split(".")], default="11.2")


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_a_statement_runs_on_11_2_or_its_release_is_listed(path):
    release, _ = FROM.get(path.stem, ("11.2", ""))
    assert _needed(_body(path)) == release


@pytest.mark.parametrize("path", PATHS, ids=lambda p: p.stem)
def test_a_name_that_a_statement_makes_fits_into_30_bytes(path):
    # Up to 12.1 no identifier is longer, also no alias.
    names = re.findall(r"[a-z_$#][a-z0-9_$#]*", re.sub(r"{[{%#].*?[#%}]}|'[^']*'", "", _body(path), flags=re.DOTALL))
    assert [name for name in names if len(name) > 30] == []


@pytest.mark.parametrize(("name", "where"), [(name, where) for name, (_, where) in FROM.items()])
def test_a_statement_of_a_later_release_is_asked_in_one_place_that_knows_the_release(name, where):
    package = Path(infomart_dr.__file__).parent
    asking = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(rf"[\"(]{name}[\"(]", path.read_text()) and path.name not in ("statements.py", "manifest.py")
    ]
    assert asking == [where]
    assert re.search(r"version\(|_database_release\(|container_database", (package / where).read_text())


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("select a from t order by a fetch first 5 rows only", "12.1"),
        ("select listagg(a, ',' on overflow truncate) within group (order by a) from t", "12.2"),
        ("select listagg(a, ',') within group (order by a) from t", "11.2"),
        ("select username from dba_users where oracle_maintained = 'N'", "12.1"),
        ("select con_id from v$session", "12.1"),
        ("create table if not exists t (a number)", "23"),
    ],
)
def test_constructs_of_later_releases_are_known(text, release):
    assert _needed(text) == release


#: Functions that take a statement's name; files.render its path.
_CALLS = {"select", "value", "execute", "statement", "stream", "ensure_table", "render"}


def _texts(node: ast.AST) -> Iterator[str]:
    """Patterns of the texts in an expression; a part that is only known at run time matches any word."""
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield re.escape(each.value)
        elif isinstance(each, ast.JoinedStr) and any(isinstance(part, ast.Constant) for part in each.values):
            yield "".join(re.escape(part.value) if isinstance(part, ast.Constant) else r"\w+" for part in each.values)


def _run_by_the_package() -> str:
    """A pattern of the names that those functions get, directly or in a loop."""
    found = set()
    # files.py makes a path of any name.
    for path in set(Path(infomart_dr.__file__).parent.rglob("*.py")) - {Path(files.__file__)}:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in _CALLS:
                found.update(text for argument in node.args for text in _texts(argument))
            elif isinstance(node, ast.For | ast.comprehension):
                found.update(_texts(node.iter))
    return "|".join(sorted(found))


def test_every_statement_is_run_by_the_package_so_that_the_list_of_rights_has_none_too_many():
    run = re.compile(_run_by_the_package())
    unused = [path.stem for path in PATHS if not (run.fullmatch(path.stem) or run.fullmatch(f"sql/{path.name}"))]
    assert unused == []


def test_a_name_that_is_no_identifier_is_refused():
    with pytest.raises(PermanentError, match="not an Oracle identifier"):
        files.statement("drop_sequence", schema="GIM", sequence="X purge")


# -- generated statements --------------------------------------------------------------------------

COLUMNS = [
    ("A", "NUMBER"),
    ("B", "DATE"),
    ("C", "TIMESTAMP(9)"),
    ("D", "VARCHAR2"),
    ("E", "CLOB"),
    ("F", "RAW"),
    ("G", "TIMESTAMP(3) WITH TIME ZONE"),
    ("H", "LONG"),
    ("I", "TIMESTAMP(6) WITH LOCAL TIME ZONE"),
    ("J", "BLOB"),
    ("K", "INTERVAL DAY(2) TO SECOND(6)"),
    ("lower", "NUMBER"),
    ("DATE", "FLOAT"),
]


def test_the_row_hash_says_what_it_omits_and_what_it_reads_in_part():
    hashed = statements.row_hash("GIM", "CALLS", COLUMNS)
    assert (hashed.skipped, hashed.in_part) == (["H", "K"], ["E", "J"])
    tree = _parse(hashed.sql)
    assert {column.name for column in tree.find_all(exp.Column)} - {"dbms_lob"} == {*"ABCDEFGIJ", "lower", "DATE"}
    assert [e.alias for e in tree.expressions] == ["row_count", "row_hash"]
    assert [t.sql() for t in tree.find_all(exp.Table)] == ['"GIM"."CALLS"']
    assert 'dbms_lob.getlength("E")' in hashed.sql and 'dbms_lob.getlength("J")' in hashed.sql


def test_the_row_hash_depends_on_no_setting_of_the_session_and_survives_nulls():
    sql = statements.row_hash("GIM", "CALLS", COLUMNS).sql
    assert "to_char(\"B\", 'YYYY-MM-DD HH24:MI:SS')" in sql
    # All nine digits of a fraction; a point as the decimal character in any territory.
    assert "to_char(\"C\", 'YYYY-MM-DD HH24:MI:SS.FF9')" in sql
    assert "to_char(\"A\", 'TM9', 'NLS_NUMERIC_CHARACTERS=''.,''')" in sql
    assert "\"G\" at time zone 'UTC'" in sql
    # One NVL per column and one for the sum of an empty table.
    assert sql.count("nvl(") == 11 + 1
    assert sql.count("'|'") == 11 - 1, "columns are kept apart"


def test_the_row_hash_of_one_column_has_no_separator():
    sql = statements.row_hash("GIM", "CALLS", [("A", "NUMBER")]).sql
    assert "||" not in sql
    _parse(sql)


def test_a_table_without_a_column_that_can_be_hashed_is_counted():
    hashed = statements.row_hash("GIM", "T", [("A", "LONG"), ("B", "XMLTYPE")])
    assert hashed.skipped == ["A", "B"]
    assert [e.alias for e in _parse(hashed.sql).expressions] == ["row_count", "row_hash"]
    assert "ora_hash" not in hashed.sql


def test_a_row_of_a_thousand_columns_never_joins_more_than_varchar2_holds():
    sql = statements.row_hash("GIM", "T", [(f"C{number}", "NUMBER") for number in range(1000)]).sql
    parts = sql.split("cast(ora_hash(")[1:]
    assert len(parts) == 4
    # A hash has at most 10 digits, with a separator 11 bytes.
    assert max(part.count("varchar2(10)") for part in parts) * 11 < 4000
    _parse(sql)


def test_texts_of_two_character_sets_are_hashed_in_one_and_in_pieces_that_fit():
    columns = [statements.Column("A", "VARCHAR2", 2500), statements.Column("B", "NUMBER", 22)]
    sql = statements.row_hash("GIM", "T", columns, convert=True).sql
    for begin in (1, 1001, 2001):
        assert f"convert(substr(\"A\", {begin}, 1000), 'AL32UTF8')" in sql
    assert sql.count("convert(") == 3
    assert "convert(" not in statements.row_hash("GIM", "T", columns).sql


@pytest.mark.parametrize(
    ("schema", "table", "column"),
    [("GIM", "T", 'A" drop'), ("GIM", "", "A"), ("G\0M", "T", "A"), ("GIM", "T", "A" * 129)],
)
def test_the_row_hash_refuses_what_cannot_be_a_name(schema, table, column):
    with pytest.raises(PermanentError):
        statements.row_hash(schema, table, [(column, "NUMBER")])


def test_a_sequence_restarts_at_a_whole_number_only():
    assert statements.sequence_restart("GIM", "S", 17) == "alter sequence GIM.S restart start with 17"
    for wrong in ("5", 1.5):
        with pytest.raises(PermanentError):
            statements.sequence_restart("GIM", "S", wrong)  # type: ignore[arg-type]
    with pytest.raises(PermanentError):
        statements.sequence_restart("GIM", "S cycle", 1)


def test_a_sequence_gets_other_options_and_keeps_its_grants():
    assert statements.sequence_options("GIM", "S", cache=0) == "alter sequence GIM.S nocache"
    assert statements.sequence_options("GIM", "S", cache=20) == "alter sequence GIM.S cache 20"
    larger = statements.sequence_options("GIM", "S", cache=0, increment=-5)
    assert larger == "alter sequence GIM.S increment by -5 nocache"


def test_only_what_is_not_a_table_is_dropped_with_its_very_name():
    assert statements.drop_object("GIM", "VIEW", "agent_V") == 'drop view "GIM"."agent_V"'
    assert statements.drop_object("GIM", "MATERIALIZED VIEW", "M") == 'drop materialized view "GIM"."M"'
    for kind in ("TABLE", "SEQUENCE", "USER", "view"):
        with pytest.raises(PermanentError):
            statements.drop_object("GIM", kind, "X")


def test_an_index_or_a_partition_of_it_is_rebuilt():
    assert statements.rebuild_index("GIM", "I1") == 'alter index "GIM"."I1" rebuild'
    assert statements.rebuild_index("GIM", "I1", ("PARTITION", "P1")) == 'alter index "GIM"."I1" rebuild partition "P1"'
    with pytest.raises(PermanentError):
        statements.rebuild_index("GIM", "I1", ("TABLE", "P1"))


def test_a_trigger_that_refuses_logons_is_made_disabled_and_compares_only_what_is_given() -> None:
    message = "infomart-dr: refused."
    given = {"names": ["B", "A.NET"], "labels": [], "addresses": ["10.0.0.1", "fe80::1"], "message": message}
    sql = statements.refuse_logons("DBA1", "T", "GIM", **given)  # type: ignore[arg-type]
    assert sql.startswith("create or replace trigger DBA1.T after logon on database disable\ndeclare\n")
    assert sql.endswith("\nend;") and "regexp_substr" not in sql
    assert "if machine in ('A.NET', 'B')\n        or address in ('10.0.0.1', 'fe80::1') then" in sql
    assert statements.enable_trigger("DBA1", "T") == "alter trigger DBA1.T enable"
    assert statements.drop_trigger("DBA1", "T") == "drop trigger DBA1.T"
    for wrong in ({"names": ["a'b"]}, {"names": [], "addresses": []}, {"message": "it's"}):
        with pytest.raises(PermanentError):
            statements.refuse_logons("DBA1", "T", "GIM", **{**given, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "statement"),
    [
        (
            {"grantee": "GIM", "owner": "SYS", "table_name": "DBMS_LOCK", "privilege": "EXECUTE", "grantable": "NO"},
            'grant execute on "SYS"."DBMS_LOCK" to "GIM"',
        ),
        (
            {"grantee": "PUBLIC", "owner": "GIM", "table_name": "V", "privilege": "SELECT", "grantable": "YES"},
            'grant select on "GIM"."V" to PUBLIC with grant option',
        ),
        (
            {"grantee": "GIM", "owner": "SYS", "table_name": "D", "privilege": "READ", "directory_name": "D"},
            'grant read on directory "D" to "GIM"',
        ),
        (
            {"grantee": "GIM", "privilege": "CREATE VIEW", "admin_option": "YES"},
            'grant create view to "GIM" with admin option',
        ),
    ],
)
def test_a_privilege_is_reported_as_the_statement_that_gives_it(row, statement):
    assert statements.grant(row) == statement
