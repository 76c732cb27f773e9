"""Password expiry and privileges of the database users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from infomart_dr.guards import privileges
from infomart_dr.guards.admission import admission_faults
from infomart_dr.readiness.context import CheckContext
from infomart_dr.readiness.reach import idb_connections
from infomart_dr.readiness.report import Check, Verdict, blocked, not_checked, of_faults, ok, warning
from infomart_dr.topology import DbmsJob, Idb, SchedulerJob, SiteRole

if TYPE_CHECKING:
    from infomart_dr.hooks.oracle import InfoMartOracleHook

#: Days before a password's expiry from which on the check warns.
EXPIRY_DAYS = 14


def account_verdict(name: str, row: Mapping[str, Any]) -> Verdict:
    """The account allows logins, now and in the next days.

    :param name: the Airflow connection.
    :param row: of the statement ``own_account``, with both times in the database's own zone.
    """
    user, status, expiry = row["username"], str(row["account_status"]), row["expiry_date"]
    remedy = f"Change the password of {user}, also in the Airflow connection {name}."
    if status != "OPEN":
        return warning(f"{user} of {name} is {status}", remedy)
    if expiry is None:
        return ok(f"{user}: never expires")
    days = (expiry - row["time_there"]).total_seconds() / 86400
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
    found = []
    for name in dict.fromkeys([*names, *idb_connections(step, role)]):
        for row in step.oracle(name).select("own_account"):
            found.append(account_verdict(name, row))
    return found


ACCOUNTS = Check(
    "accounts",
    f"Passwords of all database users: none expired, none within {EXPIRY_DAYS} days (USER_USERS)",
    _accounts,
    needs=("dba_connection", "info_mart_connection", "goldengate_connection", "idb_connections"),
)


def _privileges(context: CheckContext, role: SiteRole) -> Verdict:
    found = privileges.privilege_faults(context.step, role, copies=context.copies)
    return of_faults(found, "the users have the required privileges")


def _held(hook: InfoMartOracleHook, wanted: Sequence[tuple[str, ...]]) -> Verdict:
    """The user of a connection has at least one of each group of privileges."""
    held = privileges.held_by(hook)
    held |= {f"ALTER ON {row['owner']}.{row['object_name']}" for row in hook.select("alterable_objects")}
    missing = privileges.lacking(hook, privileges.missing_privileges(held, wanted))
    return of_faults(missing, f"{privileges.user_of(hook)} has the required privileges")


def hold_privileges(user: str, idbs: Iterable[Idb], tables: bool) -> list[tuple[str, ...]]:
    """Privileges that the user of an IDB's connection needs to hold its purge jobs (docs/purge-holds.md, Mechanisms).

    EXECUTE on a package is not checked here.

    :param user: in capitals.
    :param tables: the tables of the holds already exist.
    """
    wanted: list[tuple[str, ...]] = [] if tables else [("CREATE TABLE",)]
    jobs = [job for idb in idbs for job in idb.purge_jobs]
    if any(isinstance(job, (SchedulerJob, DbmsJob)) for job in jobs):
        wanted.append(privileges.DICTIONARY)
    names = [job.job.upper() for job in jobs if isinstance(job, SchedulerJob)]
    # MANAGE SCHEDULER is for windows and job classes; it changes no job.
    wanted += [(f"ALTER ON {name}", "CREATE ANY JOB") for name in names if name.partition(".")[0] != user]
    return wanted


def _idb_privileges(context: CheckContext, role: SiteRole) -> list[Verdict]:
    step, found = context.step, []
    for name in idb_connections(step, role):
        hook = step.oracle(name)
        user = privileges.user_of(hook)
        tables = all(
            hook.value("table_exists", owner=user, table_name=table) for table in ("DR_PURGE_HOLD", "DR_PURGE_JOB")
        )
        idbs = [idb for idb in step.at(role).settings.idbs if idb.connection == name]
        found.append(_held(hook, hold_privileges(user, idbs, tables)))
    return found


def _admission(context: CheckContext, role: SiteRole) -> Verdict:
    step = context.step
    if not step.topology.fencing.refuse_lost_site:
        return not_checked("fencing.refuse_lost_site is false: nothing refuses the server of a lost site")
    found = admission_faults(step, role, [step.at("source").name])
    return of_faults(found, f"{step.at(role).name} can refuse the Info Mart Server of {step.at('source').name}")


ADMISSION = Check(
    "refuse_lost_site",
    "The survivor's database can refuse the Info Mart Server of a lost site: privileges, names of its machine",
    _admission,
    needs=("dba_connection", "info_mart_connection", "goldengate_connection"),
)
PRIVILEGES = Check(
    "privileges",
    "Privileges and roles of the DBA and of GoldenGate's user: Data Pump, capture, rows and DDL of the Replicat",
    _privileges,
    needs=("dba_connection", "goldengate_connection"),
    of_source=("dba_connection",),
)
IDB_PRIVILEGES = Check(
    "idb_privileges",
    "System privileges and roles of the IDBs' users for holding purge jobs",
    _idb_privileges,
    needs=("idb_connections",),
)
