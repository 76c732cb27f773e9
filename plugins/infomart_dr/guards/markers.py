"""The life of a marker: a row that is written at one site, arrives at another, and is removed only after that.

Each marker is an insert with an id of its own, never an update: an update of a row that the target lacks would stop
the Replicat. While a plan holds the lock, no marker is written or removed: the plan may copy the target again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import SupportsInt

from infomart_dr.deployment import Deployment
from infomart_dr.errors import GuardError, InfoMartError, code_of
from infomart_dr.evidence.watch_store import is_no_table
from infomart_dr.guards.replication import arrival
from infomart_dr.hooks.goldengate_parameters import has_tags
from infomart_dr.plan.lock import Holder, PlanLock
from infomart_dr.plan.step import Observation
from infomart_dr.values import JsonObject

log = logging.getLogger(__name__)

_DUPLICATE = "ORA-00001"


def is_at(deployment: Deployment, site: str, marker: str) -> Observation:
    """Probe: a marker that somebody wrote is at a site.

    :param marker: its complete id.
    """
    schema = deployment.site(site).goldengate.schema_name
    try:
        rows = deployment.goldengate_database(site).select("marker_get", {"schema": schema}, marker_id=marker)
    except InfoMartError as error:
        raise _typed(error, site) from error
    if not rows:
        return Observation(False, f"the marker {marker} is not at {site}", {"site": site, "marker": marker})
    details = {"site": site, "marker": marker, "source": rows[0]["site"], "scn": _number(rows[0]["scn"])}
    return Observation(True, f"the marker {marker} of {rows[0]['site']} is at {site}", details)


def caught_up(deployment: Deployment, source: str, target: str, key: str) -> Observation:
    """Probe: all changes that a site committed before its marker are at another site.

    Writes the marker where there is none, and removes it after it has arrived.

    :param source: empty: the active site.
    :param target: empty: the new site, else the standby.
    :param key: begin of the marker's id; the same in every try of the same task.
    """
    pair = deployment.topology.pair(source or None, target or None)
    source, target = pair.source, pair.target
    begin = f"{key}:"
    written = _written(deployment, source, source, begin)
    plan = _plan(deployment, source, target)
    if not written:
        marker = None if plan else _write(deployment, source, begin)
        if marker is None:
            return _under(plan or _plan(deployment, source, target), source, target, None)
        written = {marker}
    newest = max(written, key=_scn)
    details = {"source": source, "target": target, "marker": newest, "scn": _scn(newest)}
    # Only the newest counts: an older one is from an earlier wait whose removal failed.
    there = _written(deployment, target, source, begin)
    if newest not in there and plan:
        # A running plan may have stopped replication on purpose.
        return _under(plan, source, target, details)
    seen = arrival(
        deployment.at(source),
        deployment.at(target),
        newest in there,
        f"Set up replication from {source} to {target} (infomart_setup_replication), or give two replicated sites.",
    )
    if seen.satisfied and not plan:
        _remove(deployment, source, target, written & there)
    return Observation(seen.satisfied, f"{seen.summary}, SCN {_scn(newest)} of {source}", seen.details | details)


def _number(value: SupportsInt | None) -> int | None:
    return None if value is None else int(value)


def _scn(marker: str) -> int:
    return int(marker.rpartition(":")[2])


def _typed(error: InfoMartError, site: str) -> InfoMartError:
    if not is_no_table(error):
        return error
    return GuardError(
        f"There is no marker table at {site}.",
        "Run infomart_setup_replication: it creates the table and adds it to the parameter files.",
    )


def _written(deployment: Deployment, site: str, writer: str, begin: str) -> set[str]:
    """Ids of the markers at a site that a writer, this site or another, wrote."""
    schema = deployment.site(site).goldengate.schema_name
    try:
        rows = deployment.goldengate_database(site).select(
            "markers", {"schema": schema}, site=writer, pattern=f"{begin}%"
        )
    except InfoMartError as error:
        raise _typed(error, site) from error
    # In LIKE, _ stands for any character.
    found = {str(row["marker_id"]) for row in rows}
    return {marker for marker in found if marker.startswith(begin) and marker[len(begin) :].isdecimal()}


def _plan(deployment: Deployment, source: str, target: str) -> Holder | None:
    """The plan that holds the lock; a failover's lock is at the survivor."""
    return PlanLock.at(deployment, source).holder() or PlanLock.at(deployment, target).holder()


def _under(plan: Holder | None, source: str, target: str, details: JsonObject | None) -> Observation:
    name = f"plan {plan.plan_id}" if plan else "a plan"
    what = "has not arrived" if details else "is not written yet"
    return Observation(
        False,
        f"the marker from {source} to {target} {what}: {name} is running and may stop replication",
        details or {"source": source, "target": target},
    )


def _write(deployment: Deployment, source: str, begin: str) -> str | None:
    """Write a marker; None: a plan has taken the lock in the meantime."""
    settings, topology = deployment.site(source).goldengate, deployment.topology
    scn = int(deployment.dba(source).value("current_scn"))
    marker = f"{begin}{scn}"
    # Before 12c the Extract skips all changes by GoldenGate's own user.
    hook = deployment.goldengate_database(source) if has_tags(settings) else deployment.dba(source)
    try:
        with hook.transaction() as session:
            if PlanLock(session, settings.schema_name, topology.name).holder() is not None:
                return None
            session.execute("marker_put", {"schema": settings.schema_name}, marker_id=marker, site=source, scn=scn)
    except InfoMartError as error:
        # An earlier try wrote it, and its answer was lost.
        if code_of(error) != _DUPLICATE:
            raise _typed(error, source) from error
    log.info("act: marker %s written at %s", marker, source)
    return marker


def _remove(deployment: Deployment, source: str, target: str, markers: Collection[str]) -> None:
    """Remove markers that have arrived; one that stays is harmless, so a failure here is only logged."""
    # From 12c on GoldenGate replicates the removal; before 12c it skips the changes by its own user.
    carried = has_tags(deployment.site(source).goldengate)
    for site in (source,) if carried else (source, target):
        schema = deployment.site(site).goldengate.schema_name
        try:
            with deployment.goldengate_database(site).transaction() as session:
                for marker in sorted(markers):
                    session.execute("marker_forget", {"schema": schema}, marker_id=marker)
        except InfoMartError as error:
            log.warning("Markers not removed at %s (harmless): %s: %s", site, ", ".join(sorted(markers)), error)
            return
