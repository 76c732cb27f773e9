"""Statements of one session: cursors, transactions, rows and replies."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from psycopg.pq import abc

from infomart_lab.config import LabConfig
from infomart_lab.oracle import replies, types
from infomart_lab.oracle.backend import Backend
from infomart_lab.oracle.errors import OracleError
from infomart_lab.oracle.lobs import Lobs
from infomart_lab.oracle.messages import (
    EXEC_BATCH_ERRORS,
    EXEC_COMMIT,
    EXEC_DEFINE,
    EXEC_DESCRIBE,
    EXEC_EXECUTE,
    EXEC_FETCH,
    EXEC_FLAG_ROWCOUNTS,
    EXEC_PARSE,
    FETCH,
    MSG_ROW,
    REEXECUTE,
    REEXECUTE_COMMIT,
    Bind,
    read_bind_row,
    read_bind_types,
    read_execute,
    read_fields,
    read_lob,
)
from infomart_lab.oracle.tokens import Statement
from infomart_lab.oracle.translate import translate
from infomart_lab.oracle.wire import ProtocolError, Reader, Writer

#: Errors of PostgreSQL that other types of the binds may avoid.
_TYPE_ERRORS = {"42883", "42804", "42P18", "42725", "42P08", "22P02", "22007"}
_MAX_CURSOR = 65000
_PLSQL = re.compile(r"\s*(?:/\*.*?\*/\s*|--[^\n]*\n\s*)*(begin|declare|call)\b", re.IGNORECASE | re.DOTALL)

Row = list[bytes | None]


class Part(Protocol):
    """The services of the Oracle part that a session needs."""

    config: LabConfig
    site: str

    def take_scn(self, database: str) -> int: ...

    def is_clob_table(self, database: str, oid: int) -> bool: ...


@dataclass
class Cursor:
    """A cursor that the client knows by number."""

    number: int
    sql: str
    statement: Statement
    binds: list[Bind] = field(default_factory=list)
    columns: list[types.Column] = field(default_factory=list)
    described: list[types.Column] = field(default_factory=list)
    defines: list[int] = field(default_factory=list)
    result: abc.PGresult | None = None
    at: int = 0

    @property
    def inputs(self) -> list[Bind]:
        """Binds with values; those of RETURNING come after them and have none."""
        return self.binds[: len(self.binds) - self.statement.returning]

    @property
    def is_query(self) -> bool:
        return self.statement.kind in ("query", "dml_query")


@dataclass(frozen=True)
class _Wish:
    """The client's options of one call."""

    describe: bool = False
    execute: bool = True
    #: Rows to send at once.
    fetch: int = 0
    commit: bool = False
    batch_errors: bool = False
    row_counts: bool = False


class Executor:
    """Runs the statements of a session that has logged on.

    :param part: the Oracle part of the site.
    :param database: ``gim`` or ``idb``.
    :param backend: the session in PostgreSQL.
    :param user: owner of the first schema in the path.
    :param reader: the client's requests.
    :param room: bytes of one packet.
    """

    def __init__(self, part: Part, database: str, backend: Backend, user: str, reader: Reader, room: int) -> None:
        self.part = part
        self.database = database
        self.backend = backend
        self.reader = reader
        self.lobs = Lobs()
        self._room = room
        self._schema = user
        self._path_in_transaction = False
        self._cursors: dict[int, Cursor] = {}
        self._next_cursor = 1
        #: Error of a piggyback, which has no reply of its own.
        self._late: OracleError | None = None
        backend.execute(f"SET search_path = {self._path()}")
        backend.execute("SET timezone = 'UTC'")
        backend.execute("SET intervalstyle = 'postgres'")

    # -- schema and transactions -----------------------------------------------------------------

    def _path(self) -> str:
        # sys before pg_catalog: Oracle's functions and operators hide PostgreSQL's of the same name
        own = "" if self._schema == "SYS" else '"' + self._schema.lower().replace('"', "") + '", '
        return f"{own}sys, pg_catalog"

    def set_schema(self, name: str) -> None:
        """The piggyback; its error comes with the next call."""
        try:
            self._change_schema(name.upper())
        except OracleError as error:
            self._late = error

    def _change_schema(self, name: str) -> None:
        known = {*self.part.config.oracle_users(self.part.site, self.database), "SYS"}
        if name not in known:
            raise OracleError(1435, "user does not exist")
        if name == self._schema:
            return  # the driver repeats it with every call
        self._schema = name
        self.backend.execute(f"SET search_path = {self._path()}")
        self._path_in_transaction = self.backend.in_transaction

    def commit(self) -> None:
        self.backend.commit()
        self._path_in_transaction = False

    def rollback(self) -> None:
        self.backend.rollback()
        if self._path_in_transaction:
            self.backend.execute(f"SET search_path = {self._path()}")
            self._path_in_transaction = False

    # -- cursors ---------------------------------------------------------------------------------

    def close_cursors(self, numbers: list[int]) -> None:
        for number in numbers:
            self._cursors.pop(number, None)

    def _cursor(self, number: int) -> Cursor:
        cursor = self._cursors.get(number)
        if cursor is None:
            raise ProtocolError(f"cursor {number} is not open")
        return cursor

    def _keep(self, cursor: Cursor, *, is_new: bool) -> None:
        """Keep a cursor for the client; a new one gets its number here."""
        if is_new and cursor.number == 0:
            number = self._next_cursor
            while number in self._cursors:
                number = number % _MAX_CURSOR + 1
            self._next_cursor = number % _MAX_CURSOR + 1
            cursor.number = number
        self._cursors[cursor.number] = cursor

    # -- calls -----------------------------------------------------------------------------------

    def execute(self) -> Writer:
        """The call EXECUTE: a new statement or that of a cursor, with its binds."""
        request = read_execute(self.reader)
        failed: OracleError | None = None
        if request.sql is None:
            cursor = self._cursor(request.cursor)
            plsql = cursor.statement.kind == "call"
        else:
            plsql = _PLSQL.match(request.sql) is not None
            try:
                statement = translate(request.sql)
            except OracleError as error:
                failed = error
                # Its binds must be read anyway.
                statement = Statement("nothing", "", returning=_count_returning(request.sql))
            cursor = Cursor(request.cursor, request.sql, statement)
        executions = max(request.executions, 1)
        rows: list[Row] = []
        if request.options & EXEC_DEFINE:
            cursor.defines = [define.kind for define in read_bind_types(self.reader, request.define_count)]
        elif request.bind_count:
            cursor.binds = read_bind_types(self.reader, request.bind_count)
            if cursor.inputs:
                count = 1 if cursor.is_query or request.is_query else executions
                rows = self._bind_rows(cursor, count, plsql=plsql)
        if failed is not None:
            reply = Writer()
            self._end(reply, failed)
            return reply
        self._keep(cursor, is_new=request.sql is not None)
        wish = _Wish(
            describe=bool(request.options & (EXEC_PARSE | EXEC_DESCRIBE)),
            execute=bool(request.options & EXEC_EXECUTE),
            fetch=request.prefetch_rows if request.options & EXEC_FETCH else 0,
            commit=bool(request.options & EXEC_COMMIT),
            batch_errors=bool(request.options & EXEC_BATCH_ERRORS),
            row_counts=bool(request.flags & EXEC_FLAG_ROWCOUNTS),
        )
        return self._perform(cursor, rows or [[]] * (executions if cursor.statement.kind == "dml" else 1), wish)

    def reexecute(self, *, fetch: bool) -> Writer:
        """The calls REEXECUTE and REEXECUTE_AND_FETCH: a known cursor with other values."""
        request = read_fields(self.reader, REEXECUTE)
        cursor = self._cursor(request["cursor"])
        iterations = request["iterations"]
        count = 1 if fetch else max(iterations, 1)
        plsql = cursor.statement.kind in ("call", "nothing")
        rows = self._bind_rows(cursor, count, plsql=plsql) if cursor.inputs else [[]] * count
        commit = bool(request["more_options"] & REEXECUTE_COMMIT)
        return self._perform(cursor, rows, _Wish(fetch=iterations if fetch else 0, commit=commit))

    def fetch(self) -> Writer:
        """The call FETCH: more rows of a query."""
        request = read_fields(self.reader, FETCH)
        cursor = self._cursor(request["cursor"])
        reply = Writer()
        try:
            self._rows(cursor, request["rows"], reply)
        except OracleError as error:
            reply = Writer()
            self._end(reply, error, cursor=cursor.number)
        return reply

    def lob(self) -> Writer:
        """The call LOB: read or write the text of a locator."""
        request = read_lob(self.reader)
        reply = Writer()
        self.lobs.answer(request, reply)
        replies.status(reply, self.backend.in_transaction)
        return reply

    def _bind_rows(self, cursor: Cursor, count: int, *, plsql: bool) -> list[Row]:
        inputs = cursor.inputs
        return [read_bind_row(self.reader, inputs, plsql=plsql, lob=self.lobs.text) for _ in range(count)]

    def _end(self, reply: Writer, error: OracleError | None, *, cursor: int = 0, rows: int = 0) -> None:
        replies.end(reply, self.backend.in_transaction, self._room, error, cursor=cursor, rows=rows)

    # -- one statement ---------------------------------------------------------------------------

    def _perform(self, cursor: Cursor, rows: list[Row], wish: _Wish) -> Writer:
        """Run a cursor's statement; the reply.

        :raises Interrupted: the client interrupted it.
        """
        reply = Writer()
        counts: list[int] = []
        try:
            if self._late is not None:
                late, self._late = self._late, None
                raise late
            if not wish.execute and not (wish.describe and cursor.statement.kind == "query"):
                self._end(reply, None, cursor=cursor.number)
            elif cursor.is_query:
                self._query(cursor, rows[0] if rows else [], reply, wish)
            else:
                self._changes(cursor, rows, reply, wish, counts)
        except OracleError as error:
            reply = Writer()
            self._end(reply, error, cursor=cursor.number, rows=sum(counts))
        if wish.execute and wish.commit and cursor.is_query:
            self.commit()
        return reply

    def _query(self, cursor: Cursor, values: Row, reply: Writer, wish: _Wish) -> None:
        run = self.backend.query if cursor.statement.kind == "query" else self.backend.change
        result = self._run(cursor, values, run)
        cursor.result, cursor.at = result, 0
        cursor.columns = [self._column(cursor, result, i) for i in range(result.nfields)]
        if wish.describe or cursor.columns != cursor.described:
            if cursor.described and not wish.describe:
                cursor.defines = []
            replies.describe(reply, cursor.columns)
            cursor.described = cursor.columns
        # a client that has not said how it wants its CLOBs gets no rows yet
        undefined = not cursor.defines and any(c.kind == types.CLOB for c in cursor.columns)
        if wish.execute and wish.fetch and not undefined:
            self._rows(cursor, wish.fetch, reply)
        else:
            self._end(reply, None, cursor=cursor.number)

    def _changes(self, cursor: Cursor, rows: list[Row], reply: Writer, wish: _Wish, counts: list[int]) -> None:
        """Run a statement other than a query, once for each row of binds.

        :param counts: takes the rows that each execution has changed, also of those before an error.
        """
        if wish.batch_errors:
            raise OracleError(3001, "unimplemented feature (lab: batch errors)")
        statement = cursor.statement
        out: list[list[Row]] = []
        for values in rows:
            result = self._change(cursor, values)
            counts.append(int(result.command_tuples or 0) if result is not None and statement.kind == "dml" else 0)
            if statement.returning and result is not None:
                out.append(self._returned(cursor, result))
        if wish.commit:
            self.commit()
        if statement.kind == "call" and cursor.binds:
            replies.io_vector(reply, len(cursor.binds))
        for columns in out:
            replies.returned(reply, columns)
        if wish.row_counts:
            replies.row_counts(reply, counts)
        self._end(reply, None, cursor=cursor.number, rows=sum(counts))

    def _change(self, cursor: Cursor, values: Row) -> abc.PGresult | None:
        """One execution of a statement other than a query."""
        statement, backend = cursor.statement, self.backend
        kind = statement.kind
        if kind in ("dml", "lock"):
            return self._run(cursor, values, backend.change)
        if kind == "call":
            if statement.autonomous:
                self.commit()
                return self._run(cursor, values, lambda s, v, t, o: backend.execute(s, v, t, source=o))
            return self._run(cursor, values, backend.change)
        if kind == "ddl":
            self.commit()
            return backend.execute(statement.sql, source=cursor.sql)
        if kind == "commit":
            self.commit()
        elif kind == "rollback":
            self.rollback()
        elif kind == "savepoint":
            if not backend.in_transaction:
                backend.execute("BEGIN")
            backend.execute(statement.sql, source=cursor.sql)
        elif kind == "read_only":
            if backend.in_transaction:
                raise OracleError(1453, "SET TRANSACTION must be first statement of transaction")
            backend.execute(statement.sql)
        elif kind == "nothing" and statement.schema is not None:
            self._change_schema(statement.schema)
        return None

    def _run(
        self,
        cursor: Cursor,
        values: Row,
        run: Callable[[str, Row, list[int], str], abc.PGresult],
    ) -> abc.PGresult:
        """Run with the most likely types of the binds, then with others."""
        sql = cursor.statement.sql
        if cursor.statement.needs_scn:
            sql = sql.replace("{scn}", str(self.part.take_scn(self.database)))
        ordered, binds = _ordered(cursor, values)
        guesses = [_guess(ordered, binds, n) for n in range(3)] if ordered else [[]]
        for number, guess in enumerate(guesses):
            try:
                return run(sql, ordered, guess, cursor.sql)
            except OracleError as error:
                rest = [g for g in guesses[number + 1 :] if g != guess]
                if error.state not in _TYPE_ERRORS or not rest:
                    raise
        raise AssertionError("unreachable")

    # -- rows ------------------------------------------------------------------------------------

    def _column(self, cursor: Cursor, result: abc.PGresult, index: int) -> types.Column:
        name = (result.fname(index) or b"?").decode()
        if name not in cursor.statement.exact_names:
            name = name.upper()
        kind = result.ftype(index)
        table = result.ftable(index)
        clob = kind == 25 and bool(table) and self.part.is_clob_table(self.database, table)
        return types.column(name, kind, result.fmod(index), clob=clob)

    def _rows(self, cursor: Cursor, count: int, reply: Writer) -> None:
        result = cursor.result
        if result is None:
            raise OracleError(1002, "fetch out of sequence")
        total = result.ntuples
        end = min(total, cursor.at + count)
        encode = types.encode
        columns = list(enumerate(cursor.columns))
        try:
            for row in range(cursor.at, end):
                reply.u8(MSG_ROW)
                for index, column in columns:
                    value = result.get_value(row, index)
                    if column.kind == types.CLOB:
                        self._clob(cursor, index, value, reply)
                    elif value is None:
                        reply.data.append(0)
                    else:
                        reply.value(encode(value, column))
        except ValueError as error:
            raise OracleError(1426, f"numeric overflow ({error})") from None
        cursor.at = end
        self._end(reply, replies.NO_DATA_FOUND if end == total else None, cursor=cursor.number, rows=end)

    def _clob(self, cursor: Cursor, index: int, value: bytes | None, reply: Writer) -> None:
        if index < len(cursor.defines) and cursor.defines[index] not in (types.CLOB, types.BLOB):
            reply.value(value).ub(0, 0)  # as LONG: with null indicator and return code
        elif value is None:
            reply.ub(0)
        else:
            self.lobs.write_locator(value.decode(), reply)

    def _returned(self, cursor: Cursor, result: abc.PGresult) -> list[Row]:
        """Values for the binds of RETURNING ... INTO, in the types that the client asked for."""
        targets = cursor.binds[len(cursor.binds) - cursor.statement.returning :]
        found: list[Row] = []
        for index, bind in enumerate(targets):
            column = types.column("", result.ftype(index), result.fmod(index))
            if bind.kind in (types.VARCHAR, types.CHAR, types.LONG):
                column = types.Column("", types.VARCHAR, 32767)
            elif bind.kind in (types.DATE, types.TIMESTAMP, types.TIMESTAMP_TZ, types.NUMBER):
                column = types.Column("", bind.kind, 22)
            values = (result.get_value(row, index) for row in range(result.ntuples))
            found.append([None if v is None else types.encode(v, column) for v in values])
        return found


def _ordered(cursor: Cursor, values: Row) -> tuple[Row, list[Bind]]:
    """Values and types in the order of PostgreSQL's ``$n``."""
    order = cursor.statement.order
    if order and max(order) >= len(values):
        raise OracleError(1008, "not all variables bound")
    return [values[i] for i in order], [cursor.binds[i] for i in order]


def _guess(values: list[bytes | None], binds: list[Bind], attempt: int) -> list[int]:
    """PostgreSQL's types for binds; 0 lets PostgreSQL find out.

    An integer is a bigint first, because a comparison with numeric would not use an index on a bigint column.
    """
    if attempt == 1:
        return [0] * len(binds)
    found: list[int] = []
    for value, bind in zip(values, binds, strict=True):
        if bind.kind in (types.NUMBER, types.BINARY_INTEGER):
            small = value is None or (value.lstrip(b"-").isdigit() and len(value) < 19)
            found.append(20 if small else 1700)
        elif bind.kind in (types.DATE, types.TIMESTAMP):
            found.append(1114)
        elif bind.kind in (types.TIMESTAMP_TZ, types.TIMESTAMP_LTZ):
            found.append(1184)
        elif bind.kind in (types.RAW, types.LONG_RAW):
            found.append(17)
        else:
            found.append(25 if attempt == 2 else 0)
    return found


def _count_returning(sql: str) -> int:
    """Binds after RETURNING ... INTO of a statement that could not be translated."""
    match = re.search(r"\breturn(?:ing)?\b.*?\binto\b(.*)", sql, re.IGNORECASE | re.DOTALL)
    return len(re.findall(r":\w+", match[1])) if match else 0
