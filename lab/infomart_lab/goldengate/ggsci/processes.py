"""Processes of groups: START, STOP and KILL."""

from __future__ import annotations

import time

from infomart_lab import config as lab
from infomart_lab.goldengate.ggsci import wording as replies
from infomart_lab.goldengate.ggsci.commands import CommandError, Options, invalid_option
from infomart_lab.goldengate.ggsci.groups import is_active, selected
from infomart_lab.goldengate.ggsci.manager import ask_manager
from infomart_lab.goldengate.ggsci.session import Session
from infomart_lab.goldengate.home import Group

_POSITIONS = ("AFTERCSN", "ATCSN")
_SWITCHES = ("NOFILTERDUPTRANSACTIONS", "FILTERDUPTRANSACTIONS", "SKIPTRANSACTION")
#: A classic Extract does not stop while a transaction is open for longer than this many seconds.
LONG_TRANSACTION_SECONDS = 60


def start_groups(session: Session, options: Options) -> str:
    """START EXTRACT|REPLICAT|ER group [, AFTERCSN n | ATCSN n]."""
    groups = selected(session, options)
    extra: list[str] = []
    while options:
        word = options.keyword()
        if word in _POSITIONS:
            if any(group.kind != "replicat" for group in groups):
                raise invalid_option(word)
            extra = [word, str(options.number(word))]
        elif word not in _SWITCHES:
            raise invalid_option(word)
    if session.home.manager_running() is None:
        return "ERROR: Manager not currently running."
    return "\n\n".join(_start(session, group, extra) for group in groups)


def _start(session: Session, group: Group, extra: list[str]) -> str:
    if is_active(group):
        return f"{group.program} {group.name} is already running."
    if not group.parameter_path.exists():
        return f"ERROR: Parameter file {group.parameter_path} does not exist."
    reply = ask_manager(session, {"command": "start", "kind": group.kind, "group": group.name, "options": extra})
    text = f"{group.program} {group.name} starting" if reply.get("ok") else "ERROR: " + reply["error"]
    return f"Sending START request to MANAGER ...\n{text}"


def stop_groups(session: Session, options: Options) -> str:
    """STOP EXTRACT|REPLICAT|ER group [!]."""
    groups = selected(session, options)
    at_once = "!" in options.rest()
    return "\n\n".join(stop(session, group, at_once=at_once) for group in groups)


def stop(session: Session, group: Group, *, force: bool = False, at_once: bool = False) -> str:
    """Stop a group's process and wait for its end.

    :param force: even while a transaction is open.
    :param at_once: a Replicat gives its transaction up.
    """
    command = "abort" if at_once and group.kind == "replicat" else "stop"
    status = group.status()
    if status not in ("RUNNING", "STARTING"):
        # An abended group stays so: AUTORESTART may start it again.
        return f"{group.program} {group.name} is already stopped."
    head = f"Sending STOP request to {group.program} {group.name} ..."
    if not force and group.kind == "extract" and _refuses_stop(session, group):
        return f"{head}\n\n{replies.OPEN_TRANSACTIONS.format(group=group.name)}"
    # A STARTING process takes no command yet. A Replicat in a transaction continues to its end.
    deadline = time.monotonic() + (3 if group.kind == "replicat" else 15)
    asked, trouble = False, "no answer"
    while time.monotonic() < deadline and is_active(group):
        if not asked:
            try:
                group.send({"command": command})
                asked = True
            except OSError as error:
                trouble = error.strerror or str(error)
        time.sleep(0.05)
    if not asked and is_active(group):
        return f"{head}\n\nERROR: sending message to {group.program} {group.name} ({trouble})."
    return f"{head}\nRequest processed."


def _refuses_stop(session: Session, group: Group) -> bool:
    """True when a classic Extract would need archived logs of a long transaction after its next start."""
    definition = group.definition
    if definition.get("source"):
        return False
    if lab.fault(session.config, f"{session.site}.goldengate.stop_refused"):
        return True
    if definition.get("integrated"):
        return False
    try:
        rows = session.connect().open_transactions()
    except CommandError:
        return False
    return any(seconds > LONG_TRANSACTION_SECONDS for _, seconds, _ in rows)


def kill_groups(session: Session, options: Options) -> str:
    """KILL EXTRACT|REPLICAT|ER group."""
    return "\n\n".join(_kill(group) for group in selected(session, options))


def _kill(group: Group) -> str:
    if not group.alive():
        return f"ERROR: {group.program} {group.name} is not currently running."
    # Marked first: AUTORESTART leaves a killed process alone.
    group.save_process("STOPPED")
    pid = group.kill()
    return f"Sending KILL request to MANAGER ...\nKilled process ({pid}) for {group.program} {group.name}"
