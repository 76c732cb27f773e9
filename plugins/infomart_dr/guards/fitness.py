"""The fitness of both databases for a procedure, as far as it can be known before anything stops.

Readiness asks each function as a check of its own; :func:`all_faults` is what a run asks first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from infomart_dr.guards import dump_set, prerequisites
from infomart_dr.guards.dictionary import replicated_names
from infomart_dr.guards.faults import Fault
from infomart_dr.guards.privileges import privilege_faults, root_faults
from infomart_dr.guards.settings import partitioned_faults
from infomart_dr.hooks.goldengate_parameters import is_excluded, version
from infomart_dr.plan.step import Step
from infomart_dr.text import size_text, sorted_names
from infomart_dr.topology import BOTH_ROLES, SiteRole

#: Release of the database from which GoldenGate's views of supported tables exist.
SUPPORT_VIEWS_FROM = (11, 2, 0, 4)
#: Release of the database from which a Replicat suppresses triggers and cascading deletes.
SUPPRESSED_FROM = (11, 2, 0, 2)
#: Streams pool of one integrated capture: MAX_SGA_SIZE of 1 GB, and a quarter more.
STREAMS_POOL = 1.25 * 1024**3
#: Character sets that have every character of the others.
UNICODE = ("AL32UTF8", "UTF8")
#: Dump files of a set whose names have ``%U``.
MOST_FILES = 99


def all_faults(step: Step, *, copies: bool) -> list[Fault]:
    """All faults that can be known now.

    :param copies: the procedure copies the database.
    """
    found: list[Fault] = [*partitioned_faults(step, "source")]
    replicated = step.topology.architecture == "active-standby"
    for role in BOTH_ROLES:
        wrong = list(prerequisites.container_faults(step, role))
        if replicated:
            refused = list(prerequisites.login_faults(step, role))
            found += refused or list(root_faults(step, role))
            wrong += prerequisites.database_faults(step, role)
            found += streams_pool_faults(step, role)
            found += trigger_faults(step, role)
        found += [
            Fault(what, "Correct it as a DBA (docs/getting-started.md, Oracle and GoldenGate).") for what in wrong
        ]
        found += privilege_faults(step, role, copies=copies)
    if replicated:
        found += captured_table_faults(step, "source")
    found += job_faults(step, "target")
    if copies:
        found += setting_faults(step)
        found += missing_object_faults(step)
        found += dump_file_faults(step)
        found += import_redo_faults(step)
        found += lob_faults(step, "source")
    return found


# -- replication -----------------------------------------------------------------------------------


def captured_table_faults(step: Step, role: SiteRole) -> Iterator[Fault]:
    """Replicated tables whose rows or partitions GoldenGate cannot copy as they are.

    They never stop a run: the tables may be unused, and no setting of the run makes them fit.
    """
    dba, name, release = step.at(role).dba, step.at(role).name, step.topology.info_mart.release
    if _database_release(step, role) >= SUPPORT_VIEWS_FROM:
        unsupported = [
            f"{row['table_name']} ({row['support_mode']})"
            for row in dba.select("goldengate_support", owner=step.schema)
            if not is_excluded(release, str(row["table_name"]))
        ]
        if unsupported:
            yield Fault(
                f"the Extract at {name} skips tables that GoldenGate does not support: {sorted_names(unsupported)}",
                "Their rows never reach the other site. Move them to another schema, or copy them by other means.",
                stops=False,
            )
        unclear = [
            str(row["table_name"])
            for row in dba.select("goldengate_not_unique", owner=step.schema)
            if row["bad_column"] == "Y" and not is_excluded(release, str(row["table_name"]))
        ]
        if unclear:
            yield Fault(
                f"tables at {name} have no key, and a column that cannot be part of one: {sorted_names(unclear)}",
                "A change may meet another row of the same values. Give them a primary or unique key.",
                stops=False,
            )
    tables = set(replicated_names(step, role))
    by_interval = [
        str(row["table_name"])
        for row in dba.select("interval_tables", owner=step.schema)
        if row["table_name"] in tables
    ]
    if by_interval:
        yield Fault(
            f"tables at {name} have partitions that the database names by itself: {sorted_names(by_interval)}",
            "SYS_Pn names differ by site: a DROP or TRUNCATE PARTITION by such a name abends the Replicat. Use "
            "PARTITION FOR (value), or rename the partitions.",
            stops=False,
        )


def streams_pool_faults(step: Step, role: SiteRole) -> Iterator[Fault]:
    """Memory for integrated capture; with too little it waits, or ends with ORA-04031."""
    if step.at(role).settings.goldengate.capture != "integrated":
        return
    sizes = _parameters(step, role)
    pool = int(sizes.get("streams_pool_size") or 0)
    automatic = max(int(sizes.get("sga_target") or 0), int(sizes.get("memory_target") or 0))
    # The automatic SGA lets the pool grow; below twice the pool's size the other pools would starve.
    if pool >= STREAMS_POOL or automatic >= 2 * STREAMS_POOL:
        return
    yield Fault(
        f"streams_pool_size is {size_text(pool)} at {step.at(role).name}, and "
        + (f"the automatic SGA has {size_text(automatic)}" if automatic else "the SGA is not automatic")
        + f": one integrated capture needs {size_text(STREAMS_POOL)}",
        "ALTER SYSTEM SET streams_pool_size = 1280M, or more for several captures.",
        stops=False,
    )


def trigger_faults(step: Step, role: SiteRole) -> Iterator[Fault]:
    """Triggers that fire for the Replicat's rows too: before 11.2.0.2 it cannot suppress them."""
    if _database_release(step, role) >= SUPPRESSED_FROM:
        return
    tables = set(replicated_names(step, role))
    firing = [
        str(row["trigger_name"])
        for row in step.at(role).dba.select("triggers", owner=step.schema)
        if row["status"] == "ENABLED" and row["table_name"] in tables
    ]
    name = step.at(role).name
    yield Fault(
        f"the database of {name} is older than 11.2.0.2: the Replicat suppresses no trigger and no cascading delete"
        + (f"; enabled: {sorted_names(firing)}" if firing else ""),
        f"Apply the patch set at {name}, or disable triggers and ON DELETE CASCADE there while it is the standby.",
        stops=bool(firing),
    )


def job_faults(step: Step, role: SiteRole) -> Iterator[Fault]:
    """Enabled jobs of the Info Mart's owner, which would write into a database that replication or a copy fills."""
    dba, name = step.at(role).dba, step.at(role).name
    remedy = "The rows that it writes here would be in no other database."
    for row in dba.select("scheduler_jobs_of", owner=step.schema):
        if str(row["enabled"]).upper() == "TRUE":
            job = f"{row['owner']}.{row['job_name']}"
            yield Fault(f"the scheduler job {job} is enabled at {name}", f"DBMS_SCHEDULER.DISABLE it. {remedy}", False)
    for row in dba.select("dbms_jobs_of", owner=step.schema):
        if str(row["broken"]) == "N":
            yield Fault(
                f"the job {row['job']} of DBMS_JOB is enabled at {name}",
                f"DBMS_JOB.BROKEN it, as {step.schema}. {remedy}",
                stops=False,
            )


# -- the copy --------------------------------------------------------------------------------------


def setting_faults(step: Step) -> Iterator[Fault]:
    """Settings of the two databases, and of Data Pump, with which the import fails or changes rows."""
    yield from _character_sets(step)
    zones = {role: int(step.at(role).dba.value("timezone_file") or 0) for role in BOTH_ROLES}
    if zones["source"] > zones["target"]:
        yield Fault(
            f"the time zone file is version {zones['source']} at {step.at('source').name} and {zones['target']} at "
            f"{step.at('target').name}: impdp refuses the dump set (ORA-39405)",
            f"Upgrade the time zone file of {step.at('target').name} (DBMS_DST).",
        )
    if wanted := export_version(step):
        yield Fault(
            f"COMPATIBLE of {step.at('target').name} is lower than that of {step.at('source').name}: the export is "
            f"written with VERSION={wanted}, and leaves out what that release does not know",
            f"Raise COMPATIBLE at {step.at('target').name}, unless it is lower on purpose.",
            stops=False,
        )
    for role in BOTH_ROLES:
        yield from _cluster(step, role)
        parallel = step.at(role).settings.database.data_pump.parallel
        banners = " ".join(str(row["banner"]) for row in step.at(role).dba.select("banner"))
        if parallel > 1 and "Standard Edition" in banners:
            yield Fault(
                f"the database of {step.at(role).name} is a Standard Edition, and data_pump.parallel is {parallel}: "
                "Data Pump refuses it (ORA-39094)",
                f"Set sites.{step.at(role).name}.database.data_pump.parallel to 1.",
            )


def _cluster(step: Step, role: SiteRole) -> Iterator[Fault]:
    """Data Pump logs in to any instance of a cluster and writes there. No reason to stop: a folder may be shared."""
    database, name = step.at(role).settings.database, step.at(role).name
    instances = step.at(role).dba.select("instance")
    if len(instances) < 2 or "ORACLE_SID" in database.environment or database.data_pump.connect:
        return
    there = sorted_names([f"{row['instance_name']} on {row['host_name']}" for row in instances])
    yield Fault(
        f"the database of {name} has {len(instances)} instances ({there}), and Data Pump logs in to any of them: dump "
        f"files and log may be on another host than {database.host}",
        f"Set ORACLE_SID in sites.{name}.database.environment, or data_pump.connect to the instance of "
        f"{database.host}; a folder that all instances share needs neither.",
        stops=False,
    )


def _character_sets(step: Step) -> Iterator[Fault]:
    sets = {
        role: {str(row["parameter"]): str(row["value"]) for row in step.at(role).dba.select("character_sets")}
        for role in BOTH_ROLES
    }
    for parameter in ("NLS_CHARACTERSET", "NLS_NCHAR_CHARACTERSET"):
        source, target = (sets[role].get(parameter, "unknown") for role in BOTH_ROLES)
        if source == target:
            continue
        what = f"{parameter} is {source} at {step.at('source').name} and {target} at {step.at('target').name}"
        if parameter == "NLS_NCHAR_CHARACTERSET" or target in UNICODE:
            yield Fault(
                f"{what}: a value may need more bytes than its column has (ORA-12899)",
                "Create the target's database with the source's character set, or check the widths of the columns.",
                stops=False,
            )
        else:
            yield Fault(
                f"{what}: characters that {target} lacks are lost",
                "Create the target's database with the source's character set.",
            )


def export_version(step: Step) -> str | None:
    """VERSION of the export, where the target's COMPATIBLE is lower than the source's (ORA-39142); else None."""
    source, target = (str(_parameters(step, role).get("compatible") or "") for role in BOTH_ROLES)
    numbers = [_numbers(text) for text in (source, target)]
    if not all(numbers):
        return None
    longest = max(map(len, numbers))
    padded = [each + (0,) * (longest - len(each)) for each in numbers]
    return target if padded[1] < padded[0] else None


def missing_object_faults(step: Step) -> Iterator[Fault]:
    """Tablespaces, profile, roles and grantees that the dump set names and the target lacks."""
    source, target, name = step.at("source").dba, step.at("target").dba, step.at("target").name
    there = {str(row["tablespace_name"]) for row in target.select("tablespaces")}
    wanted = {str(row["tablespace_name"]) for row in source.select("schema_tablespaces", owner=step.schema)}
    account, owner_there = source.select("account", owner=step.schema), target.select("account", owner=step.schema)
    if account and not owner_there:
        # The import creates the owner; one that exists keeps its own settings.
        wanted |= {str(account[0]["default_tablespace"]), str(account[0]["temporary_tablespace"])}
        profile = str(account[0]["profile"])
        if profile not in {str(row["profile"]) for row in target.select("profiles")}:
            yield Fault(
                f"the profile {profile} of {step.schema} is missing at {name}: the import cannot create the user "
                "(ORA-02380)",
                f"CREATE PROFILE {profile} at {name}, or create {step.schema} there with another profile.",
            )
    for tablespace in sorted(wanted - there):
        yield Fault(
            f"the tablespace {tablespace} of {step.schema} is missing at {name}: the import cannot create its tables "
            "and indexes (ORA-00959)",
            f"CREATE TABLESPACE {tablespace} at {name}.",
        )
    known = {str(row["name"]) for row in target.select("users_and_roles")} | {"PUBLIC", step.schema}
    roles = {str(row["granted_role"]) for row in source.select("granted_roles", owner=step.schema)} - known
    if roles:
        yield Fault(
            f"roles of {step.schema} are missing at {name}: {sorted_names(list(roles))} (ORA-01919)",
            f"CREATE ROLE each of them at {name}, with its privileges.",
            stops=False,
        )
    grantees = {str(row["grantee"]) for row in source.select("grantees", owner=step.schema)} - known
    if grantees:
        yield Fault(
            f"users and roles with grants on {step.schema} are missing at {name}: {sorted_names(list(grantees))} "
            "(ORA-01917)",
            f"Create them at {name}: the import of their grants fails without them.",
            stops=False,
        )


def dump_file_faults(step: Step) -> Iterator[Fault]:
    """The number of dump files, which ``%U`` limits before 12.2."""
    database = step.at("source").settings.database
    if version(database.release) >= (12, 2):
        return
    size = _bytes(database.data_pump.file_size)
    # Each worker has a file of its own, which may be partly filled.
    files = -(-dump_set.dump_bytes(step, "source") // size) + database.data_pump.parallel - 1
    if files > MOST_FILES:
        yield Fault(
            f"the dump set may have {files} files of {database.data_pump.file_size}: before 12.2 there are at most "
            f"{MOST_FILES} (ORA-39095)",
            f"Raise sites.{step.at('source').name}.database.data_pump.file_size.",
        )


def import_redo_faults(step: Step) -> Iterator[Fault]:
    """Archived redo that the import writes at the target.

    They never stop a run: a full recovery area makes the import wait (ORA-00257) while the source serves, and a backup
    of the archived logs frees it.
    """
    rows = step.at("target").dba.select("recovery_area")
    if not rows or not int(rows[0]["space_limit"] or 0):
        return
    if step.at("target").dba.select("supplemental_logging")[0]["log_mode"] != "ARCHIVELOG":
        return
    free, needed = dump_set.recovery_room(rows[0]), dump_set.schema_bytes(step, "source")
    if free < needed:
        yield Fault(
            f"the recovery area {rows[0]['name']} at {step.at('target').name} has {size_text(free)} free, and the "
            f"import may write {size_text(needed)} of redo",
            "Raise db_recovery_file_dest_size, or back up and delete archived logs while the import runs: a full "
            "area makes it wait (ORA-00257).",
            stops=False,
        )


def lob_faults(step: Step, role: SiteRole) -> Iterator[Fault]:
    """LOBs whose old versions are kept by space, so that a long export may end with ORA-22924."""
    by_space = [
        f"{row['table_name']}.{row['column_name']} (PCTVERSION {row['pctversion']})"
        for row in step.at(role).dba.select("lob_retention", owner=step.schema)
        if row["pctversion"] is not None and str(row["securefile"]) != "YES"
    ]
    if by_space:
        yield Fault(
            f"LOBs at {step.at(role).name} keep old versions by space and not by time: {sorted_names(by_space)}",
            "ALTER TABLE ... MODIFY LOB (...) (RETENTION), unless nothing changes them during the export (ORA-22924).",
            stops=False,
        )


# -- small parts -----------------------------------------------------------------------------------


def _parameters(step: Step, role: SiteRole) -> dict[str, str | None]:
    return {str(row["name"]): row["value"] for row in step.at(role).dba.select("database_parameters")}


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


def _database_release(step: Step, role: SiteRole) -> tuple[int, ...]:
    """The release with its patch set, which the topology need not have."""
    return _numbers(str(step.at(role).dba.select("instance")[0]["version"]))


def _bytes(size: str) -> int:
    """A size as Data Pump writes it."""
    unit = size[-1]
    return int(size) if unit.isdigit() else int(size[:-1]) * 1024 ** ("KMGT".index(unit) + 1)
