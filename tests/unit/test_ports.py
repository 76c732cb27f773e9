"""Test files that run beside each other have ports of their own."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

SYSTEM = Path(__file__).resolve().parents[1] / "system"
#: Ports of a lab from its first on, of the services of the compose file, and of an Airflow.
LENGTHS = {"BASE_PORT": 300, "STACK_PORT": 6}
AIRFLOW_PORTS = 3


def spans() -> list[tuple[str, range]]:
    """Ports by file."""
    found = []
    for file in sorted(SYSTEM.glob("test_*.py")):
        for name, port in re.findall(r"^(\w+_PORT) = ([\d_]+)$", file.read_text(), re.MULTILINE):
            found.append((file.name, range(int(port), int(port) + LENGTHS.get(name, AIRFLOW_PORTS))))
    return found


def test_no_two_labs_of_the_system_tests_share_a_port() -> None:
    assert len(spans()) > 8
    shared = [
        f"{one} and {other}"
        for (one, here), (other, there) in combinations(spans(), 2)
        if here.start < there.stop and there.start < here.stop
    ]
    assert shared == []


def test_no_lab_takes_ports_that_linux_gives_to_whoever_connects() -> None:
    assert [name for name, ports in spans() if ports.stop > 32768] == []
