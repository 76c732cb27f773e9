"""A client's messages, field by field, in the order of the wire.

The tables are the protocol's documentation, after the public source of python-oracledb's thin driver
(``src/oracledb/impl/thin/messages``). A *pointer* is a byte that says whether the field that it announces is used;
``al8...`` are names of Oracle's own that the source gives. Fields that this listener does not use must be read too: a
request has no length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from infomart_lab.oracle import types
from infomart_lab.oracle.wire import ProtocolError, Reader

MSG_PROTOCOL, MSG_DATA_TYPES, MSG_FUNCTION, MSG_ERROR, MSG_ROW, MSG_PARAMETER, MSG_STATUS = 1, 2, 3, 4, 7, 8, 9
MSG_IO_VECTOR, MSG_LOB_DATA, MSG_DESCRIBE, MSG_PIGGYBACK = 11, 14, 16, 17

FUNC_REEXECUTE, FUNC_FETCH, FUNC_LOGOFF, FUNC_COMMIT, FUNC_ROLLBACK = 4, 5, 9, 14, 15
FUNC_REEXECUTE_AND_FETCH, FUNC_EXECUTE, FUNC_LOB, FUNC_CLOSE_CURSORS = 78, 94, 96, 105
FUNC_AUTH_TWO, FUNC_AUTH_ONE, FUNC_END_TO_END, FUNC_PING, FUNC_SET_SCHEMA = 115, 118, 135, 147, 152

EXEC_PARSE, EXEC_BIND, EXEC_DEFINE, EXEC_EXECUTE, EXEC_FETCH, EXEC_COMMIT = 0x01, 0x08, 0x10, 0x20, 0x40, 0x100
EXEC_DESCRIBE, EXEC_BATCH_ERRORS = 0x20000, 0x80000
EXEC_FLAG_ROWCOUNTS = 0x4000
REEXECUTE_COMMIT = 0x1

LOB_GET_LENGTH, LOB_READ, LOB_CHUNK_SIZE, LOB_FREE_TEMP = 0x0001, 0x0002, 0x4000, 0x0111
LOB_CREATE_TEMP, LOB_WRITE, LOB_OPEN, LOB_CLOSE, LOB_IS_OPEN = 0x0110, 0x0040, 0x8000, 0x10000, 0x11000

_BIND_ARRAY = 0x40

# -- tables of fields -----------------------------------------------------------------------------

Kind = Callable[[Reader], int]
Fields = tuple[tuple[str, Kind], ...]

U8: Kind = Reader.u8
U16: Kind = Reader.u16
UB4: Kind = Reader.ub


def _ub8(reader: Reader) -> int:
    return reader.ub(8)


UB8: Kind = _ub8

#: Behind these: the user's name, when there is one, and the pairs of key, value and flags.
AUTHENTICATE: Fields = (
    ("user_pointer", U8),
    ("user_length", UB4),
    ("mode", UB4),
    ("pairs_pointer", U8),
    ("pair_count", UB4),
    ("reply_pointer", U8),
    ("reply_count_pointer", U8),
)

#: Behind these: the statement, when there is one; EXECUTE_VECTOR; types of defines or binds; rows of binds.
EXECUTE: Fields = (
    ("options", UB4),
    ("cursor", UB4),
    ("sql_pointer", U8),
    ("sql_length", UB4),
    ("vector_pointer", U8),
    ("vector_length", UB4),
    ("al8o4_pointer", U8),
    ("al8o4l_pointer", U8),
    ("prefetch_size", UB4),
    ("prefetch_rows", UB4),
    ("long_size", UB4),
    ("binds_pointer", U8),
    ("bind_count", UB4),
    ("al8app_pointer", U8),
    ("al8txn_pointer", U8),
    ("al8txl_pointer", U8),
    ("al8kv_pointer", U8),
    ("al8kvl_pointer", U8),
    ("defines_pointer", U8),
    ("define_count", UB4),
    ("registration", UB4),
    ("al8objlist_pointer", U8),
    ("al8objlen_pointer", U8),
    ("al8blv_pointer", U8),
    ("al8blvl", UB4),
    ("al8dnam_pointer", U8),
    ("al8dnaml", UB4),
    ("registration_high", UB4),
    ("row_counts_pointer", U8),
    ("row_counts_length", UB4),
    ("row_counts_length_pointer", U8),
    # since release 12.2
    ("sql_signature_pointer", U8),
    ("sql_signature_length", UB4),
    ("sql_id_pointer", U8),
    ("sql_id_size", UB4),
    ("sql_id_length_pointer", U8),
    ("chunks_pointer", U8),
    ("chunk_count", UB4),
)
#: The vector ``al8i4``.
EXECUTE_VECTOR: Fields = (
    ("parse", UB4),
    ("executions", UB4),
    ("al8i4_2", UB4),
    ("al8i4_3", UB4),
    ("al8i4_4", UB4),
    ("scn_low", UB4),
    ("scn_high", UB4),
    ("is_query", UB4),
    ("al8i4_8", UB4),
    ("flags", UB4),
    ("fetch_orientation", UB4),
    ("fetch_position", UB4),
    ("al8i4_12", UB4),
)

#: Behind these: rows of binds.
REEXECUTE: Fields = (("cursor", UB4), ("iterations", UB4), ("options", UB4), ("more_options", UB4))

FETCH: Fields = (("cursor", UB4), ("rows", UB4))

#: Type of one bind or define: these, the identifier of an object type, and BIND_TYPE_REST.
BIND_TYPE: Fields = (
    ("kind", U8),
    ("flags", U8),
    ("precision", U8),
    ("scale", U8),
    ("size", UB4),
    ("elements", UB4),
    ("more_flags", UB8),
)
BIND_TYPE_REST: Fields = (
    ("version", UB4),
    ("charset", UB4),
    ("form", U8),
    ("characters", UB4),
    ("column_identifier", UB4),  # since release 12.2
)

#: Behind these: the locator; the character set of a new LOB; data that is written; the amount.
LOB: Fields = (
    ("locator_pointer", U8),
    ("locator_length", UB4),
    ("target_pointer", U8),
    ("target_length", UB4),
    ("short_offset", UB4),
    ("short_target_offset", UB4),
    ("charset_pointer", U8),
    ("short_amount_pointer", U8),
    ("null_pointer", U8),
    ("operation", UB4),
    ("scn_pointer", U8),
    ("scn_length", U8),
    ("offset", UB8),
    ("target_offset", UB8),
    ("amount_pointer", U8),
    ("array_1", U16),
    ("array_2", U16),
    ("array_3", U16),
)

CLOSE_CURSORS: Fields = (("pointer", U8), ("count", UB4))

#: Behind these: those of the strings whose length is not 0, in this order.
END_TO_END: Fields = (
    ("cidnam_pointer", U8),
    ("cidser_pointer", U8),
    ("flags", UB4),
    ("identifier_pointer", U8),
    ("identifier_length", UB4),
    ("module_pointer", U8),
    ("module_length", UB4),
    ("action_pointer", U8),
    ("action_length", UB4),
    ("cideci_pointer", U8),
    ("cideci_length", UB4),
    ("cidcct", U8),
    ("cidecs", UB4),
    ("information_pointer", U8),
    ("information_length", UB4),
    ("cidkstk_pointer", U8),
    ("cidkstk_length", UB4),
    ("cidktgt_pointer", U8),
    ("cidktgt_length", UB4),
    ("operation_pointer", U8),
    ("operation_length", UB4),
)
_END_TO_END_STRINGS = ("identifier", "module", "action", "information", "operation")

#: Behind these: the locators.
FREE_LOBS: Fields = (
    ("locators_pointer", U8),
    ("locators_length", UB4),
    ("target_pointer", U8),
    ("target_length", UB4),
    ("short_offset", UB4),
    ("short_target_offset", UB4),
    ("charset_pointer", U8),
    ("short_amount_pointer", U8),
    ("null_pointer", U8),
    ("operation", UB4),
    ("scn_pointer", U8),
    ("scn_length", UB4),
    ("offset", UB8),
    ("target_offset", UB8),
    ("amount_pointer", U8),
    ("array_1_pointer", U8),
    ("array_1", UB4),
    ("array_2_pointer", U8),
    ("array_2", UB4),
    ("array_3_pointer", U8),
    ("array_3", UB4),
)


def read_fields(reader: Reader, fields: Fields) -> dict[str, int]:
    """Read the fields of a table."""
    return {name: kind(reader) for name, kind in fields}


# -- log-on ---------------------------------------------------------------------------------------


def read_protocol(reader: Reader) -> None:
    """Versions that the client knows and its name; nothing of it is needed."""
    reader.u8()
    for _ in ("versions", "name"):
        while reader.u8():
            pass


def read_data_types(reader: Reader) -> None:
    """How the client shows each type; nothing of it is needed."""
    reader.raw(5)  # character sets and flags
    reader.value()  # capabilities of the compilation
    reader.value()  # capabilities of the run
    while reader.u16():
        if reader.u16():
            reader.raw(4)


@dataclass
class Authenticate:
    """A phase of the log-on."""

    user: str
    mode: int
    pairs: dict[str, str]


def read_authenticate(reader: Reader) -> Authenticate:
    found = read_fields(reader, AUTHENTICATE)
    user = (reader.value() or b"").decode() if found["user_pointer"] else ""
    pairs: dict[str, str] = {}
    for _ in range(found["pair_count"]):
        key = reader.text()
        pairs[key.rstrip("\0")] = reader.text()
        reader.ub()  # flags
    return Authenticate(user, found["mode"], pairs)


# -- statements -----------------------------------------------------------------------------------


@dataclass
class Bind:
    """Type of a bind or define as the client described it."""

    kind: int
    size: int
    form: int


@dataclass
class Execute:
    """A full execute; binds and their rows still stand in the stream behind it."""

    options: int
    cursor: int
    #: None: that of the cursor.
    sql: str | None
    prefetch_rows: int
    bind_count: int
    define_count: int
    executions: int
    is_query: bool
    flags: int


def read_execute(reader: Reader) -> Execute:
    found = read_fields(reader, EXECUTE)
    sql = (reader.value() or b"").decode() if found["sql_pointer"] else None
    vector = read_fields(reader, EXECUTE_VECTOR)
    return Execute(
        options=found["options"],
        cursor=found["cursor"],
        sql=sql,
        prefetch_rows=found["prefetch_rows"],
        bind_count=found["bind_count"],
        define_count=found["define_count"],
        executions=vector["executions"],
        is_query=bool(vector["is_query"]),
        flags=vector["flags"],
    )


def read_bind_types(reader: Reader, count: int) -> list[Bind]:
    """Types of binds or defines."""
    found: list[Bind] = []
    for _ in range(count):
        first = read_fields(reader, BIND_TYPE)
        reader.two_lengths()
        rest = read_fields(reader, BIND_TYPE_REST)
        if first["flags"] & _BIND_ARRAY:
            raise ProtocolError("PL/SQL arrays are not known to the lab's listener")
        found.append(Bind(first["kind"], first["size"], rest["form"]))
    return found


def read_bind_row(reader: Reader, binds: list[Bind], *, plsql: bool, lob: Callable[[bytes], str]) -> list[bytes | None]:
    """One row of values; LONG values come last, except in PL/SQL.

    :param lob: text of a locator.
    """
    if (message := reader.u8()) != MSG_ROW:
        raise ProtocolError(f"message of type {message} where a row of binds was expected")
    values: list[bytes | None] = [None] * len(binds)
    late = [i for i, b in enumerate(binds) if not plsql and b.size > 32767]
    for i in [i for i in range(len(binds)) if i not in late] + late:
        bind = binds[i]
        if bind.kind in (types.CLOB, types.BLOB):
            locator = reader.two_lengths()
            values[i] = None if locator is None else lob(locator).encode()
        elif bind.kind == types.BOOLEAN:
            data = reader.u8()
            values[i] = None if data == 253 else b"true"
            reader.raw(1 if data == 253 else data)
        else:
            raw = reader.value()
            try:
                values[i] = types.decode(raw, bind.kind, bind.form)
            except (ValueError, IndexError) as error:
                raise ProtocolError(str(error)) from None
    return values


# -- LOBs -----------------------------------------------------------------------------------------


@dataclass
class Lob:
    """An operation on a LOB."""

    operation: int
    locator: bytes
    locator_length: int
    offset: int
    #: None: the client neither sends an amount nor expects one.
    amount: int | None
    data: bytes


def read_lob(reader: Reader) -> Lob:
    found = read_fields(reader, LOB)
    operation, size = found["operation"], found["locator_length"]
    locator = reader.raw(size) if size else b""
    if operation == LOB_CREATE_TEMP:
        reader.ub()  # character set
    data = b""
    if operation == LOB_WRITE:
        if reader.u8() != MSG_LOB_DATA:
            raise ProtocolError("a LOB write without data")
        data = reader.value() or b""
    amount = reader.ub(8) if found["amount_pointer"] else None
    return Lob(operation, locator, size, found["offset"], amount, data)


# -- piggybacks -----------------------------------------------------------------------------------


def read_close_cursors(reader: Reader) -> list[int]:
    """Numbers of cursors that the client needs no more."""
    return [reader.ub() for _ in range(read_fields(reader, CLOSE_CURSORS)["count"])]


def read_end_to_end(reader: Reader) -> dict[str, str]:
    """The client's data about itself; only changed values."""
    found = read_fields(reader, END_TO_END)
    named = [name for name in _END_TO_END_STRINGS if found[f"{name}_length"]]
    return {name: (reader.value() or b"").decode() for name in named}


def read_set_schema(reader: Reader) -> str:
    reader.u8()  # pointer
    return reader.text()


def read_free_lobs(reader: Reader) -> bytes:
    """Locators of temporary LOBs that the client needs no more, one behind the other."""
    return reader.raw(read_fields(reader, FREE_LOBS)["locators_length"])
