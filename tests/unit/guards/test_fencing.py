"""Proof that a site is dead: answers of endpoints to Airflow and to the survivor's shell, and their verdict."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import StepOf

from infomart_dr.errors import UnexpectedReplyError
from infomart_dr.guards import fencing
from infomart_dr.guards.fencing import Answer, Endpoint, parse_probe, probe_endpoint, probe_script
from infomart_dr.topology import Reach


@contextmanager
def endpoint(behaviour: str) -> Iterator[Endpoint]:
    """A real port that greets, keeps silent, or closes at once; or one that nobody listens on."""
    with ExitStack() as stack:
        if behaviour == "nobody":
            held = stack.enter_context(socket.socket())
            held.bind(("127.0.0.1", 0))
            yield Endpoint(behaviour, "127.0.0.1", held.getsockname()[1])
            return
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        over = threading.Event()
        stack.callback(over.set)

        def serve() -> None:
            while not over.is_set():
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                with line:
                    if behaviour == "greets":
                        line.sendall(b"SSH-2.0-sshd\r\n")
                    if behaviour != "closes":
                        over.wait(5)

        threading.Thread(target=serve, daemon=True).start()
        yield Endpoint(behaviour, "127.0.0.1", server.getsockname()[1])


BEHAVIOURS = {"greets": "answers", "silent": "open", "closes": "refused", "nobody": "refused"}


@pytest.mark.parametrize(("behaviour", "state"), BEHAVIOURS.items())
def test_an_endpoint_says_what_it_does_when_airflow_probes_it(behaviour: str, state: str) -> None:
    with endpoint(behaviour) as found:
        assert probe_endpoint(found, 2.0) == state


def test_a_name_that_nobody_knows_is_silent() -> None:
    assert probe_endpoint(Endpoint("listener", "no-such-host.invalid", 1521), 2.0) == "silent"


def test_the_survivors_shell_sees_the_same_at_all_endpoints_at_once() -> None:
    with ExitStack() as stack:
        endpoints = [stack.enter_context(endpoint(behaviour)) for behaviour in BEHAVIOURS]
        endpoints.append(Endpoint("lost", "no-such-host.invalid", 1521))
        done = subprocess.run(
            ["bash", "-s"], input=probe_script(endpoints, 2.0), capture_output=True, text=True, timeout=30, check=True
        )
    assert parse_probe(done.stdout, endpoints, "site2/db") == [*BEHAVIOURS.values(), "silent"]


def test_an_endpoint_that_accepts_late_is_alive_although_the_time_is_over_while_it_is_listened_to() -> None:
    """Half a second in all, and a second to listen: a slow line must not look like a dead site."""
    with endpoint("silent") as found:
        done = subprocess.run(
            ["bash", "-s"], input=probe_script([found], -0.5), capture_output=True, text=True, timeout=30, check=True
        )
    assert parse_probe(done.stdout, [found], "site2/db") == ["open"]


def test_a_survivor_without_the_programs_proves_nothing(tmp_path: Path) -> None:
    """A command that is not found must not look like a silent endpoint."""
    endpoints = [Endpoint("listener", "127.0.0.1", 1)]
    (tmp_path / "bash").symlink_to(shutil.which("bash") or "")
    done = subprocess.run(
        [str(tmp_path / "bash"), "-s"],
        input=probe_script(endpoints, 1.0),
        capture_output=True,
        text=True,
        timeout=30,
        env={"PATH": str(tmp_path)},
    )
    with pytest.raises(UnexpectedReplyError, match=r"listener \(127.0.0.1:1\): timeout is not in the path"):
        parse_probe(done.stdout, endpoints, "site2/db")


@pytest.mark.parametrize("text", ["", "0 unknown: 126 permission denied", "0 asleep"])
def test_what_the_script_does_not_understand_is_no_proof_of_silence(text: str) -> None:
    with pytest.raises(UnexpectedReplyError, match="gave no result for listener"):
        parse_probe(text, [Endpoint("listener", "db1", 1521)], "site2/db")


def test_what_is_accepted_or_answered_lives_and_a_refusal_too_unless_the_topology_says_otherwise() -> None:
    for state, strict, lax in (("answers", True, True), ("open", True, True), ("refused", True, False)):
        answer = Answer(Endpoint("x", "h", 1), "airflow", state)  # type: ignore[arg-type]
        assert (answer.is_alive(True), answer.is_alive(False)) == (strict, lax)
    assert not Answer(Endpoint("x", "h", 1), "airflow", "silent").is_alive(True)


class World:
    """A lost site1 and a survivor site2, as the topology describes them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.step: Any = StepOf(
            pair=SimpleNamespace(
                other=lambda role: {"source": "target", "target": "source"}[role],
                name=lambda role: {"source": "site1", "target": "site2"}[role],
            ),
            site=lambda role: self.site,
            topology=SimpleNamespace(
                reach=lambda host, site: self.reach.get((host, site)),
                host=lambda name: SimpleNamespace(ssh_connection=f"ssh_{name}"),
                fencing=SimpleNamespace(timeout=1.0, refused_is_alive=True),
            ),
        )
        self.reach: dict[tuple[str, str], Reach] = {}
        self.site = SimpleNamespace(
            database=SimpleNamespace(host="db1", dba_connection="dba"),
            info_mart_server=SimpleNamespace(host="gim1"),
            management_layer=SimpleNamespace(
                host="gim1", configuration_server="cfg1", configuration_port=2020, seen_from={}
            ),
            goldengate=SimpleNamespace(manager_port=7809),
        )
        ports = {"dba": 1521, "ssh_db1": 22, "ssh_gim1": 2222}
        monkeypatch.setattr(
            fencing, "connection", lambda name: SimpleNamespace(host=f"{name}.example", port=ports[name])
        )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_every_kind_of_endpoint_is_probed_at_once(world: World) -> None:
    assert [str(endpoint) for endpoint in fencing.endpoints(world.step, "source", "airflow")] == [
        "database listener (dba.example:1521)",
        "GoldenGate manager (ssh_db1.example:7809)",
        "SSH of db1 (ssh_db1.example:22)",
        "SSH of gim1 (ssh_gim1.example:2222)",
        "Management Layer (cfg1:2020)",
    ]


def test_the_survivor_probes_its_own_addresses(world: World) -> None:
    world.reach["db1", "site2"] = Reach(address="db1.wan", ssh_port=23, manager_port=7810, listener_port=1522)
    world.site.management_layer.seen_from["site2"] = SimpleNamespace(address="cfg1.wan", port=2021)
    assert [str(endpoint) for endpoint in fencing.endpoints(world.step, "source", "survivor")] == [
        "database listener (db1.wan:1522)",
        "GoldenGate manager (db1.wan:7810)",
        "SSH of db1 (db1.wan:23)",
        "SSH of gim1 (ssh_gim1.example:2222)",
        "Management Layer (cfg1.wan:2021)",
    ]


def test_one_endpoint_that_answers_from_one_place_is_enough_to_live(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener, ssh = Endpoint("database listener", "db1", 1521), Endpoint("SSH of db1", "db1", 22)
    seen = {
        "airflow": [Answer(listener, "airflow", "silent"), Answer(ssh, "airflow", "open")],
        "survivor": [Answer(listener, "survivor", "silent"), Answer(ssh, "survivor", "silent")],
    }
    monkeypatch.setattr(fencing, "probe_all", lambda step, role, place: seen[place])
    verdict = fencing.judge(world.step, "source")
    assert not verdict.dead
    assert verdict.sentence("site1") == "site1 is alive: SSH of db1 (db1:22) accepted (probed from Airflow)"
    seen["airflow"][0] = Answer(listener, "airflow", "answers")
    assert fencing.judge(world.step, "source").sentence("site1").splitlines() == [
        "site1 is alive:",
        "- database listener (db1:1521) answered (probed from Airflow)",
        "- SSH of db1 (db1:22) accepted (probed from Airflow)",
    ]
    seen["airflow"] = [Answer(listener, "airflow", "silent"), Answer(ssh, "airflow", "silent")]
    verdict = fencing.judge(world.step, "source")
    assert verdict.dead
    assert verdict.sentence("site1") == (
        "site1 is silent: none of 4 endpoints answered, probed from Airflow and the survivor"
    )
