"""Ticket messages of runs with mapped tasks, by Airflow's own machinery and its own names of their instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from tests.unit.hooks.gg_sample import make_topology

from infomart_dr.errors import GuardError
from infomart_dr.notifiers import tickets
from infomart_dr.operators.deployments import ListDeployments
from infomart_dr.operators.purge_holds import EnforceHolds
from infomart_dr.operators.watch import WatchDeployment
from infomart_dr.readiness.steps import CheckReadiness, ListCases, ReportReadiness
from infomart_dr.topology import Tickets

ROOT = Path(__file__).resolve().parents[3]
#: Runs that ``dag.test()`` makes are tickets here.
TICKETS = Tickets(backend="jira", connection="tickets", pattern="(?P<ticket>manual__.*)")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Messages of a run, in their order."""
    from airflow.utils.db import initdb

    initdb()
    found: list[Any] = []

    def load(name: str | None) -> Any:
        return make_topology().model_copy(update={"tickets": TICKETS})

    monkeypatch.setattr(tickets.topology_module, "load", load)
    monkeypatch.setattr(tickets, "_deliver", lambda topology, context, messages: found.extend(messages))
    return found


def does(monkeypatch: pytest.MonkeyPatch, operator: type, result: Any) -> None:
    """Let an operator return a result; mapped instances with ``True`` in it fail."""

    def execute(self: Any, context: Any) -> Any:
        index = context["ti"].map_index
        if index >= 0 and result[index]:
            raise GuardError(f"Instance {index} fails.")
        return result

    monkeypatch.setattr(operator, "execute", execute)


def run(dag_id: str) -> str:
    dag = DagBag(str(ROOT / "dags" / f"{dag_id}.py")).dags[dag_id]
    return str(dag.test().state)


def shown(told: list[Any]) -> list[tuple[str, str | None]]:
    return [(message.event, message.state or message.task_id) for message in told]


def test_readiness_reports_its_end_when_its_report_is_made(monkeypatch: pytest.MonkeyPatch, told: list[Any]) -> None:
    does(monkeypatch, ListCases, [{"deployment": "lab", "procedure": name} for name in ("failover", "switchover")])
    does(monkeypatch, CheckReadiness, [False, False])
    does(monkeypatch, ReportReadiness, {"what": "ready"})
    assert run("infomart_readiness") == "success"
    assert shown(told) == [("started", None), ("ended", "success")]


def test_readiness_with_a_check_that_breaks_off_reports_it_and_the_end_after_the_report(
    monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    does(monkeypatch, ListCases, [{"deployment": "lab", "procedure": name} for name in ("failover", "switchover")])
    does(monkeypatch, CheckReadiness, [True, False])
    does(monkeypatch, ReportReadiness, {"what": "one broke off"})
    run("infomart_readiness")
    assert shown(told) == [("started", None), ("failed", "check_readiness"), ("ended", "failed")]
    assert "Failed: check_readiness." in told[-1].text


@pytest.mark.parametrize(
    ("dag_id", "operator", "task"),
    [("infomart_watch", WatchDeployment, "watch"), ("infomart_purge_guard", EnforceHolds, "enforce_holds")],
)
def test_a_run_over_several_deployments_ends_once_and_by_the_worst_of_them(
    monkeypatch: pytest.MonkeyPatch, told: list[Any], dag_id: str, operator: type, task: str
) -> None:
    does(monkeypatch, ListDeployments, ["aa", "bb", "cc"])
    does(monkeypatch, operator, [False, True, False])
    assert run(dag_id) == "failed"
    assert shown(told) == [("started", None), ("failed", task), ("ended", "failed")]
    assert f"{task}[1]" in told[1].text


def called_by_the_dag_processor(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler's request to the DAG processor when a run has failed, made as the scheduler makes it."""
    import structlog
    from airflow.api_fastapi.execution_api.routes.task_instances import get_task_instance_states
    from airflow.callbacks.callback_requests import DagCallbackRequest
    from airflow.dag_processing import processor
    from airflow.models.dagrun import DagRun
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    from airflow.utils.session import create_session

    def states(dag_id: str, run_ids: list[str]) -> dict[str, Any]:
        with create_session() as session:
            return get_task_instance_states(dag_id, session, None, run_ids=run_ids).task_states  # type: ignore[arg-type]

    monkeypatch.setattr(RuntimeTaskInstance, "get_task_states", staticmethod(states))
    bag = DagBag(str(ROOT / "dags" / f"{run.dag_id}.py"))
    with create_session() as session:
        there = session.get(DagRun, run.id)
        assert there is not None
        (failed,) = [instance for instance in there.get_task_instances(session=session) if instance.state == "failed"]
        asked = there.produce_dag_callback(
            dag=bag.dags[run.dag_id],  # type: ignore[arg-type]
            success=False,
            relevant_ti=failed,
            reason="task_failure",
        )
        assert asked is not None
        asked = DagCallbackRequest.from_json(asked.to_json())
    processor._execute_dag_callbacks(bag, asked, structlog.get_logger())


def test_the_end_of_a_run_whose_step_reported_nothing_is_reported_by_the_dags_own_callback(
    monkeypatch: pytest.MonkeyPatch, told: list[Any]
) -> None:
    """As when the process of the step is killed: Airflow calls the DAG, and no task."""
    does(monkeypatch, ListDeployments, ["aa"])
    does(monkeypatch, EnforceHolds, [True])
    dag = DagBag(str(ROOT / "dags" / "infomart_purge_guard.py")).dags["infomart_purge_guard"]
    dag.get_task("enforce_holds").partial_kwargs["on_failure_callback"] = []
    run = dag.test()
    assert shown(told) == [("started", None)]
    called_by_the_dag_processor(run, monkeypatch)
    assert shown(told) == [("started", None), ("ended", "failed")]
    assert "Failed: enforce_holds." in told[-1].text
    assert told[0].run_id == told[1].run_id == run.run_id
