"""Waiting for a remote job without a worker, with the job's log in the task's log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from infomart_dr.errors import InfoMartError, UnreachableError, class_name
from infomart_dr.hooks.remote_host import RemoteHost
from infomart_dr.hooks.remote_job import JobStatus, RemoteJob
from infomart_dr.hooks.transfer import progress_line

#: Longest pause between two attempts to reach a host that does not answer, in seconds.
_MAX_DELAY = 60.0


class RemoteJobTrigger(BaseTrigger):
    """Fires once: when a remote job has ended or vanished, or when its host has not answered for too long.

    A report (``late``, and those of subclasses) leaves the job alone; the event's ``again`` has the arguments of the
    trigger that waits on.

    The event is a dictionary: ``state`` (``ended``, ``vanished``, ``absent``, ``unreachable``, ``failed``,
    ``late`` or ``overdue``), ``job_id``, ``exit_code``, ``log_offset``, ``seconds`` (the program's, by the host's
    clock) and ``reason``; after an error also ``retryable`` and ``next_step``.

    :param ssh_connection: Airflow connection of the host.
    :param work_folder: folder of jobs on the host.
    :param job_id: the job.
    :param poll: seconds between two checks.
    :param log_offset: number of bytes of the job's log that are already shown.
    :param connect_timeout: seconds to connect.
    :param command_timeout: seconds for one check.
    :param patience: seconds of waiting for a host that does not answer.
    :param progress: for showing the progress of a transfer: ``ssh_connection`` and ``folder`` where the files
        grow, ``files`` (list of name and size), ``every`` (number of checks between two lines, default 6).
    :param deadline: moment (epoch seconds) at which the waiting for a running job ends.
    :param alarm_at: moment before it at which the job is reported as ``late``.
    """

    def __init__(
        self,
        ssh_connection: str,
        work_folder: str,
        job_id: str,
        poll: float = 5.0,
        log_offset: int = 0,
        connect_timeout: float = 10,
        command_timeout: float = 60,
        patience: float = 600,
        progress: dict[str, Any] | None = None,
        deadline: float | None = None,
        alarm_at: float | None = None,
    ) -> None:
        super().__init__()
        self.ssh_connection = ssh_connection
        self.work_folder = work_folder
        self.job_id = job_id
        self.poll = poll
        self.log_offset = log_offset
        self.connect_timeout = connect_timeout
        self.command_timeout = command_timeout
        self.patience = patience
        self.progress = progress
        self.deadline = deadline
        self.alarm_at = alarm_at
        self._unfinished_line = ""
        self._measured: tuple[float, int] | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "ssh_connection": self.ssh_connection,
                "work_folder": self.work_folder,
                "job_id": self.job_id,
                "poll": self.poll,
                "log_offset": self.log_offset,
                "connect_timeout": self.connect_timeout,
                "command_timeout": self.command_timeout,
                "patience": self.patience,
                "progress": self.progress,
                **({} if self.deadline is None else {"deadline": self.deadline}),
                **({} if self.alarm_at is None else {"alarm_at": self.alarm_at}),
            },
        )

    def _host(self, ssh_connection: str | None = None) -> RemoteHost:
        return RemoteHost(
            ssh_connection or self.ssh_connection,
            work_folder=self.work_folder,
            connect_timeout=self.connect_timeout,
            command_timeout=self.command_timeout,
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Check the job until there is an event."""
        host = self._host()
        try:
            yield TriggerEvent(await self._wait(host))
        finally:
            # a check that hangs in its thread must not block the event loop
            await asyncio.shield(asyncio.to_thread(host.close))

    async def _wait(self, host: RemoteHost) -> dict[str, Any]:
        job = RemoteJob(host, self.job_id)
        lost_since: float | None = None
        delay = self.poll
        looks = 0
        while True:
            try:
                status = await asyncio.to_thread(job.status)
                await self._show_log(job, everything=not status.active)
                lost_since, delay = None, self.poll
            except UnreachableError as error:
                now = time.monotonic()
                lost_since = lost_since if lost_since is not None else now
                if now - lost_since >= self.patience:
                    return self._event("unreachable", error=error)
                delay = min(max(delay, 1.0) * 2, _MAX_DELAY, max(self.patience, 0.1))
                self.log.warning("%s The next try follows in %.0f s; the job continues meanwhile.", error, delay)
                await asyncio.sleep(delay)
                continue
            except InfoMartError as error:
                return self._event("failed", error=error)
            if not status.active:
                return self._event(status.state, status)
            if (event := await self._attend(status)) is not None:
                return event
            if status.state == "starting":
                looks += 1
                # no wrapper claimed it, since the submitter was lost; a retry starts it safely
                if looks * self.poll > 2 * job.grace:
                    return self._event("absent", status, reason="The job was prepared and never started.")
            else:
                looks += 1
                await self._show_progress(looks)
            await asyncio.sleep(self.poll)

    async def _attend(self, status: JobStatus) -> dict[str, Any] | None:
        """The report about a running job; None: the waiting goes on."""
        now = time.time()
        if self.deadline is not None and now > self.deadline:
            return self._event("overdue", status, reason="The job has not ended in time, and still runs.")
        if self.alarm_at is not None and now > self.alarm_at:
            self.alarm_at = None
            return self._report("late", status)
        return None

    def _noticed(self, line: str) -> None:
        """Take notice of a new line of the job's output."""

    def _report(self, state: str, status: JobStatus, reason: str = "", **more: Any) -> dict[str, Any]:
        """An event after which the waiting goes on."""
        again = self.serialize()[1]
        # The next trigger reads the beginning of an unfinished line again.
        again["log_offset"] -= len(self._unfinished_line.encode())
        return {**self._event(state, status, reason), **more, "again": again}

    def _event(
        self, state: str, status: JobStatus | None = None, reason: str = "", error: InfoMartError | None = None
    ) -> dict[str, Any]:
        told = {"error": class_name(error), "retryable": error.retryable, "next_step": error.next_step} if error else {}
        return {
            "state": state,
            "job_id": self.job_id,
            "exit_code": status.exit_code if status else None,
            "seconds": status.command_seconds if status else None,
            "log_offset": self.log_offset,
            "reason": error.what if error else reason,
            **told,
        }

    async def _show_log(self, job: RemoteJob, *, everything: bool) -> None:
        """Write new lines of the job's output to the task's log, at the job's end also an unfinished line."""
        while True:
            text, following = await asyncio.to_thread(job.log, self.log_offset)
            if following == self.log_offset:
                break
            self.log_offset = following
            *lines, self._unfinished_line = (self._unfinished_line + text).split("\n")
            for line in lines:
                self.log.info("%s", line.rstrip("\r"))
                self._noticed(line)
            if not everything:
                break
        if everything and self._unfinished_line:
            self.log.info("%s", self._unfinished_line)
            self._unfinished_line = ""

    async def _show_progress(self, looks: int) -> None:
        if not self.progress or looks % int(self.progress.get("every", 6)):
            return
        try:
            self.log.info("%s", await asyncio.to_thread(self._progress))
        except InfoMartError as error:
            # progress is a courtesy: the job's own result decides
            self.log.info("The progress is not available: %s", error)

    def _progress(self) -> str:
        assert self.progress is not None
        wanted = {str(name): int(size) for name, size in self.progress["files"]}
        with self._host(self.progress["ssh_connection"]) as host:
            sizes = host.file_sizes(self.progress["folder"], list(wanted))
        now = time.monotonic()
        total = sum(min(sizes.get(name, 0), size) for name, size in wanted.items())
        before = self._measured
        self._measured = (now, total)
        rate = (total - before[1]) / (now - before[0]) if before and now > before[0] else None
        return progress_line(sizes, wanted, rate)

    async def on_kill(self) -> None:
        """End the remote job, because a person marked or cleared the deferred task."""
        await asyncio.to_thread(self._kill)

    def _kill(self) -> None:
        with self._host() as host:
            status = RemoteJob(host, self.job_id).kill()
        self.log.info("A person ended job %s: %s.", self.job_id, status.state)
