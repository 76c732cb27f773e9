"""The Info Mart Server: its stop and its start, and the back-out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from infomart_dr.errors import GuardError, InfoMartError
from infomart_dr.guards import fitness, schema_jobs
from infomart_dr.guards.application import move_to, option
from infomart_dr.guards.excluded_tables import after_the_start
from infomart_dr.guards.extraction import etl_is_quiet
from infomart_dr.guards.loading import newest_fact
from infomart_dr.guards.newest import note_observed_service, overtaken_by, prove_may_serve, prove_newest
from infomart_dr.guards.replication import groups_of, replication_now
from infomart_dr.guards.rest import moved_since
from infomart_dr.guards.server import log_size, running_at, second_server, server_log, server_runs, serving
from infomart_dr.hooks.configuration import ManualConfiguration
from infomart_dr.operators.base import CheckOperator, StepOperator
from infomart_dr.operators.human import Gate
from infomart_dr.operators.removal import remove_unused
from infomart_dr.plan import facts
from infomart_dr.plan.facts import Facts
from infomart_dr.plan.step import NOTHING_DONE, Observation, Step
from infomart_dr.times import shown
from infomart_dr.topology import SiteRole

log = logging.getLogger(__name__)


class CutoverGate(Gate):
    """A person decides about the cutover. In a plan whose target already serves, the gate does not ask again."""

    guide = "Return to Normal 8 (guide:1109); DR 7, 8 (guide:1040-1049), known before anything stops"
    with_reason = True

    def evidence(self, step: Step) -> str:
        source, target = step.at("source").name, step.at("target").name
        imported = step.ledger.get(facts.IMPORTED)
        copy = f" The copy stands since {shown(imported)}." if imported else ""
        lines = [
            f"**Deployment {step.topology.name}: from {source} to {target}.** The Info Mart Server at {source} stops, "
            f"{target} takes over, and {source} becomes its standby.",
            f"**Replication to {target} at {shown(time.time())}.**{copy}",
            "\n".join(f"- {line}" for line in replication_now(step, "to_target")),
            f"**After the start at {target}, before it loads:**",
            "\n".join(f"- {line}." for line in after_the_start(step)),
        ]
        if warnings := [fault for fault in fitness.all_faults(step, copies=False) if not fault.stops]:
            lines += ["**Warnings:**", "\n".join(f"- {fault}" for fault in warnings)]
        return "\n\n".join(lines)


# -- stop and start --------------------------------------------------------------------------------


class StopInfoMartServer(StepOperator):
    """Stop the Info Mart Server and prove it: Management Layer, process list, database sessions."""

    guide = "Database Transfer 1 (guide:853); Return to Normal 1, 2, 8 (guide:1090, guide:1092, guide:1109)"
    changes = "the Info Mart Server of the site is stopped"
    undo = "the back-out return_service_to_source starts it again before the point of no return"
    settle_seconds = 30

    def observe(self, step: Step) -> Observation:
        signs = server_runs(step, self.role)
        where = f"Info Mart Server at {step.at(self.role).name}"
        return Observation(not signs, f"{where} runs: {', '.join(signs)}" if signs else f"{where} is stopped")

    def act(self, step: Step, seen: Observation) -> None:
        note_observed_service(step, self.role)
        # The server has run, whoever started it: a comparison made at an earlier stop no longer holds.
        forget_final_stop(step)
        # Before the stop: a crash in between must not hide it.
        step.ledger.put_once(facts.LOADING_STOPPED, int(time.time()))
        step.at(self.role).management_layer.stop(step.at(self.role).application_dbid, graceful=True)

    def next_step(self) -> str:
        return "Find out why the server does not stop. Stop it by hand, then clear this task."


class CheckStopLeftNothing(CheckOperator):
    """Check after the stop that nothing extracted is left untransformed."""

    guide = "not in the guide; see wait_for_quiet_etl"

    def observe(self, step: Step) -> Observation:
        return etl_is_quiet(step, self.role)

    def next_step(self) -> str:
        return "Let the back-out start the service again first, then clear this task."


class NoteFinalStop(StepOperator):
    """Record that the writers are stopped for the cutover. Facts of an earlier stop are forgotten."""

    guide = "Return to Normal 8 (guide:1109)"
    changes = "rows of the plan's ledger"

    def observe(self, step: Step) -> Observation:
        stopped = step.ledger.get(facts.FINAL_STOP)
        if stopped and not server_runs(step, "source"):
            return Observation(True, f"the writers are stopped since {shown(stopped)}", {"stopped_at": stopped})
        return Observation(False, "the final stop is not recorded")

    def act(self, step: Step, seen: Observation) -> None:
        signs = server_runs(step, "source")
        if signs:
            raise GuardError(
                f"The Info Mart Server at {step.at('source').name} runs: {', '.join(signs)}.",
                "Find out who has started it, then clear this task.",
            )
        forget_final_stop(step)
        step.ledger.put_once(facts.FINAL_STOP, int(time.time()))


def forget_final_stop(step: Step) -> None:
    """Forget the facts that were recorded while the writers were stopped."""
    for fact in reversed(facts.WHILE_STOPPED):
        step.ledger.forget(fact)


class StartInfoMartServer(StepOperator):
    """Start the Info Mart Server at the site where it served, and let its scheduler run again."""

    guide = "Database Transfer 5 (guide:885)"
    changes = "the Info Mart Server runs, [schedule] run-scheduler = true"
    undo = "stop the Info Mart Server"
    settle_seconds = 30

    def observe(self, step: Step) -> Observation:
        if step.params.get("server_during_transfer") == "stopped":
            return Observation(True, "the run asks for a stopped server during the transfer")
        return serving(step, self.role)

    def act(self, step: Step, seen: Observation) -> None:
        start_server(step, self.role)

    def finish(self, step: Step, seen: Observation) -> None:
        if step.params.get("server_during_transfer") != "stopped":
            step.ledger.forget(facts.LOADING_STOPPED)


class ServeAtSource(StepOperator):
    """Make sure that the source serves, also when its server was stopped for the whole transfer."""

    guide = "Operation Modes: whether the server runs during the transfer (guide:224, guide:270)"
    changes = "the source's server runs, [schedule] run-scheduler = true"
    undo = "stop it"
    settle_seconds = 30

    def observe(self, step: Step) -> Observation:
        return serving(step, "source")

    def act(self, step: Step, seen: Observation) -> None:
        if step.at("source").settings.configuration.backend != "manual":
            step.at("source").configuration.apply(
                step.at("source").application, option("schedule", "run-scheduler", "true")
            )
        if step.topology.architecture == "active-standby":
            # The other site's server must not run.
            start_server(step, "source")
        else:
            step.at("source").management_layer.start(step.at("source").application_dbid)

    def finish(self, step: Step, seen: Observation) -> None:
        step.ledger.forget(facts.LOADING_STOPPED)

    def next_step(self) -> str:
        return "Start the source's server by hand; then clear this task."


def start_server(step: Step, role: SiteRole) -> None:
    """Start the server at a site, after the other site's server is proven stopped.

    The back-out to the source must not depend on the target, which may have failed. The point of no return is
    recorded before the target's server gets its start command. So before it, a target that cannot be asked runs none.
    """
    other = step.pair.other(role)
    try:
        signs = server_runs(step, other)
    except InfoMartError as error:
        if role != "source" or step.ledger.has(facts.POINT_OF_NO_RETURN):
            raise
        log.warning(
            "observe: %s cannot be asked, and this plan never started a server there: %s", step.at(other).name, error
        )
        signs = []
    if signs:
        raise second_server(step, other, signs)
    prove_may_serve(step, role)
    step.at(role).management_layer.start(step.at(role).application_dbid)


class ProveSourceStopped(CheckOperator):
    """Prove once more, right before the other server starts, that the source's is stopped and has not run meanwhile."""

    guide = "the warning under Note on Connectivity Loss (guide:251)"

    def observe(self, step: Step) -> Observation:
        where = f"the Info Mart Server at {step.at('source').name}"
        if signs := server_runs(step, "source"):
            return Observation(False, f"{where} runs: {', '.join(signs)}")
        if not step.ledger.has(facts.POINT_OF_NO_RETURN):
            refuse_a_writer(step)
        return Observation(True, f"{where} is proven stopped, and nobody has written since the comparison")

    def next_step(self) -> str:
        return "Stop it and find out who started it. Then start the cutover again."


def refuse_a_writer(step: Step) -> None:
    """Refuse the start at the target when somebody has written to the source since the comparison.

    :raises GuardError: somebody has; the rows are at the source only.
    """
    if (moved := moved_since(step)) is None:
        return
    raise GuardError(
        f"A program has written to the Info Mart at {step.at('source').name} since the tables were compared: {moved}. "
        "Those rows are not at the target.",
        "Find out which program it is, such as a service that starts the server by itself, and stop it. The back-out "
        "returns the service to the source. Then start a new run with this plan: it stops and compares again.",
    )


def cross_point_of_no_return(step: Step, start: Callable[[], object]) -> None:
    """Record that no back-out starts the old server again, then start the target's.

    Recorded first: after a crash in between, nobody may start the source's server, or make the target a standby again.
    Checks that may refuse the start come before this.

    :raises GuardError: the run no longer holds the lock, or its back-out has begun.
    :raises OvertakenError: another run has taken the deployment.
    """
    prove_newest(step)
    step.ledger.put_once(facts.SERVER_LOG_BEGIN, log_size(step, "target"))
    try:
        step.ledger.put_once(facts.NEWEST_FACT, newest_fact(step, "target", int(time.time())))
    except InfoMartError as error:
        # The proof after the start then counts from the start itself.
        log.warning("observe: the newest fact at %s is not known: %s", step.at("target").name, error)
    # Once more: the questions above may have taken minutes.
    step.enter()
    step.ledger.put_once(facts.SERVER_TOUCHED, int(time.time()))
    step.ledger.put_once(facts.POINT_OF_NO_RETURN, int(time.time()))
    epoch = step.epochs.current()
    assert epoch is not None, "a run that has entered has an epoch"
    step.epochs.serves(step.at("target").name, epoch)
    start()


class StartAtTarget(StepOperator):
    """Start the Info Mart Server at the target site: the point of no return."""

    guide = "Return to Normal 15 (guide:1121)"
    changes = "the target site serves; from here only a new return to normal goes back"
    undo = "none: run Return to Normal in the other direction"
    settle_seconds = 30

    def observe(self, step: Step) -> Observation:
        noted = step.ledger.get(facts.POINT_OF_NO_RETURN)
        seen = running_at(step, "target")
        return Observation(seen.satisfied and noted is not None, seen.summary, {"served_at": noted})

    def act(self, step: Step, seen: Observation) -> None:
        step.ledger.require(facts.FINAL_STOP)
        step.ledger.require(facts.TABLES_COMPARED)
        step.ledger.require(facts.TO_SOURCE_SCN)
        # Checks that may refuse the start come first: past the point of no return no back-out starts the source again.
        if signs := server_runs(step, "source"):
            raise second_server(step, "source", signs)
        if not step.ledger.has(facts.POINT_OF_NO_RETURN):
            refuse_a_writer(step)
        cross_point_of_no_return(step, lambda: start_server(step, "target"))

    def next_step(self) -> str:
        return (
            "The source no longer serves. Read the server's log at the target, correct the cause, then clear "
            "start_info_mart_server_at_target."
        )


class CheckServerLog(CheckOperator):
    """Search the Info Mart Server's log since its start for alarm messages."""

    guide = "Return to Normal 16 (guide:1122); DR 9 (guide:1050); active-active 2 (guide:407)"

    def observe(self, step: Step) -> Observation:
        path = step.at(self.role).settings.info_mart_server.log_file
        host = step.at(self.role).host("gim")
        if not host.exists(path):
            return Observation(False, f"{path} does not exist on {step.at(self.role).settings.info_mart_server.host}")
        text = server_log(step, self.role)
        alarms = step.topology.info_mart.log_alarms
        found = sorted({f"{mark}: {alarms[mark]}" for line in text.splitlines() for mark in alarms if mark in line})
        if found:
            return Observation(False, f"{path}: {' '.join(found)}")
        return Observation(True, f"{path} has none of {len(alarms)} alarms")

    def next_step(self) -> str:
        return "Follow the messages' instructions, then mark this task as success."


# -- the back-out ----------------------------------------------------------------------------------


#: Facts of the groups of replication to the source, by the role of the site that has the groups.
_OF_GROUPS: dict[SiteRole, tuple[Facts[Any], ...]] = {
    "source": (facts.AFTER_CSN, facts.AFTER_CSN_PASSED),
    "target": (facts.CAPTURE_REGISTERED, facts.CAPTURE_ADDED, facts.CAPTURE_SCN),
}


class ReturnServiceToSource(StepOperator):
    """Let the source serve again, with its scheduler on, after any failure before the point of no return."""

    guide = "not in the guide; the back-out"
    changes = (
        "Application object and Info Mart Server of the source site, when the run ended early; the groups of "
        "replication to the source are removed"
    )
    undo = "none needed"
    settle_seconds = 60
    always = True
    in_report = True

    def __init__(self, **kwargs: Any) -> None:
        # The service is down: an obstacle may be gone at the next try.
        kwargs["retry_policy"] = None
        super().__init__(**kwargs)

    def observe(self, step: Step) -> Observation:
        if not step.holds_lock:
            return Observation(
                True,
                "this run does not hold the lock: it changed nothing, or has already restored the service",
                {NOTHING_DONE: True},
            )
        if (newer := overtaken_by(step)) is not None:
            return Observation(
                True,
                f"{newer} has taken the deployment since; this run may not change the service any more",
                {NOTHING_DONE: True},
            )
        if step.ledger.has(facts.POINT_OF_NO_RETURN):
            target = serving(step, "target")
            if not target.satisfied:
                both = step.topology.architecture == "active-active"
                raise GuardError(
                    f"The plan is past the point of no return and {step.at('target').name} does not serve: "
                    f"{target.summary}.",
                    "Correct the cause and clear the failed step: the server's start, or a job before set_scheduler"
                    + ("." if both else ". Never start the source's server."),
                )
            return Observation(True, f"past the point of no return: the target serves ({target.summary})")
        if not step.ledger.has(facts.SERVER_TOUCHED):
            return Observation(True, "this plan has not touched the Info Mart Server", {NOTHING_DONE: True})
        seen = serving(step, "source")
        left = [
            str(fact)
            for fact in (
                *facts.WHILE_STOPPED,
                facts.TO_TARGET_STOPPED,
                facts.APPLICATION_MOVED,
                facts.SOURCE_JOBS_HELD,
                *(fact.of("to_source") for of_site in _OF_GROUPS.values() for fact in of_site),
            )
            if step.ledger.has(fact)
        ]
        if seen.satisfied and left:
            return Observation(
                False, f"{seen.summary}; left over from a cutover that did not happen: {', '.join(left)}"
            )
        return seen

    def act(self, step: Step, seen: Observation) -> None:
        # The standby of a cutover that did not happen must not be written to: the Replicat stops first.
        for role, name in reversed(groups_of(step, "to_source")):
            try:
                done = step.at(role).ggsci.stop(name, force=True)
                self.log.info("act: %s: %s", step.at(role).name, done.what)
            except InfoMartError as error:
                # The service comes first; a group left running at the new site has no writer behind it.
                self.log.warning("act: %s at %s was not stopped: %s", name, step.at(role).name, error)
        forget_final_stop(step)
        if not serving(step, "source").satisfied:
            self._serve(step)
        step.ledger.forget(facts.APPLICATION_MOVED)
        cut_over = step.ledger.has(facts.TO_TARGET_STOPPED) or self._has_groups(step)
        self._enable_jobs(step)
        self._restart_replication_to_target(step)
        if cut_over:
            self._remove_replication_to_source(step)

    def backs_out(self, step: Step) -> bool:
        return True

    def _enable_jobs(self, step: Step) -> None:
        if not step.ledger.has(facts.SOURCE_JOBS_HELD):
            return
        try:
            for name in schema_jobs.release(step, "source", set()):
                self.log.info("act: the job %s is enabled", name)
            step.ledger.forget(facts.SOURCE_JOBS_HELD)
        except InfoMartError as error:
            # The service comes first.
            self.log.warning("act: the jobs of %s were not enabled at the source: %s", step.schema, error)

    def _serve(self, step: Step) -> None:
        """Point the Application object back and start the server."""
        application = step.at("source").application
        if step.at("source").settings.configuration.backend == "manual":
            moved = move_to(step, "source", scheduler=True)
            instructions = ManualConfiguration().instructions(application, moved)
            if step.ledger.has(facts.APPLICATION_MOVED):
                raise GuardError(
                    f"The Application object may point to {step.at('target').name}, and only a person can change it:\n"
                    f"{instructions}",
                    "THE SERVICE IS DOWN. Do this and start the Info Mart Server by hand now, then clear this task.",
                )
            self.log.warning("A person must make sure of this now:\n%s", instructions)
        else:
            prove_may_serve(step, "source")
            step.at("source").configuration.apply(application, move_to(step, "source", scheduler=True))
        start_server(step, "source")

    def _restart_replication_to_target(self, step: Step) -> None:
        """Let the target follow the source again, so that the cutover can be repeated."""
        if not step.ledger.has(facts.TO_TARGET_STOPPED):
            return
        try:
            for role, name in groups_of(step, "to_target"):
                self.log.info("act: %s: %s", step.at(role).name, step.at(role).ggsci.start(name).what)
            step.ledger.forget(facts.TO_TARGET_STOPPED)
        except InfoMartError as error:
            self.log.warning("act: replication to the target was not started again: %s", error)

    @staticmethod
    def _has_groups(step: Step) -> bool:
        """This plan has added groups of replication to the source, and not removed them yet."""
        return any(step.ledger.has(fact.of("to_source")) for of_site in _OF_GROUPS.values() for fact in of_site)

    def _remove_replication_to_source(self, step: Step) -> None:
        """Remove the groups that the cutover added: an Extract that stays registered keeps the archived logs."""
        folder = f"old-{step.key}-{int(time.time())}"
        for role, of_site in _OF_GROUPS.items():
            try:
                remove_unused(step, [role], "to_target", folder)
            except InfoMartError as error:
                self.log.warning(
                    "act: groups of replication to the source are left at %s; a registered Extract keeps the archived "
                    "logs. Run this task again, or delete and unregister them: %s",
                    step.at(role).name,
                    error,
                )
                continue
            for fact in of_site:
                step.ledger.forget(fact.of("to_source"))
            step.ledger.forget(facts.GGSERR_BEGIN.of(f"to_source:{step.at(role).name}"))

    def verify(self, step: Step) -> Observation:
        return serving(step, "source")

    def finish(self, step: Step, seen: Observation) -> None:
        if step.holds_lock and not step.ledger.has(facts.POINT_OF_NO_RETURN):
            step.ledger.forget(facts.LOADING_STOPPED)

    def next_step(self) -> str:
        return "THE SERVICE IS DOWN. Start the Info Mart Server at the source site by hand now."
