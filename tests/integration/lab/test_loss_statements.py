"""The statements of the loss estimate by the real driver, and an estimate against the journals' truth.

Copies stand for GoldenGate: one snapshot of site 1 is what a Replicat has applied at some moment, since it applies
whole transactions in their order.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from tests.unit.operators.fakes import FakeAt, FakeLedger, FakeLock
from tests.waiting import wait_for

from infomart_dr import topology as product_topology
from infomart_dr.evidence import loss as evidence
from infomart_dr.guards.loss_reading import Calls, Facts
from infomart_dr.hooks.oracle import InfoMartOracleHook, OraclePermanent
from infomart_dr.operators.loss import EstimateLoss
from infomart_lab import config as lab_config
from infomart_lab import configuration, icon, links, site_setup, topology
from infomart_lab.config import DataSource, LabConfig, Site, ready_file
from infomart_lab.oracle.server import OraclePart
from infomart_lab.postgres import Cluster, connect

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

SITES = ("site1", "site2")
PYTHONPATH = os.pathsep.join(str(Path(__file__).resolve().parents[3] / folder) for folder in ("plugins", "lab"))
#: Replicated tables that the estimate reads.
REPLICATED = ("ctl_extract_hwm", "ctl_audit_log", "interaction_fact")


class Lab:
    """Site 1 with the Info Mart Server and two T-Servers, one of them without an HA pair; site 2 with one more."""

    def __init__(self, config: LabConfig) -> None:
        self.config = config
        self.clusters = {site: Cluster(config, site) for site in SITES}
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, program: str, site: str | None) -> None:
        ready = ready_file(self.config, program, site)
        ready.unlink(missing_ok=True)
        argv = ["-m", "infomart_lab.part", program, *([site] if site else [])]
        if program == "gim_server":
            argv = ["-m", "infomart_lab.gim_server", site or ""]
        environment = {**os.environ, "PYTHONPATH": PYTHONPATH, lab_config.HOME_VARIABLE: str(self.config.home)}
        process = subprocess.Popen([sys.executable, *argv], env=environment)
        self.running[f"{program} {site}"] = process
        wait_for(lambda: ready.exists() or process.poll() is not None, what=program)
        assert process.poll() is None

    def kill(self, *names: str) -> None:
        """End programs as a site failure does."""
        processes = [self.running.pop(name) for name in names if name in self.running]
        for process in processes:
            process.send_signal(signal.SIGKILL)
        for process in processes:
            process.wait(10)

    def rows(self, query: str, *, site: str, database: str = "gim") -> list[tuple[Any, ...]]:
        with connect(self.config, site, database) as conn:
            return conn.execute(query).fetchall()  # type: ignore[arg-type]

    def trail(self, when: Callable[[Any], bool] = lambda conn: True) -> dict[str, bytes]:
        """A snapshot of site 1 at the next moment that fulfils the condition, as a Replicat would have applied it."""
        deadline = time.monotonic() + 30
        with connect(self.config, "site1", "gim") as conn:
            while True:
                with conn.transaction():
                    conn.execute("set transaction isolation level repeatable read")
                    if when(conn):
                        return {table: self._read(conn, table) for table in REPLICATED}
                assert time.monotonic() < deadline, "no such moment"
                time.sleep(0.05)

    @staticmethod
    def _read(conn: Any, table: str) -> bytes:
        with conn.cursor().copy(f"copy gim.{table} to stdout") as out:
            return b"".join(out)

    def apply(self, trail: dict[str, bytes]) -> None:
        """Load that state into the standby."""
        with connect(self.config, "site2", "gim") as conn, conn.transaction():
            for table, rows in trail.items():
                conn.execute(f"truncate gim.{table} cascade")  # type: ignore[arg-type]
                with conn.cursor().copy(f"copy gim.{table} from stdin") as into:  # type: ignore[arg-type]
                    into.write(rows)

    # -- the truth ---------------------------------------------------------------------------------

    def journaled(self, source: DataSource) -> dict[str, int]:
        """Calls of a data source that an IDB got, with their ends."""
        found = {}
        for site in source.idb_sites:
            path = icon.journal_path(self.config, source.name, site)
            if path.exists():
                found.update((g, int(ts)) for g, ts in (line.split() for line in path.read_text().splitlines()))
        return found

    def lost(self, until: int) -> dict[int, int]:
        """Calls up to a moment, by data source, that the survivor's Info Mart neither has nor can still extract."""
        facts = {guid for (guid,) in self.rows("select media_server_ixn_guid from gim.interaction_fact", site="site2")}
        marks = dict(self.rows("select data_source_key, max(max_ts) from gim.ctl_extract_hwm group by 1", site="site2"))
        found = {}
        for source in self.config.data_sources:
            there: set[str] = set()
            if "site2" in source.idb_sites:
                schema = source.schema_name.lower()
                above = f"select callid from {schema}.g_call where created_ts > {marks[source.key]}"
                there = {guid for (guid,) in self.rows(above, site="site2", database="idb")}
            calls = self.journaled(source)
            found[source.key] = sum(g not in facts and g not in there for g, ts in calls.items() if ts <= until)
        return found

    def close(self) -> None:
        self.kill(*self.running)
        for cluster in self.clusters.values():
            cluster.stop()


@contextmanager
def new_lab(home: Path, base_port: int) -> Iterator[Lab]:
    config = lab_config.create(
        home,
        base_port=base_port,
        scale=200,
        rate=60,
        sites={
            "site1": Site(name="site1", server_running=True),
            "site2": Site(name="site2"),
            "site3": Site(name="site3", present=False, info_mart=False),
        },
        data_sources=[
            DataSource(name="TS1", key=101, site="site1", idb_sites=["site1", "site2"], share=0.5),
            DataSource(name="TS2", key=102, site="site2", idb_sites=["site2", "site1"], share=0.3),
            DataSource(name="TS4", key=104, site="site1", idb_sites=["site1"], share=0.2),
        ],
    )
    lab = Lab(config)
    part = OraclePart(config, "site2")
    try:
        with ThreadPoolExecutor() as pool:
            list(pool.map(Cluster.initdb, lab.clusters.values()))
            # A cluster ends with the thread that started it.
            for cluster in lab.clusters.values():
                cluster.start()
            list(pool.map(lambda site: site_setup.prepare(config, site), lab.clusters))
        part.start()
        lab.start("links", None)
        for site in SITES:
            lab.start("icon", site)
        lab.start("gim_server", "site1")
        yield lab
    finally:
        part.stop()
        lab.close()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, base_port: int) -> Iterator[Lab]:
    with new_lab(tmp_path_factory.mktemp("lab"), base_port) as lab:
        yield lab


@pytest.fixture(autouse=True)
def connections(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The survivor's databases as Airflow connections."""
    config = lab.config
    for suffix, user, database in (("gim", config.info_mart_schema, "gim"), ("idb", "SYSTEM", "idb")):
        fields = {
            "conn_type": "oracle",
            "host": config.address,
            "port": config.port("site2", "oracle"),
            "login": user,
            "password": config.password("site2", user),
            "extra": json.dumps({"service_name": config.service_name("site2", database)}),
        }
        monkeypatch.setenv(f"AIRFLOW_CONN_ORACLE_SITE2_{suffix.upper()}", json.dumps(fields))


def deployment(config: LabConfig) -> product_topology.Topology:
    """The lab's topology; IDBs have the site of their T-Server and the owner of their tables."""
    document = topology.topology(config)
    document["sites"].pop("site3")
    document["hosts"] = {name: host for name, host in document["hosts"].items() if not name.startswith("site3")}
    for host in document["hosts"].values():
        host.get("seen_from", {}).pop("site3", None)
    document["raa"].get("jdbc_url", {}).pop("site3", None)
    for name, site in document["sites"].items():
        site["goldengate"]["trails"]["remote"].pop("site3")
        site["role"] = {"site1": "active", "site2": "standby"}[name]
        for idb in site["idbs"]:
            (source,) = [s for s in config.data_sources if s.key == idb["data_source_key"]]
            idb |= {"source_site": source.site, "schema": source.schema_name, "connection": f"oracle_{name}_idb"}
        site.get("management_layer", {}).pop("seen_from", None)
    return product_topology.parse(yaml.safe_dump(document), Path("topology.yaml"))


@dataclass
class LabStep:
    """A failover's step at the lab, its ledger in memory."""

    topology: product_topology.Topology
    params: dict[str, Any] = field(default_factory=dict)
    ledger: FakeLedger = field(default_factory=FakeLedger)
    lock: FakeLock = field(default_factory=FakeLock)
    plan_id: str = "plan-1"
    owner: str = "dag run-1"
    failover: bool = True
    pair: Any = field(default_factory=lambda: SimpleNamespace(source="site1", target="site2"))

    @property
    def schema(self) -> str:
        return self.topology.info_mart.schema_name

    def oracle(self, connection: str) -> InfoMartOracleHook:
        return InfoMartOracleHook(connection)

    def at(self, role: str) -> FakeAt:
        return FakeAt(self, role)

    def info_mart(self, role: str) -> InfoMartOracleHook:
        assert role == "target", "the lost site is never asked"
        return self.oracle("oracle_site2_gim")


def estimate(step: LabStep, moment: evidence.Moment) -> dict[str, Any]:
    result = EstimateLoss(task_id=f"estimate_{moment}", moment=moment)._run(step)  # type: ignore[arg-type]
    print(f"\n--- {moment}\n{result['report']}")
    return result


def by_key(result: dict[str, Any]) -> dict[int, tuple[int, int]]:
    return {source["key"]: (source["lost_low"], source["lost_high"]) for source in result["sources"]}


def assert_within(result: dict[str, Any], truth: dict[int, int]) -> None:
    found = by_key(result)
    print(f"truth: {truth}")
    for key, number in truth.items():
        low, high = found[key]
        assert low <= number <= high, f"data source {key}: {number} lost, estimated {low} to {high}"
    assert result["lost_low"] <= sum(truth.values()) <= result["lost_high"]


# -- statements --------------------------------------------------------------------------------------


def calls_of(lab: Lab, schema: str) -> Calls:
    return Calls(InfoMartOracleHook("oracle_site2_idb"), schema)


def test_an_idb_gives_its_last_event_its_calls_by_bucket_and_their_guids(lab: Lab) -> None:
    calls = calls_of(lab, "ICON_TS1")
    some = "select 1 from icon_ts1.g_call where created_ts < extract(epoch from now()) - 3 limit 1"
    wait_for(lambda: lab.rows(some, site="site2", database="idb"), what="calls of three seconds")
    last = calls.last_event()
    assert last is not None and abs(last - time.time()) < 30
    after, upto = last - 3600, last - 1
    guids = dict(calls.guids(after, upto))
    assert len(guids) > 20
    assert all(len(guid) == 32 and after < ts <= upto for guid, ts in guids.items())
    for seconds in (1, 10, 900):
        buckets = calls.by_bucket(seconds, after, upto)
        assert sum(buckets.values()) == len(guids)
        assert all(bucket % seconds == 0 for bucket in buckets)
        assert min(buckets) <= min(guids.values()) < min(buckets) + seconds
    assert calls.by_bucket(10, upto, upto) == {}


def test_the_info_mart_gives_its_facts_and_up_to_when_they_are_complete(lab: Lab) -> None:
    facts = Facts(InfoMartOracleHook("oracle_site2_gim"), "GIM")
    lab.apply(lab.trail(lambda conn: conn.execute("select count(*) > 30 from gim.ctl_audit_log").fetchone()[0]))
    marks, other = facts.marks()
    assert set(marks) == {101, 102, 104} and other == {}
    covered, newest = facts.covered(max(marks.values()) - 86400)
    assert newest is not None
    assert all(covered[key] <= marks[key] for key in marks)
    sign = facts.sign_of_life()
    assert sign is not None and abs(sign - time.time()) < 60
    ended = [ts for (ts,) in lab.rows("select end_ts from gim.interaction_fact", site="site2")]
    since = newest - newest % 900 - 900
    recent = [ts for ts in ended if ts >= since]
    assert sum(facts.by_bucket(900, since, newest).values()) == len(recent)
    assert len(list(facts.guids(since, newest - newest % 900))) == len(recent)
    # The covered time is true: every call up to it is among the facts.
    there = {guid for (guid,) in lab.rows("select media_server_ixn_guid from gim.interaction_fact", site="site2")}
    for source in lab.config.data_sources:
        calls = lab.journaled(source)
        assert all(guid in there for guid, ts in calls.items() if ts <= covered[source.key])


def test_a_table_that_is_not_there_is_a_typed_error_also_in_a_stream(lab: Lab) -> None:
    calls = calls_of(lab, "NOBODY")
    with pytest.raises(OraclePermanent, match="idb_guids"):
        list(calls.guids(0, 10))
    with pytest.raises(OraclePermanent, match="idb_last_event"):
        calls.last_event()


# -- end to end --------------------------------------------------------------------------------------


def untransformed(conn: Any) -> bool:
    """Extracted calls of the HA pair wait for their transformation; without them, nothing shows case c."""
    (waits,) = conn.execute(
        """
        select exists (select from gim.ctl_extract_hwm as m
                        where m.table_name = 'GIDB_G_CALL_V' and m.data_source_key = 101
                          and m.max_ts > (select max(hwm_value) from gim.ctl_transform_history as h
                                           where h.hwm_name = m.data_source_key::text))
        """
    ).fetchone()
    return bool(waits)


@pytest.mark.slow
def test_the_truth_lies_within_the_bounds_before_and_after_draining_and_at_the_end(lab: Lab) -> None:
    config = lab.config
    # A history of calls, at more than one rate.
    icon.set_load(config, 90)
    time.sleep(6)
    icon.set_load(config, 60)
    time.sleep(8)
    step = LabStep(deployment(config))
    lab.apply(lab.trail())
    # The Replicat lags behind what has arrived; then the link is cut, and the remote ICON's calls queue.
    time.sleep(3)
    links.change(config, "site1", "site2", cut=True)
    arrived = lab.trail(untransformed)
    time.sleep(6)
    lab.kill("icon site1", "gim_server site1")
    failed = time.time()
    time.sleep(1)
    step.params["failure_time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(failed))

    before = estimate(step, "before")
    assert before["lost_low"] == 0 and not before["drained"]
    lab.apply(arrived)
    step.ledger["standby_drained"] = "RGIM is STOPPED at the end"
    truth = lab.lost(int(failed) + 1)
    assert all(truth[key] > 0 for key in (101, 104)), "the rehearsal must lose something"
    assert_within(before, truth)
    drained = estimate(step, "drained")
    assert drained["drained"] and "Estimate before the draining" in drained["report"]
    assert_within(drained, truth)
    assert by_key(drained)[102] == (truth[102], truth[102]), "the survivor's own source is exact"
    (ha,) = [s for s in drained["sources"] if s["key"] == 101]
    (counted,) = [p for p in ha["parts"] if p["case"] == "c"]
    assert counted["low"] == counted["high"]
    # The width of the bounds depends on the load of this machine; tests/unit/evidence/test_loss.py tests it.
    assert drained["lost_high"] < before["lost_high"]

    # A second estimate is the same; then the survivor's server extracts the rest.
    assert by_key(estimate(step, "drained")) == by_key(drained)
    step.ledger["point_of_no_return"] = "1"
    serve(lab)
    end = estimate(step, "end")
    assert_within(end, truth)
    assert by_key(end)[102] == (truth[102], truth[102])
    assert end["disagreements"] == []
    assert len(step.ledger["loss_report"].encode()) <= 3900


def serve(lab: Lab) -> None:
    """Let the survivor's server take over, and wait until it has transformed all calls."""

    def move(document: dict[str, Any]) -> None:
        server = document["applications"][configuration.SERVER]
        server["connections"] = [c for c in server["connections"] if not c.endswith("site1")]
        server["connections"].append(configuration.dap_of_info_mart("site2"))
        server["host"] = "site2-gim"

    configuration.update(lab.config, move)
    with connect(lab.config, "site2", "gim") as conn:
        # As the failover does: no sequence lies below a key in use.
        for (name,) in conn.execute("select sequencename from pg_sequences where schemaname = 'gim'").fetchall():
            conn.execute(f"select setval('gim.{name}', 1000000)")  # type: ignore[arg-type]
    began = int(time.time())
    lab.start("gim_server", "site2")
    wait_for(
        lambda: lab.rows(f"select 1 from gim.interaction_fact where end_ts > {began} limit 1", site="site2"),
        what="a later fact",
    )


def test_an_idb_without_rights_widens_the_bounds_and_stops_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_ORACLE_SITE2_IDB",
        json.dumps(
            {
                "conn_type": "oracle",
                "host": "127.0.0.1",
                "port": lab.config.base_port + 99,
                "login": "a",
                "password": "b",
            }
        ),
    )
    step = LabStep(deployment(lab.config))
    step.ledger["standby_drained"] = "yes"
    result = estimate(step, "drained")
    assert "its IDB cannot be asked" in result["report"]
    assert all(source["lost_low"] == 0 for source in result["sources"])
