"""Proofs before a site becomes active: sequences, parity of the dictionary, equality of the tables."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from infomart_dr.errors import GuardError
from infomart_dr.operators.base import CheckOperator, StepOperator, sorted_names
from infomart_dr.plan.step import Seen, SiteRole, Step

if TYPE_CHECKING:
    from infomart_dr.evidence.manifest import Dictionary

#: Seconds for the comparison of one table; a large one takes minutes.
COMPARE_TIMEOUT = 3600.0
_ROLES: tuple[SiteRole, SiteRole] = ("source", "target")


def dictionary_differences(wanted: Dictionary, found: Dictionary) -> list[str]:
    """Constraints, triggers and sequences of one dictionary that another lacks or has otherwise.

    Objects whose name the database chose are compared by what they do.
    """
    differences = []

    def shape(constraint: Any) -> tuple[str, ...]:
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
    """Sequences that the target lacks, and those that lie below the source's or the highest key in use."""
    last = {
        role: {
            row["sequence_name"]: int(row["last_number"])
            for row in step.dba(role).select("sequences", owner=step.schema)
        }
        for role in _ROLES
    }
    source, target = last["source"], last["target"]
    missing = [
        f"{name}: missing at {step.name('target')}, {value} at {step.name('source')}"
        for name, value in sorted(source.items())
        if name not in target
    ]
    low = [
        f"{name}: {target[name]} at {step.name('target')}, {value} at {step.name('source')}"
        for name, value in sorted(source.items())
        if name in target and target[name] < value
    ]
    for name, key in sorted(step.topology.info_mart.sequence_keys.items()):
        table, column = key.split(".")
        highest = step.info_mart("target").value(
            "highest_key", {"schema": step.schema, "table": table, "column": column}
        )
        if name not in target:
            missing.append(f"{name} of {key} is missing")
        elif highest is not None and target[name] <= int(highest):
            low.append(f"{name} is {target[name]}, {key} goes up to {highest}")
    return missing, low


class ProveSequences(CheckOperator):
    """Prove that every sequence of the target lies above the highest key in use and not below the source's."""

    guide = "rule 5; sequence values come with the import"

    def observe(self, step: Step) -> Seen:
        missing, low = sequence_faults(step)
        if wrong := missing + low:
            return Seen(False, f"sequences are too low: {'; '.join(wrong[:8])}")
        count = len(step.dba("target").select("sequences", owner=step.schema))
        return Seen(True, f"{count} sequences lie above every key in use", {"sequences": count})

    def next_step(self) -> str:
        return "Raise the named sequences at the target (ALTER SEQUENCE ... RESTART), then clear this task."


def parity_faults(step: Step) -> tuple[list[str], int]:
    """How the target's dictionary differs from the source's, and the number of indexes compared."""
    from infomart_dr.operators.dump_set import dictionary_of, invalid_objects

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


class ProveParity(CheckOperator):
    """Prove that indexes, constraints, triggers and invalid objects are the same at both sites."""

    guide = "rule 5"

    def observe(self, step: Step) -> Seen:
        differences, indexes = parity_faults(step)
        if differences:
            return Seen(False, f"the sites differ: {'; '.join(differences[:8])}")
        return Seen(True, f"{indexes} indexes and all constraints and triggers are equal")

    def next_step(self) -> str:
        return "Create what is missing at the target; then clear this task."


class CompareTables(StepOperator):
    """Compare every replicated table of both sites by number of rows and sum of row hashes, writers stopped."""

    guide = "Make sure the databases are completely in sync (guide:1113)"
    changes = "a row in the plan's ledger"
    in_report = True

    def observe(self, step: Step) -> Seen:
        if step.ledger.get("tables_compared") and step.ledger.get("final_stop"):
            return Seen(True, f"tables are compared since the final stop: {step.ledger.get('tables_compared')}")
        return Seen(False, "tables are not compared since the final stop")

    def act(self, step: Step, seen: Seen) -> None:
        step.ledger.require("final_stop")
        step.ledger.require("noted_scn")
        tables = replicated_tables(step)
        with ThreadPoolExecutor(2) as pool:
            sides = {role: pool.submit(fingerprints, step, role, tables[role]) for role in ("source", "target")}
            source, target = sides["source"].result(), sides["target"].result()
        differing = [
            f"{table}: {source.get(table)} at {step.name('source')}, {target.get(table)} at {step.name('target')}"
            for table in sorted(set(source) | set(target))
            if source.get(table) != target.get(table)
        ]
        if differing:
            raise GuardError(
                f"{len(differing)} of {len(source)} tables differ (rows, hash): {'; '.join(differing[:8])}.",
                "Look whether something else writes; the service returns to the source.",
            )
        rows = sum(count for count, _ in source.values())
        step.ledger.put_once("tables_compared", f"{len(source)} tables, {rows} rows at {int(time.time())}")


def replicated_tables(step: Step) -> dict[SiteRole, dict[str, list[tuple[str, str]]]]:
    """Columns by table of the replicated tables at each site."""
    from infomart_dr.hooks.goldengate_parameters import is_excluded

    roles: tuple[SiteRole, SiteRole] = ("source", "target")
    release = step.topology.info_mart.release
    found: dict[SiteRole, dict[str, list[tuple[str, str]]]] = {}
    for role in roles:
        dba = step.dba(role)
        tables: dict[str, list[tuple[str, str]]] = {
            row["table_name"]: []
            for row in dba.select("tables", owner=step.schema)
            if row["temporary"] != "Y" and not is_excluded(release, row["table_name"])
        }
        for row in dba.select("columns", owner=step.schema):
            if row["table_name"] in tables:
                tables[row["table_name"]].append((row["column_name"], row["data_type"]))
        found[role] = tables
    missing = set(found["source"]) ^ set(found["target"])
    if missing:
        raise GuardError(
            f"Tables exist at one site only: {sorted_names(list(missing))}.",
            "Create them, or add them to the release's exclusion list.",
        )
    return found


def fingerprints(step: Step, role: SiteRole, tables: dict[str, list[tuple[str, str]]]) -> dict[str, tuple[int, int]]:
    """Rows and sum of row hashes by table of one site."""
    from infomart_dr.hooks.oracle import InfoMartOracleHook
    from infomart_dr.statements import row_hash

    hook = InfoMartOracleHook(
        step.site(role).database.info_mart_connection,
        connect_timeout=step.topology.timeouts.connect,
        statement_timeout=COMPARE_TIMEOUT,
    )
    found = {}
    for table, columns in sorted(tables.items()):
        statement = row_hash(step.schema, table, sorted(columns))
        row = hook.select_text(statement.sql, f"row_hash of {table}")[0]
        found[table] = (int(row["row_count"]), int(row["row_hash"]))
    return found
