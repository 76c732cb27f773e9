"""Messages of a run to a ticket: ServiceNow's work notes, Jira's comments, or a webhook.

Each message has a key that depends only on what happened, and stands in what is written. ServiceNow and Jira are
asked for the key before they are written to, at every attempt: the ticket is the one place that knows what it was
told, also when the database, Airflow, or the answer to the last attempt was lost. A webhook gets the key as a header.
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

#: Signs of a text: a journal entry of ServiceNow is cut beyond 4000.
TEXT_LIMIT = 3900


class Message(BaseModel):
    """What happened in a run; the document that a webhook receives."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Of this document's shape.
    version: int = Field(1, description="Version of this document's shape.")
    key: str = Field(description="The same whenever the same thing is told again; also the header Idempotency-Key.")
    event: TicketEvent = Field(
        description="started; waiting: a person must answer; chapter: a chapter of the procedure is done; "
        "failed: a step failed for good; ended: nothing of the run is left to do."
    )
    # It becomes part of a query and of a path.
    ticket: str = Field(description="Number of the ticket.", pattern=f"^{TICKET}$")
    deployment: str
    dag_id: str
    run_id: str
    plan: str = Field(description="Plan of the run; another run may go on with it.")
    requested_by: str = Field(description="Airflow's user who started the run; empty for a schedule.")
    task_id: str | None = Field(None, description="The step that waits or failed.")
    try_number: int | None = None
    chapter: str | None = Field(None, description="The chapter that is done.")
    state: str | None = Field(None, description="Of an ended run: success or failed.")
    reason: str | None = Field(None, description="Of a failed step: what was found.")
    next_step: str | None = Field(None, description="Of a failed or waiting step: what to do next.")
    link: str = Field(description="Page of Airflow's web interface: the form, the step or the run.")
    at: str = Field(description="When it happened, UTC, ISO 8601; it may be told later.")
    text: str = Field(description="All of it in words, as it is written into a ticket.", max_length=TEXT_LIMIT)


def key_of(*parts: object) -> str:
    """Key of a message: twelve characters that depend on these parts only."""
    return hashlib.sha1(json.dumps([str(part) for part in parts]).encode(), usedforsecurity=False).hexdigest()[:12]


def marked(message: Message) -> str:
    """The text with the mark by which it is found again, and when it happened: it may be told late."""
    return f"{message.text}\n\n{mark(message)} {message.at}"


def mark(message: Message) -> str:
    """What stands below a text in a ticket."""
    return f"infomart-dr:{message.key}"


class Ticketing(Protocol):
    """One ticketing system."""

    def deliver(self, message: Message) -> None:
        """Write a message unless it is there; may be repeated."""


class ServiceNowTicket:
    """A record's work notes or comments, by the Table API."""

    def __init__(self, http: Http, settings: Tickets) -> None:
        self._http, self._settings = http, settings.servicenow

    def deliver(self, message: Message) -> None:
        table, field = self._settings.table, self._settings.field
        path = f"/api/now/table/{table}"
        # Display values: only they hold the entries of a journal field.
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
            log.info("The ticket %s has been told this already.", message.ticket)
            return
        # Square brackets around code would be taken for HTML.
        text = re.sub(r"\[(/?code)\]", r"(\1)", marked(message), flags=re.IGNORECASE)
        path += "/" + quote(str(rows[0]["sys_id"]), safe="")
        self._http.request("PATCH", path, f"{field} of {message.ticket}", json={field: text})


class JiraTicket:
    """Comments of an issue."""

    #: Comments that are searched, the newest first.
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
                f"Jira's answer has no comments of {message.ticket}.", "Look whether Jira is behind it."
            )
        if mark(message) in json.dumps(comments):
            log.info("The ticket %s has been told this already.", message.ticket)
            return
        text = marked(message)
        body = document(text) if self._api == 3 else wiki(text)
        self._http.request("POST", path, f"a comment on {message.ticket}", json={"body": body})


def wiki(text: str) -> str:
    """Text without meaning as wiki markup."""
    return re.sub(r"([{}\[\]|*!^~])", r"\\\1", text)


def document(text: str) -> dict[str, Any]:
    """Text in Atlassian's document format, one paragraph a line."""
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
    """What became of messages.

    :param told: keys of those that the ticketing system has now.
    :param refused: keys of those that it will refuse again until a person has changed something.
    :param problems: why others were not told.
    """

    told: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    @property
    def problem(self) -> str | None:
        """Why a message was not told, each reason once; None when all were."""
        return "; ".join(dict.fromkeys(self.problems)) or None


class _Sending:
    """Messages on their way, within the topology's limit.

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
        """Deliver a message; False: the next one would meet the same."""
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
                # Further tries with a wrong password lock the user.
                self.sent.refused |= {each.key for each in self._messages} - self.sent.told
                return False
            return True
        self.sent.told.add(message.key)
        return True


def words(error: Exception) -> str:
    """An error for a log; of one that nobody foresaw also its type."""
    return str(error) if isinstance(error, InfoMartError) else f"{type(error).__name__}: {error}"


def send(settings: Tickets, login: Any, messages: Sequence[Message]) -> Sent:
    """Deliver messages in their order, within the topology's limit whatever the other side does.

    One that is refused holds up no other; when the other side is away, those after it are left. What is still delivered
    after the limit has its key.

    :param login: the Airflow connection.
    """
    sending = _Sending(settings, login, messages)
    late: list[str] = []
    try:
        bounded(sending.run, settings.limit, "tickets")
    except BusyError as error:
        late.append(str(error))
    # A copy: what is left behind may still write.
    return Sent(set(sending.sent.told), set(sending.sent.refused), [*sending.sent.problems, *late])
