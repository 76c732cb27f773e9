"""The state between two looks, in GoldenGate's schema: it outlives an Airflow, and two Airflows see the same.

It stands in the ledger's table, under a plan id that no run can have, at each site that is looked at. The newest copy
counts. A look replaces the copy that it has read and no other; whoever comes second has told nothing.
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

#: Plan id of the deployment's own state of watching; no run id can be this one.
WATCH = "(watch)"
#: Entry whose value changes with each look, and the prefix of those that hold the state.
_LOOK, _PART = "look", "state "
_DUPLICATE, _NO_TABLE = "ORA-00001", "ORA-00942"


class Statements(Protocol):
    """The part of an Oracle session that is needed here."""

    def select(self, name: str, identifiers: Any = None, **binds: Any) -> list[dict[str, Any]]: ...
    def execute(self, name: str, identifiers: Any = None, **binds: Any) -> int: ...


@dataclass
class Copy:
    """The state as one site holds it.

    :param entries: the rows it was read from; empty: the site holds none.
    """

    state: State
    entries: dict[str, str] = field(default_factory=dict)


def parts(state: State) -> dict[str, str]:
    """Entries that hold a state."""
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

        :raises InfoMartError: the table cannot be read; :func:`is_no_table` tells whether it is only missing.
        """
        entries = {row["name"]: row["value"] for row in session.select("ledger_all", self._in, **self._plan)}
        text = "".join(value for name, value in sorted(entries.items()) if name.startswith(_PART))
        try:
            state = State.model_validate_json(text) if text else State()
        except ValueError as error:
            # An older or newer release wrote it: a new beginning tells what stands once more, and loses nothing.
            log.warning("The state of the last look is not understood and is made anew: %s", error)
            state = State()
        return Copy(state, entries)

    def replace(self, session: Statements, copy: Copy, state: State) -> bool:
        """Put a state in the place of the copy that was read; in a transaction of the caller.

        :returns: False when somebody else has replaced it meanwhile; nothing may be committed then.
        """
        wanted = {_LOOK: f"{state.number} {state.at:.3f}", **parts(state)}
        # The look first: its row is locked until the end of the transaction, and a second one waits and finds it gone.
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
    """Whether an error says that the ledger's table does not exist yet."""
    return code_of(error) == _NO_TABLE
