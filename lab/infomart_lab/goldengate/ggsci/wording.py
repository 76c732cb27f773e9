"""The long texts of ggsci's replies, as pure functions. Texts that other programs print too are one level up."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from infomart_lab.goldengate import wording as words
from infomart_lab.goldengate.home import Group

OPEN_TRANSACTIONS = (
    "ERROR: There are open, long-running transactions. Before you stop Extract, make the archives containing data for "
    "those transactions available for when Extract restarts. To force Extract to stop, use the SEND EXTRACT {group}, "
    "FORCESTOP command.\n"
    "Oldest redo log file necessary to restart Extract is:\n"
    "\n"
    "Redo Log Sequence Number 1, RBA 16."
)
HELP = """GGSCI Command Summary:

Object:          Command:
DATABASE         DBLOGIN, FLUSH SEQUENCE
ER               INFO, KILL, LAG, SEND, STATUS, START, STATS, STOP
EXTRACT          ADD, ALTER, DELETE, INFO, KILL, LAG, REGISTER, SEND, START, STATS, STATUS, STOP
EXTTRAIL         ADD, DELETE, INFO
GGSEVT           VIEW
MANAGER          INFO, START, STOP, STATUS
PARAMS           VIEW
REPLICAT         ADD, ALTER, DELETE, INFO, KILL, LAG, SEND, START, STATS, STATUS, STOP
REPORT           VIEW
RMTTRAIL         ADD, DELETE, INFO
TRANDATA         ADD, DELETE, INFO
CHECKPOINTTABLE  ADD, DELETE, INFO"""

NOT_AVAILABLE = "Not Available"
#: Checkpoints of INFO ..., SHOWCH, with the position of each.
STARTUP = "Startup Checkpoint (starting position in the data source)"
RECOVERY = "Recovery Checkpoint (position of oldest unprocessed transaction in the data source)"
CURRENT = "Current Checkpoint (position of last record read in the data source)"
_CURRENT_WRITE = "Current Checkpoint (current write position)"
_RULE = "------------------------------------------------------------"


def moment(text: str | None, form: str = "%Y-%m-%d %H:%M:%S.%f") -> str:
    """A stored time in local time."""
    if not text:
        return NOT_AVAILABLE
    return datetime.fromisoformat(text).astimezone().strftime(form)


def redo_position(scn: int) -> tuple[int, int]:
    """Sequence number and relative byte address of an SCN in the redo."""
    return (scn >> 24) + 1, scn & 0xFFFFFF


# -- INFO ..., DETAIL -----------------------------------------------------------------------------


def target_trails() -> list[str]:
    """Head of an Extract's table of trails."""
    return [
        "  Target Extract Trails:\n",
        "  Trail Name                                       Seqno        RBA     Max MB Trail Type\n",
    ]


def target_trail(name: str, position: tuple[int, int], megabytes: int, kind: str) -> str:
    seq, rba = position
    return f"  {name:<45} {seq:>8} {rba:>10} {megabytes:>10} {kind}"


def source_span(source: str, end: str) -> list[str]:
    """The part of its source that a group has read."""
    return [
        "\n  Extract Source                          Begin             End\n",
        f"  {source:<38}  * Initialized *   {end}",
    ]


def files_of(group: Group, root: Path) -> str:
    """The files that belong to a group."""
    process_file = root / "dirpcs" / f"{group.name}.pc{group.kind[0]}"
    return (
        "\n\n"
        f"Current directory    {root}\n\n"
        f"Report file          {group.report_path}\n"
        f"Parameter file       {group.parameter_path}\n"
        f"Checkpoint file      {group.checkpoint_path}\n"
        f"Process file         {process_file}\n"
        f"Error log            {root / 'ggserr.log'}"
    )


# -- INFO ..., SHOWCH -----------------------------------------------------------------------------


def redo_checkpoint(title: str, scn: int, when: str) -> str:
    """A position in the redo."""
    seq, rba = redo_position(scn)
    return (
        f"  {title}:\n"
        "    Thread #: 1\n"
        f"    Sequence #: {seq}\n"
        f"    RBA: {rba}\n"
        f"    Timestamp: {when}\n"
        f"    SCN: {words.scn(scn)}\n"
        "    Redo File: Not Available\n"
    )


def trail_checkpoint(title: str, position: tuple[int, int], when: str, trail: str) -> str:
    """A position in a trail."""
    seq, rba = position
    return f"  {title}:\n    Sequence #: {seq}\n    RBA: {rba}\n    Timestamp: {when}\n    Extract Trail: {trail}\n"


def write_checkpoint(number: int, position: tuple[int, int], when: str, trail: str) -> str:
    """Position of an Extract in one of its trails."""
    checkpoint = trail_checkpoint(_CURRENT_WRITE, position, when, trail)
    return f"Write Checkpoint #{number}\n\n  GGS Log Trail\n\n{checkpoint}"


def csn_state(csn: int | None, xid: object) -> str:
    """Position of the applied transactions of a Replicat."""
    return (
        "CSN state information:\n"
        f"  CRC: {(csn or 0) & 0xFF:02X}-7F-E1-CF\n"
        f"  Latest CSN: {csn or NOT_AVAILABLE}\n"
        f"  Latest TXN: {xid}\n"
        f"  Latest CSN of finished TXNs: {csn or NOT_AVAILABLE}\n"
    )


# -- SEND -----------------------------------------------------------------------------------------


def replicat_state(state: str, position: tuple[int, int], records: int) -> str:
    """SEND REPLICAT ..., STATUS."""
    seq, rba = position
    return f"  Current status: {state}\n  Sequence #: {seq}\n  RBA #: {rba}\n  {records} records in current transaction"


def extract_state(at_end: bool, read: str, write: tuple[int, int]) -> str:
    """SEND EXTRACT ..., STATUS.

    :param read: lines of the position in the source.
    """
    seq, rba = write
    return (
        f"  Current status: Recovery complete: {'At EOF' if at_end else 'Processing data'}\n"
        "\n"
        "  Current read position:\n"
        f"{read}"
        "\n"
        "  Current write position:\n"
        f"  Sequence #: {seq}\n"
        f"  RBA #: {rba}"
    )


def redo_read(scn: int) -> str:
    return f"  Redo thread #: 1\n  Sequence #: {redo_position(scn)[0]}\n  SCN: {words.scn(scn)}\n"


def trail_read(position: tuple[int, int]) -> str:
    seq, rba = position
    return f"  Sequence #: {seq}\n  RBA #: {rba}\n"


def transactions(rows: list[tuple[int, float, str]]) -> str:
    """SEND EXTRACT ..., SHOWTRANS.

    :param rows: xid, age and start of each open transaction.
    """
    if not rows:
        return "No transactions found."
    lines = [_RULE]
    for xid, _, start in rows:
        lines += [
            f"XID:                  {xid}",
            "Items:                1",
            "Extract:              ",
            "Redo Thread:          1",
            f"Start Time:           {start}",
            "Status:               Running",
            _RULE,
        ]
    return "\n".join(lines)
