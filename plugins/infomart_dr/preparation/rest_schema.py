"""The part of Airflow's REST API that a ticketing system needs, as an OpenAPI document, with the DAGs' parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from infomart_dr.hooks.tickets import Message
from infomart_dr.plan.parameters import RUN_ID_LIMIT

#: Form of a run's id: that of Airflow, and the shorter one of the procedures.
RUN_ID = r"^[A-Za-z0-9_.~:+-]{1,250}$"
NEW_RUN_ID = rf"^[A-Za-z0-9_.~:+-]{{1,{RUN_ID_LIMIT}}}$"

_DESCRIPTION = (
    "Start a procedure, read its state, answer its gates. Written by scripts/documents.py from the DAG files; "
    "docs/tickets.md explains it, with examples. The paths are Airflow's own; its complete document is at "
    "/openapi.json of each Airflow."
)

_RUN = {
    "type": "object",
    "required": ["dag_id", "dag_run_id", "state"],
    "properties": {
        "dag_id": {"type": "string"},
        "dag_run_id": {"type": "string"},
        "state": {"type": "string", "enum": ["queued", "running", "success", "failed"]},
        "queued_at": {"type": ["string", "null"], "format": "date-time"},
        "start_date": {"type": ["string", "null"], "format": "date-time"},
        "end_date": {"type": ["string", "null"], "format": "date-time"},
        "triggering_user_name": {"type": ["string", "null"], "description": "The user who started the run."},
        "conf": {"type": ["object", "null"]},
        "note": {"type": ["string", "null"]},
    },
}
_TASK = {
    "type": "object",
    "required": ["task_id", "state", "try_number"],
    "properties": {
        "task_id": {"type": "string"},
        "state": {
            "type": ["string", "null"],
            "description": "awaiting_input: a person must answer. null: not reached yet.",
        },
        "try_number": {"type": "integer"},
        "map_index": {"type": "integer"},
        "start_date": {"type": ["string", "null"], "format": "date-time"},
        "end_date": {"type": ["string", "null"], "format": "date-time"},
    },
}
_GATE = {
    "type": "object",
    "required": ["subject", "options"],
    "properties": {
        "subject": {"type": "string"},
        "body": {"type": ["string", "null"], "description": "Information for the person who answers, in Markdown."},
        "options": {"type": "array", "items": {"type": "string"}, "description": "The possible answers."},
        "response_received": {"type": "boolean"},
        "task_instance": {"$ref": "#/components/schemas/TaskInstance"},
    },
}
_ANSWER = {
    "type": "object",
    "required": ["chosen_options"],
    "properties": {
        "chosen_options": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": 1,
            "description": "One of the gate's options: Approve or Reject; of a human step Done or Not possible.",
        },
        "params_input": {"type": "object", "default": {}},
    },
}
_LOG = {
    "type": "object",
    "required": ["content"],
    "properties": {
        "content": {"type": "array", "items": {"type": ["object", "string"]}},
        "continuation_token": {"type": ["string", "null"]},
    },
}
_ERROR = {"type": "object", "properties": {"detail": {}}}


def parameters(dag: Any) -> dict[str, Any]:
    """Schema of a DAG's ``conf``, from its parameters."""
    properties = {}
    for name in dag.params:
        param = dag.params.get_param(name)
        schema = {key: value for key, value in param.schema.items() if key not in _OF_THE_FORM}
        default = {} if _is_required(param) else {"default": param.value}
        properties[name] = {**schema, "description": param.description or "", **default}
    required = [name for name in dag.params if _is_required(dag.params.get_param(name))]
    which = f"Required: {', '.join(required)}. Every other key is optional." if required else "Every key is optional."
    return {
        "type": "object",
        "title": f"conf of {dag.dag_id}",
        "description": f"{which} Airflow accepts other keys too; the run's first task refuses them.",
        "additionalProperties": False,
        "properties": properties,
        **({"required": required} if required else {}),
    }


#: Keys of a parameter's schema that only the form of the web interface reads.
_OF_THE_FORM = ("section", "examples")


def _is_required(param: Any) -> bool:
    """The parameter has no value of its own that Airflow accepts."""
    return param.value is None and param.schema.get("type") == "string"


def document(dags: Iterable[Any]) -> dict[str, Any]:
    """The OpenAPI 3.1 document.

    :param dags: of the procedures.
    """
    ordered = sorted(dags, key=lambda dag: dag.dag_id)
    schemas: dict[str, Any] = {
        "Run": _RUN,
        "TaskInstance": _TASK,
        "Gate": _GATE,
        "Answer": _ANSWER,
        "Log": _LOG,
        "Error": _ERROR,
        "Message": Message.model_json_schema(),
    }
    paths: dict[str, Any] = {"/auth/token": {"post": _token()}}
    for dag in ordered:
        schemas[dag.dag_id] = parameters(dag)
        paths[f"/api/v2/dags/{dag.dag_id}/dagRuns"] = {"post": _trigger(dag)}
    run = "/api/v2/dags/{dag_id}/dagRuns/{dag_run_id}"
    of_run = [_path("dag_id", enum=[dag.dag_id for dag in ordered]), _path("dag_run_id", pattern=RUN_ID)]
    of_task = [*of_run, _path("task_id")]
    paths |= {
        run: {"get": _read("State of a run.", "Run", of_run)},
        f"{run}/taskInstances": {
            "get": _read("Steps of a run, with their states.", ("task_instances", "TaskInstance"), of_run)
        },
        f"{run}/taskInstances/{{task_id}}/logs/{{try_number}}": {
            "get": _read("Log of one try of a step.", "Log", [*of_task, _path("try_number", type="integer", minimum=1)])
        },
        f"{run}/hitlDetails": {
            "get": _read(
                "Gates and human steps of a run.",
                ("hitl_details", "Gate"),
                [
                    *of_run,
                    {
                        "name": "response_received",
                        "in": "query",
                        "schema": {"type": "boolean"},
                        "description": "false: only those that wait for an answer.",
                    },
                ],
                # For a run that does not exist the list is empty.
                missing=False,
            )
        },
        f"{run}/taskInstances/{{task_id}}/{{map_index}}/hitlDetails": {"patch": _answer(of_task)},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Info Mart disaster recovery", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": "http://127.0.0.1:8080", "description": "Airflow's API server"}],
        "security": [{"token": []}],
        "paths": paths,
        "webhooks": {
            "message": {
                "post": {
                    "summary": "A message of a run, sent when the topology's section tickets has the backend webhook.",
                    "parameters": [
                        {
                            "name": "Idempotency-Key",
                            "in": "header",
                            "required": True,
                            "schema": {"type": "string"},
                            "description": "The message's key; a message may arrive more than once.",
                        }
                    ],
                    "requestBody": _body("Message"),
                    "responses": {
                        "200": {"description": "Accepted; any 2xx counts."},
                        "409": {"description": "The key is known; counts as accepted."},
                        "429": {
                            "description": "The message comes again after the seconds of Retry-After; likewise 5xx."
                        },
                    },
                }
            }
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": schemas,
        },
    }


class _Plain(yaml.SafeDumper):
    """A dumper that writes every part out, even where two are equal."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def text(dags: Iterable[Any]) -> str:
    """Text of ``docs/api/infomart-dr.openapi.yaml``.

    :param dags: every procedure.
    """
    return yaml.dump(document(dags), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)


def _token() -> dict[str, Any]:
    text = {"type": "string"}
    login = {"type": "object", "required": ["username", "password"], "properties": {"username": text, "password": text}}
    token = {"type": "object", "required": ["access_token"], "properties": {"access_token": text}}
    return {
        "summary": "A token for the header Authorization: Bearer; valid for a day (Airflow's jwt_expiration_time).",
        "security": [],
        "requestBody": {"required": True, "content": {"application/json": {"schema": login}}},
        "responses": {
            "201": {"description": "The token.", "content": {"application/json": {"schema": token}}},
            "401": {"description": "Wrong user or password."},
        },
    }


def _trigger(dag: Any) -> dict[str, Any]:
    body = {
        "type": "object",
        "required": ["logical_date"],
        "additionalProperties": False,
        "properties": {
            "dag_run_id": {
                "type": "string",
                "pattern": NEW_RUN_ID,
                "description": "The ticket's number. Airflow refuses a second request with it (409). Airflow accepts a "
                "longer one; the run's first task refuses it.",
            },
            "logical_date": {"type": "null", "description": "Required, and always null."},
            "conf": {"$ref": f"#/components/schemas/{dag.dag_id}"},
            "note": {"type": ["string", "null"], "maxLength": 1000},
        },
    }
    return {
        "summary": dag.description,
        "operationId": dag.dag_id,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {"description": "Queued.", "content": {"application/json": {"schema": _ref("Run")}}},
            "400": _refusal("A parameter has a wrong value; detail names it and the allowed values."),
            "404": _refusal("Airflow has no such DAG."),
            "409": _refusal("This run exists already: read its state, and do not start another."),
            "422": _refusal("The body is not valid (for example, logical_date is missing)."),
            **_refusals(),
        },
    }


def _read(
    summary: str, shape: str | tuple[str, str], asked: list[dict[str, Any]], *, missing: bool = True
) -> dict[str, Any]:
    if isinstance(shape, str):
        schema: dict[str, Any] = _ref(shape)
    else:
        field, name = shape
        schema = {
            "type": "object",
            "required": [field],
            "properties": {
                field: {"type": "array", "items": _ref(name)},
                "total_entries": {"type": ["integer", "null"]},
            },
        }
    return {
        "summary": summary,
        "parameters": asked,
        "responses": {
            "200": {"description": "The result.", "content": {"application/json": {"schema": schema}}},
            **({"404": _refusal("There is no such run, step or try.")} if missing else {}),
            **_refusals(),
        },
    }


def _answer(of_task: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "summary": "Answer a gate or a human step.",
        "parameters": [*of_task, _path("map_index", type="integer", const=-1)],
        "requestBody": _body("Answer"),
        "responses": {
            "200": {"description": "Accepted; the step continues."},
            "400": _refusal("Not one of the options."),
            "404": _refusal("There is no such gate."),
            "409": _refusal("It is answered already, or does not wait for an answer."),
            **_refusals(),
        },
    }


def _body(name: str) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": _ref(name)}}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _refusal(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": _ref("Error")}}}


def _refusals() -> dict[str, Any]:
    return {
        "401": _refusal("The token is missing or has expired."),
        "403": _refusal("The user may not do this."),
    }


def _path(name: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", **schema}}
