"""State of a lab at the start, and later changes."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from infomart_lab import config as lab_config
from infomart_lab import genesys, topology
from infomart_lab.config import LabConfig, Site

#: The default lab, on which the demo and the system tests depend.
RETURN_TO_NORMAL = {
    "site1": Site(name="site1", goldengate="11.2", data_pump="11.2", present=False),
    "site2": Site(name="site2", server_running=True),
    "site3": Site(name="site3", info_mart=False),
}


def test_the_default_lab_is_the_beginning_of_a_return_to_normal(tmp_path: Path) -> None:
    config = lab_config.create(tmp_path)
    assert config.sites == RETURN_TO_NORMAL
    assert [(s.name, s.key, s.site, s.idb_sites, s.share) for s in config.data_sources] == [
        ("TS2", 102, "site2", ["site2", "site3"], 0.7),
        ("TS3", 103, "site3", ["site3", "site2"], 0.3),
    ]
    assert (config.architecture, config.partitioned, config.roles) == ("active-standby", False, {})


@pytest.mark.parametrize(
    ("name", "roles", "architecture"),
    [
        ("return-to-normal", {"site1": "failed", "site2": "active", "site3": "new"}, "active-standby"),
        ("active-standby", {"site1": "active", "site2": "new", "site3": "failed"}, "active-standby"),
        ("active-active", {"site1": "active", "site2": "active", "site3": "failed"}, "active-active"),
    ],
)
def test_each_scenario_begins_with_its_roles(tmp_path: Path, name: str, roles: dict, architecture: str) -> None:
    config = lab_config.create(tmp_path, scenario_name=name)
    assert topology.roles(config) == roles
    assert config.architecture == architecture
    assert config.active_site == next(site for site, role in roles.items() if role == "active")


def test_every_source_has_an_ha_pair_unless_it_is_named() -> None:
    _, sources = lab_config.scenario("active-standby")
    assert [source.idb_sites for source in sources] == [["site1", "site2"], ["site2", "site1"]]
    _, sources = lab_config.scenario("active-standby", single_idb=["TS2"])
    assert [source.idb_sites for source in sources] == [["site1", "site2"], ["site2"]]


def test_a_scenario_is_recreated_at_each_call() -> None:
    sites, _ = lab_config.scenario("active-standby")
    sites["site1"].present = False
    assert lab_config.scenario("active-standby")[0]["site1"].present


@pytest.mark.parametrize(
    ("name", "single", "reason"), [("flood", [], "unknown scenario"), ("active-active", ["TS3"], "TS3; there are TS1")]
)
def test_an_unknown_scenario_or_source_is_named_with_those_there_are(name: str, single: list, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        lab_config.scenario(name, single_idb=single)


def test_a_lab_that_was_made_before_has_the_defaults_of_what_is_new(tmp_path: Path) -> None:
    file = lab_config.create(tmp_path).path
    stored = json.loads(file.read_text())
    del stored["architecture"], stored["roles"]
    file.write_text(json.dumps(stored))
    config = lab_config.load(tmp_path)
    assert (config.architecture, config.roles) == ("active-standby", {})


def test_changes_of_several_processes_are_all_kept(tmp_path: Path) -> None:
    lab_config.create(tmp_path)

    def set_role(site: str) -> None:
        for _ in range(3):
            lab_config.change(tmp_path, lambda stored: stored.roles.update({site: "standby"}))

    threads = [threading.Thread(target=set_role, args=(site,)) for site in lab_config.SITES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lab_config.load(tmp_path).roles == dict.fromkeys(lab_config.SITES, "standby")


def test_a_change_that_fails_leaves_the_lab_as_it_was(tmp_path: Path) -> None:
    before = lab_config.create(tmp_path)

    def fail(stored: LabConfig) -> None:
        stored.sites.clear()
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        lab_config.change(tmp_path, fail)
    assert lab_config.load(tmp_path) == before


def test_the_server_is_started_with_the_lab_where_its_object_points_to(tmp_path: Path) -> None:
    config = lab_config.create(tmp_path, scenario_name="active-standby")

    def served() -> list[str]:
        return [site for site in config.sites if genesys.is_served_here(config, site)]

    assert served() == ["site1"]
    genesys.replace(config, "GIM", {**genesys.application(config, "GIM"), "host": "site2-gim"})
    assert served() == ["site2"]
    genesys.replace(config, "GIM", {**genesys.application(config, "GIM"), "state": 2})
    assert served() == []


def test_both_servers_of_an_active_active_lab_are_started_with_it(tmp_path: Path) -> None:
    config = lab_config.create(tmp_path, scenario_name="active-active")
    assert [site for site in config.sites if genesys.is_served_here(config, site)] == ["site1", "site2"]


def test_a_lab_without_a_running_server_starts_none(tmp_path: Path) -> None:
    config = lab_config.create(tmp_path, sites={name: Site(name=name) for name in lab_config.SITES})
    assert not any(genesys.is_served_here(config, site) for site in config.sites)
