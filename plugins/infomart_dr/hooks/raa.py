"""Re-aggregation: requests that RAA's ``GIMAgg.jar`` inserts, in both generations of its command line.

Source: guide, Disaster Recovery Procedure step 10 and Return to Normal step 19. The blank after
``-jdbcurl=`` in the second listing is a misprint. GIMAgg's exit codes are not published, so its output is
checked too.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, Self

from airflow.sdk.log import mask_secret

from infomart_dr.errors import (
    CredentialsError,
    InfoMartError,
    PermanentError,
    RemoteCommandError,
    RequestError,
    UnreachableError,
)
from infomart_dr.hooks.goldengate_parameters import three_parts
from infomart_dr.times import clock, shown
from infomart_dr.topology import Raa

log = logging.getLogger(__name__)

#: First release with labels and ``-insertPendingAgg``.
LABELS_SINCE = (8, 1, 4)
#: Time before the failure that the guide re-aggregates too: it covers all pending notifications.
BEFORE_FAILURE = timedelta(hours=24)
#: Length of an interval of DATE_TIME in seconds.
INTERVAL = 900

_LABEL = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_JDBC_URL = re.compile(r"^jdbc:oracle:(thin|oci):[^\s\x00-\x1f]+$")
_SHOWN = 800


class Statements(Protocol):
    """The part of InfoMartOracleHook that is needed here."""

    def select(self, name: str, identifiers: Any = None, **binds: Any) -> list[dict[str, Any]]: ...


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
        environment: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float | None = None,
        check: bool = True,
    ) -> Result: ...
    def write_file(self, path: str, text: str, mode: int = 0o600) -> None: ...
    def work_path(self, *parts: str) -> str: ...


# -- the interval ------------------------------------------------------------------------------------


def _aware(moment: datetime, what: str) -> datetime:
    if moment.tzinfo is None:
        raise PermanentError(
            f"The {what} {clock(moment)} has no time zone.", "Give it in UTC, such as 2026-11-02T10:15:00Z."
        )
    return moment.astimezone(UTC)


@dataclass(frozen=True)
class ReaggregationWindow:
    """The interval to aggregate again. Both ends have a time zone, UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", _aware(self.start, "start"))
        object.__setattr__(self, "end", _aware(self.end, "end"))
        if self.start >= self.end:
            raise RequestError(
                f"The interval {shown(self.start)} to {shown(self.end)} is empty.",
                "Give a reaggregate_from that lies before reaggregate_to.",
            )

    @classmethod
    def after_failure(cls, failure: datetime, now: datetime) -> Self:
        """The interval from 24 hours before the failure until now, however long the recovery took.

        :param failure: time of the site's failure, with a time zone.
        :param now: present time, with a time zone.
        :raises PermanentError: a time has no zone.
        :raises RequestError: the failure is in the future.
        """
        failure, now = _aware(failure, "failure time"), _aware(now, "present time")
        if failure > now:
            raise RequestError(
                f"The failure time {shown(failure)} is in the future (now {shown(now)}).",
                "Give the time of the site's failure as failure_time, in UTC.",
            )
        return cls(failure - BEFORE_FAILURE, now)

    def epochs(self) -> tuple[str, str]:
        """Both ends as whole seconds since 1970, with the end rounded up."""
        end = int(self.end.timestamp()) + (1 if self.end.microsecond else 0)
        return str(int(self.start.timestamp())), str(end)

    def labels(self, hook: Statements, schema: str) -> tuple[str, str]:
        """LABEL_YYYY_MM_DD of the intervals that contain the two ends.

        The label is in the deployment's time zone, which only the table knows. The table's last row is far in the
        future, so its maximum is never used.

        :param hook: Oracle hook of the Info Mart's ``info_mart_connection``.
        :param schema: the Info Mart's schema.
        :raises PermanentError: DATE_TIME does not reach an end of the interval, or a label is not a date.
        """
        return self._label(hook, schema, self.start), self._label(hook, schema, self.end)

    @staticmethod
    def _label(hook: Statements, schema: str, moment: datetime) -> str:
        epoch = int(moment.timestamp())
        rows = hook.select("date_time_label", {"schema": schema}, epoch=epoch)
        key = int(rows[0]["date_time_key"]) if rows else None
        if key is None or epoch - key >= INTERVAL:
            reach = "no earlier row" if key is None else shown(key)
            raise PermanentError(
                f"{schema}.DATE_TIME has no interval for {shown(moment)} (nearest: {reach}).",
                "Run Job_InitializeGIM or Job_MaintainGIM, which fill the table, or give another interval.",
            )
        label = str(rows[0]["label_yyyy_mm_dd"]).strip()
        if not _LABEL.match(label):
            raise PermanentError(
                f"The label {label[:40]!r} of {shown(moment)} is not YYYY-MM-DD.",
                "Check LABEL_YYYY_MM_DD in DATE_TIME; the calendar may be customised.",
            )
        return label


# -- the command line --------------------------------------------------------------------------------


def uses_labels(release: str) -> bool:
    """The release takes labels: RAA 8.1.4 and later."""
    return three_parts(release) >= LABELS_SINCE


def jdbc_url(host: str, port: int, service: str) -> str:
    """The guide's form ``jdbc:oracle:thin:@<host>:<port>/<service>``."""
    return f"jdbc:oracle:thin:@{host}:{port}/{service}"


def request_arguments(raa: Raa, start: str, end: str) -> list[str]:
    """The request's arguments, in both generations.

    :param start: label YYYY-MM-DD from 8.1.4 on, epoch seconds before it.
    :raises PermanentError: the ends do not have this release's form.
    """
    labels = uses_labels(raa.release)
    form = _LABEL if labels else re.compile(r"^\d{1,12}$")
    if not form.match(start) or not form.match(end):
        raise PermanentError(
            f"RAA {raa.release} takes {'labels YYYY-MM-DD' if labels else 'epoch seconds'}, "
            f"found {start[:40]!r} and {end[:40]!r}.",
            "Correct raa.release in the topology, or the interval.",
        )
    if labels:
        return ["-insertPendingAgg", f"ALLSETS:{start}:{end}"]
    return ["-insertPendingAggRaw", f"ALLTENANTS:ALLSETS:{start}:{end}"]


def reaggregation_command(raa: Raa, url: str, user: str, start: str, end: str) -> list[str]:
    """The command without the password, for reading and for logs: java's arguments from ``-jar`` on.

    :param url: jdbc URL.
    :raises PermanentError: the URL is not for Oracle's driver, or the ends have the wrong form.
    """
    if not _JDBC_URL.match(url):
        raise PermanentError(
            f"{url[:80]!r} is not a jdbc URL for Oracle's driver.", "Correct raa.jdbc_url in the topology."
        )
    return [
        "-jar",
        raa.jar,
        f"-user={user}",
        "-pass=***",
        f"-jdbcurl={url}",
        *request_arguments(raa, start, end),
    ]


def argument_file(arguments: list[str]) -> str:
    """Text of a java argument file: one quoted argument per line, with backslash and quote escaped.

    Source: Java's tool documentation, "java Command-Line Argument Files". The launcher passes everything after
    ``-jar`` to the program unchanged.

    :raises PermanentError: an argument contains a control character, which is not safe in the file.
    """
    for argument in arguments:
        if re.search(r"[\x00-\x1f\x7f]", argument):
            raise PermanentError(
                "An argument for java contains a control character.",
                "Change the password, or the topology's field that contains it.",
            )
    quoted = (argument.replace("\\", "\\\\").replace('"', '\\"') for argument in arguments)
    return "".join(f'"{argument}"\n' for argument in quoted)


def java_release(text: str) -> int | None:
    """Java's feature release from ``java -version``: 8 for "1.8.0_392", 11 for "11.0.2"; None: not found."""
    found = re.search(r'version "(\d+)(?:\.(\d+))?', text)
    if found is None:
        return None
    return int(found[2]) if found[1] == "1" and found[2] else int(found[1])


def java_fault(raa: Raa, version: str) -> str | None:
    """The reason why this Java cannot take the password as the topology says; None: it can.

    :param version: output of ``java -version``, which is on standard error.
    """
    release = java_release(version)
    if raa.password_delivery == "command_line" or release is None or release >= 9:
        return None
    return f"{raa.java} is Java {release}, which reads no argument file"


#: GIMAgg takes the password as an argument only, so that without an argument file it would be in ``ps``.
OLD_JAVA = (
    "Name a Java 9 or later of that host in raa.java; it is used for this call alone. If there is none, set "
    "raa.password_delivery to command_line: then users of that host can read the password while GIMAgg runs."
)


# -- the hook ----------------------------------------------------------------------------------------

_CREDENTIALS = re.compile(r"ORA-(01017|28000|28001|01045)\b")
_UNREACHABLE = re.compile(
    r"Network Adapter could not establish|ORA-(12514|12541|12170|12505|03113)\b|Connection refused|timed out",
    re.IGNORECASE,
)
_TROUBLE = re.compile(
    r"^Exception in thread|\b[\w.]+(Exception|Error): |\bORA-\d{5}\b|Unable to access jarfile|could not open",
    re.MULTILINE,
)


class Reaggregation:
    """Runs GIMAgg.jar on an Info Mart Server's host.

    A second insert of the same request only aggregates the interval again, so a retry is harmless.

    :param host: the Info Mart Server's host.
    :param raa: ``raa`` of the topology.
    :param root: root folder of the Info Mart Server; the jar's path is relative to it.
    :param timeout: seconds.
    """

    def __init__(self, host: Host, raa: Raa, root: str, *, timeout: float = 600) -> None:
        self._host, self._raa, self._root, self._timeout = host, raa, root, timeout

    def insert(self, url: str, user: str, password: str, start: str, end: str, *, job_id: str) -> str:
        """Insert the request.

        :param url: jdbc URL at which that host reaches the Info Mart.
        :param job_id: names the argument file; the same for every retry of a step.
        :returns: output of GIMAgg, without the password.
        :raises CredentialsError: the database refused user or password.
        :raises UnreachableError: GIMAgg did not reach the database.
        :raises RemoteCommandError: any other failure.
        """
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,200}", job_id) or not password or not user:
            raise PermanentError(
                "Re-aggregation needs a plain job id, a user and a password.",
                "Complete the connection of the Info Mart's owner.",
            )
        mask_secret(password)
        words = reaggregation_command(self._raa, url, user, start, end)
        arguments = [f"-pass={password}" if part == "-pass=***" else part for part in words]
        log.info("%s %s", self._raa.java, " ".join(words))
        try:
            if self._raa.password_delivery == "argument_file":
                result = self._with_file(arguments, job_id)
            else:
                result = self._run([self._raa.java, *arguments])
        except InfoMartError as error:
            error.what, error.next_step = (text.replace(password, "***") for text in (error.what, error.next_step))
            error.args = tuple(str(part).replace(password, "***") for part in error.args)
            if isinstance(error, RemoteCommandError):
                error.output = error.output.replace(password, "***")
            raise error from None
        text = "\n".join(part.strip() for part in (result.stdout, result.stderr) if part.strip())
        text = text.replace(password, "***")
        self._judge(result.exit_code, text)
        return text

    def _run(self, argv: list[str]) -> Result:
        return self._host.run(argv, cwd=self._root, timeout=self._timeout, check=False)

    def _with_file(self, arguments: list[str], job_id: str) -> Result:
        version = self._run([self._raa.java, "-version"])
        if fault := java_fault(self._raa, version.stderr + version.stdout):
            raise PermanentError(f"{fault}.", OLD_JAVA)
        path = self._host.work_path(f"raa-{job_id}.args")
        try:
            self._host.write_file(path, argument_file(arguments), 0o600)
            return self._run([self._raa.java, f"@{path}"])
        finally:
            # The host may be unreachable by now; a retry writes and removes the same file.
            with contextlib.suppress(InfoMartError):
                self._host.run(["rm", "-f", "--", path], check=False)

    def _judge(self, exit_code: int | None, text: str) -> None:
        printed = text[-_SHOWN:] or "no output"
        if exit_code == 0 and not _TROUBLE.search(text):
            return
        if _CREDENTIALS.search(text):
            raise CredentialsError(
                f"The database refused GIMAgg's user or password: {printed}",
                "Correct the connection of the Info Mart's owner.",
            )
        if _UNREACHABLE.search(text):
            raise UnreachableError(
                f"GIMAgg did not reach the database: {printed}",
                "Check raa.jdbc_url in the topology, the listener, and the network from this host.",
            )
        hint = "Read this output; check raa.java and raa.jar in the topology."
        if "main class @" in text:
            hint = f"This Java reads no argument file. {OLD_JAVA}"
        raise RemoteCommandError(
            f"GIMAgg failed (exit code {exit_code}): {printed}", hint, exit_code=exit_code, output=printed
        )
