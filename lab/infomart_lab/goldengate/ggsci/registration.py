"""What the database must know of an Extract: its capture, and sequences that are flushed to the redo."""

from __future__ import annotations

from datetime import datetime

from infomart_lab.goldengate.ggsci.commands import Options, invalid_command, qualified
from infomart_lab.goldengate.ggsci.session import Session
from infomart_lab.goldengate.home import Group
from infomart_lab.goldengate.parameters import matches


def capture_name(group: Group) -> str:
    """Name of an Extract's capture in the database."""
    return f"OGG$CAP_{group.name}"


def register_extract(session: Session, options: Options) -> str:
    """REGISTER EXTRACT g [WITH] DATABASE."""
    group = session.home.group("extract", options.next("group name"))
    if "DATABASE" not in [word.upper() for word in options.rest()]:
        raise invalid_command()
    database = session.database()
    if database.has_capture(capture_name(group)):
        text = f"This EXTRACT {group.name} is already registered with the database."
        return session.coded("OGG-08241", text, "ERROR")
    first = database.current_scn()
    start = group.definition.get("begin_scn", first)
    database.add_capture(capture_name(group), first, max(first, start))
    # Known from the beginning, while the dictionary is still being written.
    session.take_time()
    kind = "Extract" if session.wording == "11.2" else "Extract group"
    # With its code in release 11.2 too, and without an empty line behind it.
    return (
        f"{datetime.now():%Y-%m-%d %H:%M:%S}  INFO    OGG-02003  {kind} {group.name} successfully "
        f"registered with database at SCN {first}."
    )


def unregister_extract(session: Session, options: Options) -> str:
    """UNREGISTER EXTRACT g DATABASE."""
    group = session.home.group("extract", options.next("group name"))
    if group.status() in ("RUNNING", "STARTING"):
        return f"ERROR: EXTRACT {group.name} is running."
    session.take_time()
    if not session.database().drop_capture(capture_name(group)):
        text = f"Cannot unregister EXTRACT {group.name} because it is not registered."
        return session.coded("OGG-08221", text, "ERROR")
    return session.coded("OGG-01750", f"Successfully unregistered EXTRACT {group.name} from database.")


def flush_sequence(session: Session, options: Options) -> str:
    """FLUSH SEQUENCE owner.name."""
    pattern = qualified(options.next("sequence"))
    session.take_time()
    found = [name for name in session.database().sequences() if matches(pattern, name)]
    if not found:
        return f"ERROR: No sequences found for {pattern}."
    for group in session.home.groups("extract"):
        if group.status() == "RUNNING" and "begin_scn" in group.definition:
            try:
                group.send({"command": "flush", "pattern": pattern})
            except OSError as error:
                return f"ERROR: sending message to EXTRACT {group.name} ({error.strerror or error})."
    return f"Successfully flushed {len(found)} sequence(s) {pattern}."
