"""Proofs before a site becomes active: sequences, parity of the dictionary, equality of the tables."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from infomart_dr.errors import GuardError
from infomart_dr.guards.comparison import fingerprints, replicated_tables, same_character_set
from infomart_dr.guards.dictionary import parity, recompile
from infomart_dr.guards.rest import at_rest
from infomart_dr.guards.sequences import sequence_proof, sequences_of
from infomart_dr.operators.base import StepOperator
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation, Step
from infomart_dr.statements import sequence_options
from infomart_dr.text import cut
from infomart_dr.times import shown
from infomart_dr.topology import BOTH_ROLES


class ProveSequences(StepOperator):
    """Prove that no sequence of the target repeats a value: none of the source's, and no key in use.

    Values taken at the target lie in memory, below LAST_NUMBER. The step first lets the database drop them: then
    LAST_NUMBER is the next value.
    """

    guide = "not in the guide; sequence values come with the import"
    changes = "values of the target's sequences that are cached in memory are given up (NOCACHE, then CACHE again)"
    undo = "none needed: keys may have gaps"

    def observe(self, step: Step) -> Observation:
        return self._seen(step, flushed=False)

    @staticmethod
    def _seen(step: Step, *, flushed: bool) -> Observation:
        proof = sequence_proof(step, flushed=flushed)
        details = {"compared": proof.compared, "with_keys": proof.keyed}
        if wrong := proof.missing + proof.low:
            return Observation(False, f"sequences are too low: {'; '.join(wrong[:8])}", details)
        return Observation(True, f"sequences: {proof.text()}; none is too low", details)

    def act(self, step: Step, seen: Observation) -> None:
        source, target = sequences_of(step, "source"), sequences_of(step, "target")
        statements = []
        for name, sequence in sorted(target.items()):
            # An interrupted try may have left NOCACHE: the source has the size of the cache.
            cache = source[name].cache if name in source else sequence.cache
            if cache or sequence.cache:
                statements.append(sequence_options(step.schema, name, cache=0))
                statements.append(sequence_options(step.schema, name, cache=cache))
        step.at("target").info_mart.run_text(statements)
        self.log.info("act: %s sequence(s) have given up their cached values", len(statements) // 2)

    def verify(self, step: Step) -> Observation:
        return self._seen(step, flushed=True)

    def next_step(self) -> str:
        return (
            "Raise the named sequences at the target (ALTER SEQUENCE ... RESTART; before 18c take a value with a "
            "larger INCREMENT BY), then clear this task."
        )


class ProveParity(StepOperator):
    """Prove that indexes, constraints, triggers, code and sequences are the same at both sites, and no object invalid.

    Invalid objects are recompiled first: replicated DDL invalidates those that depend on a table, until their next use.
    """

    guide = "not in the guide"
    changes = "invalid objects of the schema at the target are recompiled"
    undo = "none needed"

    def observe(self, step: Step) -> Observation:
        compared = parity(step)
        if compared.faults:
            return Observation(
                False,
                f"the sites differ: {'; '.join(compared.faults[:8])}{compared.remarks()}",
                {"differences": compared.faults[:50], "invalid": compared.invalid[:50]},
            )
        return Observation(
            True, f"{compared.indexes} indexes and all constraints, triggers and code are equal{compared.remarks()}"
        )

    def act(self, step: Step, seen: Observation) -> None:
        if not seen.details["invalid"]:
            raise GuardError(seen.summary, self.next_step())
        recompile(step, "target")

    def next_step(self) -> str:
        return "Create or correct the named objects at the target, then clear this task."


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
        # Read before the comparison: what is written from here on shows in either.
        rest = at_rest(step)
        tables, convert = replicated_tables(step), not same_character_set(step)
        with ThreadPoolExecutor(2) as pool:
            sides = {role: pool.submit(fingerprints, step, role, tables[role], convert=convert) for role in BOTH_ROLES}
            compared = sides["source"].result()
            source, target = compared.found, sides["target"].result().found
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
        text = f"{len(source)} tables, {rows} rows at {shown(time.time())}{compared.limits()}"
        step.ledger.put_once(facts.SOURCE_AT_REST, rest)
        step.ledger.put_once(facts.TABLES_COMPARED, cut(text, 3900))
