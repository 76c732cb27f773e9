"""A JSON message to an HTTP endpoint behind an Airflow connection, with a time limit and a few tries.

When the receiver's answer was lost, the message is sent again with the same ``Idempotency-Key``.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import tenacity

from infomart_dr.hooks.connections import connection
from infomart_dr.hooks.http import BusyError, Http, bounded, growing

_TRIES = 3
#: Longest wait in seconds that a receiver may ask for; the watch of a deployment does not wait longer.
_LONGEST_WAIT = 4.0


class Webhook:
    """An endpoint.

    :param connection_id: Airflow connection in the form of :class:`~infomart_dr.hooks.http.Http`, with ``path`` in the
        extra fields.
    :param timeout: seconds for one answer.
    :param limit: seconds for one message, whatever the receiver does.
    """

    def __init__(self, connection_id: str, *, timeout: float = 5.0, limit: float = 30.0) -> None:
        self._id, self._timeout, self._limit = connection_id, timeout, limit

    def post(self, message: Mapping[str, Any], key: str) -> None:
        """Send a message.

        :param key: key of the message, the same for every try.
        :raises InfoMartError: the receiver did not accept it, or the result is unknown.
        """
        bounded(lambda: self._post(message, key), self._limit, "webhook")

    def _post(self, message: Mapping[str, Any], key: str) -> None:
        login = connection(self._id)
        path = str(login.extra_dejson.get("path") or "/")
        with closing(Http(self._id, login, timeout=self._timeout)) as http:
            tenacity.Retrying(
                retry=tenacity.retry_if_exception_type(BusyError),
                stop=tenacity.stop_after_attempt(_TRIES),
                wait=lambda state: min(growing(state), _LONGEST_WAIT),
                reraise=True,
            )(
                http.request,
                "POST",
                path,
                f"a message to the webhook {self._id}",
                json=dict(message),
                headers={"Idempotency-Key": key},
            )
