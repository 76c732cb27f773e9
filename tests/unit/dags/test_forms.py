"""Forms say what is required, offer what there is, and fold what is seldom needed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import ParamValidationError

from infomart_dr.errors import RequestError
from infomart_dr.notifiers.tickets import clear_of
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


@pytest.mark.parametrize(
    ("dag_id", "given", "what", "next_step"),
    [
        ("infomart_return_to_normal", {"source": "Dublin"},
         "has no site 'Dublin' (nearest: 'dublin').", "the parameter source, one of: dublin, frankfurt."),
        ("infomart_switchover", {"target": "paris"}, "has no site 'paris'.", "the parameter target, one of: dublin,"),
        ("infomart_switchover", {"target": "frankfurt"}, "source and target are both frankfurt.",
         "two different sites as source and target."),
        ("infomart_failover", {"failed_site": "paris", "survivor": "dublin"},
         "has no site 'paris'.", "the parameter failed_site, one of:"),
        ("infomart_failover", {"survivor": "x" * 65536}, "has no site 'xxx", "the parameter survivor, one of:"),
        ("infomart_failover", {"survivor": "\ud800"}, "has no site '", "the parameter survivor, one of:"),
        ("infomart_reaggregate", {"source": "paris", "failure_time": "2026-11-02T17:00:00Z"},
         "has no site 'paris'.", "one of: dublin, frankfurt."),
        ("infomart_reaggregate", {"failure_time": "2026-11-02 25:00"},
         "The parameter failure_time is not a valid time: '2026-11-02 25:00'",
         "the parameter failure_time as a time such as 2026-11-02T17:00:00Z."),
        ("infomart_failover", {"deployment": "elsewhere"}, "found 'contact-centre'; allowed: 'elsewhere'",
         "the parameter deployment as contact-centre, or leave it empty."),
        ("infomart_cutover", {"plan": ""}, "The run must name plan.", "it."),
    ],
    ids=lambda value: "" if isinstance(value, dict) else str(value)[:40].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_a_wrong_value_of_a_form_asks_for_a_new_run_and_for_no_clear(
    bag: DagBag, monkeypatch: pytest.MonkeyPatch, dag_id: str, given: dict[str, str], what: str, next_step: str
) -> None:
    """A cleared run has the same parameters."""
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(EXAMPLE))
    error = refused(bag, dag_id, "take_lock", given)
    assert what in error.what and len(error.what) < 300
    assert error.next_step.startswith(f"Start a new run with {next_step}"), error.next_step


def refused(bag: DagBag, dag_id: str, task_id: str, given: dict[str, str]) -> RequestError:
    """The error of a task whose run has these parameters; no site is connected to."""
    dag, left = bag.dags[dag_id], dict[str, str]()
    task, run = dag.get_task(task_id), SimpleNamespace(dag_id=dag_id, run_id="run-1", run_after=datetime.now(UTC))
    params = {name: dag.params.get_param(name).value for name in dag.params} | given
    instance = SimpleNamespace(
        task_id=task.task_id, try_number=1, xcom_push=lambda key, value: left.update({key: value})
    )
    with pytest.raises(RequestError) as raised:
        task.execute({"params": params, "dag_run": run, "dag": dag, "ti": instance})
    assert "clear" not in raised.value.next_step.lower() and not left
    assert clear_of(task, raised.value) == "", "the ticket names no task to clear either"
    return raised.value


@pytest.mark.parametrize(
    ("given", "next_step"),
    [
        ({"which": "paris"}, "Start a new run with one of: dublin, frankfurt, ts-dub, ts-fra."),
        ({"action": "place", "ends_at": "2030-01-01T00:00:00Z", "until_site_passes": "paris", "until_time": "now"},
         "Start a new run with the parameter until_time as a time"),
        ({"action": "place", "until_site_passes": "paris", "until_time": "2030-01-01T00:00:00Z", "reason": "x"},
         "Start a new run with the parameter until_site_passes, one of: dublin, frankfurt."),
        ({"action": "place", "reason": "x"}, "Start a new run with corrected parameters."),
        ({"action": "release"}, "Start a new run with the parameter hold."),
        ({"ends_at": "2030-01-01T00:00:00Z"}, "Start a new run with no end."),
    ],
)  # fmt: skip
def test_a_wrong_request_for_a_hold_asks_for_a_new_run(
    bag: DagBag, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], next_step: str
) -> None:
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(EXAMPLE))
    assert refused(bag, "infomart_purge_hold", "check_request", given).next_step.startswith(next_step)


@pytest.mark.parametrize("dag_id", ["infomart_watch", "infomart_purge_guard"])
@pytest.mark.parametrize("name", ["paris", "../west", "x" * 65536, "west; id"])
def test_a_run_over_all_deployments_refuses_an_unknown_one_before_any_is_visited(
    bag: DagBag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dag_id: str, name: str
) -> None:
    for each in ("west", "east"):
        (tmp_path / f"{each}.yaml").write_text("")
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(tmp_path))
    error = refused(bag, dag_id, "list_deployments", {"deployment": name})
    assert error.next_step == "Start a new run with the parameter deployment, one of: east, west."
    assert len(error.what) < 300


def test_what_cannot_be_a_name_is_refused_before_the_run() -> None:
    with pytest.raises(ParamValidationError):
        frame.common_params()["source"].resolve("Site 1; touch owned")
