"""Application objects of Info Mart Servers, access points and ICONs, and their effect on the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infomart_lab import config as lab_config
from infomart_lab import configuration, genesys
from infomart_lab.config import LabConfig
from infomart_lab.gim_server import Options


@pytest.fixture
def config(tmp_path: Path) -> LabConfig:
    return lab_config.create(tmp_path / "lab", base_port=26900, scenario_name="active-standby")


@pytest.fixture
def double(tmp_path: Path) -> LabConfig:
    return lab_config.create(tmp_path / "lab", base_port=26900, scenario_name="active-active")


def change(config: LabConfig, name: str, **fields: Any) -> None:
    configuration.update(config, lambda document: document["applications"][name].update(fields))


def used(config: LabConfig, site: str = "site1") -> list[str]:
    return [dap["name"] for dap in Options(config, site).access_points(configuration.ROLE_IDB)]


def test_each_idb_has_an_enabled_icon_at_its_sources_site(config: LabConfig) -> None:
    icons = [app for app in configuration.read(config)["applications"].values() if app["type"] == "ICON"]
    assert {(icon["name"], icon["host"], icon["state"]) for icon in icons} == {
        ("ICON_TS1_site1", "site1-gim", 1),
        ("ICON_TS1_site2", "site1-gim", 1),
        ("ICON_TS2_site2", "site2-gim", 1),
        ("ICON_TS2_site1", "site2-gim", 1),
    }


def test_objects_that_were_there_keep_their_numbers_and_all_numbers_differ(config: LabConfig) -> None:
    applications = configuration.read(config)["applications"]
    assert [applications[name]["dbid"] for name in ("GIM", "DAP_GIM_site1", "DAP_GIM_site3", "DAP_TS1_site1")] == [
        *(121, 122, 124, 125)
    ]
    assert len({app["dbid"] for app in applications.values()}) == len(applications)


@pytest.mark.parametrize("away", ["disabled", "not connected"])
def test_an_idb_whose_icon_is_out_is_still_read_and_no_longer_waited_for(config: LabConfig, away: str) -> None:
    """The guide removes the failed site's ICONs; the surviving IDB of the pair must still be read."""
    if away == "disabled":
        change(config, "ICON_TS1_site2", state=configuration.DISABLED)
    else:
        connections = configuration.read(config)["applications"]["GIM"]["connections"]
        change(config, "GIM", connections=[name for name in connections if name != "ICON_TS1_site2"])
    assert "DAP_TS1_site2" in used(config)
    options = Options(config, "site1")
    assert not options.is_written("DAP_TS1_site2")
    assert options.is_written("DAP_TS1_site1")


def test_an_idb_without_an_icon_object_is_read_and_waited_for(config: LabConfig) -> None:
    configuration.update(config, lambda document: document["applications"].pop("ICON_TS1_site2"))
    assert "DAP_TS1_site2" in used(config)
    assert Options(config, "site1").is_written("DAP_TS1_site2")


@pytest.mark.parametrize("away", ["disabled", "not connected", "deleted"])
def test_an_idb_whose_access_point_is_out_is_not_read(config: LabConfig, away: str) -> None:
    assert "DAP_TS1_site1" in used(config)
    if away == "disabled":
        change(config, "DAP_TS1_site1", state=configuration.DISABLED)
    elif away == "deleted":
        configuration.update(config, lambda document: document["applications"].pop("DAP_TS1_site1"))
    else:
        connections = configuration.read(config)["applications"]["GIM"]["connections"]
        change(config, "GIM", connections=[name for name in connections if name != "DAP_TS1_site1"])
    assert used(config) == ["DAP_TS1_site2", "DAP_TS2_site2", "DAP_TS2_site1"]


def test_each_server_of_an_active_active_lab_fills_its_own_info_mart_from_all_idbs(double: LabConfig) -> None:
    applications = configuration.read(double)["applications"]
    assert "GIM" not in applications
    assert (applications["GIM_site1"]["dbid"], applications["GIM_site2"]["dbid"]) == (121, 122)
    for site in ("site1", "site2"):
        options = Options(double, site)
        assert options.server["host"] == f"{site}-gim"
        assert f"-port {double.port(site, 'config')} -app GIM_{site}" in options.server["commandLine"]
        assert options.info_mart()["site"] == site
        assert used(double, site) == ["DAP_TS1_site1", "DAP_TS1_site2", "DAP_TS2_site2", "DAP_TS2_site1"]
        assert {"ICON_TS1_site1", "ICON_TS2_site1"} <= set(options.server["connections"])


def test_a_change_for_one_server_of_an_active_active_lab_leaves_the_other_alone(double: LabConfig) -> None:
    change(double, "GIM_site2", connections=["DAP_GIM_site2", "DAP_TS2_site2"])
    assert used(double, "site2") == ["DAP_TS2_site2"]
    assert len(used(double, "site1")) == 4


def test_a_server_is_controlled_under_the_object_of_its_own_site_only(config: LabConfig, double: LabConfig) -> None:
    assert genesys._is_server(config, {"name": "GIM", "host": "site3-gim"})
    assert genesys._is_server(double, {"name": "GIM_site2", "host": "site2-gim"})
    assert not genesys._is_server(double, {"name": "GIM_site2", "host": "site1-gim"})
    assert not genesys._is_server(double, {"name": "GIM", "host": "site1-gim"})
    assert not genesys._is_server(config, {"name": "DAP_GIM_site1", "host": "site1-db"})
    assert not genesys._is_server(config, {"name": "ICON_TS1_site1", "host": "site1-gim"})
