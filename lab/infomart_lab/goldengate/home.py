"""The GoldenGate home of a site: folders, groups, checkpoints, processes, ggserr.log, credentials."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import signal
import socket
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from infomart_lab import config as lab
from infomart_lab.goldengate import wording as words
from infomart_lab.goldengate.parameters import Parameters, parse

FOLDERS = ("dirprm", "dirdat", "dirchk", "dirrpt", "dirpcs", "dircrd", "dirtmp", "trace")
GroupKind = Literal["extract", "replicat"]
#: Seconds for a command to a running process.
SEND_TIMEOUT = 10.0
#: Renamed logs that a home keeps.
LOGS_KEPT = 30


def write_json(path: Path, value: object) -> None:
    """Replace a file in one step, so that no reader sees half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(value, indent=1))
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """Contents of a JSON file; empty when there is none."""
    try:
        value = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return value if isinstance(value, dict) else {}


def start_ticks(pid: int) -> int | None:
    """Start time of a process, in clock ticks after that of the machine; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


class Group:
    """An Extract, pump or Replicat: its definition, checkpoint and process."""

    def __init__(self, home: Home, kind: GroupKind, name: str) -> None:
        self.home = home
        self.kind = kind
        self.name = name.upper()
        letter = "e" if kind == "extract" else "r"
        self.definition_path = home.root / "dirchk" / f"{self.name}.{letter}.json"
        self.checkpoint_path = home.root / "dirchk" / f"{self.name}.cp{letter}"
        self.process_path = home.root / "dirpcs" / f"{self.name}.pc{letter}"
        # Relative: a socket's path must be short, and every process of GoldenGate runs in its home.
        self.socket_name = f"dirpcs/{self.name}.s{letter}"
        self.parameter_path = home.root / "dirprm" / f"{self.name.lower()}.prm"
        self.report_path = home.root / "dirrpt" / f"{self.name}.rpt"

    @property
    def program(self) -> str:
        return self.kind.upper()

    @property
    def definition(self) -> dict[str, Any]:
        return read_json(self.definition_path)

    def save_definition(self, value: dict[str, Any]) -> None:
        write_json(self.definition_path, value)

    @property
    def checkpoint(self) -> dict[str, Any]:
        return read_json(self.checkpoint_path)

    def save_checkpoint(self, value: dict[str, Any]) -> None:
        write_json(self.checkpoint_path, value)

    @property
    def process(self) -> dict[str, Any]:
        return read_json(self.process_path)

    def save_process(self, status: str, **more: Any) -> None:
        write_json(self.process_path, {**self.process, "status": status, "changed": time.time(), **more})

    def alive(self) -> bool:
        """True when the process that wrote the process file still runs."""
        process = self.process
        ticks = process.get("ticks")
        return ticks is not None and start_ticks(int(process["pid"])) == ticks

    def status(self) -> str:
        """STARTING, RUNNING, STOPPED or ABENDED; a process that vanished is ABENDED."""
        status = str(self.process.get("status", "STOPPED"))
        if status in ("STARTING", "RUNNING") and not self.alive():
            # A manager that has just been asked has not started the child yet.
            if status == "STARTING" and time.time() - self.process.get("changed", 0) < 10 and "pid" not in self.process:
                return status
            return "ABENDED"
        return status

    def parameters(self) -> Parameters:
        """Parsed parameter file.

        :raises FileNotFoundError: the group has none.
        :raises infomart_lab.goldengate.parameters.ParameterError: it is wrong.
        """
        return parse(self.parameter_path.read_text(), self.kind, self.home.wording)

    def remove(self) -> None:
        for path in (self.definition_path, self.checkpoint_path, self.process_path):
            path.unlink(missing_ok=True)

    def send(self, request: dict[str, Any]) -> dict[str, Any]:
        """Ask the running process.

        :raises OSError: it does not answer.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(SEND_TIMEOUT)
            connection.connect(self.socket_name)
            return converse(connection, request)

    def kill(self) -> int | None:
        """SIGKILL the process if it runs and wait until it is gone; its pid."""
        return end_process(self.process)


def end_process(process: dict[str, Any]) -> int | None:
    """SIGKILL the process of a process file if it runs and wait until it is gone; its pid."""
    ticks = process.get("ticks")
    if ticks is None or start_ticks(int(process["pid"])) != ticks:
        return None
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(process["pid"]), signal.SIGKILL)
    deadline = time.monotonic() + 5
    while start_ticks(int(process["pid"])) == ticks and time.monotonic() < deadline:
        time.sleep(0.01)
    return int(process["pid"])


def converse(connection: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
    """Send one JSON line and read one back.

    :raises OSError: the other side closed the connection.
    """
    connection.sendall(json.dumps(request).encode() + b"\n")
    with connection.makefile("rb") as stream:
        line = stream.readline()
    if not line.endswith(b"\n"):
        raise ConnectionError("connection closed")
    reply = json.loads(line)
    return reply if isinstance(reply, dict) else {}


def encrypted_password(password: str) -> str:
    """Output of ENCRYPT PASSWORD ... ENCRYPTKEY DEFAULT: the same form, but not reversible here."""
    digest = hashlib.sha256(f"ENCRYPTKEY DEFAULT {password}".encode()).digest()
    return "AACAAAAAAAAAAA" + base64.b32encode(digest).decode()[:18]


class Home:
    """GoldenGate at one site."""

    def __init__(self, config: lab.LabConfig, site: str) -> None:
        self.config = config
        self.site = site
        self.root = config.goldengate_home(site)
        self.wording = str(config.sites[site].goldengate)
        #: GoldenGate's user and schema in the site's database.
        self.schema = config.sites[site].goldengate_schema
        self.digits = words.digits(self.wording)

    def prepare(self) -> None:
        """Make the folders, GLOBALS and mgr.prm of an installation; existing files stay as they are."""
        for folder in FOLDERS:
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        (self.root / "dircrd").chmod(0o700)
        globals_file = self.root / "GLOBALS"
        if not globals_file.exists():
            globals_file.write_text(f"GGSCHEMA {self.schema}\n")
        manager = self.root / "dirprm" / "mgr.prm"
        if not manager.exists():
            every = self.config.sites[self.site].autostart
            manager.write_text(
                f"PORT {self.config.port(self.site, 'manager')}\n"
                + ("AUTOSTART ER *\n" if every else "")
                + f"AUTORESTART {'ER' if every else 'EXTRACT'} *, RETRIES 5, WAITMINUTES 1, RESETMINUTES 60\n"
                "PURGEOLDEXTRACTS ./dirdat/*, USECHECKPOINTS, MINKEEPHOURS 24\n"
            )
        (self.root / "ggserr.log").touch()
        if self.wording != "11.2" and not self.wallet.exists():
            users = {lab.GOLDENGATE_ALIAS: (self.schema, "gim")}
            if self.config.sites[self.site].pdb:
                users[lab.ROOT_ALIAS] = (lab.ROOT_USER, "cdb")
            self.save_credentials({f"oraclegoldengate.{alias}": self._entry(alias, *users[alias]) for alias in users})

    def _entry(self, alias: str, user: str, database: str) -> dict[str, str]:
        """An entry of the credential store; in a CDB the user's service names the container."""
        service = f"@{self.config.service_name(self.site, database)}" if self.config.sites[self.site].pdb else ""
        password = self.config.password(self.site, user)
        return {"user": user + service, "password": password, "alias": alias, "domain": "OracleGoldenGate"}

    # -- log -------------------------------------------------------------------------------------

    def log(self, severity: str, code: str, program: str, file: str, text: str) -> None:
        """Append a record to ggserr.log."""
        line = words.log_line(datetime.now().astimezone(), self.wording, severity, code, program, file, text)
        path = self.root / "ggserr.log"
        # Several programs write, and one of them renames: the folder is the lock.
        folder = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            largest = lab.fault(self.config, f"{self.site}.goldengate.log_rollover")
            if largest is not None and path.exists() and path.stat().st_size >= int(str(largest)):
                for number in range(LOGS_KEPT - 1, -1, -1):
                    old = path.with_name(f"ggserr.log.{number}") if number else path
                    if old.exists():
                        old.replace(path.with_name(f"ggserr.log.{number + 1}"))
            with path.open("a") as stream:
                stream.write(line + "\n")
        finally:
            os.close(folder)

    # -- groups ----------------------------------------------------------------------------------

    def group(self, kind: GroupKind, name: str) -> Group:
        return Group(self, kind, name)

    def groups(self, kind: GroupKind | None = None) -> list[Group]:
        """Groups in the order of INFO ALL."""
        found: list[Group] = []
        for each in ("extract", "replicat"):
            if kind in (None, each):
                names = sorted(p.name for p in (self.root / "dirchk").glob(f"*.{each[0]}.json"))
                found += [self.group(each, n.split(".")[0]) for n in names]
        return found

    def trail_path(self, trail: str) -> Path:
        """Path of a trail named in a parameter file or command; relative to the home."""
        return Path(os.path.normpath(self.root / trail))

    # -- manager ---------------------------------------------------------------------------------

    @property
    def manager_process(self) -> Path:
        return self.root / "dirpcs" / "MGR.pcm"

    def collector_process(self, trail: str) -> Path:
        """Process file of the collector that writes a trail.

        :param trail: its name without folder and number.
        """
        return self.root / "dirpcs" / f"{trail}.col"

    @property
    def manager_port(self) -> int:
        return self.config.port(self.site, "manager")

    def manager_running(self) -> dict[str, Any] | None:
        """The manager's process file when it runs."""
        process = read_json(self.manager_process)
        ticks = process.get("ticks")
        if ticks is not None and start_ticks(int(process["pid"])) == ticks:
            return process
        return None

    def ask_manager(self, request: dict[str, Any]) -> dict[str, Any]:
        """One control request to the manager.

        :raises OSError: no manager, or no answer.
        """
        with socket.create_connection((self.config.address, self.manager_port), timeout=SEND_TIMEOUT) as connection:
            return converse(connection, request)

    # -- credentials -----------------------------------------------------------------------------

    @property
    def wallet(self) -> Path:
        return self.root / "dircrd" / "cwallet.sso"

    def credentials(self) -> dict[str, dict[str, str]] | None:
        """``{"domain.alias": {"user": ..., "password": ...}}``; None when there is no credential store."""
        if not self.wallet.exists():
            return None
        return json.loads(base64.b64decode(self.wallet.read_bytes()))

    def save_credentials(self, value: dict[str, dict[str, str]]) -> None:
        # Encoded like a wallet, so that no password is readable in the folder; this is no protection.
        descriptor = os.open(self.wallet, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(json.dumps(value).encode()))

    def database_of_login(self, user: str) -> str | None:
        """Database that ``user[@service]`` leads to; None for an unknown service."""
        service = user.partition("@")[2]
        if not self.config.sites[self.site].pdb:
            return "gim"
        return self.config.database_of(self.site, service) if service else self.config.default_database(self.site)

    def container_of_login(self, user: str) -> str | None:
        """Container that ``user[@service]`` leads to; None where there is no CDB."""
        return self.config.container(self.site, self.database_of_login(user) or "gim")

    def check_login(self, user: str, password: str | None, *, encrypted: bool = False) -> str | None:
        """Oracle's message when a login is refused, None when it is good.

        :param encrypted: the password is given as ENCRYPT PASSWORD prints it.
        """
        name, database = user.partition("@")[0].upper(), self.database_of_login(user)
        if database is None:
            return "ORA-12514: TNS:listener does not currently know of service requested in connect descriptor"
        if name in self.config.oracle_users(self.site, database) and password is not None:
            known = self.config.password(self.site, name)
            if password == (encrypted_password(known) if encrypted else known):
                return None
        return "ORA-01017: invalid username/password; logon denied"
