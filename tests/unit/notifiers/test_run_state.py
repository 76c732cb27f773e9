"""State of a run from its tasks' states: chapters, failures and the end, with real DAGs."""

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


def test_a_failed_step_leaves_the_back_out_and_the_lock_to_do(dag: Any) -> None:
    states = {"take_lock": "success", "check_already_done": "failed"}
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
    states = {"take_lock": "success", "check_already_done": "success", "hold_idb_purging": "skipped"}
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


# -- mapped tasks --------------------------------------------------------------------------------------


def everyday(dag_id: str) -> Any:
    return DagBag(str(ROOT / "dags" / f"{dag_id}.py")).dags[dag_id]


@pytest.mark.parametrize(
    ("instances", "state"),
    [
        (["success", "success"], "success"),
        (["failed", "success"], "failed"),
        (["failed", "running"], "running"),
        (["success", None], None),
        (["success", "up_for_retry"], "up_for_retry"),
        (["success", "skipped"], "success"),
        (["skipped", "skipped"], "skipped"),
        (["upstream_failed", "success"], "upstream_failed"),
        (["removed", "success"], "success"),
        (["removed", "removed"], "removed"),
    ],
)
def test_the_instances_of_a_mapped_task_are_one_state(instances: list[str | None], state: str | None) -> None:
    names = {f"watch_{number}": value for number, value in enumerate(instances)}
    tasks = everyday("infomart_watch").tasks
    assert run_state.folded(tasks, {"list_deployments": "success", **names}) == {
        "list_deployments": "success",
        "watch": state,
    }


@pytest.mark.parametrize("state", ["skipped", "upstream_failed", None])
def test_a_mapped_task_without_instances_has_its_own_state(state: str | None) -> None:
    assert run_state.folded(everyday("infomart_watch").tasks, {"watch": state}) == {"watch": state}


def test_a_task_whose_name_ends_in_a_number_is_no_instance(dag: Any) -> None:
    from airflow.sdk import DAG, BaseOperator

    with DAG("d", schedule=None) as small:
        for name in ("check", "check_1"):
            BaseOperator(task_id=name)
    states = {"check": "success", "check_1": "failed", "other_1": "success"}
    assert run_state.folded(small.tasks, states) == states


@pytest.mark.parametrize(
    ("dag_id", "first", "mapped", "last"),
    [
        ("infomart_readiness", "list_cases", "check_readiness", "report_readiness"),
        ("infomart_watch", "list_deployments", "watch", None),
        ("infomart_purge_guard", "list_deployments", "enforce_holds", None),
    ],
)
def test_a_run_with_a_mapped_task_is_over_when_all_its_instances_are(
    dag_id: str, first: str, mapped: str, last: str | None
) -> None:
    tasks = everyday(dag_id).tasks
    assert {task.task_id for task in tasks} == {first, mapped, last} - {None}

    def over(*instances: str | None, end: str | None = "success") -> bool:
        states = {first: "success", **{f"{mapped}_{number}": state for number, state in enumerate(instances)}}
        return run_state.is_over(tasks, run_state.folded(tasks, states | ({last: end} if last else {})))

    assert over("success", "failed")
    assert over("success", "success")
    assert not over("running", "failed", end=None)
    assert not over("success", "running", end=None)
    if last:
        assert not over("success", "success", end=None)
        assert not over("success", "failed", end=None), "the report comes whatever became of the looks"
