"""Stand-in for ``rsync`` on hosts that have none: pushes files over SSH (SFTP).

It resumes as rsync does: it compares blocks at the other side by checksum, so a damaged beginning is sent again. A
file gets its name once it is whole. When PATH has a real rsync, that one runs instead.

Shapes and exit codes: rsync(1), version 3.2.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import posixpath
import re
import shlex
import shutil
import stat
import sys
import time
from collections.abc import Awaitable, Iterable
from pathlib import Path
from typing import TypeVar

import asyncssh
from pydantic import BaseModel

BLOCK = 1024 * 1024
#: Bytes a second that the other side reads and hashes at least.
_READ_RATE = 20e6
VERSION = "3.2.7"
T = TypeVar("T")


#: Errors of asyncssh after a lost connection.
_LOST = (
    asyncssh.ConnectionLost,
    asyncssh.DisconnectError,
    asyncssh.ChannelOpenError,
    asyncssh.SFTPConnectionLost,
    asyncssh.SFTPNoConnection,
    BrokenPipeError,
)


class RsyncError(Exception):
    """The run ends here.

    :param code: exit code of rsync(1).
    """

    def __init__(self, code: int, *lines: str) -> None:
        self.code, self.lines = code, lines
        super().__init__("; ".join(lines))


class Shell(BaseModel):
    """The remote shell of ``-e 'ssh ...'``."""

    port: int = 22
    user: str | None = None
    identities: list[str] = []
    known_hosts: str | None = None
    strict: bool = True
    alias: str | None = None
    connect_timeout: float | None = None


class Options(BaseModel):
    """A parsed command line."""

    sources: list[str]
    user: str | None = None
    host: str
    destination: str
    shell: Shell
    times: bool = False
    partial: bool = False
    partial_dir: str | None = None
    inplace: bool = False
    append: bool = False
    verify: bool = True
    checksum: bool = False
    ignore_times: bool = False
    size_only: bool = False
    mkpath: bool = False
    timeout: float | None = None
    bwlimit: int = 0
    progress: bool = False
    verbose: bool = False
    stats: bool = False


# -- command line ----------------------------------------------------------------------------------

_SHORT = {
    "a": "archive", "t": "times", "v": "verbose", "z": "", "h": "", "q": "", "P": "partial-progress", "c": "checksum",
    "I": "ignore-times", "W": "", "s": "", "p": "", "l": "", "r": "", "o": "", "g": "", "D": "", "S": "", "u": "",
}  # fmt: skip
_FLAGS = {
    "archive", "times", "verbose", "partial", "inplace", "append", "append-verify", "checksum", "ignore-times",
    "size-only", "mkpath", "progress", "stats", "whole-file", "no-whole-file", "compress", "no-compress", "quiet",
    "protect-args", "secluded-args", "human-readable", "no-human-readable", "perms", "no-perms", "owner", "no-owner",
    "group", "no-group", "no-times", "fsync", "no-motd", "no-inc-recursive", "recursive",
}  # fmt: skip
_VALUES = {"partial-dir", "timeout", "contimeout", "info", "bwlimit", "rsh", "rsync-path", "outbuf", "temp-dir"}


def _usage(*lines: str) -> RsyncError:
    return RsyncError(1, *lines, f"rsync error: syntax or usage error (code 1) at main.c(1795) [client={VERSION}]")


def parse(arguments: Iterable[str]) -> Options:
    """Read a command line.

    :raises RsyncError: code 1, an option that is unknown here, or not exactly one remote destination.
    """
    words = list(arguments)
    given: dict[str, str] = {}
    places: list[str] = []
    while words:
        word = words.pop(0)
        if word == "--":
            places += words
            break
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if name in _FLAGS and not equals:
                given[name] = ""
            elif name in _VALUES:
                if not equals:
                    if not words:
                        raise _usage(f"rsync: --{name}: option requires an argument")
                    value = words.pop(0)
                given[name] = value
            else:
                raise _usage(f"rsync: {word.partition('=')[0]}: unknown option")
        elif word.startswith("-") and len(word) > 1:
            letters = word[1:]
            while letters:
                letter, letters = letters[0], letters[1:]
                if letter == "e":
                    if not letters and not words:
                        raise _usage("rsync: -e: option requires an argument")
                    given["rsh"], letters = (letters or words.pop(0)), ""
                elif letter in _SHORT:
                    if _SHORT[letter]:
                        given[_SHORT[letter]] = ""
                else:
                    raise _usage(f"rsync: -{letter}: unknown option")
        else:
            places.append(word)
    if len(places) < 2:
        raise _usage("rsync: a source and a destination are needed")
    *sources, target = places
    match = re.fullmatch(r"(?:([^@/:]+)@)?(\[[^\]]+\]|[^/:]+):([^:].*)?", target)
    if not match or any(re.match(r"[^/]+:", source) for source in sources):
        raise _usage("rsync: the lab's stand-in only pushes: SRC... [user@]host:/folder/")
    timeout = _number(given, "timeout")
    info = given.get("info", "").lower()
    return Options(
        sources=sources,
        user=match[1],
        host=match[2].strip("[]"),
        destination=match[3] or ".",
        shell=shell(given.get("rsh", "ssh")),
        times="archive" in given or ("times" in given and "no-times" not in given),
        partial="partial" in given or "partial-progress" in given or "partial-dir" in given,
        partial_dir=given.get("partial-dir") or None,
        inplace="inplace" in given or "append" in given or "append-verify" in given,
        append="append" in given or "append-verify" in given,
        # --append trusts the existing bytes, as the real one does
        verify="append" not in given,
        checksum="checksum" in given,
        ignore_times="ignore-times" in given,
        size_only="size-only" in given,
        mkpath="mkpath" in given,
        timeout=timeout or None,
        bwlimit=rate(given.get("bwlimit", "0")),
        progress="progress" in given or "partial-progress" in given or "progress2" in info,
        verbose="verbose" in given,
        stats="stats" in given,
    )


def _number(given: dict[str, str], name: str) -> float:
    try:
        return float(given.get(name, "0"))
    except ValueError:
        raise _usage(f"rsync: --{name}={given[name]}: invalid numeric value") from None


def rate(text: str) -> int:
    """``--bwlimit`` in bytes a second: KiB without a suffix, else K, M or G (and KB, MB, GB for powers of 1000)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)(B|iB)?", text.strip(), re.IGNORECASE)
    if not match:
        raise _usage(f"rsync: --bwlimit={text}: invalid value")
    base = 1000 if (match[3] or "").upper() == "B" and match[2] else 1024
    return int(float(match[1]) * base ** {"": 1, "K": 1, "M": 2, "G": 3}[match[2].upper()])


def shell(text: str) -> Shell:
    """Read ``ssh -p PORT -i KEY -o Name=value ...``; options without an effect here are ignored.

    :raises RsyncError: code 1, not ssh or an option without its value.
    """
    words = shlex.split(text)
    if not words or Path(words[0]).name != "ssh":
        raise _usage(f"rsync: the lab's stand-in knows ssh only as remote shell, not {text!r}")
    found = Shell()
    words = words[1:]

    def option(name: str, value: str) -> None:
        match name.lower():
            case "port":
                found.port = int(value)
            case "identityfile":
                found.identities.append(value)
            case "user":
                found.user = value
            case "userknownhostsfile":
                found.known_hosts = value.split()[0]
            case "stricthostkeychecking":
                found.strict = value.lower() not in ("no", "off")
            case "hostkeyalias":
                found.alias = value
            case "connecttimeout":
                found.connect_timeout = float(value)

    while words:
        word = words.pop(0)
        if not re.match(r"-[a-zA-Z0-9]", word):
            raise _usage(f"rsync: unexpected word {word!r} in the remote shell")
        letter, value = word[1], word[2:]
        if letter not in "pilocFmbBJESWwDLReQ":
            continue
        if not value:
            if not words:
                raise _usage(f"rsync: ssh's -{letter} needs a value")
            value = words.pop(0)
        try:
            if letter == "o":
                name, _, setting = re.sub(r"\s*[= ]\s*", "=", value, count=1).partition("=")
                option(name, setting)
            elif letter in "pil":
                option({"p": "Port", "i": "IdentityFile", "l": "User"}[letter], value)
        except ValueError:
            raise _usage(f"rsync: bad value {value!r} in the remote shell") from None
    return found


# -- words -----------------------------------------------------------------------------------------


def progress_line(done: int, total: int, seconds: float, number: int | None = None, left: str = "") -> str:
    """A line of ``--info=progress2``, without the carriage return before it."""
    speed = done / seconds if seconds > 0 else 0.0
    unit = "kB/s"
    speed /= 1024
    for bigger in ("MB/s", "GB/s"):
        if speed < 1024:
            break
        speed, unit = speed / 1024, bigger
    seconds = int(seconds if done >= total else (total - done) * seconds / done if done else 0)
    clock = f"{seconds // 3600:4}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    line = f"{done:>15,} {100 * done // total if total else 100:>3}% {speed:7.2f}{unit} {clock}"
    return line if number is None else f"{line} (xfr#{number}, to-chk={left})"


def differing(local: list[str], remote: list[str]) -> list[int]:
    """Numbers of the blocks that must be sent."""
    return [i for i, digest in enumerate(local) if i >= len(remote) or remote[i] != digest]


# -- work ------------------------------------------------------------------------------------------


class Push:
    """One run: several files over one connection."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.begun = time.monotonic()
        self.done = self.sent = self.total = self.transferred = 0
        self._shown = 0.0
        self._timed_out = False
        self.code = 0
        self.connection: asyncssh.SSHClientConnection
        self.sftp: asyncssh.SFTPClient

    async def within(self, work: Awaitable[T], more: float = 0) -> T:
        """Wait for a step of the transfer, no longer than ``--timeout`` and ``more`` seconds."""
        limit = self.options.timeout
        try:
            return await asyncio.wait_for(work, limit + more if limit else None)
        except TimeoutError:
            if self.options.timeout is None:
                raise
            self._timed_out = True
            # on a silent link an orderly end would wait too
            self.connection.abort()
            raise self._timeout() from None

    def _timeout(self) -> RsyncError:
        return RsyncError(
            30,
            f"[sender] io timeout after {self.options.timeout or 0:.0f} seconds -- exiting",
            f"rsync error: timeout in data send/receive (code 30) at io.c(197) [sender={VERSION}]",
        )

    async def run(self) -> int:
        """Push everything.

        :returns: exit code 0 or 23.
        :raises RsyncError: with another exit code.
        """
        sources = []
        for source in self.options.sources:
            path = Path(source)
            if path.is_dir():
                raise _usage(f"rsync: {source}: the lab's stand-in sends files, not folders")
            if not path.is_file():
                self.complain(f'rsync: [sender] link_stat "{path.absolute()}" failed: No such file or directory (2)')
                continue
            sources.append(path)
        self.total = sum(path.stat().st_size for path in sources)
        async with await self.connect() as self.connection:
            try:
                async with await self.within(self.connection.start_sftp_client()) as self.sftp:
                    targets = await self.targets(sources)
                    for number, (path, target) in enumerate(targets, start=1):
                        await self.file(path, target)
                        self.show(f"{len(targets) - number}/{len(targets)}")
            except (*_LOST, asyncssh.SFTPError) as error:
                if self._timed_out:
                    raise self._timeout() from None
                if isinstance(error, _LOST):
                    raise RsyncError(
                        12,
                        f"rsync: connection unexpectedly closed ({self.sent} bytes sent so far) [sender]",
                        f"rsync error: error in rsync protocol data stream (code 12) at io.c(231) [sender={VERSION}]",
                    ) from None
                raise RsyncError(
                    11,
                    f"rsync: [receiver] {error.reason}",
                    f"rsync error: error in file IO (code 11) at receiver.c(374) [receiver={VERSION}]",
                ) from None
        if self.options.stats:
            print(f"\nNumber of regular files transferred: {self.transferred}")
            print(f"Total file size: {self.total:,} bytes\nLiteral data: {self.sent:,} bytes")
        if self.code:
            lines = "some files/attrs were not transferred (see previous errors)"
            print(f"rsync error: {lines} (code 23) at main.c(1338) [sender={VERSION}]", file=sys.stderr)
        return self.code

    def complain(self, line: str) -> None:
        self.code = 23
        print(line, file=sys.stderr, flush=True)

    async def connect(self) -> asyncssh.SSHClientConnection:
        """Connect as ``-e`` says; the host key is checked against the known hosts.

        :raises RsyncError: code 255, no connection.
        """
        options, shell = self.options, self.options.shell
        known = str(Path(shell.known_hosts or "~/.ssh/known_hosts").expanduser())
        if shell.strict and not Path(known).is_file():
            raise self._no_connection("Host key verification failed.")
        user = options.user or shell.user or os.environ.get("USER") or os.environ.get("LOGNAME") or "root"
        keys = [str(Path(key).expanduser()) for key in shell.identities]
        if not keys:
            keys = [str(p) for p in sorted((Path.home() / ".ssh").glob("id_*")) if p.suffix != ".pub"]
        try:
            return await asyncio.wait_for(
                asyncssh.connect(
                    options.host,
                    shell.port,
                    username=user,
                    client_keys=keys,
                    known_hosts=known if shell.strict else None,
                    host_key_alias=shell.alias,
                    agent_path=None,
                    config=None,
                    keepalive_interval=15,
                    preferred_auth="publickey",
                ),
                shell.connect_timeout or options.timeout or 60,
            )
        except asyncssh.HostKeyNotVerifiable:
            raise self._no_connection("Host key verification failed.") from None
        except asyncssh.PermissionDenied:
            raise self._no_connection(f"{user}@{options.host}: Permission denied (publickey).") from None
        except asyncssh.KeyImportError as error:
            raise self._no_connection(f"Load key: {error}") from None
        except TimeoutError:
            words = "Connection timed out"
        except OSError as error:
            words = error.strerror or str(error)
        except asyncssh.Error as error:
            words = error.reason
        raise self._no_connection(f"ssh: connect to host {options.host} port {shell.port}: {words}")

    @staticmethod
    def _no_connection(line: str) -> RsyncError:
        return RsyncError(
            255,
            line,
            "rsync: connection unexpectedly closed (0 bytes received so far) [sender]",
            f"rsync error: unexplained error (code 255) at io.c(231) [sender={VERSION}]",
        )

    async def targets(self, sources: list[Path]) -> list[tuple[Path, str]]:
        """Path of each file: in the folder, or the given name when it is one file and no folder.

        :raises RsyncError: code 11, the folder is not there and cannot be made.
        """
        destination = self.options.destination
        folder = await self.within(self.sftp.isdir(destination))
        if not folder and (destination.endswith("/") or len(sources) > 1):
            try:
                if self.options.mkpath:
                    await self.within(self.sftp.makedirs(destination))
                else:
                    await self.within(self.sftp.mkdir(destination.rstrip("/")))
            except asyncssh.SFTPError as error:
                raise RsyncError(
                    11,
                    f'rsync: [Receiver] mkdir "{destination.rstrip("/")}" failed: {error.reason}',
                    f"rsync error: error in file IO (code 11) at main.c(787) [Receiver={VERSION}]",
                ) from None
            folder = True
        if not folder:
            return [(path, destination) for path in sources]
        return [(path, posixpath.join(destination, path.name)) for path in sources]

    async def _stat(self, path: str) -> asyncssh.SFTPAttrs | None:
        try:
            return await self.within(self.sftp.stat(path))
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            return None

    async def file(self, path: Path, target: str) -> None:
        """Push one file; resume an existing part."""
        options = self.options
        local = path.stat()
        there = await self._stat(target)
        if there is not None and there.size == local.st_size and not options.ignore_times:
            same = options.size_only or (not options.checksum and there.mtime == int(local.st_mtime))
            if same or (options.checksum and await self._remote_sum(target, local.st_size) == _sum(path)):
                self.done += local.st_size
                return
        if options.verbose:
            print(path.name, flush=True)
        folder, name = posixpath.split(target)
        if options.inplace:
            work = target
        elif options.partial_dir:
            work = posixpath.join(folder, options.partial_dir, name)
            if not await self.within(self.sftp.isdir(posixpath.dirname(work))):
                await self.within(self.sftp.mkdir(posixpath.dirname(work), asyncssh.SFTPAttrs(permissions=0o700)))
        else:
            # without --partial nothing is kept; with it the next run resumes the file
            suffix = "part" if options.partial else f"{os.getpid():06}"
            work = posixpath.join(folder, f".{name}.{suffix}")
        try:
            await self._transfer(path, work, local.st_size, target if there is not None else None)
        except (asyncssh.SFTPPermissionDenied, PermissionError) as error:
            self.complain(f'rsync: [receiver] mkstemp "{target}" failed: {error} (13)')
            return
        except BaseException:
            if work != target and not options.partial:
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(self.sftp.remove(work), 1)
            raise
        if options.verify:
            wanted = await asyncio.to_thread(_sum, path)
            if await self._remote_sum(work, local.st_size) != wanted:
                # everything once more, as rsync's second phase
                await self._transfer(path, work, local.st_size, None, trust=False)
                if await self._remote_sum(work, local.st_size) != wanted:
                    self.complain(f"ERROR: {name} failed verification -- update put into partial file.")
                    return
        if options.times:
            await self.within(self.sftp.utime(work, (local.st_atime, int(local.st_mtime))))
        await self.within(self.sftp.chmod(work, stat.S_IMODE(local.st_mode)))
        if work != target:
            await self.within(self.sftp.posix_rename(work, target))
        if options.partial_dir:
            with contextlib.suppress(asyncssh.SFTPError):
                await self.within(self.sftp.rmdir(posixpath.dirname(work)))
        self.transferred += 1

    async def _transfer(self, path: Path, work: str, size: int, old: str | None, *, trust: bool = True) -> None:
        options = self.options
        there = await self._stat(work) if trust else None
        if there is None and old and old != work and trust:
            # the older file is the basis
            await self._remote(f"cp -- {shlex.quote(old)} {shlex.quote(work)}", size)
            there = await self._stat(work)
        length = (there.size or 0) if there else 0
        count = -(-size // BLOCK)
        if length and options.append and trust:
            send = list(range(length // BLOCK, count)) if length < size else []
        elif length:
            blocks = min(count, -(-length // BLOCK))
            local = await asyncio.to_thread(_block_sums, path, blocks)
            local += [""] * (count - blocks)
            send = differing(local, await self._remote_sums(work, blocks))
        else:
            send = list(range(count))
        self.done += size - sum(min(BLOCK, size - i * BLOCK) for i in send)
        flags = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT
        async with await self.within(self.sftp.open(work, flags, encoding=None)) as remote:
            with path.open("rb") as file:
                for number in send:
                    await self._paced_write()
                    file.seek(number * BLOCK)
                    data = file.read(BLOCK)
                    if options.append and number * BLOCK < length and not options.verify:
                        data = data[length - number * BLOCK :]
                        await self.within(remote.write(data, length))
                    else:
                        await self.within(remote.write(data, number * BLOCK))
                    self.done += len(data)
                    self.sent += len(data)
                    self.show()
            if length > size:
                await self.within(remote.truncate(size))

    async def _paced_write(self) -> None:
        """Keep to ``--bwlimit``."""
        if self.options.bwlimit:
            ahead = self.sent / self.options.bwlimit - (time.monotonic() - self.begun)
            if ahead > 0:
                await asyncio.sleep(ahead)

    async def _remote(self, command: str, size: int) -> str | None:
        """Output of a command at the other side that reads ``size`` bytes; None when it failed."""
        done = await self.within(self.connection.run(command, check=False), size / _READ_RATE)
        return str(done.stdout) if done.exit_status == 0 else None

    async def _remote_sum(self, path: str, size: int) -> str:
        return ((await self._remote(f"sha256sum < {shlex.quote(path)}", size)) or "").partition(" ")[0]

    async def _remote_sums(self, path: str, blocks: int) -> list[str]:
        """SHA-256 of each block, by tools that every Unix host has."""
        loop = (
            f"i=0; while [ $i -lt {blocks} ]; do dd if={shlex.quote(path)} bs={BLOCK} skip=$i count=1 2>/dev/null"
            " | sha256sum || exit 1; i=$((i+1)); done"
        )
        output = await self._remote(loop, blocks * BLOCK)
        return [line.split()[0] for line in (output or "").splitlines() if line]

    def show(self, left: str | None = None) -> None:
        """Print progress, at most once a second and after each file."""
        now = time.monotonic()
        if not self.options.progress or (left is None and now - self._shown < 1):
            return
        self._shown = now
        number = self.transferred if left is not None else None
        line = progress_line(self.done, self.total, now - self.begun, number, left or "")
        sys.stdout.write("\r" + line + ("\n" if left is not None and left.startswith("0/") else ""))
        sys.stdout.flush()


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _block_sums(path: Path, count: int) -> list[str]:
    with path.open("rb") as file:
        return [hashlib.sha256(file.read(BLOCK)).hexdigest() for _ in range(count)]


def real_rsync(search: str) -> str | None:
    """A real rsync in a search path; the lab's own scripts are skipped."""
    for folder in search.split(os.pathsep):
        found = shutil.which("rsync", path=folder) if folder else None
        if found:
            with Path(found).open("rb") as file:
                if b"infomart_lab" not in file.read(512):
                    return found
    return None


async def _push(options: Options) -> int:
    # requests under way at the end of a connection do not matter
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
    return await Push(options).run()


def run(arguments: list[str]) -> int:
    """Push as the command line says.

    :returns: exit code as rsync's: 0, 1, 11, 12, 20, 23, 30 or 255.
    """
    if arguments == ["--version"]:
        print(f"rsync  version {VERSION}  protocol version 31")
        return 0
    try:
        return asyncio.run(_push(parse(arguments)))
    except RsyncError as error:
        for line in error.lines:
            print(line, file=sys.stderr)
        return error.code
    except (asyncssh.ConnectionLost, ConnectionError):
        print(
            f"rsync error: error in rsync protocol data stream (code 12) at io.c(231) [sender={VERSION}]",
            file=sys.stderr,
        )
        return 12
    except OSError as error:
        print(f"rsync error: error in file IO (code 11): {error}", file=sys.stderr)
        return 11
    except KeyboardInterrupt:
        print(
            f"rsync error: received SIGINT, SIGTERM, or SIGHUP (code 20) at rsync.c(713) [sender={VERSION}]",
            file=sys.stderr,
        )
        return 20


def main() -> int:
    """Run with the words of ``sys.argv``; a real rsync takes over when there is one."""
    if found := real_rsync(os.environ.get("PATH", "")):
        os.execv(found, ["rsync", *sys.argv[1:]])
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
