"""A Data Pump step: attached to, tried again under a new number, never judged by an earlier log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from tests.unit.operators.fakes import FakeStep, replace_question

from infomart_dr.errors import GuardError, TransientError, UnreachableError
from infomart_dr.guards import dump_set as dump_set_guard
from infomart_dr.hooks import remote_job
from infomart_dr.hooks.data_pump import JobState, job_name
from infomart_dr.hooks.remote_job import JobStatus
from infomart_dr.operators import dump_set, jobs
from infomart_dr.operators.dump_set import CheckExportSpace, RecreateMissingIndexes, RunExpdp, RunImpdp
from infomart_dr.readiness.context import CheckContext
from infomart_dr.readiness.report import Planned, examine
from infomart_dr.readiness.room import DIRECTORY, UNDO, UNDO_SPACE

SUCCESS = 'Job "SYSTEM"."GIM" successfully completed at Tue Nov 3 17:02:11 2026 elapsed 0 00:12:44\n'
FATAL = 'ORA-39171: full\nJob "SYSTEM"."GIM" stopped due to fatal error at Tue Nov 3 17:02:11 2026 elapsed 0 00:01:00\n'
NAME = job_name("GIM_EXP", "plan-1")
LOG = f"/dp/{NAME}.log"


class World:
    """One host with jobs and files, one database with Data Pump jobs."""

    def __init__(self) -> None:
        self.attempts: dict[str, JobStatus] = {}
        self.files: dict[str, str] = {}
        self.jobs: dict[str, str] = {}
        self.submitted: list[tuple[str, list[str]]] = []
        self.container_faults: list[str] = []
        #: What was read while the server stood still for the export.
        self.noted: list[str] = []

    def step(self, **facts: str) -> Any:
        step: Any = FakeStep(**facts)
        host = SimpleNamespace(
            label="db2",
            ssh_connection="ssh_db2",
            work_folder=".infomart_dr",
            exists=lambda path: path in self.files,
            read_file=lambda path, limit: self.files[path],
            write_file=lambda path, text: self.files.__setitem__(path, text),
            work_path=lambda *parts: "/work/" + "/".join(parts),
            run=self._move,
        )
        step.host = lambda role, kind="db": host
        pump = SimpleNamespace(
            job=self._job,
            environment={},
            command=lambda program, file: [program, file],
            attach_command=lambda program, name: [program, "attach", name],
            continue_input=lambda start: "START_JOB" if start else "",
            password_input=lambda: "",
        )
        step.data_pump = lambda role: pump
        vars(step.topology.timeouts).update(poll=1.0, connect=1.0, command=1.0)
        step.site = lambda role: SimpleNamespace(database=SimpleNamespace(data_pump=SimpleNamespace(file_prefix="gim")))
        return step

    def _move(self, argv: list[str]) -> None:
        assert argv[:3] == ["mv", "-f", "--"]
        self.files[argv[4]] = self.files.pop(argv[3])

    def _job(self, name: str) -> JobState | None:
        return JobState("SYSTEM", name, "EXPORT", self.jobs[name], 0) if name in self.jobs else None


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()

    class Job:
        def __init__(self, host: Any, job_id: str) -> None:
            self.job_id = job_id

        def status(self) -> JobStatus:
            return world.attempts.get(self.job_id, JobStatus("absent"))

        status_after_start = status

        def log(self, offset: int) -> tuple[str, int]:
            return ("ORA-01017: refused\n", 1) if offset == 0 else ("", offset)

        def submit(self, program: list[str], **_: Any) -> None:
            world.submitted.append((self.job_id, program))
            world.attempts[self.job_id] = JobStatus("running")

    monkeypatch.setattr(remote_job, "RemoteJob", Job)
    replace_question(monkeypatch, "directory_path", lambda step, role: "/dp")
    replace_question(monkeypatch, "container_faults", lambda step, role: iter(world.container_faults))
    replace_question(monkeypatch, "exported_dictionary", lambda step: world.noted.append("dictionary"))
    replace_question(monkeypatch, "unusable_indexes", lambda step, role: [])
    monkeypatch.setattr(RunExpdp, "parameters", lambda self, step: "SCHEMAS=GIM")
    return world


def run(step: Any) -> None:
    with pytest.raises(TaskDeferred):
        RunExpdp(task_id="run_expdp")._run(step)


def collect(step: Any, state: str = "ended", exit_code: int | None = 1) -> None:
    event = {"state": state, "exit_code": exit_code, "job_id": "0a1b2c3d-expdp-1", "reason": ""}
    RunExpdp(task_id="run_expdp").collect(step, event)


def ended(code: int = 1) -> JobStatus:
    return JobStatus("ended", exit_code=code)


def test_a_retry_waits_for_the_client_that_runs_before_its_job_has_a_row(world: World) -> None:
    run(world.step())
    run(world.step())
    assert [job_id for job_id, _ in world.submitted] == ["0a1b2c3d-expdp-1"]


def test_a_client_that_was_prepared_and_never_started_is_started_by_the_retry_under_its_number(world: World) -> None:
    world.attempts["0a1b2c3d-expdp-1"] = JobStatus("starting")
    run(world.step())
    assert [job_id for job_id, _ in world.submitted] == ["0a1b2c3d-expdp-1"]


@pytest.mark.parametrize(
    ("log", "said"),
    [(SUCCESS, ""), ("ORA-39171: Job is experiencing a resumable wait.\n", "is vanished"), (None, "is vanished")],
)
def test_a_job_that_ends_between_observation_and_act_is_judged_and_never_started_again(
    world: World, log: str | None, said: str
) -> None:
    """Its client was killed, the job went on, and ended just now."""
    step = world.step()
    world.attempts["0a1b2c3d-expdp-1"] = JobStatus("vanished")
    world.jobs[NAME] = "EXECUTING"
    once = step.data_pump("source").job

    def ends_after_one_look(name: str) -> Any:
        found = once(name)
        if world.jobs.pop(name, None) and log is not None:
            world.files[f"/dp/{name}.log"] = log
        return found

    step.data_pump("source").job = ends_after_one_look
    if said:
        with pytest.raises(TransientError, match=said):
            RunExpdp(task_id="run_expdp")._run(step)
    else:
        assert "success" in RunExpdp(task_id="run_expdp")._run(step)["summary"]
    assert world.submitted == []


def test_no_job_starts_in_the_root_of_a_cdb(world: World) -> None:
    world.container_faults = ["dba_connection of site2 leads to the container CDB$ROOT, and database.pdb is GIMPDB"]
    with pytest.raises(GuardError, match=r"(?s)CDB\$ROOT.*Data Pump would work in another container"):
        RunExpdp(task_id="run_expdp")._run(world.step())
    assert world.submitted == []


def test_a_job_that_ends_at_once_is_not_handed_to_the_triggerer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    step = world.step()
    step.topology.timeouts.inline_wait = 5.0

    def ends(seconds: float) -> None:
        world.attempts["0a1b2c3d-expdp-1"] = ended(0)
        world.files[LOG] = SUCCESS

    monkeypatch.setattr(jobs.time, "sleep", ends)
    RunExpdp(task_id="run_expdp")._run(step)
    assert step.ledger["exported"] == NAME


@pytest.mark.parametrize(
    ("attempts", "log", "noted"),
    [
        (1, SUCCESS, "764"),
        (1, SUCCESS.replace("00:12:44", "00:00:00"), "1"),
        (1, SUCCESS.replace(" elapsed 0 00:12:44", ""), "60"),
        (2, SUCCESS, None),
    ],
    ids=["by its log", "within a second", "before 12c", "interrupted"],
)
def test_an_export_is_measured_unless_it_was_interrupted(
    world: World, monkeypatch: pytest.MonkeyPatch, attempts: int, log: str, noted: str | None
) -> None:
    """Otherwise an interruption would raise the estimate and stop a later run."""
    world.attempts = {f"0a1b2c3d-expdp-{number + 1}": ended(0) for number in range(attempts)}
    world.files[LOG] = log
    monkeypatch.setattr(dump_set.time, "time", lambda: 1060.0)
    step = world.step(export_started="1000")
    RunExpdp(task_id="run_expdp")._run(step)
    assert step.ledger.get("export_seconds") == noted


def test_a_job_whose_client_ended_is_attached_to(world: World) -> None:
    world.attempts["0a1b2c3d-expdp-1"] = ended()
    world.jobs[NAME] = "EXECUTING"
    run(world.step())
    assert world.submitted == [("0a1b2c3d-expdp-2", ["expdp", "attach", NAME])]


def test_a_cleared_failure_starts_a_new_attempt_and_keeps_the_old_log(world: World) -> None:
    world.attempts["0a1b2c3d-expdp-1"] = ended()
    world.files[LOG] = FATAL
    run(world.step())
    assert [job_id for job_id, _ in world.submitted] == ["0a1b2c3d-expdp-2"]
    assert LOG not in world.files and world.files[f"{LOG}.1"] == FATAL


def test_a_client_that_was_refused_is_not_judged_by_the_log_of_the_attempt_before(world: World) -> None:
    world.attempts["0a1b2c3d-expdp-1"] = ended()
    world.files[LOG] = FATAL
    step = world.step()
    run(step)
    world.attempts["0a1b2c3d-expdp-2"] = ended()
    with pytest.raises(GuardError, match=r"(?s)did not run.*\n.*ORA-01017"):
        collect(step)


@pytest.mark.parametrize("state", ["vanished", "absent"])
def test_a_client_that_was_lost_before_its_job_began_is_tried_again(world: World, state: str) -> None:
    with pytest.raises(TransientError, match=state):
        collect(world.step(), state, None)


def test_a_job_that_outlives_its_client_is_attached_to_by_the_retry(world: World) -> None:
    world.jobs[NAME] = "NOT RUNNING"
    with pytest.raises(TransientError, match=f"(?s)attaches.*ATTACH=SYSTEM.{NAME}"):
        collect(world.step())


def test_a_finished_job_is_not_run_again_when_its_task_is_cleared(world: World) -> None:
    world.files[LOG] = SUCCESS
    step = world.step()
    RunExpdp(task_id="run_expdp")._run(step)
    assert world.submitted == [] and step.ledger["exported"] == NAME
    # The import is held against what was there at the export, not against what was made since.
    assert world.noted == ["dictionary"]


def test_an_import_is_refused_while_a_replicat_is_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_question(monkeypatch, "proven_manifest", lambda step: SimpleNamespace(digest=lambda: "d"))
    step = world.step(dump_set_proven="d", sequences_dropped="yes", old_code_dropped="yes")
    step.site = lambda role: SimpleNamespace(goldengate=SimpleNamespace(groups=SimpleNamespace(replicat="RGIM")))
    replicat: list[Any] = [SimpleNamespace(status="STOPPED"), None]
    step.ggsci = lambda role: SimpleNamespace(info=lambda name: replicat.pop(0))
    operator = RunImpdp(task_id="run_impdp", role="target")
    with pytest.raises(GuardError, match="RGIM exists at site3"):
        operator.prepare(step)
    operator.prepare(step)


@pytest.mark.parametrize("lacking", ["sequences_dropped", "old_code_dropped"])
def test_an_import_begins_only_where_what_it_would_keep_is_dropped(
    world: World, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    replace_question(monkeypatch, "proven_manifest", lambda step: SimpleNamespace(digest=lambda: "d"))
    done = {"dump_set_proven": "d", "sequences_dropped": "yes", "old_code_dropped": "yes"}
    del done[lacking]
    with pytest.raises(GuardError, match=lacking):
        RunImpdp(task_id="run_impdp", role="target").prepare(world.step(**done))


def test_the_export_is_written_for_a_target_with_a_lower_compatible(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    replace_question(monkeypatch, "export_version", lambda step: "12.2.0")
    monkeypatch.setattr(dump_set, "export_parameters", lambda *given, **named: asked.append(named) or "")
    step: Any = FakeStep(scn="4711")
    step.site = lambda role: None
    RunExpdp(task_id="run_expdp").parameters(step)
    assert asked == [{"version_of_target": "12.2.0"}]


def test_indexes_are_not_created_twice_while_the_first_job_runs_without_its_client(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_question(monkeypatch, "missing_indexes", lambda step: ["IX"])
    world.attempts["0a1b2c3d-indexes-1"] = JobStatus("vanished")
    world.jobs[job_name("GIM_IDX", "plan-1 0")] = "EXECUTING"
    with pytest.raises(TransientError, match="EXECUTING"):
        RecreateMissingIndexes(task_id="indexes", role="target")._run(world.step())
    assert world.submitted == []


def test_indexes_that_a_job_has_just_made_are_not_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [["IX"], ["IX"], [], []]
    replace_question(monkeypatch, "missing_indexes", lambda step: left.pop(0))
    manifest = SimpleNamespace(files=[], dictionary=SimpleNamespace(indexes=[]))
    replace_question(monkeypatch, "proven_manifest", lambda step: manifest)
    world.attempts["0a1b2c3d-indexes-1"] = JobStatus("vanished")
    RecreateMissingIndexes(task_id="indexes", role="target")._run(world.step())
    assert world.submitted == []


def test_an_index_of_a_constraint_is_not_asked_of_the_dump_set(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dump set has no object for it: it comes with its constraint."""
    indexes = [SimpleNamespace(name="SYS_C0012", generated=True), SimpleNamespace(name="IX", generated=False)]
    manifest = SimpleNamespace(files=[], dictionary=SimpleNamespace(indexes=indexes))
    replace_question(monkeypatch, "proven_manifest", lambda step: manifest)
    replace_question(monkeypatch, "missing_indexes", lambda step: ["SYS_C0012"])
    with pytest.raises(GuardError, match="SYS_C0012"):
        RecreateMissingIndexes(task_id="indexes", role="target")._run(world.step())
    asked: list[list[str]] = []
    monkeypatch.setattr(
        dump_set, "index_parameters", lambda topology, site, files, job, names: asked.append(names) or "INCLUDE=INDEX"
    )
    replace_question(monkeypatch, "missing_indexes", lambda step: ["SYS_C0012", "IX"])
    step = world.step()
    step.site = lambda role: None
    with pytest.raises(TaskDeferred):
        RecreateMissingIndexes(task_id="indexes", role="target")._run(step)
    assert asked == [["IX"]]


# -- room ------------------------------------------------------------------------------------------


GIGABYTE = 10**9


def room(
    monkeypatch: pytest.MonkeyPatch,
    *,
    size: int,
    free: int,
    undo: int,
    tablespace: int | None = 10**12,
    undo_rate: float = 0.0,
    exports: Sequence[float] = (),
) -> Any:
    """A step whose source has a schema, a disk and undo of these sizes.

    :param undo_rate: bytes of undo a second.
    :param exports: seconds of earlier exports of a schema of this size.
    """
    step: Any = FakeStep()
    replace_question(monkeypatch, "directory_path", lambda step, role: "/dp")
    step.host = lambda role, kind="db": SimpleNamespace(free_space=lambda folder: free)
    rows = {
        "schema_size": [{"bytes": size}],
        "dumped_segments": [{"compress_for": "NONE", "bytes": size}],
        "undo_retention": [{"seconds": undo, "tuned": None, "kept": "NOGUARANTEE"}],
        "undo_space": [] if tablespace is None else [{"tablespace_name": "UNDOTBS1", "max_bytes": tablespace}],
        "undo_written": [{"bytes": undo_rate * 86400, "seconds": 86400}],
    }
    step.dba = lambda role: SimpleNamespace(select=lambda name, **binds: rows[name])
    step.ledger_role, step.topology.name = "source", "emea"
    step.site = lambda role: SimpleNamespace(goldengate=SimpleNamespace(schema_name="GGATE"))
    noted = [
        {"plan_id": plan, "name": name, "value": str(value), "noted_at": datetime(2026, 11, 2)}
        for plan, seconds in enumerate(exports)
        for name, value in {"schema_bytes": size, "export_seconds": seconds}.items()
    ]
    step.goldengate_database = lambda role: SimpleNamespace(
        value=lambda name, **binds: 1, select=lambda name, identifiers, **binds: noted
    )
    return step


@pytest.mark.parametrize(
    ("size", "free", "undo", "what"),
    [
        (10**9, 10**9, 900, ""),
        (10**9, 10**9 - 1, 900, "the dump set may not fit"),
        # Not even the fastest storage exports a terabyte in a quarter of an hour.
        (10**12, 10**13, 900, "ends with ORA-01555"),
        (10**12, 10**13, 86400, ""),
    ],
)
def test_an_export_that_cannot_end_well_is_not_begun(
    monkeypatch: pytest.MonkeyPatch, size: int, free: int, undo: int, what: str
) -> None:
    seen = CheckExportSpace(task_id="check_space").observe(room(monkeypatch, size=size, free=free, undo=undo))
    assert seen.satisfied is not bool(what) and what in seen.summary


@pytest.mark.parametrize(
    ("exports", "undo", "levels", "what"),
    [
        # Faster than any assumed storage.
        ([300.0], 600, ("ok", "ok"), "measured in 1 run(s)"),
        # Slower than the shortest assumed export.
        ([4 * 3600.0], 900, ("blocked", "warning"), "ends with ORA-01555"),
        ([300.0, 4 * 3600.0], 900, ("warning", "warning"), "may end with ORA-01555"),
        ([], 600, ("blocked", "warning"), "ends with ORA-01555"),
        ([], 900, ("warning", "warning"), "may end with ORA-01555"),
    ],
)
def test_readiness_and_the_run_judge_undo_by_the_same_measured_exports(
    monkeypatch: pytest.MonkeyPatch, exports: list[float], undo: int, levels: tuple[str, str], what: str
) -> None:
    step = room(
        monkeypatch,
        size=200 * GIGABYTE,
        free=10**13,
        undo=undo,
        tablespace=GIGABYTE,
        undo_rate=1_000_000,
        exports=exports,
    )
    looks = CheckContext(step, "database_transfer")
    found = examine([Planned(each, ("source",)) for each in (UNDO, UNDO_SPACE)], looks, step.name)
    assert tuple(each.level for each in found) == levels
    seen = CheckExportSpace(task_id="check_space").observe(step)
    assert seen.satisfied is (levels[0] != "blocked") and what in seen.summary
    assert found[0].what in seen.summary and found[1].what in seen.summary


@pytest.mark.parametrize(
    ("tablespace", "level", "what"),
    [
        (45 * GIGABYTE // 100, "ok", "needs 450.0 MB"),
        (45 * GIGABYTE // 100 - 1, "warning", "needs 450.0 MB"),
        (None, "not checked", "not visible"),
    ],
)
def test_an_undo_tablespace_that_may_be_too_small_is_warned_of_and_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, tablespace: int | None, level: str, what: str
) -> None:
    # 5 minutes were measured, 7.5 are looked ahead.
    step = room(
        monkeypatch,
        size=200 * GIGABYTE,
        free=10**13,
        undo=900,
        tablespace=tablespace,
        undo_rate=1_000_000,
        exports=[300.0],
    )
    (found,) = examine([Planned(UNDO_SPACE, ("source",))], CheckContext(step, "database_transfer"), step.name)
    assert found.level == level and what in found.what
    seen = CheckExportSpace(task_id="check_space").observe(step)
    assert seen.satisfied and ("may end with ORA-01555" in seen.summary) is (level == "warning")


def test_a_deployment_without_a_ledger_has_no_measured_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    step = room(monkeypatch, size=GIGABYTE, free=10**13, undo=900, exports=[300.0])
    assert len(dump_set_guard.measured_runs(step)) == 1
    step.goldengate_database = lambda role: SimpleNamespace(value=lambda name, **binds: 0)
    assert dump_set_guard.measured_runs(step) == []


def test_runs_are_measured_by_the_ledgers_of_both_sites_and_a_silent_one_hides_no_run() -> None:
    """After a change of roles the earlier runs are in the other site's ledger."""

    def ledger(plan: str) -> Any:
        noted = {"final_stop": "1000", "point_of_no_return": "1100"}
        found = [{"plan_id": plan, "name": n, "value": v, "noted_at": datetime(2026, 11, 2)} for n, v in noted.items()]
        return SimpleNamespace(value=lambda name, **binds: 1, select=lambda *_, **binds: found)

    def away(*_: Any, **binds: Any) -> Any:
        raise UnreachableError("no listener answers.")

    step: Any = FakeStep()
    step.ledger_role, step.topology.name = "source", "lab"
    step.site = lambda role: SimpleNamespace(goldengate=SimpleNamespace(schema_name="GGATE"))
    step.goldengate_database = lambda role: ledger(f"at {role}")
    assert len(dump_set_guard.measured_runs(step)) == 2
    silent = SimpleNamespace(value=away, select=away)
    step.goldengate_database = lambda role: silent if role == "target" else ledger("at source")
    assert len(dump_set_guard.measured_runs(step)) == 1


def test_the_size_of_the_schema_is_recorded_for_later_estimates(monkeypatch: pytest.MonkeyPatch) -> None:
    step = room(monkeypatch, size=5000, free=10**9, undo=900)
    operator = CheckExportSpace(task_id="check_space")
    operator.finish(step, operator.observe(step))
    assert step.ledger["schema_bytes"] == "5000"


def test_the_end_of_an_import_is_recorded_for_later_estimates() -> None:
    step: Any = FakeStep()
    operator = RunImpdp(task_id="run_impdp", role="target")
    operator.finish(step, dump_set.Observation(True, "done"))
    first = step.ledger["imported"]
    operator.finish(step, dump_set.Observation(True, "done"))
    assert step.ledger["imported"] == first and int(first) > 0


@pytest.mark.parametrize(("files", "level"), [([], "ok"), (["old.dmp (-rw-r----- oracle:oinstall)"], "warning")])
def test_readiness_says_that_dump_files_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, files: list[str], level: str
) -> None:
    step: Any = FakeStep()
    host = SimpleNamespace(
        label="ssh_db2",
        exists=lambda path: True,
        run=lambda words, check: SimpleNamespace(exit_code=0),
        unreadable=lambda folder, patterns: (3, files),
    )
    step.host = lambda role: host
    replace_question(monkeypatch, "directory_path", lambda step, role: "/dp")
    (found,) = examine([Planned(DIRECTORY, ("source",))], CheckContext(step, "database_transfer"), step.name)
    assert found.level == level and all(file in found.what for file in files)
    (found,) = examine([Planned(DIRECTORY, ("target",))], CheckContext(step, "database_transfer"), step.name)
    assert found.level == "ok", "nothing is read there"


def test_the_trigger_of_an_export_looks_at_its_own_files(world: World) -> None:
    step = world.step()
    with pytest.raises(TaskDeferred) as raised:
        RunExpdp(task_id="run_expdp")._run(step)
    assert raised.value.trigger.files == [f"{NAME}.log", f"gim_{NAME}_*.dmp"]
    assert raised.value.trigger.data_pump_job == NAME
