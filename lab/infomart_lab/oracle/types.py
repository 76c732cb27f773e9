"""Values between PostgreSQL's text form and Oracle's bytes."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

VARCHAR, NUMBER, LONG, DATE, RAW, LONG_RAW = 1, 2, 8, 12, 23, 24
CHAR, BINARY_FLOAT, BINARY_DOUBLE, CLOB, BLOB = 96, 100, 101, 112, 113
TIMESTAMP, TIMESTAMP_TZ, INTERVAL_DS, TIMESTAMP_LTZ = 180, 181, 183, 231
BINARY_INTEGER, BOOLEAN, ROWID, UROWID = 3, 252, 11, 208

#: Types whose character set form is "implicit".
TEXT_TYPES = {VARCHAR, CHAR, LONG, CLOB}

_NUMBER_CONTEXT = Context(prec=38, rounding=ROUND_HALF_EVEN, Emax=200, Emin=-200)

# PostgreSQL's type identifiers.
_BOOL, _BYTEA, _CHAR1, _NAME, _INT8, _INT2, _INT4, _TEXT, _OID = 16, 17, 18, 19, 20, 21, 23, 25, 26
_FLOAT4, _FLOAT8, _BPCHAR, _VARCHAR, _DATE = 700, 701, 1042, 1043, 1082
_TIMESTAMP, _TIMESTAMPTZ, _INTERVAL, _NUMERIC = 1114, 1184, 1186, 1700
_INT_PRECISION = {_INT2: 5, _INT4: 10, _INT8: 19, _OID: 10}


@dataclass(frozen=True)
class Column:
    """Description of one column."""

    name: str
    kind: int
    size: int
    precision: int = 0
    scale: int = 0
    bool_source: bool = False


def column(name: str, type_id: int, modifier: int, *, clob: bool = False) -> Column:
    """Oracle's description of a PostgreSQL result column.

    :param name: name that the client gets.
    :param type_id: PostgreSQL's type identifier.
    :param modifier: PostgreSQL's type modifier, -1 for none.
    :param clob: a ``text`` column of a table, which stands for CLOB.
    """
    if type_id in _INT_PRECISION:
        return Column(name, NUMBER, 22, _INT_PRECISION[type_id], 0)
    if type_id == _NUMERIC:
        if modifier < 4:
            return Column(name, NUMBER, 22, 0, -127)
        scale = (modifier - 4) & 0x7FF
        return Column(name, NUMBER, 22, (modifier - 4) >> 16, scale if scale < 1024 else scale - 2048)
    if type_id in (_FLOAT4, _FLOAT8):
        return Column(name, NUMBER, 22, 0, -127)
    if type_id == _BOOL:
        return Column(name, NUMBER, 22, 1, 0, bool_source=True)
    if type_id == _DATE or (type_id == _TIMESTAMP and modifier == 0):
        return Column(name, DATE, 7)
    if type_id == _TIMESTAMP:
        return Column(name, TIMESTAMP, 11, 0, modifier if modifier > 0 else 6)
    if type_id == _TIMESTAMPTZ:
        return Column(name, TIMESTAMP_TZ, 13, 0, 6)
    if type_id == _INTERVAL:
        return Column(name, INTERVAL_DS, 11, 9, 6)
    if type_id == _BYTEA:
        return Column(name, RAW, 32767)
    if clob and type_id == _TEXT:
        return Column(name, CLOB, 4000)
    if type_id in (_VARCHAR, _BPCHAR) and modifier > 4:
        return Column(name, CHAR if type_id == _BPCHAR else VARCHAR, modifier - 4)
    return Column(name, VARCHAR, 4000 if type_id != _TEXT else 32767)


_PLAIN = re.compile(r"(-?)(\d+)(?:\.(\d+))?")


def encode_number(text: str) -> bytes:
    """Oracle's NUMBER (at most 22 bytes) of a decimal text.

    :raises ValueError: a value that NUMBER cannot hold (NaN, Infinity, too large).
    """
    match = _PLAIN.fullmatch(text)
    if match is not None and len(text) <= 38:
        negative, whole, fraction = match[1] == "-", match[2].lstrip("0"), match[3] or ""
    else:
        negative, whole, fraction = _parts(text)
    if len(whole) % 2:
        whole = "0" + whole
    if len(fraction) % 2:
        fraction += "0"
    digits = whole + fraction
    pairs = [int(digits[i : i + 2]) for i in range(0, len(digits), 2)]
    power = len(whole) // 2 - 1
    while pairs and not pairs[-1]:
        pairs.pop()
    first = next((i for i, pair in enumerate(pairs) if pair), len(pairs))
    if first:
        pairs, power = pairs[first:], power - first
    if not pairs:
        return b"\x80"
    if not -65 <= power <= 62:
        raise ValueError(f"{text} is out of range for NUMBER")
    if negative:
        encoded = bytes([62 - power, *(101 - pair for pair in pairs)])
        return encoded + b"\x66" if len(pairs) < 20 else encoded
    return bytes([193 + power, *(pair + 1 for pair in pairs)])


def _parts(text: str) -> tuple[bool, str, str]:
    """Sign, digits before and digits after the point of any decimal text, rounded to 38 digits."""
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(f"{text} is not a NUMBER")
    if number and not -135 <= number.adjusted() <= 130:
        raise ValueError(f"{text} is out of range for NUMBER")
    whole, _, fraction = format(_NUMBER_CONTEXT.plus(number), "f").lstrip("-").partition(".")
    return number < 0, whole.lstrip("0"), fraction


def decode_number(data: bytes) -> str:
    """Decimal text of an Oracle NUMBER."""
    if data == b"\x80":
        return "0"
    negative = not data[0] & 0x80
    mantissa = data[1:]
    if negative:
        if mantissa.endswith(b"\x66"):
            mantissa = mantissa[:-1]
        power, pairs = 62 - data[0], [101 - byte for byte in mantissa]
    else:
        power, pairs = data[0] - 193, [byte - 1 for byte in mantissa]
    digits = "".join(f"{pair:02d}" for pair in pairs)
    point = 2 * (power + 1)
    if point <= 0:
        text = "0." + "0" * -point + digits
    elif point >= len(digits):
        text = digits + "0" * (point - len(digits))
    else:
        text = f"{digits[:point]}.{digits[point:]}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    text = text.lstrip("0") or "0"
    if text.startswith("."):
        text = "0" + text
    return "-" + text if negative else text


_STAMP = re.compile(r"(\d{4,})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?(?:([+-])(\d\d)(?::(\d\d))?)?")


def encode_stamp(text: str, kind: int) -> bytes:
    """DATE, TIMESTAMP or TIMESTAMP WITH TIME ZONE of PostgreSQL's ISO text.

    A time with a zone must be in UTC, as the listener's sessions are.

    :raises ValueError: a time that Oracle cannot hold (infinity, before Christ).
    """
    match = _STAMP.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} is not a point in time that Oracle can hold")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    head = bytes((year // 100 + 100, year % 100 + 100, month, day, hour + 1, minute + 1, second + 1))
    if kind == DATE:
        return head
    fraction = int((match[7] or "").ljust(9, "0")) if match[7] else 0
    if kind == TIMESTAMP:
        return head + fraction.to_bytes(4, "big")
    return head + fraction.to_bytes(4, "big") + bytes((20, 60))


def decode_stamp(data: bytes) -> str:
    """PostgreSQL's text of an Oracle DATE or TIMESTAMP; with ``+00`` when it has a time zone."""
    year = (data[0] - 100) * 100 + data[1] - 100
    text = f"{year:04d}-{data[2]:02d}-{data[3]:02d} {data[4] - 1:02d}:{data[5] - 1:02d}:{data[6] - 1:02d}"
    if len(data) >= 11 and (nanoseconds := int.from_bytes(data[7:11], "big")):
        text += f".{nanoseconds // 1000:06d}"
    return text + "+00" if len(data) >= 13 else text


_INTERVAL_TEXT = re.compile(r"(?:(-?\d+) days? ?)?(?:(-)?(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?")


def encode_interval(text: str) -> bytes:
    """INTERVAL DAY TO SECOND of PostgreSQL's text (days and hours only).

    :raises ValueError: an interval with months or years.
    """
    match = _INTERVAL_TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} is not an interval of days to seconds")
    sign = -1 if match[2] else 1
    hours, minutes, seconds = (int(match[i] or 0) for i in (3, 4, 5))
    days = int(match[1] or 0) + sign * (hours // 24)
    nanoseconds = sign * int((match[6] or "").ljust(9, "0"))
    return (
        (days + 0x80000000).to_bytes(4, "big")
        + bytes((60 + sign * (hours % 24), 60 + sign * minutes, 60 + sign * seconds))
        + (nanoseconds + 0x80000000).to_bytes(4, "big")
    )


def encode(text: bytes, what: Column) -> bytes:
    """Oracle's bytes of a PostgreSQL value.

    :param text: PostgreSQL's text form.
    :param what: the column as it was described.
    :raises ValueError: the value has no Oracle form.
    """
    kind = what.kind
    if kind in (VARCHAR, CHAR, CLOB, LONG):
        return text
    if kind == NUMBER:
        if what.bool_source:
            return encode_number("1" if text == b"t" else "0")
        return encode_number(text.decode())
    if kind in (DATE, TIMESTAMP, TIMESTAMP_TZ):
        return encode_stamp(text.decode(), kind)
    if kind == INTERVAL_DS:
        return encode_interval(text.decode())
    if kind == RAW:
        return bytes.fromhex(text.decode().removeprefix("\\x"))
    raise ValueError(f"no way to send Oracle type {kind}")


def decode(data: bytes | None, kind: int, form: int = 1) -> bytes | None:
    """PostgreSQL's text of a bind value.

    :param data: Oracle's bytes; None for NULL.
    :param kind: the bind's Oracle type.
    :param form: character set form; 2 is the national character set (UTF-16).
    :raises ValueError: a type that the lab does not take.
    """
    if data is None:
        return None
    if kind in (VARCHAR, CHAR, LONG, ROWID, UROWID):
        return data.decode("utf-16-be").encode() if form == 2 else data
    if kind in (NUMBER, BINARY_INTEGER):
        return decode_number(data).encode()
    if kind in (DATE, TIMESTAMP, TIMESTAMP_TZ, TIMESTAMP_LTZ):
        return decode_stamp(data).encode()
    if kind in (RAW, LONG_RAW):
        return b"\\x" + data.hex().encode()
    if kind == BOOLEAN:
        return b"true" if data[-1] == 1 else b"false"
    if kind in (BINARY_DOUBLE, BINARY_FLOAT):
        return repr(decode_binary_float(data)).encode()
    raise ValueError(f"the lab takes no bind of Oracle type {kind}")


def decode_binary_float(data: bytes) -> float:
    """Number in Oracle's canonical binary form (4 or 8 bytes)."""
    bits = bytes((data[0] & 0x7F, *data[1:])) if data[0] & 0x80 else bytes(~byte & 0xFF for byte in data)
    return struct.unpack(">d" if len(bits) == 8 else ">f", bits)[0]
