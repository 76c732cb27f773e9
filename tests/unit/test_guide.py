"""Lines of the guide are for programs; people read chapter and page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from infomart_dr import guide
from infomart_dr.dagfiles import load_dags
from infomart_dr.errors import PermanentError
from infomart_dr.guide import Lines, load_guide, parse_references, places, readable
from infomart_dr.preparation.guide_coverage import load_items

ROOT = Path(__file__).resolve().parents[2]
ANCHOR = re.compile(r"guide:\d")
PAGES = [
    *sorted(ROOT.glob("*.md")),
    ROOT / "tests" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "docs").rglob("*.yaml")),
]
CODE = [
    file
    for folder, kinds in (("plugins", ["py"]), ("dags", ["py"]), ("include", ["yaml", "sql", "j2"]))
    for kind in kinds
    for file in sorted((ROOT / folder).rglob(f"*.{kind}"))
]


@pytest.fixture(scope="module")
def dags() -> dict[str, Any]:
    return load_dags(ROOT / "dags")


# -- what people read --------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_document_names_a_line_that_its_reader_has_not(page: Path) -> None:
    assert [line for line in page.read_text().splitlines() if ANCHOR.search(line)] == []


def test_no_page_of_a_dag_or_a_task_names_a_line(dags: dict[str, Any]) -> None:
    tasks = {f"{dag_id}.{task.task_id}": task.doc_md or "" for dag_id, dag in dags.items() for task in dag.tasks}
    shown = tasks | {dag_id: dag.doc_md or "" for dag_id, dag in dags.items()}
    assert [name for name, text in shown.items() if ANCHOR.search(text)] == []
    assert any("**Guide:** Database Transfer 3, 4 (Setting Up Replication, p. 37)" in text for text in tasks.values())


def test_no_parameter_file_names_a_line() -> None:
    assert [file.name for file in CODE if file.suffix == ".j2" and ANCHOR.search(file.read_text())] == []


def written_pages(text: str) -> Iterator[tuple[guide.Chapter, Lines]]:
    """Pages that a text names directly after a chapter's title."""
    text = " ".join(text.split())
    for chapter in load_guide().chapters:
        for named in re.findall(rf"{re.escape(chapter.title)}\*?,? \(?pp?\. (\d[\d, -]*)", text):
            for first, last in re.findall(r"(\d+)(?:-(\d+))?", named):
                yield chapter, Lines(int(first), int(last or first))


@pytest.mark.parametrize("file", [*PAGES, *CODE], ids=lambda file: str(file.relative_to(ROOT)))
def test_a_page_that_is_written_by_hand_is_one_of_its_chapter(file: Path) -> None:
    for chapter, pages in written_pages(file.read_text()):
        assert chapter.parts[0].page.first <= pages.first <= pages.last <= chapter.parts[-1].page.last, chapter.title


def test_a_page_beyond_its_chapter_would_be_found() -> None:
    text = "*Setting Up\nReplication* (pp. 29-39); Setting Up Replication, pp. 30, 41-42."
    assert [pages for _, pages in written_pages(text)] == [(29, 39), (30, 30), (41, 42)]


# -- anchors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", CODE, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_anchor_has_a_chapter_and_a_page(file: Path) -> None:
    for lines in parse_references(file.read_text()):
        assert places([lines])


def test_every_item_has_a_chapter_and_a_page() -> None:
    assert all(places([item.lines]) for item in load_items())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Return to Normal 7 (guide:1108)", [(1108, 1108)]),
        ("Database Transfer 3, 4 (guide:869-880)", [(869, 880)]),
        ("DR 10a (guide:1053-1057); Return to Normal 19a (guide:1127)", [(1053, 1057), (1127, 1127)]),
        ("guide:891-899, guide:929", [(891, 899), (929, 929)]),
        ("not in the guide; see 853", []),
        ("misguide:1", []),
        ("", []),
    ],
)
def test_lines_are_read_from_a_text(text: str, expected: list[tuple[int, int]]) -> None:
    assert parse_references(text) == tuple(Lines(*each) for each in expected)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(PermanentError, match="guide:877-869"):
        parse_references("guide:877-869")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Database Transfer 3, 4 (guide:869-883)", "Database Transfer 3, 4 (Setting Up Replication, p. 37)"),
        ("Guide: *Setting Up Replication* (guide:555-994).", "Guide: *Setting Up Replication* (pp. 29-39)."),
        ("*Setting Up\nReplication* (guide:555-994).", "*Setting Up\nReplication* (pp. 29-39)."),
        (
            "Configure (guide:435-551, guide:599-813)",
            "Configure (Info Mart Database Replication, pp. 25-28; Setting Up Replication, pp. 30-35)",
        ),
        (
            "DR 10a (guide:1053-1057, guide:1064); Return to Normal 19a (guide:1127-1147, guide:1153)",
            "DR 10a (DR Procedure with Oracle GoldenGate, p. 43); Return to Normal 19a (pp. 45-46)",
        ),
        ("START REPLICAT (guide:961-963)", "START REPLICAT (Setting Up Replication, pp. 38-39)"),
        ("clear (guide:628, guide:763, guide:785)", "clear (Setting Up Replication, pp. 31, 34-35)"),
        ("not in the guide", "not in the guide"),
    ],
)
def test_people_read_chapter_and_page(text: str, expected: str) -> None:
    assert readable(text) == expected


def test_lines_that_are_on_no_page_are_refused() -> None:
    with pytest.raises(PermanentError, match="guide:9999 is on no page"):
        readable("see guide:9999")


# -- the table ---------------------------------------------------------------------------------------


def test_the_table_is_the_pdfs_table_of_contents_and_has_every_page_once() -> None:
    table = load_guide()
    assert {chapter.title: chapter.parts[0].page.first for chapter in table.chapters} == {
        "Genesys Info Mart Business Continuity Deployment Guide": 3,
        "Genesys Info Mart Support for Business Continuity": 4,
        "Architecture": 5,
        "Operation Modes": 10,
        "Potential Data Loss": 15,
        "Disaster Recovery with Active Genesys Info Mart": 18,
        "Setting Up Active-Active Genesys Info Mart Instances": 19,
        "DR Procedure with Active Info Mart": 21,
        "Disaster Recovery with Oracle GoldenGate": 24,
        "Info Mart Database Replication": 25,
        "Setting Up Replication": 29,
        "DR Procedure with Oracle GoldenGate": 40,
        "Change History": 47,
    }
    pages = [
        page
        for chapter in table.chapters
        for page in range(chapter.parts[0].page.first, chapter.parts[-1].page.last + 1)
    ]
    assert pages == list(range(3, table.pages + 1))


@pytest.mark.parametrize(
    "parts",
    [
        "{lines: 1-4, page: 3}, {lines: 4-5, page: 3}",
        "{lines: 1-4, page: 3}, {lines: 5-6, page: 2}",
        "{lines: 4-1, page: 3}",
        "{lines: 1-4, page: three}",
        "{lines: 1-4, page: 5}",
    ],
)
def test_a_table_that_contradicts_itself_is_refused(tmp_path: Path, parts: str) -> None:
    file = tmp_path / "pages.yaml"
    file.write_text(f"document: D\nrelease: '1'\npages: 4\nchapters:\n  - {{title: One, parts: [{parts}]}}\n")
    with pytest.raises(ValidationError):
        load_guide(file)
