"""The import's log: errors that void an import, errors for a person, and errors for nobody."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException
from tests.unit.operators.fakes import FakeStep, replace_question

from infomart_dr.errors import GuardError
from infomart_dr.hooks import remote_job
from infomart_dr.hooks.data_pump import export_job, import_job
from infomart_dr.hooks.remote_job import JobStatus
from infomart_dr.operators import human
from infomart_dr.operators.dump_set import ApproveImport, CheckImportLog, RunExpdp, RunImpdp
from infomart_dr.plan import facts

IMPORT, EXPORT = f"/dp/{import_job('plan-1')}.log", f"/dp/{export_job('plan-1')}.log"
START = 'Starting "SYSTEM"."GIM_IMP":  SYSTEM/******** parfile=imp.par \n'
ROWS = '. . imported "GIM"."CALENDAR"                            12.5 KB     365 rows\n'
GOOD = 'Job "SYSTEM"."GIM_IMP" successfully completed at Tue Nov 3 17:02:11 2026 elapsed 0 00:12:44\n'
GRANT = (
    "ORA-39083: Object type OBJECT_GRANT failed to create with error:\n"
    "ORA-01917: user or role 'REPORT' does not exist\n\n"
    'Failing sql is:\nGRANT SELECT ON "GIM"."CALENDAR" TO "REPORT"\n'
)
ROLE = (
    "ORA-39083: Object type ROLE_GRANT failed to create with error:\n"
    'ORA-01919: role \'GIM_READ\' does not exist\nFailing sql is:\n GRANT "GIM_READ" TO "GIM"\n'
)
SYSTEM = "ORA-39083: Object type SYSTEM_GRANT failed to create with error:\nORA-00990: missing or invalid privilege\n"
COMPILE = 'ORA-39082: Object type PACKAGE BODY:"GIM"."AGG_TOOLS" created with compilation warnings\n'
COMMENT = 'ORA-39346: data loss in character set conversion for object COMMENT:"GIM"."CALENDAR"\n'
STATISTICS = (
    "ORA-39126: Worker unexpected fatal error in KUPW$WORKER.STATS_LOAD [MARKER] MARKER\n"
    'ORA-06512: at "SYS.DBMS_SYS_ERROR", line 95\nORA-06512: at "SYS.KUPW$WORKER", line 12630\n'
)
JOB = "ORA-39083: Object type PROCACT_SCHEMA failed to create with error:\nORA-06550: line 2, column 1\n"
LINK = 'ORA-39083: Object type DB_LINK:"GIM"."CRM" failed to create with error:\nORA-01031: insufficient privileges\n'
WAIT = "ORA-39171: Job is experiencing a resumable wait.\nORA-01653: unable to extend table GIM.CALENDAR by 8192\n\n"
FULL = "ORA-39095: Dump file space has been exhausted: Unable to allocate 8192 bytes\n"
INDEX = 'ORA-39083: Object type INDEX:"GIM"."I1" failed to create with error:\nORA-01652: unable to extend temp\n'
CONSTRAINT = 'ORA-39083: Object type CONSTRAINT:"GIM"."PK" failed to create with error:\nORA-02437: cannot validate\n'
SEQUENCE = 'ORA-31684: Object type SEQUENCE:"GIM"."S" already exists\n'
TABLE = 'ORA-39083: Object type TABLE:"GIM"."T" failed to create with error:\nORA-00959: tablespace\n'


#: Objects around the schema that the target lacks.
AROUND: list[str] = []


def end(errors: int) -> str:
    return f'Job "SYSTEM"."GIM_IMP" completed with {errors} error(s) at Tue Nov 3 17:02:11 2026 elapsed 0 00:12:44\n'


class World:
    """Two directories with logs; a client that ended with an exit code."""

    def __init__(self, log: str, export: str = GOOD, exit_code: int | None = None) -> None:
        self.files = {IMPORT: log, EXPORT: export}
        self.exit_code = exit_code
        self.step: Any = FakeStep(sequences_dropped="yes")
        host = SimpleNamespace(
            exists=self.files.__contains__, read_file=lambda path, limit: self.files[path], run=self._move
        )
        self.step.host = lambda role, kind="db": host
        self.step.topology.approval = SimpleNamespace(four_eyes=False)

    def _move(self, argv: list[str]) -> None:
        self.files[argv[4]] = self.files.pop(argv[3])


@pytest.fixture(autouse=True)
def manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_question(monkeypatch, "directory_path", lambda step, role: "/dp")
    dictionary = SimpleNamespace(row_counts={"GIM.CALENDAR": 365})
    replace_question(monkeypatch, "proven_manifest", lambda step: SimpleNamespace(dictionary=dictionary))
    replace_question(monkeypatch, "missing_around", lambda step, wanted: list(AROUND))


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> dict[str, JobStatus]:
    """The clients' attempts on the hosts."""
    found: dict[str, JobStatus] = {}

    class Job:
        def __init__(self, host: Any, job_id: str) -> None:
            self.job_id = job_id

        def status(self) -> JobStatus:
            return found.get(self.job_id, JobStatus("absent"))

        status_after_start = status

    monkeypatch.setattr(remote_job, "RemoteJob", Job)
    return found


def checked(world: World) -> CheckImportLog:
    operator = CheckImportLog(task_id="check_import_log", role="target")
    operator._run(world.step)
    return operator


def gate() -> ApproveImport:
    return ApproveImport(task_id="approve_import", subject="Accept?", body="The import has ended.")


@pytest.mark.parametrize(
    ("log", "asked"),
    [
        (START + ROWS + GOOD, 0),
        (START + WAIT + WAIT + ROWS + GOOD, 0),
        (START + FULL + ROWS + GOOD, 0),
        (START + ROWS + INDEX + end(1), 0),
        (START + ROWS + 'ORA-31684: Object type USER:"GIM" already exists\n' + end(1), 0),
        (START + ROWS + GRANT + end(1), 1),
        (START + ROWS + ROLE + SYSTEM + end(2), 2),
        (START + ROWS + COMPILE + end(1), 1),
        (START + ROWS + COMMENT + end(1), 1),
        (START + ROWS + STATISTICS + end(1), 1),
        (START + ROWS + JOB + LINK + end(2), 2),
        (START + WAIT + ROWS + GRANT + COMPILE + GRANT + end(3), 3),
        # Two errors that the log does not show.
        (START + ROWS + GRANT + end(3), 2),
    ],
)
@pytest.mark.parametrize("metrics", ["", "03-NOV-26 17:02:11.123: W-1 "])
def test_an_import_that_ended_well_is_never_voided(log: str, asked: int, metrics: str) -> None:
    world = World("\r\n".join(metrics + line if line else "" for line in log.split("\n")[:-1]) + "\r\n")
    checked(world)
    assert IMPORT in world.files and world.step.ledger["sequences_dropped"]
    assert len(gate().errors(world.step)) == asked


@pytest.mark.parametrize("bad", [CONSTRAINT, SEQUENCE, TABLE, "ORA-99999: nobody knows\n"])
def test_rows_sequences_tables_and_constraints_stop_the_run(bad: str) -> None:
    world = World(START + ROWS + GRANT + bad + end(2))
    with pytest.raises(GuardError) as stopped:
        checked(world)
    assert "drop_sequences" in stopped.value.next_step
    assert f"{IMPORT}.refused" in world.files and "sequences_dropped" not in world.step.ledger


def test_fewer_rows_than_exported_void_the_import_and_its_approval() -> None:
    world = World(START + ROWS.replace("365 rows", "364 out of 365 rows") + GOOD)
    world.step.ledger.put_once(facts.IMPORT_APPROVED, "ben")
    with pytest.raises(GuardError, match="365 exported, 364 imported"):
        checked(world)
    assert "import_approved" not in world.step.ledger


def test_a_log_in_another_language_is_judged_by_the_exit_code(attempts: dict[str, JobStatus]) -> None:
    log = 'ジョブ"SYSTEM"."GIM_IMP"を起動しています\n. . "GIM"."CALENDAR"  12.5 KB  365行がインポートされました\n'
    log += 'ジョブ"SYSTEM"."GIM_IMP"が火 11月 3 17:02:11 2026 elapsed 0 00:12:44で完了しました\n'
    world = World(log)
    with pytest.raises(GuardError, match=r"(?s)unclear.*unknown here"):
        checked(world)
    assert IMPORT in world.files
    attempts["0a1b2c3d-impdp-1"] = JobStatus("ended", exit_code=0)
    checked(world)
    attempts["0a1b2c3d-impdp-2"] = JobStatus("ended", exit_code=1)
    with pytest.raises(GuardError, match="fatal"):
        checked(world)


@pytest.mark.parametrize(("exit_code", "good"), [(None, False), (0, False), (1, False), (5, False)])
def test_an_export_whose_words_are_unknown_is_no_success(
    attempts: dict[str, JobStatus], exit_code: int | None, good: bool
) -> None:
    world = World("", '启动 "SYSTEM"."X":  SYSTEM/********\n作业 "SYSTEM"."X" 因致命错误于 17:02:11 停止\n')
    attempts["0a1b2c3d-expdp-1"] = JobStatus("ended", exit_code=exit_code)
    operator = RunExpdp(task_id="run_expdp")
    report = operator.report(world.step)
    assert report is not None and operator.acceptable(report) is good


def test_a_log_that_was_cut_off_is_unclear_whatever_the_client_says(attempts: dict[str, JobStatus]) -> None:
    world = World(START + ROWS)
    attempts["0a1b2c3d-impdp-1"] = JobStatus("ended", exit_code=5)
    report = RunImpdp(task_id="run_impdp", role="target").report(world.step)
    assert report is not None and report.outcome == "unclear"


# -- the gate --------------------------------------------------------------------------------------


def test_the_gate_does_not_ask_where_there_is_nothing_to_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(START + WAIT + ROWS + INDEX + end(1))
    monkeypatch.setattr(human.Step, "from_context", lambda context: world.step)
    with pytest.raises(AirflowSkipException, match="nothing beside the rows"):
        gate().execute({})


def test_the_gate_lists_every_error_and_asks_once_for_an_import(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(START + ROWS + GRANT + COMPILE + end(2), export=JOB + end(1))
    monkeypatch.setattr(human.Step, "from_context", lambda context: world.step)
    assert gate().does_not_apply(world.step) is None
    shown = gate().evidence(world.step)
    for part in ("3 thing(s)", 'GRANT SELECT ON "GIM"."CALENDAR" TO "REPORT"', "AGG_TOOLS", "expdp: ORA-39083"):
        assert part in shown
    assert len(shown) < 4000
    gate().accepted(world.step, "ben")
    with pytest.raises(AirflowSkipException, match="ben has accepted"):
        gate().execute({})


def test_a_privilege_that_no_export_carries_is_decided_at_the_same_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(START + ROWS + GOOD)
    statement = 'privilege: grant execute on "SYS"."DBMS_LOCK" to "GIM"'
    replace_question(monkeypatch, "missing_around", lambda step, wanted: [statement])
    gate = ApproveImport(task_id="approve_import", subject="?", body="")
    assert gate.does_not_apply(world.step) is None
    assert statement in gate.evidence(world.step)
