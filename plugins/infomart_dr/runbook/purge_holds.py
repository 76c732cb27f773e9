"""Day to day: holds on IDB purging, by hand and by schedule."""

from __future__ import annotations

from airflow.sdk import Param, chain

from infomart_dr.operators import purge_holds
from infomart_dr.operators.base import AFTER_SKIPS
from infomart_dr.operators.deployments import ListDeployments
from infomart_dr.runbook.frame import NAME, deployment_param, text_param
from infomart_dr.sensors import purge_jobs
from infomart_dr.times import FORM_PATTERN


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
            "IDBs", "Name of an IDB or of a site. Empty: all IDBs of sites that are not lost.", pattern=NAME
        ),
        "hold": text_param(
            "Hold",
            "Id of the hold to extend or release; the action list shows it. It is the id of the run that placed the "
            "hold. For a plan's hold: the word plan, a blank, and the plan's id.",
            pattern=r"^((plan )?[A-Za-z0-9_.~:+\-]{1,250})?$",
        ),
        "begins_at": text_param(
            "Begin (UTC)", "For example 2026-11-02T17:00Z, for a planned window. Empty: now.", pattern=FORM_PATTERN
        ),
        "ends_at": text_param(
            "End (UTC)",
            "For example 2026-11-03T05:00Z. A hold ends at this time, or by the high-water mark below.",
            pattern=FORM_PATTERN,
        ),
        "until_site_passes": text_param(
            "Until this site has passed",
            "Site whose high-water mark of the IDB's data source must have passed the time below. The hold then ends.",
            pattern=NAME,
        ),
        "until_time": text_param(
            "... this time (UTC)",
            "Time up to which the IDB's data must be extracted, for example the end of a transfer.",
            pattern=FORM_PATTERN,
        ),
        "reason": text_param("Reason", "Shown to everyone who finds the hold.", maxLength=500),
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
