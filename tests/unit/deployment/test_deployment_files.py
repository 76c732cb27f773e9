"""docker-compose.yaml, the Dockerfiles and the scripts under deploy/: checked without an engine."""

from __future__ import annotations

import json
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest
import yaml
from tests.compose import FILE, ROOT, health_command, interpolate, load

from infomart_dr import __version__

DEPLOY = ROOT / "deploy"
SCHEMA = json.loads((ROOT / "tests" / "data" / "compose-spec.json").read_text())
DOCKERFILES = [ROOT / "Dockerfile", DEPLOY / "oracle" / "Dockerfile"]
#: Services that run once, so that nobody asks for their health.
ONCE = {"init"}
AIRFLOW = {"api-server", "scheduler", "dag-processor", "triggerer", "worker"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return load()


def problems(document: Any) -> list[str]:
    validator = jsonschema.Draft7Validator(SCHEMA)
    return [f"{'.'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(document)]


# -- compose ---------------------------------------------------------------------------------------


def test_the_file_keeps_to_the_compose_specification() -> None:
    assert problems(yaml.safe_load(FILE.read_text())) == []
    assert problems(load()) == []


def test_the_schema_finds_what_is_wrong(compose: dict[str, Any]) -> None:
    wrong = json.loads(json.dumps(compose))
    wrong["services"]["redis"]["helthcheck"] = {}
    wrong["services"]["worker"]["ports"] = "8080"
    assert len(problems(wrong)) >= 2


def client_config(client: str) -> subprocess.CompletedProcess[str]:
    """Verdict of the client's ``compose config`` about the file, with each profile."""
    words = [client, "compose", "--file", str(FILE), "--profile", "lab", "--profile", "oracle", "config", "--quiet"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_the_clients_own_compose_config_accepts_the_file_where_the_client_has_compose(
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = shutil.which("docker")
    has_compose = client is not None and (
        subprocess.run([client, "compose", "version"], capture_output=True, timeout=60, check=False).returncode == 0
    )
    if has_compose:
        assert client is not None
        done = client_config(client)
        assert done.returncode == 0, done.stderr
    else:
        # The schema above is checked in any case; this is the second opinion.
        with capsys.disabled():
            print("\nno second opinion on docker-compose.yaml: the docker client is missing, or lacks compose")
    assert problems(load()) == []


def test_the_services_are_those_that_the_documents_name(compose: dict[str, Any]) -> None:
    default = {name for name, service in compose["services"].items() if not service.get("profiles")}
    assert default == AIRFLOW | ONCE | {"postgres", "redis"}
    lab = {name for name, service in compose["services"].items() if service.get("profiles") == ["lab"]}
    oracle = {name for name, service in compose["services"].items() if service.get("profiles") == ["oracle"]}
    assert (lab, oracle) == ({"lab"}, {"oracle-site1", "oracle-site2", "oracle-site3"})
    text = (ROOT / "docs" / "deployment.md").read_text()
    assert all(f"`{name}`" in text for name in default | lab)


def test_each_service_has_a_health_check_or_runs_once(compose: dict[str, Any]) -> None:
    without = {name for name, service in compose["services"].items() if health_command(service) is None}
    assert without == ONCE
    assert all(compose["services"][name]["restart"] == "no" for name in ONCE)


def test_who_waits_for_a_service_waits_for_its_health_or_its_success(compose: dict[str, Any]) -> None:
    conditions = {
        (name, other): wanted["condition"]
        for name, service in compose["services"].items()
        for other, wanted in (service.get("depends_on") or {}).items()
    }
    assert conditions[("init", "postgres")] == "service_healthy"
    assert all(conditions[(name, "init")] == "service_completed_successfully" for name in AIRFLOW)
    assert all(conditions[(name, "redis")] == "service_healthy" for name in AIRFLOW)


def test_images_are_pinned_to_a_version(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        _, _, tag = service["image"].partition(":")
        assert re.match(r"^\d+\.\d+", tag), f"{name}: {service['image']}"


def test_the_projects_own_images_have_the_packages_version(compose: dict[str, Any]) -> None:
    images = {service["image"] for service in compose["services"].values()}
    own = {name for name in images if re.match(r"infomart-dr(-lab)?:", name)}
    assert own == {f"infomart-dr:{__version__}", f"infomart-dr-lab:{__version__}"}


def test_no_service_runs_as_root_by_our_choice(compose: dict[str, Any]) -> None:
    # PostgreSQL's and Oracle's images leave root by themselves.
    for name, service in compose["services"].items():
        if name == "postgres" or name.startswith("oracle"):
            continue
        assert service["user"].split(":")[0] not in ("0", "root"), name
        assert service["cap_drop"] == ["ALL"], name


def secrets_in(environment: dict[str, Any]) -> list[str]:
    """Settings that hold a secret themselves, and not the name of a file or a command that reads one."""
    names = re.compile(r"PASSWORD|SECRET|FERNET|TOKEN|SQL_ALCHEMY_CONN|BROKER_URL|RESULT_BACKEND|AIRFLOW_CONN|PWD")
    places = re.compile(r"(_CMD|_FILE|^INFOMART_SECRETS|^AIRFLOW__SECRETS__BACKEND|_BACKEND_KWARGS)$")
    return [name for name in environment if names.search(name) and not places.search(name)]


def test_no_secret_stands_in_the_file(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert secrets_in(service.get("environment") or {}) == [], name
    assert not re.search(r"://[^/\s\"]*:[^/\s\"@]+@", FILE.read_text())
    assert all(set(secret) == {"file"} for secret in compose["secrets"].values())


def test_a_secret_in_the_environment_would_be_found() -> None:
    assert secrets_in({"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "x", "POSTGRES_PASSWORD": "x"}) != []


def test_a_service_sees_the_secrets_that_its_settings_read_and_a_worker_no_metadata(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        text = json.dumps([service.get("environment"), service.get("command")])
        wanted = set(re.findall(r"/run/secrets/([\w.]+)", text))
        granted = set(service.get("secrets") or [])
        assert wanted <= granted, f"{name} lacks {wanted - granted}"
        assert granted <= set(compose["secrets"])
    worker = compose["services"]["worker"]
    assert {"sql_alchemy_conn", "fernet_key", "admin_password"}.isdisjoint(worker["secrets"])


def test_worker_triggerer_and_lab_share_an_address(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {services[name]["network_mode"] for name in ("triggerer", "lab")} == {"service:worker"}
    values = dict(
        line.split("=", 1) for line in (DEPLOY / "lab.env").read_text().splitlines() if "=" in line and line[0] != "#"
    )
    worker = load(values)["services"]["worker"]
    assert worker["environment"]["INFOMART_DR_TOPOLOGY"] == "/lab/topology.yaml"
    assert "/lab/connections.json" in worker["environment"]["AIRFLOW__SECRETS__BACKEND_KWARGS"]
    assert "lab:/lab" in worker["volumes"]


def networks(services: dict[str, Any], name: str) -> set[str]:
    """Networks of a service, also of one that shares another's."""
    mode = str(services[name].get("network_mode") or "")
    return networks(services, mode.removeprefix("service:")) if mode else set(services[name]["networks"])


def sources(service: dict[str, Any]) -> dict[str, str]:
    """Mounted sources by their path in the container."""
    return {place: source for source, place, *_ in (each.split(":") for each in service["volumes"])}


@pytest.mark.parametrize("name", ["worker", "dag-processor", "triggerer"])
def test_whoever_calls_for_a_task_reads_the_topology_and_reaches_the_ticketing_system(
    compose: dict[str, Any], name: str
) -> None:
    """A worker calls for its tasks, the DAG processor for runs and the tasks of a lost worker; triggers call too."""
    service = compose["services"][name]
    mounted = sources(service)
    assert mounted[service["environment"]["INFOMART_DR_TOPOLOGY"]] == "./deploy/topology"
    assert mounted["/lab"] == "lab", "the lab's topology and connections"
    assert "connections.json" in service["secrets"]
    reached = networks(compose["services"], name)
    assert not all((compose["networks"][each] or {}).get("internal") for each in reached)


def test_the_dag_processor_does_not_lose_its_network_with_the_worker(compose: dict[str, Any]) -> None:
    assert "network_mode" not in compose["services"]["dag-processor"]
    assert "worker" not in compose["services"]["dag-processor"]["depends_on"]


def test_the_web_interface_is_published_on_loopback_unless_somebody_says_otherwise(compose: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published == {"api-server": ["127.0.0.1:8080:8080"]}


def test_the_settings_are_airflows(compose: dict[str, Any]) -> None:
    """Airflow ignores a misspelt section or option silently."""
    from airflow.configuration import conf

    # Of a provider: known when it is installed.
    others = {"celery", "fab", "infomart_dr"}
    for name in AIRFLOW:
        for setting in compose["services"][name]["environment"]:
            if not setting.startswith("AIRFLOW__"):
                continue
            section, option = setting.removeprefix("AIRFLOW__").lower().split("__", 1)
            if section in others:
                continue
            known = conf.configuration_description[section]["options"]
            assert option.removesuffix("_cmd") in known, setting
            if option.endswith("_cmd"):
                assert known[option.removesuffix("_cmd")].get("sensitive"), f"{setting}: no _CMD is read"


def test_the_oracle_profile_says_that_no_test_runs_it() -> None:
    for file in (FILE, *(DEPLOY / "oracle").iterdir()):
        assert "NOT RUN BY THIS PROJECT'S TESTS" in file.read_text(), file


# -- Dockerfiles -----------------------------------------------------------------------------------


def instructions(text: str) -> list[tuple[str, str]]:
    """Instructions of a Dockerfile with their arguments; comments left out, continued lines joined."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\s*\n", " ", "\n".join(lines))
    return [(words[0].upper(), words[1]) for line in joined.splitlines() if len(words := line.split(None, 1)) == 2]


def lint(text: str) -> list[str]:
    """Faults of a Dockerfile."""
    found, stages, user = [], set(), ""
    parsed = instructions(text)
    for name, argument in parsed:
        if name == "FROM":
            image, _, stage = argument.partition(" AS ")
            if image not in stages and not re.search(r":\d+(\.\d+)+", image):
                found.append(f"{image} is not pinned to a version")
            stages.add(stage or image)
        elif name == "USER":
            user = argument.split(":")[0]
        elif name == "ADD":
            found.append("ADD fetches and unpacks: COPY")
        elif name == "RUN" and "pip install" in argument and "--constraint constraints/constraints.txt" not in argument:
            found.append(f"not from the constraints file: {argument[:60]}")
        elif name in ("ENV", "ARG") and re.search(r"(?i)password|secret|token", argument):
            found.append(f"{name} may hold a secret: {argument[:60]}")
        elif name == "RUN" and re.search(r"\bsudo\b", argument):
            found.append(f"sudo: {argument[:60]}")
        elif name == "RUN" and re.search(r"curl|wget", argument) and "sha256sum --check" not in argument:
            found.append(f"fetched without a checksum: {argument[:60]}")
        elif name in ("CMD", "ENTRYPOINT") and not argument.startswith("["):
            found.append(f"{name} runs in a shell, which keeps signals from the program")
    if user in ("", "root", "0"):
        found.append("the image runs as root")
    return found


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_dockerfile_is_pinned_not_root_and_from_the_constraints(file: Path) -> None:
    assert lint(file.read_text()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM python:latest\nUSER airflow", "not pinned"),
        ("FROM python\nUSER airflow", "not pinned"),
        ("FROM python:3.11.14\nRUN true", "runs as root"),
        ("FROM python:3.11.14\nUSER airflow\nUSER root", "runs as root"),
        ("FROM python:3.11.14\nRUN pip install \\\n  airflow\nUSER a", "not from the constraints"),
        ("FROM python:3.11.14\nENV PASSWORD=x\nUSER a", "may hold a secret"),
        ("FROM python:3.11.14\nRUN curl -o x https://x.example/x\nUSER a", "without a checksum"),
        ("FROM python:3.11.14\nUSER a\nCMD airflow version", "in a shell"),
    ],
)
def test_each_rule_for_dockerfiles_finds_its_fault(text: str, expected: str) -> None:
    assert any(expected in each for each in lint(text))


def test_every_stage_of_the_image_ends_without_root_and_what_it_copies_is_sent_to_the_builder() -> None:
    parsed = instructions((ROOT / "Dockerfile").read_text())
    users: list[str] = []
    for name, argument in parsed:
        if name == "FROM":
            users.append("airflow" if argument in ("airflow", "airflow AS lab") else "")
        elif name == "USER":
            users[-1] = argument
    assert set(users) == {"airflow"}
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source.removeprefix("./")
        for name, argument in parsed
        if name == "COPY"
        for source in argument.split()[:-1]
        if not source.startswith("--")
    }
    assert copied <= sent
    assert all((ROOT / name).exists() for name in sent)


def test_secrets_are_neither_sent_to_the_builder_nor_committed() -> None:
    assert "deploy/secrets" in (ROOT / ".dockerignore").read_text().splitlines()
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


# -- scripts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", sorted(DEPLOY.rglob("*.sh")), ids=lambda file: file.name)
def test_a_script_is_right_for_bash(file: Path) -> None:
    subprocess.run(["bash", "-n", str(file)], check=True, timeout=20)
    assert "set -euo pipefail" in file.read_text()


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"

    def make() -> str:
        words = ["bash", str(DEPLOY / "make-secrets.sh"), str(folder)]
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout

    first = make()
    files = {file.name: file.read_text() for file in folder.iterdir()}
    declared = {Path(secret["file"]).name for secret in load()["secrets"].values()}
    # Without ssh-keygen there is no public key: it belongs to the key that somebody puts there.
    assert declared - {"ssh_key.pub"} <= set(files)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    # Oracle's image reads these as a user of its own; the folder is closed to all others.
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert {name: mode for name, mode in modes.items() if mode != 0o600 and name != "ssh_key.pub"} == {
        "oracle_pwd": 0o644
    }
    assert modes.get("ssh_key.pub", 0o644) == 0o644
    values = [value for name, value in files.items() if name not in ("connections.json", "ssh_key.pub")]
    assert len(set(values)) == len(values)
    assert all(value not in first for value in values if value)
    assert f":{files['postgres_password']}@postgres:5432/" in files["sql_alchemy_conn"]
    assert make() == "" or not shutil.which("ssh-keygen")
    assert {file.name: file.read_text() for file in folder.iterdir()} == files


def test_the_fernet_key_that_is_made_is_one(tmp_path: Path) -> None:
    from cryptography.fernet import Fernet

    words = ["bash", str(DEPLOY / "make-secrets.sh"), str(tmp_path / "secrets")]
    subprocess.run(words, capture_output=True, check=True, timeout=60)
    Fernet((tmp_path / "secrets" / "fernet_key").read_text())


class _Health(BaseHTTPRequestHandler):
    states: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        body = json.dumps(self.states).encode()
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Health) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def health(*words: str) -> int:
    return subprocess.run(
        [sys.executable, str(DEPLOY / "health.py"), *words], capture_output=True, timeout=30, check=False
    ).returncode


def test_the_http_health_check_believes_only_a_healthy_answer(server: str) -> None:
    _Health.states = {"scheduler": {"status": "healthy"}, "metadatabase": {"status": "unhealthy"}, "triggerer": None}
    assert health(f"{server}/health", "scheduler") == 0
    assert health(f"{server}/health") == 0
    for component in ("metadatabase", "triggerer", "nothing"):
        assert health(f"{server}/health", component) == 1
    assert health(f"{server}/elsewhere", "scheduler") == 1
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        assert health(f"http://127.0.0.1:{probe.getsockname()[1]}/health") == 1


def test_variables_are_replaced_as_compose_does_it() -> None:
    assert interpolate("${A:-1}:$${HOME} ${B:-}", {"A": "2"}) == "2:${HOME} "
    with pytest.raises(ValueError, match="no default"):
        interpolate("${C}", {})
