"""Framing of Oracle's wire protocol (TNS packets) and the encodings inside them (TTC).

Written after the public source of python-oracledb's thin driver (``src/oracledb/impl/thin``). A request has no
length, so :class:`Reader` reads packets on demand, and every parsing error ends the session with a message.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterable

PACKET_CONNECT = 1
PACKET_ACCEPT = 2
PACKET_REFUSE = 4
PACKET_DATA = 6
PACKET_MARKER = 12

#: Bytes of the body of a CONNECT packet of the oldest clients, before the connect descriptor.
CONNECT_HEADER = 26

MARKER_BREAK = 1
MARKER_RESET = 2
MARKER_INTERRUPT = 3

#: Data flag of the packet that ends a session.
DATA_FLAG_EOF = 0x0040
#: Longest value whose length fits into one byte.
MAX_SHORT_LENGTH = 252
LONG_LENGTH = 254
NULL_LENGTH = 255
CHUNK = 32767


class ProtocolError(Exception):
    """The client sent something that this listener cannot parse; the session must end."""


class ClientGone(Exception):
    """The client closed its socket."""


class Break(Exception):
    """The client asked to interrupt the running call."""


def connect_data(body: bytes) -> tuple[int, int]:
    """Length of the connect descriptor, and its offset in the body of a CONNECT packet."""
    length, offset = struct.unpack_from(">HH", body, 16)
    return length, offset - 8


class Packets:
    """Packets over a socket.

    :param sock: connected socket.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        #: Packet lengths are 16 bits until ACCEPT and 32 bits after it.
        self.large = False
        self.sdu = 8192

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            try:
                piece = self.sock.recv(count - len(data))
            except OSError as error:
                raise ClientGone(str(error)) from None
            if not piece:
                raise ClientGone("the client closed the connection")
            data += piece
        return bytes(data)

    def receive(self) -> tuple[int, bytes]:
        """Next packet: type and body.

        :raises ClientGone: the client closed the connection.
        """
        header = self._exactly(8)
        size = struct.unpack(">I", header[:4])[0] if self.large else struct.unpack(">H", header[:2])[0]
        if not 8 <= size <= 1 << 24:
            raise ProtocolError(f"packet of {size} bytes")
        return header[4], self._exactly(size - 8)

    def send(self, kind: int, body: bytes) -> None:
        """Write one packet.

        :raises ClientGone: the client closed the connection.
        """
        size = len(body) + 8
        head = struct.pack(">I", size) if self.large else struct.pack(">HH", size, 0)
        try:
            self.sock.sendall(head + bytes((kind, 0, 0, 0)) + body)
        except OSError as error:
            raise ClientGone(str(error)) from None

    def send_data(self, payload: bytes | bytearray) -> None:
        """Write a payload as DATA packets that fit the session data unit."""
        room = self.sdu - 10
        for start in range(0, len(payload), room):
            self.send(PACKET_DATA, b"\x00\x00" + bytes(payload[start : start + room]))

    def send_marker(self, kind: int) -> None:
        self.send(PACKET_MARKER, bytes((1, 0, kind)))

    def readable(self) -> bool:
        """True when the client has sent something, or has gone."""
        return bool(select.select([self.sock], [], [], 0)[0])


class Reader:
    """The client's requests as one stream of bytes.

    :param packets: source of packets; None for a reader over ``data`` alone.
    :param data: bytes that are already there.
    """

    def __init__(self, packets: Packets | None = None, data: bytes = b"") -> None:
        self._packets = packets
        self._data = data
        self._at = 0

    @property
    def pending(self) -> int:
        """Number of bytes received and not yet read."""
        return len(self._data) - self._at

    def discard(self) -> None:
        """Forget what has been received (after a break)."""
        self._data, self._at = b"", 0

    def _more(self) -> None:
        if self._packets is None:
            raise ProtocolError("the message ends too early")
        while True:
            kind, body = self._packets.receive()
            if kind == PACKET_DATA:
                if len(body) < 2:
                    raise ProtocolError("a DATA packet without flags")
                if struct.unpack(">H", body[:2])[0] & DATA_FLAG_EOF:
                    raise ClientGone("end of session")
                self._data = self._data[self._at :] + body[2:]
                self._at = 0
                if len(body) > 2:
                    return
            elif kind == PACKET_MARKER:
                if len(body) >= 3 and body[2] != MARKER_RESET:
                    self.discard()
                    raise Break
            else:
                raise ProtocolError(f"unexpected packet of type {kind}")

    def raw(self, count: int) -> bytes:
        while len(self._data) - self._at < count:
            self._more()
        start = self._at
        self._at += count
        return self._data[start : self._at]

    def u8(self) -> int:
        return self.raw(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.raw(2), "big")

    def ub(self, size: int = 4) -> int:
        """Unsigned integer in the universal format: a length byte, then that many bytes."""
        length = self.u8()
        if length & 0x80 or length > size:
            raise ProtocolError(f"integer of {length} bytes where at most {size} were expected")
        return int.from_bytes(self.raw(length), "big")

    def value(self) -> bytes | None:
        """Bytes with a one-byte length, or in chunks; None for NULL."""
        length = self.u8()
        if length in (0, NULL_LENGTH):
            return None
        if length != LONG_LENGTH:
            return self.raw(length)
        data = bytearray()
        while size := self.ub():
            data += self.raw(size)
        return bytes(data)

    def two_lengths(self) -> bytes | None:
        """Bytes that are preceded by their length twice."""
        return self.value() if self.ub() else None

    def text(self) -> str:
        return (self.two_lengths() or b"").decode()


class Writer:
    """A reply under construction."""

    def __init__(self) -> None:
        self.data = bytearray()

    def u8(self, *values: int) -> Writer:
        self.data += bytes(values)
        return self

    def ub(self, *values: int) -> Writer:
        """Unsigned integers in the universal format."""
        for value in values:
            if value == 0:
                self.data.append(0)
            else:
                size = 1 if value < 1 << 8 else 2 if value < 1 << 16 else 4 if value < 1 << 32 else 8
                self.data.append(size)
                self.data += value.to_bytes(size, "big")
        return self

    def raw(self, value: bytes) -> Writer:
        self.data += value
        return self

    def value(self, value: bytes | None) -> Writer:
        """Bytes with their length; NULL for None and for no bytes (to Oracle they are the same)."""
        if not value:
            self.data.append(0)
        elif len(value) <= MAX_SHORT_LENGTH:
            self.data.append(len(value))
            self.data += value
        else:
            self.data.append(LONG_LENGTH)
            for start in range(0, len(value), CHUNK):
                piece = value[start : start + CHUNK]
                self.ub(len(piece))
                self.data += piece
            self.data.append(0)
        return self

    def two_lengths(self, value: bytes) -> Writer:
        self.ub(len(value))
        if value:
            self.value(value)
        return self

    def pairs(self, pairs: Iterable[tuple[str, str, int]]) -> Writer:
        """Key, value and flags, as in the replies of authentication."""
        for key, value, flags in pairs:
            self.two_lengths(key.encode()).two_lengths(value.encode()).ub(flags)
        return self
