"""Local Control Agent: starts and stops the Info Mart Server on its own host, and knows its state."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from infomart_lab import procs
from infomart_lab.config import HOME_VARIABLE, HOST_VARIABLE, LabConfig, ready_file

#: Status words that mlcmd shows.
STOPPED, INITIALIZING, RUNNING, STOPPING, UNKNOWN = (
    "Stopped",
    "Initializing",
    "Running",
    "Stop Pending",
    "Unknown",
)
#: The server's part of the command line, by which its processes are found.
MODULE = "infomart_lab.gim_server"
#: Seconds until a server that must stop at once is killed.
STOP_SECONDS = 10.0


def _stopping_file(config: LabConfig, site: str) -> Path:
    return config.run_dir / f"{site}-gim_server.stopping"


def processes(config: LabConfig, site: str) -> list[int]:
    """Info Mart Server processes on the gim host of ``site``, however they were started."""
    found = procs.lab_processes(config.home, host=f"{site}/gim")
    return [pid for pid in found if f"-m {MODULE}" in procs.command_line(pid)]


def status(config: LabConfig, site: str) -> str:
    """Status word of the Info Mart Server on the host of ``site``."""
    running = processes(config, site)
    if not running:
        _stopping_file(config, site).unlink(missing_ok=True)
        return STOPPED
    try:
        told = int(_stopping_file(config, site).read_text())
    except (FileNotFoundError, ValueError):
        told = 0
    if told in running:
        return STOPPING
    return RUNNING if ready_file(config, "gim_server", site).exists() else INITIALIZING


def icon_status(config: LabConfig, site: str) -> str:
    """Status word of the ICONs of a site: one program of the lab writes for all of them."""
    try:
        pid = int(ready_file(config, "icon", site).read_text())
    except (FileNotFoundError, ValueError):
        return STOPPED
    return RUNNING if procs.alive(pid) else STOPPED


def start(config: LabConfig, site: str) -> subprocess.Popen[bytes] | None:
    """Start the Info Mart Server, detached; None when one is there already."""
    if processes(config, site):
        return None
    ready_file(config, "gim_server", site).unlink(missing_ok=True)
    _stopping_file(config, site).unlink(missing_ok=True)
    root = config.server_root(site)
    root.mkdir(parents=True, exist_ok=True)
    config.log_dir.mkdir(parents=True, exist_ok=True)
    variables = {
        **os.environ,
        HOME_VARIABLE: str(config.home),
        HOST_VARIABLE: f"{site}/gim",
        procs.SITE_VARIABLE: site,
        procs.PART_VARIABLE: "gim_server",
    }
    package = str(Path(__file__).resolve().parents[1])
    known = variables.get("PYTHONPATH", "").split(os.pathsep)
    variables["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([package, *filter(None, known)]))
    with (config.log_dir / f"{site}-gim_server.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", MODULE, site],
            cwd=root,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(config: LabConfig, site: str, *, graceful: bool = False) -> None:
    """Stop the Info Mart Server; returns when it has ended, or after :data:`STOP_SECONDS`.

    :param graceful: let it finish its job, without limit; else it is killed after that time.
    """
    running = processes(config, site)
    for pid in running:
        _stopping_file(config, site).write_text(str(pid))
    procs.send(running, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while processes(config, site):
        if time.monotonic() > deadline:
            if graceful:
                return
            procs.send(processes(config, site), signal.SIGKILL)
            deadline = time.monotonic() + STOP_SECONDS
        time.sleep(0.1)
    ready_file(config, "gim_server", site).unlink(missing_ok=True)
