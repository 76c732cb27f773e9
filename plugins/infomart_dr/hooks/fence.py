"""The right of one try of a task to change something, checked on the host in the command that makes the change.

A try is overtaken when it was paused and Airflow has tried its task again, when the run's back-out has begun, or when
another run has taken the deployment. Its process knows nothing of that. So each host keeps the newest epoch and try
that it has seen, and refuses a command with an older one.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass

from infomart_dr.errors import OvertakenError

#: Follows the mark of a command that was refused, and then come the epoch and the try that the host has seen.
REFUSED = "-overtaken"

# The files are written beside and renamed, so that none is ever half. A host whose disk is full still checks.
_CHECK = r"""infomart_fence() {
e=0; t=0; case $2$4 in *[!0-9]*) return 1;; esac
[ ! -e "$1/epoch" ] || IFS= read -r e < "$1/epoch"
case $e in ''|*[!0-9]*) return 1;; esac
[ "$e" -le "$2" ] || return 1
if [ "$e" -lt "$2" ]; then rm -f "$1"/try-*; mkdir -p "$1" && echo "$2" > "$1/new.$$" && mv -f "$1/new.$$" "$1/epoch"
elif [ -e "$1/try-$3" ]; then IFS= read -r t < "$1/try-$3"; fi
case $t in ''|*[!0-9]*) return 1;; esac
[ "$t" -le "$4" ] || return 1
[ "$4" -le 1 ] || [ "$t" -eq "$4" ] || { echo "$4" > "$1/new.$$" && mv -f "$1/new.$$" "$1/try-$3"; }
return 0
}
"""


@dataclass(frozen=True)
class Fence:
    """The right of one try.

    :param deployment: name of the deployment.
    :param epoch: number of the run's turn; each run that takes the deployment gets a higher one.
    :param task: id of the task, with the index of a mapped one.
    :param attempt: Airflow's number of the try; it grows with each retry and each clear.
    """

    deployment: str
    epoch: int
    task: str
    attempt: int

    @property
    def key(self) -> str:
        """Twelve characters for the task, as part of a file's name and of a fact's."""
        return hashlib.sha1(self.task.encode(), usedforsecurity=False).hexdigest()[:12]

    def check(self, work_folder: str, mark: str) -> str:
        """Shell text that ends the shell, with a line on standard output, when the host has seen a newer right.

        :param work_folder: relative to the user's home.
        :param mark: begins the line.
        """
        folder = shlex.quote(f"{work_folder}/fence/{self.deployment}")
        call = f"infomart_fence {folder} {self.epoch} {self.key} {self.attempt} 2>/dev/null"
        return f'{_CHECK}{call} || {{ echo "{mark}{REFUSED} $e $t"; exit 1; }}'

    def refusal(self, host: str, folder: str, answer: str) -> OvertakenError:
        """The error for a command that was refused.

        :param folder: folder of the fence on the host.
        :param answer: the rest of the line, after the mark and :data:`REFUSED`.
        """
        words = answer.split()
        if len(words) != 2 or not all(word.isdecimal() for word in words):
            return OvertakenError(
                f"{host}: a file in {folder} holds {answer.strip()[:80]!r} instead of a number; nothing was run.",
                "Make sure that no other run of this deployment is under way. Remove that folder there, then clear the "
                "failed task.",
            )
        epoch, attempt = map(int, words)
        return overtaken(f"{host} has seen", self, epoch, attempt)


def overtaken(who: str, fence: Fence, epoch: int, attempt: int, run: str = "") -> OvertakenError:
    """The error of a try that is not the newest any more.

    :param who: a subject with its verb, such as ``host has seen``.
    :param run: DAG and run of the newer epoch.
    """
    newer = (
        f"epoch {epoch}{f' of {run}' if run else ''}, and this run has epoch {fence.epoch}"
        if epoch != fence.epoch
        else f"try {attempt} of this task, and this is try {fence.attempt}"
    )
    return OvertakenError(
        f"{who} {newer}: this try is overtaken and may change nothing.",
        "Leave it: a newer try or run is responsible. See that one.",
        epoch=epoch,
    )
