"""Replies and log lines, per release; the shapes that parsers must take."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from infomart_lab.goldengate import wording as words

MOMENT = datetime(2026, 11, 2, 10, 20, 25, 533_000, tzinfo=timezone(timedelta(hours=3, minutes=30)))


def test_log_lines_of_11_2_and_of_later_releases() -> None:
    line = words.log_line(MOMENT, "11.2", "ERROR", "OGG-01668", "replicat", "rgim.prm", "PROCESS ABENDING.")
    assert line == (
        "2026-11-02 10:20:25  ERROR   OGG-01668  Oracle GoldenGate Delivery for Oracle, rgim.prm:  PROCESS ABENDING."
    )
    line = words.log_line(MOMENT, "19c", "WARNING", "OGG-01423", "manager", "mgr.prm", "x")
    assert line.startswith("2026-11-02T10:20:25.533+0330  WARNING OGG-01423  Oracle GoldenGate Manager for Oracle")


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, "00:00:00"), (65.9, "00:01:05"), (3_033_901, "842:45:01"), (-3, "00:00:00")]
)
def test_durations(seconds: float, expected: str) -> None:
    assert words.duration(seconds) == expected


def test_an_scn_is_split_at_32_bits() -> None:
    assert words.scn(1440415) == "0.1440415 (1440415)"
    assert words.scn((3 << 32) + 7) == "3.7 (12884901895)"


def test_info_all_has_a_type_column_in_21c_only() -> None:
    rows = [words.Row("MANAGER", "RUNNING"), words.Row("EXTRACT", "RUNNING", "EGIM", "INTEGRATED", 2, 5)]
    old = words.info_all(rows, "11.2").splitlines()
    assert old[1] == "Program     Status      Group       Lag at Chkpt  Time Since Chkpt"
    assert old[3].split() == ["MANAGER", "RUNNING"]
    assert old[4].split() == ["EXTRACT", "RUNNING", "EGIM", "00:00:02", "00:00:05"]
    new = words.info_all(rows, "21c").splitlines()
    assert new[1].split()[:4] == ["Program", "Status", "Group", "Type"]
    assert new[4].split() == ["EXTRACT", "RUNNING", "EGIM", "INTEGRATED", "00:00:02", "00:00:05"]


def test_lag_lines() -> None:
    assert words.seconds_lag(23, "11.2") == "Last record lag: 23 seconds."
    assert words.seconds_lag(1218, "19c") == "Last record lag 1,218 seconds."


def test_totals() -> None:
    assert "Total inserts" in words.totals({"I": 5})
    assert " 5.00" in words.totals({"I": 5}).splitlines()[0]


def test_added() -> None:
    assert words.added("EXTRACT", "Integrated", "19c") == "EXTRACT (Integrated) added."
    assert words.added("EXTRACT", "Integrated", "11.2") == "EXTRACT added."
    assert words.added("REPLICAT", "Parallel", "21c") == "REPLICAT (Parallel) added."
