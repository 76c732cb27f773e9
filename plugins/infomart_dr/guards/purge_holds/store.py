"""Holds and held jobs, and their two tables in the database of an IDB."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from infomart_dr.errors import PermanentError, code_of
from infomart_dr.plan.lock import Statements, ensure_table
from infomart_dr.plan.parameters import SHORTER_ID
from infomart_dr.text import cut
from infomart_dr.times import shown, utc
from infomart_dr.values import Bind

_DUPLICATE = "ORA-00001"
#: Prefix of the id of a plan's hold, so that no run of infomart_purge_hold has the same.
_PLAN = "plan "
#: A hold that begins within this time of its placing is active at once, whatever the clock of another Airflow says.
_AT_ONCE = timedelta(minutes=5)
#: Most bytes of an owner.
OWNER_LIMIT = 250
#: Recorded as the releaser of a hold that reached its end.
_ITS_END = "its own end"


@dataclass(frozen=True)
class End:
    """The end of a hold: a time, or the moment at which the high-water mark of a site has passed a time.

    A plan's hold has only the site at first; the plan adds the time, or releases the hold.
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

    def binds(self) -> dict[str, Bind]:
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

    :param end_asked_at: time at which the run that set the end was requested; None: the end was never changed.
    :param changes: number of changes of the end.
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
        """A plan placed the hold, and only a plan changes its end."""
        return self.hold_id.startswith(_PLAN)

    @property
    def until_its_plan(self) -> bool:
        """The hold has no end that the purge guard could check; its plan must release it."""
        return self.released_at is None and self.end.ends_at is None and self.end.until_time is None

    def active(self, now: datetime) -> bool:
        """The hold is active now; its end is not checked here."""
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

    :param was_enabled: it was enabled before the hold, and is enabled again after it.
    :param changes: number of writes of the row.
    :param enabled_again: number of times that somebody enabled it under a hold.
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
        """The store of the IDB of a row, in the same tables."""
        return HoldStore(self._hook, self._schema, job.deployment, job.site, job.idb)

    def ensure_tables(self) -> None:
        """Create the tables where they are missing."""
        ensure_table(self._hook, self._schema, "DR_PURGE_HOLD", "create_purge_hold_table")
        ensure_table(self._hook, self._schema, "DR_PURGE_JOB", "create_purge_job_table")

    @cached_property
    def _there(self) -> bool:
        return bool(self._hook.value("table_exists", owner=self._schema, table_name="DR_PURGE_JOB"))

    def holds(self) -> list[Hold]:
        """All holds of the IDB, released ones included; none where there is no table yet."""
        if not self._there:
            return []
        return [
            Hold(
                row["hold_id"],
                row["owner"],
                row["reason"] or "no reason given",
                utc(row["placed_at"]),
                utc(row["begins_at"]),
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

        :returns: False when a hold with this id exists, active or released; it is not changed.
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
        """Change the end of an open hold.

        :param asked_at: time at which the run that does this was requested.
        :returns: False when the hold is released, or a run that was requested later has set the end.
        """
        binds = {**self.idb, **end.binds(), "hold_id": hold_id, "asked_at": _stored(asked_at)}
        return self._hook.execute("purge_hold_extend", self._in, **binds) == 1

    def reopen(self, hold_id: str, owner: str, begins_at: datetime, until_site: str) -> bool:
        """Reactivate a hold that was released or given an end, when its plan resumes."""
        binds = {"owner": owner, "begins_at": _stored(begins_at), "until_site": until_site}
        return self._hook.execute("purge_hold_reopen", self._in, **self.idb, hold_id=hold_id, **binds) == 1

    def release(self, hold_id: str, by: str, why: str) -> bool:
        """Record the release of an open hold.

        :returns: False when there is no open hold with this id.
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
        """Record the release of a hold that has reached its end.

        :returns: False when it is already released, or has another end by now.
        """
        binds = {**self.idb, "released_by": _ITS_END, "released_why": cut(why, 1000)}
        return self._hook.execute("purge_hold_over", self._in, **binds, hold_id=hold.hold_id, changes=hold.changes) == 1

    def jobs(self) -> list[HeldJob]:
        """Held jobs in this database, of all IDBs and deployments."""
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
                utc(row["held_since"]),
                int(row["changes"]),
                int(row["enabled_again"]),
                utc(row["enabled_again_at"]),
            )
            for row in self._hook.select("purge_held_jobs", self._in)
        ]

    def is_own(self, job: HeldJob) -> bool:
        """The row belongs to this IDB."""
        return {"deployment": job.deployment, "site": job.site, "idb": job.idb} == self.idb

    def note(self, job: str, was_enabled: bool, memory: str) -> bool:
        """Record a job before it is disabled.

        :returns: False when another run has recorded it.
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
        """Record that a hold needs the job; False when its row was removed in the meantime."""
        return self._hook.execute("purge_job_touch", self._in, **self.idb, job=job) == 1

    def enabled_again(self, job: str, memory: str) -> bool:
        """Record, for each IDB that it purges, that somebody enabled the job; False when no row is left."""
        return self._hook.execute("purge_job_enabled_again", self._in, job=job, memory=memory or None) > 0

    def forget(self, job: HeldJob) -> bool:
        """Remove a job's row; False when another run has written it since it was read."""
        return self._hook.execute("purge_job_forget", self._in, **self.idb, job=job.job, changes=job.changes) == 1


def _short(field_name: str, value: str, limit: int) -> None:
    if not 0 < len(value.encode()) <= limit:
        raise PermanentError(
            f"The {field_name} of a purge hold has {len(value.encode())} bytes; allowed: 1 to {limit}.", SHORTER_ID
        )


def plan_hold(plan_id: str) -> str:
    """Id of a plan's hold."""
    return f"{_PLAN}{plan_id}"
