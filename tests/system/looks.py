"""Surveys of a lab by the task of ``infomart_watch``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.execution_time.context import OutletEventAccessors

from infomart_dr.operators.watch import ALERTS, REPLICATION_STATES

from .conftest import change_topology
from .driver import ROOT

#: Thresholds that show a lab's troubles within seconds.
THRESHOLDS = {
    "lag": {"warning": 5, "critical": 600},
    "marker_wait": 3,
    "checkpoint": 10,
    "ggserr_quiet": 2,
    # The disk of this machine, which holds three sites, is judged only where a test asks for it.
    "trail_free": {"warning": 0, "critical": 0},
    "trail_full": {"warning": 0, "critical": 0},
}


class Looks:
    """Surveys of the lab's deployment by the DAG's own task."""

    def __init__(self) -> None:
        dag = DagBag(str(ROOT / "dags" / "infomart_watch.py")).dags["infomart_watch"]
        self._task = dag.get_task("watch")
        self._listing = dag.get_task("list_deployments")

    def names(self) -> list[str]:
        return self._listing.execute({"params": {"deployment": ""}})

    def look(self) -> Any:
        """One survey: its result and its asset events."""
        task = self._task.unmap({"deployment": self.names()[0]})
        events = OutletEventAccessors()
        context: dict[str, Any] = {"params": {}, "outlet_events": events}
        result = task.execute(context)
        left = {alias.name: accessor.asset_alias_events for alias, accessor in events.items()}
        return SimpleNamespace(
            label=context["watched"],
            findings={finding["key"]: finding for finding in result["findings"]},
            alerts=[(alert["what"], alert["key"]) for alert in result["alerts"]],
            said={alert["key"]: alert["sentence"] for alert in result["alerts"]},
            figures={
                " ".join([f["name"], *(str(v) for k, v in f.items() if k not in ("name", "value"))]): f["value"]
                for f in result["figures"]
            },
            told=[(event.extra["what"], event.extra["key"]) for event in left.get(ALERTS, [])],
            states=[event.extra["state"] for event in left.get(REPLICATION_STATES, [])],
        )

    def until(self, what: str, key: str, seconds: float = 60) -> Any:
        """Survey until the alert comes; no alert comes twice on the way."""
        deadline = time.monotonic() + seconds
        told: list[tuple[str, str]] = []
        while True:
            seen = self.look()
            assert seen.told == seen.alerts
            told += seen.told
            assert len(set(told)) == len(told), told
            if (what, key) in seen.told:
                return seen
            assert time.monotonic() < deadline, (seen.findings, told)
            time.sleep(1)

    def not_again(self, key: str) -> None:
        """A lasting condition is found again, and sends no second alert."""
        seen = self.look()
        assert key in seen.findings
        assert key not in [told for _, told in seen.told]

    def quiet(self, seconds: float = 60) -> None:
        """Survey until there is no finding and no alert."""
        deadline = time.monotonic() + seconds
        while (seen := self.look()).findings or seen.told:
            assert time.monotonic() < deadline, seen.findings
            time.sleep(1)


@contextmanager
def thresholds(**changed: Any) -> Iterator[None]:
    """Use other thresholds for a while; inside ``connections`` of the driver."""

    def put(values: dict[str, Any]) -> None:
        change_topology(lambda document: document.update(watch=THRESHOLDS | values))

    put(changed)
    try:
        yield
    finally:
        put({})
