"""The Info Mart's and the IDB's tables, and the rows that they hold at the start.

The tables that the guide excludes from replication (lines 440 to 562) are all here; the replicated ones are a
truthful part of the product's: dimensions, configuration, facts, control and aggregates.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from infomart_lab.config import DataSource, LabConfig

_SQL = Path(__file__).parent / "sql"

#: Table of CTL_EXTRACT_HWM whose mark is the end of the extracted calls.
CALL_TABLE = "GIDB_G_CALL_V"
#: Tables of one extraction; their marks move together.
EXTRACTED_TABLES = ("GIDB_G_CALL_V", "GIDB_G_IR_V", "GIDB_G_PARTY_V")
#: Interactions that GIDB still holds at the start.
_GIDB_ROWS = 2000

# fmt: off
_GIDB = [
    "AGENT_STATE_HISTORY_MM", "AGENT_STATE_HISTORY_V", "AGENT_STATE_RC_MM", "AGENT_STATE_RC_V",
    "CALL_HISTORY_MM", "CALL_HISTORY_V", "CALL_MM", "CALL_STAT_V", "CALL_V", "CUSTOM_DATA_S_MM",
    "CUSTOM_DATA_S_V", "DND_HISTORY_MM", "DND_HISTORY_V", "IR_HISTORY_MM", "IR_HISTORY_V", "IR_MM",
    "IR_V", "IS_LINK_HISTORY_V", "IS_LINK_V", "LOGIN_SESSION_MM", "LOGIN_SESSION_V", "PARTY_HISTORY_MM",
    "PARTY_HISTORY_V", "PARTY_MM", "PARTY_V", "ROUTE_RES_VQ_HIST_MM", "ROUTE_RES_VQ_HIST_V",
    "ROUTE_RESULT_MM", "ROUTE_RESULT_V", "SECURE_UD_HISTORY_MM", "SECURE_UD_HISTORY_V",
    "USERDATA_HISTORY_MM", "USERDATA_HISTORY_V", "VIRTUAL_QUEUE_MM", "VIRTUAL_QUEUE_V",
]
# fmt: on

#: Excluded tables of every release of the guide, without TMP_*.
EXCLUDED: list[str] = [
    *(f"GIDB_G_{name}" for name in _GIDB),
    *("GIDB_GM_F_USERDATA", "GIDB_GM_L_USERDATA"),
    *("GIDB_GO_CAMPAIGN", "GIDB_GO_CAMPAIGNHISTORY", "GIDB_GO_CHAIN", "GIDB_GO_CHAINREC_HIST"),
    *("GIDB_GO_FIELDHIST", "GIDB_GO_METRICS", "GIDB_GO_SEC_FIELDHIST", "GIDB_GOX_CHAIN_CALL"),
    *("AGR_JUNK_NOTIFICATION", "AGR_LOCK", "AGR_NOTIFICATION"),
    *("G_CALL", "G_IR", "G_IS_LINK"),
    *("STG_ACW", "STG_ACTIVE_ACW", "STG_IDB_FK_VIOLATION"),
    *("STG_SM_RES_ST_REASON_FACT_MM", "STG_SM_RES_ST_REASON_FACT_V"),
    *("STG_SM_RES_STATE_FACT_MM", "STG_SM_RES_STATE_FACT_V", "STG_TRANSFORM_DISCARDS"),
    *("STG_UDH_CID_V", "STG_UDH_V", "STG_UDH_V_UNP", "STG_UDH_V2", "STG_UDH_V2_UNP"),
    *("CTL_TRANSFORM_HISTORY", "CTL_EXTRACT_HISTORY", "CTL_PURGE_HISTORY", "CTL_SCHEMA_INFO"),
]
#: Excluded tables that only release 8.1.0 has.
EXCLUDED_8_1_0: list[str] = ["GIDB_GO_RECORD", "STG_UDH_MM"]
#: Temporary tables: all of TMP_* is excluded; the names are the lab's.
TEMPORARY: list[str] = ["TMP_CALL_KEYS", "TMP_UDH_KEYS"]

#: Table that is not replicated, its column that the release before does not have, and the column's type.
NEW_COLUMN = ("stg_acw", "callid", "varchar(50)")

#: Key column of a replicated table that each sequence fills, as ``sequence: (table, column)``.
SEQUENCE_KEYS: dict[str, tuple[str, str]] = {
    "seq_interaction_fact": ("interaction_fact", "interaction_id"),
    "seq_interaction_resource_fact": ("interaction_resource_fact", "interaction_resource_id"),
    "seq_mediation_segment_fact": ("mediation_segment_fact", "mediation_segment_id"),
    "seq_ixn_resource_state_fact": ("ixn_resource_state_fact", "ixn_resource_state_fact_key"),
    "seq_sm_res_session_fact": ("sm_res_session_fact", "sm_res_session_fact_key"),
    "seq_sm_res_state_fact": ("sm_res_state_fact", "sm_res_state_fact_key"),
    "seq_audit_log": ("ctl_audit_log", "audit_key"),
    "seq_resource": ("resource_", "resource_key"),
    "seq_agr_notification": ("agr_notification", "notification_id"),
    "seq_agr_pending_request": ("agr_pending_request", "request_id"),
}


def _statements(name: str) -> str:
    return (_SQL / name).read_text(encoding="utf-8")


def _tables_in(name: str) -> list[str]:
    return [table.upper() for table in re.findall(r"^create table (\w+)", _statements(name), re.MULTILINE)]


#: Tables that are replicated.
REPLICATED: list[str] = _tables_in("info_mart_tables.sql")


def excluded(config: LabConfig) -> list[str]:
    """Tables of this lab that are not replicated, TMP_* among them, in upper case."""
    early = EXCLUDED_8_1_0 if config.release.startswith("8.1.0") else []
    return [*EXCLUDED, *early, *TEMPORARY]


def tables(config: LabConfig) -> list[str]:
    """All tables of the Info Mart, in upper case."""
    return [*REPLICATED, *excluded(config)]


def has_watermark_index(config: LabConfig) -> bool:
    """Releases 8.1.0 and 8.1.1 come without I_C_EXTR_HWM_ID (guide line 821)."""
    return not config.release.startswith(("8.1.0", "8.1.1"))


def _generic_table(name: str) -> str:
    """DDL of an excluded table that stays empty in the lab: the columns common to its kind."""
    table = name.lower()
    if name.startswith("GIDB_"):
        return (
            f"create table {table} (id bigint primary key, callid varchar(50), created_ts bigint not null,"
            " terminated_ts bigint, data_source_key bigint not null, create_audit_key bigint not null);"
            f" create index i_{table.removeprefix('gidb_')}_cts on {table} (created_ts)"
        )
    return f"create table {table} (id bigint not null, callid varchar(50), created_ts bigint not null)"


def _search_path(conn: psycopg.Connection[Any], schema: str) -> None:
    conn.execute(sql.SQL("set search_path to {}").format(sql.Identifier(schema.lower())))


def create_tables(conn: psycopg.Connection[Any], config: LabConfig) -> None:
    """Make tables, sequences, views and the trigger, without the keys and indexes of the big tables."""
    _search_path(conn, config.info_mart_schema)
    conn.execute(_statements("info_mart_tables.sql"))
    conn.execute(_statements("info_mart_excluded.sql"))
    made = set(_tables_in("info_mart_excluded.sql"))
    for name in excluded(config):
        if name not in made:
            conn.execute(_generic_table(name))


def create_indexes(conn: psycopg.Connection[Any], config: LabConfig) -> None:
    """Make the keys and indexes of the big tables, foreign keys, owners and replica identities."""
    _search_path(conn, config.info_mart_schema)
    conn.execute(_statements("info_mart_indexes.sql"))
    if has_watermark_index(config):
        conn.execute("create unique index i_c_extr_hwm_id on ctl_extract_hwm (table_name, data_source_key, max_ts)")
    own(conn, config.info_mart_schema)
    identify(conn, config.info_mart_schema)


def own(conn: psycopg.Connection[Any], schema: str) -> None:
    """Make the role of a schema's name the owner of its tables, views, sequences and functions."""
    owner = sql.Identifier(schema.lower())
    for kind, name in conn.execute(
        """
        select case relkind when 'S' then 'sequence' when 'v' then 'view' else 'table' end, relname
          from pg_class where relnamespace = %s::regnamespace and relkind in ('r', 'p', 'v', 'S')
         order by relkind
        """,
        [schema.lower()],
    ).fetchall():
        conn.execute(sql.SQL("alter {} {}.{} owner to {}").format(sql.SQL(kind), owner, sql.Identifier(name), owner))
    for (signature,) in conn.execute(
        "select oid::regprocedure::text from pg_proc where pronamespace = %s::regnamespace", [schema.lower()]
    ).fetchall():
        conn.execute(sql.SQL("alter function {} owner to {}").format(sql.SQL(signature), owner))


def identify(conn: psycopg.Connection[Any], schema: str) -> None:
    """Log whole rows of tables without a primary key, so that changes name their row."""
    for (name,) in conn.execute(
        """
        select relname from pg_class c
         where relnamespace = %s::regnamespace and relkind in ('r', 'p') and relreplident = 'd'
           and not exists (select from pg_index where indrelid = c.oid and indisprimary)
        """,
        [schema.lower()],
    ).fetchall():
        conn.execute(sql.SQL("alter table {} replica identity full").format(sql.Identifier(schema.lower(), name)))


def create_info_mart(conn: psycopg.Connection[Any], config: LabConfig) -> None:
    """Make the whole empty Info Mart.

    :param conn: superuser's connection to database ``gim``; its schema exists and is empty.
    """
    create_tables(conn, config)
    create_indexes(conn, config)


def seed(conn: psycopg.Connection[Any], config: LabConfig) -> None:
    """Fill the Info Mart with ``config.scale`` interactions that end before now, all transformed.

    The high-water marks stand at the present: later calls of ICON are extracted.
    The guid of interaction *n* is ``md5('seed:' || n)`` and its INTERACTION_ID is *n*.
    """
    _search_path(conn, config.info_mart_schema)
    # One second back: a call of this very second must lie above the marks.
    started = int(time.time()) - 1
    binds = {
        "scale": config.scale,
        "started": started,
        "quarter": started - started % 900,
        "days": 30 if config.scale > 100_000 else 7,
        "release": config.release,
        "first_source": config.data_sources[0].key if config.data_sources else 0,
        "gidb": min(_GIDB_ROWS, config.scale),
    }
    psycopg.ClientCursor(conn).execute(_statements("info_mart_seed.sql"), binds)
    cursor = conn.cursor()
    for source in config.data_sources:
        cursor.execute("insert into ctl_ds values (%s, %s, 1, %s, %s)", [source.key, source.name, source.key, started])
        for table in EXTRACTED_TABLES:
            cursor.execute("insert into ctl_extract_hwm values (%s, %s, %s)", [table, source.key, started])
        cursor.execute(
            "insert into ctl_transform_history values ('JOB-SEED', %s, %s, %s,"
            " to_timestamp(%s) at time zone 'UTC', to_timestamp(%s) at time zone 'UTC', %s, %s)",
            [config.release, hwm_name(source.key), started, started, started, config.scale, started],
        )


def hwm_name(data_source_key: int) -> str:
    """HWM_NAME in CTL_TRANSFORM_HISTORY for the transformed calls of a data source."""
    return str(data_source_key)


def seeded_guid_sql(number: str) -> str:
    """SQL expression of the guid of seeded interaction ``number`` (an SQL expression itself)."""
    return f"md5('seed:' || {number})"


def create_idb(conn: psycopg.Connection[Any], source: DataSource) -> None:
    """Make the tables of a data source's IDB; the schema exists and is empty.

    :param conn: superuser's connection to database ``idb``.
    """
    _search_path(conn, source.schema_name)
    conn.execute(_statements("idb.sql"))
    own(conn, source.schema_name)
