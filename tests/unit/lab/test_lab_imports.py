"""The lab's modules import each other in one direction only."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import infomart_lab

LAB = Path(infomart_lab.__file__).resolve().parent


def module_name(root: Path, file: Path) -> str:
    """Dotted name of a file below the folder of a package."""
    parts = [root.name, *file.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(module: str, is_package: bool, tree: ast.AST) -> Iterator[str]:
    """Every name that a module imports, also inside functions and for type checkers only.

    ``from a import b`` gives ``a`` and ``a.b``: only one of them may be a module.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")
            above = parents[: len(parents) + is_package - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (base, *(f"{base}.{alias.name}" for alias in node.names))


def imports(root: Path) -> dict[str, set[str]]:
    """Modules of a package, each with those of the same package that it imports."""
    files = {module_name(root, file): file for file in sorted(root.rglob("*.py"))}
    found: dict[str, set[str]] = {}
    for module, file in files.items():
        is_package = file.name == "__init__.py"
        found[module] = {name for name in imported(module, is_package, ast.parse(file.read_text())) if name in files}
    return found


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Strongly connected components of more than one module, and modules that import themselves (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(graph[module]):
            if other not in index:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], index[other])
        if low[module] == index[module]:
            component = [stack.pop()]
            while component[-1] != module:
                component.append(stack.pop())
            if len(component) > 1 or module in graph[module]:
                found.append(sorted(component))

    for module in sorted(graph):
        if module not in index:
            visit(module)
    return found


def test_no_modules_of_the_lab_import_each_other_in_a_circle() -> None:
    graph = imports(LAB)
    assert len(graph) > 50, "the lab's modules were not found"
    assert circles(graph) == []


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ("", []),
        ("import made.first\n", [["made.first", "made.second"]]),
        ("def late():\n    from made import first\n", [["made.first", "made.second"]]),
        ("def late():\n    from . import first\n", [["made.first", "made.second"]]),
        ("def late():\n    from .inner.third import name\n", [["made.first", "made.inner.third", "made.second"]]),
        ("if TYPE_CHECKING:\n    from made.first import name\n", [["made.first", "made.second"]]),
        ("def late():\n    from made import second\n", [["made.second"]]),
    ],
)
def test_a_circle_is_found_wherever_the_import_stands(tmp_path: Path, second: str, expected: list[list[str]]) -> None:
    root = tmp_path / "made"
    (root / "inner").mkdir(parents=True)
    for package in (root, root / "inner"):
        (package / "__init__.py").touch()
    (root / "first.py").write_text("from made.second import name\n")
    (root / "second.py").write_text(second)
    (root / "inner" / "third.py").write_text("from ..first import name\n")
    assert circles(imports(root)) == expected
