"""Stand-in for Genesys' ``mlcmd``: status, start and stop through the Solution Control Server.

``mlcmd -cshost H -csport P -csuser U -cspassword W -csappname A -getappstatus <DBID>`` (or
``-getallappstatus``, ``-startapp <DBID>``, ``-stopapp <DBID>``, ``-stopgraceful <DBID>``).
``mlcmd_stdin`` is the wrapper that a site supplies: no ``-cspassword``; the password is the first line of
standard input.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_VALUES = ("-cshost", "-csport", "-csuser", "-cspassword", "-csappname")
#: Commands; True: with an application's DBID.
COMMANDS = {
    "-getappstatus": True,
    "-getallappstatus": False,
    "-startapp": True,
    "-stopapp": True,
    "-stopgraceful": True,
}
#: A graceful stop waits for the server's running job.
_ANSWER_SECONDS = 300.0


class MlcmdError(Exception):
    """Error of mlcmd: printed to standard error, exit code 1."""


@dataclass(frozen=True)
class Call:
    """A parsed command line."""

    host: str
    port: int
    user: str
    application: str
    command: str
    dbid: int | None
    password: str | None


def parse(arguments: Sequence[str], *, password: str | None = None) -> Call:
    """Parse mlcmd's command line.

    :param password: given by the wrapper; ``-cspassword`` is then not allowed.
    :raises MlcmdError: an argument is unknown, missing, doubled or not a number.
    """
    values: dict[str, str] = {}
    command: tuple[str, int | None] | None = None
    rest = list(arguments)

    def value(flag: str) -> str:
        if not rest or rest[0].startswith("-"):
            raise MlcmdError(f"{flag} needs a value")
        return rest.pop(0)

    def number(flag: str, text: str) -> int:
        if not text.isdecimal():
            raise MlcmdError(f"{flag} needs a number, not {text!r}")
        return int(text)

    while rest:
        flag = rest.pop(0)
        if flag in COMMANDS:
            if command is not None:
                raise MlcmdError(f"one command at a time: {command[0]} or {flag}")
            command = (flag, number(flag, value(flag)) if COMMANDS[flag] else None)
        elif flag in _VALUES:
            if flag in values:
                raise MlcmdError(f"{flag} is given twice")
            values[flag] = value(flag)
        else:
            raise MlcmdError(f"unknown argument {flag!r}")
    if password is not None and "-cspassword" in values:
        raise MlcmdError("mlcmd_stdin reads the password from standard input, not from -cspassword")
    if password is not None:
        values["-cspassword"] = password
    if missing := [flag for flag in _VALUES if flag not in values]:
        raise MlcmdError(f"missing {', '.join(missing)}")
    if command is None:
        raise MlcmdError(f"one of {', '.join(COMMANDS)} is needed")
    return Call(
        host=values["-cshost"],
        port=number("-csport", values["-csport"]),
        user=values["-csuser"],
        application=values["-csappname"],
        command=command[0],
        dbid=command[1],
        password=values["-cspassword"],
    )


def ask(host: str, port: int, request: dict[str, Any], *, timeout: float = _ANSWER_SECONDS) -> dict[str, Any]:
    """Send one request to a Solution Control Server or Local Control Agent: a line of JSON each way.

    :raises MlcmdError: no connection, no answer, or the request was refused.
    """
    try:
        with socket.create_connection((host, port), timeout=min(timeout, 5.0)) as connection:
            connection.settimeout(timeout)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                line = lines.readline()
    except OSError as error:
        raise MlcmdError(f"cannot connect to {host}:{port}: {error}") from error
    if not line:
        raise MlcmdError(f"{host}:{port} closed the connection")
    reply = json.loads(line)
    if not reply.get("ok"):
        raise MlcmdError(str(reply.get("error", "refused")))
    return reply


def blocks(applications: list[dict[str, Any]]) -> str:
    """Applications as mlcmd prints them: a block of lines each, an empty line between two."""
    return "\n\n".join(
        f"Application: {a['name']}\nDBID: {a['dbid']}\nStatus: {a['status']}\nRunmode: {a['runmode']}"
        for a in applications
    )


def run(arguments: Sequence[str], *, password: str | None = None) -> int:
    """Run one call and print mlcmd's output.

    :returns: exit code: 0, or 1 with a message on standard error.
    """
    try:
        call = parse(arguments, password=password)
        reply = ask(
            call.host,
            call.port,
            {
                "scs": call.command.removeprefix("-"),
                "user": call.user,
                "password": call.password,
                "client": call.application,
                "dbid": call.dbid,
            },
        )
    except MlcmdError as error:
        print(f"mlcmd: {error}", file=sys.stderr)
        return 1
    if applications := reply.get("applications"):
        print(blocks(applications))
    if message := reply.get("message"):
        print(message)
    return 0


def main() -> int:
    """``mlcmd``; with ``--password-on-stdin`` as first word, the wrapper ``mlcmd_stdin``."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--password-on-stdin"]:
        return run(arguments[1:], password=sys.stdin.readline().rstrip("\r\n"))
    return run(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
