"""Reading the DAG files outside of a running Airflow, without its database and without its configuration."""

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
    raise PermanentError(f"There are no DAG files beside {here}.", "Reinstall the package, or check the checkout.")


@contextmanager
def quiet_airflow() -> Iterator[None]:
    """Inside, Airflow uses a temporary home: importing it creates files there and reads settings from there.

    An Airflow that is already imported stays unchanged.
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
            # The settings of the machine's own Airflow may name files and programs that only that Airflow can read.
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
    """The DAGs of a folder's files, or of one file, by id.

    :raises PermanentError: a file cannot be imported; its tasks would be missing.
    """
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(folder))
    if bag.import_errors:
        what = "\n".join(f"{file}: {error}" for file, error in sorted(bag.import_errors.items()))
        raise PermanentError(f"DAG files in {folder} cannot be imported:\n{what}", "Correct these files first.")
    return bag.dags
