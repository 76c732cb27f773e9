"""The manifest of a dump set: SCN, files with sizes and SHA-256, source, releases, exclusion list, dictionary, times.

It is written once the export is proven. All later steps read it: for the SCN of AFTERCSN (rule 2), for the proof of
the files before sequences are dropped (rule 3), and for the indexes and sequences that must exist after the import
(rule 5).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from infomart_dr.errors import GuardError, UnexpectedReplyError
from infomart_dr.topology import Identifier, Name, Release

#: Version of the manifest's format; raised when a reader could misunderstand an older one.
SCHEMA_VERSION = 1

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
#: A plain file name: it reaches shells and paths at the target.
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$")]
#: Differences that a message lists.
_LISTED = 20


class Model(BaseModel):
    """A strict, immutable model."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DumpFile(Model):
    """One file of the set; size in bytes."""

    name: FileName
    size: int = Field(ge=1)
    sha256: Sha256


class ExclusionList(Model):
    """The list of excluded tables that was used."""

    name: str = Field(min_length=1, max_length=200)
    sha256: Sha256


class Index(Model):
    """An index of the source.

    :param columns: columns and expressions in their order, with DESC.
    :param generated: the database chose the name, so only the columns count.
    :param kind: NORMAL, BITMAP, ...; empty: not recorded.
    :param locality: LOCAL or GLOBAL of a partitioned index, else empty.
    """

    name: str
    table: str
    unique: bool
    columns: list[str]
    generated: bool = False
    kind: str = ""
    locality: str = ""

    @property
    def shape(self) -> tuple[object, ...]:
        """The properties that identify the index at another site, without its name."""
        return (self.table, self.unique, tuple(self.columns), self.kind, self.locality)


class Constraint(Model):
    """A constraint of the source; ``type`` as in DBA_CONSTRAINTS (P, U, R, C).

    :param references: table of a foreign key's parent, with its owner.
    """

    name: str
    table: str
    type: str
    columns: list[str] = Field(default_factory=list)
    status: str = "ENABLED"
    generated: bool = False
    references: str = ""
    validated: bool = True

    @property
    def shape(self) -> tuple[object, ...]:
        """The properties that identify the constraint at another site, without a generated name."""
        name = "" if self.generated else self.name
        kind = (self.type, self.status, self.validated, self.references)
        return (name, self.table, *kind, tuple(self.columns))


class Trigger(Model):
    """A trigger of the source."""

    name: str
    table: str | None = None
    status: str = "ENABLED"


class Dictionary(Model):
    """The Info Mart's schema at the source while its server stood still for the export."""

    indexes: list[Index] = Field(default_factory=list)
    constraints: list[Constraint] = Field(default_factory=list)
    triggers: list[Trigger] = Field(default_factory=list)
    #: LAST_NUMBER by sequence, without those of identity columns.
    sequences: dict[str, int] = Field(default_factory=dict)
    #: Increment, cache and cycle by sequence.
    sequence_options: dict[str, str] = Field(default_factory=dict)
    #: LAST_NUMBER by identity column, as TABLE.COLUMN.
    identities: dict[str, int] = Field(default_factory=dict)
    #: Hash of the text by view, package, procedure, function, type, synonym and trigger, as ``VIEW NAME``.
    code: dict[str, str] = Field(default_factory=dict)
    #: GRANT statements that give the schema its privileges, and others those on its objects.
    grants: list[str] = Field(default_factory=list)
    #: Other schemas' objects on this one, as ``SYNONYM OWNER.NAME``, each with the statement that shows or makes it.
    dependants: dict[str, str] = Field(default_factory=dict)
    #: Enabled jobs of the schema.
    jobs: list[str] = Field(default_factory=list)
    #: Rows by table, as the export log gives them.
    row_counts: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)


class Manifest(Model):
    """A dump set."""

    schema_version: Literal[1] = 1
    deployment: Name
    plan_id: str = Field(min_length=1, max_length=250)
    source_site: Name
    database_name: str = Field(min_length=1, max_length=128)
    dbid: int = Field(ge=0)
    oracle_release: Release
    info_mart_release: Release
    info_mart_schema: Identifier
    scn: int = Field(ge=1)
    job_name: str = Field(min_length=1, max_length=128)
    directory: Identifier
    files: list[DumpFile] = Field(min_length=1)
    exclusions: ExclusionList
    export_started: AwareDatetime
    export_ended: AwareDatetime
    dictionary: Dictionary = Field(default_factory=Dictionary)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        doubles = [name for name, count in Counter(file.name for file in self.files).items() if count > 1]
        if doubles:
            raise ValueError(f"files are named twice: {', '.join(doubles)}")
        if self.export_ended < self.export_started:
            raise ValueError("the export ended before it started")
        return self

    @property
    def total_bytes(self) -> int:
        """Size of the whole set."""
        return sum(file.size for file in self.files)

    # -- writing and reading -------------------------------------------------------------------------

    def canonical_json(self) -> str:
        """A text that is equal for equal manifests: sorted keys, no blanks, ASCII."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    def digest(self) -> str:
        """SHA-256 of :meth:`canonical_json` in hexadecimal."""
        return hashlib.sha256(self.canonical_json().encode()).hexdigest()

    def to_text(self) -> str:
        """The file's text: the manifest, its total and its own digest."""
        document = {
            "manifest": self.model_dump(mode="json"),
            "total_bytes": self.total_bytes,
            "digest": self.digest(),
        }
        return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=True) + "\n"

    @classmethod
    def from_text(cls, text: str, digest: str | None = None) -> Self:
        """Read a manifest and prove that nobody changed it.

        :param text: as :meth:`to_text` wrote it.
        :param digest: the digest in the ledger; None: only the digest in the text is compared.
        :raises UnexpectedReplyError: it is not a manifest of this version.
        :raises GuardError: its digest differs.
        """
        try:
            document = json.loads(text)
            manifest = cls.model_validate(document["manifest"])
            stated = document["digest"]
        except ValidationError as error:
            places = sorted({".".join(str(p) for p in item["loc"]) or "(whole)" for item in error.errors()})
            raise UnexpectedReplyError(
                f"The manifest does not have the format of version {SCHEMA_VERSION}: {', '.join(places[:_LISTED])}.",
                "Use the manifest of this dump set, or export again with a new plan.",
            ) from None
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UnexpectedReplyError(
                f"The text is not a manifest ({type(error).__name__}).",
                "Use the manifest of this dump set, or export again with a new plan.",
            ) from None
        for expected, origin in ((stated, "in the file"), (digest, "in the ledger")):
            if expected is not None and expected != manifest.digest():
                raise GuardError(
                    f"The manifest's digest is {manifest.digest()}, but {origin} it is {str(expected)[:64]}.",
                    "Somebody changed the manifest, or it belongs to another dump set: export again with a new plan.",
                )
        return manifest

    # -- proofs ----------------------------------------------------------------------------------------

    def require_scn(self, scn: int | str) -> int:
        """The one SCN (rule 2).

        :param scn: the SCN that a step is about to use, or has found in use.
        :raises GuardError: it differs.
        """
        text = str(scn).strip()
        if not re.fullmatch(r"[0-9]+", text) or int(text) != self.scn:
            raise GuardError(
                f"The SCN {text[:40]!r} is not that of the dump set ({self.scn}).",
                "FLASHBACK_SCN, manifest and AFTERCSN must be the same number: find out where the other number comes "
                "from. Nothing was started with it.",
            )
        return self.scn

    def prove(self, files_at_target: Mapping[str, tuple[int, str]]) -> None:
        """Prove that the set has arrived complete and unchanged (rule 3).

        :param files_at_target: size in bytes and SHA-256 by file name; files of other sets are ignored.
        :raises GuardError: lists each file that is missing or differs.
        """
        wrong = []
        for file in self.files:
            if file.name not in files_at_target:
                wrong.append(f"{file.name}: missing")
                continue
            size, sha256 = files_at_target[file.name]
            if size != file.size:
                wrong.append(f"{file.name}: {size} bytes, expected {file.size}")
            elif sha256.lower() != file.sha256:
                wrong.append(f"{file.name}: SHA-256 {sha256[:64]}, expected {file.sha256}")
        if wrong:
            rest = f" and {len(wrong) - _LISTED} more" if len(wrong) > _LISTED else ""
            raise GuardError(
                f"{len(wrong)} of {len(self.files)} files of the dump set differ from the manifest: "
                f"{'; '.join(wrong[:_LISTED])}{rest}.",
                "Clear transfer_files with Downstream: the transfer repairs files that differ. Nothing was dropped at "
                "the target.",
            )


# -- from rows of the dictionary's statements ------------------------------------------------------

#: The head of a unit, in which an import may have put owner and quotes.
_HEAD = re.compile(
    r"^\s*(?:(?:non)?editionable\s+)?(package\s+body|type\s+body|package|procedure|function|type|library)\s+"
    r"(?:\"?[\w$#]+\"?\s*\.\s*)?\"?([\w$#]+)\"?",
    re.IGNORECASE,
)
#: A name that needs no quotes in an expression.
_QUOTED = re.compile(r'"([A-Z][A-Z0-9_$#]*)"')


def code_hash(text: str) -> str:
    """Hash of a view's or unit's text; blanks, and the owner and quotes of its head, do not count."""
    text = _HEAD.sub(lambda found: f"{' '.join(found[1].upper().split())} {found[2].upper()}", text, count=1)
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:16]


def code_from_rows(
    *,
    views: list[dict[str, Any]],
    materialized_views: list[dict[str, Any]],
    units: list[dict[str, Any]],
    synonyms: list[dict[str, Any]],
    triggers: list[dict[str, Any]],
) -> dict[str, str]:
    """Hashes by ``TYPE NAME`` from the rows of the statements of the same names.

    :param units: lines of DBA_SOURCE in their order.
    """
    texts: dict[str, list[str]] = {}
    for row in units:
        texts.setdefault(f"{row['type']} {row['name']}", []).append(str(row["text"] or ""))
    found = {name: code_hash("".join(lines)) for name, lines in texts.items()}
    found |= {f"VIEW {row['view_name']}": code_hash(str(row["text"] or "")) for row in views}
    found |= {
        f"MATERIALIZED VIEW {row['mview_name']}": code_hash(str(row["query"] or "")) for row in materialized_views
    }
    found |= {f"TRIGGER {row['trigger_name']}": code_hash(str(row.get("trigger_body") or "")) for row in triggers}
    for row in synonyms:
        link = f"@{row['db_link']}" if row["db_link"] else ""
        found[f"SYNONYM {row['synonym_name']}"] = code_hash(f"{row['table_owner']}.{row['table_name']}{link}")
    return dict(sorted(found.items()))


def sequence_options(row: Mapping[str, Any]) -> str:
    """The options of a sequence that must be the same at both sites."""
    cycle = "cycle" if row.get("cycle_flag") == "Y" else "nocycle"
    return f"increment by {int(row.get('increment_by') or 1)} cache {int(row.get('cache_size') or 0)} {cycle}"


def dictionary_from_rows(
    *,
    indexes: list[dict[str, Any]],
    index_columns: list[dict[str, Any]],
    constraints: list[dict[str, Any]],
    constraint_columns: list[dict[str, Any]],
    triggers: list[dict[str, Any]],
    sequences: list[dict[str, Any]],
    index_expressions: list[dict[str, Any]] | None = None,
    identity_columns: list[dict[str, Any]] | None = None,
    row_counts: Mapping[str, int] | None = None,
) -> Dictionary:
    """Dictionary from the rows of the statements of the same names, sorted.

    :param row_counts: rows by table.
    """
    # A descending column and an expression have a hidden column, whose name differs between sites.
    expressions = {
        (row["index_name"], row["column_position"]): _QUOTED.sub(r"\1", " ".join(str(row["column_expression"]).split()))
        for row in index_expressions or []
    }
    columns_of: dict[str, list[str]] = {}
    for row in sorted(index_columns, key=lambda r: (r["index_name"], r["column_position"])):
        column = expressions.get((row["index_name"], row["column_position"]), row["column_name"])
        descending = " DESC" if row.get("descend") == "DESC" else ""
        columns_of.setdefault(row["index_name"], []).append(f"{column}{descending}")
    constrained: dict[str, list[str]] = {}
    for row in sorted(constraint_columns, key=lambda r: (r["constraint_name"], r["position"] or 0, r["column_name"])):
        constrained.setdefault(row["constraint_name"], []).append(row["column_name"])
    return Dictionary(
        indexes=[
            Index(
                name=row["index_name"],
                table=row["table_name"],
                unique=row["uniqueness"] == "UNIQUE",
                columns=columns_of.get(row["index_name"], []),
                generated=row.get("generated") == "Y",
                kind=row.get("index_type") or "",
                locality=row.get("locality") or "",
            )
            for row in sorted(indexes, key=lambda r: (r["table_name"], r["index_name"]))
        ],
        constraints=[
            Constraint(
                name=row["constraint_name"],
                table=row["table_name"],
                type=row["constraint_type"],
                columns=constrained.get(row["constraint_name"], []),
                status=row["status"],
                generated=row.get("generated") == "GENERATED NAME",
                references=f"{row['r_owner']}.{row['r_table_name']}" if row.get("r_table_name") else "",
                validated=row.get("validated") != "NOT VALIDATED",
            )
            for row in sorted(constraints, key=lambda r: (r["table_name"], r["constraint_name"]))
        ],
        triggers=[
            Trigger(name=row["trigger_name"], table=row["table_name"], status=row["status"])
            for row in sorted(triggers, key=lambda r: r["trigger_name"])
        ],
        sequences={row["sequence_name"]: int(row["last_number"]) for row in sequences},
        sequence_options={row["sequence_name"]: sequence_options(row) for row in sequences},
        identities={
            f"{row['table_name']}.{row['column_name']}": int(row["last_number"]) for row in identity_columns or []
        },
        row_counts=dict(row_counts or {}),
    )
