"""A site that was lost comes back: watching tells it at its first look."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infomart_lab import config as lab_config
from infomart_lab import lca, supervisor
from infomart_lab.audit import audit
from infomart_lab.config import LabConfig

from .conftest import change_topology, running
from .driver import Procedure, connections
from .looks import Looks, thresholds

pytestmark = [pytest.mark.lab, pytest.mark.slow]
SITES_OF_RUN = {"failed_site": "site1", "survivor": "site2"}


@pytest.fixture
def lab(tmp_path: Path, base_port: int) -> Iterator[LabConfig]:
    """A pair whose standby follows."""
    asked: dict[str, Any] = {"scenario_name": "active-standby", "scale": 300, "rate": 10.0}
    with running(tmp_path / "lab", base_port=base_port, **asked) as config, connections(config):
        Procedure("infomart_setup_replication", plan="setup").run()
        change_topology(lambda document: document["sites"]["site2"].update(role="standby"))
        with thresholds():
            yield config


def lost_roles() -> None:
    def change(document: dict[str, Any]) -> None:
        document["sites"]["site1"]["role"], document["sites"]["site2"]["role"] = "failed", "active"

    change_topology(change)


def until(what: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def doubled(lab: LabConfig) -> int:
    return audit(lab, "site2").duplicated


def heal(lab: LabConfig, *, autostart: bool = False) -> None:
    lab_config.set_fault(lab, "site1.gim_server.autostart", autostart or None)
    supervisor.request(lab, "heal", site="site1", timeout=180)


# -- without a refusal ---------------------------------------------------------------------------------


@pytest.mark.timeout(900)
def test_where_nothing_refuses_the_server_of_a_lost_site_it_doubles_calls_and_the_first_look_tells_it(
    lab: LabConfig,
) -> None:
    change_topology(lambda document: document["fencing"].update(refuse_lost_site=False))
    looks = Looks()
    looks.quiet()
    supervisor.request(lab, "fail", site="site1")
    Procedure("infomart_failover", plan="lost", params=dict(SITES_OF_RUN)).run()
    lost_roles()
    looks.quiet()
    heal(lab, autostart=True)
    until(lambda: doubled(lab) > 0, 120)
    seen = looks.look()
    (key,) = [key for _, key in seen.alerts if seen.findings[key]["level"] == "critical"]
    assert key == "site2/writers/site1-gim"
    finding = seen.findings[key]
    assert (
        "The Info Mart Server of site1 writes into the serving Info Mart of site2, from site1-gim"
        in finding["sentence"]
    )
    assert "Stop it on site1-gim at once" in finding["remedy"]
    # The document's next step: end the process, then its sessions are gone.
    lca.stop(lab, "site1")
    assert ("ended", key) in looks.until("ended", key).told
