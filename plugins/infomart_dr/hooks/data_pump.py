"""Oracle Data Pump's programs: parameter files, job names, command lines, the state of a job.

expdp and impdp are clients: the job runs in the database and continues when the client dies. Therefore each job has
a name that depends only on the plan. A retry finds the job in DBA_DATAPUMP_JOBS and attaches to it.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from infomart_dr import files
from infomart_dr.errors import CredentialsError, PermanentError, TopologyError, UnexpectedReplyError
from infomart_dr.hooks.goldengate_parameters import version
from infomart_dr.hooks.parse_data_pump import (
    NEXT_STEPS,
    LogError,
    LogReport,
    Status,
    classify_log,
    next_step,
    parse_status,
    percent_done,
    progress_line,
)
from infomart_dr.text import IDENTIFIER, identifier
from infomart_dr.topology import Site, Topology

if TYPE_CHECKING:
    from infomart_dr.hooks.oracle import InfoMartOracleHook
    from infomart_dr.hooks.remote_host import RemoteHost

__all__ = [
    "NEXT_STEPS",
    "DataPump",
    "JobState",
    "LogError",
    "LogReport",
    "Status",
    "classify_log",
    "dump_file_template",
    "export_job",
    "export_parameters",
    "import_job",
    "import_parameters",
    "index_parameters",
    "job_name",
    "next_step",
    "parse_status",
    "percent_done",
    "progress_line",
]

Program = Literal["expdp", "impdp"]

#: Longest name of a job's table in releases before 12.2.
_LONGEST = 30
#: Characters of a filter; Data Pump takes 4,000.
_LONGEST_FILTER = 3500
_FILE = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.$#-]{0,254}$")


def job_name(prefix: str, run_key: str) -> str:
    """Name of a job that depends only on the step and the run, at most 30 characters.

    :param prefix: such as ``GIM_EXP``.
    :param run_key: any text that identifies the run.
    """
    clean = re.sub(r"[^A-Z0-9_]", "_", prefix.upper()).strip("_") or "JOB"
    if not clean[0].isalpha():
        clean = f"J{clean}"
    digest = hashlib.sha1(run_key.encode(), usedforsecurity=False).hexdigest()[:10].upper()
    return f"{clean[: _LONGEST - len(digest) - 1]}_{digest}"


def export_job(plan_id: str) -> str:
    """Name of a plan's export job."""
    return job_name("GIM_EXP", plan_id)


def import_job(plan_id: str) -> str:
    """Name of a plan's import job."""
    return job_name("GIM_IMP", plan_id)


def dump_file_template(site: Site, job: str) -> str:
    """DUMPFILE of an export: ``<prefix>_<job>_%U.dmp``.

    ``%U`` allows 99 files, so a set is limited to 99 times ``file_size``; ``%L`` (from 12.2 on) has no such limit.
    """
    wildcard = "%L" if version(site.database.release) >= (12, 2) else "%U"
    return f"{site.database.data_pump.file_prefix}_{job}_{wildcard}.dmp"


def _files(names: Iterable[str]) -> list[str]:
    found = list(names)
    if not found:
        raise PermanentError("The dump set has no files.", "Check the manifest of the dump set.")
    for name in found:
        if not _FILE.match(name):
            raise PermanentError(
                f"{name[:80]!r} is not a plain file name.",
                "Check the manifest of the dump set; its names must not contain folders.",
            )
    return found


def export_parameters(
    topology: Topology,
    site: Site,
    scn: int,
    job: str,
    *,
    directory: str | None = None,
    version_of_target: str | None = None,
) -> str:
    """Parameter file of the export of the Info Mart's schema (guide:869-876, with directory and files).

    :param scn: the one SCN of the plan; also the Replicat's AFTERCSN.
    :param job: from :func:`job_name`; also part of the names of the dump and log files.
    :param directory: directory object; default: that of the topology.
    :param version_of_target: COMPATIBLE of a target that is older than the source.
    :raises PermanentError: the SCN is not positive, or a name is not an Oracle name.
    """
    if isinstance(scn, bool) or not isinstance(scn, int) or scn <= 0:
        raise PermanentError(f"The SCN is not a positive whole number: {scn!r}.", "Clear capture_scn with Downstream.")
    settings = site.database.data_pump
    return files.render(
        "datapump/export.par.j2",
        schema=topology.info_mart.schema_name,
        scn=scn,
        directory=identifier("The directory", directory or settings.directory),
        dump_file=dump_file_template(site, identifier("The job name", job)),
        file_size=settings.file_size,
        log_file=f"{job}.log",
        job_name=job,
        parallel=settings.parallel,
        status_seconds=settings.status_seconds,
        version=version_of_target,
    )


def import_parameters(
    topology: Topology, site: Site, dump_files: Sequence[str], job: str, *, directory: str | None = None
) -> str:
    """Parameter file of the import (guide:891-897).

    :param site: the target.
    :param dump_files: names from the manifest, without folders.
    :param job: from :func:`job_name`.
    """
    return files.render("datapump/import.par.j2", **_import_values(topology, site, dump_files, job, directory))


def index_parameters(
    topology: Topology,
    site: Site,
    dump_files: Sequence[str],
    job: str,
    indexes: Sequence[str],
    *,
    directory: str | None = None,
) -> str:
    """Parameter file that creates missing indexes from the dump set.

    Several filters of one object type must all hold, so the names stand in one filter. More names than its longest
    text holds: all indexes are asked for, and those that exist give ORA-31684, which is harmless.

    :param indexes: index names without their schema; not those of Oracle's own making (SYS_C...), which come with
        their constraint and are no objects of the dump set.
    :raises PermanentError: there is no name, or one is not an Oracle name.
    """
    if not indexes:
        raise PermanentError("There is no index to create.", "Skip the step: no index is missing.")
    names = [identifier("The index", name) for name in indexes]
    return files.render(
        "datapump/indexes.par.j2",
        **_import_values(topology, site, dump_files, job, directory),
        indexes=names if sum(len(name) + 3 for name in names) < _LONGEST_FILTER else [],
    )


def _import_values(
    topology: Topology, site: Site, dump_files: Sequence[str], job: str, directory: str | None
) -> dict[str, object]:
    settings = site.database.data_pump
    return {
        "schema": topology.info_mart.schema_name,
        "directory": identifier("The directory", directory or settings.directory),
        "dump_files": _files(dump_files),
        "log_file": f"{identifier('The job name', job)}.log",
        "job_name": job,
        "parallel": settings.parallel,
        "status_seconds": settings.status_seconds,
    }


@dataclass(frozen=True)
class JobState:
    """A row of DBA_DATAPUMP_JOBS.

    :param state: EXECUTING, NOT RUNNING, IDLING, STOPPING, DEFINING, COMPLETING ...
    :param attached_sessions: number of attached clients; 0 after the client died.
    """

    owner: str
    name: str
    operation: str
    state: str
    attached_sessions: int

    @property
    def active(self) -> bool:
        """The job works, or is about to; a client can attach and watch."""
        return self.state in ("DEFINING", "EXECUTING", "COMPLETING", "IDLING")

    @property
    def startable(self) -> bool:
        """START_JOB resumes it."""
        return self.state in ("NOT RUNNING", "STOPPED", "STOP PENDING", "IDLING")


#: Seconds between the password and the commands of an attached client: its prompt has been answered by then.
PROMPT_SECONDS = 20


class DataPump:
    """Data Pump at one site.

    :param host: the site's database host.
    :param site: directory, programs, service and environment.
    :param oracle: the site's database as a DBA; expdp and impdp log in as its Airflow connection says.
    """

    def __init__(self, host: RemoteHost, site: Site, oracle: InfoMartOracleHook) -> None:
        self.host = host
        self.site = site
        self._oracle = oracle

    # -- login --------------------------------------------------------------------------------------

    @property
    def user(self) -> str:
        """Database user that owns the jobs, upper case.

        :raises TopologyError: the Airflow connection has no user, or not a plain name.
        """
        user = (self._connection().login or "").upper()
        if not IDENTIFIER.fullmatch(user):
            raise TopologyError(
                f"The Airflow connection {self.site.database.dba_connection} has no plain Oracle user name.",
                "Set its login to the DBA's user, for example SYSTEM.",
            )
        return user

    def _connection(self) -> Any:
        return self._oracle.get_connection(self.site.database.dba_connection)

    @property
    def logon(self) -> str:
        """First argument of the programs: ``SYSTEM@//host:port/service``; ``SYSTEM`` with ORACLE_SID; ``/@alias``."""
        settings = self.site.database.data_pump
        user = "/" if settings.wallet else self.user
        if settings.connect:
            return f"{user}@{settings.connect}"
        if "ORACLE_SID" in self.site.database.environment:
            return user
        connection = self._connection()
        # A bare name would need an alias in tnsnames.ora.
        return f"{user}@//{connection.host}:{connection.port or 1521}/{self.site.database.service}"

    def password_input(self) -> str:
        """Standard input that answers the password prompt. The password must not appear anywhere else.

        :raises CredentialsError: the connection has no password, or one with a line break.
        """
        if self.site.database.data_pump.wallet:
            return ""
        secret = self._connection().password or ""
        if not secret or re.search(r"[\x00-\x1f\x7f]", secret):
            raise CredentialsError(
                f"The Airflow connection {self.site.database.dba_connection} has no usable password.",
                "Set its password to the DBA's, without line breaks.",
            )
        if re.search(r'[@/"]|^\s|\s$', secret):
            # The prompt of a client may read password@service, and take quotes off.
            raise CredentialsError(
                f"The password of the Airflow connection {self.site.database.dba_connection} has an @, /, quote or "
                "outer blank, which Data Pump's prompt may read as a connect string.",
                "Change the password, or put the login into Oracle's wallet at the database host and set "
                "data_pump.wallet and data_pump.connect in the topology.",
            )
        return f"{secret}\n"

    @property
    def environment(self) -> dict[str, str]:
        """Environment of the programs: English messages in UTF-8."""
        return {
            "ORACLE_HOME": self.site.database.oracle_home,
            "LD_LIBRARY_PATH": f"{self.site.database.oracle_home}/lib",
            **self.site.database.environment,
            "NLS_LANG": "AMERICAN_AMERICA.AL32UTF8",
        }

    # -- command lines ------------------------------------------------------------------------------

    def _program(self, program: Program) -> str:
        settings = self.site.database.data_pump
        named = {"expdp": settings.expdp, "impdp": settings.impdp}[program]
        return named or f"{self.site.database.oracle_home}/bin/{program}"

    def command(self, program: Program, parameter_file: str) -> list[str]:
        """Words of a command line that starts a job; :meth:`password_input` delivers the password.

        :param parameter_file: path on the database host.
        """
        return [self._program(program), self.logon, f"parfile={parameter_file}"]

    def attach_command(self, program: Program, job: str) -> str:
        """Script that attaches to a job; standard input gives the commands.

        The password goes first and alone: a prompt may read all input that is there, and lose the commands behind it.
        """
        words = [self._program(program), self.logon, f"attach={self.user}.{identifier('The job name', job)}"]
        if self.site.database.data_pump.wallet:
            return f"exec {shlex.join(words)}"
        # A here-document: as the argument of a program, the password would show in ps.
        first = f"IFS= read -r line\ncat <<END\n$line\nEND\nsleep {PROMPT_SECONDS}\nexec cat\n"
        return f"{{\n{first}}} | {shlex.join(words)}"

    def continue_input(self, *, start: bool = False) -> str:
        """Standard input of an attached client: START_JOB for a stopped job, then follow the job."""
        return self.password_input() + ("START_JOB\n" if start else "") + "CONTINUE_CLIENT\n"

    # -- state --------------------------------------------------------------------------------------

    def release(self, program: Program) -> str:
        """Release of a client, such as ``19.0.0.0.0``, from its help, which opens no session.

        :raises UnexpectedReplyError: the client prints no release.
        """
        done = self.host.run([self._program(program), "help=yes"], environment=self.environment, check=False)
        found = re.search(r"Release\s+(\d+(?:\.\d+)+)", done.stdout + done.stderr)
        if found is None:
            raise UnexpectedReplyError(
                f"{self._program(program)} reports no release (exit code {done.exit_code}): "
                f"{(done.stderr or done.stdout).strip()[-300:] or 'nothing'}",
                "Correct data_pump.expdp and impdp, oracle_home and environment in the topology.",
            )
        return found[1]

    def space_waits(self, name: str) -> list[str]:
        """Oracle's messages of the job's sessions that wait for space (DBA_RESUMABLE)."""
        rows = self._oracle.select("space_waits", job_name=name)
        return list(dict.fromkeys(str(row["error_msg"] or "no message").strip() for row in rows))

    def job(self, name: str, owner: str | None = None) -> JobState | None:
        """State of a job in DBA_DATAPUMP_JOBS; None when the view does not list it (never started, or completed).

        :param owner: owner of the job; default: the login's user.
        """
        rows = self._oracle.select("datapump_job", owner=(owner or self.user), job_name=name)
        if not rows:
            return None
        row = rows[0]
        return JobState(
            owner=str(row["owner_name"]),
            name=str(row["job_name"]),
            operation=str(row["operation"]).strip().upper(),
            state=str(row["state"]).strip().upper(),
            attached_sessions=int(row["attached_sessions"] or 0),
        )
