"""GoldenGate in the words of 11.2 (classic capture, EXCLUDEUSER, no credential store); Data Pump from 11.2 to 19c."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from infomart_dr.errors import GuardError
from infomart_lab.config import LabConfig, Site

from .conftest import assert_clean, damage, judge
from .driver import Procedure, connections

pytestmark = [pytest.mark.lab, pytest.mark.slow]
SITES = {
    "site1": Site(name="site1", goldengate="11.2", data_pump="11.2", present=False),
    "site2": Site(name="site2", goldengate="11.2", data_pump="11.2", server_running=True),
    "site3": Site(name="site3", goldengate="11.2", info_mart=False),
}
FIRST_STOP = "export_database.stop_info_mart_server"
FINAL_STOP = "final_stop_and_comparison.stop_info_mart_server"


@pytest.mark.timeout(600)
def test_a_return_to_normal_from_11g_to_19c_with_the_server_stopped_and_a_damaged_file(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    served: list[tuple[str, bool]] = []
    run = Procedure(
        plan="from-11g",
        params={"server_during_transfer": "stopped"},
        before=lambda task_id: served.append((task_id, serves("site2"))),
    )
    with connections(lab):
        run.run(until="transfer_dump_set.transfer_files")
        _a_damaged_file_is_found_and_repaired_by_the_next_transfer(lab, run)
        run.run()
    tasks = [task_id for task_id, _ in served]
    first = tasks.index(FIRST_STOP)
    last = len(tasks) - 1 - tasks[::-1].index(FINAL_STOP)
    assert served[first][1], "the server ran until the export"
    assert not any(runs for _, runs in served[first + 1 : last + 1]), "and not once from there to the cutover"
    parameters = {site: (lab.goldengate_home(site) / "dirprm" / "egim.prm").read_text() for site in ("site2", "site3")}
    for text in parameters.values():
        assert "TRANLOGOPTIONS EXCLUDEUSER GGATE" in text and "USERIDALIAS" not in text
    assert serves("site3") and not serves("site2")
    time.sleep(5)
    assert_clean(judge(lab, "site3", "site2"))


def _a_damaged_file_is_found_and_repaired_by_the_next_transfer(lab: LabConfig, run: Procedure) -> None:
    transfer, verify = (run.dag.get_task(f"transfer_dump_set.{name}") for name in ("transfer_files", "verify_dump_set"))
    name = damage(lab, "site3")
    with pytest.raises(GuardError, match=name):
        run.step(verify)
    # A person clears both tasks.
    run.step(transfer)
    assert run.step(verify)["files"] > 0
