"""Return to Normal, option 1: a new site is filled from the surviving one, takes over, and is followed by it."""

from __future__ import annotations

from airflow.sdk import DAG, chain

from infomart_dr.operators.base import step_defaults
from infomart_dr.runbook import cutover, database_transfer, plan, reaggregation, reverse_sync

DOC = """
# Return to normal operation

Guide: *DR Procedure with Oracle GoldenGate*, "Procedure to Return to Normal Operation", option 1 (guide:1066-1153).

The surviving site (source) serves while the new site (target) is filled; the target takes over and the source becomes
its standby. Nothing is lost and nothing is done twice: capture runs before the SCN, the export, the manifest and
AFTERCSN are one number, and the databases are compared while the writers are stopped.

**People decide once:** `approve_cutover`. Open transactions older than the capture are waited for, never killed.
**On any failure before `start_info_mart_server_at_target`** the service returns to the source within the run.
"""

with (
    DAG(
        dag_id="infomart_return_to_normal",
        description="Fill a new site from the surviving one, let it take over, keep the old one as standby",
        doc_md=DOC,
        schedule=None,
        catchup=False,
        max_active_runs=1,
        default_args=step_defaults(),
        params=plan.common_params() | plan.transfer_params() | plan.reaggregation_params(),
        tags=["infomart", "disaster recovery"],
    ) as dag,
    plan.plan() as lock,
):
    chain(
        lock,
        plan.hold_purging(),
        database_transfer.capture_at_source(),
        database_transfer.export_database(),
        database_transfer.transfer_dump_set(),
        database_transfer.import_database(),
        reverse_sync.synchronise(),
        cutover.approve_cutover(),
        cutover.final_stop_and_comparison(),
        cutover.switch_direction(),
        cutover.start_at_target(),
        reaggregation.re_aggregate(),
        plan.release_purge_hold(),
    )
