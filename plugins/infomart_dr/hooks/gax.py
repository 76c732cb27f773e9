"""Application objects through GAX. Its REST interface is internal and not published.

Therefore its paths come from the topology, and all its field names are in one table here.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx
from airflow.sdk.log import mask_secret
from pydantic import ValidationError

from infomart_dr.errors import (
    CredentialsError,
    InfoMartError,
    PermanentError,
    TopologyError,
    TransientError,
    UnexpectedReplyError,
    UnreachableError,
)
from infomart_dr.hooks.configuration import (
    DISABLED,
    ENABLED,
    Application,
    Change,
    Difference,
    Verification,
    differences,
)
from infomart_dr.hooks.connections import connection
from infomart_dr.hooks.http import Http
from infomart_dr.topology import ConfigurationPaths

log = logging.getLogger(__name__)

#: The Application object's fields as GAX's JSON names them.
GAX_FIELDS = {
    "name": "name",
    "dbid": "dbid",
    "type": "type",
    "state": "state",
    "host": "host",
    "command_line": "commandLine",
    "connections": "connections",
    "options": "options",
    "version": "version",
}
#: Number of tries of a change while somebody else changes the object too.
ATTEMPTS = 5


def from_gax(document: Any) -> Application:
    """An Application object from GAX's JSON.

    :raises UnexpectedReplyError: a required field is missing or of another kind.
    """
    if not isinstance(document, dict):
        raise UnexpectedReplyError(
            f"GAX returned a {type(document).__name__} instead of an Application object.",
            "Check configuration.paths in the topology.",
        )
    values: dict[str, Any] = {ours: document.get(theirs) for ours, theirs in GAX_FIELDS.items()}
    values["connections"] = values["connections"] or []
    options = values["options"] or {}
    try:
        values["options"] = {
            str(section): {str(name): str(value) for name, value in entries.items()}
            for section, entries in options.items()
        }
        return Application.model_validate({**values, "raw": document})
    except (ValidationError, AttributeError) as error:
        places = (
            ", ".join(sorted({str(item["loc"][0]) for item in error.errors()}))
            if isinstance(error, ValidationError)
            else "options"
        )
        raise UnexpectedReplyError(
            f"GAX's Application object has an unexpected form in: {places}.",
            "Compare GAX's reply with the documented form, or use the backend manual.",
        ) from None


def to_gax(application: Application, change: Change) -> dict[str, Any]:
    """The complete object for GAX, with the change in it and everything else unchanged."""
    document: dict[str, Any] = json.loads(json.dumps(application.raw))
    if change.host is not None:
        document[GAX_FIELDS["host"]] = change.host
    if change.command_line is not None:
        document[GAX_FIELDS["command_line"]] = change.command_line
    if change.connect or change.disconnect:
        kept = [name for name in application.connections if name not in change.disconnect]
        document[GAX_FIELDS["connections"]] = list(dict.fromkeys([*kept, *change.connect]))
    if change.options:
        sections = document.get(GAX_FIELDS["options"]) or {}
        for section, options in change.options.items():
            sections[section] = {**sections.get(section, {}), **options}
        document[GAX_FIELDS["options"]] = sections
    if change.enabled is not None:
        document[GAX_FIELDS["state"]] = ENABLED if change.enabled else DISABLED
    return document


class _Client(Http):
    """Requests to GAX, with messages that name GAX when there is no answer."""

    of = " of GAX"

    def no_answer(self, error: Exception, what: str) -> InfoMartError:
        where = f"GAX at {self.address}"
        if isinstance(error, httpx.TimeoutException):
            limit = error.request.extensions["timeout"]["read"]
            return UnreachableError(
                f"{where} did not answer {what} within {limit:g} s.", "Check GAX's host and its log."
            )
        if isinstance(error, httpx.ConnectError):
            if "CERTIFICATE" in str(error).upper():
                return CredentialsError(
                    f"The certificate of {where} is not trusted.",
                    f'Set the extra "verify" of the connection {self.connection_id} to the path of the CA file.',
                )
            return UnreachableError(f"{where} cannot be reached.", "Check that GAX runs, and its host and port.")
        if isinstance(error, httpx.TransportError):
            return UnreachableError(
                f"{where} broke off {what} ({type(error).__name__}).", "Check GAX's log; Airflow retries the step."
            )
        return super().no_answer(error, what)


class GaxConfiguration:
    """Application objects through GAX's internal REST interface. Use ``with``, or :meth:`close` it.

    :param connection_id: Airflow connection: host, port, user, password; schema ``http`` or ``https``
        (default); extra ``verify``: false, or the path of a CA file.
    :param paths: paths from the topology; ``{name}`` is replaced by the object's name.
    :param connect_timeout: seconds for connecting, and for the login's answer.
    :param timeout: seconds for one answer.
    :param before_change: called before each change; raises where it is not allowed.
    :param transport: only for tests.
    """

    automatic = True

    def __init__(
        self,
        connection_id: str,
        paths: ConfigurationPaths | None = None,
        *,
        connect_timeout: float = 10,
        timeout: float = 60,
        before_change: Callable[[], None] = lambda: None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._id = connection_id
        self._paths = paths or ConfigurationPaths()
        self._timeout = httpx.Timeout(timeout, connect=connect_timeout)
        self._before_change = before_change
        self._transport, self._sleep = transport, sleep
        self._http: Http | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session; the next call opens another."""
        http, self._http = self._http, None
        if http is not None:
            http.close()

    # -- operations --------------------------------------------------------------------------------

    def read(self, name: str) -> Application:
        """An Application object.

        :raises UnreachableError: GAX does not answer.
        :raises CredentialsError: GAX refused user, password or rights.
        :raises PermanentError: there is no such object.
        """
        application = from_gax(self._json(self._request("GET", name), name))
        if application.name != name:
            raise UnexpectedReplyError(
                f"GAX returned the object {application.name!r} instead of {name!r}.",
                "Check configuration.paths in the topology.",
            )
        return application

    def apply(self, name: str, change: Change) -> list[Difference]:
        """Give an object the wanted values, and prove it by reading it again.

        The complete object is sent back with the version that was read. When somebody changed it meanwhile (409), it
        is read and compared again, so that no change is lost.

        :returns: the changed fields; none when the object had these values already.
        :raises TransientError: somebody else kept changing the object.
        :raises UnexpectedReplyError: GAX accepted the change and the object is still different.
        """
        for attempt in range(1, ATTEMPTS + 1):
            application = self.read(name)
            wanted = differences(application, change)
            if not wanted:
                log.info("The Application object %s has the wanted values already.", name)
                return []
            # Once for each version that was read: somebody who has changed it meanwhile may be a newer run.
            self._before_change()
            log.info("Changing the Application object %s: %s.", name, "; ".join(map(str, wanted)))
            reply = self._request("PUT", name, to_gax(application, change), accept={409})
            if reply.status_code == 409:
                log.warning("Somebody else changed %s; reading it again.", name)
                self._sleep(0.2 * attempt)
                continue
            left = differences(self.read(name), change)
            if left:
                raise UnexpectedReplyError(
                    f"GAX accepted the change of {name}, but the object still differs: {'; '.join(map(str, left))}.",
                    "Open the object in GAX. Check whether it is locked, or whether somebody changes it back.",
                )
            return wanted
        raise TransientError(
            f"Somebody else changed the Application object {name} {ATTEMPTS} times in a row.",
            "Find out who changes it; Airflow retries the step.",
        )

    def verify(self, name: str, change: Change) -> Verification:
        """Read an object and compare it."""
        left = differences(self.read(name), change)
        if left:
            return Verification(proven=False, differences=left, message=f"{name} differs: {'; '.join(map(str, left))}.")
        return Verification(proven=True, message=f"{name} has the wanted values.")

    # -- HTTP --------------------------------------------------------------------------------------

    def _open(self) -> Http:
        """A client with its own session."""
        if self._http is not None:
            return self._http
        login = connection(self._id, "http")
        if not login.host or not login.login or not login.password:
            raise TopologyError(
                f"The connection {self._id} lacks host, user or password.", "Complete the connection in Airflow."
            )
        mask_secret(login.password)
        http = _Client(self._id, login, timeout=self._timeout, basic=False, transport=self._transport)
        try:
            reply = http.send(
                "POST",
                self._paths.login,
                f"POST {self._paths.login}",
                json={"username": login.login, "password": login.password},
                timeout=self._timeout.connect,
            )
            if reply.status_code in (400, 401, 403):
                raise CredentialsError(
                    f"GAX refused the login of {login.login} (HTTP {reply.status_code}).",
                    f"Correct user and password of the Airflow connection {self._id}.",
                )
            self._known(reply, f"login at {self._paths.login}", "Check configuration.paths.login.")
        except InfoMartError:
            http.close()
            raise
        self._http = http
        return http

    def _request(
        self,
        method: str,
        name: str,
        body: Mapping[str, Any] | None = None,
        accept: frozenset[int] | set[int] = frozenset(),
    ) -> httpx.Response:
        path = self._paths.application.replace("{name}", quote(name, safe=""))
        fresh = self._http is None
        reply = self._open().send(method, path, f"{method} {path}", json=body)
        if reply.status_code == 401 and not fresh:
            # The session has expired.
            self.close()
            reply = self._open().send(method, path, f"{method} {path}", json=body)
        if reply.status_code in accept:
            return reply
        if reply.status_code in (401, 403):
            raise CredentialsError(
                f"GAX refuses {method} of {name} to this user (HTTP {reply.status_code}).",
                f"Give the user of the connection {self._id} the right to "
                f"{'change' if method == 'PUT' else 'read'} this object.",
            )
        if reply.status_code == 404:
            raise PermanentError(
                f"GAX has no Application object {name}.",
                "Compare the name in the topology with the one in GAX; check configuration.paths.application.",
            )
        self._known(reply, f"{method} of {name}", "Check configuration.paths in the topology and GAX's log.")
        return reply

    def _known(self, reply: httpx.Response, what: str, next_step: str) -> None:
        """Raise the typed error of an answer that is not a success. Bodies of failed logins are never shown."""
        if reply.is_success:
            return
        if reply.status_code in (429, 502, 503, 504):
            raise UnreachableError(
                f"GAX cannot process the {what} now (HTTP {reply.status_code}).",
                "Check GAX and its Configuration Server.",
            )
        said = "" if what.startswith("login") else f": {reply.text.strip()[:300]}"
        raise UnexpectedReplyError(f"GAX answered the {what} with HTTP {reply.status_code}{said}.", next_step)

    def _json(self, reply: httpx.Response, name: str) -> Any:
        try:
            return reply.json()
        except ValueError:
            raise UnexpectedReplyError(
                f"GAX's answer for {name} is not JSON ({reply.headers.get('content-type', 'no type')}).",
                "Check whether configuration.paths in the topology leads to GAX's REST interface.",
            ) from None
