"""DR 10, Return to Normal 19: aggregate again from 24 hours before the failure."""

from __future__ import annotations

from typing import Literal

from airflow.sdk import task_group

from infomart_dr.operators import reaggregate, server
from infomart_dr.step import SiteRole


@task_group(tooltip="Aggregation off, request, aggregation on: also when the request fails")
def re_aggregate(role: SiteRole | Literal["target"] = "target") -> None:
    """Request re-aggregation with aggregation switched off meanwhile."""
    off = server.DisableAggregation(task_id="disable_aggregation", role=role)
    request = reaggregate.RequestReaggregation(task_id="request_reaggregation", role=role)
    on = server.EnableAggregation(task_id="enable_aggregation", role=role)
    # A step after the request that no teardown follows at once: a failed request is a failed run.
    request >> reaggregate.CheckRequested(task_id="check_request", role=role)
    off >> request >> on.as_teardown(setups=off, on_failure_fail_dagrun=True)
