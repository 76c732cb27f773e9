"""The links of the documents lead somewhere, and their commands can be parsed."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

from infomart_dr import cli
from infomart_dr.topology import CommandJob, CronJob, DbmsJob, SchedulerJob
from infomart_lab import cli as lab_cli
from infomart_lab.config import Site

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), ROOT / "tests" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def code(page: Path) -> list[str]:
    """Lines of a page's blocks of shell, and its inline code, which may go on in the next line of the page."""
    text = page.read_text()
    block = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
    lines = [line for kind, body in block.findall(text) if kind == "sh" for line in body.splitlines()]
    return [*lines, *(" ".join(words.split()) for words in re.findall(r"`([^`]+)`", block.sub("", text)))]


def parse(program: str, words: list[str]) -> None:
    """Parse a command line and run nothing.

    :raises click.ClickException: a word is wrong.
    """
    group = get_command({"infomart-dr": cli.app, "infomart_lab": lab_cli.app}[program])
    with group.make_context(program, words, resilient_parsing=words == ["--help"]) as context:
        if words and words != ["--help"]:
            name, command, rest = group.resolve_command(context, words)  # type: ignore[attr-defined]
            command.make_context(name, rest, parent=context)


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


#: The list of changes names commands that no longer exist.
@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_exists_with_its_options(page: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in code(page):
        if found := re.search(r"(?:^|[/ ])(infomart-dr|infomart_lab) (?!/)(.*)", line):
            parse(found[1], shlex.split(found[2].partition(" > ")[0], comments=True))
        elif (found := re.match(r"make ([a-z-]+)", line)) and found[1] != "sites":
            assert found[1] in targets, line


def test_the_rehearsals_of_the_lab_can_be_typed() -> None:
    rehearsals = section("lab.md", "## Faults").partition("Rehearse a return")[2]
    verbs = get_command(lab_cli.app).commands  # type: ignore[attr-defined]
    lines = [line for line in re.findall(r"`([^`]+)`", rehearsals) if line.split()[0] in verbs and " " in line]
    assert len(lines) > 10
    for line in lines:
        parse("infomart_lab", shlex.split(line))


def test_the_verbs_of_the_lab_are_those_of_its_page() -> None:
    listed = re.findall(r"^- `(.+?)`(?:, `(.+?)`)?:", section("lab.md", "## Commands"), re.MULTILINE)
    named = {verb.split()[0] for pair in listed for verb in pair if verb and not verb.startswith("-")}
    assert named == set(get_command(lab_cli.app).commands)  # type: ignore[attr-defined]


def test_the_options_of_a_labs_start_are_those_of_its_page() -> None:
    listed = re.findall(r"^- (`--.+?):", section("lab.md", "## Commands"), re.MULTILINE)
    parameters = get_command(lab_cli.app).commands["up"].params  # type: ignore[attr-defined]
    options = {option for parameter in parameters for option in parameter.opts} - {"--home", "--json"}
    assert {option for line in listed for option in re.findall(r"--[a-z-]+", line)} == options


def test_the_page_of_the_lab_has_each_setting_of_a_site() -> None:
    by_an_option_or_a_scenario = {
        *("name", "goldengate", "data_pump", "autostart", "pdb"),
        *("present", "server_running", "info_mart"),
    }
    rows = set(re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", section("lab.md", "## Commands"), re.MULTILINE))
    assert rows == {field.name for field in fields(Site)} - by_an_option_or_a_scenario


def test_the_page_of_the_lab_has_the_settings_of_a_database() -> None:
    catalog = resources.files("infomart_lab.oracle").joinpath("catalog.sql").read_text()
    page = (ROOT / "docs" / "lab.md").read_text()
    no_parameters = re.search(r"VIEW sys\.v\$parameter AS.*?NOT IN \((.*?)\);", catalog, re.DOTALL)
    assert no_parameters
    (row,) = [line for line in page.splitlines() if line.startswith("| `lab_parameters`")]
    assert set(re.findall(r"'(\w+)'", no_parameters[1])) <= set(re.findall(r"`(\w+)`", row))
    tables = set(re.findall(r"CREATE TABLE IF NOT EXISTS sys\.(\w+)", catalog))
    assert set(re.findall(r"`(?:sys\.)?(lab_\w+)`", page)) <= tables
