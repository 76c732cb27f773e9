"""Sequences compared with the source and the keys in use, in either direction, with cached values."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.guards.test_dictionary import constraint, sequence
from tests.unit.hooks.gg_sample import make_topology
from tests.unit.operators.fakes import FakeLedger, FakeLock, StepOf

from infomart_dr.deployment import Deployment
from infomart_dr.errors import GuardError
from infomart_dr.evidence.manifest import dictionary_from_rows
from infomart_dr.guards.sequences import Sequence, outermost_key, proposed_keys, sequence_keys_proposal, sequence_proof
from infomart_dr.operators.checks import ProveSequences


class World:
    """Sequences of both sites and the keys of the target; ALTER SEQUENCE drops cached values."""

    def __init__(self) -> None:
        self.rows = {"source": [sequence("SEQ", 121)], "target": [sequence("SEQ", 121)]}
        self.keys: dict[str, int | None] = {}
        self.identities: dict[str, list[dict[str, Any]]] = {"source": [], "target": []}
        #: Values that the target has in memory, below LAST_NUMBER.
        self.cached: dict[str, int] = {}
        self.statements: list[str] = []
        self.pairs: dict[str, str] = {}

    def dba(self, role: str) -> Any:
        def select(name: str, owner: str) -> list[dict[str, Any]]:
            if name == "sequences":
                return self.rows[role]
            return self.identities[role] if name == "identity_columns" else []

        return SimpleNamespace(select=select)

    def run_text(self, statements: list[str]) -> None:
        self.statements += statements
        for row in self.rows["target"]:
            row["last_number"] -= self.cached.pop(row["sequence_name"], 0)

    def value(self, statement: str, names: dict[str, str]) -> int | None:
        return self.keys.get(f"{statement} {names['table']}.{names['column']}")

    def step(self) -> Any:
        step: Any = StepOf(
            schema="GIM",
            dba=self.dba,
            info_mart=lambda role: SimpleNamespace(run_text=self.run_text, value=self.value),
            name=lambda role: {"source": "site2", "target": "site3"}[role],
            site=lambda role: SimpleNamespace(database=SimpleNamespace(release="19.3")),
            topology=SimpleNamespace(info_mart=SimpleNamespace(release="8.1.4", sequence_keys=self.pairs)),
        )
        step.ledger, step.plan_id, step.owner, step.params = FakeLedger(), "plan-1", "dag run-1", {}
        step.lock = FakeLock("plan-1", "dag run-1")
        return step

    def prove(self) -> dict[str, Any]:
        return ProveSequences(task_id="prove_sequences", role="target")._run(self.step())


@pytest.fixture
def world() -> World:
    return World()


def test_equal_last_numbers_are_proven_once_nothing_is_cached(world: World) -> None:
    world.pairs = {"SEQ": "CALLS.ID"}
    world.keys = {"highest_key CALLS.ID": 120}
    result = world.prove()
    assert world.statements == ["alter sequence GIM.SEQ nocache", "alter sequence GIM.SEQ cache 20"]
    assert result["summary"] == "sequences: 1 compared with the source, 1 with the keys in use; none is too low"
    assert (result["compared"], result["with_keys"]) == (1, 1)


def test_values_that_somebody_took_at_the_target_lie_below_last_number_and_are_found(world: World) -> None:
    # A test start of the server took 101 to 120 into memory; the source has given out as many keys since.
    world.cached = {"SEQ": 19}
    world.pairs = {"SEQ": "CALLS.ID"}
    world.keys = {"highest_key CALLS.ID": 115}
    with pytest.raises(GuardError, match=r"SEQ: 102 at site3, 121 at site2; SEQ is 102, the highest CALLS\.ID is 115"):
        world.prove()


def test_an_interrupted_try_gets_the_sources_cache_back(world: World) -> None:
    world.rows["target"] = [sequence("SEQ", 100, cache=0)]
    world.rows["source"] = [sequence("SEQ", 121)]
    with pytest.raises(GuardError):
        world.prove()
    assert world.statements[-1] == "alter sequence GIM.SEQ cache 20"


def test_a_descending_sequence_is_judged_downwards_and_one_that_cycles_not_at_all(world: World) -> None:
    world.rows["source"] = [sequence("DOWN", -50, cache=0, increment=-1), sequence("ROUND", 5, cycle="Y")]
    world.rows["target"] = [sequence("DOWN", -50, cache=0, increment=-1), sequence("ROUND", 1, cycle="Y")]
    world.pairs = {"DOWN": "CALLS.ID"}
    world.keys = {"lowest_key CALLS.ID": -49}
    proof = sequence_proof(world.step(), flushed=True)
    assert (proof.low, proof.compared, proof.keyed, proof.cycling) == ([], 1, 1, ["ROUND"])
    world.keys = {"lowest_key CALLS.ID": -50}
    assert sequence_proof(world.step(), flushed=True).low == ["DOWN is -50, the lowest CALLS.ID is -50"]
    world.rows["target"][0]["last_number"] = -40
    assert "DOWN: -40 at site3, -50 at site2" in sequence_proof(world.step(), flushed=True).low


def test_an_identity_column_that_is_behind_is_named_with_its_statement_unless_its_table_is_not_replicated(
    world: World,
) -> None:
    def columns(value: int) -> list[dict[str, Any]]:
        return [{"table_name": name, "column_name": "ID", "last_number": value} for name in ("OWN", "TMP_OWN")]

    world.identities = {"source": columns(9), "target": columns(5)}
    (low,) = sequence_proof(world.step(), flushed=True).low
    assert low.startswith("identity column OWN.ID: 5 at site3, 9 at site2") and "START WITH LIMIT VALUE" in low
    world.identities["target"] = []
    assert sequence_proof(world.step(), flushed=True).missing == ["identity column OWN.ID: missing at site3"]


def test_a_missing_sequence_is_no_matter_of_the_cache(world: World) -> None:
    world.rows["target"] = []
    world.pairs = {"SEQ": "CALLS.ID"}
    proof = sequence_proof(world.step(), flushed=False)
    assert proof.missing == ["SEQ: missing at site3, 121 at site2", "SEQ (for CALLS.ID) is missing"]


def test_the_next_value_at_worst_lies_a_cache_before_last_number() -> None:
    assert Sequence("S", 121, 1, 20).lowest_next == 101
    assert Sequence("S", -121, -2, 10).lowest_next == -101
    assert Sequence("S", 7).lowest_next == 7


def test_pairs_are_proposed_by_the_names_of_tables_and_key_columns() -> None:
    keys = {
        "INTERACTION_FACT": ["INTERACTION_ID", "START_DATE_TIME_KEY"],
        "RESOURCE_": ["RESOURCE_KEY"],
        "CTL_AUDIT_LOG": ["AUDIT_KEY"],
        "TWO": ["A_KEY", "B_KEY"],
    }
    dictionary = dictionary_from_rows(
        indexes=[],
        index_columns=[],
        constraints=[constraint(f"PK_{table}", table, "P") for table in keys],
        constraint_columns=[
            {"constraint_name": f"PK_{table}", "position": number, "column_name": name}
            for table, names in keys.items()
            for number, name in enumerate(names)
        ],
        triggers=[],
        sequences=[
            sequence(name, 1) for name in ("SEQ_INTERACTION_FACT", "RESOURCE_SEQ", "S_AUDIT", "SEQ_TWO", "SEQ_ETL_JOB")
        ],
    )
    numbers = {table: [name for name in names if name != "NAME"] for table, names in keys.items()}
    assert proposed_keys(dictionary, numbers) == {
        "SEQ_INTERACTION_FACT": "INTERACTION_FACT.INTERACTION_ID",
        "RESOURCE_SEQ": "RESOURCE_.RESOURCE_KEY",
        "S_AUDIT": "CTL_AUDIT_LOG.AUDIT_KEY",
    }


def test_the_proposal_has_no_table_that_is_not_replicated() -> None:
    """Its keys at the target are those of the copy, and prove nothing."""
    tables = ("CALLS", "TMP_AGENTS")
    rows: dict[str, list[dict[str, Any]]] = {
        "sequences": [sequence("SEQ_CALLS", 1), sequence("SEQ_TMP_AGENTS", 1)],
        "constraints": [constraint(f"PK_{table}", table, "P") for table in tables],
        "constraint_columns": [
            {"constraint_name": f"PK_{table}", "position": 1, "column_name": "ID"} for table in tables
        ],
        "columns": [{"table_name": table, "column_name": "ID", "data_type": "NUMBER"} for table in tables],
    }
    step: Any = World().step()
    step.dba = lambda role: SimpleNamespace(select=lambda name, owner: rows.get(name, []))
    assert sequence_keys_proposal(step, "source") == {"SEQ_CALLS": "CALLS.ID"}


class TimedAccess:
    """A site whose statements remember the limit of their connection."""

    def __init__(self) -> None:
        self.used: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def value(statement: str, names: dict[str, str]) -> int:
            self.used.append(f"{name} {statement}")
            return 7

        return SimpleNamespace(value=value)


@pytest.mark.parametrize(("increment", "statement"), [(1, "highest_key"), (-1, "lowest_key")])
def test_a_key_is_searched_with_the_limit_of_a_whole_table(increment: int, statement: str) -> None:
    """Without an index that begins with the column, max(key) reads the table: two minutes are too few."""
    access = TimedAccess()
    step: Any = SimpleNamespace(schema="GIM", at=lambda role: access)
    assert outermost_key(step, Sequence("SEQ", 1, increment), "CALLS.ID") == 7
    assert access.used == [f"long_queries {statement}"]


def test_the_limit_of_a_whole_table_is_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    topology = make_topology()
    deployment = Deployment("lab")
    monkeypatch.setattr(Deployment, "topology", topology)
    site = deployment.at(topology.active_site)
    assert site.long_queries.statement_timeout == 3600
    assert site.info_mart.statement_timeout == topology.timeouts.statement == 120
