"""HTTP to external systems: one client for GAX, tickets and alerts, with typed errors and support for Retry-After."""

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

#: Seconds between two attempts: the first delay and the longest one.
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0
#: Answers that may be different at another attempt.
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


class BusyError(TransientError):
    """The other side is busy or silent: another attempt may help.

    :param after: seconds that the other side asks for; None: it names no time.
    """

    def __init__(self, what: str, *, after: float | None = None) -> None:
        super().__init__(what, "Another attempt may succeed. If none does, check the other side.")
        self.after = after


def bounded(work: Callable[[], T], limit: float, name: str) -> T:
    """Work with an external system within a time limit, whatever the other side does.

    The work runs in a thread, which is abandoned when the time is over: no timeout of a request limits an answer that
    arrives byte by byte, or a silent name server.

    :param limit: seconds.
    :param name: name of the thread.
    :raises BusyError: the work did not end in time; otherwise the error that ``work`` raises.
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
        raise BusyError(f"not finished within {limit:g} s")
    return future.result()


class ForbiddenError(CredentialsError):
    """The login is valid, and lacks the right to do this."""


class Http:
    """Requests to an external system, with typed errors.

    :param connection_id: for messages.
    :param login: Airflow connection (type http): host, port, schema ``https`` (default) or ``http``; user and password,
        or a password alone, which is sent as a bearer token. Extra ``verify``: false or the path of a CA file;
        ``proxy``: address of an HTTP proxy.
    :param timeout: seconds for one answer.
    :param basic: True: every request has user and password; False: no request has them.
    :param transport: for tests.
    """

    #: Owner of the address, for messages.
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
            # Only its type: httpx's text about a proxy's address may contain part of its password.
            raise TopologyError(
                f"The connection {connection_id} cannot be used ({type(error).__name__}).",
                "Correct its host, port, password and extra field proxy.",
            ) from None

    def _base(self, login: Any) -> httpx.URL:
        scheme, _, rest = (login.host or "").rpartition("://")
        scheme = scheme or login.schema or "https"
        next_step = "Correct its host, port and schema."
        if rest and scheme not in ("http", "https"):
            next_step = "Set its schema to http or https."
        elif rest:
            try:
                return httpx.URL(f"{scheme}://{rest.rstrip('/')}" + (f":{login.port}" if login.port else ""))
            except httpx.InvalidURL:
                pass
        raise TopologyError(f"The connection {self.connection_id} has no valid address{self.of}.", next_step)

    @property
    def address(self) -> httpx.URL:
        """The address of all requests."""
        return self._client.base_url

    def close(self) -> None:
        self._client.close()

    def send(self, method: str, path: str, what: str, **arguments: Any) -> httpx.Response:
        """One request; every HTTP answer counts as success.

        :param what: name of the request, for messages.
        :raises InfoMartError: there was no answer; the type comes from :meth:`no_answer`.
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
        if isinstance(error, httpx.TransportError):
            return BusyError(f"{where}: {type(error).__name__}: {error}")
        # Such as a body that does not match Content-Encoding.
        return PermanentError(
            f"{where}: {type(error).__name__}: {error}", f"Check the other side of the connection {self.connection_id}."
        )

    def request(
        self, method: str, path: str, what: str, *, accept: frozenset[int] = frozenset(), **arguments: Any
    ) -> httpx.Response:
        """One request that must succeed.

        :param what: name of the request, for messages.
        :param accept: further answers that count as success.
        :raises BusyError: there was no answer, or one that may be different at another attempt.
        :raises CredentialsError: the login was refused, or lacks the right.
        :raises PermanentError: any other answer; another attempt would get it again.
        """
        reply = self.send(method, path, what, **arguments)
        where = f"{what} at {self.address.host}"
        if reply.status_code in _BUSY:
            raise BusyError(f"{where}: HTTP {reply.status_code}.", after=retry_after(reply.headers.get("Retry-After")))
        if reply.status_code in (401, 403):
            kind = CredentialsError if reply.status_code == 401 else ForbiddenError
            raise kind(
                f"{where}: {self._user} was refused (HTTP {reply.status_code}).",
                f"Correct the connection {self.connection_id}, or the rights of its user.",
            )
        if not reply.is_success and reply.status_code not in accept:
            said = reply.text[:200].strip()
            raise PermanentError(
                f"{where}: HTTP {reply.status_code}{f': {said}' if said else '.'}",
                f"Correct the part of the topology that uses the connection {self.connection_id}, or the other side.",
            )
        return reply

    def json(self, method: str, path: str, what: str, **arguments: Any) -> Any:
        """The answer's document."""
        reply = self.request(method, path, what, **arguments)
        try:
            return reply.json()
        except (ValueError, RecursionError):
            raise PermanentError(
                f"{what} at {self.address.host}: the answer is not JSON.",
                f"Check that the address of the connection {self.connection_id} is that of the interface.",
            ) from None


def certificates(path: object, connection_id: str) -> Any:
    """TLS settings that trust the CA file of a connection's extra ``verify``.

    :raises TopologyError: the file cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError):
        raise TopologyError(
            f'The extra field "verify" of the connection {connection_id} does not name a readable CA file.',
            "Set it to true, false or the path of a PEM file on Airflow's workers.",
        ) from None


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a header ``Retry-After`` asks for; it contains seconds or a date."""
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
    """The delay that the other side asks for, otherwise a growing delay."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.after if isinstance(error, BusyError) else None
    return asked if asked is not None else min(_FIRST_WAIT * 2 ** (state.attempt_number - 1), _LONGEST_WAIT)
