"""Killing the processes of a run in a real Airflow, each in a given state of its step."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from infomart_lab import procs, supervisor
from infomart_lab.airflow_api import Airflow
from infomart_lab.config import LabConfig
from infomart_lab.demo import DAG, Run
from infomart_lab.postgres import connect


class Killed(Run):
    """A run in which each process is killed once.

    :param killings: by step, what is tried while the step runs or waits, until it returns true.
    """

    def __init__(
        self, airflow: Airflow, run_id: str, killings: dict[str, Callable[[], bool]], dag_id: str = DAG
    ) -> None:
        super().__init__(airflow, run_id, dag_id)
        self.killings = killings
        self.done: list[str] = []

    def look(self) -> None:
        super().look()
        for task in self.tasks:
            name = task["task_id"].rpartition(".")[2]
            waiting = name in self.killings and name not in self.done and task["state"] in ("running", "deferred")
            if waiting and self.killings[name]():
                self.done.append(name)

    def went_on(self, name: str) -> bool:
        """The second try of a step attached to the job of the first one, or found its end; false: there was one try."""
        task = self.task(name)
        assert task is not None
        if task["try_number"] < 2:
            return False
        log = self.airflow.log(self.dag_id, self.run_id, task["task_id"], 2)
        assert "start job" not in log
        assert any(words in log for words in ("attach to job", "has ended since", "the goal is reached")), log
        return True


def kill_processes(config: LabConfig, host: str, *words: str) -> bool:
    """SIGKILL of a host's processes whose command line has one of the words; True when there was one."""
    found = False
    for pid in procs.lab_processes(config.home):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"INFOMART_LAB_HOST={host}\0".encode() in environment and any(word in line for word in words):
            try:
                os.kill(pid, signal.SIGKILL)
                found = True
            except ProcessLookupError:
                continue
    return found


def replace_triggerer(config: LabConfig) -> bool:
    """SIGKILL of the triggerer, which runs the deferred task, and a new one."""
    supervisor.request(config, "kill", part="airflow-triggerer")
    supervisor.request(config, "start", part="airflow-triggerer")
    return True


def worker_runs(config: LabConfig, site: str) -> bool:
    """A Data Pump job works."""
    with connect(config, site, "gim") as conn:
        row = conn.execute("select count(*) from sys.lab_datapump_jobs where state = 'EXECUTING'").fetchone()
    return bool(row and row[0])


def jobs_started(config: LabConfig, site: str, prefix: str) -> int:
    """How many Data Pump jobs of a name have ever been started at a site, by their logs, also those put aside."""
    return len(list(config.dump_dir(site).glob(f"{prefix}_*.log*")))
