"""Around every procedure: its parameters, the lock, the purge hold and the back-out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from airflow.sdk import Param

from infomart_dr.operators.base import AFTER_SKIPS, StepOperator
from infomart_dr.operators.failover import ReturnStandby
from infomart_dr.operators.plan import ReleaseLock, TakeLock
from infomart_dr.operators.server import ReturnServiceToSource
from infomart_dr.operators.setup import CheckPrerequisites
from infomart_dr.plan import facts
from infomart_dr.plan.parameters import SOURCE_STAYS, TARGET_TAKES_OVER
from infomart_dr.sensors.plan_hold import HoldPurging, ReleasePurgeHold
from infomart_dr.topology import BOTH_ROLES, Architecture, SiteRole
from infomart_dr.topology.offered import offered

#: Pattern of what may be meant as a name in the topology, or nothing. The first task refuses a name that does not
#: exist, in words.
NAME = r"^[A-Za-z0-9 _.\-]{0,40}$"
#: Heading under which a form folds what is seldom needed.
SELDOM = "Seldom needed"
_RUN_ID = r"^[A-Za-z0-9_.~:+\-]{0,250}$"
_SOME_RUN_ID = r"^[A-Za-z0-9_.~:+\-]{1,250}$"
#: Runs of one procedure side by side: the lock of each deployment decides, so a run of another one never waits in
#: Airflow's queue.
RUNS_SIDE_BY_SIDE = 200


def text_param(title: str, description: str, **schema: Any) -> Param:
    """A text that may stay empty: the form accepts an empty field only if null is a type too.

    :param schema: ``pattern``, ``maxLength`` or ``examples`` of JSON schema.
    """
    return Param(None, type=["null", "string"], title=title, description=description, **schema)


def time_param(title: str, description: str, **schema: Any) -> Param:
    """A time, or empty: the form has a calendar."""
    return text_param(f"{title} (UTC)", description, format="date-time", **schema)


def site_param(title: str, description: str, **schema: Any) -> Param:
    """A site by its name in the topology, or empty; the form offers the sites that there are."""
    names = offered()
    if names.sites:
        schema["examples"] = names.sites
    return text_param(title, f"{description}{names.shown}", pattern=NAME, **schema)


def source_param() -> Param:
    """The site that serves now."""
    return site_param("Source site", "The site that serves now. Empty: the topology's active site.")


def common_params(*, continues: bool = False) -> dict[str, Param]:
    """Parameters of every procedure except the failover; each has a default, so that the form opens filled.

    :param continues: the procedure continues the plan of an earlier run, which is required.
    """
    return {
        "deployment": deployment_param(),
        **(plan_param(required=True) if continues else {}),
        "source": source_param(),
        "target": site_param(
            "Target site",
            "The site that is filled or takes over. Empty: the only site with role new, else the only standby.",
        ),
        **({"reason": reason_param(), "take_lock_from": lock_param()} if continues else plan_params()),
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
            section=SELDOM,
            title="Accept a survivor without a Replicat",
            description="Only when a person has proven by other means that the standby holds everything that was "
            "replicated. Without this, the failover stops at a missing Replicat: its position is unknown.",
        ),
        "accept_cut_trail": Param(
            False,
            type="boolean",
            section=SELDOM,
            title="Accept a trail that ends inside a record",
            description="Only when the lost site cannot send that record again. Its transaction is lost; the complete "
            "transactions before it are applied one by one. Without this, the failover stops at such a trail.",
        ),
        **plan_params(),
    }


def deployment_param(description: str = "Name of the topology. May stay empty when there is only one.") -> Param:
    """The deployment; a topology file's name."""
    names = offered().deployments
    more: dict[str, Any] = {"examples": names} if names else {}
    return text_param("Deployment", description, pattern=NAME, **more)


def plan_params() -> dict[str, Param]:
    """The reason for a run, and the earlier plan that it continues."""
    return {"reason": reason_param(), **plan_param(), "take_lock_from": lock_param()}


def reason_param() -> Param:
    """The reason for a run."""
    return text_param("Reason or ticket", "Shown to everyone who finds the lock or the purge hold.", maxLength=500)


def plan_param(*, required: bool = False) -> dict[str, Param]:
    """The earlier plan that a run continues."""
    words = "Run id of the earlier run whose plan this run continues."
    if required:
        param = Param(
            None,
            type="string",
            title="Plan to continue",
            description=f"{words} Required: the run of infomart_database_transfer.",
            pattern=_SOME_RUN_ID,
        )
        return {"plan": param}
    return {
        "plan": text_param("Plan to continue", f"{words} Empty: a new plan.", pattern=_RUN_ID, section=SELDOM),
    }


def lock_param() -> Param:
    """The plan that loses the lock."""
    return text_param(
        "Plan to take the lock from",
        "The plan that holds the lock, as the message of take_lock names it. Only when its Airflow is lost and "
        "nothing of it runs any more. It may be the plan to continue.",
        pattern=_RUN_ID,
        section=SELDOM,
    )


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
            section=SELDOM,
            title="Minutes to wait for old transactions",
            description="The run waits for transactions that began before the capture. It kills none.",
        ),
    }


def reaggregation_params(*, planned: bool = False, required: bool = False) -> dict[str, Param]:
    """Parameters of procedures that re-aggregate.

    :param planned: no site has failed; the stop of the server is known.
    :param required: the procedure knows neither; the run must say from when on.
    """
    known = "the planned stop of the server" if planned else "the failure as the loss estimate knows it"
    one = "Required, unless the begin below is given." if required else f"Empty: {known}."
    begin = "Required, unless the time of the failure is given." if required else "Empty: 24 hours before that time."
    seldom: dict[str, Any] = {} if required else {"section": SELDOM}
    return {
        "failure_time": time_param(
            "Time of the site failure",
            f"For example 2026-11-02T17:00:00Z. Re-aggregation starts 24 hours before it. {one}",
            **(seldom if planned else {}),
        ),
        "reaggregate_from": time_param("Re-aggregate from", f"Begin of the interval. {begin}", **seldom),
        "reaggregate_to": time_param("Re-aggregate to", "End of the interval. Empty: now.", section=SELDOM),
    }


def reaggregation_only_params() -> dict[str, Param]:
    """Parameters of a re-aggregation by itself, which works at one site."""
    return {
        "deployment": deployment_param(),
        **reaggregation_params(required=True),
        "source": source_param(),
        **plan_params(),
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


def check_prerequisites(task_id: str = "check_prerequisites", **kwargs: Any) -> CheckPrerequisites:
    """The first chapter: what is missing is found before anything changes or stops."""
    return CheckPrerequisites(task_id=task_id, **kwargs)


def hold_purging() -> HoldPurging:
    """Place the hold before anything is copied."""
    return HoldPurging(task_id="hold_idb_purging", unless=facts.POINT_OF_NO_RETURN, **AFTER_SKIPS)


def release_purge_hold(role: SiteRole = "target") -> ReleasePurgeHold:
    """Release the hold when the site that serves at the end has passed it."""
    return ReleasePurgeHold(task_id="release_idb_purge_hold", role=role, **AFTER_SKIPS)
