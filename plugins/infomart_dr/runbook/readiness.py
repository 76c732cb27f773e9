"""Readiness: every procedure that the roles allow, each checked by a task of its own."""

from __future__ import annotations

from airflow.sdk import Param, TriggerRule

from infomart_dr.readiness.steps import ALL_THAT_FIT, CheckReadiness, ListCases, ReportReadiness
from infomart_dr.runbook.frame import deployment_param, site_param

PROCEDURES = ["failover", "switchover", "return_to_normal", "setup_replication", "database_transfer"]


def params() -> dict[str, Param]:
    """Parameters of a readiness check; a scheduled run has the defaults."""
    return {
        "deployment": deployment_param("Name of the topology. Empty: all topologies."),
        "procedure": Param(
            ALL_THAT_FIT,
            type="string",
            enum=[ALL_THAT_FIT, *PROCEDURES],
            title="Procedure",
            description="Procedure to check. all that fit: every procedure that the site roles allow.",
        ),
        "source": site_param(
            "Source site", "The site that serves now; for a failover, the site that is lost. Empty: by the topology."
        ),
        "target": site_param("Target site", "The site that is filled or takes over. Empty: by the topology."),
    }


def look_at_everything() -> ReportReadiness:
    """List the cases, check each, report all; the report also runs when a check failed."""
    cases = ListCases(task_id="list_cases")
    checked = CheckReadiness.partial(
        task_id="check_readiness",
        doc_md=CheckReadiness.documentation(),
        map_index_template="{{ task.case['deployment'] }}: {{ task.case['procedure'] }}",
    ).expand(case=cases.output)
    return ReportReadiness(
        task_id="report_readiness", cases=cases.output, reports=checked.output, trigger_rule=TriggerRule.ALL_DONE
    )
