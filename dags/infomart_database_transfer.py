"""Copy the Info Mart database to the target site, consistent at one SCN, with capture running before it."""

from __future__ import annotations

from airflow.sdk import DAG, chain

from infomart_dr.notifiers.tickets import TicketNotifier
from infomart_dr.operators.base import step_defaults
from infomart_dr.runbook import database_transfer, frame

DOC = """
# Database transfer

Guide: *Setting Up Replication*, "copy the Info Mart database" (pp. 36-38); *Return to Normal* 1 and 2.

At the end the target is filled and checked. Purging of the IDBs stays held and the capture keeps running. Continue
with `infomart_reverse_sync`, with this run's id as the parameter *plan*.
"""

with (
    DAG(
        dag_id="infomart_database_transfer",
        description="SCN, export, transfer, import, checks",
        doc_md=DOC,
        schedule=None,
        catchup=False,
        max_active_runs=frame.RUNS_SIDE_BY_SIDE,
        on_failure_callback=TicketNotifier("run fails"),
        default_args=step_defaults(),
        params=frame.common_params() | frame.transfer_params(),
        tags=["infomart", "disaster recovery"],
    ) as dag,
    frame.procedure(only="active-standby") as lock,
):
    chain(
        lock,
        database_transfer.check_prerequisites(),
        frame.hold_purging(),
        database_transfer.capture_at_source(),
        database_transfer.export_database(),
        database_transfer.transfer_dump_set(),
        database_transfer.import_database(),
    )
