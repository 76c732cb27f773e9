"""Undelivered ticket messages, in GoldenGate's schema: they outlive their task, its worker and its Airflow.

They are in the ledger's table, under a plan id that no run can have: for each message a head, and the document in
parts. A sender first takes a message by replacing the head that it has read, so two Airflows never both send it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from infomart_dr.errors import code_of
from infomart_dr.evidence.watch_store import Statements
from infomart_dr.hooks.tickets import Message
from infomart_dr.plan.ledger import pieces

log = logging.getLogger(__name__)

#: Plan id of the undelivered messages; no run id can equal it.
UNDELIVERED = "(tickets)"
_HEAD, _PART = "head ", "part "
_DUPLICATE = "ORA-00001"


@dataclass(frozen=True)
class Head:
    """The changing part of a waiting message; seconds since 1970.

    :param kept: time at which it was put here, which gives the order of sending.
    :param taken: time at which a sender took it; 0: no sender has it.
    :param after: earliest time to send it, after a refusal.
    """

    kept: float
    taken: float = 0.0
    after: float = 0.0

    @classmethod
    def read(cls, text: str) -> Head:
        """A head from its text; an unreadable one counts as the oldest of all."""
        try:
            return cls(**{name: float(value) for name, value in json.loads(text).items()})
        except (ValueError, TypeError, AttributeError, RecursionError):
            return cls(0.0)

    def text(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True)
class Undelivered:
    """A message that waits.

    :param stands: the text of its head in the table.
    :param message: None: another release wrote it, and this one cannot read it.
    :param parts: names of the entries with its document.
    """

    key: str
    head: Head
    stands: str
    message: Message | None
    parts: tuple[str, ...]


class UndeliveredStore:
    """The messages that wait at one site.

    :param schema: GoldenGate's schema there.
    """

    def __init__(self, schema: str, deployment: str) -> None:
        self._in = {"schema": schema}
        self._plan = {"deployment": deployment, "plan_id": UNDELIVERED}

    def read(self, session: Statements) -> list[Undelivered]:
        """Waiting messages, in the order of sending."""
        entries = {row["name"]: row["value"] for row in session.select("ledger_all", self._in, **self._plan)}
        keys = [name.removeprefix(_HEAD) for name in entries if name.startswith(_HEAD)]
        return sorted((_untold(key, entries) for key in keys), key=lambda each: each.head.kept)

    def keep(self, session: Statements, message: Message, head: Head) -> bool:
        """Keep a message, in a transaction of the caller.

        :returns: False when it is already kept; the caller must not commit then.
        """
        document = json.dumps(message.model_dump(mode="json", exclude_none=True), separators=(",", ":"))
        parts = {f"{_PART}{message.key} {number:03d}": piece for number, piece in enumerate(pieces(document))}
        try:
            for name, value in {f"{_HEAD}{message.key}": head.text(), **parts}.items():
                session.execute("ledger_put", self._in, **self._plan, entry=name, value=value)
        except Exception as error:
            if code_of(error) == _DUPLICATE:
                return False
            raise
        return True

    def take(self, session: Statements, waiting: Sequence[Undelivered], now: float) -> list[Undelivered]:
        """Take messages for sending; returns those that no other sender has taken in the meantime."""
        taken = [(each, replace(each.head, taken=now)) for each in waiting]
        return [
            replace(each, head=head, stands=head.text()) for each, head in taken if self._replace(session, each, head)
        ]

    def give_back(self, session: Statements, taken: Undelivered, after: float = 0.0) -> None:
        """Return a message to the waiting ones.

        :param after: earliest time to send it.
        """
        self._replace(session, taken, replace(taken.head, taken=0.0, after=after))

    def forget(self, session: Statements, waiting: Undelivered) -> None:
        """Remove a message that was sent or is discarded."""
        for name in (f"{_HEAD}{waiting.key}", *waiting.parts):
            session.execute("ledger_forget", self._in, **self._plan, entry=name)

    def _replace(self, session: Statements, waiting: Undelivered, head: Head) -> bool:
        changed = session.execute(
            "ledger_replace",
            self._in,
            **self._plan,
            entry=f"{_HEAD}{waiting.key}",
            value=head.text(),
            expected=waiting.stands,
        )
        return changed == 1


def _untold(key: str, entries: dict[str, str]) -> Undelivered:
    stands = entries[f"{_HEAD}{key}"]
    parts = tuple(sorted(name for name in entries if name.startswith(f"{_PART}{key} ")))
    message: Message | None = None
    try:
        message = Message.model_validate_json("".join(entries[name] for name in parts))
    except ValueError as error:
        log.warning("A waiting ticket message cannot be read (%s): %s", key, str(error).splitlines()[0])
    return Undelivered(key, Head.read(stands), stands, message, parts)
