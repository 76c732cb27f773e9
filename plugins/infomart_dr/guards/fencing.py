"""Proof that a site is dead: its endpoints are probed from Airflow and from the survivor (rule 4).

An endpoint is a TCP port of the site: database listener, SSH, Management Layer, GoldenGate's manager. A site counts as
dead when none of its endpoints answers either place. One answer proves that it is alive. Silence alone proves nothing,
since a cut network looks the same. Hence two places, and a person who confirms.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from infomart_dr.errors import UnexpectedReplyError
from infomart_dr.hooks.connections import connection
from infomart_dr.plan.step import Step
from infomart_dr.text import lines as text_lines
from infomart_dr.topology import Site, SiteRole, Topology

if TYPE_CHECKING:
    from infomart_dr.hooks.remote_host import RemoteHost

Place = Literal["airflow", "survivor"]
#: ``answers``: it sent data; ``open``: it accepted the connection and sent nothing; ``refused``: refused, or closed at
#: once, as by a proxy with nothing behind it; ``silent``: no reply, or no route.
State = Literal["answers", "open", "refused", "silent"]

#: Seconds to wait for data on an accepted connection.
_LISTEN = 1.0


@dataclass(frozen=True)
class Endpoint:
    """A port of a site, as one place sees it."""

    what: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.what} ({self.host}:{self.port})"


@dataclass(frozen=True)
class Answer:
    """The answer of an endpoint to a probe."""

    endpoint: Endpoint
    place: Place
    state: State

    def is_alive(self, refused_is_alive: bool) -> bool:
        """It proves that the site is alive."""
        return self.state in ("answers", "open") or (self.state == "refused" and refused_is_alive)


# -- endpoints -----------------------------------------------------------------------------------------


def endpoints(step: Step, role: SiteRole, place: Place) -> list[Endpoint]:
    """Endpoints of a site as a place reaches them, each once.

    :param role: the site that is probed.
    :param place: ``airflow``, or ``survivor`` for the database host of the other site.
    """
    seen_by = step.pair.name(step.pair.other(role)) if place == "survivor" else None
    return site_endpoints(step.topology, step.at(role).settings, seen_by)


def site_endpoints(topology: Topology, site: Site, seen_by: str | None) -> list[Endpoint]:
    """Endpoints of a site, each once.

    :param seen_by: the site from whose hosts they are reached; None: from Airflow's machine.
    """
    database, layer = site.database, site.management_layer
    listener = connection(database.dba_connection)
    found: list[Endpoint] = []

    def add(what: str, host: str, port: int | None) -> None:
        endpoint = Endpoint(what, host, int(port or 0))
        if endpoint.port and all((endpoint.host, endpoint.port) != (other.host, other.port) for other in found):
            found.append(endpoint)

    names = dict.fromkeys([database.host, site.info_mart_server.host, layer.host])
    reach = {name: topology.reach(name, seen_by) if seen_by else None for name in names}
    at_database = reach[database.host]
    port = listener.port or 1521
    if at_database is not None:
        add("database listener", at_database.address, at_database.listener_port or port)
        add("GoldenGate manager", at_database.address, at_database.manager_port or site.goldengate.manager_port)
    else:
        add("database listener", listener.host, port)
        ssh = connection(topology.host(database.host).ssh_connection)
        add("GoldenGate manager", ssh.host, site.goldengate.manager_port)
    for name in names:
        way = reach[name]
        if way is not None:
            add(f"SSH of {name}", way.address, way.ssh_port)
        else:
            ssh = connection(topology.host(name).ssh_connection)
            add(f"SSH of {name}", ssh.host, ssh.port or 22)
    management = layer.seen_from.get(seen_by) if seen_by else None
    if management is not None:
        add("Management Layer", management.address, management.port)
    else:
        add("Management Layer", layer.configuration_server, layer.configuration_port)
    return found


# -- probing ---------------------------------------------------------------------------------------


def probe_endpoint(endpoint: Endpoint, timeout: float) -> State:
    """Probe an endpoint from this machine."""
    try:
        line = socket.create_connection((endpoint.host, endpoint.port), timeout=timeout)
    except (ConnectionRefusedError, ConnectionResetError):
        return "refused"
    except OSError:
        # A time-out, no route, or a host name that no longer resolves.
        return "silent"
    with contextlib.closing(line):
        line.settimeout(_LISTEN)
        try:
            return "answers" if line.recv(1) else "refused"
        except TimeoutError:
            return "open"
        except OSError:
            return "refused"


#: The shell's words when an endpoint cannot be reached; any other words do not prove silence.
_NO_WAY = (
    "timed out",
    "No route to host",
    "etwork is unreachable",
    "not known",
    "failure in name resolution",
    "is down",
)


def probe_script(targets: Sequence[Endpoint], timeout: float) -> str:
    """Script for bash that probes all endpoints at the same time and prints a line ``<number> <state>`` for each.

    It prints a state that it does not recognise as ``unknown`` with the shell's words.
    """
    silent = "|".join(f'*"{words}"*' for words in _NO_WAY)
    lines = [
        "export LC_ALL=C",
        "command -v timeout >/dev/null || { echo 'timeout is not in the path'; exit 1; }",
        "probe_endpoint() {",
        # The shell's own message says whether the connection was refused; the exit code does not.
        f"  said=$(timeout {timeout + _LISTEN:g} bash -c '",
        '    exec 3<>"/dev/tcp/$1/$2" || exit 9',
        # Printed at once: an endpoint that accepted late is alive, even if the time runs out before it sends data.
        "    echo accepted",
        f"    IFS= read -r -n 1 -t {_LISTEN:g} -u 3; code=$?",
        '    [ "$code" -gt 128 ] && echo open && exit 0',
        '    [ "$code" -eq 0 ] && echo answers && exit 0',
        "    echo refused",
        '  \' probe_endpoint "$2" "$3" 2>&1); ended=$?',
        '  case "$ended $said" in',
        '    "124 accepted"*) echo "$1 open" ;;',
        # The time ran out before it accepted.
        '    "124 "*) echo "$1 silent" ;;',
        '    "0 accepted"*open|"0 accepted"*answers|"0 accepted"*refused) echo "$1 ${said##*[!a-z]}" ;;',
        '    *"Connection refused"*|*"onnection reset"*) echo "$1 refused" ;;',
        f'    {silent}) echo "$1 silent" ;;',
        '    *) echo "$1 unknown: $ended $said" | head -n 1 ;;',
        "  esac",
        "}",
    ]
    lines += [
        f"probe_endpoint {number} {shlex.quote(endpoint.host)} {endpoint.port} &"
        for number, endpoint in enumerate(targets)
    ]
    return "\n".join([*lines, "wait", ""])


def parse_probe(text: str, targets: Sequence[Endpoint], host: str) -> list[State]:
    """States by endpoint from the script's output.

    :param host: where the script ran, for the error.
    :raises UnexpectedReplyError: an endpoint is missing.
    """
    states: dict[int, State] = {}
    for line in text.splitlines():
        number, _, state = line.strip().partition(" ")
        if re.fullmatch(r"[0-9]{1,4}", number) and state in ("answers", "open", "refused", "silent"):
            states[int(number)] = state  # type: ignore[assignment]
    missing = [str(endpoint) for number, endpoint in enumerate(targets) if number not in states]
    if missing:
        raise UnexpectedReplyError(
            f"{host} gave no result for {', '.join(missing)}: {text.strip()[-300:] or 'no output'}.",
            "Check that bash and timeout are in the path of its user; the probe proves nothing without them.",
        )
    return [states[number] for number in range(len(targets))]


def probe_from(host: RemoteHost, targets: Sequence[Endpoint], timeout: float) -> list[State]:
    """Probe all endpoints from a host.

    :raises UnexpectedReplyError: an endpoint has no result.
    """
    # The limit of a short command may be shorter than the probe's own.
    limit = timeout + _LISTEN + 60
    done = host.run(["bash", "-s"], stdin=probe_script(targets, timeout), timeout=limit, check=False)
    return parse_probe(done.stdout + done.stderr, targets, host.label)


def probe_all(step: Step, role: SiteRole, place: Place) -> list[Answer]:
    """Probe every endpoint of a site from one place.

    :raises InfoMartError: the survivor's host cannot be reached, so nothing is proven.
    """
    targets, timeout = endpoints(step, role, place), step.topology.fencing.timeout
    if place == "airflow":
        with ThreadPoolExecutor(len(targets)) as pool:
            states: list[State] = list(pool.map(lambda endpoint: probe_endpoint(endpoint, timeout), targets))
    else:
        states = probe_from(step.at(step.pair.other(role)).host(), targets, timeout)
    return [Answer(endpoint, place, state) for endpoint, state in zip(targets, states, strict=True)]


# -- judging ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """The conclusion from the answers."""

    answers: list[Answer]
    alive: list[Answer]

    @property
    def dead(self) -> bool:
        """No endpoint proves that the site is alive."""
        return not self.alive

    def sentence(self, site: str) -> str:
        """For the log and for errors."""
        if self.alive:
            shown = [
                f"{answer.endpoint} {_WORDS.get(answer.state, answer.state)} (probed from {name(answer.place)})"
                for answer in self.alive
            ]
            # One endpoint a line: an address hidden in a long sentence is overlooked.
            return f"{site} is alive: {shown[0]}" if len(shown) == 1 else f"{site} is alive:{text_lines(shown)}"
        places = " and ".join(dict.fromkeys(name(answer.place) for answer in self.answers))
        return f"{site} is silent: none of {len(self.answers)} endpoints answered, probed from {places}"


#: States of a live endpoint, in words.
_WORDS: dict[State, str] = {"answers": "answered", "open": "accepted"}


def name(place: Place) -> str:
    """A place in words."""
    return {"airflow": "Airflow", "survivor": "the survivor"}[place]


def judge(step: Step, role: SiteRole, places: Sequence[Place] = ("airflow", "survivor")) -> Verdict:
    """Probe a site from some places and judge the answers."""
    answers = [answer for place in places for answer in probe_all(step, role, place)]
    refused = step.topology.fencing.refused_is_alive
    return Verdict(answers, [answer for answer in answers if answer.is_alive(refused)])


def evidence(answers: Sequence[Answer]) -> list[dict[str, str]]:
    """The answers as small JSON."""
    return [
        {
            "endpoint": answer.endpoint.what,
            "at": f"{answer.endpoint.host}:{answer.endpoint.port}",
            "place": answer.place,
            "state": answer.state,
        }
        for answer in answers
    ]  # fmt: skip
