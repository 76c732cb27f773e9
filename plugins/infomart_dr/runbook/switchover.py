"""A planned switchover of the active-standby pair: nothing is lost, and replication is reversed."""

from __future__ import annotations

from airflow.sdk import chain, task_group

from infomart_dr.operators import failover, replication
from infomart_dr.operators.base import AFTER_SKIPS
from infomart_dr.runbook import database_transfer
from infomart_dr.runbook.database_transfer import BEFORE_CUTOVER
from infomart_dr.sensors import replicated
from infomart_dr.topology import Role, SiteRole


@task_group(
    default_args=BEFORE_CUTOVER,
    tooltip="The target follows the source; groups and trails left from the other direction are removed",
)
def check_replication() -> None:
    """The direction in use stays untouched; groups and trails of the other one are moved aside."""
    chain(
        replication.CheckReplicationRuns(task_id="check_replication_runs", direction="to_target"),
        database_transfer.approve_changed_files(keep="to_target"),
        replication.PrepareGoldenGateSchema(task_id="prepare_goldengate_schema", **AFTER_SKIPS),
        replication.RemoveOldReplication(task_id="remove_old_replication", keep="to_target"),
        replication.RenderParameterFiles(task_id="render_parameter_files", keep="to_target"),
        # The service still runs here: a manager that would start the source's Replicat is found before the stop.
        replication.StartManagers(task_id="start_managers", replicats=("source",)),
        replicated.WaitForCatchUp(task_id="wait_for_catch_up", direction="to_target", moment="catch-up"),
    )


def report_new_roles(option: str = "") -> failover.ReportNewRoles:
    """Report the roles that the topology file must have from now on."""
    roles: dict[SiteRole, Role] = {"source": "standby", "target": "active"}
    return failover.ReportNewRoles(task_id="report_new_roles", roles=roles, option=option, **AFTER_SKIPS)
