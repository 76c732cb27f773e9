"""One client of the listener: handshake, log-on and calls."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from psycopg.pq import abc

from infomart_lab.config import LabConfig
from infomart_lab.oracle import types, wire
from infomart_lab.oracle.auth import Challenge
from infomart_lab.oracle.backend import Backend, Interrupted
from infomart_lab.oracle.errors import OracleError
from infomart_lab.oracle.translate import Statement, translate
from infomart_lab.oracle.wire import Break, ClientGone, Packets, ProtocolError, Reader, Writer

log = logging.getLogger(__name__)

#: Field version told to the client: 12 stands for release 19.1 and avoids everything newer.
FIELD_VERSION = 12
PROTOCOL_VERSION = 315
#: Listener's version in its refusals.
VERSION_NUMBER = 318767104

FUNC_REEXECUTE, FUNC_FETCH, FUNC_LOGOFF, FUNC_COMMIT, FUNC_ROLLBACK = 4, 5, 9, 14, 15
FUNC_REEXECUTE_AND_FETCH, FUNC_EXECUTE, FUNC_LOB, FUNC_CLOSE_CURSORS = 78, 94, 96, 105
FUNC_AUTH_TWO, FUNC_AUTH_ONE, FUNC_END_TO_END, FUNC_PING, FUNC_SET_SCHEMA = 115, 118, 135, 147, 152

EXEC_PARSE, EXEC_BIND, EXEC_DEFINE, EXEC_EXECUTE, EXEC_FETCH, EXEC_COMMIT = 0x01, 0x08, 0x10, 0x20, 0x40, 0x100
EXEC_DESCRIBE, EXEC_BATCH_ERRORS = 0x20000, 0x80000
EXEC_FLAG_ROWCOUNTS = 0x4000

MSG_PROTOCOL, MSG_DATA_TYPES, MSG_FUNCTION, MSG_ERROR, MSG_ROW, MSG_PARAMETER, MSG_STATUS = 1, 2, 3, 4, 7, 8, 9
MSG_IO_VECTOR, MSG_LOB_DATA, MSG_DESCRIBE, MSG_PIGGYBACK = 11, 14, 16, 17

LOB_GET_LENGTH, LOB_READ, LOB_CHUNK_SIZE, LOB_FREE_TEMP = 0x0001, 0x0002, 0x4000, 0x0111
LOB_CREATE_TEMP, LOB_WRITE, LOB_OPEN, LOB_CLOSE, LOB_IS_OPEN = 0x0110, 0x0040, 0x8000, 0x10000, 0x11000
LOCATOR_SIZE = 40
#: CLOBs of one session whose text is kept for later reads.
MAX_LOBS = 5000

SYSDBA = 0x20
#: Errors of PostgreSQL that another guess at the types of binds may cure.
_TYPE_ERRORS = {"42883", "42804", "42P18", "42725", "42P08", "22P02", "22007"}

VERSIONS = {"11.2": (11, 2, 0, 4, 0), "19c": (19, 0, 0, 0, 0), "21c": (21, 0, 0, 0, 0)}


class Part(Protocol):
    """What a session needs from the part it runs in."""

    config: LabConfig
    site: str

    def take_scn(self, database: str) -> int: ...

    def is_clob_table(self, database: str, oid: int) -> bool: ...


@dataclass
class Bind:
    """Type of a bind as the client described it."""

    kind: int
    size: int
    form: int


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


class Session:
    """Serves one connection until it ends.

    :param part: the Oracle part of the site.
    :param sock: the client's socket.
    :param number: SERIAL# of the session.
    """

    def __init__(self, part: Part, sock: socket.socket, number: int) -> None:
        self.part = part
        self.config = part.config
        self.site = part.site
        self.packets = Packets(sock)
        self.reader = Reader(self.packets)
        self.number = number
        self.database = "gim"
        self.user = ""
        self.backend: Backend | None = None
        self._challenge: Challenge | None = None
        self._cursors: dict[int, Cursor] = {}
        self._next_cursor = 1
        self._lobs: dict[int, str] = {}
        self._next_lob = 1
        self._gone = False
        self._broken = False
        self._client: dict[str, str] = {}
        self._schema = ""
        self._late: OracleError | None = None
        self._path_in_transaction = False

    # -- life ------------------------------------------------------------------------------------

    def run(self) -> None:
        try:
            if not self._connect():
                return
            while True:
                try:
                    self._message()
                except Break:
                    self._answer_break()
        except ClientGone:
            pass
        except ProtocolError as error:
            log.error("session of %s ended: %s", self.user or "?", error)
        finally:
            if self.backend is not None:
                self.backend.close()
            with contextlib.suppress(OSError):
                self.packets.sock.close()

    def _interrupt(self) -> bool:
        """The client's socket became readable during a call: a break, or the end."""
        try:
            kind, body = self.packets.receive()
        except ClientGone:
            self._gone = True
            return True
        if kind == wire.PACKET_MARKER:
            self._broken = len(body) >= 3 and body[2] != wire.MARKER_RESET
            return self._broken
        if kind == wire.PACKET_DATA and len(body) >= 2 and struct.unpack(">H", body[:2])[0] & wire.DATA_FLAG_EOF:
            self._gone = True
            return True
        raise ProtocolError(f"packet of type {kind} while a call is running")

    def _answer_break(self) -> None:
        self._broken = False
        self.packets.send_marker(wire.MARKER_RESET)
        reply = Writer()
        self._error(reply, OracleError(1013, "user requested cancel of current operation"))
        self.packets.send_data(reply.data)

    # -- handshake -------------------------------------------------------------------------------

    def _connect(self) -> bool:
        kind, body = self.packets.receive()
        if kind != wire.PACKET_CONNECT or len(body) < wire.CONNECT_HEADER:
            raise ProtocolError("the first packet is no CONNECT")
        length, offset = wire.connect_data(body)
        sdu = struct.unpack(">I", body[50:54])[0] if offset >= 54 and len(body) >= 54 else 8192
        descriptor = body[offset : offset + length]
        if len(descriptor) < length:
            kind, more = self.packets.receive()
            descriptor = more[2:] if kind == wire.PACKET_DATA else b""
        text = descriptor.decode(errors="replace")
        if re.search(r"\(COMMAND\s*=\s*PING\s*\)", text, re.IGNORECASE):
            # So tnsping learns that a listener is there; a log-on may fail all the same.
            self._refuse(f"(DESCRIPTION=(TMP=)(VSNNUM={VERSION_NUMBER})(ERR=0)(ALIAS=LISTENER))")
            return False
        name = re.search(r"\((SERVICE_NAME|SID)\s*=\s*([^)]+)\)", text, re.IGNORECASE)
        database = self.config.database_of(self.site, name[2].strip().split(".")[0]) if name else None
        if database is None:
            code = 12505 if name and name[1].upper() == "SID" else 12514
            self._refuse(
                f"(DESCRIPTION=(TMP=)(VSNNUM={VERSION_NUMBER})(ERR={code})(ERROR_STACK=(ERROR=(CODE={code})(EMFI=4))))"
            )
            return False
        self.database = database
        self.packets.sdu = max(512, min(sdu or 8192, 65535))
        accept = struct.pack(">HHHHHHH", PROTOCOL_VERSION, 1, min(self.packets.sdu, 65535), 65535, 1, 0, 0)
        accept = accept.ljust(24, b"\0") + struct.pack(">II", self.packets.sdu, self.packets.sdu)
        self.packets.send(wire.PACKET_ACCEPT, accept.ljust(40, b"\0"))
        self.packets.large = True
        return True

    def _refuse(self, reason: str) -> None:
        data = reason.encode()
        self.packets.send(wire.PACKET_REFUSE, b"\x22\x00" + struct.pack(">H", len(data)) + data)

    def _protocol(self) -> None:
        self.reader.u8()
        while self.reader.u8():
            pass
        while self.reader.u8():  # the driver's name
            pass
        compile_caps = bytearray(55)
        compile_caps[7] = FIELD_VERSION
        runtime_caps = bytearray(13)
        runtime_caps[6] = 4  # 32 KB strings
        fdo = bytes(5) + bytes((0, 0, 0, 0)) + struct.pack(">H", 2000)
        reply = Writer().u8(MSG_PROTOCOL, 6, 0).raw(b"Oracle listener of the lab\0")
        reply.raw(struct.pack("<HBH", 873, 1, 0)).raw(struct.pack(">H", len(fdo))).raw(fdo)
        reply.value(bytes(compile_caps)).value(bytes(runtime_caps))
        self.packets.send_data(reply.data)

    def _data_types(self) -> None:
        self.reader.raw(5)
        self.reader.value()
        self.reader.value()
        while self.reader.u16():
            if self.reader.u16():
                self.reader.raw(4)
        self.packets.send_data(b"\x02\x00\x00")

    # -- messages --------------------------------------------------------------------------------

    def _message(self) -> None:
        kind = self.reader.u8()
        if kind == MSG_PROTOCOL:
            self._protocol()
        elif kind == MSG_DATA_TYPES:
            self._data_types()
        elif kind in (MSG_FUNCTION, MSG_PIGGYBACK):
            code = self.reader.u8()
            self.reader.u8()  # sequence number
            known = self._functions() if kind == MSG_FUNCTION else self._piggybacks()
            if code not in known:
                raise ProtocolError(f"{'function' if kind == MSG_FUNCTION else 'piggyback'} {code}")
            if kind == MSG_FUNCTION and self.backend is None and code not in (FUNC_AUTH_ONE, FUNC_AUTH_TWO):
                raise ProtocolError(f"function {code} before log-on")
            known[code]()
        else:
            raise ProtocolError(f"message of type {kind}")

    def _functions(self) -> dict[int, Callable[[], None]]:
        return {
            FUNC_AUTH_ONE: self._auth_one,
            FUNC_AUTH_TWO: self._auth_two,
            FUNC_EXECUTE: self._execute,
            FUNC_REEXECUTE: lambda: self._reexecute(fetch=False),
            FUNC_REEXECUTE_AND_FETCH: lambda: self._reexecute(fetch=True),
            FUNC_FETCH: self._fetch,
            FUNC_COMMIT: lambda: self._simple(self._commit),
            FUNC_ROLLBACK: lambda: self._simple(self._rollback),
            FUNC_PING: lambda: self._simple(lambda: None),
            FUNC_LOGOFF: self._logoff,
            FUNC_LOB: self._lob,
        }

    def _piggybacks(self) -> dict[int, Callable[[], None]]:
        return {
            FUNC_CLOSE_CURSORS: self._close_cursors,
            FUNC_END_TO_END: self._end_to_end,
            FUNC_SET_SCHEMA: self._set_schema,
            FUNC_LOB: self._free_lobs,
        }

    @property
    def _db(self) -> Backend:
        assert self.backend is not None
        return self.backend

    def _call_status(self) -> int:
        return 2 if self.backend is not None and self.backend.in_transaction else 0

    def _status(self, reply: Writer) -> None:
        reply.u8(MSG_STATUS).ub(self._call_status(), 0)

    def _error(
        self, reply: Writer, error: OracleError | None, *, cursor: int = 0, rows: int = 0, position: int = 0
    ) -> None:
        """The end of a call: ``error`` None for success."""
        code = error.code if error else 0
        reply.u8(MSG_ERROR).ub(self._call_status(), 0, rows & 0xFFFFFFFF, min(code, 65535), 0, 0, cursor, position)
        reply.u8(0, 0, 0, 0, 0, 0)
        reply.ub(0, 0).u8(0).ub(0, 0)  # rowid
        reply.ub(0).u8(0, 0).ub(0, 0, 0, 0, 0, 0).ub(code, rows)
        if error:
            # one packet: after a break the client takes exactly one
            reply.value(f"ORA-{code:05d}: {error.text}".encode()[: self.packets.sdu - 200] + b"\n")

    def _simple(self, action: Callable[[], None]) -> None:
        reply = Writer()
        try:
            action()
            self._status(reply)
        except OracleError as error:
            self._error(reply, error)
        self.packets.send_data(reply.data)

    def _logoff(self) -> None:
        self._simple(self._rollback)

    # -- log-on ----------------------------------------------------------------------------------

    def _auth_request(self) -> tuple[str, int, dict[str, str]]:
        reader = self.reader
        has_user = reader.u8()
        reader.ub()
        mode = reader.ub()
        reader.u8()
        count = reader.ub()
        reader.raw(2)
        user = (reader.value() or b"").decode() if has_user else ""
        pairs: dict[str, str] = {}
        for _ in range(count):
            key = reader.text()
            pairs[key.rstrip("\0")] = reader.text()
            reader.ub()
        return user, mode, pairs

    def _auth_one(self) -> None:
        user, _, pairs = self._auth_request()
        name = user.strip('"') if user.startswith('"') else user.upper()
        known = name in self.config.oracle_users(self.site, self.database)
        password = None
        if known or name == "SYS":
            password = self.config.password(self.site, "SYSTEM" if name == "SYS" else name)
        self.user = name
        self._client = {
            "program": pairs.get("AUTH_PROGRAM_NM", ""),
            "machine": pairs.get("AUTH_MACHINE", ""),
            "osuser": pairs.get("AUTH_SID", ""),
        }
        self._challenge = Challenge(password)
        reply = Writer().u8(MSG_PARAMETER)
        parameters = self._challenge.parameters()
        reply.ub(len(parameters)).pairs(parameters)
        self._status(reply)
        self.packets.send_data(reply.data)

    def _auth_two(self) -> None:
        _, mode, pairs = self._auth_request()
        reply = Writer()
        challenge, self._challenge = self._challenge, None
        key = None
        if challenge is not None:
            key = challenge.check(pairs.get("AUTH_SESSKEY", ""), pairs.get("AUTH_PASSWORD", ""))
        try:
            if key is None:
                raise OracleError(1017, "invalid username/password; logon denied")
            if mode & SYSDBA and self.user not in ("SYS", "SYSTEM"):
                raise OracleError(1031, "insufficient privileges")
            if self.user == "SYS" and not mode & SYSDBA:
                raise OracleError(28009, "connection as SYS should be as SYSDBA or SYSOPER")
            self._open_backend()
        except OracleError as error:
            self._error(reply, error)
            self.packets.send_data(reply.data)
            return
        site = self.config.sites[self.site]
        major, minor, a, b, c = VERSIONS[site.data_pump]
        service = self.config.service_name(self.site, self.database)
        values = {
            "AUTH_VERSION_STRING": "- Production",
            "AUTH_VERSION_NO": str(major << 24 | minor << 16 | a << 12 | b << 4 | c),
            "AUTH_SESSION_ID": str(self._db.process),
            "AUTH_SERIAL_NUM": str(self.number & 0xFFFF),
            "AUTH_SVR_RESPONSE": Challenge.proof(key or b""),
            "AUTH_MAX_OPEN_CURSORS": "300",
            "AUTH_MAX_IDEN_LENGTH": "30" if major < 12 else "128",
            "AUTH_SC_SERVICE_NAME": service,
            "AUTH_SC_DBUNIQUE_NAME": service,
            "AUTH_SC_REAL_DBUNIQUE_NAME": service,
            "AUTH_INSTANCENAME": service,
        }
        reply.u8(MSG_PARAMETER).ub(len(values)).pairs((k, v, 0) for k, v in values.items())
        self._status(reply)
        self.packets.send_data(reply.data)

    def _open_backend(self) -> None:
        role = "system" if self.user == "SYS" else self.user.lower()
        dsn = self.config.postgres_dsn(self.site, self.database).replace("user=postgres", f"user={role}")
        dsn += " connect_timeout=5 sslmode=disable gssencmode=disable"
        # Of all users, only GoldenGate's own is ever left out by an Extract.
        named = self.user if self.user == self.config.goldengate_schema else ""
        self.backend = Backend(dsn, self.packets.sock.fileno(), self._interrupt, named)
        self._schema = self.user
        self._db.execute(f"SET search_path = {self._path()}")
        self._db.execute("SET timezone = 'UTC'")
        self._db.execute("SET intervalstyle = 'postgres'")
        self._name_session("")

    def _path(self) -> str:
        # sys before pg_catalog: Oracle's functions and operators hide PostgreSQL's of the same name
        own = "" if self._schema == "SYS" else '"' + self._schema.lower().replace('"', "") + '", '
        return f"{own}sys, pg_catalog"

    def _name_session(self, module: str) -> None:
        parts = (
            self._client.get("program", ""),
            module,
            self._client.get("osuser", ""),
            self._client.get("machine", ""),
            str(self.number & 0xFFFF),
        )
        text = "ora|" + "|".join(p.replace("|", " ").replace("'", " ")[:20] for p in parts)
        self._db.execute(f"SET application_name = '{text[:63]}'")

    # -- piggybacks ------------------------------------------------------------------------------

    def _close_cursors(self) -> None:
        self.reader.u8()
        for _ in range(self.reader.ub()):
            self._cursors.pop(self.reader.ub(), None)

    def _end_to_end(self) -> None:
        reader = self.reader
        reader.raw(2)
        reader.ub()
        lengths: list[int] = []
        for _ in range(3):  # client identifier, module, action
            reader.u8()
            lengths.append(reader.ub())
        reader.u8()
        reader.ub()
        reader.u8()
        reader.ub()
        reader.u8()
        lengths.append(reader.ub())  # client info
        for _ in range(2):
            reader.u8()
            reader.ub()
        reader.u8()
        lengths.append(reader.ub())  # database operation
        texts = [(reader.value() or b"").decode() if length else "" for length in lengths]
        if lengths[1]:
            self._name_session(texts[1])

    def _set_schema(self) -> None:
        self.reader.u8()
        try:
            self._change_schema(self.reader.text().upper())
        except OracleError as error:
            self._late = error  # a piggyback has no reply of its own

    def _change_schema(self, name: str) -> None:
        known = {*self.config.oracle_users(self.site, self.database), "SYS"}
        if name not in known:
            raise OracleError(1435, "user does not exist")
        if name == self._schema:
            return  # the driver repeats it with every call
        self._schema = name
        self._db.execute(f"SET search_path = {self._path()}")
        self._path_in_transaction = self._db.in_transaction

    def _free_lobs(self) -> None:
        reader = self.reader
        reader.u8()
        size = reader.ub()
        reader.u8()
        reader.ub()
        reader.ub()
        reader.ub()
        reader.raw(3)
        reader.ub()
        reader.u8()
        reader.ub()
        reader.ub(8)
        reader.ub(8)
        reader.u8()
        for _ in range(3):
            reader.u8()
            reader.ub()
        locators = reader.raw(size)
        for start in range(0, size, LOCATOR_SIZE):
            self._lobs.pop(_lob_number(locators[start : start + LOCATOR_SIZE]), None)

    # -- transactions ----------------------------------------------------------------------------

    def _commit(self) -> None:
        self._db.commit()
        self._path_in_transaction = False

    def _rollback(self) -> None:
        self._db.rollback()
        if self._path_in_transaction:
            self._db.execute(f"SET search_path = {self._path()}")
            self._path_in_transaction = False

    # -- execute ---------------------------------------------------------------------------------

    def _metadata(self, count: int) -> list[Bind]:
        reader = self.reader
        found: list[Bind] = []
        for _ in range(count):
            kind, flags = reader.u8(), reader.u8()
            reader.raw(2)
            size = reader.ub()
            reader.ub()
            reader.ub(8)
            reader.two_lengths()
            reader.ub()
            reader.ub()
            form = reader.u8()
            reader.ub()
            reader.ub()
            if flags & 0x40:
                raise ProtocolError("PL/SQL arrays are not known to the lab's listener")
            found.append(Bind(kind, size, form))
        return found

    def _bind_row(self, binds: list[Bind], *, plsql: bool) -> list[bytes | None]:
        """One row of values; LONG values come last."""
        if (message := self.reader.u8()) != MSG_ROW:
            raise ProtocolError(f"message of type {message} where a row of binds was expected")
        values: list[bytes | None] = [None] * len(binds)
        late = [i for i, b in enumerate(binds) if not plsql and b.size > 32767]
        for i in [i for i in range(len(binds)) if i not in late] + late:
            bind = binds[i]
            if bind.kind in (types.CLOB, types.BLOB):
                locator = self.reader.two_lengths()
                text = None if locator is None else self._lobs.get(_lob_number(locator), "")
                values[i] = None if text is None else text.encode()
            elif bind.kind == types.BOOLEAN:
                data = self.reader.u8()
                values[i] = None if data == 253 else b"true"
                self.reader.raw(1 if data == 253 else data)
            else:
                raw = self.reader.value()
                try:
                    values[i] = types.decode(raw, bind.kind, bind.form)
                except (ValueError, IndexError) as error:
                    raise ProtocolError(str(error)) from None
        return values

    def _execute(self) -> None:
        reader = self.reader
        options = reader.ub()
        number = reader.ub()
        has_sql = reader.u8()
        reader.ub()
        reader.u8()
        reader.ub()
        reader.raw(2)
        reader.ub()
        iterations = reader.ub()
        reader.ub()
        reader.u8()
        bind_count = reader.ub()
        reader.raw(5)
        reader.u8()
        define_count = reader.ub()
        reader.ub()
        reader.raw(3)
        reader.ub()
        reader.u8()
        reader.ub()
        reader.ub()
        reader.u8()
        reader.ub()
        reader.u8()
        reader.u8()
        reader.ub()
        reader.u8()
        reader.ub()
        reader.u8()
        reader.u8()
        reader.ub()
        sql = (reader.value() or b"").decode() if has_sql else ""
        numbers = [reader.ub() for _ in range(13)]
        executions = numbers[1]
        failed: OracleError | None = None
        cursor = self._cursors.get(number)
        plsql = False
        if has_sql:
            plsql = re.match(r"\s*(?:/\*.*?\*/\s*|--[^\n]*\n\s*)*(begin|declare|call)\b", sql, re.I | re.S) is not None
            try:
                statement = translate(sql)
            except OracleError as error:
                failed = error
                statement = Statement("nothing", "")
                statement.returning = _count_returning(sql)
            cursor = Cursor(number, sql, statement)
        elif cursor is None:
            raise ProtocolError(f"cursor {number} is not open")
        else:
            plsql = cursor.statement.kind == "call"
        assert cursor is not None
        rows: list[list[bytes | None]] = []
        if options & EXEC_DEFINE:
            cursor.defines = [d.kind for d in self._metadata(define_count)]
        elif bind_count:
            cursor.binds = self._metadata(bind_count)
            inputs = cursor.binds[: len(cursor.binds) - cursor.statement.returning]
            if inputs:
                count = 1 if cursor.statement.kind in ("query", "dml_query") or numbers[7] else max(executions, 1)
                rows = [self._bind_row(inputs, plsql=plsql) for _ in range(count)]
        if failed is not None:
            reply = Writer()
            self._error(reply, failed)
            self.packets.send_data(reply.data)
            return
        if has_sql and number == 0:
            number = self._next_cursor
            while number in self._cursors:
                number = number % 65000 + 1
            self._next_cursor = number % 65000 + 1
            cursor.number = number
        self._cursors[cursor.number] = cursor
        self._perform(
            cursor,
            rows or [[]] * (1 if cursor.statement.kind != "dml" else max(executions, 1)),
            describe=bool(options & (EXEC_PARSE | EXEC_DESCRIBE)),
            execute=bool(options & EXEC_EXECUTE),
            fetch=iterations if options & EXEC_FETCH else 0,
            commit=bool(options & EXEC_COMMIT),
            batch_errors=bool(options & EXEC_BATCH_ERRORS),
            rowcounts=bool(numbers[9] & EXEC_FLAG_ROWCOUNTS),
        )

    def _reexecute(self, *, fetch: bool) -> None:
        reader = self.reader
        cursor = self._cursors.get(number := reader.ub())
        if cursor is None:
            raise ProtocolError(f"cursor {number} is not open")
        iterations = reader.ub()
        reader.ub()
        options = reader.ub()
        inputs = cursor.binds[: len(cursor.binds) - cursor.statement.returning]
        count = 1 if fetch else max(iterations, 1)
        plsql = cursor.statement.kind in ("call", "nothing")
        rows = [self._bind_row(inputs, plsql=plsql) for _ in range(count)] if inputs else [[]] * count
        self._perform(
            cursor, rows, describe=False, execute=True, fetch=iterations if fetch else 0, commit=bool(options & 1)
        )

    def _perform(
        self,
        cursor: Cursor,
        rows: list[list[bytes | None]],
        *,
        describe: bool,
        execute: bool,
        fetch: int,
        commit: bool,
        batch_errors: bool = False,
        rowcounts: bool = False,
    ) -> None:
        """Run a cursor's statement and answer."""
        reply = Writer()
        affected = 0
        counts: list[int] = []
        try:
            if self._late is not None:
                late, self._late = self._late, None
                raise late
            if not execute and not (describe and cursor.statement.kind == "query"):
                self._error(reply, None, cursor=cursor.number)
            elif cursor.statement.kind in ("query", "dml_query"):
                self._query(cursor, rows[0] if rows else [], reply, describe=describe)
                # a client that has not said how it wants its CLOBs gets no rows yet
                undefined = not cursor.defines and any(c.kind == types.CLOB for c in cursor.columns)
                if execute and fetch and not undefined:
                    self._rows(cursor, fetch, reply)
                else:
                    self._error(reply, None, cursor=cursor.number)
            else:
                if batch_errors:
                    raise OracleError(3001, "unimplemented feature (lab: batch errors)")
                out: list[tuple[tuple[bytes | None, ...], ...]] = []
                for values in rows:
                    result = self._change(cursor, values)
                    changed = int(result.command_tuples or 0) if result is not None else 0
                    if cursor.statement.kind not in ("dml", "dml_query"):
                        changed = 0
                    affected += changed
                    counts.append(changed)
                    if cursor.statement.returning and result is not None:
                        out.append(self._returned(cursor, result))
                if commit:
                    self._commit()
                if cursor.statement.kind == "call" and cursor.binds:
                    reply.u8(MSG_IO_VECTOR, 0).ub(len(cursor.binds) % 256, len(cursor.binds) // 256, 1, 0, 0, 0)
                    reply.raw(bytes([32] * len(cursor.binds)))
                for columns in out:
                    reply.u8(MSG_ROW)
                    for column in columns:
                        reply.ub(len(column))
                        for value in column:
                            reply.value(value).ub(0)
                if rowcounts:
                    reply.u8(MSG_PARAMETER).ub(0, 0, 0, 0, len(counts)).ub(*counts)
                self._error(reply, None, cursor=cursor.number, rows=affected)
        except Interrupted:
            if self._gone:
                raise ClientGone("the client left during a call") from None
            raise Break from None
        except OracleError as error:
            reply = Writer()
            self._error(reply, error, cursor=cursor.number, rows=affected)
        if execute and commit and cursor.statement.kind in ("query", "dml_query"):
            self._commit()
        self.packets.send_data(reply.data)

    def _ordered(self, cursor: Cursor, values: list[bytes | None]) -> tuple[list[bytes | None], list[Bind]]:
        order = cursor.statement.order
        if order and max(order) >= len(values):
            raise OracleError(1008, "not all variables bound")
        return [values[i] for i in order], [cursor.binds[i] for i in order]

    def _run(
        self,
        cursor: Cursor,
        values: list[bytes | None],
        run: Callable[[str, list[bytes | None], list[int], str], abc.PGresult],
    ) -> abc.PGresult:
        """Run with the most likely types of the binds, then with others."""
        sql = cursor.statement.sql
        if cursor.statement.needs_scn:
            sql = sql.replace("{scn}", str(self.part.take_scn(self.database)))
        ordered, binds = self._ordered(cursor, values)
        guesses = [_guess(ordered, binds, n) for n in range(3)] if ordered else [[]]
        for number, guess in enumerate(guesses):
            try:
                return run(sql, ordered, guess, cursor.sql)
            except OracleError as error:
                rest = [g for g in guesses[number + 1 :] if g != guess]
                if error.state not in _TYPE_ERRORS or not rest:
                    raise
        raise AssertionError("unreachable")

    def _query(self, cursor: Cursor, values: list[bytes | None], reply: Writer, *, describe: bool) -> None:
        run = self._db.query if cursor.statement.kind == "query" else self._db.change
        result = self._run(cursor, values, run)
        cursor.result, cursor.at = result, 0
        cursor.columns = [self._column(cursor, result, i) for i in range(result.nfields)]
        if describe or cursor.columns != cursor.described:
            if cursor.described and not describe:
                cursor.defines = []
            self._describe(cursor, reply)

    def _column(self, cursor: Cursor, result: abc.PGresult, index: int) -> types.Column:
        name = (result.fname(index) or b"?").decode()
        if name not in cursor.statement.exact_names:
            name = name.upper()
        kind = result.ftype(index)
        table = result.ftable(index)
        clob = kind == 25 and bool(table) and self.part.is_clob_table(self.database, table)
        return types.column(name, kind, result.fmod(index), clob=clob)

    def _describe(self, cursor: Cursor, reply: Writer) -> None:
        columns = cursor.columns
        reply.u8(MSG_DESCRIBE, 0).ub(sum(c.size for c in columns) & 0xFFFFFFFF, len(columns))
        if columns:
            reply.u8(0)
        for position, column in enumerate(columns):
            text = column.kind in types.TEXT_TYPES
            size = column.size * 4 if column.kind in (types.VARCHAR, types.CHAR) else column.size
            reply.u8(column.kind, 0, column.precision & 0xFF, column.scale & 0xFF).ub(size, 0, 0, 0, 0)
            reply.ub(873 if text else 0).u8(1 if text else 0)
            reply.ub(column.size if text else 0, 0).u8(1, 0)
            reply.two_lengths(column.name.encode()).ub(0, 0, position + 1, 0)
        reply.ub(0, 0, 0, 0, 0, 0)
        cursor.described = columns

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
        if end == total:
            self._error(reply, OracleError(1403, "no data found"), cursor=cursor.number, rows=end)
        else:
            self._error(reply, None, cursor=cursor.number, rows=end)

    def _clob(self, cursor: Cursor, index: int, value: bytes | None, reply: Writer) -> None:
        if index < len(cursor.defines) and cursor.defines[index] not in (types.CLOB, types.BLOB):
            reply.value(value).ub(0, 0)  # as LONG: with null indicator and return code
        elif value is None:
            reply.ub(0)
        else:
            text = value.decode()
            number = self._next_lob
            self._next_lob += 1
            self._lobs[number] = text
            while len(self._lobs) > MAX_LOBS:
                self._lobs.pop(next(iter(self._lobs)))
            reply.ub(LOCATOR_SIZE, len(text), 8132).value(_locator(number))

    def _fetch(self) -> None:
        cursor = self._cursors.get(number := self.reader.ub())
        count = self.reader.ub()
        if cursor is None:
            raise ProtocolError(f"cursor {number} is not open")
        reply = Writer()
        try:
            self._rows(cursor, count, reply)
        except OracleError as error:
            reply = Writer()
            self._error(reply, error, cursor=cursor.number)
        self.packets.send_data(reply.data)

    def _change(self, cursor: Cursor, values: list[bytes | None]) -> abc.PGresult | None:
        """Everything that is not a query."""
        statement, db = cursor.statement, self._db
        kind = statement.kind
        if kind in ("dml", "lock"):
            return self._run(cursor, values, db.change)
        if kind == "call":
            if statement.autonomous:
                self._commit()
                return self._run(cursor, values, lambda s, v, t, o: db.execute(s, v, t, source=o))
            return self._run(cursor, values, db.change)
        if kind == "ddl":
            self._commit()
            return db.execute(statement.sql, source=cursor.sql)
        if kind == "commit":
            self._commit()
        elif kind == "rollback":
            self._rollback()
        elif kind == "savepoint":
            if not db.in_transaction:
                db.execute("BEGIN")
            db.execute(statement.sql, source=cursor.sql)
        elif kind == "read_only":
            if db.in_transaction:
                raise OracleError(1453, "SET TRANSACTION must be first statement of transaction")
            db.execute(statement.sql)
        elif kind == "nothing" and statement.schema is not None:
            self._change_schema(statement.schema)
        return None

    def _returned(self, cursor: Cursor, result: abc.PGresult) -> tuple[tuple[bytes | None, ...], ...]:
        """Values for the binds of RETURNING ... INTO, in the types that the client asked for."""
        targets = cursor.binds[len(cursor.binds) - cursor.statement.returning :]
        found: list[tuple[bytes | None, ...]] = []
        for index, bind in enumerate(targets):
            column = types.column("", result.ftype(index), result.fmod(index))
            if bind.kind in (types.VARCHAR, types.CHAR, types.LONG):
                column = types.Column("", types.VARCHAR, 32767)
            elif bind.kind in (types.DATE, types.TIMESTAMP, types.TIMESTAMP_TZ, types.NUMBER):
                column = types.Column("", bind.kind, 22)
            values = (result.get_value(row, index) for row in range(result.ntuples))
            found.append(tuple(None if v is None else types.encode(v, column) for v in values))
        return tuple(found)

    # -- LOBs ------------------------------------------------------------------------------------

    def _lob(self) -> None:
        reader = self.reader
        reader.u8()
        size = reader.ub()
        reader.u8()
        reader.ub()
        reader.ub()
        reader.ub()
        reader.raw(3)
        operation = reader.ub()
        reader.raw(2)
        offset = reader.ub(8)
        reader.ub(8)
        has_amount = reader.u8()
        reader.raw(6)
        locator = reader.raw(size) if size else b""
        if operation == LOB_CREATE_TEMP:
            reader.ub()
        data = b""
        if operation == LOB_WRITE:
            if reader.u8() != MSG_LOB_DATA:
                raise ProtocolError("a LOB write without data")
            data = reader.value() or b""
        amount = reader.ub(8) if has_amount else 0
        number = _lob_number(locator)
        text = self._lobs.get(number, "")
        reply = Writer()
        if operation == LOB_READ:
            piece = text[offset - 1 : offset - 1 + amount]
            amount = len(piece)
            if piece:
                reply.u8(MSG_LOB_DATA).value(piece.encode())
        elif operation == LOB_GET_LENGTH:
            amount = len(text)
        elif operation == LOB_CHUNK_SIZE:
            amount = 8132
        elif operation == LOB_CREATE_TEMP:
            number = self._next_lob
            self._next_lob += 1
            self._lobs[number] = ""
            locator = _locator(number, size)
        elif operation == LOB_WRITE:
            new = data.decode()
            self._lobs[number] = text[: offset - 1].ljust(offset - 1) + new + text[offset - 1 + len(new) :]
        elif operation not in (LOB_OPEN, LOB_CLOSE, LOB_FREE_TEMP, LOB_IS_OPEN):
            raise ProtocolError(f"LOB operation {operation:#x}")
        reply.u8(MSG_PARAMETER).raw(locator)
        if operation == LOB_CREATE_TEMP:
            reply.ub(873).u8(0)
        elif has_amount:
            reply.ub(amount)
        if operation == LOB_IS_OPEN:
            reply.u8(0)
        self._status(reply)
        self.packets.send_data(reply.data)


def _locator(number: int, size: int = LOCATOR_SIZE) -> bytes:
    return (bytes(16) + struct.pack(">Q", number)).ljust(size, b"\0")


def _lob_number(locator: bytes) -> int:
    return struct.unpack(">Q", locator[16:24])[0] if len(locator) >= 24 else 0


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
