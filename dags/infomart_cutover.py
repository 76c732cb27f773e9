"""Let the synchronised target take over; the source becomes its standby."""

from __future__ import annotations

from airflow.sdk import DAG, chain

from infomart_dr.notifiers.tickets import TicketNotifier
from infomart_dr.operators.base import step_defaults
from infomart_dr.operators.goal import CheckAlreadyDone
from infomart_dr.runbook import cutover, frame, opening, reaggregation

DOC = """
# Cutover

Guide: *Return to Normal* 8 and 10 to 19 (DR Procedure with Oracle GoldenGate, pp. 45-46).

**Required:** `plan`, the run id of the `infomart_database_transfer` run. The gate `approve_cutover` comes first.
On any failure before `start_info_mart_server_at_target` the service returns to the source.
"""

with (
    DAG(
        dag_id="infomart_cutover",
        description="Stop, compare, switch the direction, start at the target, check",
        doc_md=DOC,
        schedule=None,
        catchup=False,
        max_active_runs=frame.RUNS_SIDE_BY_SIDE,
        on_failure_callback=TicketNotifier("run fails"),
        default_args=step_defaults(),
        params=frame.common_params(continues=True) | frame.waiting_params() | frame.reaggregation_params(planned=True),
        tags=["infomart", "disaster recovery"],
    ) as dag,
    frame.procedure(only="active-standby", needs=("plan",)) as lock,
):
    # Airflow ties the first task that is made here to the lock.
    look = CheckAlreadyDone(task_id="check_already_done", goal="moved", continues=True)
    started = cutover.start_at_target()
    chain(
        lock,
        look,
        cutover.check_prerequisites(),
        cutover.approve_cutover(),
        cutover.final_stop_and_comparison(),
        cutover.switch_direction(),
        started,
        reaggregation.re_aggregate(),
        frame.release_purge_hold(),
    )
    started >> opening.bring_reports_into_service()
