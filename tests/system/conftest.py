"""A whole lab for a test module: three sites on loopback. It always ends with the module."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from infomart_lab import config as lab_config
from infomart_lab import lca, supervisor
from infomart_lab.audit import AuditResult, audit
from infomart_lab.icon import set_load
from tests import ports


def start(config: lab_config.LabConfig, *, airflow_port: int | None = None, seconds: float = 300) -> None:
    """Start a lab that ends with this process."""
    guardian = supervisor.launch(config, airflow_port=airflow_port, owner_pid=os.getpid())
    deadline = time.monotonic() + seconds
    while True:
        assert guardian.poll() is None, (config.log_dir / "supervisor.log").read_text()[-3000:]
        try:
            answer = supervisor.request(config, "status", timeout=10)
        except supervisor.LabError:
            answer = {}
        if answer.get("state") == "up":
            return
        assert not answer.get("error"), answer["error"]
        assert time.monotonic() < deadline, answer
        time.sleep(0.5)


@contextmanager
def running(home: Path, *, airflow_port: int | None = None, **asked: Any) -> Iterator[lab_config.LabConfig]:
    """A new lab that is always ended.

    :param asked: for ``config.create``.
    """
    config = lab_config.create(home, **asked)
    try:
        start(config, airflow_port=airflow_port)
        yield config
    finally:
        supervisor.shut_down(config)


@pytest.fixture(scope="module")
def airflow_port(base_port: int) -> int:
    """Port of the Airflow of the module's lab."""
    return base_port + ports.AIRFLOW


@pytest.fixture(scope="module")
def lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, base_port: int, airflow_port: int
) -> Iterator[lab_config.LabConfig]:
    """The lab at the beginning of a return to normal; the module may set AIRFLOW (one runs beside it), SCALE, RATE,
    SCENARIO, SITES, DATA_SOURCES, PARTITIONED and REAL_SSH."""
    home = tmp_path_factory.mktemp("lab")
    module = request.module
    asked = {
        "sites": "SITES",
        "data_sources": "DATA_SOURCES",
        "scenario_name": "SCENARIO",
        "partitioned": "PARTITIONED",
        "real_ssh": "REAL_SSH",
    }
    with running(
        home,
        airflow_port=airflow_port if getattr(module, "AIRFLOW", False) else None,
        base_port=base_port,
        scale=getattr(module, "SCALE", 1000),
        rate=getattr(module, "RATE", 10.0),
        **{name: getattr(module, attribute) for name, attribute in asked.items() if hasattr(module, attribute)},
    ) as config:
        yield config


def change_topology(change: Callable[[dict[str, Any]], None]) -> None:
    """Change the topology file that the procedures read; ``connections`` of the driver writes it again."""
    file = Path(os.environ["INFOMART_DR_TOPOLOGY"])
    document = yaml.safe_load(file.read_text())
    change(document)
    file.write_text(yaml.safe_dump(document, sort_keys=False))


@pytest.fixture
def serves(lab: lab_config.LabConfig) -> Callable[[str], bool]:
    """True when the Info Mart Server of a site runs, by LCA itself."""
    return lambda site: lca.status(lab, site) == "Running"


def judge(config: lab_config.LabConfig, *sites: str, seconds: float = 120) -> dict[str, AuditResult]:
    """End the calls, wait until everything has arrived, audit."""
    rate = lab_config.load(config.home).rate
    set_load(config, 0)
    try:
        deadline = time.monotonic() + seconds
        return {site: audit(config, site, wait=max(deadline - time.monotonic(), 5)) for site in sites}
    finally:
        set_load(config, rate)


def assert_clean(audits: dict[str, AuditResult]) -> None:
    """Missing 0, duplicated 0, extra 0, pending 0."""
    for site, result in audits.items():
        found = (result.missing, result.duplicated, result.extra, result.pending)
        assert found == (0, 0, 0, 0), f"{site}: {result}"
        assert result.calls_written > 0


def damage(config: lab_config.LabConfig, site: str) -> str:
    """Turn bytes in the middle of a site's first dump file, its size and time unchanged.

    :return: name of the file.
    """
    file = sorted(config.dump_dir(site).glob("*.dmp"))[0]
    before = file.stat()
    with file.open("r+b") as stream:
        stream.seek(before.st_size // 2)
        there = stream.read(16)
        stream.seek(before.st_size // 2)
        stream.write(bytes(byte ^ 0xFF for byte in there))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    return file.name
