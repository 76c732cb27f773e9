"""Report the events of a run to its ticket.

Airflow calls this in the worker, as callbacks of the tasks: before a first task runs, after a task has finally ended,
and at a gate before the task is deferred. After the death of a worker, the DAG processor calls it. A task that has
ended reads the states of all tasks to find out whether its chapter is done and the run is over. So no separate process
is needed, and states that a person has set by hand are taken into account at the end.

A task whose process was killed calls nothing. If it was the last one, the DAG's own callback reports the end: the DAG
processor calls it for each failed run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Protocol, cast
from urllib.parse import quote

from airflow.sdk import BaseNotifier, get_current_context
from airflow.sdk.log import redact

from infomart_dr import settings
from infomart_dr import topology as topology_module
from infomart_dr.errors import InfoMartError, RequestError
from infomart_dr.evidence.watching import Roles
from infomart_dr.hooks.tickets import TEXT_LIMIT, Message, key_of
from infomart_dr.notifiers import outbox, run_state
from infomart_dr.plan.parameters import wrong_request
from infomart_dr.plan.step import NOTHING_DONE, Step
from infomart_dr.times import shown, span, utc
from infomart_dr.topology import TicketEvent, Topology

if TYPE_CHECKING:
    from airflow.sdk import Context, TaskGroup

log = logging.getLogger(__name__)

#: Moments at which Airflow calls: four of a task, and the failure of the run; ``alarm``: the step itself calls.
Moment = Literal["begins", "waits", "ends", "fails", "run fails", "alarm"]
#: Key of the alarm in the task's state store, which its page in Airflow shows.
_STATE = "alarm"


@dataclass(frozen=True)
class Alarm:
    """Trouble of a step that goes on.

    :param kind: part of the message's key.
    """

    kind: str
    what: str
    next_step: str


class _Gate(Protocol):
    """The part of a human step that this module needs."""

    subject: str
    options: list[str]


#: Characters of a step's result, and of a step's report, in the message.
_RESULT_LIMIT, _REPORT_LIMIT = 400, 2000


class TicketNotifier(BaseNotifier):
    """Report to the ticket the meaning of a task's moment for its run.

    Never fails the task, and never delays it longer than ``tickets.limit`` of the topology and a few seconds for the
    database that keeps undelivered messages. An undelivered message is one warning in the task's log.

    :param moment: the moment at which Airflow calls.
    :param alarm: the alarm to report, for the moment ``alarm``.
    :param key: parts of the alarm's key.
    """

    def __init__(self, moment: Moment, alarm: Alarm | None = None, key: Sequence[object] = ()) -> None:
        super().__init__()
        self.moment: Moment = moment
        self.alarm, self.key = alarm, key

    def __call__(self, *args: Context) -> None:
        # Templates are not rendered: there are none, and the DAG that ``dag.test()`` passes cannot render any.
        self.notify(args[0])

    def notify(self, context: Context) -> None:
        try:
            problem = self._tell(context)
        except Exception as error:
            # Even an error in this code must not fail the step.
            problem = f"{type(error).__name__}: {error}"
        if problem:
            log.warning("Ticket message not sent (%s): %s", self.moment, redact(problem))

    def _tell(self, context: Context) -> str | None:
        # Without a failed task, Airflow passes a context without task and run.
        if "task" not in context or (self.moment == "begins" and context["task"].upstream_task_ids):
            return None
        try:
            topology = topology_module.load(context["params"].get("deployment") or None)
        except InfoMartError as error:
            return self._without_topology(context, error)
        if topology.tickets is None:
            return None
        if self.moment == "run fails" and topology.tickets.backend == "webhook":
            # A webhook cannot be asked for earlier messages, and nearly always a task has already reported the end.
            return None
        run = Run(topology, context)
        if run.ticket is None:
            return run.without_ticket() if self.moment == "begins" else None
        found = [run.alarm(self.alarm, self.key)] if self.alarm else run.messages(self.moment)
        messages = [message for message in found if message.event in topology.tickets.events]
        return _deliver(topology, context, messages) if messages else None

    def _without_topology(self, context: Context, error: InfoMartError) -> str | None:
        """The warning for a run without a topology; None: it has no ticket."""
        if getattr(context["dag_run"], "run_type", "") == "scheduled":
            return None
        if context["params"].get("deployment") or not _are_several():
            return f"no topology: {error.what}"
        # The run is for all deployments, or will fail for lack of one: warned once, if it names a ticket.
        if self.moment == "begins" and any(_ticket(topology, context) for topology in _topologies()):
            return f"{error.what} {error.next_step}"
        return None


def _are_several() -> bool:
    """A run must name its deployment, because there are several."""
    try:
        return len(topology_module.deployments()) > 1
    except InfoMartError:
        return False


def _topologies() -> Iterator[Topology]:
    """The valid topologies of all deployments."""
    for name in topology_module.deployments():
        with suppress(InfoMartError):
            yield topology_module.load(name)


def _ticket(topology: Topology, context: Context) -> str | None:
    """The ticket behind a run."""
    return Run(topology, context).ticket if topology.tickets is not None else None


def _deliver(topology: Topology, context: Context, messages: Sequence[Message]) -> str | None:
    """Send messages, or keep them at the site of the plan's lock and ledger."""
    with Step.from_context(context) as step:
        step.deployment.topology = outbox.bounded(topology)
        return outbox.tell(step.deployment, ledger_site(step), messages)


def ledger_site(step: Step) -> str:
    """The site of lock and ledger; a run whose parameters name none uses a site that should be alive."""
    try:
        name = step.at(step.ledger_role).name
        step.topology.site(name)
    except InfoMartError:
        sites = Roles.of(step.topology).sites
        return sites[-1] if step.failover else sites[0]
    return name


class Run:
    """A run as its ticket sees it.

    :param topology: of the run's deployment, with a section ``tickets``.
    :param context: of the task for which Airflow calls.
    """

    def __init__(self, topology: Topology, context: Context) -> None:
        assert topology.tickets is not None
        self._deployment, self._settings, self._context = topology.name, topology.tickets, context
        self._task, self._instance, self._dag = context["task"], context["ti"], context["dag"]
        self._index = getattr(self._instance, "map_index", None)
        self._run, self._params = context["dag_run"], context["params"]
        self.plan = self._params.get("plan") or self._run.run_id
        self.reason = str(self._params.get("reason") or "")
        # Only the form of infomart_purge_hold has this field.
        field = str(self._params.get("ticket") or "")
        self.ticket = self._settings.ticket_in(self._run.run_id, self.plan, field, self.reason)

    def without_ticket(self) -> str | None:
        """The warning for a run that seems to name a ticket, and does not by the topology's pattern."""
        words = [str(self._params.get("ticket") or ""), self._run.run_id, self.plan]
        # Airflow's own ids name no ticket.
        named = next((word for word in words if word and "__" not in word), None)
        if named is None or getattr(self._run, "run_type", "") == "scheduled":
            return None
        pattern = self._settings.pattern
        return f"no ticket is told: {named[:60]!r} does not match tickets.pattern of the topology, {pattern}"

    def messages(self, moment: Moment) -> list[Message]:
        """The messages of a moment of this task."""
        match moment:
            case "begins":
                return [self._started()]
            case "waits":
                return [self._waiting()]
            case "fails":
                return [self._failed(), *self._afterwards("failed")]
            case "ends":
                return self._afterwards(getattr(self._instance.state, "value", self._instance.state))
            case "run fails":
                states = self._states({})
                return [self._ended(states)] if run_state.is_over(self._dag.tasks, states) else []
        return []

    # -- one message each --------------------------------------------------------------------------

    def _started(self) -> Message:
        lines = [
            f"Started: {self._dag.description or self._dag.dag_id}",
            f"Requested by {self._requester}. Reason: {self.reason or 'not given'}.",
        ]
        return self._message("started", [], lines, link=self._page())

    def _waiting(self) -> Message:
        gate = cast(_Gate, self._task)
        what = f"Waiting for a person: {gate.subject}"
        next_step = "Open the form, read what it shows, and answer."
        options = f"Answers: {', '.join(gate.options)}."
        return self._message(
            "waiting",
            [self._task.task_id, self._instance.try_number],
            [what, next_step, options],
            link=self._page(f"/tasks/{quote(self._task.task_id)}/required_actions?map_index=-1"),
            task_id=self._task.task_id,
            try_number=self._instance.try_number,
            next_step=next_step,
        )

    def alarm(self, alarm: Alarm, key: Sequence[object]) -> Message:
        """Trouble of this task, or its end."""
        name = self._task.task_id
        lines = [alarm.what, f"Next: {alarm.next_step}"] if alarm.next_step else [alarm.what]
        return self._message(
            "alarm",
            [name, alarm.kind, *key],
            [f"{'Alarm' if alarm.next_step else 'Alarm is over'}: {name}", *lines],
            link=self._page(f"/tasks/{quote(name)}"),
            task_id=name,
            reason=alarm.what,
            next_step=alarm.next_step,
        )

    def _failed(self) -> Message:
        error = self._context.get("exception")
        clear = clear_of(self._task, error)
        reason, next_step = reason_of(error, clear)
        name, number = self._task.task_id, self._instance.try_number
        mapped = run_state.is_mapped(self._index)
        lines = [
            f"Failed: {name}{f'[{self._index}]' if mapped else ''} (try {number})",
            reason,
            f"Next: {next_step}",
        ]
        page = f"/tasks/{quote(name)}" + (f"/mapped/{self._index}" if mapped else "")
        return self._message(
            "failed",
            [run_state.instance_name(name, self._index), number],
            lines,
            link=self._page(f"{page}?try_number={number}"),
            task_id=name,
            try_number=number,
            reason=reason,
            next_step=next_step,
            clear=[clear] if clear else [],
        )

    def _afterwards(self, own: str | None) -> list[Message]:
        """The chapter that this task completes, and the end of the run.

        :param own: state of this task, which Airflow records only after this call.
        """
        states = self._states({run_state.instance_name(self._task.task_id, self._index): own})
        told = []
        chapter = run_state.chapter_of(self._task)
        if chapter is not None and run_state.is_done(chapter, states):
            told.append(self._chapter(chapter))
        if run_state.is_over(self._dag.tasks, states):
            told.append(self._ended(states))
        return told

    def _chapter(self, group: TaskGroup) -> Message:
        name = group.group_id or ""
        words = name.replace("_", " ")
        lines = [f"Done: {words}" + (f" ({group.tooltip})" if group.tooltip else "")]
        return self._message("chapter", [name], lines, link=self._page(), chapter=name)

    def _ended(self, states: dict[str, str | None]) -> Message:
        failures = run_state.failed(self._dag.tasks, states)
        state = "failed" if failures or "upstream_failed" in states.values() else "success"
        # Airflow begins a run anew when it is cleared; the time of its request stays.
        begins = [utc(at) for at in (getattr(self._run, "run_after", None), self._run.start_date) if at is not None]
        took = f" after {span((datetime.now(UTC) - min(begins)).total_seconds())}" if begins else ""
        if self._run.clear_number and begins:
            took += f", since {shown(min(begins))} and with {self._run.clear_number} clear(s)"
        lines = [f"Ended: {state}{took}", f"Requested by {self._requester}. Reason: {self.reason or 'not given'}."]
        groups = [chapter for task in self._dag.tasks if (chapter := run_state.chapter_of(task))]
        chapters = {group.group_id or "": group for group in groups}
        if done := [name for name, chapter in chapters.items() if run_state.is_done(chapter, states)]:
            lines.append(f"Done: {', '.join(done)}.")
        clear = self._to_clear(failures)
        if failures and clear:
            lines.append(f"Failed: {', '.join(failures)}. Correct the cause, then clear {' and '.join(clear)}.")
        elif failures:
            lines.append(f"Failed: {', '.join(failures)}. A clear cannot help: start a new run.")
        lines += self._report(states)
        # A cleared run ends again.
        return self._message("ended", [self._run.clear_number or 0], lines, link=self._page(), state=state, clear=clear)

    def _to_clear(self, failures: Sequence[str]) -> list[str]:
        """Ids of the tasks to clear after the run's end, each with Downstream; empty: a clear cannot help."""
        if wrong_request(self._context):
            return []
        tasks = {task.task_id: task for task in self._dag.tasks}
        # As the failed step has said it; a step that was killed, or marked by a person, has said nothing.
        found = [self._left_to_clear(name) or clear_of(tasks[name], None) for name in failures]
        return list(dict.fromkeys(str(name) for name in found if name))

    def _left_to_clear(self, task_id: str) -> str | None:
        """The task to clear that a failed step has left; None where the DAG processor cannot ask for it."""
        with suppress(Exception):
            left = self._instance.xcom_pull(task_ids=task_id, key="clear")
            return left if isinstance(left, str) else None
        return None

    def _report(self, states: Mapping[str, str | None]) -> list[str]:
        """The results of the steps that sum up a run."""
        lines = []
        for task in self._dag.tasks:
            if not getattr(task, "in_report", False) or states.get(task.task_id) != "success":
                continue
            result = self._instance.xcom_pull(task_ids=task.task_id)
            if not isinstance(result, Mapping) or result.get(NOTHING_DONE):
                continue
            report = result.get("report")
            text = str(report)[:_REPORT_LIMIT] if report else str(result.get("summary") or "")[:_RESULT_LIMIT]
            if text:
                lines.append(f"{task.task_id}: {text}")
        return lines

    # -- parts of a message ------------------------------------------------------------------------

    @property
    def _requester(self) -> str:
        return self._run.triggering_user_name or "an unnamed user (a schedule, or the command line)"

    def _states(self, known: Mapping[str, str | None]) -> dict[str, str | None]:
        """States of the run's tasks.

        :param known: states of task instances that Airflow does not know yet.
        """
        found = self._instance.get_task_states(dag_id=self._dag.dag_id, run_ids=[self._run.run_id])
        return run_state.folded(self._dag.tasks, {**(found.get(self._run.run_id) or {}), **known})

    def _page(self, below: str = "") -> str:
        """A page of Airflow's web interface."""
        base = self._settings.base_url or settings.base_url()
        return f"{base.rstrip('/')}/dags/{self._dag.dag_id}/runs/{quote(self._run.run_id, safe=':+~')}{below}"

    def _message(
        self,
        event: TicketEvent,
        key: Sequence[object],
        lines: Sequence[str],
        *,
        link: str,
        **more: str | int | list[str],
    ) -> Message:
        head = f"[{self._deployment}] {self._dag.dag_id} {self._run.run_id}"
        body = "\n".join(str(redact(line)) for line in [head, *lines])
        # The link is indispensable, so the text is cut before it.
        room = TEXT_LIMIT - len(link) - 1
        text = f"{body if len(body) <= room else body[: room - 4] + ' ...'}\n{link}"
        return Message(
            key=key_of(self._deployment, self._dag.dag_id, self._run.run_id, event, *key),
            event=event,
            ticket=self.ticket,
            deployment=self._deployment,
            dag_id=self._dag.dag_id,
            run_id=self._run.run_id,
            plan=self.plan,
            requested_by=self._run.triggering_user_name or "",
            link=link,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            text=text,
            **{name: redact(value) if isinstance(value, str) else value for name, value in more.items()},
        )


def clear_of(task: object, error: object) -> str:
    """Id of the task to clear after a step's failure; empty: a clear cannot help."""
    if isinstance(error, RequestError):
        return ""
    return getattr(error, "clear", "") or getattr(task, "clear_from", "") or str(getattr(task, "task_id", ""))


def reason_of(error: object, clear: str) -> tuple[str, str]:
    """The cause of a step's failure, and the next step.

    :param clear: id of the task to clear.
    """
    if isinstance(error, InfoMartError):
        return error.what, error.next_step or f"Read the log of this task, then clear {clear} with Downstream."
    if error is None:
        return (
            "Its process ended without a message: it was killed, or its machine was lost.",
            f"Read the log of this task and check Airflow's workers; then clear {clear} with Downstream.",
        )
    return f"{type(error).__name__}: {error}", f"Read the log of this task, then clear {clear} with Downstream."


def tell_alarm(alarm: Alarm, since: int, *, over: bool) -> None:
    """Report trouble of the running task, or its end: to the ticket, and in the task's state store.

    :param since: epoch seconds of its begin: with the kind it identifies the alarm.
    :param over: it is over.
    """
    try:
        context = get_current_context()
    except RuntimeError:
        return
    try:
        if over:
            context["task_state_store"].delete(_STATE)
        else:
            context["task_state_store"].set(_STATE, f"{alarm.what} Next: {alarm.next_step}")
    except Exception as error:
        log.info("Airflow does not keep the task's state: %s", redact(str(error)))
    TicketNotifier("alarm", alarm, (since, "over" if over else "begun")).notify(context)


def callbacks() -> dict[str, list[TicketNotifier]]:
    """``default_args`` that make every task report to the ticket."""
    return {
        "on_execute_callback": [TicketNotifier("begins")],
        "on_success_callback": [TicketNotifier("ends")],
        "on_skipped_callback": [TicketNotifier("ends")],
        "on_failure_callback": [TicketNotifier("fails")],
    }
