"""Stand-in for a site's own command that brings GI2 into service: ``gi2ctl start site2``, ``gi2ctl status site2``.

How GI2 is started or switched is not published. ``<home>/reports.json`` has the sites where it is in service; at the
start, the active site. A start takes the reports out of service everywhere else, unless ``--beside`` is given. Exit
codes: 0 done, or in service; 1 wrong use; 3 not in service.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from infomart_lab import config as lab_config
from infomart_lab.config import HOST_VARIABLE, LabConfig

DONE, WRONG_USE, NOT_IN_SERVICE = 0, 1, 3


def path(config: LabConfig) -> Path:
    return config.home / "reports.json"


def in_service(config: LabConfig) -> list[str]:
    """Sites that have their reports in service."""
    try:
        return list(json.loads(path(config).read_text())["in_service"])
    except FileNotFoundError:
        return [config.active_site]


def _change(config: LabConfig, change: Callable[[list[str]], list[str]]) -> list[str]:
    file = path(config)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sites = change(in_service(config))
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps({"in_service": sites}))
        temporary.replace(file)
    return sites


def start(config: LabConfig, site: str, *, beside: bool = False) -> list[str]:
    """Bring the reports into service at a site.

    :param beside: leave them in service where they are.
    :returns: sites that have them in service now.
    """
    return _change(config, lambda sites: [*(s for s in sites if beside and s != site), site])


def stop(config: LabConfig, site: str) -> list[str]:
    """Take the reports out of service at a site, also at a lost one.

    :returns: sites that have them in service now.
    """
    return _change(config, lambda sites: [s for s in sites if s != site])


def main(arguments: Sequence[str] | None = None) -> int:
    """``gi2ctl`` on the host of GI2.

    :returns: exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    beside = "--beside" in given
    words = [word for word in given if word != "--beside"]
    config = lab_config.load()
    if len(words) != 2 or words[0] not in {"start", "stop", "status"} or words[1] not in config.sites:
        print(f"usage: gi2ctl start [--beside]|stop|status {'|'.join(config.sites)}", file=sys.stderr)
        return WRONG_USE
    verb, site = words
    here = os.environ[HOST_VARIABLE].partition("/")[0]
    if verb != "status" and site != here:
        print(f"gi2ctl: GI2 of {site} is not installed on {here}-gim", file=sys.stderr)
        return WRONG_USE
    if verb == "start":
        start(config, site, beside=beside)
    elif verb == "stop":
        stop(config, site)
    found = site in in_service(config)
    print(f"GI2 of {site} is {'' if found else 'not '}in service")
    return DONE if found or verb == "stop" else NOT_IN_SERVICE


if __name__ == "__main__":
    raise SystemExit(main())
