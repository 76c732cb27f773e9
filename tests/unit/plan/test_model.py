"""The safety of a planned move and a failover, in every interleaving of a small model.

Two sites, a switchover from A to B, a failover to B, a process that is paused before a command and goes on at any later
moment, and sites that are lost and come back. The states are explored completely. Rights, epochs and the proofs before
a start are the product's own functions; only the world around them is made up.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from infomart_dr import settings
from infomart_dr.errors import InfoMartError, UnreachableError
from infomart_dr.guards import newest
from infomart_dr.hooks.fence import Fence
from infomart_dr.plan import facts
from infomart_dr.plan.epochs import Epoch, Epochs, Right, Service, State
from infomart_dr.plan.ledger import Recorded

A, B = 0, 1
NAMES = ("A", "B")
#: Protections, each of which is removed in turn.
HOST, NOTE, AGAIN, NEWEST, MAY_SERVE, SECOND, BACK_OUT, CLOSE, ELSEWHERE = (
    "the fence of the hosts",
    "the notes before a change of the Application object",
    "the notes after a connection was opened again",
    "the question for a newer run",
    "the note about the site that serves",
    "the look at the other site's server",
    "the epoch of the back-out",
    "the epoch at the release of the lock",
    "the lock of a run at the other site",
)


class Zombie(NamedTuple):
    """A try that is paused right before a command, after all its proofs.

    ``overtaken``: sites that know of its retry. ``connected``: the connection to its host was never lost.
    """

    command: str
    site: int
    epoch: int
    overtaken: frozenset[int]
    connected: bool = True

    def after_the_loss_of(self, site: int) -> Zombie:
        return self._replace(connected=self.connected and self.site != site)


class World(NamedTuple):
    """One state.

    ``move`` and ``failover``: the last task that each run has finished. ``known``: epoch, owner and state in each
    site's note. ``serving``: site and epoch of each site's note about the service. ``seen``: epoch that the hosts of a
    site have seen. ``diverged``: B has rows that A lacks.
    """

    up: tuple[bool, bool] = (True, True)
    server: tuple[bool, bool] = (True, False)
    object: int = A
    move: str = ""
    epoch: int = 0
    touched: bool = False
    past: bool = False
    compared: bool = False
    moved: bool = False
    restarted: bool = False
    runs: int = 0
    failover: str = ""
    failover_epoch: int = 0
    lock: bool = False
    known: tuple[tuple[int, str, str], tuple[int, str, str]] = ((0, "", ""), (0, "", ""))
    serving: tuple[tuple[int, int], tuple[int, int]] = ((A, 0), (A, 0))
    seen: tuple[int, int] = (0, 0)
    diverged: bool = False
    losses: int = 0
    zombie: Zombie | None = None
    stopped_by_zombie: bool = False


def put(pair: tuple[Any, Any], site: int, value: Any) -> tuple[Any, Any]:
    return (value, pair[1]) if site == A else (pair[0], value)


def owner(run: int) -> str:
    return f"move {run}"


FAILOVER = "failover"


def epoch_of(world: World, site: int) -> Epoch | None:
    number, who, state = world.known[site]
    return Epoch(number, "plan", who, settings.base_url(), state, 0) if number else None  # type: ignore[arg-type]


class Notes:
    """What a run at a site can read, in the form of :class:`~infomart_dr.plan.epochs.Epochs`."""

    def __init__(self, world: World, keeper: int, others: tuple[int, ...]) -> None:
        self.world, self.keeper, self.others = world, keeper, others

    def current(self) -> Epoch | None:
        if not self.world.up[self.keeper]:
            raise UnreachableError("A does not answer.")
        return epoch_of(self.world, self.keeper)

    def elsewhere(self) -> tuple[dict[str, Epoch], dict[str, InfoMartError]]:
        found, silent = {}, dict[str, InfoMartError]()
        for site in self.others:
            if not self.world.up[site]:
                silent[NAMES[site]] = UnreachableError("no answer.")
            elif (epoch := epoch_of(self.world, site)) is not None:
                found[NAMES[site]] = epoch
        return found, silent

    def service(self) -> Service | None:
        notes = [self.world.serving[site] for site in (self.keeper, *self.others) if self.world.up[site]]
        site, number = max(notes, key=lambda note: note[1])
        return Service(NAMES[site], number, "plan", 0)


def step_of(world: World) -> Any:
    """The switchover's step, for the product's guards."""
    roles = {"source": A, "target": B}
    recorded: dict[str, str] = {}
    if world.touched:
        recorded[facts.SERVER_TOUCHED.name] = str(int(time.time()) - 600)
    if world.moved:
        recorded[facts.APPLICATION_MOVED.name] = "1"
    ledger = Recorded(recorded)
    seconds_up = 60 if world.restarted else 86400

    def at(role: str) -> Any:
        return SimpleNamespace(
            name=NAMES[roles[role]],
            settings=SimpleNamespace(info_mart_server=SimpleNamespace(host_object=NAMES[roles[role]])),
            dba=SimpleNamespace(select=lambda name: [{"seconds_up": seconds_up}]),
        )

    return SimpleNamespace(
        at=at,
        failover=False,
        owner=owner(world.runs),
        plan_id="plan",
        topology=SimpleNamespace(architecture="active-standby"),
        ledger=SimpleNamespace(get=ledger.get, has=lambda fact: fact in ledger),
        epochs=Notes(world, A, (B,)),
    )


class Model:
    """The transitions.

    :param without: protections that are taken out.
    :param losses: number of losses of a site at most.
    """

    def __init__(self, *without: str, losses: int = 2) -> None:
        self.without, self.losses = frozenset(without), losses

    def has(self, protection: str) -> bool:
        return protection not in self.without

    # -- protections -------------------------------------------------------------------------------

    def host_allows(self, world: World, zombie: Zombie, site: int) -> bool:
        """The fence of a site's hosts, as its shell text decides it (test_fence.py runs that)."""
        return not self.has(HOST) or (world.seen[site] <= zombie.epoch and site not in zombie.overtaken)

    def notes_allow(self, world: World, zombie: Zombie) -> bool:
        """The right against the notes of all sites that answer; that of the keeper must."""
        now = epoch_of(world, A)
        if not world.up[A] or now is None:
            return False
        fence = Fence("d", zombie.epoch, zombie.command, 1)
        mine = now if now.number == zombie.epoch else replace(now, number=zombie.epoch)

        def noted(site: int) -> Recorded:
            epoch = epoch_of(world, site)
            tries = {facts.TRY.of(fence.key).name: "2"} if site in zombie.overtaken else {}
            return Recorded(({facts.EPOCH.name: facts.EPOCH.write(asdict(epoch))} if epoch else {}) | tries)

        epochs: Any = SimpleNamespace(
            everywhere=lambda: [(NAMES[site], noted(site)) for site in (A, B) if world.up[site]]
        )
        try:
            Right(epochs, mine, fence).prove()
        except InfoMartError:
            return False
        return True

    def may_serve(self, world: World, role: Any) -> bool:
        step = step_of(world)
        try:
            if self.has(MAY_SERVE):
                newest.prove_may_serve(step, role)
            elif self.has(NEWEST):
                newest.prove_newest(step)
        except InfoMartError:
            return False
        return True

    def is_newest(self, world: World) -> bool | None:
        """None: it cannot be proven."""
        if not self.has(NEWEST):
            return True
        try:
            return newest.overtaken_by(step_of(world)) is None
        except InfoMartError:
            return None

    def held_elsewhere(self, world: World) -> bool:
        """A failover holds the lock at B, as its note there says (TakeLock)."""
        if not self.has(ELSEWHERE) or not world.up[B]:
            return False
        number, who, state = world.known[B]
        return who == FAILOVER and state != "closed" and number >= world.known[A][0]

    def no_second(self, world: World, other: int) -> bool:
        """The other site's server shows no sign; a site that does not answer shows none."""
        return not self.has(SECOND) or not (world.up[other] and world.server[other])

    # -- epochs ------------------------------------------------------------------------------------

    @staticmethod
    def begin(world: World, keeper: int, who: str, state: State, told: tuple[int, ...]) -> tuple[World, int]:
        """As Epochs.begin: above all that the sites that answer know; the sites and hosts that answer are told."""
        reached = [site for site in told if world.up[site]]
        number = max(max(world.known[site][0], world.seen[site]) for site in reached) + 1
        known, seen = world.known, world.seen
        for site in reached:
            known, seen = put(known, site, (number, who, state)), put(seen, site, number)
        assert keeper in reached
        return world._replace(known=known, seen=seen), number

    def enters(self, world: World, *, teardown: bool) -> bool:
        """As Epochs.right, with the same function."""
        now = epoch_of(world, A)
        recorded = Recorded({facts.EPOCH.name: facts.EPOCH.write(asdict(now))} if now else {})
        deployment: Any = SimpleNamespace(topology=SimpleNamespace(name="d"))
        epochs = Epochs(deployment, "A", (), "plan", owner(world.runs))
        epochs.noted = lambda site, session=None: recorded  # type: ignore[method-assign]
        try:
            epochs.right("task", 1, teardown=teardown)
        except InfoMartError:
            return False
        return world.lock and world.up[A]

    # -- transitions -------------------------------------------------------------------------------

    def next(self, world: World) -> Iterator[tuple[str, World]]:
        yield from self.surroundings(world)
        yield from self.the_move(world)
        yield from self.the_failover(world)
        if world.zombie is not None:
            yield from self.the_zombie(world, world.zombie)

    def surroundings(self, world: World) -> Iterator[tuple[str, World]]:
        for site in (A, B):
            if world.up[site] and world.losses < self.losses:
                lost = world._replace(
                    up=put(world.up, site, False),
                    server=put(world.server, site, False),
                    losses=world.losses + 1,
                    zombie=world.zombie and world.zombie.after_the_loss_of(site),
                    # A server that a loss has ended is not the paused process' work.
                    stopped_by_zombie=world.stopped_by_zombie and site != world.object,
                )
                yield f"{NAMES[site]} is lost", lost._replace(restarted=lost.restarted or site == A)
            elif not world.up[site]:
                yield f"{NAMES[site]} comes back", world._replace(up=put(world.up, site, True))

        if world.move in ("compared", "configured") and not world.losses and world.up[A] and not world.server[A]:
            yield "a service starts the server at A", world._replace(server=put(world.server, A, True))

    def command(self, world: World, name: str, site: int, done: World) -> Iterator[tuple[str, World]]:
        """A command to a host or to the configuration; its process may be paused before it, and Airflow tries again."""
        yield name, done
        if world.zombie is None:
            told = frozenset(site for site in (A, B) if world.up[site])
            yield f"{name} is paused, and tried again", done._replace(zombie=Zombie(name, site, world.epoch, told))
            # Marked as failed by a person: no retry, and the run ends.
            yield (
                f"{name} is paused, and the run marked as failed",
                world._replace(move="failed", zombie=Zombie(name, site, world.epoch, frozenset())),
            )

    def the_move(self, world: World) -> Iterator[tuple[str, World]]:
        if not world.up[A]:
            if world.move not in ("", "failed", "backing out", "object back", "serves again", "released"):
                yield "the run fails: A does not answer", world._replace(move="failed")
            return
        at = world.move
        if at in ("", "released") and world.runs < 2 and not self.held_elsewhere(world):
            begun = world._replace(
                runs=world.runs + 1, lock=True, touched=False, past=False, compared=False, moved=False
            )
            begun, number = self.begin(begun, A, owner(begun.runs), "open", (A, B))
            yield "take_lock", begun._replace(move="take_lock", epoch=number, restarted=False)
        elif at == "take_lock" and self.enters(world, teardown=False):
            # set_scheduler comes first and is recorded: from here on the back-out is responsible.
            touched = world._replace(touched=True)
            if world.server[A]:
                site, _ = max(note for note in world.serving)
                if site == B and world.up[B] and world.server[B] and self.has(SECOND):
                    yield "stop_info_mart_server refuses: two servers", touched._replace(move="failed")
                else:
                    stopped = touched._replace(server=put(world.server, A, False), move="stopped")
                    yield from self.command(touched, "stop", A, stopped)
            else:
                yield "stop_info_mart_server: is stopped", touched._replace(move="stopped")
        elif at == "stopped" and self.enters(world, teardown=False):
            if world.up[B] and not world.diverged and not world.server[A]:
                yield "compare_tables", world._replace(move="compared", compared=True)
        elif at == "compared" and self.enters(world, teardown=False):
            if self.is_newest(world) is True:
                moved = world._replace(move="configured", object=B, moved=True)
                yield from self.command(world, "configure", B, moved)
        elif at == "configured" and self.enters(world, teardown=False):
            if self.no_second(world, A) and self.is_newest(world) is True and world.up[B]:
                serving = put(put(world.serving, A, (B, world.epoch)), B, (B, world.epoch))
                yield "point of no return", world._replace(move="past", past=True, serving=serving)
        elif at == "past" and self.enters(world, teardown=False):
            if world.up[B] and self.no_second(world, A):
                started = world._replace(server=put(world.server, B, True), move="started", diverged=True)
                yield from self.command(world, "start B", B, started)
        elif at == "started":
            yield from self.released(world)
        if at in ("take_lock", "stopped", "compared", "configured", "past"):
            yield "a step fails", world._replace(move="failed")
        if at == "failed":
            yield from self.the_back_out(world)
        elif at in ("backing out", "object back"):
            yield from self.the_way_back(world)
        elif at == "serves again":
            yield from self.released(world)

    def the_back_out(self, world: World) -> Iterator[tuple[str, World]]:
        if not world.lock:
            return
        is_newest = self.is_newest(world)
        if is_newest is False:
            yield "return_service_to_source: overtaken", world._replace(move="released", lock=False)
        elif is_newest and world.past:
            yield "clear the start", world._replace(move="past")
        elif is_newest and not world.touched:
            yield "return_service_to_source: nothing touched", world._replace(move="serves again")
        elif is_newest:
            begun, number = world, world.epoch
            if self.has(BACK_OUT):
                begun, number = self.begin(world, A, owner(world.runs), "back-out", (A, B))
            yield "return_service_to_source begins", begun._replace(move="backing out", epoch=number, compared=False)

    def the_way_back(self, world: World) -> Iterator[tuple[str, World]]:
        if not self.may_serve(world, "source"):
            if self.is_newest(world) is False:
                yield "return_service_to_source: overtaken", world._replace(move="released", lock=False)
            return
        if world.move == "backing out":
            back = world._replace(move="object back", object=A, moved=False)
            yield from self.command_of_teardown(world, "object back", A, back)
        elif self.no_second(world, B):
            started = world._replace(move="serves again", server=put(world.server, A, True))
            yield from self.command_of_teardown(world, "start A", A, started)

    def command_of_teardown(self, world: World, name: str, site: int, done: World) -> Iterator[tuple[str, World]]:
        """As a command; a paused teardown is tried again."""
        yield name, done
        if world.zombie is None:
            told = frozenset(site for site in (A, B) if world.up[site])
            yield f"{name} is paused, and tried again", done._replace(zombie=Zombie(name, site, world.epoch, told))

    def released(self, world: World) -> Iterator[tuple[str, World]]:
        serves = world.server[B] if world.past else (world.server[A] or not world.touched)
        newest_ = self.is_newest(world)
        if newest_ is False:
            yield "release_lock: overtaken", world._replace(move="released", lock=False)
        elif newest_ and serves:
            closed = world
            if self.has(CLOSE):
                closed, _ = self.begin(world, A, owner(world.runs), "closed", (A, B))
            yield "release_lock", closed._replace(move="released", lock=False)

    def the_failover(self, world: World) -> Iterator[tuple[str, World]]:
        if not world.up[B]:
            return
        at = world.failover
        if at == "" and not world.up[A] and not world.server[B]:
            begun, number = self.begin(world, B, FAILOVER, "open", (B,))
            yield "failover: take_lock", begun._replace(failover="take_lock", failover_epoch=number)
        elif at == "take_lock" and not world.up[A]:
            yield "failover: configure_survivor", world._replace(failover="configured", object=B)
        elif at == "configured" and not world.up[A]:
            # Proven dead from two places right before: then noted and started.
            serving = put(world.serving, B, (B, world.failover_epoch))
            server = put(world.server, B, True)
            yield "failover: start", world._replace(failover="started", serving=serving, server=server, diverged=True)
        elif at == "started" and world.server[B]:
            closed, _ = self.begin(world, B, FAILOVER, "closed", (B,))
            yield "failover: release_lock", closed._replace(failover="released")

    def the_zombie(self, world: World, zombie: Zombie) -> Iterator[tuple[str, World]]:
        gone = world._replace(zombie=None)
        name = f"the paused {zombie.command} goes on"
        if zombie.command in ("configure", "object back"):
            # GAX refuses a version that a newer run has changed; the object is then read, and the notes, again.
            if not self.has(NOTE) or self.notes_allow(world, zombie):
                yield name, gone._replace(object=zombie.site)
            else:
                yield f"{name} and is refused", gone
            return
        again = not self.has(AGAIN) or zombie.connected or self.notes_allow(world, zombie)
        if not world.up[zombie.site]:
            yield f"{name} and reaches nobody", gone
        elif not again or not self.host_allows(world, zombie, zombie.site):
            yield f"{name} and is refused", gone
        elif zombie.command == "stop":
            # mlcmd is given the DBID: it stops the server to which the object points.
            runs = world.server[world.object]
            yield name, gone._replace(server=put(world.server, world.object, False), stopped_by_zombie=runs)
        else:
            yield name, gone._replace(server=put(world.server, zombie.site, True))


def violation(world: World) -> str | None:
    """The rule that a state breaks."""
    if all(world.server):
        return "two servers run (rule 4)"
    idle = world.move in ("", "released") and world.failover in ("", "released")
    if not idle or world.runs == 0:
        return None
    if world.server[B] and world.object == A:
        return "the object points to a site that does not serve"
    if world.stopped_by_zombie and all(world.up) and not any(world.server):
        return "a paused stop has stopped the service, and no run says so"
    return None


def explore(model: Model, limit: int = 400_000) -> tuple[int, list[str] | None]:
    """Explore every interleaving.

    :returns: number of states, and the shortest way to a violation; None: there is none.
    """
    begin = World()
    ways: dict[World, tuple[World, str] | None] = {begin: None}
    todo = deque([begin])
    while todo:
        world = todo.popleft()
        for name, after in model.next(world):
            if after in ways:
                continue
            ways[after] = (world, name)
            if (broken := violation(after)) is not None:
                return len(ways), [*way(ways, after), broken]
            assert len(ways) < limit, "the model is too large"
            todo.append(after)
    return len(ways), None


def way(ways: dict[World, tuple[World, str] | None], world: World) -> list[str]:
    found = []
    while (step := ways[world]) is not None:
        world, name = step
        found.append(name)
    return found[::-1]


@pytest.fixture(autouse=True)
def object_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest, "application_host", lambda step, role: NAMES[step.epochs.world.object])


@pytest.mark.parametrize("losses", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_no_interleaving_of_a_move_a_failover_and_a_paused_process_breaks_a_rule(losses: int) -> None:
    states, broken = explore(Model(losses=losses))
    assert broken is None, "\n".join(broken)
    assert states > 1000
    print(f"{states} states")


#: Losses of a site until the model finds the way without the protection. The epoch at the release of the lock is not
#: among them: here the epoch of the back-out covers it.
NEEDED = {HOST: 1, NOTE: 1, AGAIN: 1, SECOND: 1, BACK_OUT: 1, NEWEST: 2, MAY_SERVE: 2, ELSEWHERE: 2}


@pytest.mark.parametrize(
    ("protection", "losses"),
    [pytest.param(*each, marks=[pytest.mark.slow] if each[1] > 1 else []) for each in NEEDED.items()],
)
def test_without_a_protection_the_model_finds_a_way_to_break_a_rule(protection: str, losses: int) -> None:
    _, broken = explore(Model(protection, losses=losses))
    assert broken is not None, f"{protection} protects nothing in this model"
    print("\n".join(broken))
