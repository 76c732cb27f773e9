"""From where a person clears a run after a failure, in each message the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from infomart_dr.errors import InfoMartError, OvertakenError, RequestError

if TYPE_CHECKING:
    from airflow.sdk import Context

#: The failed task itself, as the messages of all floors call it: they do not know in which chapter they are.
_THIS = re.compile(r"\b([Cc])lear (?:this|the failed) task(?: with Downstream)?")
#: Another task that a message names: a fault that lies further back.
_OTHER = re.compile(r"\b[Cc]lear ([a-z]+(?:[_.][a-z]+)+)")
#: What helps instead of a clear.
_INSTEAD = re.compile(
    r"\b[Ss]tart (?:a|the|with)\b.*\b(?:run|plan|failover|cutover|procedure)\b|\bas success\b|\bby hand now\b"
)


class Clearable(Protocol):
    """The part of a task that this module needs."""

    task_id: str
    clear_from: str


def first_to_clear(task: Clearable) -> str:
    """Id of the task to clear after a failure of a task: the task itself, unless the back-out has undone more."""
    return task.clear_from or task.task_id


def advise(error: InfoMartError, task: Clearable, above: set[str]) -> None:
    """Let an error say from which task the run is cleared.

    :param above: ids of the tasks above.
    """
    if isinstance(error, OvertakenError):
        # Nothing of this run is to be cleared.
        return
    text, clear = error.next_step, first_to_clear(task)
    if isinstance(error, RequestError):
        # A cleared run has the same parameters.
        text = re.sub(r"^Give\b", "Start a new run with", text)
        error.advise(text if _INSTEAD.search(text) else f"{text} Then start a new run.".lstrip(), "")
        return
    if (named := _OTHER.search(text)) is not None:
        name = named[1]
        error.clear = next(
            (each for each in (task.task_id, *sorted(above)) if each == name or each.endswith(f".{name}")), clear
        )
        return
    if _THIS.search(text):
        if clear != task.task_id:
            text = _THIS.sub(lambda found: f"{found[1]}lear {clear} with Downstream", text)
    elif not _INSTEAD.search(text):
        text = f"{text} Then clear {clear} with Downstream.".lstrip()
    else:
        clear = ""
    error.advise(text, clear)


@contextmanager
def advising(task: Any, context: Context | None) -> Iterator[None]:
    """Advise every anticipated error of a task, and leave its task to clear for the message at the run's end."""
    try:
        yield
    except InfoMartError as error:
        above = task.get_flat_relative_ids(upstream=True) if task.has_dag() else set[str]()
        advise(error, task, above)
        instance = (context or {}).get("ti")
        if instance is not None and error.clear:
            instance.xcom_push(key="clear", value=error.clear)
        raise
