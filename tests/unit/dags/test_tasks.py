"""Each DAG has the tasks of tests/data/tasks.yaml in their order: one that is taken out, or moved, is missed by name.

The file is written by hand. Whoever changes a procedure changes it, and sees there what people will see in Airflow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag

ROOT = Path(__file__).resolve().parents[3]
LISTED: dict[str, list[str | dict[str, list[str]]]] = yaml.safe_load((ROOT / "tests/data/tasks.yaml").read_text())


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(str(ROOT / "dags"))


def ids_of(dag_id: str) -> list[str]:
    """Task ids in the order of the file; a chapter is a mapping of its name to its tasks."""
    ids = []
    for entry in LISTED[dag_id]:
        chapters = {"": [entry]} if isinstance(entry, str) else entry
        ids += [f"{chapter}.{name}".lstrip(".") for chapter, names in chapters.items() for name in names]
    return ids


def faults_of(dag: Any, ids: list[str]) -> list[str]:
    """Tasks that are missing, that the file does not have, and that may run before one that the file has earlier."""
    missing = [f"{name} is missing: nothing in {dag.dag_id} does its step" for name in ids if name not in dag.task_ids]
    found = [f"{name} is new: add it to tests/data/tasks.yaml" for name in dag.task_ids if name not in ids]
    place = {name: number for number, name in enumerate(ids)}
    for name in set(ids) & set(dag.task_ids):
        for above in dag.get_task(name).upstream_task_ids & set(ids):
            if place[above] > place[name]:
                found.append(f"{name} waits for {above}, which comes after it in tests/data/tasks.yaml")
    return missing + sorted(found)


def test_every_dag_is_listed(bag: DagBag) -> None:
    assert set(LISTED) == set(bag.dags)


@pytest.mark.parametrize("dag_id", LISTED)
def test_a_dag_has_the_listed_tasks_in_their_order(bag: DagBag, dag_id: str) -> None:
    assert (found := faults_of(bag.dags[dag_id], ids_of(dag_id))) == [], "\n".join(found)


def test_a_task_that_is_taken_out_added_or_moved_is_named(bag: DagBag) -> None:
    ids = ids_of("infomart_cutover")
    first, second = ids[:2]
    dag = bag.dags["infomart_cutover"]
    assert faults_of(dag, [*ids, "a.b"]) == ["a.b is missing: nothing in infomart_cutover does its step"]
    assert faults_of(dag, [name for name in ids if name != second]) == [
        f"{second} is new: add it to tests/data/tasks.yaml"
    ]
    assert f"{second} waits for {first}, which comes after it in tests/data/tasks.yaml" in faults_of(
        dag, [second, first, *ids[2:]]
    )
