"""The examples: each sensor in a DAG of a reader's own, and none of them among the project's DAGs."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

import infomart_dr.sensors
from infomart_dr.dagfiles import dags_folder
from infomart_dr.sensors.deployment_sensor import DeploymentSensor

EXAMPLES = Path(__file__).resolve().parents[3] / "dags" / "examples"


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(str(EXAMPLES))


def test_every_sensor_has_an_example_that_airflow_can_read(bag: DagBag) -> None:
    assert bag.import_errors == {}
    found = [task for dag in bag.dags.values() for task in dag.tasks if isinstance(task, DeploymentSensor)]
    assert sorted(type(task).__name__ for task in found) == sorted(infomart_dr.sensors.__all__)
    for task in found:
        assert task.deferrable and task.retries and task.timeout < 86400
    for dag in bag.dags.values():
        assert DagSerialization.from_dict(DagSerialization.to_dict(dag)).task_ids == dag.task_ids


def test_the_folder_of_the_dags_is_read_without_its_examples() -> None:
    found = DagBag(str(dags_folder())).dags
    assert found and not [name for name in found if name.startswith("example_")]
    assert all(name.startswith("infomart_") for name in found)
