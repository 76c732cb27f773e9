"""One survey of a deployment: all sites, databases and hosts are asked at the same time, within a time limit.

A part that gives no answer is a finding, and its subjects are not judged. :mod:`infomart_dr.evidence.watching`
judges the answers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ParamSpec, TypeAlias, TypeVar

from infomart_dr.deployment import Deployment
from infomart_dr.errors import InfoMartError, UnreachableError
from infomart_dr.evidence import returned as evidence
from infomart_dr.evidence import service, watching
from infomart_dr.evidence.high_water_marks import with_calls
from infomart_dr.evidence.service import StaleRoles
from infomart_dr.evidence.watch_store import Copy, WatchStore, is_no_table
from infomart_dr.evidence.watching import Finding, Roles, State
from infomart_dr.guards import fencing, returned
from infomart_dr.guards.machines import server_sessions, sessions_text
from infomart_dr.guards.purge_holds import PurgeHolds, needed_from
from infomart_dr.guards.returned import AtLostSite
from infomart_dr.hooks.goldengate_parameters import has_tags
from infomart_dr.hooks.parse_ggsci import LogRecord, ProgramStatus
from infomart_dr.plan import facts
from infomart_dr.plan.ledger import Ledger
from infomart_dr.plan.lock import Holder, PlanLock, Statements
from infomart_dr.times import utc
from infomart_dr.topology import Site, Topology
from infomart_dr.values import JsonObject, Row

if TYPE_CHECKING:
    from infomart_dr.hooks.oracle import InfoMartOracleHook

log = logging.getLogger(__name__)

K = TypeVar("K")
P = ParamSpec("P")
T = TypeVar("T")

#: Seconds between two queries for the marker at the target.
_MARKER_POLL = 0.25
#: Seconds back to which extractions are read: GIDB keeps 14 days by default.
_EXTRACTIONS = 14 * 86_400
#: Threads of one survey; hosts and databases answer at the same time.
_AT_A_TIME = 20


@dataclass
class Survey:
    """The result of a survey.

    :param judged: subjects that gave an answer.
    :param figures: gauges: name, tags, value.
    :param copies: the state at each site whose database was read, by site.
    :param arrived: this deployment's markers that have arrived at a target, by source and target.
    """

    roles: Roles
    began: float
    state: State
    findings: list[Finding] = field(default_factory=list)
    judged: set[str] = field(default_factory=set)
    figures: list[tuple[str, dict[str, str], float]] = field(default_factory=list)
    copies: dict[str, Copy] = field(default_factory=dict)
    arrived: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    #: The newest state before this survey.
    before: State = field(default_factory=State)
    #: Roles that a plan has made and the topology does not have; then nothing is judged by the old ones.
    stale: StaleRoles | None = None
    #: The roles as they are, also those that a running plan has made; lost sites are judged by them.
    now: Roles = field(default_factory=lambda: Roles((), (), (), (), ()))

    @property
    def subjects(self) -> set[str]:
        """All subjects that a complete survey judges."""
        return self.roles.subjects() | self.now.of_lost_sites()

    @property
    def ledger_site(self) -> str | None:
        """The site whose copy decides which Airflow sends the alerts: the first readable one, the active site first."""
        return next((site for site in self.roles.sites if site in self.copies), None)

    def add(self, subject: str, findings: list[Finding]) -> None:
        """Add the findings of a subject that gave an answer."""
        self.judged.add(subject)
        self.findings += findings

    def figure(self, name: str, value: float | None, **tags: str) -> None:
        """Add a gauge, unless it has no value."""
        if value is not None:
            self.figures.append((name, tags, value))


def bounded(topology: Topology) -> Topology:
    """A topology whose time-outs fit into the limits of watching."""
    return topology.answering_within(topology.watch.timeout, "connect", "statement", "command")


class _Asking:
    """Questions asked at the same time, with one deadline."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._pool = ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="survey")

    def __enter__(self) -> _Asking:
        return self

    def __exit__(self, *_: object) -> None:
        # Each thread ends by its own time limits; nobody waits for them here.
        self._pool.shutdown(wait=False, cancel_futures=True)

    def start(self, question: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> Future[T]:
        return self._pool.submit(question, *arguments, **named)

    def answers(self, futures: Mapping[K, Future[T]]) -> dict[K, T | InfoMartError]:
        """The answers of several futures, by key."""
        found = {}
        for key, future in futures.items():
            answer = self.answer(future)
            found[key] = answer
        return found

    def answer(self, future: Future[T]) -> T | InfoMartError:
        """The answer, or the error in its place."""
        wait([future], timeout=max(self._deadline - time.monotonic(), 0.0))
        if not future.done():
            return UnreachableError("no answer within the survey's time limit.", "Check the site's load and network.")
        try:
            return future.result()
        except InfoMartError as error:
            return error
        except Exception as error:
            # An error of this program must not hide the answers of the other sites.
            log.exception("A part of the survey failed")
            return InfoMartError(
                f"the survey itself failed here ({type(error).__name__}: {str(error)[:200]}).",
                "Report it with the task's log; the rest of the survey is valid.",
            )


# -- databases ---------------------------------------------------------------------------------------------


@dataclass
class _AtDatabase:
    """The answer of GoldenGate's schema at a site."""

    copy: Copy
    plan: Holder | None = None
    marker: str | None = None
    marked: float = 0.0
    written: list[tuple[str, float]] = field(default_factory=list)
    asked_at: float = 0.0
    alarms: dict[str, JsonObject] = field(default_factory=dict)
    #: Facts of :func:`infomart_dr.plan.facts.of_service`, of all plans.
    service: list[Row] = field(default_factory=list)


#: By site, the answer of its database, or the error in its place.
_Databases: TypeAlias = Mapping[str, _AtDatabase | InfoMartError]
#: By serving and lost site: whether that site's server is refused, and why not.
_Admissions: TypeAlias = Mapping[tuple[str, str], tuple[bool, str] | InfoMartError]
#: Marks by data source, sources with calls, idle sources.
_Marks: TypeAlias = tuple[dict[int, int], set[int], set[int]]


def _seconds(value: datetime) -> float:
    return utc(value).timestamp()


def _prefix(deployment: str) -> str:
    return f"watch:{deployment}:"


def _markers(session: Statements, schema: str, site: str, deployment: str) -> tuple[list[tuple[str, float]], float]:
    """This deployment's markers that a site wrote, with their times, and the database's own time."""
    rows = session.select("markers", {"schema": schema}, site=site, pattern=f"{_prefix(deployment)}%")
    # In LIKE, _ stands for any character, and a deployment's name may contain one.
    rows = [row for row in rows if str(row["marker_id"]).startswith(_prefix(deployment))]
    asked_at = max((_seconds(row["asked_at"]) for row in rows), default=time.time())
    return [(str(row["marker_id"]), _seconds(row["written_at"])) for row in rows], asked_at


def _read_database(deployment: Deployment, site: str, marks: bool, token: str, ledger: bool = False) -> _AtDatabase:
    """State and lock at a site. At the source of a replication, unless a plan holds the lock, also a new marker row.

    :param marks: the site is the source of a replication.
    :param ledger: the ledger's table is known to exist; otherwise a missing one is created.
    """
    topology, settings = deployment.topology, deployment.site(site)
    schema = settings.goldengate.schema_name
    hook = deployment.goldengate_database(site)
    try:
        with hook.transaction() as session:
            plan = PlanLock(session, schema, topology.name).holder()
            found = _AtDatabase(WatchStore(schema, topology.name).read(session), plan)
            if plan is not None:
                ledger_of_plan = Ledger(session, schema, topology.name, plan.plan_id).all()
                found.alarms = {
                    fact.name.partition(":")[2]: alarm for fact, alarm in ledger_of_plan.of(facts.JOB_ALARM)
                }
            found.service = session.select(
                "ledger_measured", {"schema": schema}, deployment=topology.name, **service.binds()
            )
            if plan is not None or not marks or service.stale_roles(found.service, topology):
                return found
            if _writes_own_markers(settings):
                _mark(session, found, schema, site, topology.name, token)
        if found.marker is None:
            # Before 12c the Extract skips all changes by GoldenGate's own user.
            with deployment.dba(site).transaction() as session:
                _mark(session, found, schema, site, topology.name, token)
    except InfoMartError as error:
        if not is_no_table(error):
            raise
        if ledger:
            return _without_tables(hook, schema, topology.name)
        Ledger(hook, schema, topology.name, "").ensure_table()
        return _read_database(deployment, site, marks, token, ledger=True)
    found.marked = time.monotonic()
    return found


def _writes_own_markers(settings: Site) -> bool:
    return has_tags(settings.goldengate)


def _mark(session: Statements, found: _AtDatabase, schema: str, site: str, deployment: str, token: str) -> None:
    found.marker = f"{_prefix(deployment)}{token}"
    session.execute("marker_put", {"schema": schema}, marker_id=found.marker, site=site, scn=None)
    found.written, found.asked_at = _markers(session, schema, site, deployment)


def _without_tables(hook: InfoMartOracleHook, schema: str, deployment: str) -> _AtDatabase:
    """The answer of a site at which no procedure has run yet: it has neither lock nor markers."""
    with hook.transaction() as session:
        return _AtDatabase(WatchStore(schema, deployment).read(session))


@dataclass
class _Arrival:
    """The markers at a target.

    :param after: seconds until the newest arrived; None: it did not.
    """

    after: float | None
    waited: float
    there: set[str]


def _wait_for_marker(deployment: Deployment, source: str, target: str, written: _AtDatabase) -> _Arrival:
    topology = deployment.topology
    schema = deployment.site(target).goldengate.schema_name
    end = written.marked + topology.watch.marker_wait
    # One session for all queries: each statement sees the changes committed by then.
    with deployment.goldengate_database(target).transaction() as session:
        while True:
            there = {marker for marker, _ in _markers(session, schema, source, topology.name)[0]}
            waited = time.monotonic() - written.marked
            if written.marker in there:
                return _Arrival(waited, waited, there)
            if time.monotonic() >= end:
                return _Arrival(None, waited, there)
            time.sleep(_MARKER_POLL)


def _high_water_marks(deployment: Deployment, site: str, state: State, now: float) -> _Marks:
    """High-water marks by data source; the sources with calls; and those of them with an old mark that are idle."""
    topology = deployment.topology
    rows = deployment.info_mart(site).select("hwm", {"schema": topology.info_mart.schema_name})
    marks = watching.newest_marks(rows)
    old = {key: mark for key, mark in marks.items() if now - mark >= topology.watch.hwm_age.warning}
    counted = with_calls(rows)
    idle = {key for key, mark in old.items() if key in counted and _is_idle(deployment, site, key, mark)}
    return marks, counted, idle


def _pending(deployment: Deployment, site: str, now: float) -> list[Row]:
    """Extractions of a serving site that no transformation has loaded, by data source."""
    schema, since = deployment.topology.info_mart.schema_name, int(now) - _EXTRACTIONS
    return list(deployment.info_mart(site).select("loading_pending", {"schema": schema}, since_ts=since))


def _is_idle(deployment: Deployment, site: str, key: int, mark: int) -> bool:
    """An IDB holds no call beyond the mark; false where no IDB can be asked."""
    topology = deployment.topology
    asked = False
    for name in dict.fromkeys([site, *topology.sites]):
        if topology.sites[name].role in ("failed", "new"):
            continue
        for idb in topology.sites[name].idbs:
            if idb.data_source_key != key or idb.schema_name is None:
                continue
            # An IDB that gives no answer proves nothing; the failure itself is a finding of its own.
            with suppress(InfoMartError):
                calls = deployment.oracle(idb.connection).value(
                    "idb_calls_above", {"schema": idb.schema_name}, low=mark
                )
                if int(calls):
                    return False
                asked = True
    return asked


def _captures(deployment: Deployment, site: str) -> list[Row]:
    """GoldenGate's captures in a site's database."""
    return deployment.dba(site).select("captures")


def _find_holds(deployment: Deployment, holds: PurgeHolds, site: str, name: str, now: float) -> list[Finding]:
    """Purge holds of one IDB, compared with its partition ring."""
    idb = next(idb for idb in deployment.site(site).idbs if idb.name == name)
    ring, here = idb.partition_ring_days, holds.of(site, idb)
    since = here.since()
    if since is None or ring is None:
        return []
    oldest = needed_from(since, holds.waiting(here, since, datetime.fromtimestamp(now, UTC)))
    times = since.timestamp(), oldest.timestamp()
    return watching.hold_findings(site, name, *times, ring * 86400.0, now, deployment.topology.watch)


# -- hosts ---------------------------------------------------------------------------------------------------


@dataclass
class _AtHost:
    """The answer of a site's database host; a part that gave none is an error in its place."""

    groups: list[ProgramStatus] | InfoMartError | None
    log: tuple[list[LogRecord], tuple[int, int]] | InfoMartError | None
    free: int | InfoMartError | None
    links: dict[str, bool] | InfoMartError


def _attempt(question: Callable[[], T]) -> T | InfoMartError:
    try:
        return question()
    except UnreachableError:
        # The host does not answer, so none of its other parts will.
        raise
    except InfoMartError as error:
        return error


def trail_folder(roles: Roles, name: str, site: Site) -> str:
    """Folder of the trail that grows at a site: the trail that arrives at a target, else the local one."""
    goldengate = site.goldengate
    sender = next((source for source, target in roles.replications if target == name), None)
    return goldengate.trail_folder(goldengate.trails.arriving(sender) if sender else goldengate.trails.local)


def _ask_host(
    deployment: Deployment, site: str, position: tuple[int, int] | None, others: list[str], replicated: bool
) -> _AtHost:
    host, ggsci = deployment.host(site), deployment.ggsci(site)
    if not replicated:
        # A Replicat must not run there. An active-active deployment may have no GoldenGate.
        groups: list[ProgramStatus] | InfoMartError | None = _attempt(ggsci.info_all)
        if isinstance(groups, InfoMartError) and deployment.topology.architecture != "active-standby":
            groups = None
        return _AtHost(groups, None, None, _attempt(lambda: _links(deployment, site, others)))
    folder = trail_folder(Roles.of(deployment.topology), site, deployment.site(site))
    return _AtHost(
        groups=_attempt(ggsci.info_all),
        log=_attempt(lambda: ggsci.log_since(position)),
        free=_attempt(lambda: host.free_space(folder)),
        links=_attempt(lambda: _links(deployment, site, others)),
    )


def _links(deployment: Deployment, site: str, others: list[str]) -> dict[str, bool]:
    """By other site: at least one of its endpoints answers this site's database host."""
    if not others:
        return {}
    topology = deployment.topology
    endpoints = {name: fencing.site_endpoints(topology, topology.sites[name], site) for name in others}
    flat = [endpoint for found in endpoints.values() for endpoint in found]
    states = iter(fencing.probe_from(deployment.host(site), flat, topology.fencing.timeout))
    refused = topology.fencing.refused_is_alive
    return {
        name: any([fencing.Answer(endpoint, "survivor", next(states)).is_alive(refused) for endpoint in found])
        for name, found in endpoints.items()
    }


# -- the whole -----------------------------------------------------------------------------------------------


def survey(deployment: Deployment, token: str) -> Survey:
    """Survey all sites and judge the answers.

    :param deployment: with a :func:`bounded` topology.
    :param token: makes the marker's id unique to this survey.
    """
    began = time.monotonic()
    seen = _survey(deployment, token, began)
    for level in watching.LEVELS:
        seen.figure("findings", sum(finding.level == level for finding in seen.findings), level=level)
    seen.figure("look_seconds", round(time.monotonic() - began, 3))
    return seen


def _survey(deployment: Deployment, token: str, began: float) -> Survey:
    topology = deployment.topology
    roles, now = Roles.of(topology), time.time()
    sources = {source for source, _ in roles.replications}
    with _Asking(began + topology.watch.run_limit) as asking:
        reading = {site: asking.start(_read_database, deployment, site, site in sources, token) for site in roles.sites}
        databases = asking.answers(reading)
        copies = {site: found.copy for site, found in databases.items() if isinstance(found, _AtDatabase)}
        newest = max((copy.state for copy in copies.values()), key=lambda state: state.number, default=State())
        seen = Survey(roles, now, newest.model_copy(deep=True), copies=copies, before=newest)
        plan = _judge_databases(seen, topology, databases)
        lost = _LostSites(asking, deployment, seen, databases)
        if seen.stale is not None:
            # By the old roles every remedy would be wrong: the server that serves would have to stop.
            lost.judge(None)
            return seen
        arrivals = {
            (source, target): asking.start(_wait_for_marker, deployment, source, target, written)
            for source, target in roles.replications
            if not plan
            and isinstance(written := databases[source], _AtDatabase)
            and written.marker is not None
            and isinstance(databases[target], _AtDatabase)
        }
        marks = {
            site: asking.start(_high_water_marks, deployment, site, seen.state, now)
            for site in roles.active
            if isinstance(databases[site], _AtDatabase)
        }
        pending = {site: asking.start(_pending, deployment, site, now) for site in marks}
        replicated = {site for pair in roles.replications for site in pair}
        hosts = {
            site: asking.start(
                _ask_host,
                deployment,
                site,
                seen.state.positions.get(site),
                [there for here, there in roles.links if here == site],
                site in replicated,
            )
            for site in roles.sites
        }
        captures = {
            site: asking.start(_captures, deployment, site)
            for site in roles.capturing
            if not plan and isinstance(databases[site], _AtDatabase)
        }
        # One object for all IDBs: it asks each site for its marks only once.
        purge_holds = PurgeHolds(deployment)
        holds = {idb: asking.start(_find_holds, deployment, purge_holds, *idb, now) for idb in roles.idbs}

        for source, target in roles.replications:
            written = databases[source]
            if isinstance(written, _AtDatabase) and not plan and written.marker is None:
                seen.findings.append(watching.no_markers(source, target))
        marks_found = asking.answers(marks)
        _judge_marks(seen, topology, marks_found)
        pending_found = asking.answers(pending)
        _judge_loading(seen, topology, pending_found)
        hosts_found = asking.answers(hosts)
        _judge_hosts(seen, topology, hosts_found, plan)
        captures_found = asking.answers(captures)
        _judge_captures(seen, topology, captures_found, hosts_found)
        lost.judge(None if plan else hosts_found)
        arrivals_found = asking.answers(arrivals)
        _judge_lag(seen, topology, databases, arrivals_found)
        holds_found = asking.answers(holds)
        _judge_holds(seen, databases, holds_found)
    return seen


class _LostSites:
    """Questions about lost sites and about servers where none may run, asked at once; they are judged at the end.

    They are asked by the roles as they are, also while a plan runs and while the topology has old roles.
    """

    def __init__(self, asking: _Asking, deployment: Deployment, seen: Survey, databases: _Databases) -> None:
        self._asking, self._deployment, self._seen = asking, deployment, seen
        topology = deployment.topology
        answered = {site: found for site, found in databases.items() if isinstance(found, _AtDatabase)}
        self._roles = service.current_roles([row for found in answered.values() for row in found.service], topology)
        sites = {name: site.model_copy(update={"role": self._roles[name]}) for name, site in topology.sites.items()}
        seen.now = Roles.of(topology.model_copy(update={"sites": sites}))
        self._now = seen.now
        self._holder = next((site for site, found in answered.items() if found.plan is not None), None)
        serving = [site for site in self._now.active if site in answered]
        machines = {site: list(names) for site, names in seen.before.machines.items()}
        start = asking.start
        self._lost = {site: start(returned.ask_lost_site, deployment, site, serving) for site in self._now.failed}
        self._events = {site: start(returned.last_events, deployment, site, self._roles) for site in self._now.failed}
        self._resting = {site: start(self._signs, site) for site in self._now.resting}
        self._writers = {site: start(returned.writers_at, deployment, site, machines) for site in serving}
        self._admissions = {
            (site, lost): start(returned.admission_at, deployment, site, lost, machines)
            for site in serving
            for lost in self._now.failed
            if self._now.replicated
        }
        # By stale roles the hosts are not asked for their groups.
        self._groups = {site: start(deployment.ggsci(site).info_all) for site in serving if seen.stale is not None}

    def _signs(self, site: str) -> list[str]:
        """Signs of a server at a site that must have none."""
        deployment, topology = self._deployment, self._deployment.topology
        processes = returned.server_processes(deployment, site)
        sessions: list[Row] = []
        # A database without an answer is a finding of its own; a new site may have none yet.
        with suppress(InfoMartError):
            sessions = server_sessions(deployment.dba(site), topology)
        found = returned.server_signs(topology, site, processes, sessions)
        if found and self._holder is not None and self._serves_now(site):
            return []
        return found

    def _serves_now(self, site: str) -> bool:
        """The plan under way has made the site active since this survey read its ledger."""
        deployment, topology = self._deployment, self._deployment.topology
        hook, schema = deployment.goldengate_database(self._holder or ""), deployment.site(self._holder or "")
        rows = hook.select(
            "ledger_measured", {"schema": schema.goldengate.schema_name}, deployment=topology.name, **service.binds()
        )
        return service.current_roles(rows, topology)[site] == "active"

    def judge(self, hosts: Mapping[str, _AtHost | InfoMartError] | None) -> None:
        """Judge the answers.

        :param hosts: the answers of the hosts; None: their groups are not judged now.
        """
        if not self._now.failed:
            # Otherwise the events of an earlier loss would be those before the next one.
            self._seen.state.idb_events = {}
        writing = self._judge_writers()
        admitted = self._asking.answers(self._admissions)
        for site, answer in self._asking.answers(self._lost).items():
            self._judge_lost(site, answer, admitted, writing)
        for site, signs in self._asking.answers(self._resting).items():
            self._judge_resting(site, signs, isinstance((hosts or {}).get(site), _AtHost))
        asked = self._asking.answers(self._groups)
        groups: dict[str, list[ProgramStatus] | InfoMartError | None] = dict(asked)
        for site, at_host in (hosts or {}).items():
            if isinstance(at_host, _AtHost) and site in self._now.active:
                groups[site] = at_host.groups
        for site, found in groups.items():
            self._judge_groups(site, found)
        for (site, lost), told in admitted.items():
            self._judge_admission(site, lost, told)

    def _judge_writers(self) -> set[str]:
        """Judge the sessions in serving Info Marts; the sites whose servers write where they must not."""
        seen, found = self._seen, set[str]()
        for site, asked in self._writers.items():
            writers = self._asking.answer(asked)
            if isinstance(writers, InfoMartError):
                seen.findings.append(watching.not_seen(f"{site}/writers", writers))
                continue
            if writers.own:
                seen.state.machines[site] = sorted(writers.own)
            findings = [
                evidence.writer_finding(site, machine, sessions_text(rows), of_site)
                for machine, (of_site, rows) in writers.foreign.items()
            ]
            findings += [
                evidence.writer_finding(site, machine, sessions_text(rows), None)
                for machine, rows in writers.unknown.items()
            ]
            found |= {of_site for of_site, _ in writers.foreign.values()}
            seen.add(f"{site}/writers", findings)
        return found

    def _judge_lost(
        self, site: str, answer: AtLostSite | InfoMartError, admitted: _Admissions, writing: set[str]
    ) -> None:
        seen, topology = self._seen, self._deployment.topology
        signs = evidence.Signs()
        if isinstance(answer, InfoMartError):
            seen.findings.append(watching.not_seen(f"{site}/doors", answer))
        else:
            signs.doors = answer.doors
            seen.judged.add(f"{site}/doors")
            self._signs_of(site, answer, signs)
        events = self._asking.answer(self._events[site])
        if not isinstance(events, InfoMartError):
            signs.icon = evidence.icons_that_write(seen.before.idb_events, events)
            seen.state.idb_events |= events
            seen.judged.add(f"{site}/icon")
        settings = topology.sites[site]
        hosts = settings.database.host, settings.info_mart_server.host
        serving = ", ".join(self._now.active)
        refused: bool | None = None
        if self._now.replicated:
            told = [answer for (_, lost), answer in admitted.items() if lost == site]
            known = [each[0] for each in told if not isinstance(each, InfoMartError)]
            refused = all(known) if known else None
        seen.findings += evidence.returned_findings(
            site, signs, serving, hosts, refused, site in writing, self._now.replicated
        )

    def _signs_of(self, site: str, answer: AtLostSite, signs: evidence.Signs) -> None:
        """Server and groups of a lost site; while it is silent, neither can be seen, and both count as gone."""
        seen, topology = self._seen, self._deployment.topology
        groups = topology.sites[site].goldengate.groups
        processes = [] if isinstance(answer.processes, InfoMartError) else answer.processes
        sessions = [] if isinstance(answer.sessions, InfoMartError) else answer.sessions
        signs.server = returned.server_signs(topology, site, processes, sessions)
        if not isinstance(answer.processes, InfoMartError):
            seen.judged.add(f"{site}/server")
        if not isinstance(answer.groups, InfoMartError):
            ours = (groups.extract, groups.pump, groups.replicat)
            signs.groups = evidence.running_groups(answer.groups, ours, topology.sites[site].database.host)
            seen.judged.add(f"{site}/groups")

    def _judge_resting(self, site: str, signs: list[str] | InfoMartError, reached: bool) -> None:
        """Judge the signs of a server at a standby or a new site.

        :param reached: the site's database host answers; else its silence is a finding already.
        """
        seen, role = self._seen, self._roles[site]
        if isinstance(signs, InfoMartError):
            if reached:
                seen.findings.append(watching.not_seen(f"{site}/server", signs))
            return
        host = self._deployment.site(site).info_mart_server.host
        serving = ", ".join(self._now.active)
        seen.add(
            f"{site}/server",
            [evidence.second_server_finding(site, role, serving, signs, host)] if signs else [],
        )

    def _judge_groups(self, site: str, programs: list[ProgramStatus] | InfoMartError | None) -> None:
        """A Manager that runs again at a site that serves alone after a failover."""
        alone = not any(site in pair for pair in self._now.replications)
        if not (alone and self._now.failed and isinstance(programs, list)):
            return
        settings = self._deployment.site(site)
        found = evidence.idle_manager(site, programs, settings.database.host)
        if self._seen.stale is not None:
            replicat = settings.goldengate.groups.replicat
            found = watching.intruder_findings(site, programs, replicat) + found
            self._seen.add(f"{site}/groups", found)
        else:
            self._seen.findings += found

    def _judge_admission(self, site: str, lost: str, answer: tuple[bool, str] | InfoMartError) -> None:
        seen = self._seen
        if isinstance(answer, InfoMartError):
            seen.findings.append(watching.not_seen(f"{site}/admission", answer))
            return
        refuses, why = answer
        seen.add(f"{site}/admission", [evidence.admission_finding(site, lost, why)] if why and not refuses else [])


def _judge_databases(seen: Survey, topology: Topology, databases: _Databases) -> bool:
    """Judge databases and locks.

    :returns: a plan holds the lock at some site; a failover's lock is at the survivor.
    """
    held = False
    answered = [found for found in databases.values() if isinstance(found, _AtDatabase)]
    rows = [row for found in answered for row in found.service]
    running = next((found.plan.plan_id for found in answered if found.plan is not None), None)
    seen.stale = service.stale_roles(rows, topology, running)
    if seen.stale is not None:
        seen.add(watching.ROLES, [watching.role_finding(seen.stale, topology)])
    elif len(answered) == len(databases):
        seen.judged.add(watching.ROLES)
    for site, found in databases.items():
        if isinstance(found, InfoMartError):
            # A site that the plan has made failed may well be silent.
            if seen.stale is None or seen.stale.wanted.get(site) != "failed":
                seen.add(f"{site}/database", [watching.not_seen(f"{site}/database", found)])
            continue
        seen.judged.add(f"{site}/database")
        holder: Holder | None = found.plan
        held = held or holder is not None
        findings = [watching.plan_finding(site, holder, seen.began, topology.watch)] if holder else []
        if holder and (since := service.stopped_since(rows, holder.plan_id)) is not None:
            findings.append(watching.outage_finding(site, holder.plan_id, since, seen.began, topology.watch))
            seen.figure("outage_seconds", round(seen.began - since), site=site)
        seen.add(f"{site}/lock", findings)
        seen.findings += watching.alarm_findings(site, found.alarms, seen.began)
    return held


def _judge_marks(seen: Survey, topology: Topology, found: Mapping[str, _Marks | InfoMartError]) -> None:
    names = {idb.data_source_key: idb.name for site in topology.sites.values() for idb in site.idbs}
    for site, answer in found.items():
        if isinstance(answer, InfoMartError):
            seen.findings.append(watching.not_seen(f"{site}/hwm", answer))
            continue
        marks, counted, idle = answer
        standing = watching.standing(seen.state.marks.get(site, {}), marks, seen.began)
        seen.state.marks[site] = standing
        seen.add(f"{site}/hwm", watching.hwm_findings(site, standing, names, counted, idle, seen.began, topology.watch))
        for key, mark in marks.items():
            # The clocks of Airflow and of the ICON may differ.
            seen.figure("hwm_age_seconds", max(seen.began - mark, 0.0), site=site, source=str(key))


def _judge_loading(seen: Survey, topology: Topology, found: Mapping[str, list[Row] | InfoMartError]) -> None:
    for site, answer in found.items():
        if isinstance(answer, InfoMartError):
            seen.findings.append(watching.not_seen(f"{site}/loading", answer))
            continue
        seen.add(f"{site}/loading", watching.loading_findings(site, answer, seen.began, topology.watch))


def _judge_hosts(seen: Survey, topology: Topology, found: Mapping[str, _AtHost | InfoMartError], plan: bool) -> None:
    reached = {site for site, answer in found.items() if not isinstance(answer, InfoMartError)}
    for site, answer in found.items():
        if isinstance(answer, InfoMartError):
            seen.add(f"{site}/host", [watching.not_seen(f"{site}/host", answer)])
            continue
        seen.judged.add(f"{site}/host")
        if answer.groups is not None:
            _judge_goldengate(seen, topology, site, answer, plan)
        if isinstance(answer.links, InfoMartError):
            seen.findings += [
                watching.not_seen(f"{here}-{there}/link", answer.links)
                for here, there in seen.roles.links
                if here == site
            ]
            continue
        for there, up in answer.links.items():
            _judge_link(seen, topology, site, there, up, there in reached)


def _judge_goldengate(seen: Survey, topology: Topology, site: str, answer: _AtHost, plan: bool) -> None:
    watch, groups = topology.watch, topology.sites[site].goldengate.groups
    if isinstance(answer.groups, InfoMartError):
        seen.findings.append(watching.not_seen(f"{site}/groups", answer.groups))
    elif answer.groups is not None and not plan:
        must = {groups.extract, groups.pump} if any(site == source for source, _ in seen.roles.replications) else set()
        if any(site == target for _, target in seen.roles.replications):
            must.add(groups.replicat)
        known = {groups.extract, groups.pump, groups.replicat}
        found: list[Finding] = []
        if must:
            # At a serving site its Replicat is judged by itself.
            others = known - ({groups.replicat} if site in seen.roles.active else set())
            found = watching.group_findings(site, answer.groups, must, others, watch)
        if site in seen.roles.active:
            found += watching.intruder_findings(site, answer.groups, groups.replicat)
        seen.add(f"{site}/groups", found)
        for program in answer.groups:
            if program.group in known and program.status == "RUNNING":
                seen.figure("group_lag_seconds", program.lag, site=site, group=program.group)
                seen.figure("group_checkpoint_age_seconds", program.since_checkpoint, site=site, group=program.group)
    if isinstance(answer.log, InfoMartError):
        seen.findings.append(watching.not_seen(f"{site}/ggserr", answer.log))
    elif answer.log is not None:
        records, seen.state.positions[site] = answer.log
        errors = watching.troubles(seen.state.errors.get(site, {}), records, seen.began, watch)
        seen.state.errors[site] = errors
        seen.add(f"{site}/ggserr", watching.ggserr_findings(site, errors))
        seen.figure("ggserr_errors", sum(trouble.count for trouble in errors.values()), site=site)
    if isinstance(answer.free, InfoMartError):
        seen.findings.append(watching.not_seen(f"{site}/trail", answer.free))
    elif answer.free is not None:
        points = watching.samples(seen.state.space.get(site, []), answer.free, seen.began, watch)
        seen.state.space[site] = points
        seen.add(
            f"{site}/trail",
            watching.trail_findings(site, trail_folder(seen.roles, site, topology.sites[site]), points, watch),
        )
        seen.figure("trail_free_bytes", answer.free, site=site)
        seen.figure("trail_full_seconds", watching.seconds_until_full(points, watch), site=site)


def _judge_captures(
    seen: Survey,
    topology: Topology,
    found: Mapping[str, list[Row] | InfoMartError],
    hosts: Mapping[str, _AtHost | InfoMartError],
) -> None:
    for site, answer in found.items():
        if isinstance(answer, InfoMartError):
            seen.findings.append(watching.not_seen(f"{site}/capture", answer))
            continue
        for row in answer:
            held = float(row["held_seconds"] or 0)
            seen.figure("redo_held_seconds", round(held), site=site, capture=str(row["capture_name"]))
        host = hosts[site]
        if isinstance(host, _AtHost) and isinstance(host.groups, list):
            extract = topology.sites[site].goldengate.groups.extract
            seen.add(f"{site}/capture", watching.capture_findings(site, answer, host.groups, extract, topology.watch))


def _judge_link(seen: Survey, topology: Topology, here: str, there: str, up: bool, reached: bool) -> None:
    link = f"{here}-{there}"
    outage = None
    keys = {
        idb.data_source_key: idb.name
        for name, site in topology.sites.items()
        for idb in site.idbs
        if (idb.source_site or name) == there
    }
    threshold = topology.info_mart.stuck_threshold
    if up:
        if (last_up := seen.state.links.get(link)) is not None and f"{link}/link/outage" in seen.state.conditions:
            before = seen.before.marks.get(here, {})
            marks_then = {name: before[str(key)].mark for key, name in keys.items() if str(key) in before}
            if lost := watching.given_up(last_up, keys.values(), marks_then, threshold, seen.began):
                seen.state.given_up[link] = lost
        seen.state.links[link] = seen.began
    else:
        marks = [stands.mark for key, stands in seen.state.marks.get(here, {}).items() if int(key) in keys]
        outage = watching.outage_of(
            seen.state.links.get(link),
            min(marks, default=None),
            bool(keys),
            threshold,
            seen.began,
        )
        seen.figure("link_left_seconds", outage.left, source=here, target=there)
    seen.figure("link_up", float(up), source=here, target=there)
    sources = [name for _, name in sorted(keys.items())]
    seen.add(
        f"{link}/link",
        [
            *watching.link_findings(here, there, outage, reached, sources, seen.began, topology.watch),
            *watching.given_up_findings(here, there, seen.state.given_up.get(link), seen.began),
        ],
    )


def _judge_holds(
    seen: Survey, databases: _Databases, found: Mapping[tuple[str, str], list[Finding] | InfoMartError]
) -> None:
    for (site, idb), answer in found.items():
        subject = watching.holds_of(site, idb)
        if not isinstance(answer, InfoMartError):
            seen.add(subject, answer)
        # A site whose database does not answer is already a finding; its IDBs need none of their own.
        elif not isinstance(databases.get(site), InfoMartError):
            seen.findings.append(watching.not_seen(subject, answer))


def _judge_lag(
    seen: Survey, topology: Topology, databases: _Databases, found: Mapping[tuple[str, str], _Arrival | InfoMartError]
) -> None:
    for (source, target), answer in found.items():
        if isinstance(answer, InfoMartError):
            seen.findings.append(watching.not_seen(f"{source}-{target}/lag", answer))
            continue
        written = databases[source]
        assert isinstance(written, _AtDatabase), "an arrival is waited for only where the source's database answered"
        lag = watching.lag_of(answer.after, answer.waited, written.written, answer.there, written.asked_at)
        seen.add(f"{source}-{target}/lag", watching.lag_findings(source, target, lag, topology.watch))
        seen.figure("lag_seconds", round(lag.seconds, 3), source=source, target=target)
        seen.arrived[source, target] = answer.there
