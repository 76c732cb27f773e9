"""Aggregate again from 24 hours before the failure until now."""

from __future__ import annotations

from airflow.sdk import DAG, chain

from infomart_dr.notifiers.tickets import TicketNotifier
from infomart_dr.operators.base import step_defaults
from infomart_dr.runbook import frame, reaggregation

DOC = """
# Re-aggregation

Guide: *DR procedure* 10, *Return to Normal* 19 (DR Procedure with Oracle GoldenGate, pp. 43, 45).

The run switches aggregation off, makes the request with the release's own command line, and switches aggregation on
again, also when the request fails. It runs at the active site. **Required:** `failure_time` or `reaggregate_from`.
"""

with (
    DAG(
        dag_id="infomart_reaggregate",
        description="Request re-aggregation at the active site",
        doc_md=DOC,
        schedule=None,
        catchup=False,
        max_active_runs=frame.RUNS_SIDE_BY_SIDE,
        on_failure_callback=TicketNotifier("run fails"),
        default_args=step_defaults(),
        params=frame.reaggregation_only_params(),
        tags=["infomart", "disaster recovery"],
    ) as dag,
    frame.procedure(sites=("source",), needs=("failure_time", "reaggregate_from")) as lock,
):
    chain(lock, reaggregation.re_aggregate(role="source", first=True))
