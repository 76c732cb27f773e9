"""Two Info Mart Servers at two sites, each with an Application object and an Info Mart of its own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infomart_lab import audit as judge
from infomart_lab import config as lab_config
from infomart_lab import configuration, genesys, icon, lca, supervisor
from infomart_lab.config import LabConfig
from infomart_lab.postgres import connect

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

SITES = ("site1", "site2")
Wait = Callable[..., None]


def make(home: Path, base_port: int) -> LabConfig:
    return lab_config.create(home, base_port=base_port, scale=300, rate=20, scenario_name="active-active")


@pytest.fixture
def lab(whole_lab: LabConfig) -> Iterator[LabConfig]:
    icon.set_load(whole_lab, 20)
    yield whole_lab


def mlcmd(config: LabConfig, site: str, *command: str) -> str:
    """Ask the Control Server of a site."""
    done = subprocess.run(
        [
            str(config.bin_dir(site, "gim") / "mlcmd_stdin"),
            *("-cshost", "127.0.0.1", "-csport", str(config.port(site, "config"))),
            *("-csuser", "default", "-csappname", "airflow", *command),
        ],
        input=config.passwords[site]["GAX"] + "\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


def dbid(config: LabConfig, site: str) -> str:
    return str(configuration.servers(config)[configuration.server_of(config, site)])


def keys(config: LabConfig, site: str) -> list[tuple[str, int]]:
    with connect(config, site) as conn:
        query = "select media_server_ixn_guid, interaction_id from gim.interaction_fact where interaction_id > 300"
        return conn.execute(query).fetchall()


def settled(config: LabConfig, site: str) -> int:
    found = judge.audit(config, site, wait=40)
    assert (found.missing, found.duplicated, found.extra, found.pending) == (0, 0, 0, 0), found
    return found.calls_written


def test_both_servers_fill_their_own_info_mart_with_the_calls_of_all_sources(
    lab: LabConfig, wait: Wait, still: Callable[[], None]
) -> None:
    wait(lambda: {lca.status(lab, site) for site in SITES} == {"Running"})
    for site in SITES:
        wait(lambda site=site: len(keys(lab, site)) > 40)
    still()
    assert settled(lab, "site1") == settled(lab, "site2") > 40
    one, other = dict(keys(lab, "site1")), dict(keys(lab, "site2"))
    assert set(one) == set(other)


def test_one_server_is_stopped_and_started_under_its_own_number(
    lab: LabConfig, wait: Wait, still: Callable[[], None]
) -> None:
    assert f"Application: GIM_site2\nDBID: {dbid(lab, 'site2')}" in mlcmd(lab, "site1", "-getallappstatus")
    # The Control Server of either site stops it: the agent of its own host does the work.
    mlcmd(lab, "site1", "-stopapp", dbid(lab, "site2"))
    assert "Status: Stopped" in mlcmd(lab, "site2", "-getappstatus", dbid(lab, "site2"))
    assert "Status: Running" in mlcmd(lab, "site2", "-getappstatus", dbid(lab, "site1"))
    before = len(keys(lab, "site1"))
    wait(lambda: len(keys(lab, "site1")) > before)
    mlcmd(lab, "site2", "-startapp", dbid(lab, "site2"))
    wait(lambda: lca.status(lab, "site2") == "Running")
    still()
    assert settled(lab, "site1") == settled(lab, "site2")


def test_an_object_that_is_moved_to_the_other_site_starts_nothing_there(lab: LabConfig) -> None:
    app = genesys.application(lab, "GIM_site1")
    moved = genesys.replace(lab, "GIM_site1", {**app, "host": "site2-gim"})
    try:
        assert "not on a host" in mlcmd(lab, "site2", "-startapp", dbid(lab, "site1"))
        assert "Status: Unknown" in mlcmd(lab, "site2", "-getappstatus", dbid(lab, "site1"))
    finally:
        genesys.replace(lab, "GIM_site1", {**app, "version": moved["version"]})


def test_the_survivor_reads_what_its_own_idbs_hold_of_the_lost_sites_source(lab: LabConfig, wait: Wait) -> None:
    """Last of this module: site1 stays lost."""
    wait(lambda: {lca.status(lab, site) for site in SITES} == {"Running"})
    time.sleep(2)
    supervisor.request(lab, "fail", site="site1")
    assert lca.status(lab, "site2") == "Running"
    out = {"ICON_TS1_site1", "ICON_TS1_site2", "DAP_TS1_site1", "DAP_TS2_site1"}

    def adjust(document: configuration.Document) -> None:
        app = document["applications"]["GIM_site2"]
        app["connections"] = [name for name in app["connections"] if name not in out]

    configuration.update(lab, adjust)
    log = lab.server_root("site2") / "logs" / "gim_etl.log"
    wait(lambda: "55-20012 IDBs in use: DAP_TS1_site2, DAP_TS2_site2" in log.read_text())
    before = len(keys(lab, "site2"))
    wait(lambda: len(keys(lab, "site2")) > before + 20)
    icon.set_load(lab, 0)

    def pending_and_late() -> tuple[int, int]:
        """Calls that wait for extraction, and those that came after the surviving IDB's last heartbeat."""
        found = judge.audit(lab, "site2")
        assert (found.missing, found.duplicated, found.extra) == (0, 0, 0), found
        with connect(lab, "site2", "idb") as conn:
            ((complete,),) = conn.execute("select max(levent_itime) from icon_ts1.g_dss_gcc_provider").fetchall()
        lines = {line for site in SITES for line in icon.journal_path(lab, "TS1", site).read_text().splitlines()}
        return found.pending, sum(int(line.split()[1]) >= complete for line in lines)

    def nothing_else_waits() -> bool:
        pending, late = pending_and_late()
        return pending == late

    wait(nothing_else_waits)
    # Seconds of calls, not more.
    assert pending_and_late()[1] <= 20 * 4
