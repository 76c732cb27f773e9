"""Pure parts of the transfer."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from pydantic import ValidationError

from infomart_dr.errors import PermanentError
from infomart_dr.hooks.transfer import (
    TransferPlan,
    checksum_script,
    classify_exit,
    direct_command,
    failure,
    parse_checksums,
    progress_line,
    rsync_words,
    ssh_command,
)

SUM = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def plan(**changes: object) -> TransferPlan:
    return TransferPlan.model_validate(
        {
            "source_folder": "/u02/dump",
            "target_folder": "/u03/dump",
            "files": [("gim01.dmp", 10), ("gim02.dmp", 20)],
            "target_address": "db3.example.com",
            "target_port": 2222,
            **changes,
        }
    )


def test_ssh_asks_nothing_checks_host_keys_and_notices_dead_links() -> None:
    words = shlex.split(ssh_command(plan(key="/home/o/.ssh/id", known_hosts="/home/o/known hosts")))
    assert words[:5] == ["ssh", "-p", "2222", "-i", "/home/o/.ssh/id"]
    for option in (
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        'UserKnownHostsFile="/home/o/known hosts"',
        "ConnectTimeout=10",
        "ServerAliveInterval=15",
        "ServerAliveCountMax=4",
    ):
        assert option in words


def test_rsync_never_appends_and_shares_the_bandwidth() -> None:
    four = [(f"gim{number}.dmp", 1) for number in range(4)]
    words = rsync_words(plan(bandwidth=10_000, streams=4, files=four))
    assert not [word for word in words if word.startswith("--append")]
    assert {"--inplace", "--times", "--timeout=60", "--bwlimit=2500"} <= set(words)
    assert "--bwlimit=1" in rsync_words(plan(bandwidth=2, streams=4, files=four))
    assert "--bwlimit=10000" in rsync_words(plan(bandwidth=10_000, streams=4, files=four[:1])), "one file has it all"
    assert not [word for word in rsync_words(plan()) if word.startswith("--bwlimit")]
    assert "--ignore-times" not in rsync_words(plan())
    assert "--ignore-times" in rsync_words(plan(repair=True))


def test_the_script_is_sh_and_the_names_come_by_standard_input() -> None:
    script, stdin = direct_command(plan(target_folder="/u03/dump of gim", source_folder="/u02/it is"))
    subprocess.run(["/bin/sh", "-n"], input=script, text=True, check=True)
    assert stdin == "gim01.dmp\ngim02.dmp\n"
    assert "gim01" not in script
    assert "oracle@db3.example.com:/u03/dump of gim/" in script


def test_an_address_of_version_6_stands_in_brackets() -> None:
    assert "oracle@[fd00::7]:/u03/dump/" in direct_command(plan(target_address="fd00::7"))[0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("files", []),
        ("files", [("../x", 1)]),
        ("files", [("a b", 1)]),
        ("files", [("-e", 1)]),
        ("files", [("a", -1)]),
        ("target_user", "o; rm"),
        ("target_address", "-oProxyCommand=x"),
        ("target_folder", "relative"),
        ("target_folder", "/x;y"),
        ("rsync", "rsync -x"),
        ("streams", 0),
    ],
)
def test_what_reaches_a_shell_is_checked(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        plan(**{field: value})


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (0, "done"),
        *[(code, "retryable") for code in (10, 12, 20, 24, 30, 35, 255, 137, 143, None)],
        *[(code, "final") for code in (1, 2, 3, 5, 11, 23, 25, 126, 127)],
    ],
)
def test_exit_codes_are_classified(code: int | None, kind: str) -> None:
    assert classify_exit(code) == kind


LOST = (
    "rsync: connection unexpectedly closed (0 bytes received so far) [sender]\n"
    "rsync error: error in rsync protocol data stream (code 12) at io.c(285) [sender=3.5.0]\n"
    "gim01.dmp: rsync ended with exit code 12\n"
)


@pytest.mark.parametrize("code", [12, 255])
@pytest.mark.parametrize(
    ("reason", "named"),
    [
        ("Host key verification failed.", "known_hosts"),
        ("@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @", "known_hosts"),
        ("No ED25519 host key is known for db2 and you have requested strict checking.", "known_hosts"),
        ("oracle@db2: Permission denied (publickey,gssapi-keyex,gssapi-with-mic).", "transfer_key"),
        ('Load key "/home/oracle/.ssh/dr": invalid format', "transfer_key"),
        ("@         WARNING: UNPROTECTED PRIVATE KEY FILE!          @", "transfer_key"),
        ("This account is currently not available.", "account"),
        (
            "Unable to negotiate with 10.0.0.2 port 22: no matching host key type found. Their offer: ssh-rsa",
            "algorithm",
        ),
        ("protocol version mismatch -- is your shell clean?", "start file"),
        ("bash: rsync: command not found", "Install rsync"),
        ("bash: line 1: rsync: command not found", "Install rsync"),
        ("sh: 1: rsync: not found", "Install rsync"),
        ('rsync: [receiver] write failed on "/dump/gim01.dmp": No space left on device (28)', "space"),
        ('rsync: [receiver] write failed on "/dump/gim01.dmp": Auf dem Gerät ist kein Platz mehr (28)', "space"),
        ('rsync: mkstemp "/dump/.gim01.dmp.x" failed: Disk quota exceeded (122)', "space"),
        ('rsync: [receiver] open "/dump/gim01.dmp" failed: Permission non accordée (13)', "owner"),
        ("ssh: Could not resolve hostname db2x: Name or service not known", "address"),
    ],
)
def test_a_refusal_in_the_output_is_final_whatever_the_exit_code(reason: str, named: str, code: int) -> None:
    error = failure(code, f"gim02.dmp: there\n{reason}\n{LOST}")
    assert not error.retryable
    assert reason[:250] in error.what
    assert named in error.next_step


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (12, ""),
        (255, "ssh: connect to host db2 port 22: Connection refused"),
        (255, "ssh: connect to host db2 port 22: Connection timed out"),
        (255, "ssh: Could not resolve hostname db2: Temporary failure in name resolution"),
        (255, "client_loop: send disconnect: Broken pipe"),
        (30, "rsync: [sender] io timeout after 60 seconds -- exiting"),
        (10, "rsync: [sender] read error: Connection reset by peer (104)"),
        (143, ""),
    ],
)
def test_an_interruption_is_retried_and_shows_the_output(code: int, reason: str) -> None:
    error = failure(code, f"{reason}\n{LOST}")
    assert error.retryable
    assert reason in error.what
    assert "connection unexpectedly closed" in error.what


def test_a_transfer_without_output_says_so() -> None:
    assert "no output" in failure(12, " \n").what


@pytest.mark.parametrize(
    "text",
    [
        f"{SUM} *gim01.dmp\n",
        f"{SUM}  gim01.dmp\n",
        f"{SUM.upper()} *gim01.dmp\r\n",
        f"SHA256(gim01.dmp)= {SUM}\n",
        f"SHA2-256(gim01.dmp)= {SUM}\n",
        f"WARNING: can't open config file\n{SUM} *gim01.dmp\n",
    ],
)
def test_checksums_of_all_programs_are_read(text: str) -> None:
    assert parse_checksums(text) == {"gim01.dmp": SUM}


@pytest.mark.parametrize("text", ["", "gim01.dmp: No such file\n", f"{SUM[:-1]} *gim01.dmp\n", f"{SUM}\n"])
def test_other_lines_are_no_checksums(text: str) -> None:
    assert parse_checksums(text) == {}


def test_the_checksum_script_agrees_with_sha256sum(tmp_path) -> None:  # type: ignore[no-untyped-def]
    names = ["a.dmp", "b,1@x.dmp"]
    for name in names:
        (tmp_path / name).write_text("test" if name == "a.dmp" else name)
    script, stdin = checksum_script(str(tmp_path), names)
    done = subprocess.run(["/bin/sh", "-c", script], input=stdin, capture_output=True, text=True, check=True)
    found = parse_checksums(done.stdout)
    assert found["a.dmp"] == SUM
    assert set(found) == set(names)


def test_the_checksum_script_fails_for_a_missing_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    script, stdin = checksum_script(str(tmp_path), ["not-here.dmp"])
    assert subprocess.run(["/bin/sh", "-c", script], input=stdin, capture_output=True, text=True).returncode


def test_the_checksum_script_refuses_odd_names() -> None:
    with pytest.raises(PermanentError, match="not a plain file name"):
        checksum_script("/dump", ["a b"])


@pytest.mark.parametrize(
    ("sizes", "files", "rate", "line"),
    [
        (
            {"a": 1_000_000_000, "b": 200_000_000},
            {"a": 1_000_000_000, "b": 2_400_000_000},
            21e6,
            "1 of 2 files, 1.2 of 3.4 GB (35 %), 21 MB/s, 105 s left",
        ),
        ({}, {"a": 5_000_000}, None, "0 of 1 files, 0.0 of 5.0 MB (0 %)"),
        ({"a": 500}, {"a": 500}, 0, "1 of 1 files, 500 of 500 B (100 %), 0 B/s"),
        ({"a": 999}, {"a": 500}, 100.0, "1 of 1 files, 500 of 500 B (100 %), 100 B/s"),
        ({"a": 10_000_000}, {"a": 20_000_000}, 0.0, "0 of 1 files, 10.0 of 20.0 MB (50 %), 0 B/s"),
        ({"a": 0}, {"a": 0}, None, "1 of 1 files, 0 of 0 B (100 %)"),
        ({"x": 7}, {"a": 2000}, 1.0, "0 of 1 files, 0.0 of 2.0 kB (0 %), 1 B/s, 33 min left"),
        ({}, {"a": 10_000_000_000}, 1e5, "0 of 1 files, 0.0 of 10.0 GB (0 %), 100 kB/s, 27 h 46 min left"),
    ],
)
def test_progress_reads_well(sizes: dict[str, int], files: dict[str, int], rate: float | None, line: str) -> None:
    assert progress_line(sizes, files, rate) == line
