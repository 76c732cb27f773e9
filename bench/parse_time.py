"""How long the DAG files take to parse, beside ``import airflow``: medians of five fresh processes each.

Run with ``make bench``; writes ``build/bench/parse_time.json``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 5

_IMPORT = "import time; t = time.perf_counter(); import airflow.sdk; print(time.perf_counter() - t)"
_PARSE = """
import time
import airflow.sdk
from airflow.dag_processing.dagbag import DagBag
t = time.perf_counter()
bag = DagBag({folder!r})
seconds = time.perf_counter() - t
assert bag.dags and not bag.import_errors, bag.import_errors
print(len(bag.dags), sum(len(dag.tasks) for dag in bag.dags.values()))
print(seconds)
"""


def run(code: str) -> list[str]:
    """Lines that a fresh Python prints."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
            "PYTHONPATH": str(ROOT / "plugins"),
        }
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()


def main() -> None:
    """Measure and print."""
    imports = [float(run(_IMPORT)[-1]) for _ in range(ROUNDS)]
    parses = [run(_PARSE.format(folder=str(ROOT / "dags"))) for _ in range(ROUNDS)]
    dags, tasks = map(int, parses[0][-2].split())
    result = {
        "dags": dags,
        "tasks": tasks,
        "import_airflow_seconds": round(statistics.median(imports), 3),
        "parse_dags_seconds": round(statistics.median(float(lines[-1]) for lines in parses), 3),
    }
    print(f"import airflow.sdk       {result['import_airflow_seconds']:.3f} s")
    print(f"parse dags/              {result['parse_dags_seconds']:.3f} s ({dags} DAGs, {tasks} tasks)")
    file = ROOT / "build" / "bench" / "parse_time.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
