"""Command lines and parameter files of ``expdp`` and ``impdp``: pure functions over text.

Syntax and messages: Oracle Database Utilities, "Data Pump Export" and "Data Pump Import", and the LRM messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

Operation = Literal["EXPORT", "IMPORT"]

_COMMON = {
    "ATTACH", "CONTENT", "DIRECTORY", "DUMPFILE", "ENCRYPTION", "ENCRYPTION_PASSWORD", "EXCLUDE", "FLASHBACK_SCN",
    "FULL", "HELP", "INCLUDE", "JOB_NAME", "LOGFILE", "METRICS", "NOLOGFILE", "LOGTIME", "PARALLEL", "PARFILE",
    "SCHEMAS", "STATUS", "TABLES", "CLUSTER", "ACCESS_METHOD", "KEEP_MASTER", "VERSION",
}  # fmt: skip
_KNOWN: dict[Operation, set[str]] = {
    "EXPORT": _COMMON | {"COMPRESSION", "ESTIMATE", "ESTIMATE_ONLY", "FILESIZE", "QUERY", "REUSE_DUMPFILES", "SAMPLE"},
    "IMPORT": _COMMON
    | {
        "PARTITION_OPTIONS",
        "REMAP_SCHEMA",
        "REMAP_TABLESPACE",
        "SQLFILE",
        "TABLE_EXISTS_ACTION",
        "TRANSFORM",
    },
}
#: Parameters of the real programs that would change what is written, and that the stand-in does not have.
_UNSUPPORTED = {
    "QUERY",
    "SAMPLE",
    "REMAP_SCHEMA",
    "SQLFILE",
    "ESTIMATE_ONLY",
    "KEEP_MASTER",
    "ENCRYPTION_PASSWORD",
}
#: Parameters that came with release 12.
_SINCE_12 = {"LOGTIME", "KEEP_MASTER"}
_REPEATABLE = {"EXCLUDE", "INCLUDE", "DUMPFILE", "SCHEMAS", "TABLES"}
_CHOICES = {
    "CONTENT": ("ALL", "DATA_ONLY", "METADATA_ONLY"),
    "TABLE_EXISTS_ACTION": ("SKIP", "APPEND", "TRUNCATE", "REPLACE"),
    "COMPRESSION": ("ALL", "DATA_ONLY", "METADATA_ONLY", "NONE"),
    "LOGTIME": ("NONE", "STATUS", "LOGFILE", "ALL"),
    "ENCRYPTION": ("ALL", "DATA_ONLY", "ENCRYPTED_COLUMNS_ONLY", "METADATA_ONLY", "NONE"),
    "ESTIMATE": ("BLOCKS", "STATISTICS"),
}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_$#]{0,127}\Z")


def known(operation: Operation, release: str) -> set[str]:
    """Keywords of a program in a release."""
    return _KNOWN[operation] - (_SINCE_12 if release == "11.2" else set())


class ParameterError(ValueError):
    """The command line or the parameter file is wrong; ``lines`` is what the program prints."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        super().__init__("; ".join(lines))


class ObjectFilter(BaseModel):
    """One EXCLUDE or INCLUDE: an object type and, optionally, a clause over the names."""

    object_type: str
    clause: str = ""

    def selects(self, name: str) -> bool:
        """True when the clause holds for an upper-case name; an absent clause holds for every name."""
        return name_clause(self.clause)(name)


class JobParameters(BaseModel):
    """Validated parameters of a job."""

    operation: Operation
    schemas: list[str] = []
    tables: list[str] = []
    full: bool = False
    include: list[ObjectFilter] = []
    exclude: list[ObjectFilter] = []
    content: str = "ALL"
    directory: str | None = None
    dumpfile: list[str] = ["expdat.dmp"]
    filesize: int = 0
    parallel: int = 1
    flashback_scn: int | None = None
    job_name: str | None = None
    logfile: str | None = None
    nologfile: bool = False
    status: int | None = None
    reuse_dumpfiles: bool = False
    table_exists_action: str | None = None
    compression: str = "METADATA_ONLY"
    encryption: str | None = None
    logtime: str = "NONE"
    metrics: bool = False
    cluster: bool = True
    version: str | None = None
    attach: str | None = None
    help: bool = False

    @property
    def mode(self) -> str:
        if self.tables:
            return "TABLE"
        return "FULL" if self.full else "SCHEMA"


# -- text ------------------------------------------------------------------------------------------


def strip_comments(text: str) -> str:
    """Take ``#`` comments out of a parameter file; a ``#`` inside quotes or a word (``V$X#``) stays."""
    lines = []
    for line in text.splitlines():
        quote = ""
        cut = len(line)
        for position, character in enumerate(line):
            if quote:
                quote = "" if character == quote else quote
            elif character in "'\"":
                quote = character
            elif character == "#" and (
                position == 0 or not (line[position - 1].isalnum() or line[position - 1] in "_$")
            ):
                cut = position
                break
        lines.append(line[:cut])
    return "\n".join(lines)


def pairs(text: str) -> list[tuple[str, str]]:
    """Split ``KEY=value KEY = (a, b)`` into pairs; keys in upper case, values as they stand.

    A value ends at white space outside quotes and parentheses, unless a comma stands on either side.

    :raises ParameterError: a word without ``=``, or an open quote or parenthesis.
    """
    found: list[tuple[str, str]] = []
    position = 0
    while True:
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1
        if position >= len(text):
            return found
        match = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\s*=[ \t]*").match(text, position)
        if not match:
            word = text[position:].split()[0]
            if re.fullmatch(r"[A-Za-z_]+", word):
                raise ParameterError(f"LRM-00108: invalid positional parameter value '{word}'")
            raise ParameterError(f"LRM-00110: syntax error at '{word}'")
        value, position = _value(text, match.end())
        found.append((match[1].upper(), value))


def _value(text: str, start: int) -> tuple[str, int]:
    quote = ""
    depth = 0
    position = start
    while position < len(text):
        character = text[position]
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
        elif character in " \t\r\n" and depth <= 0:
            rest = text[position:].lstrip()
            if not (text[start:position].rstrip().endswith(",") or rest.startswith(",")):
                break
        position += 1
    if quote or depth > 0:
        raise ParameterError(f"LRM-00116: syntax error at '{text[start : start + 20].strip()}' following '='")
    return text[start:position].strip(), position


def split_list(value: str) -> list[str]:
    """Split at commas outside quotes and parentheses; outer parentheses and blanks go."""
    value = value.strip()
    if value.startswith("(") and value.endswith(")"):
        value = value[1:-1]
    items, quote, depth, current = [], "", 0, ""
    for character in value:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "," and depth == 0:
            items.append(current.strip())
            current = ""
            continue
        current += character
    return [item for item in [*items, current.strip()] if item]


def unquote(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


def identifier(value: str) -> str:
    """An Oracle name as the dictionary has it: upper case, unless it stands in double quotes."""
    value = value.strip()
    return value[1:-1] if value.startswith('"') and value.endswith('"') and len(value) > 1 else value.upper()


def size(value: str) -> int | None:
    """``2G``, ``10MB``, ``512K`` or bytes; None when it is not a size."""
    match = re.fullmatch(r"(\d+)\s*([KMGT]?)B?", value.strip(), re.IGNORECASE)
    if not match:
        return None
    return int(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " ")


def name_clause(clause: str) -> Callable[[str], bool]:
    """Turn ``IN ('A','B')``, ``LIKE 'A%'``, ``= 'A'`` and their opposites into a test of a name.

    :raises ParameterError: ORA-39071, the clause has none of these shapes.
    """
    text = clause.strip()
    if not text:
        return lambda name: True
    literals = [literal.replace("''", "'") for literal in re.findall(r"'((?:[^']|'')*)'", text)]
    shape = re.sub(r"\s+", " ", re.sub(r"'(?:[^']|'')*'", "?", text)).upper().strip()
    wanted = set(literals)
    if re.fullmatch(r"(NOT )?IN ?\( ?\?( ?, ?\?)* ?\)", shape):
        return (lambda name: name not in wanted) if shape.startswith("NOT") else (lambda name: name in wanted)
    if shape in ("= ?", "=?"):
        return lambda name: name in wanted
    if re.fullmatch(r"(<>|!=) ?\?", shape):
        return lambda name: name not in wanted
    if shape in ("LIKE ?", "NOT LIKE ?"):
        pattern = re.compile(like_pattern(literals[0]))
        if shape.startswith("NOT"):
            return lambda name: not pattern.fullmatch(name)
        return lambda name: bool(pattern.fullmatch(name))
    raise ParameterError(
        "ORA-39001: invalid argument value",
        "ORA-39071: Value for EXCLUDE is badly formed.",
        "ORA-00936: missing expression",
    )


def like_pattern(like: str) -> str:
    """A LIKE pattern as a regular expression."""
    return "".join({"%": ".*", "_": "."}.get(character, re.escape(character)) for character in like)


def object_filter(value: str) -> ObjectFilter:
    """Read ``INDEX``, ``TABLE/INDEX`` or ``INDEX:"IN ('A')"``; backslashes that a shell left behind are dropped."""
    path, _, clause = value.replace("\\", "").partition(":")
    parsed = ObjectFilter(object_type=path.strip().strip('"').split("/")[-1].upper(), clause=unquote(clause))
    name_clause(parsed.clause)
    return parsed


# -- the whole -------------------------------------------------------------------------------------


def read(
    operation: Operation,
    arguments: Iterable[str],
    *,
    release: str = "19c",
    read_file: Callable[[str], str] = lambda path: Path(path).read_text(),
) -> tuple[str | None, JobParameters]:
    """Read a command line and the parameter file that it names.

    :param arguments: words after the program's name.
    :param release: ``11.2`` knows fewer parameters.
    :returns: the logon (``system``, ``system/secret``, ``/@alias``; None when there is none) and the parameters.
    :raises ParameterError: with the lines that the real program prints.
    """
    logon: str | None = None
    words = list(arguments)
    if words and not re.match(r"[A-Za-z_]+\s*=", words[0]):
        logon = words.pop(0)
    elif words and (match := re.match(r"userid\s*=\s*(.*)", words[0], re.IGNORECASE)):
        logon, words = match[1], words[1:]
    # ``expdp "sys as sysdba"`` may also arrive as three words
    if logon and len(words) > 1 and words[0].lower() == "as" and words[1].lower() == "sysdba":
        logon, words = f"{logon} as sysdba", words[2:]
    keywords = known(operation, release)
    values: dict[str, list[str]] = {}

    def take(text: str, source: str | None) -> None:
        try:
            for key, value in pairs(text):
                if source and key == "USERID":
                    nonlocal logon
                    logon = logon or unquote(value)
                    continue
                if key not in keywords:
                    raise ParameterError(f"LRM-00101: unknown parameter name '{key}'")
                if key in values and key not in _REPEATABLE:
                    raise ParameterError(f"LRM-00112: multiple values not allowed for parameter '{key.lower()}'")
                values.setdefault(key, []).append(value)
        except ParameterError as error:
            if source:
                error.lines.append(f"LRM-00113: error when processing file '{source}'")
            raise

    # ``ATTACH`` alone is allowed
    take(" ".join("ATTACH=''" if word.upper() == "ATTACH" else word for word in words), None)
    if parfile := values.pop("PARFILE", None):
        name = unquote(parfile[0])
        try:
            text = read_file(name)
        except (OSError, UnicodeDecodeError):
            raise ParameterError(f"LRM-00109: could not open parameter file '{name}'") from None
        take(strip_comments(text), name)
    return logon, _validated(operation, values)


def _validated(operation: Operation, values: dict[str, list[str]]) -> JobParameters:
    prefix = "UDE" if operation == "EXPORT" else "UDI"

    def invalid(key: str) -> ParameterError:
        return ParameterError(f"{prefix}-00014: invalid value for parameter, '{key.lower()}'.")

    def one(key: str) -> str | None:
        return unquote(values[key][0]) if key in values else None

    def many(key: str) -> list[str]:
        return [item for value in values.get(key, []) for item in split_list(value)]

    def yes(key: str) -> bool:
        value = (one(key) or "N").upper()
        if value not in ("Y", "N", "YES", "NO", "TRUE", "FALSE"):
            raise invalid(key)
        return value[0] in "YT"

    def number(key: str, least: int) -> int | None:
        value = one(key)
        if value is None:
            return None
        if not value.isdigit() or int(value) < least:
            raise invalid(key)
        return int(value)

    for key in sorted(values.keys() & _UNSUPPORTED):
        raise ParameterError(f"{prefix}-00050: parameter {key} is not supported by the lab's stand-in for Data Pump.")
    for key, choices in _CHOICES.items():
        if key in values and (one(key) or "").upper().split("(")[0] not in choices:
            raise invalid(key)
    modes = [key for key in ("SCHEMAS", "TABLES", "FULL") if key in values and (key != "FULL" or yes("FULL"))]
    if len(modes) > 1:
        raise ParameterError(
            f"{prefix}-00010: multiple job modes requested, {modes[0].lower()} and {modes[1].lower()}."
        )
    if "INCLUDE" in values and "EXCLUDE" in values:
        raise ParameterError(f"{prefix}-00011: parameter include is incompatible with parameter exclude")
    attach = identifier(one("ATTACH") or "").rpartition(".")[2] if "ATTACH" in values else None
    filesize = size(one("FILESIZE") or "0")
    if filesize is None:
        raise invalid("FILESIZE")
    job_name = identifier(values["JOB_NAME"][0]) if "JOB_NAME" in values else None
    if job_name is not None and not _NAME.match(job_name):
        raise invalid("JOB_NAME")
    content = (one("CONTENT") or "ALL").upper()
    return JobParameters(
        operation=operation,
        schemas=[identifier(item) for item in many("SCHEMAS")],
        tables=[".".join(identifier(part) for part in item.split(".")) for item in many("TABLES")],
        full=yes("FULL"),
        include=[object_filter(item) for item in many("INCLUDE")],
        exclude=[object_filter(item) for item in many("EXCLUDE")],
        content=content,
        directory=identifier(values["DIRECTORY"][0]) if "DIRECTORY" in values else None,
        dumpfile=[unquote(item) for item in many("DUMPFILE")] or ["expdat.dmp"],
        filesize=filesize,
        parallel=number("PARALLEL", 1) or 1,
        flashback_scn=number("FLASHBACK_SCN", 1),
        job_name=job_name,
        logfile=one("LOGFILE"),
        nologfile=yes("NOLOGFILE"),
        status=number("STATUS", 0),
        reuse_dumpfiles=yes("REUSE_DUMPFILES"),
        table_exists_action=(one("TABLE_EXISTS_ACTION") or "").upper() or None,
        compression=(one("COMPRESSION") or "METADATA_ONLY").upper(),
        encryption=(one("ENCRYPTION") or "").upper() or None,
        logtime=(one("LOGTIME") or "NONE").upper(),
        metrics=yes("METRICS"),
        cluster=yes("CLUSTER") if "CLUSTER" in values else True,
        version=one("VERSION"),
        attach=attach,
        help=yes("HELP"),
    )


class Logon(BaseModel):
    """A logon as ``user[/password][@service] [as sysdba]``, or ``/@alias`` of a wallet."""

    user: str = ""
    password: str | None = None
    service: str | None = None
    sysdba: bool = False
    wallet: bool = False


def logon(text: str | None) -> Logon:
    """Take a logon apart; the password may stand in double quotes."""
    text = unquote(text or "")
    match = re.match(r"(.*?)\s+as\s+sysdba\s*\Z", text, re.IGNORECASE | re.DOTALL)
    sysdba = bool(match)
    if match:
        text = match[1]
    shape = re.match(r'([^/@]*)(?:/("[^"]*"|[^@]*))?(?:@(.*))?\Z', text, re.DOTALL)
    if not shape:
        return Logon(user=text, sysdba=sysdba)
    user, password, service = shape[1].strip(), shape[2], shape[3]
    return Logon(
        user=identifier(user) if user else "",
        password=unquote(password) if password else None,
        service=service.strip() if service else None,
        sysdba=sysdba,
        wallet=not user and password == "",
    )
