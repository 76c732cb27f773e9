"""Failover: the lost site is proven dead, the standby is drained, and the survivor takes over.

In a failover the source is the lost site and the target the survivor.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from infomart_dr.errors import GuardError, InfoMartError, TransientError
from infomart_dr.guards import fencing
from infomart_dr.guards.application import configured, option, survivor_changes
from infomart_dr.guards.fencing import Place
from infomart_dr.guards.replication import is_up, replicat_at_trail_end
from infomart_dr.guards.server import log_size, running_at
from infomart_dr.hooks.configuration import Change
from infomart_dr.hooks.goldengate_parameters import version
from infomart_dr.operators.base import CheckOperator, StepOperator
from infomart_dr.operators.configuration import UNDONE_BY_RETURN_STANDBY, ConfigurationOperator
from infomart_dr.operators.human import Gate
from infomart_dr.operators.server import cross_point_of_no_return
from infomart_dr.plan import facts
from infomart_dr.plan.facts import Fact
from infomart_dr.plan.step import Observation, Step
from infomart_dr.statements import sequence_restart
from infomart_dr.text import sorted_names
from infomart_dr.times import shown
from infomart_dr.topology import Role, SiteRole

#: The next step after a run that its back-out has undone.
AGAIN = "then start the failover again, or clear check_already_done with Downstream: the back-out has undone the rest."


# -- is it dead ------------------------------------------------------------------------------------


class ProbeFailedSite(CheckOperator):
    """Probe every endpoint of the lost site from one place. An endpoint that answers stops the run.

    :param place: ``airflow``, or ``survivor`` for the survivor's database host.
    """

    guide = "the warning under Note on Connectivity Loss (guide:251)"

    def __init__(self, *, place: Place, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.place: Place = place

    def observe(self, step: Step) -> Observation:
        verdict = fencing.judge(step, "source", [self.place])
        what = verdict.sentence(step.at("source").name)
        if verdict.alive:
            what += ". The site is not completely lost; after a failover two Info Mart Servers would write"
        return Observation(verdict.dead, what, {"evidence": fencing.evidence(verdict.answers)})

    def finish(self, step: Step, seen: Observation) -> None:
        fact = facts.PROBED.of(self.place)
        step.ledger.forget(fact)
        step.ledger.put_once(fact, {"at": int(time.time()), "answers": seen.details["evidence"]})

    def act(self, step: Step, seen: Observation) -> None:
        # The site is alive, so not lost yet: a later estimate of the loss starts over.
        step.ledger.forget(facts.LOSS_FIRST_LOOK)
        super().act(step, seen)

    def next_step(self) -> str:
        return (
            "If only the network is down, do not fail over; wait (guide, Note on Connectivity Loss). If the site is "
            "partly dead, switch off what still answers, then clear this task. While both databases run, use "
            "infomart_switchover instead."
        )


class ConfirmSiteFailure(Gate):
    """A person sees the evidence and the estimated loss, and confirms a site failure, not a network outage."""

    guide = "the warning under Note on Connectivity Loss (guide:251); Potential Data Loss (guide:307-313, guide:327)"
    #: The gate alone would show old answers of the endpoints.
    AFTER_REFUSAL = (
        "check that the back-out of this run succeeds. To decide again, clear check_already_done with Downstream: the "
        "endpoints are then probed again."
    )

    def evidence(self, step: Step) -> str:
        lines = ["**Endpoints of the lost site**", "", "| seen from | endpoint | answer |", "|---|---|---|"]
        for place in ("airflow", "survivor"):
            probed = step.ledger.get(facts.PROBED.of(place)) or {"answers": []}
            lines += [
                f"| {place} | {answer['endpoint']} {answer['at']} | {answer['state']} |" for answer in probed["answers"]
            ]
        loss = step.ledger.get(facts.LOSS_REPORT) or (
            "**Loss:** calls and agent states that were under way at the lost site, and data that its sources had not "
            "yet delivered to the survivor."
        )
        return "\n".join(lines) + f"\n\n{loss}"

    def refused(self, step: Step) -> None:
        # The site is not confirmed as lost: a later estimate of the loss starts over.
        step.ledger.forget(facts.LOSS_FIRST_LOOK)

    def accepted(self, step: Step, who: str) -> None:
        step.ledger.put_once(facts.SITE_FAILURE_CONFIRMED, f"{who} at {shown(time.time())}")


# -- the standby is drained ------------------------------------------------------------------------


class StopGoldenGate(StepOperator):
    """Stop Replicat and manager of GoldenGate at the survivor, so that nothing more arrives from the lost site."""

    guide = "DR 1 (guide:1025)"
    changes = "Replicat and manager of the survivor are stopped"
    undo = "the back-out return_standby starts them again before the point of no return"

    def observe(self, step: Step) -> Observation:
        ggsci, groups = step.at("target").ggsci, step.at("target").settings.goldengate.groups
        running = [name for name in (groups.replicat, groups.pump, groups.extract) if is_up(ggsci.status(name))]
        if ggsci.manager_status():
            running.append("manager")
        noted = step.ledger.get(facts.STANDBY_DRAINED)
        what = (
            f"still running at {step.at('target').name}: {', '.join(running)}" if running else "GoldenGate is stopped"
        )
        return Observation(not running and noted is not None, what, {"drained_to": noted})

    def act(self, step: Step, seen: Observation) -> None:
        ggsci, groups = step.at("target").ggsci, step.at("target").settings.goldengate.groups
        # The proof holds while the manager stays stopped: nothing can have arrived since.
        if not step.ledger.has(facts.STANDBY_DRAINED) or ggsci.manager_status():
            self._drain(step)
        for name in (groups.replicat, groups.pump, groups.extract):
            if is_up(ggsci.status(name)):
                self.log.info("act: %s", ggsci.stop(name).what)

    def _drain(self, step: Step) -> None:
        """Stop the manager at the end of the trail, and prove that it was the end."""
        step.ledger.forget(facts.STANDBY_DRAINED)
        drained = replicat_at_trail_end(step)
        if not drained.satisfied:
            raise GuardError(f"The standby is not drained: {drained.summary}.", f"Wait until it is drained; {AGAIN}")
        # Recorded first: the back-out must know that it has to start GoldenGate again.
        step.ledger.put_once(facts.STANDBY_TOUCHED, int(time.time()))
        ggsci = step.at("target").ggsci
        # The manager first: nothing may arrive between the last check of the trail and the stop.
        self.log.info("act: %s", ggsci.stop_manager().what)
        after = replicat_at_trail_end(step)
        if not after.satisfied:
            ggsci.start_manager()
            raise TransientError(f"More has arrived: {after.summary}.", "The retry waits until it is applied.")
        # Before the Replicat stops: a stopped one no longer shows that it ended at a record which the site's loss cut
        # off in the middle.
        step.ledger.put_once(facts.STANDBY_DRAINED, after.summary[:1000])


class RaiseSequences(StepOperator):
    """Raise sequences of the survivor that lie below a key in use: their last values may not have arrived."""

    guide = "not in the guide"
    changes = "ALTER SEQUENCE ... RESTART of the named sequences"
    undo = "none needed: keys may have gaps"
    #: Keys skipped above the highest one in use.
    MARGIN: ClassVar[int] = 1000

    def low(self, step: Step) -> dict[str, int]:
        """Sequences that are too low, each with the highest key in use."""
        rows = step.at("target").dba.select("sequences", owner=step.schema)
        next_value = {row["sequence_name"]: int(row["last_number"]) for row in rows}
        found = {}
        for name, key in sorted(step.topology.info_mart.sequence_keys.items()):
            table, column = key.split(".")
            names = {"schema": step.schema, "table": table, "column": column}
            highest = int(step.at("target").info_mart.value("highest_key", names) or 0)
            if name not in next_value:
                raise GuardError(
                    f"Sequence {name} of {key} is missing at {step.at('target').name}.",
                    f"Create it above {highest}; {AGAIN}",
                )
            if next_value[name] <= highest:
                found[name] = highest
        return found

    def observe(self, step: Step) -> Observation:
        low = self.low(step)
        if low:
            return Observation(False, f"below the keys in use: {sorted_names([f'{n} ({k})' for n, k in low.items()])}")
        return Observation(True, f"{len(step.topology.info_mart.sequence_keys)} sequences lie above every key in use")

    def act(self, step: Step, seen: Observation) -> None:
        step.ledger.require(facts.STANDBY_DRAINED)
        low = self.low(step)
        if version(step.at("target").settings.database.release) < (18,):
            wanted = "; ".join(f"{name} above {highest}" for name, highest in low.items())
            raise GuardError(
                f"Sequences lie too low, and this Oracle release has no RESTART: {wanted}.",
                f"Drop and create them with a higher START WITH; {AGAIN}",
            )
        for name, highest in low.items():
            step.at("target").info_mart.run_text(sequence_restart(step.schema, name, highest + self.MARGIN))
            self.log.info("act: %s restarts with %s", name, highest + self.MARGIN)


# -- configuration ---------------------------------------------------------------------------------


class DropFailedSources(ConfigurationOperator):
    """Make the survivor's server ignore the lost site: disable its DAPs and ICONs; before 8.1.2, disconnect them.

    In an active-standby deployment the Application object moves to the survivor too: Host, Startup Command Line, and
    the DAP of the Info Mart.
    """

    guide = "DR 2, 3 (guide:1026-1034); active-active 1 (guide:403-406)"
    changes = "the server's Application object; from 8.1.2 on the state of the lost site's DAP and ICON objects"
    undo = UNDONE_BY_RETURN_STANDBY
    fact = facts.STANDBY_TOUCHED

    def wanted(self, step: Step) -> dict[str, Change]:
        return survivor_changes(step)

    def finish(self, step: Step, seen: Observation) -> None:
        if step.topology.architecture == "active-active":
            # Messages about the lost site's IDBs are expected; only later ones count.
            step.ledger.put_once(facts.SERVER_LOG_BEGIN, log_size(step, "target"))


# -- start -----------------------------------------------------------------------------------------


class StartAtSurvivor(StepOperator):
    """Start the Info Mart Server at the survivor: the point of no return."""

    guide = "DR 6 (guide:1039)"
    changes = "the survivor serves; from here only a return to normal goes back"
    undo = "none: run infomart_return_to_normal once there is a new site"
    settle_seconds = 30

    def observe(self, step: Step) -> Observation:
        noted = step.ledger.get(facts.POINT_OF_NO_RETURN)
        seen = running_at(step, "target")
        return Observation(seen.satisfied and noted is not None, seen.summary, {"served_at": noted})

    def act(self, step: Step, seen: Observation) -> None:
        step.ledger.require(facts.SITE_FAILURE_CONFIRMED)
        step.ledger.require(facts.STANDBY_DRAINED)
        verdict = fencing.judge(step, "source")
        if not verdict.dead:
            raise GuardError(
                f"{verdict.sentence(step.at('source').name)}. Two servers never write for one deployment.",
                # A start that was interrupted after it was recorded is not undone: the server may have received it.
                "The server here may have started. Make sure that only one of the two runs, then clear this task."
                if step.ledger.has(facts.POINT_OF_NO_RETURN)
                else "Let the run end: its back-out makes the survivor a standby again. Then check both sites.",
            )
        if writers := self._writers(step):
            raise GuardError(
                f"Another program already writes to the survivor's Info Mart: {writers}.",
                f"Find out which one it is and stop it; {AGAIN}",
            )
        cross_point_of_no_return(
            step, lambda: step.at("target").management_layer.start(step.at("target").application_dbid)
        )

    @staticmethod
    def _writers(step: Step) -> str:
        """Sessions of an Info Mart Server, wherever it runs, in the survivor's database."""
        if step.ledger.has(facts.POINT_OF_NO_RETURN):
            return ""
        program = step.at("target").settings.info_mart_server.session_program
        rows = step.at("target").dba.select("sessions_of", username=step.schema, program=program)
        return ", ".join(
            f"session {row['sid']},{row['serial']} of {row['program']} on {row['machine']}" for row in rows
        )

    def next_step(self) -> str:
        return "Read the server's log at the survivor, correct the cause, then clear this task."


# -- the back-out ----------------------------------------------------------------------------------


#: Facts that end when the survivor is a standby again. The last one tells the back-out that it has work.
UNTIL_STANDBY_AGAIN: tuple[Fact[Any], ...] = (
    facts.AGGREGATION_DISABLED,
    facts.LOSS_FIRST_LOOK,
    facts.STANDBY_DRAINED,
    facts.SITE_FAILURE_CONFIRMED,
    facts.STANDBY_TOUCHED,
)


class ReturnStandby(StepOperator):
    """Make the survivor a standby again that follows its source, after any failure before the point of no return."""

    guide = "not in the guide; the back-out"
    changes = "Application objects and GoldenGate at the survivor, when the run ended early"
    undo = "none needed"
    always = True
    in_report = True

    def __init__(self, **kwargs: Any) -> None:
        # An obstacle may be gone at the next try.
        kwargs["retry_policy"] = None
        super().__init__(role="target", **kwargs)

    def observe(self, step: Step) -> Observation:
        if not step.holds_lock:
            return Observation(True, "this run does not hold the lock: it changed nothing, or has restored everything")
        if not step.ledger.has(facts.STANDBY_TOUCHED):
            return Observation(True, "this plan has not touched the survivor")
        if step.ledger.has(facts.POINT_OF_NO_RETURN):
            return self._aggregates(step)
        if step.topology.architecture == "active-active":
            return Observation(True, "the survivor's server ran all the time; the lost site stays ignored")
        return Observation(
            False, f"the run ended before {step.at('target').name} took over: it becomes a standby again"
        )

    def _aggregates(self, step: Step) -> Observation:
        """Past the point of no return aggregation must not stay switched off, however the run ended."""
        past = "past the point of no return: the survivor serves, or a failed step shows why not"
        if not step.topology.raa.enabled or step.at("target").settings.configuration.backend == "manual":
            return Observation(True, past)
        on = configured(step, "target", step.at("target").application, option("schedule", "run-aggregates", "true"))
        return Observation(on.satisfied, past if on.satisfied else f"{past}; aggregation is switched off")

    def act(self, step: Step, seen: Observation) -> None:
        if step.ledger.has(facts.POINT_OF_NO_RETURN):
            step.at("target").configuration.apply(
                step.at("target").application, option("schedule", "run-aggregates", "true")
            )
            return
        self._configuration(step)
        ggsci, name = step.at("target").ggsci, step.at("target").settings.goldengate.groups.replicat
        self.log.info("act: %s", ggsci.start_manager().what)
        if ggsci.info(name) is not None:
            self.log.info("act: %s", ggsci.start(name).what)
        for fact in UNTIL_STANDBY_AGAIN:
            step.ledger.forget(fact)

    def _configuration(self, step: Step) -> None:
        if step.at("target").settings.configuration.backend == "manual":
            self.log.warning("act: a person must restore the Application objects; the logs of this run show how")
            return
        for fact, entry in reversed(step.ledger.all().of(facts.OBJECT_BEFORE)):
            name = entry["object"]
            try:
                for difference in step.at("target").configuration.apply(name, Change.model_validate(entry["change"])):
                    self.log.info("act: %s: %s", name, difference)
                step.ledger.forget(fact)
            except InfoMartError as error:
                # Replication first: an object that points here starts no server by itself.
                self.log.warning("act: %s was not restored: %s", name, error)

    def verify(self, step: Step) -> Observation:
        if step.ledger.has(facts.POINT_OF_NO_RETURN):
            return self._aggregates(step)
        return Observation(True, f"{step.at('target').name} is a standby again")


class ReportNewRoles(StepOperator):
    """Report the site roles that the topology file must have from now on. The file's owner changes it."""

    guide = "not in the guide; the next procedure's defaults come from the topology"
    in_report = True
    under_lock = False

    def __init__(self, *, roles: Mapping[SiteRole, Role], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.roles = dict(roles)

    def observe(self, step: Step) -> Observation:
        wanted = {step.at(role).name: value for role, value in self.roles.items()}
        left = {name: role for name, role in wanted.items() if step.topology.site(name).role != role}
        if not left:
            return Observation(True, "the topology's roles are right", {"roles": wanted})
        lines = ", ".join(f"sites.{name}.role: {role}" for name, role in sorted(left.items()))
        return Observation(True, f"set in the topology file now: {lines}", {"roles": wanted})
