"""Prerequisites of setting up replication and of a standby."""

from __future__ import annotations

import re
from collections.abc import Iterator

from infomart_dr.errors import PermanentError
from infomart_dr.guards.application import application_host
from infomart_dr.guards.dictionary import table_exists
from infomart_dr.guards.faults import Fault
from infomart_dr.guards.server import server_runs
from infomart_dr.hooks.goldengate_parameters import version
from infomart_dr.plan.step import Step
from infomart_dr.text import sorted_names
from infomart_dr.topology import Site, SiteRole

#: Folders of a GoldenGate home that CREATE SUBDIRS makes.
GOLDENGATE_FOLDERS = ("dirprm", "dirdat", "dirchk", "dirrpt", "dirpcs")


def standby_faults(step: Step) -> Iterator[str]:
    """Reasons why the target is not a standby: a server that runs or is missing, an object that points elsewhere."""
    if signs := server_runs(step, "target"):
        yield f"the Info Mart Server at {step.at('target').name} is running ({', '.join(signs)})"
    wanted, found = step.at("source").settings.info_mart_server.host_object, application_host(step, "source")
    if found not in (None, wanted):
        yield f"the Application object {step.at('source').application} has the host {found}, not {wanted}"
    yield from deployment_faults(step, "target")


def deployment_faults(step: Step, role: SiteRole) -> Iterator[str]:
    """The Info Mart Server's software, where it is missing at a site."""
    root = step.at(role).settings.info_mart_server.root
    if not step.at(role).host("gim").exists(root):
        yield f"the Info Mart Server is not deployed at {step.at(role).name}: {root} is missing"


def container_faults(step: Step, role: SiteRole, *, without_owner: bool = False) -> Iterator[str]:
    """A CDB or PDB that the topology does not name, and connections that lead to another container.

    :param without_owner: the connection of the Info Mart's owner is not asked, because it does not log in yet.
    """
    at = step.at(role)
    name, pdb = at.name, at.settings.database.pdb
    found = at.dba.select("container_database")
    if not found or str(found[0]["value"]).upper() != "TRUE":
        if pdb:
            yield f"the database of {name} is no CDB, and database.pdb is {pdb}"
        return
    if pdb is None:
        yield (
            f"the database of {name} is a CDB (dba_connection leads to {at.dba.value('container_name')}); the topology "
            "needs database.pdb and goldengate.capture_login, or from release 21 on database.pdb alone"
        )
        return
    connections = {"dba_connection": at.dba, "goldengate_connection": at.goldengate_database}
    if not without_owner and at.dba.select("account", owner=step.schema):
        # At a new site the owner comes with the import.
        connections["info_mart_connection"] = at.info_mart
    for field, hook in connections.items():
        container = str(hook.value("container_name"))
        if container != pdb:
            yield f"{field} of {name} leads to the container {container}, and database.pdb is {pdb}"


def kind_text(site: Site) -> str:
    """The kind of a site's database, as the topology has it."""
    if site.database.pdb is None:
        return "no CDB"
    origin = "CDB$ROOT" if site.goldengate.capture_login else "the PDB itself"
    return f"{site.database.pdb} is a PDB of a CDB, and the connections lead to it; an Extract captures from {origin}"


def login_faults(step: Step, role: SiteRole) -> Iterator[Fault]:
    """Logins of GoldenGate that are refused, fail, or lead to another container."""
    try:
        step.at(role).ggsci.prove_logins()
    except PermanentError as error:
        yield Fault(error.what.rstrip("."), error.next_step)


def database_faults(step: Step, role: SiteRole) -> Iterator[str]:
    """Settings that a site's database lacks for replication: archive mode, logging of all changes, parameter."""
    dba, name = step.at(role).dba, step.at(role).name
    row = dba.select("supplemental_logging")[0]
    if row["log_mode"] != "ARCHIVELOG":
        yield f"the database of {name} is in {row['log_mode']} mode"
    if str(row["supplemental_log_data_min"]) not in ("YES", "IMPLICIT"):
        yield f"minimal supplemental logging is off at {name} (ALTER DATABASE ADD SUPPLEMENTAL LOG DATA)"
    if not force_logging(step, role, str(row["force_logging"])):
        yield (
            f"FORCE LOGGING is {row['force_logging']} at {name} (ALTER DATABASE FORCE LOGGING): rows of a direct-path "
            f"load without redo never reach the other site{nologging_text(step, role)}"
        )
    enabled = dba.select("replication_parameter")
    if enabled and str(enabled[0]["value"]).upper() != "TRUE":
        yield f"enable_goldengate_replication is {enabled[0]['value']} at {name}"
    if step.at(role).settings.goldengate.capture == "classic":
        yield from classic_capture_faults(step, role)


def classic_capture_faults(step: Step, role: SiteRole) -> Iterator[str]:
    """What a classic Extract needs: every redo thread, a way into ASM, the objects of trigger-based DDL."""
    dba, name, goldengate = step.at(role).dba, step.at(role).name, step.at(role).settings.goldengate
    threads = int(dba.value("redo_threads") or 0)
    if threads != goldengate.threads:
        yield (
            f"the database of {name} has {threads} redo threads, and goldengate.threads is {goldengate.threads}: a "
            "classic Extract abends (OGG-00118)"
        )
    members = [str(row["member"]) for row in dba.select("redo_files")]
    in_asm = next((member for member in members if member.startswith("+")), None)
    extra = " ".join(goldengate.extra_parameters.extract)
    if in_asm and not re.search(r"\b(DBLOGREADER|ASMUSER|ASMUSERALIAS)\b", extra, re.IGNORECASE):
        yield (
            f"the redo of {name} is in ASM ({in_asm}): a classic Extract reads it only with TRANLOGOPTIONS DBLOGREADER "
            "in goldengate.extra_parameters.extract"
        )
    trigger = {str(row["status"]) for row in dba.select("ddl_trigger")}
    if "ENABLED" not in trigger or not table_exists(step, role, goldengate.schema_name, "GGS_DDL_HIST"):
        yield (
            f"the DDL objects of classic capture are missing at {name}, or their trigger is disabled (table "
            f"{goldengate.schema_name}.GGS_DDL_HIST, trigger GGS_DDL_TRIGGER_BEFORE): run marker_setup, ddl_setup, "
            "role_setup and ddl_enable. Integrated capture, from Oracle 11.2.0.4 on, needs none"
        )


def force_logging(step: Step, role: SiteRole, of_database: str) -> bool:
    """The database logs every change: by itself, or its pluggable database does.

    :param of_database: FORCE_LOGGING of V$DATABASE. STANDBY NOLOGGING FOR ... (18c and later) writes no redo of the
        rows of such a load.
    """
    if of_database == "YES":
        return True
    if version(step.at(role).settings.database.release) < (12, 2):
        return False
    rows = step.at(role).dba.select("container_logging")
    return bool(rows) and str(rows[0]["force_logging"]) == "YES"


def nologging_text(step: Step, role: SiteRole) -> str:
    """The NOLOGGING tables and partitions that are at risk now, for a message; empty when there are none."""
    rows = step.at(role).dba.select("nologging_tables", owner=step.schema)
    names = [".".join(filter(None, (row["table_name"], row["partition_name"]))) for row in rows]
    return f". NOLOGGING now: {sorted_names(names)}" if names else ""


def goldengate_faults(step: Step, role: SiteRole) -> Iterator[str]:
    """Folders that a site's GoldenGate home lacks."""
    home, host = step.at(role).settings.goldengate.home, step.at(role).host()
    missing = [folder for folder in GOLDENGATE_FOLDERS if not host.exists(f"{home}/{folder}")]
    if missing:
        yield f"{step.at(role).name}: {home} lacks {sorted_names(missing)} (ggsci: CREATE SUBDIRS)"


def access_point_faults(step: Step, role: SiteRole, asked: SiteRole = "source") -> Iterator[str]:
    """DAPs of a site that are missing; with the manual configuration backend they cannot be checked.

    :param asked: the site whose configuration interface is asked.
    """
    if step.at(asked).settings.configuration.backend == "manual":
        return
    site = step.at(role).settings
    for dap in [site.info_mart_server.dap, *sorted({idb.dap for idb in site.idbs})]:
        try:
            step.at(asked).configuration.read(dap)
        except PermanentError as error:
            yield f"DAP {dap} of {step.at(role).name}: {error.what}"
