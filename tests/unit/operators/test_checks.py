"""Checks before the cutover."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.operators.fakes import FakeStep

from infomart_dr.errors import GuardError
from infomart_dr.guards.comparison import Fingerprints
from infomart_dr.operators import checks


@pytest.mark.parametrize(
    ("skipped", "in_part", "limits"),
    [
        ([], [], ""),
        (["CALLS.NOTE (LONG)"], [], "; not compared: CALLS.NOTE (LONG)"),
        ([], ["CALLS.XML (CLOB)"], "; compared by length and the first 1000 characters: CALLS.XML (CLOB)"),
    ],
)
def test_a_comparison_says_when_it_was_made_and_what_it_did_not_read(
    monkeypatch: pytest.MonkeyPatch, skipped: list[str], in_part: list[str], limits: str
) -> None:
    found = Fingerprints({"CALLS": (464808, 17)}, skipped, in_part)
    monkeypatch.setattr(checks, "replicated_tables", lambda step: {"source": ["CALLS"], "target": ["CALLS"]})
    monkeypatch.setattr(checks, "fingerprints", lambda step, role, tables, convert: found)
    monkeypatch.setattr(checks, "same_character_set", lambda step: True)
    monkeypatch.setattr(checks, "at_rest", lambda step: {"marks": {}, "sequences": ""})
    monkeypatch.setattr("time.time", lambda: 1796069707.5)
    step: Any = FakeStep(final_stop="1796069000", noted_scn="7")
    assert checks.CompareTables(task_id="compare")._run(step)["summary"] == (
        "tables are compared since the final stop: 1 tables, 464808 rows at 2026-11-30 20:15:07 UTC" + limits
    )


def test_tables_that_differ_are_named_with_both_counts_and_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = {"source": {"CALLS": (9, 17), "AGENTS": (3, 1)}, "target": {"CALLS": (8, 16), "AGENTS": (3, 1)}}
    monkeypatch.setattr(checks, "replicated_tables", lambda step: {role: ["CALLS"] for role in sides})
    monkeypatch.setattr(
        checks, "fingerprints", lambda step, role, tables, convert: Fingerprints(dict(sides[role]), [], [])
    )
    monkeypatch.setattr(checks, "same_character_set", lambda step: True)
    monkeypatch.setattr(checks, "at_rest", lambda step: {"marks": {}, "sequences": ""})
    step: Any = FakeStep(final_stop="1796069000", noted_scn="7")
    with pytest.raises(GuardError, match=r"1 of 2 tables differ .*CALLS: \(9, 17\) at site2, \(8, 16\) at site3"):
        checks.CompareTables(task_id="compare")._run(step)
    assert "tables_compared" not in step.ledger
    sides["target"]["CALLS"] = (9, 17)
    assert "2 tables, 12 rows" in checks.CompareTables(task_id="compare")._run(step)["summary"]
