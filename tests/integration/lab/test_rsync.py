"""The rsync stand-in over a real SSH connection: the sent files arrive unchanged, whatever was there before."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from infomart_lab import rsync

pytestmark = pytest.mark.lab
MIB = 1024 * 1024


class Link:
    """A proxy before the SSH server that can be cut after some bytes, or fall silent.

    :param port: of the SSH server.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.cut_after: int | None = None
        self.silent_after: int | None = None
        self.carried = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        carried = 0

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, up: bool) -> None:
            nonlocal carried
            while data := await source.read(65536):
                if up:
                    carried += len(data)
                    self.carried += len(data)
                    if self.cut_after is not None and carried > self.cut_after:
                        writer.transport.abort()
                        back.transport.abort()
                        return
                if self.silent_after is not None and carried > self.silent_after:
                    continue
                target.write(data)
                await target.drain()
            target.close()

        await asyncio.gather(pump(reader, back, True), pump(there, writer, False), return_exceptions=True)


class Stage:
    """A folder to send from and one to send to, behind the proxy.

    :param port: of the proxy.
    """

    def __init__(self, folder: Path, link: Link, port: int) -> None:
        self.folder, self.link, self.port = folder, link, port
        self.target = folder / "remote"
        self.known_hosts = folder / "known_hosts"

    async def push(self, *words: str, options: tuple[str, ...] = ("-t", "--partial")) -> int:
        ssh = f"ssh -p {self.port} -i {self.folder}/key -o UserKnownHostsFile={self.known_hosts}"
        ssh += " -o StrictHostKeyChecking=yes -o BatchMode=yes"
        arguments = [*options, "-e", ssh, *words, f"oracle@127.0.0.1:{self.target}/"]
        return await asyncio.to_thread(rsync.run, arguments)

    def source(self, name: str, size: int) -> Path:
        path = self.folder / name
        path.write_bytes(os.urandom(size))
        return path


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    client, server = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    client.write_private_key(str(tmp_path / "key"))
    client.write_public_key(str(tmp_path / "key.pub"))

    async def command(process: asyncssh.SSHServerProcess[Any]) -> None:
        child = await asyncio.create_subprocess_shell(process.command or "true", stdout=asyncio.subprocess.PIPE)
        output, _ = await child.communicate()
        process.stdout.write(output.decode())
        process.exit(child.returncode or 0)

    listener = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[server],
        authorized_client_keys=str(tmp_path / "key.pub"),
        process_factory=command,
        sftp_factory=True,
    )
    link = Link(listener.get_port())
    proxy = await asyncio.start_server(link.serve, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} {server.export_public_key().decode()}")
    stage = Stage(tmp_path, link, port)
    stage.target.mkdir()
    yield stage
    proxy.close()
    listener.close()
    await listener.wait_closed()


async def test_files_arrive_whole_with_their_times(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = stage.source("a.dmp", 3 * MIB + 17), stage.source("b.dmp", 0)
    os.utime(first, (1_700_000_000, 1_700_000_000))
    options = ("-a", "--partial-dir=.part", "--timeout=30", "--info=progress2", "--bwlimit=200M")
    assert await stage.push(str(first), str(second), options=options) == 0
    assert (stage.target / "a.dmp").read_bytes() == first.read_bytes()
    assert (stage.target / "a.dmp").stat().st_mtime == 1_700_000_000
    assert sorted(path.name for path in stage.target.iterdir()) == ["a.dmp", "b.dmp"]
    assert "100%" in (output := capsys.readouterr().out) and "(xfr#2, to-chk=0/2)" in output
    before = stage.link.carried
    assert await stage.push(str(first), str(second), options=options) == 0
    assert stage.link.carried - before < 100_000


@pytest.mark.parametrize("options", [("-t", "--partial"), ("-t", "--inplace"), ("-t", "--partial-dir=.p")])
async def test_a_cut_transfer_goes_on_where_it_was(stage: Stage, options: tuple[str, ...]) -> None:
    source = stage.source("a.dmp", 12 * MIB)
    stage.link.cut_after = 7 * MIB
    assert await stage.push(str(source), options=options) == 12
    if "--inplace" not in options:
        assert not (stage.target / "a.dmp").exists()
    stage.link.cut_after = None
    before = stage.link.carried
    assert await stage.push(str(source), options=options) == 0
    assert (stage.target / "a.dmp").read_bytes() == source.read_bytes()
    assert stage.link.carried - before < 9 * MIB
    assert [path.name for path in stage.target.iterdir()] == ["a.dmp"]


async def test_a_damaged_beginning_is_sent_again(stage: Stage) -> None:
    source = stage.source("a.dmp", 5 * MIB)
    content = bytearray(source.read_bytes()[: 4 * MIB])
    content[MIB + 5] ^= 1
    (stage.target / "a.dmp").write_bytes(content)
    assert await stage.push(str(source), options=("-t", "--inplace")) == 0
    assert (stage.target / "a.dmp").read_bytes() == source.read_bytes()
    assert stage.link.carried < 3 * MIB


async def test_append_believes_a_damaged_beginning_as_the_real_one_does(stage: Stage) -> None:
    source = stage.source("a.dmp", 3 * MIB)
    content = bytearray(source.read_bytes()[: 2 * MIB + 9])
    content[5] ^= 1
    (stage.target / "a.dmp").write_bytes(content)
    assert await stage.push(str(source), options=("-t", "--append")) == 0
    arrived = (stage.target / "a.dmp").read_bytes()
    assert arrived != source.read_bytes() and arrived[6:] == source.read_bytes()[6:]
    assert await stage.push(str(source), options=("-t", "--append-verify", "-I")) == 0
    assert (stage.target / "a.dmp").read_bytes() == source.read_bytes()


async def test_a_foreign_host_key_is_refused(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    source = stage.source("a.dmp", 10)
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    stage.known_hosts.write_text(f"[127.0.0.1]:{stage.port} {other}")
    assert await stage.push(str(source)) == 255
    assert "Host key verification failed." in capsys.readouterr().err
    assert not list(stage.target.iterdir())
    stage.known_hosts.unlink()
    assert await stage.push(str(source)) == 255


async def test_trouble_has_rsyncs_exit_codes(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    source = stage.source("a.dmp", 2 * MIB)
    assert await stage.push(str(source), str(stage.folder / "missing")) == 23
    assert (stage.target / "a.dmp").exists()
    target, stage.target = stage.target, stage.target / "x" / "y"
    assert await stage.push(str(source)) == 11
    stage.target = target
    stage.link.silent_after = MIB
    assert await stage.push(str(stage.source("b.dmp", 2 * MIB)), options=("--partial", "--timeout=1")) == 30
    assert "io timeout after 1 seconds" in capsys.readouterr().err
    assert await stage.push(str(source), options=("--delete-after",)) == 1
    assert "--delete-after: unknown option" in capsys.readouterr().err
