"""The commands that run a job of the Info Mart Server, show its start mode, and bring the reports into service."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from infomart_dr.hooks.raa import java_release
from infomart_lab import config as lab_config
from infomart_lab import gi2ctl, gimagg, gimjob, gimservice, lca
from infomart_lab.config import LabConfig


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabConfig:
    config = lab_config.create(tmp_path / "lab", base_port=26900, scenario_name="active-standby")
    monkeypatch.setenv(lab_config.HOME_VARIABLE, str(config.home))
    monkeypatch.setenv(lab_config.HOST_VARIABLE, "site2/gim")
    return config


def pretend(monkeypatch: pytest.MonkeyPatch, *running: bool) -> None:
    """Let the server's process have these states; the last one stays."""
    seen = list(running)
    monkeypatch.setattr(lca, "processes", lambda *_: [1] if (seen.pop(0) if len(seen) > 1 else seen[0]) else [])
    monkeypatch.setattr(gimjob, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(gimjob, "_POLL_SECONDS", 0.02)


def serve(root: Path, job: str, *, ok: bool, text: str) -> threading.Thread:
    """Answer one request as the server does."""

    def work() -> None:
        while (number := gimjob.requested(root, job)) is None:
            pass
        gimjob.answer(root, job, gimjob.Result(number, ok, text))

    thread = threading.Thread(target=work)
    thread.start()
    return thread


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 3)])
def test_the_exit_code_is_0_only_when_the_job_succeeded(
    config: LabConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], ok: bool, code: int
) -> None:
    pretend(monkeypatch, True)
    thread = serve(config.server_root("site2"), gimjob.MAINTAIN, ok=ok, text="Job_MaintainGIM JOB-1 is over")
    assert gimjob.main([gimjob.MAINTAIN]) == code
    thread.join()
    shown = capsys.readouterr()
    assert (shown.out if ok else shown.err) == "Job_MaintainGIM JOB-1 is over\n"
    assert [file.name for file in (config.server_root("site2") / "jobs").iterdir()] == ["Job_MaintainGIM.result"]


def test_without_a_running_server_nothing_is_asked_for(
    config: LabConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, False)
    assert gimjob.main([gimjob.MIGRATE]) == 2
    assert "does not run on site2-gim" in capsys.readouterr().err
    assert gimjob.requested(config.server_root("site2"), gimjob.MIGRATE) is None


def test_a_job_that_does_not_end_in_time_has_failed_and_is_taken_back(
    config: LabConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend(monkeypatch, True)
    assert gimjob.main(["--timeout", "0.2", gimjob.MAINTAIN]) == 3
    assert "has not ended after 0.2 s" in capsys.readouterr().err
    assert gimjob.requested(config.server_root("site2"), gimjob.MAINTAIN) is None


def test_a_job_has_failed_when_the_server_ends(config: LabConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, True, False)
    code, text = gimjob.run(config, "site2", gimjob.MAINTAIN)
    assert (code, "has ended" in text) == (3, True)
    assert gimjob.requested(config.server_root("site2"), gimjob.MAINTAIN) is None


def test_the_result_of_an_earlier_request_is_not_taken_for_this_ones(
    config: LabConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = config.server_root("site2")
    gimjob.answer(root, gimjob.MAINTAIN, gimjob.Result(gimjob.ask(root, gimjob.MAINTAIN), True, "earlier"))
    pretend(monkeypatch, True)
    assert gimjob.run(config, "site2", gimjob.MAINTAIN, timeout=0.2)[0] == 3


def test_a_job_that_is_asked_for_already_is_waited_for(config: LabConfig) -> None:
    root = config.server_root("site2")
    first = gimjob.ask(root, gimjob.MAINTAIN)
    assert gimjob.ask(root, gimjob.MAINTAIN) == first
    assert gimjob.ask(root, gimjob.MIGRATE) != first
    gimjob.withdraw(root, gimjob.MAINTAIN, "another")
    assert gimjob.requested(root, gimjob.MAINTAIN) == first


def test_a_request_made_by_hand_gets_a_number(config: LabConfig) -> None:
    root = config.server_root("site2")
    (root / "jobs").mkdir(parents=True)
    (root / "jobs" / "Job_MigrateGIM.request").touch()
    assert gimjob.requested(root, gimjob.MIGRATE) == ""
    assert gimjob.ask(root, gimjob.MIGRATE) == gimjob.requested(root, gimjob.MIGRATE) != ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["Job_ExportGIM"],
        ["Job_MaintainGIM", "Job_MigrateGIM"],
        ["--timeout", "Job_MaintainGIM"],
        ["Job_MaintainGIM", "--timeout"],
        ["--timeout", "0", "Job_MaintainGIM"],
        ["--timeout", "nan", "Job_MaintainGIM"],
    ],
)
def test_wrong_use_is_neither_success_nor_a_failed_job(
    config: LabConfig, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert gimjob.main(arguments) == 1
    assert "gimjob" in capsys.readouterr().err


# -- reports --------------------------------------------------------------------------------------


def test_reports_are_in_service_at_the_active_site_at_the_start(config: LabConfig) -> None:
    assert gi2ctl.main(["status", "site1"]) == 0
    assert gi2ctl.main(["status", "site2"]) == 3
    assert not gi2ctl.path(config).exists()


def test_a_start_takes_the_reports_out_of_service_elsewhere(
    config: LabConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gi2ctl.main(["start", "site2"]) == 0
    assert capsys.readouterr().out == "GI2 of site2 is in service\n"
    assert gi2ctl.in_service(config) == ["site2"]
    assert gi2ctl.main(["start", "site2"]) == 0
    assert gi2ctl.in_service(config) == ["site2"]
    assert gi2ctl.main(["status", "site1"]) == 3


def test_reports_are_in_service_at_two_sites_only_when_told_so(config: LabConfig) -> None:
    assert gi2ctl.main(["start", "--beside", "site2"]) == 0
    assert gi2ctl.in_service(config) == ["site1", "site2"]
    assert gi2ctl.main(["stop", "site2"]) == 0
    assert gi2ctl.in_service(config) == ["site1"]


@pytest.mark.parametrize("arguments", [[], ["start"], ["status", "site9"], ["restart", "site2"], ["start", "site1"]])
def test_reports_of_an_unknown_or_another_host_are_not_touched(config: LabConfig, arguments: list[str]) -> None:
    assert gi2ctl.main(arguments) == 1
    assert not gi2ctl.path(config).exists()


@pytest.mark.parametrize(("automatic", "code"), [(None, 0), (True, 3)])
def test_the_exit_code_says_that_a_service_starts_by_itself(config: LabConfig, automatic: object, code: int) -> None:
    lab_config.set_fault(config, "site2.gim_server.autostart", automatic)
    lab_config.set_fault(config, "site1.gim_server.autostart", True)
    assert gimservice.main(["manual"]) == code
    assert gimservice.main([]) == gimservice.main(["auto"]) == 1


def test_an_old_java_takes_an_argument_file_for_a_class(
    config: LabConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def old(stored: LabConfig) -> None:
        stored.sites["site2"].java = "1.8.0_392"

    lab_config.change(config.home, old)
    monkeypatch.setattr("sys.argv", ["java", "-version"])
    assert gimagg.main() == 0
    assert java_release(capsys.readouterr().err) == 8
    monkeypatch.setattr("sys.argv", ["java", "@/home/genesys/raa.args"])
    assert gimagg.main() == 1
    assert "Could not find or load main class @.home.genesys.raa.args" in capsys.readouterr().err
