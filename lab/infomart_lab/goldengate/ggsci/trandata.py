"""Supplemental logging: of tables (TRANDATA) and of schemas (SCHEMATRANDATA)."""

from __future__ import annotations

from infomart_lab.goldengate.ggsci.commands import CommandError, Options, qualified
from infomart_lab.goldengate.ggsci.session import Session
from infomart_lab.goldengate.parameters import matches

#: Stands for all tables of a schema.
_ALL = "*"


def _tables(session: Session, options: Options) -> list[str]:
    """Tables that the next word names, with wildcards."""
    pattern = qualified(options.next("table"))
    found = [table for table in session.schema_database().tables() if matches(pattern, table)]
    if not found:
        raise CommandError(f"ERROR: No viable tables matched specification {pattern}.")
    return found


def add_trandata(session: Session, options: Options) -> str:
    tables = _tables(session, options)
    session.take_time()
    known = session.schema_database().log_groups()
    lines = []
    for table in tables:
        owner, _, name = table.partition(".")
        if (owner, name) in known:
            text = f"Logging of supplemental redo log data is already enabled for table {table}."
            lines.append(session.coded("OGG-15130", text))
            continue
        session.schema_database().add_log_group(owner, name, f"GGS_{name}"[:30])
        text = f"Logging of supplemental redo data enabled for table {table}."
        lines.append(session.coded("OGG-15132", text))
        if session.wording != "11.2":
            text = f"TRANDATA for scheduling columns has been added on table {table}."
            lines.append(session.coded("OGG-15133", text))
    return "\n".join(lines)


def delete_trandata(session: Session, options: Options) -> str:
    lines = []
    for table in _tables(session, options):
        owner, _, name = table.partition(".")
        session.schema_database().drop_log_group(owner, name)
        text = f"Logging of supplemental redo log data disabled for table {table}."
        lines.append(session.coded("OGG-15142", text))
    return "\n".join(lines)


def info_trandata(session: Session, options: Options) -> str:
    tables = _tables(session, options)
    known = session.schema_database().log_groups()
    lines = []
    for table in tables:
        owner, _, name = table.partition(".")
        enabled = (owner, name) in known or (owner, _ALL) in known
        state = "enabled" if enabled else "disabled"
        lines.append(f"Logging of supplemental redo log data is {state} for table {table}.\n")
        if enabled:
            keys = ", ".join(f'"{column}"' for column in session.schema_database().key_columns(owner, name)) or "ALL"
            lines.append(f"Columns supplementally logged for table {table}: {keys}.\n")
    return "\n".join(lines)


def add_schematrandata(session: Session, options: Options) -> str:
    database = session.schema_database()
    owner = options.next("schema").upper()
    if not database.has_schema(owner):
        text = (
            f"Failed to ADD SCHEMATRANDATA on schema {owner} because of the following SQL error: "
            "ORA-01435: user does not exist."
        )
        return session.coded("OGG-01790", text, "ERROR").rstrip()
    session.take_time()
    if (owner, _ALL) not in database.log_groups():
        database.add_log_group(owner, _ALL, "SCHEMATRANDATA")
    lines = [session.coded("OGG-01788", f"SCHEMATRANDATA has been added on schema {owner}.")]
    if session.wording != "11.2":
        text = f"SCHEMATRANDATA for scheduling columns has been added on schema {owner}."
        lines.append(session.coded("OGG-01976", text))
    return "\n".join(lines)


def delete_schematrandata(session: Session, options: Options) -> str:
    owner = options.next("schema").upper()
    session.schema_database().drop_log_group(owner, _ALL)
    return session.coded("OGG-01792", f"SCHEMATRANDATA has been deleted on schema {owner}.")


def info_schematrandata(session: Session, options: Options) -> str:
    database = session.schema_database()
    pattern = options.next("schema").upper()
    owners = {o for o in session.config.oracle_users(session.site) if matches(pattern, o)} or {pattern}
    known = database.log_groups()
    lines = []
    for owner in sorted(owners):
        if (owner, _ALL) in known:
            code = "OGG-01785" if session.wording == "11.2" else "OGG-06480"
            text = f"Schema level supplemental logging, excluding non-validated keys, is enabled on schema {owner}."
        else:
            code, text = "OGG-01786", f"Schema level supplemental logging is disabled on schema {owner}."
        lines.append(session.coded(code, text))
    return "\n".join(lines)
