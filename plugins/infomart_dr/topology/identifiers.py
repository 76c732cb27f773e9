"""Kinds of values: the allowed form of every identifier that later reaches a shell, ggsci or SQL."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from infomart_dr.text import NAME

#: Description of a form by its pattern; messages about mistakes use it.
FORMS: dict[str, str] = {}


def _form(pattern: str, words: str) -> StringConstraints:
    FORMS[pattern] = words
    return StringConstraints(pattern=pattern)


#: Oracle's unquoted identifier, in upper case as the dictionary shows it.
Identifier = Annotated[str, _form(r"^[A-Z][A-Z0-9_$#]{0,127}$", "an Oracle name in upper case, at most 128 characters")]
#: Pluggable database, in upper case as CON_NAME shows it; neither CDB$ROOT nor PDB$SEED.
PdbName = Annotated[
    str,
    _form(
        r"^[A-Z][A-Z0-9_]{0,127}$", "a pluggable database in upper case: letters, digits and _, at most 128 characters"
    ),
]
#: ``OWNER.NAME``.
QualifiedName = Annotated[str, _form(r"^[A-Z][A-Z0-9_$#]{0,127}\.[A-Z][A-Z0-9_$#]{0,127}$", "OWNER.NAME in upper case")]
#: GoldenGate group: 1 to 8 characters, see facts on the REST interface's ``^[A-Z_$][A-Z0-9_$]*$``.
GroupName = Annotated[str, _form(r"^[A-Z][A-Z0-9_$]{0,7}$", "a group in upper case, at most 8 characters")]
#: Trail: a path without extension whose file name has two characters.
TrailName = Annotated[
    str,
    _form(
        r"^(\./|/)?([A-Za-z0-9_.-]+/)*[A-Za-z][A-Za-z0-9]$",
        "a path without extension whose file name has two characters",
    ),
]
#: Name in this file and in task ids.
Name = Annotated[
    str,
    _form(
        rf"^{NAME}$",
        "lower-case letters, digits, _ and -, beginning with a letter, at most 40 characters",
    ),
]
#: Airflow's connection id.
ConnectionId = Annotated[
    str, _form(r"^[A-Za-z0-9_.-]{1,200}$", "the id of an Airflow connection: letters, digits, _ . and -")
]
#: DNS name or address.
Address = Annotated[str, _form(r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$", "a DNS name or an IP address")]
#: Oracle service name.
ServiceName = Annotated[str, _form(r"^[A-Za-z][A-Za-z0-9_.$#-]{0,127}$", "an Oracle service name")]
#: What follows the ``@`` of a logon: EZCONNECT, or an alias of tnsnames.ora or the wallet.
ConnectText = Annotated[
    str,
    _form(r"^(//)?[A-Za-z0-9][A-Za-z0-9_.:/$#-]{0,199}$", "host:port/service with // before it, or a TNS alias"),
]
#: Name of a Genesys object: printable, no quotes or control characters.
ObjectName = Annotated[
    str,
    _form(
        r"^[A-Za-z0-9_][A-Za-z0-9_. ()\-]{0,254}$",
        "the name of a Genesys object: letters, digits, blanks, _ . - ( and )",
    ),
]
#: GoldenGate tag in hexadecimal.
Tag = Annotated[str, _form(r"^([0-9A-Fa-f]{2}){1,16}$", "hexadecimal digits, an even number of them")]
#: Message number of GoldenGate.
MessageCode = Annotated[str, _form(r"^OGG-\d{5}$", "a message number such as OGG-01154")]
#: Size as Data Pump writes it.
DumpSize = Annotated[str, _form(r"^[1-9][0-9]*[KMGT]?$", "a whole number; K, M, G or T may follow")]
#: Name of an environment variable.
VariableName = Annotated[str, _form(r"^[A-Za-z_][A-Za-z0-9_]*$", "the name of an environment variable")]
#: A word of a site's command: no line breaks and no NUL; ``{job}`` and ``{site}`` are replaced.
Word = Annotated[str, _form(r"^[^\x00-\x1f]{1,500}$", "text without line breaks, at most 500 characters")]
#: Program: a name in PATH, or a path.
Program = Annotated[str, _form(r"^[A-Za-z0-9_./-]{1,200}$", "letters, digits, _ . / and -, at most 200 characters")]
#: User of a host.
UserName = Annotated[str, _form(r"^[a-z_][a-z0-9_-]{0,31}$", "the name of a user of the host")]
#: Pattern of a process for ``pgrep -f``.
ProcessPattern = Annotated[
    str, _form(r"^[A-Za-z0-9_/][A-Za-z0-9_.@: /-]{2,199}$", "part of a command line, at least 3 characters")
]
#: Four-part or shorter Info Mart or RAA release.
Release = Annotated[str, _form(r"^\d{1,2}\.\d{1,2}(\.\d{1,3}){0,2}$", "two to four numbers with dots between them")]


def _absolute(value: str) -> str:
    if re.match(r"^[A-Za-z]:[\\/]", value):
        raise ValueError("a path of Unix: hosts with Windows are refused, since the procedures need its shell and ps")
    if not re.match(r"^/[^\x00-\x1f'\"`$;|&<>*?]*$", value):
        raise ValueError("an absolute path without quotes, wildcards and shell signs")
    return value.rstrip("/") or value


def _without_percent(value: str) -> str:
    if "%" in value:
        raise ValueError("a path without %, which ssh replaces")
    return value


AbsolutePath = Annotated[str, AfterValidator(_absolute)]
#: File that ssh reads.
SshPath = Annotated[AbsolutePath, AfterValidator(_without_percent)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Model(BaseModel):
    """Base of the file's models: an unknown field is a mistake, values are immutable, output has the file's keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, serialize_by_alias=True)
