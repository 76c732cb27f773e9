"""Command lines and output of the stand-ins for mlcmd and RAA's java program."""

from __future__ import annotations

import pytest

from infomart_lab import config as lab_config
from infomart_lab import gimagg, mlcmd

BASE = ["-cshost", "127.0.0.1", "-csport", "35006", "-csuser", "default", "-csappname", "airflow"]
SECRET = ["-cspassword", "pw"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["-getappstatus", "101"], ("-getappstatus", 101)),
        (["-getallappstatus"], ("-getallappstatus", None)),
        (["-startapp", "101"], ("-startapp", 101)),
        (["-stopapp", "101"], ("-stopapp", 101)),
        (["-stopgraceful", "101"], ("-stopgraceful", 101)),
    ],
)
def test_each_command_is_understood(command: list[str], expected: tuple[str, int | None]) -> None:
    call = mlcmd.parse([*BASE, *SECRET, *command])
    assert (call.command, call.dbid) == expected
    assert (call.host, call.port, call.user, call.password) == ("127.0.0.1", 35006, "default", "pw")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([*BASE, "-getallappstatus"], "missing -cspassword"),
        ([*BASE, *SECRET], "is needed"),
        ([*BASE, *SECRET, "-getappstatus"], "needs a value"),
        ([*BASE, *SECRET, "-getappstatus", "GIM"], "needs a number"),
        ([*BASE, *SECRET, "-startapp", "1", "-stopapp", "1"], "one command"),
        ([*BASE, *SECRET, "-restart", "1"], "unknown argument"),
        ([*BASE, *BASE, *SECRET, "-getallappstatus"], "twice"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments: list[str], reason: str) -> None:
    with pytest.raises(mlcmd.MlcmdError, match=reason):
        mlcmd.parse(arguments)


def test_the_wrapper_takes_its_password_from_standard_input_only() -> None:
    assert mlcmd.parse([*BASE, "-getallappstatus"], password="x").password == "x"
    with pytest.raises(mlcmd.MlcmdError, match="standard input"):
        mlcmd.parse([*BASE, *SECRET, "-getallappstatus"], password="x")


def test_applications_are_printed_as_blocks_of_lines() -> None:
    apps = [
        {"name": "GIM", "dbid": 101, "status": "Running", "runmode": "Primary"},
        {"name": "RAA", "dbid": 102, "status": "Stopped", "runmode": "Primary"},
    ]
    assert mlcmd.blocks(apps) == (
        "Application: GIM\nDBID: 101\nStatus: Running\nRunmode: Primary\n\n"
        "Application: RAA\nDBID: 102\nStatus: Stopped\nRunmode: Primary"
    )


def test_a_closed_port_is_one_readable_error() -> None:
    with pytest.raises(mlcmd.MlcmdError, match=r"cannot connect to 127\.0\.0\.1:1"):
        mlcmd.ask("127.0.0.1", 1, {})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-jar agg/GIMAgg.jar\n-user=GIM", ["-jar", "agg/GIMAgg.jar", "-user=GIM"]),
        ('"-pass=a b\\"c" # end\n', ['-pass=a b"c']),
        ("# only a comment\n-x", ["-x"]),
        ("'-pass=it\"s' ''", ['-pass=it"s', ""]),
        ("-pass=a#b", ["-pass=a#b"]),
        ("", []),
    ],
)
def test_an_argument_file_is_split_as_java_does(text: str, expected: list[str]) -> None:
    assert gimagg.split_argument_file(text) == expected


URL = "-jdbcurl=jdbc:oracle:thin:@127.0.0.1:35101/GIM2"


@pytest.mark.parametrize(
    ("command", "raw", "start"),
    [
        (["-insertPendingAgg", "ALLSETS:2026-11-01:2026-11-02"], False, "2026-11-01"),
        (["-insertPendingAggRaw", "ALLTENANTS:ALLSETS:1793500000:1793600000"], True, "1793500000"),
    ],
)
def test_both_generations_of_the_command_are_understood(command: list[str], raw: bool, start: str) -> None:
    request = gimagg.parse(["-user=GIM", "-pass=p=w", URL, *command])
    assert (request.raw, request.start, request.password, request.port) == (raw, start, "p=w", 35101)
    assert request.service == "GIM2"


@pytest.mark.parametrize(
    "arguments",
    [
        ["-user=GIM", "-pass=x", URL],
        ["-user=GIM", "-pass=", URL, "-insertPendingAgg", "ALLSETS:2026-11-01:2026-11-02"],
        ["-user=GIM", "-pass=x", "-jdbcurl=", "jdbc:oracle:thin:@h:1/S", "-insertPendingAgg", "ALLSETS:a:b"],
        ["-user=GIM", "-pass=x", URL, "-insertPendingAgg", "ALLSETS:2026-11-01"],
        ["-user=GIM", "-pass=x", URL, "-insertPendingAgg", "ALLSETS:1793500000:1793600000"],
        ["-user=GIM", "-pass=x", URL, "-insertPendingAggRaw", "ALLSETS:1793500000:1793600000"],
        [
            "-user=GIM",
            "-pass=x",
            "-jdbcurl=jdbc:postgresql://h/x",
            "-insertPendingAgg",
            "ALLSETS:2026-11-01:2026-11-02",
        ],
    ],
)
def test_a_wrong_re_aggregation_is_refused(arguments: list[str]) -> None:
    with pytest.raises(gimagg.AggregationError):
        gimagg.parse(arguments)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"port": 1}, "Network Adapter"),
        ({"service": "GIM3"}, "ORA-12514"),
        ({"password": "wrong"}, "ORA-01017"),
        ({"user": "NOBODY"}, "ORA-01017"),
    ],
)
def test_re_aggregation_answers_as_oracle_does(tmp_path, change: dict, reason: str) -> None:
    config = lab_config.create(tmp_path, base_port=35000)
    good = {
        "user": "GIM",
        "password": config.password("site2", "GIM"),
        "host": "127.0.0.1",
        "port": config.port("site2", "oracle"),
        "service": "GIM2",
        "start": "2026-11-01",
        "end": "2026-11-02",
        "raw": False,
    }
    assert gimagg.target_site(config, "site2", gimagg.Request(**good)) == "site2"
    with pytest.raises(gimagg.AggregationError, match=reason):
        gimagg.target_site(config, "site2", gimagg.Request(**{**good, **change}))
