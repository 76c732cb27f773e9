"""Take the tasks of an item of the guide out, and see its tests fail.

``.venv/bin/python scripts/without_tasks.py --seed 1`` draws items of docs/guide-coverage.md that tasks cover and that
name a test in tests/unit. For each it lets the classes of those tasks find their goal reached and act on nothing, runs
the item's unit tests, and says whether one of them fails. The tests of other items need a whole lab.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: Methods of an operator that see, do or prove something.
_DOES = ("observe", "act", "verify", "finish", "prepare", "after", "ask", "evidence", "accepted", "instructions")
_CLASSES = "INFOMART_DR_WITHOUT"


def pytest_configure(config: Any) -> None:
    """Of the pytest in between: take the classes out."""
    from importlib import import_module

    from infomart_dr.plan.step import Observation

    for name in json.loads(os.environ[_CLASSES]):
        module, _, attribute = name.partition(":")
        cls = getattr(import_module(module), attribute)
        for method in _DOES:
            if hasattr(cls, method):
                answer = Observation(True, "taken out") if method in ("observe", "verify", "ask", "after") else None
                setattr(cls, method, lambda *_, _answer=answer, **__: _answer)


def classes_of(item: Any, dags: dict[str, Any], coverage: Any) -> list[str]:
    """Classes of the tasks that cover an item."""
    found = set()
    for task in coverage.by_item[item.id]:
        there = dags[task.dag_id].get_task(task.task_id)
        cls = there.operator_class if there.is_mapped else type(there)
        found.add(f"{cls.__module__}:{cls.__name__}")
    return sorted(found)


def main() -> int:
    """Draw, take out, run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--run", action="store_true", help="only items whose tests run the task")
    options = parser.parse_args()
    from infomart_dr.dagfiles import load_dags, quiet_airflow
    from infomart_dr.preparation.guide_coverage import Coverage, load_items, tasks_of

    with quiet_airflow():
        dags = load_dags(ROOT / "dags")
    coverage = Coverage(load_items(), tasks_of(dags.values()))
    covered = [item for item in coverage.items if coverage.by_item[item.id] and not item.partly]
    folders = ("tests/unit/operators/", "tests/unit/sensors/") if options.run else ("tests/unit/",)
    unit = [item for item in covered if any(test.startswith(folders) for test in item.tests)]
    drawn = random.Random(options.seed).sample(unit, min(options.items, len(unit)))
    failed = 0
    for item in drawn:
        classes = classes_of(item, dags, coverage)
        tests = [test for test in item.tests if test.startswith(folders)]
        left = Coverage([item], [task for task in coverage.tasks if task not in coverage.by_item[item.id]])
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:warnings", "-p", "without_tasks", *tests],
            env=os.environ
            | {
                _CLASSES: json.dumps(classes),
                "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("plugins", "lab", "scripts")),
            },
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        fails = done.returncode == 1
        failed += fails
        alone = "" if left.open(item) or item.explained else " (and the table still calls it covered)"
        print(f"{'fails' if fails else 'PASSES'}  {item.id}: {', '.join(classes)}{alone}", flush=True)
    print(f"{failed} of {len(drawn)} fail without the tasks; {len(covered) - len(unit)} covered items are not tried")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "plugins"))
    raise SystemExit(main())
