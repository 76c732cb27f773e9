"""INFO and STATUS: the state of groups, without a question to their processes."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

from infomart_lab.goldengate import trail
from infomart_lab.goldengate import wording as words
from infomart_lab.goldengate.ggsci import wording as replies
from infomart_lab.goldengate.ggsci.commands import Options
from infomart_lab.goldengate.ggsci.groups import selected
from infomart_lab.goldengate.ggsci.session import Session
from infomart_lab.goldengate.home import Group, Home


def _times(group: Group) -> tuple[float, float]:
    """Lag at the checkpoint, and seconds since it was written."""
    checkpoint = group.checkpoint
    since = time.time() - checkpoint.get("updated", group.definition.get("created", time.time()))
    return float(checkpoint.get("lag") or 0.0), max(0.0, since)


def _type(group: Group) -> str:
    definition = group.definition
    if group.kind == "replicat":
        return (definition.get("type") or "classic").upper()
    if definition.get("source"):
        return "PUMP"
    return "INTEGRATED" if definition.get("integrated") else "CLASSIC"


def info_all(session: Session, options: Options) -> str:
    running = session.home.manager_running() is not None
    rows = [words.Row("MANAGER", "RUNNING" if running else "STOPPED")]
    for group in session.home.groups():
        lag, since = _times(group)
        rows.append(words.Row(group.program, group.status(), group.name, _type(group), lag, since))
    return words.info_all(rows, session.wording)


def status_groups(session: Session, options: Options) -> str:
    """STATUS EXTRACT|REPLICAT|ER group."""
    return "\n".join(f"{group.program} {group.name}: {group.status()}" for group in selected(session, options))


def info_groups(session: Session, options: Options) -> str:
    """INFO EXTRACT|REPLICAT|ER group [, DETAIL] [, SHOWCH]."""
    groups = selected(session, options)
    more = {word.upper() for word in options.rest()}
    blocks = []
    for group in groups:
        text = _info(session, group)
        if "DETAIL" in more:
            text += _detail(session, group)
        if "SHOWCH" in more:
            text += _show_checkpoint(group)
        blocks.append(text)
    return "\n\n".join(blocks)


def _info(session: Session, group: Group) -> str:
    definition, checkpoint, process = group.definition, group.checkpoint, group.process
    if started := process.get("started"):
        when = f"Last Started {datetime.fromtimestamp(started):%Y-%m-%d %H:%M}"
    elif checkpoint:
        when = f"Last Started {datetime.fromtimestamp(checkpoint.get('updated', 0)):%Y-%m-%d %H:%M}"
    else:
        when = f"Initialized   {datetime.fromtimestamp(definition['created']):%Y-%m-%d %H:%M}"
    lines = [f"{group.program:<10} {group.name:<8}  {when}   Status {group.status()}"]
    if group.kind == "replicat" and definition.get("type"):
        lines.append(definition["type"].upper() if definition["type"] == "Integrated" else definition["type"])
    lag, since = _times(group)
    lines.append(f"{'Checkpoint Lag':<20} {words.duration(lag)} (updated {words.duration(since)} ago)")
    # It may have started since its file was read.
    if session.wording != "11.2" and "pid" in process and group.alive():
        lines.append(f"{'Process ID':<20} {process['pid']}")
    blank = " " * 21
    title = f"{'Log Read Checkpoint':<20} "
    if "begin_scn" in definition:
        integrated = definition.get("integrated")
        lines.append(title + ("Oracle Integrated Redo Logs" if integrated else "Oracle Redo Logs"))
        read = replies.moment(checkpoint.get("read_ts") or definition.get("begin_time"), "%Y-%m-%d %H:%M:%S")
        scn = int(checkpoint.get("csn") or definition["begin_scn"])
        seq, rba = replies.redo_position(scn)
        lines.append(f"{blank}{read}" + ("" if integrated else f"  Seqno {seq}, RBA {rba}"))
        lines.append(f"{blank}SCN {words.scn(scn)}")
    else:
        source = definition.get("source") or definition["trail"]
        seq, rba = checkpoint.get("read") or definition.get("start") or (0, 0)
        lines.append(f"{title}File {source}{seq:0{_digits_of(session.home, source)}d}")
        stamp = "First Record" if not checkpoint.get("ts") else replies.moment(checkpoint["ts"])
        lines.append(f"{blank}{stamp}  RBA {rba}")
    return "\n".join(lines) + "\n"


def _digits_of(home: Home, source: str) -> int:
    """Digits of the sequence number of a trail's files; those of the release when it has none."""
    files = trail.files(home.trail_path(source))
    prefix = len(Path(source).name)
    return next((len(path.name) - prefix for path in files.values()), home.digits)


def _detail(session: Session, group: Group) -> str:
    definition, checkpoint = group.definition, group.checkpoint
    lines = [""]
    if group.kind == "extract":
        lines += replies.target_trails()
        position = checkpoint.get("write") or (0, 0)
        for name, about in definition.get("trails", {}).items():
            kind = "RMTTRAIL" if about["remote"] else "EXTTRAIL"
            lines.append(replies.target_trail(name, position, about["megabytes"], kind))
    elif definition.get("type") in ("Integrated", "Parallel"):
        csn = checkpoint.get("csn") if session.user else "(requires database login)"
        lines.append(f"Current Log BSN value: {csn}")
        lines.append(f"Last Committed Transaction CSN value: {csn}")
    else:
        lines.append(f"Last Committed Transaction CSN value: {checkpoint.get('csn')}")
    source = definition.get("source") or definition.get("trail") or replies.NOT_AVAILABLE
    lines += replies.source_span(source, replies.moment(checkpoint.get("ts"), "%Y-%m-%d %H:%M"))
    lines.append(replies.files_of(group, session.home.root))
    return "\n".join(lines) + "\n"


def _show_checkpoint(group: Group) -> str:
    definition, checkpoint = group.definition, group.checkpoint
    lines = ["\n\nCurrent Checkpoint Detail:\n\nRead Checkpoint #1\n"]
    if "begin_scn" in definition:
        begin = definition["begin_scn"]
        scn = int(checkpoint.get("csn") or begin)
        read = replies.moment(checkpoint.get("read_ts"))
        lines += [
            f"  {'Oracle Integrated Redo Log' if definition.get('integrated') else 'Oracle RAC Redo Log'}\n",
            replies.redo_checkpoint(replies.STARTUP, begin, replies.moment(definition.get("begin_time"))),
            replies.redo_checkpoint(replies.RECOVERY, scn, read),
            replies.redo_checkpoint(replies.CURRENT, scn, read),
        ]
    else:
        source = definition.get("source") or definition["trail"]
        start, read_to = definition.get("start") or (0, 0), checkpoint.get("read") or (0, 0)
        moment = replies.moment(checkpoint.get("ts"))
        lines += [
            "  GGS Log Trail\n",
            replies.trail_checkpoint(replies.STARTUP, start, replies.NOT_AVAILABLE, source),
            replies.trail_checkpoint(replies.CURRENT, read_to, moment, source),
        ]
    if group.kind == "replicat":
        lines.append(replies.csn_state(checkpoint.get("csn"), checkpoint.get("xid", replies.NOT_AVAILABLE)))
    else:
        written, moment = checkpoint.get("write") or (0, 0), replies.moment(checkpoint.get("ts"))
        for number, name in enumerate(definition.get("trails", {}), 1):
            lines.append(replies.write_checkpoint(number, written, moment, name))
    return "\n".join(lines)
