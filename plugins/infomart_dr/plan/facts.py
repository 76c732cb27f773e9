"""The facts that a plan remembers: name, type, meaning, the tasks that record a fact and those that remove it.

A fact is the same in every retry. :mod:`infomart_dr.plan.ledger` keeps it in DR_LEDGER, as text. The table in
docs/operating.md is generated from these declarations.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from infomart_dr.errors import UnexpectedReplyError
from infomart_dr.times import shown
from infomart_dr.values import JsonObject

T = TypeVar("T")


class Declared(Protocol):
    """A fact or a kind of facts, for any type of value."""

    @property
    def meaning(self) -> str: ...
    @property
    def recorded_by(self) -> tuple[str, ...]: ...
    @property
    def forgotten_by(self) -> tuple[str, ...]: ...


class AnyFact(Declared, Protocol):
    """One fact, for any type of value."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Fact(Generic[T]):
    """One fact of a plan.

    :param name: its name in DR_LEDGER, at most 100 bytes.
    :param meaning: one line for people.
    :param recorded_by: ids of the tasks that record it, without their groups; empty: the lock's own bookkeeping.
    :param forgotten_by: ids of the tasks after which it is no longer true.
    """

    name: str
    meaning: str
    recorded_by: tuple[str, ...]
    forgotten_by: tuple[str, ...]
    _read: Callable[[str], T]
    _write: Callable[[T], str]
    _show: Callable[[str], str] = str

    def read(self, text: str) -> T:
        """The value of a recorded text.

        :raises UnexpectedReplyError: the text is not a value of this kind; another program wrote it.
        """
        try:
            return self._read(text)
        except (ValueError, TypeError) as error:
            raise UnexpectedReplyError(
                f"The fact {self.name!r} has the value {text[:80]!r} in DR_LEDGER, which cannot be read: {error}.",
                self.record_again(),
            ) from error

    def write(self, value: T) -> str:
        """The text of a value."""
        return self._write(value)

    def shown(self, text: str) -> str:
        """A recorded text as people read it."""
        return self._show(text)

    def record_again(self) -> str:
        """The instruction for a person to have the fact recorded."""
        if not self.recorded_by:
            return "Start a new plan."
        first, *others = self.recorded_by
        other = f" (in other procedures {', '.join(others)})" if others else ""
        return f"Clear {first}{other} with Downstream."

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Facts(Generic[T]):
    """Facts of one kind, one per direction, site, place or object.

    :param pattern: name in DR_LEDGER with ``{}`` for the key.
    :param keys: words for the key in the table, such as ``site``.
    """

    pattern: str
    keys: str
    kind: Fact[T]

    def of(self, key: str) -> Fact[T]:
        """The fact for a key."""
        return self.named(self.pattern.format(key))

    def named(self, name: str) -> Fact[T]:
        """The fact with a name in DR_LEDGER."""
        return replace(self.kind, name=name)

    def has(self, name: str) -> bool:
        """The name in DR_LEDGER belongs to one of these facts."""
        before, _, after = self.pattern.partition("{}")
        return name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)

    @property
    def meaning(self) -> str:
        return self.kind.meaning

    @property
    def recorded_by(self) -> tuple[str, ...]:
        return self.kind.recorded_by

    @property
    def forgotten_by(self) -> tuple[str, ...]:
        return self.kind.forgotten_by

    def __str__(self) -> str:
        return self.pattern.format(f"<{self.keys}>")


# -- kinds -----------------------------------------------------------------------------------------


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError("neither yes nor no")
    return text == "yes"


def _number(text: str) -> int:
    # Not int() alone, which also accepts '1_000' and ' 12'.
    if not text.isascii() or not text.removeprefix("-").isdigit():
        raise ValueError("not a whole number")
    return int(text)


def _record(text: str) -> JsonObject:
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _whole(value: int) -> str:
    return str(int(value))


def _time(text: str) -> str:
    return shown(int(text)) if text.isdecimal() and len(text) < 12 else text


def _word(value: bool) -> str:
    return "yes" if value else "no"


def _json(value: JsonObject) -> str:
    # Not escaped: a text from the form must fit, in any script.
    return json.dumps(value, ensure_ascii=False)


def _text(name: str, meaning: str, *recorded_by: str, forgotten_by: tuple[str, ...] = ()) -> Fact[str]:
    return Fact(name, meaning, recorded_by, forgotten_by, str, str)


def _flag(name: str, meaning: str, *recorded_by: str, forgotten_by: tuple[str, ...] = ()) -> Fact[bool]:
    return Fact(name, meaning, recorded_by, forgotten_by, _yes, _word)


def _integer(name: str, meaning: str, *recorded_by: str, forgotten_by: tuple[str, ...] = ()) -> Fact[int]:
    return Fact(name, meaning, recorded_by, forgotten_by, _number, _whole)


def _moment(name: str, meaning: str, *recorded_by: str, forgotten_by: tuple[str, ...] = ()) -> Fact[int]:
    """A time in epoch seconds."""
    return Fact(name, meaning, recorded_by, forgotten_by, _number, _whole, _time)


def _object(name: str, meaning: str, *recorded_by: str, forgotten_by: tuple[str, ...] = ()) -> Fact[JsonObject]:
    return Fact(name, meaning, recorded_by, forgotten_by, _record, _json)


_BACK_OUT = ("return_service_to_source",)
_STANDBY_AGAIN = ("return_standby",)
#: Tasks after which the comparison of an earlier stop is no longer true.
_STOPPED_ANEW = ("stop_info_mart_server", "note_final_stop", *_BACK_OUT)

# -- the plan itself -------------------------------------------------------------------------------

SITES = _text("sites", "Source and target; every later run of the plan must name the same", "take_lock")
REQUESTED = Facts(
    "requested {}",
    "run",
    _object("", "Person, time and reason of a run of the plan", "take_lock"),
)
ENDED = Facts(
    "ended {}",
    "run",
    _moment("", "Time at which a run of the plan ended", "release_lock", forgotten_by=("release_lock",)),
)
BEGUN = _flag("begun", "The plan is under way", "check_already_done")
GOAL_REACHED = _text(
    "goal_reached",
    "Evidence that the goal was reached before the plan began, so that it has nothing to do",
    "check_already_done",
    forgotten_by=("check_already_done",),
)
APPROVED = Facts(
    "approved:{}",
    "gate",
    _text(
        "",
        "Person and time of an approval",
        "approve_cutover",
        "approve_parameter_files",
        forgotten_by=("approve_cutover", "approve_parameter_files"),
    ),
)
PURGE_HOLD = _object(
    "purge_hold",
    "Owner, reason, start and ceiling of the plan's hold; the hold itself is in the IDBs",
    "hold_idb_purging",
    forgotten_by=("hold_idb_purging",),
)
#: Plan id of facts that each site keeps about the deployment, in its own ledger.
DEPLOYMENT = "(deployment)"
EPOCH = _object(
    "epoch",
    "Under the plan id `(deployment)`, at each site: the newest run that has the deployment, with its number",
    "take_lock",
    forgotten_by=(),
)
TRY = Facts(
    "try:{}",
    "task",
    _integer("", "Under `(deployment)`: the newest try of a task of that run; older ones may change nothing"),
)
SERVING = _object(
    "serving",
    "Under `(deployment)`, at each site: the site that serves, by the run that has made it",
    "start_info_mart_server_at_target",
    "start_info_mart_server",
    "stop_info_mart_server",
)
#: Of the plan id ``(replication)``: the deployment's own fact.
REPLICATION_PLAN = _text(
    "plan",
    "Under the plan id `(replication)`: the plan whose capture runs; a plan whose capture was replaced cannot resume",
    "remove_old_replication",
    forgotten_by=("remove_old_replication",),
)

#: Plan id of facts that a site keeps about its own jobs, in its own ledger.
JOBS = "(jobs)"
HELD_JOB = Facts(
    "held_job:{}",
    "job",
    _object(
        "",
        "Under the plan id `(jobs)`, at the job's own site: a job of the Info Mart's owner that the procedures hold",
        "hold_schema_jobs",
        forgotten_by=("release_schema_jobs", "return_service_to_source"),
    ),
)

# -- replication -----------------------------------------------------------------------------------

OLD_REPLICATION_REMOVED = _flag(
    "old_replication_removed", "Older groups and trails are removed", "remove_old_replication"
)
CHECKPOINT_TABLE_RECREATED = _flag(
    "checkpoint_table_recreated", "The checkpoint tables of both sites are recreated", "recreate_checkpoint_table"
)
CHANGED_FILES = _object(
    "changed_files",
    "Parameter files that a person has written or changed, as a gate showed them, and who approved their replacement",
    "approve_parameter_files",
    "approve_changed_files",
    forgotten_by=("approve_parameter_files", "approve_changed_files"),
)
SUPPLEMENTAL_LOGGING = Facts(
    "supplemental_logging:{}",
    "site",
    _text("", "GoldenGate's answers: supplemental logging is on", "enable_supplemental_logging"),
)
SUPPLEMENTAL_LOGGING_AGAIN = Facts(
    "supplemental_logging_again:{}",
    "site",
    _text("", "The same, repeated after an upgrade", "repeat_supplemental_logging"),
)
CAPTURE_REGISTERED = Facts(
    "{}_capture_registered",
    "direction",
    _integer(
        "",
        "SCN at which this plan registered the Extract; 0: ggsci named none",
        "add_extract",
        forgotten_by=_BACK_OUT,
    ),
)
CAPTURE_ADDED = Facts(
    "{}_capture_added",
    "direction",
    _moment("", "Time at which Extract and pump were added", "add_extract", forgotten_by=_BACK_OUT),
)
GGSERR_BEGIN = Facts(
    "ggserr:{}",
    "direction:site",
    _object(
        "",
        "File and length of ggserr.log before the capture; only later messages are judged",
        "add_extract",
        forgotten_by=_BACK_OUT,
    ),
)
CAPTURE_SCN = Facts(
    "{}_capture_scn",
    "direction",
    _integer(
        "",
        "SCN when the Extract ran; transactions that are older must end",
        "start_extract_and_pump",
        forgotten_by=_BACK_OUT,
    ),
)
AFTER_CSN = Facts(
    "{}_after_csn",
    "direction",
    _integer(
        "",
        "CSN after which this plan starts the Replicat; recorded **before** the start",
        "start_replicat_after_csn",
        forgotten_by=("add_replicat", *_BACK_OUT),
    ),
)
AFTER_CSN_PASSED = Facts(
    "{}_after_csn_passed",
    "direction",
    _flag(
        "",
        "The Replicat was started after that CSN and has passed it; a later start needs none",
        "wait_for_catch_up",
        "prove_replication_to_source",
        forgotten_by=("add_replicat", *_BACK_OUT),
    ),
)
SEQUENCES_FLUSHED = Facts("{}_sequences_flushed", "direction", _flag("", "FLUSH SEQUENCE is done", "flush_sequences"))

# -- the copy --------------------------------------------------------------------------------------

SCHEMA_BYTES = _integer("schema_bytes", "Size of the schema, for the estimates of later runs", "check_export_space")
SCN = _integer("scn", "The one SCN: FLASHBACK_SCN, manifest and AFTERCSN", "capture_scn")
EXPORT_STARTED = _moment("export_started", "Start of the export", "run_expdp")
EXPORT_ENDED = _moment("export_ended", "End of the export", "run_expdp")
EXPORT_SECONDS = _integer("export_seconds", "Duration of an uninterrupted export", "run_expdp")
EXPORTED = _text("exported", "Job of the finished export; a retry stops no server for it again", "run_expdp")
MANIFEST_DIGEST = _text("manifest_digest", "SHA-256 of the manifest", "write_manifest")
TRANSFERRED = _text(
    "transferred", "Digest of the manifest whose files arrived", "transfer_files", forgotten_by=("verify_dump_set",)
)
TRANSFER_REPAIR = _flag(
    "transfer_repair",
    "A file arrived damaged; the next transfer compares contents",
    "verify_dump_set",
    forgotten_by=("transfer_files",),
)
DUMP_SET_PROVEN = _text(
    "dump_set_proven", "Digest of the manifest that the files at the target match", "verify_dump_set"
)
SEQUENCES_DROPPED = _flag(
    "sequences_dropped",
    "The target's sequences are dropped for the import",
    "drop_sequences",
    forgotten_by=("check_import_log",),
)
OLD_CODE_DROPPED = _flag(
    "old_code_dropped",
    "Views, packages and other code that the dump set brings are dropped at the target",
    "drop_old_code",
    forgotten_by=("check_import_log",),
)
IMPORTED = _moment("imported", "End of the import", "run_impdp")
IMPORT_APPROVED = _text(
    "import_approved",
    "Person who accepted the import's errors about grants, comments, jobs or invalid code",
    "approve_import",
    forgotten_by=("check_import_log",),
)

JOB_ALARM = Facts(
    "job_alarm:{}",
    "task",
    _object(
        "",
        "A long job waits for space or takes longer than expected; infomart_watch reports it",
        "run_expdp",
        "transfer_files",
        "run_impdp",
        forgotten_by=("run_expdp", "transfer_files", "run_impdp"),
    ),
)

# -- stop and start --------------------------------------------------------------------------------

SERVER_TOUCHED = _moment(
    "server_touched",
    "From this time on the back-out must restore the service",
    "hold_scheduler",
    "start_second_server",
    "start_info_mart_server",
)
LOADING_STOPPED = _moment(
    "loading_stopped",
    "Time since which no server loads data, because this plan has stopped it",
    "stop_info_mart_server",
    forgotten_by=("start_info_mart_server", "serve_at_source", *_BACK_OUT),
)
FINAL_STOP = _moment(
    "final_stop", "Time since which the writers are stopped", "note_final_stop", forgotten_by=_STOPPED_ANEW
)
NOTED_SCN = _integer(
    "noted_scn",
    "The source's SCN after the writers stopped; the target must reach it",
    "wait_for_final_catch_up",
    forgotten_by=_STOPPED_ANEW,
)
TABLES_COMPARED = _text(
    "tables_compared",
    "Number of tables and rows found equal after the final stop",
    "compare_tables",
    forgotten_by=_STOPPED_ANEW,
)
TO_SOURCE_SCN = _integer(
    "to_source_scn",
    "The target's SCN before its first write; the source's Replicat starts after it",
    "note_to_source_scn",
    forgotten_by=_STOPPED_ANEW,
)
SOURCE_AT_REST = _object(
    "source_at_rest",
    "High-water marks and sequences of the source when the tables were compared; a writer since then has moved them",
    "compare_tables",
    forgotten_by=_STOPPED_ANEW,
)
#: Facts that hold only while the writers are stopped, in the order in which they are recorded.
WHILE_STOPPED: tuple[Fact[int] | Fact[str] | Fact[JsonObject], ...] = (
    FINAL_STOP,
    NOTED_SCN,
    SOURCE_AT_REST,
    TABLES_COMPARED,
    TO_SOURCE_SCN,
)
SOURCE_JOBS_HELD = _flag(
    "source_jobs_held",
    "Jobs of the Info Mart's owner are disabled at the source; the back-out enables them again",
    "hold_schema_jobs",
    forgotten_by=_BACK_OUT,
)
TO_TARGET_STOPPED = _flag(
    "to_target_stopped",
    "Replication to the target is stopped; the back-out starts it again",
    "stop_replication_to_target",
    forgotten_by=_BACK_OUT,
)
TO_TARGET_REMOVED = _flag(
    "to_target_removed", "The groups of replication to the target are deleted", "remove_replication_to_target"
)
SEQUENCE_RAISED = Facts(
    "sequence_raised:{}",
    "sequence",
    _object(
        "",
        "Increment and cache of a sequence while raise_sequences takes a value with another increment",
        "raise_sequences",
        forgotten_by=("raise_sequences",),
    ),
)
APPLICATION_MOVED = _text(
    "application_moved",
    "The site that the Application object may point to",
    "configure_application",
    forgotten_by=_BACK_OUT,
)
SERVER_LOG_BEGIN = _integer(
    "server_log_begin",
    "Length of the server's log before the start; only later messages are judged",
    "start_info_mart_server_at_target",
    "start_info_mart_server",
    "start_second_server",
    "run_migration_job",
    "drop_failed_sources",
    forgotten_by=("run_migration_job",),
)
POINT_OF_NO_RETURN = _moment(
    "point_of_no_return",
    "Recorded **before** the new site's server starts; from then on no back-out starts the old server again",
    "start_info_mart_server_at_target",
    "start_info_mart_server",
    "start_second_server",
)
NEWEST_FACT = _integer(
    "newest_fact",
    "End of the newest interaction in the target's Info Mart before its server starts; 0: none of the last day",
    "start_info_mart_server_at_target",
    "start_info_mart_server",
    "start_second_server",
)

# -- failover --------------------------------------------------------------------------------------

PROBED = Facts(
    "evidence:{}",
    "place",
    _object(
        "",
        "Endpoints of the lost site and their answers; addresses only",
        "probe_from_airflow",
        "probe_from_survivor",
        forgotten_by=("probe_from_airflow", "probe_from_survivor"),
    ),
)
SITE_FAILURE_CONFIRMED = _text(
    "site_failure_confirmed",
    "Person and time of the confirmation",
    "confirm_site_failure",
    forgotten_by=_STANDBY_AGAIN,
)
STANDBY_TOUCHED = _moment(
    "standby_touched",
    "From this time on the back-out must restore the standby",
    "stop_goldengate",
    "drop_failed_sources",
    "hold_scheduler",
    "disable_aggregation",
    forgotten_by=_STANDBY_AGAIN,
)
STANDBY_DRAINED = _text(
    "standby_drained",
    "Position up to which the standby has applied the trail",
    "stop_goldengate",
    forgotten_by=("stop_goldengate", *_STANDBY_AGAIN),
)
TRAIL_SEEN = _object(
    "trail_seen",
    "End of the trail at the survivor, and the time since which it has not moved",
    "read_trail_end",
    "stop_goldengate",
    forgotten_by=("read_trail_end", "stop_goldengate", *_STANDBY_AGAIN),
)
TRAIL_REPORT = _text(
    "trail_report",
    "Replicat and trail at the survivor, as the gate shows them",
    "read_trail_end",
    forgotten_by=("read_trail_end",),
)
CUT_TRAIL = _text(
    "cut_trail",
    "The trail ends inside a record; from then on the Replicat commits each transaction by itself",
    "wait_for_trail_end",
    forgotten_by=_STANDBY_AGAIN,
)
SURVIVOR_FENCED = _moment(
    "survivor_fenced",
    "The survivor's Replicat is deleted and its trail put aside: the lost site cannot write to it any more",
    "start_info_mart_server",
)
OBJECT_BEFORE = Facts(
    "before:{}",
    "step:object",
    _object(
        "",
        "An Application object as it was before the failover changed it",
        "drop_failed_sources",
        "hold_scheduler",
        "disable_aggregation",
        forgotten_by=_STANDBY_AGAIN,
    ),
)
AGGREGATION_DISABLED = _flag(
    "aggregation_disabled",
    "This plan has switched aggregation off",
    "disable_aggregation",
    "check_aggregation_disabled",
    forgotten_by=("enable_aggregation", *_STANDBY_AGAIN),
)
LOSS_FIRST_LOOK = _moment(
    "loss_first_look",
    "Time of the first loss estimate; the site was lost before it",
    "estimate_loss",
    forgotten_by=("probe_from_airflow", "probe_from_survivor", "confirm_site_failure", *_STANDBY_AGAIN),
)
SURVIVOR_REPORT = _text(
    "survivor_report",
    "What the survivor lacks, as the gate shows it",
    "check_survivor",
    forgotten_by=("check_survivor",),
)
LOSS_MARKS = _text("loss_marks", "High-water marks after the draining", "estimate_loss_again", "report_loss")
LOSS_SUMMARY = Facts(
    "loss:{}",
    "moment",
    _text(
        "",
        "Loss estimate before the gate, after the draining, at the end",
        "estimate_loss",
        "estimate_loss_again",
        "report_loss",
    ),
)
LOSS_REPORT = _text(
    "loss_report", "Text of the newest loss estimate", "estimate_loss", "estimate_loss_again", "report_loss"
)
MIGRATION_STATE = _flag(
    "migration_state",
    "The server reports the migration state",
    "check_migration_state",
    forgotten_by=("check_migration_state",),
)
ETL_JOB_DONE = Facts(
    "job:{}", "job", _text("", "Method and time of the job's success", "run_migration_job", "run_maintenance_job")
)
LOG_AFTER_MIGRATION = _integer(
    "log_after_migration", "Length of the server's log after the migration", "run_migration_job"
)
REAGGREGATION_REQUESTED = _text(
    "reaggregation_requested", "The interval that RAA must aggregate again", "request_reaggregation"
)


def of_service() -> tuple[AnyFact, ...]:
    """Facts of any plan that say which site serves."""
    return SITES, SITE_FAILURE_CONFIRMED, LOADING_STOPPED, POINT_OF_NO_RETURN


def declared() -> Iterator[Declared]:
    """All facts, in the order of their declaration."""
    for value in globals().values():
        if isinstance(value, Fact | Facts):
            yield value
