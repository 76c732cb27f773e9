"""Purge jobs are observed, disabled or enabled once, and looked at again."""

from __future__ import annotations

import pytest

from infomart_dr.errors import CurableError, FinalError, GuardError
from infomart_dr.hooks.purge_jobs import JobState, PurgeJobs

NAME = "ICON_TS2.PURGE_IDB"


class CodedError(Exception):
    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Scheduler:
    """DBA_SCHEDULER_JOBS with one job."""

    def __init__(self, enabled: bool, state: str, *, stubborn: bool = False, error: str | None = None) -> None:
        self.enabled, self.state, self.stubborn, self.error = enabled, state, stubborn, error
        self.acts: list[tuple[str, str]] = []

    def select(self, name, identifiers=None, **binds):
        assert name == "scheduler_jobs"
        if f"{binds['owner']}.{binds['job_name']}" != NAME:
            return []
        return [
            {
                "owner": binds["owner"],
                "job_name": binds["job_name"],
                "enabled": str(self.enabled).upper(),
                "state": self.state,
            }
        ]

    def execute(self, name, identifiers=None, **binds):
        self.acts.append((name, binds["job"]))
        if self.error:
            raise CodedError(self.error)
        if not self.stubborn:
            self.enabled = name == "enable_job"
            self.state = "SCHEDULED" if self.enabled else "DISABLED"
        return 0


def test_a_hold_disables_once_and_gives_the_state_before():
    scheduler = Scheduler(True, "SCHEDULED")
    assert PurgeJobs(scheduler).hold(NAME) == JobState(NAME, True, "SCHEDULED")
    assert scheduler.acts == [("disable_job", NAME)]
    assert PurgeJobs(scheduler).state(NAME) == JobState(NAME, False, "DISABLED")


def test_a_second_hold_does_nothing_and_says_that_it_was_disabled_before():
    scheduler = Scheduler(False, "DISABLED")
    assert not PurgeJobs(scheduler).hold(NAME).enabled
    assert scheduler.acts == []


@pytest.mark.parametrize("enabled", [True, False])
def test_a_purge_that_runs_is_waited_for(enabled):
    scheduler = Scheduler(enabled, "RUNNING")
    with pytest.raises(CurableError, match="runs now"):
        PurgeJobs(scheduler).hold(NAME)
    assert scheduler.acts == []


def test_a_purge_that_begins_in_between_is_waited_for():
    with pytest.raises(CurableError, match="began to run"):
        PurgeJobs(Scheduler(True, "SCHEDULED", error="ORA-27478")).hold(NAME)


def test_another_error_of_the_database_is_not_swallowed():
    with pytest.raises(CodedError, match="ORA-27486"):
        PurgeJobs(Scheduler(True, "SCHEDULED", error="ORA-27486")).hold(NAME)


def test_a_job_that_stays_enabled_stops_the_run():
    with pytest.raises(GuardError, match="still SCHEDULED"):
        PurgeJobs(Scheduler(True, "SCHEDULED", stubborn=True)).hold(NAME)


def test_a_release_enables_once_and_is_proven():
    scheduler = Scheduler(False, "DISABLED")
    assert PurgeJobs(scheduler).release(NAME).enabled
    assert PurgeJobs(scheduler).release(NAME).enabled
    assert scheduler.acts == [("enable_job", NAME)]
    with pytest.raises(GuardError, match="after it was enabled"):
        PurgeJobs(Scheduler(False, "DISABLED", stubborn=True)).release(NAME)


@pytest.mark.parametrize("name", ["ICON_TS2.OTHER", "PURGE_IDB", "icon.x", "A.B; drop"])
def test_a_job_that_is_not_there_or_not_a_name_is_named(name):
    with pytest.raises(FinalError, match="purge_jobs"):
        PurgeJobs(Scheduler(True, "SCHEDULED")).state(name)
