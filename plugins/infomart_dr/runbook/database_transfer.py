"""Setting Up Replication, "copy the Info Mart database"; Return to Normal 1 and 2."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import chain, task_group

from infomart_dr.operators import configuration, dump_set, replication, schema_jobs, server, setup
from infomart_dr.operators.base import AFTER_SKIPS
from infomart_dr.plan import facts
from infomart_dr.plan.direction import Direction
from infomart_dr.runbook import frame
from infomart_dr.sensors import extraction, replicated

#: After a failure before the export's end the server was started again meanwhile.
EXPORT_AGAIN: dict[str, Any] = {"clear_from": "export_database.hold_scheduler"}
#: These steps are never repeated in a plan whose target serves.
BEFORE_CUTOVER = {"unless": facts.POINT_OF_NO_RETURN}


def check_prerequisites(**kwargs: Any) -> setup.CheckPrerequisites:
    """The target's server and objects are deployed meanwhile, so they are checked before the cutover."""
    return frame.check_prerequisites(standby=False, unless=facts.EXPORTED, **kwargs)


def approve_changed_files(keep: Direction | None = None) -> setup.ApproveParameterFiles:
    """The gate before files that a person has written or changed are replaced; skipped where there are none.

    :param keep: direction whose groups are in use.
    """
    return setup.ApproveParameterFiles(
        task_id="approve_changed_files",
        changed_only=True,
        keep=keep,
        subject="Replace these parameter files, which a person has written or changed?",
        body="The present files are kept beside the new ones as *name*.before-*plan*. Lines that are still needed "
        "belong into goldengate.extra_parameters of the topology.",
        response_timeout=timedelta(days=3),
    )


def hold_scheduler(**kwargs: Any) -> configuration.SetScheduler:
    """No new ETL job starts; from here on the back-out is responsible for the service."""
    return configuration.SetScheduler(
        task_id="hold_scheduler",
        on=False,
        fact=facts.SERVER_TOUCHED,
        guide="Database Transfer 1: stop the Info Mart Server (guide:853)",
        **kwargs,
    )


@task_group(
    default_args=BEFORE_CUTOVER, tooltip="Extract and pump run before any SCN is taken, and nothing older is open"
)
def capture_at_source() -> None:
    """Capture at the source: from here on every change of the source site is kept."""
    chain(
        approve_changed_files(),
        replication.PrepareGoldenGateSchema(task_id="prepare_goldengate_schema", **AFTER_SKIPS),
        replication.RemoveOldReplication(task_id="remove_old_replication"),
        replication.RecreateCheckpointTable(task_id="recreate_checkpoint_table"),
        replication.RenderParameterFiles(task_id="render_parameter_files"),
        replication.EnableSupplementalLogging(task_id="enable_supplemental_logging"),
        replication.StartManagers(task_id="start_managers"),
        replication.AddExtract(task_id="add_extract", direction="to_target"),
        replication.StartCapture(task_id="start_extract_and_pump", direction="to_target"),
        replication.FlushSequences(task_id="flush_sequences", direction="to_target"),
        replicated.WaitForOlderTransactions(task_id="wait_for_older_transactions", direction="to_target"),
    )


@task_group(
    default_args=BEFORE_CUTOVER, tooltip="One SCN while the ETL is quiet; the server serves again after the export"
)
def export_database(capture_scn: type[dump_set.CaptureScn] = dump_set.CaptureScn) -> None:
    """Stop the server, take the SCN, export, start the server again.

    :param capture_scn: how the SCN is taken.
    """
    chain(
        dump_set.CheckExportSpace(task_id="check_export_space", unless=facts.EXPORTED),
        hold_scheduler(unless=facts.EXPORTED),
        extraction.WaitForQuietEtl(task_id="wait_for_quiet_etl", unless=facts.EXPORTED, **EXPORT_AGAIN),
        server.StopInfoMartServer(task_id="stop_info_mart_server", unless=facts.EXPORTED, **EXPORT_AGAIN),
        server.CheckStopLeftNothing(task_id="check_nothing_is_untransformed", unless=facts.EXPORTED, **EXPORT_AGAIN),
        capture_scn(task_id="capture_scn", **EXPORT_AGAIN),
        dump_set.RunExpdp(task_id="run_expdp"),
        configuration.SetScheduler(
            task_id="release_scheduler", on=True, may_stay_off=True, guide="Database Transfer 5 (guide:885)"
        ),
        server.StartInfoMartServer(task_id="start_info_mart_server"),
        dump_set.WriteManifest(task_id="write_manifest"),
    )


@task_group(default_args=BEFORE_CUTOVER, tooltip="The dump set arrives whole, proven by SHA-256 on both sides")
def transfer_dump_set() -> None:
    """Transfer the dump set from database host to database host."""
    chain(
        dump_set.CheckFreeSpace(task_id="check_free_space", role="target"),
        dump_set.TransferDumpSet(task_id="transfer_files"),
        dump_set.VerifyDumpSet(task_id="verify_dump_set", role="target", clear_from="transfer_dump_set.transfer_files"),
    )


@task_group(
    default_args={**BEFORE_CUTOVER, **AFTER_SKIPS},
    tooltip="Sequences and old code dropped, dump set imported, log and dictionary checked",
)
def import_database() -> None:
    """Import at the target and prove that nothing is missing."""
    chain(
        schema_jobs.HoldSchemaJobs(task_id="hold_schema_jobs", role="target"),
        dump_set.DropSequences(task_id="drop_sequences", role="target"),
        dump_set.DropOldCode(task_id="drop_old_code", role="target"),
        dump_set.RunImpdp(task_id="run_impdp", role="target"),
        dump_set.CheckImportLog(task_id="check_import_log", role="target", clear_from="import_database.drop_sequences"),
        dump_set.ApproveImport(
            task_id="approve_import",
            subject="Accept the import without the missing objects?",
            body="The import has ended, and every row is there. Other objects are missing.",
            response_timeout=timedelta(days=3),
        ),
        dump_set.RecreateMissingIndexes(task_id="recreate_missing_indexes", role="target"),
        dump_set.CheckIndexes(
            task_id="check_indexes", role="target", clear_from="import_database.recreate_missing_indexes"
        ),
        dump_set.CheckObjects(task_id="check_objects", role="target"),
    )
