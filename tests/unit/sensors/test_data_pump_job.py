"""A Data Pump job no longer runs, and its log reports success."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from infomart_dr.errors import GuardError, PermanentError
from infomart_dr.guards.data_pump_job import job_ended
from infomart_dr.hooks.data_pump import JobState
from infomart_dr.plan.step import Observation
from infomart_dr.sensors.data_pump_job import DataPumpJobSensor

GOOD = (
    'Starting "SYSTEM"."NIGHTLY":  system/******** schemas=gim\n'
    '. . exported "GIM"."CALLS"                              12.34 KB     120 rows\n'
    'Job "SYSTEM"."NIGHTLY" successfully completed at Tue Nov 3 17:02:11 2026 elapsed 0 00:12:44\n'
)
BAD = "ORA-39002: invalid operation\nORA-39070: Unable to open the log file.\n"
RERUN = (
    'Starting "SYSTEM"."NIGHTLY":  system/********\n'
    'ORA-31684: Object type USER:"GIM" already exists\n'
    'Job "SYSTEM"."NIGHTLY" completed with 1 error(s) at Tue Nov 3 17:02:11 2026 elapsed 0 00:12:44\n'
)


class World:
    """A site with a job, and logs in its directory."""

    def __init__(self) -> None:
        self.state: str | None = "EXECUTING"
        self.logs: dict[str, str] = {}
        self.directory = [{"directory_path": "/dump/"}]
        self.asked: list[tuple[str, str | None]] = []
        pump = SimpleNamespace(directory="GIM_DUMP")
        self.topology = SimpleNamespace(active_site="site1")
        self._site = SimpleNamespace(database=SimpleNamespace(data_pump=pump))

    def site(self, name: str) -> Any:
        return self._site

    def data_pump(self, site: str) -> Any:
        def job(name: str, owner: str | None) -> JobState | None:
            self.asked.append((name, owner))
            return JobState("SYSTEM", name, "EXPORT", self.state, 1) if self.state else None

        return SimpleNamespace(job=job)

    def dba(self, site: str) -> Any:
        return SimpleNamespace(select=lambda name, directory: self.directory)

    def host(self, site: str) -> Any:
        return SimpleNamespace(exists=self.logs.__contains__, read_file=lambda path, limit: self.logs[path])

    def ask(self, job: str = "nightly", **more: Any) -> Observation:
        return job_ended(self, "", job, **more)  # type: ignore[arg-type]


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("state", ["DEFINING", "EXECUTING", "COMPLETING", "IDLING", "STOPPING", "STOP PENDING"])
def test_a_job_that_runs_or_is_about_to_is_waited_for(world: World, state: str) -> None:
    world.state = state
    for check in (False, True):
        seen = world.ask(check_log=check)
        assert (seen.satisfied, seen.summary) == (False, f"the Data Pump job SYSTEM.NIGHTLY at site1 is {state}")
    assert world.asked[0] == ("NIGHTLY", None)


def test_a_job_that_is_gone_has_ended(world: World) -> None:
    world.state = None
    seen = world.ask(owner="anna", check_log=False)
    assert seen.satisfied and "it has ended, or it never started" in seen.summary
    assert world.asked == [("NIGHTLY", "ANNA")]


def test_a_stopped_job_does_not_run_and_says_so(world: World) -> None:
    world.state = "NOT RUNNING"
    seen = world.ask(check_log=False)
    assert seen.satisfied and seen.summary.endswith("is NOT RUNNING: somebody stopped it, START_JOB resumes it")
    world.logs["/dump/NIGHTLY.log"] = GOOD
    with pytest.raises(GuardError, match="NOT RUNNING"):
        world.ask(check_log=True)


def test_the_log_says_success(world: World) -> None:
    world.state = None
    world.logs["/dump/NIGHTLY.log"] = GOOD
    seen = world.ask(check_log=True)
    assert (
        seen.summary == "the Data Pump job NIGHTLY at site1 has ended: NIGHTLY.log at site1 reports success, 120 rows"
    )
    assert seen.details == {
        "site": "site1",
        "job": "NIGHTLY",
        "state": None,
        "outcome": "success",
        "rows": 120,
        "errors": 0,
        "seconds": 764,
    }
    world.logs["/dump/mine.txt"] = RERUN
    assert world.ask(check_log=True, log_file="mine.txt", operation="import").satisfied, "what was there already"


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            BAD,
            r"fatal, 0 rows, 1 error\(s\), the first: ORA-39002: invalid operation.*\nNext: Check the directory",
        ),
        ("", "reports unfinished, 0 rows.\nNext: The log has no end"),
        (GOOD[:60], "reports unfinished"),
        (RERUN.replace("USER", "TABLE"), "reports completed with errors, .*ORA-31684"),
    ],
)
def test_a_log_that_does_not_say_success_is_final(world: World, log: str, words: str) -> None:
    world.state = None
    world.logs["/dump/NIGHTLY.log"] = log
    with pytest.raises(GuardError, match=words):
        world.ask(check_log=True)


def test_a_missing_log_or_directory_is_final_with_what_to_do(world: World) -> None:
    world.state = None
    with pytest.raises(GuardError, match=r"There is no log /dump/NIGHTLY\.log at site1\.\nNext: Give log_file"):
        world.ask(check_log=True)
    world.directory = []
    with pytest.raises(GuardError, match=r"Directory GIM_DUMP is missing in the database of site1\."):
        world.ask(check_log=True)


@pytest.mark.parametrize(
    "wrong", [{"job": "a;b"}, {"owner": "a b"}, {"check_log": True, "log_file": "../secret"}, {"job": ""}]
)
def test_names_that_are_no_plain_names_are_refused(world: World, wrong: dict[str, Any]) -> None:
    world.state = None
    with pytest.raises(PermanentError, match=r"not an Oracle name|not a plain file name"):
        world.ask(**({"job": "NIGHTLY"} | wrong))


def test_a_job_that_never_began_is_no_success_unless_the_log_is_not_asked(world: World) -> None:
    world.state = None
    with pytest.raises(GuardError, match="There is no log"):
        world.ask()
    assert DataPumpJobSensor(task_id="t", job="J").arguments({})["check_log"] is True  # type: ignore[arg-type]


def test_the_arguments_are_plain() -> None:
    sensor = DataPumpJobSensor(task_id="t", job="J", site="site1", job_owner="anna", check_log=True, operation="import")
    assert sensor.arguments({}) == {  # type: ignore[arg-type]
        "site": "site1",
        "job": "J",
        "owner": "anna",
        "check_log": True,
        "log_file": "",
        "operation": "import",
    }
    assert {"deployment", "job", "site", "job_owner", "log_file"} == set(sensor.template_fields)
    assert sensor.owner == "airflow", "the task's owner is another thing"
