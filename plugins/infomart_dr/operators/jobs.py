"""Steps that run a long program on a host. Attempts are numbered; a retry attaches again; the wait is deferred."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from infomart_dr.deployment import HostKind
from infomart_dr.errors import GuardError, TransientError
from infomart_dr.evidence.estimate import Phase
from infomart_dr.guards.dump_set import READABLE, time_limit
from infomart_dr.hooks.job_log import whole_log
from infomart_dr.hooks.parse_data_pump import NEXT_STEPS
from infomart_dr.notifiers.tickets import Alarm, tell_alarm
from infomart_dr.operators.base import StepOperator
from infomart_dr.plan import facts
from infomart_dr.plan.facts import Fact
from infomart_dr.plan.step import Observation, Step
from infomart_dr.times import span
from infomart_dr.values import JsonObject

if TYPE_CHECKING:
    from infomart_dr.hooks.remote_host import RemoteHost
    from infomart_dr.hooks.remote_job import JobStatus, RemoteJob
    from infomart_dr.triggers.remote_job import RemoteJobTrigger

#: Exit codes of a program that a signal ended lie between these; the signal is the code less the first.
_SIGNALS = (128, 160)
#: Part of a limit after which a job is reported.
ALARM_AT = 0.75
#: The key of ``timeouts`` for each phase.
LIMITS: dict[Phase, str] = {"export": "expdp", "transfer": "transfer", "import": "impdp"}
#: Advice for a job that waits for space.
SPACE = NEXT_STEPS["waiting"]


class JobOperator(StepOperator):
    """A step that runs a remote job.

    The attempts of a plan are numbered. The step attaches to a running attempt, and never runs an ended one again
    under the same number.
    """

    #: Part of the job's id.
    job: str = ""
    #: The site's host that runs it.
    host_kind: HostKind = "db"
    #: Its part of a copy, which has a time limit; None: none.
    phase: ClassVar[Phase | None] = None

    def host(self, step: Step) -> RemoteHost:
        """The host that runs the job."""
        return step.at(self.role).host(self.host_kind)

    def attempts(self, step: Step) -> list[RemoteJob]:
        """The attempts that were started so far, oldest first.

        One that was prepared and never started is none: the next submit starts it, under the same number.
        """
        from infomart_dr.hooks.remote_job import RemoteJob

        found: list[RemoteJob] = []
        host = self.host(step)
        while True:
            attempt = RemoteJob(host, f"{step.key}-{self.job}-{len(found) + 1}")
            if attempt.status_after_start().state in ("absent", "starting"):
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
        return time_limit(step, self.phase) if self.phase else None

    def trigger(self, step: Step) -> tuple[type[RemoteJobTrigger], dict[str, Any]]:
        """Class and own arguments of the trigger that waits for the job."""
        from infomart_dr.triggers.remote_job import RemoteJobTrigger

        return RemoteJobTrigger, {}

    def wait(self, step: Step, job: RemoteJob, progress: dict[str, Any] | None = None) -> None:
        """Wait until the job has ended, and take its result: a short while here, then deferred.

        The last thing that :meth:`act` does.
        """
        deadline = time.monotonic() + step.topology.timeouts.inline_wait
        while (status := job.status()).active and time.monotonic() < deadline:
            time.sleep(min(1.0, step.topology.timeouts.poll))
        if not status.active:
            for line in whole_log(job).splitlines():
                self.log.info("%s", line)
            self.take(step, ended_event(job, status))
            return

        host, limit, now = self.host(step), self.job_limit(step), time.time()
        kind, own = self.trigger(step)
        within = f", for at most {span(limit)}" if limit else ""
        self.log.info("act: wait for job %s on %s%s", job.job_id, host.label, within)
        self.defer(
            trigger=kind(
                ssh_connection=host.ssh_connection,
                work_folder=host.work_folder,
                job_id=job.job_id,
                poll=step.topology.timeouts.poll,
                connect_timeout=step.topology.timeouts.connect,
                command_timeout=step.topology.timeouts.command,
                progress=progress,
                deadline=None if limit is None else now + limit,
                alarm_at=None if limit is None else now + limit * ALARM_AT,
                **own,
            ),
            method_name="resume",
        )

    def take(self, step: Step, event: dict[str, Any]) -> Observation | None:
        state = event["state"]
        if state in ("held", "late", "unreadable"):
            self.raise_alarm(step, self.alarm_of(step, event))
        elif state == "released":
            self.end_alarm(step, f"The wait for space is over after {span(time.time() - event['since'])}.")
        elif state == "overdue":
            raise self.overdue(step, event)
        if "again" in event:
            kind, _ = self.trigger(step)
            self.defer(trigger=kind(**event["again"]), method_name="resume")
        if state in ("ended", "vanished", "absent"):
            self.end_alarm(step, "The job no longer runs.")
        return super().take(step, event)

    def _result(self, step: Step, seen: Observation) -> dict[str, Any]:
        self.end_alarm(step, "The step is done.")
        return super()._result(step, seen)

    # -- alarms ------------------------------------------------------------------------------------

    @property
    def alarm(self) -> Fact[JsonObject]:
        """The fact that the job of this task waits for space or takes too long."""
        return facts.JOB_ALARM.of(self.task_id)

    def alarm_of(self, step: Step, event: dict[str, Any]) -> Alarm:
        """The alarm behind an event."""
        if event["state"] == "held":
            longest = span(step.topology.timeouts.space_wait)
            return Alarm("space", f"{event['reason']}. The task waits for it for at most {longest}.", SPACE)
        if event["state"] == "unreadable":
            what = f"{self.host(step).label}: the SSH user cannot read files of the job: {event['reason']}."
            return Alarm("unreadable", what, READABLE)
        limit = self.job_limit(step) or 0.0
        return Alarm(
            "late",
            f"{self.task_id} waits for its job for {span(limit * ALARM_AT)}; the limit is {span(limit)}.",
            f"Check whether it makes progress: the task's log, the host's disks and network. {self.later}",
        )

    @property
    def later(self) -> str:
        """How to give the job more time."""
        return f"If it needs more time, set timeouts.{LIMITS[self.phase]} in the topology." if self.phase else ""

    def overdue(self, step: Step, event: dict[str, Any]) -> GuardError:
        """The error of a wait that has reached its limit; the job runs on."""
        if "since" in event:
            return GuardError(
                f"{self.task_id}: for {span(time.time() - event['since'])}, {event['reason']}.",
                f"{SPACE} Then clear this task: it attaches to the job.",
            )
        return GuardError(
            f"{self.task_id}: job {event['job_id']} has not ended within {span(self.job_limit(step) or 0.0)}; it still "
            "runs.",
            f"Check whether it makes progress. {self.later} Then clear this task: it attaches to the job and waits as "
            "long again.",
        )

    def raise_alarm(self, step: Step, alarm: Alarm) -> None:
        """Report an alarm: log, ticket, ledger for infomart_watch, and the task's state store."""
        since = int(time.time())
        self.log.error("alarm: %s Next: %s", alarm.what, alarm.next_step)
        step.ledger.forget(self.alarm)
        recorded = {"kind": alarm.kind, "since": since, "what": alarm.what[:900], "next": alarm.next_step}
        step.ledger.put_once(self.alarm, recorded)
        tell_alarm(alarm, since, over=False)

    def end_alarm(self, step: Step, how: str) -> None:
        """Report that an alarm is over; nothing without an alarm."""
        recorded = step.ledger.get(self.alarm)
        if recorded is None:
            return
        self.log.warning("alarm is over: %s", how)
        step.ledger.forget(self.alarm)
        tell_alarm(Alarm(str(recorded["kind"]), f"{self.task_id}: {how}", ""), int(recorded["since"]), over=True)

    def ended(self, event: dict[str, Any]) -> int:
        """Exit code of the job behind an event.

        :raises TransientError: its end is unknown, or a signal ended it; a retry checks it.
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
