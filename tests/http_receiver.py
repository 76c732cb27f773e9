"""An HTTP receiver on loopback with set answers: those of a list, then always 200."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass
class Request:
    """A received request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    at: float = field(default_factory=time.monotonic)


@dataclass
class Answer:
    """An answer.

    :param slow: seconds before the answer begins.
    :param drip: seconds between two bytes of it.
    """

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    slow: float = 0.0
    drip: float = 0.0


class Receiver:
    """A receiver on a free port, or a given one.

    :param decide: answers a request when ``answers`` is empty; default: 200 with an empty object.
    """

    def __init__(self, port: int = 0, decide: Callable[[Request], Answer] | None = None) -> None:
        self.requests: list[Request] = []
        self.answers: list[Answer] = []
        self.decide = decide or (lambda request: Answer(body={}))
        self._over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length)
                request = Request(self.command, self.path, dict(self.headers.items()), json.loads(raw) if raw else None)
                outer.requests.append(request)
                answer = outer.answers.pop(0) if outer.answers else outer.decide(request)
                outer._over.wait(answer.slow)
                content = b"" if answer.body is None else json.dumps(answer.body).encode()
                try:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    for byte in content if answer.drip else ():
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        if outer._over.wait(answer.drip):
                            return
                    if not answer.drip:
                        self.wfile.write(content)
                except (BrokenPipeError, ConnectionResetError):
                    pass

            do_GET = do_POST = do_PATCH = do_PUT = _any

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def bodies(self, method: str = "POST") -> list[Any]:
        """Bodies of all requests of a method, in their order."""
        return [request.body for request in self.requests if request.method == method]
