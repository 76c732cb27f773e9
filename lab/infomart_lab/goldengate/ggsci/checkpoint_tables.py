"""Checkpoint tables of Replicats."""

from __future__ import annotations

import re
from datetime import datetime

from infomart_lab.goldengate.ggsci.commands import CommandError, Options, qualified
from infomart_lab.goldengate.ggsci.session import Session


def globals_checkpoint_table(session: Session) -> str | None:
    """Default checkpoint table, from GLOBALS."""
    text = (session.home.root / "GLOBALS").read_text()
    found = re.search(r"(?im)^\s*CHECKPOINTTABLE\s+([^\s;]+)", text)
    return qualified(found[1]) if found else None


def _named(session: Session, options: Options) -> str:
    """The table that the command names, or GLOBALS."""
    if options and options.peek() != "!":
        return qualified(options.next())
    if (name := globals_checkpoint_table(session)) is None:
        raise CommandError("ERROR: Missing checkpoint table specification.")
    return name


def add_checkpointtable(session: Session, options: Options) -> str:
    database = session.schema_database()
    name = _named(session, options)
    if database.has_table(name):
        return f"ERROR: Table {name} already exists."
    database.create_checkpoint_table(name)
    return f"Successfully created checkpoint table {name}."


def info_checkpointtable(session: Session, options: Options) -> str:
    name = _named(session, options)
    if not session.schema_database().has_table(name):
        return f"Checkpoint table {name} does not exist."
    return f"Checkpoint table {name} created {datetime.now():%Y-%m-%d %H:%M:%S}."


def delete_checkpointtable(session: Session, options: Options) -> str:
    name = _named(session, options)
    if "!" not in options.rest() and not session.says_yes():
        return (
            "This checkpoint table may be required for other installations. Are you sure you want "
            "to delete this checkpoint table? Not deleted."
        )
    if not session.schema_database().has_table(name):
        return f"ERROR: Checkpoint table {name} does not exist."
    session.schema_database().drop_table(name)
    return f"Successfully deleted checkpoint table {name}."
