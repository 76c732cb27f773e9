"""The lab's Airflow: where it is, who may use it, and its settings."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from infomart_lab.config import LabConfig

DEFAULT_PORT = 8080
#: The checkout, from which the DAG files and the package are taken.
ROOT = Path(__file__).resolve().parents[2]
USER = "admin"
#: The part that serves the web interface.
API_SERVER = "airflow-api-server"
#: Variables with the schedules of the DAGs that change nothing; unset in a lab.
LOOKING_SCHEDULES = ("AIRFLOW__INFOMART_DR__WATCH_SCHEDULE", "AIRFLOW__INFOMART_DR__READINESS_SCHEDULE")


def home(config: LabConfig) -> Path:
    """AIRFLOW_HOME."""
    return config.home / "airflow"


def url(config: LabConfig, port: int = DEFAULT_PORT) -> str:
    """Address of the web interface and of the REST API."""
    return f"http://{config.address}:{port}"


def password_file(config: LabConfig) -> Path:
    """Where the password is."""
    return home(config) / "simple_auth_manager_passwords.json"


def credentials(config: LabConfig) -> tuple[str, str]:
    """User and password of the web interface and of the REST API; the password is created once for each lab."""
    file = password_file(config)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            json.dump({USER: secrets.token_urlsafe(12)}, stream)
    return USER, json.loads(file.read_text())[USER]


def _secret(folder: Path, name: str) -> str:
    """A secret that the parts of an Airflow share; created once."""
    file = folder / f"{name}.secret"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            # Fernet needs 32 bytes in base64; the other secrets take the same.
            stream.write(secrets.token_urlsafe(32) + "=")
    return file.read_text()


def environment(config: LabConfig, port: int = DEFAULT_PORT, folder: Path | None = None) -> dict[str, str]:
    """Airflow's settings for the lab.

    :param folder: AIRFLOW_HOME of another Airflow than the lab's own; the user is the same.
    """
    folder = folder or home(config)
    return {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__FERNET_KEY": _secret(folder, "fernet"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url(config, port)}/execution/",
        # This Airflow asks for a login, whatever the caller's environment says.
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(password_file(config)),
        # SQLite has one writer at a time. A request may wait behind tasks and the guard for longer than the default of
        # 5 s.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}?timeout=30",
        "AIRFLOW__API__HOST": config.address,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__DEFAULT_WRAP": "True",
        "AIRFLOW__API__BASE_URL": url(config, port),
        "AIRFLOW__API__SECRET_KEY": _secret(folder, "api"),
        "AIRFLOW__API_AUTH__JWT_SECRET": _secret(folder, "jwt"),
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "60",
        # A changed DAG file is read at once. Each reading is a process that imports everything: seconds of a processor.
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC": "2",
        # The scheduler may notice the end of a step's process this much later; an answer to its gate in that time is
        # lost.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
        # A triggerer that was killed is replaced in seconds.
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
        "AIRFLOW__TRIGGERER__TRIGGER_LOG_SERVER_PORT": str(port + 1),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(port + 2),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(port + 1),
        "AIRFLOW__LOGGING__HOSTNAME_CALLABLE": "socket.gethostname",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "infomart_lab.airflow_part.hostname",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__INFOMART_DR__RETRY_DELAY": "2",
        # Every DAG is unpaused here. Those that only check run when triggered, or by the schedule of the environment.
        **{name: os.environ.get(name, "none") for name in LOOKING_SCHEDULES},
        "INFOMART_DR_TOPOLOGY": str(config.home / "topology.yaml"),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT / "lab")]),
        "PYTHONWARNINGS": "ignore::SyntaxWarning",
        # Unbuffered logs, so that a crash leaves its last words.
        "PYTHONUNBUFFERED": "1",
    }


def hostname() -> str:
    """Airflow's parts find each other on loopback."""
    return "127.0.0.1"
