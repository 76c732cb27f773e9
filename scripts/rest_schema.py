"""Write docs/api/infomart-dr.openapi.yaml: what a ticketing system may ask, from the DAG files.

Run with ``.venv/bin/python scripts/rest_schema.py``; with ``--check`` nothing is written, and the exit code is 1 when
the file is stale.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "api" / "infomart-dr.openapi.yaml"


def current() -> str:
    """The document as the DAG files make it now.

    :raises ValueError: a DAG file cannot be imported.
    """
    import yaml
    from airflow.dag_processing.dagbag import DagBag

    from infomart_dr.evidence.rest_schema import document

    bag = DagBag(str(ROOT / "dags"))
    if bag.import_errors:
        raise ValueError(f"DAG files that cannot be imported: {bag.import_errors}")

    class Plain(yaml.SafeDumper):
        """Each part written out, also where two are the same."""

        def ignore_aliases(self, data: object) -> bool:
            return True

    return yaml.dump(document(bag.dags.values()), Dumper=Plain, sort_keys=False, allow_unicode=True, width=110)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the file.

    :param arguments: command line without the program's name.
    :returns: the exit code: 1 for a stale file, 2 for DAG files that cannot be read.
    """
    parser = argparse.ArgumentParser(description="Write the OpenAPI document of the procedures from the DAG files.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when the file is stale")
    parser.add_argument("--file", type=Path, default=FILE, help="another file than docs/api/infomart-dr.openapi.yaml")
    options = parser.parse_args(arguments)
    try:
        text = current()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if options.file.is_file() and options.file.read_text() == text:
        print(f"{options.file} is current")
        return 0
    if options.check:
        print(f"{options.file} is stale: run scripts/rest_schema.py", file=sys.stderr)
        return 1
    options.file.parent.mkdir(parents=True, exist_ok=True)
    options.file.write_text(text)
    print(f"{options.file} is written")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "plugins"))
    # Airflow makes files in its home when it is imported: not in the home of whoever runs this.
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(
            {
                "AIRFLOW_HOME": home,
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            }
        )
        sys.exit(main())
