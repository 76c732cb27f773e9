"""Generate documents from the code: docs/guide-coverage.md, the REST contract, the lists of facts and checks.

Run with ``.venv/bin/python scripts/documents.py``; with ``--check`` nothing is written, and the exit code is 1 when a
document is stale.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def guide_coverage(dags: Mapping[str, Any]) -> str:
    """Coverage of the guide: its steps, with the task that does each."""
    from infomart_dr.preparation.guide_coverage import Coverage, load_items, page, tasks_of

    return page(Coverage(load_items(), tasks_of(dags.values())))


def openapi(dags: Mapping[str, Any]) -> str:
    """Contract of the REST calls of a ticketing system."""
    from infomart_dr.preparation import rest_schema

    return rest_schema.text(dags.values())


def facts(dags: Mapping[str, Any]) -> str:
    """The facts that a plan remembers."""
    from infomart_dr.preparation.fact_list import list_of_facts

    return list_of_facts()


def checks(dags: Mapping[str, Any]) -> str:
    """The checks of readiness."""
    from infomart_dr.readiness.procedures import list_of_checks

    return list_of_checks()


def clear(dags: Mapping[str, Any]) -> str:
    """What to clear after a failure."""
    from infomart_dr.preparation.clear_list import list_to_clear

    return list_to_clear(dags.values())


#: Functions that make the documents, by their path below ``docs``.
DOCUMENTS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "guide-coverage.md": guide_coverage,
    "api/infomart-dr.openapi.yaml": openapi,
}
#: Functions that make the generated parts of documents, by document and name of the marks.
TABLES: dict[tuple[str, str], Callable[[Mapping[str, Any]], str]] = {
    ("operating.md", "facts"): facts,
    ("operating.md", "clear"): clear,
    ("readiness.md", "checks"): checks,
}


def with_table(text: str, name: str, table: str) -> str:
    """A document with a table between its marks.

    :raises ValueError: the document has no such marks.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    if begin not in text or end not in text:
        raise ValueError(f"a document lacks the marks {begin.strip()} and {end}")
    return text[: text.index(begin) + len(begin)] + table + text[text.index(end) :]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the documents.

    :param arguments: command line without the program's name.
    :returns: the exit code: 1 for a stale document, 2 for DAG files or items that cannot be read.
    """
    parser = argparse.ArgumentParser(description="Generate the documents from the DAG files.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when a document is stale")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="another folder than docs")
    options = parser.parse_args(arguments)
    from infomart_dr.dagfiles import load_dags
    from infomart_dr.errors import InfoMartError

    try:
        dags = load_dags(ROOT / "dags")
        texts = {options.docs / name: make(dags) for name, make in DOCUMENTS.items()}
        for (name, table), make in TABLES.items():
            page = options.docs / name
            if not page.is_file() and options.docs != ROOT / "docs":
                continue
            texts[page] = with_table(texts.get(page) or page.read_text(), table, make(dags))
    except (InfoMartError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    stale = [file for file, text in texts.items() if not file.is_file() or file.read_text() != text]
    for file in stale:
        if options.check:
            print(f"{file} is stale: run scripts/documents.py", file=sys.stderr)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(texts[file])
            print(f"{file} is written")
    if not stale:
        print("all documents are current")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "plugins"))
    from infomart_dr.dagfiles import quiet_airflow

    with quiet_airflow():
        sys.exit(main())
