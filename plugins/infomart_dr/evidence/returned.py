"""A lost site that comes back, and a second Info Mart Server: from what was seen to findings; pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from infomart_dr.evidence.watching import Finding
from infomart_dr.hooks.parse_ggsci import ProgramStatus

#: Signs of a lost site, the most dangerous first. Each is a subject of its own: ``<site>/<sign>``.
SIGNS = ("server", "groups", "icon", "doors")
_UP = ("RUNNING", "STARTING")
#: The rest of the key of a sign's finding.
RETURNED = "returned"


@dataclass
class Signs:
    """What a lost site shows, each entry with the machine.

    :param server: processes and database sessions of its Info Mart Server.
    :param groups: GoldenGate's groups of ours that run there.
    :param icon: data sources whose ICON writes again.
    :param doors: its endpoints that answer.
    """

    server: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    icon: list[str] = field(default_factory=list)
    doors: list[str] = field(default_factory=list)

    def of(self, sign: str) -> list[str]:
        found: list[str] = getattr(self, sign)
        return found


#: What has come back, in words.
_WHAT = {
    "server": "its Info Mart Server runs: {}",
    "groups": "its GoldenGate runs: {}",
    "icon": "its ICON writes: {}",
    "doors": "it answers: {}",
}


def _remedy(sign: str, site: str, serving: str, hosts: tuple[str, str], shared: bool) -> str:
    host, server_host = hosts
    match sign:
        case "server" if shared:
            return (
                f"Stop it on {server_host} at once: end the process by hand, and switch off its automatic start. Not "
                f"by the Management Layer: the Application object points to {serving}, whose server would stop."
            )
        case "server":
            return (
                f"Stop it on {server_host}, and switch off its automatic start: it writes into an Info Mart that the "
                "return to normal fills again, and that nobody may use for reports."
            )
        case "groups":
            return (
                f"In ggsci on {host}: STOP the groups and STOP MGR, and take AUTOSTART out of mgr.prm. The Manager "
                "stays off until infomart_return_to_normal."
            )
        case "icon":
            return (
                f"{site} is alive. Make sure on {server_host} that no Info Mart Server starts there. The calls belong "
                f"to the Info Mart and are extracted at {serving}."
            )
        case _:
            return (
                f"Make sure that nothing starts by itself there: the Info Mart Server on {server_host}, GoldenGate's "
                f"Manager on {host}. Then set sites.{site}.role to new and run infomart_return_to_normal."
            )


def returned_findings(
    site: str, signs: Signs, serving: str, hosts: tuple[str, str], refused: bool | None, writes: bool, shared: bool
) -> list[Finding]:
    """A lost site that shows itself: one critical finding, the most dangerous sign, and warnings for the others.

    :param serving: the site that serves.
    :param hosts: hosts of its database and of its Info Mart Server.
    :param refused: the serving database refuses that server; None: nobody knows, or each server has an Info Mart of its
        own.
    :param writes: that server has sessions in the serving Info Mart, which is a critical finding of its own.
    :param shared: both sites' servers have one Application object: active-standby.
    """
    seen = [sign for sign in SIGNS if signs.of(sign)]
    found = []
    for number, sign in enumerate(seen):
        lead = number == 0 and not writes
        said = _WHAT[sign].format(", ".join(signs.of(sign)))
        if sign == "server":
            said += {
                True: f". The database of {serving} refuses its logons",
                False: f". Nothing refuses its logons at {serving}: it may write beside the server there",
                None: "",
            }[refused]
        also = "; ".join(_WHAT[other].format(", ".join(signs.of(other))) for other in seen[1:]) if lead else ""
        found.append(
            Finding(
                f"{site}/{sign}/{RETURNED}",
                "critical" if lead else "warning",
                f"{site}, whose role is failed, has come back: {said}." + (f" Also: {also}." if also else ""),
                _remedy(sign, site, serving, hosts, shared),
            )
        )
    return found


def second_server_finding(site: str, role: str, serving: str, signs: Sequence[str], server_host: str) -> Finding:
    """An Info Mart Server at a site that must have none: a standby or a new site."""
    return Finding(
        f"{site}/server/runs",
        "critical",
        f"An Info Mart Server runs at {site}, whose role is {role}: {', '.join(signs)}. Two servers never write for "
        "one deployment.",
        f"Stop it on {server_host} at once, and find out what started it. Not by the Management Layer: the Application "
        f"object points to {serving}, whose server would stop.",
    )


def writer_finding(site: str, machine: str, sessions: str, of_site: str | None) -> Finding:
    """Sessions of an Info Mart Server in a serving Info Mart, from a machine that is not that site's.

    :param of_site: whose server it is; None: nobody knows the machine.
    """
    key = f"{site}/writers/{machine}"
    if of_site is None:
        return Finding(
            key,
            "warning",
            f"Two machines have sessions of an Info Mart Server in the Info Mart of {site}; {machine} is not known: "
            f"{sessions}.",
            f"Find out what runs on {machine}. If it is the server of {site}, add it to "
            f"sites.{site}.info_mart_server.machines; else stop it at once.",
        )
    return Finding(
        key,
        "critical",
        f"The Info Mart Server of {of_site} writes into the serving Info Mart of {site}, from {machine}: {sessions}. "
        "Calls are doubled.",
        f"Stop it on {machine} at once (not by the Management Layer: that stops the server of {site}), then ALTER "
        "SYSTEM KILL SESSION. Calls of that time are in the Info Mart twice: docs/operating.md, A lost site comes "
        "back.",
    )


def running_groups(programs: Iterable[ProgramStatus], ours: Collection[str], host: str) -> list[str]:
    """Groups of ours that run, with their host."""
    return [
        f"{program.program} {program.group} is {program.status} on {host}"
        for program in programs
        if program.group in ours and program.status in _UP
    ]


def idle_manager(site: str, programs: Sequence[ProgramStatus], host: str) -> list[Finding]:
    """GoldenGate's Manager runs, and there is no group that needs it: at a site that serves alone after a failover."""
    runs = any(program.program == "MANAGER" and program.status == "RUNNING" for program in programs)
    if not runs or any(program.group for program in programs):
        return []
    return [manager_finding(site, host)]


def manager_finding(site: str, host: str) -> Finding:
    """GoldenGate's Manager runs again at a site that serves alone."""
    return Finding(
        f"{site}/groups/MANAGER",
        "critical",
        f"GoldenGate's Manager runs again at {site}, on {host}, and nothing is replicated there: the pump of a lost "
        "site could send to it, and AUTOSTART could start a group.",
        f"STOP MGR in ggsci on {host}, and switch off what started it. infomart_return_to_normal starts it again.",
    )


def admission_finding(site: str, lost: str, why: str) -> Finding:
    """A serving database does not refuse the server of a lost site."""
    return Finding(
        f"{site}/admission/{lost}",
        "warning",
        f"Nothing refuses the Info Mart Server of {lost} at the Info Mart of {site}: {why}. If it comes back, it "
        "writes beside the server there.",
        f"Keep the autostart of the server of {lost} off. Correct the reason, then clear "
        "start_at_survivor.refuse_lost_site of the failover's run; or set fencing.refuse_lost_site to false.",
    )


def icons_that_write(before: Mapping[str, int], now: Mapping[str, int]) -> list[str]:
    """IDBs whose last event is later than at the survey before; one that was not known then proves nothing."""
    return sorted(idb for idb, last in now.items() if idb in before and last > before[idb])
