"""Two active Info Marts: one is lost and ignored, comes back as a copy, and both hold every call once."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from infomart_lab import config as lab_config
from infomart_lab import configuration, supervisor, topology
from infomart_lab.config import LabConfig

from .conftest import assert_clean, judge
from .driver import Procedure, connections

pytestmark = pytest.mark.lab
SCENARIO = "active-active"
RATE = 15.0


def state_of(lab: LabConfig, name: str) -> int:
    return configuration.read(lab)["applications"][name]["state"]


@pytest.mark.timeout(900)
def test_the_survivor_ignores_the_lost_site_and_a_copy_of_it_serves_beside_it_again(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    with connections(lab):
        time.sleep(5)
        supervisor.request(lab, "fail", site="site1")
        _the_survivor_ignores_the_lost_site(lab, serves)
        time.sleep(5)
        supervisor.request(lab, "heal", site="site1")
        lab_config.change(lab.home, lambda stored: stored.roles.update(site1="new", site2="active"))
        topology.write(lab_config.load(lab.home))
        _the_lost_site_comes_back_as_a_copy(lab, serves)
        _a_second_run_finds_its_goal_reached()


def _the_survivor_ignores_the_lost_site(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    run = Procedure("infomart_failover", plan="lost", params={"failed_site": "site1", "survivor": "site2"})
    run.run()
    for task in (
        "drain_standby.stop_goldengate",
        "start_at_survivor.start_info_mart_server",
        "re_aggregate.check_request",
    ):
        assert task in run.skipped
    assert "active-active" in run.skipped["drain_standby.wait_for_trail_end"]
    assert state_of(lab, "DAP_TS1_site1") == state_of(lab, "ICON_TS1_site2") == configuration.DISABLED
    # Calls that its ICON had delivered before are still extracted.
    assert state_of(lab, "DAP_TS1_site2") == configuration.ENABLED
    assert serves("site2")
    for task in ("gather_evidence.estimate_loss", "report_loss"):
        told = run.results[task]
        assert told["lost_high"] is not None and "site2 has extracted them itself" in told["report"]
    assert "in service" in run.results["bring_reports_into_service"]["summary"]
    again = Procedure("infomart_failover", plan="again", params={"failed_site": "site1", "survivor": "site2"})
    again.run()
    assert "site2 already ignores site1" in again.results["check_already_done"]["summary"]


def _the_lost_site_comes_back_as_a_copy(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    run = Procedure(
        "infomart_return_to_normal_active_active",
        plan="return",
        params={"source": "site2", "target": "site1", "report_source": "target"},
    )
    run.run()
    assert run.shown == {}
    assert state_of(lab, "DAP_TS1_site1") == state_of(lab, "ICON_TS1_site2") == configuration.ENABLED
    assert "this step is for 'empty database'" in run.skipped["create_info_mart"]
    assert "reports from site1" in run.skipped["start_second_server.bring_reports_into_service_at_source"]
    assert serves("site1") and serves("site2")
    applications = configuration.read(lab)["applications"]
    for site, other in (("site1", "site2"), ("site2", "site1")):
        connected = applications[f"GIM_{site}"]["connections"]
        assert f"DAP_GIM_{site}" in connected and f"DAP_GIM_{other}" not in connected
    time.sleep(5)
    assert_clean(judge(lab, "site2", "site1"))


def _a_second_run_finds_its_goal_reached() -> None:
    run = Procedure(
        "infomart_return_to_normal_active_active", plan="second", params={"source": "site2", "target": "site1"}
    )
    run.run()
    assert "already both serve" in run.results["check_already_done"]["summary"]
    assert run.shown == {}
