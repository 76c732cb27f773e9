"""A host over SSH: short commands, small files, sizes and space. Host keys are always checked.

It uses Airflow's SSHHook, so that connections are the usual ones. Everything except bulk transfer uses commands of
a POSIX shell, which exist even where the SFTP subsystem is off.
"""

from __future__ import annotations

import contextlib
import logging
import re
import secrets
import selectors
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, Self

import paramiko
from airflow.providers.ssh.hooks.ssh import SSHHook
from airflow.sdk.exceptions import AirflowException, AirflowNotFoundException

from infomart_dr import stopwatch
from infomart_dr.errors import (
    REPORT_IT,
    CredentialsError,
    PermanentError,
    RemoteCommandError,
    UnexpectedReplyError,
    UnreachableError,
)
from infomart_dr.hooks.connections import connection, missing
from infomart_dr.hooks.fence import REFUSED, Fence
from infomart_dr.topology import Topology

# Errors that paramiko logs with a traceback are raised here in one sentence; its line per connect is noise.
logging.getLogger("paramiko.transport").setLevel(logging.CRITICAL)

_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
#: Follows the mark when a start file of the login shell has read the standard input.
_READ_BEFORE = "-read-before"
#: Limit of one command's output in bytes; more means that the program is out of control.
_MAX_OUTPUT = 32 * 1024 * 1024
_CHUNK = 65536
#: Number of characters of output that an error shows.
_TAIL = 2000
#: Begins the command of every login shell; the words that follow are the text of the script, for ``printf``.
_ONE_LINE = """/bin/sh -c 'eval "$(IFS=; printf "$*")"' sh """
#: Characters of one of these words.
_PIECE = 900
#: Exit code of sshd while /etc/nologin exists, as at the beginning and the end of a system's life.
_NO_LOGIN = 254


@dataclass(frozen=True)
class Completed:
    """Result of a command.

    :param exit_code: None when a signal ended it.
    """

    exit_code: int | None
    stdout: str
    stderr: str


@dataclass(frozen=True)
class RawCompleted:
    """Result of a command in bytes."""

    exit_code: int | None
    stdout: bytes
    stderr: bytes


# -- pure functions --------------------------------------------------------------------------------


def command_line(
    argv: Sequence[str],
    environment: Mapping[str, str] | None = None,
    cwd: str | None = None,
    *,
    mark: str = "",
    stdin: bool = False,
    check: str = "",
) -> str:
    """Command string for any remote login shell, csh and tcsh too: ``/bin/sh -c ... sh '...' '...'``.

    :param argv: program and arguments, each quoted.
    :param environment: variables without secrets; secrets go by standard input.
    :param cwd: folder; relative to the user's home.
    :param mark: a word that both outputs get as a line before those of the program: what precedes it comes from the
        login shell's start files.
    :param stdin: the first line of standard input is the mark; a start file may have read it.
    :param check: shell text that ends the shell where the program may not run.
    :raises PermanentError: there is no program, a NUL, or a variable's name is not valid.
    """
    if not argv or not argv[0]:
        raise PermanentError("The command has no program.", REPORT_IT)
    parts = []
    if mark and stdin:
        parts.append(f'IFS= read -r mark; [ "$mark" = {mark} ] || {{ echo {mark}{_READ_BEFORE}; exit 1; }}')
    if mark:
        parts.append(f"echo {mark}; echo {mark} >&2")
    if check:
        parts.append(check)
    if cwd is not None:
        parts.append(f"cd -- {shlex.quote(cwd)}")
    for name, value in (environment or {}).items():
        if not _VARIABLE.fullmatch(name):
            raise PermanentError(f"{name[:60]!r} is not a valid name of a variable.", "Correct it in the topology.")
        parts.append(f"{name}={shlex.quote(str(value))} && export {name}")
    parts.append("exec " + shlex.join(argv))
    text = " && ".join(parts)
    if "\0" in text:
        raise PermanentError(f"The command {argv[0]!r} contains a NUL character.", REPORT_IT)
    return _ONE_LINE + " ".join(f"'{piece}'" for piece in _pieces(text))


def _pieces(text: str) -> Iterator[str]:
    """The text for ``printf``, cut into words that each shell takes as they are between single quotes.

    csh ends a quoted word at a line break, expands ``!`` inside it, and in old releases takes 1024 bytes at most.
    """
    piece = ""
    for byte in text.encode():
        character = chr(byte)
        if character == "%":
            character = "%%"
        elif not " " <= character <= "~" or character in "'!\\":
            character = f"\\{byte:03o}"
        if len(piece) + len(character) > _PIECE:
            yield piece
            piece = ""
        piece += character
    yield piece


def after_mark(output: bytes, mark: str) -> bytes | None:
    """Output that follows the line of the mark; None: there is no such line."""
    line = f"{mark}\n".encode()
    _, found, after = output.partition(line)
    # A start file may end without a line break, so the mark need not begin its line.
    return after if found else None


def parse_listed(line: str) -> str:
    """Name, mode and owner of a file, from a line of ``ls -l``."""
    words = line.split()
    return f"{words[-1]} ({words[0]} {words[2]}:{words[3]})" if len(words) > 4 else line


def parse_sizes(text: str) -> dict[str, int]:
    """Sizes from lines ``<bytes> <name>``; other lines are skipped."""
    sizes = {}
    for line in text.splitlines():
        size, _, name = line.partition(" ")
        if re.fullmatch(r"[0-9]{1,20}", size) and name:
            sizes[name] = int(size)
    return sizes


def parse_free_space(text: str) -> int:
    """Free bytes from ``df -Pk``: the figure before the percentage, in KiB.

    A long device name may break the line, and the file system's name may contain blanks.

    :raises UnexpectedReplyError: the text has no such figure.
    """
    found = re.findall(r"\s(-?[0-9]{1,20})\s+([0-9]{1,5})%\s", text + "\n")
    if not found:
        raise UnexpectedReplyError(
            f"df -Pk printed no figures: {text.strip()[-300:]!r}.", "Run df -Pk on the folder on that host."
        )
    return max(int(found[-1][0]), 0) * 1024


def tail(text: str, characters: int = _TAIL) -> str:
    """End of a text, from the beginning of a line where possible."""
    text = text.strip()
    if len(text) <= characters:
        return text
    cut = text[-characters:]
    return "... " + (cut.split("\n", 1)[1] if "\n" in cut[:200] else cut)


# -- connecting ------------------------------------------------------------------------------------


class RemoteHost:
    """A machine behind an Airflow SSH connection. It keeps one SSH connection open; use ``with``.

    Only one thread at a time may use it.

    :param ssh_connection: Airflow connection of type ssh.
    :param work_folder: folder of jobs and files of the procedures; relative to the user's home.
    :param connect_timeout: seconds for each of TCP, banner and login.
    :param command_timeout: seconds for a command without its own limit.
    :param fence: gives the right that each command needs now; None: commands run unchecked.
    :param prove: proves that right anew; called once a connection is open, before its first checked command. A host
        that was lost and is back may know of nothing newer, and a connection does not outlive the loss of its host.
    """

    def __init__(
        self,
        ssh_connection: str,
        *,
        work_folder: str = ".infomart_dr",
        connect_timeout: float = 10,
        command_timeout: float = 60,
        fence: Callable[[], Fence | None] = lambda: None,
        prove: Callable[[], None] = lambda: None,
    ) -> None:
        self.ssh_connection = ssh_connection
        self.work_folder = work_folder
        self.connect_timeout = connect_timeout
        self.command_timeout = command_timeout
        self._fence, self._prove = fence, prove
        self._proven: paramiko.SSHClient | None = None
        self._client: paramiko.SSHClient | None = None
        self._home: str | None = None
        self._address = ""

    @classmethod
    def from_topology(
        cls,
        topology: Topology,
        host_name: str,
        fence: Callable[[], Fence | None] = lambda: None,
        prove: Callable[[], None] = lambda: None,
    ) -> Self:
        """A host by its name in the topology."""
        host = topology.host(host_name)
        return cls(
            host.ssh_connection,
            work_folder=host.work_folder,
            connect_timeout=topology.timeouts.connect,
            command_timeout=topology.timeouts.command,
            fence=fence,
            prove=prove,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the SSH connection; the next call opens another."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close()

    @property
    def label(self) -> str:
        """Name of the host in messages; without secrets."""
        return f"{self.ssh_connection} ({self._address})" if self._address else self.ssh_connection

    def _hook(self) -> SSHHook:
        """Airflow's hook; an error when it would not check host keys."""
        try:
            hook = SSHHook(
                ssh_conn_id=self.ssh_connection,
                conn_timeout=self.connect_timeout,  # type: ignore[arg-type]  # paramiko takes fractions
                banner_timeout=self.connect_timeout,
                auth_timeout=self.connect_timeout,  # type: ignore[arg-type]
                conn_retry_attempts=1,
                keepalive_interval=15,
            )
        except AirflowNotFoundException:
            raise missing(self.ssh_connection, "ssh") from None
        except (AirflowException, ValueError, OSError, paramiko.SSHException) as error:
            # Parsing errors name the kind of mistake, never the key itself.
            raise CredentialsError(
                f"The Airflow connection {self.ssh_connection} cannot be used: {str(error)[:200]}",
                "Correct host, host_key, private_key or key_file of the connection.",
            ) from None
        self._address = f"{hook.remote_host}:{hook.port}"
        # Compression in Python is slower than a link between data centres; the connection may ask for it.
        if "compress" not in connection(self.ssh_connection).extra_dejson:
            hook.compress = False
        if hook.no_host_key_check or hook.allow_host_key_change:
            raise CredentialsError(
                f"The Airflow connection {self.ssh_connection} does not check host keys.",
                "Put the host's public key into the extra field host_key, and remove no_host_key_check and "
                "allow_host_key_change.",
            )
        return hook

    def _connect(self) -> paramiko.SSHClient:
        hook = self._hook()
        try:
            client = hook.get_conn()
            transport = client.get_transport()
            if transport is not None and isinstance(transport.sock, socket.socket):
                # short commands are many small packets, each of which would wait for the other side's delayed ACK
                transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return client
        except paramiko.BadHostKeyException as error:
            raise CredentialsError(
                f"{self.label}: the host key has changed: found {error.key.get_name()} "
                f"{error.key.fingerprint}, expected {error.expected_key.get_name()} "
                f"{error.expected_key.fingerprint}.",
                "Find out why. If the host was rebuilt, compare the fingerprint there "
                "(ssh-keygen -lf /etc/ssh/ssh_host_..._key.pub) and correct host_key of the connection.",
            ) from None
        except paramiko.AuthenticationException as error:
            if re.search(r"EOF|shut down", str(error), re.IGNORECASE):
                # /etc/nologin of a host that boots looks the same as an account that has expired.
                raise UnreachableError(
                    f"{self.label}: the host ended the connection during the login of {hook.username}.",
                    "The retry logs in again. If this goes on, read the log of sshd there: the account may have "
                    "expired, the host may let nobody in (/etc/nologin), or Airflow may offer too many keys (set "
                    "look_for_keys to false in the connection).",
                ) from None
            if "timeout" in str(error).lower():
                raise self._unreachable(f"the login was not answered ({error})") from None
            raise CredentialsError(
                f"{self.label}: the login of {hook.username} was refused.",
                "Correct user and key of the Airflow connection, or authorized_keys on the host.",
            ) from None
        except paramiko.SSHException as error:
            text = str(error)
            if "not found in known_hosts" in text:
                raise self._unknown_key(hook) from None
            if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
                raise PermanentError(
                    f"{self.label}: no algorithm in common: {text[:200]}.",
                    "Compare the algorithms of the host's sshd with those of Airflow's paramiko.",
                ) from None
            if "No authentication methods" in text or "private key" in text.lower():
                raise CredentialsError(
                    f"{self.label}: no usable key or password: {text[:200]}.",
                    "Put private_key or key_file into the extra fields of the Airflow connection.",
                ) from None
            # for a silent port paramiko gives either text, depending on its threads
            if "protocol banner" in text or "No existing session" in text:
                text = f"the port accepts, but no SSH server answers ({text})"
            raise self._unreachable(text[:200] or type(error).__name__) from None
        except socket.gaierror as error:
            raise self._unreachable(f"the name cannot be resolved ({error.strerror})") from None
        except (OSError, EOFError) as error:
            if hook.key_file and getattr(error, "filename", None) == hook.key_file:
                raise CredentialsError(
                    f"{self.label}: Airflow cannot read its key_file {hook.key_file} ({error.strerror}).",  # type: ignore[union-attr]
                    "Put the key there on each machine of Airflow, readable for its user, or correct key_file of the "
                    "connection.",
                ) from None
            # paramiko's own errors are OSErrors without a number
            reason = getattr(error, "strerror", None) or str(error)
            raise self._unreachable(reason[:200] or type(error).__name__) from None

    def _unreachable(self, reason: str) -> UnreachableError:
        return UnreachableError(
            f"{self.label} cannot be reached: {reason.rstrip('.')}.",
            "Check that the host and its sshd run, and that the port is open to Airflow.",
        )

    def _unknown_key(self, hook: SSHHook) -> CredentialsError:
        """Error with the key that the host offers, so that a person can compare it."""
        offered = "an unknown key"
        with contextlib.suppress(Exception):
            sock = socket.create_connection((hook.remote_host, int(hook.port or 22)), self.connect_timeout)
            with contextlib.closing(paramiko.Transport(sock)) as transport:
                transport.banner_timeout = self.connect_timeout
                transport.start_client(timeout=self.connect_timeout)
                key = transport.get_remote_server_key()
                offered = f"{key.get_name()} {key.fingerprint}"
        if hook.host_key is not None:
            offered += f", expected {hook.host_key.get_name()} {hook.host_key.fingerprint}"
        return CredentialsError(
            f"{self.label}: the host key is not known: found {offered}.",
            "Compare the fingerprint on the host (ssh-keygen -lf /etc/ssh/ssh_host_..._key.pub), then put "
            "its public key into the extra field host_key of the connection.",
        )

    def _channel(self) -> paramiko.Channel:
        """A new session. A dropped connection is reopened once, before anything is sent."""
        for attempt in (1, 2):
            fresh = self._client is None
            if self._client is None:
                self._client = self._connect()
            transport = self._client.get_transport()
            try:
                if transport is None or not transport.is_active():
                    raise paramiko.SSHException("connection lost")
                return transport.open_session(timeout=self.connect_timeout)
            except (paramiko.SSHException, OSError, EOFError) as error:
                self.close()
                if fresh or attempt == 2:
                    raise self._unreachable(f"no session could be opened ({error})") from None
        raise AssertionError

    # -- commands ----------------------------------------------------------------------------------

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str | bytes | None = None,
        environment: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> Completed:
        """Run a short command and wait for its end.

        :param argv: program and arguments without secrets: other users of the host can see them.
        :param stdin: standard input, also for secrets.
        :param environment: variables without secrets.
        :param cwd: folder, relative to the user's home.
        :param timeout: seconds; default: ``command_timeout``. The program may continue after the timeout.
        :param check: raise when the exit code is not 0.
        :raises RemoteCommandError: the program failed.
        :raises UnreachableError: the host does not answer, or the program does not end in time.
        :raises CredentialsError: login or host key was refused.
        """
        with stopwatch.outside():
            raw = self._run_bytes(argv, stdin=stdin, environment=environment, cwd=cwd, timeout=timeout)
        done = Completed(raw.exit_code, raw.stdout.decode("utf-8", "replace"), raw.stderr.decode("utf-8", "replace"))
        if check and done.exit_code != 0:
            raise self._failed(argv[0], done)
        return done

    def shell(
        self,
        text: str,
        *arguments: str,
        stdin: str | bytes | None = None,
        environment: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> Completed:
        """Run a POSIX sh script of the product.

        :param text: constant script text; variable parts come as ``$1`` ... or by standard input.
        :param arguments: ``$1``, ``$2`` ...
        """
        return self.run(
            ["/bin/sh", "-c", text, "sh", *arguments],
            stdin=stdin,
            environment=environment,
            cwd=cwd,
            timeout=timeout,
            check=check,
        )

    def shell_bytes(self, text: str, *arguments: str) -> bytes:
        """Output of a script, as bytes.

        :raises RemoteCommandError: the script failed.
        """
        raw = self._run_bytes(["/bin/sh", "-c", text, "sh", *arguments])
        if raw.exit_code != 0:
            reason = raw.stderr.decode("utf-8", "replace")
            raise self._failed("reading", Completed(raw.exit_code, "", reason))
        return raw.stdout

    def _failed(self, program: str, done: Completed) -> RemoteCommandError:
        output = tail(done.stderr if done.stderr.strip() else done.stdout)
        ending = "was ended by a signal" if done.exit_code is None else f"ended with exit code {done.exit_code}"
        hint = {
            127: "Check that the program is installed and its path in the topology is right.",
            126: "Check that the program may be executed by this user.",
        }.get(done.exit_code or 0, "Read its output.")
        name = PurePosixPath(program).name
        return RemoteCommandError(
            f"{self.label}: {name} {ending}{': ' + output if output else ', without output'}",
            hint,
            exit_code=done.exit_code,
            output=output,
        )

    def _run_bytes(
        self,
        argv: Sequence[str],
        *,
        stdin: str | bytes | None = None,
        environment: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float | None = None,
    ) -> RawCompleted:
        mark = f"infomart-{secrets.token_hex(8)}"
        fence = self._fence()
        check = fence.check(self.work_folder, mark) if fence else ""
        command = command_line(argv, environment, cwd, mark=mark, stdin=bool(stdin), check=check)
        limit = self.command_timeout if timeout is None else timeout
        deadline = time.monotonic() + limit
        name = PurePosixPath(argv[0]).name
        payload = stdin.encode() if isinstance(stdin, str) else stdin
        if payload:
            payload = f"{mark}\n".encode() + payload
        channel = self._channel()
        try:
            if fence is not None and self._proven is not self._client:
                self._prove()
                self._proven = self._client
            channel.settimeout(limit)
            channel.exec_command(command)
            feeder = threading.Thread(target=_feed, args=(channel, payload or b""), daemon=True)
            feeder.start()
            stdout, stderr = self._collect(channel, deadline, name, limit)
            if not channel.status_event.wait(max(deadline - time.monotonic(), 0.1)):
                raise self._timeout(name, limit)
            status = channel.exit_status
            transport = channel.get_transport()
            # -1 without an exit code: a signal, or the connection ended first
            if status == -1 and not transport.is_active():
                raise self._lost(name)
            raw = RawCompleted(None if status == -1 else status, stdout, stderr)
            return self._allowed(self._without_noise(raw, mark, name), mark, fence)
        except TimeoutError:
            raise self._timeout(name, limit) from None
        except (paramiko.SSHException, EOFError, OSError):
            raise self._lost(name) from None
        finally:
            with contextlib.suppress(Exception):
                channel.close()

    def _allowed(self, raw: RawCompleted, mark: str, fence: Fence | None) -> RawCompleted:
        """The result of a command that ran.

        :raises OvertakenError: the host refused it, because it has seen a newer right.
        """
        if fence is not None and raw.stdout.startswith(f"{mark}{REFUSED}".encode()):
            answer = raw.stdout.decode("utf-8", "replace").removeprefix(f"{mark}{REFUSED}")
            raise fence.refusal(self.label, f"{self.work_folder}/fence/{fence.deployment}", answer)
        return raw

    def _without_noise(self, raw: RawCompleted, mark: str, name: str) -> RawCompleted:
        """The program's own output, without what start files of the login shell printed before it."""
        stdout = after_mark(raw.stdout, mark)
        if stdout is not None:
            stderr = after_mark(raw.stderr, mark)
            return RawCompleted(raw.exit_code, stdout, raw.stderr if stderr is None else stderr)
        if f"{mark}{_READ_BEFORE}".encode() in raw.stdout:
            raise UnexpectedReplyError(
                f"{self.label}: a start file of the login shell reads the standard input that is meant for {name}.",
                "Find it in .bashrc, .profile or .kshrc of the SSH user (oraenv asks for ORACLE_SID, for example), and "
                "let it run for interactive logins only.",
            )
        printed = tail((raw.stderr + b"\n" + raw.stdout).decode("utf-8", "replace"))
        if raw.exit_code == _NO_LOGIN:
            raise self._unreachable(f"it lets nobody in now: {printed or 'it printed nothing'}")
        raise UnexpectedReplyError(
            f"{self.label}: the login shell did not run {name}: {printed or 'it printed nothing'} "
            f"(exit code {raw.exit_code}).",
            "Log in with ssh as this user and run a command, such as: ssh user@host /bin/sh -c true. Check the login "
            "shell, its start files and a forced command in authorized_keys.",
        )

    def _collect(self, channel: paramiko.Channel, deadline: float, name: str, limit: float) -> tuple[bytes, bytes]:
        """Both outputs until their end."""
        stdout, stderr = bytearray(), bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(channel, selectors.EVENT_READ)
            while True:
                moved = False
                if channel.recv_ready():
                    stdout += channel.recv(_CHUNK)
                    moved = True
                if channel.recv_stderr_ready():
                    stderr += channel.recv_stderr(_CHUNK)
                    moved = True
                if len(stdout) + len(stderr) > _MAX_OUTPUT:
                    raise UnexpectedReplyError(
                        f"{self.label}: {name} printed more than {_MAX_OUTPUT // 2**20} MiB.",
                        "Run it by hand and check its output.",
                    )
                if moved:
                    continue
                if channel.eof_received or channel.closed:
                    # the end may have come after the two reads
                    if not channel.recv_ready() and not channel.recv_stderr_ready():
                        return bytes(stdout), bytes(stderr)
                    continue
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise TimeoutError
                if not channel.get_transport().is_active():
                    raise EOFError
                selector.select(min(remaining, 0.5))

    def _timeout(self, name: str, limit: float) -> UnreachableError:
        # data that is still in this connection cannot be trusted any more
        self.close()
        return UnreachableError(
            f"{self.label}: {name} did not end within {limit:g} s.",
            "Check the host's load and whether the program hangs. The limit is timeouts.command of the topology.",
        )

    def _lost(self, name: str) -> UnreachableError:
        self.close()
        return UnreachableError(
            f"{self.label}: the connection was lost while {name} ran.", "Check the network and the host."
        )

    def open(self) -> None:
        """Log in now, and not at the first command."""
        if self._client is None:
            self._client = self._connect()

    @contextlib.contextmanager
    def streaming(self, text: str, *arguments: str) -> Iterator[RemoteStream]:
        """Run a POSIX sh script of the product, with its input and output carried while it runs.

        :param arguments: ``$1``, ``$2`` ...
        """
        if self._fence() is not None:
            # A stream has no place for a refusal.
            self.run(["true"])
        mark = f"infomart-{secrets.token_hex(8)}"
        channel = self._channel()
        try:
            channel.settimeout(self.command_timeout)
            channel.exec_command(command_line(["/bin/sh", "-c", text, "sh", *arguments], mark=mark, stdin=True))
            stream = RemoteStream(self, channel, mark)
            stream.begin()
            yield stream
        except TimeoutError:
            raise self._timeout(RemoteStream.name, self.command_timeout) from None
        except (paramiko.SSHException, EOFError, OSError):
            raise self._lost(RemoteStream.name) from None
        finally:
            with contextlib.suppress(Exception):
                channel.close()

    # -- files -------------------------------------------------------------------------------------

    def home(self) -> str:
        """The user's home folder, absolute."""
        if self._home is None:
            self._home = self.run(["pwd"]).stdout.strip()
        return self._home

    def absolute(self, path: str) -> str:
        """Absolute path on the host; a relative path is below the user's home."""
        return path if path.startswith("/") else f"{self.home()}/{path}"

    def work_path(self, *parts: str) -> str:
        """Absolute path below the work folder."""
        return "/".join([self.absolute(self.work_folder), *parts])

    def write_file(self, path: str, text: str | bytes, mode: int = 0o600) -> None:
        """Write a file atomically. Other users can never read it, unless ``mode`` allows it.

        :param path: absolute, or relative to the home folder; missing folders are created with 0700.
        :param mode: permissions.
        :raises RemoteCommandError: it cannot be written.
        """
        content = text.encode() if isinstance(text, str) else text
        self.shell(
            _WRITE,
            path,
            f"{path}.{secrets.token_hex(4)}.new",
            f"{mode:o}",
            str(len(content)),
            stdin=content,
        )

    def read_file(self, path: str, limit: int = 1024 * 1024) -> str:
        """Text of a file, at most its first ``limit`` bytes.

        :raises RemoteCommandError: there is no such file, or it cannot be read.
        """
        return self.read_bytes(path, 0, limit).decode("utf-8", "replace")

    def read_bytes(self, path: str, offset: int, limit: int) -> bytes:
        """Part of a file.

        :raises RemoteCommandError: there is no such file, or it cannot be read.
        """
        return self.shell_bytes(_READ, path, str(offset + 1), str(limit))

    def exists(self, path: str) -> bool:
        """A file or folder exists.

        :raises RemoteCommandError: neither yes nor no was the answer.
        """
        done = self.run(["test", "-e", path], check=False)
        if done.exit_code not in (0, 1):
            raise self._failed("test", done)
        return done.exit_code == 0

    def file_sizes(self, folder: str, names: Sequence[str]) -> dict[str, int]:
        """Bytes of each of the named files that exists.

        :param folder: absolute, or relative to the home folder.
        :param names: plain file names; others are refused.
        """
        _plain_names(names)
        if not names:
            return {}
        done = self.shell(_SIZES, folder, stdin="".join(f"{name}\n" for name in names))
        return parse_sizes(done.stdout)

    def unreadable(self, folder: str, patterns: Sequence[str]) -> tuple[int, list[str]]:
        """The number of files that match, and those that this user cannot read, with mode and owner.

        :param patterns: patterns of the shell for plain file names.
        """
        _plain_names([pattern.replace("*", "x") for pattern in patterns])
        lines = self.shell(_UNREADABLE, folder, *patterns).stdout.splitlines()
        return len(lines), [parse_listed(line) for line in lines if line != "readable"]

    def free_space(self, folder: str) -> int:
        """Free bytes of the file system that holds ``folder``."""
        return parse_free_space(self.run(["df", "-Pk", folder]).stdout)

    def boot_id(self) -> str:
        """Identifier that changes with each boot; empty on a system without one."""
        return self.shell("cat /proc/sys/kernel/random/boot_id 2>/dev/null || :").stdout.strip()


class RemoteStream:
    """Input and output of a script that runs, without what start files of the login shell printed.

    :param mark: the first line of its input and of its output.
    """

    #: The script in messages.
    name = "the copy"

    def __init__(self, host: RemoteHost, channel: paramiko.Channel, mark: str) -> None:
        self._host, self._channel, self._mark = host, channel, mark
        self._ahead = b""

    def begin(self) -> None:
        """Wait for the script's first line."""
        try:
            self._channel.sendall(f"{self._mark}\n".encode())
        except TimeoutError:
            raise
        except OSError:
            # Another program has ended already: its output and its exit code decide.
            pass
        seen = b""
        while (after := after_mark(seen, self._mark)) is None:
            data = self._channel.recv(_CHUNK)
            if not data or len(seen) > _MAX_OUTPUT:
                self._end(seen)
                # It has no mark, so this raises.
                self._host._without_noise(RawCompleted(0, seen, b""), self._mark, self.name)
            seen += data
        self._ahead = after

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes of output; empty at its end."""
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        return self._channel.recv(size)

    def write(self, data: bytes) -> None:
        """Send input. The host's own window limits how much is under way.

        :raises RemoteCommandError: the script has ended with an error.
        """
        try:
            self._channel.sendall(data)
        except TimeoutError:
            raise
        except OSError:
            # The script ended before its input did: it says why.
            self.finish()
            raise

    def finish(self) -> None:
        """End the input, and wait for the script's end.

        :raises RemoteCommandError: the script failed.
        :raises UnreachableError: the connection was lost, or a signal ended the script.
        """
        with contextlib.suppress(OSError):
            self._channel.shutdown_write()
        while self._channel.recv(_CHUNK):
            pass
        self._end(f"{self._mark}\n".encode())

    def _end(self, stdout: bytes) -> None:
        """Wait for the exit code, and raise an error unless it is 0."""
        stderr = b""
        while data := self._channel.recv_stderr(_CHUNK):
            stderr += data
        if not self._channel.status_event.wait(self._host.command_timeout):
            raise TimeoutError
        code = self._channel.exit_status
        if code == -1:
            raise EOFError
        done = self._host._without_noise(RawCompleted(code, stdout, stderr), self._mark, self.name)
        if code != 0:
            raise self._host._failed(self.name, Completed(code, "", done.stderr.decode("utf-8", "replace")))


def _plain_names(names: Sequence[str]) -> None:
    """Validate file names: they need no quoting anywhere, like those of Data Pump."""
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.,+@%=-]{0,254}", name):
            raise PermanentError(
                f"{name[:80]!r} is not a plain file name.",
                "Give dump files names of letters, digits and _ . , + @ % = - only.",
            )


def _feed(channel: Any, payload: bytes) -> None:
    """Send standard input and its end. A program may ignore it."""
    with contextlib.suppress(Exception):
        if payload:
            channel.sendall(payload)
        channel.shutdown_write()


# The length is compared, since a connection that breaks in the middle looks like the end of the input.
_WRITE = """\
umask 077
case $1 in */*) mkdir -p -- "${1%/*}" || exit 1;; esac
cat > "$2" || { rm -f -- "$2"; exit 1; }
if [ "$(wc -c < "$2")" -ne "$4" ]; then
  rm -f -- "$2"; echo "the content did not arrive whole" >&2; exit 1
fi
chmod "$3" "$2" && mv -f -- "$2" "$1" || { rm -f -- "$2"; exit 1; }
"""

_READ = """\
[ -r "$1" ] || { echo "$1: no such file, or not readable" >&2; exit 1; }
tail -c "+$2" -- "$1" | head -c "$3"
"""

# One line a file: "readable", or its entry.
_UNREADABLE = """\
cd -- "$1" || exit 1
shift
for pattern; do
  for file in $pattern; do
    [ -f "$file" ] || continue
    if [ -r "$file" ]; then echo readable; else ls -ld -- "$file"; fi
  done
done
"""

# ls takes the size from the file's entry; on some systems wc would read gigabytes.
_SIZES = """\
cd -- "$1" || exit 1
while IFS= read -r name; do
  [ -f "$name" ] || continue
  line=$(ls -lnLd -- "$name") || continue
  set -f; set -- $line; set +f
  echo "$5 $name"
done
"""
