"""The password prompt of expdp and impdp, and the logon by a wallet."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from infomart_lab import config as lab_config
from infomart_lab.config import LabConfig
from infomart_lab.datapump.client import Client, LogonRefused


@pytest.fixture
def lab(tmp_path: Path) -> LabConfig:
    return lab_config.create(tmp_path, base_port=34000)


def logon(lab: LabConfig, text: str | None, answers: str, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr("sys.stdin", io.StringIO(answers))
    client = Client("EXPORT", lab, "site2")
    client.logon(text)
    return client


def test_the_password_comes_from_standard_input(lab: LabConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    right = lab.password("site2", "SYSTEM")
    assert logon(lab, "system", right + "\n", monkeypatch).owner == "SYSTEM"
    assert logon(lab, "SYSTEM@GIM2", right + "\n", monkeypatch).database == "gim"
    assert logon(lab, "system@//127.0.0.1:1/IDB2", right + "\n", monkeypatch).database == "idb"
    assert logon(lab, "sys as sysdba", right + "\n", monkeypatch).owner == "SYSTEM"
    assert logon(lab, f"system/{right}", "", monkeypatch).owner == "SYSTEM"


def test_a_wrong_password_asks_again_and_the_end_of_the_input_ends(
    lab: LabConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = lab.password("site2", "SYSTEM")
    assert logon(lab, "system", f"wrong\nsystem\n{right}\n", monkeypatch).owner == "SYSTEM"
    assert "UDE-01017: operation generated ORACLE error 1017" in (output := capsys.readouterr().out)
    assert right not in output and "wrong" not in output
    for answers in ("", "wrong\n", "a\nsystem\nb\nsystem\nc\nsystem\n" + right):
        with pytest.raises(LogonRefused):
            logon(lab, "system", answers, monkeypatch)
    with pytest.raises(LogonRefused):
        logon(lab, "system@GIM3", right + "\n", monkeypatch)
    assert "ORA-12154" in capsys.readouterr().out


def test_a_wallet_alias_needs_no_password(
    lab: LabConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TNS_ADMIN", str(tmp_path))
    with pytest.raises(LogonRefused):
        logon(lab, "/@GIM2_DP", "", monkeypatch)
    assert "ORA-12578: TNS:wallet open failed" in capsys.readouterr().out
    entry = {"user": "SYSTEM", "password": lab.password("site2", "SYSTEM"), "service": "GIM2"}
    (tmp_path / "wallet.json").write_text(json.dumps({"gim2_dp": entry}))
    assert logon(lab, "/@GIM2_DP", "", monkeypatch).owner == "SYSTEM"
    with pytest.raises(LogonRefused):
        logon(lab, "/@OTHER", "", monkeypatch)
