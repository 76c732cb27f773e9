"""Let the filled target follow the surviving site, from the manifest's SCN on."""

from __future__ import annotations

from airflow.sdk import DAG, chain

from infomart_dr.notifiers.tickets import TicketNotifier
from infomart_dr.operators.base import step_defaults
from infomart_dr.runbook import frame, reverse_sync

DOC = """
# Reverse synchronisation

Guide: *Return to Normal* 9 to 12 (DR Procedure with Oracle GoldenGate, p. 45).

**Required:** `plan`, the run id of the `infomart_database_transfer` run. Only its SCN and its manifest are used.
Continue with `infomart_cutover` and the same plan.
"""

with (
    DAG(
        dag_id="infomart_reverse_sync",
        description="Replicat at the target after the manifest's SCN, until it has caught up",
        doc_md=DOC,
        schedule=None,
        catchup=False,
        max_active_runs=frame.RUNS_SIDE_BY_SIDE,
        on_failure_callback=TicketNotifier("run fails"),
        default_args=step_defaults(),
        params=frame.common_params(continues=True),
        tags=["infomart", "disaster recovery"],
    ) as dag,
    frame.procedure(only="active-standby", needs=("plan",)) as lock,
):
    chain(lock, reverse_sync.synchronise())
