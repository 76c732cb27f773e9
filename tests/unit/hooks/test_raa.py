"""Re-aggregation: interval, both command lines, the argument file for a real java, and failures."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from infomart_dr.errors import CredentialsError, PermanentError, RemoteCommandError, UnreachableError
from infomart_dr.hooks.raa import (
    Reaggregation,
    ReaggregationWindow,
    argument_file,
    java_release,
    jdbc_url,
    reaggregation_command,
    uses_labels,
)
from infomart_dr.topology import Raa

URL = jdbc_url("db3", 1521, "GIM3")
PASSWORD = 'pa ss"w\\o#rd'
FAILURE = datetime(2026, 11, 2, 10, 7, 30, tzinfo=UTC)
NOW = datetime(2026, 11, 5, 8, 0, 0, 1, tzinfo=UTC)


class Dates:
    """DATE_TIME in UTC-5, from 2026-10-01 to 2026-12-01, with its special row in the far future."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def select(self, name, identifiers=None, **binds):
        assert (name, identifiers) == ("date_time_label", {"schema": "GIM"})
        epoch = binds["epoch"]
        self.asked.append(epoch)
        first, last = (int(datetime(2026, month, 1, tzinfo=UTC).timestamp()) for month in (10, 12))
        key = min(epoch - epoch % 900, last)
        if key < first:
            return []
        label = datetime.fromtimestamp(key, timezone(timedelta(hours=-5))).strftime("%Y-%m-%d")
        return [{"date_time_key": key, "label_yyyy_mm_dd": label}]


# -- interval --------------------------------------------------------------------------------------


def test_the_interval_reaches_from_a_day_before_the_failure_until_now():
    window = ReaggregationWindow.after_failure(FAILURE, NOW)
    assert window.start == FAILURE - timedelta(hours=24)
    assert window.end == NOW
    assert window.epochs() == ("1793527650", "1793865601")


def test_times_in_another_zone_are_the_same_moment():
    local = FAILURE.astimezone(timezone(timedelta(hours=9)))
    assert ReaggregationWindow.after_failure(local, NOW) == ReaggregationWindow.after_failure(FAILURE, NOW)


@pytest.mark.parametrize(
    ("failure", "now"), [(FAILURE.replace(tzinfo=None), NOW), (FAILURE, NOW.replace(tzinfo=None)), (NOW, FAILURE)]
)
def test_a_time_without_zone_or_in_the_future_is_refused(failure, now):
    with pytest.raises(PermanentError, match=r"time zone|future"):
        ReaggregationWindow.after_failure(failure, now)


def test_an_explicit_interval_must_not_be_empty():
    with pytest.raises(PermanentError, match="empty"):
        ReaggregationWindow(FAILURE, FAILURE)


def test_labels_come_from_the_table_in_its_own_calendar():
    dates = Dates()
    window = ReaggregationWindow(datetime(2026, 11, 2, 3, 0, tzinfo=UTC), NOW)
    assert window.labels(dates, "GIM") == ("2026-11-01", "2026-11-05")
    assert dates.asked == [int(window.start.timestamp()), int(window.end.timestamp())]


@pytest.mark.parametrize("moment", [datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 12, 24, tzinfo=UTC)])
def test_a_moment_that_the_table_does_not_hold_is_refused(moment):
    window = ReaggregationWindow(moment, moment + timedelta(days=1))
    with pytest.raises(PermanentError, match="no interval for"):
        window.labels(Dates(), "GIM")


def test_a_label_that_is_no_date_is_refused():
    rows = [{"date_time_key": int(NOW.timestamp()), "label_yyyy_mm_dd": "05/11"}]
    with pytest.raises(PermanentError, match="not YYYY-MM-DD"):
        ReaggregationWindow(NOW, NOW + timedelta(seconds=1)).labels(
            SimpleNamespace(select=lambda *_, **__: rows), "GIM"
        )


# -- command line ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "labels"),
    [
        ("8.1.4", True),
        ("8.1.3", False),
        ("8.1", False),
        ("8.1.400", True),
        ("8.5", True),
        ("8.1.4.12", True),
        ("9.0", True),
    ],
)
def test_the_generation_follows_the_release(release, labels):
    assert uses_labels(release) is labels


def test_both_command_lines_are_the_guides_without_its_stray_blank():
    assert reaggregation_command(Raa(release="8.1.4"), URL, "GIM", "2026-11-01", "2026-11-05") == [
        "-jar",
        "agg/GIMAgg.jar",
        "-user=GIM",
        "-pass=***",
        "-jdbcurl=jdbc:oracle:thin:@db3:1521/GIM3",
        "-insertPendingAgg",
        "ALLSETS:2026-11-01:2026-11-05",
    ]
    assert reaggregation_command(Raa(release="8.1.3"), URL, "GIM", "1793527650", "1793865601")[-2:] == [
        "-insertPendingAggRaw",
        "ALLTENANTS:ALLSETS:1793527650:1793865601",
    ]


@pytest.mark.parametrize(
    ("release", "url", "start"),
    [
        ("8.1.4", URL, "1793527650"),
        ("8.1.3", URL, "2026-11-01"),
        ("8.1.4", " " + URL, "2026-11-01"),
        ("8.1.4", "jdbc:oracle:thin:@db 3", "2026-11-01"),
        ("8.1.4", "jdbc:postgresql://x", "2026-11-01"),
    ],
)
def test_a_wrong_url_or_the_other_generations_ends_are_refused(release, url, start):
    with pytest.raises(PermanentError):
        reaggregation_command(Raa(release=release), url, "GIM", start, start)


def test_the_argument_file_quotes_and_refuses_line_ends():
    assert argument_file(["-jar", 'a b\\c"d#e']) == '"-jar"\n"a b\\\\c\\"d#e"\n'
    with pytest.raises(PermanentError, match="control character"):
        argument_file(["-pass=a\nb"])


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("java") and shutil.which("javac")), reason="needs a JDK")
def test_a_real_java_reads_the_argument_file_as_it_was_meant(tmp_path):
    source = tmp_path / "Echo.java"
    source.write_text(
        "public class Echo { public static void main(String[] a) { for (String s : a) System.out.println(s); } }"
    )
    subprocess.run(["javac", "Echo.java"], cwd=tmp_path, check=True, timeout=120)
    arguments = ["-user=GIM", f"-pass={PASSWORD}", "@x", "it's # 100% $HOME *", "", "\\"]
    (tmp_path / "a.args").write_text(argument_file(["-cp", str(tmp_path), "Echo", *arguments]))
    result = subprocess.run(["java", "@a.args"], cwd=tmp_path, check=True, capture_output=True, text=True, timeout=120)
    assert result.stdout.splitlines() == arguments


# -- the run ---------------------------------------------------------------------------------------


class Host:
    def __init__(self, exit_code: int | None = 0, stdout: str = "inserted", stderr: str = "") -> None:
        self.result = SimpleNamespace(exit_code=exit_code, stdout=stdout, stderr=stderr)
        self.files: dict[str, str] = {}
        self.modes: list[int] = []
        self.calls: list[tuple[list[str], str | None]] = []
        self.error: Exception | None = None
        self.java = 'openjdk version "11.0.2" 2019-01-15\n'

    def work_path(self, *parts):
        return "/".join(["/home/gim/.infomart_dr", *parts])

    def write_file(self, path, text, mode=0o600):
        self.files[path] = text
        self.modes.append(mode)

    def run(self, argv, *, environment=None, cwd=None, timeout=None, check=True):
        self.calls.append((argv, cwd))
        if argv[0] == "rm":
            self.files.pop(argv[-1], None)
            return SimpleNamespace(exit_code=0, stdout="", stderr="")
        if argv[-1] == "-version":
            return SimpleNamespace(exit_code=0, stdout="", stderr=self.java)
        if argv[-1].startswith("@"):
            assert argv[-1][1:] in self.files
        if self.error:
            raise self.error
        return self.result


def insert(host: Host, **raa: object) -> str:
    return Reaggregation(host, Raa.model_validate(raa), "/opt/gim").insert(
        URL, "GIM", PASSWORD, "2026-11-01", "2026-11-05", job_id="run1.reaggregate"
    )


def test_the_password_travels_in_a_private_file_that_is_removed():
    host = Host()
    assert insert(host) == "inserted"
    assert host.calls[1] == (["java", "@/home/gim/.infomart_dr/raa-run1.reaggregate.args"], "/opt/gim")
    assert host.files == {} and host.modes == [0o600]
    assert all(PASSWORD not in " ".join(argv) for argv, _ in host.calls)


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ('java version "1.7.0_80"\nJava(TM) SE Runtime Environment (build 1.7.0_80-b15)\n', 7),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "1.8.0_392"\nOpenJDK Runtime Environment\n', 8),
        ('openjdk version "9-ea"\n', 9),
        ('openjdk version "11.0.2" 2019-01-15\n', 11),
        ('java version "17" 2021-09-14 LTS\n', 17),
        ("java: not found\n", None),
    ],
)
def test_javas_release_is_read_in_both_forms(text: str, release: int | None) -> None:
    assert java_release(text) == release


def test_a_java_without_argument_files_gets_no_password_unless_the_topology_allows_it():
    host = Host()
    host.java = 'java version "1.8.0_202"\n'
    with pytest.raises(PermanentError, match="java is Java 8, which reads no argument file") as caught:
        insert(host)
    assert "raa.java" in caught.value.next_step and "command_line" in caught.value.next_step
    assert host.modes == [] and len(host.calls) == 1
    assert insert(host, password_delivery="command_line") == "inserted"


def test_the_file_is_removed_when_the_run_fails_too():
    host = Host()
    host.error = UnreachableError(f"lost, {PASSWORD}")
    with pytest.raises(UnreachableError) as caught:
        insert(host)
    assert host.files == {}
    assert PASSWORD not in str(caught.value)


def test_the_old_delivery_puts_it_into_the_command_line_and_not_into_logs(caplog):
    caplog.set_level("DEBUG")
    host = Host(stdout=f"-pass={PASSWORD} ok")
    assert insert(host, password_delivery="command_line") == "-pass=*** ok"
    assert f"-pass={PASSWORD}" in host.calls[0][0]
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        (Host(1, "", "java.sql.SQLException: ORA-01017: invalid username/password"), CredentialsError),
        (Host(1, "", "IO Error: The Network Adapter could not establish the connection"), UnreachableError),
        (Host(0, 'Exception in thread "main" java.lang.NullPointerException'), RemoteCommandError),
        (Host(0, "java.lang.IllegalArgumentException: no DATE_TIME label"), RemoteCommandError),
        (Host(0, "ORA-00942: table or view does not exist"), RemoteCommandError),
        (Host(1, "", "Error: Unable to access jarfile agg/GIMAgg.jar"), RemoteCommandError),
        (Host(None, "", ""), RemoteCommandError),
    ],
)
def test_a_failure_is_typed_even_with_exit_code_zero(host, kind):
    with pytest.raises(kind):
        insert(host)


def test_a_job_id_that_is_no_file_name_is_refused():
    with pytest.raises(PermanentError, match="job id"):
        Reaggregation(Host(), Raa(), "/opt/gim").insert(URL, "GIM", "x", "2026-11-01", "2026-11-05", job_id="../x")
