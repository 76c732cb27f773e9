"""CLOBs of one session: their text by the locators that the client has."""

from __future__ import annotations

import struct

from infomart_lab.oracle.messages import (
    LOB_CHUNK_SIZE,
    LOB_CLOSE,
    LOB_CREATE_TEMP,
    LOB_FREE_TEMP,
    LOB_GET_LENGTH,
    LOB_IS_OPEN,
    LOB_OPEN,
    LOB_READ,
    LOB_WRITE,
    MSG_LOB_DATA,
    MSG_PARAMETER,
    Lob,
)
from infomart_lab.oracle.replies import CHARSET
from infomart_lab.oracle.wire import ProtocolError, Writer

LOCATOR_SIZE = 40
CHUNK_SIZE = 8132
#: CLOBs of one session whose text is kept for later reads.
MAX_LOBS = 5000


def _locator(number: int, size: int = LOCATOR_SIZE) -> bytes:
    return (bytes(16) + struct.pack(">Q", number)).ljust(size, b"\0")


def _number(locator: bytes) -> int:
    return struct.unpack(">Q", locator[16:24])[0] if len(locator) >= 24 else 0


class Lobs:
    """The CLOBs that a session has read or made."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._next = 1

    def _new(self, text: str) -> int:
        number = self._next
        self._next += 1
        self._texts[number] = text
        return number

    def text(self, locator: bytes) -> str:
        """Text of a locator; empty for an unknown or forgotten one."""
        return self._texts.get(_number(locator), "")

    def write_locator(self, text: str, reply: Writer) -> None:
        """A column's value: length, chunk size and a new locator for later reads."""
        number = self._new(text)
        while len(self._texts) > MAX_LOBS:
            self._texts.pop(next(iter(self._texts)))
        reply.ub(LOCATOR_SIZE, len(text), CHUNK_SIZE).value(_locator(number))

    def free(self, locators: bytes) -> None:
        """Forget temporary LOBs."""
        for start in range(0, len(locators), LOCATOR_SIZE):
            self._texts.pop(_number(locators[start : start + LOCATOR_SIZE]), None)

    def answer(self, request: Lob, reply: Writer) -> None:
        """Do an operation; the caller ends the reply."""
        operation, locator, offset = request.operation, request.locator, request.offset
        text = self.text(locator)
        amount = request.amount or 0
        if operation == LOB_READ:
            piece = text[offset - 1 : offset - 1 + amount]
            amount = len(piece)
            if piece:
                reply.u8(MSG_LOB_DATA).value(piece.encode())
        elif operation == LOB_GET_LENGTH:
            amount = len(text)
        elif operation == LOB_CHUNK_SIZE:
            amount = CHUNK_SIZE
        elif operation == LOB_CREATE_TEMP:
            locator = _locator(self._new(""), request.locator_length)
        elif operation == LOB_WRITE:
            new = request.data.decode()
            whole = text[: offset - 1].ljust(offset - 1) + new + text[offset - 1 + len(new) :]
            self._texts[_number(locator)] = whole
        elif operation not in (LOB_OPEN, LOB_CLOSE, LOB_FREE_TEMP, LOB_IS_OPEN):
            raise ProtocolError(f"LOB operation {operation:#x}")
        reply.u8(MSG_PARAMETER).raw(locator)
        if operation == LOB_CREATE_TEMP:
            reply.ub(CHARSET).u8(0)
        elif request.amount is not None:
            reply.ub(amount)
        if operation == LOB_IS_OPEN:
            reply.u8(0)
