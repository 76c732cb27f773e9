"""A JSON message to a receiver that misbehaves: a time limit, retries where they help, one key."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.http_receiver import Answer, Receiver

from infomart_dr.errors import CredentialsError, InfoMartError, PermanentError, TopologyError
from infomart_dr.hooks import http
from infomart_dr.hooks.http import BusyError
from infomart_dr.hooks.webhook import Webhook


@contextmanager
def receiver(*answers: int | float) -> Iterator[Any]:
    """A server on loopback: a status each time, or seconds for which it does not answer; the last one stays."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append({"path": self.path, "body": json.loads(body), **{k.lower(): v for k, v in self.headers.items()}})
            answer = answers[min(len(got), len(answers)) - 1]
            if isinstance(answer, float):
                time.sleep(answer)
                return
            self.send_response(answer)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], got
    finally:
        server.shutdown()
        server.server_close()


def webhook(monkeypatch: pytest.MonkeyPatch, port: int, limit: float = 10.0, **fields: Any) -> Webhook:
    settings = {"conn_type": "http", "schema": "http", "host": "127.0.0.1", "port": port, **fields}
    monkeypatch.setenv("AIRFLOW_CONN_PAGER", json.dumps(settings))
    monkeypatch.setattr(http, "_FIRST_WAIT", 0.01)
    return Webhook("pager", timeout=0.5, limit=limit)


def test_a_message_goes_to_the_path_with_its_key_and_the_bearer_token(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver(204) as (port, got):
        extra = json.dumps({"path": "/hooks/dr"})
        webhook(monkeypatch, port, password="a-token", extra=extra).post({"what": "began"}, "lab:x:1:began")
    (request,) = got
    assert request["path"] == "/hooks/dr" and request["body"] == {"what": "began"}
    assert request["idempotency-key"] == "lab:x:1:began" and request["authorization"] == "Bearer a-token"


def test_a_login_with_a_password_goes_as_basic_authentication(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver(200) as (port, got):
        webhook(monkeypatch, port, login="dr", password="secret").post({}, "k")
    assert got[0]["authorization"].startswith("Basic ")


def test_trouble_of_the_receiver_is_tried_again_with_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver(500, 429, 200) as (port, got):
        webhook(monkeypatch, port).post({}, "k")
    assert [request["idempotency-key"] for request in got] == ["k", "k", "k"]


@pytest.mark.parametrize(
    ("answers", "error", "tries"),
    [
        ((500,), BusyError, 3),
        ((400,), PermanentError, 1),
        ((401,), CredentialsError, 1),
        ((2.0,), BusyError, 3),
    ],
    ids=["in trouble", "refuses the message", "refuses the login", "does not answer"],
)
def test_a_message_that_was_not_taken_is_a_typed_error_after_a_bounded_time(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[int | float, ...], error: type[InfoMartError], tries: int
) -> None:
    with receiver(*answers) as (port, got), pytest.raises(error, match="pager"):
        webhook(monkeypatch, port, password="a-token").post({}, "k")
    assert len(got) == tries


def test_a_receiver_that_is_down_is_unreachable_and_no_secret_is_in_the_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with receiver(200) as (port, _):
        pass
    with pytest.raises(BusyError) as caught:
        webhook(monkeypatch, port, password="a-token").post({}, "k")
    assert "a-token" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [Answer(body=["x" * 1000], drip=0.1), Answer(503, drip=0.1, body=["x" * 1000])],
    ids=["takes it", "is in trouble"],
)
def test_an_answer_that_drips_byte_by_byte_holds_nobody_beyond_the_limit(
    monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    with Receiver(decide=lambda request: answer) as found:
        begun = time.monotonic()
        with pytest.raises(BusyError, match="not finished within 1 s"):
            webhook(monkeypatch, found.port, limit=1.0).post({}, "k")
        assert time.monotonic() - begun < 4


def test_a_body_that_is_not_what_its_encoding_says_is_a_typed_error_and_not_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = Answer(body={}, headers={"Content-Encoding": "gzip"})
    with Receiver(decide=lambda request: answer) as found, pytest.raises(PermanentError, match="DecodingError"):
        webhook(monkeypatch, found.port).post({}, "k")
    assert len(found.requests) == 1


@pytest.mark.parametrize(
    "extra",
    [
        {"proxy": "http://user:pa/ss@proxy:3128"},
        {"proxy": "ftp://proxy"},
        {"proxy": {"http": "proxy"}},
        {"path": "http://host:pa/hooks"},
    ],
    ids=["port of a proxy", "schema of a proxy", "proxy of another kind", "path"],
)
def test_a_connection_with_a_wrong_proxy_or_path_is_named_and_shows_none_of_it(
    monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any]
) -> None:
    with pytest.raises(TopologyError, match="pager") as caught:
        webhook(monkeypatch, 1, extra=json.dumps(extra)).post({}, "k")
    assert "'pa'" not in str(caught.value)


def test_a_connection_that_is_missing_is_a_mistake_of_the_topology() -> None:
    with pytest.raises(TopologyError, match="no connection 'nobody'"):
        Webhook("nobody").post({}, "k")
