"""Pure parts of the remote host."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

import pytest

from infomart_dr.errors import PermanentError, UnexpectedReplyError
from infomart_dr.hooks import remote_host
from infomart_dr.hooks.remote_host import RemoteHost, command_line, parse_free_space, parse_sizes, tail


@pytest.mark.parametrize(
    "words", [["printf", "%s", "a b"], ["printf", "%s", 'it\'s $HOME `x` \\ "q" ;|&<>*?~#!'], ["true"]]
)
def test_a_shell_gives_the_words_back(words: list[str]) -> None:
    text = command_line(words, {"A": "x y'z"}, "/")
    done = subprocess.run(["/bin/sh", "-c", text], capture_output=True, text=True, check=True)
    assert done.stdout == (words[-1] if len(words) > 1 else "")


def test_variables_are_exported_and_the_folder_is_entered() -> None:
    text = command_line(["/bin/sh", "-c", 'pwd; echo "$A"'], {"A": "x y'z"}, "/usr")
    done = subprocess.run(shlex.split(text), capture_output=True, text=True, check=True)
    assert done.stdout == "/usr\nx y'z\n"


@pytest.mark.parametrize("name", ["", "A B", "1A", "A;B", "A=B", "A\n"])
def test_names_of_variables_are_checked(name: str) -> None:
    with pytest.raises(PermanentError, match="not a valid name of a variable"):
        command_line(["true"], {name: "x"})


@pytest.mark.parametrize("words", [[], [""]])
def test_a_program_is_needed(words: list[str]) -> None:
    with pytest.raises(PermanentError, match="has no program"):
        command_line(words)


def test_nul_is_refused() -> None:
    with pytest.raises(PermanentError, match="NUL"):
        command_line(["echo", "a\0b"])


@pytest.mark.parametrize(
    ("text", "free"),
    [
        (
            "Filesystem     1024-blocks     Used Available Capacity Mounted on\n"
            "/dev/sda1        102400000 51200000  51200000      50% /\n",
            51200000 * 1024,
        ),
        (
            "Filesystem 1024-blocks Used Available Capacity Mounted on\n"
            "nfs.example.com:/vol/very/long/name\n  1000 400 600 40% /u02/dump\n",
            600 * 1024,
        ),
        ("Filesystem 1K-blocks Used Avail Capacity Mounted on\nmy disk 10 11 -1 110% /x y\n", 0),
        ("Filesystem    1024-blocks      Used Available Capacity Mounted on\n/dev/fd 10 10 0 100% /x\n", 0),
    ],
)
def test_free_space_is_read(text: str, free: int) -> None:
    assert parse_free_space(text) == free


@pytest.mark.parametrize("text", ["", "df: /x: No such file or directory\n"])
def test_no_figures_are_an_error(text: str) -> None:
    with pytest.raises(UnexpectedReplyError, match="df -Pk"):
        parse_free_space(text)


def test_sizes_are_read_and_noise_skipped() -> None:
    text = "Welcome to db2\n12 gim01.dmp\n0 gim02.dmp\nls: x: denied\n 7 odd\n"
    assert parse_sizes(text) == {"gim01.dmp": 12, "gim02.dmp": 0}


def test_the_end_of_a_text_starts_with_a_line() -> None:
    assert tail("short\n") == "short"
    text = "\n".join(f"line {number}" for number in range(1000))
    cut = tail(text, 100)
    assert cut.startswith("... line ")
    assert cut.endswith("line 999")
    assert len(cut) < 110
    assert tail("x" * 500, 100) == "... " + "x" * 100


@pytest.mark.parametrize("name", ["../x", "a/b", "", "-rf", "a b", "a\n", ".hidden"])
def test_odd_file_names_are_refused_before_anything_is_connected(name: str) -> None:
    with pytest.raises(PermanentError, match="not a plain file name"):
        RemoteHost("no_such").file_sizes("/dump", [name])


def test_files_that_cannot_be_read_are_listed_with_mode_and_owner() -> None:
    # Root reads everything, and pytest's folders are root's alone.
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for file, mode in (("gim_01.dmp", 0o640 if other else 0), ("gim_02.dmp", 0o644), ("other.txt", 0)):
            (folder / file).write_text("x")
            (folder / file).chmod(mode)
        words = [*other, "/bin/sh", "-c", remote_host._UNREADABLE, "sh", name, "*.dmp", "none*.log"]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
    unreadable, readable = done.stdout.splitlines()
    assert readable == "readable"
    assert re.fullmatch(r"gim_01\.dmp \(-\S+ \w+:\w+\)", remote_host.parse_listed(unreadable))
