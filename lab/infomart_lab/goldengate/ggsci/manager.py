"""The manager: start, stop and state."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from infomart_lab import config as lab
from infomart_lab.goldengate.ggsci.commands import Options
from infomart_lab.goldengate.ggsci.session import Session

#: Folder of the package, for PYTHONPATH of the manager.
_PACKAGE_ROOT = str(Path(lab.__file__).resolve().parents[1])


def ask_manager(session: Session, request: dict[str, Any]) -> dict[str, Any]:
    """One request to the manager; a reply that is not ``ok`` has an ``error``."""
    try:
        return session.home.ask_manager(request)
    except OSError as error:
        return {"ok": False, "error": f"sending message to MANAGER ({error.strerror or error})."}


def info_manager(session: Session, options: Options) -> str:
    process = session.home.manager_running()
    if process is None:
        return "Manager is DOWN!"
    where = f"IP port {session.site}-db.{process['port']}"
    if session.wording != "11.2":
        where += f", Process ID {process['pid']}"
    return f"Manager is running ({where})."


def start_manager(session: Session, options: Options) -> str:
    if session.home.manager_running() is not None:
        return "MGR is already running."
    path = [_PACKAGE_ROOT, *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {
        **os.environ,
        lab.HOME_VARIABLE: str(session.config.home),
        lab.HOST_VARIABLE: f"{session.site}/db",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(path)),
    }
    # The manager keeps ggsci's outputs open, so a connection that waits for their end waits for the manager.
    child = subprocess.Popen(
        [sys.executable, "-m", "infomart_lab.goldengate.manager"],
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and child.poll() is None:
        if session.home.manager_running() is not None:
            return "Manager started."
        time.sleep(0.05)
    return "ERROR: Manager failed to start. See ggserr.log."


def stop_manager(session: Session, options: Options) -> str:
    """STOP MGR [!]."""
    if session.home.manager_running() is None:
        return "Manager not currently running."
    lines = []
    if "!" not in options.rest():
        lines.append("Manager process is required by other GGS processes.\nAre you sure you want to stop it (y/n)?")
        if not session.says_yes():
            return lines[0]
    lines.append("Sending STOP request to MANAGER ...")
    reply = ask_manager(session, {"command": "stop"})
    if not reply.get("ok"):
        return "\n".join([*lines, f"ERROR: {reply.get('error')}"])
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and session.home.manager_running() is not None:
        time.sleep(0.05)
    return "\n".join([*lines, "Request processed.", "Manager stopped."])


def send_manager(session: Session, options: Options) -> str:
    return "Sending request to MANAGER ..."
