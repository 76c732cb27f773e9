"""The lab's SSH hosts, as paramiko and OpenSSH see them."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from tests.waiting import wait_for

from infomart_lab import config as lab_config
from infomart_lab import host, procs, shims, sshd
from infomart_lab.config import LabConfig

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module", params=["stand-in", "sshd"])
def lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, base_port: int
) -> Iterator[LabConfig]:
    real = request.param == "sshd"
    if real and (missing := sshd.missing()):
        pytest.skip(f"not installed: {', '.join(missing)}")
    home = tmp_path_factory.mktemp("hosts") / "lab"
    config = lab_config.create(home, base_port=base_port, real_ssh=real)
    host.prepare_keys(config)
    shims.write(config, "site2")
    part = subprocess.Popen(
        [sys.executable, "-m", "infomart_lab.part", "ssh", "site2"],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(host.__file__).resolve().parents[1]),
            lab_config.HOME_VARIABLE: str(config.home),
            procs.SITE_VARIABLE: "site2",
        },
    )
    try:
        ready = lab_config.ready_file(config, "ssh", "site2")
        wait_for(lambda: ready.exists() or part.poll() is not None, what="the SSH hosts")
        assert part.poll() is None
        yield config
    finally:
        part.terminate()
        part.wait(10)
        procs.kill_all(lambda: procs.lab_processes(config.home))


def connect(config: LabConfig, kind: str, key: Path | None = None, **settings: object) -> paramiko.SSHClient:
    client = paramiko.SSHClient()
    port = config.port("site2", f"ssh-{kind}")
    name, blob = host.host_key_line(config, "site2", kind).split()
    client.get_host_keys().add(f"[127.0.0.1]:{port}", name, paramiko.Ed25519Key(data=base64.b64decode(blob)))
    arguments: dict = {
        "username": host.USERS[kind],
        "key_filename": str(key or host.operator_key(config)),
        "look_for_keys": False,
        "allow_agent": False,
        "timeout": 5,
        **settings,
    }
    client.connect("127.0.0.1", port, **arguments)
    return client


@pytest.fixture(scope="module")
def client(lab: LabConfig) -> Iterator[paramiko.SSHClient]:
    with connect(lab, "db") as made:
        yield made


def run(client: paramiko.SSHClient, command: str, data: bytes = b"") -> tuple[int, bytes, bytes]:
    stdin, stdout, stderr = client.exec_command(command, timeout=20)
    stdin.channel.sendall(data)
    stdin.channel.shutdown_write()
    return stdout.channel.recv_exit_status(), stdout.read(), stderr.read()


def test_exit_code_both_streams_and_binary_input_arrive(client: paramiko.SSHClient) -> None:
    assert run(client, "cat; echo wrong >&2; exit 7", b"\x00\xff\r\n") == (7, b"\x00\xff\r\n", b"wrong\n")


def test_a_command_sees_no_login_environment(lab: LabConfig, client: paramiko.SSHClient) -> None:
    _, output, _ = run(client, "env; pwd")
    *lines, folder = output.decode().splitlines()
    found = dict(line.split("=", 1) for line in lines)
    assert folder == found["HOME"] == str(lab.host_dir("site2", "db"))
    assert found["PATH"].split(":")[0] == str(lab.bin_dir("site2", "db"))
    assert found["INFOMART_LAB_HOST"] == "site2/db"
    assert str(Path(sys.executable).parent) not in found["PATH"].split(":")
    assert not {"ORACLE_HOME", "ORACLE_SID", "LD_LIBRARY_PATH", "PYTHONPATH"} & set(found)


def test_much_data_passes_both_ways(client: paramiko.SSHClient) -> None:
    assert run(client, "wc -c; head -c 2000000 /dev/zero", b"x" * 2000000)[1][:8] == b"2000000\n"
    assert len(run(client, "head -c 2000000 /dev/zero")[1]) == 2000000


def test_a_killed_command_has_no_exit_code(client: paramiko.SSHClient) -> None:
    assert run(client, "kill -9 $$")[0] == -1


def test_a_command_survives_the_loss_of_its_connection(lab: LabConfig, client: paramiko.SSHClient) -> None:
    other = connect(lab, "db")
    other.exec_command("sleep 0.7; touch survived")
    time.sleep(0.2)
    other.close()
    wait_for((lab.host_dir("site2", "db") / "survived").exists, what="the command's end")


def test_a_detached_job_outlives_its_session_and_only_its_own_host_sees_it(
    lab: LabConfig, client: paramiko.SSHClient
) -> None:
    run(client, "nohup setsid sleep 71 >/dev/null 2>&1 </dev/null &")
    pids = wait_for(lambda: run(client, "pgrep -f '^sleep 71$'")[1], what="the job")
    with connect(lab, "gim") as gim:
        assert run(gim, "pgrep sleep")[0] == 1
    run(client, f"kill {pids.split()[0].decode()}")


def test_files_go_both_ways_and_relative_names_start_at_home(
    lab: LabConfig, client: paramiko.SSHClient, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"\x00\x01" * 50000)
    with client.open_sftp() as sftp:
        assert sftp.normalize(".") == str(lab.host_dir("site2", "db"))
        sftp.put(str(tmp_path / "a"), str(lab.dump_dir("site2") / "a.dmp"))
        sftp.put(str(tmp_path / "a"), "b.dmp")
        assert sorted(sftp.listdir(str(lab.dump_dir("site2")))) == ["a.dmp"]
        sftp.get("b.dmp", str(tmp_path / "b"))
    assert (tmp_path / "b").read_bytes() == (lab.dump_dir("site2") / "a.dmp").read_bytes()


def test_only_the_hosts_user_with_a_known_key_gets_in(lab: LabConfig, tmp_path: Path) -> None:
    stranger = tmp_path / "key"
    host._ensure_key(stranger, "stranger")
    connect(lab, "db", lab.host_dir("site3", "db") / ".ssh" / "id_ed25519").close()
    for settings in (
        {"key": stranger},
        {"username": "genesys"},
        {"key_filename": None, "password": "anything"},
    ):
        with pytest.raises(paramiko.AuthenticationException):
            connect(lab, "db", **settings)
    with pytest.raises(paramiko.AuthenticationException):
        connect(lab, "gim", lab.host_dir("site3", "db") / ".ssh" / "id_ed25519")


def test_each_host_shows_its_own_key(lab: LabConfig) -> None:
    with socket.create_connection(("127.0.0.1", lab.port("site2", "ssh-gim"))) as connection:
        transport = paramiko.Transport(connection)
        transport.start_client(timeout=5)
        key = transport.get_remote_server_key()
        transport.close()
    shown = f"{key.get_name()} {key.get_base64()}"
    assert shown == host.host_key_line(lab, "site2", "gim") != host.host_key_line(lab, "site2", "db")


def test_private_keys_are_for_their_owner_only(lab: LabConfig) -> None:
    keys = [host.operator_key(lab), host.host_key(lab, "site2", "db")]
    keys.append(lab.host_dir("site2", "db") / ".ssh" / "id_ed25519")
    assert {oct(key.stat().st_mode & 0o777) for key in keys} == {"0o600"}
    before = [key.read_bytes() for key in keys]
    host.prepare_keys(lab)
    assert [key.read_bytes() for key in keys] == before


def test_a_host_that_hangs_takes_the_connection_and_says_nothing(lab: LabConfig) -> None:
    lab_config.set_fault(lab, "site2.ssh-db.hang", True)
    try:
        with socket.create_connection(("127.0.0.1", lab.port("site2", "ssh-db"))) as connection:
            connection.settimeout(0.6)
            with pytest.raises(TimeoutError):
                connection.recv(1)
    finally:
        lab_config.set_fault(lab, "site2.ssh-db.hang", None)
    connect(lab, "db").close()


@pytest.mark.skipif(shutil.which("ssh") is None, reason="no OpenSSH client")
def test_openssh_client_works_with_a_checked_host_key(lab: LabConfig, tmp_path: Path) -> None:
    port = lab.port("site2", "ssh-db")
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {host.host_key_line(lab, 'site2', 'db')}\n")
    key = lab.host_dir("site3", "db") / ".ssh" / "id_ed25519"
    done = subprocess.run(
        [
            *("ssh", "-F", "none", "-p", str(port), "-i", str(key), "-o", f"UserKnownHostsFile={known}"),
            *("-o", "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "oracle@127.0.0.1", "cat; exit 3"),
        ],
        input=b"\x00data",
        capture_output=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (3, b"\x00data")


def test_known_hosts_of_a_host_holds_the_link_addresses(lab: LabConfig) -> None:
    known = (lab.host_dir("site3", "db") / ".ssh" / "known_hosts").read_text()
    line = f"[127.0.0.1]:{lab.link_port('site3', 'site2', 'ssh-db')} {host.host_key_line(lab, 'site2', 'db')}"
    assert line in known.splitlines()
