"""Write docs/reliability.md from the results of the fault matrix in tests/faults/results.

Run with ``.venv/bin/python scripts/reliability.py``; with ``--check`` nothing is written, and the exit code is 1 when
the document is stale.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "reliability.md"

HEAD = """\
# Reliability: faults that were tried

Made by `scripts/reliability.py` from `tests/faults/results`: do not edit.

A *cell* is one fault at one moment of one step of one procedure, at the source or the target where the fault has a
place. Each step of a run gets one cell; a seed chooses it, so that pairs of step, moment and fault that no cell has
covered come first. The product's own operators run in the lab, under load, without a scheduler: a try that fails with
a retryable error is tried again each second for {patience:g} s at most. When a step stops, the fault is cured, and
the run is cleared as its message says, or a new run continues the plan.

A run *holds* when at its end each site has every call once (after a failover: not more is lost than before), the
right server runs, two never ran (looked at five times a second), nothing is left behind (lock, holds, jobs, groups,
half-written files), no password is in a command line, file, log or result, and each error that stopped a step has a
type and a next step. What is wrong with a run counts for each of its cells. A run in which the lab could not end a
fault is not counted.

To try more: `.venv/bin/python -m tests.faults --seed 7`, then `.venv/bin/python scripts/reliability.py`.
"""


def kind(record: Mapping[str, Any]) -> str:
    """Class of an outcome."""
    outcome = str(record["outcome"])
    if outcome in ("by itself", "not noticed"):
        return outcome
    return "clear or new run" if outcome.startswith("stops, and goes on") else "not gone on"


KINDS = ("not noticed", "by itself", "clear or new run", "not gone on")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)]) + "\n"


def counted(
    possible: Iterable[Any], tried: Sequence[Mapping[str, Any]], cells: Sequence[Any], key: Callable[[Any], str]
) -> Iterable[tuple[object, ...]]:
    """One row a value of ``key``: possible, tried, outcomes, seconds, what holds."""
    there = Counter(key(cell) for cell in possible)
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for cell, record in zip(cells, tried, strict=True):
        found[key(cell)].append(record)
    for name in sorted({*there, *found}):
        records = found[name]
        seconds = [float(record["seconds"]) for record in records]
        kinds = Counter(kind(record) for record in records)
        yield (
            name,
            there[name],
            len(records),
            *(kinds[each] or "" for each in KINDS),
            f"{statistics.median(seconds):.0f} ({max(seconds):.0f})" if seconds else "",
            f"{sum(record['holds'] for record in records)} of {len(records)}" if records else "",
        )


COLUMNS = ("possible", "tried", *KINDS, "seconds: median (longest)", "holds")


def text() -> str:
    """The document."""
    from tests.faults import cells as matrix
    from tests.faults.catalogue import FAULTS, NOT_BUILT
    from tests.faults.trial import PATIENCE

    possible, records = matrix.possible(), matrix.results()
    cells = [matrix.cell_of(record) for record in records]
    distinct = set(cells)
    pairs = {pair for cell in possible for pair in cell.pairs()}
    covered = {pair for cell in distinct for pair in cell.pairs()} & pairs
    wrong = [(cell, record) for cell, record in zip(cells, records, strict=True) if not record["holds"]]
    parts = [HEAD.format(patience=PATIENCE)]
    parts.append("## Coverage\n")
    parts.append(
        f"**{len(distinct)} of {len(possible)} cells** tried, {len(records)} trials; "
        f"{len(covered)} of {len(pairs)} pairs of step, moment, fault and site. "
        f"{len(records) - len(wrong)} of {len(records)} trials hold.\n"
    )
    parts.append(
        "*Not noticed*: no try failed; the fault was over, or elsewhere, when the step needed the place. *By itself*: "
        "another try went on. *Clear or new run*: the step stopped with a reason, and went on after the cure. *Not "
        "gone on*: the plan did not come past it. Seconds: from the fault to the step's end.\n"
    )
    parts.append(table(("procedure", *COLUMNS), counted(possible, records, cells, lambda cell: f"`{cell.procedure}`")))
    parts.append("## By fault\n")
    parts.append(table(("fault", *COLUMNS), counted(possible, records, cells, lambda cell: cell.fault)))
    parts.append("## By moment\n")
    parts.append(table(("moment", *COLUMNS), counted(possible, records, cells, lambda cell: cell.moment)))
    parts.append("## What does not hold\n")
    if wrong:
        reasons: dict[tuple[str, ...], list[Any]] = defaultdict(list)
        for cell, record in wrong:
            reasons[tuple(record["wrong"])].append(cell)
        rows = [
            (
                "; ".join(reason)[:600].replace("|", "/"),
                "<br>".join(f"`{c.step}` {c.moment}: {c.fault} {c.at}".strip() for c in sorted(found)),
            )
            for reason, found in sorted(reasons.items())
        ]
        parts.append("One line a run: any of its cells may be the cause.\n")
        parts.append(table(("found", "cells of the run"), rows))
    else:
        parts.append("Nothing was found in these cells.\n")
    parts.append("## What stopped a step\n")
    stops: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for cell, record in zip(cells, records, strict=True):
        if kind(record) not in ("by itself", "not noticed"):
            what = record["errors"][-1] if record["errors"] else ("", "", "")
            stops[cell.fault, str(record["outcome"])][f"`{cell.step}`: {what[1][:200]}".replace("|", "/")] += 1
    rows = [(fault, outcome, "<br>".join(sorted(seen))) for (fault, outcome), seen in sorted(stops.items())]
    parts.append(table(("fault", "outcome", "message"), rows) if rows else "No cell stopped a step.\n")
    parts.append("## A paused try that went on\n")
    paused = Counter(str(record["paused"]) for record in records if record["paused"])
    parts.append(table(("what became of it", "cells"), sorted(paused.items())) if paused else "None was tried.\n")
    parts.append("## By step\n")
    parts.append(
        table(
            ("step", *COLUMNS),
            counted(
                possible, records, cells, lambda cell: f"{cell.procedure.removeprefix('infomart_')}: `{cell.step}`"
            ),
        )
    )
    parts.append("## What no cell tries\n")
    unused = [fault.name for fault in FAULTS if fault.name not in {cell.fault for cell in cells}]
    parts.append("\n".join(f"- {each}" for each in [*NOT_BUILT, *(f"so far: {name}" for name in unused)]) + "\n")
    parts.append(
        "- procedures: reverse sync, cutover and transfer by themselves, option 1 of a return, active-active, "
        "re-aggregation and purge hold by themselves\n- snapshots: none is needed, since a procedure ends where the "
        "next one begins\n"
    )
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the document; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when the document is stale")
    options = parser.parse_args(arguments)
    made = text()
    if DOCUMENT.is_file() and DOCUMENT.read_text() == made:
        print("docs/reliability.md is current")
        return 0
    if options.check:
        print("docs/reliability.md is stale: run scripts/reliability.py", file=sys.stderr)
        return 1
    DOCUMENT.write_text(made)
    print("docs/reliability.md is written")
    return 0


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "lab")]
    import tests.conftest  # noqa: F401  # Airflow's settings, before its import

    sys.exit(main())
