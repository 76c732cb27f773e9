"""The DAG of watching by Airflow's own machinery: mapped over the folder, events registered, labels and XComs kept."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.models.asset import AssetEvent, AssetModel
from airflow.models.taskinstance import TaskInstance
from airflow.utils.session import create_session
from sqlalchemy import select
from tests.unit.evidence.watch_fakes import FakeSite

from infomart_dr.evidence.watch_store import WatchStore
from infomart_dr.evidence.watching import Finding, Roles, State
from infomart_dr.guards import survey
from infomart_dr.guards.survey import Survey
from infomart_dr.topology import Watch

ROOT = Path(__file__).resolve().parents[3]
ROLES = Roles(("site1",), ("site1",), (), (), ())


class FakeDeployment:
    """A deployment of one site; the one named ``gone`` gives no answer."""

    ledgers: ClassVar[dict[str, FakeSite]] = {}

    def __init__(self, name: str) -> None:
        self.topology: Any = SimpleNamespace(name=name, watch=Watch(), tickets=None)
        self.ledger = self.ledgers.setdefault(name, FakeSite())

    def __enter__(self) -> FakeDeployment:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def site(self, name: str) -> Any:
        return SimpleNamespace(goldengate=SimpleNamespace(schema_name="GGATE", release="19.1"))

    def goldengate_database(self, site: str) -> Any:
        return self.ledger


def seen(deployment: FakeDeployment, token: str) -> Survey:
    copies = {}
    if deployment.topology.name != "gone":
        with deployment.ledger.transaction() as session:
            copies["site1"] = WatchStore("GGATE", deployment.topology.name).read(session)
    state = copies["site1"].state.model_copy(deep=True) if copies else State()
    found = [
        Finding("site1/trail/disk", "warning", "The disk fills."),
        Finding("site1/groups/EGIM", "critical", "It is stopped."),
    ]
    return Survey(ROLES, 1_800_000_000.0 + float(token) % 1000, state, found, ROLES.subjects(), copies=copies)


@pytest.fixture
def deployments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.utils.db import initdb

    initdb()
    for name in ("aa", "bb", "gone"):
        (tmp_path / f"{name}.yaml").touch()
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(tmp_path))
    monkeypatch.setattr(FakeDeployment, "ledgers", {})
    monkeypatch.setattr("infomart_dr.operators.watch.Deployment", FakeDeployment)
    monkeypatch.setattr(survey, "bounded", lambda topology: topology)
    monkeypatch.setattr(survey, "survey", seen)


def test_each_deployment_is_an_instance_of_its_own_with_its_label_and_its_assets_events(deployments: None) -> None:
    dag = DagBag(str(ROOT / "dags" / "infomart_watch.py")).dags["infomart_watch"]
    # No waiting: one without an answer fails at once.
    dag.get_task("watch").partial_kwargs["retries"] = 0
    run = dag.test()
    assert run.state == "failed"
    with create_session() as session:
        instances = session.scalars(
            select(TaskInstance)
            .where(TaskInstance.run_id == run.run_id, TaskInstance.task_id == "watch")
            .order_by(TaskInstance.map_index)
        ).all()
        labels = [(instance.state, instance.rendered_map_index) for instance in instances]
        events = session.execute(
            select(AssetModel.uri, AssetEvent.source_map_index, AssetEvent.extra)
            .join(AssetModel, AssetModel.id == AssetEvent.asset_id)
            .where(AssetEvent.source_run_id == run.run_id)
        ).all()
    assert labels[:2] == [("success", "aa: 1 critical, 1 warning"), ("success", "bb: 1 critical, 1 warning")]
    assert labels[2][0] == "failed", "one that gives no answer hides no other"
    told = sorted((uri, index, extra.get("key") or extra["state"]) for uri, index, extra in events)
    assert told == [
        ("infomart-dr://aa/alert", 0, "site1/groups/EGIM"),
        ("infomart-dr://aa/alert", 0, "site1/trail/disk"),
        ("infomart-dr://aa/replication", 0, "critical"),
        ("infomart-dr://bb/alert", 1, "site1/groups/EGIM"),
        ("infomart-dr://bb/alert", 1, "site1/trail/disk"),
        ("infomart-dr://bb/replication", 1, "critical"),
    ]
