"""Purge jobs of four mechanisms are observed, disabled or enabled once, and checked again."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from infomart_dr.errors import GuardError, PermanentError, RemoteCommandError, UnexpectedReplyError, UnreachableError
from infomart_dr.hooks import purge_jobs
from infomart_dr.hooks.purge_jobs import (
    CRON_MARK,
    CRONTAB_BEFORE,
    CRONTAB_NEW,
    CommandPurge,
    CronPurge,
    DbmsJobPurge,
    JobState,
    PurgeRunsError,
    SchedulerPurge,
    crontab_counts,
    crontab_held,
    crontab_released,
    next_run,
)
from infomart_dr.topology import CommandJob, CronJob, DbmsJob, SchedulerJob

NAME = "ICON_TS2.PURGE_IDB"


class CodedError(Exception):
    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


# -- DBMS_SCHEDULER --------------------------------------------------------------------------------


class Scheduler:
    """DBA_SCHEDULER_JOBS with one job."""

    def __init__(self, enabled: bool, state: str, *, stubborn: bool = False, error: str | None = None) -> None:
        self.enabled, self.state, self.stubborn, self.error = enabled, state, stubborn, error
        self.acts: list[tuple[str, str]] = []

    def select(self, name: str, identifiers: Any = None, **binds: Any) -> list[dict[str, Any]]:
        assert name == "scheduler_jobs"
        if f"{binds['owner']}.{binds['job_name']}" != NAME:
            return []
        return [{"enabled": str(self.enabled).upper(), "state": self.state}]

    def execute(self, name: str, identifiers: Any = None, **binds: Any) -> int:
        self.acts.append((name, binds["job"]))
        if self.error:
            raise CodedError(self.error)
        if not self.stubborn:
            self.enabled = name == "enable_job"
            self.state = "SCHEDULED" if self.enabled else "DISABLED"
        return 0


def job(scheduler: Scheduler, name: str = NAME) -> SchedulerPurge:
    return SchedulerPurge(SchedulerJob(mechanism="dbms_scheduler", job=name), scheduler)


def test_a_hold_disables_once_and_gives_the_state_before() -> None:
    scheduler = Scheduler(True, "SCHEDULED")
    assert job(scheduler).hold() == JobState(True, False, "SCHEDULED")
    assert scheduler.acts == [("disable_job", NAME)]
    assert job(scheduler).state() == JobState(False, False, "DISABLED")


def test_a_second_hold_does_nothing_and_says_that_it_was_disabled_before() -> None:
    scheduler = Scheduler(False, "DISABLED")
    assert not job(scheduler).hold().enabled
    assert scheduler.acts == []


@pytest.mark.parametrize("enabled", [True, False])
def test_a_purge_that_runs_is_waited_for(enabled: bool) -> None:
    scheduler = Scheduler(enabled, "RUNNING")
    with pytest.raises(PurgeRunsError, match="runs now"):
        job(scheduler).hold()
    assert scheduler.acts == []


def test_a_purge_that_begins_in_between_is_waited_for() -> None:
    with pytest.raises(PurgeRunsError, match="began to run"):
        job(Scheduler(True, "SCHEDULED", error="ORA-27478")).hold()


def test_another_error_of_the_database_is_not_swallowed() -> None:
    with pytest.raises(CodedError, match="ORA-27486"):
        job(Scheduler(True, "SCHEDULED", error="ORA-27486")).hold()


def test_a_job_that_stays_enabled_stops_the_run() -> None:
    with pytest.raises(GuardError, match="still SCHEDULED"):
        job(Scheduler(True, "SCHEDULED", stubborn=True)).hold()


def test_a_release_enables_once_and_is_proven() -> None:
    scheduler = Scheduler(False, "DISABLED")
    assert job(scheduler).release().enabled
    assert job(scheduler).release().enabled
    assert scheduler.acts == [("enable_job", NAME)]
    with pytest.raises(GuardError, match="after it was enabled"):
        job(Scheduler(False, "DISABLED", stubborn=True)).release()


def test_a_disabled_job_that_somebody_runs_is_given_back_later() -> None:
    scheduler = Scheduler(False, "RUNNING")
    with pytest.raises(PurgeRunsError):
        job(scheduler).release()
    assert scheduler.acts == []


def test_a_scheduler_job_that_is_not_there_is_named() -> None:
    with pytest.raises(PermanentError, match="purge_jobs"):
        job(Scheduler(True, "SCHEDULED"), "ICON_TS2.OTHER").state()


# -- DBMS_JOB --------------------------------------------------------------------------------------

TONIGHT, NOON = datetime(2026, 11, 3, 2, 0), datetime(2026, 11, 2, 12, 0)


class JobQueue:
    """DBA_JOBS with one job, and DBMS_JOB or DBMS_IJOB over it."""

    def __init__(self, *, own: bool = True, running: bool = False, owner: str = "ICON_TS2") -> None:
        self.row = {
            "job": 41,
            "priv_user": owner,
            "broken": "N",
            "next_date": TONIGHT,
            "this_date": NOON if running else None,
            "time_there": NOON,
            "own": "Y" if own else "N",
        }
        self.acts: list[tuple[str, dict[str, Any]]] = []

    def select(self, name: str, identifiers: Any = None, **binds: Any) -> list[dict[str, Any]]:
        assert name == "dbms_jobs"
        return [self.row] if binds["job_number"] == 41 else []

    def execute(self, name: str, identifiers: Any = None, **binds: Any) -> int:
        self.acts.append((name, binds))
        broken = name.endswith("_break")
        # As in Oracle, the date of a broken job is far away.
        self.row |= {
            "broken": "Y" if broken else "N",
            "next_date": datetime(4000, 1, 1) if broken else binds["next_run"],
        }
        return 0


def queued(queue: JobQueue, number: int = 41) -> DbmsJobPurge:
    return DbmsJobPurge(DbmsJob(mechanism="dbms_job", owner="ICON_TS2", job=number), queue)


@pytest.mark.parametrize(("own", "package"), [(True, "dbms_job"), (False, "dbms_ijob")])
def test_the_owner_breaks_a_job_by_dbms_job_and_a_dba_by_dbms_ijob(own: bool, package: str) -> None:
    queue = JobQueue(own=own)
    before = queued(queue).hold()
    assert (before.enabled, before.memory) == (True, "2026-11-03T02:00:00")
    assert queued(queue).state().words == "broken"
    queued(queue).release(before.memory)
    assert [name for name, _ in queue.acts] == [f"{package}_break", f"{package}_mend"]
    assert queue.row["next_date"] == TONIGHT, "the purge does not run at once"


def test_a_dbms_job_that_runs_is_not_broken_since_its_end_would_take_the_mark_away() -> None:
    queue = JobQueue(running=True)
    with pytest.raises(PurgeRunsError):
        queued(queue).hold()
    assert queue.acts == []


@pytest.mark.parametrize(
    ("noted", "expected"),
    [
        ("2026-11-03T02:00:00", datetime(2026, 11, 3, 2, 0)),
        ("2026-10-20T02:00:00", datetime(2026, 11, 3, 2, 0)),
        ("2026-10-20T15:30:00", datetime(2026, 11, 2, 15, 30)),
        ("2026-11-02T12:00:00", datetime(2026, 11, 3, 12, 0)),
        ("4000-01-01T00:00:00", datetime(2026, 11, 3, 12, 0)),
        ("", datetime(2026, 11, 3, 12, 0)),
    ],
    ids=["still to come", "missed", "missed, later today", "just now", "was broken", "not known"],
)
def test_a_dbms_job_that_missed_its_runs_runs_at_its_time_of_day(noted: str, expected: datetime) -> None:
    assert next_run(noted, NOON) == expected


@pytest.mark.parametrize(
    ("queue", "number", "words"),
    [(JobQueue(), 42, "not in DBA_JOBS"), (JobQueue(owner="SYS"), 41, "belongs to SYS")],
    ids=["no such number", "somebody else's"],
)
def test_a_number_that_is_not_the_owners_job_is_refused(queue: JobQueue, number: int, words: str) -> None:
    with pytest.raises(PermanentError, match=words):
        queued(queue, number).hold()
    assert queue.acts == []


# -- cron ------------------------------------------------------------------------------------------

LINE = "0 2 * * * /opt/icon/purge.sh TS2  # nightly"
HELD = CRON_MARK + LINE
CRONTABS = {
    "alone": f"{LINE}\n",
    "without a last newline": f"# mine\nMAILTO=dba\n{LINE}",
    "with DOS line ends": f"# a\r\n{LINE}\r\n0 3 * * * x\r\n",
    "with bytes that are no UTF-8": f"# \xe9t\xe9\n\n\t{LINE}\n{LINE}\n",
    "with a similar line": f"{LINE} TS3\n#{LINE}\n{LINE}\n",
}


@pytest.mark.parametrize("name", CRONTABS)
def test_a_crontab_is_held_and_given_back_byte_for_byte(name: str) -> None:
    text = CRONTABS[name].encode("latin-1")
    held = crontab_held(text, LINE)
    assert crontab_counts(text, LINE) == (1, 0)
    assert crontab_counts(held, LINE) == (0, 1)
    assert len(held) == len(text) + len(CRON_MARK)
    assert crontab_held(held, LINE) == held
    assert crontab_released(held, LINE) == text
    assert crontab_released(text, LINE) == text


def test_a_line_that_somebody_adds_beside_the_held_one_is_held_too_and_given_back_once() -> None:
    text = f"{HELD}\n{LINE}\n# end\n".encode()
    held = crontab_held(text, LINE)
    assert crontab_counts(held, LINE) == (0, 2)
    assert crontab_released(held, LINE) == f"{LINE}\n# end\n".encode()
    assert crontab_released(text, LINE) == f"{LINE}\n# end\n".encode()


#: Work folder of the host.
WORK = "/home/oracle/.infomart_dr"


class CronHost:
    """A host with a crontab, and processes that pgrep finds or not."""

    def __init__(self, text: str = f"# head\n{LINE}\n", running: bool = False) -> None:
        self.text, self.running = text.encode(), running
        self.calls: list[list[str]] = []
        self.others_edit = b""
        self.files: dict[str, bytes] = {}

    def write_file(self, path: str, text: str | bytes, mode: int = 0o600) -> None:
        assert isinstance(text, bytes)
        self.files[path] = text

    def work_path(self, *parts: str) -> str:
        return "/".join((WORK, *parts))

    def run(self, argv: Any, *, check: bool = True) -> Any:
        self.calls.append(list(argv))
        if argv[0] == "pgrep":
            assert argv[1:] == ["-f", "[/]opt/icon/purge.sh"], "pgrep must not find the shell that runs it"
            return SimpleNamespace(exit_code=0 if self.running else 1)
        self.text = self.files[argv[-1]] + self.others_edit
        return SimpleNamespace(exit_code=0)

    def shell_bytes(self, text: str, *arguments: str) -> bytes:
        self.calls.append(list(arguments))
        return self.text


def cron(host: CronHost, user: str | None = None) -> CronPurge:
    settings = CronJob(mechanism="cron", host="h", line=LINE, user=user, process_pattern="/opt/icon/purge.sh")
    return CronPurge(settings, host)


def test_a_hold_comments_the_line_out_and_a_release_puts_it_back() -> None:
    host = CronHost()
    assert cron(host).hold().enabled
    assert host.text.decode() == f"# head\n{HELD}\n"
    assert not cron(host).hold().enabled
    assert cron(host).release().enabled
    assert host.text.decode() == f"# head\n{LINE}\n"
    assert sum(call == ["crontab", f"{WORK}/{CRONTAB_NEW}"] for call in host.calls) == 2


def test_a_crontab_with_carriage_returns_is_refused_and_left_alone() -> None:
    """crontab -l of Debian shows a carriage return as backslash and r."""
    host = CronHost(f"0 1 * * * /opt/other.sh\\r\n{LINE}\n")
    before = host.text
    with pytest.raises(PermanentError, match="carriage return"):
        cron(host).hold()
    assert host.text == before


def test_a_crontab_is_installed_from_a_whole_file_and_the_one_before_it_is_kept() -> None:
    """With standard input, cron would install a part of it after a broken connection."""
    host = CronHost()

    def lost(path: str, text: str | bytes, mode: int = 0o600) -> None:
        if path.endswith(CRONTAB_NEW):
            raise UnreachableError("The connection was lost.")
        CronHost.write_file(host, path, text)

    host.write_file = lost  # type: ignore[method-assign]
    with pytest.raises(UnreachableError):
        cron(host).hold()
    assert host.text == host.files[f"{WORK}/{CRONTAB_BEFORE}"] == f"# head\n{LINE}\n".encode()


def test_the_next_run_of_cron_is_held_while_the_last_one_is_left_to_end() -> None:
    host = CronHost(running=True)
    with pytest.raises(PurgeRunsError, match="its last run continues"):
        cron(host).hold()
    assert HELD in host.text.decode()
    with pytest.raises(PurgeRunsError, match="runs now"):
        cron(host).hold()
    host.running = False
    assert not cron(host).hold().enabled


def test_another_users_crontab_is_named() -> None:
    host = CronHost()
    cron(host, "icon").hold()
    assert ["crontab", "-u", "icon", "-l"] in host.calls
    assert ["crontab", "-u", "icon", f"{WORK}/{CRONTAB_NEW}"] in host.calls


@pytest.mark.parametrize("text", ["# nothing\n", f"{LINE}\n{LINE}\n", LINE.replace("  ", " ") + "\n"])
def test_a_line_that_does_not_stand_there_once_is_refused_and_nothing_is_written(text: str) -> None:
    host = CronHost(text)
    with pytest.raises(PermanentError, match="must occur once"):
        cron(host).hold()
    assert host.text == text.encode()


def test_a_crontab_that_somebody_edits_at_the_same_time_stops_the_run() -> None:
    host = CronHost()
    host.others_edit = b"0 4 * * * y\n"
    with pytest.raises(GuardError, match="differs from the one that was installed"):
        cron(host).hold()


# -- a command of the site's own -------------------------------------------------------------------


class CommandHost:
    """purgectl: state by exit code."""

    def __init__(self, code: int | None = purge_jobs.ENABLED) -> None:
        self.code = code
        self.acts: list[str] = []

    def run(self, argv: Any, *, stdin: Any = None, check: bool = True) -> Any:
        word = argv[1]
        if word != "state":
            assert check
            self.acts.append(word)
            self.code = purge_jobs.DISABLED if word == "hold" else purge_jobs.ENABLED
            return SimpleNamespace(exit_code=0)
        return SimpleNamespace(exit_code=self.code, stdout="", stderr="who are you?")

    def shell_bytes(self, text: str, *arguments: str) -> bytes:
        raise AssertionError


def command(host: CommandHost) -> CommandPurge:
    words = {word: ["purgectl", word] for word in ("hold", "release", "state")}
    return CommandPurge(CommandJob(mechanism="command", name="nightly", host="h", **words), host)  # type: ignore[arg-type]


def test_the_sites_own_commands_hold_and_release_once_each() -> None:
    host = CommandHost()
    for _ in range(2):
        command(host).hold()
    for _ in range(2):
        command(host).release()
    assert host.acts == ["hold", "release"]


def test_a_purge_that_the_state_command_says_runs_is_waited_for() -> None:
    host = CommandHost(purge_jobs.RUNNING)
    with pytest.raises(PurgeRunsError):
        command(host).hold()
    with pytest.raises(PurgeRunsError):
        command(host).release()
    assert host.acts == []


@pytest.mark.parametrize("code", [1, 2, 127, 255, None])
def test_a_state_command_that_fails_is_no_state(code: int | None) -> None:
    host = CommandHost(code)
    with pytest.raises(UnexpectedReplyError, match=r"(?s)who are you.*3 \(disabled\)"):
        command(host).hold()
    assert host.acts == []


def test_a_hold_command_that_fails_is_not_swallowed() -> None:
    class Broken(CommandHost):
        def run(self, argv: Any, *, stdin: Any = None, check: bool = True) -> Any:
            if argv[1] == "hold":
                raise RemoteCommandError("purgectl ended with exit code 1")
            return super().run(argv, stdin=stdin, check=check)

    with pytest.raises(RemoteCommandError):
        command(Broken()).hold()
