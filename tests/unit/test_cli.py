"""``infomart-dr``: topologies checked, files rendered, connections listed, procedures printed, without Airflow."""

from __future__ import annotations

import copy
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from infomart_dr import topology as topology_module
from infomart_dr.cli import app
from infomart_dr.dagfiles import load_dags
from infomart_dr.hooks import data_pump, goldengate_parameters
from infomart_dr.preparation import connections as connections_module
from infomart_dr.preparation.connections import account_of, statement_privileges

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "topology.yaml"


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(topology_module.PATH_VARIABLE, raising=False)


@pytest.fixture
def document() -> dict[str, Any]:
    return yaml.safe_load(EXAMPLE.read_text())


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def said(result: Result) -> dict[str, Any]:
    return json.loads(result.stdout)


def written(folder: Path, document: dict[str, Any], name: str = "sites") -> Path:
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    return file


# -- validate --------------------------------------------------------------------------------------


def test_a_right_file_is_valid_with_exit_code_0() -> None:
    result = call("validate", EXAMPLE)
    assert (result.exit_code, "contact-centre: valid" in result.stdout) == (0, True)


def test_all_mistakes_of_all_files_of_a_folder_are_reported(tmp_path: Path, document: dict[str, Any]) -> None:
    for number in range(20):
        changed = copy.deepcopy(document)
        changed["deployment"] = f"centre-{number:02}"
        if number in (7, 12):
            changed["sites"]["dublin"]["role"] = "asleep"
            changed["info_mart"]["schema"] = "gim; drop"
        written(tmp_path, changed, f"centre-{number:02}")
    result = call("validate", tmp_path, "--json")
    files = said(result)["files"]
    assert result.exit_code == 1
    assert len(files) == 20
    assert [Path(file["file"]).stem for file in files if file["mistakes"]] == ["centre-07", "centre-12"]
    assert all(len(file["mistakes"]) == 2 for file in files if file["mistakes"])
    text = call("validate", tmp_path)
    assert text.exit_code == 1
    assert "4 mistake(s) in 2 of 20 file(s)" in text.stdout


def test_a_file_of_a_folder_that_no_run_could_choose_is_a_mistake(tmp_path: Path, document: dict[str, Any]) -> None:
    written(tmp_path, document, "another-name")
    result = call("validate", tmp_path)
    assert result.exit_code == 1
    assert "found 'contact-centre'; allowed: 'another-name'" in result.stdout
    assert call("validate", tmp_path / "another-name.yaml").exit_code == 0


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("info_mart.release", "9.9.0", "no exclusion list for Info Mart release 9.9.0"),
        ("sites.dublin.goldengate.release", "11.2", "sites.dublin: goldengate.login: found an alias"),
    ],
)
def test_what_only_rendering_would_find_is_a_mistake_too(
    tmp_path: Path, document: dict[str, Any], path: str, value: str, expected: str
) -> None:
    at = document
    *parents, last = path.split(".")
    for part in parents:
        at = at[part]
    at[last] = value
    result = call("validate", written(tmp_path, document))
    assert result.exit_code == 1
    assert result.stdout.count(expected) == 1


@pytest.mark.parametrize("content", [b"sites: [", b"\xff\xfe", b"", b"- a\n"])
def test_what_is_no_topology_is_a_mistake_and_no_traceback(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "sites.yaml"
    file.write_bytes(content)
    result = call("validate", file)
    assert (result.exit_code, str(file) in result.stdout) == (1, True)
    assert not isinstance(result.exception, Exception)


def test_the_variable_of_the_tasks_names_the_file_here_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(topology_module.PATH_VARIABLE, str(EXAMPLE))
    assert call("validate").exit_code == 0


@pytest.mark.parametrize(
    "words", [["validate"], ["validate", "no-such-file"], ["render"], ["connections"], ["nonsense"]]
)
def test_a_wrong_command_line_ends_with_2(words: list[str]) -> None:
    assert call(*words).exit_code == 2


def test_an_empty_folder_ends_with_1(tmp_path: Path) -> None:
    result = call("validate", tmp_path, "--json")
    assert (result.exit_code, "no *.yaml" in said(result)["error"]) == (1, True)


# -- render ----------------------------------------------------------------------------------------


def test_rendered_files_are_those_of_the_operators(tmp_path: Path) -> None:
    result = call("render", EXAMPLE, "--out", tmp_path, "--scn", "4711", "--dump-file", "gim_01.dmp", "--plan", "run-1")
    assert result.exit_code == 0
    read = topology_module.read(EXAMPLE)
    home = tmp_path / "dublin" / "u01" / "app" / "ogg"
    assert (home / "dirprm" / "egim.prm").read_text() == goldengate_parameters.render_extract(
        read, "dublin", "frankfurt"
    )
    assert (home / "dirprm" / "pgim.prm").read_text() == goldengate_parameters.render_pump(read, "dublin", "frankfurt")
    assert (home / "GLOBALS").read_text() == goldengate_parameters.render_globals(read, "dublin")
    job = data_pump.export_job("run-1")
    export = data_pump.export_parameters(read, read.site("frankfurt"), 4711, job)
    assert [file.read_text() for file in tmp_path.glob(f"frankfurt/**/{job}.par")] == [export]
    for file in tmp_path.rglob("*.p*r*"):
        if file.is_file():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_needs_a_running_plan_is_left_out_and_named() -> None:
    result = call("render", EXAMPLE)
    assert result.exit_code == 0
    assert "FLASHBACK_SCN" not in result.stdout
    assert "omitted: expdp" in result.stderr and "omitted: impdp" in result.stderr
    answer = said(call("render", EXAMPLE, "--json"))
    assert len(answer["files"]) == 8 and len(answer["left_out"]) == 2


def test_a_printed_file_keeps_what_looks_like_markup() -> None:
    # Rich would take [...] for a style.
    assert call("render", EXAMPLE, "--scn", "1").stdout.count("=== ") == 9


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--dump-file", "../x.dmp"], "not a plain file name"),
        (["--plan", "a b"], "not a valid run id"),
        (["--target", "nowhere"], "no site 'nowhere'"),
        (["--source", "frankfurt", "--target", "frankfurt"], "both frankfurt"),
    ],
)
def test_a_wrong_value_ends_with_1_and_says_what_to_do(words: list[str], expected: str) -> None:
    result = call("render", EXAMPLE, *words)
    assert result.exit_code == 1
    assert expected in result.stderr and "Next:" in result.stderr


def test_a_folder_with_two_deployments_asks_which(tmp_path: Path, document: dict[str, Any]) -> None:
    for name in ("one", "two"):
        written(tmp_path, document | {"deployment": name}, name)
    assert call("connections", tmp_path).exit_code == 2
    assert call("connections", tmp_path, "--deployment", "two").exit_code == 0


def test_a_procedure_for_the_other_architecture_has_no_plan() -> None:
    result = call("outline", "return_to_normal_active_active", "--topology", EXAMPLE, "--json")
    assert result.exit_code == 1
    assert "is for active-active deployments, and contact-centre is active-standby" in said(result)["error"]


# -- connections -----------------------------------------------------------------------------------


def test_the_grants_of_the_documentation_are_those_of_the_statements_headers() -> None:
    section = (ROOT / "docs" / "getting-started.md").read_text().split("### 10. Grants")[1].split("\n\nBeside these")[0]
    told = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert told == [f"| {whose} | {what} |" for whose, what, _ in connections_module.grants()]


def named(value: Any) -> set[str]:
    """Every connection id in a topology document."""
    if isinstance(value, dict):
        here = {each for key, each in value.items() if key == "connection" or key.endswith("_connection")}
        return here | {name for each in value.values() for name in named(each)}
    if isinstance(value, list):
        return {name for each in value for name in named(each)}
    return set()


def test_connections_are_added_to_a_file_that_keeps_what_was_filled_in(tmp_path: Path) -> None:
    file = tmp_path / "connections.json"
    first = said(call("connections", EXAMPLE, "--into", file, "--json"))
    assert first["kept"] == [] and "oracle_dub_gim" in first["added"]
    assert file.stat().st_mode & 0o777 == 0o600
    document = json.loads(file.read_text())
    document["oracle_dub_gim"]["password"] = "filled in"
    del document["ssh_gimdb_dub"]
    document["another"] = {"conn_type": "http"}
    file.write_text(json.dumps(document))
    again = call("connections", EXAMPLE, "--into", file)
    assert "1 added: ssh_gimdb_dub" in again.stdout and "not named by this topology: another" in again.stdout
    merged = json.loads(file.read_text())
    assert merged["oracle_dub_gim"]["password"] == "filled in"
    assert set(merged) == {*document, "ssh_gimdb_dub"}


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_file_of_connections_that_is_none_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    file = tmp_path / "connections.json"
    file.write_text(text)
    assert call("connections", EXAMPLE, "--into", file).exit_code == 1
    assert file.read_text() == text


def test_every_connection_of_the_topology_is_listed_once_with_its_rights(document: dict[str, Any]) -> None:
    found = said(call("connections", EXAMPLE, "--json"))["connections"]
    ids = [each["id"] for each in found]
    assert sorted(ids) == sorted(named(document))
    assert all(each["privileges"] and each["fields"] for each in found)
    text = call("connections", EXAMPLE).stdout
    assert all(f"{name}  (" in text for name in ids)


def test_the_webhook_of_alerts_is_a_connection_too(tmp_path: Path, document: dict[str, Any]) -> None:
    document["watch"] = {"alert_connection": "pager"}
    found = said(call("connections", written(tmp_path, document), "--json"))["connections"]
    assert sorted(each["id"] for each in found) == sorted(named(document))


def test_the_rights_depend_on_the_topology(tmp_path: Path, document: dict[str, Any]) -> None:
    before = call("connections", EXAMPLE).stdout
    assert "hwm_index" not in before and "INSERT ANY TABLE" not in before
    document["info_mart"]["release"] = "8.1.1"
    document["sites"]["dublin"]["goldengate"] |= {
        "release": "11.2",
        "login": {"user": "GGATE", "encrypted_password": "A" * 20},
    }
    after = call("connections", written(tmp_path, document)).stdout
    assert "hwm_index" in after and "INSERT ANY TABLE" in after


@pytest.mark.parametrize("statement", sorted(statement_privileges()))
def test_the_privilege_of_each_statement_belongs_to_an_account(statement: str) -> None:
    assert account_of(statement) or statement_privileges()[statement].startswith("none")


def test_airflow_reads_the_generated_file_and_the_generated_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk import Connection
    from airflow.secrets.local_filesystem import load_connections_dict

    file = tmp_path / "connections.json"
    file.write_text(call("connections", EXAMPLE, "--format", "file").stdout)
    read = load_connections_dict(str(file))
    assert read["oracle_fra_dba"].extra_dejson == {"service_name": "GIMFRA"}
    lines = call("connections", EXAMPLE, "--format", "env").stdout.splitlines()
    variables = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert {name.removeprefix("AIRFLOW_CONN_").lower() for name in variables} == set(read)
    connection = Connection.from_json(variables["AIRFLOW_CONN_SSH_GIMDB_FRA"], conn_id="ssh_gimdb_fra")
    assert (connection.login, connection.port, connection.extra_dejson["no_host_key_check"]) == ("oracle", 22, False)
    assert "<password of oracle_fra_dba>" in variables["AIRFLOW_CONN_ORACLE_FRA_DBA"]


def test_an_id_that_cannot_be_a_variable_is_commented_out(tmp_path: Path, document: dict[str, Any]) -> None:
    document["hosts"]["gim-fra"]["ssh_connection"] = "ssh-gim.fra"
    lines = call("connections", written(tmp_path, document), "--format", "env").stdout.splitlines()
    assert next(line for line in lines if "SSH-GIM.FRA=" in line).startswith("# ")


def test_one_id_for_two_accounts_is_pointed_out(document: dict[str, Any]) -> None:
    document["sites"]["dublin"]["database"]["goldengate_connection"] = "oracle_dub_gim"
    read = topology_module.parse(yaml.safe_dump(document), Path("sites.yaml"))
    shared = next(each for each in connections_module.needed(read) if each.id == "oracle_dub_gim")
    assert "give another id" in " ".join(shared.remarks)


# -- plan ------------------------------------------------------------------------------------------


def tasks(outline: dict[str, Any]) -> list[dict[str, Any]]:
    return [task for chapter in outline["chapters"] for task in chapter["tasks"]]


@pytest.mark.parametrize("dag_id", sorted(file.stem for file in (ROOT / "dags").glob("*.py")))
def test_each_task_of_a_procedure_is_printed_once_and_after_those_that_it_follows(dag_id: str) -> None:
    dag = load_dags(ROOT / "dags" / f"{dag_id}.py")[dag_id]
    outline = said(call("outline", dag_id, "--json"))
    printed = tasks(outline)
    assert sorted(task["task_id"] for task in printed) == sorted(dag.task_ids)
    groups = [chapter["name"] for chapter in outline["chapters"]]
    assert len(groups) == len(set(groups))
    in_group: dict[str, list[str]] = {}
    for task in printed:
        in_group.setdefault(task["task_id"].rpartition(".")[0], []).append(task["task_id"])
    for task in printed:
        own = in_group[task["task_id"].rpartition(".")[0]]
        before = [each for each in task["after"] if each in own]
        assert all(own.index(each) < own.index(task["task_id"]) for each in before)


def plan_of(*words: str | Path, topology: Path = EXAMPLE) -> dict[str, dict[str, Any]]:
    result = call("outline", *words, "--topology", topology, "--json")
    assert result.exit_code == 0, result.output
    return {task["task_id"]: task for task in tasks(said(result))}


def test_the_option_of_the_run_decides_which_chapters_apply() -> None:
    first = plan_of("return_to_normal")
    second = plan_of("infomart_return_to_normal", "--set", "option=source stays active")
    assert first["approve_cutover"]["applies"] and not first["prove_standby.prove_parity"]["applies"]
    assert not second["approve_cutover"]["applies"] and second["prove_standby.prove_parity"]["applies"]
    assert "this step is for" in second["approve_cutover"]["why_not"]


def test_people_and_programs_are_told_apart_and_what_only_a_run_sees_stays_open() -> None:
    found = plan_of("return_to_normal")
    # Frankfurt is configured by hand, Dublin by GAX.
    assert found["export_database.hold_scheduler"]["who"] == "person"
    assert found["start_at_target.configure_application"]["who"] == "program"
    assert found["approve_cutover"]["who"] == "decision"
    assert found["deploy_new_site.deploy_info_mart_server"]["who"] == "open"
    assert plan_of("setup_replication")["check_prerequisites.approve_parameter_files"]["applies"] is None


def test_a_failover_says_what_the_deployment_has_no_use_for(tmp_path: Path, document: dict[str, Any]) -> None:
    document["sites"]["dublin"]["role"] = "standby"
    document["info_mart"]["partitioned"] = False
    document["raa"]["enabled"] = False
    found = plan_of("failover", topology=written(tmp_path, document))
    assert found["configure_survivor.disable_aggregation"]["why_not"] == "the topology has no RAA"
    assert found["start_at_survivor.run_maintenance_job"]["applies"] is None, "the dictionary decides, in the run"
    # The server's log shows a required migration.
    assert found["start_at_survivor.run_migration_job"]["applies"] is None
    assert found["start_at_survivor.run_migration_job"]["who"] == "person"


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["nothing"], 2, "There is no procedure"),
        (["failover", "--set", "speed=9"], 1, "no parameter speed"),
        (["return_to_normal", "--set", "option=nobody serves"], 1, "The parameter option is wrong"),
        (["return_to_normal", "--set", "option"], 2, "has no '='"),
        (["return_to_normal", "--set", "target=frankfurt"], 1, "both frankfurt"),
        (["failover"], 1, "survivor is not given"),
    ],
)
def test_a_plan_that_cannot_be_made_says_why(words: list[str], code: int, expected: str) -> None:
    result = call("outline", *words, "--topology", EXAMPLE)
    assert result.exit_code == code
    assert expected in result.stderr


def test_without_a_procedure_all_are_listed() -> None:
    listed = said(call("outline", "--json"))["procedures"]
    assert {each["dag_id"] for each in listed} == {file.stem for file in (ROOT / "dags").glob("infomart_*.py")}


def test_the_printed_plan_has_guide_changes_and_undo() -> None:
    text = call("outline", "return_to_normal", "--topology", EXAMPLE).stdout
    assert "infomart_return_to_normal in contact-centre: frankfurt -> dublin" in text
    for part in (
        "guide:   ",
        "changes: ",
        "undo:    ",
        "(person decides)",
        "does not apply: ",
        "always runs at the end",
    ):
        assert part in text


def test_as_a_process_it_needs_no_home_no_settings_and_no_database_of_airflow(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "plugins"),
        "HOME": "/nonexistent",
        # Nothing listens there: every connection fails.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://nobody@127.0.0.1:1/none",
        "AIRFLOW__CORE__FERNET_KEY_CMD": "false",
        "AIRFLOW_HOME": "/nonexistent/airflow",
    }
    done = subprocess.run(
        [sys.executable, "-m", "infomart_dr", "outline", "return_to_normal", "--topology", str(EXAMPLE), "--json"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["target"] == "dublin"
    assert list(tmp_path.iterdir()) == []


def test_without_a_procedure_airflow_is_not_even_imported() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from infomart_dr.cli import app; "
        f"r = CliRunner().invoke(app, ['connections', {str(EXAMPLE)!r}]); assert r.exit_code == 0, r.output; "
        "assert not [name for name in sys.modules if name.split('.')[0] == 'airflow']"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "plugins")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
