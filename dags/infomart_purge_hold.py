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
has passed a time. Several holds may stand at one IDB; purging resumes when the last is gone. A hold whose begin lies
ahead is stored at once, and `infomart_purge_guard` begins it. A purge that runs is waited for, never killed.

**A hold is no archive:** a partitioned IDB overwrites what is older than its ring (14 days), held or not.
The holds of the procedures stand beside these; each plan releases its own. See docs/purge-holds.md.
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
