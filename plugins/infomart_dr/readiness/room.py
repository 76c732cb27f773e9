"""Free space and undo compared with the size of the schema, the redo and the estimated times."""

from __future__ import annotations

from infomart_dr.evidence import estimate as estimates
from infomart_dr.guards import dump_set as dump_set_guard
from infomart_dr.guards import fitness
from infomart_dr.readiness.context import CheckContext
from infomart_dr.readiness.report import Check, Verdict, blocked, not_checked, of_faults, ok, warning
from infomart_dr.text import size_text, sorted_names
from infomart_dr.times import span
from infomart_dr.topology import SiteRole


def _data_pump_directory(context: CheckContext, role: SiteRole) -> Verdict:
    step = context.step
    folder = dump_set_guard.directory_path(step, role)
    host = step.at(role).host()
    if not host.exists(folder):
        return blocked(
            f"{folder} of the directory {step.at(role).settings.database.data_pump.directory} is missing on "
            f"{host.label}",
            "Create the folder, writable for the database's user and for the user of the SSH connection.",
        )
    if host.run(["test", "-w", folder], check=False).exit_code != 0:
        return blocked(f"the user of {host.label} cannot write to {folder}", "Give this user write access to it.")
    if role == "source":
        _, unreadable = dump_set_guard.unreadable_files(step, role, ("*.dmp", "*.log"))
        if unreadable:
            what = f"the user of {host.label} cannot read files of {folder}: {sorted_names(unreadable)}"
            return warning(what, dump_set_guard.READABLE)
    return ok(f"{folder} exists and is writable")


def _export_space(context: CheckContext, role: SiteRole) -> Verdict:
    room = dump_set_guard.export_room(context.step, role)
    return _room(room, context.step.at(role).name)


def _import_space(context: CheckContext, role: SiteRole) -> Verdict:
    return _room(dump_set_guard.import_room(context.step, context.dump_bytes), context.step.at(role).name)


def _room(room: dump_set_guard.Room, site: str) -> Verdict:
    what = f"{room.folder} has {size_text(room.free)} free, up to {size_text(room.needed)} needed"
    if room.fits:
        return ok(what)
    return blocked(what, f"Free space at {site}, or point the directory object to another file system.")


def _tablespace(context: CheckContext, role: SiteRole) -> Verdict:
    """The tablespace of the Info Mart's owner; the replaced schema frees its own space."""
    step = context.step
    if role in context.without_owner:
        return not_checked(f"the tablespace is unknown while {step.schema} cannot log in at {step.at(role).name}")
    name = str(step.at(role).info_mart.select("own_account")[0]["default_tablespace"])
    found = step.at(role).dba.select("tablespace_free", tablespace_name=name)
    if not found:
        return blocked(f"tablespace {name} has no data file", f"Add a data file to {name}.")
    row = found[0]
    growth = max(int(row["max_bytes"]) - int(row["bytes"]), 0)
    room = int(row["free_bytes"]) + growth + dump_set_guard.schema_bytes(step, role)
    what = f"tablespace {name} can hold {size_text(room)}, the schema has {size_text(context.schema_bytes)}"
    if room >= context.schema_bytes:
        return ok(what)
    return blocked(what, f"Add data files to {name} at {step.at(role).name}, or let them grow.")


def undo_verdict(undo: dump_set_guard.Undo) -> Verdict:
    """The export can read as of its SCN until it ends."""
    what = undo.time_text()
    remedy = (
        "ALTER SYSTEM SET undo_retention, with a large enough undo tablespace; otherwise ORA-01555 ends the export."
    )
    if undo.too_short:
        return blocked(what, remedy)
    return ok(what) if undo.covers else warning(what, remedy)


def undo_space_verdict(undo: dump_set_guard.Undo) -> Verdict:
    """The undo tablespace can keep the undo that the export reads.

    Never blocked: the rate is that of a day with a running server, and the server is stopped for the export.
    """
    what = undo.room_text()
    if undo.room is None:
        return not_checked(
            what, "Check its data files and V$UNDOSTAT in the container that has them, such as CDB$ROOT."
        )
    if undo.fits:
        return ok(what)
    return warning(what, "Add a data file to the undo tablespace, let it grow, or copy in a quiet hour.")


def _trail_space(context: CheckContext, role: SiteRole) -> Verdict:
    """Trails are kept from the capture until they are applied; they are at most as large as the redo.

    The source needs space for its local trail, the target for the trail that arrives.
    """
    step = context.step
    goldengate = step.at(role).settings.goldengate
    trails = goldengate.trails
    folder = goldengate.trail_folder(trails.local if role == "source" else trails.arriving(step.at("source").name))
    return space_verdict(
        f"{folder} at {step.at(role).name}",
        step.at(role).host().free_space(folder),
        context.redo_rate,
        _kept_for(context),
    )


def _kept_for(context: CheckContext) -> estimates.Span:
    """The time for which changes may have to be kept."""
    if context.copies:
        return context.estimate.copy
    # For a standby that follows: a link that is cut for up to half a day.
    return estimates.Span(3600, 12 * 3600)


def space_verdict(what: str, free: int, rate: float, kept: estimates.Span) -> Verdict:
    """The changes of a time fit.

    :param rate: bytes of redo a second.
    :param kept: the time.
    """
    need = rate * kept.high
    said = (
        f"{what} has {size_text(free)} free; redo of {size_text(rate)}/s for up to {span(kept.high)} needs "
        f"{size_text(need)}"
    )
    remedy = "Free space, or copy in a quiet hour."
    if free >= need:
        return ok(said)
    return (blocked if free < rate * kept.low else warning)(said, remedy)


def _redo_space(context: CheckContext, role: SiteRole) -> Verdict:
    rows = context.step.at(role).dba.select("recovery_area")
    if not rows or not int(rows[0]["space_limit"] or 0):
        return not_checked("archived redo does not go into a recovery area", "Check the archive destination.")
    free = dump_set_guard.recovery_room(rows[0])
    return space_verdict(f"the recovery area {rows[0]['name']}", free, context.redo_rate, _kept_for(context))


def _import_redo(context: CheckContext, role: SiteRole) -> Verdict:
    return of_faults(fitness.import_redo_faults(context.step), "the redo of the import fits")


def _lobs(context: CheckContext, role: SiteRole) -> Verdict:
    return of_faults(fitness.lob_faults(context.step, role), "no LOB keeps its old versions by space")


DIRECTORY = Check(
    "data_pump_directory",
    "Data Pump's directory object exists, and its folder exists and is writable; files at the source are readable",
    _data_pump_directory,
    needs=("dba_connection", "database_host"),
)
EXPORT_SPACE = Check(
    "export_space",
    "Free space of the source's directory compared with the tables and LOBs, uncompressed",
    _export_space,
    needs=("dba_connection", "database_host", "data_pump_directory"),
)
IMPORT_SPACE = Check(
    "import_space",
    "Free space of the target's directory compared with the same, with transfer.space_factor",
    _import_space,
    needs=("dba_connection", "database_host", "data_pump_directory"),
    of_source=("dba_connection",),
)
TABLESPACE = Check(
    "tablespace",
    "Space in the Info Mart's tablespace at the target compared with the size of the schema",
    _tablespace,
    needs=("dba_connection", "info_mart_connection"),
    of_source=("dba_connection",),
)
UNDO = Check(
    "undo_retention",
    "undo_retention and the retention of the last day (V$UNDOSTAT) at the source compared with the export's time",
    lambda context, role: undo_verdict(context.undo),
    needs=("dba_connection", "goldengate_connection"),
)
UNDO_SPACE = Check(
    "undo_tablespace",
    "Space in the source's undo tablespace compared with the undo written in that time (V$UNDOSTAT, last day)",
    lambda context, role: undo_space_verdict(context.undo),
    needs=("dba_connection", "goldengate_connection"),
)
TRAIL_SPACE = Check(
    "trail_space",
    "Free space for the trails compared with the redo written during the copy, or during 12 hours of a cut link",
    _trail_space,
    needs=("database_host", "goldengate"),
    of_source=("dba_connection", "goldengate_connection"),
)
REDO_SPACE = Check(
    "redo_space",
    "Space for archived redo at the source compared with the same (V$RECOVERY_FILE_DEST, V$ARCHIVED_LOG)",
    _redo_space,
    needs=("dba_connection", "goldengate_connection"),
)
IMPORT_REDO = Check(
    "import_redo",
    "Space of the target's recovery area compared with the size of the schema, which the import writes as redo",
    _import_redo,
    needs=("dba_connection",),
    of_source=("dba_connection",),
)
LOBS = Check(
    "lob_retention",
    "LOBs of the source that keep old versions by space (PCTVERSION), from which a long export may not read",
    _lobs,
    needs=("dba_connection",),
)
