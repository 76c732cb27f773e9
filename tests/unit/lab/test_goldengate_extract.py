"""The operations that an Extract takes from the redo, and their statements at a Replicat."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from infomart_lab.goldengate.extract import Extract, select
from infomart_lab.goldengate.group import Abend
from infomart_lab.goldengate.parameters import parse
from infomart_lab.goldengate.replicat import Operation, map_operations, statement_for


def _record(**more: Any) -> dict[str, Any]:
    ops = [
        {"op": "I", "table": "GIM.A", "row": {"ID": "1"}},
        {"op": "U", "table": "GIM.B", "key": {"ID": "1"}, "row": {"X": "2"}},
        {"op": "D", "table": "GIM.TMP_X", "key": {"ID": "1"}},
        {"op": "DDL", "schema": "GIM", "object": "C", "type": "TABLE", "sql": "create table c(i int)"},
    ]
    return {"csn": 200, "start": 150, "xid": 7, "ts": "2026-11-02T10:17:00+00:00", "tag": None, "ops": ops} | more


def _select(record: dict[str, Any], **more: Any) -> dict[str, Any] | None:
    options: dict[str, Any] = {
        "begin": 100,
        "excluded_tags": {"00"},
        "takes_table": lambda name: not name.startswith("GIM.TMP"),
        "takes_ddl": lambda name: False,
        "has_log_group": lambda name: True,
    }
    return select(record, **{**options, **more})


def test_a_transaction_that_began_before_the_extract_is_lost_as_a_whole() -> None:
    assert _select(_record(start=99)) is None
    assert _select(_record(start=100)) is not None


def test_excluded_users_keep_everything_that_a_user_wrote_out() -> None:
    assert _select(_record(user="GGATE"), excluded_users={"GGATE"}) is None
    assert _select(_record(user="GGATE"), excluded_users={"OTHER"}) is not None
    assert _select(_record(), excluded_users={"GGATE"}) is not None


def test_excluded_tags_keep_a_replicats_own_work_out() -> None:
    assert _select(_record(tag="00")) is None
    assert _select(_record(tag="0935")) is not None
    assert _select(_record(tag="0935"), excluded_tags={"+"}) is None


def test_only_included_tables_and_ddl_travel() -> None:
    chosen = _select(_record())
    assert chosen is not None
    assert [op["table"] for op in chosen["ops"]] == ["GIM.A", "GIM.B"]
    chosen = _select(_record(), takes_ddl=lambda name: name == "GIM.C")
    assert chosen is not None
    assert chosen["ops"][-1]["op"] == "DDL"
    assert _select(_record(), takes_table=lambda name: False) is None


def test_without_supplemental_logging_a_change_has_no_key() -> None:
    record = _record()
    chosen = _select(record, has_log_group=lambda name: False)
    assert chosen is not None
    assert chosen["ops"][0]["row"] == {"ID": "1"}
    assert chosen["ops"][1]["key"] == {}
    assert record["ops"][1]["key"] == {"ID": "1"}, "the redo record itself must stay as it is"


def test_a_replicat_takes_mapped_operations_only() -> None:
    parameters = parse("REPLICAT r\nMAPEXCLUDE GIM.B;\nMAP GIM.*, TARGET GIM2.*;", "replicat")
    found = map_operations(_record(), parameters)
    assert [(o.op, o.target) for o in found] == [("I", "GIM2.A"), ("D", "GIM2.TMP_X"), ("DDL", "GIM2.C")]


def test_null_in_a_key_is_compared_with_is_null() -> None:
    operation = Operation("D", "GIM.A", "GIM.A", {"key": {"ID": "1", "X": None}})
    statement, row, key = statement_for(operation)
    assert statement.as_string(None) == 'DELETE FROM "gim"."a" WHERE "id" = %s AND "x" IS NULL'
    assert (row, key) == ([], ["ID"])
    other = Operation("D", "GIM.A", "GIM.A", {"key": {"ID": "1", "X": "2"}})
    assert operation.shape != other.shape


@pytest.mark.parametrize(
    ("site", "error"),
    [
        ({}, None),
        ({"redo_threads": 2}, "number of Oracle redo threads .2. is not the same"),
        ({"redo_in_asm": True}, "Not able to establish connection to ASM"),
        ({"ddl_objects": False}, "GGATE.GGS_DDL_HIST is not found"),
    ],
)
def test_a_classic_extract_abends_at_its_start_without_what_it_needs(site: dict[str, Any], error: str | None) -> None:
    def start(definition: dict[str, Any], text: str) -> None:
        config = SimpleNamespace(
            sites={"site1": SimpleNamespace(**{"redo_threads": 1, "redo_in_asm": False, "ddl_objects": True} | site)}
        )
        extract: Any = SimpleNamespace(
            config=config,
            site="site1",
            name="EGIM",
            home=SimpleNamespace(schema="GGATE"),
            definition=definition,
            parameters=parse(text, "extract"),
        )
        Extract._check_classic(extract)

    text = "EXTRACT EGIM\nDDL INCLUDE OBJNAME GIM.*\nTABLE GIM.*;\n"
    if error is None:
        start({}, text)
        return
    with pytest.raises(Abend, match=error):
        start({}, text)
    if "ddl_objects" in site:
        text = text.replace("DDL INCLUDE OBJNAME GIM.*\n", "")
    else:
        text = text.replace("DDL", "TRANLOGOPTIONS DBLOGREADER\nDDL")
    start({"threads": site.get("redo_threads", 1)}, text)


@pytest.mark.parametrize(("protection", "written"), [("EXCLUDETAG 00", ["GIM.SEQ"]), ("EXCLUDEUSER GGATE", [])])
def test_a_flush_of_sequences_is_hidden_with_all_that_goldengates_user_writes(
    protection: str, written: list[str]
) -> None:
    extract: Any = SimpleNamespace(
        parameters=parse(f"EXTRACT EGIM\nTRANLOGOPTIONS {protection}\nSEQUENCE GIM.*;\n", "extract"),
        home=SimpleNamespace(schema="GGATE"),
        checkpoint={"sequences": {"GIM.SEQ": [7, True]}},
        flushed=0,
        _flush=["GIM.*"],
        _pdb="",
        _pending=None,
        _sequences_read=0.0,
        _query=lambda text: [("GIM.SEQ", 7, True, 100)],
    )
    Extract._poll_sequences(extract)
    assert [op["table"] for op in (extract._pending or [0, []])[1]] == written
    extract._query = lambda text: [("GIM.SEQ", 8, True, 110)]
    extract._pending, extract._sequences_read = None, 0.0
    Extract._poll_sequences(extract)
    assert extract._pending[1] == [{"op": "SEQ", "table": "GIM.SEQ", "value": 8, "called": True}], "GIM's own work"
