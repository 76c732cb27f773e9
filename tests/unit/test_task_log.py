"""What stopped a task can be read in its log: the finding, the next step, and no lines of a program."""

from __future__ import annotations

import copy
import importlib
import inspect
import io
import json
import logging
import pickle
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk._shared.logging.structlog import structlog_processors

import infomart_dr
from infomart_dr import task_log
from infomart_dr.errors import GuardError, InfoMartError

ROOT = Path(__file__).resolve().parents[2]
for each in pkgutil.walk_packages(infomart_dr.__path__, "infomart_dr."):
    if not each.name.endswith("__main__"):
        importlib.import_module(each.name)


def all_kinds(kind: type[InfoMartError]) -> Iterator[type[InfoMartError]]:
    """Every kind of error in the product."""
    yield kind
    for each in kind.__subclasses__():
        if each.__module__.startswith("infomart_dr."):
            yield from all_kinds(each)


def logged(fail: Callable[[], None]) -> list[dict[str, Any]]:
    """The records of a task that fails, as Airflow's task runner writes them for the web interface."""
    written = io.BytesIO()
    shared, _, render = structlog_processors(json_output=True)
    processors = [task_log.without_traceback, *shared, render]
    log = structlog.wrap_logger(structlog.BytesLogger(written), processors=processors, wrapper_class=None)
    try:
        fail()
    except Exception:
        log.error("Task failed with exception", exc_info=True)
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_an_anticipated_error_is_two_records_and_one_without_lines_of_a_program(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        try:
            raise OSError("a cause that says nothing to an operator")
        except OSError as error:
            raise GuardError("site1 is alive:\n- ssh answered\n- listener accepted", "Switch it off.") from error

    with caplog.at_level(logging.ERROR):
        (record,) = logged(fail)
    assert [each.getMessage() for each in caplog.records] == [
        "Found: site1 is alive:",
        "- ssh answered",
        "- listener accepted",
        "Next: Switch it off.",
    ]
    (shown,) = record["error_detail"] if "error_detail" in record else record["exception"]
    assert (shown["exc_type"], shown["frames"]) == ("GuardError", [])
    assert shown["exc_value"].endswith("accepted\nNext: Switch it off.")


@pytest.mark.parametrize("kind", sorted(set(all_kinds(InfoMartError)), key=lambda kind: kind.__qualname__))
def test_each_kind_of_error_can_be_shown_whatever_its_constructor_asks_for(kind: type[InfoMartError]) -> None:
    """The log shows a copy; a kind that cannot be copied would end the log with a fault of the program."""
    asked = [
        each.name
        for each in list(inspect.signature(kind.__init__).parameters.values())[1:]
        if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD
    ]
    error = kind(*(f"the {name}." for name in asked))
    error.advise("Correct it.", "take_lock")
    shown = copy.copy(error)
    assert (type(shown), str(shown), vars(shown)) == (kind, str(error), vars(error))
    assert pickle.loads(pickle.dumps(error)).what == error.what


def test_any_other_error_keeps_its_traceback() -> None:
    def fail() -> None:
        raise KeyError("a fault of this program")

    (record,) = logged(fail)
    (shown,) = record["error_detail"] if "error_detail" in record else record["exception"]
    assert shown["frames"]


def test_a_failed_task_of_a_real_run_shows_it_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from airflow.utils.db import initdb

    def execute(self: Any, context: Any) -> None:
        raise GuardError("The hold is unknown.", "Give its id.")

    initdb()
    for name in ("CheckRequest", "ListHolds", "ChangeHolds"):
        monkeypatch.setattr(f"infomart_dr.operators.purge_holds.{name}.execute", execute)
    DagBag(str(ROOT / "dags" / "infomart_purge_hold.py")).dags["infomart_purge_hold"].test()
    assert {"Found: The hold is unknown.", "Next: Give its id."} <= {each.getMessage() for each in caplog.records}
    assert "Traceback" not in "".join(capsys.readouterr())


def test_the_texts_of_an_error_stand_on_lines_of_their_own() -> None:
    assert str(InfoMartError("It is gone.", "Start it.")) == "It is gone.\nNext: Start it."
