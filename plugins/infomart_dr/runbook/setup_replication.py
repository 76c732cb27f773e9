"""Setting Up Replication: replication from nothing; the second half of Return to Normal, option 2."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import chain, task_group

from infomart_dr.operators import admission, checks, failover, replication, server, setup
from infomart_dr.operators.base import AFTER_SKIPS
from infomart_dr.plan.parameters import SOURCE_STAYS
from infomart_dr.runbook import frame
from infomart_dr.sensors import extraction

FOLLOWS: dict[str, Any] = {"option": SOURCE_STAYS, **AFTER_SKIPS}


@task_group(tooltip="Prerequisites before any change, and the parameter files to be written")
def check_prerequisites() -> None:
    """Prerequisites, the parameter files as a diff, and the index of 8.1.0 and 8.1.1."""
    chain(
        frame.check_prerequisites(),
        setup.ApproveParameterFiles(
            task_id="approve_parameter_files",
            subject="Write these parameter files?",
            body="The present files are kept beside the new ones as *name*.before-*plan*.",
            response_timeout=timedelta(days=3),
            **AFTER_SKIPS,
        ),
        setup.CreateHwmIndex(task_id="create_hwm_index", **AFTER_SKIPS),
    )


def repeat_supplemental_logging() -> replication.EnableSupplementalLogging:
    """An upgrade before the start of replication may have added tables."""
    return replication.EnableSupplementalLogging(task_id="repeat_supplemental_logging", again=True)


@task_group(default_args=FOLLOWS, tooltip="The target follows: logs read, dictionary compared")
def prove_standby() -> None:
    """The source serves, the target is its standby."""
    chain(
        # A server that was stopped for the whole transfer serves again: the target follows it.
        server.ServeAtSource(task_id="serve_at_source"),
        extraction.ProveLoading(task_id="prove_loading"),
        replication.CheckReplicationRuns(task_id="check_replication_runs", direction="to_target"),
        replication.CheckGoldenGateLog(task_id="check_goldengate_log", direction="to_target"),
        checks.ProveParity(task_id="prove_parity", role="target"),
        # The target may be a site that was lost, and that this source still refuses.
        admission.SetAdmission(task_id="refuse_lost_sites", lost=True, architecture="active-standby"),
        failover.ReportNewRoles(task_id="report_new_roles", roles={"source": "active", "target": "standby"}),
    )
