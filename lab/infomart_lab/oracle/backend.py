"""One client's session in PostgreSQL: statements, transactions as Oracle has them, cancellation."""

from __future__ import annotations

import contextlib
import select
from collections.abc import Callable, Sequence

import psycopg
from psycopg import pq
from psycopg.pq import abc

from infomart_lab.oracle import logon
from infomart_lab.oracle.errors import OracleError, from_postgres


class Interrupted(Exception):
    """The statement was cancelled: the client asked for it, or is gone."""


_ROWS = {pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK, pq.ExecStatus.EMPTY_QUERY}


class Backend:
    """A PostgreSQL connection that can be interrupted while it works.

    :param conninfo: libpq's connection string.
    :param watch: file descriptor of the client's socket, watched while PostgreSQL works.
    :param interrupt: called when that descriptor becomes readable; True cancels the statement.
    :param named_in_redo: the user named in the redo of each transaction; empty: none.
    """

    def __init__(self, conninfo: str, watch: int, interrupt: Callable[[], bool], named_in_redo: str = "") -> None:
        self._connection = pq.PGconn.connect(conninfo.encode())
        if self._connection.status != pq.ConnStatus.OK:
            message = self._connection.error_message.decode(errors="replace").strip()
            self._connection.finish()
            if refused := logon.refusal(message):
                raise OracleError(*refused)
            raise OracleError(1034, f"ORACLE not available ({message})")
        self._connection.nonblocking = 1
        self._watch = watch
        self._interrupt = interrupt
        self._savepoints = 0
        self._named_in_redo = named_in_redo

    @property
    def process(self) -> int:
        return self._connection.backend_pid

    @property
    def in_transaction(self) -> bool:
        return self._connection.transaction_status in (
            pq.TransactionStatus.INTRANS,
            pq.TransactionStatus.INERROR,
        )

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._connection.finish()

    def cancel(self) -> None:
        with contextlib.suppress(Exception):
            self._connection.get_cancel().cancel()

    def execute(
        self,
        sql: str,
        values: Sequence[bytes | None] | None = None,
        types: Sequence[int] | None = None,
        *,
        source: str = "",
    ) -> abc.PGresult:
        """Run one statement outside of Oracle's rules for transactions.

        :param values: values of ``$1`` and so on in PostgreSQL's text form.
        :param types: their type identifiers, 0 where PostgreSQL decides.
        :param source: the client's statement, for the error.
        :raises OracleError: PostgreSQL refused it.
        :raises Interrupted: it was cancelled.
        """
        connection = self._connection
        try:
            if values:
                connection.send_query_params(sql.encode(), list(values), list(types) if types else None)
            else:
                connection.send_query_params(sql.encode(), None)
            cancelled = self._wait()
            result: abc.PGresult | None = None
            while True:
                part = connection.get_result()
                if part is None:
                    break
                result = part
        except (psycopg.Error, OSError) as error:
            raise OracleError(3113, f"end-of-file on communication channel ({error})") from None
        if result is None:
            raise OracleError(3113, "end-of-file on communication channel")
        if result.status in _ROWS:
            if cancelled:
                raise Interrupted
            return result
        state = (result.error_field(pq.DiagnosticField.SQLSTATE) or b"08006").decode()
        if state == "57014" and cancelled:
            raise Interrupted
        field = pq.DiagnosticField
        names = {
            "schema": field.SCHEMA_NAME,
            "table": field.TABLE_NAME,
            "column": field.COLUMN_NAME,
            "constraint": field.CONSTRAINT_NAME,
        }
        detail = {name: (result.error_field(code) or b"").decode() for name, code in names.items()}
        message = (result.error_field(field.MESSAGE_PRIMARY) or result.error_message).decode(errors="replace")
        refusal = from_postgres(state, message, detail, source or sql)
        refusal.state = state
        raise refusal

    def _wait(self) -> bool:
        """Wait for the answer; True when the client interrupted meanwhile."""
        connection = self._connection
        cancelled = False
        while connection.flush():
            select.select([], [connection.socket], [], 1)
        while connection.is_busy():
            watched = [connection.socket] if cancelled else [connection.socket, self._watch]
            ready, _, _ = select.select(watched, [], [], 60)
            if self._watch in ready and self._interrupt():
                cancelled = True
                self.cancel()
            if connection.socket in ready:
                connection.consume_input()
        return cancelled

    # -- Oracle's rules ----------------------------------------------------------------------------

    def query(self, sql: str, values: Sequence[bytes | None], types: Sequence[int], source: str) -> abc.PGresult:
        """A query. Outside a transaction it opens none; inside one, a failure does not change the transaction."""
        if not self.in_transaction:
            return self.execute(sql, values, types, source=source)
        return self._guarded(sql, values, types, source)

    def change(self, sql: str, values: Sequence[bytes | None], types: Sequence[int], source: str) -> abc.PGresult:
        """DML or a call. It begins a transaction; a failure undoes only the statement."""
        if self.in_transaction:
            return self._guarded(sql, values, types, source)
        self.execute("BEGIN")
        try:
            if self._named_in_redo:
                name = self._named_in_redo.encode()
                self.execute("SELECT pg_catalog.pg_logical_emit_message(true, 'user', $1::text)", [name])
            return self.execute(sql, values, types, source=source)
        except BaseException:
            self.rollback()
            raise

    def _guarded(self, sql: str, values: Sequence[bytes | None], types: Sequence[int], source: str) -> abc.PGresult:
        self.execute("SAVEPOINT lab_statement")
        try:
            result = self.execute(sql, values, types, source=source)
        except BaseException:
            self.execute("ROLLBACK TO SAVEPOINT lab_statement")
            self.execute("RELEASE SAVEPOINT lab_statement")
            raise
        self.execute("RELEASE SAVEPOINT lab_statement")
        return result

    def commit(self) -> None:
        if self.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        if self.in_transaction:
            self.execute("ROLLBACK")
