"""The data dictionary of a site: tables, indexes, constraints, code, and the differences between two sites."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from infomart_dr.evidence.manifest import Dictionary, code_from_rows, dictionary_from_rows
from infomart_dr.hooks.goldengate_parameters import is_excluded, version
from infomart_dr.plan.step import Step
from infomart_dr.statements import rebuild_index
from infomart_dr.text import sorted_names
from infomart_dr.topology import BOTH_ROLES, SiteRole
from infomart_dr.values import Row


def table_exists(step: Step, role: SiteRole, schema: str, table: str) -> bool:
    """The table exists in the site's database."""
    found = step.at(role).goldengate_database.value("table_exists", owner=schema, table_name=table)
    return bool(int(found or 0))


def replicated_names(step: Step, role: SiteRole) -> list[str]:
    """Names of the tables of a site that are replicated."""
    release = step.topology.info_mart.release
    return [
        str(row["table_name"])
        for row in step.at(role).dba.select("tables", owner=step.schema)
        if row["temporary"] != "Y" and not is_excluded(release, str(row["table_name"]))
    ]


def dictionary_of(step: Step, role: SiteRole) -> Dictionary:
    """Indexes, constraints, triggers and sequences of the Info Mart's schema at a site."""
    dba = step.at(role).dba
    rows: dict[str, Any] = {
        name: dba.select(name, owner=step.schema)
        for name in (
            "indexes",
            "index_columns",
            "index_expressions",
            "constraints",
            "constraint_columns",
            "triggers",
            "sequences",
        )
    }
    release = version(step.at(role).settings.database.release)
    if release >= (12, 2):
        rows["identity_columns"] = dba.select("identity_columns", owner=step.schema)
    elif release >= (12,):
        rows["identity_columns"] = dba.select("identity_columns_12_1", owner=step.schema)
    return dictionary_from_rows(**rows)


def code_of(step: Step, role: SiteRole) -> dict[str, str]:
    """Hashes of views, packages, procedures, functions, types, synonyms and triggers, by ``TYPE NAME``."""
    dba = step.at(role).dba
    return code_from_rows(
        **{
            name: dba.select(name, owner=step.schema)
            for name in ("views", "materialized_views", "units", "synonyms", "triggers")
        }
    )


def invalid_objects(step: Step, role: SiteRole) -> set[str]:
    """Invalid objects of the schema as ``TYPE NAME``."""
    rows = step.at(role).dba.select("invalid_objects", owner=step.schema)
    return {f"{row['object_type']} {row['object_name']}" for row in rows}


def recompile(step: Step, role: SiteRole) -> None:
    """Recompile invalid objects: dropping a table invalidates those that depend on it, until their next use."""
    step.at(role).info_mart.execute("compile_schema", owner=step.schema)


# -- indexes that cannot be used -------------------------------------------------------------------


class Unusable(NamedTuple):
    """An index, or a partition of one, that is UNUSABLE.

    :param statement: the statement that rebuilds it.
    """

    name: str
    table: str
    statement: str


def unusable_indexes(step: Step, role: SiteRole) -> list[Unusable]:
    """Indexes and partitions of indexes that are UNUSABLE at a site."""
    dba = step.at(role).dba
    found = [
        Unusable(row["index_name"], row["table_name"], rebuild_index(row["owner"], row["index_name"]))
        for row in dba.select("indexes", owner=step.schema)
        if row["status"] == "UNUSABLE"
    ]
    for row in dba.select("unusable_partitions", owner=step.schema):
        part = (row["kind"], row["partition_name"])
        found.append(
            Unusable(row["index_name"], row["table_name"], rebuild_index(row["owner"], row["index_name"], part))
        )
    return found


# -- differences -----------------------------------------------------------------------------------


class Difference(NamedTuple):
    """A difference of a target from its source.

    :param table: the table whose difference it is; empty: of none.
    """

    what: str
    table: str = ""


def dictionary_differences(wanted: Dictionary, found: Dictionary) -> list[Difference]:
    """Constraints, triggers, sequences, identity columns and code that are missing or different.

    Objects with a generated name are compared by their definition.
    """
    there = {constraint.shape for constraint in found.constraints}
    differences = [
        Difference(f"constraint {c.name} on {c.table} ({c.type}, {c.status}) is missing or differs", c.table)
        for c in wanted.constraints
        if c.shape not in there
    ]
    triggers = {(trigger.name, trigger.table, trigger.status) for trigger in found.triggers}
    differences += [
        Difference(f"trigger {t.name} ({t.status}) is missing or differs", t.table or "")
        for t in wanted.triggers
        if (t.name, t.table, t.status) not in triggers
    ]
    differences += [
        Difference(f"sequence {name} is missing") for name in sorted(set(wanted.sequences) - set(found.sequences))
    ]
    for name, options in sorted(wanted.sequence_options.items()):
        other = found.sequence_options.get(name)
        # GoldenGate takes the cache away while it sets a sequence, so a difference of the cache alone is a note.
        if other is not None and _without_cache(other) != _without_cache(options):
            differences.append(Difference(f"sequence {name} has {other}, at the source {options}"))
    differences += [
        Difference(f"identity column {name} is missing", name.partition(".")[0])
        for name in sorted(set(wanted.identities) - set(found.identities))
    ]
    return differences + code_differences(wanted.code, found.code)


def code_differences(wanted: dict[str, str], found: dict[str, str]) -> list[Difference]:
    """Views, packages and other code that is missing, or whose text differs."""
    return [
        Difference(f"{name} {'is missing' if name not in found else 'has another text'}")
        for name, text in sorted(wanted.items())
        if found.get(name) != text
    ]


def schema_differences(step: Step) -> list[str]:
    """Differences of the target's schema from the source's, over all tables: each server fills all of its own."""
    tables, columns = {}, {}
    for role in BOTH_ROLES:
        dba = step.at(role).dba
        tables[role] = {str(row["table_name"]) for row in dba.select("tables", owner=step.schema)}
        columns[role] = {
            (str(row["table_name"]), str(row["column_name"]), _definition(row))
            for row in dba.select("columns", owner=step.schema)
            if row["table_name"] in tables[role]
        }
    found = [f"table {name} is missing" for name in sorted(tables["source"] - tables["target"])]
    found += [f"table {name} is at the target only" for name in sorted(tables["target"] - tables["source"])]
    both = tables["source"] & tables["target"]
    found += [
        f"column {table}.{column} ({kind}) is missing or differs"
        for table, column, kind in sorted(columns["source"] - columns["target"])
        if table in both
    ]
    found += [
        f"column {table}.{column} ({kind}) is at the target only, or differs"
        for table, column, kind in sorted(columns["target"] - columns["source"])
        if table in both
    ]
    source, target = dictionary_of(step, "source"), dictionary_of(step, "target")
    differences = [*dictionary_differences(source, target), *index_differences(source, target)]
    return found + [each.what for each in differences if not each.table or each.table in both]


def _definition(column: Row) -> str:
    """Type of a column as in a CREATE TABLE."""
    size = column["data_length"] if "CHAR" in str(column["data_type"]) else column["data_precision"]
    scale = f",{column['data_scale']}" if column["data_scale"] else ""
    null = "" if column["nullable"] == "Y" else " not null"
    return f"{column['data_type']}{f'({size}{scale})' if size is not None else ''}{null}"


def index_differences(wanted: Dictionary, found: Dictionary) -> list[Difference]:
    """Indexes without an equal one: same table, columns, type and locality."""
    shapes = {index.shape for index in found.indexes}
    return [
        Difference(f"index {index.name} on {index.table} is missing or differs", index.table)
        for index in wanted.indexes
        if index.shape not in shapes
    ]


def notes(
    wanted: Dictionary, found: Dictionary, wanted_invalid: Collection[str], found_invalid: Collection[str]
) -> list[str]:
    """Differences that stop nothing, and must be reported."""
    said = []
    if extra := set(found.code) - set(wanted.code):
        said.append(f"only at the target: {sorted_names(list(extra))}")
    caches = [
        name
        for name, options in wanted.sequence_options.items()
        if name in found.sequence_options
        and found.sequence_options[name] != options
        and _without_cache(found.sequence_options[name]) == _without_cache(options)
    ]
    if caches:
        said.append(f"another CACHE than at the source: {sorted_names(caches)}")
    if both := set(wanted_invalid) & set(found_invalid):
        said.append(f"invalid at both sites: {sorted_names(list(both))}")
    return said


def _without_cache(options: str) -> str:
    before, _, after = options.partition(" cache ")
    return f"{before} {after.partition(' ')[2]}"


@dataclass(frozen=True)
class Parity:
    """The target's dictionary compared with the source's.

    :param differences: properties that must be equal and differ.
    :param invalid: objects that are invalid at the target only; a recompilation may make them valid.
    :param notes: differences that stop nothing.
    :param indexes: number of indexes of the target.
    """

    differences: list[str]
    invalid: list[str]
    notes: list[str]
    indexes: int

    @property
    def faults(self) -> list[str]:
        """The differences and the invalid objects."""
        return [*self.differences, *(f"{name} is invalid" for name in self.invalid)]

    def remarks(self) -> str:
        """The notes as the end of a sentence."""
        return "".join(f"; {note}" for note in self.notes)


def parity(step: Step) -> Parity:
    """Compare the dictionaries of both sites. Tables that are excluded from replication are a note."""
    source, target = (dictionary_of(step, role).model_copy(update={"code": code_of(step, role)}) for role in BOTH_ROLES)
    release = step.topology.info_mart.release
    found = [
        *dictionary_differences(source, target),
        *index_differences(source, target),
        *(
            Difference(f"{each.name} is UNUSABLE ({each.statement})", each.table)
            for each in unusable_indexes(step, "target")
        ),
    ]
    differences, excluded = [], set()
    for difference in found:
        if difference.table and is_excluded(release, difference.table):
            excluded.add(difference.table)
        else:
            differences.append(difference.what)
    invalid = {role: invalid_objects(step, role) for role in BOTH_ROLES}
    said = notes(source, target, invalid["source"], invalid["target"])
    if excluded:
        said.append(f"differences on tables that are not replicated: {sorted_names(list(excluded))}")
    return Parity(differences, sorted(invalid["target"] - invalid["source"]), said, len(target.indexes))
