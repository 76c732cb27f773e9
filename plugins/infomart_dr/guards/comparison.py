"""The replicated tables of both sites, compared by row counts and row hashes."""

from __future__ import annotations

from infomart_dr.errors import GuardError
from infomart_dr.hooks.goldengate_parameters import is_excluded
from infomart_dr.plan.step import Step
from infomart_dr.statements import row_hash
from infomart_dr.text import sorted_names
from infomart_dr.topology import BOTH_ROLES, SiteRole

#: Seconds for the comparison of one table; a large one takes minutes.
COMPARE_TIMEOUT = 3600.0


def replicated_tables(step: Step) -> dict[SiteRole, dict[str, list[tuple[str, str]]]]:
    """The replicated tables of each site, with their columns."""
    release = step.topology.info_mart.release
    found: dict[SiteRole, dict[str, list[tuple[str, str]]]] = {}
    for role in BOTH_ROLES:
        dba = step.at(role).dba
        tables: dict[str, list[tuple[str, str]]] = {
            row["table_name"]: []
            for row in dba.select("tables", owner=step.schema)
            if row["temporary"] != "Y" and not is_excluded(release, row["table_name"])
        }
        for row in dba.select("columns", owner=step.schema):
            if row["table_name"] in tables:
                tables[row["table_name"]].append((row["column_name"], row["data_type"]))
        found[role] = tables
    missing = set(found["source"]) ^ set(found["target"])
    if missing:
        raise GuardError(
            f"Tables exist at one site only: {sorted_names(list(missing))}.",
            "Create them, or add them to the release's exclusion list.",
        )
    return found


def fingerprints(step: Step, role: SiteRole, tables: dict[str, list[tuple[str, str]]]) -> dict[str, tuple[int, int]]:
    """Row count and sum of the row hashes of each table of one site."""
    from infomart_dr.hooks.oracle import InfoMartOracleHook

    hook = InfoMartOracleHook(
        step.at(role).settings.database.info_mart_connection,
        connect_timeout=step.topology.timeouts.connect,
        statement_timeout=COMPARE_TIMEOUT,
    )
    found = {}
    for table, columns in sorted(tables.items()):
        statement = row_hash(step.schema, table, sorted(columns))
        row = hook.select_text(statement.sql, f"row_hash of {table}")[0]
        found[table] = (int(row["row_count"]), int(row["row_hash"]))
    return found
