"""mlcmd's replies; start and stop observe, act once and prove the result."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from infomart_dr.errors import (
    CredentialsError,
    PermanentError,
    RemoteCommandError,
    TransientError,
    UnexpectedReplyError,
    UnreachableError,
)
from infomart_dr.hooks.management_layer import ApplicationStatus, ManagementLayer, parse_status
from infomart_dr.topology import ManagementLayer as Settings

PASSWORD = "s3cr3t-of-gax"
BLOCK = "Application: GIM\nDBID: 101\nStatus: {}\nRunmode: Primary\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (BLOCK.format("Running"), [("GIM", 101, "Running", "Primary")]),
        ("application : GIM\r\ndbid :101\r\nSTATUS:  Stopped \r\n", [("GIM", 101, "Stopped", None)]),
        ("Application = 'GIM Server'\nDBID = 101\nStatus = \"Running\"", [("GIM Server", 101, "Running", None)]),
        ("  DBID: 101\n  Application Name: GIM\n  App Status: Running\n", [("GIM", 101, "Running", None)]),
        (
            BLOCK.format("Running")
            + "\n"
            + "Application: ICON\nDBID: 7\nStatus: Service Unavailable\nRun mode: Backup",
            [("GIM", 101, "Running", "Primary"), ("ICON", 7, "Service Unavailable", "Backup")],
        ),
        (
            "mlcmd 8.5\nConnected to: scs:1\n----\n" + BLOCK.format("Start Transition") + "----\nDone.\n",
            [("GIM", 101, "Start Transition", "Primary")],
        ),
        ("Application: A\nDBID: 1\nApplication: B\nDBID: 2\nStatus: Running", [("B", 2, "Running", None)]),
        ("Application: GIM\nDBID: x\nStatus: Running", []),
        ("", []),
        ("ERROR", []),
    ],
)
def test_blocks_are_read_in_every_shape(text, expected):
    assert parse_status(text) == [ApplicationStatus(*item) for item in expected]


class Host:
    """Answers mlcmd; ``statuses`` are the replies of the status calls; the last one repeats."""

    def __init__(self, *statuses: str | SimpleNamespace | Exception, act: SimpleNamespace | None = None) -> None:
        self.statuses = list(statuses)
        self.act = act or SimpleNamespace(exit_code=0, stdout="", stderr="")
        self.calls: list[tuple[list[str], str | None]] = []

    def run(self, argv, *, stdin=None, timeout=None, check=True):
        assert check is False, "exit codes are not documented"
        self.calls.append((argv, stdin))
        if "-getappstatus" not in argv:
            return self.act
        answer = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, str):
            return SimpleNamespace(exit_code=0, stdout=BLOCK.format(answer), stderr="")
        return answer

    def acts(self) -> list[str]:
        return [argv[-2] for argv, _ in self.calls if "-getappstatus" not in argv]


def layer(host: Host, **settings: object) -> ManagementLayer:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += max(seconds, 0.1)

    document = {"host": "gim2", "configuration_server": "cfg2", "connection": "ml_site2", "timeout": 30, **settings}
    return ManagementLayer(
        host, Settings.model_validate(document), "default", PASSWORD, clock=lambda: now[0], sleep=sleep
    )


def test_a_start_of_what_runs_does_nothing():
    host = Host("Running")
    assert layer(host).start(101).status == "Running"
    assert host.acts() == []


def test_a_start_acts_once_and_waits_for_the_running_word():
    host = Host("Stopped", "Start Transition", "Running")
    assert layer(host).start(101).status == "Running"
    assert host.acts() == ["-startapp"]


@pytest.mark.parametrize(("graceful", "flag"), [(True, "-stopgraceful"), (False, "-stopapp")])
def test_a_stop_acts_once_and_waits_for_the_stopped_word(graceful, flag):
    host = Host("Running", "Running", "Stopped")
    assert layer(host).stop(101, graceful=graceful).status == "Stopped"
    assert host.acts() == [flag]


@pytest.mark.parametrize("status", ["Not Running", "Running with errors", "Unknown"])
def test_a_word_counts_only_as_a_whole(status):
    ml = layer(Host(status))
    assert not ml.is_running(ml.status(101))
    assert not ml.is_stopped(ml.status(101))


@pytest.mark.parametrize("status", ["running", "RUNNING (primary)", "Service  Started"])
def test_words_come_from_the_topology_in_any_case(status):
    ml = layer(Host(status), running_words=["Running", "service started"])
    assert ml.is_running(ml.status(101))


def test_a_wait_that_ends_in_vain_names_the_last_status_and_what_mlcmd_said():
    host = Host("Stopped", act=SimpleNamespace(exit_code=3, stdout="", stderr="application is disabled"))
    with pytest.raises(TransientError, match=r"(?s)'Stopped' after 30 s.*application is disabled"):
        layer(host).start(101)
    assert host.acts() == ["-startapp"], "acts once"


def test_a_wait_lives_through_a_control_server_that_is_silent_for_a_moment():
    host = Host("Stopped", UnreachableError("gim2 does not answer."), "Running")
    assert layer(host).start(101).status == "Running"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("mlcmd: cannot connect to cfg2:2020: Connection refused", UnreachableError),
        ("Unable to connect to Solution Control Server", UnreachableError),
        ("mlcmd: invalid user name or password", CredentialsError),
        ("Authentication failed", CredentialsError),
        ("something new", UnexpectedReplyError),
        ("", UnexpectedReplyError),
    ],
)
def test_a_refusal_is_a_typed_error(text, kind):
    host = Host(SimpleNamespace(exit_code=1, stdout="", stderr=text))
    with pytest.raises(kind):
        layer(host).status(101)


def test_another_applications_block_is_no_answer():
    with pytest.raises(UnexpectedReplyError, match="no application with this DBID"):
        layer(Host("Running")).status(999)


def test_a_missing_program_is_named():
    with pytest.raises(PermanentError, match="mlcmd was not found"):
        layer(Host(SimpleNamespace(exit_code=127, stdout="", stderr="sh: not found"))).status(101)


def test_the_password_goes_to_standard_input_when_the_wrapper_reads_it():
    host = Host("Running")
    layer(host, password_delivery="standard_input").status(101)
    argv, stdin = host.calls[0]
    assert stdin == PASSWORD + "\n"
    assert PASSWORD not in " ".join(argv)
    assert "-cspassword" not in argv


def test_the_password_never_reaches_an_error_or_a_log(caplog):
    caplog.set_level("DEBUG")
    echoing = SimpleNamespace(exit_code=1, stdout=f"-cspassword {PASSWORD}", stderr="")
    with pytest.raises(UnexpectedReplyError) as caught:
        layer(Host(echoing)).status(101)
    assert PASSWORD not in str(caught.value) and "***" in str(caught.value)
    lost = RemoteCommandError(f"mlcmd -cspassword {PASSWORD} failed.", output=f"x {PASSWORD}")
    with pytest.raises(RemoteCommandError) as failed:
        layer(Host(lost)).status(101)
    assert PASSWORD not in str(failed.value) + failed.value.output + failed.value.what
    with pytest.raises(TransientError):
        layer(Host("Stopped", act=echoing)).start(101)
    assert PASSWORD not in caplog.text


def test_a_connection_without_password_is_refused_at_once():
    settings = Settings(host="gim2", configuration_server="cfg2", connection="ml_site2")
    with pytest.raises(CredentialsError, match="ml_site2"):
        ManagementLayer(Host("Running"), settings, "default", "")
