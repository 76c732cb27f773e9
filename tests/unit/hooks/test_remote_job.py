"""Pure parts of the remote job."""

from __future__ import annotations

import subprocess

import pytest

from infomart_dr.errors import PermanentError, UnexpectedReplyError
from infomart_dr.hooks.remote_job import JobStatus, decode_log, parse_status, program_text

CLAIMED = "log_size=12\nnow=1110\nstate=claimed\npid=77\nbegun=1000\n"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("state=absent\n", JobStatus("absent")),
        ("log_size=0\nnow=5\nstate=starting\n", JobStatus("starting")),
        (
            CLAIMED + "alive=wrapper\n",
            JobStatus("running", pid=77, command_seconds=110, log_size=12),
        ),
        (
            CLAIMED + "alive=group\n",
            JobStatus("running", pid=77, command_seconds=110, log_size=12, orphaned=True),
        ),
        # ps of the host shows no process: unknown is never dead
        (
            CLAIMED + "alive=unknown\n",
            JobStatus("running", pid=77, command_seconds=110, log_size=12),
        ),
        (
            CLAIMED + "alive=dead\n",
            JobStatus("vanished", pid=77, command_seconds=110, log_size=12),
        ),
        (
            CLAIMED + "exit_code=0\nended=1060\n",
            JobStatus("ended", 0, pid=77, command_seconds=60, log_size=12),
        ),
        # it ended between the check of the process and the check of the exit code
        (
            CLAIMED + "alive=dead\nexit_code=5\nended=1060\n",
            JobStatus("ended", 5, pid=77, command_seconds=60, log_size=12),
        ),
        # the clock was set back
        (
            CLAIMED + "exit_code=1\nended=900\n",
            JobStatus("ended", 1, pid=77, command_seconds=0, log_size=12),
        ),
        # wc of other systems pads
        (
            "Authorized use only\nlog_size=      12\nnow=1110\nstate=claimed\npid=77\nbegun=\nalive=wrapper\n",
            JobStatus("running", pid=77, log_size=12),
        ),
        # a partly written exit code does not count yet
        (CLAIMED + "alive=wrapper\nexit_code=\nended=\n", JobStatus("running", None, 77, 110, 12)),
    ],
)
def test_status_is_read(text: str, status: JobStatus) -> None:
    assert parse_status(text) == status


@pytest.mark.parametrize("text", ["", "sh: syntax error\n", "state=odd\n"])
def test_other_replies_are_an_error(text: str) -> None:
    with pytest.raises(UnexpectedReplyError):
        parse_status(text)


@pytest.mark.parametrize(
    ("state", "active"),
    [("absent", False), ("starting", True), ("running", True), ("ended", False), ("vanished", False)],
)
def test_active_means_it_may_still_do_something(state: str, active: bool) -> None:
    assert JobStatus(state).active is active  # type: ignore[arg-type]


@pytest.mark.parametrize("size", range(1, 13))
def test_a_log_in_pieces_of_any_size_is_the_same_text(size: int) -> None:
    content = "a€é😀\n".encode()
    position, text, stuck = 0, "", 0
    while position < len(content) and stuck < 5:
        piece, used = decode_log(content[position : position + max(size, 4)])
        stuck = 0 if used else stuck + 1
        position, text = position + used, text + piece
    assert text == "a€é😀\n"


def test_wrong_bytes_do_not_stop_the_log() -> None:
    assert decode_log(b"ORA\xff\xfe end\n") == ("ORA�� end\n", 10)
    assert decode_log(b"a\xe2\x82") == ("a", 1)
    assert decode_log(b"a\xe2\x82", final=True) == ("a�", 3)
    assert decode_log(b"") == ("", 0)


def test_words_variables_and_folder_reach_the_program() -> None:
    text = program_text(["/bin/sh", "-c", 'pwd; echo "$A" "$1"', "sh", "it's $B"], {"A": "x'y"}, "/usr")
    done = subprocess.run(["/bin/sh"], input=text, capture_output=True, text=True, check=True)
    assert done.stdout == "/usr\nx'y it's $B\n"


def test_a_script_is_run_as_it_is() -> None:
    text = program_text("for i in 1 2; do echo $i; done\nexit 4", {"A": "1"})
    done = subprocess.run(["/bin/sh"], input=text, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("1\n2\n", 4)


def test_a_missing_folder_ends_the_program_before_it_starts() -> None:
    text = program_text(["echo", "ran"], cwd="/no/such/folder")
    done = subprocess.run(["/bin/sh"], input=text, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 1)


@pytest.mark.parametrize("program", [[], [""]])
def test_a_program_is_needed(program: list[str]) -> None:
    with pytest.raises(PermanentError, match="has no program"):
        program_text(program)


def test_names_of_variables_are_checked() -> None:
    with pytest.raises(PermanentError, match="not a valid name of a variable"):
        program_text(["true"], {"A;rm": "x"})
