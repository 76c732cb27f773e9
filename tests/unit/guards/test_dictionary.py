"""The dictionaries of two sites compared: hidden and generated names, partitions, code, tables that are excluded."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import StepOf, replace_question

from infomart_dr.errors import GuardError
from infomart_dr.evidence.manifest import Dictionary, code_hash, dictionary_from_rows
from infomart_dr.guards import dictionary
from infomart_dr.guards.dictionary import dictionary_differences, parity, unusable_indexes
from infomart_dr.guards.surroundings import missing_around, whole_dictionary
from infomart_dr.operators.checks import ProveParity
from infomart_dr.operators.dump_set import CheckObjects


class Site:
    """The dictionary of one site: rows by statement."""

    def __init__(self, hidden: int = 3, release: str = "19.3") -> None:
        self.release = release
        self.compiled = 0
        self.rows: dict[str, list[dict[str, Any]]] = {
            "indexes": [
                index("I_FACT", "CALLS"),
                index("I_DESC", "CALLS", index_type="FUNCTION-BASED NORMAL"),
                index("SYS_C00" + str(hidden), "CALLS", uniqueness="UNIQUE", generated="Y"),
                index("I_PART", "CALLS", status="N/A", locality="LOCAL"),
                index("I_TMP", "TMP_CALLS"),
            ],
            "index_columns": [
                column("I_FACT", "ID"),
                column("I_DESC", f"SYS_NC000{hidden}$", descend="DESC"),
                column("SYS_C00" + str(hidden), "ID"),
                column("I_PART", "DAY"),
                column("I_TMP", "ID"),
            ],
            "index_expressions": [{"index_name": "I_DESC", "column_position": 1, "column_expression": '"DAY"'}],
            "constraints": [
                constraint(f"SYS_C1{hidden}", "CALLS", "C", generated="GENERATED NAME"),
                constraint("FK_CALLS", "CALLS", "R", r_owner="GIM", r_table_name="AGENTS"),
            ],
            "constraint_columns": [
                {"constraint_name": f"SYS_C1{hidden}", "position": None, "column_name": name}
                # A check has no positions; the two sites list its columns in another order.
                for name in (("A", "B") if hidden % 2 else ("B", "A"))
            ]
            + [{"constraint_name": "FK_CALLS", "position": 1, "column_name": "AGENT"}],
            "triggers": [
                {
                    "trigger_name": "TR",
                    "table_name": "CALLS",
                    "status": "ENABLED",
                    "base_object_type": "TABLE",
                    "trigger_body": "begin null; end;",
                }
            ],
            "sequences": [sequence("SEQ", 100)],
            "identity_columns": [{"table_name": "CALLS", "column_name": "N", "last_number": 7}],
            "views": [{"view_name": "V", "text": "select id from calls"}],
            "units": [
                {"type": "PACKAGE", "name": "P", "line": 1, "text": "package p as\n"},
                {"type": "PACKAGE", "name": "P", "line": 2, "text": "end;"},
            ],
            "synonyms": [{"synonym_name": "S", "table_owner": "X", "table_name": "T", "db_link": None}],
        }

    def select(self, name: str, owner: str) -> list[dict[str, Any]]:
        assert owner == "GIM"
        assert not name.startswith("identity_columns") or self.release != "11.2", "11.2 has no such view"
        assert name != "identity_columns" or self.release != "12.1", "its view has no SEQUENCE_NAME"
        if name == "identity_columns_12_1":
            return self.rows["identity_columns"]
        return self.rows.get(name, [])

    def execute(self, name: str, owner: str) -> None:
        assert name == "compile_schema"
        self.compiled += 1
        self.rows["invalid_objects"] = [row for row in self.rows["invalid_objects"] if row["object_name"] == "BROKEN"]


def index(name: str, table: str, **more: str) -> dict[str, Any]:
    usual = {"owner": "GIM", "uniqueness": "NONUNIQUE", "index_type": "NORMAL", "status": "VALID", "generated": "N"}
    return {"index_name": name, "table_name": table, "locality": None, **usual, **more}


def column(name: str, of: str, descend: str = "ASC") -> dict[str, Any]:
    return {"index_name": name, "column_position": 1, "column_name": of, "descend": descend}


def constraint(name: str, table: str, kind: str, **more: str) -> dict[str, Any]:
    usual = {"status": "ENABLED", "validated": "VALIDATED", "generated": "USER NAME", "r_owner": None}
    return {
        "constraint_name": name,
        "table_name": table,
        "constraint_type": kind,
        "r_table_name": None,
        **usual,
        **more,
    }


def sequence(name: str, last: int, cache: int = 20, increment: int = 1, cycle: str = "N") -> dict[str, Any]:
    return {
        "sequence_name": name,
        "last_number": last,
        "cache_size": cache,
        "increment_by": increment,
        "cycle_flag": cycle,
    }


@pytest.fixture
def sites() -> dict[str, Site]:
    return {"source": Site(3), "target": Site(8)}


def step_of(sites: dict[str, Site]) -> Any:
    return StepOf(
        schema="GIM",
        dba=lambda role: sites[role],
        info_mart=lambda role: sites[role],
        name=lambda role: {"source": "site2", "target": "site3"}[role],
        site=lambda role: SimpleNamespace(database=SimpleNamespace(release=sites[role].release)),
        topology=SimpleNamespace(info_mart=SimpleNamespace(release="8.1.4", sequence_keys={})),
    )


def test_names_that_the_database_chose_and_hidden_columns_are_no_difference(sites: dict[str, Site]) -> None:
    compared = parity(step_of(sites))
    assert (compared.faults, compared.notes, compared.indexes) == ([], [], 5)


@pytest.mark.parametrize(
    ("statement", "row", "change", "said"),
    [
        ("index_columns", 1, {"descend": "ASC"}, "index I_DESC on CALLS is missing or differs"),
        ("index_expressions", 0, {"column_expression": '"ID"'}, "index I_DESC on CALLS is missing or differs"),
        ("indexes", 0, {"index_type": "BITMAP"}, "index I_FACT on CALLS is missing or differs"),
        ("indexes", 3, {"locality": None}, "index I_PART on CALLS is missing or differs"),
        (
            "constraints",
            1,
            {"r_table_name": "QUEUES"},
            "constraint FK_CALLS on CALLS (R, ENABLED) is missing or differs",
        ),
        ("constraints", 1, {"validated": "NOT VALIDATED"}, "constraint FK_CALLS"),
        ("constraint_columns", 0, {"column_name": "C"}, "constraint SYS_C13 on CALLS"),
        ("triggers", 0, {"status": "DISABLED"}, "trigger TR (ENABLED)"),
        ("triggers", 0, {"trigger_body": "begin x; end;"}, "TRIGGER TR has another text"),
        ("views", 0, {"text": "select id from old_calls"}, "VIEW V has another text"),
        ("units", 1, {"text": "x number; end;"}, "PACKAGE P has another text"),
        ("synonyms", 0, {"table_name": "U"}, "SYNONYM S has another text"),
        ("sequences", 0, {"increment_by": 2}, "sequence SEQ has increment by 2"),
        ("identity_columns", 0, {"column_name": "M"}, "identity column CALLS.N is missing"),
    ],
)
def test_a_difference_of_the_target_is_named(
    sites: dict[str, Site], statement: str, row: int, change: dict[str, Any], said: str
) -> None:
    sites["target"].rows[statement][row] |= change
    (found,) = parity(step_of(sites)).faults
    assert found.startswith(said)


def test_a_cache_that_differs_is_a_note_since_replication_changes_it_for_a_moment(sites: dict[str, Site]) -> None:
    sites["target"].rows["sequences"] = [sequence("SEQ", 100, cache=0)]
    compared = parity(step_of(sites))
    assert compared.faults == [] and compared.notes == ["another CACHE than at the source: SEQ"]


def test_tables_that_are_not_replicated_are_a_note(sites: dict[str, Site]) -> None:
    target = sites["target"].rows
    target["indexes"] = [row for row in target["indexes"] if row["index_name"] != "I_TMP"]
    compared = parity(step_of(sites))
    assert compared.faults == [] and compared.notes == ["differences on tables that are not replicated: TMP_CALLS"]


def test_an_unusable_index_or_partition_is_named_with_the_statement_that_rebuilds_it(sites: dict[str, Site]) -> None:
    sites["target"].rows["indexes"][0]["status"] = "UNUSABLE"
    sites["target"].rows["unusable_partitions"] = [
        {"owner": "GIM", "index_name": "I_PART", "table_name": "CALLS", "kind": "SUBPARTITION", "partition_name": "P1"}
    ]
    step = step_of(sites)
    assert [each.statement for each in unusable_indexes(step, "target")] == [
        'alter index "GIM"."I_FACT" rebuild',
        'alter index "GIM"."I_PART" rebuild subpartition "P1"',
    ]
    assert [fault.partition(" (")[0] for fault in parity(step).faults] == ["I_FACT is UNUSABLE", "I_PART is UNUSABLE"]


@pytest.mark.parametrize(
    ("releases", "faults"),
    [
        (("11.2", "11.2"), []),
        (("12.1", "12.1"), []),
        (("12.1", "19.3"), []),
        (("12.2", "12.2"), []),
    ],
)
def test_identity_columns_are_asked_as_the_release_has_them(
    sites: dict[str, Site], releases: tuple[str, str], faults: list[str]
) -> None:
    sites["source"].release, sites["target"].release = releases
    assert parity(step_of(sites)).faults == faults
    sites["target"].rows["identity_columns"] = []
    lost = parity(step_of(sites)).faults
    assert bool(lost) is (releases[0] != "11.2"), lost


def test_owner_and_quotes_that_an_import_puts_into_a_head_do_not_count() -> None:
    assert code_hash('PACKAGE BODY "GIM"."P" AS\n  x;') == code_hash("package   body p AS x;")
    assert code_hash('editionable type "GIM"."T" as object') == code_hash("TYPE t as object")
    assert code_hash("package p as x;") != code_hash("package p as y;")


def test_the_columns_of_a_check_come_in_one_order() -> None:
    def made(*names: str) -> Dictionary:
        return dictionary_from_rows(
            indexes=[],
            index_columns=[],
            constraints=[constraint("C1", "T", "C")],
            constraint_columns=[{"constraint_name": "C1", "position": None, "column_name": name} for name in names],
            triggers=[],
            sequences=[],
        )

    assert dictionary_differences(made("A", "B"), made("B", "A")) == []


def invalid(*names: str) -> list[dict[str, Any]]:
    return [{"object_type": "VIEW", "object_name": name} for name in names]


def test_what_is_invalid_at_the_target_is_recompiled_before_it_is_judged(sites: dict[str, Site]) -> None:
    sites["source"].rows["invalid_objects"] = invalid("BROKEN")
    sites["target"].rows["invalid_objects"] = invalid("V", "BROKEN")
    result = ProveParity(task_id="prove_parity", role="target")._run(_locked(step_of(sites)))
    assert sites["target"].compiled == 1 and sites["source"].compiled == 0
    assert "invalid at both sites: VIEW BROKEN" in result["summary"]


def test_what_an_import_leaves_invalid_is_recompiled(sites: dict[str, Site], monkeypatch: pytest.MonkeyPatch) -> None:
    step = _locked(step_of(sites))
    manifest = SimpleNamespace(dictionary=whole_dictionary(step, "source"))
    replace_question(monkeypatch, "proven_manifest", lambda step: manifest)
    sites["target"].rows["invalid_objects"] = invalid("V")
    CheckObjects(task_id="check_objects", role="target")._run(step)
    assert sites["target"].compiled == 1 and sites["source"].compiled == 0
    sites["target"].rows["invalid_objects"] = invalid("BROKEN")
    with pytest.raises(GuardError, match="VIEW BROKEN is invalid"):
        CheckObjects(task_id="check_objects", role="target")._run(step)


def test_what_stays_invalid_stops_the_run_and_what_differs_is_not_compiled(sites: dict[str, Site]) -> None:
    sites["target"].rows["invalid_objects"] = invalid("BROKEN")
    with pytest.raises(GuardError, match="VIEW BROKEN is invalid"):
        ProveParity(task_id="prove_parity", role="target")._run(_locked(step_of(sites)))
    sites["target"].rows["invalid_objects"] = []
    sites["target"].rows["views"] = []
    with pytest.raises(GuardError, match="VIEW V is missing"):
        ProveParity(task_id="prove_parity", role="target")._run(_locked(step_of(sites)))
    assert sites["target"].compiled == 1


def _locked(step: Any) -> Any:
    from tests.unit.operators.fakes import FakeLedger, FakeLock

    step.ledger, step.plan_id, step.owner, step.params = FakeLedger(), "plan-1", "dag run-1", {}
    step.lock = FakeLock("plan-1", "dag run-1")
    return step


def test_what_no_export_of_a_schema_carries_is_listed_with_its_statement(sites: dict[str, Site]) -> None:
    sites["source"].rows |= {
        "object_grants": [{"grantee": "GIM", "owner": "SYS", "table_name": "DBMS_LOCK", "privilege": "EXECUTE"}],
        "system_grants": [
            {"privilege": "CREATE VIEW", "admin_option": "NO"},
            {"privilege": "CREATE TABLE", "admin_option": "YES"},
        ],
        "dependants": [
            {"owner": "PUBLIC", "name": "CALLS", "type": "SYNONYM", "referenced_name": "CALLS"},
            {"owner": "TENANT", "name": "V_CALLS", "type": "VIEW", "referenced_name": "CALLS"},
        ],
        "scheduler_jobs_of": [
            {"job_name": "NIGHT", "enabled": "TRUE", "state": "SCHEDULED"},
            {"job_name": "OFF", "enabled": "FALSE", "state": "DISABLED"},
        ],
        "dbms_jobs_of": [
            {"job": 23, "broken": "N", "next_date": datetime(2026, 11, 3), "this_date": None, "time_there": None}
        ],
    }
    sites["target"].rows["system_grants"] = [{"privilege": "CREATE VIEW", "admin_option": "NO"}]
    step = step_of(sites)
    wanted = whole_dictionary(step, "source")
    assert missing_around(step, wanted) == [
        'privilege: grant create table to "GIM" with admin option',
        'privilege: grant execute on "SYS"."DBMS_LOCK" to "GIM"',
        'SYNONYM PUBLIC.CALLS: create public synonym "CALLS" for "GIM"."CALLS"',
        "VIEW TENANT.V_CALLS: the source's dbms_metadata.get_ddl('VIEW', 'V_CALLS', 'TENANT')",
        "job NIGHT: as GIM, run the source's dbms_metadata.get_ddl('PROCOBJ', 'NIGHT', 'GIM') without its call of "
        "dbms_scheduler.enable",
        "job DBMS_JOB 23: as GIM, print the source's call by dbms_job.user_export(23, :text); run that call here, "
        "and dbms_job.broken(23, true) before the commit",
    ]
    sites["target"].rows |= sites["source"].rows
    assert missing_around(step, wanted) == []
    assert dictionary.parity(step).faults == []
