"""Databases, ICON, Info Mart Server and audit of a small lab, without the parts that only other sites need."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import wait_for, wait_until_still

from infomart_lab import audit as judge
from infomart_lab import config as lab_config
from infomart_lab import configuration, gim_server, icon, links, schema, site_setup
from infomart_lab.config import LabConfig, ready_file
from infomart_lab.postgres import Cluster, connect

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]

PYTHONPATH = os.pathsep.join(str(Path(__file__).resolve().parents[3] / folder) for folder in ("plugins", "lab"))


class Lab:
    """The processes of one test; all of them end with it."""

    def __init__(self, config: LabConfig) -> None:
        self.config = config
        self.clusters = {site: Cluster(config, site) for site in ("site2", "site3")}
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, program: str, site: str | None) -> subprocess.Popen[bytes]:
        """Start a part or the Info Mart Server of a site and wait until it serves."""
        ready = ready_file(self.config, program, site)
        ready.unlink(missing_ok=True)
        argv = ["-m", "infomart_lab.part", program, *([site] if site else [])]
        if program == "gim_server":
            argv = ["-m", "infomart_lab.gim_server", site or ""]
        environment = {**os.environ, "PYTHONPATH": PYTHONPATH, lab_config.HOME_VARIABLE: str(self.config.home)}
        process = subprocess.Popen([sys.executable, *argv], env=environment)
        self.running.append(process)
        wait_for(lambda: ready.exists() or process.poll() is not None, what=program)
        assert process.poll() is None
        return process

    def end(self, process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
        process.send_signal(number)
        self.running.remove(process)
        return process.wait(20)

    def sql(self, query: str, *, site: str = "site2", database: str = "gim") -> Any:
        with connect(self.config, site, database) as conn:
            cursor = conn.execute(query)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else cursor.rowcount

    def journal(self, source: str, site: str) -> list[str]:
        path = icon.journal_path(self.config, source, site)
        return path.read_text().splitlines() if path.exists() else []

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.wait(10)
        for cluster in self.clusters.values():
            cluster.stop()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, base_port: int) -> Iterator[Lab]:
    """Site 2 with its Info Mart, an IDB at site2 and one at site3 behind the link."""
    config = lab_config.create(tmp_path_factory.mktemp("lab"), base_port=base_port, scale=3000, rate=100)
    lab = Lab(config)
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Cluster.initdb, lab.clusters.values()))
            # A cluster ends with the thread that started it.
            for cluster in lab.clusters.values():
                cluster.start()
            list(pool.map(lambda site: site_setup.prepare(config, site), lab.clusters))
        lab.start("links", None)
        yield lab
    finally:
        lab.close()


@pytest.fixture
def stopped(lab: Lab) -> Iterator[Lab]:
    """The lab without running programs, before and after each test."""
    icon.set_load(lab.config, 100)
    yield lab
    for process in lab.running[1:]:
        process.kill()
        process.wait(10)
    del lab.running[1:]


def drain(lab: Lab) -> None:
    """Stop the calls and wait until all of them are in both IDBs."""
    icon.set_load(lab.config, 0)

    def level() -> bool:
        spool = icon.spool_path(lab.config, "TS2").stat().st_size
        sizes = {icon.journal_path(lab.config, "TS2", s).stat().st_size for s in ("site2", "site3")}
        return sizes == {spool}

    time.sleep(0.8)
    wait_for(level, what="the calls are in both IDBs")


def settled(lab: Lab) -> judge.AuditResult:
    result = judge.audit(lab.config, "site2", wait=40)
    assert (result.missing, result.duplicated, result.extra, result.pending) == (0, 0, 0, 0), result
    return result


def test_preparing_a_site_again_changes_nothing(stopped: Lab) -> None:
    before = stopped.sql("select count(*), max(interaction_id) from gim.interaction_fact")
    assert before == [(3000, 3000)]
    site_setup.prepare(stopped.config, "site2")
    assert stopped.sql("select count(*), max(interaction_id) from gim.interaction_fact") == before
    assert site_setup.is_prepared(stopped.config, "site2")


def test_every_table_of_the_lists_is_made_and_the_new_site_is_empty(stopped: Lab) -> None:
    query = "select upper(relname) from pg_class where relnamespace = 'gim'::regnamespace and relkind = 'r'"
    made = {name for (name,) in stopped.sql(query)}
    assert made == set(schema.tables(stopped.config))
    assert stopped.sql(query, site="site3") == []


def test_every_sequence_stands_above_the_highest_key(stopped: Lab) -> None:
    for sequence, (table, column) in schema.SEQUENCE_KEYS.items():
        stopped.sql(f"select nextval('gim.{sequence}')")
        (following, highest) = stopped.sql(
            f"select nextval('gim.{sequence}'), coalesce((select max({column}) from gim.{table}), 0)"
        )[0]
        assert following > highest, sequence


def test_calls_reach_the_info_mart_once_and_the_audit_sees_what_is_wrong(stopped: Lab) -> None:
    lab = stopped
    lab.start("icon", "site2")
    server = lab.start("gim_server", "site2")
    wait_for(lambda: lab.sql("select count(*) from gim.interaction_fact")[0][0] > 3100, what="the calls")
    wait_for(lambda: lab.sql("select sum(offered) from gim.ag2_queue_day")[0][0] > 3000, what="the aggregates")
    shown = "application_name like 'ora|gim_etl_server|%'"
    session = f"select 1 from pg_stat_activity where {shown} and usename = 'gim'"
    wait_for(lambda: lab.sql(session), what="the server's session")
    drain(lab)
    result = settled(lab)
    assert result.calls_written > 100
    assert result.in_database == 3000 + result.calls_written
    assert lab.journal("TS2", "site2") == lab.journal("TS2", "site3")
    assert lab.end(server) == 0

    newest = "(select max(interaction_id) from gim.interaction_fact)"
    columns = "2,1,1,1,1,media_server_ixn_guid,media_server_ixn_guid,'','','',1,1,1,0,0,1,1,0,0"
    for change, expected in (
        (f"delete from gim.interaction_fact where interaction_id = {newest}", (1, 0, 0)),
        ("delete from gim.interaction_fact where interaction_id = 17", (2, 0, 0)),
        (
            f"insert into gim.interaction_fact select -1,{columns} from gim.interaction_fact"
            f" where interaction_id = {newest}",
            (2, 1, 0),
        ),
        (
            f"insert into gim.interaction_fact select -2,{columns} from gim.interaction_fact where interaction_id = 18",
            (2, 2, 0),
        ),
        (
            f"insert into gim.interaction_fact select -3,{columns.replace('media_server_ixn_guid', repr('x'))}",
            (2, 2, 1),
        ),
    ):
        assert lab.sql(change) == 1
        found = judge.audit(lab.config, "site2")
        assert (found.missing, found.duplicated, found.extra) == expected
        assert not found.clean
    # Put right again for the tests that follow.
    lab.sql("delete from gim.interaction_fact where interaction_id < 0")
    lab.sql("update gim.ctl_extract_hwm set max_ts = max_ts")
    restore_missing(lab, found)


def restore_missing(lab: Lab, found: judge.AuditResult) -> None:
    for guid in found.examples["missing"]:
        key = 17 if guid == lab.sql("select md5('seed:17')")[0][0] else "nextval('gim.seq_interaction_fact')"
        lab.sql(
            f"insert into gim.interaction_fact values ({key},2,1,1,1,1,'{guid}','{guid}','','','',1,1,1,0,0,1,1,0,0)"
        )
    assert judge.audit(lab.config, "site2").clean


def test_a_killed_icon_loses_and_doubles_nothing(stopped: Lab) -> None:
    lab = stopped
    icon.set_load(lab.config, 400)
    server = lab.start("gim_server", "site2")
    for _ in range(2):
        process = lab.start("icon", "site2")
        time.sleep(1)
        lab.end(process, signal.SIGKILL)
        in_idb = lab.sql("select callid from icon_ts2.g_call order by id", database="idb")
        journaled = [line.split()[0] for line in lab.journal("TS2", "site2")]
        # At most the last transaction is not in the journal yet; the journal has no call that was not committed.
        assert journaled == [guid for (guid,) in in_idb][: len(journaled)]
    lab.start("icon", "site2")
    drain(lab)
    result = settled(lab)
    for site in ("site2", "site3"):
        count = lab.sql("select count(*), count(distinct callid) from icon_ts2.g_call", site=site, database="idb")
        assert count == [(result.calls_written, result.calls_written)]
    assert lab.end(server) == 0


def test_a_cut_link_queues_calls_and_the_queue_is_written_in_order(stopped: Lab) -> None:
    lab = stopped
    lab.start("icon", "site2")
    server = lab.start("gim_server", "site2")
    wait_for(lambda: lab.journal("TS2", "site3"), what="calls")
    links.change(lab.config, "site2", "site3", cut=True)
    try:
        size = wait_until_still(lambda: len(lab.journal("TS2", "site3")), 0.5, what="the calls over the link")
        ahead = len(lab.journal("TS2", "site2")) + 150
        wait_for(lambda: len(lab.journal("TS2", "site2")) > ahead, what="calls at the near site")
        assert len(lab.journal("TS2", "site3")) <= size + icon.BATCH
        waiting = len(lab.journal("TS2", "site2")) - len(lab.journal("TS2", "site3"))
        assert waiting > 100
        icon.set_load(lab.config, 0)
        # The Info Mart does not wait for the lost half of the pair.
        assert settled(lab).calls_written
    finally:
        links.change(lab.config, "site2", "site3", cut=False)
    drain(lab)
    assert lab.journal("TS2", "site3") == lab.journal("TS2", "site2")
    rows = lab.sql("select created_ts from icon_ts2.g_call order by id", site="site3", database="idb")
    assert rows == sorted(rows)
    assert lab.end(server) == 0


def test_the_scheduler_switch_stops_extraction_and_leaves_nothing_untransformed(stopped: Lab) -> None:
    lab = stopped

    def switch(value: str) -> None:
        def change(document: dict[str, Any]) -> None:
            document["applications"]["GIM"]["options"]["schedule"]["run-scheduler"] = value

        configuration.update(lab.config, change)

    lab.start("icon", "site2")
    server = lab.start("gim_server", "site2")
    mark = "select max(max_ts) from gim.ctl_extract_hwm"
    before = lab.sql(mark)
    wait_for(lambda: lab.sql(mark) != before, what="an extraction")
    switch("false")
    try:
        wait_until_still(lambda: lab.sql(mark), 3, what="the high-water mark")
        assert lab.sql(
            "select count(*) from gim.ctl_extract_hwm e where table_name = 'GIDB_G_CALL_V' and max_ts >"
            " (select max(hwm_value) from gim.ctl_transform_history where hwm_name = e.data_source_key::text)"
        ) == [(0,)]
        result = judge.audit(lab.config, "site2")
        assert result.clean and result.pending > 0
    finally:
        switch("true")
    drain(lab)
    settled(lab)
    assert lab.end(server) == 0


def test_trimming_the_job_history_keeps_the_marks(stopped: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = stopped
    marks = "select hwm_name, max(hwm_value) from gim.ctl_transform_history group by 1 order by 1"
    before = lab.sql(marks)
    monkeypatch.setattr(gim_server, "HISTORY_SECONDS", -10)
    with connect(lab.config, "site2") as conn:
        conn.execute("set search_path to gim")
        gim_server.Server(lab.config, "site2", threading.Event()).maintain(conn)
    assert lab.sql(marks) == before
    assert lab.sql("select count(*) from gim.ctl_transform_history")[0][0] < 20
    assert lab.sql("select count(*) from gim.ctl_extract_history") == [(0,)]


def test_a_pending_request_aggregates_its_interval_again_and_is_done(stopped: Lab) -> None:
    lab = stopped
    icon.set_load(lab.config, 0)
    totals = "select sum(offered), count(*) from gim.ag2_queue_day"
    with connect(lab.config, "site2") as conn:
        conn.execute("set search_path to gim")
        server = gim_server.Server(lab.config, "site2", threading.Event())
        while server.aggregate(conn):
            pass
        good = lab.sql(totals)
        lab.sql("update gim.ag2_queue_subhr set offered = 0")
        lab.sql("delete from gim.ag2_queue_day")
        lab.sql(
            "insert into gim.agr_pending_request (from_ts, to_ts)"
            " select min(date_time_key), max(date_time_key) + 900 from gim.ag2_queue_subhr"
        )
        while server.aggregate(conn):
            pass
    assert lab.sql(totals) == good
    assert lab.sql("select * from gim.agr_pending_request") == []
