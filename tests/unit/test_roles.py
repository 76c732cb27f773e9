"""Who may start, approve and change connections: docs/tickets.md says what Airflow's own manager decides."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tickets.md"
ROLES = ("viewer", "user", "op", "admin")


def allowed(role: str) -> dict[str, bool]:
    """What a role of the simple auth manager may do."""
    manager, user = SimpleAuthManager(), SimpleAuthManagerUser(username="x", role=role)

    def dag(method: Any, entity: DagAccessEntity | None) -> bool:
        return manager.is_authorized_dag(method=method, access_entity=entity, user=user)

    return {
        "read runs, steps and logs": dag("GET", DagAccessEntity.RUN) and dag("GET", DagAccessEntity.TASK_LOGS),
        "start a run": dag("POST", DagAccessEntity.RUN),
        "answer a gate or human step": dag("PUT", DagAccessEntity.HITL_DETAIL),
        "clear or mark a step": dag("PUT", DagAccessEntity.TASK_INSTANCE),
        "change connections": manager.is_authorized_connection(method="PUT", user=user),
    }


def table() -> dict[str, list[str]]:
    """Rows of the table in the document: what, and yes or no for each role."""
    section = PAGE.read_text().split("## Who may do what")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([a-z][^|]+?) \|((?: (?:yes|no) \|){4})", section, re.MULTILINE)
    return {what: re.findall("yes|no", cells) for what, cells in rows}


@pytest.mark.parametrize("role", ROLES)
def test_the_documents_table_is_what_airflow_decides(role: str) -> None:
    column = ROLES.index(role)
    told = {what: cells[column] == "yes" for what, cells in table().items()}
    decided = allowed(role)
    assert decided.items() <= told.items()
