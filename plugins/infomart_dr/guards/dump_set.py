"""The dump set: free space and undo for it, and the manifest that proves it.

Nothing in the product deletes a dump file. An export of the same plan overwrites the plan's own files
(REUSE_DUMPFILES), the transfer repairs a damaged one in place, and people remove old sets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infomart_dr.errors import GuardError, InfoMartError
from infomart_dr.evidence import estimate as estimates
from infomart_dr.evidence.manifest import Dictionary, Manifest
from infomart_dr.guards.dictionary import code_of, dictionary_of, table_exists
from infomart_dr.guards.surroundings import whole_dictionary
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation, Step
from infomart_dr.statements import DROPPED
from infomart_dr.text import size_text
from infomart_dr.times import span
from infomart_dr.topology import BOTH_ROLES, SiteRole
from infomart_dr.values import Row

if TYPE_CHECKING:
    from infomart_dr.hooks.oracle import InfoMartOracleHook


def directory_path(step: Step, role: SiteRole) -> str:
    """Folder of the Data Pump directory object at the site of a role.

    :raises GuardError: the directory object is missing.
    """
    return path_of_directory(step.at(role).dba, step.at(role).settings.database.data_pump.directory, step.at(role).name)


def path_of_directory(dba: InfoMartOracleHook, directory: str, site: str) -> str:
    """Folder of a directory object.

    :param dba: the site's database, as a DBA.
    :raises GuardError: the directory object is missing.
    """
    rows = dba.select("directory_path", directory=directory)
    if not rows:
        raise GuardError(
            f"Directory {directory} is missing in the database of {site}.",
            f"CREATE DIRECTORY {directory} AS '<folder>', or correct data_pump.directory in the topology.",
        )
    return str(rows[0]["directory_path"]).rstrip("/")


@dataclass(frozen=True)
class Room:
    """Bytes that a Data Pump directory must hold, and bytes that its file system has free."""

    folder: str
    needed: int
    free: int

    @property
    def fits(self) -> bool:
        return self.free >= self.needed


def export_room(step: Step, role: SiteRole) -> Room:
    """Space for the export."""
    folder = directory_path(step, role)
    return Room(folder, dump_bytes(step, role), step.at(role).host().free_space(folder))


def import_room(step: Step, total: int, names: Sequence[str] = ()) -> Room:
    """Space at the target for a dump set.

    :param total: bytes of the set.
    :param names: its files; those that are already at the target need no more space.
    """
    folder, host = directory_path(step, "target"), step.at("target").host()
    there = sum(host.file_sizes(folder, names).values()) if names else 0
    return Room(folder, int((total - there) * step.topology.transfer.space_factor), host.free_space(folder))


def unreadable_files(step: Step, role: SiteRole, patterns: Sequence[str]) -> tuple[int, list[str]]:
    """The number of matching files in the Data Pump directory, and those that the SSH user cannot read.

    Oracle writes dump files with mode 0640, so only its group reads them.
    """
    return step.at(role).host().unreadable(directory_path(step, role), patterns)


#: Advice for files that only Oracle's group reads.
READABLE = (
    "Add the SSH user of the database host to the group of these files (such as oinstall or dba): otherwise checksums "
    "and transfer fail. A new login has the group."
)


def schema_bytes(step: Step, role: SiteRole) -> int:
    """Size of the Info Mart's schema at a site."""
    return int(step.at(role).dba.select("schema_size", owner=step.schema)[0]["bytes"])


#: Bytes of a dump set for each byte of a segment, by the first word of COMPRESS_FOR: Data Pump writes rows without the
#: table's compression. A common factor; the true one depends on the data.
UNCOMPRESSED = {"NONE": 1.0, "BASIC": 3.0, "OLTP": 3.0, "ADVANCED": 3.0, "QUERY": 6.0, "ARCHIVE": 10.0}


def dump_bytes(step: Step, role: SiteRole) -> int:
    """Size that a dump set of a site's schema may have: tables and LOBs, without indexes and the recycle bin."""
    rows = step.at(role).dba.select("dumped_segments", owner=step.schema)
    return int(sum(int(row["bytes"]) * UNCOMPRESSED.get(str(row["compress_for"]).split()[0], 3.0) for row in rows))


def recovery_room(row: Row) -> int:
    """Bytes that a recovery area can take.

    :param row: of the statement ``recovery_area``.
    """
    return int(row["space_limit"]) - int(row["space_used"]) + int(row["space_reclaimable"])


def measured_runs(step: Step) -> list[estimates.Measured]:
    """Durations of earlier runs of the deployment, from the ledgers of both sites: each run's is where it began."""
    names = {f"fact_{number}": fact.name for number, fact in enumerate(estimates.MEASURED, start=1)}
    rows: list[Row] = []
    for role in BOTH_ROLES:
        schema = step.at(role).settings.goldengate.schema_name
        try:
            if table_exists(step, role, schema, "DR_LEDGER"):
                hook = step.at(role).goldengate_database
                rows += hook.select("ledger_measured", {"schema": schema}, deployment=step.topology.name, **names)
        except InfoMartError:
            # The other site may be new, or lost: the estimate is then by fewer runs.
            if role == step.ledger_role:
                raise
    return estimates.measured_runs(rows)


#: Times the longest estimate that a job may take, and the least limit in seconds.
LIMIT_FACTOR, LEAST_LIMIT = 2.0, 3600.0


def time_limit(step: Step, phase: estimates.Phase) -> float:
    """Seconds for a phase of the copy: of the topology, or from the estimate."""
    timeouts = step.topology.timeouts
    given = {"export": timeouts.expdp, "transfer": timeouts.transfer, "import": timeouts.impdp}[phase]
    if given is not None:
        return float(given)
    size = step.ledger.get(facts.SCHEMA_BYTES) or schema_bytes(step, "source")
    estimated = estimates.estimate(size, measured_runs(step))
    longest = {"export": estimated.export, "transfer": estimated.transfer, "import": estimated.load}[phase].high
    if phase == "transfer" and (bandwidth := step.topology.transfer.bandwidth):
        longest = max(longest, size / (bandwidth * 1000))
    return max(LIMIT_FACTOR * longest, LEAST_LIMIT)


def space_wait(step: Step, role: SiteRole, job: str) -> Observation:
    """A Data Pump job waits for no space."""
    waits = step.at(role).data_pump.space_waits(job)
    what = f"job {job} at {step.at(role).name}"
    if waits:
        return Observation(False, f"{what} waits for space: {'; '.join(waits)[:600]}")
    return Observation(True, f"{what} waits for no space")


@dataclass(frozen=True)
class Undo:
    """How long a database keeps undo, compared with the time in which an export reads as of its SCN.

    :param retention: UNDO_RETENTION in seconds.
    :param export: possible duration of the export.
    :param room: bytes that the undo tablespace may grow to; None: its data files are not visible to this account.
    :param rate: bytes of undo a second, over the last day.
    :param tuned: seconds for which the database kept undo on its worst moment of the last day, over all instances;
        None: not known.
    :param guaranteed: the tablespace has RETENTION GUARANTEE, so that UNDO_RETENTION is kept whatever happens.
    """

    retention: int
    export: estimates.Span
    room: int | None
    rate: float
    tuned: int | None = None
    guaranteed: bool = False

    @property
    def too_short(self) -> bool:
        """Neither the parameter nor the past day covers even the shortest export."""
        return max(self.retention, self.tuned or 0) < self.export.low

    @property
    def covers(self) -> bool:
        """The longest export is covered: by what the database kept, or by a guarantee."""
        kept = self.retention if self.tuned is None else self.tuned
        if self.guaranteed:
            kept = max(kept, self.retention)
        return kept >= self.export.high

    @property
    def fits(self) -> bool:
        """The tablespace holds the undo of the longest export, or its size is not visible."""
        return self.room is None or self.room >= self.needed

    @property
    def needed(self) -> float:
        """Bytes of undo written during the longest export, at the rate of the last day."""
        return self.rate * self.export.high

    def time_text(self) -> str:
        guarantee = " (guaranteed)" if self.guaranteed else ""
        tuned = "" if self.tuned is None else f", the database kept undo for {self.tuned} s or longer in the last day"
        return f"undo_retention is {self.retention} s{guarantee}{tuned}; the export takes {self.export.text()}"

    def room_text(self) -> str:
        if self.room is None:
            return "the undo tablespace's data files are not visible to this account"
        return (
            f"the undo tablespace can hold {size_text(self.room)}; undo of {size_text(self.rate)}/s for up to "
            f"{span(self.export.high)} needs {size_text(self.needed)}"
        )


def export_undo(step: Step, role: SiteRole, size: int, runs: Sequence[estimates.Measured]) -> Undo:
    """Undo for an export.

    :param size: bytes of the schema.
    :param runs: durations of earlier runs.
    """
    dba = step.at(role).dba
    space, kept = dba.select("undo_space"), dba.select("undo_retention")[0]
    return Undo(
        int(kept["seconds"] or 0),
        estimates.estimate(size, runs).export,
        int(space[0]["max_bytes"]) if space else None,
        estimates.per_second(dba.select("undo_written")[0]),
        None if kept["tuned"] is None else int(kept["tuned"]),
        kept["kept"] == "GUARANTEE",
    )


def proven_manifest(step: Step) -> Manifest:
    """The plan's manifest, proven by the digest in the ledger.

    :raises GuardError: it is missing or was changed.
    """
    digest = step.ledger.require(facts.MANIFEST_DIGEST)
    host = step.at("source").host()
    path = manifest_path(step)
    if not host.exists(path):
        raise GuardError(f"The manifest {path} is missing at {step.at('source').name}.", "Start a new plan.")
    manifest = Manifest.from_text(host.read_file(path, limit=64 * 1024 * 1024), digest)
    manifest.require_scn(step.ledger.require(facts.SCN))
    return manifest


def manifest_path(step: Step) -> str:
    return step.at("source").host().work_path(step.plan_folder, "manifest.json")


def dictionary_path(step: Step) -> str:
    return step.at("source").host().work_path(step.plan_folder, "dictionary.json")


def exported_dictionary(step: Step) -> Dictionary:
    """The source's dictionary, as the first call finds it; later calls get the same.

    The first call comes from the export, while the server stands still: an index or a sequence made later is not in the
    dump set.
    """
    host, path = step.at("source").host(), dictionary_path(step)
    if not host.exists(path):
        host.write_file(path, whole_dictionary(step, "source").model_dump_json(indent=1))
    return Dictionary.model_validate_json(host.read_file(path, limit=64 * 1024 * 1024))


def missing_indexes(step: Step) -> list[str]:
    """Indexes of the manifest that are missing at the target; generated names are compared by columns."""
    wanted = proven_manifest(step).dictionary.indexes
    found = dictionary_of(step, "target").indexes
    names = {index.name for index in found}
    columns = {(index.table, index.unique, tuple(index.columns)) for index in found}
    return [
        index.name
        for index in wanted
        if (
            (index.table, index.unique, tuple(index.columns)) not in columns
            if index.generated
            else index.name not in names
        )
    ]


def old_code(step: Step) -> list[tuple[str, str]]:
    """Views, packages and other code of the target that the dump set brings: type and name.

    An import leaves them as they are (ORA-31684). Bodies go with their heads, and triggers on tables with their tables.
    What the dump set does not bring stays.
    """
    dba = step.at("target").dba
    tables = {
        row["trigger_name"] for row in dba.select("triggers", owner=step.schema) if row["base_object_type"] == "TABLE"
    }
    brought = proven_manifest(step).dictionary.code
    found = []
    for each in code_of(step, "target"):
        kind = next((kind for kind in DROPPED if each.startswith(f"{kind} ") and " BODY " not in each), None)
        if kind and each in brought and not (kind == "TRIGGER" and each.removeprefix("TRIGGER ") in tables):
            found.append((kind, each.removeprefix(f"{kind} ")))
    return found
