"""Messages name tasks to clear: each id exists in every DAG of the step, and is the step itself or lies above it.

Texts are read from the code of each operator's class, of the functions of this package that it calls, and of its probe.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
from tests.unit.operators.fakes import FakeStep

from infomart_dr.errors import GuardError, InfoMartError, RequestError
from infomart_dr.operators.base import CheckOperator, StepOperator
from infomart_dr.operators.clearing import advise
from infomart_dr.plan.step import Observation, Step

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "infomart_dr."
#: What is cleared, to the end of the sentence; a dot within an id is none.
_CLEAR = re.compile(r"\b[Cc]lear(?:s|ed)?\b((?:[^.;:]|\.(?=[a-z]))*)")
#: Ids have two words at least, which tells them from English.
_ID = re.compile(r"(?<![/\w.])[a-z]+(?:[_.][a-z]+)+\b")


def named(text: str) -> set[str]:
    """Ids of tasks that a text tells people to clear."""
    return {name for sentence in _CLEAR.findall(text) for name in _ID.findall(sentence)}


# -- texts of a class ------------------------------------------------------------------------------


def function_of(value: Any) -> FunctionType | None:
    """The function behind an attribute, when this package or a test has it."""
    value = value.fget if isinstance(value, property) else value
    value = inspect.unwrap(getattr(value, "__func__", value)) if value is not None else None
    return value if isinstance(value, FunctionType) and own(value.__module__) else None


def own(module: str) -> bool:
    return module.startswith(PACKAGE) or module == __name__


def value_of(node: ast.expr, names: dict[str, Any]) -> Any:
    """The value of a name, or of an attribute of a module, among the names of a module."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute) and isinstance(holder := value_of(node.value, names), ModuleType):
        return getattr(holder, node.attr, None)
    return None


def joined(node: ast.JoinedStr, names: dict[str, Any]) -> str:
    """An f-string, with the texts of a module's constants; other values are left out."""
    parts = []
    for part in node.values:
        found = part.value if isinstance(part, ast.Constant) else value_of(part.value, names)  # type: ignore[attr-defined]
        parts.append(found if isinstance(found, str) else "?")
    return "".join(parts)


def texts_of_function(function: FunctionType, cls: type | None, done: set[Any]) -> Iterator[str]:
    """Texts of a function, of the parents' methods that it extends, and of the functions that it calls.

    :param cls: the class of which it is a method.
    """
    if (function, cls) in done:
        return
    done.add((function, cls))
    names = function.__globals__
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    body = tree.body[0]
    assert isinstance(body, ast.FunctionDef | ast.AsyncFunctionDef)
    within = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield joined(node, names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in within:
            if node.value != ast.get_docstring(body, clean=False):
                yield node.value
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call) and cls is not None:
            if isinstance(node.value.func, ast.Name) and node.value.func.id == "super":
                yield from texts_of_parent(cls, function, node.attr, done)
        elif isinstance(node, ast.Name | ast.Attribute):
            found = value_of(node, names)
            if isinstance(found, str):
                yield found
            elif (called := function_of(found)) is not None:
                yield from texts_of_function(called, None, done)


def texts_of_parent(cls: type, function: FunctionType, name: str, done: set[Any]) -> Iterator[str]:
    """Texts of the method that ``super()`` means in a method of a class."""
    holders = [at for at, each in enumerate(cls.__mro__) if function in map(function_of, vars(each).values())]
    for parent in cls.__mro__[holders[0] + 1 :] if holders else ():
        if name in vars(parent):
            if (method := function_of(vars(parent)[name])) is not None:
                yield from texts_of_function(method, cls, done)
            return


@cache
def texts(cls: type) -> tuple[str, ...]:
    """Texts that a task of a class may show: constants, methods that are not replaced, what they call, the probe."""
    return tuple(_texts(cls))


def _texts(cls: type) -> Iterator[str]:
    done: set[Any] = set()
    for name in sorted({name for parent in cls.__mro__ if own(parent.__module__) for name in vars(parent)}):
        value = inspect.getattr_static(cls, name)
        if isinstance(value, str) and name != "__doc__":
            yield value
        elif (function := function_of(value)) is not None:
            yield from texts_of_function(function, cls, done)


# -- against the DAGs ------------------------------------------------------------------------------


def wrong_ids(dag: DAG, task: Any) -> list[str]:
    """Ids in a task's messages that are neither its own nor that of a task above it, with the reason."""
    cls = task.operator_class if task.is_mapped else type(task)
    ids = {name for text in texts(cls) for name in named(text)} | {getattr(task, "added_by", "")} - {""}
    above = task.get_flat_relative_ids(upstream=True) | {task.task_id}
    wrong = []
    for name in sorted(ids):
        there = {each for each in dag.task_ids if each == name or each.endswith(f".{name}")}
        if not there & above:
            wrong.append(f"{dag.dag_id}.{task.task_id}: {name} {'lies elsewhere' if there else 'does not exist'}")
    return wrong


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(str(ROOT / "dags"))


def test_messages_name_tasks_that_exist_above_the_one_that_fails(bag: DagBag) -> None:
    assert bag.dags
    assert [wrong for dag in bag.dags.values() for task in dag.tasks for wrong in wrong_ids(dag, task)] == []


def test_the_ids_of_messages_are_found_at_all(bag: DagBag) -> None:
    found = {
        name
        for dag in bag.dags.values()
        for task in dag.tasks
        if not task.is_mapped
        for text in texts(type(task))
        for name in named(text)
    }
    assert found >= {
        "check_already_done",
        "drop_sequences",
        "hold_scheduler",
        "keep_configuration_in_step",
        "run_expdp",
        "wait_for_older_transactions",
    }


# -- from where a run is cleared -------------------------------------------------------------------


#: Starts of the new site's server: past the point of no return they are cleared themselves.
STARTS = ("start_info_mart_server", "start_info_mart_server_at_target")


def unlike(dag: DAG, task: Any) -> list[str]:
    """Ids in a task's messages that lie behind the task from which the run is cleared."""
    cls = task.operator_class if task.is_mapped else type(task)
    clear = getattr(task, "clear_from", "") or task.task_id
    enough = {clear} | dag.get_task(clear).get_flat_relative_ids(upstream=True)
    names = {name for text in texts(cls) for name in named(text)} | {getattr(task, "added_by", "")} - {""}
    return [
        f"{dag.dag_id}.{task.task_id}: {name}, and the run is cleared from {clear}"
        for name in sorted(names)
        if not {each for each in dag.task_ids if each == name or each.endswith(f".{name}")} & enough
        and not (name in STARTS and task.task_id.endswith(name))
    ]


def test_every_step_is_cleared_from_itself_or_from_a_task_above_it(bag: DagBag) -> None:
    for dag in bag.dags.values():
        for task in dag.tasks:
            clear = getattr(task, "clear_from", "")
            if clear and clear != task.task_id:
                assert clear in task.get_flat_relative_ids(upstream=True), f"{dag.dag_id}.{task.task_id}: {clear}"


def test_no_message_names_a_later_task_than_the_one_from_which_the_run_is_cleared(bag: DagBag) -> None:
    assert [wrong for dag in bag.dags.values() for task in dag.tasks for wrong in unlike(dag, task)] == []


#: Steps whose effect the back-out undoes, by the first of them: whoever fails in between is cleared from there.
UNDONE = {
    "infomart_return_to_normal": [
        ("export_database.hold_scheduler", "export_database.capture_scn"),
        ("final_stop_and_comparison.prove_target_follows", "start_at_target.start_info_mart_server_at_target"),
    ],
    "infomart_switchover": [
        ("final_stop_and_comparison.prove_target_follows", "start_at_target.start_info_mart_server_at_target"),
    ],
    "infomart_cutover": [
        ("final_stop_and_comparison.prove_target_follows", "start_at_target.start_info_mart_server_at_target"),
    ],
    "infomart_failover": [("check_already_done", "start_at_survivor.start_info_mart_server")],
}


@pytest.mark.parametrize("dag_id", UNDONE)
def test_what_the_back_out_has_undone_is_cleared_from_its_beginning(bag: DagBag, dag_id: str) -> None:
    dag = bag.dags[dag_id]
    for first, last in UNDONE[dag_id]:
        between = dag.get_task(first).get_flat_relative_ids(upstream=False)
        between &= dag.get_task(last).get_flat_relative_ids(upstream=True) | {last}
        assert len(between) > 3
        for task_id in between:
            assert dag.get_task(task_id).clear_from == first, f"{dag_id}.{task_id}"


class Failing:
    """A task of a chapter that is cleared from its first step."""

    task_id, clear_from = "stop.compare", "stop.begin"


@pytest.mark.parametrize(
    ("said", "shown", "clear"),
    [
        ("Stop it, then clear this task.", "Stop it, then clear stop.begin with Downstream.", "stop.begin"),
        ("Clear this task with Downstream.", "Clear stop.begin with Downstream.", "stop.begin"),
        ("Find out why.", "Find out why. Then clear stop.begin with Downstream.", "stop.begin"),
        ("", "Then clear stop.begin with Downstream.", "stop.begin"),
        ("Clear take_scn with Downstream.", "Clear take_scn with Downstream.", "copy.take_scn"),
        ("Start a new run with another plan.", "Start a new run with another plan.", ""),
        ("Follow it, then mark this task as success.", "Follow it, then mark this task as success.", ""),
    ],
)
def test_an_error_says_from_where_the_run_is_cleared(said: str, shown: str, clear: str) -> None:
    error = GuardError("It is wrong.", said)
    advise(error, Failing(), {"copy.take_scn", "stop.begin"})
    assert (error.next_step, error.clear) == (shown, clear)
    assert str(error) == f"It is wrong.\nNext: {shown}"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Give the parameter target, one of: a, b.", "Start a new run with the parameter target, one of: a, b."),
        ("Start a new run with a shorter id.", "Start a new run with a shorter id."),
        ("Correct it.", "Correct it. Then start a new run."),
        ("", "Then start a new run."),
    ],
)
def test_a_wrong_request_asks_for_a_new_run_and_never_for_a_clear(said: str, shown: str) -> None:
    error = RequestError("It is wrong.", said)
    advise(error, Failing(), {"copy.take_scn", "stop.begin"})
    assert (error.next_step, error.clear) == (shown, "")


def test_a_step_that_fails_says_it_and_leaves_it_for_the_message_at_the_runs_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Wrong(CheckOperator):
        def observe(self, step: Step) -> Observation:
            return Observation(False, "It is wrong.")

    left: dict[str, str] = {}
    instance = SimpleNamespace(xcom_push=lambda key, value: left.update({key: value}))
    monkeypatch.setattr(Step, "from_context", lambda context: FakeStep())
    task = Wrong(task_id="check", clear_from="begin")
    with pytest.raises(GuardError, match=r"clear begin with Downstream\.$"):
        task.execute({"ti": instance})  # type: ignore[typeddict-item]
    assert left == {"clear": "begin"}


# -- a wrong id is found ---------------------------------------------------------------------------


WORDS = "then clear no_such_task with Downstream."


def asked(step: Step) -> Observation:
    raise GuardError("It is wrong.", "Clear no_such_task.")


class InNextStep(CheckOperator):
    def next_step(self) -> str:
        return "Clear no_such_task with Downstream."


class InAnError(CheckOperator):
    def act(self, step: Step, seen: Observation) -> None:
        raise GuardError(f"{self.task_id} is wrong.", f"Do {seen.summary}, {WORDS}")


class InAGuard(CheckOperator):
    def observe(self, step: Step) -> Observation:
        return asked(step)


class InAProbe(CheckOperator):
    probe = staticmethod(asked)


class InAConstant(CheckOperator):
    AFTER = "clear this task, or clear checks.no_such_task."


class Below(CheckOperator):
    def next_step(self) -> str:
        return "Clear drop_sequences and last_step."


class Parent(CheckOperator):
    def act(self, step: Step, seen: Observation) -> None:
        raise GuardError("It is wrong.", "The last run is cleared: clear no_such_task.")


class Extended(Parent):
    def act(self, step: Step, seen: Observation) -> None:
        super().act(step, seen)


class Replaced(Parent):
    def act(self, step: Step, seen: Observation) -> None:
        raise GuardError("It is wrong.", "Clear drop_sequences with Downstream; read docs/operating.md.")


def a_dag(cls: type[StepOperator]) -> DAG:
    with DAG("a_dag", schedule=None) as dag:
        first = CheckOperator(task_id="drop_sequences")
        first >> cls(task_id="check") >> CheckOperator(task_id="last_step")
    return dag


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (InNextStep, ["a_dag.check: no_such_task does not exist"]),
        (InAnError, ["a_dag.check: no_such_task does not exist"]),
        (InAGuard, ["a_dag.check: no_such_task does not exist"]),
        (InAProbe, ["a_dag.check: no_such_task does not exist"]),
        (InAConstant, ["a_dag.check: checks.no_such_task does not exist"]),
        (Extended, ["a_dag.check: no_such_task does not exist"]),
        (Below, ["a_dag.check: last_step lies elsewhere"]),
        (Replaced, []),
    ],
)
def test_a_wrong_id_is_found_wherever_the_message_is_made(cls: type[StepOperator], wrong: list[str]) -> None:
    dag = a_dag(cls)
    assert wrong_ids(dag, dag.get_task("check")) == wrong


# -- each error has a next step --------------------------------------------------------------------


def errors_without_next_step(source: str) -> list[str]:
    """Typed errors that a source file makes without a next step; classes that give their own are left out."""
    fixed = {"BusyError", "NotWithoutConnection"}
    wrong = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        kind = value_of(node.func, ERRORS)
        if kind is None or node.func.id in fixed or any(isinstance(each, ast.Starred) for each in node.args):
            continue
        steps = [*node.args[1:2], *(each.value for each in node.keywords if each.arg == "next_step")]
        if not steps or (isinstance(steps[0], ast.Constant) and not steps[0].value):
            wrong.append(ast.unparse(node))
    return wrong


def all_kinds(kind: type) -> Iterator[type]:
    yield kind
    for each in kind.__subclasses__():
        yield from all_kinds(each)


#: Typed errors of the product by their names.
ERRORS = {kind.__name__: kind for kind in all_kinds(InfoMartError) if kind.__module__.startswith(PACKAGE)}


@pytest.mark.parametrize("file", sorted((ROOT / "plugins").rglob("*.py")), ids=lambda file: file.stem)
def test_every_error_says_what_to_do_next(file: Path) -> None:
    assert errors_without_next_step(file.read_text()) == []


def test_an_error_without_a_next_step_is_found() -> None:
    text = (
        'raise GuardError("It is wrong.", "")\nraise PermanentError("It is wrong.")\nGuardError("Wrong.", "Mend it.")'
    )
    assert errors_without_next_step(text) == ["GuardError('It is wrong.', '')", "PermanentError('It is wrong.')"]
