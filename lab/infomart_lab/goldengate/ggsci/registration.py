"""An Extract's registration in the database, and sequences that are flushed to the redo."""

from __future__ import annotations

from datetime import datetime

from infomart_lab import config as lab
from infomart_lab.goldengate.ggsci.commands import CommandError, Options, invalid_command, invalid_option, qualified
from infomart_lab.goldengate.ggsci.session import Session
from infomart_lab.goldengate.home import Group
from infomart_lab.goldengate.parameters import matches


def capture_name(group: Group) -> str:
    """Name of an Extract's capture in the database."""
    return f"OGG$CAP_{group.name}"


def _retention_name(group: Group) -> str:
    """Name of the capture that only keeps logs for a classic Extract."""
    return f"OGG$_{group.name}"


def register_extract(session: Session, options: Options) -> str:
    """REGISTER EXTRACT g [WITH] DATABASE [CONTAINER (pdb)] | LOGRETENTION."""
    group = session.home.group("extract", options.next("group name"))
    found = [word.strip("()").upper() for word in options.rest()]
    if "LOGRETENTION" in found:
        return _retain_logs(session, group)
    if "DATABASE" not in found:
        raise invalid_command()
    database = session.database()
    _check_container(session, found)
    if not database.may_capture(session.user or ""):
        text = f"User {session.user} does not have the required privileges to use integrated capture."
        return session.coded("OGG-02062", text, "ERROR")
    if database.has_capture(capture_name(group)):
        text = f"This EXTRACT {group.name} is already registered with the database."
        return session.coded("OGG-08241", text, "ERROR")
    first = database.current_scn()
    start = group.definition.get("begin_scn", first)
    database.add_capture(capture_name(group), first, max(first, start))
    # Recorded first: it exists while the dictionary is still being written.
    session.take_time()
    kind = "Extract" if session.wording == "11.2" else "Extract group"
    # With its code in release 11.2 too, and without an empty line after it.
    return (
        f"{datetime.now():%Y-%m-%d %H:%M:%S}  INFO    OGG-02003  {kind} {group.name} successfully "
        f"registered with database at SCN {first}."
    )


def _check_container(session: Session, found: list[str]) -> None:
    """CONTAINER is needed in the root of a CDB, and allowed nowhere else.

    :raises CommandError: it is missing, or names no PDB of the site, or the release captures from the root only.
    """
    pdb = session.config.sites[session.site].pdb
    names = found[found.index("CONTAINER") + 1 :] if "CONTAINER" in found else []
    if session.container != lab.ROOT:
        if names:
            raise invalid_option("CONTAINER")
        if session.container and session.wording != "21c":
            raise CommandError(f"ERROR: Log in to {lab.ROOT} to register an Extract of this release.")
    elif not names:
        raise CommandError(f"ERROR: Missing CONTAINER: an Extract of {lab.ROOT} is registered with its containers.")
    elif names != [pdb]:
        raise CommandError(f"ERROR: Pluggable database {' '.join(names)} does not exist.")


def _retain_logs(session: Session, group: Group) -> str:
    database = session.database()
    if not group.definition:
        return f"ERROR: EXTRACT {group.name} does not exist."
    if database.has_capture(_retention_name(group)):
        text = f"This EXTRACT {group.name} is already registered with the database."
        return session.coded("OGG-08241", text, "ERROR")
    scn = database.current_scn()
    database.add_capture(_retention_name(group), scn, scn)
    text = f"Successfully registered EXTRACT {group.name} to start managing log retention at SCN {scn}."
    return session.coded("OGG-01749", text)


def unregister_extract(session: Session, options: Options) -> str:
    """UNREGISTER EXTRACT g DATABASE | LOGRETENTION."""
    group = session.home.group("extract", options.next("group name"))
    name = _retention_name(group) if "LOGRETENTION" in map(str.upper, options.rest()) else capture_name(group)
    if group.status() in ("RUNNING", "STARTING"):
        return f"ERROR: EXTRACT {group.name} is running."
    session.take_time()
    if not session.database().drop_capture(name):
        text = f"Cannot unregister EXTRACT {group.name} because it is not registered."
        return session.coded("OGG-08221", text, "ERROR")
    return session.coded("OGG-01750", f"Successfully unregistered EXTRACT {group.name} from database.")


def flush_sequence(session: Session, options: Options) -> str:
    """FLUSH SEQUENCE owner.name."""
    pattern = qualified(options.next("sequence"))
    session.take_time()
    found = [name for name in session.schema_database().sequences() if matches(pattern, name)]
    if not found:
        return f"ERROR: No sequences found for {pattern}."
    for group in session.home.groups("extract"):
        if group.status() == "RUNNING" and "begin_scn" in group.definition:
            try:
                group.send({"command": "flush", "pattern": pattern})
            except OSError as error:
                return f"ERROR: sending message to EXTRACT {group.name} ({error.strerror or error})."
    return f"Successfully flushed {len(found)} sequence(s) {pattern}."
