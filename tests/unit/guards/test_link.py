"""The gate of a failover shows how long the link has been out, and how long waiting loses nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.evidence.watch_fakes import FakeSite
from tests.unit.operators.fakes import StepOf

from infomart_dr.evidence.watch_store import parts
from infomart_dr.evidence.watching import State
from infomart_dr.guards.link import link_out, outage

NOW, HOUR = 1_800_000_000.0, 3600.0


def said(**state: Any) -> str:
    return outage(State(**{"at": NOW - 60, **state}), "site1", "site2", 8 * HOUR, NOW)


def test_the_time_since_the_last_look_that_found_it_up_and_what_is_left_of_the_threshold() -> None:
    text = said(links={"site1-site2": NOW - 2 * HOUR, "site1-site3": NOW})
    assert "2 h ago" in text and "6 h are left, until 2027-01-15 14:00:00 UTC" in text and "not looked" not in text


def test_two_servers_probe_each_other_and_the_newest_answer_counts() -> None:
    assert "1 h ago" in said(links={"site1-site2": NOW - 2 * HOUR, "site2-site1": NOW - HOUR})


def test_a_threshold_that_is_over_and_a_watch_that_stands_still_are_said() -> None:
    text = said(at=NOW - 10 * HOUR, links={"site1-site2": NOW - 10 * HOUR})
    assert "it has been over since" in text and "infomart_watch has not looked since" in text


def test_without_a_look_the_time_is_unknown_and_the_threshold_is_said() -> None:
    assert "the time is unknown" in said() and "(8 h)" in said()


@pytest.mark.parametrize("away", [False, True])
def test_the_survivors_copy_of_the_state_is_read_and_its_silence_does_not_stop_the_gate(away: bool) -> None:
    database = FakeSite()
    database.rows = {"look": "1", **parts(State(at=NOW, links={"site1-site2": NOW}))}
    database.away = away
    step = StepOf(
        topology=SimpleNamespace(name="lab", info_mart=SimpleNamespace(stuck_threshold=8 * HOUR)),
        site=lambda role: SimpleNamespace(goldengate=SimpleNamespace(schema_name="GGATE")),
        name=lambda role: {"source": "site1", "target": "site2"}[role],
    )
    step.at = lambda role: SimpleNamespace(  # type: ignore[method-assign, assignment, return-value]
        name=step.name(role), settings=step.site(role), goldengate_database=database
    )
    assert ("the time is unknown" in link_out(step)) == away  # type: ignore[arg-type]
