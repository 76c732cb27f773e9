"""Data Pump: logs of several releases and languages, parameter files, names, command lines, states."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.hooks.gg_sample import make_topology

from infomart_dr.errors import CredentialsError, PermanentError, TopologyError
from infomart_dr.hooks import data_pump
from infomart_dr.hooks.data_pump import classify_log
from infomart_dr.topology import Topology
from infomart_lab.datapump.metadata import Selection
from infomart_lab.datapump.parameters import read as lab_read

START = 'Starting "SYSTEM"."GIM_IMP":  SYSTEM/******** parfile=imp.par \n'
BANNER = """
Import: Release 19.0.0.0.0 - Production on Mon Nov 2 17:02:11 2026
Version 19.22.0.0.0

Copyright (c) 1982, 2024, Oracle and/or its affiliates.  All rights reserved.

Connected to: Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production
Master table "SYSTEM"."GIM_IMP" successfully loaded/unloaded
"""
GOOD_11 = 'Job "SYSTEM"."GIM_IMP" successfully completed at 17:02:11\n'
GOOD_12 = 'Job "SYSTEM"."GIM_IMP" successfully completed at Tue Nov 3 17:02:11 2026 elapsed 0 00:12:44\n'


def end(errors: int) -> str:
    return f'Job "SYSTEM"."GIM_IMP" completed with {errors} error(s) at Tue Nov 3 17:02:11 2026 elapsed 1 02:12:44\n'


# -- the end --------------------------------------------------------------------------------------------


def test_success_in_both_wordings() -> None:
    old = classify_log(BANNER + START + GOOD_11, "import")
    new = classify_log(BANNER + START + GOOD_12, "import")
    assert (old.outcome, old.elapsed, old.job) == ("success", None, "SYSTEM.GIM_IMP")
    assert (new.outcome, new.elapsed) == ("success", 764)
    assert data_pump.next_step(new) == "Nothing."


def test_completed_with_errors_keeps_the_reported_number() -> None:
    report = classify_log(START + end(1204).replace("1204", "1,204"), "import")
    assert (report.outcome, report.reported_errors, report.elapsed) == ("completed_with_errors", 1204, 94364)


@pytest.mark.parametrize(
    ("tail", "outcome"),
    [
        ('Job "SYSTEM"."GIM_IMP" stopped due to fatal error at 17:02:11\n', "fatal"),
        ('Job "SYSTEM"."GIM_IMP" stopped due to fatal error at Tue Nov 3 17:02:11 2026 elapsed 0 00:00:01\n', "fatal"),
        (
            'Job "SYSTEM"."GIM_IMP" stopped by user request at Tue Nov 3 17:02:11 2026 elapsed 0 00:00:01\n',
            "unfinished",
        ),
        ("", "unfinished"),
        ('Job "SYSTEM"."GIM_IMP" succ', "unfinished"),
        (GOOD_12 + 'Job "SYSTEM"."GIM_IMP" reopened at Tue Nov 3 18:00:00 2026\n', "unfinished"),
        (GOOD_12 + 'Restarting "SYSTEM"."GIM_IMP":  SYSTEM/******** parfile=imp.par \n', "unfinished"),
        ('Job "SYSTEM"."GIM_IMP" stopped by user request at 17:00:00\n' + START + GOOD_11, "success"),
    ],
)
def test_other_ends(tail: str, outcome: str) -> None:
    assert classify_log(BANNER + START + tail, "import").outcome == outcome


@pytest.mark.parametrize("text", ["", "\n", "garbage", BANNER, START])
def test_a_log_without_an_end_is_unfinished(text: str) -> None:
    report = classify_log(text, "export")
    assert report.outcome == "unfinished"
    assert "DBA_DATAPUMP_JOBS" in data_pump.next_step(report)


@pytest.mark.parametrize(("code", "outcome"), [(0, "success"), (5, "completed_with_errors"), (1, "fatal")])
def test_the_exit_code_decides_where_the_words_are_in_another_language(code: int, outcome: str) -> None:
    text = (
        '"SYSTEM"."GIM_IMP" wird gestartet:  SYSTEM/******** parfile=imp.par \n'
        '. . "GIM"."INTERACTION_FACT"                12,34 MB   50.000 Zeilen importiert\n'
        'Job "SYSTEM"."GIM_IMP" erfolgreich um Di Nov 3 17:02:11 2026 elapsed 0 00:12:44 abgeschlossen\n'
    )
    report = classify_log(text, "import", code)
    assert report.outcome == outcome
    assert report.rows == {"GIM.INTERACTION_FACT": 50000}


CHINESE = '启动 "SYSTEM"."GIM_EXP":  SYSTEM/******** parfile=exp.par \n处理对象类型 SCHEMA_EXPORT/TABLE/TABLE_DATA\n'
FATAL_CHINESE = CHINESE + '作业 "SYSTEM"."GIM_EXP" 因致命错误于 17:02:11 停止\n'


def test_words_of_another_language_are_no_success() -> None:
    report = classify_log(FATAL_CHINESE, "export")
    assert report.outcome == "unclear" and "unknown here" in data_pump.next_step(report)
    assert classify_log(FATAL_CHINESE, "export", 1).outcome == "fatal"
    # Not even with exit code 0, which an attached client has at the end of its input.
    assert classify_log(FATAL_CHINESE, "export", 0).outcome == "unclear"
    assert classify_log(FATAL_CHINESE, "export", 137).outcome == "unclear"
    assert classify_log(CHINESE, "export", 137).outcome == "unfinished"
    assert classify_log(CHINESE, "export", 0).outcome == "unclear"


def test_errors_count_in_another_language_whatever_the_client_has_seen() -> None:
    text = '作业 "SYSTEM"."GIM_IMP" 启动\n{}'
    text += '作业 "SYSTEM"."GIM_IMP" 已于 星期二 17:02:11 2026 elapsed 0 00:12:44 成功完成\n'
    assert classify_log(text.format(""), "import").outcome == "unclear"
    assert classify_log(text.format(""), "import", 0).outcome == "success"
    bad = 'ORA-39083: Objekttyp INDEX:"GIM"."I1" konnte nicht erstellt werden, Fehler:\nORA-01652: x\n'
    report = classify_log(text.format(bad), "import", 0)
    assert (report.outcome, report.missing_indexes) == ("completed_with_errors", ["GIM.I1"])
    report = classify_log(text.format(""), "import", 5)
    assert (report.outcome, report.not_found) == ("completed_with_errors", 1)
    assert "unknown here" in data_pump.next_step(report)


@pytest.mark.parametrize(
    "tail",
    [
        'Job "SYSTEM"."GIM_IMP" erfolgreich um Di Nov 3 17:02:11 2026 elapsed 0 00:12:44 abgeschlossen',
        'L\'exécution de la tâche "SYSTEM"."GIM_IMP" a abouti à Mar. Nov. 3 17:02:11 2026 elapsed 0 00:12:44',
        'ジョブ"SYSTEM"."GIM_IMP"が火 11月 3 17:02:11 2026 elapsed 0 00:12:44で正常に完了しました',
        'El trabajo "SYSTEM"."GIM_IMP" ha terminado correctamente en Mar Nov 3 17:02:11 2026 elapsed 0 00:12:44',
    ],
)
def test_an_end_in_another_language_is_judged_by_the_exit_code(tail: str) -> None:
    text = f'"SYSTEM"."GIM_IMP" x:  SYSTEM/******** parfile=imp.par \r\n{tail}\r\n'
    assert [classify_log(text, "import", code).outcome for code in (0, 5, 1, None)] == [
        "success", "completed_with_errors", "fatal", "unclear",
    ]  # fmt: skip
    assert classify_log(text, "import", 0).elapsed == 764


@pytest.mark.parametrize(
    ("line", "outcome", "errors"),
    [
        ("successfully completed at Tue Nov 3 17:02:11 2026 elapsed 0 00:12:44 with 3 error(s)",
         "completed_with_errors", 3),
        ("completed with 0 error(s) at Tue Nov 3 17:02:11 2026 elapsed 0 00:12:44", None, None),
        ("completed with 1.204 error(s) at 17:02:11", "completed_with_errors", 1204),
        ("completed with 1'204 errors at 17:02:11", "completed_with_errors", 1204),
    ],
)  # fmt: skip
def test_the_number_of_errors_in_every_shape(line: str, outcome: str | None, errors: int | None) -> None:
    report = classify_log(f'{START}Job "SYSTEM"."GIM_IMP" {line}\n', "import", 0)
    assert (report.outcome, report.reported_errors) == (outcome or "success", errors)


@pytest.mark.parametrize(
    "line",
    [
        '. . imported "GIM"."T"    12.5 KB   1,365 rows in 1 seconds using direct_path',
        '. . imported "GIM"."T":"P1"."S1"    12.5 KB     1365 rows',
        '. . "GIM"."T"   12,34 MB   1.365 Zeilen importiert',
        '. . "GIM"."T"   12,34 MB   1\'365 Zeilen importiert',
        '. . import : "GIM"."T"   12,5 Ko   1\u202f365 lignes',
        '. . import : "GIM"."T"   12,5 KB   1\u00a0365 lignes',
        '. . "GIM"."T"                        12.5 KB     1365行がインポートされました',
        '. . 导入了 "GIM"."T"                 12.5 KB    1365 行',
        '03-NOV-26 17:02:13.123: W-2 . . imported "GIM"."T"   12.5 KB     1365 rows in 1 seconds using external_table',
        '03-11月-26 17:02:13.123: W-12 . . "GIM"."T"   12.5 KB     1365行がインポートされました',
        'W-1 . . imported "GIM"."T"   12.5 KB   1365 rows',
    ],
)
def test_rows_in_every_shape(line: str) -> None:
    assert classify_log(f"{START}{line}\r\n{GOOD_12}", "import").rows == {"GIM.T": 1365}


def test_rows_that_were_refused_are_not_counted() -> None:
    text = (
        f'{START}ORA-02374: conversion error loading table "GIM"."T"\nORA-12899: value too large for column LABEL\n'
        f'ORA-02372: data for row: LABEL : 0X\'4D65\'\n. . imported "GIM"."T"  12.5 KB  364 out of 365 rows\n{GOOD_12}'
    )
    report = classify_log(text, "import", 0)
    assert report.rows == {"GIM.T": 364} and report.worst == "data"


def test_errors_that_the_log_does_not_show_are_counted() -> None:
    shown = 'ORA-39082: Object type VIEW:"GIM"."V" created with compilation warnings\n'
    report = classify_log(f"{START}{shown}{end(3)}", "import", 5)
    assert (report.not_found, report.worst) == (2, "review")
    assert classify_log(f"{START}{shown}{end(1)}", "import", 5).not_found == 0


def test_a_wait_that_found_its_space_is_over() -> None:
    wait = "ORA-39171: Job is experiencing a resumable wait.\nORA-01653: unable to extend table GIM.T by 8192\n"
    assert classify_log(f"{START}{wait}{wait}{GOOD_12}", "import").worst == "harmless"
    assert classify_log(f"{START}{wait}", "import").worst == "waiting"
    fatal = 'Job "SYSTEM"."GIM_IMP" stopped due to fatal error at 17:02:11\n'
    assert classify_log(f"{START}{wait}{fatal}", "import").worst == "waiting"
    # The time limit of the wait ended: rows are missing.
    over = 'ORA-31693: Table data object "GIM"."T" failed to load/unload and is being skipped due to error:\n'
    over += "ORA-30032: the suspended (resumable) statement has timed out\nORA-01653: unable to extend table\n"
    assert classify_log(f"{START}{wait}{over}{end(1)}", "import").worst == "data"


# -- rows and files ---------------------------------------------------------------------------------------


def test_rows_bytes_and_dump_files_of_an_export() -> None:
    text = (
        'Starting "SYSTEM"."GIM_EXP":  SYSTEM/******** parfile=exp.par \n'
        "Processing object type SCHEMA_EXPORT/TABLE/TABLE_DATA\n"
        '. . exported "GIM"."INTERACTION_FACT"                    12.5 MB   50000 rows\n'
        '. . exported "GIM"."PARTED":"P1"                         1.5 KB   1,200 rows\n'
        '. . exported "GIM"."PARTED":"P2"."S1"                    1.5 KB       1 rows\n'
        '. . exported "GIM"."EMPTY"                                 0 KB       0 rows\n'
        'Master table "SYSTEM"."GIM_EXP" successfully loaded/unloaded\n'
        "******************************************************************************\n"
        "Dump file set for SYSTEM.GIM_EXP is:\n"
        "  /u01/dump/8F1A2B3C4D5E6F70E0530100007F1234/gim_GIM_EXP_01.dmp\n"
        "  /u01/dump/8F1A2B3C4D5E6F70E0530100007F1234/gim_GIM_EXP_02.dmp\n"
        'Job "SYSTEM"."GIM_EXP" successfully completed at Tue Nov 3 17:02:11 2026 elapsed 0 00:12:44\n'
    )
    report = classify_log(text.replace("\n", "\r\n"), "export", 0)
    assert report.rows == {"GIM.INTERACTION_FACT": 50000, "GIM.PARTED": 1201, "GIM.EMPTY": 0}
    assert report.total_rows == 51201
    assert report.bytes == round(12.5 * 1024**2) + 2 * 1536
    assert [file[-6:] for file in report.dump_files] == ["01.dmp", "02.dmp"]
    assert (report.outcome, report.job, report.errors) == ("success", "SYSTEM.GIM_EXP", [])


def test_lines_with_a_time_in_front_are_read_too() -> None:
    text = (
        '02-NOV-26 17:02:10.123: Starting "SYSTEM"."GIM_IMP":  SYSTEM/******** parfile=x \n'
        '02-NOV-26 17:02:11.123: . . imported "GIM"."A"    8.562 KB     107 rows\n'
        '02-NOV-26 17:02:12.123: ORA-31684: Object type USER:"GIM" already exists\n'
        '02-NOV-26 17:02:13.123: Job "SYSTEM"."GIM_IMP" completed with 1 error(s) at '
        "Mon Nov 2 17:02:13 2026 elapsed 0 00:00:03\n"
    )
    report = classify_log(text, "import")
    assert report.rows == {"GIM.A": 107}
    assert [e.severity for e in report.errors] == ["harmless"]
    assert (report.outcome, report.elapsed) == ("completed_with_errors", 3)


def test_dump_files_in_a_status_block_are_not_the_dump_set() -> None:
    assert (
        classify_log("Job: X\n  Dump File: /u01/dump/a_01.dmp\n    bytes written: 4,096\n", "export").dump_files == []
    )


# -- errors -------------------------------------------------------------------------------------------------

CREATE_INDEX = 'CREATE UNIQUE INDEX "GIM"."I_C_EXTR_HWM_ID" ON "GIM"."CTL_EXTRACT_HWM" ("TABLE_NAME"'
DIRECTORY = "ORA-39002: invalid operation\nORA-39070: Unable to open the log file.\n"


@pytest.mark.parametrize(
    ("text", "severity", "object_type", "name"),
    [
        ('ORA-31684: Object type USER:"GIM" already exists', "harmless", "USER", "GIM"),
        ('ORA-31684: Object type TYPE:"GIM"."T" already exists', "harmless", "TYPE", "GIM.T"),
        ('ORA-31684: Object type PACKAGE_BODY:"GIM"."P" already exists', "harmless", "PACKAGE_BODY", "GIM.P"),
        # An existing sequence keeps its own value.
        ('ORA-31684: Object type SEQUENCE:"GIM"."S" already exists', "data", "SEQUENCE", "GIM.S"),
        ('ORA-31684: Object type TABLE:"GIM"."T" already exists', "data", "TABLE", "GIM.T"),
        (
            'ORA-39083: Object type INDEX:"GIM"."I1" failed to create with error:\nORA-01652: unable to extend\n\n'
            'Failing sql is:\nCREATE INDEX "GIM"."I1" ON "GIM"."T" ("A")',
            "index",
            "INDEX",
            "GIM.I1",
        ),
        (
            "ORA-39083: Object type INDEX failed to create with error:\nORA-14102: only one LOGGING or NOLOGGING clause"
            f" may be specified\nFailing sql is:\n{CREATE_INDEX}",
            "index",
            "INDEX",
            "GIM.I_C_EXTR_HWM_ID",
        ),
        # 11.2 with the statement cut off before the name
        (
            "ORA-39083: Object type INDEX failed to create with error:\nORA-01658: unable to create INITIAL extent\n"
            "Failing sql is:\nCREATE UNI",
            "index",
            "INDEX",
            None,
        ),
        ("ORA-39083: Object type\nORA-14102: only one LOGGING", "index", None, None),
        (
            'ORA-39083: Object type TABLE:"GIM"."T" failed to create with error:\nORA-01658: unable to create INITIAL',
            "data",
            "TABLE",
            "GIM.T",
        ),
        (
            'ORA-39083: Object type CONSTRAINT failed to create with error:\nORA-02264: name already used\nFailing sql'
            ' is:\nALTER TABLE "GIM"."T" ADD CONSTRAINT "PK_T" PRIMARY KEY ("A")',
            "object",
            "CONSTRAINT",
            "GIM.PK_T",
        ),
        (
            'ORA-39083: Object type REF_CONSTRAINT:"GIM"."FK" failed to create with error:\nORA-02270: no matching',
            "object",
            "REF_CONSTRAINT",
            "GIM.FK",
        ),
        (
            'ORA-39083: Object type TRIGGER:"GIM"."TR" failed to create with error:\nORA-00942: table or view',
            "review",
            "TRIGGER",
            "GIM.TR",
        ),
        ("ORA-39083: Object type OBJECT_GRANT failed to create\nORA-01917: user", "review", "OBJECT_GRANT", None),
        ("ORA-39083: Objekttyp OBJECT_GRANT nicht erstellt\nORA-01917: x", "review", "OBJECT_GRANT", None),
        ('ORA-39083: オブジェクト型OBJECT_GRANTの作成に失敗しました\nORA-01917: x', "review", "OBJECT_GRANT", None),
        ("ORA-39083: Object type ROLE_GRANT failed to create with error:\nORA-01919: role 'R'", "review", "ROLE_GRANT",
         None),
        ("ORA-39083: Object type OBJECT GRANT failed to create with error:\nORA-01917: x", "review", "OBJECT_GRANT",
         None),
        ('ORA-39083: Object type DATABASE LINK:"GIM"."L" failed to create\nORA-02011: x', "review", "DB_LINK", "GIM.L"),
        ("ORA-39083: Object type PROCACT_SCHEMA failed\nORA-01403: no data found", "review", "PROCACT_SCHEMA", None),
        ('ORA-39083: Object type MATERIALIZED VIEW:"GIM"."M" failed\nORA-1: x', "data", "MATERIALIZED_VIEW", "GIM.M"),
        ('ORA-39346: data loss in character set conversion for object COMMENT:"GIM"."T"', "review", "COMMENT", "GIM.T"),
        ('ORA-39346: data loss in character set conversion for object TABLE:"GIM"."T"', "object", "TABLE", "GIM.T"),
        ("ORA-39126: Worker unexpected fatal error in KUPW$WORKER.STATS_LOAD [MARKER] MARKER\n"
         'ORA-06512: at "SYS.DBMS_SYS_ERROR", line 95', "review", "MARKER", None),
        ("ORA-39126: Worker unexpected fatal error in KUPW$WORKER.PUT_DDLS [TABLE/INDEX/STATISTICS/INDEX_STATISTICS]",
         "review", "INDEX_STATISTICS", None),
        ('ORA-39126: Worker unexpected fatal error in KUPW$WORKER.LOAD_DATA [TABLE_DATA:"GIM"."T"]', "data",
         "TABLE_DATA", "GIM.T"),
        ("ORA-39126: Worker unexpected fatal error in KUPW$WORKER.PREPARE_DATA_IMP [71]", "fatal", None, None),
        ("ORA-39127: unexpected error from call to export_string :=DBMS_CUBE_EXP.schema_info_exp('GIM',1)", "review",
         None, None),
        ("ORA-39083: Object type INDEX_STATISTICS failed\nORA-01403", "harmless", "INDEX_STATISTICS", None),
        ('ORA-39083: Object type SEQUENCE:"GIM"."S" failed\nORA-01031', "data", "SEQUENCE", "GIM.S"),
        (
            'ORA-31693: Table data object "GIM"."T":"P1" failed to load/unload and is being skipped due to error:\n'
            "ORA-02354: error in exporting/importing data\nORA-01555: snapshot too old: rollback segment",
            "data",
            None,
            "GIM.T",
        ),
        ('ORA-39151: Table "GIM"."T" exists. All dependent metadata and data will be skipped', "data", None, "GIM.T"),
        ('ORA-39082: Object type VIEW:"GIM"."V" created with compilation warnings', "review", "VIEW", "GIM.V"),
        ('ORA-39082: Object type PACKAGE BODY:"GIM"."P" created with compilation warnings', "review", "PACKAGE_BODY",
         "GIM.P"),
        ('ORA-39111: Dependent object type OBJECT_GRANT:"GIM" skipped, base', "harmless", "OBJECT_GRANT", "GIM"),
        ('ORA-39112: Dependent object type INDEX:"GIM"."I" skipped, base TABLE:"GIM"."T"', "index", "INDEX", "GIM.I"),
        (f"{DIRECTORY}ORA-39087: directory name GIM_DUMP is invalid", "fatal", None, None),
        (f"{DIRECTORY}ORA-29283: invalid\nORA-06512: at \"SYS.UTL_FILE\", line 536", "fatal", None, None),
        ("ORA-31626: job does not exist\nORA-31633: unable to create master table \"SYSTEM.X\"", "fatal", None, None),
        ("ORA-39001: invalid argument value\nORA-39000: bad\nORA-31640: unable to open dump file", "fatal", None, None),
        ("ORA-99999: nobody knows", "data", None, None),
    ],
)  # fmt: skip
def test_an_error_is_classified_by_its_codes_and_object(
    text: str, severity: str, object_type: str | None, name: str | None
) -> None:
    report = classify_log(f"{START}{text}\n{end(1)}", "import")
    assert len(report.errors) == 1
    error = report.errors[0]
    assert (error.severity, error.object_type) == (severity, object_type)
    assert error.object_name == name
    assert report.outcome == "completed_with_errors"


def test_errors_in_a_row_are_reports_of_their_own() -> None:
    text = (
        f'{START}ORA-31684: Object type USER:"GIM" already exists\n'
        'ORA-31684: Object type SEQUENCE:"GIM"."S1" already exists\n'
        "Processing object type SCHEMA_EXPORT/TABLE/INDEX/INDEX\n"
        "ORA-39083: Object type INDEX failed to create with error:\n"
        "ORA-01652: unable to extend temp segment by 128 in tablespace GIM_IDX\n"
        'Failing sql is:\nCREATE INDEX "GIM"."I1" ON "GIM"."T" ("A")\n  PCTFREE 10\n'
        'ORA-39083: Object type INDEX:"GIM"."I2" failed to create with error:\n'
        "ORA-00955: name is already used by an existing object\n"
        '. . imported "GIM"."T"    1 KB   7 rows\n'
        f"{end(4)}"
    )
    report = classify_log(text, "import", 5)
    assert [(e.code, e.severity, e.object_name) for e in report.errors] == [
        ("ORA-31684", "harmless", "GIM"),
        ("ORA-31684", "data", "GIM.S1"),
        ("ORA-39083", "index", "GIM.I1"),
        ("ORA-39083", "index", "GIM.I2"),
    ]
    assert report.missing_indexes == ["GIM.I1", "GIM.I2"]
    assert report.worst == "data"
    assert report.rows == {"GIM.T": 7}
    assert report.errors[2].codes == ("ORA-39083", "ORA-01652")


def test_the_directorys_messages_are_one_report_with_the_right_advice() -> None:
    text = f'{DIRECTORY}ORA-29283: invalid file operation\nORA-06512: at "SYS.UTL_FILE", line 536\n'
    report = classify_log(text, "export", 1)
    assert len(report.errors) == 1
    assert report.outcome == "fatal"
    assert "directory object" in data_pump.next_step(report)


@pytest.mark.parametrize(
    ("text", "exit_code", "word"),
    [
        ("UDE-01017: operation generated ORACLE error\nORA-01017: invalid username/password", 1, "password"),
        ("UDI-31626: operation generated ORACLE error\nORA-31626: job does not exist\nORA-39086: cannot", 1, "quota"),
        ("ORA-39171: Job is experiencing a resumable wait.\nORA-01653: unable to extend", None, "space"),
        (f"{START}ORA-31693: \"GIM\".\"T\"\nORA-02354\nORA-01555: x\n{end(1)}", 5, "undo_retention"),
        (f"{START}ORA-39083: Object type INDEX:\"GIM\".\"I\" failed\nORA-14102: x\n{end(1)}", 5, "8795792"),
        (f"{START}ORA-31693: \"GIM\".\"T\"\nORA-02354: x\nORA-01466: x\n{end(1)}", 5, "no DDL and no GRANT"),
        (f"{START}ORA-31693: \"GIM\".\"T\"\nORA-31617: x\nORA-27037: x\n{end(1)}", 5, "ORACLE_SID"),
        (f"{START}ORA-39083: Object type OBJECT_GRANT failed\nORA-01917: x\n{end(1)}", 5, "No row is missing"),
        ("LRM-00101: unknown parameter name 'DUMPFIL'", 1, "Correct the cause"),
        ("", 1, "Correct the cause"),
    ],
)  # fmt: skip
def test_next_steps_name_what_to_do(text: str, exit_code: int | None, word: str) -> None:
    assert word in data_pump.next_step(classify_log(text, "import", exit_code))


def test_a_job_that_waits_for_space_is_no_success() -> None:
    report = classify_log(
        f"{START}ORA-39171: Job is experiencing a resumable wait.\nORA-01653: unable to extend\n", "import"
    )
    assert (report.outcome, report.worst) == ("unfinished", "waiting")


def test_each_severity_has_a_next_step() -> None:
    for severity in ("harmless", "review", "object", "index", "waiting", "data", "fatal"):
        assert data_pump.NEXT_STEPS[severity]


# -- status ---------------------------------------------------------------------------------------------------

STATUS = """
Job: GIM_EXP
  Operation: EXPORT
  Mode: SCHEMA
  State: EXECUTING
  Bytes Processed: {bytes}
{percent}  Current Parallelism: 2
  Job Error Count: 0
  Dump File: /u01/dump/gim_01.dmp
    bytes written: 4,096

Worker 1 Status:
  Process Name: DW00
  State: EXECUTING
  Object Schema: GIM
  Object Name: INTERACTION_FACT
  Object Type: SCHEMA_EXPORT/TABLE/TABLE_DATA
"""


def test_percent_is_that_of_the_last_block() -> None:
    text = STATUS.format(bytes="10", percent="  Percent Done: 12\n") + STATUS.format(
        bytes="20", percent="  Percent Done: 45\n"
    )
    assert data_pump.percent_done(text) == 45
    line = data_pump.progress_line(text + '. . exported "GIM"."A"   1 KB   7 rows\n')
    assert line == "45 % done, 20 bytes, at GIM.INTERACTION_FACT, 1 tables, last GIM.A"


def test_percent_is_unknown_while_no_bytes_are_processed() -> None:
    text = STATUS.format(bytes="10", percent="  Percent Done: 12\n") + STATUS.format(bytes="0", percent="")
    assert data_pump.percent_done(text) is None
    assert (data_pump.progress_line(text) or "").startswith("no percentage yet")


@pytest.mark.parametrize(
    ("percent", "value"),
    [("99.87", 99.87), ("7,5", 7.5), ("100", 100.0), ("unknown", None)],
)
def test_percent_shapes(percent: str, value: float | None) -> None:
    assert data_pump.percent_done(STATUS.format(bytes="1,234,567", percent=f"  Percent Done: {percent}\n")) == value


@pytest.mark.parametrize("text", ["", "nothing", "Starting job"])
def test_no_status_is_no_progress(text: str) -> None:
    assert data_pump.percent_done(text) is None
    assert data_pump.progress_line(text) is None


# -- names and parameter files ------------------------------------------------------------------------------


def test_a_job_name_depends_on_prefix_and_run_only_and_is_short_enough() -> None:
    one = data_pump.job_name("GIM_EXP", "manual__2026-11-02T10:17:00")
    assert one == data_pump.job_name("gim_exp", "manual__2026-11-02T10:17:00")
    assert one != data_pump.job_name("GIM_EXP", "manual__2026-11-02T10:17:01")
    assert one.startswith("GIM_EXP_")
    for prefix in ("GIM_EXP", "x" * 80, "", "1-2'3", "ä"):
        name = data_pump.job_name(prefix, "run")
        assert len(name) <= 30
        assert data_pump.IDENTIFIER.fullmatch(name)


def topology(database_release: str = "19.0") -> Topology:
    made = make_topology()
    database = made.site("site2").database.model_copy(update={"release": database_release})
    site = made.site("site2").model_copy(update={"database": database})
    return made.model_copy(update={"sites": {**made.sites, "site2": site}})


@pytest.mark.parametrize(("release", "wildcard"), [("11.2", "%U"), ("12.1", "%U"), ("12.2", "%L"), ("19.0", "%L")])
def test_export_parameters_are_complete_and_valid(release: str, wildcard: str) -> None:
    made = topology(release)
    text = data_pump.export_parameters(made, made.site("site2"), 1440415, "GIM_EXP_1")
    _, job = lab_read("EXPORT", ["SYSTEM", "parfile=x"], release="11.2", read_file=lambda path: text)
    assert job.flashback_scn == 1440415
    assert (job.schemas, job.directory, job.job_name) == (["GIM"], "GIM_DUMP", "GIM_EXP_1")
    assert job.dumpfile == [f"gim_GIM_EXP_1_{wildcard}.dmp"]
    assert (job.filesize, job.parallel, job.status) == (2 * 1024**3, 2, 10)
    assert (job.logfile, job.reuse_dumpfiles) == ("GIM_EXP_1.log", True)
    assert [each.object_type for each in job.exclude] == ["STATISTICS"] and not job.cluster


def test_an_export_for_an_older_target_names_its_release() -> None:
    made = topology()
    texts = [
        data_pump.export_parameters(made, made.site("site2"), 1440415, "GIM_EXP_1", version_of_target=version)
        for version in (None, "12.2.0")
    ]
    assert ["VERSION=12.2.0" in text.splitlines() for text in texts] == [False, True]
    assert "VERSION" not in texts[0]


def test_import_parameters_read_the_named_files_and_replace() -> None:
    made = topology()
    files = ["gim_GIM_EXP_1_01.dmp", "gim_GIM_EXP_1_02.dmp"]
    text = data_pump.import_parameters(made, made.site("site2"), files, "GIM_IMP_1", directory="OTHER_DIR")
    _, job = lab_read("IMPORT", ["SYSTEM", "parfile=x"], release="11.2", read_file=lambda path: text)
    assert (job.dumpfile, job.directory, job.table_exists_action) == (files, "OTHER_DIR", "REPLACE")
    assert job.flashback_scn is None and not job.cluster
    # An enabled job would run beside the source's.
    assert {each.object_type for each in job.exclude} == {"JOB", "PROCOBJ"}
    assert "DUMPFIL=" not in text


@pytest.mark.parametrize(("count", "others"), [(1, False), (51, False), (120, False), (2000, True)])
def test_index_parameters_select_every_missing_index(count: int, others: bool) -> None:
    """Filters of one type must all hold: two lists of names would select nothing."""
    made = topology()
    names = [f"I_{number:06}" for number in range(count)]
    text = data_pump.index_parameters(made, made.site("site2"), ["a_01.dmp"], "GIM_IDX_1", names)
    assert max(len(line) for line in text.splitlines()) < 4000
    _, job = lab_read("IMPORT", ["SYSTEM", "parfile=x"], release="11.2", read_file=lambda path: text)
    selected = Selection(["GIM"], [], job.include, job.exclude)
    assert all(selected.takes("INDEX", "gim", name, "t") for name in names)
    # More names than a filter holds: all indexes are imported, and existing ones are refused harmlessly.
    assert selected.takes("INDEX", "gim", "I_OTHER", "t") is others
    assert not selected.takes("CONSTRAINT", "gim", names[0], "t") and not selected.takes("TABLE_DATA", "gim", "t", "t")
    assert job.table_exists_action is None and not job.cluster


@pytest.mark.parametrize("scn", [0, -1, True, "1440415", None])
def test_an_scn_that_is_no_positive_number_is_refused(scn: Any) -> None:
    made = topology()
    with pytest.raises(PermanentError, match="SCN"):
        data_pump.export_parameters(made, made.site("site2"), scn, "GIM_EXP_1")


@pytest.mark.parametrize("name", ["../x.dmp", "a b.dmp", "a,b.dmp", "/u01/a.dmp", "", "a\nSQLFILE=x"])
def test_a_dump_file_with_a_folder_or_a_sign_is_refused(name: str) -> None:
    made = topology()
    with pytest.raises(PermanentError):
        data_pump.import_parameters(made, made.site("site2"), [name], "GIM_IMP_1")


def test_no_files_no_indexes_and_foreign_names_are_refused() -> None:
    made = topology()
    site = made.site("site2")
    with pytest.raises(PermanentError):
        data_pump.import_parameters(made, site, [], "GIM_IMP_1")
    with pytest.raises(PermanentError):
        data_pump.index_parameters(made, site, ["a.dmp"], "GIM_IDX_1", [])
    with pytest.raises(PermanentError):
        data_pump.index_parameters(made, site, ["a.dmp"], "GIM_IDX_1", ["I1') OR ('1"])
    with pytest.raises(PermanentError):
        data_pump.export_parameters(made, site, 5, "lower case")


# -- the hook -------------------------------------------------------------------------------------------------


class FakeOracle:
    def __init__(self, rows: list[dict[str, Any]], login: str | None = "system", password: str | None = "pw 1") -> None:
        self.rows, self.login, self.password = rows, login, password
        self.binds: dict[str, Any] = {}

    def get_connection(self, conn_id: str) -> Any:
        assert conn_id == "site2_dba"
        return SimpleNamespace(login=self.login, password=self.password, host="db2", port=None)

    def select(self, name: str, identifiers: dict[str, str] | None = None, **binds: Any) -> list[dict[str, Any]]:
        assert name == "datapump_job"
        self.binds = binds
        return self.rows


def pump(oracle: FakeOracle, **environment: str) -> data_pump.DataPump:
    site = topology().site("site2")
    database = site.database.model_copy(update={"environment": environment})
    return data_pump.DataPump(None, site.model_copy(update={"database": database}), oracle)  # type: ignore[arg-type]


def test_command_lines_have_no_password() -> None:
    made = pump(FakeOracle([]))
    home = made.site.database.oracle_home
    logon = "SYSTEM@//db2:1521/GIM2"
    assert made.command("expdp", "/x/exp.par") == [f"{home}/bin/expdp", logon, "parfile=/x/exp.par"]
    assert f"| {home}/bin/impdp {logon} attach=SYSTEM.GIM_IMP_1" in made.attach_command("impdp", "GIM_IMP_1")
    assert made.password_input() == "pw 1\n"
    assert made.continue_input() == "pw 1\nCONTINUE_CLIENT\n"
    assert made.continue_input(start=True) == "pw 1\nSTART_JOB\nCONTINUE_CLIENT\n"
    assert made.environment["NLS_LANG"] == "AMERICAN_AMERICA.AL32UTF8"


def settings(**values: Any) -> data_pump.DataPump:
    made = pump(FakeOracle([], password="p@ss"))
    wanted = made.site.database.data_pump.model_copy(update=values)
    made.site = made.site.model_copy(update={"database": made.site.database.model_copy(update={"data_pump": wanted})})
    return made


def test_programs_and_connect_text_are_the_topologys_where_it_names_them() -> None:
    made = settings(expdp="/opt/expdp", connect="GIM2_DP")
    assert made.command("expdp", "x") == ["/opt/expdp", "SYSTEM@GIM2_DP", "parfile=x"]


def test_with_a_wallet_no_password_is_sent_and_an_attached_client_gets_its_commands_at_once() -> None:
    made = settings(wallet=True, connect="GIM2_DP")
    assert made.logon == "/@GIM2_DP"
    assert (made.password_input(), made.continue_input(start=True)) == ("", "START_JOB\nCONTINUE_CLIENT\n")
    assert made.attach_command("impdp", "J").startswith("exec ")


@pytest.mark.parametrize("password", ["s3@cret", "s3/cret", 's3"cret', " s3cret", "s3cret "])
def test_a_password_that_a_prompt_may_misread_is_refused_with_the_wallet_as_the_way(password: str) -> None:
    with pytest.raises(CredentialsError, match="connect string") as error:
        pump(FakeOracle([], "system", password)).password_input()
    assert "wallet" in error.value.next_step and password not in error.value.what


@pytest.mark.parametrize("start", [True, False])
def test_the_commands_of_an_attached_client_come_after_its_prompt_has_read_the_password(
    start: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This client reads all waiting input with its password, as a real prompt may."""
    monkeypatch.setattr(data_pump, "PROMPT_SECONDS", 1)
    client = tmp_path / "bin" / "impdp"
    client.parent.mkdir()
    client.write_text(
        f"#!{sys.executable}\nimport os, sys\nprint(repr(os.read(0, 65536)), repr(sys.stdin.read()))\nsys.exit(5)\n"
    )
    client.chmod(0o755)
    made = pump(FakeOracle([]))
    made.site = made.site.model_copy(
        update={"database": made.site.database.model_copy(update={"oracle_home": str(tmp_path)})}
    )
    done = subprocess.run(
        ["/bin/sh", "-c", made.attach_command("impdp", "J")],
        input=made.continue_input(start=start),
        capture_output=True,
        text=True,
        timeout=20,
    )
    commands = ("START_JOB\\n" if start else "") + "CONTINUE_CLIENT\\n"
    assert done.stdout.strip() == f"b'pw 1\\n' '{commands}'"
    assert done.returncode == 5


def test_with_an_oracle_sid_the_local_instance_is_used() -> None:
    assert pump(FakeOracle([]), ORACLE_SID="GIM2").logon == "SYSTEM"


@pytest.mark.parametrize(("login", "password"), [(None, "x"), ("a b", "x"), ("system/x", "x")])
def test_a_login_that_is_no_name_is_refused(login: str | None, password: str) -> None:
    with pytest.raises(TopologyError):
        pump(FakeOracle([], login, password)).command("expdp", "x")


@pytest.mark.parametrize("password", [None, "", "a\nb"])
def test_a_missing_password_and_one_with_a_line_break_are_refused(password: str | None) -> None:
    with pytest.raises(CredentialsError) as error:
        pump(FakeOracle([], "system", password)).password_input()
    assert "a\nb" not in str(error.value)


@pytest.mark.parametrize(
    ("state", "active", "startable"),
    [
        ("EXECUTING", True, False),
        ("DEFINING", True, False),
        ("IDLING", True, True),
        ("NOT RUNNING", False, True),
        ("STOPPING", False, False),
    ],
)
def test_the_state_of_a_job(state: str, active: bool, startable: bool) -> None:
    oracle = FakeOracle(
        [{"owner_name": "SYSTEM", "job_name": "J", "operation": "EXPORT ", "state": state, "attached_sessions": None}]
    )
    found = pump(oracle).job("J")
    assert found is not None
    assert (found.active, found.startable, found.attached_sessions, found.operation) == (active, startable, 0, "EXPORT")
    assert oracle.binds == {"owner": "SYSTEM", "job_name": "J"}


def test_a_job_that_is_not_there_is_none() -> None:
    assert pump(FakeOracle([])).job("J") is None
