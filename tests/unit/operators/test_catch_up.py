"""The marker row that proves a catch-up is written by a user whose changes the Extract captures."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred
from tests.unit.operators.fakes import FakeLedger, FakeStep, StepOf, replace_question

from infomart_dr.errors import GuardError, RemoteCommandError, TransientError, UnreachableError
from infomart_dr.guards.replication import marker_arrived, replication_now
from infomart_dr.hooks.parse_ggsci import ProgramStatus, Start, parse_info_all
from infomart_dr.operators.server import CutoverGate
from infomart_dr.sensors.replicated import ProveTargetFollows, WaitForCatchUp, WaitForFinalCatchUp
from infomart_dr.topology import AliasLogin, EncryptedLogin, GoldenGate


class Database:
    """Records the statements that write; has no marker yet."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def select(self, name: str, identifiers: dict[str, str], **binds: Any) -> list[dict[str, Any]]:
        return []

    def value(self, name: str) -> int:
        return 4711

    def execute(self, name: str, identifiers: dict[str, str], **binds: Any) -> int:
        assert identifiers == {"schema": "GGATE"} and binds["scn"] == 4711
        self.written.append(name)
        return 1


@pytest.mark.parametrize(
    ("release", "login", "by_dba"),
    [
        ("11.2", EncryptedLogin(user="GGATE", encrypted_password="A" * 32), True),
        ("12.1", AliasLogin(alias="ggate"), False),
        ("19.1", AliasLogin(alias="ggate"), False),
    ],
)
def test_before_12c_the_marker_is_not_written_by_the_user_that_excludeuser_names(
    release: str, login: AliasLogin | EncryptedLogin, by_dba: bool
) -> None:
    dba, goldengate = Database(), Database()
    site = SimpleNamespace(goldengate=GoldenGate(home="/ogg", release=release, login=login))
    step: Any = StepOf(
        key="12345678",
        site=lambda role: site,
        name=lambda role: role,
        dba=lambda role: dba,
        goldengate_database=lambda role: goldengate,
        ledger=FakeLedger(),
    )
    WaitForCatchUp(task_id="wait", direction="to_target", moment="now").prepare(step)
    assert (dba.written, goldengate.written) == ((["marker_put"], []) if by_dba else ([], ["marker_put"]))


class Abended:
    """A run whose Replicat has abended; the marker arrives once it runs."""

    def __init__(self, *, recorded: bool = True, starts: tuple[Start, ...] = (Start(77, None, 80),)) -> None:
        self.state, self.started = "ABENDED", list[tuple[str, int | None]]()
        self.comes_back = True
        self.step: Any = FakeStep(**({"to_target_after_csn": "77"} if recorded else {}))
        goldengate = GoldenGate(home="/ogg", release="19.1", login=AliasLogin(alias="ggate"))
        self.step.site = lambda role: SimpleNamespace(goldengate=goldengate)
        self.step.name = lambda role: self.step.sites[role]
        self.step.dba = lambda role: Database()
        self.step.goldengate_database = lambda role: self
        self.step.topology.timeouts = SimpleNamespace(inline_wait=5, poll=0.01, catch_up=60)
        ggsci = SimpleNamespace(
            status=lambda name: self.state,
            info=lambda name: SimpleNamespace(status=self.state, initialized=False),
            info_all=lambda: [SimpleNamespace(group=name, status="RUNNING") for name in ("EGIM", "PGIM")],
            lag=lambda name: SimpleNamespace(seconds=1, at_eof=True),
            report_tail=lambda name: "OGG-00664 OCI Error",
            starts=lambda name: list(starts),
            start=self._start,
            wait_running=self._wait,
        )
        self.step.ggsci = lambda role: ggsci

    def _start(self, name: str, after_csn: int) -> Any:
        self.started.append((name, after_csn))
        self.state = "RUNNING" if self.comes_back else "ABENDED"
        return SimpleNamespace(what="started")

    def _wait(self, name: str) -> None:
        if self.state != "RUNNING":
            raise RemoteCommandError(f"{name} abended. End of its report:", "Correct the cause.")

    def select(self, name: str, identifiers: Any, **binds: Any) -> list[dict[str, Any]]:
        return [{}] if self.state == "RUNNING" else []

    def execute(self, *words: Any, **binds: Any) -> int:
        return 1

    def retry(self) -> dict[str, Any]:
        return WaitForCatchUp(task_id="wait_for_catch_up", direction="to_target", moment="now")._run(self.step)


def test_a_retry_starts_a_replicat_that_abended_with_its_csn_and_waits_on() -> None:
    world = Abended()
    assert "the marker arrived" in world.retry()["summary"]
    assert world.started == [("RGIM", 77)]


def test_a_replicat_that_abends_again_stops_the_run_with_its_report() -> None:
    world = Abended()
    world.comes_back = False
    with pytest.raises(RemoteCommandError, match="End of its report"):
        world.retry()
    assert world.started == [("RGIM", 77)]


def test_an_abend_that_a_start_without_the_csn_led_to_is_named_and_hidden_by_no_other_start() -> None:
    world = Abended(starts=(Start(77), Start(worked=True)))
    with pytest.raises(GuardError, match="was started without AFTERCSN 77"):
        world.retry()
    assert world.started == []


def test_a_replicat_that_this_plan_has_not_started_is_left_to_people() -> None:
    world = Abended(recorded=False)
    with pytest.raises(TransientError, match="RGIM at site3 is ABENDED"):
        world.retry()
    assert world.started == []


def test_a_run_that_has_lost_the_lock_starts_no_replicat() -> None:
    world = Abended()
    world.step.lock.take_over("other", "other run", "", "plan-1")
    with pytest.raises(GuardError, match="does not hold the lock"):
        world.retry()
    assert world.started == []


@pytest.mark.parametrize(
    ("added_by", "remedy"), [("add_replicat", "Clear add_replicat with Downstream."), ("", "Find out who removed it.")]
)
def test_a_task_that_adds_a_missing_replicat_is_named_where_there_is_one(added_by: str, remedy: str) -> None:
    goldengate = SimpleNamespace(schema_name="GGATE", groups=SimpleNamespace(replicat="RGIM"))
    step: Any = StepOf(
        key="12345678",
        site=lambda role: SimpleNamespace(goldengate=goldengate),
        name=lambda role: role,
        goldengate_database=lambda role: Database(),
        ggsci=lambda role: SimpleNamespace(info=lambda group: None),
    )
    wait = WaitForCatchUp(task_id="wait", direction="to_target", moment="now", added_by=added_by)
    with pytest.raises(GuardError, match="There is no RGIM at target") as caught:
        marker_arrived(step, **wait.arguments(step))
    assert caught.value.next_step.startswith(remedy)


# -- after the gate ----------------------------------------------------------------------------------


class AfterTheGate:
    """A pair whose gate was answered; its link may have gone meanwhile."""

    def __init__(self, *, link: bool = True) -> None:
        self.link, self.markers = link, list[str]()
        self.step: Any = FakeStep()
        goldengate = GoldenGate(home="/ogg", release="19.1", login=AliasLogin(alias="ggate"))
        self.step.site = lambda role: SimpleNamespace(goldengate=goldengate)
        self.step.name = lambda role: self.step.sites[role]
        self.step.dba = lambda role: Database()
        self.step.goldengate_database = lambda role: SimpleNamespace(
            select=lambda name, identifiers, **binds: self.rows(role, binds["marker_id"]), execute=self.write
        )
        self.step.topology.timeouts = SimpleNamespace(inline_wait=0.05, poll=0.01, catch_up=86400, gate_recheck=60)
        said = (
            "EXTRACT RUNNING EGIM 00:00:02 00:00:05\nEXTRACT ABENDED PGIM 00:00:00 00:12:00\n"
            "REPLICAT RUNNING RGIM 00:00:00 00:00:04\n"
        )
        self.programs: Any = lambda role: parse_info_all(said)
        self.step.ggsci = lambda role: SimpleNamespace(
            status=lambda name: "RUNNING",
            info=lambda name: SimpleNamespace(status="RUNNING"),
            info_all=lambda: [ProgramStatus("EXTRACT", "RUNNING", name) for name in ("EGIM", "PGIM")],
            lag=lambda name: SimpleNamespace(seconds=0, at_eof=True),
        )

    def rows(self, role: str, marker: str) -> list[dict[str, Any]]:
        return [{}] if marker in self.markers and (role == "source" or self.link) else []

    def write(self, name: str, identifiers: Any, **binds: Any) -> int:
        self.markers.append(binds["marker_id"])
        return 1


def test_after_the_gate_a_change_must_reach_the_target_before_anything_stops() -> None:
    world = AfterTheGate()
    task = ProveTargetFollows(task_id="prove_target_follows")
    assert "the marker arrived at site3" in task._run(world.step)["summary"]
    assert len(world.markers) == 1
    # A clear proves it anew: an old marker shows nothing of the present link.
    world.link = False
    with pytest.raises(TaskDeferred) as deferred:
        sleep_a_second_then(task, world)
    trigger = deferred.value.trigger
    assert len(world.markers) == 2 and trigger.arguments["marker"] == world.markers[1]
    assert trigger.deadline - time.time() <= 60, "not the day that a catch-up may take"


def sleep_a_second_then(task: ProveTargetFollows, world: AfterTheGate) -> None:
    time.sleep(1.1)
    task._run(world.step)


def test_a_link_that_is_out_fails_the_run_with_the_states_of_pump_and_replicat_while_the_service_runs() -> None:
    world = AfterTheGate(link=False)
    for role in ("source", "target"):
        world.step.ggsci(role)
    ggsci = SimpleNamespace(info_all=lambda: world.programs("any"))
    world.step.ggsci = lambda role: ggsci
    task = ProveTargetFollows(task_id="prove_target_follows")
    with pytest.raises(GuardError) as caught:
        task.take(world.step, {"state": "timeout", "summary": "the marker from site2 has not arrived (RGIM RUNNING)"})
    assert caught.value.what.splitlines() == [
        "No change of site2 has reached site3 within 60 s. The Info Mart Server at site2 still runs; nothing was "
        "stopped.",
        "- EGIM at site2: RUNNING, lag 2 s at its last checkpoint, 5 s ago",
        "- PGIM at site2: ABENDED, lag 0 s at its last checkpoint, 12 min ago",
        "- RGIM at site3: RUNNING, lag 0 s at its last checkpoint, 4 s ago",
        "the marker from site2 has not arrived (RGIM RUNNING)",
    ]


def test_a_site_that_does_not_answer_is_said_in_the_place_of_its_groups() -> None:
    world = AfterTheGate(link=False)

    def silent() -> Any:
        raise UnreachableError("site3-db does not answer.")

    states = {"source": lambda: world.programs("source"), "target": silent}
    world.step.ggsci = lambda role: SimpleNamespace(info_all=states[role])
    assert replication_now(world.step, "to_target")[-1] == "RGIM at site3: site3-db does not answer."


def test_the_gate_shows_the_present_state_and_since_when_the_copy_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    replace_question(monkeypatch, "after_the_start", lambda step: [])
    replace_question(monkeypatch, "all_faults", lambda step, copies: [])
    world = AfterTheGate()
    world.step.ledger["imported"] = "1800000000"
    world.step.topology.name = "lab"
    world.step.ggsci = lambda role: SimpleNamespace(info_all=lambda: world.programs(role))
    shown = CutoverGate(task_id="approve_cutover", subject="Cut over?", body="").evidence(world.step)
    assert "from site2 to site3" in shown and "The copy stands since 2027-01-15 08:00:00 UTC." in shown
    assert "- PGIM at site2: ABENDED, lag 0 s at its last checkpoint, 12 min ago" in shown


def test_the_final_wait_has_one_limit_from_the_stop_on_over_all_its_tries() -> None:
    world = Abended(recorded=False)
    world.step.topology.timeouts.final_catch_up = 900
    wait = WaitForFinalCatchUp(task_id="wait_for_final_catch_up", direction="to_target", moment="final")
    world.step.ledger["final_stop"] = str(int(time.time()) - 600)
    assert 290 < wait.limit(world.step) <= 300
    with pytest.raises(TransientError, match="RGIM at site3 is ABENDED"):
        wait._run(world.step)
    world.step.ledger["final_stop"] = str(int(time.time()) - 901)
    assert wait.limit(world.step) == 0
    with pytest.raises(GuardError, match=r"did not arrive within 15 min\w* after the stop: .*RGIM at site3 is ABENDED"):
        wait._run(world.step)
    with pytest.raises(GuardError, match="did not arrive within"):
        wait.take(world.step, {"state": "failed", "error": "UnreachableError", "retryable": True, "what": "no answer"})
