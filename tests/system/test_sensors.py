"""The sensors in the DAGs of dags/examples, in a real Airflow: deferred, succeeded, timed out, skipped, failed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infomart_dr.deployment import Deployment
from infomart_dr.guards.purge_holds import End, PurgeHolds
from infomart_lab import config as lab_config
from infomart_lab.config import HOME_VARIABLE, HOST_VARIABLE, LabConfig

from .driver import ROOT, Procedure, connections
from .own_airflow import OwnAirflow

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(900)]
SCENARIO = "active-standby"
SCALE = 300
RATE = 10.0
EXAMPLES = ROOT / "dags" / "examples"


def changed(name: str, **changes: str) -> str:
    """The text of an example, with other values of some arguments; it asks each second."""
    text = (EXAMPLES / f"{name}.py").read_text()
    for argument, value in ({"poke_interval": "1", "schedule": "None"} | changes).items():
        lines = [line for line in text.splitlines() if line.strip().startswith(f"{argument}=")]
        assert len(lines) == 1, (name, argument, lines)
        text = text.replace(lines[0].strip(), f"{argument}={value},")
    return text


def write_dags(folder: Path) -> None:
    """The examples, some of them with less time."""
    folder.mkdir()
    for file in EXAMPLES.glob("*.py"):
        (folder / file.name).write_text(changed(file.stem))

    def moment(**later: int) -> str:
        (unit, number) = next(iter(later.items()))
        return repr(f"{{{{ (dag_run.run_after + macros.timedelta({unit}={number})).isoformat() }}}}")

    marks, holds = "wait_for_high_water_mark", "wait_for_purge_holds"
    (folder / "soon.py").write_text(changed(marks, dag_id='"soon"', moment=moment(seconds=30)))
    (folder / "late.py").write_text(changed(marks, dag_id='"late"', moment=moment(hours=1), timeout="4"))
    (folder / "held.py").write_text(changed(holds, dag_id='"held"', timeout="4"))


@pytest.fixture(scope="module")
def airflow(lab: LabConfig, airflow_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnAirflow]:
    """An Airflow with the examples alone, beside a pair of sites whose replication has been set up."""
    folder = tmp_path_factory.mktemp("airflow")
    write_dags(folder / "dags")
    with connections(lab):
        Procedure("infomart_setup_replication", plan="setup").run()
        with OwnAirflow(lab, folder / "home", airflow_port, folder / "dags") as found:
            for dag in ("late", "soon", "held", *(f"example_{file.stem}" for file in EXAMPLES.glob("*.py"))):
                found.wait_for_dag(dag)
            yield found


class Run:
    """A run of a DAG whose first task is a sensor."""

    def __init__(self, airflow: OwnAirflow, dag: str, run: str, conf: dict[str, Any] | None = None) -> None:
        self.airflow, self.dag, self.id = airflow, dag, run
        airflow.trigger(dag, run, conf)

    def tasks(self) -> dict[str, dict[str, Any]]:
        return {task["task_id"]: task for task in self.airflow.tasks(self.dag, self.id)}

    def until(self, task: str, *states: str, seconds: float = 120) -> dict[str, Any]:
        """The task, as soon as it is in one of these states."""
        deadline = time.monotonic() + seconds
        while (found := self.tasks().get(task) or {}).get("state") not in states:
            assert time.monotonic() < deadline, (self.dag, task, found, self.log(task))
            time.sleep(0.3)
        return found

    def ended(self) -> str:
        deadline = time.monotonic() + 120
        while (state := self.airflow.run(self.dag, self.id)["state"]) not in ("success", "failed"):
            assert time.monotonic() < deadline, self.tasks()
            time.sleep(0.3)
        return state

    def log(self, task: str) -> str:
        return self.airflow.log(self.dag, self.id, task)

    def result(self, task: str) -> dict[str, Any]:
        return self.airflow.result(self.dag, self.id, task)


def own_markers(deployment: Deployment, site: str) -> list[str]:
    rows = deployment.goldengate_database(site).select("markers", {"schema": "GGATE"}, site="site1", pattern="sensor:%")
    return [row["marker_id"] for row in rows]


def soon(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def test_replication_has_caught_up_when_the_sensors_own_marker_has_arrived_and_no_marker_is_left(
    airflow: OwnAirflow,
) -> None:
    with Deployment("lab") as deployment:
        deployment.ggsci("site1").stop("PGIM")
        run = Run(airflow, "example_wait_for_replication", "r1")
        run.until("caught_up", "deferred")
        (marker,) = own_markers(deployment, "site1")
        assert own_markers(deployment, "site2") == []
        deployment.ggsci("site1").start("PGIM")
        assert run.ended() == "success"
        result = run.result("caught_up")
        assert (result["source"], result["target"], result["marker"]) == ("site1", "site2", marker)
        assert result["scn"] == int(marker.rpartition(":")[2]) and result["replicat"] == "RUNNING"
        assert f"site2 has everything until SCN {result['scn']} of site1" in run.log("read_at_the_standby")
        soon(lambda: not own_markers(deployment, "site1") and not own_markers(deployment, "site2"), "markers are left")
        # A transient error does not end the wait: the Replicat is back before the patience is over.
        deployment.ggsci("site2").stop("RGIM")
        again = Run(airflow, "example_wait_for_replication", "r2")
        again.until("caught_up", "deferred")
        assert "RGIM at site2 is STOPPED" in again.log("caught_up")
        deployment.ggsci("site2").start("RGIM")
        assert again.ended() == "success"
        assert again.tasks()["caught_up"]["try_number"] == 1


def test_a_report_load_waits_for_the_high_water_marks_and_a_wait_that_is_too_long_fails_without_a_retry(
    airflow: OwnAirflow,
) -> None:
    run, late = Run(airflow, "soon", "m1"), Run(airflow, "late", "m1")
    run.until("extracted", "deferred")
    assert late.ended() == "failed"
    task = late.tasks()["extracted"]
    assert (task["state"], task["try_number"]) == ("failed", 1)
    assert "Sensor has timed out after 4 seconds: high-water marks at site1" in late.log("extracted")
    assert late.tasks()["load_report"]["state"] == "upstream_failed"
    assert run.ended() == "success"
    result = run.result("extracted")
    assert result["site"] == "site1" and result["behind"] == [] and result["moved"]
    # Midnight is past in each lab, so there is nothing to wait for.
    assert Run(airflow, "example_wait_for_high_water_mark", "m2").ended() == "success"


def test_maintenance_waits_for_a_hold_and_is_skipped_when_it_holds_for_too_long(airflow: OwnAirflow) -> None:
    now = datetime.now(UTC)
    with Deployment("lab") as deployment:
        store = PurgeHolds(deployment).choose()[0].store
        store.place("CHG1", "anna", "", "rehearsal", now, End(ends_at=now + timedelta(hours=1)))
        every = Run(airflow, "example_wait_for_purge_holds", "h1")
        one = Run(airflow, "example_wait_for_purge_holds", "h2", {"hold": "CHG1"})
        other = Run(airflow, "example_wait_for_purge_holds", "h3", {"hold": "CHG2"})
        held = Run(airflow, "held", "h1")
        for run in (every, one):
            run.until("released", "deferred", "success")
        assert (other.ended(), held.ended()) == ("failed", "success")
        assert "The purge hold 'CHG2' is unknown at" in other.log("released")
        assert other.tasks()["released"]["try_number"] == 1
        assert {name: task["state"] for name, task in held.tasks().items()} == {
            "released": "skipped",
            "maintain": "skipped",
        }
        assert "1 active purge hold(s)" in held.log("released") and "CHG1 of anna" in held.log("released")
        for run in (every, one):
            assert run.tasks()["released"]["state"] == "deferred"
        assert store.release("CHG1", "anna", "done")
        for run in (every, one):
            assert run.ended() == "success"
            assert run.result("released")["holding"] == []


def start_export(lab: LabConfig, job: str) -> subprocess.Popen[str]:
    """An export by hand at site1."""
    words = ["schemas=gim", "directory=gim_dump", f"dumpfile={job}.dmp", f"logfile={job}.log", f"job_name={job}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "infomart_lab.datapump.expdp", "system", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, HOME_VARIABLE: str(lab.home), HOST_VARIABLE: "site1/db", "PYTHONPATH": str(ROOT / "lab")},
    )
    assert process.stdin is not None
    process.stdin.write(lab.password("site1", "SYSTEM") + "\n")
    process.stdin.flush()
    return process


def test_a_copy_waits_for_an_export_and_a_log_that_says_failure_ends_the_run_at_once(
    lab: LabConfig, airflow: OwnAirflow
) -> None:
    lab_config.set_fault(lab, "site1.expdp.slow", 6000)
    client = start_export(lab, "NIGHTLY_EXPORT")
    try:
        with Deployment("lab") as deployment:
            soon(lambda: (job := deployment.data_pump("site1").job("NIGHTLY_EXPORT")) is not None and job.active, "job")
        run = Run(airflow, "example_wait_for_data_pump_job", "d1")
        run.until("ended", "deferred")
        lab_config.set_fault(lab, "site1.expdp.slow", None)
        assert run.ended() == "success"
        result = run.result("ended")
        assert result["outcome"] == "success" and result["rows"] > 0 and result["job"] == "NIGHTLY_EXPORT"
    finally:
        lab_config.set_fault(lab, "site1.expdp.slow", None)
        client.kill()
        client.wait(30)
    (lab.dump_dir("site1") / "BAD.log").write_text("ORA-39002: invalid operation\nORA-39070: Unable to open the log.\n")
    bad = Run(airflow, "example_wait_for_data_pump_job", "d2", {"job": "BAD"})
    assert bad.ended() == "failed"
    assert bad.tasks()["ended"]["try_number"] == 1
    assert "BAD.log at site1 reports fatal" in bad.log("ended") and "Next: " in bad.log("ended")
