"""Tables that are not replicated: at a standby their definitions and partitions are as old as its copy (guide:994).

All of it is in the dictionaries, so it is known before anything stops.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from infomart_dr.evidence.partitions import end_of
from infomart_dr.guards.comparison import fingerprints
from infomart_dr.hooks.goldengate_parameters import is_excluded
from infomart_dr.plan.step import Step
from infomart_dr.statements import Column
from infomart_dr.text import sorted_names
from infomart_dr.times import shown
from infomart_dr.topology import BOTH_ROLES, SiteRole

#: The table with the release of the Info Mart's schema. Its columns are not published.
SCHEMA_INFO = "CTL_SCHEMA_INFO"
#: Tables that Oracle's own packages make and remove.
_OF_ORACLE = ("DBMS_TAB", "CMP1$", "CMP2$", "CMP3$", "CMP4$")


def partition_ends(step: Step, role: SiteRole) -> dict[str, float | None]:
    """End of the newest partition of each partitioned table that is not replicated; None: HIGH_VALUE is no time."""
    release = step.topology.info_mart.release
    return {
        str(row["table_name"]): end_of(row["high_value"])
        for row in step.at(role).dba.select("partition_ends", owner=step.schema)
        if is_excluded(release, str(row["table_name"]))
    }


def is_partitioned(step: Step, role: SiteRole) -> bool:
    """The Info Mart of a site is partitioned, by the topology or by its dictionary."""
    return step.topology.info_mart.partitioned or bool(partition_ends(step, role))


@dataclass(frozen=True)
class Partitions:
    """The partitions of a site's tables that are not replicated.

    :param ends: by table, as :func:`partition_ends` has it.
    :param partitioned: the topology says so.
    """

    site: str
    ends: Mapping[str, float | None]
    partitioned: bool
    now: float

    @property
    def old(self) -> list[str]:
        """Tables without a partition for now."""
        return [table for table, end in self.ends.items() if end is not None and end <= self.now]

    def sentence(self) -> str:
        if not self.ends:
            return f"{self.site} has no partitioned tables among those that are not replicated"
        known = [end for end in self.ends.values() if end is not None]
        until = shown(min(known)) if known and not math.isinf(min(known)) else "an unknown time"
        if self.old:
            return f"{len(self.old)} table(s) at {self.site} have no partition after {until}: {sorted_names(self.old)}"
        return f"{len(self.ends)} partitioned table(s) at {self.site} have partitions until {until} at least"


def partitions(step: Step, role: SiteRole) -> Partitions:
    """The partitions of a site's tables that are not replicated, compared with now."""
    site, stated = step.at(role).name, step.topology.info_mart.partitioned
    return Partitions(site, partition_ends(step, role), stated, time.time())


def _columns(step: Step, role: SiteRole) -> dict[str, dict[str, Column]]:
    """Columns of the tables of a site that are not replicated, by table and name."""
    dba, release = step.at(role).dba, step.topology.info_mart.release
    found: dict[str, dict[str, Column]] = {
        name: {}
        for row in dba.select("tables", owner=step.schema)
        if is_excluded(release, name := str(row["table_name"])) and not name.startswith(_OF_ORACLE)
    }
    for row in dba.select("columns", owner=step.schema):
        if row["table_name"] in found:
            column = Column(row["column_name"], row["data_type"], int(row.get("data_length") or 0))
            found[row["table_name"]][column.name] = column
    return found


def definition_differences(step: Step) -> list[str]:
    """Differences of the target's tables that are not replicated: an upgrade of the source has left them behind."""
    source, target = (_columns(step, role) for role in BOTH_ROLES)
    name = step.at("target").name
    found = [f"{table} is missing at {name}" for table in sorted(set(source) - set(target))]
    found += [f"{table} is only at {name}" for table in sorted(set(target) - set(source))]
    for table in sorted(set(source) & set(target)):
        here, there = source[table], target[table]
        found += [f"{table}.{column} is missing at {name}" for column in sorted(set(here) - set(there))]
        found += [f"{table}.{column} is only at {name}" for column in sorted(set(there) - set(here))]
        found += [
            f"{table}.{column} has another type at {name}"
            for column in sorted(set(here) & set(there))
            if here[column] != there[column]
        ]
    if SCHEMA_INFO in source and SCHEMA_INFO in target:
        # Texts only: each site's own migration leaves its time there.
        info = [
            {SCHEMA_INFO: [each for each in columns[SCHEMA_INFO].values() if "CHAR" in each.data_type]}
            for columns in (source, target)
        ]
        if fingerprints(step, "source", info[0]).found != fingerprints(step, "target", info[1]).found:
            found.append(f"{SCHEMA_INFO} has other rows at {name}")
    return found


def after_the_start(step: Step) -> list[str]:
    """The work that the target will need before it can load, as far as the dictionaries tell it."""
    who = (
        "the topology's command runs it"
        if step.topology.info_mart.jobs.backend == "command"
        else "a person must run it: GIM Manager at hand"
    )
    found = partitions(step, "target")
    lines = [found.sentence()]
    if found.ends or found.partitioned:
        lines[0] += f". Job_MaintainGIM makes new ones ({who})"
    differences = definition_differences(step)
    if differences:
        lines.append(
            f"tables that are not replicated differ: {'; '.join(differences[:8])}. The server will probably ask for "
            f"Job_MigrateGIM ({who})"
        )
    else:
        lines.append("tables that are not replicated have the same definitions: no migration is to be expected")
    return lines
