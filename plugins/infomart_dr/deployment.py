"""A deployment at run time: its topology and the hooks of its sites, each created at its first use."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol, Self

from infomart_dr import topology as topology_module
from infomart_dr.hooks import purge_jobs
from infomart_dr.hooks.configuration import ConfigurationBackend, ManualConfiguration
from infomart_dr.hooks.connections import connection
from infomart_dr.hooks.data_pump import DataPump
from infomart_dr.hooks.ggsci import Ggsci
from infomart_dr.hooks.purge_jobs import PurgeJob
from infomart_dr.topology import CronJob, DbmsJob, Idb, SchedulerJob, Site, Topology

if TYPE_CHECKING:
    from infomart_dr.hooks.fence import Fence
    from infomart_dr.hooks.management_layer import ManagementLayer
    from infomart_dr.hooks.oracle import InfoMartOracleHook, Session
    from infomart_dr.hooks.remote_host import RemoteHost

HostKind = Literal["db", "gim", "management"]
#: Seconds for a statement that reads a whole table; a large one takes minutes.
LONG_STATEMENT = 3600.0


class Right(Protocol):
    """The right of the one who acts, held against newer ones before each change."""

    @property
    def fence(self) -> Fence:
        """Its form for hosts, which check it themselves."""

    def prove(self, connection: str = "", session: Session | None = None) -> None:
        """Prove that there is no newer one.

        :param connection: Airflow connection of the database to be changed, whose site is asked; empty: each site that
            answers is asked.
        :param session: the session of the change.
        :raises OvertakenError: there is one.
        """


@dataclass(frozen=True)
class SiteAccess:
    """One site of a deployment: its settings, and its programs and databases, made when they are asked for.

    :param name: the site's name.
    """

    deployment: Deployment
    name: str

    @property
    def settings(self) -> Site:
        """The site in the topology."""
        return self.deployment.site(self.name)

    @property
    def application(self) -> str:
        """Application object of the Info Mart Server."""
        return self.deployment.topology.application(self.name)

    @property
    def application_dbid(self) -> int:
        """DBID of that object."""
        return self.deployment.topology.application_dbid(self.name)

    @property
    def dba(self) -> InfoMartOracleHook:
        """The database, as a DBA."""
        return self.deployment.dba(self.name)

    @property
    def info_mart(self) -> InfoMartOracleHook:
        """The database, as the Info Mart's owner."""
        return self.deployment.info_mart(self.name)

    @property
    def long_queries(self) -> InfoMartOracleHook:
        """The database, as the Info Mart's owner, with time for a whole table."""
        return self.deployment.oracle(self.settings.database.info_mart_connection, LONG_STATEMENT)

    @property
    def goldengate_database(self) -> InfoMartOracleHook:
        """The database, as GoldenGate's owner."""
        return self.deployment.goldengate_database(self.name)

    @property
    def ggsci(self) -> Ggsci:
        """GoldenGate's command interpreter."""
        return self.deployment.ggsci(self.name)

    @property
    def data_pump(self) -> DataPump:
        """expdp and impdp."""
        return self.deployment.data_pump(self.name)

    @property
    def management_layer(self) -> ManagementLayer:
        """Start, stop and status of applications."""
        return self.deployment.management_layer(self.name)

    @property
    def configuration(self) -> ConfigurationBackend:
        """The configuration backend."""
        return self.deployment.configuration(self.name)

    def host(self, kind: HostKind = "db") -> RemoteHost:
        """A host; one SSH connection a step."""
        return self.deployment.host(self.name, kind)


class Deployment:
    """Topology and hooks of one deployment. A procedure's :class:`~infomart_dr.plan.step.Step` adds roles and the plan.

    :param name: empty when there is only one topology file.
    """

    def __init__(self, name: str = "") -> None:
        self._name = name
        self._stack = ExitStack()
        self._hosts: dict[str, RemoteHost] = {}
        #: Right of the one who acts; None: nobody acts, or no lock is needed.
        self.right: Right | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all open connections."""
        self._stack.close()
        self._hosts.clear()

    @cached_property
    def topology(self) -> Topology:
        return topology_module.load(self._name or None)

    def site(self, name: str) -> Site:
        return self.topology.site(name)

    def at(self, site: str) -> SiteAccess:
        """A site by its name."""
        return SiteAccess(self, site)

    # -- databases ---------------------------------------------------------------------------------

    def oracle(self, connection: str, statement_timeout: float | None = None) -> InfoMartOracleHook:
        """Hook of any Airflow connection, with the topology's timeouts.

        :param statement_timeout: another time for a statement.
        """
        from infomart_dr.hooks.oracle import InfoMartOracleHook

        timeouts = self.topology.timeouts
        return InfoMartOracleHook(
            connection,
            connect_timeout=timeouts.connect,
            statement_timeout=statement_timeout or timeouts.statement,
            before_change=lambda session: self._prove(connection, session),
        )

    def _prove(self, connection: str = "", session: Session | None = None) -> None:
        if self.right is not None:
            self.right.prove(connection, session)

    def _fence(self) -> Fence | None:
        return None if self.right is None else self.right.fence

    def user(self, connection_id: str) -> str:
        """The Oracle user of a connection. The procedures' tables of that connection are in this user's schema."""
        return (connection(connection_id).login or "").upper()

    def dba(self, site: str) -> InfoMartOracleHook:
        """The database of a site, as a DBA."""
        return self.oracle(self.site(site).database.dba_connection)

    def info_mart(self, site: str) -> InfoMartOracleHook:
        """The database of a site, as the Info Mart's owner."""
        return self.oracle(self.site(site).database.info_mart_connection)

    def goldengate_database(self, site: str) -> InfoMartOracleHook:
        """The database of a site, as GoldenGate's owner."""
        return self.oracle(self.site(site).database.goldengate_connection)

    # -- programs ----------------------------------------------------------------------------------

    def host(self, site: str, kind: HostKind = "db") -> RemoteHost:
        """A host of a site, with one SSH connection per step."""
        settings = self.site(site)
        return self.host_named(
            {
                "db": settings.database.host,
                "gim": settings.info_mart_server.host,
                "management": settings.management_layer.host,
            }[kind]
        )

    def host_named(self, name: str) -> RemoteHost:
        """A host by its name in the topology."""
        from infomart_dr.hooks.remote_host import RemoteHost

        if name not in self._hosts:
            self._hosts[name] = self._stack.enter_context(
                RemoteHost.from_topology(self.topology, name, self._fence, self._prove)
            )
        return self._hosts[name]

    def purge_jobs(self, idb: Idb) -> list[PurgeJob]:
        """The purge jobs of an IDB."""
        found: list[PurgeJob] = []
        for job in idb.purge_jobs:
            if isinstance(job, SchedulerJob):
                found.append(purge_jobs.SchedulerPurge(job, self.oracle(idb.connection)))
            elif isinstance(job, DbmsJob):
                found.append(purge_jobs.DbmsJobPurge(job, self.oracle(idb.connection)))
            elif isinstance(job, CronJob):
                found.append(purge_jobs.CronPurge(job, self.host_named(job.host)))
            else:
                found.append(purge_jobs.CommandPurge(job, self.host_named(job.host)))
        return found

    def ggsci(self, site: str) -> Ggsci:
        settings = self.site(site)
        return Ggsci(
            self.host(site),
            settings,
            password=lambda: connection(settings.database.goldengate_connection).password or "",
            slow=self.topology.timeouts.goldengate,
            steady=self.topology.timeouts.group_start,
        )

    def data_pump(self, site: str) -> DataPump:
        return DataPump(self.host(site), self.site(site), self.dba(site))

    def management_layer(self, site: str) -> ManagementLayer:
        from infomart_dr.hooks.management_layer import ManagementLayer

        settings = self.site(site).management_layer
        login = connection(settings.connection)
        return ManagementLayer(self.host(site, "management"), settings, login.login or "", login.password or "")

    def configuration(self, site: str) -> ConfigurationBackend:
        """The configuration backend of a site."""
        settings, timeouts = self.site(site).configuration, self.topology.timeouts
        if settings.backend == "manual" or settings.connection is None:
            return ManualConfiguration()
        from infomart_dr.hooks.gax import GaxConfiguration

        return GaxConfiguration(
            settings.connection,
            settings.paths,
            connect_timeout=timeouts.connect,
            timeout=timeouts.command,
            before_change=self._prove,
        )
