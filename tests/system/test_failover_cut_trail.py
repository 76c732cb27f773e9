"""The lost site was sending: its trail ends in the middle. Then it comes back and starts everything automatically."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infomart_dr.errors import GuardError
from infomart_dr.plan.step import Step
from infomart_lab import config as lab_config
from infomart_lab import genesys, supervisor
from infomart_lab.config import LabConfig
from infomart_lab.demo import judge_loss, not_there
from infomart_lab.goldengate import trail
from infomart_lab.goldengate.home import Home
from infomart_lab.postgres import connect

from .conftest import running
from .driver import Procedure, connections

pytestmark = [pytest.mark.lab, pytest.mark.slow]
#: Name of site1's trail at site2.
TRAIL = "d1"
SITES_OF_RUN = {"failed_site": "site1", "survivor": "site2"}


@pytest.fixture
def lab(tmp_path: Path, base_port: int) -> Iterator[LabConfig]:
    """A pair whose standby follows."""
    asked: dict[str, Any] = {"scenario_name": "active-standby", "scale": 1000, "rate": 15.0}
    with running(tmp_path / "lab", base_port=base_port, **asked) as config, connections(config):
        Procedure("infomart_setup_replication", plan="setup").run()
        yield config


def lose_the_site(lab: LabConfig, fault: str, cut: Any) -> None:
    """Lose site1 while its pump sends.

    :param cut: function of the text of the newest trail file at site2; true once the trail ends as wanted.
    """
    lab_config.set_fault(lab, f"site1.goldengate.{fault}", True)
    deadline = time.monotonic() + 60
    while not cut(newest_file(lab)):
        assert time.monotonic() < deadline, "the pump never stops in the middle"
        time.sleep(0.05)
    supervisor.request(lab, "fail", site="site1")
    assert cut(newest_file(lab))


def newest_file(lab: LabConfig) -> str:
    files = trail.files(lab.goldengate_home("site2") / "dirdat" / TRAIL)
    return files[max(files)].read_text() if files else "\n"


def in_a_transaction(text: str) -> bool:
    line = text.splitlines()[-1]
    return text.endswith("\n") and "ops" in line and not trail.ends(json.loads(line))


def in_a_record(text: str) -> bool:
    return not text.endswith("\n")


def judged(lab: LabConfig, run: Procedure) -> int:
    """Calls that are lost; they lie within every estimate, and nothing is there twice."""
    audits = judge_loss(lab, ("site2",))
    lost = not_there(audits["site2"])
    assert (audits["site2"].duplicated, audits["site2"].extra) == (0, 0)
    for task in ("gather_evidence.estimate_loss", "drain_standby.estimate_loss_again", "report_loss"):
        told = run.results[task]
        assert told["lost_low"] <= lost <= told["lost_high"], (task, told["lost_low"], lost, told["lost_high"])
    return lost


def rows(lab: LabConfig) -> list[tuple[Any, ...]]:
    """Everything that replication could change at the survivor, as counts and checksums."""
    with connect(lab, "site2", "gim", application_name="test") as connection:
        return [
            connection.execute(
                f"select count(*), md5(string_agg(t::text, '|' order by t::text)) from gim.{t} t"
            ).fetchone()
            for t in ("interaction_fact", "ctl_extract_hwm")
        ]


@pytest.mark.timeout(1200)
def test_a_transaction_cut_off_is_lost_alone_and_the_site_that_comes_back_writes_nothing(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    lose_the_site(lab, "partial_transaction", in_a_transaction)
    run = Procedure("infomart_failover", plan="cut", params=dict(SITES_OF_RUN))
    run.run()
    assert "in the middle of a transaction, which is lost" in run.results["drain_standby.wait_for_trail_end"]["summary"]
    assert "in the middle" in run.results["drain_standby.stop_goldengate"]["drained_to"]
    assert "GoldenGate at site2" in run.shown["confirm_site_failure"]
    lost = judged(lab, run)
    home = Home(lab, "site2")
    assert home.groups("replicat") == [] and not trail.files(home.root / "dirdat" / TRAIL)
    aside = home.root / "dirdat" / f"old-{Step(plan_id='cut').key}"
    assert {"rgim.info", "dirdat"} <= {path.name for path in aside.iterdir()}

    # The site comes back with its data, and both Managers start all their groups. Nothing else writes.
    dbid, password = genesys.application(lab, "GIM")["dbid"], lab.passwords["site2"]["GAX"]
    genesys.control(lab, "site2", {"scs": "stopapp", "user": genesys.USER, "password": password, "dbid": dbid})
    while serves("site2"):
        time.sleep(0.5)
    before = rows(lab)
    for site in ("site1", "site2"):
        parameters = lab.goldengate_home(site) / "dirprm" / "mgr.prm"
        parameters.write_text("AUTOSTART ER *\n" + parameters.read_text())
    lab_config.set_fault(lab, "site1.goldengate.partial_transaction", None)
    supervisor.request(lab, "start", site="site2", part="goldengate")
    supervisor.request(lab, "heal", site="site1")
    deadline = time.monotonic() + 60
    while Home(lab, "site1").group("extract", "EGIM").status() != "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert home.manager_running()
    time.sleep(15)
    assert rows(lab) == before
    # Calls go on at both sites, so only the existing rows can be compared.
    audits = judge_loss(lab, ("site2",))
    assert not_there(audits["site2"]) >= lost
    assert (audits["site2"].duplicated, audits["site2"].extra) == (0, 0)


@pytest.mark.timeout(1200)
def test_a_record_cut_off_needs_a_decision_and_complete_transactions_are_applied(lab: LabConfig) -> None:
    lose_the_site(lab, "partial_record", in_a_record)
    home = Home(lab, "site2")
    deadline = time.monotonic() + 30
    while home.group("replicat", "RGIM").status() != "ABENDED":
        assert time.monotonic() < deadline
        time.sleep(0.5)
    run = Procedure("infomart_failover", plan="undecided", params=dict(SITES_OF_RUN))
    with pytest.raises(GuardError, match=r"(?s)ends inside a record: d1\d+, \d+ bytes.*OGG-01184") as caught:
        run.run()
    assert "accept_cut_trail" in caught.value.next_step and run.shown == {}
    run = Procedure("infomart_failover", plan="cut", params={**SITES_OF_RUN, "accept_cut_trail": True})
    run.run()
    assert "ends inside a record" in run.shown["confirm_site_failure"]
    drained = run.results["drain_standby.stop_goldengate"]["drained_to"]
    assert "applied and committed, one by one" in drained
    judged(lab, run)
