"""Messages to ServiceNow, Jira and a webhook: their shape, one delivery, and a time limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from tests.http_receiver import Answer, Receiver, Request

from infomart_dr.hooks import http
from infomart_dr.hooks.http import retry_after
from infomart_dr.hooks.tickets import Message, key_of, send
from infomart_dr.topology import Tickets

#: Mark below a text: its key, and the time of the event.
MARK = "infomart-dr:0a1b2c3d4e5f 2026-11-25T23:00:00+00:00"


def message(key: str = "0a1b2c3d4e5f", **more: Any) -> Message:
    fields: dict[str, Any] = {
        "key": key,
        "event": "started",
        "ticket": "INC0012345",
        "deployment": "lab",
        "dag_id": "infomart_failover",
        "run_id": "INC0012345",
        "plan": "INC0012345",
        "requested_by": "servicenow",
        "link": "http://airflow/dags/infomart_failover/runs/INC0012345",
        "at": "2026-11-25T23:00:00+00:00",
        "text": "Started: {a} [code]b[/code]",
    }
    return Message(**fields | more)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as found:
        yield found


def settings(backend: str = "webhook", **more: Any) -> Tickets:
    return Tickets(backend=backend, connection="tickets", **{"timeout": 2, "limit": 10} | more)  # type: ignore[arg-type]


def login(receiver: Receiver, **more: Any) -> Any:
    fields: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": receiver.port,
        "schema": "http",
        "login": "robot",
        "password": "a password",
        "extra_dejson": {},
    }
    return SimpleNamespace(**fields | more)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_FIRST_WAIT", 0.05)


# -- the shape of what is sent -----------------------------------------------------------------------


def test_a_webhook_gets_the_document_and_the_key_as_a_header(receiver: Receiver) -> None:
    assert send(settings(webhook={"path": "/hook?x=1"}), login(receiver), [message()]).problem is None
    (request,) = receiver.requests
    assert (request.method, request.path) == ("POST", "/hook?x=1")
    assert request.headers["Idempotency-Key"] == "0a1b2c3d4e5f"
    assert request.headers["Authorization"].startswith("Basic ")
    assert request.body == message().model_dump(mode="json")


def test_a_password_without_a_user_is_a_token(receiver: Receiver) -> None:
    send(settings(), login(receiver, login=None, password="t0ken"), [message()])
    assert receiver.requests[0].headers["Authorization"] == "Bearer t0ken"


class Records:
    """ServiceNow's Table API with one incident."""

    def __init__(self) -> None:
        self.notes = ""

    def __call__(self, request: Request) -> Answer:
        if request.method == "PATCH":
            self.notes = f"2026-11-25 - robot (Work notes)\n{request.body['work_notes']}\n\n{self.notes}"
            return Answer(body={"result": {}})
        return Answer(body={"result": [{"sys_id": "ab12", "work_notes": self.notes}]})


def test_servicenow_finds_the_record_by_its_number_and_writes_a_work_note_once(receiver: Receiver) -> None:
    receiver.decide = Records()
    for _ in range(3):
        assert send(settings("servicenow"), login(receiver), [message()]).problem is None
    look, write, *again = receiver.requests
    assert look.path.startswith("/api/now/table/incident?sysparm_query=number%3DINC0012345&")
    assert "sysparm_display_value=true" in look.path and "sysparm_fields=sys_id%2Cwork_notes" in look.path
    assert (write.method, write.path) == ("PATCH", "/api/now/table/incident/ab12")
    assert write.body == {"work_notes": f"Started: {{a}} (code)b(/code)\n\n{MARK}"}
    assert [request.method for request in again] == ["GET", "GET"]


def test_another_table_and_field_of_servicenow_are_the_topologys(receiver: Receiver) -> None:
    receiver.answers = [Answer(body={"result": [{"sys_id": "x", "comments": ""}]})]
    servicenow = {"table": "change_request", "field": "comments"}
    assert send(settings("servicenow", servicenow=servicenow), login(receiver), [message()]).problem is None
    assert receiver.requests[1].path == "/api/now/table/change_request/x"
    assert list(receiver.requests[1].body) == ["comments"]


@pytest.mark.parametrize(("rows", "number"), [([], "0"), ([{"sys_id": "1"}, {"sys_id": "2"}], "2")])
def test_servicenow_without_exactly_one_record_says_so_and_writes_nothing(
    receiver: Receiver, rows: list[Any], number: str
) -> None:
    receiver.answers = [Answer(body={"result": rows})]
    problem = send(settings("servicenow"), login(receiver), [message()]).problem
    assert problem is not None and f"has {number} records with the number INC0012345" in problem
    assert len(receiver.requests) == 1


class Issue:
    """Jira with one issue."""

    def __init__(self) -> None:
        self.comments: list[Any] = []

    def __call__(self, request: Request) -> Answer:
        if request.method == "POST":
            self.comments.append(request.body)
            return Answer(201, {"id": "1"})
        return Answer(body={"comments": self.comments, "total": len(self.comments)})


@pytest.mark.parametrize("api", [2, 3])
def test_jira_gets_a_comment_once_in_the_form_of_its_interface(receiver: Receiver, api: int) -> None:
    receiver.decide = issue = Issue()
    for _ in range(2):
        assert send(settings("jira", jira={"api": api}), login(receiver), [message(ticket="OPS-17")]).problem is None
    assert receiver.requests[0].path == f"/rest/api/{api}/issue/OPS-17/comment?orderBy=-created&maxResults=100"
    (comment,) = issue.comments
    if api == 2:
        assert comment == {"body": r"Started: \{a\} \[code\]b\[/code\]" + f"\n\n{MARK}"}
    else:
        body = comment["body"]
        assert (body["type"], body["version"]) == ("doc", 1)
        texts = [part["text"] for paragraph in body["content"] for part in paragraph["content"]]
        assert texts == ["Started: {a} [code]b[/code]", MARK]


# -- a receiver that misbehaves ------------------------------------------------------------------------


def test_errors_that_pass_are_tried_again_until_the_message_is_taken(receiver: Receiver) -> None:
    receiver.answers = [Answer(500), Answer(503), Answer(502)]
    assert send(settings(), login(receiver), [message()]).problem is None
    assert len(receiver.requests) == 4
    assert {request.headers["Idempotency-Key"] for request in receiver.requests} == {"0a1b2c3d4e5f"}


def test_retry_after_is_waited_for(receiver: Receiver) -> None:
    receiver.answers = [Answer(429, headers={"Retry-After": "1"})]
    assert send(settings(), login(receiver), [message()]).problem is None
    first, second = receiver.requests
    assert second.at - first.at >= 1


def test_a_wait_beyond_the_limit_is_not_begun(receiver: Receiver) -> None:
    receiver.answers = [Answer(429, headers={"Retry-After": "3600"})]
    begun = time.monotonic()
    problem = send(settings(), login(receiver), [message()]).problem
    assert problem is not None and "HTTP 429" in problem
    assert time.monotonic() - begun < 5
    assert len(receiver.requests) == 1


def test_a_wrong_request_is_not_tried_again(receiver: Receiver) -> None:
    receiver.answers = [Answer(400, {"error": "no"})]
    problem = send(settings(), login(receiver), [message()]).problem
    assert problem is not None and "HTTP 400" in problem
    assert len(receiver.requests) == 1


def test_a_refused_user_is_named_and_the_password_is_not(receiver: Receiver) -> None:
    receiver.answers = [Answer(401)]
    problem = send(settings(), login(receiver), [message()]).problem
    assert problem is not None and "robot was refused (HTTP 401)" in problem and "a password" not in problem


def test_a_receiver_that_knows_the_key_has_the_message(receiver: Receiver) -> None:
    receiver.answers = [Answer(409)]
    assert send(settings(), login(receiver), [message()]).problem is None


def test_a_note_whose_answer_was_lost_is_not_written_again(receiver: Receiver) -> None:
    records = Records()

    def lost(request: Request) -> Answer:
        answer = records(request)
        # The note is written; the answer comes after the time limit.
        return Answer(200, answer.body, slow=5) if request.method == "PATCH" else answer

    receiver.decide = lost
    assert send(settings("servicenow", timeout=0.5), login(receiver), [message()]).problem is None
    assert [request.method for request in receiver.requests] == ["GET", "PATCH", "GET"]
    assert records.notes.count("infomart-dr:0a1b2c3d4e5f") == 1


def _down(receiver: Receiver) -> None:
    receiver.__exit__(None, None, None)


def _slow(receiver: Receiver) -> None:
    receiver.decide = lambda request: Answer(slow=60)


def _dripping(receiver: Receiver) -> None:
    receiver.decide = lambda request: Answer(body=["x" * 1000], drip=0.1)


def _always_busy(receiver: Receiver) -> None:
    receiver.decide = lambda request: Answer(503)


@pytest.mark.parametrize("misbehave", [_down, _slow, _dripping, _always_busy])
def test_no_receiver_holds_a_task_beyond_the_limit(misbehave: Callable[[Receiver], None]) -> None:
    with Receiver() as receiver:
        misbehave(receiver)
        begun = time.monotonic()
        problem = send(settings(timeout=0.5, limit=2), login(receiver), [message("a" * 12), message("b" * 12)]).problem
        took = time.monotonic() - begun
    assert problem
    # Two seconds, and a margin for a loaded machine.
    assert took < 6


def test_messages_arrive_in_their_order(receiver: Receiver) -> None:
    receiver.answers = [Answer(500)]
    assert send(settings(), login(receiver), [message("a" * 12), message("b" * 12)]).problem is None
    assert [body["key"][0] for body in receiver.bodies()] == ["a", "a", "b"]


def test_a_refused_message_holds_up_no_other(receiver: Receiver) -> None:
    receiver.answers = [Answer(400), Answer(403)]
    sent = send(settings(), login(receiver), [message(key * 12) for key in "abc"])
    assert (sent.told, sent.refused) == ({"c" * 12}, {"a" * 12, "b" * 12})
    assert sent.problem is not None and "HTTP 400" in sent.problem and "HTTP 403" in sent.problem


def test_a_wrong_password_is_tried_once_however_many_messages_there_are(receiver: Receiver) -> None:
    receiver.answers = [Answer(200), Answer(401)]
    sent = send(settings(), login(receiver), [message(key * 12) for key in "abc"])
    assert (sent.told, sent.refused) == ({"a" * 12}, {"b" * 12, "c" * 12})
    assert len(receiver.requests) == 2


def test_what_comes_after_a_message_that_nobody_takes_is_left_in_its_order(receiver: Receiver) -> None:
    receiver.decide = lambda request: Answer(503)
    sent = send(settings(timeout=0.5, limit=1), login(receiver), [message(key * 12) for key in "ab"])
    assert (sent.told, sent.refused) == (set(), set())
    assert {body["key"][0] for body in receiver.bodies()} == {"a"}


@pytest.mark.parametrize("wrong", [{"host": ""}, {"schema": "ftp"}, {"extra_dejson": {"verify": "/no/such/file"}}])
def test_a_wrong_connection_is_a_problem_and_no_crash(receiver: Receiver, wrong: dict[str, Any]) -> None:
    problem = send(settings(), login(receiver, **wrong), [message()]).problem
    assert problem is not None and "connection tickets" in problem
    assert receiver.requests == []


# -- small things --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("Wed, 25 Nov 2026 23:00:30 GMT", 30.0),
        ("Wed, 25 Nov 2026 22:00:00 GMT", 0.0),
        ("soon", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, datetime(2026, 11, 25, 23, 0, 0, tzinfo=UTC)) == seconds


def test_a_key_depends_on_each_part_and_on_nothing_else() -> None:
    assert key_of("run", "failed", "task", 1) == key_of("run", "failed", "task", 1)
    assert len({key_of("a", "bc"), key_of("ab", "c"), key_of("a", "bc", 1), key_of("a", "bc", 2)}) == 4
    assert len(key_of("x")) == 12
