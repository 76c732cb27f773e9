"""What exists: sites, hosts, connections, roles and options, read from one YAML file and validated.

Every identifier that later reaches a shell, ggsci or SQL is checked here, once. A wrong file is reported
whole: each mistake with the path of its field, what was found and what is allowed. docs/topology.md describes
the file field by field.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from infomart_dr.errors import TopologyError

#: Environment variable with the topology file, or with a folder of ``<deployment>.yaml`` files.
PATH_VARIABLE = "INFOMART_DR_TOPOLOGY"

# -- identifiers -----------------------------------------------------------------------------------

#: Oracle's unquoted identifier, in upper case as the dictionary shows it.
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_$#]{0,29}$")]
#: ``OWNER.NAME``.
QualifiedName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_$#]{0,29}\.[A-Z][A-Z0-9_$#]{0,127}$")]
#: GoldenGate group: 1 to 8 characters, see facts on the REST interface's ``^[A-Z_$][A-Z0-9_$]*$``.
GroupName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_$]{0,7}$")]
#: Trail: a path without extension whose file name has two characters.
TrailName = Annotated[str, StringConstraints(pattern=r"^(\./|/)?([A-Za-z0-9_.-]+/)*[A-Za-z][A-Za-z0-9]$")]
#: Name in this file and in task ids.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
#: Airflow's connection id.
ConnectionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]
#: DNS name or address.
Address = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$")]
#: Oracle service name.
ServiceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.$#-]{0,127}$")]
#: Name of a Genesys object: printable, no quotes or control characters.
ObjectName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_. ()\-]{0,254}$")]
#: GoldenGate tag in hexadecimal.
Tag = Annotated[str, StringConstraints(pattern=r"^([0-9A-Fa-f]{2}){1,16}$")]
#: Size as Data Pump writes it.
DumpSize = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*[KMGT]?$")]
#: Name of an environment variable.
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
#: Four-part or shorter Info Mart or RAA release.
Release = Annotated[str, StringConstraints(pattern=r"^\d{1,2}\.\d{1,2}(\.\d{1,3}){0,2}$")]


def _absolute(value: str) -> str:
    if not re.match(r"^(/|[A-Za-z]:[\\/])[^\x00-\x1f'\"`$;|&<>*?]*$", value):
        raise ValueError("an absolute path without quotes, wildcards and shell signs is allowed")
    return value.rstrip("/") or value


AbsolutePath = Annotated[str, AfterValidator(_absolute)]
Port = Annotated[int, Field(ge=1, le=65535)]
Role = Literal["active", "standby", "failed", "new"]
Architecture = Literal["active-standby", "active-active"]


class Model(BaseModel):
    """Strict: an unknown field is a mistake, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


# -- hosts -----------------------------------------------------------------------------------------


class Reach(Model):
    """How one site's hosts reach another site's host."""

    address: Address
    ssh_port: Port = 22
    manager_port: Port | None = None
    #: Port of the database listener; None: that of the Airflow connection.
    listener_port: Port | None = None


class Host(Model):
    """A machine that Airflow reaches over SSH."""

    ssh_connection: ConnectionId
    #: User that owns the software; only for the file transfer between hosts.
    user: str = Field("oracle", pattern=r"^[a-z_][a-z0-9_-]{0,31}$")
    #: Private key on *this* host with which it copies files to others; None: the user's default key.
    transfer_key: AbsolutePath | None = None
    #: Known-hosts file on *this* host; None: the user's own.
    known_hosts: AbsolutePath | None = None
    #: Folder for jobs and parameter files of the procedures; relative to the user's home.
    work_folder: str = Field(".infomart_dr", pattern=r"^[A-Za-z0-9_./-]{1,200}$")
    #: Address by site, where it differs from what Airflow uses.
    seen_from: dict[Name, Reach] = Field(default_factory=dict)


# -- database and GoldenGate -------------------------------------------------------------------------


class DataPump(Model):
    """expdp and impdp at a site."""

    #: Oracle directory object, and nothing else: its folder is read from DBA_DIRECTORIES.
    directory: Identifier = "GIM_DUMP"
    #: Name part of the dump files; Data Pump adds the set's number.
    file_prefix: str = Field("gim", pattern=r"^[A-Za-z0-9_]{1,40}$")
    file_size: DumpSize = "2G"
    parallel: int = Field(2, ge=1, le=64)
    expdp: str = Field("expdp", pattern=r"^[A-Za-z0-9_./-]{1,200}$")
    impdp: str = Field("impdp", pattern=r"^[A-Za-z0-9_./-]{1,200}$")
    #: Seconds between two STATUS blocks in the client's output.
    status_seconds: int = Field(10, ge=1, le=3600)


class Database(Model):
    """The Info Mart database of a site."""

    host: Name
    service: ServiceName
    #: Release of the Oracle database, as ``11.2`` or ``19.0``.
    release: Release = "19.0"
    #: Airflow connections: a DBA, the Info Mart's owner, GoldenGate's owner.
    dba_connection: ConnectionId
    info_mart_connection: ConnectionId
    goldengate_connection: ConnectionId
    oracle_home: AbsolutePath
    #: ORACLE_SID, TNS_ADMIN, LD_LIBRARY_PATH ... for programs run over SSH.
    environment: dict[VariableName, str] = Field(default_factory=dict)
    data_pump: DataPump = Field(default_factory=DataPump)


class Groups(Model):
    """Names of GoldenGate's groups at a site, used whenever this site is source or target."""

    extract: GroupName = "EGIM"
    pump: GroupName = "PGIM"
    replicat: GroupName = "RGIM"


class Trails(Model):
    """Trails of a site: its own, and the one that arrives from the other site."""

    local: TrailName = "./dirdat/em"
    remote: TrailName = "./dirdat/dp"
    megabytes: int = Field(2000, ge=1, le=2000)


class AliasLogin(Model):
    """Login through GoldenGate's credential store (12c and later)."""

    alias: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,29}$")
    domain: str | None = Field(None, pattern=r"^[A-Za-z][A-Za-z0-9_]{0,29}$")


class EncryptedLogin(Model):
    """Login of releases without a credential store: ENCRYPT PASSWORD's output is in the parameter files."""

    user: Identifier
    #: Output of ``ENCRYPT PASSWORD ... ENCRYPTKEY DEFAULT``; never the password itself.
    encrypted_password: str = Field(pattern=r"^[A-Z0-9]{16,}$")


class GoldenGate(Model):
    """GoldenGate at a site (classic deployment, ggsci)."""

    home: AbsolutePath
    release: Release = "19.1"
    #: How the Extract reads the redo.
    capture: Literal["integrated", "classic"] = "integrated"
    manager_port: Port = 7809
    #: Schema of GoldenGate's own tables and of the procedures' lock, ledger and marker.
    schema_name: Identifier = Field("GGATE", alias="schema")
    login: AliasLogin | EncryptedLogin
    groups: Groups = Field(default_factory=Groups)
    trails: Trails = Field(default_factory=Trails)
    #: Checkpoint table in GoldenGate's schema.
    checkpoint_table: Identifier = "GGS_CHECKPOINT"
    #: Tag of what Replicat writes, excluded by the Extract of the same site (12c and later).
    tag: Tag = "00"
    environment: dict[VariableName, str] = Field(default_factory=dict)

    def trail_folder(self, trail: str) -> str:
        """Absolute folder of a trail, which may be given below the home.

        :param trail: one of ``trails``.
        """
        return posixpath.normpath(posixpath.join(self.home, posixpath.dirname(trail) or "."))


# -- Genesys -----------------------------------------------------------------------------------------


class Flags(Model):
    """Options of mlcmd; not published by Genesys, so they are configuration."""

    status: str = Field("-getappstatus", pattern=r"^-[A-Za-z-]+$")
    start: str = Field("-startapp", pattern=r"^-[A-Za-z-]+$")
    stop: str = Field("-stopapp", pattern=r"^-[A-Za-z-]+$")
    stop_gracefully: str = Field("-stopgraceful", pattern=r"^-[A-Za-z-]+$")


class Endpoint(Model):
    """An address and a port."""

    address: Address
    port: Port


#: A word of a command of the site's own: no line breaks and no NUL; ``{job}`` and ``{site}`` are filled in.
Word = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]{1,500}$")]


class Jobs(Model):
    """How a job of the Info Mart Server is started by its name; Genesys publishes no interface for it."""

    #: ``human``: a person starts it and confirms; ``command``: the site's own command does.
    backend: Literal["human", "command"] = "human"
    #: Program and arguments on the Info Mart Server's host; ``{job}`` stands for Job_MigrateGIM and the like. It must
    #: end with 0 only when the job has succeeded.
    command: list[Word] = Field(default_factory=list)
    #: Seconds for one job.
    timeout: int = Field(7200, ge=10, le=86400)

    @model_validator(mode="after")
    def _command_needs_words(self) -> Self:
        if self.backend == "command" and not any("{job}" in word for word in self.command):
            raise ValueError("backend command needs the field command, with {job} in one of its words")
        return self


class Reports(Model):
    """GI2 or GCXI at a site; how it is brought into service is not published."""

    product: str = Field("GI2", pattern=r"^[A-Za-z0-9 ]{1,40}$")
    #: ``human``: a person brings it into service and confirms; ``command``: the site's own command does.
    backend: Literal["human", "command"] = "human"
    #: Host of the commands.
    host: Name | None = None
    #: Program and arguments that bring the reports into service at this site; ``{site}`` stands for its name.
    start: list[Word] = Field(default_factory=list)
    #: Program and arguments that end with 0 only when the reports are in service here.
    check: list[Word] = Field(default_factory=list)

    @model_validator(mode="after")
    def _command_needs_words(self) -> Self:
        if self.backend == "command" and not (self.start and self.check and self.host):
            raise ValueError("backend command needs the fields host, start and check")
        return self


class ManagementLayer(Model):
    """Solution Control Server of a site, by mlcmd."""

    host: Name
    command: str = Field("mlcmd", pattern=r"^[A-Za-z0-9_./-]{1,200}$")
    #: Configuration Server as mlcmd reaches it.
    configuration_server: Address
    configuration_port: Port = 2020
    #: csappname.
    client: ObjectName = "default"
    #: Airflow connection with user and password of the Configuration Layer.
    connection: ConnectionId
    #: ``command_line``: mlcmd itself wants the password as an argument, which users of that host can see in
    #: ``ps``; ``standard_input``: ``command`` is a wrapper that reads it from there.
    password_delivery: Literal["command_line", "standard_input"] = "command_line"
    flags: Flags = Field(default_factory=Flags)
    running_words: list[str] = Field(default_factory=lambda: ["Running"])
    stopped_words: list[str] = Field(default_factory=lambda: ["Stopped"])
    #: Seconds to wait for a start or a stop.
    timeout: int = Field(300, ge=5, le=3600)
    #: Configuration Server as another site's hosts reach it, by site; default: as mlcmd reaches it.
    seen_from: dict[Name, Endpoint] = Field(default_factory=dict)


class ConfigurationPaths(Model):
    """Paths of GAX's internal REST interface; not published, so they are configuration."""

    login: str = Field("/gax/api/session/login", pattern=r"^/[A-Za-z0-9_./{}?=&%-]*$")
    application: str = Field("/gax/api/cfg/applications/{name}", pattern=r"^/[A-Za-z0-9_./{}?=&%-]*$")


class Configuration(Model):
    """How Application objects are changed: by GAX's REST interface, or by a person who gets instructions."""

    backend: Literal["gax", "manual"] = "manual"
    #: Airflow connection of GAX (host, port, user, password); only with ``gax``.
    connection: ConnectionId | None = None
    paths: ConfigurationPaths = Field(default_factory=ConfigurationPaths)

    @model_validator(mode="after")
    def _gax_needs_a_connection(self) -> Self:
        if self.backend == "gax" and self.connection is None:
            raise ValueError("backend gax needs the field connection")
        return self


class InfoMartServer(Model):
    """The Info Mart Server of a site."""

    host: Name
    #: Value of the Application object's Host property when the server runs here.
    host_object: ObjectName
    root: AbsolutePath
    #: Startup Command Line property when the server runs here.
    command_line: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f]*$")
    #: DAP of this site's Info Mart database (role INFO_MART).
    dap: ObjectName
    #: Application object of this site's own server and its DBID; only in an active-active deployment.
    application: ObjectName | None = None
    application_dbid: int | None = Field(None, ge=1)
    log_file: AbsolutePath
    #: LIKE pattern of PROGRAM in v$session for the server's sessions; a Java server may show as JDBC Thin Client.
    session_program: str = Field("%gim_etl%", pattern=r"^[A-Za-z0-9_%@.() -]{1,64}$")
    #: What its process is called, for ``pgrep -f``; proves that it is stopped.
    process_pattern: str = Field("gim_etl", pattern=r"^[A-Za-z0-9_/][A-Za-z0-9_.@: /-]{2,199}$")
    #: Program and arguments on this host that end with 0 only when no service starts the server by itself; how the
    #: service is set is not published. Empty: nobody looks.
    manual_start_check: list[Word] = Field(default_factory=list)


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
    user: str | None = Field(None, pattern=r"^[a-z_][a-z0-9_-]{0,31}$")
    #: What the purge's process is called, for ``pgrep -f``.
    process_pattern: str = Field(pattern=r"^[A-Za-z0-9_/][A-Za-z0-9_.@: /-]{2,199}$")

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


def _by_mechanism(value: Any) -> Any:
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


class Raa(Model):
    """Reporting and Analytics Aggregates."""

    enabled: bool = True
    release: Release = "8.1.4"
    #: Java launcher on the Info Mart Server's host.
    java: str = Field("java", pattern=r"^[A-Za-z0-9_./-]{1,200}$")
    jar: str = Field("agg/GIMAgg.jar", pattern=r"^[A-Za-z0-9_./-]{1,200}$")
    #: ``argument_file``: arguments stand in a 0600 file (``java @file``, Java 9 and later);
    #: ``command_line``: users of that host can see the password in ``ps``.
    password_delivery: Literal["argument_file", "command_line"] = "argument_file"
    #: jdbc URL by site; default ``jdbc:oracle:thin:@<connection's host>:<port>/<service>``.
    jdbc_url: dict[Name, str] = Field(default_factory=dict)


class InfoMart(Model):
    """What all sites share."""

    release: Release
    schema_name: Identifier = Field("GIM", alias="schema")
    partitioned: bool = False
    #: Application object of the Info Mart Server, one for all sites, and its DBID.
    application: ObjectName = "GIM"
    application_dbid: int = Field(ge=1)
    #: Key column by sequence, for the proof that no sequence is below the highest key in use:
    #: ``{SEQ_X: TABLE.COLUMN}``; sequences that are not named are compared with the source only.
    sequence_keys: dict[Identifier, QualifiedName] = Field(default_factory=dict)
    jobs: Jobs = Field(default_factory=Jobs)
    #: [gim-etl] extract-data-stuck-threshold in seconds.
    stuck_threshold: int = Field(28800, ge=60)
    #: Log lines that mean trouble: message number or text, by what to do.
    log_alarms: dict[str, str] = Field(
        default_factory=lambda: {
            "55-20152": "The server is in the migration state: run Job_MigrateGIM.",
            "55-20034": "The server is in the migration state: run Job_MigrateGIM.",
            "00-04504": "The server lost a connection.",
        }
    )


class Site(Model):
    """One data centre."""

    role: Role
    database: Database
    goldengate: GoldenGate
    info_mart_server: InfoMartServer
    management_layer: ManagementLayer
    configuration: Configuration = Field(default_factory=Configuration)
    idbs: list[Idb] = Field(default_factory=list)
    #: GI2 or GCXI at this site; None: there is none.
    reports: Reports | None = None

    @property
    def purged_idbs(self) -> list[Idb]:
        """IDBs whose purging can be held."""
        return [idb for idb in self.idbs if idb.purge_jobs]


class Approval(Model):
    """Who may answer a gate."""

    #: The one who started a run cannot answer its gates.
    four_eyes: bool = False


class Fencing(Model):
    """How a site is proven dead before the other one takes over."""

    #: A refused connection comes from a host that lives; false: only what is accepted or answered counts.
    refused_is_alive: bool = True
    #: Seconds for one answer.
    timeout: float = Field(5.0, ge=0.5, le=60)


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"a regular expression of Python is allowed ({error})") from None
    return value


#: Number of a ticket, wherever it comes from.
TICKET = r"[A-Za-z0-9_.~:+-]{1,250}"
#: What a ticket is told of.
TicketEvent = Literal["started", "waiting", "chapter", "failed", "ended"]


class ServiceNow(Model):
    """Work notes of a record, by the Table API."""

    table: str = Field("incident", pattern=r"^[a-z][a-z0-9_]{0,79}$")
    field: Literal["work_notes", "comments"] = "work_notes"


class Jira(Model):
    """Comments of an issue."""

    #: REST API: 2 for Data Center and Cloud, 3 for Cloud only.
    api: Literal[2, 3] = 2


class Webhook(Model):
    """One JSON document a message, to any receiver."""

    path: str = Field("/", pattern=r"^/[A-Za-z0-9_./~%?=&-]*$")


class Tickets(Model):
    """Where a run writes what happens, when a ticket stands behind it."""

    backend: Literal["servicenow", "jira", "webhook"]
    #: Airflow connection of the ticketing system (type http).
    connection: ConnectionId
    #: Run ids that are tickets; the group ``ticket``, where there is one, is the ticket's number.
    pattern: Annotated[str, AfterValidator(_pattern)] = (
        r"(?P<ticket>[A-Z][A-Z0-9_]{0,19}(-[1-9][0-9]{0,9}|[0-9]{7,10}))([.~:+][A-Za-z0-9_.~:+-]*)?"
    )
    #: Airflow's web interface as people reach it; None: Airflow's own ``[api] base_url``.
    base_url: str | None = Field(None, pattern=r"^https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9_./~-]*)?$")
    events: list[TicketEvent] = Field(default_factory=lambda: list(get_args(TicketEvent)), min_length=1)
    #: Seconds for one answer.
    timeout: float = Field(5.0, ge=0.2, le=60)
    #: Seconds that a task gives to its messages, whatever happens.
    limit: float = Field(20.0, ge=1, le=120)
    servicenow: ServiceNow = Field(default_factory=ServiceNow)
    jira: Jira = Field(default_factory=Jira)
    webhook: Webhook = Field(default_factory=Webhook)

    def ticket_in(self, *texts: str) -> str | None:
        """Number of the ticket that the first of these texts names with its first word; None: there is none.

        :param texts: a run's id, its plan's id, the ticket of its form, its reason.
        """
        for text in texts:
            found = re.fullmatch(self.pattern, (text.split() or [""])[0].strip(".,;:()[]"))
            ticket = (found.groupdict().get("ticket") or found.group()) if found else ""
            if re.fullmatch(TICKET, ticket):
                return ticket
        return None


class Transfer(Model):
    """How the dump set travels."""

    #: ``direct``: rsync from host to host; ``relay``: through Airflow's machine by SFTP.
    method: Literal["direct", "relay"] = "direct"
    #: Files at a time.
    streams: int = Field(4, ge=1, le=16)
    #: Kilobytes a second over all streams; None: no limit.
    bandwidth: int | None = Field(None, ge=1)
    #: The free space at the target must be this many times the dump set's size.
    space_factor: float = Field(1.2, ge=1.0, le=10)
    rsync: str = Field("rsync", pattern=r"^[A-Za-z0-9_./-]{1,200}$")


class Timeouts(Model):
    """Seconds."""

    connect: int = Field(10, ge=1, le=120)
    #: One statement.
    statement: int = Field(120, ge=1, le=7200)
    #: One short command over SSH.
    command: int = Field(60, ge=1, le=3600)
    #: Between two looks at something that takes long.
    poll: float = Field(5.0, ge=0.2, le=300)
    #: How long a task looks by itself before it hands a wait over to the triggerer.
    glance: float = Field(10.0, ge=0, le=60)
    #: Until ETL jobs are quiet.
    quiesce: int = Field(1800, ge=10, le=86400)
    #: Until the Replicat has caught up.
    catch_up: int = Field(86400, ge=10)


class Rising(Model):
    """Two thresholds of a figure that gets worse as it grows."""

    warning: float = Field(ge=0)
    critical: float = Field(ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.warning > self.critical:
            raise ValueError(f"warning {self.warning:g} is above critical {self.critical:g}; allowed: at most that")
        return self


class Falling(Model):
    """Two thresholds of a figure that gets worse as it shrinks."""

    warning: float = Field(ge=0)
    critical: float = Field(ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.warning < self.critical:
            raise ValueError(f"warning {self.warning:g} is below critical {self.critical:g}; allowed: at least that")
        return self


#: Message number of GoldenGate.
MessageCode = Annotated[str, StringConstraints(pattern=r"^OGG-\d{5}$")]


class Watch(Model):
    """When watching finds something, and whom it tells."""

    #: Seconds of replication lag, end to end and of each group.
    lag: Rising = Rising(warning=300, critical=1800)
    #: Seconds without a checkpoint after which a group that runs counts as stuck.
    checkpoint: int = Field(600, ge=10)
    #: Age in seconds of a data source's high-water mark.
    hwm_age: Rising = Rising(warning=3600, critical=14400)
    #: Megabytes that are free where the trails are.
    trail_free: Falling = Falling(warning=10_000, critical=2_000)
    #: Seconds until the trails' disk is full, at the growth of the last ``trail_window`` seconds.
    trail_full: Falling = Falling(warning=86_400, critical=14_400)
    trail_window: int = Field(3600, ge=60, le=86_400)
    #: Seconds before data is given up at which a link outage becomes critical.
    link_left: int = Field(7200, ge=0)
    #: Age of a purge hold, in percent of the partition ring.
    hold_age: Rising = Rising(warning=70, critical=90)
    #: Errors of ggserr.log that are nobody's business.
    ggserr_ignore: list[MessageCode] = Field(default_factory=list)
    #: Seconds without the same error after which it has ended.
    ggserr_quiet: int = Field(3600, ge=0)
    #: Seconds without a sign of life after which a plan that holds the lock is told.
    plan_quiet: int = Field(86_400, ge=60)
    #: Seconds for which one look waits for its marker row at the standby.
    marker_wait: float = Field(10.0, ge=0, le=60)
    #: Seconds at most for a connection, a statement or a command; and for one look at a deployment.
    timeout: int = Field(30, ge=1, le=300)
    look: int = Field(120, ge=10, le=3600)
    #: Airflow connection (http) of a webhook that is told of each alert; None: log and asset events only.
    alert_connection: ConnectionId | None = None


class Topology(Model):
    """A deployment."""

    deployment: Name
    architecture: Architecture = "active-standby"
    info_mart: InfoMart
    raa: Raa = Field(default_factory=Raa)
    hosts: dict[Name, Host] = Field(min_length=1)
    sites: dict[Name, Site] = Field(min_length=2)
    transfer: Transfer = Field(default_factory=Transfer)
    approval: Approval = Field(default_factory=Approval)
    fencing: Fencing = Field(default_factory=Fencing)
    #: None: no ticket is told anything.
    tickets: Tickets | None = None
    timeouts: Timeouts = Field(default_factory=Timeouts)
    watch: Watch = Field(default_factory=Watch)

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        mistakes = list(self._wrong_references())
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return self

    def must_be(self, architecture: Architecture, procedure: str) -> None:
        """Refuse a procedure that is for the other architecture.

        :raises TopologyError: the deployment is of the other one.
        """
        if self.architecture != architecture:
            raise TopologyError(
                f"{procedure} is for {architecture} deployments, and {self.deployment} is {self.architecture}.",
                f"Start a procedure for {self.architecture} (docs/procedures.md), or correct architecture in the "
                "topology.",
            )

    def answering_within(self, seconds: float, *names: str) -> Self:
        """The same with shorter timeouts, where these are longer.

        :param names: fields of ``timeouts``.
        """
        shorter = {name: min(getattr(self.timeouts, name), seconds) for name in names}
        return self.model_copy(update={"timeouts": self.timeouts.model_copy(update=shorter)})

    def _split_purge_jobs(self) -> Iterable[str]:
        """Purges outside the database that several IDBs name: their holds must stand in the same tables."""
        first: dict[str, tuple[str, str]] = {}
        for name, site in self.sites.items():
            for idb in site.idbs:
                for number, job in enumerate(idb.purge_jobs):
                    if not isinstance(job, CronJob | CommandJob):
                        continue
                    where = f"sites.{name}.idbs.{idb.name}"
                    other, connection = first.setdefault(job.key, (where, idb.connection))
                    if connection != idb.connection:
                        yield (
                            f"{where}.purge_jobs.{number}: found the purge of {other}, whose connection is another; "
                            f"allowed: IDBs with one connection, {connection}, or a purge of each IDB's own"
                        )

    def _wrong_references(self) -> Iterable[str]:
        yield from self._split_purge_jobs()
        known = ", ".join(sorted(self.hosts))
        for name, site in self.sites.items():
            for field, host in {
                "database.host": site.database.host,
                "info_mart_server.host": site.info_mart_server.host,
                "management_layer.host": site.management_layer.host,
                "reports.host": site.reports.host if site.reports else None,
            }.items():
                if host is not None and host not in self.hosts:
                    yield f"sites.{name}.{field}: found {host!r}; allowed: a name under hosts ({known})"
            trails = site.goldengate.trails
            if trails.local == trails.remote:
                yield (
                    f"sites.{name}.goldengate.trails: local and remote are both {trails.local!r}; allowed: two trails"
                )
            groups = site.goldengate.groups
            if len({groups.extract, groups.pump, groups.replicat}) < 3:
                yield f"sites.{name}.goldengate.groups: names are used twice; allowed: three different names"
            names = [idb.name for idb in site.idbs]
            for double in sorted({n for n in names if names.count(n) > 1}):
                yield f"sites.{name}.idbs: found {double!r} twice; allowed: each IDB once"
            for idb in site.idbs:
                for number, job in enumerate(idb.purge_jobs):
                    if isinstance(job, CronJob | CommandJob) and job.host not in self.hosts:
                        yield (
                            f"sites.{name}.idbs.{idb.name}.purge_jobs.{number}.host: found {job.host!r}; "
                            f"allowed: a name under hosts ({known})"
                        )
                if idb.source_site is not None and idb.source_site not in self.sites:
                    yield (
                        f"sites.{name}.idbs.{idb.name}.source_site: found {idb.source_site!r}; "
                        f"allowed: {', '.join(sorted(self.sites))}"
                    )
            own = (site.info_mart_server.application, site.info_mart_server.application_dbid)
            if self.architecture == "active-active" and None in own:
                yield (
                    f"sites.{name}.info_mart_server: application or application_dbid is missing; "
                    "allowed: both, since each server of an active-active deployment has an object of its own"
                )
            if self.architecture == "active-standby" and own != (None, None):
                yield (
                    f"sites.{name}.info_mart_server: found an application of its own; "
                    "allowed: none, since the servers of an active-standby deployment share info_mart.application"
                )
        active = [name for name, site in self.sites.items() if site.role == "active"]
        if not active or (len(active) > 1 and self.architecture == "active-standby"):
            wanted = "exactly one" if self.architecture == "active-standby" else "at least one"
            yield f"sites: found {len(active)} sites with role active {active}; allowed: {wanted}"
        for name, machine in self.hosts.items():
            for other in machine.seen_from:
                if other not in self.sites:
                    yield (f"hosts.{name}.seen_from.{other}: no such site; allowed: {', '.join(sorted(self.sites))}")

    # -- questions ---------------------------------------------------------------------------------

    @cached_property
    def active_site(self) -> str:
        """The site that serves; of an active-active deployment the first in the file."""
        return next(name for name, site in self.sites.items() if site.role == "active")

    def application(self, site: str) -> str:
        """Application object of the server that runs at a site."""
        return self.sites[site].info_mart_server.application or self.info_mart.application

    def application_dbid(self, site: str) -> int:
        """DBID of that object."""
        return self.sites[site].info_mart_server.application_dbid or self.info_mart.application_dbid

    def site(self, name: str) -> Site:
        """A site by name.

        :raises TopologyError: there is no such site.
        """
        try:
            return self.sites[name]
        except KeyError:
            raise TopologyError(
                f"Deployment {self.deployment} has no site {name!r}.",
                f"Give one of: {', '.join(sorted(self.sites))}.",
            ) from None

    def host(self, name: str) -> Host:
        """A host by name."""
        return self.hosts[name]

    def reach(self, host: str, site: str) -> Reach | None:
        """How hosts of ``site`` reach ``host``; None when the topology does not say."""
        return self.hosts[host].seen_from.get(site)

    def pair(self, source: str | None, target: str | None) -> Pair:
        """The two sites of a procedure that copies or moves.

        :param source: site that holds the data; default: the active one.
        :param target: site that is filled or takes over; default: the only one with role ``new``, else the only one
            with role ``standby``.
        :raises TopologyError: a site does not exist, both are the same, or the default is not unique.
        """
        source = source or self.active_site
        target = target or self._only("new", "standby", parameter="target", but=source)
        found = self._two(source, target, "Source", "target")
        if self.sites[target].role == "failed":
            raise TopologyError(
                f"The target {target} has the role failed in the topology.",
                f"Set sites.{target}.role to new once the site is rebuilt.",
            )
        return found

    def failover_pair(
        self, failed_site: str | None, survivor: str | None, parameters: tuple[str, str] = ("failed_site", "survivor")
    ) -> Pair:
        """The two sites of a failover, the lost one as source.

        :param failed_site: default: the active one of an active-standby deployment.
        :param survivor: default: the only standby; the other active one of an active-active deployment.
        :param parameters: what the form that is read calls the two.
        :raises TopologyError: as for :meth:`pair`.
        """
        if self.architecture == "active-active":
            if not failed_site:
                raise TopologyError(
                    "The failed site is not given, and either site of an active-active deployment may be it.",
                    f"Give the parameter {parameters[0]}, one of: {', '.join(sorted(self.sites))}.",
                )
            survivor = survivor or self._only("active", parameter=parameters[1], but=failed_site)
        failed_site = failed_site or self.active_site
        survivor = survivor or self._only("standby", parameter=parameters[1], but=failed_site)
        return self._two(failed_site, survivor, "Failed site", "survivor")

    def _two(self, source: str, target: str, first: str, second: str) -> Pair:
        self.site(source), self.site(target)
        if source == target:
            raise TopologyError(
                f"{first} and {second} are both {source}.", f"Give two different sites as {first.lower()} and {second}."
            )
        return Pair(topology=self, source=source, target=target)

    def _only(self, *roles: Role, parameter: str, but: str) -> str:
        """The only site with the first of these roles that any site has."""
        for role in roles:
            names = [name for name, site in self.sites.items() if site.role == role and name != but]
            if names:
                break
        if len(names) != 1:
            found = f"{len(names)} sites have" if names else "no site has"
            give = "Give" if names else "Set the role of the site in the topology file, or give"
            raise TopologyError(
                f"The {parameter} is not given and {found} the role {' or '.join(roles)}.",
                f"{give} the parameter {parameter}, one of: {', '.join(sorted(set(self.sites) - {but}))}.",
            )
        return names[0]


class Pair(Model):
    """Source and target of one procedure."""

    topology: Topology
    source: str
    target: str

    def name(self, role: str) -> str:
        """Site name behind the role ``source`` or ``target``."""
        return {"source": self.source, "target": self.target}[role]

    def site(self, role: str) -> Site:
        """Site behind the role ``source`` or ``target``."""
        return self.topology.sites[self.name(role)]

    def other(self, role: str) -> str:
        """The other role."""
        return {"source": "target", "target": "source"}[role]


# -- reading -----------------------------------------------------------------------------------------


def _mistakes(path: Path, error: ValidationError) -> list[str]:
    """One line a mistake: file, field, what was found, what is allowed."""
    lines = []
    for item in error.errors(include_url=False):
        location = ".".join(_fields(item["loc"])) or "(file)"
        found = item.get("input")
        if item["type"] == "value_error" and isinstance(found, dict | BaseModel):
            # Cross-reference checks name their own field.
            prefix = "" if location == "(file)" else f"{location}: "
            for line in str(item["ctx"]["error"]).splitlines():
                lines.append(f"{path}: {prefix}{line}")
            continue
        if item["type"] == "missing":
            lines.append(f"{path}: {location}: missing; allowed: a value is required")
        elif item["type"] == "extra_forbidden":
            lines.append(f"{path}: {location}: unknown field; allowed: the fields in docs/topology.md")
        else:
            shown = repr(found) if not isinstance(found, dict | list) else type(found).__name__
            lines.append(f"{path}: {location}: found {shown[:120]}; allowed: {_allowed(item)}")
    return list(dict.fromkeys(lines))


def _fields(path: tuple[int | str, ...]) -> list[str]:
    """A path of pydantic's without the members of unions, which stand in it too; readers know fields only."""
    return [
        str(part)
        for number, part in enumerate(path)
        if part not in ("AliasLogin", "EncryptedLogin") and not (number > 1 and path[number - 2] == "purge_jobs")
    ]


def _allowed(item: Any) -> str:
    context = item.get("ctx", {})
    match item["type"]:
        case "literal_error":
            return str(context["expected"])
        case "string_pattern_mismatch":
            return f"text of the form {context['pattern']}"
        case "value_error":
            return str(context["error"])
        case _:
            return str(item["msg"])


def parse(text: str, path: Path) -> Topology:
    """Read a topology from text.

    :param text: YAML.
    :param path: file name for the messages.
    :raises TopologyError: with every mistake, one a line.
    """
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "cannot be read"
        raise TopologyError(f"{path}{where}: not YAML: {problem}.", "Correct the file.") from None
    if not isinstance(document, dict):
        raise TopologyError(
            f"{path}: found {type(document).__name__}; allowed: a mapping that begins with deployment.",
            "Start from docs/examples/topology.yaml.",
        )
    try:
        return Topology.model_validate(document)
    except ValidationError as error:
        mistakes = _mistakes(path, error)
        raise TopologyError(
            f"The topology has {len(mistakes)} mistake(s):\n" + "\n".join(f"  {m}" for m in mistakes),
            "Correct the file; docs/topology.md describes each field.",
            mistakes=mistakes,
        ) from None


def read(path: Path) -> Topology:
    """Read a topology from a file.

    :raises TopologyError: it cannot be read, or is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TopologyError(
            f"{path}: cannot be read: {error.strerror}.", f"Set {PATH_VARIABLE} to a readable file."
        ) from None
    except UnicodeDecodeError as error:
        raise TopologyError(f"{path}: not UTF-8: {error.reason} at byte {error.start}.", "Correct the file.") from None
    return parse(text, path)


def topology_folder() -> Path:
    """The topology file, or the folder of several.

    :raises TopologyError: the variable is not set.
    """
    value = os.environ.get(PATH_VARIABLE)
    if not value:
        raise TopologyError(
            f"{PATH_VARIABLE} is not set.",
            f"Set {PATH_VARIABLE} to the topology file, or to a folder of <deployment>.yaml files, "
            "in the environment of Airflow's workers and triggerer.",
        )
    return Path(value)


def topology_file(deployment: str | None = None) -> Path:
    """Path of the topology file.

    :param deployment: needed when ``INFOMART_DR_TOPOLOGY`` is a folder with several files.
    :raises TopologyError: the variable is not set, or there is no such file.
    """
    path = topology_folder()
    if path.is_dir():
        files = sorted(path.glob("*.yaml"))
        if deployment:
            if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", deployment):
                raise TopologyError(
                    f"Deployment {deployment[:60]!r} is not a name.",
                    "Use lower-case letters, digits, - and _.",
                )
            files = [file for file in files if file.stem == deployment]
        if len(files) != 1:
            raise TopologyError(
                f"{path} holds {len(files)} topology files for deployment {deployment or '(not given)'}.",
                f"Give the parameter deployment, one of: "
                f"{', '.join(f.stem for f in sorted(path.glob('*.yaml'))) or '(none)'}.",
            )
        path = files[0]
    return path


def deployments() -> list[str]:
    """Names of all deployments: of the folder's files, or of the only file (whose name may be any).

    :raises TopologyError: the variable is not set, there is no file, or the only one is wrong.
    """
    path = topology_folder()
    if not path.is_dir():
        return [load().deployment]
    if not (found := sorted(file.stem for file in path.glob("*.yaml"))):
        raise TopologyError(f"{path} holds no topology file.", "Put a <deployment>.yaml there.")
    return found


def load(deployment: str | None = None) -> Topology:
    """Read the topology of a deployment.

    :param deployment: its name; may be left out when there is only one.
    :raises TopologyError: no file, a wrong file, or another deployment's file.
    """
    path = topology_file(deployment)
    topology = read(path)
    if deployment and topology.deployment != deployment:
        raise TopologyError(
            f"{path}: deployment: found {topology.deployment!r}; allowed: {deployment!r}, as the run asks.",
            "Correct the parameter deployment, or the file.",
        )
    return topology
