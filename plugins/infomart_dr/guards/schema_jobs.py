"""Jobs of the Info Mart's owner in the database: they run at the site that serves, and nowhere else.

A job that runs at a standby writes rows there that replication brings from the source as well. A site remembers in its
own ledger which of its jobs the procedures hold, so that the site that takes over knows them without the other one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from infomart_dr.errors import TransientError, code_of
from infomart_dr.guards.dictionary import table_exists
from infomart_dr.hooks.purge_jobs import next_run
from infomart_dr.plan import facts
from infomart_dr.plan.ledger import Ledger
from infomart_dr.plan.step import Step
from infomart_dr.topology import SiteRole

#: Before the number in the name of a job of DBMS_JOB; no job of the scheduler has a blank in its name.
DBMS_JOB = "DBMS_JOB "
#: The scheduler refuses to disable a job that runs.
_JOB_RUNS = "ORA-27478"


@dataclass(frozen=True)
class SchemaJob:
    """A job of DBMS_SCHEDULER, or of DBMS_JOB.

    :param name: of a job of DBMS_JOB ``DBMS_JOB`` and its number.
    :param number: number of a job of DBMS_JOB; None: a job of DBMS_SCHEDULER.
    :param memory: NEXT_DATE of a job of DBMS_JOB, in ISO form.
    """

    name: str
    enabled: bool
    running: bool
    number: int | None = None
    memory: str = ""
    time_there: datetime | None = None


def schema_jobs(step: Step, role: SiteRole) -> list[SchemaJob]:
    """All jobs of the Info Mart's owner at a site."""
    dba = step.at(role).dba
    found = [
        SchemaJob(row["job_name"], str(row["enabled"]).upper() == "TRUE", str(row["state"] or "").upper() == "RUNNING")
        for row in dba.select("scheduler_jobs_of", owner=step.schema)
    ]
    for row in dba.select("dbms_jobs_of", owner=step.schema):
        enabled = str(row["broken"]).upper() != "Y"
        memory = row["next_date"].isoformat() if enabled and row["next_date"] is not None else ""
        number = int(row["job"])
        running = row["this_date"] is not None
        found.append(SchemaJob(f"{DBMS_JOB}{number}", enabled, running, number, memory, row["time_there"]))
    return found


def held_jobs(step: Step, role: SiteRole) -> dict[str, str]:
    """Jobs of a site that the procedures hold, each with what its release needs."""
    if not table_exists(step, role, step.at(role).settings.goldengate.schema_name, "DR_LEDGER"):
        return {}
    return {fact.name.partition(":")[2]: value["next"] for fact, value in _memory(step, role).all().of(facts.HELD_JOB)}


def _memory(step: Step, role: SiteRole) -> Ledger:
    return Ledger.at(step.deployment, step.at(role).name, facts.JOBS)


def hold(step: Step, role: SiteRole) -> list[str]:
    """Disable the enabled jobs of a site, and remember them there.

    :returns: their names.
    :raises TransientError: a job runs; it ends by itself.
    """
    memory, held = _memory(step, role), []
    memory.ensure_table()
    for job in schema_jobs(step, role):
        if not job.enabled:
            continue
        if job.number is not None and job.running:
            # The end of the run would remove the mark.
            raise _runs(job)
        # Before the job is disabled: a job that nobody remembers would stay disabled at the site that serves.
        memory.put_once(facts.HELD_JOB.of(job.name), {"next": job.memory})
        owner = step.at(role).info_mart
        try:
            if job.number is None:
                owner.execute("disable_job", job=f"{step.schema}.{job.name}")
            else:
                owner.execute("dbms_job_break", job_number=job.number)
        except Exception as error:
            if code_of(error) != _JOB_RUNS:
                raise
            raise _runs(job) from None
        held.append(job.name)
    return held


def _runs(job: SchemaJob) -> TransientError:
    return TransientError(f"The job {job.name} runs now.", "Wait: the retry disables it after its end.")


def to_release(step: Step, role: SiteRole, names: set[str]) -> list[SchemaJob]:
    """Disabled jobs of a site that the procedures hold, there or under the same name at the other site.

    :param names: jobs that are held at the other site.
    """
    wanted = names | set(held_jobs(step, role))
    return [job for job in schema_jobs(step, role) if job.name in wanted and not job.enabled]


def release(step: Step, role: SiteRole, names: set[str]) -> list[str]:
    """Enable the jobs that the procedures hold at a site, and forget them.

    :param names: jobs that are held at the other site, which this one replaces.
    :returns: names of the enabled jobs.
    """
    noted = held_jobs(step, role)
    enabled = []
    for job in to_release(step, role, names):
        owner = step.at(role).info_mart
        if job.number is None:
            owner.execute("enable_job", job=f"{step.schema}.{job.name}")
        else:
            assert job.time_there is not None
            following = next_run(noted.get(job.name, ""), job.time_there)
            owner.execute("dbms_job_mend", job_number=job.number, next_run=following)
        enabled.append(job.name)
    for name in noted:
        _memory(step, role).forget(facts.HELD_JOB.of(name))
    return enabled
