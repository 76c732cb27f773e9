"""The replicated tables of both sites, compared by row counts and row hashes."""

from __future__ import annotations

from dataclasses import dataclass, field

from infomart_dr.errors import GuardError
from infomart_dr.hooks.goldengate_parameters import is_excluded
from infomart_dr.plan.step import Step
from infomart_dr.statements import Column, row_hash
from infomart_dr.text import sorted_names
from infomart_dr.topology import BOTH_ROLES, SiteRole

Tables = dict[str, list[Column]]


def replicated_tables(step: Step) -> dict[SiteRole, Tables]:
    """The replicated tables of each site, with their columns."""
    release = step.topology.info_mart.release
    found: dict[SiteRole, Tables] = {}
    for role in BOTH_ROLES:
        dba = step.at(role).dba
        tables: Tables = {
            row["table_name"]: []
            for row in dba.select("tables", owner=step.schema)
            if row["temporary"] != "Y" and not is_excluded(release, row["table_name"])
        }
        for row in dba.select("columns", owner=step.schema):
            if row["table_name"] in tables:
                column = Column(row["column_name"], row["data_type"], int(row.get("data_length") or 0))
                tables[row["table_name"]].append(column)
        found[role] = tables
    missing = set(found["source"]) ^ set(found["target"])
    if missing:
        raise GuardError(
            f"Tables exist at one site only: {sorted_names(list(missing))}.",
            "Create them, or add them to the release's exclusion list.",
        )
    return found


def same_character_set(step: Step) -> bool:
    """The databases of both sites have the same character set, so that equal texts have equal bytes."""
    sets = {step.at(role).dba.value("character_set") for role in BOTH_ROLES}
    return len(sets) == 1


@dataclass(frozen=True)
class Fingerprints:
    """Row count and sum of the row hashes of each table of one site.

    :param skipped: columns that are not compared, as TABLE.COLUMN (TYPE).
    :param in_part: columns that are compared by length and beginning.
    """

    found: dict[str, tuple[int, int]]
    skipped: list[str] = field(default_factory=list)
    in_part: list[str] = field(default_factory=list)

    def limits(self) -> str:
        """The data that the comparison did not read, as the end of a sentence."""
        said = f"; not compared: {sorted_names(self.skipped)}" if self.skipped else ""
        if self.in_part:
            said += f"; compared by length and the first 1000 characters: {sorted_names(self.in_part)}"
        return said


def fingerprints(step: Step, role: SiteRole, tables: Tables, *, convert: bool = False) -> Fingerprints:
    """Row count and sum of the row hashes of each table of one site.

    :param convert: the sites have different character sets.
    """
    hook = step.at(role).long_queries
    found, skipped, in_part = {}, [], []
    for table, columns in sorted(tables.items()):
        statement = row_hash(step.schema, table, sorted(columns), convert=convert)
        row = hook.select_text(statement.sql, f"row_hash of {table}")[0]
        found[table] = (int(row["row_count"]), int(row["row_hash"]))
        types = {column.name: column.data_type for column in columns}
        skipped += [f"{table}.{name} ({types[name]})" for name in statement.skipped]
        in_part += [f"{table}.{name} ({types[name]})" for name in statement.in_part]
    return Fingerprints(found, skipped, in_part)
