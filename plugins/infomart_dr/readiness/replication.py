"""Supplemental logging, parameter files, groups, parity, sequences, open transactions."""

from __future__ import annotations

from typing import Any

from infomart_dr.guards import dictionary, excluded_tables, fitness, prerequisites, sequences, surroundings
from infomart_dr.guards import replication as replication_guard
from infomart_dr.hooks.goldengate_parameters import is_excluded
from infomart_dr.plan.step import Step
from infomart_dr.readiness.context import CheckContext
from infomart_dr.readiness.report import Check, Verdict, blocked, faults, of_faults, ok, warning
from infomart_dr.text import sorted_names
from infomart_dr.times import span
from infomart_dr.topology import SiteRole

#: Seconds of lag above which the standby is too far behind.
LAG_LIMIT = 900
#: Seconds after which an open transaction counts as old: a capture would wait for it.
OLD_TRANSACTION = 1800.0


def _supplemental_logging(context: CheckContext, role: SiteRole) -> Verdict:
    return faults(
        prerequisites.database_faults(context.step, role),
        "ARCHIVELOG, FORCE LOGGING, minimal supplemental logging",
        "Correct each of these as a DBA; ARCHIVELOG mode needs a restart of the database.",
    )


def _captured_tables(context: CheckContext, role: SiteRole) -> Verdict:
    fine = "GoldenGate supports every replicated table, and no partition has a generated name"
    return of_faults(fitness.captured_table_faults(context.step, role), fine)


def _streams_pool(context: CheckContext, role: SiteRole) -> Verdict:
    if context.step.at(role).settings.goldengate.capture != "integrated":
        return ok("classic capture needs none")
    return of_faults(fitness.streams_pool_faults(context.step, role), "there is memory for an integrated capture")


def _schema_logging(context: CheckContext, role: SiteRole) -> Verdict:
    step = context.step
    release = step.topology.info_mart.release
    if step.at(role).ggsci.schema_trandata_enabled(step.schema, lambda table: not is_excluded(release, table)):
        return ok(f"supplemental logging of {step.schema} is on")
    return blocked(
        f"supplemental logging of {step.schema} is off",
        f"ADD SCHEMATRANDATA {step.schema} in ggsci (ADD TRANDATA before 12c): without it the Replicat cannot find "
        "the changed rows.",
    )


def _parameter_files(context: CheckContext, role: SiteRole) -> Verdict:
    step = context.step
    files = [file for file in replication_guard.parameter_files(step) if not file.right]
    if context.copies:
        changed = [replication_guard.named(step, file) for file in files if file.is_a_persons]
        shown = f"; a gate shows those that a person has written or changed: {sorted_names(changed)}" if changed else ""
        return ok(f"the procedure would write {len(files)} file(s){shown}" if files else "all files are as rendered")
    differing = [
        f"{step.at(file.role).name}: {file.path} {'is not as rendered' if file.there is not None else 'is missing'}"
        for file in files
        if _in_use(step, file)
    ]
    remedy = (
        "Compare the exclusion lists and settings with those that infomart-dr renders. Then stop the group, write the "
        "file, and start the group."
    )
    return faults(differing, "the files in use are as rendered, including the exclusion lists", remedy)


def _in_use(step: Step, file: replication_guard.ParameterFile) -> bool:
    """The file belongs to the direction in which the target follows the source."""
    groups = step.at(file.role).settings.goldengate.groups
    used = (groups.extract, groups.pump) if file.role == "source" else (groups.replicat,)
    return file.group in ("", *used)


def _manager_parameters(context: CheckContext, role: SiteRole) -> list[Verdict]:
    step = context.step
    groups, found = step.at(role).settings.goldengate.groups, replication_guard.manager_parameters(step, role)
    verdicts = [
        blocked(fault, replication_guard.WITHOUT_AUTOMATIC_STARTS)
        for fault in replication_guard.automatic_starts(step, role)
    ]
    verdicts += [
        warning(
            f"mgr.prm has {line!r}, which is not followed",
            "Check that it has no AUTOSTART or AUTORESTART that matches the Replicat.",
        )
        for line in found.elsewhere
    ]
    verdicts += [
        warning(
            f"mgr.prm has {each.text!r}, which starts {name} with the manager",
            "After a failover the manager of the returning site would send changes that the survivor must not apply. "
            "Start the Extract and the pump by hand, or keep that manager stopped.",
        )
        for name in (groups.extract, groups.pump)
        for each in found.starting("EXTRACT", name)
        if each.word == "AUTOSTART"
    ]
    return verdicts or [ok("mgr.prm starts no group of the procedures by itself")]


def group_verdict(name: str, info: Any) -> Verdict:
    """Status, lag and time since the checkpoint of a group, judged together.

    :param info: :class:`~infomart_dr.hooks.parse_ggsci.GroupInfo`; None: there is no such group.
    """
    remedy = f"VIEW REPORT {name} in ggsci, correct the error in it, then START {name}."
    if info is None:
        return blocked(f"there is no {name}", "Run infomart_setup_replication.")
    if info.status != "RUNNING":
        return blocked(f"{name} is {info.status}", remedy)
    behind = (info.lag or 0) + (info.updated_ago or 0)
    if behind > LAG_LIMIT:
        return warning(f"{name} is RUNNING and {span(behind)} behind", "Find out why: link, load or a lock.")
    return ok(f"{name} is RUNNING, {span(behind)} behind")


def _groups(context: CheckContext, role: SiteRole) -> list[Verdict]:
    step = context.step
    groups, ggsci = step.at(role).settings.goldengate.groups, step.at(role).ggsci
    names = (groups.extract, groups.pump) if role == "source" else (groups.replicat,)
    verdicts = [group_verdict(name, ggsci.info(name)) for name in names]
    if role == "target" and (wrong := replication_guard.other_trail(step, "to_target")):
        verdicts.append(blocked(wrong, "Correct the topology: pump, Replicat and failover must name one trail."))
    return verdicts


def _parity(context: CheckContext, role: SiteRole) -> list[Verdict]:
    target = context.step.at("target").name
    compared = dictionary.parity(context.step)
    fine = f"{compared.indexes} indexes and all constraints, triggers, code and sequences are equal{compared.remarks()}"
    found = [faults(compared.differences, fine, f"Create or correct the named objects at {target}.")]
    if compared.invalid:
        remedy = f"Nothing, if the recompilation by the run makes them valid at {target}. Otherwise correct them."
        found.append(faults([f"{name} is invalid" for name in compared.invalid], "", remedy, "warning"))
    return found


def _surroundings(context: CheckContext, role: SiteRole) -> Verdict:
    """Privileges and objects of other schemas that replication does not bring."""
    step = context.step
    missing = surroundings.missing_around(step, surroundings.whole_dictionary(step, "source"))
    target = step.at("target").name
    fine = f"{target} has the privileges, the objects of other schemas and the jobs of {step.at('source').name}"
    remedy = f"Run the statements at {target} for what it needs, as a DBA where no other user is named."
    return faults(missing, fine, remedy, "warning")


def _sequences(context: CheckContext, role: SiteRole) -> Verdict:
    """Sequence values arrive after the rows, so while the source serves only a missing sequence is a fault."""
    proof = sequences.sequence_proof(context.step, flushed=True)
    later = f"; {len(proof.low)} of them are lower, which is normal while the source serves" if proof.low else ""
    fine = f"{proof.text()}{later}"
    remedy = "Create the sequence at the target, above the highest key; correct sequence_keys."
    return faults(proof.missing, fine, remedy)


def _sequence_keys(context: CheckContext, role: SiteRole) -> Verdict:
    """Without pairs a failover compares no sequence with the keys that have arrived."""
    pairs = context.step.topology.info_mart.sequence_keys
    proposal = sequences.sequence_keys_proposal(context.step, role)
    lacking = {name: key for name, key in proposal.items() if name not in pairs}
    if not lacking:
        return ok(f"{len(pairs)} sequence(s) have a key column in sequence_keys")
    text = ", ".join(f"{name}: {key}" for name, key in lacking.items())
    return warning(
        f"{len(lacking)} sequence(s) are named after a key column and are not in sequence_keys",
        f"Check these pairs and add them to info_mart: sequence_keys: {{{text}}}",
    )


def _open_transactions(context: CheckContext, role: SiteRole) -> Verdict:
    rows = context.step.at(role).dba.select("open_transactions_age")
    old = [
        f"session {row['sid']} of {row['username']} ({row['program'] or 'unknown program'}) since {row['start_time']}"
        + replication_guard.idle_text(row)
        for row in rows
        if float(row["seconds"] or 0) > OLD_TRANSACTION
    ]
    remedy = "Let them end before the run: it waits for every transaction that began before its capture."
    return faults(old, f"none of {len(rows)} open transaction(s) is old", remedy, "warning")


def _excluded_tables(context: CheckContext, role: SiteRole) -> list[Verdict]:
    """Tables that replication leaves alone: what they lack is found when the standby is opened."""
    step, target = context.step, context.step.at("target").name
    found = excluded_tables.partitions(step, "target")
    job = "Job_MaintainGIM makes new ones before the standby loads" if found.ends else "none are needed"
    remedy = (
        f"Have somebody, or the command of info_mart.jobs, ready for Job_MigrateGIM: the server at {target} will "
        "probably ask for it when it starts."
    )
    fine = "the tables that are not replicated have the same definitions at both sites"
    differences = faults(excluded_tables.definition_differences(step), fine, remedy, "warning")
    return [ok(f"{found.sentence()}; {job}"), differences]


SUPPLEMENTAL = Check(
    "supplemental_logging",
    "ARCHIVELOG mode, FORCE LOGGING, minimal supplemental logging, enable_goldengate_replication; for classic capture "
    "redo threads, ASM and the DDL objects",
    _supplemental_logging,
    needs=("dba_connection",),
)
CAPTURED_TABLES = Check(
    "captured_tables",
    "Replicated tables that GoldenGate does not support, that have no usable key, or INTERVAL partitions "
    "(DBA_GOLDENGATE_SUPPORT_MODE, DBA_GOLDENGATE_NOT_UNIQUE, DBA_PART_TABLES)",
    _captured_tables,
    needs=("dba_connection",),
)
STREAMS_POOL = Check(
    "streams_pool",
    "streams_pool_size, or an automatic SGA, for integrated capture: 1.25 GB",
    _streams_pool,
    needs=("dba_connection",),
)
SCHEMA_LOGGING = Check(
    "schema_logging",
    "Supplemental logging of the Info Mart's schema, by ggsci",
    _schema_logging,
    needs=("goldengate", "dba_connection", "goldengate_connection", "goldengate_logins"),
)
PARAMETERS = Check(
    "parameter_files",
    "Parameter files and GLOBALS compared with the rendered ones, including exclusion lists; a copy writes them itself",
    _parameter_files,
    needs=("database_host",),
    once=True,
)
MANAGER = Check(
    "manager_parameters",
    "AUTOSTART and AUTORESTART of mgr.prm, at the sites whose Replicat the procedure adds",
    _manager_parameters,
    needs=("database_host",),
)
GROUPS = Check(
    "replication",
    f"Extract and pump of the source, Replicat of the target: RUNNING, less than {span(LAG_LIMIT)} behind, "
    "on the trail that the topology names",
    _groups,
    needs=("goldengate",),
)
PARITY = Check(
    "schema_parity",
    "Indexes, constraints, triggers, code, sequences and invalid objects are equal at both sites",
    _parity,
    needs=("dba_connection",),
    once=True,
)
EXCLUDED_TABLES = Check(
    "excluded_tables",
    "Tables that are not replicated: partitions at the target, and definitions compared with the source's",
    _excluded_tables,
    needs=("dba_connection", "info_mart_connection"),
    once=True,
)
SURROUNDINGS = Check(
    "schema_surroundings",
    "Privileges of the Info Mart's schema, grants on it, other schemas' objects on it, and its jobs, as at the source",
    _surroundings,
    needs=("dba_connection",),
    once=True,
)
SEQUENCES = Check(
    "sequences",
    "Every sequence of the source and of sequence_keys exists at the target",
    _sequences,
    needs=("dba_connection", "info_mart_connection"),
    once=True,
)
SEQUENCE_KEYS = Check(
    "sequence_keys",
    "Sequences that fill a key column are in sequence_keys; those that are not are proposed",
    _sequence_keys,
    needs=("dba_connection",),
)
TRANSACTIONS = Check(
    "open_transactions",
    f"Transactions open for more than {OLD_TRANSACTION / 60:.0f} minutes, for which a capture would wait",
    _open_transactions,
    needs=("dba_connection",),
)
