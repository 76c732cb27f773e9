"""Replication from nothing: a standby is filled from the active site and follows it."""

from __future__ import annotations

from airflow.sdk import DAG, chain

from infomart_dr.notifiers.tickets import TicketNotifier
from infomart_dr.operators.base import step_defaults
from infomart_dr.operators.goal import CheckAlreadyDone
from infomart_dr.runbook import database_transfer, frame, reverse_sync, setup_replication

DOC = """
# Set up replication

Guide: *Setting Up Replication* (pp. 29-39).

The active site (source) serves while the standby (target) is filled from it and begins to follow it. Extract and pump
start before the SCN is taken, so that no change in between is lost. The guide starts them after it.

**People decide once:** `approve_parameter_files` shows what will be written. The Info Mart Server is stopped only for
the export.
"""

with (
    DAG(
        dag_id="infomart_setup_replication",
        description="Prerequisites, parameter files, capture, copy, Replicat, checks",
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
        CheckAlreadyDone(task_id="check_already_done", goal="follows"),
        setup_replication.check_prerequisites(),
        frame.hold_purging(),
        database_transfer.capture_at_source(),
        database_transfer.export_database(),
        database_transfer.transfer_dump_set(),
        database_transfer.import_database(),
        setup_replication.repeat_supplemental_logging(),
        reverse_sync.synchronise(),
        setup_replication.prove_standby(),
        frame.release_purge_hold(role="source"),
    )
