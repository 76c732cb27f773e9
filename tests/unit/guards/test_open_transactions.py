"""Transactions from before the capture: every session is named, and an idle one with its idle time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import StepOf

from infomart_dr.guards.replication import idle_text, no_older_transactions
from infomart_dr.plan import facts


def transaction(**values: Any) -> dict[str, Any]:
    return {
        **{"sid": 17, "serial": 4, "inst_id": 2, "username": "BATCH", "program": "sqlplus", "machine": "app1"},
        **{"start_time": "11/03/26 01:00:00", "status": "ACTIVE", "idle_seconds": 3},
        **values,
    }


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"status": "INACTIVE", "idle_seconds": 7260}, ", idle for 2 h 1 min"),
        ({"status": "INACTIVE", "idle_seconds": 0}, ", idle for 0 s"),
        ({"status": "ACTIVE", "idle_seconds": 7260}, ""),
        ({"status": "KILLED", "idle_seconds": 7260}, ""),
        # A transaction whose session is gone, such as one in doubt.
        ({"status": None, "idle_seconds": None}, ""),
        ({"status": "INACTIVE", "idle_seconds": None}, ""),
    ],
)
def test_an_idle_session_is_named_with_its_idle_time(values: dict[str, Any], text: str) -> None:
    assert idle_text(transaction(**values)) == text


def test_each_open_transaction_is_named_with_its_session() -> None:
    found = [transaction(status="INACTIVE", idle_seconds=7260), transaction(sid=18, program=None, machine=None)]
    step: Any = StepOf(
        dba=lambda role: SimpleNamespace(select=lambda name, before_scn: found),
        name=lambda role: "site2",
        ledger=SimpleNamespace(require=lambda fact: {facts.CAPTURE_SCN.of("to_target").name: 5}[fact.name]),
    )
    seen = no_older_transactions(step, "to_target")
    assert not seen.satisfied
    assert "session 17,4@2 of BATCH (sqlplus on app1, since 11/03/26 01:00:00, idle for 2 h 1 min)" in seen.summary
    assert "session 18,4@2 of BATCH (unknown program on unknown machine, since 11/03/26 01:00:00)" in seen.summary
