"""Application objects of the Configuration Layer, as the lab keeps them: one JSON file, changed under a lock.

``<home>/configuration.json``: ``{"applications": {"GIM": {...}, "DAP_GIM_site2": {...}}}``. All sites read the
same file; the Configuration Servers of real sites replicate it among themselves.
"""

from __future__ import annotations

import copy
import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infomart_lab.config import LabConfig

#: Name of the Application object of Genesys Info Mart Server; all sites share it (guide, Deployment Prerequisites).
SERVER = "GIM"
SERVER_DBID = 121
ROLE_INFO_MART = "INFO_MART"
ROLE_IDB = "ICON_CORE"
ENABLED = 1
DISABLED = 2

Document = dict[str, Any]


def dap_of_info_mart(site: str) -> str:
    """Name of the Database Access Point of a site's Info Mart."""
    return f"DAP_GIM_{site}"


def dap_of_idb(source: str, site: str) -> str:
    """Name of the Database Access Point of a data source's IDB at a site."""
    return f"DAP_{source}_{site}"


def path(config: LabConfig) -> Path:
    return config.home / "configuration.json"


def default(config: LabConfig) -> Document:
    """The configuration before anything is changed: the server at the site where it runs, all IDBs connected."""
    active = next((name for name, site in config.sites.items() if site.server_running), None)
    active = active or next(iter(config.sites))
    applications: dict[str, Document] = {}
    connections = [dap_of_info_mart(active)]
    for source in config.data_sources:
        connections.extend(dap_of_idb(source.name, site) for site in source.idb_sites)
    applications[SERVER] = {
        "name": SERVER,
        "dbid": SERVER_DBID,
        "type": "GIM",
        "state": ENABLED,
        "host": f"{active}-gim",
        "commandLine": f"gim_etl_server -host 127.0.0.1 -port {config.port(active, 'config')} -app {SERVER}",
        "connections": connections,
        "options": {
            "schedule": {
                "run-scheduler": "true",
                "run-aggregates": "true",
                "aggregate-schedule": "0 1",
                "on-demand-migration": "false",
            },
            "gim-etl": {
                "extract-data-stuck-threshold": "28800",
                "delayed-data-threshold": "900",
                "days-to-keep-gidb-facts": "14",
                "partitioning-ahead-range": "14",
            },
        },
    }
    number = SERVER_DBID

    def access_point(name: str, database: str, site: str, schema: str, role: str) -> None:
        nonlocal number
        number += 1
        applications[name] = {
            "name": name,
            "dbid": number,
            "type": "DAP",
            "state": ENABLED,
            "host": f"{site}-db",
            "commandLine": "",
            "connections": [],
            "database": database,
            "site": site,
            "schema": schema,
            "options": {"gim-etl": {"role": role}},
        }

    for site in config.sites:
        access_point(dap_of_info_mart(site), "gim", site, config.info_mart_schema, ROLE_INFO_MART)
    for source in config.data_sources:
        for site in source.idb_sites:
            access_point(dap_of_idb(source.name, site), "idb", site, source.schema_name, ROLE_IDB)
    return {"applications": applications}


def read(config: LabConfig) -> Document:
    """The whole configuration; the default one when nothing has been written yet."""
    try:
        return json.loads(path(config).read_text())
    except FileNotFoundError:
        return default(config)


def update(config: LabConfig, change: Callable[[Document], None]) -> Document:
    """Change the configuration; other processes' changes are not lost.

    :param change: changes the document in place; what it raises leaves the file as it was.
    :returns: the document as written.
    """
    file = path(config)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        document = copy.deepcopy(read(config))
        change(document)
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps(document, indent=1))
        temporary.replace(file)
    return document
