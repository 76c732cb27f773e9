"""A planned switchover: the standby takes over, the active site becomes its standby."""

from __future__ import annotations

from airflow.sdk import DAG, chain

from infomart_dr.notifiers.tickets import TicketNotifier
from infomart_dr.operators.base import step_defaults
from infomart_dr.operators.goal import CheckAlreadyDone
from infomart_dr.runbook import cutover, frame, opening, reaggregation, switchover

DOC = """
# Switchover

The guide describes disasters only. This procedure is composed of its chapters *Return to Normal* 8 and 10 to 19
(DR Procedure with Oracle GoldenGate, pp. 45-46).

Both sites are alive and the standby (target) follows the active site (source). The writers are stopped, the last
position is applied, the databases are compared, and replication is reversed. Nothing is lost.

**People decide once:** `approve_cutover`, which shows what the standby needs after its start: partitions, migration.
**On any failure before `start_info_mart_server_at_target`** the service
returns to the source within the run. If the source is lost, use `infomart_failover`.
"""

with (
    DAG(
        dag_id="infomart_switchover",
        description="Stop, compare, reverse replication, start at the standby",
        doc_md=DOC,
        schedule=None,
        catchup=False,
        max_active_runs=frame.RUNS_SIDE_BY_SIDE,
        on_failure_callback=TicketNotifier("run fails"),
        default_args=step_defaults(),
        params=frame.common_params() | frame.waiting_params() | frame.reaggregation_params(planned=True),
        tags=["infomart", "disaster recovery"],
    ) as dag,
    frame.procedure(only="active-standby") as lock,
):
    # Airflow ties the first task that is made here to the lock.
    look = CheckAlreadyDone(task_id="check_already_done", goal="moved")
    started = cutover.start_at_target()
    chain(
        lock,
        look,
        cutover.check_prerequisites(),
        frame.hold_purging(),
        switchover.check_replication(),
        cutover.approve_cutover(),
        cutover.final_stop_and_comparison(),
        cutover.switch_direction(),
        started,
        reaggregation.re_aggregate(),
        frame.release_purge_hold(),
        switchover.report_new_roles(),
    )
    started >> opening.bring_reports_into_service()
