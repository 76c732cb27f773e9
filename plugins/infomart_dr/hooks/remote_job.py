"""A program on another host that outlives the SSH connection, Airflow's worker and Airflow itself.

A job is a folder named by an id that depends only on the run and the step, so a retry finds it again. On the
host a small wrapper starts the program and always records its exit code. A check decides by process id, start time
and the machine's boot id whether the job still runs. Nothing is ever started twice under one id: the wrapper claims
the job with a hard link, which only one wrapper can make, and only that wrapper starts the program.

Files of a job folder (0700): ``program.*`` and ``wrapper.*`` are the scripts, ``process`` is the claim,
``log`` the output, ``exit_code`` the result, ``files/`` the input files (removed at the job's end).
"""

from __future__ import annotations

import codecs
import re
import secrets
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from infomart_dr.errors import REPORT_IT, PermanentError, RemoteCommandError, UnexpectedReplyError, UnreachableError
from infomart_dr.hooks.remote_host import RemoteHost

State = Literal["absent", "starting", "running", "ended", "vanished"]

_JOB_ID = re.compile(r"^[A-Za-z0-9_.-]{1,100}$")
_FILE_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")
_VARIABLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
#: Bytes of log that one call reads.
LOG_LIMIT = 256 * 1024


@dataclass(frozen=True)
class JobStatus:
    """Observed status of a job.

    :param state: ``absent``: no such job; ``starting``: prepared, not yet claimed by a wrapper; ``running``;
        ``ended``: with an exit code; ``vanished``: no process and no exit code. Then the machine restarted or the
        wrapper was killed, and the program's progress is unknown.
    :param exit_code: exit code of the program; 128 + n when signal n ended it.
    :param pid: process id of the wrapper, which leads the process group.
    :param command_seconds: seconds from the program's start to its end or until now, by the host's clock.
    :param log_size: bytes of output so far.
    :param orphaned: the wrapper has gone and its program still runs, so its exit code will stay unknown.
    """

    state: State
    exit_code: int | None = None
    pid: int | None = None
    command_seconds: float | None = None
    log_size: int = 0
    orphaned: bool = False

    @property
    def active(self) -> bool:
        """The program runs or is about to."""
        return self.state in ("starting", "running")


# -- pure functions --------------------------------------------------------------------------------


def parse_status(text: str) -> JobStatus:
    """Status from the ``name=value`` lines about a job folder.

    :param text: output of the script ``_LOOK``.
    :raises UnexpectedReplyError: the text has another form.
    """
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator:
            found[name.strip()] = value.strip()
    state = found.get("state")
    if state == "absent":
        return JobStatus("absent")
    if state not in ("starting", "claimed"):
        raise UnexpectedReplyError(
            f"The check of a job folder printed {text.strip()[-300:]!r}.", "Check /bin/sh on that host."
        )

    def number(name: str) -> int | None:
        value = found.get(name, "")
        return int(value) if re.fullmatch(r"-?\d{1,20}", value) else None

    log_size = number("log_size") or 0
    if state == "starting":
        return JobStatus("starting", log_size=log_size)
    begun = number("begun")
    code = number("exit_code")
    end = number("ended") if code is not None else number("now")
    seconds = float(max(end - begun, 0)) if begun is not None and end is not None else None
    common = {"pid": number("pid"), "command_seconds": seconds, "log_size": log_size}
    if code is not None:
        return JobStatus("ended", exit_code=code, **common)  # type: ignore[arg-type]
    alive = found.get("alive")
    # Unknown is never dead: a second program beside the first one would write to the same files.
    if alive in ("wrapper", "group", "unknown"):
        return JobStatus("running", orphaned=alive == "group", **common)  # type: ignore[arg-type]
    return JobStatus("vanished", **common)  # type: ignore[arg-type]


def decode_log(chunk: bytes, *, final: bool = False) -> tuple[str, int]:
    """Text of a piece of log, and the number of its bytes that were used.

    A character that is cut off at the end is left for the next call. Wrong bytes are replaced.

    :param chunk: bytes.
    :param final: nothing follows, so a cut character becomes a replacement character.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(chunk, final)
    rest, _ = decoder.getstate()
    return text, len(chunk) - len(rest)


def program_text(
    program: Sequence[str] | str,
    environment: Mapping[str, str] | None = None,
    cwd: str | None = None,
) -> str:
    """POSIX sh script that sets variables and folder, and runs a program or a given script.

    :param program: words, each quoted, or the text of a script.
    :param environment: variables without secrets.
    :param cwd: folder; default: the user's home.
    :raises PermanentError: there is no program, or a variable's name is not valid.
    """
    lines = ["#!/bin/sh"]
    for name, value in (environment or {}).items():
        if not _VARIABLE.fullmatch(name):
            raise PermanentError(f"{name[:60]!r} is not a valid name of a variable.", "Correct it in the topology.")
        lines.append(f"{name}={shlex.quote(str(value))}; export {name}")
    if cwd is not None:
        lines.append(f"cd -- {shlex.quote(cwd)} || exit 1")
    if isinstance(program, str):
        lines.append(program)
    else:
        if not program or not program[0]:
            raise PermanentError("The job has no program.", REPORT_IT)
        lines.append("exec " + shlex.join(program))
    return "\n".join(lines) + "\n"


class RemoteJob:
    """One job on one host.

    :param host: the host.
    :param job_id: letters, digits, ``_ . -``; must depend only on the run and the step.
    :raises PermanentError: the id has another form.
    """

    #: Seconds after which :meth:`submit` starts a job again that was prepared and not claimed.
    grace = 10.0

    def __init__(self, host: RemoteHost, job_id: str) -> None:
        if not _JOB_ID.fullmatch(job_id) or job_id in (".", ".."):
            raise PermanentError(
                f"{job_id[:120]!r} is not a valid job id.", "Give up to 100 letters, digits, _, . and - ."
            )
        self.host = host
        self.job_id = job_id
        #: Relative to the home folder unless the work folder is absolute.
        self.folder = f"{host.work_folder}/jobs/{job_id}"

    def file(self, name: str) -> str:
        """Absolute path on the host of one of the job's ``files``."""
        return self.host.absolute(f"{self.folder}/files/{name}")

    # -- looking -----------------------------------------------------------------------------------

    def status(self) -> JobStatus:
        """The status now.

        :raises UnreachableError: the host does not answer.
        """
        text = self.host.shell(_COMMON + _LOOK, self.folder).stdout
        if text.startswith("state=unreadable"):
            raise UnreachableError(
                f"{self.host.label}: the folder {self.folder} cannot be entered.",
                "Mount its file system, or give the SSH user the right to enter it: until then nobody knows whether "
                f"job {self.job_id} runs.",
            )
        return parse_status(text)

    def log(self, offset: int = 0, limit: int = LOG_LIMIT) -> tuple[str, int]:
        """Output from ``offset`` on, standard output and standard error as they came.

        :param offset: byte position: 0 or the one that the last call returned.
        :param limit: bytes at most.
        :return: text and the next offset, which is the same offset when there is nothing new.
        """
        chunk = self.host.shell_bytes(_LOG, self.folder, str(offset + 1), str(limit))
        text, used = decode_log(chunk)
        return text, offset + used

    # -- starting ----------------------------------------------------------------------------------

    def submit(
        self,
        program: Sequence[str] | str,
        *,
        stdin: str | bytes | None = None,
        environment: Mapping[str, str] | None = None,
        cwd: str | None = None,
        files: Mapping[str, str] | None = None,
    ) -> JobStatus:
        """Start the job, or attach to one that was started before, whatever its state.

        :param program: words, or the text of a POSIX sh script (then with ``$INFOMART_JOB`` as its folder).
        :param stdin: standard input, also for secrets: its file is unlinked before the program starts.
        :param environment: variables without secrets.
        :param cwd: folder; default: the user's home.
        :param files: names and texts of files (0600), which :meth:`file` finds; removed at the program's end.
        :return: the status after the start; for a job that was started before it may be ``ended`` or ``vanished``.
        :raises RemoteCommandError: the job cannot be prepared on the host.
        """
        text = program_text(program, environment, cwd)
        for name in files or {}:
            if not _FILE_NAME.fullmatch(name):
                raise PermanentError(f"{name[:60]!r} is not a plain file name.", REPORT_IT)
        status = self.status_after_start()
        if status.state not in ("absent", "starting"):
            return status
        token = secrets.token_hex(4)
        payload = stdin.encode() if isinstance(stdin, str) else stdin or b""
        self.host.shell(_COMMON + _PREPARE, self.folder, f"{self.host.work_folder}/jobs")
        for name, content in (files or {}).items():
            self.host.write_file(f"{self.folder}/files/{name}", content)
        self.host.write_file(f"{self.folder}/wrapper.{token}", _COMMON + _WRAPPER)
        self.host.write_file(f"{self.folder}/program.{token}", text)
        self.host.shell(_LAUNCH, self.folder, token, str(len(payload)), stdin=payload)
        status = self._wait_for_claim()
        if status.state == "starting":
            raise RemoteCommandError(
                f"{self.host.label}: job {self.job_id} did not start within {self.grace:g} s.",
                f"Read {self.folder}/wrapper.log on the host; a full file system is the usual reason.",
                output=self._wrapper_log(),
            )
        return status

    def status_after_start(self) -> JobStatus:
        """The status; a job that was prepared a moment ago gets its time to start first.

        ``starting`` then means that its submitter died: nothing runs, and :meth:`submit` starts it.
        """
        status = self.status()
        return self._wait_for_claim() if status.state == "starting" else status

    def _wait_for_claim(self) -> JobStatus:
        deadline = time.monotonic() + self.grace
        while True:
            status = self.status()
            if status.state != "starting" or time.monotonic() >= deadline:
                return status
            time.sleep(0.2)

    def _wrapper_log(self) -> str:
        return self.host.shell('tail -n 5 -- "$1/wrapper.log" 2>/dev/null || :', self.folder).stdout

    # -- ending ------------------------------------------------------------------------------------

    def kill(self, signal: Literal["TERM", "INT", "HUP", "KILL"] = "TERM", grace: float = 5) -> JobStatus:
        """End the program with all its child processes: ``signal``, then KILL after ``grace`` seconds.

        :return: ``ended`` with the exit code, unless no process was there to end.
        """
        if signal not in ("TERM", "INT", "HUP", "KILL"):
            raise PermanentError(f"{signal!r} is not a signal that ends jobs.", REPORT_IT)
        self.host.shell(
            _COMMON + _KILL,
            self.folder,
            signal,
            str(max(round(grace * 5), 0)),
            timeout=self.host.command_timeout + grace,
        )
        return self.status()

    def forget(self) -> None:
        """Remove the job's folder, so that the same id can be started again.

        :raises PermanentError: the job still runs.
        """
        status = self.status_after_start()
        if status.state == "absent":
            return
        if status.state == "running":
            raise PermanentError(
                f"{self.host.label}: job {self.job_id} still runs (process {status.pid}).",
                "Wait for its end, or kill it first.",
            )
        # renamed first, so that no check finds half a job
        self.host.shell(
            'mv -- "$1" "$2" && rm -rf -- "$2"',
            self.folder,
            f"{self.host.work_folder}/jobs/.forgotten-{secrets.token_hex(4)}",
        )


# -- scripts on the host: POSIX sh, with the usual tools only ------------------------------------

# $1 is the job folder in every script.
_COMMON = """\
boot_id() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo none; }
# what tells a process from a later one with its id: the start time (field 22 of its stat, counted after the name,
# which may contain blanks), or the random name of its wrapper
start_of() {
  if [ -r "/proc/$1/stat" ]; then
    IFS= read -r stat < "/proc/$1/stat" || return 1
    set -- ${stat##*') '}
    # a zombie does not count as a running process
    [ "$1" = Z ] && return 1
    echo "${20}"
  else
    line=$(ps -o args= -p "$1" 2>/dev/null) && [ -n "$line" ] || return 1
    case $line in
      *wrapper.*) line=${line#*wrapper.}; echo "wrapper.${line%%[!0-9a-f]*}";;
      *) echo other;;
    esac
  fi
}
# a process or, after --, a group is there; the ids are the user's own
there() { kill -s 0 "$@" 2>/dev/null; }
# dead, wrapper or group, by pid, group, boot and start; unknown where no program of this system tells
alive() {
  [ "$3" = "$(boot_id)" ] || { echo dead; return; }
  if there "$1"; then
    [ -n "$(start_of $$)" ] || { echo unknown; return; }
    now=$(start_of "$1") || now=
    if [ -n "$now" ]; then
      if [ "$now" = "$4" ]; then echo wrapper; else echo dead; fi
      return
    fi
  fi
  if [ "$1" != "$2" ] || ! there -- "-$2"; then echo dead; return; fi
  [ -n "$(processes)" ] || { echo unknown; return; }
  if members "$2" | grep . >/dev/null; then echo group; else echo dead; fi
}
# id, group and state of all processes; the state has no name that each ps knows
processes() {
  for state in stat= s= state=; do
    ps -A -o pid= -o pgid= -o "$state" 2>/dev/null | grep . && return
  done
}
# living processes of a group
members() {
  processes | while read -r p g s; do
    case $s in Z*) continue;; esac
    [ "$g" = "$1" ] && echo "$p"
  done
}
load() { pid= pgid= boot= start= begun=; [ -f process ] && . ./process; }
"""

_LOOK = """\
if [ ! -d "$1" ]; then
  # a folder that cannot be read, as on a mount that is away, proves nothing
  above=$1
  while [ ! -d "$above" ]; do
    if [ -e "$above" ] || [ -h "$above" ]; then echo state=unreadable; exit 0; fi
    case $above in */*) above=${above%/*}; above=${above:-/};; *) above=.;; esac
  done
  ls -- "$above" >/dev/null && cd -- "$above" || { echo state=unreadable; exit 0; }
  echo state=absent; exit 0
fi
cd -- "$1" || exit 1
load
echo "log_size=$([ -f log ] && wc -c < log || echo 0)"
echo "now=$(date +%s)"
if [ -z "$pid" ]; then echo state=starting; exit 0; fi
echo state=claimed
echo "pid=$pid"
echo "begun=$begun"
# the exit code is read after the check of the process: it may have ended in between
[ -f exit_code ] || echo "alive=$(alive "$pid" "$pgid" "$boot" "$start")"
if [ -f exit_code ]; then
  read -r code ended < exit_code
  echo "exit_code=$code"
  echo "ended=$ended"
fi
"""

# a missing log is not an error
_LOG = """\
[ -f "$1/log" ] || exit 0
tail -c "+$2" -- "$1/log" | head -c "$3"
"""

_PREPARE = """\
[ -n "$(start_of $$)" ] && [ -n "$(processes)" ] ||
  { echo "neither /proc nor ps -o args shows the processes of this system" >&2; exit 1; }
umask 077
mkdir -p -- "$2" && { mkdir -- "$1" 2>/dev/null || [ -d "$1" ]; } && chmod 700 "$1"
"""

# Standard input is in a file for a moment only: the file is opened and unlinked before anything is started.
_LAUNCH = """\
mask=$(umask)
umask 077
cd -- "$1" || exit 1
cat > "stdin.$2" || { rm -f "stdin.$2"; exit 1; }
exec 3< "stdin.$2"
size=$(wc -c < "stdin.$2")
rm -f "stdin.$2"
[ "$size" -eq "$3" ] || { echo "standard input did not arrive whole" >&2; exit 1; }
if command -v setsid >/dev/null 2>&1; then
  setsid /bin/sh "./wrapper.$2" "$1" "$2" "$mask" <&3 >/dev/null 2>>wrapper.log 3<&- &
else
  # job control gives a background job a process group of its own
  set -m 2>/dev/null
  nohup /bin/sh "./wrapper.$2" "$1" "$2" "$mask" <&3 >/dev/null 2>>wrapper.log 3<&- &
fi
i=0
while [ $i -lt 20 ] && [ ! -f process ]; do sleep 0.1 2>/dev/null || sleep 1; i=$((i+1)); done
exit 0
"""

# The program runs in the foreground: the shell delays traps until the program ends, so its exit code is the true one.
# The traps are ':' and not '', since ignored signals would stay ignored in the program.
_WRAPPER = """\
trap : TERM INT HUP QUIT USR1 USR2
mask=$3
umask 077
token=$2
job=$(pwd)
start=$(start_of $$)
if [ -r "/proc/$$/stat" ]; then
  IFS= read -r stat < "/proc/$$/stat"
  set -- ${stat##*') '}
  pgid=$3
else
  pgid=$(ps -o pgid= -p $$ | tr -d ' ')
fi
printf 'pid=%s\\npgid=%s\\nboot=%s\\nstart=%s\\nbegun=%s\\n' \\
  $$ "$pgid" "$(boot_id)" "$start" "$(date +%s)" > "process.$token" || exit 1
# creating a hard link is atomic: the wrapper that creates it owns the job
if ! ln "process.$token" process; then
  rm -f "process.$token" "program.$token" "wrapper.$token"
  exit 0
fi
rm -f "process.$token"
INFOMART_JOB=$job; export INFOMART_JOB
cd
( umask "$mask"; exec /bin/sh "$job/program.$token" ) >> "$job/log" 2>&1
code=$?
cd "$job"
# some shells count signals from 256
[ $code -gt 255 ] && code=$((code - 128))
rm -rf files
# with a full file system the wrapper waits, up to a day
i=0
until printf '%s %s\\n' "$code" "$(date +%s)" > exit_code.new && mv -f exit_code.new exit_code; do
  i=$((i+1)); [ $i -gt 17280 ] && break
  sleep 5
done
"""

_KILL = """\
[ -d "$1" ] || exit 0
cd -- "$1" || exit 1
load
[ -n "$pid" ] || exit 0
[ -f exit_code ] && exit 0
state=$(alive "$pid" "$pgid" "$boot" "$start")
[ "$state" = dead ] && exit 0
# Without a process group of its own, the wrapper's descendants are ended; a child whose parent ends has another parent.
descendants() {
  ps -A -o pid= -o ppid= 2>/dev/null | awk -v top="$pid" '
    { up[$1] = $2 }
    END { for (p in up) { q = p; n = 0; while (q in up && q != top && n++ < 500) q = up[q]
          if (q == top && p != top) print p } }'
}
known=
[ "$pid" = "$pgid" ] || known=$(descendants)
targets() {
  if [ "$pid" = "$pgid" ]; then members "$pgid"; else
    for p in $known $(descendants); do start_of "$p" >/dev/null && echo "$p"; done
  fi | grep -v "^$pid\\$"
}
send() { for p in $(targets); do kill -s "$1" "$p" 2>/dev/null; done; :; }
short() { sleep 0.2 2>/dev/null || sleep 1; }
send "$2"
i=0
while [ $i -lt "$3" ] && [ -n "$(targets)" ]; do short; i=$((i+1)); done
# new children may start while the old ones end
i=0
while [ $i -lt 10 ] && [ -n "$(targets)" ]; do send KILL; short; i=$((i+1)); done
i=0
while [ $i -lt 10 ] && [ ! -f exit_code ] && [ "$state" = wrapper ]; do short; i=$((i+1)); done
if [ ! -f exit_code ]; then
  [ "$state" = wrapper ] && kill -s KILL "$pid" 2>/dev/null
  printf '137 %s\\n' "$(date +%s)" > exit_code.killed && ln exit_code.killed exit_code 2>/dev/null
  rm -f exit_code.killed
fi
rm -rf files
"""
