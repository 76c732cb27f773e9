"""The source at rest: nobody has written to its Info Mart since the tables were compared.

A server that ran for seconds and is stopped again leaves no process and no session. It has moved high-water marks and
has taken values from sequences.
"""

from __future__ import annotations

import hashlib

from infomart_dr.guards.sequences import sequences_of
from infomart_dr.plan import facts
from infomart_dr.plan.step import Step
from infomart_dr.values import JsonObject

#: Bytes of the marks that a fact can hold beside the rest; more become a digest.
_MARKS = 3000


def at_rest(step: Step) -> JsonObject:
    """High-water marks of the source, and a digest of its sequences' last numbers."""
    rows = step.at("source").info_mart.select("hwm", {"schema": step.schema})
    marks = {f"{row['data_source_key']} {row['table_name']}": int(row["max_ts"] or 0) for row in rows}
    last = sorted((name, sequence.last) for name, sequence in sequences_of(step, "source").items())
    found: JsonObject = {"marks": marks, "sequences": _digest(last)}
    if len(str(marks)) > _MARKS:
        found["marks"] = {"all": _digest(sorted(marks.items()))}
    return found


def moved_since(step: Step) -> str | None:
    """The traces of a writer at the source since the tables were compared; None: there is none.

    :raises GuardError: the tables are not compared since the final stop.
    """
    before, now = step.ledger.require(facts.SOURCE_AT_REST), at_rest(step)
    moved = sorted(
        name for name in {*before["marks"], *now["marks"]} if before["marks"].get(name) != now["marks"].get(name)
    )
    found = [f"the high-water mark of data source {name}" for name in moved[:4]]
    if len(moved) > 4:
        found.append(f"{len(moved) - 4} more marks")
    if before["sequences"] != now["sequences"]:
        found.append("a sequence has given out values")
    return ", ".join(found) or None


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]
