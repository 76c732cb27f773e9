"""A writer that ran between the comparison and the start, and is gone again, is found by its traces."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import FakeStep

from infomart_dr.errors import GuardError
from infomart_dr.guards.rest import at_rest, moved_since
from infomart_dr.plan import facts


class World:
    """Marks and sequences of the source."""

    def __init__(self, sources: int = 3) -> None:
        self.marks = {(101 + number, "GIDB_G_CALL_V"): 1796000000 + number for number in range(sources)}
        self.sequences = {"SEQ_A": 1000, "SEQ_B": 2000}
        self.step: Any = FakeStep()
        self.step.info_mart = lambda role: SimpleNamespace(select=self._hwm)
        self.step.dba = lambda role: SimpleNamespace(select=self._last_numbers)

    def _hwm(self, name: str, identifiers: Any) -> list[dict[str, Any]]:
        assert name == "hwm"
        return [
            {"data_source_key": key, "table_name": table, "max_ts": mark} for (key, table), mark in self.marks.items()
        ]

    def _last_numbers(self, name: str, **binds: Any) -> list[dict[str, Any]]:
        assert name == "sequences"
        return [{"sequence_name": name, "last_number": last} for name, last in self.sequences.items()]

    def compared(self) -> None:
        self.step.ledger.put_once(facts.SOURCE_AT_REST, at_rest(self.step))


def test_nothing_has_moved_while_nobody_wrote() -> None:
    world = World()
    world.compared()
    assert moved_since(world.step) is None


def test_a_mark_that_has_moved_names_its_data_source() -> None:
    world = World()
    world.compared()
    world.marks[102, "GIDB_G_CALL_V"] += 12
    assert moved_since(world.step) == "the high-water mark of data source 102 GIDB_G_CALL_V"


def test_a_sequence_that_has_given_out_values_is_a_trace() -> None:
    world = World()
    world.compared()
    world.sequences["SEQ_B"] += 20
    assert moved_since(world.step) == "a sequence has given out values"


def test_a_mark_that_is_new_or_gone_is_a_trace() -> None:
    world = World()
    world.compared()
    world.marks[999, "GIDB_G_CALL_V"] = 1
    del world.marks[101, "GIDB_G_CALL_V"]
    found = moved_since(world.step)
    assert found is not None and "101" in found and "999" in found


@pytest.mark.parametrize("sources", [1, 40, 500])
def test_the_record_fits_into_the_ledger_with_many_data_sources(sources: int) -> None:
    world = World(sources)
    world.compared()
    assert moved_since(world.step) is None
    world.marks[101, "GIDB_G_CALL_V"] += 1
    assert "the high-water mark of data source" in str(moved_since(world.step))


def test_without_a_comparison_nothing_is_proven() -> None:
    with pytest.raises(GuardError, match="source_at_rest"):
        moved_since(World().step)
