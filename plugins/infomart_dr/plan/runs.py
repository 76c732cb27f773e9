"""Runs as this Airflow knows them: the end of another run, and a failure that the last tasks of this one hide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.mappedoperator import MappedOperator

_ENDED = ["success", "failed"]
_FAILED = ("failed", "upstream_failed")


class Asked(Protocol):
    """The part of Airflow's running task that answers."""

    dag_id: str
    run_id: str

    def get_dr_count(self, *, dag_id: str, run_ids: list[str], states: list[str]) -> int: ...
    def get_task_states(self, *, dag_id: str, run_ids: list[str], task_ids: list[str]) -> dict[str, dict[str, str]]: ...


class Runs:
    """This Airflow's answers about runs, asked through the running task.

    :param task_instance: the running task; None: nobody can be asked, and nothing is known.
    """

    def __init__(self, task_instance: Asked | None = None) -> None:
        self._task = task_instance

    def has_ended(self, owner: str) -> bool:
        """A run has ended in this Airflow; False also for a run of another Airflow.

        :param owner: DAG and run, as the lock has them.
        """
        if self._task is None:
            return False
        dag_id, _, run_id = owner.partition(" ")
        return int(self._task.get_dr_count(dag_id=dag_id, run_ids=[run_id], states=_ENDED)) == 1

    def hidden_failure(self, asking: BaseOperator) -> str:
        """Task that failed although this run will end as a success; empty: there is none.

        Airflow judges a run by its last tasks. When a person marks a whole run failed, these are skipped.

        :param asking: a task of the DAG.
        """
        if self._task is None:
            return ""
        steps = [task for task in asking.dag.tasks if not task.is_teardown]
        states = self._task.get_task_states(
            dag_id=self._task.dag_id, run_ids=[self._task.run_id], task_ids=[task.task_id for task in steps]
        ).get(self._task.run_id, {})
        failed = [task for task in steps if states.get(task.task_id) in _FAILED]
        shown = [task for task in failed if _is_last(task)]
        return "" if shown or not failed else min(task.task_id for task in failed)


def _is_last(task: BaseOperator | MappedOperator) -> bool:
    """Airflow judges the run by this task."""
    return all(
        each.is_teardown and not each.on_failure_fail_dagrun for each in task.get_direct_relatives(upstream=False)
    )
