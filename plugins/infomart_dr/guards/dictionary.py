"""The data dictionary of a site: tables, indexes, constraints, sequences, and the differences between two sites."""

from __future__ import annotations

from infomart_dr.evidence.manifest import Constraint, Dictionary, dictionary_from_rows
from infomart_dr.hooks.goldengate_parameters import is_excluded
from infomart_dr.plan.step import Step
from infomart_dr.topology import BOTH_ROLES, SiteRole


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


def dictionary_of(step: Step, role: SiteRole, row_counts: dict[str, int] | None = None) -> Dictionary:
    """The Info Mart's schema at a site, as the manifest writes it."""
    dba = step.at(role).dba
    rows = {
        name: dba.select(name, owner=step.schema)
        for name in (
            "indexes",
            "index_columns",
            "constraints",
            "constraint_columns",
            "triggers",
            "sequences",
        )
    }
    return dictionary_from_rows(**rows, row_counts=row_counts)


def invalid_objects(step: Step, role: SiteRole) -> set[str]:
    """Invalid objects of the schema as ``TYPE NAME``."""
    rows = step.at(role).dba.select("invalid_objects", owner=step.schema)
    return {f"{row['object_type']} {row['object_name']}" for row in rows}


def dictionary_differences(wanted: Dictionary, found: Dictionary) -> list[str]:
    """Constraints, triggers and sequences of one dictionary that are missing or different in another.

    Objects with a generated name are compared by their definition.
    """
    differences = []

    def shape(constraint: Constraint) -> tuple[str, ...]:
        name = "" if constraint.generated else constraint.name
        return (name, constraint.table, constraint.type, ",".join(constraint.columns), constraint.status)

    there = {shape(constraint) for constraint in found.constraints}
    differences += [
        f"constraint {c.name} on {c.table} ({c.type}, {c.status}) is missing or differs"
        for c in wanted.constraints
        if shape(c) not in there
    ]
    triggers = {(trigger.name, trigger.table, trigger.status) for trigger in found.triggers}
    differences += [
        f"trigger {t.name} ({t.status}) is missing or differs"
        for t in wanted.triggers
        if (t.name, t.table, t.status) not in triggers
    ]
    differences += [f"sequence {name} is missing" for name in sorted(set(wanted.sequences) - set(found.sequences))]
    return differences


def sequence_faults(step: Step) -> tuple[list[str], list[str]]:
    """Sequences that the target lacks, and those that are lower than the source's or than the highest key in use."""
    last = {
        role: {
            row["sequence_name"]: int(row["last_number"])
            for row in step.at(role).dba.select("sequences", owner=step.schema)
        }
        for role in BOTH_ROLES
    }
    source, target = last["source"], last["target"]
    missing = [
        f"{name}: missing at {step.at('target').name}, {value} at {step.at('source').name}"
        for name, value in sorted(source.items())
        if name not in target
    ]
    low = [
        f"{name}: {target[name]} at {step.at('target').name}, {value} at {step.at('source').name}"
        for name, value in sorted(source.items())
        if name in target and target[name] < value
    ]
    for name, key in sorted(step.topology.info_mart.sequence_keys.items()):
        table, column = key.split(".")
        highest = step.at("target").info_mart.value(
            "highest_key", {"schema": step.schema, "table": table, "column": column}
        )
        if name not in target:
            missing.append(f"{name} (for {key}) is missing")
        elif highest is not None and target[name] <= int(highest):
            low.append(f"{name} is {target[name]}, the highest {key} is {highest}")
    return missing, low


def parity_faults(step: Step) -> tuple[list[str], int]:
    """Differences of the target's dictionary from the source's, and the number of indexes compared."""
    source, target = dictionary_of(step, "source"), dictionary_of(step, "target")
    differences = dictionary_differences(source, target)
    shapes = {(index.table, index.unique, tuple(index.columns)) for index in target.indexes}
    differences += [
        f"index {index.name} on {index.table} is missing"
        for index in source.indexes
        if (index.table, index.unique, tuple(index.columns)) not in shapes
    ]
    invalid = invalid_objects(step, "target") - invalid_objects(step, "source")
    differences += [f"{name} is invalid" for name in sorted(invalid)]
    return differences, len(target.indexes)
