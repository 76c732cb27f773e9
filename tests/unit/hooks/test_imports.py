"""Hooks import only the topology and the small modules, without circles."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import infomart_dr

ROOT = Path(infomart_dr.__file__).parent
SMALL = {"errors", "files", "guide", "settings", "statements", "stopwatch", "text", "times", "values"}
HOOKS = sorted(path.stem for path in (ROOT / "hooks").glob("*.py") if path.stem != "__init__")


def imports(path: Path) -> set[str]:
    """Names of the product that a file imports, also inside functions: ``hooks.oracle``, ``errors.PermanentError``."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name.removeprefix("infomart_dr.") for name in found if name.startswith("infomart_dr.")}


def rooms(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)}


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_imports_hooks_the_topology_and_small_modules_only(name: str) -> None:
    assert rooms(ROOT / "hooks" / f"{name}.py") <= {"hooks", "topology", *SMALL}


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_small_module_imports_small_modules_only(name: str) -> None:
    assert rooms(ROOT / f"{name}.py") <= SMALL


def test_hooks_and_small_modules_import_each_other_in_one_direction() -> None:
    paths = {f"hooks.{name}": ROOT / "hooks" / f"{name}.py" for name in HOOKS}
    paths |= {name: ROOT / f"{name}.py" for name in SMALL}
    order = TopologicalSorter({name: imports(path) & set(paths) for name, path in paths.items()})
    assert set(order.static_order()) >= set(paths)
