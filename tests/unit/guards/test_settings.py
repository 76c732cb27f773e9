"""Settings of the topology held against the systems: each wrong one is named with the true value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from tests.unit.operators.fakes import FakeStep

from infomart_dr import topology
from infomart_dr.errors import PermanentError
from infomart_dr.guards import settings
from infomart_dr.hooks.configuration import Application
from infomart_dr.hooks.remote_host import Completed
from infomart_lab import config as lab_config
from infomart_lab import configuration
from infomart_lab import topology as lab_topology

NOW = 1_800_000_000


class World(FakeStep):
    """The lab's topology and Application objects, a dictionary with two tables, and marks of both data sources."""

    def __init__(self, tmp_path: Path) -> None:
        super().__init__()
        lab = lab_config.create(tmp_path / "lab", scenario_name="active-standby", release="8.1.4")
        self.document = lab_topology.topology(lab)
        self.sites = {"source": "site1", "target": "site2"}
        self.objects: dict[str, Any] = configuration.default(lab)["applications"]
        self.tables = [{"table_name": name, "partitioned": "NO"} for name in ("GIDB_G_CALL", "INTERACTION_FACT")]
        self.marks = {101: NOW, 102: NOW - 60}
        #: What the probe printed, by endpoint in the order of the topology; None: every one answers.
        self.probed: list[str] | None = None
        self.change(lambda document: None)

    def change(self, how: Callable[[dict[str, Any]], object]) -> None:
        how(self.document)
        self.topology = topology.parse(yaml.safe_dump(self.document), Path("topology.yaml"))  # type: ignore[assignment]
        self.pair = SimpleNamespace(source="site1", target="site2")

    def site(self, role: str) -> Any:
        return self.topology.sites[self.sites[role]]

    def dba(self, role: str) -> Any:
        return SimpleNamespace(select=lambda name, owner: self.tables)

    def info_mart(self, role: str) -> Any:
        rows = [
            {"data_source_key": key, "table_name": table, "max_ts": mark - age}
            for key, mark in self.marks.items()
            for table, age in (("G_CALL", 0), ("G_PARTY", 86400 * 300))
        ]
        return SimpleNamespace(select=lambda name, identifiers: rows)

    def configuration(self, role: str) -> Any:
        return SimpleNamespace(read=self.read)

    def read(self, name: str) -> Application:
        if name not in self.objects:
            raise PermanentError(f"There is no Application object {name}.")
        found = self.objects[name]
        return Application(
            name=name,
            dbid=found.get("dbid", 1),
            state=found["state"],
            connections=found["connections"],
            options=found["options"],
        )

    def host(self, role: str, kind: str = "db") -> Any:
        assert (role, kind) == ("target", "gim")

        def run(words: list[str], *, stdin: str, timeout: float, check: bool) -> Completed:
            count = stdin.count("\nprobe_endpoint ") if "\nprobe_endpoint " in stdin else 0
            states = self.probed or ["answers"] * count
            return Completed(0, "".join(f"{number} {state}\n" for number, state in enumerate(states)), "")

        return SimpleNamespace(run=run, label="site2/gim")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def found(faults: Any) -> list[tuple[str, bool]]:
    return [(fault.what, fault.stops) for fault in faults]


def test_a_partitioned_info_mart_that_the_topology_calls_unpartitioned_stops_a_run(world: World) -> None:
    assert found(settings.partitioned_faults(world, "source")) == []  # type: ignore[arg-type]
    world.tables[0]["partitioned"] = "YES"
    (fault,) = settings.partitioned_faults(world, "source")  # type: ignore[arg-type]
    assert fault.stops and "GIM at site1 has 1 partitioned table(s) (GIDB_G_CALL)" in fault.what
    assert "partitioned: true" in fault.remedy
    world.change(lambda document: document["info_mart"].update(partitioned=True))
    assert found(settings.partitioned_faults(world, "source")) == []  # type: ignore[arg-type]


def test_a_topology_that_calls_it_partitioned_is_warned_where_no_table_is(world: World) -> None:
    world.change(lambda document: document["info_mart"].update(partitioned=True))
    (fault,) = settings.partitioned_faults(world, "source")  # type: ignore[arg-type]
    assert not fault.stops and "no partitioned table" in fault.what
    world.tables = []
    # An empty schema says nothing.
    assert found(settings.partitioned_faults(world, "source")) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "said"),
    [("14400", "is 14400 s (4 h)"), ("8h", "is '8h'"), ("", "is ''"), ("28800", None), (" 28800 ", None), (None, None)],
)
def test_another_stuck_threshold_is_named_with_the_objects_value(
    world: World, value: str | None, said: str | None
) -> None:
    options = world.objects["GIM"]["options"]["gim-etl"]
    del options["extract-data-stuck-threshold"]
    if value is not None:
        options["extract-data-stuck-threshold"] = value
    faults = list(settings.stuck_threshold_faults(world, "source"))  # type: ignore[arg-type]
    assert [said in fault.what and "is 28800 s" in fault.what for fault in faults] == ([True] if said else [])


def test_a_data_source_without_an_idb_in_the_topology_is_named_while_it_is_in_use(world: World) -> None:
    assert found(settings.data_source_faults(world, "source")) == []  # type: ignore[arg-type]
    world.marks |= {103: NOW - 3600, 90: NOW - settings.IN_USE - 1}
    (fault,) = settings.data_source_faults(world, "source")  # type: ignore[arg-type]
    assert "extracts data source(s) 103, and" in fault.what


def test_a_data_source_with_one_idb_is_named_with_the_site_whose_loss_loses_it(world: World) -> None:
    world.change(lambda document: document["sites"]["site2"]["idbs"].pop(0))
    (fault,) = settings.data_source_faults(world, "source")  # type: ignore[arg-type]
    assert fault.what == "data source 101 has an IDB at site1 only" and "loss of site1" in fault.remedy


def test_an_idb_that_the_server_does_not_read_is_named(world: World) -> None:
    world.objects["GIM"]["connections"].remove("DAP_TS1_site2")
    # A new site's IDBs come with the procedure.
    assert found(settings.extraction_faults(world, "source")) == []  # type: ignore[arg-type]
    world.change(lambda document: document["sites"]["site2"].update(role="standby"))
    world.objects["ICON_TS2_site1"]["state"] = configuration.DISABLED
    del world.objects["DAP_TS2_site1"]
    world.objects["GIM"]["connections"].remove("DAP_GIM_site1")
    said = [fault.what for fault in settings.extraction_faults(world, "source")]  # type: ignore[arg-type]
    assert said == [
        "GIM is not connected to DAP_TS1_site2",
        "DAP_TS2_site1: There is no Application object DAP_TS2_site1",
        "ICON_TS2_site1: disabled",
    ]


def test_a_listener_that_gives_the_servers_host_no_answer_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = {"site1": 1521, "site2": 1522, "site3": 1523}
    monkeypatch.setattr(
        settings,
        "connection",
        lambda name: SimpleNamespace(host="db.example.com", port=next(p for s, p in ports.items() if s in name)),
    )
    assert settings.unreachable_idbs(world, "target") == []  # type: ignore[arg-type]
    # IDBs of one database are one listener; another site's is reached as its hosts are.
    way = world.topology.reach("site1-db", "site2")
    assert way is not None
    world.probed = ["silent", "open"]
    (silent,) = settings.unreachable_idbs(world, "target")  # type: ignore[arg-type]
    assert silent.endswith(f"({way.address}:{way.listener_port})")
    world.probed = ["open", "silent"]
    (silent,) = settings.unreachable_idbs(world, "target")  # type: ignore[arg-type]
    assert silent.endswith("(db.example.com:1522)")
