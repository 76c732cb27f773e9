"""Planned moves to a standby that nobody has opened for months: old partitions, a schema one release behind.

A switchover runs as a whole. Cutover and return to normal share its steps (``tests/unit/dags/test_dags.py``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infomart_lab import configuration, gi2ctl, partitions, site_setup
from infomart_lab.config import LabConfig

from .conftest import assert_clean, judge, running
from .driver import Procedure, connections

pytestmark = [pytest.mark.lab, pytest.mark.slow]
DAY = 86400


@pytest.fixture
def lab(tmp_path: Path, base_port: int) -> Iterator[LabConfig]:
    """A pair whose standby site2 has partitions of two months ago, and the tables of the release before."""
    asked: dict[str, Any] = {"scenario_name": "active-standby", "partitioned": True, "scale": 300, "rate": 20.0}
    with running(tmp_path / "lab", base_port=base_port, **asked) as config, connections(config):
        Procedure("infomart_setup_replication", plan="setup").run()
        site_setup.behind(config, "site2")
        partitions.set_end(config, "site2", time.time() - 60 * DAY)
        yield config


def jobs_of(lab: LabConfig, site: str) -> list[str]:
    """Jobs that a site's server has finished, by its log."""
    log = (lab.server_root(site) / "logs" / "gim_etl.log").read_text()
    return [name for name in re.findall(r" 55-20100 (Job_\w+)", log) if name != "Job_AggregateGIM"]


def schedule(lab: LabConfig) -> dict[str, str]:
    return configuration.read(lab)["applications"]["GIM"]["options"]["schedule"]


@pytest.mark.timeout(900)
def test_a_switchover_to_a_standby_that_nobody_opened_for_months_loads_what_it_extracts(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    seen: dict[str, str] = {}
    run = Procedure(
        "infomart_switchover",
        plan="switch",
        params={"source": "site1", "target": "site2"},
        before=lambda task_id: seen.update({task_id: schedule(lab)["run-scheduler"]}),
    )
    run.run()
    assert serves("site2") and not serves("site1")
    jobs = jobs_of(lab, "site2")
    assert jobs[:2] == ["Job_MigrateGIM", "Job_MaintainGIM"], jobs
    assert "Job_TransformGIM" in jobs
    assert partitions.end_at(lab, "site2") > time.time() + 13 * DAY
    assert gi2ctl.in_service(lab) == ["site2"], "the reports have moved with the Info Mart"

    # Known before anything stopped.
    shown = run.shown["approve_cutover"]
    assert "at site2 have no partition after" in shown and "GIDB_G" in shown and "Job_MaintainGIM" in shown
    assert "STG_ACW" in shown and "Job_MigrateGIM" in shown

    # No job of the ETL ran before both had succeeded.
    start, let = (f"start_at_target.{name}" for name in ("start_info_mart_server_at_target", "set_scheduler"))
    tasks = list(seen)
    assert {seen[task] for task in tasks[tasks.index(start) : tasks.index(let) + 1]} == {"false"}
    assert schedule(lab)["run-scheduler"] == "true"
    assert "became facts" in run.results["start_at_target.prove_loading"]["summary"]
    assert_clean(judge(lab, "site2", "site1"))
