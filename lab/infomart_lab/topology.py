"""The lab's topology file and Airflow connections: nothing else tells the product that it runs in the lab."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import yaml

from infomart_lab import configuration, gimjob, host, purge, schema
from infomart_lab.config import GOLDENGATE_ALIAS, ROOT_ALIAS, DataSource, LabConfig, Role, Site
from infomart_lab.goldengate.home import encrypted_password

#: Oracle release by the wording of a site's stand-ins.
_RELEASES = {"11.2": "11.2", "19c": "19.0", "21c": "21.0"}
_GOLDENGATE_RELEASES = {"11.2": "11.2", "19c": "19.1", "21c": "21.3"}


def topology(config: LabConfig) -> dict[str, Any]:
    """The topology document of the sites that exist or have existed."""
    sites = dict(config.sites)
    application = configuration.server_of(config, config.active_site)
    return {
        "deployment": "lab",
        **({} if config.architecture == "active-standby" else {"architecture": config.architecture}),
        "info_mart": {
            "release": config.release,
            "schema": config.info_mart_schema,
            "partitioned": config.partitioned,
            "application": application,
            "application_dbid": configuration.servers(config)[application],
            "sequence_keys": _sequence_keys(config),
            "jobs": {"backend": "command", "command": ["gimjob", "{job}"], "timeout": int(gimjob.TIMEOUT)},
        },
        "raa": {
            "release": "8.1.4",
            "jdbc_url": {
                name: f"jdbc:oracle:thin:@{config.address}:{config.port(name, 'oracle')}/{config.service_name(name)}"
                for name in sites
            },
        },
        "hosts": {f"{name}-{kind}": _host(config, name, kind) for name in sites for kind in ("db", "gim")},
        "sites": {name: _site(config, site) for name, site in sites.items()},
        "transfer": {"streams": 4},
        # All of the lab is on one machine, so a refused port means a dead process and never a living host.
        "fencing": {"refused_is_alive": False, "timeout": 2},
        "timeouts": {
            "connect": 10,
            "group_start": 2,
            "migration_check": 3,
            "poll": 0.5,
            "quiesce": 300,
            "catch_up": 1800,
        },
    }


def _sequence_keys(config: LabConfig) -> dict[str, str]:
    return {
        sequence.upper(): f"{table.upper()}.{column.upper()}"
        for sequence, (table, column) in sorted(schema.SEQUENCE_KEYS.items())
    }


def _seen_from(config: LabConfig, site: str, **services: str) -> dict[str, dict[str, Any]]:
    """Ports of the links by which the other sites reach ``site``, by field."""
    return {
        other: {
            "address": config.address,
            **{field: config.link_port(other, site, service) for field, service in services.items()},
        }
        for other in config.sites
        if other != site
    }


def _host(config: LabConfig, site: str, kind: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"ssh_connection": f"ssh_{site}_{kind}", "user": host.USERS[kind]}
    if kind == "gim":
        entry["seen_from"] = _seen_from(config, site, ssh_port="ssh-gim")
        return entry
    home = config.host_dir(site, kind)
    entry["transfer_key"] = str(home / ".ssh" / "id_ed25519")
    entry["known_hosts"] = str(home / ".ssh" / "known_hosts")
    entry["seen_from"] = _seen_from(config, site, ssh_port="ssh-db", manager_port="manager", listener_port="oracle")
    return entry


def roles(config: LabConfig) -> dict[str, Role]:
    """Role of each site: the one that an administrator has set, else that of the start."""
    return {name: config.roles.get(name) or _role(site) for name, site in config.sites.items()}


def _role(site: Site) -> Role:
    if not site.present:
        return "failed"
    if not site.info_mart:
        return "new"
    return "active" if site.server_running else "standby"


def _idb(config: LabConfig, source: DataSource, site: str) -> dict[str, Any]:
    return {
        "name": f"{source.name.lower()}-{site}",
        "data_source_key": source.key,
        "dap": configuration.dap_of_idb(source.name, site),
        "icon": configuration.icon_of_idb(source.name, site),
        "source_site": source.site,
        "schema": source.schema_name,
        "connection": f"oracle_{site}_idb",
        "purge_jobs": [_purge_job(source, site)],
    }


def _purge_job(source: DataSource, site: str) -> str | dict[str, Any]:
    schema = source.schema_name
    match source.purge:
        case "dbms_job":
            return {"mechanism": "dbms_job", "owner": schema, "job": source.key}
        case "cron":
            pattern = f"infomart_lab.purge_idb {schema}"
            return {
                "mechanism": "cron",
                "host": f"{site}-db",
                "line": purge.cron_line(source),
                "process_pattern": pattern,
            }
        case "command":
            words = {word: ["purgectl", word, schema] for word in ("hold", "release", "state")}
            return {"mechanism": "command", "name": source.name.lower(), "host": f"{site}-db", **words}
    return f"{schema}.{purge.PURGE_JOB}"


def _reports(site: str) -> dict[str, Any]:
    return {
        "product": "GI2",
        "backend": "command",
        "host": f"{site}-gim",
        "start": ["gi2ctl", "start", "{site}"],
        "check": ["gi2ctl", "status", "{site}"],
    }


def _site(config: LabConfig, site: Site) -> dict[str, Any]:
    name = site.name
    application = configuration.server_of(config, name)
    own = {"application": application, "application_dbid": configuration.servers(config)[application]}
    return {
        "role": roles(config)[name],
        "database": {
            "host": f"{name}-db",
            "service": config.service_name(name),
            "release": _RELEASES[site.data_pump],
            "dba_connection": f"oracle_{name}_dba",
            "info_mart_connection": f"oracle_{name}_gim",
            "goldengate_connection": f"oracle_{name}_ggate",
            "oracle_home": str(config.oracle_home(name)),
            **({"pdb": site.pdb} if site.pdb else {"environment": {"ORACLE_SID": config.service_name(name)}}),
            "data_pump": {"directory": "GIM_DUMP", "file_size": "64M", "parallel": 2, "status_seconds": 2},
        },
        "goldengate": {
            "home": str(config.goldengate_home(name)),
            "release": _GOLDENGATE_RELEASES[site.goldengate],
            "capture": "classic" if site.goldengate == "11.2" else "integrated",
            "manager_port": config.port(name, "manager"),
            "schema": site.goldengate_schema,
            "trails": {"remote": {other: f"./dirdat/d{other[-1]}" for other in config.sites if other != name}},
            "login": {
                "user": site.goldengate_schema,
                "encrypted_password": encrypted_password(config.password(name, site.goldengate_schema)),
            }
            if site.goldengate == "11.2"
            else {"alias": GOLDENGATE_ALIAS},
            **({"capture_login": {"alias": ROOT_ALIAS}} if site.pdb else {}),
        },
        "info_mart_server": {
            "host": f"{name}-gim",
            "host_object": f"{name}-gim",
            "root": str(config.server_root(name)),
            "command_line": (
                f"./gim_etl_server -host {name}-cfg -port {config.port(name, 'config')} -app {application}"
            ),
            "dap": configuration.dap_of_info_mart(name),
            **({} if config.architecture == "active-standby" else own),
            "log_file": str(config.server_root(name) / "logs" / "gim_etl.log"),
            "process_pattern": f"infomart_lab.gim_server {name}",
            "manual_start_check": ["gimservice", "manual"],
        },
        "management_layer": {
            "host": f"{name}-gim",
            "command": "mlcmd_stdin",
            "configuration_server": config.address,
            "configuration_port": config.port(name, "config"),
            "connection": f"management_{name}",
            "password_delivery": "standard_input",
            "timeout": 60,
            "seen_from": _seen_from(config, name, port="config"),
        },
        "configuration": {"backend": "gax", "connection": f"gax_{name}"},
        "reports": _reports(name),
        "idbs": [_idb(config, source, name) for source in config.data_sources if name in source.idb_sites],
    }


def connections(config: LabConfig) -> dict[str, dict[str, Any]]:
    """Airflow connections by id; with passwords, so only for a file of mode 0600."""
    found: dict[str, dict[str, Any]] = {}
    key = (config.home / "operator_key").read_text()
    for name in config.sites:
        for kind, user in (("db", "oracle"), ("gim", "genesys")):
            found[f"ssh_{name}_{kind}"] = {
                "conn_type": "ssh",
                "host": config.address,
                "port": config.port(name, f"ssh-{kind}"),
                "login": user,
                "extra": json.dumps(
                    {
                        "private_key": key,
                        "host_key": host.host_key_line(config, name, kind),
                        "no_host_key_check": False,
                        "allow_host_key_change": False,
                    }
                ),
            }
        for suffix, user, database in (
            ("dba", "SYSTEM", "gim"),
            ("gim", config.info_mart_schema, "gim"),
            ("ggate", config.sites[name].goldengate_schema, "gim"),
            ("idb", "SYSTEM", "idb"),
        ):
            found[f"oracle_{name}_{suffix}"] = {
                "conn_type": "oracle",
                "host": config.address,
                "port": config.port(name, "oracle"),
                "login": user,
                "password": config.password(name, user),
                "extra": json.dumps({"service_name": config.service_name(name, database)}),
            }
        for prefix, service in (("management", "config"), ("gax", "gax")):
            found[f"{prefix}_{name}"] = {
                "conn_type": "http",
                "schema": "http",
                "host": config.address,
                "port": config.port(name, service),
                "login": "default",
                "password": config.passwords[name]["GAX"],
            }
    return found


def path(config: LabConfig) -> Path:
    """The topology file."""
    return config.home / "topology.yaml"


def _replace(file: Path, text: str) -> None:
    temporary = file.with_suffix(".new")
    temporary.write_text(text)
    # A task may read it at this moment.
    temporary.replace(file)


def _made_by_hand(config: LabConfig, document: dict[str, Any]) -> dict[str, Any]:
    """Sections that a person has added to the topology file: the lab writes none of that name."""
    try:
        found = yaml.safe_load(path(config).read_text())
    except (FileNotFoundError, yaml.YAMLError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: section for name, section in found.items() if name not in document}


def set_roles(config: LabConfig) -> None:
    """Set the sites' roles in the topology file; everything else in it stays.

    When there is no file yet, it is written.

    :raises ValueError: the file is not valid YAML, or a site has no role in it.
    """
    file = path(config)
    if not file.exists():
        write(config)
        return
    text = file.read_text()
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    found = []
    for site, role in roles(config).items():
        node = root
        for name in ("sites", site, "role"):
            node = _below(node, name)
        if not isinstance(node, yaml.ScalarNode):
            raise ValueError(f"{file} has no role of {site}")
        found.append((node.start_mark.index, node.end_mark.index, role))
    for start, end, role in sorted(found, reverse=True):
        text = text[:start] + role + text[end:]
    _replace(file, text)


def _below(node: yaml.Node | None, name: str) -> yaml.Node | None:
    """The value of a key in a mapping of a YAML document."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == name:
                return value
    return None


def write(config: LabConfig, *, keep: bool = False) -> tuple[Path, Path]:
    """Write ``<home>/topology.yaml`` and ``<home>/connections.json`` (mode 0600).

    :param keep: keep the sections that a person has added to the topology file.
    :return: both paths.
    """
    file = path(config)
    document = topology(config)
    if keep:
        document |= _made_by_hand(config, document)
    _replace(file, yaml.safe_dump(document, sort_keys=False))
    secret = config.home / "connections.json"
    descriptor = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(connections(config), stream, indent=1)
    return file, secret
