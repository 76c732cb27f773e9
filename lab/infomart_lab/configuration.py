"""Application objects of the Configuration Layer, as the lab keeps them: one JSON file, changed under a lock.

``<home>/configuration.json``: ``{"applications": {"GIM": {...}, "DAP_GIM_site2": {...}, "ICON_TS2_site2": {...}}}``.
All sites read the same file; the Configuration Servers of real sites replicate it among themselves.
"""

from __future__ import annotations

import copy
import fcntl
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infomart_lab.config import LabConfig

#: Name of the Application object of Genesys Info Mart Server; the sites of an active-standby deployment share it
#: (guide, Deployment Prerequisites), those of an active-active one have an object each.
SERVER = "GIM"
SERVER_DBID = 121
TYPE_SERVER, TYPE_DAP, TYPE_ICON = "GIM", "DAP", "ICON"
ROLE_INFO_MART = "INFO_MART"
ROLE_IDB = "ICON_CORE"
ENABLED = 1
DISABLED = 2

Document = dict[str, Any]


def servers(config: LabConfig) -> dict[str, int]:
    """Application objects of Info Mart Servers with their DBIDs."""
    if config.architecture == "active-standby":
        return {SERVER: SERVER_DBID}
    return {f"{SERVER}_{site}": SERVER_DBID + number for number, site in enumerate(config.sites)}


def server_of(config: LabConfig, site: str) -> str:
    """Name of the Application object that the server at a site runs under."""
    return SERVER if config.architecture == "active-standby" else f"{SERVER}_{site}"


def dap_of_info_mart(site: str) -> str:
    """Name of the Database Access Point of a site's Info Mart."""
    return f"DAP_GIM_{site}"


def dap_of_idb(source: str, site: str) -> str:
    """Name of the Database Access Point of a data source's IDB at a site."""
    return f"DAP_{source}_{site}"


def icon_of_idb(source: str, site: str) -> str:
    """Name of the Application object of the ICON that writes a data source's IDB at a site."""
    return f"ICON_{source}_{site}"


def path(config: LabConfig) -> Path:
    return config.home / "configuration.json"


def _server(config: LabConfig, name: str, dbid: int, site: str) -> Document:
    """Application object of an Info Mart Server at a site, connected to its Info Mart and to every IDB and ICON."""
    idbs = [(source.name, at) for source in config.data_sources for at in source.idb_sites]
    return {
        "name": name,
        "dbid": dbid,
        "type": TYPE_SERVER,
        "state": ENABLED,
        "host": f"{site}-gim",
        "commandLine": f"gim_etl_server -host 127.0.0.1 -port {config.port(site, 'config')} -app {name}",
        "connections": [
            dap_of_info_mart(site),
            *(dap_of_idb(source, at) for source, at in idbs),
            *(icon_of_idb(source, at) for source, at in idbs),
        ],
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


def _access_point(name: str, database: str, site: str, schema: str, role: str) -> Document:
    return {
        "name": name,
        "type": TYPE_DAP,
        "state": ENABLED,
        "host": f"{site}-db",
        "commandLine": "",
        "connections": [],
        "database": database,
        "site": site,
        "schema": schema,
        "options": {"gim-etl": {"role": role}},
    }


def _icon(name: str, dap: str, site: str) -> Document:
    """Application object of an ICON: it runs at its data source's site and writes by the IDB's access point."""
    return {
        "name": name,
        "type": TYPE_ICON,
        "state": ENABLED,
        "host": f"{site}-gim",
        "commandLine": f"icon -app {name}",
        "connections": [dap],
        "options": {},
    }


def default(config: LabConfig) -> Document:
    """The configuration of a new lab.

    Active-standby: one server object, at the site where the server runs. Active-active: one object for each site. All
    IDBs and ICONs are connected to each of them.
    """
    shared = config.active_site if config.architecture == "active-standby" else None
    found = [
        _server(config, name, dbid, shared or name.removeprefix(f"{SERVER}_")) for name, dbid in servers(config).items()
    ]
    idbs = [(source, site) for source in config.data_sources for site in source.idb_sites]
    others = [
        *(
            _access_point(dap_of_info_mart(site), "gim", site, config.info_mart_schema, ROLE_INFO_MART)
            for site in config.sites
        ),
        *(
            _access_point(dap_of_idb(source.name, site), "idb", site, source.schema_name, ROLE_IDB)
            for source, site in idbs
        ),
        *(_icon(icon_of_idb(source.name, site), dap_of_idb(source.name, site), source.site) for source, site in idbs),
    ]
    for number, app in enumerate(others, max(servers(config).values()) + 1):
        app["dbid"] = number
    return {"applications": {app["name"]: app for app in (*found, *others)}}


def read(config: LabConfig) -> Document:
    """The whole configuration; the default one when nothing has been written yet."""
    try:
        return json.loads(path(config).read_text())
    except FileNotFoundError:
        return default(config)


def update(config: LabConfig, change: Callable[[Document], None]) -> Document:
    """Change the configuration under a lock, so that no change of another process is lost.

    :param change: changes the document in place; when it raises an error, the file stays as it was.
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
