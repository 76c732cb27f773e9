"""The scan for secrets finds a planted one, so a clean result of a run has a meaning."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.system import secrets_scan

from infomart_lab import airflow_part
from infomart_lab import config as lab_config

SECRET = "planted-7d1f0c6a"


@pytest.fixture
def lab(tmp_path: Path) -> lab_config.LabConfig:
    return lab_config.create(tmp_path / "lab", base_port=27000)


def test_a_secret_in_a_log_is_found_and_the_lab_s_own_file_is_not_reported(lab: lab_config.LabConfig) -> None:
    password = lab.password("site2", "SYSTEM")
    assert secrets_scan.in_files(lab, [password]) == []
    log = lab.home / "site2" / "db" / ".infomart_dr" / "jobs" / "x" / "log"
    log.parent.mkdir(parents=True)
    log.write_text(f"Password: {password}\n")
    assert secrets_scan.in_files(lab, [password]) == ["site2/db/.infomart_dr/jobs/x/log"]


def test_a_secret_in_a_command_line_is_found() -> None:
    looking = secrets_scan.ProcessList([SECRET])
    looking.start()
    program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(20)", SECRET])
    try:
        deadline = time.monotonic() + 10
        while not looking.found and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        program.kill()
        program.wait()
        looking.stop()
    assert any(SECRET in line for line in looking.found)


@pytest.mark.parametrize("table", ["xcom", "rendered_task_instance_fields", "dag_run"])
def test_a_secret_in_airflow_s_database_is_found(lab: lab_config.LabConfig, table: str) -> None:
    airflow_part.home(lab).mkdir(parents=True)
    with sqlite3.connect(airflow_part.home(lab) / "airflow.db") as connection:
        connection.execute(f"create table {table} (value text)")
        assert secrets_scan.in_database(lab, [SECRET]) == []
        connection.execute(f"insert into {table} values (?)", [f'{{"p": "{SECRET}"}}'])
        connection.commit()
        assert secrets_scan.in_database(lab, [SECRET]) == [table]
