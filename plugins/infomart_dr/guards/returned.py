"""Questions about lost sites, and about servers where none may run: doors, processes, sessions, groups, ICONs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from infomart_dr.deployment import Deployment
from infomart_dr.errors import InfoMartError, UnexpectedReplyError
from infomart_dr.guards import fencing
from infomart_dr.guards.admission import IMMUNE, refusals
from infomart_dr.guards.fencing import Answer, Endpoint
from infomart_dr.guards.loss_reading import epoch
from infomart_dr.guards.machines import only_of, server_sessions, sessions_text
from infomart_dr.hooks.connections import connection
from infomart_dr.hooks.parse_ggsci import ProgramStatus
from infomart_dr.hooks.processes import pgrep
from infomart_dr.topology import Role, Topology
from infomart_dr.values import Row

T = TypeVar("T")

#: Port of a listener, where the connection names none.
_LISTENER = 1521


@dataclass
class AtLostSite:
    """The answers of a lost site. A part that gave none is an error in its place; mostly nothing answers.

    :param doors: endpoints that answered, as sentences.
    :param alive: at least one endpoint proves life.
    """

    doors: list[str] = field(default_factory=list)
    alive: bool = False
    processes: list[str] | InfoMartError = field(default_factory=list)
    sessions: list[Row] | InfoMartError = field(default_factory=list)
    groups: list[ProgramStatus] | InfoMartError = field(default_factory=list)


def _attempt(question: Callable[[], T]) -> T | InfoMartError:
    try:
        return question()
    except InfoMartError as error:
        return error


def doors_of(topology: Topology, site: str, seen_by: str | None) -> list[Endpoint]:
    """Endpoints of a lost site; from Airflow's machine also the listeners of its IDBs.

    :param seen_by: the site from whose hosts they are reached; None: from Airflow's machine.
    """
    found = fencing.site_endpoints(topology, topology.sites[site], seen_by)
    if seen_by is None:
        for idb in topology.sites[site].idbs:
            try:
                listener = connection(idb.connection)
            except InfoMartError:
                continue
            place = str(listener.host or ""), int(listener.port or _LISTENER)
            if place[0] and all(place != (other.host, other.port) for other in found):
                found.append(Endpoint(f"listener of IDB {idb.name}", *place))
    return found


def _answers(deployment: Deployment, site: str, serving: Iterable[str]) -> list[Answer]:
    topology = deployment.topology
    timeout = topology.fencing.timeout
    found: list[Answer] = []

    def from_airflow() -> list[Answer]:
        targets = doors_of(topology, site, None)
        with ThreadPoolExecutor(max(len(targets), 1)) as pool:
            states = pool.map(lambda endpoint: fencing.probe_endpoint(endpoint, timeout), targets)
            return [Answer(target, "airflow", state) for target, state in zip(targets, states, strict=True)]

    def from_site(name: str) -> list[Answer]:
        targets = doors_of(topology, site, name)
        states = fencing.probe_from(deployment.host(name), targets, timeout)
        return [Answer(target, "survivor", state) for target, state in zip(targets, states, strict=True)]

    asked: list[Callable[[], list[Answer]]] = [from_airflow, *(lambda name=name: from_site(name) for name in serving)]
    with ThreadPoolExecutor(len(asked)) as pool:
        for answers in pool.map(_attempt, asked):
            # A place that cannot probe proves nothing; its host is a finding of its own.
            found += [] if isinstance(answers, InfoMartError) else answers
    return found


def server_processes(deployment: Deployment, site: str) -> list[str]:
    """Processes of the Info Mart Server on a site's host.

    :raises InfoMartError: the host cannot be asked.
    """
    server = deployment.site(site).info_mart_server
    done = deployment.host(site, "gim").run(pgrep(server.process_pattern), check=False)
    if done.exit_code not in (0, 1):
        raise UnexpectedReplyError(
            f"pgrep on {server.host} ended with {done.exit_code}: {done.stderr.strip()[:200]}",
            "Install pgrep there, or correct info_mart_server.process_pattern.",
        )
    return done.stdout.split() if done.exit_code == 0 else []


def ask_lost_site(deployment: Deployment, site: str, serving: list[str]) -> AtLostSite:
    """Ask a lost site from Airflow and from the sites that serve.

    While no endpoint proves life, nothing else is asked.
    """
    topology = deployment.topology
    refused = topology.fencing.refused_is_alive
    alive = [answer for answer in _answers(deployment, site, serving) if answer.is_alive(refused)]
    doors: dict[Endpoint, None] = dict.fromkeys(answer.endpoint for answer in alive)
    found = AtLostSite(_shown(doors), bool(alive))
    if not alive:
        return found
    asked: list[Callable[[], object]] = [
        lambda: server_processes(deployment, site),
        lambda: server_sessions(deployment.dba(site), topology),
        lambda: deployment.ggsci(site).info_all(),
    ]
    with ThreadPoolExecutor(len(asked)) as pool:
        found.processes, found.sessions, found.groups = pool.map(_attempt, asked)
    return found


def _shown(doors: Iterable[Endpoint]) -> list[str]:
    """Each kind of door once: the survivor and Airflow may reach it at different addresses."""
    kinds: dict[str, Endpoint] = {}
    for endpoint in doors:
        kinds.setdefault(endpoint.what, endpoint)
    return [str(endpoint) for endpoint in kinds.values()]


def server_signs(topology: Topology, site: str, processes: list[str], sessions: list[Row]) -> list[str]:
    """Signs of a site's Info Mart Server, with the machine."""
    host = topology.sites[site].info_mart_server.host
    found = [f"process {' '.join(processes)} on {host}"] if processes else []
    if sessions:
        found.append(f"in the database of {site}: {sessions_text(sessions)}")
    return found


def last_events(deployment: Deployment, lost: str, roles: Mapping[str, Role]) -> dict[str, int]:
    """Last event by remaining IDB of the data sources that are at a lost site only; an IDB without an answer is left
    out."""
    topology, found = deployment.topology, {}
    for name, site in topology.sites.items():
        if roles[name] in ("failed", "new"):
            continue
        for idb in site.idbs:
            if (idb.source_site or name) != lost or not idb.schema_name:
                continue
            # An IDB that gives no answer proves nothing.
            with suppress(InfoMartError):
                answer = deployment.oracle(idb.connection).value("idb_last_event", {"schema": idb.schema_name})
                if (last := epoch(answer)) is not None:
                    found[f"{name}/{idb.name}"] = last
    return found


# -- the serving Info Mart -----------------------------------------------------------------------------


@dataclass
class Writers:
    """Sessions of Info Mart Servers in a serving Info Mart.

    :param own: machines that are the site's, or the only ones there.
    :param foreign: sessions by machine of another site's server, with that site.
    :param unknown: sessions by machine, where several machines have sessions and one is nobody's.
    """

    own: list[str] = field(default_factory=list)
    foreign: dict[str, tuple[str, list[Row]]] = field(default_factory=dict)
    unknown: dict[str, list[Row]] = field(default_factory=dict)


def writers_at(deployment: Deployment, site: str, seen: dict[str, list[str]]) -> Writers:
    """Info Mart Servers that have sessions in a serving Info Mart.

    :param seen: machines by site, from earlier surveys.
    """
    topology = deployment.topology
    by_machine: dict[str, list[Row]] = {}
    for row in server_sessions(deployment.dba(site), topology):
        if row["machine"]:
            by_machine.setdefault(str(row["machine"]), []).append(row)
    known = {name: only_of(topology, name, seen) for name in topology.sites}
    found = Writers()
    nobodys: dict[str, list[Row]] = {}
    for machine, rows in by_machine.items():
        whose = [name for name, machines in known.items() if machines.has(machine)]
        if whose == [site]:
            found.own.append(machine)
        elif len(whose) == 1:
            found.foreign[machine] = whose[0], rows
        else:
            nobodys[machine] = rows
    if nobodys and not found.own and len(nobodys) == 1:
        found.own += nobodys
    elif nobodys:
        found.unknown = nobodys
    return found


def admission_at(deployment: Deployment, site: str, lost: str, seen: dict[str, list[str]]) -> tuple[bool, str]:
    """The serving database refuses the server of a lost site; else the reason why it does not."""
    topology = deployment.topology
    if not topology.fencing.refuse_lost_site:
        return False, ""
    schema = topology.info_mart.schema_name
    held = {str(row["privilege"]) for row in deployment.info_mart(site).select("privileges")}
    if IMMUNE in held:
        return False, f"{schema} has {IMMUNE}, so no trigger refuses it"
    there = refusals(deployment.dba(site), schema)
    machines = only_of(topology, lost, seen)
    if not machines:
        return False, f"no name tells the machine of {lost} apart (info_mart_server.machines)"
    if any(each.covers(machines) for each in there):
        return True, ""
    if not there:
        return False, "there is no trigger"
    faulty = next((each for each in there if not (each.enabled and each.valid)), None)
    if faulty is not None:
        return False, f"the trigger of {faulty.owner} is {'invalid' if faulty.enabled else 'disabled'}"
    return False, f"the trigger names other machines than {machines}"
