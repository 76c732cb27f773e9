"""An Airflow is lost in the middle of a plan: another one, with a database of its own, completes it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from infomart_lab.config import LabConfig
from infomart_lab.demo import DAG, Run
from tests import ports

from .conftest import assert_clean, judge
from .own_airflow import OwnAirflow

pytestmark = [pytest.mark.lab, pytest.mark.slow]
RATE = 20.0
#: The plan is in the middle after this step and before the import.
MIDDLE = "export_database.write_manifest"
#: Steps that must not run a second time; the first of them takes the plan's one SCN.
FINISHED = (
    "export_database.capture_scn",
    "export_database.run_expdp",
    "export_database.write_manifest",
    "capture_at_source.remove_old_replication",
    "capture_at_source.add_extract",
    "capture_at_source.flush_sequences",
)
#: Message of a step that finds its work done.
FOUND_DONE = ("nothing to do", "the plan is past this step")


@pytest.mark.timeout(2400)
def test_a_second_airflow_takes_the_lock_over_and_finds_finished_steps_finished(
    lab: LabConfig, base_port: int, tmp_path: Path, serves: Callable[[str], bool]
) -> None:
    plan = "plan-of-the-first"
    with OwnAirflow(lab, tmp_path / "first", base_port + ports.AIRFLOW) as first:
        first.wait_for_dag(DAG)
        first.trigger(DAG, plan, {"reason": "the first Airflow"})
        seen = Run(first, plan, DAG)
        deadline = time.monotonic() + 600
        while MIDDLE not in seen.results:
            # A loaded machine may not answer in time.
            with contextlib.suppress(httpx.HTTPError):
                seen.look()
            assert seen.state in ("queued", "running"), seen.failures()
            assert time.monotonic() < deadline, sorted(seen.results)
            time.sleep(0.3)
        first.lose()
    before = {name: seen.results[name] for name in FINISHED}
    assert "import_database.check_objects" not in seen.results
    exports = sorted(file.name for file in lab.dump_dir("site2").iterdir())

    with OwnAirflow(lab, tmp_path / "second", base_port + ports.SECOND_AIRFLOW) as second:
        second.wait_for_dag(DAG)
        refused = Run(second, "without-a-word", DAG)
        second.trigger(DAG, refused.run_id, {"plan": plan})
        refused.wait(lambda: None, seconds=300)
        assert refused.state == "failed"
        assert f"is locked by plan {plan}" in second.log(DAG, refused.run_id, "take_lock")

        run = Run(second, "run-of-the-second", DAG)
        second.trigger(DAG, run.run_id, {"plan": plan, "take_lock_from": plan, "reason": "the first Airflow is lost"})
        run.wait(lambda: None, seconds=1200)
        assert run.state == "success", run.failures()
        assert f"took over the lock of lab from plan {plan}" in second.log(DAG, run.run_id, "take_lock")
        for name in FINISHED:
            log = second.log(DAG, run.run_id, name)
            assert any(words in log for words in FOUND_DONE), f"{name} was done again: {log}"
            assert " act: " not in log, f"{name} was done again: {log}"
        again = {name: run.results[name] for name in FINISHED}
        assert again["export_database.capture_scn"]["scn"] == before["export_database.capture_scn"]["scn"]
    after = sorted(file.name for file in lab.dump_dir("site2").iterdir())
    assert after == exports
    assert serves("site3") and not serves("site2")
    time.sleep(5)
    assert_clean(judge(lab, "site3", "site2"))
