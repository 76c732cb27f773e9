"""The output of a remote job, without the libraries of SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infomart_dr.hooks.remote_job import RemoteJob


def whole_log(job: RemoteJob) -> str:
    """The output of a job from its beginning."""
    text, offset = "", 0
    while True:
        piece, following = job.log(offset)
        if following == offset:
            return text
        text, offset = text + piece, following
