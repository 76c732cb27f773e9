"""Stand-in for a site's own command: ``purgectl hold|release|state ICON_TS2``.

Exit codes: 0 done, or enabled; 1 wrong use; 3 held; 4 a purge runs now. It imports nothing of the lab: that would cost
each call a third of a second.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

DONE, WRONG_USE, HELD, RUNNING = 0, 1, 3, 4


def switch_path(home: Path, schema: str, what: str) -> Path:
    """File in a host's home that says that the site's own purge of an IDB is ``held``, or ``running``."""
    return home / f"purge-{schema.lower()}.{what}"


def main(arguments: Sequence[str] | None = None) -> int:
    """``purgectl`` on the database host.

    :returns: exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if len(given) != 2 or given[0] not in {"hold", "release", "state"} or not re.fullmatch(r"ICON_\w+", given[1]):
        print("usage: purgectl hold|release|state SCHEMA", file=sys.stderr)
        return WRONG_USE
    verb, schema = given
    home = Path(os.environ["HOME"])
    held = switch_path(home, schema, "held")
    if verb == "hold":
        held.touch()
        return DONE
    if verb == "release":
        held.unlink(missing_ok=True)
        return DONE
    if switch_path(home, schema, "running").exists():
        print("running")
        return RUNNING
    print("held" if held.exists() else "enabled")
    return HELD if held.exists() else DONE


if __name__ == "__main__":
    raise SystemExit(main())
