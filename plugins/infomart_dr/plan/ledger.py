"""Facts of a plan that must be the same in every retry: recorded once, at the surviving site, beside the lock.

A recorded fact is never replaced: an SCN taken a second time, or a failure time typed in again, would be a different
fact. XCom cannot keep them: clearing a task loses its XCom, and another Airflow never sees it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Self, TypeVar

from infomart_dr.deployment import Deployment
from infomart_dr.errors import REPORT_IT, GuardError, PermanentError, code_of
from infomart_dr.plan.facts import AnyFact, Fact, Facts
from infomart_dr.plan.lock import Statements, ensure_table

log = logging.getLogger(__name__)

T = TypeVar("T")

_DUPLICATE = "ORA-00001"
#: Bytes of a value, and of a name.
_VALUE_LIMIT, _NAME_LIMIT = 4000, 100
#: Bytes of one entry, when a text needs several.
_PIECE = 3900


def pieces(text: str) -> list[str]:
    """A plain ASCII text as values of the ledger; in ASCII a character is a byte in every character set."""
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]


class Recorded:
    """The facts of a plan at one moment.

    :param texts: values as DR_LEDGER has them, by name.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = dict(texts)

    def __len__(self) -> int:
        return len(self._texts)

    def __contains__(self, fact: AnyFact) -> bool:
        return fact.name in self._texts

    def text(self, fact: AnyFact) -> str | None:
        """The value as DR_LEDGER has it; None when the plan has none."""
        return self._texts.get(fact.name)

    def get(self, fact: Fact[T]) -> T | None:
        """The value; None when the plan has none."""
        text = self.text(fact)
        return None if text is None else fact.read(text)

    def of(self, facts: Facts[T]) -> list[tuple[Fact[T], T]]:
        """Recorded facts of one kind, in their order."""
        return [(facts.named(name), facts.kind.read(text)) for name, text in self._texts.items() if facts.has(name)]


class Ledger:
    """The recorded facts of one plan.

    :param hook: Oracle hook of the surviving site's ``goldengate_connection``.
    :param schema: GoldenGate's schema there.
    """

    def __init__(self, hook: Statements, schema: str, deployment: str, plan_id: str) -> None:
        self._hook, self._schema = hook, schema
        self._in = {"schema": schema}
        self._plan = {"deployment": deployment, "plan_id": plan_id}

    @classmethod
    def at(cls, deployment: Deployment, site: str, plan_id: str) -> Self:
        """The ledger of a plan, in GoldenGate's schema at a site."""
        schema = deployment.site(site).goldengate.schema_name
        return cls(deployment.goldengate_database(site), schema, deployment.topology.name, plan_id)

    def ensure_table(self) -> None:
        """Create the table when it is missing."""
        ensure_table(self._hook, self._schema, "DR_LEDGER", "create_ledger_table")

    def exists(self) -> bool:
        """The table is there."""
        return bool(self._hook.value("table_exists", owner=self._schema, table_name="DR_LEDGER"))

    def get(self, fact: Fact[T]) -> T | None:
        """The recorded value; None when the plan has none."""
        text = self._get(fact.name)
        return None if text is None else fact.read(text)

    def has(self, fact: AnyFact) -> bool:
        """The fact is recorded."""
        return self._get(fact.name) is not None

    def require(self, fact: Fact[T]) -> T:
        """The recorded value.

        :raises GuardError: the plan has none; the message names the task that records it.
        """
        value = self.get(fact)
        if value is None:
            raise GuardError(f"Plan {self._plan['plan_id']} has no recorded {fact.name!r}.", fact.record_again())
        return value

    def put_once(self, fact: Fact[T], value: T) -> T:
        """Record a value unless there is one; a recorded value is never overwritten.

        :param value: 1 to 4000 bytes as text (Oracle stores an empty text as NULL).
        :returns: the recorded value; the caller compares it with its own.
        :raises PermanentError: name or value is empty or too long.
        """
        name, text = fact.name, fact.write(value)
        for what, content, limit in (("name", name, _NAME_LIMIT), ("value", text, _VALUE_LIMIT)):
            size = len(content.encode())
            if not 0 < size <= limit:
                raise PermanentError(
                    f"The {what} of the fact {name[:60]!r} has {size} bytes; allowed: 1 to {limit}.", REPORT_IT
                )
        standing = self._get(name)
        if standing is not None:
            log.info("%s is already recorded: %s.", name, standing)
            return fact.read(standing)
        try:
            self._hook.execute("ledger_put", self._in, **self._plan, entry=name, value=text)
        except Exception as error:
            if code_of(error) != _DUPLICATE:
                raise
        # Read back: another try of the same step may have been first.
        written = self.require(fact)
        log.info("Recorded %s: %s.", name, fact.write(written))
        return written

    def swap(self, fact: Fact[T], standing: str | None, value: T) -> bool:
        """Replace a value that is still the one that was read.

        :param standing: its text as it was read; None: there was none.
        :returns: False when another run was first.
        """
        entry = {**self._plan, "entry": fact.name, "value": fact.write(value)}
        if standing is not None:
            return self._hook.execute("ledger_replace", self._in, **entry, expected=standing) == 1
        try:
            return self._hook.execute("ledger_put", self._in, **entry) == 1
        except Exception as error:
            if code_of(error) != _DUPLICATE:
                raise
            return False

    def put(self, fact: Fact[T], value: T) -> None:
        """Record a value in place of the recorded one, for a fact that changes; the last of two runs wins."""
        while not self.swap(fact, self._get(fact.name), value):
            log.info("%s was changed at the same time; once more.", fact.name)

    def forget(self, fact: AnyFact) -> bool:
        """Remove a fact that is no longer true, such as an SCN after the service was returned to the source.

        :returns: False when the plan had none.
        """
        forgotten = self._hook.execute("ledger_forget", self._in, **self._plan, entry=fact.name) == 1
        if forgotten:
            log.info("Removed %s.", fact.name)
        return forgotten

    def all(self) -> Recorded:
        """All facts of the plan, in the order in which they were recorded."""
        return Recorded({row["name"]: row["value"] for row in self._hook.select("ledger_all", self._in, **self._plan)})

    def _get(self, name: str) -> str | None:
        rows = self._hook.select("ledger_get", self._in, **self._plan, entry=name)
        return rows[0]["value"] if rows else None
