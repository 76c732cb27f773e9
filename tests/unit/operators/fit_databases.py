"""Rows of two databases that fit every procedure; tests change single ones."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

from infomart_dr.errors import InfoMartError

GB = 1024**3
USERS = {"dba": "SYSTEM", "goldengate": "GGATE"}
_DBA = [
    *("SELECT_CATALOG_ROLE", "DATAPUMP_EXP_FULL_DATABASE", "DATAPUMP_IMP_FULL_DATABASE", "DROP ANY SEQUENCE"),
    "CREATE ANY JOB",
]
_GOLDENGATE = [
    "CREATE TABLE",
    *(f"{verb} ANY {kind}" for verb in ("CREATE", "ALTER", "DROP") for kind in ("TABLE", "INDEX", "SEQUENCE")),
    *(f"{verb} ANY TABLE" for verb in ("INSERT", "UPDATE", "DELETE", "SELECT")),
]
_HEALTHY: dict[str, list[dict[str, Any]]] = {
    "supplemental_logging": [{"log_mode": "ARCHIVELOG", "supplemental_log_data_min": "YES", "force_logging": "YES"}],
    "replication_parameter": [{"value": "TRUE"}],
    "container_database": [],
    "container_logging": [],
    "nologging_tables": [],
    "tables": [
        {"table_name": "CTL_EXTRACT_HWM", "partitioned": "NO", "temporary": "N"},
        {"table_name": "INTERACTION_FACT", "partitioned": "NO", "temporary": "N"},
    ],
    "database_parameters": [
        {"name": "compatible", "value": "19.0.0"},
        {"name": "streams_pool_size", "value": str(2 * GB)},
        {"name": "sga_target", "value": "0"},
        {"name": "memory_target", "value": "0"},
    ],
    "instance": [{"version": "19.0.0.0.0"}],
    "goldengate_support": [],
    "goldengate_not_unique": [],
    "interval_tables": [],
    "scheduler_jobs_of": [],
    "dbms_jobs_of": [],
    "character_sets": [
        {"parameter": "NLS_CHARACTERSET", "value": "AL32UTF8"},
        {"parameter": "NLS_NCHAR_CHARACTERSET", "value": "AL16UTF16"},
    ],
    "timezone_file": [{"version": 32}],
    "banner": [{"banner": "Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production"}],
    "tablespaces": [{"tablespace_name": name} for name in ("SYSTEM", "USERS", "TEMP")],
    "schema_tablespaces": [{"tablespace_name": "USERS"}],
    "account": [
        {"profile": "DEFAULT", "default_tablespace": "USERS", "temporary_tablespace": "TEMP", "username": "GIM"}
    ],
    "profiles": [{"profile": "DEFAULT"}],
    "users_and_roles": [{"name": name} for name in ("SYSTEM", "GGATE", "REPORTS", "CONNECT")],
    "granted_roles": [{"granted_role": "CONNECT"}],
    "grantees": [{"grantee": "REPORTS"}, {"grantee": "PUBLIC"}],
    "recovery_area": [{"name": "/fra", "space_limit": 100 * GB, "space_used": 0, "space_reclaimable": 0}],
    "schema_size": [{"bytes": 10 * GB}],
    "dumped_segments": [{"compress_for": "NONE", "bytes": 6 * GB}],
    "lob_retention": [],
    "goldengate_privileges": [{"privilege_type": "*"}],
    "granted_tables": [],
    "alterable_objects": [],
    "triggers": [],
    # Asked of a classic capture only.
    "redo_threads": [{"threads": 1}],
    "redo_files": [{"member": "/u02/redo/redo01.log"}],
    "ddl_trigger": [{"owner": "SYS", "status": "ENABLED"}],
    "table_exists": [{"found": 1}],
}


class FitDatabases:
    """Databases of two sites. ``rows[role][statement]`` is what a statement reads; ``held[role, user]`` privileges."""

    def __init__(self) -> None:
        self.rows = {role: copy.deepcopy(_HEALTHY) for role in ("source", "target")}
        self.held = {
            (role, kind): set(words)
            for role in ("source", "target")
            for kind, words in (("dba", _DBA), ("goldengate", _GOLDENGATE))
        }
        #: What DBLOGIN says by role: the user who captures from the root, or None, or an error.
        self.logins: dict[str, str | InfoMartError | None] = {"source": None, "target": None}

    def ggsci(self, role: str) -> Any:
        def login() -> str | None:
            found = self.logins[role]
            if isinstance(found, InfoMartError):
                raise found
            return found

        return SimpleNamespace(prove_logins=lambda: f"logs in as {login()}", capture_user=login)

    def hook(self, role: str, kind: str) -> Any:
        def select(name: str, **binds: Any) -> list[dict[str, Any]]:
            if name == "privileges":
                return [{"privilege": each} for each in sorted(self.held[role, kind])]
            return [] if name == "roles" else self.rows[role][name]

        return SimpleNamespace(
            conn_id=f"{kind}_{role}",
            select=select,
            value=lambda name, **binds: next(iter(select(name)[0].values())),
            get_connection=lambda conn_id: SimpleNamespace(login=USERS[kind]),
        )
