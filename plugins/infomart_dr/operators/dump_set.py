"""The dump set: SCN, export, manifest, transfer, import, and the proof that nothing is missing."""

from __future__ import annotations

import posixpath
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from infomart_dr.errors import GuardError, PermanentError, TransientError
from infomart_dr.evidence import manifest as evidence
from infomart_dr.guards.dictionary import (
    code_of,
    dictionary_differences,
    dictionary_of,
    invalid_objects,
    notes,
    recompile,
    unusable_indexes,
)
from infomart_dr.guards.dump_set import (
    directory_path,
    export_room,
    export_undo,
    exported_dictionary,
    import_room,
    manifest_path,
    measured_runs,
    missing_indexes,
    old_code,
    proven_manifest,
    schema_bytes,
)
from infomart_dr.guards.fitness import export_version
from infomart_dr.guards.prerequisites import container_faults
from infomart_dr.guards.replication import no_older_transactions
from infomart_dr.guards.server import server_runs
from infomart_dr.guards.surroundings import missing_around
from infomart_dr.hooks import goldengate_parameters as parameters
from infomart_dr.hooks.data_pump import (
    LogReport,
    classify_log,
    export_job,
    export_parameters,
    import_job,
    import_parameters,
    index_parameters,
    job_name,
    next_step,
)
from infomart_dr.hooks.job_log import whole_log
from infomart_dr.operators.base import CheckOperator, StepOperator
from infomart_dr.operators.human import Gate
from infomart_dr.operators.jobs import ALARM_AT, JobOperator, ended_event, failed
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation, Step
from infomart_dr.statements import drop_object
from infomart_dr.text import fenced, size_text, sorted_names
from infomart_dr.times import span
from infomart_dr.topology import BOTH_ROLES

if TYPE_CHECKING:
    from infomart_dr.evidence.estimate import Phase
    from infomart_dr.triggers.remote_job import RemoteJobTrigger

#: Characters of all errors that the gate of the import shows.
_SHOWN = 20_000

# -- before the SCN --------------------------------------------------------------------------------


class CheckExportSpace(CheckOperator):
    """Check, before the server is stopped, that the export has enough disk space and undo."""

    guide = "not in the guide: ORA-39171 suspends the export, ORA-01555 ends it"
    changes = "a row in the plan's ledger: the schema's size, from which later runs estimate their times"

    def observe(self, step: Step) -> Observation:
        room, size = export_room(step, self.role), schema_bytes(step, self.role)
        undo = export_undo(step, self.role, size, measured_runs(step))
        what = (
            f"{step.schema} has {size_text(size)}, its dump set up to {size_text(room.needed)}; {room.folder} has "
            f"{size_text(room.free)} free; {undo.time_text()}; {undo.room_text()}"
        )
        details = {"schema_bytes": size, "free_bytes": room.free, "undo_retention": undo.retention}
        if not room.fits:
            return Observation(False, f"{what}: the dump set may not fit", details)
        if undo.too_short:
            return Observation(False, f"{what}: the export ends with ORA-01555", details)
        if not (undo.covers and undo.fits):
            what += ": a long export may end with ORA-01555"
        return Observation(True, what, details)

    def finish(self, step: Step, seen: Observation) -> None:
        step.ledger.put_once(facts.SCHEMA_BYTES, seen.details["schema_bytes"])

    def next_step(self) -> str:
        return (
            "Free disk space, or point the directory to another file system. If undo is too short, raise "
            "undo_retention, with an undo tablespace large enough for it. Then clear this task."
        )


class CaptureScn(StepOperator):
    """Record the one SCN of the plan: FLASHBACK_SCN of the export, SCN of the manifest, AFTERCSN of the Replicat."""

    guide = "Retrieve the current SCN (guide:857)"
    changes = "a row in the plan's ledger"
    undo = "a new plan takes a new SCN"

    def observe(self, step: Step) -> Observation:
        scn = step.ledger.get(facts.SCN)
        if scn is None:
            return Observation(False, "no SCN is recorded yet")
        return Observation(True, f"SCN {scn}", {"scn": int(scn)})

    def act(self, step: Step, seen: Observation) -> None:
        captured = step.ledger.require(facts.CAPTURE_SCN.of("to_target"))
        older = no_older_transactions(step, "to_target")
        if not older.satisfied:
            raise GuardError(older.summary, "Clear wait_for_older_transactions with Downstream.")
        if signs := server_runs(step, "source"):
            raise GuardError(f"The Info Mart Server runs: {', '.join(signs)}.", "Clear hold_scheduler with Downstream.")
        scn = int(step.at("source").dba.value("current_scn"))
        if scn < captured:
            raise GuardError(
                f"SCN {scn} is older than the capture's SCN {captured}.",
                "Find out whether the database was restored. If it was, start a new plan.",
            )
        step.ledger.put_once(facts.SCN, scn)


# -- Data Pump -------------------------------------------------------------------------------------


class DataPumpOperator(JobOperator):
    """A Data Pump job, identified by name: attach to it and resume it; never start it twice."""

    program: ClassVar[Literal["expdp", "impdp"]]
    operation: ClassVar[Literal["export", "import"]]

    @property
    def phase(self) -> Phase:  # type: ignore[override]
        return self.operation

    def job_name(self, step: Step) -> str:
        """Name in DBA_DATAPUMP_JOBS; depends only on the plan."""
        raise NotImplementedError

    def parameters(self, step: Step) -> str:
        """Text of the parameter file."""
        raise NotImplementedError

    def prepare(self, step: Step) -> None:
        """Check what is needed before the job's first start."""

    def running_job(self, step: Step) -> str:
        """Name of the job whose client this step waits for."""
        return self.job_name(step)

    def trigger(self, step: Step) -> tuple[type[RemoteJobTrigger], dict[str, Any]]:
        from infomart_dr.triggers.data_pump import DataPumpTrigger

        return DataPumpTrigger, {
            "step": step.arguments(),
            "role": self.role,
            "data_pump_job": self.running_job(step),
            "space_wait": step.topology.timeouts.space_wait,
        }

    def report(self, step: Step) -> LogReport | None:
        """The job's log in the directory, classified; None when there is none."""
        host = step.at(self.role).host()
        path = f"{directory_path(step, self.role)}/{self.job_name(step)}.log"
        if not host.exists(path):
            return None
        text = host.read_file(path, limit=64 * 1024 * 1024)
        report = classify_log(text, self.operation)
        if report.outcome in ("unclear", "unfinished") and (latest := self.latest(step)) is not None:
            # Words that are unknown here: the client knows how the job ended.
            report = classify_log(text, self.operation, latest[1].exit_code)
        return report

    def put_log_aside(self, step: Step) -> None:
        """Rename the log of an earlier try: a try that ends before its job starts writes none."""
        host = step.at(self.role).host()
        path = f"{directory_path(step, self.role)}/{self.job_name(step)}.log"
        if host.exists(path):
            host.run(["mv", "-f", "--", path, f"{path}.{len(self.attempts(step))}"])

    def acceptable(self, report: LogReport) -> bool:
        """A finished job with this log counts as done."""
        return report.outcome in ("success", "completed_with_errors")

    def observe(self, step: Step) -> Observation:
        name = self.job_name(step)
        job = step.at(self.role).data_pump.job(name)
        report = self.report(step)
        if job is not None:
            return Observation(False, f"job {name} is {job.state}", {"runs": True})
        if report is None:
            return Observation(False, f"job {name} has not run")
        details = {
            "job": name,
            "rows": report.total_rows,
            "errors": len(report.errors),
            "outcome": report.outcome,
            "seconds": report.elapsed,
        }
        what = (
            f"job {name}: {report.outcome.replace('_', ' ')}, {report.total_rows} rows, {len(report.errors)} error(s)"
        )
        return Observation(self.acceptable(report), what, details)

    def act(self, step: Step, seen: Observation) -> Observation | None:
        data_pump, name = step.at(self.role).data_pump, self.job_name(step)
        job, latest = data_pump.job(name), self.latest(step)
        if latest is not None and latest[1].active:
            self.wait(step, latest[0])
            return None
        if job is None and latest is not None and seen.details.get("runs"):
            self.log.info("act: job %s has ended since the observation; its result decides", name)
            return self.take(step, ended_event(*latest))
        attempt = self.new_attempt(step)
        if job is not None:
            self.log.info("act: attach to job %s, which is %s", name, job.state)
            attempt.submit(
                data_pump.attach_command(self.program, name),
                stdin=data_pump.continue_input(start=job.startable),
                environment=data_pump.environment,
            )
        else:
            if wrong := list(container_faults(step, self.role)):
                raise GuardError(
                    f"{'; '.join(wrong)}. Data Pump would work in another container.",
                    "Correct the topology or the connection, then clear this task.",
                )
            self.prepare(step)
            self.put_log_aside(step)
            parameters = step.at(self.role).host().work_path(step.plan_folder, f"{name}.par")
            step.at(self.role).host().write_file(parameters, self.parameters(step))
            self.log.info("act: start job %s", name)
            attempt.submit(
                data_pump.command(self.program, parameters),
                stdin=data_pump.password_input(),
                environment=data_pump.environment,
            )
        self.wait(step, attempt)
        return None

    def collect(self, step: Step, event: dict[str, Any]) -> None:
        name = self.job_name(step)
        job = step.at(self.role).data_pump.job(name)
        if job is not None:
            raise TransientError(
                f"The client of job {name} has ended ({event['state']}, exit code {event.get('exit_code')}) "
                f"but the job is {job.state}.",
                f"The retry attaches to the job. If that keeps failing, run {self.program} "
                f"ATTACH={job.owner}.{name} and KILL_JOB, then clear this task.",
            )
        report = self.report(step)
        if report is None or report.outcome == "unfinished":
            # The host restarted, or the client was killed: the next client may succeed.
            code = self.ended(event)
            raise failed(
                f"Job {name} did not run: {self.program} ended with {code}.",
                self.printed(step, event),
                "Correct the cause that the output names, then clear this task.",
            )
        if not self.acceptable(report):
            errors = "\n".join(f"{error.severity}: {error.text}" for error in report.errors[:10])
            raise GuardError(f"Job {name}: {report.outcome.replace('_', ' ')}.\n{errors}", next_step(report))


class RunExpdp(DataPumpOperator):
    """Export the Info Mart's schema as of the SCN."""

    guide = "Database Transfer 3, 4 (guide:869-883); Return to Normal 2 (guide:1091)"
    changes = "dump files and a log in the source site's Data Pump directory"
    undo = "remove the files; KILL_JOB while it runs"
    job = "expdp"
    program = "expdp"
    operation = "export"

    def job_name(self, step: Step) -> str:
        return export_job(step.plan_id)

    def parameters(self, step: Step) -> str:
        return export_parameters(
            step.topology,
            step.at("source").settings,
            step.ledger.require(facts.SCN),
            self.job_name(step),
            version_of_target=export_version(step),
        )

    def trigger(self, step: Step) -> tuple[type[RemoteJobTrigger], dict[str, Any]]:
        kind, own = super().trigger(step)
        name, prefix = self.job_name(step), step.at("source").settings.database.data_pump.file_prefix
        return kind, {**own, "files": [f"{name}.log", f"{prefix}_{name}_*.dmp"]}

    def prepare(self, step: Step) -> None:
        step.ledger.put_once(facts.EXPORT_STARTED, int(time.time()))

    def finish(self, step: Step, seen: Observation) -> None:
        # Before the server starts again: objects made later are not in the dump set.
        exported_dictionary(step)
        ended = step.ledger.put_once(facts.EXPORT_ENDED, int(time.time()))
        if len(self.attempts(step)) == 1:
            # The time of an interrupted export is no basis for an estimate. Before 12c the log has no time.
            seconds = seen.details["seconds"]
            measured = ended - (step.ledger.get(facts.EXPORT_STARTED) or ended) if seconds is None else seconds
            # Whole seconds, at least 1: nothing can be estimated from 0.
            step.ledger.put_once(facts.EXPORT_SECONDS, max(measured, 1))
        step.ledger.put_once(facts.EXPORTED, self.job_name(step))

    def acceptable(self, report: LogReport) -> bool:
        return report.outcome == "success" or (
            report.outcome == "completed_with_errors"
            and not report.not_found
            and all(error.severity in ("harmless", "review") for error in report.errors)
        )


# -- manifest --------------------------------------------------------------------------------------


class ChecksumOperator(JobOperator):
    """A step that makes the SHA-256 sums of the dump files at one site."""

    phase = "transfer"

    def names(self, step: Step) -> list[str]:
        """Files to sum."""
        raise NotImplementedError

    def sums(self, step: Step) -> dict[str, str] | None:
        """Sums of the newest attempt; None when it failed or lacks a file."""
        from infomart_dr.hooks.transfer import parse_checksums

        latest = self.latest(step)
        if latest is None or latest[1].state != "ended" or latest[1].exit_code != 0:
            return None
        sums = parse_checksums(whole_log(latest[0]))
        return sums if set(self.names(step)) <= set(sums) else None

    def act(self, step: Step, seen: Observation) -> None:
        from infomart_dr.hooks.transfer import checksum_script

        latest = self.latest(step)
        if latest is not None and latest[1].active:
            return self.wait(step, latest[0])
        if self.sums(step) is None:
            attempt = self.new_attempt(step)
            script, stdin = checksum_script(directory_path(step, self.role), self.names(step))
            attempt.submit(script, stdin=stdin)
            return self.wait(step, attempt)
        self.use(step)

    def collect(self, step: Step, event: dict[str, Any]) -> None:
        if self.ended(event) != 0:
            raise failed(
                f"The checksums at {step.at(self.role).name} failed.",
                self.printed(step, event),
                "Check that the files exist and are readable, then clear this task.",
            )
        self.use(step)

    def use(self, step: Step) -> None:
        """Use the sums."""
        raise NotImplementedError


class WriteManifest(ChecksumOperator):
    """Write the manifest: SCN, files, sizes, SHA-256, and the source's dictionary."""

    guide = "not in the guide: the proof that the dump set arrives unchanged"
    changes = "manifest.json in the plan's folder on the source's database host, its digest in the ledger"
    undo = "remove the file"
    job = "source-sums"

    def _export(self, step: Step) -> RunExpdp:
        return RunExpdp(task_id="export_of_the_manifest")

    def names(self, step: Step) -> list[str]:
        report = self._export(step).report(step)
        if report is None or not report.dump_files:
            raise GuardError("The export's log names no dump files.", "Clear run_expdp with Downstream.")
        return sorted(posixpath.basename(path.replace("\\", "/")) for path in report.dump_files)

    def observe(self, step: Step) -> Observation:
        if not step.ledger.has(facts.MANIFEST_DIGEST):
            return Observation(False, "there is no manifest yet")
        manifest = proven_manifest(step)
        rows = sum(manifest.dictionary.row_counts.values())
        return Observation(
            True,
            f"manifest: SCN {manifest.scn}, {len(manifest.files)} file(s), {size_text(manifest.total_bytes)}, "
            f"{rows} rows",
            {"scn": manifest.scn, "files": len(manifest.files), "bytes": manifest.total_bytes, "rows": rows},
        )

    def use(self, step: Step) -> None:
        sums = self.sums(step)
        report = self._export(step).report(step)
        assert sums is not None and report is not None
        folder = directory_path(step, "source")
        sizes = step.at("source").host().file_sizes(folder, self.names(step))
        identity = step.at("source").dba.select("database_identity")[0]
        source, release = step.at("source").settings, step.topology.info_mart.release
        name, digest = parameters.exclusion_list(release), parameters.exclusion_digest(release)
        started, ended = (
            datetime.fromtimestamp(step.ledger.require(fact), UTC)
            for fact in (facts.EXPORT_STARTED, facts.EXPORT_ENDED)
        )
        manifest = evidence.Manifest(
            deployment=step.topology.name,
            plan_id=step.plan_id,
            source_site=step.at("source").name,
            database_name=str(identity["name"]),
            dbid=int(identity["dbid"]),
            oracle_release=source.database.release,
            info_mart_release=release,
            info_mart_schema=step.schema,
            scn=step.ledger.require(facts.SCN),
            job_name=self._export(step).job_name(step),
            directory=source.database.data_pump.directory,
            files=[evidence.DumpFile(name=file, size=sizes[file], sha256=sums[file]) for file in self.names(step)],
            exclusions=evidence.ExclusionList(name=name, sha256=digest),
            export_started=started,
            export_ended=ended,
            dictionary=exported_dictionary(step).model_copy(update={"row_counts": report.rows}),
        )
        step.at("source").host().write_file(manifest_path(step), manifest.to_text())
        step.ledger.put_once(facts.MANIFEST_DIGEST, manifest.digest())


# -- transfer --------------------------------------------------------------------------------------


class CheckFreeSpace(CheckOperator):
    """Check that the dump set fits at the target."""

    guide = "Database Transfer 6 (guide:889)"

    def observe(self, step: Step) -> Observation:
        manifest = proven_manifest(step)
        room = import_room(step, manifest.total_bytes, [file.name for file in manifest.files])
        where = f"{room.folder} at {step.at('target').name}"
        what = f"{where} has {size_text(room.free)} free, {size_text(room.needed)} needed"
        return Observation(room.fits, what, {"free_bytes": room.free, "needed_bytes": room.needed})

    def next_step(self) -> str:
        return "Free disk space for the target's directory, then clear this task."


class TransferDumpSet(JobOperator):
    """Copy the dump set from database host to database host, several files at a time. A retry resumes the copy."""

    guide = "Database Transfer 6 (guide:889); Return to Normal 2 (guide:1091)"
    changes = "the dump files and the manifest at the target"
    undo = "remove the files"
    job = "transfer"
    phase = "transfer"

    def plan(self, step: Step) -> Any:
        from infomart_dr.hooks.transfer import TransferPlan

        manifest = proven_manifest(step)
        topology, target = step.topology, step.at("target").settings
        source_host = topology.host(step.at("source").settings.database.host)
        target_host = topology.host(target.database.host)
        reach = topology.reach(target.database.host, step.at("source").name)
        if reach is None and topology.transfer.method == "direct":
            raise GuardError(
                f"The topology does not say how {step.at('source').name} reaches {target.database.host}.",
                f"Add hosts.{target.database.host}.seen_from.{step.at('source').name}, "
                "or set transfer.method to relay.",
            )
        return TransferPlan(
            source_folder=directory_path(step, "source"),
            target_folder=directory_path(step, "target"),
            files=[(file.name, file.size) for file in manifest.files],
            target_user=target_host.user,
            target_address=reach.address if reach else target.database.host,
            target_port=reach.ssh_port if reach else 22,
            key=source_host.transfer_key,
            known_hosts=source_host.known_hosts,
            streams=topology.transfer.streams,
            bandwidth=topology.transfer.bandwidth,
            rsync=topology.transfer.rsync,
            repair=step.ledger.has(facts.TRANSFER_REPAIR),
        )

    def observe(self, step: Step) -> Observation:
        plan = self.plan(step)
        sizes = step.at("target").host().file_sizes(plan.target_folder, [name for name, _ in plan.files])
        there = [name for name, size in plan.files if sizes.get(name) == size]
        complete = len(there) == len(plan.files) and step.ledger.has(facts.TRANSFERRED)
        return Observation(
            complete and not plan.repair,
            f"{len(there)} of {len(plan.files)} file(s) are at {step.at('target').name}",
            {"files": len(plan.files), "bytes": plan.total},
        )

    def act(self, step: Step, seen: Observation) -> None:
        plan = self.plan(step)
        if step.topology.transfer.method == "relay":
            self._relay(step, plan)
            self._arrived(step)
            return
        from infomart_dr.hooks.transfer import direct_command

        progress = {
            "ssh_connection": step.at("target").host().ssh_connection,
            "folder": plan.target_folder,
            "files": [list(file) for file in plan.files],
        }
        latest = self.latest(step)
        if latest is not None and latest[1].active:
            return self.wait(step, latest[0], progress)
        script, stdin = direct_command(plan)
        attempt = self.new_attempt(step)
        attempt.submit(script, stdin=stdin)
        return self.wait(step, attempt, progress)

    def _relay(self, step: Step, plan: Any) -> None:
        from infomart_dr.hooks.transfer import progress_line, relay

        began = told = time.monotonic()
        limit, late = self.job_limit(step) or float("inf"), False

        def tell(sizes: dict[str, int]) -> None:
            nonlocal told, late
            if time.monotonic() - began > limit:
                raise GuardError(
                    f"{self.task_id}: the copy has not ended within {span(limit)}.",
                    f"Check network and disks. {self.later} Then clear this task: the copy resumes where it stopped.",
                )
            if not late and time.monotonic() - began > limit * ALARM_AT:
                late = True
                self.raise_alarm(step, self.alarm_of(step, {"state": "late"}))
            if time.monotonic() - told > 10:
                told = time.monotonic()
                self.log.info("%s", progress_line(sizes, dict(plan.files)))

        relay(step.at("source").host(), step.at("target").host(), plan, tell)

    def collect(self, step: Step, event: dict[str, Any]) -> None:
        from infomart_dr.hooks.transfer import failure

        code = self.ended(event)
        if code != 0:
            raise failure(code, self.printed(step, event))
        self._arrived(step)

    def _arrived(self, step: Step) -> None:
        manifest = proven_manifest(step)
        host = step.at("target").host()
        host.write_file(host.work_path(step.plan_folder, "manifest.json"), manifest.to_text())
        step.ledger.forget(facts.TRANSFER_REPAIR)
        step.ledger.put_once(facts.TRANSFERRED, manifest.digest())


class VerifyDumpSet(ChecksumOperator):
    """Prove each file at the target by its SHA-256."""

    guide = "not in the guide: a damaged dump file shows only in the middle of the import"
    changes = "a row in the plan's ledger"
    job = "target-sums"

    def names(self, step: Step) -> list[str]:
        return [file.name for file in proven_manifest(step).files]

    def observe(self, step: Step) -> Observation:
        manifest = proven_manifest(step)
        proven = step.ledger.get(facts.DUMP_SET_PROVEN)
        if proven == manifest.digest():
            return Observation(True, f"{len(manifest.files)} file(s) proven by SHA-256", {"files": len(manifest.files)})
        return Observation(False, f"{len(manifest.files)} file(s) are not proven yet")

    def use(self, step: Step) -> None:
        manifest = proven_manifest(step)
        sums = self.sums(step) or {}
        folder = directory_path(step, "target")
        sizes = step.at("target").host().file_sizes(folder, self.names(step))
        try:
            manifest.prove({name: (sizes.get(name, 0), sums.get(name, "")) for name in self.names(step)})
        except GuardError:
            # The next transfer compares contents, and the sums are taken again.
            step.ledger.put_once(facts.TRANSFER_REPAIR, True)
            step.ledger.forget(facts.TRANSFERRED)
            for attempt in self.attempts(step):
                attempt.forget()
            raise
        step.ledger.put_once(facts.DUMP_SET_PROVEN, manifest.digest())

    def next_step(self) -> str:
        return "Clear transfer_files with Downstream: the transfer then compares contents."


# -- import ----------------------------------------------------------------------------------------


def require_proven(step: Step, untouched: str) -> None:
    """Stop before anything is dropped at a target without a proven dump set.

    :param untouched: what was not done.
    """
    manifest = proven_manifest(step)
    if step.ledger.require(facts.DUMP_SET_PROVEN) != manifest.digest():
        raise GuardError(
            f"The dump set at the target is not proven; {untouched}.", "Clear verify_dump_set with Downstream."
        )
    if manifest.source_site == step.at("target").name:
        raise GuardError(
            "The target is the site that was exported.", "Start a new plan with the right source and target."
        )


class DropSequences(StepOperator):
    """Drop the sequences of the target's Info Mart schema: an import cannot reset an existing one."""

    guide = "Database Transfer 8 (guide:901-927)"
    changes = "the sequences of the Info Mart's schema at the target are dropped"
    undo = "the import recreates them, with the source's values"

    def observe(self, step: Step) -> Observation:
        if step.ledger.has(facts.SEQUENCES_DROPPED):
            return Observation(True, "this plan has dropped the sequences")
        names = self._names(step)
        return Observation(
            False, f"{len(names)} sequence(s) at {step.at('target').name}: {sorted_names(names) or 'none'}"
        )

    def _names(self, step: Step) -> list[str]:
        return [row["sequence_name"] for row in step.at("target").dba.select("sequences", owner=step.schema)]

    def act(self, step: Step, seen: Observation) -> None:
        require_proven(step, "the sequences were not dropped")
        for name in self._names(step):
            step.at("target").dba.execute("drop_sequence", {"schema": step.schema, "sequence": name})
        if left := self._names(step):
            raise GuardError(f"Sequences are left: {sorted_names(left)}.", "Drop them by hand, then clear this task.")
        step.ledger.put_once(facts.SEQUENCES_DROPPED, True)


class DropOldCode(StepOperator):
    """Drop views, packages and other code of the target that the dump set brings: an import keeps what exists.

    Without this step a reused target would keep the old text beside the new tables (ORA-31684). Tables stay: the import
    replaces them.
    """

    guide = "not in the guide: an import replaces tables only"
    changes = "views, packages, procedures, functions, types and synonyms of the Info Mart's schema at the target"
    undo = "the import recreates them, with the source's text"

    def observe(self, step: Step) -> Observation:
        if step.ledger.has(facts.OLD_CODE_DROPPED):
            return Observation(True, "this plan has dropped the old code")
        found = [f"{kind} {name}" for kind, name in old_code(step)]
        return Observation(
            False, f"{len(found)} object(s) of code at {step.at('target').name}: {sorted_names(found) or 'none'}"
        )

    def act(self, step: Step, seen: Observation) -> None:
        require_proven(step, "nothing was dropped")
        # One object may need another to be dropped first, such as a type of a type.
        left, before, refused = old_code(step), -1, ""
        while left and len(left) != before:
            before = len(left)
            for kind, name in left:
                try:
                    step.at("target").info_mart.run_text(drop_object(step.schema, kind, name))
                except PermanentError as error:
                    refused = f"{kind} {name}: {error.what}"
            left = old_code(step)
        if left:
            # A type of a table's column goes with no table; check_objects compares its text with the source's.
            self.log.warning("act: %s object(s) cannot be dropped: %s", len(left), refused)
        step.ledger.put_once(facts.OLD_CODE_DROPPED, True)


class RunImpdp(DataPumpOperator):
    """Import the dump set at the target."""

    guide = "Database Transfer 7, 9 (guide:891-899, guide:929-933); Return to Normal 2, 4 (guide:1091, guide:1105)"
    changes = "the Info Mart's schema at the target: its tables are replaced"
    undo = "none: the target is new; the source is not touched"
    job = "impdp"
    program = "impdp"
    operation = "import"

    def job_name(self, step: Step) -> str:
        return import_job(step.plan_id)

    def parameters(self, step: Step) -> str:
        files = [file.name for file in proven_manifest(step).files]
        return import_parameters(step.topology, step.at("target").settings, files, self.job_name(step))

    def finish(self, step: Step, seen: Observation) -> None:
        step.ledger.put_once(facts.IMPORTED, int(time.time()))

    def prepare(self, step: Step) -> None:
        if step.ledger.require(facts.DUMP_SET_PROVEN) != proven_manifest(step).digest():
            raise GuardError("The dump set at the target is not proven.", "Clear verify_dump_set with Downstream.")
        step.ledger.require(facts.SEQUENCES_DROPPED)
        step.ledger.require(facts.OLD_CODE_DROPPED)
        replicat = step.at("target").settings.goldengate.groups.replicat
        if step.topology.architecture == "active-standby" and step.at("target").ggsci.info(replicat) is not None:
            raise GuardError(
                f"{replicat} exists at {step.at('target').name}: an import now would undo the changes it has applied.",
                f"If {replicat} has applied nothing yet, stop and delete it, then clear this task. Otherwise start a "
                "new plan.",
            )


def _import_report(step: Step) -> LogReport | None:
    """The import's log, classified."""
    return RunImpdp(task_id="import_of_the_log", role="target").report(step)


#: Severities of the import's errors that do not stop the run: people decide about them, or a later step does.
_BEARABLE = ("harmless", "review", "index")


class CheckImportLog(CheckOperator):
    """Read the import's log: missing rows, sequences and constraints stop the run. Row counts must equal the export's.

    Errors that leave every row in place (grants, comments, statistics, jobs, invalid code) are decided at the gate.
    """

    guide = "Database Transfer 10 (guide:935-937)"
    changes = "the log of an import that lacks rows, sequences or constraints is renamed, and the import runs again"
    undo = "rename the log back"
    under_lock = True

    def observe(self, step: Step) -> Observation:
        report = _import_report(step)
        if report is None:
            return Observation(False, "the import has left no log")
        kinds: dict[str, int] = {}
        for error in report.errors:
            kinds[error.severity] = kinds.get(error.severity, 0) + 1
            self.log.info("observe: %s: %s", error.severity, error.text)
        grave = [error for error in report.errors if error.severity not in _BEARABLE]
        exported = proven_manifest(step).dictionary.row_counts
        differing = [
            f"{table}: {exported[table]} exported, {report.rows.get(table, 0)} imported"
            for table in sorted(exported)
            if report.rows.get(table, 0) != exported[table]
        ]
        summary = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "no error"
        details = {"rows": report.total_rows, "errors": kinds, "void": bool(grave or differing)}
        if grave:
            return Observation(False, f"the import's log has {summary}: {grave[0].text}", details)
        if differing:
            return Observation(False, f"rows differ: {'; '.join(differing[:5])}", details)
        if report.outcome not in ("success", "completed_with_errors"):
            return Observation(False, f"the import's log is {report.outcome}: {next_step(report)}", details)
        return Observation(True, f"{report.total_rows} rows imported as exported; {summary}", details)

    def act(self, step: Step, seen: Observation) -> None:
        if not seen.details.get("void"):
            raise GuardError(seen.summary, "Read the log, then clear this task.")
        # This import does not count: the next one begins with dropping the sequences, and writes a log of its own.
        job = RunImpdp(task_id="import_of_the_log", role="target").job_name(step)
        path = f"{directory_path(step, 'target')}/{job}.log"
        host = step.at("target").host()
        if host.exists(path):
            host.run(["mv", "-f", "--", path, f"{path}.refused"])
        step.ledger.forget(facts.SEQUENCES_DROPPED)
        step.ledger.forget(facts.IMPORT_APPROVED)
        step.ledger.forget(facts.OLD_CODE_DROPPED)
        super().act(step, seen)

    def next_step(self) -> str:
        return "Correct the cause, then clear drop_sequences with Downstream: the import runs again."


class ApproveImport(Gate):
    """A person decides about the errors of export and import that leave every row in place. Skipped without any."""

    guide = "Database Transfer 10 (guide:935-937)"

    def does_not_apply(self, step: Step) -> str | None:
        if who := step.ledger.get(facts.IMPORT_APPROVED):
            return f"{who} has accepted the errors of this import"
        return None if self.errors(step) else "nothing beside the rows is missing"

    def errors(self, step: Step) -> list[str]:
        """The errors to decide about, as the logs have them."""
        export = RunExpdp(task_id="export_of_the_import").report(step)
        found = []
        for name, report in (("expdp", export), ("impdp", _import_report(step))):
            if report is None:
                continue
            found += [f"{name}: {error.text}" for error in report.of("review")]
            if report.not_found:
                found.append(f"{name}: the job counted {report.not_found} error(s) that its log does not show; read it")
        # An export of a schema does not carry these.
        return found + missing_around(step, proven_manifest(step).dictionary)

    def evidence(self, step: Step) -> str:
        errors = self.errors(step)
        shown = "\n\n".join(errors)
        if len(shown) > _SHOWN:
            shown = shown[:_SHOWN] + "\n... (the logs in the Data Pump directories have the rest)"
        return (
            f"**{step.at('target').name}: every row of the export is there. {len(errors)} thing(s) beside the rows are "
            f"missing.**\n\n"
            f"{fenced(shown)}\n\n"
            "- A grant (ORA-01917, ORA-01919): create the user or role at the target, then run the statement.\n"
            "- ORA-39082: the code is invalid until it is compiled again; check_objects compares it with the source.\n"
            "- A job, database link, comment or statistics: create it at the target where it is needed.\n\n"
            "*Approve*: the run goes on with what is missing. *Reject*: the run fails; the import stays."
        )

    def accepted(self, step: Step, who: str) -> None:
        step.ledger.put_once(facts.IMPORT_APPROVED, who)


class RecreateMissingIndexes(DataPumpOperator):
    """Create the indexes that the import left out, from the dump set, and rebuild those that are UNUSABLE."""

    guide = "Re-create any missing indexes (guide:938-940)"
    changes = "missing indexes of the Info Mart's schema at the target"
    undo = "DROP INDEX"
    program = "impdp"
    operation = "import"
    #: Attempts differ by what is missing.
    job = "indexes"

    def job_name(self, step: Step, back: int = 0) -> str:
        return job_name("GIM_IDX", f"{step.plan_id} {len(self.attempts(step)) - back}")

    def running_job(self, step: Step) -> str:
        return self.job_name(step, back=1)

    def observe(self, step: Step) -> Observation:
        missing, unusable = missing_indexes(step), sorted({each.name for each in unusable_indexes(step, "target")})
        what = f"indexes missing at {step.at('target').name}: {sorted_names(missing) or 'none'}"
        if unusable:
            what += f"; unusable: {sorted_names(unusable)}"
        return Observation(not missing and not unusable, what, {"missing": missing[:50]})

    def act(self, step: Step, seen: Observation) -> None:
        # An import does not rebuild an index that exists.
        for each in unusable_indexes(step, "target"):
            self.log.info("act: %s", each.statement)
            step.at("target").long_queries.run_text(each.statement)
        if not missing_indexes(step):
            return None
        latest = self.latest(step)
        if latest is not None and latest[1].active:
            return self.wait(step, latest[0])
        data_pump, name = step.at(self.role).data_pump, self.job_name(step)
        if (job := data_pump.job(self.job_name(step, back=1))) is not None:
            raise TransientError(f"Job {job.name} is {job.state}; its client has ended.", "The retry checks it again.")
        manifest = proven_manifest(step)
        files = [file.name for file in manifest.files]
        missing = missing_indexes(step)
        if not missing:
            # A job that has ended since has made them.
            return None
        generated = {index.name for index in manifest.dictionary.indexes if index.generated}
        named = [index for index in missing if index not in generated]
        if not named:
            raise GuardError(
                f"Indexes of constraints are missing: {sorted_names(missing)}.",
                "Create their primary keys and unique constraints by hand, then clear this task.",
            )
        host = step.at(self.role).host()
        path = host.work_path(step.plan_folder, f"{name}.par")
        host.write_file(path, index_parameters(step.topology, step.at("target").settings, files, name, named))
        attempt = self.new_attempt(step)
        attempt.submit(
            data_pump.command("impdp", path),
            stdin=data_pump.password_input(),
            environment=data_pump.environment,
        )
        return self.wait(step, attempt)

    def collect(self, step: Step, event: dict[str, Any]) -> None:
        self.log.info("act: impdp ended with %s", self.ended(event))

    def next_step(self) -> str:
        return "Create the named indexes by hand (their DDL is in the dump set), then clear this task."


class CheckIndexes(CheckOperator):
    """Compare the target's indexes with the manifest."""

    guide = "Database Transfer 10 (guide:938)"

    def observe(self, step: Step) -> Observation:
        missing = missing_indexes(step)
        unusable = [f"{each.name} ({each.statement})" for each in unusable_indexes(step, "target")]
        count = len(proven_manifest(step).dictionary.indexes)
        wrong = [f"missing: {sorted_names(missing)}"] if missing else []
        wrong += [f"unusable: {sorted_names(unusable)}"] if unusable else []
        if wrong:
            return Observation(False, f"indexes are {'; '.join(wrong)}")
        return Observation(True, f"all {count} indexes exist", {"indexes": count})

    def next_step(self) -> str:
        return "Clear recreate_missing_indexes with Downstream, or create the indexes by hand and clear this task."


class CheckObjects(StepOperator):
    """Compare constraints, triggers, sequences and code with the manifest; no object may be newly invalid.

    Invalid objects are recompiled first: a replaced table invalidates those that depend on it.
    """

    guide = "not in the guide"
    changes = "invalid objects of the schema at the target are recompiled"
    undo = "none needed"

    def observe(self, step: Step) -> Observation:
        wanted = proven_manifest(step).dictionary
        found = dictionary_of(step, "target").model_copy(update={"code": code_of(step, "target")})
        invalid = {role: invalid_objects(step, role) for role in BOTH_ROLES}
        newly = sorted(invalid["target"] - invalid["source"])
        differences = [each.what for each in dictionary_differences(wanted, found)]
        differences += [f"{name} is invalid" for name in newly]
        remarks = "".join(f"; {note}" for note in notes(wanted, found, invalid["source"], invalid["target"]))
        if differences:
            return Observation(
                False,
                f"the target differs: {'; '.join(differences[:8])}{remarks}",
                {"differences": differences[:50], "invalid": newly[:50]},
            )
        return Observation(
            True,
            f"{len(found.constraints)} constraints, {len(found.triggers)} trigger(s), {len(wanted.code)} views and "
            f"units of code and {len(found.sequences)} sequences are as at the source{remarks}",
        )

    def act(self, step: Step, seen: Observation) -> None:
        if not seen.details["invalid"]:
            raise GuardError(seen.summary, self.next_step())
        recompile(step, "target")

    def next_step(self) -> str:
        return (
            "Create or enable the objects that differ; correct those that stay invalid after the recompilation. Then "
            "clear this task."
        )
