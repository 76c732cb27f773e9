"""The server process of a job: ``python -m infomart_lab.datapump.server site database owner job``.

The process forks once: the parent waits, and records the job as NOT RUNNING when the child is killed.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback

import psycopg

from infomart_lab import config as lab_config
from infomart_lab import life
from infomart_lab.config import LabConfig
from infomart_lab.datapump import export_job, import_job
from infomart_lab.datapump.jobs import Job
from infomart_lab.datapump.worker import Worker


def run(config: LabConfig, site: str, database: str, owner: str, name: str) -> int:
    """Run a job in this process.

    :returns: the exit code that its client ends with.
    """
    job = Job(config, site, database, owner, name)
    with job.connect() as connection:
        definition = job.load(connection)
    worker = Worker(config, site, definition)
    with worker.control:
        return worker.run(export_job.act if definition.parameters.operation == "EXPORT" else import_job.act)


def _watch(config: LabConfig, job: Job, child: int) -> int:
    life.follow_supervisor(config)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code:
        with contextlib.suppress(psycopg.Error), job.connect() as connection:
            job.update(connection, state="NOT RUNNING", attached_sessions=0, datapump_sessions=0)
    return 0


def main(arguments: list[str]) -> int:
    config = lab_config.load()
    site, database, owner, name = arguments
    job = Job(config, site, database, owner, name)
    if child := os.fork():
        return _watch(config, job, child)
    life.follow_supervisor(config)
    try:
        run(config, site, database, owner, name)
    except BaseException as error:
        traceback.print_exc()
        with contextlib.suppress(Exception), job.connect() as connection:
            first = str(error).strip().partition("\n")[0]
            with job.load(connection).messages.open("a") as file:
                file.write(" ORA-39014: One or more workers have prematurely exited.\n")
                file.write(f" ORA-00604: error occurred at recursive SQL level 1 ({type(error).__name__}: {first})\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
