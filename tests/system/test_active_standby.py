"""The life of an active-standby pair: set up from nothing, switched over and back, each time without a loss."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infomart_lab.config import LabConfig

from .conftest import assert_clean, judge, running
from .driver import GateRejected, Procedure, connections

pytestmark = pytest.mark.lab


@pytest.fixture
def lab(tmp_path: Path, base_port: int) -> Iterator[LabConfig]:
    """A pair whose standby is empty; each test fills its own."""
    asked: dict[str, Any] = {"scenario_name": "active-standby", "scale": 1000, "rate": 10.0}
    with running(tmp_path / "lab", base_port=base_port, **asked) as config, connections(config):
        yield config


@pytest.mark.timeout(900)
def test_a_set_up_and_a_switchover_lose_and_double_nothing_and_a_second_one_finds_its_goal_reached(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    _a_rejected_parameter_file_changes_nothing(lab, serves)
    _replication_is_set_up_from_nothing(lab, serves)
    _a_second_set_up_finds_its_goal_reached()
    _the_standby_takes_over(lab, serves)
    _a_second_switchover_finds_its_goal_reached(serves)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_set_up_from_nothing_then_switched_over_and_back_loses_and_doubles_nothing(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    _replication_is_set_up_from_nothing(lab, serves)
    _the_standby_takes_over(lab, serves)
    _and_back_again(lab, serves)


def _a_rejected_parameter_file_changes_nothing(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    run = Procedure("infomart_setup_replication", plan="setup-0", approve=False)
    with pytest.raises(GateRejected):
        run.run()
    shown = run.shown["check_prerequisites.approve_parameter_files"]
    assert "egim.prm" in shown and "+EXTRACT EGIM" in shown and "GLOBALS" in shown
    assert not (lab.goldengate_home("site1") / "dirprm" / "egim.prm").exists()
    assert serves("site1")


def _replication_is_set_up_from_nothing(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    run = Procedure("infomart_setup_replication", plan="setup-1")
    run.run()
    assert "release 8.1.4 has a key" in run.skipped["check_prerequisites.create_hwm_index"]
    assert (lab.goldengate_home("site1") / "GLOBALS").read_text().count("GGSCHEMA GGATE") == 1
    assert serves("site1") and not serves("site2")
    time.sleep(5)
    assert_clean(judge(lab, "site1", "site2"))


def _a_second_set_up_finds_its_goal_reached() -> None:
    run = Procedure("infomart_setup_replication", plan="setup-2")
    run.run()
    assert run.results["check_already_done"]["summary"] == "nothing to do: site1 already serves and site2 follows it"
    assert run.results["export_database.run_expdp"]["summary"].startswith("nothing to do")
    assert run.shown == {}


def _the_standby_takes_over(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    in_use, next_one = (lab.goldengate_home(site) / "dirprm" / "egim.prm" for site in ("site1", "site2"))
    rendered, edit = next_one.read_text(), "-- a person's\nREPORTCOUNT EVERY 1 HOURS\n"
    for path in (in_use, next_one):
        path.write_text(path.read_text() + edit)
    run = Procedure("infomart_switchover", plan="switch-1", params={"source": "site1", "target": "site2"})
    run.run()
    shown = run.shown["check_replication.approve_changed_files"]
    assert f"site2: {next_one}" in shown and "-REPORTCOUNT EVERY 1 HOURS" in shown
    assert (
        next_one.read_text() == rendered and "a person's" in next(next_one.parent.glob("egim.prm.before-*")).read_text()
    )
    assert str(in_use) not in shown and in_use.read_text().endswith(edit), "the file of a running group stays"
    assert serves("site2") and not serves("site1")
    assert run.results["report_new_roles"]["roles"] == {"site1": "standby", "site2": "active"}
    time.sleep(5)
    assert_clean(judge(lab, "site2", "site1"))


def _a_second_switchover_finds_its_goal_reached(serves: Callable[[str], bool]) -> None:
    run = Procedure("infomart_switchover", plan="switch-2", params={"source": "site1", "target": "site2"})
    run.run()
    assert "site2 already serves and site1 follows it" in run.results["check_already_done"]["summary"]
    assert run.shown == {} and serves("site2")


def _and_back_again(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    Path(lab.goldengate_home("site1") / "dirprm" / "egim.prm").unlink()
    run = Procedure("infomart_switchover", plan="switch-3", params={"source": "site2", "target": "site1"})
    run.run()
    assert "check_replication.approve_changed_files" in run.skipped, "no file of a person would be replaced"
    assert serves("site1") and not serves("site2")
    time.sleep(5)
    assert_clean(judge(lab, "site1", "site2"))
