"""Items of the guide whose tasks are taken out are missed: their tests fail without the tasks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [1, 2])
def test_twenty_items_drawn_by_a_seed_are_missed_without_their_tasks(seed: int) -> None:
    script = [sys.executable, str(ROOT / "scripts" / "without_tasks.py"), "--seed", str(seed)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=1100)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "20 items; their tests pass without the tasks: of none" in done.stdout
