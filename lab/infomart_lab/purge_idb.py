"""Stand-in for the script that a customer's cron starts: ``purge_idb ICON_TS2`` purges one IDB of this site."""

from __future__ import annotations

import os
import sys

from infomart_lab import config as lab_config
from infomart_lab import life, purge
from infomart_lab.config import HOST_VARIABLE


def main() -> int:
    """Purge, and end.

    :returns: exit code: 0 done, 1 wrong use.
    """
    config = lab_config.load()
    site = os.environ[HOST_VARIABLE].partition("/")[0]
    schemas = [source.schema_name for source in config.data_sources if site in source.idb_sites]
    if len(sys.argv) != 2 or sys.argv[1] not in schemas:
        print(f"usage: purge_idb {'|'.join(schemas)}", file=sys.stderr)
        return 1
    life.follow_supervisor(config)
    purge.delete_old(config, site, sys.argv[1])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
