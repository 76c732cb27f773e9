"""LAG, SEND and STATS: questions to the running processes of groups."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from infomart_lab.goldengate import wording as words
from infomart_lab.goldengate.ggsci import wording as replies
from infomart_lab.goldengate.ggsci.commands import CommandError, Options, invalid_option
from infomart_lab.goldengate.ggsci.groups import selected
from infomart_lab.goldengate.ggsci.processes import stop
from infomart_lab.goldengate.ggsci.session import Session
from infomart_lab.goldengate.home import Group
from infomart_lab.goldengate.parameters import matches


class NoAnswer(CommandError):
    """A group's process does not run, or does not answer: its part of the reply is an error."""


def _not_running(group: Group) -> NoAnswer:
    return NoAnswer(f"ERROR: {group.program} {group.name} not currently running.")


def _request(group: Group, name: str, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """First line of a reply, and the process's answer.

    :raises NoAnswer: it does not run, or does not answer.
    """
    if group.status() != "RUNNING":
        raise _not_running(group)
    head = f"Sending {name} request to {group.program} {group.name} ..."
    try:
        return head, group.send(request)
    except OSError as error:
        trouble = error.strerror or error
        raise NoAnswer(f"{head}\n\nERROR: sending message to {group.program} {group.name} ({trouble}).") from None


def _of_each(groups: list[Group], reply: Callable[[Group], str]) -> str:
    """Replies of all groups; one that does not answer does not hide the others."""
    blocks = []
    for group in groups:
        try:
            blocks.append(reply(group))
        except NoAnswer as error:
            blocks.append(str(error))
    return "\n\n".join(blocks)


# -- LAG ------------------------------------------------------------------------------------------


def lag_groups(session: Session, options: Options) -> str:
    """LAG EXTRACT|REPLICAT|ER group."""
    return _of_each(selected(session, options), lambda group: _lag(session, group))


def _lag(session: Session, group: Group) -> str:
    head, reply = _request(group, "GETLAG", {"command": "status"})
    checkpoint, at_end = reply["checkpoint"], reply["at_end"]
    lines = [head]
    if not checkpoint.get("ts"):
        if not at_end:
            return "\n".join([head, "Lag unknown (timestamp not available)."])
        lines.append("No records yet processed.")
    elif group.kind == "replicat" and group.definition.get("type") == "Integrated":
        lag, csn = int(reply["lag"]), checkpoint.get("csn")
        lines += [
            f"Low watermark lag: {lag}.",
            f"High watermark lag: {lag}.",
            f"Low watermark position: {csn}.",
            f"High watermark position: {csn}.",
        ]
    else:
        lag = checkpoint.get("record_lag", 0.0) if at_end else reply["lag"]
        lines.append(words.seconds_lag(lag, session.wording))
    if at_end:
        lines.append(words.at_end(session.wording))
    return "\n".join(lines)


# -- SEND -----------------------------------------------------------------------------------------


def send_groups(session: Session, options: Options) -> str:
    """SEND EXTRACT|REPLICAT|ER group, STATUS|LOGEND|GETLAG|STOP|FORCESTOP|SHOWTRANS|REPORT."""
    groups = selected(session, options)
    message = options.keyword()
    return _of_each(groups, lambda group: _send(session, group, message))


def _send(session: Session, group: Group, message: str) -> str:
    if message == "GETLAG":
        return _lag(session, group)
    if message in ("STOP", "FORCESTOP"):
        if group.status() != "RUNNING":
            raise _not_running(group)
        reply = stop(session, group, force=message == "FORCESTOP")
        return reply.replace("STOP request", f"{message} request", 1)
    if message not in ("STATUS", "LOGEND", "SHOWTRANS", "REPORT", "ROLLREPORT"):
        return str(invalid_option(message))
    head, answer = _request(group, message, {"command": "status"})
    if message == "LOGEND":
        return f"{head}\n{'YES' if answer['at_end'] else 'NO'}."
    if message == "SHOWTRANS":
        return f"{head}\n\n{replies.transactions(session.connect().open_transactions())}"
    if message in ("REPORT", "ROLLREPORT"):
        return f"{head}\nRequest processed."
    checkpoint, at_end = answer["checkpoint"], answer["at_end"]
    head = f"{head}\n\n{group.program} {group.name} (PID {group.process.get('pid')})\n"
    read = checkpoint.get("read") or (0, 0)
    if group.kind == "replicat":
        return head + replies.replicat_state(answer["state"], read, answer["open_records"])
    reads_redo = "csn" in checkpoint and "read" not in checkpoint
    position = replies.redo_read(checkpoint["csn"]) if reads_redo else replies.trail_read(read)
    return head + replies.extract_state(at_end, position, checkpoint.get("write") or (0, 0))


# -- STATS ----------------------------------------------------------------------------------------


def stats_groups(session: Session, options: Options) -> str:
    """STATS EXTRACT|REPLICAT|ER group [, TOTAL | TABLE x | RESET]."""
    groups = selected(session, options)
    more = [word.upper() for word in options.rest()]
    only = more[more.index("TABLE") + 1] if "TABLE" in more[:-1] else "*"
    return _of_each(groups, lambda group: _stats(session, group, only, reset="RESET" in more))


def _stats(session: Session, group: Group, only: str, *, reset: bool) -> str:
    head, reply = _request(group, "STATS", {"command": "stats", "reset": reset})
    counts = {t: c for t, c in reply["counts"].items() if matches(only, t) and set(c) - {"SEQ", "DDL"}}
    is_replicat = group.kind == "replicat"
    if not counts:
        return f"{head}\n\nNo active {'replication' if is_replicat else 'extraction'} maps."
    statistics = "Statistics" if session.wording == "11.2" else "statistics"
    since = f"{datetime.fromtimestamp(reply['started']):%Y-%m-%d %H:%M:%S}"
    lines = [head, "", f"Start of {statistics} at {datetime.now():%Y-%m-%d %H:%M:%S}.", ""]
    for table, values in sorted(counts.items()):
        what = f"{'Replicating' if is_replicat else 'Extracting'} from {table} to {table}:"
        lines += [what, "", f"*** Total statistics since {since} ***", words.totals(values), ""]
    return "\n".join([*lines, f"End of {statistics}."])
