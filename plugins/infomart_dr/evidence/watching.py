"""From what a look saw to what is wrong, and from one look to the next: pure functions, nothing is asked here.

A finding has a key ``<subject>/<what>``. A condition begins with the first look that finds it, and ends with the first
look that could see its subject and does not find it any more: a site that cannot be reached ends nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, Field

from infomart_dr.errors import InfoMartError
from infomart_dr.evidence.high_water_marks import is_of_calls
from infomart_dr.guide import readable
from infomart_dr.hooks.parse_ggsci import LogRecord, ProgramStatus
from infomart_dr.plan.lock import Holder
from infomart_dr.text import size_text
from infomart_dr.times import span
from infomart_dr.topology import Falling, Rising, Topology, Watch

#: ``info`` is shown and never told; the others begin a condition.
Level = Literal["info", "warning", "critical"]
LEVELS: tuple[Level, ...] = ("info", "warning", "critical")

#: Samples of free space that are kept, and the part of ``trail_window`` without which no growth is told from noise.
_SAMPLES, _SHORTEST_PART = 24, 0.25
#: Characters of a message of ggserr.log that a finding shows.
_SHOWN = 300
_STARTS = ("RUNNING", "STARTING")


@dataclass(frozen=True)
class Finding:
    """Something that a look found.

    :param key: ``<subject>/<what>``, the same in every look.
    :param sentence: what is wrong.
    :param remedy: what to do now.
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
    """What a condition is about: its key without the last part."""
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


# -- what a look may see -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Roles:
    """What follows from the roles in the topology.

    :param sites: sites that are looked at: active and standby ones.
    :param active: sites whose server runs.
    :param replications: from the active site to each standby; none of an active-active deployment.
    :param links: between the active sites and all others that are looked at.
    :param idbs: site and name of the IDBs whose purging can be held, at all sites that are not lost.
    """

    sites: tuple[str, ...]
    active: tuple[str, ...]
    replications: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    idbs: tuple[tuple[str, str], ...]

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
        )

    def subjects(self) -> set[str]:
        """All that a whole look judges."""
        per_site = ("database", "lock", "host", "groups", "ggserr", "trail")
        found = {f"{site}/{what}" for site in self.sites for what in per_site}
        found |= {f"{site}/hwm" for site in self.active}
        found |= {f"{source}-{target}/lag" for source, target in self.replications}
        found |= {f"{one}-{other}/link" for one, other in self.links}
        return found | {holds_of(site, idb) for site, idb in self.idbs}


# -- the plan under way ------------------------------------------------------------------------------


def plan_finding(site: str, holder: Holder, now: float, watch: Watch) -> Finding:
    """The plan that holds the deployment's lock at a site; a warning once it may be a dead one.

    A plan leaves a sign of life before each step that changes something, and none while it waits.
    """
    quiet = now - holder.heartbeat_at.timestamp()
    key = f"{site}/lock/plan"
    said = f"Plan {holder.plan_id} of {holder.owner} holds the lock at {site}: groups and lag are not judged meanwhile"
    numbers: dict[str, float] = {"quiet_seconds": round(quiet)}
    if quiet < watch.plan_quiet:
        return Finding(key, "info", f"{said}.", "", numbers)
    return Finding(
        key,
        "warning",
        f"{said}. Its last sign of life is {span(quiet)} old.",
        "Look whether its run waits, as at a gate. Once nothing of it runs any more, go on with it or free the lock: "
        'docs/operating.md, "The lock of a dead plan".',
        numbers,
    )


# -- GoldenGate's groups -----------------------------------------------------------------------------


def group_findings(
    site: str, programs: Sequence[ProgramStatus], must_run: Collection[str], known: Collection[str], watch: Watch
) -> list[Finding]:
    """Manager and groups of a site, by Status, Lag and Time Since Chkpt together.

    The lag is that of the last checkpoint, so it says nothing of a group that does not run or makes none.

    :param must_run: groups that follow from the site's role; empty: not even the manager must run.
    :param known: groups that the topology names at this site; others are not ours.
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
                "START MGR in ggsci; nothing is received or restarted without it.",
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
                f"{program.program} {name} at {site} is {program.status}, which the site's role does not ask for.",
                "STOP it, or correct the roles in the topology.",
            )
        else:
            finding = None
        if finding is not None:
            found.append(finding)
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
            f"VIEW REPORT {name} and ggserr.log say why; correct the cause, then START {program.program} {name}.",
            numbers,
        )
    if since is not None and since >= watch.checkpoint:
        shown = "unknown" if lag is None else span(lag)
        return Finding(
            key,
            "critical",
            f"{label} is {program.status} but has made no checkpoint for {span(since)}: it is stuck. "
            f"The lag it shows ({shown}) is of that time.",
            f"SEND {program.program} {name}, STATUS; a long transaction, a lock or the link may hold it.",
            numbers,
        )
    if lag is not None and (level := rising(lag, watch.lag)) != "info":
        return Finding(
            key,
            level,
            f"{label} is {program.status} with a lag of {span(lag)}.",
            "See whether it shrinks; load, the link and the target's database are the usual causes.",
            numbers,
        )
    return None


# -- replication lag, end to end -----------------------------------------------------------------------


@dataclass(frozen=True)
class Lag:
    """What the marker rows say.

    :param seconds: end to end; where ``exact`` is false, it is at least that.
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
    """The lag from marker rows; only one clock, the source's, is in it.

    :param arrived_after: seconds after which this look's marker was seen at the target; None: it was not.
    :param waited: seconds for which it was waited for.
    :param written: markers at the source with their times.
    :param arrived: those at the target.
    :param asked_at: the source's time of the question.
    """
    if arrived_after is not None:
        return Lag(arrived_after, True)
    here = set(arrived)
    newest = max((time for marker, time in written if marker in here), default=float("-inf"))
    # Transactions are applied in their order: what is older than one that is there has arrived, or is another target's.
    waiting = [asked_at - time for marker, time in written if marker not in here and time > newest]
    return Lag(max([waited, *(age + waited for age in waiting)]), False)


def lag_findings(source: str, target: str, lag: Lag, watch: Watch) -> list[Finding]:
    """Replication lag against its thresholds."""
    level = rising(lag.seconds, watch.lag)
    if level == "info":
        return []
    how = span(lag.seconds) if lag.exact else f"at least {span(lag.seconds)}"
    return [
        Finding(
            f"{source}-{target}/lag/marker",
            level,
            f"A change at {source} takes {how} until it is at {target}.",
            f"What {target} lacks would be lost with {source}: look at the groups of both sites and at the link.",
            {"lag_seconds": round(lag.seconds, 1)},
        )
    ]


# -- ggserr.log ----------------------------------------------------------------------------------------


class Trouble(BaseModel):
    """An error of ggserr.log that has not been quiet for long enough."""

    last: float
    count: int
    message: str


def troubles(
    before: Mapping[str, Trouble], records: Iterable[LogRecord], now: float, watch: Watch
) -> dict[str, Trouble]:
    """Errors by code: those that were not quiet for long enough, and the new ones.

    :param records: of this look.
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
    """Errors of ggserr.log, one finding a message number."""
    return [
        Finding(
            f"{site}/ggserr/{code}",
            "warning",
            f"ggserr.log at {site} has {trouble.count} new error(s) {code}: {trouble.message}",
            "Read ggserr.log there; if nobody needs to know, put the number into watch.ggserr_ignore.",
            {"errors": trouble.count},
        )
        for code, trouble in sorted(found.items())
    ]


# -- high-water marks ------------------------------------------------------------------------------------


def newest_marks(rows: Iterable[Mapping[str, Any]]) -> dict[int, int]:
    """High-water mark by data source: that of its calls, or where it has none the newest of its tables."""
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
    """A high-water mark and since when it is this one."""

    mark: int
    since: float


def standing(before: Mapping[str, Standing], marks: Mapping[int, int], now: float) -> dict[str, Standing]:
    """Since when each mark stands where it is."""
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
    """Old high-water marks; of a data source without calls never more than a warning, since nothing may have happened.

    :param names: data sources by key, for the sentence.
    :param counted: data sources with calls.
    :param idle: data sources whose IDBs hold nothing beyond the mark.
    """
    found = []
    for key, stands in sorted(marks.items(), key=lambda entry: int(entry[0])):
        age, still = now - stands.mark, now - stands.since
        level = rising(age, watch.hwm_age)
        if level == "info" or int(key) in idle:
            continue
        name, calls = names.get(int(key)), int(key) in counted
        moved = f"and stands still for at least {span(still)}" if still > 0 else "and moves"
        found.append(
            Finding(
                f"{site}/hwm/{key}",
                level if calls else "warning",
                f"The high-water mark of data source {key}{f' ({name})' if name else ''} at {site} is {span(age)} old "
                f"{moved}: what happened since is not in the Info Mart"
                + ("." if calls else ", if anything did: it has no calls that could be counted."),
                f"Look at the ETL jobs and the log of the Info Mart Server at {site}, and whether it reaches the IDB.",
                {"age_seconds": age, "still_seconds": still},
            )
        )
    return found


# -- disk of the trails ----------------------------------------------------------------------------------


def samples(before: Sequence[tuple[float, int]], free: int, now: float, watch: Watch) -> list[tuple[float, int]]:
    """Free space over the last ``trail_window`` seconds, this look's last."""
    kept = [(at, value) for at, value in before if now - watch.trail_window <= at < now]
    while len(kept) >= _SAMPLES:
        # Thinner, not shorter: the span is what tells a growth.
        kept = kept[::2]
    return [*kept, (now, free)]


def seconds_until_full(points: Sequence[tuple[float, int]], watch: Watch) -> float | None:
    """Seconds until the disk is full at the growth between the looks; None when it does not grow, or too few tell."""
    if len(points) < 2 or points[-1][0] - points[0][0] < watch.trail_window * _SHORTEST_PART:
        return None
    growth = (points[0][1] - points[-1][1]) / (points[-1][0] - points[0][0])
    return points[-1][1] / growth if growth > 0 else None


def trail_findings(site: str, folder: str, points: Sequence[tuple[float, int]], watch: Watch) -> list[Finding]:
    """Free space where the trails are, and when it ends."""
    free = points[-1][1]
    left = seconds_until_full(points, watch)
    level = falling(free / 1_000_000, watch.trail_free)
    numbers: dict[str, float] = {"free_bytes": free}
    sentence = f"{size_text(free)} are free for trails at {site} ({folder})"
    if left is not None:
        numbers["full_in_seconds"] = round(left)
        level = worst([level, falling(left, watch.trail_full)])
        sentence += f"; full in {span(left)} at the growth of the last {span(points[-1][0] - points[0][0])}"
    if level == "info":
        return []
    remedy = "See whether pump and Replicat keep up and PURGEOLDEXTRACTS removes what they have read; else add space."
    return [Finding(f"{site}/trail/disk", level, sentence + ".", remedy, numbers)]


# -- link between the sites --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outage:
    """A link that does not answer.

    :param since: the earliest moment at which it may have begun.
    :param left: seconds until the data of the other site is given up; None: that site has no data sources.
    """

    since: float
    left: float | None


def outage_of(
    last_up: float | None, oldest_mark: float | None, has_sources: bool, threshold: float, now: float
) -> Outage:
    """A link outage against ``extract-data-stuck-threshold``, counted from the earliest moment that is possible.

    :param last_up: the last look that found it up; None: none did.
    :param oldest_mark: the oldest high-water mark of the other site's data sources; of use when no look found it up.
    """
    since = last_up if last_up is not None else min(now, oldest_mark) if oldest_mark else now
    return Outage(since, threshold - (now - since) if has_sources else None)


def link_findings(
    here: str, there: str, outage: Outage | None, seen_by_airflow: bool, sources: Sequence[str], now: float,
    watch: Watch,
) -> list[Finding]:  # fmt: skip
    """An outage and its countdown.

    :param outage: None: the link is up.
    :param seen_by_airflow: Airflow itself reaches the other site, so that the link alone is cut.
    :param sources: names of the other site's data sources.
    """
    if outage is None:
        return []
    where = "Airflow reaches it" if seen_by_airflow else "Airflow does not reach it either"
    lasts = now - outage.since
    sentence = f"{there} is not reached from {here} for at most {span(lasts)} ({where})"
    numbers: dict[str, float] = {"outage_seconds": round(lasts)}
    level: Level = "warning"
    if outage.left is not None:
        numbers["left_seconds"] = round(outage.left)
        named = f" ({', '.join(sources)})" if sources else ""
        if outage.left > 0:
            sentence += f"; in {span(outage.left)} data of {there}{named} will be given up"
        else:
            sentence += f"; data of {there}{named} is given up for {span(-outage.left)} now"
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


# -- purge holds -------------------------------------------------------------------------------------------


def holds_of(site: str, idb: str) -> str:
    """Subject of the holds on one IDB."""
    return f"{site}/{idb}/holds"


def hold_findings(
    site: str, idb: str, since: float, oldest: float, ceiling: float, now: float, watch: Watch
) -> list[Finding]:
    """What an IDB whose purging is held has to keep, against its ceiling.

    :param since: when its purging stopped.
    :param oldest: from when on calls are needed still.
    :param ceiling: seconds after which a call is overwritten, held or not.
    """
    age = now - oldest
    level = rising(100 * age / ceiling, watch.hold_age)
    if level == "info":
        return []
    left = ceiling - age
    when = f"in {span(left)}" if left > 0 else f"since {span(-left)}"
    sentence = f"Purging of {site}/{idb} is held for {span(now - since)}"
    if oldest < since:
        sentence += f", and its extraction is {span(age)} behind"
        remedy = "Let extraction catch up"
    else:
        remedy = "Finish what holds it, or release the hold"
    return [
        Finding(
            f"{holds_of(site, idb)}/age",
            level,
            f"{sentence}; a partitioned IDB overwrites what is held {when}.",
            f"{remedy} (docs/purge-holds.md): the data goes with the ring, hold or not.",
            {"age_seconds": age, "left_seconds": left},
        )
    ]


# -- what could not be seen ---------------------------------------------------------------------------------


def not_seen(subject: str, error: InfoMartError) -> Finding:
    """A subject that could not be looked at; what stands of it stays as it was."""
    what, _, part = subject.rpartition("/")
    shown = f"{part} of {what}" if what else part
    return Finding(f"{subject}/look", "critical", f"Could not look at {shown}: {error.what}", error.next_step)


def no_markers(source: str, target: str) -> Finding:
    """A replication that was set up without the procedures."""
    return Finding(
        f"{source}-{target}/lag/look",
        "info",
        f"There is no marker table at {source}: the lag to {target} is not measured.",
        "infomart_setup_replication makes it, and the parameter files that carry it.",
    )


# -- from one look to the next -------------------------------------------------------------------------------


class Condition(BaseModel):
    """Something that is wrong since a look found it.

    :param told: the worst level that was told.
    """

    level: Level
    told: Level
    since: float
    sentence: str


#: ``began``, became ``worse`` (critical after a warning, once), ``ended``.
What = Literal["began", "worse", "ended"]


class Alert(BaseModel):
    """What is told, once.

    :param id: the same for whoever tells it, so that a receiver knows a second telling.
    :param waits: ways by which it has still to be told.
    :param taken: when somebody began to tell it.
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
        """What a receiver gets; plain JSON."""
        return self.model_dump(mode="json", exclude={"waits", "taken"})


class State(BaseModel):
    """What one look leaves to the next, whichever Airflow makes it."""

    #: Surveys so far: the highest number is the newest state.
    number: int = 0
    at: float = 0.0
    #: Where ggserr.log was read to, by site: file and bytes.
    positions: dict[str, tuple[int, int]] = Field(default_factory=dict)
    errors: dict[str, dict[str, Trouble]] = Field(default_factory=dict)
    marks: dict[str, dict[str, Standing]] = Field(default_factory=dict)
    space: dict[str, list[tuple[float, int]]] = Field(default_factory=dict)
    #: When each link was last seen up.
    links: dict[str, float] = Field(default_factory=dict)
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
    """Conditions after a look, and what is new.

    :param judged: subjects that this look could see; a condition of another one stays as it was.
    :param watched: subjects that are looked at at all; a condition of another one ends.
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
        ended = f"Not watched any more, {lasted}" if gone else f"Ended {lasted}"
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
