"""Unknown keys of a run's conf are refused, with the nearest parameter."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from infomart_dr.errors import PermanentError
from infomart_dr.plan.parameters import RUN_ID_LIMIT, refuse_wrong_run, undeclared

DECLARED = ["deployment", "failure_time", "reason", "source", "target"]


@pytest.mark.parametrize("conf", [{}, {"target": "site3"}, dict.fromkeys(DECLARED, "")])
def test_declared_keys_pass(conf: dict[str, Any]) -> None:
    assert undeclared(conf, DECLARED) is None


@pytest.mark.parametrize(
    ("key", "nearest"),
    [("Target", "target"), ("tarrget", "target"), ("failure-time", "failure_time"), ("sources", "source")],
)
def test_an_unknown_key_is_named_with_the_nearest_parameter_and_all_that_exist(key: str, nearest: str) -> None:
    wrong = undeclared({key: "x", "reason": "y"}, DECLARED)
    assert wrong is not None
    assert wrong.startswith(f"{key!r} is not a parameter of this DAG (nearest: {nearest!r})")
    assert wrong.endswith("Its parameters: deployment, failure_time, reason, source, target.")


def test_every_unknown_key_is_named_and_a_strange_one_without_a_guess() -> None:
    wrong = undeclared({"zzz": 1, "tarrget": 2}, DECLARED)
    assert wrong is not None
    assert (
        "'tarrget' is not a parameter of this DAG (nearest: 'target'); 'zzz' is not a parameter of this DAG. Its"
        in wrong
    )


def test_a_long_key_does_not_fill_the_message_and_a_dag_without_parameters_says_so() -> None:
    wrong = undeclared({"x" * 500: 1}, [])
    assert wrong is not None and len(wrong) < 150 and wrong.endswith("Its parameters: none.")


def context(conf: Any, run_id: str = "CHG-1") -> dict[str, Any]:
    run = SimpleNamespace(conf=conf, run_id=run_id)
    return {"dag_run": run, "dag": SimpleNamespace(params=dict.fromkeys(DECLARED))}


def test_the_run_is_refused_for_good_with_what_to_do_next() -> None:
    refuse_wrong_run(context(None))
    refuse_wrong_run(context({"reason": "CHG-1"}))
    with pytest.raises(PermanentError, match=r"(?s)nothing was changed: 'tarrget'.*\nNext: Start a new run"):
        refuse_wrong_run(context({"tarrget": "site3"}))


def test_an_id_that_would_not_fit_later_is_refused_before_anything_is_touched() -> None:
    refuse_wrong_run(context(None, "x" * RUN_ID_LIMIT))
    with pytest.raises(
        PermanentError, match=r"(?s)201 bytes; allowed: 200\. Nothing was changed.*\nNext: Start a new run"
    ):
        refuse_wrong_run(context(None, "x" * (RUN_ID_LIMIT + 1)))
