"""What one look at a deployment costs: seconds, processor time, and how often hosts and databases are asked.

A lab is started and replication is set up in it; then 1, 10 and 100 topology files that all point to it are looked at
by the DAG's own task, a few at a time. Run with ``.venv/bin/python bench/watch_cost.py``; it takes some minutes and
writes ``build/bench/watch_cost.json``.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "lab")]

import tests.conftest  # noqa: E402, F401  Airflow's settings, before Airflow is imported
import yaml  # noqa: E402
from airflow.dag_processing.dagbag import DagBag  # noqa: E402
from airflow.sdk.execution_time.context import OutletEventAccessors  # noqa: E402
from tests.system.conftest import running  # noqa: E402
from tests.system.driver import Procedure, connections  # noqa: E402

from infomart_dr.hooks.oracle import InfoMartOracleHook, Session  # noqa: E402
from infomart_dr.hooks.remote_host import RemoteHost  # noqa: E402
from infomart_lab import config as lab_config  # noqa: E402

#: What is counted, and where it happens.
COUNTED: dict[str, tuple[type, str]] = {
    "ssh_connections": (RemoteHost, "_connect"),
    "ssh_commands": (RemoteHost, "_run_bytes"),
    "oracle_connections": (InfoMartOracleHook, "get_conn"),
    "oracle_statements": (Session, "_cursor"),
}


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count calls of the hooks' own functions."""
    counts: Counter[str] = Counter()
    guard = threading.Lock()

    def counted(name: str, function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            with guard:
                counts[name] += 1
            return function(*arguments, **named)

        return call

    with ExitStack() as stack:
        for name, (owner, attribute) in COUNTED.items():
            original = getattr(owner, attribute)
            stack.enter_context(mock.patch.object(owner, attribute, counted(name, original)))
        yield counts


def measure(folder: Path, number: int, at_a_time: int) -> dict[str, Any]:
    """Look at some deployments.

    :param folder: their topology files.
    """
    os.environ["INFOMART_DR_TOPOLOGY"] = str(folder)
    dag = DagBag(str(ROOT / "dags" / "infomart_watch.py")).dags["infomart_watch"]
    names = dag.get_task("list_deployments").execute({"params": {"deployment": ""}})
    assert len(names) == number

    def look(name: str) -> float:
        began = time.monotonic()
        task = dag.get_task("watch").unmap({"deployment": name})
        context: dict[str, Any] = {"params": {}, "outlet_events": OutletEventAccessors()}
        result = task.execute(context)
        assert not result["findings"], result["findings"]
        return time.monotonic() - began

    with counting() as counts, ThreadPoolExecutor(at_a_time) as pool:
        began, processor = time.monotonic(), time.process_time()
        seconds = sorted(pool.map(look, names))
        wall, processor = time.monotonic() - began, time.process_time() - processor
    return {
        "deployments": number,
        "at_a_time": at_a_time,
        "wall_seconds": round(wall, 2),
        "median_look_seconds": round(seconds[len(seconds) // 2], 2),
        "longest_look_seconds": round(seconds[-1], 2),
        "processor_seconds_each": round(processor / number, 3),
        **{f"{name}_each": round(counts[name] / number, 2) for name in COUNTED},
    }


def files(lab: lab_config.LabConfig, folder: Path, number: int) -> None:
    """Topology files of deployments that are all the same lab."""
    document = yaml.safe_load((lab.home / "topology.yaml").read_text())
    document["sites"]["site2"]["role"] = "standby"
    # Other programs fill this machine's disk; 100 looks at a time make this machine's lag.
    document["watch"] = {
        "trail_full": {"warning": 0, "critical": 0},
        "trail_free": {"warning": 0, "critical": 0},
        "marker_wait": 30,
    }
    for index in range(number):
        name = f"d{number}-{index:03d}"
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({**document, "deployment": name}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-port", type=int, default=22600)
    parser.add_argument("--home", type=Path, help="a lab that runs and replicates already")
    parser.add_argument("--numbers", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--at-a-time", type=int, default=8)
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if asked.home:
            lab = lab_config.load(asked.home)
            stack.enter_context(connections(lab))
        else:
            lab = stack.enter_context(
                running(folder / "lab", base_port=asked.base_port, scale=500, rate=10.0, scenario_name="active-standby")
            )
            stack.enter_context(connections(lab))
            Procedure("infomart_setup_replication", plan="bench").run()
        results = []
        for number in asked.numbers:
            place = folder / f"topologies-{number}"
            place.mkdir()
            files(lab, place, number)
            results.append(measure(place, number, asked.at_a_time))
            print(json.dumps(results[-1]), flush=True)
    file = ROOT / "build" / "bench" / "watch_cost.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
