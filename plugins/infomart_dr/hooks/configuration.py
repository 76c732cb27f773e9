"""Application objects of the Configuration Layer: read, compared, changed, and read again.

Two backends. GAX's REST interface is internal to GAX and not published, so its paths come from the topology
and its field names stand in one table here. Where it cannot be used, a person gets exact instructions and
confirms.
"""

from __future__ import annotations

import json
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import quote

import httpx
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from infomart_dr.errors import (
    CredentialsError,
    CurableError,
    FinalError,
    InfoMartError,
    TopologyError,
    UnexpectedReplyError,
    UnreachableError,
)
from infomart_dr.topology import Configuration, ConfigurationPaths

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
#: Object state: 1 Enabled, 2 Disabled.
ENABLED, DISABLED = 1, 2
#: Value of an option of the Info Mart Server that is not there, where it is documented.
OPTION_DEFAULTS = {("schedule", "run-scheduler"): "false", ("schedule", "run-aggregates"): "true"}
#: How often a change is tried when somebody else changes the object at the same time.
ATTEMPTS = 5


class Model(BaseModel):
    """Strict and unchangeable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Application(Model):
    """An Application object.

    :param state: 1 Enabled, 2 Disabled; None when the backend does not tell.
    :param options: value by section and option.
    :param raw: the whole object as the backend gave it, which a change must hand back whole.
    """

    name: str
    dbid: int
    type: str | int | None = None
    state: int | None = None
    host: str | None = None
    command_line: str | None = None
    connections: list[str] = Field(default_factory=list)
    options: dict[str, dict[str, str]] = Field(default_factory=dict)
    version: int | str | None = None
    raw: dict[str, Any] = Field(default_factory=dict, repr=False)


class Change(Model):
    """What an Application object shall be; what is None or empty stays as it is.

    :param host: name of the Host object.
    :param command_line: Startup Command Line.
    :param connect: connections that must be there.
    :param disconnect: connections that must not be there.
    :param options: value by section and option.
    :param enabled: the object's state.
    """

    host: str | None = None
    command_line: str | None = None
    connect: list[str] = Field(default_factory=list)
    disconnect: list[str] = Field(default_factory=list)
    options: dict[str, dict[str, str]] = Field(default_factory=dict)
    enabled: bool | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        both = sorted(set(self.connect) & set(self.disconnect))
        if both:
            raise ValueError(f"connect and disconnect both name {', '.join(both)}")
        return self


class Difference(Model):
    """One field that is not as asked; None stands for missing."""

    field: str
    found: str | None
    wanted: str | None

    def __str__(self) -> str:
        def shown(value: str | None) -> str:
            return "(missing)" if value is None else repr(value)

        return f"{self.field}: {shown(self.found)} -> {shown(self.wanted)}"


class Verification(Model):
    """Outcome of a look at an object after a change.

    :param proven: True only when the object was read and is as asked.
    """

    proven: bool
    differences: list[Difference] = Field(default_factory=list)
    message: str


# -- pure functions ----------------------------------------------------------------------------------


def differences(application: Application, change: Change) -> list[Difference]:
    """What a change would alter, in the order host, command line, connections, options, state."""
    found: list[Difference] = []

    def compare(field: str, before: str | None, after: str | None) -> None:
        if before != after:
            found.append(Difference(field=field, found=before, wanted=after))

    if change.host is not None:
        compare("host", application.host, change.host)
    if change.command_line is not None:
        compare("command_line", application.command_line, change.command_line)
    for name in dict.fromkeys(change.connect):
        compare(f"connection {name}", name if name in application.connections else None, name)
    for name in dict.fromkeys(change.disconnect):
        compare(f"connection {name}", name if name in application.connections else None, None)
    for section, options in change.options.items():
        for option, value in options.items():
            compare(f"[{section}] {option}", application.options.get(section, {}).get(option), value)
    if change.enabled is not None:
        compare(
            "state",
            None if application.state is None else str(application.state),
            str(ENABLED if change.enabled else DISABLED),
        )
    return found


def inverse(application: Application, change: Change) -> Change:
    """The change that brings an object back to what it is now, after another one was made.

    GAX has no way here to take an option out: one that is not there now gets its documented default, or stays.
    """
    options: dict[str, dict[str, str]] = {}
    for section, entries in change.options.items():
        before = application.options.get(section, {})
        known = {name: before.get(name, OPTION_DEFAULTS.get((section, name))) for name in entries}
        kept = {name: value for name, value in known.items() if value is not None}
        if kept:
            options[section] = kept
    return Change(
        host=application.host if change.host is not None else None,
        command_line=application.command_line if change.command_line is not None else None,
        connect=[name for name in change.disconnect if name in application.connections],
        disconnect=[name for name in change.connect if name not in application.connections],
        options=options,
        enabled=application.state == ENABLED if change.enabled is not None and application.state is not None else None,
    )


def from_gax(document: Any) -> Application:
    """An Application object from GAX's JSON.

    :raises UnexpectedReplyError: a field that is needed is missing or of another kind.
    """
    if not isinstance(document, dict):
        raise UnexpectedReplyError(
            f"GAX gave a {type(document).__name__} where an Application object was expected.",
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
            f"GAX's Application object has another form than expected in: {places}.",
            "Compare GAX's reply with the documented form, or use the backend manual.",
        ) from None


def to_gax(application: Application, change: Change) -> dict[str, Any]:
    """The whole object as GAX takes it, with the change in it and everything else as it was read."""
    document = json.loads(json.dumps(application.raw))
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


# -- backends ----------------------------------------------------------------------------------------


class ConfigurationBackend(Protocol):
    """How Application objects are changed."""

    #: False: a person does it, at a gate.
    automatic: bool

    def read(self, name: str) -> Application:
        """An Application object by name."""

    def apply(self, name: str, change: Change) -> list[Difference]:
        """Make an object as asked; returns what was changed, nothing when it was so already."""

    def verify(self, name: str, change: Change) -> Verification:
        """Look whether an object is as asked."""


class GaxConfiguration:
    """Application objects through GAX's internal REST interface. Use ``with``, or :meth:`close` it.

    :param connection_id: Airflow connection: host, port, user, password; schema ``http`` or ``https``
        (default); extra ``verify``: false, or the path of a CA file.
    :param paths: paths from the topology; ``{name}`` stands for the object's name.
    :param connect_timeout: seconds for the connect, and for the login's answer.
    :param timeout: seconds for one answer.
    :param transport: for tests.
    """

    automatic = True

    def __init__(
        self,
        connection_id: str,
        paths: ConfigurationPaths | None = None,
        *,
        connect_timeout: float = 10,
        timeout: float = 60,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._id = connection_id
        self._paths = paths or ConfigurationPaths()
        self._timeout = httpx.Timeout(timeout, connect=connect_timeout)
        self._transport, self._sleep = transport, sleep
        self._client: httpx.Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the session; the next call opens another."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    # -- operations --------------------------------------------------------------------------------

    def read(self, name: str) -> Application:
        """An Application object.

        :raises UnreachableError: GAX does not answer.
        :raises CredentialsError: user, password or rights are refused.
        :raises FinalError: there is no such object.
        """
        application = from_gax(self._json(self._request("GET", name), name))
        if application.name != name:
            raise UnexpectedReplyError(
                f"GAX gave the object {application.name!r} for {name!r}.",
                "Check configuration.paths in the topology.",
            )
        return application

    def apply(self, name: str, change: Change) -> list[Difference]:
        """Make an object as asked and prove it by reading it again.

        The whole object goes back with the version that was read; when somebody changed it meanwhile (409) it
        is read and compared again, so that nobody's change is lost.

        :returns: what was changed; nothing when the object was so already.
        :raises CurableError: somebody else kept changing the object.
        :raises UnexpectedReplyError: GAX accepted the change and the object is still different.
        """
        for attempt in range(1, ATTEMPTS + 1):
            application = self.read(name)
            wanted = differences(application, change)
            if not wanted:
                log.info("The Application object %s is as asked already.", name)
                return []
            log.info("Changing the Application object %s: %s.", name, "; ".join(map(str, wanted)))
            reply = self._request("PUT", name, to_gax(application, change), accept={409})
            if reply.status_code == 409:
                log.warning("%s was changed by somebody else; reading it again.", name)
                self._sleep(0.2 * attempt)
                continue
            left = differences(self.read(name), change)
            if left:
                raise UnexpectedReplyError(
                    f"GAX accepted the change of {name}, but the object still differs: {'; '.join(map(str, left))}.",
                    "Look at the object in GAX: is it locked, or does somebody change it back?",
                )
            return wanted
        raise CurableError(
            f"The Application object {name} was changed by somebody else {ATTEMPTS} times in a row.",
            "Find out who changes it; the step is tried again.",
        )

    def verify(self, name: str, change: Change) -> Verification:
        """Read an object and compare it."""
        left = differences(self.read(name), change)
        if left:
            return Verification(proven=False, differences=left, message=f"{name} differs: {'; '.join(map(str, left))}.")
        return Verification(proven=True, message=f"{name} is as asked.")

    # -- HTTP --------------------------------------------------------------------------------------

    def _open(self) -> httpx.Client:
        """A client with a session of its own."""
        if self._client is not None:
            return self._client
        try:
            connection = BaseHook.get_connection(self._id)
        except AirflowNotFoundException:
            raise TopologyError(
                f"Airflow has no connection {self._id}, which the topology names.",
                f"Add the connection {self._id} (type http), or correct the topology.",
            ) from None
        if not connection.host or not connection.login or not connection.password:
            raise TopologyError(f"The connection {self._id} lacks host, user or password.", "Complete it in Airflow.")
        mask_secret(connection.password)
        host = connection.host
        scheme, _, rest = host.rpartition("://")
        scheme = scheme or connection.schema or "https"
        address = f"{scheme}://{rest}" + (f":{connection.port}" if connection.port else "")
        verify = connection.extra_dejson.get("verify", True)
        try:
            client = httpx.Client(
                base_url=address,
                timeout=self._timeout,
                verify=verify if isinstance(verify, bool) else certificates(verify, self._id),
                transport=self._transport,
                trust_env=False,
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise TopologyError(
                f"The connection {self._id} gives no address of GAX.", "Correct host, port and schema of it."
            ) from None
        try:
            reply = self._send(
                client,
                "POST",
                self._paths.login,
                {"username": connection.login, "password": connection.password},
                timeout=self._timeout.connect,
            )
            if reply.status_code in (400, 401, 403):
                raise CredentialsError(
                    f"GAX refused the login of {connection.login} (HTTP {reply.status_code}).",
                    f"Correct user and password of the Airflow connection {self._id}.",
                )
            self._known(reply, f"login at {self._paths.login}", "Check configuration.paths.login.")
        except InfoMartError:
            client.close()
            raise
        self._client = client
        return client

    def _request(
        self,
        method: str,
        name: str,
        body: Mapping[str, Any] | None = None,
        accept: frozenset[int] | set[int] = frozenset(),
    ) -> httpx.Response:
        path = self._paths.application.replace("{name}", quote(name, safe=""))
        fresh = self._client is None
        reply = self._send(self._open(), method, path, body)
        if reply.status_code == 401 and not fresh:
            # The session has expired.
            self.close()
            reply = self._send(self._open(), method, path, body)
        if reply.status_code in accept:
            return reply
        if reply.status_code in (401, 403):
            raise CredentialsError(
                f"GAX refuses {method} of {name} to this user (HTTP {reply.status_code}).",
                f"Give the user of the connection {self._id} the right to "
                f"{'change' if method == 'PUT' else 'read'} this object.",
            )
        if reply.status_code == 404:
            raise FinalError(
                f"GAX knows no Application object {name}.",
                "Compare the name in the topology with GAX, and configuration.paths.application with your GAX.",
            )
        self._known(reply, f"{method} of {name}", "Check configuration.paths in the topology and GAX's log.")
        return reply

    def _send(
        self,
        client: httpx.Client,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        *,
        timeout: float | None = None,
    ) -> httpx.Response:
        where, limits = f"GAX at {client.base_url}", self._timeout if timeout is None else httpx.Timeout(timeout)
        try:
            return client.request(method, path, json=body, timeout=limits)
        except httpx.TimeoutException:
            raise UnreachableError(
                f"{where} gave no answer to {method} {path} within {limits.read:g} s.", "Check GAX's host and its log."
            ) from None
        except httpx.ConnectError as error:
            if "CERTIFICATE" in str(error).upper():
                raise CredentialsError(
                    f"The certificate of {where} is not trusted.",
                    f'Put the path of the CA file into the extra "verify" of the connection {self._id}.',
                ) from None
            raise UnreachableError(
                f"{where} cannot be reached.", "Check that GAX runs, and its host and port."
            ) from None
        except httpx.UnsupportedProtocol:
            raise TopologyError(
                f"The connection {self._id} gives no address of GAX.", "Set its schema to http or https."
            ) from None
        except httpx.TransportError as error:
            raise UnreachableError(
                f"{where} broke off {method} {path} ({type(error).__name__}).",
                "Check GAX's log; the step is tried again.",
            ) from None

    def _known(self, reply: httpx.Response, what: str, next_step: str) -> None:
        """Nothing for success, a typed error for the rest; bodies of failed logins are never shown."""
        if reply.is_success:
            return
        if reply.status_code in (429, 502, 503, 504):
            raise UnreachableError(
                f"GAX cannot serve the {what} now (HTTP {reply.status_code}).",
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
                "Check configuration.paths in the topology: is this GAX's REST interface?",
            ) from None


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


class ManualConfiguration:
    """A person changes Application objects, at a gate, following exact instructions."""

    automatic = False

    def read(self, name: str) -> Application:
        """Not possible.

        :raises FinalError: always.
        """
        raise FinalError(
            f"The Application object {name} cannot be read: configuration.backend is manual.",
            "Look at it in GAX or Configuration Manager, or set up the backend gax.",
        )

    def apply(self, name: str, change: Change) -> list[Difference]:
        """Not possible.

        :raises FinalError: always, with the instructions as the next step.
        """
        raise FinalError(
            f"The Application object {name} cannot be changed: configuration.backend is manual.",
            self.instructions(name, change),
        )

    def verify(self, name: str, change: Change) -> Verification:
        """Never proven: only the person's word stands, and the server's log after its start."""
        return Verification(
            proven=False,
            message=f"{name} cannot be read by the backend manual: the change rests on the confirmation at the "
            "gate and is seen only in the Info Mart Server's log after its start.",
        )

    def instructions(self, name: str, change: Change) -> str:
        """Numbered steps to copy, each with the exact value on a line of its own.

        :returns: Markdown.
        """
        steps: list[str] = []
        if change.host is not None:
            steps.append(f"Tab Server Info: set **Host** to\n\n   ```\n   {change.host}\n   ```")
        if change.command_line is not None:
            steps.append(f"Tab Start Info: set **Command Line** to\n\n   ```\n   {change.command_line}\n   ```")
        # The old access point goes first: INFO_MART may stand on one only.
        for connection in dict.fromkeys(change.disconnect):
            steps.append(
                f"Tab Connections: remove the connection\n\n   ```\n   {connection}\n   ```\n   "
                "(nothing to do if it is not there)"
            )
        for connection in dict.fromkeys(change.connect):
            steps.append(
                f"Tab Connections: add the connection\n\n   ```\n   {connection}\n   ```\n   "
                "(nothing to do if it is there)"
            )
        for section, options in change.options.items():
            for option, value in options.items():
                steps.append(f"Tab Options, section **[{section}]**: set **{option}** to\n\n   ```\n   {value}\n   ```")
        if change.enabled is not None:
            steps.append(f"Tab General: {'set' if change.enabled else 'clear'} **State Enabled**.")
        if not steps:
            return f"Nothing is to be changed in the Application object `{name}`."
        steps = [
            f"Open GAX or Configuration Manager and the Application object\n\n   ```\n   {name}\n   ```",
            *steps,
            "Save the object, open it again and compare each value with the steps above.",
        ]
        return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))


def backend(
    configuration: Configuration, *, connect_timeout: float = 10, timeout: float = 60
) -> GaxConfiguration | ManualConfiguration:
    """The backend that the topology asks for."""
    if configuration.backend == "gax" and configuration.connection is not None:
        return GaxConfiguration(
            configuration.connection, configuration.paths, connect_timeout=connect_timeout, timeout=timeout
        )
    return ManualConfiguration()
