"""High-water marks of a site against a moment: which data sources are past it, and which need not be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from infomart_dr.evidence.high_water_marks import Marks, against, lowest, with_calls
from infomart_dr.plan.step import Seen, Step
from infomart_dr.topology import SiteRole

if TYPE_CHECKING:
    from infomart_dr.topology import Topology


def nothing_beyond(topology: Topology, oracle: Callable[[str], Any], sites: Iterable[str], key: int, mark: int) -> bool:
    """Whether no IDB of a data source holds a call beyond its mark; false unless each of them can be asked.

    :param oracle: hook of a connection.
    :param sites: whose IDBs are asked; no lost one: what only it holds cannot be extracted.
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
    """High-water marks of a site, by data source, against a moment.

    A data source without calls never moves its mark: where an IDB can be asked, it tells.

    :param since: epoch seconds.
    """
    rows = step.info_mart(role).select("hwm", {"schema": step.schema})
    return against(
        lowest(rows),
        since,
        lost_sources(step),
        with_calls(rows),
        lambda key, mark: is_idle(step, role, key, mark),
    )


def is_lost(step: Step, site: str) -> bool:
    """Whether a site is lost, by the topology or by the failover that runs."""
    return step.topology.site(site).role == "failed" or (step.failover and site == step.name("source"))


def lost_sources(step: Step) -> set[int]:
    """Data sources whose T-Server stood at a lost site."""
    found = set()
    for name, site in step.topology.sites.items():
        found |= {idb.data_source_key for idb in site.idbs if is_lost(step, idb.source_site or name)}
    return found


def is_idle(step: Step, role: SiteRole, key: int, mark: int) -> bool:
    """Whether no IDB of a data source holds a call beyond its mark; false where none can be asked.

    Of a lost site nothing is asked: what only it holds cannot be extracted.
    """
    sites = [name for name in dict.fromkeys([step.name(role), *step.topology.sites]) if not is_lost(step, name)]
    return nothing_beyond(step.topology, step.oracle, sites, key, mark)


def high_water_mark_moved(step: Step, role: SiteRole, since: int) -> Seen:
    """Probe: high-water marks of a site lie beyond a moment (epoch seconds): extraction works."""
    found = marks(step, role, since)
    if not found.passed:
        what = f"{'; '.join(found.behind) or 'no rows'}{found.others()}"
        return Seen(False, f"high-water marks at {step.name(role)}: {what}")
    what = f"{len(found.moved)} high-water mark(s) at {step.name(role)} moved past the start{found.others()}"
    return Seen(True, what)
