"""Where people decide or act: gates, and steps that a person does because no program can."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.standard.exceptions import HITLRejectException, HITLTimeoutError
from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator

from infomart_dr.errors import GuardError, TransientError
from infomart_dr.notifiers.tickets import TicketNotifier
from infomart_dr.operators.base import AppliesWhen, StepOperator, page
from infomart_dr.operators.clearing import advising
from infomart_dr.plan import facts
from infomart_dr.plan.facts import Fact
from infomart_dr.plan.step import Observation, Step
from infomart_dr.text import as_markdown
from infomart_dr.times import shown

if TYPE_CHECKING:
    from airflow.sdk import Context


class HumanStep(StepOperator, HITLOperator):
    """A step done by the program that the topology names, or else by a person with exact instructions."""

    DONE: ClassVar[str] = "Done"
    NOT_POSSIBLE: ClassVar[str] = "Not possible"

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("subject", f"{kwargs['task_id'].replace('_', ' ').capitalize()}: a person does this step")
        kwargs.setdefault("body", "")
        kwargs.setdefault("notifiers", [TicketNotifier("waits")])
        super().__init__(options=[self.DONE, self.NOT_POSSIBLE], **kwargs)

    def instructions(self, step: Step) -> str | None:
        """Instructions for a person, in Markdown; None: a program does the step."""
        return None

    def before(self, step: Step) -> None:
        """Check and record what is needed before anything is changed; must be repeatable."""

    def confirmed(self, step: Step) -> Observation | None:
        """Check the result that the person has confirmed; None: it cannot be checked."""
        return None

    def _run(self, step: Step, context: Context | None = None) -> dict[str, Any]:
        if (early := self.early(step)) is not None:
            return early
        if (text := self.instructions(step)) is None:
            return super()._run(step, context)
        if self.under_lock:
            step.enter()
        self.before(step)
        assert context is not None, "a person is asked by a running task only"
        self.body = text + asked_again(context)
        self.log.info("decide: a person does this:\n%s", text)
        answer: dict[str, Any] = HITLOperator.execute(self, context)
        return answer

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        with advising(self, context):
            return self._answered(context, event)

    def _answered(self, context: Context, event: dict[str, Any]) -> Any:
        answer = HITLOperator.execute_complete(self, context, event)
        if self.DONE not in answer["chosen_options"]:
            raise GuardError(
                f"{self.task_id}: the person answered that it is not possible.",
                "Clear this task once it is possible.",
            )
        with Step.from_context(context) as step:
            seen = self.confirmed(step)
            if seen is None:
                seen = Observation(True, "a person did it and confirmed it; it cannot be checked from here")
            self.log.info("verify: %s", seen.summary)
            if not seen.satisfied:
                raise GuardError(
                    f"{self.task_id}: confirmed, but {seen.summary}",
                    "Complete the step, then clear this task: it asks again.",
                )
            return self._result(step, seen)


class Gate(AppliesWhen, ApprovalOperator):
    """A step at which a person decides. If rejected, the run fails; the gate itself changes nothing.

    :param unless: a fact which proves that the decision was made earlier in the plan.
    :param option: the gate belongs to this option of the procedure only.
    :param architecture: the gate is for this architecture only.
    :param clear_from: id of the task from which the run is cleared after a refusal; empty: this one.
    """

    guide: str = ""
    AFTER_REFUSAL: ClassVar[str] = (
        "check that the back-out of this run succeeds. To decide again, clear this task with Downstream. To continue "
        "later, start the procedure with this run's id as plan (docs/operating.md)."
    )
    #: The four-eyes rule asks a second time, and then fails.
    _ATTEMPTS: ClassVar[int] = 6

    def __init__(
        self,
        *,
        unless: Fact[Any] | None = None,
        option: str = "",
        architecture: str = "",
        clear_from: str = "",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("doc_md", page(self.__doc__, self.guide, "no site", "nothing", "reject: the run fails"))
        # The scheduler can lose an answer that arrives while the task is being deferred; the task then asks again.
        kwargs.setdefault("retries", self._ATTEMPTS)
        kwargs.setdefault("notifiers", [TicketNotifier("waits")])
        super().__init__(fail_on_reject=True, **kwargs)
        self.applies_when(unless, option, architecture)
        self.clear_from = clear_from

    #: A gate shows the reason of its run.
    with_reason: ClassVar[bool] = False

    def evidence(self, step: Step) -> str:
        """Evidence for the person to see before the answer, in Markdown."""
        return ""

    def accepted(self, step: Step, who: str) -> None:
        """Record an approval; a later one, after the back-out, takes its place."""
        approved = facts.APPROVED.of(self.task_id.rpartition(".")[2])
        step.ledger.forget(approved)
        step.ledger.put_once(approved, f"{who} at {shown(time.time())}")

    def refused(self, step: Step) -> None:
        """Record a rejection, or that nobody answered in time."""

    def execute(self, context: Context) -> Any:
        with advising(self, context), Step.from_context(context) as step:
            if (early := self.early(step)) is not None:
                return early
            step.enter()
            if self.with_reason:
                reason = as_markdown(str(step.params.get("reason") or "not given"))
                self.body = f"{self.body}\n\nReason for this run: {reason}"
            if evidence := self.evidence(step):
                self.body = f"{self.body}\n\n{evidence}"
                self.log.info("observe: shown at the gate:\n%s", evidence)
        self.body = f"{self.body or ''}{asked_again(context)}"
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        try:
            answer = super().execute_complete(context, event)
        except (HITLRejectException, HITLTimeoutError):
            with Step.from_context(context) as step:
                self.refused(step)
                held = step.ledger.has(facts.PURGE_HOLD)
            self.log.warning("%s was not approved. Next: %s", self.task_id, self.AFTER_REFUSAL)
            if held:
                self.log.warning(
                    "The purge hold %r stays. If the plan is given up, release it with infomart_purge_hold.",
                    f"plan {step.plan_id}",
                )
            raise
        who = responder(answer)
        with advising(self, context), Step.from_context(context) as step:
            requester = getattr(context["dag_run"], "triggering_user_name", None)
            if step.topology.approval.four_eyes and requester and who == requester:
                raise TransientError(
                    f"{who} started this run and approved its gate; the topology requires two people.",
                    "Another person must approve; the gate asks again.",
                )
            self.accepted(step, who)
        return {"summary": f"approved by {who}", "command_seconds": 0.0}


def asked_again(context: Context) -> str:
    """Text for the form of a later try, in Markdown; empty in the first.

    An answer that arrives while the task is being deferred is lost. (Airflow 3.3.2: the scheduler takes the end of the
    process that deferred for the end of the resumed one, and fails the try.)
    """
    number = int(getattr(context.get("ti"), "try_number", 1) or 1)
    if number < 2:
        return ""
    return (
        f"\n\n**Asked again (try {number}).** An earlier answer does not count: it came within the first seconds, or "
        "the step was cleared or failed. Please answer here."
    )


def responder(answer: Any) -> str:
    """Name of the person behind an answer."""
    user = answer.get("responded_by_user") or {}
    return str(user.get("name") or user.get("id") or "an unknown person")
