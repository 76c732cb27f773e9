"""pgoutput's messages into records, the store on disk, and the arithmetic of exact SCNs."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from infomart_lab import config as lab_config
from infomart_lab.config import LabConfig
from infomart_lab.oracle import redo
from infomart_lab.oracle.redo import Decoder, Store, Transaction
from infomart_lab.oracle.snapshots import Visibility, at_position, exact_scn


def begin(csn: int, xid: int) -> bytes:
    return b"B" + struct.pack(">QqI", csn, 0, xid)


def commit(csn: int) -> bytes:
    return b"C" + struct.pack(">BQQq", 0, csn, csn + 8, 0)


def relation(oid: int, schema: str, table: str, *columns: tuple[str, bool]) -> bytes:
    data = (
        b"R"
        + struct.pack(">I", oid)
        + schema.encode()
        + b"\0"
        + table.encode()
        + b"\0d"
        + struct.pack(">H", len(columns))
    )
    for name, key in columns:
        data += bytes([key]) + name.encode() + b"\0" + struct.pack(">Ii", 25, -1)
    return data


def values(*texts: str | None) -> bytes:
    data = struct.pack(">H", len(texts))
    for text in texts:
        if text is None:
            data += b"n"
        elif text == "<unchanged>":
            data += b"u"
        else:
            data += b"t" + struct.pack(">I", len(text.encode())) + text.encode()
    return data


def message(prefix: str, content: str, *, transactional: bool = True) -> bytes:
    return (
        b"M"
        + struct.pack(">BQ", transactional, 5)
        + prefix.encode()
        + b"\0"
        + struct.pack(">I", len(content))
        + content.encode()
    )


REL = relation(7, "gim", "t", ("id", True), ("a", False))


def decode(*messages: bytes) -> list[redo.Committed]:
    decoder = Decoder()
    return [c for n, m in enumerate(messages) if (c := decoder.feed(100 + n, m)) is not None]


def test_a_transaction_becomes_one_record() -> None:
    (done,) = decode(
        begin(900, 12),
        REL,
        b"I" + struct.pack(">I", 7) + b"N" + values("1", None),
        b"U" + struct.pack(">I", 7) + b"N" + values("1", "ä"),
        b"U" + struct.pack(">I", 7) + b"K" + values("1", None) + b"N" + values("2", "b"),
        b"D" + struct.pack(">I", 7) + b"K" + values("2", None),
        b"T" + struct.pack(">IBI", 1, 0, 7),
        commit(900),
    )
    assert done.record == {
        "csn": 900,
        "start": 100,
        "xid": 12,
        "ts": "2000-01-01T00:00:00.000+00:00",
        "tag": None,
        "ops": [
            {"op": "I", "table": "GIM.T", "row": {"ID": "1", "A": None}},
            {"op": "U", "table": "GIM.T", "key": {"ID": "1"}, "row": {"ID": "1", "A": "ä"}},
            {"op": "U", "table": "GIM.T", "key": {"ID": "1"}, "row": {"ID": "2", "A": "b"}},
            {"op": "D", "table": "GIM.T", "key": {"ID": "2"}},
            {"op": "T", "table": "GIM.T"},
        ],
    }


def test_a_value_stored_apart_and_unchanged_is_left_out_unless_the_old_row_has_it() -> None:
    (plain,) = decode(begin(1, 1), REL, b"U" + struct.pack(">I", 7) + b"N" + values("1", "<unchanged>"), commit(1))
    assert plain.record is not None and plain.record["ops"][0]["row"] == {"ID": "1"}
    (full,) = decode(
        begin(1, 1),
        REL,
        b"U" + struct.pack(">I", 7) + b"O" + values("1", "big") + b"N" + values("2", "<unchanged>"),
        commit(1),
    )
    assert full.record is not None
    assert full.record["ops"][0] == {
        "op": "U",
        "table": "GIM.T",
        "key": {"ID": "1", "A": "big"},
        "row": {"ID": "2", "A": "big"},
    }


def test_tags_and_ddl_travel_as_messages() -> None:
    ddl = '{"schema": "GIM", "object": "X", "type": "TABLE", "sql": "create table x (a int)"}'
    (done,) = decode(begin(1, 1), message("tag", "00"), message("ddl", ddl), message("other", "x"), commit(1))
    assert done.record is not None
    assert done.record["tag"] == "00" and "user" not in done.record
    assert done.record["ops"] == [
        {"op": "DDL", "schema": "GIM", "object": "X", "type": "TABLE", "sql": "create table x (a int)"}
    ]


def test_the_user_whom_excludeuser_may_name_travels_as_a_message() -> None:
    (done,) = decode(
        begin(1, 1), message("user", "GGATE"), REL, b"I" + struct.pack(">I", 7) + b"N" + values("1", None), commit(1)
    )
    assert done.record is not None and done.record["user"] == "GGATE"


def test_the_dictionary_is_not_redo_and_an_import_is_known_but_not_stored() -> None:
    dictionary = relation(8, "sys", "lab_capture", ("a", True))
    assert decode(begin(1, 1), dictionary, b"I" + struct.pack(">I", 8) + b"N" + values("1"), commit(1)) == []
    assert decode(message("lab", "", transactional=False)) == []
    origin = b"O" + struct.pack(">Q", 0) + b"import\0"
    (done,) = decode(begin(5, 3), origin, REL, b"I" + struct.pack(">I", 7) + b"N" + values("1", "x"), commit(5))
    assert (done.foreign, done.record, done.csn, done.xid) == (True, None, 5, 3)


def test_an_unknown_message_is_loud() -> None:
    with pytest.raises(ValueError, match="pgoutput message"):
        decode(b"Sxxxx")


# -- store -----------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> LabConfig:
    return lab_config.create(tmp_path, base_port=32900)


def record(csn: int, size: int = 10) -> Transaction:
    return {"csn": csn, "start": csn - 1, "xid": csn, "ts": "", "tag": None, "ops": [{"op": "I", "x": "x" * size}]}


def test_records_come_back_in_order_from_any_point_and_over_segments(
    config: LabConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redo, "SEGMENT_SIZE", 500)
    store = Store(config.site_dir("site2") / "redo")
    assert redo.position(config, "site2") == 0
    for csn in range(10, 200, 10):
        assert store.append(record(csn))
    store.publish(195)
    assert len(list((config.site_dir("site2") / "redo").glob("*.jsonl"))) > 3
    assert redo.position(config, "site2") == 195
    for after in (0, 5, 10, 15, 95, 100, 190, 500):
        assert [r["csn"] for r in redo.read(config, "site2", after)] == [c for c in range(10, 200, 10) if c > after]
    assert [r["csn"] for r in redo.read(config, "site2", 50, limit=2)] == [60, 70]
    assert [r["csn"] for r in redo.read(config, "site2", 70, limit=2)] == [80, 90]
    assert redo.has_commit_between(config, "site2", 100, 110)
    assert not redo.has_commit_between(config, "site2", 100, 109)
    redo.prune(config, "site2", 100)
    assert [r["csn"] for r in redo.read(config, "site2", 100)] == list(range(110, 200, 10))


def test_a_restart_cuts_off_half_a_line_and_stores_nothing_twice(config: LabConfig) -> None:
    folder = config.site_dir("site2") / "redo"
    store = Store(folder)
    store.append(record(10))
    store.append(record(20))
    store.publish(25)
    store.close()
    (segment,) = folder.glob("*.jsonl")
    with segment.open("ab") as file:
        file.write(b'{"csn": 30, "sta')
    assert [r["csn"] for r in redo.read(config, "site2", 0)] == [10, 20]
    again = Store(folder)
    assert again.last_csn == 20
    assert [c.csn for c in again.tail()] == [10, 20]
    assert not again.append(record(20))
    assert again.append(record(30))
    again.publish(30)
    assert [r["csn"] for r in redo.read(config, "site2", 0)] == [10, 20, 30]


# -- SCN -------------------------------------------------------------------------------------------


def test_a_snapshots_text_says_what_it_sees() -> None:
    seen = Visibility.parse("10:20:12,15")
    assert [x for x in range(8, 22) if seen.sees(x)] == [8, 9, 10, 11, 13, 14, 16, 17, 18, 19]
    assert Visibility.parse("10:10:").sees(9)


@pytest.mark.parametrize(
    ("commits", "expected"),
    [
        ([], 5),
        ([(100, 8), (110, 9)], 110),
        ([(100, 8), (110, 12)], 100),  # 12 runs
        ([(100, 11), (110, 25)], 100),  # 25 begins later
        ([(100, 12), (110, 11)], None),  # 12 has the lower CSN and is not seen: another snapshot is needed
        ([(100, 12)], 5),
    ],
)
def test_an_scn_separates_what_is_seen_from_what_is_not(commits: list[tuple[int, int]], expected: int | None) -> None:
    assert exact_scn(Visibility.parse("10:20:12,15"), commits, 5) == expected


@pytest.mark.parametrize(
    ("commits", "expected"),
    [
        ([(100, 8)], 199),  # up to the log's position, at which the next commit may begin
        ([(100, 8), (150, 12)], 149),  # 150 has been decoded and is not seen
        ([(100, 8), (200, 25)], 199),
        ([(100, 8), (199, 9)], 199),
    ],
)
def test_an_scn_runs_with_the_log_as_far_as_it_means_the_same_snapshot(
    commits: list[tuple[int, int]], expected: int
) -> None:
    seen = Visibility.parse("10:20:12,15")
    scn = exact_scn(seen, commits, 5)
    assert scn is not None and at_position(scn, 200, seen, commits) == expected
