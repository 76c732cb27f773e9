"""The state of a run from its tasks' states: finished chapters, failed steps, and the end of the run.

Pure functions over the DAG's tasks and their states, so that every task of the run can report it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from airflow.sdk import TaskGroup

#: States that Airflow does not change any more.
FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
#: Trigger rules by which a failed upstream task keeps a task from running.
_NEEDS_SUCCESS = ("all_success", "none_failed", "none_failed_min_one_success")

States = Mapping[str, str | None]


class Node(Protocol):
    """The part of an Airflow task that this module needs."""

    @property
    def task_id(self) -> str: ...
    @property
    def is_setup(self) -> bool: ...
    @property
    def is_teardown(self) -> bool: ...
    @property
    def trigger_rule(self) -> object: ...
    @property
    def upstream_task_ids(self) -> Collection[str]: ...
    @property
    def task_group(self) -> TaskGroup | None: ...


def is_mapped(map_index: int | None) -> bool:
    """The task instance is one of several of its task."""
    return map_index is not None and map_index >= 0


def instance_name(task_id: str, map_index: int | None) -> str:
    """Name of a task instance in Airflow's answer about states."""
    return f"{task_id}_{map_index}" if is_mapped(map_index) else task_id


def folded(tasks: Iterable[Node], states: States) -> dict[str, str | None]:
    """One state per task, from Airflow's answer, which names the instances of a mapped task ``<task>_<number>``."""
    names = {task.task_id for task in tasks}
    found: dict[str, list[str | None]] = {}
    for name, state in states.items():
        owner, _, number = name.rpartition("_")
        mapped = name not in names and owner in names and number.isdecimal()
        found.setdefault(owner if mapped else name, []).append(state)
    return {name: _together(values) for name, values in found.items()}


def _together(states: list[str | None]) -> str | None:
    """State of a task from those of its instances: it runs while any instance runs, and fails when any fails."""
    for state in states:
        if state not in FINISHED:
            return state
    return next(state for state in ("failed", "upstream_failed", "success", "skipped", "removed") if state in states)


def expected(tasks: Iterable[Node], states: States) -> dict[str, str | None]:
    """State of each task; tasks that can no longer run count as ``upstream_failed``; None: it may still run.

    The scheduler marks the tasks after a failure only after the failed task has reported it.
    """
    nodes: dict[str, Node] = {task.task_id: task for task in tasks}
    found: dict[str, str | None] = {}

    def state(name: str) -> str | None:
        if name not in found:
            known = states.get(name)
            found[name] = known if known in FINISHED else _doomed(nodes[name])
        return found[name]

    def _doomed(node: Node) -> str | None:
        above = {name: state(name) for name in node.upstream_task_ids if name in nodes}
        if node.is_teardown:
            setups = [value for name, value in above.items() if nodes[name].is_setup]
            gone = bool(setups) and all(value is not None and value != "success" for value in setups)
        else:
            gone = node.trigger_rule in _NEEDS_SUCCESS and bool({"failed", "upstream_failed"} & {*above.values()})
        return "upstream_failed" if gone else None

    for name in nodes:
        state(name)
    return found


def is_over(tasks: Iterable[Node], states: States) -> bool:
    """No task of the run is left to do."""
    return all(value is not None for value in expected(tasks, states).values())


def failed(tasks: Iterable[Node], states: States) -> list[str]:
    """Failed tasks, in the DAG's order; of the teardowns only those that fail the run."""
    return [
        task.task_id
        for task in tasks
        if states.get(task.task_id) == "failed"
        and (not task.is_teardown or getattr(task, "on_failure_fail_dagrun", False))
    ]


def chapter_of(task: Node) -> TaskGroup | None:
    """The outermost task group of a task, a chapter of the procedure; None: the task is in no group."""
    group, found = task.task_group, None
    while group is not None and group.group_id:
        found = group
        group = group.parent_group
    return found


def is_done(group: TaskGroup, states: States) -> bool:
    """The chapter is done: all steps have ended, none failed, and at least one was not skipped."""
    values = {states.get(task.task_id) for task in group.iter_tasks()}
    return values <= {"success", "skipped"} and "success" in values
