"""What a run has come to, from its tasks' states: chapters, failures and the end, of real DAGs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag

from infomart_dr.notifiers import run_state

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def dag() -> Any:
    return DagBag(str(ROOT / "dags" / "infomart_return_to_normal.py")).dags["infomart_return_to_normal"]


def all_success(dag: Any, **states: str | None) -> dict[str, str | None]:
    return {task.task_id: "success" for task in dag.tasks} | {
        name.replace("__", "."): state for name, state in states.items()
    }


def test_a_run_is_over_when_its_last_task_is_and_not_before(dag: Any) -> None:
    assert run_state.is_over(dag.tasks, all_success(dag))
    assert not run_state.is_over(dag.tasks, all_success(dag, release_lock="running"))
    assert not run_state.is_over(dag.tasks, all_success(dag, approve_cutover="up_for_retry"))
    assert not run_state.is_over(dag.tasks, {})


def test_a_failed_step_leaves_the_way_back_and_the_lock_to_do(dag: Any) -> None:
    states = {"take_lock": "success", "look_whether_done": "failed"}
    found = run_state.expected(dag.tasks, states)
    assert found["hold_idb_purging"] == "upstream_failed"
    assert found["approve_cutover"] == "upstream_failed"
    assert found["return_service_to_source"] is None
    assert not run_state.is_over(dag.tasks, states)
    assert run_state.is_over(dag.tasks, {**states, "return_service_to_source": "success", "release_lock": "success"})


def test_a_run_that_got_no_lock_is_over_at_once(dag: Any) -> None:
    """Nothing follows, not even the teardowns, whatever the scheduler has marked by then."""
    assert run_state.is_over(dag.tasks, {"take_lock": "failed"})
    assert not run_state.is_over(dag.tasks, {"take_lock": "up_for_retry"})


def test_a_skipped_step_dooms_nothing_that_may_follow_it(dag: Any) -> None:
    states = {"take_lock": "success", "look_whether_done": "success", "hold_idb_purging": "skipped"}
    assert run_state.expected(dag.tasks, states)["capture_at_source.prepare_goldengate_schema"] is None


def test_failures_are_the_steps_and_the_teardowns_that_fail_a_run(dag: Any) -> None:
    states = all_success(dag, approve_cutover="failed", return_service_to_source="failed", release_lock="failed")
    assert run_state.failed(dag.tasks, states) == ["release_lock", "approve_cutover"]


def test_a_chapter_is_the_outermost_group_of_a_task(dag: Any) -> None:
    chapter = run_state.chapter_of(dag.get_task("export_database.run_expdp"))
    assert chapter is not None and chapter.group_id == "export_database"
    assert run_state.chapter_of(dag.get_task("take_lock")) is None


@pytest.mark.parametrize(
    ("one", "done"), [("success", True), ("skipped", True), ("failed", False), ("running", False), (None, False)]
)
def test_a_chapter_is_done_when_all_its_steps_are(dag: Any, one: str | None, done: bool) -> None:
    chapter = run_state.chapter_of(dag.get_task("export_database.run_expdp"))
    assert run_state.is_done(chapter, all_success(dag, export_database__run_expdp=one)) is done


def test_a_chapter_that_was_skipped_whole_is_not_called_done(dag: Any) -> None:
    chapter = run_state.chapter_of(dag.get_task("export_database.run_expdp"))
    assert not run_state.is_done(chapter, {task.task_id: "skipped" for task in dag.tasks})
