"""Roles that a plan has made are known from its ledger, whatever the topology still says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from infomart_dr.evidence.service import current_roles, stale_roles, stopped_since
from infomart_dr.plan import facts


def topology(architecture: str = "active-standby", **roles: str) -> Any:
    sites = {name: SimpleNamespace(role=role) for name, role in roles.items()}
    return SimpleNamespace(architecture=architecture, sites=sites)


def plan(plan_id: str, sites: str, at: int | None, **more: str) -> list[dict[str, Any]]:
    noted = {facts.SITES.name: sites, **more}
    if at is not None:
        noted[facts.POINT_OF_NO_RETURN.name] = str(at)
    return [{"plan_id": plan_id, "name": name, "value": value} for name, value in noted.items()]


FAILOVER = plan("INC0077", "site1 -> site2", 2000, **{facts.SITE_FAILURE_CONFIRMED.name: "anna at noon"})


def test_a_failover_that_the_topology_does_not_know_is_found_with_the_roles_to_set() -> None:
    old = topology(site1="active", site2="standby")
    found = stale_roles(FAILOVER, old)
    assert found is not None and (found.plan_id, found.active) == ("INC0077", "site2")
    assert found.sentence(old) == (
        "Plan INC0077 made site2 active at 1970-01-01 00:33:20 UTC; the topology still says site1: active, "
        "site2: standby."
    )
    assert "Set sites.site1.role: failed, sites.site2.role: active" in found.remedy


@pytest.mark.parametrize("lost", ["failed", "new", "standby"])
def test_once_the_survivor_is_active_the_other_sites_role_may_change_on(lost: str) -> None:
    assert stale_roles(FAILOVER, topology(site1=lost, site2="active")) is None


def test_the_newest_move_counts_from_whichever_ledger_it_comes() -> None:
    back = plan("CHG-1", "site2 -> site1", 3000)
    assert stale_roles([*back, *FAILOVER], topology(site1="active", site2="standby")) is None
    found = stale_roles([*FAILOVER, *back], topology(site1="failed", site2="active"))
    assert found is not None and dict(found.wanted) == {"site2": "standby", "site1": "active"}


def test_a_plan_that_still_runs_or_has_moved_nothing_says_nothing() -> None:
    old = topology(site1="active", site2="standby")
    assert stale_roles(FAILOVER, old, running="INC0077") is None
    assert stale_roles(plan("CHG-2", "site1 -> site2", None), old) is None
    assert stale_roles(plan("CHG-3", "site8 -> site9", 5000), old) is None, "sites of an older topology"


def test_the_roles_as_they_are_are_those_of_the_newest_move_also_of_a_plan_that_still_runs() -> None:
    old = topology(site1="active", site2="standby", site3="new")
    assert current_roles(FAILOVER, old) == {"site1": "failed", "site2": "active", "site3": "new"}
    set_since = topology(site1="new", site2="active", site3="failed")
    assert current_roles(FAILOVER, set_since) == {"site1": "new", "site2": "active", "site3": "failed"}
    assert current_roles([], old) == {"site1": "active", "site2": "standby", "site3": "new"}


def test_of_two_active_sites_both_must_be_active() -> None:
    rows = plan("CHG-4", "site1 -> site2", 4000)
    assert stale_roles(rows, topology("active-active", site1="active", site2="active")) is None
    found = stale_roles(rows, topology("active-active", site1="active", site2="new"))
    assert found is not None and dict(found.wanted) == {"site1": "active", "site2": "active"}


def test_nobody_loads_from_the_stop_until_a_server_serves() -> None:
    stop = {facts.LOADING_STOPPED.name: "1500"}
    assert stopped_since(plan("CHG-1", "a -> b", None, **stop), "CHG-1") == 1500
    assert stopped_since(plan("CHG-1", "a -> b", 1600, **stop), "CHG-1") is None
    assert stopped_since(plan("CHG-1", "a -> b", None, **stop), "CHG-2") is None
    assert stopped_since(plan("CHG-1", "a -> b", None), "CHG-1") is None
