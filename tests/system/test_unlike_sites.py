"""Sites whose GoldenGate differs in release and schema: the procedures use each site's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infomart_lab.config import LabConfig, Site, scenario

from .conftest import assert_clean, change_topology, judge, running
from .driver import Procedure, connections

pytestmark = [pytest.mark.lab, pytest.mark.slow]


@pytest.fixture
def lab(request: pytest.FixtureRequest, tmp_path: Path, base_port: int) -> Iterator[LabConfig]:
    """A lab in which the GoldenGate of the named site is newer and has another schema."""
    name, other = request.param
    sites, sources = scenario(name)
    sites[other] = Site(**sites[other].model_dump() | {"goldengate_schema": "GGADMIN", "goldengate": "21c"})
    asked: dict[str, Any] = {"sites": sites, "data_sources": sources, "scale": 1000, "rate": 10.0}
    with running(tmp_path / "lab", base_port=base_port, **asked) as config, connections(config):
        # A marker that never arrives is reported soon.
        change_topology(lambda document: document["timeouts"].update(catch_up=120))
        yield config


@pytest.mark.timeout(900)
@pytest.mark.parametrize("lab", [("active-standby", "site1")], indirect=True)
def test_a_set_up_and_a_switchover_between_two_releases_and_schemas_of_goldengate(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    Procedure("infomart_setup_replication", plan="setup-1").run()
    time.sleep(5)
    assert_clean(judge(lab, "site1", "site2"))
    Procedure("infomart_switchover", plan="switch-1", params={"source": "site1", "target": "site2"}).run()
    assert serves("site2") and not serves("site1")
    time.sleep(5)
    assert_clean(judge(lab, "site2", "site1"))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("lab", [("return-to-normal", "site3")], indirect=True)
def test_a_return_to_normal_between_two_releases_and_schemas_of_goldengate(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    Procedure(plan="return-1").run()
    assert serves("site3") and not serves("site2")
    time.sleep(5)
    assert_clean(judge(lab, "site3", "site2"))
