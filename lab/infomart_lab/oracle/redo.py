"""Redo of a site: PostgreSQL's logical decoding as files that Extract and the snapshots read.

One thread of the ``oracle`` part streams the slot and appends one JSON line a committed transaction, in commit order.
The number in ``position`` is the CSN up to which the store is complete. A record is written before its position is
confirmed to the slot, and a record whose CSN is not above the last stored one is skipped, so a crash neither loses nor
doubles a transaction.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import struct
import threading
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import psycopg
from psycopg import pq
from psycopg.pq import abc

from infomart_lab.config import LabConfig

log = logging.getLogger(__name__)

SLOT = "lab_redo"
PUBLICATION = "lab"
#: Bytes after which a new segment is begun.
SEGMENT_SIZE = 4 << 20
#: Committed transactions that the reader remembers for the snapshots.
REMEMBERED = 20_000
#: Seconds between two status messages to PostgreSQL (each is answered with its position).
STATUS_INTERVAL = 0.1
_PG_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Transaction(TypedDict):
    """One record of the store; its form is described in docs/architecture.md."""

    csn: int
    start: int
    xid: int
    ts: str
    tag: str | None
    user: NotRequired[str]
    ops: list[dict[str, Any]]


# -- decoding --------------------------------------------------------------------------------------


@dataclass
class _Relation:
    schema: str
    table: str
    columns: list[str]
    keys: list[bool]

    @property
    def name(self) -> str:
        return f"{self.schema}.{self.table}".upper()


@dataclass
class _Open:
    """The transaction that is being decoded."""

    csn: int
    ts: datetime
    xid: int
    start: int
    foreign: bool = False
    tag: str | None = None
    user: str | None = None
    ops: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Committed:
    """A decoded transaction; ``record`` is None when the store needs nothing of it.

    ``foreign`` marks one that came under a replication origin, as Data Pump's import does.
    """

    csn: int
    xid: int
    foreign: bool
    record: Transaction | None


class _Bytes:
    """Cursor over a message of pgoutput."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 1

    def take(self, form: str) -> Any:
        value = struct.unpack_from(">" + form, self.data, self.at)[0]
        self.at += struct.calcsize(form)
        return value

    def text(self) -> str:
        end = self.data.index(0, self.at)
        value = self.data[self.at : end].decode()
        self.at = end + 1
        return value


class Decoder:
    """pgoutput's messages (protocol version 1) into records.

    :param skip_schema: schema whose changes are left out.
    """

    def __init__(self, skip_schema: str = "sys") -> None:
        self._skip = skip_schema
        self._relations: dict[int, _Relation] = {}
        self._open: _Open | None = None

    def feed(self, lsn: int, data: bytes) -> Committed | None:
        """Take one message.

        :param lsn: its position in the log.
        :param data: the message.
        :returns: the transaction, when this message commits one.
        :raises ValueError: a message that pgoutput of this version does not send.
        """
        kind = data[:1]
        body = _Bytes(data)
        if kind == b"B":
            csn, micros, xid = body.take("Q"), body.take("q"), body.take("I")
            self._open = _Open(csn, _PG_EPOCH + timedelta(microseconds=micros), xid, lsn or csn)
        elif kind == b"C":
            return self._commit()
        elif kind == b"R":
            self._relation(body)
        elif kind in (b"I", b"U", b"D"):
            self._row(kind.decode(), body)
        elif kind == b"T":
            count = body.take("I")
            body.take("B")
            for _ in range(count):
                if (relation := self._wanted(body.take("I"))) is not None:
                    self._add({"op": "T", "table": relation.name})
        elif kind == b"M":
            self._logical_message(body)
        elif kind == b"O":
            if self._open is not None:
                self._open.foreign = True
        elif kind != b"Y":
            raise ValueError(f"pgoutput message {kind!r}")
        return None

    def _add(self, operation: dict[str, Any]) -> None:
        if self._open is not None and not self._open.foreign:
            self._open.ops.append(operation)

    def _wanted(self, oid: int) -> _Relation | None:
        relation = self._relations[oid]
        return None if relation.schema == self._skip else relation

    def _commit(self) -> Committed | None:
        done, self._open = self._open, None
        if done is None:
            raise ValueError("a commit without a begin")
        record: Transaction | None = None
        if done.ops and not done.foreign:
            record = {
                "csn": done.csn,
                "start": done.start,
                "xid": done.xid,
                "ts": done.ts.isoformat(timespec="milliseconds"),
                "tag": done.tag,
                "ops": done.ops,
            }
            if done.user is not None:
                record["user"] = done.user
        elif not done.foreign:
            return None  # only the dictionary was changed
        return Committed(done.csn, done.xid, done.foreign, record)

    def _relation(self, body: _Bytes) -> None:
        oid = body.take("I")
        schema, table = body.text() or "pg_catalog", body.text()
        body.take("c")
        columns, keys = [], []
        for _ in range(body.take("H")):
            keys.append(bool(body.take("B") & 1))
            columns.append(body.text().upper())
            body.take("I")
            body.take("i")
        self._relations[oid] = _Relation(schema, table, columns, keys)

    @staticmethod
    def _tuple(body: _Bytes, relation: _Relation) -> dict[str, str | None]:
        """Values by column; an unchanged column that is stored separately is missing."""
        data, at = body.data, body.at + 2
        values: dict[str, str | None] = {}
        for name in relation.columns[: struct.unpack_from(">H", data, body.at)[0]]:
            kind = data[at]
            at += 1
            if kind == 0x74:  # t
                size = int.from_bytes(data[at : at + 4], "big")
                values[name] = data[at + 4 : at + 4 + size].decode()
                at += 4 + size
            elif kind == 0x6E:  # n
                values[name] = None
        body.at = at
        return values

    def _row(self, kind: str, body: _Bytes) -> None:
        if self._open is None or self._open.foreign:
            return
        relation = self._wanted(body.take("I"))
        if relation is None:
            return
        part = body.take("c")
        old: dict[str, str | None] | None = None
        if part in (b"K", b"O"):
            old = self._tuple(body, relation)
            keys = [n for n, k in zip(relation.columns, relation.keys, strict=True) if k]
            if part == b"K":
                old = {name: old.get(name) for name in keys}
            if kind == "U":
                part = body.take("c")
        operation: dict[str, Any] = {"op": kind, "table": relation.name}
        if part == b"N":
            row = self._tuple(body, relation)
            if kind == "U":
                if old is not None:
                    for name, value in old.items():  # unchanged and stored separately, but known from the old row
                        if part == b"N" and name not in row and len(old) == len(relation.columns):
                            row[name] = value
                operation["key"] = old or {
                    n: row.get(n) for n, k in zip(relation.columns, relation.keys, strict=True) if k
                }
            operation["row"] = row
        else:
            operation["key"] = old or {}
        self._add(operation)

    def _logical_message(self, body: _Bytes) -> None:
        transactional = body.take("B") & 1
        body.take("Q")
        prefix = body.text()
        size = body.take("I")
        content = body.data[body.at : body.at + size].decode(errors="replace")
        if not transactional or self._open is None:
            return
        if prefix == "tag":
            self._open.tag = content
        elif prefix == "user":
            self._open.user = content
        elif prefix == "ddl":
            self._add({"op": "DDL", **json.loads(content)})


# -- the store -------------------------------------------------------------------------------------


def _folder(config: LabConfig, site: str) -> Path:
    return config.site_dir(site) / "redo"


def _segments(folder: Path) -> list[Path]:
    """Segments in order; each is named after the first CSN in it."""
    return sorted(folder.glob("*.jsonl"))


def _csn_of(line: bytes) -> int:
    """CSN of a line without parsing the rest (the key comes first)."""
    return int(line[8 : line.index(b",", 8)])


def position(config: LabConfig, site: str) -> int:
    """Every transaction with a CSN not above this number is in the store; 0 before the first one."""
    try:
        return int((_folder(config, site) / "position").read_bytes() or b"0")
    except FileNotFoundError:
        return 0


#: End of the last record that this process has read: folder -> (CSN, segment, offset).
_read_to: dict[Path, tuple[int, Path, int]] = {}


def read(config: LabConfig, site: str, after: int, *, limit: int | None = None) -> Iterator[Transaction]:
    """Records with a CSN above ``after``, in commit order, up to the end of the store.

    :param limit: most records.
    """
    folder = _folder(config, site)
    segments = _segments(folder)
    if not segments:
        return
    first = max(bisect_right([int(s.stem) for s in segments], after) - 1, 0)
    known = _read_to.get(folder)
    given = 0
    for segment in segments[first:]:
        offset = known[2] if known is not None and known[0] == after and known[1] == segment else 0
        with segment.open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                csn = _csn_of(line)
                if csn <= after:
                    continue
                _read_to[folder] = (csn, segment, offset)
                yield json.loads(line)
                given += 1
                if given == limit:
                    return


def has_commit_between(config: LabConfig, site: str, low: int, high: int) -> bool:
    """True when a record has a CSN above ``low`` and not above ``high``."""
    return any(record["csn"] <= high for record in read(config, site, low, limit=1))


def prune(config: LabConfig, site: str, before: int) -> None:
    """Remove segments in which every record has a CSN below ``before``; the last one stays."""
    segments = _segments(_folder(config, site))
    for segment, following in pairwise(segments):
        if int(following.stem) <= before:
            segment.unlink(missing_ok=True)


class Store:
    """The writing side of the store.

    A line that a crash has cut off is removed.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.last_csn = 0
        self._position = os.open(folder / "position", os.O_RDWR | os.O_CREAT, 0o644)
        self._file: Any = None
        self._repair()

    def _repair(self) -> None:
        for segment in reversed(_segments(self.folder)):
            data = segment.read_bytes()
            end = data.rfind(b"\n") + 1
            if end < len(data):
                with segment.open("r+b") as file:
                    file.truncate(end)
            if end:
                start = data.rfind(b"\n", 0, end - 1) + 1
                self.last_csn = _csn_of(data[start:end])
                self._file = segment.open("ab")
                return
            segment.unlink()

    def tail(self) -> list[Committed]:
        """The last segment's records, for the snapshots after a restart."""
        segments = _segments(self.folder)
        if not segments:
            return []
        with segments[-1].open("rb") as file:
            records = [json.loads(line) for line in file]
        return [Committed(r["csn"], r["xid"], False, None) for r in records]

    def append(self, record: Transaction) -> bool:
        """Add a record unless it is there already."""
        if record["csn"] <= self.last_csn:
            return False
        if self._file is None or self._file.tell() > SEGMENT_SIZE:
            if self._file is not None:
                self._file.close()
            self._file = (self.folder / f"{record['csn']:020d}.jsonl").open("ab")
        self._file.write(json.dumps(record).encode() + b"\n")
        self.last_csn = record["csn"]
        return True

    def publish(self, number: int) -> None:
        """Flush what was added and move the position."""
        if self._file is not None:
            self._file.flush()
        os.pwrite(self._position, f"{number:020d}".encode(), 0)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        os.close(self._position)


# -- the reader ------------------------------------------------------------------------------------


class Reader:
    """Streams the slot into the store; a thread of the ``oracle`` part.

    :param config: the lab.
    :param site: the site whose slot is read.
    """

    def __init__(self, config: LabConfig, site: str) -> None:
        self.config = config
        self.site = site
        self._store = Store(_folder(config, site))
        self._decoder = Decoder()
        #: Remembered transactions in commit order, also those that are not in the store.
        self.recent: deque[Committed] = deque(self._store.tail(), maxlen=REMEMBERED)
        self.position = position(config, site)
        self._moved = threading.Condition()
        self._stopping = threading.Event()
        self._hurry_read, self._hurry_write = os.pipe()
        self._connection: abc.PGconn | None = None
        self._thread: threading.Thread | None = None
        self._at_connect = 0

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="redo", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self.hurry()
        if self._thread is not None:
            self._thread.join(5)

    def hurry(self) -> None:
        """Ask PostgreSQL for its position now."""
        with contextlib.suppress(OSError):
            os.write(self._hurry_write, b"x")

    def wait_for(self, lsn: int, timeout: float = 20.0) -> bool:
        """Wait until every transaction with a CSN below ``lsn`` is stored.

        :param timeout: seconds.
        """
        deadline = time.monotonic() + timeout
        with self._moved:
            while self.position < lsn - 1:
                rest = deadline - time.monotonic()
                if rest <= 0 or self._stopping.is_set():
                    return False
                self.hurry()
                self._moved.wait(min(rest, 0.05))
        return True

    def _run(self) -> None:
        said = ""
        while not self._stopping.is_set():
            try:
                self._stream()
            except (OSError, psycopg.Error, RuntimeError) as error:
                if not self._stopping.is_set():
                    if str(error) != said:
                        log.warning("redo of %s: %s; tried until it works", self.site, str(error).strip())
                    said = str(error)
                    self._stopping.wait(0.5)
            except Exception:
                log.exception("redo of %s stopped", self.site)
                raise
            finally:
                if self._connection is not None:
                    self._connection.finish()
                    self._connection = None
        self._store.close()

    def _open(self) -> abc.PGconn:
        dsn = self.config.postgres_dsn(self.site, "gim")
        dsn += " replication=database connect_timeout=5 sslmode=disable gssencmode=disable application_name=lab_redo"
        connection = pq.PGconn.connect(dsn.encode())
        if connection.status != pq.ConnStatus.OK:
            raise RuntimeError(connection.error_message.decode(errors="replace"))
        self._connection = connection
        result = connection.exec_(
            f"START_REPLICATION SLOT {SLOT} LOGICAL 0/0 (proto_version '1', publication_names '{PUBLICATION}', "
            "messages 'true')".encode()
        )
        if result.status != pq.ExecStatus.COPY_BOTH:
            raise RuntimeError(connection.error_message.decode(errors="replace"))
        self._decoder = Decoder()
        return connection

    def _stream(self) -> None:
        connection = self._open()
        next_status = 0.0
        while not self._stopping.is_set():
            if time.monotonic() >= next_status:
                self._send_status(connection)
                next_status = time.monotonic() + STATUS_INTERVAL
            size, data = connection.get_copy_data(1)
            if size == 0:
                ready, _, _ = select.select(
                    [connection.socket, self._hurry_read], [], [], max(next_status - time.monotonic(), 0)
                )
                if self._hurry_read in ready:
                    os.read(self._hurry_read, 4096)
                    next_status = 0.0
                if connection.socket in ready:
                    connection.consume_input()
                continue
            if size == -1:
                raise RuntimeError("PostgreSQL ended the stream")
            self._take(bytes(data))

    def _take(self, data: bytes) -> None:
        if data[:1] == b"w":
            committed = self._decoder.feed(struct.unpack_from(">Q", data, 1)[0], data[25:])
            if committed is not None:
                if committed.record is not None and not self._store.append(committed.record):
                    return
                if self.recent and committed.csn <= self.recent[-1].csn:
                    return
                self.recent.append(Committed(committed.csn, committed.xid, committed.foreign, None))
        elif data[:1] == b"k":
            # everything below this place in the log has been decoded and sent
            end = struct.unpack_from(">Q", data, 1)[0]
            if end - 1 > self.position:
                self._store.publish(end - 1)
                with self._moved:
                    self.position = end - 1
                    self._moved.notify_all()

    def _send_status(self, connection: abc.PGconn) -> None:
        """Report the stored position, and ask for PostgreSQL's."""
        stored = self.position + 1 if self.position else 0
        now = int((datetime.now(UTC) - _PG_EPOCH).total_seconds() * 1_000_000)
        connection.put_copy_data(struct.pack(">cQQQqB", b"r", stored, stored, stored, now, 1))
        connection.flush()


# -- set-up ----------------------------------------------------------------------------------------

_SETUP = """
CREATE SCHEMA IF NOT EXISTS sys;
CREATE OR REPLACE FUNCTION sys.lab_is_user(text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM sys.lab_users WHERE lower(username) = $1);
EXCEPTION WHEN undefined_table THEN
    RETURN $1 NOT IN ('sys', 'pg_temp');  -- without a dictionary
END $$;
CREATE OR REPLACE FUNCTION sys.lab_ddl() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog AS $$
DECLARE
    command record;
    kept record;
    object_name text;
BEGIN
    IF current_setting('lab.in_ddl_trigger', true) = 'on' THEN
        RETURN;
    END IF;
    IF tg_event = 'sql_drop' THEN
        IF tg_tag NOT LIKE 'DROP %' THEN
            RETURN;  -- a column or constraint: ALTER TABLE is told at its end
        END IF;
        FOR command IN SELECT * FROM pg_event_trigger_dropped_objects() WHERE original AND NOT is_temporary LOOP
            IF NOT coalesce(sys.lab_is_user(command.schema_name), false) THEN
                CONTINUE;
            END IF;
            object_name := coalesce(command.object_name, command.object_identity);
            PERFORM pg_logical_emit_message(true, 'ddl', json_build_object(
                'schema', upper(command.schema_name), 'object', upper(object_name),
                'type', upper(command.object_type), 'sql', current_query())::text);
            EXIT;  -- once a statement, however many objects it drops
        END LOOP;
        RETURN;
    END IF;
    FOR command IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE command_tag = tg_tag LOOP
        IF command.in_extension OR NOT coalesce(sys.lab_is_user(command.schema_name), false) THEN
            CONTINUE;
        END IF;
        object_name := split_part(regexp_replace(command.object_identity, '^("[^"]+"|[^.]+)\\.', ''), '(', 1);
        IF command.classid = 'pg_class'::regclass THEN
            SELECT relname::text, relkind, relpersistence, relowner, oid INTO kept
                FROM pg_class WHERE oid = command.objid;
            IF kept.relpersistence = 't' THEN
                CONTINUE;
            END IF;
            object_name := coalesce(kept.relname, object_name);
            -- in Oracle a table belongs to its schema's user, whoever has made it
            IF kept.relkind IN ('r', 'p', 'S', 'v') AND tg_tag LIKE 'CREATE%'
                AND pg_get_userbyid(kept.relowner) <> command.schema_name
                AND EXISTS (SELECT FROM pg_roles WHERE rolname = command.schema_name) THEN
                PERFORM set_config('lab.in_ddl_trigger', 'on', true);
                EXECUTE format('ALTER TABLE %s OWNER TO %I', kept.oid::regclass, command.schema_name);
                PERFORM set_config('lab.in_ddl_trigger', 'off', true);
            END IF;
            -- without a key, the whole old row identifies a change, as supplemental logging of all columns does
            IF kept.relkind IN ('r', 'p') AND tg_tag IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
                AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = kept.oid AND indisprimary) THEN
                PERFORM set_config('lab.in_ddl_trigger', 'on', true);
                EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', kept.oid::regclass);
                PERFORM set_config('lab.in_ddl_trigger', 'off', true);
            END IF;
        END IF;
        PERFORM pg_logical_emit_message(true, 'ddl', json_build_object(
            'schema', upper(command.schema_name), 'object', upper(trim(both '"' from object_name)),
            'type', upper(command.object_type), 'sql', current_query())::text);
        EXIT;
    END LOOP;
END $$;
"""

_TRIGGERS = {
    "lab_ddl_end": "ddl_command_end",
    "lab_ddl_drop": "sql_drop",
}


def create_slot(config: LabConfig, site: str) -> None:
    """Make the publication, the slot and the triggers that put DDL into the log; a second call changes nothing.

    To be called before the site's first business transaction: earlier commits are not in the redo.
    """
    with psycopg.connect(config.postgres_dsn(site, "gim"), autocommit=True) as connection:
        _execute(connection, _SETUP)
        if not connection.execute("SELECT 1 FROM pg_publication WHERE pubname = %s", [PUBLICATION]).fetchone():
            _execute(connection, f"CREATE PUBLICATION {PUBLICATION} FOR ALL TABLES")
        for name, event in _TRIGGERS.items():
            if not connection.execute("SELECT 1 FROM pg_event_trigger WHERE evtname = %s", [name]).fetchone():
                _execute(connection, f"CREATE EVENT TRIGGER {name} ON {event} EXECUTE FUNCTION sys.lab_ddl()")
        # tables from before the trigger
        rows = connection.execute(
            "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind IN ('r', 'p') AND c.relreplident = 'd' AND c.relpersistence = 'p' "
            "AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') "
            "AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)"
        ).fetchall()
        for (table,) in rows:
            _execute(connection, f"ALTER TABLE {table} REPLICA IDENTITY FULL")
        if not connection.execute("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", [SLOT]).fetchone():
            row = connection.execute(
                "SELECT (lsn - '0/0')::bigint FROM pg_create_logical_replication_slot(%s, 'pgoutput')", [SLOT]
            ).fetchone()
            folder = _folder(config, site)
            folder.mkdir(parents=True, exist_ok=True)
            assert row is not None
            (folder / "begin").write_text(str(row[0]))


def _execute(connection: psycopg.Connection[Any], text: str) -> None:
    connection.execute(text.encode())


def begin(config: LabConfig, site: str) -> int:
    """LSN at which the store begins; 0 when the slot has not been made."""
    try:
        return int((_folder(config, site) / "begin").read_text())
    except FileNotFoundError:
        return 0
