"""Return to Normal 8 and 10 to 18: the target takes over, the source becomes its standby.

Of a return to normal these chapters are option 1; with the other option they are skipped.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import chain, task_group

from infomart_dr.operators import admission, checks, configuration, replication, schema_jobs, server, setup
from infomart_dr.operators.base import AFTER_SKIPS
from infomart_dr.plan import facts
from infomart_dr.plan.parameters import TARGET_TAKES_OVER
from infomart_dr.runbook import database_transfer, frame, opening
from infomart_dr.sensors import extraction, replicated

TAKES_OVER: dict[str, Any] = {"option": TARGET_TAKES_OVER, **AFTER_SKIPS}
#: After a failure before the point of no return the back-out has started the source's server: its stop is void.
FINAL_STOP_AGAIN: dict[str, Any] = {"clear_from": "final_stop_and_comparison.prove_target_follows"}
BEFORE_CUTOVER: dict[str, Any] = {**TAKES_OVER, **database_transfer.BEFORE_CUTOVER}


def check_prerequisites(task_id: str = "check_prerequisites", **kwargs: Any) -> setup.CheckPrerequisites:
    """The target must be ready to serve before anything stops."""
    return frame.check_prerequisites(task_id, copies=False, **BEFORE_CUTOVER, **kwargs)


def approve_cutover() -> server.CutoverGate:
    """The gate before the final stop. If rejected, the run fails and the service stays where it is."""
    return server.CutoverGate(
        task_id="approve_cutover",
        subject="Cut over to the target site?",
        body=(
            "After approval a change must reach the target within a minute. Then the Info Mart Server at the source is "
            "stopped, the databases are compared, and the target takes over. Calls continue. Reporting data is "
            "loaded again as soon as the target serves.\n\n"
            "On any failure before the task start_info_mart_server_at_target the service returns to the source."
        ),
        response_timeout=timedelta(days=3),
        **BEFORE_CUTOVER,
    )


@task_group(
    default_args={**BEFORE_CUTOVER, **FINAL_STOP_AGAIN},
    tooltip="Target proven to follow, writers stopped, position recorded and reached, databases proven equal",
)
def final_stop_and_comparison() -> None:
    """Stop the source, wait for the last transaction, compare."""
    chain(
        replicated.ProveTargetFollows(task_id="prove_target_follows"),
        database_transfer.hold_scheduler(),
        extraction.WaitForQuietEtl(task_id="wait_for_quiet_etl"),
        server.StopInfoMartServer(task_id="stop_info_mart_server"),
        server.CheckStopLeftNothing(task_id="check_nothing_is_untransformed"),
        schema_jobs.HoldSchemaJobs(task_id="hold_schema_jobs"),
        server.NoteFinalStop(task_id="note_final_stop"),
        replicated.WaitForFinalCatchUp(task_id="wait_for_final_catch_up", direction="to_target", moment="final"),
        checks.ProveSequences(task_id="prove_sequences", role="target"),
        checks.ProveParity(task_id="prove_parity", role="target"),
        checks.CompareTables(task_id="compare_tables", role="target"),
    )


@task_group(
    default_args={**BEFORE_CUTOVER, **FINAL_STOP_AGAIN},
    tooltip="Replication to the target stopped; Extract and pump at the target, Replicat at the source",
)
def switch_direction() -> None:
    """Replication to the source runs before the target's first write."""
    chain(
        replication.StopReplicationToTarget(task_id="stop_replication_to_target"),
        replication.EnableSupplementalLogging(task_id="enable_supplemental_logging", role="target"),
        replication.StartManagers(task_id="start_managers", replicats=("source",)),
        replication.AddExtract(task_id="add_extract", direction="to_source", role="target"),
        replication.StartCapture(task_id="start_extract_and_pump", direction="to_source", role="target"),
        replicated.WaitForOlderTransactions(
            task_id="wait_for_older_transactions", direction="to_source", role="target"
        ),
        replication.NoteToSourceScn(task_id="note_to_source_scn", direction="to_source", role="target"),
        replication.AddReplicat(task_id="add_replicat", direction="to_source", role="source"),
        replication.StartReplicatAfterCsn(task_id="start_replicat_after_csn", direction="to_source"),
    )


@task_group(default_args=TAKES_OVER, tooltip="The point of no return: the target serves")
def start_at_target() -> None:
    """Configure, prove the source stopped, start, migrate, make partitions; prove that calls load and replicate."""
    chain(
        configuration.ConfigureApplication(
            task_id="configure_application", role="target", unless=facts.POINT_OF_NO_RETURN, **FINAL_STOP_AGAIN
        ),
        server.ProveSourceStopped(task_id="prove_source_stopped", **FINAL_STOP_AGAIN),
        admission.SetAdmission(task_id="refuse_lost_sites", role="target", lost=True, **FINAL_STOP_AGAIN),
        server.StartAtTarget(task_id="start_info_mart_server_at_target", role="target", **FINAL_STOP_AGAIN),
        *opening.migrate_and_maintain(),
        extraction.ProveLoading(task_id="prove_loading", role="target"),
        server.CheckServerLog(task_id="check_server_log", role="target"),
        replicated.WaitForCatchUp(
            task_id="prove_replication_to_source", direction="to_source", moment="to-source", role="target"
        ),
        replication.CheckGoldenGateLog(task_id="check_goldengate_log", direction="to_source", role="target"),
        replication.RemoveReplicationToTarget(task_id="remove_replication_to_target"),
        admission.SetAdmission(task_id="admit_all_at_source", lost=False),
        # Behind the service and its replication: a job that cannot be enabled must not hold them.
        schema_jobs.ReleaseSchemaJobs(task_id="release_schema_jobs", role="target"),
    )
