"""Return to Normal of an active-active deployment: the second Info Mart and its server are set up again."""

from __future__ import annotations

from airflow.sdk import DAG, chain

from infomart_dr.notifiers.tickets import TicketNotifier
from infomart_dr.operators.base import step_defaults
from infomart_dr.operators.goal import CheckAlreadyDone
from infomart_dr.runbook import active_active, frame, new_site

DOC = """
# Return to normal operation, active-active

Guide: *DR Procedure with Active Info Mart*, "Procedure to Return to Normal Operation" (p. 23), and *Setting Up
Active-Active Genesys Info Mart Instances* (pp. 19-20).

The surviving site (source) serves all the time, except during the export of a copy. The returning site (target) gets
a copy of its Info Mart, or an empty one. Both servers get the same configuration, and the second one starts.

**People decide before the start:** copy or empty, and which Info Mart the reports come from. They also deploy what
`deploy_new_site` finds missing. **On any failure before `start_second_server`** the source continues to serve.
"""

with (
    DAG(
        dag_id="infomart_return_to_normal_active_active",
        description="A second Info Mart beside the surviving one, and its server",
        doc_md=DOC,
        schedule=None,
        catchup=False,
        max_active_runs=frame.RUNS_SIDE_BY_SIDE,
        on_failure_callback=TicketNotifier("run fails"),
        default_args=step_defaults(),
        params=frame.common_params() | active_active.active_active_params() | frame.server_params(),
        tags=["infomart", "disaster recovery"],
    ) as dag,
    frame.procedure(only="active-active") as lock,
):
    # Airflow ties the first task that is made here to the lock.
    look = CheckAlreadyDone(task_id="check_already_done", goal="both serve")
    deployed = new_site.deploy_new_site()
    copied, second = active_active.copy_database(), active_active.start_second_server()
    chain(lock, look, active_active.check_prerequisites(), frame.hold_purging(), deployed)
    chain(deployed, *copied, second)
    chain(deployed, active_active.create_info_mart(), second)
    chain(second, frame.release_purge_hold(), active_active.report_new_roles())
