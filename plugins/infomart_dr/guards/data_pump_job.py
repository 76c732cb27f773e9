"""A Data Pump job that somebody else started: its state and the outcome in its log."""

from __future__ import annotations

import re

from infomart_dr.deployment import Deployment
from infomart_dr.errors import GuardError, PermanentError
from infomart_dr.guards.dump_set import path_of_directory
from infomart_dr.hooks.parse_data_pump import NEXT_STEPS, LogReport, Operation, classify_log, next_step
from infomart_dr.plan.step import Observation
from infomart_dr.values import JsonObject

#: Bytes of a log that are read; one that is longer counts as unfinished.
_LONGEST_LOG = 64 * 1024 * 1024
_NAME = re.compile(r"^[A-Z][A-Z0-9_$#]{0,127}$")
_FILE = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.$#-]{0,254}$")
#: A job in one of these states does nothing until somebody starts it again.
_STOPPED = ("NOT RUNNING", "STOPPED")


def job_ended(
    deployment: Deployment,
    site: str,
    job: str,
    owner: str = "",
    check_log: bool = True,
    log_file: str = "",
    operation: Operation = "export",
) -> Observation:
    """Probe: a Data Pump job no longer runs.

    :param site: empty: the active site.
    :param job: JOB_NAME.
    :param owner: user that started it; empty: the user of the site's DBA connection.
    :param check_log: its log must also report success; without it a job that failed or never began has ended too.
    :param log_file: name in the site's Data Pump directory; empty: the job's name and ``.log``.
    :param operation: the operation that wrote the log.
    :raises GuardError: the log is missing, or does not report success.
    """
    site = site or deployment.topology.active_site
    name, user = _plain("job", job.upper()), _plain("owner", owner.upper()) if owner else None
    found = deployment.data_pump(site).job(name, user)
    state = found.state if found else None
    if found is not None and state not in _STOPPED:
        details = {"site": site, "job": name, "state": state, "attached_sessions": found.attached_sessions}
        return Observation(False, f"the Data Pump job {found.owner}.{name} at {site} is {state}", details)
    what = f"there is no Data Pump job {name} at {site}: it has ended, or it never started"
    if found is not None:
        what = f"the Data Pump job {found.owner}.{name} at {site} is {state}: somebody stopped it, START_JOB resumes it"
    if not check_log:
        return Observation(True, what, {"site": site, "job": name, "state": state})
    file = log_file or f"{name}.log"
    if not _FILE.match(file):
        raise PermanentError(f"{file[:80]!r} is not a plain file name.", "Give the log's name without its folder.")
    report = _report(deployment, site, file, operation)
    details = {"site": site, "job": name, "state": state, **_figures(report)}
    said = f"{file} at {site} reports {report.outcome.replace('_', ' ')}, {report.total_rows} rows"
    if state is None and (report.outcome == "success" or _only_harmless(report)):
        return Observation(True, f"the Data Pump job {name} at {site} has ended: {said}", details)
    raise GuardError(f"{what}; {said}{_errors(report)}.", _next_step(report))


def _plain(what: str, value: str) -> str:
    if not _NAME.match(value):
        raise PermanentError(f"The {what} of a Data Pump job is not an Oracle name: {value[:60]!r}.", "Correct it.")
    return value


def _report(deployment: Deployment, site: str, file: str, operation: Operation) -> LogReport:
    folder = path_of_directory(deployment.dba(site), deployment.site(site).database.data_pump.directory, site)
    host, path = deployment.host(site), f"{folder}/{file}"
    if not host.exists(path):
        raise GuardError(
            f"There is no log {path} at {site}.", "Give log_file as the job has it, or check whether the job started."
        )
    return classify_log(host.read_file(path, limit=_LONGEST_LOG), operation)


def _figures(report: LogReport) -> JsonObject:
    return {
        "outcome": report.outcome,
        "rows": report.total_rows,
        "errors": len(report.errors),
        "seconds": report.elapsed,
    }


def _only_harmless(report: LogReport) -> bool:
    return report.outcome == "completed_with_errors" and report.worst == "harmless" and not report.not_found


def _errors(report: LogReport) -> str:
    shown = [error for error in report.errors if error.severity != "harmless"]
    return f", {len(shown)} error(s), the first: {shown[0].text.splitlines()[0][:300]}" if shown else ""


def _next_step(report: LogReport) -> str:
    # A stopped job is not finished, whatever its log says so far.
    return NEXT_STEPS["unfinished"] if report.outcome == "success" else next_step(report)
