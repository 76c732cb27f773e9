"""Files and folders of the home that ggsci shows or creates."""

from __future__ import annotations

import re

from infomart_lab.goldengate.ggsci.commands import CommandError, Options
from infomart_lab.goldengate.ggsci.session import Session


def _group_name(options: Options) -> str:
    name = options.next("group name")
    if not re.fullmatch(r"[\w$]+", name):
        raise CommandError(f"ERROR: Invalid group name ({name}).")
    return name


def view_ggsevt(session: Session, options: Options) -> str:
    return (session.home.root / "ggserr.log").read_text()


def view_report(session: Session, options: Options) -> str:
    name = _group_name(options).upper()
    path = session.home.root / "dirrpt" / f"{name}.rpt"
    return path.read_text() if path.exists() else f"ERROR: REPORT file {name} does not exist."


def view_params(session: Session, options: Options) -> str:
    name = _group_name(options)
    path = session.home.root / "dirprm" / f"{name.lower()}.prm"
    return path.read_text() if path.exists() else f"ERROR: PARAM file {name.upper()} does not exist."


def create_subdirs(session: Session, options: Options) -> str:
    session.home.prepare()
    return f"Creating subdirectories under current directory {session.home.root}\n"
