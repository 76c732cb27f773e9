"""Replicat: applies a trail to the site's database, exactly once.

Run as ``python -m infomart_lab.goldengate.replicat GROUP [AFTERCSN|ATCSN n]``.
Every transaction of PostgreSQL carries the rows of whole source transactions, the tag, and the checkpoint.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import psycopg
from psycopg import sql

from infomart_lab import config as lab
from infomart_lab.goldengate import trail
from infomart_lab.goldengate import wording as words
from infomart_lab.goldengate.group import IDLE_SECONDS, Abend, GroupProcess, run_group
from infomart_lab.goldengate.home import GroupKind
from infomart_lab.goldengate.parameters import Parameters

#: Most source transactions in one transaction of the target.
GROUP_TRANSACTIONS = 200
#: Seconds without new data after which a transaction without an end is applied, not committed.
HOLD_SECONDS = 0.3
#: Seconds without new data after which an unfinished record is an error.
TORN_SECONDS = 3.0
#: A transaction or a record of one, and the position behind it.
Item = tuple[dict[str, Any], trail.Position]
#: Checkpoint table when ADD REPLICAT names none.
DEFAULT_CHECKPOINT_TABLE = "GGS_CHECKPOINT"

#: Oracle's error numbers for PostgreSQL's SQLSTATE.
_ORACLE_ERRORS = {
    "23505": 1,
    "23502": 1400,
    "23503": 2291,
    "23514": 2290,
    "42P01": 942,
    "42703": 904,
    "22001": 12899,
    "22003": 1438,
    "22P02": 1722,
    "3F000": 1435,
    "42P07": 955,
    "42710": 955,
}
_TEXTS = {
    1: "unique constraint ({name}) violated",
    904: "invalid identifier",
    942: "table or view does not exist",
    955: "name is already used by an existing object",
    1400: "cannot insert NULL into ({name})",
    1403: "no data found",
    1435: "user does not exist",
    1438: "value larger than specified precision allowed for this column",
    1722: "invalid number",
    2289: "sequence does not exist",
    2290: "check constraint ({name}) violated",
    2291: "integrity constraint ({name}) violated - parent key not found",
    12899: "value too large for column",
}
_RETRIED = ("40P01", "40001", "55P03")


@dataclass
class Operation:
    """One operation with its name at the target."""

    op: str
    source: str
    target: str
    data: dict[str, Any]

    @property
    def shape(self) -> tuple[Any, ...]:
        """Operations of one shape run as one statement with many rows."""
        if self.op in ("I", "U", "D"):
            key = self.data.get("key") or {}
            return (
                self.op,
                self.target,
                tuple(self.data.get("row") or ()),
                tuple((k, v is None) for k, v in key.items()),
            )
        return self.op, id(self)


class ApplyError(Exception):
    """An operation that the database refuses.

    :param number: Oracle's error number.
    """

    def __init__(self, operation: Operation, number: int, detail: str = "", statement: str = "") -> None:
        self.operation = operation
        self.number = number
        text = _TEXTS.get(number, detail or "error").format(name=detail)
        self.text = f"ORA-{number:05d}: {text}"
        self.statement = statement
        super().__init__(self.text)


def table_name(name: str) -> sql.Identifier:
    """Identifier in PostgreSQL of ``OWNER.OBJECT``."""
    owner, _, table = name.partition(".")
    return sql.Identifier(owner.lower(), table.lower())


def statement_for(operation: Operation) -> tuple[sql.Composed, list[str], list[str]]:
    """Statement of an I, U or D, with the columns whose values it takes.

    :returns: statement, columns of the row, columns of the key (those that are not null).
    """
    row = list(operation.data.get("row") or ())
    key = operation.data.get("key") or {}
    bound = [k for k, v in key.items() if v is not None]
    where = sql.SQL(" AND ").join(
        sql.SQL("{} IS NULL").format(sql.Identifier(k.lower()))
        if v is None
        else sql.SQL("{} = %s").format(sql.Identifier(k.lower()))
        for k, v in key.items()
    )
    table = table_name(operation.target)
    if operation.op == "I":
        statement = sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
            table,
            sql.SQL(", ").join(sql.Identifier(c.lower()) for c in row),
            sql.SQL(", ").join(sql.Placeholder() for _ in row),
        )
        return statement, row, []
    if operation.op == "U":
        assignments = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(c.lower())) for c in row)
        return sql.SQL("UPDATE {} SET {} WHERE {}").format(table, assignments, where), row, bound
    return sql.SQL("DELETE FROM {} WHERE {}").format(table, where), [], bound


def values_of(operation: Operation, row: Iterable[str], key: Iterable[str]) -> list[Any]:
    data = operation.data
    return [data["row"][c] for c in row] + [data["key"][c] for c in key]


def map_operations(record: dict[str, Any], parameters: Parameters) -> list[Operation]:
    """Operations of a trail record that the parameter file maps."""
    found: list[Operation] = []
    for op in record["ops"]:
        name = op.get("table") or f"{op['schema']}.{op['object']}"
        if op["op"] == "DDL":
            # The redo has a statement once for each object that it makes.
            seen = any(o.op == "DDL" and o.data["sql"] == op["sql"] for o in found)
            if not seen and parameters.includes_ddl(name):
                found.append(Operation("DDL", name, parameters.mapped(name) or name, op))
        elif (target := parameters.mapped(name)) is not None:
            found.append(Operation(op["op"], name, target, op))
    return found


class Replicat(GroupProcess):
    """Applies the trail."""

    #: From START REPLICAT: skip transactions with a CSN not above (AFTERCSN), or below (ATCSN), this one.
    option_aftercsn: str | None = None
    option_atcsn: str | None = None

    def __init__(self, config: lab.LabConfig, site: str, kind: GroupKind, name: str) -> None:
        super().__init__(config, site, kind, name)
        self._connection: psycopg.Connection[Any] | None = None
        self._skip = 0
        self.skipped = 0
        self._announced = False
        #: Records of the transaction that has no end yet.
        self._partial: list[Item] = []
        #: Complete transactions that wait in its group.
        self._held: list[Item] = []
        #: The group is applied and not committed.
        self._open = False
        self._quiet_since = time.monotonic()
        #: TRANSACTIONTIMEOUT has passed, and nothing has arrived since.
        self._logical_end = False
        self._abort = False

    # -- start -----------------------------------------------------------------------------------

    def prepare(self) -> None:
        if self.container == lab.ROOT:
            raise Abend("OGG-02661", f"Replicat cannot apply in {lab.ROOT}: log in to the pluggable database.")
        try:
            self._connection = psycopg.connect(
                self.config.postgres_dsn(self.site),
                connect_timeout=5,
                # As v$session shows the program: program, module, system user, machine, serial number, database user.
                application_name=f"ora|replicat@{self.site}-db|OGG-{self.name}|oracle|{self.site}-db|1|"
                f"{self.config.sites[self.site].goldengate_schema}",
            )
        except psycopg.OperationalError:
            raise Abend(
                "OGG-00664", "OCI Error beginning session (status = 12541-ORA-12541: TNS:no listener)."
            ) from None
        # Triggers and foreign keys do not fire, as with SUPPRESSTRIGGERS and DEFERREFCONST.
        self._connection.execute("SET session_replication_role = replica")
        self._connection.execute("SET search_path = pg_catalog")
        self._connection.commit()
        self._table = self._checkpoint_table()
        row = self._connection.execute(
            sql.SQL("SELECT seqno, rba, csn, incarnation FROM {} WHERE group_name = %s AND replicat_id = %s").format(
                self._table
            ),
            (self.name, self.definition["id"]),
        ).fetchone()
        start: trail.Position | None = None
        incarnation = None
        if self.definition.get("start"):
            start = trail.Position(*self.definition["start"])
        if row is not None:
            start = trail.Position(row[0], row[1]) if row[1] else start
            incarnation = row[3]
            self.checkpoint["csn"] = int(row[2]) or None
        self._start_option()
        release = words.release(self.home.wording)
        self._reader = trail.Reader(self.home.trail_path(self.definition["trail"]), start, incarnation, release)
        self._write_checkpoint(None)
        self._connection.commit()
        self.save_checkpoint(read=list(self._reader.position))

    def _start_option(self) -> None:
        if self.option_aftercsn is not None:
            self._skip = int(self.option_aftercsn)
            self.message("INFO", "OGG-01373", f"User requested start after CSN {self.option_aftercsn}.")
        elif self.option_atcsn is not None:
            self._skip = int(self.option_atcsn) - 1
            self.message("INFO", "OGG-01372", f"User requested start at CSN {self.option_atcsn}.")

    @property
    def _only_skipped(self) -> bool:
        """True until the first transaction after the CSN of AFTERCSN or ATCSN."""
        return bool(self._skip) and int(self.checkpoint.get("csn") or 0) <= self._skip

    def _checkpoint_table(self) -> sql.Identifier:
        assert self._connection is not None
        named = self.definition.get("checkpoint_table")
        name = named or f"{self.home.schema}.{DEFAULT_CHECKPOINT_TABLE}"
        identifier = table_name(name)
        if not named:
            create_checkpoint_table(self._connection, name)
            self._connection.commit()
        try:
            self._connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(identifier))
        except psycopg.Error:
            self._connection.rollback()
            raise Abend(
                "OGG-00446",
                f"Checkpoint table {name} does not exist. Please create the table or recreate the "
                f"{self.name} group using the correct table.",
            ) from None
        return identifier

    def _write_checkpoint(self, position: trail.Position | None) -> None:
        """Checkpoint row, in the transaction of the rows."""
        assert self._connection is not None
        if position is not None and self._only_skipped:
            # AFTERCSN holds for one start: a later start without it begins at the same position.
            return
        at = position or self._reader.position
        self._connection.execute(
            sql.SQL(
                "INSERT INTO {} AS c (group_name, replicat_id, seqno, rba, csn, incarnation, last_update, current_dir) "
                "VALUES (%s, %s, %s, %s, %s, %s, now(), %s) ON CONFLICT (group_name, replicat_id) DO UPDATE SET "
                "seqno = excluded.seqno, rba = excluded.rba, csn = excluded.csn, "
                "incarnation = excluded.incarnation, last_update = excluded.last_update"
            ).format(self._table),
            (
                self.name,
                self.definition["id"],
                at.seq,
                at.rba,
                self.checkpoint.get("csn") or 0,
                self._reader.incarnation,
                str(self.home.root),
            ),
        )

    # -- work ------------------------------------------------------------------------------------

    def work(self) -> None:
        while not self._may_end():
            self._step()
        if self._open:
            self._rollback()

    def _may_end(self) -> bool:
        """STOP waits for the end of the transaction; with an exclamation mark the process ends at once."""
        return self.stopping.is_set() and (self._abort or not self._in_transaction)

    @property
    def _in_transaction(self) -> bool:
        return bool(self._partial) or self._reader.torn > 0

    def _step(self) -> None:
        before = len(self._partial), self._reader.torn
        try:
            complete = self._read()
        except trail.TrailError as error:
            raise Abend("OGG-01028", str(error)) from None
        if complete or before != (len(self._partial), self._reader.torn):
            self._data_arrived()
        batch, self._held = self._held + complete, []
        self.at_end = self._reader.at_end and not self._logical_end
        if self._in_transaction and self._reader.at_end:
            self._wait_in_transaction(batch)
        elif batch:
            self._deliver(batch)
        else:
            self.save_checkpoint(force=False, lag=0.0)
            self.stopping.wait(IDLE_SECONDS)

    def _read(self) -> list[Item]:
        """Complete transactions; the records of one that has no end yet stay in ``_partial``."""
        found: list[Item] = []
        while not found:
            for record, position in self._reader.read(GROUP_TRANSACTIONS):
                self._partial.append((record, position))
                if trail.ends(record):
                    found.append((self._joined(), position))
                    self._partial = []
            if self._reader.at_end:
                break
        return found

    def _joined(self) -> dict[str, Any]:
        return {**self._partial[0][0], "ops": [op for record, _ in self._partial for op in record["ops"]]}

    def _data_arrived(self) -> None:
        self._quiet_since = time.monotonic()
        if self._open:
            self._rollback()
            self._open = False
        if self._logical_end:
            self._logical_end = False
            file, rba = self._reader.path, self._reader.position.rba
            self.message("INFO", "OGG-01470", f"New data detected after RBA {rba}, in file {file}. Resuming delivery.")

    def _deliver(self, batch: list[Item]) -> None:
        """Apply and commit whole transactions."""
        if not self._announced and any(r["csn"] > self._skip for r, _ in batch):
            self._announced = True
            first = next((r, p) for r, p in batch if r["csn"] > self._skip)
            self.message(
                "INFO",
                "OGG-01374",
                f"Transaction delivery commencing at position Seqno {first[1].seq}, RBA "
                f"{first[1].rba}, Transaction ID "
                f"{first[0].get('xid')}, CSN {first[0]['csn']}, {self.skipped} transaction(s) skipped.",
            )
        self._apply(batch)
        if self._only_skipped:
            return
        record, position = batch[-1]
        self.save_checkpoint(
            read=list(position),
            file=self._reader.path.name,
            ts=record["ts"],
            lag=self.lag_of(record["ts"]),
            record_lag=self.lag_of(record["ts"]),
            xid=record.get("xid"),
            csn=self.checkpoint.get("csn"),
        )

    # -- in the middle of a transaction ----------------------------------------------------------

    def _wait_in_transaction(self, batch: list[Item]) -> None:
        """The trail ends in the middle of a transaction.

        The transactions before it share its group: nothing of the group is committed until the transaction's end
        arrives, or TRANSACTIONTIMEOUT has passed. Until then the read checkpoint and LAG show the end of the trail.
        """
        if batch and self._group_size == 1:
            self._deliver(batch)
            batch = []
        self._held = batch
        quiet = time.monotonic() - self._quiet_since
        if self._reader.torn and quiet > TORN_SECONDS:
            at = self._reader.position
            raise Abend(
                "OGG-01184",
                f"Expected 4 bytes, but got 0 bytes, in trail {self._reader.path}, seqno {at.seq}, "
                f"reading record trailer token at RBA {at.rba + self._reader.torn}.",
            )
        timeout = self.parameters.transaction_timeout
        if not self._logical_end and timeout is not None and quiet > timeout:
            self._recover(timeout)
        elif not self._logical_end and not self._open and quiet > HOLD_SECONDS:
            self._hold()
        self.stopping.wait(IDLE_SECONDS)

    def _hold(self) -> None:
        """Apply the arrived part of the group, without a commit."""
        records = [record for record, _ in [*self._held, *self._partial]]
        self._begin()
        try:
            for _, same in groupby((o for r in records for o in self._wanted(r)), key=lambda o: o.shape):
                self._run(list(same))
        except (ApplyError, psycopg.Error):
            # One by one: the error comes there.
            self._rollback()
            held, self._held = self._held, []
            if held:
                self._deliver(held)
        self._open = True
        if self._partial:
            record, position = self._partial[-1]
            self.save_checkpoint(read=list(position), file=self._reader.path.name, ts=record["ts"], lag=0.0)

    def _recover(self, timeout: float) -> None:
        """TRANSACTIONTIMEOUT: commit the complete transactions; the beginning of the open one is the logical end."""
        at = (self._partial[0][1] if self._partial else self._reader.position).rba
        self.message(
            "INFO",
            "OGG-01466",
            f"Exceeded transaction timeout threshold ({timeout:g} seconds) waiting for source transaction at RBA "
            f"{at}, in file {self._reader.path}.",
        )
        self._rollback()
        self._open = self.at_end = False
        held, self._held = self._held, []
        if held:
            self._deliver(held)
        self._logical_end = True

    @property
    def _group_size(self) -> int:
        return int(self.parameters.last("GROUPTRANSOPS") or 1000)

    def other_command(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("command") == "abort":
            self._abort = True
            self.stopping.set()
            return {"ok": True}
        return super().other_command(request)

    def state(self) -> str:
        if self._logical_end:
            return "Waiting for data at logical EOF after transaction timeout recovery"
        return super().state()

    def open_records(self) -> int:
        return len(self._held) + len(self._partial) if self._open else 0

    # -- apply -----------------------------------------------------------------------------------

    def _apply(self, batch: list[Item]) -> None:
        """Apply a group of source transactions as one; one by one when that fails."""
        for attempt in range(5):
            try:
                self._apply_group(batch)
                return
            except ApplyError:
                self._rollback()
                break
            except psycopg.Error as error:
                if error.sqlstate not in _RETRIED or attempt == 4:
                    self._rollback()
                    if isinstance(error, psycopg.OperationalError) and error.sqlstate not in _RETRIED:
                        raise Abend(
                            "OGG-00665", f"OCI Error executing statement (status = 3113-ORA-03113: {error})."
                        ) from None
                    break
                self._rollback()
                time.sleep(0.1 * (attempt + 1))
        for item in batch:
            self._apply_carefully(item)

    def _rollback(self) -> None:
        assert self._connection is not None
        if not self._connection.closed:
            self._connection.rollback()

    def _begin(self) -> None:
        assert self._connection is not None
        self._connection.execute(
            "SELECT pg_logical_emit_message(true, 'tag', %s), pg_logical_emit_message(true, 'user', %s)",
            (self.parameters.tag, self.home.schema),
        )

    def _wanted(self, record: dict[str, Any]) -> list[Operation]:
        if record["csn"] <= self._skip:
            self.skipped += 1
            return []
        found = map_operations(record, self.parameters)
        if found and trail.numbers(self._reader.format) < (12, 2) and not self.parameters.has("ASSUMETARGETDEFS"):
            raise Abend("OGG-00423", f"Could not find definition for {found[0].source}.")
        return found

    def _apply_group(self, batch: list[Item]) -> None:
        assert self._connection is not None
        operations = [o for record, _ in batch for o in self._wanted(record)]
        before = self.checkpoint.get("csn")
        self._begin()
        for _, same in groupby(operations, key=lambda o: o.shape):
            self._run(list(same))
        for record, _ in batch:
            if record["csn"] > self._skip:
                self.checkpoint["csn"] = record["csn"]
        try:
            self._write_checkpoint(batch[-1][1])
            self._connection.commit()
        except BaseException:
            self.checkpoint["csn"] = before
            raise
        for operation in operations:
            self.counts[operation.source][operation.op] += 1

    def _run(self, operations: list[Operation]) -> None:
        """Run operations of one shape."""
        assert self._connection is not None
        first = operations[0]
        if first.op == "SEQ":
            self._set_sequence(first)
            return
        if first.op == "DDL":
            self._run_ddl(first)
            return
        if first.op == "T":
            # TRUNCATE would fail at foreign keys, which are not checked here.
            self._connection.execute(sql.SQL("DELETE FROM {}").format(table_name(first.target)))
            return
        if first.op in "UD" and not first.data.get("key"):
            verb = {"U": "update", "D": "delete"}[first.op]
            raise Abend(
                "OGG-01169",
                f"Encountered {'an' if verb == 'update' else 'a'} {verb} where all key columns for target "
                f"table {first.target} are not present.",
            )
        if first.op == "U" and not first.data.get("row"):
            return
        statement, row, key = statement_for(first)
        with self._connection.cursor() as cursor:
            if len(operations) == 1:
                cursor.execute(statement, values_of(first, row, key))
            else:
                cursor.executemany(statement, [values_of(o, row, key) for o in operations])
            if cursor.rowcount < len(operations):
                raise ApplyError(first, 1403, statement=statement.as_string(self._connection))

    def _set_sequence(self, operation: Operation) -> None:
        assert self._connection is not None
        name = table_name(operation.target)
        value, called = int(operation.data["value"]), bool(operation.data["called"])
        try:
            current = self._connection.execute(sql.SQL("SELECT last_value, is_called FROM {}").format(name)).fetchone()
        except psycopg.errors.UndefinedTable:
            raise ApplyError(operation, 2289) from None
        if current is not None and (value, called) > (current[0], current[1]):
            self._connection.execute(
                "SELECT setval(%s::regclass, %s, %s)", (name.as_string(self._connection), value, called)
            )

    def _run_ddl(self, operation: Operation) -> None:
        """Run DDL in the mapped schema; an error that DDLERROR ignores leaves a warning."""
        assert self._connection is not None
        owner = operation.target.partition(".")[0].lower()
        source_owner = operation.source.split(".")[-2].lower()
        text = operation.data["sql"]
        if owner != source_owner:
            text = re.sub(rf'(?i)\b"?{re.escape(source_owner)}"?\.', f"{owner}.", text)
        try:
            with self._connection.transaction():
                # Event triggers do what the lab needs for each new table.
                self._connection.execute("SET LOCAL session_replication_role = origin")
                if self._connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (owner,)).fetchone():
                    self._connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(owner)))
                self._connection.execute(sql.SQL("SET LOCAL search_path = {}, public").format(sql.Identifier(owner)))
                self._connection.execute(text.encode())
                self._connection.execute("RESET ROLE")
                self._connection.execute("SET LOCAL session_replication_role = replica")
                self._connection.execute("SET LOCAL search_path = pg_catalog")
        except psycopg.Error as error:
            number = _ORACLE_ERRORS.get(error.sqlstate or "", 900)
            reason = f"ORA-{number:05d}: {_TEXTS.get(number, str(error).splitlines()[0])}"
            if self.parameters.ddl_error_response() in ("IGNORE", "DISCARD"):
                self.message(
                    "INFO",
                    "OGG-00489",
                    f"DDL error ignored: error code [DEFAULT], filter [include all], {reason} SQL {text[:200]}.",
                )
                return
            raise Abend(
                "OGG-00516",
                f"Fatal error executing DDL replication: error [Error code [{number}], {reason} SQL "
                f"{text[:200]}], due to explicit ABEND error handling and filter [include all].",
            ) from None
        if any("REPORT" in v.upper() for v in self.parameters.all("DDLOPTIONS")):
            self.message("INFO", "OGG-00484", f"Executing DDL operation: {text[:200]}")

    # -- errors ----------------------------------------------------------------------------------

    def _apply_carefully(self, item: Item) -> None:
        """One source transaction, operation by operation, with REPERROR and HANDLECOLLISIONS."""
        assert self._connection is not None
        record, position = item
        operations = self._wanted(record)
        self._begin()
        done: list[tuple[Operation, str]] = []
        for operation in operations:
            try:
                with self._connection.transaction():
                    self._run([operation])
                done.append((operation, operation.op))
            except (ApplyError, psycopg.Error) as error:
                failure = self._as_apply_error(operation, error)
                if self.parameters.collisions() and self._collide(operation, failure):
                    done.append((operation, operation.op))
                    continue
                response = self.parameters.error_response(failure.number)
                self._discard(record, position, failure)
                if response in ("DISCARD", "IGNORE"):
                    if response == "DISCARD":
                        done.append((operation, "discard"))
                    continue
                self._rollback()
                self._fail(position, failure)
        before = self.checkpoint.get("csn")
        if record["csn"] > self._skip:
            self.checkpoint["csn"] = record["csn"]
        try:
            self._write_checkpoint(position)
            self._connection.commit()
        except BaseException:
            self.checkpoint["csn"] = before
            raise
        for operation, what in done:
            self.counts[operation.source][what] += 1
        self.save_checkpoint(read=list(position), file=self._reader.path.name, ts=record["ts"])

    def _as_apply_error(self, operation: Operation, error: Exception) -> ApplyError:
        if isinstance(error, ApplyError):
            return error
        assert isinstance(error, psycopg.Error)
        assert self._connection is not None
        number = _ORACLE_ERRORS.get(error.sqlstate or "", 60000)
        owner = operation.target.partition(".")[0]
        detail = error.diag.constraint_name or error.diag.column_name
        name = f"{owner}.{detail.upper()}" if detail else (error.diag.message_primary or "").strip()
        text = ""
        if operation.op in ("I", "U", "D"):
            text = statement_for(operation)[0].as_string(self._connection)
        return ApplyError(operation, number, name, text)

    def _collide(self, operation: Operation, failure: ApplyError) -> bool:
        """HANDLECOLLISIONS: an insert overwrites; an update or delete of a missing row is ignored."""
        assert self._connection is not None
        if operation.op == "D" and failure.number == 1403:
            return True
        if operation.op == "U" and failure.number == 1403:
            return True
        if operation.op != "I" or failure.number != 1:
            return False
        key = self._primary_key(operation.target)
        row = operation.data["row"]
        if not key or any(c not in row for c in key):
            return False
        update = Operation("U", operation.source, operation.target, {"row": row, "key": {c: row[c] for c in key}})
        try:
            with self._connection.transaction():
                self._run([update])
        except (ApplyError, psycopg.Error):
            return False
        return True

    def _primary_key(self, target: str) -> list[str]:
        assert self._connection is not None
        rows = self._connection.execute(
            "SELECT upper(a.attname) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = "
            "ANY(i.indkey) WHERE i.indrelid = %s::regclass AND i.indisunique ORDER BY i.indisprimary DESC, "
            "i.indexrelid, a.attnum",
            (table_name(target).as_string(self._connection),),
        ).fetchall()
        return [r[0] for r in rows]

    def _discard(self, record: dict[str, Any], position: trail.Position, failure: ApplyError) -> None:
        value = self.parameters.last("DISCARDFILE")
        path = self.group.report_path.with_suffix(".dsc")
        if value:
            path = self.home.root / re.split(r"[\s,]+", value)[0]
        path.parent.mkdir(parents=True, exist_ok=True)
        data = failure.operation.data
        with path.open("a") as file:
            file.write(
                "\n"
                f"Oracle GoldenGate Delivery for Oracle process {self.name} discarded record at "
                f"{datetime.now():%Y-%m-%d %H:%M:%S}\n"
                f"OCI Error {failure.text} (status = {failure.number}), SQL <{failure.statement}>\n"
                f"Operation failed at seqno {position.seq} rba {position.rba}\n"
                f"Problem replicating {failure.operation.source} to {failure.operation.target}\n"
                f"CSN {record['csn']}\n"
                "*\n"
                + "".join(f"{k} = {v}\n" for k, v in {**(data.get("key") or {}), **(data.get("row") or {})}.items())
                + "*\n"
            )

    def _fail(self, position: trail.Position, failure: ApplyError) -> None:
        source, target = failure.operation.source, failure.operation.target
        oci = f"OCI Error {failure.text} (status = {failure.number})"
        if failure.statement:
            oci += f", SQL <{failure.statement}>"
        self.message("WARNING", "OGG-00869", f"{oci}.")
        self.message(
            "WARNING",
            "OGG-01004",
            f"Aborted grouped transaction on {target}, Database error {failure.number} ({oci}).",
        )
        self.message("WARNING", "OGG-01003", f"Repositioning to rba {position.rba} in seqno {position.seq}.")
        self.message("WARNING", "OGG-01154", f"SQL error {failure.number} mapping {source} to {target} {oci}.")
        raise Abend("OGG-01296", f"Error mapping from {source} to {target}.")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def create_checkpoint_table(connection: psycopg.Connection[Any], name: str) -> None:
    """Make a checkpoint table (and its schema) when there is none; the caller commits."""
    owner = name.partition(".")[0].lower()
    identifier = table_name(name)
    if connection.execute("SELECT to_regclass(%s)", (identifier.as_string(connection),)).fetchone() != (None,):
        return
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(owner)))
    connection.execute(
        sql.SQL(
            "CREATE TABLE {} (group_name varchar(8) NOT NULL, replicat_id varchar(40) NOT NULL, seqno bigint NOT "
            "NULL, rba bigint NOT NULL, csn bigint NOT NULL, incarnation varchar(40), "
            "last_update timestamptz NOT NULL, current_dir varchar(255), PRIMARY KEY (group_name, replicat_id))"
        ).format(identifier)
    )


def main() -> None:
    """Run the Replicat named on the command line."""
    run_group("replicat", Replicat)


if __name__ == "__main__":
    main()
