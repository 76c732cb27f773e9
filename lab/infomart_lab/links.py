"""Links between the sites: a TCP proxy for each pair and service, which can delay, throttle and cut.

Control is one file, ``<home>/links.json``, read again when it changes::

    {"site2-site3": {"cut": true, "mode": "drop", "rate": 1000000, "delay_ms": 40}}

A pair is the two names in order; its settings hold for both directions. ``cut`` with ``mode`` *drop* (the default)
acts as a severed line: packets stop, connections hang, new ones are never established, and the hanging ones resume
when the line is back. *reset* aborts every connection and refuses new ones. ``rate`` is in bytes a second for each
direction, shared by all connections of the pair; ``delay_ms`` is added each way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import struct
import time
from dataclasses import dataclass, field
from itertools import combinations, permutations
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from infomart_lab.config import LINKED_SERVICES, SITES, LabConfig, mark_ready

_CHUNK = 65536
#: Seconds between two checks of the control file.
_POLL = 0.1


class LinkState(BaseModel, extra="forbid"):
    """Settings of one pair of sites; all off by default."""

    cut: bool = False
    mode: Literal["drop", "reset"] = "drop"
    #: Bytes a second in each direction; None: not limited.
    rate: int | None = Field(default=None, gt=0)
    delay_ms: int = Field(default=0, ge=0)


def pair(first: str, second: str) -> str:
    """Name of the link between two sites, the same for both orders.

    :raises ValueError: an unknown site, or the same site twice.
    """
    for site in (first, second):
        if site not in SITES:
            raise ValueError(f"unknown site {site!r}; there are {', '.join(SITES)}")
    if first == second:
        raise ValueError(f"a link joins two different sites, not {first} and {second}")
    return "-".join(sorted((first, second)))


def _file(config: LabConfig) -> Path:
    return config.home / "links.json"


def parse(text: str) -> dict[str, LinkState]:
    """Settings of all pairs from the text of ``links.json``.

    :raises ValueError: not JSON, an unknown pair, or a setting that does not exist.
    """
    known = {pair(a, b) for a, b in combinations(SITES, 2)}
    raw = json.loads(text)
    unknown = sorted(set(raw) - known) if isinstance(raw, dict) else [type(raw).__name__]
    if unknown:
        raise ValueError(f"links.json names pairs, {', '.join(sorted(known))}; found {', '.join(unknown)}")
    try:
        return {name: LinkState.model_validate(value) for name, value in raw.items()}
    except ValidationError as error:
        raise ValueError(f"links.json: {error}") from None


def read(config: LabConfig) -> dict[str, LinkState]:
    """Settings of every pair as they are now."""
    found: dict[str, LinkState] = {}
    with contextlib.suppress(FileNotFoundError):
        found = parse(_file(config).read_text())
    return {pair(a, b): found.get(pair(a, b), LinkState()) for a, b in combinations(SITES, 2)}


def change(config: LabConfig, first: str, second: str, **settings: Any) -> LinkState:
    """Change settings of the link between two sites; None for ``rate`` takes the limit off.

    :raises ValueError: an unknown site or a value that is not allowed.
    """
    links = read(config)
    name = pair(first, second)
    try:
        links[name] = LinkState.model_validate({**links[name].model_dump(), **settings})
    except ValidationError as error:
        raise ValueError("; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors())) from None
    temporary = _file(config).with_suffix(".new")
    temporary.write_text(json.dumps({key: value.model_dump() for key, value in links.items()}, indent=1))
    temporary.replace(_file(config))
    return links[name]


def heal(config: LabConfig, first: str, second: str) -> LinkState:
    """Take every limit off the link between two sites."""
    return change(config, first, second, **LinkState().model_dump())


# -- the proxy ------------------------------------------------------------------------------------


class Bucket:
    """Token bucket, filled with ``rate`` bytes a second, holding a tenth of a second's worth."""

    def __init__(self, rate: int | None = None) -> None:
        self.rate = rate
        self._tokens = 0.0
        self._filled = time.monotonic()

    def piece(self, size: int) -> int:
        """How much of ``size`` bytes to send in one go, so that connections take turns."""
        return size if self.rate is None else max(1, min(size, self.rate // 20, _CHUNK))

    async def take(self, size: int) -> None:
        """Wait until ``size`` bytes may pass; the next caller waits for the debt."""
        if self.rate is None:
            return
        now = time.monotonic()
        self._tokens = min(self.rate / 10, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        self._tokens -= size
        if self._tokens < 0:
            await asyncio.sleep(-self._tokens / self.rate)


@dataclass
class _Link:
    """One pair: its settings, with the buckets that enforce them."""

    state: LinkState = field(default_factory=LinkState)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    connections: set[_Connection] = field(default_factory=set)
    listeners: list[_Listener] = field(default_factory=list)


class _Connection:
    """A client's connection and the one to the service that belongs to it."""

    def __init__(self, link: _Link, source: str, target: str) -> None:
        self.link, self.source, self.target = link, source, target
        self.writers: list[asyncio.StreamWriter] = []

    async def run(self, client: socket.socket, address: str, port: int) -> None:
        self.link.connections.add(self)
        try:
            reader, writer = await asyncio.open_connection(sock=client, limit=4 * _CHUNK)
            self.writers.append(writer)
            await self.link.open.wait()
            try:
                out_reader, out_writer = await asyncio.open_connection(address, port, limit=4 * _CHUNK)
            except OSError:
                self.abort()
                return
            self.writers.append(out_writer)
            await asyncio.gather(
                self._pump(reader, out_writer, self.source), self._pump(out_reader, writer, self.target)
            )
        except OSError:
            self.abort()
        finally:
            self.link.connections.discard(self)
            for writer in self.writers:
                writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, origin: str) -> None:
        """Carry one direction; the queue between the two halves is the data that is on the way."""
        way: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue(maxsize=64)

        async def read() -> None:
            data: bytes | None = b"-"
            while data:
                try:
                    data = await reader.read(_CHUNK)
                except OSError:
                    data = None
                await way.put((time.monotonic(), data))

        reading = asyncio.create_task(read())
        try:
            while True:
                since, data = await way.get()
                if delay := self.link.state.delay_ms / 1000:
                    await asyncio.sleep(max(0.0, since + delay - time.monotonic()))
                await self.link.open.wait()
                if data is None:
                    raise ConnectionResetError
                if not data:
                    if writer.can_write_eof():
                        writer.write_eof()
                    return
                await self._send(writer, data, origin)
        finally:
            reading.cancel()

    async def _send(self, writer: asyncio.StreamWriter, data: bytes, origin: str) -> None:
        view = memoryview(data)
        while view:
            bucket = self.link.buckets[origin]
            size = bucket.piece(len(view))
            await bucket.take(size)
            await self.link.open.wait()
            writer.write(view[:size])
            view = view[size:]
        await writer.drain()

    def abort(self) -> None:
        """End both connections with a reset."""
        for writer in self.writers:
            connection = writer.get_extra_info("socket")
            if connection is not None:
                with contextlib.suppress(OSError):
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class _Listener:
    """The port by which one site reaches one service of another."""

    def __init__(self, config: LabConfig, link: _Link, source: str, target: str, service: str) -> None:
        self.link, self.source, self.target = link, source, target
        self.address = config.address
        self.port = config.link_port(source, target, service)
        self.target_port = config.port(target, service)
        self._tasks: set[asyncio.Task[None]] = set()
        self._fillers: list[socket.socket] = []
        self._own: set[tuple[str, int]] = set()
        self._accepting: asyncio.Task[None] | None = None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setblocking(False)
        self.socket.bind((self.address, self.port))
        self.socket.listen(128)

    def start(self) -> None:
        if self._accepting is None:
            self._accepting = asyncio.create_task(self._accept())

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, peer = await loop.sock_accept(self.socket)
            if peer in self._own:
                self._own.discard(peer)
                client.close()
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.link.state.cut and self.link.state.mode == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                continue
            connection = _Connection(self.link, self.source, self.target)
            task = asyncio.create_task(connection.run(client, self.address, self.target_port))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def hang(self) -> None:
        """Prevent new connections: while the queue of the listening socket is full, the kernel drops SYNs."""
        if self._fillers or self._accepting is None:
            return
        self._accepting.cancel()
        self._accepting = None
        self.socket.listen(0)
        for _ in range(2):
            filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect((self.address, self.port))
            self._fillers.append(filler)

    def resume(self) -> None:
        """Take new connections again; a client that still waits connects with its next SYN."""
        for filler in self._fillers:
            with contextlib.suppress(OSError):
                filler.getpeername()  # only established connections are in the queue
                self._own.add(filler.getsockname())
            filler.close()
        if self._fillers:
            self.socket.listen(128)
            self._fillers.clear()
        self.start()

    def close(self) -> None:
        """Release the port and end its connections."""
        for task in (*self._tasks, *filter(None, [self._accepting])):
            task.cancel()
        for open_socket in (*self._fillers, self.socket):
            open_socket.close()


class Links:
    """All links of the lab, in one event loop."""

    def __init__(self, config: LabConfig) -> None:
        self.config = config
        self.links = {pair(a, b): _Link() for a, b in combinations(SITES, 2)}
        for source, target in permutations(SITES, 2):
            link = self.links[pair(source, target)]
            link.buckets[source] = Bucket()
            link.open.set()
            for service in LINKED_SERVICES:
                link.listeners.append(_Listener(config, link, source, target, service))
        self._seen: tuple[int, int] | None = None

    def apply(self, states: dict[str, LinkState]) -> None:
        """Enforce new settings, on the connections that exist too."""
        for name, link in self.links.items():
            state = states.get(name, LinkState())
            for bucket in link.buckets.values():
                bucket.rate = state.rate
            if state != link.state:
                print(f"{name}: {state!r}", flush=True)
            link.state = state
            if state.cut and state.mode == "drop":
                link.open.clear()
            else:
                link.open.set()
            if state.cut and state.mode == "reset":
                for connection in list(link.connections):
                    connection.abort()
            for listener in link.listeners:
                if state.cut and state.mode == "drop":
                    listener.hang()
                else:
                    listener.resume()

    def poll(self) -> None:
        """Read the control file when it has changed; an invalid file changes nothing."""
        try:
            stat = _file(self.config).stat()
            seen = (stat.st_mtime_ns, stat.st_ino)
        except FileNotFoundError:
            seen = (0, 0)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self.apply(read(self.config))
        except ValueError as error:
            print(f"settings not changed: {error}", flush=True)

    async def run(self) -> None:
        """Serve until the task is cancelled."""
        while True:
            self.poll()
            await asyncio.sleep(_POLL)

    def close(self) -> None:
        """Release the ports."""
        for link in self.links.values():
            for listener in link.listeners:
                listener.close()


async def _main(config: LabConfig) -> None:
    links = Links(config)
    links.poll()
    stopped = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stopped.set)
    running = asyncio.create_task(links.run())
    mark_ready(config, "links")
    await stopped.wait()
    running.cancel()


def main(config: LabConfig, site: str | None = None) -> None:
    """Part ``links`` of the lab."""
    asyncio.run(_main(config))
