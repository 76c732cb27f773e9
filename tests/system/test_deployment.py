"""The services of docker-compose.yaml by their own commands: PostgreSQL, Redis, CeleryExecutor, a run to its end."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import pytest

from infomart_lab import topology
from infomart_lab.config import LabConfig
from infomart_lab.demo import Run
from tests import ports

from .stack import ORDER, Stack, StackAirflow, command_lines_and_environments, free, wait_until

pytestmark = [pytest.mark.lab, pytest.mark.slow]
SCALE = 300
RATE = 5.0
DAG = "infomart_reaggregate"
log = logging.getLogger(__name__)


@pytest.mark.timeout(1200)
def test_the_services_get_healthy_and_a_celery_worker_runs_a_procedure_to_its_end(
    lab: LabConfig, base_port: int, tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    file, connections = topology.write(lab)
    values = {"INFOMART_DR_TOPOLOGY": str(file), "INFOMART_CONNECTIONS": str(connections)}
    with Stack(tmp_path / "stack", base_port + ports.STACK, values) as stack:
        stack.start()
        record_property("seconds until healthy", json.dumps(stack.seconds))
        log.info("seconds until healthy: %s", stack.seconds)
        # A second start must work: tables and user exist already.
        stack.start("init")

        with StackAirflow(stack) as airflow:
            airflow.login()
            airflow.wait_for_dag(DAG)
            airflow.unpause(DAG)
            run = Run(airflow, "ticket-4711", DAG)
            begin = time.monotonic()
            airflow.trigger(DAG, run.run_id, {"reason": "celery", "reaggregate_from": "2026-01-01T00:00:00Z"})
            run.wait(lambda: None, seconds=600)
            record_property("seconds of the run", round(time.monotonic() - begin, 1))
            log.info("seconds of the run: %.1f", time.monotonic() - begin)
            assert run.state == "success", [task["state"] for task in run.tasks]
            asked = run.results["re_aggregate.request_reaggregation"]
            assert asked["what"]
            # The API server shows what a worker has written.
            assert "verify" in airflow.log(DAG, run.run_id, "re_aggregate.request_reaggregation")
        tasks = sum(task["state"] == "success" for task in run.tasks)

        def by_celery() -> int:
            lines = stack.log("worker").splitlines()
            return sum("execute_workload" in line and "succeeded" in line for line in lines)

        # A task has ended for Airflow a moment before it has for Celery.
        wait_until(lambda: by_celery() >= tasks, 60, f"{by_celery()} of {tasks} tasks went through Celery")

        for name in ORDER:
            if name != "init":
                assert stack.healthy(name), f"{name} is not healthy after the run"
        shown = list(command_lines_and_environments(stack))
        assert len(shown) > 2 * len(ORDER)
        hidden = {
            name: stack.secret(name)
            for name in ("postgres_password", "redis_password", "admin_password", "fernet_key", "jwt_secret")
        }
        for where, text in shown:
            assert not [name for name, value in hidden.items() if value in text], where
        for service in stack.logs.glob("*.log"):
            text = service.read_text(errors="replace")
            assert not [name for name, value in hidden.items() if value in text], service.name
    assert all(free(base_port + ports.STACK + number) for number in range(6))


def test_a_health_check_sees_a_service_that_is_gone(base_port: int, tmp_path: Path) -> None:
    with Stack(tmp_path / "stack", base_port + ports.STACK, {}) as stack:
        stack.start("postgres", "redis")
        assert stack.healthy("postgres") and stack.healthy("redis")
        before = stack.secret("redis_password")
        (stack.secrets / "redis_password").write_text("another one")
        assert not stack.healthy("redis")
        (stack.secrets / "redis_password").write_text(before)
        stack.kill("redis")
        assert not stack.healthy("redis")
        stack.stop()
        assert not stack.healthy("postgres")
