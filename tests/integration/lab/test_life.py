"""Processes of the lab end with the supervisor, and end in order on SIGTERM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infomart_lab import config as lab_config
from infomart_lab import life
from infomart_lab.config import LabConfig

pytestmark = [pytest.mark.lab, pytest.mark.timeout(60)]

LAB = str(Path(__file__).resolve().parents[3] / "lab")
FOLLOWER = """
import sys, time
from infomart_lab import config, life
life.follow_supervisor(config.load(), poll_seconds=0.1)
print("follows", flush=True)
time.sleep(60)
"""


@pytest.fixture
def config(tmp_path: Path, base_port: int) -> LabConfig:
    config = lab_config.create(tmp_path, base_port=base_port)
    config.run_dir.mkdir()
    return config


@pytest.fixture
def supervisor(config: LabConfig) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    life.supervisor_file(config).write_text(str(process.pid))
    yield process
    process.kill()
    process.wait()


def start(config: LabConfig, code: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": LAB, lab_config.HOME_VARIABLE: str(config.home)}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


@pytest.mark.parametrize("end", ["killed", "file removed", "another supervisor"])
def test_a_process_ends_when_its_supervisor_is_gone(
    config: LabConfig, supervisor: subprocess.Popen[bytes], end: str
) -> None:
    follower = start(config, FOLLOWER)
    time.sleep(0.4)
    assert follower.poll() is None
    if end == "killed":
        # Not waited for: a zombie counts as gone.
        supervisor.kill()
    elif end == "file removed":
        life.supervisor_file(config).unlink()
    else:
        life.supervisor_file(config).write_text(str(os.getpid()))
    assert follower.wait(10) == 0


def test_a_trial_without_supervisor_goes_on(config: LabConfig) -> None:
    follower = start(config, FOLLOWER)
    time.sleep(0.5)
    assert follower.poll() is None
    follower.kill()
    follower.wait()


def test_sigterm_sets_the_stop_event(config: LabConfig) -> None:
    code = """
from infomart_lab import life
stop = life.stop_event()
print("waits", flush=True)
raise SystemExit(7 if stop.wait(30) else 1)
"""
    process = start(config, code)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 7
