"""A process that was paused and goes on, and a run that is overtaken, change nothing any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from infomart_dr.errors import InfoMartError, OvertakenError, PermanentError
from infomart_dr.hooks.gax import GaxConfiguration
from infomart_dr.hooks.management_layer import ManagementLayer
from infomart_lab import configuration, lca, supervisor
from infomart_lab.config import LabConfig

from .conftest import assert_clean, judge
from .driver import Procedure, connections

pytestmark = [pytest.mark.lab, pytest.mark.slow]
SCENARIO, SCALE = "active-standby", 300
STOP, START = "final_stop_and_comparison.stop_info_mart_server", "start_at_target.start_info_mart_server_at_target"
BACK_OUT = "return_service_to_source"


class Paused:
    """A try of a step that is paused right before it calls a program, until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, where: type, call: str) -> None:
        self._thread: threading.Thread | None = None
        self._there, self._go = threading.Event(), threading.Event()
        self.error: Exception | None = None
        self.called = False
        original = getattr(where, call)

        def paused(instance: Any, *args: Any, **kwargs: Any) -> Any:
            if threading.current_thread() is self._thread and not self.called:
                self.called = True
                self._there.set()
                assert self._go.wait(600), "nobody let it go"
            return original(instance, *args, **kwargs)

        monkeypatch.setattr(where, call, paused)

    def begin(self, run: Procedure, task_id: str) -> None:
        """Begin a try of a task, and wait until it stands before the call."""

        def work() -> None:
            try:
                run._once(run.dag.get_task(task_id))
            except Exception as error:
                self.error = error

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()
        assert self._there.wait(120), self.error

    def go_on(self) -> None:
        """Let it go, and wait for its end."""
        assert self._thread is not None
        self._go.set()
        self._thread.join(120)
        assert not self._thread.is_alive()

    def was_refused(self) -> str:
        """The reason why it was refused."""
        assert isinstance(self.error, OvertakenError), self.error
        return self.error.what


def moved_to(lab: LabConfig) -> str:
    """Host of the Application object."""
    return str(configuration.read(lab)["applications"]["GIM"]["host"])


@pytest.mark.timeout(2400)
def test_what_is_overtaken_changes_nothing(
    lab: LabConfig, serves: Callable[[str], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    with connections(lab):
        Procedure("infomart_setup_replication", plan="setup").run()
        _a_writer_after_the_comparison_stops_the_run_before_the_other_server_starts(lab, serves)
        _a_paused_stop_does_not_stop_the_new_server(lab, serves, monkeypatch)
        _a_paused_back_out_does_not_move_the_object(lab, serves, monkeypatch)
        _a_run_whose_site_was_lost_does_nothing_after_the_failover(lab, serves)


def _a_writer_after_the_comparison_stops_the_run_before_the_other_server_starts(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    """A service starts the server for some seconds, and a person has let its scheduler run."""
    there = {"source": "site1", "target": "site2"}

    def write(task_id: str) -> None:
        if task_id == "start_at_target.configure_application":
            schedule(lab, "true")
            lca.start(lab, "site1")
            time.sleep(12)
            lca.stop(lab, "site1")
            schedule(lab, "false")

    run = Procedure("infomart_switchover", plan="writer", params=there, before=write)
    with pytest.raises(PermanentError, match="has written to the Info Mart at site1 since the tables were compared"):
        run.run()
    assert START not in run.results and serves("site1") and not serves("site2")
    Procedure("infomart_switchover", plan="writer-2", params={**there, "plan": "writer"}).run()
    assert serves("site2") and not serves("site1")
    assert_clean(judge(lab, "site2", "site1"))
    Procedure("infomart_switchover", plan="home", params={"source": "site2", "target": "site1"}).run()


def schedule(lab: LabConfig, value: str) -> None:
    """Set run-scheduler in the Application object."""

    def change(document: dict[str, Any]) -> None:
        document["applications"]["GIM"]["options"]["schedule"]["run-scheduler"] = value

    configuration.update(lab, change)


def _a_paused_stop_does_not_stop_the_new_server(
    lab: LabConfig, serves: Callable[[str], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        zombie = Paused(patch, ManagementLayer, "stop")

        def overtake(task_id: str) -> None:
            if task_id == STOP and not zombie.called:
                zombie.begin(run, STOP)

        run = Procedure("infomart_switchover", plan="a", params={"source": "site1", "target": "site2"}, before=overtake)
        run.run()
        assert serves("site2") and not serves("site1")
        zombie.go_on()
        assert "epoch" in zombie.was_refused()
        assert serves("site2")
    assert_clean(judge(lab, "site2", "site1"))


def _a_paused_back_out_does_not_move_the_object(
    lab: LabConfig, serves: Callable[[str], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"source": "site2", "target": "site1"}
    with monkeypatch.context() as patch:
        zombie = Paused(patch, GaxConfiguration, "apply")

        def overtake(task_id: str) -> None:
            if task_id == START:
                raise PermanentError("injected", "Nothing.")
            if task_id == BACK_OUT and not zombie.called:
                zombie.begin(run, BACK_OUT)

        run = Procedure("infomart_switchover", plan="b", params=there, before=overtake)
        with pytest.raises(PermanentError, match="injected"):
            run.run()
        assert serves("site2") and not serves("site1")
        Procedure("infomart_switchover", plan="b2", params={**there, "plan": "b"}).run()
        assert serves("site1") and not serves("site2")
        at = moved_to(lab)
        zombie.go_on()
        zombie.was_refused()
        assert moved_to(lab) == at and serves("site1") and not serves("site2")
    assert_clean(judge(lab, "site1", "site2"))


def _a_run_whose_site_was_lost_does_nothing_after_the_failover(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    def lose(task_id: str) -> None:
        if task_id == "final_stop_and_comparison.compare_tables":
            supervisor.request(lab, "fail", site="site1")
            raise PermanentError("injected: the site is lost", "Nothing.")

    stale = Procedure(
        "infomart_switchover", plan="stale", params={"source": "site1", "target": "site2"}, before=lose, retries=0
    )
    with pytest.raises(InfoMartError):
        stale.run()
    assert not serves("site1") and BACK_OUT not in stale.results
    Procedure("infomart_failover", plan="lost", params={"failed_site": "site1", "survivor": "site2"}).run()
    assert serves("site2")
    at = moved_to(lab)
    supervisor.request(lab, "heal", site="site1")
    time.sleep(5)
    done = stale.step(stale.dag.get_task(BACK_OUT))
    assert "plan lost" in done["summary"] and "may not change the service" in done["summary"]
    stale.step(stale.dag.get_task("release_lock"))
    assert serves("site2") and not serves("site1") and moved_to(lab) == at
    # Its own lock is free, and a new run at the site that came back meets the note about the one that serves.
    again = Procedure("infomart_switchover", plan="again", params={"source": "site1", "target": "site2"}, retries=0)
    with pytest.raises(InfoMartError):
        again.run()
    assert serves("site2") and not serves("site1") and moved_to(lab) == at
    assert judge(lab, "site2")["site2"].duplicated == 0
