"""What ssh and rsync print near the known cases: which of them a retry may help."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from infomart_dr.errors import PermanentError, RemoteCommandError, UnreachableError
from infomart_dr.hooks import transfer
from infomart_dr.hooks.transfer import failure

#: What rsync prints after an error of ssh, whatever it was.
END = """
rsync: connection unexpectedly closed (0 bytes received so far) [sender]
rsync error: error in rsync protocol data stream (code 12) at io.c(285) [sender=3.1.3]"""
REFUSED = [
    (12, "Host key verification failed."),
    (255, "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @"),
    (255, "No ED25519 host key is known for [db3]:2222 and you have requested strict checking."),
    (255, "No ECDSA host key is known for db3 and you have requested strict checking.\r"),
    (255, "Host key for db3 has changed and you have requested strict checking."),
    (255, "oracle@db3: Permission denied (publickey,gssapi-keyex,gssapi-with-mic)."),
    (255, "Permission denied (publickey)."),
    (255, "Permission denied, please try again."),
    (255, "Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures"),
    (255, "Disconnected from 10.0.0.1 port 22: Too many authentication failures"),
    (255, "Permissions 0644 for '/home/oracle/.ssh/id' are too open."),
    (255, 'Load key "/home/o/.ssh/id": bad permissions'),
    (255, 'Load key "/home/o/.ssh/id": invalid format'),
    (255, 'Load key "/home/o/.ssh/id": error in libcrypto'),
    (255, 'Load key "/home/o/.ssh/id": Permission denied'),
    (255, "Warning: Identity file /x not accessible: No such file or directory."),
    (255, "no such identity: /x/id: No such file or directory"),
    (255, "Bad owner or permissions on /home/oracle/.ssh/config"),
    (255, "Unable to negotiate with 10.1.1.1 port 22: no matching host key type found. Their offer: ssh-rsa"),
    (255, "no matching cipher found: client aes256-cbc server aes128-ctr"),
    (255, "Your account has expired; please contact your system administrator."),
    (255, "This account is currently not available."),
    (255, "WARNING: Your password has expired."),
    (255, "Password change required but no TTY available."),
    (255, "command-line: line 0: Bad configuration option: stricthostkeychekcing"),
    (255, "/home/o/.ssh/config: line 3: Bad configuration option: foo"),
    (12, "bash: rsync: command not found"),
    (12, "sh: rsync: not found"),
    (12, "ksh: rsync:  not found."),
    (12, "-bash: rsync: Kommando nicht gefunden."),
    (12, "bash: rsync: commande introuvable"),
    (12, "bash: rsync: 命令未找到"),
    (12, "sh: line 1: /opt/freeware/bin/rsync: No such file or directory"),
    (127, "rsync error: remote command not found (code 127) at io.c(228) [sender=3.1.3]"),
    (2, "protocol version mismatch -- is your shell clean?"),
    (12, "rsync: on remote machine: --protect-args: unknown option"),
    (12, "rsync: --protect-args: unrecognized option"),
    (1, "rsync: [sender] --times: unknown option"),
    (11, 'rsync: [receiver] write failed on "/dump/x.dmp": No space left on device (28)'),
    (12, 'rsync: write failed on "/dump/x": Auf dem Gerät ist kein Speicherplatz mehr verfügbar (28)'),
    (12, 'rsync: [receiver] write failed on "/dump/x": Espace insuffisant sur le périphérique (28)'),
    (11, 'rsync: [receiver] write failed on "/dump/x": Disk quota exceeded (122)'),
    (11, 'rsync: [receiver] write failed on "/dump/x": File too large (27)'),
    (12, 'rsync: [receiver] mkstemp "/dump/.x" failed: Permission denied (13)'),
    (12, 'rsync: [receiver] open "/dump/x" failed: Keine Berechtigung (13)'),
    (12, 'rsync: [Receiver] change_dir#3 "/dump" failed: No such file or directory (2)'),
    (12, 'rsync: [Receiver] change_dir#3 "/dump" failed: Datei oder Verzeichnis nicht gefunden (2)'),
    (23, 'rsync: [sender] link_stat "/x/gim.dmp" failed: No such file or directory (2)'),
    (23, 'rsync: [sender] send_files failed to open "/x/gim.dmp": Permission denied (13)'),
    (23, 'rsync: [generator] failed to set times on "/dump/x": Operation not permitted (1)'),
    (12, "rsync: [receiver] mkstemp failed: Read-only file system (30)"),
    (12, 'rsync: [receiver] write failed on "/dump/x": Stale file handle (116)'),
    (12, 'rsync: ERROR: cannot stat destination "/dump/": Permission denied (13)'),
    (3, "cd: can't cd to /u02/dump"),
    (255, "ssh: Could not resolve hostname db3: Name or service not known"),
    (255, "ssh: Could not resolve hostname db3: nodename nor servname provided, or not known"),
    (255, "ssh: Could not resolve hostname db3: No address associated with hostname"),
]
INTERRUPTED = [
    (255, "ssh: Could not resolve hostname db3: Temporary failure in name resolution"),
    (255, "ssh: connect to host db3 port 22: Connection refused"),
    (255, "ssh: connect to host db3 port 22: No route to host"),
    (255, "ssh: connect to host db3 port 22: Connection timed out"),
    (255, "ssh: connect to host db3 port 22: Network is unreachable"),
    (255, "kex_exchange_identification: Connection closed by remote host"),
    (255, "kex_exchange_identification: read: Connection reset by peer"),
    (255, "ssh_exchange_identification: Connection closed by remote host"),
    (255, "Connection closed by 10.0.0.1 port 22"),
    (255, "client_loop: send disconnect: Broken pipe"),
    (12, "Timeout, server db3 not responding."),
    (30, "rsync error: timeout in data send/receive (code 30) at io.c(195) [sender=3.1.3]"),
    (10, "rsync: [sender] read error: Connection reset by peer (104)"),
    (12, "rsync: [sender] write error: Broken pipe (32)"),
    (20, "rsync error: received SIGINT, SIGTERM, or SIGHUP (code 20) at rsync.c(644)"),
    (24, "rsync warning: some files vanished before they could be transferred (code 24) at main.c(1207)"),
    (22, "rsync error: error allocating core memory buffers (code 22) at util2.c(74) [sender=3.1.3]"),
    (14, "rsync: fork failed in do_recv: Resource temporarily unavailable (11)"),
    (14, "rsync error: error in IPC code (code 14) at pipe.c(84) [sender=3.1.3]"),
    (
        255,
        '"System is booting up. Unprivileged users are not permitted to log in yet. See pam_nologin(8)."',
    ),
    (255, "ssh: connect to host db3 port 22: Cannot assign requested address"),
    (255, "exec request failed on channel 0"),
    (137, "Killed"),
    (12, "bash: fork: retry: Resource temporarily unavailable"),
    (12, "Connection to db3 closed by remote host."),
    (255, "packet_write_wait: Connection to 10.0.0.1 port 22: Broken pipe"),
    (255, "Bad packet length 1231906893."),
    (255, "ssh_dispatch_run_fatal: Connection to 10.0.0.1 port 22: message authentication code incorrect"),
    (12, "Welcome to db3. No space is wasted here (28)"),
    (12, "Permission to use this system is restricted. Access denied to others. Unauthorized use is prohibited (1)"),
]


def whole(code: int, line: str) -> str:
    return f"gim01.dmp: there\n{line}{END if code in (12, 255) else ''}\ngim02.dmp: rsync ended with exit code {code}\n"


@pytest.mark.parametrize(("code", "line"), REFUSED)
def test_what_no_retry_changes_stops_the_transfer(code: int, line: str) -> None:
    error = failure(code, whole(code, line))
    assert not error.retryable and line.strip()[:60] in error.what
    assert "clear this task: the copy continues where it stopped" in error.next_step


@pytest.mark.parametrize(("code", "line"), INTERRUPTED)
def test_what_may_pass_is_retried(code: int, line: str) -> None:
    error = failure(code, whole(code, line))
    assert error.retryable and line.strip()[:60] in error.what


# -- the relay -----------------------------------------------------------------------------------------


def writing(error: Exception) -> None:
    """The target's half of the relay ends with an error."""

    @contextlib.contextmanager
    def streaming(*_: str) -> Iterator[Any]:
        raise error
        yield

    target: Any = SimpleNamespace(label="db3", streaming=streaming, free_space=lambda folder: 1024)
    with transfer._writing(target, "/dump/gim01.dmp", 0, "/dump"):
        pass


@pytest.mark.parametrize(
    "text",
    [
        "cat: write error: No space left on device",
        "cat: Schreibfehler: Auf dem Gerät ist kein Speicherplatz mehr verfügbar",
        "cat: erreur d'écriture: Aucun espace disponible sur le périphérique",
        "cat: 書き込みエラー: デバイスに空き領域がありません",
        "cat: write error: Disk quota exceeded",
        "cat: 0653-003 Cannot write to the standard output: There is not enough space in the file system.",
        "cat: output error (0/1024 characters written)",
        "sh: 1: cannot create /dump/gim01.dmp: Permission denied",
        "sh: /dump/gim01.dmp: Read-only file system",
        "sh: /dump/gim01.dmp: cannot create",
        "cat: write error: File too large",
        "",
    ],
)
def test_a_target_that_cannot_write_is_final_in_any_language_and_names_the_free_space(text: str) -> None:
    with pytest.raises(PermanentError, match=r"free space in /dump: 1\.0 kB") as raised:
        writing(RemoteCommandError(f"db3: cat ended with exit code 1: {text}", exit_code=1, output=text))
    assert text in raised.value.what


def test_a_lost_connection_of_the_relay_is_retried() -> None:
    with pytest.raises(UnreachableError):
        writing(UnreachableError("db3: the connection was lost."))
