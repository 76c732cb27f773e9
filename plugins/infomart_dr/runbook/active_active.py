"""Return to Normal of an active-active deployment: a second Info Mart, a copy or an empty one, and its server."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, chain, task_group

from infomart_dr.operators import active_active, failover, schema_jobs, server, setup
from infomart_dr.operators.base import AFTER_SKIPS
from infomart_dr.plan import facts
from infomart_dr.runbook import database_transfer
from infomart_dr.sensors import extraction

#: Values of the parameter ``option``.
COPY, EMPTY = "copy of the database", "empty database"


def active_active_params() -> dict[str, Param]:
    """The two decisions that the guide asks for."""
    return {
        "option": Param(
            COPY,
            type="string",
            enum=[COPY, EMPTY],
            title="Info Mart of the returning site",
            description="copy of the database: filled from the surviving site. empty database: created with Genesys' "
            "scripts, then filled with the data that the IDBs still hold.",
        ),
        "report_source": Param(
            "source",
            type="string",
            enum=["source", "target"],
            title="Site of the reports",
            description="Site whose Info Mart GI2 or GCXI uses afterwards. All reports must come from the same one.",
        ),
    }


def check_prerequisites() -> setup.CheckPrerequisites:
    """Of the copy too, where the run asks for one. People deploy the second server meanwhile."""
    return database_transfer.check_prerequisites(copy_option=COPY)


def copy_database() -> list[Any]:
    """Export, transfer and import, in this order: a copy as of one SCN, taken while the ETL is quiet."""
    only: dict[str, Any] = {**database_transfer.BEFORE_CUTOVER, "option": COPY, **AFTER_SKIPS}
    return [
        database_transfer.export_database.override(default_args=only)(active_active.CaptureScnOfCopy),
        database_transfer.transfer_dump_set.override(default_args=only)(),
        database_transfer.import_database.override(default_args=only)(),
    ]


def create_info_mart() -> active_active.CreateInfoMart:
    """Instead of a copy."""
    return active_active.CreateInfoMart(
        task_id="create_info_mart", role="target", option=EMPTY, unless=facts.POINT_OF_NO_RETURN, **AFTER_SKIPS
    )


@task_group(default_args=AFTER_SKIPS, tooltip="One configuration, two servers, reports from one of them")
def start_second_server() -> None:
    """Configure, start and check the second server, and bring the reports into service at one site."""
    common: dict[str, Any] = {"role": "target"}
    chain(
        server.ServeAtSource(task_id="serve_at_source", role="source"),
        active_active.KeepConfigurationInStep(task_id="keep_configuration_in_step", **common),
        active_active.CompareConfiguration(
            task_id="compare_configuration", clear_from="start_second_server.keep_configuration_in_step", **common
        ),
        active_active.StartSecondServer(task_id="start_second_server", **common),
        schema_jobs.ReleaseSchemaJobs(task_id="release_schema_jobs", **common),
        extraction.ProveLoading(task_id="prove_loading", **common),
        server.CheckServerLog(task_id="check_server_log", **common),
        [
            active_active.BringChosenReports(task_id="bring_reports_into_service_at_source", role="source"),
            active_active.BringChosenReports(task_id="bring_reports_into_service_at_target", role="target"),
        ],
    )


def report_new_roles() -> failover.ReportNewRoles:
    """Report the roles that the topology file must have from now on."""
    return failover.ReportNewRoles(
        task_id="report_new_roles", roles={"source": "active", "target": "active"}, **AFTER_SKIPS
    )
