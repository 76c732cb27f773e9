"""The main job in a real Airflow, with its processes killed on the way: nothing lost or doubled, no secret shown."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
import yaml

from infomart_lab import links
from infomart_lab.airflow_api import Airflow, AirflowError
from infomart_lab.config import LabConfig, set_fault
from infomart_lab.demo import DAG, Run, report

from . import secrets_scan
from .conftest import assert_clean, judge
from .killings import Killed, jobs_started, kill_processes, replace_triggerer, worker_runs

pytestmark = [pytest.mark.lab, pytest.mark.slow]
AIRFLOW = True
RATE = 15.0
SCALE = 3000


@pytest.fixture(scope="module")
def airflow(lab: LabConfig, airflow_port: int) -> Iterator[Airflow]:
    with Airflow(lab, airflow_port) as client:
        client.login()
        client.wait_for_dag(DAG)
        yield client


class FourEyes(Killed):
    """A run that needs two people, and has one; the topology is changed when the approval was refused."""

    def __init__(self, airflow: Airflow, run_id: str, killings: dict[str, Callable[[], bool]]) -> None:
        super().__init__(airflow, run_id, killings)
        four_eyes(airflow.config, True)

    def _answer(self, name: str, options: list[str]) -> None:
        # The person who started the run approves it: refused, and asked again; then the topology allows it.
        if name in self.approved:
            four_eyes(self.airflow.config, False)
        super()._answer(name, options)

    def look(self) -> None:
        super().look()
        if "the link" in self.killings and "check_objects" in {name.rpartition(".")[2] for name in self.results}:
            self.killings.pop("the link")()


def four_eyes(config: LabConfig, asked: bool) -> None:
    """The topology requires two people."""
    file = config.home / "topology.yaml"
    document = yaml.safe_load(file.read_text())
    document["approval"] = {"four_eyes": asked}
    file.write_text(yaml.safe_dump(document))


@pytest.mark.timeout(1500)
def test_killed_in_export_transfer_import_and_catch_up_each_retry_goes_on_and_the_audits_are_clean(
    lab: LabConfig, airflow: Airflow
) -> None:
    wanted = secrets_scan.secrets(lab)
    looking = secrets_scan.ProcessList(wanted)
    looking.start()
    set_fault(lab, "site2.expdp.slow", 20)
    set_fault(lab, "site3.impdp.slow", 20)
    # Slow enough to meet the transfer and the catch-up while they run.
    links.change(lab, "site2", "site3", rate=400_000, delay_ms=5)

    def expdp() -> bool:
        return worker_runs(lab, "site2") and kill_processes(lab, "site2/db", "datapump.expdp", "wrapper.")

    def transfer() -> bool:
        return kill_processes(lab, "site2/db", "infomart_lab.rsync", "rsync --times") and replace_triggerer(lab)

    def impdp() -> bool:
        return worker_runs(lab, "site3") and kill_processes(lab, "site3/db", "datapump.impdp", "wrapper.")

    def cut() -> bool:
        links.change(lab, "site2", "site3", cut=True)
        return True

    def catch_up() -> bool:
        killed = kill_processes(lab, "site3/db", "goldengate.replicat") and replace_triggerer(lab)
        links.heal(lab, "site2", "site3")
        return killed

    run = FourEyes(
        airflow,
        f"ticket-{int(time.time())}",
        {
            "run_expdp": expdp,
            "transfer_files": transfer,
            "run_impdp": impdp,
            "the link": cut,
            "wait_for_catch_up": catch_up,
        },
    )
    airflow.trigger(DAG, run.run_id, {"reason": "killed on the way"})
    with pytest.raises(AirflowError, match="409"):
        airflow.trigger(DAG, run.run_id)
    run.wait(lambda: None, seconds=1200)
    assert run.state == "success", run.failures()
    looking.stop()

    assert run.approved == ["approve_cutover", "approve_cutover"]
    refusal = airflow.log(DAG, run.run_id, "approve_cutover", 1)
    assert re.search(r"\w+ started this run and approved its gate; the topology requires two people", refusal)
    assert sorted(run.done) == ["run_expdp", "run_impdp", "transfer_files", "wait_for_catch_up"]
    # When a client was killed and its job went on, the retry attaches again; the job may also have ended.
    assert [name for name in ("run_expdp", "run_impdp") if run.went_on(name)], run.steps()
    assert jobs_started(lab, "site2", "GIM_EXP") == 1
    assert jobs_started(lab, "site3", "GIM_IMP") == 1

    time.sleep(5)
    audits = judge(lab, "site3", "site2")
    assert_clean(audits)
    content = report(run, "return-to-normal", audits)
    assert content["rows"]["exported"] == content["rows"]["imported"] > 0
    assert content["outage_seconds"] and content["scn"]

    assert looking.looks > 100
    assert looking.found == set()
    assert secrets_scan.in_files(lab, wanted) == []
    assert secrets_scan.in_database(lab, wanted) == []


@pytest.mark.timeout(300)
def test_a_wrong_parameter_is_refused_by_the_form_and_a_wrong_site_by_the_first_task(
    lab: LabConfig, airflow: Airflow
) -> None:
    with pytest.raises(AirflowError, match="400"):
        airflow.trigger(DAG, "wrong-1", {"server_during_transfer": "sleeping"})
    with pytest.raises(AirflowError, match="400"):
        airflow.trigger(DAG, "wrong-2", {"target": "Site 3; rm -rf /"})
    run = Run(airflow, "wrong-3")
    airflow.trigger(DAG, "wrong-3", {"target": "site9"})
    run.wait(lambda: None, seconds=90)
    assert run.state == "failed"
    tries = run.task("take_lock")["try_number"]  # type: ignore[index]
    assert tries == 1
    assert "has no site 'site9'" in airflow.log(DAG, "wrong-3", "take_lock", 1)
