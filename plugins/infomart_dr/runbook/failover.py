"""The disaster recovery procedures: active-standby steps 1 to 10, active-active steps 1 and 2."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import chain, task_group

from infomart_dr.operators import admission, configuration, failover, loss, reaggregate, schema_jobs, server
from infomart_dr.operators.base import AFTER_SKIPS
from infomart_dr.plan import facts
from infomart_dr.runbook import opening, reaggregation
from infomart_dr.sensors import extraction, trail

#: Steps that move the service; where both sites serve, there is nothing to move.
MOVES: dict[str, Any] = {"architecture": "active-standby", "role": "target", **AFTER_SKIPS}
#: After a failure before the start the back-out has made the survivor a standby again, and the probes are old.
FROM_THE_BEGINNING: dict[str, Any] = {"clear_from": "check_already_done"}
#: Those of them that are never repeated in a plan whose survivor serves.
BEFORE_START: dict[str, Any] = {**MOVES, **FROM_THE_BEGINNING, "unless": facts.POINT_OF_NO_RETURN}


@task_group(
    default_args=FROM_THE_BEGINNING,
    tooltip="The lost site's endpoints, probed from two places, and the estimated loss; nothing is changed",
)
def gather_evidence() -> None:
    """Probe from both places, read the end of the trail and estimate the loss, at the same time."""
    past: dict[str, Any] = {"unless": facts.POINT_OF_NO_RETURN}
    failover.ProbeFailedSite(task_id="probe_from_airflow", place="airflow", **past)
    failover.ProbeFailedSite(task_id="probe_from_survivor", place="survivor", **past)
    failover.ReadTrailEnd(task_id="read_trail_end", role="target", architecture="active-standby", **past)
    failover.CheckSurvivor(task_id="check_survivor", role="target", **past)
    loss.EstimateLoss(task_id="estimate_loss", role="target", moment="before", **past)


def confirm_site_failure() -> failover.ConfirmSiteFailure:
    """The gate that no program can answer: a site failure looks like a network outage."""
    return failover.ConfirmSiteFailure(
        task_id="confirm_site_failure",
        subject="Is it a site failure, and not a network outage?",
        body=(
            "No endpoint of the lost site answers. Only a person who has asked somebody at the site, or its provider, "
            "can tell a dead site from a broken network. After approval GoldenGate at the survivor is stopped and its "
            "Info Mart Server takes over. If the site is alive, two servers write and the Info Marts diverge for "
            "good."
        ),
        unless=facts.POINT_OF_NO_RETURN,
        response_timeout=timedelta(days=1),
        **FROM_THE_BEGINNING,
        **AFTER_SKIPS,
    )


@task_group(
    default_args=BEFORE_START, tooltip="All data that arrived is applied; then GoldenGate at the survivor is stopped"
)
def drain_standby() -> None:
    """Everything that was replicated before the failure is in the Info Mart before it is opened."""
    chain(
        trail.WaitForTrailEnd(task_id="wait_for_trail_end"),
        failover.StopGoldenGate(task_id="stop_goldengate"),
        [
            failover.RaiseSequences(task_id="raise_sequences"),
            loss.EstimateLoss(task_id="estimate_loss_again", moment="drained"),
        ],
    )


def disable_aggregation(**kwargs: Any) -> configuration.SetAggregation:
    """No aggregation job starts before the survivor has requested re-aggregation."""
    return configuration.SetAggregation(
        on=False, fact=facts.STANDBY_TOUCHED, guide="DR 5a, 5b (guide:1036-1038)", **kwargs
    )


@task_group(tooltip="The Application object moves to the survivor; the lost site's objects are ignored")
def configure_survivor() -> None:
    """Host, command line, connections; scheduler and aggregation held where they must be."""
    chain(
        failover.DropFailedSources(
            task_id="drop_failed_sources",
            role="target",
            unless=facts.POINT_OF_NO_RETURN,
            **FROM_THE_BEGINNING,
            **AFTER_SKIPS,
        ),
        configuration.SetScheduler(
            task_id="hold_scheduler",
            on=False,
            fact=facts.STANDBY_TOUCHED,
            partitioned_only=True,
            guide="DR 4 (guide:1035)",
            **BEFORE_START,
        ),
        disable_aggregation(task_id="disable_aggregation", **BEFORE_START),
    )


@task_group(default_args=MOVES, tooltip="The point of no return: the survivor serves")
def start_at_survivor() -> None:
    """Start, migrate where the server asks for it, make partitions where there are any, and load."""
    chain(
        failover.StartAtSurvivor(task_id="start_info_mart_server", **FROM_THE_BEGINNING),
        *opening.migrate_and_maintain(),
        # Where both sites serve, the survivor must go on loading without the lost site's objects.
        extraction.ProveLoading(task_id="prove_loading", architecture=""),
        # Behind the service: a job that cannot be enabled must not hold it.
        schema_jobs.ReleaseSchemaJobs(task_id="release_schema_jobs"),
        # The start has done it already; here it is proven, and repeated after a missing grant.
        admission.SetAdmission(task_id="refuse_lost_site", lost=True),
    )


def check_server_log() -> server.CheckServerLog:
    """DR 9; active-active 2."""
    return server.CheckServerLog(task_id="check_server_log", role="target", **AFTER_SKIPS)


@task_group(
    default_args={"architecture": "active-standby", "role": "target"},
    tooltip="The request for the last 24 hours before the failure, and aggregation on again",
)
def re_aggregate() -> None:
    """Aggregation is off since before the start; on again also when the request fails."""
    off = disable_aggregation(task_id="check_aggregation_disabled", **AFTER_SKIPS)
    # A failed request switches aggregation on again.
    again: dict[str, Any] = {"clear_from": "re_aggregate.check_aggregation_disabled"}
    request = reaggregate.RequestReaggregation(task_id="request_reaggregation", **again)
    on = reaggregation.enable_aggregation()
    request >> reaggregate.CheckRequested(task_id="check_request", **again)
    off >> request >> on.as_teardown(setups=off, on_failure_fail_dagrun=True)


def report_loss() -> loss.EstimateLoss:
    """The final loss, compared with the estimate shown at the gate."""
    return loss.EstimateLoss(task_id="report_loss", role="target", moment="end", **AFTER_SKIPS)


def report_new_roles() -> failover.ReportNewRoles:
    """Report the roles that the topology file must have from now on."""
    return failover.ReportNewRoles(
        task_id="report_new_roles", role="target", roles={"source": "failed", "target": "active"}, **AFTER_SKIPS
    )
