"""Slices hold every slow test once a week, are of about the same length, and durations are those of tests there are."""

from __future__ import annotations

import importlib.util
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests import scheduling

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> Any:
    spec = importlib.util.spec_from_file_location("test_slice", ROOT / "scripts" / "test_slice.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_long_duration_is_that_of_a_test_there_is() -> None:
    texts: dict[str, str] = {}
    for test in (test for test, seconds in scheduling.known().items() if seconds > scheduling.LONG):
        file, _, name = test.partition("::")
        text = texts.setdefault(file, (ROOT / file).read_text() if (ROOT / file).exists() else "")
        assert re.search(rf"def {re.escape(name.partition('[')[0])}\(", text), test


def test_the_slices_hold_each_unit_once_and_are_of_about_the_same_length(script: Any) -> None:
    units = script.units(list(scheduling.known()))
    packed = script.pack(units)
    assert sorted(name for part in packed for name in part) == sorted(units)
    totals = [sum(units[name] for name in part) for part in packed]
    assert max(totals) - min(totals) <= max(units.values())
    assert packed == script.pack(dict(reversed(units.items()))), "the same every day, in whatever order they are found"


def test_files_stay_whole_and_long_ones_are_parted(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"a.py::one": 500.0, "a.py::two": 500.0, "b.py::one": 5.0, "b.py::two": 5.0}
    monkeypatch.setattr(scheduling, "known", lambda: known)
    assert script.units([*known, "c.py::new"]) == {"a.py::one": 500, "a.py::two": 500, "b.py": 10, "c.py": 60}


def test_a_week_of_days_has_all_slices_and_another_one_may_be_asked_for(script: Any) -> None:
    days = [script.of_today(datetime(2026, 11, day, tzinfo=UTC)) for day in range(1, 31)]
    assert days[:8] == [1, 2, 3, 4, 5, 6, 7, 1] and days[28:] == [1, 2]
    assert script.of_today(datetime(2026, 11, 1, tzinfo=UTC), "5") == 5
    for wrong in ("0", "8", "x"):
        with pytest.raises(ValueError):
            script.of_today(datetime(2026, 11, 1, tzinfo=UTC), wrong)


def test_what_would_not_end_in_time_is_left_out_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "known", lambda: {"a.py::long": 100.0, "a.py::short": 10.0})
    deadline = scheduling.Deadline(time.time() + 50)
    deadline.pytest_runtest_setup(SimpleNamespace(nodeid="a.py::short"))  # type: ignore[arg-type]
    with pytest.raises(pytest.skip.Exception, match=r"only (49|50) s are left: a\.py::long"):
        deadline.pytest_runtest_setup(SimpleNamespace(nodeid="a.py::long"))  # type: ignore[arg-type]
