"""DR 10, Return to Normal 19: aggregate again from 24 hours before the failure."""

from __future__ import annotations

from typing import Any, Literal

from airflow.sdk import task_group

from infomart_dr.operators import reaggregate, server
from infomart_dr.operators.base import AFTER_SKIPS
from infomart_dr.topology import SiteRole


@task_group(tooltip="Aggregation off, request, aggregation on: also when the request fails")
def re_aggregate(role: SiteRole | Literal["target"] = "target", option: str = "", first: bool = False) -> None:
    """Request re-aggregation with aggregation switched off meanwhile.

    :param option: the option of the procedure that it belongs to; empty: every one.
    :param first: it follows the lock, which is a setup task, and no step that may be skipped.
    """
    common: dict[str, Any] = {"role": role, "option": option}
    rule = {} if first else AFTER_SKIPS
    off = server.DisableAggregation(task_id="disable_aggregation", **common, **rule)
    request = reaggregate.RequestReaggregation(task_id="request_reaggregation", **common)
    on = server.EnableAggregation(task_id="enable_aggregation", **common)
    # A step after the request that no teardown follows at once: a failed request is a failed run.
    request >> reaggregate.CheckRequested(task_id="check_request", **common)
    off >> request >> on.as_teardown(setups=off, on_failure_fail_dagrun=True)
