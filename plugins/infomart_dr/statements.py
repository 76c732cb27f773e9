"""Statements whose text depends on more than names, rendered from ``include/sql`` with validated parts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from infomart_dr import files
from infomart_dr.errors import PermanentError
from infomart_dr.text import identifier

#: Types that the hash can convert to text; DBA_TAB_COLUMNS writes a timestamp's precision into the type.
_HASHED = re.compile(
    r"^(N?VARCHAR2|N?CHAR|NUMBER|FLOAT|BINARY_FLOAT|BINARY_DOUBLE|DATE|RAW"
    r"|TIMESTAMP(\(\d\))?( WITH( LOCAL)? TIME ZONE)?)$"
)


class RowHash(NamedTuple):
    """A statement and the columns that it cannot compare."""

    sql: str
    skipped: list[str]


def _checked(statement: str, **names: str) -> None:
    for key, value in names.items():
        identifier(f"{key} of the statement {statement}", value)


def row_hash(schema: str, table: str, columns: Iterable[tuple[str, str]]) -> RowHash:
    """Statement for a table's number of rows and sum of row hashes; both are equal at two sites with equal rows.

    :param columns: name and DATA_TYPE, as the statement ``columns`` gives them.
    :returns: the statement (columns ``row_count`` and ``row_hash``), and the LOB, LONG and object columns
        that it omits.
    :raises PermanentError: a name is not an Oracle identifier, or no column is left.
    """
    hashed, skipped = [], []
    for column, data_type in columns:
        _checked("row_hash", column=column)
        if _HASHED.match(data_type.upper()):
            hashed.append((column, data_type.upper()))
        else:
            skipped.append(column)
    _checked("row_hash", schema=schema, table=table)
    if not hashed:
        raise PermanentError(
            f"{schema}.{table} has no column that can be hashed.", "Compare the numbers of rows instead."
        )
    text = files.render("sql/row_hash.sql", schema=schema, table=table, columns=hashed)
    return RowHash(text.strip(), skipped)


def sequence_restart(schema: str, sequence: str, start: int) -> str:
    """ALTER SEQUENCE ... RESTART (Oracle 18c and later).

    :param start: the next value, one or more.
    :raises PermanentError: a name is not an Oracle identifier, or the start is below one.
    """
    _checked("sequence_restart", schema=schema, sequence=sequence)
    if not isinstance(start, int) or start < 1:
        raise PermanentError(f"A sequence cannot start with {start!r}.", "Give a whole number above the highest key.")
    return files.render("sql/sequence_restart.sql", schema=schema, sequence=sequence, start=start).strip()
