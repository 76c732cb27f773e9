"""Privileges of the database users that a procedure works with (docs/getting-started.md, GoldenGate)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from infomart_dr.guards.dictionary import replicated_names
from infomart_dr.guards.faults import Fault
from infomart_dr.hooks.goldengate_parameters import has_tags, version
from infomart_dr.plan.step import Step
from infomart_dr.text import sorted_names
from infomart_dr.topology import Site, SiteRole

if TYPE_CHECKING:
    from infomart_dr.hooks.oracle import InfoMartOracleHook

#: Privileges and roles of which one is enough; the first is named when none is held.
Group = tuple[str, ...]

DICTIONARY: Group = ("SELECT_CATALOG_ROLE", "SELECT ANY DICTIONARY", "DBA")
_EXPORT: Group = ("DATAPUMP_EXP_FULL_DATABASE", "EXP_FULL_DATABASE")
_IMPORT: Group = ("DATAPUMP_IMP_FULL_DATABASE", "IMP_FULL_DATABASE")

#: Rows that a non-integrated Replicat changes; it may have these on each table instead.
APPLIED_ROWS = ("INSERT", "UPDATE", "DELETE", "SELECT")
#: DDL that it repeats.
APPLIED_DDL: tuple[Group, ...] = tuple(
    (f"{verb} ANY {kind}",) for kind in ("TABLE", "INDEX", "SEQUENCE") for verb in ("CREATE", "ALTER", "DROP")
)
#: Of the older capture, which has no grant of DBMS_GOLDENGATE_AUTH.
CLASSIC_CAPTURE: tuple[Group, ...] = (
    ("SELECT ANY DICTIONARY", "DBA"),
    ("SELECT ANY TABLE",),
    ("FLASHBACK ANY TABLE",),
)
#: From this release of the database on, roles replace DBMS_GOLDENGATE_AUTH.
ROLES_FROM = (23,)
#: The first release of the database that integrated capture, and its view of privileges, is for.
CAPTURE_FROM = (11, 2, 0, 3)


def wanted_of_dba(site: Site, role: SiteRole, copies: bool) -> list[Group]:
    """Privileges of the DBA's connection.

    :param copies: the procedure copies the database.
    """
    wanted = [DICTIONARY]
    if copies and role == "source":
        wanted.append(_EXPORT)
    if copies and role == "target":
        wanted += [_IMPORT, ("DROP ANY SEQUENCE",)]
    if not has_tags(site.goldengate):
        # Before 12c the DBA writes the markers.
        wanted += [("INSERT ANY TABLE",), ("SELECT ANY TABLE",)]
    return wanted


def wanted_of_goldengate(site: Site, replicated: bool) -> list[Group]:
    """System privileges and roles of GoldenGate's user, except those on the replicated rows.

    Both sites need all of them: a switchover reverses the direction.

    :param replicated: the deployment has replication.
    """
    wanted: list[Group] = [("CREATE TABLE",)]
    if not replicated:
        return wanted
    wanted += APPLIED_DDL
    if version(site.database.release) >= ROLES_FROM:
        wanted += [("OGG_CAPTURE",), ("OGG_APPLY",)]
    elif site.goldengate.capture == "classic":
        wanted += CLASSIC_CAPTURE
    return wanted


def missing_privileges(held: set[str], wanted: Sequence[Group]) -> list[str]:
    """The required privileges that are missing: of each group the first, when none is held."""
    return [group[0] for group in wanted if not held & set(group)]


def held_by(hook: InfoMartOracleHook) -> set[str]:
    """Privileges and roles of a connection's user, those that come through a role included."""
    held = {str(row["privilege"]) for row in hook.select("privileges")}
    return held | {str(row["role"]) for row in hook.select("roles")}


def user_of(hook: InfoMartOracleHook) -> str:
    """User of a connection, in capitals."""
    return str(hook.get_connection(hook.conn_id).login or "").upper()


def lacking(hook: InfoMartOracleHook, privileges: Sequence[str]) -> Iterator[Fault]:
    """A fault for each missing privilege, with its GRANT."""
    user = user_of(hook)
    for each in privileges:
        yield Fault(f"{user} ({hook.conn_id}) lacks {each}", f"GRANT {each} TO {user};")


def privilege_faults(step: Step, role: SiteRole, *, copies: bool) -> Iterator[Fault]:
    """Privileges that the DBA and GoldenGate's user of a site lack.

    :param copies: the procedure copies the database.
    """
    site, dba, goldengate = step.at(role).settings, step.at(role).dba, step.at(role).goldengate_database
    yield from lacking(dba, missing_privileges(held_by(dba), wanted_of_dba(site, role, copies)))
    replicated = step.topology.architecture == "active-standby"
    held = held_by(goldengate)
    yield from lacking(goldengate, missing_privileges(held, wanted_of_goldengate(site, replicated)))
    if replicated:
        yield from _on_rows(step, role, held)
        yield from _of_integrated_capture(step, role)


def _on_rows(step: Step, role: SiteRole, held: set[str]) -> Iterator[Fault]:
    """The rows of the replicated tables: the ANY privileges, or grants on each table."""
    missing = [verb for verb in APPLIED_ROWS if f"{verb} ANY TABLE" not in held]
    if not missing:
        return
    hook = step.at(role).goldengate_database
    granted: dict[str, set[str]] = {}
    for row in hook.select("granted_tables", owner=step.schema):
        granted.setdefault(str(row["privilege"]), set()).add(str(row["table_name"]))
    # The site of a failover's source is lost; elsewhere the target may still be empty.
    tables = set(replicated_names(step, "target" if step.failover else "source"))
    for verb in missing:
        without = tables - granted.get(verb, set())
        if without or not tables:
            user, name = user_of(hook), f"{verb} ANY TABLE"
            yield Fault(
                f"{user} ({hook.conn_id}) lacks {name}" + (f" ({len(without)} tables)" if without else ""),
                f"GRANT {name} TO {user}; or grant {verb} on each replicated table, also on those that the import "
                "creates.",
            )


def _of_integrated_capture(step: Step, role: SiteRole) -> Iterator[Fault]:
    """The grant of DBMS_GOLDENGATE_AUTH, which integrated capture needs before 23ai."""
    site, hook = step.at(role).settings, step.at(role).goldengate_database
    if version(site.database.release) >= ROLES_FROM or site.goldengate.capture != "integrated":
        return
    if site.goldengate.capture_login:
        # A common user captures (root_faults).
        return
    user = user_of(hook)
    found = str(step.at(role).dba.select("instance")[0]["version"])
    if version(found) < CAPTURE_FROM:
        yield Fault(
            f"the database of {step.at(role).name} is {found}: integrated capture needs 11.2.0.3",
            f"Set sites.{step.at(role).name}.goldengate.capture to classic, or apply the patch set.",
        )
        return
    types = {str(row["privilege_type"]) for row in step.at(role).dba.select("goldengate_privileges", grantee=user)}
    if not types & {"*", "CAPTURE"}:
        yield Fault(
            f"{user} ({hook.conn_id}) lacks the capture privileges of DBMS_GOLDENGATE_AUTH"
            + (f" (it has {sorted_names(list(types))})" if types else ""),
            f"EXEC DBMS_GOLDENGATE_AUTH.GRANT_ADMIN_PRIVILEGE('{user}');",
        )


def root_faults(step: Step, role: SiteRole) -> Iterator[Fault]:
    """Privileges of the common user who captures from the root, as far as the PDB shows them.

    Never a reason to stop: no source says that the view of a PDB has the grants that were made in the root.
    """
    at = step.at(role)
    user, pdb = at.ggsci.capture_user(), at.settings.database.pdb
    if user is None:
        return
    if version(at.settings.database.release) >= ROLES_FROM:
        held = {str(row["granted_role"]) for row in at.dba.select("granted_roles", owner=user)}
        missing, grant = "OGG_CAPTURE", f"GRANT OGG_CAPTURE TO {user} CONTAINER = ALL;"
    else:
        held = {str(row["privilege_type"]) for row in at.dba.select("goldengate_privileges", grantee=user)}
        missing = "capture privileges of DBMS_GOLDENGATE_AUTH"
        grant = f"EXEC DBMS_GOLDENGATE_AUTH.GRANT_ADMIN_PRIVILEGE('{user}', CONTAINER => 'ALL');"
    if not held & {"*", "CAPTURE", "OGG_CAPTURE"}:
        yield Fault(
            f"{pdb} at {at.name} shows no {missing} of {user}, who captures from CDB$ROOT",
            f"Look for them in CDB$ROOT; where they are missing: {grant}",
            stops=False,
        )
