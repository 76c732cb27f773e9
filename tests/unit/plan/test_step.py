"""A step knows its sites by role: of a failover the lost one is the source, and the survivor keeps lock and ledger."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from infomart_dr import topology
from infomart_dr.errors import PermanentError
from infomart_dr.operators.base import step_defaults
from infomart_dr.plan.step import Step

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "topology.yaml"


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = yaml.safe_load(EXAMPLE.read_text())
    document["sites"]["dublin"]["role"] = "standby"
    file = tmp_path / "topology.yaml"
    file.write_text(yaml.safe_dump(document))
    monkeypatch.setenv(topology.PATH_VARIABLE, str(file))


def step(*, failover: bool = False, **params: Any) -> Step:
    run = SimpleNamespace(run_id="run-1", dag_id="dag")
    dag = SimpleNamespace(default_args=step_defaults(failover=failover))
    return Step.from_context({"params": params, "dag_run": run, "dag": dag})


@pytest.mark.usefixtures("sites")
def test_a_procedure_goes_from_the_active_site_to_the_standby_and_the_source_keeps_the_plan() -> None:
    found = step(source="", target="")
    assert (found.at("source").name, found.at("target").name, found.ledger_role) == ("frankfurt", "dublin", "source")


@pytest.mark.usefixtures("sites")
def test_a_failover_loses_the_active_site_and_the_survivor_keeps_the_plan() -> None:
    found = step(failover=True, failed_site="", survivor="")
    assert (found.at("source").name, found.at("target").name, found.ledger_role) == ("frankfurt", "dublin", "target")
    assert found.at("source").settings.role == "active"


@pytest.mark.usefixtures("sites")
def test_a_trigger_makes_the_same_step_again() -> None:
    again = Step(**step(failover=True, failed_site="frankfurt", survivor="dublin").arguments())
    assert (again.at("source").name, again.at("target").name, again.ledger_role) == ("frankfurt", "dublin", "target")


@pytest.mark.usefixtures("sites")
def test_a_form_of_a_failover_whose_dag_does_not_say_so_is_refused() -> None:
    with pytest.raises(PermanentError, match=r"(?s)not declared as a failover.*step_defaults"):
        step(failed_site="frankfurt", survivor="dublin")
