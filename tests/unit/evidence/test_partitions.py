"""HIGH_VALUE of the dictionary: an expression as text, in the forms that partition keys have."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from infomart_dr.evidence.partitions import end_of

NOVEMBER = datetime(2026, 11, 30, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("1796000000", 1796000000.0),
        (" 1796000000 ", 1796000000.0),
        ("1796000000, 101", 1796000000.0),
        ("20261130", NOVEMBER),
        ("MAXVALUE", math.inf),
        ("maxvalue, MAXVALUE", math.inf),
        ("TO_DATE(' 2026-11-30 00:00:00', 'SYYYY-MM-DD HH24:MI:SS', 'NLS_CALENDAR=GREGORIAN')", NOVEMBER),
        ("TIMESTAMP' 2026-11-30 00:00:00'", NOVEMBER),
        ("DATE '2026-11-30'", NOVEMBER),
        ("'EMEA', 'APAC'", None),
        ("TO_DATE(' 2026-13-30 00:00:00', 'SYYYY-MM-DD HH24:MI:SS')", None),
        ("", None),
        (None, None),
    ],
)
def test_the_end_of_a_partition(text: str | None, end: float | None) -> None:
    assert end_of(text) == end
