"""Statements whose text depends on more than names, rendered from ``include/sql`` with validated parts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from infomart_dr import files
from infomart_dr.errors import PermanentError
from infomart_dr.text import identifier

#: Types that the hash can convert to text; DBA_TAB_COLUMNS writes a timestamp's precision into the type.
_HASHED = re.compile(
    r"^(N?VARCHAR2|N?CHAR|NUMBER|FLOAT|BINARY_FLOAT|BINARY_DOUBLE|DATE|RAW"
    r"|TIMESTAMP(\(\d\))?( WITH( LOCAL)? TIME ZONE)?)$"
)
#: Types that are compared by their length and their beginning.
_LARGE = ("CLOB", "NCLOB", "BLOB")
#: Columns of a part of the row: a text of hashes must not pass VARCHAR2's 4000 bytes (ORA-01489).
_PART = 300
#: Characters of a piece: four bytes each stay below VARCHAR2's limit in any character set.
_PIECE = 1000
#: Kinds of objects that an import leaves as they are when they exist.
DROPPED = (
    "VIEW",
    "MATERIALIZED VIEW",
    "SYNONYM",
    "PROCEDURE",
    "FUNCTION",
    "PACKAGE",
    "TYPE",
    "TRIGGER",
)


def quoted(name: str) -> str:
    """A name of the dictionary as a quoted identifier, whatever its letters.

    :raises PermanentError: it cannot be a name.
    """
    if not name or re.search('["\0\ud800-\udfff]', name) or len(name.encode()) > 128:
        raise PermanentError(f"{name[:60]!r} is not a name of an Oracle object.", "Check the data dictionary.")
    return f'"{name}"'


class Column(NamedTuple):
    """A column as the statement ``columns`` gives it."""

    name: str
    data_type: str
    length: int = 0


@dataclass(frozen=True)
class RowHash:
    """A statement, and the columns that it cannot compare or compares in part."""

    sql: str
    skipped: list[str] = field(default_factory=list)
    in_part: list[str] = field(default_factory=list)


def _checked(statement: str, **names: str) -> None:
    for key, value in names.items():
        identifier(f"{key} of the statement {statement}", value)


def row_hash(schema: str, table: str, columns: Iterable[tuple[str, str] | Column], *, convert: bool = False) -> RowHash:
    """Statement for a table's number of rows and sum of row hashes; both are equal at two sites with equal rows.

    Of a table without a column that can be hashed only the rows are counted.

    :param columns: as the statement ``columns`` gives them.
    :param convert: the sites have different character sets: texts are hashed in AL32UTF8.
    :returns: the statement (columns ``row_count`` and ``row_hash``), and the columns that it omits, such as LONG, or
        compares by length and beginning.
    """
    hashed, skipped, in_part = [], [], []
    for each in columns:
        column = Column(*each)
        kind = column.data_type.upper()
        if _HASHED.match(kind):
            pieces = -(-column.length // _PIECE) if convert and "CHAR" in kind else 1
            hashed += [(quoted(column.name), kind, piece) for piece in range(max(pieces, 1))]
        elif kind in _LARGE:
            hashed.append((quoted(column.name), kind, 0))
            in_part.append(column.name)
        else:
            skipped.append(column.name)
    parts = [hashed[start : start + _PART] for start in range(0, len(hashed), _PART)]
    text = files.render(
        "sql/row_hash.sql",
        schema=quoted(schema),
        table=quoted(table),
        parts=parts,
        convert=convert,
        piece=_PIECE,
    )
    return RowHash(text.strip(), skipped, in_part)


def drop_object(schema: str, kind: str, name: str) -> str:
    """DROP of an object that is not a table.

    :raises PermanentError: the kind is not one of :data:`DROPPED`.
    """
    if kind not in DROPPED:
        raise PermanentError(f"Objects of type {kind[:40]!r} are not dropped.", "Drop it by hand if it must go.")
    return files.render("sql/drop_object.sql", schema=quoted(schema), kind=kind.lower(), item=quoted(name)).strip()


def rebuild_index(owner: str, index: str, part: tuple[str, str] | None = None) -> str:
    """ALTER INDEX ... REBUILD.

    :param part: ``PARTITION`` or ``SUBPARTITION`` and its name; None: the whole index.
    """
    which = f" {part[0].lower()} {quoted(part[1])}" if part else ""
    if part and part[0] not in ("PARTITION", "SUBPARTITION"):
        raise PermanentError(f"An index has no {part[0][:40]!r}.", "Check the data dictionary.")
    return files.render("sql/rebuild_index.sql", owner=quoted(owner), index=quoted(index), which=which).strip()


def sequence_restart(schema: str, sequence: str, start: int) -> str:
    """ALTER SEQUENCE ... RESTART (Oracle 18c and later).

    :param start: the next value.
    :raises PermanentError: a name is not an Oracle identifier, or the start is not a whole number.
    """
    _checked("sequence_restart", schema=schema, sequence=sequence)
    if not isinstance(start, int):
        raise PermanentError(f"A sequence cannot start with {start!r}.", "Give a whole number above the highest key.")
    return files.render("sql/sequence_restart.sql", schema=schema, sequence=sequence, start=start).strip()


def sequence_options(schema: str, sequence: str, *, cache: int, increment: int | None = None) -> str:
    """ALTER SEQUENCE with other options. Any change drops the values that are cached in memory.

    :param cache: 0: NOCACHE.
    :param increment: None: as it is.
    """
    _checked("sequence_options", schema=schema, sequence=sequence)
    words = [f"increment by {int(increment)}"] if increment is not None else []
    words.append(f"cache {int(cache)}" if cache > 0 else "nocache")
    return files.render("sql/sequence_options.sql", schema=schema, sequence=sequence, options=" ".join(words)).strip()


def grant(row: Mapping[str, str | None]) -> str:
    """The GRANT of a row of ``object_grants``, or of ``system_grants`` with its grantee."""
    grantee, privilege = row["grantee"] or "", str(row["privilege"])
    if not re.fullmatch(r"[A-Z]+( [A-Z]+)*", privilege):
        raise PermanentError(f"{privilege[:60]!r} is not a privilege of Oracle.", "Check the data dictionary.")
    to = grantee if grantee == "PUBLIC" else quoted(grantee)
    if row.get("table_name") is None:
        option = " with admin option" if row.get("admin_option") == "YES" else ""
        return f"grant {privilege.lower()} to {to}{option}"
    directory = row.get("directory_name")
    of = (
        f"directory {quoted(directory)}"
        if directory
        else f"{quoted(row['owner'] or '')}.{quoted(row['table_name'] or '')}"
    )
    option = " with grant option" if row.get("grantable") == "YES" else ""
    return f"grant {privilege.lower()} on {of} to {to}{option}"


# -- admission to a serving Info Mart ------------------------------------------------------------------

#: What a machine's name or address may look like in the body of a trigger; a client gives its name itself.
_MACHINE = re.compile(r"[A-Z0-9][A-Z0-9_.:-]{0,127}")


def refuse_logons(
    owner: str,
    trigger: str,
    schema: str,
    *,
    names: Iterable[str],
    labels: Iterable[str],
    addresses: Iterable[str],
    message: str,
) -> str:
    """CREATE TRIGGER that refuses logons of a user from some machines. It is made disabled.

    :param schema: the user.
    :param names: whole names of machines, in capitals.
    :param labels: first parts of names, before the first dot, in capitals.
    :param addresses: addresses of machines.
    :param message: for the client; letters, digits and simple signs.
    :raises PermanentError: a name is none, or there is no machine.
    """
    _checked("refuse_logons", owner=owner, trigger=trigger, schema=schema)
    conditions = []
    for compared, values in (
        ("machine", names),
        ("regexp_substr(machine, '^[^.]+')", labels),
        ("address", addresses),
    ):
        if listed := sorted(set(values)):
            for value in listed:
                if not _MACHINE.fullmatch(value.upper()):
                    raise PermanentError(f"{value[:60]!r} is not a name of a machine.", "Correct the topology.")
            conditions.append(f"{compared} in ({', '.join(repr(value) for value in listed)})")
    if not conditions:
        raise PermanentError("No machine is named whose logons are refused.", "Give info_mart_server.machines.")
    if not re.fullmatch(r"[A-Za-z0-9 _.:,-]{1,400}", message):
        raise PermanentError(f"The message {message[:60]!r} has signs that a trigger must not have.", "Shorten it.")
    return files.render(
        "sql/refuse_logons.sql", owner=owner, trigger=trigger, schema=schema, conditions=conditions, message=message
    ).strip()


def enable_trigger(owner: str, trigger: str) -> str:
    """ALTER TRIGGER ... ENABLE."""
    _checked("enable_trigger", owner=owner, trigger=trigger)
    return files.render("sql/enable_trigger.sql", owner=owner, trigger=trigger).strip()


def drop_trigger(owner: str, trigger: str) -> str:
    """DROP TRIGGER of a trigger on the database."""
    _checked("drop_trigger", owner=owner, trigger=trigger)
    return files.render("sql/drop_trigger.sql", owner=owner, trigger=trigger).strip()
