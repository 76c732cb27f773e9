"""A seventh of the slow tests, within a budget of time; each day of the month has its own.

The seventh of the day is printed, and with --list all of them. SLICE=1 to 7 chooses one by hand.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests import scheduling  # noqa: E402

SLICES = 7
#: Seconds assumed of a test that was never measured.
UNKNOWN = 60.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER_TESTS = "tests/system/test_browser.py"
#: Seconds beyond the budget until the running tests are ended.
GRACE = 300


def slow_tests() -> list[str]:
    """All slow tests, by pytest's own collection."""
    words = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-m", "slow", "tests"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    found = [line for line in done.stdout.splitlines() if line.startswith("tests/") and "::" in line]
    if done.returncode or not found:
        sys.exit(f"The slow tests cannot be collected:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return found


def units(tests: list[str]) -> dict[str, float]:
    """Seconds of each unit of a slice: a file, or a test of a long file."""
    known = scheduling.known()
    seconds = {test: known.get(test, UNKNOWN) for test in tests}
    files = scheduling.by_file(known)
    found: dict[str, float] = defaultdict(float)
    for test, each in seconds.items():
        found[scheduling.unit_of(test, files)] += each
    return found


def pack(given: dict[str, float], slices: int = SLICES) -> list[list[str]]:
    """Slices of about the same length: the longest first, each into the shortest slice."""
    packed: list[list[str]] = [[] for _ in range(slices)]
    totals = [0.0] * slices
    for name, seconds in sorted(given.items(), key=lambda item: (-item[1], item[0])):
        least = totals.index(min(totals))
        packed[least].append(name)
        totals[least] += seconds
    return packed


def of_today(today: datetime, asked: str = "") -> int:
    """Number of a slice, from 1 on.

    :param asked: value of SLICE.
    :raises ValueError: no such slice.
    """
    number = int(asked) if asked else (today.day - 1) % SLICES + 1
    if not 1 <= number <= SLICES:
        raise ValueError(asked)
    return number


def has_browser() -> bool:
    """A Chromium is installed, which the browser's tests need."""
    return bool(os.environ.get("INFOMART_TEST_CHROMIUM") or any(map(shutil.which, BROWSERS)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=1500, help="seconds; units beyond them are left out")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="print all slices and run none")
    given = parser.parse_args()
    try:
        number = of_today(datetime.now(UTC), os.environ.get("SLICE", ""))
    except ValueError:
        parser.error(f"SLICE is a number from 1 to {SLICES}")
    tests = slow_tests()
    seconds = units(tests)
    packed = pack(seconds)
    for each in range(1, SLICES + 1) if given.list else [number]:
        total = sum(seconds[name] for name in packed[each - 1])
        print(f"slice {each} of {SLICES} of the slow tests, about {total:.0f} s in one worker:")
        for name in packed[each - 1]:
            print(f"  {seconds[name]:5.0f} s  {name}")
    if given.list:
        return 0
    chosen = list(packed[number - 1])
    if BROWSER_TESTS in chosen and not has_browser():
        chosen.remove(BROWSER_TESTS)
        print(f"left out: {BROWSER_TESTS}: no Chromium is installed (Debian: apt install chromium)")
    if not chosen:
        return 0
    sys.stdout.flush()
    words = [sys.executable, "-m", "pytest", "-m", "slow", "-n", str(given.workers), "--dist", "loadfile"]
    words += ["--deadline", str(time.time() + given.budget), *chosen]
    process = subprocess.Popen(words, cwd=ROOT)
    try:
        return process.wait(given.budget + GRACE)
    except subprocess.TimeoutExpired:
        print(f"the slice has not ended within {given.budget + GRACE:.0f} s and is ended", file=sys.stderr)
        return 1
    finally:
        # The labs of an ended pytest end with it.
        process.terminate()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
