"""Start one part of the lab: ``python -m infomart_lab.part <part> [<site>]``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

from infomart_lab import config as lab_config

#: Parts of a site (and the one of the whole lab) with their modules, as in docs/architecture.md.
PARTS = {
    "postgres": "postgres",
    "oracle": "oracle.server",
    "ssh": "host",
    "goldengate": "goldengate.manager",
    "genesys": "genesys",
    "icon": "icon",
    "links": "links",
}


def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(f"infomart_lab.{module}"), function or "main")


def main(arguments: list[str]) -> int:
    """Run a part until SIGTERM.

    :returns: exit code; 2 for an unknown part or site.
    """
    name, *rest = arguments or [""]
    site = rest[0] if rest else None
    if (name not in PARTS and name not in {"prepare", "supervisor"}) or site not in {None, *lab_config.SITES}:
        print(
            f"usage: python -m infomart_lab.part <{'|'.join(PARTS)}> [<{'|'.join(lab_config.SITES)}>]",
            file=sys.stderr,
        )
        return 2
    config = lab_config.load()
    if name == "supervisor":
        return _function("supervisor:main")(config)
    if name == "prepare":
        _function("site_setup:prepare")(config, site)
        return 0
    _function(PARTS[name])(config, site)
    return 0


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.stdout.flush()
    raise SystemExit(code)
