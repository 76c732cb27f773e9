"""Common parts of Extract, pump and Replicat: start, report, control socket, checkpoint, abend."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import socketserver
import sys
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

from infomart_lab import config as lab
from infomart_lab import life
from infomart_lab.goldengate import wording as words
from infomart_lab.goldengate.home import GroupKind, Home, start_ticks
from infomart_lab.goldengate.parameters import ParameterError, Parameters, login

#: Seconds between two checks for new work.
IDLE_SECONDS = 0.15
#: Seconds after which an idle process writes its checkpoint again.
CHECKPOINT_SECONDS = 1.0


class Abend(Exception):
    """The process ends abnormally.

    :param code: message number, as ``OGG-01296``.
    :param text: the message.
    """

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(text)


class GroupProcess(ABC):
    """One running group. Subclasses implement :meth:`work`."""

    def __init__(self, config: lab.LabConfig, site: str, kind: GroupKind, name: str) -> None:
        self.config = config
        self.site = site
        self.home = Home(config, site)
        self.group = self.home.group(kind, name)
        self.kind = kind
        self.name = self.group.name
        self.stopping = threading.Event()
        self.parameters = Parameters(kind, [])
        self.definition = self.group.definition
        self.checkpoint = self.group.checkpoint
        self.counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.started = time.time()
        self.at_end = False
        #: Container of the login; None where the site has no CDB.
        self.container: str | None = None
        self._checkpointed = 0.0

    # -- messages --------------------------------------------------------------------------------

    def report(self, text: str) -> None:
        with self.group.report_path.open("a") as file:
            file.write(text + "\n")

    def message(self, severity: str, code: str, text: str) -> None:
        """Write a message into the report and ggserr.log."""
        moment = datetime.now().astimezone()
        self.report(words.report_line(moment, self.home.wording, severity, code, text))
        self.home.log(severity, code, self.kind, f"{self.name.lower()}.prm", text)

    # -- checkpoint ------------------------------------------------------------------------------

    def save_checkpoint(self, *, force: bool = True, **values: Any) -> None:
        """Write the checkpoint file; without ``force`` at most every :data:`CHECKPOINT_SECONDS`."""
        self.checkpoint.update(values)
        now = time.time()
        if force or now - self._checkpointed >= CHECKPOINT_SECONDS:
            self.checkpoint["updated"] = now
            self.group.save_checkpoint(self.checkpoint)
            self._checkpointed = now

    @staticmethod
    def lag_of(ts: str | None) -> float:
        """Seconds since the source's time stamp of a record."""
        if not ts:
            return 0.0
        return max(0.0, time.time() - datetime.fromisoformat(ts).timestamp())

    # -- run -------------------------------------------------------------------------------------

    def run(self) -> int:
        """Run until STOP; exit status 0 after a normal stop, 1 after an abend."""
        os.chdir(self.home.root)
        self.group.save_process("STARTING", pid=os.getpid(), ticks=start_ticks(os.getpid()), started=time.time())
        self._roll_reports()
        self.report(words.banner(self.home.wording, self.kind))
        codes = (
            ("OGG-00992", "OGG-00993", "OGG-00991")
            if self.kind == "extract"
            else ("OGG-00995", "OGG-00996", "OGG-00994")
        )
        try:
            self.message("INFO", codes[0], f"{self.group.program} {self.name} starting.")
            self._read_parameters()
            with self._control_server():
                # Before the login: a process counts as running once it has its checkpoint file.
                self.group.save_process("RUNNING")
                self._abend_late()
                self._check_login()
                self.prepare()
                self.message("INFO", codes[1], f"{self.group.program} {self.name} started.")
                self.work()
                self.save_checkpoint()
                self.close()
        except Abend as error:
            self._abend(error.code, error.text)
            return 1
        except ParameterError as error:
            self._abend(error.code, error.text)
            return 1
        except Exception as error:
            traceback.print_exc()
            self._abend("OGG-00664", f"{type(error).__name__}: {error}".strip())
            return 1
        self.group.save_process("STOPPED")
        self.message("INFO", codes[2], f"{self.group.program} {self.name} stopped normally.")
        return 0

    def _abend(self, code: str, text: str) -> None:
        self.message("ERROR", code, text)
        self.message("ERROR", "OGG-01668", "PROCESS ABENDING.")
        self.group.save_process("ABENDED")

    def _roll_reports(self) -> None:
        path = self.group.report_path
        for number in range(8, -1, -1):
            old = path.with_name(f"{self.name}{number}.rpt")
            if old.exists():
                old.replace(path.with_name(f"{self.name}{number + 1}.rpt"))
        if path.exists():
            path.replace(path.with_name(f"{self.name}0.rpt"))

    def _read_parameters(self) -> None:
        try:
            text = self.group.parameter_path.read_text()
        except FileNotFoundError:
            raise Abend("OGG-00014", f"Could not open parameter file {self.group.parameter_path}.") from None
        self.report("***********************************************************************")
        self.report("**                  Running with the following parameters            **")
        self.report("***********************************************************************\n")
        self.report(re.sub(r"(?i)(password\s+)[^\s,;]+", r"\1***", text))
        self.parameters = self.group.parameters()
        if self.parameters.group != self.name:
            raise Abend("OGG-00306", f"Group name in the parameter file ({self.parameters.group}) is not {self.name}.")

    def _abend_late(self) -> None:
        """The fault ``late_abend``: the process runs for a while, and its login fails only then."""
        late = lab.fault(self.config, f"{self.site}.goldengate.late_abend")
        if isinstance(late, dict) and self.name in late:
            self.stopping.wait(float(late[self.name]))
            raise Abend(
                "OGG-00664", "OCI Error beginning session (status = 1045-ORA-01045: user lacks CREATE SESSION)."
            )

    def _check_login(self) -> None:
        found = login(self.parameters)
        if found is None:
            if self.needs_database():
                raise Abend("OGG-00014", "No USERID or USERIDALIAS parameter was specified.")
            return
        user, password, alias = found
        if alias is not None:
            entry = find_alias(self.home, alias)
            if entry is None:
                raise Abend(
                    "OGG-02062",
                    f"User ID alias '{alias}' does not exist in credential store domain 'OracleGoldenGate'.",
                )
            user, password = entry["user"], entry["password"]
            self.container = self.home.container_of_login(user)
        encrypted = alias is None and "ENCRYPTKEY" in (self.parameters.last("USERID") or "").upper()
        if refused := self.home.check_login(user, password, encrypted=encrypted):
            raise Abend("OGG-00664", f"OCI Error beginning session (status = 1017-{refused}).")

    def needs_database(self) -> bool:
        return not self.parameters.has("PASSTHRU")

    @abstractmethod
    def prepare(self) -> None:
        """Open the group's source and target."""

    @abstractmethod
    def work(self) -> None:
        """Work until :attr:`stopping` is set."""

    def close(self) -> None:  # noqa: B027 -- optional
        """Close files and connections."""

    # -- control ---------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _control_server(self) -> Any:
        path = Path(self.group.socket_name)
        path.unlink(missing_ok=True)
        process = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline()
                if line:
                    reply = process.command(json.loads(line))
                    self.wfile.write(json.dumps(reply).encode() + b"\n")

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

        server = Server(str(path), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            path.unlink(missing_ok=True)

    def command(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer a SEND, STATS or STOP."""
        what = request.get("command")
        if what == "stop":
            self.stopping.set()
            return {"ok": True}
        if what == "stats":
            if request.get("reset"):
                self.counts.clear()
            return {
                "ok": True,
                "started": self.started,
                "counts": {k: dict(v) for k, v in list(self.counts.items())},
            }
        if what == "status":
            return {
                "ok": True,
                "at_end": self.at_end,
                "lag": self.current_lag(),
                "checkpoint": dict(self.checkpoint),
                "state": self.state(),
                "open_records": self.open_records(),
            }
        return self.other_command(request)

    def state(self) -> str:
        """The current status of SEND ..., STATUS."""
        return "At EOF" if self.at_end else "Processing data"

    def open_records(self) -> int:
        """Records of the current transaction that are not committed."""
        return 0

    def current_lag(self) -> float:
        return 0.0 if self.at_end else self.lag_of(self.checkpoint.get("ts"))

    def other_command(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"ok": False, "error": f"unknown command {request.get('command')}"}


def find_alias(home: Home, alias: str, domain: str = "OracleGoldenGate") -> dict[str, str] | None:
    """Entry of the credential store; None when there is none."""
    return (home.credentials() or {}).get(f"{domain}.{alias}".lower())


def run_group(kind: GroupKind, cls: type[GroupProcess]) -> None:
    """Entry point of ``python -m infomart_lab.goldengate.<kind> GROUP [option value]``."""
    config = lab.load()
    site = os.environ[lab.HOST_VARIABLE].partition("/")[0]
    life.follow_supervisor(config)
    process = cls(config, site, kind, sys.argv[1])
    options = sys.argv[2:]
    for name, value in zip(options[::2], options[1::2], strict=False):
        setattr(process, f"option_{name.lower()}", value)
    sys.exit(process.run())


def hang_up(connection: socket.socket | None) -> None:
    """Close a socket that another thread may be reading."""
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
