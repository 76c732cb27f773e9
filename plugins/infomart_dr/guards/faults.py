"""A fault that a guard found, with its remedy: readiness shows it, a run stops for it or goes on and reports it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A fault.

    :param what: one sentence, without a full stop.
    :param remedy: the next step for a person.
    :param stops: a run stops; otherwise it goes on and reports the fault.
    """

    what: str
    remedy: str
    stops: bool = True

    def __str__(self) -> str:
        return f"{self.what} (remedy: {self.remedy.rstrip('.;')})"
