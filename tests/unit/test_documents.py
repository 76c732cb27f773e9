"""The links of the documents are valid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from infomart_dr.topology import CommandJob, CronJob, DbmsJob, SchedulerJob

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), ROOT / "tests" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def section(page: str, heading: str) -> str:
    """Text below a heading of a document, up to the next one of its level."""
    text = (ROOT / "docs" / page).read_text().partition(f"\n{heading}\n")[2]
    return text.partition(f"\n{heading.split()[0]} ")[0]


def test_what_runs_before_anybody_unpauses_it_is_named_for_the_first_and_for_the_spare_airflow() -> None:
    running = [
        path.stem for path in (ROOT / "dags").glob("*.py") if "is_paused_upon_creation=False" in path.read_text()
    ]
    assert running
    for heading in ("## Where Airflow stands", "## The Compose file"):
        assert all(f"`{name}`" in section("deployment.md", heading) for name in running), heading


def test_the_table_of_ports_has_the_hosts_of_every_kind_of_purge_job() -> None:
    by_ssh = [kind for kind in (SchedulerJob, DbmsJob, CronJob, CommandJob) if "host" in kind.model_fields]
    names = [get_args(kind.model_fields["mechanism"].annotation)[0] for kind in by_ssh]
    assert names == ["cron", "command"]
    rows = [line for line in section("deployment.md", "## Network ports").splitlines() if "| 22 |" in line]
    assert [line for line in rows if all(f"`{name}`" in line for name in names)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    wrong = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            wrong.append(link)
    assert wrong == []
