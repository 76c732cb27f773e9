"""Signatures of the floors that procedures stand on name their types: none has ``Any``.

Where another program decides a value's type, the signature has a name of ``values.py`` that says so.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PRODUCT = Path(__file__).resolve().parents[2] / "plugins" / "infomart_dr"
ROOMS = ("topology", "plan", "guards", "notifiers")
FILES = [file for room in ROOMS for file in sorted((PRODUCT / room).rglob("*.py"))]

#: The names that stand for ``Any``, and the reason for each.
OPEN = {
    "ColumnValue": "the select list of a statement decides the type",
    "Row": "its values are ColumnValue",
    "JsonObject": "another program, or an older release, wrote it",
}


def has_any(annotation: ast.expr) -> bool:
    return any(
        (isinstance(node, ast.Name) and node.id == "Any") or (isinstance(node, ast.Attribute) and node.attr == "Any")
        for node in ast.walk(annotation)
    )


def annotations(tree: ast.Module) -> Iterator[tuple[str, int, ast.expr]]:
    """Annotations of parameters and returns, and of class attributes: a dataclass makes parameters of them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            for parameter in (*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg):
                if parameter is not None and parameter.annotation is not None:
                    yield f"{node.name}({parameter.arg})", parameter.lineno, parameter.annotation
            if node.returns is not None:
                yield f"{node.name}() ->", node.lineno, node.returns
        elif isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.AnnAssign):
                    yield f"{node.name}.{ast.unparse(item.target)}", item.lineno, item.annotation


def open_aliases(tree: ast.Module) -> set[str]:
    """Names that a module gives to ``Any``, or to something made of it."""
    found: set[str] = set()
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        used = {part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)}
        if has_any(node.value) or found & used:
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


def faults(text: str) -> list[str]:
    return [f"line {line}: {name}" for name, line, annotation in annotations(ast.parse(text)) if has_any(annotation)]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(PRODUCT).as_posix())
def test_no_signature_has_any(file: Path) -> None:
    text = file.read_text()
    assert faults(text) == []
    assert open_aliases(ast.parse(text)) == set(), "a name for Any belongs into values.py"


def test_the_names_for_any_are_few_and_have_a_reason() -> None:
    assert open_aliases(ast.parse((PRODUCT / "values.py").read_text())) == set(OPEN)


@pytest.mark.parametrize(
    "text",
    [
        "def f(a: Any): ...",
        "def f(*, a: dict[str, Any] | None = None): ...",
        "def f(**binds: Any): ...",
        "async def f() -> typing.Any: ...",
        "class A:\n    def f(self, a: Callable[..., Any]): ...",
        "@dataclass\nclass A:\n    found: Any",
    ],
)
def test_any_is_found(text: str) -> None:
    assert faults(text)


def test_a_name_for_any_is_found() -> None:
    assert open_aliases(ast.parse("A = Any\nB: TypeAlias = dict[str, A]\nC = str | int")) == {"A", "B"}
