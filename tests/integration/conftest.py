"""What tests of remote hosts share, over the lab's own SSH server and over a real one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from infomart_dr.hooks.remote_host import RemoteHost
from infomart_dr.hooks.remote_job import RemoteJob

_numbers = itertools.count()


@pytest.fixture
def job(host: RemoteHost) -> Iterator[RemoteJob]:
    """A job with an id of its own, which ends with the test."""
    job = RemoteJob(host, f"run-{next(_numbers)}.step")
    yield job
    # A test may have broken the connection, or ended before the job had a folder.
    host.close()
    if (Path(host.home()) / job.folder).is_dir():
        job.kill("KILL", grace=0)
