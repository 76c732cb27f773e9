"""Machines that Airflow reaches over SSH."""

from __future__ import annotations

from pydantic import Field

from infomart_dr.topology.identifiers import Address, ConnectionId, Model, Name, Port, SshPath, UserName


class Reach(Model):
    """Address and ports at which one site's hosts reach another site's host."""

    address: Address
    ssh_port: Port = 22
    manager_port: Port | None = None
    #: Port of the database listener; None: that of the Airflow connection.
    listener_port: Port | None = None


class Host(Model):
    """A machine that Airflow reaches over SSH."""

    ssh_connection: ConnectionId
    #: User that owns the software; only for the file transfer between hosts.
    user: UserName = "oracle"
    #: Private key on *this* host with which it copies files to others; None: the user's default key.
    transfer_key: SshPath | None = None
    #: Known-hosts file on *this* host; None: the user's own.
    known_hosts: SshPath | None = None
    #: Folder for jobs and parameter files of the procedures; relative to the user's home.
    work_folder: str = Field(".infomart_dr", pattern=r"^[A-Za-z0-9_./-]{1,200}$")
    #: Address by site, where it differs from what Airflow uses.
    seen_from: dict[Name, Reach] = Field(default_factory=dict)
