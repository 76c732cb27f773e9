"""Logs of Data Pump near those of real programs: other wordings, languages, cuts and separators."""

from __future__ import annotations

import pytest

from infomart_dr.hooks.parse_data_pump import NEXT_STEPS, classify_log, next_step, space_wait

JOB = '"SYSTEM"."GIM_IMP_0A1B"'
START = f"Starting {JOB}:  SYSTEM/******** parfile=/home/oracle/imp.par \n"
ROWS = '. . imported "GIM"."CALENDAR"                            12.5 KB     365 rows\n'
AT = "Tue Nov 3 17:02:11 2026 elapsed 0 00:12:44"
SUCCESS = f"Job {JOB} successfully completed at {AT}\n"
FATAL = f"Job {JOB} stopped due to fatal error at {AT}\n"
WAIT = "ORA-39171: Job is experiencing a resumable wait.\n"
LATER_WAIT = (
    f"{WAIT}Resumable error: ORA-01653: unable to extend table GIM.CALENDAR by 8192 in tablespace GIM_DATA\n"
    'Resumable stmt: INSERT /*+ APPEND */ INTO "GIM"."CALENDAR" ("ID") VALUES (NULL)\n'
    "Resumable stmt status: SUSPENDED\n"
    "Resumable stmt start: 11/03/26 11:05:11 stmt suspend: 11/03/26 12:54:25\n"
)


def end(errors: object) -> str:
    return f"Job {JOB} completed with {errors} error(s) at {AT}\n"


# -- a wait for space --------------------------------------------------------------------------------

WAITS = {
    "before 12.2": f"{WAIT}ORA-01653: unable to extend table GIM.CALENDAR by 8192 in tablespace GIM_DATA\n",
    "later": LATER_WAIT,
    "twice": LATER_WAIT * 2,
    "undo": f"{WAIT}ORA-30036: unable to extend segment by 8 in undo tablespace 'UNDO'\n",
    "master table": f"{WAIT}ORA-01691: unable to extend lob segment SYSTEM.SYS_LOB0000015147C00045$$ by 128\n",
    "partition": f"{WAIT}ORA-01688: unable to extend table GIM.T partition SYS_P701 by 128 in tablespace USERS\n",
    "temporary": f"{WAIT}Resumable error: ORA-01652: unable to extend temp segment by 128 in tablespace TEMP\n",
    "quota": f"{WAIT}ORA-01536: space quota exceeded for tablespace 'USERS'\n",
    "dump files": "ORA-39095: Dump file space has been exhausted: Unable to allocate 8192 bytes\n",
    "German": "ORA-39171: Job befindet sich in einem unterbrechbaren Wartezustand.\nORA-01653: Tabelle kann nicht\n",
    "Japanese": "ORA-39171: ジョブは再開可能な待機中です。\nORA-01653: 表GIM.Tを拡張できません\n",
    "alone": WAIT,
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_a_wait_is_seen_in_every_wording_and_is_no_error_of_a_job_that_ended_well(wait: str) -> None:
    done = classify_log(f"{START}{wait}{ROWS}{SUCCESS}", "import")
    assert (done.outcome, done.worst, done.rows) == ("success", "harmless", {"GIM.CALENDAR": 365})
    open_end = classify_log(f"{START}{ROWS}{wait}", "import")
    assert (open_end.outcome, open_end.worst) == ("unfinished", "waiting")
    assert next_step(open_end) == NEXT_STEPS["waiting"]
    waits = space_wait(wait.splitlines())
    assert waits is not None and waits.startswith(wait[:9])
    assert space_wait(ROWS.splitlines(), waits) is None
    assert space_wait(["", "  ", "Resumable stmt status: SUSPENDED"], waits) is not None


def test_the_reason_of_a_wait_is_shown_with_it() -> None:
    assert "ORA-01653: unable to extend table GIM.CALENDAR" in (space_wait(LATER_WAIT.splitlines()) or "")
    assert "ORA-01653" in (space_wait(WAITS["before 12.2"].splitlines()) or "")
    timed = [f"03-NOV-26 17:02:10.523: {line}" for line in WAITS["before 12.2"].splitlines()]
    assert "ORA-01653" in (space_wait(timed) or "")


@pytest.mark.parametrize(
    "line",
    [
        ROWS,
        "Processing object type SCHEMA_EXPORT/TABLE/INDEX/INDEX",
        SUCCESS,
        FATAL,
        'Master table "SYSTEM"."GIM_IMP_0A1B" successfully loaded/unloaded',
        "Objekttyp SCHEMA_EXPORT/TABLE/COMMENT wird verarbeitet",
        '03-NOV-26 17:02:13.123: W-2 . . imported "GIM"."T"    12.5 KB     365 rows in 1 seconds using direct_path',
    ],
)
def test_work_after_a_wait_ends_it(line: str) -> None:
    assert space_wait([line], "ORA-39171: waits") is None


@pytest.mark.parametrize("lines", [[], [""], ["Resumable stmt status: SUSPENDED"], ["/u01/DUMP/A.DMP is full"]])
def test_other_lines_end_no_wait(lines: list[str]) -> None:
    assert (space_wait(lines, "ORA-39171: waits") or "").startswith("ORA-39171")


def test_a_wait_whose_time_is_over_loses_rows_and_indexes_only_speed() -> None:
    over = "ORA-30032: the suspended (resumable) statement has timed out\n"
    table = f'ORA-31693: Table data object "GIM"."CALENDAR" failed to load/unload:\n{over}ORA-01653: x\n'
    assert classify_log(f"{START}{LATER_WAIT}{table}{end(1)}", "import").worst == "data"
    index = f'ORA-39083: Object type INDEX:"GIM"."I1" failed to create with error:\n{over}ORA-01652: x\n'
    assert classify_log(f"{START}{ROWS}{index}{end(1)}", "import").missing_indexes == ["GIM.I1"]


# -- errors that leave every row in place --------------------------------------------------------------

REVIEW = {
    "a path before the name": 'ORA-39346: data loss in character set conversion for object SCHEMA_EXPORT/TABLE/COMMENT:'
    '"GIM"."CALENDAR"',
    "a view's text": 'ORA-39346: data loss in character set conversion for object VIEW:"GIM"."V"',
    "a column's comment": 'ORA-39346: data loss in character set conversion for object COLUMN_COMMENT:"GIM"."V"."C"',
    "a body": 'ORA-39346: data loss in character set conversion for object PACKAGE_BODY:"GIM"."P"',
    "a body with a blank": 'ORA-39346: data loss in character set conversion for object PACKAGE BODY:"GIM"."P"',
    "a trigger": 'ORA-39346: data loss in character set conversion for object TRIGGER:"GIM"."TR"',
    "German comment": 'ORA-39346: Datenverlust bei der Zeichensatzkonvertierung für Objekt COMMENT:"GIM"."CALENDAR"',
    "Chinese comment": 'ORA-39346: 对象 COMMENT:"GIM"."CALENDAR" 的字符集转换中出现数据丢失',
    "cut before the object": "ORA-39346: data loss in character set conversion for object",
    "no owner": 'ORA-39346: data loss in character set conversion for object COMMENT:"CALENDAR"',
    "recompiled": 'ORA-39082: Object type ALTER_PROCEDURE:"GIM"."P" created with compilation warnings',
    "recompiled spec": 'ORA-39082: Object type ALTER_PACKAGE_SPEC:"GIM"."P" created with compilation warnings',
    "type body": 'ORA-39082: Object type TYPE BODY:"GIM"."P" created with compilation warnings',
    "with a path": 'ORA-39082: Object type SCHEMA_EXPORT/PACKAGE/PACKAGE_BODY:"GIM"."P" created with compilation',
    "materialized view": 'ORA-39082: Object type MATERIALIZED_VIEW:"GIM"."M" created with compilation warnings',
    "German body": 'ORA-39082: Objekttyp PACKAGE BODY:"GIM"."P" mit Kompilierungswarnungen erstellt',
    "Japanese body": 'ORA-39082: オブジェクト型PACKAGE BODY:"GIM"."P"の作成でコンパイル警告が発生しました',
    "cut after the number": "ORA-39082: Object type",
    "a locked user": "ORA-39384: Warning: User GIM has been locked and the password expired.",
    "tagged objects": "ORA-39342: Internal error - failed to import internal objects tagged with ORDIM",
    "statistics, put": "ORA-39126: Worker unexpected fatal error in KUPW$WORKER.PUT_DDLS [TABLE_STATISTICS] \n"
    'ORA-06502: PL/SQL: numeric or value error\nLPX-00225: end-element tag "A" does not match start-element tag "B"\n'
    'ORA-06512: at "SYS.DBMS_SYS_ERROR", line 95\n\n----- PL/SQL Call Stack -----\n  object      line  object\n'
    "  handle    number  name\n0x1f5f7c1e8     20462  package body SYS.KUPW$WORKER",
    "statistics, convert": "ORA-39125: Worker unexpected fatal error in KUPW$WORKER.PUT_DDL_OBJECT while calling "
    "DBMS_METADATA.CONVERT [TABLE_STATISTICS]\nORA-06502: x",
    "statistics of an index": "ORA-39126: Worker unexpected fatal error in KUPW$WORKER.PUT_DDLS [INDEX_STATISTICS]",
    "statistics, unload": 'ORA-39126: Worker unexpected fatal error in KUPW$WORKER.UNLOAD_METADATA [TABLE_STATISTICS:'
    '"GIM"."T"]',
    "preferences": "ORA-39126: Worker unexpected fatal error in KUPW$WORKER.STATS_LOAD [USER_PREF_STATISTICS]",
    "German statistics": "ORA-39126: Unerwarteter schwerwiegender Fehler in KUPW$WORKER.STATS_LOAD [MARKER] MARKER",
    "cut statistics": "ORA-39126: Worker unexpected fatal error in KUPW$WORKER.STATS_LOAD",
}  # fmt: skip


@pytest.mark.parametrize("message", REVIEW.values(), ids=REVIEW)
def test_what_leaves_every_row_in_place_is_for_a_person_to_decide(message: str) -> None:
    report = classify_log(f"{START}{ROWS}{message}\n{end(1)}", "import")
    assert [error.severity for error in report.errors] == ["review"]
    assert (report.outcome, report.not_found) == ("completed_with_errors", 0)
    assert "No row is missing" in next_step(report)


ROWS_LOST = {
    "a filter of rows": 'ORA-39181: Only partial table data may be exported due to fine grain access control "GIM"."T"',
    "a type of the table": 'ORA-39139: no XMLType in version 12.1. TABLE:"GIM"."X" will be skipped.',
    "a worker": 'ORA-39126: Worker unexpected fatal error in KUPW$WORKER.FETCH_XML_OBJECTS [TABLE:"GIM"."T"]',
    "a materialized view": 'ORA-31685: Object type MATERIALIZED_VIEW:"GIM"."MV" failed due to insufficient privileges.',
    "a table that exists": 'ORA-39151: Table "GIM"."T" exists. All dependent metadata and data will be skipped',
    "not truncated": 'ORA-39120: Table "GIM"."T" cannot be truncated, data will be skipped.\nORA-02266: x',
    "an unknown number": "ORA-39799: something new",
}  # fmt: skip


@pytest.mark.parametrize("message", ROWS_LOST.values(), ids=ROWS_LOST)
def test_what_may_lose_rows_stays_grave(message: str) -> None:
    assert classify_log(f"{START}{ROWS}{message}\n{end(1)}", "import").worst == "data"


@pytest.mark.parametrize(
    "message",
    [REVIEW["statistics, put"], "ORA-39083: Object type OBJECT_GRANT failed to create with error:\nORA-01917: x", ""],
)
def test_a_job_that_ended_fatally_is_not_explained_by_errors_that_end_no_job(message: str) -> None:
    report = classify_log(f"{START}{ROWS}{message}\n{FATAL}", "import")
    assert report.outcome == "fatal" and next_step(report) == NEXT_STEPS["fatal"]


# -- the end, in other languages -----------------------------------------------------------------------

ENDS = {
    "German": (START, f"Job {JOB} erfolgreich um Di {AT[4:]} abgeschlossen"),
    "French": (f"Démarrage de {JOB} :  x\n", f"L'exécution du travail {JOB} a abouti à Mar. {AT[4:]}"),
    "Spanish": (f"Iniciando {JOB}:  x\n", f"El trabajo {JOB} ha terminado correctamente en Mar {AT[4:]}"),
    "Italian": (f"Avvio di {JOB} in corso:  x\n", f"Job {JOB} completato in modo corretto alle Mar {AT[4:]}"),
    "Chinese": (f"启动 {JOB}:  x\n", f"作业 {JOB} 已于 星期二 11月 {AT[8:]} 成功完成"),
    "Korean": (f"{JOB} 시작하는 중: x\n", f"{JOB} 작업이 화 11월 {AT[8:]}에서 성공적으로 완료됨"),
    "Japanese": (f"{JOB}を起動しています: x\n", f"ジョブ{JOB}が火 11月 {AT[8:]}で正常に完了しました"),
    "11.2 German": (START, f"Job {JOB} erfolgreich um 17:02:11 abgeschlossen"),
}


@pytest.mark.parametrize(("begin", "last"), ENDS.values(), ids=ENDS)
def test_an_end_in_another_language_is_judged_by_the_clients_exit_code(begin: str, last: str) -> None:
    text = f"{begin}{ROWS}{last}\n"
    assert classify_log(text, "import", 0).outcome == "success"
    assert classify_log(text, "import", 5).outcome == "completed_with_errors"
    assert classify_log(text, "import", 5).not_found == 1, "the error that the job counted is not understood"
    assert classify_log(text, "import", 1).outcome == "fatal"
    assert classify_log(text, "import").outcome == "unclear"
    assert classify_log(text, "export", 0).outcome == "unclear", "an export names its files"


@pytest.mark.parametrize("length", range(len(START), len(START + ROWS + SUCCESS) - 60))
def test_a_log_that_is_cut_off_is_never_a_success(length: int) -> None:
    assert classify_log((START + ROWS + SUCCESS)[:length], "import").outcome in ("unfinished", "unclear")


@pytest.mark.parametrize(
    ("number", "count"),
    [("1,234", 1234), ("1.234", 1234), ("1'234", 1234), ("1 234", 1234), ("1\u202f234", 1234), ("12", 12), ("1", 1)],
)
def test_a_number_of_errors_with_separators(number: str, count: int) -> None:
    report = classify_log(f"{START}{ROWS}{end(number)}", "import")
    assert (report.outcome, report.reported_errors) == ("completed_with_errors", count)


# -- rows --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        '. . imported "GIM"."T"   12.5 KB   1 365 rows',
        '. . imported "GIM"."T":"P1"   1.234,5 MB  1.365 Zeilen',
        '. . importado "GIM"."T"  12,5 KB  1.365 filas',
        '. . importati "GIM"."T"  12,5 KB  1.365 righe',
        '. . импортировано "GIM"."T"   12,5 КБ  1365 строк',
        '. . "GIM"."T"   12.5 KB  1365 개의 행이 임포트됨',
        '. . imported "GIM"."T"  12.5 KB  1365 rows in 0 seconds using automatic',
        '. . imported "GIM"."T"  1,365 rows',
        '. . imported "GIM"."T"    1365 rows in 2 seconds using insert_as_select',
        '2026-11-03 17:02:13.123: W-2 . . imported "GIM"."T"  12.5 KB  1365 rows',
        '03/11/2026 17:02:13: W-2 . . imported "GIM"."T"  12.5 KB  1365 rows',
        '03-NOV-2026 05:02:13.123 PM: . . imported "GIM"."T"  12.5 KB  1365 rows',
        '  . . imported "GIM"."T"  12.5 KB  1365 rows',
        '. . imported "GIM"."T"    .5 KB  1365 rows',
        '. . imported "GIM"."T"  5 bytes  1365 rows',
    ],
)
def test_rows_near_the_known_shapes(line: str) -> None:
    assert classify_log(f"{START}{line}\n{SUCCESS}", "import").rows == {"GIM.T": 1365}


@pytest.mark.parametrize("cut", ["12.5 KB", "12.5 K", "12.5", "12.", "12", "1,234.5 M", "12.5 KB "])
def test_a_size_is_not_taken_for_rows_where_the_line_is_cut(cut: str) -> None:
    assert classify_log(f'{START}. . imported "GIM"."T"     {cut}', "import").rows == {}
