"""Programs of Genesys: the Info Mart Server, the Management and Configuration Layer, reports and aggregates."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from infomart_dr.topology.identifiers import (
    AbsolutePath,
    Address,
    ConnectionId,
    Identifier,
    Model,
    Name,
    ObjectName,
    Port,
    ProcessPattern,
    Program,
    QualifiedName,
    Release,
    Word,
)


class Flags(Model):
    """Options of mlcmd. Genesys does not publish them, so they are configuration."""

    status: str = Field("-getappstatus", pattern=r"^-[A-Za-z-]+$")
    start: str = Field("-startapp", pattern=r"^-[A-Za-z-]+$")
    stop: str = Field("-stopapp", pattern=r"^-[A-Za-z-]+$")
    stop_gracefully: str = Field("-stopgraceful", pattern=r"^-[A-Za-z-]+$")


class Endpoint(Model):
    """An address and a port."""

    address: Address
    port: Port


class Jobs(Model):
    """The way to start a job of the Info Mart Server by its name. Genesys publishes no interface for it."""

    #: ``human``: a person starts it and confirms; ``command``: the site's own command does.
    backend: Literal["human", "command"] = "human"
    #: Program and arguments on the Info Mart Server's host; ``{job}`` is replaced by a name such as Job_MigrateGIM.
    #: The exit code must be 0 only after the job has succeeded.
    command: list[Word] = Field(default_factory=list)
    #: Time limit of one job in seconds.
    timeout: int = Field(7200, ge=10, le=86400)

    @model_validator(mode="after")
    def _command_needs_words(self) -> Self:
        if self.backend == "command" and not any("{job}" in word for word in self.command):
            raise ValueError("backend command needs the field command, with {job} in one of its words")
        return self


class Reports(Model):
    """GI2 or GCXI at a site. Genesys does not publish how to bring it into service."""

    product: str = Field("GI2", pattern=r"^[A-Za-z0-9 ]{1,40}$")
    #: ``human``: a person brings it into service and confirms; ``command``: the site's own command does.
    backend: Literal["human", "command"] = "human"
    #: Host of the commands.
    host: Name | None = None
    #: Program and arguments that bring the reports into service at this site; ``{site}`` is replaced by its name.
    start: list[Word] = Field(default_factory=list)
    #: Program and arguments whose exit code is 0 only while the reports are in service here.
    check: list[Word] = Field(default_factory=list)

    @model_validator(mode="after")
    def _command_needs_words(self) -> Self:
        if self.backend == "command" and not (self.start and self.check and self.host):
            raise ValueError("backend command needs the fields host, start and check")
        return self


class ManagementLayer(Model):
    """Solution Control Server of a site, reached by mlcmd."""

    host: Name
    command: Program = "mlcmd"
    #: Configuration Server as mlcmd reaches it.
    configuration_server: Address
    configuration_port: Port = 2020
    #: csappname.
    client: ObjectName = "default"
    #: Airflow connection with user and password of the Configuration Layer.
    connection: ConnectionId
    #: ``command_line``: mlcmd takes the password as an argument, which users of that host can see in ``ps``.
    #: ``standard_input``: ``command`` is a wrapper that reads the password from standard input.
    password_delivery: Literal["command_line", "standard_input"] = "command_line"
    flags: Flags = Field(default_factory=Flags)
    running_words: list[str] = Field(default_factory=lambda: ["Running"])
    stopped_words: list[str] = Field(default_factory=lambda: ["Stopped"])
    #: Time limit of a start or a stop in seconds.
    timeout: int = Field(300, ge=5, le=3600)
    #: Configuration Server as another site's hosts reach it, by site; default: as mlcmd reaches it.
    seen_from: dict[Name, Endpoint] = Field(default_factory=dict)


class ConfigurationPaths(Model):
    """Paths of GAX's internal REST interface. Genesys does not publish them, so they are configuration."""

    login: str = Field("/gax/api/session/login", pattern=r"^/[A-Za-z0-9_./{}?=&%-]*$")
    application: str = Field("/gax/api/cfg/applications/{name}", pattern=r"^/[A-Za-z0-9_./{}?=&%-]*$")


class Configuration(Model):
    """The way to change Application objects: GAX's REST interface, or a person who gets instructions."""

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
    #: Names and addresses of the server's machine as its database sees them (MACHINE in v$session), where they differ
    #: from host_object, from the host's addresses, and from what the watch has seen.
    machines: list[Address] = Field(default_factory=list)
    #: LIKE pattern of PROGRAM in v$session for the server's sessions; a Java server may appear as JDBC Thin Client.
    session_program: str = Field("%gim_etl%", pattern=r"^[A-Za-z0-9_%@.() -]{1,64}$")
    #: Pattern of its process for ``pgrep -f``; proves that the server is stopped.
    process_pattern: ProcessPattern = "gim_etl"
    #: Program and arguments on this host whose exit code is 0 only when no service starts the server automatically.
    #: Genesys does not publish how the service is configured. Empty: no check.
    manual_start_check: list[Word] = Field(default_factory=list)


class Raa(Model):
    """Reporting and Analytics Aggregates."""

    enabled: bool = True
    release: Release = "8.1.4"
    #: Java launcher on the Info Mart Server's host.
    java: Program = "java"
    jar: Program = "agg/GIMAgg.jar"
    #: ``argument_file``: arguments are in a 0600 file (``java @file``, Java 9 and later);
    #: ``command_line``: users of that host can see the password in ``ps``.
    password_delivery: Literal["argument_file", "command_line"] = "argument_file"
    #: jdbc URL by site; default ``jdbc:oracle:thin:@<connection's host>:<port>/<service>``.
    jdbc_url: dict[Name, str] = Field(default_factory=dict)


class InfoMart(Model):
    """Settings that all sites share."""

    release: Release
    schema_name: Identifier = Field("GIM", alias="schema")
    partitioned: bool = False
    #: Application object of the Info Mart Server, one for all sites, and its DBID.
    application: ObjectName = "GIM"
    application_dbid: int = Field(ge=1)
    #: Key column by sequence, for the proof that no sequence is below the highest key in use:
    #: ``{SEQ_X: TABLE.COLUMN}``. Other sequences are compared with the source only.
    sequence_keys: dict[Identifier, QualifiedName] = Field(default_factory=dict)
    jobs: Jobs = Field(default_factory=Jobs)
    #: [gim-etl] extract-data-stuck-threshold in seconds.
    stuck_threshold: int = Field(28800, ge=60)
    #: Advice by message number or text, for log lines that mean trouble.
    log_alarms: dict[str, str] = Field(
        default_factory=lambda: {
            "55-20152": "The server is in the migration state: run Job_MigrateGIM.",
            "55-20034": "The server is in the migration state: run Job_MigrateGIM.",
            "55-20120": "A job of the ETL failed: read the message, and the job in GIM Manager.",
            "00-04504": "The server lost a connection.",
        }
    )
