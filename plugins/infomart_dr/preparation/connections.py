"""The Airflow connections that a topology needs, with machine, port and the privileges of each account.

Privileges are read from the headers of ``include/sql``, so that the list always agrees with the statements.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal

from infomart_dr.errors import PermanentError
from infomart_dr.files import include_folder
from infomart_dr.hooks.goldengate_parameters import has_tags, three_parts
from infomart_dr.topology import Host, Idb, Site, Tickets, Topology

Account = Literal["dba", "info_mart", "goldengate", "idb"]

#: Port of a database listener, unless the topology or the connection names another.
LISTENER_PORT = 1521

#: Account by the text after ``privilege:`` in a header of ``include/sql``. A statement without a privilege has none.
_ACCOUNTS: dict[str, Account] = {
    "SELECT_CATALOG_ROLE": "dba",
    "CREATE TRIGGER and ADMINISTER DATABASE TRIGGER (both in IMP_FULL_DATABASE)": "dba",
    "owner of the schema, or DROP ANY SEQUENCE": "dba",
    "owner of the Info Mart's schema": "info_mart",
    "owner of the schema, or ALTER ANY SEQUENCE": "info_mart",
    "owner of the schema, or SELECT on the table": "info_mart",
    "owner of the schema, or SELECT on the sequence": "info_mart",
    "CREATE TABLE, and quota, of GoldenGate's schema": "goldengate",
    "owner of GoldenGate's schema": "goldengate",
    "SELECT on the IDB's tables": "idb",
    "owner of the job, or ALTER on it, or CREATE ANY JOB": "idb",
    "owner of the job (PRIV_USER)": "idb",
    "EXECUTE on SYS.DBMS_IJOB, which the role DBA has": "idb",
    "CREATE TABLE, and quota, of the user of the IDB's connection": "idb",
    "owner of the schema": "idb",
}
#: Statements on the dictionary that are for an IDB's database, not the Info Mart's.
_OF_THE_IDB = {"scheduler_jobs", "dbms_jobs"}
#: Statements on an IDB's purge jobs by mechanism; cron and a site's own command need none.
_OF_MECHANISM = {
    "dbms_scheduler": {"scheduler_jobs", "disable_job", "enable_job"},
    "dbms_job": {"dbms_jobs", "dbms_job_break", "dbms_job_mend", "dbms_ijob_break", "dbms_ijob_mend"},
}
#: Words of a privilege for the person who grants it.
_WORDS = {
    "owner of the schema, or DROP ANY SEQUENCE": "DROP ANY SEQUENCE (this site as the target of a copy)",
    "owner of the schema, or SELECT on the table": "owner of the Info Mart's schema",
    "owner of the schema, or ALTER ANY SEQUENCE": "owner of the Info Mart's schema, with its sequences",
    "owner of the schema, or SELECT on the sequence": "owner of the Info Mart's schema, with its sequences",
    "EXECUTE on SYS.DBMS_IJOB, which the role DBA has": "EXECUTE on SYS.DBMS_IJOB, or to own the purge jobs",
    "owner of the schema": "owner of the tables of the purge holds",
}


@dataclass(frozen=True)
class Privilege:
    """A privilege that an account needs.

    :param statements: files of ``include/sql`` that need it, without suffix.
    """

    what: str
    statements: tuple[str, ...] = ()


@dataclass
class Needed:
    """A connection that the topology names.

    :param fields: fields of the topology that name it.
    :param type: Airflow's connection type.
    :param address: the host; empty: the topology does not name it.
    :param login: the user; empty: not known.
    :param extra: extra fields; placeholders in angle brackets.
    :param remarks: hints for the person who adds it.
    """

    id: str
    type: str
    fields: list[str]
    what: str
    address: str = ""
    port: int | None = None
    login: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    privileges: list[Privilege] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    #: False: it has a key, like an SSH connection.
    password: bool = True
    schema: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def fields_for_airflow(self) -> dict[str, Any]:
        """The connection as ``airflow connections import`` and AIRFLOW_CONN_ variables take it, with placeholders."""
        filled: dict[str, Any] = {
            "conn_type": self.type,
            "host": self.address or "<host>",
            "port": self.port,
            "login": self.login or "<user>",
            "password": f"<password of {self.id}>" if self.password else None,
            "schema": self.schema or None,
            "extra": self.extra or None,
        }
        return {name: value for name, value in filled.items() if value is not None}

    @property
    def variable(self) -> str:
        """Name of the environment variable from which Airflow reads it."""
        return f"AIRFLOW_CONN_{self.id.upper()}"


# -- privileges ------------------------------------------------------------------------------------


@cache
def statement_privileges() -> dict[str, str]:
    """Text after ``privilege:`` in the header of each statement of ``include/sql``."""
    found = {}
    for file in sorted((include_folder() / "sql").glob("*.sql")):
        match = re.search(r"^-- privilege: *(.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        if match is None:
            raise PermanentError(f"{file.name} has no line '-- privilege:' in its header.", "Add it.")
        found[file.stem] = match[1].strip()
    return found


def account_of(statement: str) -> Account | None:
    """The account that runs a statement; None for a statement without a privilege.

    :raises PermanentError: the header's privilege is not known here.
    """
    # The text after a semicolon is about older releases.
    said = statement_privileges()[statement].split(";")[0].strip()
    if said.startswith("none"):
        return None
    if said not in _ACCOUNTS:
        raise PermanentError(
            f"{statement}.sql: privilege {said!r} belongs to no account.",
            "Add its account in infomart_dr/preparation/connections.py.",
        )
    return "idb" if statement in _OF_THE_IDB else _ACCOUNTS[said]


def _privileges(account: Account, leave_out: tuple[str, ...] = ()) -> Iterator[Privilege]:
    """Privileges of the statements that an account runs."""
    by_words: dict[str, list[str]] = {}
    for statement in statement_privileges():
        if account_of(statement) == account and statement not in leave_out:
            said = statement_privileges()[statement].split(";")[0].strip()
            by_words.setdefault(_WORDS.get(said, said), []).append(statement)
    for words, statements in by_words.items():
        yield Privilege(words, tuple(statements))


def grants() -> list[tuple[str, str, tuple[str, ...]]]:
    """Privileges of every account for the statements of ``include/sql``, independent of a topology.

    :returns: the connection's name, the privilege, and the statements that need it.
    """
    names: dict[Account, str] = {
        "dba": "DBA",
        "info_mart": "Info Mart's owner",
        "goldengate": "GoldenGate's owner",
        "idb": "IDB",
    }
    return [
        (name, privilege.what, privilege.statements)
        for account, name in names.items()
        for privilege in _privileges(account)
    ]


# -- connections -----------------------------------------------------------------------------------


def needed(topology: Topology) -> list[Needed]:
    """Every connection that a topology names, each once, in the order of the file."""
    found: dict[str, Needed] = {}
    for each in _all(topology):
        if (there := found.get(each.id)) is None:
            found[each.id] = each
            continue
        there.fields += [name for name in each.fields if name not in there.fields]
        there.privileges += [privilege for privilege in each.privileges if privilege not in there.privileges]
        there.remarks += [remark for remark in each.remarks if remark not in there.remarks]
        if (there.type, there.login) != (each.type, each.login):
            there.remarks.append(
                f"{each.fields[0]} would be of type {each.type}, login {each.login or 'unknown'}: give another id "
                "there unless one account serves both"
            )
    return list(found.values())


def _all(topology: Topology) -> Iterator[Needed]:
    for name, host in topology.hosts.items():
        yield _ssh(topology, name, host)
    for name, site in topology.sites.items():
        yield from _databases(topology, name, site)
        for idb in site.idbs:
            yield _idb(name, idb)
        yield _management(name, site)
        if site.configuration.backend == "gax" and site.configuration.connection:
            yield _gax(name, site.configuration.connection)
    if topology.tickets:
        yield _tickets(topology.tickets)
    if topology.watch.alert_connection:
        yield _outside(
            topology.watch.alert_connection,
            "watch.alert_connection",
            "webhook that receives alerts",
            "may post messages",
            "extra path: of the endpoint",
        )


def _first_address(host: Host) -> tuple[str, str]:
    """An address of a host, and the site from which it is reached there."""
    for site, reach in host.seen_from.items():
        return reach.address, site
    return "", ""


def _ssh(topology: Topology, name: str, host: Host) -> Needed:
    address, seen_from = _first_address(host)
    port = host.seen_from[seen_from].ssh_port if seen_from else 22
    uses = [
        site_name
        for site_name, site in topology.sites.items()
        if name in (site.database.host, site.info_mart_server.host, site.management_layer.host)
    ]
    database = any(topology.sites[site].database.host == name for site in uses)
    rights = [Privilege("SSH login with a key, without a prompt")]
    if database:
        rights.append(
            Privilege(
                "owner of GoldenGate's home; may run expdp and impdp; reads the folder of the directory object, and "
                "writes it at a target"
            )
        )
    else:
        rights.append(Privilege("runs the programs that the topology names there; reads the Info Mart Server's log"))
    return Needed(
        host.ssh_connection,
        "ssh",
        [f"hosts.{name}.ssh_connection"],
        f"host {name} of {', '.join(uses) or 'no site'}",
        address,
        port,
        host.user,
        {
            "key_file": "<path of the private key on Airflow's machines>",
            "host_key": "<type and key of /etc/ssh/ssh_host_ed25519_key.pub, read on the host's console>",
            "no_host_key_check": False,
            "allow_host_key_change": False,
        },
        rights,
        [f"address as seen from {seen_from}; give the one that Airflow's machines use"] if seen_from else [],
        password=False,
    )


def _databases(topology: Topology, name: str, site: Site) -> Iterator[Needed]:
    database = site.database
    address, seen_from = _first_address(topology.host(database.host))
    port = (topology.host(database.host).seen_from[seen_from].listener_port if seen_from else None) or LISTENER_PORT
    remarks = [f"address as seen from {seen_from}; give the one that Airflow's machines use"] if seen_from else []
    directory = database.data_pump.directory

    def oracle(field_name: str, what: str, login: str, privileges: list[Privilege], *more: str) -> Needed:
        return Needed(
            getattr(database, field_name),
            "oracle",
            [f"sites.{name}.database.{field_name}"],
            f"{what} at {name}, service {database.service} on {database.host}",
            address,
            port,
            login,
            {"service_name": database.service},
            privileges,
            [*remarks, *more],
        )

    dba = [
        *_privileges("dba"),
        Privilege("DATAPUMP_EXP_FULL_DATABASE, DATAPUMP_IMP_FULL_DATABASE (expdp, impdp)"),
        Privilege(f"READ and WRITE on the directory {directory}"),
    ]
    if not has_tags(site.goldengate):
        dba.append(
            Privilege("INSERT ANY TABLE, SELECT ANY TABLE (GoldenGate before 12c)", ("marker_put", "marker_get"))
        )
    yield oracle(
        "dba_connection",
        "a DBA",
        "",
        dba,
        "SYSTEM has these rights; not SYS: expdp and impdp log in with this user and no 'as sysdba'",
    )
    old = three_parts(topology.info_mart.release) in ((8, 1, 0), (8, 1, 1))
    info_mart = [*_privileges("info_mart", () if old else ("hwm_index",))]
    if old:
        info_mart.append(Privilege("quota for the index on CTL_EXTRACT_HWM", ("hwm_index",)))
    yield oracle(
        "info_mart_connection",
        "the Info Mart's owner",
        topology.info_mart.schema_name,
        info_mart,
        "this login is used after an import at a target; a user that the import creates has the source's password",
    )
    yield oracle(
        "goldengate_connection", "GoldenGate's owner", site.goldengate.schema_name, list(_privileges("goldengate"))
    )


def _idb(name: str, idb: Idb) -> Needed:
    mechanisms = {job.mechanism for job in idb.purge_jobs}
    needless = set().union(*(names for kind, names in _OF_MECHANISM.items() if kind not in mechanisms))
    if not idb.purge_jobs:
        needless |= {name for name in statement_privileges() if name.startswith(("purge_", "create_purge_"))}
    if not idb.schema_name:
        needless |= {name for name in statement_privileges() if name.startswith("idb_")}
    privileges = [each for each in _privileges("idb") if not needless.issuperset(each.statements)]
    remarks = [f"purge jobs: {', '.join(job.key for job in idb.purge_jobs)}"] if idb.purge_jobs else []
    if idb.schema_name:
        remarks.append(f"tables: {idb.schema_name}.G_CALL, {idb.schema_name}.G_DSS_GCC_PROVIDER")
    return Needed(
        idb.connection,
        "oracle",
        [f"sites.{name}.idbs.{idb.name}.connection"],
        f"Interaction Databases at {name}",
        port=LISTENER_PORT,
        extra={"service_name": "<service of the IDB>"},
        privileges=privileges,
        remarks=remarks,
    )


def _management(name: str, site: Site) -> Needed:
    layer = site.management_layer
    return Needed(
        layer.connection,
        "http",
        [f"sites.{name}.management_layer.connection"],
        f"user of the Configuration Layer at {name}; mlcmd on {layer.host} uses login and password only",
        layer.configuration_server,
        layer.configuration_port,
        privileges=[Privilege("may start and stop the Info Mart Server's application, and read its status")],
    )


def _gax(name: str, connection: str) -> Needed:
    return Needed(
        connection,
        "http",
        [f"sites.{name}.configuration.connection"],
        f"GAX at {name}",
        extra={"verify": True},
        privileges=[Privilege("may read and change the Application objects of the Info Mart Server, ICONs and DAPs")],
        remarks=["extra verify: true, or the path of a CA file"],
        schema="https",
    )


def _tickets(tickets: Tickets) -> Needed:
    rights = {
        "servicenow": f"reads the records of the table {tickets.servicenow.table} and their journal; writes "
        f"{tickets.servicenow.field}",
        "jira": "browses the project; adds comments",
        "webhook": "may post messages",
    }
    return _outside(
        tickets.connection, "tickets.connection", f"ticketing system ({tickets.backend})", rights[tickets.backend]
    )


def _outside(connection: str, field_name: str, what: str, right: str, *remarks: str) -> Needed:
    """An external system, reached by HTTP."""
    return Needed(
        connection,
        "http",
        [field_name],
        what,
        extra={"verify": True},
        privileges=[Privilege(right)],
        remarks=[
            "extra verify: true, or the path of a CA file; a password without a login is a bearer token",
            *remarks,
        ],
        schema="https",
    )


# -- as files --------------------------------------------------------------------------------------


def environment_lines(connections: list[Needed]) -> list[str]:
    """AIRFLOW_CONN_ lines for an environment file; values are JSON, placeholders are in angle brackets."""
    lines = ["# Replace the placeholders in <>; mode 0600. One line per connection."]
    for each in connections:
        lines.append(f"# {each.what} ({', '.join(each.fields)})")
        line = f"{each.variable}={json.dumps(each.fields_for_airflow())}"
        # A variable's name cannot contain dots and dashes.
        if not re.fullmatch(r"[A-Z0-9_]+", each.variable):
            lines.append(f"# {each.id} cannot be an environment variable: give it an id of letters, digits and _, or")
            lines.append("# use a connections file.")
            line = f"# {line}"
        lines.append(line)
    return lines


def filled(there: dict[str, Any], wanted: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A file's connections with the missing ones added, and the added ids; existing entries stay."""
    added = sorted(set(wanted) - set(there))
    return there | {name: wanted[name] for name in added}, added


def import_file(connections: list[Needed]) -> dict[str, Any]:
    """The document for ``airflow connections import`` and the local file backend, with placeholders."""
    return {each.id: each.fields_for_airflow() for each in connections}
