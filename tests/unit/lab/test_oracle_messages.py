"""Requests of a client, as the tables of fields describe them."""

from __future__ import annotations

import pytest

from infomart_lab.oracle import messages, types
from infomart_lab.oracle.messages import Bind, Fields
from infomart_lab.oracle.wire import ProtocolError, Reader, Writer


def written(fields: Fields, **values: int) -> Writer:
    """The fields of a table; those that are not given are 0."""
    assert not set(values) - {name for name, _ in fields}
    writer = Writer()
    for name, kind in fields:
        value = values.get(name, 0)
        if kind is messages.U8:
            writer.u8(value)
        elif kind is messages.U16:
            writer.raw(value.to_bytes(2, "big"))
        else:
            writer.ub(value)
    return writer


def reader(*parts: Writer) -> Reader:
    """The parts, and one byte after them that must stay unread."""
    return Reader(data=b"".join(bytes(part.data) for part in parts) + b"\x99")


def is_read_to_its_end(found: Reader) -> bool:
    return found.pending == 1 and found.u8() == 0x99


@pytest.mark.parametrize(
    "fields",
    [
        messages.AUTHENTICATE,
        messages.EXECUTE,
        messages.EXECUTE_VECTOR,
        messages.BIND_TYPE,
        messages.BIND_TYPE_REST,
        messages.LOB,
        messages.END_TO_END,
        messages.FREE_LOBS,
    ],
)
def test_a_table_names_each_field_once_and_reads_them_in_order(fields: Fields) -> None:
    names = [name for name, _ in fields]
    assert len(set(names)) == len(names)
    values = {name: number for number, name in enumerate(names, 1)}
    request = reader(written(fields, **values))
    assert messages.read_fields(request, fields) == values
    assert is_read_to_its_end(request)


def test_a_statement_is_read_with_its_vector() -> None:
    options = messages.EXEC_PARSE | messages.EXEC_EXECUTE
    request = reader(
        written(messages.EXECUTE, options=options, sql_pointer=1, sql_length=6, prefetch_rows=100, bind_count=2),
        Writer().value(b"select"),
        written(messages.EXECUTE_VECTOR, parse=1, executions=7, is_query=1, flags=messages.EXEC_FLAG_ROWCOUNTS),
    )
    found = messages.read_execute(request)
    assert (found.options, found.cursor, found.sql, found.prefetch_rows) == (options, 0, "select", 100)
    assert (found.bind_count, found.define_count, found.executions) == (2, 0, 7)
    assert (found.is_query, found.flags) == (True, messages.EXEC_FLAG_ROWCOUNTS)
    assert is_read_to_its_end(request)


def test_a_known_cursor_comes_without_its_statement() -> None:
    request = reader(written(messages.EXECUTE, cursor=4, define_count=1), written(messages.EXECUTE_VECTOR))
    found = messages.read_execute(request)
    assert (found.cursor, found.sql, found.define_count, found.is_query) == (4, None, 1, False)


def test_the_types_of_binds_are_read_also_with_an_object_type_between_their_fields() -> None:
    request = reader(
        *(written(messages.BIND_TYPE, kind=types.VARCHAR, size=30), Writer().two_lengths(b"identifier")),
        written(messages.BIND_TYPE_REST, charset=873, form=1),
        *(written(messages.BIND_TYPE, kind=types.NUMBER, size=22), Writer().ub(0), written(messages.BIND_TYPE_REST)),
    )
    assert messages.read_bind_types(request, 2) == [Bind(types.VARCHAR, 30, 1), Bind(types.NUMBER, 22, 0)]
    assert is_read_to_its_end(request)


def test_an_array_of_plsql_is_refused() -> None:
    array = (written(messages.BIND_TYPE, kind=types.NUMBER, flags=0x40), Writer().ub(0))
    with pytest.raises(ProtocolError, match="arrays"):
        messages.read_bind_types(reader(*array, written(messages.BIND_TYPE_REST)), 1)


@pytest.mark.parametrize(("plsql", "order"), [(False, [1, 0]), (True, [0, 1])])
def test_long_values_come_last_except_in_plsql(plsql: bool, order: list[int]) -> None:
    binds = [Bind(types.LONG, 40_000, 1), Bind(types.VARCHAR, 30, 1)]
    values = [b"long", b"short"]
    request = reader(Writer().u8(messages.MSG_ROW), *(Writer().value(values[index]) for index in order))
    found = messages.read_bind_row(request, binds, plsql=plsql, lob=lambda _: "")
    assert found == values
    assert is_read_to_its_end(request)


def test_a_locator_is_bound_as_its_text() -> None:
    request = reader(Writer().u8(messages.MSG_ROW), Writer().two_lengths(b"locator"), Writer().ub(0))
    binds = [Bind(types.CLOB, 4000, 1), Bind(types.CLOB, 4000, 1)]
    found = messages.read_bind_row(request, binds, plsql=False, lob=lambda locator: f"text of {locator.decode()}")
    assert found == [b"text of locator", None]


def test_something_else_than_a_row_of_binds_is_loud() -> None:
    with pytest.raises(ProtocolError, match="message of type 3"):
        messages.read_bind_row(reader(Writer().u8(3)), [], plsql=False, lob=lambda _: "")


def test_a_log_on_is_read_with_and_without_a_user() -> None:
    pairs = Writer().pairs([("AUTH_SESSKEY\0", "abc", 1), ("AUTH_PASSWORD", "def", 0)])
    request = reader(
        written(messages.AUTHENTICATE, user_pointer=1, user_length=3, mode=0x121, pair_count=2),
        *(Writer().value(b"gim"), pairs),
    )
    found = messages.read_authenticate(request)
    assert (found.user, found.mode) == ("gim", 0x121)
    assert found.pairs == {"AUTH_SESSKEY": "abc", "AUTH_PASSWORD": "def"}
    assert is_read_to_its_end(request)
    assert messages.read_authenticate(reader(written(messages.AUTHENTICATE))).user == ""


@pytest.mark.parametrize(
    ("operation", "amount_pointer", "tail", "expected"),
    [
        (messages.LOB_READ, 1, Writer().ub(50), (b"L" * 40, 50, b"")),
        (messages.LOB_CREATE_TEMP, 0, Writer().ub(873), (b"L" * 40, None, b"")),
        (messages.LOB_WRITE, 0, Writer().u8(messages.MSG_LOB_DATA).value(b"text"), (b"L" * 40, None, b"text")),
        (messages.LOB_FREE_TEMP, 0, Writer(), (b"L" * 40, None, b"")),
    ],
)
def test_operations_on_lobs_end_where_they_end(
    operation: int, amount_pointer: int, tail: Writer, expected: tuple[bytes, int | None, bytes]
) -> None:
    fields = written(messages.LOB, operation=operation, locator_length=40, offset=2**33, amount_pointer=amount_pointer)
    request = reader(fields, Writer().raw(b"L" * 40), tail)
    found = messages.read_lob(request)
    assert (found.operation, found.offset) == (operation, 2**33)
    assert (found.locator, found.amount, found.data) == expected
    assert is_read_to_its_end(request)


def test_piggybacks_are_read_to_their_end() -> None:
    cursors = reader(written(messages.CLOSE_CURSORS, pointer=1, count=2), Writer().ub(5, 300))
    assert messages.read_close_cursors(cursors) == [5, 300]
    assert is_read_to_its_end(cursors)

    told = reader(
        written(messages.END_TO_END, module_length=6, information_length=4),
        *(Writer().value(b"module"), Writer().value(b"info")),
    )
    assert messages.read_end_to_end(told) == {"module": "module", "information": "info"}
    assert is_read_to_its_end(told)

    lobs = reader(written(messages.FREE_LOBS, locators_length=80), Writer().raw(b"L" * 80))
    assert messages.read_free_lobs(lobs) == b"L" * 80
    assert is_read_to_its_end(lobs)

    schema = reader(Writer().u8(1).two_lengths(b"GIM"))
    assert messages.read_set_schema(schema) == "GIM"
    assert is_read_to_its_end(schema)
