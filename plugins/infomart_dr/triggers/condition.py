"""Waiting for a condition: the triggerer asks a probe again and again, and holds no worker meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from infomart_dr.errors import CurableError, InfoMartError, class_name
from infomart_dr.plan.step import Seen, Step


class ConditionTrigger(BaseTrigger):
    """Ask ``probe(step, **arguments)`` until it says done.

    :param step: what :meth:`infomart_dr.plan.step.Step.arguments` gave.
    :param probe: dotted path of a function ``(step, **arguments) -> Seen``.
    :param arguments: plain JSON.
    :param poll: seconds between two looks.
    :param deadline: epoch seconds after which the event ``timeout`` is sent.
    :param patience: seconds for which curable errors are borne in a row.

    The event is ``{"state": "reached"|"timeout", "what": ..., "facts": ...}``, or ``{"state": "failed"}`` with the
    ``error`` as :func:`~infomart_dr.errors.class_name` gives it, ``curable``, ``what`` and ``next_step``.
    """

    def __init__(
        self,
        *,
        step: dict[str, Any],
        probe: str,
        arguments: dict[str, Any],
        poll: float,
        deadline: float,
        patience: float = 600,
    ) -> None:
        super().__init__()
        self.step, self.probe, self.arguments = step, probe, arguments
        self.poll, self.deadline, self.patience = poll, deadline, patience

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "step": self.step,
                "probe": self.probe,
                "arguments": self.arguments,
                "poll": self.poll,
                "deadline": self.deadline,
                "patience": self.patience,
            },
        )

    def look(self) -> Seen:
        """Ask the probe once (blocking)."""
        from airflow.sdk.module_loading import import_string

        with Step(**self.step) as step:
            return import_string(self.probe)(step, **self.arguments)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        told, told_at = "", 0.0
        trouble_since: float | None = None
        while True:
            try:
                seen = await asyncio.to_thread(self.look)
                trouble_since = None
            except CurableError as error:
                trouble_since = trouble_since or time.monotonic()
                self.log.warning("Cannot look: %s", error)
                if time.monotonic() - trouble_since > self.patience:
                    yield TriggerEvent({"state": "failed", **_describe(error)})
                    return
                seen = Seen(False, f"cannot look: {error.what}")
            except InfoMartError as error:
                yield TriggerEvent({"state": "failed", **_describe(error)})
                return
            if seen.what != told or time.monotonic() - told_at > 60:
                self.log.info("observe: %s", seen.what)
                told, told_at = seen.what, time.monotonic()
            if seen.done:
                yield TriggerEvent({"state": "reached", "what": seen.what, "facts": seen.facts})
                return
            if time.time() > self.deadline:
                yield TriggerEvent({"state": "timeout", "what": seen.what, "facts": seen.facts})
                return
            await asyncio.sleep(self.poll)


def _describe(error: InfoMartError) -> dict[str, Any]:
    return {
        "error": class_name(error),
        "curable": error.curable,
        "what": error.what,
        "next_step": error.next_step,
    }
