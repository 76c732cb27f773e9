"""docker-compose.yaml as Compose reads it, as far as the tests need: merges, ``${NAME:-default}`` and ``$$``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docker-compose.yaml"
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?::-([^}]*))?\}")


def interpolate(text: str, values: Mapping[str, str]) -> str:
    """``${NAME:-default}`` with a value or its default, ``$$`` as ``$``.

    :raises ValueError: a variable without a value and without a default.
    """

    def one(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        found = values.get(match[1]) or match[2]
        if found is None:
            raise ValueError(f"{match[0]} has no default")
        return found

    return _VARIABLE.sub(one, text)


def load(values: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The whole file, variables replaced.

    :param values: of variables; others have their defaults.
    """

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(each) for key, each in value.items()}
        if isinstance(value, list):
            return [walk(each) for each in value]
        return interpolate(value, values or {}) if isinstance(value, str) else value

    return walk(yaml.safe_load(FILE.read_text()))


def health_command(service: Mapping[str, Any]) -> list[str] | None:
    """Words of a service's health check; None: it has none."""
    check = service.get("healthcheck") or {}
    if check.get("disable") or "test" not in check:
        return None
    kind, *words = check["test"]
    return ["/bin/sh", "-c", *words] if kind == "CMD-SHELL" else words
