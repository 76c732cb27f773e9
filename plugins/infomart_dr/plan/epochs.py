"""Epochs: each run that takes the deployment gets a higher number, noted at every site and on every host.

The lock keeps two runs apart that ask the same site. An epoch also stops a process that asked long ago: a paused try, a
step whose back-out has begun, a run whose site was lost and whose service is elsewhere since. Before each change the
right of the try is held against the note of the site where the change happens.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Literal, Self

from infomart_dr.deployment import Deployment
from infomart_dr.errors import GuardError, InfoMartError, OvertakenError, TransientError, code_of
from infomart_dr.hooks.fence import Fence, overtaken
from infomart_dr.plan import facts
from infomart_dr.plan.ledger import Ledger, Recorded
from infomart_dr.plan.lock import Statements
from infomart_dr.times import shown
from infomart_dr.values import JsonObject

log = logging.getLogger(__name__)

#: ``open``: the run's steps may act. ``back-out``: only its teardowns may. ``closed``: the run has ended.
State = Literal["open", "back-out", "closed"]

_NO_TABLE = "ORA-00942"
#: Number of tries to get above an epoch that a host has seen and no ledger knows.
_TRIES = 3
#: Seconds for which a site that did not answer is not asked again before a command: each question waits for it.
_SILENCE = 30.0


@dataclass(frozen=True)
class Epoch:
    """The run that has the deployment.

    :param number: higher than that of every earlier run.
    :param plan: the run's plan.
    :param owner: DAG and run.
    :param airflow: address of its Airflow; two Airflows may have runs of the same name.
    :param at: epoch seconds.
    """

    number: int
    plan: str
    owner: str
    airflow: str
    state: State
    at: int

    @classmethod
    def read(cls, value: JsonObject) -> Self:
        """The epoch of a recorded fact."""
        return cls(**value)

    def is_of(self, owner: str) -> bool:
        """It belongs to a run of this Airflow."""
        return (self.owner, self.airflow) == (owner, _here())

    def overtakes(self, other: Epoch) -> bool:
        """The other run may change nothing any more; also when both have the same number, since one cannot be right."""
        mine = (self.owner, self.airflow) == (other.owner, other.airflow)
        return self.number > other.number or (self.number == other.number and not mine)

    def __str__(self) -> str:
        return f"plan {self.plan} of {self.owner}, epoch {self.number} since {shown(self.at)}"


@dataclass(frozen=True)
class Service:
    """The site that serves, as a run has made it.

    :param epoch: number of that run's epoch.
    :param at: epoch seconds.
    """

    site: str
    epoch: int
    plan: str
    at: int

    def __str__(self) -> str:
        return f"{self.site} serves since {shown(self.at)} (plan {self.plan}, epoch {self.epoch})"


def _here() -> str:
    """Address of this Airflow."""
    # Airflow's configuration, which the command line does without.
    from infomart_dr import settings

    return settings.base_url()


def _epoch(recorded: Recorded) -> Epoch | None:
    """The newest run by the notes of a site; None: there was none yet."""
    value = recorded.get(facts.EPOCH)
    return None if value is None else Epoch.read(value)


class Right:
    """The right of one try, held against the notes before each change.

    :param epoch: the epoch of its run.
    """

    def __init__(self, epochs: Epochs, epoch: Epoch, fence: Fence) -> None:
        self._epochs, self.epoch, self.fence = epochs, epoch, fence

    def prove(self, connection: str = "", session: Statements | None = None) -> None:
        """Prove that no newer try or run has taken its place.

        :param connection: Airflow connection of the database to be changed, whose site is asked; empty: each site that
            answers is asked, the plan's own ledger site in any case.
        :param session: the session of the change; it asks where it is that of GoldenGate's owner.
        :raises OvertakenError: one has.
        """
        if not connection:
            for site, recorded in self._epochs.everywhere():
                self.hold_against(site, recorded)
            return
        site, own = self._epochs.site_of(connection)
        self.hold_against(site, self._epochs.noted(site, session if own else None))

    def hold_against(self, site: str, recorded: Recorded) -> None:
        """Prove that there is no newer try or run among the notes of a site.

        :raises OvertakenError: there is one.
        """
        newest = _epoch(recorded)
        if newest is not None and newest.overtakes(self.epoch):
            raise overtaken(f"The ledger at {site} has", self.fence, newest.number, 0, newest.owner)
        attempt = recorded.get(facts.TRY.of(self.fence.key)) or 0
        if attempt > self.fence.attempt:
            raise overtaken(f"The ledger at {site} has", self.fence, self.epoch.number, attempt)


class Epochs:
    """The notes of a deployment's sites about its runs.

    :param keeper: the site with lock and ledger of the plan.
    :param others: further sites that are told and asked, when they answer.
    """

    def __init__(self, deployment: Deployment, keeper: str, others: tuple[str, ...], plan_id: str, owner: str) -> None:
        self._deployment, self._keeper, self._others = deployment, keeper, others
        self._plan, self._owner = plan_id, owner
        #: Moment from which on a silent site is asked again.
        self._ask_again: dict[str, float] = {}

    # -- asking ------------------------------------------------------------------------------------

    def current(self) -> Epoch | None:
        """The newest run by the plan's own ledger; None: there was none yet."""
        return _epoch(self.noted(self._keeper))

    def is_open(self) -> bool:
        """This run has the deployment, and its steps may act."""
        now = self.current()
        return now is not None and now.is_of(self._owner) and now.state == "open"

    def elsewhere(self) -> tuple[dict[str, Epoch], dict[str, InfoMartError]]:
        """The newest run by each other site's note, and the errors of the sites that do not answer."""
        found, silent = dict[str, Epoch](), dict[str, InfoMartError]()
        for site in self._others:
            try:
                epoch = _epoch(self.noted(site))
            except InfoMartError as error:
                silent[site] = error
                continue
            if epoch is not None:
                found[site] = epoch
        return found, silent

    def everywhere(self) -> Iterator[tuple[str, Recorded]]:
        """The notes of each site that answers; the keeper must."""
        yield self._keeper, self.noted(self._keeper)
        for site in self._others:
            if time.monotonic() < self._ask_again.get(site, 0):
                continue
            try:
                recorded = self.noted(site)
            except InfoMartError as error:
                log.debug("%s does not answer: %s", site, error.what)
                self._ask_again[site] = time.monotonic() + _SILENCE
                continue
            yield site, recorded

    def service(self) -> Service | None:
        """The newest note about the site that serves, at the sites that answer; None: there is none."""
        values = [recorded.get(facts.SERVING) for _, recorded in self.everywhere()]
        return max((Service(**value) for value in values if value), key=lambda each: each.epoch, default=None)

    def noted(self, site: str, session: Statements | None = None) -> Recorded:
        """All notes of a site; none where it has no ledger yet.

        :param session: an open session of GoldenGate's owner there.
        """
        ledger = self._ledger(site, session)
        if session is not None and site != self._keeper and not ledger.exists():
            # Asked first: a statement that fails may end the transaction.
            return Recorded({})
        try:
            return ledger.all()
        except Exception as error:
            if code_of(error) != _NO_TABLE:
                raise
            return Recorded({})

    def site_of(self, connection: str) -> tuple[str, bool]:
        """The site of a database, else the keeper; and: it is the connection of GoldenGate's owner."""
        for name, site in self._deployment.topology.sites.items():
            database = site.database
            if connection == database.goldengate_connection:
                return name, True
            if connection in (database.dba_connection, database.info_mart_connection):
                return name, False
        return self._keeper, False

    def _ledger(self, site: str, session: Statements | None = None) -> Ledger:
        if session is None:
            return Ledger.at(self._deployment, site, facts.DEPLOYMENT)
        schema = self._deployment.site(site).goldengate.schema_name
        return Ledger(session, schema, self._deployment.topology.name, facts.DEPLOYMENT)

    # -- telling -----------------------------------------------------------------------------------

    def begin(self, state: State = "open") -> Epoch:
        """Begin an epoch of this run, and tell every site and host that answers.

        :raises TransientError: another run began one at the same moment.
        """
        lowest = 0
        for _ in range(_TRIES):
            epoch = self._begin(state, lowest)
            try:
                self._tell(Fence(self._deployment.topology.name, epoch.number, "", 1), epoch)
            except OvertakenError as error:
                # Its ledger was lost or restored from a backup. The lock decides, so this run goes above it.
                log.warning("observe: %s", error.what)
                lowest = error.epoch
                continue
            return epoch
        raise TransientError("The hosts have seen ever higher epochs.", "The retry tries again.")

    def _begin(self, state: State, lowest: int) -> Epoch:
        ledger = self._ledger(self._keeper)
        recorded = ledger.all()
        before = _epoch(recorded)
        others, _ = self.elsewhere()
        known = [] if before is None else [before.number]
        number = max([lowest, *known, *(each.number for each in others.values())], default=0) + 1
        epoch = Epoch(number, self._plan, self._owner, _here(), state, int(time.time()))
        if not ledger.swap(facts.EPOCH, recorded.text(facts.EPOCH), asdict(epoch)):
            raise TransientError(
                f"Another run noted an epoch of {self._deployment.topology.name} at the same moment.",
                "The retry looks who holds the lock.",
            )
        for fact, _ in recorded.of(facts.TRY):
            ledger.forget(fact)
        log.info("Epoch %s of %s: %s, %s.", number, self._deployment.topology.name, self._owner, state)
        return epoch

    def right(self, task: str, attempt: int, *, teardown: bool) -> Right:
        """The right of a try to act.

        :param task: id of the task, with the index of a mapped one.
        :param attempt: Airflow's number of the try.
        :param teardown: the task is a teardown.
        :raises GuardError: the run does not have the deployment, or its back-out has begun.
        """
        recorded = self.noted(self._keeper)
        now = _epoch(recorded)
        if now is None or not now.is_of(self._owner):
            raise GuardError(
                f"The deployment {self._deployment.topology.name} has another run by its ledger: {now or 'none'}.",
                "Clear take_lock with Downstream, or start a new run with this plan.",
            )
        if now.state != "open" and not teardown:
            raise GuardError(
                f"The back-out of this run has begun (epoch {now.number}), so no other step of it may act.",
                "Wait for the end of the back-out. Then clear take_lock with Downstream.",
            )
        fence = Fence(self._deployment.topology.name, now.number, task, attempt)
        right = Right(self, now, fence)
        right.hold_against(self._keeper, recorded)
        if attempt > 1:
            self._tell(fence)
        return right

    def serves(self, site: str, epoch: Epoch) -> None:
        """Note at every site that answers that a site serves from now on; at the keeper it must succeed."""
        note = Service(site, epoch.number, epoch.plan, int(time.time()))
        for name in (self._keeper, *self._others):
            try:
                ledger = self._ledger(name)
                ledger.ensure_table()
                ledger.put(facts.SERVING, asdict(note))
            except InfoMartError as error:
                if name == self._keeper:
                    raise
                log.warning("act: %s was not told that %s serves: %s", name, site, error.what)

    def _tell(self, fence: Fence, epoch: Epoch | None = None) -> None:
        """Tell all sites and hosts of the plan a right, at the same time; from then on they refuse older ones.

        :param epoch: a new epoch to be noted; None: the fence's try.
        """
        calls: dict[str, Callable[[], None]] = {
            f"the database of {site}": partial(self._note, site, fence, epoch)
            for site in ((self._keeper, *self._others) if epoch is None else self._others)
        }
        for site in (self._keeper, *self._others):
            for host in self._deployment.site(site).hosts():
                calls[host] = partial(self._touch, host, fence)
        if not calls:
            return
        with ThreadPoolExecutor(len(calls)) as pool:
            futures = {name: pool.submit(call) for name, call in calls.items()}
        for name, future in futures.items():
            try:
                future.result()
            except OvertakenError:
                raise
            except InfoMartError as error:
                log.warning("act: %s was not told of epoch %s: %s", name, fence.epoch, error.what)

    def _note(self, site: str, fence: Fence, epoch: Epoch | None) -> None:
        ledger = self._ledger(site)
        ledger.ensure_table()
        if epoch is None:
            ledger.put(facts.TRY.of(fence.key), fence.attempt)
            return
        recorded = ledger.all()
        newest = _epoch(recorded)
        if newest is not None and newest.number >= epoch.number:
            raise OvertakenError(f"{site} has noted {newest}.", "The retry takes a higher epoch.", epoch=newest.number)
        for fact, _ in recorded.of(facts.TRY):
            ledger.forget(fact)
        ledger.put(facts.EPOCH, asdict(epoch))

    def _touch(self, host: str, fence: Fence) -> None:
        from infomart_dr.hooks.remote_host import RemoteHost

        with RemoteHost.from_topology(self._deployment.topology, host, lambda: fence) as machine:
            machine.run(["true"])
