"""SSH servers of a site's two hosts, and the keys of hosts and operators.

A command has the environment of ``ssh host command`` on a Unix host: no login shell, few variables, the host's own
PATH. When the connection is lost, the command keeps running; only its pipes are closed. With ``real_ssh`` a real sshd
serves each connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncssh

from infomart_lab import sshd
from infomart_lab.config import (
    HOME_VARIABLE,
    HOST_KINDS,
    HOST_VARIABLE,
    SITES,
    LabConfig,
    fault,
    mark_ready,
)
from infomart_lab.procs import SITE_VARIABLE, die_with_parent

#: Login names of the two hosts of a site.
USERS = {"db": "oracle", "gim": "genesys"}
_KEY_TYPE = "ssh-ed25519"
#: Variables of a session that a real sshd sets by the account.
_OF_LOGIN = ("HOME", "USER", "LOGNAME", "SHELL")
_CHUNK = 65536


# -- keys -----------------------------------------------------------------------------------------


def operator_key(config: LabConfig) -> Path:
    """Private key that every host of the lab accepts."""
    return config.home / "operator_key"


def host_key(config: LabConfig, site: str, kind: str) -> Path:
    """Private host key of one host."""
    return config.site_dir(site) / f"ssh_host_key_{kind}"


def _ensure_key(path: Path, comment: str) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    key = asyncssh.generate_private_key(_KEY_TYPE, comment=comment)
    path.with_name(path.name + ".pub").write_bytes(key.export_public_key())
    _write_private(path, key.export_private_key())


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _public_line(private: Path) -> str:
    text = private.with_name(private.name + ".pub").read_text()
    return " ".join(text.split()[:2])


def host_key_line(config: LabConfig, site: str, kind: str) -> str:
    """Public host key of a host as ``ssh-ed25519 AAAA...``, for the topology and known_hosts."""
    path = host_key(config, site, kind)
    _ensure_key(path, f"{site}-{kind}")
    return _public_line(path)


def prepare_keys(config: LabConfig) -> None:
    """Make the keys that are missing, and write authorized_keys and known_hosts of all hosts.

    The operator's key opens every host; the key of a db host opens the db hosts of the other sites.
    """
    _ensure_key(operator_key(config), "operator")
    own = {site: config.host_dir(site, "db") / ".ssh" / "id_ed25519" for site in SITES}
    for site in SITES:
        for kind in HOST_KINDS:
            host_key_line(config, site, kind)
        _ensure_key(own[site], f"oracle@{site}-db")
    for site in SITES:
        for kind in HOST_KINDS:
            folder = config.host_dir(site, kind) / ".ssh"
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            lines = [_public_line(operator_key(config))]
            if kind == "db":
                lines += [_public_line(own[other]) for other in SITES if other != site]
            _write_private(folder / "authorized_keys", "".join(f"{line}\n" for line in lines).encode())
        known = []
        for other in SITES:
            if other != site:
                port = config.link_port(site, other, "ssh-db")
                known.append(f"[{config.address}]:{port} {host_key_line(config, other, 'db')}\n")
        (config.host_dir(site, "db") / ".ssh" / "known_hosts").write_text("".join(known))


# -- what a command sees --------------------------------------------------------------------------


def environment(config: LabConfig, site: str, kind: str) -> dict[str, str]:
    """Environment of a command over SSH: that of a session without a login shell."""
    variables = {
        "PATH": f"{config.bin_dir(site, kind)}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(config.host_dir(site, kind)),
        "USER": USERS[kind],
        "LOGNAME": USERS[kind],
        "SHELL": "/bin/sh",
        "LANG": "C.UTF-8",
        HOME_VARIABLE: str(config.home),
        HOST_VARIABLE: f"{site}/{kind}",
        SITE_VARIABLE: site,
    }
    # the coverage of a test run reaches into the stand-ins too
    if "COVERAGE_PROCESS_START" in os.environ:
        variables["COVERAGE_PROCESS_START"] = os.environ["COVERAGE_PROCESS_START"]
    return variables


async def _exit_of(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a process without a thread."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()


async def _reader(descriptor: int) -> tuple[asyncio.StreamReader, asyncio.BaseTransport]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=4 * _CHUNK)
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    return reader, transport


async def _writer(descriptor: int) -> asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(descriptor, "wb", 0)
    )
    return asyncio.StreamWriter(transport, protocol, None, loop)


async def _feed(client: asyncssh.SSHServerProcess[bytes], target: asyncio.StreamWriter, pid: int) -> None:
    """Carry the client's input, and its signals, to the command."""
    while True:
        try:
            data = await client.stdin.read(_CHUNK)
        except asyncssh.SignalReceived as received:
            with contextlib.suppress(AttributeError, ProcessLookupError):
                os.killpg(pid, getattr(signal, f"SIG{received.signal}"))
            continue
        except (asyncssh.BreakReceived, asyncssh.TerminalSizeChanged):
            continue
        except (OSError, asyncssh.Error):
            break
        if not data:
            break
        target.write(data)
        try:
            await target.drain()
        except OSError:
            break
    target.close()


async def _collect(source: asyncio.StreamReader, client: Any) -> None:
    """Carry output of the command to the client."""
    while data := await source.read(_CHUNK):
        client.write(data)
        await client.drain()


async def _run_command(config: LabConfig, site: str, kind: str, client: asyncssh.SSHServerProcess[bytes]) -> None:
    pipes = [os.pipe() for _ in range(3)]
    (in_read, in_write), (out_read, out_write), (error_read, error_write) = pipes
    command = client.command
    home = config.host_dir(site, kind)
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command] if command is not None else ["/bin/sh"],
            stdin=in_read,
            stdout=out_write,
            stderr=error_write,
            env=environment(config, site, kind),
            cwd=home,
            start_new_session=True,
        )
    finally:
        for descriptor in (in_read, out_write, error_write):
            os.close(descriptor)
    target = await _writer(in_write)
    output, output_pipe = await _reader(out_read)
    errors, errors_pipe = await _reader(error_read)
    feeding = asyncio.create_task(_feed(client, target, process.pid))
    carrying: asyncio.Future[Any] = asyncio.gather(_collect(output, client.stdout), _collect(errors, client.stderr))
    lost = asyncio.create_task(client.channel.wait_closed())
    ending = asyncio.create_task(_exit_of(process))
    try:
        await asyncio.wait({carrying, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not carrying.done() or carrying.exception() is not None:
            # the client is gone: the command notices only closed pipes
            carrying.cancel()
            output_pipe.close()
            errors_pipe.close()
            target.close()
            await ending
            return
        await asyncio.wait({ending, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            target.close()
            await ending
            return
        code = ending.result()
        if code < 0:
            client.exit_with_signal(signal.Signals(-code).name.removeprefix("SIG"))
        else:
            client.exit(code)
    finally:
        for task in (feeding, lost):
            task.cancel()
        carrying.cancel()
        output_pipe.close()
        errors_pipe.close()
        target.close()
        with contextlib.suppress(BaseException):
            await carrying


class _Sftp(asyncssh.SFTPServer):
    """Real absolute paths; relative ones start at the user's HOME."""

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes], home: Path) -> None:
        self._home = os.fsencode(home)
        super().__init__(channel)

    def map_path(self, path: bytes) -> bytes:
        return os.path.join(self._home, path)  # noqa: PTH118


class _Server(asyncssh.SSHServer):
    """Accepts one user by public key."""

    def __init__(self, config: LabConfig, site: str, kind: str) -> None:
        self._user = USERS[kind]
        self._keys = config.host_dir(site, kind) / ".ssh" / "authorized_keys"

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return False

    def kbdint_auth_supported(self) -> bool:
        return False

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        if username != self._user:
            return False
        offered = key.export_public_key().split()[1]
        return any(line.split()[1] == offered for line in self._keys.read_bytes().splitlines() if line.strip())


class _Host:
    """SSH server of one host."""

    def __init__(self, config: LabConfig, site: str, kind: str) -> None:
        self.config, self.site, self.kind = config, site, kind
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent: list[socket.socket] = []
        home = config.host_dir(site, kind)
        self._options = asyncssh.SSHServerConnectionOptions(
            server_factory=functools.partial(_Server, config, site, kind),
            server_host_keys=[str(host_key(config, site, kind))],
            process_factory=functools.partial(_run_command, config, site, kind),
            sftp_factory=lambda channel: _Sftp(channel, home),
            encoding=None,
            agent_forwarding=False,
            login_timeout=30,
            line_editor=False,
        )
        if config.real_ssh:
            self._folder = config.site_dir(site) / f"sshd_{kind}"
            variables = environment(config, site, kind)
            self._sshd = sshd.write(
                self._folder,
                user=USERS[kind],
                home=home,
                shell="/bin/bash",
                host_key=host_key(config, site, kind),
                authorized_keys=home / ".ssh" / "authorized_keys",
                variables={name: variables[name] for name in variables if name not in _OF_LOGIN},
                options=["LogLevel ERROR"],
            )
        self.socket = socket.create_server((config.address, config.port(site, f"ssh-{kind}")), backlog=128)
        self.socket.setblocking(False)

    async def serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self.socket)
            if fault(self.config, f"{self.site}.ssh-{self.kind}.hang"):
                self._silent.append(client)
                continue
            task = asyncio.create_task(self._connection(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connection(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.config.real_ssh:
            await self._real_connection(client)
            return
        try:
            connection = await asyncssh.run_server(client, options=self._options)
            await connection.wait_closed()
        except (OSError, asyncssh.Error) as error:
            print(f"{self.site}-{self.kind}: {error}", file=sys.stderr, flush=True)

    async def _real_connection(self, client: socket.socket) -> None:
        """One sshd for one connection, as inetd starts it. It ends with this process."""
        client.setblocking(True)
        process = await asyncio.create_subprocess_exec(
            str(sshd.program("sshd")),
            "-i",
            "-e",
            "-f",
            str(self._sshd),
            stdin=client.fileno(),
            stdout=client.fileno(),
            env=sshd.environment(self._folder),
            preexec_fn=functools.partial(die_with_parent, signal.SIGKILL),
        )
        client.close()
        try:
            await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()


async def _main(config: LabConfig, site: str) -> None:
    stopped = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stopped.set)
    hosts = [_Host(config, site, kind) for kind in HOST_KINDS]
    serving = [asyncio.create_task(host.serve()) for host in hosts]
    mark_ready(config, "ssh", site)
    await stopped.wait()
    for task in serving:
        task.cancel()
    for host in hosts:
        host.socket.close()


def main(config: LabConfig, site: str | None) -> None:
    """Part ``ssh`` of a site."""
    if site is None:
        raise ValueError("the part ssh belongs to a site")
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_main(config, site))
