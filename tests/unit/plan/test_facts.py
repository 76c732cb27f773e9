"""The declared facts are those that the product uses, and their tasks exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from infomart_dr import files
from infomart_dr.dagfiles import load_dags
from infomart_dr.plan import facts

ROOT = Path(__file__).resolve().parents[3]
PRODUCT = Path(files.__file__).parent
LEDGER_CALLS = {"get", "has", "require", "put_once", "forget", "text"}


@pytest.fixture(scope="module")
def tasks() -> set[str]:
    """Ids of all tasks without their groups."""
    dags = load_dags(ROOT / "dags")
    return {task.task_id.rpartition(".")[2] for dag in dags.values() for task in dag.tasks}


def test_every_task_that_records_or_forgets_a_fact_exists(tasks: set[str]) -> None:
    named = {task for fact in facts.declared() for task in (*fact.recorded_by, *fact.forgotten_by)}
    assert named <= tasks, f"no DAG has {sorted(named - tasks)}"


def test_every_fact_has_one_name_a_meaning_and_a_task_that_records_it() -> None:
    declared = list(facts.declared())
    assert len({str(fact) for fact in declared}) == len(declared) >= 49
    for fact in declared:
        assert fact.meaning and not fact.meaning.endswith("."), str(fact)
        # A retry announces itself, whichever task it is.
        assert fact.recorded_by or fact is facts.TRY, str(fact)


def test_no_kind_of_facts_takes_the_name_of_another_fact() -> None:
    single = [fact.name for fact in facts.declared() if isinstance(fact, facts.Fact)]
    for kind in facts.declared():
        if isinstance(kind, facts.Facts):
            assert [name for name in single if kind.has(name)] == [], str(kind)


def ledger_keys(text: str) -> list[str]:
    """Calls of a ledger whose key is a text instead of a declared fact."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            receiver = ast.unparse(node.func.value)
            asks = node.func.attr in LEDGER_CALLS and receiver.endswith((".ledger", ".replication", "recorded"))
            if asks and isinstance(node.args[0], ast.Constant | ast.JoinedStr):
                found.append(ast.unparse(node))
        if isinstance(node, ast.keyword) and node.arg == "unless" and isinstance(node.value, ast.Constant):
            found += [f"unless={node.value.value!r}"] if isinstance(node.value.value, str) else []
    return found


def test_no_key_of_the_ledger_stands_outside_the_declarations() -> None:
    for file in [*PRODUCT.rglob("*.py"), *(ROOT / "dags").rglob("*.py")]:
        assert ledger_keys(file.read_text()) == [], file


@pytest.mark.parametrize(
    "line", ['step.ledger.get("scn")', 'step.ledger.put_once(f"{x}_scn", 1)', 'Step(unless="exported")']
)
def test_a_key_that_stands_elsewhere_is_found(line: str) -> None:
    assert ledger_keys(line)


def test_every_name_of_a_fact_stands_in_the_declarations_alone() -> None:
    """As a whole literal; words of sentences, binds of statements and task ids do not count."""
    names = {fact.name for fact in facts.declared() if isinstance(fact, facts.Fact)}
    # Words with another use too: an XCom key, a column, a parameter.
    names -= {"scn", "plan", "sites", "begun", "goal_reached", "schema_bytes", "imported", "exported", "transferred"}
    for file in PRODUCT.rglob("*.py"):
        if file.name == "facts.py" and file.parent.name == "plan":
            continue
        texts = {node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)}
        assert not names & texts, f"{file}: {sorted(names & texts)}"
