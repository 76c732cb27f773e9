"""The needs of each procedure, checked with the code of the real run and without any change.

:data:`PROCEDURES` has a list of checks for each procedure. The checks of reach come first: when one fails, the checks
that need it are not checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infomart_dr.errors import InfoMartError
from infomart_dr.evidence import estimate as estimates
from infomart_dr.readiness import (
    accounts,
    clocks_and_releases,
    reach,
    replication,
    room,
    services,
    settings,
    transfer,
)
from infomart_dr.readiness.context import CheckContext
from infomart_dr.readiness.report import Check, Finding, Planned
from infomart_dr.topology import BOTH_ROLES, Architecture, SiteRole, Topology

#: A check for both sites, or for one.
Item = Check | tuple[Check, SiteRole]


def _list(*items: Item) -> list[Planned]:
    return [Planned(item[0], (item[1],)) if isinstance(item, tuple) else Planned(item) for item in items]


def _names(*checks: Check) -> frozenset[str]:
    return frozenset(check.name for check in checks)


#: A check that covers both sites at once is planned for one of them.
_ONCE: SiteRole = "target"
_REACH = (
    reach.DBA,
    reach.INFO_MART,
    reach.GOLDENGATE_USER,
    reach.CONTAINER,
    reach.IDBS,
    reach.DATABASE_HOST,
    reach.SERVER_HOST,
    reach.MANAGEMENT,
    reach.CONFIGURATION,
    reach.GGSCI,
    reach.GOLDENGATE_LOGINS,
)
_STATE = (
    accounts.ACCOUNTS,
    accounts.PRIVILEGES,
    clocks_and_releases.DATABASE_CLOCK,
    clocks_and_releases.HOST_CLOCKS,
    clocks_and_releases.DATABASE_RELEASE,
    clocks_and_releases.GOLDENGATE_RELEASE,
)
_TAKE_OVER: tuple[Item, ...] = ((services.ROLE, "target"), *_REACH, *_STATE)
_HOLD = (accounts.IDB_PRIVILEGES, services.PURGE_JOBS)
_COPY: tuple[Item, ...] = (
    (clocks_and_releases.INFO_MART_RELEASE, "source"),
    clocks_and_releases.DATA_PUMP_CLIENTS,
    room.DIRECTORY,
    (room.EXPORT_SPACE, "source"),
    (room.UNDO, "source"),
    (room.UNDO_SPACE, "source"),
    (room.LOBS, "source"),
    (transfer.SETTINGS, _ONCE),
    (transfer.OBJECTS, _ONCE),
    (room.IMPORT_SPACE, "target"),
    (room.TABLESPACE, "target"),
    (room.IMPORT_REDO, "target"),
    room.TRAIL_SPACE,
    (room.REDO_SPACE, "source"),
    transfer.RSYNC,
    (transfer.ROUTE, _ONCE),
    replication.SUPPLEMENTAL,
    replication.STREAMS_POOL,
    (replication.CAPTURED_TABLES, "source"),
    (replication.SEQUENCE_KEYS, "source"),
    (replication.TRANSACTIONS, "source"),
    services.DATA_PUMP_JOBS,
    (services.SCHEDULER_JOBS, "target"),
    *_HOLD,
    (services.SERVER_SERVES, "source"),
    (services.SERVER_STOPPED, "target"),
)
_SETTINGS: tuple[Item, ...] = (
    (settings.PARTITIONED, "source"),
    (settings.STUCK_THRESHOLD, "source"),
    (settings.DATA_SOURCES, "source"),
    (settings.EXTRACTION, "source"),
)
_SERVE: tuple[Item, ...] = (
    *_SETTINGS,
    services.ACCESS_POINTS,
    (settings.IDB_LISTENERS, "target"),
    (services.SERVER_DEPLOYED, "target"),
    (services.PROGRAMS, "target"),
    (services.MANUAL_START, "target"),
)
_FOLLOW: tuple[Item, ...] = (
    (clocks_and_releases.INFO_MART_RELEASE, "source"),
    replication.SUPPLEMENTAL,
    replication.STREAMS_POOL,
    (replication.CAPTURED_TABLES, "source"),
    (replication.SCHEMA_LOGGING, "source"),
    (replication.PARAMETERS, _ONCE),
    replication.GROUPS,
    room.TRAIL_SPACE,
    (room.REDO_SPACE, "source"),
    (replication.PARITY, _ONCE),
    (replication.SURROUNDINGS, _ONCE),
    (replication.EXCLUDED_TABLES, _ONCE),
    (replication.SEQUENCES, _ONCE),
    (replication.SEQUENCE_KEYS, "target"),
    (services.SCHEDULER_JOBS, "target"),
    (services.SERVER_STOPPED, "target"),
)


@dataclass(frozen=True)
class Procedure:
    """Checks of a procedure, and those of them that do not apply to an active-active deployment.

    :param failover: the source is the site that may be lost.
    :param only: the architecture of the procedure; None: both.
    """

    name: str
    planned: Sequence[Planned]
    failover: bool = False
    only: Architecture | None = None
    not_active_active: frozenset[str] = frozenset()

    def checks(self, architecture: str) -> list[Planned]:
        if architecture == "active-standby":
            return list(self.planned)
        return [each for each in self.planned if each.check.name not in self.not_active_active]


PROCEDURES: dict[str, Procedure] = {
    each.name: each
    for each in (
        Procedure(
            "failover",
            _list(
                *_TAKE_OVER,
                *_FOLLOW,
                *_SERVE,
                (services.SAME_CONFIGURATION, _ONCE),
                (accounts.ADMISSION, "target"),
                (services.LOCK, "target"),
                (services.ENDPOINTS, "source"),
            ),
            failover=True,
            # There is no replication, and the survivor's server runs.
            not_active_active=_names(
                services.ROLE,
                reach.GGSCI,
                reach.GOLDENGATE_LOGINS,
                clocks_and_releases.GOLDENGATE_RELEASE,
                replication.SUPPLEMENTAL,
                replication.STREAMS_POOL,
                replication.CAPTURED_TABLES,
                replication.SCHEMA_LOGGING,
                replication.PARAMETERS,
                replication.GROUPS,
                room.TRAIL_SPACE,
                room.REDO_SPACE,
                replication.PARITY,
                replication.SURROUNDINGS,
                replication.EXCLUDED_TABLES,
                replication.SEQUENCES,
                replication.SEQUENCE_KEYS,
                services.SCHEDULER_JOBS,
                services.SERVER_STOPPED,
                services.MANUAL_START,
                accounts.ADMISSION,
            ),
        ),
        Procedure(
            "switchover",
            _list(
                *_TAKE_OVER,
                *_FOLLOW,
                (replication.MANAGER, "source"),
                *_HOLD,
                (services.SERVER_SERVES, "source"),
                *_SERVE,
                (services.LOCK, "source"),
            ),
            only="active-standby",
        ),
        Procedure(
            "return_to_normal",
            _list(
                *_REACH,
                *_STATE,
                *_COPY,
                *_SERVE,
                (replication.PARAMETERS, _ONCE),
                replication.MANAGER,
                (services.LOCK, "source"),
            ),
            # A copy as of one SCN, without replication after it.
            not_active_active=_names(
                reach.GGSCI,
                reach.GOLDENGATE_LOGINS,
                clocks_and_releases.GOLDENGATE_RELEASE,
                replication.SUPPLEMENTAL,
                replication.STREAMS_POOL,
                replication.CAPTURED_TABLES,
                replication.PARAMETERS,
                replication.MANAGER,
                room.TRAIL_SPACE,
                room.REDO_SPACE,
                replication.SEQUENCE_KEYS,
                replication.TRANSACTIONS,
            ),
        ),
        Procedure(
            "setup_replication",
            _list(
                *_REACH,
                *_STATE,
                *_COPY,
                *_SERVE,
                (replication.PARAMETERS, _ONCE),
                replication.MANAGER,
                (services.LOCK, "source"),
            ),
            only="active-standby",
        ),
        Procedure(
            "database_transfer",
            _list(
                *_REACH,
                *_STATE,
                *_COPY,
                (replication.PARAMETERS, _ONCE),
                replication.MANAGER,
                (services.LOCK, "source"),
            ),
            only="active-standby",
        ),
    )
}


def all_checks() -> list[Check]:
    """Every check once, in the order of the run."""
    return list(dict.fromkeys(planned.check for each in PROCEDURES.values() for planned in each.planned))


def _shown(procedures: Sequence[str]) -> str:
    """Procedures that have a check, in few words: nothing when all have it."""
    others = [name for name in PROCEDURES if name not in procedures]
    if len(others) > 1:
        return ": " + ", ".join(f"`{name}`" for name in procedures)
    return f": all but `{others[0]}`" if others else ""


def list_of_checks() -> str:
    """All checks as a Markdown list, with the sites and the procedures that have them."""
    lines = []
    for check in all_checks():
        places: dict[str, list[str]] = {}
        for name, procedure in PROCEDURES.items():
            roles = {role for each in procedure.planned if each.check is check for role in each.roles}
            if roles:
                place = "pair" if check.once else "both" if roles == set(BOTH_ROLES) else "".join(roles)
                places.setdefault(place, []).append(name)
        where = "; ".join(f"{place}{_shown(names)}" for place, names in places.items())
        lines.append(f"- `{check.name}` ({where}): {check.looks_at}.")
    return "\n".join(lines) + "\n"


def fitting(topology: Topology) -> list[tuple[str, str, str]]:
    """Procedures that fit the roles of a topology, each with source and target.

    A new site needs those that fill it, a standby those that make it serve.
    """
    sites = topology.sites
    active = [name for name, site in sites.items() if site.role == "active"]
    new = [name for name, site in sites.items() if site.role == "new"]
    standby = [name for name, site in sites.items() if site.role == "standby"]
    found = []
    if topology.architecture == "active-active":
        found += [("failover", lost, other) for lost in active for other in active if lost != other]
        found += [("return_to_normal", topology.active_site, name) for name in new]
        return found
    for name in standby:
        found += [(procedure, topology.active_site, name) for procedure in ("failover", "switchover")]
    for name in new:
        found += [
            (procedure, topology.active_site, name)
            for procedure in ("return_to_normal", "setup_replication", "database_transfer")
        ]
    return found


def estimated_times(context: CheckContext, findings: Sequence[Finding]) -> dict[str, str]:
    """The parts of the estimate; empty when a check could not query the databases behind it.

    Such a database is not queried again: too many logins with a wrong password lock the account.
    """
    sites = {context.step.at("source").name, context.step.at(context.step.ledger_role).name}
    asked = ("dba_connection", "goldengate_connection")
    if any(each.check in asked and each.site in sites and each.level != "ok" for each in findings):
        return {}
    try:
        estimated = context.estimate
    except InfoMartError:
        # The checks that use the estimate have reported the reason.
        return {}
    replicated = context.step.topology.architecture == "active-standby"
    return {name: span.text() for name, span in estimates.parts(context.procedure, estimated, replicated).items()}
