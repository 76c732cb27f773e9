"""Two active Info Marts on quiet days: readiness and watching, with nothing replicated between them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from infomart_dr.deployment import Deployment
from infomart_dr.readiness import steps as readiness
from infomart_lab import config as lab_config
from infomart_lab import links, supervisor, topology
from infomart_lab.config import LabConfig

from .driver import connections
from .looks import Looks, thresholds

pytestmark = pytest.mark.lab
SCENARIO = "active-active"
SCALE = 300
RATE = 10.0


@pytest.fixture(scope="module")
def looks(lab: LabConfig) -> Iterator[Looks]:
    with connections(lab), thresholds():
        yield Looks()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_both_sites_are_ready_for_the_loss_of_the_other_and_both_ends_report_a_cut_link(
    lab: LabConfig, looks: Looks
) -> None:
    _ready_for_the_loss_of_either(lab)
    looks.quiet()
    _a_healthy_pair(looks)
    _a_cut_link_is_told_from_both_ends(lab, looks)
    _a_lost_site(lab, looks)
    _ready_for_its_return(lab)


def _ready_for_the_loss_of_either(lab: LabConfig) -> None:
    cases = readiness.list_cases("", readiness.ALL_THAT_FIT, "", "")
    assert [(case["procedure"], case["source"], case["target"]) for case in cases] == [
        ("failover", "site1", "site2"),
        ("failover", "site2", "site1"),
    ]
    deadline = time.monotonic() + 60
    for case in cases:
        # The release is read from an extraction, of which a new lab has none yet.
        while (report := readiness.check(case)).of("not checked") and time.monotonic() < deadline:
            time.sleep(0.5)
        assert {finding.level for finding in report.findings} == {"ok"}, report.table()


def _a_healthy_pair(looks: Looks) -> None:
    seen = looks.look()
    assert seen.label == "lab: ok"
    assert seen.figures["link_up site1 site2"] == seen.figures["link_up site2 site1"] == 1.0
    assert {"site1", "site2"} <= {name.split()[1] for name in seen.figures if name.startswith("hwm_age_seconds")}
    assert not [name for name in seen.figures if name.startswith(("lag", "group", "trail", "ggserr"))]


def _a_cut_link_is_told_from_both_ends(lab: LabConfig, looks: Looks) -> None:
    links.change(lab, "site1", "site2", cut=True)
    try:
        seen = looks.until("began", "site1-site2/link/outage")
        assert ("began", "site2-site1/link/outage") in seen.told
        for key in ("site1-site2/link/outage", "site2-site1/link/outage"):
            assert re.search(
                r"\(Airflow reaches it\); in 7 h 5\d min the Info Mart Server gives up the data of site\d ",
                seen.said[key],
            )
    finally:
        links.heal(lab, "site1", "site2")
    seen = looks.until("ended", "site1-site2/link/outage")
    looks.quiet()


def _a_lost_site(lab: LabConfig, looks: Looks) -> None:
    supervisor.request(lab, "fail", site="site1")
    seen = looks.until("began", "site1/database/look")
    assert {("began", "site1/host/look"), ("began", "site2-site1/link/outage")} <= set(seen.told)
    assert "the Info Mart Server gives up the data of" in seen.said["site2-site1/link/outage"]
    assert any(name.startswith("hwm_age_seconds site2") for name in seen.figures), "the survivor is looked at"
    # The roles as a failover asks a person to set them: the lost site is no longer checked.
    lab_config.change(lab.home, lambda stored: stored.roles.update(site1="failed", site2="active"))
    topology.write(lab_config.load(lab.home))
    with thresholds():
        seen = looks.until("ended", "site1/database/look")
        assert ("ended", "site2-site1/link/outage") in seen.told
        looks.quiet()


def _ready_for_its_return(lab: LabConfig) -> None:
    supervisor.request(lab, "heal", site="site1")
    lab_config.change(lab.home, lambda stored: stored.roles.update(site1="new", site2="active"))
    topology.write(lab_config.load(lab.home))
    (case,) = readiness.list_cases("", readiness.ALL_THAT_FIT, "", "")
    assert (case["procedure"], case["source"], case["target"]) == ("return_to_normal", "site2", "site1")
    # Programs that no step of an active-active return uses are not checked: GoldenGate may be down at both sites.
    with Deployment() as deployment:
        for name in ("site1", "site2"):
            deployment.ggsci(name).stop_manager()
    report = readiness.check(case)
    assert {finding.level for finding in report.findings} == {"ok"}, report.table()
    assert set(report.estimate) == {"export", "transfer", "import", "outage for the export"}
