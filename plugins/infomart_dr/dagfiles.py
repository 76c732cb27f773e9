"""The DAG files, read outside of a running Airflow: no database, no configuration of the machine's own Airflow."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from infomart_dr.errors import PermanentError


@cache
def dags_folder() -> Path:
    """The folder ``dags``: beside ``plugins`` in a checkout, inside the package when installed.

    :raises PermanentError: there is none.
    """
    here = Path(__file__).resolve().parent
    for folder in (here / "dags", here.parents[1] / "dags"):
        if any(folder.glob("infomart_*.py")):
            return folder
    raise PermanentError(f"No DAG files beside {here}.", "Install the package again, or check the checkout.")


@contextmanager
def quiet_airflow() -> Iterator[None]:
    """Import Airflow inside: it makes files in its home and reads its settings there, which are nobody's then.

    An Airflow that is imported already stays as it is.
    """
    with tempfile.TemporaryDirectory(prefix="infomart-dr-") as home:
        settings = {
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(Path(home) / "plugins"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/none.db",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }
        before = dict(os.environ)
        for name in before:
            # The settings of a machine's own Airflow may name files and programs that only it can read.
            if name.startswith("AIRFLOW__"):
                del os.environ[name]
        os.environ.update(settings)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def load_dags(folder: Path) -> dict[str, Any]:
    """The DAGs of the files in a folder, or of one file, by id.

    :raises PermanentError: a file cannot be imported, so that its tasks would be missing.
    """
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(folder))
    if bag.import_errors:
        what = "\n".join(f"{file}: {error}" for file, error in sorted(bag.import_errors.items()))
        raise PermanentError(f"DAG files in {folder} cannot be imported:\n{what}", "Correct them first.")
    return bag.dags
