"""Sequences of both sites, and the keys that they have given out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from infomart_dr.evidence.manifest import Dictionary
from infomart_dr.guards.dictionary import dictionary_of
from infomart_dr.hooks.goldengate_parameters import is_excluded
from infomart_dr.plan.step import Step
from infomart_dr.topology import SiteRole


@dataclass(frozen=True)
class Sequence:
    """A sequence as DBA_SEQUENCES shows it.

    :param last: LAST_NUMBER: the next value that is not cached in memory.
    """

    name: str
    last: int
    increment: int = 1
    cache: int = 0
    cycles: bool = False

    @property
    def sign(self) -> int:
        """-1 of a descending sequence."""
        return 1 if self.increment > 0 else -1

    @property
    def lowest_next(self) -> int:
        """The value that NEXTVAL gives at worst: the block in memory lies before LAST_NUMBER."""
        return self.last - self.cache * self.increment

    def next(self, *, flushed: bool) -> int:
        """The next value.

        :param flushed: nothing is cached in memory, so that LAST_NUMBER is the next value.
        """
        return self.last if flushed else self.lowest_next


def sequences_of(step: Step, role: SiteRole) -> dict[str, Sequence]:
    """The sequences of the Info Mart's schema at a site, without those of identity columns."""
    return {
        row["sequence_name"]: Sequence(
            row["sequence_name"],
            int(row["last_number"]),
            int(row.get("increment_by") or 1),
            int(row.get("cache_size") or 0),
            row.get("cycle_flag") == "Y",
        )
        for row in step.at(role).dba.select("sequences", owner=step.schema)
    }


def outermost_key(step: Step, sequence: Sequence, key: str) -> int | None:
    """The highest key in use, of a descending sequence the lowest; None: the table is empty.

    :param key: TABLE.COLUMN.
    """
    table, column = key.split(".")
    names = {"schema": step.schema, "table": table, "column": column}
    value = step.at("target").long_queries.value("highest_key" if sequence.sign > 0 else "lowest_key", names)
    return None if value is None else int(value)


@dataclass(frozen=True)
class SequenceProof:
    """The target's sequences, compared with the source's and with the keys in use.

    :param low: sequences whose next value is used already.
    :param compared: number compared with the source.
    :param keyed: number compared with keys.
    :param cycling: sequences whose values repeat by design.
    """

    missing: list[str] = field(default_factory=list)
    low: list[str] = field(default_factory=list)
    compared: int = 0
    keyed: int = 0
    cycling: list[str] = field(default_factory=list)

    def text(self) -> str:
        """The comparison in words."""
        cycling = f"; {len(self.cycling)} with CYCLE are not judged" if self.cycling else ""
        return f"{self.compared} compared with the source, {self.keyed} with the keys in use{cycling}"


def sequence_proof(step: Step, *, flushed: bool) -> SequenceProof:
    """Compare the target's sequences and identity columns with the source's, and with the keys in use.

    :param flushed: nothing is cached in the target's memory.
    """
    source, target = sequences_of(step, "source"), sequences_of(step, "target")
    here, there = step.at("target").name, step.at("source").name
    missing, low, cycling = [], [], []
    compared = keyed = 0
    for name, wanted in sorted(source.items()):
        found = target.get(name)
        if found is None:
            missing.append(f"{name}: missing at {here}, {wanted.last} at {there}")
        elif wanted.cycles:
            cycling.append(name)
        else:
            compared += 1
            if found.next(flushed=flushed) * wanted.sign < wanted.last * wanted.sign:
                low.append(f"{name}: {found.next(flushed=flushed)} at {here}, {wanted.last} at {there}")
    for name, key in sorted(step.topology.info_mart.sequence_keys.items()):
        found = target.get(name)
        if found is None:
            missing.append(f"{name} (for {key}) is missing")
        elif not found.cycles:
            keyed += 1
            outermost = outermost_key(step, found, key)
            following = found.next(flushed=flushed)
            if outermost is not None and following * found.sign <= outermost * found.sign:
                low.append(
                    f"{name} is {following}, the {'highest' if found.sign > 0 else 'lowest'} {key} is {outermost}"
                )
    dictionaries = [dictionary_of(step, "source").identities, dictionary_of(step, "target").identities]
    release = step.topology.info_mart.release
    for column, value in sorted(dictionaries[0].items()):
        if is_excluded(release, column.partition(".")[0]):
            continue
        other = dictionaries[1].get(column)
        compared += other is not None
        if other is None:
            missing.append(f"identity column {column}: missing at {here}")
        elif other < value:
            low.append(
                f"identity column {column}: {other} at {here}, {value} at {there} "
                f"(ALTER TABLE {column.partition('.')[0]} MODIFY {column.partition('.')[2]} GENERATED BY DEFAULT AS "
                "IDENTITY (START WITH LIMIT VALUE))"
            )
    return SequenceProof(missing, low, compared, keyed, cycling)


# -- a proposal for info_mart.sequence_keys ---------------------------------------------------------

#: Parts of a sequence's name that say only that it is one.
_WORDS = re.compile(r"^(SEQ|SQ|S)_|_(SEQ|SQ|S|ID|KEY)$")


def _core(name: str) -> str:
    """A name without the words that only say what it is."""
    while (shorter := _WORDS.sub("", name.rstrip("_"))) != name:
        name = shorter
    return name


def proposed_keys(dictionary: Dictionary, numbers: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Pairs of sequence and key column, by their names.

    :param numbers: columns of type NUMBER by table.
    """
    keys: dict[str, list[str]] = {}
    for constraint in dictionary.constraints:
        if constraint.type == "P":
            known = set(numbers.get(constraint.table, ()))
            keys[constraint.table] = [column for column in constraint.columns if column in known]
    found = {}
    for name in sorted(dictionary.sequences):
        core = _core(name)
        by_table = [(table, columns) for table, columns in keys.items() if _core(table) == core]
        candidates = [
            f"{table}.{column}"
            for table, columns in by_table
            for column in columns
            if len(columns) == 1 or (column.endswith(("_ID", "_KEY")) and "DATE" not in column)
        ]
        if not candidates:
            candidates = [
                f"{t}.{c}" for t, columns in keys.items() for c in columns if _core(c) == core and len(columns) == 1
            ]
        if len(candidates) == 1:
            found[name] = candidates[0]
    return found


def sequence_keys_proposal(step: Step, role: SiteRole) -> dict[str, str]:
    """Pairs for ``info_mart.sequence_keys``, read from the dictionary of a site.

    A table that is not replicated proves nothing: its keys at the target are those of the copy.
    """
    release = step.topology.info_mart.release
    numbers: dict[str, list[str]] = {}
    for row in step.at(role).dba.select("columns", owner=step.schema):
        if row["data_type"] == "NUMBER" and not is_excluded(release, row["table_name"]):
            numbers.setdefault(row["table_name"], []).append(row["column_name"])
    return proposed_keys(dictionary_of(step, role), numbers)
