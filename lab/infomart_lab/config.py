"""The lab's sites, hosts, ports, folders, users and passwords.

Everything else in the lab takes its addresses and folders from here. The configuration is one file,
``<home>/lab.json`` (mode 0600), written once by :func:`create` and read by every process of the lab. Dataclasses and
no pydantic: each call of a stand-in imports this module, and pydantic takes longer than all the rest of a call.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

#: Environment variable with the lab's home, for every process of the lab and every stand-in.
HOME_VARIABLE = "INFOMART_LAB_HOME"
#: Environment variable with a stand-in's host; the lab's SSH server sets it.
HOST_VARIABLE = "INFOMART_LAB_HOST"

SITES = ("site1", "site2", "site3")
#: Hosts of a site: ``db`` has the database, Data Pump and GoldenGate; ``gim`` the Info Mart Server.
HOST_KINDS = ("db", "gim")

#: Alias of GoldenGate's database user in each site's credential store.
GOLDENGATE_ALIAS = "ggate"
#: Alias and name of GoldenGate's common user in the root of a CDB.
ROOT_ALIAS = "ggroot"
ROOT_USER = "C##GGATE"
ROOT = "CDB$ROOT"

#: Offsets of a site's own ports inside its block of 100.
PORT_OFFSETS = {
    "postgres": 0,
    "oracle": 1,
    "ssh-db": 2,
    "ssh-gim": 3,
    "manager": 4,
    "gax": 5,
    "config": 6,
}
#: Services of a site that other sites reach, each through a link of its own.
LINKED_SERVICES = ("postgres", "oracle", "ssh-db", "ssh-gim", "manager", "gax", "config")

Wording = Literal["11.2", "19c", "21c"]
Architecture = Literal["active-standby", "active-active"]
Role = Literal["active", "standby", "failed", "new"]
#: Mechanism that starts the purge of an IDB.
PurgeMechanism = Literal["dbms_scheduler", "dbms_job", "cron", "command"]


@dataclass(kw_only=True)
class DataSource:
    """A T-Server: calls happen at ``site``; each ICON of its HA pair writes to the IDB at one of ``idb_sites``.

    With one IDB site only there is no HA pair: what that site loses is lost.
    """

    name: str
    #: DATA_SOURCE_KEY in CTL_DS and CTL_EXTRACT_HWM.
    key: int
    site: str
    idb_sites: list[str]
    #: Share of the call rate that this data source gets.
    share: float = 1.0
    #: Mechanism that starts the purge of its IDBs.
    purge: PurgeMechanism = "dbms_scheduler"

    @property
    def schema_name(self) -> str:
        """Owner of the IDB's tables, in upper case as Oracle shows it."""
        return f"ICON_{self.name.upper()}"


@dataclass(kw_only=True)
class Site:
    """One site and the words that its Oracle software uses."""

    name: str
    #: Wording of ggsci, ggserr.log and of the Oracle database's messages.
    goldengate: Wording = "19c"
    data_pump: Wording = "19c"
    #: GoldenGate's database user and schema here; another site may have another name for it.
    goldengate_schema: str = "GGATE"
    #: The Info Mart's database is this PDB of a CDB; None: the site has no CDB.
    pdb: str | None = None
    #: Redo of the site's database: its threads (instances of a RAC), and whether its files are in ASM.
    redo_threads: int = 1
    redo_in_asm: bool = False
    #: The objects of trigger-based DDL, which a classic Extract needs.
    ddl_objects: bool = True
    #: mgr.prm starts all groups with the Manager, and again after an abend.
    autostart: bool = False
    #: ``up`` starts the site's processes; off for a lost site, and for one that is not built yet.
    present: bool = True
    #: ``up`` starts this site's Info Mart Server.
    server_running: bool = False
    #: ``up`` creates and fills the Info Mart schema; else only the empty user exists.
    info_mart: bool = True
    #: Release of the Info Mart Server's Java; before 9 (``1.8.0_392``) it reads no argument file.
    java: str = "11.0.22"
    #: Oracle's UNDO_RETENTION: seconds for which a snapshot is held for FLASHBACK_SCN.
    undo_retention: int = 900


@dataclass(kw_only=True)
class LabConfig:
    """The whole lab."""

    home: Path
    base_port: int = 21000
    #: Interactions that INTERACTION_FACT holds at the start.
    scale: int = 5000
    #: Calls a second, over all data sources.
    rate: float = 50.0
    release: str = "8.1.4"
    architecture: Architecture = "active-standby"
    #: Facts go into partitions that Job_MaintainGIM makes in advance; without one for now nothing is loaded.
    partitioned: bool = False
    #: Roles that an administrator has set, by site; the topology shows them in place of those of the start.
    roles: dict[str, Role] = field(default_factory=dict)
    #: A real sshd serves the hosts, instead of the stand-in.
    real_ssh: bool = False
    info_mart_schema: str = "GIM"
    sites: dict[str, Site]
    data_sources: list[DataSource]
    #: ``{"site2": {"SYSTEM": "...", "GIM": "...", ...}}``; also ``gax`` for the Management Layer's user.
    passwords: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def active_site(self) -> str:
        """The site that serves at the start; of an active-active deployment the first one."""
        return next((name for name, site in self.sites.items() if site.server_running), next(iter(self.sites)))

    # -- addresses -------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """Every part of the lab listens on loopback only."""
        return "127.0.0.1"

    def port(self, site: str, service: str) -> int:
        """Port on which ``service`` of ``site`` itself listens.

        :param site: ``site1`` to ``site3``.
        :param service: a key of :data:`PORT_OFFSETS`.
        """
        return self.base_port + 100 * SITES.index(site) + PORT_OFFSETS[service]

    def link_port(self, source: str, target: str, service: str) -> int:
        """Port by which processes of site ``source`` reach ``service`` of site ``target``.

        Within one site it is the service's own port; between sites it is the proxy's, so that the link
        can be delayed, throttled and cut.
        """
        if source == target:
            return self.port(target, service)
        return (
            self.base_port + 100 * SITES.index(source) + 30 + 10 * SITES.index(target) + LINKED_SERVICES.index(service)
        )

    def all_ports(self) -> dict[int, str]:
        """Every port the lab may listen on, with what it is for."""
        ports: dict[int, str] = {}
        for site in SITES:
            for service in PORT_OFFSETS:
                ports[self.port(site, service)] = f"{service} of {site}"
            for target in SITES:
                if target != site:
                    for service in LINKED_SERVICES:
                        ports[self.link_port(site, target, service)] = f"link {site} to {target} ({service})"
        return ports

    # -- names -----------------------------------------------------------------------------------

    def service_name(self, site: str, database: str = "gim") -> str:
        """Oracle service name, as ``GIM2``: ``database`` is ``gim`` (Info Mart), ``idb`` or ``cdb`` (the root)."""
        return f"{database.upper()}{site.removeprefix('site')}"

    def databases(self, site: str) -> tuple[str, ...]:
        """PostgreSQL databases of a site; ``cdb`` stands for the root of a CDB."""
        return ("gim", "idb", "cdb") if self.sites[site].pdb else ("gim", "idb")

    def container(self, site: str, database: str = "gim") -> str | None:
        """Container of a database of a CDB; None where there is none."""
        return {"gim": self.sites[site].pdb, "cdb": ROOT}.get(database) if self.sites[site].pdb else None

    def default_database(self, site: str) -> str:
        """Database that a login without a service leads to: on the host of a CDB the root."""
        return "cdb" if self.sites[site].pdb else "gim"

    def database_of(self, site: str, service_name: str) -> str | None:
        """PostgreSQL database behind an Oracle service name at ``site``; None for an unknown service."""
        for database in self.databases(site):
            if service_name.upper() == self.service_name(site, database):
                return database
        return None

    def password(self, site: str, user: str) -> str:
        """Password of an Oracle user (upper case) at ``site``."""
        return self.passwords[site][user.upper()]

    def oracle_users(self, site: str, database: str = "gim") -> list[str]:
        """Oracle users of a database."""
        if database == "gim":
            return ["SYSTEM", self.info_mart_schema, self.sites[site].goldengate_schema]
        if database == "cdb":
            return ["SYSTEM", ROOT_USER]
        return ["SYSTEM", *(d.schema_name for d in self.data_sources if site in d.idb_sites)]

    # -- folders ---------------------------------------------------------------------------------

    def site_dir(self, site: str) -> Path:
        return self.home / site

    def host_dir(self, site: str, kind: str) -> Path:
        """Home folder of the host ``kind`` of ``site``; the SSH user's HOME."""
        return self.site_dir(site) / kind

    def bin_dir(self, site: str, kind: str) -> Path:
        """The host's folder of stand-ins, first in PATH over SSH."""
        return self.host_dir(site, kind) / "bin"

    def oracle_home(self, site: str) -> Path:
        return self.host_dir(site, "db") / "oracle"

    def goldengate_home(self, site: str) -> Path:
        return self.host_dir(site, "db") / "ogg"

    def dump_dir(self, site: str) -> Path:
        """Folder behind the directory object GIM_DUMP."""
        return self.host_dir(site, "db") / "dump"

    def server_root(self, site: str) -> Path:
        """Root folder of the Info Mart Server."""
        return self.host_dir(site, "gim") / "gim_server"

    @property
    def log_dir(self) -> Path:
        return self.home / "logs"

    @property
    def run_dir(self) -> Path:
        return self.home / "run"

    @property
    def journal_dir(self) -> Path:
        return self.home / "journal"

    def postgres_dsn(self, site: str, database: str = "gim", *, seen_from: str | None = None) -> str:
        """libpq string of the cluster's superuser; trust authentication, loopback only."""
        port = self.link_port(seen_from or site, site, "postgres")
        return f"host={self.address} port={port} dbname={database} user=postgres"

    # -- file ------------------------------------------------------------------------------------

    @property
    def path(self) -> Path:
        return self.home / "lab.json"

    def save(self) -> None:
        """Write ``lab.json`` in one piece; only the owner can read it."""
        self.home.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file, indent=2, default=str)
        temporary.replace(self.path)


def default_home() -> Path:
    """``$INFOMART_LAB_HOME``, or ``build/lab`` in the checkout."""
    if value := os.environ.get(HOME_VARIABLE):
        return Path(value).resolve()
    return Path(__file__).resolve().parents[2] / "build" / "lab"


def load(home: Path | None = None) -> LabConfig:
    """Read the lab's configuration.

    :raises FileNotFoundError: the lab has not been created under ``home``.
    """
    stored = json.loads(((home or default_home()) / "lab.json").read_text())
    sites = {name: Site(**site) for name, site in stored.pop("sites").items()}
    sources = [DataSource(**source) for source in stored.pop("data_sources")]
    return LabConfig(home=Path(stored.pop("home")), sites=sites, data_sources=sources, **stored)


def change(home: Path, apply: Callable[[LabConfig], None]) -> LabConfig:
    """Change the stored configuration under a lock, so that no change of another process is lost.

    :param apply: changes the configuration in place; when it raises an error, the file stays as it was.
    :returns: the configuration as written.
    """
    with (home / "lab.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        config = load(home)
        apply(config)
        config.save()
    return config


# -- scenarios ------------------------------------------------------------------------------------

Scenario = tuple[dict[str, Site], list[DataSource]]


def _sources(first: str, second: str) -> list[DataSource]:
    """Two data sources, one at each site, with an IDB at either."""
    return [
        DataSource(name=f"TS{site[-1]}", key=100 + int(site[-1]), site=site, idb_sites=[site, other], share=share)
        for site, other, share in ((first, second, 0.7), (second, first, 0.3))
    ]


def _return_to_normal() -> Scenario:
    """site1 is lost, site2 serves alone, site3 is a new site with an empty database."""
    return {
        "site1": Site(name="site1", goldengate="11.2", data_pump="11.2", present=False),
        "site2": Site(name="site2", server_running=True),
        "site3": Site(name="site3", info_mart=False),
    }, _sources("site2", "site3")


def _active_standby() -> Scenario:
    """site1 serves; site2 is to become its standby, and is empty until the set-up has filled it; no site3."""
    return {
        "site1": Site(name="site1", server_running=True),
        "site2": Site(name="site2", info_mart=False),
        "site3": Site(name="site3", present=False, info_mart=False),
    }, _sources("site1", "site2")


def _active_active() -> Scenario:
    """site1 and site2 each have an Info Mart of their own that their own server fills; no site3."""
    return {
        "site1": Site(name="site1", server_running=True),
        "site2": Site(name="site2", server_running=True),
        "site3": Site(name="site3", present=False, info_mart=False),
    }, _sources("site1", "site2")


#: State of a lab at the start, by the scenario's name.
SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "return-to-normal": _return_to_normal,
    "active-standby": _active_standby,
    "active-active": _active_active,
}


def scenario(name: str, *, single_idb: Collection[str] = (), cdb: Collection[str] = ()) -> Scenario:
    """Sites and data sources of a scenario, new at each call.

    :param name: a key of :data:`SCENARIOS`.
    :param single_idb: data sources without an HA pair: their only IDB is at their own site.
    :param cdb: sites whose database is a CDB.
    :raises ValueError: an unknown scenario, data source or site.
    """
    if name not in SCENARIOS:
        raise ValueError(f"unknown scenario {name!r}; there are {', '.join(SCENARIOS)}")
    sites, sources = SCENARIOS[name]()
    if unknown := sorted(set(single_idb) - {source.name for source in sources}):
        raise ValueError(f"unknown data source {', '.join(unknown)}; there are {', '.join(s.name for s in sources)}")
    if unknown := sorted(set(cdb) - set(sites)):
        raise ValueError(f"unknown site {', '.join(unknown)}; there are {', '.join(sites)}")
    if older := sorted(site for site in cdb if sites[site].goldengate == "11.2"):
        raise ValueError(f"{', '.join(older)}: release 11.2 has no CDB")
    for site in cdb:
        sites[site].pdb = f"GIMPDB{site.removeprefix('site')}"
    for source in sources:
        if source.name in single_idb:
            source.idb_sites = [source.site]
    return sites, sources


def create(
    home: Path,
    *,
    base_port: int = 21000,
    scale: int = 5000,
    rate: float = 50.0,
    scenario_name: str = "return-to-normal",
    sites: dict[str, Site] | None = None,
    data_sources: list[DataSource] | None = None,
    release: str = "8.1.4",
    architecture: Architecture | None = None,
    partitioned: bool = False,
    real_ssh: bool = False,
) -> LabConfig:
    """Make a new configuration with random passwords and write it.

    :param scenario_name: gives sites, data sources and architecture where the other parameters do not.
    :raises ValueError: an unknown scenario, or no sshd for ``real_ssh``.
    """
    from infomart_lab import sshd

    if real_ssh and (missing := sshd.missing()):
        raise ValueError(f"a real sshd needs {', '.join(missing)}")
    made_sites, made_sources = scenario(scenario_name)
    config = LabConfig(
        home=home.resolve(),
        base_port=base_port,
        scale=scale,
        rate=rate,
        release=release,
        architecture=architecture or ("active-active" if scenario_name == "active-active" else "active-standby"),
        partitioned=partitioned,
        real_ssh=real_ssh,
        sites=sites or made_sites,
        data_sources=data_sources or made_sources,
    )
    for site in config.sites:
        users = {user for database in config.databases(site) for user in config.oracle_users(site, database)}
        config.passwords[site] = {user: secrets.token_urlsafe(15) for user in sorted(users)}
        config.passwords[site]["GAX"] = secrets.token_urlsafe(15)
    config.save()
    return config


# -- small things that every process of the lab needs ---------------------------------------------


def ready_file(config: LabConfig, part: str, site: str | None = None) -> Path:
    """File that a part touches once it serves; the supervisor waits for it and removes it at a stop."""
    return config.run_dir / (f"{site}-{part}.ready" if site else f"{part}.ready")


def mark_ready(config: LabConfig, part: str, site: str | None = None) -> None:
    path = ready_file(config, part, site)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(os.getpid()))


def fault(config: LabConfig, name: str) -> object | None:
    """Value of a fault switch, None when it is off. Switches are one JSON object in ``faults.json``.

    Names read ``<site>.<program>.<what>``, as ``site3.impdp.fail_index``; each program defines its values.
    """
    try:
        return json.loads((config.home / "faults.json").read_text()).get(name)
    except FileNotFoundError:
        return None


#: Faults of the stand-ins; docs/lab.md has the effect of each.
FAULTS = frozenset(
    {
        *("ssh-db.hang", "ssh-gim.hang"),
        *("oracle.undo_released", "oracle.no_sessions"),
        *("expdp.snapshot_too_old", "expdp.slow", "expdp.disk_full", "expdp.swallows_input", "expdp.other_instance"),
        *("impdp.fail_index", "impdp.slow", "impdp.disk_full", "impdp.swallows_input", "impdp.other_instance"),
        "impdp.compile_warnings",
        *("goldengate.stop_refused", "goldengate.partial_transaction", "goldengate.partial_record"),
        *("goldengate.slow_register", "goldengate.late_abend", "goldengate.log_rollover"),
        *("gim_server.slow_aggregation", "gim_server.autostart", "gim_server.dies"),
        *("gax.refuses", "gax.forgets"),
        *("idb.purge_keep_seconds", "idb.purge_takes_seconds", "idb.purge_every_seconds"),
    }
)


def set_fault(config: LabConfig, name: str, value: object | None) -> None:
    """Switch a fault on (any JSON value) or off (None).

    :raises ValueError: there is no such site or fault.
    """
    site, _, what = name.partition(".")
    if site not in config.sites:
        raise ValueError(f"a fault reads <site>.<program>.<what>, with {', '.join(config.sites)} as site, not {name!r}")
    if what not in FAULTS:
        raise ValueError(f"there is no fault {what!r}; there are {', '.join(sorted(FAULTS))}")
    path = config.home / "faults.json"
    faults = json.loads(path.read_text()) if path.exists() else {}
    if value is None:
        faults.pop(name, None)
    else:
        faults[name] = value
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(faults, indent=1))
    temporary.replace(path)


def port_in_use(port: int, address: str = "127.0.0.1") -> bool:
    """True when something listens on ``address:port``."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return True
    return False
