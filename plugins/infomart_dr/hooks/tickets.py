"""Messages of a run to a ticket: ServiceNow's work notes, Jira's comments, or a webhook.

Each message has a key that depends only on the event, and its text contains this key. At every attempt, ServiceNow and
Jira are first searched for the key. Only the ticket itself always knows which messages it has, even when the database,
Airflow, or the answer to the last attempt was lost. A webhook gets the key as a header.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol
from urllib.parse import quote

import tenacity
from pydantic import BaseModel, ConfigDict, Field

from infomart_dr.errors import CredentialsError, InfoMartError, PermanentError, TransientError
from infomart_dr.hooks.http import BusyError, ForbiddenError, Http, bounded, growing
from infomart_dr.topology import TICKET, TicketEvent, Tickets

log = logging.getLogger(__name__)

#: Maximal length of a text in characters: ServiceNow cuts a journal entry after 4000.
TEXT_LIMIT = 3900


class Message(BaseModel):
    """An event of a run; the document that a webhook receives."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Version of this document's shape.
    version: int = Field(1, description="Version of this document's shape.")
    key: str = Field(description="The same for every delivery of the same event; also the header Idempotency-Key.")
    event: TicketEvent = Field(
        description="started; waiting: a person must answer; alarm: a long job waits for space or takes too long, or "
        "this is over; chapter: a chapter of the procedure is finished; "
        "failed: a step failed permanently; ended: the run has no tasks left."
    )
    # It becomes part of a query and of a path.
    ticket: str = Field(description="Number of the ticket.", pattern=f"^{TICKET}$")
    deployment: str
    dag_id: str
    run_id: str
    plan: str = Field(description="Plan of the run; another run may continue it.")
    requested_by: str = Field(description="Airflow user who started the run; empty for a scheduled run.")
    task_id: str | None = Field(None, description="The step that waits or has failed.")
    try_number: int | None = None
    chapter: str | None = Field(None, description="The finished chapter.")
    state: str | None = Field(None, description="State of an ended run: success or failed.")
    reason: str | None = Field(None, description="Finding of a failed step.")
    next_step: str | None = Field(None, description="Next action after a failed or waiting step.")
    clear: list[str] = Field(
        default_factory=list,
        description="After a failure: tasks to clear with Downstream. Empty: a clear cannot help, or none is needed.",
    )
    link: str = Field(description="Page of Airflow's web interface: the form, the step or the run.")
    at: str = Field(description="Time of the event, UTC, ISO 8601; delivery may be later.")
    text: str = Field(description="The complete message in words, as written into a ticket.", max_length=TEXT_LIMIT)


def key_of(*parts: object) -> str:
    """Key of a message: twelve characters that depend only on these parts."""
    return hashlib.sha1(json.dumps([str(part) for part in parts]).encode(), usedforsecurity=False).hexdigest()[:12]


def marked(message: Message) -> str:
    """The text with its searchable mark and the time of the event, since delivery may be late."""
    return f"{message.text}\n\n{mark(message)} {message.at}"


def mark(message: Message) -> str:
    """Mark below a text in a ticket, with the message's key."""
    return f"infomart-dr:{message.key}"


class Ticketing(Protocol):
    """One ticketing system."""

    def deliver(self, message: Message) -> None:
        """Write a message unless the ticket has it; may be repeated."""


class ServiceNowTicket:
    """A record's work notes or comments, by the Table API."""

    def __init__(self, http: Http, settings: Tickets) -> None:
        self._http, self._settings = http, settings.servicenow

    def deliver(self, message: Message) -> None:
        table, field = self._settings.table, self._settings.field
        path = f"/api/now/table/{table}"
        # Display values: only they contain the entries of a journal field.
        asked = {
            "sysparm_query": f"number={message.ticket}",
            "sysparm_fields": f"sys_id,{field}",
            "sysparm_display_value": "true",
            "sysparm_limit": "2",
        }
        answer = self._http.json("GET", path, f"record {message.ticket} of {table}", params=asked)
        rows = answer.get("result") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or len(rows) != 1 or not isinstance(rows[0], dict) or not rows[0].get("sys_id"):
            found = len(rows) if isinstance(rows, list) else "an unknown number of"
            raise PermanentError(
                f"ServiceNow's table {table} has {found} records with the number {message.ticket}.",
                "Compare tickets.servicenow.table and tickets.pattern in the topology with the run's id.",
            )
        if mark(message) in str(rows[0].get(field) or ""):
            log.info("The ticket %s has this message already.", message.ticket)
            return
        # ServiceNow takes [code] for HTML.
        text = re.sub(r"\[(/?code)\]", r"(\1)", marked(message), flags=re.IGNORECASE)
        path += "/" + quote(str(rows[0]["sys_id"]), safe="")
        self._http.request("PATCH", path, f"{field} of {message.ticket}", json={field: text})


class JiraTicket:
    """Comments of an issue."""

    #: Number of comments to search, the newest first.
    SEARCHED: ClassVar[int] = 100

    def __init__(self, http: Http, settings: Tickets) -> None:
        self._http, self._api = http, settings.jira.api

    def deliver(self, message: Message) -> None:
        path = f"/rest/api/{self._api}/issue/{quote(message.ticket, safe='')}/comment"
        asked = {"orderBy": "-created", "maxResults": self.SEARCHED}
        answer = self._http.json("GET", path, f"comments of {message.ticket}", params=asked)
        comments = answer.get("comments") if isinstance(answer, dict) else None
        if not isinstance(comments, list):
            raise PermanentError(
                f"Jira's answer has no comments of {message.ticket}.", "Check whether the connection's address is Jira."
            )
        if mark(message) in json.dumps(comments):
            log.info("The ticket %s has this message already.", message.ticket)
            return
        text = marked(message)
        body = document(text) if self._api == 3 else wiki(text)
        self._http.request("POST", path, f"a comment on {message.ticket}", json={"body": body})


def wiki(text: str) -> str:
    """Text without any effect as wiki markup."""
    return re.sub(r"([{}\[\]|*!^~])", r"\\\1", text)


def document(text: str) -> dict[str, Any]:
    """Text in Atlassian's document format, one paragraph per line."""
    lines = [
        {"type": "paragraph", "content": [{"type": "text", "text": line}] if line else []} for line in text.splitlines()
    ]
    return {"type": "doc", "version": 1, "content": lines}


class WebhookTicket:
    """Any receiver of a JSON document."""

    def __init__(self, http: Http, settings: Tickets) -> None:
        self._http, self._path = http, settings.webhook.path

    def deliver(self, message: Message) -> None:
        # 409: the receiver knows the key.
        self._http.request(
            "POST",
            self._path,
            f"the webhook for {message.ticket}",
            json=message.model_dump(mode="json"),
            headers={"Idempotency-Key": message.key},
            accept=frozenset({409}),
        )


def ticketing(http: Http, settings: Tickets) -> Ticketing:
    """The ticketing system of a topology."""
    kinds: dict[str, type[ServiceNowTicket | JiraTicket | WebhookTicket]]
    kinds = {"servicenow": ServiceNowTicket, "jira": JiraTicket, "webhook": WebhookTicket}
    return kinds[settings.backend](http, settings)


@dataclass
class Sent:
    """Result of a delivery of messages.

    :param told: keys of the delivered messages.
    :param refused: keys of messages that the system will refuse again until a person has changed something.
    :param problems: reasons why other messages were not delivered.
    """

    told: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    @property
    def problem(self) -> str | None:
        """The distinct reasons why messages were not delivered; None when all were delivered."""
        return "; ".join(dict.fromkeys(self.problems)) or None


class _Sending:
    """A delivery of messages, within the topology's time limit.

    :param login: the Airflow connection.
    """

    def __init__(self, settings: Tickets, login: Any, messages: Sequence[Message]) -> None:
        self._settings, self._login, self._messages = settings, login, messages
        self._deadline = time.monotonic() + settings.limit
        self.sent = Sent()

    def run(self) -> None:
        try:
            with closing(Http(self._settings.connection, self._login, timeout=self._settings.timeout)) as http:
                system = ticketing(http, self._settings)
                for message in self._messages:
                    if not self._one(system, message):
                        return
        except Exception as error:
            self.sent.problems.append(words(error))

    def _one(self, system: Ticketing, message: Message) -> bool:
        """Deliver a message; False: the next message would fail for the same reason."""
        # Another attempt must begin, and should end, before the limit.
        left = max(self._deadline - time.monotonic() - self._settings.timeout / 2, 0.0)
        trying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(TransientError),
            wait=growing,
            stop=tenacity.stop_before_delay(left),
            reraise=True,
        )
        try:
            trying(system.deliver, message)
        except TransientError as error:
            self.sent.problems.append(words(error))
            return False
        except Exception as error:
            self.sent.refused.add(message.key)
            self.sent.problems.append(words(error))
            if isinstance(error, CredentialsError) and not isinstance(error, ForbiddenError):
                # Further tries with a wrong password would lock the user.
                self.sent.refused |= {each.key for each in self._messages} - self.sent.told
                return False
            return True
        self.sent.told.add(message.key)
        return True


def words(error: Exception) -> str:
    """An error for a log; an unexpected error with its type."""
    return str(error) if isinstance(error, InfoMartError) else f"{type(error).__name__}: {error}"


def send(settings: Tickets, login: Any, messages: Sequence[Message]) -> Sent:
    """Deliver messages in their order, within the topology's time limit, whatever the other side does.

    A refused message does not delay the others. When the other side does not answer, later messages are not tried.
    A message that arrives after the limit has its key, so that it is not written twice.

    :param login: the Airflow connection.
    """
    sending = _Sending(settings, login, messages)
    late: list[str] = []
    try:
        bounded(sending.run, settings.limit, "tickets")
    except BusyError as error:
        late.append(str(error))
    # A copy, since an abandoned thread may still write.
    return Sent(set(sending.sent.told), set(sending.sent.refused), [*sending.sent.problems, *late])
