"""The lab's topology file, as the product reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from infomart_dr.topology import Topology, parse
from infomart_lab import config as lab_config
from infomart_lab import configuration, host, topology
from infomart_lab.config import LabConfig


def product_view(config: LabConfig) -> Topology:
    return parse(yaml.safe_dump(topology.topology(config)), config.home / "topology.yaml")


@pytest.mark.parametrize("partitioned", [False, True])
@pytest.mark.parametrize("scenario", lab_config.SCENARIOS)
def test_the_product_accepts_the_topology_of_each_scenario(tmp_path: Path, scenario: str, partitioned: bool) -> None:
    config = lab_config.create(tmp_path, scenario_name=scenario, partitioned=partitioned)
    read = product_view(config)
    assert read.architecture == config.architecture
    assert read.info_mart.partitioned is partitioned
    assert read.active_site == config.active_site


def test_roles_set_by_an_administrator_stand_in_the_topology(tmp_path: Path) -> None:
    config = lab_config.create(tmp_path, scenario_name="active-standby")
    assert product_view(config).pair(None, None).target == "site2"
    config.roles = {"site1": "failed", "site2": "active"}
    assert product_view(config).active_site == "site2"
    config.roles = {"site2": "standby"}
    pair = product_view(config).failover_pair(None, None)
    assert (pair.source, pair.target) == ("site1", "site2")


def test_an_idb_has_its_icon_its_sources_site_and_its_owner(tmp_path: Path) -> None:
    config = lab_config.create(tmp_path, scenario_name="active-standby")
    applications = configuration.read(config)["applications"]
    idbs = {idb.name: idb for idb in product_view(config).sites["site2"].idbs}
    assert set(idbs) == {"ts1-site2", "ts2-site2"}
    assert (idbs["ts1-site2"].icon, idbs["ts1-site2"].source_site) == ("ICON_TS1_site2", "site1")
    assert (idbs["ts1-site2"].schema_name, idbs["ts2-site2"].source_site) == ("ICON_TS1", "site2")
    for idb in idbs.values():
        assert idb.icon is not None
        assert applications[idb.icon]["connections"] == [idb.dap]


def test_a_source_without_an_ha_pair_has_one_idb(tmp_path: Path) -> None:
    _, sources = lab_config.scenario("active-standby", single_idb=["TS1"])
    config = lab_config.create(tmp_path, scenario_name="active-standby", data_sources=sources)
    read = product_view(config)
    assert [idb.name for idb in read.sites["site1"].idbs] == ["ts1-site1", "ts2-site1"]
    assert [idb.name for idb in read.sites["site2"].idbs] == ["ts2-site2"]
    assert "DAP_TS1_site2" not in configuration.read(config)["applications"]


def test_sites_with_one_server_share_its_object_and_others_have_their_own(tmp_path: Path) -> None:
    shared = topology.topology(lab_config.create(tmp_path / "one", scenario_name="active-standby"))
    assert "architecture" not in shared
    assert not any("application" in site["info_mart_server"] for site in shared["sites"].values())
    assert (shared["info_mart"]["application"], shared["info_mart"]["application_dbid"]) == ("GIM", 121)

    config = lab_config.create(tmp_path / "two", scenario_name="active-active")
    read, applications = product_view(config), configuration.read(config)["applications"]
    for site in config.sites:
        assert read.application(site) == f"GIM_{site}"
        assert read.application_dbid(site) == applications[f"GIM_{site}"]["dbid"]
        assert read.sites[site].info_mart_server.command_line.endswith(f"-app GIM_{site}")
    assert read.application_dbid("site1") == 121


def test_other_sites_reach_everything_over_their_links(tmp_path: Path) -> None:
    config = lab_config.create(tmp_path, scenario_name="active-standby")
    read = product_view(config)
    for site in config.sites:
        for other in set(config.sites) - {site}:
            database, server = read.reach(f"{site}-db", other), read.reach(f"{site}-gim", other)
            layer = read.sites[site].management_layer.seen_from[other]
            assert database is not None and server is not None
            ports = {
                "ssh-db": database.ssh_port,
                "manager": database.manager_port,
                "oracle": database.listener_port,
                "ssh-gim": server.ssh_port,
                "config": layer.port,
            }
            assert ports == {service: config.link_port(other, site, service) for service in ports}
            assert {database.address, server.address, layer.address} == {config.address}
    assert (read.fencing.refused_is_alive, read.fencing.timeout) == (False, 2)


def test_jobs_and_reports_are_commands_on_the_servers_host(tmp_path: Path) -> None:
    config = lab_config.create(tmp_path)
    read = product_view(config)
    assert (read.info_mart.jobs.backend, read.info_mart.jobs.command) == ("command", ["gimjob", "{job}"])
    for site, found in read.sites.items():
        assert found.reports is not None
        assert (found.reports.host, found.reports.start) == (f"{site}-gim", ["gi2ctl", "start", "{site}"])
        assert found.reports.check == ["gi2ctl", "status", "{site}"]


@pytest.mark.parametrize("before", ["", "- a list\n", "sites: [", None])
def test_a_topology_file_without_sections_of_somebody_is_written_again(tmp_path: Path, before: str | None) -> None:
    config = lab_config.create(tmp_path, scenario_name="active-standby")
    host.prepare_keys(config)
    if before is not None:
        topology.path(config).write_text(before)
    file, _ = topology.write(config, keep=True)
    assert yaml.safe_load(file.read_text()) == topology.topology(config)


def test_a_start_keeps_sections_that_somebody_has_added_and_renews_its_own(tmp_path: Path) -> None:
    config = lab_config.create(tmp_path, scenario_name="active-standby")
    host.prepare_keys(config)
    topology.path(config).write_text("tickets: {connection: servicenow}\ntransfer: {streams: 99}\n")
    file, _ = topology.write(config, keep=True)
    assert yaml.safe_load(file.read_text()) == topology.topology(config) | {"tickets": {"connection": "servicenow"}}
    topology.write(config)
    assert yaml.safe_load(file.read_text()) == topology.topology(config)
