"""The procedures one after the other over GoldenGates that are unkind in all ways at once.

The schemas and releases of the sites differ, mgr.prm starts all groups by itself, a registration takes a minute and a
half, groups abend seconds after they are RUNNING, and ggserr.log is renamed on the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from infomart_dr.deployment import Deployment
from infomart_dr.errors import GuardError, RemoteCommandError
from infomart_dr.readiness import steps as readiness
from infomart_lab import config as lab_config
from infomart_lab import supervisor, topology
from infomart_lab.config import LabConfig, Site, set_fault
from infomart_lab.demo import judge_loss, not_there
from infomart_lab.goldengate.home import Home

from .conftest import assert_clean, judge
from .driver import Procedure, connections

pytestmark = [pytest.mark.lab, pytest.mark.slow]
SCALE, RATE = 1000, 10.0
SITES = {
    "site1": Site(name="site1", goldengate="11.2", data_pump="11.2", present=False),
    "site2": Site(name="site2", server_running=True, autostart=True),
    "site3": Site(name="site3", info_mart=False, autostart=True, goldengate="21c", goldengate_schema="GGADMIN"),
}
PAIR = ("site2", "site3")
#: Longer than a command over SSH may take (60 seconds).
REGISTER_SECONDS = 90
#: Of the logging, the flush and the end of a registration.
OTHER_SECONDS = 2
#: Behind ``timeouts.group_start`` of the lab, so that a group is believed to run before it abends.
ABEND_SECONDS = 4
#: Of the log of one procedure, so that it is renamed in each.
LOG_BYTES = 2000


@pytest.fixture
def unkind(lab: LabConfig) -> Iterator[LabConfig]:
    for site in PAIR:
        set_fault(lab, f"{site}.goldengate.log_rollover", LOG_BYTES)
    with connections(lab):
        yield lab


@pytest.mark.timeout(2700)
def test_four_procedures_over_unkind_goldengates_lose_and_double_nothing(
    unkind: LabConfig, serves: Callable[[str], bool]
) -> None:
    _a_return_to_normal_from_site2_to_site3(unkind, serves)
    for site in PAIR:
        starts_all_groups(unkind, site, True)
    _a_switchover_from_site3_to_site2(unkind, serves)
    starts_all_groups(unkind, "site3", True)
    lost = _a_failover_from_site2_to_site3(unkind, serves)
    _the_returning_site2_is_set_up_as_the_standby_of_site3(unkind, serves, lost)
    for site in PAIR:
        logs = list(lab_config.load(unkind.home).goldengate_home(site).glob("ggserr.log*"))
        assert len(logs) > 2, "the log was not renamed"
        # Two procedures have captured at each site, and each has registered once, however often it was repeated.
        text = "".join(path.read_text() for path in logs)
        assert text.count("): REGISTER EXTRACT EGIM DATABASE") == 2, site


def run(lab: LabConfig, procedure: str, plan: str, **arguments: Any) -> Procedure:
    """A run during which registrations take long."""

    def slow(task_id: str) -> None:
        for site in PAIR:
            seconds = REGISTER_SECONDS if task_id.endswith("add_extract") else OTHER_SECONDS
            set_fault(lab, f"{site}.goldengate.slow_register", seconds)

    return Procedure(f"infomart_{procedure}", plan=plan, before=slow, **arguments)


def starts_all_groups(lab: LabConfig, site: str, every: bool) -> None:
    """What a person writes into mgr.prm, and the manager's restart that makes it count."""
    file = lab.goldengate_home(site) / "dirprm" / "mgr.prm"
    lines = [("-- AUTOSTART ER *", "AUTOSTART ER *"), ("AUTORESTART EXTRACT *,", "AUTORESTART ER *,")]
    text = file.read_text()
    for some, all_ in lines:
        before, after = (some, all_) if every else (all_, some)
        assert before in text
        text = text.replace(before, after)
    file.write_text(text)
    with Deployment() as deployment:
        deployment.ggsci(site).stop_manager()
        deployment.ggsci(site).start_manager()


def set_roles(lab: LabConfig, **roles: Any) -> None:
    lab_config.change(lab.home, lambda stored: stored.roles.update(**roles))
    topology.write(lab_config.load(lab.home))


def blocked(procedure: str, source: str, target: str) -> set[tuple[str, str]]:
    """What readiness finds that stops a procedure: check and site."""
    report = readiness.check({"deployment": "", "procedure": procedure, "source": source, "target": target})
    return {(finding.check, finding.site) for finding in report.findings if finding.level == "blocked"}


def abend_late(lab: LabConfig, site: str, *groups: str) -> None:
    """These groups abend some seconds after each start, or none does any more."""
    seconds = dict.fromkeys(groups, ABEND_SECONDS) or None
    set_fault(lab, f"{site}.goldengate.late_abend", seconds)


def _a_return_to_normal_from_site2_to_site3(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    manager = "manager_parameters"
    assert blocked("return_to_normal", *PAIR) == {(manager, "site2"), (manager, "site3")}
    with pytest.raises(GuardError, match=r"mgr\.prm of site3 has 'AUTOSTART ER \*', which starts RGIM"):
        run(lab, "return_to_normal", "return").run()
    assert serves("site2") and not Home(lab, "site2").groups()
    for site in PAIR:
        starts_all_groups(lab, site, False)
    assert blocked("return_to_normal", *PAIR) == set()

    abend_late(lab, "site2", "EGIM", "PGIM")
    with pytest.raises(RemoteCommandError, match=r"EXTRACT [EP]GIM abended"):
        run(lab, "return_to_normal", "return").run()
    abend_late(lab, "site2")
    abend_late(lab, "site3", "RGIM")
    again = run(lab, "return_to_normal", "return")
    with pytest.raises(RemoteCommandError, match="REPLICAT RGIM abended"):
        again.run()
    abend_late(lab, "site3")
    assert serves("site2")
    last = run(lab, "return_to_normal", "return")
    results = last.run()
    assert "started after CSN" in results["synchronise.start_replicat_after_csn"]["summary"]
    assert "started after CSN" in results["switch_direction.start_replicat_after_csn"]["summary"]
    assert "no error since" in results["start_at_target.check_goldengate_log"]["summary"]
    assert serves("site3") and not serves("site2")
    assert_clean(judge(lab, "site3", "site2"))
    set_roles(lab, site2="standby", site3="active")


def _a_switchover_from_site3_to_site2(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    sites = {"source": "site3", "target": "site2"}
    # The target's Replicat is not started again: its mgr.prm may start it.
    assert blocked("switchover", *sites.values()) == {("manager_parameters", "site3")}
    with pytest.raises(GuardError, match=r"mgr\.prm of site3 has 'AUTOSTART ER \*', which starts RGIM"):
        run(lab, "switchover", "switch", params=sites).run()
    assert serves("site3") and not serves("site2")
    starts_all_groups(lab, "site3", False)
    results = run(lab, "switchover", "switch", params=sites).run()
    assert "started after CSN" in results["switch_direction.start_replicat_after_csn"]["summary"]
    assert "no error since" in results["start_at_target.check_goldengate_log"]["summary"]
    assert serves("site2") and not serves("site3")
    assert_clean(judge(lab, "site2", "site3"))
    set_roles(lab, site2="active", site3="standby")


def _a_failover_from_site2_to_site3(lab: LabConfig, serves: Callable[[str], bool]) -> int:
    """:return: calls that are lost."""
    supervisor.request(lab, "fail", site="site2")
    failover = run(lab, "failover", "lost", params={"failed_site": "site2", "survivor": "site3"})
    failover.run()
    assert serves("site3") and not Home(lab, "site3").groups("replicat")
    audits = judge_loss(lab, ("site3",))
    lost = not_there(audits["site3"])
    assert (audits["site3"].duplicated, audits["site3"].extra) == (0, 0)
    for task in ("gather_evidence.estimate_loss", "drain_standby.estimate_loss_again", "report_loss"):
        told = failover.results[task]
        assert told["lost_low"] <= lost <= told["lost_high"], (task, told["lost_low"], lost, told["lost_high"])
    return lost


def _the_returning_site2_is_set_up_as_the_standby_of_site3(
    lab: LabConfig, serves: Callable[[str], bool], lost: int
) -> None:
    supervisor.request(lab, "heal", site="site2")
    deadline = time.monotonic() + 60
    while Home(lab, "site2").group("extract", "EGIM").status() != "RUNNING":
        assert time.monotonic() < deadline, "AUTOSTART starts the groups of the returning site"
        time.sleep(0.5)
    set_roles(lab, site2="new", site3="active")
    sites = {"source": "site3", "target": "site2"}
    with pytest.raises(GuardError, match=r"mgr\.prm of site[23] has 'AUTOSTART ER \*', which starts RGIM"):
        run(lab, "setup_replication", "setup", params=sites).run()
    for site in PAIR:
        starts_all_groups(lab, site, False)
    abend_late(lab, "site3", "EGIM")
    with pytest.raises(RemoteCommandError, match="EXTRACT EGIM abended"):
        run(lab, "setup_replication", "setup", params=sites).run()
    abend_late(lab, "site3")
    # The abend is known, and its record stays: a person marks the step that finds it.
    log = "prove_standby.check_goldengate_log"
    with pytest.raises(GuardError, match="OGG-00664"):
        run(lab, "setup_replication", "setup", params=sites).run()
    results = run(lab, "setup_replication", "setup", params=sites, marked={log}).run()
    assert results["prove_standby.report_new_roles"]["roles"] == {"site2": "standby", "site3": "active"}
    assert serves("site3") and not serves("site2")
    audits = judge_loss(lab, PAIR)
    # What ICON at site2 had not been asked for before its loss may be there now; nothing more is lost.
    assert not_there(audits["site3"]) == not_there(audits["site2"]) <= lost
    assert {(each.duplicated, each.extra) for each in audits.values()} == {(0, 0)}
