"""One client of the listener: handshake, log-on and calls."""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import struct
from collections.abc import Callable

from infomart_lab.config import fault
from infomart_lab.oracle import messages, replies, wire
from infomart_lab.oracle.auth import Challenge
from infomart_lab.oracle.backend import Backend, Interrupted
from infomart_lab.oracle.errors import OracleError
from infomart_lab.oracle.execution import Executor, Part
from infomart_lab.oracle.wire import Break, ClientGone, Packets, ProtocolError, Reader, Writer

log = logging.getLogger(__name__)

SYSDBA = 0x20
_DEFAULT_SDU = 8192

VERSIONS = {"11.2": (11, 2, 0, 4, 0), "19c": (19, 0, 0, 0, 0), "21c": (21, 0, 0, 0, 0)}


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
        self._backend: Backend | None = None
        self._executor: Executor | None = None
        self._challenge: Challenge | None = None
        self._client: dict[str, str] = {}
        self._gone = False

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
            if self._backend is not None:
                self._backend.close()
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
            return len(body) >= 3 and body[2] != wire.MARKER_RESET
        if kind == wire.PACKET_DATA and len(body) >= 2 and struct.unpack(">H", body[:2])[0] & wire.DATA_FLAG_EOF:
            self._gone = True
            return True
        raise ProtocolError(f"packet of type {kind} while a call is running")

    def _answer_break(self) -> None:
        self.packets.send_marker(wire.MARKER_RESET)
        reply = Writer()
        self._refuse_call(reply, OracleError(1013, "user requested cancel of current operation"))
        self.packets.send_data(reply.data)

    # -- handshake -------------------------------------------------------------------------------

    def _connect(self) -> bool:
        kind, body = self.packets.receive()
        if kind != wire.PACKET_CONNECT or len(body) < wire.CONNECT_HEADER:
            raise ProtocolError("the first packet is no CONNECT")
        length, offset = wire.connect_data(body)
        sdu = struct.unpack(">I", body[50:54])[0] if offset >= 54 and len(body) >= 54 else _DEFAULT_SDU
        descriptor = body[offset : offset + length]
        if len(descriptor) < length:
            kind, more = self.packets.receive()
            descriptor = more[2:] if kind == wire.PACKET_DATA else b""
        text = descriptor.decode(errors="replace")
        if re.search(r"\(COMMAND\s*=\s*PING\s*\)", text, re.IGNORECASE):
            # tnsping then finds a listener; a log-on may still fail.
            self.packets.send(wire.PACKET_REFUSE, replies.refuse(0))
            return False
        name = re.search(r"\((SERVICE_NAME|SID)\s*=\s*([^)]+)\)", text, re.IGNORECASE)
        database = self.config.database_of(self.site, name[2].strip().split(".")[0]) if name else None
        if database is None:
            code = 12505 if name and name[1].upper() == "SID" else 12514
            self.packets.send(wire.PACKET_REFUSE, replies.refuse(code))
            return False
        self.database = database
        self.packets.sdu = max(512, min(sdu or _DEFAULT_SDU, 65535))
        self.packets.send(wire.PACKET_ACCEPT, replies.accept(self.packets.sdu))
        self.packets.large = True
        return True

    # -- messages --------------------------------------------------------------------------------

    def _message(self) -> None:
        kind = self.reader.u8()
        if kind == messages.MSG_PROTOCOL:
            messages.read_protocol(self.reader)
            self.packets.send_data(replies.protocol().data)
        elif kind == messages.MSG_DATA_TYPES:
            messages.read_data_types(self.reader)
            self.packets.send_data(replies.data_types())
        elif kind == messages.MSG_FUNCTION:
            self._function(self._code())
        elif kind == messages.MSG_PIGGYBACK:
            self._piggyback(self._code())
        else:
            raise ProtocolError(f"message of type {kind}")

    def _code(self) -> int:
        code = self.reader.u8()
        self.reader.u8()  # sequence number
        return code

    def _function(self, code: int) -> None:
        """A call: it has a reply."""
        if code == messages.FUNC_AUTH_ONE:
            reply = self._auth_one()
        elif code == messages.FUNC_AUTH_TWO:
            reply = self._auth_two()
        else:
            executor = self._executor
            if executor is None:
                raise ProtocolError(f"function {code} before log-on")
            calls: dict[int, Callable[[], Writer]] = {
                messages.FUNC_EXECUTE: executor.execute,
                messages.FUNC_REEXECUTE: lambda: executor.reexecute(fetch=False),
                messages.FUNC_REEXECUTE_AND_FETCH: lambda: executor.reexecute(fetch=True),
                messages.FUNC_FETCH: executor.fetch,
                messages.FUNC_LOB: executor.lob,
                messages.FUNC_COMMIT: lambda: self._simple(executor.commit),
                messages.FUNC_ROLLBACK: lambda: self._simple(executor.rollback),
                messages.FUNC_PING: lambda: self._simple(lambda: None),
                messages.FUNC_LOGOFF: lambda: self._simple(executor.rollback),
            }
            if code not in calls:
                raise ProtocolError(f"function {code}")
            try:
                reply = calls[code]()
            except Interrupted:
                if self._gone:
                    raise ClientGone("the client left during a call") from None
                raise Break from None
        self.packets.send_data(reply.data)

    def _piggyback(self, code: int) -> None:
        """A message before a call, without a reply of its own."""
        executor = self._executor
        if executor is None:
            raise ProtocolError(f"piggyback {code} before log-on")
        if code == messages.FUNC_CLOSE_CURSORS:
            executor.close_cursors(messages.read_close_cursors(self.reader))
        elif code == messages.FUNC_END_TO_END:
            if module := messages.read_end_to_end(self.reader).get("module"):
                self._name_session(module)
        elif code == messages.FUNC_SET_SCHEMA:
            executor.set_schema(messages.read_set_schema(self.reader))
        elif code == messages.FUNC_LOB:
            executor.lobs.free(messages.read_free_lobs(self.reader))
        else:
            raise ProtocolError(f"piggyback {code}")

    @property
    def _in_transaction(self) -> bool:
        return self._backend is not None and self._backend.in_transaction

    def _refuse_call(self, reply: Writer, error: OracleError) -> None:
        replies.end(reply, self._in_transaction, self.packets.sdu, error)

    def _simple(self, action: Callable[[], None]) -> Writer:
        reply = Writer()
        try:
            action()
            replies.status(reply, self._in_transaction)
        except OracleError as error:
            self._refuse_call(reply, error)
        return reply

    # -- log-on ----------------------------------------------------------------------------------

    def _auth_one(self) -> Writer:
        request = messages.read_authenticate(self.reader)
        name = request.user.strip('"') if request.user.startswith('"') else request.user.upper()
        known = name in self.config.oracle_users(self.site, self.database)
        password = None
        if known or name == "SYS":
            password = self.config.password(self.site, "SYSTEM" if name == "SYS" else name)
        self.user = name
        self._client = {
            "program": request.pairs.get("AUTH_PROGRAM_NM", ""),
            "machine": request.pairs.get("AUTH_MACHINE", ""),
            "osuser": request.pairs.get("AUTH_SID", ""),
        }
        self._challenge = Challenge(password)
        reply = Writer()
        replies.parameters(reply, self._challenge.parameters())
        replies.status(reply, self._in_transaction)
        return reply

    def _auth_two(self) -> Writer:
        request = messages.read_authenticate(self.reader)
        reply = Writer()
        challenge, self._challenge = self._challenge, None
        key = None
        if challenge is not None:
            key = challenge.check(request.pairs.get("AUTH_SESSKEY", ""), request.pairs.get("AUTH_PASSWORD", ""))
        try:
            if key is None:
                raise OracleError(1017, "invalid username/password; logon denied")
            if request.mode & SYSDBA and self.user not in ("SYS", "SYSTEM"):
                raise OracleError(1031, "insufficient privileges")
            if self.user == "SYS" and not request.mode & SYSDBA:
                raise OracleError(28009, "connection as SYS should be as SYSDBA or SYSOPER")
            if fault(self.config, f"{self.site}.oracle.no_sessions"):
                raise OracleError(18, "maximum number of sessions exceeded")
            backend = self._open_backend()
        except OracleError as error:
            self._refuse_call(reply, error)
            return reply
        site = self.config.sites[self.site]
        major, minor, a, b, c = VERSIONS[site.data_pump]
        service = self.config.service_name(self.site, self.database)
        values = {
            "AUTH_VERSION_STRING": "- Production",
            "AUTH_VERSION_NO": str(major << 24 | minor << 16 | a << 12 | b << 4 | c),
            "AUTH_SESSION_ID": str(backend.process),
            "AUTH_SERIAL_NUM": str(self.number & 0xFFFF),
            "AUTH_SVR_RESPONSE": Challenge.proof(key or b""),
            "AUTH_MAX_OPEN_CURSORS": "300",
            "AUTH_MAX_IDEN_LENGTH": "30" if major < 12 else "128",
            "AUTH_SC_SERVICE_NAME": service,
            "AUTH_SC_DBUNIQUE_NAME": service,
            "AUTH_SC_REAL_DBUNIQUE_NAME": service,
            "AUTH_INSTANCENAME": service,
        }
        replies.parameters(reply, [(name, value, 0) for name, value in values.items()])
        replies.status(reply, self._in_transaction)
        return reply

    def _open_backend(self) -> Backend:
        role = "system" if self.user == "SYS" else self.user.lower()
        dsn = self.config.postgres_dsn(self.site, self.database).replace("user=postgres", f"user={role}")
        dsn += " connect_timeout=5 sslmode=disable gssencmode=disable"
        # A logon trigger compares the machine.
        dsn += f" application_name='{self._shown('')}'"
        # The only user whose transactions an Extract leaves out is GoldenGate's own.
        named = self.user if self.user == self.config.sites[self.site].goldengate_schema else ""
        backend = self._backend = Backend(dsn, self.packets.sock.fileno(), self._interrupt, named)
        self._executor = Executor(self.part, self.database, backend, self.user, self.reader, self.packets.sdu)
        return backend

    def _shown(self, module: str) -> str:
        parts = (
            self._client.get("program", ""),
            module,
            self._client.get("osuser", ""),
            self._client.get("machine", ""),
            str(self.number & 0xFFFF),
        )
        text = "ora|" + "|".join(re.sub(r"[|'\\]", " ", part)[:20] for part in parts)
        return text[:63]

    def _name_session(self, module: str) -> None:
        assert self._backend is not None
        self._backend.execute(f"SET application_name = '{self._shown(module)}'")
