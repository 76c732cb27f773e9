"""The cells of the matrix: procedure, step, moment, fault and site; those tried, and the next ones to try."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from tests.faults.catalogue import FAULTS, MARKED, REJECTED, TIMED_OUT, Fault
from tests.faults.moments import (
    AFTER_SUCCESS,
    AFTER_VERIFY,
    ASKED,
    BEFORE_ACT,
    BEFORE_VERIFY,
    LOOK,
    REPLY_LOST,
    UNSENT,
    WAITING,
)

RESULTS = Path(__file__).parent / "results"
#: What each step of each procedure does in a run without faults, as runs have recorded it.
STEPS = RESULTS / "steps.json"
#: One line a cell that was tried.
TRIED = RESULTS / "cells.jsonl"
#: Faults after which the run ends: at most two in a run.
_ENDS = frozenset({MARKED, REJECTED, TIMED_OUT})
_MOST_ENDS = 2


@dataclass(frozen=True, order=True)
class Cell:
    """One fault at one moment of one step.

    :param at: role of the site where the fault is; empty: it has none.
    """

    procedure: str
    step: str
    moment: str
    fault: str
    at: str = ""

    def pairs(self) -> set[tuple[str, ...]]:
        """What this cell covers: each two of its step, moment, fault and site."""
        values = (f"{self.procedure} {self.step}", self.moment, self.fault, self.at)
        return {(str(i), a, str(j), b) for (i, a), (j, b) in combinations(enumerate(values), 2)}


def profiles() -> dict[str, dict[str, Any]]:
    """What each step does, by procedure and task."""
    return json.loads(STEPS.read_text()) if STEPS.exists() else {}


def moments_of(profile: Mapping[str, Any]) -> set[str]:
    """The moments that a step has."""
    if profile["asks"]:
        return {ASKED, AFTER_SUCCESS}
    found = {AFTER_VERIFY, AFTER_SUCCESS}
    if profile["calls"].get("look"):
        found.add(LOOK)
    if profile["acts"]:
        found |= {BEFORE_ACT, BEFORE_VERIFY}
    if profile["calls"].get("act"):
        found |= {UNSENT, REPLY_LOST}
    if profile["waits"]:
        found.add(WAITING)
    return found


def _sites_of(fault: Fault, step: str, profile: Mapping[str, Any]) -> Iterator[str]:
    if not fault.places:
        yield ""
        return
    if fault.only and not any(part in step for part in fault.only):
        return
    for role in ("source", "target"):
        if any(each.startswith(fault.places) and each.endswith(f" {role}") for each in profile["places"]):
            yield role


def possible(known: Mapping[str, Mapping[str, Any]] | None = None) -> list[Cell]:
    """All cells of the procedures whose steps are known."""
    found = []
    for procedure, steps in (profiles() if known is None else known).items():
        for step, profile in steps.items():
            there = moments_of(profile)
            for fault in FAULTS:
                for at in _sites_of(fault, step, profile):
                    found += [
                        Cell(procedure, step, moment, fault.name, at) for moment in fault.moments if moment in there
                    ]
    return sorted(found)


def results() -> list[dict[str, Any]]:
    """The record of each cell that was tried."""
    return [json.loads(line) for line in TRIED.read_text().splitlines()] if TRIED.exists() else []


def cell_of(record: Mapping[str, Any]) -> Cell:
    """The cell of a record."""
    return Cell(*(str(record[name]) for name in ("procedure", "step", "moment", "fault", "at")))


def choose(procedure: str, tried: Iterable[Cell], seed: int, *, most: int = 1000) -> dict[str, Cell]:
    """One cell for each step of a run, greedily by the pairs that no cell has covered yet.

    :param most: number of cells.
    """
    chance = random.Random(f"{procedure} {seed}")
    tried = set(tried)
    covered = {pair for cell in tried for pair in cell.pairs()}
    by_step: dict[str, list[Cell]] = {}
    for cell in possible():
        if cell.procedure == procedure and cell not in tried:
            by_step.setdefault(cell.step, []).append(cell)
    steps = sorted(by_step)
    chance.shuffle(steps)
    chosen: dict[str, Cell] = {}
    ends = 0
    for step in steps[:most]:
        open_cells = [cell for cell in by_step[step] if ends < _MOST_ENDS or cell.fault not in _ENDS]
        if not open_cells:
            continue
        chance.shuffle(open_cells)
        best = max(open_cells, key=lambda cell: len(cell.pairs() - covered))
        chosen[step] = best
        covered |= best.pairs()
        ends += best.fault in _ENDS
    return chosen


def note_steps(procedure: str, seen: Mapping[str, Mapping[str, Any]]) -> None:
    """Keep what the steps of a run did, where it is more than what is known."""
    known = profiles()
    steps = known.setdefault(procedure, {})
    for step, profile in seen.items():
        before = steps.get(step)
        if before is None or sum(profile["calls"].values()) + 1000 * profile["acts"] > (
            sum(before["calls"].values()) + 1000 * before["acts"]
        ):
            steps[step] = dict(profile)
    STEPS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def note(records: Iterable[Mapping[str, Any]]) -> None:
    """Append the records of cells."""
    with TRIED.open("a") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n")


def fields(cell: Cell) -> dict[str, str]:
    """The cell's part of its record."""
    return asdict(cell)
