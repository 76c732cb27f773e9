"""Jobs of the server and reports, by a command or by a person: run once, in numbered attempts, and confirmed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred
from tests.unit.operators.fakes import FakeLock, FakeStep, replace_question

from infomart_dr.errors import GuardError, TransientError
from infomart_dr.hooks import remote_job
from infomart_dr.hooks.remote_job import JobStatus
from infomart_dr.operators import human
from infomart_dr.operators.base import StepOperator
from infomart_dr.operators.dump_set import TransferDumpSet, VerifyDumpSet, WriteManifest
from infomart_dr.operators.etl_jobs import (
    BringReportsIntoService,
    RunEtlJob,
    RunMaintenanceJob,
    RunMigrationJob,
)
from infomart_dr.topology import Jobs, Reports
from infomart_dr.triggers import remote_job as trigger_module


class Asked(Exception):
    """A person is asked; the task is parked."""


class Attempts:
    """Jobs on the server's host, by their ids."""

    def __init__(self) -> None:
        self.states: dict[str, JobStatus] = {}
        self.submitted: list[tuple[str, list[str]]] = []
        #: How the next attempt that is submitted ends.
        self.ends = JobStatus("ended", exit_code=0)
        self.output = "Job_MaintainGIM JOB-7 finished\n"

    def job(self, host: Any, job_id: str) -> Any:
        def status() -> JobStatus:
            return self.states.get(job_id, JobStatus("absent"))

        return SimpleNamespace(
            job_id=job_id,
            status=status,
            status_after_start=status,
            submit=lambda words: self._submit(job_id, words),
            log=lambda offset: (self.output[offset:], len(self.output)),
        )

    def _submit(self, job_id: str, words: list[str]) -> None:
        assert job_id not in self.states, "one that was there already is not submitted again"
        self.submitted.append((job_id, words))
        self.states[job_id] = self.ends


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    found = Attempts()
    monkeypatch.setattr(remote_job, "RemoteJob", found.job)
    return found


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Any:
    found: Any = FakeStep(point_of_no_return="1000")
    found.sites = {"source": "site1", "target": "site2"}
    found.rows = {}
    found.dba = lambda role: SimpleNamespace(select=lambda name, **binds: found.rows.get(name, []))
    found.topology.info_mart = SimpleNamespace(
        release="8.1.4", partitioned=True, jobs=Jobs(backend="command", command=["run-job", "-v", "--name={job}"])
    )
    found.topology.timeouts.connect = found.topology.timeouts.command = 5
    host = SimpleNamespace(label="gim2", ssh_connection="ssh_gim2", work_folder=".infomart_dr")
    found.host = lambda role, kind: host if (role, kind) == ("target", "gim") else None
    monkeypatch.setattr(human.Step, "from_context", lambda context: found)

    def ask(self: Any, context: Any) -> None:
        raise Asked(self.body)

    monkeypatch.setattr(HITLOperator, "execute", ask)
    replace_question(monkeypatch, "log_size", lambda step, role: 4711)
    monkeypatch.setattr(StepOperator, "settled", lambda self, step: self.verify(step))
    return found


def maintain() -> RunMaintenanceJob:
    return RunMaintenanceJob(task_id="run_maintenance_job", role="target")


def migrate() -> RunMigrationJob:
    return RunMigrationJob(task_id="run_migration_job", role="target")


def answer(option: str = "Done") -> dict[str, Any]:
    return {
        "chosen_options": [option],
        "params_input": {},
        "responded_at": datetime(2026, 11, 25, tzinfo=UTC),
        "responded_by_user": {"id": "ben", "name": "ben"},
    }


# -- by the site's own command ---------------------------------------------------------------------


def test_the_command_gets_the_jobs_name_and_its_success_is_recorded(step: Any, attempts: Attempts) -> None:
    result = maintain().execute({})
    assert attempts.submitted == [("0a1b2c3d-job-maintaingim-1", ["run-job", "-v", "--name=Job_MaintainGIM"])]
    assert "its command ended with 0" in step.ledger["job:Job_MaintainGIM"]
    assert "Job_MaintainGIM has succeeded" in result["summary"]


def test_a_job_whose_success_is_recorded_is_not_run_again(step: Any, attempts: Attempts) -> None:
    maintain().execute({})
    maintain().execute({})
    assert len(attempts.submitted) == 1


def test_a_job_that_failed_shows_what_it_printed_and_the_next_try_is_another_attempt(
    step: Any, attempts: Attempts
) -> None:
    attempts.ends, attempts.output = JobStatus("ended", exit_code=3), "ORA-01653: unable to extend table\n"
    with pytest.raises(GuardError, match=r"(?s)ended with 3.*ORA-01653") as caught:
        maintain().execute({})
    assert "GIM Manager" in caught.value.next_step and "job:Job_MaintainGIM" not in step.ledger
    attempts.ends = JobStatus("ended", exit_code=0)
    maintain().execute({})
    assert [job_id for job_id, _ in attempts.submitted] == [f"0a1b2c3d-job-maintaingim-{n}" for n in (1, 2)]


def test_an_attempt_that_runs_is_waited_for_and_no_second_one_begun(step: Any, attempts: Attempts) -> None:
    attempts.states["0a1b2c3d-job-maintaingim-1"] = JobStatus("running", pid=7)
    with pytest.raises(TaskDeferred) as caught:
        maintain().execute({})
    assert caught.value.trigger.job_id == "0a1b2c3d-job-maintaingim-1"  # type: ignore[attr-defined]
    assert attempts.submitted == []
    attempts.states["0a1b2c3d-job-maintaingim-1"] = JobStatus("ended", exit_code=0)
    event = {"state": "ended", "job_id": "0a1b2c3d-job-maintaingim-1", "exit_code": 0}
    maintain().resume({}, event)
    assert "ended with 0" in step.ledger["job:Job_MaintainGIM"]


def test_a_job_that_succeeded_while_airflow_was_away_is_not_run_again(step: Any, attempts: Attempts) -> None:
    attempts.states["0a1b2c3d-job-maintaingim-1"] = JobStatus("ended", exit_code=0)
    maintain().execute({})
    assert attempts.submitted == [] and "ended with 0" in step.ledger["job:Job_MaintainGIM"]


def test_a_job_that_failed_while_airflow_was_away_is_run_again(step: Any, attempts: Attempts) -> None:
    attempts.states["0a1b2c3d-job-maintaingim-1"] = JobStatus("ended", exit_code=3)
    maintain().execute({})
    assert [job_id for job_id, _ in attempts.submitted] == ["0a1b2c3d-job-maintaingim-2"]


def test_a_job_whose_end_nobody_knows_is_tried_again_by_the_retry(step: Any, attempts: Attempts) -> None:
    attempts.ends = JobStatus("vanished")
    with pytest.raises(TransientError, match="vanished"):
        maintain().execute({})
    assert "job:Job_MaintainGIM" not in step.ledger


def test_a_job_that_takes_too_long_stops_the_run_and_goes_on_itself(
    step: Any, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    step.topology.info_mart.jobs = Jobs(backend="command", command=["{job}"], timeout=10)
    attempts.ends = JobStatus("running", pid=7)
    with pytest.raises(TaskDeferred) as caught:
        maintain().execute({})
    trigger: Any = caught.value.trigger
    again = trigger_module.RemoteJobTrigger(**trigger.serialize()[1])
    assert 0 < again.deadline - time.time() <= 10
    again.deadline = time.time() - 1
    monkeypatch.setattr(trigger_module, "RemoteJob", attempts.job)

    async def first() -> Any:
        host: Any = None
        return await again._wait(host)

    with pytest.raises(GuardError, match=r"has not ended within 10 s") as late:
        maintain().resume({}, asyncio.run(first()))
    assert "continue waiting" in late.value.next_step
    with pytest.raises(TaskDeferred):
        maintain().execute({})
    assert len(attempts.submitted) == 1


def test_a_job_runs_only_under_the_lock(step: Any, attempts: Attempts) -> None:
    step.lock = FakeLock()
    with pytest.raises(GuardError, match="lock"):
        maintain().execute({})
    with pytest.raises(GuardError, match="lock"):
        RunEtlJob(task_id="run", etl_job="Job_MaintainGIM", role="target").execute({})
    assert attempts.submitted == []


# -- by a person -----------------------------------------------------------------------------------


def test_a_person_is_told_which_job_of_which_application_and_what_not_possible_means(step: Any) -> None:
    step.topology.info_mart.jobs = Jobs()
    with pytest.raises(Asked) as caught:
        maintain().execute({})
    shown = str(caught.value)
    assert "**Job_MaintainGIM** of the application `GIM`" in shown and "site2" in shown and "*Not possible*" in shown


def test_a_persons_word_is_recorded_and_a_retry_asks_nobody(step: Any) -> None:
    step.topology.info_mart.jobs = Jobs()
    result = maintain().execute_complete({}, answer())
    assert "a person confirmed it" in step.ledger["job:Job_MaintainGIM"] and "has succeeded" in result["summary"]
    assert "has succeeded" in maintain().execute({})["summary"]


def test_a_job_that_is_not_possible_stops_the_run_and_is_asked_for_again(step: Any) -> None:
    step.topology.info_mart.jobs = Jobs()
    with pytest.raises(GuardError, match="not possible"):
        maintain().execute_complete({}, answer("Not possible"))
    assert "job:Job_MaintainGIM" not in step.ledger
    with pytest.raises(Asked):
        maintain().execute({})


# -- migration -------------------------------------------------------------------------------------


def test_after_the_migration_the_log_counts_from_there_on(step: Any, attempts: Attempts) -> None:
    step.ledger.update(migration_state="yes", server_log_begin="100")
    migrate().execute({})
    assert step.ledger["server_log_begin"] == "4711"


def test_a_migration_step_that_is_cleared_later_does_not_hide_what_the_log_has_said_since(
    step: Any, attempts: Attempts, monkeypatch: pytest.MonkeyPatch
) -> None:
    step.ledger.update(migration_state="yes", server_log_begin="100")
    migrate().execute({})
    replace_question(monkeypatch, "log_size", lambda step, role: 9999)
    migrate().execute({})
    assert step.ledger["server_log_begin"] == "4711"


def test_a_migration_that_failed_leaves_the_alarm_to_be_seen(step: Any, attempts: Attempts) -> None:
    step.ledger.update(migration_state="yes", server_log_begin="100")
    attempts.ends = JobStatus("ended", exit_code=3)
    with pytest.raises(GuardError):
        migrate().execute({})
    assert step.ledger["server_log_begin"] == "100"


def test_without_partitions_there_is_nothing_to_maintain(step: Any) -> None:
    step.topology.info_mart.partitioned = False
    with pytest.raises(AirflowSkipException, match="not partitioned"):
        maintain().execute({})


def test_partitions_in_the_dictionary_count_although_the_topology_does_not_name_them(
    step: Any, attempts: Attempts
) -> None:
    step.topology.info_mart.partitioned = False
    step.rows["partition_ends"] = [{"table_name": "GIDB_G_CALL_V", "high_value": "1796000000"}]
    assert "has succeeded" in maintain().execute({})["summary"]


def test_the_migration_job_is_skipped_without_the_migration_state(step: Any) -> None:
    step.ledger["migration_state"] = "no"
    with pytest.raises(AirflowSkipException, match="no message of the migration state"):
        migrate().execute({})


# -- reports ---------------------------------------------------------------------------------------


class Gi2:
    """The host of the reports, and its command."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.in_service, self.works = False, True
        self.commands: list[str] = []

        @contextmanager
        def host(step: Any, name: str) -> Iterator[Any]:
            assert name == "rep2"
            yield self

        monkeypatch.setattr(BringReportsIntoService, "_host", staticmethod(host))

    def run(self, argv: list[str], check: bool) -> Any:
        self.commands.append(" ".join(argv))
        if argv[1] == "start":
            self.in_service = self.works
            return SimpleNamespace(exit_code=0 if self.works else 4, stdout="", stderr="the licence has expired")
        return SimpleNamespace(exit_code=0 if self.in_service else 3, stdout="", stderr="")


@pytest.fixture
def gi2(step: Any, monkeypatch: pytest.MonkeyPatch) -> Gi2:
    reports = Reports(
        backend="command", host="rep2", start=["gi2", "start", "{site}"], check=["gi2", "status", "--site={site}"]
    )
    site = SimpleNamespace(reports=reports, database=SimpleNamespace(service="GIM2"))
    step.site = lambda role: site
    return Gi2(monkeypatch)


def bring() -> BringReportsIntoService:
    return BringReportsIntoService(task_id="bring_reports_into_service", role="target")


def test_reports_are_brought_into_service_and_it_is_checked(step: Any, gi2: Gi2) -> None:
    assert bring().execute({})["summary"] == "GI2 at site2 is in service"
    assert gi2.commands == ["gi2 status --site=site2", "gi2 start site2", "gi2 status --site=site2"]


def test_reports_that_are_in_service_are_left_alone(step: Any, gi2: Gi2) -> None:
    gi2.in_service = True
    bring().execute({})
    assert gi2.commands == ["gi2 status --site=site2"]


def test_reports_that_do_not_start_stop_the_run_with_what_the_command_said(step: Any, gi2: Gi2) -> None:
    gi2.works = False
    with pytest.raises(GuardError, match=r"GI2 did not start: the command ended with 4: the licence has expired"):
        bring().execute({})


def test_a_start_that_only_says_that_it_worked_is_not_believed(
    step: Any, gi2: Gi2, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        gi2,
        "run",
        lambda argv, check: SimpleNamespace(exit_code=0 if argv[1] == "start" else 3, stdout="done", stderr=""),
    )
    with pytest.raises(GuardError, match="acted, but GI2 at site2 is not in service"):
        bring().execute({})


def test_a_person_gets_the_database_that_the_reports_must_read(step: Any, gi2: Gi2) -> None:
    step.site("target").reports = Reports(product="GCXI")
    with pytest.raises(Asked) as caught:
        bring().execute({})
    shown = str(caught.value)
    assert "**GCXI** at site2" in shown and "service `GIM2`" in shown and "schema `GIM`" in shown
    assert "cannot be checked" in bring().execute_complete({}, answer())["summary"]
    assert gi2.commands == []


def test_a_site_without_reports_is_skipped(step: Any, gi2: Gi2) -> None:
    step.site("target").reports = None
    with pytest.raises(AirflowSkipException, match="no reports at site2"):
        bring().execute({})


@pytest.mark.parametrize("code", [129, 137, 143])
@pytest.mark.parametrize("kind", [WriteManifest, VerifyDumpSet, TransferDumpSet, RunMigrationJob, RunMaintenanceJob])
def test_a_program_that_a_signal_ended_is_retried_by_every_step(kind: Any, code: int, step: Any) -> None:
    event = {"state": "ended", "job_id": "plan-job-1", "exit_code": code, "seconds": 1.0, "reason": ""}
    with pytest.raises(TransientError, match=f"signal {code - 128}"):
        kind(task_id="x").collect(step, event)
