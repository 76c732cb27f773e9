"""Connections, hosts, Management Layer, configuration, GoldenGate: the basis of all other checks."""

from __future__ import annotations

from typing import Any

from infomart_dr.errors import CredentialsError
from infomart_dr.guards import hosts, prerequisites, privileges
from infomart_dr.plan.step import Step
from infomart_dr.readiness.context import CheckContext
from infomart_dr.readiness.report import Check, Verdict, blocked, faults, not_checked, of_faults, ok, warning
from infomart_dr.topology import SiteRole


def _dba_connection(context: CheckContext, role: SiteRole) -> Verdict:
    hook = context.step.at(role).dba
    row = hook.select("database_identity")[0]
    if str(row["open_mode"]) != "READ WRITE":
        return blocked(f"{hook.conn_id}: {row['name']} is open {row['open_mode']}", "Open the database READ WRITE.")
    return ok(f"{hook.conn_id} logs in to {row['name']}, {row['open_mode']}")


def _info_mart_connection(context: CheckContext, role: SiteRole) -> Verdict:
    hook = context.step.at(role).info_mart
    try:
        hook.value("database_clock")
    except CredentialsError as error:
        if not context.may_come_with_the_import(role):
            raise
        context.without_owner.add(role)
        return warning(
            error.what,
            f"If the import will create the user, it will have the source's password: put that into {hook.conn_id}. "
            "Otherwise correct the login.",
        )
    return ok(f"{hook.conn_id} logs in")


def _goldengate_connection(context: CheckContext, role: SiteRole) -> Verdict:
    hook = context.step.at(role).goldengate_database
    hook.value("database_clock")
    return ok(f"{hook.conn_id} logs in")


def idb_connections(step: Step, role: SiteRole) -> list[str]:
    """Airflow connections of a site's IDBs, without duplicates."""
    return list(dict.fromkeys(idb.connection for idb in step.at(role).settings.idbs))


def _idb_connections(context: CheckContext, role: SiteRole) -> Verdict:
    names = idb_connections(context.step, role)
    for name in names:
        context.step.oracle(name).value("database_clock")
    return ok(f"{', '.join(names)}: all log in" if names else "there are no IDB connections")


def _host(context: CheckContext, role: SiteRole, kind: Any) -> Verdict:
    host = context.step.at(role).host(kind)
    host.run(["true"])
    if kind == "db":
        name = context.step.at(role).settings.database.host
        lacking = [f"{tool} does not work on {name}" for tool in hosts.missing_tools(host)]
        if lacking:
            return faults(lacking, "", "Put GNU's coreutils and findutils, or others that know it, first in the PATH.")
    return ok(f"{host.label} accepts the login, and its host key is the connection's")


def _management_layer(context: CheckContext, role: SiteRole) -> Verdict:
    status = context.step.at(role).management_layer.status(context.step.at(role).application_dbid)
    return ok(f"the Management Layer knows {context.step.at(role).application}: {status.status}")


def _configuration(context: CheckContext, role: SiteRole) -> Verdict:
    step = context.step
    if step.at(role).settings.configuration.backend == "manual":
        return not_checked("a person changes Application objects here (configuration.backend is manual)")
    application = step.at(role).configuration.read(step.at(role).application)
    wanted = step.at(role).application_dbid
    if application.dbid != wanted:
        return blocked(
            f"{application.name} has the DBID {application.dbid}, the topology says {wanted}",
            "Correct application_dbid: the Management Layer starts and stops the server by it.",
        )
    return ok(f"{application.name} can be read")


def _ggsci(context: CheckContext, role: SiteRole) -> Verdict:
    step = context.step
    wrong = list(prerequisites.goldengate_faults(step, role))
    if wrong:
        return faults(wrong, "", "Prepare GoldenGate's home (docs/getting-started.md).")
    running = step.at(role).ggsci.manager_status()
    home = step.at(role).settings.goldengate.home
    if running:
        return ok(f"{home} has its folders, and the manager runs")
    remedy = f"START MGR in ggsci at {step.at(role).name}."
    if context.copies:
        return warning(f"the manager in {home} is down", f"{remedy} Otherwise the procedure starts it.")
    return blocked(f"the manager in {home} is down", remedy)


def _container(context: CheckContext, role: SiteRole) -> Verdict:
    step = context.step
    return faults(
        prerequisites.container_faults(step, role, without_owner=role in context.without_owner),
        prerequisites.kind_text(step.at(role).settings),
        "Correct database.pdb and the connections (docs/getting-started.md, In a pluggable database).",
    )


def _goldengate_logins(context: CheckContext, role: SiteRole) -> Verdict:
    proven = context.step.at(role).ggsci.prove_logins()
    return of_faults(privileges.root_faults(context.step, role), proven)


DBA = Check("dba_connection", "Airflow's DBA connection exists and logs in; the database is open", _dba_connection)
INFO_MART = Check(
    "info_mart_connection",
    "The connection of the Info Mart's owner logs in",
    _info_mart_connection,
    behind=("dba_connection",),
)
GOLDENGATE_USER = Check(
    "goldengate_connection",
    "The connection of GoldenGate's owner logs in",
    _goldengate_connection,
    behind=("dba_connection",),
)
IDBS = Check(
    "idb_connections",
    "The connections of the site's IDBs log in",
    _idb_connections,
    behind=("dba_connection",),
)
CONTAINER = Check(
    "container",
    "The kind of the database, a CDB or none, is that of the topology, and in a CDB each connection leads to the PDB",
    _container,
    needs=("dba_connection", "info_mart_connection", "goldengate_connection"),
)
DATABASE_HOST = Check(
    "database_host",
    "The database host accepts Airflow's SSH login, has the host key of the connection, and its tools know the options "
    "that jobs and copies need",
    lambda context, role: _host(context, role, "db"),
)
SERVER_HOST = Check(
    "server_host",
    "The Info Mart Server's host accepts Airflow's SSH login and has the host key of the connection",
    lambda context, role: _host(context, role, "gim"),
)
MANAGEMENT = Check(
    "management_layer",
    "mlcmd logs in and knows the server's Application object by its DBID",
    _management_layer,
    behind=("server_host",),
)
CONFIGURATION = Check(
    "configuration",
    "The server's Application object can be read and has the topology's DBID",
    _configuration,
)
GGSCI = Check(
    "goldengate",
    "GoldenGate's home has its folders, ggsci starts, and the manager runs",
    _ggsci,
    needs=("database_host",),
)
GOLDENGATE_LOGINS = Check(
    "goldengate_logins",
    "ggsci logs in with each login of the topology, in a CDB to its container; the privileges of a common user who "
    "captures from the root",
    _goldengate_logins,
    needs=("goldengate", "dba_connection", "goldengate_connection"),
)
