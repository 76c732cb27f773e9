"""Oracle's error numbers and texts for PostgreSQL's errors."""

from __future__ import annotations

import re
from collections.abc import Mapping

#: SQLSTATE -> Oracle error number and text.
_BY_STATE = {
    "22001": (12899, "value too large for column"),
    "22003": (1438, "value larger than specified precision allowed for this column"),
    "22007": (1843, "not a valid month"),
    "22008": (1843, "not a valid month"),
    "22012": (1476, "divisor is equal to zero"),
    "22P02": (1722, "invalid number"),
    "25006": (1456, "may not perform insert/delete/update operation inside a READ ONLY transaction"),
    "3F000": (942, "table or view does not exist"),
    "40001": (8177, "can't serialize access for this transaction"),
    "40P01": (60, "deadlock detected while waiting for resource"),
    "42701": (957, "duplicate column name"),
    "42702": (918, "column ambiguously defined"),
    "42704": (1418, "specified index does not exist"),
    "42710": (955, "name is already used by an existing object"),
    "42723": (955, "name is already used by an existing object"),
    "42803": (979, "not a GROUP BY expression"),
    "42804": (932, "inconsistent datatypes"),
    "42846": (932, "inconsistent datatypes"),
    "42P07": (955, "name is already used by an existing object"),
    "42601": (900, "invalid SQL statement"),
    "53100": (1653, "unable to extend table: no space left"),
    "53300": (18, "maximum number of sessions exceeded"),
    "55006": (2449, "unique/primary keys in table referenced by foreign keys"),
    "55P03": (54, "resource busy and acquire with NOWAIT specified or timeout expired"),
    "57014": (1013, "user requested cancel of current operation"),
    "57P03": (1034, "ORACLE not available"),
    "2BP01": (2449, "unique/primary keys in table referenced by foreign keys"),
    "23514": (2290, "check constraint violated"),
    "72000": (1555, "snapshot too old"),
    "42883": (904, "invalid identifier"),
    "42P10": (1785, "ORDER BY item must be the number of a SELECT-list expression"),
    "21000": (1427, "single-row subquery returns more than one row"),
    "0A000": (3001, "unimplemented feature"),
}

_OWN = re.compile(r"ORA-(\d{5}): ?(.*)", re.DOTALL)


class OracleError(Exception):
    """An error as Oracle would report it.

    :param code: Oracle's error number.
    :param text: message without the number.
    """

    #: PostgreSQL's SQLSTATE, where the error is PostgreSQL's.
    state = ""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(f"ORA-{code:05d}: {text}")


class NotKnown(OracleError):
    """A statement outside the listener's allow-list."""

    def __init__(self, sql: str, why: str = "") -> None:
        head = " ".join(sql.split())[:160]
        super().__init__(900, f"lab: statement not known to the lab's listener: {head}" + (f" ({why})" if why else ""))


def from_postgres(state: str, message: str, detail: Mapping[str, str], sql: str = "") -> OracleError:
    """Oracle's error for one of PostgreSQL's.

    :param state: SQLSTATE.
    :param message: PostgreSQL's primary message.
    :param detail: ``schema``, ``table``, ``column`` and ``constraint`` where PostgreSQL gave them.
    :param sql: the client's statement, for the direction of a failed key and for syntax errors.
    """
    if own := _OWN.match(message):  # raised by the dictionary's own functions
        return OracleError(int(own[1]), own[2])
    verb = sql.split(None, 1)[0].upper() if sql.split() else ""
    schema, table = detail.get("schema", "").upper(), detail.get("table", "").upper()
    if state == "23505":
        return OracleError(1, f"unique constraint ({schema}.{detail.get('constraint', '').upper()}) violated")
    if state == "23502":
        code, what = (1407, "update") if verb == "UPDATE" else (1400, "insert")
        place = f'("{schema}"."{table}"."{detail.get("column", "").upper()}")'
        return OracleError(
            code, f"cannot insert NULL into {place}" if what == "insert" else f"cannot update {place} to NULL"
        )
    if state == "23503":
        name = f"{schema}.{detail.get('constraint', '').upper()}"
        if message.startswith("insert or update"):
            return OracleError(2291, f"integrity constraint ({name}) violated - parent key not found")
        return OracleError(2292, f"integrity constraint ({name}) violated - child record found")
    if state == "42P01":
        if "sequence" in message or "SEQUENCE" in sql.upper().split()[:2]:
            return OracleError(2289, "sequence does not exist")
        if "nextval" in sql.lower() or "currval" in sql.lower():
            missing = re.search(r'relation "([^"]+)"', message)
            name = missing[1].rpartition(".")[2] if missing else ""
            if re.search(rf"\b{re.escape(name)}\s*\.\s*(?:nextval|currval)", sql, re.IGNORECASE):
                return OracleError(2289, "sequence does not exist")
        return OracleError(942, "table or view does not exist")
    if state == "42809" and "sequence" in message:
        return OracleError(2289, "sequence does not exist")
    if state == "42703":
        column = re.search(r'column "?([^" ]+)"?', message)
        return OracleError(904, f'"{column[1].upper() if column else "?"}": invalid identifier')
    if state == "42883":
        routine = re.search(r"(?:function|procedure|operator) ([^(]+)", message)
        what = routine[1].strip().upper() if routine else "?"
        if verb in ("CALL", "BEGIN"):
            return OracleError(6576, f"not a valid function or procedure name: {what}")
        return OracleError(904, f'"{what}": invalid identifier')
    if state == "3F000" and verb in ("CALL", "BEGIN"):
        return OracleError(6576, f"not a valid function or procedure name ({message})")
    if state == "42501":
        if message.startswith("permission denied for schema"):
            return OracleError(942, "table or view does not exist")
        if re.match(r"permission denied for (?:table|view|materialized|sequence|schema)", message) and verb in (
            "SELECT",
            "WITH",
        ):
            return OracleError(942, "table or view does not exist")
        return OracleError(1031, "insufficient privileges")
    if state == "42704" and "INDEX" not in sql.upper():
        return OracleError(4043, f"object does not exist: {message}")
    if state == "42601":
        return NotKnown(sql, message)
    if state[:2] in ("08", "57") and state != "57014":
        return OracleError(3113, "end-of-file on communication channel")
    if state in _BY_STATE:
        code, text = _BY_STATE[state]
        return OracleError(code, text if state in ("57014", "55P03") else f"{text} ({message})")
    return OracleError(20999, f"lab: PostgreSQL {state}: {message}")
