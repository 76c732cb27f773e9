"""Return to Normal 9 to 12: the new site follows the surviving one."""

from __future__ import annotations

from airflow.sdk import chain, task_group

from infomart_dr.operators import replication
from infomart_dr.runbook.database_transfer import BEFORE_CUTOVER
from infomart_dr.sensors import replicated


@task_group(
    default_args=BEFORE_CUTOVER, tooltip="Replicat at the target after the manifest's SCN, until it has caught up"
)
def synchronise() -> None:
    """Apply at the target what happened at the source since the SCN."""
    chain(
        replication.AddReplicat(task_id="add_replicat", direction="to_target"),
        replication.StartReplicatAfterCsn(task_id="start_replicat_after_csn", direction="to_target"),
        replicated.WaitForCatchUp(
            task_id="wait_for_catch_up", direction="to_target", moment="catch-up", added_by="add_replicat"
        ),
    )
