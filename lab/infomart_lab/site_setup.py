"""Content of a site's databases before the first call."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from infomart_lab import partitions, purge, schema
from infomart_lab.config import DataSource, LabConfig
from infomart_lab.oracle import catalog, redo
from infomart_lab.postgres import connect


def prepare(config: LabConfig, site: str) -> None:
    """Make databases, users, dictionary, schemas and rows of a site; existing ones stay.

    The cluster must be up. The logical slot is made last: the redo store has nothing of the set-up, and everything
    after it.
    """
    _databases(config, site)
    for database in config.databases(site):
        with connect(config, site, database) as conn:
            _users(conn, config, site, database)
            _catalog(conn, config, site, database)
    if config.sites[site].info_mart:
        with connect(config, site, "gim") as conn:
            _info_mart(conn, config)
    if config.partitioned:
        with connect(config, site, "gim") as conn:
            partitions.create(conn, config, site)
    with connect(config, site, "idb") as conn:
        _idbs(conn, config, site)
    redo.create_slot(config, site)


def is_prepared(config: LabConfig, site: str) -> bool:
    """True when the databases are made and the seed is done."""
    try:
        with connect(config, site, "gim") as conn:
            return not config.sites[site].info_mart or _is_seeded(conn, config)
    except psycopg.OperationalError:
        return False


def behind(config: LabConfig, site: str, version: str = "8.1.3") -> None:
    """Make the Info Mart of a site older than its server, as after an upgrade of the active site.

    Neither rows of CTL_SCHEMA_INFO nor changes of excluded tables are replicated. The site's server is in the migration
    state until Job_MigrateGIM has run.

    :param version: of the schema, other than the lab's release.
    :raises psycopg.Error: the site has no Info Mart, or its database does not answer.
    """
    with connect(config, site, "gim") as conn:
        conn.execute(sql.SQL("set search_path to {}").format(sql.Identifier(config.info_mart_schema.lower())))
        conn.execute("update ctl_schema_info set schema_version = %s where schema_name = 'GIM'", [version])
        table, column, _ = schema.NEW_COLUMN
        conn.execute(f"alter table {table} drop column if exists {column}")


def _databases(config: LabConfig, site: str) -> None:
    with connect(config, site, "postgres") as conn:
        have = {name for (name,) in conn.execute("select datname from pg_database")}
        for name in config.databases(site):
            if name not in have:
                conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))


def _users(conn: psycopg.Connection[Any], config: LabConfig, site: str, database: str) -> None:
    """Oracle users as roles with a schema of their name; SYSTEM and GoldenGate's user have all privileges."""
    have = {name for (name,) in conn.execute("select rolname from pg_roles")}
    for user in config.oracle_users(site, database):
        name = user.lower()
        role = sql.Identifier(name)
        if name not in have:
            conn.execute(sql.SQL("create role {} login").format(role))
        if user in ("SYSTEM", config.sites[site].goldengate_schema):
            conn.execute(sql.SQL("alter role {} superuser").format(role))
        conn.execute(sql.SQL("create schema if not exists {} authorization {}").format(role, role))
        if user == config.sites[site].goldengate_schema and config.sites[site].ddl_objects:
            conn.execute(
                sql.SQL("create table if not exists {} (seqno bigint)").format(sql.Identifier(name, "ggs_ddl_hist"))
            )
    conn.execute("create schema if not exists sys")
    conn.execute("grant usage on schema sys to public")


def _catalog(conn: psycopg.Connection[Any], config: LabConfig, site: str, database: str) -> None:
    catalog.install(conn, config, site, database)


def _is_seeded(conn: psycopg.Connection[Any], config: LabConfig) -> bool:
    # The indexes come last and all is one transaction, so this one proves the whole.
    table = f"{config.info_mart_schema.lower()}.pk_interaction_fact"
    row = conn.execute("select to_regclass(%s) is not null", [table]).fetchone()
    return bool(row and row[0])


def _info_mart(conn: psycopg.Connection[Any], config: LabConfig) -> None:
    if _is_seeded(conn, config):
        return
    with conn.transaction():
        schema.create_tables(conn, config)
        schema.seed(conn, config)
        schema.create_indexes(conn, config)
    conn.execute("vacuum (analyze)")


def _idbs(conn: psycopg.Connection[Any], config: LabConfig, site: str) -> None:
    sources = [source for source in config.data_sources if site in source.idb_sites]
    for source in sources:
        table = f"{source.schema_name.lower()}.lab_icon_checkpoint"
        made = conn.execute("select to_regclass(%s) is not null", [table]).fetchone()
        if not (made and made[0]):
            with conn.transaction():
                schema.create_idb(conn, source)
        _purge(conn, source)
    _crontab(config, site, [purge.cron_line(source) for source in sources if source.purge == "cron"])


def _purge(conn: psycopg.Connection[Any], source: DataSource) -> None:
    """Purges that the database starts; cron and the site's own program need nothing here."""
    values = {"owner": source.schema_name, "name": purge.PURGE_JOB, "job": source.key, "action": "purgePartitions811;"}
    if source.purge == "dbms_scheduler":
        conn.execute(
            """
            insert into sys.lab_scheduler_jobs (owner, job_name, enabled, job_action, repeat_interval, state)
            values (%(owner)s, %(name)s, true, 'BEGIN ' || %(action)s || ' END;', 'FREQ=DAILY;BYHOUR=2', 'SCHEDULED')
            on conflict (owner, job_name) do nothing
            """,
            values,
        )
    elif source.purge == "dbms_job":
        conn.execute(
            """
            insert into sys.lab_jobs (job, owner, what, next_date)
            values (%(job)s, %(owner)s, %(action)s, date_trunc('day', sys.sysdate()) + interval '1 day 2 hours')
            on conflict (job) do nothing
            """,
            values,
        )


def _crontab(config: LabConfig, site: str, lines: list[str]) -> None:
    path = purge.crontab_path(config, site)
    if not lines or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in ["# purge of the IDBs, nightly", *lines]))
