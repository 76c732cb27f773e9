"""Hosts with a real OpenSSH server: login shells, start files, forced commands, jobs where /proc and ps differ."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.integration.sshd import Sshd, absent

from infomart_dr.errors import (
    CredentialsError,
    OvertakenError,
    RemoteCommandError,
    UnexpectedReplyError,
    UnreachableError,
)
from infomart_dr.guards.hosts import missing_tools
from infomart_dr.hooks import remote_job, transfer
from infomart_dr.hooks.fence import Fence
from infomart_dr.hooks.purge_jobs import CronPurge
from infomart_dr.hooks.remote_host import RemoteHost
from infomart_dr.hooks.remote_job import JobStatus, RemoteJob
from infomart_dr.topology import CronJob

pytestmark = [pytest.mark.lab, pytest.mark.skipif(bool(absent()), reason=absent())]

ORAENV = "The Oracle base remains unchanged with value /u01/app/oracle"
SHELLS = ("bash", "dash", "ksh93", "mksh", "tcsh", "bsd-csh")
#: Start files that a shell reads for each command of an SSH server.
START_FILES = {"bash": ".bashrc", "tcsh": ".cshrc", "bsd-csh": ".cshrc"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, base_port: int) -> Iterator[Sshd]:
    server = Sshd(tmp_path_factory.mktemp("db1"), base_port)
    os.environ["AIRFLOW_CONN_REAL_HOST"] = server.connection()
    yield server
    os.environ.pop("AIRFLOW_CONN_REAL_HOST")
    server.stop()


@pytest.fixture(autouse=True)
def as_new(server: Sshd) -> Iterator[None]:
    """Each test leaves bash, without start files."""
    plain, path = server.shell, server.path
    yield
    for name in (".bashrc", ".cshrc"):
        (server.home / name).unlink(missing_ok=True)
    if server.options or server.shell != plain or server.path != path:
        server.configure(shell=plain, path=path)


@pytest.fixture
def host(server: Sshd) -> Iterator[RemoteHost]:
    with RemoteHost("real_host", connect_timeout=10, command_timeout=30) as host:
        yield host


def until(look: Callable[[], JobStatus], *states: str, seconds: float = 30) -> JobStatus:
    deadline = time.monotonic() + seconds
    while (status := look()).state not in states:
        assert time.monotonic() < deadline, status
        time.sleep(0.05)
    return status


# -- login shells and their start files ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "noisy"),
    [
        *(pytest.param(shell, False, id=f"{shell}-quiet") for shell in SHELLS),
        # The others read no start file for a command.
        *(pytest.param(shell, True, id=f"{shell}-noisy") for shell in START_FILES),
    ],
)
def test_every_login_shell_runs_commands_files_and_jobs(
    server: Sshd, host: RemoteHost, job: RemoteJob, shell: str, noisy: bool
) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"not installed: {shell}")
    server.configure(shell=found)
    if noisy:
        server.start_file({START_FILES[shell]: f"echo '{ORAENV}'\n"})
    words = ["a b", "it's", "$HOME", "`id`", "*", "new\nline", "", "bang!", "!!", "50%d", "back\\slash\\n", "É~ü"]
    assert host.run(["printf", "<%s>", *words]).stdout == "".join(f"<{word}>" for word in words)
    done = host.run(["sh", "-c", 'pwd; echo "$NAME"; cat'], cwd="/usr", environment={"NAME": "o'h!"}, stdin="in\n!\n")
    assert done.stdout.splitlines() == ["/usr", "o'h!", "in", "!"]
    assert [host.run(["sh", "-c", f"exit {code}"], check=False).exit_code for code in (0, 1, 255)] == [0, 1, 255]
    assert host.home() == str(server.home)
    host.write_file("dump/gim 01!", "É\n!\n")
    assert host.read_file("dump/gim 01!") == "É\n!\n"
    host.write_file("dump/gim02.dmp", b"x" * 1234)
    assert host.file_sizes("dump", ["gim02.dmp", "none.dmp"]) == {"gim02.dmp": 1234}
    assert (host.exists("dump"), host.exists("nowhere")) == (True, False)
    assert host.free_space("dump") > 0
    assert host.boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert len(transfer.checksums(host, str(server.home / "dump"), ["gim02.dmp"])) == 1
    job.submit('read -r word; echo "$word"; echo "$INFOMART_JOB"; exec sleep 60', stdin="secret!\n")
    assert job.status().state == "running"
    assert job.log() == (f"secret!\n{server.home / job.folder}\n", len(f"secret!\n{server.home / job.folder}\n"))
    assert job.log(1000) == ("", 1000)
    assert job.submit("exit 9").state == "running", "it attached"
    assert (job.kill(grace=2).exit_code, job.status().state) == (143, "ended")
    job.forget()
    assert not [file for file in server.home.iterdir() if file.name in "12"], "csh made a file of a redirection"


@pytest.mark.parametrize("shell", SHELLS)
def test_every_login_shell_refuses_an_overtaken_try_and_runs_the_newest(server: Sshd, shell: str) -> None:
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"not installed: {shell}")
    server.configure(shell=found)
    rights = [Fence("emea", epoch, "cutover.stop_server", attempt) for epoch, attempt in ((7, 1), (7, 2), (8, 1))]
    right = rights[0]
    with RemoteHost("real_host", work_folder=f"work of {shell}", fence=lambda: right) as host:
        for right in rights:
            assert host.run(["sh", "-c", 'cat; echo "!"'], stdin=f"{right.epoch}\n").stdout == f"{right.epoch}\n!\n"
        for right in rights[:2]:
            with pytest.raises(OvertakenError, match=f"seen epoch 8, and this run has epoch {right.epoch}"):
                host.write_file("owned", "x")
            with pytest.raises(OvertakenError), host.streaming("cat > owned"):
                pass
        right = rights[2]
        assert host.run(["ls", "-A"]).stdout.count("owned") == 0


def test_the_right_is_proven_once_a_connection_is_open_and_again_after_it_was_lost(server: Sshd) -> None:
    proofs: list[str] = []
    newer: list[OvertakenError] = []

    def prove() -> None:
        proofs.append("asked")
        if newer:
            raise newer[0]

    fence = Fence("emea", 7, "cutover.stop_server", 1)
    with RemoteHost("real_host", work_folder="work", fence=lambda: fence, prove=prove) as host:
        for _ in range(3):
            host.run(["true"])
        assert len(proofs) == 1
        host.close()
        newer.append(OvertakenError("a newer run", "See that run."))
        with pytest.raises(OvertakenError, match="a newer run"):
            host.write_file("owned", "x")
        newer.clear()
        assert not host.exists("owned")
        assert len(proofs) == 3


#: What a server does instead of the command, by name: options of sshd, login shell, start file.
REFUSALS = {
    "forced command that prints": ("ForceCommand echo maintenance", None, None),
    "forced command that is content": ("ForceCommand /bin/true", None, None),
    "sftp only": ("ForceCommand internal-sftp", None, None),
    "nologin": (None, "/usr/sbin/nologin", None),
    "start file that ends the shell": (None, None, "exit 0\n"),
    "start file that fails": (None, None, "echo no ORACLE_SID >&2; exit 1\n"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_command_that_was_not_run_is_no_answer(server: Sshd, host: RemoteHost, name: str) -> None:
    option, shell, start_file = REFUSALS[name]
    server.configure(*([option] if option else []), shell=shell)
    if start_file:
        server.start_file({".bashrc": start_file})
    with pytest.raises(UnexpectedReplyError, match="login shell"):
        host.exists("/no/such")
    with pytest.raises(UnexpectedReplyError, match="login shell"):
        host.write_file("a/file", "text")
    with pytest.raises(UnexpectedReplyError, match="login shell"):
        RemoteJob(host, "job").status()
    with pytest.raises(UnexpectedReplyError, match="login shell"), host.streaming("cat") as stream:
        stream.finish()
    assert not (server.home / "a").exists()


def test_a_host_that_lets_nobody_in_at_its_boot_is_tried_again(server: Sshd, host: RemoteHost) -> None:
    server.configure("ForceCommand echo System is booting up.; exit 254")
    with pytest.raises(UnreachableError, match="lets nobody in now: System is booting up"):
        host.run(["true"])


def test_tools_that_a_host_lacks_are_named(server: Sshd, host: RemoteHost, tmp_path: Path) -> None:
    assert missing_tools(host) == []
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "bash", "tail", "tr", "df", "ps", "openssl"):
        if found := shutil.which(name):
            (programs / name).symlink_to(found)
    # as on a system whose xargs and head have fewer options
    for name in ("head", "xargs"):
        (programs / name).write_text("#!/bin/sh\necho unknown option >&2\nexit 1\n")
        (programs / name).chmod(0o755)
    server.configure(path=str(programs))
    host.close()
    assert missing_tools(host) == ["head -c", "xargs -P"]


def test_one_session_at_a_time_is_enough(server: Sshd, host: RemoteHost, job: RemoteJob) -> None:
    server.configure("MaxSessions 1")
    host.write_file("one", "1")
    assert host.read_file("one") == "1"
    assert job.submit("exit 3").state in ("running", "ended")
    assert until(job.status, "ended").exit_code == 3


def test_a_job_outlives_a_server_that_starts_again(server: Sshd, host: RemoteHost, job: RemoteJob) -> None:
    job.submit("sleep 2; echo done; exit 5")
    server.configure()
    host.close()
    assert until(job.status, "ended").exit_code == 5
    assert job.log()[0] == "done\n"


def test_a_login_that_the_host_ends_is_named_and_tried_again(server: Sshd, tmp_path: Path) -> None:
    server.configure("MaxAuthTries 1")
    before = server.authorized.read_text()
    server.authorized.write_text("")
    try:
        with RemoteHost("real_host") as host, pytest.raises(UnreachableError) as caught:
            host.run(["true"])
    finally:
        server.authorized.write_text(before)
    assert "ended the connection during the login of oracle" in caught.value.what
    assert "expired" in caught.value.next_step


def test_a_key_file_that_is_missing_at_airflow_is_final(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = str(tmp_path / "id_none")
    monkeypatch.setenv("AIRFLOW_CONN_NO_KEY", server.connection(private_key=None, key_file=missing))
    with pytest.raises(CredentialsError, match=rf"cannot read its key_file {missing}"):
        RemoteHost("no_key").run(["true"])


# -- systems without Linux' /proc and ps ---------------------------------------------------------------

#: Option names of ps that Solaris' does not know.
SOLARIS_PS = """\
#!/bin/sh
for word; do case $word in lstart*|stat*) echo "ps: unknown output format: -o $word" >&2; exit 1;; esac; done
exec /bin/ps "$@"
"""


@pytest.fixture
def other_system(server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No /proc for the scripts, and a ps of its own; no setsid either."""
    monkeypatch.setattr(remote_job, "_COMMON", remote_job._COMMON.replace("/proc/", "/no/proc/"))
    wrapper = remote_job._WRAPPER.replace("/proc/", "/no/proc/")
    monkeypatch.setattr(remote_job, "_WRAPPER", wrapper)
    monkeypatch.setattr(remote_job, "_LAUNCH", remote_job._LAUNCH.replace("command -v setsid", "command -v no-setsid"))
    program = tmp_path / "bin" / "ps"
    program.parent.mkdir()
    program.write_text(SOLARIS_PS)
    program.chmod(0o755)
    server.configure(path=f"{program.parent}:{server.path}")
    return program


def running(*patterns: str) -> list[int]:
    """Processes of this machine whose command line holds one of the patterns; zombies are none."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if any(re.search(pattern, line) for pattern in patterns):
            found.append(int(folder.name))
    return found


def test_a_job_on_a_system_with_another_ps_runs_once_and_ends(other_system: Path, job: RemoteJob) -> None:
    # a child that refuses to end, and one whose parent ends before it; the seconds are those of this test alone
    own = f"sleep {os.getpid()}00"
    status = job.submit(f"(trap '' TERM; {own}1; {own}2) & ({own}3 & exec {own}4) & {own}5")
    assert status.state == "running"
    assert len(running(own)) >= 4
    assert job.submit("exit 0").pid == status.pid, "it attached"
    assert job.kill(grace=1).state == "ended"
    assert running(own, f"wrapper.*{job.job_id}") == []


def test_a_job_whose_wrapper_was_killed_is_vanished_there_too(other_system: Path, job: RemoteJob) -> None:
    status = job.submit("exec sleep 300")
    assert status.pid
    os.killpg(os.getpgid(status.pid), signal.SIGKILL)
    assert until(job.status, "vanished").exit_code is None


def test_a_process_that_ps_cannot_show_is_never_dead(other_system: Path, job: RemoteJob) -> None:
    job.submit("sleep 3; exit 4")
    other_system.write_text("#!/bin/sh\necho 'ps: bad option' >&2\nexit 2\n")
    assert job.status().state == "running"
    assert until(job.status, "ended").exit_code == 4


def test_no_job_starts_where_ps_shows_nothing(other_system: Path, job: RemoteJob, host: RemoteHost) -> None:
    other_system.write_text("#!/bin/sh\nexit 2\n")
    with pytest.raises(RemoteCommandError, match="neither /proc nor ps"):
        job.submit("echo started > started")
    assert not host.exists("started")


def test_a_work_folder_that_is_away_is_not_an_absent_job(server: Sshd) -> None:
    (server.home / "mount").symlink_to(server.folder / "away")
    with RemoteHost("real_host", work_folder="mount/dr") as host:
        job = RemoteJob(host, "run-1")
        with pytest.raises(UnreachableError, match=r"mount/dr/jobs/run-1 cannot be entered"):
            job.submit("exit 0")
        (server.folder / "away").mkdir()
        assert job.status().state == "absent"
        job.submit("exit 0")
        assert until(job.status, "ended").exit_code == 0
        (server.folder / "away").rename(server.folder / "gone")
        with pytest.raises(UnreachableError):
            job.submit("exit 0")
    (server.home / "mount").unlink()


# -- crontab -------------------------------------------------------------------------------------------

CRONTAB = """\
#!/bin/sh
case $1 in -l) cat "$HOME/crontab";; *) cat "$1" > "$HOME/crontab";; esac
"""


def test_a_crontab_over_a_noisy_shell_has_its_own_lines_only(server: Sshd, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "crontab"
    program.parent.mkdir()
    program.write_text(CRONTAB)
    program.chmod(0o755)
    server.configure(path=f"{program.parent}:{server.path}")
    server.start_file({".bashrc": "echo ORACLE_SID=orcl\n"})
    line = "0 3 * * * /opt/purge.sh idb1"
    before = f"MAILTO=dba\n{line}\n# the end"
    (server.home / "crontab").write_text(before)
    settings = CronJob(mechanism="cron", host="db1", line=line, process_pattern="/opt/purge.sh idb1 of this test")
    with RemoteHost("real_host", work_folder="work here".replace(" ", "-")) as host:
        purge = CronPurge(settings, host)
        purge.hold()
        held = (server.home / "crontab").read_text()
        assert "ORACLE_SID" not in held
        assert f"purge hold: {line}\n" in held
        purge.release()
    assert (server.home / "crontab").read_text() == before
    assert not (server.home / ".infomart_dr" / "crontab.new").exists(), "files go to the work folder"
