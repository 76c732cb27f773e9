"""From the answers of a survey to findings, and from one survey to the next: pure functions.

A finding has a key ``<subject>/<what>``. A condition begins with the first survey that finds it. It ends with the first
survey that could judge its subject and no longer finds it; so an unreachable site ends no condition.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, Field

from infomart_dr.errors import InfoMartError
from infomart_dr.evidence.high_water_marks import is_of_calls
from infomart_dr.evidence.service import StaleRoles
from infomart_dr.guide import readable
from infomart_dr.hooks.parse_ggsci import LogRecord, ProgramStatus
from infomart_dr.plan.lock import Holder
from infomart_dr.text import size_text
from infomart_dr.times import shown, span
from infomart_dr.topology import Falling, Rising, Topology, Watch

#: ``info`` is shown and never reported; the others begin a condition.
Level = Literal["info", "warning", "critical"]
LEVELS: tuple[Level, ...] = ("info", "warning", "critical")

#: Most samples of free space, and the part of ``trail_window`` that they must span to tell growth from noise.
_SAMPLES, _SHORTEST_PART = 24, 0.25
#: Most characters of a message of ggserr.log in a finding.
_SHOWN = 300
#: Seconds for which the cost of a past link outage is shown.
_TOLD_FOR = 86_400.0
_STARTS = ("RUNNING", "STARTING")


@dataclass(frozen=True)
class Finding:
    """A fault found by a survey.

    :param key: ``<subject>/<what>``, the same in every survey.
    :param sentence: the fault.
    :param remedy: the next step.
    """

    key: str
    level: Level
    sentence: str
    remedy: str = ""
    numbers: dict[str, float] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        return subject_of(self.key)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return asdict(self)


def subject_of(key: str) -> str:
    """The subject of a condition: its key without the last part."""
    return key.rpartition("/")[0]


def rising(value: float, limits: Rising) -> Level:
    """Level of a figure that gets worse as it grows."""
    return "critical" if value >= limits.critical else "warning" if value >= limits.warning else "info"


def falling(value: float, limits: Falling) -> Level:
    """Level of a figure that gets worse as it shrinks."""
    return "critical" if value < limits.critical else "warning" if value < limits.warning else "info"


def worst(levels: Iterable[Level]) -> Level:
    """The worst of some levels; ``info`` without any."""
    return max(levels, key=LEVELS.index, default="info")


#: Subject of the roles in the topology.
ROLES = "roles"

# -- the subjects of a survey ------------------------------------------------------------------------


@dataclass(frozen=True)
class Roles:
    """The subjects that follow from the roles in the topology.

    :param sites: sites of the survey: active and standby ones.
    :param active: sites whose server runs.
    :param capturing: sites whose database may keep redo for an Extract; none in an active-active deployment.
    :param failed: lost sites; they are expected to be silent.
    :param resting: standbys and new sites: no Info Mart Server may run there.
    :param replications: from the active site to each standby; none in an active-active deployment.
    :param links: from each active site to all other sites of the survey.
    :param idbs: site and name of the IDBs whose purging can be held, at all sites that are not lost.
    """

    sites: tuple[str, ...]
    active: tuple[str, ...]
    replications: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    idbs: tuple[tuple[str, str], ...]
    failed: tuple[str, ...] = ()
    capturing: tuple[str, ...] = ()
    resting: tuple[str, ...] = ()
    replicated: bool = True

    @classmethod
    def of(cls, topology: Topology) -> Roles:
        active = tuple(name for name, site in topology.sites.items() if site.role == "active")
        standby = tuple(name for name, site in topology.sites.items() if site.role == "standby")
        replicated = topology.architecture == "active-standby"
        return cls(
            sites=active + standby,
            active=active,
            replications=tuple((active[0], name) for name in standby) if replicated else (),
            links=tuple((one, other) for one in active for other in active + standby if one != other),
            idbs=tuple(
                (name, idb.name)
                for name, site in topology.sites.items()
                if site.role != "failed"
                for idb in site.purged_idbs
            ),
            failed=tuple(name for name, site in topology.sites.items() if site.role == "failed"),
            capturing=active + standby if replicated else (),
            resting=tuple(name for name, site in topology.sites.items() if site.role in ("standby", "new")),
            replicated=replicated,
        )

    def subjects(self) -> set[str]:
        """All subjects that a complete survey judges."""
        found = {ROLES} | {f"{site}/{what}" for site in self.sites for what in ("database", "lock", "host", "groups")}
        # A condition of a site without a replication would never be judged again, and never end.
        replicated = {site for pair in self.replications for site in pair}
        found |= {f"{site}/{what}" for site in replicated for what in ("ggserr", "trail")}
        found |= {f"{site}/capture" for site in self.capturing}
        found |= {f"{site}/{what}" for site in self.active for what in ("hwm", "loading")}
        found |= self.of_lost_sites()
        found |= {f"{source}-{target}/lag" for source, target in self.replications}
        found |= {f"{one}-{other}/link" for one, other in self.links}
        return found | {holds_of(site, idb) for site, idb in self.idbs}

    def of_lost_sites(self) -> set[str]:
        """Subjects of lost sites, and of servers where none may run."""
        found = {f"{site}/{what}" for site in self.failed for what in ("server", "groups", "icon", "doors")}
        found |= {f"{site}/server" for site in self.resting} | {f"{site}/writers" for site in self.active}
        return found | {f"{site}/admission" for site in self.active if self.failed and self.replicated}


# -- the running plan --------------------------------------------------------------------------------


def plan_finding(site: str, holder: Holder, now: float, watch: Watch) -> Finding:
    """The plan that holds the deployment's lock at a site; a warning once the plan may be dead.

    A plan records a sign of life before each step that changes something, and none while it waits.
    """
    quiet = now - holder.heartbeat_at.timestamp()
    key = f"{site}/lock/plan"
    said = (
        f"Plan {holder.plan_id} of {holder.owner} holds the lock at {site}; "
        "until it releases the lock, groups and lag are not judged"
    )
    numbers: dict[str, float] = {"quiet_seconds": round(quiet)}
    if quiet < watch.plan_quiet:
        return Finding(key, "info", f"{said}.", "", numbers)
    return Finding(
        key,
        "warning",
        f"{said}. Its last sign of life is {span(quiet)} old.",
        "Check whether its run waits, for example at a gate. If none of its programs still runs, resume the plan or "
        'release the lock: docs/operating.md, "The lock of a dead plan".',
        numbers,
    )


def alarm_findings(site: str, alarms: Mapping[str, Mapping[str, Any]], now: float) -> list[Finding]:
    """Long jobs of the running plan that wait for space or take too long.

    :param alarms: the recorded alarms, by task.
    """
    return [
        Finding(
            f"{site}/lock/{task}",
            "critical" if alarm.get("kind") == "space" else "warning",
            f"{str(alarm.get('what')).rstrip('.')}, since {span(now - float(alarm['since']))}.",
            str(alarm.get("next") or ""),
        )
        for task, alarm in alarms.items()
    ]


def role_finding(stale: StaleRoles, topology: Topology) -> Finding:
    """Roles that a plan has made and nobody has set."""
    return Finding(f"{ROLES}/{stale.plan_id}", "warning", stale.sentence(topology), stale.remedy)


def outage_finding(site: str, plan_id: str, since: int, now: float, watch: Watch) -> Finding:
    """A plan has stopped the server, and none runs."""
    lasts = max(now - since, 0.0)
    return Finding(
        f"{site}/lock/outage",
        rising(lasts, watch.outage),
        f"Nobody loads data since {shown(since)} ({span(lasts)}): plan {plan_id} has stopped the Info Mart Server and "
        "not started one.",
        "Read the log of the step that runs in that plan's run. To bring the service back, mark that step as failed: "
        "the back-out follows.",
        {"outage_seconds": round(lasts)},
    )


# -- GoldenGate's groups -----------------------------------------------------------------------------


def group_findings(
    site: str, programs: Sequence[ProgramStatus], must_run: Collection[str], known: Collection[str], watch: Watch
) -> list[Finding]:
    """Manager and groups of a site, judged by Status, Lag and Time Since Chkpt together.

    The lag is that of the last checkpoint, so it says nothing about a group that does not run or makes no checkpoint.

    :param must_run: groups that the site's role requires; empty: not even the manager must run.
    :param known: groups that the topology names at this site; other groups are ignored.
    """
    found = []
    there = {program.group: program for program in programs if program.group}
    managers = [program.status for program in programs if program.program == "MANAGER"]
    if must_run and managers != ["RUNNING"]:
        found.append(
            Finding(
                f"{site}/groups/MANAGER",
                "critical",
                f"GoldenGate's manager at {site} is {managers[0] if managers else 'missing'}.",
                "START MGR in ggsci; without it the site receives no trail and restarts no group.",
            )
        )
    for name in sorted({*must_run, *known}):
        program = there.get(name)
        if name in must_run:
            finding = _must_run(site, name, program, watch)
        elif program is not None and program.status in _STARTS:
            finding = Finding(
                f"{site}/groups/{name}",
                "warning",
                f"{program.program} {name} at {site} is {program.status}, but the site's role does not require it.",
                "STOP it, or correct the roles in the topology.",
            )
        else:
            finding = None
        if finding is not None:
            found.append(finding)
    return found


def intruder_findings(site: str, programs: Sequence[ProgramStatus], replicat: str) -> list[Finding]:
    """A Replicat of ours at a site that serves: nobody replicates to it, so it would write over the Info Mart.

    :param replicat: the site's Replicat by the topology.
    """
    return [
        Finding(
            f"{site}/groups/{replicat}",
            "critical",
            f"REPLICAT {replicat} at {site} is {program.status}, and {site} serves: it would write "
            "arriving changes over the serving Info Mart.",
            f"STOP REPLICAT {replicat}, then DELETE REPLICAT {replicat}, and find out who started or added it. If a "
            "procedure has just changed the roles, set them in the topology.",
        )
        for program in programs
        if program.group == replicat
    ]


def capture_findings(
    site: str, captures: Iterable[Mapping[str, Any]], programs: Sequence[ProgramStatus], extract: str, watch: Watch
) -> list[Finding]:
    """Registered Extracts without a group, and those for which the database keeps old archived logs.

    :param captures: rows of ``captures``.
    :param extract: the site's Extract by the topology.
    """
    there = {program.group for program in programs}
    # The second form is that of a classic Extract's log retention, in later releases with a digest behind the name.
    ours = re.compile(rf"OGG\$(CAP_{re.escape(extract)}|_{re.escape(extract)}([0-9A-F]{{8}})?)")
    found = []
    for row in captures:
        name, held = str(row["capture_name"]), float(row["held_seconds"] or 0)
        level = rising(held, watch.redo_held)
        oldest = f"; the oldest is {span(held)} old" if held else ""
        what = f"The capture {name} at {site} is {row['status']}, and the database keeps archived logs for it{oldest}"
        if ours.fullmatch(name) and extract not in there:
            level = worst([level, "warning"])
            what = f"Extract {extract} at {site} is registered, and there is no such group. {what}"
            remedy = (
                f"In ggsci, after DBLOGIN: UNREGISTER EXTRACT {extract} DATABASE (for OGG$_... LOGRETENTION). Else "
                "the recovery area fills up, and the database stands still."
            )
        else:
            remedy = (
                "Find out why its Extract does not advance: it is stopped, or an old transaction is open. If nobody "
                "needs it: delete the group and UNREGISTER EXTRACT."
            )
        if level != "info":
            numbers = {"held_seconds": float(round(held))}
            found.append(Finding(f"{site}/capture/{name}", level, f"{what}.", remedy, numbers))
    return found


def _must_run(site: str, name: str, program: ProgramStatus | None, watch: Watch) -> Finding | None:
    key = f"{site}/groups/{name}"
    if program is None:
        return Finding(
            key, "critical", f"There is no group {name} at {site}.", "Set up replication again; see docs/procedures.md."
        )
    lag, since = program.lag, program.since_checkpoint
    numbers: dict[str, float] = {}
    if lag is not None:
        numbers["lag_seconds"] = lag
    if since is not None:
        numbers["checkpoint_age_seconds"] = since
    label = f"{program.program} {name} at {site}"
    if program.status not in _STARTS:
        ago = f"; its last checkpoint is {span(since)} old" if since is not None else ""
        return Finding(
            key,
            "critical",
            f"{label} is {program.status}{ago}.",
            f"Find the cause (VIEW REPORT {name}, ggserr.log) and correct it; then START {program.program} {name}.",
            numbers,
        )
    if since is not None and since >= watch.checkpoint:
        shown = "unknown" if lag is None else span(lag)
        return Finding(
            key,
            "critical",
            f"{label} is {program.status} but has made no checkpoint for {span(since)}: it is stuck. "
            f"The lag that it shows ({shown}) is as old.",
            f"SEND {program.program} {name}, STATUS. A long transaction, a lock or the link may block it.",
            numbers,
        )
    if lag is not None and (level := rising(lag, watch.lag)) != "info":
        return Finding(
            key,
            level,
            f"{label} is {program.status} with a lag of {span(lag)}.",
            "Check whether the lag is falling. Usual causes: load, the link, the target database.",
            numbers,
        )
    return None


# -- replication lag, end to end -----------------------------------------------------------------------


@dataclass(frozen=True)
class Lag:
    """The replication lag by the marker rows.

    :param seconds: end to end; a lower bound where ``exact`` is false.
    """

    seconds: float
    exact: bool


def lag_of(
    arrived_after: float | None,
    waited: float,
    written: Sequence[tuple[str, float]],
    arrived: Collection[str],
    asked_at: float,
) -> Lag:
    """The lag from marker rows, by the source's clock alone.

    :param arrived_after: seconds until this survey's marker arrived at the target; None: it did not.
    :param waited: seconds of the wait for it.
    :param written: markers at the source with their times.
    :param arrived: markers at the target.
    :param asked_at: the source's time of the query.
    """
    if arrived_after is not None:
        return Lag(arrived_after, True)
    here = set(arrived)
    newest = max((time for marker, time in written if marker in here), default=float("-inf"))
    # Transactions are applied in order: a marker older than an arrived one has arrived, too, or is another target's.
    waiting = [asked_at - time for marker, time in written if marker not in here and time > newest]
    return Lag(max([waited, *(age + waited for age in waiting)]), False)


def lag_findings(source: str, target: str, lag: Lag, watch: Watch) -> list[Finding]:
    """Replication lag compared with its thresholds."""
    level = rising(lag.seconds, watch.lag)
    if level == "info":
        return []
    how = span(lag.seconds) if lag.exact else f"at least {span(lag.seconds)}"
    return [
        Finding(
            f"{source}-{target}/lag/marker",
            level,
            f"A change at {source} takes {how} to reach {target}.",
            f"Check the groups of both sites and the link: changes that {target} lacks would be lost with {source}.",
            {"lag_seconds": round(lag.seconds, 1)},
        )
    ]


# -- ggserr.log ----------------------------------------------------------------------------------------


class Trouble(BaseModel):
    """An error of ggserr.log that is not yet old enough to end."""

    last: float
    count: int
    message: str


def troubles(
    before: Mapping[str, Trouble], records: Iterable[LogRecord], now: float, watch: Watch
) -> dict[str, Trouble]:
    """Errors by code: earlier ones that are not old enough to end, and new ones.

    :param records: of this survey.
    """
    found = {code: old for code, old in before.items() if now - old.last < watch.ggserr_quiet}
    for record in records:
        if record.severity != "ERROR" or record.code in watch.ggserr_ignore:
            continue
        old = found.get(record.code)
        found[record.code] = Trouble(
            last=now, count=(old.count if old else 0) + 1, message=" ".join(record.message.split())[:_SHOWN]
        )
    return {code: trouble for code, trouble in found.items() if code not in watch.ggserr_ignore}


def ggserr_findings(site: str, found: Mapping[str, Trouble]) -> list[Finding]:
    """Errors of ggserr.log, one finding per message number."""
    return [
        Finding(
            f"{site}/ggserr/{code}",
            "warning",
            f"ggserr.log at {site} has {trouble.count} new error(s) {code}: {trouble.message}",
            "Read ggserr.log there. If the error is harmless, add its number to watch.ggserr_ignore.",
            {"errors": trouble.count},
        )
        for code, trouble in sorted(found.items())
    ]


# -- high-water marks ------------------------------------------------------------------------------------


def newest_marks(rows: Iterable[Mapping[str, Any]]) -> dict[int, int]:
    """High-water mark by data source: the mark of its calls, or, without calls, the newest mark of its tables."""
    calls: dict[int, int] = {}
    others: dict[int, int] = {}
    for row in rows:
        if row["max_ts"] is None:
            continue
        key, mark = int(row["data_source_key"]), int(row["max_ts"])
        into = calls if is_of_calls(row) else others
        into[key] = max(into.get(key, mark), mark)
    return others | calls


class Standing(BaseModel):
    """A high-water mark and the time since which it has not moved."""

    mark: int
    since: float


def standing(before: Mapping[str, Standing], marks: Mapping[int, int], now: float) -> dict[str, Standing]:
    """Each mark with the time since which it has not moved."""
    found = {}
    for key, mark in marks.items():
        old = before.get(str(key))
        found[str(key)] = old if old is not None and old.mark == mark else Standing(mark=mark, since=now)
    return found


def hwm_findings(
    site: str,
    marks: Mapping[str, Standing],
    names: Mapping[int, str],
    counted: Collection[int],
    idle: Collection[int],
    now: float,
    watch: Watch,
) -> list[Finding]:
    """Old high-water marks; for a data source without calls at most a warning, since it may simply be idle.

    :param names: names of the data sources by key, for the sentence.
    :param counted: data sources with calls.
    :param idle: data sources whose IDBs hold no call beyond the mark.
    """
    found = []
    for key, stands in sorted(marks.items(), key=lambda entry: int(entry[0])):
        age, still = now - stands.mark, now - stands.since
        level = rising(age, watch.hwm_age)
        if level == "info" or int(key) in idle:
            continue
        name, calls = names.get(int(key)), int(key) in counted
        moved = f"and has not moved for at least {span(still)}" if still > 0 else "and moves"
        found.append(
            Finding(
                f"{site}/hwm/{key}",
                level if calls else "warning",
                f"The high-water mark of data source {key}{f' ({name})' if name else ''} at {site} is {span(age)} old "
                f"{moved}: "
                + (
                    "later calls are not in the Info Mart."
                    if calls
                    else "later data, if there is any, is not in the Info Mart. Without calls nobody can tell."
                ),
                f"Check the ETL jobs, the log of the Info Mart Server at {site}, and its connection to the IDB.",
                {"age_seconds": age, "still_seconds": still},
            )
        )
    return found


def loading_findings(site: str, pending: Iterable[Mapping[str, Any]], now: float, watch: Watch) -> list[Finding]:
    """Extractions that no transformation has loaded: the marks move, and the Info Mart gets no fact.

    :param pending: rows of the statement ``loading_pending``.
    """
    rows = [row for row in pending if row["oldest_ts"] is not None]
    age = max((now - int(row["oldest_ts"]) for row in rows), default=0.0)
    level = rising(age, watch.loading_age)
    if level == "info":
        return []
    count = sum(int(row["row_count"] or 0) for row in rows)
    return [
        Finding(
            f"{site}/loading/transformation",
            level,
            f"The server at {site} extracts and does not transform: {count} row(s) of {len(rows)} data source(s) wait, "
            f"the oldest for {span(age)}. The high-water marks move, and no fact is loaded.",
            f"Read the log of the Info Mart Server at {site}, and Job_TransformGIM in GIM Manager. Usual causes: "
            "missing partitions (run Job_MaintainGIM), a full tablespace.",
            {"age_seconds": age, "rows": count},
        )
    ]


# -- disk of the trails ----------------------------------------------------------------------------------


def samples(before: Sequence[tuple[float, int]], free: int, now: float, watch: Watch) -> list[tuple[float, int]]:
    """Free space over the last ``trail_window`` seconds, with this survey's value last."""
    kept = [(at, value) for at, value in before if now - watch.trail_window <= at < now]
    while len(kept) >= _SAMPLES:
        # Thinned out, not shortened: a long span is needed to measure growth.
        kept = kept[::2]
    return [*kept, (now, free)]


def seconds_until_full(points: Sequence[tuple[float, int]], watch: Watch) -> float | None:
    """Seconds until the disk is full at the measured growth; None: it does not grow, or there are too few samples."""
    if len(points) < 2 or points[-1][0] - points[0][0] < watch.trail_window * _SHORTEST_PART:
        return None
    growth = (points[0][1] - points[-1][1]) / (points[-1][0] - points[0][0])
    return points[-1][1] / growth if growth > 0 else None


def trail_findings(site: str, folder: str, points: Sequence[tuple[float, int]], watch: Watch) -> list[Finding]:
    """Free space for the trails, and the time until it ends."""
    free = points[-1][1]
    left = seconds_until_full(points, watch)
    level = falling(free / 1_000_000, watch.trail_free)
    numbers: dict[str, float] = {"free_bytes": free}
    sentence = f"Trails at {site} ({folder}) have {size_text(free)} of free space"
    if left is not None:
        numbers["full_in_seconds"] = round(left)
        level = worst([level, falling(left, watch.trail_full)])
        sentence += f"; full in {span(left)} at the growth of the last {span(points[-1][0] - points[0][0])}"
    if level == "info":
        return []
    remedy = (
        "Check that pump and Replicat keep up, and that PURGEOLDEXTRACTS removes the files they have read. "
        "Otherwise add space."
    )
    return [Finding(f"{site}/trail/disk", level, sentence + ".", remedy, numbers)]


# -- link between the sites --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outage:
    """An outage of a link.

    :param since: the earliest possible start.
    :param left: seconds until the server gives up the other site's data; None: that site has no data sources.
    """

    since: float
    left: float | None


def outage_of(
    last_up: float | None, oldest_mark: float | None, has_sources: bool, threshold: float, now: float
) -> Outage:
    """A link outage compared with ``extract-data-stuck-threshold``, counted from its earliest possible start.

    :param last_up: time of the last survey that found it up; None: none did.
    :param oldest_mark: oldest high-water mark of the other site's data sources; used when no survey found it up.
    """
    since = last_up if last_up is not None else min(now, oldest_mark) if oldest_mark else now
    return Outage(since, threshold - (now - since) if has_sources else None)


def link_findings(
    here: str, there: str, outage: Outage | None, seen_by_airflow: bool, sources: Sequence[str], now: float,
    watch: Watch,
) -> list[Finding]:  # fmt: skip
    """An outage and its countdown.

    :param outage: None: the link is up.
    :param seen_by_airflow: Airflow itself reaches the other site, so only the link is cut.
    :param sources: names of the other site's data sources.
    """
    if outage is None:
        return []
    where = "Airflow reaches it" if seen_by_airflow else "Airflow does not reach it either"
    lasts = now - outage.since
    sentence = f"{here} has not reached {there} for up to {span(lasts)} ({where})"
    numbers: dict[str, float] = {"outage_seconds": round(lasts)}
    level: Level = "warning"
    if outage.left is not None:
        numbers["left_seconds"] = round(outage.left)
        named = f" ({', '.join(sources)})" if sources else ""
        if outage.left > 0:
            sentence += f"; in {span(outage.left)} the Info Mart Server gives up the data of {there}{named}"
        else:
            sentence += f"; the Info Mart Server gave up the data of {there}{named} {span(-outage.left)} ago"
        level = "critical" if outage.left <= watch.link_left else "warning"
    return [
        Finding(
            f"{here}-{there}/link/outage",
            level,
            sentence + ".",
            readable(
                f"Repair the link. Do not bring the Info Mart Server at {there} into service during a network outage: "
                "two servers would write (guide:251)."
            ),
            numbers,
        )
    ]


class GivenUp(BaseModel):
    """Data that the Info Mart Server has given up in a link outage that was longer than its threshold.

    :param sources: begin of the interval by data source.
    :param until: its end.
    :param at: the survey that found the link up again.
    """

    sources: dict[str, float]
    until: float
    at: float


def given_up(
    outage_since: float, sources: Iterable[str], marks: Mapping[str, float], threshold: float, now: float
) -> GivenUp | None:
    """The interval that was given up, by data source; None: the outage was shorter than the threshold.

    The server extracts again only what is younger than the threshold (guide:201-205).

    :param outage_since: earliest possible start of the outage.
    :param marks: high-water marks before the link was up again, by name of the data source.
    """
    until = now - threshold
    if outage_since >= until:
        return None
    # Extraction is behind the calls, so data older than the outage may be missing too.
    begins = {name: min(marks.get(name, outage_since), outage_since) for name in sources}
    return GivenUp(sources=begins, until=until, at=now) if begins else None


def given_up_findings(here: str, there: str, lost: GivenUp | None, now: float) -> list[Finding]:
    """The data that a past outage has cost, for a day."""
    if lost is None or now - lost.at > _TOLD_FOR:
        return []
    return [
        Finding(
            f"{here}-{there}/link/given up: {name}",
            "warning",
            f"The link outage has outlasted extract-data-stuck-threshold: data of {name} from {shown(begin)} to "
            f"{shown(lost.until)}, if there was any, is not in the Info Mart at {here} and does not come by itself.",
            "Look for it in the log of the Info Mart Server, and tell the users of the reports. The IDB still has it.",
            {"from": begin, "until": lost.until},
        )
        for name, begin in sorted(lost.sources.items())
    ]


# -- purge holds -------------------------------------------------------------------------------------------


def holds_of(site: str, idb: str) -> str:
    """Subject of the holds on one IDB."""
    return f"{site}/{idb}/holds"


def hold_findings(
    site: str, idb: str, since: float, oldest: float, ceiling: float, now: float, watch: Watch
) -> list[Finding]:
    """The age of the calls that a held IDB must keep, compared with its ceiling.

    :param since: time at which its purging stopped.
    :param oldest: time from which on calls are still needed.
    :param ceiling: seconds after which a call is overwritten even under a hold.
    """
    age = now - oldest
    level = rising(100 * age / ceiling, watch.hold_age)
    if level == "info":
        return []
    left = ceiling - age
    gone = f"will be overwritten in {span(left)}" if left > 0 else f"have been overwritten for {span(-left)}"
    sentence = f"Purging of {site}/{idb} has been held for {span(now - since)}"
    if oldest < since:
        sentence += f", and its extraction is {span(age)} behind"
        remedy = "Let extraction catch up"
    else:
        remedy = "Finish what holds it, or release the hold"
    return [
        Finding(
            f"{holds_of(site, idb)}/age",
            level,
            f"{sentence}; the oldest calls that it must keep {gone}.",
            f"{remedy} (docs/purge-holds.md): the partition ring overwrites the data even under a hold.",
            {"age_seconds": age, "left_seconds": left},
        )
    ]


# -- subjects that could not be judged ----------------------------------------------------------------------


def not_seen(subject: str, error: InfoMartError) -> Finding:
    """A subject that gave no answer; its conditions stay as they were."""
    what, _, part = subject.rpartition("/")
    shown = f"{part} of {what}" if what else part
    return Finding(f"{subject}/look", "critical", f"Could not check {shown}: {error.what}", error.next_step)


def no_markers(source: str, target: str) -> Finding:
    """A replication that was set up without the procedures."""
    return Finding(
        f"{source}-{target}/lag/look",
        "info",
        f"There is no marker table at {source}, so the lag to {target} is not measured.",
        "infomart_setup_replication creates the table and adds it to the parameter files.",
    )


# -- from one survey to the next -----------------------------------------------------------------------------


class Condition(BaseModel):
    """A fault that lasts since a survey found it.

    :param told: the worst level that was reported.
    """

    level: Level
    told: Level
    since: float
    sentence: str


#: ``began``, became ``worse`` (critical after a warning, once), ``ended``.
What = Literal["began", "worse", "ended"]


class Alert(BaseModel):
    """A message that is sent once.

    :param id: the same for every sender, so that a receiver recognises a duplicate.
    :param waits: channels by which it is still to be sent.
    :param taken: time at which a sender took it.
    """

    id: str
    what: What
    key: str
    level: Level
    sentence: str
    remedy: str = ""
    numbers: dict[str, float] = Field(default_factory=dict)
    since: float
    at: float
    waits: list[Literal["asset", "webhook"]] = Field(default_factory=list)
    taken: float = 0.0

    def message(self) -> dict[str, Any]:
        """The message for a receiver; plain JSON."""
        return self.model_dump(mode="json", exclude={"waits", "taken"})


class State(BaseModel):
    """The state that one survey leaves for the next, whichever Airflow runs it."""

    #: Surveys so far: the highest number is the newest state.
    number: int = 0
    at: float = 0.0
    #: Position up to which ggserr.log was read, by site: file and bytes.
    positions: dict[str, tuple[int, int]] = Field(default_factory=dict)
    errors: dict[str, dict[str, Trouble]] = Field(default_factory=dict)
    marks: dict[str, dict[str, Standing]] = Field(default_factory=dict)
    space: dict[str, list[tuple[float, int]]] = Field(default_factory=dict)
    #: Time at which each link was last up.
    links: dict[str, float] = Field(default_factory=dict)
    #: MACHINE of the Info Mart Server's sessions by site, while it serves there.
    machines: dict[str, list[str]] = Field(default_factory=dict)
    #: Last event by remaining IDB of the data sources of lost sites.
    idb_events: dict[str, int] = Field(default_factory=dict)
    #: By link, the data that its newest long outage has cost.
    given_up: dict[str, GivenUp] = Field(default_factory=dict)
    conditions: dict[str, Condition] = Field(default_factory=dict)
    outbox: list[Alert] = Field(default_factory=list)


def transitions(
    deployment: str,
    before: Mapping[str, Condition],
    findings: Iterable[Finding],
    judged: Collection[str],
    watched: Collection[str],
    now: float,
) -> tuple[dict[str, Condition], list[Alert]]:
    """Conditions after a survey, and the alerts about their changes.

    :param judged: subjects that this survey could judge; a condition of any other subject stays as it was.
    :param watched: subjects of a complete survey; a condition of any other subject ends.
    """
    after: dict[str, Condition] = {}
    alerts: list[Alert] = []
    found = {finding.key: finding for finding in findings if finding.level != "info"}
    for key, finding in found.items():
        old = before.get(key)
        since = old.since if old else now
        worse = old is not None and LEVELS.index(finding.level) > LEVELS.index(old.told)
        told = worst([finding.level, old.told]) if old else finding.level
        after[key] = Condition(level=finding.level, told=told, since=since, sentence=finding.sentence)
        if old is None or worse:
            what: What = "worse" if old else "began"
            alerts.append(
                Alert(
                    id=alert_id(deployment, key, since, what),
                    what=what,
                    key=key,
                    level=finding.level,
                    sentence=finding.sentence,
                    remedy=finding.remedy,
                    numbers=finding.numbers,
                    since=since,
                    at=now,
                )
            )
    for key, old in before.items():
        if key in found:
            continue
        gone = subject_of(key) not in watched
        if not gone and subject_of(key) not in judged:
            after[key] = old
            continue
        lasted = f"after {span(now - old.since)}"
        ended = f"No longer watched, {lasted}" if gone else f"Ended {lasted}"
        alerts.append(
            Alert(
                id=alert_id(deployment, key, old.since, "ended"),
                what="ended",
                key=key,
                level=old.told,
                sentence=f"{ended}: {old.sentence}",
                since=old.since,
                at=now,
            )
        )
    return after, alerts


def alert_id(deployment: str, key: str, since: float, what: What) -> str:
    """Identity of an alert."""
    return f"{deployment}:{key}:{since:.0f}:{what}"
