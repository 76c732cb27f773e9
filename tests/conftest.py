"""Airflow's settings for the tests, set before Airflow is imported."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import ports, scheduling

ROOT = Path(__file__).resolve().parents[1]
_HOME = tempfile.mkdtemp(prefix="infomart-dr-airflow-")
atexit.register(shutil.rmtree, _HOME, True)

os.environ.update(
    {
        "AIRFLOW_HOME": _HOME,
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "True",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__API_AUTH__JWT_SECRET": "not a secret: tests only",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_HOME}/airflow.db",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
)
for name in ("INFOMART_DR_TOPOLOGY", "INFOMART_LAB_HOME", "INFOMART_LAB_HOST"):
    os.environ.pop(name, None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-durations", action="store_true", help="Write into tests/durations.json.")
    parser.addoption("--deadline", type=float, help="Seconds since the epoch; tests that would end later are left out.")


def pytest_configure(config: pytest.Config) -> None:
    worker = hasattr(config, "workerinput")
    if config.getoption("--record-durations") and not worker:
        config.pluginmanager.register(scheduling.Recorder())
    if moment := config.getoption("--deadline"):
        config.pluginmanager.register(scheduling.Deadline(moment))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> scheduling.LongestFirst | None:
    return scheduling.LongestFirst(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="module")
def base_port() -> Iterator[int]:
    """First port of the module's own block; ``ports.AIRFLOW`` and the like are offsets in it."""
    with ports.block() as first:
        yield first
