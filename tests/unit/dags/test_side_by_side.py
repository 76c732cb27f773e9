"""Procedures of several deployments go side by side, and of one deployment one at a time: the lock decides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from airflow.dag_processing.dagbag import DagBag
from tests.unit.operators.fakes import FakeStep
from tests.unit.plan.test_lock import Database

from infomart_dr.errors import GuardError
from infomart_dr.operators.plan import TakeLock
from infomart_dr.plan.lock import PlanLock
from infomart_dr.runbook import frame

ROOT = Path(__file__).resolve().parents[3]
DEPLOYMENTS = ("apac", "emea", "latam", "na", "uk")


def started(dag_id: str, runs: int) -> list[str]:
    """The runs that Airflow's scheduler starts out of so many that are asked for at the same time."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import sync_bag_to_db
    from airflow.executors.base_executor import BaseExecutor
    from airflow.jobs.job import Job
    from airflow.jobs.scheduler_job_runner import SchedulerJobRunner
    from airflow.models.dag import DagModel
    from airflow.models.dagrun import DagRun
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState
    from airflow.utils.types import DagRunTriggeredByType, DagRunType

    initdb()
    bag = DagBag(str(ROOT / "dags" / f"{dag_id}.py"))
    asked = datetime.now(UTC) - timedelta(minutes=1)
    with create_session() as session:
        DagBundlesManager().sync_bundles_to_db(session=session)
        session.flush()
        sync_bag_to_db(bag, "dags-folder", None, session=session)
        session.flush()
        model = session.get(DagModel, dag_id)
        assert model is not None
        model.is_paused = False
        dag = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags[dag_id]))
        for number in range(runs):
            dag.create_dagrun(
                run_id=f"INC{number:07}",
                run_type=DagRunType.MANUAL,
                run_after=asked,
                triggered_by=DagRunTriggeredByType.TEST,
                state=DagRunState.QUEUED,
                conf={"deployment": DEPLOYMENTS[number % len(DEPLOYMENTS)]},
                session=session,
            )
        session.flush()
        SchedulerJobRunner(job=Job(), executors=[MagicMock(spec=BaseExecutor)])._start_queued_dagruns(session)
        session.flush()
        found = [run.run_id for run in DagRun.find(dag_id=dag_id, state=DagRunState.RUNNING, session=session)]
        session.rollback()
    return sorted(found)


def test_five_failovers_asked_for_at_once_start_at_once() -> None:
    assert len(started("infomart_failover", 5)) == 5


def test_no_procedure_waits_for_another_run_of_its_dag() -> None:
    for dag in DagBag(str(ROOT / "dags")).dags.values():
        if dag.has_task("take_lock"):
            assert dag.max_active_runs == frame.RUNS_SIDE_BY_SIDE >= 100, dag.dag_id


def failover(database: Any, deployment: str, run: str) -> FakeStep:
    """The step of a failover's take_lock."""
    step = FakeStep(run, f"infomart_failover {run}")
    step.lock = PlanLock(database, "GGATE", deployment)  # type: ignore[assignment]
    step.topology = SimpleNamespace(must_be=lambda *_: None)
    return step


def take(step: FakeStep) -> dict[str, Any]:
    return TakeLock(task_id="take_lock")._run(step)  # type: ignore[arg-type]


def test_five_deployments_hold_their_locks_at_the_same_time_and_a_second_run_of_one_fails_at_once() -> None:
    database = Database()
    for number, name in enumerate(DEPLOYMENTS):
        assert take(failover(database, name, f"INC{number}"))["plan"] == f"INC{number}"
    assert {name: row["plan_id"] for name, row in database.rows.items()} == {
        name: f"INC{number}" for number, name in enumerate(DEPLOYMENTS)
    }
    with pytest.raises(GuardError) as caught:
        take(failover(database, "emea", "INC9"))
    assert not caught.value.retryable, "it does not wait"
    assert "The deployment emea is locked by plan INC1 of infomart_failover INC1 since" in caught.value.what
    assert "clear take_lock with Downstream" in caught.value.next_step
    assert database.rows["emea"]["plan_id"] == "INC1"


def test_a_second_run_of_the_same_plan_fails_too() -> None:
    database = Database()
    take(failover(database, "emea", "INC1"))
    second = failover(database, "emea", "INC1")
    second.owner = "infomart_failover INC1.2"
    with pytest.raises(GuardError, match="locked by plan INC1 of infomart_failover INC1 since"):
        take(second)
