"""Would a procedure run now? Everything that it will need is checked, and nothing is changed."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG

from infomart_dr.notifiers.tickets import TicketNotifier
from infomart_dr.operators.base import step_defaults
from infomart_dr.runbook import readiness
from infomart_dr.settings import schedule

DOC = """
# Readiness

Guide: *Deployment Prerequisites* (Setting Up Replication, pp. 29-30), and the assumptions of each chapter.

For every deployment, and every procedure that the roles of its sites allow, the run checks the guards and
preconditions of the real run: connections, host keys, releases, privileges, disk space, undo, logging, exclusion
lists, parity, jobs, passwords, clocks, DAPs, services that start automatically. **Nothing is changed**: no lock, no
table, no file.

Each check is *ok*, a *warning*, *blocked* with its remedy, or *not checked* because something that it needs failed.
`report_readiness` fails, in one sentence, when anything is blocked; with warnings only the run is a success. The
reports, with estimated times, are in its log and in its XCom `readiness`.

Daily, or as `AIRFLOW__INFOMART_DR__READINESS_SCHEDULE` says (a cron expression, `@weekly` ..., or `none`).
"""

with DAG(
    dag_id="infomart_readiness",
    description="State of each procedure's preconditions: ok, warning or blocked, with the remedy and estimated times",
    doc_md=DOC,
    schedule=schedule("readiness_schedule", "@daily"),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    on_failure_callback=TicketNotifier("run fails"),
    default_args=step_defaults(),
    params=readiness.params(),
    tags=["infomart", "disaster recovery"],
) as dag:
    readiness.look_at_everything()
