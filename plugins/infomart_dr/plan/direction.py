"""Direction of replication in a plan."""

from __future__ import annotations

from typing import Literal

from infomart_dr.plan.step import SiteRole

#: Direction of replication in this plan, by the role of the site whose changes are captured.
Direction = Literal["reverse", "forward"]


def ends(direction: Direction) -> tuple[SiteRole, SiteRole]:
    """Roles of the capturing and the applying site: reverse runs source -> target, forward target -> source."""
    return ("source", "target") if direction == "reverse" else ("target", "source")


def both() -> tuple[SiteRole, SiteRole]:
    """Both roles."""
    return "source", "target"
