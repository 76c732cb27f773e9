"""The dump file set keeps bytes, knows its files, and shows damage."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from infomart_lab.datapump.dumpset import DumpError, DumpSet, DumpWriter, Extent, Header, find

HEADER = Header(set_id="a" * 32, file=0, owner="SYSTEM", job="GIM_EXP", release="19", created="2026-11-02")


def write(folder: Path, contents: dict[str, bytes], *, name: str = "g_%U.dmp", filesize: int = 0) -> list[Path]:
    writer = DumpWriter([folder / name], HEADER, filesize=filesize)
    writer.open_first(1)
    places = {}
    for key, content in contents.items():
        stream = writer.stream()
        for start in range(0, len(content), 7001):
            stream.write(content[start : start + 7001])
        places[key] = [extent.model_dump() for extent in stream.close()]
    import json

    writer.finish(json.dumps(places).encode())
    return [Path(path) for path, _ in writer.files()]


def read(paths: list[Path]) -> dict[str, bytes]:
    dumps = DumpSet(paths)
    return {
        key: b"".join(dumps.read([Extent.model_validate(e) for e in extents]))
        for key, extents in dumps.catalogue().items()
    }


@pytest.mark.parametrize("filesize", [0, 20_000])
def test_what_is_written_is_read_whatever_the_order_of_the_files(tmp_path: Path, filesize: int) -> None:
    contents = {"a": os.urandom(70_001), "empty": b"", "b": b"x" * 300_000}
    paths = write(tmp_path, contents, filesize=filesize)
    assert len(paths) == 1 if not filesize else len(paths) > 3
    assert read(list(reversed(paths))) == contents
    assert find([tmp_path / "g_%U.dmp"]) == paths


def test_streams_of_several_threads_do_not_mix(tmp_path: Path) -> None:
    writer = DumpWriter([tmp_path / "g_%U.dmp"], HEADER, filesize=50_000)
    contents = {n: os.urandom(120_000) for n in range(4)}
    places: dict[int, list[Extent]] = {}

    def work(number: int) -> None:
        stream = writer.stream()
        for start in range(0, 120_000, 1000):
            stream.write(contents[number][start : start + 1000])
        places[number] = stream.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.finish(b"{}")
    dumps = DumpSet([Path(path) for path, _ in writer.files()])
    assert {n: b"".join(dumps.read(extents)) for n, extents in places.items()} == contents


def refused(paths: list[Path]) -> str:
    with pytest.raises(DumpError) as caught:
        read(paths)
    return caught.value.kind


def test_damage_is_told_apart(tmp_path: Path) -> None:
    paths = write(tmp_path, {"a": os.urandom(100_000)}, filesize=20_000)
    assert refused(paths[:-1]) == "incomplete"
    (other := tmp_path / "other").mkdir()
    header, before = HEADER.model_copy(update={"set_id": "b" * 32}), paths[1].read_bytes()
    writer = DumpWriter([other / "x.dmp"], header)
    writer.open_first(1)
    writer.finish(b"{}")
    assert refused([paths[0], other / "x.dmp"]) == "other-set"
    for content, kind in (
        (before[:-10], "invalid"),
        (before[:40], "invalid"),
        (b"EXPORT:V10" + before, "foreign"),
        (before[:9000] + bytes([before[9000] ^ 1]) + before[9001:], "invalid"),
    ):
        paths[1].write_bytes(content)
        assert refused(paths) == kind
    paths[1].unlink()
    assert refused(paths) == "missing"


def test_an_existing_file_is_kept_unless_reuse_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "g.dmp").write_text("old")
    with pytest.raises(DumpError, match="exists"):
        DumpWriter([tmp_path / "g.dmp"], HEADER).open_first(1)
    assert (tmp_path / "g.dmp").read_text() == "old"
    writer = DumpWriter([tmp_path / "g.dmp"], HEADER, reuse=True)
    writer.open_first(1)
    writer.finish(b"{}")
    assert DumpSet([tmp_path / "g.dmp"]).catalogue() == {}


def test_one_name_and_a_limit_ends_with_no_space(tmp_path: Path) -> None:
    with pytest.raises(DumpError, match="full"):
        write(tmp_path, {"a": os.urandom(100_000)}, name="g.dmp", filesize=20_000)
