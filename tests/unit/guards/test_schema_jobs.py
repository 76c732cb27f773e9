"""Jobs of the Info Mart's owner: held at a site that does not serve, and remembered there."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import FakeLedger, StepOf

from infomart_dr.errors import TransientError
from infomart_dr.guards import schema_jobs
from infomart_dr.guards.schema_jobs import hold, release, to_release

NOW = datetime(2026, 12, 1, 2, 0)


class Site:
    """One site's jobs, and its own ledger."""

    def __init__(self) -> None:
        self.scheduler = {"REPORT": ("TRUE", "SCHEDULED"), "OLD": ("FALSE", "DISABLED")}
        self.dbms = {41: ("N", datetime(2026, 12, 1, 3, 0), None)}
        self.ledger = FakeLedger()
        self.ledger.ensure_table = lambda: None  # type: ignore[attr-defined]
        self.done: list[str] = []
        self.runs = False

    def select(self, name: str, owner: str) -> list[dict[str, Any]]:
        if name == "scheduler_jobs_of":
            return [
                {"job_name": job, "enabled": enabled, "state": state}
                for job, (enabled, state) in self.scheduler.items()
            ]
        return [
            {"job": job, "broken": broken, "next_date": following, "this_date": this, "time_there": NOW}
            for job, (broken, following, this) in self.dbms.items()
        ]

    def execute(self, name: str, **binds: Any) -> None:
        self.done.append(name)
        if name in ("disable_job", "enable_job"):
            job = binds["job"].partition(".")[2]
            if self.runs:
                raise _Oracle("ORA-27478")
            self.scheduler[job] = ("TRUE", "SCHEDULED") if name == "enable_job" else ("FALSE", "DISABLED")
        elif name == "dbms_job_break":
            self.dbms[binds["job_number"]] = ("Y", datetime(4000, 1, 1), None)
        else:
            self.dbms[binds["job_number"]] = ("N", binds["next_run"], None)


class _Oracle(Exception):
    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    found = Site()
    monkeypatch.setattr(schema_jobs, "_memory", lambda step, role: found.ledger)
    monkeypatch.setattr(schema_jobs, "table_exists", lambda *words: True)
    return found


@pytest.fixture
def step(site: Site) -> Any:
    goldengate = SimpleNamespace(schema_name="GGATE")
    return StepOf(
        schema="GIM",
        dba=lambda role: SimpleNamespace(select=site.select),
        info_mart=lambda role: SimpleNamespace(execute=site.execute),
        site=lambda role: SimpleNamespace(goldengate=goldengate),
    )


def test_enabled_jobs_are_disabled_and_remembered_and_others_are_left(site: Site, step: Any) -> None:
    assert hold(step, "target") == ["REPORT", "DBMS_JOB 41"]
    assert site.scheduler["REPORT"][0] == "FALSE" and site.dbms[41][0] == "Y"
    assert len(site.ledger) == 2
    assert hold(step, "target") == []


def test_held_jobs_are_enabled_at_their_time_of_day_and_forgotten(site: Site, step: Any) -> None:
    hold(step, "target")
    assert [job.name for job in to_release(step, "target", set())] == ["REPORT", "DBMS_JOB 41"]
    assert release(step, "target", set()) == ["REPORT", "DBMS_JOB 41"]
    assert site.scheduler["REPORT"][0] == "TRUE" and site.scheduler["OLD"][0] == "FALSE"
    assert site.dbms[41] == ("N", datetime(2026, 12, 1, 3, 0), None)
    assert site.ledger == {}
    assert release(step, "target", set()) == []


def test_a_job_that_is_held_at_the_other_site_runs_here_from_now_on(site: Site, step: Any) -> None:
    assert release(step, "target", {"OLD"}) == ["OLD"]


def test_a_job_that_runs_is_waited_for_and_stays_remembered(site: Site, step: Any) -> None:
    site.runs = True
    with pytest.raises(TransientError, match="REPORT runs now"):
        hold(step, "target")
    assert len(site.ledger) == 1, "recorded before it is disabled"
