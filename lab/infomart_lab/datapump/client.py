"""``expdp`` and ``impdp`` as their users see them: log on, make or attach to a job, show its progress.

The client only watches. A server process (:mod:`infomart_lab.datapump.server`) does the job, and does not end with the
client.
"""

from __future__ import annotations

import contextlib
import getpass
import hmac
import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from infomart_lab import config as lab_config
from infomart_lab import life
from infomart_lab.config import LabConfig
from infomart_lab.datapump import jobs, parameters, wording
from infomart_lab.datapump.jobs import Definition, Job, JobExists, NoJob
from infomart_lab.datapump.parameters import JobParameters, Operation, ParameterError

_HELP = """
The Data Pump {lower} utility provides a mechanism for transferring data objects
between Oracle databases. The utility is invoked with the following command:

   Example: {program} system DIRECTORY=GIM_DUMP DUMPFILE=gim_%U.dmp JOB_NAME=GIM

The lab's stand-in knows these keywords:

{keywords}

Interactive commands (ATTACH, or Ctrl-C): CONTINUE_CLIENT, EXIT_CLIENT, HELP, KILL_JOB, PARALLEL, START_JOB,
STATUS, STOP_JOB[=IMMEDIATE].
"""


class LogonRefused(Exception):
    """The logon failed for good; its messages are printed already."""


class Client:
    """One run of ``expdp`` or ``impdp``."""

    def __init__(self, operation: Operation, config: LabConfig, site: str) -> None:
        self.operation, self.config, self.site = operation, config, site
        self.release = config.sites[site].data_pump
        self.title = operation.capitalize()
        self.prefix = "UDE" if operation == "EXPORT" else "UDI"
        self.owner = ""
        self.database = config.default_database(site)
        self._interrupted = False

    # -- logon -----------------------------------------------------------------------------------

    def logon(self, text: str | None) -> None:
        """Identify the user; passwords come from standard input.

        :raises LogonRefused: three wrong logons, or the end of the input.
        """
        given = parameters.logon(text)
        if given.wallet:
            given = self._wallet(given.service or "")
        for attempt in range(3):
            if not given.user:
                given.user = parameters.identifier(self._ask("Username: "))
            if given.password is None:
                self._typed(given, self._ask("Password: ", secret=True))
            code = self._check(given)
            if code is None:
                self.owner = "SYSTEM" if given.user == "SYS" else given.user
                return
            number, words = code
            self.say("", f"{self.prefix}-{number:05}: operation generated ORACLE error {number}", words, "")
            if number not in (1017, 1005) or attempt == 2:
                break
            given.user, given.password = "", None
        raise LogonRefused

    @staticmethod
    def _typed(given: parameters.Logon, text: str) -> None:
        """Parse a typed password, which may be ``"quoted"`` or ``password@alias``, as with the real program."""
        if len(text) > 1 and text.startswith('"') and text.endswith('"'):
            given.password = text[1:-1]
            return
        given.password, at, alias = text.partition("@")
        if at:
            given.service = alias

    def _wallet(self, alias: str) -> parameters.Logon:
        """Credentials of ``/@alias``: ``$TNS_ADMIN/wallet.json`` has ``{alias: {"user": ..., "password": ...}}``."""
        folder = Path(os.environ.get("TNS_ADMIN") or self.config.oracle_home(self.site) / "network" / "admin")
        try:
            entries = json.loads((folder / "wallet.json").read_text())
        except (OSError, ValueError):
            self.say(
                "",
                f"{self.prefix}-12578: operation generated ORACLE error 12578",
                "ORA-12578: TNS:wallet open failed",
            )
            raise LogonRefused from None
        entry = {str(key).upper(): value for key, value in entries.items()}.get(alias.upper())
        if not isinstance(entry, dict):
            self.say("", f"{self.prefix}-01017: operation generated ORACLE error 1017")
            self.say("ORA-01017: invalid username/password; logon denied")
            raise LogonRefused
        user = str(entry.get("user", "SYSTEM")).upper()
        return parameters.Logon(user=user, password=entry.get("password"), service=entry.get("service"))

    def _check(self, given: parameters.Logon) -> tuple[int, str] | None:
        """Error number and words, or None when the logon is right."""
        if given.service:
            name = given.service.rpartition("/")[2]
            database = self.config.database_of(self.site, name)
            if database is None:
                return 12154, "ORA-12154: TNS:could not resolve the connect identifier specified"
            self.database = database
        if not given.password:
            return 1005, "ORA-01005: null password given; logon denied"
        user = "SYSTEM" if given.user == "SYS" and given.sysdba else given.user
        expected = self.config.passwords.get(self.site, {}).get(user, "")
        if not expected or not hmac.compare_digest(expected.encode(), given.password.encode()):
            return 1017, "ORA-01017: invalid username/password; logon denied"
        return None

    def _ask(self, prompt: str, *, secret: bool = False) -> str:
        if secret and sys.stdin.isatty():
            return getpass.getpass(prompt)
        self.write(prompt)
        if secret and self._fault("swallows_input"):
            # Input that came together with the password is lost.
            line = os.read(sys.stdin.fileno(), 65536).decode().partition("\n")[0] + "\n"
        else:
            line = sys.stdin.readline()
        if not line:
            self.say("")
            raise LogonRefused
        if not sys.stdin.isatty():
            self.say("")
        return line.rstrip("\r\n")

    def _fault(self, name: str) -> object | None:
        program = "expdp" if self.operation == "EXPORT" else "impdp"
        return lab_config.fault(self.config, f"{self.site}.{program}.{name}")

    # -- output ----------------------------------------------------------------------------------

    def write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    def say(self, *lines: str) -> None:
        self.write("".join(f"{line}\n" for line in lines))

    # -- jobs ------------------------------------------------------------------------------------

    def job(self, name: str) -> Job:
        return Job(self.config, self.site, self.database, self.owner, name)

    def start(self, wanted: JobParameters, arguments: list[str], parfile: list[str]) -> int:
        """Make a job, start it and follow it to its end.

        :returns: the exit code.
        """
        with self.job("").connect(application=f"{self.title} client") as connection:
            try:
                name = wanted.job_name or jobs.default_name(connection, self.owner, wanted)
                job = self.job(name)
                folder, guid = jobs.new_folder(self.config, self.site)
                definition = Definition(
                    owner=self.owner,
                    name=name,
                    database=self.database,
                    parameters=wanted,
                    command=" ".join([f"{self.owner}/********", *arguments]),
                    parfile=parfile,
                    folder=folder,
                    created=time.time(),
                    guid=guid,
                )
                # a job of this name whose process is gone stays: it is restarted or killed, never replaced
                with contextlib.suppress(NoJob):
                    job.state(connection)
                job.create(connection, definition)
            except JobExists:
                self.say("ORA-31634: job already exists")
                return 1
            with self._attached(definition):
                jobs.start_worker(self.config, self.site, definition)
                return self._follow(connection, job, definition, 0, wanted.status)

    def attach(self, name: str) -> int:
        """Attach to a job and take commands from standard input."""
        with self.job("").connect(application=f"{self.title} client") as connection:
            if not name:
                rows = connection.execute(
                    "select job_name from sys.lab_datapump_jobs where owner_name = %s and operation = %s",
                    (self.owner, self.operation),
                ).fetchall()
                name = rows[0][0] if len(rows) == 1 else ""
            job = self.job(name)
            try:
                if not name:
                    raise NoJob
                definition = job.load(connection)
                state, _ = job.state(connection)
                if definition.parameters.operation != self.operation:
                    raise NoJob
            except NoJob:
                self.say(
                    "",
                    f"{self.prefix}-31626: operation generated ORACLE error 31626",
                    "ORA-31626: job does not exist",
                    f"ORA-31638: cannot attach to job {name} for user {self.owner}",
                    f'ORA-31632: master table "{self.owner}.{name}" not found, invalid, or inaccessible',
                    "ORA-00942: table or view does not exist",
                )
                return 1
            with self._attached(definition):
                self._introduce(definition, state)
                return self._interactive(connection, job, definition)

    @contextlib.contextmanager
    def _attached(self, definition: Definition) -> Iterator[None]:
        mark = definition.folder / "clients" / str(os.getpid())
        mark.touch()
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)

    def _introduce(self, definition: Definition, state: str) -> None:
        began = datetime.fromtimestamp(definition.created)
        wanted = definition.parameters
        self.say(
            "",
            f"Job: {definition.name}",
            f"  Owner: {definition.owner:<31}",
            f"  Operation: {wanted.operation:<31}",
            f"  Creator Privs: {'TRUE':<31}",
            f"  GUID: {definition.guid}",
            f"  Start Time: {began:%A, %d %B, %Y %H:%M:%S}",
            f"  Mode: {wanted.mode:<31}",
            f"  Instance: {self.config.service_name(self.site, self.database)}",
            f"  Max Parallelism: {wanted.parallel}",
            f"  {wanted.operation} Job Parameters:",
            "  Parameter Name      Parameter Value:",
            f"     CLIENT_COMMAND        {definition.command}",
        )
        self._status(definition, state, head=False)

    def _status(self, definition: Definition, state: str, *, head: bool = True) -> None:
        wanted = definition.parameters
        lines = wording.status_block(
            definition.name,
            wanted.operation,
            wanted.mode,
            state,
            jobs.read_status(definition),
            self.release,
            export=wanted.operation == "EXPORT",
        )
        if not head:
            lines = lines[4:]
        if state == "NOT RUNNING" and (worker := next((i for i, line in enumerate(lines) if line == "  "), None)):
            lines = lines[:worker]
        self.say(*lines)

    def _follow(
        self,
        connection: psycopg.Connection[Any],
        job: Job,
        definition: Definition,
        position: int,
        interval: int | None,
    ) -> int:
        """Print the job's messages until it ends, or until Ctrl-C.

        :param position: where in the messages to begin.
        :param interval: seconds between two status blocks; None or 0 for none.
        """
        next_status = time.monotonic() + (interval or 0)
        next_look = time.monotonic() + 1
        try:
            with definition.messages.open() as messages:
                messages.seek(position)
                rest = ""
                while True:
                    rest += messages.read()
                    *lines, rest = rest.split("\n")
                    for line in lines:
                        if line.startswith("="):
                            self.say("")
                            return int(line[1:])
                        self.say(line[1:])
                    now = time.monotonic()
                    if interval and now >= next_status:
                        next_status = now + interval
                        with contextlib.suppress(NoJob):
                            self._status(definition, job.state(connection)[0])
                    if not lines and now >= next_look:
                        next_look = now + 0.5
                        if self._lost(connection, job, messages.tell(), definition):
                            self.say(*wording.no_worker(self.title))
                            return 1
                    time.sleep(0.05 if lines else 0.1)
        except KeyboardInterrupt:
            self.say("")
            return self._interactive(connection, job, definition)

    @staticmethod
    def _lost(connection: psycopg.Connection[Any], job: Job, position: int, definition: Definition) -> bool:
        """True when the server process is gone and has left nothing more to read."""
        try:
            state, pid = job.state(connection)
        except NoJob:
            state, pid = "", 0
        if state == "DEFINING" and time.time() - definition.created < 20:
            return False
        if pid and life.process_exists(pid) and state not in ("", "NOT RUNNING"):
            return False
        time.sleep(0.2)
        return definition.messages.stat().st_size <= position

    # -- commands ----------------------------------------------------------------------------------

    def _interactive(self, connection: psycopg.Connection[Any], job: Job, definition: Definition) -> int:
        """Take commands until EXIT_CLIENT, the end of the job or the end of the input."""
        while True:
            self.write(f"\n{self.title}> ")
            line = sys.stdin.readline()
            if not line:
                self.say("")
                return 0
            word, _, value = line.strip().rstrip(";").partition("=")
            command, value = word.strip().upper(), value.strip().upper()
            try:
                state, _ = job.state(connection)
            except NoJob:
                if command in ("", "EXIT_CLIENT", "EXIT"):
                    return 0
                self.say(*wording.no_worker(self.title))
                return 1
            # a name may be shortened while it still means one command
            known = [
                "CONTINUE_CLIENT",
                "EXIT_CLIENT",
                "HELP",
                "KILL_JOB",
                "PARALLEL",
                "START_JOB",
                "STATUS",
                "STOP_JOB",
            ]
            found = [name for name in known if name == command] or [
                n for n in known if command and n.startswith(command)
            ]
            if not command:
                continue
            if len(found) != 1:
                self.say(f"{self.prefix}-00053: unrecognized client command '{word.strip()}'")
                continue
            match found[0]:
                case "EXIT_CLIENT":
                    return 0
                case "HELP":
                    self.say(", ".join(known))
                case "STATUS":
                    self._status(definition, state)
                case "PARALLEL":
                    self._set_parallel(connection, job, definition, state, value)
                case "START_JOB":
                    self._restart(connection, job, definition, state)
                case "CONTINUE_CLIENT":
                    position = definition.messages.stat().st_size
                    if state == "NOT RUNNING":
                        self.say(f"Job {job.name} has been reopened at {wording.when(datetime.now())}")
                        self._restart(connection, job, definition, state)
                    return self._follow(connection, job, definition, position, definition.parameters.status)
                case "STOP_JOB":
                    if self._sure("stop"):
                        self._stop(connection, job, definition, state, value)
                        return 0
                case "KILL_JOB":
                    if self._sure("kill"):
                        self._kill(connection, job, definition, state)
                        return 0

    def _sure(self, what: str) -> bool:
        self.write(f"Are you sure you wish to {what} this job ([yes]/no): ")
        answer = sys.stdin.readline()
        if not sys.stdin.isatty():
            self.say("")
        return bool(answer) and answer.strip().lower() in ("", "y", "yes")

    def _set_parallel(
        self, connection: psycopg.Connection[Any], job: Job, definition: Definition, state: str, value: str
    ) -> None:
        if not value.isdigit() or int(value) < 1:
            self.say(f"{self.prefix}-00014: invalid value for parameter, 'parallel'.")
            return
        definition.parameters.parallel = int(value)
        job.mark(connection, "JOB", "DEFINITION", "DONE", definition.model_dump(mode="json"))
        if state != "NOT RUNNING":
            jobs.send_command(definition, "parallel", int(value))

    def _restart(self, connection: psycopg.Connection[Any], job: Job, definition: Definition, state: str) -> None:
        if state != "NOT RUNNING":
            self.say(
                "ORA-39004: invalid state",
                "ORA-39053: parameter or attribute START_JOB must be defined for a stopped job",
            )
            return
        for _ in jobs.take_commands(definition):
            pass
        definition.created = time.time()
        job.update(connection, state="DEFINING", pid=os.getpid())
        jobs.start_worker(self.config, self.site, definition)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            row = connection.execute(
                "select state from sys.lab_datapump_jobs where owner_name = %s and job_name = %s",
                (job.owner, job.name),
            ).fetchone()
            if row is None or row[0] != "DEFINING":
                return
            time.sleep(0.05)

    def _gone(self, connection: psycopg.Connection[Any], job: Job, seconds: float) -> bool:
        """Wait until the job is gone or NOT RUNNING."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if job.state(connection)[0] == "NOT RUNNING":
                    return True
            except NoJob:
                return True
            time.sleep(0.1)
        return False

    def _stop(
        self, connection: psycopg.Connection[Any], job: Job, definition: Definition, state: str, value: str
    ) -> None:
        if state == "NOT RUNNING":
            return
        jobs.send_command(definition, "stop-now" if value == "IMMEDIATE" else "stop")
        if value == "IMMEDIATE":
            self._gone(connection, job, 30)

    def _kill(self, connection: psycopg.Connection[Any], job: Job, definition: Definition, state: str) -> None:
        if state != "NOT RUNNING":
            jobs.send_command(definition, "kill")
            if self._gone(connection, job, 30):
                return
        if self.operation == "EXPORT":
            for _, path in job.marks(connection, "FILE").values():
                Path(path).unlink(missing_ok=True)
        for name in [f"datapump_{job.owner}_{job.name}_{n}".lower() for n in range(64)]:
            with contextlib.suppress(psycopg.Error):
                connection.execute(sql.SQL("select pg_replication_origin_drop({})").format(sql.Literal(name)))
        job.drop(connection)
        (definition.folder / "ended").touch()


def run(operation: Operation, arguments: list[str]) -> int:
    """Run as ``expdp`` or ``impdp``.

    :param arguments: the command line after the program's name.
    :returns: 0 success, 5 completed with errors, 1 fatal.
    """
    site = os.environ.get(lab_config.HOST_VARIABLE, "").partition("/")[0]
    try:
        config = lab_config.load()
    except FileNotFoundError:
        print(f"There is no lab under {lab_config.default_home()}.", file=sys.stderr)
        return 1
    if site not in config.sites:
        print(f"{lab_config.HOST_VARIABLE} does not name a site's host, as site2/db.", file=sys.stderr)
        return 1
    client = Client(operation, config, site)
    client.say(*wording.banner(client.title, client.release, datetime.now()))
    parfile: list[str] = []

    def read_file(path: str) -> str:
        text = Path(path).read_text()
        parfile.extend(line.strip() for line in parameters.strip_comments(text).splitlines() if line.strip())
        return text

    try:
        logon, wanted = parameters.read(operation, arguments, release=client.release, read_file=read_file)
    except ParameterError as error:
        client.say("", *error.lines)
        return 1
    if wanted.help:
        program = "expdp" if operation == "EXPORT" else "impdp"
        keywords = ", ".join(sorted(parameters.known(operation, client.release)))
        client.say(_HELP.format(lower=operation.lower(), program=program, keywords=keywords))
        return 0
    try:
        client.logon(logon)
        with client.job("").connect(application=f"{client.title} client"):
            pass
        client.say(*wording.connected(client.release))
        if wanted.attach is not None:
            return client.attach(wanted.attach)
        rest = arguments[1:] if logon else arguments
        return client.start(wanted, rest, parfile)
    except LogonRefused:
        return 1
    except psycopg.OperationalError:
        client.say(
            "",
            f"{client.prefix}-01034: operation generated ORACLE error 1034",
            "ORA-01034: ORACLE not available",
            "ORA-27101: shared memory realm does not exist",
        )
        return 1
    except BrokenPipeError:
        # the reader is gone; the job goes on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 1
