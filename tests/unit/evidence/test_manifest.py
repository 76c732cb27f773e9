"""A manifest describes a dump set, the same everywhere, and proves the files that have arrived."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from infomart_dr.errors import GuardError, UnexpectedReplyError
from infomart_dr.evidence.manifest import Manifest, dictionary_from_rows

A, B = "a" * 64, "b" * 64
VALUES = {
    "deployment": "emea",
    "plan_id": "manual__2026-11-02T10:00:00+00:00",
    "source_site": "site2",
    "database_name": "GIM2",
    "dbid": 1234567890,
    "oracle_release": "19.0",
    "info_mart_release": "8.1.4",
    "info_mart_schema": "GIM",
    "scn": 9007199254740995,
    "job_name": "GIM_EXP_1",
    "directory": "GIM_DUMP",
    "files": [
        {"name": "gim_01.dmp", "size": 4096, "sha256": A},
        {"name": "gim_02.dmp", "size": 1024, "sha256": B},
    ],
    "exclusions": {"name": "8.1.4", "sha256": A},
    "export_started": "2026-11-02T10:00:00Z",
    "export_ended": "2026-11-02T11:00:00+01:00",
    "dictionary": {
        "indexes": [{"name": "I_C_EXTR_HWM_ID", "table": "CTL_EXTRACT_HWM", "unique": True, "columns": ["TABLE_NAME"]}],
        "sequences": {"SEQ_X": 10**27},
        "row_counts": {"INTERACTION_FACT": 5000},
    },
}
ARRIVED = {"gim_01.dmp": (4096, A), "gim_02.dmp": (1024, B.upper()), "other.dmp": (1, A)}


@pytest.fixture
def manifest():
    return Manifest.model_validate(VALUES)


def test_it_survives_its_file_to_the_last_digit(manifest):
    text = manifest.to_text()
    again = Manifest.from_text(text, manifest.digest())
    assert again == manifest and again.scn == 9007199254740995
    assert again.dictionary.sequences["SEQ_X"] == 10**27
    assert json.loads(text)["total_bytes"] == manifest.total_bytes == 5120


def test_the_digest_depends_on_the_content_only(manifest):
    shuffled = Manifest.model_validate(dict(reversed(VALUES.items())))
    assert shuffled.digest() == manifest.digest()
    assert Manifest.model_validate({**VALUES, "scn": 9007199254740996}).digest() != manifest.digest()


def test_a_changed_manifest_is_noticed(manifest):
    changed = manifest.to_text().replace("9007199254740995", "9007199254740996")
    with pytest.raises(GuardError, match="in the file"):
        Manifest.from_text(changed)
    with pytest.raises(GuardError, match="in the ledger"):
        Manifest.from_text(manifest.to_text(), B)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"manifest": {}, "digest": "x"}', "not json"])
def test_what_is_no_manifest_is_refused(text):
    with pytest.raises(UnexpectedReplyError):
        Manifest.from_text(text)


@pytest.mark.parametrize(
    "change",
    [
        {"scn": 0},
        {"files": []},
        {"files": [VALUES["files"][0]] * 2},
        {"files": [{"name": "../x.dmp", "size": 1, "sha256": A}]},
        {"files": [{"name": "-rf", "size": 1, "sha256": A}]},
        {"files": [{"name": "x.dmp", "size": 1, "sha256": "short"}]},
        {"files": [{"name": "x.dmp", "size": 0, "sha256": A}]},
        {"schema_version": 2},
        {"export_ended": "2026-11-02T09:59:59Z"},
        {"export_started": datetime(2026, 11, 2, 9)},
        {"unknown": 1},
    ],
)
def test_wrong_values_are_refused(change):
    with pytest.raises(ValidationError):
        Manifest.model_validate({**VALUES, **change})


def test_times_with_another_zone_are_the_same_moment(manifest):
    assert manifest.export_started == manifest.export_ended == datetime(2026, 11, 2, 10, tzinfo=UTC)


# -- proofs ----------------------------------------------------------------------------------------


def test_a_set_that_has_arrived_whole_is_proven(manifest):
    manifest.prove(ARRIVED)


def test_every_difference_is_listed(manifest):
    with pytest.raises(GuardError) as caught:
        manifest.prove({"gim_01.dmp": (4095, A)})
    assert "2 of 2 files" in str(caught.value)
    assert "gim_01.dmp: 4095 bytes, expected 4096" in str(caught.value)
    assert "gim_02.dmp: missing" in str(caught.value)
    with pytest.raises(GuardError, match=r"gim_02.dmp: SHA-256 a+, expected b+"):
        manifest.prove({**ARRIVED, "gim_02.dmp": (1024, A)})


def test_a_long_list_of_differences_is_cut():
    files = [{"name": f"gim_{n:02}.dmp", "size": 1, "sha256": A} for n in range(50)]
    with pytest.raises(GuardError, match="and 30 more"):
        Manifest.model_validate({**VALUES, "files": files}).prove({})


@pytest.mark.parametrize("scn", [9007199254740995, "9007199254740995", " 9007199254740995\n"])
def test_the_one_scn_is_accepted(manifest, scn):
    assert manifest.require_scn(scn) == 9007199254740995


@pytest.mark.parametrize("scn", [9007199254740996, 0, "", "1e3", "9007199254740995.0", "None"])
def test_any_other_scn_stops_the_run(manifest, scn):
    with pytest.raises(GuardError, match="not that of the dump set"):
        manifest.require_scn(scn)


def test_the_dictionary_is_put_together_from_the_statements_rows():
    dictionary = dictionary_from_rows(
        indexes=[
            {"index_name": "SYS_C1", "table_name": "T", "uniqueness": "UNIQUE", "generated": "Y"},
            {"index_name": "I_A", "table_name": "S", "uniqueness": "NONUNIQUE", "generated": "N"},
        ],
        index_columns=[
            {"index_name": "SYS_C1", "column_position": 2, "column_name": "Y"},
            {"index_name": "SYS_C1", "column_position": 1, "column_name": "X"},
        ],
        constraints=[
            {
                "constraint_name": "PK",
                "table_name": "T",
                "constraint_type": "P",
                "status": "ENABLED",
                "generated": "GENERATED NAME",
            }
        ],
        constraint_columns=[{"constraint_name": "PK", "position": None, "column_name": "X"}],
        triggers=[{"trigger_name": "TR", "table_name": "T", "status": "DISABLED"}],
        sequences=[{"sequence_name": "S", "last_number": 21}],
        row_counts={"T": 5},
    )
    assert [(i.name, i.unique, i.columns, i.generated) for i in dictionary.indexes] == [
        ("I_A", False, [], False),
        ("SYS_C1", True, ["X", "Y"], True),
    ]
    assert dictionary.constraints[0].generated and dictionary.constraints[0].columns == ["X"]
    assert dictionary.triggers[0].status == "DISABLED"
    assert dictionary.sequences == {"S": 21} and dictionary.row_counts == {"T": 5}
