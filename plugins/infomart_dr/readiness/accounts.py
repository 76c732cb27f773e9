"""Password expiry and privileges of the database users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from infomart_dr.hooks.goldengate_parameters import has_tags
from infomart_dr.readiness.context import CheckContext
from infomart_dr.readiness.reach import idb_connections
from infomart_dr.readiness.report import Check, Verdict, blocked, faults, ok, warning
from infomart_dr.topology import DbmsJob, Idb, SchedulerJob, SiteRole

if TYPE_CHECKING:
    from infomart_dr.hooks.oracle import InfoMartOracleHook

#: Days before a password's expiry from which on the check warns.
EXPIRY_DAYS = 14


def account_verdict(name: str, row: Mapping[str, Any], now: datetime) -> Verdict:
    """The account allows logins, now and in the next days.

    :param name: the Airflow connection.
    :param row: of the statement ``own_account``.
    :param now: UTC, without zone.
    """
    user, status, expiry = row["username"], str(row["account_status"]), row["expiry_date"]
    remedy = f"Change the password of {user}, also in the Airflow connection {name}."
    if status != "OPEN":
        return warning(f"{user} of {name} is {status}", remedy)
    if expiry is None:
        return ok(f"{user}: never expires")
    days = (expiry.replace(tzinfo=None) - now).total_seconds() / 86400
    if days <= 0:
        return blocked(f"the password of {user} ({name}) expired on {expiry:%Y-%m-%d}", remedy)
    if days < EXPIRY_DAYS:
        return warning(f"the password of {user} ({name}) expires on {expiry:%Y-%m-%d}, in {days:.0f} day(s)", remedy)
    return ok(f"{user}: expires on {expiry:%Y-%m-%d}")


def _accounts(context: CheckContext, role: SiteRole) -> list[Verdict]:
    step, database = context.step, context.step.at(role).settings.database
    names = [database.dba_connection, database.goldengate_connection]
    if role not in context.without_owner:
        names.insert(1, database.info_mart_connection)
    now = datetime.now(UTC).replace(tzinfo=None)
    found = []
    for name in dict.fromkeys([*names, *idb_connections(step, role)]):
        for row in step.oracle(name).select("own_account"):
            found.append(account_verdict(name, row, now))
    return found


ACCOUNTS = Check(
    "accounts",
    f"Passwords of all database users: none expired, none within {EXPIRY_DAYS} days (USER_USERS)",
    _accounts,
    needs=("dba_connection", "info_mart_connection", "goldengate_connection", "idb_connections"),
)


def missing_privileges(held: set[str], wanted: Sequence[tuple[str, ...]]) -> list[str]:
    """The required privileges that are missing.

    :param wanted: groups of privileges; one of each group is enough. The first is named when none is held.
    """
    return [group[0] for group in wanted if not held & set(group)]


#: Privileges and roles by connection: one of each group is enough.
_DICTIONARY = ("SELECT_CATALOG_ROLE", "SELECT ANY DICTIONARY", "DBA")
_EXPORT = ("DATAPUMP_EXP_FULL_DATABASE", "EXP_FULL_DATABASE")
_IMPORT = ("DATAPUMP_IMP_FULL_DATABASE", "IMP_FULL_DATABASE")


def wanted_privileges(copies: bool, role: SiteRole, *, tags: bool = True) -> dict[str, list[tuple[str, ...]]]:
    """Privileges that the users of a site need, by kind of connection (docs/getting-started.md, Grants).

    :param tags: GoldenGate supports tags; before 12c the DBA writes the markers.
    """
    dba: list[tuple[str, ...]] = [_DICTIONARY]
    if copies and role == "source":
        dba.append(_EXPORT)
    if copies and role == "target":
        dba += [_IMPORT, ("DROP ANY SEQUENCE",)]
    if not tags:
        dba += [("INSERT ANY TABLE",), ("SELECT ANY TABLE",)]
    return {"dba": dba, "goldengate": [("CREATE TABLE",)]}


def _privileges(context: CheckContext, role: SiteRole) -> list[Verdict]:
    step = context.step
    tags = has_tags(step.at(role).settings.goldengate)
    hooks = {"dba": step.at(role).dba, "goldengate": step.at(role).goldengate_database}
    wanted = wanted_privileges(context.copies, role, tags=tags)
    return [_held(hooks[kind], groups) for kind, groups in wanted.items()]


def _held(hook: InfoMartOracleHook, wanted: Sequence[tuple[str, ...]]) -> Verdict:
    """The user of a connection has at least one of each group of privileges."""
    held = {str(row["privilege"]) for row in hook.select("privileges")}
    held |= {str(row["role"]) for row in hook.select("roles")}
    held |= {f"ALTER ON {row['owner']}.{row['object_name']}" for row in hook.select("alterable_objects")}
    missing = missing_privileges(held, wanted)
    user = hook.get_connection(hook.conn_id).login
    return faults(
        [f"{user} ({hook.conn_id}) lacks {each}" for each in missing],
        f"{user} has the required privileges",
        "; ".join(f"GRANT {each} TO {user}" for each in missing) + ".",
    )


def hold_privileges(user: str, idbs: Iterable[Idb], tables: bool) -> list[tuple[str, ...]]:
    """Privileges that the user of an IDB's connection needs to hold its purge jobs (docs/purge-holds.md, Mechanisms).

    EXECUTE on a package is not checked here.

    :param user: in capitals.
    :param tables: the tables of the holds already exist.
    """
    wanted: list[tuple[str, ...]] = [] if tables else [("CREATE TABLE",)]
    jobs = [job for idb in idbs for job in idb.purge_jobs]
    if any(isinstance(job, (SchedulerJob, DbmsJob)) for job in jobs):
        wanted.append(_DICTIONARY)
    names = [job.job.upper() for job in jobs if isinstance(job, SchedulerJob)]
    # MANAGE SCHEDULER is for windows and job classes; it changes no job.
    wanted += [(f"ALTER ON {name}", "CREATE ANY JOB") for name in names if name.partition(".")[0] != user]
    return wanted


def _idb_privileges(context: CheckContext, role: SiteRole) -> list[Verdict]:
    step, found = context.step, []
    for name in idb_connections(step, role):
        hook = step.oracle(name)
        user = str(hook.get_connection(name).login or "").upper()
        tables = all(
            hook.value("table_exists", owner=user, table_name=table) for table in ("DR_PURGE_HOLD", "DR_PURGE_JOB")
        )
        idbs = [idb for idb in step.at(role).settings.idbs if idb.connection == name]
        found.append(_held(hook, hold_privileges(user, idbs, tables)))
    return found


PRIVILEGES = Check(
    "privileges",
    "System privileges and roles of the DBA and of GoldenGate's user that the procedure needs",
    _privileges,
    needs=("dba_connection", "goldengate_connection"),
)
IDB_PRIVILEGES = Check(
    "idb_privileges",
    "System privileges and roles of the IDBs' users for holding purge jobs",
    _idb_privileges,
    needs=("idb_connections",),
)
