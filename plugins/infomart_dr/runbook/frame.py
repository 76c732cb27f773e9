"""Around every procedure: its parameters, the lock, the purge hold and the back-out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from airflow.sdk import Param

from infomart_dr import text
from infomart_dr.operators.base import AFTER_SKIPS, StepOperator
from infomart_dr.operators.failover import ReturnStandby
from infomart_dr.operators.plan import ReleaseLock, TakeLock
from infomart_dr.operators.server import ReturnServiceToSource
from infomart_dr.plan import facts
from infomart_dr.plan.parameters import SOURCE_STAYS, TARGET_TAKES_OVER
from infomart_dr.sensors.plan_hold import HoldPurging, ReleasePurgeHold
from infomart_dr.times import FORM_PATTERN
from infomart_dr.topology import BOTH_ROLES, Architecture, SiteRole

#: Pattern of a name in the topology, or nothing.
NAME = rf"^({text.NAME})?$"
_RUN_ID = r"^[A-Za-z0-9_.~:+\-]{0,250}$"
#: Runs of one procedure side by side: the lock of each deployment decides, so a run of another one never waits in
#: Airflow's queue.
RUNS_SIDE_BY_SIDE = 200


def text_param(title: str, description: str, **schema: Any) -> Param:
    """A text that may stay empty: the form accepts an empty field only if null is a type too.

    :param schema: ``pattern``, ``maxLength`` or ``examples`` of JSON schema.
    """
    return Param(None, type=["null", "string"], title=title, description=description, **schema)


def site_param(title: str, description: str) -> Param:
    """A site by its name in the topology, or empty."""
    return text_param(title, description, pattern=NAME)


def common_params() -> dict[str, Param]:
    """Parameters of every procedure except the failover; each has a default, so that the form opens filled."""
    return {
        "deployment": deployment_param(),
        "source": site_param("Source site", "The site that serves now. Empty: the topology's active site."),
        "target": site_param(
            "Target site",
            "The site that is filled or takes over. Empty: the only site with role new, else the only standby.",
        ),
        **plan_params(),
    }


def failover_params() -> dict[str, Param]:
    """Parameters of a failover."""
    return {
        "deployment": deployment_param(),
        "failed_site": site_param(
            "Failed site",
            "The site that is lost. Empty: the topology's active site. Required in an active-active deployment.",
        ),
        "survivor": site_param("Surviving site", "The site that takes over. Empty: the topology's only standby."),
        "accept_missing_replicat": Param(
            False,
            type="boolean",
            title="Accept a survivor without a Replicat",
            description="Only when a person has proven by other means that the standby holds everything that was "
            "replicated. Without this, the failover stops at a missing Replicat: its position is unknown.",
        ),
        "accept_cut_trail": Param(
            False,
            type="boolean",
            title="Accept a trail that ends inside a record",
            description="Only when the lost site cannot send that record again. Its transaction is lost; the complete "
            "transactions before it are applied one by one. Without this, the failover stops at such a trail.",
        ),
        **plan_params(),
    }


def deployment_param(description: str = "Name of the topology. May stay empty when there is only one.") -> Param:
    """The deployment; a topology file's name."""
    return text_param("Deployment", description, pattern=NAME)


def plan_params() -> dict[str, Param]:
    """The reason for a run, and the earlier plan that it continues."""
    return {
        "reason": text_param(
            "Reason or ticket", "Shown to everyone who finds the lock or the purge hold.", maxLength=500
        ),
        "plan": text_param(
            "Plan to continue",
            "Run id of the earlier run whose plan this run continues. Empty: a new plan.",
            pattern=_RUN_ID,
        ),
        "take_lock_from": text_param(
            "Plan to take the lock from",
            "The plan that holds the lock, as the message of take_lock names it. Only when its Airflow is lost and "
            "nothing of it runs any more. It may be the plan to continue.",
            pattern=_RUN_ID,
        ),
    }


def option_params() -> dict[str, Param]:
    """The guide's two options of a return to normal."""
    return {
        "option": Param(
            TARGET_TAKES_OVER,
            type="string",
            enum=[TARGET_TAKES_OVER, SOURCE_STAYS],
            title="Active site afterwards",
            description="target takes over (option 1 of the guide): the surviving site becomes the standby. "
            "source stays active (option 2): the new site becomes the standby.",
        ),
    }


def transfer_params() -> dict[str, Param]:
    """Parameters of procedures that copy the database while changes are captured."""
    return waiting_params() | server_params()


def server_params() -> dict[str, Param]:
    """Parameters of procedures that copy the database."""
    return {
        "server_during_transfer": Param(
            "running",
            type="string",
            enum=["running", "stopped"],
            title="Info Mart Server during the transfer",
            description="running: the server starts again after the export. "
            "stopped: no reporting data is loaded until the cutover; if the run ends earlier, it starts the server.",
        ),
    }


def waiting_params() -> dict[str, Param]:
    """Parameters of procedures that begin a capture."""
    return {
        "open_transaction_minutes": Param(
            240,
            type="integer",
            minimum=1,
            maximum=10080,
            title="Minutes to wait for old transactions",
            description="The run waits for transactions that began before the capture. It kills none.",
        ),
    }


def reaggregation_params() -> dict[str, Param]:
    """Parameters of procedures that re-aggregate."""
    return {
        "failure_time": text_param(
            "Time of the site failure (UTC)",
            "For example 2026-11-02T17:00Z. Re-aggregation starts 24 hours before it. Empty: the failure as the loss "
            "estimate knows it, or the planned stop.",
            pattern=FORM_PATTERN,
        ),
        "reaggregate_from": text_param(
            "Re-aggregate from (UTC)",
            "Begin of the interval. Empty: 24 hours before the failure or the planned stop.",
            pattern=FORM_PATTERN,
        ),
        "reaggregate_to": text_param(
            "Re-aggregate to (UTC)",
            "End of the interval. Empty: now.",
            pattern=FORM_PATTERN,
        ),
    }


def return_service_to_source() -> StepOperator:
    """The back-out of every procedure that stops the source's server."""
    return ReturnServiceToSource(task_id="return_service_to_source")


def return_standby() -> StepOperator:
    """The back-out of a failover."""
    return ReturnStandby(task_id="return_standby")


@contextmanager
def procedure(
    *,
    sites: Sequence[SiteRole] = BOTH_ROLES,
    only: Architecture | None = None,
    needs: Sequence[str] = (),
    back_out: Callable[[], StepOperator] = return_service_to_source,
) -> Iterator[Any]:
    """Run everything inside under the deployment's lock, with the back-out and the release as teardowns.

    Airflow judges a run by its last tasks, and ignores tasks before a teardown that may fail the run. So only
    release_lock may fail the run. The back-out stands between it and the steps, so that a failed step fails the run.
    The lock is not released before the service is back; so a failed back-out fails the run too.

    :param sites: roles that the procedure works at.
    :param only: the architecture that the procedure is for; None: both.
    :param needs: names of parameters, of which a run must give one.
    :param back_out: makes the teardown that restores the service at its site.
    """
    lock = TakeLock(task_id="take_lock", sites=sites, only=only, needs=needs)
    release = ReleaseLock(task_id="release_lock").as_teardown(setups=lock, on_failure_fail_dagrun=True)
    back = back_out().as_teardown(setups=lock)
    with release, back:
        back >> release
        yield lock
    # A group's own teardown changes things too, so it runs under the lock.
    for task in lock.dag.tasks:
        if task.is_teardown and task not in (release, back):
            task >> back


def hold_purging(*, first: bool = False) -> HoldPurging:
    """Place the hold before anything is copied.

    :param first: it follows the lock, a setup task, directly, and not a step that may be skipped.
    """
    rule = {} if first else AFTER_SKIPS
    return HoldPurging(task_id="hold_idb_purging", unless=facts.POINT_OF_NO_RETURN, **rule)


def release_purge_hold(role: SiteRole = "target") -> ReleasePurgeHold:
    """Release the hold when the site that serves at the end has passed it."""
    return ReleasePurgeHold(task_id="release_idb_purge_hold", role=role, **AFTER_SKIPS)
