"""Wrong passwords, hosts and keys end at once with one readable error; the procedures one by one, with faults."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from infomart_dr.errors import (
    CredentialsError,
    GuardError,
    InfoMartError,
    TopologyError,
    UnreachableError,
)
from infomart_dr.hooks.oracle import OracleCredentials, OracleUnreachable
from infomart_lab.config import LabConfig, set_fault

from .conftest import assert_clean, damage, judge
from .driver import Procedure, connections

pytestmark = pytest.mark.lab
#: An index that the import leaves out, as it does when its tablespace is full.
INDEX = "I_IF_SDT"
#: Not the lab's secret, but one of the connection: no message may show it.
WRONG = "wr0ng-Passw0rd-of-this-test"


# -- what is wrong with connections ------------------------------------------------------------------


@contextmanager
def connection(name: str, **changes: Any) -> Iterator[None]:
    """Change fields of an Airflow connection, ``extra_<field>`` for those of ``extra``; without fields, remove it."""
    variable = f"AIRFLOW_CONN_{name.upper()}"
    before = os.environ.pop(variable)
    fields = json.loads(before)
    extra = json.loads(fields.get("extra") or "{}")
    for field, value in changes.items():
        if field.startswith("extra_"):
            extra[field.removeprefix("extra_")] = value
        else:
            fields[field] = value
    fields["extra"] = json.dumps(extra)
    if changes:
        os.environ[variable] = json.dumps(fields)
    try:
        yield
    finally:
        os.environ[variable] = before


@contextmanager
def topology(change: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Change the topology file."""
    file = Path(os.environ["INFOMART_DR_TOPOLOGY"])
    before = file.read_text()
    document = yaml.safe_load(before)
    change(document)
    file.write_text(yaml.safe_dump(document))
    try:
        yield
    finally:
        file.write_text(before)


@contextmanager
def switched_on(lab: LabConfig, fault: str, value: object = True) -> Iterator[None]:
    """Switch a fault of the lab on for a while."""
    set_fault(lab, fault, value)
    try:
        yield
    finally:
        set_fault(lab, fault, None)


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture(scope="module")
def connected(lab: LabConfig) -> Iterator[LabConfig]:
    """The lab, its connections in the environment."""
    with connections(lab):
        yield lab


@pytest.fixture
def locked(connected: LabConfig) -> Iterator[LabConfig]:
    """The run of :func:`refused` holds the lock, as it would at that step."""
    run = Procedure(plan="wrong")
    run.step(run.dag.get_task("take_lock"))
    yield connected
    run.step(run.dag.get_task("release_lock"))


def refused(lab: LabConfig, task_id: str, kind: type[InfoMartError], *words: str) -> InfoMartError:
    """A step ends within seconds with one typed error: what was found, what to do next, and no secret."""
    run = Procedure(plan="wrong", retries=0)
    begin = time.monotonic()
    with pytest.raises(kind) as caught:
        run.step(run.dag.get_task(task_id))
    seconds = time.monotonic() - begin
    error = caught.value
    assert seconds < 20, f"{seconds:.1f} s: {error}"
    assert error.what and error.next_step
    text = str(error)
    print(text)
    for word in words:
        assert word in text, text
    told = text + "\n".join(run.logs[task_id].lines)
    private_key = (lab.home / "operator_key").read_text().splitlines()
    secrets = {password for users in lab.passwords.values() for password in users.values()}
    assert not [secret for secret in (*secrets, WRONG, *private_key[1:-1]) if secret in told]
    assert "Traceback" not in text and len(text) < 1500
    return error


def test_a_wrong_oracle_password(locked: LabConfig) -> None:
    with connection("oracle_site2_ggate", password=WRONG):
        error = refused(locked, "take_lock", OracleCredentials, "oracle_site2_ggate", "ORA-01017", "password")
    assert not error.retryable  # retries would lock the account


def test_a_wrong_service_name(locked: LabConfig) -> None:
    with connection("oracle_site2_ggate", extra_service_name="GIM9"):
        refused(locked, "take_lock", OracleUnreachable, "oracle_site2_ggate", "GIM9", "service_name")


def test_an_oracle_listener_that_is_away(locked: LabConfig) -> None:
    with closed_port() as port, connection("oracle_site2_ggate", port=port):
        refused(locked, "take_lock", OracleUnreachable, "oracle_site2_ggate", str(port), "lsnrctl status")


def test_an_oracle_listener_that_accepts_and_never_answers(locked: LabConfig) -> None:
    with silent_port() as port, connection("oracle_site2_ggate", port=port):
        refused(locked, "take_lock", OracleUnreachable, "oracle_site2_ggate", str(port), "no answer within")


@pytest.mark.parametrize(
    ("name", "task_id"),
    [
        ("oracle_site2_ggate", "take_lock"),
        ("oracle_site3_idb", "hold_idb_purging"),
        ("ssh_site2_db", "capture_at_source.remove_old_replication"),
        ("gax_site2", "export_database.hold_scheduler"),
        ("management_site2", "export_database.stop_info_mart_server"),
        ("oracle_site2_dba", "export_database.check_export_space"),
    ],
)
def test_a_connection_that_airflow_does_not_have(locked: LabConfig, name: str, task_id: str) -> None:
    with connection(name):
        refused(locked, task_id, TopologyError, name, "Add")


def test_a_host_key_that_is_not_known(locked: LabConfig) -> None:
    from infomart_lab import host

    other = host.host_key_line(locked, "site3", "db")
    with connection("ssh_site2_db", extra_host_key=other):
        refused(
            locked,
            "capture_at_source.remove_old_replication",
            CredentialsError,
            "ssh_site2_db",
            "host key",
            "found",
            "expected",
            "ssh-keygen",
        )


def test_an_ssh_user_who_is_refused(locked: LabConfig) -> None:
    with connection("ssh_site2_db", login="nobody"):
        refused(locked, "capture_at_source.remove_old_replication", CredentialsError, "nobody", "authorized_keys")


def test_a_host_that_cannot_be_reached(locked: LabConfig) -> None:
    with closed_port() as port, connection("ssh_site2_db", port=port):
        refused(locked, "capture_at_source.remove_old_replication", UnreachableError, "ssh_site2_db", "sshd")


def test_an_ssh_server_that_accepts_and_never_answers(locked: LabConfig) -> None:
    with switched_on(locked, "site2.ssh-db.hang"):
        refused(
            locked,
            "capture_at_source.remove_old_replication",
            UnreachableError,
            "ssh_site2_db",
            "no SSH server answers",
        )


def test_a_wrong_gax_password(locked: LabConfig) -> None:
    with connection("gax_site2", password=WRONG):
        refused(locked, "export_database.hold_scheduler", CredentialsError, "GAX", "gax_site2")


def test_a_gax_that_accepts_and_never_answers(locked: LabConfig) -> None:
    with silent_port() as port, connection("gax_site2", port=port):
        refused(locked, "export_database.hold_scheduler", UnreachableError, "GAX", str(port), "did not answer")


def test_a_gax_that_is_away(locked: LabConfig) -> None:
    with closed_port() as port, connection("gax_site2", port=port):
        refused(locked, "export_database.hold_scheduler", UnreachableError, "GAX", str(port))


def test_a_wrong_password_of_the_configuration_layer(locked: LabConfig) -> None:
    with connection("management_site2", password=WRONG):
        refused(locked, "export_database.stop_info_mart_server", CredentialsError, "mlcmd", "management_site2")


def test_a_goldengate_alias_that_the_credential_store_does_not_have(locked: LabConfig) -> None:
    def change(document: dict[str, Any]) -> None:
        document["sites"]["site2"]["goldengate"]["login"] = {"alias": "nobody"}

    with topology(change):
        refused(
            locked,
            "capture_at_source.enable_supplemental_logging",
            CredentialsError,
            "nobody",
            "site2-db",
            "INFO CREDENTIALSTORE",
        )


# -- the procedures one by one -----------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_procedures_one_by_one_with_a_relay_a_damaged_file_and_a_missing_index(
    connected: LabConfig, serves: Callable[[str], bool]
) -> None:
    lab = connected
    with topology(lambda document: document["transfer"].update(method="relay")):
        transfer = Procedure("infomart_database_transfer", plan="first")
        transfer.run(until="transfer_dump_set.transfer_files")
        _the_relay_repairs_what_was_damaged(lab, transfer)
        _another_plan_is_refused(lab, serves)
        _a_missing_index_stops_the_run_until_it_can_be_created(lab, transfer)
        transfer.run()
        assert serves("site2"), "the service goes on between the procedures"
        Procedure("infomart_reverse_sync", plan="second", params={"plan": "first"}).run()
        cutover = Procedure("infomart_cutover", plan="third", params={"plan": "first"})
        cutover.run()
    assert serves("site3") and not serves("site2")
    time.sleep(5)
    assert_clean(judge(lab, "site3", "site2"))


def _the_relay_repairs_what_was_damaged(lab: LabConfig, run: Procedure) -> None:
    transfer, verify = (run.dag.get_task(f"transfer_dump_set.{name}") for name in ("transfer_files", "verify_dump_set"))
    sent = {file.name: file.stat().st_size for file in lab.dump_dir("site2").glob("*.dmp")}
    assert sent == {file.name: file.stat().st_size for file in lab.dump_dir("site3").glob("*.dmp")}
    name = damage(lab, "site3")
    with pytest.raises(GuardError, match=name) as caught:
        run.step(verify)
    assert caught.value.next_step
    run.step(transfer)
    assert run.step(verify)["files"] == len(sent)
    for file in sent:
        assert (lab.dump_dir("site3") / file).read_bytes() == (lab.dump_dir("site2") / file).read_bytes()


def _another_plan_is_refused(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    for dag_id in ("infomart_database_transfer", "infomart_return_to_normal"):
        other = Procedure(dag_id, plan="another", params={"reason": "somebody else"})
        with pytest.raises(GuardError, match="locked by plan first of infomart_database_transfer first"):
            other.run()
        assert not other.results, "nothing ran, no teardown either"
    assert serves("site2")


def _a_missing_index_stops_the_run_until_it_can_be_created(lab: LabConfig, run: Procedure) -> None:
    recreate = run.dag.get_task("import_database.recreate_missing_indexes")
    with switched_on(lab, "site3.impdp.fail_index", INDEX):
        results = run.run(until="import_database.check_import_log")
        assert results["import_database.check_import_log"]["errors"]["index"] == 1
        for _ in range(2):
            with pytest.raises(GuardError, match=INDEX) as caught:
                run.step(recreate)
            assert "by hand" in caught.value.next_step
        with pytest.raises(GuardError, match=INDEX):
            run.step(run.dag.get_task("import_database.check_indexes"))
    assert run.step(recreate)["missing"] == []
    results = run.run(until="import_database.check_objects")
    assert results["import_database.check_indexes"]["indexes"] > 0
