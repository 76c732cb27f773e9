"""Stand-in for a site's own check of the host's services: does the Info Mart Server start with the host?

``gimservice manual`` ends with 0 when a person starts it, with 3 when it starts automatically (fault
``<site>.gim_server.autostart``), with 1 for wrong use.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from infomart_lab import config as lab_config
from infomart_lab.config import HOST_VARIABLE

MANUAL, WRONG_USE, AUTOMATIC = 0, 1, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Print how the service of this host starts.

    :returns: exit code.
    """
    if list(sys.argv[1:] if arguments is None else arguments) != ["manual"]:
        print("usage: gimservice manual", file=sys.stderr)
        return WRONG_USE
    site = os.environ[HOST_VARIABLE].partition("/")[0]
    automatic = lab_config.fault(lab_config.load(), f"{site}.gim_server.autostart")
    print(f"start mode of the Info Mart Server at {site}: {'automatic' if automatic else 'manual'}")
    return AUTOMATIC if automatic else MANUAL


if __name__ == "__main__":
    raise SystemExit(main())
