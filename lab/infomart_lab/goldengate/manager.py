"""Manager: starts and watches the groups, and starts a collector for each remote pump, all on one port."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infomart_lab import config as lab
from infomart_lab import life
from infomart_lab.goldengate.home import Group, GroupKind, Home, end_process, read_json, start_ticks, write_json
from infomart_lab.goldengate.parameters import ParameterError, Parameters, matches, parse

#: Seconds between two checks of the groups.
WATCH_SECONDS = 0.5


@dataclass
class Restart:
    """AUTORESTART of mgr.prm."""

    kinds: tuple[str, ...]
    pattern: str
    retries: int = 2
    wait_seconds: float = 120.0
    reset_seconds: float = 1200.0


@dataclass
class _Attempts:
    count: int = 0
    seen: float | None = None
    last: float = 0.0


def restarts(parameters: Parameters) -> list[Restart]:
    """AUTORESTART statements of mgr.prm."""
    found = []
    for value in parameters.all("AUTORESTART"):
        words = [w for w in re.split(r"[\s,]+", value) if w]
        kinds = {"ER": ("extract", "replicat")}.get(words[0].upper(), (words[0].lower(),))
        restart = Restart(kinds, words[1] if len(words) > 1 and words[1].upper() != "RETRIES" else "*")
        for name, number in re.findall(r"(\w+)\s+(\d+(?:\.\d+)?)", value):
            if name.upper() == "RETRIES":
                restart.retries = int(float(number))
            elif name.upper() == "WAITMINUTES":
                restart.wait_seconds = 60 * float(number)
            elif name.upper() == "RESETMINUTES":
                restart.reset_seconds = 60 * float(number)
        found.append(restart)
    return found


class Manager:
    """The manager of one site."""

    def __init__(self, config: lab.LabConfig, site: str) -> None:
        self.config = config
        self.site = site
        self.home = Home(config, site)
        self.stopping = threading.Event()
        self._children: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self._attempts: dict[tuple[str, str], _Attempts] = {}
        self.parameters = Parameters("manager", [])

    def read_parameters(self) -> None:
        """Read mgr.prm.

        :raises ParameterError: it is wrong.
        """
        text = (self.home.root / "dirprm" / "mgr.prm").read_text()
        self.parameters = parse(text, "manager", self.home.wording)

    def log(self, severity: str, code: str, text: str) -> None:
        """Append a record of the manager to ggserr.log."""
        self.home.log(severity, code, "manager", "mgr.prm", text)

    # -- groups ----------------------------------------------------------------------------------

    def _environment(self) -> dict[str, str]:
        package_root = str(Path(__file__).resolve().parents[2])
        known = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
        return {
            **os.environ,
            lab.HOME_VARIABLE: str(self.config.home),
            lab.HOST_VARIABLE: f"{self.site}/db",
            "PYTHONPATH": os.pathsep.join([package_root, *(p for p in known if p != package_root)]),
        }

    def start_group(self, group: Group, options: list[str]) -> None:
        """Start a group as a child that outlives this manager."""
        for option in options:
            if not re.fullmatch(r"[A-Z0-9]+", option):
                raise ValueError(option)
        group.process_path.unlink(missing_ok=True)
        group.save_process("STARTING")
        log = self.config.log_dir / f"{self.site}-{group.name.lower()}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, "-m", f"infomart_lab.goldengate.{group.kind}", group.name, *options],
                cwd=self.home.root,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        with self._lock:
            self._children.append(child)

    def control(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer ggsci: start or kill a group, status, stop."""
        command = request.get("command")
        if command == "ping":
            return {"ok": True, "pid": os.getpid()}
        if command == "stop":
            self.stopping.set()
            return {"ok": True}
        kind: GroupKind = "replicat" if request.get("kind") == "replicat" else "extract"
        group = self.home.group(kind, str(request.get("group")))
        if not group.definition:
            return {"ok": False, "error": f"{group.program} {group.name} does not exist"}
        if command == "start":
            if group.status() in ("RUNNING", "STARTING"):
                return {"ok": False, "error": f"{group.program} {group.name} is already running"}
            self._attempts.pop((kind, group.name), None)
            text = f"Command received from GGSCI on host localhost (START {group.program} {group.name} )."
            self.log("INFO", "OGG-00963", text)
            self.start_group(group, [str(o).upper() for o in request.get("options", [])])
            self.log("INFO", "OGG-00975", f"{group.program} {group.name} starting.")
            return {"ok": True}
        if command == "kill":
            if not group.alive():
                return {"ok": False, "error": f"{group.program} {group.name} is not running"}
            # Marked first: AUTORESTART leaves a killed process alone.
            group.save_process("STOPPED")
            return {"ok": True, "pid": group.kill()}
        return {"ok": False, "error": f"unknown command {command}"}

    def watch(self) -> None:
        """Reap children, and restart abended groups by AUTORESTART."""
        while not self.stopping.wait(WATCH_SECONDS):
            with self._lock:
                self._children = [c for c in self._children if c.poll() is None]
            try:
                rules = restarts(self.parameters)
                for group in self.home.groups():
                    self._watch_group(group, rules)
            except OSError:
                continue

    def _watch_group(self, group: Group, rules: list[Restart]) -> None:
        attempts = self._attempts.setdefault((group.kind, group.name), _Attempts())
        if group.status() != "ABENDED":
            attempts.seen = None
            return
        now = time.time()
        if attempts.seen is None:
            attempts.seen = now
            self.log("WARNING", "OGG-00938", f"{group.program} {group.name} abended.")
        for rule in rules:
            if group.kind not in rule.kinds or not matches(rule.pattern, group.name):
                continue
            if attempts.last and now - attempts.last > rule.reset_seconds:
                attempts.count = 0
            if attempts.count < rule.retries and now - attempts.seen >= rule.wait_seconds:
                attempts.count += 1
                attempts.last = now
                self.log("INFO", "OGG-00965", f"{group.program} {group.name} restarted automatically.")
                self.start_group(group, [])
            return

    # -- collector -------------------------------------------------------------------------------

    def hand_over(self, hello: dict[str, Any], connection: socket.socket) -> None:
        """Start the collector of a pump's connection; it outlives this manager and ends with the connection."""
        prefix = self.home.trail_path(str(hello["collector"]))
        if prefix.parent != (self.home.root / "dirdat"):
            reason = f'Unable to create file "{prefix.name}" (error 2, No such file or directory)'
            connection.sendall(json.dumps({"ok": False, "error": reason}).encode() + b"\n")
            return
        process_file = self.home.collector_process(prefix.name)
        with self._lock:
            # A new connection of the pump replaces one that hangs on a cut link.
            end_process(read_json(process_file))
            log = self.config.log_dir / f"{self.site}-collector.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                child = subprocess.Popen(
                    [sys.executable, "-m", "infomart_lab.goldengate.collector", str(connection.fileno())],
                    cwd=self.home.root,
                    env={**self._environment(), "INFOMART_LAB_PUMP": json.dumps(hello)},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                    pass_fds=[connection.fileno()],
                )
            write_json(process_file, {"pid": child.pid, "ticks": start_ticks(child.pid)})
            self._children.append(child)

    # -- server ----------------------------------------------------------------------------------

    def serve(self) -> socketserver.ThreadingTCPServer:
        """Listen on the manager's port."""
        manager = self
        #: Connections that a collector has now: closed here, and not ended.
        handed: set[socket.socket] = set()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, ValueError):
                    self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                    line = self.rfile.readline()
                    if not line:
                        return
                    request = json.loads(line)
                    if "collector" in request:
                        handed.add(self.connection)
                        manager.hand_over(request, self.connection)
                    else:
                        self.wfile.write(json.dumps(manager.control(request)).encode() + b"\n")

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

            def shutdown_request(self, request: Any) -> None:
                if request in handed:
                    handed.discard(request)
                    self.close_request(request)
                else:
                    super().shutdown_request(request)

        server = Server((self.config.address, self.home.manager_port), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
        return server


def main(config: lab.LabConfig, site: str | None) -> None:
    """Run the manager of ``site`` until SIGTERM or STOP MGR."""
    assert site is not None
    life.follow_supervisor(config)
    manager = Manager(config, site)
    home = manager.home
    home.prepare()
    os.chdir(home.root)
    try:
        manager.read_parameters()
    except (ParameterError, OSError) as error:
        manager.log("ERROR", getattr(error, "code", "OGG-00014"), str(error))
        manager.log("ERROR", "OGG-01668", "PROCESS ABENDING.")
        raise SystemExit(1) from None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: manager.stopping.set())
    server = manager.serve()
    write_json(
        home.manager_process,
        {"pid": os.getpid(), "ticks": start_ticks(os.getpid()), "port": home.manager_port},
    )
    manager.log("INFO", "OGG-00983", f"Manager started (port {home.manager_port}).")
    for value in manager.parameters.all("AUTOSTART"):
        words = [w for w in re.split(r"[\s,]+", value) if w]
        for group in home.groups():
            wanted = words[0].upper() in ("ER", group.program) and matches(
                words[1] if len(words) > 1 else "*", group.name
            )
            if wanted and group.status() in ("STOPPED", "ABENDED"):
                manager.start_group(group, [])
    lab.mark_ready(config, "goldengate", site)
    manager.watch()
    server.shutdown()
    server.server_close()
    home.manager_process.unlink(missing_ok=True)
    manager.log("INFO", "OGG-00987", "Manager stopped.")


if __name__ == "__main__":
    main(lab.load(), os.environ[lab.HOST_VARIABLE].partition("/")[0])
