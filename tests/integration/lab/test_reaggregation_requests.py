"""The stand-in for RAA's java program writes requests into a real database."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from infomart_lab import config as lab_config
from infomart_lab import host, shims
from infomart_lab.config import LabConfig
from infomart_lab.postgres import Cluster, connect

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, base_port: int) -> Iterator[LabConfig]:
    config = lab_config.create(tmp_path_factory.mktemp("raa") / "lab", base_port=base_port)
    shims.write(config, "site2")
    cluster = Cluster(config, "site2")
    cluster.start()
    try:
        with connect(config, "site2", "postgres") as conn:
            conn.execute("create database gim")
        with connect(config, "site2") as conn:
            conn.execute("create schema gim")
            conn.execute("create table gim.date_time (date_time_key bigint, label_yyyy_mm_dd text)")
            conn.execute("insert into gim.date_time values (1, '2026-11-01'), (2, '2026-11-02')")
            conn.execute("create table gim.agr_pending_request (from_ts bigint, to_ts bigint)")
        yield config
    finally:
        cluster.stop()


def java(config: LabConfig, *arguments: str) -> tuple[int, str]:
    """Run java over an argument file as the product does; exit code and both streams."""
    quoted = "\n".join('"' + argument.replace("\\", "\\\\").replace('"', '\\"') + '"' for argument in arguments)
    (config.home / "args").write_text(quoted)
    done = subprocess.run(
        [str(config.bin_dir("site2", "gim") / "java"), f"@{config.home / 'args'}"],
        cwd=config.server_root("site2"),
        env=host.environment(config, "site2", "gim"),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.returncode, done.stdout + done.stderr


def login(config: LabConfig, password: str | None = None) -> list[str]:
    return [
        *("-jar", "agg/GIMAgg.jar", "-user=GIM", f"-pass={password or config.password('site2', 'GIM')}"),
        f"-jdbcurl=jdbc:oracle:thin:@127.0.0.1:{config.port('site2', 'oracle')}/GIM2",
    ]


def requests(config: LabConfig) -> list[tuple[int, int]]:
    with connect(config, "site2") as conn:
        return conn.execute("delete from gim.agr_pending_request returning from_ts, to_ts").fetchall()


def test_labels_become_whole_days_in_utc(lab: LabConfig) -> None:
    code, shown = java(lab, *login(lab), "-insertPendingAgg", "ALLSETS:2026-11-01:2026-11-02")
    assert (code, "inserted" in shown) == (0, True)
    assert lab.password("site2", "GIM") not in shown
    assert requests(lab) == [(1793491200, 1793664000)]


def test_seconds_are_taken_as_they_are(lab: LabConfig) -> None:
    interval = "ALLTENANTS:ALLSETS:1793491200:1793495000"
    assert java(lab, *login(lab), "-insertPendingAggRaw", interval)[0] == 0
    assert requests(lab) == [(1793491200, 1793495000)]


@pytest.mark.parametrize(
    ("interval", "reason"),
    [
        ("ALLSETS:2026-11-01:2026-11-09", "no DATE_TIME label 2026-11-09"),
        ("ALLSETS:2026-11-02:2026-11-01", "interval is empty"),
    ],
)
def test_a_wrong_interval_writes_nothing(lab: LabConfig, interval: str, reason: str) -> None:
    code, shown = java(lab, *login(lab), "-insertPendingAgg", interval)
    assert code == 1
    assert reason in shown
    assert "Exception" in shown
    assert requests(lab) == []


def test_a_wrong_password_is_oracles_error(lab: LabConfig) -> None:
    code, shown = java(lab, *login(lab, "wr ong"), "-insertPendingAgg", "ALLSETS:2026-11-01:2026-11-02")
    assert (code, "ORA-01017" in shown, "wr ong" in shown) == (1, True, False)


def test_another_program_goes_to_the_real_java(lab: LabConfig) -> None:
    assert java(lab, "-jar", "other.jar")[0] != 0
