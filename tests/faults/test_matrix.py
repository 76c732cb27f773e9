"""The matrix itself: its choice of cells, its moments, its document; and cells of each procedure in a lab."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infomart_dr.plan.step import Observation
from infomart_lab.config import LabConfig
from tests.faults import cells as matrix
from tests.faults import moments
from tests.faults.campaign import Campaign
from tests.faults.cells import Cell
from tests.faults.moments import Call, Died, Moments, Shot
from tests.system.conftest import running
from tests.system.driver import connections

ROOT = Path(__file__).resolve().parents[2]


class Task:
    """A step in the order of StepOperator, with two calls in its act."""

    def __init__(self, watched: Moments) -> None:
        self.done: list[str] = []
        self._watched = watched

    def _call(self, name: str) -> None:
        with self._watched.outside_call(Call("ssh", "ssh_site1_db", lambda: OSError("lost"))):
            self.done.append(name)

    def observe(self, step: object) -> Observation:
        self._call("look")
        return Observation(False, "not yet")

    def act(self, step: object, seen: Observation) -> None:
        self._call("first")
        self._call("second")

    def settled(self, step: object) -> Observation:
        return self.observe(step)

    def _result(self, step: object, seen: Observation) -> dict[str, Any]:
        return {}

    def execute(self) -> list[str]:
        self.act(None, self.observe(None))
        self._result(None, self.settled(None))
        return self.done


@pytest.mark.parametrize(
    ("moment", "number", "done"),
    [
        (moments.LOOK, 1, ["look"]),
        (moments.BEFORE_ACT, 1, ["look"]),
        (moments.UNSENT, 2, ["look", "first"]),
        (moments.REPLY_LOST, 1, ["look", "first"]),
        (moments.BEFORE_VERIFY, 1, ["look", "first", "second"]),
        (moments.AFTER_VERIFY, 1, ["look", "first", "second", "look"]),
    ],
)
def test_a_process_dies_once_and_exactly_at_its_moment(moment: str, number: int, done: list[str]) -> None:
    watched = Moments()
    task = Task(watched)
    watched.wrap(task)

    def die(call: Call | None) -> None:
        raise Died

    shot = Shot(moment, die, number)
    watched.begin(shot)
    with pytest.raises(Died):
        task.execute()
    assert task.done == done and shot.fired
    watched.begin(shot)
    assert task.execute() == [*done, "look", "first", "second", "look"]
    assert watched.seen.acted and watched.seen.calls == {"look": 1, "act": 2, "verify": 1}


def test_a_fault_of_the_world_begins_before_the_first_call() -> None:
    watched = Moments()
    task = Task(watched)
    watched.wrap(task)
    there: list[int] = []
    watched.begin(Shot(moments.LOOK, lambda call: there.append(len(task.done)), early=True))
    task.execute()
    assert there == [0]


def test_the_choice_depends_on_the_seed_only_and_covers_what_is_not_covered() -> None:
    first = matrix.choose("infomart_switchover", [], 1)
    assert first == matrix.choose("infomart_switchover", [], 1) != matrix.choose("infomart_switchover", [], 2)
    assert len(first) > 40 and all(step == cell.step for step, cell in first.items())
    assert sum(cell.fault in ("run marked failed", "gate rejected", "gate timed out") for cell in first.values()) <= 2
    second = matrix.choose("infomart_switchover", first.values(), 1)
    assert not set(first.values()) & set(second.values())
    assert len({cell.fault for cell in first.values()}) > 15


def test_a_fault_is_possible_only_where_the_step_meets_it() -> None:
    step = {"calls": {"look": 1, "act": 2}, "acts": True, "waits": False, "asks": False, "places": ["oracle source"]}
    found = matrix.possible({"p": {"s": step}})
    assert Cell("p", "s", moments.LOOK, "listener gone for 6 s (ORA-12541)", "source") in found
    assert not [cell for cell in found if cell.at == "target" or cell.moment in (moments.WAITING, moments.ASKED)]
    assert not [cell for cell in found if "SSH" in cell.fault or "configuration" in cell.fault]


def test_every_cell_that_was_tried_is_possible() -> None:
    tried = [matrix.cell_of(each) for each in matrix.results()]
    assert not set(tried) - set(matrix.possible())


def test_the_document_is_what_the_results_give() -> None:
    main = runpy.run_path(str(ROOT / "scripts" / "reliability.py"))["main"]
    assert main(["--check"]) == 0


# -- in a lab ------------------------------------------------------------------------------------------


@pytest.fixture
def lab(tmp_path: Path, base_port: int) -> Iterator[LabConfig]:
    """A pair whose standby is empty."""
    asked: dict[str, Any] = {"scenario_name": "active-standby", "scale": 300, "rate": 10.0}
    with running(tmp_path / "lab", base_port=base_port, **asked) as config, connections(config):
        yield config


def _set_up(campaign: Campaign) -> None:
    campaign.set_up()


def _switch(campaign: Campaign) -> None:
    campaign.set_up(chosen={})
    campaign.switch("site1", "site2")


def _fail_over(campaign: Campaign) -> None:
    campaign.set_up(chosen={})
    campaign.fail_over("site1", "site2")


def _bring_back(campaign: Campaign) -> None:
    campaign.set_up(chosen={})
    campaign.fail_over("site1", "site2", chosen={})
    campaign.bring_back("site2", "site1")


@pytest.mark.lab
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("play", [_set_up, _switch, _fail_over, _bring_back])
def test_eight_faults_of_the_week_lose_and_leave_nothing(lab: LabConfig, play: Callable[[Campaign], None]) -> None:
    seed = int(datetime.now(UTC).strftime("%G%V"))
    campaign = Campaign(lab, seed, most=8)
    play(campaign)
    assert [(each.procedure, each.wrong) for each in campaign.played if each.wrong] == []
    wrong = [(r.cell, r.wrong) for each in campaign.played for r in each.records.values() if r.wrong]
    assert wrong == []
