"""The server of a lost site is refused at the serving database; nothing about it ever holds the service."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from tests.unit.operators.fakes import FakeStep

from infomart_dr import topology
from infomart_dr.errors import PermanentError, TransientError
from infomart_dr.guards import admission as guard
from infomart_dr.guards import machines
from infomart_dr.guards.admission import admission_faults, trigger_name
from infomart_dr.guards.machines import Machines, machine_name
from infomart_dr.operators import admission
from infomart_dr.operators.admission import SetAdmission, refuse

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "topology.yaml"
TRIGGER = "DR_LOST_SITE_GIM"


class Dba:
    """A database with its triggers on logons."""

    conn_id = "oracle_dub_dba"

    def __init__(self) -> None:
        self.triggers: dict[str, dict[str, Any]] = {}
        self.statements: list[str] = []
        self.compiles = True
        self.held = ["CREATE ANY TRIGGER", "ADMINISTER DATABASE TRIGGER"]
        self.error: Exception | None = None

    def get_connection(self, conn_id: str) -> Any:
        return SimpleNamespace(login="dba1")

    def select(self, name: str, **binds: Any) -> list[dict[str, Any]]:
        if name == "privileges":
            return [{"privilege": each} for each in self.held]
        if name == "roles":
            return []
        assert name == "logon_trigger" and binds == {"trigger_name": TRIGGER}
        return [{"owner": owner, **row} for owner, row in self.triggers.items()]

    def run_text(self, sql: str) -> None:
        if self.error:
            raise self.error
        self.statements.append(sql)
        if made := re.match(rf"create or replace trigger (\w+)\.{TRIGGER} after logon on database disable\n", sql):
            validity = "VALID" if self.compiles else "INVALID"
            self.triggers[made[1]] = {"status": "DISABLED", "validity": validity, "trigger_body": sql}
        elif made := re.fullmatch(rf"alter trigger (\w+)\.{TRIGGER} enable", sql):
            assert self.triggers[made[1]]["validity"] == "VALID", "it would refuse everybody"
            self.triggers[made[1]]["status"] = "ENABLED"
        else:
            made = re.fullmatch(rf"drop trigger (\w+)\.{TRIGGER}", sql)
            assert made, sql
            del self.triggers[made[1]]


class Serving(FakeStep):
    """The example's deployment: Frankfurt is lost, Dublin serves."""

    def __init__(self) -> None:
        super().__init__()
        self.document = yaml.safe_load(EXAMPLE.read_text())
        self.sites = {"source": "frankfurt", "target": "dublin"}
        self.database = Dba()
        self.owner_has: list[str] = []
        self.read()

    def read(self) -> None:
        self.topology = topology.parse(yaml.safe_dump(self.document), EXAMPLE)  # type: ignore[assignment]

    def site(self, role: str) -> Any:
        return self.topology.sites[self.sites[role]]

    def dba(self, role: str) -> Dba:
        return self.database

    def info_mart(self, role: str) -> Any:
        return SimpleNamespace(
            select=lambda name: [{"privilege": each} for each in self.owner_has] if name == "privileges" else []
        )


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Any:
    hosts = {"ssh_gim_fra": "10.1.0.5", "ssh_gim_dub": "10.2.0.5"}
    monkeypatch.setattr(machines, "connection", lambda conn_id: SimpleNamespace(host=hosts[conn_id]))
    resolved = {"gim-fra": ["10.1.0.6"], "gim-dub": ["10.2.0.6"]}
    monkeypatch.setattr(machines, "_resolved", lambda texts: resolved)
    monkeypatch.setattr(guard, "seen_machines", lambda step, role: {"frankfurt": ["ETL\\etl7"]})
    return Serving()


def lists(sql: str) -> dict[str, set[str]]:
    found = re.findall(r"(machine|regexp_substr\(machine, '\^\[\^\.\]\+'\)|address) in \(([^)]*)\)", sql)
    return {what.partition("(")[0]: set(re.findall(r"'([^']+)'", values)) for what, values in found}


def test_the_survivor_refuses_the_lost_servers_machine_by_name_first_part_and_address(step: Any) -> None:
    said = refuse(step, "target", ["frankfurt"])
    assert said.startswith("dublin refuses logons of GIM from the Info Mart Server of frankfurt (10.1.0.5, 10.1.0.6, ")
    made, enabled = step.database.statements
    assert enabled == f"alter trigger DBA1.{TRIGGER} enable"
    assert "sys_context('USERENV', 'SESSION_USER') = 'GIM'" in made, "nobody else is ever refused"
    assert lists(made) == {
        "machine": {"GIM-FRA", "GIM-FRA.EXAMPLE.NET", "ETL7"},
        "regexp_substr": {"GIM-FRA", "ETL7"},
        "address": {"10.1.0.5", "10.1.0.6"},
    }
    assert re.search(r"raise_application_error\(-20911, 'infomart-dr: .* a lost site: frankfurt\. Stop", made)
    assert "when others then refused := 0" in made, "its own errors refuse nobody"
    assert refuse(step, "target", ["frankfurt"]) == said, "a retry makes it again"
    assert step.database.triggers["DBA1"]["status"] == "ENABLED"


def test_what_also_means_another_sites_server_is_left_out(step: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines of one name in two domains, and one address of a translated network."""
    servers = {name: step.document["sites"][name]["info_mart_server"] for name in ("frankfurt", "dublin")}
    for name, server in servers.items():
        server |= {"host_object": f"gim.{name}.net", "machines": ["10.9.9.9", "localhost", "127.0.0.1"]}
    step.read()
    refuse(step, "target", ["frankfurt"])
    found = lists(step.database.statements[0])
    assert "GIM.FRANKFURT.NET" in found["machine"] and "GIM" not in found["regexp_substr"]
    assert "10.9.9.9" not in found["address"]
    assert not {"LOCALHOST", "127.0.0.1"} & set().union(*found.values())


def test_a_trigger_that_oracle_does_not_compile_is_never_enabled(step: Any) -> None:
    step.database.compiles = False
    assert "did not compile" in refuse(step, "target", ["frankfurt"])
    assert step.database.triggers == {}


@pytest.mark.parametrize(
    "error",
    [PermanentError("ORA-01031: insufficient privileges.", "Grant it."), TransientError("lost."), KeyError("x")],
)
def test_no_error_holds_the_start_of_the_service(step: Any, error: Exception) -> None:
    step.database.error = error
    assert "dublin does not refuse the Info Mart Server of frankfurt" in refuse(step, "target", ["frankfurt"])
    assert "is left at dublin" not in refuse(step, "target", [])


def test_an_owner_who_logs_on_all_the_same_is_told(step: Any) -> None:
    step.owner_has = ["ADMINISTER DATABASE TRIGGER"]
    assert "cannot refuse GIM" in refuse(step, "target", ["frankfurt"])


def test_the_switch_leaves_the_database_alone(step: Any) -> None:
    step.document["fencing"]["refuse_lost_site"] = False
    step.read()
    assert "refuse_lost_site is false" in refuse(step, "target", ["frankfurt"])
    assert step.database.statements == [] and admission_faults(step, "target", ["frankfurt"]) == []


def test_the_trigger_of_an_earlier_dba_is_replaced_and_all_are_dropped_in_the_end(step: Any) -> None:
    step.database.triggers["OLD"] = {"status": "ENABLED", "validity": "VALID", "trigger_body": ""}
    refuse(step, "target", ["frankfurt"])
    assert set(step.database.triggers) == {"DBA1"}
    assert refuse(step, "target", []) == "dublin refuses nobody any more"
    assert step.database.triggers == {} and refuse(step, "target", []) == "dublin refuses nobody"


def test_what_keeps_a_failover_from_refusing_is_a_warning_with_its_grant(step: Any) -> None:
    assert admission_faults(step, "target", ["frankfurt"]) == []
    step.database.held, step.owner_has = ["CREATE TRIGGER"], ["ADMINISTER DATABASE TRIGGER"]
    faults = admission_faults(step, "target", ["frankfurt"])
    assert [fault.stops for fault in faults] == [False, False]
    assert "DBA1 (oracle_dub_dba) lacks ADMINISTER DATABASE TRIGGER" in faults[0].what
    assert faults[0].remedy == "GRANT ADMINISTER DATABASE TRIGGER TO DBA1;"
    assert faults[1].remedy.startswith("REVOKE ADMINISTER DATABASE TRIGGER FROM GIM;")


def test_a_lost_machine_that_cannot_be_told_apart_is_a_warning_and_refuses_nobody(
    step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "lost_machines", lambda *_: {"frankfurt": Machines()})
    monkeypatch.setattr(guard, "lost_machines", lambda *_: {"frankfurt": Machines()})
    (fault,) = admission_faults(step, "target", ["frankfurt"])
    assert "sites.frankfurt.info_mart_server.machines" in fault.remedy
    assert "no machine of frankfurt is known" in refuse(step, "target", ["frankfurt"])
    assert step.database.statements == []


# -- the step of a cutover -----------------------------------------------------------------------------


def run(step: Any, *, lost: bool, role: str = "target") -> str:
    return str(SetAdmission(task_id="set_admission", role=role, lost=lost)._run(step)["summary"])  # type: ignore[arg-type]


def test_a_new_serving_site_refuses_the_sites_that_are_still_lost(step: Any) -> None:
    step.lock.take(step.plan_id, step.owner, "")
    third = {**step.document["sites"]["dublin"], "role": "failed"}
    third["info_mart_server"] = {**third["info_mart_server"], "host": "gim-mil", "host_object": "gim-mil"}
    step.document["sites"]["milan"] = third
    step.document["hosts"]["gim-mil"] = {"ssh_connection": "ssh_gim_fra"}
    for name, site in step.document["sites"].items():
        remote = {other: f"./dirdat/{other[0]}1" for other in step.document["sites"] if other != name}
        site["goldengate"] = {**site["goldengate"], "trails": {"remote": remote}}
    step.read()
    assert "from the Info Mart Server of milan" in run(step, lost=True)
    assert "GIM-MIL" in lists(step.database.statements[0])["machine"]
    assert run(step, lost=False) == "dublin refuses nobody any more"
    assert run(step, lost=False) == "dublin refuses nobody"


def test_after_a_failover_the_step_proves_the_refusal_and_repeats_it_after_a_grant(step: Any) -> None:
    step.lock.take(step.plan_id, step.owner, "")
    step.failover = True
    step.database.error = PermanentError("ORA-01031: insufficient privileges.", "Grant it.")
    assert "does not refuse the Info Mart Server of frankfurt: ORA-01031" in run(step, lost=True)
    step.database.error = None
    assert "dublin refuses logons of GIM" in run(step, lost=True)
    assert run(step, lost=True) == "dublin refuses the Info Mart Server of frankfurt"
    assert len(step.database.statements) == 2, "a working trigger is left alone"
    step.database.triggers["DBA1"]["status"] = "DISABLED"
    assert "dublin refuses logons of GIM" in run(step, lost=True)


def test_without_a_lost_site_nothing_is_refused(step: Any) -> None:
    assert run(step, lost=True) == "dublin refuses nobody" and step.database.statements == []


# -- names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("gim-fra", "GIM-FRA"),
        ("gim-fra.example.net", "GIM-FRA.EXAMPLE.NET"),
        ("CORP\\GIMFRA", "GIMFRA"),
        ("gim-fra/10.1.0.5", "GIM-FRA"),
        (None, ""),
    ],
)
def test_a_machine_is_compared_without_a_windows_domain_and_without_an_address_behind_it(
    said: str | None, name: str
) -> None:
    assert machine_name(said) == name
    assert Machines.of(["gim-fra", "GIMFRA"]).has(said) is bool(name)


def test_a_name_service_that_hangs_holds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(name: str, *_: Any, **__: Any) -> Any:
        if name == "known":
            return [(2, 1, 6, "", ("10.0.0.7", 0))]
        if name == "unknown":
            raise socket.gaierror("no such name")
        time.sleep(2)

    monkeypatch.setattr(machines, "_RESOLVE", 0.2)
    monkeypatch.setattr(machines.socket, "getaddrinfo", slow)
    began = time.monotonic()
    assert machines._resolved(["slow", "unknown", "known"]) == {"known": ["10.0.0.7"]}
    assert time.monotonic() - began < 1


def test_a_name_that_no_statement_may_contain_is_no_machine() -> None:
    assert not Machines.of(["x' or '1'='1", "a b", ""])


def test_each_info_mart_of_a_database_has_its_own_trigger_within_30_bytes() -> None:
    assert trigger_name("GIM") == TRIGGER
    long = trigger_name("CONTACT_CENTRE_INFO_MART")
    assert len(long) <= 30 and long != trigger_name("CONTACT_CENTRE_INFO_MART2")
