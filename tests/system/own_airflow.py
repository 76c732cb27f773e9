"""A real Airflow of the tests beside a lab, with a metadata database of its own; it can be lost at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx

from infomart_lab import airflow_part, procs, topology
from infomart_lab.airflow_api import Airflow
from infomart_lab.config import HOME_VARIABLE, LabConfig

PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")


class OwnAirflow(Airflow):
    """Airflow's processes, and a client of them.

    :param folder: AIRFLOW_HOME, with the metadata database.
    :param port: of the API server; the next two are taken too.
    :param dags: its DAG files; None: the project's.
    """

    def __init__(self, config: LabConfig, folder: Path, port: int, dags: Path | None = None) -> None:
        super().__init__(config, port)
        self._folder, self._processes = folder, {}
        self._settings = os.environ | airflow_part.environment(config, port, folder) | {HOME_VARIABLE: str(config.home)}
        if dags is not None:
            self._settings["AIRFLOW__CORE__DAGS_FOLDER"] = str(dags)
        # The tests' own settings would override the lab's.
        self._settings.pop("AIRFLOW__CORE__UNIT_TEST_MODE", None)
        self._settings.pop("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", None)

    def __enter__(self) -> Self:
        topology.write(self.config)
        airflow_part.credentials(self.config)
        self._folder.mkdir(parents=True, exist_ok=True)
        prepare = [sys.executable, "-m", "infomart_lab.airflow_prepare"]
        subprocess.run(prepare, env=self._settings, cwd=airflow_part.ROOT, check=True, timeout=180, capture_output=True)
        for name in PARTS:
            with (self._folder / f"{name}.log").open("ab") as log:
                self._processes[name] = subprocess.Popen(
                    [sys.executable, "-m", "airflow", name],
                    env=self._settings,
                    cwd=airflow_part.ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        deadline = time.monotonic() + 240
        while True:
            try:
                return self.login()
            except httpx.HTTPError:
                assert time.monotonic() < deadline, (self._folder / "api-server.log").read_text()[-3000:]
                time.sleep(1)

    def __exit__(self, *arguments: object) -> None:
        self.lose()
        super().__exit__(*arguments)

    def lose(self) -> None:
        """Kill every process of it at the same moment, as a lost machine does."""
        pids = procs.with_descendants(process.pid for process in self._processes.values())
        procs.send(pids, signal.SIGKILL)
        for process in self._processes.values():
            process.wait(30)
        self._processes.clear()
