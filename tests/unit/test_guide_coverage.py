"""Every item of the guide is done by a task, by people, or deliberately not; and the page that says so is current."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from infomart_dr.dagfiles import load_dags
from infomart_dr.guide import Lines
from infomart_dr.preparation import guide_coverage
from infomart_dr.preparation.guide_coverage import Coverage, GuideTask, Item

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def coverage() -> Coverage:
    return Coverage(guide_coverage.load_items(), guide_coverage.tasks_of(load_dags(ROOT / "dags").values()))


def told(what: str, found: list[str]) -> str:
    """One message with all findings."""
    return f"{len(found)} {what}:\n" + "\n".join(found)


# -- the guide, the DAGs and the page ----------------------------------------------------------------


def test_every_item_is_done_by_a_task_or_says_why_not(coverage: Coverage) -> None:
    assert not (found := coverage.uncovered()), told("items of the guide are open", found)


def test_every_item_that_a_task_does_or_checks_names_a_test(coverage: Coverage) -> None:
    done = [item for item in coverage.items if coverage.by_item[item.id] and not item.not_applicable]
    assert [item.id for item in done if not item.tests] == []


def test_every_item_that_tasks_cover_names_a_unit_test_that_runs_one(coverage: Coverage) -> None:
    """scripts/without_tasks.py proves that it fails without them."""
    folders = ("tests/unit/operators/", "tests/unit/sensors/", "tests/unit/readiness/")
    covered = [item for item in coverage.items if coverage.by_item[item.id]]
    assert [item.id for item in covered if not any(test.startswith(folders) for test in item.tests)] == []


def test_every_reference_of_a_task_leads_to_an_item(coverage: Coverage) -> None:
    assert not (found := coverage.loose_references()), told("references lead nowhere", found)


def test_the_items_stand_in_the_guides_order_and_each_id_is_used_once() -> None:
    assert not (found := Coverage(guide_coverage.load_items(), []).disorder()), told("items are out of order", found)


def test_every_test_that_an_item_names_exists() -> None:
    assert not (found := Coverage(guide_coverage.load_items(), []).missing_tests(ROOT)), told(
        "tests do not exist", found
    )


def test_every_human_step_names_a_task_or_a_section_that_exists(coverage: Coverage) -> None:
    assert not (found := coverage.missing_places(ROOT)), told("human steps lead nowhere", found)


def test_the_page_is_what_the_generator_writes(coverage: Coverage) -> None:
    written = (ROOT / "docs" / "guide-coverage.md").read_text()
    assert written == guide_coverage.page(coverage), "run .venv/bin/python scripts/documents.py"


# -- references ------------------------------------------------------------------------------------


def task(task_id: str, guide: str | None = None) -> Any:
    """A task as a DAG has it; without ``guide`` it is not a step of this package."""
    made = SimpleNamespace(task_id=task_id)
    if guide is not None:
        made.guide = guide
    return made


def test_a_mapped_task_has_the_reference_of_its_class() -> None:
    mapped = task("watch")
    mapped.operator_class = SimpleNamespace(guide="guide:251")
    assert guide_coverage.reference_text(mapped) == "guide:251"
    assert guide_coverage.reference_text(task("step", "guide:853")) == "guide:853"
    assert guide_coverage.reference_text(task("silent")) == ""


def test_a_reference_that_a_runbook_gives_to_one_task_counts_for_this_task_only() -> None:
    from infomart_dr.operators.base import StepOperator

    class Start(StepOperator):
        """Start."""

        guide = "guide:885"

    plain, other = Start(task_id="plain"), Start(task_id="other")
    other.guide = "guide:1121"  # type: ignore[misc]
    found = guide_coverage.tasks_of([SimpleNamespace(dag_id="d", tasks=[plain, other])])
    assert [each.lines for each in found] == [((885, 885),), ((1121, 1121),)]


def test_tasks_come_by_dag_and_in_their_order() -> None:
    dags = [SimpleNamespace(dag_id=name, tasks=[task("z"), task("a", "guide:3")]) for name in ("second", "first")]
    assert guide_coverage.tasks_of(dags) == [
        GuideTask("first", "z", ()),
        GuideTask("first", "a", (Lines(3, 3),)),
        GuideTask("second", "z", ()),
        GuideTask("second", "a", (Lines(3, 3),)),
    ]


# -- items -----------------------------------------------------------------------------------------


def item(name: str, line: int, to_line: int | None = None, **more: Any) -> Item:
    """An item with the given fields."""
    given = {"title": f"Do {name}.", "kind": "step", "section": "One"} | more
    return Item(id=name, line=line, to_line=to_line, **given)


def doing(task_id: str, *lines: tuple[int, int], dag_id: str = "infomart_one") -> GuideTask:
    """A task that refers to lines."""
    return GuideTask(dag_id, task_id, tuple(Lines(*each) for each in lines))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Dr-5a"},
        {"name": "dr--5"},
        {"line": 0},
        {"to_line": 10},
        {"to_line": 9},
        {"kind": "rule"},
        {"tests": ["tests/unit/test_sql.py"]},
        {"tests": ["tests/unit/test_sql.py::TestClass"]},
        {"human": ""},
        {"reason": "an unknown field"},
    ],
)
def test_a_wrong_item_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        item(**{"name": "dr-5", "line": 10} | wrong)


def test_items_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "items.yaml"
    file.write_text("items:\n  - {id: dr-1, line: 5, title: Stop., kind: step, section: DR}\n")
    assert [(each.id, each.lines) for each in guide_coverage.load_items(file)] == [("dr-1", (5, 5))]


def test_a_task_covers_every_item_that_shares_a_line_with_its_reference() -> None:
    items = [item("a", 1, 4), item("b", 5), item("c", 6, 9), item("d", 9)]
    coverage = Coverage(items, [doing("x", (4, 5)), doing("y", (9, 9), (1, 1)), doing("z")])
    names = {name: [each.task_id for each in tasks] for name, tasks in coverage.by_item.items()}
    assert names == {"a": ["x", "y"], "b": ["x"], "c": ["y"], "d": ["y"]}
    assert coverage.uncovered() == []


def test_all_open_items_are_reported_at_once() -> None:
    reasons: list[dict[str, str]] = [{"human": "x"}, {"departure": "x"}, {"not_applicable": "x"}]
    explained = [item(f"e{number}", 10 + number, **reason) for number, reason in enumerate(reasons)]
    coverage = Coverage([item("a", 1), item("b", 2, 3), *explained, item("c", 20)], [doing("x", (1, 1))])
    assert coverage.uncovered() == ["b (guide:2-3): Do b.", "c (guide:20): Do c."]


def test_a_reference_into_nowhere_names_its_task() -> None:
    coverage = Coverage([item("a", 1, 4)], [doing("g.x", (4, 9), (5, 6)), doing("y", (2, 2))])
    assert coverage.loose_references() == ["infomart_one.g.x: guide:5-6 matches no item"]


def test_disorder_and_double_ids_are_reported() -> None:
    coverage = Coverage([item("a", 5), item("b", 5), item("c", 4), item("a", 6)], [])
    assert coverage.disorder() == ["c (guide:4) follows b (guide:5)", "the id a is used 2 times"]


def test_a_test_is_found_as_a_function_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text("def test_a(): ...\nasync def test_b(): ...\ntest_c = 1\n# test_d\n")
    named = [f"tests/test_x.py::test_{letter}" for letter in "abcd"] + ["tests/test_y.py::test_a"]
    coverage = Coverage([item("i", 1, tests=named)], [])
    assert coverage.missing_tests(tmp_path) == [f"i: {test} does not exist" for test in named[2:]]


@pytest.mark.parametrize(
    ("human", "expected"),
    [
        ("See docs/by-hand.md#8-golden_gate-11g and `g.ask`.", []),
        ("See docs/by-hand.md", []),
        ("See docs/by-hand.md#9-other", ["i: docs/by-hand.md#9-other"]),
        ("See docs/other.md#x", ["i: docs/other.md#x"]),
        ("`g.answer` asks.", ["i: g.answer"]),
        ("Somebody does it.", ["i: it names neither a task nor a section"]),
    ],
)
def test_a_human_step_leads_somewhere(tmp_path: Path, human: str, expected: list[str]) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "by-hand.md").write_text("# By hand\n\n### 8. `Golden_Gate`, 11g\n")
    coverage = Coverage([item("i", 1, human=human)], [doing("g.ask")])
    assert coverage.missing_places(tmp_path) == expected


# -- page ------------------------------------------------------------------------------------------


def test_tasks_are_shown_once_with_the_dags_that_have_them() -> None:
    both = [doing(name, dag_id=dag) for dag in ("infomart_one", "infomart_two") for name in ("g.a", "g.b", "h.c", "d")]
    cell = guide_coverage.task_cell([*both, doing("g.e", dag_id="infomart_two"), doing("g.f", dag_id="infomart_two")])
    assert cell == "`g.a`, `.b`, `h.c`, `d` (one, two)<br>`g.e`, `.f` (two)"


def test_the_page_has_a_table_a_section_and_an_item_counts_once() -> None:
    items = [
        item("a", 847, 873, departure="Later | never.", tests=["tests/unit/test_sql.py::test_x"]),
        item("b", 889, kind="warning", human="As docs/operating.md#clear says."),
        item("c", 992, 997, section="Three", kind="note", not_applicable="Information."),
        item("d", 1025, section="Two"),
        item("e", 1026, section="Two", tests=["tests/unit/operators/test_x.py::test_x"]),
        item("f", 1027, section="Two", partly="Half of it."),
    ]
    tasks = [doing("g.x", (853, 853)), doing("g.y", (1026, 1026)), doing("g.z", (1027, 1027))]
    text = guide_coverage.page(Coverage(items, tasks))
    assert "scripts/documents.py" in text.partition("## One")[0]
    both = "Setting Up Replication; DR Procedure with Oracle GoldenGate"
    for row in (
        "| One | 2 | 0 | 1 | 0 | 1 | 0 | 0 | 0 |",
        "| Two | 3 | 1 | 0 | 1 | 0 | 0 | 0 | 1 |",
        "| Three | 1 | 0 | 0 | 0 | 0 | 0 | 1 | 0 |",
        "| **all** | 6 | 1 | 1 | 1 | 1 | 0 | 1 | 1 |",
        "| Setting Up Replication | 36-37 | `a` Do a. | `g.x` (one) | *Departure:* Later \\| never. "
        "| [test_x](../tests/unit/test_sql.py) |",
        "| Setting Up Replication | 37 | `b` **Warning.** Do b. |  "
        "| *By hand:* As [operating.md#clear](operating.md#clear) says. |  |",
        f"| {both} | 39, 40 | `c` *Note.* Do c. |  | *Nothing to do:* Information. |  |",
        "| DR Procedure with Oracle GoldenGate | 42 | `d` Do d. | **open** |  |  |",
    ):
        assert row in text.splitlines()
    assert text.index("## One") < text.index("| 37 |") < text.index("## Three") < text.index("| 39, 40 |")
    assert "*Partly:* Half of it." in text
    assert text.endswith("|\n")
