"""Estimates: bounds around measured times, wide bounds without them, and the basis that they name."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import pytest

from infomart_dr.evidence.estimate import (
    ASSUMED_APPLY,
    Measured,
    Span,
    estimate,
    measured_runs,
    parts,
)

GIGABYTE = 1_000_000_000


def test_without_a_measured_run_the_bounds_are_wide_and_say_that_they_are_assumed() -> None:
    found = estimate(100 * GIGABYTE)
    assert found.export.basis == "assumed"
    assert found.export.high > 10 * found.export.low
    assert found.export.text().endswith("(assumed)")


def test_a_larger_schema_never_takes_less() -> None:
    small, large = estimate(GIGABYTE), estimate(100 * GIGABYTE)
    for name in ("export", "transfer", "load", "cutover_outage"):
        assert getattr(small, name).low <= getattr(large, name).low
        assert getattr(small, name).high <= getattr(large, name).high


@pytest.mark.parametrize("size", [GIGABYTE // 2, GIGABYTE, 3 * GIGABYTE])
def test_the_bounds_of_a_measured_phase_hold_the_run_they_come_from(size: int) -> None:
    found = estimate(size, [Measured(GIGABYTE, {"export": 100.0})])
    assert found.export.low <= 100.0 * size / GIGABYTE <= found.export.high
    assert found.export.basis == "measured in 1 run(s)"
    # The others were not measured.
    assert found.transfer.basis == "assumed"


def test_several_runs_give_the_fastest_and_the_slowest() -> None:
    runs = [Measured(GIGABYTE, {"import": 100.0}), Measured(GIGABYTE, {"import": 400.0})]
    span = estimate(GIGABYTE, runs).load
    assert span.low < 100.0 and span.high > 400.0
    assert span.basis == "measured in 2 run(s)"


def test_a_sum_of_measured_and_assumed_says_so() -> None:
    found = estimate(GIGABYTE, [Measured(GIGABYTE, {"export": 100.0})])
    assert found.copy.basis == "partly assumed"
    assert found.copy.low == found.export.low + found.transfer.low + found.load.low


def test_without_redo_there_is_nothing_to_catch_up() -> None:
    assert estimate(GIGABYTE).catch_up == Span(0, 0)


def test_more_redo_than_a_slow_replicat_applies_may_never_be_caught_up() -> None:
    found = estimate(GIGABYTE, redo=ASSUMED_APPLY[0])
    assert math.isinf(found.catch_up.high) and "no end" in found.catch_up.text()
    assert estimate(GIGABYTE, redo=ASSUMED_APPLY[0] / 2).catch_up.high == pytest.approx(estimate(GIGABYTE).copy.high)


def test_a_measured_outage_replaces_the_assumed_one() -> None:
    found = estimate(GIGABYTE, [Measured(GIGABYTE, {}, outage=60.0)])
    assert found.cutover_outage == Span(40.0, 90.0, "measured in 1 run(s)")


@pytest.mark.parametrize(
    ("procedure", "names"),
    [
        ("failover", {"outage"}),
        ("switchover", {"outage"}),
        ("database_transfer", {"export", "transfer", "import", "catch-up", "outage for the export"}),
        (
            "return_to_normal",
            {"export", "transfer", "import", "catch-up", "outage for the export", "outage for the cutover"},
        ),
    ],
)
def test_a_procedure_has_the_parts_that_it_runs(procedure: str, names: set[str]) -> None:
    assert set(parts(procedure, estimate(GIGABYTE), replicated=True)) == names


def test_a_copy_that_nothing_follows_is_neither_caught_up_nor_cut_over() -> None:
    names = {"export", "transfer", "import", "outage for the export"}
    assert set(parts("return_to_normal", estimate(GIGABYTE), replicated=False)) == names


# -- earlier runs ----------------------------------------------------------------------------------

BEGIN = datetime(2026, 11, 2, 12, 0)


def rows(plan: str, **facts: tuple[str, float]) -> list[dict[str, Any]]:
    return [
        {"plan_id": plan, "name": name, "value": value, "noted_at": BEGIN + timedelta(seconds=at)}
        for name, (value, at) in facts.items()
    ]


def test_the_times_of_a_run_are_read_from_what_its_plan_recorded() -> None:
    (run,) = measured_runs(
        rows(
            "a",
            schema_bytes=("5000", 0),
            export_seconds=("60", 61),
            manifest_digest=("x", 70),
            transferred=("x", 100),
            sequences_dropped=("yes", 110),
            imported=("300", 200),
            final_stop=("1000", 300),
            point_of_no_return=("1090", 390),
        )
    )
    assert run == Measured(5000, {"export": 60.0, "transfer": 30.0, "import": 90.0}, 90.0)


def test_a_run_that_ended_early_reports_what_it_did() -> None:
    (run,) = measured_runs(rows("a", schema_bytes=("5000", 0), export_seconds=("60", 61)))
    assert run == Measured(5000, {"export": 60.0}, None)


def test_a_run_without_a_size_reports_nothing() -> None:
    assert measured_runs(rows("a", export_seconds=("60", 61))) == []


def test_runs_are_kept_apart() -> None:
    runs = measured_runs(rows("a", schema_bytes=("1", 0)) + rows("b", schema_bytes=("2", 0)))
    assert [run.size for run in runs] == [1, 2]


def test_a_switchover_and_a_failover_measure_their_outage_though_they_copy_nothing() -> None:
    runs = measured_runs(
        rows("switchover", final_stop=("1000", 300), point_of_no_return=("1240", 540))
        + rows("failover", site_failure_confirmed=("anna", 10), point_of_no_return=("2000", 29))
    )
    assert runs == [Measured(0, {}, 240.0), Measured(0, {}, None, 19.0)]
    found = estimate(GIGABYTE, runs)
    assert found.cutover_outage == Span(160.0, 360.0, "measured in 1 run(s)")
    assert found.failover_outage == Span(19.0 / 1.5, 28.5, "measured in 1 run(s)")
    assert found.export.basis == "assumed"
