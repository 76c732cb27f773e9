"""Waiting for a condition: the triggerer calls a probe repeatedly, and no worker is occupied meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from infomart_dr.deployment import Deployment
from infomart_dr.errors import InfoMartError, TransientError, class_name
from infomart_dr.plan.step import Observation, Step


def path_of(probe: Callable[..., Observation]) -> str:
    """Dotted path of a function of a module."""
    return f"{probe.__module__}.{probe.__qualname__}"


class ConditionTrigger(BaseTrigger):
    """Call ``probe(step, **arguments)``, or ``probe(deployment, **arguments)``, until its observation is satisfied.

    Exactly one of ``step`` and ``deployment`` is given. All arguments are plain JSON without secrets, because Airflow
    stores them in its database.

    :param step: the result of :meth:`infomart_dr.plan.step.Step.arguments`.
    :param deployment: name of a deployment; empty when there is only one topology file.
    :param probe: dotted path of a function that returns an ``Observation``.
    :param arguments: arguments of the probe.
    :param poll: seconds between two calls of the probe.
    :param deadline: epoch seconds after which the event ``timeout`` is sent.
    :param patience: seconds for which consecutive retryable errors are tolerated.
    :param silent: every error is logged and tolerated until the deadline, as with ``silent_fail`` of a sensor.

    The event is ``{"state": "reached"|"timeout", "summary": ..., "details": ...}``, or ``{"state": "failed"}`` with the
    ``error`` as :func:`~infomart_dr.errors.class_name` gives it, ``retryable``, ``what`` and ``next_step``.
    """

    def __init__(
        self,
        *,
        step: dict[str, Any] | None = None,
        deployment: str | None = None,
        probe: str,
        arguments: dict[str, Any],
        poll: float,
        deadline: float,
        patience: float = 600,
        silent: bool = False,
    ) -> None:
        super().__init__()
        if (step is None) == (deployment is None):
            raise ValueError("give either step or deployment")
        self.step, self.deployment, self.probe, self.arguments = step, deployment, probe, arguments
        self.poll, self.deadline, self.patience, self.silent = poll, deadline, patience, silent

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                **({"step": self.step} if self.deployment is None else {"deployment": self.deployment}),
                "probe": self.probe,
                "arguments": self.arguments,
                "poll": self.poll,
                "deadline": self.deadline,
                "patience": self.patience,
                "silent": self.silent,
            },
        )

    def look(self) -> Observation:
        """Call the probe once (blocking)."""
        from airflow.sdk.module_loading import import_string

        with self._subject() as subject:
            seen: Observation = import_string(self.probe)(subject, **self.arguments)
            return seen

    def _subject(self) -> Step | Deployment:
        if self.step is not None:
            return Step(**self.step)
        return Deployment(self.deployment or "")

    async def run(self) -> AsyncIterator[TriggerEvent]:
        told, told_at = "", 0.0
        trouble_since: float | None = None
        while True:
            try:
                seen = await asyncio.to_thread(self.look)
                trouble_since = None
            except TransientError as error:
                trouble_since = trouble_since or time.monotonic()
                self.log.warning("The check failed: %s", error)
                if not self.silent and time.monotonic() - trouble_since > self.patience:
                    yield TriggerEvent({"state": "failed", **_describe(error)})
                    return
                seen = Observation(False, f"the check failed: {error.what}")
            except InfoMartError as error:
                if not self.silent:
                    yield TriggerEvent({"state": "failed", **_describe(error)})
                    return
                self.log.warning("The check failed: %s", error)
                seen = Observation(False, f"the check failed: {error.what}")
            if seen.summary != told or time.monotonic() - told_at > 60:
                self.log.info("observe: %s", seen.summary)
                told, told_at = seen.summary, time.monotonic()
            if seen.satisfied:
                yield TriggerEvent({"state": "reached", "summary": seen.summary, "details": seen.details})
                return
            if time.time() > self.deadline:
                yield TriggerEvent({"state": "timeout", "summary": seen.summary, "details": seen.details})
                return
            await asyncio.sleep(self.poll)


def _describe(error: InfoMartError) -> dict[str, Any]:
    return {
        "error": class_name(error),
        "retryable": error.retryable,
        "what": error.what,
        "next_step": error.next_step,
    }
