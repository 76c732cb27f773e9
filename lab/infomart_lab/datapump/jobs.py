"""A job as clients and its server process share it: master table, row in the dictionary, and a folder.

The master table (``system.<job name>``) holds the definition and the finished objects. Each transaction records its
own objects there, so a job that lost its process resumes where it was. The folder has the messages for clients, the
progress for STATUS and the clients' commands.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from pydantic import BaseModel

from infomart_lab import config as lab_config
from infomart_lab import life
from infomart_lab.config import LabConfig
from infomart_lab.datapump.parameters import JobParameters

RUNNING_STATES = ("DEFINING", "EXECUTING", "COMPLETING", "STOPPING", "STOP PENDING", "IDLING")


class JobExists(Exception):
    """A job, or a table, of this name exists (ORA-31634)."""


class NoJob(Exception):
    """There is no such job (ORA-31626)."""


class Definition(BaseModel):
    """Definition of a job, from DEFINING to its end."""

    owner: str
    name: str
    database: str
    parameters: JobParameters
    #: As the log shows it, without the password: ``SYSTEM/******** parfile=exp.par``.
    command: str
    parfile: list[str] = []
    folder: Path
    #: Seconds since the epoch.
    created: float
    set_id: str = ""
    guid: str

    @property
    def messages(self) -> Path:
        return self.folder / "messages"


class Job:
    """A job's master table and its row in the dictionary.

    :param database: ``gim`` or ``idb``.
    """

    def __init__(self, config: LabConfig, site: str, database: str, owner: str, name: str) -> None:
        self.config, self.site, self.database, self.owner, self.name = config, site, database, owner, name
        self.table = sql.Identifier(owner.lower(), name.lower())

    def connect(self, *, application: str = "Data Pump", autocommit: bool = True) -> psycopg.Connection[Any]:
        """A session that fires no triggers; its commits are still in the redo log."""
        connection = psycopg.connect(
            self.config.postgres_dsn(self.site, self.database),
            autocommit=True,
            connect_timeout=5,
            application_name=f"{application} {self.name}",
            sslmode="disable",
        )
        connection.execute("set session_replication_role = replica; set search_path = ''; set datestyle = ISO")
        connection.execute("set client_encoding = 'UTF8'; set check_function_bodies = off")
        connection.autocommit = autocommit
        return connection

    # -- life ------------------------------------------------------------------------------------

    def create(self, connection: psycopg.Connection[Any], definition: Definition) -> None:
        """Make the master table and the dictionary's row.

        :raises JobExists: there is a job or a table of this name.
        """
        with connection.transaction():
            connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(self.owner.lower())))
            try:
                connection.execute(
                    sql.SQL(
                        "create table {} (kind text, name text, status text, errors integer not null default 0,"
                        " detail jsonb, primary key (kind, name))"
                    ).format(self.table)
                )
            except (psycopg.errors.DuplicateTable, psycopg.errors.UniqueViolation):
                raise JobExists from None
            connection.execute(
                "delete from sys.lab_datapump_jobs where owner_name = %s and job_name = %s",
                (self.owner, self.name),
            )
            connection.execute(
                "insert into sys.lab_datapump_jobs (owner_name, job_name, operation, job_mode, state, degree,"
                " attached_sessions, pid) values (%s, %s, %s, %s, 'DEFINING', %s, 1, %s)",
                (
                    self.owner,
                    self.name,
                    definition.parameters.operation,
                    definition.parameters.mode,
                    definition.parameters.parallel,
                    os.getpid(),
                ),
            )
            self.mark(connection, "JOB", "DEFINITION", "DONE", definition.model_dump(mode="json"))

    def load(self, connection: psycopg.Connection[Any]) -> Definition:
        """The job's definition.

        :raises NoJob: there is none.
        """
        try:
            row = connection.execute(
                sql.SQL("select detail from {} where kind = 'JOB' and name = 'DEFINITION'").format(self.table)
            ).fetchone()
        except (
            psycopg.errors.UndefinedTable,
            psycopg.errors.UndefinedColumn,
            psycopg.errors.InvalidSchemaName,
        ):
            raise NoJob from None
        if row is None:
            raise NoJob
        return Definition.model_validate(row[0])

    def drop(self, connection: psycopg.Connection[Any]) -> None:
        with connection.transaction():
            connection.execute(sql.SQL("drop table if exists {}").format(self.table))
            connection.execute(
                "delete from sys.lab_datapump_jobs where owner_name = %s and job_name = %s",
                (self.owner, self.name),
            )

    def update(self, connection: psycopg.Connection[Any], **values: object) -> None:
        """Set columns of the dictionary's row: ``state``, ``degree``, ``attached_sessions``, ``pid``."""
        connection.execute(
            sql.SQL("update sys.lab_datapump_jobs set {} where owner_name = %s and job_name = %s").format(
                sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in values)
            ),
            (*values.values(), self.owner, self.name),
        )

    def state(self, connection: psycopg.Connection[Any]) -> tuple[str, int]:
        """State and process id; a job whose process is gone is NOT RUNNING, and is recorded as that.

        :raises NoJob: there is none.
        """
        row = connection.execute(
            "select state, coalesce(pid, 0) from sys.lab_datapump_jobs where owner_name = %s and job_name = %s",
            (self.owner, self.name),
        ).fetchone()
        if row is None:
            raise NoJob
        state, pid = row
        if state in RUNNING_STATES and not life.process_exists(int(pid)):
            self.update(connection, state="NOT RUNNING", attached_sessions=0, datapump_sessions=0)
            state = "NOT RUNNING"
        return state, int(pid)

    # -- what is done ------------------------------------------------------------------------------

    def mark(
        self,
        connection: psycopg.Connection[Any],
        kind: str,
        name: str,
        status: str,
        detail: object = None,
        errors: int = 0,
    ) -> None:
        connection.execute(
            sql.SQL(
                "insert into {} as m (kind, name, status, errors, detail) values (%s, %s, %s, %s, %s)"
                " on conflict (kind, name) do update set status = excluded.status,"
                " errors = m.errors + excluded.errors, detail = excluded.detail"
            ).format(self.table),
            (kind, name, status, errors, Jsonb(detail)),
        )

    def marks(self, connection: psycopg.Connection[Any], kind: str) -> dict[str, tuple[str, Any]]:
        """Status and detail of everything of one kind."""
        rows = connection.execute(
            sql.SQL("select name, status, detail from {} where kind = %s order by name").format(self.table),
            (kind,),
        )
        return {name: (status, detail) for name, status, detail in rows}

    def errors(self, connection: psycopg.Connection[Any]) -> int:
        row = connection.execute(sql.SQL("select coalesce(sum(errors), 0) from {}").format(self.table)).fetchone()
        return int(row[0]) if row else 0


def default_name(connection: psycopg.Connection[Any], owner: str, parameters: JobParameters) -> str:
    """``SYS_EXPORT_SCHEMA_01``, with the first number that is free."""
    for number in range(1, 100):
        name = f"SYS_{parameters.operation}_{parameters.mode}_{number:02}"
        row = connection.execute(
            "select 1 from pg_tables where schemaname = %s and tablename = %s", (owner.lower(), name.lower())
        ).fetchone()
        if row is None:
            return name
    raise JobExists


def jobs_folder(config: LabConfig, site: str) -> Path:
    return config.oracle_home(site) / "datapump"


def new_folder(config: LabConfig, site: str) -> tuple[Path, str]:
    """Folder and GUID of a new job; folders of jobs that ended over an hour ago are removed."""
    root = jobs_folder(config, site)
    root.mkdir(parents=True, exist_ok=True)
    for old in root.iterdir():
        with contextlib.suppress(OSError):
            if (old / "ended").exists() and (old / "ended").stat().st_mtime < time.time() - 3600:
                shutil.rmtree(old)
    guid = secrets.token_hex(16).upper()
    folder = root / guid
    for path in (folder, folder / "clients", folder / "commands"):
        path.mkdir(mode=0o700)
    (folder / "messages").touch(mode=0o600)
    return folder, guid


def start_worker(config: LabConfig, site: str, definition: Definition) -> None:
    """Start the job's server process in a session of its own; it outlives its client."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    environment[lab_config.HOME_VARIABLE] = str(config.home)
    environment[lab_config.HOST_VARIABLE] = f"{site}/db"
    root = str(Path(__file__).resolve().parents[2])
    known = [part for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part and part != root]
    environment["PYTHONPATH"] = os.pathsep.join([root, *known])
    words = [site, definition.database, definition.owner, definition.name]
    descriptor = os.open(definition.folder / "worker.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "infomart_lab.datapump.server", *words],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            cwd=definition.folder,
        )


# -- commands and messages -------------------------------------------------------------------------


def send_command(definition: Definition, command: str, value: int | None = None) -> None:
    """Leave a command for the server process."""
    folder = definition.folder / "commands"
    name = f"{time.time_ns()}-{os.getpid()}"
    temporary = folder / f".{name}"
    temporary.write_text(json.dumps({"command": command, "value": value}))
    temporary.rename(folder / name)


def take_commands(definition: Definition) -> Iterator[tuple[str, int | None]]:
    for path in sorted((definition.folder / "commands").glob("[0-9]*")):
        content = json.loads(path.read_text())
        path.unlink()
        yield content["command"], content["value"]


def write_status(definition: Definition, progress: dict[str, object]) -> None:
    temporary = definition.folder / "status.new"
    temporary.write_text(json.dumps(progress))
    temporary.replace(definition.folder / "status.json")


def read_status(definition: Definition) -> dict[str, object]:
    try:
        return json.loads((definition.folder / "status.json").read_text())
    except (OSError, ValueError):
        return {}
