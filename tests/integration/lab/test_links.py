"""Links between sites carry, delay, throttle, cut and heal real connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infomart_lab import config as lab_config
from infomart_lab import links
from infomart_lab.config import LabConfig

pytestmark = pytest.mark.lab

_BLOCK = b"x" * 65536


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    writer.close()


@pytest.fixture
async def lab(tmp_path: Path, base_port: int) -> AsyncIterator[LabConfig]:
    """Echo servers in place of two services of site3, and the links of the lab in this event loop."""
    config = lab_config.create(tmp_path / "lab", base_port=base_port)
    servers = [
        await asyncio.start_server(_echo, "127.0.0.1", config.port(site, "manager")) for site in ("site2", "site3")
    ]
    proxies = links.Links(config)
    running = asyncio.create_task(proxies.run())
    await asyncio.sleep(0.05)
    yield config
    running.cancel()
    proxies.close()
    for server in servers:
        server.close()


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def echo(self, data: bytes, timeout: float = 5.0) -> float:
        """Send and read back; how long it took."""
        begin = time.monotonic()
        self.writer.write(data)
        async with asyncio.timeout(timeout):
            assert await self.reader.readexactly(len(data)) == data
        return time.monotonic() - begin


async def connect(config: LabConfig, source: str = "site2", target: str = "site3", timeout: float = 5.0) -> Client:
    port = config.link_port(source, target, "manager")
    async with asyncio.timeout(timeout):
        return Client(*await asyncio.open_connection("127.0.0.1", port))


async def settle() -> None:
    await asyncio.sleep(0.3)


async def test_data_and_the_end_of_one_direction_pass(lab: LabConfig) -> None:
    client = await connect(lab)
    client.writer.write(_BLOCK * 20 + b"end")
    client.writer.write_eof()
    assert (await client.reader.read(-1)) == _BLOCK * 20 + b"end"


async def test_a_cut_freezes_connections_and_new_ones_never_come_about(lab: LabConfig) -> None:
    client, other = await connect(lab), await connect(lab, "site3", "site2")
    await client.echo(b"before")
    links.change(lab, "site2", "site3", cut=True)
    await settle()
    client.writer.write(b"during")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.4):
            await client.reader.read(1)
    with pytest.raises(TimeoutError):
        await other.echo(b"x", timeout=0.3)
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", lab.link_port("site2", "site3", "oracle")), timeout=0.4)
    assert time.monotonic() - begin >= 0.4
    links.heal(lab, "site2", "site3")
    async with asyncio.timeout(5):
        assert await client.reader.readexactly(6) == b"during"  # nothing was lost
    await (await connect(lab)).echo(b"after")


async def test_a_connection_begun_during_a_cut_gets_through_when_it_is_healed(lab: LabConfig) -> None:
    links.change(lab, "site2", "site3", cut=True)
    await settle()
    waiting = asyncio.create_task(connect(lab, timeout=10))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    links.heal(lab, "site2", "site3")
    await (await waiting).echo(b"at last")


async def test_a_cut_leaves_other_links_alone(lab: LabConfig) -> None:
    client = await connect(lab, "site1", "site3")
    links.change(lab, "site2", "site3", cut=True)
    await settle()
    await client.echo(b"passes")
    await (await connect(lab, "site1", "site2")).echo(b"passes")


async def test_a_reset_aborts_connections_and_refuses_new_ones(lab: LabConfig) -> None:
    client = await connect(lab)
    await client.echo(b"before")
    links.change(lab, "site2", "site3", cut=True, mode="reset")
    await settle()
    with pytest.raises(ConnectionError):
        await client.reader.read(1)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await (await connect(lab)).echo(b"x")
    links.heal(lab, "site2", "site3")
    await settle()
    await (await connect(lab)).echo(b"after")


async def test_a_throttle_is_shared_by_all_connections_and_can_be_taken_off(lab: LabConfig) -> None:
    first, second = await connect(lab), await connect(lab)
    links.change(lab, "site2", "site3", rate=400_000)
    await settle()
    seconds = await asyncio.gather(first.echo(b"a" * 200_000), second.echo(b"b" * 200_000))
    assert 0.7 < max(seconds) < 15
    links.change(lab, "site2", "site3", rate=None)
    await settle()
    assert await first.echo(_BLOCK * 16) < 2, "with the throttle it takes 2.6 seconds"


async def test_a_delay_is_added_each_way(lab: LabConfig) -> None:
    client = await connect(lab)
    links.change(lab, "site2", "site3", delay_ms=120)
    await settle()
    assert 0.24 <= await client.echo(b"x") < 4


async def test_a_dead_service_resets_the_connection(lab: LabConfig) -> None:
    port = lab.link_port("site2", "site1", "manager")
    reader, _ = await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(reader.readexactly(1), 3)


async def test_a_damaged_control_file_changes_nothing(lab: LabConfig) -> None:
    links.change(lab, "site2", "site3", cut=True)
    await settle()
    (lab.home / "links.json").write_text("{")
    await settle()
    with pytest.raises(TimeoutError):
        await connect(lab, timeout=0.3)
