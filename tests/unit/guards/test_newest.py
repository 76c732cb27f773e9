"""A server starts only where the newest run of the deployment wants it, also when a site does not answer."""

from __future__ import annotations

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import FakeStep, replace_question

from infomart_dr.errors import GuardError, OvertakenError, TransientError, UnreachableError
from infomart_dr.guards import newest
from infomart_dr.plan.epochs import Epoch, Service

DEAD = UnreachableError("the listener of site3 cannot be reached.", "Check it.")


class World:
    """A planned move from site2 to site3."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **facts: str) -> None:
        self.host: str | None = "site2-gim"
        self.runs: set[str] = set()
        self.seconds_up = 86400.0
        self.step: Any = FakeStep(**facts)
        self.step.site = lambda role: SimpleNamespace(
            info_mart_server=SimpleNamespace(host_object=f"{self.step.sites[role]}-gim")
        )
        self.step.dba = lambda role: SimpleNamespace(select=lambda name: [{"seconds_up": self.seconds_up}])
        replace_question(monkeypatch, "application_host", lambda step, role: self.host)
        replace_question(monkeypatch, "server_runs", lambda step, role: ["a process"] if role in self.runs else [])

    @property
    def epochs(self) -> Any:
        return self.step.epochs

    def failover(self, number: int) -> Epoch:
        own: Epoch = self.epochs.epoch
        return replace(own, number=number, plan="lost", owner="infomart_failover lost")

    def target_is_silent(self) -> None:
        self.epochs.silent = {"site3": DEAD}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_the_only_run_is_the_newest(world: World) -> None:
    assert newest.overtaken_by(world.step) is None
    newest.prove_may_serve(world.step, "source")


@pytest.mark.parametrize("number", [1, 2, 40])
def test_a_run_with_the_same_or_a_higher_epoch_at_the_other_site_has_taken_over(world: World, number: int) -> None:
    world.epochs.others = {"site3": world.failover(number)}
    with pytest.raises(OvertakenError, match="plan lost of infomart_failover lost, epoch") as caught:
        newest.prove_newest(world.step)
    assert caught.value.epoch == number
    with pytest.raises(OvertakenError):
        newest.prove_may_serve(world.step, "source")


def test_an_older_note_at_the_other_site_is_no_hindrance(world: World) -> None:
    world.epochs.others = {"site3": world.failover(0)}
    assert newest.overtaken_by(world.step) is None


# -- the other site does not answer ----------------------------------------------------------------


def test_an_application_object_that_is_not_at_the_silent_target_proves_that_nobody_failed_over(world: World) -> None:
    world.target_is_silent()
    assert newest.overtaken_by(world.step) is None


def test_an_object_at_the_silent_target_that_this_plan_has_not_moved_stops_the_start(world: World) -> None:
    world.target_is_silent()
    world.host = "site3-gim"
    with pytest.raises(TransientError, match="a failover to it cannot be ruled out") as caught:
        newest.prove_may_serve(world.step, "source")
    assert caught.value.next_step.startswith("THE SERVICE MAY BE DOWN.")


@pytest.mark.parametrize("host", ["site3-gim", None])
def test_a_source_that_was_never_lost_since_the_stop_returns_to_service(
    monkeypatch: pytest.MonkeyPatch, host: str | None
) -> None:
    stopped = str(int(time.time()) - 600)
    world = World(monkeypatch, application_moved="1", server_touched=stopped)
    world.target_is_silent()
    world.host = host
    assert newest.overtaken_by(world.step) is None
    world.seconds_up = 300
    with pytest.raises(TransientError, match="cannot be ruled out"):
        newest.overtaken_by(world.step)


def test_an_active_active_pair_needs_no_proof_of_the_other_site(world: World) -> None:
    world.target_is_silent()
    world.host = "site3-gim"
    world.step.topology.architecture = "active-active"
    newest.prove_may_serve(world.step, "source")


# -- the note about the serving site ---------------------------------------------------------------


def serves(site: str) -> Service:
    return Service(site, 1, "earlier", 1790000000)


def test_a_server_starts_only_at_the_site_that_serves_by_the_newest_note(world: World) -> None:
    world.epochs.noted_service = serves("site3")
    with pytest.raises(GuardError, match="The Info Mart Server at site2 may not start: site3 serves since"):
        newest.prove_may_serve(world.step, "source")
    newest.prove_may_serve(world.step, "target")


def test_a_move_by_hand_corrects_the_note_once_the_other_server_is_proven_stopped(world: World) -> None:
    world.epochs.noted_service = serves("site3")
    world.runs = {"source", "target"}
    with pytest.raises(GuardError, match="Two servers must never write"):
        newest.note_observed_service(world.step, "source")
    assert world.epochs.noted_service.site == "site3"
    world.runs = {"source"}
    newest.note_observed_service(world.step, "source")
    assert world.epochs.noted_service.site == "site2"
    newest.prove_may_serve(world.step, "source")


def test_the_first_run_notes_the_site_that_serves(world: World) -> None:
    newest.note_observed_service(world.step, "source")
    assert world.epochs.noted_service.site == "site2"
