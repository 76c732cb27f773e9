"""The state between two surveys, in GoldenGate's schema: it outlives an Airflow, and two Airflows see the same.

It is in the ledger's table, under a plan id that no run can have, at each site of the survey. The newest copy counts.
A survey replaces only the copy that it has read. If another survey was first, it fails to do so and sends nothing.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import Any, Protocol

from infomart_dr.errors import code_of
from infomart_dr.evidence.watching import State
from infomart_dr.plan.ledger import pieces

log = logging.getLogger(__name__)

#: Plan id of the deployment's own state of watching; no run id can equal it.
WATCH = "(watch)"
#: Entry whose value changes with each survey, and the prefix of the entries with the state.
_LOOK, _PART = "look", "state "
_DUPLICATE, _NO_TABLE = "ORA-00001", "ORA-00942"


class Statements(Protocol):
    """The part of an Oracle session that this module needs."""

    def select(self, name: str, identifiers: Any = None, **binds: Any) -> list[dict[str, Any]]: ...
    def execute(self, name: str, identifiers: Any = None, **binds: Any) -> int: ...


@dataclass
class Copy:
    """The copy of the state at one site.

    :param entries: the rows that it was read from; empty: the site has none.
    """

    state: State
    entries: dict[str, str] = field(default_factory=dict)


def parts(state: State) -> dict[str, str]:
    """Entries with the parts of a state."""
    text = json.dumps(state.model_dump(mode="json", exclude_defaults=True), separators=(",", ":"))
    return {f"{_PART}{number:03d}": piece for number, piece in enumerate(pieces(text))}


class WatchStore:
    """Reads and replaces the state at one site.

    :param schema: GoldenGate's schema there.
    """

    def __init__(self, schema: str, deployment: str) -> None:
        self._in = {"schema": schema}
        self._plan = {"deployment": deployment, "plan_id": WATCH}

    def read(self, session: Statements) -> Copy:
        """The site's copy.

        :raises InfoMartError: the table cannot be read; :func:`is_no_table` recognises a missing table.
        """
        entries = {row["name"]: row["value"] for row in session.select("ledger_all", self._in, **self._plan)}
        text = "".join(value for name, value in sorted(entries.items()) if name.startswith(_PART))
        try:
            state = State.model_validate_json(text) if text else State()
        except ValueError as error:
            # Another release wrote it. A new state reports the present conditions once more, and loses nothing.
            log.warning("The state of the last survey cannot be read and is recreated: %s", error)
            state = State()
        return Copy(state, entries)

    def replace(self, session: Statements, copy: Copy, state: State) -> bool:
        """Replace the copy that was read by a new state, in a transaction of the caller.

        :returns: False when another survey has replaced it in the meantime; the caller must not commit then.
        """
        wanted = {_LOOK: f"{state.number} {state.at:.3f}", **parts(state)}
        # This entry first: its row stays locked until the transaction ends, so a second survey waits and then finds
        # that it has changed.
        for name, value in wanted.items():
            old = copy.entries.get(name)
            if old == value:
                continue
            if old is not None:
                changed = session.execute(
                    "ledger_replace", self._in, **self._plan, entry=name, value=value, expected=old
                )
                if changed != 1:
                    return False
                continue
            try:
                session.execute("ledger_put", self._in, **self._plan, entry=name, value=value)
            except Exception as error:
                if code_of(error) == _DUPLICATE:
                    return False
                raise
        for name in copy.entries.keys() - wanted.keys():
            session.execute("ledger_forget", self._in, **self._plan, entry=name)
        copy.entries = wanted
        copy.state = state
        return True


def is_no_table(error: Exception) -> bool:
    """The error says that the ledger's table does not exist yet."""
    return code_of(error) == _NO_TABLE
