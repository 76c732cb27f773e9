"""What a procedure will need, looked at by the parts that the real run uses, and changing nothing.

A list of checks a procedure, in :data:`PROCEDURES`. The checks of reach come first: what needs them is not looked at
when they fail.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from infomart_dr.deployment import Deployment, connection
from infomart_dr.errors import CredentialsError, FinalError, GuardError, InfoMartError, UnexpectedReplyError
from infomart_dr.evidence import estimate as estimates
from infomart_dr.guards import fencing
from infomart_dr.guards.readiness import (
    BOTH,
    Check,
    Finding,
    Planned,
    Verdict,
    blocked,
    faults,
    not_looked_at,
    ok,
    warning,
)
from infomart_dr.operators import checks, dump_set, replication, server, setup
from infomart_dr.operators.dump_set import size_text
from infomart_dr.step import SiteRole, Step

if TYPE_CHECKING:
    from infomart_dr.hooks.oracle import InfoMartOracleHook
    from infomart_dr.hooks.remote_host import RemoteHost
    from infomart_dr.topology import Topology

#: Days before a password's end from which on it is warned of.
EXPIRY_DAYS = 14
#: Seconds by which a clock may differ from Airflow's: high-water marks, holds and logs are compared with it.
CLOCK_WARNING, CLOCK_LIMIT = 10.0, 120.0
#: Seconds after which an open transaction will make a capture wait.
OLD_TRANSACTION = 1800.0
#: Seconds of lag from which on the standby is too far behind.
LAG_LIMIT = 900


# -- looking only ----------------------------------------------------------------------------------


class NoLedger:
    """The ledger of no plan: nothing is noted, and nothing can be."""

    def get(self, name: str) -> str | None:
        return None

    def all(self) -> dict[str, str]:
        return {}

    def require(self, name: str) -> str:
        raise GuardError(f"A readiness check has no plan, and so no fact {name!r}.")

    def put_once(self, name: str, value: str) -> str:
        raise _refused(f"noting {name}")

    def forget(self, name: str) -> bool:
        raise _refused(f"forgetting {name}")


def _refused(what: str) -> FinalError:
    return FinalError(
        f"A readiness check changes nothing; refused: {what}.", "Report this: it is a fault of the check."
    )


class LookingDeployment(Deployment):
    """A deployment whose databases and hosts refuse what would change them."""

    def oracle(self, connection: str) -> InfoMartOracleHook:
        hook = super().oracle(connection)
        hook.execute = _never  # type: ignore[method-assign, assignment]
        return hook

    def host_named(self, name: str) -> RemoteHost:
        host = super().host_named(name)
        host.write_file = _never  # type: ignore[method-assign, assignment]
        return host


def _never(what: str, *_: object, **__: object) -> Any:
    raise _refused(what)


class LookingStep(Step):
    """A step without a plan that looks only."""

    def __init__(self, *, deployment: str, source: str, target: str, failover: bool) -> None:
        super().__init__(deployment=deployment, source=source, target=target, failover=failover, plan_id="(readiness)")
        self.deployment = LookingDeployment(deployment)

    def _ledger(self, plan_id: str) -> Any:
        return NoLedger()


class Looks:
    """What the checks of one report share.

    :param procedure: one of :data:`PROCEDURES`.
    """

    def __init__(self, step: Step, procedure: str) -> None:
        self.step, self.procedure = step, procedure
        #: Roles whose Info Mart's owner does not log in yet.
        self.without_owner: set[SiteRole] = set()

    @cached_property
    def schema_bytes(self) -> int:
        return dump_set.schema_bytes(self.step, "source")

    @cached_property
    def redo_rate(self) -> float:
        """Bytes of redo a second at the source, over the last day."""
        row = self.step.dba("source").select("redo_written")[0]
        seconds = float(row["seconds"] or 0)
        return float(row["bytes"] or 0) / seconds if seconds > 0 else 0.0

    @cached_property
    def runs(self) -> list[estimates.Measured]:
        """What earlier runs of the deployment took, as the ledger at the surviving site has it."""
        step = self.step
        schema = step.site(step.keeper).goldengate.schema_name
        if not replication.table_exists(step, step.keeper, schema, "DR_LEDGER"):
            return []
        hook = step.goldengate_database(step.keeper)
        return estimates.measured_runs(
            hook.select("ledger_measured", {"schema": schema}, deployment=step.topology.deployment)
        )

    @cached_property
    def estimate(self) -> estimates.Estimate:
        return estimates.estimate(self.schema_bytes, self.runs, redo=self.redo_rate)

    def may_come_with_the_import(self, role: SiteRole) -> bool:
        """Whether the Info Mart's owner may be missing at a site until the import makes it."""
        return self.copies and role == "target"

    @property
    def copies(self) -> bool:
        """The procedure copies the database, and prepares the target's replication itself."""
        return self.procedure in ("return_to_normal", "setup_replication", "database_transfer")


# -- reach -----------------------------------------------------------------------------------------


def _dba_connection(looks: Looks, role: SiteRole) -> Verdict:
    hook = looks.step.dba(role)
    row = hook.select("database_identity")[0]
    if str(row["open_mode"]) != "READ WRITE":
        return blocked(f"{hook.conn_id}: {row['name']} is open {row['open_mode']}", "Open the database READ WRITE.")
    return ok(f"{hook.conn_id} logs in to {row['name']}, {row['open_mode']}")


def _info_mart_connection(looks: Looks, role: SiteRole) -> Verdict:
    hook = looks.step.info_mart(role)
    try:
        hook.value("database_clock")
    except CredentialsError as error:
        if not looks.may_come_with_the_import(role):
            raise
        looks.without_owner.add(role)
        return warning(
            error.what,
            f"When the user is to come with the import: its password is then the source's, which {hook.conn_id} "
            "must have.",
        )
    return ok(f"{hook.conn_id} logs in")


def _goldengate_connection(looks: Looks, role: SiteRole) -> Verdict:
    hook = looks.step.goldengate_database(role)
    hook.value("database_clock")
    return ok(f"{hook.conn_id} logs in")


def idb_connections(step: Step, role: SiteRole) -> list[str]:
    """Airflow connections of a site's IDBs, each once."""
    return list(dict.fromkeys(idb.connection for idb in step.site(role).idbs))


def _idb_connections(looks: Looks, role: SiteRole) -> Verdict:
    names = idb_connections(looks.step, role)
    for name in names:
        looks.step.oracle(name).value("database_clock")
    return ok(f"{', '.join(names) or 'no connection'}: log in")


def _host(looks: Looks, role: SiteRole, kind: Any) -> Verdict:
    host = looks.step.host(role, kind)
    host.run(["true"])
    return ok(f"{host.label} lets in, its host key is that of the connection")


def _management_layer(looks: Looks, role: SiteRole) -> Verdict:
    status = looks.step.management_layer(role).status(looks.step.application_dbid(role))
    return ok(f"the Management Layer knows {looks.step.application(role)}: {status.status}")


def _configuration(looks: Looks, role: SiteRole) -> Verdict:
    step = looks.step
    if step.site(role).configuration.backend == "manual":
        return not_looked_at("a person changes Application objects here (configuration.backend is manual)")
    application = step.configuration(role).read(step.application(role))
    wanted = step.application_dbid(role)
    if application.dbid != wanted:
        return blocked(
            f"{application.name} has the DBID {application.dbid}, the topology says {wanted}",
            "Correct application_dbid: the Management Layer starts and stops by it.",
        )
    return ok(f"{application.name} can be read")


def _ggsci(looks: Looks, role: SiteRole) -> Verdict:
    step = looks.step
    wrong = list(setup.goldengate_faults(step, role))
    if wrong:
        return faults(wrong, "", "Prepare GoldenGate's home (docs/getting-started.md).")
    running = step.ggsci(role).manager_status()
    home = step.site(role).goldengate.home
    if running:
        return ok(f"{home} has its folders, the manager runs")
    cure = f"START MGR in ggsci at {step.name(role)}."
    if looks.copies:
        return warning(f"the manager in {home} is down", f"{cure} The procedure does it, too.")
    return blocked(f"the manager in {home} is down", cure)


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
DATABASE_HOST = Check(
    "database_host",
    "The database host lets Airflow in by SSH, with the host key that the connection holds",
    lambda looks, role: _host(looks, role, "db"),
)
SERVER_HOST = Check(
    "server_host",
    "The Info Mart Server's host lets Airflow in by SSH, with the host key that the connection holds",
    lambda looks, role: _host(looks, role, "gim"),
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
    "GoldenGate's home has its folders, ggsci starts, the manager runs",
    _ggsci,
    needs=("database_host",),
)


# -- accounts and privileges -----------------------------------------------------------------------


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


# -- clocks and releases ---------------------------------------------------------------------------


def clock_verdict(what: str, difference: float) -> Verdict:
    """Whether a clock is near Airflow's.

    :param difference: seconds; positive: it is ahead.
    """
    said = f"the clock of {what} is {abs(difference):.0f} s {'ahead of' if difference > 0 else 'behind'} Airflow's"
    if abs(difference) < CLOCK_WARNING:
        return ok(f"{what}: within {CLOCK_WARNING:.0f} s of Airflow's")
    cure = "Synchronise both with the same time servers: marks, holds and logs are compared with Airflow's time."
    return (warning if abs(difference) < CLOCK_LIMIT else blocked)(said, cure)


def _difference(look: Any) -> float:
    """Seconds by which a clock is ahead: that of the look against the middle of its duration here."""
    begin = time.time()
    there = look()
    return float(there) - (begin + time.time()) / 2


def _database_clock(looks: Looks, role: SiteRole) -> Verdict:
    def look() -> float:
        return looks.step.dba(role).value("database_clock").replace(tzinfo=UTC).timestamp()

    return clock_verdict(f"the database of {looks.step.name(role)}", _difference(look))


def _host_clocks(looks: Looks, role: SiteRole) -> list[Verdict]:
    step, site = looks.step, looks.step.site(role)
    hosts = {site.database.host: step.host(role), site.info_mart_server.host: step.host(role, "gim")}
    # Whole seconds: half of one is added.
    return [
        clock_verdict(name, _difference(lambda host=host: parse_seconds(host.run(["date", "-u", "+%s"]).stdout) + 0.5))
        for name, host in hosts.items()
    ]


def parse_seconds(text: str) -> int:
    """Seconds since 1970 as ``date +%s`` prints them.

    :raises UnexpectedReplyError: it prints something else.
    """
    if not re.fullmatch(r"\d{9,12}", text.strip()):
        raise UnexpectedReplyError(f"date -u +%s gave {text.strip()[:60]!r}.", "Run it by hand on that host.")
    return int(text)


def release_faults(what: str, found: str, wanted: str, parts: int = 2) -> Iterator[str]:
    """A release that is not the topology's; its first parts count."""
    numbers = [re.findall(r"\d+", text)[:parts] for text in (found, wanted)]
    shortest = min(map(len, numbers))
    if shortest == 0 or numbers[0][:shortest] != numbers[1][:shortest]:
        yield f"{what} has the release {found}, the topology says {wanted}"


def _database_release(looks: Looks, role: SiteRole) -> Verdict:
    wanted = looks.step.site(role).database.release
    found = str(looks.step.dba(role).select("instance")[0]["version"])
    return faults(release_faults("the database", found, wanted), f"database {found}", _CORRECT_RELEASE)


_CORRECT_RELEASE = "Correct the topology: commands and parameter files depend on the release."


def _goldengate_release(looks: Looks, role: SiteRole) -> Verdict:
    wanted = looks.step.site(role).goldengate.release
    found = looks.step.ggsci(role).release()
    return faults(release_faults("GoldenGate", found, wanted), f"GoldenGate {found}", _CORRECT_RELEASE)


def _data_pump_clients(looks: Looks, role: SiteRole) -> Verdict:
    program = "expdp" if role == "source" else "impdp"
    found = looks.step.data_pump(role).release(program)  # type: ignore[arg-type]
    database = str(looks.step.dba(role).select("instance")[0]["version"])
    return faults(
        [
            f"{program} has the release {found}, the database {database}"
            for _ in release_faults(program, found, database)
        ],
        f"{program} {found}",
        "Correct data_pump.expdp and impdp or oracle_home in the topology: the client must be the database's.",
    )


def _info_mart_release(looks: Looks, role: SiteRole) -> Verdict:
    step = looks.step
    found = step.info_mart("source").value("job_version", {"schema": step.schema})
    if found is None:
        return not_looked_at("no extraction has been noted here that would tell the server's release")
    wanted = step.topology.info_mart.release
    return faults(
        release_faults("the Info Mart Server", str(found), wanted, parts=3),
        f"Info Mart Server {found}",
        "Correct info_mart.release in the topology: the exclusion list depends on it.",
    )


DATABASE_CLOCK = Check(
    "database_clock",
    f"The database's clock against Airflow's: warned of from {CLOCK_WARNING:.0f} s, blocked from {CLOCK_LIMIT:.0f} s",
    _database_clock,
    needs=("dba_connection",),
)
HOST_CLOCKS = Check(
    "host_clocks", "The clocks of both hosts against Airflow's", _host_clocks, needs=("database_host", "server_host")
)
DATABASE_RELEASE = Check(
    "database_release",
    "Release of the database (V$INSTANCE) against the topology's",
    _database_release,
    needs=("dba_connection",),
)
GOLDENGATE_RELEASE = Check(
    "goldengate_release",
    "Release in ggsci's banner against the topology's",
    _goldengate_release,
    needs=("goldengate",),
)
DATA_PUMP_CLIENTS = Check(
    "data_pump_client",
    "expdp at the source and impdp at the target start; their release is the database's",
    _data_pump_clients,
    needs=("database_host", "dba_connection"),
)
INFO_MART_RELEASE = Check(
    "info_mart_release",
    "JOB_VERSION of the newest extraction against the topology's release",
    _info_mart_release,
    needs=("info_mart_connection",),
)


# -- room ------------------------------------------------------------------------------------------


def _data_pump_directory(looks: Looks, role: SiteRole) -> Verdict:
    step = looks.step
    folder = dump_set.directory_path(step, role)
    host = step.host(role)
    if not host.exists(folder):
        return blocked(
            f"{folder} of the directory {step.site(role).database.data_pump.directory} is missing on {host.label}",
            "Make the folder, for the database's user and for the user of the SSH connection.",
        )
    if host.run(["test", "-w", folder], check=False).exit_code != 0:
        return blocked(f"{folder} cannot be written by the user of {host.label}", "Give this user write access to it.")
    return ok(f"{folder} is there and can be written")


def _export_space(looks: Looks, role: SiteRole) -> Verdict:
    room = dump_set.export_room(looks.step, role)
    return _room(room, looks.step.name(role))


def _import_space(looks: Looks, role: SiteRole) -> Verdict:
    """Before there is a dump set it is taken to be as large as the schema."""
    return _room(dump_set.import_room(looks.step, looks.schema_bytes), looks.step.name(role))


def _room(room: dump_set.Room, site: str) -> Verdict:
    what = f"{room.folder} has {size_text(room.free)} free, up to {size_text(room.needed)} needed"
    if room.fits:
        return ok(what)
    return blocked(what, f"Make room at {site}, or point the directory object to another file system.")


def _tablespace(looks: Looks, role: SiteRole) -> Verdict:
    """The Info Mart's owner tells its tablespace; the schema that is replaced gives its room back."""
    step = looks.step
    if role in looks.without_owner:
        return not_looked_at(f"{step.schema} does not log in at {step.name(role)} yet, which tells the tablespace")
    name = str(step.info_mart(role).select("own_account")[0]["default_tablespace"])
    found = step.dba(role).select("tablespace_free", tablespace_name=name)
    if not found:
        return blocked(f"tablespace {name} has no data file", f"Add a data file to {name}.")
    row = found[0]
    growth = max(int(row["max_bytes"]) - int(row["bytes"]), 0)
    room = int(row["free_bytes"]) + growth + dump_set.schema_bytes(step, role)
    what = f"tablespace {name} can take {size_text(room)}, the schema has {size_text(looks.schema_bytes)}"
    if room >= looks.schema_bytes:
        return ok(what)
    return blocked(what, f"Add data files to {name} at {step.name(role)}, or let them grow.")


def undo_verdict(retention: int, export: estimates.Span) -> Verdict:
    """Whether the export can read as of its SCN to its end.

    :param retention: UNDO_RETENTION in seconds.
    :param export: how long it may take.
    """
    what = f"undo_retention is {retention} s, the export takes {export.text()}"
    cure = "ALTER SYSTEM SET undo_retention, with an undo tablespace that can hold it; ORA-01555 spoils an export."
    if retention < export.low:
        return blocked(what, cure)
    return ok(what) if retention >= export.high else warning(what, cure)


def _undo(looks: Looks, role: SiteRole) -> Verdict:
    step = looks.step
    return undo_verdict(int(step.dba(role).value("undo_retention") or 0), looks.estimate.export)


def _trail_space(looks: Looks, role: SiteRole) -> Verdict:
    """Trails are kept from the capture until they are applied; they are not larger than the redo."""
    step = looks.step
    folder = f"{step.site(role).goldengate.home}/dirdat"
    return space_verdict(
        f"{folder} at {step.name(role)}", step.host(role).free_space(folder), looks.redo_rate, _kept_for(looks)
    )


def _kept_for(looks: Looks) -> estimates.Span:
    """How long changes may have to be kept."""
    if looks.copies:
        return looks.estimate.copy
    # A standby that follows: half a day of a cut link.
    return estimates.Span(3600, 12 * 3600)


def space_verdict(what: str, free: int, rate: float, kept: estimates.Span) -> Verdict:
    """Whether changes of some time have room.

    :param rate: bytes of redo a second.
    :param kept: for how long.
    """
    need = rate * kept.high
    said = (
        f"{what} has {size_text(free)}; redo of {size_text(rate)}/s for up to {estimates.duration(kept.high)} comes to "
        f"{size_text(need)}"
    )
    cure = "Make room, or copy in a quiet hour."
    if free >= need:
        return ok(said)
    return (blocked if free < rate * kept.low else warning)(said, cure)


def _redo_space(looks: Looks, role: SiteRole) -> Verdict:
    rows = looks.step.dba(role).select("recovery_area")
    if not rows or not int(rows[0]["space_limit"] or 0):
        return not_looked_at("archived redo does not go into a recovery area", "Look at the archive destination.")
    row = rows[0]
    free = int(row["space_limit"]) - int(row["space_used"]) + int(row["space_reclaimable"])
    return space_verdict(f"the recovery area {row['name']}", free, looks.redo_rate, _kept_for(looks))


DIRECTORY = Check(
    "data_pump_directory",
    "Data Pump's directory object exists, its folder is there and can be written",
    _data_pump_directory,
    needs=("dba_connection", "database_host"),
)
EXPORT_SPACE = Check(
    "export_space",
    "Free space of the source's directory against the size of the schema",
    _export_space,
    needs=("dba_connection", "database_host", "data_pump_directory"),
)
IMPORT_SPACE = Check(
    "import_space",
    "Free space of the target's directory against the size of the schema, with transfer.space_factor",
    _import_space,
    needs=("dba_connection", "database_host", "data_pump_directory"),
    of_source=("dba_connection",),
)
TABLESPACE = Check(
    "tablespace",
    "Room of the Info Mart's tablespace at the target against the size of the schema",
    _tablespace,
    needs=("dba_connection", "info_mart_connection"),
    of_source=("dba_connection",),
)
UNDO = Check(
    "undo_retention",
    "undo_retention at the source against the estimated time of the export",
    _undo,
    needs=("dba_connection", "goldengate_connection"),
)
TRAIL_SPACE = Check(
    "trail_space",
    "Free space of dirdat against the redo that is written while the copy is made, or in 12 hours of a cut link",
    _trail_space,
    needs=("database_host", "goldengate"),
    of_source=("dba_connection", "goldengate_connection"),
)
REDO_SPACE = Check(
    "redo_space",
    "Room for archived redo at the source against the same (V$RECOVERY_FILE_DEST, V$ARCHIVED_LOG)",
    _redo_space,
    needs=("dba_connection", "goldengate_connection"),
)


# -- transfer --------------------------------------------------------------------------------------


def _rsync(looks: Looks, role: SiteRole) -> Verdict:
    step = looks.step
    if step.topology.transfer.method == "relay":
        return not_looked_at("files travel through Airflow's machine (transfer.method is relay)")
    program = step.topology.transfer.rsync
    done = step.host(role).run([program, "--version"], check=False)
    found = re.search(r"version\s+v?(\d+)\.(\d+)(\.\d+)?", done.stdout)
    if found is None:
        return blocked(
            f"{program} does not start on {step.site(role).database.host}: "
            f"{(done.stderr or done.stdout).strip()[-200:] or f'exit code {done.exit_code}'}",
            "Install rsync there, correct transfer.rsync, or set transfer.method to relay.",
        )
    if int(found[1]) < 3:
        return blocked(f"{program} is {found[0]}", "Install rsync 3.0 or later.")
    return ok(f"rsync {found[0]}")


def known_host_faults(text: str, address: str, port: int, key_type: str, key: str) -> Iterator[str]:
    """What is wrong with a host's entry in a known_hosts file, hashed entries included.

    :param text: the file.
    :param key_type: ``ssh-ed25519`` and the like, with :param key: in base64, of the key that Airflow knows.
    """
    from io import StringIO

    import paramiko
    from paramiko.hostkeys import HostKeyEntry, InvalidHostKey

    wanted = address if port == 22 else f"[{address}]:{port}"
    entries = paramiko.HostKeys()
    for line in StringIO(text):
        try:
            entry = HostKeyEntry.from_line(line.strip()) if line.strip() and not line.startswith("#") else None
        except (InvalidHostKey, paramiko.SSHException):
            # A line that cannot be read helps nobody; the others count.
            entry = None
        if entry is not None and entry.hostnames and entry.key is not None:
            for name in entry.hostnames:
                entries.add(name, entry.key.get_name(), entry.key)
    found = entries.lookup(wanted)
    if not found:
        yield f"there is no host key of {wanted}"
    elif key_type in found and found[key_type].get_base64() != key:
        yield f"the {key_type} host key of {wanted} is another one than Airflow's connection has"


def _transfer_route(looks: Looks, role: SiteRole) -> Verdict:
    """The way of the dump set from host to host: it is in the topology, the port answers, both keys are there."""
    step = looks.step
    topology = step.topology
    if topology.transfer.method == "relay":
        return not_looked_at("files travel through Airflow's machine (transfer.method is relay)")
    source, target = step.site("source").database.host, step.site("target").database.host
    reach = topology.reach(target, step.name("source"))
    if reach is None:
        return blocked(
            f"the topology does not say how {step.name('source')} reaches {target}",
            f"Add hosts.{target}.seen_from.{step.name('source')}, or set transfer.method to relay.",
        )
    host, settings = step.host("source"), topology.host(source)
    door = fencing.Door(f"SSH of {target}", reach.address, reach.ssh_port)
    done = host.run(["bash", "-s"], stdin=fencing.knock_script([door], topology.fencing.timeout), check=False)
    state = fencing.parse_knocks(done.stdout + done.stderr, [door])[0]
    if state not in ("answers", "open"):
        return blocked(
            f"{door} is {state}, seen from {source}",
            "Open the port between the database hosts, correct seen_from, or set transfer.method to relay.",
        )
    wrong = []
    if settings.transfer_key and not host.exists(settings.transfer_key):
        wrong.append(f"the key {settings.transfer_key} is missing on {source}")
    file = settings.known_hosts or ".ssh/known_hosts"
    text = host.read_file(file) if host.exists(file) else ""
    known = connection(topology.host(target).ssh_connection).extra_dejson.get("host_key")
    words = str(known or "").split()
    if len(words) == 1:
        words = ["ssh-rsa", *words]
    if len(words) >= 2:
        wrong += [
            f"{each} ({file} on {source})"
            for each in known_host_faults(text, reach.address, reach.ssh_port, words[0], words[1])
        ]
    cure = f"Put key and known host into place on {source}; rsync asks no questions and accepts no unknown host."
    return faults(wrong, f"{source} reaches {target} at {reach.address}:{reach.ssh_port} and knows its key", cure)


RSYNC = Check("rsync", "rsync starts on both database hosts, 3.0 or later", _rsync, needs=("database_host",))
ROUTE = Check(
    "transfer_route",
    "The source's database host reaches the target's: port, private key, and a known host key equal to Airflow's",
    _transfer_route,
    needs=("database_host",),
    once=True,
)


# -- replication -----------------------------------------------------------------------------------


def _supplemental_logging(looks: Looks, role: SiteRole) -> Verdict:
    return faults(
        setup.database_faults(looks.step, role),
        "ARCHIVELOG, minimal supplemental logging",
        "Do what is named, as a DBA; ARCHIVELOG mode needs a restart of the database.",
    )


def _schema_logging(looks: Looks, role: SiteRole) -> Verdict:
    from infomart_dr.hooks.goldengate_parameters import is_excluded

    step = looks.step
    release = step.topology.info_mart.release
    if step.ggsci(role).schema_trandata_enabled(step.schema, lambda table: not is_excluded(release, table)):
        return ok(f"supplemental logging of {step.schema} is on")
    return blocked(
        f"supplemental logging of {step.schema} is off",
        f"ADD SCHEMATRANDATA {step.schema} in ggsci (ADD TRANDATA before 12c): changed rows cannot be found otherwise.",
    )


def _parameter_files(looks: Looks, role: SiteRole) -> Verdict:
    step = looks.step
    differing = [
        f"{step.name(file.role)}: {file.path} {'is not as rendered' if file.there is not None else 'is missing'}"
        for file in replication.parameter_files(step)
        if not file.right and (looks.copies or _in_use(step, file))
    ]
    if looks.copies:
        return ok(f"{len(differing)} file(s) would be written" if differing else "as rendered")
    cure = (
        "Compare the exclusion lists and settings with those that infomart-dr renders; stop the group, write the file, "
        "start the group."
    )
    return faults(differing, "the files in use are as rendered, exclusion lists among them", cure)


def _in_use(step: Step, file: replication.ParameterFile) -> bool:
    """Whether a file belongs to the direction in which the target follows the source."""
    groups = step.site(file.role).goldengate.groups
    used = (groups.extract, groups.pump) if file.role == "source" else (groups.replicat,)
    return file.path.rpartition("/")[2] in {"GLOBALS", *(f"{name.lower()}.prm" for name in used)}


def group_verdict(name: str, info: Any) -> Verdict:
    """Status, lag and time since the checkpoint of a group, judged together.

    :param info: :class:`~infomart_dr.hooks.parse_ggsci.GroupInfo`; None: there is no such group.
    """
    cure = f"VIEW REPORT {name} in ggsci, correct what it names, START {name}."
    if info is None:
        return blocked(f"there is no {name}", "Run infomart_setup_replication.")
    if info.status != "RUNNING":
        return blocked(f"{name} is {info.status}", cure)
    behind = (info.lag or 0) + (info.updated_ago or 0)
    if behind > LAG_LIMIT:
        return warning(f"{name} is RUNNING and {behind} s behind", "Find out why: link, load or a lock.")
    return ok(f"{name} RUNNING, {behind} s behind")


def _groups(looks: Looks, role: SiteRole) -> list[Verdict]:
    step = looks.step
    groups, ggsci = step.site(role).goldengate.groups, step.ggsci(role)
    names = (groups.extract, groups.pump) if role == "source" else (groups.replicat,)
    return [group_verdict(name, ggsci.info(name)) for name in names]


def _parity(looks: Looks, role: SiteRole) -> Verdict:
    wrong, count = checks.parity_faults(looks.step)
    fine = f"{count} indexes and all constraints, triggers and sequences are equal"
    return faults(wrong, fine, f"Create what is missing at {looks.step.name('target')}, or enable or compile it.")


def _sequences(looks: Looks, role: SiteRole) -> Verdict:
    """Values travel behind the rows: only what is missing is wrong while the source serves."""
    missing, low = checks.sequence_faults(looks.step)
    later = f"; {len(low)} of them are lower for now, as the source serves" if low else ""
    fine = f"every sequence in use is at {looks.step.name('target')}{later}"
    return faults(missing, fine, "Create the sequence at the target, above the highest key; correct sequence_keys.")


def _open_transactions(looks: Looks, role: SiteRole) -> Verdict:
    rows = looks.step.dba(role).select("open_transactions_age")
    old = [
        f"session {row['sid']} of {row['username']} ({row['program'] or 'unknown program'}) since {row['start_time']}"
        for row in rows
        if float(row["seconds"] or 0) > OLD_TRANSACTION
    ]
    cure = "Let them end before the run: it waits for every transaction that began before its capture."
    return faults(old, f"none of {len(rows)} open transaction(s) is old", cure, "warning")


SUPPLEMENTAL = Check(
    "supplemental_logging",
    "ARCHIVELOG mode, minimal supplemental logging, enable_goldengate_replication",
    _supplemental_logging,
    needs=("dba_connection",),
)
SCHEMA_LOGGING = Check(
    "schema_logging",
    "Supplemental logging of the Info Mart's schema, by ggsci",
    _schema_logging,
    needs=("goldengate", "dba_connection"),
)
PARAMETERS = Check(
    "parameter_files",
    "Parameter files and GLOBALS against the rendered ones, exclusion lists among them; a copy writes them itself",
    _parameter_files,
    needs=("database_host",),
    once=True,
)
GROUPS = Check(
    "replication",
    f"Extract and pump of the source, Replicat of the target: RUNNING, less than {LAG_LIMIT} s behind",
    _groups,
    needs=("goldengate",),
)
PARITY = Check(
    "schema_parity",
    "Indexes, constraints, triggers, sequences and invalid objects are equal at both sites",
    _parity,
    needs=("dba_connection",),
    once=True,
)
SEQUENCES = Check(
    "sequences",
    "Every sequence of the source, and of sequence_keys, is at the target",
    _sequences,
    needs=("dba_connection", "info_mart_connection"),
    once=True,
)
TRANSACTIONS = Check(
    "open_transactions",
    f"Transactions open for more than {OLD_TRANSACTION / 60:.0f} minutes, for which a capture would wait",
    _open_transactions,
    needs=("dba_connection",),
)


# -- jobs, servers, objects ------------------------------------------------------------------------


def _data_pump_jobs(looks: Looks, role: SiteRole) -> list[Verdict]:
    name = looks.step.name(role)
    found = []
    for row in looks.step.dba(role).select("datapump_jobs"):
        job, state = f"{row['owner_name']}.{row['job_name']}", str(row["state"]).strip()
        if state == "NOT RUNNING":
            cure = f"Attach to it and KILL_JOB, or drop its master table {job}."
            found.append(warning(f"the Data Pump job {job} was left behind at {name}", cure))
        else:
            cure = "Let it end: it takes workers, undo and space."
            found.append(blocked(f"the Data Pump job {job} is {state} at {name}", cure))
    return found or [ok("no Data Pump job")]


def _scheduler_jobs(looks: Looks, role: SiteRole) -> Verdict:
    """Jobs of the Info Mart's owner would write into a database that is filled from elsewhere."""
    step = looks.step
    rows = step.dba(role).select("scheduler_jobs_of", owner=step.schema)
    enabled = [f"{row['owner']}.{row['job_name']}" for row in rows if str(row["enabled"]).upper() == "TRUE"]
    return faults(
        [f"the scheduler job {name} is enabled at {step.name(role)}" for name in enabled],
        f"no job of {step.schema} is enabled",
        "DBMS_SCHEDULER.DISABLE it: what it writes here is in no other database.",
        "warning",
    )


def _purge_jobs(looks: Looks, role: SiteRole) -> list[Verdict]:
    found = []
    for idb in looks.step.site(role).idbs:
        for job in looks.step.deployment.purge_jobs(idb):
            # One that runs is no fault: a hold waits for its end.
            state = job.state()
            now = ", and a purge runs now; a hold waits for its end" if state.running else ""
            found.append(ok(f"{idb.name}: {job.key} is {state.words}{now}"))
    return found


def _server_stopped(looks: Looks, role: SiteRole) -> Verdict:
    step = looks.step
    return faults(
        server.server_runs(step, role),
        f"the Info Mart Server at {step.name(role)} is stopped",
        "Stop it, and see that no service starts it by itself: two servers never write for one deployment.",
    )


def _server_serves(looks: Looks, role: SiteRole) -> Verdict:
    step = looks.step
    seen = server.serving(step, role)
    if seen.done:
        return ok(seen.what)
    return warning(seen.what, f"Start the Info Mart Server at {step.name(role)} with run-scheduler true.")


def _server_deployed(looks: Looks, role: SiteRole) -> Verdict:
    step = looks.step
    cure = f"Deploy it, or correct sites.{step.name(role)}.info_mart_server.root."
    return faults(setup.deployment_faults(step, role), step.site(role).info_mart_server.root, cure)


def _manual_start(looks: Looks, role: SiteRole) -> Verdict:
    step = looks.step
    settings = step.site(role).info_mart_server
    if not settings.manual_start_check:
        return not_looked_at(
            "how the server's service starts is not published, and the site has given no command",
            f"Give sites.{step.name(role)}.info_mart_server.manual_start_check, or look at the service by hand.",
        )
    done = step.host(role, "gim").run(settings.manual_start_check, check=False)
    said = (done.stdout + done.stderr).strip()[-200:] or f"exit code {done.exit_code}"
    if done.exit_code == 0:
        return ok(said)
    return blocked(
        f"the Info Mart Server's service at {step.name(role)} starts by itself: {said}",
        "Set the service to start manually: a host that restarts would start a second Info Mart Server.",
    )


def _access_points(looks: Looks, role: SiteRole) -> Verdict:
    """DAPs of a site; the serving server has its own Info Mart's and no other's."""
    step = looks.step
    if step.site(role).configuration.backend == "manual":
        return not_looked_at("a person changes Application objects here (configuration.backend is manual)")
    wrong = list(setup.access_point_faults(step, role, asked=role))
    if wrong:
        return faults(wrong, "", "Create the DAPs that are named, or correct the topology.")
    backend = step.configuration(role)
    site = step.site(role)
    for dap in (site.info_mart_server.dap, *(idb.dap for idb in site.idbs)):
        found = backend.read(dap).options.get("gim-etl", {}).get("role", "")
        if (found == "INFO_MART") != (dap == site.info_mart_server.dap):
            wrong.append(f"DAP {dap} has the role {found or 'none'}")
    if role == "source" or step.topology.architecture == "active-active":
        own = {other.info_mart_server.dap for other in step.topology.sites.values()}
        connected = sorted(own & set(backend.read(step.application(role)).connections))
        if connected != [site.info_mart_server.dap]:
            wrong.append(
                f"{step.application(role)} is connected to {', '.join(connected) or 'no Info Mart DAP'}, "
                f"not to {site.info_mart_server.dap} alone"
            )
    fine = f"{site.info_mart_server.dap} and {len(site.idbs)} DAP(s) of IDBs are there, with their roles"
    return faults(wrong, fine, "Correct [gim-etl] role and the connections: INFO_MART is allowed on one connected DAP.")


def site_programs(topology: Topology, site: str, procedure: str) -> dict[str, list[str]]:
    """Programs of a site's hosts that a procedure starts, by host."""
    settings = topology.sites[site]
    found: dict[str, list[str]] = {settings.info_mart_server.host: ["pgrep"]}

    def add(host: str, program: str) -> None:
        found.setdefault(host, [])
        if program not in found[host]:
            found[host].append(program)

    if topology.raa.enabled and procedure != "database_transfer":
        add(settings.info_mart_server.host, topology.raa.java)
    if topology.info_mart.jobs.backend == "command" and procedure == "failover":
        add(settings.info_mart_server.host, topology.info_mart.jobs.command[0])
    reports = settings.reports
    if reports is not None and reports.backend == "command" and reports.host:
        for words in (reports.start, reports.check):
            add(reports.host, words[0])
    return found


def _programs(looks: Looks, role: SiteRole) -> Verdict:
    step = looks.step
    name = step.name(role)
    missing, count = [], 0
    for host, programs in site_programs(step.topology, name, looks.procedure).items():
        for program in programs:
            count += 1
            done = step.deployment.host_named(host).shell('command -v -- "$1" >/dev/null', program, check=False)
            if done.exit_code != 0:
                missing.append(f"{program} is not in the path on {host}")
    if step.topology.raa.enabled and looks.procedure != "database_transfer":
        root, jar = step.site(role).info_mart_server.root, step.topology.raa.jar
        path = jar if jar.startswith("/") else f"{root}/{jar}"
        count += 1
        if not step.host(role, "gim").exists(path):
            missing.append(f"{path} is missing on {step.site(role).info_mart_server.host}")
    return faults(missing, f"{count} program(s) are there", "Install what is named, or correct the topology.")


def _lock(looks: Looks, role: SiteRole) -> Verdict:
    holder = looks.step.lock.holder()
    if holder is None:
        return ok("nobody holds the deployment's lock")
    return blocked(f"the deployment is locked by {holder}", "Wait until that run has ended, or end it.")


def _doors(looks: Looks, role: SiteRole) -> list[Verdict]:
    """The doors of a site that lives must answer, or their silence would prove nothing after its loss."""
    step = looks.step
    found = []
    for place in ("airflow", "survivor"):
        answers = fencing.knocks(step, role, place)
        silent = [str(answer.door) for answer in answers if answer.state not in ("answers", "open")]
        found.append(
            faults(
                [f"{door} gives no answer, seen from {fencing.name(place)}" for door in silent],
                f"{len(answers)} doors answer, seen from {fencing.name(place)}",
                "Start what is down, open the port, or correct seen_from: silence there proves nothing otherwise.",
                "warning",
            )
        )
    return found


DATA_PUMP_JOBS = Check(
    "data_pump_jobs",
    "Data Pump jobs that run, or were left behind (DBA_DATAPUMP_JOBS)",
    _data_pump_jobs,
    needs=("dba_connection",),
)
SCHEDULER_JOBS = Check(
    "scheduler_jobs",
    "Enabled scheduler jobs of the Info Mart's owner at the target, which would write beside the replication",
    _scheduler_jobs,
    needs=("dba_connection",),
)
PURGE_JOBS = Check(
    "purge_jobs",
    "The IDBs' purge jobs are visible to their connection; one that runs would be waited for",
    _purge_jobs,
    needs=("idb_connections",),
)
SERVER_STOPPED = Check(
    "server_stopped",
    "The target's Info Mart Server is stopped: Management Layer, processes, database sessions",
    _server_stopped,
    needs=("server_host", "dba_connection", "management_layer", "configuration"),
)
SERVER_SERVES = Check(
    "server_serves",
    "The source's Info Mart Server runs, with its scheduler on",
    _server_serves,
    needs=("server_host", "management_layer", "configuration"),
)
SERVER_DEPLOYED = Check(
    "server_deployed", "The Info Mart Server's root is on the host", _server_deployed, needs=("server_host",)
)
MANUAL_START = Check(
    "manual_start",
    "No service starts the target's server by itself, by the site's own command (manual_start_check)",
    _manual_start,
    needs=("server_host",),
)
ACCESS_POINTS = Check(
    "access_points",
    "The site's DAPs exist with their roles; the serving server is connected to its own Info Mart's alone",
    _access_points,
    needs=("configuration",),
)
PROGRAMS = Check(
    "programs",
    "pgrep, RAA's java and jar, and the site's own commands are on their hosts",
    _programs,
    needs=("server_host",),
)
LOCK = Check("lock", "No plan holds the deployment's lock", _lock, needs=("goldengate_connection",))
DOORS = Check(
    "doors",
    "The doors of the site that may be lost answer from Airflow's place and from the survivor, as long as it lives",
    _doors,
)


# -- procedures ------------------------------------------------------------------------------------


#: A check of both sites, or of one.
Item = Check | tuple[Check, SiteRole]


def _list(*items: Item) -> list[Planned]:
    return [Planned(item[0], (item[1],)) if isinstance(item, tuple) else Planned(item) for item in items]


def _names(*checks: Check) -> frozenset[str]:
    return frozenset(check.name for check in checks)


_ONCE: SiteRole = "target"
_REACH = (DBA, INFO_MART, GOLDENGATE_USER, IDBS, DATABASE_HOST, SERVER_HOST, MANAGEMENT, CONFIGURATION, GGSCI)
_STATE = (ACCOUNTS, PRIVILEGES, DATABASE_CLOCK, HOST_CLOCKS, DATABASE_RELEASE, GOLDENGATE_RELEASE)
_COPY: tuple[Item, ...] = (
    (INFO_MART_RELEASE, "source"),
    DATA_PUMP_CLIENTS,
    DIRECTORY,
    (EXPORT_SPACE, "source"),
    (UNDO, "source"),
    (IMPORT_SPACE, "target"),
    (TABLESPACE, "target"),
    TRAIL_SPACE,
    (REDO_SPACE, "source"),
    RSYNC,
    (ROUTE, _ONCE),
    SUPPLEMENTAL,
    (TRANSACTIONS, "source"),
    DATA_PUMP_JOBS,
    (SCHEDULER_JOBS, "target"),
    PURGE_JOBS,
    (SERVER_SERVES, "source"),
    (SERVER_STOPPED, "target"),
)
_SERVE: tuple[Item, ...] = (ACCESS_POINTS, (SERVER_DEPLOYED, "target"), (PROGRAMS, "target"), (MANUAL_START, "target"))
_FOLLOW: tuple[Item, ...] = (
    (INFO_MART_RELEASE, "source"),
    SUPPLEMENTAL,
    (SCHEMA_LOGGING, "source"),
    (PARAMETERS, _ONCE),
    GROUPS,
    TRAIL_SPACE,
    (REDO_SPACE, "source"),
    (PARITY, _ONCE),
    (SEQUENCES, _ONCE),
    (SCHEDULER_JOBS, "target"),
    (SERVER_STOPPED, "target"),
)


@dataclass(frozen=True)
class Procedure:
    """Checks of a procedure, and those of them that an active-active deployment has no use for.

    :param failover: the source is the site that may be lost.
    """

    name: str
    planned: Sequence[Planned]
    failover: bool = False
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
            _list(*_REACH, *_STATE, *_FOLLOW, *_SERVE, (LOCK, "target"), (DOORS, "source")),
            failover=True,
            # Nothing is replicated, and the survivor's server runs.
            not_active_active=_names(
                *(GGSCI, GOLDENGATE_RELEASE, SUPPLEMENTAL, SCHEMA_LOGGING, PARAMETERS, GROUPS, TRAIL_SPACE),
                *(REDO_SPACE, PARITY, SEQUENCES, SCHEDULER_JOBS, SERVER_STOPPED, MANUAL_START),
            ),
        ),
        Procedure(
            "switchover", _list(*_REACH, *_STATE, *_FOLLOW, (SERVER_SERVES, "source"), *_SERVE, (LOCK, "source"))
        ),
        Procedure(
            "return_to_normal",
            _list(*_REACH, *_STATE, *_COPY, *_SERVE, (PARAMETERS, _ONCE), (LOCK, "source")),
            # A copy as of one SCN that nothing follows.
            not_active_active=_names(
                GGSCI, GOLDENGATE_RELEASE, SUPPLEMENTAL, PARAMETERS, TRAIL_SPACE, REDO_SPACE, TRANSACTIONS
            ),
        ),
        Procedure("setup_replication", _list(*_REACH, *_STATE, *_COPY, *_SERVE, (PARAMETERS, _ONCE), (LOCK, "source"))),
        Procedure("database_transfer", _list(*_REACH, *_STATE, *_COPY, (PARAMETERS, _ONCE), (LOCK, "source"))),
    )
}


def all_checks() -> list[Check]:
    """Every check, each once, in the order in which they are run."""
    return list(dict.fromkeys(planned.check for each in PROCEDURES.values() for planned in each.planned))


def table_of_checks() -> str:
    """All checks as a Markdown table, with the procedures that have them."""
    lines = ["| check | looks at | " + " | ".join(PROCEDURES) + " |", "|---" * (2 + len(PROCEDURES)) + "|"]
    for check in all_checks():
        cells = []
        for procedure in PROCEDURES.values():
            roles = {role for each in procedure.planned if each.check is check for role in each.roles}
            cells.append("pair" if check.once and roles else "both" if roles == set(BOTH) else "".join(roles))
        lines.append(f"| `{check.name}` | {check.looks_at} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def fitting(topology: Topology) -> list[tuple[str, str, str]]:
    """Procedures that the roles of a topology call for, each with source and target.

    A new site calls for those that fill it, a standby for those that make it serve.
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


def estimated_times(looks: Looks, findings: Sequence[Finding]) -> dict[str, str]:
    """The parts of the estimate; empty when the databases that it comes from could not be asked.

    They are not asked again then: a wrong password that is tried too often locks the account.
    """
    sites = {looks.step.name("source"), looks.step.name(looks.step.keeper)}
    asked = ("dba_connection", "goldengate_connection")
    if any(each.check in asked and each.site in sites and each.level != "ok" for each in findings):
        return {}
    try:
        estimated = looks.estimate
    except InfoMartError:
        # The checks that it serves have said why.
        return {}
    replicated = looks.step.topology.architecture == "active-standby"
    return {name: span.text() for name, span in estimates.parts(looks.procedure, estimated, replicated).items()}
