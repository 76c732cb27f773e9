"""A rejected gate and a failure after the final stop, in a real Airflow: the service is back within the run."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from infomart_lab.airflow_api import Airflow
from infomart_lab.config import LabConfig
from infomart_lab.demo import DAG, Run

from .conftest import assert_clean, judge

pytestmark = [pytest.mark.lab, pytest.mark.slow]
AIRFLOW = True
RATE = 40.0


class Rejected(Run):
    """A run whose gate is rejected."""

    decision = "Reject"


class Broken(Run):
    """A run whose target loses its configuration interface once the source's server is stopped for good."""

    stopped = "final_stop_and_comparison.stop_info_mart_server"
    done = False

    def look(self) -> None:
        super().look()
        if self.stopped in self.results and not self.done:
            password(self.airflow, "gax_site3", "not the password")
            self.done = True


def password(airflow: Airflow, connection: str, value: str) -> None:
    """Change the password of an Airflow connection."""
    before = airflow.call("GET", f"/connections/{connection}")
    body = {"connection_id": connection, "conn_type": before["conn_type"], "password": value}
    airflow.call("PATCH", f"/connections/{connection}", params={"update_mask": "password"}, json=body)


@pytest.mark.timeout(2400)
def test_a_rejected_gate_and_a_failure_after_the_final_stop_give_the_service_back_and_the_plan_goes_on(
    lab: LabConfig, airflow_port: int, serves: Callable[[str], bool]
) -> None:
    with Airflow(lab, airflow_port) as airflow:
        airflow.login()
        airflow.wait_for_dag(DAG)
        plan = f"plan-{int(time.time())}"

        rejected = Rejected(airflow, plan)
        airflow.trigger(DAG, plan, {"reason": "rejected"})
        rejected.wait(lambda: None, seconds=900)
        assert rejected.state == "failed"
        assert rejected.task("approve_cutover")["state"] == "failed"  # type: ignore[index]
        assert rejected.task("approve_cutover")["try_number"] == 1  # type: ignore[index]
        assert rejected.results["return_service_to_source"]["summary"].startswith(
            "Info Mart Server: Running on site2-gim"
        )
        assert serves("site2") and not serves("site3")

        broken = Broken(airflow, f"{plan}-broken")
        airflow.trigger(DAG, broken.run_id, {"plan": plan})
        broken.wait(lambda: None, seconds=900)
        assert broken.state == "failed"
        failed = [task["task_id"] for task in broken.tasks if task["state"] == "failed"]
        assert failed == ["start_at_target.configure_application"], broken.failures()
        assert broken.task("final_stop_and_comparison.stop_info_mart_server")["state"] == "success"  # type: ignore[index]
        assert "Running on site2-gim, run-scheduler true" in broken.results["return_service_to_source"]["summary"]
        assert serves("site2") and not serves("site3")
        assert_clean(judge(lab, "site2"))

        password(airflow, "gax_site3", lab.passwords["site3"]["GAX"])
        again = Run(airflow, f"{plan}-again")
        airflow.trigger(DAG, again.run_id, {"plan": plan})
        again.wait(lambda: None, seconds=900)
        assert again.state == "success", again.failures()
        assert serves("site3") and not serves("site2")
        time.sleep(5)
        assert_clean(judge(lab, "site3", "site2"))
