"""Conversations with ggsci that need no database and no running process."""

from __future__ import annotations

import io
import re
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from infomart_lab import config as lab
from infomart_lab.goldengate.ggsci.__main__ import main
from infomart_lab.goldengate.ggsci.commands import masked, split
from infomart_lab.goldengate.ggsci.interpreter import run
from infomart_lab.goldengate.ggsci.session import Session
from infomart_lab.goldengate.home import Group, Home
from infomart_lab.goldengate.manager import restarts
from infomart_lab.goldengate.parameters import parse

Talk = Callable[..., str]


@pytest.fixture
def config(tmp_path: Path) -> lab.LabConfig:
    sites = {
        "site1": lab.Site(name="site1", goldengate="11.2"),
        "site2": lab.Site(name="site2", goldengate="19c"),
        "site3": lab.Site(name="site3", goldengate="21c"),
    }
    return lab.create(tmp_path, base_port=28_500, sites=sites)


@pytest.fixture
def talk(config: lab.LabConfig, monkeypatch: pytest.MonkeyPatch) -> Talk:
    """Send commands to ggsci of a site; returns its output."""
    monkeypatch.setattr(Session, "connect", lambda self: SimpleNamespace(current_scn=lambda: 25_000_000))

    def say(site: str, *commands: str) -> str:
        home = Home(config, site)
        if not home.root.exists():
            home.prepare()
        monkeypatch.chdir(home.root)
        printed: list[str] = []
        run(Session(config, site, iter([c + "\n" for c in commands])), printed.append)
        return "".join(printed)

    return say


def test_words_of_a_command() -> None:
    words = ["add", "exttrail", "./dirdat/em", "extract", "egim", "megabytes", "5"]
    assert split("add exttrail ./dirdat/em, extract egim,megabytes 5;") == words
    assert split("stop mgr!") == ["stop", "mgr", "!"]
    assert split("  ;") == []


@pytest.mark.parametrize(
    "line",
    [
        "DBLOGIN USERID ggate, PASSWORD s3cret",
        "alter credentialstore add user ggate password 's3cret' alias gg",
        'dblogin userid ggate password "s3cret"',
    ],
)
def test_a_password_is_never_echoed(line: str) -> None:
    assert "s3cret" not in masked(line)


def test_commands_outside_the_home_say_so(talk: Talk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    talk("site2")
    config = lab.load(tmp_path)
    monkeypatch.chdir(tmp_path)
    printed: list[str] = []
    run(Session(config, "site2", iter(["info all\n"])), printed.append)
    assert "ERROR: Unable to open the files" in "".join(printed)


def test_unknown_commands(talk: Talk) -> None:
    text = talk("site2", "foo", "info nonsense", "shell ls", "exit", "info all")
    assert text.count("ERROR: Invalid command.") == 3
    assert "MANAGER" not in text, "nothing is read after EXIT"


def test_what_needs_a_login_says_so(talk: Talk) -> None:
    text = talk("site2", "add trandata gim.*", "add schematrandata gim", "register extract e database")
    assert text.count("ERROR: Not logged into database, use DBLOGIN.") == 3


def test_login_by_password_and_by_alias(talk: Talk, config: lab.LabConfig) -> None:
    password = config.password("site2", "GGATE")
    talk("site2")
    Home(config, "site2").wallet.unlink()
    text = talk(
        "site2",
        "dblogin userid ggate, password wrong",
        "dblogin useridalias gg",
        "add credentialstore",
        f"alter credentialstore add user GGATE@GIM2 password {password} alias gg",
        "info credentialstore",
        "dblogin useridalias gg;",
    )
    assert "ORA-01017" in text
    assert "ERROR: Alias 'gg' not found" in text
    assert "Credential store created." in text
    assert "Credential store altered." in text
    assert "  Alias: gg\n  Userid: GGATE@GIM2" in text
    assert "Successfully logged into database." in text
    assert text.endswith("GGSCI (site2-db as ggate@GIM2) 7> \n")
    wallet = Home(config, "site2").wallet
    assert password.encode() not in wallet.read_bytes()
    assert stat.S_IMODE(wallet.stat().st_mode) == 0o600
    assert password not in (Home(config, "site2").root / "ggserr.log").read_text()


def test_an_installation_has_an_alias_for_its_database_user(talk: Talk) -> None:
    text = talk("site2", f"dblogin useridalias {lab.GOLDENGATE_ALIAS}", "add credentialstore")
    assert "Successfully logged into database." in text
    assert "Credential store already exists." in text


def test_11_2_has_no_credential_store(talk: Talk, config: lab.LabConfig) -> None:
    text = talk("site1", "add credentialstore", f"dblogin userid ggate password {config.password('site1', 'GGATE')}")
    assert "ERROR: Invalid command." in text
    assert text.endswith("GGSCI (site1-db) 3> \n"), "the prompt of 11.2 does not tell the user"


SET_UP = (
    "add extract egim, tranlog, threads 1, begin now",
    "add exttrail ./dirdat/em, extract egim, megabytes 2000",
    "add extract pgim, exttrailsource ./dirdat/em",
    "add rmttrail ./dirdat/dp, extract pgim, megabytes 2000",
    "add replicat rgim, exttrail ./dirdat/rv",
)


@pytest.mark.parametrize(("site", "digits"), [("site1", 6), ("site2", 9), ("site3", 9)])
def test_groups_are_added_and_shown(talk: Talk, site: str, digits: int) -> None:
    text = talk(site, *SET_UP, "info all", "info extract egim", "info extract pgim", "info replicat *")
    assert re.search(r"^E(?i:xtract) added\.$", text, re.MULTILINE)
    assert "EXTTRAIL added." in text
    assert "RMTTRAIL added." in text
    assert "REPLICAT added." in text
    assert re.search(r"^MANAGER     STOPPED\s*$", text, re.MULTILINE)
    assert re.search(r"^EXTRACT +STOPPED +EGIM .*00:00:00 +00:00:0\d$", text, re.MULTILINE)
    assert re.search(
        r"^EXTRACT    EGIM      Initialized   \d{4}-\d\d-\d\d \d\d:\d\d   Status STOPPED$", text, re.MULTILINE
    )
    assert "SCN 0.25000000 (25000000)" in text
    assert f"Log Read Checkpoint  File ./dirdat/em{'0' * digits}\n" in text
    assert "First Record  RBA 0" in text
    assert ("Type" in text) == (site == "site3")


def test_kinds_are_shown_since_12(talk: Talk, config: lab.LabConfig) -> None:
    login = f"dblogin userid ggate password {config.password('site2', 'GGATE')}"
    text = talk(
        "site2",
        login,
        "add replicat r1, integrated, exttrail ./dirdat/rv",
        "add replicat r2, parallel, exttrail ./dirdat/rv",
        "info replicat r1",
    )
    assert "REPLICAT (Integrated) added." in text
    assert "REPLICAT (Parallel) added." in text
    assert "\nINTEGRATED\n" in text


def test_errors_of_groups_and_trails(talk: Talk) -> None:
    text = talk(
        "site2",
        *SET_UP,
        "add extract egim, tranlog, begin now",
        "add extract toolongname, tranlog, begin now",
        "add extract e2, tranlog",
        "add exttrail ./dirdat/xx, extract nobody",
        "add exttrail ./dirdat/em, extract egim",
        "info replicat nobody",
        "start extract egim",
        "stats extract egim",
        "lag replicat rgim",
        "stop extract egim",
    )
    assert "ERROR: EXTRACT EGIM already exists." in text
    assert "ERROR: Invalid group name (toolongname)" in text
    assert "ERROR: BEGIN, SCN or LSN must be specified" in text
    assert "ERROR: EXTRACT NOBODY does not exist." in text
    assert "ERROR: EXTTRAIL ./dirdat/em already exists." in text
    assert "ERROR: REPLICAT NOBODY does not exist." in text
    assert "ERROR: Manager not currently running." in text
    assert "ERROR: EXTRACT EGIM not currently running." in text
    assert "ERROR: REPLICAT RGIM not currently running." in text
    assert "EXTRACT EGIM is already stopped." in text


def test_groups_and_trails_are_deleted(talk: Talk) -> None:
    text = talk(
        "site2", *SET_UP, "delete extract egim", "delete rmttrail ./dirdat/dp", "delete replicat rgim !", "info all"
    )
    assert "Deleted EXTRACT EGIM." in text
    assert "Deleting extract trail ./dirdat/dp for extract PGIM" in text
    assert "Deleted REPLICAT RGIM." in text
    table = text[text.rindex("Program") :]
    assert "PGIM" in table
    assert "EGIM" not in table


def test_delete_of_all_groups_asks(talk: Talk) -> None:
    assert "Deleted" not in talk("site2", *SET_UP, "delete extract *", "n")
    assert talk("site2", "delete extract *", "y").count("Deleted EXTRACT") == 2


def test_stop_manager_when_there_is_none(talk: Talk) -> None:
    assert "Manager not currently running." in talk("site2", "stop mgr !", "info mgr")


def test_changing_commands_are_echoed_into_the_log(talk: Talk, config: lab.LabConfig) -> None:
    talk("site2", *SET_UP, "info all")
    log = (Home(config, "site2").root / "ggserr.log").read_text()
    assert re.search(
        r"OGG-00987  Oracle GoldenGate Command Interpreter for Oracle:  GGSCI command \(\w+\): add extract egim", log
    )
    assert "info all" not in log


def test_a_vanished_process_is_abended(talk: Talk, config: lab.LabConfig) -> None:
    talk("site2", *SET_UP)
    group = Home(config, "site2").group("replicat", "rgim")
    group.save_process("RUNNING", pid=2**22 - 3, ticks=1)
    assert "REPLICAT RGIM: ABENDED" in talk("site2", "status replicat rgim")
    talk("site2", "stop replicat rgim")
    assert group.status() == "ABENDED"


def test_a_group_that_comes_to_life_while_it_is_shown_is_shown(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    talk("site2", *SET_UP)
    monkeypatch.setattr(Group, "alive", lambda self: True)
    text = talk("site2", "info replicat rgim")
    assert re.search(r"^REPLICAT   RGIM .* Status STOPPED$", text, re.MULTILINE)
    assert "Process ID" not in text


def test_view_files(talk: Talk, config: lab.LabConfig) -> None:
    home = Home(config, "site2")
    home.prepare()
    (home.root / "dirprm" / "egim.prm").write_text("EXTRACT egim\n")
    (home.root / "dirrpt" / "EGIM.rpt").write_text("the report\n")
    text = talk("site2", "view params egim", "view report egim", "view report nobody", "view report ../../x")
    assert "EXTRACT egim\n" in text
    assert "the report\n" in text
    assert "ERROR: REPORT file NOBODY does not exist." in text
    assert "ERROR: Invalid group name (../../x)." in text


def test_autorestart_rules() -> None:
    text = "PORT 7809\nAUTORESTART ER *, RETRIES 5, WAITMINUTES 1, RESETMINUTES 60\nAUTORESTART EXTRACT E*\n"
    first, second = restarts(parse(text, "manager"))
    assert (first.kinds, first.pattern, first.retries, first.wait_seconds) == (("extract", "replicat"), ("*"), 5, 60)
    assert (second.kinds, second.pattern, second.retries) == (("extract",), "E*", 2)


def test_autostart_is_written_where_the_lab_asks_for_it(config: lab.LabConfig) -> None:
    config.sites["site3"].autostart = True
    texts = {}
    for site in ("site2", "site3"):
        home = Home(config, site)
        home.prepare()
        texts[site] = (home.root / "dirprm" / "mgr.prm").read_text()
    assert "AUTOSTART" not in texts["site2"] and "AUTORESTART EXTRACT *" in texts["site2"]
    assert "AUTOSTART ER *" in texts["site3"] and "AUTORESTART ER *" in texts["site3"]


@pytest.mark.parametrize(
    ("site", "path", "missing"),
    [
        ("site1", "", "libclntsh.so.11.1"),
        ("site2", "/somewhere/lib", "libclntsh.so.19.1"),
        ("site2", "{home}/lib:/ogg", None),
        ("site3", "", None),
    ],
)
def test_the_loader_finds_the_libraries_of_the_oracle_home_by_its_path_only(
    config: lab.LabConfig,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    site: str,
    path: str,
    missing: str | None,
) -> None:
    Home(config, site).prepare()
    monkeypatch.setattr("sys.stdin", io.StringIO("EXIT\n"))
    monkeypatch.setenv(lab.HOME_VARIABLE, str(config.home))
    monkeypatch.setenv(lab.HOST_VARIABLE, f"{site}/db")
    monkeypatch.setenv("LD_LIBRARY_PATH", path.format(home=config.oracle_home(site)))
    status = main(["cd", str(config.goldengate_home(site))])
    error = capsys.readouterr().err
    assert (status, missing or "") == (127 if missing else 0, missing if missing and missing in error else error)
