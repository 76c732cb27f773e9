"""A site is lost: the survivor takes over once, only when the site is dead, and loses no more than estimated."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infomart_dr.errors import GuardError
from infomart_dr.plan.step import Step
from infomart_lab import config as lab_config
from infomart_lab import configuration, links, supervisor, topology
from infomart_lab.config import LabConfig
from infomart_lab.demo import judge_loss, not_there

from .conftest import assert_clean, judge, running
from .driver import GateRejected, Procedure, connections

pytestmark = pytest.mark.lab
SITES_OF_RUN = {"failed_site": "site1", "survivor": "site2"}


@pytest.fixture
def lab(tmp_path: Path, base_port: int) -> Iterator[LabConfig]:
    """A pair whose standby follows; each test loses a site of its own."""
    asked: dict[str, Any] = {"scenario_name": "active-standby", "scale": 1000, "rate": 15.0}
    with running(tmp_path / "lab", base_port=base_port, **asked) as config, connections(config):
        Procedure("infomart_setup_replication", plan="setup").run()
        yield config


def failover(plan: str, **arguments: object) -> Procedure:
    return Procedure("infomart_failover", plan=plan, params=dict(SITES_OF_RUN), **arguments)  # type: ignore[arg-type]


def ask(lab: LabConfig, verb: str, **arguments: str) -> None:
    supervisor.request(lab, verb, **arguments)


@contextmanager
def part_of_a_dead_site(lab: LabConfig, *names: str) -> Iterator[None]:
    """Some processes of site1 run, the others are gone."""
    for name in names:
        ask(lab, "start", site="site1", part=name)
    try:
        yield
    finally:
        for name in reversed(names):
            ask(lab, "kill", site="site1", part=name)


@pytest.mark.timeout(1200)
def test_a_failover_happens_only_when_the_site_is_dead_and_loses_what_was_estimated(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    assert_clean(judge(lab, "site1", "site2"))
    _a_cut_link_is_no_site_failure(lab, serves)
    ask(lab, "fail", site="site1")
    _half_a_site_stops_the_run(lab, serves)
    _a_rejected_gate_changes_nothing(lab, serves)
    _the_survivor_takes_over(lab, serves)
    _a_second_failover_finds_its_goal_reached()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_lost_site_that_comes_back_too_early_or_afterwards_never_serves_beside_the_survivor(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    ask(lab, "fail", site="site1")
    _a_site_that_comes_back_in_the_middle_stops_the_start_and_the_standby_follows_again(lab, serves)
    ask(lab, "fail", site="site1")
    _the_survivor_takes_over(lab, serves)
    _the_recovered_site_becomes_the_standby(lab, serves)


def _untouched(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    """The standby is unchanged: no server runs there, and the Application object points to site1."""
    assert not serves("site2")
    assert configuration.read(lab)["applications"]["GIM"]["host"] == "site1-gim"


def _a_cut_link_is_no_site_failure(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    links.change(lab, "site1", "site2", cut=True)
    try:
        run = failover("cut")
        with pytest.raises(GuardError, match=r"(?s)site1 is alive:.*probed from Airflow.*two Info Mart Servers"):
            run.run()
        assert run.shown == {}
        _untouched(lab, serves)
        assert serves("site1")
    finally:
        links.heal(lab, "site1", "site2")


def _half_a_site_stops_the_run(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    for names, endpoint in ((("ssh",), "SSH of site1-"), (("postgres", "oracle"), "database listener")):
        with part_of_a_dead_site(lab, *names):
            run = failover(f"half-{names[-1]}")
            with pytest.raises(GuardError, match=f"(?s)site1 is alive:.*{endpoint}"):
                run.run()
            assert run.shown == {}
            _untouched(lab, serves)


def _a_rejected_gate_changes_nothing(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    run = failover("rejected", approve=False)
    with pytest.raises(GateRejected):
        run.run()
    shown = run.shown["confirm_site_failure"]
    assert "| survivor | database listener" in shown and "| airflow | SSH of site1-db" in shown
    assert "refused" in shown or "silent" in shown
    _untouched(lab, serves)


def _a_site_that_comes_back_in_the_middle_stops_the_start_and_the_standby_follows_again(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    def comes_back(task_id: str) -> None:
        if task_id == "start_at_survivor.start_info_mart_server":
            assert configuration.read(lab)["applications"]["GIM"]["host"] == "site2-gim"
            ask(lab, "heal", site="site1")

    run = failover("back", before=comes_back)
    with pytest.raises(GuardError, match=r"(?s)site1 is alive.*Two servers .*never write"):
        run.run()
    assert "standby again" in run.results["return_standby"]["summary"]
    assert not serves("site2")
    applications = configuration.read(lab)["applications"]
    assert applications["GIM"]["host"] == "site1-gim"
    assert "DAP_GIM_site1" in applications["GIM"]["connections"]
    assert all(application["state"] == configuration.ENABLED for application in applications.values())
    look = Procedure("infomart_switchover", plan="look", params={"source": "site1", "target": "site2"})
    step = look.dag.get_task("check_replication.check_replication_runs")
    deadline = time.monotonic() + 60
    while True:
        try:
            assert "RGIM RUNNING" in look.step(step)["summary"]
            return
        except GuardError:
            assert time.monotonic() < deadline
            time.sleep(1)


def _the_survivor_takes_over(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    run = failover("lost")
    run.run()
    assert serves("site2")
    assert "not partitioned" in run.skipped["start_at_survivor.run_maintenance_job"]
    assert "no message of the migration state" in run.skipped["start_at_survivor.run_migration_job"]
    assert run.results["report_new_roles"]["roles"] == {"site1": "failed", "site2": "active"}
    applications = configuration.read(lab)["applications"]
    assert applications["DAP_TS1_site1"]["state"] == configuration.DISABLED
    assert applications["GIM"]["options"]["schedule"]["run-aggregates"] == "true"
    audits = judge_loss(lab, ("site2",))
    lost = not_there(audits["site2"])
    assert (audits["site2"].duplicated, audits["site2"].extra) == (0, 0)
    for task in ("gather_evidence.estimate_loss", "drain_standby.estimate_loss_again", "report_loss"):
        told = run.results[task]
        assert told["lost_low"] <= lost <= told["lost_high"], (task, told["lost_low"], lost, told["lost_high"])


def _a_second_failover_finds_its_goal_reached() -> None:
    run = failover("again")
    run.run()
    assert "site2 already serves" in run.results["check_already_done"]["summary"]
    assert run.shown == {}


def _the_recovered_site_becomes_the_standby(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    """Option 2: the survivor stays active, and files of the old replication are moved aside."""
    ask(lab, "heal", site="site1")
    lab_config.change(lab.home, lambda stored: stored.roles.update(site1="new", site2="active"))
    topology.write(lab_config.load(lab.home))
    run = Procedure(
        "infomart_return_to_normal",
        plan="option-2",
        params={"source": "site2", "target": "site1", "option": "source stays active"},
    )
    run.run()
    assert run.shown == {}
    applications = configuration.read(lab)["applications"]
    assert all(application["state"] == configuration.ENABLED for application in applications.values())
    assert "approve_cutover" in run.skipped and "start_at_target.start_info_mart_server_at_target" in run.skipped
    assert run.results["prove_standby.report_new_roles"]["roles"] == {"site2": "active", "site1": "standby"}
    assert serves("site2") and not serves("site1")
    aside = lab.goldengate_home("site1") / "dirdat" / f"old-{Step(plan_id='option-2').key}"
    assert {"egim.info", "pgim.info", "dirdat", "dirrpt"} <= {path.name for path in aside.iterdir()}
    assert "SCN" in (aside / "egim.info").read_text()
    time.sleep(5)
    audits = judge_loss(lab, ("site2", "site1"))
    assert not_there(audits["site2"]) == not_there(audits["site1"])
    assert {(each.duplicated, each.extra) for each in audits.values()} == {(0, 0)}
    again = Procedure(
        "infomart_return_to_normal",
        plan="option-2-again",
        params={"source": "site2", "target": "site1", "option": "source stays active"},
    )
    again.run()
    assert again.results["check_already_done"]["summary"] == "nothing to do: site2 already serves and site1 follows it"
    assert again.shown == {}
