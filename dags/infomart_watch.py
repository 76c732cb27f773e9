"""Watching: faults of a deployment on ordinary days."""

from __future__ import annotations

from airflow.sdk import DAG

from infomart_dr.notifiers.tickets import TicketNotifier
from infomart_dr.runbook import watch
from infomart_dr.settings import schedule

DOC = """
# Watching

Guide: *Note on Connectivity Loss* (Operation Modes, pp. 10-13); *Return to Normal* 17 and 18 (DR Procedure with
Oracle GoldenGate, p. 45).

Every five minutes the run checks each deployment of the topology folder: replication lag by a marker row, GoldenGate's
groups, new errors of ggserr.log, high-water marks, the disk of the trails, the links between the sites against
`extract-data-stuck-threshold`, purge holds against the partition ring.

**An alert is sent once when a condition begins, once if a warning becomes critical, and once when it ends**: to the
task's log, as an event of the asset `infomart_dr_alert_<deployment>`, and to the webhook `watch.alert_connection`.
The next run also sends the ticket messages that could not be delivered when they were due.

**A task is green when the survey was possible, whatever it found;** the label of its instance and its XCom show the
findings. It is red when no database of the deployment answers. docs/watching.md has thresholds, figures and cost.
"""

with DAG(
    dag_id="infomart_watch",
    description="Check every deployment: lag, groups, logs, marks, disk, links, holds; report each change once",
    doc_md=DOC,
    schedule=schedule("watch_schedule", "*/5 * * * *"),
    catchup=False,
    max_active_runs=1,
    on_failure_callback=TicketNotifier("run fails"),
    default_args=watch.watch_defaults(),
    params=watch.params(),
    tags=["infomart", "watching"],
):
    watch.watch_deployments()
