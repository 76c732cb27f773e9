"""Take the tasks of an item of the guide out, and see its tests fail.

``.venv/bin/python scripts/without_tasks.py --seed 1`` draws items of docs/guide-coverage.md that tasks cover. Of each
it takes the tasks out in two ways and runs unit tests, which must fail:

- **idle**: the tasks are there, find their goal reached and act on nothing. The item's own unit tests run.
- **gone**: the tasks are not in the DAGs. The list of each DAG's tasks is compared (tests/unit/dags/test_tasks.py).

``--all`` takes every item, and ``--each`` takes out one class of tasks at a time.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import os
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: Methods of a task that see, do or prove something.
DOES = ("observe", "act", "verify", "finish", "prepare", "after", "ask", "evidence", "accepted", "instructions")
#: The test that compares each DAG's tasks with the list of them.
LISTED = "tests/unit/dags/test_tasks.py"
#: The DAGs, read once; each process that takes tasks out has its own.
DAGS: dict[str, Any] = {}


def named(name: str) -> type[Any]:
    """The class of ``module:name``."""
    module, _, attribute = name.partition(":")
    found = getattr(import_module(module), attribute)
    assert isinstance(found, type)
    return found


def make_idle(classes: Sequence[str]) -> None:
    """Let the tasks of some classes find their goal reached, and act on nothing."""
    from infomart_dr.operators.base import StepOperator
    from infomart_dr.plan.step import Observation

    reached = Observation(True, "taken out")
    for cls in map(named, classes):
        steps = issubclass(cls, StepOperator) or hasattr(cls, "ask")
        for method in DOES if steps else ("execute",):
            if hasattr(cls, method):
                answer = reached if method in ("observe", "verify", "ask", "after") else None
                setattr(cls, method, lambda *_, _answer=answer, **__: _answer)


def take_from_dags(classes: Sequence[str]) -> None:
    """Let every DAG lack the tasks of some classes."""
    from airflow.dag_processing.dagbag import DagBag

    out = tuple(map(named, classes))
    for dag in DAGS.values():
        for task in list(dag.tasks):
            if issubclass(class_of(task), out):
                del dag.task_dict[task.task_id]

    def read(bag: Any, *_: Any, **__: Any) -> None:
        bag.dags, bag.import_errors = DAGS, {}

    DagBag.__init__ = read  # type: ignore[method-assign]


def take_nothing(classes: Sequence[str]) -> None:
    """Take nothing out."""


def class_of(task: Any) -> type[Any]:
    """The class of a task, mapped or not."""
    return task.operator_class if task.is_mapped else type(task)


def classes_of(item: Any, dags: dict[str, Any], coverage: Any) -> list[str]:
    """Classes of the tasks that cover an item."""
    found = {class_of(dags[task.dag_id].get_task(task.task_id)) for task in coverage.by_item[item.id]}
    return sorted(f"{cls.__module__}:{cls.__name__}" for cls in found)


def fail(tests: Sequence[str], prepare: Callable[[Sequence[str]], None], classes: Sequence[str]) -> bool:
    """One of the tests fails, in a process of its own in which something was taken out before.

    :raises RuntimeError: the tests could not be run, or fail although nothing was taken out.
    """
    import pytest

    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            code = 70
            try:
                os.dup2(said.fileno(), 1), os.dup2(said.fileno(), 2)
                prepare(classes)
                code = pytest.main(["-q", "-x", "-p", "no:warnings", "-p", "no:cacheprovider", *tests])
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code not in (0, 1) or (code and not classes):
            said.seek(0)
            raise RuntimeError(f"pytest ended with {code}\n{said.read().decode(errors='replace')[-4000:]}")
    return code == 1


def main() -> int:
    """Draw, take out, run."""
    parser = argparse.ArgumentParser(description=inspect.cleandoc(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--items", type=int, default=20)
    parser.add_argument("--all", action="store_true", help="every item")
    parser.add_argument("--each", action="store_true", help="one class at a time")
    parser.add_argument("--item", action="append", default=[], help="id of an item")
    options = parser.parse_args()
    os.chdir(ROOT)
    from infomart_dr.dagfiles import load_dags, quiet_airflow
    from infomart_dr.preparation.guide_coverage import Coverage, load_items, tasks_of

    with quiet_airflow():
        DAGS.update(load_dags(ROOT / "dags"))
    coverage = Coverage(load_items(), tasks_of(DAGS.values()))
    covered = [item for item in coverage.items if coverage.by_item[item.id] and not item.partly]
    drawn = random.Random(options.seed).sample(covered, min(options.items, len(covered)))
    if options.all or options.item:
        drawn = [item for item in covered if not options.item or item.id in options.item]
    of_item = {item.id: [test for test in item.tests if test.startswith("tests/unit/")] for item in drawn}
    # The control: with all tasks in place they pass.
    fail(list(dict.fromkeys([LISTED, *(test for tests in of_item.values() for test in tests)])), take_nothing, [])
    passed = []
    for item in drawn:
        tests, classes = of_item[item.id], classes_of(item, DAGS, coverage)
        for out in [[name] for name in classes] if options.each else [classes]:
            idle, gone = bool(tests) and fail(tests, make_idle, out), fail([LISTED], take_from_dags, out)
            words = ", ".join(
                f"{way} {'fails' if found else 'PASSES'}" for way, found in (("idle", idle), ("gone", gone))
            )
            print(f"{item.id}: {words} ({', '.join(name.rpartition(':')[2] for name in out)})", flush=True)
            passed += [] if idle and gone else [item.id]
    print(f"{len(drawn)} items; their tests pass without the tasks: {', '.join(dict.fromkeys(passed)) or 'of none'}")
    return 1 if passed else 0


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "lab")]
    with contextlib.suppress(KeyboardInterrupt):
        raise SystemExit(main())
