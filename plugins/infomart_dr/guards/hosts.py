"""Questions about a database host as a machine: its tools, and its way to the other site's host."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infomart_dr.errors import InfoMartError, PermanentError
from infomart_dr.topology import Host, Reach

if TYPE_CHECKING:
    from infomart_dr.hooks.remote_host import RemoteHost

#: Prints each tool that does not do what the jobs and copies need.
_TOOLS = """\
[ "$(printf abc | head -c 2 2>/dev/null)" = ab ] || echo "head -c"
[ "$(printf abc | tail -c +2 2>/dev/null)" = bc ] || echo "tail -c +2"
[ "$(printf 'a\\na\\n' | xargs -P 2 -n 1 echo 2>/dev/null | tr -d '\\n')" = aa ] || echo "xargs -P"
[ -n "$(ps -A -o pid= -o pgid= 2>/dev/null)" ] || echo "ps -A -o pgid="
df -Pk . >/dev/null 2>&1 || echo "df -Pk"
openssl dgst -sha256 -r /dev/null >/dev/null 2>&1 || command -v sha256sum >/dev/null || command -v shasum >/dev/null ||
  echo "openssl, sha256sum or shasum"
"""


def missing_tools(host: RemoteHost) -> list[str]:
    """Tools of the jobs and copies that a host lacks, or that do not know an option there."""
    return host.shell(_TOOLS).stdout.split("\n")[:-1]


def login_fault(source: RemoteHost, settings: Host, user: str, reach: Reach, rsync: str) -> InfoMartError | None:
    """The reason why rsync at the source's host does not reach rsync at the target's; None: it does.

    :param settings: the source's host.
    :param user: user of the target's host.
    """
    from infomart_dr.hooks.transfer import failure, login_command

    words = login_command(user, reach.address, reach.ssh_port, settings.transfer_key, settings.known_hosts)
    done = source.run([*words, rsync, "--version"], check=False)
    if done.exit_code != 0:
        return failure(done.exit_code, done.stdout + done.stderr)
    if not done.stdout.lstrip().startswith("rsync"):
        return PermanentError(
            f"The login shell of {user} there prints {done.stdout.strip().splitlines()[0][:100]!r}: rsync stops at it.",
            "Let its start files print for interactive logins only.",
        )
    return None
