"""Play procedures with faults in a lab of its own, and add to the results: ``python -m tests.faults --seed 2``."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

# Airflow's settings, before its import.
import tests.conftest  # noqa: F401
from infomart_lab import config as lab_config
from tests.faults.campaign import Campaign, State, circle
from tests.system.conftest import running
from tests.system.driver import connections


def log(text: str) -> None:
    """Print a line with the time."""
    print(time.strftime("%H:%M:%S"), text, flush=True)


def main() -> None:
    """Play in a lab of its own, and add to the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="chooses cells and moments")
    parser.add_argument("--plays", type=int, default=4, help="procedures: set-up, switchover, failover, return, ...")
    parser.add_argument("--most", type=int, default=1000, help="cells in one procedure")
    parser.add_argument("--only", default="", help="procedures with cells: setup,switchover,failover,return")
    parser.add_argument("--base-port", type=int, default=27000)
    parser.add_argument("--home", type=Path, help="a running lab, scenario active-standby")
    options = parser.parse_args()
    only = frozenset(filter(None, options.only.split(",")))
    if options.home is not None:
        lab, state = lab_config.load(options.home), State.read(options.home.with_suffix(".state.json"))
        with connections(lab):
            circle(Campaign(lab, options.seed, most=options.most, log=log, state=state, keep=True), options.plays, only)
        return
    asked: dict[str, Any] = {"scenario_name": "active-standby", "scale": 300, "rate": 10.0}
    home = Path(tempfile.mkdtemp(prefix="infomart-faults-"))
    with running(home / "lab", base_port=options.base_port, **asked) as lab, connections(lab):
        campaign = Campaign(lab, options.seed, most=options.most, log=log, keep=True)
        circle(campaign, options.plays, only)


if __name__ == "__main__":
    main()
