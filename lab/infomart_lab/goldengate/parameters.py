"""GoldenGate parameter files: pure parsing, with the errors that the real processes abend on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Literal

Kind = Literal["extract", "replicat", "manager"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Parameters that every process takes.
_COMMON = _names(
    """
        BR CACHEMGR CHARSET CHECKPARAMS CHECKPOINTSECS COMMENT CREDENTIALSTORE DBOPTIONS DDL DDLOPTIONS
        DECRYPTTRAIL DISCARDFILE DISCARDROLLOVER DYNAMICRESOLUTION EOFDELAY EOFDELAYCSECS GETDELETES GETENV
        GETINSERTS GETTRUNCATES GETUPDATES IGNOREDELETES IGNOREINSERTS IGNORETRUNCATES IGNOREUPDATES INCLUDE
        MACRO NODISCARDFILE NODYNAMICRESOLUTION NUMFILES OBEY REPORT REPORTCOUNT REPORTROLLOVER SETENV
        SOURCECATALOG SOURCEDB STATOPTIONS SYSLOG TARGETDB TRACE TRACE2 TRACETABLE USERID USERIDALIAS
        WILDCARDRESOLVE
        """
)
_KNOWN: dict[Kind, frozenset[str]] = {
    "extract": _COMMON
    | _names(
        """
        EXTRACT COMPRESSDELETES COMPRESSUPDATES ENCRYPTTRAIL EXTTRAIL FETCHOPTIONS FLUSHSECS GETUPDATEAFTERS
        GETUPDATEBEFORES IGNOREUPDATEBEFORES LOGALLSUPCOLS NOCOMPRESSDELETES NOCOMPRESSUPDATES NOPASSTHRU
        PASSTHRU RECOVERYOPTIONS RMTHOST RMTTRAIL SEQUENCE TABLE TABLEEXCLUDE THREADOPTIONS TRANLOGOPTIONS
        UPDATERECORDFORMAT WARNLONGTRANS
        """
    ),
    "replicat": _COMMON
    | _names(
        """
        REPLICAT ALLOWDUPTARGETMAP ALLOWNOOPUPDATES APPLYNOOPUPDATES APPLY_PARALLELISM ASSUMETARGETDEFS
        BATCHSQL CHECKPOINTTABLE COMMIT_SERIALIZATION DDLERROR DDLSUBST DEFERAPPLYINTERVAL ERREPLY
        GROUPTRANSOPS HANDLECOLLISIONS INSERTALLRECORDS INSERTMISSINGUPDATES MAP MAPEXCLUDE MAP_PARALLELISM
        MAXDISCARDRECS MAXTRANSOPS MAX_APPLY_PARALLELISM MIN_APPLY_PARALLELISM NOALLOWDUPTARGETMAP
        NOBATCHSQL NOHANDLECOLLISIONS NOINSERTALLRECORDS OVERRIDEDUPS REPERROR SHOWSYNTAX SOURCEDEFS
        SPLIT_TRANS_RECS SQLEXEC SUPPRESSTRIGGERS TRANSACTIONTIMEOUT UPDATEDELETES
        """
    ),
    "manager": _names(
        """
        ACCESSRULE AUTORESTART AUTOSTART BOOTDELAYMINUTES CHECKMINUTES COMMENT DOWNCRITICAL DOWNREPORT
        DOWNREPORTHOURS DOWNREPORTMINUTES DYNAMICPORTLIST LAGCRITICAL LAGCRITICALMINUTES LAGCRITICALSECONDS
        LAGINFO LAGINFOMINUTES LAGINFOSECONDS LAGREPORT LAGREPORTMINUTES PORT PURGEDDLHISTORY
        PURGEMARKERHISTORY PURGEOLDEXTRACTS SETENV STARTUPVALIDATIONDELAY STARTUPVALIDATIONDELAYCSECS SYSLOG
        USERID USERIDALIAS
        """
    ),
}
#: Parameters that end with a semicolon, over any number of lines.
_TERMINATED = frozenset({"TABLE", "MAP", "SEQUENCE"})
#: First word of an option, per parameter; an unknown one abends the process.
_OPTIONS = {
    "DBOPTIONS": _names(
        """
        ALLOWUNUSEDCOLUMN CATALOGCONNECT DECRYPTPASSWORD DEFERREFCONST DISABLECOMMITNOWAIT DISABLELOBCACHING
        EMPTYLOBSTRING ENABLE_INSTANTIATION_FILTERING ENABLEINSTANTIATIONFILTERING FETCHBATCHSIZE FETCHLOBS
        FETCHCHECKFREQ INTEGRATEDPARAMS LIMITROWS LOBBUFSIZE LOBWRITESIZE NOCATALOGCONNECT NOLIMITROWS
        NOSUPPRESSTRIGGERS NOTRIGGERS SETTAG SKIPTEMPLOB SOURCE_DB_NAME SUPPRESSTRIGGERS TRUSTEDSOURCE
        """
    ),
    "DDLOPTIONS": _names(
        """
        ADDTRANDATA CAPTUREGLOBALTEMP DEFAULTUSERPASSWORD DEFAULTUSERPASSWORDALIAS GETAPPLOPS GETREPLICATES
        IGNOREAPPLOPS IGNOREREPLICATES IGNOREMAPPING MAPDERIVED MAPSCHEMAS MAPSESSIONSCHEMA MAXRETRIES
        NOMAPDERIVED NOREPORT NOTAG PASSWORD REMOVECOMMENTS REPLICATEPASSWORD REPORT RETRYDELAY RETRYOP
        UPDATEMETADATA USEOWNERFORSESSION
        """
    ),
    "TRANLOGOPTIONS": _names(
        """
        ALLOWDATALOSS ALTARCHIVELOGDEST ARCHIVEDLOGONLY ASMBUFSIZE BUFSIZE CHECKTABLELEVELSUPPLOG
        COMPLETEARCHIVEDLOGONLY DBLOGREADER DBLOGREADERBUFSIZE DLFAILOVER_TIMEOUT EXCLUDETAG EXCLUDETRANS
        EXCLUDEUSER EXCLUDEUSERID FAILOVERTARGETDESTID FETCHPARTIALLOB FILTERTABLE GETCTASDML
        HANDLEDLFAILOVER INTEGRATEDPARAMS LOGRETENTION LOGSOURCE MINEFROMACTIVEDG MINING_FROM_ACTIVE_DG
        PERFORMANCEPROFILE PREFERREDONLYREADER TRANSCLEANUPFREQUENCY USENATIVEOBJSUPPORT
        """
    ),
}
_REPERROR_RESPONSES = frozenset(
    {
        "ABEND",
        "DISCARD",
        "EXCEPTION",
        "IGNORE",
        "RETRYOP",
        "TRANSABORT",
        "TRANSDISCARD",
        "TRANSEXCEPTION",
        "RESET",
    }
)
#: Parameters that release 11.2 does not know.
_SINCE_12 = frozenset({"USERIDALIAS", "LOGALLSUPCOLS", "UPDATERECORDFORMAT"})
_OPTIONS_SINCE_12 = frozenset({"SETTAG", "EXCLUDETAG", "ENABLE_INSTANTIATION_FILTERING"})


class ParameterError(Exception):
    """A parameter file that the process would abend on.

    :param code: message number, as ``OGG-00303``.
    :param text: the message without its number.
    """

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(f"{code}  {text}")


@dataclass(frozen=True)
class Statement:
    """One parameter: its name in upper case and what follows, on one line, without the semicolon."""

    name: str
    value: str


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    # GoldenGate's own wildcards; fnmatch would also take brackets.
    text = re.escape(pattern.upper()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(text + r"\Z")


def matches(pattern: str, name: str) -> bool:
    """True when ``[PDB.]OWNER.OBJECT`` (upper case) matches a GoldenGate pattern with ``*`` and ``?``.

    A pattern of two parts matches no name of three: the part of the owner would be that of the PDB.
    """
    if "." in pattern and pattern.count(".") != name.count("."):
        return False
    return _expression(pattern.replace('"', "")).match(name) is not None


@dataclass
class Mapping:
    """``MAP source, TARGET target;``, both with wildcards."""

    source: str
    target: str
    options: str = ""

    def target_of(self, name: str) -> str:
        """Name at the target of ``[PDB.]OWNER.OBJECT``; a wildcard of the target takes the source's object name."""
        owner, _, target = self.target.upper().partition(".")
        source_owner, source_object = name.split(".")[-2:]
        return f"{source_owner if '*' in owner else owner}.{source_object if '*' in target else target}"


@dataclass
class DdlScope:
    """The DDL parameter: include and exclude rules; None for *everything*."""

    include: list[str | None] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    mapped: bool = False


@dataclass
class Parameters:
    """A parsed parameter file."""

    kind: Kind
    statements: list[Statement]

    def all(self, name: str) -> list[str]:
        """Values of every statement ``name``, in order."""
        return [s.value for s in self.statements if s.name == name]

    def last(self, name: str) -> str | None:
        """Value of the last statement ``name``; None when there is none."""
        values = self.all(name)
        return values[-1] if values else None

    def has(self, name: str) -> bool:
        return any(s.name == name for s in self.statements)

    @property
    def group(self) -> str | None:
        """Group named by EXTRACT or REPLICAT."""
        value = self.last("EXTRACT" if self.kind == "extract" else "REPLICAT")
        return value.upper() if value else None

    @cached_property
    def tables(self) -> list[str]:
        return [_first_name(v) for v in self.all("TABLE")]

    @cached_property
    def sequences(self) -> list[str]:
        return [_first_name(v) for v in self.all("SEQUENCE")]

    @cached_property
    def excluded(self) -> list[str]:
        name = "MAPEXCLUDE" if self.kind == "replicat" else "TABLEEXCLUDE"
        return [part.strip() for v in self.all(name) for part in v.split(",") if part.strip()]

    @cached_property
    def mappings(self) -> list[Mapping]:
        return [_mapping(v) for v in self.all("MAP")]

    @cached_property
    def ddl(self) -> DdlScope | None:
        value = self.last("DDL")
        return None if value is None else _ddl(value)

    def includes_table(self, name: str) -> bool:
        """True when an Extract or pump takes the table ``OWNER.OBJECT``."""
        return any(matches(p, name) for p in self.tables) and not any(matches(p, name) for p in self.excluded)

    def includes_sequence(self, name: str) -> bool:
        return any(matches(p, name) for p in self.sequences) and not any(matches(p, name) for p in self.excluded)

    def mapped(self, name: str) -> str | None:
        """Target name of ``OWNER.OBJECT`` at a Replicat; None when it is not mapped."""
        if any(matches(p, name) for p in self.excluded):
            return None
        for mapping in self.mappings:
            if matches(mapping.source, name):
                return mapping.target_of(name)
        return None

    def includes_ddl(self, name: str) -> bool:
        """True when DDL on ``OWNER.OBJECT`` passes the DDL parameter (MAPPED: the lists too)."""
        scope = self.ddl
        if scope is None:
            # An Extract takes DDL only with the parameter; a Replicat applies it by default.
            return self.kind == "replicat" and self.mapped(name) is not None
        if scope.include and not any(p is None or matches(p, name) for p in scope.include):
            return False
        if scope.mapped:
            inside = self.mapped(name) is not None if self.kind == "replicat" else self.includes_table(name)
            if not inside:
                return False
        return not any(matches(p, name) for p in scope.exclude)

    @property
    def excluded_tags(self) -> set[str]:
        """Tags whose transactions an Extract skips; ``+`` for any."""
        return {tag.lower() for tag in self._after("EXCLUDETAG")}

    @property
    def excluded_users(self) -> set[str]:
        """Users whose transactions an Extract skips, in upper case."""
        return {user.upper() for user in self._after("EXCLUDEUSER")}

    def _after(self, option: str) -> list[str]:
        """The words that follow an option of TRANLOGOPTIONS."""
        found = []
        for value in self.all("TRANLOGOPTIONS"):
            words = _words(value)
            found += [after for word, after in pairwise(words) if word.upper() == option]
        return found

    @property
    def tag(self) -> str:
        """Tag that a Replicat sets (DBOPTIONS SETTAG), ``00`` by default."""
        tag = "00"
        for value in self.all("DBOPTIONS"):
            if found := re.search(r"\bSETTAG\s+(\w+)", value, re.IGNORECASE):
                tag = found[1].lower()
        return tag

    @property
    def trail(self) -> str | None:
        """Trail that an Extract writes: EXTTRAIL or RMTTRAIL."""
        value = self.last("EXTTRAIL") or self.last("RMTTRAIL")
        return _words(value)[0] if value else None

    @property
    def trail_format(self) -> str | None:
        """FORMAT RELEASE of that trail."""
        value = self.last("EXTTRAIL") or self.last("RMTTRAIL") or ""
        found = re.search(r"\bFORMAT\s+RELEASE\s+(\d+\.\d+)\b", value, re.IGNORECASE)
        return found[1] if found else None

    @property
    def remote(self) -> tuple[str, int] | None:
        """Host and manager port of RMTHOST."""
        value = self.last("RMTHOST")
        if value is None:
            return None
        port = re.search(r"\b(?:MGRPORT|PORT)\s+(\d+)", value, re.IGNORECASE)
        return _words(value)[0], int(port[1]) if port else 7809

    def collisions(self) -> bool:
        """True when the last statement about collisions in the file is HANDLECOLLISIONS."""
        state = False
        for statement in self.statements:
            if statement.name in ("HANDLECOLLISIONS", "NOHANDLECOLLISIONS"):
                state = statement.name == "HANDLECOLLISIONS"
        return state

    @property
    def transaction_timeout(self) -> float | None:
        """Seconds of TRANSACTIONTIMEOUT; None when it is off, as by default."""
        value = self.last("TRANSACTIONTIMEOUT")
        if value is None:
            return None
        number, unit = _timeout(value)
        return number * {"S": 1, "M": 60, "H": 3600, "D": 86400}[unit[0]]

    def error_response(self, number: int) -> str:
        """Response of REPERROR to an Oracle error number, as ABEND or DISCARD."""
        response = "ABEND"
        specific: dict[int, str] = {}
        for value in self.all("REPERROR"):
            error, answer = _reperror(value)
            if error == "DEFAULT":
                response = answer
            elif error.lstrip("-").isdigit():
                specific[abs(int(error))] = answer
        return specific.get(number, response)

    def ddl_error_response(self) -> str:
        """Response of DDLERROR DEFAULT."""
        for value in reversed(self.all("DDLERROR")):
            words = [w.upper() for w in _words(value)]
            if words[:1] == ["DEFAULT"] and len(words) > 1:
                return words[1]
        return "ABEND"


def _words(value: str) -> list[str]:
    return [w for w in re.split(r"[\s,]+", value.strip()) if w]


def _first_name(value: str) -> str:
    return _words(value)[0]


def _mapping(value: str) -> Mapping:
    found = re.match(r"\s*([^\s,]+)\s*,\s*TARGET\s+([^\s,;]+)\s*(.*)", value, re.IGNORECASE | re.DOTALL)
    if not found:
        raise ParameterError("OGG-00919", "Error in MAP clause.")
    for name in (found[1], found[2]):
        if "." not in name:
            raise ParameterError("OGG-00919", f"Error in MAP clause: schema missing in {name}.")
    return Mapping(found[1], found[2], found[3].strip(" ,"))


def _ddl(value: str) -> DdlScope:
    scope = DdlScope()
    words = [w for w in re.split(r"[\s,]+", value.replace('"', "")) if w]
    into: str | None = None
    position = 0
    while position < len(words):
        word = words[position].upper()
        if word in ("INCLUDE", "EXCLUDE"):
            into = word
        elif into is None:
            raise ParameterError("OGG-00303", f"Unrecognized option ({words[position]}) for DDL.")
        elif word == "ALL":
            if into == "INCLUDE":
                scope.include.append(None)
            else:
                scope.exclude.append("*")
        elif word == "MAPPED":
            scope.mapped = True
            scope.include.append(None)
        elif word in ("UNMAPPED", "OTHER"):
            if into == "INCLUDE":
                scope.include.append(None)
        elif word == "OBJNAME":
            position += 1
            if position >= len(words) or words[position].upper() in ("INCLUDE", "EXCLUDE"):
                raise ParameterError("OGG-00303", "Missing value for option (OBJNAME) of DDL.")
            if "." not in words[position] and words[position] != "*":
                raise ParameterError("OGG-00375", f"Schema missing in DDL OBJNAME {words[position]}.")
            (scope.include if into == "INCLUDE" else scope.exclude).append(words[position])
        elif word in ("OBJTYPE", "OPTYPE", "INSTR", "INSTRWORDS", "INSTRCOMMENTS", "INSTRCOMMENTSWORDS"):
            position += 1
        else:
            raise ParameterError("OGG-00303", f"Unrecognized option ({words[position]}) for DDL.")
        position += 1
    return scope


def _timeout(value: str) -> tuple[int, str]:
    found = re.fullmatch(r"(\d+)\s*(S|SECS?|SECONDS?|MINS?|MINUTES?|HOURS?|DAYS?)", value.strip(), re.IGNORECASE)
    if not found:
        raise ParameterError("OGG-00303", f"Unrecognized option ({value}) for TRANSACTIONTIMEOUT.")
    return int(found[1]), found[2].upper()


def _reperror(value: str) -> tuple[str, str]:
    words = [w.upper() for w in re.split(r"[\s,()]+", value) if w]
    if len(words) < 2 or words[1] not in _REPERROR_RESPONSES:
        raise ParameterError("OGG-00303", f"Unrecognized option ({' '.join(words)}) for REPERROR.")
    return words[0], words[1]


def _logical_lines(text: str) -> list[str]:
    """Lines without comments, with ``&`` and the statements that run to a semicolon joined."""
    lines: list[str] = []
    pending = ""
    for raw in text.splitlines():
        stripped = raw.strip()
        if not stripped or stripped.startswith("--"):
            continue
        stripped = re.split(r"\s--", stripped)[0].rstrip()
        if stripped.endswith("&"):
            pending += stripped[:-1].rstrip() + " "
            continue
        line = pending + stripped
        pending = ""
        if line.split(None, 1)[0].upper().rstrip(";") in _TERMINATED and ";" not in line:
            pending = line + " "
            continue
        lines.append(line)
    if pending.strip():
        lines.append(pending.strip())
    return lines


def parse(text: str, kind: Kind, wording: str = "19c") -> Parameters:
    """Parse a parameter file.

    :param text: contents of ``dirprm/<group>.prm``.
    :param kind: the process that reads it; an Extract and a pump know the same parameters.
    :param wording: release of the process, as ``11.2``; parameters that it does not know are errors.
    :raises ParameterError: with the message of the abending process.
    """
    statements: list[Statement] = []
    for line in _logical_lines(text):
        word = re.split(r"[\s,;(]", line, maxsplit=1)[0]
        name = word.upper()
        value = line[len(word) :].strip()
        known = name in _KNOWN[kind] and not (wording == "11.2" and name in _SINCE_12)
        if not known:
            raise ParameterError("OGG-00303", f"Unrecognized parameter ({word}).")
        if name in _TERMINATED and not value.endswith(";"):
            raise ParameterError("OGG-00303", f"Missing semicolon at the end of {name}.")
        value = value.rstrip(";").rstrip().lstrip(",").lstrip()
        _check_value(name, value, wording)
        if name != "COMMENT":
            statements.append(Statement(name, value))
    parameters = Parameters(kind, statements)
    # Evaluated here, so that a mistake is an error at the start and not at the first row.
    _ = parameters.ddl, parameters.mappings
    return parameters


def _check_value(name: str, value: str, wording: str) -> None:
    if name in ("TABLE", "SEQUENCE", "TABLEEXCLUDE", "MAPEXCLUDE"):
        if not value:
            raise ParameterError("OGG-00375", f"Error in {name} clause.")
        for part in [value.split(",")[0]] if name in ("TABLE", "SEQUENCE") else value.split(","):
            if "." not in part:
                raise ParameterError("OGG-00375", f"Error in {name} clause: schema missing in {part.strip()}.")
    elif name in _OPTIONS:
        words = _words(value)
        first = re.sub(r"\(.*", "", words[0]).upper() if words else ""
        if first not in _OPTIONS[name] or (wording == "11.2" and first in _OPTIONS_SINCE_12):
            raise ParameterError("OGG-00303", f"Unrecognized option ({words[0] if words else ''}) for {name}.")
        if first in ("EXCLUDETAG", "EXCLUDEUSER", "SETTAG") and len(words) < 2:
            raise ParameterError("OGG-00303", f"Missing value for option ({first}) of {name}.")
    elif name == "REPERROR":
        _reperror(value)
    elif name == "TRANSACTIONTIMEOUT":
        _timeout(value)
    elif name in ("EXTTRAIL", "RMTTRAIL", "RMTHOST", "USERID", "USERIDALIAS", "PORT") and not value:
        raise ParameterError("OGG-00303", f"Missing value for parameter ({name}).")


def login(parameters: Parameters) -> tuple[str, str | None, str | None] | None:
    """Login of the parameter file.

    :returns: user without its service, password and alias: ``(user, password, None)`` for USERID,
        ``("", None, alias)`` for USERIDALIAS; None when the file has no login.
    """
    if alias := parameters.last("USERIDALIAS"):
        return "", None, _words(alias)[0]
    if (value := parameters.last("USERID")) is None:
        return None
    return (*parse_login(value), None)


def parse_login(value: str) -> tuple[str, str | None]:
    """User (upper case, without ``@service``) and password of ``user[@service][, PASSWORD password]``."""
    found = re.match(r"\s*([^\s,@/]+)(?:@[^\s,]+)?\s*(?:,?\s*PASSWORD\s+([^\s,;]+))?", value, re.IGNORECASE)
    if not found:
        return "", None
    password = found[2]
    return found[1].upper(), password.strip("'\"") if password else None
