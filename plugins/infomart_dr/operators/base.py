"""How a step is built: observe, decide, act, verify.

A step looks at the outside world first. When the goal is already reached it says so and succeeds; else it acts
once, looks again and proves it. So a retry, a clear or a second run never repeats a finished action.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, ExceptionRetryPolicy, RetryAction, RetryRule, TriggerRule
from airflow.sdk.exceptions import AirflowSkipException

from infomart_dr import settings, stopwatch
from infomart_dr.errors import GuardError, class_of
from infomart_dr.guide import readable
from infomart_dr.notifiers.tickets import callbacks
from infomart_dr.plan import facts
from infomart_dr.plan.facts import Fact
from infomart_dr.plan.parameters import refuse_wrong_run
from infomart_dr.plan.step import FAILOVER, Observation, Step
from infomart_dr.topology import SiteRole

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Errors that a retry may help against are tried again with growing delays; the others stop the run at once.
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
            reason="A person decided, or did not in time.",
        ),
    ]
)


#: ``default_args`` of steps that may follow one that does not apply: that one is skipped, they are not. Not for the
#: step right after a setup task, of which Airflow asks ``all_success``.
AFTER_SKIPS: dict[str, Any] = {"trigger_rule": TriggerRule.NONE_FAILED}


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
        "pre_execute": refuse_wrong_run,
        **callbacks(),
    }


def page(doc: str | None, guide: str, where: str, changes: str, undo: str) -> str:
    """A task's page in Airflow: what it is, its place in the guide, what it changes and how to undo it."""
    lines = [readable((doc or "").split("\n\n:param")[0].split("\n\n    :param")[0].strip()), ""]
    if guide:
        lines.append(f"**Guide:** {readable(guide)}")
    lines += ["", f"**Acts at:** {where}", "", f"**Changes:** {changes}", "", f"**Undo:** {undo}"]
    return "\n".join(lines)


class AppliesWhen:
    """The runs in which a step or a gate has something to do."""

    #: It has something to do also in a plan whose goal was reached before it began.
    always: ClassVar[bool] = False
    log: Any

    def applies_when(self, unless: Fact[Any] | None, option: str, architecture: str) -> None:
        """Take the conditions.

        :param unless: the fact by which the plan is past it.
        :param option: it belongs to this option of the procedure only; empty: to every option.
        :param architecture: it is for this architecture only; empty: for both.
        """
        self.unless, self.option, self.architecture = unless, option, architecture

    def does_not_apply(self, step: Step) -> str | None:
        """The reason why this deployment has no use for it, shown as skipped; None: it applies."""
        return None

    @property
    def may_be_skipped(self) -> bool:
        """Some deployments or options have no use for it."""
        own = type(self).does_not_apply is not AppliesWhen.does_not_apply
        return bool(self.option or self.architecture or own)

    def early(self, step: Step) -> dict[str, Any] | None:
        """The result where nothing is to be done in this plan; None: there is something to do.

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
    :param unless: a fact that makes this step needless: the plan is past it.
    :param option: the step belongs to this option of the procedure only; empty: to every option.
    :param architecture: the step is for this architecture only; empty: for both.
    """

    #: Lines of the guide, what the step changes and how to undo it: shown on the task's page.
    guide: str = ""
    changes: str = "nothing"
    undo: str = "nothing to undo"
    #: What the step found is part of the report at the run's end.
    in_report: bool = False
    #: Seconds for which the step looks again until its goal is reached: programs need a moment after they were told.
    settle_seconds: ClassVar[float] = 0
    #: Whether the run must hold the deployment's lock when it acts.
    under_lock: ClassVar[bool] = True

    def __init__(
        self,
        *,
        role: SiteRole = "source",
        unless: Fact[Any] | None = None,
        option: str = "",
        architecture: str = "",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("doc_md", self._page(role))
        super().__init__(**kwargs)
        self.role: SiteRole = role
        self.applies_when(unless, option, architecture)

    def _page(self, role: str) -> str:
        return page(self.__doc__, self.guide, f"the {role} site", self.changes, self.undo)

    # -- what a step says --------------------------------------------------------------------------

    def observe(self, step: Step) -> Observation:
        """Look at the outside world; ``done`` when the goal is already reached."""
        raise NotImplementedError

    def act(self, step: Step, seen: Observation) -> Observation | None:
        """Act once. May defer; the step goes on in :meth:`resume`.

        :returns: the proof, where acting was waiting for it; None: :meth:`verify` proves it.
        """
        raise GuardError(f"{self.task_id}: {seen.summary}", self.next_step())

    def verify(self, step: Step) -> Observation:
        """Look again."""
        return self.observe(step)

    def next_step(self) -> str:
        """What a person should do when the goal cannot be reached."""
        return "Look at the log of this task, then clear it to try again."

    def collect(self, step: Step, event: dict[str, Any]) -> Observation | None:
        """Take the result of a deferred action; returns what :meth:`act` returns."""
        return None

    # -- how it runs -------------------------------------------------------------------------------

    def execute(self, context: Context) -> dict[str, Any]:
        with Step.from_context(context) as step:
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
            step.lock.require(step.plan_id, step.owner)
        return self._conclude(step, self.act(step, seen))

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Go on after a deferral."""
        with Step.from_context(context) as step:
            return self._conclude(step, self.take(step, event))

    def take(self, step: Step, event: dict[str, Any]) -> Observation | None:
        """Take the result of a wait.

        :raises InfoMartError: the typed error that the wait met.
        """
        if seconds := event.get("seconds"):
            stopwatch.add(float(seconds))
        raise_from(event)
        return self.collect(step, event)

    def settled(self, step: Step) -> Observation:
        """Look again, for :attr:`settle_seconds` at most, until the goal is reached."""
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
        """Last words once the goal is reached, whichever way; must be repeatable."""

    def _result(self, step: Step, seen: Observation) -> dict[str, Any]:
        self.finish(step, seen)
        return {"summary": seen.summary, **seen.details, "command_seconds": round(stopwatch.total(), 3)}


def needless(step: Step, fact: Fact[Any] | None) -> str | None:
    """Why a step is needless, None when it is not.

    :param fact: the fact by which the plan is past the step; None: only a plan whose goal was reached before needs it
        not.
    """
    recorded = step.ledger.all()
    if reached := recorded.get(facts.GOAL_REACHED):
        return f"nothing to do: {reached}"
    if fact is not None and (value := recorded.text(fact)):
        return f"the plan is past this step ({fact.name.replace('_', ' ')}: {fact.shown(value)})"
    return None


def elsewhere(step: Step, option: str, architecture: str) -> str | None:
    """Why a step of one option or one architecture has no use in this run; None when it has.

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
    """A step that only looks: it passes, or stops the run with the reason."""

    under_lock = False

    def act(self, step: Step, seen: Observation) -> None:
        raise GuardError(seen.summary, self.next_step())


def raise_from(event: Mapping[str, Any]) -> None:
    """Raise the typed error that a trigger met, if it met one."""
    if event.get("state") not in ("failed", "unreachable"):
        return
    kind = class_of(str(event.get("error") or ""), retryable=bool(event.get("retryable", True)))
    raise kind(str(event.get("what") or event.get("reason") or event), str(event.get("next_step") or ""))
