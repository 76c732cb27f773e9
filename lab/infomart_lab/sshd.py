"""A real sshd for hosts of the lab: which programs it needs, its accounts, its configuration.

nss_wrapper gives each sshd a passwd file of its own, so that no account of the machine is needed or changed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

_LIBRARIES = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib")
_SFTP_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server")


def program(name: str) -> str | None:
    """Path of a program; sshd is not in the PATH of every user."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:/usr/local/sbin")


def _wrapper() -> Path | None:
    found = (Path(folder) / "libnss_wrapper.so" for folder in _LIBRARIES)
    return next((library for library in found if library.exists()), None)


def missing(*programs: str) -> list[str]:
    """The Debian packages, or programs, that a real sshd needs and that are not installed."""
    found = [] if program("sshd") else ["openssh-server"]
    found += [name for name in programs if program(name) is None]
    return found if _wrapper() else [*found, "libnss-wrapper"]


def environment(folder: Path) -> dict[str, str]:
    """Environment of sshd itself; its sessions have none of it."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LD_PRELOAD": str(_wrapper()),
        "NSS_WRAPPER_PASSWD": str(folder / "passwd"),
        "NSS_WRAPPER_GROUP": str(folder / "group"),
    }


def write(
    folder: Path,
    *,
    user: str,
    home: Path,
    shell: str,
    host_key: Path,
    authorized_keys: Path,
    variables: Mapping[str, str],
    options: Sequence[str] = (),
) -> Path:
    """Write accounts and configuration of one host.

    :param folder: of these files.
    :param user: the only user, with the id of this process.
    :param variables: environment of a session.
    :param options: lines of sshd_config that come first, so they win.
    :return: the configuration.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        # sshd's own folder, which a service would make
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    (folder / "passwd").write_text(
        f"{user}:x:{os.getuid()}:{os.getgid()}:lab:{home}:{shell}\n"
        "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n"
    )
    (folder / "group").write_text(f"{user}:x:{os.getgid()}:\nnogroup:x:65534:\n")
    subsystem = next((path for path in _SFTP_SERVERS if Path(path).exists()), "internal-sftp")
    lines = [
        *options,
        f"HostKey {host_key}",
        f"AuthorizedKeysFile {authorized_keys}",
        f"PidFile {folder / 'sshd.pid'}",
        "SetEnv " + " ".join(f'"{name}={value}"' for name, value in variables.items()),
        "UsePAM no",
        "StrictModes no",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
    ]
    if not any(line.startswith("Subsystem") for line in options):
        lines.append(f"Subsystem sftp {subsystem}")
    path = folder / "sshd_config"
    path.write_text("\n".join(lines) + "\n")
    return path
