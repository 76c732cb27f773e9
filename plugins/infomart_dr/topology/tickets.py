"""The ticketing system to which runs report."""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field

from infomart_dr.topology.identifiers import ConnectionId, Model

#: Pattern of a ticket's number.
TICKET = r"[A-Za-z0-9_.~:+-]{1,250}"
#: Events that are reported to a ticket.
TicketEvent = Literal["started", "waiting", "alarm", "chapter", "failed", "ended"]


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"a regular expression of Python ({error})") from None
    return value


class ServiceNow(Model):
    """Work notes of a record, by the Table API."""

    table: str = Field("incident", pattern=r"^[a-z][a-z0-9_]{0,79}$")
    field: Literal["work_notes", "comments"] = "work_notes"


class Jira(Model):
    """Comments of an issue."""

    #: Version of the REST API: 2 for Data Center and Cloud, 3 for Cloud only.
    api: Literal[2, 3] = 2


class Webhook(Model):
    """One JSON document per message, to any receiver."""

    path: str = Field("/", pattern=r"^/[A-Za-z0-9_./~%?=&-]*$")


class Tickets(Model):
    """The ticketing system, which gets the events of runs that belong to a ticket."""

    backend: Literal["servicenow", "jira", "webhook"]
    #: Airflow connection of the ticketing system (type http).
    connection: ConnectionId
    #: Pattern of run ids that name a ticket; its optional group ``ticket`` is the ticket's number.
    pattern: Annotated[str, AfterValidator(_pattern)] = (
        r"(?P<ticket>[A-Z][A-Z0-9_]{0,19}(-[1-9][0-9]{0,9}|[0-9]{7,10}))([.~:+][A-Za-z0-9_.~:+-]*)?"
    )
    #: Address at which people reach Airflow's web interface; None: Airflow's own ``[api] base_url``.
    base_url: str | None = Field(None, pattern=r"^https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9_./~-]*)?$")
    events: list[TicketEvent] = Field(default_factory=lambda: list(get_args(TicketEvent)), min_length=1)
    #: Time limit of one answer in seconds.
    timeout: float = Field(5.0, ge=0.2, le=60)
    #: Seconds that a task spends on its messages at most.
    limit: float = Field(20.0, ge=1, le=120)
    servicenow: ServiceNow = Field(default_factory=ServiceNow)
    jira: Jira = Field(default_factory=Jira)
    webhook: Webhook = Field(default_factory=Webhook)

    def ticket_in(self, *texts: str) -> str | None:
        """Number of the ticket that one of these texts has as its first word; the first such text counts; may be None.

        :param texts: a run's id, its plan's id, the ticket of its form, its reason.
        """
        for text in texts:
            found = re.fullmatch(self.pattern, (text.split() or [""])[0].strip(".,;:()[]"))
            ticket = (found.groupdict().get("ticket") or found.group()) if found else ""
            if re.fullmatch(TICKET, ticket):
                return ticket
        return None
