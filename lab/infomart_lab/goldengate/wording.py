"""Words and formats of ggsci, ggserr.log and reports, for releases 11.2, 19c and 21c. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

_VERSIONS = {
    "11.2": ("11.2.1.0.1", "OGGCORE_11.2.1.0.1_PLATFORMS_120423.0230", "Oracle 11g"),
    "19c": ("19.1.0.0.4", "OGGCORE_19.1.0.0.0_PLATFORMS_191017.1054", "Oracle 19c"),
    "21c": ("21.3.0.0.0", "OGGCORE_21.3.0.0.0OGGRU_PLATFORMS_210728.1047", "Oracle 21c"),
}
_PROGRAMS = {
    "ggsci": "Command Interpreter",
    "manager": "Manager",
    "extract": "Capture",
    "replicat": "Delivery",
    "collector": "Collector",
}


def release(wording: str) -> str:
    """Major and minor release, as FORMAT RELEASE has it."""
    return ".".join(_VERSIONS[wording][0].split(".")[:2])


def digits(wording: str) -> int:
    """Digits of a trail file's sequence number."""
    return 6 if wording == "11.2" else 9


def banner(wording: str, program: str) -> str:
    """First lines that a program prints."""
    version, build, database = _VERSIONS[wording]
    titles = {
        "ggsci": "Oracle GoldenGate Command Interpreter for Oracle",
        "extract": "Oracle GoldenGate Capture for Oracle",
        "replicat": "Oracle GoldenGate Delivery for Oracle",
        "manager": "Oracle GoldenGate Manager for Oracle",
    }
    last = version.split(".", maxsplit=1)[0]
    years = {"11": "1995, 2012", "19": "1995, 2019", "21": "1995, 2021"}[last]
    return (
        f"\n{titles[program]}\nVersion {version} {build}_FBO\nLinux, x64, 64bit (optimized), {database} "
        f"(stand-in of the lab)\n\nCopyright (C) {years}, Oracle and/or its affiliates. All rights "
        "reserved.\n"
    )


def stamp(moment: datetime, wording: str) -> str:
    """Time of a line of ggserr.log; from 12.3 on ISO 8601 with the zone."""
    if wording == "11.2":
        return moment.strftime("%Y-%m-%d %H:%M:%S")
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}{moment:%z}"


def log_line(moment: datetime, wording: str, severity: str, code: str, program: str, file: str, text: str) -> str:
    """One record of ggserr.log.

    :param program: key of the programs, as ``replicat``.
    :param file: parameter file, as ``rgim.prm``; empty for ggsci.
    """
    name = f"Oracle GoldenGate {_PROGRAMS[program]} for Oracle"
    where = f"{name}, {file}" if file else name
    return f"{stamp(moment, wording)}  {severity:<7} {code}  {where}:  {text}"


def report_line(moment: datetime, wording: str, severity: str, code: str, text: str) -> str:
    """One message in a report file."""
    if wording == "11.2":
        return f"{moment:%Y-%m-%d %H:%M:%S}  {severity:<7} {code}  {text}"
    return f"{stamp(moment, wording)[:19].replace('T', ' ')}  {severity:<7} {code}  {text}"


def duration(seconds: float) -> str:
    """``hh:mm:ss``; hours may exceed 99."""
    whole = max(0, int(seconds))
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def scn(value: int) -> str:
    """``high.low (decimal)``, high being the part above 32 bits."""
    return f"{value >> 32}.{value & 0xFFFFFFFF} ({value})"


@dataclass(frozen=True)
class Row:
    """One group in INFO ALL."""

    program: str
    status: str
    group: str = ""
    type: str = ""
    lag: float = 0.0
    since: float = 0.0


def info_all(rows: Sequence[Row], wording: str) -> str:
    """Table of INFO ALL; release 21c adds a Type column."""
    typed = wording == "21c"
    head = f"{'Program':<12}{'Status':<12}{'Group':<12}"
    if typed:
        head += f"{'Type':<17}"
    lines = ["", f"{head}Lag at Chkpt  Time Since Chkpt", ""]
    for row in rows:
        line = f"{row.program:<12}{row.status:<12}"
        if row.group:
            line += f"{row.group:<12}"
            if typed:
                line += f"{row.type:<17}"
            line += f"{duration(row.lag):<14}{duration(row.since)}"
        lines.append(line if row.group else f"{line:<48}".rstrip() + "                                           ")
    return "\n".join(lines) + "\n"


def seconds_lag(seconds: float, wording: str) -> str:
    """Line of LAG and SEND ... GETLAG."""
    whole = max(0, int(seconds))
    if wording == "11.2":
        return f"Last record lag: {whole} seconds."
    return f"Last record lag {whole:,} seconds."


def at_end(wording: str) -> str:
    return "At EOF, no more records to process." if wording == "11.2" else "At EOF, no more records to process"


def added(kind: str, integrated: str, wording: str) -> str:
    """Reply of ADD EXTRACT or ADD REPLICAT.

    :param kind: ``EXTRACT`` or ``REPLICAT``.
    :param integrated: empty, ``Integrated`` or ``Parallel``.
    """
    if wording != "11.2" and integrated:
        return f"{kind} ({integrated}) added."
    return f"{kind} added."


def totals(counts: dict[str, int], indent: str = "\t") -> str:
    """Lines of STATS for one table; counts by I, U, D."""
    names = (("Total inserts", "I"), ("Total updates", "U"), ("Total deletes", "D"))
    lines = [f"{indent}{name:<43}{counts.get(key, 0):>15.2f}" for name, key in names]
    lines.append(f"{indent}{'Total discards':<43}{counts.get('discard', 0):>15.2f}")
    lines.append(f"{indent}{'Total operations':<43}{sum(counts.get(k, 0) for _, k in names):>15.2f}")
    return "\n".join(lines)
