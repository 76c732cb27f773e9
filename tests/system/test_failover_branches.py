"""Branches of a failover: the survivor's schema is behind its server and it has no partitions, by command and by hand.

Each lab is lost after its standby was set up. The person of the test does exactly what the forms say.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infomart_lab import configuration, gi2ctl, host, lca, partitions, site_setup, supervisor
from infomart_lab.config import LabConfig
from infomart_lab.demo import judge_loss, not_there

from .conftest import change_topology, running
from .driver import Procedure, connections

pytestmark = [pytest.mark.lab, pytest.mark.slow]
DAY = 86400
SITES_OF_RUN = {"failed_site": "site1", "survivor": "site2"}
HOLD, START, LET = (
    "configure_survivor.hold_scheduler",
    "start_at_survivor.start_info_mart_server",
    "start_at_survivor.set_scheduler",
)


@contextmanager
def lost_site(home: Path, base_port: int) -> Iterator[LabConfig]:
    """A lab whose site1 is lost, and whose standby site2 needs a migration and partitions."""
    asked: dict[str, Any] = {"scenario_name": "active-standby", "partitioned": True, "scale": 300, "rate": 20.0}
    with running(home, base_port=base_port, **asked) as lab, connections(lab):
        Procedure("infomart_setup_replication", plan="setup").run()
        site_setup.behind(lab, "site2")
        assert partitions.end_at(lab, "site2") < time.time(), "a standby's partitions are its own"
        time.sleep(3)
        supervisor.request(lab, "fail", site="site1")
        yield lab


def schedule(lab: LabConfig) -> dict[str, str]:
    return configuration.read(lab)["applications"]["GIM"]["options"]["schedule"]


def history(lab: LabConfig) -> list[str]:
    """Jobs that site2's server has finished, by its log."""
    log = (lab.server_root("site2") / "logs" / "gim_etl.log").read_text()
    return [name for name in re.findall(r" 55-20100 (Job_\w+)", log) if name != "Job_AggregateGIM"]


def watched(lab: LabConfig, seen: dict[str, str]) -> Callable[[str], None]:
    """Records run-scheduler before each step."""
    return lambda task_id: seen.update({task_id: schedule(lab)["run-scheduler"]})


def the_scheduler_was_held(seen: dict[str, str]) -> None:
    """From before the start until both jobs have succeeded."""
    tasks = list(seen)
    held = tasks[tasks.index(HOLD) + 1 : tasks.index(LET) + 1]
    assert {START, "start_at_survivor.run_migration_job", "start_at_survivor.run_maintenance_job"} < set(held)
    assert {seen[task_id] for task_id in held} == {"false"}
    assert {seen[task_id] for task_id in tasks[tasks.index(LET) + 1 :]} == {"true"}


def the_survivor_loads_calls_again(lab: LabConfig, run: Procedure) -> None:
    """Both jobs before the first extraction, nothing doubled, and no more lost than estimated."""
    served_at = run.results[START]["served_at"]
    jobs = history(lab)
    assert jobs[:2] == ["Job_MigrateGIM", "Job_MaintainGIM"], jobs
    assert {"Job_ExtractICON", "Job_TransformGIM"} <= set(jobs[2:])
    assert partitions.end_at(lab, "site2") > time.time() + 13 * DAY
    assert schedule(lab) | {"run-scheduler": "true", "run-aggregates": "true"} == schedule(lab)
    assert gi2ctl.in_service(lab) == ["site2"]
    audit = judge_loss(lab, ("site2",))["site2"]
    assert (audit.duplicated, audit.extra) == (0, 0), audit
    marks = [mark for mark in audit.high_water_marks.values() if mark]
    assert max(marks) > served_at
    lost = not_there(audit)
    print(f"{audit.calls_written} calls, {lost} lost")
    for task in ("gather_evidence.estimate_loss", "drain_standby.estimate_loss_again", "report_loss"):
        told = run.results[task]
        assert told["lost_low"] <= lost <= told["lost_high"], (task, told["report"], audit)


@pytest.mark.timeout(400)
def test_a_survivor_behind_its_server_is_migrated_and_partitioned_before_it_loads(
    tmp_path: Path, base_port: int
) -> None:
    with lost_site(tmp_path / "lab", base_port) as lab:
        seen: dict[str, str] = {}
        run = Procedure("infomart_failover", plan="lost", params=SITES_OF_RUN, before=watched(lab, seen))
        run.run()
        assert run.results["start_at_survivor.check_migration_state"]["migration"] is True
        for job in ("migration", "maintenance"):
            assert "its command ended with 0" in run.results[f"start_at_survivor.run_{job}_job"]["summary"]
        assert list(run.shown) == ["confirm_site_failure"], "nobody is asked where a command does it"
        the_scheduler_was_held(seen)
        the_survivor_loads_calls_again(lab, run)


# -- by hand ---------------------------------------------------------------------------------------


class Person:
    """Follows the instructions exactly."""

    def __init__(self, lab: LabConfig) -> None:
        self.lab = lab
        self.run: Procedure | None = None
        self.did: list[str] = []

    def __call__(self, task_id: str) -> None:
        assert self.run is not None
        text = self.run.shown[task_id]
        self.did.append(task_id)
        if "Application object" in text:
            self._configure(text)
        elif job := re.search(r"Start \*\*(\w+)\*\* of the application `GIM`", text):
            self._command("gimjob", job[1])
        elif "Bring **GI2** at site2 into service" in text:
            assert "service `GIM2`" in text and "schema `GIM`" in text
            self._command("gi2ctl", "start", "site2")

    def _command(self, *words: str) -> None:
        done = subprocess.run(
            [str(self.lab.bin_dir("site2", "gim") / words[0]), *words[1:]],
            env=host.environment(self.lab, "site2", "gim"),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr

    def _configure(self, text: str) -> None:
        """Follow the numbered steps with the values on their own lines."""
        configuration.update(self.lab, lambda document: self._change(document["applications"], text))

    @staticmethod
    def _change(applications: dict[str, Any], text: str) -> None:
        found: dict[str, Any] = {}
        for step in re.split(r"(?m)^\d+\. ", text)[1:]:
            value = re.search(r"```\n\s*(.*?)\n\s*```", step)
            what = value[1] if value else ""
            if step.startswith("Open "):
                found = applications[what]
            elif "set **Host**" in step:
                found["host"] = what
            elif "set **Command Line**" in step:
                found["commandLine"] = what
            elif "remove the connection" in step:
                found["connections"] = [name for name in found["connections"] if name != what]
            elif "add the connection" in step:
                found["connections"] = list(dict.fromkeys([*found["connections"], what]))
            elif option := re.search(r"section \*\*\[(.*?)\]\*\*: set \*\*(.*?)\*\*", step):
                found["options"][option[1]][option[2]] = what
            elif "**State Enabled**" in step:
                found["state"] = configuration.DISABLED if "clear" in step else configuration.ENABLED
            else:
                assert step.startswith("Save the object"), step


def by_hand(document: dict[str, Any]) -> None:
    """Jobs, reports and Application objects at the survivor are a person's."""
    document["info_mart"]["jobs"] = {"backend": "human"}
    document["sites"]["site2"]["reports"] = {"product": "GI2", "backend": "human"}
    document["sites"]["site2"]["configuration"] = {"backend": "manual"}


#: Tasks of a person, in the order of a run that does one step after the other.
BY_HAND = {
    "confirm_site_failure": "Endpoints of the lost site",
    "configure_survivor.drop_failed_sources": "DAP_GIM_site2",
    HOLD: "set **run-scheduler** to",
    "configure_survivor.disable_aggregation": "set **run-aggregates** to",
    "start_at_survivor.run_migration_job": "Start **Job_MigrateGIM** of the application `GIM`",
    "start_at_survivor.run_maintenance_job": "Start **Job_MaintainGIM** of the application `GIM`",
    LET: "set **run-scheduler** to",
    "bring_reports_into_service": "Bring **GI2** at site2 into service",
    "re_aggregate.enable_aggregation": "set **run-aggregates** to",
}


@pytest.mark.timeout(400)
def test_a_person_does_what_no_program_may_with_what_the_steps_show_alone(tmp_path: Path, base_port: int) -> None:
    with lost_site(tmp_path / "lab", base_port) as lab:
        change_topology(by_hand)
        person, seen = Person(lab), dict[str, str]()
        before = configuration.read(lab)["applications"]
        run = Procedure(
            "infomart_failover", plan="by-hand", params=SITES_OF_RUN, before=watched(lab, seen), person=person
        )
        person.run = run
        run.run()
        for task_id, words in BY_HAND.items():
            assert words in run.shown[task_id]
        assert sorted(person.did) == sorted(BY_HAND), "each is asked for once, and nothing else"
        the_objects_are_those_of_the_survivor(lab, before)
        for job in ("migration", "maintenance"):
            assert "a person confirmed it" in run.results[f"start_at_survivor.run_{job}_job"]["summary"]
        the_scheduler_was_held(seen)
        assert lca.status(lab, "site2") == "Running"
        the_survivor_loads_calls_again(lab, run)


def the_objects_are_those_of_the_survivor(lab: LabConfig, before: dict[str, Any]) -> None:
    """The person's changes are those that GAX would have got; no other object has changed."""
    after = configuration.read(lab)["applications"]
    lost = {"DAP_TS1_site1", "DAP_TS2_site1", "ICON_TS1_site1", "ICON_TS1_site2"}
    assert {name for name, found in after.items() if found != before[name]} == {*lost, "GIM"}
    assert {name for name, found in after.items() if found["state"] == configuration.DISABLED} == lost
    assert (after["GIM"]["host"], "site2-cfg" in after["GIM"]["commandLine"]) == ("site2-gim", True)
    assert set(before["GIM"]["connections"]) - set(after["GIM"]["connections"]) == {"DAP_GIM_site1"}
    assert set(after["GIM"]["connections"]) - set(before["GIM"]["connections"]) == {"DAP_GIM_site2"}
