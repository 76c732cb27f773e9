"""The errors of ggserr.log since the capture: over a log that is renamed at its largest size."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import FakeStep

from infomart_dr.errors import GuardError, UnexpectedReplyError
from infomart_dr.hooks.ggsci import Ggsci
from infomart_dr.operators.replication import AddExtract, CheckGoldenGateLog

BEFORE = "2026-11-03T10:00:00.000+0000  ERROR   OGG-00001  Manager for Oracle, mgr.prm:  of an earlier plan.\n"
AFTER = "2026-11-03T11:00:00.000+0000  ERROR   OGG-01296  Delivery for Oracle, rgim.prm:  Error mapping.\n"
QUIET = "2026-11-03T12:00:00.000+0000  INFO    OGG-00987  Command Interpreter for Oracle:  info mgr.\n"


def shell_bytes(text: str, *arguments: str) -> bytes:
    return subprocess.run(["/bin/sh", "-c", text, "sh", *arguments], capture_output=True, check=True).stdout


@pytest.fixture
def step(tmp_path: Path) -> Any:
    """Both sites have a log; the capture was added when each held an error of an earlier plan."""
    made: Any = FakeStep()
    hooks = {}
    for role in ("source", "target"):
        (tmp_path / role).mkdir()
        log_of(tmp_path, role).write_text(BEFORE)
        site: Any = SimpleNamespace(goldengate=SimpleNamespace(home=str(tmp_path / role)))
        host: Any = SimpleNamespace(shell_bytes=shell_bytes)
        hooks[role] = Ggsci(host, site)
    made.ggsci = lambda role: hooks[role]
    AddExtract(task_id="add_extract", direction="to_target")._note_logs(made)
    return made


def log_of(folder: Path, role: str) -> Path:
    return folder / role / "ggserr.log"


def check(step: Any) -> Any:
    return CheckGoldenGateLog(task_id="check", direction="to_target")._run(step)


def test_only_later_errors_count(step: Any, tmp_path: Path) -> None:
    assert "no error" in check(step)["summary"]
    with log_of(tmp_path, "target").open("a") as stream:
        stream.write(AFTER)
    with pytest.raises(GuardError, match="site3: OGG-01296"):
        check(step)


def test_an_error_in_a_log_that_was_renamed_since_is_found(step: Any, tmp_path: Path) -> None:
    log = log_of(tmp_path, "target")
    with log.open("a") as stream:
        stream.write(AFTER)
    log.rename(log.with_name("ggserr.log.1"))
    log.write_text(QUIET)
    with pytest.raises(GuardError, match="site3: OGG-01296"):
        check(step)


def test_a_log_whose_part_is_gone_is_not_called_clean(step: Any, tmp_path: Path) -> None:
    log = log_of(tmp_path, "source")
    log.rename(tmp_path / "away")
    log.write_text(QUIET)
    with pytest.raises(GuardError, match="site2: a part of the log since the capture is gone"):
        check(step)


def test_a_position_without_its_file_is_refused(step: Any) -> None:
    step.ledger["ggserr:to_target:site2"] = "4711"
    with pytest.raises(UnexpectedReplyError, match="Clear add_extract with Downstream"):
        check(step)
