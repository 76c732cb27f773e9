"""The program: ``ggsci [cd dir] [log|nolog] < input``. The exit status is always 0, as that of the real one."""

from __future__ import annotations

import os
import sys

from infomart_lab import config as lab
from infomart_lab.goldengate.ggsci.interpreter import run
from infomart_lab.goldengate.ggsci.session import Session


def missing_library(config: lab.LabConfig, site: str) -> str:
    """A library of the Oracle home that the loader does not find; from 21c on GoldenGate brings its own."""
    path = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    if config.sites[site].goldengate == "21c" or f"{config.oracle_home(site)}/lib" in path:
        return ""
    return f"libclntsh.so.{'11.1' if config.sites[site].goldengate == '11.2' else '19.1'}"


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
    if missing := missing_library(config, site):
        name = f"./ggsci: error while loading shared libraries: {missing}: cannot open shared object file: "
        sys.stderr.write(name + "No such file or directory\n")
        return 127

    def write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()

    run(Session(config, site, iter(sys.stdin.readline, "")), write)
    return 0


if __name__ == "__main__":
    sys.exit(main())
