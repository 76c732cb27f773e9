"""Proofs before a site becomes active: sequences, parity of the dictionary, equality of the tables."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from infomart_dr.errors import GuardError
from infomart_dr.guards.comparison import fingerprints, replicated_tables
from infomart_dr.guards.dictionary import parity_faults, sequence_faults
from infomart_dr.operators.base import CheckOperator, StepOperator
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation, Step
from infomart_dr.times import shown
from infomart_dr.topology import BOTH_ROLES


class ProveSequences(CheckOperator):
    """Prove that every sequence of the target lies above the highest key in use and not below the source's."""

    guide = "not in the guide; sequence values come with the import"

    def observe(self, step: Step) -> Observation:
        missing, low = sequence_faults(step)
        if wrong := missing + low:
            return Observation(False, f"sequences are too low: {'; '.join(wrong[:8])}")
        count = len(step.at("target").dba.select("sequences", owner=step.schema))
        return Observation(True, f"{count} sequences lie above every key in use", {"sequences": count})

    def next_step(self) -> str:
        return "Raise the named sequences at the target (ALTER SEQUENCE ... RESTART), then clear this task."


class ProveParity(CheckOperator):
    """Prove that indexes, constraints, triggers and invalid objects are the same at both sites."""

    guide = "not in the guide"

    def observe(self, step: Step) -> Observation:
        differences, indexes = parity_faults(step)
        if differences:
            return Observation(False, f"the sites differ: {'; '.join(differences[:8])}")
        return Observation(True, f"{indexes} indexes and all constraints and triggers are equal")

    def next_step(self) -> str:
        return "Create the missing objects at the target, then clear this task."


class CompareTables(StepOperator):
    """Compare every replicated table of both sites by row count and sum of row hashes, with the writers stopped."""

    guide = "Make sure the databases are completely in sync (guide:1113)"
    changes = "a row in the plan's ledger"
    in_report = True

    def observe(self, step: Step) -> Observation:
        compared = step.ledger.get(facts.TABLES_COMPARED)
        if compared and step.ledger.has(facts.FINAL_STOP):
            return Observation(True, f"tables are compared since the final stop: {compared}")
        return Observation(False, "tables are not compared since the final stop")

    def act(self, step: Step, seen: Observation) -> None:
        step.ledger.require(facts.FINAL_STOP)
        step.ledger.require(facts.NOTED_SCN)
        tables = replicated_tables(step)
        with ThreadPoolExecutor(2) as pool:
            sides = {role: pool.submit(fingerprints, step, role, tables[role]) for role in BOTH_ROLES}
            source, target = sides["source"].result(), sides["target"].result()
        differing = [
            f"{table}: {source.get(table)} at {step.at('source').name}, {target.get(table)} at {step.at('target').name}"
            for table in sorted(set(source) | set(target))
            if source.get(table) != target.get(table)
        ]
        if differing:
            raise GuardError(
                f"{len(differing)} of {len(source)} tables differ (rows, hash): {'; '.join(differing[:8])}.",
                "Find out whether another program writes to these tables. The service returns to the source.",
            )
        rows = sum(count for count, _ in source.values())
        step.ledger.put_once(facts.TABLES_COMPARED, f"{len(source)} tables, {rows} rows at {shown(time.time())}")
