"""Failover: the lost site is proven dead, the standby is drained, and the survivor takes over.

In a failover the source is the lost site and the target the survivor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from infomart_dr.errors import GuardError, InfoMartError, TransientError
from infomart_dr.guards import fencing
from infomart_dr.guards.admission import admission_faults
from infomart_dr.guards.application import configured, option, survivor_changes
from infomart_dr.guards.excluded_tables import partitions
from infomart_dr.guards.fencing import Place
from infomart_dr.guards.link import link_out
from infomart_dr.guards.prerequisites import database_faults, deployment_faults
from infomart_dr.guards.privileges import privilege_faults
from infomart_dr.guards.replication import (
    foreign_groups,
    is_cut_off,
    is_up,
    newest_trail_file,
    replicat_at_trail_end,
    trail_end,
)
from infomart_dr.guards.sequences import Sequence, outermost_key, sequences_of
from infomart_dr.guards.server import log_size, running_at
from infomart_dr.hooks.configuration import Change
from infomart_dr.hooks.goldengate_parameters import one_transaction_at_a_time, version
from infomart_dr.operators.admission import lost_sites, refuse
from infomart_dr.operators.base import CheckOperator, StepOperator
from infomart_dr.operators.configuration import UNDONE_BY_RETURN_STANDBY, ConfigurationOperator
from infomart_dr.operators.human import Gate
from infomart_dr.operators.removal import keep_definition, put_aside
from infomart_dr.operators.server import cross_point_of_no_return
from infomart_dr.plan import facts
from infomart_dr.plan.facts import Fact
from infomart_dr.plan.step import Observation, Step
from infomart_dr.statements import sequence_options, sequence_restart
from infomart_dr.text import cut, sorted_names
from infomart_dr.times import shown
from infomart_dr.topology import Role, SiteRole

#: The next step after a run that its back-out has undone.
AGAIN = "then start the failover again, or clear check_already_done with Downstream: the back-out has undone the rest."

#: Seconds until a Replicat that was started has written into its new report.
REPORT_SECONDS = 60


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
    with_reason = True
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
        if trail := step.ledger.get(facts.TRAIL_REPORT):
            lines += ["", f"**GoldenGate at {step.at('target').name}:** {trail}."]
        lines += ["", link_out(step)]
        if survivor := step.ledger.get(facts.SURVIVOR_REPORT):
            lines += ["", f"**The survivor:** {survivor.rstrip('.')}."]
        return "\n".join(lines) + f"\n\n{loss}"

    def refused(self, step: Step) -> None:
        # The site is not confirmed as lost: a later estimate of the loss starts over.
        step.ledger.forget(facts.LOSS_FIRST_LOOK)

    def accepted(self, step: Step, who: str) -> None:
        step.ledger.put_once(facts.SITE_FAILURE_CONFIRMED, f"{who} at {shown(time.time())}")


# -- the standby is drained ------------------------------------------------------------------------


class ReadTrailEnd(CheckOperator):
    """Read the end of the trail and the position of the survivor's Replicat, for the gate and for later comparisons."""

    guide = "not in the guide"
    changes = "rows of the plan's ledger"

    def observe(self, step: Step) -> Observation:
        try:
            report = replicat_at_trail_end(step).summary
        except TransientError as error:
            # A person may still correct it; wait_for_trail_end decides.
            report = str(error).rstrip(".")
        see_trail_end(step)
        step.ledger.forget(facts.TRAIL_REPORT)
        step.ledger.put_once(facts.TRAIL_REPORT, report[:1000])
        return Observation(True, report)


class CheckSurvivor(CheckOperator):
    """Check the survivor's own prerequisites, for the gate. It never stops a failover: what is missing is a warning."""

    guide = "Deployment Prerequisites (guide:573-583), of the survivor; DR 8 (guide:1046)"
    changes = "a row in the plan's ledger"

    def observe(self, step: Step) -> Observation:
        name, found = step.at("target").name, list[str]()
        for subject, ask in self._questions(step):
            try:
                found += ask()
            except InfoMartError as error:
                found.append(f"{subject} could not be checked: {error.what}")
        report = f"{name}: {'; '.join(found)}" if found else f"{name} lacks nothing that can be checked now"
        step.ledger.forget(facts.SURVIVOR_REPORT)
        step.ledger.put_once(facts.SURVIVOR_REPORT, cut(report, 3900))
        return Observation(True, report, {"warnings": found})

    @staticmethod
    def _questions(step: Step) -> list[tuple[str, Callable[[], list[str]]]]:
        def privileges() -> list[str]:
            return [str(fault) for fault in privilege_faults(step, "target", copies=False)]

        def admission() -> list[str]:
            return [str(fault) for fault in admission_faults(step, "target", lost_sites(step, "target"))]

        if step.topology.architecture == "active-active":
            return [("privileges", privileges)]
        return [
            ("the software of the server", lambda: list(deployment_faults(step, "target"))),
            ("settings of the database", lambda: list(database_faults(step, "target"))),
            ("privileges", privileges),
            ("the refusal of the lost site's server", admission),
            ("partitions", lambda: [partitions(step, "target").sentence()]),
        ]


def see_trail_end(step: Step) -> tuple[str, int]:
    """The end of the trail now, and since when it has not moved as far as this plan has seen."""
    now, before = trail_end(step), step.ledger.get(facts.TRAIL_SEEN)
    if before is None or before["end"] != now:
        step.ledger.forget(facts.TRAIL_SEEN)
        before = step.ledger.put_once(facts.TRAIL_SEEN, {"end": now, "since": int(time.time())})
    return now, int(before["since"])


def apply_one_by_one(step: Step) -> None:
    """Let a Replicat that is ABENDED at a cut record commit each complete transaction before it by itself.

    A Replicat groups transactions: with the unfinished one it rolls back complete ones.
    """
    cut = is_cut_off(step)
    if cut is None:
        return
    ggsci, goldengate = step.at("target").ggsci, step.at("target").settings.goldengate
    name, host = goldengate.groups.replicat, step.at("target").host()
    path = parameter_file(step)
    text = host.read_file(path)
    if one_transaction_at_a_time(text) != text:
        host.write_file(f"{path}.before-{step.key}", text)
        host.write_file(path, one_transaction_at_a_time(text))
    # Recorded first: the back-out then restores the file.
    step.ledger.put_once(facts.STANDBY_TOUCHED, int(time.time()))
    before = ggsci.view_report(name)
    ggsci.start_manager()
    ggsci.start(name)
    deadline = time.monotonic() + REPORT_SECONDS
    while ggsci.view_report(name) == before:
        if time.monotonic() > deadline:
            raise TransientError(f"{name} was started and writes no report.", "Read ggserr.log at the survivor.")
        time.sleep(1)
    step.ledger.put_once(facts.CUT_TRAIL, cut[:1000])


def parameter_file(step: Step) -> str:
    """Path of the parameter file of the survivor's Replicat."""
    goldengate = step.at("target").settings.goldengate
    return f"{goldengate.home}/dirprm/{goldengate.groups.replicat.lower()}.prm"


class StopGoldenGate(StepOperator):
    """Stop GoldenGate at the survivor at the proven end of the trail.

    A collector outlives the manager: the proof that nothing arrives is a trail that does not grow.
    """

    guide = "DR 1 (guide:1025)"
    changes = "Replicat and manager of the survivor are stopped; the manager stays where other groups need it"
    undo = "the back-out return_standby starts them again before the point of no return"
    #: Seconds for which the trail must not have grown.
    QUIET_SECONDS: ClassVar[float] = 30
    #: Seconds for which a normal stop may take; a Replicat before a transaction without an end may wait for it.
    STOP_SECONDS: ClassVar[float] = 30

    def _manager_is_ours(self, step: Step) -> bool:
        return not foreign_groups(step, "target")

    def observe(self, step: Step) -> Observation:
        ggsci, groups = step.at("target").ggsci, step.at("target").settings.goldengate.groups
        running = [name for name in (groups.replicat, groups.pump, groups.extract) if is_up(ggsci.status(name))]
        if ggsci.manager_status() and self._manager_is_ours(step):
            running.append("manager")
        noted = step.ledger.get(facts.STANDBY_DRAINED)
        what = (
            f"still running at {step.at('target').name}: {', '.join(running)}" if running else "GoldenGate is stopped"
        )
        return Observation(not running and noted is not None, what, {"drained_to": noted})

    def act(self, step: Step, seen: Observation) -> None:
        ggsci, groups = step.at("target").ggsci, step.at("target").settings.goldengate.groups
        ours = self._manager_is_ours(step)
        # The proof holds while nothing can have arrived since.
        if not step.ledger.has(facts.STANDBY_DRAINED) or (
            ggsci.manager_status() if ours else has_grown(step) is not None
        ):
            self._drain(step, stop_manager=ours)
        for name in (groups.replicat, groups.pump, groups.extract):
            if is_up(ggsci.status(name)):
                self._stop(step, name)

    def _drain(self, step: Step, *, stop_manager: bool) -> None:
        """Prove that the trail has an end, and that the Replicat has committed everything before it."""
        step.ledger.forget(facts.STANDBY_DRAINED)
        drained = replicat_at_trail_end(step)
        if not drained.satisfied:
            raise GuardError(
                f"The standby is not drained: {drained.summary}.",
                f"Wait until it is drained; {AGAIN}",
            )
        # Recorded first: the back-out must know that it has to start GoldenGate again.
        step.ledger.put_once(facts.STANDBY_TOUCHED, int(time.time()))
        ggsci = step.at("target").ggsci
        if stop_manager:
            self.log.info("act: %s", ggsci.stop_manager().what)
        else:
            self.log.info("act: the manager stays: %s need it", sorted_names(foreign_groups(step, "target")))
        self._wait_until_quiet(step)
        after = replicat_at_trail_end(step)
        if not after.satisfied:
            ggsci.start_manager()
            raise TransientError(f"More has arrived: {after.summary}.", "The retry waits until it is applied.")
        # Before the Replicat stops: a stopped one no longer shows that its rows are committed.
        step.ledger.put_once(facts.STANDBY_DRAINED, after.summary[:1000])

    def _wait_until_quiet(self, step: Step) -> None:
        """Wait until the trail has not grown for long enough."""
        first, since = see_trail_end(step)
        while time.time() - since < self.QUIET_SECONDS:
            time.sleep(min(1.0, self.QUIET_SECONDS))
            now, since = see_trail_end(step)
            if now != first:
                step.at("target").ggsci.start_manager()
                raise TransientError(
                    f"More has arrived: the trail grew from {first} to {now} after the manager's stop.",
                    "The lost site still sends, so it may be alive: check it. The retry waits until all is applied.",
                )

    def _stop(self, step: Step, name: str) -> None:
        ggsci = step.at("target").ggsci
        try:
            self.log.info("act: %s", ggsci.stop(name, timeout=self.STOP_SECONDS).what)
        except TransientError:
            if name != step.at("target").settings.goldengate.groups.replicat:
                raise
            # A transaction without an end. The complete ones are committed, which is proven once more.
            again = replicat_at_trail_end(step)
            if not again.satisfied:
                raise
            self.log.info("act: %s", ggsci.stop(name, at_once=True).what)


def has_grown(step: Step) -> str | None:
    """The trail has grown since the standby was drained; the sentence, else None."""
    seen, now = step.ledger.get(facts.TRAIL_SEEN), trail_end(step)
    if seen is None or seen["end"] == now:
        return None
    return f"The trail at {step.at('target').name} has grown from {seen['end']} to {now} since it was drained"


def fence_survivor(step: Step) -> None:
    """Make sure that no change of the lost site can reach the survivor any more.

    A stopped manager and Replicat may be started again by a reboot, by AUTOSTART or by a person.
    """
    goldengate = step.at("target").settings.goldengate
    ggsci, name, folder = step.at("target").ggsci, goldengate.groups.replicat, f"old-{step.key}"
    if ggsci.info(name) is not None:
        keep_definition(step, "target", name, folder)
        ggsci.stop(name)
        ggsci.delete_group(name)
    put_aside(step, "target", goldengate.trails.all_arriving, [name], folder)
    if (info := ggsci.info(name)) is not None:
        raise GuardError(
            f"{name} exists again at {step.at('target').name}, {info.status}: it would write to the serving Info Mart.",
            f"Find out who adds it. STOP REPLICAT {name}, DELETE REPLICAT {name}, then clear this task.",
        )
    if newest_trail_file(step) is not None:
        raise GuardError(
            f"A trail arrives at {step.at('target').name} again: {trail_end(step)}. The lost site still sends.",
            "Make sure that the lost site is down, and its Manager too; then clear this task.",
        )
    step.ledger.put_once(facts.SURVIVOR_FENCED, int(time.time()))


class RaiseSequences(StepOperator):
    """Raise sequences of the survivor that may give out a key in use: their last values may not have arrived.

    A sequence keeps its grants: it is altered, never dropped.
    """

    guide = "not in the guide"
    changes = "ALTER SEQUENCE ... RESTART of the named sequences; before 18c a value taken with a larger INCREMENT BY"
    undo = "none needed: keys may have gaps"
    #: Keys skipped above the highest one in use.
    MARGIN: ClassVar[int] = 1000

    def low(self, step: Step) -> dict[str, tuple[Sequence, int]]:
        """Sequences that are too low, each with the outermost key in use."""
        sequences, found = sequences_of(step, "target"), {}
        for name, key in sorted(step.topology.info_mart.sequence_keys.items()):
            sequence = sequences.get(name)
            if sequence is None:
                raise GuardError(
                    f"Sequence {name} of {key} is missing at {step.at('target').name}.",
                    f"Create it above the highest {key}; {AGAIN}",
                )
            outermost = None if sequence.cycles else outermost_key(step, sequence, key)
            if outermost is not None and sequence.lowest_next * sequence.sign <= outermost * sequence.sign:
                found[name] = (sequence, outermost)
        return found

    def observe(self, step: Step) -> Observation:
        left = [fact.name.partition(":")[2] for fact, _ in step.ledger.all().of(facts.SEQUENCE_RAISED)]
        if left:
            return Observation(False, f"with another increment, from an interrupted try: {sorted_names(left)}")
        low = self.low(step)
        if low:
            shown_ = [f"{name} ({key})" for name, (_, key) in low.items()]
            return Observation(False, f"at or below the keys in use, with what may be cached: {sorted_names(shown_)}")
        keyed, all_ = len(step.topology.info_mart.sequence_keys), len(sequences_of(step, "target"))
        return Observation(
            True,
            f"{keyed} of {all_} sequences have a key column (sequence_keys), and lie above every key in use",
            {"with_keys": keyed, "sequences": all_},
        )

    def act(self, step: Step, seen: Observation) -> None:
        step.ledger.require(facts.STANDBY_DRAINED)
        for fact, before in step.ledger.all().of(facts.SEQUENCE_RAISED):
            self._restore(step, fact, before)
        for name, (sequence, outermost) in self.low(step).items():
            # Also above the values that may be cached, so that the proof need not drop them again.
            far = (self.MARGIN + sequence.cache * abs(sequence.increment)) * sequence.sign
            start = max(sequence.last * sequence.sign, (outermost + far) * sequence.sign) * sequence.sign
            if version(step.at("target").settings.database.release) >= (18,):
                step.at("target").info_mart.run_text(sequence_restart(step.schema, name, start))
            else:
                self._step_to(step, sequence, start)
            self.log.info("act: %s continues with %s", name, start)

    def _step_to(self, step: Step, sequence: Sequence, start: int) -> None:
        """Take one value with another increment; RESTART exists from 18c on."""
        names = {"schema": step.schema, "sequence": sequence.name}
        owner, fact = step.at("target").info_mart, facts.SEQUENCE_RAISED.of(sequence.name)
        before = {"increment": sequence.increment, "cache": sequence.cache}
        # Recorded first: a try that is interrupted would leave the large increment.
        before = step.ledger.put_once(fact, before)
        taken = int(owner.value("next_value", names))
        distance = start - sequence.increment - taken
        if distance * sequence.sign > 0:
            owner.run_text(sequence_options(step.schema, sequence.name, cache=0, increment=distance))
            owner.value("next_value", names)
        self._restore(step, fact, before)

    @staticmethod
    def _restore(step: Step, fact: Fact[Any], before: Mapping[str, Any]) -> None:
        name = fact.name.partition(":")[2]
        options = sequence_options(step.schema, name, cache=before["cache"], increment=before["increment"])
        step.at("target").info_mart.run_text(options)
        step.ledger.forget(fact)


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
    """Start the Info Mart Server at the survivor: the point of no return.

    Before the start the survivor's Replicat is deleted and its trail put aside, and the survivor's database refuses the
    Info Mart Server of the lost site, so that a lost site that comes back cannot write.
    """

    guide = "DR 6 (guide:1039)"
    changes = (
        "the Replicat of the survivor is deleted; its definition and its trail are kept in dirdat/old-<plan>; a logon "
        "trigger, DR_LOST_SITE_<schema> of the DBA's user, refuses the server of the lost site. The survivor serves; "
        "from here only a return to normal goes back"
    )
    undo = "none: run infomart_return_to_normal once there is a new site"
    settle_seconds = 30

    def observe(self, step: Step) -> Observation:
        noted = step.ledger.get(facts.POINT_OF_NO_RETURN)
        fenced = step.ledger.has(facts.SURVIVOR_FENCED)
        seen = running_at(step, "target")
        return Observation(seen.satisfied and noted is not None and fenced, seen.summary, {"served_at": noted})

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
        if not step.ledger.has(facts.POINT_OF_NO_RETURN):
            self._check_goldengate(step)
        cross_point_of_no_return(step, lambda: self._fence_and_start(step))

    @staticmethod
    def _check_goldengate(step: Step) -> None:
        """Refuse before anything is deleted, as long as the back-out can still make the survivor a standby."""
        name = step.at("target").settings.goldengate.groups.replicat
        if is_up(step.at("target").ggsci.status(name)):
            raise GuardError(
                f"{name} runs again at {step.at('target').name}: it would write to the serving Info Mart.",
                f"Find out who started it; {AGAIN}",
            )
        if grown := has_grown(step):
            raise GuardError(
                f"{grown}. A pump still sends, so {step.at('source').name} is alive.", f"Check both sites; {AGAIN}"
            )

    def _fence_and_start(self, step: Step) -> None:
        # Until here nothing is deleted: the back-out needs the Replicat and its trail.
        fence_survivor(step)
        self.log.info("act: %s", refuse(step, "target", lost_sites(step, "target")))
        step.at("target").management_layer.start(step.at("target").application_dbid)

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
        return "Read the server's log at the survivor, correct the cause, then clear start_info_mart_server."


# -- the back-out ----------------------------------------------------------------------------------


#: Facts that end when the survivor is a standby again. The last one tells the back-out that it has work.
UNTIL_STANDBY_AGAIN: tuple[Fact[Any], ...] = (
    facts.AGGREGATION_DISABLED,
    facts.LOSS_FIRST_LOOK,
    facts.STANDBY_DRAINED,
    facts.TRAIL_SEEN,
    facts.CUT_TRAIL,
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
        self._parameter_file(step)
        ggsci, name = step.at("target").ggsci, step.at("target").settings.goldengate.groups.replicat
        self.log.info("act: %s", ggsci.start_manager().what)
        if ggsci.info(name) is not None:
            self.log.info("act: %s", ggsci.start(name).what)
        for fact in UNTIL_STANDBY_AGAIN:
            step.ledger.forget(fact)

    def backs_out(self, step: Step) -> bool:
        return not step.ledger.has(facts.POINT_OF_NO_RETURN)

    def _parameter_file(self, step: Step) -> None:
        """Let the Replicat group transactions again, where this plan has changed that."""
        host, path = step.at("target").host(), parameter_file(step)
        before = f"{path}.before-{step.key}"
        if step.ledger.has(facts.CUT_TRAIL) and host.exists(before):
            host.write_file(path, host.read_file(before))

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
        return Observation(True, f"set in the topology file now: {lines}", {"roles": wanted, "left": bool(left)})

    def finish(self, step: Step, seen: Observation) -> None:
        if seen.details.get("left"):
            self.log.warning("Next: %s. Until then nobody watches the sites in their new roles.", seen.summary)
