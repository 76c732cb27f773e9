"""A JSON message to an HTTP endpoint behind an Airflow connection: bounded in time, tried a few times.

A receiver that has taken a message and whose answer was lost gets it again: ``Idempotency-Key`` tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from infomart_dr.deployment import connection
from infomart_dr.errors import CredentialsError, RemoteCommandError, TopologyError, UnreachableError

_TRIES = 3


def _may_pass(error: BaseException) -> bool:
    """Whether a second try may help: no answer, or one of a server in trouble."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500 or error.response.status_code == 429
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)


class Webhook:
    """An endpoint.

    :param connection_id: Airflow connection of type http: host, port, schema; ``path`` in the extra fields. A password
        without a login goes as bearer token, with one as basic authentication.
    :param timeout: seconds for one try.
    """

    def __init__(
        self,
        connection_id: str,
        *,
        timeout: float = 5.0,
        wait: float = 0.5,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._id, self._timeout, self._wait, self._transport = connection_id, timeout, wait, transport

    def post(self, message: Mapping[str, Any], key: str) -> None:
        """Send a message.

        :param key: the same for every try.
        :raises InfoMartError: it was not taken.
        """
        settings = connection(self._id)
        scheme = settings.schema if settings.schema in ("http", "https") else settings.conn_type
        address = f"{scheme}://{settings.host}" + (f":{settings.port}" if settings.port else "")
        path = str(settings.extra_dejson.get("path") or "/")
        headers = {"Idempotency-Key": key}
        if settings.password and not settings.login:
            headers["Authorization"] = f"Bearer {settings.password}"
        login = httpx.BasicAuth(settings.login, settings.password or "") if settings.login else None
        retrying = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(_TRIES),
            wait=wait_exponential(multiplier=self._wait, max=4),
            reraise=True,
        )
        try:
            with httpx.Client(
                base_url=address, timeout=self._timeout, transport=self._transport, auth=login, trust_env=False
            ) as client:
                for attempt in retrying:
                    with attempt:
                        client.post(path, json=dict(message), headers=headers).raise_for_status()
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if status in (401, 403):
                raise CredentialsError(
                    f"The webhook {self._id} refused the message ({status}).", "Correct login and password of it."
                ) from None
            raise RemoteCommandError(
                f"The webhook {self._id} answered {status}.", "Look into the receiver's log."
            ) from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise TopologyError(
                f"The connection {self._id} gives no address.", "Correct schema, host and port of it."
            ) from None
        except httpx.TransportError as error:
            raise UnreachableError(
                f"The webhook {self._id} does not answer ({type(error).__name__}).", "Check the receiver."
            ) from None
