"""Jobs, Info Mart Servers, Application objects, programs, the lock, the endpoints of a site."""

from __future__ import annotations

from infomart_dr.guards import fencing, fitness, prerequisites
from infomart_dr.guards import server as server_guard
from infomart_dr.guards.application import configuration_differences
from infomart_dr.hooks import raa
from infomart_dr.readiness.context import CheckContext
from infomart_dr.readiness.report import Check, Verdict, blocked, faults, not_checked, of_faults, ok, warning
from infomart_dr.topology import BOTH_ROLES, DbmsJob, SchedulerJob, SiteRole, Topology


def _data_pump_jobs(context: CheckContext, role: SiteRole) -> list[Verdict]:
    name = context.step.at(role).name
    found = []
    for row in context.step.at(role).dba.select("datapump_jobs"):
        job, state = f"{row['owner_name']}.{row['job_name']}", str(row["state"]).strip()
        if state == "NOT RUNNING":
            remedy = f"Attach to it and KILL_JOB, or drop its master table {job}."
            found.append(warning(f"the Data Pump job {job} was left behind at {name}", remedy))
        else:
            remedy = "Let it end first: it uses workers, undo and space."
            found.append(blocked(f"the Data Pump job {job} is {state} at {name}", remedy))
    return found or [ok("no Data Pump job")]


def _jobs(context: CheckContext, role: SiteRole) -> Verdict:
    return of_faults(fitness.job_faults(context.step, role), f"no job of {context.step.schema} is enabled")


def _purge_jobs(context: CheckContext, role: SiteRole) -> list[Verdict]:
    found = []
    for idb in context.step.at(role).settings.idbs:
        for job in context.step.deployment.purge_jobs(idb):
            # A running job is not a fault: a hold waits for its end.
            state = job.state()
            now = "; a purge runs now, and a hold would wait for its end" if state.running else ""
            found.append(ok(f"{idb.name}: {job.key} is {state.words}{now}"))
    return [*found, *(warning(*each) for each in _of_two_users(context, role))]


def _of_two_users(context: CheckContext, role: SiteRole) -> list[tuple[str, str]]:
    """Database jobs that IDBs name over different connections: a hold over one connection is not visible to the other.

    Databases often have jobs with equal names; only within one database may it be the same job.
    """
    named: dict[str, dict[str, str]] = {}
    for idb in context.step.at(role).settings.idbs:
        for job in idb.purge_jobs:
            if isinstance(job, SchedulerJob | DbmsJob):
                named.setdefault(job.key, {}).setdefault(idb.connection, idb.name)
    found = []
    for key, idbs in named.items():
        by_database: dict[object, list[str]] = {}
        for connection, name in idbs.items() if len(idbs) > 1 else ():
            row = context.step.deployment.oracle(connection).select("database_identity")[0]
            # The PDBs of a CDB have one DBID here.
            by_database.setdefault((row["dbid"], row["db_name"]), []).append(name)
        for names in by_database.values():
            if len(names) > 1:
                found.append(
                    (
                        f"{' and '.join(names)} name {key} of one database over different connections",
                        "If it is one job, give them the same connection; otherwise one does not see the other's hold.",
                    )
                )
    return found


def _server_stopped(context: CheckContext, role: SiteRole) -> Verdict:
    step = context.step
    return faults(
        server_guard.server_runs(step, role),
        f"the Info Mart Server at {step.at(role).name} is stopped",
        "Stop it, and make sure that no service starts it by itself: two servers must never write for one deployment.",
    )


def _server_serves(context: CheckContext, role: SiteRole) -> Verdict:
    step = context.step
    seen = server_guard.serving(step, role)
    if seen.satisfied:
        return ok(seen.summary)
    return warning(seen.summary, f"Start the Info Mart Server at {step.at(role).name} with run-scheduler true.")


def _server_deployed(context: CheckContext, role: SiteRole) -> Verdict:
    step = context.step
    remedy = f"Deploy it, or correct sites.{step.at(role).name}.info_mart_server.root."
    return faults(prerequisites.deployment_faults(step, role), step.at(role).settings.info_mart_server.root, remedy)


def _manual_start(context: CheckContext, role: SiteRole) -> Verdict:
    step = context.step
    settings = step.at(role).settings.info_mart_server
    if not settings.manual_start_check:
        return not_checked(
            "the topology has no command that shows how the server's service starts",
            f"Give sites.{step.at(role).name}.info_mart_server.manual_start_check, or check the service by hand.",
        )
    done = step.at(role).host("gim").run(settings.manual_start_check, check=False)
    said = (done.stdout + done.stderr).strip()[-200:] or f"exit code {done.exit_code}"
    if done.exit_code == 0:
        return ok(said)
    return blocked(
        f"the Info Mart Server's service at {step.at(role).name} starts by itself: {said}",
        "Set the service to manual start: a restart of the host would start a second Info Mart Server.",
    )


def _access_points(context: CheckContext, role: SiteRole) -> Verdict:
    """DAPs of a site; the serving server is connected to the DAP of its own Info Mart and to no other's."""
    step = context.step
    if step.at(role).settings.configuration.backend == "manual":
        return not_checked("a person changes Application objects here (configuration.backend is manual)")
    wrong = list(prerequisites.access_point_faults(step, role, asked=role))
    if wrong:
        return faults(wrong, "", "Create the missing DAPs, or correct the topology.")
    backend = step.at(role).configuration
    site = step.at(role).settings
    for dap in (site.info_mart_server.dap, *(idb.dap for idb in site.idbs)):
        found = backend.read(dap).options.get("gim-etl", {}).get("role", "")
        if (found == "INFO_MART") != (dap == site.info_mart_server.dap):
            wrong.append(f"DAP {dap} has the role {found or 'none'}")
    if role == "source" or step.topology.architecture == "active-active":
        own = {other.info_mart_server.dap for other in step.topology.sites.values()}
        connected = sorted(own & set(backend.read(step.at(role).application).connections))
        if connected != [site.info_mart_server.dap]:
            wrong.append(
                f"{step.at(role).application} is connected to {', '.join(connected) or 'no Info Mart DAP'}, "
                f"not only to {site.info_mart_server.dap}"
            )
    fine = f"{site.info_mart_server.dap} and {len(site.idbs)} DAP(s) of IDBs exist with their roles"
    remedy = "Correct [gim-etl] role and the connections: only one connected DAP may have the role INFO_MART."
    return faults(wrong, fine, remedy)


def _same_configuration(context: CheckContext, role: SiteRole) -> Verdict:
    """Two active servers have one configuration, also on the days between the procedures."""
    step = context.step
    one, other = (step.at(each).application for each in BOTH_ROLES)
    if one == other:
        return ok(f"both sites have the Application object {one}")
    if any(step.at(each).settings.configuration.backend == "manual" for each in BOTH_ROLES):
        return not_checked(
            "a person changes Application objects here (configuration.backend is manual)",
            f"Compare {one} and {other}: they differ in host, command line and the Info Mart's DAP only.",
        )
    found = configuration_differences(
        step, step.at("source").configuration.read(one), step.at("target").configuration.read(other)
    )
    remedy = f"Correct {one} or {other}: after the loss of a site the other one must do all that both did."
    return faults(found, f"{one} and {other} have the same configuration", remedy, "warning")


def site_programs(topology: Topology, site: str, procedure: str) -> dict[str, list[str]]:
    """Programs of a site's hosts that a procedure starts, by host."""
    settings = topology.sites[site]
    found: dict[str, list[str]] = {settings.info_mart_server.host: ["pgrep"]}

    def add(host: str, program: str) -> None:
        found.setdefault(host, [])
        if program not in found[host]:
            found[host].append(program)

    if topology.raa.enabled and procedure != "database_transfer":
        add(settings.info_mart_server.host, topology.raa.java)
    if topology.info_mart.jobs.backend == "command" and procedure == "failover":
        add(settings.info_mart_server.host, topology.info_mart.jobs.command[0])
    reports = settings.reports
    if reports is not None and reports.backend == "command" and reports.host:
        for words in (reports.start, reports.check):
            add(reports.host, words[0])
    return found


def _programs(context: CheckContext, role: SiteRole) -> Verdict:
    step = context.step
    name = step.at(role).name
    missing, count = [], 0
    for host, programs in site_programs(step.topology, name, context.procedure).items():
        for program in programs:
            count += 1
            done = step.deployment.host_named(host).shell('command -v -- "$1" >/dev/null', program, check=False)
            if done.exit_code != 0:
                missing.append(f"{program} is not in the path on {host}")
    if step.topology.raa.enabled and context.procedure != "database_transfer":
        root, jar = step.at(role).settings.info_mart_server.root, step.topology.raa.jar
        path = jar if jar.startswith("/") else f"{root}/{jar}"
        count += 1
        server, at = step.at(role).host("gim"), step.at(role).settings.info_mart_server.host
        if not server.exists(path):
            missing.append(f"{path} is missing on {at}")
        version = server.run([step.topology.raa.java, "-version"], check=False)
        if fault := raa.java_fault(step.topology.raa, version.stderr + version.stdout):
            return blocked(f"{fault} (on {at})", raa.OLD_JAVA)
    return faults(missing, f"all {count} program(s) exist", "Install the missing ones, or correct the topology.")


def _lock(context: CheckContext, role: SiteRole) -> Verdict:
    holder = context.step.lock.holder()
    if holder is None:
        return ok("the deployment's lock is free")
    return blocked(f"the deployment is locked by {holder}", "Wait until that run has ended, or end it.")


def _role(context: CheckContext, role: SiteRole) -> Verdict:
    """A run checks the site itself, not this role. But a site that is not filled cannot take over."""
    said = context.step.at(role).settings.role
    if said == "standby":
        return ok("it is the standby in the topology")
    return warning(
        f"the topology gives it the role {said}, not standby",
        "Make it a standby first (infomart_setup_replication, infomart_return_to_normal). If it is one, correct its "
        "role in the topology file.",
    )


def _endpoints(context: CheckContext, role: SiteRole) -> list[Verdict]:
    """The endpoints of a live site must answer; otherwise their silence would prove nothing after its loss."""
    step = context.step
    found = []
    for place in ("airflow", "survivor"):
        answers = fencing.probe_all(step, role, place)
        silent = [str(answer.endpoint) for answer in answers if answer.state not in ("answers", "open")]
        found.append(
            faults(
                [f"{endpoint} gives no answer (probed from {fencing.name(place)})" for endpoint in silent],
                f"all {len(answers)} endpoints answer (probed from {fencing.name(place)})",
                "Start the program, open the port, or correct seen_from: otherwise its silence proves nothing.",
                "warning",
            )
        )
    return found


DATA_PUMP_JOBS = Check(
    "data_pump_jobs",
    "Data Pump jobs that run or were left behind (DBA_DATAPUMP_JOBS)",
    _data_pump_jobs,
    needs=("dba_connection",),
)
SCHEDULER_JOBS = Check(
    "scheduler_jobs",
    "Enabled jobs of the Info Mart's owner at the target, which would write there beside the replication "
    "(DBA_SCHEDULER_JOBS, DBA_JOBS)",
    _jobs,
    needs=("dba_connection",),
)
PURGE_JOBS = Check(
    "purge_jobs",
    "The IDBs' purge jobs are visible to their connection (a hold waits for a running one); no job has two users",
    _purge_jobs,
    needs=("idb_connections",),
)
SERVER_STOPPED = Check(
    "server_stopped",
    "The target's Info Mart Server is stopped: Management Layer, processes, database sessions",
    _server_stopped,
    needs=("server_host", "dba_connection", "management_layer", "configuration"),
)
SERVER_SERVES = Check(
    "server_serves",
    "The source's Info Mart Server runs, with its scheduler on",
    _server_serves,
    needs=("server_host", "management_layer", "configuration"),
)
SERVER_DEPLOYED = Check(
    "server_deployed", "The Info Mart Server's root exists on the host", _server_deployed, needs=("server_host",)
)
MANUAL_START = Check(
    "manual_start",
    "No service starts the target's server by itself, according to the site's own command (manual_start_check)",
    _manual_start,
    needs=("server_host",),
)
ACCESS_POINTS = Check(
    "access_points",
    "The site's DAPs exist with their roles; the serving server is connected only to the DAP of its own Info Mart",
    _access_points,
    needs=("configuration",),
)
PROGRAMS = Check(
    "programs",
    "pgrep, RAA's java (9 or later for an argument file) and jar, and the site's own commands exist on their hosts",
    _programs,
    needs=("server_host",),
)
SAME_CONFIGURATION = Check(
    "same_configuration",
    "The Application objects of two active servers differ in host, command line and Info Mart only",
    _same_configuration,
    needs=("configuration",),
    once=True,
)
ROLE = Check("role", "The site that takes over has the role standby in the topology", _role)
LOCK = Check("lock", "No plan holds the deployment's lock", _lock, needs=("goldengate_connection",))
ENDPOINTS = Check(
    "endpoints",
    "The endpoints of the site that may be lost answer Airflow and the survivor while the site is alive",
    _endpoints,
)
