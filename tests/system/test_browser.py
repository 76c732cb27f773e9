"""The web interface in a real Chromium: every form opens ready to start, refuses nonsense, and gates are clicked."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag
from playwright.sync_api import expect

from infomart_lab import airflow_part, supervisor
from infomart_lab.airflow_api import Airflow
from infomart_lab.config import LabConfig

from .conftest import assert_clean, judge
from .driver import ROOT
from .web import SCREENSHOTS_VARIABLE, Web, browser

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(1200)]
AIRFLOW = True
SCENARIO = "active-standby"
SCALE = 200
RATE = 10.0
DAGS = DagBag(str(ROOT / "dags")).dags


@pytest.fixture(scope="module")
def web(lab: LabConfig, airflow_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    pictures = Path(os.environ.get(SCREENSHOTS_VARIABLE) or tmp_path_factory.mktemp("pictures"))
    url = f"http://{lab.address}:{airflow_port}"
    with browser(url, airflow_part.credentials(lab), pictures) as opened:
        yield opened


@pytest.fixture(scope="module")
def api(lab: LabConfig, airflow_port: int) -> Iterator[Airflow]:
    with Airflow(lab, airflow_port) as client:
        yield client.login()


def end(api: Airflow, dag_id: str, run_id: str, seconds: float = 400) -> str:
    """Final state of a run."""
    deadline = time.monotonic() + seconds
    while (state := api.run(dag_id, run_id)["state"]) in ("queued", "running"):
        assert time.monotonic() < deadline, f"{run_id} has not ended"
        time.sleep(2)
    return state


@pytest.mark.parametrize("dag_id", sorted(DAGS))
def test_a_form_opens_ready_to_start_and_explains_every_field(web: Web, dag_id: str) -> None:
    form = web.open_form(dag_id)
    text = form.inner_text()
    for name in DAGS[dag_id].params:
        declared = DAGS[dag_id].params.get_param(name)
        schema, default = declared.schema, declared.value
        field = form.locator(f"[name=element_{name}]").first
        expect(field).to_have_count(1)
        assert schema["title"] in text, f"{name} has no title"
        assert declared.description and declared.description in text, f"{name} has no description"
        if schema["type"] == "boolean":
            assert field.is_checked() is default
        else:
            assert field.input_value() == ("" if default is None else str(default)), f"default of {name}"
    # An invalid field marks the whole section, and the button starts nothing.
    assert "invalid" not in text.lower() and form.locator("[aria-invalid=true]").count() == 0
    expect(web.page.get_by_role("dialog").last.get_by_role("button", name="Trigger", exact=True).last).to_be_enabled()


def test_a_form_refuses_what_the_schema_forbids_and_starts_nothing(web: Web, api: Airflow) -> None:
    web.open_form("infomart_failover")
    web.page.locator("#element_deployment").fill("no such name!")
    web.submit()
    expect(web.page.get_by_text("Failed to Trigger Dag")).to_be_visible()
    assert api.call("GET", "/dags/infomart_failover/dagRuns")["dag_runs"] == []


def test_replication_and_a_failover_are_started_from_forms_and_approved_by_clicks(
    lab: LabConfig, web: Web, api: Airflow
) -> None:
    web.start("infomart_setup_replication", "CHG0004711", source="site1", target="site2", reason="CHG0004711")
    shown = web.answer(
        "infomart_setup_replication", "CHG0004711", "check_prerequisites.approve_parameter_files", "Approve"
    )
    assert "Write these parameter files?" in shown and "EXTRACT EGIM" in shown
    assert end(api, "infomart_setup_replication", "CHG0004711") == "success"
    assert_clean(judge(lab, "site1", "site2"))

    supervisor.request(lab, "fail", site="site1")
    web.start("infomart_failover", "INC0012345", failed_site="site1", survivor="site2", reason="INC0012345")
    shown = web.answer("infomart_failover", "INC0012345", "confirm_site_failure", "Approve")
    assert "site failure" in shown and "Calls lost" in shown
    assert end(api, "infomart_failover", "INC0012345") == "success"
    web.page.goto(f"{web.url}/dags/infomart_failover/runs/INC0012345")
    expect(web.page.get_by_text("Success").first).to_be_visible()
    web.picture("infomart_failover-run")
