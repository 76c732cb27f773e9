"""Tables that are not replicated: what a standby's copy of them lacks is known before it is opened."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import FakeStep, replace_question

from infomart_dr.guards.comparison import Fingerprints
from infomart_dr.guards.excluded_tables import after_the_start, definition_differences, is_partitioned, partitions
from infomart_dr.topology import Jobs

NAMES = ("CTL_SCHEMA_INFO", "GIDB_G_CALL_V", "STG_ACW", "INTERACTION_FACT", "DBMS_TABCOMP_TEMP_CMP")


class World(FakeStep):
    """Two sites with the same tables."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.sites = {"source": "site1", "target": "site2"}
        self.topology.info_mart = SimpleNamespace(
            release="8.1.4", partitioned=True, jobs=Jobs(backend="command", command=["run", "{job}"])
        )
        self.tables: dict[str, dict[str, list[str]]] = {
            role: {name: ["ID", "CREATED_TS"] for name in NAMES} for role in ("source", "target")
        }
        self.ends = {"GIDB_G_CALL_V": str(int(time.time()) + 86400 * 13), "INTERACTION_FACT": "100"}
        self.releases = {"source": (1, 814), "target": (1, 814)}
        self.tables["source"]["CTL_SCHEMA_INFO"] = self.tables["target"]["CTL_SCHEMA_INFO"] = ["VERSION VARCHAR2", "TS"]
        replace_question(monkeypatch, "fingerprints", self._fingerprints)

    def _fingerprints(self, step: Any, role: str, tables: dict[str, list[Any]]) -> Fingerprints:
        """The hash of the rows: the time of a migration is each site's own."""
        assert [column.name for column in tables["CTL_SCHEMA_INFO"]] == ["VERSION"]
        return Fingerprints({name: self.releases[role] for name in tables})

    def dba(self, role: str) -> Any:
        return SimpleNamespace(select=lambda name, owner: self._rows(role, name))

    def _rows(self, role: str, name: str) -> list[dict[str, Any]]:
        if name == "partition_ends":
            return [{"table_name": table, "high_value": end} for table, end in self.ends.items()]
        if name == "tables":
            return [{"table_name": table, "temporary": "N"} for table in self.tables[role]]
        assert name == "columns"
        return [
            {"table_name": table, "column_name": column.split()[0], "data_type": (column + " NUMBER").split()[1]}
            for table, columns in self.tables[role].items()
            for column in columns
        ]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Any:
    return World(monkeypatch)


def test_equal_sites_need_nothing_but_partitions(world: Any) -> None:
    assert definition_differences(world) == []
    lines = after_the_start(world)
    assert "1 partitioned table(s) at site2 have partitions until" in lines[0]
    assert "no migration is to be expected" in lines[1]


def test_partitions_of_months_ago_are_named_with_their_end_and_who_makes_new_ones(world: Any) -> None:
    world.ends["GIDB_G_CALL_V"] = "1796000000" if time.time() > 1796000000 else "1500000000"
    assert partitions(world, "target").old == ["GIDB_G_CALL_V"], "replicated tables get their partitions by replication"
    line = after_the_start(world)[0]
    assert "have no partition after" in line and "GIDB_G_CALL_V" in line and "the topology's command runs it" in line
    world.topology.info_mart.jobs = Jobs()
    assert "a person must run it" in after_the_start(world)[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tables: tables["target"]["STG_ACW"].remove("CREATED_TS"), "STG_ACW.CREATED_TS is missing at site2"),
        (lambda tables: tables["source"]["STG_ACW"].remove("CREATED_TS"), "STG_ACW.CREATED_TS is only at site2"),
        (lambda tables: tables["target"].pop("GIDB_G_CALL_V"), "GIDB_G_CALL_V is missing at site2"),
        (lambda tables: tables["source"].pop("GIDB_G_CALL_V"), "GIDB_G_CALL_V is only at site2"),
        (
            lambda tables: tables["target"].update(STG_ACW=["ID VARCHAR2", "CREATED_TS"]),
            "STG_ACW.ID has another type at site2",
        ),
    ],
)
def test_a_table_of_the_release_before_is_found(world: Any, change: Any, words: str) -> None:
    change(world.tables)
    assert definition_differences(world) == [words]
    assert words in after_the_start(world)[1] and "Job_MigrateGIM" in after_the_start(world)[1]


def test_tables_that_are_replicated_or_oracles_own_are_not_compared(world: Any) -> None:
    world.tables["target"].pop("INTERACTION_FACT")
    world.tables["target"].pop("DBMS_TABCOMP_TEMP_CMP")
    assert definition_differences(world) == []


def test_another_release_in_ctl_schema_info_is_found_without_a_known_column(world: Any) -> None:
    world.releases["target"] = (1, 813)
    assert definition_differences(world) == ["CTL_SCHEMA_INFO has other rows at site2"]


def test_the_dictionary_says_partitioned_where_the_topology_does_not(world: Any) -> None:
    world.topology.info_mart.partitioned = False
    assert is_partitioned(world, "target")
    world.ends = {"INTERACTION_FACT": "100"}
    assert not is_partitioned(world, "target")
    assert "no partitioned tables" in partitions(world, "target").sentence()
