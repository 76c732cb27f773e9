"""Values from the output of expdp and impdp: pure functions over text.

Message numbers decide, not words, because words change with the release and with NLS_LANG. Sources: Oracle Database
Utilities (Data Pump), Oracle Database Error Messages, and published logs of 11.2 to 21c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from infomart_dr.guide import readable
from infomart_dr.text import whole

Operation = Literal["export", "import"]
#: ``unfinished``: the log has no end. ``unclear``: its end has words that are unknown here, and there is no exit code.
Outcome = Literal["success", "completed_with_errors", "fatal", "unfinished", "unclear"]
#: The missing thing: ``review``, no row and no rule of the rows (grant, comment, statistics, job, invalid code), which
#: a person judges; an ``index``; an ``object`` (constraint); or ``data`` (rows, sequence values). ``waiting``: the job
#: waits for space; ``fatal``: the job ended.
Severity = Literal["harmless", "review", "index", "object", "waiting", "data", "fatal"]

_ORDER: tuple[Severity, ...] = ("harmless", "review", "index", "object", "waiting", "data", "fatal")

#: Advice by the worst error of a log.
NEXT_STEPS: dict[str, str] = {
    "harmless": "Do nothing: no object and no row is missing.",
    "review": "No row is missing. Read the list, correct what the target needs, and decide at the gate of the import.",
    "object": "The comparison of objects names the missing ones; create them from the error's statement.",
    "index": "The index check creates the missing indexes from the dump set again; for ORA-14102 see "
    "Oracle's patch 8795792 (guide:940), for ORA-01652 and ORA-01658 add space to the tablespace first.",
    "waiting": "Add a data file to the tablespace, or free disk space at the dump folder; for ORA-39095 raise "
    "data_pump.file_size. Then the job continues by itself (START_JOB if it stopped). Oracle gives up after 2 hours "
    "(ORA-30032): the table or index is then missing.",
    "definition": "A table was changed after the SCN: by DDL, TRUNCATE or a GRANT. Allow no DDL and no GRANT on the "
    "schema during the export. Give this plan up; a new plan takes a new SCN.",
    "file": "A worker cannot open a dump file. On RAC the folder must be on shared storage, or the job must run on the "
    "instance of the database host: set ORACLE_SID or data_pump.connect. Check the folder's owner and mode.",
    "data": "Rows are missing in the dump set or at the target: do not use it. For ORA-01555 raise "
    "undo_retention and the undo tablespace and export again with a new SCN; else correct the cause and "
    "import again.",
    "fatal": "The job ended. Correct the cause that the errors name, then clear the failed task.",
    "directory": "Check the directory object: its folder exists on the database host, Oracle's user can write "
    "there, and the login has READ and WRITE on it.",
    "job": "The job's table cannot be created or found: check the login's rights (DATAPUMP_EXP_FULL_DATABASE, "
    "DATAPUMP_IMP_FULL_DATABASE), its tablespace quota, and that no old job of this name is left in "
    "DBA_DATAPUMP_JOBS.",
    "credentials": "The login was refused: correct the password in the Airflow connection of the DBA.",
    "unfinished": "The log has no end: the job runs, was stopped, or its client died. Find the job in "
    "DBA_DATAPUMP_JOBS and attach to it.",
    "unclear": "Read the log: its words are unknown here, in another language or cut off. If it reports success, run "
    "the job again with NLS_LANG=AMERICAN_AMERICA.AL32UTF8; else correct the cause and clear this task.",
    "success": "Nothing.",
}  # fmt: skip

_WAITING = {"ORA-39171", "ORA-39095"}
_DIRECTORY = {
    "ORA-39070",
    "ORA-29283",
    "ORA-39087",
    "ORA-29280",
    "ORA-29289",
    "ORA-06564",
    "ORA-31640",
    "ORA-31641",
}
_JOB = {"ORA-31626", "ORA-31633", "ORA-31634", "ORA-31637", "ORA-39086"}
_CREDENTIALS = {"ORA-01017", "ORA-28000", "ORA-28001", "ORA-01045", "ORA-01005"}
_FATAL = {
    *_DIRECTORY, *_JOB, *_CREDENTIALS,
    "ORA-39000", "ORA-39001", "ORA-39002", "ORA-39006", "ORA-39014", "ORA-39029", "ORA-39059", "ORA-39065",
    "ORA-39097", "ORA-39142", "ORA-39143", "ORA-39246", "ORA-39278", "ORA-31619",
    "ORA-01034", "ORA-03113", "ORA-03114", "ORA-12541", "ORA-12514", "ORA-12154", "ORA-39077",
    "LRM-00101", "LRM-00109", "LRM-00112", "LRM-00113",
}  # fmt: skip
_DATA = {
    "ORA-31693",
    "ORA-02354",
    "ORA-01555",
    "ORA-39151",
    "ORA-39152",
    "ORA-39153",
    "ORA-22924",
    "ORA-01466",
}
#: Unexpected errors of a worker; the object type in brackets tells what is missing.
_WORKER = {"ORA-39125", "ORA-39126", "ORA-39127"}
_FILE = {"ORA-31617", "ORA-31640", "ORA-19505", "ORA-19502"}
_WARNINGS = {"ORA-39173", "ORA-39357"}
#: Messages without an object type that concern no row: a locked user, objects of a component.
_REVIEW = {"ORA-39384", "ORA-39342"}
_INDEX = {"ORA-14102", "ORA-01652", "ORA-01658"}
#: Messages that begin a new report; the messages after them explain it.
_HEADS = {
    "ORA-31684", "ORA-39083", "ORA-31693", "ORA-39171", "ORA-39111", "ORA-39112", "ORA-39151", "ORA-39152",
    "ORA-39153", "ORA-39082", "ORA-39125", "ORA-39126", "ORA-31626", "ORA-39001", "ORA-39002", "ORA-39006",
    "ORA-39014", "ORA-39095", "ORA-39097", "ORA-39346", "ORA-31685", "ORA-39360", "ORA-39127", "ORA-39173",
    "ORA-39357", "ORA-02374", "ORA-39120", "ORA-39342", "ORA-39168", "ORA-31655", "ORA-39384", "ORA-39181",
    "ORA-39139",
}  # fmt: skip
#: Object types whose absence loses rows or values, not only speed or constraints.
_DATA_TYPES = {"TABLE", "TABLE_DATA", "SEQUENCE", "USER", "MATERIALIZED_VIEW", "CLUSTER"}
_INDEX_TYPES = {"INDEX", "DOMAIN_INDEX", "FUNCTIONAL_INDEX", "BITMAP_INDEX", "RANGE_INDEX"}
_CONSTRAINT_TYPES = {"CONSTRAINT", "REF_CONSTRAINT"}
#: Object types that hold no row and no rule of the rows.
_REVIEW_TYPES = {
    "INDEX_STATISTICS", "TABLE_STATISTICS", "USER_PREF_STATISTICS", "STATISTICS", "MARKER",
    "OBJECT_GRANT", "ROLE_GRANT", "SYSTEM_GRANT", "ON_USER_GRANT", "PROCOBJ_GRANT", "PROCDEPOBJ_GRANT", "GRANT",
    "DEFAULT_ROLE", "ROLE", "PROFILE", "TABLESPACE_QUOTA", "TABLESPACE", "PASSWORD_HISTORY", "COMMENT",
    "PROCACT_SCHEMA", "PROCACT_INSTANCE", "PROCACT_SYSTEM", "PROCOBJ", "PROCDEPOBJ", "PRE_SCHEMA", "POST_SCHEMA",
    "PRE_TABLE_ACTION", "POST_TABLE_ACTION", "JOB", "REFRESH_GROUP", "DB_LINK", "TRUSTED_DB_LINK", "SYNONYM",
    "TRIGGER", "VIEW", "PACKAGE", "PACKAGE_BODY", "PACKAGE_SPEC", "PROCEDURE", "FUNCTION", "TYPE", "TYPE_BODY",
    "TYPE_SPEC", "ALTER_PROCEDURE", "ALTER_FUNCTION", "ALTER_PACKAGE_SPEC", "ALTER_PACKAGE_BODY", "LIBRARY",
    "OPERATOR", "INDEXTYPE", "JAVA_SOURCE", "JAVA_CLASS", "DIMENSION", "CONTEXT", "DIRECTORY",
    "MATERIALIZED_VIEW_LOG", "AUDIT_OBJ", "AUDIT", "RLS_POLICY", "RLS_CONTEXT", "RLS_GROUP", "FGA_POLICY",
}  # fmt: skip
_STATISTICS = {"INDEX_STATISTICS", "TABLE_STATISTICS", "USER_PREF_STATISTICS", "STATISTICS", "MARKER"}
_TYPES = _DATA_TYPES | _INDEX_TYPES | _CONSTRAINT_TYPES | _REVIEW_TYPES
#: Words of the dictionary for types that Data Pump names otherwise.
_SAME_TYPE = {"DATABASE_LINK": "DB_LINK"}

# With LOGTIME each line begins with a time, such as 03-NOV-26 17:02:11.123, and with METRICS a worker, such as W-1.
_LOGTIME = re.compile(
    r"^\ufeff?(?:(?:\d{1,2}-[^\s-]{1,12}-\d{2,4}|\d{4}[-/.]\d\d[-/.]\d\d|\d\d[/.]\d\d[/.]\d{2,4})[ T]"
    r"\d\d[:.]\d\d[:.]\d\d(?:[.,]\d+)?(?: [AP]M)?(?: ?[+-]\d\d:\d\d)?: ?)?"
    r"(?:W-\d{1,4} (?=\S| {4,}))?"
)
_MESSAGE = re.compile(r"^(?:[\w$-]+: )?((?:ORA|LRM)-\d{5})(?!\d)[:\uff1a]?\s*(.*)$")
_NOTE = re.compile(r"^U(?:DE|DI)-(\d{5})\b:?\s*(.*)$")
_SQL = re.compile(r"(?:CREATE|ALTER|GRANT|BEGIN|DECLARE|DROP|COMMENT)\b", re.IGNORECASE)
_NAME = re.compile(r'"([^"]+)"(?:\."([^"]+)")?')
# Not \b: in Japanese and Chinese no blank separates the type from the words.
_TYPE = re.compile(
    r"(?<![A-Z_])("
    + "|".join(re.sub("_", "[_ ]", name) for name in sorted({*_TYPES, *_SAME_TYPE}, key=len, reverse=True))
    + r")(?![A-Z_])"
)
_MOVED = re.compile(
    r'^\s*\. \. (?:[^"\d]{0,40})?"([^"]+)"\."([^"]+)"(?::"[^"]+"(?:\."[^"]+")?)?[^\d"]{1,80}?'
    # Without a size where the rows came over a link; then a word must follow, since a cut line ends anywhere.
    r"(?:([\d.,\u00a0\u202f]+)\s*([KMGT\u041a\u041c\u0413\u0422]?[Bo\u0411]|bytes|octets)[\s,\u3001]+)?"
    r"(\d{1,3}(?:[,.'\u2019\u00a0\u202f ]\d{3})+|\d+)(?!\d|[.,]\d)"
    r"(?(3)|(?!\s*(?:[KMGT\u041a\u041c\u0413\u0422][Bo\u0411]?|[Bo\u0411])(?:\s|$))(?=\s*[^\W\d_]))",
    re.IGNORECASE,
)
#: The reason of a wait, such as ORA-01653; ORA-39171 alone says nothing about it.
_CAUSE = re.compile(r"ORA-(?!39171)\d{5}\b.*")
_UNITS = {"B": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
_UNITS |= {"\u041a": 1024, "\u041c": 1024**2, "\u0413": 1024**3, "\u0422": 1024**4}


@dataclass(frozen=True)
class LogError:
    """One report of an error: its message and the messages that explain it.

    :param code: the first message number, such as ``ORA-39083``.
    :param codes: all of them.
    :param object_type: such as ``INDEX``; None when the log does not show it (11.2 with a statement cut off).
    :param object_name: ``OWNER.NAME``, or a user's name.
    :param text: the printed report, at most 1,000 characters.
    """

    code: str
    codes: tuple[str, ...]
    severity: Severity
    object_type: str | None
    object_name: str | None
    text: str


@dataclass(frozen=True)
class LogReport:
    """A log of expdp or impdp.

    :param rows: rows by ``OWNER.TABLE``, summed over partitions.
    :param bytes: size of the tables' data.
    :param elapsed: seconds, from the last line (12c and later).
    :param reported_errors: the number in "completed with N error(s)"; it may exceed the number of errors found here.
    """

    outcome: Outcome
    errors: list[LogError] = field(default_factory=list)
    dump_files: list[str] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    total_rows: int = 0
    bytes: int = 0
    elapsed: int | None = None
    job: str | None = None
    reported_errors: int | None = None

    def of(self, *severities: Severity) -> list[LogError]:
        """Errors of these severities, in the order of the log."""
        return [error for error in self.errors if error.severity in severities]

    @property
    def worst(self) -> Severity | None:
        """The worst severity; None when there is no error."""
        found = [error.severity for error in self.errors]
        return max(found, key=_ORDER.index) if found else None

    @property
    def not_found(self) -> int:
        """Errors that the job counted and that this log does not show: it is cut off, or has unknown words."""
        counted = [error for error in self.errors if error.code not in _WAITING | _WARNINGS]
        reported = 1 if self.outcome == "completed_with_errors" else 0
        return max((self.reported_errors or reported) - len(counted), 0)

    @property
    def missing_indexes(self) -> list[str]:
        """Names of indexes that were not created, as far as the log shows them."""
        return [error.object_name for error in self.of("index") if error.object_name]


def classify_log(text: str, operation: Operation, exit_code: int | None = None) -> LogReport:
    """Read the log of a Data Pump job, or its client's output.

    :param text: the log, complete or not.
    :param operation: ``export`` or ``import``.
    :param exit_code: of the client: 0 success, 5 completed with errors, 1 fatal; decides where the words do not
        (another language). None when it is not known: such a log is ``unclear``.
    """
    lines = [_LOGTIME.sub("", line.rstrip()) for line in text.splitlines()]
    errors = [_classified(block) for block in _blocks(lines)]
    rows: dict[str, int] = {}
    size = 0
    for line in lines:
        if found := _MOVED.match(line):
            name = f"{found[1]}.{found[2]}"
            rows[name] = rows.get(name, 0) + whole(re.sub(r"\D", "", found[5]))
            size += round(_decimal(found[3]) * _UNITS.get(found[4][0].upper(), 1)) if found[3] else 0
    end = _end(lines)
    dump_files = _dump_files(lines)
    outcome = _outcome(end, errors, exit_code, proven=operation == "import" or bool(dump_files))
    if outcome in ("success", "completed_with_errors"):
        # The job has ended, so every wait for space found its space.
        errors = [replace(each, severity="harmless") if each.severity == "waiting" else each for each in errors]
    return LogReport(
        outcome=outcome,
        errors=errors,
        dump_files=dump_files,
        rows=rows,
        total_rows=sum(rows.values()),
        bytes=size,
        elapsed=end.elapsed if end else None,
        job=_job(lines),
        reported_errors=end.errors if end else None,
    )


def space_wait(lines: Iterable[str], before: str | None = None) -> str | None:
    """The wait for space that the newest lines of a client's output leave; None: the job works.

    :param before: the wait that the lines before them have left.
    """
    waits = before
    for raw in lines:
        line = _LOGTIME.sub("", raw.strip())
        message = _MESSAGE.match(line)
        if message and message[1] in _WAITING:
            waits = line
        elif waits is not None and (cause := _CAUSE.search(line)) and cause[0] not in waits:
            waits = f"{waits} {cause[0]}"[:500]
        elif waits is not None and _is_other(line):
            waits = None
    return waits


def next_step(report: LogReport) -> str:
    """The advice for a log: for its worst error, or for its missing end."""
    if report.outcome in ("unfinished", "unclear") and not report.of("waiting", "fatal"):
        return NEXT_STEPS[report.outcome]
    if report.worst is None or report.not_found:
        # The words report errors and not all of them were found here: the log may be in another language, or cut off.
        if report.worst is None and report.outcome in ("success", "fatal"):
            return NEXT_STEPS[report.outcome]
        return NEXT_STEPS["unclear"]
    if report.outcome == "fatal" and report.worst in ("harmless", "review", "index", "object"):
        # These errors end no job: its cause is not in the log.
        return NEXT_STEPS["fatal"]
    if report.worst == "fatal":
        codes = {code for error in report.of("fatal") for code in error.codes}
        for key, known in (("credentials", _CREDENTIALS), ("directory", _DIRECTORY), ("job", _JOB)):
            if codes & known:
                return NEXT_STEPS[key]
    if report.worst == "data":
        codes = {code for error in report.of("data") for code in error.codes}
        for key, known in (("definition", {"ORA-01466"}), ("file", _FILE)):
            if codes & known:
                return NEXT_STEPS[key]
    return readable(NEXT_STEPS[report.worst])


# -- errors ------------------------------------------------------------------------------------------


@dataclass
class _Block:
    codes: list[str]
    lines: list[str]
    sql: list[str] = field(default_factory=list)


def _blocks(lines: Iterable[str]) -> list[_Block]:
    """Messages that belong together: a head, its explanations, and the failing statement."""
    blocks: list[_Block] = []
    current: _Block | None = None
    in_sql = False
    for line in lines:
        message = _MESSAGE.match(line)
        if message:
            code = message[1]
            if current is None or in_sql or (code in _HEADS and not _joins(current, code)):
                current = _Block([], [])
                blocks.append(current)
            in_sql = False
            current.codes.append(code)
            current.lines.append(line)
            continue
        if current is None:
            continue
        stripped = line.strip()
        if _is_other(stripped):
            current, in_sql = None, False
        elif in_sql:
            if stripped:
                current.sql.append(stripped)
        elif stripped.endswith((":", "\uff1a")) and not stripped.startswith(". ."):
            # "Failing sql is:" in any language.
            in_sql = True
            current.lines.append(line)
        elif not stripped:
            continue
        elif _SQL.match(stripped):
            in_sql = True
            current.sql.append(stripped)
        else:
            current.lines.append(line)
    return blocks


def _joins(block: _Block, code: str) -> bool:
    """A message that could stand alone explains the block before it instead."""
    # ORA-39002 and ORA-39006 are followed by the directory's or the table's messages.
    return block.codes[0] in ("ORA-39002", "ORA-39001", "ORA-39006", "ORA-31626") and code in _FATAL


def _is_other(line: str) -> bool:
    """A line of the log begins something other than an error's text."""
    return (
        line.startswith((". .", ";;;", "*****"))
        or _NOTE.match(line) is not None
        or re.match(r"(?:Completed \d|Startup took\b)", line) is not None
        or re.match(r'(?:Job|Starting|Restarting|Master table|Processing object type)\b.*["/]', line) is not None
        # "Processing object type SCHEMA_EXPORT/TABLE/COMMENT" in any language.
        or re.search(r"(?<!\S)[A-Z_]+(?:/[A-Z_]+)+(?!\S)", line) is not None
        or re.match(r"(?:Job|Worker \d+ Status|Operation|State|Bytes Processed|Dump File)\b.*:", line) is not None
    )


def _classified(block: _Block) -> LogError:
    head = block.lines[0]
    sql = " ".join(block.sql)
    object_type, name = _object(head, sql)
    text = "\n".join([*block.lines, *block.sql])[:1000]
    return LogError(
        code=block.codes[0],
        codes=tuple(dict.fromkeys(block.codes)),
        severity=_severity(block.codes, object_type, head),
        object_type=object_type,
        object_name=name,
        text=text,
    )


def _object(head: str, sql: str) -> tuple[str | None, str | None]:
    """Type and name of a report's object, from the statement where the message has none."""
    body = re.split(r"[:\uff1a]", head, maxsplit=1)[-1]
    quoted = _NAME.search(body)
    name = ".".join(part for part in quoted.groups() if part) if quoted else None
    before = body[: quoted.start()] if quoted else body
    types = [found.replace(" ", "_") for found in _TYPE.findall(before)]
    # A worker's error may show the whole path, such as TABLE/INDEX/STATISTICS/INDEX_STATISTICS.
    path = re.search(r"[A-Z_]+/[A-Z_/]+", before) is not None
    kind = types[-1 if path or head.partition(":")[0] in _WORKER else 0] if types else None
    object_type = _SAME_TYPE.get(kind, kind) if kind else None
    if name is None or object_type is None:
        created = re.search(
            r"\b(?:CREATE|ALTER)\s+(?:OR\s+REPLACE\s+)?(?:FORCE\s+)?(?:(?:NON)?EDITIONABLE\s+)?"
            r"(?:UNIQUE\s+|BITMAP\s+|GLOBAL\s+TEMPORARY\s+|PUBLIC\s+)*"
            r"(INDEX|TABLE|SEQUENCE|TRIGGER|VIEW|PACKAGE\s+BODY|PACKAGE|PROCEDURE|FUNCTION|TYPE|SYNONYM|USER)"
            r"\s+"
            r'"([^"]+)"(?:\."([^"]+)")?',
            sql,
            re.IGNORECASE,
        )
        constraint = re.search(r'\bCONSTRAINT\s+"([^"]+)"', sql, re.IGNORECASE)
        if created:
            kind = re.sub(r"\s+", "_", created[1].upper())
            found = ".".join(part for part in created.groups()[1:] if part)
            if re.match(r"\s*ALTER\s+TABLE", sql, re.IGNORECASE):
                # The statement alters a table to add a constraint: the table itself exists.
                kind = "REF_CONSTRAINT" if "REFERENCES" in sql.upper() else "CONSTRAINT"
                found = f"{created[2]}.{constraint[1]}" if constraint and created[3] else found
            if name is None and (object_type in (None, kind) or object_type in _INDEX_TYPES or constraint):
                name = found
            object_type = object_type or kind
    return object_type, name


def _severity(codes: list[str], object_type: str | None, head_text: str) -> Severity:
    head, every = codes[0], set(codes)
    if head in _WAITING:
        return "waiting"
    if head in _FATAL:
        return "fatal"
    if head == "ORA-39127":
        # A procedural action of another component failed.
        return "review"
    if head in _WORKER:
        return "review" if _of_statistics(object_type, head_text) else _of_type(object_type) or "fatal"
    if head == "ORA-31684":
        # An existing sequence or table kept its own values: nothing was imported into it.
        return "data" if object_type in ("SEQUENCE", "TABLE") else "harmless"
    if head in _WARNINGS:
        return "harmless"
    if head in _REVIEW:
        return "review"
    if head == "ORA-39082":
        # Created with compilation warnings; the check of invalid objects decides.
        return "review"
    if head == "ORA-39346":
        # A character of the object's text was lost, and no row.
        return "object" if object_type in _DATA_TYPES | _CONSTRAINT_TYPES | _INDEX_TYPES else "review"
    if head in _DATA or every & {"ORA-02354", "ORA-01555", "ORA-31693"}:
        return "data"
    if head == "ORA-39111" and object_type not in _INDEX_TYPES:
        return "harmless"
    if (found := _of_type(object_type)) is not None:
        return found
    if every & _INDEX:
        return "index"
    if every & _FATAL:
        return "fatal"
    # An unknown error: the safe assumption is that something is missing.
    return "data"


def _of_type(object_type: str | None) -> Severity | None:
    """Severity of a missing object; None: its type is unknown."""
    if object_type is None:
        return None
    if object_type in _INDEX_TYPES:
        return "index"
    if object_type in _DATA_TYPES:
        return "data"
    if object_type in _STATISTICS:
        return "harmless"
    return "object" if object_type in _CONSTRAINT_TYPES else "review"


def _of_statistics(object_type: str | None, text: str) -> bool:
    """A worker failed at statistics: by the type in brackets, or by the name of its procedure."""
    return object_type in _STATISTICS or re.search(r"\bKUPW\$WORKER\.STATS_", text) is not None


# -- end -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _End:
    outcome: Outcome | None
    errors: int | None = None
    elapsed: int | None = None


def _job(lines: Iterable[str]) -> str | None:
    for line in lines:
        found = re.match(r'^[^"(]{0,60}"([^"]+)"\."([^"]+)"', line)
        if found and not line.startswith((". .", "ORA-")) and not _SQL.match(line.strip()):
            return f"{found[1]}.{found[2]}"
    return None


def _end(lines: list[str]) -> _End | None:
    """The job's last line about its end; None when there is no such line, or the job continued after it."""
    end: _End | None = None
    job = _job(lines)
    quoted = '"{}"."{}"'.format(*job.split(".", 1)) if job else None
    seen = False
    for line in lines:
        if line.startswith((". .", "ORA-", ";;;")):
            continue
        lower = line.lower()
        own = re.match(r'^Job "[^"]+"\."[^"]+"', line) or (quoted is not None and quoted in line and seen)
        if quoted is not None and quoted in line and re.match(r"(?:Restart|Start)ing\b", line):
            end, seen = None, True
            continue
        if quoted is not None and quoted in line and not seen:
            # The first line with the job's name is its start, in any language.
            seen = True
            if not own:
                continue
        if not own or lower.startswith("master table"):
            continue
        elapsed = _elapsed(line)
        number = re.search(r"completed\b.*\bwith (\d[\d,.'\u2019\u00a0\u202f ]*) ?error", lower)
        if number and (count := whole(re.sub(r"\D", "", number[1]))):
            end = _End("completed_with_errors", count, elapsed)
        elif "successfully completed" in lower:
            end = _End("success", 0, elapsed)
        elif "fatal error" in lower:
            end = _End("fatal", None, elapsed)
        elif "user request" in lower or "reopened" in lower:
            # Stopped on request, or resumed afterwards: START_JOB continues it.
            end = None
        elif elapsed is not None or re.search(r"\d\d:\d\d:\d\d", line):
            end = _End(None, None, elapsed)
    return end


def _elapsed(line: str) -> int | None:
    """Seconds from the last line's ``elapsed 0 00:12:44``, in any language; releases before 12c have none."""
    clocks = re.findall(r"(?<!\d)(\d+) (\d\d):(\d\d):(\d\d)(?!\d)", line)
    # The other clock of the line is the time of day, after the day of the month.
    if not clocks or (len(clocks) == 1 and "elapsed" not in line.lower()):
        return None
    days, hours, minutes, seconds = (whole(part) for part in clocks[-1])
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _outcome(end: _End | None, errors: list[LogError], exit_code: int | None, *, proven: bool) -> Outcome:
    """The outcome: by the last line in English, else by the client's exit code, never by missing words.

    :param proven: the log has what every successful job leaves: an export names its dump files.
    """
    if end is not None and end.outcome is not None:
        return end.outcome
    if exit_code == 1:
        return "fatal"
    if exit_code in (0, 5) and end is not None and proven:
        # A client that was attached may not count the errors from before.
        return "completed_with_errors" if exit_code == 5 or errors else "success"
    if any(error.severity == "fatal" for error in errors):
        return "fatal"
    return "unclear" if end is not None or exit_code in (0, 5) else "unfinished"


def _dump_files(lines: list[str]) -> list[str]:
    """Paths after "Dump file set for ... is:"; of a continued log the last list."""
    found: list[str] = []
    for index, line in enumerate(lines):
        previous = lines[index - 1] if index else ""
        if re.match(r"^\s+\S.*\.dmp\s*$", line, re.IGNORECASE) and not re.match(r"^\s+[A-Za-z ]+:\s", line):
            if not re.match(r"^\s+\S.*\.dmp\s*$", previous, re.IGNORECASE):
                found = []
            found.append(line.strip())
    return found


def _decimal(text: str) -> float:
    """Value of ``12.34``, ``12,34`` or ``1,234.5``: the last separator is the decimal one, as sizes are below 1,024."""
    before, _, fraction = text.replace(",", ".").rpartition(".")
    digits, rest = (re.sub(r"\D", "", part) for part in (before, fraction))
    if not before:
        return float(whole(rest or "0"))
    return float(f"{whole(digits or '0')}.{rest or 0}")


# -- status --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Status:
    """The last STATUS block of a text; None for values that it does not show."""

    operation: str | None = None
    state: str | None = None
    percent: float | None = None
    bytes: int | None = None
    errors: int | None = None
    object_name: str | None = None


def parse_status(text: str) -> Status | None:
    """The last STATUS block; None when there is none."""
    start = None
    for found in re.finditer(r"^[ \t]*Job: \S+", text, re.MULTILINE):
        start = found
    if start is None:
        return None
    block = text[start.start() :]

    def value(label: str) -> str | None:
        found = re.search(rf"^[ \t]*{label}:[ \t]*(\S.*?)[ \t]*$", block, re.MULTILINE | re.IGNORECASE)
        return found[1] if found else None

    def number(label: str) -> int | None:
        found = value(label)
        digits = re.sub(r"[^\d]", "", found or "")
        return whole(digits) if digits else None

    percent = value("Percent Done")
    schema, name = value("Object Schema"), value("Object Name")
    return Status(
        operation=value("Operation"),
        state=value("State"),
        percent=_decimal(percent.rstrip("% ")) if percent and re.match(r"\d", percent) else None,
        bytes=number("Bytes Processed"),
        errors=number("Job Error Count"),
        object_name=f"{schema}.{name}" if schema and name else name,
    )


def percent_done(text: str) -> float | None:
    """Percent of the last STATUS block; None until bytes are processed, since Data Pump omits it before."""
    status = parse_status(text)
    return status.percent if status else None


def progress_line(text: str) -> str | None:
    """One line for the log from the client's last output: percent, bytes, object, finished tables."""
    status = parse_status(text)
    tables = [found for line in text.splitlines() if (found := _MOVED.match(_LOGTIME.sub("", line.strip())))]
    parts = []
    if status:
        parts.append(f"{status.percent:g} % done" if status.percent is not None else "no percentage yet")
        if status.bytes:
            parts.append(f"{status.bytes:,} bytes")
        if status.state and status.state.upper() != "EXECUTING":
            parts.append(f"state {status.state}")
        if status.object_name:
            parts.append(f"at {status.object_name}")
        if status.errors:
            parts.append(f"{status.errors} errors")
    if tables:
        names = {f"{found[1]}.{found[2]}" for found in tables}
        parts.append(f"{len(names)} tables, last {tables[-1][1]}.{tables[-1][2]}")
    return ", ".join(parts) or None
