"""The life of a marker: a row that is written at one site, seen at another, and removed only when it was seen there.

Each marker is an insert with an id of its own, never an update: a row that is not at the target would stop the
Replicat. None is written and none removed while a plan holds the lock: the plan may copy the target anew.
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

    :param marker: its whole id.
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
    """Probe: what was committed at a site before its marker was written is at another site.

    Writes the marker where there is none, and removes it when it has arrived.

    :param source: empty: the active site.
    :param target: empty: the new site, else the standby.
    :param key: what the marker's id begins with; the same in every try of whoever asks.
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
    # The newest alone counts: an older one is of an earlier wait, whose removal failed.
    there = _written(deployment, target, source, begin)
    if newest not in there and plan:
        # What a plan under way stops is not judged.
        return _under(plan, source, target, details)
    goldengate = deployment.site(target).goldengate
    seen = arrival(
        deployment.ggsci(target),
        goldengate.groups.replicat,
        newest in there,
        source,
        target,
        f"Set replication from {source} to {target} up (infomart_setup_replication), or give the sites it is for.",
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
        "infomart_setup_replication makes it, and the parameter files that carry it.",
    )


def _written(deployment: Deployment, site: str, writer: str, begin: str) -> set[str]:
    """Ids of the markers at a site that another one, or itself, wrote."""
    schema = deployment.site(site).goldengate.schema_name
    try:
        rows = deployment.goldengate_database(site).select(
            "markers", {"schema": schema}, site=writer, pattern=f"{begin}%"
        )
    except InfoMartError as error:
        raise _typed(error, site) from error
    # LIKE takes _ for any character.
    found = {str(row["marker_id"]) for row in rows}
    return {marker for marker in found if marker.startswith(begin) and marker[len(begin) :].isdigit()}


def _plan(deployment: Deployment, source: str, target: str) -> Holder | None:
    """The plan that holds the lock; a failover's stands at the survivor."""
    return PlanLock.at(deployment, source).holder() or PlanLock.at(deployment, target).holder()


def _under(plan: Holder | None, source: str, target: str, details: JsonObject | None) -> Observation:
    name = f"plan {plan.plan_id}" if plan else "a plan"
    what = "has not arrived" if details else "is not written yet"
    return Observation(
        False,
        f"the marker from {source} to {target} {what}: {name} is under way and may stop replication",
        details or {"source": source, "target": target},
    )


def _write(deployment: Deployment, source: str, begin: str) -> str | None:
    """Write a marker; None: a plan has taken the lock meanwhile."""
    settings, topology = deployment.site(source).goldengate, deployment.topology
    scn = int(deployment.dba(source).value("current_scn"))
    marker = f"{begin}{scn}"
    # Before 12c the Extract leaves out whatever GoldenGate's own user writes.
    hook = deployment.goldengate_database(source) if has_tags(settings) else deployment.dba(source)
    try:
        with hook.transaction() as session:
            if PlanLock(session, settings.schema_name, topology.name).holder() is not None:
                return None
            session.execute("marker_put", {"schema": settings.schema_name}, marker_id=marker, site=source, scn=scn)
    except InfoMartError as error:
        # Of an earlier question whose answer was lost.
        if code_of(error) != _DUPLICATE:
            raise _typed(error, source) from error
    log.info("act: marker %s written at %s", marker, source)
    return marker


def _remove(deployment: Deployment, source: str, target: str, markers: Collection[str]) -> None:
    """Remove markers that have arrived; what is left behind is harmless, and no reason to fail."""
    # From 12c on GoldenGate carries the removal to the target; before, it leaves out what its own user does.
    carried = has_tags(deployment.site(source).goldengate)
    for site in (source,) if carried else (source, target):
        schema = deployment.site(site).goldengate.schema_name
        try:
            with deployment.goldengate_database(site).transaction() as session:
                for marker in sorted(markers):
                    session.execute("marker_forget", {"schema": schema}, marker_id=marker)
        except InfoMartError as error:
            log.warning("Not removed at %s, which is harmless: %s: %s", site, ", ".join(sorted(markers)), error)
            return
