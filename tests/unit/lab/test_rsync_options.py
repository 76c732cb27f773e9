"""The rsync stand-in understands the command lines of the product and refuses what it does not know."""

from __future__ import annotations

from pathlib import Path

import pytest

from infomart_lab import rsync

SSH = "ssh -p 2203 -i /k/id -o UserKnownHostsFile=/k/known -o StrictHostKeyChecking=yes -o BatchMode=yes"


def test_the_products_command_line() -> None:
    options = ["-at", "--partial", "--partial-dir=.rsync-partial", "--timeout=60", "--info=progress2", "--bwlimit=10M"]
    read = rsync.parse([*options, "-e", SSH, "/d/a.dmp", "/d/b.dmp", "oracle@127.0.0.1:/dump/"])
    assert read.sources == ["/d/a.dmp", "/d/b.dmp"] and read.destination == "/dump/"
    assert (read.user, read.host, read.timeout, read.bwlimit) == ("oracle", "127.0.0.1", 60, 10 * 1024**2)
    assert read.times and read.partial and read.progress and read.verify and not read.inplace
    shell = read.shell
    assert (shell.port, shell.identities, shell.known_hosts, shell.strict) == (2203, ["/k/id"], "/k/known", True)


def test_what_is_unknown_or_not_a_push_is_wrong_use() -> None:
    for words in (
        ["--delete", "a", "h:/b/"],
        ["-x", "a", "h:/b/"],
        ["a", "/b/"],
        ["h:/a", "/b/"],
        ["a"],
        ["-e", "rsh", "a", "h:/b/"],
        ["--timeout=soon", "a", "h:/b/"],
        ["-t", "--bwlimit=x", "a", "h:/b/"],
    ):
        with pytest.raises(rsync.RsyncError) as caught:
            rsync.parse(words)
        assert caught.value.code == 1


@pytest.mark.parametrize(
    ("text", "bytes_a_second"), [("0", 0), ("100", 102400), ("1.5m", 1572864), ("2MB", 2_000_000), ("1G", 1024**3)]
)
def test_bandwidth_limits(text: str, bytes_a_second: int) -> None:
    assert rsync.rate(text) == bytes_a_second


def test_progress_as_rsync_prints_it() -> None:
    assert rsync.progress_line(1048576, 4194304, 1.0) == "      1,048,576  25%    1.00MB/s    0:00:03"
    assert rsync.progress_line(4194304, 4194304, 2.0, 1, "0/1").endswith(
        "100%    2.00MB/s    0:00:02 (xfr#1, to-chk=0/1)"
    )


def test_only_the_blocks_that_differ_are_sent() -> None:
    assert rsync.differing(["a", "b", "c"], ["a", "x"]) == [1, 2]
    assert rsync.differing(["a"], ["a", "b"]) == []


def test_a_real_rsync_is_found_behind_the_labs_own(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for folder, text in ((own, "#!/bin/sh\nexec python -m infomart_lab.part run rsync\n"), (other, "#!/bin/sh\n")):
        folder.mkdir()
        (folder / "rsync").write_text(text)
        (folder / "rsync").chmod(0o755)
    assert rsync.real_rsync(f"{own}:{tmp_path}") is None
    assert rsync.real_rsync(f"{own}:{other}") == str(other / "rsync")


def test_it_prints_its_version_as_rsync_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert rsync.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith(f"rsync  version {rsync.VERSION}  protocol version ")
