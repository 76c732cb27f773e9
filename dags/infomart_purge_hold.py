"""Hold the purging of Interaction Databases: place, extend, release, list."""

from __future__ import annotations

from airflow.sdk import DAG

from infomart_dr.notifiers.tickets import TicketNotifier
from infomart_dr.operators.base import step_defaults
from infomart_dr.runbook import purge_holds

DOC = """
# IDB purge hold

Guide: *Database Transfer*, stop purging the IDBs (Operation Modes, pp. 11-12).

A hold keeps the purge jobs of an IDB disabled until its end: a time, or the moment when the high-water mark of a site
has passed a time. An IDB may have several holds; purging resumes when the last one ends. A hold with a later begin is
stored at once, and `infomart_purge_guard` starts it. The run waits for a running purge and never kills it.

**A hold is not an archive:** a partitioned IDB overwrites data older than its ring (14 days), even under a hold.
The procedures have holds of their own; each plan releases its own hold. See docs/purge-holds.md.
"""

with DAG(
    dag_id="infomart_purge_hold",
    description="Place, extend, release or list holds on IDB purging",
    doc_md=DOC,
    schedule=None,
    catchup=False,
    on_failure_callback=TicketNotifier("run fails"),
    default_args=step_defaults(),
    params=purge_holds.hold_params(),
    tags=["infomart", "day to day"],
) as dag:
    purge_holds.change_and_show()
