"""Notifiers called as Airflow calls them, with a receiver and one ledger per site."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.http_receiver import Receiver
from tests.unit.evidence.watch_fakes import FakeSite
from tests.unit.hooks.gg_sample import make_topology

from infomart_dr.deployment import Deployment
from infomart_dr.notifiers import outbox, tickets
from infomart_dr.notifiers.tickets import Moment, TicketNotifier
from infomart_dr.topology import Tickets, Topology

RUN = "INC0012345"


class Told:
    """Calls a notifier as Airflow does, and keeps the received messages. The active site is site2."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, dag: Any, receiver: Receiver) -> None:
        self.dag, self.receiver = dag, receiver
        self.settings: Tickets | None = Tickets(
            backend="webhook", connection="tickets", base_url="https://airflow.example.net/base", timeout=1, limit=3
        )
        self.states: dict[str, str | None] = {task.task_id: "success" for task in dag.tasks}
        self.results: dict[str, Any] = {}
        self.run_id, self.reason, self.plan, self.clear_number = RUN, "INC0012345 site1 burns", "", 0
        self.params: dict[str, Any] = {}
        self.requested_before = timedelta(minutes=3)
        #: The request's own keys, and what failed steps have left to clear.
        self.conf: dict[str, Any] = {}
        self.to_clear: dict[str, str] = {}
        self.run_type = "manual"
        self.sites = {name: FakeSite() for name in ("site1", "site2", "site3")}
        monkeypatch.setattr(tickets.topology_module, "load", self.topology)
        monkeypatch.setattr(outbox, "connection", self._connection)
        monkeypatch.setattr(Deployment, "goldengate_database", lambda deployment, site: self.sites[site])

    def topology(self, name: str | None = None) -> Topology:
        return make_topology().model_copy(update={"name": "lab", "tickets": self.settings})

    def _connection(self, name: str) -> Any:
        return SimpleNamespace(
            host="127.0.0.1", port=self.receiver.port, schema="http", login="", password="", extra_dejson={}
        )

    def pulled(self, task_id: str, key: str) -> Any:
        return self.to_clear.get(task_id) if key == "clear" else self.results.get(task_id)

    def context(
        self, task_id: str, state: str, error: Exception | None = None, tries: int = 1, index: int = -1
    ) -> dict[str, Any]:
        return {
            "dag": self.dag,
            "task": self.dag.get_task(task_id),
            "params": {"deployment": "", "reason": self.reason, "plan": self.plan, **self.params},
            "dag_run": SimpleNamespace(
                dag_id=self.dag.dag_id,
                run_id=self.run_id,
                run_type=self.run_type,
                triggering_user_name="anna",
                start_date=datetime.now(UTC) - timedelta(minutes=3),
                run_after=datetime.now(UTC) - self.requested_before,
                clear_number=self.clear_number,
                conf=self.conf,
            ),
            "ti": SimpleNamespace(
                try_number=tries,
                state=state,
                map_index=index,
                get_task_states=lambda dag_id, run_ids: {run_ids[0]: self.states},
                xcom_pull=lambda task_ids, key="return_value": self.pulled(task_ids, key),
            ),
            "exception": error,
        }

    def __call__(self, moment: Moment, task_id: str, state: str = "success", **more: Any) -> list[dict[str, Any]]:
        before = len(self.receiver.requests)
        TicketNotifier(moment)(self.context(task_id, state, **more))
        return [request.body for request in self.receiver.requests[before:]]
