"""Waiting for the client of a Data Pump job, which may itself wait for space."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from infomart_dr.errors import InfoMartError
from infomart_dr.guards.dump_set import space_wait, unreadable_files
from infomart_dr.hooks import parse_data_pump
from infomart_dr.hooks.remote_job import JobStatus
from infomart_dr.plan.step import Observation, Step
from infomart_dr.topology import SiteRole
from infomart_dr.triggers.remote_job import RemoteJobTrigger

#: Checks of the client for one question to the database.
_EVERY = 6


class DataPumpTrigger(RemoteJobTrigger):
    """Also reports the begin (``held``) and the end (``released``) of a wait for space, and one that takes too long;
    further, files that the job writes and the SSH user cannot read (``unreadable``).

    The database says whether a session of the job waits; the client's output says it at once, and also where the
    database cannot be asked. A wait for space does not count for the job's own limit.

    :param step: the result of :meth:`infomart_dr.plan.step.Step.arguments`.
    :param role: the site of the job.
    :param data_pump_job: JOB_NAME.
    :param files: patterns of the files; empty: nobody needs to read them, or they have been checked.
    :param space_wait: seconds for which the job may wait for space.
    :param held_since: moment (epoch seconds) since which it waits.
    :param held_by_log: the wait as the client's output has it.
    :param held_in_database: the database has shown this wait, so that it also decides about its end.
    """

    def __init__(
        self,
        *,
        step: dict[str, Any],
        role: SiteRole,
        data_pump_job: str,
        space_wait: float,
        files: Sequence[str] = (),
        held_since: float | None = None,
        held_by_log: str | None = None,
        held_in_database: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.step, self.role, self.data_pump_job, self.space_wait = step, role, data_pump_job, space_wait
        self.held_since, self.held_by_log, self.held_in_database = held_since, held_by_log, held_in_database
        self.files = list(files)
        self._checks = 0
        self._unreadable: list[str] = []
        self._asked: Observation | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        path, arguments = super().serialize()
        own = ("step", "role", "data_pump_job", "space_wait", "files", "held_since", "held_by_log", "held_in_database")
        return path, {**arguments, **{name: getattr(self, name) for name in own}}

    def _noticed(self, line: str) -> None:
        self.held_by_log = parse_data_pump.space_wait([line], self.held_by_log)

    async def _attend(self, status: JobStatus) -> dict[str, Any] | None:
        waits, now = await self._waits(), time.time()
        if self._unreadable:
            unreadable, self._unreadable = self._unreadable, []
            return self._report("unreadable", status, ", ".join(unreadable[:5]))
        if waits and self.held_since is None:
            self.held_since = now
            return self._report("held", status, waits, since=now)
        if waits and self.held_since is not None:
            if now > self.held_since + self.space_wait:
                return {**self._event("overdue", status, waits), "since": self.held_since}
            return None
        if self.held_since is not None:
            since, self.held_since, self.held_in_database = self.held_since, None, False
            self.deadline = None if self.deadline is None else self.deadline + now - since
            self.alarm_at = None if self.alarm_at is None else self.alarm_at + now - since
            return self._report("released", status, since=since)
        return await super()._attend(status)

    async def _waits(self) -> str | None:
        """The wait for space; None: the job works."""
        if self._checks % _EVERY == 0 or (self.held_by_log and self.held_since is None):
            self._asked = await asyncio.to_thread(self._ask)
        self._checks += 1
        if self._asked is not None and not self._asked.satisfied:
            self.held_in_database = True
            return self._asked.summary
        if self._asked is not None and self.held_in_database:
            # The client prints nothing when a wait is over, and a large table may take hours from then on.
            self.held_by_log = None
        return f"job {self.data_pump_job} waits for space: {self.held_by_log}" if self.held_by_log else None

    def _ask(self) -> Observation | None:
        try:
            with Step(**self.step) as step:
                if self.files:
                    there, self._unreadable = unreadable_files(step, self.role, self.files)
                    self.files = [] if there else self.files
                return space_wait(step, self.role, self.data_pump_job)
        except InfoMartError as error:
            # The client's output still says it.
            self.log.info("The check whether the job waits for space failed: %s", error)
            return self._asked
