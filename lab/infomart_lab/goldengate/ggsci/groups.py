"""Groups: Extracts, pumps and Replicats, as they are added, altered and deleted."""

from __future__ import annotations

import re
import time
import uuid
from datetime import datetime
from typing import Any

from infomart_lab.goldengate import trail
from infomart_lab.goldengate import wording as words
from infomart_lab.goldengate.ggsci.checkpoint_tables import globals_checkpoint_table
from infomart_lab.goldengate.ggsci.commands import CommandError, Options, invalid_option, qualified
from infomart_lab.goldengate.ggsci.registration import capture_name
from infomart_lab.goldengate.ggsci.session import NOT_LOGGED_IN, Session
from infomart_lab.goldengate.home import Group, GroupKind
from infomart_lab.goldengate.parameters import matches

_KINDS: dict[str, GroupKind | None] = {"EXTRACT": "extract", "REPLICAT": "replicat", "ER": None}

# -- which group ----------------------------------------------------------------------------------


def existing(session: Session, kind: GroupKind, name: str) -> Group:
    """The group of a name.

    :raises CommandError: there is none.
    """
    group = session.home.group(kind, name)
    if not group.definition:
        raise CommandError(f"ERROR: {group.program} {group.name} does not exist.")
    return group


def selected(session: Session, options: Options) -> list[Group]:
    """Groups of the command's object (EXTRACT, REPLICAT or ER) that the next word names, with wildcards.

    :raises CommandError: there is none.
    """
    pattern = options.next("group name")
    found = [group for group in session.home.groups(_KINDS[options.object]) if matches(pattern, group.name)]
    if not found:
        if "*" in pattern or "?" in pattern:
            raise CommandError("No groups found.")
        program = options.object if options.object != "ER" else "EXTRACT/REPLICAT"
        raise CommandError(f"ERROR: {program} {pattern.upper()} does not exist.")
    return found


def is_active(group: Group) -> bool:
    """True when the group's process runs or is being started."""
    return group.status() in ("RUNNING", "STARTING")


def _new(session: Session, kind: GroupKind, options: Options) -> Group:
    name = options.next("group name")
    if not re.fullmatch(r"[A-Za-z_$][\w$]{0,7}", name):
        raise CommandError(f"ERROR: Invalid group name ({name}), must be at most 8 characters.")
    group = session.home.group(kind, name)
    if any(other.name == group.name for other in session.home.groups()):
        raise CommandError(f"ERROR: {group.program} {group.name} already exists.")
    return group


# -- add ------------------------------------------------------------------------------------------


def _begin(session: Session, options: Options) -> tuple[int, str]:
    """Position and time of ``BEGIN NOW`` or ``BEGIN yyyy-mm-dd [hh:mi[:ss]]``."""
    word = options.keyword()
    if word == "NOW":
        return session.connect().current_scn(), datetime.now().astimezone().isoformat()
    text = word
    if re.match(r"\d\d:", options.peek()):
        text += " " + options.next()
    try:
        moment = datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise CommandError(f"ERROR: Invalid date/time ({text}).") from None
    scn = session.connect().scn_at(moment)
    if scn is None:
        raise CommandError(f"ERROR: ORA-08186: invalid timestamp specified ({text}).")
    return scn, moment.isoformat()


def _takes_common(definition: dict[str, Any], word: str, options: Options) -> bool:
    """Take an option that Extracts and Replicats share; False for another option."""
    if word == "EXTSEQNO":
        definition["start"] = [options.number("EXTSEQNO"), 0]
    elif word == "EXTRBA":
        definition["start"] = [definition.get("start", [0])[0], options.number("EXTRBA")]
    elif word in ("DESC", "PARAMS", "REPORT"):
        options.next(word)
    else:
        return False
    return True


def _save_new(group: Group, definition: dict[str, Any]) -> None:
    group.remove()
    group.save_definition(definition)
    group.save_process("STOPPED")


def add_extract(session: Session, options: Options) -> str:
    """ADD EXTRACT g, [INTEGRATED] TRANLOG, BEGIN time | EXTTRAILSOURCE trail."""
    group = _new(session, "extract", options)
    definition: dict[str, Any] = {"id": uuid.uuid4().hex, "created": time.time(), "trails": {}}
    kind = ""
    begin: int | None = None
    while options:
        word = options.keyword()
        if word == "INTEGRATED":
            definition["integrated"] = True
            kind = "Integrated"
        elif word == "TRANLOG":
            definition["tranlog"] = True
        elif word == "THREADS":
            definition["threads"] = options.number("THREADS")
        elif word == "BEGIN":
            begin, definition["begin_time"] = _begin(session, options)
        elif word == "SCN":
            begin = options.number("SCN")
        elif word == "EXTTRAILSOURCE":
            definition["source"] = options.next("trail")
        elif not _takes_common(definition, word, options):
            raise invalid_option(word)
    if "source" not in definition:
        if not definition.get("tranlog"):
            return "ERROR: Must specify a data source (TRANLOG or EXTTRAILSOURCE)."
        if begin is None:
            return "ERROR: BEGIN, SCN or LSN must be specified for TRANLOG."
        if kind and session.user is None:
            return NOT_LOGGED_IN
        definition["begin_scn"] = begin
        if kind:
            session.connect().move_capture(capture_name(group), begin)
    _save_new(group, definition)
    return words.added("Extract" if session.wording == "21c" and not kind else "EXTRACT", kind, session.wording)


def add_replicat(session: Session, options: Options) -> str:
    """ADD REPLICAT g, [INTEGRATED | PARALLEL] EXTTRAIL trail [, CHECKPOINTTABLE t | NODBCHECKPOINT]."""
    group = _new(session, "replicat", options)
    definition: dict[str, Any] = {"id": uuid.uuid4().hex, "created": time.time()}
    kind = ""
    use_globals = True
    while options:
        word = options.keyword()
        if word in ("INTEGRATED", "PARALLEL", "COORDINATED"):
            kind = "Integrated" if word == "INTEGRATED" and not kind else kind or word.capitalize()
        elif word == "EXTTRAIL":
            definition["trail"] = options.next("trail")
        elif word == "CHECKPOINTTABLE":
            definition["checkpoint_table"] = qualified(options.next("table"))
        elif word == "NODBCHECKPOINT":
            use_globals = False
        elif word == "BEGIN":
            _begin(session, options)
        elif not _takes_common(definition, word, options):
            raise invalid_option(word)
    if use_globals and "checkpoint_table" not in definition and (name := globals_checkpoint_table(session)):
        definition["checkpoint_table"] = name
    if "trail" not in definition:
        return "ERROR: Must specify a data source (EXTTRAIL)."
    if kind == "Integrated" and session.user is None:
        return NOT_LOGGED_IN
    definition["type"] = kind
    _save_new(group, definition)
    return words.added("REPLICAT", kind, session.wording)


# -- alter and delete -----------------------------------------------------------------------------


def alter_group(session: Session, options: Options) -> str:
    """ALTER EXTRACT|REPLICAT g, BEGIN time | SCN n | EXTSEQNO n | EXTRBA n | ETROLLOVER."""
    kind: GroupKind = "extract" if options.object == "EXTRACT" else "replicat"
    group = existing(session, kind, options.next("group name"))
    if is_active(group):
        return f"ERROR: {group.program} {group.name} is running. Stop it before you alter it."
    definition, checkpoint = group.definition, group.checkpoint
    while options:
        word = options.keyword()
        if word == "BEGIN" and kind == "extract" and "source" not in definition:
            definition["begin_scn"], definition["begin_time"] = _begin(session, options)
            checkpoint.pop("csn", None)
            session.connect().move_capture(capture_name(group), int(definition["begin_scn"]))
        elif word == "SCN" and kind == "extract":
            definition["begin_scn"] = options.number("SCN")
            checkpoint.pop("csn", None)
        elif word in ("EXTSEQNO", "EXTRBA"):
            start = definition.get("start") or [0, 0]
            start[0 if word == "EXTSEQNO" else 1] = options.number(word)
            definition["start"] = start
            # A new identity: positions in the remote trail or the checkpoint table no longer count.
            definition["id"] = uuid.uuid4().hex
            checkpoint = {}
        elif word == "ETROLLOVER":
            _roll_over(session, definition, checkpoint)
        elif word in ("TRANLOG", "INTEGRATED"):
            definition["integrated"] = True
        else:
            raise invalid_option(word)
    group.save_definition(definition)
    group.save_checkpoint(checkpoint)
    return f"{group.program} altered."


def _roll_over(session: Session, definition: dict[str, Any], checkpoint: dict[str, Any]) -> None:
    """Begin the next file of each trail that the Extract has written."""
    for name in definition.get("trails", {}):
        writer = trail.Writer(session.home.trail_path(name), definition["id"], 1 << 30, session.home.digits)
        if checkpoint.get("write") and not definition.get("source"):
            writer.open()
            writer.roll_over()
            writer.close()
            checkpoint["write"] = list(writer.position)


def delete_group(session: Session, options: Options) -> str:
    """DELETE EXTRACT|REPLICAT g [!]."""
    wildcard = any(character in options.peek() for character in "*?")
    groups = selected(session, options)
    sure = "!" in options.rest()
    if wildcard and not sure and not session.says_yes():
        return "Are you sure you want to delete all groups? No groups deleted."
    return "\n".join(_delete(session, group, sure=sure) for group in groups)


def _delete(session: Session, group: Group, *, sure: bool) -> str:
    if is_active(group):
        return f"ERROR: Could not delete {group.program} {group.name}: the process is running."
    table = group.definition.get("checkpoint_table")
    if group.kind == "replicat" and table:
        if session.user is not None:
            session.connect().forget_checkpoint(str(table), group.name, group.definition["id"])
        elif not sure:
            return (
                f"ERROR: Could not delete DB checkpoint for {group.program} {group.name} (Database login "
                "required to delete database checkpoint)."
            )
    group.remove()
    return f"Deleted {group.program} {group.name}."
