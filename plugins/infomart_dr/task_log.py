"""The log of a task that fails: the finding, the next step, and no lines of a program."""

from __future__ import annotations

import copy
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from infomart_dr.errors import InfoMartError

log = logging.getLogger("airflow.task.infomart_dr")


def show(error: InfoMartError) -> None:
    """Log an anticipated error as records of their own: the finding and the next step."""
    for word, text in (("Found", error.what), ("Next", error.next_step)):
        first, *more = text.splitlines() or [""]
        if first:
            log.error("%s: %s", word, first)
        for line in more:
            log.error("%s", line)


def without_traceback(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Processor of structlog. Airflow logs each error with its traceback; an anticipated one says it all in words."""
    error = sys.exc_info()[1]
    if event.get("exc_info") is True and isinstance(error, InfoMartError):
        show(error)
        # A copy has no chain of causes.
        event["exc_info"] = (type(error), copy.copy(error), None)
    return event


def install() -> None:
    """Let this process log anticipated errors so; it runs one task."""
    # In place: Airflow's logger of the task is bound to this very list.
    processors = structlog.get_config()["processors"]
    if without_traceback not in processors:
        processors.insert(0, without_traceback)
