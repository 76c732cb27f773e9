"""Interaction Databases of a site, and what purges them."""

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
    """A purge that DBMS_SCHEDULER starts; text ``OWNER.NAME`` stands for it."""

    mechanism: Literal["dbms_scheduler"]
    job: QualifiedName

    @property
    def key(self) -> str:
        """What the job is called in the procedures' own tables."""
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
        """What the job is called in the procedures' own tables."""
        return f"dbms_job {self.owner}.{self.job}"


class CronJob(Model):
    """A purge that cron starts: one line of a user's crontab."""

    mechanism: Literal["cron"]
    host: Name
    #: The line as it stands in the crontab, with its schedule.
    line: str = Field(pattern=r"^[^#\s\x00-\x1f][^\x00-\x1f]{0,400}$")
    #: Whose crontab; None: that of the user of the SSH connection. Another user's needs root.
    user: UserName | None = None
    #: What the purge's process is called, for ``pgrep -f``.
    process_pattern: ProcessPattern

    @property
    def key(self) -> str:
        """What the job is called in the procedures' own tables."""
        return f"cron {self.host} {self.user or '-'}: {self.line}"


class CommandJob(Model):
    """A purge that the site's own commands hold and release."""

    mechanism: Literal["command"]
    name: Name
    host: Name
    #: Program and arguments that hold the purge; must end with 0.
    hold: list[Word] = Field(min_length=1)
    #: Program and arguments that release it; must end with 0.
    release: list[Word] = Field(min_length=1)
    #: Program and arguments whose exit code is the state: 0 enabled, 3 disabled, 4 a purge runs now.
    state: list[Word] = Field(min_length=1)

    @property
    def key(self) -> str:
        """What the job is called in the procedures' own tables."""
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
    #: Owner of its tables, for counts of calls; None: nothing is counted.
    schema_name: Identifier | None = Field(None, alias="schema")
    #: Airflow connection that may disable the purge jobs, and read the tables where ``schema`` is given; the purge
    #: holds are in tables of its user.
    connection: ConnectionId
    #: What purges it; a hold disables all of them.
    purge_jobs: list[PurgeJob] = Field(default_factory=list)
    #: Daily partitions that are used in a ring: what is older is overwritten, held or not; None: no partitions.
    partition_ring_days: int | None = Field(14, ge=1, le=400)
