"""Day to day: holds on IDB purging, by hand and by schedule."""

from __future__ import annotations

from airflow.sdk import Param, chain

from infomart_dr.operators import purge_holds
from infomart_dr.operators.base import AFTER_SKIPS
from infomart_dr.operators.deployments import ListDeployments
from infomart_dr.runbook.frame import NAME, SELDOM, deployment_param, site_param, text_param, time_param
from infomart_dr.sensors import purge_jobs
from infomart_dr.topology.offered import offered

#: Heading of the fields for an end by a high-water mark.
MARK = "End by a high-water mark, instead of a time"


def hold_params() -> dict[str, Param]:
    """Parameters of infomart_purge_hold."""
    return {
        "deployment": deployment_param(),
        "action": Param(
            purge_holds.LIST,
            type="string",
            enum=[purge_holds.PLACE, purge_holds.EXTEND, purge_holds.RELEASE, purge_holds.LIST],
            title="Action",
            description="Place a new hold, extend or release one, or list them. The id of a new hold is the run's id.",
        ),
        "which": text_param(
            "IDBs",
            f"Name of an IDB or of a site. Empty: all IDBs of sites that are not lost.{offered().shown}",
            pattern=NAME,
        ),
        "hold": text_param(
            "Hold",
            "Extend and release: required. Place and list: leave it empty. The id of the hold, as the action list "
            "shows it: the id of the run that placed it. For a plan's hold: the word plan, a blank, and the plan's id.",
            pattern=r"^((plan )?[A-Za-z0-9_.~:+\-]{1,250})?$",
        ),
        "ends_at": time_param(
            "End",
            "Place and extend: required, or the two fields of the high-water mark. Release and list: leave it empty. "
            "For example 2026-11-03T05:00:00Z.",
        ),
        "begins_at": time_param(
            "Begin", "Place only, for a planned window. For example 2026-11-02T17:00:00Z. Empty: now.", section=SELDOM
        ),
        "until_site_passes": site_param(
            "Until this site has passed",
            "Place and extend, instead of an end; both fields or none. Site whose high-water mark of the IDB's data "
            "source must have passed the time below.",
            section=MARK,
        ),
        "until_time": time_param(
            "... this time",
            "Time up to which the IDB's data must be extracted, for example the end of a transfer.",
            section=MARK,
        ),
        "reason": text_param(
            "Reason", "Place: required, or the ticket. Shown to everyone who finds the hold.", maxLength=500
        ),
        "ticket": text_param("Ticket", "Number of the change or incident.", pattern=r"^[A-Za-z0-9_.:#/\-]{0,100}$"),
    }


def change_and_show() -> None:
    """Check the request, change the holds, make the jobs match them, show the result."""
    chain(
        purge_holds.CheckRequest(task_id="check_request"),
        purge_holds.ChangeHolds(task_id="change_holds"),
        purge_jobs.MatchJobs(task_id="match_jobs", **AFTER_SKIPS),
        purge_holds.ListHolds(task_id="list_holds", **AFTER_SKIPS),
    )


def enforce_everywhere() -> None:
    """Each deployment by itself: trouble in one does not hold up the others."""
    names = ListDeployments(task_id="list_deployments")
    purge_holds.EnforceHolds.partial(
        task_id="enforce_holds",
        doc_md=purge_holds.EnforceHolds.page(),
        map_index_template="{{ task.deployment }}",
    ).expand(deployment=names.output)
