"""Direction of replication in a plan."""

from __future__ import annotations

from typing import Literal

from infomart_dr.topology import SiteRole

#: Direction of replication in this plan, by the role of the site whose changes are captured.
Direction = Literal["to_target", "to_source"]


def ends(direction: Direction) -> tuple[SiteRole, SiteRole]:
    """Roles of the capturing and the applying site."""
    return ("source", "target") if direction == "to_target" else ("target", "source")
