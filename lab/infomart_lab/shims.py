"""The programs in a host's PATH: small shell scripts that start the stand-ins."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from infomart_lab.config import LabConfig

#: Stand-ins with their modules, and arguments that come before those of the caller.
PROGRAMS = {
    "ggsci": "goldengate.ggsci",
    "expdp": "datapump.expdp",
    "impdp": "datapump.impdp",
    "rsync": "rsync",
    "mlcmd": "mlcmd",
    "mlcmd_stdin": "mlcmd --password-on-stdin",
    "java": "gimagg",
    "pgrep": "pgrep",
    "gimjob": "gimjob",
    "gi2ctl": "gi2ctl",
    "crontab": "crontab",
    "purge_idb": "purge_idb",
    "purgectl": "purgectl",
    "gimservice": "gimservice",
}
_DB = ("ggsci", "expdp", "impdp", "rsync", "pgrep", "crontab", "purge_idb", "purgectl")
_GIM = ("mlcmd", "mlcmd_stdin", "java", "pgrep", "gimjob", "gi2ctl", "gimservice")


def script(program: str) -> str:
    """Shell script that starts a stand-in with the interpreter and package of this process."""
    root = Path(__file__).resolve().parents[1]
    return (
        "#!/bin/sh\n"
        f"# stand-in of the lab for {program}\n"
        f'PYTHONPATH={shlex.quote(str(root))}${{PYTHONPATH:+":$PYTHONPATH"}} '
        f'exec {shlex.quote(sys.executable)} -m infomart_lab.{PROGRAMS[program]} "$@"\n'
    )


def _install(folder: Path, programs: tuple[str, ...]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for program in programs:
        path = folder / program
        new = path.with_name(f".{program}.new")
        new.write_text(script(program))
        new.chmod(0o755)
        new.replace(path)


def write(config: LabConfig, site: str) -> None:
    """Write the programs of both hosts: the bin folders, the Oracle home and the GoldenGate home."""
    _install(config.bin_dir(site, "db"), _DB)
    _install(config.bin_dir(site, "gim"), _GIM)
    _install(config.oracle_home(site) / "bin", ("expdp", "impdp"))
    _install(config.goldengate_home(site), ("ggsci",))
    config.dump_dir(site).mkdir(parents=True, exist_ok=True)
    jar = config.server_root(site) / "agg" / "GIMAgg.jar"
    jar.parent.mkdir(parents=True, exist_ok=True)
    jar.touch()
