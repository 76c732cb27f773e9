"""GoldenGate's stand-in between two sites: real databases, real redo, real processes."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests import waiting

from infomart_lab import config as lab
from infomart_lab import procs
from infomart_lab.goldengate.ggsci.interpreter import run
from infomart_lab.goldengate.ggsci.session import Session
from infomart_lab.goldengate.home import Home, read_json, start_ticks
from infomart_lab.oracle import catalog, redo
from infomart_lab.postgres import Cluster

pytestmark = pytest.mark.lab

#: Below the range of ephemeral ports, so that no outgoing connection of a test has one of them.
_TABLES = """
CREATE ROLE gim; CREATE ROLE ggate SUPERUSER;
CREATE ROLE system SUPERUSER;
CREATE SCHEMA gim AUTHORIZATION gim; CREATE SCHEMA ggate; CREATE SCHEMA sys;
CREATE TABLE gim.calls (id bigint PRIMARY KEY, guid varchar(50), started timestamp(0), amount numeric(12, 2));
CREATE TABLE gim.old_work (id bigint PRIMARY KEY, note varchar(50));
CREATE TABLE gim.unlogged_keys (id bigint PRIMARY KEY, note varchar(50));
CREATE TABLE gim.both_ways (id bigint PRIMARY KEY, note varchar(50));
CREATE TABLE gim.collided (id bigint PRIMARY KEY, note varchar(50));
CREATE TABLE gim.over_link (id bigint PRIMARY KEY, note varchar(50));
CREATE TABLE gim.half (id bigint PRIMARY KEY, note varchar(50));
CREATE TABLE gim.torn (id bigint PRIMARY KEY, note varchar(50));
CREATE TABLE gim.carried (id bigint PRIMARY KEY, note varchar(50));
CREATE TABLE gim.no_key (name varchar(10), note varchar(50));
CREATE SEQUENCE gim.seq_etl;
"""


def wait_for(condition: Callable[[], Any], what: str) -> None:
    """Wait until ``condition`` is true; fail with ``what`` otherwise."""
    waiting.wait_for(condition, what=what)


class SiteUnderTest:
    """One site: database, redo reader, manager."""

    def __init__(self, config: lab.LabConfig, name: str) -> None:
        self.config = config
        self.name = name
        self.home = Home(config, name)
        self.cluster = Cluster(config, name)
        self.environment = {
            **os.environ,
            lab.HOME_VARIABLE: str(config.home),
            lab.HOST_VARIABLE: f"{name}/db",
            "LD_LIBRARY_PATH": f"{config.oracle_home(name)}/lib",
            "PYTHONPATH": str(Path(lab.__file__).resolve().parents[1]),
        }
        self.manager: subprocess.Popen[bytes] | None = None

    def up(self) -> None:
        self.cluster.start()
        with psycopg.connect(self.config.postgres_dsn(self.name, "postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE gim")
        with self.connect() as connection:
            connection.execute(_TABLES.encode())
            catalog.install(connection, self.config, self.name, "gim")
        redo.create_slot(self.config, self.name)
        self.reader = redo.Reader(self.config, self.name)
        self.reader.start()
        self.manager = subprocess.Popen([sys.executable, "-m", "infomart_lab.goldengate.manager"], env=self.environment)
        self.password = self.config.password(self.name, "GGATE")

    def down(self) -> None:
        if self.manager is not None:
            self.manager.terminate()
            self.manager.wait(10)
        for group in self.home.groups():
            group.kill()
        self.reader.stop()
        self.cluster.stop()

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.config.postgres_dsn(self.name), autocommit=True)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(statement.encode()).fetchall()

    def scn(self) -> int:
        return int(self.rows("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint")[0][0])

    def ggsci(self, *commands: str, login: bool = False) -> str:
        """Run commands in this process: a program for each conversation would take most of the time."""
        lines = [f"DBLOGIN USERID ggate, PASSWORD {self.password}"] if login else []
        printed: list[str] = []
        with contextlib.chdir(self.home.root):
            run(Session(self.config, self.name, iter([*lines, *commands])), printed.append)
        return "".join(printed)

    def write(self, group: str, *lines: str) -> None:
        (self.home.root / "dirprm" / f"{group}.prm").write_text("\n".join(lines) + "\n")

    def extract(self, group: str, trail: str, *lines: str) -> None:
        """Write the parameter file of an Extract, add it and start it."""
        user = f"USERID ggate, PASSWORD {self.password}"
        # A format that both sites read.
        format_release = "" if any("EXTTRAIL" in line for line in lines) else ", FORMAT RELEASE 19.1"
        self.write(group, f"EXTRACT {group}", user, f"EXTTRAIL ./dirdat/{trail}{format_release}", *lines)
        self.ggsci(
            f"ADD EXTRACT {group}, TRANLOG, BEGIN NOW",
            f"ADD EXTTRAIL ./dirdat/{trail}, EXTRACT {group}, MEGABYTES 1",
            f"START EXTRACT {group}",
        )

    def pump(self, group: str, source: str, target: str, port: int) -> None:
        remote = f"RMTHOST 127.0.0.1, MGRPORT {port}, COMPRESS"
        taken = ("SEQUENCE GIM.*;", "TABLE GIM.*;")
        self.write(group, f"EXTRACT {group}", "PASSTHRU", remote, f"RMTTRAIL ./dirdat/{target}", *taken)
        self.ggsci(
            f"ADD EXTRACT {group}, EXTTRAILSOURCE ./dirdat/{source}",
            f"ADD RMTTRAIL ./dirdat/{target}, EXTRACT {group}, MEGABYTES 1",
            f"START EXTRACT {group}",
        )

    def replicat(self, group: str, trail: str, *lines: str, after: int | None = None) -> None:
        user = f"USERID ggate, PASSWORD {self.password}"
        mapping = "MAP GIM.*, TARGET GIM.*;"
        self.write(group, f"REPLICAT {group}", user, "ASSUMETARGETDEFS", *lines, mapping)
        start = f"START REPLICAT {group}" + (f", AFTERCSN {after}" if after is not None else "")
        self.ggsci(f"ADD REPLICAT {group}, EXTTRAIL ./dirdat/{trail}", start)

    def status(self, group: str) -> str:
        kind = "replicat" if group.startswith("r") else "extract"
        return self.home.group(kind, group).status()  # type: ignore[arg-type]

    def report(self, group: str) -> str:
        path = self.home.root / "dirrpt" / f"{group.upper()}.rpt"
        return path.read_text() if path.exists() else ""


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory, base_port: int) -> Iterator[tuple[SiteUnderTest, SiteUnderTest]]:
    """Source (site2, 19c) and target (site3, 21c)."""
    config = lab.create(
        tmp_path_factory.mktemp("gg"),
        base_port=base_port,
        sites={
            "site2": lab.Site(name="site2"),
            "site3": lab.Site(name="site3", goldengate="21c"),
        },
    )
    found = SiteUnderTest(config, "site2"), SiteUnderTest(config, "site3")
    try:
        for site in found:
            site.up()
        for site in found:
            wait_for(site.home.manager_running, f"manager of {site.name}")
            site.ggsci(*(f"ADD TRANDATA GIM.{t}" for t in ("CALLS", "BOTH_WAYS", "COLLIDED", "NO_KEY")), login=True)
        yield found
    finally:
        for site in found:
            site.down()
        wait_for(lambda: not procs.lab_processes(config.home), "no process is left behind")


@pytest.fixture(autouse=True)
def no_faults(sites: tuple[SiteUnderTest, SiteUnderTest]) -> Iterator[None]:
    """A test that fails leaves no fault to the next one."""
    yield
    (sites[0].config.home / "faults.json").unlink(missing_ok=True)


Sites = tuple[SiteUnderTest, SiteUnderTest]
_CONTENTS = "SELECT count(*), md5(string_agg(c::text, '|' ORDER BY id)) FROM gim.calls c"


def _write_calls(site: SiteUnderTest, first: int, stop: threading.Event, counter: list[int]) -> None:
    number = first
    with site.connect() as connection:
        while not stop.is_set():
            with connection.transaction():
                for offset in range(10):
                    connection.execute(
                        "INSERT INTO gim.calls VALUES (%s, %s, '2026-11-02 10:17:00', %s)",
                        (number + offset, None if offset == 3 else f"guid'{number}\\", number / 100),
                    )
                connection.execute("UPDATE gim.calls SET amount = amount + 1 WHERE id = %s", (number + 1,))
                connection.execute("UPDATE gim.calls SET id = -id WHERE id = %s", (number + 2,))
                connection.execute("DELETE FROM gim.calls WHERE id = %s", (number + 4,))
            number += 10
            counter[0] += 10


def test_rows_arrive_exactly_once_after_the_csn_whatever_is_killed(sites: Sites) -> None:
    source, target = sites
    source.extract("ekill", "ek", "SEQUENCE GIM.*;", "TABLE GIM.CALLS;")
    source.pump("pkill", "ek", "rk", target.home.manager_port)
    wait_for(lambda: source.status("ekill") == source.status("pkill") == "RUNNING", "Extract and pump run")
    stop, counter = threading.Event(), [0]
    _write_until(source, 1, 300)
    # The copy, while nothing is written: copied rows must not come again.
    scn = source.scn()
    with source.connect() as read, target.connect() as write:
        for row in read.execute("SELECT * FROM gim.calls").fetchall():
            write.execute("INSERT INTO gim.calls VALUES (%s, %s, %s, %s)", row)
    target.replicat("rkill", "rk", "REPERROR (DEFAULT, ABEND)", after=scn)
    writer = threading.Thread(target=_write_calls, args=(source, 100_000, stop, counter))
    writer.start()
    # A restart before that would apply again what AFTERCSN skips.
    wait_for(lambda: "OGG-01374" in target.report("rkill"), "the Replicat is past the CSN")
    try:
        for site, name in ((target, "rkill"), (source, "ekill"), (source, "pkill"), (target, "rkill")):
            wait_for(lambda s=site, n=name: s.status(n) == "RUNNING", f"{name} runs")  # type: ignore[misc]
            time.sleep(0.5)
            kind = "replicat" if name.startswith("r") else "extract"
            assert site.home.group(kind, name).kill() is not None  # type: ignore[arg-type]
            wait_for(lambda s=site, n=name: s.status(n) == "ABENDED", f"{name} is seen as abended")  # type: ignore[misc]
            site.ggsci(f"START {kind} {name}")
    finally:
        stop.set()
        writer.join()
    assert counter[0] > 500
    wait_for(lambda: target.rows(_CONTENTS) == source.rows(_CONTENTS), "the tables are equal")
    assert "User requested start after CSN" in (target.home.root / "ggserr.log").read_text()
    wait_for(lambda: "At EOF, no more records to process" in target.ggsci("LAG REPLICAT rkill"), "the trail's end")
    text = target.ggsci("INFO REPLICAT rkill, SHOWCH", "INFO ALL")
    assert "Latest CSN of finished TXNs:" in text
    assert "Type" in text


def _write_until(site: SiteUnderTest, first: int, rows: int) -> None:
    stop, counter = threading.Event(), [0]
    thread = threading.Thread(target=_write_calls, args=(site, first, stop, counter))
    thread.start()
    wait_for(lambda: counter[0] >= rows, "rows are written")
    stop.set()
    thread.join()


def test_sequences_and_ddl_travel_behind_their_transactions(sites: Sites) -> None:
    source, target = sites
    ddl = "DDL INCLUDE OBJNAME GIM.* EXCLUDE OBJNAME GIM.TMP*"
    source.extract(
        "eddl", "ed", ddl, "TABLEEXCLUDE GIM.TMP*;", "SEQUENCE GIM.*;", "TABLE GIM.NEW_*;", "TABLE GIM.NO_KEY;"
    )
    source.pump("pddl", "ed", "rd", target.home.manager_port)
    target.replicat("rddl", "rd", "DDL INCLUDE MAPPED")
    wait_for(lambda: source.status("eddl") == "RUNNING", "the Extract runs")
    with source.connect() as connection:
        connection.execute("CREATE TABLE gim.tmp_1 (i int)")
        connection.execute("SET search_path = gim")
        connection.execute("CREATE TABLE new_1 (id int PRIMARY KEY, note varchar(10))")
        connection.execute("INSERT INTO new_1 VALUES (1, 'one')")
        connection.execute("INSERT INTO no_key VALUES ('a', NULL), ('b', 'x')")
        connection.execute("UPDATE no_key SET note = 'y' WHERE name = 'a'")
        connection.execute("DELETE FROM no_key WHERE name = 'b'")
        connection.execute("SELECT nextval('gim.seq_etl') FROM generate_series(1, 42)")
    text = source.ggsci("FLUSH SEQUENCE GIM.*", login=True)
    assert "Successfully flushed" in text
    wait_for(lambda: target.rows("SELECT last_value FROM gim.seq_etl") == [(42,)], "the sequence's value")
    # A sequence does not wait for the commit of its group; the rows do.
    wait_for(lambda: target.rows("SELECT * FROM gim.no_key") == [("a", "y")], "the rows")
    assert target.rows("SELECT * FROM gim.new_1") == [(1, "one")]
    assert target.rows("SELECT to_regclass('gim.tmp_1')") == [(None,)]
    assert target.rows("SELECT tableowner FROM pg_tables WHERE tablename = 'new_1'") == [("gim",)]
    # A value that is already higher stays.
    target.rows("SELECT setval('gim.seq_etl', 5000)")
    source.rows("SELECT nextval('gim.seq_etl')")
    source.ggsci("FLUSH SEQUENCE GIM.SEQ_ETL", login=True)
    source.ggsci("STOP ER *ddl")
    assert target.rows("SELECT last_value FROM gim.seq_etl") == [(5000,)]
    target.ggsci("STOP ER *ddl")
    assert target.status("rddl") == "STOPPED"


def test_a_transaction_older_than_begin_now_is_lost(sites: Sites) -> None:
    source, target = sites
    with psycopg.connect(source.config.postgres_dsn("site2")) as old:
        old.execute("INSERT INTO gim.old_work VALUES (1, 'began before ADD EXTRACT')")
        source.extract("eold", "eo", "TABLE GIM.OLD_WORK;")
        wait_for(lambda: "XID:" in source.ggsci("SEND EXTRACT eold, SHOWTRANS"), "the open transaction is shown")
        old.execute("INSERT INTO gim.old_work VALUES (2, 'the same transaction')")
        old.commit()
        old.execute("INSERT INTO gim.old_work VALUES (3, 'a later one')")
        old.commit()
    source.pump("pold", "eo", "ro", target.home.manager_port)
    target.replicat("rold", "ro")
    wait_for(lambda: target.rows("SELECT id FROM gim.old_work"), "the later transaction")
    assert target.rows("SELECT id FROM gim.old_work") == [(3,)]
    source.ggsci("STOP ER *old")
    target.ggsci("STOP ER *old")


def test_tags_keep_two_directions_from_looping(sites: Sites) -> None:
    one, two = sites
    for here, there in ((one, two), (two, one)):
        here.extract("eboth", "eb", "TRANLOGOPTIONS EXCLUDETAG 00", "TABLE GIM.BOTH_WAYS;")
        here.pump("pboth", "eb", "rb", there.home.manager_port)
        there.replicat("rboth", "rb", "REPERROR (DEFAULT, ABEND)")
    with one.connect() as connection:
        connection.execute("INSERT INTO gim.both_ways VALUES (1, 'from one')")
    with two.connect() as connection:
        connection.execute("INSERT INTO gim.both_ways VALUES (2, 'from two')")
    expected = [(1, "from one"), (2, "from two")]
    for site in sites:
        wait_for(lambda s=site: s.rows("SELECT * FROM gim.both_ways ORDER BY id") == expected, site.name)  # type: ignore[misc]
    time.sleep(0.7)
    for site in sites:
        assert site.status("rboth") == "RUNNING", site.report("rboth")
        text = site.ggsci("STATS EXTRACT eboth", "STOP ER *both")
        assert "Total operations                                      1.00" in " ".join(text.split("\t"))


def test_a_replicat_abends_at_the_trail_of_a_later_release(sites: Sites) -> None:
    old, new = sites
    # The last EXTTRAIL counts: none but this one.
    new.extract("eform", "ef", "EXTTRAIL ./dirdat/ef", "TABLE GIM.BOTH_WAYS;")
    new.pump("pform", "ef", "rf", old.home.manager_port)
    old.replicat("rform", "rf")
    with new.connect() as connection:
        connection.execute("INSERT INTO gim.both_ways VALUES (9, 'in the format of 21.3')")
    wait_for(lambda: old.status("rform") == "ABENDED", "the Replicat stops")
    assert "OGG-02598" in old.report("rform") and "FORMAT RELEASE 19.1" in old.report("rform")
    for site in sites:
        site.ggsci("STOP ER *form")


def test_an_update_without_supplemental_logging_abends_the_replicat(sites: Sites) -> None:
    source, target = sites
    source.extract("ekey", "ey", "TABLE GIM.UNLOGGED_KEYS;")
    source.pump("pkey", "ey", "ry", target.home.manager_port)
    target.replicat("rkey", "ry")
    wait_for(lambda: source.status("ekey") == "RUNNING", "the Extract runs")
    with source.connect() as connection:
        connection.execute("INSERT INTO gim.unlogged_keys VALUES (1, 'inserts need no key')")
        connection.execute("UPDATE gim.unlogged_keys SET note = 'updates do'")
    wait_for(lambda: target.status("rkey") == "ABENDED", "the Replicat abends")
    assert "OGG-01169  Encountered an update where all key columns" in target.report("rkey")
    assert "OGG-01668  PROCESS ABENDING." in target.report("rkey")
    source.ggsci("STOP ER *key")


def test_a_collision_abends_and_is_applied_with_handlecollisions(sites: Sites) -> None:
    source, target = sites
    target.rows("INSERT INTO gim.collided VALUES (1, 'was here') RETURNING 1")
    source.extract("ecol", "ec", "TABLE GIM.COLLIDED;")
    source.pump("pcol", "ec", "rc", target.home.manager_port)
    target.replicat("rcol", "rc", "DISCARDFILE ./dirrpt/rcol.dsc, PURGE", "REPERROR (DEFAULT, ABEND)")
    wait_for(lambda: source.status("ecol") == "RUNNING", "the Extract runs")
    with source.connect() as connection:
        connection.execute("INSERT INTO gim.collided VALUES (0, 'good')")
        connection.execute("INSERT INTO gim.collided VALUES (1, 'again')")
        connection.execute("INSERT INTO gim.collided VALUES (2, 'good')")
        connection.execute("UPDATE gim.collided SET note = 'changed' WHERE id = 2")
    wait_for(lambda: target.status("rcol") == "ABENDED", "the Replicat abends")
    report = target.report("rcol")
    assert "ORA-00001: unique constraint (GIM.COLLIDED_PKEY) violated" in report
    assert "OGG-01296  Error mapping from GIM.COLLIDED to GIM.COLLIDED." in report
    assert "ID = 1" in (target.home.root / "dirrpt" / "rcol.dsc").read_text()
    assert target.rows("SELECT id FROM gim.collided ORDER BY id") == [(0,), (1,)]
    text = (target.home.root / "dirprm" / "rcol.prm").read_text()
    target.write("rcol", text.replace("ASSUMETARGETDEFS", "ASSUMETARGETDEFS\nHANDLECOLLISIONS"))
    target.ggsci("START REPLICAT rcol")
    wait_for(lambda: len(target.rows("SELECT 1 FROM gim.collided")) == 3, "the rest is applied")
    wait_for(lambda: target.rows("SELECT note FROM gim.collided ORDER BY id")[1:] == [("again",), ("changed",)], "all")
    source.ggsci("STOP ER *col")
    target.ggsci("STOP ER *col")


def test_a_misspelled_parameter_abends_after_a_friendly_start(sites: Sites) -> None:
    source, _ = sites
    source.write("ebad", "EXTRACT ebad", "DDOPTIONS ADDTRANDATA", "TABLE GIM.*;")
    text = source.ggsci("ADD EXTRACT ebad, TRANLOG, BEGIN NOW", "START EXTRACT ebad")
    assert "EXTRACT EBAD starting" in text
    wait_for(lambda: source.status("ebad") == "ABENDED", "the Extract abends")
    assert "OGG-00303  Unrecognized parameter (DDOPTIONS)." in source.ggsci("VIEW REPORT ebad")
    assert "ABENDED     EBAD" in source.ggsci("INFO ALL")


def test_the_program_reads_standard_input(sites: Sites) -> None:
    source, _ = sites
    done = subprocess.run(
        [sys.executable, "-m", "infomart_lab.goldengate.ggsci", "cd", str(source.home.root), "nolog"],
        input="INFO ALL\nNONSENSE\nEXIT\n",
        env=source.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Oracle GoldenGate Command Interpreter for Oracle" in done.stdout
    assert "MANAGER     RUNNING" in done.stdout
    assert "ERROR: Invalid command." in done.stdout


def test_the_trails_name_is_case_sensitive(sites: Sites) -> None:
    source, _ = sites
    source.write(
        "ecase", "EXTRACT ecase", f"USERID ggate, PASSWORD {source.password}", "EXTTRAIL ./dirdat/DP", "TABLE GIM.*;"
    )
    source.ggsci(
        "ADD EXTRACT ecase, TRANLOG, BEGIN NOW",
        "ADD EXTTRAIL ./dirdat/dp, EXTRACT ecase, MEGABYTES 5",
        "START EXTRACT ecase",
    )
    wait_for(lambda: source.status("ecase") == "ABENDED", "the Extract abends")
    assert "OGG-01044" in source.report("ecase")


def test_integrated_capture_needs_a_registration_before_its_begin(sites: Sites) -> None:
    source, _ = sites
    source.write(
        "eint", "EXTRACT eint", f"USERID ggate, PASSWORD {source.password}", "EXTTRAIL ./dirdat/ei", "TABLE GIM.X;"
    )
    text = source.ggsci(
        "ADD EXTRACT eint, INTEGRATED TRANLOG, BEGIN NOW",
        "ADD EXTTRAIL ./dirdat/ei, EXTRACT eint",
        "START EXTRACT eint",
        login=True,
    )
    assert "EXTRACT (Integrated) added." in text
    wait_for(lambda: source.status("eint") == "ABENDED", "the Extract abends without a registration")
    source.rows("SELECT pg_logical_emit_message(false, 'x', 'the redo moves on')")
    text = source.ggsci("REGISTER EXTRACT eint DATABASE", "START EXTRACT eint", login=True)
    assert "OGG-02003  Extract group EINT successfully registered with database at SCN" in text
    wait_for(lambda: "first SCN" in source.report("eint"), "it began before its registration")
    wait_for(lambda: source.status("eint") == "ABENDED", "it abends")
    source.ggsci("ALTER EXTRACT eint, BEGIN NOW", "START EXTRACT eint")
    wait_for(lambda: "OGG-00993" in source.report("eint"), "it runs")
    text = source.ggsci("STOP EXTRACT eint", "UNREGISTER EXTRACT eint DATABASE", "DELETE EXTRACT eint", login=True)
    assert "Request processed." in text
    assert "Successfully unregistered EXTRACT EINT from database." in text
    assert "Deleted EXTRACT EINT." in text


def test_aftercsn_holds_for_the_start_that_names_it(sites: Sites) -> None:
    source, target = sites
    source.extract("eonce", "eq", "TABLE GIM.NO_KEY;")
    source.pump("ponce", "eq", "rq", target.home.manager_port)
    wait_for(lambda: source.status("eonce") == source.status("ponce") == "RUNNING", "Extract and pump run")
    wait_for(lambda: "OGG-00993" in source.report("eonce"), "the Extract has begun")
    target.rows("DELETE FROM gim.no_key RETURNING 1")
    source.rows("INSERT INTO gim.no_key VALUES ('once', NULL) RETURNING 1")
    scn = source.scn()
    target.replicat("ronce", "rq", after=scn)
    wait_for(lambda: "User requested start after CSN" in target.report("ronce"), "it starts after the CSN")
    wait_for(lambda: (target.home.group("replicat", "ronce").checkpoint.get("updated") or 0) > 0, "it reads")
    time.sleep(1)
    assert target.rows("SELECT * FROM gim.no_key") == []
    # Nothing after the CSN has arrived: a plain start begins where the first one began.
    target.ggsci("STOP REPLICAT ronce", "START REPLICAT ronce")
    wait_for(lambda: target.rows("SELECT name FROM gim.no_key") == [("once",)], "what the CSN excludes is applied")
    assert "User requested start" not in target.report("ronce")
    source.ggsci("STOP ER *once")
    target.ggsci("STOP ER *once")


def test_a_group_runs_before_it_has_logged_in_and_an_abended_one_stays_so_after_a_stop(sites: Sites) -> None:
    source, _ = sites
    lab.set_fault(source.config, "site2.goldengate.late_abend", {"ELATE": 2.5})
    source.extract("elate", "el", "TABLE GIM.CALLS;")
    wait_for(lambda: source.status("elate") == "RUNNING", "it runs")
    assert "OGG-00993" not in source.report("elate")
    wait_for(lambda: source.status("elate") == "ABENDED", "its login fails")
    assert "is already stopped" in source.ggsci("STOP EXTRACT elate")
    assert source.status("elate") == "ABENDED"


def test_the_log_is_renamed_at_its_largest_size(sites: Sites) -> None:
    source, _ = sites
    lab.set_fault(source.config, "site2.goldengate.log_rollover", 300)
    for number in range(4):
        source.home.log("INFO", "OGG-00987", "ggsci", "", f"record {number} " + "x" * 200)
    lab.set_fault(source.config, "site2.goldengate.log_rollover", None)
    log = source.home.root / "ggserr.log"
    assert "record 3" in log.read_text() and "record 0" not in log.read_text()
    assert "record 0" in "".join(path.read_text() for path in sorted(log.parent.glob("ggserr.log.*")))


def test_registering_takes_time_and_is_known_from_its_beginning(sites: Sites) -> None:
    source, _ = sites
    lab.set_fault(source.config, "site2.goldengate.slow_register", 60)
    thread = threading.Thread(target=source.ggsci, args=("REGISTER EXTRACT eslow DATABASE",), kwargs={"login": True})
    thread.start()
    known = "SELECT 1 FROM sys.lab_capture WHERE capture_name = 'OGG$CAP_ESLOW'"
    wait_for(lambda: source.rows(known), "the registration is known")
    assert "already registered" in source.ggsci("REGISTER EXTRACT eslow DATABASE", login=True)
    assert thread.is_alive()
    lab.set_fault(source.config, "site2.goldengate.slow_register", None)
    thread.join(30)
    assert not thread.is_alive()
    source.ggsci("UNREGISTER EXTRACT eslow DATABASE", login=True)


def test_a_pump_outlives_a_cut_link(sites: Sites) -> None:
    source, target = sites
    port = source.config.link_port("site2", "site3", "manager")
    source.extract("ecut", "ex", "TABLE GIM.OVER_LINK;")
    source.pump("pcut", "ex", "rx", port)
    target.replicat("rcut", "rx")
    wait_for(lambda: "OGG-01224" in source.report("pcut"), "the pump reports the link")
    source.rows("INSERT INTO gim.over_link VALUES (1, 'x') RETURNING 1")
    assert source.status("pcut") == "RUNNING"
    with _Link(port, target.home.manager_port) as link:
        wait_for(lambda: target.rows("SELECT id FROM gim.over_link") == [(1,)], "the row arrives")
        link.cut()
        for number in range(2, 30):
            source.rows(f"INSERT INTO gim.over_link VALUES ({number}, 'x') RETURNING 1")
        time.sleep(0.3)
        link.mend()
        wait_for(lambda: len(target.rows("SELECT id FROM gim.over_link")) == 29, "all rows arrive")
    assert target.status("rcut") == "RUNNING"
    source.ggsci("STOP ER *cut")
    target.ggsci("STOP ER *cut")


class _Link:
    """A forwarder that can be cut: it closes all connections and refuses new ones."""

    def __init__(self, port: int, target: int) -> None:
        self.port, self.target = port, target
        self.open: list[socket.socket] = []
        self.server: socket.socket | None = None

    def mend(self) -> None:
        self.server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self.server,), daemon=True).start()

    def cut(self) -> None:
        assert self.server is not None
        for each in [self.server, *self.open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.open = []

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                near, _ = server.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                return
            self.open += [near, far]
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=pair, daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)

    def __enter__(self) -> _Link:
        self.mend()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()


def _transactions(site: SiteUnderTest, table: str, *sizes: int) -> None:
    """Transactions with these numbers of rows, written so fast that they travel together."""
    (first,) = site.rows(f"SELECT coalesce(max(id), 0) + 1 FROM gim.{table}")[0]
    with site.connect() as connection:
        for size in sizes:
            with connection.transaction():
                for _ in range(size):
                    connection.execute(f"INSERT INTO gim.{table} VALUES (%s, 'x')".encode(), (first,))
                    first += 1


def _replication(sites: Sites, table: str, letter: str) -> tuple[str, str, str]:
    """Extract, pump and Replicat of a table, with five rows at the target.

    :param letter: second letter of the trails.
    """
    source, target = sites
    groups = f"e{table}", f"p{table}", f"r{table}"
    source.extract(groups[0], f"e{letter}", f"TABLE GIM.{table.upper()};")
    source.pump(groups[1], f"e{letter}", f"r{letter}", target.home.manager_port)
    target.replicat(groups[2], f"r{letter}")
    _transactions(source, table, 5)
    wait_for(lambda: target.rows(f"SELECT count(*) FROM gim.{table}") == [(5,)], "the first rows arrive")
    return groups


def _restart(site: SiteUnderTest, replicat: str, *lines: str) -> None:
    """Start a Replicat with further parameters."""
    user = f"USERID ggate, PASSWORD {site.password}"
    site.write(replicat, f"REPLICAT {replicat}", user, "ASSUMETARGETDEFS", *lines, "MAP GIM.*, TARGET GIM.*;")
    site.ggsci(f"START REPLICAT {replicat}")


def _open(site: SiteUnderTest, replicat: str) -> int:
    """Transactions that a Replicat has begun and not ended, by the database."""
    views = "sys.v$transaction t JOIN sys.v$session s ON s.saddr = t.ses_addr"
    of_group = f"s.username = 'GGATE' AND s.module = 'OGG-{replicat.upper()}'"
    return int(site.rows(f"SELECT count(*) FROM {views} WHERE {of_group}")[0][0])


def test_a_transaction_without_an_end_holds_the_complete_ones_back_until_the_timeout(sites: Sites) -> None:
    source, target = sites
    count = "SELECT count(*) FROM gim.half"
    _, _, replicat = _replication(sites, "half", "h")
    status = f"SEND REPLICAT {replicat}, STATUS"
    target.ggsci(f"STOP REPLICAT {replicat}")
    lab.set_fault(source.config, "site2.goldengate.partial_transaction", True)
    _transactions(source, "half", 1, 1, 12)
    wait_for(lambda: '"place":0' in _newest(target, "rh"), "half a transaction arrives")
    waiting.wait_until_still(lambda: _newest(target, "rh"), 0.5)
    target.ggsci(f"START REPLICAT {replicat}")
    wait_for(lambda: _open(target, replicat) == 1, "the group is applied and not committed")
    # Its rows are in the database before the process says so.
    wait_for(lambda: "0 records in current transaction" not in target.ggsci(status), "its records are told")
    text = target.ggsci(f"LAG REPLICAT {replicat}", status)
    assert "At EOF, no more records to process" in text and "Current status: At EOF" in text
    assert target.rows(count) == [(5,)]
    target.ggsci(f"STOP REPLICAT {replicat}")
    assert target.status(replicat) == "RUNNING", "STOP waits for the end of the transaction"
    target.ggsci(f"STOP REPLICAT {replicat} !")
    wait_for(lambda: target.status(replicat) == "STOPPED", "the transaction is given up")
    wait_for(lambda: _open(target, replicat) == 0, "the database has rolled back")
    assert target.rows(count) == [(5,)]
    _restart(target, replicat, "TRANSACTIONTIMEOUT 2 SECONDS")
    wait_for(lambda: target.rows(count) == [(7,)], "the complete ones are committed")
    assert _open(target, replicat) == 0
    recovered = "Current status: Waiting for data at logical EOF after transaction timeout recovery"
    wait_for(lambda: recovered in target.ggsci(status), "the recovery is told")
    assert "At EOF, no more" not in target.ggsci(f"LAG REPLICAT {replicat}") and "OGG-01466" in target.report(replicat)
    lab.set_fault(source.config, "site2.goldengate.partial_transaction", None)
    wait_for(lambda: target.rows(count) == source.rows(count) == [(19,)], "the rest arrives, once")
    assert "OGG-01470" in target.report(replicat)
    source.ggsci("STOP ER *half")
    target.ggsci("STOP ER *half")


def test_a_torn_record_abends_and_only_single_transactions_get_before_it(sites: Sites) -> None:
    source, target = sites
    count = "SELECT count(*) FROM gim.torn"
    extract, pump, replicat = _replication(sites, "torn", "t")
    target.ggsci(f"STOP REPLICAT {replicat}")
    lab.set_fault(source.config, "site2.goldengate.partial_record", True)
    _transactions(source, "torn", 1, 1, 12)
    wait_for(lambda: not _newest(target, "rt").endswith("\n"), "half a record arrives")
    for group in (pump, extract):
        source.home.group("extract", group).kill()
    _restart(target, replicat)
    wait_for(lambda: target.status(replicat) == "ABENDED", "it abends")
    assert "OGG-01184" in target.report(replicat)
    assert target.rows(count) == [(5,)]
    wait_for(lambda: _open(target, replicat) == 0, "the database has rolled back")
    _restart(target, replicat, "GROUPTRANSOPS 1")
    wait_for(lambda: target.rows(count) == [(7,)], "the complete ones are committed")
    wait_for(lambda: target.status(replicat) == "ABENDED", "it abends again")
    lab.set_fault(source.config, "site2.goldengate.partial_record", None)
    source.ggsci(f"START EXTRACT {extract}", f"START EXTRACT {pump}")
    wait_for(lambda: _newest(target, "rt").endswith("\n"), "the record is sent again")
    target.ggsci(f"START REPLICAT {replicat}")
    wait_for(lambda: target.rows(count) == source.rows(count), "the rest arrives, once")
    source.ggsci("STOP ER *torn")
    target.ggsci("STOP ER *torn")


def test_a_collector_outlives_its_manager_and_ends_with_its_pump(sites: Sites) -> None:
    source, target = sites
    _, pump, _ = _replication(sites, "carried", "w")
    collector = target.home.collector_process("rw")
    size = len(_newest(target, "rw"))
    target.ggsci("STOP MGR !")
    try:
        wait_for(lambda: target.home.manager_running() is None, "the manager has ended")
        _transactions(source, "carried", 3)
        wait_for(lambda: len(_newest(target, "rw")) > size, "the trail grows without a Manager")
        source.ggsci(f"STOP EXTRACT {pump}")
        process = read_json(collector)
        ended = "the collector ends with the pump's connection"
        wait_for(lambda: start_ticks(process["pid"]) != process["ticks"], ended)
    finally:
        command = [sys.executable, "-m", "infomart_lab.goldengate.manager"]
        target.manager = subprocess.Popen(command, env=target.environment)
        wait_for(target.home.manager_running, "the manager runs again")
    source.ggsci("STOP ER *carried")
    target.ggsci("STOP ER *carried")


def _newest(site: SiteUnderTest, trail: str) -> str:
    """Text of the newest file of a trail."""
    files = sorted((site.home.root / "dirdat").glob(f"{trail}0*"))
    return files[-1].read_text() if files else ""


def test_autorestart_starts_what_was_killed_and_never_what_was_stopped(sites: Sites) -> None:
    source, _ = sites
    path = source.home.root / "dirprm" / "mgr.prm"
    path.write_text(f"PORT {source.home.manager_port}\nAUTORESTART ER *, RETRIES 3, WAITMINUTES 0\n")
    source.ggsci("STOP ER *")
    assert "Manager stopped." in source.ggsci("STOP MGR", "y")
    assert source.manager is not None
    source.manager.wait(10)
    # Not by ggsci: the fixture must be able to end it.
    source.manager = subprocess.Popen([sys.executable, "-m", "infomart_lab.goldengate.manager"], env=source.environment)
    wait_for(source.home.manager_running, "the manager runs again")
    source.extract("eauto", "ea", "TABLE GIM.CALLS;")
    source.extract("estop", "es", "TABLE GIM.CALLS;")
    wait_for(lambda: source.status("eauto") == source.status("estop") == "RUNNING", "both run")
    first = source.home.group("extract", "eauto").process["pid"]
    source.home.group("extract", "eauto").kill()
    assert "Killed process" in source.ggsci("KILL EXTRACT estop")
    group = source.home.group("extract", "eauto")
    wait_for(lambda: group.process.get("pid") not in (None, first) and group.status() == "RUNNING", "it is restarted")
    assert source.status("estop") == "STOPPED"


def test_stop_is_refused_while_the_fault_is_on(sites: Sites) -> None:
    source, _ = sites
    lab.set_fault(source.config, "site2.goldengate.stop_refused", True)
    source.extract("eref", "ef", "TABLE GIM.CALLS;")
    wait_for(lambda: source.status("eref") == "RUNNING", "it runs")
    assert "There are open, long-running transactions." in source.ggsci("STOP EXTRACT eref")
    assert source.status("eref") == "RUNNING"
    assert "Request processed." in source.ggsci("SEND EXTRACT eref, FORCESTOP")
    assert source.status("eref") == "STOPPED"
