"""ggsci: replies in old and new wording, logins without a readable secret, actions that check before and after."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.hooks.gg_sample import ENCRYPTED, FROM_ROOT, Call, Completed, FakeHost, FakeJob, make_topology

from infomart_dr.errors import (
    CredentialsError,
    GuardError,
    PermanentError,
    RemoteCommandError,
    TransientError,
    UnexpectedReplyError,
    UnreachableError,
)
from infomart_dr.hooks import parse_ggsci as parse
from infomart_dr.hooks.ggsci import Ggsci

BANNER = """
Oracle GoldenGate Command Interpreter for Oracle
Version 19.1.0.0.4 OGGCORE_19.1.0.0.0_PLATFORMS_191017.1054_FBO
Linux, x64, 64bit (optimized), Oracle 19c on Oct 17 2019 21:16:29

Copyright (C) 1995, 2019, Oracle and/or its affiliates. All rights reserved.



"""
LOGGED_IN = "Successfully logged into database."


def output(*replies: str, user: str = "") -> str:
    """ggsci's output for commands with these replies, then EXIT."""
    who = "db3"
    text = BANNER
    for number, reply in enumerate(replies, 1):
        text += f"GGSCI ({who}) {number}> \n{reply}\n\n"
        if reply.startswith(LOGGED_IN):
            who = f"db3 as {user or 'ggate@GIM3'}"
    return f"{text}GGSCI ({who}) {len(replies) + 1}> \n"


# -- parsers: the conversation -----------------------------------------------------------------------


def test_replies_drop_banner_and_prompts() -> None:
    assert parse.replies(output(LOGGED_IN, "EXTRACT added.")) == [LOGGED_IN, "EXTRACT added.", ""]


@pytest.mark.parametrize(
    ("text", "release"),
    [
        (BANNER, "19.1.0.0.4"),
        ("Oracle GoldenGate Command Interpreter for Oracle\nVersion 11.2.1.0.1 OGGCORE_11.2.1.0.1", "11.2.1.0.1"),
        ("ggsci: error while loading shared libraries: libnnz19.so", None),
        ("", None),
    ],
)
def test_the_release_stands_in_the_banner(text: str, release: str | None) -> None:
    assert parse.parse_release(text) == release


def test_replies_take_windows_line_ends_and_the_adminclients_prompt() -> None:
    text = "Welcome\r\nOGG (https://h:9011 dep) 1> Manager started.\r\nOGG (https://h:9011 dep as u@db) 2> x\r\n"
    assert parse.replies(text) == ["Manager started.", "x"]


def test_replies_without_prompts_are_one() -> None:
    assert parse.replies("EXTRACT added.\n") == ["EXTRACT added."]


@pytest.mark.parametrize(
    ("line", "is_error"),
    [
        ("ERROR: EXTRACT EGIM already exists.", True),
        ("2026-11-02 10:20:25  ERROR   OGG-08241  This EXTRACT EGIM is already registered.", True),
        ("2026-11-02T10:20:25.533+0330  ERROR   OGG-02022  Logmining server does not exist.", True),
        ("OCI Error ORA-01017: invalid username/password; logon denied (status = 1017)", True),
        ("ERROR: Invalid command.", True),
        ("Invalid command.", True),
        ("2026-11-02 10:20:25  WARNING OGG-01423  No valid default archive log destination.", False),
        ("2026-11-02 10:20:25  INFO    OGG-02003  Extract EGIM successfully registered", False),
        ("Total errors                 0.00", False),
        ("REPLICAT RGIM starting", False),
    ],
)
def test_error_lines(line: str, is_error: bool) -> None:
    assert bool(parse.error_lines(f"first\n{line}\nlast")) is is_error


# -- parsers: INFO ALL --------------------------------------------------------------------------------

INFO_ALL = """
Program     Status      Group       Lag at Chkpt  Time Since Chkpt

MANAGER     RUNNING
EXTRACT     RUNNING     EGIM        00:00:02      00:00:05
EXTRACT     STARTING    PGIM        842:45:01     00:00:00
REPLICAT    ABENDED     RGIM        00:00:06      16:05:24
"""


def test_info_all_gives_manager_and_groups() -> None:
    found = parse.parse_info_all(INFO_ALL)
    assert [(p.program, p.status, p.group, p.lag, p.since_checkpoint) for p in found] == [
        ("MANAGER", "RUNNING", None, None, None),
        ("EXTRACT", "RUNNING", "EGIM", 2, 5),
        ("EXTRACT", "STARTING", "PGIM", 3033901, 0),
        ("REPLICAT", "ABENDED", "RGIM", 6, 57924),
    ]


def test_info_all_takes_the_type_column_of_21c() -> None:
    text = """Program     Status      Group       Type             Lag at Chkpt  Time Since Chkpt
MANAGER     STOPPED
EXTRACT     RUNNING     EGIM        INTEGRATED       00:00:02      00:00:05
REPLICAT    STOPPED     RGIM        PARALLEL NONINT  unknown       00:05:24"""
    extract, replicat = parse.parse_info_all(text)[1:]
    assert (extract.type, extract.lag) == ("INTEGRATED", 2)
    assert (replicat.type, replicat.lag, replicat.since_checkpoint) == ("PARALLEL NONINT", None, 324)


def test_info_all_takes_microservices_lower_case_and_a_cut_line() -> None:
    found = parse.parse_info_all("ADMINSRVR   RUNNING\nmanager running\nextract  running  egim  00:00:01\nREPLICAT")
    assert [(p.program, p.group, p.lag) for p in found] == [
        ("ADMINSRVR", None, None),
        ("MANAGER", None, None),
        ("EXTRACT", "EGIM", 1),
    ]


@pytest.mark.parametrize("text", ["", "No groups", "Program     Status      Group"])
def test_info_all_without_groups_is_empty(text: str) -> None:
    assert parse.parse_info_all(text) == []


# -- parsers: INFO group --------------------------------------------------------------------------------

EXTRACT = """EXTRACT    EGIM      Last Started 2026-11-02 10:20   Status RUNNING
Checkpoint Lag       00:00:00 (updated 00:00:07 ago)
Process ID           12345
Log Read Checkpoint  Oracle Integrated Redo Logs
                     2026-11-02 10:21:07
                     SCN 2.1440415 (8591375007)
"""
REPLICAT = """REPLICAT   RGIM      Initialized   2026-11-02 10:17   Status STOPPED
Checkpoint Lag       00:00:00 (updated 00:01:07 ago)
Log Read Checkpoint  File ./dirdat/dp000000000
                     First Record  RBA 0
"""


def test_info_of_an_extract() -> None:
    info = parse.parse_info_group(EXTRACT)
    assert info is not None
    assert (info.kind, info.name, info.status, info.initialized) == ("EXTRACT", "EGIM", "RUNNING", False)
    assert (info.lag, info.updated_ago, info.scn, info.trail) == (0, 7, 8591375007, None)
    assert info.since == datetime(2026, 11, 2, 10, 20)
    assert info.position_time == datetime(2026, 11, 2, 10, 21, 7)


def test_info_of_a_replicat_that_was_never_started() -> None:
    info = parse.parse_info_group(REPLICAT)
    assert info is not None
    assert (info.initialized, info.rba, info.scn) == (True, 0, None)


def test_info_of_a_replicat_that_has_read() -> None:
    info = parse.parse_info_group(
        "REPLICAT   RGIM      Last Started 2026-11-02 10:20   Status RUNNING\nINTEGRATED\n"
        "Checkpoint Lag       842:45:01 (updated 00:00:07 ago)\n"
        "Log Read Checkpoint  File ./dirdat/dp000000003\n"
        "                     2026-11-02 10:21:07.568260  RBA 519123\n"
    )
    assert info is not None
    assert (info.mode, info.lag, info.trail, info.rba) == ("INTEGRATED", 3033901, "./dirdat/dp000000003", 519123)
    assert info.position_time == datetime(2026, 11, 2, 10, 21, 7, 568260)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("extract  egim  last started 2026-11-02 10:20:11  status abended", "ABENDED"),
        ("EXTRACT EGIM (Integrated) Last Started 2026-11-02 10:20 Status STARTING\nLag unknown", "STARTING"),
        ("REPLICAT   RGIM   Initialized 2026-11-02   Status STOPPED", "STOPPED"),
    ],
)
def test_info_with_missing_lines_gives_what_is_there(text: str, status: str) -> None:
    info = parse.parse_info_group(text)
    assert info is not None
    assert (info.status, info.lag, info.scn, info.rba) == (status, None, None, None)


@pytest.mark.parametrize("text", ["", "ERROR: EXTRACT EGIM does not exist.", "EXTRACT EGIM Last Star"])
def test_info_without_a_status_is_none(text: str) -> None:
    assert parse.parse_info_group(text) is None


@pytest.mark.parametrize(
    ("text", "scn"),
    [
        ("SCN 0.1440415 (1440415)", 1440415),
        ("SCN 3.7 (12884901895)", 12884901895),
        ("SCN 3.7", 12884901895),
        ("SCN: 1440415", 1440415),
        ("scn 0.1 (1) ... SCN 0.2 (2)", 2),
        ("no position", None),
    ],
)
def test_scn(text: str, scn: int | None) -> None:
    assert parse.parse_scn(text) == scn


def test_applied_csn_of_showch_and_detail() -> None:
    showch = "CSN state information:\n  CRC: 24-5C\n  Latest CSN: 1440420\n  Latest CSN of finished TXNs: 1440415\n"
    assert parse.parse_showch(showch).applied_csn == 1440415
    assert parse.parse_showch("Last Committed Transaction CSN value: 1872060").applied_csn == 1872060
    assert parse.parse_showch("Latest CSN: Not Available").applied_csn is None
    integrated = parse.parse_showch(
        "Low Watermark CSN value: 100\nHigh Watermark CSN value: 140\nLatest CSN of finished TXNs: 130"
    )
    # The low watermark is proven: between the two, some transactions are not applied yet.
    assert (integrated.applied_csn, integrated.high_watermark) == (100, 140)


def test_trails() -> None:
    text = """
       Extract Trail: ./dirdat/em
        Seqno Length: 9
   Flip Seqno Length: no
             Extract: EGIM
               Seqno: 3
                 RBA: 1234
           File Size: 2000M

       Extract Trail: ./dirdat/dp
             Extract: PGIM
"""
    one, two = parse.parse_trails(text)
    assert (one.trail, one.extract, one.sequence, one.rba) == ("./dirdat/em", "EGIM", 3, 1234)
    assert (two.trail, two.extract, two.sequence) == ("./dirdat/dp", "PGIM", None)
    assert parse.parse_trails("ERROR: No trails found.") == []


@pytest.mark.parametrize(
    ("text", "running"),
    [
        ("Manager is running (IP port db3.7809, Process ID 4711).", True),
        ("MGR is already running.", True),
        ("Manager is DOWN!", False),
        ("ERROR: Manager not currently running.", False),
        ("Manager is not running.", False),
        ("?", None),
    ],
)
def test_manager(text: str, running: bool | None) -> None:
    assert parse.parse_manager(text) is running


# -- parsers: lag, statistics, logging, log ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds", "at_eof"),
    [
        ("Last record lag: 23 seconds.\nAt EOF, no more records to process.", 23, True),
        ("Last record lag 1,218 seconds.", 1218, False),
        ("Last record lag 1.218.304 seconds.", 1218304, False),
        ("last record lag 12 345 seconds", 12345, False),
        ("Last record lag 7 seconds.\nat eof, no more records to process", 7, True),
        ("Last record lag 842:45:01.", 3033901, False),
        ("Lag unknown (timestamp mismatch between source and target).", None, False),
        ("No records yet processed.\nAt EOF, no more records to process", None, True),
        ("Sending GETLAG request to REPLICAT RGIM ...", None, False),
        ("", None, False),
    ],
)
def test_lag(text: str, seconds: int | None, at_eof: bool) -> None:
    found = parse.parse_lag(f"Sending GETLAG request to REPLICAT RGIM ...\n{text}")
    assert (found.seconds, found.at_eof) == (seconds, at_eof)


@pytest.mark.parametrize(
    ("text", "at_end", "timed_out", "recovering"),
    [
        (
            "  Current status: At EOF\n  Sequence #: 2\n  RBA #: 900\n  0 records in current transaction",
            True,
            False,
            False,
        ),
        ("Current status: Processing data\nSequence #: 2", False, False, False),
        ("Current status: Performing transaction timeout recovery\nSequence #: 2", False, False, True),
        ("  Current status: Waiting for data at logical EOF after transaction timeout recovery\n", True, True, False),
        ("Status: At end of file, no more records to process", True, False, False),
        ("", False, False, False),
    ],
)
def test_the_state_of_a_replicat(text: str, at_end: bool, timed_out: bool, recovering: bool) -> None:
    found = parse.parse_replicat_state(f"Sending STATUS request to REPLICAT RGIM ...\n\n{text}")
    assert (found.at_end, found.timed_out, found.recovering) == (at_end, timed_out, recovering)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (
            "2026-12-01 03:00:00  ERROR   OGG-01184  Expected 4 bytes, but got 0 bytes, in trail ./dirdat/dp000000002",
            True,
        ),
        ("ERROR expected 43 bytes but got 11 bytes in trail", True),
        ("2026-12-01 03:00:00  ERROR   OGG-01296  Error mapping from GIM.X to GIM.X.", False),
        ("Socket buffer size: expected 27985 bytes\nanother line got 87380 bytes", False),
    ],
)
def test_a_report_of_a_record_that_is_cut(text: str, cut: bool) -> None:
    assert parse.is_cut_record(text) is cut


def test_the_database_user_of_a_prompt() -> None:
    text = "GGSCI (db1) 1> \nSuccessfully logged into database.\n\nGGSCI (db1 as c##ggadmin@gim/CDB$ROOT) 2> "
    assert parse.parse_prompt_user(text) == "C##GGADMIN"
    assert parse.parse_prompt_user("GGSCI (db1) 1> \nGGSCI (db1) 2> ") is None


def test_lag_of_an_integrated_replicat() -> None:
    found = parse.parse_lag(
        "Low watermark lag: 1,067.\nHigh watermark lag: 8.\nLow watermark position: 14233621278497.\n"
        "High watermark position: 14233621278502.\nAt EOF, no more records to process."
    )
    assert (found.low_watermark_lag, found.high_watermark_lag) == (1067, 8)
    assert (found.low_watermark, found.high_watermark) == (14233621278497, 14233621278502)


def test_stats_sum_the_totals_and_not_the_daily_ones() -> None:
    text = """Start of Statistics at 2026-11-02 10:21:07.
Replicating from GIM.A to GIM.A:

*** Total statistics since 2026-11-02 10:20:25 ***
\tTotal inserts                               1,234.00
\tTotal updates                                   5.00
\tTotal operations                            1,239.00

*** Daily statistics since 2026-11-02 00:00:00 ***
\tTotal inserts                               1,234.00

Replicating from GIM.B to GIM.B:

*** Total statistics since 2026-11-02 10:20:25 ***
\tTotal inserts                                   6.00
End of Statistics."""
    assert parse.parse_stats(text) == {"inserts": 1240, "updates": 5, "operations": 1239}


@pytest.mark.parametrize("text", ["No active replication maps.", "No active extraction maps.", ""])
def test_stats_before_the_first_row_are_empty(text: str) -> None:
    assert parse.parse_stats(text) == {}


def test_stats_take_other_separators_and_a_cut_end() -> None:
    assert parse.parse_stats("*** Total statistics since x ***\n Total inserts  1.234,00\n Total upd") == {
        "inserts": 1234
    }


@pytest.mark.parametrize(
    ("text", "added"),
    [
        ("REPLICAT added.", ["REPLICAT"]),
        ("EXTRACT (Integrated) added.", ["EXTRACT"]),
        ("REPLICAT (Parallel) added.", ["REPLICAT"]),
        ("RMTTRAIL added.", ["RMTTRAIL"]),
        ("Extract added.", ["EXTRACT"]),
        ("Deleted REPLICAT RGIM.", ["REPLICAT"]),
        ("2026-11-02T10:20:25Z  INFO    OGG-08100  EXTRACT (Integrated) added.", ["EXTRACT"]),
        ("ERROR: EXTRACT EGIM already exists.", []),
    ],
)
def test_added(text: str, added: list[str]) -> None:
    assert parse.parse_added(text) == added


@pytest.mark.parametrize(
    ("text", "scn"),
    [
        ("OGG-02003  Extract EGIM successfully registered with database at SCN 1440415.", 1440415),
        ("OGG-02003  Extract group EGIM successfully registered with database at SCN 8591375007.", 8591375007),
        ("Extract EGIM registered with database at SCN 2.1440415.", 8591375007),
        ("successfully registered with database.", None),
    ],
)
def test_registered(text: str, scn: int | None) -> None:
    assert parse.parse_registered(text) == scn


def test_trandata_of_tables() -> None:
    found = parse.parse_trandata(
        "Logging of supplemental redo log data is enabled for table GIM.A.\n\n"
        'Columns supplementally logged for table GIM.A: "ID".\n\n'
        "Logging of supplemental redo log data is disabled for table GIM.B.\n"
        'Logging of supplemental redo data enabled for table "GIM"."C".\n'
        "2026-11-02 10:20:25  INFO    OGG-15130  Logging of supplemental redo log data is already enabled for\n"
        "table GIM.D.\n"
        "OGG-15132  Logging of supplemental redo data enabled for table GIM.E.\n"
    )
    assert found.tables_on == {"GIM.A", "GIM.C", "GIM.D", "GIM.E"}
    assert found.tables_off == {"GIM.B"}


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("OGG-06480  Schema level supplemental logging, excluding non-validated keys, is enabled on schema GIM.", True),
        ('OGG-01785  Schema level supplemental logging is enabled on schema "GIM".', True),
        ("OGG-01788  SCHEMATRANDATA has been added on schema GIM.", True),
        ("OGG-01786  Schema level supplemental logging is disabled on schema GIM.", False),
        (
            "2026-11-02 10:20:25  INFO    OGG-01786  Schema level supplemental logging is\ndisabled on schema GIM.",
            False,
        ),
    ],
)
def test_trandata_of_a_schema(text: str, on: bool) -> None:
    found = parse.parse_trandata(text)
    assert (("GIM" in found.schemas_on), ("GIM" in found.schemas_off)) == (on, not on)


def test_ggserr_in_both_formats_with_records_of_several_lines() -> None:
    text = (
        "tail of a record that was cut\n"
        "2026-11-02 10:20:25  ERROR   OGG-01668  Oracle GoldenGate Delivery for Oracle, rgim.prm:  PROCESS ABENDING.\n"
        "2026-11-02T10:20:25.533+0330  WARNING OGG-01423  Oracle GoldenGate Capture:  No valid default archive\n"
        "log destination directory found.\n"
        "\n"
        "2026-11-02T10:20:26.000Z  INFO    OGG-00987  GGSCI command (oracle): start mgr.\n"
        "2026-13-45 10:20:26  ERROR   OGG-00001  impossible time\n"
    )
    old, new, info, broken = parse.parse_ggserr(text)
    assert (old.time, old.severity, old.code) == (datetime(2026, 11, 2, 10, 20, 25), "ERROR", "OGG-01668")
    assert old.message.endswith("PROCESS ABENDING.")
    assert new.time == datetime(2026, 11, 2, 10, 20, 25, 533000, timezone(timedelta(hours=3, minutes=30)))
    assert new.message.splitlines()[1] == "log destination directory found."
    assert info.time == datetime(2026, 11, 2, 10, 20, 26, tzinfo=UTC)
    assert broken.time is None and broken.severity == "ERROR"


# -- the hook ---------------------------------------------------------------------------------------------


class World:
    """A GoldenGate that keeps groups; answers commands as ggsci does."""

    def __init__(self, old: bool = False) -> None:
        self.groups: dict[str, str] = {}
        self.started: set[str] = set()
        self.applied: int | None = None
        self.commands: list[str] = []
        self.after_start = ["STARTING", "RUNNING"]
        self.queue: dict[str, list[str]] = {}
        self.replies: dict[str, str] = {}
        self.manager = True
        self.old = old
        self.checkpoint = "00:00:01"
        self.registered = False
        self.without_retention = False
        #: UNREGISTER is refused while there is a group.
        self.unregister_needs_no_group = False
        #: AUTORESTART starts an abended group right after a STOP.
        self.autorestart = False

    def __call__(self, call: Call) -> Completed:
        lines = call.stdin.splitlines()
        assert lines[-1] == "EXIT"
        changing = [w for w in lines[:-1] if not w.startswith(("DBLOGIN", "INFO", "VIEW", "LAG", "SEND", "STATS"))]
        assert len(changing) <= 1
        return Completed(0, output(*[self.reply(line) for line in lines[:-1]]))

    def reply(self, line: str) -> str:
        self.commands.append(line)
        for start, text in self.replies.items():
            if line.startswith(start):
                return text
        words = line.replace(",", " ").split()
        if words[0] == "DBLOGIN":
            return LOGGED_IN
        if words[:2] == ["INFO", "MGR"]:
            return "Manager is running (IP port db3.7809)." if self.manager else "Manager is DOWN!"
        if words[:2] == ["START", "MGR"]:
            self.manager = True
            return "Manager started."
        if words[0] == "INFO" and words[1] in ("EXTRACT", "REPLICAT"):
            return self.info(words[1], words[2], showch="SHOWCH" in words)
        if words[0] == "ADD" and words[1] in ("EXTRACT", "REPLICAT"):
            self.groups[words[2]] = "STOPPED"
            return f"{words[1]} added."
        if words[0] == "START":
            self.started.add(words[2])
            self.queue[words[2]] = list(self.after_start)
            return f"Sending START request to MANAGER ...\n{words[1]} {words[2]} starting"
        if words[-1] == "LOGRETENTION" and self.without_retention:
            return "ERROR: ORA-00439: feature not enabled: Streams Capture."
        if words[0] == "REGISTER":
            return "2026-11-02 10:20:25  INFO    OGG-01749  Successfully registered EXTRACT EGIM at SCN 77."
        if words[:2] == ["UNREGISTER", "EXTRACT"]:
            if self.unregister_needs_no_group and self.groups:
                return "ERROR: EXTRACT EGIM must be deleted first."
            if not self.registered:
                return "ERROR: Cannot unregister EXTRACT EGIM because it is not registered."
            self.registered = False
            return "Successfully unregistered EXTRACT EGIM from database."
        if words[0] == "SEND" and words[-1] == "FORCESTOP":
            self.groups[words[2]] = "STOPPED"
            return f"Sending FORCESTOP request to EXTRACT {words[2]} ...\nRequest processed."
        if words[0] == "STOP":
            if self.groups[words[2]] == "ABENDED" and self.autorestart:
                self.queue[words[2]] = ["RUNNING"]
                return f"{words[1]} {words[2]} is already stopped."
            self.groups[words[2]] = "STOPPED"
            return f"Sending STOP request to {words[1]} {words[2]} ...\nRequest processed."
        if words[0] == "DELETE":
            self.groups.pop(words[2], None)
            return f"Deleted {words[1]} {words[2]}."
        if words[:2] == ["VIEW", "REPORT"]:
            return "line 1\n2026-11-02 10:20:25  ERROR   OGG-00303  Unrecognized parameter (X)."
        if words[0] == "INFO" and words[1] in ("EXTTRAIL", "RMTTRAIL"):
            return "ERROR: No trails found."
        if words[0] == "ADD" and words[1] in ("EXTTRAIL", "RMTTRAIL"):
            return f"{words[1]} added."
        raise AssertionError(line)

    def info(self, kind: str, name: str, *, showch: bool) -> str:
        if name not in self.groups:
            return f"ERROR: {kind} {name} does not exist."
        if self.queue.get(name):
            self.groups[name] = self.queue[name].pop(0)
        how = "Last Started" if name in self.started else "Initialized  "
        text = (
            f"{kind}   {name}      {how} 2026-11-02 10:17   Status {self.groups[name]}\n"
            f"Checkpoint Lag       00:00:00 (updated {self.checkpoint} ago)\n"
            f"Log Read Checkpoint  File ./dirdat/dp000000000\n                     First Record  RBA 0\n"
        )
        if showch:
            text += f"CSN state information:\n  Latest CSN of finished TXNs: {self.applied or 'Not Available'}\n"
        return text


def hook(
    answer: Callable[[Call], Completed], *, password: str | None = None, **goldengate: object
) -> tuple[Ggsci, FakeHost]:
    host = FakeHost(answer)
    clock = iter(range(10_000))
    site = make_topology(**goldengate).site("site3")
    made = Ggsci(
        host,  # type: ignore[arg-type]  # a stand-in for RemoteHost
        site,
        password=None if password is None else lambda: password,
        jobs=lambda job_id: FakeJob(host, job_id),  # type: ignore[arg-type, return-value]
        steady=3,
        sleep=lambda seconds: None,
        clock=lambda: float(next(clock)),
    )
    return made, host


def fixed(*replies: str, exit_code: int = 0, stderr: str = "") -> Callable[[Call], Completed]:
    return lambda call: Completed(exit_code, output(*replies), stderr)


def test_a_command_runs_in_goldengates_home_with_the_environment_it_needs() -> None:
    ggsci, host = hook(fixed("EXTRACT added."))
    assert ggsci.execute("ADD EXTRACT EGIM").text == "EXTRACT added."
    call = host.calls[0]
    assert (call.argv, call.cwd) == (["./ggsci"], "/u01/ogg")
    assert call.stdin == "ADD EXTRACT EGIM\nEXIT\n"
    assert call.environment == {
        "ORACLE_HOME": "/u01/oracle",
        "LD_LIBRARY_PATH": "/u01/oracle/lib:/u01/ogg",
        "TNS_ADMIN": "/u01/network",
        "NLS_LANG": "AMERICAN_AMERICA.AL32UTF8",
    }


def test_the_libraries_are_those_of_goldengate_itself_from_21_on_and_else_as_the_topology_says() -> None:
    assert "LD_LIBRARY_PATH" not in hook(fixed(), release="21.3")[0].environment
    own = hook(fixed(), environment={"LD_LIBRARY_PATH": "/u02/lib"})[0]
    assert own.environment["LD_LIBRARY_PATH"] == "/u02/lib"


def test_a_login_by_alias_has_no_secret() -> None:
    ggsci, host = hook(fixed(LOGGED_IN, "ok"), login={"alias": "gg", "domain": "dr"})
    assert ggsci.execute("ADD TRANDATA GIM.A", login=True).text == "ok"
    assert host.calls[-1].stdin == "DBLOGIN USERIDALIAS gg DOMAIN dr\nADD TRANDATA GIM.A\nEXIT\n"


def test_a_password_goes_to_standard_input_only_and_is_scrubbed_from_replies(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    secret = "S3cret-x/y z"
    ggsci, host = hook(
        fixed(LOGGED_IN, f"echo {secret}", stderr=secret), password=secret, login=ENCRYPTED, release="11.2"
    )
    assert ggsci.execute("INFO TRANDATA GIM.A", login=True).text == "echo ***"
    assert host.calls[0].stdin.startswith(f'DBLOGIN USERID GGATE, PASSWORD "{secret}"\n')
    assert secret not in " ".join(host.calls[0].argv) + str(host.calls[0].environment) + caplog.text


def test_nothing_is_changed_when_the_login_is_refused() -> None:
    # ggsci itself continues with the next command after a refused DBLOGIN.
    ggsci, host = hook(fixed("ERROR: Alias 'gg' not found in credential store domain 'x'.", "EXTRACT deleted."))
    with pytest.raises(CredentialsError):
        ggsci.execute("DELETE EXTRACT EGIM", login=True)
    assert [call.stdin.splitlines()[1:] for call in host.calls] == [["EXIT"]]


def test_a_login_that_worked_is_not_tried_again_before_each_change() -> None:
    ggsci, host = hook(fixed(LOGGED_IN, "ok"))
    for _ in range(2):
        ggsci.execute("ADD TRANDATA GIM.A", login=True)
    assert [len(call.stdin.splitlines()) for call in host.calls] == [2, 3, 3]


def test_a_refused_password_is_not_in_the_error() -> None:
    secret = "Tiger12345"
    refused = (
        f"ERROR: Unable to connect to database using user GGATE {secret}.\nOCI Error ORA-01017: invalid (status = 1017)"
    )
    ggsci, _ = hook(fixed(refused, "ERROR: Not logged into database, use DBLOGIN."), password=secret, login=ENCRYPTED)
    with pytest.raises(CredentialsError) as error:
        ggsci.execute("ADD TRANDATA GIM.A", login=True)
    assert secret not in str(error.value)
    assert "ORA-01017" in error.value.what


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("ERROR: Alias 'gg' not found in credential store domain 'OracleGoldenGate'.", CredentialsError),
        ("ERROR: Unable to open credential store. Error code 28759.", CredentialsError),
        ("ERROR: OCI Error ORA-12541: TNS:no listener (status = 12541)", UnreachableError),
        ("ERROR: OCI Error ORA-01034: ORACLE not available", UnreachableError),
        ("Hm.", UnexpectedReplyError),
        ("", UnexpectedReplyError),
    ],
)
def test_a_failed_login_has_a_typed_error(reply: str, error: type[Exception]) -> None:
    ggsci, _ = hook(fixed(reply, "ERROR: Not logged into database, use DBLOGIN."))
    with pytest.raises(error):
        ggsci.execute("ADD TRANDATA GIM.A", login=True)


@pytest.mark.parametrize("secret", ["", "a\nb", 'a"b'])
def test_a_password_that_ggsci_cannot_take_is_refused_before_anything_runs(secret: str) -> None:
    ggsci, host = hook(fixed(LOGGED_IN), password=secret, login=ENCRYPTED)
    with pytest.raises(CredentialsError):
        ggsci.execute("INFO TRANDATA GIM.A", login=True)
    assert host.calls == []


@pytest.mark.parametrize("command", ["INFO ALL\nSTOP MGR !", "INFO\rALL", "INFO \x00"])
def test_a_command_of_several_lines_is_refused(command: str) -> None:
    ggsci, host = hook(fixed("ok"))
    with pytest.raises(PermanentError):
        ggsci.execute(command)
    assert host.calls == []


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ("ERROR: Invalid command.", RemoteCommandError),
        ("2026-11-02 10:20:25  ERROR   OGG-01044  The trail is not assigned to extract.", RemoteCommandError),
        ("ERROR: Manager not currently running.", UnreachableError),
        ("Could not establish connection with Manager", UnreachableError),
        ("ERROR: sending message to REPLICAT RGIM (Connection refused).", UnreachableError),
        ("ERROR: REPLICAT RGIM not currently running.", UnreachableError),
        ("ERROR: ORA-12541: TNS:no listener", UnreachableError),
    ],
)
def test_an_error_in_a_reply_is_typed_and_quotes_it(reply: str, error: type[Exception]) -> None:
    ggsci, _ = hook(fixed(reply))
    with pytest.raises(error) as raised:
        ggsci.execute("START EXTRACT EGIM")
    assert reply in str(raised.value)


def test_a_ggsci_that_is_not_in_its_home_is_looked_for_in_the_path() -> None:
    def answer(call: Call) -> Completed:
        return Completed(127, "", "sh: ./ggsci: not found") if call.argv == ["./ggsci"] else fixed("ok")(call)

    ggsci, host = hook(answer)
    assert ggsci.execute("INFO ALL").text == "ok"
    assert [call.argv[0] for call in host.calls] == ["./ggsci", "ggsci"]


def test_a_missing_ggsci_and_one_without_output_are_errors() -> None:
    ggsci, _ = hook(lambda call: Completed(127, "", "not found"))
    with pytest.raises(RemoteCommandError, match="does not start"):
        ggsci.execute("INFO ALL")
    ggsci, _ = hook(lambda call: Completed(1, "", "libnnz19.so: cannot open shared object file"))
    with pytest.raises(UnexpectedReplyError, match="libnnz19"):
        ggsci.execute("INFO ALL")


@pytest.mark.parametrize("look", [lambda ggsci: ggsci.info("RGIM"), lambda ggsci: ggsci.execute("STOP MGR !")])
def test_a_ggsci_that_breaks_off_after_its_prompt_is_reported_with_its_exit_code_and_last_words(look: Any) -> None:
    ggsci, _ = hook(lambda call: Completed(139, f"{BANNER}GGSCI (db3) 1> ", "Segmentation fault"))
    with pytest.raises(UnexpectedReplyError, match=r"(?s)exit code 139 and no reply to .*Segmentation fault"):
        look(ggsci)


def test_a_group_that_does_not_exist_is_none_and_garbage_is_an_error() -> None:
    assert hook(World())[0].info("EGIM") is None
    assert hook(World())[0].status("EGIM") is None
    with pytest.raises(UnexpectedReplyError, match="strange"):
        hook(fixed("something strange"))[0].info("EGIM")


def test_adding_twice_adds_once() -> None:
    world = World()
    ggsci, _ = hook(world)
    assert ggsci.add_extract("EGIM", "./dirdat/em", integrated=True).changed
    assert "ADD EXTRACT EGIM, INTEGRATED TRANLOG, BEGIN NOW" in world.commands
    assert "ADD EXTTRAIL ./dirdat/em, EXTRACT EGIM, MEGABYTES 2000" in world.commands
    world.replies["INFO EXTTRAIL"] = "       Extract Trail: ./dirdat/em\n             Extract: EGIM\n"
    before = sum(c.startswith("ADD") for c in world.commands)
    assert not ggsci.add_extract("EGIM", "./dirdat/em", integrated=True).changed
    assert sum(c.startswith("ADD") for c in world.commands) == before


def test_a_trail_of_another_group_does_not_count() -> None:
    world = World()
    world.replies["INFO RMTTRAIL"] = "       Extract Trail: ./dirdat/dp\n             Extract: POLD\n"
    assert hook(world)[0].add_remote_trail("PGIM", "./dirdat/dp", 500).changed
    assert "ADD RMTTRAIL ./dirdat/dp, EXTRACT PGIM, MEGABYTES 500" in world.commands


def test_an_add_that_leaves_nothing_behind_is_an_error() -> None:
    world = World()
    world.replies["ADD REPLICAT"] = "REPLICAT added."
    with pytest.raises(UnexpectedReplyError):
        hook(world)[0].add_replicat("RGIM", "./dirdat/dp")


def test_the_replicat_is_added_with_its_checkpoint_table() -> None:
    world = World()
    hook(world)[0].add_replicat("RGIM", "./dirdat/dp")
    assert "ADD REPLICAT RGIM, EXTTRAIL ./dirdat/dp, CHECKPOINTTABLE GGATE.GGS_CHECKPOINT" in world.commands


def started(world: World) -> list[str]:
    return [c for c in world.commands if c.startswith("START R")]


def test_the_first_start_of_a_replicat_says_aftercsn() -> None:
    world = World()
    world.groups["RGIM"] = "STOPPED"
    ggsci, _ = hook(world)
    assert ggsci.start("RGIM", after_csn=1440415).changed
    assert started(world) == ["START REPLICAT RGIM, AFTERCSN 1440415"]
    ggsci.wait_running("RGIM")
    assert world.groups["RGIM"] == "RUNNING"


def test_a_running_replicat_is_not_started_again() -> None:
    world = World()
    world.groups["RGIM"] = "RUNNING"
    assert not hook(world)[0].start("RGIM", after_csn=1).changed
    assert started(world) == []


def test_a_replicat_that_has_applied_past_the_csn_gets_a_plain_start() -> None:
    world = World()
    world.groups["RGIM"], world.applied = "STOPPED", 2000
    world.started.add("RGIM")
    hook(world)[0].start("RGIM", after_csn=1000)
    assert started(world) == ["START REPLICAT RGIM"]


@pytest.mark.parametrize("applied", [None, 999])
def test_a_replicat_that_abended_before_its_first_row_gets_aftercsn_again(applied: int | None) -> None:
    world = World()
    world.groups["RGIM"], world.applied = "ABENDED", applied
    world.started.add("RGIM")
    hook(world)[0].start("RGIM", after_csn=1000)
    assert started(world) == ["START REPLICAT RGIM, AFTERCSN 1000"]


def test_starting_a_missing_group_and_aftercsn_for_an_extract_are_errors() -> None:
    world = World()
    with pytest.raises(RemoteCommandError):
        hook(world)[0].start("RGIM")
    world.groups["EGIM"] = "STOPPED"
    with pytest.raises(PermanentError):
        hook(world)[0].start("EGIM", after_csn=5)


def test_a_group_that_abends_after_its_start_is_an_error_with_its_report() -> None:
    world = World()
    world.groups["RGIM"] = "STOPPED"
    world.after_start = ["STARTING", "RUNNING", "ABENDED", "ABENDED"]
    ggsci, _ = hook(world)
    ggsci.start("RGIM")
    with pytest.raises(RemoteCommandError, match="OGG-00303"):
        ggsci.wait_running("RGIM")


def test_the_end_of_the_last_run_is_not_taken_for_this_one() -> None:
    world = World()
    world.groups["RGIM"] = "ABENDED"
    world.after_start = ["ABENDED", "STARTING", "RUNNING", "RUNNING"]
    ggsci, _ = hook(world)
    ggsci.start("RGIM")
    ggsci.wait_running("RGIM")
    assert world.groups["RGIM"] == "RUNNING"


def test_starting_is_not_running() -> None:
    world = World()
    world.groups["EGIM"] = "STARTING"
    with pytest.raises(TransientError, match="STARTING"):
        hook(world)[0].wait_running("EGIM", timeout=5)


@pytest.mark.parametrize("seconds", [1, 2, 8])
def test_an_abend_some_seconds_after_running_is_found(seconds: int) -> None:
    world = World()
    world.groups["RGIM"] = "STOPPED"
    world.after_start = ["STARTING", *["RUNNING"] * seconds, "ABENDED", "ABENDED"]
    ggsci, _ = hook(world)
    ggsci._steady = 30
    ggsci.start("RGIM")
    with pytest.raises(RemoteCommandError, match="OGG-00303"):
        ggsci.wait_running("RGIM")


def test_a_group_that_runs_without_a_sign_of_work_is_not_believed() -> None:
    """It waits for its login, or for the capture."""
    world = World()
    world.groups["EGIM"] = "RUNNING"
    world.checkpoint = "00:59:00"
    with pytest.raises(TransientError, match="neither its report nor its checkpoint shows"):
        hook(world)[0].wait_running("EGIM", timeout=20)
    world.replies["VIEW REPORT"] = "2026-11-02 10:20:25  INFO    OGG-00993  EXTRACT EGIM started."
    hook(world)[0].wait_running("EGIM", timeout=20)


def test_several_groups_are_waited_for_together_and_the_one_that_abends_is_named() -> None:
    world = World()
    world.groups |= {"EGIM": "RUNNING", "PGIM": "RUNNING"}
    hook(world)[0].wait_running("EGIM", "PGIM")
    world.queue["PGIM"] = ["RUNNING", "ABENDED", "ABENDED"]
    with pytest.raises(RemoteCommandError, match="EXTRACT PGIM abended"):
        hook(world)[0].wait_running("EGIM", "PGIM")


REFUSED_STOP = (
    "Sending STOP request to EXTRACT EGIM ...\n\nERROR: There are open, long-running transactions. Before you stop"
    " Extract, make the archives available. To force Extract to stop, use the SEND EXTRACT EGIM, FORCESTOP command."
)


def test_an_extract_that_nobody_needs_any_more_is_stopped_by_force_when_transactions_hold_it() -> None:
    world = World()
    world.groups["EGIM"] = "RUNNING"
    world.replies["STOP EXTRACT EGIM"] = REFUSED_STOP
    assert hook(world)[0].stop("EGIM", force=True).changed
    assert "SEND EXTRACT EGIM, FORCESTOP" in world.commands and world.groups["EGIM"] == "STOPPED"


def test_a_replicat_is_never_stopped_by_force() -> None:
    world = World()
    world.groups["RGIM"] = "RUNNING"
    world.replies["STOP REPLICAT RGIM"] = REFUSED_STOP
    with pytest.raises(TransientError):
        hook(world)[0].stop("RGIM", force=True)
    assert not any("FORCESTOP" in command for command in world.commands)


def test_a_removed_extract_leaves_no_registration_whichever_order_the_release_wants() -> None:
    for refusing in (False, True):
        world = World()
        world.groups["EGIM"] = "RUNNING"
        world.registered = True
        world.unregister_needs_no_group = refusing
        hook(world)[0].remove_group("EGIM")
        assert not world.groups and not world.registered


def test_a_registration_without_a_group_is_removed_too() -> None:
    world = World()
    world.registered = True
    assert not hook(world)[0].remove_group("EGIM").changed
    assert not world.registered
    world.commands.clear()
    hook(world)[0].remove_group("RGIM")
    assert not any("UNREGISTER" in command for command in world.commands)


def test_a_group_that_autorestart_started_between_stop_and_delete_is_stopped_again() -> None:
    world = World()
    world.groups["PGIM"] = "ABENDED"
    world.autorestart = True
    assert hook(world)[0].remove_group("PGIM").changed
    assert [c.split()[0] for c in world.commands if c.startswith(("STOP", "DELETE"))] == ["STOP", "STOP", "DELETE"]


def test_an_unregister_that_is_refused_while_a_session_is_attached_is_tried_again() -> None:
    attached = "2026-11-02 10:20:25  ERROR   OGG-01754  Cannot unregister EXTRACT EGIM: a session is still attached."
    answers = [attached, attached, "2026-11-02 10:20:25  INFO    OGG-01750  Successfully unregistered EXTRACT EGIM."]
    ggsci, _ = hook(lambda call: fixed(LOGGED_IN, answers.pop(0) if "UNREG" in call.stdin else "")(call))
    assert ggsci.unregister_extract("EGIM").changed and not answers
    with pytest.raises(RemoteCommandError, match="OGG-01754"):
        hook(fixed(LOGGED_IN, attached))[0].unregister_extract("EGIM")


def test_stop_is_stop_and_never_kill() -> None:
    world = World()
    world.groups["EGIM"] = "RUNNING"
    ggsci, _ = hook(world)
    assert ggsci.stop("EGIM").changed
    assert not ggsci.stop("EGIM").changed
    assert not ggsci.stop("PGIM").changed
    assert [c for c in world.commands if not c.startswith("INFO")] == ["STOP EXTRACT EGIM"]


def test_open_transactions_that_hold_an_extract_are_a_transient_error() -> None:
    world = World()
    world.groups["EGIM"] = "RUNNING"
    world.replies["STOP"] = (
        "Sending STOP request to EXTRACT EGIM ...\n\nERROR: There are open, long-running transactions. Before you stop"
        " Extract, make the archives available. To force Extract to stop, use the SEND EXTRACT EGIM, FORCESTOP command."
    )
    with pytest.raises(TransientError, match="long-running"):
        hook(world)[0].stop("EGIM")


def test_a_group_that_does_not_stop_in_time_is_a_transient_error() -> None:
    world = World()
    world.groups["EGIM"] = "RUNNING"
    world.replies["STOP"] = "Sending STOP request to EXTRACT EGIM ...\nRequest processed."
    with pytest.raises(TransientError, match="RUNNING"):
        hook(world)[0].stop("EGIM", timeout=5)


def test_deleting_refuses_a_running_group_and_is_done_once() -> None:
    world = World()
    world.groups["EGIM"] = "RUNNING"
    ggsci, _ = hook(world)
    with pytest.raises(GuardError):
        ggsci.delete_group("EGIM")
    world.groups["EGIM"] = "STOPPED"
    assert ggsci.delete_group("EGIM").changed
    assert not ggsci.delete_group("EGIM").changed


REGISTERED = "2026-11-03 10:01:30  INFO    OGG-02003  Extract EGIM successfully registered with database at SCN 77."
ALREADY = "2026-11-02 10:20:25  ERROR   OGG-08241  This EXTRACT EGIM is already registered with the database."


def test_registering() -> None:
    assert hook(fixed(LOGGED_IN, REGISTERED))[0].register_extract("EGIM").scn == 77
    gone = "2026-11-02  ERROR   OGG-08221  Cannot unregister EXTRACT EGIM because it is not registered."
    assert not hook(fixed(LOGGED_IN, gone))[0].unregister_extract("EGIM").changed
    with pytest.raises(RemoteCommandError):
        hook(fixed(LOGGED_IN, "ERROR: ORA-01031: insufficient privileges"))[0].register_extract("EGIM")
    with pytest.raises(UnexpectedReplyError):
        hook(fixed(LOGGED_IN, "hm"))[0].register_extract("EGIM")


def test_an_old_registration_without_a_group_is_not_taken_for_good() -> None:
    answers = {
        "REGISTER": [ALREADY, REGISTERED],
        "UNREGISTER": ["Successfully unregistered EXTRACT EGIM from database."],
    }
    seen: list[str] = []

    def answer(call: Call) -> Completed:
        word = call.stdin.splitlines()[1].split()[0]
        seen.append(word)
        return fixed(LOGGED_IN, answers[word].pop(0) if word in answers else "")(call)

    assert hook(answer)[0].register_extract("EGIM").scn == 77
    assert [word for word in seen if word in answers] == ["REGISTER", "UNREGISTER", "REGISTER"]


def test_a_slow_registration_is_sent_once_and_waited_for() -> None:
    ggsci, host = hook(fixed(LOGGED_IN, REGISTERED))
    host.job_takes = 90
    assert ggsci.register_extract("EGIM").scn == 77
    assert host.submitted == ["ggsci: REGISTER EXTRACT EGIM DATABASE"], "no SSH connection waits for it"
    assert sum("REGISTER" in call.stdin for call in host.calls) == 1 and not host.jobs


@pytest.mark.parametrize("left", [5, 0])
def test_a_registration_whose_caller_was_lost_is_found_by_the_retry_and_gives_its_scn(left: int) -> None:
    ggsci, host = hook(fixed(LOGGED_IN, REGISTERED))
    host.job_takes = 10_000
    with pytest.raises(TransientError, match="still runs"):
        ggsci.register_extract("EGIM")
    # The retry is another process. The first command still runs for a while, or has ended in between.
    again, _ = hook(fixed(LOGGED_IN, REGISTERED))
    again._host = host  # type: ignore[assignment]
    again._jobs = lambda job_id: FakeJob(host, job_id)  # type: ignore[assignment, return-value]
    next(iter(host.jobs.values())).left = left
    assert again.register_extract("EGIM").scn == 77
    assert sum("REGISTER" in call.stdin for call in host.calls) == 1


def test_a_registration_that_was_prepared_and_never_started_is_started_by_the_retry() -> None:
    ggsci, host = hook(fixed(LOGGED_IN, REGISTERED))
    host.job_takes = 10_000
    with pytest.raises(TransientError, match="still runs"):
        ggsci.register_extract("EGIM")
    next(iter(host.jobs.values())).prepared_only = True
    host.job_takes, host.calls[:] = 1, []
    assert ggsci.register_extract("EGIM").scn == 77
    assert sum("REGISTER" in call.stdin for call in host.calls) == 1


def test_the_reply_to_an_earlier_registration_is_not_taken_after_an_unregistration() -> None:
    ggsci, host = hook(fixed(LOGGED_IN, REGISTERED))
    host.job_takes = 10_000
    with pytest.raises(TransientError):
        ggsci.register_extract("EGIM")
    next(iter(host.jobs.values())).left = 0
    host.job_takes = 0
    ggsci.unregister_extract("EGIM", patience=0)
    ggsci.register_extract("EGIM")
    sent = [call.stdin.splitlines()[1].split()[0] for call in host.calls]
    assert [word for word in sent if word != "EXIT"] == ["REGISTER", "UNREGISTER", "REGISTER"]


def test_sequences_are_flushed_again_although_an_earlier_flush_was_not_read() -> None:
    ggsci, host = hook(fixed(LOGGED_IN, "Successfully flushed 3 sequence(s) GIM.*."))
    host.job_takes = 10_000
    with pytest.raises(TransientError):
        ggsci.flush_sequence("GIM")
    next(iter(host.jobs.values())).left = 0
    host.job_takes = 0
    assert ggsci.flush_sequence("GIM").changed
    assert host.submitted == 2 * ["ggsci: FLUSH SEQUENCE GIM.*"]


def test_an_extract_begins_behind_its_registration() -> None:
    for release, scn, begin in (("19.1", 77, "SCN 78"), ("19.1", None, "BEGIN NOW"), ("11.2", 77, "BEGIN NOW")):
        world = World()
        ggsci, _ = hook(world, release=release, login=ENCRYPTED, password="x1") if release == "11.2" else hook(world)
        ggsci.add_extract("EGIM", scn=scn)
        assert f"ADD EXTRACT EGIM, INTEGRATED TRANLOG, {begin}" in world.commands


def test_a_classic_extract_reads_every_redo_thread_and_keeps_its_logs() -> None:
    world = World()
    ggsci = hook(world, capture="classic", threads=2)[0]
    ggsci.add_extract("EGIM", integrated=False)
    ggsci.retain_logs("EGIM")
    assert "ADD EXTRACT EGIM, TRANLOG, THREADS 2, BEGIN NOW" in world.commands
    assert world.commands[-1] == "REGISTER EXTRACT EGIM LOGRETENTION"
    world.registered = True
    ggsci.remove_group("EGIM")
    assert "UNREGISTER EXTRACT EGIM LOGRETENTION" in world.commands and not world.registered and not world.groups


def test_a_database_without_log_retention_keeps_no_classic_extract_from_its_removal() -> None:
    world = World()
    world.groups["EGIM"] = "RUNNING"
    world.without_retention = True
    ggsci = hook(world, capture="classic")[0]
    with pytest.raises(RemoteCommandError):
        ggsci.retain_logs("EGIM")
    assert ggsci.remove_group("EGIM").changed and not world.groups


# -- how a Replicat was started ---------------------------------------------------------------------------

RUN_19C = """
2026-11-03 10:00:00  INFO    OGG-01373  User requested start after CSN 1440415.
2026-11-03 10:00:01  INFO    OGG-01374  Transaction delivery commencing at position Seqno 0, RBA 4711, Transaction ID \
8.2.1, CSN 1440417, 12 transaction(s) skipped.
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("== \n", [(None, None, None)]),
        (f"== \n{RUN_19C}", [(1440415, None, 1440417)]),
        ("== 0\nUser requested start after CSN 1440415\n== \n", [(1440415, None, None), (None, None, None)]),
        ("== \nOGG-01373: Benutzer hat Start nach CSN 1440415 angefordert: 1440415.\n", [(1440415, None, None)]),
        ("== \nUser requested start after CSN 1,440,415.\n", [(1440415, None, None)]),
        ("== \n2026-11-03  INFO  OGG-01372  User requested start at CSN 7.\n", [(None, 7, None)]),
    ],
)
def test_the_starts_of_a_groups_runs(text: str, found: list[tuple[int | None, int | None, int | None]]) -> None:
    starts = parse.parse_starts(text.replace("\\\n", ""))
    assert [(start.after_csn, start.at_csn, start.delivered_csn) for start in starts] == found


def test_reports_are_read_from_the_oldest_to_the_newest(tmp_path: Path) -> None:
    (tmp_path / "dirrpt").mkdir()
    for name, csn in (("RGIM1", 1), ("RGIM0", 2), ("RGIM", 3), ("RGIMX", 9)):
        (tmp_path / "dirrpt" / f"{name}.rpt").write_text(
            f"many lines\n2026-11-03 10:00:00  INFO    OGG-01373  User requested start after CSN {csn}.\n"
        )

    class LocalHost:
        def shell_bytes(self, text: str, *arguments: str) -> bytes:
            return subprocess.run(["/bin/sh", "-c", text, "sh", *arguments], capture_output=True, check=True).stdout

    site: Any = SimpleNamespace(goldengate=SimpleNamespace(home=str(tmp_path)))
    starts = Ggsci(LocalHost(), site).starts("RGIM")  # type: ignore[arg-type]
    assert [start.after_csn for start in starts] == [1, 2, 3]


def test_schema_logging_is_switched_on_once_and_proven() -> None:
    state = {"on": False}

    def answer(call: Call) -> Completed:
        command = call.stdin.splitlines()[1]
        if command == "ADD SCHEMATRANDATA GIM":
            state["on"] = True
            return Completed(0, output(LOGGED_IN, "OGG-01788  SCHEMATRANDATA has been added on schema GIM."))
        assert command == "INFO SCHEMATRANDATA GIM"
        word = "enabled" if state["on"] else "disabled"
        return Completed(0, output(LOGGED_IN, f"Schema level supplemental logging is {word} on schema GIM."))

    ggsci, host = hook(answer)
    assert ggsci.enable_schema_trandata("GIM").changed
    assert not ggsci.enable_schema_trandata("GIM").changed
    assert host.submitted == ["ggsci: ADD SCHEMATRANDATA GIM"]
    assert sum("ADD" in call.stdin for call in host.calls) == 1


def test_logging_before_release_12_is_by_table_and_does_not_ask_for_excluded_ones() -> None:
    text = (
        "Logging of supplemental redo log data is enabled for table GIM.INTERACTION_FACT.\n"
        "Logging of supplemental redo log data is disabled for table GIM.TMP_X.\n"
        "Logging of supplemental redo log data is disabled for table GIM.G_CALL.\n"
    )
    old = {"release": "11.2", "login": ENCRYPTED, "password": "x1"}
    assert not hook(fixed(LOGGED_IN, text), **old)[0].enable_schema_trandata("GIM").changed
    text += "Logging of supplemental redo log data is disabled for table GIM.CTL_EXTRACT_HWM.\n"
    with pytest.raises(UnexpectedReplyError, match="CTL_EXTRACT_HWM"):
        hook(fixed(LOGGED_IN, text), **old)[0].enable_schema_trandata("GIM")


def test_a_table_is_logged_by_its_schema_too() -> None:
    on = hook(fixed(LOGGED_IN, "Logging of supplemental redo data enabled for table GGATE.DR_MARKER."))[0]
    assert on.table_trandata_enabled("GGATE", "DR_MARKER")
    off = hook(fixed(LOGGED_IN, "Logging of supplemental redo log data is disabled for table GGATE.DR_MARKER."))[0]
    assert not off.table_trandata_enabled("GGATE", "DR_MARKER")


def test_the_manager_is_started_only_when_it_is_down() -> None:
    world = World()
    world.manager = False
    ggsci, _ = hook(world)
    assert ggsci.start_manager().changed
    assert not ggsci.start_manager().changed
    assert world.commands.count("START MGR") == 1


def test_a_manager_that_keeps_the_outputs_open_does_not_hold_the_connection(tmp_path: Path) -> None:
    program = tmp_path / "ggsci"
    program.write_text("#!/bin/sh\ncat\necho Manager started.\nsleep 20 &\nexit 3\n")
    program.chmod(0o700)
    world = World()
    world.manager = False
    ggsci, host = hook(world)
    ggsci.start_manager()
    (sent,) = (call for call in host.calls if "START MGR" in call.stdin)
    argv = [str(program) if word == "./ggsci" else word for word in sent.argv]
    done = subprocess.run(argv, input="START MGR\n", capture_output=True, text=True, timeout=10)
    assert (done.stdout, done.returncode) == ("START MGR\nManager started.\n", 3)


def test_the_lag_of_a_group_that_does_not_run_is_unknown() -> None:
    lag = hook(fixed("ERROR: REPLICAT RGIM not currently running."))[0].lag("RGIM")
    assert (lag.seconds, lag.at_eof) == (None, False)


def test_a_report_may_quote_errors() -> None:
    assert "OGG-00303" in hook(World())[0].view_report("RGIM")
    assert hook(World())[0].report_tail("RGIM", 1).endswith("(X).")


# -- multitenant databases ---------------------------------------------------------------------------------


class Multitenant(World):
    """A GoldenGate of a CDB: each alias leads to a container, which the prompt shows after the login."""

    def __init__(self, **containers: str) -> None:
        super().__init__()
        self.containers = {"ggalias": "PDB3", "cggalias": "CDB$ROOT", **containers}
        self.logins: list[tuple[str, str]] = []

    def __call__(self, call: Call) -> Completed:
        lines = call.stdin.splitlines()
        alias = lines[0].split()[2] if lines[0].startswith("DBLOGIN") else ""
        self.logins += [(line, alias) for line in lines if not line.startswith(("DBLOGIN", "EXIT"))]
        user = f"{alias.replace('cgg', 'c##gg')}@cdb3/{self.containers[alias]}" if alias else ""
        return Completed(0, output(*[self.reply(line) for line in lines[:-1]], user=user))


def in_a_pdb(world: Multitenant, *, root: bool = True, release: str = "19") -> Ggsci:
    return hook(
        world,
        release=f"{release}.1",
        databases={"site3": {"pdb": "PDB3", "release": f"{release}.0"}},
        unlike={"site3": FROM_ROOT} if root else None,
    )[0]


def test_commands_of_the_root_have_its_login_and_all_others_that_of_the_pdb() -> None:
    world = Multitenant()
    world.replies = {
        "REGISTER": "2026-11-02 10:20:25  INFO    OGG-02003  Extract EGIM registered with database at SCN 7.",
        "UNREGISTER": "2026-11-02 10:20:25  INFO    OGG-01750  Successfully unregistered EXTRACT EGIM from database.",
        "FLUSH": "Successfully flushed 3 sequence(s) GIM.*.",
    }
    ggsci = in_a_pdb(world)
    assert ggsci.register_extract("EGIM").scn == 7
    ggsci.add_extract("EGIM")
    ggsci.add_replicat("RGIM", "./dirdat/dp")
    ggsci.flush_sequence("GIM")
    ggsci.delete_group("RGIM")
    ggsci.unregister_extract("EGIM")
    ggsci.delete_group("EGIM")
    found = {" ".join(line.replace(",", " ").split()[:2]): alias for line, alias in world.logins if alias}
    assert found == {
        "REGISTER EXTRACT": "cggalias",
        "ADD EXTRACT": "cggalias",
        "UNREGISTER EXTRACT": "cggalias",
        "DELETE EXTRACT": "cggalias",
        "ADD REPLICAT": "ggalias",
        "DELETE REPLICAT": "ggalias",
        "FLUSH SEQUENCE": "ggalias",
    }
    assert "REGISTER EXTRACT EGIM DATABASE CONTAINER (PDB3)" in [line for line, _ in world.logins]
    assert "UNREGISTER EXTRACT EGIM DATABASE" in [line for line, _ in world.logins]


def test_an_extract_of_the_pdb_is_registered_from_there_without_a_container() -> None:
    world = Multitenant()
    world.replies = {"REGISTER": "INFO OGG-02003  Extract EGIM registered with database at SCN 7."}
    in_a_pdb(world, root=False, release="21").register_extract("EGIM")
    assert world.logins[-1] == ("REGISTER EXTRACT EGIM DATABASE", "ggalias")


@pytest.mark.parametrize("name", ["GIM", "PDB3.GIM", '"PDB3"."GIM"'])
def test_schema_logging_is_known_with_the_name_of_the_pdb_and_without(name: str) -> None:
    world = Multitenant()
    on = f"OGG-06480  Schema level supplemental logging, excluding non-validated keys, is enabled on schema {name}."
    world.replies = {"INFO SCHEMATRANDATA": f"2026-11-02 10:20:25  INFO    {on}"}
    assert in_a_pdb(world).schema_trandata_enabled("GIM")
    assert world.logins == [("INFO SCHEMATRANDATA GIM", "ggalias")]


def test_schema_logging_of_another_pdb_does_not_count() -> None:
    world = Multitenant()
    world.replies = {
        "INFO SCHEMATRANDATA": "INFO    OGG-06480  Schema level supplemental logging is enabled on schema PDB9.GIM."
    }
    assert not in_a_pdb(world).schema_trandata_enabled("GIM")


@pytest.mark.parametrize("name", ["GGATE.DR_MARKER", "PDB3.GGATE.DR_MARKER"])
def test_logging_of_a_table_is_known_with_the_name_of_the_pdb_and_without(name: str) -> None:
    world = Multitenant()
    world.replies = {"INFO TRANDATA": f"Logging of supplemental redo log data is enabled for table {name}.\n"}
    assert in_a_pdb(world).table_trandata_enabled("GGATE", "DR_MARKER")


@pytest.mark.parametrize(
    ("containers", "message"),
    [
        ({"cggalias": "PDB3"}, r"capture_login on db3 leads to the container PDB3, not to CDB\$ROOT"),
        ({"ggalias": "CDB$ROOT"}, r"login on db3 leads to the container CDB\$ROOT, not to PDB3"),
        ({"ggalias": "PDB4"}, "login on db3 leads to the container PDB4, not to PDB3"),
    ],
)
def test_an_alias_of_the_wrong_container_changes_nothing(containers: dict[str, str], message: str) -> None:
    world = Multitenant(**containers)
    ggsci = in_a_pdb(world)
    with pytest.raises(CredentialsError, match=message):
        if "cggalias" in containers:
            ggsci.register_extract("EGIM")
        else:
            ggsci.flush_sequence("GIM")
    assert world.logins == []
    with pytest.raises(CredentialsError, match=message):
        ggsci.prove_logins()


def test_a_container_that_the_topology_does_not_name_is_refused() -> None:
    world = Multitenant()
    ggsci = hook(world)[0]
    with pytest.raises(CredentialsError, match="leads to the container PDB3, not to a database without containers"):
        ggsci.flush_sequence("GIM")
    assert world.logins == []


def test_the_logins_of_a_site_are_proven_without_a_change() -> None:
    world = Multitenant()
    ggsci = in_a_pdb(world)
    assert ggsci.prove_logins() == "GoldenGate logs in to PDB3 and to CDB$ROOT"
    assert ggsci.capture_user() == "C##GGALIAS"
    assert world.logins == []


def test_an_extract_of_the_pdb_has_no_common_user() -> None:
    ggsci = in_a_pdb(Multitenant(), root=False, release="21")
    assert ggsci.prove_logins() == "GoldenGate logs in to PDB3"
    assert ggsci.capture_user() is None


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("GGSCI (db3 as c##ggate@cdb3/CDB$ROOT) 2>", "CDB$ROOT"),
        ("GGSCI (db3 as ggate@cdb3/PDB3) 2>", "PDB3"),
        ("OGG (https://h:9011 dep as ggate@cdb3/pdb3) 2>", None),
        ("GGSCI (db3 as ggate@GIM3) 2>", None),
        ("GGSCI (db3) 1>", None),
        ("GGSCI (db3 as ggate@//db3:1521/GIM3) 2>", None),
        ("GGSCI (db3 as ggate@db3:1521/GIM3) 2>", None),
    ],
)
def test_the_container_stands_in_the_prompt(prompt: str, found: str | None) -> None:
    assert parse.container(f"{BANNER}GGSCI (db3) 1> \n{LOGGED_IN}\n\n{prompt} \n") == found
