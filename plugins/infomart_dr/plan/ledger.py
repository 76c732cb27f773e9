"""Facts of a plan that must be the same in every retry: noted once, at the surviving site, beside the lock.

What is noted stands: an SCN taken a second time, or a failure time typed in again, would be another fact.
XCom is no place for them, because clearing a task loses it and another Airflow never sees it.
"""

from __future__ import annotations

import logging

from infomart_dr.errors import FinalError, GuardError
from infomart_dr.plan.lock import Statements, code_of, ensure_table

log = logging.getLogger(__name__)

_DUPLICATE = "ORA-00001"
#: Bytes of a value, and of a name.
_VALUE_LIMIT, _NAME_LIMIT = 4000, 100
#: Bytes of one entry of a text that stands in several.
_PIECE = 3900


def pieces(text: str) -> list[str]:
    """A text of plain ASCII as values of the ledger: a character is a byte then, in every character set."""
    return [text[start : start + _PIECE] for start in range(0, len(text), _PIECE)]


class Ledger:
    """The noted facts of one plan.

    :param hook: Oracle hook of the surviving site's ``goldengate_connection``.
    :param schema: GoldenGate's schema there.
    """

    def __init__(self, hook: Statements, schema: str, deployment: str, plan_id: str) -> None:
        self._hook, self._schema = hook, schema
        self._in = {"schema": schema}
        self._plan = {"deployment": deployment, "plan_id": plan_id}

    def ensure_table(self) -> None:
        """Make the table when it is missing."""
        ensure_table(self._hook, self._schema, "DR_LEDGER", "create_ledger_table")

    def get(self, name: str) -> str | None:
        """The noted value; None when nothing is noted under this name."""
        rows = self._hook.select("ledger_get", self._in, **self._plan, entry=name)
        return rows[0]["value"] if rows else None

    def require(self, name: str) -> str:
        """The noted value.

        :raises GuardError: nothing is noted under this name.
        """
        value = self.get(name)
        if value is None:
            raise GuardError(
                f"Plan {self._plan['plan_id']} has not noted {name!r}.",
                "The step that notes it has not run, or was undone: clear that step and those after it.",
            )
        return value

    def put_once(self, name: str, value: str) -> str:
        """Note a value unless one is noted; a noted one is never overwritten.

        :param name: 1 to 100 bytes.
        :param value: 1 to 4000 bytes (Oracle stores an empty text as NULL).
        :returns: the value that stands: compare it with your own.
        :raises FinalError: name or value is empty or too long.
        """
        for what, text, limit in (("name", name, _NAME_LIMIT), ("value", value, _VALUE_LIMIT)):
            size = len(text.encode())
            if not 0 < size <= limit:
                raise FinalError(f"The {what} of the fact {name[:60]!r} has {size} bytes; allowed: 1 to {limit}.")
        standing = self.get(name)
        if standing is not None:
            log.info("%s is noted already: %s.", name, standing)
            return standing
        try:
            self._hook.execute("ledger_put", self._in, **self._plan, entry=name, value=value)
        except Exception as error:
            if code_of(error) != _DUPLICATE:
                raise
        # Read back: another try of the same step may have been first.
        standing = self.require(name)
        log.info("Noted %s: %s.", name, standing)
        return standing

    def forget(self, name: str) -> bool:
        """Forget a fact that was undone, as when the service was returned and the SCN holds no more.

        :returns: False when nothing was noted.
        """
        forgotten = self._hook.execute("ledger_forget", self._in, **self._plan, entry=name) == 1
        if forgotten:
            log.info("Forgot %s.", name)
        return forgotten

    def all(self) -> dict[str, str]:
        """All facts of the plan, in the order in which they were noted."""
        return {row["name"]: row["value"] for row in self._hook.select("ledger_all", self._in, **self._plan)}
