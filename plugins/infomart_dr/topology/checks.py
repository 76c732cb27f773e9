"""Checks across the fields of a topology: names that must exist elsewhere, values that must differ or agree."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from infomart_dr.topology.goldengate import AliasLogin
from infomart_dr.topology.hosts import Host
from infomart_dr.topology.idbs import CommandJob, CronJob
from infomart_dr.topology.sites import Architecture, Site


def wrong_references(architecture: Architecture, hosts: Mapping[str, Host], sites: Mapping[str, Site]) -> Iterator[str]:
    """The mistakes, each with its field, the value found and the allowed values."""
    yield from _split_purge_jobs(sites)
    for name, site in sites.items():
        yield from _wrong_hosts(name, site, hosts)
        yield from _used_twice(name, site)
        yield from _wrong_capture(name, site)
        if architecture == "active-standby":
            yield from _wrong_trails(name, site, sorted(set(sites) - {name}))
        yield from _old_database(name, site)
        yield from _wrong_container(name, site)
        yield from _wrong_idbs(name, site, hosts, sites)
        yield from _wrong_application(name, site, architecture)
    active = [name for name, site in sites.items() if site.role == "active"]
    if not active or (len(active) > 1 and architecture == "active-standby"):
        wanted = "exactly one" if architecture == "active-standby" else "at least one"
        yield f"sites: found {len(active)} sites with role active {active}; allowed: {wanted}"
    for name, machine in hosts.items():
        for other in machine.seen_from:
            if other not in sites:
                yield f"hosts.{name}.seen_from.{other}: no such site; allowed: {', '.join(sorted(sites))}"


def _split_purge_jobs(sites: Mapping[str, Site]) -> Iterator[str]:
    """Mistakes in purges outside the database that several IDBs name: their holds must be in the same tables."""
    first: dict[str, tuple[str, str]] = {}
    for name, site in sites.items():
        for idb in site.idbs:
            for number, job in enumerate(idb.purge_jobs):
                if not isinstance(job, CronJob | CommandJob):
                    continue
                where = f"sites.{name}.idbs.{idb.name}"
                other, connection = first.setdefault(job.key, (where, idb.connection))
                if connection != idb.connection:
                    yield (
                        f"{where}.purge_jobs.{number}: found the purge of {other}, which has another connection; "
                        f"allowed: the same connection for both IDBs, {connection}, or a separate purge for each IDB"
                    )


def _wrong_hosts(name: str, site: Site, hosts: Mapping[str, Host]) -> Iterator[str]:
    for field, host in {
        "database.host": site.database.host,
        "info_mart_server.host": site.info_mart_server.host,
        "management_layer.host": site.management_layer.host,
        "reports.host": site.reports.host if site.reports else None,
    }.items():
        if host is not None and host not in hosts:
            yield _no_host(f"sites.{name}.{field}", host, hosts)


def _no_host(field: str, host: str, hosts: Mapping[str, Host]) -> str:
    return f"{field}: found {host!r}; allowed: a name under hosts ({', '.join(sorted(hosts))})"


def _used_twice(name: str, site: Site) -> Iterator[str]:
    groups = site.goldengate.groups
    if len({groups.extract, groups.pump, groups.replicat}) < 3:
        yield f"sites.{name}.goldengate.groups: a name is used twice; allowed: three different names"
    names = [idb.name for idb in site.idbs]
    for double in sorted({each for each in names if names.count(each) > 1}):
        yield f"sites.{name}.idbs: found {double!r} twice; allowed: each IDB once"


def _wrong_trails(name: str, site: Site, others: list[str]) -> Iterator[str]:
    """Trails that two programs would write, and sending sites without a trail."""
    trails, field = site.goldengate.trails, f"sites.{name}.goldengate.trails"
    if isinstance(trails.remote, str) and len(others) > 1:
        yield (
            f"{field}.remote: found {trails.remote!r} for {len(others)} sending sites, whose changes would mix; "
            f"allowed: a trail for each of them: {{{', '.join(f'{other}: <trail>' for other in others)}}}"
        )
    if isinstance(trails.remote, dict) and sorted(trails.remote) != others:
        yield (
            f"{field}.remote: found trails from {', '.join(sorted(trails.remote)) or 'no site'}; "
            f"allowed: one from each other site: {', '.join(others)}"
        )
    paths = [posixpath.normpath(trail) for trail in (trails.local, *trails.all_arriving)]
    for double in sorted({path for path in paths if paths.count(path) > 1}):
        yield f"{field}: found {double!r} twice; allowed: a name of its own for local and for each sending site"


#: The oldest database that the statements of include/sql run on.
OLDEST_DATABASE = (11, 2)


def _old_database(name: str, site: Site) -> Iterator[str]:
    if _numbers(site.database.release) < OLDEST_DATABASE:
        yield (
            f"sites.{name}.database.release: found {site.database.release!r}; allowed: 11.2 and later, as older "
            "dictionaries lack columns that the procedures read"
        )


def _wrong_capture(name: str, site: Site) -> Iterator[str]:
    """A capture that the release does not have, and redo threads that only a classic one is told."""
    goldengate, where = site.goldengate, f"sites.{name}.goldengate"
    if goldengate.capture == "classic" and _numbers(goldengate.release) >= (21,):
        yield f"{where}.capture: found 'classic' with release {goldengate.release}; allowed: integrated from 21 on"
    if goldengate.capture == "integrated" and goldengate.threads != 1:
        yield f"{where}.threads: found {goldengate.threads} with integrated capture, which needs no number; allowed: 1"


def _wrong_container(name: str, site: Site) -> Iterator[str]:
    """Settings of a pluggable database that no release has, or that lead to the root."""
    database, goldengate = site.database, site.goldengate
    where = f"sites.{name}"
    if database.pdb is None:
        if goldengate.capture_login:
            yield (
                f"{where}.goldengate.capture_login: found it without database.pdb; allowed: both, since it is the "
                "login into the root of a CDB, or neither"
            )
        return
    if min(_numbers(database.release), _numbers(goldengate.release)) < (12, 1):
        yield (
            f"{where}.database.pdb: found {database.pdb!r} with database.release {database.release} and "
            f"goldengate.release {goldengate.release}; allowed: 12.1 and later, older releases have no CDB"
        )
        return
    if goldengate.capture == "classic":
        yield f"{where}.goldengate.capture: found 'classic' with database.pdb; allowed: integrated, as a CDB needs it"
    if not isinstance(goldengate.login, AliasLogin):
        yield (
            f"{where}.goldengate.login: found a user with database.pdb; allowed: an alias whose user in the credential "
            "store has the service of the PDB (GGATE@GIM), since a user without a service logs in to the root"
        )
    if goldengate.capture_login is None and min(_numbers(database.release), _numbers(goldengate.release)) < (21,):
        yield (
            f"{where}.goldengate.capture_login: missing with database.pdb, database.release {database.release} and "
            f"goldengate.release {goldengate.release}; allowed: the alias of a common user (C##...) in the root, "
            "since an Extract of the PDB itself needs 21 and later of both"
        )
    if goldengate.capture_login == goldengate.login:
        yield (
            f"{where}.goldengate.capture_login: found the alias of login; allowed: an alias of its own, since one "
            "leads to the root and the other to the PDB"
        )
    if found := sorted({"ORACLE_SID", "TWO_TASK"} & set(database.environment)):
        yield (
            f"{where}.database.environment: found {', '.join(found)} with database.pdb; allowed: neither, since Data "
            "Pump would log in to the root"
        )


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))


def _wrong_idbs(name: str, site: Site, hosts: Mapping[str, Host], sites: Mapping[str, Site]) -> Iterator[str]:
    for idb in site.idbs:
        for number, job in enumerate(idb.purge_jobs):
            if isinstance(job, CronJob | CommandJob) and job.host not in hosts:
                yield _no_host(f"sites.{name}.idbs.{idb.name}.purge_jobs.{number}.host", job.host, hosts)
        if idb.source_site is not None and idb.source_site not in sites:
            yield (
                f"sites.{name}.idbs.{idb.name}.source_site: found {idb.source_site!r}; "
                f"allowed: {', '.join(sorted(sites))}"
            )


def _wrong_application(name: str, site: Site, architecture: Architecture) -> Iterator[str]:
    own = (site.info_mart_server.application, site.info_mart_server.application_dbid)
    if architecture == "active-active" and None in own:
        yield (
            f"sites.{name}.info_mart_server: application or application_dbid is missing; "
            "allowed: both, since each server of an active-active deployment has its own object"
        )
    if architecture == "active-standby" and own != (None, None):
        yield (
            f"sites.{name}.info_mart_server: found an application of its own; "
            "allowed: none, since the servers of an active-standby deployment share info_mart.application"
        )
