"""Stand-in for ``impdp``: ``python -m infomart_lab.datapump.impdp system parfile=...``."""

from __future__ import annotations

import sys

from infomart_lab.datapump import client


def main() -> int:
    """Run with the words of ``sys.argv``."""
    return client.run("IMPORT", sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
