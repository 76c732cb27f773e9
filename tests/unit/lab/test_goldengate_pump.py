"""A pump over a slow link: slow, but never dead."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infomart_lab import config as lab
from infomart_lab.goldengate import collector, extract, trail
from infomart_lab.goldengate.extract import Pump
from infomart_lab.goldengate.home import Home
from infomart_lab.goldengate.parameters import parse

#: Seconds without progress after which the pump connects again; each test takes many of them.
TIMEOUT = 0.4


class SlowLink:
    """One port before a collector; it lets ``rate`` bytes a second through, and nothing while it is cut."""

    def __init__(self, home: Home, rate: float) -> None:
        self.home, self.rate = home, rate
        self._collector: tuple[socket.socket, threading.Thread] | None = None
        self.cut = False
        self.connections = 0
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self.connections += 1
                near, far = socket.socketpair()
                self._open += [client, near, far]
                threading.Thread(target=self._carry, args=(client, near), daemon=True).start()
                threading.Thread(target=self._back, args=(near, client), daemon=True).start()
                self._take_over(far)

    def _take_over(self, connection: socket.socket) -> None:
        """As the Manager does: the earlier collector ends first."""
        if self._collector is not None:
            with contextlib.suppress(OSError):
                self._collector[0].shutdown(socket.SHUT_RDWR)
            self._collector[1].join()
        thread = threading.Thread(target=self._collect, args=(connection,), daemon=True)
        self._collector = connection, thread
        thread.start()

    def _collect(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection.makefile("rb") as stream:
            collector.collect(self.home, json.loads(stream.readline()), connection, stream)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        piece = max(1, int(self.rate / 50))
        with contextlib.suppress(OSError):
            while data := source.recv(piece):
                while self.cut:
                    time.sleep(0.02)
                time.sleep(len(data) / self.rate)
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)

    def _back(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)

    def close(self) -> None:
        for each in (self._server, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class Way:
    """A trail of site2, its pump, and the link to the collector of site3."""

    def __init__(self, config: lab.LabConfig, rate: float) -> None:
        self.source, self.target = Home(config, "site2"), Home(config, "site3")
        for home in (self.source, self.target):
            home.prepare()
        self.link = SlowLink(self.target, rate)
        self.source.group("extract", "ptest").save_definition(
            {
                "id": "one",
                "created": time.time(),
                "source": "./dirdat/em",
                "trails": {"./dirdat/rt": {"megabytes": 100, "remote": True}},
            }
        )
        self.pump = Pump(config, "site2", "extract", "ptest")
        text = f"EXTRACT ptest\nPASSTHRU\nRMTHOST 127.0.0.1, MGRPORT {self.link.port}\nRMTTRAIL ./dirdat/rt\nTABLE A.*;"
        self.pump.parameters = parse(text, "extract", "19c")
        self.pump.prepare()
        self._thread = threading.Thread(target=self.pump.work, daemon=True)

    def write(self, sizes: list[int]) -> None:
        """Write the local trail: transactions with values of these sizes."""
        writer = trail.Writer(self.source.trail_path("./dirdat/em"), "local", 1 << 30)
        writer.open()
        for number, size in enumerate(sizes, 1):
            row = {"ID": str(number), "NOTE": "x" * size}
            op = {"op": "I", "table": "A.B", "row": row}
            writer.append(trail.encode({"csn": number, "ts": "2026-11-02T10:17:00+00:00", "xid": number, "ops": [op]}))
        writer.close()

    def start(self) -> None:
        self._thread.start()

    def arrived(self) -> list[int]:
        """Numbers of the transactions in the remote trail."""
        reader = trail.Reader(self.target.trail_path("./dirdat/rt"), None)
        found: list[int] = [record["csn"] for record, _ in reader.read(100_000, 1 << 30)]
        reader.close()
        return found

    def close(self) -> None:
        self.pump.stopping.set()
        self.link.close()
        if self._thread.is_alive():
            self._thread.join(5)


@pytest.fixture
def ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(extract, "LINK_TIMEOUT", TIMEOUT)
    monkeypatch.setattr(collector, "ALIVE_SECONDS", TIMEOUT / 8)
    config = lab.create(tmp_path / "lab", base_port=28_500)
    made: list[Way] = []

    def make(rate: float) -> Way:
        made.append(Way(config, rate))
        return made[-1]

    yield make
    for way in made:
        way.close()


def wait_for(condition: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def test_a_batch_that_takes_longer_than_the_timeout_arrives(ways: Any) -> None:
    way = ways(rate=300_000)
    way.write([3_000] * 150)
    way.start()
    wait_for(lambda: way.arrived() == list(range(1, 151)), 15)
    assert way.link.connections == 1, "it was slow, and nothing was sent twice"


def test_one_transaction_that_takes_longer_than_the_timeout_arrives(ways: Any) -> None:
    way = ways(rate=300_000)
    way.write([10, 500_000, 10])
    way.start()
    wait_for(lambda: way.arrived() == [1, 2, 3], 15)
    assert way.link.connections == 1


def test_a_cut_within_a_batch_is_noticed_and_everything_arrives_once(ways: Any) -> None:
    way = ways(rate=300_000)
    way.write([3_000] * 150)
    way.start()
    time.sleep(0.3)
    way.link.cut = True
    wait_for(lambda: way.link.connections > 1, 5)
    way.link.cut = False
    wait_for(lambda: way.arrived() == list(range(1, 151)), 15)


def test_batches_get_smaller_on_a_slow_link_and_larger_again(ways: Any) -> None:
    pump = ways(rate=1e9).pump
    for _ in range(20):
        pump._fit_batches(5.0)
    assert pump._batch_bytes == extract.BATCH_BYTES[0]
    pump._fit_batches(1.0)
    assert pump._batch_bytes == extract.BATCH_BYTES[0]
    for _ in range(20):
        pump._fit_batches(0.1)
    assert pump._batch_bytes == extract.BATCH_BYTES[1]
