"""A data centre."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infomart_dr.topology.database import Database
from infomart_dr.topology.genesys import Configuration, InfoMartServer, ManagementLayer, Reports
from infomart_dr.topology.goldengate import GoldenGate
from infomart_dr.topology.idbs import Idb
from infomart_dr.topology.identifiers import Model

#: Current purpose of a site; people change it in the file after a procedure.
Role = Literal["active", "standby", "failed", "new"]
Architecture = Literal["active-standby", "active-active"]


class Site(Model):
    """One data centre."""

    role: Role
    database: Database
    goldengate: GoldenGate
    info_mart_server: InfoMartServer
    management_layer: ManagementLayer
    configuration: Configuration = Field(default_factory=Configuration)
    idbs: list[Idb] = Field(default_factory=list)
    #: GI2 or GCXI at this site; None: the site has none.
    reports: Reports | None = None

    def hosts(self) -> tuple[str, ...]:
        """Names of the hosts on which the procedures run programs."""
        names = (self.database.host, self.info_mart_server.host, self.management_layer.host)
        return tuple(dict.fromkeys(names))

    @property
    def purged_idbs(self) -> list[Idb]:
        """IDBs with purge jobs, which can be held."""
        return [idb for idb in self.idbs if idb.purge_jobs]
