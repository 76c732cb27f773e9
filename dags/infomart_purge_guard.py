"""Make the purge jobs of all IDBs match the holds, by schedule."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG

from infomart_dr.notifiers.tickets import TicketNotifier
from infomart_dr.operators.base import step_defaults
from infomart_dr.runbook import purge_holds
from infomart_dr.settings import schedule

DOC = """
# IDB purge guard

Guide: *Database Transfer*, stop purging the IDBs (Operation Modes, pp. 11-12).

Every five minutes (`[infomart_dr] purge_guard_schedule`) the guard checks all deployments. When a hold begins, it
disables the hold's jobs. When somebody has enabled a job under a hold, it disables the job again and reports it. When
a hold ends, it enables the jobs, unless another hold is active. It never touches a job that no hold has touched.

It warns when 70 % of the partition ring is used up, and reports which data is lost when. **A failed run means that
holds may not be kept:** read its message. See docs/purge-holds.md.
"""

with DAG(
    dag_id="infomart_purge_guard",
    description="Begin, keep and end the holds on IDB purging",
    doc_md=DOC,
    schedule=schedule("purge_guard_schedule", "*/5 * * * *"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    # Without the guard a hold neither begins nor ends; and it touches only jobs that a hold has touched.
    is_paused_upon_creation=False,
    # The next scheduled run is the retry.
    on_failure_callback=TicketNotifier("run fails"),
    default_args=step_defaults() | {"retries": 0},
    tags=["infomart", "day to day"],
) as dag:
    purge_holds.enforce_everywhere()
