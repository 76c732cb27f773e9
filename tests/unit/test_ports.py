"""Test files that run beside each other have ports of their own."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

SYSTEM = Path(__file__).resolve().parents[1] / "system"
#: Ports of a lab from its first on, and of an Airflow.
LAB_PORTS, AIRFLOW_PORTS = 300, 3


def spans() -> list[tuple[str, range]]:
    """Ports by file."""
    found = []
    for file in sorted(SYSTEM.glob("test_*.py")):
        for name, port in re.findall(r"^(BASE_PORT|AIRFLOW_PORT) = ([\d_]+)$", file.read_text(), re.MULTILINE):
            length = LAB_PORTS if name == "BASE_PORT" else AIRFLOW_PORTS
            found.append((file.name, range(int(port), int(port) + length)))
    return found


def test_no_two_labs_of_the_system_tests_share_a_port() -> None:
    assert len(spans()) > 8
    shared = [
        f"{one} and {other}"
        for (one, here), (other, there) in combinations(spans(), 2)
        if here.start < there.stop and there.start < here.stop
    ]
    assert shared == []
