"""High-water marks of a site compared with a moment: the data sources that are past it, and those that need not be."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from infomart_dr import times
from infomart_dr.deployment import Deployment
from infomart_dr.errors import GuardError
from infomart_dr.evidence.high_water_marks import Marks, against, lowest, with_calls
from infomart_dr.plan.step import Observation, Step
from infomart_dr.topology import SiteRole, Topology
from infomart_dr.values import Row

if TYPE_CHECKING:
    from infomart_dr.hooks.oracle import InfoMartOracleHook


def nothing_beyond(
    topology: Topology, oracle: Callable[[str], InfoMartOracleHook], sites: Iterable[str], key: int, mark: int
) -> bool:
    """No IDB of a data source holds a call beyond its mark; false unless each of them can be asked.

    :param oracle: hook of a connection.
    :param sites: sites whose IDBs are asked, without lost ones: calls that only those hold cannot be extracted.
    """
    asked = False
    for name in sites:
        for idb in topology.site(name).idbs:
            if idb.data_source_key != key:
                continue
            if idb.schema_name is None:
                return False
            if int(oracle(idb.connection).value("idb_calls_above", {"schema": idb.schema_name}, low=mark)):
                return False
            asked = True
    return asked


def marks(step: Step, role: SiteRole, since: int) -> Marks:
    """High-water marks of a site, by data source, compared with a moment.

    The mark of a data source without new calls does not move. Where its IDB can be asked, it counts as idle.

    :param since: epoch seconds.
    """
    rows = step.at(role).info_mart.select("hwm", {"schema": step.schema})
    lost = [name for name in step.topology.sites if is_lost(step, name)]
    return judged(step.topology, lambda connection: step.oracle(connection), rows, step.at(role).name, since, lost)


def judged(
    topology: Topology,
    oracle: Callable[[str], InfoMartOracleHook],
    rows: Iterable[Row],
    site: str,
    since: int,
    lost: Collection[str],
    keys: Collection[int] | None = None,
) -> Marks:
    """High-water marks compared with a moment, from rows of the statement ``hwm``.

    :param oracle: hook of a connection, for the IDBs.
    :param site: the site that the rows are of.
    :param lost: lost sites, which are not asked.
    :param keys: the data sources to judge; None: all.
    """
    rows = [row for row in rows if keys is None or int(row["data_source_key"]) in keys]
    sites = [name for name in dict.fromkeys([site, *topology.sites]) if name not in lost]
    return against(
        lowest(rows),
        since,
        _sources_of(topology, lost),
        with_calls(rows),
        lambda key, mark: nothing_beyond(topology, oracle, sites, key, mark),
    )


def _sources_of(topology: Topology, sites: Collection[str]) -> set[int]:
    """Data sources whose T-Server is at one of these sites."""
    return {
        idb.data_source_key
        for name, site in topology.sites.items()
        for idb in site.idbs
        if (idb.source_site or name) in sites
    }


def is_lost(step: Step, site: str) -> bool:
    """The site is lost, by the topology or by the running failover."""
    return step.topology.site(site).role == "failed" or (step.failover and site == step.at("source").name)


def high_water_mark_moved(step: Step, role: SiteRole, since: int) -> Observation:
    """Probe: the high-water marks of a site are past a moment (epoch seconds), so extraction works."""
    found = marks(step, role, since)
    if not found.passed:
        what = f"{'; '.join(found.behind) or 'no marks'}{found.others()}"
        return Observation(False, f"high-water marks at {step.at(role).name}: {what}")
    what = f"{len(found.moved)} high-water mark(s) at {step.at(role).name} moved past the start{found.others()}"
    return Observation(True, what)


def marks_passed(deployment: Deployment, site: str, since: int, data_sources: Sequence[int] = ()) -> Observation:
    """Probe: the high-water marks of a site have passed a moment.

    :param site: empty: the active site.
    :param since: epoch seconds.
    :param data_sources: keys of the data sources to judge; empty: all that have a mark.
    """
    topology = deployment.topology
    site = site or topology.active_site
    moment = times.shown(since)
    topology.site(site)
    if time.time() <= since:
        # An empty IDB says nothing about the calls that come before the moment.
        return Observation(False, f"high-water marks at {site}: {moment} is in the future")
    lost = [name for name, each in topology.sites.items() if each.role == "failed"]
    if site in lost:
        raise GuardError(
            f"{site} has the role failed in the topology: its high-water marks cannot be read.",
            "Give the serving site, or correct the role in the topology.",
        )
    rows = deployment.info_mart(site).select("hwm", {"schema": topology.info_mart.schema_name})
    found = judged(topology, deployment.oracle, rows, site, since, lost, set(data_sources) or None)
    details = {"site": site, "moved": found.moved, "idle": found.idle, "lost": found.lost, "behind": found.behind}
    # A data source that was asked for must be judged, whatever its kind.
    missing = sorted(set(data_sources) - set(lowest(rows)))
    unjudged = found.unknown if data_sources else []
    waits = [
        *found.behind,
        *(f"data source {key}: no mark" for key in missing),
        *(f"data source {key}: not past it, and without calls nobody can tell whether it is idle" for key in unjudged),
    ]
    if waits or not found.passed:
        return Observation(
            False, f"high-water marks at {site}, to pass {moment}: {'; '.join(waits) or 'no marks'}", details
        )
    return Observation(
        True, f"high-water marks at {site} have passed {moment}: {len(found.moved)} moved{found.others()}", details
    )
