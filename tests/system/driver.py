"""A procedure in this process: the DAG's own operators in their order, deferrals and retries included, no scheduler.

Much faster than a real Airflow, for tests that need none; ``test_return_to_normal.py`` uses a real one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar
from unittest import mock

from airflow.dag_processing.dagbag import DagBag
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from infomart_dr.errors import TransientError
from infomart_lab import topology
from infomart_lab.config import LabConfig

ROOT = Path(__file__).resolve().parents[2]


class Lines(logging.Logger):
    """The task log of a step: every line, without a handler."""

    def __init__(self) -> None:
        super().__init__("task", logging.INFO)
        self.lines: list[str] = []

    def handle(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class GateRejected(RuntimeError):
    """The gate was answered with no."""


class Asked(Exception):
    """A person is asked; in Airflow the task would be parked."""


def _park(self: Any, context: Any) -> None:
    raise Asked


@contextmanager
def connections(config: LabConfig) -> Iterator[None]:
    """The lab's topology and Airflow connections, in this process's environment."""
    file, secret = topology.write(config)
    added = {"INFOMART_DR_TOPOLOGY": str(file)}
    for name, fields in json.loads(secret.read_text()).items():
        added[f"AIRFLOW_CONN_{name.upper()}"] = json.dumps(fields)
    before = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class Try:
    """The running try, as Airflow gives it to a task. Its number grows with each retry and each clear.

    :param run: DAG and run.
    """

    _numbers: ClassVar[dict[tuple[str, str], int]] = {}
    #: DAG and run of each run that has ended.
    ended: ClassVar[set[tuple[str, str]]] = set()
    map_index = -1

    def __init__(self, run: str, task_id: str) -> None:
        self.task_id = task_id
        self.dag_id, _, self.run_id = run.partition(" ")
        self.try_number = self._numbers[run, task_id] = self._numbers.get((run, task_id), 0) + 1

    def get_dr_count(self, *, dag_id: str = "", run_ids: Collection[str] = (), **_: Any) -> int:
        """The number of these runs that have ended."""
        return sum((dag_id, run_id) in self.ended for run_id in run_ids)

    def get_task_states(self, **_: Any) -> dict[str, dict[str, str]]:
        """None is known here."""
        return {}

    def xcom_push(self, **_: Any) -> None:
        """Nobody reads it."""


class Procedure:
    """One run of a DAG.

    :param plan: run id.
    :param before: called with the task id before each step; raises to inject a failure.
    :param person: does the work of a human step before its answer: called with the task id.
    :param marked: tasks that a person has marked as success; they do not run.
    """

    def __init__(
        self,
        dag_id: str = "infomart_return_to_normal",
        *,
        plan: str = "run-1",
        params: dict[str, Any] | None = None,
        before: Callable[[str], None] | None = None,
        approve: bool = True,
        retries: int = 3,
        person: Callable[[str], None] | None = None,
        marked: Collection[str] = (),
    ) -> None:
        self.dag = DagBag(str(ROOT / "dags" / f"{dag_id}.py")).dags[dag_id]
        given = params or {}
        # A required parameter has no default.
        values = {name: self.dag.params[name] for name in self.dag.params if name not in given} | given
        self.context = {
            "params": values,
            "dag": self.dag,
            "dag_run": SimpleNamespace(
                run_id=plan, dag_id=dag_id, triggering_user_name="ticket", run_after=datetime.now(UTC)
            ),
        }
        self.before = before or (lambda task_id: None)
        self.person = person or (lambda task_id: None)
        self.approve = approve
        self.marked = marked
        self.retries = retries
        #: Text of each gate and human step.
        self.shown: dict[str, str] = {}
        #: Steps that did not apply, with the reason.
        self.skipped: dict[str, str] = {}
        self.results: dict[str, dict[str, Any]] = {}
        self.tries: dict[str, int] = {}
        #: Lines of the task log by task.
        self.logs: dict[str, Lines] = {}

    def order(self) -> list[Any]:
        """The tasks, teardowns last."""
        seen: set[str] = set()
        ordered: list[Any] = []

        def visit(task: Any) -> None:
            if task.task_id not in seen:
                seen.add(task.task_id)
                for upstream in sorted(task.upstream_task_ids):
                    visit(self.dag.get_task(upstream))
                ordered.append(task)

        for task in self.dag.tasks:
            visit(task)
        return [t for t in ordered if not t.is_teardown] + [t for t in ordered if t.is_teardown]

    def run(self, until: str | None = None) -> dict[str, dict[str, Any]]:
        """Run all steps; on an error the teardowns whose setup ran are run, then the error is raised.

        :param until: the last step; no teardown then.
        """
        failure: BaseException | None = None
        for task in self.order():
            if (failure is not None and not task.is_teardown) or task.task_id in self.marked:
                continue
            if task.is_teardown and not all(
                setup in self.results for setup in task.upstream_task_ids if self.dag.get_task(setup).is_setup
            ):
                continue
            # As in Airflow, steps that follow a skipped one by all_success are skipped too.
            if task.trigger_rule == "all_success" and (gone := task.upstream_task_ids & set(self.skipped)):
                self.skipped[task.task_id] = f"follows {', '.join(sorted(gone))}"
                continue
            try:
                self.results[task.task_id] = self.step(task)
            except Exception as error:
                failure = failure or error
            if task.task_id == until and failure is None:
                return self.results
        if failure is not None:
            raise failure
        return self.results

    def step(self, task: Any) -> dict[str, Any]:
        """One step with its retries; retryable errors are tried again at once."""
        for attempt in range(1, self.retries + 2):
            self.tries[task.task_id] = attempt
            try:
                self.before(task.task_id)
                return self._once(task)
            except TransientError as error:
                if attempt > self.retries:
                    raise
                logging.getLogger(__name__).warning("%s: again: %s", task.task_id, error)
                time.sleep(0.5)
        raise AssertionError

    def _once(self, task: Any) -> dict[str, Any]:
        run = self.context["dag_run"]
        self.context["ti"] = Try(f"{run.dag_id} {run.run_id}", task.task_id)
        log = self.logs.setdefault(task.task_id, Lines())
        object.__setattr__(task, "_log", log)
        try:
            with mock.patch.object(HITLOperator, "execute", _park):
                return task.execute(self.context)
        except Asked:
            return self._answer(task)
        except AirflowSkipException as skip:
            self.skipped[task.task_id] = str(skip)
            return {"skipped": str(skip)}
        except TaskDeferred as deferral:
            return self._resumed(task, deferral, log)

    def _resumed(self, task: Any, deferral: TaskDeferred, log: Lines) -> dict[str, Any]:
        """The task after its wait, which may wait again: a report about a long job does."""
        while True:
            deferral.trigger._log = log
            event = asyncio.run(_first(deferral.trigger))
            try:
                return getattr(task, deferral.method_name)(self.context, event)
            except TaskDeferred as again:
                deferral = again

    def _answer(self, task: Any) -> dict[str, Any]:
        self.shown[task.task_id] = task.body
        if not self.approve:
            raise GateRejected("the gate was rejected")
        self.person(task.task_id)
        event = {
            "chosen_options": [task.options[0]],
            "params_input": {},
            "responded_at": datetime.now(UTC),
            "responded_by_user": {"id": "night-shift", "name": "night-shift"},
        }
        return task.execute_complete(self.context, event)


async def _first(trigger: Any) -> Any:
    async for event in trigger.run():
        return event.payload
    raise AssertionError("the trigger ended without an event")
