"""Collector: writes what one remote pump sends into a trail of its own site.

Run by the Manager as ``python -m infomart_lab.goldengate.collector <descriptor>``, with the pump's connection. It
outlives the Manager, and ends with the pump's connection.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from infomart_lab import config as lab
from infomart_lab import life
from infomart_lab.goldengate import trail
from infomart_lab.goldengate.home import Home

#: Seconds between two messages to a pump that its batch arrives; well below the time after which it connects again.
ALIVE_SECONDS = 1.0


def _lines(stream: Any, received: Callable[[], None]) -> Iterator[bytes]:
    """Whole lines of a connection, until it ends.

    :param received: called repeatedly while data arrive, also within a long line.
    """
    begun: list[bytes] = []
    said = time.monotonic()
    while data := stream.read1(1 << 16):
        if time.monotonic() - said > ALIVE_SECONDS:
            received()
            said = time.monotonic()
        *ends, rest = data.split(b"\n")
        for end in ends:
            yield b"".join([*begun, end, b"\n"])
            begun = []
        begun.append(rest)


def collect(home: Home, hello: dict[str, Any], connection: socket.socket, stream: Any) -> None:
    """Append what a remote pump sends to a local trail, until it hangs up.

    The reply to the greeting has the position of the pump's own trail up to which data have arrived.
    """

    def answer(value: dict[str, Any]) -> None:
        connection.sendall(json.dumps(value).encode() + b"\n")

    prefix = home.trail_path(str(hello["collector"]))
    writer = trail.Writer(prefix, str(hello["incarnation"]), int(hello["limit"]), home.digits, str(hello["format"]))
    try:
        last = writer.open()
        answer({"ok": True, "source": (last or {}).get("src"), "position": list(writer.position)})
        end = writer.position.rba
        text = f"Opening {writer.path} (byte {end}, current EOF {end})."
        home.log("INFO", "OGG-01669", "collector", "", text)
        pending: list[bytes] = []
        for line in _lines(stream, lambda: answer({"ok": True, "alive": True})):
            if line.startswith(b'{"torn"'):
                # The site was lost in the middle of a record.
                writer.tear(json.loads(line)["torn"].encode())
                continue
            if not line.startswith(b'{"flush"'):
                pending.append(line)
                continue
            for record in pending:
                writer.append(record, roll=trail.begins(json.loads(record)))
            writer.flush()
            pending = []
            answer({"ok": True, "position": list(writer.position)})
    except OSError:
        pass
    finally:
        writer.close()
    home.log("INFO", "OGG-01676", "collector", "", "Terminating after client disconnect.")


def main() -> None:
    """Serve the connection with the descriptor of the command line."""
    config = lab.load()
    life.follow_supervisor(config)
    home = Home(config, os.environ[lab.HOST_VARIABLE].partition("/")[0])
    os.chdir(home.root)
    with socket.socket(fileno=int(sys.argv[1])) as connection, connection.makefile("rb") as stream:
        connection.setblocking(True)
        with contextlib.suppress(OSError):
            collect(home, json.loads(os.environ["INFOMART_LAB_PUMP"]), connection, stream)


if __name__ == "__main__":
    main()
