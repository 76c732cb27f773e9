"""The moments of a step, and what can happen at one: a process that dies or is paused, a call without a reply.

The outside calls of the product's hooks and the parts of a step are wrapped. At most one shot is armed at a time.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import httpx

from infomart_dr.hooks.http import Http
from infomart_dr.hooks.oracle import InfoMartOracleHook, classify
from infomart_dr.hooks.remote_host import RemoteHost

#: Moments of a step, in their order.
LOOK, BEFORE_ACT, UNSENT, REPLY_LOST, BEFORE_VERIFY, WAITING, AFTER_VERIFY, AFTER_SUCCESS = (
    "at its first look",
    "before the act",
    "in the act, before a call",
    "in the act, a call's reply lost",
    "between act and verify",
    "while it waits",
    "after verify, before Airflow has noted it",
    "cleared after success",
)
#: The answer of a person at a gate.
ASKED = "while it asks a person"


class Died(BaseException):
    """The task's process is gone: nothing of the product may catch this."""


@dataclass
class Call:
    """An outside call.

    :param kind: ``ssh``, ``oracle`` or ``http``.
    :param place: Airflow connection.
    :param lost: makes the error that the product sees when the reply does not arrive.
    """

    kind: str
    place: str
    lost: Callable[[], Exception]


@dataclass
class Shot:
    """What happens once, at one moment.

    :param number: of the call in the act.
    :param happens: is called there; may raise.
    :param early: at the first look: before its first call, and not after it.
    """

    moment: str
    happens: Callable[[Call | None], None]
    number: int = 1
    early: bool = False
    fired: bool = False


@dataclass
class Seen:
    """What a try of a step did: outside calls by part, and the places that it called."""

    calls: Counter[str] = field(default_factory=Counter)
    places: set[str] = field(default_factory=set)
    acted: bool = False
    waited: bool = False


class Moments:
    """Fires the armed shot at its moment, and counts."""

    def __init__(self) -> None:
        self._guard = threading.RLock()
        self._shot: Shot | None = None
        self._part = ""
        self._count: Counter[str] = Counter()
        self.seen = Seen()
        #: Threads of tries that are paused or were: they never meet a shot.
        self.outside: set[int] = set()

    def begin(self, shot: Shot | None) -> None:
        """A new try of a step begins."""
        with self._guard:
            self._shot, self._part = shot, ""
            self._count.clear()
            self.seen = Seen()

    def reach(self, moment: str, number: int = 1, call: Call | None = None) -> None:
        """The step has come to a moment."""
        with self._guard:
            shot = self._shot
            if (
                shot is None
                or shot.fired
                or threading.get_ident() in self.outside
                or (shot.moment, shot.number) != (moment, number)
            ):
                return
            shot.fired = True
        shot.happens(call)

    @contextmanager
    def outside_call(self, call: Call) -> Iterator[None]:
        """Around an outside call of a hook."""
        with self._guard:
            part = self._part
            self._count[part] += 1
            number = self._count[part]
            self.seen.calls[part] += 1
            self.seen.places.add(call.place)
        if part == "act":
            self.reach(UNSENT, number, call)
        yield
        if part == "act":
            self.reach(REPLY_LOST, number, call)
        elif part in ("look", "wait") and number == 1:
            self.reach(LOOK if part == "look" else WAITING, 1, call)

    def wrap(self, task: Any) -> None:
        """Let a task tell its parts."""
        for name, around in (
            ("observe", self._observe),
            ("act", self._act),
            ("settled", self._settled),
            ("collect", self._collect),
            ("_result", self._result),
        ):
            original = getattr(type(task), name, None)
            if original is not None:
                object.__setattr__(task, name, around(original.__get__(task)))

    def _observe(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def observe(step: Any) -> Any:
            if self._part == "":
                self._part = "look"
                if self._shot is not None and self._shot.early:
                    self.reach(LOOK)
            return original(step)

        return observe

    def _act(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def act(step: Any, seen: Any) -> Any:
            self._part = "act"
            self.seen.acted = True
            self.reach(BEFORE_ACT)
            return original(step, seen)

        return act

    def _settled(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def settled(step: Any) -> Any:
            self.reach(BEFORE_VERIFY)
            self._part = "verify"
            return original(step)

        return settled

    def _collect(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def collect(step: Any, event: Any) -> Any:
            self._part = "collect"
            return original(step, event)

        return collect

    def _result(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def result(step: Any, seen: Any) -> Any:
            if self._part == "act":
                # The act itself has waited for its proof.
                self.reach(BEFORE_VERIFY)
            self._part = "finish"
            answer = original(step, seen)
            self.reach(AFTER_VERIFY)
            return answer

        return result

    def waits(self) -> None:
        """The step is deferred."""
        self._part = "wait"
        self._count["wait"] = 0
        self.seen.waited = True

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Wrap the outside calls of all hooks of this process."""
        run, stream = RemoteHost._run_bytes, RemoteHost.streaming
        session, send = InfoMartOracleHook._session, Http.send
        moments = self

        def run_bytes(host: RemoteHost, argv: Any, **arguments: Any) -> Any:
            def lost() -> Exception:
                return host._lost(str(argv[0]))

            with moments.outside_call(Call("ssh", host.ssh_connection, lost)):
                return run(host, argv, **arguments)

        @contextmanager
        def streaming(host: RemoteHost, text: str, *arguments: str) -> Iterator[Any]:
            call = Call("ssh", host.ssh_connection, lambda: host._lost("the copy"))
            with moments.outside_call(call), stream(host, text, *arguments) as opened:
                yield opened

        @contextmanager
        def oracle(hook: InfoMartOracleHook, *, commit: bool) -> Iterator[Any]:
            def lost() -> Exception:
                return classify("ORA-03113: end-of-file on communication channel", "Commit", hook.target())

            with moments.outside_call(Call("oracle", hook.conn_id, lost)), session(hook, commit=commit) as opened:
                yield opened

        def sends(http: Http, method: str, path: str, what: str, **arguments: Any) -> Any:
            def lost() -> Exception:
                return http.no_answer(httpx.ReadTimeout("no reply"), what)

            with moments.outside_call(Call("http", http.connection_id, lost)):
                return send(http, method, path, what, **arguments)

        with (
            mock.patch.object(RemoteHost, "_run_bytes", run_bytes),
            mock.patch.object(RemoteHost, "streaming", streaming),
            mock.patch.object(InfoMartOracleHook, "_session", oracle),
            mock.patch.object(Http, "send", sends),
        ):
            yield
