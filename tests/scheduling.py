"""Schedule of the tests: known durations, long files first, and a time limit.

``durations.json`` has the seconds of the longer tests; ``pytest --record-durations`` adds measured ones.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

FILE = Path(__file__).with_name("durations.json")
#: Files that take longer are split into their tests; the tests of the others stay together and share a lab.
LARGEST = 900.0
#: Shorter tests are not recorded.
SHORTEST = 3.0
#: A worker with a longer unit gets a short one too: it begins a test only when it knows the next one.
LONG = 20.0


def known() -> dict[str, float]:
    """Seconds by test."""
    return json.loads(FILE.read_text())


def by_file(durations: dict[str, float]) -> dict[str, float]:
    """Seconds by file."""
    found: dict[str, float] = defaultdict(float)
    for test, seconds in durations.items():
        found[test.partition("::")[0]] += seconds
    return found


def unit_of(test: str, files: dict[str, float]) -> str:
    """Unit of a test: its file, or itself.

    :param files: seconds by file.
    """
    file = test.partition("::")[0]
    return file if files.get(file, 0.0) <= LARGEST else test


class LongestFirst(LoadFileScheduling):
    """Each worker has whole files, the longest first, so that all workers end at about the same time."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        self._seconds = known()
        self._files = by_file(self._seconds)

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid, self._files)

    def _duration(self, tests: dict[str, bool]) -> float:
        return sum(self._seconds.get(test, 0.0) for test, done in tests.items() if not done)

    def _assign_work_unit(self, node: Any) -> None:
        busy = sum(map(self._duration, self.assigned_work.get(node, {}).values()))
        choose = min if busy > LONG else max
        self.workqueue.move_to_end(
            choose(self.workqueue, key=lambda scope: self._duration(self.workqueue[scope])), last=False
        )
        super()._assign_work_unit(node)


class Recorder:
    """Writes down how long each test took, its fixtures included."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._failed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if not report.passed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        for test in self._failed:
            self._seconds.pop(test, None)
        measured = {test: round(seconds) for test, seconds in self._seconds.items() if seconds >= SHORTEST}
        kept = {test: seconds for test, seconds in known().items() if test not in self._seconds}
        FILE.write_text(json.dumps(kept | measured, indent=1, sort_keys=True) + "\n")


class Deadline:
    """Leaves out tests that would not end in time.

    :param moment: seconds since the epoch.
    """

    def __init__(self, moment: float) -> None:
        self._moment, self._seconds = moment, known()

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        left = self._moment - time.time()
        if self._seconds.get(item.nodeid, 0.0) > left:
            pytest.skip(f"left out, as only {max(left, 0):.0f} s are left: {item.nodeid}")
