"""The Info Mart database of a site, and its Data Pump."""

from __future__ import annotations

from pydantic import Field

from infomart_dr.topology.identifiers import (
    AbsolutePath,
    ConnectionId,
    ConnectText,
    DumpSize,
    Identifier,
    Model,
    Name,
    PdbName,
    Program,
    Release,
    ServiceName,
    VariableName,
)


class DataPump(Model):
    """expdp and impdp at a site."""

    #: Name of the Oracle directory object; its folder is read from DBA_DIRECTORIES.
    directory: Identifier = "GIM_DUMP"
    #: Beginning of the dump files' names; Data Pump adds the number within the set.
    file_prefix: str = Field("gim", pattern=r"^[A-Za-z0-9_]{1,40}$")
    file_size: DumpSize = "2G"
    parallel: int = Field(2, ge=1, le=64)
    #: None: the folder bin of ``oracle_home``, which a shell over SSH seldom has in PATH.
    expdp: Program | None = None
    impdp: Program | None = None
    #: What follows the @ of the logon. None: with ORACLE_SID the local instance, else //host:port/service of the DBA
    #: connection.
    connect: ConnectText | None = None
    #: The logon is ``/@connect``: Oracle's wallet at the database host has user and password.
    wallet: bool = False
    #: Seconds between two STATUS blocks in the client's output.
    status_seconds: int = Field(10, ge=1, le=3600)


class Database(Model):
    """The Info Mart database of a site."""

    host: Name
    service: ServiceName
    #: Pluggable database, whose service it is; None: the database is no CDB.
    pdb: PdbName | None = None
    #: Release of the Oracle database, such as ``11.2`` or ``19.0``.
    release: Release = "19.0"
    #: Airflow connections: a DBA, the Info Mart's owner, GoldenGate's owner.
    dba_connection: ConnectionId
    info_mart_connection: ConnectionId
    goldengate_connection: ConnectionId
    oracle_home: AbsolutePath
    #: ORACLE_SID, TNS_ADMIN, LD_LIBRARY_PATH ... for programs run over SSH.
    environment: dict[VariableName, str] = Field(default_factory=dict)
    data_pump: DataPump = Field(default_factory=DataPump)
