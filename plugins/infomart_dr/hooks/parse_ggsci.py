"""Values from the output of ggsci: pure functions over text, for the wordings of releases 11.2 to 21c.

Sources: GoldenGate's command reference (docs.oracle.com, GCLIR) and published replies. Parsers search for words
and numbers, never for columns. A missing line gives None, not an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from infomart_dr.errors import UnexpectedReplyError
from infomart_dr.text import whole

_PROMPT = re.compile(r"^[ \t]*(?:GGSCI|OGG)[ \t]*\([^)\n]*\)[ \t]*\d+>[ \t]?", re.MULTILINE | re.IGNORECASE)
_DURATION = r"(\d+):(\d{2}):(\d{2})"
_CODE = re.compile(r"\b((?:OGG|ORA)-\d{5})\b")
_ERROR = re.compile(
    r"^\s*(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*\s+)?(?:ERROR\b|OGG-\d{5}:?\s+ERROR\b|.*\bORA-\d{5}\b)"
)
_INVALID = re.compile(r"^\s*(?:invalid command|unrecognized command)", re.IGNORECASE)


# -- the conversation ------------------------------------------------------------------------------


def replies(text: str) -> list[str]:
    """Split ggsci's output into one reply per command, without banner and prompts.

    :param text: standard output, with prompts such as ``GGSCI (host as user@db) 2>``.
    :returns: replies in the order of the commands; the whole text when no prompt is found.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    parts = _PROMPT.split(text)
    return [_trim(part) for part in (parts[1:] if len(parts) > 1 else [text])]


def container(text: str) -> str | None:
    """Container in the last prompt, such as ``GGSCI (host as c##ggate@cdb1/CDB$ROOT) 2>``; None without one."""
    found = re.findall(
        r"^[ \t]*(?:GGSCI|OGG)[ \t]*\(\S+[ \t]+as[ \t]+[^@)\n]*@[^/:\s)]+/([A-Z][A-Z0-9_$]*)\)[ \t]*\d+>",
        text,
        re.MULTILINE | re.IGNORECASE,
    )
    return found[-1].upper() if found else None


def _trim(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines()).strip("\n")


def parse_release(text: str) -> str | None:
    """Release in the banner, such as ``Version 19.1.0.0.4 OGGCORE_19.1...``; None without one."""
    found = re.search(r"^\s*Version\s+(\d+(?:\.\d+)+)", text, re.MULTILINE)
    return found[1] if found else None


def error_lines(text: str) -> list[str]:
    """Lines of a reply that report an error; warnings do not count."""
    return [line.strip() for line in text.splitlines() if _ERROR.match(line) or _INVALID.match(line)]


def codes(text: str) -> list[str]:
    """Distinct message numbers of a text, in order: ``OGG-01668``, ``ORA-01017``."""
    return list(dict.fromkeys(_CODE.findall(text)))


def is_logged_in(text: str) -> bool:
    """DBLOGIN's reply reports a successful login."""
    return re.search(r"successfully\s+logged\s+into\s+database", text, re.IGNORECASE) is not None


def is_missing(text: str) -> bool:
    """The reply says that the named group, trail or table does not exist."""
    return (
        re.search(
            r"does\s+not\s+exist"
            r"|no\s+(?:groups?|extracts?|replicats?|objects?|checkpoint\s+tables?|trails?)\s+found"
            r"|not\s+found|no\s+(?:such|matching)\b|could\s+not\s+find|OGG-15149\b|ORA-00942\b",
            text,
            re.IGNORECASE,
        )
        is not None
    )


def is_present_already(text: str) -> bool:
    """The reply to ADD or REGISTER says that the object exists already."""
    return (
        re.search(r"already\s+(?:exists?|registered|added|running|enabled|been)|ORA-00955\b", text, re.IGNORECASE)
        is not None
    )


def duration(text: str | None) -> int | None:
    """Seconds of ``842:45:01``; None for ``unknown``, ``N/A`` or an empty text."""
    found = re.fullmatch(_DURATION, (text or "").strip())
    return whole(found[1]) * 3600 + int(found[2]) * 60 + int(found[3]) if found else None


def _whole(text: str) -> int:
    """A whole number with or without thousands separators: ``1,218``, ``1.218``, ``1 218``."""
    return whole(re.sub(r"\D", "", text))


_WHOLE = r"\d{1,3}(?:[,.'\u00a0\u202f ]\d{3})+(?!\d)|\d+"


def _search(pattern: str, text: str) -> re.Match[str] | None:
    return re.search(pattern, text, re.IGNORECASE | re.MULTILINE)


# -- INFO ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ProgramStatus:
    """One line of INFO ALL; lags in seconds, None when they are missing or unknown."""

    program: str
    status: str
    group: str | None = None
    lag: int | None = None
    since_checkpoint: int | None = None
    #: Only in replies with a Type column (21c).
    type: str | None = None


_PROGRAM = re.compile(
    r"^\s*(MANAGER|MGR|EXTRACT|REPLICAT|JAGENT|PMSRVR|ADMINSRV[RC]|DISTSRV[RC]|RECVSRV[RC])"
    r"\s+([A-Z]+)\b(.*)$",
    re.IGNORECASE,
)


def is_group(name: str) -> bool:
    """A word can be the name of a group; with a ``*`` or a blank it would name several."""
    return re.fullmatch(r"[A-Za-z_$][A-Za-z0-9_$]{0,29}", name) is not None


def parse_info_all(text: str) -> list[ProgramStatus]:
    """INFO ALL. Lags are those of the last checkpoint: an ABENDED group can show 00:00:00.

    :returns: manager, servers and groups in their order; may be empty.
    :raises UnexpectedReplyError: a line has no name where a group's must stand.
    """
    found = []
    for line in text.splitlines():
        match = _PROGRAM.match(line)
        if not match:
            continue
        words = match[3].split()
        # From the right: time since the checkpoint, then the lag; the rest is the type.
        times: list[str] = []
        while words[1:] and len(times) < 2 and _is_time(words[-1]):
            times.insert(0, words.pop())
        if words and match[1].upper() in ("EXTRACT", "REPLICAT") and not is_group(words[0]):
            raise UnexpectedReplyError(
                f"INFO ALL shows {words[0][:60]!r} where the name of a group stands: {line.strip()[:200]!r}.",
                "Run INFO ALL by hand in ggsci on the database host.",
            )
        found.append(
            ProgramStatus(
                program=match[1].upper().replace("MGR", "MANAGER"),
                status=match[2].upper(),
                group=words[0].upper() if words else None,
                lag=duration(times[0]) if times else None,
                since_checkpoint=duration(times[1]) if len(times) > 1 else None,
                type=" ".join(words[1:]).upper() or None,
            )
        )
    return found


def _is_time(word: str) -> bool:
    return re.fullmatch(rf"{_DURATION}|unknown|n/a|-+", word, re.IGNORECASE) is not None


@dataclass(frozen=True)
class GroupInfo:
    """INFO EXTRACT or INFO REPLICAT.

    :param kind: EXTRACT or REPLICAT.
    :param status: STARTING, RUNNING, STOPPED, ABENDED, in upper case.
    :param initialized: it was added and never started.
    :param since: start or creation, in the host's local time.
    :param mode: INTEGRATED, PARALLEL ... when the reply shows it.
    :param lag: lag at the last checkpoint in seconds.
    :param updated_ago: seconds since that checkpoint.
    :param scn: position in the redo (Extract).
    :param trail: trail file at the read checkpoint (pump, Replicat).
    :param position_time: time of the record at the read checkpoint, host's local time.
    """

    kind: str
    name: str
    status: str
    initialized: bool
    since: datetime | None = None
    mode: str | None = None
    lag: int | None = None
    updated_ago: int | None = None
    scn: int | None = None
    trail: str | None = None
    rba: int | None = None
    position_time: datetime | None = None


_HEAD = re.compile(
    r"^\s*(EXTRACT|REPLICAT)\s+([A-Z_$][A-Z0-9_$]*)\s+(.*?)\bStatus\s+([A-Z]+)", re.IGNORECASE | re.MULTILINE
)
_TIME = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?"


def parse_info_group(text: str) -> GroupInfo | None:
    """INFO of one group, plain or with DETAIL or SHOWCH.

    :returns: None when the reply has no line with the group's status.
    """
    head = _HEAD.search(text)
    if not head:
        return None
    body = text[head.end() :]
    lag = _search(rf"^\s*(?:Checkpoint\s+)?Lag\s+(?:at\s+chkpt\s+)?({_DURATION}|unknown)", body)
    updated = _search(rf"\(updated\s+({_DURATION})\s+ago\)", body)
    read = _search(r"Log\s+Read\s+Checkpoint(.*(?:\n[ \t]{4,}\S.*){0,4})", body)
    place = read[1] if read else body
    trail = _search(r"\bFile\s+(\S+)", place)
    rba = _search(r"\bRBA:?\s+(\d+)", place)
    moment = _search(rf"({_TIME})", place)
    mode = _search(r"^\s*(INTEGRATED|COORDINATED|PARALLEL)\b", body)
    started = re.search(_TIME, head[3])
    return GroupInfo(
        kind=head[1].upper(),
        name=head[2].upper(),
        status=head[4].upper(),
        initialized="initialized" in head[3].lower(),
        since=_moment(started[0]) if started else None,
        mode=mode[1].upper() if mode else None,
        lag=duration(lag[1]) if lag else None,
        updated_ago=duration(updated[1]) if updated else None,
        scn=parse_scn(place),
        trail=trail[1] if trail else None,
        rba=whole(rba[1]) if rba else None,
        position_time=_moment(moment[1]) if moment else None,
    )


def parse_scn(text: str) -> int | None:
    """SCN of ``SCN 0.1440415 (1440415)``: high part, low part of 32 bits and the whole in decimal.

    The last one in the text counts; the decimal, where it is printed.
    """
    found = re.findall(rf"\bSCN:?\s+({_SCN})(?:\s*\(({_WHOLE})\))?", text, re.IGNORECASE)
    return _scn(found[-1][1] or found[-1][0]) if found else None


#: An SCN, whole or as high and low part.
_SCN = rf"{_WHOLE}(?:\.\d+)?"


def _scn(text: str) -> int:
    """The number of an SCN: ``1440415``, ``1,440,415`` or ``0.1440415``."""
    high, dot, low = text.partition(".")
    if dot and (high == "0" or not re.fullmatch(_WHOLE, text)):
        return (_whole(high) << 32) + whole(low)
    return _whole(text)


def _moment(text: str) -> datetime | None:
    # datetime takes at most six digits of a second.
    try:
        return datetime.fromisoformat(re.sub(r" (?=[+-]\d\d:?\d\d$)", "", re.sub(r"(\.\d{6})\d+", r"\1", text)))
    except ValueError:
        return None


@dataclass(frozen=True)
class Checkpoints:
    """Positions that a group reports by INFO ... DETAIL or SHOWCH; None for a missing position."""

    #: Everything up to here is applied (Replicat).
    applied_csn: int | None = None
    low_watermark: int | None = None
    high_watermark: int | None = None
    #: Highest position read from the redo (Extract).
    scn: int | None = None


def parse_showch(text: str) -> Checkpoints:
    """Checkpoints of a group. With parallel apply, everything up to the low watermark is proven applied."""
    low = _search(r"low\s+watermark(?:\s+csn)?(?:\s+(?:value|position))?\s*:\s*(\d+)", text)
    high = _search(r"high\s+watermark(?:\s+csn)?(?:\s+(?:value|position))?\s*:\s*(\d+)", text)
    applied = None
    for pattern in (
        r"latest\s+csn\s+of\s+finished\s+txns?\s*:\s*(\d+)",
        r"last\s+committed\s+transaction\s+csn\s+value\s*:\s*(\d+)",
        r"latest\s+csn\s*:\s*(\d+)",
    ):
        if found := _search(pattern, text):
            applied = whole(found[1])
            break
    low_value = whole(low[1]) if low else None
    return Checkpoints(
        applied_csn=low_value if low_value is not None else applied,
        low_watermark=low_value,
        high_watermark=whole(high[1]) if high else None,
        scn=parse_scn(text),
    )


@dataclass(frozen=True)
class TrailInfo:
    """One trail of INFO EXTTRAIL or INFO RMTTRAIL."""

    trail: str
    extract: str | None = None
    sequence: int | None = None
    rba: int | None = None


def parse_trails(text: str) -> list[TrailInfo]:
    """INFO EXTTRAIL or INFO RMTTRAIL: one entry per trail and Extract."""
    found = []
    blocks = re.split(r"^(?=[ \t]*(?:Extract|Remote|Local)?[ \t]*Trail:)", text, flags=re.MULTILINE | re.I)
    for block in blocks:
        trail = _search(r"Trail:\s*(\S+)", block)
        if not trail:
            continue
        extract = _search(r"^\s*Extract:\s*(\S+)", block)
        sequence = _search(r"^\s*Seqno:\s*(\d+)", block)
        rba = _search(r"RBA:\s*(\d+)", block)
        found.append(
            TrailInfo(
                trail=trail[1],
                extract=extract[1].upper() if extract else None,
                sequence=whole(sequence[1]) if sequence else None,
                rba=whole(rba[1]) if rba else None,
            )
        )
    return found


def parse_manager(text: str) -> bool | None:
    """INFO MGR: True: the manager runs; False: it is down; None: the reply says neither."""
    if _search(r"\b(?:manager|mgr)\s+(?:is\s+)?(?:down|not\s+(?:currently\s+)?running|stopped)", text):
        return False
    if _search(r"\b(?:manager|mgr)\s+(?:is\s+)?(?:already\s+)?running", text):
        return True
    return None


# -- reports -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """How one run of a Replicat began, by its report.

    :param after_csn: the CSN of START ..., AFTERCSN; None: the start named none.
    :param at_csn: the CSN of START ..., ATCSN.
    :param delivered_csn: CSN of the first transaction after it, once reached.
    :param worked: it has reached its trail; a run that abended at its login has not.
    """

    after_csn: int | None = None
    at_csn: int | None = None
    delivered_csn: int | None = None
    worked: bool = False


_WORKED = (
    r"run\s+time\s+messages|opened\s+trail\s+file|map\s+resolved|OGG-0099[36]\b|OGG-0650[5-7]\b|OGG-0137[2-4]\b"
    r"|delivery\s+commencing|\bREPLICAT\s+\S+\s+started\b"
)


def parse_starts(text: str) -> list[Start]:
    """Lines about the start of a group's reports (OGG-01372 to OGG-01374), each report after a line ``== number``."""
    found = []
    for run in re.split(r"^==.*\n?", text, flags=re.MULTILINE)[1:]:
        after = _search(rf"(?:OGG-01373\b.*?|start(?:ing)?\s+after\s+CSN\D*?)({_WHOLE})\s*\.?\s*$", run)
        at = _search(rf"(?:OGG-01372\b.*?|start(?:ing)?\s+at\s+CSN\D*?)({_WHOLE})\s*\.?\s*$", run)
        delivered = _search(rf"(?:OGG-01374\b|delivery\s+commencing).*?\bCSN:?\s+({_WHOLE})", run)
        found.append(
            Start(
                after_csn=_whole(after[1]) if after else None,
                at_csn=_whole(at[1]) if at else None,
                delivered_csn=_whole(delivered[1]) if delivered else None,
                worked=_search(_WORKED, run) is not None,
            )
        )
    return found


def has_started(report: str, group: str) -> bool:
    """A report says that the group has started (OGG-00993, OGG-00996): it has logged in and opened what it reads."""
    name = re.escape(group)
    return _search(rf"\bOGG-0099[36]\b|\b(?:EXTRACT|REPLICAT)\s+{name}\s+started\b", report) is not None


# -- lag and statistics ------------------------------------------------------------------------------


@dataclass(frozen=True)
class LagReply:
    """LAG or SEND ... GETLAG.

    :param seconds: lag of the last record; None when it is unknown or nothing has been processed.
    :param at_eof: the reader has reached the end of its trail or of the redo. This does not prove a catch-up.
    """

    seconds: int | None
    at_eof: bool
    low_watermark_lag: int | None = None
    high_watermark_lag: int | None = None
    low_watermark: int | None = None
    high_watermark: int | None = None


def parse_lag(text: str) -> LagReply:
    """LAG in any wording, with or without thousands separators."""
    last = _search(rf"last\s+record\s+lag:?\s+({_WHOLE})", text)
    timed = _search(rf"last\s+record\s+lag:?\s+({_DURATION})", text)
    low = _search(rf"low\s+watermark\s+lag:?\s*({_WHOLE})", text)
    high = _search(rf"high\s+watermark\s+lag:?\s*({_WHOLE})", text)
    low_position = _search(r"low\s+watermark\s+position:?\s*(\d+)", text)
    high_position = _search(r"high\s+watermark\s+position:?\s*(\d+)", text)
    return LagReply(
        seconds=duration(timed[1]) if timed else _whole(last[1]) if last else None,
        at_eof=_search(r"\bat\s+(?:EOF|end\s+of\s+file)\b", text) is not None,
        low_watermark_lag=_whole(low[1]) if low else None,
        high_watermark_lag=_whole(high[1]) if high else None,
        low_watermark=whole(low_position[1]) if low_position else None,
        high_watermark=whole(high_position[1]) if high_position else None,
    )


@dataclass(frozen=True)
class ReplicatState:
    """SEND REPLICAT ..., STATUS.

    :param text: the processing status as the Replicat words it; empty: it did not answer.
    :param at_end: it has read everything: At EOF, or the logical end after a transaction timeout.
    :param timed_out: it waits at the logical end, before a transaction that has no end in the trail.
    :param recovering: it rolls back that transaction and applies the complete ones again.
    """

    text: str
    at_end: bool = False
    timed_out: bool = False
    recovering: bool = False


def parse_replicat_state(text: str) -> ReplicatState:
    """SEND REPLICAT ..., STATUS in any release."""
    found = _search(r"^\s*(?:current\s+)?status\s*:\s*(\S.*?)\s*$", text)
    state = found[1] if found else text
    recovering = _search(r"performing\s+transaction\s+timeout\s+recovery", state) is not None
    timed_out = _search(r"after\s+transaction\s+timeout\s+recovery", state) is not None
    at_end = _search(r"\bat\s+(?:the\s+)?(?:logical\s+)?(?:EOF|end\s+of\s+file)\b", state) is not None
    return ReplicatState(" ".join(state.split())[:200], at_end and not recovering, timed_out, recovering)


def is_cut_record(text: str) -> bool:
    """A report says that the trail ended inside a record."""
    return _search(r"OGG-01184\b|expected\s+\d+\s+bytes?\b[^\n]{0,40}?\bgot\s+\d+\s+bytes?\b", text) is not None


def parse_prompt_user(text: str) -> str | None:
    """Database user of a prompt ``GGSCI (host as user@database) 2>``; None in releases that do not show it."""
    found = _search(r"^\s*(?:GGSCI|OGG)\s*\([^)\n]*?\bas\s+([^@)\s]+)", text)
    return found[1].upper() if found else None


_COUNT = re.compile(r"^\s*Total\s+([A-Za-z][A-Za-z ]*?)\s+([\d.,'\u00a0\u202f ]*\d)\s*$", re.IGNORECASE)


def parse_stats(text: str) -> dict[str, int]:
    """STATS, summed over the tables: ``{"inserts": 5, "updates": 0, ...}``.

    Only the totals since the start count, so that daily and hourly ones are not added to them. Of a table without such
    a heading the first block counts. Empty when nothing has been processed.
    """
    totals: dict[str, int] = {}
    taken: dict[str, int] | None = None
    counting = True
    for line in text.splitlines():
        if re.match(r"\s*(?:Extracting|Replicating|Output|Sending)\b.*\b(?:from|to|for)\b", line, re.IGNORECASE):
            counting, taken = True, {}
        elif heading := re.match(r"\s*\*+\s*(.*?)\s+statistics\b", line, re.IGNORECASE):
            counting = heading[1].lower() == "total"
            taken = {}
        elif counting and (found := _COUNT.match(line)):
            name = found[1].lower().removeprefix("table ").strip()
            taken = {} if taken is None else taken
            if name not in taken:
                taken[name] = round(_decimal(found[2]))
                totals[name] = totals.get(name, 0) + taken[name]
    return totals


def _decimal(text: str) -> float:
    """Value of ``1,234.00`` or ``1.234,00``: the last separator is the decimal one, with two digits after it."""
    found = re.fullmatch(r"(.*?)[.,](\d{1,2})", text.strip())
    before, fraction = (found[1], found[2]) if found else (text, "0")
    return float(f"{whole(re.sub(r'[^0-9]', '', before) or '0')}.{fraction}")


# -- replies to changes --------------------------------------------------------------------------------


def parse_added(text: str) -> list[str]:
    """Kinds of objects that a reply reports as added or deleted: ``["EXTRACT"]``, ``["RMTTRAIL"]``; in upper case."""
    found = re.findall(
        r"^\s*(?:\d{4}-\S+\s+(?:\d\d:\S+\s+)?INFO\s+OGG-\d+:?\s+)?(EXTRACT|REPLICAT|EXTTRAIL|RMTTRAIL)\s*(?:\([^)\n]*\)\s*)?(?:[A-Z0-9_$]+\s+)?"
        r"(?:added|deleted|created)\b"
        r"|^\s*(?:Added|Deleted|Deleting(?:\s+extract)?\s+trail\S*)\s+(EXTRACT|REPLICAT|EXTTRAIL|RMTTRAIL)\b",
        text,
        re.IGNORECASE | re.MULTILINE,
    )
    return [(one or two).upper() for one, two in found]


def parse_registered(text: str) -> int | None:
    """SCN of ``... successfully registered with database at SCN n``, in any language; None without one."""
    found = _search(rf"(?:registered\s+with\s+(?:the\s+)?database\s+at|OGG-02003\b[^.]*?)\s*\bSCN:?\s*({_SCN})", text)
    return _scn(found[1]) if found else None


def is_registered(text: str) -> bool:
    """The reply to REGISTER EXTRACT reports success."""
    return _search(r"successfully\s+registered|registered\s+with|OGG-02003\b", text) is not None


@dataclass(frozen=True)
class Trandata:
    """Supplemental logging: schemas and tables with it, and those without."""

    schemas_on: frozenset[str] = frozenset()
    schemas_off: frozenset[str] = frozenset()
    tables_on: frozenset[str] = frozenset()
    tables_off: frozenset[str] = frozenset()


_OBJECT = r'("?[A-Z][\w$#]*"?(?:\."?[\w$#]+"?)*)'


def parse_trandata(text: str) -> Trandata:
    """INFO or ADD TRANDATA, INFO or ADD SCHEMATRANDATA.

    :returns: names in upper case, tables as ``OWNER.NAME``. A name that is reported both ways counts as off.
    """
    schemas: dict[bool, set[str]] = {True: set(), False: set()}
    tables: dict[bool, set[str]] = {True: set(), False: set()}
    flat = re.sub(r"\n(?!\s*(?:\d{4}-|OGG-|Logging|Schema|Columns|All|Prepared|No\b|Oracle|\n))", " ", text)
    for line in flat.splitlines():
        schema = re.search(
            rf"schema[\s-]+level\s+supplemental\s+logging.*?\b(enabled|disabled|added|not\s+enabled)\b"
            rf".*?\bschema\s+{_OBJECT}",
            line,
            re.IGNORECASE,
        ) or re.search(
            rf"SCHEMATRANDATA\s+(?:has\s+been\s+)?(added|enabled|deleted|disabled)\s+(?:on|for)\s+schema\s+"
            rf"{_OBJECT}",
            line,
            re.IGNORECASE,
        )
        if schema:
            schemas[schema[1].lower() in ("enabled", "added")].add(_bare(schema[2]))
            continue
        table = re.search(
            rf"logging\s+of\s+supplemental\s+redo\s+(?:log\s+)?data\s+(?:is\s+)?"
            rf"(already\s+enabled|enabled|disabled|not\s+enabled).*?\bfor\s+(?:table\s+)?{_OBJECT}",
            line,
            re.IGNORECASE,
        ) or re.search(
            rf"trandata\s+(?:for\s+\S+\s+columns\s+)?(?:has\s+been|is)\s+(?:already\s+)?"
            rf"(added|enabled|disabled)\s+(?:on|for)\s+table\s+{_OBJECT}",
            line,
            re.IGNORECASE,
        )
        if table:
            tables[re.split(r"\s+", table[1].lower())[-1] != "disabled" and "not" not in table[1].lower()].add(
                _bare(table[2])
            )
    return Trandata(
        frozenset(schemas[True] - schemas[False]),
        frozenset(schemas[False]),
        frozenset(tables[True] - tables[False]),
        frozenset(tables[False]),
    )


def _bare(name: str) -> str:
    return name.replace('"', "").rstrip(".").upper()


# -- ggserr.log ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LogRecord:
    """One record of ggserr.log.

    :param time: None when it cannot be parsed; without zone before release 12.3.
    :param message: the message without time, severity and code, with the further lines of the record.
    """

    time: datetime | None
    severity: str
    code: str
    message: str
    lines: list[str] = field(default_factory=list, compare=False, repr=False)


_RECORD = re.compile(
    r"^\s*(\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|[+-]\d\d:?\d\d))?)\s+(\S+)\s+"
    r"(OGG-\d{5})(?!\d)\s*:?\s*(.*)$"
)
#: Words of a severity that is no error. A word that is unknown here counts as one: nothing may be passed over.
_HARMLESS = {
    **dict.fromkeys(
        ("INFO", "INFORMATION", "NOTE", "DEBUG", "TRACE", "\u60c5\u5831", "\u4fe1\u606f", "\uc815\ubcf4"), "INFO"
    ),
    **dict.fromkeys(("WARNING", "WARN", "WARNUNG", "\u8b66\u544a", "\uacbd\uace0", "AVERTISSEMENT"), "WARNING"),
}


def log_text(data: bytes) -> str:
    """Text of ggserr.log, whose lines may be UTF-8 or, from a process with another locale, Windows-1252."""
    return "\n".join(_decoded(line) for line in data.split(b"\n"))


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace")


def parse_ggserr(text: str) -> list[LogRecord]:
    """Records of ggserr.log, in the format up to 12.2 or in that from 12.3 on.

    Lines before the first record (the file was cut there) are dropped. Other lines without a time belong to the
    record before them.
    """
    return [
        LogRecord(time, severity, code, "\n".join(lines).rstrip(), lines)
        for time, severity, code, lines in _records(text)
    ]


def _records(text: str) -> Iterator[tuple[datetime | None, str, str, list[str]]]:
    current: tuple[datetime | None, str, str, list[str]] | None = None
    for line in text.splitlines():
        found = _RECORD.match(line.lstrip("\ufeff"))
        if found:
            if current:
                yield current
            moment = _moment(found[1].replace(",", ".").replace("/", "-"))
            current = (moment, _HARMLESS.get(found[2].upper(), "ERROR"), found[3], [found[4].strip()])
        elif current and line.strip():
            current[3].append(line.strip())
    if current:
        yield current
