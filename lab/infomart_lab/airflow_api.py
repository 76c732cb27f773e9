"""The lab's Airflow through its REST API: start runs, watch them, answer gates."""

from __future__ import annotations

import time
from typing import Any, Self

import httpx

from infomart_lab import airflow_part
from infomart_lab.config import LabConfig

#: Attempts of a call that gets 500, and the seconds between them.
_TRIES, _PAUSE = 3, 1.0


class AirflowError(RuntimeError):
    """Airflow refused, or did not answer in time."""


class Airflow:
    """Client of the lab's Airflow.

    :param config: the lab.
    :param port: of the API server.
    """

    def __init__(self, config: LabConfig, port: int = airflow_part.DEFAULT_PORT) -> None:
        self.config = config
        self.base = airflow_part.url(config, port)
        # On a loaded machine an answer waits behind the scheduler for the SQLite file.
        self._client = httpx.Client(base_url=self.base, timeout=httpx.Timeout(120, connect=10))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def login(self) -> Self:
        """Get a token."""
        user, password = airflow_part.credentials(self.config)
        answer = self._client.post("/auth/token", json={"username": user, "password": password})
        if answer.status_code >= 300:
            raise AirflowError(f"login was refused: {answer.status_code}")
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return self

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """One request below ``/api/v2``. After a 401 it logs in again; after a 500 it repeats the request a few times.

        On SQLite a request that writes the audit log while a task starts can block itself. It then fails with a locked
        database, and has changed nothing.

        :raises AirflowError: an answer of 400 or above.
        """
        for left in reversed(range(_TRIES)):
            answer = self._client.request(method, f"/api/v2{path}", **arguments)
            if answer.status_code == 401:
                self.login()
                answer = self._client.request(method, f"/api/v2{path}", **arguments)
            if answer.status_code != 500 or not left:
                break
            time.sleep(_PAUSE)
        if answer.status_code >= 400:
            raise AirflowError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None

    def wait_for_dag(self, dag_id: str, seconds: float = 120) -> None:
        """Wait until the DAG processor has read a DAG."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.call("GET", f"/dags/{dag_id}")
                return
            except (AirflowError, httpx.HTTPError):
                if time.monotonic() > deadline:
                    raise AirflowError(f"Airflow has not read {dag_id} within {seconds:g} s") from None
                time.sleep(0.5)

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any] | None = None) -> dict[str, Any]:
        """Start a run."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf or {}}
        return self.call("POST", f"/dags/{dag_id}/dagRuns", json=body)

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """A run."""
        return self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Task instances of a run."""
        answer = self.call("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 200})
        return answer["task_instances"]

    def definitions(self, dag_id: str) -> list[dict[str, Any]]:
        """Tasks of a DAG, each with the tasks that follow it."""
        return self.call("GET", f"/dags/{dag_id}/tasks")["tasks"]

    def result(self, dag_id: str, run_id: str, task_id: str) -> dict[str, Any]:
        """Result of a step; empty when it returned nothing."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        try:
            value = self.call("GET", path, params={"deserialize": "false"})["value"]
        except AirflowError:
            return {}
        return value if isinstance(value, dict) else {}

    def log(self, dag_id: str, run_id: str, task_id: str, attempt: int = 1) -> str:
        """Log of one try of a task, as text."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{attempt}"
        content = self.call("GET", path, params={"full_content": "true"}, headers={"Accept": "application/json"})
        lines = []
        for entry in content.get("content", []):
            if isinstance(entry, dict):
                detail = entry.get("error_detail") or ""
                lines.append(f"{entry.get('timestamp', '')} {entry.get('event', '')} {detail or ''}".strip())
            else:
                lines.append(str(entry))
        return "\n".join(lines)

    def gates(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Gates of a run that wait for an answer."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/hitlDetails"
        return self.call("GET", path, params={"response_received": "false"})["hitl_details"]

    def answer(self, dag_id: str, run_id: str, task_id: str, option: str) -> None:
        """Answer a gate."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/-1/hitlDetails"
        self.call("PATCH", path, json={"chosen_options": [option], "params_input": {}})

    def clear(self, dag_id: str, run_id: str, task_ids: list[str], *, downstream: bool = True) -> Any:
        """Clear tasks of a run, so that they run again."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": task_ids,
            "include_downstream": downstream,
            "only_failed": False,
            "reset_dag_runs": True,
        }
        return self.call("POST", f"/dags/{dag_id}/clearTaskInstances", json=body)
