"""Imports run one way: operators act, guards answer, plan remembers, hooks talk; and nothing knows the lab.

An import inside a function counts like any other: it may be late because its module is heavy, never because it would be
a circle at the top of the file.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

import pytest

#: At the top of the file, inside a function, or for types only.
Where = Literal["top", "inside", "types"]

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ROOT / "plugins" / "infomart_dr"

#: Floors from the ground up; a module imports its own floor and those below it.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "files", "guide", "settings", "statements", "stopwatch", "task_log", "text", "times", "values"),
    ("topology",),
    ("hooks",),
    ("deployment",),
    ("plan",),
    ("evidence",),
    ("guards",),
    ("notifiers", "triggers"),
    ("operators",),
    ("sensors", "readiness"),
    ("runbook",),
    ("dagfiles", "preparation"),
    ("cli", "plugin", "__main__"),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
#: Rooms of one floor that do not know each other.
APART = {("notifiers", "triggers"), ("triggers", "notifiers"), ("sensors", "readiness"), ("readiness", "sensors")}
#: Bring a driver or an HTTP client: hundreds of milliseconds that the parsing of a DAG file must not take.
HEAVY = ("hooks.oracle", "hooks.remote_host", "hooks.remote_job", "hooks.transfer", "triggers.remote_job")


def module_of(file: Path) -> str:
    """Name below infomart_dr; empty for the package itself."""
    parts = file.relative_to(PRODUCT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in sorted(PRODUCT.rglob("*.py"))}


def imports(text: str) -> Iterator[tuple[str, Where, int]]:
    """Imported modules below infomart_dr, where the import stands, and its line; the lab as ``lab:<name>``."""

    def visit(node: ast.AST, where: Where) -> Iterator[tuple[str, Where, int]]:
        for child in ast.iter_child_nodes(node):
            names: list[str] = []
            if isinstance(child, ast.Import):
                names = [alias.name for alias in child.names]
            elif isinstance(child, ast.ImportFrom) and child.module:
                names = [f"{child.module}.{alias.name}" for alias in child.names]
            for name in names:
                root, _, rest = name.partition(".")
                if root == "infomart_lab":
                    yield f"lab:{rest}", where, child.lineno
                if root == "infomart_dr" and rest:
                    yield (rest if rest in MODULES else rest.rpartition(".")[0]), where, child.lineno
            below = where
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                below = "inside"
            elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                below = "types"
            yield from visit(child, below)

    yield from visit(ast.parse(text), "top")


def faults(module: str, text: str) -> list[str]:
    """Imports of one module that the rule forbids."""
    room = module.partition(".")[0]
    found = []
    for imported, where, line in imports(text):
        other = imported.partition(".")[0]
        if imported.startswith("lab:"):
            found.append(f"line {line}: {module} knows the lab ({imported})")
        elif not imported or other == room:
            continue
        elif FLOOR[other] > FLOOR[room] or (room, other) in APART:
            found.append(f"line {line}: {module} imports {imported}, which lies above or beside it")
        elif where == "inside" and imported not in HEAVY and not brings_more(module, imported):
            found.append(f"line {line}: {module} imports {imported} inside a function, and it is light")
    return found


def brings_more(module: str, imported: str) -> bool:
    """The imported module needs a library that the importing one does not: Airflow, or an HTTP client."""
    return bool(libraries(imported) - libraries(module))


@cache
def read(module: str) -> tuple[tuple[str, Where, int], ...]:
    """Imports of a module of the product."""
    return tuple(imports(MODULES[module].read_text()))


@cache
def libraries(module: str) -> frozenset[str]:
    """Heavy libraries that come with a module, by the imports at the top of the files."""
    found: set[str] = set()
    seen, ahead = {module}, [module]
    while ahead:
        here = ahead.pop()
        for node in ast.parse(MODULES[here].read_text()).body if here in MODULES else ():
            if isinstance(node, ast.ImportFrom):
                found.add((node.module or "").partition(".")[0])
            elif isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
        following = {name for name, where, _ in read(here) if where == "top"} if here in MODULES else set()
        ahead += following - seen
        seen |= following
    # Airflow brings an HTTP client.
    brought = {"httpx", "tenacity"} if "airflow" in found else set()
    return frozenset((found | brought) & {"airflow", "httpx", "tenacity", "paramiko", "oracledb"})


@pytest.mark.parametrize("module", [name for name in MODULES if name])
def test_a_module_imports_what_lies_below_it(module: str) -> None:
    assert module.partition(".")[0] in FLOOR, "a new room needs a floor"
    assert faults(module, MODULES[module].read_text()) == []


@pytest.mark.parametrize("file", sorted((ROOT / "dags").rglob("*.py")), ids=lambda file: file.stem)
def test_a_dag_file_does_not_know_the_lab(file: Path) -> None:
    assert [name for name, _, _ in imports(file.read_text()) if name.startswith("lab:")] == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: {name for name, _, _ in read(module) if name in MODULES and name != module} for module in MODULES}
    done: set[str] = set()

    def walk(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"circle: {' -> '.join([*path[path.index(module) :], module])}"
        if module in done:
            return
        for imported in sorted(graph[module]):
            walk(imported, (*path, module))
        done.add(module)

    for module in graph:
        walk(module, ())


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("guards.server", "from infomart_dr.operators import server"),
        ("guards.server", "def f():\n    from infomart_dr.operators.base import page"),
        ("hooks.webhook", "from infomart_dr.deployment import Deployment"),
        ("plan.step", "from infomart_dr.guards.server import server_runs"),
        ("evidence.loss", "from infomart_dr.guards.survey import survey"),
        ("operators.server", "from infomart_dr.sensors.base import StepSensor"),
        ("sensors.base", "from infomart_dr.readiness.report import Report"),
        ("operators.server", "def f():\n    from infomart_dr.text import sorted_names"),
        ("guards.server", "import infomart_lab.config"),
    ],
)
def test_a_wrong_import_is_found(module: str, line: str) -> None:
    assert faults(module, line)
