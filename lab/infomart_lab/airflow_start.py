"""A real Airflow beside the lab: scheduler, DAG processor, triggerer and API server, each a part of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import httpx

from infomart_lab import airflow_part, topology
from infomart_lab.airflow_api import Airflow, AirflowError
from infomart_lab.config import LabConfig
from infomart_lab.parts import Part


def _dags_are_read(config: LabConfig, port: int) -> Callable[[], bool]:
    """The DAG processor has read every DAG file, also those that it cannot import."""
    files = len(list((airflow_part.ROOT / "dags").glob("*.py")))

    def read() -> bool:
        # The caller asks again at once.
        time.sleep(0.5)
        try:
            with Airflow(config, port) as airflow:
                airflow.login()
                found = [airflow.call("GET", path)["total_entries"] for path in ("/dags", "/importErrors")]
        except (AirflowError, httpx.HTTPError):
            return False
        return sum(found) >= files

    return read


def parts(config: LabConfig, port: int) -> list[Part]:
    """The processes, in the order in which they start.

    Writes the lab's topology and connections first; the part ``airflow-prepare`` puts the connections into
    Airflow's database, which keeps them encrypted.
    """
    topology.write(config, keep=True)
    airflow_part.credentials(config)
    env = airflow_part.environment(config, port)
    airflow = [sys.executable, "-m", "airflow"]

    def part(name: str, argv: list[str], **more: object) -> Part:
        return Part(name=name, argv=argv, env=env, cwd=airflow_part.ROOT, **more)  # type: ignore[arg-type]

    return [
        part(
            "airflow-prepare",
            [sys.executable, "-m", "infomart_lab.airflow_prepare"],
            once=True,
            ready_seconds=180,
        ),
        part(
            airflow_part.API_SERVER,
            [*airflow, "api-server"],
            ready=f"{airflow_part.url(config, port)}/api/v2/version",
            ready_seconds=180,
        ),
        part("airflow-scheduler", [*airflow, "scheduler"]),
        part("airflow-triggerer", [*airflow, "triggerer"]),
        part(
            "airflow-dag-processor",
            [*airflow, "dag-processor"],
            ready=_dags_are_read(config, port),
            ready_seconds=180,
        ),
    ]
