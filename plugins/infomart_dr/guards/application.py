"""Application objects: their wanted state, their real state, and the differences between two servers' objects."""

from __future__ import annotations

from infomart_dr.hooks.configuration import Application, Change, differences
from infomart_dr.hooks.goldengate_parameters import three_parts
from infomart_dr.plan.step import Observation, Step
from infomart_dr.topology import SiteRole


def option(section: str, name: str, value: str) -> Change:
    """A change of one option of the Info Mart's Application object."""
    return Change(options={section: {name: value}})


def move_to(step: Step, role: SiteRole, *, scheduler: bool) -> Change:
    """The change that makes the Application object run at a site: host, command line, DAPs (guide:1115).

    :param scheduler: the server may run ETL jobs as soon as it starts.
    """
    here, there = step.at(role).settings, step.at(step.pair.other(role)).settings
    return Change(
        host=here.info_mart_server.host_object,
        command_line=here.info_mart_server.command_line,
        connect=[here.info_mart_server.dap, *collecting_objects(step, role)],
        disconnect=[there.info_mart_server.dap],
        options={"schedule": {"run-scheduler": "true" if scheduler else "false"}},
    )


def collecting_objects(step: Step, role: SiteRole) -> list[str]:
    """DAPs of a site's IDBs, and ICONs that write them or collect from the site's data sources (guide:1118)."""
    here = step.at(role).name
    found = {idb.dap for idb in step.at(role).settings.idbs}
    for name, site in step.topology.sites.items():
        found |= {idb.icon for idb in site.idbs if idb.icon and here in (name, idb.source_site or name)}
    return sorted(found)


def configured(step: Step, role: SiteRole, name: str, change: Change) -> Observation:
    """An Application object compared with the change that it must show."""
    left = differences(step.at(role).configuration.read(name), change)
    if left:
        return Observation(False, f"{name} is not yet as required: {'; '.join(map(str, left))}")
    return Observation(True, f"{name} is as required")


def application_host(step: Step, role: SiteRole) -> str | None:
    """Host property of the Application object; None where only a person can read it."""
    if step.at(role).settings.configuration.backend == "manual":
        return None
    return step.at(role).configuration.read(step.at(role).application).host


def lost_objects(step: Step) -> list[str]:
    """DAPs of the IDBs at the lost site, and ICONs that collect from data sources there."""
    lost = step.at("source").name
    found = [idb.dap for idb in step.at("source").settings.idbs]
    for name, site in step.topology.sites.items():
        found += [idb.icon for idb in site.idbs if idb.icon and (idb.source_site or name) == lost]
    return sorted(set(found))


def survivor_changes(step: Step) -> dict[str, Change]:
    """Changes by Application object: they ignore the lost site, and move the server to the survivor where needed."""
    lost = lost_objects(step)
    can_disable = three_parts(step.topology.info_mart.release) >= (8, 1, 2)
    dropped = [] if can_disable else lost
    here, there = step.at("target").settings.info_mart_server, step.at("source").settings.info_mart_server
    if step.topology.architecture == "active-active":
        main = Change(disconnect=dropped)
    else:
        main = Change(
            host=here.host_object,
            command_line=here.command_line,
            connect=[here.dap, *(name for name in collecting_objects(step, "target") if name not in lost)],
            disconnect=[there.dap, *dropped],
        )
    changes = {step.at("target").application: main}
    if can_disable:
        changes |= {name: Change(enabled=False) for name in lost}
    return changes


def own_access_points(step: Step) -> set[str]:
    """Info Mart DAPs of all sites: the one connection in which the two servers' objects must differ."""
    return {site.info_mart_server.dap for site in step.topology.sites.values()}


def configuration_differences(step: Step, one: Application, other: Application) -> list[str]:
    """Differences of two servers' objects, without those in name, host, command line and Info Mart."""
    own = own_access_points(step)
    found = [
        f"only {one.name if name in one.connections else other.name} is connected to {name}"
        for name in sorted(set(one.connections) ^ set(other.connections))
        if name not in own
    ]
    for section in sorted(set(one.options) | set(other.options)):
        here, there = one.options.get(section, {}), other.options.get(section, {})
        found += [
            f"[{section}] {name}: {here.get(name)!r} and {there.get(name)!r}"
            for name in sorted(set(here) | set(there))
            if here.get(name) != there.get(name)
        ]
    return found
