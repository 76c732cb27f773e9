"""High-water marks (CTL_EXTRACT_HWM) as values: lowest by data source, and compared with a moment."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from infomart_dr.times import span

#: Tables of calls, under their names in the different releases.
_CALL_TABLE = re.compile(r"^(GIDB_)?G_CALL(_V|_MM)?$")


@dataclass
class Marks:
    """High-water marks of a site compared with a moment.

    :param moved: data sources whose marks are past it.
    :param idle: data sources whose marks are before it, and whose IDBs hold no call beyond the mark.
    :param lost: data sources whose site is lost: their marks no longer move.
    :param unknown: data sources without calls whose marks are before it: they may be idle or not.
    :param behind: the others, with their distance from it.
    """

    moved: list[str] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Every mark that must move has."""
        return not self.behind and bool(self.moved or self.idle or self.lost)

    def others(self) -> str:
        """The sources that did not move and need not, for a message."""
        kinds = {"idle": self.idle, "lost": self.lost, "without calls, not judged": self.unknown}
        shown = [f"{word}: {', '.join(keys)}" for word, keys in kinds.items() if keys]
        return "".join(f"; {each}" for each in shown)


def lowest(rows: Iterable[Mapping[str, Any]]) -> dict[int, int]:
    """The lowest mark of each data source, from rows of the statement ``hwm``; tables without a mark do not count."""
    found: dict[int, int] = {}
    for row in rows:
        if row["max_ts"] is None:
            continue
        key, mark = int(row["data_source_key"]), int(row["max_ts"])
        found[key] = min(found.get(key, mark), mark)
    return found


def is_of_calls(row: Mapping[str, Any]) -> bool:
    """The row of the statement ``hwm`` is about calls."""
    return _CALL_TABLE.match(str(row["table_name"]).upper()) is not None


def with_calls(rows: Iterable[Mapping[str, Any]]) -> set[int]:
    """Data sources that have calls, so that G_CALL shows the data waiting in an IDB.

    G_CALL in the IDB of a Configuration Server or OCS is always empty, even if data waits there.
    """
    return {int(row["data_source_key"]) for row in rows if is_of_calls(row)}


def against(
    found: Mapping[int, int],
    since: int,
    lost: Collection[int],
    counted: Collection[int],
    idle: Callable[[int, int], bool],
) -> Marks:
    """Compare marks with a moment.

    :param found: lowest mark by data source.
    :param since: epoch seconds.
    :param lost: data sources whose site is lost.
    :param counted: data sources with calls.
    :param idle: true when no IDB of a data source holds a call beyond its mark; called only where needed.
    """
    marks = Marks()
    for key, mark in sorted(found.items()):
        if mark > since:
            marks.moved.append(str(key))
        elif key in lost:
            marks.lost.append(str(key))
        elif key not in counted:
            marks.unknown.append(str(key))
        elif idle(key, mark):
            marks.idle.append(str(key))
        else:
            marks.behind.append(f"data source {key}: {span(since - mark)} behind")
    return marks
