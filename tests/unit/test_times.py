"""Times in UTC: reading and writing them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest

from infomart_dr.errors import RequestError
from infomart_dr.times import clock, moment, shown, span, utc

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-30T12:00Z", "2026-11-30T12:00:00+00:00", "2026-11-30T14:00+02:00", "2026-11-30T12:00",
        "2026-11-30 12:00:00.9",
    ],
)  # fmt: skip
def test_a_parameter_is_read_as_utc_in_whole_seconds(text: str) -> None:
    assert moment("begins_at", text) == NOON


def test_an_empty_parameter_is_none() -> None:
    assert moment("begins_at", "") is None


@pytest.mark.parametrize("text", ["tomorrow", "2026-13-01T00:00Z", "1796059398"])
def test_a_parameter_that_is_not_a_time_is_named(text: str) -> None:
    with pytest.raises(RequestError, match=f"The parameter begins_at is not a valid time: {text!r}") as caught:
        moment("begins_at", text)
    assert caught.value.next_step == "Give the parameter begins_at as a time such as 2026-11-02T17:00:00Z."


def test_a_time_without_a_zone_is_utc() -> None:
    assert utc(datetime(2026, 11, 30, 12)) == utc(datetime(2026, 11, 30, 14, tzinfo=EAST)) == NOON
    assert utc(None) is None


@pytest.mark.parametrize("value", [1796069707, 1796069707.9, datetime(2026, 11, 30, 22, 15, 7, tzinfo=EAST)])
def test_a_time_is_shown_in_utc(value: datetime | float) -> None:
    assert shown(value) == "2026-11-30 20:15:07 UTC"
    assert clock(value) == "2026-11-30 20:15:07"


def test_an_unknown_time_is_a_dash() -> None:
    assert shown(None) == clock(None) == "-"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3, "0 s"), (0.4, "0 s"), (119, "119 s"), (120, "2 min"), (3599, "59 min"), (3600, "1 h"),
        (7800, "2 h 10 min"), (172_799, "47 h 59 min"), (172_800, "2 d"), (273_600, "3 d 4 h"), (math.inf, "no end"),
    ],
)  # fmt: skip
def test_a_duration_is_said_as_people_say_it(seconds: float, said: str) -> None:
    assert span(seconds) == said
