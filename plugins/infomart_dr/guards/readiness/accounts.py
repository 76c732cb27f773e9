"""Passwords that end, and privileges of the database users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from infomart_dr.guards.readiness.looks import Looks
from infomart_dr.guards.readiness.reach import idb_connections
from infomart_dr.guards.readiness.report import Check, Verdict, blocked, faults, ok, warning
from infomart_dr.step import SiteRole

#: Days before a password's end from which on it is warned of.
EXPIRY_DAYS = 14


def account_verdict(name: str, row: Mapping[str, Any], now: datetime) -> Verdict:
    """Whether an account will still let in.

    :param name: the Airflow connection.
    :param row: of the statement ``own_account``.
    :param now: UTC, without zone.
    """
    user, status, expiry = row["username"], str(row["account_status"]), row["expiry_date"]
    cure = f"Change the password of {user}, also in the Airflow connection {name}."
    if status != "OPEN":
        return warning(f"{user} of {name} is {status}", cure)
    if expiry is None:
        return ok(f"{user}: no end")
    days = (expiry.replace(tzinfo=None) - now).total_seconds() / 86400
    if days <= 0:
        return blocked(f"the password of {user} ({name}) has expired on {expiry:%Y-%m-%d}", cure)
    if days < EXPIRY_DAYS:
        return warning(f"the password of {user} ({name}) expires on {expiry:%Y-%m-%d}, in {days:.0f} day(s)", cure)
    return ok(f"{user}: until {expiry:%Y-%m-%d}")


def _accounts(looks: Looks, role: SiteRole) -> list[Verdict]:
    step, database = looks.step, looks.step.site(role).database
    names = [database.dba_connection, database.goldengate_connection]
    if role not in looks.without_owner:
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
    """Those of the wanted privileges that are not held.

    :param wanted: each a group of which one is enough; the first is named when none is held.
    """
    return [group[0] for group in wanted if not held & set(group)]


#: Privileges and roles by connection: one of each group is enough.
_DICTIONARY = ("SELECT_CATALOG_ROLE", "SELECT ANY DICTIONARY", "DBA")
_EXPORT = ("DATAPUMP_EXP_FULL_DATABASE", "EXP_FULL_DATABASE")
_IMPORT = ("DATAPUMP_IMP_FULL_DATABASE", "IMP_FULL_DATABASE")


def wanted_privileges(copies: bool, role: SiteRole, *, tags: bool = True) -> dict[str, list[tuple[str, ...]]]:
    """What the users of a site need, by the kind of their connection (docs/getting-started.md, Grants).

    :param tags: GoldenGate knows tags; before 12c the DBA writes the markers.
    """
    dba: list[tuple[str, ...]] = [_DICTIONARY]
    if copies and role == "source":
        dba.append(_EXPORT)
    if copies and role == "target":
        dba += [_IMPORT, ("DROP ANY SEQUENCE",)]
    if not tags:
        dba += [("INSERT ANY TABLE",), ("SELECT ANY TABLE",)]
    return {"dba": dba, "goldengate": [("CREATE TABLE",)]}


def _privileges(looks: Looks, role: SiteRole) -> list[Verdict]:
    from infomart_dr.hooks.goldengate_parameters import has_tags

    step = looks.step
    tags = has_tags(step.site(role).goldengate)
    hooks = {"dba": step.dba(role), "goldengate": step.goldengate_database(role)}
    found = []
    for kind, wanted in wanted_privileges(looks.copies, role, tags=tags).items():
        hook = hooks[kind]
        held = {str(row["privilege"]) for row in hook.select("privileges")}
        held |= {str(row["role"]) for row in hook.select("roles")}
        missing = missing_privileges(held, wanted)
        user = hook.get_connection(hook.conn_id).login
        found.append(
            faults(
                [f"{user} ({hook.conn_id}) lacks {each}" for each in missing],
                f"{user} has what is needed",
                "; ".join(f"GRANT {each} TO {user}" for each in missing) + ".",
            )
        )
    return found


PRIVILEGES = Check(
    "privileges",
    "System privileges and roles of the DBA and of GoldenGate's user that the procedure uses",
    _privileges,
    needs=("dba_connection", "goldengate_connection"),
)
