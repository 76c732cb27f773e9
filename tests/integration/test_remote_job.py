"""Remote hosts and jobs against a real SSH server on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import os
import pickle
import signal
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncssh
import pytest
from tests.integration.ssh_server import SshServer, silent_listener

from infomart_dr.errors import (
    CredentialsError,
    PermanentError,
    RemoteCommandError,
    TopologyError,
    TransientError,
    UnexpectedReplyError,
    UnreachableError,
)
from infomart_dr.hooks import transfer
from infomart_dr.hooks.remote_host import RemoteHost
from infomart_dr.hooks.remote_job import JobStatus, RemoteJob
from infomart_dr.operators.dump_set import VerifyDumpSet
from infomart_dr.triggers.remote_job import RemoteJobTrigger

pytestmark = pytest.mark.lab

#: Further ports of the block.
OTHER, SILENT = 1, 2
SECRET = "tiger-in-the-tank"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, base_port: int) -> Iterator[SshServer]:
    server = SshServer(tmp_path_factory.mktemp("host") / "oracle", base_port)
    os.environ["AIRFLOW_CONN_HOST_ONE"] = server.connection()
    yield server
    os.environ.pop("AIRFLOW_CONN_HOST_ONE")
    server.close()


@pytest.fixture
def host(server: SshServer) -> Iterator[RemoteHost]:
    with RemoteHost("host_one", connect_timeout=3, command_timeout=10) as host:
        yield host


def until(look: Callable[[], JobStatus], *states: str, seconds: float = 60) -> JobStatus:
    deadline = time.monotonic() + seconds
    while True:
        status = look()
        if status.state in states:
            return status
        assert time.monotonic() < deadline, status
        time.sleep(0.05)


def wait_for(path: Path, seconds: float = 60) -> str:
    deadline = time.monotonic() + seconds
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)
    return path.read_text().strip()


def folder_of(server: SshServer, job: RemoteJob) -> Path:
    return server.home / job.folder


# -- host: commands and files ------------------------------------------------------------------------


def test_words_arrive_as_they_were_given(host: RemoteHost) -> None:
    words = ["a b", "it's", "$HOME", "`id`", "*", "new\nline", ""]
    done = host.run(["printf", "<%s>", *words], environment={"X": "y"})
    assert done.stdout == "".join(f"<{word}>" for word in words)


def test_environment_folder_and_input_reach_the_program(host: RemoteHost) -> None:
    host.run(["mkdir", "-p", "some where"])
    done = host.run(
        ["sh", "-c", 'pwd; echo "$NAME"; cat'], cwd="some where", environment={"NAME": "o'hara"}, stdin="in\n"
    )
    assert done.stdout.splitlines() == [f"{host.home()}/some where", "o'hara", "in"]


@pytest.mark.parametrize("code", [0, 1, 5, 255])
def test_exit_codes_come_back(host: RemoteHost, code: int) -> None:
    assert host.run(["sh", "-c", f"exit {code}"], check=False).exit_code == code


def test_a_failed_program_is_named_with_its_output_and_without_its_arguments(host: RemoteHost) -> None:
    with pytest.raises(RemoteCommandError) as caught:
        host.run(["sh", "-c", "echo out; echo wrong >&2; exit 7", SECRET])
    assert caught.value.exit_code == 7
    assert "exit code 7: wrong" in str(caught.value)
    assert SECRET not in str(caught.value)


def test_much_output_on_both_sides_does_not_block(host: RemoteHost) -> None:
    payload = os.urandom(300_000).hex()
    done = host.run(["sh", "-c", "cat; head -c 400000 /dev/zero | tr '\\0' e >&2"], stdin=payload)
    assert done.stdout == payload
    assert len(done.stderr) == 400_000


def test_a_program_that_hangs_is_given_up_in_time(host: RemoteHost) -> None:
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match=r"sleep did not end within 0\.5 s"):
        host.run(["sleep", "20"], timeout=0.5)
    assert time.monotonic() - begun < 10
    assert host.run(["echo", "again"]).stdout == "again\n"


def test_a_dropped_connection_is_opened_again_for_the_next_command(server: SshServer, host: RemoteHost) -> None:
    assert host.run(["echo", "1"]).stdout == "1\n"
    server.cut()
    time.sleep(0.1)
    assert host.run(["echo", "2"]).stdout == "2\n"


def test_a_connection_lost_during_a_command_is_a_transient_error(server: SshServer, host: RemoteHost) -> None:
    threading.Timer(0.4, server.cut).start()
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match="lost while sleep ran"):
        host.run(["sleep", "20"])
    assert time.monotonic() - begun < 10


def test_files_are_written_whole_and_private(server: SshServer, host: RemoteHost) -> None:
    host.write_file("dirprm/a b.prm", "EXTRACT É\n")
    host.write_file("dirprm/a b.prm", "second\n", mode=0o640)
    path = server.home / "dirprm" / "a b.prm"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert host.read_file("dirprm/a b.prm") == "second\n"
    assert host.read_file("dirprm/a b.prm", limit=3) == "sec"
    assert [file.name for file in path.parent.iterdir()] == ["a b.prm"]


def test_a_missing_file_is_said_to_be_missing(host: RemoteHost) -> None:
    with pytest.raises(RemoteCommandError, match="nowhere/x: no such file"):
        host.read_file("nowhere/x")
    assert not host.exists("nowhere/x")


def test_sizes_and_free_space(server: SshServer, host: RemoteHost) -> None:
    host.write_file("dump/gim01.dmp", b"x" * 1234)
    host.write_file("dump/gim02.dmp", b"")
    assert host.file_sizes("dump", ["gim01.dmp", "gim02.dmp", "gim03.dmp"]) == {
        "gim01.dmp": 1234,
        "gim02.dmp": 0,
    }
    free = os.statvfs(server.home)
    assert abs(host.free_space("dump") - free.f_bavail * free.f_frsize) < 2**30
    assert host.boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with pytest.raises(PermanentError, match="not a plain file name"):
        host.file_sizes("dump", ["../etc/passwd"])


def test_output_without_end_is_refused(host: RemoteHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infomart_dr.hooks.remote_host._MAX_OUTPUT", 100_000)
    with pytest.raises(UnexpectedReplyError, match="yes printed more"):
        host.run(["yes"], timeout=5)


# -- host: who it is -----------------------------------------------------------------------------------


def test_an_unknown_connection_is_named() -> None:
    with pytest.raises(TopologyError, match="no connection nobody_knows"):
        RemoteHost("nobody_knows").run(["true"])


def test_another_host_key_is_refused_with_both_fingerprints(server: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    monkeypatch.setenv("AIRFLOW_CONN_IMPOSTOR", server.connection(host_key=other))
    with pytest.raises(CredentialsError) as caught:
        RemoteHost("impostor").run(["true"])
    assert server.host_key.get_fingerprint() in str(caught.value)
    assert other.get_fingerprint() in str(caught.value)


def test_a_connection_without_a_host_key_is_refused_with_the_offered_fingerprint(
    server: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_UNKNOWN", server.connection(host_key=False))
    with pytest.raises(CredentialsError, match="not known") as caught:
        RemoteHost("unknown").run(["true"])
    assert server.host_key.get_fingerprint() in str(caught.value)


@pytest.mark.parametrize("switch", ["no_host_key_check", "allow_host_key_change", "ignore_hostkey_verification"])
def test_a_connection_that_does_not_check_host_keys_is_refused(
    server: SshServer, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_CARELESS", server.connection(host_key=False, **{switch: "true"}))
    before = len(server.connections)
    with pytest.raises(CredentialsError, match="does not check host keys"):
        RemoteHost("careless").run(["true"])
    assert len(server.connections) == before


def test_a_refused_login_is_final(server: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_private_key("openssh").decode()
    monkeypatch.setenv("AIRFLOW_CONN_STRANGER", server.connection(private_key=stranger))
    with pytest.raises(CredentialsError, match="login of oracle was refused") as caught:
        RemoteHost("stranger").run(["true"])
    assert stranger.splitlines()[1] not in str(caught.value)


def test_a_broken_key_is_final_and_not_shown(server: SshServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", server.connection(private_key=SECRET))
    with pytest.raises(CredentialsError, match="cannot be used") as caught:
        RemoteHost("broken").run(["true"])
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("banner", [b"", b"SSH-2.0-silence\r\n"], ids=["no-banner", "banner-only"])
def test_a_host_that_accepts_and_never_answers_is_unreachable_in_time(
    server: SshServer, base_port: int, monkeypatch: pytest.MonkeyPatch, banner: bytes
) -> None:
    connection = server.connection().replace(f'"port": {base_port}', f'"port": {base_port + SILENT}')
    monkeypatch.setenv("AIRFLOW_CONN_SILENT", connection)
    with silent_listener(base_port + SILENT, banner):
        begun = time.monotonic()
        with pytest.raises(UnreachableError):
            RemoteHost("silent", connect_timeout=1).run(["true"])
        assert time.monotonic() - begun < 10


def test_a_closed_port_is_unreachable(server: SshServer, base_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = server.connection().replace(f'"port": {base_port}', f'"port": {base_port + SILENT}')
    monkeypatch.setenv("AIRFLOW_CONN_CLOSED", connection)
    with pytest.raises(UnreachableError, match="cannot be reached"):
        RemoteHost("closed", connect_timeout=1).run(["true"])


# -- jobs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("exit 0", 0),
        ("exit 1", 1),
        ("exit 5", 5),
        ("set -e; false; echo not reached", 1),
        ("exec sh -c 'exit 3'", 3),
        ("kill -KILL $$", 137),
        ("kill -TERM $$", 143),
        ("echo a; echo b; exit 4 # comment", 4),
        ("no_such_program_here", 127),
        ("if", 2),
    ],
)
def test_every_way_to_end_leaves_the_exit_code(job: RemoteJob, script: str, code: int) -> None:
    job.submit(script)
    status = until(job.status, "ended", "vanished")
    assert (status.state, status.exit_code) == ("ended", code)


def test_input_environment_folder_and_log(server: SshServer, job: RemoteJob) -> None:
    job.submit(
        ["sh", "-c", 'cat; echo "$SID" >&2; pwd'],
        stdin="line\n",
        environment={"SID": "GIM 2"},
        cwd=str(server.home),
    )
    until(job.status, "ended")
    assert job.log()[0] == f"line\nGIM 2\n{server.home}\n"
    assert job.status().log_size == len(f"line\nGIM 2\n{server.home}\n")


def test_a_second_submit_attaches_and_starts_nothing(server: SshServer, job: RemoteJob) -> None:
    first = job.submit("echo once >> times; sleep 20")
    again = RemoteJob(RemoteHost("host_one"), job.job_id)
    second = again.submit("echo twice >> times")
    assert (second.state, second.pid) == ("running", first.pid)
    job.kill()
    assert again.submit("echo twice >> times").state == "ended"
    assert (server.home / "times").read_text() == "once\n"
    (server.home / "times").unlink()
    again.host.close()


def test_many_submits_at_once_start_one_program(server: SshServer, job: RemoteJob) -> None:
    def submit() -> None:
        with RemoteHost("host_one", command_timeout=20) as host:
            RemoteJob(host, job.job_id).submit("echo x >> many; sleep 0.5")

    threads = [threading.Thread(target=submit) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(job.status, "ended")
    time.sleep(0.3)
    assert (server.home / "many").read_text() == "x\n"
    (server.home / "many").unlink()


def test_a_job_prepared_and_never_launched_can_be_submitted_again(server: SshServer, job: RemoteJob) -> None:
    job.grace = 0.5
    folder_of(server, job).mkdir(parents=True, mode=0o700)
    assert job.status().state == "starting"
    assert job.submit("exit 6").state in ("running", "ended")
    assert until(job.status, "ended").exit_code == 6


def test_a_late_first_launch_does_not_start_a_second_program(server: SshServer, job: RemoteJob) -> None:
    job.submit("echo x >> late; sleep 1")
    folder = folder_of(server, job)
    token = next(file.suffix[1:] for file in folder.glob("program.*"))
    done = job.host.run(["sh", f"./wrapper.{token}", "x", token, "022"], cwd=str(folder), check=False)
    assert done.exit_code == 0
    until(job.status, "ended")
    assert (server.home / "late").read_text() == "x\n"
    (server.home / "late").unlink()


def test_a_killed_program_is_ended_and_not_waited_for(server: SshServer, job: RemoteJob) -> None:
    job.submit("echo $$ > program.pid; exec sleep 60")
    os.kill(int(wait_for(server.home / "program.pid")), signal.SIGKILL)
    assert until(job.status, "ended", seconds=2).exit_code == 137
    (server.home / "program.pid").unlink()


def test_a_killed_wrapper_leaves_a_running_orphan_and_then_a_vanished_job(server: SshServer, job: RemoteJob) -> None:
    status = job.submit("sleep 1.5")
    assert status.pid
    os.kill(status.pid, signal.SIGKILL)
    status = job.status()
    assert (status.state, status.orphaned) == ("running", True)
    with pytest.raises(PermanentError, match="still runs"):
        job.forget()
    assert until(job.status, "vanished", seconds=4).exit_code is None
    # a retry sees that, and starts nothing by itself
    assert job.submit("exit 0").state == "vanished"
    job.forget()
    assert job.status().state == "absent"
    job.submit("exit 0")
    assert until(job.status, "ended").exit_code == 0


def test_a_group_killed_whole_is_vanished(job: RemoteJob) -> None:
    status = job.submit("sleep 60 & sleep 60")
    assert status.pid
    os.killpg(status.pid, signal.SIGKILL)
    assert until(job.status, "vanished")


def test_a_group_asked_to_end_records_the_exit_code(job: RemoteJob) -> None:
    status = job.submit("sleep 60; exit 0")
    assert status.pid
    time.sleep(0.2)
    os.killpg(status.pid, signal.SIGTERM)
    assert until(job.status, "ended").exit_code == 143


def test_another_boot_and_another_process_of_the_same_id_are_vanished(server: SshServer, job: RemoteJob) -> None:
    job.submit("sleep 60")
    process = folder_of(server, job) / "process"
    text = process.read_text()
    lines = dict(line.split("=") for line in text.splitlines())
    process.write_text(text.replace(lines["boot"], "11111111-2222"))
    assert job.status().state == "vanished"
    process.write_text(text.replace(f"start={lines['start']}", "start=1"))
    assert job.status().state == "vanished"
    process.write_text(text)
    assert job.status().state == "running"


def test_a_job_outlives_the_ssh_connection(server: SshServer, job: RemoteJob) -> None:
    job.submit("sleep 0.5; echo survived; exit 9")
    server.cut()
    assert until(job.status, "ended").exit_code == 9
    assert job.log()[0] == "survived\n"


def test_kill_ends_the_whole_group_and_those_who_refuse(server: SshServer, job: RemoteJob) -> None:
    job.submit("trap '' TERM; sh -c 'trap \"\" TERM; echo $$ > stubborn.pid; sleep 60; sleep 60' & wait; wait")
    child = int(wait_for(server.home / "stubborn.pid"))
    begun = time.monotonic()
    status = job.kill(grace=0.4)
    assert status.state == "ended"
    assert status.exit_code == 137
    assert time.monotonic() - begun < 5
    assert not _runs(child)
    (server.home / "stubborn.pid").unlink()


def test_kill_ends_an_orphan_too(server: SshServer, job: RemoteJob) -> None:
    status = job.submit("echo $$ > orphan.pid; sleep 60; :")
    assert status.pid
    child = int(wait_for(server.home / "orphan.pid"))
    os.kill(status.pid, signal.SIGKILL)
    assert job.kill().state == "ended"
    assert not _runs(child)
    (server.home / "orphan.pid").unlink()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_secret_on_standard_input_is_nowhere_to_be_seen(server: SshServer, job: RemoteJob) -> None:
    seen: list[str] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit() and int(entry.name) != os.getpid():
                    for name in ("cmdline", "environ"):
                        try:
                            if SECRET.encode() in (entry / name).read_bytes():
                                seen.append(f"{entry.name} {name}")
                        except OSError:
                            pass
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        job.submit(["sh", "-c", 'read -r word; echo "${#word}"; sleep 0.7'], stdin=f"{SECRET}\n")
        on_disk = [
            file
            for file in folder_of(server, job).rglob("*")
            if file.is_file() and SECRET.encode() in file.read_bytes()
        ]
        until(job.status, "ended")
    finally:
        stop.set()
        watcher.join()
    assert job.log()[0] == f"{len(SECRET)}\n"
    assert seen == []
    assert on_disk == []
    assert stat.S_IMODE(folder_of(server, job).stat().st_mode) == 0o700


def test_files_of_a_job_are_private_and_gone_at_its_end(server: SshServer, job: RemoteJob) -> None:
    job.submit('cat "$INFOMART_JOB/files/arguments"; sleep 0.3', files={"arguments": f"-pwd {SECRET}\n"})
    file = Path(job.file("arguments"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    until(job.status, "ended")
    assert job.log()[0] == f"-pwd {SECRET}\n"
    assert not file.exists()


def test_the_log_is_read_in_pieces_without_broken_characters(job: RemoteJob) -> None:
    job.submit("printf 'aé€b'")
    until(job.status, "ended")
    pieces, offset = [], 0
    while True:
        text, following = job.log(offset, limit=4)
        if following == offset:
            break
        pieces.append(text)
        offset = following
    assert "".join(pieces) == "aé€b"


def test_time_is_the_programs_own(job: RemoteJob) -> None:
    job.submit("sleep 1.2")
    seconds = until(job.status, "ended").command_seconds
    assert seconds is not None and 1 <= seconds <= 10
    time.sleep(1.1)
    assert job.status().command_seconds == seconds


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "x" * 101, "a;b", "a\n"])
def test_job_ids_are_checked(name: str) -> None:
    with pytest.raises(PermanentError, match="not a valid job id"):
        RemoteJob(RemoteHost("host_one"), name)


# -- trigger -------------------------------------------------------------------------------------------


def trigger_for(job: RemoteJob, **arguments: object) -> RemoteJobTrigger:
    values: dict = {
        "ssh_connection": "host_one",
        "work_folder": job.host.work_folder,
        "job_id": job.job_id,
        "poll": 0.1,
        "connect_timeout": 1,
        **arguments,
    }
    return RemoteJobTrigger(**values)


async def first_event(trigger: RemoteJobTrigger, seconds: float = 5) -> dict:
    events = trigger.run()
    try:
        return (await asyncio.wait_for(anext(events), seconds)).payload
    finally:
        await events.aclose()  # type: ignore[attr-defined]


async def test_a_cleared_wait_ends_the_job_under_the_new_try_which_is_retried(job: RemoteJob) -> None:
    job.submit("sleep 30")
    old, new = trigger_for(job), trigger_for(job)
    waiting = asyncio.create_task(first_event(new, 20))
    await asyncio.sleep(0.3)
    await old.on_kill()
    event = await waiting
    assert (event["state"], event["exit_code"]) == ("ended", 143)
    with pytest.raises(TransientError, match="signal 15"):
        VerifyDumpSet(task_id="verify_dump_set").collect(None, event)  # type: ignore[arg-type]


async def test_the_trigger_fires_with_the_exit_code_and_shows_the_log(
    job: RemoteJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    job.submit("echo one; sleep 0.3; echo two; printf three; exit 5")
    trigger = trigger_for(job)
    monkeypatch.setattr(trigger.log, "info", lambda text, *values: shown.append(text % values))
    event = await first_event(trigger)
    assert (event["state"], event["exit_code"], event["job_id"]) == ("ended", 5, job.job_id)
    assert event["log_offset"] == len("one\ntwo\nthree")
    assert shown == ["one", "two", "three"]


async def test_the_trigger_says_vanished_instead_of_waiting_for_ever(job: RemoteJob) -> None:
    status = job.submit("sleep 60")
    assert status.pid
    os.killpg(status.pid, signal.SIGKILL)
    assert (await first_event(trigger_for(job)))["state"] == "vanished"


async def test_the_trigger_says_absent(job: RemoteJob) -> None:
    assert (await first_event(trigger_for(job)))["state"] == "absent"


async def test_the_trigger_names_a_permanent_error(job: RemoteJob) -> None:
    event = await first_event(trigger_for(job, ssh_connection="nobody_knows"))
    assert event["state"] == "failed"
    assert "nobody_knows" in event["reason"]


async def test_the_trigger_waits_for_a_lost_host_and_goes_on(server: SshServer, job: RemoteJob) -> None:
    job.submit("sleep 0.5; exit 3")
    server.stop()
    waiting = asyncio.create_task(first_event(trigger_for(job, patience=20), 12))
    await asyncio.sleep(1)
    await asyncio.to_thread(server.start)
    event = await waiting
    assert (event["state"], event["exit_code"]) == ("ended", 3)


async def test_the_trigger_gives_up_a_lost_host_after_its_patience(server: SshServer, job: RemoteJob) -> None:
    server.stop()
    try:
        event = await first_event(trigger_for(job, patience=0.5))
    finally:
        await asyncio.to_thread(server.start)
    assert event["state"] == "unreachable"
    assert "cannot be reached" in event["reason"]


async def test_on_kill_ends_the_remote_job(job: RemoteJob) -> None:
    job.submit("sleep 60")
    await asyncio.wait_for(trigger_for(job).on_kill(), 5)
    assert job.status().state == "ended"


# -- transfer ------------------------------------------------------------------------------------------


@pytest.fixture
def other(tmp_path: Path, base_port: int) -> Iterator[SshServer]:
    server = SshServer(tmp_path / "other", base_port + OTHER)
    os.environ["AIRFLOW_CONN_HOST_TWO"] = server.connection()
    yield server
    os.environ.pop("AIRFLOW_CONN_HOST_TWO")
    server.close()


# -- start files of the login shell ------------------------------------------------------------------------

ORAENV = "The Oracle base remains unchanged with value /u01/app/oracle"


@pytest.fixture
def noisy(server: SshServer) -> Iterator[Path]:
    """Start file of bash, which is the login shell here."""
    server.shell = "/bin/bash"
    start_file = server.home / ".bashrc"
    start_file.write_text(f"echo '{ORAENV}'\necho 'stty: standard input: Inappropriate ioctl for device' >&2\n")
    yield start_file
    start_file.unlink()
    server.shell = "/bin/sh"


def test_lines_of_a_start_file_are_no_part_of_outputs_and_files(host: RemoteHost, noisy: Path) -> None:
    done = host.run(["/bin/sh", "-c", "echo one; echo two >&2"])
    assert (done.stdout, done.stderr) == ("one\n", "two\n")
    host.write_file("globals", "GGSCHEMA OLD\n")
    assert host.read_file("globals") == "GGSCHEMA OLD\n"
    assert host.read_bytes("globals", 9, 100) == b"OLD\n"
    assert host.file_sizes(".", ["globals", "none"]) == {"globals": 13}
    assert host.home() == str(noisy.parent)
    with pytest.raises(RemoteCommandError) as refused:
        host.run(["/bin/sh", "-c", "echo why >&2; exit 3"])
    assert ORAENV not in str(refused.value)
    assert "why" in str(refused.value)


@pytest.mark.parametrize("ending", ["", "printf 'no line break'\n"])
def test_a_log_over_a_noisy_shell_has_its_own_lines_and_an_end(
    host: RemoteHost, noisy: Path, job: RemoteJob, ending: str
) -> None:
    noisy.write_text(noisy.read_text() + ending)
    job.submit("echo one")
    status = until(job.status, "ended")
    assert (status.exit_code, status.log_size) == (0, 4)
    assert job.log(0) == ("one\n", 4)
    assert job.log(4) == ("", 4)


async def test_a_waiting_task_over_a_noisy_shell_shows_the_log_and_ends(
    noisy: Path, job: RemoteJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    job.submit("echo one; sleep 0.5; echo two")
    trigger = trigger_for(job)
    monkeypatch.setattr(trigger.log, "info", lambda text, *values: shown.append(text % values))
    event = await first_event(trigger, 20)
    assert (event["state"], event["exit_code"], event["log_offset"]) == ("ended", 0, 8)
    assert shown == ["one", "two"]


def test_a_start_file_that_reads_standard_input_is_named_and_nothing_is_written(host: RemoteHost, noisy: Path) -> None:
    noisy.write_text("read -r ORACLE_SID\n")
    with pytest.raises(UnexpectedReplyError, match="reads the standard input") as refused:
        host.write_file("swallowed", "first\nsecond\n")
    assert "oraenv" in refused.value.next_step
    assert not (noisy.parent / "swallowed").exists()


def test_a_login_shell_that_runs_no_command_is_named_with_what_it_printed(host: RemoteHost, noisy: Path) -> None:
    noisy.write_text("echo This account is currently not available.\nexit 1\n")
    with pytest.raises(UnexpectedReplyError, match="did not run pwd: This account is currently not available"):
        host.run(["pwd"], check=False)


def dump_set(folder: Path, sizes: dict[str, int]) -> dict[str, str]:
    folder.mkdir(parents=True, exist_ok=True)
    sums = {}
    for name, size in sizes.items():
        content = os.urandom(size)
        (folder / name).write_bytes(content)
        sums[name] = hashlib.sha256(content).hexdigest()
    return sums


def plan_for(source: Path, target: Path, sizes: dict[str, int], **values: object) -> transfer.TransferPlan:
    return transfer.TransferPlan.model_validate(
        {
            "source_folder": str(source),
            "target_folder": str(target),
            "files": list(sizes.items()),
            "target_address": "127.0.0.1",
            "target_port": 2222,
            **values,
        }
    )


def test_relay_copies_continues_and_repairs(host: RemoteHost, other: SshServer, tmp_path: Path) -> None:
    sizes = {"gim01.dmp": 300_000, "gim02.dmp": 200_001, "gim03.dmp": 70_000, "gim04.dmp": 0}
    source, target = tmp_path / "from here", other.home / "to there"
    sums = dump_set(source, sizes)
    target.mkdir()
    content = (source / "gim01.dmp").read_bytes()
    # a good beginning, a damaged one, and a file that is too long
    (target / "gim01.dmp").write_bytes(content[:100_000])
    whole = (source / "gim02.dmp").read_bytes()
    (target / "gim02.dmp").write_bytes(bytes([whole[0] ^ 0xFF]) + whole[1:150_000])
    (target / "gim03.dmp").write_bytes(os.urandom(90_000))
    seen: list[dict[str, int]] = []
    with RemoteHost("host_two") as second:
        made = transfer.relay(host, second, plan_for(source, target, sizes, streams=2), seen.append)
        assert transfer.checksums(second, str(target), list(sizes)) == sums
    assert "gim01.dmp" not in made, "it was continued"
    assert made["gim02.dmp"] == sums["gim02.dmp"]
    assert {look["gim01.dmp"] for look in seen if "gim01.dmp" in look} == {100_000, 300_000}
    assert seen[-1] == sizes


def test_relay_names_a_missing_file(host: RemoteHost, other: SshServer, tmp_path: Path) -> None:
    (other.home / "to").mkdir()
    tmp_path.joinpath("from").mkdir()
    with (
        RemoteHost("host_two") as second,
        pytest.raises(PermanentError, match=r"gim01\.dmp cannot be read: .*No such file"),
    ):
        transfer.relay(host, second, plan_for(tmp_path / "from", other.home / "to", {"gim01.dmp": 5}))


def test_relay_refuses_a_file_that_is_shorter_than_the_manifest(
    host: RemoteHost, other: SshServer, tmp_path: Path
) -> None:
    (other.home / "to").mkdir()
    dump_set(tmp_path / "from", {"gim01.dmp": 50_000})
    with RemoteHost("host_two") as second, pytest.raises(PermanentError, match="shorter than the 60000 bytes"):
        transfer.relay(host, second, plan_for(tmp_path / "from", other.home / "to", {"gim01.dmp": 60_000}))


def test_relay_over_a_lost_connection_is_a_transient_error_and_continues(
    host: RemoteHost, other: SshServer, tmp_path: Path
) -> None:
    sizes = {"gim01.dmp": 3_000_000}
    sums = dump_set(tmp_path / "from", sizes)
    target = other.home / "to"
    target.mkdir()
    plan = plan_for(tmp_path / "from", target, sizes, bandwidth=2000)
    with RemoteHost("host_two", connect_timeout=1) as second:
        arriving = target / "gim01.dmp"

        def cut() -> None:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and not (arriving.exists() and arriving.stat().st_size > 200_000):
                time.sleep(0.01)
            other.cut()

        cutter = threading.Thread(target=cut)
        cutter.start()
        with pytest.raises(UnreachableError):
            transfer.relay(host, second, plan)
        cutter.join()
        assert 0 < (target / "gim01.dmp").stat().st_size < 3_000_000
        transfer.relay(host, second, plan.model_copy(update={"bandwidth": None}))
        assert transfer.checksums(second, str(target), list(sizes)) == sums


def test_a_full_disk_at_the_target_is_final_and_named_with_the_free_space(
    host: RemoteHost, other: SshServer, tmp_path: Path
) -> None:
    dump_set(tmp_path / "from", {"gim01.dmp": 500_000})
    target = other.home / "to"
    target.mkdir()
    (target / "gim01.dmp").symlink_to("/dev/full")
    with RemoteHost("host_two") as second, pytest.raises(PermanentError, match=r"gim01\.dmp .*free") as refused:
        transfer.relay(host, second, plan_for(tmp_path / "from", target, {"gim01.dmp": 500_000}))
    assert "No space left on device" in refused.value.what
    assert "space" in refused.value.next_step


def test_a_write_that_is_dropped_without_an_answer_is_found_by_the_size(
    host: RemoteHost, other: SshServer, tmp_path: Path
) -> None:
    dump_set(tmp_path / "from", {"gim01.dmp": 500_000})
    target = other.home / "to"
    target.mkdir()
    program = other.home / "bin" / "cat"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nhead -c 100000\nexec /bin/cat >/dev/null\n")
    program.chmod(0o755)
    with RemoteHost("host_two") as second, pytest.raises(PermanentError, match="of 500000 bytes"):
        transfer.relay(host, second, plan_for(tmp_path / "from", target, {"gim01.dmp": 500_000}))


FAKE_RSYNC = """\
#!/bin/sh
# the last two words are the file and user@host:folder/
for word; do before=$file; file=$word; done
echo "$before" >> rsync.calls
case $before in *lost*) exit 30;; *denied*) exit 23;; *ssh*) exit 255;; esac
cp -p -- "$before" "${file#*:}"
"""


@pytest.mark.parametrize(
    ("names", "code", "kind"),
    [
        (["a.dmp", "b.dmp", "c.dmp"], 0, "done"),
        (["a.dmp", "lost.dmp", "c.dmp"], 30, "retryable"),
        (["ssh.dmp", "b.dmp", "c.dmp"], 255, "retryable"),
        (["lost.dmp", "denied.dmp", "ssh.dmp", "b.dmp"], 23, "final"),
    ],
)
def test_direct_tries_every_file_and_ends_with_the_code_that_decides(
    server: SshServer, job: RemoteJob, tmp_path: Path, names: list[str], code: int, kind: str
) -> None:
    program = tmp_path / "rsync"
    program.write_text(FAKE_RSYNC)
    program.chmod(0o755)
    source, target = tmp_path / "from here", tmp_path / "it's there".replace("'", "")
    target.mkdir()
    sums = dump_set(source, dict.fromkeys(names, 1000))
    plan = plan_for(source, target, dict.fromkeys(names, 1000), streams=2, rsync=str(program))
    script, stdin = transfer.direct_command(plan)
    job.submit(script, stdin=stdin)
    status = until(job.status, "ended")
    assert status.exit_code == code, job.log()[0]
    assert transfer.classify_exit(status.exit_code) == kind
    assert sorted((source / "rsync.calls").read_text().split()) == sorted(names)
    arrived = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in target.iterdir()}
    assert arrived == {name: sums[name] for name in names if name[0] in "abc"}


def test_checksums_refuse_a_missing_file(host: RemoteHost, server: SshServer) -> None:
    with pytest.raises(RemoteCommandError):
        transfer.checksums(host, str(server.home), ["not-here.dmp"])


def test_errors_survive_pickling(host: RemoteHost) -> None:
    with pytest.raises(RemoteCommandError) as caught:
        host.run(["sh", "-c", "echo why >&2; exit 2"])
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
