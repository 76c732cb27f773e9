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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from infomart_dr.errors import (
    InfoMartError,
    PermanentError,
    RemoteCommandError,
    UnexpectedReplyError,
    UnreachableError,
)
from infomart_dr.hooks.remote_host import RemoteHost, RemoteStream
from infomart_dr.text import size_text, unit_of
from infomart_dr.times import span
from infomart_dr.topology import AbsolutePath, Address, Port

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.,+@%=-]{0,254}$")]

#: rsync(1), "EXIT VALUES", and ssh's 255: sockets, protocol stream, processes, signals, memory, timeouts, lost links.
_TRANSIENT_CODES = frozenset({10, 12, 14, 20, 22, 24, 30, 35, 255})
#: Exit code and output of an rsync whose ssh was refused before its login, as patterns of the shell.
_REFUSED_BY_CHANCE = " | ".join(
    f'{code}:*"{words}"*'
    for code in (12, 255)
    for words in ("_exchange_identification", "Connection reset by", "Exceeded MaxStartups")
)
#: Bytes that the relay reads at once, and after which it tells its progress.
_BLOCK = 256 * 1024
_REPORT = 8 * 1024 * 1024


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


def _ssh_words(port: int, key: str | None, known_hosts: str | None) -> list[str]:
    """ssh without prompts, with host keys checked; a dead link is found after a minute.

    On a slow link an answer waits behind what is still to be sent.
    """
    words = ["ssh", "-p", str(port)]
    if key:
        words += ["-i", key, "-o", "IdentitiesOnly=yes"]
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": "10",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
    }
    if known_hosts:
        options["UserKnownHostsFile"] = f'"{known_hosts}"' if " " in known_hosts else known_hosts
    for name, value in options.items():
        words += ["-o", f"{name}={value}"]
    return words


def login_command(user: str, address: str, port: int, key: str | None, known_hosts: str | None) -> list[str]:
    """The login of the direct transfer, on the source host; the words of a command may follow."""
    return [*_ssh_words(port, key, known_hosts), "-T", f"{user}@{address}"]


def ssh_command(plan: TransferPlan) -> str:
    """The ``-e`` of rsync."""
    words = _ssh_words(plan.target_port, plan.key, plan.known_hosts)
    # rsync itself splits the text at blanks and understands quotes
    return " ".join(f"'{word}'" if " " in word else word for word in words)


def rsync_words(plan: TransferPlan) -> list[str]:
    """rsync and its options, without the file's name and the target.

    ``--inplace`` resends about a megabyte after a lost connection and repairs a damaged beginning. ``--timeout`` ends
    a stream whose link is dead. ``--protect-args`` protects the target's name from the remote shell.
    """
    words = [plan.rsync, "--times", "--inplace", "--protect-args", "--timeout=60", "-e", ssh_command(plan)]
    if "/" in plan.rsync:
        words.append(f"--rsync-path={plan.rsync}")
    if plan.repair:
        words.append("--ignore-times")
    if plan.bandwidth:
        words.append(f"--bwlimit={max(plan.bandwidth // min(plan.streams, len(plan.files)), 1)}")
    return words


def direct_command(plan: TransferPlan) -> tuple[str, str]:
    """Script for a job on the source host, and its standard input: one file name per line.

    The script prints a line when a file has arrived or failed. Its exit code is rsync's. Among failed files, a
    permanent reason counts before a transient one.

    :param plan: the copy.
    """
    address = f"[{plan.target_address}]" if ":" in plan.target_address else plan.target_address
    target = f"{plan.target_user}@{address}:{plan.target_folder}/"
    retryable = "|".join(str(code) for code in sorted(_TRANSIENT_CODES))
    # xargs gets the code 1 only: 255 would stop it at once, and it replaces others by 123
    one = (
        "tries=0\n"
        "while :; do\n"
        f'  printed=$({shlex.join(rsync_words(plan))} -- "$2" {shlex.quote(target)} 2>&1)\n'
        "  code=$?\n"
        # sshd refuses logins by chance when many are under way (MaxStartups)
        f"  case $code:$printed in {_REFUSED_BY_CHANCE}) [ $tries -lt 5 ] || break;; *) break;; esac\n"
        "  tries=$((tries+1))\n"
        "  sleep $((tries + $$ % 3))\n"
        "done\n"
        '[ -z "$printed" ] || printf "%s\\n" "$printed"\n'
        'if [ $code -eq 0 ]; then echo "$2: there"; exit 0; fi\n'
        'echo "$2: rsync ended with exit code $code"\n'
        'echo "$code" >> "$1"\n'
        "exit 1"
    )
    script = (
        f"cd -- {shlex.quote(plan.source_folder)} || exit 3\n"
        'failures="$INFOMART_JOB/failures"\n'
        'rm -f "$failures"\n'
        f"one={shlex.quote(one)}\n"
        # the name comes last by itself: -I would replace its word in all arguments
        f'xargs -P {plan.streams} -n 1 /bin/sh -c "$one" sh "$failures"\n'
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
    if code is None or code in _TRANSIENT_CODES or 128 < code < 160:
        return "retryable"
    return "final"


#: Lines of ssh and rsync that no retry changes, with what to do. rsync ends with 12 or 255 then, as after a lost
#: connection. Errors of the system have their number, since their text may be localised.
_REFUSED: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), step)
    for pattern, step in (
        (
            r"host key verification failed|remote host identification has changed|no \S+ host key is known"
            r"|host key for \S+ has changed",
            "Compare the target's host key, then put it into the known_hosts of the source host: "
            "hosts.<name>.known_hosts "
            "of the topology, or the user's own.",
        ),
        (
            r"permission denied \((?:publickey|password|keyboard|gssapi|hostbased)|too many authentication failures"
            r"|unprotected private key|bad permissions|invalid format|error in libcrypto|no such identity"
            r"|bad owner or permissions|identity file .* not accessible|permission denied, please try again"
            r'|^permissions \d+ for .* are too open|^load key ".*": ',
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
        (r"bad configuration option", "Correct the ssh_config of the source host or of its user."),
        (
            r"is your shell clean|protocol version mismatch|protocol incompatibility",
            "A start file of the target's login shell prints text, or the user may not log in there: let .bashrc, "
            ".cshrc, .profile or .kshrc print for interactive logins only.",
        ),
        (
            # What a shell says about rsync itself, in any language, is that it cannot start it.
            r"rsync(?:: command)?(?:: +| )not found|command not found|remote command not found"
            r"|unknown option|unrecognized option"
            r"|^-?[\w/]*(?:ba|k|da|z|a|c|tc)?sh(?:: line \d+|: \d+|\[\d+\])?: +\S*rsync: ",
            "Install rsync at both hosts, with a release that knows the options in the output, or choose "
            "transfer.method "
            "relay.",
        ),
        (
            r"^rsync: .*\((?:28|122|27)\)\s*$|no space left on device|disk quota exceeded",
            "Give the target's folder the space of the dump set.",
        ),
        (r"^rsync: .*\((?:2|20)\)\s*$", "Make the folder, or correct the path of the Data Pump directory."),
        (r"^rsync: .*\((?:116|30|13|1)\)\s*$|read-only file system", "Correct owner, mode or mount of the folder."),
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
        f'xargs -P {int(parallel)} -n 1 /bin/sh -c "$sum \\"\\$1\\"" sh\n'
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
    """Copy through Airflow's machine, several files at a time, without storing them there.

    It needs a shell on both hosts and no SFTP.

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
    sums: dict[str, str | None] = {}
    errors: list[BaseException] = []
    stop = threading.Event()
    throttle = _Throttle(plan.bandwidth)

    telling, opening = threading.Lock(), threading.Lock()

    def report(name: str, size: int) -> None:
        # one call at a time, so that the numbers never decrease
        with telling:
            sizes[name] = size
            if progress:
                progress(dict(sizes))

    def stream() -> None:
        try:
            with _clone(source) as one, _clone(target) as other:
                # One login at a time: sshd refuses some when many are under way (MaxStartups).
                with opening:
                    for host in (one, other):
                        _open(host)
                while not stop.is_set():
                    try:
                        name, size = work.get_nowait()
                    except queue.Empty:
                        return
                    sums[name] = _relay_file(one, other, plan, name, size, report, throttle, stop)
        except BaseException as error:
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
        raise min(errors, key=lambda error: getattr(error, "retryable", False))
    if missed := sorted({name for name, _ in plan.files} - set(sums)):
        raise UnreachableError(
            f"The relay ended without {', '.join(missed)[:300]}.", "The retry resumes where it stopped."
        )
    return {name: digest for name, digest in sums.items() if digest}


def _open(host: RemoteHost) -> None:
    """Log in; a login that is refused because others are under way is tried again."""
    for pause in (1, 2, 4):
        try:
            return host.open()
        except UnreachableError:
            time.sleep(pause)
    host.open()


#: The source's and the target's half of the copy of one file: path, and first byte to send or number of bytes kept.
_SEND = 'exec tail -c "+$2" -- "$1"'
_RECEIVE = 'if [ "$2" -eq 0 ]; then exec cat > "$1"; else exec cat >> "$1"; fi'


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
    """Copy one file. Both hosts stream; the target's program confirms the end of the file."""
    origin, destination = f"{plan.source_folder}/{name}", f"{plan.target_folder}/{name}"
    here = target.file_sizes(plan.target_folder, [name]).get(name, 0)
    offset = 0
    if 0 < here <= size and _prefix_sum(source, origin, here) == _prefix_sum(target, destination, here):
        offset = here
    report(name, offset)
    if offset == size and here == size and size:
        return None
    digest = hashlib.sha256()
    with (
        source.streaming(_SEND, origin, str(offset + 1)) as incoming,
        _writing(target, destination, offset, plan.target_folder) as outgoing,
    ):
        position = told = offset
        while position < size and not stop.is_set():
            block = incoming.read(min(_BLOCK, size - position))
            if not block:
                _end_reading(incoming, origin)
                raise PermanentError(
                    f"{source.label}: {origin} is shorter than the {size} bytes of the dump set.",
                    "Check whether the export still writes, or the file was cut; export again.",
                )
            digest.update(block)
            outgoing.write(block)
            throttle.spend(len(block))
            position += len(block)
            if position - told >= _REPORT:
                told = position
                report(name, position)
        if position < size:
            return None
        outgoing.finish()
    there = target.file_sizes(plan.target_folder, [name]).get(name, 0)
    if there != size:
        raise PermanentError(
            f"{name}: {there} of {size} bytes are at {target.label}, although each write was confirmed.",
            "Check the free space and the quota at the target.",
        )
    report(name, size)
    return digest.hexdigest() if offset == 0 else None


def _end_reading(incoming: RemoteStream, path: str) -> None:
    """The end of the source's half before the file's size: its error, if it has one."""
    try:
        incoming.finish()
    except RemoteCommandError as error:
        raise PermanentError(
            f"{path} cannot be read: {error.what}.",
            "Check the folder of the Data Pump directory at the source, and owner and mode of the file.",
        ) from None


@contextlib.contextmanager
def _writing(target: RemoteHost, path: str, kept: int, folder: str) -> Iterator[RemoteStream]:
    """The target's half; its errors name the space that is free."""
    try:
        with target.streaming(_RECEIVE, path, str(kept)) as outgoing:
            yield outgoing
    except RemoteCommandError as error:
        free = "unknown"
        with contextlib.suppress(InfoMartError):
            free = size_text(target.free_space(folder))
        raise PermanentError(
            f"{path} cannot be written: {error.what}; free space in {folder}: {free}.",
            "Check the free space, the quota, and owner and mode of folder and file at the target, then clear this "
            "task: the copy continues where it stopped.",
        ) from None
