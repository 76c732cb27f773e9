"""GoldenGate's stand-ins at a site whose database is a PDB of a CDB."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from infomart_dr.hooks import goldengate_parameters as rendered
from infomart_dr.hooks import parse_ggsci
from infomart_dr.topology import parse as parse_topology
from infomart_lab import config as lab
from infomart_lab import topology
from infomart_lab.datapump.client import Client
from infomart_lab.goldengate.extract import Pump, select
from infomart_lab.goldengate.ggsci.interpreter import run
from infomart_lab.goldengate.ggsci.session import Session
from infomart_lab.goldengate.group import Abend
from infomart_lab.goldengate.home import Home
from infomart_lab.goldengate.parameters import Parameters, parse
from infomart_lab.goldengate.replicat import Replicat, map_operations

ROW = {"op": "I", "table": "GIM.CALLS", "row": {"ID": "1"}}
DDL = {"op": "DDL", "schema": "GIM", "object": "NEW", "type": "TABLE", "sql": "create table new(i int)"}
RECORD: dict[str, Any] = {"csn": 2, "start": 1, "ts": "2026-11-02T10:17:00+00:00", "tag": None, "ops": [ROW, DDL]}


@pytest.fixture
def config(tmp_path: Path) -> lab.LabConfig:
    sites, sources = lab.scenario("active-standby", cdb=["site1", "site2"])
    return lab.create(tmp_path, base_port=28_500, sites=sites, data_sources=sources)


class _Database:
    """A database without captures that notes what is asked."""

    def __init__(self) -> None:
        self.captures: list[str] = []
        self.capture_users = {"GGATE", "C##GGATE"}

    def current_scn(self) -> int:
        return 25_000_000

    def may_capture(self, user: str) -> bool:
        return user in self.capture_users

    def has_capture(self, name: str) -> bool:
        return name in self.captures

    def add_capture(self, name: str, first: int, start: int) -> None:
        self.captures.append(name)

    def sequences(self) -> list[str]:
        return ["GIM.SEQ_ETL"]

    def has_table(self, name: str) -> bool:
        return True

    def has_schema(self, name: str) -> bool:
        return True

    def log_groups(self) -> set[tuple[str, str]]:
        return {("GIM", "*")}


@pytest.fixture
def database() -> _Database:
    return _Database()


@pytest.fixture
def say(config: lab.LabConfig, database: _Database, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Say commands to ggsci of site1; returns everything that it prints."""
    monkeypatch.setattr(Session, "connect", lambda self: database)
    home = Home(config, "site1")
    home.prepare()
    home.group("extract", "egim").save_definition({"id": "1", "integrated": True, "begin_scn": 1})
    monkeypatch.chdir(home.root)

    def talk(*commands: str) -> str:
        printed: list[str] = []
        run(Session(config, "site1", iter([c + "\n" for c in commands])), printed.append)
        return "".join(printed)

    return talk


def test_the_prompt_names_the_container_that_the_alias_leads_to(say: Any) -> None:
    said = say("DBLOGIN USERIDALIAS ggroot")
    assert "GGSCI (site1-db as c##ggate@CDB1/CDB$ROOT) 2>" in said
    assert parse_ggsci.container(said) == "CDB$ROOT"
    assert parse_ggsci.container(say("DBLOGIN USERIDALIAS ggate")) == "GIMPDB1"


def test_an_extract_is_registered_from_the_root_with_its_container_only(say: Any) -> None:
    root, pdb = "DBLOGIN USERIDALIAS ggroot", "DBLOGIN USERIDALIAS ggate"
    assert "ERROR: Missing CONTAINER" in say(root, "REGISTER EXTRACT egim DATABASE")
    assert "ERROR: Pluggable database OTHER" in say(root, "REGISTER EXTRACT egim DATABASE CONTAINER (OTHER)")
    assert "ERROR: Log in to CDB$ROOT" in say(pdb, "REGISTER EXTRACT egim DATABASE")
    assert "successfully registered" in say(root, "REGISTER EXTRACT egim DATABASE CONTAINER (GIMPDB1)")


def test_from_21c_on_an_extract_is_registered_from_the_pdb_without_a_container(config: lab.LabConfig, say: Any) -> None:
    config.sites["site1"].goldengate = "21c"
    pdb = "DBLOGIN USERIDALIAS ggate"
    assert "Invalid option (CONTAINER)" in say(pdb, "REGISTER EXTRACT egim DATABASE CONTAINER (GIMPDB1)")
    assert "successfully registered" in say(pdb, "REGISTER EXTRACT egim DATABASE")


def test_a_user_without_capture_privileges_registers_no_extract(say: Any, database: _Database) -> None:
    database.capture_users.discard("C##GGATE")
    said = say("DBLOGIN USERIDALIAS ggroot", "REGISTER EXTRACT egim DATABASE CONTAINER (GIMPDB1)")
    assert "OGG-02062" in said and database.captures == []


@pytest.mark.parametrize(
    "command", ["FLUSH SEQUENCE GIM.*", "ADD CHECKPOINTTABLE GGATE.C", "ADD SCHEMATRANDATA GIM", "ADD TRANDATA GIM.*"]
)
def test_what_is_about_schemas_is_refused_in_the_root(say: Any, command: str) -> None:
    assert "not valid in CDB$ROOT" in say("DBLOGIN USERIDALIAS ggroot", command)
    assert "not valid" not in say("DBLOGIN USERIDALIAS ggate", "FLUSH SEQUENCE GIM.*", "ADD SCHEMATRANDATA GIM")


def _extracted(parameters: Parameters, pdb: str | None) -> list[str]:
    chosen = select(
        RECORD,
        begin=1,
        excluded_tags=set(),
        takes_table=parameters.includes_table,
        takes_ddl=parameters.includes_ddl,
        has_log_group=lambda name: True,
        pdb=pdb,
    )
    return [op.get("table") or f"{op['schema']}.{op['object']}" for op in (chosen or {"ops": []})["ops"]]


def test_an_extract_of_the_root_takes_names_of_three_parts_and_writes_them() -> None:
    two = parse("EXTRACT e\nDDL INCLUDE OBJNAME GIM.*\nTABLE GIM.*;", "extract")
    three = parse("EXTRACT e\nDDL INCLUDE OBJNAME GIMPDB1.GIM.*\nTABLE GIMPDB1.GIM.*;", "extract")
    assert _extracted(two, "GIMPDB1") == [] == _extracted(three, None)
    assert _extracted(three, "GIMPDB1") == ["GIMPDB1.GIM.CALLS", "GIMPDB1.GIM.NEW"]
    assert _extracted(two, None) == ["GIM.CALLS", "GIM.NEW"]
    assert not parse("EXTRACT e\nTABLE *.*;", "extract").includes_table("GIMPDB1.GIM.CALLS")


def test_a_replicat_maps_nothing_of_such_a_trail_without_the_name_of_the_pdb() -> None:
    record = RECORD | {"ops": [{**ROW, "table": "GIMPDB1.GIM.CALLS"}, {**DDL, "schema": "GIMPDB1.GIM"}]}
    two = parse("REPLICAT r\nDDL INCLUDE MAPPED\nMAP GIM.*, TARGET GIM.*;", "replicat")
    three = parse("REPLICAT r\nDDL INCLUDE MAPPED\nMAP GIMPDB1.GIM.*, TARGET GIM.*;", "replicat")
    assert map_operations(record, two) == []
    assert [o.target for o in map_operations(record, three)] == ["GIM.CALLS", "GIM.NEW"]


def test_a_replicat_of_the_root_abends(config: lab.LabConfig) -> None:
    process = Replicat(config, "site2", "replicat", "rgim")
    process.container = lab.ROOT
    with pytest.raises(Abend, match="CDB\\$ROOT"):
        process.prepare()


def test_files_for_a_database_without_containers_replicate_nothing_of_a_cdb(config: lab.LabConfig) -> None:
    document = topology.topology(config)
    right = parse_topology(yaml.safe_dump(document), config.home / "topology.yaml")
    for site in document["sites"].values():
        site["database"].pop("pdb", None)
        site["goldengate"].pop("capture_login", None)
    old = parse_topology(yaml.safe_dump(document), config.home / "topology.yaml")
    names = ["GIMPDB1.GIM.INTERACTION_FACT", "GIMPDB1.GGATE.DR_MARKER"]
    for read, expected in ((right, True), (old, False)):
        extract = parse(rendered.render_extract(read, "site1", "site2"), "extract")
        pump = parse(rendered.render_pump(read, "site1", "site2"), "extract")
        replicat = parse(rendered.render_replicat(read, "site2", "site1"), "replicat")
        for name in names:
            found = (extract.includes_table(name), pump.includes_table(name), replicat.mapped(name) is not None)
            assert found == (expected, expected, expected), name
        shipped = Pump._filtered(SimpleNamespace(parameters=pump), {"ops": [{**ROW, "table": names[0]}]})  # type: ignore[arg-type]
        assert bool(shipped["ops"]) is expected


def test_data_pump_without_a_service_is_in_the_root(config: lab.LabConfig) -> None:
    assert Client("EXPORT", config, "site1").database == "cdb"
    assert Client("EXPORT", config, "site3").database == "gim"
    assert (config.database_of("site1", "CDB1"), config.database_of("site3", "CDB3")) == ("cdb", None)


def test_an_unknown_site_has_no_cdb() -> None:
    with pytest.raises(ValueError, match="unknown site site9"):
        lab.scenario("active-standby", cdb=["site9"])


def test_release_11_2_has_no_cdb() -> None:
    with pytest.raises(ValueError, match=r"site1: release 11\.2 has no CDB"):
        lab.scenario("return-to-normal", cdb=["site1", "site2"])
