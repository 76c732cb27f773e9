"""Seconds spent in outside programs, so that a report can separate them from the orchestration's own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_depth = 0
_since = 0.0
_total = 0.0


@contextmanager
def outside() -> Iterator[None]:
    """Count the time of the block. Overlapping blocks of several threads count once."""
    global _depth, _since, _total
    with _lock:
        if _depth == 0:
            _since = time.monotonic()
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _total += time.monotonic() - _since


def add(seconds: float) -> None:
    """Count time that an outside program measured itself (a detached job)."""
    global _total
    with _lock:
        _total += seconds


def total() -> float:
    """Seconds counted in this process."""
    with _lock:
        return _total
