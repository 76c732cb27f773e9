"""Coverage of the guide: steps that tasks do, steps that people do, and steps that are done otherwise.

Coverage is read from the tasks' own references (``guide:853``), because a list kept by hand goes stale.
``include/guide/items.yaml`` contains only what no task can state.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from infomart_dr.files import include_folder
from infomart_dr.guide import Lines, parse_references, places

#: A section of the documents, such as ``docs/operating.md#clear``.
_PLACE = re.compile(r"\bdocs/([\w-]+\.md)(?:#([\w-]+))?")
_TASK = re.compile(r"`([\w.]+)`")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)

Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
TestName = Annotated[str, StringConstraints(pattern=r"^tests/[\w/]+\.py::test_\w+$")]


class Item(BaseModel):
    """One step, note or warning of the guide."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Id
    line: int = Field(ge=1)
    to_line: int | None = None
    title: Text
    kind: Literal["step", "note", "warning"]
    section: Text
    human: Text | None = None
    departure: Text | None = None
    not_applicable: Text | None = None
    partly: Text | None = None
    tests: list[TestName] = []

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.to_line is not None and self.to_line <= self.line:
            raise ValueError(f"{self.id} ends at line {self.to_line} and begins at {self.line}")
        return self

    @property
    def lines(self) -> Lines:
        """Its lines of the guide."""
        return Lines(self.line, self.to_line or self.line)

    @property
    def explained(self) -> bool:
        """The item itself gives a reason why no task needs to do it."""
        return bool(self.human or self.departure or self.not_applicable)


class Items(BaseModel):
    """The file ``include/guide/items.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: list[Item]


def load_items(file: Path | None = None) -> list[Item]:
    """The guide's items.

    :param file: default: ``include/guide/items.yaml``.
    """
    file = file or include_folder() / "guide" / "items.yaml"
    return Items.model_validate(yaml.safe_load(file.read_text())).items


# -- tasks -----------------------------------------------------------------------------------------


class GuideTask(NamedTuple):
    """A task, and the lines of the guide that it names."""

    dag_id: str
    task_id: str
    lines: tuple[Lines, ...]


def reference_text(task: Any) -> str:
    """Lines of the guide that a task names, with their step; empty: the task is not a step of this package.

    :param task: an operator, or a mapped one, which has its class's reference.
    """
    return str(getattr(task, "guide", "") or getattr(getattr(task, "operator_class", None), "guide", "") or "")


def tasks_of(dags: Iterable[Any]) -> list[GuideTask]:
    """Every task of some DAGs with its references, by DAG and then in the order of definition."""
    return [
        GuideTask(dag.dag_id, task.task_id, parse_references(reference_text(task)))
        for dag in sorted(dags, key=lambda each: each.dag_id)
        for task in dag.tasks
    ]


# -- coverage --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Coverage:
    """The items, and the tasks that name their lines."""

    items: Sequence[Item]
    tasks: Sequence[GuideTask]

    @cached_property
    def by_item(self) -> Mapping[str, list[GuideTask]]:
        """Tasks whose reference overlaps an item's lines, by the item's id."""
        return {
            item.id: [task for task in self.tasks if any(lines.overlaps(item.lines) for lines in task.lines)]
            for item in self.items
        }

    def open(self, item: Item) -> bool:
        """No task does the item, and nothing gives a reason."""
        return not self.by_item[item.id] and not item.explained

    def uncovered(self) -> list[str]:
        """Items that are open, one line each."""
        return [f"{item.id} (guide:{item.lines}): {item.title}" for item in self.items if self.open(item)]

    def loose_references(self) -> list[str]:
        """References of tasks that match no item."""
        return [
            f"{task.dag_id}.{task.task_id}: guide:{lines} matches no item"
            for task in self.tasks
            for lines in task.lines
            if not any(lines.overlaps(item.lines) for item in self.items)
        ]

    def disorder(self) -> list[str]:
        """Items that are not in the order of their lines, and ids that are used twice."""
        found = [
            f"{after.id} (guide:{after.lines}) follows {before.id} (guide:{before.lines})"
            for before, after in zip(self.items, self.items[1:], strict=False)
            if after.line < before.line
        ]
        ids = [item.id for item in self.items]
        return found + [
            f"the id {name} is used {ids.count(name)} times" for name in sorted(set(ids)) if ids.count(name) > 1
        ]

    def missing_tests(self, root: Path) -> list[str]:
        """Tests that items name and that do not exist.

        :param root: folder that holds ``tests``.
        """
        known: dict[str, set[str]] = {}
        found = []
        for item in self.items:
            for test in item.tests:
                path, _, name = test.partition("::")
                if name not in known.setdefault(path, functions_of(root / path)):
                    found.append(f"{item.id}: {test} does not exist")
        return found

    def missing_places(self, root: Path) -> list[str]:
        """Human steps that name neither a task nor a section of the documents, or one that does not exist.

        :param root: folder that holds ``docs``.
        """
        known = {task.task_id for task in self.tasks}
        found = []
        for item in self.items:
            if item.human is None:
                continue
            places, tasks = _PLACE.findall(item.human), _TASK.findall(item.human)
            wrong = [f"docs/{page}#{section}" for page, section in places if not has_section(root, page, section)]
            wrong += [task for task in tasks if task not in known]
            if not places and not tasks:
                wrong = ["it names neither a task nor a section"]
            found += [f"{item.id}: {each}" for each in wrong]
        return found


def functions_of(file: Path) -> set[str]:
    """Names of a module's functions; empty when the file does not exist."""
    if not file.is_file():
        return set()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.parse(file.read_text()).body if isinstance(node, kinds)}


def has_section(root: Path, page: str, section: str) -> bool:
    """A page of the documents has this section.

    :param section: its anchor in GitHub's form; empty: the page itself.
    """
    file = root / "docs" / page
    return file.is_file() and (not section or section in map(anchor, _HEADING.findall(file.read_text())))


def anchor(heading: str) -> str:
    """GitHub's anchor for a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


# -- page ------------------------------------------------------------------------------------------

HEAD = """\
# The guide, item by item

Written by `scripts/documents.py` from the task definitions in `dags` and from `include/guide/items.yaml`. **Do not
edit this page.** Change a task's reference (the attribute `guide` of its operator) or the item, then:

```sh
.venv/bin/python scripts/documents.py          # with --check: exit code 1 when a document is stale
```

The guide is Genesys' *Genesys Info Mart Business Continuity Deployment Guide*, release 8.1.4, as PDF (47 pages).
Chapter and page are those of its table of contents; a range, such as 38-39, means that the item is on one of these
pages or extends over them. Each numbered step with its sub-steps, each note and warning and each instruction of a task
summary is an item; the titles are ours.

A task covers an item when both name the same lines of the guide. Other items are *by hand* (people do it; the named
task or section instructs or checks), a *departure* (deliberately done otherwise) or *nothing to do*. A departure may
appear together with tasks: the tasks do the step, but not as printed. Of an item that is *partly* covered the page says
what is left out. An item without any of these is **open**. A task that is taken out of a DAG changes this page, and
`tests/unit/dags/test_tasks.py` names it. Of every item that tasks cover, a unit test fails where these tasks are there
and act on nothing: `scripts/without_tasks.py --all` takes them out, in both ways, and runs the tests.
`tests/unit/test_guide_coverage.py` refuses open items, references that lead nowhere, tests that do not exist, items
whose tasks no unit test runs, and a stale page.

DAG ids are written without `infomart_`, after the tasks that they have in common; `.name` is in the same task group as
the task before it.
"""
_SUMMARY_HEAD = (
    "| section | items | tasks run by a test | tasks, function tested | partly | by hand | departures | nothing to do "
    "| open |\n|---|---|---|---|---|---|---|---|---|"
)
#: Folders of tests that run tasks. The others test a function that a task calls: they pass without the task.
_RUNS = (
    "tests/system/",
    "tests/integration/",
    "tests/unit/operators/",
    "tests/unit/sensors/",
    "tests/unit/readiness/",
)
_TABLE_HEAD = "| chapter | page | item | tasks | by hand, departure, reason | tests |\n|---|---|---|---|---|---|"
_KINDS = {"step": "", "note": "*Note.* ", "warning": "**Warning.** "}


def page(coverage: Coverage) -> str:
    """Text of ``docs/guide-coverage.md``."""
    sections: dict[str, list[Item]] = {}
    for item in coverage.items:
        sections.setdefault(item.section, []).append(item)
    parts = [HEAD, _summary(coverage, sections)]
    for name, items in sections.items():
        rows = [_row(coverage, item) for item in items]
        parts.append("\n".join([f"## {name}", "", _TABLE_HEAD, *rows]) + "\n")
    return "\n".join(parts)


def _summary(coverage: Coverage, sections: Mapping[str, Sequence[Item]]) -> str:
    """Numbers by section; an item counts once, in the first column that fits."""
    rows = [(name, _counts(coverage, items)) for name, items in sections.items()]
    rows.append(("**all**", _counts(coverage, coverage.items)))
    return "\n".join([_SUMMARY_HEAD, *(f"| {name} | {' | '.join(map(str, counts))} |" for name, counts in rows)]) + "\n"


def _counts(coverage: Coverage, items: Sequence[Item]) -> list[int]:
    column = [_column(coverage, item) for item in items]
    return [len(items), *(column.count(number) for number in range(7))]


def _column(coverage: Coverage, item: Item) -> int:
    """Number of the summary's column that an item belongs to."""
    whole = coverage.by_item[item.id] if not item.partly else []
    run = whole and any(test.startswith(_RUNS) for test in item.tests)
    ways = (run, whole, item.partly, item.human, item.departure, item.not_applicable, True)
    return next(number for number, way in enumerate(ways) if way)


def _row(coverage: Coverage, item: Item) -> str:
    tasks = "**open**" if coverage.open(item) else task_cell(coverage.by_item[item.id])
    name = f"`{item.id}` {_KINDS[item.kind]}{item.title}"
    found = places([item.lines])
    chapters = "; ".join(place.chapter for place in found)
    pages = ", ".join(str(page) for place in found for page in place.pages)
    cells = [chapters, pages, name, tasks, _reason_cell(item), _test_cell(item.tests)]
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def task_cell(tasks: Sequence[GuideTask]) -> str:
    """Tasks by the DAGs that have them, such as ``group.a, .b (cutover, return_to_normal)``."""
    dags: dict[str, list[str]] = {}
    for task in tasks:
        dags.setdefault(task.task_id, []).append(task.dag_id.removeprefix("infomart_"))
    together: dict[tuple[str, ...], list[str]] = {}
    for task_id, names in dags.items():
        together.setdefault(tuple(names), []).append(task_id)
    return "<br>".join(f"{_task_names(ids)} ({', '.join(names)})" for names, ids in together.items())


def _task_names(task_ids: Sequence[str]) -> str:
    """Names of tasks, the group only where it changes."""
    shown, before = [], ""
    for task_id in task_ids:
        group, _, name = task_id.rpartition(".")
        shown.append(f"`.{name}`" if group and group == before else f"`{task_id}`")
        before = group
    return ", ".join(shown)


def _reason_cell(item: Item) -> str:
    reasons = (
        ("Partly", item.partly),
        ("By hand", item.human),
        ("Departure", item.departure),
        ("Nothing to do", item.not_applicable),
    )
    return "<br>".join(f"*{what}:* {_PLACE.sub(_link, text)}" for what, text in reasons if text)


def _link(place: re.Match[str]) -> str:
    """A link to a section of another page in the same folder."""
    name, section = place.groups()
    target = f"{name}#{section}" if section else name
    return f"[{target}]({target})"


def _test_cell(tests: Sequence[str]) -> str:
    pairs = [test.split("::") for test in tests]
    return "<br>".join(f"[{name}](../{path})" for path, name in pairs)
