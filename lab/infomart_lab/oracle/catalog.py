"""Installs Oracle's dictionary (schema ``sys``) in a database of the lab."""

from __future__ import annotations

import zlib
from importlib import resources
from typing import Any

import psycopg
from psycopg import sql

from infomart_lab.config import ROOT_USER, LabConfig

#: Release and banner by the wording of a site.
RELEASES = {
    "11.2": ("11.2.0.4.0", "Oracle Database 11g Enterprise Edition Release 11.2.0.4.0 - 64bit Production"),
    "19c": ("19.0.0.0.0", "Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production"),
    "21c": ("21.0.0.0.0", "Oracle Database 21c Enterprise Edition Release 21.0.0.0.0 - Production"),
}
_OWNER_PRIVILEGES = [
    "CREATE SESSION",
    "CREATE TABLE",
    "CREATE SEQUENCE",
    "CREATE VIEW",
    "CREATE TRIGGER",
    "CREATE PROCEDURE",
    "UNLIMITED TABLESPACE",
]
_DBA_PRIVILEGES = [
    *_OWNER_PRIVILEGES,
    *("ALTER ANY INDEX", "CREATE ANY VIEW", "DROP ANY VIEW"),
    *("ALTER ANY TABLE", "ALTER SESSION", "ALTER SYSTEM", "ALTER ANY SEQUENCE", "CREATE ANY TABLE", "CREATE ANY INDEX"),
    *("CREATE ANY SEQUENCE", "CREATE ANY DIRECTORY", "DELETE ANY TABLE", "DROP ANY TABLE", "DROP ANY SEQUENCE"),
    *("DROP ANY INDEX", "EXP_FULL_DATABASE", "IMP_FULL_DATABASE", "DATAPUMP_EXP_FULL_DATABASE"),
    *("DATAPUMP_IMP_FULL_DATABASE", "FLASHBACK ANY TABLE", "INSERT ANY TABLE", "LOCK ANY TABLE", "MANAGE SCHEDULER"),
    *("SELECT ANY DICTIONARY", "SELECT ANY SEQUENCE", "SELECT ANY TABLE", "SELECT ANY TRANSACTION", "UPDATE ANY TABLE"),
    *("SELECT_CATALOG_ROLE", "CREATE ANY JOB", "EXECUTE ANY PROCEDURE", "DBA"),
    *("ADMINISTER DATABASE TRIGGER", "ALTER ANY TRIGGER", "CREATE ANY TRIGGER", "DROP ANY TRIGGER"),
]

_ROLES = [
    *("CONNECT", "RESOURCE", "DBA", "SELECT_CATALOG_ROLE", "EXP_FULL_DATABASE", "IMP_FULL_DATABASE"),
    *("DATAPUMP_EXP_FULL_DATABASE", "DATAPUMP_IMP_FULL_DATABASE"),
]
_TABLESPACES = {
    **dict.fromkeys(("SYSTEM", "SYSAUX", "USERS"), "PERMANENT"),
    "UNDOTBS1": "UNDO",
    "TEMP": "TEMPORARY",
}


def install(conn: psycopg.Connection[Any], config: LabConfig, site: str, database: str) -> None:
    """Make or renew the dictionary.

    :param conn: superuser's connection to ``database``, in autocommit.
    :param database: ``gim``, ``idb`` or ``cdb``.
    """
    text = (resources.files("infomart_lab.oracle") / "catalog.sql").read_text()
    service = config.service_name(site, database)
    version, banner = RELEASES[config.sites[site].data_pump]
    with conn.transaction():
        conn.execute("SET LOCAL search_path = pg_catalog")
        conn.execute("SET LOCAL client_min_messages = warning")
        conn.execute("SELECT pg_advisory_xact_lock(1521)")
        conn.execute(text.encode())
        conn.execute(
            "INSERT INTO sys.lab_site (site, database_name, dbid, host_name, version, banner) VALUES "
            "(%s, %s, %s, %s, %s, %s) "
            "ON CONFLICT (one) DO UPDATE SET version = excluded.version, banner = excluded.banner",
            [site, service, zlib.crc32(f"{site}/{database}".encode()), f"{site}-db", version, banner],
        )
        if version.startswith("11."):
            conn.execute("DROP VIEW sys.dba_tab_identity_cols")
        for user in config.oracle_users(site, database):
            conn.execute("INSERT INTO sys.lab_users (username) VALUES (%s) ON CONFLICT DO NOTHING", [user])
            privileged = user in ("SYSTEM", config.sites[site].goldengate_schema)
            for privilege in _DBA_PRIVILEGES if privileged else _OWNER_PRIVILEGES:
                conn.execute("INSERT INTO sys.lab_privileges VALUES (%s, %s) ON CONFLICT DO NOTHING", [user, privilege])
            if privileged:
                role = sql.Identifier(user.lower())
                conn.execute(sql.SQL("GRANT pg_monitor TO {}").format(role))
                conn.execute(
                    sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sys TO {}").format(role)
                )
                conn.execute(sql.SQL("GRANT EXECUTE ON FUNCTION sys.lab_sessions() TO {}").format(role))
        parameters = {
            "undo_retention": str(config.sites[site].undo_retention),
            "undo_tablespace": "UNDOTBS1",
            "undo_management": "AUTO",
            "enable_goldengate_replication": "TRUE",
            "compatible": ".".join(version.split(".")[:3]),
            "db_name": service,
            "service_names": service,
            "processes": "300",
            "db_recovery_file_dest_size": str(100 * 1024**3),
            # Each archived log has a row for each destination.
            "log_archive_dest_1": "LOCATION=USE_DB_RECOVERY_FILE_DEST",
            "log_archive_dest_2": "LOCATION=/u02/archive",
            "supplemental_log_data_min": "YES",
            "force_logging": "YES",
            "redo_threads": str(config.sites[site].redo_threads),
            "redo_folder": "+DATA" if config.sites[site].redo_in_asm else "/u02/redo",
            "ddl_trigger": "ENABLED" if config.sites[site].ddl_objects else "",
            "streams_pool_size": str(2 * 1024**3),
            "sga_target": "0",
            "memory_target": "0",
            "timezone_version": "32",
            "nls_characterset": "AL32UTF8",
            "nls_nchar_characterset": "AL16UTF16",
            "edition": "Enterprise Edition",
            "schema_tablespace": "USERS",
            "undo_kept": "NOGUARANTEE",
        }
        if container := config.container(site, database):
            parameters |= {"enable_pluggable_database": "TRUE", "container": container}
        for name, value in parameters.items():
            conn.execute("INSERT INTO sys.lab_parameters VALUES (%s, %s) ON CONFLICT DO NOTHING", [name, value])
        for role_name in _ROLES:
            conn.execute("INSERT INTO sys.lab_roles VALUES (%s) ON CONFLICT DO NOTHING", [role_name])
        for tablespace, contents in _TABLESPACES.items():
            conn.execute(
                "INSERT INTO sys.lab_tablespaces VALUES (%s, %s) ON CONFLICT DO NOTHING", [tablespace, contents]
            )
        conn.execute("INSERT INTO sys.lab_profiles VALUES ('DEFAULT') ON CONFLICT DO NOTHING")
        # The common user's grant is of all containers.
        for user in (config.sites[site].goldengate_schema, *([ROOT_USER] if container else [])):
            conn.execute("INSERT INTO sys.lab_goldengate_privileges VALUES (%s, '*') ON CONFLICT DO NOTHING", [user])
        conn.execute(
            "INSERT INTO sys.lab_directories VALUES ('GIM_DUMP', %s) "
            "ON CONFLICT (directory_name) DO UPDATE SET directory_path = excluded.directory_path",
            [str(config.dump_dir(site))],
        )
