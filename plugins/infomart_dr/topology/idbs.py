"""Interaction Databases of a site, and their purge jobs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from infomart_dr.topology.identifiers import (
    ConnectionId,
    Identifier,
    Model,
    Name,
    ObjectName,
    ProcessPattern,
    QualifiedName,
    UserName,
    Word,
)


class SchedulerJob(Model):
    """A purge that DBMS_SCHEDULER starts. In the file it may be written as the text ``OWNER.NAME``."""

    mechanism: Literal["dbms_scheduler"]
    job: QualifiedName

    @property
    def key(self) -> str:
        """The job's name in the procedures' own tables."""
        return self.job


class DbmsJob(Model):
    """A purge that DBMS_JOB starts."""

    mechanism: Literal["dbms_job"]
    #: PRIV_USER in DBA_JOBS.
    owner: Identifier
    #: Number in DBA_JOBS.
    job: int = Field(ge=1)

    @property
    def key(self) -> str:
        """The job's name in the procedures' own tables."""
        return f"dbms_job {self.owner}.{self.job}"


class CronJob(Model):
    """A purge that cron starts: one line of a user's crontab."""

    mechanism: Literal["cron"]
    host: Name
    #: The exact line of the crontab, with its schedule.
    line: str = Field(pattern=r"^[^#\s\x00-\x1f][^\x00-\x1f]{0,400}$")
    #: Owner of the crontab; None: the user of the SSH connection. Another user's crontab needs root.
    user: UserName | None = None
    #: Pattern of the purge's process for ``pgrep -f``.
    process_pattern: ProcessPattern

    @property
    def key(self) -> str:
        """The job's name in the procedures' own tables."""
        return f"cron {self.host} {self.user or '-'}: {self.line}"


class CommandJob(Model):
    """A purge that commands of the site hold and release."""

    mechanism: Literal["command"]
    name: Name
    host: Name
    #: Program and arguments that hold the purge; their exit code must be 0.
    hold: list[Word] = Field(min_length=1)
    #: Program and arguments that release it; their exit code must be 0.
    release: list[Word] = Field(min_length=1)
    #: Program and arguments whose exit code is the state: 0 enabled, 3 disabled, 4 a purge runs now.
    state: list[Word] = Field(min_length=1)

    @property
    def key(self) -> str:
        """The job's name in the procedures' own tables."""
        return f"command {self.host} {self.name}"


def _by_mechanism(value: object) -> object:
    return {"mechanism": "dbms_scheduler", "job": value} if isinstance(value, str) else value


PurgeJob = Annotated[
    Annotated[SchedulerJob | DbmsJob | CronJob | CommandJob, Field(discriminator="mechanism")],
    BeforeValidator(_by_mechanism),
]


class Idb(Model):
    """An Interaction Database at a site."""

    name: Name
    #: DATA_SOURCE_KEY of the T-Server, Configuration Server or Interaction Server behind it.
    data_source_key: int = Field(ge=1)
    #: Its DAP, connected to the Info Mart Server.
    dap: ObjectName
    #: Application object of the ICON that writes it, where it is connected to the Info Mart Server.
    icon: ObjectName | None = None
    #: Site whose T-Server, Configuration Server or Interaction Server is behind it; None: the IDB's own site.
    source_site: Name | None = None
    #: Owner of its tables, for counting calls; None: no counting.
    schema_name: Identifier | None = Field(None, alias="schema")
    #: Airflow connection whose user may disable the purge jobs, and read the tables where ``schema`` is given. The
    #: purge holds are in tables of this user.
    connection: ConnectionId
    #: Its purge jobs; a hold disables all of them.
    purge_jobs: list[PurgeJob] = Field(default_factory=list)
    #: Number of daily partitions that are used in a ring. The ring overwrites older data even under a hold. None: no
    #: partitions.
    partition_ring_days: int | None = Field(14, ge=1, le=400)
