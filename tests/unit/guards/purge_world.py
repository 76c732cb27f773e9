"""Purge holds without a database: the two tables in memory, and purge jobs that a test switches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from infomart_dr.guards.purge_holds import HoldStore, IdbHolds
from infomart_dr.hooks.purge_jobs import JobState, PurgeJob

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


class Coded(Exception):
    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Tables:
    """DR_PURGE_HOLD and DR_PURGE_JOB of one database, with its clock."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now
        self.made: set[str] = set()
        self.holds: list[dict[str, Any]] = []
        self.jobs: list[dict[str, Any]] = []

    def value(self, name: str, identifiers: Any = None, **binds: Any) -> Any:
        assert name == "table_exists"
        return binds["table_name"] in self.made

    def select(self, name: str, identifiers: Any = None, **binds: Any) -> list[dict[str, Any]]:
        if name == "purge_held_jobs":
            return [dict(row) for row in self.jobs]
        assert name == "purge_holds"
        return [dict(row) for row in self.holds if all(row[key] == value for key, value in binds.items())]

    def execute(self, name: str, identifiers: Any = None, **binds: Any) -> int:
        return getattr(self, f"_{name}")(binds)

    def _there(self) -> datetime:
        return self.now.replace(tzinfo=None)

    def _create_purge_hold_table(self, binds: dict[str, Any]) -> int:
        self.made.add("DR_PURGE_HOLD")
        return 0

    def _create_purge_job_table(self, binds: dict[str, Any]) -> int:
        self.made.add("DR_PURGE_JOB")
        return 0

    @staticmethod
    def _find(rows: list[dict[str, Any]], binds: dict[str, Any], *keys: str) -> list[dict[str, Any]]:
        keys = ("deployment", "site", "idb", *keys)
        return [row for row in rows if all(row[key] == binds[key] for key in keys)]

    def _purge_hold_place(self, binds: dict[str, Any]) -> int:
        if self._find(self.holds, binds, "hold_id"):
            raise Coded("ORA-00001")
        released = {"released_at": None, "released_by": None, "released_why": None}
        self.holds.append({**binds, "placed_at": self._there(), "end_asked_at": None, "changes": 0, **released})
        return 1

    def _open(self, binds: dict[str, Any]) -> list[dict[str, Any]]:
        return [row for row in self._find(self.holds, binds, "hold_id") if row["released_at"] is None]

    def _purge_hold_extend(self, binds: dict[str, Any]) -> int:
        asked = binds.pop("asked_at")
        rows = [row for row in self._open(binds) if row["end_asked_at"] is None or row["end_asked_at"] <= asked]
        for row in rows:
            row |= binds | {"end_asked_at": asked, "changes": row["changes"] + 1}
        return len(rows)

    def _purge_hold_reopen(self, binds: dict[str, Any]) -> int:
        rows = [
            row
            for row in self._find(self.holds, binds, "hold_id")
            if row["released_at"] or row["ends_at"] or row["until_time"]
        ]
        for row in rows:
            row |= binds | {"until_time": None, "released_at": None, "released_by": None, "released_why": None}
            row |= {"ends_at": None, "end_asked_at": None, "changes": row["changes"] + 1}
        return len(rows)

    def _purge_hold_release(self, binds: dict[str, Any]) -> int:
        rows = self._open(binds)
        for row in rows:
            row |= binds | {"released_at": self._there()}
        return len(rows)

    def _purge_hold_over(self, binds: dict[str, Any]) -> int:
        changes = binds.pop("changes")
        if any(row["changes"] != changes for row in self._open(binds)):
            return 0
        return self._purge_hold_release(binds)

    def _purge_job_note(self, binds: dict[str, Any]) -> int:
        if self._find(self.jobs, binds, "job"):
            raise Coded("ORA-00001")
        again = {"changes": 1, "enabled_again": 0, "enabled_again_at": None}
        self.jobs.append({**binds, "held_since": self._there(), **again})
        return 1

    def _purge_job_touch(self, binds: dict[str, Any]) -> int:
        rows = self._find(self.jobs, binds, "job")
        for row in rows:
            row["changes"] += 1
        return len(rows)

    def _purge_job_enabled_again(self, binds: dict[str, Any]) -> int:
        rows = [row for row in self.jobs if row["job"] == binds["job"]]
        for row in rows:
            row["changes"] += 1
            row["was_enabled"] = "Y"
            row["memory"] = binds["memory"] or row["memory"]
            row["enabled_again"] += 1
            row["enabled_again_at"] = self._there()
        return len(rows)

    def _purge_job_forget(self, binds: dict[str, Any]) -> int:
        rows = self._find(self.jobs, binds, "job", "changes")
        for row in rows:
            self.jobs.remove(row)
        return len(rows)


class Job(PurgeJob):
    """A purge job that a test switches."""

    def __init__(self, key: str = "ICON.PURGE", enabled: bool = True, memory: str = "") -> None:
        super().__init__(key)
        self.enabled, self.running, self.memory = enabled, False, memory
        self.acts: list[str] = []

    def state(self) -> JobState:
        return JobState(self.enabled, self.running, "running" if self.running else str(self.enabled), self.memory)

    def _disable(self) -> None:
        self.acts.append("disable")
        self.enabled = False

    def _enable(self, memory: str) -> None:
        self.acts.append(f"enable {memory}".strip())
        self.enabled = True


def idb(
    tables: Tables, *jobs: Job, name: str = "ts1", site: str = "site2", deployment: str = "lab", ring: int | None = 14
) -> IdbHolds:
    """Holds and jobs of one IDB in a database."""
    settings: Any = SimpleNamespace(
        name=name, data_source_key=101, partition_ring_days=ring, schema_name="ICON", connection=f"{site}/{name}"
    )
    store = HoldStore(tables, "SYSTEM", deployment, site, name)
    return IdbHolds(site, settings, store, jobs, clock=lambda: tables.now)


def days(number: float) -> timedelta:
    return timedelta(days=number)
