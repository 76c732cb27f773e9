"""ggserr.log since the last position: the real shell over real files that grow and are rotated."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infomart_dr.errors import RemoteCommandError, UnexpectedReplyError
from infomart_dr.hooks.ggsci import Ggsci


class LocalHost:
    """This machine in place of a database host."""

    def shell_bytes(self, text: str, *arguments: str) -> bytes:
        done = subprocess.run(["/bin/sh", "-c", text, "sh", *arguments], capture_output=True, timeout=10)
        if done.returncode != 0:
            raise RemoteCommandError(done.stderr.decode())
        return done.stdout


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "ogg home" / "ggserr.log"
    file.parent.mkdir()
    file.write_text(line("OGG-00001"))
    return file


def line(code: str, more: str = "") -> str:
    return f"2026-11-02T10:20:25.533+0000  ERROR   {code}  Delivery for Oracle, rgim.prm:  no.{more}\n"


def reader(log: Path) -> Ggsci:
    site: Any = SimpleNamespace(goldengate=SimpleNamespace(home=str(log.parent)))
    return Ggsci(LocalHost(), site)  # type: ignore[arg-type]


def codes(records: list[Any]) -> list[str]:
    return [record.code for record in records]


def test_the_first_reading_begins_at_the_end(log: Path) -> None:
    records, position = reader(log).log_since(None)
    assert records == [] and position == (log.stat().st_ino, log.stat().st_size)


def test_each_reading_has_what_is_new_and_nothing_twice(log: Path) -> None:
    _, position = reader(log).log_since(None)
    with log.open("a") as stream:
        stream.write(line("OGG-00002", "\n  with a second line") + line("OGG-00003"))
    records, position = reader(log).log_since(position)
    assert codes(records) == ["OGG-00002", "OGG-00003"]
    assert "second line" in records[0].message
    assert reader(log).log_since(position) == ([], position)


def test_a_record_that_is_being_written_is_left_to_the_next_reading(log: Path) -> None:
    _, position = reader(log).log_since(None)
    with log.open("a") as stream:
        stream.write(line("OGG-00002") + line("OGG-00003")[:30])
    records, position = reader(log).log_since(position)
    assert codes(records) == ["OGG-00002"]
    with log.open("a") as stream:
        stream.write(line("OGG-00003")[30:])
    assert codes(reader(log).log_since(position)[0]) == ["OGG-00003"]


@pytest.mark.parametrize("name", ["ggserr.log.1", "ggserr.log-20261102"])
def test_a_renamed_log_is_read_to_its_end_before_the_new_one(log: Path, name: str) -> None:
    _, position = reader(log).log_since(None)
    with log.open("a") as stream:
        stream.write(line("OGG-00002"))
    log.rename(log.with_name(name))
    (log.parent / "ggserr.log.older").write_text(line("OGG-00009"))
    log.write_text(line("OGG-00003"))
    records, position = reader(log).log_since(position)
    assert codes(records) == ["OGG-00002", "OGG-00003"]
    assert reader(log).log_since(position)[0] == []


def test_a_renamed_log_that_is_gone_costs_only_what_was_in_it(log: Path) -> None:
    _, position = reader(log).log_since(None)
    log.rename(log.with_name("moved-away"))
    log.write_text(line("OGG-00003"))
    assert codes(reader(log).log_since(position)[0]) == ["OGG-00003"]


def test_a_log_that_was_cut_is_read_from_its_beginning(log: Path) -> None:
    with log.open("a") as stream:
        stream.write(line("OGG-00002") * 5)
    _, position = reader(log).log_since(None)
    with log.open("r+") as stream:
        stream.truncate()
        stream.write(line("OGG-00004"))
    assert codes(reader(log).log_since(position)[0]) == ["OGG-00004"]


def test_a_flood_is_read_in_pieces_and_nothing_of_it_is_left_out(log: Path) -> None:
    _, position = reader(log).log_since(None)
    with log.open("a") as stream:
        stream.write("".join(line(f"OGG-{number:05d}") for number in range(100, 130)))
    seen: list[str] = []
    for _ in range(40):
        records, position = reader(log).log_since(position, limit=300)
        seen += codes(records)
    assert seen == [f"OGG-{number:05d}" for number in range(100, 130)]


def test_a_line_without_end_does_not_stop_the_reading(log: Path) -> None:
    _, position = reader(log).log_since(None)
    with log.open("a") as stream:
        stream.write("x" * 1000 + "\n" + line("OGG-00005"))
    seen: list[str] = []
    for _ in range(10):
        records, position = reader(log).log_since(position, limit=300)
        seen += codes(records)
    assert seen == ["OGG-00005"]


def test_a_log_that_is_not_there_is_an_error_with_its_name(log: Path) -> None:
    log.unlink()
    with pytest.raises(RemoteCommandError, match=r"ggserr\.log: no such file"):
        reader(log).log_since(None)


def test_a_host_whose_ls_is_another_is_reported_and_not_believed(log: Path) -> None:
    class Odd(LocalHost):
        def shell_bytes(self, text: str, *arguments: str) -> bytes:
            return b"-rw-r--r-- what\n"

    site: Any = SimpleNamespace(goldengate=SimpleNamespace(home=str(log.parent)))
    with pytest.raises(UnexpectedReplyError, match="cannot be read"):
        Ggsci(Odd(), site).log_since(None)  # type: ignore[arg-type]


def test_of_a_log_that_was_renamed_twice_every_record_is_read(log: Path) -> None:
    _, position = reader(log).log_since(None)
    for code in ("OGG-00002", "OGG-00003"):
        with log.open("a") as stream:
            stream.write(line(code))
        if (first := log.with_name("ggserr.log.1")).exists():
            first.rename(log.with_name("ggserr.log.2"))
        log.rename(log.with_name("ggserr.log.1"))
        log.touch()
    # A copy of the old log with errors from before the position is no part of it.
    log.with_name("ggserr.log.copy").write_text(line("OGG-00009"))
    with log.open("a") as stream:
        stream.write(line("OGG-00004"))
    records, after = reader(log).log_since(position)
    assert codes(records) == ["OGG-00002", "OGG-00003", "OGG-00004"]
    errors, whole = reader(log).errors_since(position)
    assert codes(errors) == ["OGG-00002", "OGG-00003", "OGG-00004"] and whole
    assert after == (log.stat().st_ino, log.stat().st_size)


def test_the_rest_of_a_renamed_log_is_read_whatever_its_size(log: Path) -> None:
    _, position = reader(log).log_since(None)
    with log.open("a") as stream:
        stream.write("".join(line(f"OGG-{number:05d}") for number in range(100, 130)))
    log.rename(log.with_name("ggserr.log.1"))
    log.write_text(line("OGG-00003"))
    seen: list[str] = []
    for _ in range(40):
        records, position = reader(log).log_since(position, limit=300)
        seen += codes(records)
    assert seen == [*(f"OGG-{number:05d}" for number in range(100, 130)), "OGG-00003"]


@pytest.mark.parametrize("how", ["moved away", "truncated"])
def test_a_log_of_which_a_part_is_gone_is_not_called_whole(log: Path, how: str) -> None:
    with log.open("a") as stream:
        stream.write(line("OGG-00002") * 5)
    _, position = reader(log).log_since(None)
    assert position is not None
    if how == "truncated":
        log.write_text(line("OGG-00003"))
    else:
        log.rename(log.with_name("elsewhere"))
        (log.parent / "elsewhere").rename(log.parent.parent / "elsewhere")
        log.write_text(line("OGG-00003"))
    errors, whole = reader(log).errors_since(position)
    assert (codes(errors), whole) == (["OGG-00003"], False)


def test_a_line_of_a_process_with_another_locale_is_read_in_its_own_encoding(log: Path) -> None:
    _, position = reader(log).log_since(None)
    with log.open("ab") as stream:
        stream.write(line("OGG-00002", " Zugriff auf Büro").encode("cp1252") + line("OGG-00003", " Büro").encode())
    records, _ = reader(log).log_since(position)
    assert [record.message.endswith("Büro") for record in records] == [True, True]
