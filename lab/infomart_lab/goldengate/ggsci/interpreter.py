"""Commands with their functions: ggsci's prompt over the modules of its objects."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infomart_lab.goldengate import wording as words
from infomart_lab.goldengate.ggsci import (
    checkpoint_tables,
    files,
    groups,
    information,
    login,
    manager,
    messages,
    processes,
    registration,
    trails,
    trandata,
)
from infomart_lab.goldengate.ggsci import wording as replies
from infomart_lab.goldengate.ggsci.commands import CommandError, Options, invalid_command, masked, split
from infomart_lab.goldengate.ggsci.session import Session

Command = Callable[[Session, Options], str]

#: Commands that are echoed into ggserr.log (OGG-00987).
_CHANGING = frozenset(
    ["ADD", "ALTER", "DELETE", "REGISTER", "UNREGISTER", "START", "STOP", "KILL", "SEND", "FLUSH", "CREATE"]
)


def _obey(session: Session, options: Options) -> str:
    """OBEY file."""
    path = Path(options.next("file"))
    if not path.is_file():
        return f"ERROR: Could not open obey file {path}."
    return "\n\n".join(execute(session, line) for line in path.read_text().splitlines() if line.strip())


def _help(session: Session, options: Options) -> str:
    return replies.HELP


#: Commands without an object.
_ALONE: dict[str, Command] = {"DBLOGIN": login.dblogin, "OBEY": _obey, "HELP": _help}


def _of_groups(command: Command) -> dict[str, Command]:
    """A command that takes groups of either kind."""
    return {"EXTRACT": command, "REPLICAT": command, "ER": command}


#: Commands by verb and object.
_COMMANDS: dict[str, dict[str, Command]] = {
    "ADD": {
        "TRANDATA": trandata.add_trandata,
        "SCHEMATRANDATA": trandata.add_schematrandata,
        "EXTRACT": groups.add_extract,
        "REPLICAT": groups.add_replicat,
        "EXTTRAIL": trails.add_trail,
        "RMTTRAIL": trails.add_trail,
        "CHECKPOINTTABLE": checkpoint_tables.add_checkpointtable,
        "CREDENTIALSTORE": login.add_credentialstore,
    },
    "ALTER": {
        "EXTRACT": groups.alter_group,
        "REPLICAT": groups.alter_group,
        "CREDENTIALSTORE": login.alter_credentialstore,
    },
    "DELETE": {
        "TRANDATA": trandata.delete_trandata,
        "SCHEMATRANDATA": trandata.delete_schematrandata,
        "EXTRACT": groups.delete_group,
        "REPLICAT": groups.delete_group,
        "EXTTRAIL": trails.delete_trail,
        "RMTTRAIL": trails.delete_trail,
        "CHECKPOINTTABLE": checkpoint_tables.delete_checkpointtable,
    },
    "INFO": {
        "ALL": information.info_all,
        "MGR": manager.info_manager,
        "TRANDATA": trandata.info_trandata,
        "SCHEMATRANDATA": trandata.info_schematrandata,
        "EXTTRAIL": trails.info_trail,
        "RMTTRAIL": trails.info_trail,
        "CHECKPOINTTABLE": checkpoint_tables.info_checkpointtable,
        "CREDENTIALSTORE": login.info_credentialstore,
        **_of_groups(information.info_groups),
    },
    "REGISTER": {"EXTRACT": registration.register_extract},
    "UNREGISTER": {"EXTRACT": registration.unregister_extract},
    "FLUSH": {"SEQUENCE": registration.flush_sequence},
    "START": {"MGR": manager.start_manager, **_of_groups(processes.start_groups)},
    "STOP": {"MGR": manager.stop_manager, **_of_groups(processes.stop_groups)},
    "KILL": _of_groups(processes.kill_groups),
    "STATUS": {"MGR": manager.info_manager, **_of_groups(information.status_groups)},
    "LAG": _of_groups(messages.lag_groups),
    "SEND": {"MGR": manager.send_manager, **_of_groups(messages.send_groups)},
    "STATS": _of_groups(messages.stats_groups),
    "VIEW": {"GGSEVT": files.view_ggsevt, "REPORT": files.view_report, "PARAMS": files.view_params},
    "CREATE": {"SUBDIRS": files.create_subdirs},
}


def run(session: Session, write: Callable[[str], Any]) -> None:
    """Answer the commands until EXIT or the end of the input."""
    write(words.banner(session.wording, "ggsci") + "\n\n\n")
    number = 1
    while True:
        write(session.prompt(number))
        line = next(session.lines, None)
        if line is None:
            write("\n")
            return
        if not line.strip() or line.strip().startswith("--"):
            continue
        number += 1
        found = split(line)
        if found and found[0].upper() in ("EXIT", "QUIT"):
            write("\n")
            return
        write("\n" + execute(session, line) + "\n\n")


def execute(session: Session, line: str) -> str:
    """Reply to one command."""
    found = split(line)
    if not found:
        return ""
    home = session.home
    if Path.cwd().resolve() != home.root.resolve():
        return (
            f"ERROR: Unable to open the files of Oracle GoldenGate in {Path.cwd()} (error 2, No such file or "
            "directory). Change to the Oracle GoldenGate home before starting GGSCI."
        )
    verb, options = found[0].upper(), Options(found[1:])
    if verb in _CHANGING:
        text = f"GGSCI command ({getpass.getuser()}): {masked(line.strip())}."
        home.log("INFO", "OGG-00987", "ggsci", "", text)
    try:
        return _command(verb, options)(session, options)
    except CommandError as error:
        return str(error)


def _command(verb: str, options: Options) -> Command:
    """The function for a verb and, where it has one, the object after it.

    :raises CommandError: there is no such command.
    """
    if verb in _ALONE:
        return _ALONE[verb]
    if verb not in _COMMANDS or (command := _COMMANDS[verb].get(options.take_object())) is None:
        raise invalid_command()
    return command
