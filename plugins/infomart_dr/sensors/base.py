"""Steps of a plan that wait: sensors that check in the task for a short while and are then deferred."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import AirflowSkipException

from infomart_dr.errors import GuardError, TransientError
from infomart_dr.operators.base import StepOperator
from infomart_dr.plan.step import Observation, Step
from infomart_dr.triggers.condition import ConditionTrigger, path_of


class StepSensor(StepOperator, BaseSensorOperator):
    """A step that waits until a probe is satisfied.

    :param poke_interval: seconds between two checks; None: ``timeouts.poll`` of the topology.
    :param timeout: seconds to wait at most; None: :meth:`limit`.
    :param soft_fail: skip the step at the timeout; without it the run stops with the reason.
    """

    #: ``(step, **arguments) -> Observation``, a function of a module: the triggerer imports it by its path.
    probe: ClassVar[Callable[..., Observation]]

    def __init__(
        self,
        *,
        poke_interval: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        soft_fail: bool = False,
        **kwargs: Any,
    ) -> None:
        given: dict[str, Any] = {"poke_interval": poke_interval, "timeout": timeout}
        self._of_topology = frozenset(name for name, value in given.items() if value is None)
        super().__init__(
            soft_fail=soft_fail, **{name: value for name, value in given.items() if value is not None}, **kwargs
        )

    def arguments(self, step: Step) -> dict[str, Any]:
        """Arguments of the probe, plain JSON."""
        return {"role": self.role}

    def limit(self, step: Step) -> float:
        """Seconds to wait at most, where the step has no ``timeout`` of its own."""
        return step.topology.timeouts.catch_up

    def prepare(self, step: Step) -> None:
        """Do what the wait is for, before it begins; must be repeatable."""

    def after(self, step: Step, reached: Observation) -> Observation:
        """The proof once the probe is satisfied; a step may act once more here."""
        return reached

    # -- how it waits ------------------------------------------------------------------------------

    def question(self) -> str:
        """Dotted path of the probe."""
        return path_of(self.probe)

    def ask(self, step: Step) -> Observation:
        """Ask the probe once."""
        # By its path, as the triggerer does it.
        from airflow.sdk.module_loading import import_string

        seen: Observation = import_string(self.question())(step, **self.arguments(step))
        return seen

    def observe(self, step: Step) -> Observation:
        return self.ask(step)

    def act(self, step: Step, seen: Observation) -> Observation | None:
        self.prepare(step)
        if (reached := self._inline_wait(step)) is not None:
            return self.after(step, reached)
        poll = step.topology.timeouts.poll if "poke_interval" in self._of_topology else self.poke_interval
        limit = self.limit(step) if "timeout" in self._of_topology else self.timeout
        self.log.info("act: wait, with a check every %g s, for at most %g s", poll, limit)
        self.defer(
            trigger=ConditionTrigger(
                step=step.arguments(),
                probe=self.question(),
                arguments=self.arguments(step),
                poll=poll,
                deadline=time.time() + limit,
            ),
            method_name="resume",
        )
        return None

    def _inline_wait(self, step: Step) -> Observation | None:
        """Check here for a short while: a deferral takes longer than most waits."""
        timeouts = step.topology.timeouts
        deadline = time.monotonic() + timeouts.inline_wait
        while time.monotonic() < deadline:
            try:
                # The probe alone, as in the triggerer: a step may observe more.
                seen = self.ask(step)
            except TransientError:
                return None
            if seen.satisfied:
                self.log.info("verify: %s", seen.summary)
                return seen
            time.sleep(min(1.0, timeouts.poll))
        return None

    def collect(self, step: Step, event: dict[str, Any]) -> Observation | None:
        if event["state"] == "timeout":
            if self.soft_fail:
                raise AirflowSkipException(f"Skipped at the timeout (soft_fail): {event['summary']}")
            raise GuardError(f"The wait timed out: {event['summary']}", self.next_step())
        self.log.info("verify: %s", event["summary"])
        return self.after(step, Observation(True, event["summary"], event.get("details") or {}))
