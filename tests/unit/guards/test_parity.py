"""The dictionaries of both sites: true differences, apparent ones, and tables that are not replicated."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import StepOf, replace_question

from infomart_dr.guards.dictionary import code_of, dictionary_of, parity, unusable_indexes
from infomart_dr.guards.dump_set import missing_indexes

NOTHING: dict[str, list[dict[str, Any]]] = {
    name: []
    for name in (
        *("indexes", "index_columns", "index_expressions", "constraints", "constraint_columns", "triggers"),
        *("sequences", "identity_columns", "views", "materialized_views", "units", "synonyms"),
        *("invalid_objects", "unusable_partitions"),
    )
}


def index(name: str, table: str = "FACT", column: str = "A", **values: Any) -> dict[str, list[dict[str, Any]]]:
    expression = values.pop("expression", None)
    row = {
        "owner": "GIM",
        "index_name": name,
        "table_name": table,
        "uniqueness": "NONUNIQUE",
        "index_type": "NORMAL",
        "locality": "GLOBAL",
        "status": "VALID",
        **values,
    }
    found = {
        "indexes": [row],
        "index_columns": [{"index_name": name, "column_position": 1, "column_name": column, "descend": "ASC"}],
    }
    if expression:
        found["index_expressions"] = [{"index_name": name, "column_position": 1, "column_expression": expression}]
    return found


def compared(
    source: dict[str, list[dict[str, Any]]], target: dict[str, list[dict[str, Any]]], release: str = "19.0"
) -> Any:
    rows = {"source": {**NOTHING, **source}, "target": {**NOTHING, **target}}
    site = SimpleNamespace(database=SimpleNamespace(release=release))
    return StepOf(
        schema="GIM",
        topology=SimpleNamespace(info_mart=SimpleNamespace(release="8.1.4")),
        site=lambda role: site,
        dba=lambda role: SimpleNamespace(select=lambda name, **binds: rows[role][name]),
    )


def faults(source: dict[str, list[dict[str, Any]]], target: dict[str, list[dict[str, Any]]]) -> list[str]:
    return parity(compared(source, target)).faults


def test_an_index_on_an_expression_is_compared_by_it_and_not_by_its_hidden_column() -> None:
    source = index("I1", column="SYS_NC00007$", expression='"B" DESC')
    assert faults(source, index("I1", column="SYS_NC00005$", expression="B  DESC")) == []
    assert faults(source, index("I1", column="SYS_NC00007$", expression="upper(B)")) != []


@pytest.mark.parametrize("change", [{"index_type": "BITMAP"}, {"locality": "LOCAL"}, {"column": "C"}])
def test_type_locality_and_columns_of_an_index_count(change: dict[str, str]) -> None:
    assert faults(index("I1"), index("I1", **change)) == ["index I1 on FACT is missing or differs"]


def test_the_name_of_an_index_does_not_count() -> None:
    assert faults(index("SYS_C001", generated="Y"), index("SYS_C777", generated="Y")) == []


@pytest.mark.parametrize("table", ["TMP_X", "CMP3$81234"])
def test_a_table_that_is_not_replicated_is_a_note(table: str) -> None:
    found = parity(compared(index("I1", table), {}))
    assert found.faults == [] and table in found.remarks()


def test_identity_columns_are_compared_by_table_and_column() -> None:
    row = {"table_name": "FACT", "column_name": "ID", "last_number": 7}
    assert faults({"identity_columns": [row]}, {"identity_columns": [{**row, "last_number": 27}]}) == []
    assert faults({"identity_columns": [row]}, {}) == ["identity column FACT.ID is missing"]


def test_a_database_before_12c_is_not_asked_for_identity_columns() -> None:
    step = compared({}, {}, release="11.2")
    rows = {key: value for key, value in NOTHING.items() if key != "identity_columns"}
    step.dba = lambda role: SimpleNamespace(select=lambda name, **binds: rows[name])
    assert parity(step).faults == []


def test_an_index_that_the_import_left_out_is_missing_by_its_name_or_if_generated_by_its_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def several(*found: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
        return {key: [row for each in found for row in each[key]] for key in ("indexes", "index_columns")}

    source = several(index("I1"), index("I2", column="B"), index("SYS_C1", column="C", generated="Y"))
    target = several(index("I1"), index("SYS_C9", column="C", generated="Y"))
    step = compared(source, target)
    manifest = SimpleNamespace(dictionary=dictionary_of(step, "source"))
    replace_question(monkeypatch, "proven_manifest", lambda step: manifest)
    assert missing_indexes(step) == ["I2"]
    assert missing_indexes(compared(source, several(index("I1"), index("I2", column="B")))) == ["SYS_C1"]


def test_an_unusable_partition_is_named_with_the_statement_that_rebuilds_it() -> None:
    partition = {
        **{"owner": "GIM", "index_name": "I1", "table_name": "FACT"},
        **{"kind": "PARTITION", "partition_name": "P1"},
    }
    step = compared(index("I1"), {**index("I1", status="N/A"), "unusable_partitions": [partition]})
    (found,) = unusable_indexes(step, "target")
    assert "P1" in found.statement and "rebuild" in found.statement.lower()
    assert any("I1 is UNUSABLE" in fault for fault in parity(step).faults)


def test_an_index_of_another_schema_is_rebuilt_there() -> None:
    (found,) = unusable_indexes(compared({}, index("I1", owner="APP", status="UNUSABLE")), "target")
    assert found.statement == 'alter index "APP"."I1" rebuild'


def test_the_order_of_a_check_constraints_columns_does_not_count() -> None:
    constraint = {
        **{"constraint_name": "C1", "table_name": "FACT", "constraint_type": "C", "status": "ENABLED"},
        "validated": "VALIDATED",
    }
    one = [{"constraint_name": "C1", "position": None, "column_name": name} for name in ("A", "B")]
    source = {"constraints": [constraint], "constraint_columns": one}
    assert faults(source, {"constraints": [constraint], "constraint_columns": one[::-1]}) == []
    unproven = {**constraint, "validated": "NOT VALIDATED"}
    assert faults(source, {"constraints": [unproven], "constraint_columns": one}) != []


def test_code_with_another_text_differs_and_code_of_the_target_alone_is_a_note() -> None:
    def view(text: str, name: str = "V") -> dict[str, Any]:
        return {"owner": "GIM", "view_name": name, "text": text}

    assert faults({"views": [view("select 1 from dual")]}, {"views": [view("select 2 from dual")]}) == [
        "VIEW V has another text"
    ]
    found = parity(compared({}, {"views": [view("select 1 from dual", "EXTRA")]}))
    assert found.faults == [] and "EXTRA" in found.remarks()
    step = compared({"views": [view("select 1 from dual")]}, {})
    assert list(code_of(step, "source")) == ["VIEW V"]


def test_an_object_that_is_invalid_at_both_sites_is_said() -> None:
    invalid = {"invalid_objects": [{"object_type": "VIEW", "object_name": "V"}]}
    assert "invalid at both sites: VIEW V" in parity(compared(invalid, invalid)).remarks()
    assert faults({}, invalid) == ["VIEW V is invalid"]


def test_another_cache_of_a_sequence_is_a_note_and_another_increment_a_difference() -> None:
    def sequence(**values: Any) -> dict[str, list[dict[str, Any]]]:
        row = {"sequence_name": "S", "last_number": 1, "increment_by": 1, "cache_size": 20, "cycle_flag": "N"}
        return {"sequences": [{**row, "order_flag": "N", **values}]}

    found = parity(compared(sequence(), sequence(cache_size=0)))
    assert found.faults == [] and "another CACHE" in found.remarks()
    assert len(faults(sequence(), sequence(increment_by=2))) == 1
