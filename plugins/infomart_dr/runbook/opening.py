"""A standby is opened: what a failover and every planned move do with a server that has been started, and its reports.

DR 7 to 9; Return to Normal 15 and 16. Definitions and partitions of the tables that are not replicated are as old as
the standby's copy (guide:994).
"""

from __future__ import annotations

from typing import Any

from infomart_dr.operators import configuration, etl_jobs
from infomart_dr.operators.base import AFTER_SKIPS, StepOperator
from infomart_dr.sensors import extraction


def migrate_and_maintain() -> list[StepOperator]:
    """No ETL job runs before the schema is of the server's release and partitions exist."""
    at: dict[str, Any] = {"role": "target"}
    return [
        extraction.CheckMigrationState(task_id="check_migration_state", **at),
        etl_jobs.RunMigrationJob(task_id="run_migration_job", **at),
        etl_jobs.RunMaintenanceJob(task_id="run_maintenance_job", **at),
        configuration.SetScheduler(task_id="set_scheduler", on=True, guide="DR 8c (guide:1049)", **at),
    ]


def bring_reports_into_service(**kwargs: Any) -> etl_jobs.BringReportsIntoService:
    """GI2 or GCXI at the site that serves. Nothing waits for it."""
    return etl_jobs.BringReportsIntoService(
        task_id="bring_reports_into_service", role="target", **AFTER_SKIPS, **kwargs
    )
