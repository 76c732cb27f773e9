"""Return to Normal: a new site is filled from the surviving one, and takes over or becomes its standby."""

from __future__ import annotations

from airflow.sdk import DAG, chain

from infomart_dr.notifiers.tickets import TicketNotifier
from infomart_dr.operators.base import step_defaults
from infomart_dr.operators.goal import CheckAlreadyDone
from infomart_dr.plan.parameters import TARGET_TAKES_OVER
from infomart_dr.runbook import (
    cutover,
    database_transfer,
    frame,
    new_site,
    opening,
    reaggregation,
    reverse_sync,
    setup_replication,
    switchover,
)

DOC = """
# Return to normal operation

Guide: *DR Procedure with Oracle GoldenGate*, "Procedure to Return to Normal Operation" (pp. 43-46).

The surviving site (source) serves while the new site (target) is filled. Option *target takes over* (1): the target
takes over and the source becomes its standby. Option *source stays active* (2): the target becomes the standby, and
the chapters of the cutover are skipped.

No change is lost and none is applied twice. Capture runs before the SCN is taken. Export, manifest and AFTERCSN use
the same SCN. The databases are compared while the writers are stopped.

**People decide once:** `approve_cutover`. They also deploy what `deploy_new_site` finds missing at the new site. The
run waits for open transactions older than the capture and never kills them.
**On any failure before `start_info_mart_server_at_target`** the service returns to the source within the run.
"""

with (
    DAG(
        dag_id="infomart_return_to_normal",
        description="Fill a new site from the surviving one, let it take over, keep the old one as standby",
        doc_md=DOC,
        schedule=None,
        catchup=False,
        max_active_runs=frame.RUNS_SIDE_BY_SIDE,
        on_failure_callback=TicketNotifier("run fails"),
        default_args=step_defaults(),
        params=frame.common_params()
        | frame.option_params()
        | frame.transfer_params()
        | frame.reaggregation_params(planned=True),
        tags=["infomart", "disaster recovery"],
    ) as dag,
    frame.procedure(only="active-standby") as lock,
):
    # Airflow ties the first task that is made here to the lock.
    look = CheckAlreadyDone(task_id="check_already_done")
    held = frame.hold_purging()
    ready = cutover.check_prerequisites("check_prerequisites_of_cutover")
    following, started = reverse_sync.synchronise(), cutover.start_at_target()
    chain(
        lock,
        look,
        database_transfer.check_prerequisites(),
        held,
        database_transfer.capture_at_source(),
        database_transfer.export_database(),
        database_transfer.transfer_dump_set(),
        database_transfer.import_database(),
        following,
        ready,
        cutover.approve_cutover(),
        cutover.final_stop_and_comparison(),
        cutover.switch_direction(),
        started,
        reaggregation.re_aggregate(option=TARGET_TAKES_OVER),
        frame.release_purge_hold(),
        switchover.report_new_roles(option=TARGET_TAKES_OVER),
    )
    started >> opening.bring_reports_into_service(option=TARGET_TAKES_OVER)
    held >> new_site.deploy_new_site() >> ready
    following >> setup_replication.prove_standby() >> dag.get_task("release_idb_purge_hold")
