"""Airflow connections by their ids."""

from __future__ import annotations

import pytest

from infomart_dr.errors import TopologyError
from infomart_dr.hooks.connections import connection


def test_a_connection_is_found_by_its_id(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_PAGER", '{"conn_type": "http", "host": "pager"}')
    assert connection("pager").host == "pager"


@pytest.mark.parametrize(
    ("kind", "what", "next_step"),
    [
        ("", "Airflow has no connection 'pager'.", "Add it (docs/getting-started.md"),
        ("http", "Airflow has no connection pager, which the topology names.", "Add the connection pager (type http)"),
    ],
)
def test_a_missing_connection_is_named_with_what_to_do(kind, what, next_step):
    with pytest.raises(TopologyError) as caught:
        connection("pager", kind)
    assert caught.value.what == what
    assert caught.value.next_step.startswith(next_step)
