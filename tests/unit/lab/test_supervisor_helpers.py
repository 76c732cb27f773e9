"""Small things of the lab's supervisor that need no process: names, environments, programs in PATH."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infomart_lab import airflow_part, cli, part, pgrep, procs, shims, supervisor
from infomart_lab import config as lab_config
from infomart_lab.config import LabConfig
from infomart_lab.parts import Part
from infomart_lab.supervisor import Supervisor


@pytest.fixture
def config(tmp_path: Path) -> LabConfig:
    return lab_config.create(tmp_path / "lab", base_port=19600)


@pytest.mark.parametrize("module", [*part.PARTS.values(), "site_setup"])
def test_each_part_has_its_module(module: str) -> None:
    assert importlib.util.find_spec(f"infomart_lab.{module}")


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["oracle", "site9"], ["run", "mlcmd"]])
def test_an_unknown_part_or_site_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert part.main(arguments) == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("program", shims.PROGRAMS)
def test_each_program_in_path_starts_a_module_that_exists(program: str) -> None:
    module = shims.PROGRAMS[program].split()[0]
    assert importlib.util.find_spec(f"infomart_lab.{module}")
    checked = subprocess.run(["/bin/sh", "-n"], input=shims.script(program), text=True, check=False)
    assert checked.returncode == 0


def test_hosts_hold_their_own_programs(config: LabConfig) -> None:
    shims.write(config, "site3")
    db = {"ggsci", "expdp", "impdp", "rsync", "pgrep", "crontab", "purge_idb", "purgectl"}
    assert {p.name for p in config.bin_dir("site3", "db").iterdir()} == db
    gim = {"mlcmd", "mlcmd_stdin", "java", "pgrep", "gimjob", "gi2ctl", "gimservice"}
    assert {p.name for p in config.bin_dir("site3", "gim").iterdir()} == gim
    for path in (config.goldengate_home("site3") / "ggsci", config.oracle_home("site3") / "bin" / "impdp"):
        assert os.access(path, os.X_OK)
    assert (config.server_root("site3") / "agg" / "GIMAgg.jar").is_file()


def test_a_part_of_a_site_knows_its_site_and_a_part_of_the_lab_none(
    config: LabConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(procs.SITE_VARIABLE, "site1")
    made = Supervisor(config)
    of_site = made._environment(Part("oracle", ["x"], site="site2", env={"EXTRA": "1"}))
    assert (of_site[procs.SITE_VARIABLE], of_site["INFOMART_LAB_HOST"]) == ("site2", "site2/db")
    assert (of_site["EXTRA"], of_site["INFOMART_LAB_HOME"]) == ("1", str(config.home))
    of_lab = made._environment(Part("links", ["x"]))
    assert procs.SITE_VARIABLE not in of_lab
    assert of_lab[procs.PART_VARIABLE] == "links"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ""), ("\n \n", ""), ("first\nORA-00001: last\n\n", " (ORA-00001: last)"), ("x" * 3000, f" ({'x' * 200})")],
)
def test_the_last_words_of_a_log_are_one_short_line(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "log").write_text(text)
    assert supervisor._last_words(tmp_path / "log") == expected


def test_a_lab_that_does_not_run_answers_with_what_to_do(config: LabConfig) -> None:
    assert not supervisor.is_running(config)
    with pytest.raises(supervisor.LabError, match="is not running; `python -m infomart_lab up` starts it"):
        supervisor.request(config, "status")
    assert supervisor.shut_down(config) == {"state": "down", "was_running": False}


@pytest.mark.parametrize(("port", "state"), [(None, None), (8123, None), (8123, "starting"), (8123, "died")])
async def test_the_status_has_no_airflow_that_does_not_run(
    config: LabConfig, port: int | None, state: supervisor.State | None
) -> None:
    made = Supervisor(config, airflow_port=port)
    if state is not None:
        made.parts[None, airflow_part.API_SERVER] = supervisor._Running(Part(airflow_part.API_SERVER, ["x"]), state)
    assert (await made.status())["airflow"] is None


async def test_the_status_tells_where_airflow_and_its_password_are_and_not_the_password(
    config: LabConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Supervisor(config, airflow_port=8123)
    made.parts[None, airflow_part.API_SERVER] = supervisor._Running(Part(airflow_part.API_SERVER, ["x"]), "ready")
    user, password = airflow_part.credentials(config)
    status = await made.status()
    file = config.home / "airflow" / "simple_auth_manager_passwords.json"
    assert status["airflow"] == {"url": "http://127.0.0.1:8123", "user": user, "password_file": str(file)}
    assert password in file.read_text()

    monkeypatch.setattr(supervisor, "is_running", lambda config: True)
    monkeypatch.setattr(supervisor, "request", lambda config, verb: status)
    shown = CliRunner().invoke(cli.app, ["status", "--home", str(config.home)]).output
    assert f"Airflow: http://127.0.0.1:8123, user {user}, password in {file}" in shown
    assert password not in shown + json.dumps(status)


def test_a_home_with_a_long_name_still_has_a_control_socket(tmp_path: Path) -> None:
    config = lab_config.create(tmp_path / ("long" * 25) / ("name" * 25))
    with pytest.raises(supervisor.LabError, match="not running"):
        supervisor.request(config, "status")


def test_pgrep_never_finds_itself_or_those_who_called_it(
    config: LabConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INFOMART_LAB_HOME", str(config.home))
    monkeypatch.setenv("INFOMART_LAB_HOST", "site2/db")
    assert pgrep.main(["-f", "python"]) == 1
    assert pgrep.main(["-f"]) == 2
    assert pgrep.main(["-f", "("]) == 2
    assert capsys.readouterr().out == ""


def test_the_variables_are_those_of_the_configuration() -> None:
    assert procs.HOME_VARIABLE == lab_config.HOME_VARIABLE
    assert procs.HOST_VARIABLE == lab_config.HOST_VARIABLE


def test_processes_are_told_apart_by_their_state_and_parent() -> None:
    child = subprocess.Popen(["true"])
    while procs.alive(child.pid):
        pass
    assert Path(f"/proc/{child.pid}").exists()  # a zombie is there, and dead
    child.wait()
    assert procs.alive(os.getpid())
    assert os.getpid() in procs.with_descendants([os.getppid()])
    assert procs.command_line(999_999_999) == ""
    assert procs.environment(999_999_999) == {}
