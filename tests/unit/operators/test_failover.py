"""A failover: the standby is drained before it is opened, one server writes, and all is put back when it ends early."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from airflow.providers.standard.exceptions import HITLRejectException
from airflow.sdk.exceptions import AirflowSkipException
from tests.unit.operators.fakes import FakeLedger, FakeLock, FakeStep, replace_question

from infomart_dr import topology
from infomart_dr.errors import CredentialsError, GuardError, PermanentError, TransientError, UnexpectedReplyError
from infomart_dr.guards import fencing
from infomart_dr.guards.application import lost_objects, survivor_changes
from infomart_dr.guards.faults import Fault
from infomart_dr.guards.fencing import Answer, Endpoint, Verdict
from infomart_dr.guards.replication import drained_or_cut, newest_trail_file, replicat_at_trail_end
from infomart_dr.hooks.configuration import Change, differences
from infomart_dr.hooks.gax import from_gax, to_gax
from infomart_dr.hooks.parse_ggsci import parse_replicat_state
from infomart_dr.operators import failover, human
from infomart_dr.operators.base import StepOperator
from infomart_dr.operators.configuration import SetAggregation, SetScheduler
from infomart_dr.operators.failover import (
    CheckSurvivor,
    ConfirmSiteFailure,
    DropFailedSources,
    ProbeFailedSite,
    RaiseSequences,
    ReadTrailEnd,
    ReportNewRoles,
    ReturnStandby,
    StartAtSurvivor,
    StopGoldenGate,
)
from infomart_dr.plan import facts
from infomart_dr.plan import ledger as real_ledger
from infomart_dr.plan.facts import Fact
from infomart_dr.plan.step import Observation
from infomart_dr.sensors.trail import WaitForTrailEnd
from infomart_lab import config as lab_config
from infomart_lab import configuration as lab_configuration
from infomart_lab import topology as lab_topology

CONFIRMED = {"site_failure_confirmed": "anna at 03:00"}
DRAINED = {**CONFIRMED, "standby_drained": "all applied"}


@pytest.fixture(autouse=True)
def nothing_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infomart_dr.operators.failover.link_out", lambda step: "**Link to site1:** unknown.")


@pytest.fixture(autouse=True)
def refused(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Whom the survivor's database refuses; tests/unit/operators/test_admission.py has the trigger."""
    calls: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(failover, "refuse", lambda step, role, lost: calls.append((role, lost)) or "refused")
    return calls


class StrictLedger(FakeLedger):
    """Refuses the same values as the real one."""

    def put_once(self, fact: Fact[Any], value: Any) -> Any:
        assert 0 < len(fact.name.encode()) <= real_ledger._NAME_LIMIT
        assert 0 < len(fact.write(value).encode()) <= real_ledger._VALUE_LIMIT
        return super().put_once(fact, value)


@dataclass
class GoldenGate:
    """ggsci at the survivor, and its trail in a real folder."""

    home: Path
    manager: bool = True
    states: dict[str, str] = field(default_factory=lambda: {"RGIM": "RUNNING"})
    trail: str | None = "./dirdat/dp000000002"
    rba: int | None = 900
    at_eof: bool = True
    #: Bytes that come in while the manager stops.
    arrives: int = 0
    #: SEND REPLICAT, STATUS.
    state: str = "At EOF"
    report: str = "OGG-01296 Error mapping from GIM.X"
    #: Groups of another application in the home.
    others: list[str] = field(default_factory=list)
    #: A normal STOP waits for the end of the transaction.
    waits: bool = False
    commands: list[str] = field(default_factory=list)

    def file(self, name: str, size: int) -> None:
        (self.home / "dirdat").mkdir(parents=True, exist_ok=True)
        (self.home / "dirdat" / name).write_bytes(b"x" * size)

    def info(self, name: str) -> Any:
        if name not in self.states:
            return None
        return SimpleNamespace(name=name, status=self.states[name], trail=self.trail, rba=self.rba, lag=3)

    def status(self, name: str) -> str | None:
        return self.states.get(name)

    def lag(self, name: str) -> Any:
        return SimpleNamespace(at_eof=self.at_eof, seconds=0)

    def replicat_state(self, name: str) -> Any:
        return parse_replicat_state(f"Current status: {self.state if self.at_eof else 'Processing data'}")

    def database_user(self) -> str:
        return "GGATE"

    def info_all(self) -> list[Any]:
        return [SimpleNamespace(group=name) for name in (None, *self.states, *self.others)]

    def report_tail(self, name: str) -> str:
        return self.report

    def view_report(self, name: str) -> str:
        return f"{self.commands}"

    def definition(self, name: str) -> str:
        return f"REPLICAT {name}"

    def delete_group(self, name: str) -> Any:
        assert self.states[name] not in ("RUNNING", "STARTING")
        del self.states[name]
        return self._done(f"DELETE {name}")

    def manager_status(self) -> bool:
        return self.manager

    def start_manager(self) -> Any:
        return self._done("START MGR", manager=True)

    def stop_manager(self) -> Any:
        if self.arrives:
            self.file("dp000000002", 900 + self.arrives)
            self.at_eof, self.arrives = False, 0
        return self._done("STOP MGR", manager=False)

    def start(self, name: str) -> Any:
        self.states[name] = "RUNNING"
        return self._done(f"START {name}")

    def stop(self, name: str, timeout: float = 120, *, at_once: bool = False) -> Any:
        if self.waits and not at_once:
            raise TransientError(f"{name} is RUNNING after STOP.", "Wait.")
        self.states[name] = "STOPPED"
        return self._done(f"STOP {name}{' !' if at_once else ''}")

    def _done(self, command: str, manager: bool | None = None) -> Any:
        self.commands.append(command)
        self.manager = self.manager if manager is None else manager
        return SimpleNamespace(what=f"{command} was accepted")


class Host:
    """The survivor's database host: scripts are really run."""

    def run(self, argv: list[str]) -> Any:
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=10)

    def exists(self, path: str) -> bool:
        return Path(path).exists()

    def read_file(self, path: str) -> str:
        return Path(path).read_text()

    def write_file(self, path: str, text: str) -> None:
        Path(path).write_text(text)


class Objects:
    """Application objects, changed as GAX does it."""

    def __init__(self, documents: dict[str, dict[str, Any]]) -> None:
        self.stored = {name: {"version": 1, **document} for name, document in documents.items()}
        self.applied: list[tuple[str, Change]] = []
        self.broken: set[str] = set()

    def read(self, name: str) -> Any:
        if name not in self.stored:
            raise PermanentError(f"GAX has no Application object {name}.")
        return from_gax(self.stored[name])

    def apply(self, name: str, change: Change) -> Any:
        if name in self.broken:
            raise CredentialsError(f"GAX refuses PUT of {name}.")
        application = self.read(name)
        self.applied.append((name, change))
        self.stored[name] = to_gax(application, change)
        return differences(application, change)


class Survivor(FakeStep):
    """A failover in the lab's active-standby deployment: site1 is lost, site2 survives."""

    def __init__(self, tmp_path: Path, *, release: str = "8.1.4", lab: str = "active-standby", **facts: str) -> None:
        super().__init__(**facts)
        config = lab_config.create(tmp_path / "lab", scenario_name=lab, release=release, partitioned=True)
        self.document = lab_topology.topology(config)
        self.sites = {"source": "site1", "target": "site2"}
        self.ledger = StrictLedger(facts)
        self.failover = True
        self.objects = Objects(lab_configuration.default(config)["applications"])
        self.goldengate = GoldenGate(tmp_path / "ogg")
        self.document["sites"]["site2"]["goldengate"]["home"] = str(self.goldengate.home)
        self.document["sites"]["site2"]["goldengate"]["trails"]["remote"]["site1"] = "./dirdat/dp"
        self.sequences: dict[str, int] = {}
        self.caches: dict[str, int] = {}
        self.highest: dict[str, int] = {}
        self.statements: list[str] = []
        self.sessions: list[dict[str, Any]] = []
        self.transactions: list[dict[str, Any]] = []
        self.started: list[str] = []
        self.read_topology()

    def read_topology(self) -> None:
        self.topology = topology.parse(yaml.safe_dump(self.document), Path("topology.yaml"))  # type: ignore[assignment]

    def application(self, role: str) -> str:
        return self.topology.application(self.sites[role])

    def site(self, role: str) -> Any:
        return self.topology.sites[self.sites[role]]

    def ggsci(self, role: str) -> GoldenGate:
        assert role == "target", "nobody asks GoldenGate of the lost site"
        return self.goldengate

    def host(self, role: str, kind: str = "db") -> Host:
        assert role == "target"
        return Host()

    def configuration(self, role: str) -> Objects:
        assert role == "target"
        return self.objects

    def management_layer(self, role: str) -> Any:
        return SimpleNamespace(start=lambda dbid: self.started.append(f"{role} {dbid}"))

    def dba(self, role: str) -> Any:
        assert role == "target"

        def select(name: str, **binds: Any) -> list[dict[str, Any]]:
            if name == "sequences":
                return [
                    {"sequence_name": n, "last_number": v, "cache_size": self.caches.get(n, 0)}
                    for n, v in self.sequences.items()
                ]
            if name == "apply_transactions":
                assert binds == {"username": "GGATE"}
                return self.transactions
            assert name == "sessions_of"
            return self.sessions

        return SimpleNamespace(select=select)

    def info_mart(self, role: str) -> Any:
        assert role == "target"
        return SimpleNamespace(
            value=lambda name, names: self.highest.get(f"{names['table']}.{names['column']}"),
            run_text=self.statements.append,
        )


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits until a trail is quiet."""
    monkeypatch.setattr(StopGoldenGate, "QUIET_SECONDS", 0)


@pytest.fixture
def step(tmp_path: Path) -> Any:
    return Survivor(tmp_path, **CONFIRMED)


# -- the end of the trail --------------------------------------------------------------------------


def test_the_newest_trail_file_is_the_last_by_number_with_its_size(step: Any) -> None:
    for name, size in (("dp000000009", 70), ("dp000000010", 40), ("em000000011", 5), ("dpx", 9), ("notes", 1)):
        step.goldengate.file(name, size)
    assert newest_trail_file(step) == ("dp000000010", 40)


def test_a_reply_with_other_words_is_never_an_empty_trail(step: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    step.goldengate.file("dp000000009", 70)
    printed = SimpleNamespace(stdout="70 dp000000009 and more", exit_code=0)
    monkeypatch.setattr(Host, "run", lambda *arguments, **names: printed)
    with pytest.raises(UnexpectedReplyError, match="and more"):
        newest_trail_file(step)


def test_files_with_six_and_with_nine_digits_are_compared_by_number(step: Any) -> None:
    for name in ("dp000098", "dp000099", "dp000000100", "dp0000101", "dp00000000999"):
        step.goldengate.file(name, len(name))
    assert newest_trail_file(step) == ("dp000000100", 11)
    step.goldengate.trail = "./dirdat/dp000100"
    assert replicat_at_trail_end(step).satisfied, "the same file, with the digits of an older release"
    step.goldengate.file("dp000101", 5)
    assert newest_trail_file(step) == ("dp000101", 5)


def test_a_copy_that_somebody_put_beside_the_trail_is_no_trail_file(step: Any) -> None:
    step.goldengate.file("dp000000002", 900)
    step.goldengate.file("dp000000002.bak", 900)
    step.goldengate.file("dp000000001.gz", 900)
    (step.goldengate.home / "dirdat" / "dp000000003").mkdir()
    assert newest_trail_file(step) == ("dp000000002", 900)


def test_without_any_trail_nothing_has_arrived_and_the_end_is_reached(step: Any) -> None:
    (step.goldengate.home / "dirdat").mkdir(parents=True)
    assert newest_trail_file(step) is None
    seen = replicat_at_trail_end(step)
    assert seen.satisfied and "no trail has arrived at site2" in seen.summary


def test_the_end_of_another_trail_than_the_replicats_proves_nothing(step: Any) -> None:
    """After a change of trails.remote, the named trail has no file, and the Replicat reads the old one."""
    step.goldengate.trail = "/ogg/dirdat/d1000000002"
    (step.goldengate.home / "dirdat").mkdir(parents=True)
    with pytest.raises(GuardError, match=r"reads /ogg/dirdat/d1000000002, and the topology names \./dirdat/dp"):
        replicat_at_trail_end(step)


def test_a_trail_folder_that_is_missing_is_an_error_and_not_an_empty_trail(step: Any) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        newest_trail_file(step)


def test_a_survivor_without_a_replicat_is_never_taken_for_drained(step: Any) -> None:
    step.goldengate.file("dp000000002", 900)
    step.goldengate.states.clear()
    with pytest.raises(GuardError, match="There is no RGIM at site2"):
        replicat_at_trail_end(step)


def test_a_survivor_without_a_replicat_is_accepted_only_by_the_runs_parameter(step: Any) -> None:
    step.goldengate.states.clear()
    step.params["accept_missing_replicat"] = False
    with pytest.raises(GuardError, match="There is no RGIM") as caught:
        replicat_at_trail_end(step)
    assert "accept_missing_replicat" in caught.value.next_step
    step.params["accept_missing_replicat"] = True
    seen = replicat_at_trail_end(step)
    assert seen.satisfied and "started with accept_missing_replicat" in seen.summary


def test_an_abended_replicat_is_a_transient_error_with_its_report(step: Any) -> None:
    step.goldengate.file("dp000000002", 900)
    step.goldengate.states["RGIM"] = "ABENDED"
    with pytest.raises(TransientError, match=r"ABENDED: changes that arrived are not applied. OGG-01296"):
        replicat_at_trail_end(step)


def test_at_eof_in_another_than_the_last_file_is_not_the_end(step: Any) -> None:
    step.goldengate.file("dp000000002", 900)
    step.goldengate.file("dp000000003", 10)
    assert not replicat_at_trail_end(step).satisfied
    step.goldengate.trail = "./dirdat/dp000000003"
    assert replicat_at_trail_end(step).satisfied


def test_a_running_replicat_in_the_last_file_is_at_the_end_only_when_it_says_eof(step: Any) -> None:
    step.goldengate.file("dp000000002", 900)
    step.goldengate.at_eof = False
    assert not replicat_at_trail_end(step).satisfied
    step.goldengate.at_eof = True
    seen = replicat_at_trail_end(step)
    assert seen.satisfied and seen.details == {"trail": "dp000000002", "size": 900, "rba": 900, "lag_seconds": 3}


def test_a_stopped_replicat_proves_nothing_wherever_it_stands(step: Any) -> None:
    """STOP with an exclamation mark rolls back; the position may be after the rows that it rolled back."""
    step.goldengate.file("dp000000002", 900)
    step.goldengate.states["RGIM"] = "STOPPED"
    assert not replicat_at_trail_end(step).satisfied


HELD = {
    "inst_id": 1,
    "sid": 7,
    "serial": 3,
    "username": "GGATE",
    "program": "replicat@site2-db",
    "start_time": "12/01/26 03:00:00",
    "seconds": 40,
}


def test_at_eof_with_rows_that_are_not_committed_is_not_the_end(step: Any) -> None:
    step.goldengate.file("dp000000002", 900)
    step.transactions = [HELD]
    seen = replicat_at_trail_end(step)
    assert not seen.satisfied
    assert "open transaction since 12/01/26 03:00:00: session 7,3@1 of GGATE (replicat@site2-db)" in seen.summary


def test_a_transaction_that_no_timeout_ends_stops_the_run_with_what_to_do(step: Any) -> None:
    step.goldengate.file("dp000000002", 900)
    step.transactions = [{**HELD, "seconds": 301}]
    with pytest.raises(GuardError, match="TRANSACTIONTIMEOUT does not act") as caught:
        replicat_at_trail_end(step)
    assert "STOP REPLICAT RGIM !" in caught.value.next_step


@pytest.mark.parametrize(
    ("state", "done"),
    [
        ("At EOF", True),
        ("Waiting for data at logical EOF after transaction timeout recovery", True),
        ("Performing transaction timeout recovery", False),
    ],
)
def test_the_end_after_a_transaction_timeout_counts_and_its_recovery_does_not(
    step: Any, state: str, done: bool
) -> None:
    step.goldengate.file("dp000000002", 900)
    step.goldengate.state = state
    seen = replicat_at_trail_end(step)
    assert seen.satisfied is done
    assert ("in the middle of a transaction, which is lost" in seen.summary) is ("after" in state)


CUT = (
    "2026-12-01 03:00:00  ERROR   OGG-01184  Expected 4 bytes, but got 0 bytes, in trail ./dirdat/dp000000002, seqno 2."
)


@pytest.fixture
def cut(step: Any) -> Any:
    """The trail ends inside a record, and the Replicat is ABENDED there."""
    step.goldengate.file("dp000000002", 950)
    step.goldengate.states["RGIM"] = "ABENDED"
    step.goldengate.report = CUT
    folder = step.goldengate.home / "dirprm"
    folder.mkdir()
    (folder / "rgim.prm").write_text("-- ours\nREPLICAT RGIM\nBATCHSQL\nMAP A.*, TARGET A.*;\n")
    return step


def test_a_trail_that_ends_inside_a_record_needs_a_decision(cut: Any) -> None:
    with pytest.raises(GuardError, match=r"(?s)ends inside a record: dp000000002, 950 bytes.*OGG-01184") as caught:
        replicat_at_trail_end(cut)
    assert "accept_cut_trail" in caught.value.next_step


def test_a_record_cut_in_another_than_the_last_file_is_no_end(cut: Any) -> None:
    cut.params["accept_cut_trail"] = True
    cut.goldengate.file("dp000000003", 10)
    with pytest.raises(TransientError, match="ABENDED"):
        replicat_at_trail_end(cut)


def test_an_accepted_cut_is_the_end_only_after_each_complete_transaction_was_applied_by_itself(cut: Any) -> None:
    cut.params["accept_cut_trail"] = True
    assert not replicat_at_trail_end(cut).satisfied
    wait = WaitForTrailEnd(task_id="wait", role="target")

    def abends(name: str) -> Any:
        return cut.goldengate._done(f"START {name}")

    cut.goldengate.start = abends
    wait.prepare(cut)
    path = cut.goldengate.home / "dirprm" / "rgim.prm"
    assert path.read_text() == "-- ours\nREPLICAT RGIM\nGROUPTRANSOPS 1\nMAP A.*, TARGET A.*;\n"
    seen = replicat_at_trail_end(cut)
    assert seen.satisfied and "one by one. The transaction of the record is lost" in seen.summary
    wait.prepare(cut)
    assert cut.goldengate.commands.count("START RGIM") == 1, "a retry does not start it again"
    stop(cut)
    assert "one by one" in cut.ledger["standby_drained"]
    ReturnStandby(task_id="return_standby")._run(cut)
    assert "GROUPTRANSOPS" not in path.read_text() and "BATCHSQL" in path.read_text()
    assert "cut_trail" not in cut.ledger


def test_a_record_that_shows_itself_as_cut_during_the_wait_is_handled_at_the_end_of_the_wait(cut: Any) -> None:
    cut.params["accept_cut_trail"] = True
    wait = WaitForTrailEnd(task_id="wait", role="target")
    cut.goldengate.start = lambda name: cut.goldengate._done(f"START {name}")
    reached = drained_or_cut(cut)
    assert reached.satisfied and not replicat_at_trail_end(cut).satisfied
    assert wait.after(cut, reached).satisfied
    assert "START RGIM" in cut.goldengate.commands


def test_the_gate_shows_where_the_trail_ends(cut: Any) -> None:
    cut.params["accept_cut_trail"] = True
    ReadTrailEnd(task_id="read_trail_end", role="target")._run(cut)
    shown = ConfirmSiteFailure(task_id="gate", subject="Dead?", body="").evidence(cut)
    assert "**GoldenGate at site2:** The trail at site2 ends inside a record" in shown
    cut.goldengate.report = "OGG-01296 Error mapping"
    ReadTrailEnd(task_id="read_trail_end", role="target")._run(cut)
    assert "is ABENDED: changes that arrived are not applied" in cut.ledger["trail_report"]


def test_the_wait_starts_a_stopped_replicat_only_after_a_person_has_confirmed(step: Any) -> None:
    step.goldengate.file("dp000000002", 1000)
    step.goldengate.states["RGIM"] = "STOPPED"
    wait = WaitForTrailEnd(task_id="wait", role="target")
    step.ledger.clear()
    with pytest.raises(GuardError, match="site_failure_confirmed"):
        wait.prepare(step)
    assert step.goldengate.commands == []
    step.ledger.update(CONFIRMED)
    wait.prepare(step)
    assert step.goldengate.commands == ["START MGR", "START RGIM"]


# -- GoldenGate is stopped -------------------------------------------------------------------------


def stop(step: Any) -> dict[str, Any]:
    return StopGoldenGate(task_id="stop_goldengate", role="target")._run(step)


def test_the_manager_stops_before_the_replicat_so_that_nothing_arrives_after_the_last_check(step: Any) -> None:
    step.goldengate.file("dp000000002", 900)
    step.goldengate.states["EGIM"] = "RUNNING"
    stop(step)
    assert step.goldengate.commands == ["STOP MGR", "STOP RGIM", "STOP EGIM"]
    assert "RBA 900" in step.ledger["standby_drained"]


def test_when_more_has_arrived_the_manager_starts_again_and_a_retry_waits_for_it(step: Any) -> None:
    step.goldengate.file("dp000000002", 900)
    step.goldengate.arrives = 50
    with pytest.raises(TransientError, match="More has arrived"):
        stop(step)
    assert step.goldengate.commands == ["STOP MGR", "START MGR"]
    assert step.goldengate.states["RGIM"] == "RUNNING"
    # The back-out knows that it must restore the standby.
    assert "standby_drained" not in step.ledger and "standby_touched" in step.ledger
    step.goldengate.at_eof = True
    stop(step)
    assert "standby_drained" in step.ledger


def test_a_standby_that_is_not_drained_is_not_stopped(step: Any) -> None:
    step.goldengate.file("dp000000003", 900)
    with pytest.raises(GuardError, match="not drained"):
        stop(step)
    assert step.goldengate.commands == [] and "standby_touched" not in step.ledger


def test_a_stop_that_broke_off_after_the_proof_is_finished_although_the_last_record_was_cut_off(step: Any) -> None:
    """The Replicat is at EOF before the file's size; once stopped, its position alone would prove nothing."""
    step.goldengate.file("dp000000002", 950)
    died, step.goldengate.stop = step.goldengate.stop, lambda name, **_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        stop(step)
    step.goldengate.stop = died
    step.goldengate.states["RGIM"] = "STOPPED"
    assert stop(step)["summary"] == "GoldenGate is stopped"


def test_a_proof_is_void_when_the_manager_runs_again(step: Any) -> None:
    step.goldengate.file("dp000000002", 900)
    stop(step)
    step.goldengate.manager, step.goldengate.at_eof = True, False
    step.goldengate.states["RGIM"] = "RUNNING"
    with pytest.raises(GuardError, match="not drained"):
        stop(step)
    assert "standby_drained" not in step.ledger


def test_a_replicat_that_somebody_stopped_before_the_proof_has_to_run_again(step: Any) -> None:
    step.goldengate.file("dp000000002", 900)
    step.goldengate.states["RGIM"] = "STOPPED"
    with pytest.raises(GuardError, match="not drained") as caught:
        stop(step)
    assert "clear check_already_done" in caught.value.next_step


def test_a_manager_that_other_groups_need_is_not_stopped(step: Any) -> None:
    step.goldengate.file("dp000000002", 900)
    step.goldengate.others = ["REPCRM"]
    stop(step)
    assert step.goldengate.commands == ["STOP RGIM"] and step.goldengate.manager
    assert stop(step)["summary"] == "GoldenGate is stopped"
    step.goldengate.states["RGIM"] = "RUNNING"
    step.goldengate.file("dp000000002", 950)
    step.goldengate.at_eof = False
    with pytest.raises(GuardError, match="not drained"):
        stop(step)


def sleeps(monkeypatch: pytest.MonkeyPatch, sleep: Any) -> None:
    """Replace the sleep of the failover's steps alone."""
    monkeypatch.setattr(failover, "time", SimpleNamespace(time=time.time, monotonic=time.monotonic, sleep=sleep))


def test_a_collector_that_goes_on_without_its_manager_is_noticed(step: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    step.goldengate.file("dp000000002", 900)
    monkeypatch.setattr(StopGoldenGate, "QUIET_SECONDS", 30)
    sleeps(monkeypatch, lambda _: step.goldengate.file("dp000000002", 901))
    with pytest.raises(TransientError, match="grew from dp000000002, 900 bytes to dp000000002, 901 bytes") as caught:
        stop(step)
    assert "may be alive" in caught.value.next_step
    assert step.goldengate.commands == ["STOP MGR", "START MGR"] and "standby_drained" not in step.ledger


def test_a_trail_that_was_seen_quiet_for_long_enough_needs_no_further_wait(
    step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step.goldengate.file("dp000000002", 900)
    monkeypatch.setattr(StopGoldenGate, "QUIET_SECONDS", 30)
    ReadTrailEnd(task_id="read_trail_end", role="target")._run(step)
    step.ledger["trail_seen"] = json.dumps({**json.loads(step.ledger["trail_seen"]), "since": int(time.time()) - 31})
    sleeps(monkeypatch, lambda _: pytest.fail("it waits"))
    stop(step)


def test_a_replicat_before_a_transaction_without_an_end_is_stopped_at_once_after_the_proof(step: Any) -> None:
    step.goldengate.file("dp000000002", 900)
    step.goldengate.state = "Waiting for data at logical EOF after transaction timeout recovery"
    step.goldengate.waits = True
    stop(step)
    assert step.goldengate.commands == ["STOP MGR", "STOP RGIM !"]


def test_a_replicat_with_rows_that_are_not_committed_is_never_stopped_at_once(step: Any) -> None:
    step.goldengate.file("dp000000002", 900)
    step.goldengate.waits = True
    real, step.goldengate.stop = step.goldengate.stop, lambda *a, **k: (step.transactions.append(HELD), real(*a, **k))
    with pytest.raises(TransientError, match="RUNNING after STOP"):
        stop(step)
    assert "STOP RGIM !" not in step.goldengate.commands


# -- sequences -------------------------------------------------------------------------------------


@pytest.fixture
def with_sequences(tmp_path: Path) -> Any:
    step = Survivor(tmp_path, **DRAINED)
    keys = step.topology.info_mart.sequence_keys
    step.sequences = dict.fromkeys(keys, 500)
    step.highest = dict.fromkeys(keys.values(), 400)
    step.increments = {}
    return step


def raise_sequences(step: Any) -> dict[str, Any]:
    operator = RaiseSequences(task_id="raise_sequences", role="target")

    def took(text: str) -> None:
        step.statements.append(text)
        words = text.replace('"', "").split()
        name = words[2].rpartition(".")[2]
        if "increment" in words:
            step.increments[name] = int(words[words.index("by") + 1])
        else:
            step.sequences[name] = int(words[-1])

    def value(name: str, names: dict[str, str]) -> int | None:
        if name == "next_value":
            step.sequences[names["sequence"]] += step.increments.get(names["sequence"], 1)
            return step.sequences[names["sequence"]]
        return step.highest.get(f"{names['table']}.{names['column']}")

    step.info_mart = lambda role: SimpleNamespace(value=value, run_text=took)
    return operator._run(step)


def test_only_sequences_that_are_too_low_are_raised_above_the_keys_in_use(with_sequences: Any) -> None:
    step = with_sequences
    step.sequences["SEQ_INTERACTION_FACT"] = 400
    raise_sequences(step)
    assert len(step.statements) == 1
    assert "GIM.SEQ_INTERACTION_FACT" in step.statements[0] and step.statements[0].endswith("1400")
    assert step.sequences["SEQ_AUDIT_LOG"] == 500


def test_values_that_may_be_cached_below_last_number_count_as_free(with_sequences: Any) -> None:
    step = with_sequences
    step.sequences["SEQ_INTERACTION_FACT"] = 410
    step.caches = {"SEQ_INTERACTION_FACT": 20, "SEQ_AUDIT_LOG": 20}
    raise_sequences(step)
    assert step.statements == ["alter sequence GIM.SEQ_INTERACTION_FACT restart start with 1420"]


def test_sequences_above_every_key_are_left_alone(with_sequences: Any) -> None:
    seen = raise_sequences(with_sequences)["summary"]
    assert "10 of 10 sequences have a key column" in seen and "lie above every key in use" in seen
    assert with_sequences.statements == []


def test_an_empty_table_makes_no_sequence_too_low(with_sequences: Any) -> None:
    with_sequences.highest.clear()
    raise_sequences(with_sequences)
    assert with_sequences.statements == []


@pytest.mark.parametrize("release", ["11.2", "12.2"])
def test_before_18c_a_sequence_is_stepped_over_the_keys_and_keeps_its_grants(with_sequences: Any, release: str) -> None:
    step = with_sequences
    step.document["sites"]["site2"]["database"]["release"] = release
    step.read_topology()
    step.sequences.update(SEQ_AUDIT_LOG=7)
    raise_sequences(step)
    assert [text.split("SEQ_AUDIT_LOG")[1].split() for text in step.statements] == [
        ["increment", "by", "1391", "nocache"],
        ["increment", "by", "1", "nocache"],
    ]
    assert step.sequences["SEQ_AUDIT_LOG"] + 1 == 1400
    assert not [fact for fact in step.ledger if fact.startswith("sequence_raised")]


def test_sequences_whose_flush_was_never_captured_are_raised_above_the_keys_that_arrived(with_sequences: Any) -> None:
    """Before 12c EXCLUDEUSER hides FLUSH SEQUENCE: the sequences stand where the import left them."""
    step = with_sequences
    step.document["sites"]["site2"]["database"]["release"] = "11.2"
    step.read_topology()
    step.sequences.update(dict.fromkeys(step.sequences, 100))
    step.highest.update({key: 5000 + number for number, key in enumerate(step.highest)})
    raise_sequences(step)
    for name, key in step.topology.info_mart.sequence_keys.items():
        assert step.sequences[name] + 1 > step.highest[key], name
    assert set(step.increments.values()) == {1}


def test_an_interrupted_raise_restores_the_increment_first(with_sequences: Any) -> None:
    step = with_sequences
    step.document["sites"]["site2"]["database"]["release"] = "12.2"
    step.read_topology()
    step.ledger["sequence_raised:SEQ_AUDIT_LOG"] = json.dumps({"increment": 1, "cache": 0})
    step.increments["SEQ_AUDIT_LOG"] = 1392
    raise_sequences(step)
    assert step.increments["SEQ_AUDIT_LOG"] == 1
    assert not [fact for fact in step.ledger if fact.startswith("sequence_raised")]


def test_a_sequence_that_is_missing_is_named_with_the_key_it_must_lie_above(with_sequences: Any) -> None:
    del with_sequences.sequences["SEQ_RESOURCE"]
    with pytest.raises(GuardError, match=r"SEQ_RESOURCE of RESOURCE_.RESOURCE_KEY is missing at site2") as caught:
        raise_sequences(with_sequences)
    assert "above the highest RESOURCE_.RESOURCE_KEY" in caught.value.next_step


def test_sequences_are_raised_only_once_everything_that_arrived_is_applied(with_sequences: Any) -> None:
    del with_sequences.ledger["standby_drained"]
    with_sequences.sequences["SEQ_RESOURCE"] = 1
    with pytest.raises(GuardError, match="standby_drained"):
        raise_sequences(with_sequences)
    assert with_sequences.statements == []


# -- what the survivor ignores ---------------------------------------------------------------------

#: IDBs at the lost site, and ICONs that collect from its data source or write there.
LOST = ["DAP_TS1_site1", "DAP_TS2_site1", "ICON_TS1_site1", "ICON_TS1_site2"]


def test_lost_are_the_idbs_of_the_site_and_the_icons_of_its_data_sources(step: Any) -> None:
    # ICON_TS2_site1 writes at the lost site and runs at the survivor; DAP_TS1_site2 holds what was delivered.
    assert lost_objects(step) == LOST


@pytest.mark.parametrize("release", ["8.1.0", "8.1.1", "8.1.101.18", "8.1.001.02"])
def test_before_8_1_2_lost_objects_are_taken_out_of_the_connections(tmp_path: Path, release: str) -> None:
    changes = survivor_changes(Survivor(tmp_path, release=release))  # type: ignore[arg-type]
    assert list(changes) == ["GIM"]
    assert changes["GIM"].disconnect == ["DAP_GIM_site1", *LOST]
    assert not set(changes["GIM"].connect) & set(LOST)


@pytest.mark.parametrize("release", ["8.1.2", "8.1.3", "8.1.402.07", "8.5"])
def test_from_8_1_2_on_lost_objects_are_disabled_and_stay_connected(tmp_path: Path, release: str) -> None:
    changes = survivor_changes(Survivor(tmp_path, release=release))  # type: ignore[arg-type]
    assert {name: change for name, change in changes.items() if name != "GIM"} == {
        name: Change(enabled=False) for name in LOST
    }
    assert changes["GIM"].disconnect == ["DAP_GIM_site1"]


def test_the_server_moves_with_host_command_line_and_its_own_info_mart(step: Any) -> None:
    change = survivor_changes(step)["GIM"]
    assert (change.host, "site2-cfg" in (change.command_line or "")) == ("site2-gim", True)
    assert change.connect[0] == "DAP_GIM_site2" and set(change.connect[1:]) == {
        "DAP_TS1_site2",
        "DAP_TS2_site2",
        "ICON_TS2_site1",
        "ICON_TS2_site2",
    }


def test_of_two_active_servers_none_moves(tmp_path: Path) -> None:
    step: Any = Survivor(tmp_path, lab="active-active")
    changes = survivor_changes(step)
    assert changes["GIM_site2"] == Change() and "GIM_site1" not in changes
    assert set(changes) == {"GIM_site2", *LOST}
    early: Any = Survivor(tmp_path, lab="active-active", release="8.1.1")
    assert survivor_changes(early) == {"GIM_site2": Change(disconnect=LOST)}


# -- the way there and back ------------------------------------------------------------------------


def hold_scheduler() -> SetScheduler:
    return SetScheduler(
        task_id="hold_scheduler",
        role="target",
        on=False,
        fact=facts.STANDBY_TOUCHED,
        partitioned_only=True,
        guide="",
    )


def disable_aggregation() -> SetAggregation:
    return SetAggregation(task_id="disable_aggregation", role="target", on=False, fact=facts.STANDBY_TOUCHED, guide="")


def configure(step: Any) -> None:
    """The steps of the group configure_survivor, in their order."""
    drop = DropFailedSources(task_id="drop_failed_sources", role="target")
    for operator in (drop, hold_scheduler(), disable_aggregation()):
        operator._run(step)


def back(step: Any) -> dict[str, Any]:
    return ReturnStandby(task_id="return_standby")._run(step)


def as_sets(objects: Objects) -> dict[str, Any]:
    """The objects without their order and version."""
    return {
        name: {**document, "version": 0, "connections": set(document["connections"])}
        for name, document in objects.stored.items()
    }


def rename(step: Any, old: str, new: str) -> None:
    """Give an object another name everywhere."""
    text = json.dumps({"topology": step.document, "objects": step.objects.stored}).replace(f'"{old}"', f'"{new}"')
    found = json.loads(text)
    step.document, step.objects.stored = found["topology"], found["objects"]
    step.read_topology()


@pytest.mark.parametrize("release", ["8.1.1", "8.1.4"])
def test_a_failover_that_does_not_happen_leaves_every_object_as_it_was(tmp_path: Path, release: str) -> None:
    step: Any = Survivor(tmp_path, release=release, **CONFIRMED)
    before = as_sets(step.objects)
    configure(step)
    assert step.objects.stored["GIM"]["host"] == "site2-gim"
    assert step.objects.stored["GIM"]["options"]["schedule"]["run-scheduler"] == "false"
    assert "standby again" in back(step)["summary"]
    assert as_sets(step.objects) == before
    assert set(step.ledger) == set(), "nothing is left to put back"
    assert step.goldengate.commands == ["START MGR", "START RGIM"]


def test_the_back_out_puts_the_last_change_back_first(step: Any) -> None:
    configure(step)
    there = [name for name, _ in step.objects.applied]
    step.objects.applied.clear()
    back(step)
    assert [name for name, _ in step.objects.applied] == there[::-1]


def test_how_an_object_was_is_recorded_once_and_a_retry_does_not_take_the_change_for_it(step: Any) -> None:
    before = as_sets(step.objects)
    configure(step)
    # The run broke off in the middle, and a person has changed the object since: the step acts again.
    step.objects.stored["GIM"]["host"] = "site3-gim"
    configure(step)
    back(step)
    assert as_sets(step.objects) == before


def test_objects_with_long_names_are_recorded_and_put_back_too(step: Any) -> None:
    for number, name in enumerate(LOST):
        rename(step, name, f"{name} {'x' * (199 - len(name))}"[:199] + str(number))
    before = as_sets(step.objects)
    assert max(map(len, before)) == 200
    configure(step)
    assert len(step.ledger.all().of(facts.OBJECT_BEFORE)) == 7
    back(step)
    assert as_sets(step.objects) == before


def test_an_object_that_cannot_be_put_back_keeps_its_record_and_does_not_keep_the_standby_from_following(
    step: Any,
) -> None:
    before = as_sets(step.objects)
    configure(step)
    step.objects.broken = {"DAP_TS1_site1"}
    back(step)
    assert step.goldengate.commands == ["START MGR", "START RGIM"]
    assert [json.loads(value)["object"] for value in step.ledger.values()] == ["DAP_TS1_site1"]
    step.objects.broken = set()
    step.ledger["standby_touched"] = "1"
    back(step)
    assert as_sets(step.objects) == before


def test_nothing_is_changed_before_a_person_has_confirmed(step: Any) -> None:
    step.ledger.clear()
    with pytest.raises(GuardError, match="site_failure_confirmed"):
        configure(step)
    assert step.objects.applied == [] and step.ledger == {}


def test_objects_that_are_as_they_must_be_are_still_recorded_as_touched(step: Any) -> None:
    """Else the back-out would not know that this plan answers for the survivor."""
    configure(step)
    step.ledger.clear()
    step.ledger.update(CONFIRMED)
    DropFailedSources(task_id="drop", role="target")._run(step)
    assert "standby_touched" in step.ledger


def test_a_person_who_configures_gets_the_exact_changes(step: Any) -> None:
    step.document["sites"]["site2"]["configuration"] = {"backend": "manual"}
    step.read_topology()
    text = DropFailedSources(task_id="drop", role="target").instructions(step)
    assert text is not None
    lines = [line.strip() for line in text.splitlines()]
    command_line = step.topology.sites["site2"].info_mart_server.command_line
    for value in ("GIM", "site2-gim", command_line, "DAP_GIM_site1", "DAP_GIM_site2", *LOST):
        assert value in lines
    assert text.count("clear **State Enabled**") == len(LOST)
    back(step)
    assert step.objects.applied == [], "and nothing is put back behind his back"


def test_a_person_who_has_switched_aggregation_off_is_not_asked_again_in_this_plan(step: Any) -> None:
    """Before the start and before the re-aggregation: where a person configures, the object cannot be read."""
    step.document["sites"]["site2"]["configuration"] = {"backend": "manual"}
    step.read_topology()
    hold = disable_aggregation()
    assert "run-aggregates" in str(hold.instructions(step))
    hold.before(step)
    hold._result(step, Observation(True, "a person did it"))
    again = disable_aggregation()
    assert again.instructions(step) is None
    assert "a person has switched aggregation off" in again._run(step)["summary"]
    SetAggregation(task_id="enable", role="target", on=True, guide="").finish(step, Observation(True, ""))
    assert "run-aggregates" in str(again.instructions(step)), "it is on again"
    step.ledger["aggregation_disabled"] = "yes"
    back(step)
    assert "run-aggregates" in str(again.instructions(step)), "after the back-out it may be on again"


def test_a_second_task_of_the_same_switch_does_not_take_the_change_for_the_state_before_it(step: Any) -> None:
    before = as_sets(step.objects)
    configure(step)
    again = SetAggregation(
        task_id="check_aggregation_disabled", role="target", on=False, fact=facts.STANDBY_TOUCHED, guide=""
    )
    again.before(step)
    assert len(step.ledger.all().of(facts.OBJECT_BEFORE)) == 7
    back(step)
    assert as_sets(step.objects) == before


def test_without_raa_no_plan_records_that_it_has_switched_aggregation_off(step: Any) -> None:
    step.document["raa"] = {"enabled": False}
    step.read_topology()
    SetAggregation(task_id="disable_aggregation", role="target", on=False, guide="")._run(step)
    assert not step.ledger.has(facts.AGGREGATION_DISABLED)


def test_where_aggregation_can_be_seen_a_record_of_it_proves_nothing(step: Any) -> None:
    hold = disable_aggregation()
    hold._run(step)
    step.objects.stored["GIM"]["options"]["schedule"]["run-aggregates"] = "true"
    hold._run(step)
    assert step.objects.stored["GIM"]["options"]["schedule"]["run-aggregates"] == "false"


def test_steps_that_the_deployment_has_no_use_for_are_skipped(step: Any) -> None:
    step.document["raa"] = {"enabled": False}
    step.document["info_mart"]["partitioned"] = False
    step.read_topology()
    step.dba = lambda role: SimpleNamespace(select=lambda name, **binds: [])
    for operator, reason in ((disable_aggregation(), "no RAA"), (hold_scheduler(), "not partitioned")):
        with pytest.raises(AirflowSkipException, match=reason):
            operator._run(step)


def test_a_plan_that_touched_nothing_and_a_run_without_the_lock_put_nothing_back(step: Any) -> None:
    assert "has not touched" in back(step)["summary"]
    configure(step)
    step.objects.applied.clear()
    step.lock = FakeLock("plan-1", "dag run-2")
    assert "does not hold the lock" in back(step)["summary"]
    assert step.objects.applied == [] and step.goldengate.commands == []


def test_past_the_point_of_no_return_only_aggregation_is_switched_on(step: Any) -> None:
    configure(step)
    step.ledger["point_of_no_return"] = "1"
    step.objects.applied.clear()
    back(step)
    assert [name for name, _ in step.objects.applied] == ["GIM"]
    assert step.objects.stored["GIM"]["options"]["schedule"] == {
        **step.objects.stored["GIM"]["options"]["schedule"],
        "run-aggregates": "true",
        "run-scheduler": "false",
    }
    assert step.objects.stored["GIM"]["host"] == "site2-gim" and step.goldengate.commands == []
    step.objects.applied.clear()
    back(step)
    assert step.objects.applied == [], "a second time it is on already"


def test_past_the_point_of_no_return_without_raa_nothing_is_done(step: Any) -> None:
    configure(step)
    step.ledger["point_of_no_return"] = "1"
    step.document["raa"] = {"enabled": False}
    step.read_topology()
    step.objects.applied.clear()
    assert "past the point of no return" in back(step)["summary"]
    assert step.objects.applied == []


def test_of_two_active_servers_the_survivors_goes_on_ignoring_the_lost_site(tmp_path: Path) -> None:
    step: Any = Survivor(tmp_path, lab="active-active", standby_touched="1")
    assert "stays ignored" in back(step)["summary"]
    assert step.objects.applied == [] and step.goldengate.commands == []


def test_a_back_out_that_failed_is_tried_again_also_after_a_final_error() -> None:
    operator = ReturnStandby(task_id="return_standby")
    assert operator.retry_policy is None and operator.role == "target"


# -- the lost site ---------------------------------------------------------------------------------


class Endpoints:
    """The result of the probes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.alive = False
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        monkeypatch.setattr(fencing, "judge", self._judge)

    def _judge(self, step: Any, role: str, places: Any = ("airflow", "survivor")) -> Verdict:
        self.asked.append((role, tuple(places)))
        answers = [
            Answer(Endpoint("SSH of site1-db", "db1", 22), place, "open" if self.alive else "silent")
            for place in places
        ]
        return Verdict(answers, [answer for answer in answers if self.alive])


@pytest.fixture
def endpoints(monkeypatch: pytest.MonkeyPatch) -> Endpoints:
    return Endpoints(monkeypatch)


def test_an_endpoint_that_answers_stops_the_run_and_the_evidence_is_recorded_again_each_time(
    step: Any, endpoints: Endpoints
) -> None:
    probe = ProbeFailedSite(task_id="probe", place="survivor")
    endpoints.alive = True
    with pytest.raises(
        GuardError, match=r"(?s)site1 is alive:.*SSH of site1-db.*probed from the survivor.*two Info Mart Servers"
    ):
        probe._run(step)
    endpoints.alive = False
    step.ledger["evidence:survivor"] = "old"
    probe._run(step)
    noted = json.loads(step.ledger["evidence:survivor"])
    assert noted["answers"] == [{"endpoint": "SSH of site1-db", "at": "db1:22", "place": "survivor", "state": "silent"}]
    assert endpoints.asked == [("source", ("survivor",))] * 2


def test_what_the_survivor_lacks_is_shown_at_the_gate_and_stops_nothing(
    step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that does not come is a warning too: a failover must not wait for a prerequisite."""

    def away(step: Any, role: str, **_: Any) -> Any:
        assert role == "target", "the lost site is not asked"
        raise TransientError("the listener does not answer.", "Check it.")

    replace_question(monkeypatch, "deployment_faults", lambda step, role: iter([]))
    replace_question(monkeypatch, "database_faults", lambda step, role: iter(["FORCE LOGGING is NO at site2"]))
    replace_question(monkeypatch, "privilege_faults", away)
    nobody = Fault("nothing would refuse the returning Info Mart Server of site1", "GRANT it.", stops=False)
    replace_question(monkeypatch, "admission_faults", lambda step, role, lost: [nobody])
    rows = [{"table_name": "GIDB_G_CALL_V", "high_value": "1500000000"}]
    step.dba = lambda role: SimpleNamespace(select=lambda name, **binds: rows)
    result = CheckSurvivor(task_id="check_survivor", role="target")._run(step)
    assert len(result["warnings"]) == 4
    shown = ConfirmSiteFailure(task_id="confirm_site_failure", subject="Dead?", body="").evidence(step)
    for words in (
        "FORCE LOGGING is NO at site2",
        "privileges could not be checked: the listener does not answer",
        "GIDB_G_CALL_V",
        "nothing would refuse the returning Info Mart Server of site1",
    ):
        assert words in shown


def test_the_gate_shows_every_endpoint_from_both_places_and_the_loss(step: Any, endpoints: Endpoints) -> None:
    for place in ("airflow", "survivor"):
        ProbeFailedSite(task_id="probe", place=place)._run(step)  # type: ignore[arg-type]
    gate = ConfirmSiteFailure(task_id="gate", subject="Dead?", body="")
    shown = gate.evidence(step)
    assert "| airflow | SSH of site1-db db1:22 | silent |" in shown
    assert "| survivor | SSH of site1-db db1:22 | silent |" in shown
    assert "**Loss:**" in shown, "also where there is no estimate"
    assert "**Link to site1:**" in shown
    step.ledger["loss_report"] = "Calls lost: 0 to 36"
    assert gate.evidence(step).endswith("Calls lost: 0 to 36")
    step.ledger.clear()
    gate.accepted(step, "anna")
    assert step.ledger["site_failure_confirmed"].startswith("anna at ")


def test_a_site_that_lives_or_that_nobody_calls_lost_lets_a_later_estimate_begin_again(
    step: Any, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the moment of an earlier probe would be the end of a later loss in the same plan."""
    endpoints.alive = True
    step.ledger["loss_first_look"] = "1000"
    with pytest.raises(GuardError):
        ProbeFailedSite(task_id="probe", place="airflow")._run(step)
    assert "loss_first_look" not in step.ledger

    def reject(self: Any, context: Any, event: Any) -> None:
        raise HITLRejectException("no")

    monkeypatch.setattr(human.Step, "from_context", lambda context: step)
    monkeypatch.setattr(human.ApprovalOperator, "execute_complete", reject)
    step.ledger["loss_first_look"] = "1000"
    with pytest.raises(HITLRejectException):
        ConfirmSiteFailure(task_id="gate", subject="Dead?", body="").execute_complete({}, {})  # type: ignore[arg-type]
    assert "loss_first_look" not in step.ledger
    step.ledger |= {"loss_first_look": "1000", **CONFIRMED, "standby_touched": "1"}
    ReturnStandby(task_id="return_standby")._run(step)
    assert "loss_first_look" not in step.ledger


# -- the start -------------------------------------------------------------------------------------


@pytest.fixture
def ready(tmp_path: Path, endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> Any:
    step: Any = Survivor(tmp_path, **DRAINED)
    step.goldengate.file("dp000000002", 900)
    step.goldengate.states["RGIM"], step.goldengate.manager = "STOPPED", False
    step.ledger["trail_seen"] = json.dumps({"end": "dp000000002, 900 bytes", "since": 1})
    replace_question(
        monkeypatch,
        "running_at",
        lambda step, role: Observation(bool(step.started), "Running" if step.started else "Stopped"),
    )
    replace_question(monkeypatch, "log_size", lambda step, role: 4711)
    replace_question(monkeypatch, "newest_fact", lambda step, role, moment: 0)
    monkeypatch.setattr(StepOperator, "settled", lambda self, step: self.verify(step))
    return step


def start(step: Any) -> dict[str, Any]:
    return StartAtSurvivor(task_id="start", role="target")._run(step)


def not_started(step: Any) -> None:
    assert step.started == [] and not {"point_of_no_return", "server_touched"} & set(step.ledger)


def test_the_survivor_starts_once_and_the_point_of_no_return_is_recorded_before_it(
    ready: Any, endpoints: Endpoints
) -> None:
    noted_at_start = []
    ready.management_layer = lambda role: SimpleNamespace(
        start=lambda dbid: (noted_at_start.append("point_of_no_return" in ready.ledger), ready.started.append(dbid))
    )
    start(ready)
    assert noted_at_start == [True] and ready.started == [121]
    assert ready.ledger["server_log_begin"] == "4711"
    assert endpoints.asked == [("source", ("airflow", "survivor"))]
    start(ready)
    assert ready.started == [121]


def test_the_survivor_does_not_start_when_an_endpoint_of_the_lost_site_answers(
    ready: Any, endpoints: Endpoints
) -> None:
    endpoints.alive = True
    with pytest.raises(GuardError, match=r"(?s)site1 is alive.*Two servers .*never write"):
        start(ready)
    not_started(ready)


def test_the_survivor_does_not_start_while_somebody_has_a_session_in_its_info_mart(ready: Any) -> None:
    ready.sessions = [{"sid": 12, "serial": 99, "program": "gim_etl_server", "machine": "gim-elsewhere"}]
    with pytest.raises(GuardError, match=r"session 12,99 of gim_etl_server on gim-elsewhere"):
        start(ready)
    not_started(ready)


def test_after_a_crash_the_session_of_its_own_server_does_not_keep_the_retry_from_starting_it(ready: Any) -> None:
    ready.ledger["point_of_no_return"] = "1"
    ready.sessions = [{"sid": 12, "serial": 99, "program": "gim_etl_server", "machine": "site2-gim"}]
    start(ready)
    assert ready.started == ["target 121"] and ready.ledger["point_of_no_return"] == "1"


@pytest.mark.parametrize("fact", ["site_failure_confirmed", "standby_drained"])
def test_the_survivor_does_not_start_before_it_is_confirmed_and_drained(ready: Any, fact: str) -> None:
    del ready.ledger[fact]
    with pytest.raises(GuardError, match=fact):
        start(ready)
    not_started(ready)


def test_the_replicat_and_its_trail_are_gone_before_the_survivor_starts_and_kept_aside(
    ready: Any, refused: list[tuple[str, list[str]]]
) -> None:
    there = []
    ready.management_layer = lambda role: SimpleNamespace(
        start=lambda dbid: (there.append((dict(ready.goldengate.states), list(refused))), ready.started.append(dbid))
    )
    start(ready)
    assert there == [({}, [("target", ["site1", "site3"])])], "site3 of the lab was never there"
    assert ready.goldengate.commands == ["STOP RGIM", "DELETE RGIM"]
    aside = ready.goldengate.home / "dirdat" / f"old-{ready.key}"
    assert (aside / "rgim.info").read_text() == "REPLICAT RGIM\n"
    assert (aside / "dirdat" / "dp000000002").stat().st_size == 900
    assert newest_trail_file(ready) is None and "survivor_fenced" in ready.ledger


def test_nothing_is_deleted_while_a_back_out_may_still_be_needed(ready: Any) -> None:
    ready.goldengate.states["RGIM"] = "RUNNING"
    with pytest.raises(GuardError, match="RGIM runs again at site2"):
        start(ready)
    not_started(ready)
    ready.goldengate.states["RGIM"] = "STOPPED"
    ready.goldengate.file("dp000000003", 10)
    with pytest.raises(
        GuardError, match=r"(?s)has grown from dp000000002, 900 bytes to dp000000003, 10 bytes.*is alive"
    ):
        start(ready)
    not_started(ready)
    assert ready.goldengate.states == {"RGIM": "STOPPED"} and ready.goldengate.commands == []


def test_a_fence_that_broke_off_is_finished_by_the_retry(ready: Any) -> None:
    deleted, ready.goldengate.delete_group = ready.goldengate.delete_group, lambda name: 1 / 0
    with pytest.raises(ZeroDivisionError):
        start(ready)
    assert "point_of_no_return" in ready.ledger and ready.started == []
    ready.goldengate.delete_group = deleted
    start(ready)
    assert ready.started and ready.goldengate.states == {}


def test_the_survivor_does_not_start_while_a_trail_arrives_again_after_the_fence(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = failover.put_aside
    monkeypatch.setattr(failover, "put_aside", lambda *a: (aside(*a), ready.goldengate.file("dp000000000", 5)))
    with pytest.raises(GuardError, match="A trail arrives at site2 again"):
        start(ready)
    assert ready.started == []


def test_a_server_that_somebody_started_by_hand_still_makes_the_plan_record_that_it_serves(ready: Any) -> None:
    ready.started = ["by hand"]
    start(ready)
    assert "point_of_no_return" in ready.ledger


def test_the_new_roles_are_reported_until_the_topology_has_them(step: Any) -> None:
    tell = ReportNewRoles(task_id="tell", roles={"source": "failed", "target": "active"})
    told = tell._run(step)
    assert told["summary"] == "set in the topology file now: sites.site1.role: failed, sites.site2.role: active"
    assert told["roles"] == {"site1": "failed", "site2": "active"}
    step.document["sites"]["site1"]["role"] = "failed"
    step.document["sites"]["site2"]["role"] = "active"
    step.read_topology()
    assert tell._run(step)["summary"] == "the topology's roles are right"
