"""The copy of a dump set with a real rsync, ssh and sshd: both ways, cut off, refused, and under MaxStartups."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.sshd import USER, Sshd, absent, keypair

from infomart_dr.errors import InfoMartError, PermanentError, UnreachableError
from infomart_dr.guards.hosts import login_fault
from infomart_dr.hooks import transfer
from infomart_dr.hooks.remote_host import RemoteHost
from infomart_dr.hooks.remote_job import RemoteJob
from infomart_dr.topology import Host, Reach
from infomart_lab import sshd

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(absent("rsync")), reason=absent("rsync"))]

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory, base_port: int) -> Iterator[tuple[Sshd, Sshd]]:
    folder = tmp_path_factory.mktemp("hosts")
    one, two = Sshd(folder / "db1", base_port), Sshd(folder / "db2", base_port + 1)
    one.knows(two)
    os.environ["AIRFLOW_CONN_REAL_SOURCE"] = one.connection()
    os.environ["AIRFLOW_CONN_REAL_TARGET"] = two.connection()
    yield one, two
    for name in ("SOURCE", "TARGET"):
        os.environ.pop(f"AIRFLOW_CONN_REAL_{name}")
    one.stop()
    two.stop()


@pytest.fixture
def one(servers: tuple[Sshd, Sshd]) -> Sshd:
    return servers[0]


@pytest.fixture
def two(servers: tuple[Sshd, Sshd]) -> Iterator[Sshd]:
    """The target's server; each test leaves it with bash and without options."""
    server = servers[1]
    plain, path, keys, known = server.shell, server.path, server.authorized.read_text(), servers[0].known_hosts
    host_key = known.read_text()
    yield server
    (server.home / ".bashrc").unlink(missing_ok=True)
    server.authorized.write_text(keys)
    known.write_text(host_key)
    if server.options or server.shell != plain or server.path != path:
        server.configure(shell=plain, path=path)


@pytest.fixture
def source(one: Sshd) -> Iterator[RemoteHost]:
    with RemoteHost("real_source", command_timeout=30) as host:
        yield host


@pytest.fixture
def target(two: Sshd) -> Iterator[RemoteHost]:
    with RemoteHost("real_target", command_timeout=30) as host:
        yield host


class Copy:
    """A dump set in a folder of the source, and the plan of its copy.

    :param sizes: bytes by name.
    :param to: folder of the target; it is made.
    """

    def __init__(self, one: Sshd, two: Sshd, folder: Path, sizes: dict[str, int], to: str = "to", **plan: object):
        self.sizes = sizes
        self.source, self.target = folder / "from here", two.home / f"{folder.name}-{to}"
        self.source.mkdir()
        self.target.mkdir(parents=True)
        for name, size in sizes.items():
            (self.source / name).write_bytes(os.urandom(size))
        self.plan = transfer.TransferPlan.model_validate(
            {
                "source_folder": str(self.source),
                "target_folder": str(self.target),
                "files": list(sizes.items()),
                "target_user": USER,
                "target_address": "127.0.0.1",
                "target_port": two.port,
                "key": str(one.user_key),
                "known_hosts": str(one.known_hosts),
                **plan,
            }
        )

    def same(self) -> bool:
        """Everything has arrived, and nothing else."""
        found = {file.name: hashlib.sha256(file.read_bytes()).digest() for file in self.target.iterdir()}
        return found == {name: hashlib.sha256((self.source / name).read_bytes()).digest() for name in self.sizes}


_numbers = iter(range(1_000_000))


def direct(
    source: RemoteHost, plan: transfer.TransferPlan, meanwhile: Callable[[RemoteJob], None] | None = None
) -> str:
    """Copy with rsync as the step does.

    :return: what the job printed.
    :raises InfoMartError: of the failure.
    """
    job = RemoteJob(source, f"transfer-{next(_numbers)}")
    script, stdin = transfer.direct_command(plan)
    job.submit(script, stdin=stdin)
    if meanwhile:
        meanwhile(job)
    deadline = time.monotonic() + 90
    while (status := job.status()).active:
        assert time.monotonic() < deadline, job.log()[0]
        time.sleep(0.2)
    printed = job.log()[0]
    if status.exit_code:
        raise transfer.failure(status.exit_code, printed)
    return printed


SET = {"gim01.dmp": 3 * MIB, "gim02.dmp": 2 * MIB + 1, "gim03.dmp": 70_000, "gim04.dmp": 0, "gim05.dmp": 5}


# -- direct ------------------------------------------------------------------------------------------------


def test_rsync_copies_resumes_and_repairs(one: Sshd, two: Sshd, source: RemoteHost, tmp_path: Path) -> None:
    # the letters that xargs would replace, in every path
    copy = Copy(one, two, tmp_path, SET, to="in DBNAME NAME")
    content = (copy.source / "gim01.dmp").read_bytes()
    (copy.target / "gim01.dmp").write_bytes(content[: 2 * MIB])
    (copy.target / "gim02.dmp").write_bytes(b"damaged" + (copy.source / "gim02.dmp").read_bytes()[7:MIB])
    assert readiness(source, copy.plan) is None
    printed = direct(source, copy.plan)
    assert sorted(line for line in printed.splitlines() if line.endswith(": there")) == [f"{n}: there" for n in SET]
    assert copy.same()
    with RemoteHost("real_target") as target:
        assert transfer.checksums(target, str(copy.target), list(SET)) == transfer.checksums(
            source, str(copy.source), list(SET)
        )
    # of equal size and time, so that only a repair looks at it
    damaged = copy.target / "gim01.dmp"
    moment = damaged.stat().st_mtime_ns
    damaged.write_bytes(b"x" + content[1:])
    os.utime(damaged, ns=(moment, moment))
    direct(source, copy.plan)
    assert not copy.same()
    direct(source, copy.plan.model_copy(update={"repair": True}))
    assert copy.same()


@pytest.mark.parametrize("shell", ["dash", "ksh93", "tcsh", "bsd-csh"])
def test_rsync_arrives_at_every_login_shell(
    one: Sshd, two: Sshd, source: RemoteHost, tmp_path: Path, shell: str
) -> None:
    if (found := shutil.which(shell)) is None:
        pytest.skip(f"not installed: {shell}")
    two.configure(shell=found)
    copy = Copy(one, two, tmp_path, SET, to="it is here")
    direct(source, copy.plan)
    assert copy.same()


def test_rsync_outside_of_path_is_started_at_both_hosts(
    one: Sshd, two: Sshd, source: RemoteHost, tmp_path: Path
) -> None:
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "rsync").symlink_to(str(sshd.program("rsync")))
    two.configure(path=without_rsync(tmp_path))
    copy = Copy(one, two, tmp_path, {"gim01.dmp": 1000}, rsync=str(tmp_path / "opt" / "rsync"))
    direct(source, copy.plan)
    assert copy.same()


def without_rsync(folder: Path) -> str:
    """A PATH with everything except rsync."""
    programs = folder / "programs"
    programs.mkdir()
    for name in ("sh", "bash", "cat", "ls"):
        (programs / name).symlink_to(str(shutil.which(name)))
    return str(programs)


def test_a_cut_rsync_is_resumed(one: Sshd, two: Sshd, source: RemoteHost, tmp_path: Path) -> None:
    copy = Copy(one, two, tmp_path, {"gim01.dmp": 6 * MIB}, bandwidth=2000)

    def cut(job: RemoteJob) -> None:
        arriving = copy.target / "gim01.dmp"
        deadline = time.monotonic() + 30
        while not (arriving.exists() and arriving.stat().st_size > MIB):
            assert time.monotonic() < deadline, job.log()[0]
            time.sleep(0.05)
        two.cut()

    with pytest.raises(UnreachableError, match="interrupted"):
        direct(source, copy.plan, cut)
    two.start()
    assert 0 < (copy.target / "gim01.dmp").stat().st_size < 6 * MIB
    direct(source, copy.plan.model_copy(update={"bandwidth": None}))
    assert copy.same()


def _wrong_host_key(one: Sshd, two: Sshd, folder: Path) -> dict[str, object]:
    key = " ".join(keypair(folder / "other").split()[:2])
    one.known_hosts.write_text(f"[127.0.0.1]:{two.port} {key}\n")
    return {}


def _no_host_key(one: Sshd, two: Sshd, folder: Path) -> dict[str, object]:
    one.known_hosts.write_text("")
    return {}


def _refused_key(one: Sshd, two: Sshd, folder: Path) -> dict[str, object]:
    keypair(folder / "stranger")
    return {"key": str(folder / "stranger")}


def _open_key(one: Sshd, two: Sshd, folder: Path) -> dict[str, object]:
    shutil.copy(one.user_key, folder / "open")
    (folder / "open").chmod(0o644)
    return {"key": str(folder / "open")}


def _missing_key(one: Sshd, two: Sshd, folder: Path) -> dict[str, object]:
    return {"key": str(folder / "nowhere")}


def _no_rsync(one: Sshd, two: Sshd, folder: Path) -> dict[str, object]:
    two.configure(path=without_rsync(folder))
    return {}


def _noise(one: Sshd, two: Sshd, folder: Path) -> dict[str, object]:
    two.start_file({".bashrc": "echo The Oracle base remains unchanged\n"})
    return {}


def _no_folder(one: Sshd, two: Sshd, folder: Path) -> dict[str, object]:
    return {"target_folder": str(folder / "no" / "such" / "folder")}


def _no_login(one: Sshd, two: Sshd, folder: Path) -> dict[str, object]:
    two.configure(shell="/usr/sbin/nologin")
    return {}


def _no_name(one: Sshd, two: Sshd, folder: Path) -> dict[str, object]:
    return {"target_address": "no-such-host.invalid"}


@pytest.mark.parametrize(
    ("make", "word", "remedy"),
    [
        (_wrong_host_key, "Host key verification failed|IDENTIFICATION HAS CHANGED", "known_hosts"),
        (_no_host_key, "host key|Host key", "known_hosts"),
        (_refused_key, "Permission denied", "key of the transfer"),
        (_open_key, "bad permissions|UNPROTECTED", "key of the transfer"),
        (_missing_key, "not accessible|Permission denied", "key of the transfer"),
        (_no_rsync, "not found", "Install rsync"),
        (_noise, "shell clean|protocol", "start file"),
        (_no_folder, "No such file", "folder"),
        (_no_login, "shell clean|protocol", "may not log in"),
        (_no_name, "resolve", "address"),
    ],
    ids=lambda value: value.__name__.strip("_") if callable(value) else "",
)
def test_a_refusal_that_no_retry_changes_is_final_and_named(
    one: Sshd,
    two: Sshd,
    source: RemoteHost,
    tmp_path: Path,
    make: Callable[[Sshd, Sshd, Path], dict[str, object]],
    word: str,
    remedy: str,
) -> None:
    copy = Copy(one, two, tmp_path, {"gim01.dmp": 100_000, "gim02.dmp": 10})
    plan = copy.plan.model_copy(update=make(one, two, tmp_path))
    with pytest.raises(PermanentError, match=word) as caught:
        direct(source, plan)
    assert remedy in caught.value.next_step
    if make is not _no_folder:
        assert readiness(source, plan) is not None, "readiness finds it before"


def readiness(source: RemoteHost, plan: transfer.TransferPlan) -> InfoMartError | None:
    """What readiness finds about the login of a transfer."""
    settings = Host(ssh_connection="real_source", transfer_key=plan.key, known_hosts=plan.known_hosts)
    reach = Reach(address=plan.target_address, ssh_port=plan.target_port)
    return login_fault(source, settings, plan.target_user, reach, plan.rsync)


def test_sixteen_streams_end_under_a_strict_max_startups(
    one: Sshd, two: Sshd, source: RemoteHost, tmp_path: Path
) -> None:
    two.configure("MaxStartups 4:70:6")
    copy = Copy(one, two, tmp_path, {f"gim{n:02}.dmp": 20_000 for n in range(20)}, streams=16)
    direct(source, copy.plan)
    assert copy.same()


# -- relay -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "ksh93", "tcsh"])
def test_relay_copies_resumes_and_repairs_over_noisy_shells_without_sftp(
    one: Sshd, two: Sshd, source: RemoteHost, target: RemoteHost, tmp_path: Path, shell: str
) -> None:
    if (found := shutil.which(shell)) is None:
        pytest.skip(f"not installed: {shell}")
    two.configure("Subsystem sftp /bin/false", "MaxSessions 1", shell=found)
    two.start_file({".bashrc": "echo The Oracle base remains unchanged\n"})
    copy = Copy(one, two, tmp_path, SET, streams=2)
    content = (copy.source / "gim01.dmp").read_bytes()
    (copy.target / "gim01.dmp").write_bytes(content[: 2 * MIB])
    (copy.target / "gim02.dmp").write_bytes(b"damaged")
    (copy.target / "gim03.dmp").write_bytes(os.urandom(90_000))
    seen: list[dict[str, int]] = []
    made = transfer.relay(source, target, copy.plan, seen.append)
    assert copy.same()
    assert "gim01.dmp" not in made, "it was continued"
    assert made["gim02.dmp"] == hashlib.sha256((copy.source / "gim02.dmp").read_bytes()).hexdigest()
    assert seen[-1] == SET


@pytest.mark.parametrize("room", [0, 100_000, 5_000_000, 7_999_999], ids=lambda n: f"{n} bytes")
def test_a_full_file_system_is_final_and_named_wherever_it_comes(
    one: Sshd, two: Sshd, source: RemoteHost, target: RemoteHost, tmp_path: Path, room: int
) -> None:
    copy = Copy(one, two, tmp_path, {"gim01.dmp": 8_000_000})
    # a limit on the size of files answers each write beyond it, as a file system without space does
    blocks = room // 512
    two.start_file({".bashrc": f"ulimit -f {max(blocks // 2, 0)}; trap '' XFSZ\n"})
    with pytest.raises(PermanentError, match=r"gim01\.dmp .*free"):
        transfer.relay(source, target, copy.plan)
    assert (copy.target / "gim01.dmp").stat().st_size <= room
    with pytest.raises(InfoMartError) as caught:
        direct(source, copy.plan)
    assert not caught.value.retryable, caught.value


def test_a_relay_that_is_cut_off_is_resumed(
    one: Sshd, two: Sshd, source: RemoteHost, target: RemoteHost, tmp_path: Path
) -> None:
    copy = Copy(one, two, tmp_path, {"gim01.dmp": 6 * MIB}, bandwidth=2000)

    def cut() -> None:
        arriving, deadline = copy.target / "gim01.dmp", time.monotonic() + 30
        while time.monotonic() < deadline and not (arriving.exists() and arriving.stat().st_size > MIB):
            time.sleep(0.05)
        two.cut()

    cutter = threading.Thread(target=cut)
    cutter.start()
    with pytest.raises(UnreachableError):
        transfer.relay(source, target, copy.plan)
    cutter.join()
    two.start()
    assert 0 < (copy.target / "gim01.dmp").stat().st_size < 6 * MIB
    transfer.relay(source, target, copy.plan.model_copy(update={"bandwidth": None}))
    assert copy.same()


def test_no_stream_of_the_relay_ends_in_silence(
    one: Sshd, two: Sshd, source: RemoteHost, target: RemoteHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Copy(one, two, tmp_path, {"gim01.dmp": 100, "gim02.dmp": 100})

    def fail(*arguments: object) -> str:
        raise RuntimeError("a fault of the program")

    monkeypatch.setattr(transfer, "_relay_file", fail)
    with pytest.raises(RuntimeError, match="a fault of the program"):
        transfer.relay(source, target, copy.plan)


def test_a_relay_of_sixteen_streams_ends_under_a_strict_max_startups(
    one: Sshd, two: Sshd, source: RemoteHost, target: RemoteHost, tmp_path: Path
) -> None:
    two.configure("MaxStartups 1:100:1")
    copy = Copy(one, two, tmp_path, {f"gim{n:02}.dmp": 20_000 for n in range(20)}, streams=16)
    transfer.relay(source, target, copy.plan)
    assert copy.same()
