"""A ticketing system at the REST interface of a real Airflow: its requests, its messages, and a whole transfer."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator

from infomart_lab import airflow_part, lca
from infomart_lab.airflow_api import Airflow
from infomart_lab.config import DataSource, LabConfig, Site, set_fault
from infomart_lab.demo import report
from infomart_lab.postgres import connect
from tests.http_receiver import Answer, Receiver, Request

from . import secrets_scan
from .conftest import assert_clean, judge
from .killings import Killed, jobs_started, kill_processes, replace_triggerer, worker_runs

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tickets.md"
SCHEMA = ROOT / "docs" / "api" / "infomart-dr.openapi.yaml"

pytestmark = pytest.mark.lab
AIRFLOW = True
SCALE = 100
RATE = 2.0
#: One site serves; the other is new.
SITES = {"site1": Site(name="site1", server_running=True), "site2": Site(name="site2", info_mart=False)}
DATA_SOURCES = [DataSource(name="TS1", key=101, site="site1", idb_sites=["site1"])]
DAG = "infomart_reaggregate"
RUNS = f"/api/v2/dags/{DAG}/dagRuns"
#: Seconds until the process of a waiting step is gone and the scheduler knows it. An earlier answer may be lost.
PARKED = 8


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """The ticketing system."""
    with Receiver() as found:
        yield found


@pytest.fixture(scope="module")
def client(lab: LabConfig, airflow_port: int, receiver: Receiver) -> Iterator[httpx.Client]:
    """A plain HTTP client with a token; the topology tells the receiver."""
    with Airflow(lab, airflow_port) as airflow:
        airflow.login()
        airflow.wait_for_dag(DAG)
        fields = {"connection_id": "tickets", "conn_type": "http", "schema": "http", "host": "127.0.0.1"}
        airflow.call("POST", "/connections", json={**fields, "port": receiver.port})
    change(lab, tickets={"backend": "webhook", "connection": "tickets", "timeout": 2, "limit": 5})
    user, password = airflow_part.credentials(lab)
    with httpx.Client(base_url=f"http://{lab.address}:{airflow_port}", timeout=60) as found:
        token = found.post("/auth/token", json={"username": user, "password": password})
        assert token.status_code == 201
        found.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        yield found


def change(config: LabConfig, *, backend: str = "", tickets: dict[str, Any] | None = None) -> None:
    """Change the topology: the configuration backend of site1, or where messages go."""
    file = config.home / "topology.yaml"
    document = yaml.safe_load(file.read_text())
    if tickets is not None:
        document["tickets"] = tickets
    if backend:
        document["sites"]["site1"]["configuration"]["backend"] = backend
    fresh = file.with_suffix(".changed")
    fresh.write_text(yaml.safe_dump(document))
    fresh.replace(file)


def start(client: httpx.Client, ticket: str, conf: dict[str, Any] | None = None) -> httpx.Response:
    """Start a run. The lab's Airflow on SQLite answers 500 while a task starts, and then has done nothing."""
    asked = {"failure_time": f"{datetime.now(UTC) - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}", **(conf or {})}
    for _ in range(5):
        answer = client.post(RUNS, json={"dag_run_id": ticket, "logical_date": None, "conf": asked})
        if answer.status_code != 500:
            break
        time.sleep(2)
    return answer


def until(condition: Callable[[], Any], what: str, seconds: float = 200) -> Any:
    """Value of a condition, as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.3)
    return found


def ended(client: httpx.Client, ticket: str) -> str:
    """State of a run, once it has ended."""

    def state() -> str | None:
        try:
            found = client.get(f"{RUNS}/{ticket}").json()["state"]
        except httpx.TimeoutException:
            # The machine is loaded: ask again.
            return None
        return found if found in ("success", "failed") else None

    return until(state, f"the end of {ticket}")


def told(receiver: Receiver, ticket: str) -> list[dict[str, Any]]:
    """Messages of a ticket, each once."""
    return list({body["key"]: body for body in receiver.bodies() if body["ticket"] == ticket}.values())


def has_ledger(config: LabConfig) -> bool:
    with connect(config, "site1", "gim") as conn:
        row = conn.execute("select to_regclass('ggate.dr_ledger')").fetchone()
        return row is not None and row[0] is not None


def noted(config: LabConfig, plan: str) -> list[tuple[str, str]]:
    """Facts of a plan; the first run that records one, or the first survey, makes the table."""
    if not has_ledger(config):
        return []
    with connect(config, "site1", "gim") as conn:
        return conn.execute("select name, value from ggate.dr_ledger where plan_id = %s", (plan,)).fetchall()


def waits(config: LabConfig, ticket: str) -> int:
    """Number of messages that wait for a ticket."""
    return sum(f'"ticket":"{ticket}"' in value for _, value in noted(config, "(tickets)"))


def log(client: httpx.Client, ticket: str, task: str) -> str:
    return client.get(f"{RUNS}/{ticket}/taskInstances/{task}/logs/1", params={"full_content": True}).text


def blocks(language: str) -> list[str]:
    """Blocks of a language in the document's examples."""
    section = PAGE.read_text().split("\n## Example\n")[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def environment(lab: LabConfig, airflow_port: int) -> dict[str, str]:
    user, password = airflow_part.credentials(lab)
    address = f"http://{lab.address}:{airflow_port}"
    return {**os.environ, "AIRFLOW": address, "AIRFLOW_USER": user, "AIRFLOW_PASSWORD": password}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_documents_examples_run_as_they_stand_and_the_ticket_gets_the_start_the_chapter_and_the_end(
    lab: LabConfig, client: httpx.Client, receiver: Receiver, environment: dict[str, str]
) -> None:
    run = {**environment, "TICKET": "INC0000001"}
    script = "set -eu\n" + "\n".join(blocks("sh"))
    done = subprocess.run(["bash", "-c", script], env=run, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^200\n(queued|running)$", done.stdout, re.MULTILINE), done.stdout

    messages = until(lambda: (each := told(receiver, "INC0000001"))[-1:] and each[-1]["event"] == "ended" and each, "")
    assert [(each["event"], each["chapter"], each["state"]) for each in messages] == [
        ("started", None, None),
        ("chapter", "re_aggregate", None),
        ("ended", None, "success"),
    ]
    assert messages[0]["requested_by"] == airflow_part.USER
    assert "Reason: figures of Monday are wrong." in messages[0]["text"]
    assert "check_request: requested:" in messages[-1]["text"]
    assert messages[-1]["link"] == f"{client.base_url}/dags/{DAG}/runs/INC0000001"
    document = yaml.safe_load(SCHEMA.read_text())
    schema = Draft202012Validator(
        {**document["components"]["schemas"]["Message"], "components": document["components"]}
    )
    for body in receiver.bodies():
        schema.validate(body)
    keys = {request.headers["Idempotency-Key"] for request in receiver.requests}
    assert keys == {body["key"] for body in receiver.bodies()}

    (request,) = [value for name, value in noted(lab, "INC0000001") if name.startswith("requested ")]
    assert f'"requester": "{airflow_part.USER}"' in request and "figures of Monday" in request


@pytest.mark.timeout(300)
def test_a_second_start_is_refused_with_409_and_the_run_is_there_to_be_read(client: httpx.Client) -> None:
    assert start(client, "INC0000002", {"source": "site9"}).status_code == 200
    assert start(client, "INC0000002", {"source": "site9"}).status_code == 409
    assert client.get(f"{RUNS}/INC0000002").json()["triggering_user_name"] == airflow_part.USER
    assert ended(client, "INC0000002") == "failed"
    assert start(client, "INC0000002").status_code == 409
    assert client.get(f"{RUNS}/INC0000002").json()["state"] == "failed"


@pytest.mark.timeout(300)
def test_a_failure_is_reported_with_the_reason_and_what_to_do_next(client: httpx.Client, receiver: Receiver) -> None:
    assert start(client, "INC0000003.2", {"source": "site9"}).status_code == 200
    assert ended(client, "INC0000003.2") == "failed"
    messages = until(lambda: len(each := told(receiver, "INC0000003")) == 3 and each, "three messages")
    started, failure, end = messages
    assert [each["event"] for each in messages] == ["started", "failed", "ended"]
    assert started["run_id"] == "INC0000003.2"
    assert failure["task_id"] == "take_lock"
    assert failure["reason"].startswith("Deployment lab has no site 'site9'")
    assert failure["next_step"].startswith("Start a new run with one of: site1, site2")
    assert end["state"] == "failed" and "Failed: take_lock." in end["text"]


@pytest.mark.timeout(300)
def test_wrong_requests_are_refused_and_nothing_is_started(lab: LabConfig, client: httpx.Client) -> None:
    wrong = start(client, "INC0000004", {"source": "Site 1; rm -rf /"})
    assert wrong.status_code == 400 and "source" in str(wrong.json()["detail"])
    assert start(client, "INC 4").status_code in (400, 422)
    assert client.post(RUNS, json={"dag_run_id": "INC0000004", "conf": {}}).status_code == 422
    assert client.post(RUNS.replace(DAG, "infomart_nothing"), json={"logical_date": None}).status_code == 404
    assert client.get(f"{RUNS}/INC0000004").status_code == 404
    stranger = {"Authorization": "Bearer nonsense"}
    assert client.post(RUNS, json={"logical_date": None}, headers=stranger).status_code in (401, 403)
    login = {"username": airflow_part.USER, "password": "wrong"}
    assert client.post("/auth/token", json=login).status_code == 401


@pytest.mark.timeout(300)
def test_an_unknown_key_of_conf_is_refused_by_the_first_task_before_anything_is_touched(
    lab: LabConfig, client: httpx.Client, receiver: Receiver
) -> None:
    assert start(client, "INC0000005", {"soorce": "site1"}).status_code == 200
    assert ended(client, "INC0000005") == "failed"
    said = log(client, "INC0000005", "take_lock")
    assert (
        "'soorce' is not a parameter of this DAG (nearest: 'source'). Its parameters: deployment, failure_time" in said
    )
    assert "observe:" not in said
    tasks = client.get(f"{RUNS}/INC0000005/taskInstances").json()["task_instances"]
    assert {task["task_id"]: task["try_number"] for task in tasks}["take_lock"] == 1
    messages = until(lambda: len(each := told(receiver, "INC0000005")) == 2 and each, "two messages")
    assert [each["event"] for each in messages] == ["failed", "ended"]
    assert "nearest: 'source'" in messages[0]["reason"]
    assert noted(lab, "INC0000005") == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_step_that_waits_for_a_person_reports_its_form_and_is_answered_over_rest(
    lab: LabConfig, client: httpx.Client, receiver: Receiver
) -> None:
    change(lab, backend="manual")
    try:
        assert start(client, "INC0000006").status_code == 200
        asked = f"{RUNS}/INC0000006/hitlDetails"
        (gate,) = until(
            lambda: client.get(asked, params={"response_received": False}).json()["hitl_details"], "a person is asked"
        )
        task = gate["task_instance"]["task_id"]
        assert gate["options"] == ["Done", "Not possible"]
        waiting = until(lambda: told(receiver, "INC0000006")[1:], "the message")[0]
        assert (waiting["event"], waiting["task_id"]) == ("waiting", task)
        page = waiting["link"].removeprefix(str(client.base_url))
        assert page == f"/dags/{DAG}/runs/INC0000006/tasks/{task}/required_actions?map_index=-1"
        assert client.get(page).status_code == 200

        answer = f"{RUNS}/INC0000006/taskInstances/{task}/-1/hitlDetails"
        assert client.patch(answer, json={"chosen_options": ["Maybe"], "params_input": {}}).status_code == 400
        refusal = {"chosen_options": ["Not possible"], "params_input": {}}
        assert client.patch(answer, json=refusal).status_code == 200
        assert client.patch(answer, json=refusal).status_code == 409

        def answered_whenever_asked() -> Any:
            # The answer above may have come too early and be lost. Repeated losses would use up the tries.
            if client.get(asked, params={"response_received": False}).json()["hitl_details"]:
                time.sleep(PARKED)
                assert client.patch(answer, json=refusal).status_code == 200
            return client.get(f"{RUNS}/INC0000006").json()["state"] in ("success", "failed")

        until(answered_whenever_asked, "the end")
        assert ended(client, "INC0000006") == "failed"
        until(lambda: "ended" in [each["event"] for each in told(receiver, "INC0000006")], "the last message")
        messages = told(receiver, "INC0000006")
        events = [each["event"] for each in messages]
        assert (events[0], events[-2:], set(events[1:-2])) == ("started", ["failed", "ended"], {"waiting"})
        tries = [each["try_number"] for each in messages[1:-2]]
        assert tries == list(range(1, len(tries) + 1)), "each form is told once"
        assert "the person answered that it is not possible" in messages[-2]["reason"]
    finally:
        change(lab, backend="gax")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_ticketing_system_that_is_silent_or_refuses_costs_a_run_its_limit_and_nothing_else(
    lab: LabConfig, client: httpx.Client, receiver: Receiver
) -> None:
    before = receiver.decide
    change(lab, tickets={"backend": "webhook", "connection": "tickets", "timeout": 1, "limit": 2})
    try:
        receiver.decide = lambda request: Answer(slow=30)
        assert start(client, "INC0000007").status_code == 200
        assert ended(client, "INC0000007") == "success"
        assert log(client, "INC0000007", "take_lock").count("Ticket message not sent (begins)") == 1
        receiver.decide = lambda request: Answer(400)
        assert start(client, "INC0000008").status_code == 200
        assert ended(client, "INC0000008") == "success"
        assert "HTTP 400" in log(client, "INC0000008", "take_lock")
    finally:
        receiver.decide = before
        change(lab, tickets={"backend": "webhook", "connection": "tickets", "timeout": 2, "limit": 5})


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_cleared_run_reports_its_start_and_chapter_only_once(
    lab: LabConfig, client: httpx.Client, receiver: Receiver
) -> None:
    assert start(client, "INC0000009").status_code == 200
    assert ended(client, "INC0000009") == "success"
    until(lambda: len(told(receiver, "INC0000009")) == 3, "three messages")
    again = {"dry_run": False, "dag_run_id": "INC0000009", "only_failed": False, "reset_dag_runs": True}
    assert client.post(f"/api/v2/dags/{DAG}/clearTaskInstances", json=again).status_code == 200
    until(lambda: len(told(receiver, "INC0000009")) == 4, "the second end")
    assert [each["event"] for each in told(receiver, "INC0000009")] == ["started", "chapter", "ended", "ended"]


@pytest.fixture
def watching(lab: LabConfig, client: httpx.Client) -> Iterator[Callable[[], None]]:
    """infomart_watch, switched on; a call makes one more survey."""
    dag = "/api/v2/dags/infomart_watch"
    until(lambda: client.patch(dag, json={"is_paused": False}).is_success, "infomart_watch")

    def look() -> None:
        assert client.post(f"{dag}/dagRuns", json={"logical_date": None}).status_code == 200

    look()
    until(lambda: has_ledger(lab), "the first look")
    yield look
    client.patch(dag, json={"is_paused": True})


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_watching_sends_once_and_in_order_what_could_not_be_sent_to_a_ticket(
    lab: LabConfig, client: httpx.Client, receiver: Receiver, watching: Callable[[], None]
) -> None:
    before = receiver.decide
    change(lab, backend="manual", tickets={"backend": "webhook", "connection": "tickets", "timeout": 1, "limit": 2})
    try:
        receiver.decide = lambda request: Answer(503)
        assert start(client, "INC0000010").status_code == 200
        asked = f"{RUNS}/INC0000010/hitlDetails"
        (gate,) = until(
            lambda: client.get(asked, params={"response_received": False}).json()["hitl_details"], "a person is asked"
        )
        task = gate["task_instance"]["task_id"]
        until(lambda: waits(lab, "INC0000010") == 2, "two messages that wait")
        assert "Kept in DR_LEDGER at site1: infomart_watch will send it." in log(client, "INC0000010", "take_lock")
        refused = {request.body["key"]: request.body for request in receiver.requests if request.body}

        receiver.decide = before
        receiver.requests.clear()
        watching()
        messages = until(lambda: len(each := told(receiver, "INC0000010")) == 2 and each, "both messages")
        assert [(each["event"], each["task_id"]) for each in messages] == [("started", None), ("waiting", task)]
        assert messages[0] == refused[messages[0]["key"]], "as it would have been told then, with its own time"
        until(lambda: waits(lab, "INC0000010") == 0, "what was told is forgotten")

        answer = f"{RUNS}/INC0000010/taskInstances/{task}/-1/hitlDetails"
        time.sleep(PARKED)
        refusal = {"chosen_options": ["Not possible"], "params_input": {}}
        assert client.patch(answer, json=refusal).status_code == 200
        assert ended(client, "INC0000010") == "failed"
        until(lambda: len(told(receiver, "INC0000010")) == 4, "four messages")
        keys = [body["key"] for body in receiver.bodies() if body["ticket"] == "INC0000010"]
        assert len(keys) == len(set(keys)) == 4, "each once"
    finally:
        receiver.decide = before
        change(lab, backend="gax", tickets={"backend": "webhook", "connection": "tickets", "timeout": 2, "limit": 5})


class Records:
    """ServiceNow's Table API, with a record of each number."""

    def __init__(self) -> None:
        self.notes: dict[str, list[str]] = defaultdict(list)

    def __call__(self, request: Request) -> Answer:
        if request.method == "PATCH":
            self.notes[request.path.rpartition("/")[2]].append(request.body["work_notes"])
            return Answer(body={"result": {}})
        number = request.path.partition("number%3D")[2].partition("&")[0]
        return Answer(body={"result": [{"sys_id": number, "work_notes": "\n\n".join(self.notes[number])}]})


@contextmanager
def silent_listener(client: httpx.Client, connection: str) -> Iterator[None]:
    """An Airflow connection to a listener that accepts and never answers."""
    address = f"/api/v2/connections/{connection}"
    there = client.get(address).json()

    def change_port(port: int) -> None:
        body = {"connection_id": connection, "conn_type": there["conn_type"], "port": port}
        assert client.patch(address, params={"update_mask": "port"}, json=body).status_code == 200

    with socket.create_server(("127.0.0.1", 0)) as silent:
        change_port(silent.getsockname()[1])
        try:
            yield
        finally:
            change_port(there["port"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_end_of_a_run_whose_last_step_was_killed_is_reported_by_the_dag_processor(
    lab: LabConfig, client: httpx.Client, receiver: Receiver
) -> None:
    before, records = receiver.decide, Records()
    change(lab, tickets={"backend": "servicenow", "connection": "tickets", "timeout": 2, "limit": 5})
    receiver.decide = records
    runs = "/api/v2/dags/infomart_purge_guard/dagRuns"
    idb = yaml.safe_load((lab.home / "topology.yaml").read_text())["sites"]["site1"]["idbs"][0]["connection"]
    try:
        with silent_listener(client, idb):
            asked = {"dag_run_id": "INC0000011", "logical_date": None}
            until(lambda: client.post(runs, json=asked).is_success, "infomart_purge_guard")

            def process() -> int | None:
                task = client.get(f"{runs}/INC0000011/taskInstances/enforce_holds/0")
                return task.json()["pid"] if task.is_success and task.json()["state"] == "running" else None

            os.kill(until(process, "the step runs"), signal.SIGKILL)
            until(lambda: client.get(f"{runs}/INC0000011").json()["state"] == "failed", "the run has failed")
        first, end = until(lambda: len(each := records.notes["INC0000011"]) == 2 and each, "the end")
        assert "Started: " in first
        assert "Ended: failed" in end and "Failed: enforce_holds." in end
    finally:
        receiver.decide = before
        change(lab, tickets={"backend": "webhook", "connection": "tickets", "timeout": 2, "limit": 5})


@pytest.mark.timeout(900)
def test_a_transfer_whose_client_and_triggerer_are_killed_goes_on_and_shows_no_secret(
    lab: LabConfig, client: httpx.Client, airflow_port: int, receiver: Receiver
) -> None:
    wanted = secrets_scan.secrets(lab)
    looking = secrets_scan.ProcessList(wanted)
    looking.start()
    # Long enough to be killed while they work, and for a step to wait in the triggerer.
    set_fault(lab, "site1.expdp.slow", 15)
    set_fault(lab, "site2.impdp.slow", 25)

    def expdp() -> bool:
        return worker_runs(lab, "site1") and kill_processes(lab, "site1/db", "datapump.expdp", "wrapper.")

    def triggerer() -> bool:
        waiting = (run.task("run_impdp") or {}).get("state") == "deferred"
        return waiting and replace_triggerer(lab)

    with Airflow(lab, airflow_port) as airflow:
        airflow.login()
        killings = {"run_expdp": expdp, "run_impdp": triggerer}
        run = Killed(airflow, "INC0000012", killings, dag_id="infomart_database_transfer")
        airflow.trigger(run.dag_id, run.run_id, {"reason": "rehearsal"})
        run.wait(lambda: None, seconds=700)
        assert run.state == "success", run.failures()
        assert sorted(run.done) == ["run_expdp", "run_impdp"]
        assert run.went_on("run_expdp")
    looking.stop()
    assert jobs_started(lab, "site1", "GIM_EXP") == jobs_started(lab, "site2", "GIM_IMP") == 1
    content = report(run, "transfer", {})
    assert content["rows"]["exported"] == content["rows"]["imported"] > 0
    events = [each["event"] for each in told(receiver, run.run_id)]
    assert (events[0], events[-1]) == ("started", "ended")
    assert lca.status(lab, "site1") == "Running"
    assert_clean(judge(lab, "site1"))

    assert looking.looks > 100
    assert looking.found == set()
    assert secrets_scan.in_files(lab, wanted) == []
    assert secrets_scan.in_database(lab, wanted) == []
