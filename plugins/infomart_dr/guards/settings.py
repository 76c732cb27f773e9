"""Settings of the topology that decide what a procedure does, held against the systems that they describe."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from infomart_dr.errors import PermanentError
from infomart_dr.guards import fencing
from infomart_dr.guards.application import collecting_objects
from infomart_dr.guards.faults import Fault
from infomart_dr.hooks.configuration import DISABLED
from infomart_dr.hooks.connections import connection
from infomart_dr.plan.step import Step
from infomart_dr.text import sorted_names
from infomart_dr.times import span
from infomart_dr.topology import SiteRole

#: A data source whose mark lies further behind the newest one than this is no longer in use: seconds.
IN_USE = 14 * 86400
_SECTION, _THRESHOLD = "gim-etl", "extract-data-stuck-threshold"


def partitioned_faults(step: Step, role: SiteRole) -> Iterator[Fault]:
    """``info_mart.partitioned`` compared with DBA_TABLES of a site.

    Job_MaintainGIM runs for a partitioned Info Mart only (guide, Disaster Recovery with GoldenGate, 4 and 8).
    """
    rows = step.at(role).dba.select("tables", owner=step.schema)
    found = [str(row["table_name"]) for row in rows if row["partitioned"] == "YES"]
    where = f"{step.schema} at {step.at(role).name}"
    if found and not step.topology.info_mart.partitioned:
        yield Fault(
            f"{where} has {len(found)} partitioned table(s) ({sorted_names(found, 3)}), and info_mart.partitioned is "
            "false",
            "Set info_mart.partitioned: true. Without Job_MaintainGIM a server that takes over has no partitions to "
            "load into.",
        )
    elif rows and not found and step.topology.info_mart.partitioned:
        yield Fault(
            f"{where} has no partitioned table, and info_mart.partitioned is true",
            "Set info_mart.partitioned: false. A run would hold the scheduler for Job_MaintainGIM.",
            stops=False,
        )


def _is_number(text: str) -> bool:
    return text.strip().isdecimal() and len(text) < 20


def stuck_threshold_faults(step: Step, role: SiteRole) -> Iterator[Fault]:
    """``info_mart.stuck_threshold`` compared with the Application object; without the option nothing is known."""
    application = step.at(role).configuration.read(step.at(role).application)
    text = application.options.get(_SECTION, {}).get(_THRESHOLD)
    wanted = step.topology.info_mart.stuck_threshold
    if text is None or (_is_number(text) and int(text) == wanted):
        return
    shown = f"{text} s ({span(int(text))})" if _is_number(text) else repr(text)
    yield Fault(
        f"[{_SECTION}] {_THRESHOLD} of {application.name} is {shown}, and info_mart.stuck_threshold is {wanted} s",
        "Set info_mart.stuck_threshold to the object's value: infomart_watch computes the time left of an outage.",
        stops=False,
    )


def data_source_faults(step: Step, role: SiteRole) -> Iterator[Fault]:
    """Data sources that the Info Mart extracts, compared with the topology's IDBs; sources with a single IDB.

    :param role: the site whose Info Mart is asked.
    """
    sites: dict[int, list[str]] = {}
    for name, site in step.topology.sites.items():
        for idb in site.idbs:
            sites.setdefault(idb.data_source_key, []).append(name)
    marks: dict[int, int] = {}
    for row in step.at(role).info_mart.select("hwm", {"schema": step.schema}):
        key = int(row["data_source_key"])
        marks[key] = max(marks.get(key, 0), int(row["max_ts"] or 0))
    newest = max(marks.values(), default=0)
    unknown = [str(key) for key, mark in sorted(marks.items()) if key not in sites and newest - mark < IN_USE]
    if unknown:
        yield Fault(
            f"the Info Mart at {step.at(role).name} extracts data source(s) {', '.join(unknown)}, and the topology has "
            "no IDB of them",
            "Add their IDBs to the topology. Otherwise a run neither holds their purge nor counts their calls.",
            stops=False,
        )
    for key, names in sorted(sites.items()):
        if len(set(names)) == 1:
            yield Fault(
                f"data source {key} has an IDB at {names[0]} only",
                f"Deploy the HA pair's second ICON with an IDB at another site. Otherwise the loss of {names[0]} loses "
                "all that is not extracted of it.",
                stops=False,
            )


def extraction_faults(step: Step, role: SiteRole) -> Iterator[Fault]:
    """IDBs that the server of a site would not read: no connection to the DAP or ICON, or a disabled object.

    :param role: the site whose Application object is asked.
    """
    backend = step.at(role).configuration
    application = backend.read(step.at(role).application)
    roles: list[SiteRole] = [each for each in ("source", "target") if step.at(each).settings.role != "new"]
    wanted = sorted(set(chain.from_iterable(collecting_objects(step, each) for each in roles)))
    missing = [name for name in wanted if name not in application.connections]
    if missing:
        yield Fault(
            f"{application.name} is not connected to {sorted_names(missing)}",
            "Add the connections, or correct the topology: the server does not read these IDBs.",
            stops=False,
        )
    disabled = []
    for name in wanted:
        try:
            state = backend.read(name).state
        except PermanentError as error:
            yield Fault(f"{name}: {error.what.rstrip('.')}", "Create the object, or correct the topology.", stops=False)
            continue
        if state == DISABLED:
            disabled.append(name)
    if disabled:
        yield Fault(
            f"{sorted_names(disabled)}: disabled",
            "Enable the object(s): the server ignores what is disabled.",
            stops=False,
        )


def unreachable_idbs(step: Step, role: SiteRole) -> list[str]:
    """Listeners of IDBs that do not answer the Info Mart Server's host of a site; failed sites have none."""
    endpoints: dict[tuple[str, int], fencing.Endpoint] = {}
    here = step.at(role).name
    for name, site in step.topology.sites.items():
        database = connection(site.database.dba_connection)
        # The topology says how hosts of another site reach the site's own listener.
        way = step.topology.reach(site.database.host, here) if name != here else None
        for idb in site.idbs if site.role != "failed" else ():
            found = connection(idb.connection)
            host, port = found.host, int(found.port or 1521)
            if way is not None and (found.host, found.port) == (database.host, database.port):
                host, port = way.address, way.listener_port or port
            endpoints.setdefault((host, port), fencing.Endpoint(f"listener of {idb.name}", host, port))
    targets = list(endpoints.values())
    if not targets:
        return []
    states = fencing.probe_from(step.at(role).host("gim"), targets, step.topology.fencing.timeout)
    return [str(target) for target, state in zip(targets, states, strict=True) if state not in ("answers", "open")]
