"""Stand-in for a host's ``crontab``: ``-l``, ``-``, a file. The part icon reads the SSH user's table as cron does.

It imports nothing of the lab: that would cost each call a third of a second.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Print or replace the crontab.

    :returns: exit code as crontab's: 0 done, 1 there is none, or wrong use.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    user = os.environ.get("USER", "")
    if given[:1] == ["-u"]:
        if given[1:2] != [user]:
            print("crontab: must be privileged to use -u", file=sys.stderr)
            return 1
        given = given[2:]
    path = Path(os.environ["HOME"]) / "crontab"
    if given == ["-l"]:
        try:
            sys.stdout.buffer.write(path.read_bytes())
        except FileNotFoundError:
            print(f"no crontab for {user}", file=sys.stderr)
            return 1
        return 0
    if len(given) != 1 or (given[0].startswith("-") and given != ["-"]):
        print("usage: crontab [-u user] { -l | - | FILE }", file=sys.stderr)
        return 1
    try:
        text = sys.stdin.buffer.read() if given == ["-"] else Path(given[0]).read_bytes()
    except OSError as error:
        print(f"{given[0]}: {error.strerror}", file=sys.stderr)
        return 1
    if text and not text.endswith(b"\n"):
        print("crontab: new crontab file is missing newline before EOF, can't install.", file=sys.stderr)
        return 1
    temporary = path.with_suffix(f".{os.getpid()}.new")
    temporary.write_bytes(text)
    temporary.replace(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
