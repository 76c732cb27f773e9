"""Start, stop and status of an application by ``mlcmd``, the command line of the Management Layer.

Genesys publishes neither mlcmd's flags nor its status words nor its exit codes. Therefore flags and words come from
the topology, and an exit code is never trusted: only the status that mlcmd reports afterwards counts.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from airflow.sdk.log import mask_secret

from infomart_dr.errors import (
    CredentialsError,
    InfoMartError,
    PermanentError,
    RemoteCommandError,
    TransientError,
    UnexpectedReplyError,
    UnreachableError,
)
from infomart_dr.topology import ManagementLayer as Settings

log = logging.getLogger(__name__)

#: Number of characters of a reply that a message shows.
_SHOWN = 600


class Result(Protocol):
    """Result of a command on a host."""

    @property
    def exit_code(self) -> int | None: ...
    @property
    def stdout(self) -> str: ...
    @property
    def stderr(self) -> str: ...


class Host(Protocol):
    """The part of :class:`infomart_dr.hooks.remote_host.RemoteHost` that is needed here."""

    def run(
        self,
        argv: list[str],
        *,
        stdin: str | bytes | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> Result: ...


@dataclass(frozen=True)
class ApplicationStatus:
    """One block of mlcmd's reply.

    :param status: the printed status, for example ``Running``.
    :param runmode: the printed run mode, for example ``Primary``; None when the block has none.
    """

    application: str
    dbid: int
    status: str
    runmode: str | None = None


# -- replies -----------------------------------------------------------------------------------------

_FIELDS = {
    "application": "application",
    "applicationname": "application",
    "appname": "application",
    "name": "application",
    "dbid": "dbid",
    "applicationdbid": "dbid",
    "appdbid": "dbid",
    "status": "status",
    "applicationstatus": "status",
    "appstatus": "status",
    "runmode": "runmode",
    "mode": "runmode",
}
_LINE = re.compile(r"^[\s*\-]*([A-Za-z][A-Za-z _-]{1,30}?)\s*[:=]\s*(.*?)[\s,;]*$")

_CREDENTIALS = re.compile(
    r"invalid (user|password|login|credentials)|authenticat|wrong password|not authori[sz]ed"
    r"|(login|logon|access|permission) (was |is )?(denied|failed|refused)",
    re.IGNORECASE,
)
_UNREACHABLE = re.compile(
    r"(cannot|can't|can not|could not|unable to|failed to|not) connect|closed the connection|no connection"
    r"|connection (was )?(refused|lost|closed|failed|reset)|timed? ?out|no route|not available|unreachable",
    re.IGNORECASE,
)


def _unquoted(value: str) -> str:
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1].strip()
    return value


def parse_status(text: str) -> list[ApplicationStatus]:
    """Blocks of ``Application:``, ``DBID:``, ``Status:``, ``Runmode:`` lines, in any order and case.

    Other lines are ignored. A block ends where one of its fields is repeated. Blocks without DBID or status are
    omitted.

    :param text: output of mlcmd, with any line ends.
    """
    blocks: list[dict[str, str]] = [{}]
    for line in text.splitlines():
        match = _LINE.match(line)
        field = _FIELDS.get(re.sub(r"[\s_-]", "", match[1]).lower()) if match else None
        if match is None or field is None:
            continue
        if field in blocks[-1]:
            blocks.append({})
        blocks[-1][field] = _unquoted(match[2])
    found = []
    for block in blocks:
        dbid = block.get("dbid", "")
        if dbid.isdecimal() and len(dbid) < 20 and block.get("status"):
            found.append(
                ApplicationStatus(
                    block.get("application", ""), int(dbid), block["status"], block.get("runmode") or None
                )
            )
    return found


def _word(text: str) -> str:
    """Status word in lower case, without repeated blanks and without a remark in parentheses."""
    return " ".join(re.sub(r"\([^)]*\)\s*$", "", text).split()).casefold()


# -- the hook ----------------------------------------------------------------------------------------


class ManagementLayer:
    """Applications of a site's Solution Control Server.

    :param host: where mlcmd is installed.
    :param settings: ``management_layer`` of the site.
    :param user: user of the Configuration Layer.
    :param password: its password. With ``command_line`` it is one of mlcmd's arguments, because mlcmd has no other
        way. It never appears in logs or errors.
    :param poll: seconds between two checks during a wait.
    """

    def __init__(
        self,
        host: Host,
        settings: Settings,
        user: str,
        password: str,
        *,
        poll: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not user or not password or re.search(r"[\x00-\x1f]", user + password):
            raise CredentialsError(
                f"The connection {settings.connection} lacks a user or password that mlcmd can take.",
                f"Set both, without control characters, in the connection {settings.connection}.",
            )
        mask_secret(password)
        self._host, self._settings, self._user, self._password = host, settings, user, password
        self._poll, self._clock, self._sleep = poll, clock, sleep

    def is_running(self, status: ApplicationStatus) -> bool:
        """The status is one of the topology's ``running_words``, as a whole word and in any case."""
        return _word(status.status) in {_word(word) for word in self._settings.running_words}

    def is_stopped(self, status: ApplicationStatus) -> bool:
        """The status is one of the topology's ``stopped_words``, as a whole word and in any case."""
        return _word(status.status) in {_word(word) for word in self._settings.stopped_words}

    def status(self, dbid: int) -> ApplicationStatus:
        """Status of one application.

        :param dbid: DBID of the Application object.
        :raises UnreachableError: mlcmd does not reach Configuration Server or Solution Control Server.
        :raises CredentialsError: the Management Layer refused user or password.
        :raises UnexpectedReplyError: the reply has no block of this application.
        """
        result = self._mlcmd(self._settings.flags.status, dbid)
        for found in parse_status(result.stdout):
            if found.dbid == dbid:
                return found
        self._refused(result)
        raise UnexpectedReplyError(
            f"mlcmd {self._settings.flags.status} {dbid} reported no application with this DBID "
            f"(exit code {result.exit_code}): {self._shown(result)}",
            "Check info_mart.application_dbid and management_layer.flags in the topology.",
        )

    def start(self, dbid: int) -> ApplicationStatus:
        """Start an application and wait until it runs. A running application stays untouched.

        :raises TransientError: it does not run after ``timeout`` of the topology.
        """
        return self._bring(dbid, running=True, flag=self._settings.flags.start)

    def stop(self, dbid: int, graceful: bool = True) -> ApplicationStatus:
        """Stop an application and wait until it is stopped. A stopped application stays untouched.

        :param graceful: let it finish its current work.
        :raises TransientError: it is not stopped after ``timeout`` of the topology.
        """
        flags = self._settings.flags
        return self._bring(dbid, running=False, flag=flags.stop_gracefully if graceful else flags.stop)

    def wait(self, dbid: int, running: bool, timeout: float | None = None) -> ApplicationStatus:
        """Wait for a status.

        :param running: True: wait for a running word; False: wait for a stopped word.
        :param timeout: seconds; None: that of the topology.
        :raises TransientError: the status did not come in time; the message names the last one.
        """
        timeout = self._settings.timeout if timeout is None else timeout
        deadline = self._clock() + timeout
        seen: str | None = None
        while True:
            try:
                status = self.status(dbid)
                if self.is_running(status) if running else self.is_stopped(status):
                    return status
                if status.status != seen:
                    log.info("%s (DBID %d) is %s.", status.application, dbid, status.status)
                seen = status.status
            except UnreachableError as error:
                # A busy Solution Control Server must not end the wait early.
                log.warning("%s", error)
                if self._clock() >= deadline:
                    raise
            if self._clock() >= deadline:
                wanted = self._settings.running_words if running else self._settings.stopped_words
                raise TransientError(
                    f"Application {dbid} is {seen!r} after {timeout:g} s; expected: {', '.join(wanted)}.",
                    "Read the application's log. If mlcmd uses another word for this state, add it to "
                    f"management_layer.{'running' if running else 'stopped'}_words in the topology.",
                )
            self._sleep(min(self._poll, max(0.0, deadline - self._clock())))

    # -- inside ----------------------------------------------------------------------------------------

    def _bring(self, dbid: int, *, running: bool, flag: str) -> ApplicationStatus:
        status = self.status(dbid)
        if self.is_running(status) if running else self.is_stopped(status):
            log.info("%s (DBID %d) is %s already.", status.application, dbid, status.status)
            return status
        log.info("%s (DBID %d) is %s; mlcmd %s.", status.application, dbid, status.status, flag)
        result = self._mlcmd(flag, dbid)
        if result.exit_code != 0:
            # A refusal for missing rights or a missing connection will not change during the wait.
            self._refused(result)
            log.warning("mlcmd %s ended with %s: %s", flag, result.exit_code, self._shown(result))
        try:
            status = self.wait(dbid, running)
        except TransientError as error:
            if result.exit_code != 0:
                error.what += f" mlcmd {flag} printed (exit code {result.exit_code}): {self._shown(result)}"
                error.args = (f"{error.what}\nNext: {error.next_step}",)
            raise
        log.info("%s (DBID %d) is %s.", status.application, dbid, status.status)
        return status

    def _mlcmd(self, flag: str, dbid: int) -> Result:
        settings = self._settings
        if not isinstance(dbid, int) or dbid < 1:
            raise PermanentError(
                f"{dbid!r} is not a valid DBID.", "Correct info_mart.application_dbid in the topology."
            )
        argv = [
            settings.command,
            "-cshost",
            settings.configuration_server,
            "-csport",
            str(settings.configuration_port),
            "-csuser",
            self._user,
        ]
        stdin: str | None = None
        if settings.password_delivery == "command_line":
            argv += ["-cspassword", self._password]
        else:
            stdin = self._password + "\n"
        argv += ["-csappname", settings.client, flag, str(dbid)]
        try:
            # A graceful stop may answer only after the running job has ended.
            return self._host.run(argv, stdin=stdin, timeout=settings.timeout, check=False)
        except InfoMartError as error:
            error.what, error.next_step = self._scrub(error.what), self._scrub(error.next_step)
            error.args = tuple(self._scrub(str(part)) for part in error.args)
            if isinstance(error, RemoteCommandError):
                error.output = self._scrub(error.output)
            raise error from None

    def _scrub(self, text: str) -> str:
        return text.replace(self._password, "***")

    def _shown(self, result: Result) -> str:
        text = "\n".join(part.strip() for part in (result.stderr, result.stdout) if part.strip())
        return self._scrub(text)[-_SHOWN:] or "no output"

    def _refused(self, result: Result) -> None:
        """Raise the typed error of a known refusal; return for every other reply."""
        text = f"{result.stderr}\n{result.stdout}"
        settings = self._settings
        if result.exit_code == 127:
            raise PermanentError(
                f"{settings.command} was not found on host {settings.host}.",
                "Correct management_layer.command in the topology.",
            )
        if _CREDENTIALS.search(text):
            raise CredentialsError(
                f"The Management Layer refused the user {self._user}: {self._shown(result)}",
                f"Correct user and password of the Airflow connection {settings.connection}.",
            )
        if _UNREACHABLE.search(text):
            raise UnreachableError(
                f"mlcmd on host {settings.host} does not reach the Management Layer at "
                f"{settings.configuration_server}:{settings.configuration_port}: {self._shown(result)}",
                "Check that Configuration Server, Solution Control Server and LCA run there.",
            )
