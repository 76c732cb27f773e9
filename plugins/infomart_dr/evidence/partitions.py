"""The end of a partition, from HIGH_VALUE of the dictionary: an expression of Oracle as text."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

_DATE = re.compile(r"'\s*(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}:\d{2}))?")
_NUMBER = re.compile(r"\s*(\d+)\s*(,|$)")
#: Numbers of eight digits from here on are days such as 20261130; as epoch seconds they would lie in 1970.
_FIRST_DAY = 19_700_101


def end_of(high_value: str | None) -> float | None:
    """The end in epoch seconds; infinite for MAXVALUE, None for an expression that is no time.

    The Info Mart's keys are epoch seconds. Of a key of several columns the first one counts.
    """
    text = (high_value or "").strip()
    if text.upper().startswith("MAXVALUE"):
        return math.inf
    if number := _NUMBER.match(text):
        value = int(number[1])
        if len(number[1]) == 8 and value >= _FIRST_DAY:
            return _of_day(f"{number[1][:4]}-{number[1][4:6]}-{number[1][6:]}", "00:00:00")
        return float(value)
    if date := _DATE.search(text):
        return _of_day(date[1], date[2] or "00:00:00")
    return None


def _of_day(day: str, clock: str) -> float | None:
    try:
        return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
