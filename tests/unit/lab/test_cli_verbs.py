"""Verbs of the lab's command line that need no running lab: what they print and their exit codes."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from infomart_lab import cli, links
from infomart_lab import config as lab_config

runner = CliRunner()
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    lab_config.create(tmp_path / "lab", base_port=19600)
    return tmp_path / "lab"


def call(*arguments: object) -> tuple[int, dict]:
    result = runner.invoke(cli.app, [*map(str, arguments), "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, json.loads(result.stdout)


def test_a_lab_that_does_not_run_is_down_with_exit_code_1(home: Path) -> None:
    assert call("status", "--home", home) == (1, {"state": "down", "home": str(home)})


@pytest.mark.parametrize("verb", [["status"], ["down"], ["fail", "site2"], ["audit"], ["destroy"]])
def test_a_verb_without_a_lab_says_how_to_make_one(tmp_path: Path, verb: list[str]) -> None:
    code, reply = call(*verb, "--home", tmp_path / "none")
    assert code == 1
    assert "python -m infomart_lab up" in reply["error"]


@pytest.mark.parametrize("verb", [["fail", "site2"], ["sql", "oracle_site2_gim", "select 1 from dual"]])
def test_a_verb_that_needs_a_running_lab_says_that_it_is_down(home: Path, verb: list[str]) -> None:
    code, reply = call(*verb, "--home", home)
    assert code == 1
    assert "not running" in reply["error"]


@pytest.mark.parametrize("verb", [["fail", "site9"], ["heal", "x"], ["audit", "site0"]])
def test_an_unknown_site_is_named_with_those_there_are(home: Path, verb: list[str]) -> None:
    code, reply = call(*verb, "--home", home)
    assert code == 2
    assert repr(verb[1]) in reply["error"]
    assert "site1, site2, site3" in reply["error"]


def test_links_are_cut_throttled_and_healed(home: Path) -> None:
    config = lab_config.load(home)
    assert call("cut", "site3", "site2", "--home", home)[1]["link"] == "site2-site3"
    assert links.read(config)["site2-site3"].cut
    call("throttle", "site2", "site3", "--rate", "5000/s", "--delay", 20, "--home", home)
    assert links.read(config)["site2-site3"] == links.LinkState(cut=True, rate=5000, delay_ms=20)
    call("throttle", "site2", "site3", "--rate", "off", "--home", home)
    assert links.read(config)["site2-site3"].rate is None
    call("heal-link", "site2", "site3", "--home", home)
    assert links.read(config)["site2-site3"] == links.LinkState()


@pytest.mark.parametrize(
    "verb",
    [
        ["cut", "site2", "site2"],
        ["cut", "site2", "site3", "--mode", "slow"],
        ["throttle", "site2", "site3"],
        ["throttle", "site2", "site3", "--rate", "fast"],
        ["throttle", "site2", "site3", "--rate", "0"],
        ["fault", "impdp.fail_index"],
        ["fault", "site9.impdp.fail_index"],
        ["fault", "site3.impdp.fail_idnex"],
        ["part", "restart", "links"],
        ["up", "--scenario", "flood"],
        ["up", "--single-idb", "TS9"],
        ["up", "--partitioned"],
        ["up", "--purge", "TS2=cron"],
        ["roles", "site9=active"],
        ["roles", "site3=dead"],
        ["roles", "site3"],
        ["roles", "site3=active"],
        ["roles", "site2=failed"],
        ["up", "--goldengate", "12c"],
        ["audit", "site2", "--all"],
    ],
)
def test_wrong_arguments_get_one_message_and_exit_code_2(home: Path, verb: list[str]) -> None:
    code, reply = call(*verb, "--home", home)
    assert code == 2
    assert reply["error"]
    assert links.read(lab_config.load(home))["site2-site3"] == links.LinkState()


def test_a_fault_is_switched_on_with_its_value_and_off(home: Path) -> None:
    config = lab_config.load(home)
    call("fault", "site3.impdp.fail_index", '["I_IF_SDT"]', "--home", home)
    assert lab_config.fault(config, "site3.impdp.fail_index") == ["I_IF_SDT"]
    call("fault", "site3.ssh-db.hang", "--home", home)
    assert lab_config.fault(config, "site3.ssh-db.hang") is True
    call("fault", "site3.impdp.fail_index", "off", "--home", home)
    assert lab_config.fault(config, "site3.impdp.fail_index") is None
    assert lab_config.fault(config, "site3.ssh-db.hang") is True


def test_the_faults_of_the_documentation_are_those_that_can_be_switched_on() -> None:
    section = (ROOT / "docs" / "lab.md").read_text().split("\n## Faults")[1]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `<site>.")]
    assert {name for row in rows for name in re.findall(r"`<site>\.(\S+)`", row)} == lab_config.FAULTS


def test_the_labs_airflow_answers_on_the_command_line(home: Path) -> None:
    environment = os.environ | {"INFOMART_LAB_HOME": str(home), "PYTHONPATH": f"{ROOT}/plugins:{ROOT}/lab"}

    def ask() -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "infomart_lab", "airflow", "config", "get-value", "core", "plugins_folder"]
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)

    without = ask()
    assert without.returncode == 1
    assert "up --airflow" in without.stderr
    (home / "airflow").mkdir()
    (home / "airflow" / "airflow.db").touch()
    assert ask().stdout.strip() == str(ROOT / "plugins")


def test_a_port_in_use_is_named_with_its_purpose_and_the_remedy(tmp_path: Path, base_port: int) -> None:
    with socket.create_server(("127.0.0.1", base_port + 1)):
        code, reply = call("up", "--home", tmp_path / "new", "--base-port", base_port)
    assert code == 2
    port = base_port + 1
    assert reply["error"].startswith(f"port is in use: {port} (oracle of site1) by process {os.getpid()} (")
    assert "Next: " in reply["error"] and "--base-port for the lab (make: BASE_PORT=)" in reply["error"]
    assert "--airflow-port" not in reply["error"]
    assert not (tmp_path / "new" / "lab.json").exists()  # the next up may choose other ports


def test_destroy_removes_the_lab_and_nothing_else(home: Path) -> None:
    (home / "site2" / "db").mkdir(parents=True)
    (home / "mine").mkdir()
    (home / "notes.txt").touch()
    code, reply = call("destroy", "--home", home)
    assert (code, sorted(reply["left"])) == (0, ["mine", "notes.txt"])
    assert sorted(path.name for path in home.iterdir()) == ["mine", "notes.txt"]


def test_roles_are_changed_in_the_topology_file_and_stay_with_the_lab(home: Path) -> None:
    assert call("roles", "--home", home) == (0, {"site1": "failed", "site2": "active", "site3": "new"})
    assert not (home / "topology.yaml").exists()  # a look changes nothing
    wanted = {"site1": "failed", "site2": "standby", "site3": "active"}
    assert call("roles", "site2=standby", "site3=active", "--home", home) == (0, wanted)
    assert call("roles", "--home", home) == (0, wanted)
    written = yaml.safe_load((home / "topology.yaml").read_text())
    assert {name: site["role"] for name, site in written["sites"].items()} == wanted
    assert (home / "lab.json").stat().st_mode & 0o777 == 0o600


def test_roles_leave_everything_else_in_the_topology_file_as_it_is(home: Path) -> None:
    call("roles", "site2=active", "--home", home)
    file = home / "topology.yaml"
    by_hand = file.read_text().replace("backend: gax", "backend: manual  # as at our sites")
    file.write_text(by_hand + "# who is told\ntickets:\n  connection: servicenow\n")
    code, _ = call("roles", "site2=standby", "site3=active", "--home", home)
    assert code == 0
    text = file.read_text()
    assert text.endswith("# who is told\ntickets:\n  connection: servicenow\n")
    assert text.count("backend: manual  # as at our sites") == 3
    changed = [(a, b) for a, b in zip(by_hand.splitlines(), text.splitlines(), strict=False) if a != b]
    assert changed == [("    role: active", "    role: standby"), ("    role: new", "    role: active")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("sites: [", "is not YAML"), ("", "no role of"), ("sites:\n  site1: {role: new}\n", "no role of")],
)
def test_roles_are_not_set_where_the_topology_file_cannot_take_them(home: Path, text: str, reason: str) -> None:
    (home / "topology.yaml").write_text(text)
    code, reply = call("roles", "site2=standby", "site3=active", "--home", home)
    assert code == 1
    assert reason in reply["error"]
    assert (home / "topology.yaml").read_text() == text
    assert call("roles", "--home", home)[1]["site2"] == "active", "the lab's own roles stay too"


def test_a_schema_cannot_be_put_behind_while_its_database_is_down(home: Path) -> None:
    code, reply = call("behind", "site2", "--home", home)
    assert code == 1
    assert "site2" in reply["error"]


def test_a_new_lab_may_be_partitioned_and_have_a_source_without_an_ha_pair(tmp_path: Path) -> None:
    config = cli._create(tmp_path, 19600, None, None, "active-standby", ["TS1"], True)
    assert config.partitioned
    assert [source.idb_sites for source in config.data_sources] == [["site1"], ["site2", "site1"]]
    assert lab_config.load(tmp_path) == config


@pytest.mark.parametrize("scenario", cli.SCENARIOS)
def test_each_scenario_has_one_consistent_set_of_sites(tmp_path: Path, scenario: str) -> None:
    config = cli._create(tmp_path, 19600, None, None, scenario)
    assert set(config.sites) == set(lab_config.SITES)
    for source in config.data_sources:
        assert all(config.sites[site].present for site in {source.site, *source.idb_sites})
    assert any(site.server_running for site in config.sites.values())


@pytest.mark.parametrize(
    ("result", "clean"),
    [
        ({"missing": 0, "duplicated": 0, "extra": 0, "pending": 7}, True),
        ({"missing": 1, "duplicated": 0, "extra": 0}, False),
        ({"missing": 0, "duplicated": 2, "extra": 0}, False),
        ({"error": "no Info Mart"}, False),
        ({"missing": 0, "duplicated": 0, "extra": 3}, False),
    ],
)
def test_only_missing_duplicated_and_extra_make_an_audit_unclean(result: dict, clean: bool) -> None:
    assert cli.is_clean(result) is clean
