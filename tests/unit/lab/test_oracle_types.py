"""Values between PostgreSQL's text and Oracle's bytes."""

from __future__ import annotations

from decimal import Decimal

import pytest

from infomart_lab.oracle import types
from infomart_lab.oracle.types import Column


@pytest.mark.parametrize(
    ("text", "expected"),
    [  # from the public description of Oracle's internal NUMBER format
        ("0", "80"),
        ("1", "c102"),
        ("-1", "3e6466"),
        ("100", "c202"),
        ("123", "c20218"),
        ("0.5", "c033"),
        ("0.01", "c002"),
        ("-123.45", "3d644e3866"),
        ("10", "c10b"),
    ],
)
def test_numbers_have_oracles_bytes(text: str, expected: str) -> None:
    assert types.encode_number(text).hex() == expected


@pytest.mark.parametrize(
    "text",
    [
        "0",
        "7",
        "-7",
        "10",
        "99",
        "100",
        "101",
        "0.1",
        "0.001",
        "0.0010203",
        "-0.00000001",
        "1234567890123456789",
        "99999999999999999999999999999999999999",
        "1e30",
        "1e-30",
        "-1e125",
        "5e-129",
        "1000000.000001",
        "-10.10",
    ],
)
def test_numbers_survive_both_ways(text: str) -> None:
    data = types.encode_number(text)
    assert len(data) <= 22
    assert Decimal(types.decode_number(data)) == Decimal(text)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e200"])
def test_what_is_no_oracle_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="NUMBER"):
        types.encode_number(text)


def test_more_digits_than_oracle_holds_are_rounded() -> None:
    assert types.decode_number(types.encode_number("0." + "3" * 60)) == "0." + "3" * 38


@pytest.mark.parametrize(
    ("text", "kind", "back"),
    [
        ("2026-02-03 04:05:06", types.DATE, "2026-02-03 04:05:06"),
        ("2026-02-03", types.DATE, "2026-02-03 00:00:00"),
        ("0099-12-31 23:59:59", types.DATE, "0099-12-31 23:59:59"),
        ("2026-02-03 04:05:06.789", types.TIMESTAMP, "2026-02-03 04:05:06.789000"),
        ("2026-02-03 04:05:06.000001", types.TIMESTAMP, "2026-02-03 04:05:06.000001"),
        ("2026-02-03 04:05:06", types.TIMESTAMP, "2026-02-03 04:05:06"),
        ("2026-02-03 04:05:06.5+00", types.TIMESTAMP_TZ, "2026-02-03 04:05:06.500000+00"),
    ],
)
def test_points_in_time_survive_both_ways(text: str, kind: int, back: str) -> None:
    data = types.encode_stamp(text, kind)
    assert len(data) == {types.DATE: 7, types.TIMESTAMP: 11, types.TIMESTAMP_TZ: 13}[kind]
    assert types.decode_stamp(data) == back


@pytest.mark.parametrize("text", ["infinity", "-infinity", "0044-03-15 00:00:00 BC"])
def test_what_oracle_cannot_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Oracle"):
        types.encode_stamp(text, types.DATE)


@pytest.mark.parametrize(
    ("text", "days", "rest"),
    [
        ("1 day 02:03:04", 1, (62, 63, 64)),
        ("-00:00:01", 0, (60, 60, 59)),
        ("49:00:00", 2, (61, 60, 60)),
        ("3 days", 3, (60, 60, 60)),
    ],
)
def test_intervals_have_oracles_bytes(text: str, days: int, rest: tuple[int, int, int]) -> None:
    data = types.encode_interval(text)
    assert int.from_bytes(data[:4], "big") - 0x80000000 == days
    assert tuple(data[4:7]) == rest


@pytest.mark.parametrize(
    ("type_id", "modifier", "clob", "expected"),
    [
        (20, -1, False, Column("C", types.NUMBER, 22, 19, 0)),
        (1700, -1, False, Column("C", types.NUMBER, 22, 0, -127)),
        (1700, (10 << 16 | 2) + 4, False, Column("C", types.NUMBER, 22, 10, 2)),
        (1043, 24, False, Column("C", types.VARCHAR, 20)),
        (25, -1, True, Column("C", types.CLOB, 4000)),
        (25, -1, False, Column("C", types.VARCHAR, 32767)),
        (1114, 0, False, Column("C", types.DATE, 7)),
        (1114, -1, False, Column("C", types.TIMESTAMP, 11, 0, 6)),
        (1184, -1, False, Column("C", types.TIMESTAMP_TZ, 13, 0, 6)),
    ],
)
def test_columns_are_described_as_oracle_would(type_id: int, modifier: int, clob: bool, expected: Column) -> None:
    assert types.column("C", type_id, modifier, clob=clob) == expected


def test_binds_become_postgresqls_text() -> None:
    assert types.decode(None, types.NUMBER) is None
    assert types.decode("ä".encode(), types.VARCHAR) == "ä".encode()
    assert types.decode("ä".encode("utf-16-be"), types.VARCHAR, 2) == "ä".encode()
    assert types.decode(b"\x01\xff", types.RAW) == b"\\x01ff"
    with pytest.raises(ValueError, match="no bind of Oracle type 109"):
        types.decode(b"x", 109)
