"""Watching a pair of sites: a healthy pair has no finding; each trouble is reported once, and its end once."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infomart_dr.deployment import Deployment
from infomart_dr.errors import UnreachableError
from infomart_dr.plan.lock import PlanLock
from infomart_lab import links, supervisor
from infomart_lab.config import LabConfig
from infomart_lab.goldengate.home import Home

from .conftest import change_topology
from .driver import Procedure, connections
from .looks import Looks, thresholds

pytestmark = pytest.mark.lab
SCENARIO = "active-standby"
SCALE = 300
RATE = 10.0


@pytest.fixture(scope="module")
def looks(lab: LabConfig) -> Iterator[Looks]:
    """Surveys of a pair of sites whose replication has been set up."""
    with connections(lab):
        Procedure("infomart_setup_replication", plan="setup").run()
        # The roles that the procedure asks a person to set.
        change_topology(lambda document: document["sites"]["site2"].update(role="standby"))
        with thresholds():
            yield Looks()


@pytest.mark.timeout(600)
def test_a_healthy_pair_shows_nothing_and_each_trouble_is_reported_once_and_its_end_once(
    lab: LabConfig, looks: Looks
) -> None:
    assert looks.names() == ["lab"]
    _a_healthy_pair_shows_nothing_and_a_small_lag(looks)
    _a_stopped_replicat_and_the_lag_that_follows(looks)
    _a_registration_without_a_group(looks)
    _an_error_in_ggserr_log_that_is_rotated(lab, looks)
    _a_cut_link_counts_down_and_ends(lab, looks)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_rarer_troubles_are_reported_once_by_two_airflows_too_and_a_lost_site_hides_and_ends_nothing(
    lab: LabConfig, looks: Looks
) -> None:
    looks.quiet()
    _an_abended_pump(lab, looks)
    _an_extract_that_runs_and_is_stuck(lab, looks)
    _a_disk_that_is_nearly_full(looks)
    _two_airflows_tell_once(looks)
    _what_a_plan_under_way_stops_is_not_judged(looks)
    _a_lost_standby_hides_nothing_and_ends_nothing(lab, looks)


def _a_healthy_pair_shows_nothing_and_a_small_lag(looks: Looks) -> None:
    looks.quiet()
    seen = looks.look()
    assert seen.label == "lab: ok"
    assert 0 < seen.figures["lag_seconds site1 site2"] < 15
    assert seen.figures["link_up site1 site2"] == 1.0
    assert seen.figures["trail_free_bytes site1"] > 0
    assert any(name.startswith("hwm_age_seconds site1") for name in seen.figures)
    # Only the newest marker stays: the table does not grow with the surveys.
    for _ in range(3):
        looks.look()
    with Deployment("lab") as deployment:
        rows = deployment.goldengate_database("site1").select(
            "markers", {"schema": "GGATE"}, site="site1", pattern="watch:lab:%"
        )
    assert len(rows) <= 2


def _a_stopped_replicat_and_the_lag_that_follows(looks: Looks) -> None:
    with Deployment("lab") as deployment:
        deployment.ggsci("site2").stop("RGIM")
        seen = looks.until("began", "site2/groups/RGIM")
        assert "REPLICAT RGIM at site2 is STOPPED" in seen.said["site2/groups/RGIM"]
        assert seen.states == ["critical"]
        seen = looks.until("began", "site1-site2/lag/marker")
        assert "at least" in seen.said["site1-site2/lag/marker"]
        looks.not_again("site2/groups/RGIM")
        deployment.ggsci("site2").start("RGIM")
    ended = looks.until("ended", "site1-site2/lag/marker")
    # Its lag may still be above the limit of this test.
    assert ended.states in ([], ["ok"], ["warning"])
    looks.quiet()


def _process(lab: LabConfig, site: str, name: str) -> int:
    return next(group.process["pid"] for group in Home(lab, site).groups() if group.name == name)


def _an_abended_pump(lab: LabConfig, looks: Looks) -> None:
    os.kill(_process(lab, "site1", "PGIM"), signal.SIGKILL)
    seen = looks.until("began", "site1/groups/PGIM")
    assert "PGIM at site1 is ABENDED" in seen.said["site1/groups/PGIM"]
    looks.not_again("site1/groups/PGIM")
    with Deployment("lab") as deployment:
        deployment.ggsci("site1").start("PGIM")
    looks.until("ended", "site1/groups/PGIM")
    looks.quiet()


def _a_registration_without_a_group(looks: Looks) -> None:
    with Deployment("lab") as deployment:
        deployment.ggsci("site2").register_extract("EGIM")
        seen = looks.until("began", "site2/capture/OGG$CAP_EGIM")
        assert "there is no such group" in seen.said["site2/capture/OGG$CAP_EGIM"]
        deployment.ggsci("site2").unregister_extract("EGIM")
    looks.until("ended", "site2/capture/OGG$CAP_EGIM")
    looks.quiet()


def _an_extract_that_runs_and_is_stuck(lab: LabConfig, looks: Looks) -> None:
    process = _process(lab, "site1", "EGIM")
    os.kill(process, signal.SIGSTOP)
    try:
        seen = looks.until("began", "site1/groups/EGIM")
        assert "EGIM at site1 is RUNNING but has made no checkpoint" in seen.said["site1/groups/EGIM"]
    finally:
        os.kill(process, signal.SIGCONT)
    looks.until("ended", "site1/groups/EGIM")
    looks.quiet()


def _an_error_in_ggserr_log_that_is_rotated(lab: LabConfig, looks: Looks) -> None:
    log = lab.goldengate_home("site2") / "ggserr.log"

    def add(file: Path, code: str) -> None:
        with file.open("a") as stream:
            stream.write(f"2026-11-02T10:20:25.533+0000  ERROR   {code}  Oracle GoldenGate Delivery, rgim.prm:  no.\n")

    add(log, "OGG-01296")
    seen = looks.until("began", "site2/ggserr/OGG-01296")
    assert "1 new error(s) OGG-01296" in seen.said["site2/ggserr/OGG-01296"]
    looks.until("ended", "site2/ggserr/OGG-01296")
    # Written after the last reading, before the log was renamed.
    old = log.with_suffix(".log.1")
    add(log, "OGG-01668")
    log.rename(old)
    add(log, "OGG-01154")
    seen = looks.look()
    assert {("began", "site2/ggserr/OGG-01668"), ("began", "site2/ggserr/OGG-01154")} <= set(seen.told)
    looks.quiet()


def _a_disk_that_is_nearly_full(looks: Looks) -> None:
    with thresholds(trail_free={"warning": 1_000_000_000, "critical": 0}):
        seen = looks.until("began", "site1/trail/disk")
        assert {("began", "site1/trail/disk"), ("began", "site2/trail/disk")} <= set(seen.told)
        looks.not_again("site1/trail/disk")
    looks.until("ended", "site1/trail/disk")


def _a_cut_link_counts_down_and_ends(lab: LabConfig, looks: Looks) -> None:
    links.change(lab, "site1", "site2", cut=True)
    try:
        seen = looks.until("began", "site1-site2/link/outage")
        said = seen.said["site1-site2/link/outage"]
        assert re.search(
            r"\(Airflow reaches it\); in 7 h 5\d min the Info Mart Server gives up the data of site2 \(ts2-\S+\)", said
        )
        assert 0 < seen.figures["link_left_seconds site1 site2"] < 28_800
        # Critical once: the countdown comes near.
        with thresholds(link_left=40_000):
            assert ("worse", "site1-site2/link/outage") in looks.look().told
            assert ("worse", "site1-site2/link/outage") not in looks.look().told
    finally:
        links.heal(lab, "site1", "site2")
    looks.until("ended", "site1-site2/link/outage")
    looks.quiet()


def _two_airflows_tell_once(looks: Looks) -> None:
    with thresholds(trail_free={"warning": 1_000_000_000, "critical": 0}), ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: looks.look(), range(2)))
    told = [each for seen in both for each in seen.told if each[1].endswith("/trail/disk")]
    assert sorted(told) == [("began", "site1/trail/disk"), ("began", "site2/trail/disk")]
    looks.until("ended", "site1/trail/disk")
    looks.quiet()


def _what_a_plan_under_way_stops_is_not_judged(looks: Looks) -> None:
    with Deployment("lab") as deployment:
        # A failover's plan has its lock at the survivor.
        for ledger_site in ("site1", "site2"):
            lock = PlanLock.at(deployment, ledger_site)
            lock.take("plan-9", "a run", "test")
            deployment.ggsci("site2").stop("RGIM")
            seen = looks.look()
            assert seen.told == [] and set(seen.findings) == {f"{ledger_site}/lock/plan"}
            deployment.ggsci("site2").start("RGIM")
            lock.release("plan-9")
            looks.quiet()


def _a_lost_standby_hides_nothing_and_ends_nothing(lab: LabConfig, looks: Looks) -> None:
    with Deployment("lab") as deployment:
        deployment.ggsci("site2").stop("RGIM")
        looks.until("began", "site2/groups/RGIM")
        supervisor.request(lab, "fail", site="site2")
        seen = looks.until("began", "site2/host/look")
        assert ("began", "site2/database/look") in seen.told
        assert ("ended", "site2/groups/RGIM") not in seen.told, "nobody could see that it ended"
        assert "hwm_age_seconds site1" in " ".join(seen.figures), "the other site is looked at"
        supervisor.request(lab, "fail", site="site1")
        with pytest.raises(UnreachableError, match="No database of lab answers"):
            looks.look()
