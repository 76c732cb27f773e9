"""DR 10, Return to Normal 19: aggregate again from 24 hours before the failure."""

from __future__ import annotations

from typing import Any, Literal

from airflow.sdk import task_group

from infomart_dr.operators import configuration, reaggregate
from infomart_dr.operators.base import AFTER_SKIPS
from infomart_dr.topology import SiteRole


def enable_aggregation(**kwargs: Any) -> configuration.SetAggregation:
    """Switch aggregation on again, also when the request failed."""
    return configuration.SetAggregation(
        task_id="enable_aggregation",
        on=True,
        guide="DR 10b, 10c (guide:1061-1062); Return to Normal 19b (guide:1151)",
        **kwargs,
    )


@task_group(tooltip="Aggregation off, request, aggregation on: also when the request fails")
def re_aggregate(role: SiteRole | Literal["target"] = "target", option: str = "", first: bool = False) -> None:
    """Request re-aggregation with aggregation switched off meanwhile.

    :param option: the option of the procedure that it belongs to; empty: every one.
    :param first: it follows the lock, a setup task, directly, and not a step that may be skipped.
    """
    common: dict[str, Any] = {"role": role, "option": option}
    rule = {} if first else AFTER_SKIPS
    off = configuration.SetAggregation(
        task_id="disable_aggregation",
        on=False,
        guide="Return to Normal 19 (guide:1125); DR 5a (guide:1036-1037)",
        **common,
        **rule,
    )
    # A failed request switches aggregation on again.
    common["clear_from"] = "re_aggregate.disable_aggregation"
    request = reaggregate.RequestReaggregation(task_id="request_reaggregation", **common)
    on = enable_aggregation(role=role, option=option)
    # A step after the request that no teardown follows directly: so a failed request fails the run.
    request >> reaggregate.CheckRequested(task_id="check_request", **common)
    off >> request >> on.as_teardown(setups=off, on_failure_fail_dagrun=True)
