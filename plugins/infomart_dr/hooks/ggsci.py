"""GoldenGate's command interpreter over SSH.

ggsci documents neither an exit status nor a stop on an error. Therefore each call has one changing command, every reply
is read, and INFO verifies the change. An action first checks the state: a second call finds the work done and reports
that.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from infomart_dr.errors import (
    CredentialsError,
    GuardError,
    PermanentError,
    RemoteCommandError,
    TransientError,
    UnexpectedReplyError,
    UnreachableError,
)
from infomart_dr.hooks import parse_ggsci as parse
from infomart_dr.hooks.goldengate_parameters import documented_releases, is_excluded, version
from infomart_dr.hooks.job_log import whole_log
from infomart_dr.hooks.parse_ggsci import (
    Checkpoints,
    GroupInfo,
    LagReply,
    LogRecord,
    ProgramStatus,
    ReplicatState,
    Start,
)
from infomart_dr.topology import AliasLogin, Login, Site

if TYPE_CHECKING:
    from infomart_dr.hooks.remote_host import Completed, RemoteHost
    from infomart_dr.hooks.remote_job import JobStatus, RemoteJob

log = logging.getLogger(__name__)

Kind = Literal["EXTRACT", "REPLICAT"]

#: Exit codes of a shell that did not find the program, or could not run it.
_NOT_A_PROGRAM = (126, 127)
#: Number of characters of a reply that a message shows.
#: Commands that only ask.
_ASKS = ("INFO ", "LAG ", "VIEW ")
_SHOWN = 1500
_UNREACHABLE = (
    "ORA-12541",
    "ORA-12514",
    "ORA-12154",
    "ORA-12170",
    "ORA-12505",
    "ORA-01034",
    "ORA-01033",
    "ORA-12537",
)
_CREDENTIALS = ("ORA-01017", "ORA-01005", "ORA-28000", "ORA-28001", "ORA-01045", "OGG-15120")
#: Commands of the root, where the database is a CDB and the Extract captures from there.
_OF_ROOT = re.compile(r"\s*(?:REGISTER|UNREGISTER|ADD|ALTER|DELETE)\s+EXTRACT\b", re.IGNORECASE)
_NOT_REGISTERED = re.compile(r"not\s+(?:currently\s+)?registered|does\s+not\s+exist", re.IGNORECASE)
#: Seconds for which UNREGISTER is repeated: after a STOP the capture's session may still be attached.
_DETACHING = 60.0
_OPEN_TRANSACTIONS = re.compile(r"open,?\s+long[- ]running\s+transactions", re.IGNORECASE)
_MANAGER_AWAY = re.compile(
    r"manager\s+(?:is\s+)?not\s+(?:currently\s+)?running"
    r"|could\s+not\s+(?:connect|establish\s+\w+)\s+.*manager|mgr\s+(?:is\s+)?not\s+running|manager\s+is\s+down|sending\s+message\s+to\s+(?:manager|mgr)",
    re.IGNORECASE,
)
_PROCESS_AWAY = re.compile(
    r"(?:is\s+)?not\s+currently\s+running|opening\s+port\s+for|sending\s+message\s+to\s+(?:EXTRACT|REPLICAT)"
    r"|timeout\s+waiting|request\s+timed\s+out|connection\s+refused",
    re.IGNORECASE,
)

#: ggsci ($1) with its output in a file: a manager that it starts keeps the output open, and the SSH channel with it.
_APART = """\
umask 077
file=${TMPDIR:-/tmp}/infomart_dr.$$
rm -f -- "$file"
set -C
"$1" > "$file" 2>&1
code=$?
cat -- "$file"
rm -f -- "$file"
exit $code
"""

#: Lines about the start in the reports of a group ($2 in capitals, $3 in small letters) in the home $1: ``== n`` for
#: each run, from the oldest to the newest, then its lines. The newest report has no number, the one before it 0.
_STARTS = """\
cd -- "$1" || exit 1
for number in 9 8 7 6 5 4 3 2 1 0 ''; do
  for name in "$2" "$3"; do
    [ -f "dirrpt/$name$number.rpt" ] || continue
    echo "== $number"
    grep -iE -e 'OGG-(0137[0-9]|0099[36]|0650[5-7])|start(ing)? +(at|after) +CSN|delivery +commencing' \\
      -e 'run time messages|opened trail|map resolved|REPLICAT .*started' < "dirrpt/$name$number.rpt"
    break
  done
done
:
"""

#: One piece of ggserr.log ($1) from a position on: file $2 (its inode), bytes $3, at most $4 bytes. A log that was
#: renamed at its largest size is read to its end, then the logs that followed it, by the time of their last record.
#: The first line has the file, the position where reading began, the file's size, and two words: ``current`` or
#: ``renamed``; ``whole``, or ``lost`` when records of the position's file are gone. Sizes are read once, because the
#: log grows.
_LOG_PIECE = """\
newline='
'
facts() {
  line=$(ls -inLd -- "$1") || return 1
  set -f; IFS=' '; set -- $line; IFS=$newline; set +f
  inode=$1 size=$6
}
[ -r "$1" ] || { echo "$1: no such file, or not readable" >&2; exit 1; }
IFS=$newline
if [ -z "$2" ]; then
  facts "$1" || exit 1
  echo "$inode $size $size current whole"
  exit 0
fi
older=$(ls -1tr -- "$1"?* 2>/dev/null)
passed= file=
set -f
for each in $older "$1"; do
  [ -f "$each" ] && [ -r "$each" ] || continue
  facts "$each" || continue
  if [ -n "$passed" ]; then
    # A copy that somebody made of the log is no part of it.
    case ${each#"$1"} in ''|[._-][0-9]*) ;; *) continue;; esac
    case $each in *.gz|*.bz2|*.xz|*.Z) continue;; esac
    file=$each from=0
    break
  fi
  [ "$inode" = "$2" ] || continue
  passed=yes
  if [ "$size" -gt "$3" ] || [ "$each" = "$1" ]; then file=$each from=$3; break; fi
done
state=whole
if [ -z "$file" ]; then
  file=$1 from=0 state=lost
  facts "$1" || exit 1
elif [ "$size" -lt "$from" ]; then
  from=0 state=lost
fi
which=renamed
[ "$file" != "$1" ] || which=current
new=$((size - from))
[ "$new" -le "$4" ] || new=$4
echo "$inode $from $size $which $state"
[ "$new" -eq 0 ] || tail -c "+$((from + 1))" -- "$file" | head -c "$new"
"""


@dataclass(frozen=True)
class Reply:
    """Reply to one command, without banner and prompts."""

    text: str

    @property
    def lines(self) -> list[str]:
        """Lines that are not blank."""
        return [line for line in self.text.splitlines() if line.strip()]


@dataclass(frozen=True)
class Done:
    """Result of an action.

    :param changed: False when there was nothing to do.
    :param what: one sentence for the log.
    :param scn: SCN of a registration.
    """

    changed: bool
    what: str
    scn: int | None = None


@dataclass(frozen=True)
class _LogPiece:
    """A piece of ggserr.log.

    :param position: file and bytes after it.
    :param size: bytes that were transferred.
    :param at_end: the piece ends at the end of the log.
    :param whole: nothing is missing between the earlier position and this piece.
    """

    records: tuple[LogRecord, ...]
    position: tuple[int, int]
    size: int
    at_end: bool
    whole: bool


class Ggsci:
    """ggsci at one site.

    :param host: the site's database host, where GoldenGate runs.
    :param site: GoldenGate's home, environment, login and names there.
    :param password: returns the password of GoldenGate's database user; only needed for a login without
        credential store. It is sent by standard input, never in a command line or a log.
    :param jobs: makes the remote job of a slow command from its id; default: a job on the host.
    :param slow: seconds for a command that writes or locks the database's dictionary.
    :param steady: seconds for which a started group must run before it counts as RUNNING.
    :param poll: seconds between two checks of a group that starts or stops.
    """

    def __init__(
        self,
        host: RemoteHost,
        site: Site,
        *,
        password: Callable[[], str] | None = None,
        jobs: Callable[[str], RemoteJob] | None = None,
        slow: float = 1800,
        steady: float = 30,
        poll: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._site = site
        self._password = password
        self._jobs, self._slow, self._steady = jobs or self._job_on_host, slow, steady
        self._poll, self._sleep, self._clock = poll, sleep, clock
        self._program = "./ggsci"
        #: Logins whose DBLOGIN has succeeded once, with the user in the prompt.
        self._proven: dict[Login, str | None] = {}

    # -- one command -------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """Environment of ggsci. Without NLS_LANG, Oracle's messages would be localised."""
        home = self._site.database.oracle_home
        # No login shell sets it. From 21c on GoldenGate brings Oracle's libraries, and those of the home may be older.
        older = version(self._site.goldengate.release) < (21,)
        return {
            "ORACLE_HOME": home,
            **({"LD_LIBRARY_PATH": f"{home}/lib:{self._site.goldengate.home}"} if older else {}),
            **self._site.database.environment,
            **self._site.goldengate.environment,
            "NLS_LANG": "AMERICAN_AMERICA.AL32UTF8",
        }

    def execute(
        self,
        command: str,
        *,
        login: bool = False,
        check: bool = True,
        timeout: float | None = None,
        run: Callable[[str], Completed] | None = None,
    ) -> Reply:
        """Run one command, after DBLOGIN where it needs the database.

        :param command: one line; names in it come from the topology.
        :param check: raise when the reply reports an error; False for reports and logs, which quote errors.
        :param run: runs ggsci with a standard input; default: over the connection, for ``timeout`` seconds.
        :raises CredentialsError: DBLOGIN was refused.
        :raises UnreachableError: the database, the manager or the process does not answer.
        :raises RemoteCommandError: the reply reports another error.
        :raises UnexpectedReplyError: ggsci gave no reply, or the form of DBLOGIN's reply is unknown.
        """
        if re.search(r"[\x00-\x1f\x7f]", command):
            raise PermanentError(
                "A ggsci command contains a line break or a control character.", "Correct the name in the command."
            )
        user = self._login_of(command) if login else None
        if user and user not in self._proven and not re.match(r"\s*INFO\b", command, re.IGNORECASE):
            # ggsci continues after a refused DBLOGIN: DELETE would then leave half of the group behind.
            self._converse(None, login=user, run=lambda script: self._run(script, timeout))
        reply, exit_code = self._converse(command, login=user, run=run or (lambda script: self._run(script, timeout)))
        if check:
            self._check(command, reply, exit_code)
        return reply

    def _login_of(self, command: str) -> Login:
        """The login for a command: that of the root where the command is about the capture from there."""
        goldengate = self._site.goldengate
        return (goldengate.capture_login if _OF_ROOT.match(command) else None) or goldengate.login

    def prove_logins(self) -> str:
        """DBLOGIN with each login of the site, and the containers that they lead to.

        :raises CredentialsError: one was refused, or leads to another container than it must.
        """
        goldengate = self._site.goldengate
        for each in (goldengate.login, goldengate.capture_login):
            if each is not None:
                self._prove(each)
        pdb = self._site.database.pdb
        return f"GoldenGate logs in{f' to {pdb}' if pdb else ''}" + (
            " and to CDB$ROOT" if goldengate.capture_login else ""
        )

    def capture_user(self) -> str | None:
        """The common user who captures from the root, in capitals; None: there is none, or the prompt has no user."""
        login = self._site.goldengate.capture_login
        return self._prove(login) if login else None

    def _prove(self, login: Login) -> str | None:
        if login not in self._proven:
            self._converse(None, login=login, run=lambda script: self._run(script, None))
        return self._proven[login]

    def _check_container(self, login: Login, output: str) -> None:
        """Compare the container in the prompt with the one that a login must lead to.

        :raises CredentialsError: it leads to another one.
        """
        goldengate, pdb = self._site.goldengate, self._site.database.pdb
        wanted = "CDB$ROOT" if login == goldengate.capture_login else pdb
        found = parse.container(output)
        if found is None or found == wanted:
            return
        field = "capture_login" if login == goldengate.capture_login else "login"
        raise CredentialsError(
            f"goldengate.{field} on {self._site.database.host} leads to the container {found}, not to "
            f"{wanted or 'a database without containers'}.",
            "Correct the service of the alias's user in the credential store (INFO CREDENTIALSTORE), or database.pdb, "
            "goldengate.login and goldengate.capture_login in the topology.",
        )

    def _execute_slowly(self, command: str, slot: str, *, check: bool = True, keep: bool = False) -> Reply:
        """Run a command that may take long, as a job of the host, and never beside another one of its slot.

        A retry finds a job that still runs, and waits for it.

        :param slot: the group or schema that the command is about.
        :param keep: use the reply of an ended job of the same command, whose caller was lost. Without it the command
            runs again, which must change nothing.
        :raises TransientError: it has not ended in time, or the host has lost it.
        """
        return self.execute(
            command, login=True, check=check, run=lambda script: self._run_as_job(command, slot, script, keep)
        )

    def _job_on_host(self, job_id: str) -> RemoteJob:
        from infomart_dr.hooks.remote_job import RemoteJob

        return RemoteJob(self._host, job_id)

    def _run_as_job(self, command: str, slot: str, script: str, keep: bool) -> Completed:
        from infomart_dr.hooks.remote_host import Completed

        home = self._site.goldengate.home
        digest = hashlib.sha256(home.encode()).hexdigest()[:8]
        job = self._jobs(f"ggsci-{digest}-{re.sub('[^A-Za-z0-9_.-]', '-', slot)}")
        title = f"ggsci: {command}"
        status = job.status_after_start()
        found = status.state == "running"
        if found:
            log.info("%s: an earlier command of ggsci still runs; wait for its end", slot)
            status = self._ended(job, command)
        same = status.state == "ended" and (found or keep) and whole_log(job).partition("\n")[0].strip() == title
        if not same:
            if status.state != "absent":
                job.forget()
            job.submit(
                f"printf '%s\\n' {shlex.quote(title)}\nexec {self._program}",
                stdin=script,
                environment=self.environment,
                cwd=home,
            )
            status = self._ended(job, command)
        output = whole_log(job).partition("\n")[2]
        job.forget()
        if status.state != "ended":
            raise TransientError(
                f"{command}: the host lost the command; it was restarted, or ggsci was killed.",
                "The retry runs the command again.",
            )
        return Completed(status.exit_code, output, "")

    def _ended(self, job: RemoteJob, command: str) -> JobStatus:
        """Status of a job that has ended.

        :raises TransientError: it still runs after the limit.
        """
        end = self._clock() + self._slow
        while (status := job.status()).active:
            if self._clock() >= end:
                raise TransientError(
                    f"{command}: ggsci on {self._site.database.host} has not answered for {self._slow:g} seconds, and "
                    "still runs.",
                    "The retry waits for it. Find the session that it waits for: open transactions and locks of the "
                    "database. The limit is timeouts.goldengate of the topology.",
                )
            self._sleep(self._poll)
        return status

    def _converse(
        self, command: str | None, *, login: Login | None, run: Callable[[str], Completed]
    ) -> tuple[Reply, int | None]:
        """Reply and exit code of one run of ggsci: DBLOGIN if requested, the command if given, EXIT."""
        line, secret = self._login_line(login) if login else ("", "")
        what = command or "DBLOGIN"
        # A wait asks every few seconds.
        log.log(logging.DEBUG if what.startswith(_ASKS) else logging.INFO, "ggsci: %s", what)
        script = "".join(f"{each}\n" for each in (line, command, "EXIT") if each)
        completed = run(script)
        output = _scrub(completed.stdout, secret)
        trouble = _scrub(completed.stderr, secret).strip()
        if completed.exit_code in _NOT_A_PROGRAM:
            raise RemoteCommandError(
                f"ggsci does not start in {self._site.goldengate.home}: {trouble[-_SHOWN:] or 'not found'}.",
                "Check goldengate.home in the topology and the SSH user's rights.",
                exit_code=completed.exit_code,
                output=trouble[-_SHOWN:],
            )
        found = parse.replies(output)
        if login:
            refused = found[0] if found else output
            if not parse.is_logged_in(refused):
                raise self._login_error(refused or trouble, completed.exit_code)
            self._check_container(login, output)
            self._proven[login] = parse.parse_prompt_user(output)
            if command is None:
                return Reply(refused), completed.exit_code
            found = found[1:] if len(found) > 1 else [_after_login(refused)]
        if not found or not output.strip():
            raise UnexpectedReplyError(
                f"ggsci gave no reply to {what!r}"
                f" (exit code {completed.exit_code}): {trouble[-_SHOWN:] or output[-_SHOWN:] or 'nothing'}.",
                "Run the command by hand on the database host; its environment may lack libraries.",
            )
        reply = Reply(_without_echo(found[0], what))
        if not reply.lines and completed.exit_code not in (0, None):
            # ggsci broke off, whatever the command was.
            raise UnexpectedReplyError(
                f"ggsci ended with exit code {completed.exit_code} and no reply to {what!r}: "
                f"{trouble[-_SHOWN:] or 'nothing'}",
                "Run the command by hand on the database host.",
            )
        log.debug("ggsci replied: %s", reply.text)
        return reply, completed.exit_code

    def _run(self, script: str, timeout: float | None, *, apart: bool = False) -> Completed:
        """Run ggsci over the connection.

        :param apart: its output goes through a file.
        """

        def once() -> Completed:
            options = {} if timeout is None else {"timeout": timeout}
            return self._host.run(
                ["/bin/sh", "-c", _APART, "sh", self._program] if apart else [self._program],
                stdin=script,
                environment=self.environment,
                cwd=self._site.goldengate.home,
                check=False,
                **options,
            )

        completed = once()
        if completed.exit_code in _NOT_A_PROGRAM and self._program == "./ggsci":
            # In some installations ggsci is only in the path.
            self._program = "ggsci"
            completed = once()
        return completed

    def _login_line(self, login: Login) -> tuple[str, str]:
        if isinstance(login, AliasLogin):
            return f"DBLOGIN USERIDALIAS {login.alias}" + (f" DOMAIN {login.domain}" if login.domain else ""), ""
        secret = self._password() if self._password else ""
        if not secret:
            raise CredentialsError(
                f"There is no password for GoldenGate's database user {login.user}.",
                f"Set the password of the Airflow connection {self._site.database.goldengate_connection}.",
            )
        if re.search(r"[\x00-\x1f\x7f\"]", secret):
            raise CredentialsError(
                "The password of GoldenGate's database user has a quote or control character, which ggsci cannot take.",
                f"Change the password, also in the Airflow connection {self._site.database.goldengate_connection}.",
            )
        word = secret if re.fullmatch(r"[A-Za-z][A-Za-z0-9_$#-]*", secret) else f'"{secret}"'
        return f"DBLOGIN USERID {login.user}, PASSWORD {word}", secret

    def _login_error(self, text: str, exit_code: int | None) -> Exception:
        shown = text[-_SHOWN:].strip()
        found = parse.codes(text)
        if any(code in _UNREACHABLE for code in found):
            return UnreachableError(
                f"ggsci on {self._site.database.host} cannot reach the database: {shown}",
                "Check that the database and its listener run.",
            )
        if any(code in _CREDENTIALS for code in found) or re.search(
            r"\balias\b|credential\s+store|invalid\s+username", text, re.IGNORECASE
        ):
            return CredentialsError(
                f"GoldenGate's login on {self._site.database.host} was refused: {shown}",
                "Check goldengate.login and capture_login in the topology against the credential store "
                f"(INFO CREDENTIALSTORE), or the Airflow connection {self._site.database.goldengate_connection}.",
            )
        return UnexpectedReplyError(
            f"DBLOGIN gave an unknown reply (exit code {exit_code}): {shown or 'nothing'}",
            "Log in with ggsci by hand on the database host.",
        )

    def _check(self, command: str, reply: Reply, exit_code: int | None) -> None:
        if _MANAGER_AWAY.search(reply.text) and not re.match(r"\s*INFO\b", command, re.IGNORECASE):
            raise UnreachableError(
                f"GoldenGate's manager is not running: {reply.text[-_SHOWN:]}", "Start it: START MGR in ggsci."
            )
        errors = parse.error_lines(reply.text)
        if not errors:
            return
        shown = reply.text[-_SHOWN:]
        found = parse.codes(reply.text)
        if any(code in _UNREACHABLE for code in found):
            raise UnreachableError(f"{command}: {shown}", "Check that the database and its listener run.")
        if any(_PROCESS_AWAY.search(line) for line in errors):
            raise UnreachableError(
                f"{command}: {shown}", "Check the group with INFO and VIEW REPORT; start it if it is down."
            )
        raise RemoteCommandError(
            f"{command}: {shown}",
            "Read ggserr.log at the site, correct the cause and clear the failed task.",
            exit_code=exit_code,
            output=shown,
        )

    # -- looking ------------------------------------------------------------------------------------

    def release(self) -> str:
        """Release in ggsci's banner, such as ``19.1.0.0.4``."""
        completed = self._run("EXIT\n", None)
        found = parse.parse_release(completed.stdout)
        if found is None:
            raise UnexpectedReplyError(
                f"ggsci's banner shows no release (exit code {completed.exit_code}): "
                f"{(completed.stdout or completed.stderr).strip()[-_SHOWN:] or 'nothing'}",
                "Run ggsci by hand on the database host; its environment may lack libraries.",
            )
        return found

    def kind(self, group: str) -> Kind:
        """EXTRACT for the site's Extract and pump, REPLICAT for its Replicat.

        :raises PermanentError: it is no name of a group; a command would take it for several, or for an option.
        """
        if not parse.is_group(group):
            raise PermanentError(f"{group[:60]!r} is not the name of a group.", "Correct the topology.")
        return "REPLICAT" if group == self._site.goldengate.groups.replicat else "EXTRACT"

    def _info(self, group: str, option: str = "") -> Reply | None:
        reply = self.execute(f"INFO {self.kind(group)} {group}{option}", check=False)
        if parse.parse_info_group(reply.text) is None:
            if parse.is_missing(reply.text):
                return None
            self._check(f"INFO {group}", reply, 0)
            raise UnexpectedReplyError(
                f"INFO {group}: unknown reply: {reply.text[-_SHOWN:] or 'nothing'}",
                "Run the command by hand on the database host.",
            )
        return reply

    def info(self, group: str) -> GroupInfo | None:
        """INFO of a group; None when there is no such group."""
        reply = self._info(group)
        return parse.parse_info_group(reply.text) if reply else None

    def checkpoints(self, group: str) -> Checkpoints | None:
        """Positions of a group (INFO ..., SHOWCH); None when there is no such group."""
        reply = self._info(group, ", SHOWCH")
        return parse.parse_showch(reply.text) if reply else None

    def info_all(self) -> list[ProgramStatus]:
        """INFO ALL: manager and groups."""
        return parse.parse_info_all(self.execute("INFO ALL").text)

    def status(self, group: str) -> str | None:
        """RUNNING, STARTING, STOPPED or ABENDED; None when there is no such group."""
        info = self.info(group)
        return info.status if info else None

    def lag(self, group: str) -> LagReply:
        """LAG of a group; without values when the group does not run, since it has no lag then."""
        command = f"LAG {self.kind(group)} {group}"
        reply = self.execute(command, check=False)
        if parse.is_missing(reply.text) or _PROCESS_AWAY.search(reply.text):
            return LagReply(seconds=None, at_eof=False)
        self._check(command, reply, 0)
        return parse.parse_lag(reply.text)

    def replicat_state(self, group: str) -> ReplicatState:
        """SEND REPLICAT ..., STATUS; without values when the Replicat does not run."""
        command = f"SEND REPLICAT {group}, STATUS"
        reply = self.execute(command, check=False)
        if parse.is_missing(reply.text) or _PROCESS_AWAY.search(reply.text):
            return ReplicatState("")
        self._check(command, reply, 0)
        return parse.parse_replicat_state(reply.text)

    def database_user(self) -> str | None:
        """Database user of ``goldengate.login``; None where ggsci does not show it."""
        login = self._site.goldengate.login
        if not isinstance(login, AliasLogin):
            return login.user.upper()
        return parse.parse_prompt_user(self._run(f"{self._login_line(login)[0]}\nINFO MGR\nEXIT\n", None).stdout)

    def stats(self, group: str) -> dict[str, int]:
        """STATS of a running group, summed over its tables; empty until the first row."""
        return parse.parse_stats(self.execute(f"STATS {self.kind(group)} {group}, TOTAL").text)

    def view_report(self, group: str) -> str:
        """The group's report."""
        return self.execute(f"VIEW REPORT {group}", check=False).text

    def report_tail(self, group: str, lines: int = 20) -> str:
        """The end of the group's report."""
        return _tail(self.view_report(group).rstrip(), lines)

    def log_since(
        self, position: tuple[int, int] | None, limit: int = 4_000_000
    ) -> tuple[list[LogRecord], tuple[int, int]]:
        """Records of ggserr.log since an earlier position, and the new position.

        A renamed log is read to its end first, then the logs that followed it. A truncated log is read from its
        beginning.

        :param position: file (its inode) and bytes; None: begin at the end and read nothing.
        :param limit: bytes to read at about; the next call reads the rest.
        :raises RemoteCommandError: GoldenGate's home has no log.
        """
        piece = self._log_piece(position, limit)
        records, left = list(piece.records), limit - piece.size
        while not piece.at_end and left > 0:
            # Not less than the limit: a line that did not fit into the rest would count as too long.
            piece = self._log_piece(piece.position, limit)
            records += piece.records
            left -= piece.size
        return records, piece.position

    def errors_since(self, position: tuple[int, int]) -> tuple[list[LogRecord], bool]:
        """All ERROR records of ggserr.log since an earlier position, to its end.

        :returns: the records, and False when a part of the log since the position is gone.
        :raises RemoteCommandError: GoldenGate's home has no log.
        """
        errors: list[LogRecord] = []
        whole = True
        while True:
            piece = self._log_piece(position, 4_000_000)
            errors += [record for record in piece.records if record.severity == "ERROR"]
            whole = whole and piece.whole
            if piece.at_end:
                return errors, whole
            position = piece.position

    def _log_piece(self, position: tuple[int, int] | None, limit: int) -> _LogPiece:
        known = [str(number) for number in position] if position else ["", "0"]
        reply = self._host.shell_bytes(_LOG_PIECE, f"{self._site.goldengate.home}/ggserr.log", *known, str(int(limit)))
        head, _, body = reply.partition(b"\n")
        found = re.fullmatch(rb"(\d+) (\d+) (\d+) (current|renamed) (whole|lost)", head)
        if not found:
            raise UnexpectedReplyError(
                f"ggserr.log cannot be read: {head[:200].decode('utf-8', 'replace')!r}.",
                "Check that ls, tail and head on the database host are those of a Unix system.",
            )
        inode, start, size = (int(found[number]) for number in (1, 2, 3))
        current = found[4] == b"current"
        ended = start + len(body) >= size
        # A record that is still being written is left to the next call; nothing follows in a renamed log.
        read = body if ended and not current else body[: body.rfind(b"\n") + 1]
        if not read and len(body) >= limit:
            # Such a line is longer than the limit.
            read = body
        return _LogPiece(
            tuple(parse.parse_ggserr(parse.log_text(read))),
            (inode, start + len(read)),
            len(body),
            at_end=current and (ended or not read),
            whole=found[5] == b"whole",
        )

    # -- manager ------------------------------------------------------------------------------------

    def manager_status(self) -> bool:
        """The manager runs."""
        reply = self.execute("INFO MGR", check=False)
        running = parse.parse_manager(reply.text)
        if running is None:
            raise UnexpectedReplyError(
                f"INFO MGR: unknown reply: {reply.text[-_SHOWN:] or 'nothing'}",
                "Run the command by hand on the database host.",
            )
        return running

    def start_manager(self, timeout: float = 30) -> Done:
        """Start the manager if it is down, and wait until it runs."""
        if self.manager_status():
            return Done(False, "The manager runs.")
        self.execute("START MGR", run=lambda script: self._run(script, None, apart=True))
        if not self._until(self.manager_status, timeout):
            raise UnreachableError(
                f"The manager did not start within {timeout:g} seconds.", "Read ggserr.log at the site."
            )
        return Done(True, "The manager was started.")

    def stop_manager(self, timeout: float = 60) -> Done:
        """Stop the manager and wait until it is down. Running groups continue; no more data arrives."""
        if not self.manager_status():
            return Done(False, "The manager is stopped.")
        # Without the exclamation mark ggsci asks y/n.
        self.execute("STOP MGR !")
        if not self._until(lambda: not self.manager_status(), timeout):
            raise TransientError(
                f"The manager did not stop within {timeout:g} seconds.", "Read ggserr.log at the site."
            )
        return Done(True, "The manager was stopped.")

    def _until(self, condition: Callable[[], bool], timeout: float) -> bool:
        end = self._clock() + timeout
        while not condition():
            if self._clock() >= end:
                return False
            self._sleep(self._poll)
        return True

    # -- supplemental logging -----------------------------------------------------------------------

    def schema_trandata_enabled(self, schema: str, required: Callable[[str], bool] | None = None) -> bool:
        """Supplemental logging is on for a schema; before 12.1, for each of its tables.

        :param required: True for the name of a table that must have it; only used before 12.1. Default: every
            table that no exclusion list names.
        """
        if self._has_schema_trandata:
            text = self.execute(f"INFO SCHEMATRANDATA {schema}", login=True, check=False, timeout=self._slow).text
            return self._is_among(schema, parse.parse_trandata(text).schemas_on)
        on, off = self._table_trandata(schema, required or _is_replicated)
        return bool(on) and not off

    def _is_among(self, name: str, found: frozenset[str]) -> bool:
        """Replies name an object of a PDB with the PDB or without."""
        return name in found or f"{self._site.database.pdb}.{name}" in found

    @property
    def _has_schema_trandata(self) -> bool:
        return version(self._site.goldengate.release) >= (12,)

    def _table_trandata(self, schema: str, required: Callable[[str], bool]) -> tuple[list[str], list[str]]:
        text = self.execute(f"INFO TRANDATA {schema}.*", login=True, check=False, timeout=self._slow).text
        state = parse.parse_trandata(text)
        off = [name for name in sorted(state.tables_off) if required(name.rpartition(".")[2])]
        return sorted(state.tables_on), off

    def enable_schema_trandata(self, schema: str, required: Callable[[str], bool] | None = None) -> Done:
        """Supplemental logging for a schema: ADD SCHEMATRANDATA, or ADD TRANDATA of its tables before 12.1.

        :param required: as for :meth:`schema_trandata_enabled`.
        """
        if self.schema_trandata_enabled(schema, required):
            return Done(False, f"Supplemental logging of {schema} is on.")
        if self._has_schema_trandata:
            command = f"ADD SCHEMATRANDATA {schema}"
            reply = self._execute_slowly(command, schema)
        else:
            # A table that cannot have it (temporary, excluded) does not prevent it for the others.
            command = f"ADD TRANDATA {schema}.*"
            reply = self._execute_slowly(command, schema, check=False)
        if not self.schema_trandata_enabled(schema, required):
            lacking = "" if self._has_schema_trandata else self._lacking(schema, required or _is_replicated)
            raise UnexpectedReplyError(
                f"Supplemental logging of {schema} is not on after {command}{lacking}: {reply.text[-_SHOWN:]}",
                f"Run INFO {command[4:]} in ggsci after DBLOGIN.",
            )
        return Done(True, f"Supplemental logging of {schema} was switched on.")

    def _lacking(self, schema: str, required: Callable[[str], bool]) -> str:
        off = self._table_trandata(schema, required)[1]
        return f" for {len(off)} tables ({', '.join(off[:10])})" if off else ""

    def table_trandata_enabled(self, owner: str, table: str) -> bool:
        """Supplemental logging is on for one table."""
        name = f"{owner}.{table}"
        text = self.execute(f"INFO TRANDATA {name}", login=True, check=False, timeout=self._slow).text
        state = parse.parse_trandata(text)
        return self._is_among(name, state.tables_on) or self._is_among(owner, state.schemas_on)

    def enable_table_trandata(self, owner: str, table: str) -> Done:
        """Supplemental logging for one table, such as GoldenGate's own marker table."""
        name = f"{owner}.{table}"
        if self.table_trandata_enabled(owner, table):
            return Done(False, f"Supplemental logging of {name} is on.")
        reply = self._execute_slowly(f"ADD TRANDATA {name}", name, check=False)
        if not self.table_trandata_enabled(owner, table):
            self._check(f"ADD TRANDATA {name}", reply, 0)
            raise UnexpectedReplyError(
                f"Supplemental logging of {name} is not on after ADD TRANDATA: {reply.text[-_SHOWN:]}",
                f"Run INFO TRANDATA {name} in ggsci after DBLOGIN.",
            )
        return Done(True, f"Supplemental logging of {name} was switched on.")

    def flush_sequence(self, schema: str) -> Done:
        """FLUSH SEQUENCE right after the Extract's first start, so that unchanged sequences reach the target.

        It writes redo and changes no value; repeating it is harmless.
        """
        reply = self._execute_slowly(f"FLUSH SEQUENCE {schema}.*", schema)
        return Done(True, reply.lines[-1].strip() if reply.lines else f"Sequences of {schema} were flushed.")

    # -- groups and trails --------------------------------------------------------------------------

    def register_extract(self, group: str) -> Done:
        """REGISTER EXTRACT ... DATABASE (integrated capture) for a group that does not exist.

        A registration without a group is left from an earlier one: its redo may be gone. It is removed first.

        :returns: with the SCN of the registration, when the reply names it.
        """
        command = f"REGISTER EXTRACT {group} DATABASE"
        if self._site.goldengate.capture_login:
            command += f" CONTAINER ({self._site.database.pdb})"
        reply = self._execute_slowly(command, group, check=False, keep=True)
        if parse.is_present_already(reply.text):
            log.info("Extract %s is registered with the database already, and has no group: register it again", group)
            self.unregister_extract(group)
            reply = self._execute_slowly(command, group, check=False)
        self._check(command, reply, 0)
        scn = parse.parse_registered(reply.text)
        if scn is None and not parse.is_registered(reply.text):
            raise UnexpectedReplyError(
                f"REGISTER EXTRACT {group}: unknown reply: {reply.text[-_SHOWN:] or 'nothing'}",
                "Check dba_capture; run the command by hand after DBLOGIN.",
            )
        return Done(True, f"Extract {group} was registered with the database at SCN {scn or 'unknown'}.", scn)

    def retain_logs(self, group: str) -> Done:
        """REGISTER EXTRACT ... LOGRETENTION: RMAN keeps the archived logs that a classic Extract needs."""
        command = f"REGISTER EXTRACT {group} LOGRETENTION"
        reply = self._execute_slowly(command, group, check=False)
        if not parse.is_present_already(reply.text):
            self._check(command, reply, 0)
        return Done(True, f"RMAN keeps the archived logs that {group} needs.")

    def unregister_extract(self, group: str, patience: float = _DETACHING) -> Done:
        """UNREGISTER EXTRACT, of a classic one LOGRETENTION; the group must be stopped, or not exist.

        :param patience: seconds for which a refused command is repeated.
        """
        kind = "DATABASE" if self._site.goldengate.capture == "integrated" else "LOGRETENTION"
        command = f"UNREGISTER EXTRACT {group} {kind}"
        end = self._clock() + patience
        while True:
            reply = self._execute_slowly(command, group, check=False)
            if _NOT_REGISTERED.search(reply.text):
                return Done(False, f"Extract {group} is not registered with the database.")
            try:
                self._check(command, reply, 0)
            except RemoteCommandError as error:
                if self._clock() >= end:
                    raise
                log.info("UNREGISTER EXTRACT %s was refused; try again: %s", group, error.what)
                self._sleep(5 * self._poll)
                continue
            return Done(True, f"Extract {group} was unregistered from the database.")

    def _add_group(self, group: str, command: str, *, login: bool) -> Done:
        if info := self.info(group):
            return Done(False, f"{info.kind} {group} exists, status {info.status}.")
        self.execute(command, login=login)
        if self.info(group) is None:
            raise UnexpectedReplyError(f"{group} does not exist after {command!r}.", "Read ggserr.log.")
        return Done(True, f"{self.kind(group)} {group} was added.")

    def add_extract(
        self, group: str, trail: str | None = None, *, integrated: bool = True, scn: int | None = None
    ) -> Done:
        """Add an Extract that begins behind its registration, or now. Nothing before this moment is captured.

        :param trail: local trail, such as ``./dirdat/em``; added too when given.
        :param integrated: integrated capture; the group must be registered first.
        :param scn: SCN of its registration; None: it is not known.
        """
        source = "INTEGRATED TRANLOG" if integrated else f"TRANLOG, THREADS {self._site.goldengate.threads}"
        # NOW is the host's clock, which may lie before the registration. Before 12c there is no SCN.
        begin = f"SCN {scn + 1}" if scn and integrated and self._has_schema_trandata else "BEGIN NOW"
        added = self._add_group(group, f"ADD EXTRACT {group}, {source}, {begin}", login=True)
        return _both(added, self.add_local_trail(group, trail)) if trail else added

    def add_pump(self, group: str, source_trail: str, remote_trail: str | None = None) -> Done:
        """Add the pump that reads the local trail.

        :param remote_trail: name of the trail at the target; added too when given.
        """
        added = self._add_group(group, f"ADD EXTRACT {group}, EXTTRAILSOURCE {source_trail}", login=False)
        return _both(added, self.add_remote_trail(group, remote_trail)) if remote_trail else added

    def add_local_trail(self, group: str, trail: str, megabytes: int | None = None) -> Done:
        """Add the trail that an Extract writes at its own site."""
        return self._add_trail("EXTTRAIL", trail, group, megabytes)

    def add_remote_trail(self, group: str, trail: str, megabytes: int | None = None) -> Done:
        """Add the trail that a pump writes at the other site."""
        return self._add_trail("RMTTRAIL", trail, group, megabytes)

    def _has_trail(self, kind: Literal["EXTTRAIL", "RMTTRAIL"], trail: str, group: str) -> bool:
        found = parse.parse_trails(self.execute(f"INFO {kind} {trail}", check=False).text)
        return any(t.trail == trail and t.extract in (group, None) for t in found)

    def _add_trail(self, kind: Literal["EXTTRAIL", "RMTTRAIL"], trail: str, group: str, megabytes: int | None) -> Done:
        if self._has_trail(kind, trail, group):
            return Done(False, f"{kind} {trail} exists.")
        size = megabytes or self._site.goldengate.trails.megabytes
        command = f"ADD {kind} {trail}, EXTRACT {group}, MEGABYTES {size}"
        reply = self.execute(command, check=False)
        if parse.is_present_already(reply.text):
            return Done(False, f"{kind} {trail} exists.")
        self._check(command, reply, 0)
        if not parse.parse_added(reply.text) and not self._has_trail(kind, trail, group):
            raise UnexpectedReplyError(f"{command}: unknown reply: {reply.text[-_SHOWN:]}", "Read ggserr.log.")
        return Done(True, f"{kind} {trail} was added.")

    def add_checkpoint_table(self, name: str | None = None) -> Done:
        """Add the Replicat's checkpoint table, unless it exists.

        :param name: with its schema; default: that of the topology.
        """
        name = name or self.checkpoint_table
        if self._has_checkpoint_table(name):
            return Done(False, f"Checkpoint table {name} exists.")
        reply = self.execute(f"ADD CHECKPOINTTABLE {name}", login=True, check=False)
        if parse.is_present_already(reply.text):
            return Done(False, f"Checkpoint table {name} exists.")
        self._check(f"ADD CHECKPOINTTABLE {name}", reply, 0)
        if not self._has_checkpoint_table(name):
            raise UnexpectedReplyError(
                f"Checkpoint table {name} does not exist after ADD CHECKPOINTTABLE: {reply.text[-_SHOWN:]}",
                "Check the rights of GoldenGate's database user.",
            )
        return Done(True, f"Checkpoint table {name} was added.")

    def recreate_checkpoint_table(self) -> Done:
        """Drop the checkpoint table and add it again, empty. No Replicat may still use it."""
        name = self.checkpoint_table
        if self._has_checkpoint_table(name):
            # Without the exclamation mark ggsci asks y/n.
            self.execute(f"DELETE CHECKPOINTTABLE {name} !", login=True)
            if self._has_checkpoint_table(name):
                raise UnexpectedReplyError(
                    f"Checkpoint table {name} still exists after DELETE CHECKPOINTTABLE.", "Read ggserr.log."
                )
        self.add_checkpoint_table(name)
        return Done(True, f"Checkpoint table {name} was recreated.")

    def definition(self, group: str) -> str:
        """Output of INFO with DETAIL and SHOWCH, to keep before a group is deleted; empty without such a group."""
        reply = self._info(group, ", DETAIL"), self._info(group, ", SHOWCH")
        return "\n\n".join(each.text for each in reply if each is not None)

    @property
    def checkpoint_table(self) -> str:
        """Checkpoint table with its schema."""
        return f"{self._site.goldengate.schema_name}.{self._site.goldengate.checkpoint_table}"

    def _has_checkpoint_table(self, name: str) -> bool:
        text = self.execute(f"INFO CHECKPOINTTABLE {name}", login=True, check=False).text
        return not parse.is_missing(text) and re.search(
            rf"checkpoint\s+table\s+\S*{re.escape(name)}.*\bcreated\b", text, re.IGNORECASE
        ) is not None  # fmt: skip

    def add_replicat(self, group: str, trail: str, checkpoint_table: str | None = None) -> Done:
        """Add a Replicat (not integrated, so that HANDLECOLLISIONS is allowed while it catches up).

        :param trail: arriving trail, such as ``./dirdat/dp``.
        :param checkpoint_table: with its schema; default: that of the topology.
        """
        table = checkpoint_table or self.checkpoint_table
        return self._add_group(group, f"ADD REPLICAT {group}, EXTTRAIL {trail}, CHECKPOINTTABLE {table}", login=True)

    def delete_group(self, group: str) -> Done:
        """Delete a stopped group and its checkpoints.

        :raises GuardError: the group runs.
        """
        info = self.info(group)
        if info is None:
            return Done(False, f"There is no group {group}.")
        if info.status in ("RUNNING", "STARTING"):
            raise GuardError(f"{info.kind} {group} is {info.status}.", f"Stop it first: STOP {info.kind} {group}.")
        # DELETE after DBLOGIN also removes the checkpoint from the checkpoint table.
        self.execute(f"DELETE {info.kind} {group}", login=True)
        if self.info(group) is not None:
            raise UnexpectedReplyError(f"{group} still exists after DELETE.", "Read ggserr.log.")
        return Done(True, f"{info.kind} {group} was deleted.")

    def remove_group(self, group: str) -> Done:
        """Stop a group for good, delete it, and remove an Extract's registration, also one without a group.

        Only a Replicat must end in order. Releases differ in whether UNREGISTER comes before or after DELETE.
        """
        there = self.info(group) is not None
        registered = group == self._site.goldengate.groups.extract
        if there:
            self.stop(group, force=True)
        refused = False
        if registered:
            try:
                self.unregister_extract(group, patience=0)
            except RemoteCommandError as error:
                # A database without log retention refuses it of a classic Extract for good.
                refused = self._site.goldengate.capture == "integrated"
                log.info("UNREGISTER EXTRACT %s was refused; delete the group first: %s", group, error.what)
        for attempt in (1, 2, 3):
            try:
                deleted = self.delete_group(group)
                break
            except GuardError:
                # AUTORESTART has started it in the meantime.
                if attempt == 3:
                    raise
                self.stop(group, force=True)
        if refused:
            self.unregister_extract(group)
        return deleted

    # -- start and stop -----------------------------------------------------------------------------

    def start(self, group: str, *, after_csn: int | None = None) -> Done:
        """Start a group; :meth:`wait_running` proves it.

        AFTERCSN belongs to a Replicat's first start. It is given again when the Replicat was started but has
        applied nothing up to that CSN. Otherwise a process that abended before its first row would begin at the
        start of the trail, and apply rows that the import brought. Given twice, it skips the same transactions.

        :param after_csn: skip every transaction with a CSN not above it.
        :raises RemoteCommandError: there is no such group.
        """
        info = self._existing(group)
        if info.status in ("RUNNING", "STARTING"):
            return Done(False, f"{info.kind} {group} is {info.status}.")
        command = f"START {info.kind} {group}"
        if after_csn is not None:
            if info.kind != "REPLICAT":
                raise PermanentError(f"AFTERCSN is for a Replicat, not for {group}.", "Omit it.")
            if self._is_before(info, after_csn):
                command += f", AFTERCSN {int(after_csn)}"
        self.execute(command)
        return Done(True, f"{command} was accepted.")

    def _existing(self, group: str) -> GroupInfo:
        info = self.info(group)
        if info is None:
            raise RemoteCommandError(
                f"There is no group {group} in {self._site.goldengate.home}.", "Run the step that adds it."
            )
        return info

    def _is_before(self, info: GroupInfo, csn: int) -> bool:
        if info.initialized:
            return True
        checkpoints = self.checkpoints(info.name)
        applied = checkpoints.applied_csn if checkpoints else None
        # None: it has applied nothing yet, even if it has read (and skipped) part of the trail.
        return applied is None or applied < csn

    def wait_running(self, *groups: str, timeout: float = 600) -> None:
        """Wait until groups run, stay so for a while, and show that they work.

        A process counts as RUNNING before it has logged in to the database, attached to the capture or opened its
        trail: it abends seconds later.

        :raises RemoteCommandError: one abended; with the end of its report.
        :raises TransientError: one neither worked nor abended within ``timeout`` seconds.
        """
        end = self._clock() + max(timeout, 2 * self._steady)
        since: dict[str, float] = {}
        before: dict[str, str] = {}
        left = list(groups)
        while True:
            for group in list(left):
                info = self._existing(group)
                # Right after START, INFO may still show the end of the last run.
                if info.status == before.get(group) == "ABENDED":
                    raise self._abended(info)
                before[group] = info.status
                if info.status != "RUNNING":
                    since.pop(group, None)
                    continue
                now = self._clock()
                ran = now - since.setdefault(group, now)
                if ran >= self._steady and self._works(info, ran):
                    left.remove(group)
            if not left:
                return
            if self._clock() >= end:
                group = left[0]
                how = (
                    "RUNNING, but neither its report nor its checkpoint shows that it works"
                    if before[group] == "RUNNING"
                    else f"{before[group]}, not RUNNING"
                )
                raise TransientError(
                    f"{self.kind(group)} {group} is {how}, {timeout:g} seconds after its start.",
                    f"Read VIEW REPORT {group} and ggserr.log.",
                )
            self._sleep(max(self._poll, self._steady / 10))

    def _works(self, info: GroupInfo, ran: float) -> bool:
        """A group that has run for a while has written a checkpoint since, or its report says that it has started."""
        if info.updated_ago is not None and info.updated_ago <= ran:
            return True
        return parse.has_started(self.view_report(info.name), info.name)

    def _abended(self, info: GroupInfo) -> RemoteCommandError:
        report = self.view_report(info.name).rstrip()
        return RemoteCommandError(
            f"{info.kind} {info.name} abended. End of its report:\n{_tail(report)}",
            f"Correct the cause, then clear the failed task. The whole report: VIEW REPORT {info.name}.",
            output=report[-4000:],
        )

    def starts(self, group: str) -> list[Start]:
        """How each run of a group that has a report began, from the oldest to the newest."""
        reply = self._host.shell_bytes(_STARTS, self._site.goldengate.home, group, group.lower())
        return parse.parse_starts(parse.log_text(reply))

    def stop(self, group: str, timeout: float = 120, *, force: bool = False, at_once: bool = False) -> Done:
        """Stop a group normally and wait for it; never KILL.

        An ABENDED group gets STOP too, since the manager's AUTORESTART would start it again.

        :param at_once: a Replicat rolls back its transaction. Only after everything complete is proven committed.
        :param force: FORCESTOP where open transactions of the database delay an Extract.
        :raises TransientError: open transactions delay it, or it still runs after ``timeout`` seconds.
        """
        info = self.info(group)
        if info is None:
            return Done(False, f"There is no group {group}.")
        if info.status == "STOPPED":
            return Done(False, f"{info.kind} {group} is STOPPED.")
        command = f"STOP {info.kind} {group}{' !' if at_once and info.kind == 'REPLICAT' else ''}"
        reply = self.execute(command, check=False)
        if _OPEN_TRANSACTIONS.search(reply.text):
            if not force or info.kind != "EXTRACT":
                raise TransientError(
                    f"{info.kind} {group} does not stop: {reply.text[-_SHOWN:].strip()}",
                    f"Wait until the transactions end; SEND {info.kind} {group}, SHOWTRANS lists them.",
                )
            command = f"SEND EXTRACT {group}, FORCESTOP"
            log.info("Open transactions delay the STOP of %s, and nothing of it is needed any more: FORCESTOP", group)
            reply = self.execute(command, check=False)
        if info.status == "ABENDED":
            return Done(False, f"{info.kind} {group} is ABENDED; it does not run.")
        if not re.search(r"already\s+stopped|not\s+(?:currently\s+)?running", reply.text, re.IGNORECASE):
            self._check(command, reply, 0)
        status = info.status

        def stopped() -> bool:
            nonlocal status
            now = self.info(group)
            status = now.status if now else "STOPPED"
            return status in ("STOPPED", "ABENDED")

        if not self._until(stopped, timeout):
            raise TransientError(
                f"{info.kind} {group} is {status}, {timeout:g} seconds after STOP.",
                f"Check SEND {info.kind} {group}, STATUS; do not KILL it while it applies.",
            )
        return Done(True, f"{info.kind} {group} is {status}.")


def _is_replicated(table: str) -> bool:
    """No exclusion list names the table. ggsci does not know the Info Mart release, so all lists count."""
    return not any(is_excluded(release, table) for release in documented_releases())


def _both(first: Done, second: Done) -> Done:
    return Done(first.changed or second.changed, f"{first.what} {second.what}")


def _scrub(text: str, secret: str) -> str:
    return text.replace(secret, "***") if secret else text


def _after_login(text: str) -> str:
    """The text after the login's reply, for output without prompts."""
    return re.sub(r"(?is)^.*?successfully\s+logged\s+into\s+database[^\n]*\n?", "", text, count=1)


def _without_echo(text: str, command: str) -> str:
    first, _, rest = text.partition("\n")
    return rest.lstrip("\n") if first.strip().lower() == command.lower() else text


def _tail(text: str, lines: int = 20) -> str:
    return "\n".join(text.splitlines()[-lines:])
