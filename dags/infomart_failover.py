"""A site is lost: the surviving one takes over."""

from __future__ import annotations

from airflow.sdk import DAG, chain

from infomart_dr.notifiers.tickets import TicketNotifier
from infomart_dr.operators.base import step_defaults
from infomart_dr.operators.goal import CheckAlreadyDone
from infomart_dr.runbook import failover, frame, opening

DOC = """
# Failover

Guide: *DR Procedure with Oracle GoldenGate* 1 to 10 (pp. 42-43); of an active-active deployment *DR Procedure
with Active Info Mart* 1 and 2 (pp. 22-23). *Potential Data Loss* (pp. 15-17).

The run probes the lost site from Airflow and from the survivor. Any endpoint that answers stops the run: two Info Mart
Servers must never write. The standby is drained before it takes over: all replicated data is applied first.

**People decide once:** `confirm_site_failure` shows the evidence and an estimate of the loss.
**On any failure before `start_info_mart_server`** the survivor becomes a standby again within the run.
Steps that do not apply to the deployment (partitions, RAA, reports, migration, active-active) are skipped, with the
reason.
"""

with (
    DAG(
        dag_id="infomart_failover",
        description="Prove the site dead, drain the standby, start at the survivor, report the loss",
        doc_md=DOC,
        schedule=None,
        catchup=False,
        max_active_runs=frame.RUNS_SIDE_BY_SIDE,
        on_failure_callback=TicketNotifier("run fails"),
        default_args=step_defaults(failover=True),
        params=frame.failover_params() | frame.reaggregation_params(),
        tags=["infomart", "disaster recovery"],
    ) as dag,
    frame.procedure(back_out=frame.return_standby) as lock,
):
    # Airflow ties the first task that is made here to the lock.
    look = CheckAlreadyDone(task_id="check_already_done", role="target", goal="failover")
    started, checked = failover.start_at_survivor(), failover.check_server_log()
    chain(
        lock,
        look,
        failover.gather_evidence(),
        failover.confirm_site_failure(),
        [failover.drain_standby(), failover.configure_survivor()],
        started,
        [opening.bring_reports_into_service(), checked],
    )
    chain(checked, failover.re_aggregate(), failover.report_loss(), failover.report_new_roles())
