"""A source with the words of 11.2 (classic capture, EXCLUDEUSER, no credential store) and a target with those of 19c."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from infomart_lab.config import LabConfig, Site

from .conftest import assert_clean, judge
from .driver import Procedure, connections

pytestmark = [pytest.mark.lab, pytest.mark.slow]
BASE_PORT = 25500
SITES = {
    "site1": Site(name="site1", goldengate="11.2", data_pump="11.2", present=False),
    "site2": Site(name="site2", goldengate="11.2", data_pump="11.2", server_running=True),
    "site3": Site(name="site3", info_mart=False),
}


@pytest.mark.timeout(600)
def test_a_return_to_normal_from_11g_to_19c_with_the_server_stopped_during_the_transfer(
    lab: LabConfig, serves: Callable[[str], bool]
) -> None:
    served: dict[str, bool] = {}
    run = Procedure(plan="from-11g", params={"server_during_transfer": "stopped"}, before=look(served, serves))
    with connections(lab):
        run.run()
    stop, start = (
        list(served).index(f"{group}.stop_info_mart_server") for group in ("export_database", "final_stop_and_comparison")
    )
    assert served["export_database.stop_info_mart_server"]
    assert not any(list(served.values())[stop + 1 : start + 1])
    extract = (lab.goldengate_home("site2") / "dirprm" / "egim.prm").read_text()
    assert "TRANLOGOPTIONS EXCLUDEUSER GGATE" in extract and "USERIDALIAS" not in extract
    assert "EXCLUDETAG" in (lab.goldengate_home("site3") / "dirprm" / "egim.prm").read_text()
    assert serves("site3") and not serves("site2")
    time.sleep(5)
    assert_clean(judge(lab, "site3", "site2"))


def look(served: dict[str, bool], serves: Callable[[str], bool]) -> Callable[[str], None]:
    """Note before each step whether the source's server runs."""

    def before(task_id: str) -> None:
        served[task_id] = serves("site2")

    return before
