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

Looks every five minutes (`[infomart_dr] purge_guard_schedule`) at all deployments. A hold that begins: its jobs are
disabled. A job that somebody enabled under a hold: disabled again, and reported. A hold that is over: its jobs are
enabled, unless another hold stands. A job that no hold ever touched is never touched.

It warns when 70 % of the partition ring is used up, and says what is lost when. **A failed run means that holds may
not be kept:** read its message. See docs/purge-holds.md.
"""

with DAG(
    dag_id="infomart_purge_guard",
    description="Begin, keep and end the holds on IDB purging",
    doc_md=DOC,
    schedule=schedule("purge_guard_schedule", "*/5 * * * *"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    # Without it a hold neither begins nor ends; it touches nothing that no hold has touched.
    is_paused_upon_creation=False,
    # The next look is the retry.
    on_failure_callback=TicketNotifier("run fails"),
    default_args=step_defaults() | {"retries": 0},
    tags=["infomart", "day to day"],
) as dag:
    purge_holds.enforce_everywhere()
