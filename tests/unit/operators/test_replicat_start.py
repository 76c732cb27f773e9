"""A Replicat counts as started only when this plan started it after the SCN, by its record and by the reports."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import FakeStep

from infomart_dr.errors import GuardError, RemoteCommandError
from infomart_dr.guards.replication import start_fault
from infomart_dr.hooks.parse_ggsci import Start
from infomart_dr.operators.replication import AddReplicat, StartManagers, StartReplicatAfterCsn
from infomart_dr.sensors.replicated import WaitForCatchUp
from infomart_dr.topology import Trails

CSN = 1000
PLAIN, EARLY = Start(worked=True), Start(after_csn=CSN, worked=True)
PASSED = Start(after_csn=CSN, delivered_csn=CSN + 5, worked=True)
NOTHING = Start()


@pytest.mark.parametrize(
    ("starts", "fault"),
    [
        ([], ""),
        ([EARLY], ""),
        ([EARLY, EARLY], ""),
        ([PASSED, PLAIN, PLAIN], ""),
        # Ended before it has reached the trail, as with a wrong password.
        ([NOTHING, EARLY], ""),
        ([PLAIN], "without AFTERCSN 1000"),
        ([PLAIN, EARLY], "without AFTERCSN 1000"),
        # AUTORESTART after an abend while the Replicat still skips.
        ([EARLY, PLAIN], "without AFTERCSN 1000"),
        ([EARLY, PLAIN, PASSED], "without AFTERCSN 1000"),
        ([Start(after_csn=999, worked=True)], "after CSN 999, not after CSN 1000"),
        ([Start(at_csn=CSN, worked=True)], "at CSN 1000, not after CSN 1000"),
        ([PASSED, Start(after_csn=2000, worked=True)], ""),
    ],
)
def test_a_plain_start_is_right_only_behind_one_that_has_passed_the_csn(starts: list[Start], fault: str) -> None:
    found = start_fault(starts, CSN)
    assert fault in found and bool(found) == bool(fault)


class World:
    """A Replicat at the target with its reports, and the commands to ggsci."""

    def __init__(self) -> None:
        self.status: str | None = "STOPPED"
        self.starts: list[Start] = []
        self.initialized = True
        self.commands: list[str] = []
        self.manager = True
        self.mgr_prm = {"source": "PORT 7809\n", "target": "PORT 7809\n"}
        self.abends = False
        self.step: Any = FakeStep()
        groups = SimpleNamespace(extract="EGIM", pump="PGIM", replicat="RGIM")
        self.step.site = lambda role: SimpleNamespace(
            goldengate=SimpleNamespace(home="/ogg", groups=groups, trails=Trails())
        )
        self.step.ggsci = lambda role: SimpleNamespace(
            info=lambda name: self.info(),
            status=lambda name: self.status,
            starts=lambda name: list(self.starts),
            start=self.start,
            wait_running=self.wait,
            manager_status=lambda: self.manager,
            start_manager=self.start_manager,
            add_replicat=self.add,
        )
        self.step.host = lambda role, kind="db": SimpleNamespace(
            exists=lambda path: True,
            read_file=lambda path: self.mgr_prm[role],
            run=lambda argv: self.commands.append("reports aside"),
        )

    def info(self) -> Any:
        return self.status and SimpleNamespace(status=self.status, initialized=self.initialized)

    def run(self, start: Start) -> None:
        """A run of the Replicat begins."""
        self.starts.append(start)
        self.initialized, self.status = False, "RUNNING"

    def start(self, name: str, after_csn: int | None = None) -> Any:
        if self.status != "RUNNING":
            self.commands.append(f"START {name} {after_csn}")
            self.run(Start(after_csn=after_csn, worked=True))
        return SimpleNamespace(what="")

    def wait(self, *groups: str) -> None:
        if self.abends:
            self.status = "ABENDED"
            raise RemoteCommandError("REPLICAT RGIM abended.")

    def start_manager(self) -> Any:
        if not self.manager:
            self.commands.append("START MGR")
            self.manager = True
            if "AUTOSTART" in self.mgr_prm["target"] and self.status == "STOPPED":
                self.run(PLAIN)
        return SimpleNamespace(what="")

    def add(self, name: str, trail: str) -> Any:
        self.commands.append(f"ADD {name}")
        self.status, self.initialized = "STOPPED", True
        return SimpleNamespace(what="")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(StartReplicatAfterCsn, "scn", lambda self, step: CSN)
    return World()


def start(world: World) -> dict[str, Any]:
    return StartReplicatAfterCsn(task_id="start", direction="to_target")._run(world.step)


def caught_up(world: World) -> None:
    wait = WaitForCatchUp(task_id="wait", direction="to_target", moment="now")
    wait.finish(world.step, SimpleNamespace())  # type: ignore[arg-type]


def test_the_first_start_names_the_csn_and_is_recorded_before_it_is_sent(world: World) -> None:
    def sent(name: str, after_csn: int | None = None) -> None:
        assert world.step.ledger["to_target_after_csn"] == str(CSN)
        raise RemoteCommandError("the worker died here.")

    ggsci = world.step.ggsci("target")
    ggsci.start = sent
    world.step.ggsci = lambda role: ggsci
    with pytest.raises(RemoteCommandError):
        start(world)
    # START was not sent: the retry sends it.
    ggsci.start = world.start
    assert start(world)["summary"] == f"RGIM is RUNNING, started after CSN {CSN}"
    assert world.commands == [f"START RGIM {CSN}"]


def test_a_retry_after_the_start_was_sent_finds_it_in_the_report(world: World) -> None:
    start(world)
    assert start(world)["after_csn"] == CSN and world.commands == [f"START RGIM {CSN}"]
    caught_up(world)
    assert world.step.ledger["to_target_after_csn_passed"] == "yes"
    assert "has passed CSN" in start(world)["summary"]


@pytest.mark.parametrize("status", ["RUNNING", "ABENDED", "STOPPED"])
def test_a_replicat_that_somebody_else_started_is_refused(world: World, status: str) -> None:
    """A person, or AUTOSTART at a reboot, between add_replicat and this task."""
    world.run(PLAIN)
    world.status = status
    with pytest.raises(GuardError, match=r"RGIM at site3 was started without AFTERCSN 1000") as caught:
        start(world)
    assert "DELETE REPLICAT RGIM" in caught.value.next_step and "drop_sequences" in caught.value.next_step
    assert world.commands == [] and "to_target_after_csn" not in world.step.ledger


def test_a_plain_start_between_the_record_and_the_command_is_refused(world: World) -> None:
    world.step.ledger["to_target_after_csn"] = str(CSN)
    world.run(PLAIN)
    with pytest.raises(GuardError, match="was started without AFTERCSN 1000"):
        start(world)


def test_a_run_whose_report_names_no_csn_is_not_believed(world: World) -> None:
    """The plan's record alone does not count."""
    world.step.ledger["to_target_after_csn"] = str(CSN)
    world.run(NOTHING)
    with pytest.raises(GuardError, match="no report of it says that it was started after CSN 1000"):
        start(world)


def test_the_wrong_start_is_named_and_not_the_abend_that_it_led_to(world: World) -> None:
    world.step.ledger["to_target_after_csn"] = str(CSN)
    world.run(NOTHING)
    world.abends = True
    waits: Callable[..., None] = world.wait

    def wait(*groups: str) -> None:
        world.starts[-1] = PLAIN
        waits(*groups)

    ggsci = world.step.ggsci("target")
    ggsci.wait_running = wait
    world.step.ggsci = lambda role: ggsci
    with pytest.raises(GuardError, match="was started without AFTERCSN 1000"):
        start(world)


def test_an_abend_at_the_login_is_tried_again_with_the_csn(world: World) -> None:
    world.step.ledger["to_target_after_csn"] = str(CSN)
    world.run(NOTHING)
    world.status = "ABENDED"
    start(world)
    assert world.commands == [f"START RGIM {CSN}"]


def test_a_restart_before_the_csn_was_passed_is_found_by_the_catch_up(world: World) -> None:
    """AUTORESTART starts it without the CSN while it still skips; the marker still arrives."""
    start(world)
    world.starts.append(PLAIN)
    with pytest.raises(GuardError, match="was started without AFTERCSN 1000"):
        caught_up(world)
    assert "to_target_after_csn_passed" not in world.step.ledger


def test_a_restart_behind_the_csn_is_right(world: World) -> None:
    start(world)
    world.starts[-1] = PASSED
    world.starts.append(PLAIN)
    caught_up(world)
    assert world.step.ledger["to_target_after_csn_passed"] == "yes"
    # Reports of later runs push the first one out.
    world.starts = [PLAIN] * 10
    assert "has passed" in start(world)["summary"]


def test_of_a_group_that_is_added_again_neither_record_nor_report_counts(world: World) -> None:
    start(world)
    caught_up(world)
    world.status = None
    AddReplicat(task_id="add", direction="to_target")._run(world.step)
    assert world.commands[-2:] == ["reports aside", "ADD RGIM"]
    assert not set(world.step.ledger) & {"to_target_after_csn", "to_target_after_csn_passed"}


def test_a_manager_that_would_start_the_replicat_is_not_started(world: World) -> None:
    world.manager = False
    world.mgr_prm["target"] = "PORT 7809\nAUTOSTART ER *\n"
    with pytest.raises(GuardError, match=r"mgr\.prm of site3 has 'AUTOSTART ER \*', which starts RGIM"):
        start(world)
    assert world.commands == []


@pytest.mark.parametrize("line", ["AUTOSTART ER *", "autorestart replicat rg*, retries 3"])
def test_both_managers_run_before_groups_are_added_and_none_starts_a_replicat(world: World, line: str) -> None:
    world.manager = False
    world.mgr_prm["source"] += line
    with pytest.raises(GuardError, match=r"mgr\.prm of site2 has") as caught:
        StartManagers(task_id="start_managers")._run(world.step)
    assert "comment the lines out" in caught.value.next_step and world.commands == []
    StartManagers(task_id="start_managers", replicats=("target",))._run(world.step)
    assert world.commands == ["START MGR"]
    world.mgr_prm["source"] = "PORT 7809\nAUTORESTART EXTRACT *\n"
    assert StartManagers(task_id="start_managers")._run(world.step)["summary"] == "both managers run"
