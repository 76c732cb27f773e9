"""Stand-in for ``java -jar agg/GIMAgg.jar``: RAA's re-aggregation requests; other uses go to the real java.

``-insertPendingAgg ALLSETS:<from>:<to>`` with LABEL_YYYY_MM_DD values of DATE_TIME (8.1.4 on), or
``-insertPendingAggRaw ALLTENANTS:ALLSETS:<epoch>:<epoch>`` (before it). An argument file (``java @file``)
is read as java's launcher does. A request becomes a row of GIM.AGR_PENDING_REQUEST.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from infomart_lab import config as lab_config
from infomart_lab.config import HOST_VARIABLE, LabConfig

_JAR = "GIMAgg.jar"
_LABEL = re.compile(r"\d{4}-\d{2}-\d{2}")
_URL = re.compile(r"jdbc:oracle:thin:@(?://)?(?P<host>[\w.-]+):(?P<port>\d+)[/:](?P<service>[\w.$]+)")


class AggregationError(Exception):
    """An error of RAA; the first word is the Java exception that it shows."""

    def __init__(self, java: str, message: str) -> None:
        self.java = java
        super().__init__(message)


@dataclass(frozen=True)
class Request:
    """A parsed command line of GIMAgg.jar."""

    user: str
    password: str
    host: str
    port: int
    service: str
    #: Labels YYYY-MM-DD, or seconds since 1970, as given.
    start: str
    end: str
    raw: bool


def split_argument_file(text: str) -> list[str]:
    """Arguments in a java argument file: separated by blanks and line ends; quotes, backslash, # comments."""
    result: list[str] = []
    current: list[str] | None = None
    quote = ""
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if quote:
            if character == quote:
                quote = ""
            elif character == "\\" and position < len(text):
                escaped = text[position]
                position += 1
                (current := current or []).append({"n": "\n", "t": "\t", "r": "\r", "f": "\f"}.get(escaped, escaped))
            else:
                (current := current or []).append(character)
        elif character in "\"'":
            quote = character
            current = current or []
        elif character in " \t\r\n\f":
            if current is not None:
                result.append("".join(current))
                current = None
        elif character == "#" and current is None:
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
        else:
            (current := current or []).append(character)
    if current is not None:
        result.append("".join(current))
    return result


def expand(arguments: Sequence[str]) -> list[str]:
    """Replace ``@file`` arguments before the jar by what the files hold.

    :raises OSError: a file cannot be read.
    """
    result: list[str] = []
    for argument in arguments:
        if argument.startswith("@") and "-jar" not in result:
            result += split_argument_file(Path(argument[1:]).read_text())
        else:
            result.append(argument)
    return result


def parse(arguments: Sequence[str]) -> Request:
    """Parse the arguments after ``-jar agg/GIMAgg.jar``.

    :raises AggregationError: an argument is missing, empty, unknown or malformed.
    """
    named: dict[str, str] = {}
    interval: tuple[str, str] | None = None
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.partition("=")
        if equals and name in {"-user", "-pass", "-jdbcurl"}:
            if not value:
                raise AggregationError("java.lang.IllegalArgumentException", f"{name} is empty")
            named[name] = value
        elif argument in {"-insertPendingAgg", "-insertPendingAggRaw"}:
            if not rest:
                raise AggregationError("java.lang.IllegalArgumentException", f"{argument} needs an interval")
            interval = (argument, rest.pop(0))
        else:
            raise AggregationError("java.lang.IllegalArgumentException", f"unknown argument {name}")
    missing = [name for name in ("-user", "-pass", "-jdbcurl") if name not in named]
    if missing or interval is None:
        what = ", ".join(missing) or "-insertPendingAgg"
        raise AggregationError("java.lang.IllegalArgumentException", f"{what} missing")
    url = _URL.fullmatch(named["-jdbcurl"])
    if url is None:
        raise AggregationError("java.sql.SQLException", "Invalid Oracle URL specified")
    raw = interval[0] == "-insertPendingAggRaw"
    parts = interval[1].split(":")
    sets = ["ALLTENANTS", "ALLSETS"] if raw else ["ALLSETS"]
    start, end = parts[-2:] if len(parts) == len(sets) + 2 else ("", "")
    shape = re.compile(r"\d+") if raw else _LABEL
    if parts[:-2] != sets or not shape.fullmatch(start) or not shape.fullmatch(end):
        raise AggregationError(
            "java.lang.IllegalArgumentException", f"{interval[1]!r} is not {':'.join(sets)}:<from>:<to>"
        )
    return Request(
        user=named["-user"],
        password=named["-pass"],
        host=url["host"],
        port=int(url["port"]),
        service=url["service"],
        start=start,
        end=end,
        raw=raw,
    )


def target_site(config: LabConfig, site: str, request: Request) -> str:
    """Site whose Info Mart the request goes to, after a check of address, service, user and password.

    :raises AggregationError: with the message that Oracle's driver shows.
    """
    by_port = {config.link_port(site, other, "oracle"): other for other in config.sites}
    target = by_port.get(request.port)
    if target is None or request.host not in {config.address, "localhost"}:
        raise AggregationError(
            "java.sql.SQLRecoverableException",
            "IO Error: The Network Adapter could not establish the connection",
        )
    if config.database_of(target, request.service) != "gim":
        raise AggregationError(
            "java.sql.SQLRecoverableException",
            "Listener refused the connection with the following error:\nORA-12514, TNS:listener does not "
            "currently know of service requested in connect descriptor",
        )
    known = config.passwords[target].get(request.user.upper())
    if request.user.upper() not in config.oracle_users(target) or known != request.password:
        raise AggregationError("java.sql.SQLException", "ORA-01017: invalid username/password; logon denied")
    return target


def insert(config: LabConfig, site: str, request: Request) -> tuple[int, int]:
    """Write the pending request into the Info Mart.

    :returns: first and last second of the interval, UTC.
    :raises AggregationError: a label is not in DATE_TIME, the interval is empty, or the database fails.
    """
    # Heavy to import, and most commands need no database.
    import psycopg

    target = target_site(config, site, request)
    try:
        with psycopg.connect(
            config.postgres_dsn(target, seen_from=site), connect_timeout=5, autocommit=False
        ) as connection:
            start, end = (_bound(connection, request, text) for text in (request.start, request.end))
            if not request.raw:
                end += int(timedelta(days=1).total_seconds())
            if start >= end:
                raise AggregationError("java.lang.IllegalArgumentException", "the interval is empty")
            connection.execute("insert into gim.agr_pending_request (from_ts, to_ts) values (%s, %s)", (start, end))
    except psycopg.Error as error:
        raise AggregationError("java.sql.SQLException", str(error).strip()) from error
    return start, end


def _bound(connection: Any, request: Request, text: str) -> int:
    if request.raw:
        return int(text)
    found = connection.execute("select 1 from gim.date_time where label_yyyy_mm_dd = %s limit 1", (text,)).fetchone()
    if found is None:
        raise AggregationError("java.lang.IllegalArgumentException", f"no DATE_TIME label {text}")
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def _real_java(config: LabConfig, site: str) -> str | None:
    own = {str(config.bin_dir(site, kind)) for kind in lab_config.HOST_KINDS}
    path = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder not in own]
    return shutil.which("java", path=os.pathsep.join(path))


def main() -> int:
    """``java``.

    :returns: exit code.
    """
    config = lab_config.load()
    site = os.environ[HOST_VARIABLE].partition("/")[0]
    given = sys.argv[1:]
    release = config.sites[site].java
    if given == ["-version"]:
        print(f'openjdk version "{release}"\nOpenJDK Runtime Environment (the lab\'s stand-in)', file=sys.stderr)
        return 0
    if release.startswith("1.") and given and given[0].startswith("@"):
        # before Java 9 it is the name of a class
        print(f"Error: Could not find or load main class {given[0].replace('/', '.')}", file=sys.stderr)
        return 1
    try:
        arguments = expand(given)
    except OSError as error:
        print(f"Error: could not open `{error.filename}'", file=sys.stderr)
        return 1
    jar = arguments.index("-jar") + 1 if "-jar" in arguments else len(arguments)
    if jar >= len(arguments) or Path(arguments[jar].replace("\\", "/")).name != _JAR:
        java = _real_java(config, site)
        if java is None:
            print("java: there is no other Java on this host", file=sys.stderr)
            return 127
        os.execv(java, [java, *given])
    if not Path(arguments[jar]).is_file():
        print(f"Error: Unable to access jarfile {arguments[jar]}", file=sys.stderr)
        return 1
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    try:
        request = parse(arguments[jar + 1 :])
        start, end = insert(config, site, request)
    except AggregationError as error:
        print(
            f'{now} ERROR Agg - {error}\nException in thread "main" {error.java}: {error}\n'
            "\tat com.genesyslab.gim.agg.GIMAgg.insertPending(GIMAgg.java)\n"
            "\tat com.genesyslab.gim.agg.GIMAgg.main(GIMAgg.java)",
            file=sys.stderr,
        )
        return 1
    print(f"{now} INFO  Agg - connected to {request.host}:{request.port}/{request.service} as {request.user}")
    print(f"{now} INFO  Agg - pending aggregation ALLSETS {start}..{end} inserted")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
