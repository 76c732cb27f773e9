"""A deployment as its file describes it, and the two sites of a procedure."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, model_validator

from infomart_dr.errors import RequestError, TopologyError
from infomart_dr.topology import checks
from infomart_dr.topology.genesys import InfoMart, Raa
from infomart_dr.topology.hosts import Host, Reach
from infomart_dr.topology.identifiers import Model, Name
from infomart_dr.topology.options import Approval, Fencing, Timeouts, Transfer
from infomart_dr.topology.sites import Architecture, Role, Site
from infomart_dr.topology.tickets import Tickets
from infomart_dr.topology.watch import Watch

#: ``source`` holds the data at the beginning of the plan; ``target`` receives them and takes over.
SiteRole = Literal["source", "target"]
#: Both, in the order in which they are checked and shown.
BOTH_ROLES: tuple[SiteRole, SiteRole] = ("source", "target")


class Topology(Model):
    """A deployment."""

    #: Name under which locks, ledgers and holds are stored; in the file: ``deployment``.
    name: Name = Field(alias="deployment")
    architecture: Architecture = "active-standby"
    info_mart: InfoMart
    raa: Raa = Field(default_factory=Raa)
    hosts: dict[Name, Host] = Field(min_length=1)
    sites: dict[Name, Site] = Field(min_length=2)
    transfer: Transfer = Field(default_factory=Transfer)
    approval: Approval = Field(default_factory=Approval)
    fencing: Fencing = Field(default_factory=Fencing)
    #: None: runs report to no ticket.
    tickets: Tickets | None = None
    timeouts: Timeouts = Field(default_factory=Timeouts)
    watch: Watch = Field(default_factory=Watch)

    @model_validator(mode="after")
    def _references_hold(self) -> Self:
        mistakes = list(checks.wrong_references(self.architecture, self.hosts, self.sites))
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return self

    def must_be(self, architecture: Architecture, procedure: str) -> None:
        """Raise an error for a procedure of the other architecture.

        :raises TopologyError: the deployment has another architecture.
        """
        if self.architecture != architecture:
            raise TopologyError(
                f"{procedure} is for {architecture} deployments, and {self.name} is {self.architecture}.",
                f"Start a procedure for {self.architecture} (docs/procedures.md), or correct architecture in the "
                "topology.",
            )

    def answering_within(self, seconds: float, *names: str) -> Self:
        """A copy of this topology whose timeouts are at most the given ones.

        :param names: fields of ``timeouts``.
        """
        shorter = {name: min(getattr(self.timeouts, name), seconds) for name in names}
        return self.model_copy(update={"timeouts": self.timeouts.model_copy(update=shorter)})

    @cached_property
    def active_site(self) -> str:
        """The active site; in an active-active deployment the first active one in the file."""
        return next(name for name, site in self.sites.items() if site.role == "active")

    def application(self, site: str) -> str:
        """Application object of the server that runs at a site."""
        return self.sites[site].info_mart_server.application or self.info_mart.application

    def application_dbid(self, site: str) -> int:
        """DBID of that object."""
        return self.sites[site].info_mart_server.application_dbid or self.info_mart.application_dbid

    def site(self, name: str, parameter: str = "") -> Site:
        """A site by name.

        :param parameter: the parameter that gives the name; empty: not known here.
        :raises RequestError: there is no such site.
        """
        try:
            return self.sites[name]
        except KeyError:
            near = get_close_matches(name.lower(), self.sites, n=1)
            raise RequestError(
                f"Deployment {self.name} has no site {name[:60]!r}{f' (nearest: {near[0]!r})' if near else ''}.",
                f"Give {f'the parameter {parameter}, ' if parameter else ''}one of: {', '.join(sorted(self.sites))}.",
            ) from None

    def host(self, name: str) -> Host:
        """A host by name."""
        return self.hosts[name]

    def reach(self, host: str, site: str) -> Reach | None:
        """The way from hosts of ``site`` to ``host``; None when the topology does not say."""
        return self.hosts[host].seen_from.get(site)

    def pair(self, source: str | None, target: str | None) -> Pair:
        """The two sites of a procedure that copies or moves.

        :param source: site that holds the data; default: the active one.
        :param target: site that receives the data or takes over; default: the only one with role ``new``, else the
            only one with role ``standby``.
        :raises RequestError: a site does not exist, both are the same, or the default is not unique.
        :raises TopologyError: no site has the role for a default, or the target's role is ``failed``.
        """
        source = source or self.active_site
        target = target or self._only("new", "standby", parameter="target", but=source)
        found = self._two(source, target, ("source", "target"))
        if self.sites[target].role == "failed":
            raise TopologyError(
                f"The target {target} has the role failed in the topology.",
                f"Set sites.{target}.role to new once the site is rebuilt.",
            )
        return found

    def failover_pair(
        self, failed_site: str | None, survivor: str | None, parameters: tuple[str, str] = ("failed_site", "survivor")
    ) -> Pair:
        """The two sites of a failover, with the lost site as the source.

        :param failed_site: default: the active one of an active-standby deployment.
        :param survivor: default: the only standby; the other active one of an active-active deployment.
        :param parameters: the form's names of the two parameters.
        :raises RequestError: as for :meth:`pair`.
        :raises TopologyError: no site has the role for a default.
        """
        if self.architecture == "active-active":
            if not failed_site:
                raise RequestError(
                    "The failed site is not given. In an active-active deployment it may be either site.",
                    f"Give the parameter {parameters[0]}, one of: {', '.join(self._not_failed())}.",
                )
            survivor = survivor or self._only("active", parameter=parameters[1], but=failed_site)
        failed_site = failed_site or self.active_site
        survivor = survivor or self._only("standby", parameter=parameters[1], but=failed_site)
        return self._two(failed_site, survivor, parameters)

    def _not_failed(self, but: str = "") -> list[str]:
        """Sites that a person may name; a lost one takes part in nothing."""
        return sorted(name for name, site in self.sites.items() if site.role != "failed" and name != but)

    def _two(self, source: str, target: str, parameters: tuple[str, str]) -> Pair:
        first, second = parameters
        self.site(source, first), self.site(target, second)
        if source == target:
            raise RequestError(
                f"The sites {first} and {second} are both {source}.",
                f"Give two different sites as {first} and {second}.",
            )
        return Pair(topology=self, source=source, target=target)

    def _only(self, *roles: Role, parameter: str, but: str) -> str:
        """The only site with the first of these roles that any site has."""
        for role in roles:
            names = [name for name, site in self.sites.items() if site.role == role and name != but]
            if names:
                break
        if len(names) != 1:
            wanted, give = " or ".join(roles), f"the parameter {parameter}, one of: {', '.join(self._not_failed(but))}"
            if names:
                raise RequestError(
                    f"The {parameter} is not given and {len(names)} sites have the role {wanted}.", f"Give {give}."
                )
            raise TopologyError(
                f"The {parameter} is not given and no site has the role {wanted}.",
                f"Set the role of the site in the topology file, or start a new run with {give}.",
            )
        return names[0]


class Pair(Model):
    """Source and target of one procedure."""

    topology: Topology
    source: str
    target: str

    def name(self, role: SiteRole) -> str:
        """Site name behind a role."""
        return self.source if role == "source" else self.target

    def site(self, role: SiteRole) -> Site:
        """Site behind a role."""
        return self.topology.sites[self.name(role)]

    def other(self, role: SiteRole) -> SiteRole:
        """The other role."""
        return "target" if role == "source" else "source"
