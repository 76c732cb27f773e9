"""Write docs/guide-coverage.md: which step of the guide each task does.

Run with ``.venv/bin/python scripts/guide_coverage.py``; with ``--check`` nothing is written, and the exit code is 1
when the page is stale.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "guide-coverage.md"


def current_page() -> str:
    """The page as the DAG files and the items make it now."""
    from infomart_dr.evidence.guide_coverage import Coverage, load_items, load_tasks, page

    return page(Coverage(load_items(), load_tasks(ROOT / "dags")))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the page.

    :param arguments: command line without the program's name.
    :returns: the exit code: 1 for a stale page, 2 for DAG files or items that cannot be read.
    """
    parser = argparse.ArgumentParser(description="Write docs/guide-coverage.md from the DAGs and the guide's items.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when the page is stale")
    parser.add_argument("--page", type=Path, default=PAGE, help="another file than docs/guide-coverage.md")
    options = parser.parse_args(arguments)
    from infomart_dr.errors import InfoMartError

    try:
        text = current_page()
    except (InfoMartError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.page.is_file() and options.page.read_text() == text:
        print(f"{options.page} is current")
        return 0
    if options.check:
        print(f"{options.page} is stale: run scripts/guide_coverage.py", file=sys.stderr)
        return 1
    options.page.write_text(text)
    print(f"{options.page} is written")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "plugins"))
    from infomart_dr.dagfiles import quiet_airflow

    with quiet_airflow():
        sys.exit(main())
