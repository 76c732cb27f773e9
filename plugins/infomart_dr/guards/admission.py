"""Admission to a serving Info Mart: a trigger refuses logons of its owner from the machines of a lost site's server.

The server of a lost site that comes back reads the Application object, which points to the survivor since the failover.
Without the trigger it would write beside the survivor's own server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infomart_dr.errors import InfoMartError
from infomart_dr.evidence.watch_store import WatchStore
from infomart_dr.guards.faults import Fault
from infomart_dr.guards.machines import Machines, only_of
from infomart_dr.guards.privileges import held_by, missing_privileges, user_of
from infomart_dr.plan.step import Step
from infomart_dr.statements import refuse_logons
from infomart_dr.topology import SiteRole, Topology

if TYPE_CHECKING:
    from infomart_dr.hooks.oracle import InfoMartOracleHook

#: Who has it logs on all the same (PL/SQL Language Reference, 9.8).
IMMUNE = "ADMINISTER DATABASE TRIGGER"
#: What the DBA's user needs: IMP_FULL_DATABASE brings both.
WANTED = (("CREATE TRIGGER", "CREATE ANY TRIGGER"), (IMMUNE,))
#: Up to 12.1 a name has at most 30 bytes.
_LONGEST = 30


def trigger_name(schema: str) -> str:
    """Name of the trigger; one for each Info Mart of a database."""
    name = f"DR_LOST_SITE_{schema}"
    return name if len(name) <= _LONGEST else f"DR_LOST_SITE_{hashlib.sha1(schema.encode()).hexdigest()[:8].upper()}"


@dataclass(frozen=True)
class Refusal:
    """The trigger in a database.

    :param owner: whose trigger it is.
    """

    owner: str
    enabled: bool
    valid: bool
    body: str

    def covers(self, machines: Machines) -> bool:
        """It names all of these machines."""
        listed = machines.names | machines.labels | machines.addresses
        return self.enabled and self.valid and all(f"'{each}'" in self.body for each in listed)


def refusals(dba: InfoMartOracleHook, schema: str) -> list[Refusal]:
    """The trigger in a database, once for each owner; empty: there is none."""
    return [
        Refusal(
            str(row["owner"]), row["status"] == "ENABLED", row["validity"] == "VALID", str(row["trigger_body"] or "")
        )
        for row in dba.select("logon_trigger", trigger_name=trigger_name(schema))
    ]


def refusing_statement(dba: InfoMartOracleHook, topology: Topology, lost: Mapping[str, Machines]) -> str:
    """CREATE TRIGGER for the machines of lost sites, by site."""
    sites = ", ".join(sorted(lost))
    return refuse_logons(
        user_of(dba),
        trigger_name(topology.info_mart.schema_name),
        topology.info_mart.schema_name,
        names=_all(machines.names for machines in lost.values()),
        labels=_all(machines.labels for machines in lost.values()),
        addresses=_all(machines.addresses for machines in lost.values()),
        message=f"infomart-dr: refused, since this machine belongs to a lost site: {sites}. Stop the server here.",
    )


def _all(sets: Iterable[Iterable[str]]) -> set[str]:
    return {each for one in sets for each in one}


def seen_machines(step: Step, role: SiteRole) -> dict[str, list[str]]:
    """Machines of the servers by site, as the watch has recorded them at a site; empty without its record."""
    site = step.at(role)
    try:
        with site.goldengate_database.transaction() as session:
            store = WatchStore(site.settings.goldengate.schema_name, step.topology.name)
            return store.read(session).state.machines
    except InfoMartError:
        # The topology's names remain.
        return {}


def lost_machines(step: Step, role: SiteRole, lost: Sequence[str]) -> dict[str, Machines]:
    """Machines of lost sites' servers, as far as they are not also another site's.

    :param role: the site that serves.
    """
    seen = seen_machines(step, role)
    return {site: only_of(step.topology, site, seen, resolve=True) for site in lost}


def admission_faults(step: Step, role: SiteRole, lost: Sequence[str]) -> list[Fault]:
    """Why a serving site could not refuse the servers of lost sites; nothing of it stops a run."""
    if not step.topology.fencing.refuse_lost_site:
        return []
    at, found = step.at(role), []
    dba = at.dba
    for privilege in missing_privileges(held_by(dba), WANTED):
        found.append(
            Fault(
                f"{user_of(dba)} ({dba.conn_id}) lacks {privilege}: after a failover nothing would refuse the "
                f"returning Info Mart Server of {', '.join(lost)}",
                f"GRANT {privilege} TO {user_of(dba)};",
                stops=False,
            )
        )
    if IMMUNE in held_by(at.info_mart):
        found.append(
            Fault(
                f"{step.schema} at {at.name} has {IMMUNE}, so no trigger refuses its logons",
                f"REVOKE {IMMUNE} FROM {step.schema}; it may come with the role DBA or IMP_FULL_DATABASE.",
                stops=False,
            )
        )
    for site, machines in lost_machines(step, role, lost).items():
        if not machines:
            found.append(
                Fault(
                    f"no name or address tells the machine of the Info Mart Server of {site} from other sites' ones",
                    f"Give sites.{site}.info_mart_server.machines: MACHINE of its sessions in V$SESSION.",
                    stops=False,
                )
            )
    return found
