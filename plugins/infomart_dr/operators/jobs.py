"""Steps that run a long program on a host. Attempts are numbered; a retry attaches again; the wait is deferred."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from infomart_dr.deployment import HostKind
from infomart_dr.errors import GuardError, TransientError
from infomart_dr.hooks.job_log import whole_log
from infomart_dr.operators.base import StepOperator
from infomart_dr.plan.step import Step

if TYPE_CHECKING:
    from infomart_dr.hooks.remote_host import RemoteHost
    from infomart_dr.hooks.remote_job import JobStatus, RemoteJob


#: Exit codes of a program that a signal ended lie between these; the signal is the code less the first.
_SIGNALS = (128, 160)


class JobOperator(StepOperator):
    """A step that runs a remote job.

    The attempts of a plan are numbered. The step attaches to a running attempt, and never runs an ended one again
    under the same number.
    """

    #: Part of the job's id.
    job: str = ""
    #: The site's host that runs it.
    host_kind: HostKind = "db"

    def host(self, step: Step) -> RemoteHost:
        """The host that runs the job."""
        return step.at(self.role).host(self.host_kind)

    def attempts(self, step: Step) -> list[RemoteJob]:
        """The attempts made so far, oldest first."""
        from infomart_dr.hooks.remote_job import RemoteJob

        found: list[RemoteJob] = []
        host = self.host(step)
        while True:
            attempt = RemoteJob(host, f"{step.key}-{self.job}-{len(found) + 1}")
            if attempt.status().state == "absent":
                return found
            found.append(attempt)

    def latest(self, step: Step) -> tuple[RemoteJob, JobStatus] | None:
        """The newest attempt and its status."""
        attempts = self.attempts(step)
        return (attempts[-1], attempts[-1].status()) if attempts else None

    def new_attempt(self, step: Step) -> RemoteJob:
        """A job with an id that was not used yet."""
        from infomart_dr.hooks.remote_job import RemoteJob

        number = len(self.attempts(step)) + 1
        return RemoteJob(self.host(step), f"{step.key}-{self.job}-{number}")

    def job_limit(self, step: Step) -> float | None:
        """Seconds to wait for the job; None: no limit."""
        return None

    def wait(self, step: Step, job: RemoteJob, progress: dict[str, Any] | None = None) -> None:
        """Wait until the job has ended, and take its result: a short while here, then deferred.

        The last thing that :meth:`act` does.
        """
        from infomart_dr.triggers.remote_job import RemoteJobTrigger

        deadline = time.monotonic() + step.topology.timeouts.inline_wait
        while (status := job.status()).active and time.monotonic() < deadline:
            time.sleep(min(1.0, step.topology.timeouts.poll))
        if not status.active:
            for line in whole_log(job).splitlines():
                self.log.info("%s", line)
            self.take(step, ended_event(job, status))
            return

        host, limit = self.host(step), self.job_limit(step)
        self.log.info("act: wait for job %s on %s", job.job_id, host.label)
        self.defer(
            trigger=RemoteJobTrigger(
                ssh_connection=host.ssh_connection,
                work_folder=host.work_folder,
                job_id=job.job_id,
                poll=step.topology.timeouts.poll,
                connect_timeout=step.topology.timeouts.connect,
                command_timeout=step.topology.timeouts.command,
                progress=progress,
                deadline=None if limit is None else time.time() + limit,
            ),
            method_name="resume",
        )

    def ended(self, event: dict[str, Any]) -> int:
        """Exit code of the job behind an event.

        :raises TransientError: its end is unknown, or a signal ended it; a retry finds out.
        """
        if event["state"] == "ended":
            code = int(event["exit_code"])
            if _SIGNALS[0] < code < _SIGNALS[1]:
                # Also the end of an earlier try's wait: a person cleared the task while it waited.
                raise TransientError(
                    f"Job {event['job_id']} was ended by signal {code - _SIGNALS[0]}.",
                    "The retry checks what the job left behind and resumes from there. Do not end the program by hand.",
                )
            return code
        raise TransientError(
            f"Job {event['job_id']} is {event['state']}: {event.get('reason') or 'its end is unknown'}.",
            "The retry checks what the job left behind and resumes from there.",
        )

    def printed(self, step: Step, event: dict[str, Any]) -> str:
        """Everything the job printed."""
        from infomart_dr.hooks.remote_job import RemoteJob

        return whole_log(RemoteJob(self.host(step), event["job_id"]))


def ended_event(job: RemoteJob, status: JobStatus) -> dict[str, Any]:
    """The event that the trigger would send for a job that has ended."""
    return {
        "state": status.state,
        "job_id": job.job_id,
        "exit_code": status.exit_code,
        "seconds": status.command_seconds,
        "reason": "",
    }


def failed(what: str, output: str, next_step: str) -> GuardError:
    """Error of a job that ended badly, with the end of its output."""
    tail = "\n".join(output.strip().splitlines()[-15:])
    return GuardError(f"{what}\n{tail}", next_step)
