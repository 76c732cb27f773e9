"""Mistakes of a topology file in words: its field, what was found, what is allowed."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails


def mistakes_of(path: Path, error: ValidationError) -> list[str]:
    """One line a mistake: file, field, what was found, what is allowed."""
    lines = []
    for item in error.errors(include_url=False):
        location = ".".join(_fields(item["loc"])) or "(file)"
        found = item.get("input")
        if item["type"] == "value_error" and isinstance(found, dict | BaseModel):
            # Cross-reference checks name their own field.
            prefix = "" if location == "(file)" else f"{location}: "
            for line in str(item["ctx"]["error"]).splitlines():
                lines.append(f"{path}: {prefix}{line}")
            continue
        if item["type"] == "missing":
            lines.append(f"{path}: {location}: missing; allowed: a value is required")
        elif item["type"] == "extra_forbidden":
            lines.append(f"{path}: {location}: unknown field; allowed: the fields in docs/topology.md")
        else:
            shown = repr(found) if not isinstance(found, dict | list) else type(found).__name__
            lines.append(f"{path}: {location}: found {shown[:120]}; allowed: {_allowed(item)}")
    return list(dict.fromkeys(lines))


def _fields(path: tuple[int | str, ...]) -> list[str]:
    """A path of pydantic's without the members of unions, which stand in it too; readers know fields only."""
    return [
        str(part)
        for number, part in enumerate(path)
        if part not in ("AliasLogin", "EncryptedLogin") and not (number > 1 and path[number - 2] == "purge_jobs")
    ]


def _allowed(item: ErrorDetails) -> str:
    context = item.get("ctx", {})
    match item["type"]:
        case "literal_error":
            return str(context["expected"])
        case "string_pattern_mismatch":
            return f"text of the form {context['pattern']}"
        case "value_error":
            return str(context["error"])
        case _:
            return str(item["msg"])
