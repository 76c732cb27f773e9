"""An SSH server on loopback inside the test's process: real commands, one user with a key."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import asyncssh


class _Login(asyncssh.SSHServer):
    def __init__(self, owner: SshServer) -> None:
        self._owner = owner

    def connection_made(self, connection: asyncssh.SSHServerConnection) -> None:
        self._owner.connections.append(connection)

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == "oracle" and key.export_public_key() == self._owner.user_key.export_public_key()


class SshServer:
    """One host.

    :param home: the user's home folder.
    :param port: on 127.0.0.1.
    """

    def __init__(self, home: Path, port: int) -> None:
        asyncssh.set_log_level("ERROR")
        self.home, self.port = home, port
        home.mkdir(parents=True, exist_ok=True)
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.connections: list[asyncssh.SSHServerConnection] = []
        self.path = f"{home}/bin:/usr/local/bin:/usr/bin:/bin"
        #: Login shell. bash reads ~/.bashrc for each command of an SSH server.
        self.shell = "/bin/sh"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self.start()

    def _call(self, coroutine: object) -> object:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)  # type: ignore[arg-type]

    def start(self) -> None:
        """Listen."""

        async def listen() -> None:
            self._acceptor = await asyncssh.listen(
                "127.0.0.1",
                self.port,
                server_factory=lambda: _Login(self),
                server_host_keys=[self.host_key],
                process_factory=self._process,
                encoding=None,
            )

        self._call(listen())

    async def _process(self, client: asyncssh.SSHServerProcess[bytes]) -> None:
        environment = {"PATH": self.path, "HOME": str(self.home), "LANG": "C.UTF-8", "SSH_CLIENT": "127.0.0.1 1 22"}
        process = await asyncio.create_subprocess_exec(
            self.shell,
            "-c",
            client.command or ":",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=self.home,
            start_new_session=True,
        )
        assert process.stdin and process.stdout and process.stderr
        feeding = asyncio.create_task(_feed(client.stdin, process.stdin))
        try:
            await asyncio.gather(_carry(process.stdout, client.stdout), _carry(process.stderr, client.stderr))
        except (OSError, asyncssh.Error):
            return
        finally:
            feeding.cancel()
        code = await process.wait()
        if code < 0:
            client.exit_with_signal({9: "KILL", 15: "TERM"}.get(-code, "HUP"))
        else:
            client.exit(code)

    def cut(self) -> None:
        """End all connections as a broken network would."""

        async def abort() -> None:
            for connection in self.connections:
                connection.abort()
            self.connections.clear()

        self._call(abort())

    def stop(self) -> None:
        """Listen no more, and end all connections."""

        async def close() -> None:
            if self._acceptor is not None:
                self._acceptor.close()
                await self._acceptor.wait_closed()
                self._acceptor = None

        self._call(close())
        self.cut()

    def close(self) -> None:
        """End the server."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def connection(self, *, host_key: asyncssh.SSHKey | bool = True, **extra: object) -> str:
        """The Airflow connection in JSON.

        :param host_key: a key other than the server's; False: none.
        :param extra: overrides; None removes a field.
        """
        known = self.host_key if isinstance(host_key, bool) else host_key
        fields = {
            "host_key": " ".join(known.export_public_key().decode().split()[:2]) if host_key else None,
            "private_key": self.user_key.export_private_key("openssh").decode(),
            "look_for_keys": "false",
            **extra,
        }
        return json.dumps(
            {
                "conn_type": "ssh",
                "host": "127.0.0.1",
                "port": self.port,
                "login": "oracle",
                "extra": {name: value for name, value in fields.items() if value is not None},
            }
        )


async def _feed(source: asyncssh.SSHReader[bytes], program: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncssh.Error):
        while data := await source.read(65536):
            program.write(data)
            await program.drain()
    program.close()


async def _carry(program: asyncio.StreamReader, target: asyncssh.SSHWriter[bytes]) -> None:
    while data := await program.read(65536):
        target.write(data)
        await target.drain()


@contextlib.contextmanager
def silent_listener(port: int, banner: bytes = b"") -> Iterator[None]:
    """Accepts connections, says ``banner``, and never answers."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        held: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    held.append(client)
                    if banner:
                        client.sendall(banner)

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for client in held:
                client.close()
