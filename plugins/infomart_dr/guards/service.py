"""The site that serves by the procedures' own record, asked at every site that answers."""

from __future__ import annotations

from contextlib import suppress

from infomart_dr.deployment import Deployment
from infomart_dr.errors import InfoMartError
from infomart_dr.evidence.service import StaleRoles, binds, stale_roles
from infomart_dr.plan.lock import PlanLock
from infomart_dr.values import Row


def stale(deployment: Deployment, sites: tuple[str, ...]) -> StaleRoles | None:
    """Roles that a plan has made and the topology does not have; None: none, or no ledger could be read."""
    topology, rows, running = deployment.topology, list[Row](), None
    for name in sites:
        schema = deployment.site(name).goldengate.schema_name
        # A site without an answer is reported by the checks of reach.
        with suppress(InfoMartError):
            hook = deployment.goldengate_database(name)
            if not hook.value("table_exists", owner=schema, table_name="DR_LEDGER"):
                continue
            rows += hook.select("ledger_measured", {"schema": schema}, deployment=topology.name, **binds())
            if holder := PlanLock(hook, schema, topology.name).holder():
                running = holder.plan_id
    return stale_roles(rows, topology, running)
