"""Times in UTC: reading them from a parameter or a table, and writing them for people."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import overload

from infomart_dr.errors import RequestError


def moment(name: str, text: str) -> datetime | None:
    """A parameter's time in UTC, in whole seconds; None when the parameter is empty.

    :raises RequestError: it is not a valid time.
    """
    if not text:
        return None
    try:
        found = utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise RequestError(
            f"The parameter {name} is not a valid time: {text[:40]!r}.",
            f"Give the parameter {name} as a time such as 2026-11-02T17:00:00Z.",
        ) from None
    return found.replace(microsecond=0)


@overload
def utc(value: datetime) -> datetime: ...
@overload
def utc(value: None) -> None: ...
@overload
def utc(value: datetime | None) -> datetime | None: ...
def utc(value: datetime | None) -> datetime | None:
    """A time in UTC. A time without a zone is UTC already, like those of the tables."""
    if value is None:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def clock(value: datetime | float | None) -> str:
    """A time without its zone, for a table whose heading says UTC: ``2026-11-30 20:15:07``.

    :param value: a time, or epoch seconds.
    """
    if value is None:
        return "-"
    found = utc(value) if isinstance(value, datetime) else datetime.fromtimestamp(value, UTC)
    return f"{found:%Y-%m-%d %H:%M:%S}"


def shown(value: datetime | float | None) -> str:
    """A time for people: ``2026-11-30 20:15:07 UTC``."""
    return "-" if value is None else f"{clock(value)} UTC"


def span(seconds: float) -> str:
    """A duration for people: ``45 s``, ``12 min``, ``2 h 10 min``, ``3 d 4 h``."""
    if math.isinf(seconds):
        return "no end"
    whole = max(round(seconds), 0)
    if whole < 120:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
