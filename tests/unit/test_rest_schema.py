"""The OpenAPI document of the procedures: current, valid, consistent with Airflow's own, with valid examples."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from airflow.dag_processing.dagbag import DagBag
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from tests.unit.hooks.test_tickets import message

from infomart_dr.dagfiles import load_dags
from infomart_dr.plan.parameters import RUN_ID_LIMIT
from infomart_dr.preparation import rest_schema

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docs" / "api" / "infomart-dr.openapi.yaml"
PAGE = ROOT / "docs" / "tickets.md"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text())


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> Draft202012Validator:
    """A validator of a schema of the document."""
    return Draft202012Validator({**schema, "components": document["components"]})


def body(document: dict[str, Any], dag_id: str) -> Draft202012Validator:
    """Validator of a request that starts a DAG."""
    request = document["paths"][f"/api/v2/dags/{dag_id}/dagRuns"]["post"]["requestBody"]
    return resolved(document, request["content"]["application/json"]["schema"])


def test_the_file_is_what_the_dag_files_make_now() -> None:
    assert FILE.read_text() == rest_schema.text(load_dags(ROOT / "dags").values()), (
        "run .venv/bin/python scripts/documents.py"
    )


def test_it_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)


def test_every_dag_can_be_started_and_every_parameter_is_described(document: dict[str, Any]) -> None:
    bag = DagBag(str(ROOT / "dags"))
    assert bag.dags
    for dag_id, dag in bag.dags.items():
        assert f"/api/v2/dags/{dag_id}/dagRuns" in document["paths"]
        schema = document["components"]["schemas"][dag_id]
        assert set(schema["properties"]) == set(dag.params)
        assert schema["additionalProperties"] is False
        for name, field in schema["properties"].items():
            assert field["title"] and field["description"] and "type" in field, name
            assert ("default" in field) != (name in schema.get("required", [])), name


def test_defaults_are_accepted_and_what_the_dag_refuses_is_refused(document: dict[str, Any]) -> None:
    for dag_id, dag in DagBag(str(ROOT / "dags")).dags.items():
        accepts = body(document, dag_id)
        defaults = {name: dag.params.get_param(name).value for name in dag.params}
        required = document["components"]["schemas"][dag_id].get("required", [])
        assert required == (["plan"] if dag_id in ("infomart_cutover", "infomart_reverse_sync") else [])
        given = dict.fromkeys(required, "INC0012345")
        defaults |= given
        assert accepts.is_valid({"dag_run_id": "INC0012345", "logical_date": None, "conf": defaults}), dag_id
        assert accepts.is_valid({"logical_date": None})
        assert not accepts.is_valid({"dag_run_id": "INC0012345", "conf": {}})
        assert not accepts.is_valid({"dag_run_id": "INC 1", "logical_date": None})
        assert accepts.is_valid({"dag_run_id": "x" * RUN_ID_LIMIT, "logical_date": None})
        assert not accepts.is_valid({"dag_run_id": "x" * (RUN_ID_LIMIT + 1), "logical_date": None})
        assert not accepts.is_valid({"logical_date": None, "conf": {**given, "no_such_key": 1}})
        for name, field in document["components"]["schemas"][dag_id]["properties"].items():
            wrong = "no; such value" if {"enum", "pattern"} & set(field) else object
            if wrong is not object:
                assert not accepts.is_valid({"logical_date": None, "conf": {**given, name: wrong}}), name


def examples() -> list[tuple[str, Any]]:
    """DAG and body of each request in the document that starts one."""
    text = PAGE.read_text()
    # The ticket's number is a variable of the shell.
    found = [
        (dag_id, json.loads(sent.replace("""'"$TICKET"'""", "INC0012345")))
        for dag_id, sent in re.findall(r"dags/(infomart_\w+)/dagRuns\"[^`]*?-d '(\{.*?\})'\n", text, re.S)
    ]
    shown = re.findall(r"```json\nPOST /api/v2/dags/(infomart_\w+)/dagRuns\n(.*?)```", text, re.S)
    return found + [(dag_id, json.loads(sent)) for dag_id, sent in shown]


def test_the_examples_of_the_document_are_accepted(document: dict[str, Any]) -> None:
    assert {"infomart_reaggregate", "infomart_failover", "infomart_return_to_normal"} <= {dag for dag, _ in examples()}
    for dag_id, example in examples():
        mistakes = [error.message for error in body(document, dag_id).iter_errors(example)]
        assert mistakes == [], f"{dag_id}: {mistakes}"


def test_a_message_of_a_run_is_as_the_document_says(document: dict[str, Any]) -> None:
    schema = resolved(document, document["components"]["schemas"]["Message"])
    assert schema.is_valid(message().model_dump(mode="json"))
    shown = re.findall(r"```json\n(\{\"version\".*?)```", PAGE.read_text(), re.S)
    assert len(shown) == 1 and schema.is_valid(json.loads(shown[0]))
    assert not schema.is_valid({**message().model_dump(mode="json"), "event": "something"})


@pytest.mark.slow
def test_airflow_has_these_paths_with_these_answers_and_fields(document: dict[str, Any]) -> None:
    """Compared with the document of the installed Airflow."""
    from airflow.api_fastapi.app import create_app

    own = create_app(apps="core").openapi()
    assert own["paths"]
    for path, methods in document["paths"].items():
        if path == "/auth/token":
            continue
        template = re.sub(r"/dags/infomart_\w+/", "/dags/{dag_id}/", path)
        for method, operation in methods.items():
            there = own["paths"][template][method]
            assert set(operation["responses"]) <= set(there["responses"]), (method, path)
            known = {(each["in"], each["name"]) for each in there.get("parameters", [])}
            assert {(each["in"], each["name"]) for each in operation.get("parameters", [])} <= known, (method, path)
    names = {"Run": "DAGRunResponse", "TaskInstance": "TaskInstanceResponse", "Gate": "HITLDetail"}
    names |= {"Answer": "UpdateHITLDetailPayload", "Log": "TaskInstancesLogResponse"}
    for name, theirs in names.items():
        fields = set(document["components"]["schemas"][name]["properties"])
        assert fields <= set(own["components"]["schemas"][theirs]["properties"]), name
