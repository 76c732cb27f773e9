"""The listener's answers: packets of the handshake, and the messages of replies."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from infomart_lab.oracle import types
from infomart_lab.oracle.errors import OracleError
from infomart_lab.oracle.messages import (
    MSG_DESCRIBE,
    MSG_ERROR,
    MSG_IO_VECTOR,
    MSG_PARAMETER,
    MSG_PROTOCOL,
    MSG_ROW,
    MSG_STATUS,
)
from infomart_lab.oracle.wire import Writer

#: Field version sent to the client: 12 stands for release 19.1 and avoids everything newer.
FIELD_VERSION = 12
PROTOCOL_VERSION = 315
#: Listener's version in its refusals.
VERSION_NUMBER = 318767104
#: UTF-8, the only character set.
CHARSET = 873
NO_DATA_FOUND = OracleError(1403, "no data found")

#: Direction of a bind in the IO vector.
_BOTH_WAYS = 32
_IN_TRANSACTION = 2


# -- handshake ------------------------------------------------------------------------------------


def accept(sdu: int) -> bytes:
    """Body of the packet ACCEPT.

    :param sdu: size of the session data unit.
    """
    body = struct.pack(">HHHHHHH", PROTOCOL_VERSION, 1, min(sdu, 65535), 65535, 1, 0, 0)
    return (body.ljust(24, b"\0") + struct.pack(">II", sdu, sdu)).ljust(40, b"\0")


def refuse(code: int) -> bytes:
    """Body of the packet REFUSE; code 0 is the answer to a ping."""
    reason = f"(ERR={code})(ERROR_STACK=(ERROR=(CODE={code})(EMFI=4)))" if code else "(ERR=0)(ALIAS=LISTENER)"
    data = f"(DESCRIPTION=(TMP=)(VSNNUM={VERSION_NUMBER}){reason})".encode()
    return b"\x22\x00" + struct.pack(">H", len(data)) + data


def protocol() -> Writer:
    """Banner, character set and capabilities."""
    compile_caps = bytearray(55)
    compile_caps[7] = FIELD_VERSION
    runtime_caps = bytearray(13)
    runtime_caps[6] = 4  # 32 KB strings
    fdo = bytes(5) + bytes((0, 0, 0, 0)) + struct.pack(">H", 2000)
    reply = Writer().u8(MSG_PROTOCOL, 6, 0).raw(b"Oracle listener of the lab\0")
    reply.raw(struct.pack("<HBH", CHARSET, 1, 0)).raw(struct.pack(">H", len(fdo))).raw(fdo)
    return reply.value(bytes(compile_caps)).value(bytes(runtime_caps))


def data_types() -> bytes:
    """All types have the client's representation."""
    return b"\x02\x00\x00"


def parameters(reply: Writer, pairs: Sequence[tuple[str, str, int]]) -> None:
    """Key, value and flags of a phase of the log-on."""
    reply.u8(MSG_PARAMETER).ub(len(pairs)).pairs(pairs)


# -- ends of a call -------------------------------------------------------------------------------


def _call_status(in_transaction: bool) -> int:
    return _IN_TRANSACTION if in_transaction else 0


def status(reply: Writer, in_transaction: bool) -> None:
    """End of a call without further data."""
    reply.u8(MSG_STATUS).ub(_call_status(in_transaction), 0)


def end(
    reply: Writer, in_transaction: bool, room: int, error: OracleError | None, *, cursor: int = 0, rows: int = 0
) -> None:
    """The end of a call.

    :param room: bytes of one packet; after a break the client takes exactly one.
    :param error: None for success.
    """
    code = error.code if error else 0
    reply.u8(MSG_ERROR).ub(_call_status(in_transaction), 0, rows & 0xFFFFFFFF, min(code, 65535), 0, 0, cursor, 0)
    reply.u8(0, 0, 0, 0, 0, 0)
    reply.ub(0, 0).u8(0).ub(0, 0)  # rowid
    reply.ub(0).u8(0, 0).ub(0, 0, 0, 0, 0, 0).ub(code, rows)
    if error:
        reply.value(f"ORA-{code:05d}: {error.text}".encode()[: room - 200] + b"\n")


# -- contents of a reply --------------------------------------------------------------------------


def describe(reply: Writer, columns: Sequence[types.Column]) -> None:
    """Columns of a query."""
    reply.u8(MSG_DESCRIBE, 0).ub(sum(c.size for c in columns) & 0xFFFFFFFF, len(columns))
    if columns:
        reply.u8(0)
    for position, column in enumerate(columns):
        text = column.kind in types.TEXT_TYPES
        size = column.size * 4 if column.kind in (types.VARCHAR, types.CHAR) else column.size
        reply.u8(column.kind, 0, column.precision & 0xFF, column.scale & 0xFF).ub(size, 0, 0, 0, 0)
        reply.ub(CHARSET if text else 0).u8(1 if text else 0)
        reply.ub(column.size if text else 0, 0).u8(1, 0)
        reply.two_lengths(column.name.encode()).ub(0, 0, position + 1, 0)
    reply.ub(0, 0, 0, 0, 0, 0)


def io_vector(reply: Writer, binds: int) -> None:
    """Directions of the binds of a call."""
    reply.u8(MSG_IO_VECTOR, 0).ub(binds % 256, binds // 256, 1, 0, 0, 0)
    reply.raw(bytes([_BOTH_WAYS] * binds))


def returned(reply: Writer, columns: Iterable[Sequence[bytes | None]]) -> None:
    """Values of RETURNING ... INTO of one execution, bind by bind."""
    reply.u8(MSG_ROW)
    for column in columns:
        reply.ub(len(column))
        for value in column:
            reply.value(value).ub(0)


def row_counts(reply: Writer, counts: Sequence[int]) -> None:
    """Rows that each execution of a batch has changed."""
    reply.u8(MSG_PARAMETER).ub(0, 0, 0, 0, len(counts)).ub(*counts)
