"""Mistakes of a topology file in words: the field, the value found, the allowed values."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from infomart_dr.text import without_passwords
from infomart_dr.topology.identifiers import FORMS, Model
from infomart_dr.topology.topology import Topology

#: New name of each renamed field.
RENAMED = {
    "timeouts.glance": "timeouts.inline_wait",
    "watch.look": "watch.run_limit",
}
#: Allowed values by pydantic's type of an error; the others need its context.
_ALLOWED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "finite_number": "a number",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller number",
    "int_type": "a whole number",
    "invalid_key": "text; put it in quotes",
    "list_type": "a list",
    "model_attributes_type": "a mapping",
    "model_type": "a mapping",
}


def mistakes_of(path: Path, error: ValidationError) -> list[str]:
    """One line per mistake: file, field, value found, allowed values."""
    items = error.errors(include_url=False)
    # A misspelled field is one mistake; it is not reported as missing too.
    meant = {(*item["loc"][:-1], _nearest(item["loc"])) for item in items if item["type"] == "extra_forbidden"}
    told = [item for item in items if item["type"] != "missing" or item["loc"] not in meant]
    return list(dict.fromkeys(f"{path}: {line}" for item in told for line in _lines(item)))


def _lines(item: ErrorDetails) -> Iterator[str]:
    location, found = ".".join(_fields(item["loc"])), item.get("input")
    match item["type"]:
        case "value_error" if isinstance(found, dict | BaseModel):
            # Cross-reference checks name the field themselves.
            prefix = f"{location}: " if location else ""
            yield from (prefix + line for line in str(item["ctx"]["error"]).splitlines())
        case "missing":
            yield f"{location}: missing; allowed: a value is required"
        case "extra_forbidden":
            yield _unknown(item["loc"], location)
        case "union_tag_not_found":
            yield f"{location}.{_discriminator(item)}: missing; allowed: a value is required"
        case "union_tag_invalid":
            context = item["ctx"]
            yield f"{location}.{_discriminator(item)}: found {context['tag']!r}; allowed: {context['expected_tags']}"
        case _:
            yield f"{location or '(file)'}: found {_shown(item)}; allowed: {_allowed(item)}"


def _discriminator(item: ErrorDetails) -> str:
    return str(item["ctx"]["discriminator"]).strip("'")


def _fields(path: tuple[int | str, ...]) -> list[str]:
    """The fields of a pydantic path, without members of unions and without the mark of a key."""
    return [
        str(part)
        for number, part in enumerate(path)
        if part not in ("AliasLogin", "EncryptedLogin", "TrailName", "TrailNames", "[key]")
        and not (number > 1 and path[number - 2] == "purge_jobs")
    ]


def _shown(item: ErrorDetails) -> str:
    """The value found, as the file has it."""
    found = item.get("input")
    if item["type"] == "too_short":
        return f"{item['ctx']['actual_length']} entries"
    key = "the key " if item["loc"] and (item["loc"][-1] == "[key]" or item["type"] == "invalid_key") else ""
    match found:
        case None:
            return "no value"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case bool():
            return f"{key}{str(found).lower()}"
        case str():
            return f"{key}{without_passwords(found)!r}"[:120]
        case int() | float():
            return f"{key}{found!r}"[:120]
        case _:
            # A date or a time: YAML reads them without quotes.
            return f"{key}{found}"[:120]


def _allowed(item: ErrorDetails) -> str:
    context = item.get("ctx", {})
    match item["type"]:
        case "literal_error":
            return str(context["expected"])
        case "string_pattern_mismatch":
            pattern = context["pattern"]
            words = f" ({FORMS[pattern]})" if pattern in FORMS else ""
            return f"text of the form {pattern}{words}"
        case "string_type":
            return "text" if isinstance(item["input"], dict | list | None) else "text; put it in quotes"
        case "string_too_short":
            return f"at least {_counted(context['min_length'], 'character')}"
        case "string_too_long":
            return f"at most {_counted(context['max_length'], 'character')}"
        case "too_short":
            return f"at least {context['min_length']}"
        case "greater_than_equal":
            return f"at least {context['ge']:g}"
        case "less_than_equal":
            return f"at most {context['le']:g}"
        case "value_error":
            return str(context["error"])
        case kind:
            return _ALLOWED.get(kind) or str(item["msg"])


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def kind_of(value: object) -> str:
    """The kind of a document that is not a mapping."""
    match value:
        case None:
            return "an empty file"
        case list():
            return "a list"
        case _:
            return f"{value!r}"[:120]


# -- keys that appear twice --------------------------------------------------------------------------


def doubles(document: Node | None) -> list[str]:
    """Keys that appear twice in one mapping, each with its lines. YAML itself would take the last one."""
    return list(_doubles(document, (), set()))


def _doubles(node: Node | None, path: tuple[str, ...], seen: set[int]) -> Iterator[str]:
    # A node behind an anchor is visited more than once.
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, SequenceNode):
        for number, each in enumerate(node.value):
            yield from _doubles(each, (*path, str(number)), seen)
    elif isinstance(node, MappingNode):
        first: dict[tuple[str, str], int] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, ScalarNode) else "?"
            if isinstance(key, ScalarNode) and name != "<<":
                line = key.start_mark.line + 1
                if (same := (key.tag, name)) in first:
                    field = ".".join((*path, name))
                    yield f"line {line}: {field}: found twice, first in line {first[same]}; allowed: each key once"
                first.setdefault(same, line)
            yield from _doubles(value, (*path, name), seen)


# -- unknown fields ----------------------------------------------------------------------------------


def _unknown(path: tuple[int | str, ...], location: str) -> str:
    if location in RENAMED:
        return f"{location} is now {RENAMED[location]}"
    if nearest := _nearest(path):
        return f"{location}: unknown field; did you mean {nearest!r}?"
    return f"{location}: unknown field; allowed: {', '.join(_known(path)) or 'the fields in docs/topology.md'}"


def _nearest(path: tuple[int | str, ...]) -> str:
    return next(iter(get_close_matches(str(path[-1]).lower(), _known(path), n=1)), "")


def _known(path: tuple[int | str, ...]) -> list[str]:
    """Fields that are allowed beside this one, by their names in the file."""
    models = _models_at(path[:-1])
    return sorted({field.alias or name for model in models for name, field in model.model_fields.items()})


def _models_at(path: tuple[int | str, ...]) -> list[type[Model]]:
    """Models that are allowed at a pydantic path."""
    models: list[type[Model]] = [Topology]
    for part in path:
        fields = [
            field for model in models for name, field in model.model_fields.items() if part == (field.alias or name)
        ]
        if fields:
            models = [model for field in fields for model in _models_in(field.annotation)]
        else:
            # A key, a number, or the chosen member of a union.
            models = [model for model in models if model.__name__ == part] or models
    return models


def _models_in(annotation: object) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
