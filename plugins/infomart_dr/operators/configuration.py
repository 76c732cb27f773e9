"""Changes of Application objects: the scheduler, aggregation, and the site that an object points to."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from infomart_dr.guards.application import collecting_objects, configured, move_to, option
from infomart_dr.guards.excluded_tables import is_partitioned
from infomart_dr.guards.newest import prove_newest
from infomart_dr.hooks.configuration import Change, ManualConfiguration, inverse
from infomart_dr.operators.human import HumanStep
from infomart_dr.plan import facts
from infomart_dr.plan.facts import Fact
from infomart_dr.plan.step import Observation, Step

UNDONE_BY_RETURN_STANDBY = "the back-out return_standby, before the point of no return"


class ConfigurationOperator(HumanStep):
    """Change the Info Mart's Application objects through GAX, or let a person do it with exact instructions.

    :param role: the site whose configuration interface is used.
    """

    changes = "the Application object of the Info Mart Server"
    undo = "the task log lists the differences, old value first"
    #: Fact that is recorded before the change: from then on a back-out is responsible for restoring the object.
    #: Without the fact the goal is not reached, even when the object is already correct.
    fact: Fact[Any] | None = None

    def change(self, step: Step) -> Change | None:
        """The state to reach in the server's Application object; None: nothing to change."""
        raise NotImplementedError

    def wanted(self, step: Step) -> dict[str, Change]:
        """Changes by Application object, in their order."""
        change = self.change(step)
        return {} if change is None else {step.at(self.role).application: change}

    def instructions(self, step: Step) -> str | None:
        wanted = self.wanted(step)
        if step.at(self.role).settings.configuration.backend != "manual" or not wanted:
            return None
        manual = ManualConfiguration()
        return "\n\n".join(manual.instructions(name, change) for name, change in wanted.items())

    def observe(self, step: Step) -> Observation:
        wanted = self.wanted(step)
        if not wanted:
            return Observation(True, "the topology requires no change here")
        seen = [configured(step, self.role, name, change) for name, change in wanted.items()]
        left = [each.summary for each in seen if not each.satisfied]
        if not left and self.fact is not None and not step.ledger.has(self.fact):
            left = [
                f"{', '.join(wanted)}: already correct, but this plan has not recorded that it is responsible for "
                "restoring it"
            ]
        return Observation(not left, "; ".join(left) or f"{', '.join(wanted)}: correct")

    def before(self, step: Step) -> None:
        if self.fact is None:
            return
        if self.fact is facts.STANDBY_TOUCHED:
            self._record_objects(step)
        step.ledger.put_once(self.fact, int(time.time()))

    def _record_objects(self, step: Step) -> None:
        """Record the objects' present state; return_standby restores it when the failover does not happen."""
        step.ledger.require(facts.SITE_FAILURE_CONFIRMED)
        if step.at(self.role).settings.configuration.backend == "manual":
            return
        for name, change in self.wanted(step).items():
            back = inverse(step.at(self.role).configuration.read(name), change)
            before = {"object": name, "change": back.model_dump(exclude_defaults=True)}
            # An object's name may be longer than a fact's.
            digest = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:12]
            # By class: a second task that sets the same switch must not take the change for the state before it.
            step.ledger.put_once(facts.OBJECT_BEFORE.of(f"{type(self).__name__}:{digest}"), before)

    def act(self, step: Step, seen: Observation) -> None:
        prove_newest(step)
        self.before(step)
        for name, change in self.wanted(step).items():
            for difference in step.at(self.role).configuration.apply(name, change):
                self.log.info("act: %s: %s", name, difference)

    def next_step(self) -> str:
        return "Find out who changes the object at the same time, then clear this task."


class SetScheduler(ConfigurationOperator):
    """Set run-scheduler. Off: no new ETL job starts, and running jobs finish. On: jobs start by their schedule.

    :param on: the value.
    :param guide: the guide's step.
    :param fact: recorded before the change; with it the back-out restores the value.
    :param partitioned_only: the step is only for a partitioned Info Mart, which must not load before it has partitions.
    :param may_stay_off: not switched on where the run asks for a stopped server during the transfer.
    """

    def __init__(
        self,
        *,
        on: bool,
        guide: str,
        fact: Fact[int] | None = None,
        partitioned_only: bool = False,
        may_stay_off: bool = False,
        **kwargs: Any,
    ) -> None:
        self.on, self.guide, self.fact = on, guide, fact
        self.changes = f"[schedule] run-scheduler = {_word(on)}"
        self.undo = _undo(on, fact)
        self.partitioned_only, self.may_stay_off = partitioned_only, may_stay_off
        super().__init__(**kwargs)

    def does_not_apply(self, step: Step) -> str | None:
        if self.partitioned_only and not is_partitioned(step, self.role):
            return "the Info Mart is not partitioned"
        return None

    @property
    def may_be_skipped(self) -> bool:
        return bool(self.partitioned_only or self.option or self.architecture)

    def change(self, step: Step) -> Change | None:
        if self.may_stay_off and step.params.get("server_during_transfer") == "stopped":
            return None
        return option("schedule", "run-scheduler", _word(self.on))


class SetAggregation(ConfigurationOperator):
    """Set run-aggregates. Off before re-aggregation is requested or the survivor starts; on again afterwards.

    :param on: the value.
    :param guide: the guide's step.
    :param fact: recorded before the change; with it the back-out restores the value.
    """

    def __init__(self, *, on: bool, guide: str, fact: Fact[int] | None = None, **kwargs: Any) -> None:
        self.on, self.guide, self.fact = on, guide, fact
        self.changes = f"[schedule] run-aggregates = {_word(on)}"
        self.undo = "set it to false" if on else "the teardown enable_aggregation"
        super().__init__(**kwargs)

    def does_not_apply(self, step: Step) -> str | None:
        # In a failover the request is skipped too; elsewhere there is nothing to change.
        return None if step.topology.raa.enabled or self.fact is None else "the topology has no RAA"

    @property
    def may_be_skipped(self) -> bool:
        return bool(self.fact or self.option or self.architecture)

    def _done_by_a_person(self, step: Step) -> bool:
        """A person has done it in this plan and is not asked again: the step cannot read the object."""
        manual = step.at(self.role).settings.configuration.backend == "manual"
        return not self.on and manual and step.ledger.has(facts.AGGREGATION_DISABLED)

    def instructions(self, step: Step) -> str | None:
        return None if self._done_by_a_person(step) else super().instructions(step)

    def observe(self, step: Step) -> Observation:
        if self._done_by_a_person(step):
            return Observation(True, "a person has switched aggregation off in this plan")
        return super().observe(step)

    def change(self, step: Step) -> Change | None:
        return option("schedule", "run-aggregates", _word(self.on)) if step.topology.raa.enabled else None

    def finish(self, step: Step, seen: Observation) -> None:
        if self.on:
            step.ledger.forget(facts.AGGREGATION_DISABLED)
        elif step.topology.raa.enabled:
            step.ledger.put_once(facts.AGGREGATION_DISABLED, True)


def _word(on: bool) -> str:
    return "true" if on else "false"


def _undo(on: bool, fact: Fact[int] | None) -> str:
    if fact is facts.STANDBY_TOUCHED:
        return UNDONE_BY_RETURN_STANDBY
    if fact is facts.SERVER_TOUCHED:
        return (
            "the procedure sets it to true again before a server starts; the back-out return_service_to_source does too"
        )
    return f"set it to {_word(not on)}"


class ConfigureApplication(ConfigurationOperator):
    """Point the Application object to the target site: Host, Startup Command Line, DAPs.

    The scheduler stays off: the target may need a migration and partitions before it loads.
    """

    guide = "Return to Normal 4, 13, 14 (guide:1100-1103, guide:1114-1120); DR 4 (guide:1035)"
    changes = "Host, Startup Command Line and connections of the Application object"
    undo = "the back-out return_service_to_source, before the point of no return"
    fact = facts.APPLICATION_MOVED

    def before(self, step: Step) -> None:
        step.ledger.require(facts.FINAL_STOP)
        step.ledger.require(facts.TABLES_COMPARED)
        # Recorded first: the back-out must know that the object may point to the target.
        step.ledger.put_once(facts.APPLICATION_MOVED, step.at("target").name)

    def wanted(self, step: Step) -> dict[str, Change]:
        # A failover has disabled these; they are used again.
        enabled = {name: Change(enabled=True) for name in collecting_objects(step, self.role)}
        return {**enabled, step.at(self.role).application: move_to(step, self.role, scheduler=False)}
