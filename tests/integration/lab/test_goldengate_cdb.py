"""GoldenGate's stand-in where the databases are PDBs of a CDB: capture from the root, and in the PDB itself."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from tests.integration.lab.test_goldengate import SiteUnderTest, wait_for

from infomart_lab import config as lab
from infomart_lab import procs
from infomart_lab.oracle import catalog

pytestmark = pytest.mark.lab


class Cdb(SiteUnderTest):
    """A site whose database is a PDB; the root is a database of its own."""

    def up(self) -> None:
        super().up()
        with self.to("postgres") as connection:
            connection.execute("CREATE DATABASE cdb")
        with self.to("cdb") as connection:
            connection.execute("CREATE SCHEMA system")
            catalog.install(connection, self.config, self.name, "cdb")

    def to(self, database: str) -> psycopg.Connection[object]:
        return psycopg.connect(self.config.postgres_dsn(self.name, database), autocommit=True)

    def capture(self, group: str, trail: str, alias: str, container: str, *taken: str) -> None:
        """Register, add and start an Extract."""
        exttrail = f"EXTTRAIL ./dirdat/{trail}, FORMAT RELEASE 19.1"
        self.write(group, f"EXTRACT {group}", f"USERIDALIAS {alias}", exttrail, *taken)
        said = self.ggsci(
            f"DBLOGIN USERIDALIAS {alias}",
            f"REGISTER EXTRACT {group} DATABASE{container}",
            f"ADD EXTRACT {group}, INTEGRATED TRANLOG, BEGIN NOW",
            f"ADD EXTTRAIL ./dirdat/{trail}, EXTRACT {group}, MEGABYTES 1",
            f"START EXTRACT {group}",
        )
        assert "successfully registered" in said, said
        wait_for(lambda: self.status(group) == "RUNNING", f"{group} runs")

    def send(self, group: str, source: str, target: str, port: int, *taken: str) -> None:
        """Add and start a pump."""
        remote = (f"RMTHOST 127.0.0.1, MGRPORT {port}", f"RMTTRAIL ./dirdat/{target}")
        self.write(group, f"EXTRACT {group}", "PASSTHRU", *remote, *taken)
        self.ggsci(
            f"ADD EXTRACT {group}, EXTTRAILSOURCE ./dirdat/{source}",
            f"ADD RMTTRAIL ./dirdat/{target}, EXTRACT {group}, MEGABYTES 1",
            f"START EXTRACT {group}",
        )

    def apply(self, group: str, trail: str, *mapping: str) -> None:
        """Add and start a Replicat."""
        self.write(group, f"REPLICAT {group}", "USERIDALIAS ggate", *mapping)
        self.ggsci(f"ADD REPLICAT {group}, EXTTRAIL ./dirdat/{trail}", f"START REPLICAT {group}")
        wait_for(lambda: self.status(group) == "RUNNING", f"{group} runs")


Sites = tuple[Cdb, Cdb]


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory, base_port: int) -> Iterator[Sites]:
    """Site2 (19c, which captures from the root only) and site3 (21c)."""
    config = lab.create(
        tmp_path_factory.mktemp("cdb"),
        base_port=base_port,
        sites={
            "site2": lab.Site(name="site2", pdb="GIMPDB2"),
            "site3": lab.Site(name="site3", goldengate="21c", pdb="GIMPDB3"),
        },
    )
    found = Cdb(config, "site2"), Cdb(config, "site3")
    try:
        for site in found:
            site.up()
        for site in found:
            wait_for(site.home.manager_running, f"manager of {site.name}")
            said = site.ggsci("DBLOGIN USERIDALIAS ggate", "ADD TRANDATA GIM.CALLS", "ADD TRANDATA GIM.BOTH_WAYS")
            assert "enabled for table GIM.CALLS" in said, said
        yield found
    finally:
        for site in found:
            site.down()
        wait_for(lambda: not procs.lab_processes(config.home), "no process is left behind")


def test_only_names_of_three_parts_travel_from_the_root_and_are_mapped(sites: Sites) -> None:
    source, target = sites
    container = " CONTAINER (GIMPDB2)"
    source.capture("ecdb", "ec", "ggroot", container, "SEQUENCE GIMPDB2.GIM.*;", "TABLE GIMPDB2.GIM.CALLS;")
    source.capture("etwo", "et", "ggroot", container, "SEQUENCE GIM.*;", "TABLE GIM.CALLS;")
    source.send("pcdb", "ec", "rc", target.home.manager_port, "SEQUENCE GIMPDB2.GIM.*;", "TABLE GIMPDB2.GIM.*;")
    target.apply("rtwo", "rc", "MAP GIM.*, TARGET GIM.*;")
    with source.connect() as connection:
        connection.execute("INSERT INTO gim.calls VALUES (1, 'one', '2026-11-02 10:17:00', 1)")
        connection.execute("UPDATE gim.calls SET amount = 2 WHERE id = 1")
        connection.execute("SELECT nextval('gim.seq_etl') FROM generate_series(1, 42)")
    assert "Successfully flushed" in source.ggsci("DBLOGIN USERIDALIAS ggate", "FLUSH SEQUENCE GIM.*")
    target.apply("rcdb", "rc", "MAP GIMPDB2.GIM.*, TARGET GIM.*;")
    wait_for(lambda: target.rows("SELECT amount FROM gim.calls WHERE id = 1") == [(2,)], "the row")
    wait_for(lambda: target.rows("SELECT last_value FROM gim.seq_etl") == [(42,)], "the sequence's value")
    # The wrong names: both groups run on, and neither has anything.
    assert source.status("etwo") == target.status("rtwo") == "RUNNING"
    for site, group in ((source, "extract etwo"), (target, "replicat rtwo")):
        wait_for(lambda s=site, g=group: "At EOF" in s.ggsci(f"LAG {g}"), f"{group} at the end")  # type: ignore[misc]
        assert "Total operations" not in site.ggsci(f"STATS {group}")
    assert "Total operations" in target.ggsci("STATS replicat rcdb")
    source.ggsci("STOP ER *")
    target.ggsci("STOP ER *")


def test_from_21c_on_an_extract_of_the_pdb_takes_names_of_two_parts(sites: Sites) -> None:
    target, source = sites
    source.capture("epdb", "ep", "ggate", "", "TABLE GIM.BOTH_WAYS;")
    source.send("ppdb", "ep", "rp", target.home.manager_port, "TABLE GIM.*;", "TABLE GIMPDB3.GIM.*;")
    target.apply("rpdb", "rp", "MAP GIM.*, TARGET GIM.*;", "MAP GIMPDB3.GIM.*, TARGET GIM.*;")
    with source.connect() as connection:
        connection.execute("INSERT INTO gim.both_ways VALUES (1, 'from the PDB')")
    wait_for(lambda: target.rows("SELECT note FROM gim.both_ways") == [("from the PDB",)], "the row")
    source.ggsci("STOP ER *")
    target.ggsci("STOP ER *")
