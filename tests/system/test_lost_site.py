"""A site that was lost comes back, in ten ways: watching tells each at its first look, and nothing is doubled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from infomart_dr.deployment import Deployment
from infomart_dr.guards import fencing
from infomart_dr.guards.admission import refusals
from infomart_dr.plan.lock import PlanLock
from infomart_lab import config as lab_config
from infomart_lab import genesys, lca, links, supervisor
from infomart_lab.audit import audit
from infomart_lab.config import LabConfig
from infomart_lab.goldengate.home import Home

from .conftest import change_topology, running
from .driver import Procedure, connections
from .looks import Looks, thresholds

pytestmark = [pytest.mark.lab, pytest.mark.slow]
SITES_OF_RUN = {"failed_site": "site1", "survivor": "site2"}


@pytest.fixture
def lab(tmp_path: Path, base_port: int) -> Iterator[LabConfig]:
    """A pair whose standby follows."""
    asked: dict[str, Any] = {"scenario_name": "active-standby", "scale": 300, "rate": 10.0}
    with running(tmp_path / "lab", base_port=base_port, **asked) as config, connections(config):
        Procedure("infomart_setup_replication", plan="setup").run()
        change_topology(lambda document: document["sites"]["site2"].update(role="standby"))
        with thresholds():
            yield config


def lost_roles() -> None:
    def change(document: dict[str, Any]) -> None:
        document["sites"]["site1"]["role"], document["sites"]["site2"]["role"] = "failed", "active"

    change_topology(change)


def until(what: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def doubled(lab: LabConfig) -> int:
    return audit(lab, "site2").duplicated


def server_log(lab: LabConfig, site: str) -> str:
    return (lab.server_root(site) / "logs" / "gim_etl.log").read_text()


def heal(lab: LabConfig, *, autostart: bool = False) -> None:
    lab_config.set_fault(lab, "site1.gim_server.autostart", autostart or None)
    supervisor.request(lab, "heal", site="site1", timeout=180)


def part(lab: LabConfig, site: str, name: str) -> None:
    supervisor.request(lab, "start", site=site, part=name, timeout=120)


@contextmanager
def automatic_groups(lab: LabConfig, site: str) -> Iterator[None]:
    parameters = lab.goldengate_home(site) / "dirprm" / "mgr.prm"
    before = parameters.read_text()
    parameters.write_text("AUTOSTART ER *\n" + before)
    try:
        yield
    finally:
        parameters.write_text(before)


# -- without a refusal ---------------------------------------------------------------------------------


@pytest.mark.timeout(900)
def test_where_nothing_refuses_the_server_of_a_lost_site_it_doubles_calls_and_the_first_look_tells_it(
    lab: LabConfig,
) -> None:
    change_topology(lambda document: document["fencing"].update(refuse_lost_site=False))
    looks = Looks()
    looks.quiet()
    supervisor.request(lab, "fail", site="site1")
    Procedure("infomart_failover", plan="lost", params=dict(SITES_OF_RUN)).run()
    lost_roles()
    looks.quiet()
    heal(lab, autostart=True)
    until(lambda: doubled(lab) > 0, 120)
    seen = looks.look()
    (key,) = [key for _, key in seen.alerts if seen.findings[key]["level"] == "critical"]
    assert key == "site2/writers/site1-gim"
    finding = seen.findings[key]
    assert (
        "The Info Mart Server of site1 writes into the serving Info Mart of site2, from site1-gim"
        in finding["sentence"]
    )
    assert "Stop it on site1-gim at once" in finding["remedy"]
    # The document's next step: end the process, then its sessions are gone.
    lca.stop(lab, "site1")
    assert ("ended", key) in looks.until("ended", key).told


# -- ten ways ------------------------------------------------------------------------------------------


class Ways:
    """The ways back of a lost site, one after the other; between two of them it is lost again."""

    def __init__(self, lab: LabConfig, looks: Looks) -> None:
        self.lab, self.looks = lab, looks

    def told(self, key: str, *words: str) -> Any:
        """The first look tells it, with exactly one critical alert that has these words."""
        seen = self.looks.look()
        began = [each for what, each in seen.alerts if what == "began" and seen.findings[each]["level"] == "critical"]
        assert began == [key], (key, seen.alerts, seen.findings)
        finding = seen.findings[key]
        for word in words:
            assert word in finding["sentence"] + finding["remedy"], (word, finding)
        again = self.looks.look()
        assert key in again.findings and key not in [each for _, each in again.alerts], again.alerts
        return finding

    def lose_again(self) -> None:
        supervisor.request(self.lab, "fail", site="site1")
        assert doubled(self.lab) == 0
        until(lambda: not [key for key in self.looks.look().findings if not key.startswith("roles/")], 60)


@pytest.mark.timeout(1800)
def test_ten_ways_back_are_told_at_the_first_look_and_nothing_is_doubled(lab: LabConfig) -> None:
    looks = Looks()
    looks.quiet()
    ways = Ways(lab, looks)
    _a_link_that_is_healed_with_everything_alive(lab, ways)
    _the_server_by_autostart(lab, ways)
    lost_roles()
    until(lambda: not looks.look().findings)
    _the_server_by_autostart(lab, ways)
    _the_database_alone(lab, ways)
    _the_hosts_alone(lab, ways)
    _goldengate_by_autostart(lab, ways)
    _the_survivors_manager(lab, ways)
    _a_person_starts_the_server(lab, ways)
    _a_person_starts_groups(lab, ways)
    _an_icon_writes(lab, ways)
    _a_plan_is_under_way(lab, ways)
    assert doubled(lab) == 0


def _a_link_that_is_healed_with_everything_alive(lab: LabConfig, ways: Ways) -> None:
    """A network outage that a person has taken for a site failure."""
    links.change(lab, "site1", "site2", cut=True)
    # The lab has no line between Airflow and a site that could be cut.
    with mock.patch.object(fencing, "probe_endpoint", return_value="silent"):
        run = Procedure("infomart_failover", plan="lost", params=dict(SITES_OF_RUN))
        run.run()
        refused = run.results["start_at_survivor.refuse_lost_site"]["summary"]
        assert refused == "site2 refuses the Info Mart Server of site1, site3", refused
    assert lca.status(lab, "site1") == "Running", "it has run all the time"
    links.heal(lab, "site1", "site2")
    ways.told("site1/server/returned", "on site1-gim", "The database of site2 refuses its logons")
    # A person stops and starts it again: now it reads the Application object.
    lca.stop(lab, "site1")
    lca.start(lab, "site1")
    until(
        lambda: "ORA-20911: infomart-dr: refused, since this machine belongs to a lost site" in server_log(lab, "site1")
    )
    ways.lose_again()


def _the_server_by_autostart(lab: LabConfig, ways: Ways) -> None:
    before = server_log(lab, "site1").count("ORA-20911")
    heal(lab, autostart=True)
    until(lambda: server_log(lab, "site1").count("ORA-20911") > before)
    log = server_log(lab, "site1")
    assert "ORA-04088: error during execution of trigger 'SYSTEM.DR_LOST_SITE_GIM'" in log
    assert "ORA-00604: error occurred at recursive SQL level 1" in log
    ways.told("site1/server/returned", "process", "on site1-gim", "Stop it on site1-gim", "points to site2")
    time.sleep(5)
    ways.lose_again()
    lab_config.set_fault(lab, "site1.gim_server.autostart", None)


def _the_database_alone(lab: LabConfig, ways: Ways) -> None:
    part(lab, "site1", "postgres")
    part(lab, "site1", "oracle")
    ways.told("site1/doors/returned", "database listener", str(lab.port("site1", "oracle")), "site1-db")
    ways.lose_again()


def _the_hosts_alone(lab: LabConfig, ways: Ways) -> None:
    part(lab, "site1", "ssh")
    ways.told("site1/doors/returned", "SSH of site1-db", "SSH of site1-gim")
    ways.lose_again()


def _goldengate_by_autostart(lab: LabConfig, ways: Ways) -> None:
    with automatic_groups(lab, "site1"):
        for name in ("postgres", "oracle", "ssh", "goldengate"):
            part(lab, "site1", name)
        # Its pump finds no Manager at the survivor.
        until(lambda: Home(lab, "site1").group("extract", "EGIM").status() == "RUNNING")
        ways.told("site1/groups/returned", "EXTRACT EGIM is RUNNING on site1-db", "STOP MGR")
        ways.lose_again()


def _the_survivors_manager(lab: LabConfig, ways: Ways) -> None:
    with automatic_groups(lab, "site2"):
        part(lab, "site2", "goldengate")
        until(lambda: Home(lab, "site2").manager_running())
        ways.told("site2/groups/MANAGER", "on site2-db", "STOP MGR in ggsci on site2-db")
    with Deployment("lab") as deployment:
        deployment.ggsci("site2").stop_manager()
    ways.lose_again()


def _a_person_starts_the_server(lab: LabConfig, ways: Ways) -> None:
    heal(lab)
    ways.looks.look()
    request = {"scs": "startapp", "user": genesys.USER, "password": lab.passwords["site1"]["GAX"]}
    dbid = genesys.application(lab, "GIM")["dbid"]
    said = genesys.control(lab, "site1", {**request, "dbid": dbid})
    assert "already started" in said["message"] and lca.status(lab, "site1") == "Stopped", "mlcmd starts it at site2"
    # By its script on the host.
    genesys.start_server(lab, "site1")
    until(lambda: lca.status(lab, "site1") != "Stopped")
    ways.told("site1/server/returned", "on site1-gim", "Not by the Management Layer")
    ways.lose_again()


def _a_person_starts_groups(lab: LabConfig, ways: Ways) -> None:
    heal(lab)
    ways.looks.look()
    with Deployment("lab") as deployment:
        deployment.ggsci("site1").start("EGIM")
        until(lambda: Home(lab, "site1").group("extract", "EGIM").status() == "RUNNING")
        ways.told("site1/groups/returned", "EXTRACT EGIM is RUNNING on site1-db")
        # Somebody starts the survivor's Manager, so that the pump sends, and adds its Replicat again.
        survivor = deployment.ggsci("site2")
        survivor.start_manager()
        deployment.ggsci("site1").start("PGIM")
        until(lambda: list((lab.goldengate_home("site2") / "dirdat").glob("d1*")))
        settings = deployment.site("site2").goldengate
        survivor.add_replicat("RGIM", settings.trails.arriving("site1"))
        ways.told("site2/groups/RGIM", "RGIM at site2", "DELETE REPLICAT RGIM")
        survivor.delete_group("RGIM")
        survivor.stop_manager()
    ways.lose_again()


def _an_icon_writes(lab: LabConfig, ways: Ways) -> None:
    part(lab, "site1", "icon")
    time.sleep(4)
    ways.told("site1/icon/returned", "site2/ts1-site2", "site1-gim")
    ways.lose_again()


def _a_plan_is_under_way(lab: LabConfig, ways: Ways) -> None:
    with Deployment("lab") as deployment:
        lock = PlanLock.at(deployment, "site2")
        lock.take("return-1", "a run", "test")
        heal(lab, autostart=True)
        until(lambda: lca.status(lab, "site1") != "Stopped")
        ways.told("site1/server/returned", "on site1-gim")
        assert refusals(deployment.dba("site2"), "GIM")[0].enabled
        lock.release("return-1")
    ways.lose_again()
