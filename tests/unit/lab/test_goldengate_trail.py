"""Trails: each record is read once and in order, wherever writer or reader was cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from infomart_lab.goldengate import trail
from infomart_lab.goldengate.group import Abend


def _writer(folder: Path, *, incarnation: str = "one", limit: int = 1 << 20, digits: int = 9) -> trail.Writer:
    writer = trail.Writer(folder / "em", incarnation, limit, digits)
    writer.open()
    return writer


def _write(writer: trail.Writer, numbers: range) -> None:
    for number in numbers:
        writer.append(trail.encode({"csn": number, "text": "x" * 50}))
    writer.flush()


def _read(reader: trail.Reader) -> list[int]:
    return [record["csn"] for record, _ in reader.read(10_000)]


def test_a_reader_follows_over_many_files(tmp_path: Path) -> None:
    writer = _writer(tmp_path, limit=500)
    reader = trail.Reader(tmp_path / "em", None)
    _write(writer, range(10))
    assert _read(reader) == list(range(10))
    assert reader.at_end
    _write(writer, range(10, 40))
    assert _read(reader) == list(range(10, 40))
    assert len(trail.files(tmp_path / "em")) > 4
    assert (tmp_path / "em000000001").exists()


def test_a_process_cannot_read_the_format_of_a_later_release(tmp_path: Path) -> None:
    writer = trail.Writer(tmp_path / "em", "one", 1 << 20, release="21.3")
    writer.open()
    _write(writer, range(3))
    assert _read(trail.Reader(tmp_path / "em", None, release="21.3")) == [0, 1, 2]
    with pytest.raises(
        Abend, match=r"(?s)trail format release 21\.3, is not compatible .* FORMAT RELEASE 19\.1"
    ) as error:
        _read(trail.Reader(tmp_path / "em", None, release="19.1"))
    assert error.value.code == "OGG-02598"


def test_a_new_reader_resumes_at_a_position(tmp_path: Path) -> None:
    writer = _writer(tmp_path, limit=500)
    _write(writer, range(30))
    reader = trail.Reader(tmp_path / "em", None)
    taken = list(reader.read(17))
    position = taken[-1][1]
    again = trail.Reader(tmp_path / "em", position, reader.incarnation)
    assert _read(again) == list(range(17, 30))


def test_a_torn_record_is_not_read_and_is_cut_off(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    _write(writer, range(3))
    with writer.path.open("ab") as file:
        file.write(b'{"csn": 3, "te')
    reader = trail.Reader(tmp_path / "em", None)
    assert _read(reader) == [0, 1, 2]
    again = _writer(tmp_path)
    assert again.last == {"csn": 2, "text": "x" * 50}
    _write(again, range(3, 5))
    assert _read(reader) == [3, 4]


def test_the_last_record_is_found_before_an_empty_new_file(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    _write(writer, range(3))
    writer.roll_over()
    writer.close()
    again = _writer(tmp_path)
    assert again.last is not None
    assert again.last["csn"] == 2
    assert again.position.seq == 1


def test_a_large_last_record_is_found(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    writer.append(trail.encode({"csn": 1}))
    writer.append(trail.encode({"csn": 2, "text": "y" * 300_000}))
    writer.close()
    again = _writer(tmp_path)
    assert again.last is not None
    assert again.last["csn"] == 2


def test_another_add_extract_overwrites(tmp_path: Path) -> None:
    _write(_writer(tmp_path, limit=500), range(20))
    writer = _writer(tmp_path, incarnation="two")
    assert writer.last is None
    assert list(trail.files(tmp_path / "em")) == [0]


def test_a_position_of_another_trail_is_an_error(tmp_path: Path) -> None:
    writer = _writer(tmp_path)
    _write(writer, range(3))
    wrong = trail.Position(0, writer.position.rba - 5)
    with pytest.raises(trail.TrailError, match="Incompatible record"):
        _read(trail.Reader(tmp_path / "em", wrong))
    with pytest.raises(trail.TrailError, match="Incompatible record"):
        _read(trail.Reader(tmp_path / "em", writer.position, "other"))
    with pytest.raises(trail.TrailError, match="Unable to open"):
        _read(trail.Reader(tmp_path / "em", trail.Position(7, 100)))


def test_release_11_2_numbers_with_six_digits(tmp_path: Path) -> None:
    writer = _writer(tmp_path, digits=6)
    _write(writer, range(2))
    assert writer.path.name == "em000000"
    assert _read(trail.Reader(tmp_path / "em", None)) == [0, 1]
