"""A host refuses what an overtaken try sends, in the same command; with a real /bin/sh."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from infomart_dr.errors import OvertakenError
from infomart_dr.hooks.fence import REFUSED, Fence
from infomart_dr.hooks.remote_host import command_line

MARK = "infomart-0123"
STOP, START = "cutover.stop_server", "cutover.start_server"


class Host:
    """The home folder of a host's user."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def files(self) -> dict[str, str]:
        folder = self.home / "work folder" / "fence" / "emea"
        return {file.name: file.read_text() for file in folder.glob("*")} if folder.exists() else {}

    def write(self, name: str, text: str) -> None:
        folder = self.home / "work folder" / "fence" / "emea"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    def run(self, epoch: int, task: str = STOP, attempt: int = 1) -> str:
        """Output of a command that says ``ran``."""
        fence = Fence("emea", epoch, task, attempt)
        line = command_line(["echo", "ran"], mark=MARK, check=fence.check("work folder", MARK))
        done = subprocess.run(["/bin/sh", "-c", line], cwd=self.home, capture_output=True, text=True, check=False)
        mark, _, output = done.stdout.partition("\n")
        assert mark == MARK, done
        assert ("ran" in output) == (done.returncode == 0), done
        return output.strip()

    def refuses(self, epoch: int, task: str = STOP, attempt: int = 1) -> str:
        output = self.run(epoch, task, attempt)
        assert output.startswith(MARK + REFUSED), output
        error = Fence("emea", epoch, task, attempt).refusal("site1-db", "fence", output.removeprefix(MARK + REFUSED))
        return error.what


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_an_older_epoch_is_refused_once_the_host_has_seen_a_newer_one(host: Host) -> None:
    assert host.run(7) == "ran"
    assert host.run(8, START) == "ran"
    assert host.refuses(7) == (
        "site1-db has seen epoch 8, and this run has epoch 7: this try is overtaken and may change nothing."
    )
    assert host.run(8) == "ran"


def test_an_older_try_of_the_same_task_is_refused_and_other_tasks_are_not(host: Host) -> None:
    assert host.run(7, STOP, 1) == "ran"
    assert host.run(7, STOP, 2) == "ran"
    assert "try 2 of this task, and this is try 1" in host.refuses(7, STOP, 1)
    assert host.run(7, START, 1) == "ran"
    assert host.run(7, STOP, 10) == "ran"
    assert "try 10 of this task, and this is try 9" in host.refuses(7, STOP, 9)


def test_a_new_epoch_begins_with_the_tries_at_one(host: Host) -> None:
    assert host.run(7, STOP, 5) == "ran"
    assert host.run(8, STOP, 1) == "ran"
    assert host.files == {"epoch": "8\n"}


def test_a_first_try_writes_nothing_but_a_new_epoch(host: Host) -> None:
    host.run(7)
    before = host.files
    host.run(7, START)
    assert host.files == before == {"epoch": "7\n"}


@pytest.mark.parametrize("text", ["", "\n", "8x\n", "-1\n", "eight\n", "8 9\n"])
def test_a_file_that_holds_no_number_is_refused_and_named(host: Host, text: str) -> None:
    host.write("epoch", text)
    what = host.refuses(7)
    assert "instead of a number; nothing was run" in what or "overtaken" in what
    host.write("epoch", "7\n")
    assert host.run(7, STOP, 2) == "ran"
    (name,) = set(host.files) - {"epoch"}
    host.write(name, text)
    host.refuses(7, STOP, 3)


def test_a_host_that_can_write_nothing_still_runs_the_newest_and_refuses_the_older(host: Host) -> None:
    host.run(7, STOP, 2)
    folder = host.home / "work folder" / "fence" / "emea"
    # A folder in the place of the new file: also root cannot write it.
    line = Fence("emea", 8, STOP, 1).check("work folder", MARK).replace("new.$$", "none/new")
    done = subprocess.run(["/bin/sh", "-c", f"{line} && echo ran"], cwd=host.home, capture_output=True, check=False)
    assert done.stdout == b"ran\n" and (folder / "epoch").read_text() == "7\n"
    host.refuses(6)


def test_a_reply_that_is_no_pair_of_numbers_is_an_error_with_the_reply() -> None:
    error = Fence("emea", 7, STOP, 1).refusal("site1-db", ".infomart_dr/fence/emea", " 8")
    assert isinstance(error, OvertakenError) and "'8' instead of a number" in error.what


def test_the_name_of_a_deployment_is_one_word_for_the_shell(host: Host) -> None:
    fence = Fence("a'b; touch owned", 7, STOP, 1)
    line = command_line(["echo", "ran"], mark=MARK, check=fence.check("$(touch owned)", MARK))
    subprocess.run(["/bin/sh", "-c", line], cwd=host.home, capture_output=True, check=True)
    assert not (host.home / "owned").exists()
