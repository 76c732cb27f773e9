"""Trails, local (EXTTRAIL) and remote (RMTTRAIL)."""

from __future__ import annotations

import re

from infomart_lab.goldengate.ggsci.commands import Options, invalid_option
from infomart_lab.goldengate.ggsci.groups import existing
from infomart_lab.goldengate.ggsci.session import Session
from infomart_lab.goldengate.parameters import matches


def add_trail(session: Session, options: Options) -> str:
    """ADD EXTTRAIL|RMTTRAIL name, EXTRACT group [, MEGABYTES n]."""
    name = options.next("trail")
    megabytes, group_name = 100, None
    while options:
        word = options.keyword()
        if word in ("EXTRACT", "EXT"):
            group_name = options.next("group name")
        elif word == "MEGABYTES":
            megabytes = options.number("MEGABYTES")
        elif word in ("SEQNO", "FORMAT"):
            options.next(word)
        else:
            raise invalid_option(word)
    if group_name is None:
        return "ERROR: Must specify EXTRACT."
    group = existing(session, "extract", group_name)
    if not re.fullmatch(r".*/?[^/]{2}", name):
        return f"ERROR: Invalid trail name ({name}); it must end in two characters."
    definition = group.definition
    if any(name in other.definition.get("trails", {}) for other in session.home.groups("extract")):
        return f"ERROR: {options.object} {name} already exists."
    definition["trails"][name] = {"megabytes": megabytes, "remote": options.object == "RMTTRAIL"}
    group.save_definition(definition)
    return f"{options.object} added."


def delete_trail(session: Session, options: Options) -> str:
    name = options.next("trail")
    lines = []
    for group in session.home.groups("extract"):
        definition = group.definition
        if name in definition.get("trails", {}):
            del definition["trails"][name]
            group.save_definition(definition)
            lines.append(f"Deleting extract trail {name} for extract {group.name}")
    return "\n".join(lines) or f"ERROR: Trail {name} does not exist."


def info_trail(session: Session, options: Options) -> str:
    pattern = options.next("trail") if options else "*"
    lines = []
    for group in session.home.groups("extract"):
        for name, about in group.definition.get("trails", {}).items():
            if not matches(pattern.upper(), name.upper()):
                continue
            seq, rba = group.checkpoint.get("write") or (0, 0)
            lines.append(
                f"       Extract Trail: {name}\n"
                f"        Seqno Length: {session.home.digits}\n"
                f"             Extract: {group.name}\n"
                f"               Seqno: {seq}\n"
                f"                 RBA: {rba}\n"
                f"           File Size: {about['megabytes']}M\n"
            )
    return "\n".join(lines) or "ERROR: No trails found."
