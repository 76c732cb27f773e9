"""Checks before the cutover."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.operators.fakes import FakeStep

from infomart_dr.guards.comparison import Fingerprints
from infomart_dr.operators import checks


def test_a_comparison_says_when_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "replicated_tables", lambda step: {"source": ["CALLS"], "target": ["CALLS"]})
    monkeypatch.setattr(
        checks, "fingerprints", lambda step, role, tables, convert: Fingerprints({"CALLS": (464808, 17)})
    )
    monkeypatch.setattr(checks, "same_character_set", lambda step: True)
    monkeypatch.setattr("time.time", lambda: 1796069707.5)
    step: Any = FakeStep(final_stop="1796069000", noted_scn="7")
    assert checks.CompareTables(task_id="compare")._run(step)["summary"] == (
        "tables are compared since the final stop: 1 tables, 464808 rows at 2026-11-30 20:15:07 UTC"
    )
