"""Waiting for what other processes do: one look at them would depend on the load of the machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: For what takes a moment where nothing else runs: only a failing test waits so long.
LONG = 60.0


def wait_for(condition: Callable[[], T], seconds: float = LONG, what: str = "the expected state") -> T:
    """Wait until a condition is true, and return its value.

    :param what: for the error.
    """
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)
    return value


def wait_until_still(read: Callable[[], T], still: float, seconds: float = LONG, what: str = "a value") -> T:
    """Wait until a value has not changed for some seconds, and return it.

    :param still: seconds without a change.
    :param what: for the error.
    """
    deadline = time.monotonic() + seconds
    value, since = read(), time.monotonic()
    while time.monotonic() < since + still:
        assert time.monotonic() < deadline, f"still changing after {seconds:g} s: {what}"
        time.sleep(0.1)
        if (found := read()) != value:
            value, since = found, time.monotonic()
    return value
