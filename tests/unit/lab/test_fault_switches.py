"""Fault switches of the lab: a configuration interface that refuses or forgets, a server that is started and dies."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from infomart_lab import config as lab_config
from infomart_lab import genesys, gim_server
from infomart_lab.config import LabConfig


@pytest.fixture
def config(tmp_path: Path) -> LabConfig:
    return lab_config.create(tmp_path / "lab", base_port=26900, scenario_name="active-standby")


async def put(config: LabConfig) -> int:
    """Change the host of the Info Mart Server's object; the answer."""
    transport = httpx.ASGITransport(genesys.gax(config, "site1"))
    async with httpx.AsyncClient(transport=transport, base_url="http://gax/gax/api") as client:
        password = config.passwords["site1"]["GAX"]
        await client.post("/session/login", json={"username": genesys.USER, "password": password})
        new = (await client.get("/cfg/applications/GIM")).json() | {"host": "site2-gim"}
        return (await client.put("/cfg/applications/GIM", json=new)).status_code


def host(config: LabConfig) -> str:
    return str(genesys.application(config, "GIM")["host"])


@pytest.mark.parametrize(("fault", "status"), [("refuses", 503), ("forgets", 200)])
async def test_a_configuration_interface_that_refuses_or_forgets_changes_nothing(
    config: LabConfig, fault: str, status: int
) -> None:
    lab_config.set_fault(config, f"site1.gax.{fault}", True)
    assert await put(config) == status and host(config) == "site1-gim"
    lab_config.set_fault(config, f"site1.gax.{fault}", None)
    assert await put(config) == 200 and host(config) == "site2-gim"


def test_a_server_that_dies_is_never_ready(config: LabConfig) -> None:
    lab_config.set_fault(config, "site1.gim_server.dies", True)
    with pytest.raises(SystemExit):
        gim_server.main(config, "site1")
    assert not lab_config.ready_file(config, "gim_server", "site1").exists()
