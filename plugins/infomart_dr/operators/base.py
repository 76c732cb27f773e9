"""How a step is built: observe, decide, act, verify.

A step first observes the outside world. If the goal is already reached, it reports that and succeeds. Otherwise it
acts once, then checks and proves the result. So a retry, a clear or a second run never repeats a finished action.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, ExceptionRetryPolicy, RetryAction, RetryRule, TriggerRule
from airflow.sdk.exceptions import AirflowSkipException

from infomart_dr import settings, stopwatch, task_log
from infomart_dr.errors import GuardError, class_of
from infomart_dr.guide import readable
from infomart_dr.notifiers.tickets import callbacks
from infomart_dr.operators.clearing import advising
from infomart_dr.plan import facts
from infomart_dr.plan.facts import Fact
from infomart_dr.plan.parameters import refuse_wrong_run
from infomart_dr.plan.step import FAILOVER, Observation, Step
from infomart_dr.topology import SiteRole

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Transient errors are retried with growing delays; permanent ones stop the run at once.
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception="infomart_dr.errors.PermanentError",
            action=RetryAction.FAIL,
            reason="A retry cannot help; the message says what to do next.",
        ),
        RetryRule(
            exception=[
                "airflow.providers.standard.exceptions.HITLRejectException",
                "airflow.providers.standard.exceptions.HITLTimeoutError",
            ],
            action=RetryAction.FAIL,
            reason="A person rejected it, or did not answer in time.",
        ),
    ]
)


#: ``default_args`` of steps that run also after a skipped step. Not for the step right after a setup task: there
#: Airflow requires ``all_success``.
AFTER_SKIPS: dict[str, Any] = {"trigger_rule": TriggerRule.NONE_FAILED}


def before_each(context: Context) -> None:
    """Airflow calls this before each task, and before each part of a deferred one.

    :raises PermanentError: the run's request is wrong.
    """
    task_log.install()
    refuse_wrong_run(context)


def step_defaults(*, failover: bool = False) -> dict[str, Any]:
    """``default_args`` of every procedure; ``[infomart_dr] retries`` and ``retry_delay`` change them.

    :param failover: the procedure's source is the lost site, and its target the survivor.
    """
    return {
        FAILOVER: failover,
        "owner": "infomart_dr",
        "retries": settings.retries(),
        "retry_delay": settings.retry_delay(),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=10),
        "retry_policy": RETRY_POLICY,
        "pre_execute": before_each,
        **callbacks(),
    }


def page(doc: str | None, guide: str, where: str, changes: str, undo: str) -> str:
    """A task's page in Airflow: its purpose, its place in the guide, its changes and how to undo them."""
    lines = [readable(inspect.cleandoc(doc or "").split("\n\n:param")[0]), ""]
    if guide:
        lines.append(f"**Guide:** {readable(guide)}")
    lines += ["", f"**Acts at:** {where}", "", f"**Changes:** {changes}", "", f"**Undo:** {undo}"]
    return "\n".join(lines)


class AppliesWhen:
    """Conditions under which a step or a gate has work to do in a run."""

    #: It also runs in a plan whose goal was reached before the plan began.
    always: ClassVar[bool] = False
    log: Any
    #: Id of the task from which the run is cleared after a failure here; empty: this one.
    clear_from: str = ""

    def applies_when(self, unless: Fact[Any] | None, option: str, architecture: str) -> None:
        """Set the conditions.

        :param unless: a fact which proves that the plan is past it.
        :param option: it belongs to this option of the procedure only; empty: to every option.
        :param architecture: it is for this architecture only; empty: for both.
        """
        self.unless, self.option, self.architecture = unless, option, architecture

    def does_not_apply(self, step: Step) -> str | None:
        """The reason why it does not apply to this deployment, shown at the skipped task; None: it applies."""
        return None

    @property
    def may_be_skipped(self) -> bool:
        """It does not apply to some deployments or options."""
        own = type(self).does_not_apply is not AppliesWhen.does_not_apply
        return bool(self.option or self.architecture or own)

    def early(self, step: Step) -> dict[str, Any] | None:
        """The result when this plan has nothing to do here; None: there is work to do.

        :raises AirflowSkipException: it does not apply to this deployment or option.
        """
        if not self.always and (past := needless(step, self.unless)) is not None:
            self.log.info("decide: %s", past)
            return {"summary": past, "command_seconds": round(stopwatch.total(), 3)}
        if reason := elsewhere(step, self.option, self.architecture) or self.does_not_apply(step):
            raise AirflowSkipException(f"This step does not apply: {reason}.")
        return None


class StepOperator(AppliesWhen, BaseOperator):
    """One action of a procedure.

    :param role: the site it acts at: ``source`` or ``target``.
    :param unless: a fact that makes this step unnecessary: the plan is past it.
    :param option: the step belongs to this option of the procedure only; empty: to every option.
    :param architecture: the step is for this architecture only; empty: for both.
    :param clear_from: id of the task from which the run is cleared after a failure here; empty: this one.
    """

    #: Lines of the guide, what the step changes and how to undo it: shown on the task's page.
    guide: str = ""
    changes: str = "nothing"
    undo: str = "nothing to undo"
    #: The step's result is part of the report at the run's end.
    in_report: bool = False
    #: Seconds for which the step repeats its check until the goal is reached: programs need a moment after a command.
    settle_seconds: ClassVar[float] = 0
    #: The run must hold the deployment's lock when the step acts.
    under_lock: ClassVar[bool] = True

    def __init__(
        self,
        *,
        role: SiteRole = "source",
        unless: Fact[Any] | None = None,
        option: str = "",
        architecture: str = "",
        clear_from: str = "",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("doc_md", self._page(role))
        super().__init__(**kwargs)
        self.role: SiteRole = role
        self.clear_from = clear_from
        self.applies_when(unless, option, architecture)

    def _page(self, role: str) -> str:
        return page(self.__doc__, self.guide, f"the {role} site", self.changes, self.undo)

    # -- what a step defines -----------------------------------------------------------------------

    def observe(self, step: Step) -> Observation:
        """Observe the outside world; ``satisfied`` when the goal is already reached."""
        raise NotImplementedError

    def act(self, step: Step, seen: Observation) -> Observation | None:
        """Act once. May defer; the step then continues in :meth:`resume`.

        :returns: the proof, when the action itself waited for it; None: :meth:`verify` proves it.
        """
        raise GuardError(f"{self.task_id}: {seen.summary}", self.next_step())

    def verify(self, step: Step) -> Observation:
        """Check the result."""
        return self.observe(step)

    def backs_out(self, step: Step) -> bool:
        """Its act undoes the run: from then on no other step of the run may act."""
        return False

    def next_step(self) -> str:
        """The next step for a person when the goal cannot be reached."""
        return "Read this task's log, correct the cause, then clear this task."

    def collect(self, step: Step, event: dict[str, Any]) -> Observation | None:
        """Take the result of a deferred action; returns what :meth:`act` returns."""
        return None

    # -- how it runs -------------------------------------------------------------------------------

    def execute(self, context: Context) -> dict[str, Any]:
        with advising(self, context), Step.from_context(context) as step:
            return self._run(step, context)

    def _run(self, step: Step, context: Context | None = None) -> dict[str, Any]:
        if (early := self.early(step)) is not None:
            return early
        seen = self.observe(step)
        self.log.info("observe: %s", seen.summary)
        if seen.satisfied:
            self.log.info("decide: the goal is reached, nothing to do")
            return self._result(step, seen)
        self.log.info("decide: act")
        if self.under_lock:
            step.enter(backs_out=self.backs_out(step))
        return self._conclude(step, self.act(step, seen))

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Continue after a deferral."""
        with advising(self, context), Step.from_context(context) as step:
            if self.under_lock:
                step.enter()
            return self._conclude(step, self.take(step, event))

    def take(self, step: Step, event: dict[str, Any]) -> Observation | None:
        """Take the result of a wait.

        :raises InfoMartError: the error that ended the wait, with its type.
        """
        if seconds := event.get("seconds"):
            stopwatch.add(float(seconds))
        raise_from(event)
        return self.collect(step, event)

    def settled(self, step: Step) -> Observation:
        """Repeat the check until the goal is reached, for :attr:`settle_seconds` at most."""
        deadline = time.monotonic() + self.settle_seconds
        while not (seen := self.verify(step)).satisfied and time.monotonic() < deadline:
            time.sleep(0.5)
        return seen

    def _conclude(self, step: Step, reached: Observation | None = None) -> dict[str, Any]:
        seen = self.settled(step) if reached is None else reached
        self.log.info("verify: %s", seen.summary)
        if not seen.satisfied:
            raise GuardError(f"{self.task_id}: acted, but {seen.summary}", self.next_step())
        return self._result(step, seen)

    def finish(self, step: Step, seen: Observation) -> None:
        """Final work once the goal is reached, by this run or before it; must be repeatable."""

    def _result(self, step: Step, seen: Observation) -> dict[str, Any]:
        self.finish(step, seen)
        return {"summary": seen.summary, **seen.details, "command_seconds": round(stopwatch.total(), 3)}


def needless(step: Step, fact: Fact[Any] | None) -> str | None:
    """The reason why a step is unnecessary; None: it is needed.

    :param fact: a fact which proves that the plan is past the step; None: the step is unnecessary only in a plan
        whose goal was reached before.
    """
    recorded = step.ledger.all()
    if reached := recorded.get(facts.GOAL_REACHED):
        return f"nothing to do: {reached}"
    if fact is not None and (value := recorded.text(fact)):
        return f"the plan is past this step ({fact.name.replace('_', ' ')}: {fact.shown(value)})"
    return None


def elsewhere(step: Step, option: str, architecture: str) -> str | None:
    """The reason why a step of one option or one architecture does not apply to this run; None: it applies.

    :param option: empty: every option.
    :param architecture: empty: both.
    """
    chosen = str(step.params.get("option") or "")
    if option and chosen and option != chosen:
        return f"the run asks for {chosen!r}, this step is for {option!r}"
    if architecture and architecture != step.topology.architecture:
        return f"the deployment is {step.topology.architecture}, this step is for {architecture}"
    return None


class CheckOperator(StepOperator):
    """A step that only checks: it passes, or stops the run with the reason."""

    under_lock = False

    def act(self, step: Step, seen: Observation) -> None:
        raise GuardError(seen.summary, self.next_step())


def raise_from(event: Mapping[str, Any]) -> None:
    """Raise the error that a trigger reported, with its type, if it reported one."""
    if event.get("state") not in ("failed", "unreachable"):
        return
    kind = class_of(str(event.get("error") or ""), retryable=bool(event.get("retryable", True)))
    raise kind(str(event.get("what") or event.get("reason") or event), str(event.get("next_step") or ""))
