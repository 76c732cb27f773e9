"""The machines of the Info Mart Servers, as their databases see them: MACHINE in V$SESSION, HOST and IP_ADDRESS.

A client names itself, mostly with the host's own name, with or without its domain. So a machine is compared by its
whole name, by the first part of its name, and by its address.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infomart_dr.errors import InfoMartError
from infomart_dr.hooks.connections import connection
from infomart_dr.values import ColumnValue, Row

if TYPE_CHECKING:
    from infomart_dr.hooks.oracle import InfoMartOracleHook
    from infomart_dr.topology import Topology

#: Seconds for the name service, for all names together.
_RESOLVE = 3.0
#: A name that can stand in a statement; MACHINE is what the client says.
_NAME = re.compile(r"[A-Z0-9][A-Z0-9_.-]{0,127}")


def machine_name(said: ColumnValue) -> str:
    """MACHINE as it is compared: in capitals, without a Windows domain before it and an address behind it."""
    return re.sub(r"^.*\\|/.*$", "", str(said or "")).strip().upper()


def _label(name: str) -> str:
    return name.partition(".")[0]


@dataclass(frozen=True)
class Machines:
    """Names and addresses of one or more machines.

    :param names: whole names, in capitals.
    :param labels: their first parts.
    :param addresses: addresses; never a loopback one.
    """

    names: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    addresses: frozenset[str] = frozenset()

    @classmethod
    def of(cls, texts: Iterable[str]) -> Machines:
        """Machines from names and addresses."""
        names, addresses = set(), set()
        for text in texts:
            try:
                address = ipaddress.ip_address(text)
            except ValueError:
                name = machine_name(text)
                if _NAME.fullmatch(name) and _label(name) != "LOCALHOST":
                    names.add(name)
            else:
                if not address.is_loopback:
                    addresses.add(str(address))
        return cls(frozenset(names), frozenset(map(_label, names)), frozenset(addresses))

    def without(self, others: Machines) -> Machines:
        """These machines without what also means another one."""
        # One first part may belong to two machines in two domains: there only the whole names tell them apart.
        return Machines(self.names - others.names, self.labels - others.labels, self.addresses - others.addresses)

    def has(self, said: ColumnValue) -> bool:
        """A session's MACHINE means one of them."""
        name = machine_name(said)
        return bool(name) and (name in self.names or _label(name) in self.labels or name in self.addresses)

    def __bool__(self) -> bool:
        return bool(self.names or self.labels or self.addresses)

    def __str__(self) -> str:
        return ", ".join(sorted({name.lower() for name in self.names} | self.addresses))


def _given(topology: Topology, site: str) -> list[str]:
    """Names and addresses of a site's server in the topology and in Airflow's connections."""
    server = topology.sites[site].info_mart_server
    host = topology.host(server.host)
    found = [server.host_object, *server.machines, *(reach.address for reach in host.seen_from.values())]
    # A connection that is missing is a fault of its own; the other names remain.
    with suppress(InfoMartError):
        found.append(str(connection(host.ssh_connection).host or ""))
    return [text for text in dict.fromkeys(found) if text]


def _resolved(texts: Iterable[str]) -> dict[str, list[str]]:
    """Addresses of names, as far as the name service gives them in time."""

    def addresses(name: str) -> list[str]:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(name, None, proto=socket.IPPROTO_TCP)]

    names = list(dict.fromkeys(texts))
    found: dict[str, list[str]] = {}
    pool = ThreadPoolExecutor(max(len(names), 1), thread_name_prefix="resolve")
    try:
        asked = {name: pool.submit(addresses, name) for name in names}
        wait(asked.values(), timeout=_RESOLVE)
        for name, future in asked.items():
            with suppress(OSError, UnicodeError):
                if future.done():
                    found[name] = future.result()
    finally:
        # A name service that hangs keeps its thread; nobody waits for it.
        pool.shutdown(wait=False, cancel_futures=True)
    return found


def only_of(topology: Topology, site: str, seen: Mapping[str, Sequence[str]], *, resolve: bool = False) -> Machines:
    """The machines of a site's Info Mart Server, without names and addresses that another site's server has too.

    :param seen: MACHINE of the servers' sessions by site, as the watch has seen them.
    :param resolve: ask the name service for the addresses of the names, too.
    """
    given = {name: [*_given(topology, name), *seen.get(name, ())] for name in topology.sites}
    resolved = _resolved(text for texts in given.values() for text in texts) if resolve else {}
    known = {
        name: Machines.of([*texts, *(address for text in texts for address in resolved.get(text, ()))])
        for name, texts in given.items()
    }
    mine = known.pop(site)
    for other in known.values():
        mine = mine.without(other)
    return mine


def server_sessions(dba: InfoMartOracleHook, topology: Topology) -> list[Row]:
    """Sessions of Info Mart Servers in a database, from whichever machine."""
    programs = dict.fromkeys(site.info_mart_server.session_program for site in topology.sites.values())
    found: dict[tuple[ColumnValue, ColumnValue], Row] = {}
    for program in programs:
        for row in dba.select("sessions_of", username=topology.info_mart.schema_name, program=program):
            found[row["sid"], row["serial"]] = row
    return list(found.values())


def sessions_text(rows: Iterable[Row]) -> str:
    """Sessions for a message."""
    return ", ".join(
        f"session {row['sid']},{row['serial']} of {row['program']} on {row['machine'] or 'an unknown machine'}"
        for row in rows
    )
