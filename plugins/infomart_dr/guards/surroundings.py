"""Objects that no schema export carries: privileges of the schema, other schemas' objects on it, and its jobs."""

from __future__ import annotations

from infomart_dr.evidence.manifest import Dictionary
from infomart_dr.guards.dictionary import code_of, dictionary_of
from infomart_dr.guards.schema_jobs import DBMS_JOB, schema_jobs
from infomart_dr.plan.step import Step
from infomart_dr.statements import grant, quoted
from infomart_dr.topology import SiteRole


def grants_of(step: Step, role: SiteRole) -> list[str]:
    """GRANT statements that give the schema its privileges, and others those on its objects."""
    dba = step.at(role).dba
    rows = [*dba.select("object_grants", owner=step.schema)]
    rows += [{**row, "grantee": step.schema} for row in dba.select("system_grants", owner=step.schema)]
    return sorted({grant(row) for row in rows})


def dependants_of(step: Step, role: SiteRole) -> dict[str, str]:
    """Other schemas' objects on this one, each with the statement that makes it or shows its text."""
    found = {}
    for row in step.at(role).dba.select("dependants", owner=step.schema):
        owner, name, kind, table = (str(row[key]) for key in ("owner", "name", "type", "referenced_name"))
        on = f"{quoted(step.schema)}.{quoted(table)}"
        if kind == "SYNONYM" and owner == "PUBLIC":
            statement = f"create public synonym {quoted(name)} for {on}"
        elif kind == "SYNONYM":
            statement = f"create synonym {quoted(owner)}.{quoted(name)} for {on}"
        elif kind == "FOREIGN KEY":
            statement = text_of("REF_CONSTRAINT", name.rpartition(".")[2], owner)
        else:
            statement = text_of(kind.replace(" ", "_"), name, owner)
        found[f"{kind} {owner}.{name}"] = statement
    return found


def text_of(kind: str, name: str, owner: str) -> str:
    """The query that shows a person the text of an object; the procedures never run it."""
    return f"the source's dbms_metadata.get_ddl('{kind}', '{name}', '{owner}')"


def whole_dictionary(step: Step, role: SiteRole) -> Dictionary:
    """The schema of a site with its code, its privileges, its dependants and its enabled jobs."""
    return dictionary_of(step, role).model_copy(
        update={
            "code": code_of(step, role),
            "grants": grants_of(step, role),
            "dependants": dependants_of(step, role),
            "jobs": [job.name for job in schema_jobs(step, role) if job.enabled],
        }
    )


def missing_around(step: Step, wanted: Dictionary) -> list[str]:
    """Privileges, dependants and jobs of a dictionary that the target lacks, each with the statement to run.

    No row is missing, so a person decides whether the target needs them.
    """
    grants = set(grants_of(step, "target"))
    missing = [f"privilege: {statement}" for statement in wanted.grants if statement not in grants]
    dependants = dependants_of(step, "target")
    missing += [f"{name}: {how}" for name, how in wanted.dependants.items() if name not in dependants]
    jobs = {job.name for job in schema_jobs(step, "target")}
    return missing + [_job(name, step.schema) for name in wanted.jobs if name not in jobs]


def _job(name: str, owner: str) -> str:
    """How to create a missing job, so that it does not run."""
    if (number := name.removeprefix(DBMS_JOB)) == name:
        text = text_of("PROCOBJ", name, owner)
        return f"job {name}: as {owner}, run {text} without its call of dbms_scheduler.enable"
    # Such a job is no object: DBMS_METADATA does not know it. A NEXT_DATE in the past starts it at the commit.
    return (
        f"job {name}: as {owner}, print the source's call by dbms_job.user_export({number}, :text); run that call "
        f"here, and dbms_job.broken({number}, true) before the commit"
    )
