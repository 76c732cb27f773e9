"""The program: ``ggsci [cd dir] [log|nolog] < input``. The exit status is always 0, as that of the real one."""

from __future__ import annotations

import os
import sys

from infomart_lab import config as lab
from infomart_lab.goldengate.ggsci.interpreter import run
from infomart_lab.goldengate.ggsci.session import Session


def main(arguments: list[str] | None = None) -> int:
    """Answer the commands on standard input."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) >= 2 and given[0].lower() == "cd":
        os.chdir(given[1])
    host = os.environ.get(lab.HOST_VARIABLE, "")
    site, _, kind = host.partition("/")
    if kind != "db":
        sys.stderr.write("bash: ggsci: command not found\n")
        return 127
    config = lab.load()

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    run(Session(config, site, iter(sys.stdin.readline, "")), write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
