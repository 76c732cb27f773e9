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


def text_param(title: str, description: str, **schema: Any) -> Param:
    """A text that may stay empty; the form refuses an empty one unless null is a type too.

    :param schema: ``pattern``, ``maxLength`` or ``examples`` of JSON schema.
    """
    return Param(None, type=["null", "string"], title=title, description=description, **schema)


def site_param(title: str, description: str) -> Param:
    """A site by its name in the topology, or empty."""
    return text_param(title, description, pattern=NAME)


def common_params() -> dict[str, Param]:
    """Parameters of every procedure but the failover; each has a default, so that the form opens filled."""
    return {
        "deployment": deployment_param(),
        "source": site_param("Source site", "The site that serves; empty: the topology's active site."),
        "target": site_param(
            "Target site",
            "The site that is filled or takes over; empty: the only site with role new, else the only standby.",
        ),
        **plan_params(),
    }


def failover_params() -> dict[str, Param]:
    """Parameters of a failover."""
    return {
        "deployment": deployment_param(),
        "failed_site": site_param(
            "Failed site", "The site that is lost; empty: the topology's active site (not in active-active)."
        ),
        "survivor": site_param("Surviving site", "The site that takes over; empty: the topology's only standby."),
        "accept_missing_replicat": Param(
            False,
            type="boolean",
            title="Accept a survivor without a Replicat",
            description="Only when a person has proven by other means that the standby holds all that was replicated; "
            "a failover stops otherwise, since nobody can tell.",
        ),
        **plan_params(),
    }


def deployment_param(description: str = "Name of the topology; may stay empty when there is one only.") -> Param:
    """The deployment; a topology file's name."""
    return text_param("Deployment", description, pattern=NAME)


def plan_params() -> dict[str, Param]:
    """Why a plan runs, and how it goes on after another."""
    return {
        "reason": text_param("Reason or ticket", "Shown to whoever meets the lock or the purge hold.", maxLength=500),
        "plan": text_param(
            "Plan to go on with",
            "Run id of an earlier run whose plan this run continues; empty: a new plan.",
            pattern=_RUN_ID,
        ),
        "take_lock_from": text_param(
            "Plan to take the lock from",
            "Only after its Airflow was lost and nothing of it runs any more: the plan that holds the "
            "lock, as take_lock names it; it may be the plan to go on with.",
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
            description="target takes over: option 1 of the guide, the surviving site becomes the standby; "
            "source stays active: option 2, the new site becomes the standby.",
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
            description="running: started again after the export, kept in sync by replication; "
            "stopped: no reporting data is loaded until the cutover; a run that ends before it starts the server.",
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
            description="Transactions that began before the capture must end; nothing is killed.",
        ),
    }


def reaggregation_params() -> dict[str, Param]:
    """Parameters of procedures that re-aggregate."""
    return {
        "failure_time": text_param(
            "Time of the site failure (UTC)",
            "2026-11-02T17:00Z. Re-aggregation begins 24 hours before it; empty: 24 hours before now.",
            pattern=FORM_PATTERN,
        ),
        "reaggregate_from": text_param(
            "Re-aggregate from (UTC)",
            "An explicit begin instead of 24 hours before the failure.",
            pattern=FORM_PATTERN,
        ),
        "reaggregate_to": text_param(
            "Re-aggregate to (UTC)",
            "An explicit end instead of now.",
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
    back_out: Callable[[], StepOperator] = return_service_to_source,
) -> Iterator[Any]:
    """Everything inside runs under the deployment's lock; what the lock needs at the end is a teardown.

    Airflow judges a run by its last tasks, and a task before a teardown that may fail the run is none of them. So
    only release_lock may, the back-out stands between it and the steps, and a failed step fails the run.
    The lock is not released before the service is back, which makes a failed back-out a failed run too.

    :param sites: roles that the procedure works at.
    :param only: the architecture that the procedure is for; None: both.
    :param back_out: makes the teardown that puts the service back where it was.
    """
    lock = TakeLock(task_id="take_lock", sites=sites, only=only)
    release = ReleaseLock(task_id="release_lock").as_teardown(setups=lock, on_failure_fail_dagrun=True)
    back = back_out().as_teardown(setups=lock)
    with release, back:
        back >> release
        yield lock
    # A group's own teardown changes things too, and does so under the lock.
    for task in lock.dag.tasks:
        if task.is_teardown and task not in (release, back):
            task >> back


def hold_purging(*, first: bool = False) -> HoldPurging:
    """The hold is placed before anything is copied.

    :param first: it follows the lock, which is a setup task, and no step that may be skipped.
    """
    rule = {} if first else AFTER_SKIPS
    return HoldPurging(task_id="hold_idb_purging", unless=facts.POINT_OF_NO_RETURN, **rule)


def release_purge_hold(role: SiteRole = "target") -> ReleasePurgeHold:
    """The hold is let go when the site that serves at the end has passed it."""
    return ReleasePurgeHold(task_id="release_idb_purge_hold", role=role, **AFTER_SKIPS)
