"""The supervisor leaves no process behind, whatever ends it, and fails a site as a whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waiting import wait_for

from infomart_lab import config as lab_config
from infomart_lab import procs, supervisor
from infomart_lab.config import LabConfig, Site
from infomart_lab.parts import Part, StartError
from infomart_lab.supervisor import Supervisor

pytestmark = pytest.mark.lab

LAB = str(Path(supervisor.__file__).resolve().parents[1])


def cli(*arguments: object) -> tuple[int, dict]:
    done = subprocess.run(
        [sys.executable, "-m", "infomart_lab", *map(str, arguments), "--json"],
        env={**os.environ, "PYTHONPATH": LAB},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, json.loads(done.stdout or "{}")


@pytest.fixture
def lab(tmp_path: Path, base_port: int) -> Iterator[LabConfig]:
    """A lab whose sites are all absent: only the links run."""
    config = lab_config.create(
        tmp_path / "lab",
        base_port=base_port,
        sites={name: Site(name=name, present=False) for name in lab_config.SITES},
    )
    yield config
    supervisor.shut_down(config)
    assert procs.lab_processes(config.home) == []


def test_up_status_second_up_and_down_leave_nothing(lab: LabConfig) -> None:
    code, state = cli("up", "--home", lab.home)
    assert (code, state["state"]) == (0, "up")
    assert state["parts"]["links"]["state"] == "ready"
    assert len(procs.lab_processes(lab.home)) == 3  # guardian, supervisor, links
    code, again = cli("up", "--home", lab.home)
    assert (code, again["supervisor"]) == (0, state["supervisor"])
    assert cli("destroy", "--home", lab.home)[0] == 1
    assert cli("status", "--home", lab.home)[0] == 0
    assert cli("part", "kill", "links", "--home", lab.home)[0] == 0
    code, dead = cli("status", "--home", lab.home)
    assert (code, dead["parts"]["links"]["state"]) == (1, "died")
    assert cli("down", "--home", lab.home) == (0, {"state": "down", "was_running": True})
    assert procs.lab_processes(lab.home) == []
    assert cli("down", "--home", lab.home) == (0, {"state": "down", "was_running": False})


@pytest.mark.parametrize("victim", ["supervisor", "guardian"])
def test_a_killed_supervisor_or_guardian_takes_all_processes_along(lab: LabConfig, victim: str) -> None:
    supervisor.launch(lab)
    wait_for(lab_config.ready_file(lab, "links").exists)
    os.kill(int((lab.run_dir / f"{victim}.pid").read_text()), signal.SIGKILL)
    wait_for(lambda: not procs.lab_processes(lab.home) and not supervisor.is_running(lab))


def test_the_lab_ends_with_its_owner(lab: LabConfig) -> None:
    owner = subprocess.Popen(["sleep", "60"])
    supervisor.launch(lab, owner_pid=owner.pid)
    wait_for(lab_config.ready_file(lab, "links").exists)
    owner.kill()
    owner.wait()
    wait_for(lambda: not procs.lab_processes(lab.home))


def test_a_part_that_dies_is_shown_and_not_started_again(lab: LabConfig) -> None:
    supervisor.launch(lab)
    wait_for(lab_config.ready_file(lab, "links").exists)
    wait_for(lambda: supervisor.request(lab, "status")["state"] == "up")
    os.kill(supervisor.request(lab, "status")["parts"]["links"]["pid"], signal.SIGKILL)
    wait_for(lambda: supervisor.request(lab, "status")["parts"]["links"]["state"] == "died")
    code, state = cli("status", "--home", lab.home)
    assert (code, state["parts"]["links"]["exit_code"]) == (1, -9)
    assert supervisor.request(lab, "start", part="links", site=None)["state"] == "ready"


# -- parts of the test's own ----------------------------------------------------------------------


@pytest.fixture
async def mini(lab: LabConfig) -> Supervisor:
    lab.run_dir.mkdir(parents=True, exist_ok=True)
    return Supervisor(lab)


def shell(name: str, script: str, **settings: object) -> Part:
    return Part(name, ["/bin/sh", "-c", script], **settings)  # type: ignore[arg-type]


async def test_failing_a_site_kills_its_detached_processes_and_no_others(mini: Supervisor) -> None:
    detached = "setsid sleep 61 & setsid sh -c 'sleep 62; :' & sleep 63; :"
    await mini.start(shell("server", detached, site="site2"))
    await mini.start(shell("server", "sleep 64; :", site="site3"))
    home = mini.config.home
    wait_for(lambda: len(procs.lab_processes(home, site="site2")) == 5)
    wait_for(lambda: len(procs.lab_processes(home, site="site3")) == 2)
    assert (await mini.fail("site2"))["left"] == []
    assert procs.lab_processes(home, site="site2") == []
    assert len(procs.lab_processes(home, site="site3")) == 2
    assert (await mini.status())["sites"]["site2"]["parts"]["server"]["state"] == "failed"
    await mini.take_down()
    assert procs.lab_processes(home) == []


async def test_a_part_that_ignores_its_signal_is_killed(mini: Supervisor) -> None:
    script = "trap : TERM; touch deaf; while :; do sleep 0.1; done"
    await mini.start(shell("deaf", script, stop_seconds=0.3))
    wait_for((mini.config.home / "deaf").exists)
    begin = time.monotonic()
    await mini.take_down()
    assert time.monotonic() - begin < 5
    wait_for(lambda: not procs.lab_processes(mini.config.home))


async def test_a_part_that_ends_at_the_start_is_an_error_that_names_its_log(mini: Supervisor) -> None:
    with pytest.raises(StartError, match=r"(?s)oracle of site2 ended with exit code 4.*site2-oracle\.log"):
        await mini.start(shell("oracle", "exit 4", site="site2", ready=lambda: False))


async def test_a_part_that_is_never_ready_is_an_error(mini: Supervisor) -> None:
    with pytest.raises(StartError, match="not ready within 0 s"):
        await mini.start(shell("slow", "sleep 66", ready=lambda: False, ready_seconds=0.2))
    await mini.take_down()


async def test_a_part_that_runs_once_is_waited_for(mini: Supervisor) -> None:
    await mini.start(shell("migrate", "sleep 0.2; touch done", once=True))
    assert (mini.config.home / "done").exists()
    with pytest.raises(StartError, match="exit code 3"):
        await mini.start(shell("migrate", "exit 3", once=True))


def test_a_process_that_only_knows_the_home_is_not_the_labs(lab: LabConfig) -> None:
    """A user's shell may export INFOMART_LAB_HOME."""
    other = subprocess.Popen(["sleep", "67"], env={**os.environ, lab_config.HOME_VARIABLE: str(lab.home)})
    try:
        supervisor.shut_down(lab)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
