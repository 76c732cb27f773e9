"""A real sshd on loopback for the current user, with a home, a login shell and start files of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from infomart_lab import sshd

USER = "oracle"


def absent(*programs: str) -> str:
    """What is not installed; empty: all is."""
    missing = sshd.missing("ssh", "ssh-keygen", *programs)
    return f"not installed: {', '.join(missing)}" if missing else ""


def keypair(path: Path) -> str:
    """Make a key, and return the public line."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)], check=True)
    return path.with_name(path.name + ".pub").read_text().strip()


class Sshd:
    """One host.

    :param folder: of the host; its home is ``home`` below it.
    :param port: on 127.0.0.1.
    :param shell: the login shell.
    :param path: PATH of a session.
    :param options: lines of sshd_config that come first, so they win.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        shell: str = "/bin/bash",
        path: str = "/usr/local/bin:/usr/bin:/bin",
        options: Sequence[str] = (),
    ) -> None:
        self.folder, self.port, self.path = folder, port, path
        self.home = folder / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.host_line = keypair(folder / "host_key")
        self.user_line = keypair(folder / "user_key")
        self.user_key = folder / "user_key"
        self.authorized = folder / "authorized_keys"
        self.authorized.write_text(self.user_line + "\n")
        self.known_hosts = folder / "known_hosts"
        self._process: subprocess.Popen[bytes] | None = None
        self.shell = shell
        self.options: list[str] = list(options)
        self.start()

    def _files(self) -> Path:
        return sshd.write(
            self.folder,
            user=USER,
            home=self.home,
            shell=self.shell,
            host_key=self.folder / "host_key",
            authorized_keys=self.authorized,
            variables={"PATH": self.path, "LANG": "C.UTF-8"},
            options=[*self.options, f"ListenAddress 127.0.0.1:{self.port}"],
        )

    def start(self) -> None:
        """Listen, with the options and the shell as they are now."""
        with (self.folder / "sshd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(sshd.program("sshd")), "-D", "-e", "-f", str(self._files())],
                env=sshd.environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self._process.poll() is None, (self.folder / "sshd.log").read_text()[-2000:]
            time.sleep(0.05)
        raise AssertionError((self.folder / "sshd.log").read_text()[-2000:])

    def stop(self) -> None:
        """Listen no more; sessions stay as they are."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def cut(self) -> None:
        """End the listener and all sessions at once, as a host does that is switched off."""
        assert self._process is not None
        parents: dict[int, list[int]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError):
                parent = int((folder / "stat").read_text().rpartition(") ")[2].split()[1])
                parents.setdefault(parent, []).append(int(folder.name))
        family = [self._process.pid]
        for pid in family:
            family += parents.get(pid, [])
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(10)
        self._process = None

    def configure(self, *options: str, shell: str | None = None, path: str | None = None) -> None:
        """Start again with other options."""
        self.stop()
        self.options = list(options)
        self.shell, self.path = shell or self.shell, path or self.path
        self.start()

    def start_file(self, files: Mapping[str, str]) -> None:
        """Write start files of the login shell."""
        for name, text in files.items():
            (self.home / name).write_text(text)

    def knows(self, other: Sshd) -> None:
        """This host's user may log in at the other one, and knows its key."""
        with other.authorized.open("a") as file:
            file.write(self.user_line + "\n")
        key = " ".join(other.host_line.split()[:2])
        self.known_hosts.write_text(f"[127.0.0.1]:{other.port} {key}\n")

    def connection(self, **extra: object) -> str:
        """The Airflow connection in JSON; an extra of None removes the field."""
        fields = {
            "host_key": " ".join(self.host_line.split()[:2]),
            "private_key": self.user_key.read_text(),
            "look_for_keys": "false",
            **extra,
        }
        return json.dumps(
            {
                "conn_type": "ssh",
                "host": "127.0.0.1",
                "port": self.port,
                "login": USER,
                "extra": {name: value for name, value in fields.items() if value is not None},
            }
        )
