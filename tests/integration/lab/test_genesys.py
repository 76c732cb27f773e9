"""GAX, Solution Control Server, agent and mlcmd of two sites, with a small program as Info Mart Server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.waiting import wait_for

from infomart_lab import config as lab_config
from infomart_lab import genesys, lca, procs, shims
from infomart_lab.config import LabConfig

pytestmark = pytest.mark.lab

SITES = ("site2", "site3")
PACKAGE = Path(genesys.__file__).resolve().parents[1]
#: Ready at once; ends on SIGTERM after half a second.
SERVER = """
import signal, sys, time
from infomart_lab import config
lab = config.load()
if sys.argv[1:] != ["-m", "infomart_lab.gim_server", sys.argv[-1]]:
    raise SystemExit(f"unexpected: {sys.argv}")
config.mark_ready(lab, "gim_server", sys.argv[-1])
signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), sys.exit(0)))
while True:
    time.sleep(0.1)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, base_port: int) -> Iterator[LabConfig]:
    folder = tmp_path_factory.mktemp("genesys")
    config = lab_config.create(folder / "lab", base_port=base_port)
    (folder / "server.py").write_text(SERVER)
    for site in SITES:
        shims.write(config, site)
    # the agents start this in place of `python`: same arguments, another program
    (folder / "python").write_text(f'#!/bin/sh\nexec {sys.executable} {folder / "server.py"} "$@"\n')
    (folder / "python").chmod(0o755)
    start = (
        "import sys; from infomart_lab import config, genesys\n"
        "from unittest import mock\n"
        f"with mock.patch('infomart_lab.lca.sys.executable', {str(folder / 'python')!r}):\n"
        "    genesys.main(config.load(), sys.argv[1])\n"
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(PACKAGE),
        lab_config.HOME_VARIABLE: str(config.home),
    }
    parts = [
        subprocess.Popen([sys.executable, "-c", start, site], env={**environment, procs.SITE_VARIABLE: site})
        for site in SITES
    ]
    links = subprocess.Popen(
        [sys.executable, "-m", "infomart_lab.part", "links"],
        env={**environment, procs.PART_VARIABLE: "links"},
    )
    markers = [lab_config.ready_file(config, "genesys", site) for site in SITES]
    try:
        wait_for(lambda: all(m.exists() for m in [*markers, lab_config.ready_file(config, "links")]))
        yield config
    finally:
        for process in (*parts, links):
            process.terminate()
        for process in (*parts, links):
            process.wait(10)
        procs.kill_all(lambda: procs.lab_processes(config.home))


@pytest.fixture(autouse=True)
def stopped(lab: LabConfig) -> Iterator[None]:
    """Each test begins with the original object and no running server."""
    (lab.home / "configuration.json").unlink(missing_ok=True)
    yield
    for site in SITES:
        procs.kill_all(lambda site=site: lca.processes(lab, site))
        lab_config.ready_file(lab, "gim_server", site).unlink(missing_ok=True)


def client(config: LabConfig, site: str = "site2", *, log_in: bool = True) -> httpx.Client:
    address = f"http://127.0.0.1:{config.port(site, 'gax')}/gax/api"
    cookies = None
    if log_in:
        account = {"username": "default", "password": config.passwords[site]["GAX"]}
        cookies = httpx.post(f"{address}/session/login", json=account).raise_for_status().cookies
    return httpx.Client(base_url=address, cookies=cookies, timeout=10)


def mlcmd(config: LabConfig, *command: str, site: str = "site2", password: str | None = None) -> tuple[int, str, str]:
    """Run the wrapper as the product does: the password goes to standard input."""
    done = subprocess.run(
        [
            str(config.bin_dir(site, "gim") / "mlcmd_stdin"),
            *("-cshost", "127.0.0.1", "-csport", str(config.port(site, "config"))),
            *("-csuser", "default", "-csappname", "airflow", *command),
        ],
        input=(password if password is not None else config.passwords[site]["GAX"]) + "\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def dbid(config: LabConfig) -> str:
    return str(genesys.application(config, "GIM")["dbid"])


def test_without_a_session_nothing_is_answered(lab: LabConfig) -> None:
    with client(lab, log_in=False) as gax:
        assert gax.get("/cfg/applications/GIM").status_code == 401
        assert gax.put("/cfg/applications/GIM", json={}).status_code == 401
        assert gax.get("/scs/applications/GIM").status_code == 401
        wrong = gax.post("/session/login", json={"username": "default", "password": "wrong"})
        assert (wrong.status_code, gax.get("/cfg/applications/GIM").status_code) == (401, 401)
        assert gax.post("/session/login", content=b"{").status_code == 400


def test_a_session_ends_with_its_logout(lab: LabConfig) -> None:
    with client(lab) as gax:
        assert gax.get("/cfg/applications/GIM").status_code == 200
        gax.post("/session/logout")
        assert gax.cookies["JSESSIONID"]
        assert gax.get("/cfg/applications/GIM").status_code == 401


def test_a_changed_object_is_stored_and_seen_at_the_other_site(lab: LabConfig) -> None:
    with client(lab) as gax, client(lab, "site3") as other:
        app = gax.get("/cfg/applications/GIM").json()
        app["options"]["schedule"]["run-aggregates"] = "false"
        reply = gax.put("/cfg/applications/GIM", json=app)
        assert (reply.status_code, reply.json()["version"]) == (200, app["version"] + 1)
        assert other.get("/cfg/applications/GIM").json() == reply.json()


def test_an_object_read_before_a_change_is_refused(lab: LabConfig) -> None:
    with client(lab) as gax:
        app = gax.get("/cfg/applications/GIM").json()
        assert gax.put("/cfg/applications/GIM", json=app).status_code == 200
        stale = gax.put("/cfg/applications/GIM", json={**app, "state": 2})
        assert stale.status_code == 409
        assert gax.get("/cfg/applications/GIM").json()["state"] == 1


@pytest.mark.parametrize(
    "change",
    [{"dbid": 7}, {"name": "X"}, {"host": "site9-gim"}, {"state": "on"}, {"options": None, "version": None}],
)
def test_what_is_no_whole_valid_object_is_refused(lab: LabConfig, change: dict) -> None:
    with client(lab) as gax:
        app = {**gax.get("/cfg/applications/GIM").json(), **change}
        if app["version"] is None:
            del app["options"], app["version"]
        reply = gax.put("/cfg/applications/GIM", json=app)
        assert reply.status_code == 400
        assert reply.json()["error"]


def test_an_unknown_object_is_not_found(lab: LabConfig) -> None:
    with client(lab) as gax:
        assert gax.get("/cfg/applications/NONE").status_code == 404
        assert gax.put("/cfg/applications/NONE", json={"version": 1}).status_code == 404
        assert gax.get("/scs/applications/NONE").status_code == 404


def test_the_server_is_started_and_stopped_with_mlcmd(lab: LabConfig) -> None:
    number = dbid(lab)
    code, shown, _ = mlcmd(lab, "-getappstatus", number)
    assert (code, shown) == (0, f"Application: GIM\nDBID: {number}\nStatus: Stopped\nRunmode: Primary\n")
    assert mlcmd(lab, "-startapp", number)[0] == 0
    wait_for(lambda: "Status: Running" in mlcmd(lab, "-getappstatus", number)[1])
    (pid,) = lca.processes(lab, "site2")
    assert procs.environment(pid)["INFOMART_LAB_HOST"] == "site2/gim"
    assert Path(f"/proc/{pid}/cwd").resolve() == lab.server_root("site2").resolve()
    assert "already started" in mlcmd(lab, "-startapp", number)[1]
    assert len(lca.processes(lab, "site2")) == 1
    assert mlcmd(lab, "-stopgraceful", number)[0] == 0
    assert "Status: Stopped" in mlcmd(lab, "-getallappstatus")[1]
    assert lca.processes(lab, "site2") == []


def test_a_server_that_dies_is_stopped_whatever_its_files_say(lab: LabConfig) -> None:
    mlcmd(lab, "-startapp", dbid(lab))
    wait_for(lambda: lca.status(lab, "site2") == lca.RUNNING)
    os.kill(lca.processes(lab, "site2")[0], signal.SIGKILL)
    wait_for(lambda: lca.status(lab, "site2") == lca.STOPPED)


def test_a_server_with_another_host_is_asked_for_and_started_there(lab: LabConfig) -> None:
    with client(lab) as gax:
        gax.put("/cfg/applications/GIM", json={**gax.get("/cfg/applications/GIM").json(), "host": "site3-gim"})
        assert mlcmd(lab, "-startapp", dbid(lab))[0] == 0
        wait_for(lambda: gax.get("/scs/applications/GIM").json()["status"] == "Running")
        assert gax.get("/scs/applications/GIM").json()["host"] == "site3-gim"
    assert (lca.processes(lab, "site2"), len(lca.processes(lab, "site3"))) == ([], 1)


def test_a_host_behind_a_cut_link_is_unknown_and_cannot_be_controlled(lab: LabConfig) -> None:
    from infomart_lab import links

    genesys.replace(lab, "GIM", {**genesys.application(lab, "GIM"), "host": "site3-gim"})
    links.change(lab, "site2", "site3", cut=True)
    try:
        wait_for(lambda: "Status: Unknown" in mlcmd(lab, "-getappstatus", dbid(lab))[1])
        # the site itself still knows
        assert "Status: Stopped" in mlcmd(lab, "-getappstatus", dbid(lab), site="site3")[1]
    finally:
        links.heal(lab, "site2", "site3")


@pytest.mark.parametrize(
    ("command", "password", "reason"),
    [
        (["-getallappstatus"], "wrong", "invalid user name or password"),
        (["-getappstatus", "999"], None, "no application with DBID 999"),
        (["-getappstatus", "GIM"], None, "needs a number"),
    ],
)
def test_what_mlcmd_refuses_is_an_error_on_standard_error(
    lab: LabConfig, command: list[str], password: str | None, reason: str
) -> None:
    code, shown, error = mlcmd(lab, *command, password=password)
    assert (code, shown) == (1, "")
    assert reason in error


def test_a_disabled_application_is_not_started(lab: LabConfig) -> None:
    genesys.replace(lab, "GIM", {**genesys.application(lab, "GIM"), "state": 2})
    code, _, error = mlcmd(lab, "-startapp", dbid(lab))
    assert code == 1
    assert "disabled" in error
    assert lca.processes(lab, "site2") == []
