"""Databases that are PDBs of a CDB: capture in the root, apply and Data Pump in the PDB."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infomart_dr.errors import GuardError
from infomart_dr.readiness import steps as readiness
from infomart_dr.readiness.report import Finding
from infomart_lab import config as lab_config
from infomart_lab import supervisor
from infomart_lab.config import LabConfig
from infomart_lab.demo import judge_loss, not_there
from infomart_lab.postgres import connect

from .conftest import assert_clean, change_topology, judge, running
from .driver import Procedure, connections

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@pytest.fixture
def lab(request: pytest.FixtureRequest, tmp_path: Path, base_port: int) -> Iterator[LabConfig]:
    """A lab in which the named sites have a CDB."""
    name, *cdb = request.param
    sites, sources = lab_config.scenario(name, cdb=cdb)
    if name == "return-to-normal":
        sites["site3"].goldengate = sites["site3"].data_pump = "21c"
    asked: dict[str, Any] = {"sites": sites, "data_sources": sources, "scale": 1000, "rate": 10.0}
    with running(tmp_path / "lab", base_port=base_port, scenario_name=name, **asked) as config, connections(config):
        # A marker that never arrives is told soon.
        change_topology(lambda document: document["timeouts"].update(catch_up=240))
        yield config


def _parameters(lab: LabConfig, site: str, group: str) -> str:
    return (lab.goldengate_home(site) / "dirprm" / f"{group}.prm").read_text()


def _ready() -> dict[tuple[str, str], Finding]:
    """Findings of readiness by check and site."""
    case = {"deployment": "", "procedure": "setup_replication", "source": "site1", "target": "site2"}
    return {(found.check, found.site): found for found in readiness.check(case).findings}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("lab", [("active-standby", "site1", "site2")], indirect=True)
def test_readiness_tells_the_kind_of_both_databases_and_what_does_not_fit(lab: LabConfig) -> None:
    found = _ready()
    assert {each.level for each in found.values()} == {"ok"}, [each for each in found.values() if each.level != "ok"]
    for site, pdb in (("site1", "GIMPDB1"), ("site2", "GIMPDB2")):
        assert found["container", site].what.startswith(f"{pdb} is a PDB of a CDB")
        assert found["goldengate_logins", site].what == f"GoldenGate logs in to {pdb} and to CDB$ROOT"
    change = "update sys.lab_goldengate_privileges set privilege_type = '{}' where username like 'C##%'"
    with connect(lab, "site1") as connection:
        connection.execute(change.format("APPLY"))  # type: ignore[arg-type]
        found = _ready()
        connection.execute(change.format("*"))  # type: ignore[arg-type]
    troubles = {key: each for key, each in found.items() if each.level != "ok"}
    assert {key: each.level for key, each in troubles.items()} == {("goldengate_logins", "site1"): "warning"}
    assert "GRANT_ADMIN_PRIVILEGE('C##GGATE', CONTAINER => 'ALL')" in troubles["goldengate_logins", "site1"].remedy
    change_topology(_without_pdb)
    blocked = {key for key, each in _ready().items() if each.level == "blocked"}
    assert blocked == {(check, site) for check in ("container", "goldengate_logins") for site in ("site1", "site2")}


def _without_pdb(document: dict[str, Any]) -> None:
    for site in ("site1", "site2"):
        del document["sites"][site]["database"]["pdb"]
        del document["sites"][site]["goldengate"]["capture_login"]


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("lab", [("active-standby", "site1", "site2")], indirect=True)
def test_a_set_up_a_switchover_and_a_failover_between_two_cdbs(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    _a_topology_without_the_pdb_is_refused_before_anything_stops(lab, serves)
    Procedure("infomart_setup_replication", plan="setup").run()
    assert "TABLE GIMPDB1.GIM.*" in _parameters(lab, "site1", "egim")
    time.sleep(5)
    assert_clean(judge(lab, "site1", "site2"))
    Procedure("infomart_switchover", plan="switch", params={"source": "site1", "target": "site2"}).run()
    assert serves("site2") and not serves("site1")
    time.sleep(5)
    assert_clean(judge(lab, "site2", "site1"))
    _the_loss_of_the_new_active_site_is_that_which_was_told(lab, serves)


def _a_topology_without_the_pdb_is_refused_before_anything_stops(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    kept: dict[str, Any] = {}

    def take_out(document: dict[str, Any]) -> None:
        for site in ("site1", "site2"):
            kept[site] = (
                document["sites"][site]["database"].pop("pdb"),
                document["sites"][site]["goldengate"].pop("capture_login"),
            )

    def put_back(document: dict[str, Any]) -> None:
        for site, (pdb, login) in kept.items():
            document["sites"][site]["database"]["pdb"] = pdb
            document["sites"][site]["goldengate"]["capture_login"] = login

    change_topology(take_out)
    with pytest.raises(GuardError, match=r"the database of site1 is a CDB .* leads to GIMPDB1"):
        Procedure("infomart_setup_replication", plan="refused").run()
    assert serves("site1")
    assert not (lab.goldengate_home("site1") / "dirprm" / "egim.prm").exists()
    change_topology(put_back)


def _the_loss_of_the_new_active_site_is_that_which_was_told(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    supervisor.request(lab, "fail", site="site2")
    run = Procedure("infomart_failover", plan="lost", params={"failed_site": "site2", "survivor": "site1"})
    run.run()
    assert serves("site1")
    audit = judge_loss(lab, ("site1",))["site1"]
    assert (audit.duplicated, audit.extra) == (0, 0)
    told = run.results["report_loss"]
    assert told["lost_low"] <= not_there(audit) <= told["lost_high"], (told, audit)


def _returned_to_normal(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    Procedure(plan="return-1").run()
    assert serves("site3") and not serves("site2")
    time.sleep(5)
    assert_clean(judge(lab, "site3", "site2"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("lab", [("return-to-normal", "site2", "site3")], indirect=True)
def test_a_return_to_normal_between_two_cdbs_of_which_the_new_one_captures_in_its_pdb(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    change_topology(lambda document: document["sites"]["site3"]["goldengate"].pop("capture_login"))
    _returned_to_normal(lab, serves)
    assert "\nTABLE GIMPDB2.GIM.*" in _parameters(lab, "site2", "egim")
    assert "\nTABLE GIM.*" in _parameters(lab, "site3", "egim")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("lab", [("return-to-normal", "site3")], indirect=True)
def test_a_return_to_normal_from_a_database_without_containers_to_a_cdb(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    _returned_to_normal(lab, serves)
    assert "\nTABLE GIMPDB3.GIM.*" in _parameters(lab, "site3", "egim")
    assert "\nTABLE GIM.*" in _parameters(lab, "site2", "egim")
