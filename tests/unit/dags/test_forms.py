"""Forms say what is required, offer what there is, and fold what is seldom needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import ParamValidationError
from tests.unit.operators.fakes import FakeStep

from infomart_dr.errors import PermanentError, TopologyError
from infomart_dr.operators.plan import TakeLock
from infomart_dr.runbook import frame, purge_holds
from infomart_dr.topology import parse
from infomart_dr.topology.offered import Offered, offered

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "topology.yaml"


@pytest.fixture(scope="module")
def bag() -> DagBag:
    return DagBag(str(ROOT / "dags"))


# -- what there is -----------------------------------------------------------------------------------


def test_sites_with_their_roles_and_deployments_are_offered_from_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(EXAMPLE))
    topology = parse(EXAMPLE.read_text(), EXAMPLE)
    found = offered()
    assert (found.deployments, found.sites) == ([topology.name], sorted(topology.sites))
    roles = ", ".join(f"{name} {site.role}" for name, site in topology.sites.items())
    target = frame.common_params()["target"]
    assert target.schema["examples"] == sorted(topology.sites)
    assert f"Roles when this form was made: {topology.name}: {roles}." in str(target.description)
    assert frame.deployment_param().schema["examples"] == [topology.name]
    assert purge_holds.hold_params()["until_site_passes"].schema["examples"] == sorted(topology.sites)


def test_a_folder_offers_its_deployments_and_of_many_their_names_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(tmp_path))
    for name in ("west", "east"):
        (tmp_path / f"{name}.yaml").write_text(EXAMPLE.read_text().replace("deployment: gim", f"deployment: {name}"))
    assert offered().deployments == ["east", "west"] and offered().sites
    for number in range(20):
        (tmp_path / f"more{number:02}.yaml").write_text("deployment: more\n")
    assert len(offered().deployments) == 22 and offered().sites == []


@pytest.mark.parametrize("text", [None, "", "[", "- a\n", "deployment: 7\n", "deployment: gim\nsites: [a]\n", "\0"])
def test_a_file_that_is_away_or_wrong_offers_nothing_and_breaks_no_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    file = tmp_path / "topology.yaml"
    if text is not None:
        file.write_text(text)
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(file))
    assert offered().sites == []
    assert "examples" not in frame.common_params()["source"].schema
    monkeypatch.delenv("INFOMART_DR_TOPOLOGY")
    assert offered() == Offered()


# -- what is required --------------------------------------------------------------------------------


@pytest.mark.parametrize("dag_id", ["infomart_cutover", "infomart_reverse_sync"])
def test_a_procedure_that_continues_a_plan_does_not_start_without_it(bag: DagBag, dag_id: str) -> None:
    params = bag.dags[dag_id].params
    with pytest.raises(ParamValidationError, match="plan"):
        params.validate()
    params["plan"] = "CHG0000042"
    params.validate()
    assert "Required" in str(params.get_param("plan").description)
    assert "section" not in params.get_param("plan").schema, "it is not folded away"
    assert bag.dags[dag_id].get_task("take_lock").needs == ["plan"], "also where Airflow is asked past its form"


def test_each_field_of_a_purge_hold_says_for_which_action_it_is() -> None:
    for name, param in purge_holds.hold_params().items():
        if name not in ("deployment", "action", "which", "ticket", "until_time"):
            assert any(word in str(param.description) for word in ("Place", "Extend", "Release")), name


def test_a_re_aggregation_by_itself_says_which_of_two_fields_it_needs(bag: DagBag) -> None:
    params = bag.dags["infomart_reaggregate"].params
    for name in bag.dags["infomart_reaggregate"].get_task("take_lock").needs:
        assert "Required, unless" in str(params.get_param(name).description)
        assert "section" not in params.get_param(name).schema
    assert "target" not in params, "it works at one site"


def test_what_is_seldom_needed_is_folded(bag: DagBag) -> None:
    for dag_id, dag in bag.dags.items():
        folded = {name for name in dag.params if "section" in dag.params.get_param(name).schema}
        seldom = {"take_lock_from", "accept_missing_replicat", "accept_cut_trail", "open_transaction_minutes"}
        assert seldom & set(dag.params) <= folded, dag_id
        assert not {"deployment", "source", "target", "failed_site", "survivor", "reason"} & folded, dag_id


# -- times and names ---------------------------------------------------------------------------------


def test_times_are_fields_with_a_calendar(bag: DagBag) -> None:
    times = ("failure_time", "reaggregate_from", "reaggregate_to", "begins_at", "ends_at", "until_time")
    for dag in bag.dags.values():
        for name in set(times) & set(dag.params):
            assert dag.params.get_param(name).schema["format"] == "date-time"
    field: Any = frame.reaggregation_params()["failure_time"]
    for given in (None, "2026-11-02T17:00:00Z", "2026-11-02T18:00:00+01:00"):
        field.resolve(given)
    with pytest.raises(ParamValidationError, match="is not a 'date-time'"):
        field.resolve("yesterday at five")


def test_a_wrong_name_or_time_is_answered_in_words_by_the_first_task() -> None:
    frame.common_params()["source"].resolve("Site3")
    topology = parse(EXAMPLE.read_text(), EXAMPLE)
    with pytest.raises(
        TopologyError, match=r"has no site 'Dublin' \(nearest: 'dublin'\)\.\nNext: Give one of: dublin, "
    ):
        topology.site("Dublin")
    step: Any = FakeStep()
    step.params = {"failure_time": "2026-11-02 25:00"}
    with pytest.raises(PermanentError, match="The parameter failure_time is not a valid time: '2026-11-02 25:00'"):
        TakeLock(task_id="take_lock").observe(step)


def test_what_cannot_be_a_name_is_refused_before_the_run() -> None:
    with pytest.raises(ParamValidationError):
        frame.common_params()["source"].resolve("Site 1; rm -rf /")
