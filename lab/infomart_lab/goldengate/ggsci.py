"""ggsci: reads commands from standard input and answers as the real one does. The exit status is always 0."""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from infomart_lab import config as lab
from infomart_lab.goldengate import trail
from infomart_lab.goldengate import wording as words
from infomart_lab.goldengate.home import Group, GroupKind, Home
from infomart_lab.goldengate.parameters import matches, parse_login

#: Commands that are echoed into ggserr.log (OGG-00987).
_CHANGING = frozenset(
    ["ADD", "ALTER", "DELETE", "REGISTER", "UNREGISTER", "START", "STOP", "KILL", "SEND", "FLUSH", "CREATE"]
)
_OBJECTS = {
    "EXT": "EXTRACT", "REP": "REPLICAT", "MANAGER": "MGR", "CHKPTTABLE": "CHECKPOINTTABLE", "CREDSTORE": (
        "CREDENTIALSTORE"
    ),
    "PARAM": "PARAMS",
}  # fmt: skip
_NOT_LOGGED_IN = "ERROR: Not logged into database, use DBLOGIN."
#: A classic Extract does not stop while a transaction is open for longer than this many seconds.
LONG_TRANSACTION_SECONDS = 60
_OPEN_TRANSACTIONS = (
    "ERROR: There are open, long-running transactions. Before you stop Extract, make the archives "
    "containing data for "
    "those transactions available for when Extract restarts. To force Extract to stop, use the SEND "
    "EXTRACT {group}, "
    "FORCESTOP command.\nOldest redo log file necessary to restart Extract is:\n\nRedo Log Sequence Number "
    "1, RBA 16."
)


class CommandError(Exception):
    """The reply is an error; its text is printed."""


def split(line: str) -> list[str]:
    """Words of a command: separated by blanks and commas, quotes kept together, the semicolon dropped."""
    text = line.strip().rstrip(";").rstrip()
    text = re.sub(r"!\s*$", " !", text)
    return [w for w in re.findall(r'"[^"]*"|\'[^\']*\'|[^\s,]+', text) if w]


def masked(line: str) -> str:
    """A command without its passwords."""
    return re.sub(r"(?i)(password\s+)(\"[^\"]*\"|'[^']*'|[^\s,;]+)", r"\1***", line)


class Options:
    """Walks over the words behind a command's object."""

    def __init__(self, found: Iterable[str]) -> None:
        self._words = list(found)

    def __bool__(self) -> bool:
        return bool(self._words)

    def next(self, what: str = "option") -> str:
        """Next word.

        :raises CommandError: there is none.
        """
        if not self._words:
            raise CommandError(f"ERROR: Missing {what}.")
        return self._words.pop(0)

    def keyword(self) -> str:
        return self.next().upper()

    def peek(self) -> str:
        return self._words[0].upper() if self._words else ""

    def rest(self) -> list[str]:
        found, self._words = self._words, []
        return found

    def number(self, what: str) -> int:
        word = self.next(what)
        if not word.isdigit():
            raise CommandError(f"ERROR: Invalid value for {what} ({word}).")
        return int(word)


class Session:
    """One run of ggsci."""

    def __init__(self, config: lab.LabConfig, site: str, lines: Iterator[str]) -> None:
        self.config = config
        self.site = site
        self.home = Home(config, site)
        self.wording = self.home.wording
        self.lines = lines
        self.user: str | None = None
        self._connection: Any = None

    # -- frame -----------------------------------------------------------------------------------

    def prompt(self, number: int) -> str:
        who = f"{self.site}-db"
        if self.user and self.wording != "11.2":
            who += f" as {self.user.lower()}@{self.config.service_name(self.site)}"
        return f"GGSCI ({who}) {number}> "

    def run(self, write: Callable[[str], Any]) -> None:
        """Answer the commands until EXIT or the end of the input."""
        write(words.banner(self.wording, "ggsci") + "\n\n\n")
        number = 1
        while True:
            write(self.prompt(number))
            line = next(self.lines, None)
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
            write("\n" + self.execute(line) + "\n\n")

    def execute(self, line: str) -> str:
        """Reply to one command."""
        found = split(line)
        if not found:
            return ""
        verb = found[0].upper()
        if Path.cwd().resolve() != self.home.root.resolve():
            return (
                f"ERROR: Unable to open the files of Oracle GoldenGate in {Path.cwd()} (error 2, No such "
                "file or directory). "
                "Change to the Oracle GoldenGate home before starting GGSCI."
            )
        method = getattr(self, f"do_{verb.lower()}", None) if verb.isalpha() else None
        if method is None:
            return "ERROR: Invalid command."
        if verb in _CHANGING:
            self.home.log(
                "INFO",
                "OGG-00987",
                "ggsci",
                "",
                f"GGSCI command ({getpass.getuser()}): {masked(line.strip())}.",
            )
        try:
            return str(method(Options(found[1:])))
        except CommandError as error:
            return str(error)

    def _object(self, options: Options) -> str:
        if not options:
            raise CommandError("ERROR: Invalid command.")
        word = options.keyword()
        return _OBJECTS.get(word, word)

    def _dispatch(self, verb: str, options: Options) -> str:
        name = self._object(options)
        method = getattr(self, f"{verb}_{name.lower()}", None) if name.isalpha() else None
        if method is None:
            raise CommandError("ERROR: Invalid command.")
        return str(method(options))

    def do_add(self, options: Options) -> str:
        return self._dispatch("add", options)

    def do_alter(self, options: Options) -> str:
        return self._dispatch("alter", options)

    def do_delete(self, options: Options) -> str:
        return self._dispatch("delete", options)

    def do_info(self, options: Options) -> str:
        return self._dispatch("info", options)

    # -- database --------------------------------------------------------------------------------

    def do_dblogin(self, options: Options) -> str:
        """DBLOGIN USERID u[@svc] PASSWORD p | USERIDALIAS a [DOMAIN d]."""
        user, password = "", None
        kind = options.keyword()
        if kind == "USERID":
            user, password = parse_login(" ".join(options.rest()))
            if password is None:
                # The real one asks on the terminal and reads the next line.
                password = next(self.lines, "").strip()
        elif kind == "USERIDALIAS" and self.wording != "11.2":
            alias, domain = options.next("alias"), "OracleGoldenGate"
            if options.peek() == "DOMAIN":
                options.next()
                domain = options.next("domain")
            entry = (self.home.credentials() or {}).get(f"{domain}.{alias}".lower())
            if entry is None:
                return f"ERROR: Alias '{alias}' not found in credential store domain '{domain}'."
            user, password = entry["user"], entry["password"]
        else:
            return "ERROR: Invalid command."
        name = user.partition("@")[0].upper()
        if refused := self.home.check_login(user, password):
            return (
                f"ERROR: Unable to connect to database using user {name}. Please check privileges.\n"
                f"OCI Error {refused} (status = 1017)"
            )
        self._connect()
        self.user = name
        return "Successfully logged into database."

    def _connect(self) -> Any:
        import psycopg

        if self._connection is None:
            try:
                self._connection = psycopg.connect(
                    self.config.postgres_dsn(self.site),
                    autocommit=True,
                    connect_timeout=5,
                    application_name="ggsci",
                )
            except psycopg.OperationalError:
                raise CommandError(
                    "ERROR: Unable to connect to database. OCI Error ORA-12541: TNS:no listener (status = 12541)"
                ) from None
        return self._connection

    def _database(self) -> Any:
        """Connection of the logged-in user.

        :raises CommandError: DBLOGIN is missing.
        """
        if self.user is None:
            raise CommandError(_NOT_LOGGED_IN)
        return self._connect()

    def _current_scn(self) -> int:
        row = self._connect().execute("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint").fetchone()
        return int(row[0])

    def _tables(self, pattern: str) -> list[str]:
        rows = self._database().execute(
            "SELECT upper(n.nspname || '.' || c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = "
            "c.relnamespace"
            " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ "
            "'^(pg_|information_schema|sys$)'"
            " ORDER BY 1"
        )
        found = [r[0] for r in rows.fetchall() if matches(pattern, r[0])]
        if not found:
            raise CommandError(f"ERROR: No viable tables matched specification {pattern}.")
        return found

    @staticmethod
    def _qualified(name: str) -> str:
        if "." not in name:
            raise CommandError(f"ERROR: Missing schema in {name}.")
        return name.upper()

    def _coded(self, code: str, text: str, severity: str = "INFO") -> str:
        if self.wording == "11.2":
            return f"{text}\n"
        return f"{datetime.now():%Y-%m-%d %H:%M:%S}  {severity:<7} {code}  {text}\n"

    # -- supplemental logging --------------------------------------------------------------------

    def _log_groups(self) -> set[tuple[str, str | None]]:
        rows = self._database().execute("SELECT owner, table_name FROM sys.lab_log_groups").fetchall()
        return {(r[0], r[1]) for r in rows}

    def add_trandata(self, options: Options) -> str:
        known = self._log_groups() if self.user else set()
        lines = []
        for table in self._tables(self._qualified(options.next("table"))):
            owner, _, name = table.partition(".")
            if (owner, name) in known:
                text = f"Logging of supplemental redo log data is already enabled for table {table}."
                lines.append(self._coded("OGG-15130", text))
                continue
            self._database().execute(
                "INSERT INTO sys.lab_log_groups (owner, table_name, log_group_name) VALUES (%s, %s, %s)",
                (owner, name, f"GGS_{name}"[:30]),
            )
            lines.append(self._coded("OGG-15132", f"Logging of supplemental redo data enabled for table {table}."))
            if self.wording != "11.2":
                lines.append(
                    self._coded("OGG-15133", f"TRANDATA for scheduling columns has been added on table {table}.")
                )
        return "\n".join(lines)

    def delete_trandata(self, options: Options) -> str:
        lines = []
        for table in self._tables(self._qualified(options.next("table"))):
            owner, _, name = table.partition(".")
            self._database().execute(
                "DELETE FROM sys.lab_log_groups WHERE owner = %s AND table_name = %s", (owner, name)
            )
            text = f"Logging of supplemental redo log data disabled for table {table}."
            lines.append(self._coded("OGG-15142", text))
        return "\n".join(lines)

    def info_trandata(self, options: Options) -> str:
        known = self._log_groups() if self.user else set()
        lines = []
        for table in self._tables(self._qualified(options.next("table"))):
            owner, _, name = table.partition(".")
            if (owner, name) in known or (owner, "*") in known:
                lines.append(f"Logging of supplemental redo log data is enabled for table {table}.\n")
                lines.append(f"Columns supplementally logged for table {table}: {self._key_columns(owner, name)}.\n")
            else:
                lines.append(f"Logging of supplemental redo log data is disabled for table {table}.\n")
        return "\n".join(lines)

    def _key_columns(self, owner: str, name: str) -> str:
        rows = self._database().execute(
            "SELECT upper(a.attname) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN "
            "pg_namespace n ON n.oid ="
            " c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey) WHERE "
            "i.indisprimary"
            " AND n.nspname = %s AND c.relname = %s ORDER BY a.attnum",
            (owner.lower(), name.lower()),
        )
        return ", ".join(f'"{r[0]}"' for r in rows.fetchall()) or "ALL"

    def add_schematrandata(self, options: Options) -> str:
        database = self._database()
        owner = options.next("schema").upper()
        if not database.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (owner.lower(),)).fetchone():
            return self._coded("OGG-01790", (
                f"Failed to ADD SCHEMATRANDATA on schema {owner} because of the following SQL error: "
                "ORA-01435: user does not exist."
            ), (
                "ERROR"
            )).rstrip()  # fmt: skip
        if (owner, "*") not in self._log_groups():
            database.execute(
                "INSERT INTO sys.lab_log_groups (owner, table_name, log_group_name) VALUES (%s, '*', 'SCHEMATRANDATA')",
                (owner,),
            )
        lines = [self._coded("OGG-01788", f"SCHEMATRANDATA has been added on schema {owner}.")]
        if self.wording != "11.2":
            text = f"SCHEMATRANDATA for scheduling columns has been added on schema {owner}."
            lines.append(self._coded("OGG-01976", text))
        return "\n".join(lines)

    def delete_schematrandata(self, options: Options) -> str:
        owner = options.next("schema").upper()
        self._database().execute("DELETE FROM sys.lab_log_groups WHERE owner = %s AND table_name = '*'", (owner,))
        return self._coded("OGG-01792", f"SCHEMATRANDATA has been deleted on schema {owner}.")

    def info_schematrandata(self, options: Options) -> str:
        self._database()
        pattern = options.next("schema").upper()
        owners = {o for o in self.config.oracle_users(self.site) if matches(pattern, o)} or {pattern}
        known = self._log_groups()
        lines = []
        for owner in sorted(owners):
            if (owner, "*") in known:
                text = f"Schema level supplemental logging, excluding non-validated keys, is enabled on schema {owner}."
                lines.append(self._coded("OGG-01785" if self.wording == "11.2" else "OGG-06480", text))
            else:
                lines.append(
                    self._coded("OGG-01786", f"Schema level supplemental logging is disabled on schema {owner}.")
                )
        return "\n".join(lines)

    # -- registration ----------------------------------------------------------------------------

    def do_register(self, options: Options) -> str:
        """REGISTER EXTRACT g [WITH] DATABASE."""
        if self._object(options) != "EXTRACT":
            return "ERROR: Invalid command."
        group = self.home.group("extract", options.next("group name"))
        if "DATABASE" not in [w.upper() for w in options.rest()]:
            return "ERROR: Invalid command."
        database = self._database()
        name = f"OGG$CAP_{group.name}"
        if database.execute("SELECT 1 FROM sys.lab_capture WHERE capture_name = %s", (name,)).fetchone():
            return self._coded(
                "OGG-08241", f"This EXTRACT {group.name} is already registered with the database.", "ERROR"
            )
        first = self._current_scn()
        start = group.definition.get("begin_scn", first)
        database.execute(
            "INSERT INTO sys.lab_capture (capture_name, first_scn, start_scn) VALUES (%s, %s, %s)",
            (name, first, max(first, start)),
        )
        verb = "Extract" if self.wording == "11.2" else "Extract group"
        return (
            f"{datetime.now():%Y-%m-%d %H:%M:%S}  INFO    OGG-02003  {verb} {group.name} successfully "
            f"registered with database at SCN {first}."
        )

    def do_unregister(self, options: Options) -> str:
        """UNREGISTER EXTRACT g DATABASE."""
        if self._object(options) != "EXTRACT":
            return "ERROR: Invalid command."
        group = self.home.group("extract", options.next("group name"))
        if group.status() in ("RUNNING", "STARTING"):
            return f"ERROR: EXTRACT {group.name} is running."
        name = f"OGG$CAP_{group.name}"
        row = (
            self._database()
            .execute("DELETE FROM sys.lab_capture WHERE capture_name = %s RETURNING 1", (name,))
            .fetchone()
        )
        if row is None:
            return self._coded(
                "OGG-08221", f"Cannot unregister EXTRACT {group.name} because it is not registered.", "ERROR"
            )
        return self._coded("OGG-01750", f"Successfully unregistered EXTRACT {group.name} from database.")

    # -- groups ----------------------------------------------------------------------------------

    def _new_group(self, kind: GroupKind, options: Options) -> Group:
        name = options.next("group name")
        if not re.fullmatch(r"[A-Za-z_$][\w$]{0,7}", name):
            raise CommandError(f"ERROR: Invalid group name ({name}), must be at most 8 characters.")
        group = self.home.group(kind, name)
        if any(g.name == group.name for g in self.home.groups()):
            raise CommandError(f"ERROR: {group.program} {group.name} already exists.")
        return group

    def _group(self, kind: GroupKind, name: str) -> Group:
        group = self.home.group(kind, name)
        if not group.definition:
            raise CommandError(f"ERROR: {group.program} {group.name} does not exist.")
        return group

    def _selected(self, options: Options, program: str | None = None) -> list[Group]:
        """Groups named by ``EXTRACT|REPLICAT|ER name``, with wildcards."""
        program = program or self._object(options)
        kinds: dict[str, GroupKind | None] = {"EXTRACT": "extract", "REPLICAT": "replicat", "ER": None}
        if program not in kinds:
            raise CommandError("ERROR: Invalid command.")
        pattern = options.next("group name")
        found = [g for g in self.home.groups(kinds[program]) if matches(pattern, g.name)]
        if not found:
            if "*" in pattern or "?" in pattern:
                raise CommandError("No groups found.")
            what = program if program != "ER" else "EXTRACT/REPLICAT"
            raise CommandError(f"ERROR: {what} {pattern.upper()} does not exist.")
        return found

    def _begin(self, options: Options) -> tuple[int | None, str | None]:
        """Position and time of ``BEGIN NOW`` or ``BEGIN yyyy-mm-dd [hh:mi[:ss]]``."""
        word = options.keyword()
        if word == "NOW":
            return self._current_scn(), datetime.now().astimezone().isoformat()
        text = word
        if re.match(r"\d\d:", options.peek()):
            text += " " + options.next()
        try:
            moment = datetime.fromisoformat(text).astimezone()
        except ValueError:
            raise CommandError(f"ERROR: Invalid date/time ({text}).") from None
        row = (
            self._connect()
            .execute("SELECT max(scn)::bigint FROM sys.lab_scn_time WHERE time_dp <= %s", (moment,))
            .fetchone()
        )
        if row is None or row[0] is None:
            raise CommandError(f"ERROR: ORA-08186: invalid timestamp specified ({text}).")
        return int(row[0]), moment.isoformat()

    def add_extract(self, options: Options) -> str:
        group = self._new_group("extract", options)
        definition: dict[str, Any] = {"id": uuid.uuid4().hex, "created": time.time(), "trails": {}}
        kind = ""
        begin: int | None = None
        while options:
            word = options.keyword()
            if word == "INTEGRATED":
                definition["integrated"] = True
                kind = "Integrated"
            elif word == "TRANLOG":
                definition["tranlog"] = True
            elif word == "THREADS":
                options.number("THREADS")
            elif word == "BEGIN":
                begin, definition["begin_time"] = self._begin(options)
            elif word == "SCN":
                begin = options.number("SCN")
            elif word == "EXTTRAILSOURCE":
                definition["source"] = options.next("trail")
            elif word == "EXTSEQNO":
                definition["start"] = [options.number("EXTSEQNO"), 0]
            elif word == "EXTRBA":
                definition["start"] = [definition.get("start", [0])[0], options.number("EXTRBA")]
            elif word in ("DESC", "PARAMS", "REPORT"):
                options.next(word)
            else:
                return f"ERROR: Invalid option ({word})."
        if "source" not in definition:
            if not definition.get("tranlog"):
                return "ERROR: Must specify a data source (TRANLOG or EXTTRAILSOURCE)."
            if begin is None:
                return "ERROR: BEGIN, SCN or LSN must be specified for TRANLOG."
            if kind and self.user is None:
                return _NOT_LOGGED_IN
            definition["begin_scn"] = begin
            if kind:
                self._move_capture(group, begin)
        group.remove()
        group.save_definition(definition)
        group.save_process("STOPPED")
        return words.added("Extract" if self.wording == "21c" and not kind else "EXTRACT", kind, self.wording)

    def _move_capture(self, group: Group, begin: int) -> None:
        """START_SCN of the group's capture, when it is registered."""
        self._connect().execute(
            "UPDATE sys.lab_capture SET start_scn = greatest(first_scn, %s) WHERE capture_name = %s",
            (begin, f"OGG$CAP_{group.name}"),
        )

    def add_replicat(self, options: Options) -> str:
        group = self._new_group("replicat", options)
        definition: dict[str, Any] = {"id": uuid.uuid4().hex, "created": time.time()}
        kind = ""
        use_globals = True
        while options:
            word = options.keyword()
            if word in ("INTEGRATED", "PARALLEL", "COORDINATED"):
                kind = "Integrated" if word == "INTEGRATED" and not kind else kind or word.capitalize()
            elif word == "EXTTRAIL":
                definition["trail"] = options.next("trail")
            elif word == "CHECKPOINTTABLE":
                definition["checkpoint_table"] = self._qualified(options.next("table"))
            elif word == "NODBCHECKPOINT":
                use_globals = False
            elif word == "EXTSEQNO":
                definition["start"] = [options.number("EXTSEQNO"), 0]
            elif word == "EXTRBA":
                definition["start"] = [definition.get("start", [0])[0], options.number("EXTRBA")]
            elif word == "BEGIN":
                self._begin(options)
            elif word in ("DESC", "PARAMS", "REPORT"):
                options.next(word)
            else:
                return f"ERROR: Invalid option ({word})."
        if use_globals and "checkpoint_table" not in definition and (name := self._globals_checkpoint_table()):
            definition["checkpoint_table"] = self._qualified(name)
        if "trail" not in definition:
            return "ERROR: Must specify a data source (EXTTRAIL)."
        if kind == "Integrated" and self.user is None:
            return _NOT_LOGGED_IN
        definition["type"] = kind
        group.remove()
        group.save_definition(definition)
        group.save_process("STOPPED")
        return words.added("REPLICAT", kind, self.wording)

    def _add_trail(self, options: Options, what: str) -> str:
        name = options.next("trail")
        megabytes, group_name = 100, None
        while options:
            word = options.keyword()
            if word in ("EXTRACT", "EXT"):
                group_name = options.next("group name")
            elif word == "MEGABYTES":
                megabytes = options.number("MEGABYTES")
            elif word in ("SEQNO", "FORMAT"):
                options.next(word)
            else:
                return f"ERROR: Invalid option ({word})."
        if group_name is None:
            return "ERROR: Must specify EXTRACT."
        group = self._group("extract", group_name)
        if not re.fullmatch(r".*/?[^/]{2}", name):
            return f"ERROR: Invalid trail name ({name}); it must end in two characters."
        definition = group.definition
        if any(name in g.definition.get("trails", {}) for g in self.home.groups("extract")):
            return f"ERROR: {what} {name} already exists."
        definition["trails"][name] = {"megabytes": megabytes, "remote": what == "RMTTRAIL"}
        group.save_definition(definition)
        return f"{what} added."

    def add_exttrail(self, options: Options) -> str:
        return self._add_trail(options, "EXTTRAIL")

    def add_rmttrail(self, options: Options) -> str:
        return self._add_trail(options, "RMTTRAIL")

    def _delete_trail(self, options: Options) -> str:
        name = options.next("trail")
        lines = []
        for group in self.home.groups("extract"):
            definition = group.definition
            if name in definition.get("trails", {}):
                del definition["trails"][name]
                group.save_definition(definition)
                lines.append(f"Deleting extract trail {name} for extract {group.name}")
        return "\n".join(lines) or f"ERROR: Trail {name} does not exist."

    delete_exttrail = _delete_trail
    delete_rmttrail = _delete_trail

    def _info_trail(self, options: Options) -> str:
        pattern = options.next("trail") if options else "*"
        lines = []
        for group in self.home.groups("extract"):
            for name, about in group.definition.get("trails", {}).items():
                if not matches(pattern.upper(), name.upper()):
                    continue
                seq, rba = group.checkpoint.get("write") or (0, 0)
                lines.append(
                    f"       Extract Trail: {name}\n        Seqno Length: {self.home.digits}\n"
                    f"             Extract: {group.name}\n               Seqno: {seq}\n                 "
                    f"RBA: {rba}\n"
                    f"           File Size: {about['megabytes']}M\n"
                )
        return "\n".join(lines) or "ERROR: No trails found."

    info_exttrail = _info_trail
    info_rmttrail = _info_trail

    def alter_extract(self, options: Options) -> str:
        return self._alter("extract", options)

    def alter_replicat(self, options: Options) -> str:
        return self._alter("replicat", options)

    def _alter(self, kind: GroupKind, options: Options) -> str:
        group = self._group(kind, options.next("group name"))
        if group.status() in ("RUNNING", "STARTING"):
            return f"ERROR: {group.program} {group.name} is running. Stop it before you alter it."
        definition, checkpoint = group.definition, group.checkpoint
        while options:
            word = options.keyword()
            if word == "BEGIN" and kind == "extract" and "source" not in definition:
                definition["begin_scn"], definition["begin_time"] = self._begin(options)
                checkpoint.pop("csn", None)
                self._move_capture(group, int(definition["begin_scn"]))
            elif word == "SCN" and kind == "extract":
                definition["begin_scn"] = options.number("SCN")
                checkpoint.pop("csn", None)
            elif word in ("EXTSEQNO", "EXTRBA"):
                start = definition.get("start") or [0, 0]
                start[0 if word == "EXTSEQNO" else 1] = options.number(word)
                definition["start"] = start
                # A new identity: what the remote trail or the checkpoint table know no longer counts.
                definition["id"] = uuid.uuid4().hex
                checkpoint = {}
            elif word == "ETROLLOVER":
                for name in definition.get("trails", {}):
                    writer = trail.Writer(self.home.trail_path(name), definition["id"], 1 << 30, self.home.digits)
                    if checkpoint.get("write") and not definition.get("source"):
                        writer.open()
                        writer.roll_over()
                        writer.close()
                        checkpoint["write"] = list(writer.position)
            elif word in ("TRANLOG", "INTEGRATED"):
                definition["integrated"] = True
            else:
                return f"ERROR: Invalid option ({word})."
        group.save_definition(definition)
        group.save_checkpoint(checkpoint)
        return f"{group.program} altered."

    def _delete_group(self, options: Options, program: str) -> str:
        lines = []
        wildcard = any(c in options.peek() for c in "*?")
        groups = self._selected(options, program)
        sure = "!" in options.rest()
        if wildcard and not sure:
            answer = next(self.lines, "n").strip().lower()
            if not answer.startswith("y"):
                return "Are you sure you want to delete all groups? No groups deleted."
        for group in groups:
            if group.status() in ("RUNNING", "STARTING"):
                lines.append(f"ERROR: Could not delete {group.program} {group.name}: the process is running.")
                continue
            if group.kind == "replicat" and group.definition.get("checkpoint_table"):
                if self.user is None and not sure:
                    lines.append(
                        f"ERROR: Could not delete DB checkpoint for {group.program} {group.name} (Database "
                        "login "
                        "required to delete database checkpoint)."
                    )
                    continue
                if self.user is not None:
                    self._forget_checkpoint(group)
            group.remove()
            lines.append(f"Deleted {group.program} {group.name}.")
        return "\n".join(lines)

    def _forget_checkpoint(self, group: Group) -> None:
        import psycopg
        from psycopg import sql

        owner, _, name = str(group.definition["checkpoint_table"]).partition(".")
        table = sql.Identifier(owner.lower(), name.lower())
        try:
            self._connect().execute(sql.SQL("DELETE FROM {} WHERE group_name = %s").format(table), (group.name,))
        except psycopg.Error:
            return

    def delete_extract(self, options: Options) -> str:
        return self._delete_group(options, "EXTRACT")

    def delete_replicat(self, options: Options) -> str:
        return self._delete_group(options, "REPLICAT")

    # -- checkpoint table ------------------------------------------------------------------------

    def _checkpoint_table(self, options: Options) -> str:
        if options and options.peek() != "!":
            return self._qualified(options.next())
        if (name := self._globals_checkpoint_table()) is None:
            raise CommandError("ERROR: Missing checkpoint table specification.")
        return self._qualified(name)

    def _globals_checkpoint_table(self) -> str | None:
        """Default checkpoint table, from GLOBALS."""
        found = re.search(r"(?im)^\s*CHECKPOINTTABLE\s+([^\s;]+)", (self.home.root / "GLOBALS").read_text())
        return found[1] if found else None

    def add_checkpointtable(self, options: Options) -> str:
        from infomart_lab.goldengate.replicat import create_checkpoint_table

        database = self._database()
        name = self._checkpoint_table(options)
        if self._exists(name):
            return f"ERROR: Table {name} already exists."
        create_checkpoint_table(database, name)
        return f"Successfully created checkpoint table {name}."

    def _exists(self, name: str) -> bool:
        row = self._database().execute("SELECT to_regclass(%s) IS NOT NULL", (name.lower(),)).fetchone()
        return bool(row[0])

    def info_checkpointtable(self, options: Options) -> str:
        name = self._checkpoint_table(options)
        if not self._exists(name):
            return f"Checkpoint table {name} does not exist."
        return f"Checkpoint table {name} created {datetime.now():%Y-%m-%d %H:%M:%S}."

    def delete_checkpointtable(self, options: Options) -> str:
        from infomart_lab.goldengate.replicat import table_name

        name = self._checkpoint_table(options)
        if "!" not in options.rest():
            answer = next(self.lines, "n").strip().lower()
            if not answer.startswith("y"):
                return (
                    "This checkpoint table may be required for other installations. Are you sure you want "
                    "to delete this checkpoint table? Not deleted."
                )
        if not self._exists(name):
            return f"ERROR: Checkpoint table {name} does not exist."
        from psycopg import sql

        self._database().execute(sql.SQL("DROP TABLE {}").format(table_name(name)))
        return f"Successfully deleted checkpoint table {name}."

    # -- start and stop --------------------------------------------------------------------------

    def do_start(self, options: Options) -> str:
        """START MGR | EXTRACT|REPLICAT|ER group [, AFTERCSN n | ATCSN n]."""
        program = self._object(options)
        if program == "MGR":
            return self._start_manager()
        groups = self._selected(options, program)
        extra: list[str] = []
        while options:
            word = options.keyword()
            if word not in (
                "AFTERCSN",
                "ATCSN",
                "NOFILTERDUPTRANSACTIONS",
                "FILTERDUPTRANSACTIONS",
                "SKIPTRANSACTION",
            ):
                return f"ERROR: Invalid option ({word})."
            if word in ("AFTERCSN", "ATCSN"):
                if any(g.kind != "replicat" for g in groups):
                    return f"ERROR: Invalid option ({word})."
                extra = [word, str(options.number(word))]
        if self.home.manager_running() is None:
            return "ERROR: Manager not currently running."
        blocks = []
        for group in groups:
            if group.status() in ("RUNNING", "STARTING"):
                blocks.append(f"{group.program} {group.name} is already running.")
                continue
            if not group.parameter_path.exists():
                blocks.append(f"ERROR: Parameter file {group.parameter_path} does not exist.")
                continue
            reply = self._manager({"command": "start", "kind": group.kind, "group": group.name, "options": extra})
            text = f"{group.program} {group.name} starting"
            blocks.append(
                f"Sending START request to MANAGER ...\n{text if reply.get('ok') else 'ERROR: ' + reply['error']}"
            )
        return "\n\n".join(blocks)

    def _manager(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return self.home.ask_manager(request)
        except OSError as error:
            return {"ok": False, "error": f"sending message to MANAGER ({error.strerror or error})."}

    def _start_manager(self) -> str:
        if self.home.manager_running() is not None:
            return "MGR is already running."
        log = self.config.log_dir / f"{self.site}-goldengate.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        package_root = str(Path(__file__).resolve().parents[2])
        environment = {
            **os.environ,
            lab.HOME_VARIABLE: str(self.config.home),
            lab.HOST_VARIABLE: f"{self.site}/db",
            "PYTHONPATH": os.pathsep.join(
                dict.fromkeys([package_root, *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
            ),
        }
        with log.open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", "infomart_lab.goldengate.manager"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and child.poll() is None:
            if self.home.manager_running() is not None:
                return "Manager started."
            time.sleep(0.05)
        return "ERROR: Manager failed to start. See ggserr.log."

    def do_stop(self, options: Options) -> str:
        """STOP MGR [!] | EXTRACT|REPLICAT|ER group [!]."""
        program = self._object(options)
        if program == "MGR":
            return self._stop_manager("!" in options.rest())
        groups = self._selected(options, program)
        return "\n\n".join(self._stop_group(group) for group in groups)

    def _stop_group(self, group: Group, *, force: bool = False) -> str:
        status = group.status()
        if status not in ("RUNNING", "STARTING"):
            if status == "ABENDED":
                group.save_process("STOPPED")
            return f"{group.program} {group.name} is already stopped."
        head = f"Sending STOP request to {group.program} {group.name} ..."
        if not force and group.kind == "extract" and self._refuses_stop(group):
            return f"{head}\n\n{_OPEN_TRANSACTIONS.format(group=group.name)}"
        # A process that is still STARTING has no ears yet.
        deadline = time.monotonic() + 15
        asked, trouble = False, "no answer"
        while time.monotonic() < deadline and group.status() in ("RUNNING", "STARTING"):
            if not asked:
                try:
                    group.send({"command": "stop"})
                    asked = True
                except OSError as error:
                    trouble = error.strerror or str(error)
            time.sleep(0.05)
        if not asked and group.status() in ("RUNNING", "STARTING"):
            return f"{head}\n\nERROR: sending message to {group.program} {group.name} ({trouble})."
        return f"{head}\nRequest processed."

    def _refuses_stop(self, group: Group) -> bool:
        definition = group.definition
        if definition.get("source"):
            return False
        if lab.fault(self.config, f"{self.site}.goldengate.stop_refused"):
            return True
        if definition.get("integrated"):
            return False
        try:
            rows = self._open_transactions()
        except CommandError:
            return False
        return any(seconds > LONG_TRANSACTION_SECONDS for _, seconds, _ in rows)

    def _open_transactions(self) -> list[tuple[int, float, str]]:
        """Transactions with changes: xid, age in seconds, start time."""
        rows = (
            self._connect()
            .execute(
                "SELECT backend_xid::text::bigint, extract(epoch FROM now() - xact_start)::float8, xact_start"
                " FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL"
                " AND pid <> pg_backend_pid() ORDER BY xact_start"
            )
            .fetchall()
        )
        return [(int(r[0]), float(r[1]), f"{r[2].astimezone():%Y-%m-%d:%H:%M:%S}") for r in rows]

    def _stop_manager(self, sure: bool) -> str:
        process = self.home.manager_running()
        if process is None:
            return "Manager not currently running."
        lines = []
        if not sure:
            lines.append("Manager process is required by other GGS processes.\nAre you sure you want to stop it (y/n)?")
            answer = next(self.lines, "").strip().lower()
            if not answer.startswith("y"):
                return lines[0]
        lines.append("Sending STOP request to MANAGER ...")
        reply = self._manager({"command": "stop"})
        if not reply.get("ok"):
            return "\n".join([*lines, f"ERROR: {reply.get('error')}"])
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.home.manager_running() is not None:
            time.sleep(0.05)
        return "\n".join([*lines, "Request processed.", "Manager stopped."])

    def do_kill(self, options: Options) -> str:
        """KILL EXTRACT|REPLICAT|ER group."""
        blocks = []
        for group in self._selected(options):
            if not group.alive():
                blocks.append(f"ERROR: {group.program} {group.name} is not currently running.")
                continue
            # Marked first: AUTORESTART leaves a killed process alone.
            group.save_process("STOPPED")
            pid = group.kill()
            blocks.append(
                f"Sending KILL request to MANAGER ...\nKilled process ({pid}) for {group.program} {group.name}"
            )
        return "\n\n".join(blocks)

    # -- information -----------------------------------------------------------------------------

    def _times(self, group: Group) -> tuple[float, float]:
        checkpoint = group.checkpoint
        since = time.time() - checkpoint.get("updated", group.definition.get("created", time.time()))
        return float(checkpoint.get("lag") or 0.0), max(0.0, since)

    @staticmethod
    def _type(group: Group) -> str:
        definition = group.definition
        if group.kind == "replicat":
            return (definition.get("type") or "classic").upper()
        if definition.get("source"):
            return "PUMP"
        return "INTEGRATED" if definition.get("integrated") else "CLASSIC"

    def info_all(self, options: Options) -> str:
        running = self.home.manager_running() is not None
        rows = [words.Row("MANAGER", "RUNNING" if running else "STOPPED")]
        for group in self.home.groups():
            lag, since = self._times(group)
            rows.append(words.Row(group.program, group.status(), group.name, self._type(group), lag, since))
        return words.info_all(rows, self.wording)

    def info_mgr(self, options: Options) -> str:
        process = self.home.manager_running()
        if process is None:
            return "Manager is DOWN!"
        where = f"IP port {self.site}-db.{process['port']}"
        if self.wording != "11.2":
            where += f", Process ID {process['pid']}"
        return f"Manager is running ({where})."

    def info_extract(self, options: Options) -> str:
        return self._info_groups("EXTRACT", options)

    def info_replicat(self, options: Options) -> str:
        return self._info_groups("REPLICAT", options)

    def info_er(self, options: Options) -> str:
        return self._info_groups("ER", options)

    def _info_groups(self, program: str, options: Options) -> str:
        groups = self._selected(options, program)
        more = {w.upper() for w in options.rest()}
        blocks = []
        for group in groups:
            text = self._info(group)
            if "DETAIL" in more:
                text += self._detail(group)
            if "SHOWCH" in more:
                text += self._show_checkpoint(group)
            blocks.append(text)
        return "\n\n".join(blocks)

    @staticmethod
    def _moment(text: str | None, form: str = "%Y-%m-%d %H:%M:%S.%f") -> str:
        if not text:
            return "Not Available"
        return datetime.fromisoformat(text).astimezone().strftime(form)

    def _info(self, group: Group) -> str:
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
        lag, since = self._times(group)
        lines.append(f"{'Checkpoint Lag':<20} {words.duration(lag)} (updated {words.duration(since)} ago)")
        # It may have come to life since its file was read.
        if self.wording != "11.2" and "pid" in process and group.alive():
            lines.append(f"{'Process ID':<20} {process['pid']}")
        blank = " " * 21
        name = f"{'Log Read Checkpoint':<20} "
        if "begin_scn" in definition:
            log = "Oracle Integrated Redo Logs" if definition.get("integrated") else "Oracle Redo Logs"
            lines.append(name + log)
            read = self._moment(checkpoint.get("read_ts") or definition.get("begin_time"), "%Y-%m-%d %H:%M:%S")
            scn = int(checkpoint.get("csn") or definition["begin_scn"])
            where = "" if definition.get("integrated") else f"  Seqno {(scn >> 24) + 1}, RBA {scn & 0xFFFFFF}"
            lines.append(f"{blank}{read}{where}")
            lines.append(f"{blank}SCN {words.scn(scn)}")
        else:
            source = definition.get("source") or definition["trail"]
            seq, rba = checkpoint.get("read") or definition.get("start") or (0, 0)
            file = f"{source}{seq:0{self._digits_of(source)}d}"
            lines.append(f"{name}File {file}")
            stamp = "First Record" if not checkpoint.get("ts") else self._moment(checkpoint["ts"])
            lines.append(f"{blank}{stamp}  RBA {rba}")
        return "\n".join(lines) + "\n"

    def _digits_of(self, source: str) -> int:
        existing = trail.files(self.home.trail_path(source))
        prefix = len(Path(source).name)
        return next((len(p.name) - prefix for p in existing.values()), self.home.digits)

    def _detail(self, group: Group) -> str:
        definition, checkpoint = group.definition, group.checkpoint
        lines = [""]
        if group.kind == "extract":
            lines.append("  Target Extract Trails:\n")
            lines.append("  Trail Name                                       Seqno        RBA     Max MB Trail Type\n")
            seq, rba = checkpoint.get("write") or (0, 0)
            for name, about in definition.get("trails", {}).items():
                kind = "RMTTRAIL" if about["remote"] else "EXTTRAIL"
                lines.append(f"  {name:<45} {seq:>8} {rba:>10} {about['megabytes']:>10} {kind}")
        elif definition.get("type") in ("Integrated", "Parallel"):
            login = "(requires database login)"
            csn = checkpoint.get("csn") if self.user else login
            lines.append(f"Current Log BSN value: {csn}")
            lines.append(f"Last Committed Transaction CSN value: {csn}")
        else:
            lines.append(f"Last Committed Transaction CSN value: {checkpoint.get('csn')}")
        lines.append("\n  Extract Source                          Begin             End\n")
        source = definition.get("source") or definition.get("trail") or "Not Available"
        end = self._moment(checkpoint.get("ts"), "%Y-%m-%d %H:%M")
        lines.append(f"  {source:<38}  * Initialized *   {end}")
        root = self.home.root
        letter = group.kind[0]
        lines.append(
            f"\n\nCurrent directory    {root}\n\nReport file          {group.report_path}\nParameter file  "
            "     "
            f"{group.parameter_path}\nCheckpoint file      {group.checkpoint_path}\nProcess file         "
            f"{root / 'dirpcs' / f'{group.name}.pc{letter}'}\nError log            {root / 'ggserr.log'}"
        )
        return "\n".join(lines) + "\n"

    def _show_checkpoint(self, group: Group) -> str:
        definition, checkpoint = group.definition, group.checkpoint
        lines = ["\n\nCurrent Checkpoint Detail:\n\nRead Checkpoint #1\n"]
        if "begin_scn" in definition:
            begin = definition["begin_scn"]
            scn = int(checkpoint.get("csn") or begin)
            log = "Oracle Integrated Redo Log" if definition.get("integrated") else "Oracle RAC Redo Log"
            lines.append(f"  {log}\n")
            for title, value, when in (
                ("Startup Checkpoint (starting position in the data source)", begin, definition.get(
                    "begin_time"
                )),
                (
                    "Recovery Checkpoint (position of oldest unprocessed transaction in the data source)"
                , scn, checkpoint.get(
                    "read_ts"
                )),
                ("Current Checkpoint (position of last record read in the data source)", scn, checkpoint.get(
                    "read_ts"
                )),
            ):  # fmt: skip
                lines.append(
                    f"  {title}:\n    Thread #: 1\n    Sequence #: {(value >> 24) + 1}\n    RBA: "
                    f"{value & 0xFFFFFF}\n"
                    f"    Timestamp: {self._moment(when)}\n    SCN: {words.scn(value)}\n    Redo File: Not "
                    "Available\n"
                )
        else:
            source = definition.get("source") or definition["trail"]
            seq, rba = checkpoint.get("read") or (0, 0)
            start = definition.get("start") or (0, 0)
            lines.append(
                "  GGS Log Trail\n\n  Startup Checkpoint (starting position in the data source):\n"
                f"    Sequence #: {start[0]}\n    RBA: {start[1]}\n    Timestamp: Not Available\n    "
                f"Extract Trail: {source}\n\n"
                "  Current Checkpoint (position of last record read in the data source):\n"
                f"    Sequence #: {seq}\n    RBA: {rba}\n    Timestamp: "
                f"{self._moment(checkpoint.get('ts'))}\n"
                f"    Extract Trail: {source}\n"
            )
        if group.kind == "replicat":
            csn = checkpoint.get("csn")
            lines.append(
                "CSN state information:\n"
                f"  CRC: {format((csn or 0) & 0xFF, '02X')}-7F-E1-CF\n  Latest CSN: "
                f"{csn or 'Not Available'}\n"
                f"  Latest TXN: {checkpoint.get('xid', 'Not Available')}\n"
                f"  Latest CSN of finished TXNs: {csn or 'Not Available'}\n"
            )
        else:
            seq, rba = checkpoint.get("write") or (0, 0)
            for number, (name, _) in enumerate(definition.get("trails", {}).items(), 1):
                lines.append(
                    f"Write Checkpoint #{number}\n\n  GGS Log Trail\n\n  Current Checkpoint (current write "
                    "position):\n"
                    f"    Sequence #: {seq}\n    RBA: {rba}\n    Timestamp: "
                    f"{self._moment(checkpoint.get('ts'))}\n"
                    f"    Extract Trail: {name}\n"
                )
        return "\n".join(lines)

    def do_status(self, options: Options) -> str:
        """STATUS MGR | EXTRACT|REPLICAT|ER group."""
        program = self._object(options)
        if program == "MGR":
            return self.info_mgr(options)
        return "\n".join(f"{g.program} {g.name}: {g.status()}" for g in self._selected(options, program))

    def _request(self, group: Group, name: str, request: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
        """First line of a reply, and what the process answers; None with an error in the first."""
        if group.status() != "RUNNING":
            return f"ERROR: {group.program} {group.name} not currently running.", None
        head = f"Sending {name} request to {group.program} {group.name} ..."
        try:
            return head, group.send(request)
        except OSError as error:
            return (
                f"{head}\n\nERROR: sending message to {group.program} {group.name} ({error.strerror or error}).",
                None,
            )

    def do_lag(self, options: Options) -> str:
        """LAG EXTRACT|REPLICAT|ER group."""
        return "\n\n".join(self._lag(g) for g in self._selected(options))

    def _lag(self, group: Group) -> str:
        head, reply = self._request(group, "GETLAG", {"command": "status"})
        if reply is None:
            return head
        checkpoint = reply["checkpoint"]
        lines = [head]
        if not checkpoint.get("ts"):
            if not reply["at_end"]:
                lines.append("Lag unknown (timestamp not available).")
                return "\n".join(lines)
            lines.append("No records yet processed.")
        elif group.kind == "replicat" and group.definition.get("type") == "Integrated":
            lag, csn = int(reply["lag"]), checkpoint.get("csn")
            lines += [f"Low watermark lag: {lag}.", f"High watermark lag: {lag}.", (
                f"Low watermark position: {csn}."
            ), (
                f"High watermark position: {csn}."
            )]  # fmt: skip
        else:
            lag = checkpoint.get("record_lag", 0.0) if reply["at_end"] else reply["lag"]
            lines.append(words.seconds_lag(lag, self.wording))
        if reply["at_end"]:
            lines.append(words.at_end(self.wording))
        return "\n".join(lines)

    def do_send(self, options: Options) -> str:
        """SEND EXTRACT|REPLICAT|ER group, STATUS|LOGEND|GETLAG|STOP|FORCESTOP|SHOWTRANS|REPORT."""
        program = self._object(options)
        if program == "MGR":
            return "Sending request to MANAGER ..."
        groups = self._selected(options, program)
        what = options.keyword()
        return "\n\n".join(self._send(g, what) for g in groups)

    def _send(self, group: Group, what: str) -> str:
        if what == "GETLAG":
            return self._lag(group)
        if what in ("STOP", "FORCESTOP"):
            if group.status() != "RUNNING":
                return f"ERROR: {group.program} {group.name} not currently running."
            return self._stop_group(group, force=what == "FORCESTOP").replace("STOP request", f"{what} request", 1)
        if what not in ("STATUS", "LOGEND", "SHOWTRANS", "REPORT", "ROLLREPORT"):
            return f"ERROR: Invalid option ({what})."
        head, reply = self._request(group, what, {"command": "status"})
        if reply is None:
            return head
        checkpoint = reply["checkpoint"]
        if what == "LOGEND":
            return f"{head}\n{'YES' if reply['at_end'] else 'NO'}."
        if what == "SHOWTRANS":
            return f"{head}\n\n{self._show_transactions()}"
        if what in ("REPORT", "ROLLREPORT"):
            return f"{head}\nRequest processed."
        pid = group.process.get("pid")
        text = f"{head}\n\n{group.program} {group.name} (PID {pid})\n"
        seq, rba = checkpoint.get("read") or (0, 0)
        if group.kind == "replicat":
            state = "At EOF" if reply["at_end"] else "Processing data"
            return (
                f"{text}  Current status: {state}\n  Sequence #: {seq}\n  RBA #: {rba}\n"
                f"  {0} records in current transaction"
            )
        state = "Recovery complete: " + ("At EOF" if reply["at_end"] else "Processing data")
        text += f"  Current status: {state}\n\n  Current read position:\n"
        if "csn" in checkpoint and "read" not in checkpoint:
            text += (
                f"  Redo thread #: 1\n  Sequence #: {(checkpoint['csn'] >> 24) + 1}\n  SCN: "
                f"{words.scn(checkpoint['csn'])}\n"
            )
        else:
            text += f"  Sequence #: {seq}\n  RBA #: {rba}\n"
        seq, rba = checkpoint.get("write") or (0, 0)
        return f"{text}\n  Current write position:\n  Sequence #: {seq}\n  RBA #: {rba}"

    def _show_transactions(self) -> str:
        rows = self._open_transactions()
        if not rows:
            return "No transactions found."
        lines = ["------------------------------------------------------------"]
        for xid, _, start in rows:
            lines.append(
                f"XID:                  {xid}\nItems:                1\nExtract:              \nRedo "
                "Thread:          1\n"
                f"Start Time:           {start}\nStatus:               Running"
            )
            lines.append("------------------------------------------------------------")
        return "\n".join(lines)

    def do_stats(self, options: Options) -> str:
        """STATS EXTRACT|REPLICAT|ER group [, TOTAL | TABLE x | RESET]."""
        program = self._object(options)
        groups = self._selected(options, program)
        more = [w.upper() for w in options.rest()]
        only = more[more.index("TABLE") + 1] if "TABLE" in more[:-1] else "*"
        blocks = []
        for group in groups:
            head, reply = self._request(group, "STATS", {"command": "stats", "reset": "RESET" in more})
            if reply is None:
                blocks.append(head)
                continue
            start = "Start of Statistics" if self.wording == "11.2" else "Start of statistics"
            end = "End of Statistics." if self.wording == "11.2" else "End of statistics."
            now = f"{datetime.now():%Y-%m-%d %H:%M:%S}"
            lines = [head, "", f"{start} at {now}.", ""]
            counts = {t: c for t, c in reply["counts"].items() if matches(only, t) and set(c) - {"SEQ", "DDL"}}
            if not counts:
                maps = "No active replication maps." if group.kind == "replicat" else "No active extraction maps."
                blocks.append("\n".join([*lines[:2], maps]))
                continue
            since = f"{datetime.fromtimestamp(reply['started']):%Y-%m-%d %H:%M:%S}"
            for table, values in sorted(counts.items()):
                what = (
                    f"Replicating from {table} to {table}:"
                    if group.kind == "replicat"
                    else f"Extracting from {table} to {table}:"
                )
                lines += [what, "", f"*** Total statistics since {since} ***", words.totals(values), ""]
            blocks.append("\n".join([*lines, end]))
        return "\n\n".join(blocks)

    def do_flush(self, options: Options) -> str:
        """FLUSH SEQUENCE owner.name."""
        if self._object(options) != "SEQUENCE":
            return "ERROR: Invalid command."
        pattern = self._qualified(options.next("sequence"))
        rows = self._database().execute("SELECT upper(schemaname || '.' || sequencename) FROM pg_sequences").fetchall()
        found = [r[0] for r in rows if matches(pattern, r[0])]
        if not found:
            return f"ERROR: No sequences found for {pattern}."
        for group in self.home.groups("extract"):
            if group.status() == "RUNNING" and "begin_scn" in group.definition:
                try:
                    group.send({"command": "flush", "pattern": pattern})
                except OSError as error:
                    return f"ERROR: sending message to EXTRACT {group.name} ({error.strerror or error})."
        return f"Successfully flushed {len(found)} sequence(s) {pattern}."

    # -- credentials -----------------------------------------------------------------------------

    def add_credentialstore(self, options: Options) -> str:
        if self.wording == "11.2":
            return "ERROR: Invalid command."
        if self.home.credentials() is not None:
            return "ERROR: Unable to create a new credential store. Credential store already exists."
        self.home.save_credentials({})
        return "Credential store created."

    def alter_credentialstore(self, options: Options) -> str:
        """ALTER CREDENTIALSTORE ADD|REPLACE|DELETE USER u[@svc] [PASSWORD p] ALIAS a [DOMAIN d]."""
        store = self.home.credentials()
        if store is None or self.wording == "11.2":
            return "ERROR: Unable to open credential store. Error code 28759."
        action = options.keyword()
        values: dict[str, str] = {"DOMAIN": "OracleGoldenGate"}
        while options:
            word = options.keyword()
            if word not in ("USER", "PASSWORD", "ALIAS", "DOMAIN"):
                return f"ERROR: Invalid option ({word})."
            values[word] = options.next(word).strip("\"'")
        user = values.get("USER", "")
        alias = values.get("ALIAS") or user
        key = f"{values['DOMAIN']}.{alias}".lower()
        if action == "DELETE":
            if store.pop(key, None) is None:
                return f"ERROR: Alias '{alias}' not found."
            self.home.save_credentials(store)
            return "Credential store altered."
        if action not in ("ADD", "REPLACE") or not user:
            return "ERROR: Invalid command."
        if "PASSWORD" not in values:
            # The real one asks on the terminal and reads the next line.
            values["PASSWORD"] = next(self.lines, "").strip()
        if action == "ADD" and key in store:
            return f"ERROR: Alias '{alias}' already exists in credential store domain '{values['DOMAIN']}'."
        store[key] = {
            "user": user,
            "password": values["PASSWORD"],
            "alias": alias,
            "domain": values["DOMAIN"],
        }
        self.home.save_credentials(store)
        return "Credential store altered."

    def info_credentialstore(self, options: Options) -> str:
        store = self.home.credentials()
        if store is None or self.wording == "11.2":
            return "ERROR: Unable to open credential store. Error code 28759."
        lines = ["Reading from credential store:\n", "Default domain: OracleGoldenGate\n"]
        for entry in store.values():
            lines.append(f"  Alias: {entry['alias']}\n  Userid: {entry['user']}\n")
        return "\n".join(lines)

    # -- files -----------------------------------------------------------------------------------

    def do_view(self, options: Options) -> str:
        """VIEW REPORT g | GGSEVT | PARAMS g."""
        what = self._object(options)
        if what == "GGSEVT":
            return (self.home.root / "ggserr.log").read_text()
        if what not in ("REPORT", "PARAMS"):
            return "ERROR: Invalid command."
        name = options.next("group name")
        if not re.fullmatch(r"[\w$]+", name):
            return f"ERROR: Invalid group name ({name})."
        if what == "REPORT":
            path = self.home.root / "dirrpt" / f"{name.upper()}.rpt"
        else:
            path = self.home.root / "dirprm" / f"{name.lower()}.prm"
        if not path.exists():
            return f"ERROR: {'REPORT' if what == 'REPORT' else 'PARAM'} file {name.upper()} does not exist."
        return path.read_text()

    def do_create(self, options: Options) -> str:
        """CREATE SUBDIRS."""
        if self._object(options) != "SUBDIRS":
            return "ERROR: Invalid command."
        self.home.prepare()
        return f"Creating subdirectories under current directory {self.home.root}\n"

    def do_obey(self, options: Options) -> str:
        """OBEY file."""
        path = Path(options.next("file"))
        if not path.is_file():
            return f"ERROR: Could not open obey file {path}."
        return "\n\n".join(self.execute(line) for line in path.read_text().splitlines() if line.strip())

    def do_help(self, options: Options) -> str:
        return (
            "GGSCI Command Summary:\n\n"
            "Object:          Command:\nDATABASE         DBLOGIN, FLUSH SEQUENCE\nER               INFO, "
            "KILL, LAG, SEND, STATUS, "
            "START, STATS, STOP\nEXTRACT          ADD, ALTER, DELETE, INFO, KILL, LAG, REGISTER, SEND, "
            "START, STATS, STATUS, "
            "STOP\nEXTTRAIL         ADD, DELETE, INFO\nGGSEVT           VIEW\nMANAGER          INFO, "
            "START, STOP, STATUS\n"
            "PARAMS           VIEW\nREPLICAT         ADD, ALTER, DELETE, INFO, KILL, LAG, SEND, START, "
            "STATS, STATUS, STOP\n"
            "REPORT           VIEW\nRMTTRAIL         ADD, DELETE, INFO\nTRANDATA         ADD, DELETE, INFO\n"
            "CHECKPOINTTABLE  ADD, DELETE, INFO"
        )


def main(arguments: list[str] | None = None) -> int:
    """Run ggsci: ``ggsci [cd dir] [log|nolog] < input``."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) >= 2 and given[0].lower() == "cd":
        os.chdir(given[1])
    host = os.environ.get(lab.HOST_VARIABLE, "")
    site, _, kind = host.partition("/")
    if kind != "db":
        sys.stderr.write("bash: ggsci: command not found\n")
        return 127
    config = lab.load()

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    Session(config, site, iter(sys.stdin.readline, "")).run(write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
