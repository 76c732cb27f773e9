"""IDB purge holds (rule 8): who holds purging, why and until when, and what that means for the purge jobs.

The state lives in the database of each IDB, in two tables of the connection's own user. So it outlives a lost site,
a lost Airflow and a cleared run, and two Airflows see the same. DR_PURGE_HOLD has a row a hold; DR_PURGE_JOB has a
row for each job that a hold has disabled, or found disabled, and that is not given back yet.

Nothing here waits: what cannot be done now (a purge runs) is said, and done by the next look. The order makes two
runs at the same time harmless: who holds writes the hold first and looks at the job then; who gives a job back
enables it first and looks for holds then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from infomart_dr.errors import CurableError, FinalError, GuardError, InfoMartError, TopologyError
from infomart_dr.evidence.high_water_marks import against, lowest, with_calls
from infomart_dr.guards import high_water_marks
from infomart_dr.hooks.purge_jobs import JobState, PurgeJob, PurgeRunsError
from infomart_dr.plan.lock import Statements, code_of, cut, ensure_table
from infomart_dr.plan.parameters import SHORTER_ID
from infomart_dr.plan.step import Seen

if TYPE_CHECKING:
    from infomart_dr.deployment import Deployment
    from infomart_dr.topology import Idb

log = logging.getLogger(__name__)

_DUPLICATE = "ORA-00001"
#: Begins the id of a plan's hold, so that no run of infomart_purge_hold has the same.
_PLAN = "plan "
#: A hold that begins so soon after it is placed holds at once, whatever the clock says of another Airflow that looks.
_AT_ONCE = timedelta(minutes=5)
#: Part of the partition ring after which a hold is warned of.
WARN_AFTER = 0.7
#: Bytes of an owner.
OWNER_LIMIT = 250
#: Who is noted for a hold that nobody released.
_ITS_END = "its own end"


# -- holds -----------------------------------------------------------------------------------------


def utc(value: datetime | None) -> datetime | None:
    """A time of the tables, which are UTC without saying so."""
    if value is None:
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def shown(moment: datetime | None) -> str:
    """A time for people."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "-"


@dataclass(frozen=True)
class End:
    """What ends a hold: a time, or the moment when the high-water mark of a site has passed a time.

    A plan's hold has only the site at first: the plan gives it the time, or releases it.
    """

    ends_at: datetime | None = None
    until_site: str | None = None
    until_time: datetime | None = None

    def __str__(self) -> str:
        if self.ends_at:
            return f"until {shown(self.ends_at)}"
        if self.until_time:
            return f"until the high-water mark of {self.until_site} has passed {shown(self.until_time)}"
        return "until its plan releases it"

    def binds(self) -> dict[str, Any]:
        return {
            "ends_at": _stored(self.ends_at),
            "until_site": self.until_site,
            "until_time": _stored(self.until_time),
        }


def _stored(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0) if moment else None


@dataclass(frozen=True)
class Hold:
    """A hold on the purging of one IDB; times are UTC.

    :param end_asked_at: when the run was asked for that set the end; None: nobody has changed it.
    :param changes: how often the end was changed.
    """

    hold_id: str
    owner: str
    reason: str
    placed_at: datetime
    begins_at: datetime
    end: End
    ticket: str = ""
    end_asked_at: datetime | None = None
    changes: int = 0
    released_at: datetime | None = None
    released_by: str = ""
    released_why: str = ""

    @property
    def of_plan(self) -> bool:
        """A plan's hold: only a plan changes its end."""
        return self.hold_id.startswith(_PLAN)

    @property
    def until_its_plan(self) -> bool:
        """It has no end that the guard could find reached."""
        return self.released_at is None and self.end.ends_at is None and self.end.until_time is None

    def active(self, now: datetime) -> bool:
        """Whether it holds now; whether it is over is another question."""
        return self.released_at is None and (self.begins_at <= now or self.begins_at - self.placed_at < _AT_ONCE)

    def __str__(self) -> str:
        ticket = f", ticket {self.ticket}" if self.ticket else ""
        words = f"{self.hold_id} of {self.owner}{ticket} ({self.reason}), from {shown(self.begins_at)} {self.end}"
        if self.released_at:
            words += f", released {shown(self.released_at)} by {self.released_by}: {self.released_why}"
        return words


@dataclass(frozen=True)
class HeldJob:
    """A purge job that a hold has disabled, or found disabled.

    :param was_enabled: it is enabled at the end.
    :param changes: how often the row was written.
    :param enabled_again: how often somebody enabled it under a hold.
    """

    deployment: str
    site: str
    idb: str
    job: str
    was_enabled: bool
    memory: str
    held_since: datetime
    changes: int
    enabled_again: int = 0
    enabled_again_at: datetime | None = None


class HoldStore:
    """The two tables, for one IDB.

    :param hook: Oracle hook of the IDB's ``connection``.
    :param schema: the connection's user.
    """

    def __init__(self, hook: Statements, schema: str, deployment: str, site: str, idb: str) -> None:
        self._hook, self._schema = hook, schema
        self._in = {"schema": schema}
        self.idb = {"deployment": deployment, "site": site, "idb": idb}

    def of(self, job: HeldJob) -> HoldStore:
        """The holds of the IDB that a row is of, in the same tables."""
        return HoldStore(self._hook, self._schema, job.deployment, job.site, job.idb)

    def ensure_tables(self) -> None:
        """Make the tables where they are missing."""
        ensure_table(self._hook, self._schema, "DR_PURGE_HOLD", "create_purge_hold_table")
        ensure_table(self._hook, self._schema, "DR_PURGE_JOB", "create_purge_job_table")

    @cached_property
    def _there(self) -> bool:
        return bool(self._hook.value("table_exists", owner=self._schema, table_name="DR_PURGE_JOB"))

    def holds(self) -> list[Hold]:
        """All holds of the IDB, also those that were released; none where there is no table yet."""
        if not self._there:
            return []
        return [
            Hold(
                row["hold_id"],
                row["owner"],
                row["reason"] or "no reason given",
                _utc(row["placed_at"]),
                _utc(row["begins_at"]),
                End(utc(row["ends_at"]), row["until_site"], utc(row["until_time"])),
                row["ticket"] or "",
                utc(row["end_asked_at"]),
                int(row["changes"]),
                utc(row["released_at"]),
                row["released_by"] or "",
                row["released_why"] or "",
            )
            for row in self._hook.select("purge_holds", self._in, **self.idb)
        ]

    def hold(self, hold_id: str) -> Hold | None:
        """A hold by its id."""
        return next((hold for hold in self.holds() if hold.hold_id == hold_id), None)

    def place(self, hold_id: str, owner: str, ticket: str, reason: str, begins_at: datetime, end: End) -> bool:
        """Write a hold.

        :returns: False when there is one of this id, placed or released, which stands as it is.
        """
        _short("id", hold_id, 300)
        _short("owner", owner, OWNER_LIMIT)
        self.ensure_tables()
        self.__dict__.pop("_there", None)
        if self.hold(hold_id) is not None:
            return False
        try:
            self._hook.execute(
                "purge_hold_place",
                self._in,
                **self.idb,
                hold_id=hold_id,
                owner=owner,
                ticket=ticket or None,
                reason=cut(reason, 1000),
                begins_at=_stored(begins_at),
                **end.binds(),
            )
        except Exception as error:
            if code_of(error) != _DUPLICATE:
                raise
            return False
        return True

    def extend(self, hold_id: str, end: End, asked_at: datetime) -> bool:
        """Give an open hold another end.

        :param asked_at: when the run was asked for that does it.
        :returns: False when it is released, or a run that was asked for later has set the end.
        """
        binds = {**self.idb, **end.binds(), "hold_id": hold_id, "asked_at": _stored(asked_at)}
        return self._hook.execute("purge_hold_extend", self._in, **binds) == 1

    def reopen(self, hold_id: str, owner: str, begins_at: datetime, until_site: str) -> bool:
        """Let a hold hold again that is released or has an end by now: a plan that is gone on with."""
        binds = {"owner": owner, "begins_at": _stored(begins_at), "until_site": until_site}
        return self._hook.execute("purge_hold_reopen", self._in, **self.idb, hold_id=hold_id, **binds) == 1

    def release(self, hold_id: str, by: str, why: str) -> bool:
        """Note that an open hold is released.

        :returns: False when there is no open one of this id.
        """
        return (
            self._hook.execute(
                "purge_hold_release",
                self._in,
                **self.idb,
                hold_id=hold_id,
                released_by=cut(by, OWNER_LIMIT),
                released_why=cut(why, 1000),
            )
            == 1
        )

    def over(self, hold: Hold, why: str) -> bool:
        """Note that a hold is released since its end has come.

        :returns: False when it is released already, or has another end by now.
        """
        binds = {**self.idb, "released_by": _ITS_END, "released_why": cut(why, 1000)}
        return self._hook.execute("purge_hold_over", self._in, **binds, hold_id=hold.hold_id, changes=hold.changes) == 1

    def jobs(self) -> list[HeldJob]:
        """Jobs that are held in this database, of all IDBs and deployments."""
        if not self._there:
            return []
        return [
            HeldJob(
                row["deployment"],
                row["site"],
                row["idb"],
                row["job"],
                row["was_enabled"] == "Y",
                row["memory"] or "",
                _utc(row["held_since"]),
                int(row["changes"]),
                int(row["enabled_again"]),
                utc(row["enabled_again_at"]),
            )
            for row in self._hook.select("purge_held_jobs", self._in)
        ]

    def is_own(self, job: HeldJob) -> bool:
        """Whether a row is of this IDB."""
        return {"deployment": job.deployment, "site": job.site, "idb": job.idb} == self.idb

    def note(self, job: str, was_enabled: bool, memory: str) -> bool:
        """Note a job before it is disabled.

        :returns: False when another run has noted it.
        """
        was = "Y" if was_enabled else "N"
        try:
            self._hook.execute("purge_job_note", self._in, **self.idb, job=job, was_enabled=was, memory=memory or None)
        except Exception as error:
            if code_of(error) != _DUPLICATE:
                raise
            return False
        return True

    def touch(self, job: str) -> bool:
        """Say that a hold needs the job; False when it was forgotten meanwhile."""
        return self._hook.execute("purge_job_touch", self._in, **self.idb, job=job) == 1

    def enabled_again(self, job: str, memory: str) -> bool:
        """Note, for each IDB that it purges, that somebody has enabled the job; False when all have forgotten it."""
        return self._hook.execute("purge_job_enabled_again", self._in, job=job, memory=memory or None) > 0

    def forget(self, job: HeldJob) -> bool:
        """Remove a job's row; False when another run has written it since it was read."""
        return self._hook.execute("purge_job_forget", self._in, **self.idb, job=job.job, changes=job.changes) == 1


def _utc(value: datetime) -> datetime:
    found = utc(value)
    assert found is not None
    return found


def _short(field_name: str, value: str, limit: int) -> None:
    if not 0 < len(value.encode()) <= limit:
        raise FinalError(
            f"The {field_name} of a purge hold has {len(value.encode())} bytes; allowed: 1 to {limit}.", SHORTER_ID
        )


def plan_hold(plan_id: str) -> str:
    """Id of a plan's hold."""
    return f"{_PLAN}{plan_id}"


# -- the partition ring ----------------------------------------------------------------------------


def needed_from(since: datetime, waiting: tuple[datetime, int] | None) -> datetime:
    """From when on an IDB may hold calls that are needed still.

    :param since: when purging stopped.
    :param waiting: up to when the IDB is extracted, and how many calls it holds beyond that; None: not known.
    """
    return min(since, waiting[0]) if waiting is not None and waiting[1] else since


def ring_warning(since: datetime, now: datetime, ring_days: int | None, waiting: tuple[datetime, int] | None) -> str:
    """What the partition ring will overwrite, and when; empty while there is time.

    :param since: when purging stopped.
    :param ring_days: daily partitions; None: the IDB has none.
    :param waiting: up to when the IDB is extracted, and how many calls it holds beyond that; None: not known.
    """
    # The ring overwrites by the age of the calls: those from before the hold go first.
    oldest = needed_from(since, waiting)
    if ring_days is None or (now - oldest) / timedelta(days=ring_days) < WARN_AFTER:
        return ""
    days = f"{(now - oldest) / timedelta(days=1):.1f} of {ring_days} days of the partition ring"
    age = f"extraction is {days} behind" if oldest < since else f"purging has stopped for {days}"
    if waiting is not None and not waiting[1]:
        return f"{age}; the IDB is extracted up to {shown(waiting[0])}, so that nothing would be lost now"
    needed, calls = (since, "calls") if waiting is None else (waiting[0], f"{waiting[1]} call(s)")
    gone = needed + timedelta(days=ring_days)
    left = (gone - now) / timedelta(days=1)
    when = f"in {left:.1f} days, at {shown(gone)}" if left > 0 else f"since {shown(gone)}"
    return (
        f"{age}: {calls} from {shown(needed)} on that are not extracted by then are overwritten, a day's each day, "
        f"beginning {when}"
    )


# -- one IDB ---------------------------------------------------------------------------------------


def typed(error: Exception) -> InfoMartError:
    """An error of the procedures, for one that may be a fault of their own."""
    if isinstance(error, InfoMartError):
        return error
    return FinalError(f"{type(error).__name__}: {error}", "Report this with the task's log: nobody foresaw it.")


def raise_all(errors: Sequence[tuple[str, InfoMartError]]) -> None:
    """Raise one error for all; final when any of them is. Without any, nothing is raised."""
    if not errors:
        return
    kind = CurableError if all(error.curable for _, error in errors) else FinalError
    what = " ".join(f"{label}: {error.what}" for label, error in errors)
    raise kind(what, errors[0][1].next_step or "Look at each of these; the others are done.")


@dataclass
class Report:
    """What a look at one IDB came to.

    :param changed: jobs that were disabled or enabled, and holds that ended.
    :param reported: what somebody should know: a job was enabled under a hold.
    :param warnings: what will go wrong if nobody acts.
    :param running: jobs whose purge runs now; they are looked at again.
    :param errors: what could not be done, with the job or the IDB.
    """

    idb: str
    holds: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    errors: list[tuple[str, InfoMartError]] = field(default_factory=list)

    def failed(self, what: str, error: Exception) -> None:
        """Keep an error: what else is to be done must not wait for it."""
        log.warning("%s: %s: %s", self.idb, what, error, exc_info=not isinstance(error, InfoMartError))
        self.errors.append((f"{self.idb}: {what}", typed(error)))


def _left_behind(row: HeldJob) -> str:
    return (
        f"{row.job} is held and no longer in the topology, so that nothing enables it: put it back until its holds are "
        f"over; or enable it by hand where it was enabled ({'yes' if row.was_enabled else 'no'}), then delete its row "
        "in DR_PURGE_JOB"
    )


class IdbHolds:
    """Holds and purge jobs of one IDB.

    :param jobs: the topology's purge jobs.
    :param clock: what time it is.
    """

    def __init__(
        self,
        site: str,
        idb: Idb,
        store: HoldStore,
        jobs: Iterable[PurgeJob],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.site, self.settings, self.store = site, idb, store
        self.jobs, self._clock = list(jobs), clock
        self.label = f"{site}/{idb.name}"

    def states(self) -> dict[str, JobState]:
        """State of each purge job."""
        return {job.key: job.state() for job in self.jobs}

    def active(self, now: datetime) -> list[Hold]:
        """The holds that hold now."""
        return [hold for hold in self.store.holds() if hold.active(now)]

    def since(self) -> datetime | None:
        """When purging stopped: the oldest of the held jobs."""
        return min((job.held_since for job in self.store.jobs() if self.store.is_own(job)), default=None)

    def hold_jobs(self, report: Report | None = None) -> Report:
        """Disable every purge job; those that run, and errors, are named in the report."""
        report = report or Report(self.label)
        for job in self.jobs:
            try:
                self._hold(job, report)
            except PurgeRunsError as error:
                report.running.append(job.key)
                log.info("%s: %s", self.label, error.what)
            except Exception as error:
                report.failed(job.key, error)
        return report

    def _row(self, job: str) -> HeldJob | None:
        return next((each for each in self.store.jobs() if self.store.is_own(each) and each.job == job), None)

    def _others(self, job: str) -> list[HeldJob]:
        """Rows of other IDBs that the same job purges."""
        return [each for each in self.store.jobs() if each.job == job and not self.store.is_own(each)]

    def _held_for_others(self, job: str, now: datetime) -> list[str]:
        """Other IDBs that the same job purges and that are held now; a row alone may be about to go."""
        return sorted(
            f"{each.site}/{each.idb}"
            for each in self._others(job)
            if any(hold.active(now) for hold in self.store.of(each).holds())
        )

    def _hold(self, job: PurgeJob, report: Report) -> None:
        for _ in range(5):
            row, state = self._row(job.key), job.state()
            job.wait_for(state)
            if row is None:
                # Noted before it is changed: nobody may take the hold for the state before it.
                others = self._others(job.key)
                was = state.enabled or any(other.was_enabled for other in others)
                memory = state.memory or next((other.memory for other in others if other.memory), "")
                noted = self.store.note(job.key, was, memory)
            elif state.enabled and row.changes > 1:
                noted = self.store.enabled_again(job.key, state.memory)
            else:
                noted = self.store.touch(job.key)
            if not noted:
                continue
            if row is not None and row.changes > 1 and not state.enabled:
                return
            before = job.hold()
            if row is None or row.changes == 1:
                # From now on, who finds it enabled knows that somebody has done that.
                self.store.touch(job.key)
            if before.enabled:
                report.changed.append(f"{job.key} is disabled")
            if row is not None and row.changes > 1 and state.enabled:
                report.reported.append(f"{job.key} was enabled by somebody under a hold, and is disabled again")
            return
        raise GuardError(
            f"The purge job {job.key} of {self.label} is noted and forgotten again and again.",
            "Look whether two Airflows disagree about the holds (clocks, topologies).",
        )

    def give_back(self, now: datetime, report: Report | None = None) -> Report:
        """Enable the jobs that were enabled before, where nothing holds them any more."""
        report = report or Report(self.label)
        jobs = {job.key: job for job in self.jobs}
        for row in [each for each in self.store.jobs() if self.store.is_own(each)]:
            job = jobs.get(row.job)
            if job is None:
                report.warnings.append(_left_behind(row))
                continue
            try:
                self._give_back(job, row, now, report)
            except PurgeRunsError as error:
                report.running.append(job.key)
                log.info("%s: %s", self.label, error.what)
            except Exception as error:
                report.failed(job.key, error)
        return report

    def _give_back(self, job: PurgeJob, row: HeldJob, now: datetime, report: Report) -> None:
        others = self._held_for_others(row.job, now)
        if others:
            report.changed.append(f"{row.job} stays disabled: it also purges {', '.join(others)}, which is held")
        elif row.was_enabled:
            job.release(row.memory)
            report.changed.append(f"{row.job} is enabled")
        else:
            report.changed.append(f"{row.job} stays disabled, as it was before the hold")
        self.store.forget(row)
        then = max(now, self._clock())
        held = self.active(then) or (not others and self._held_for_others(row.job, then))
        # A row that is still there was written by somebody who holds; one that is gone was given back twice.
        if held or self._row(row.job) is not None:
            self._hold(job, report)

    def enforce(
        self,
        now: datetime,
        over: Callable[[Hold], str | None],
        waiting: Callable[[datetime], tuple[datetime, int] | None] = lambda since: None,
    ) -> Report:
        """Make the jobs match the holds.

        :param over: why a hold is over; None: it is not.
        :param waiting: for :func:`ring_warning`, given when purging stopped; asked where there is a ring.
        """
        report = Report(self.label)
        active = []
        for hold in self.store.holds():
            if not hold.active(now):
                if hold.released_at is None:
                    report.holds.append(str(hold))
                continue
            if (why := over(hold)) is not None and self.store.over(hold, why):
                report.changed.append(f"the hold {hold.hold_id} is over: {why}")
            else:
                active.append(hold)
                report.holds.append(str(hold))
        if not active:
            return self.give_back(now, report)
        self.hold_jobs(report)
        named = {job.key for job in self.jobs}
        rows = [row for row in self.store.jobs() if self.store.is_own(row)]
        report.warnings += [_left_behind(row) for row in rows if row.job not in named]
        since, ring = self.since(), self.settings.partition_ring_days
        if since is not None and ring is not None and (words := ring_warning(since, now, ring, waiting(since))):
            report.warnings.append(words)
        return report


# -- all IDBs of a deployment ----------------------------------------------------------------------


class PurgeHolds:
    """Purge holds of a deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._marks: dict[str, tuple[dict[int, int], set[int]] | InfoMartError] = {}

    def of(self, site: str, idb: Idb) -> IdbHolds:
        """Holds and jobs of one IDB."""
        connection = self._deployment.oracle(idb.connection)
        name = self._deployment.topology.deployment
        store = HoldStore(connection, self._deployment.user(idb.connection), name, site, idb.name)
        return IdbHolds(site, idb, store, self._deployment.purge_jobs(idb))

    def of_sites(self, sites: Iterable[str]) -> list[IdbHolds]:
        """Every IDB of these sites that has purge jobs."""
        return [self.of(site, idb) for site in sites for idb in self._deployment.site(site).purged_idbs]

    def living(self) -> list[str]:
        """Sites that are not lost; a lost site's IDBs cannot be asked, and nothing is extracted from them."""
        return [name for name, site in self._deployment.topology.sites.items() if site.role != "failed"]

    def choose(self, which: str = "") -> list[IdbHolds]:
        """IDBs by the name of an IDB or of a site; empty: all of the sites that are not lost.

        :raises TopologyError: no such name, a lost site, or an IDB without purge jobs.
        """
        topology, living = self._deployment.topology, self.living()
        if not which:
            return self.of_sites(living)
        found = [(name, idb) for name, site in topology.sites.items() for idb in site.idbs if which in (name, idb.name)]
        if not found:
            names = sorted({*topology.sites, *(idb.name for site in topology.sites.values() for idb in site.idbs)})
            raise TopologyError(
                f"There is no IDB and no site with IDBs {which!r}.", f"Give one of: {', '.join(names)}."
            )
        there = [(site, idb) for site, idb in found if site in living]
        if not there:
            raise TopologyError(
                f"{which} is at a site with the role failed: its IDBs cannot be asked.",
                "Choose another one, or correct the role in the topology.",
            )
        chosen = [self.of(site, idb) for site, idb in there if idb.purge_jobs]
        if not chosen:
            raise TopologyError(
                f"{which} has no purge_jobs in the topology: there is nothing to hold.",
                "Name what purges it under idbs.purge_jobs.",
            )
        return chosen

    def enforce_all(self) -> list[Report]:
        """Make the purge jobs of every IDB that is not lost match its holds; a trouble of one stops no other."""
        reports = []
        for site in self.living():
            for idb in self._deployment.site(site).purged_idbs:
                try:
                    reports.append(self.enforce(self.of(site, idb)))
                except Exception as error:
                    report = Report(f"{site}/{idb.name}")
                    report.failed("holds", error)
                    reports.append(report)
        return reports + self._left_behind({report.idb for report in reports if report.errors})

    def _left_behind(self, in_trouble: set[str]) -> list[Report]:
        """Held jobs of IDBs that left the topology, or have no purge jobs there any more.

        Every connection of the topology is asked, since the one of such an IDB may be another's, too.

        :param in_trouble: IDBs with an error already: the same one is not told twice.
        """
        topology, asked = self._deployment.topology, dict[str, list[str]]()
        for site in self.living():
            for idb in topology.site(site).idbs:
                asked.setdefault(idb.connection, []).append(f"{site}/{idb.name}")
        purged = {f"{name}/{idb.name}" for name, site in topology.sites.items() for idb in site.purged_idbs}
        # By what a row is of: two connections may be of one user.
        reports: dict[tuple[str, ...], Report] = {}
        for connection, idbs in asked.items():
            try:
                store = HoldStore(
                    self._deployment.oracle(connection), self._deployment.user(connection), topology.deployment, "", ""
                )
                for row in store.jobs():
                    label = f"{row.site}/{row.idb}"
                    if row.deployment == topology.deployment and label not in purged:
                        reports[label, row.job] = Report(label, warnings=[_left_behind(row)])
            except Exception as error:
                report = reports[(connection,)] = Report(", ".join(idbs))
                if purged.isdisjoint(idbs):
                    # Nothing can be held there that the topology names: no hold is in danger.
                    report.warnings.append(f"nobody can tell whether a job is held that left the topology: {error}")
                elif in_trouble.isdisjoint(idbs):
                    report.failed("jobs that left the topology", error)
        return list(reports.values())

    # -- ends --------------------------------------------------------------------------------------

    def _lowest(self, site: str) -> tuple[dict[int, int], set[int]]:
        """Lowest mark by data source at a site, and the data sources with calls."""
        if site not in self._marks:
            schema = {"schema": self._deployment.topology.info_mart.schema_name}
            try:
                rows = self._deployment.info_mart(site).select("hwm", schema)
                self._marks[site] = lowest(rows), with_calls(rows)
            except InfoMartError as error:
                # Not asked once more for each IDB: a site that is away takes its time to give no answer.
                self._marks[site] = error
        found = self._marks[site]
        if isinstance(found, InfoMartError):
            raise found
        return found

    def passed(self, site: str, key: int, moment: datetime, now: datetime) -> str | None:
        """Why the mark of a data source counts as past a moment at a site; None: it does not.

        :raises InfoMartError: the site cannot be asked.
        """
        topology = self._deployment.topology
        if topology.site(site).role == "failed":
            raise GuardError(
                f"{site} has the role failed and cannot be asked.",
                "Place another hold with an end that can come, where purging must stay held; then release this one.",
            )
        since = int(moment.timestamp())
        # Rule 8 is about one IDB: the marks of other data sources say nothing of it.
        found, counted = self._lowest(site)
        marks = against(
            {each: mark for each, mark in found.items() if each == key},
            since,
            (),
            counted,
            lambda each, mark: (
                now > moment
                and high_water_marks.nothing_beyond(topology, self._deployment.oracle, self.living(), each, mark)
            ),
        )
        if marks.moved:
            return f"the high-water mark of data source {key} at {site} has passed {shown(moment)}"
        if marks.unknown and now > moment:
            raise GuardError(
                f"Data source {key} has no calls that would tell whether it is idle, and its mark at {site} has not "
                f"passed {shown(moment)}.",
                "Look in GIM Manager whether all of it is extracted; then release the hold by hand.",
            )
        if marks.idle:
            return f"data source {key} has no call beyond its high-water mark at {site}"
        return None

    def over(self, idb: IdbHolds, hold: Hold, now: datetime, warnings: list[str]) -> str | None:
        """Why a hold is over; None: it is not, or nobody can tell, which keeps it.

        :param warnings: gets what keeps a hold that nobody can judge.
        """
        end = hold.end
        if end.ends_at is not None and end.ends_at <= now:
            return f"its end {shown(end.ends_at)} has come"
        if end.until_site is None or end.until_time is None:
            return None
        try:
            return self.passed(end.until_site, idb.settings.data_source_key, end.until_time, now)
        except Exception as error:
            warnings.append(f"the hold {hold.hold_id} is kept, since nobody can tell whether it is over: {error}")
            return None

    def waiting(self, idb: IdbHolds, since: datetime, now: datetime) -> tuple[datetime, int] | None:
        """Up to when an IDB is extracted, and how many calls it holds beyond that; None: not known.

        Asked are the sites whose marks its holds wait for; where there is none, the active ones.

        :param since: when purging stopped.
        """
        settings = idb.settings
        if settings.schema_name is None:
            return None
        try:
            ends = [hold.end for hold in idb.active(now) if hold.end.until_site]
            # Until it is filled, the marks of such a site are those of an earlier life, or none.
            filled = [end for end in ends if end.until_time is None or self._role(end.until_site) == "new"]
            sites = {end.until_site for end in ends if end not in filled}
            if filled or not sites:
                sites |= {name for name in self._deployment.topology.sites if self._role(name) == "active"}
            marks, key = [self._lowest(site) for site in self.living() if site in sites], settings.data_source_key
            known = [lowest[key] for lowest, counted in marks if key in lowest and key in counted]
            if not known:
                return None
            connection = self._deployment.oracle(settings.connection)
            calls = int(connection.value("idb_calls_above", {"schema": settings.schema_name}, low=min(known)))
        except InfoMartError as error:
            log.warning("%s: what is not extracted cannot be counted: %s", idb.label, error)
            return None
        extracted = datetime.fromtimestamp(min(known), UTC)
        # What the active ones have extracted since, a site that is filled may lack.
        return None if filled and not (calls and extracted < since) else (extracted, calls)

    def _role(self, site: str | None) -> str | None:
        found = self._deployment.topology.sites.get(site or "")
        return found.role if found else None

    def enforce(self, idb: IdbHolds, now: datetime | None = None) -> Report:
        """Make the purge jobs of one IDB match its holds; must be repeatable and never waits.

        :returns: the report; what could not be done is in its errors, so that other IDBs do not wait for this one.
        """
        now = now or datetime.now(UTC)
        warnings: list[str] = []
        try:
            report = idb.enforce(
                now,
                lambda hold: self.over(idb, hold, now, warnings),
                lambda since: self.waiting(idb, since, now),
            )
        except Exception as error:
            report = Report(idb.label)
            report.failed("holds", error)
        report.warnings += warnings
        return report


def holds_released(deployment: Deployment, hold: str = "", which: str = "") -> Seen:
    """Probe: nothing holds the purging of a deployment's IDBs.

    :param hold: id of the hold that matters; empty: every one.
    :param which: name of an IDB or of a site; empty: every IDB of the sites that are not lost.
    :raises TopologyError: no such name, or no IDB whose purging could be held.
    """
    now, holding, placed = datetime.now(UTC), [], False
    idbs = deployment.purge_holds.choose(which)
    if not idbs:
        raise TopologyError(
            f"No IDB of {deployment.topology.deployment} has purge_jobs in the topology: there is nothing to hold.",
            "Name what purges the IDBs under idbs.purge_jobs.",
        )
    for idb in idbs:
        for found in idb.store.holds():
            if hold and found.hold_id != hold:
                continue
            placed = True
            if found.active(now):
                holding.append(f"{idb.label}: {found}")
    details = {"idbs": [idb.label for idb in idbs], "holding": holding}
    if holding:
        return Seen(False, f"{len(holding)} purge hold(s) hold: {'; '.join(holding)}", details)
    subject = f"the purge hold {hold}" if hold else "no purge hold"
    if hold and not placed:
        return Seen(True, f"{subject} does not hold: it is not known at {', '.join(details['idbs'])}", details)
    return Seen(True, f"{subject} {'is released' if hold else 'holds'} at {', '.join(details['idbs'])}", details)
