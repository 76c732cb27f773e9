"""Purges of the lab's IDBs: crontab, a site's own program, and each mechanism in the topology."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from infomart_dr.topology import parse
from infomart_lab import cli, crontab, purge, purgectl, topology
from infomart_lab import config as lab_config


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USER", "oracle")
    return tmp_path


def given(monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text)))


def test_a_crontab_is_printed_as_it_was_installed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: Any
) -> None:
    assert crontab.main(["-l"]) == 1, "there is none yet"
    given(monkeypatch, b"# \xe9t\xe9\r\n0 2 * * * x\n")
    assert crontab.main(["-"]) == 0
    capfdbinary.readouterr()
    assert crontab.main(["-u", "oracle", "-l"]) == 0
    assert capfdbinary.readouterr().out == b"# \xe9t\xe9\r\n0 2 * * * x\n"


def test_a_crontab_is_installed_from_a_file(home: Path) -> None:
    (home / "new").write_bytes(b"0 2 * * * x\n")
    assert crontab.main([str(home / "new")]) == 0
    assert (home / "crontab").read_bytes() == b"0 2 * * * x\n"
    assert crontab.main([str(home / "missing")]) == crontab.main(["-x"]) == 1


def test_a_crontab_of_another_user_or_without_a_last_newline_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert crontab.main(["-u", "root", "-l"]) == 1
    given(monkeypatch, b"0 2 * * * x")
    assert crontab.main(["-"]) == 1
    assert not (home / "crontab").exists()


def test_cron_runs_what_is_neither_a_comment_nor_a_variable() -> None:
    text = "# 0 2 * * * a b\nMAILTO=dba\n\n0 2 * * * purge_idb ICON_TS1\n#infomart_dr purge hold: 0 2 * * * c d\n"
    assert purge.cron_commands(text) == ["purge_idb ICON_TS1"]


def test_the_sites_own_program_says_its_state_by_its_exit_code(home: Path) -> None:
    state = ["state", "ICON_TS1"]
    assert purgectl.main(state) == purgectl.DONE
    assert purgectl.main(["hold", "ICON_TS1"]) == purgectl.DONE
    assert purgectl.main(state) == purgectl.HELD
    purgectl.switch_path(home, "ICON_TS1", "running").touch()
    assert purgectl.main(state) == purgectl.RUNNING
    purgectl.switch_path(home, "ICON_TS1", "running").unlink()
    assert purgectl.main(["release", "ICON_TS1"]) == purgectl.DONE
    assert purgectl.main(state) == purgectl.DONE
    assert purgectl.main(["stop", "ICON_TS1"]) == purgectl.main(["state", "../x"]) == purgectl.WRONG_USE


def test_the_mechanism_of_a_data_source_is_in_the_topology(tmp_path: Path) -> None:
    config = cli._create(tmp_path, None, None, None, "return-to-normal", purge=["TS2=cron", "TS3=dbms_job"])
    document = topology.topology(config)
    jobs = {idb["name"]: idb["purge_jobs"][0] for idb in document["sites"]["site2"]["idbs"]}
    assert jobs["ts2-site2"]["line"] == "0 2 * * * purge_idb ICON_TS2"
    assert jobs["ts3-site2"] == {"mechanism": "dbms_job", "owner": "ICON_TS3", "job": 103}
    read = parse(yaml.safe_dump(document), tmp_path / "topology.yaml")
    assert [idb.purge_jobs[0].mechanism for idb in read.site("site3").idbs] == ["cron", "dbms_job"]


@pytest.mark.parametrize("purges", ["TS2=at", "TS9=cron", "TS2"])
def test_a_mechanism_or_a_data_source_that_does_not_exist_is_refused(tmp_path: Path, purges: str) -> None:
    with pytest.raises(ValueError, match="--purge is a data source"):
        cli._create(tmp_path, None, None, None, "return-to-normal", purge=[purges])
    assert not (tmp_path / "lab.json").exists()


def test_a_data_source_is_purged_by_the_scheduler_unless_the_lab_says_otherwise(tmp_path: Path) -> None:
    config = lab_config.create(tmp_path)
    (job,) = topology.topology(config)["sites"]["site2"]["idbs"][0]["purge_jobs"]
    assert job == "ICON_TS2.PURGE_IDB"
