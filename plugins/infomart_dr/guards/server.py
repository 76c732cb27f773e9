"""The Info Mart Server of a site: running, serving or proven stopped; and the messages in its log."""

from __future__ import annotations

from infomart_dr.errors import GuardError
from infomart_dr.guards.application import application_host, configured, option
from infomart_dr.hooks.processes import pgrep
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation, Step
from infomart_dr.times import span
from infomart_dr.topology import SiteRole
from infomart_dr.values import JsonObject


def server_runs(step: Step, role: SiteRole) -> list[str]:
    """Signs that the Info Mart Server of a site runs: Management Layer, process, database sessions.

    :return: the signs; empty when it is proven stopped.
    """
    signs = []
    site = step.at(role).settings
    if application_host(step, role) == site.info_mart_server.host_object:
        layer = step.at(role).management_layer
        status = layer.status(step.at(role).application_dbid)
        if not layer.is_stopped(status):
            signs.append(f"Management Layer says {status.status}")
    if processes := server_processes(step, role):
        signs.append(f"process {' '.join(processes)} on {site.info_mart_server.host}")
    if site.role != "new" or step.ledger.has(facts.TABLES_COMPARED):
        sessions = step.at(role).dba.select(
            "sessions_of", username=step.schema, program=site.info_mart_server.session_program
        )
        if sessions:
            signs.append(f"{len(sessions)} database session(s) of {step.schema}")
    return signs


def server_processes(step: Step, role: SiteRole) -> list[str]:
    """Processes of the Info Mart Server on a site's host.

    :raises GuardError: pgrep does not work on the host.
    """
    server = step.at(role).settings.info_mart_server
    found = step.at(role).host("gim").run(pgrep(server.process_pattern), check=False)
    if found.exit_code not in (0, 1):
        raise GuardError(
            f"pgrep on {server.host} ended with {found.exit_code}: {found.stderr.strip()[:200]}",
            "Install pgrep there, or correct info_mart_server.process_pattern.",
        )
    return found.stdout.split() if found.exit_code == 0 else []


def running_at(step: Step, role: SiteRole) -> Observation:
    """The Info Mart Server of a site runs, whatever its scheduler does."""
    site = step.at(role).settings
    host = application_host(step, role)
    layer = step.at(role).management_layer
    status = layer.status(step.at(role).application_dbid)
    if host is None:
        # The Management Layer may mean a server at another host, and only a person can read which. The process decides.
        here = bool(server_processes(step, role))
        where = f"(Management Layer), {'a' if here else 'no'} process on {site.info_mart_server.host}"
    else:
        here, where = host == site.info_mart_server.host_object, f"on {host}"
    return Observation(layer.is_running(status) and here, f"Info Mart Server: {status.status} {where}")


def serving(step: Step, role: SiteRole) -> Observation:
    """The Info Mart Server of a site runs with its scheduler on."""
    running = running_at(step, role)
    scheduled = True
    if step.at(role).settings.configuration.backend != "manual":
        change = option("schedule", "run-scheduler", "true")
        scheduled = configured(step, role, step.at(role).application, change).satisfied
    what = f"{running.summary}, run-scheduler {'true' if scheduled else 'false'}"
    return Observation(running.satisfied and scheduled, what)


def second_server(step: Step, role: SiteRole, signs: list[str]) -> GuardError:
    """Error of a start while the other site's server still shows signs of running (rule 4)."""
    return GuardError(
        f"The Info Mart Server at {step.at(role).name} is still running: {', '.join(signs)}. "
        "Two servers must never write for one deployment.",
        "Stop that server first.",
    )


def log_size(step: Step, role: SiteRole) -> int:
    """Bytes of a site's server log; 0 when there is none."""
    folder, _, name = step.at(role).settings.info_mart_server.log_file.rpartition("/")
    host = step.at(role).host("gim")
    return host.file_sizes(folder, [name]).get(name, 0) if host.exists(folder) else 0


def server_log(step: Step, role: SiteRole) -> str:
    """A site's server log since the plan recorded its length; empty when there is none."""
    path = step.at(role).settings.info_mart_server.log_file
    begin = step.ledger.get(facts.SERVER_LOG_BEGIN) or 0
    size = log_size(step, role)
    if size < begin:
        begin = 0  # the log was rotated
    if size == 0:
        return ""
    return step.at(role).host("gim").read_bytes(path, begin, 64 * 1024 * 1024).decode("utf-8", "replace")


#: Messages with which the server reports the migration state (guide:1041).
MIGRATION_MARKS = ("55-20152", "55-20034")


def migration_marks(text: str) -> list[str]:
    """Messages of the migration state in a log."""
    return [mark for mark in MIGRATION_MARKS if mark in text]


def migration_state(step: Step, role: SiteRole) -> Observation:
    """Probe: the server of a site, once started, reports the migration state, or has shown that it is not in it.

    It checks its schema when it has connected to its Info Mart; how long it needs until then depends on its load.
    """
    name = step.at(role).name
    if found := migration_marks(server_log(step, role)):
        return Observation(
            True, f"the server at {name} is in the migration state ({', '.join(found)})", {"migration": True}
        )
    no: JsonObject = {"migration": False}
    newest = step.at(role).info_mart.value("latest_extraction", {"schema": step.schema})
    if newest is not None and int(newest) > step.ledger.require(facts.POINT_OF_NO_RETURN):
        return Observation(True, f"the server at {name} extracts, so it is not in the migration state", no)
    program, needed = step.at(role).settings.info_mart_server.session_program, step.topology.timeouts.migration_check
    rows = step.at(role).dba.select("sessions_of", username=step.schema, program=program)
    if not rows:
        return Observation(False, f"the server at {name} is not connected to its Info Mart yet", no)
    connected = max(float(row["seconds"] or 0) for row in rows)
    what = f"the server at {name} is connected to its Info Mart for {span(connected)}"
    if connected < needed:
        return Observation(False, f"{what}; it may still report the migration state", no)
    return Observation(True, f"{what} and has not reported the migration state", no)
