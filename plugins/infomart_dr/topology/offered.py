"""Names that the forms offer: read when the DAG files are parsed, so little and without a check.

Only files are read. A file that is away or wrong offers nothing: the run itself says what is wrong with it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from infomart_dr.topology.reading import PATH_VARIABLE
from infomart_dr.values import JsonObject

#: Most files that are read, and bytes of each; with more deployments the forms offer the deployments' names only.
_FILES, _BYTES = 10, 500_000


@dataclass(frozen=True)
class Offered:
    """Names for the forms.

    :param sites: names of all sites.
    :param roles: one line for each deployment with its sites and their present roles.
    """

    deployments: list[str] = field(default_factory=list)
    sites: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """The present roles, as the end of a description; empty where nothing is known."""
        return f" Roles when this form was made: {'; '.join(self.roles)}." if self.roles else ""


def offered() -> Offered:
    """The names in the topology files of this process's environment."""
    path = Path(os.environ.get(PATH_VARIABLE) or "/nonexistent")
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    documents = [document for file in files if (document := _read(file))] if len(files) <= _FILES else []
    sites = {str(document["deployment"]): _roles(document) for document in documents}
    return Offered(
        [file.stem for file in files] if path.is_dir() else list(sites),
        sorted({site for roles in sites.values() for site in roles}),
        [
            f"{name}: {', '.join(f'{site} {role}' for site, role in roles.items())}"
            for name, roles in sites.items()
            if roles
        ],
    )


def _read(file: Path) -> JsonObject:
    try:
        if file.stat().st_size > _BYTES:
            return {}
        document = yaml.load(file.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return document if isinstance(document, dict) and isinstance(document.get("deployment"), str) else {}


def _roles(document: JsonObject) -> dict[str, str]:
    sites = document.get("sites")
    if not isinstance(sites, dict):
        return {}
    return {str(name): str(site.get("role", "?")) for name, site in sites.items() if isinstance(site, dict)}
