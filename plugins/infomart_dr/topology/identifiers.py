"""Kinds of values: each identifier that later reaches a shell, ggsci or SQL has its form here."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

#: Oracle's unquoted identifier, in upper case as the dictionary shows it.
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_$#]{0,29}$")]
#: ``OWNER.NAME``.
QualifiedName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_$#]{0,29}\.[A-Z][A-Z0-9_$#]{0,127}$")]
#: GoldenGate group: 1 to 8 characters, see facts on the REST interface's ``^[A-Z_$][A-Z0-9_$]*$``.
GroupName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_$]{0,7}$")]
#: Trail: a path without extension whose file name has two characters.
TrailName = Annotated[str, StringConstraints(pattern=r"^(\./|/)?([A-Za-z0-9_.-]+/)*[A-Za-z][A-Za-z0-9]$")]
#: Name in this file and in task ids.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
#: Airflow's connection id.
ConnectionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,200}$")]
#: DNS name or address.
Address = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$")]
#: Oracle service name.
ServiceName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.$#-]{0,127}$")]
#: Name of a Genesys object: printable, no quotes or control characters.
ObjectName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_. ()\-]{0,254}$")]
#: GoldenGate tag in hexadecimal.
Tag = Annotated[str, StringConstraints(pattern=r"^([0-9A-Fa-f]{2}){1,16}$")]
#: Message number of GoldenGate.
MessageCode = Annotated[str, StringConstraints(pattern=r"^OGG-\d{5}$")]
#: Size as Data Pump writes it.
DumpSize = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]*[KMGT]?$")]
#: Name of an environment variable.
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
#: A word of a command of the site's own: no line breaks and no NUL; ``{job}`` and ``{site}`` are filled in.
Word = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f]{1,500}$")]
#: Four-part or shorter Info Mart or RAA release.
Release = Annotated[str, StringConstraints(pattern=r"^\d{1,2}\.\d{1,2}(\.\d{1,3}){0,2}$")]


def _absolute(value: str) -> str:
    if not re.match(r"^(/|[A-Za-z]:[\\/])[^\x00-\x1f'\"`$;|&<>*?]*$", value):
        raise ValueError("an absolute path without quotes, wildcards and shell signs is allowed")
    return value.rstrip("/") or value


AbsolutePath = Annotated[str, AfterValidator(_absolute)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Model(BaseModel):
    """Strict: an unknown field is a mistake, and nothing changes after reading. It is written with the file's keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, serialize_by_alias=True)
