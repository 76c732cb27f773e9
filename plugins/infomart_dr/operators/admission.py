"""Admission to the serving Info Mart: the server of a lost site is refused, and let in again where it belongs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from infomart_dr.errors import InfoMartError
from infomart_dr.guards.admission import IMMUNE, lost_machines, refusals, refusing_statement, trigger_name
from infomart_dr.guards.privileges import held_by, user_of
from infomart_dr.operators.base import StepOperator
from infomart_dr.plan.step import Observation, Step
from infomart_dr.statements import drop_trigger, enable_trigger
from infomart_dr.topology import SiteRole

log = logging.getLogger(__name__)


def lost_sites(step: Step, role: SiteRole) -> list[str]:
    """The sites whose servers a serving site refuses: those with the role failed, and the source of a failover."""
    found = {name for name, site in step.topology.sites.items() if site.role == "failed"}
    if step.failover:
        found.add(step.at("source").name)
    return sorted(found - {step.at(role).name})


def refuse(step: Step, role: SiteRole, lost: Sequence[str]) -> str:
    """Let the database of a site refuse the servers of lost sites. It never stops a run: the service comes first.

    :param lost: the lost sites; empty: the trigger is dropped.
    :returns: one sentence about the result.
    """
    if not step.topology.fencing.refuse_lost_site:
        return "nothing is refused at the database: fencing.refuse_lost_site is false"
    name = step.at(role).name
    try:
        if not lost:
            return _drop(step, role)
        return _create(step, role, lost)
    except InfoMartError as error:
        log.warning("act: %s: %s", name, error)
        why = error.what.rstrip(".")
    except Exception as error:
        # An error of this program must not hold the start of the service either.
        log.exception("act: %s", name)
        why = f"{type(error).__name__}: {str(error)[:200]}"
    if lost:
        return f"{name} does not refuse the Info Mart Server of {', '.join(lost)}: {why}"
    return f"the trigger {trigger_name(step.schema)} is left at {name}: {why}"


def _create(step: Step, role: SiteRole, lost: Sequence[str]) -> str:
    at = step.at(role)
    dba, trigger = at.dba, trigger_name(step.schema)
    wanted = lost_machines(step, role, lost)
    nameless = sorted(site for site, machines in wanted.items() if not machines)
    named = {site: machines for site, machines in wanted.items() if machines}
    if nameless:
        log.warning("act: no name or address tells the server's machine of %s apart", ", ".join(nameless))
    if not named:
        return f"{at.name} refuses nothing: no machine of {', '.join(nameless)} is known"
    owner = user_of(dba)
    for other in refusals(dba, step.schema):
        if other.owner != owner:
            dba.run_text(drop_trigger(other.owner, trigger))
    # Disabled at first: an invalid trigger that is enabled would refuse everybody.
    dba.run_text(refusing_statement(dba, step.topology, named))
    made = _made(step, role)
    if not made:
        dba.run_text(drop_trigger(owner, trigger))
        return f"{at.name} refuses nothing: Oracle did not compile the trigger {trigger}, and it is dropped again"
    dba.run_text(enable_trigger(owner, trigger))
    said = "; ".join(f"{site} ({machines})" for site, machines in sorted(named.items()))
    if IMMUNE in held_by(at.info_mart):
        log.warning("act: %s at %s has %s: the trigger refuses none of its logons", step.schema, at.name, IMMUNE)
        return f"{at.name} cannot refuse {step.schema}, which has {IMMUNE}; the server of {said} would be let in"
    return f"{at.name} refuses logons of {step.schema} from the Info Mart Server of {said}"


def _made(step: Step, role: SiteRole) -> bool:
    """Oracle has compiled the trigger of the DBA's user."""
    dba = step.at(role).dba
    return any(each.owner == user_of(dba) and each.valid for each in refusals(dba, step.schema))


def _drop(step: Step, role: SiteRole) -> str:
    at = step.at(role)
    dba, trigger = at.dba, trigger_name(step.schema)
    found = refusals(dba, step.schema)
    for each in found:
        dba.run_text(drop_trigger(each.owner, trigger))
    return f"{at.name} refuses nobody any more" if found else f"{at.name} refuses nobody"


class SetAdmission(StepOperator):
    """Let a site's database refuse the Info Mart Servers of the lost sites, or nobody. A failure is a warning.

    :param lost: refuse the servers of lost sites; else the trigger is dropped.
    """

    guide = "not in the guide"
    changes = "a logon trigger of the database, DR_LOST_SITE_<schema> of the DBA's user"
    undo = "DROP TRIGGER"

    def __init__(self, *, lost: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.lost = lost

    def observe(self, step: Step) -> Observation:
        sites, name = lost_sites(step, self.role) if self.lost else [], step.at(self.role).name
        if not step.topology.fencing.refuse_lost_site:
            return Observation(True, "fencing.refuse_lost_site is false")
        try:
            there = refusals(step.at(self.role).dba, step.schema)
            if not sites:
                said = "refuses the server of a site that was lost" if there else "refuses nobody"
                return Observation(not there, f"{name} {said}")
            wanted = lost_machines(step, self.role, sites)
        except InfoMartError as error:
            self.log.warning("observe: %s", error)
            return Observation(True, f"not known: {error.what.rstrip('.')}")
        covered = all(machines and any(each.covers(machines) for each in there) for machines in wanted.values())
        if covered and IMMUNE not in held_by(step.at(self.role).info_mart):
            return Observation(True, f"{name} refuses the Info Mart Server of {', '.join(sites)}")
        return Observation(False, f"{name} does not refuse the Info Mart Server of {', '.join(sites)}")

    def act(self, step: Step, seen: Observation) -> Observation:
        return Observation(True, refuse(step, self.role, lost_sites(step, self.role) if self.lost else []))
