"""After any failure before the point of no return, the service is back at the source, and nothing is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from infomart_dr.errors import PermanentError
from infomart_lab.config import LabConfig
from infomart_lab.postgres import connect

from .conftest import assert_clean, judge
from .driver import GateRejected, Procedure, connections

pytestmark = pytest.mark.lab


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_old_transaction_gate_rejection_and_failure_after_the_final_stop(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    with connections(lab):
        _an_old_transaction_holds_the_run_until_it_ends(lab)
        _a_rejected_gate_leaves_the_service_at_the_source(lab, serves)
        _a_failure_after_the_final_stop_returns_the_service(lab, serves)
        _the_same_plan_goes_on_and_ends_clean(lab, serves)


def _an_old_transaction_holds_the_run_until_it_ends(lab: LabConfig) -> None:
    with connect(lab, "site2", "gim", user="gim", autocommit=False, application_name="sqlplus@desk7") as session:
        session.execute("insert into gim.resource_skill_fact_ select * from gim.resource_skill_fact_ where false")
        session.execute("update gim.tenant set tenant_key = tenant_key")
        pid = session.info.backend_pid
        run = Procedure(plan="plan-1")
        thread = threading.Thread(target=run.run, args=("export_database.capture_scn",), daemon=True)
        thread.start()
        deadline = time.monotonic() + 300
        while not (told := said(run, "capture_at_source.wait_for_older_transactions", "began before the capture")):
            assert time.monotonic() < deadline and thread.is_alive(), run.results.keys()
            time.sleep(0.3)
        time.sleep(3)
        assert "export_database.capture_scn" not in run.results
        held = told[0]
        assert f"session {pid}," in held and "GIM" in held and "sqlplus@desk7" in held
        session.execute("select 1")  # nothing was killed
        session.rollback()
    thread.join(300)
    assert run.results["export_database.capture_scn"]["scn"] > 0


def said(run: Procedure, task_id: str, words: str) -> list[str]:
    """Lines of a step's log that have these words."""
    return [line for line in (run.logs[task_id].lines if task_id in run.logs else []) if words in line]


def _a_rejected_gate_leaves_the_service_at_the_source(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    run = Procedure(plan="plan-1", approve=False)
    with pytest.raises(GateRejected):
        run.run()
    assert run.results["return_service_to_source"]["summary"].startswith("Info Mart Server: Running on site2-gim")
    assert run.results["release_lock"]["summary"] == "this plan holds no lock"
    assert serves("site2") and not serves("site3")


def _a_failure_after_the_final_stop_returns_the_service(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    stopped: list[bool] = []

    def fail(task_id: str) -> None:
        if task_id == "start_at_target.start_info_mart_server_at_target":
            stopped.append(not serves("site2"))
            raise PermanentError("injected: the new site's host is on fire", "Put it out.")

    run = Procedure(plan="plan-1", before=fail)
    with pytest.raises(PermanentError, match="on fire"):
        run.run()
    assert stopped == [True]
    assert serves("site2") and not serves("site3")
    assert "Running on site2-gim, run-scheduler true" in run.results["return_service_to_source"]["summary"]
    assert_clean(judge(lab, "site2"))


def _the_same_plan_goes_on_and_ends_clean(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    run = Procedure(plan="plan-1")
    run.run()
    assert serves("site3") and not serves("site2")
    # A second stop, for an export that exists, would be a needless outage.
    assert "the plan is past this step" in run.results["export_database.stop_info_mart_server"]["summary"]
    time.sleep(5)
    assert_clean(judge(lab, "site3", "site2"))
    # Another run for the same goal finds it reached, and asks nobody.
    again = Procedure(plan="plan-2", params={"source": "site2", "target": "site3"})
    again.run()
    assert again.results["check_already_done"]["summary"] == "nothing to do: site3 already serves and site2 follows it"
    assert again.shown == {} and serves("site3") and not serves("site2")
