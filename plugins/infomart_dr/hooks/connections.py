"""Airflow connections by their ids."""

from __future__ import annotations

from typing import Any

from infomart_dr.errors import TopologyError


def connection(connection_id: str, kind: str = "") -> Any:
    """Airflow connection by id.

    :param kind: its type, for the message; empty: any.
    :raises TopologyError: Airflow has no such connection.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(connection_id)
    except AirflowNotFoundException:
        raise missing(connection_id, kind) from None


def missing(connection_id: str, kind: str = "") -> TopologyError:
    """The error for a connection that Airflow does not have."""
    if kind:
        return TopologyError(
            f"Airflow has no connection {connection_id}, which the topology names.",
            f"Add the connection {connection_id} (type {kind}), or correct the topology.",
        )
    return TopologyError(
        f"Airflow has no connection {connection_id!r}.",
        "Add it (docs/getting-started.md lists the connections a topology needs), or correct the topology.",
    )
