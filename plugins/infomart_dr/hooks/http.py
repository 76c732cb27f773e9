"""HTTP to systems outside: one client for GAX, tickets and alerts, with typed errors and what a busy one asks for."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, TypeVar

import httpx
import tenacity

from infomart_dr.errors import CredentialsError, InfoMartError, PermanentError, TopologyError, TransientError

T = TypeVar("T")

#: Seconds between two attempts, the first and the longest.
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
#: Answers that another attempt may change.
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


class BusyError(TransientError):
    """The other side is busy or silent: another attempt may help.

    :param after: seconds that it asks for; None: it does not.
    """

    def __init__(self, what: str, *, after: float | None = None) -> None:
        super().__init__(what)
        self.after = after


def bounded(work: Callable[[], T], limit: float, name: str) -> T:
    """Do something with a system outside, within a time whatever the other side does.

    In a thread, which is left behind when the time is over: an answer that drips in byte by byte, or a name server
    that is silent, is bounded by no timeout of a request.

    :param limit: seconds.
    :param name: of the thread.
    :raises BusyError: no end within the time; else what ``work`` raises.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    wait([future], limit)
    if not future.done():
        raise BusyError(f"no end within {limit:g} s")
    return future.result()


class ForbiddenError(CredentialsError):
    """The login is good, and this is not for it."""


class Http:
    """Requests to a system outside, with its errors typed.

    :param connection_id: for messages.
    :param login: Airflow connection (type http): host, port, schema ``https`` (default) or ``http``; user and password,
        or a password alone, which is sent as a bearer token. Extra ``verify``: false or the path of a CA file;
        ``proxy``: address of an HTTP proxy.
    :param timeout: seconds for one answer.
    :param basic: user and password go with every request; else nobody's do.
    :param transport: for tests.
    """

    #: Whose address it is, for messages.
    of: ClassVar[str] = ""

    def __init__(
        self,
        connection_id: str,
        login: Any,
        *,
        timeout: float | httpx.Timeout,
        basic: bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.connection_id = connection_id
        base = self._base(login)
        extra = login.extra_dejson
        verify = extra.get("verify", True)
        headers = {"Accept": "application/json", "User-Agent": "infomart-dr"}
        if basic and login.password and not login.login:
            headers["Authorization"] = f"Bearer {login.password}"
        self._user = login.login or "the token"
        trusted = verify if isinstance(verify, bool) else certificates(verify, connection_id)
        try:
            self._client = httpx.Client(
                base_url=base,
                auth=(login.login, login.password or "") if basic and login.login else None,
                headers=headers,
                timeout=timeout,
                verify=trusted,
                proxy=extra.get("proxy"),
                transport=transport,
                trust_env=False,
            )
        except Exception as error:
            # By its type only: what httpx says of a proxy's address may show a part of its password.
            raise TopologyError(
                f"The connection {connection_id} cannot be used ({type(error).__name__}).",
                "Correct host, port, password and the extra field proxy of it.",
            ) from None

    def _base(self, login: Any) -> httpx.URL:
        scheme, _, rest = (login.host or "").rpartition("://")
        scheme = scheme or login.schema or "https"
        next_step = "Correct host, port and schema of it."
        if rest and scheme not in ("http", "https"):
            next_step = "Set its schema to http or https."
        elif rest:
            try:
                return httpx.URL(f"{scheme}://{rest.rstrip('/')}" + (f":{login.port}" if login.port else ""))
            except httpx.InvalidURL:
                pass
        raise TopologyError(f"The connection {self.connection_id} gives no address{self.of}.", next_step)

    @property
    def address(self) -> httpx.URL:
        """Where requests go."""
        return self._client.base_url

    def close(self) -> None:
        self._client.close()

    def send(self, method: str, path: str, what: str, **arguments: Any) -> httpx.Response:
        """One request, whatever is answered.

        :param what: what was asked for, for messages.
        :raises InfoMartError: there was no answer, as :meth:`no_answer` types it.
        """
        try:
            return self._client.request(method, path, **arguments)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self.no_answer(error, what) from None

    def no_answer(self, error: Exception, what: str) -> InfoMartError:
        """The typed error for a request without an answer."""
        where = f"{what} at {self.address.host}"
        if isinstance(error, httpx.TimeoutException):
            return BusyError(f"{where}: no answer in time.")
        if isinstance(error, httpx.InvalidURL):
            return TopologyError(f"{where}: the path is not valid.", f"Correct the path for {self.connection_id}.")
        # Others than those of the transport: as a body that is not what Content-Encoding says.
        kind = BusyError if isinstance(error, httpx.TransportError) else PermanentError
        return kind(f"{where}: {type(error).__name__}: {error}")

    def request(
        self, method: str, path: str, what: str, *, accept: frozenset[int] = frozenset(), **arguments: Any
    ) -> httpx.Response:
        """One request that must succeed.

        :param what: what was asked for, for messages.
        :param accept: answers that are as good as success.
        :raises BusyError: no answer, or one that another attempt may change.
        :raises CredentialsError: the login is refused, or may not do this.
        :raises PermanentError: another answer that another attempt will not change.
        """
        reply = self.send(method, path, what, **arguments)
        where = f"{what} at {self.address.host}"
        if reply.status_code in _BUSY:
            raise BusyError(f"{where}: HTTP {reply.status_code}.", after=retry_after(reply.headers.get("Retry-After")))
        if reply.status_code in (401, 403):
            kind = CredentialsError if reply.status_code == 401 else ForbiddenError
            raise kind(
                f"{where}: {self._user} is refused (HTTP {reply.status_code}).",
                f"Correct the connection {self.connection_id}, or its rights there.",
            )
        if not reply.is_success and reply.status_code not in accept:
            said = reply.text[:200].strip()
            raise PermanentError(f"{where}: HTTP {reply.status_code}{f': {said}' if said else '.'}")
        return reply

    def json(self, method: str, path: str, what: str, **arguments: Any) -> Any:
        """The answer's document."""
        reply = self.request(method, path, what, **arguments)
        try:
            return reply.json()
        except ValueError:
            raise PermanentError(f"{what} at {self.address.host}: the answer is not JSON.") from None


def certificates(path: object, connection_id: str) -> Any:
    """Trust in the CA file that a connection's extra ``verify`` names.

    :raises TopologyError: it cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError):
        raise TopologyError(
            f'The extra field "verify" of the connection {connection_id} names no readable CA file.',
            "Give true, false or the path of a PEM file on Airflow's workers.",
        ) from None


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a header ``Retry-After`` asks for; it holds seconds or a date."""
    if not value:
        return None
    if re.fullmatch(r"\d{1,9}", value.strip()):
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except ValueError:
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max((then - (now or datetime.now(UTC))).total_seconds(), 0.0)


def growing(state: tenacity.RetryCallState) -> float:
    """What the other side asks for, else growing delays."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, BusyError) else None
    return asked if asked is not None else min(_FIRST_WAIT * 2 ** (state.attempt_number - 1), _LONGEST_WAIT)
