"""Copy of a dump set between hosts, with proof: directly with rsync, or relayed through Airflow's machine.

Both ways write to the final names and resume after a lost connection. Only :func:`checksums` proves what has arrived.
``rsync --append`` is never used: it keeps a damaged beginning and reports success.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import re
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Literal

import paramiko
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from infomart_dr.errors import InfoMartError, PermanentError, UnexpectedReplyError, UnreachableError
from infomart_dr.hooks.remote_host import RemoteHost
from infomart_dr.text import size_text, unit_of
from infomart_dr.times import span
from infomart_dr.topology import AbsolutePath, Address, Port

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.,+@%=-]{0,254}$")]

#: rsync(1), "EXIT VALUES", and ssh's 255: sockets, I/O, protocol stream, timeouts, signals, lost connections.
_CURABLE_CODES = frozenset({10, 12, 20, 24, 30, 35, 255})
#: Bytes that the relay transfers for one file at a time.
_WINDOW = 8 * 1024 * 1024
_BLOCK = 32 * 1024


class TransferPlan(BaseModel):
    """One dump set, from one folder to another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Folders, by their paths on the hosts.
    source_folder: AbsolutePath
    target_folder: AbsolutePath
    #: Name and size in bytes.
    files: list[tuple[FileName, Annotated[int, Field(ge=0)]]] = Field(min_length=1)
    #: Address of the target for the source host; only for the direct way.
    target_user: str = Field("oracle", pattern=r"^[a-z_][a-z0-9_-]{0,31}$")
    target_address: Address
    target_port: Port = 22
    #: Private key and known hosts on the source host; None: the user's own.
    key: AbsolutePath | None = None
    known_hosts: AbsolutePath | None = None
    #: Number of files that are copied at the same time.
    streams: int = Field(4, ge=1, le=16)
    #: Kilobytes per second over all streams.
    bandwidth: int | None = Field(None, ge=1)
    rsync: str = Field("rsync", pattern=r"^[A-Za-z0-9_./-]{1,200}$")
    #: True after a wrong checksum: compare contents even where size and time agree.
    repair: bool = False

    @property
    def total(self) -> int:
        """Bytes."""
        return sum(size for _, size in self.files)


# -- direct --------------------------------------------------------------------------------------------


def ssh_command(plan: TransferPlan) -> str:
    """The ``-e`` of rsync: no prompts, host keys checked, dead links detected in 15 s."""
    words = ["ssh", "-p", str(plan.target_port)]
    if plan.key:
        words += ["-i", plan.key, "-o", "IdentitiesOnly=yes"]
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": "10",
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "3",
    }
    if plan.known_hosts:
        options["UserKnownHostsFile"] = f'"{plan.known_hosts}"' if " " in plan.known_hosts else plan.known_hosts
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    # rsync itself splits the text at blanks and understands quotes
    return " ".join(f"'{word}'" if " " in word else word for word in words)


def rsync_words(plan: TransferPlan) -> list[str]:
    """rsync and its options, without the file's name and the target.

    ``--inplace`` resends about a megabyte after a lost connection and repairs a damaged beginning. ``--timeout`` ends
    a stream whose link is dead. ``--protect-args`` protects the target's name from the remote shell.
    """
    words = [plan.rsync, "--times", "--inplace", "--protect-args", "--timeout=60", "-e", ssh_command(plan)]
    if plan.repair:
        words.append("--ignore-times")
    if plan.bandwidth:
        words.append(f"--bwlimit={max(plan.bandwidth // plan.streams, 1)}")
    return words


def direct_command(plan: TransferPlan) -> tuple[str, str]:
    """Script for a job on the source host, and its standard input: one file name per line.

    The script prints a line when a file has arrived or failed. Its exit code is rsync's. Among failed files, a
    permanent reason counts before a transient one.

    :param plan: the copy.
    """
    address = f"[{plan.target_address}]" if ":" in plan.target_address else plan.target_address
    target = f"{plan.target_user}@{address}:{plan.target_folder}/"
    retryable = "|".join(str(code) for code in sorted(_CURABLE_CODES))
    # xargs gets the code 1 only: 255 would stop it at once, and it replaces others by 123
    one = (
        f'{shlex.join(rsync_words(plan))} -- "$1" {shlex.quote(target)}\n'
        "code=$?\n"
        'if [ $code -eq 0 ]; then echo "$1: there"; exit 0; fi\n'
        'echo "$1: rsync ended with exit code $code"\n'
        'echo "$code" >> "$2"\n'
        "exit 1"
    )
    script = (
        f"cd -- {shlex.quote(plan.source_folder)} || exit 3\n"
        'failures="$INFOMART_JOB/failures"\n'
        'rm -f "$failures"\n'
        f"one={shlex.quote(one)}\n"
        f'xargs -P {plan.streams} -I NAME /bin/sh -c "$one" sh NAME "$failures"\n'
        "code=$?\n"
        '[ $code -eq 0 ] && [ ! -s "$failures" ] && exit 0\n'
        '[ -s "$failures" ] || exit $code\n'
        "worst=\n"
        "while read -r code; do\n"
        f'  case $code in {retryable}) [ -n "$worst" ] || worst=$code;; *) final=$code;; esac\n'
        'done < "$failures"\n'
        'exit "${final:-$worst}"\n'
    )
    return script, "".join(f"{name}\n" for name, _ in plan.files)


def classify_exit(code: int | None) -> Literal["done", "retryable", "final"]:
    """The error for an exit code of the direct transfer.

    :param code: exit code of rsync or ssh; None or above 128: a signal ended it.
    """
    if code == 0:
        return "done"
    if code is None or code in _CURABLE_CODES or 128 < code < 160:
        return "retryable"
    return "final"


#: Lines of ssh and rsync that no retry changes, with what to do. rsync ends with 12 or 255 then, as after a lost
#: connection. Errors of the system have their number, since their text may be localised.
_REFUSED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), step)
    for pattern, step in (
        (
            r"host key verification failed|remote host identification has changed|no \S+ host key is known",
            "Compare the target's host key, then put it into the known_hosts of the source host: "
            "hosts.<name>.known_hosts "
            "of the topology, or the user's own.",
        ),
        (
            r"permission denied \((?:publickey|password|keyboard|gssapi|hostbased)|too many authentication failures"
            r"|unprotected private key|bad permissions|invalid format|error in libcrypto|no such identity"
            r"|bad owner or permissions|identity file .* not accessible",
            "Correct the key of the transfer at the source host (hosts.<name>.transfer_key of the topology), or "
            "authorized_keys at the target.",
        ),
        (
            r"account (?:has expired|is currently not available)|password (?:has expired|change required)",
            "Unlock the account of the transfer at the target.",
        ),
        (
            r"no matching (?:host key type|key exchange method|cipher|mac)|unable to negotiate",
            "Compare the SSH algorithms of both hosts.",
        ),
        (
            r"is your shell clean|protocol version mismatch|protocol incompatibility",
            "A start file of the target's login shell prints text: let .bashrc, .profile or .kshrc print for "
            "interactive "
            "logins only.",
        ),
        (
            r"rsync(?:: command)?(?:: | )not found|command not found|remote command not found|unknown option",
            "Install rsync at both hosts, with a release that knows the options in the output, or choose "
            "transfer.method "
            "relay.",
        ),
        (
            r"^rsync: .*\((?:28|122|27)\)\s*$|no space left on device|disk quota exceeded",
            "Give the target's folder the space of the dump set.",
        ),
        (r"^rsync: .*\((?:30|13|1)\)\s*$|read-only file system", "Correct owner, mode or mount of the folder."),
        (
            r"could not resolve hostname(?!.*temporary failure)",
            "Correct hosts.<name>.seen_from.<site>.address in the topology, or the name service of the source host.",
        ),
    )
)


def failure(code: int | None, output: str) -> InfoMartError:
    """The error of a direct transfer that did not end with 0. It shows the end of the output.

    A line that names a reason which no retry changes decides; otherwise the exit code does.

    :param code: exit code of the job.
    :param output: what the job printed.
    """
    shown = "\n".join(output.strip().splitlines()[-15:]) or "no output"
    for line in output.splitlines():
        for pattern, step in _REFUSED:
            if pattern.search(line.strip()):
                return PermanentError(
                    f"The transfer failed (exit code {code}): {line.strip()[:300]}\n{shown}",
                    f"{step} Then clear this task: the copy continues where it stopped.",
                )
    if classify_exit(code) == "retryable":
        return UnreachableError(
            f"The transfer was interrupted (exit code {code}).\n{shown}", "The retry resumes where it stopped."
        )
    return PermanentError(
        f"The transfer failed (exit code {code}).\n{shown}",
        "Correct the cause that the output names, then clear this task: the copy continues where it stopped.",
    )


# -- progress ------------------------------------------------------------------------------------------


def progress_line(sizes: Mapping[str, int], files: Mapping[str, int], rate: float | None = None) -> str:
    """One line such as ``3 of 8 files, 1.2 of 3.4 GB (35 %), 21 MB/s, 105 s left``.

    :param sizes: bytes by name at the target.
    :param files: bytes by name of the whole set.
    :param rate: present bytes per second; None: unknown.
    """
    total = sum(files.values())
    here = sum(min(sizes.get(name, 0), size) for name, size in files.items())
    complete = sum(1 for name, size in files.items() if sizes.get(name, -1) >= size)
    factor, unit = unit_of(total)
    digits = 0 if unit == "B" else 1
    percent = 100 if not total else int(100 * here / total)
    line = (
        f"{complete} of {len(files)} files, "
        f"{here / factor:.{digits}f} of {total / factor:.{digits}f} {unit} ({percent} %)"
    )
    if rate is not None and rate >= 0:
        rate_factor, rate_unit = unit_of(rate)
        line += f", {rate / rate_factor:.0f} {rate_unit}/s"
        if rate > 0 and here < total:
            line += f", {span(max((total - here) / rate, 1))} left"
    return line


# -- checksums -----------------------------------------------------------------------------------------


def checksum_script(folder: str, names: Sequence[str], parallel: int = 2) -> tuple[str, str]:
    """Script that prints ``<SHA-256> *<name>`` for each file, and its standard input.

    openssl uses the processor's SHA instructions; it is about six times faster than a sha256sum without them.

    :param folder: absolute path.
    :param names: plain file names.
    :param parallel: number of files at the same time.
    """
    _check_names(names)
    script = (
        f"cd -- {shlex.quote(folder)} || exit 1\n"
        "if openssl dgst -sha256 -r /dev/null >/dev/null 2>&1; then sum='openssl dgst -sha256 -r'\n"
        "elif command -v sha256sum >/dev/null 2>&1; then sum='sha256sum --'\n"
        "else sum='shasum -a 256 --'; fi\n"
        f'xargs -P {int(parallel)} -I NAME /bin/sh -c "$sum \\"\\$1\\"" sh NAME\n'
    )
    return script, "".join(f"{name}\n" for name in names)


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.,+@%=-]{0,254}", name):
            raise PermanentError(
                f"{name[:80]!r} is not a plain file name.",
                "Give dump files names of letters, digits and _ . , + @ % = - only.",
            )


def parse_checksums(text: str) -> dict[str, str]:
    """SHA-256 by name, in lower case, from the output of openssl, sha256sum or shasum.

    Other lines, such as warnings, are skipped.
    """
    found = {}
    for line in text.splitlines():
        line = line.strip().removeprefix("\\")
        if match := re.fullmatch(r"([0-9A-Fa-f]{64})\s+\*?(\S.*)", line):
            found[match[2]] = match[1].lower()
        elif match := re.fullmatch(r"SHA(?:2-)?256\s*\((.+)\)\s*=\s*([0-9A-Fa-f]{64})", line):
            found[match[1]] = match[2].lower()
    return found


def checksums(
    host: RemoteHost, folder: str, names: Sequence[str], *, parallel: int = 2, timeout: float | None = None
) -> dict[str, str]:
    """SHA-256 of files on a host, by name. For large sets run :func:`checksum_script` as a job.

    :raises RemoteCommandError: a file cannot be read.
    :raises UnexpectedReplyError: a checksum is missing in the reply.
    """
    if not names:
        return {}
    script, stdin = checksum_script(folder, names, parallel)
    found = parse_checksums(host.run(["/bin/sh", "-c", script], stdin=stdin, timeout=timeout).stdout)
    if missing := sorted(set(names) - set(found)):
        raise UnexpectedReplyError(
            f"{host.label}: the reply has no checksum for {', '.join(missing)[:300]}.",
            "Run openssl dgst -sha256 -r on these files by hand.",
        )
    return {name: found[name] for name in names}


# -- relay ---------------------------------------------------------------------------------------------


def _clone(host: RemoteHost) -> RemoteHost:
    """Another SSH connection to the same host, since the window limits the speed of one connection."""
    return RemoteHost(
        host.ssh_connection,
        work_folder=host.work_folder,
        connect_timeout=host.connect_timeout,
        command_timeout=host.command_timeout,
    )


def _prefix_sum(host: RemoteHost, path: str, length: int) -> str:
    """SHA-256 of the first ``length`` bytes of a file."""
    script = (
        'head -c "$2" -- "$1" | if command -v openssl >/dev/null 2>&1; then openssl dgst -sha256 -r; else sha256sum; fi'
    )
    # a gigabyte takes a few seconds; the limit is ten times that, for slow disks
    done = host.shell(script, path, str(length), timeout=host.command_timeout + length / 20e6)
    return done.stdout.split()[0] if done.stdout.split() else ""


class _Throttle:
    """Limits the total rate of all streams."""

    def __init__(self, kilobytes: int | None) -> None:
        self._rate = kilobytes * 1000 if kilobytes else None
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def spend(self, size: int) -> None:
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / self._rate
            pause = self._free_at - now
        if pause > 0:
            time.sleep(pause)


def relay(
    source: RemoteHost,
    target: RemoteHost,
    plan: TransferPlan,
    progress: Callable[[dict[str, int]], None] | None = None,
) -> dict[str, str]:
    """Copy through Airflow's machine by SFTP, several files at a time, without storing them there.

    A partly copied file is continued when the SHA-256 of its beginning is equal at both hosts; otherwise it is copied
    again. The result has the SHA-256 of the data that was read, by name, for files that this call copied completely.

    :param source: host of the files.
    :param target: host that receives them.
    :param plan: the files, the number of streams, and the rate.
    :param progress: called with the bytes at the target by name, by one thread after the other.
    :raises UnreachableError: a connection was lost; the next call continues.
    :raises PermanentError: a file is missing or cannot be written.
    """
    work: queue.Queue[tuple[str, int]] = queue.Queue()
    # largest files first, so that the streams end at about the same time
    for item in sorted(plan.files, key=lambda file: -file[1]):
        work.put(item)
    sizes: dict[str, int] = {}
    sums: dict[str, str] = {}
    errors: list[InfoMartError] = []
    stop = threading.Event()
    throttle = _Throttle(plan.bandwidth)

    telling = threading.Lock()

    def report(name: str, size: int) -> None:
        # one call at a time, so that the numbers never decrease
        with telling:
            sizes[name] = size
            if progress:
                progress(dict(sizes))

    def stream() -> None:
        with _clone(source) as one, _clone(target) as other:
            while not stop.is_set():
                try:
                    name, size = work.get_nowait()
                except queue.Empty:
                    return
                try:
                    digest = _relay_file(one, other, plan, name, size, report, throttle, stop)
                    if digest:
                        sums[name] = digest
                except InfoMartError as error:
                    errors.append(error)
                    stop.set()

    threads = [
        threading.Thread(target=stream, name=f"relay-{number}", daemon=True)
        for number in range(min(plan.streams, len(plan.files)))
    ]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        # also when the task is ended meanwhile: no thread may continue writing
        stop.set()
    if errors:
        # permanent errors come first
        raise sorted(errors, key=lambda error: error.retryable)[0]
    return sums


def _relay_file(
    source: RemoteHost,
    target: RemoteHost,
    plan: TransferPlan,
    name: str,
    size: int,
    report: Callable[[str, int], None],
    throttle: _Throttle,
    stop: threading.Event,
) -> str | None:
    origin, destination = f"{plan.source_folder}/{name}", f"{plan.target_folder}/{name}"
    here = target.file_sizes(plan.target_folder, [name]).get(name, 0)
    offset = 0
    if 0 < here <= size and _prefix_sum(source, origin, here) == _prefix_sum(target, destination, here):
        offset = here
    report(name, offset)
    if offset == size and here == size and size:
        return None
    digest = hashlib.sha256()
    try:
        with (
            source.sftp() as reader,
            target.sftp() as writer,
            reader.open(origin, "rb") as incoming,
            writer.open(destination, "r+b" if here else "wb") as outgoing,
        ):
            outgoing.truncate(offset)
            outgoing.seek(offset)
            position = offset
            while position < size and not stop.is_set():
                end = min(position + _WINDOW, size)
                blocks = [(at, min(_BLOCK, end - at)) for at in range(position, end, _BLOCK)]
                for block, (at, wanted) in zip(incoming.readv(blocks), blocks, strict=True):
                    if len(block) != wanted:
                        raise PermanentError(
                            f"{source.label}: {origin} is shorter than the {size} bytes of the dump set.",
                            "Check whether the export still writes, or the file was cut; export again.",
                        )
                    digest.update(block)
                    # The last write of a window waits for the answers of all: a full disk answers here, and close()
                    # would drop what is still open.
                    outgoing.set_pipelined(at + wanted < end)
                    outgoing.write(block)
                    throttle.spend(len(block))
                position = end
                report(name, position)
            there = outgoing.stat().st_size or 0
            if position == size and there < size:
                raise PermanentError(
                    f"{name}: {there} of {size} bytes are at {target.label}, although each write was confirmed.",
                    "Check the free space and the quota at the target.",
                )
    except (OSError, EOFError, paramiko.SSHException, paramiko.SFTPError) as error:
        raise _sftp_error(error, source, target, name, plan.target_folder) from None
    return digest.hexdigest() if offset == 0 and not stop.is_set() else None


#: Errors without a number that paramiko raises itself, and answers of SFTP servers about a lost connection
#: (SSH_FX_NO_CONNECTION, SSH_FX_CONNECTION_LOST). Any other text without a number is a server's refusal.
_LOST = re.compile(
    r"socket is closed|channel closed|no connection|connection\s+(?:was\s+)?lost|timed?\s*out", re.IGNORECASE
)


def _sftp_error(error: Exception, source: RemoteHost, target: RemoteHost, name: str, folder: str) -> InfoMartError:
    where = f"{name} from {source.label} to {target.label}"
    if isinstance(error, FileNotFoundError):
        return PermanentError(
            f"{where}: no such file or folder.",
            "Check the folders of the Data Pump directories at both sites.",
        )
    if isinstance(error, PermissionError):
        return PermanentError(f"{where}: permission denied.", "Check owner and mode of folder and files.")
    refused = isinstance(error, OSError) and error.errno is None and not isinstance(error, TimeoutError)
    if refused and str(error) and not _LOST.search(str(error)):
        free = "unknown"
        with contextlib.suppress(InfoMartError):
            free = size_text(target.free_space(folder))
        return PermanentError(
            f"{where}: the SFTP server refused with {str(error)[:200]!r}; space that is free in {folder}: {free}.",
            "Check the free space and the quota at the target, then clear this task: the copy continues where it "
            "stopped.",
        )
    return UnreachableError(
        f"{where}: the connection was lost ({error}).", "Check the network; the retry continues the copy."
    )
