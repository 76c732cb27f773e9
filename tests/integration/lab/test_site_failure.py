"""The active site of an active-standby lab is lost, comes back in parts, and comes back as a whole."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infomart_lab import audit as judge
from infomart_lab import config as lab_config
from infomart_lab import genesys, gi2ctl, icon, lca, partitions, procs, supervisor
from infomart_lab.config import LabConfig
from infomart_lab.postgres import connect

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

PARTS = {
    "ssh-db": "ssh",
    "ssh-gim": "ssh",
    "oracle": "oracle",
    "postgres": "postgres",
    "manager": "goldengate",
    "gax": "genesys",
    "config": "genesys",
}
Wait = Callable[..., None]


def make(home: Path, base_port: int) -> LabConfig:
    return lab_config.create(
        home, base_port=base_port, scale=300, rate=20, scenario_name="active-standby", partitioned=True
    )


@pytest.fixture
def lab(whole_lab: LabConfig) -> Iterator[LabConfig]:
    """site1 is up, with its server running and calls going on, before each test."""
    icon.set_load(whole_lab, 20)
    supervisor.request(whole_lab, "heal", site="site1")
    if not lca.processes(whole_lab, "site1"):
        genesys.start_server(whole_lab, "site1")
    yield whole_lab
    lab_config.set_fault(whole_lab, "site1.gim_server.autostart", None)


def fail(config: LabConfig) -> None:
    assert supervisor.request(config, "fail", site="site1")["left"] == []


def open_ports(config: LabConfig, site: str = "site1") -> set[str]:
    """Parts of a site that accept connections."""
    found = set()
    for service, part in PARTS.items():
        with socket.socket() as probe:
            if probe.connect_ex((config.address, config.port(site, service))) == 0:
                found.add(part)
    return found


def answers_over_the_link(config: LabConfig, service: str) -> bool:
    """True when a service of site1 answers site2: the proxy accepts, and hangs up when there is none."""
    with socket.socket() as probe:
        probe.settimeout(1.5)
        try:
            probe.connect((config.address, config.link_port("site2", "site1", service)))
            return probe.recv(1) != b""
        except TimeoutError:
            return True
        except OSError:
            return False


def called(config: LabConfig, source: str) -> int:
    return icon.spool_path(config, source).stat().st_size // icon.LINE


def in_idb(config: LabConfig, source: str, site: str) -> list[str]:
    with connect(config, site, "idb") as conn:
        query = f"select callid from icon_{source.lower()}.g_call order by id".encode()
        return [guid for (guid,) in conn.execute(query).fetchall()]


def journal(config: LabConfig, source: str, site: str) -> list[str]:
    return [line.split()[0] for line in icon.journal_path(config, source, site).read_text().splitlines()]


def part(config: LabConfig, verb: str, name: str) -> dict[str, Any]:
    return supervisor.request(config, verb, part=name, site="site1")


def test_the_lab_begins_with_a_serving_site_and_an_empty_one(lab: LabConfig, wait: Wait) -> None:
    wait(lambda: lca.status(lab, "site1") == "Running")
    assert lca.status(lab, "site2") == "Stopped"
    with connect(lab, "site2") as conn:
        made = conn.execute("select to_regclass('gim.interaction_fact')").fetchall()
    assert made == [(None,)]
    assert gi2ctl.in_service(lab) == ["site1"]


def test_a_site_that_was_never_maintained_has_no_partition_for_now(lab: LabConfig) -> None:
    assert partitions.end_at(lab, "site1") > time.time() + 13 * 86400
    assert time.time() - 180 < partitions.end_at(lab, "site2") <= time.time()


def test_a_lost_active_site_leaves_its_calls_in_the_other_sites_idb(lab: LabConfig, wait: Wait) -> None:
    wait(lambda: len(in_idb(lab, "TS1", "site2")) > 40)
    fail(lab)
    lost = called(lab, "TS1")
    other = called(lab, "TS2")
    assert procs.lab_processes(lab.home, site="site1") == []
    assert (lca.status(lab, "site1"), open_ports(lab)) == ("Stopped", set())
    wait(lambda: not answers_over_the_link(lab, "oracle"), what="the link has no other end")
    assert gi2ctl.in_service(lab) == []
    kept = in_idb(lab, "TS1", "site2")
    time.sleep(2)
    # The T-Server of the lost site has no more calls, the one of the other site goes on.
    assert called(lab, "TS1") == lost
    wait(lambda: called(lab, "TS2") > other + 10)
    wait(lambda: len(in_idb(lab, "TS2", "site2")) > 10)
    assert in_idb(lab, "TS1", "site2") == kept
    # Commits and journal differ by one transaction at most, and never in a call.
    journaled = journal(lab, "TS1", "site2")
    assert journaled == kept[: len(journaled)] and len(kept) - len(journaled) <= icon.BATCH
    assert len(kept) > 40


def test_a_healed_site_has_its_data_its_icon_and_no_running_server(lab: LabConfig, wait: Wait) -> None:
    wait(lambda: len(in_idb(lab, "TS1", "site1")) > 20)
    fail(lab)
    time.sleep(2)
    before = called(lab, "TS1")
    assert supervisor.request(lab, "heal", site="site1")["state"] == "up"
    assert open_ports(lab) == set(PARTS.values())
    assert lca.status(lab, "site1") == "Stopped"
    assert gi2ctl.in_service(lab) == []
    wait(lambda: called(lab, "TS1") > before + 10)
    with connect(lab, "site1") as conn:
        rows = conn.execute("select count(*) from gim.interaction_fact").fetchall()
    assert rows[0][0] >= 300
    # The calls that waited for the lost site's IDB are there now, and each call is in both IDBs once.
    icon.set_load(lab, 0)
    for source in ("TS1", "TS2"):
        wait(lambda source=source: len(in_idb(lab, source, "site1")) == called(lab, source))
        wait(lambda source=source: in_idb(lab, source, "site1") == in_idb(lab, source, "site2"))
    # The failure has lost and doubled nothing either: the server resumes where it stopped.
    genesys.start_server(lab, "site1")
    found = judge.audit(lab, "site1", wait=40)
    assert (found.missing, found.duplicated, found.extra, found.pending) == (0, 0, 0, 0), found


def test_a_healed_site_starts_its_server_by_itself_with_the_fault_on(lab: LabConfig, wait: Wait) -> None:
    fail(lab)
    lab_config.set_fault(lab, "site1.gim_server.autostart", True)
    supervisor.request(lab, "heal", site="site1")
    wait(lambda: lca.status(lab, "site1") == "Running")


@pytest.mark.parametrize(
    ("started", "alive", "services"),
    [
        ("ssh", {"ssh"}, ["ssh-db", "ssh-gim"]),
        # The listener serves a database, which comes back with it.
        ("oracle", {"oracle", "postgres"}, ["oracle"]),
        ("genesys", {"genesys"}, ["config"]),
    ],
)
def test_one_part_of_a_lost_site_comes_back_alone(
    lab: LabConfig, wait: Wait, started: str, alive: set[str], services: list[str]
) -> None:
    fail(lab)
    assert part(lab, "start", started)["state"] == "ready"
    time.sleep(0.5)
    assert open_ports(lab) == alive

    def seen() -> set[str]:
        return {name for name in ("oracle", "ssh-db", "ssh-gim", "config") if answers_over_the_link(lab, name)}

    wait(lambda: seen() == set(services), what=f"only {services} answer")
    status = supervisor.request(lab, "status")["sites"]["site1"]
    assert status["state"] == "failed"
    assert {name for name, found in status["parts"].items() if found["state"] == "ready"} == alive
    assert lca.status(lab, "site1") == "Stopped"
    # A second failure stops it again, and a half-alive site can be healed as a whole.
    fail(lab)
    assert open_ports(lab) == set()
    part(lab, "start", started)
    assert supervisor.request(lab, "heal", site="site1")["state"] == "up"
    assert open_ports(lab) == set(PARTS.values())
    states = {found["state"] for found in supervisor.request(lab, "status")["sites"]["site1"]["parts"].values()}
    assert states == {"ready"}


def test_an_absent_site_that_is_built_keeps_the_roles_that_were_set_meanwhile(lab: LabConfig) -> None:
    lab_config.change(lab.home, lambda stored: stored.roles.update({"site2": "standby"}))
    supervisor.request(lab, "heal", site="site3")
    stored = lab_config.load(lab.home)
    assert (stored.roles, stored.sites["site3"].present) == ({"site2": "standby"}, True)
    assert open_ports(lab, "site3") == set(PARTS.values())
