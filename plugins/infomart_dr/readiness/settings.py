"""Settings of the topology, held against the dictionary, the Application objects and the high-water marks."""

from __future__ import annotations

from infomart_dr.guards import settings
from infomart_dr.readiness.context import CheckContext
from infomart_dr.readiness.report import Check, Verdict, faults, not_checked, of_faults
from infomart_dr.topology import SiteRole

_MANUAL = "a person changes Application objects here (configuration.backend is manual)"


def _by_hand(context: CheckContext, role: SiteRole) -> bool:
    return context.step.at(role).settings.configuration.backend == "manual"


def _partitioned(context: CheckContext, role: SiteRole) -> Verdict:
    said = "partitioned" if context.step.topology.info_mart.partitioned else "not partitioned"
    return of_faults(settings.partitioned_faults(context.step, role), f"the Info Mart is {said}, as the topology says")


def _stuck_threshold(context: CheckContext, role: SiteRole) -> Verdict:
    if _by_hand(context, role):
        return not_checked(_MANUAL, "Compare info_mart.stuck_threshold with [gim-etl] extract-data-stuck-threshold.")
    fine = f"no other value than {context.step.topology.info_mart.stuck_threshold} s is set"
    return of_faults(settings.stuck_threshold_faults(context.step, role), fine)


def _data_sources(context: CheckContext, role: SiteRole) -> Verdict:
    fine = "every data source of the Info Mart is in the topology and has IDBs at two sites"
    return of_faults(settings.data_source_faults(context.step, role), fine)


def _extraction(context: CheckContext, role: SiteRole) -> Verdict:
    if _by_hand(context, role):
        return not_checked(_MANUAL, "Check that the server is connected to the DAP and ICON of every IDB.")
    fine = f"{context.step.at(role).application} is connected to the DAP and ICON of every IDB"
    return of_faults(settings.extraction_faults(context.step, role), fine)


def _idb_listeners(context: CheckContext, role: SiteRole) -> Verdict:
    step = context.step
    host = step.at(role).settings.info_mart_server.host
    return faults(
        (f"{each} gives {host} no answer" for each in settings.unreachable_idbs(step, role)),
        f"the listeners of all IDBs answer {host}",
        "Open the way, or start the listener: a server on this host could not extract from these IDBs.",
        "warning",
    )


PARTITIONED = Check(
    "partitioned",
    "info_mart.partitioned says what DBA_TABLES says",
    _partitioned,
    needs=("dba_connection",),
)
STUCK_THRESHOLD = Check(
    "stuck_threshold",
    "info_mart.stuck_threshold is the Application object's extract-data-stuck-threshold",
    _stuck_threshold,
    needs=("configuration",),
)
DATA_SOURCES = Check(
    "data_sources",
    "The data sources of CTL_EXTRACT_HWM are in the topology; each has an IDB at two sites",
    _data_sources,
    needs=("info_mart_connection",),
)
EXTRACTION = Check(
    "extraction",
    "The serving server is connected to the DAP and ICON of every IDB, and none is disabled",
    _extraction,
    needs=("configuration",),
)
IDB_LISTENERS = Check(
    "idb_listeners",
    "The listeners of all IDBs answer the Info Mart Server's host",
    _idb_listeners,
    needs=("server_host",),
    behind=("dba_connection", "idb_connections"),
)
