"""Send messages to tickets; keep undelivered ones at a site and send them later.

The next message for the same ticket sends them first, or ``infomart_watch`` sends them. If the database does not
answer either, the message is lost with a warning; the run goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from infomart_dr.deployment import Deployment
from infomart_dr.evidence.undelivered import Head, Undelivered, UndeliveredStore
from infomart_dr.evidence.watch_store import is_no_table
from infomart_dr.hooks.connections import connection
from infomart_dr.hooks.tickets import Message, Sent, send, words
from infomart_dr.topology import Tickets, Topology

if TYPE_CHECKING:
    from infomart_dr.hooks.oracle import Session

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds for one answer of the database.
_ANSWER = 5
#: Seconds after which a message is discarded.
KEPT_FOR = 7 * 86400.0
#: Most messages that wait at a site; the oldest are discarded first.
KEPT_AT_MOST = 200
#: Seconds until ``infomart_watch`` sends a refused message again: a person must change something first.
REFUSED_FOR = 3600.0
#: Seconds beyond ``tickets.limit`` for which a taken message is reserved.
_TAKEN = 60.0


def bounded(topology: Topology) -> Topology:
    """A topology with short database time-outs, because a task waits while its message is kept."""
    return topology.answering_within(_ANSWER, "connect", "statement")


class Box:
    """The messages that wait at one site. Nothing here raises: sending must work without it.

    :param deployment: with a :func:`bounded` topology.
    """

    def __init__(self, deployment: Deployment, site: str) -> None:
        self.site = site
        self._hook = deployment.goldengate_database(site)
        self._store = UndeliveredStore(deployment.site(site).goldengate.schema_name, deployment.topology.name)
        self._lease = deployment.topology.tickets.limit + _TAKEN if deployment.topology.tickets else _TAKEN

    def waiting(self) -> list[Undelivered]:
        """Waiting messages in the order of sending; none where the database does not answer."""
        return self._attempt("read", self._store.read, otherwise=[])

    def take(self, wanted: Sequence[Undelivered]) -> list[Undelivered]:
        """Reserve messages for sending, without those that another process is sending."""
        now = time.time()
        free = [each for each in wanted if each.message is not None and now - each.head.taken >= self._lease]
        if not free:
            return []
        return self._attempt("take", lambda session: self._store.take(session, free, now), otherwise=[])

    def settle(self, taken: Sequence[Undelivered], sent: Sent) -> None:
        """Remove the sent messages; the rest continue to wait."""

        def change(session: Session) -> None:
            for each in taken:
                if each.key in sent.told:
                    self._store.forget(session, each)
                else:
                    after = time.time() + REFUSED_FOR if each.key in sent.refused else 0.0
                    self._store.give_back(session, each, after)

        if taken:
            self._attempt("record the outcome of", change, otherwise=None)

    def forget(self, waiting: Sequence[Undelivered], why: str) -> None:
        """Discard messages.

        :param why: the reason, for the log.
        """

        def change(session: Session) -> None:
            for each in waiting:
                self._store.forget(session, each)

        if waiting:
            self._attempt("discard", change, otherwise=None)
            log.error("%d ticket message(s) discarded: %s.", len(waiting), why)

    def keep(self, messages: Iterable[Message], refused: set[str]) -> str:
        """Keep messages for later.

        :returns: a sentence for the log about their fate.
        """
        for number, message in enumerate(messages):
            now = time.time()
            # Keeps their order even if the clock does not advance.
            head = Head(now + number * 1e-3, after=now + REFUSED_FOR if message.key in refused else 0.0)
            try:
                with self._hook.transaction() as session:
                    if not self._store.keep(session, message, head):
                        raise _KeptAlready
            except _KeptAlready:
                continue
            except Exception as error:
                return f"Lost: it cannot be kept in DR_LEDGER at {self.site}: {words(error)}"
        return f"Kept in DR_LEDGER at {self.site}: infomart_watch will send it."

    def _attempt(self, what: str, change: Callable[[Session], T], *, otherwise: T) -> T:
        try:
            with self._hook.transaction() as session:
                return change(session)
        except Exception as error:
            if not is_no_table(error):
                log.info("Could not %s waiting ticket messages at %s: %s", what, self.site, words(error))
            return otherwise


class _KeptAlready(Exception):
    """Another process has kept the same message in the meantime."""


def tell(deployment: Deployment, site: str, messages: Sequence[Message]) -> str | None:
    """Send messages to a ticket, after those that already wait for it.

    :param deployment: with a :func:`bounded` topology that has a section ``tickets``.
    :param site: the site that keeps undelivered messages.
    :param messages: all for one ticket.
    :returns: the problem, and the fate of undelivered messages; None when all were sent.
    """
    settings = deployment.topology.tickets
    assert settings is not None
    box = Box(deployment, site)
    waiting = box.waiting()
    known = {each.key for each in waiting}
    fresh = [message for message in messages if message.key not in known]
    taken = box.take([each for each in waiting if each.message and each.message.ticket == messages[0].ticket])
    sent = _send(settings, [*_messages(taken), *fresh])
    box.settle(taken, sent)
    undelivered = [message for message in fresh if message.key not in sent.told]
    if not undelivered:
        return f"{sent.problem} The message continues to wait." if sent.problem else None
    left = [each for each in waiting if each.key not in sent.told]
    box.forget(left[: max(len(left) + len(undelivered) - KEPT_AT_MOST, 0)], f"{KEPT_AT_MOST} already wait")
    return f"{sent.problem} {box.keep(undelivered, sent.refused)}"


def deliver_pending(deployment: Deployment, sites: Iterable[str]) -> None:
    """Send the messages that wait at some sites, all within ``tickets.limit``; a failure is only a line in the log.

    :param deployment: its topology has the caller's time-outs.
    """
    try:
        if deployment.topology.tickets is not None:
            _tell_what_waits(deployment, deployment.topology.tickets, [Box(deployment, site) for site in sites])
    except Exception as error:
        log.warning("The waiting ticket messages were not sent: %s", words(error))


def _tell_what_waits(deployment: Deployment, settings: Tickets, boxes: Sequence[Box]) -> None:
    taken = [(box, each) for box in boxes for each in box.take(_due(box))]
    if not taken:
        return
    taken.sort(key=lambda each: each[1].head.kept)
    sent = _send(settings, _messages([each for _, each in taken]))
    for box in boxes:
        box.settle([each for its, each in taken if its is box], sent)
    log.info("tickets: %d of %d waiting message(s) sent", len(sent.told), len(taken))
    if sent.problem:
        log.warning("Ticket message not sent (again): %s The message continues to wait.", sent.problem)


def _due(box: Box) -> list[Undelivered]:
    """The messages that are due; messages that are too old are discarded."""
    now = time.time()
    waiting = box.waiting()
    old = [each for each in waiting if now - each.head.kept >= KEPT_FOR]
    box.forget(old, f"they waited for {KEPT_FOR / 86400:g} days")
    return [each for each in waiting if each not in old and each.head.after <= now]


def _messages(waiting: Iterable[Undelivered]) -> list[Message]:
    return [each.message for each in waiting if each.message is not None]


def _send(settings: Tickets, messages: Sequence[Message]) -> Sent:
    try:
        # Not in the sending thread: this asks Airflow's supervisor.
        login = connection(settings.connection)
    except Exception as error:
        return Sent(problems=[words(error)])
    return send(settings, login, messages)
