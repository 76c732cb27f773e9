"""GoldenGate's command interpreter over SSH.

ggsci documents neither an exit status nor a stop on an error. Therefore each call has one changing command, every reply
is read, and INFO verifies the change. An action first checks the state: a second call finds the work done and reports
that.
"""

from __future__ import annotations

import logging
import re
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
from infomart_dr.hooks.parse_ggsci import (
    Checkpoints,
    GroupInfo,
    LagReply,
    LogRecord,
    ProgramStatus,
    ReplicatState,
)
from infomart_dr.topology import AliasLogin, Login, Site

if TYPE_CHECKING:
    from infomart_dr.hooks.remote_host import Completed, RemoteHost

log = logging.getLogger(__name__)

Kind = Literal["EXTRACT", "REPLICAT"]

#: Exit codes of a shell that did not find the program, or could not run it.
_NOT_A_PROGRAM = (126, 127)
#: Number of characters of a reply that a message shows.
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

#: ggserr.log ($1) from a position on: file $2, bytes $3, at most $4 bytes of a file. The first line has the file, the
#: position where reading began, and the number of bytes of an older file that precede its own. Sizes are read once,
#: because the log grows.
_LOG_SINCE = """\
facts() {
  line=$(ls -inLd -- "$1") || return 1
  set -f; set -- $line; set +f
  inode=$1 size=$6
}
[ -r "$1" ] || { echo "$1: no such file, or not readable" >&2; exit 1; }
facts "$1" || exit 1
now=$inode end=$size start=0 older=0 file=
if [ -z "$2" ]; then
  start=$end
elif [ "$now" = "$2" ]; then
  [ "$end" -lt "$3" ] || start=$3
else
  for each in "$1"?*; do
    [ -f "$each" ] && [ -r "$each" ] || continue
    facts "$each" || continue
    [ "$inode" = "$2" ] && [ "$size" -gt "$3" ] || continue
    file=$each older=$((size - $3))
    [ "$older" -le "$4" ] || older=$4
    break
  done
fi
new=$((end - start))
[ "$new" -le "$4" ] || new=$4
echo "$now $start $older"
[ -z "$file" ] || tail -c "+$(($3 + 1))" -- "$file" | head -c "$older"
[ "$new" -eq 0 ] || tail -c "+$((start + 1))" -- "$1" | head -c "$new"
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


class Ggsci:
    """ggsci at one site.

    :param host: the site's database host, where GoldenGate runs.
    :param site: GoldenGate's home, environment, login and names there.
    :param password: returns the password of GoldenGate's database user; only needed for a login without
        credential store. It is sent by standard input, never in a command line or a log.
    :param poll: seconds between two checks of a group that starts or stops.
    """

    def __init__(
        self,
        host: RemoteHost,
        site: Site,
        *,
        password: Callable[[], str] | None = None,
        poll: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        self._site = site
        self._password = password
        self._poll, self._sleep, self._clock = poll, sleep, clock
        self._program = "./ggsci"
        #: Logins whose DBLOGIN has succeeded once.
        self._proven: set[Login] = set()

    # -- one command -------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """Environment of ggsci. Without NLS_LANG, Oracle's messages would be localised."""
        return {
            "ORACLE_HOME": self._site.database.oracle_home,
            **self._site.database.environment,
            **self._site.goldengate.environment,
            "NLS_LANG": "AMERICAN_AMERICA.AL32UTF8",
        }

    def execute(self, command: str, *, login: bool = False, check: bool = True, timeout: float | None = None) -> Reply:
        """Run one command, after DBLOGIN where it needs the database.

        :param command: one line; names in it come from the topology.
        :param check: raise when the reply reports an error; False for reports and logs, which quote errors.
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
            self._converse(None, login=user, timeout=timeout)
        reply, exit_code = self._converse(command, login=user, timeout=timeout)
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
                self._converse(None, login=each, timeout=None)
        pdb = self._site.database.pdb
        return f"GoldenGate logs in{f' to {pdb}' if pdb else ''}" + (
            " and to CDB$ROOT" if goldengate.capture_login else ""
        )

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

    def _converse(self, command: str | None, *, login: Login | None, timeout: float | None) -> tuple[Reply, int | None]:
        """Reply and exit code of one run of ggsci: DBLOGIN if requested, the command if given, EXIT."""
        line, secret = self._login_line(login) if login else ("", "")
        what = command or "DBLOGIN"
        log.info("ggsci: %s", what)
        script = "".join(f"{each}\n" for each in (line, command, "EXIT") if each)
        completed = self._run(script, timeout)
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
            self._proven.add(login)
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

    def _run(self, script: str, timeout: float | None) -> Completed:
        def once() -> Completed:
            options = {} if timeout is None else {"timeout": timeout}
            return self._host.run(
                [self._program],
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
        """EXTRACT for the site's Extract and pump, REPLICAT for its Replicat."""
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

        A renamed log is read to its end first. A truncated log is read from its beginning.

        :param position: file (its inode) and bytes; None: begin at the end and read nothing.
        :param limit: bytes to read; the next call reads the rest, except that of a renamed log.
        :raises RemoteCommandError: GoldenGate's home has no log.
        """
        known = [str(number) for number in position] if position else ["", "0"]
        reply = self._host.shell_bytes(_LOG_SINCE, f"{self._site.goldengate.home}/ggserr.log", *known, str(int(limit)))
        head, _, body = reply.partition(b"\n")
        numbers = head.split()
        if len(numbers) != 3 or not all(number.isdigit() for number in numbers):
            raise UnexpectedReplyError(
                f"ggserr.log cannot be read: {head[:200].decode('utf-8', 'replace')!r}.",
                "Check that ls, tail and head on the database host are those of a Unix system.",
            )
        inode, start, older = (int(number) for number in numbers)
        # A record that is still being written is left to the next call.
        new = body[older:]
        whole = new[: new.rfind(b"\n") + 1]
        if not whole and len(new) >= limit:
            # Such a line is longer than the limit.
            whole = new
        text = (body[:older] + whole).decode("utf-8", "replace")
        return parse.parse_ggserr(text), (inode, start + len(whole))

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
        self.execute("START MGR")
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
            text = self.execute(f"INFO SCHEMATRANDATA {schema}", login=True, check=False).text
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
        text = self.execute(f"INFO TRANDATA {schema}.*", login=True, check=False).text
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
            reply = self.execute(command, login=True)
        else:
            # A table that cannot have it (temporary, excluded) does not prevent it for the others.
            command = f"ADD TRANDATA {schema}.*"
            reply = self.execute(command, login=True, check=False)
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
        state = parse.parse_trandata(self.execute(f"INFO TRANDATA {name}", login=True, check=False).text)
        return self._is_among(name, state.tables_on) or self._is_among(owner, state.schemas_on)

    def enable_table_trandata(self, owner: str, table: str) -> Done:
        """Supplemental logging for one table, such as GoldenGate's own marker table."""
        name = f"{owner}.{table}"
        if self.table_trandata_enabled(owner, table):
            return Done(False, f"Supplemental logging of {name} is on.")
        reply = self.execute(f"ADD TRANDATA {name}", login=True, check=False)
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
        reply = self.execute(f"FLUSH SEQUENCE {schema}.*", login=True)
        return Done(True, reply.lines[-1].strip() if reply.lines else f"Sequences of {schema} were flushed.")

    # -- groups and trails --------------------------------------------------------------------------

    def register_extract(self, group: str) -> Done:
        """REGISTER EXTRACT ... DATABASE (integrated capture).

        :returns: with the SCN of the registration, when this call registered it and the reply names the SCN.
        """
        command = f"REGISTER EXTRACT {group} DATABASE"
        if self._site.goldengate.capture_login:
            command += f" CONTAINER ({self._site.database.pdb})"
        reply = self.execute(command, login=True, check=False)
        if parse.is_present_already(reply.text):
            return Done(False, f"Extract {group} is registered with the database.")
        self._check(command, reply, 0)
        scn = parse.parse_registered(reply.text)
        if scn is None and not re.search(r"successfully\s+registered|registered\s+with", reply.text, re.IGNORECASE):
            raise UnexpectedReplyError(
                f"REGISTER EXTRACT {group}: unknown reply: {reply.text[-_SHOWN:] or 'nothing'}",
                "Check dba_capture; run the command by hand after DBLOGIN.",
            )
        return Done(True, f"Extract {group} was registered with the database at SCN {scn or 'unknown'}.", scn)

    def unregister_extract(self, group: str) -> Done:
        """UNREGISTER EXTRACT ... DATABASE; the group must be stopped."""
        reply = self.execute(f"UNREGISTER EXTRACT {group} DATABASE", login=True, check=False)
        if re.search(r"not\s+(?:currently\s+)?registered|does\s+not\s+exist", reply.text, re.IGNORECASE):
            return Done(False, f"Extract {group} is not registered with the database.")
        self._check(f"UNREGISTER EXTRACT {group} DATABASE", reply, 0)
        return Done(True, f"Extract {group} was unregistered from the database.")

    def _add_group(self, group: str, command: str, *, login: bool) -> Done:
        if info := self.info(group):
            return Done(False, f"{info.kind} {group} exists, status {info.status}.")
        self.execute(command, login=login)
        if self.info(group) is None:
            raise UnexpectedReplyError(f"{group} does not exist after {command!r}.", "Read ggserr.log.")
        return Done(True, f"{self.kind(group)} {group} was added.")

    def add_extract(self, group: str, trail: str | None = None, *, integrated: bool = True) -> Done:
        """Add an Extract that begins now. Nothing before this moment is captured.

        :param trail: local trail, such as ``./dirdat/em``; added too when given.
        :param integrated: integrated capture; the group must be registered first.
        """
        source = "INTEGRATED TRANLOG" if integrated else "TRANLOG, THREADS 1"
        added = self._add_group(group, f"ADD EXTRACT {group}, {source}, BEGIN NOW", login=True)
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

    def wait_running(self, group: str, timeout: float = 120) -> GroupInfo:
        """Wait until a group runs, and still runs at the next check.

        :raises RemoteCommandError: it abended; with the end of its report.
        :raises TransientError: it neither ran nor abended within ``timeout`` seconds.
        """
        end = self._clock() + timeout
        before = ""
        while True:
            info = self._existing(group)
            # One check is not enough: right after START, INFO may still show the end of the last run, and a
            # process may abend within its first second.
            if info.status == before == "RUNNING":
                return info
            if info.status == before == "ABENDED":
                report = self.view_report(group).rstrip()
                raise RemoteCommandError(
                    f"{info.kind} {group} abended. End of its report:\n{_tail(report)}",
                    f"Correct the cause, then clear the failed task. The whole report: VIEW REPORT {group}.",
                    output=report[-4000:],
                )
            if self._clock() >= end:
                raise TransientError(
                    f"{info.kind} {group} is {info.status} after {timeout:g} seconds, not RUNNING.",
                    f"Read VIEW REPORT {group} and ggserr.log.",
                )
            before = info.status
            self._sleep(self._poll)

    def stop(self, group: str, timeout: float = 120, *, at_once: bool = False) -> Done:
        """Stop a group normally and wait for it; never KILL.

        An ABENDED group gets STOP too, since the manager's AUTORESTART would start it again.

        :param at_once: a Replicat rolls back its transaction. Only after everything complete is proven committed.
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
            raise TransientError(
                f"{info.kind} {group} does not stop: {reply.text[-_SHOWN:].strip()}",
                f"Wait until the transactions end; SEND {info.kind} {group}, SHOWTRANS lists them.",
            )
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
