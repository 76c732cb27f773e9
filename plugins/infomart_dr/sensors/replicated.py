"""Waiting for replication: older transactions end, a marker arrives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from infomart_dr.errors import GuardError, TransientError
from infomart_dr.guards.replication import (
    marker_arrived,
    no_older_transactions,
    replication_now,
    require_start_after_csn,
)
from infomart_dr.hooks.goldengate_parameters import has_tags
from infomart_dr.plan import facts
from infomart_dr.plan.direction import Direction, ends
from infomart_dr.plan.step import Observation, Step
from infomart_dr.sensors.base import StepSensor
from infomart_dr.text import lines
from infomart_dr.times import span


class WaitForOlderTransactions(StepSensor):
    """Wait until no transaction is open that began before the capture: neither export nor trail would have it."""

    guide = "not in the guide; GoldenGate's instantiation"
    probe = staticmethod(no_older_transactions)

    def __init__(self, *, direction: Direction, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.direction = direction

    def arguments(self, step: Step) -> dict[str, Any]:
        return {"direction": self.direction}

    def limit(self, step: Step) -> float:
        return float(step.params.get("open_transaction_minutes") or 240) * 60

    def next_step(self) -> str:
        return "End the named sessions, then clear this task."


class WaitForCatchUp(StepSensor):
    """Write a marker row at the capturing site and wait until the Replicat has applied it at the other site.

    :param moment: part of the marker's id; a marker belongs to one plan and one moment.
    :param added_by: task that adds the Replicat when it is cleared; empty: no task of the DAG does.
    """

    guide = "the proof is a position that has arrived, not a lag"
    also: ClassVar[dict[Direction, str]] = {
        "to_target": "Return to Normal 2, 12 and resynchronisation (guide:1092, guide:1113, guide:1080)",
        "to_source": "Return to Normal 17, 18 (guide:1123-1124)",
    }
    changes = "a row in DR_MARKER; a Replicat that abended is started again"
    undo = "the rows may be deleted when the plan has ended"
    probe = staticmethod(marker_arrived)

    def __init__(self, *, direction: Direction, moment: str, added_by: str = "", **kwargs: Any) -> None:
        if extra := self.also.get(direction):
            self.guide = f"{self.guide}; {extra}"
        super().__init__(**kwargs)
        self.direction: Direction = direction
        self.moment = moment
        self.added_by = added_by

    def marker(self, step: Step) -> str:
        return f"{step.key}-{self.moment}"

    def arguments(self, step: Step) -> dict[str, Any]:
        return {"direction": self.direction, "marker": self.marker(step), "added_by": self.added_by}

    def prepare(self, step: Step) -> None:
        capturing = ends(self.direction)[0]
        goldengate = step.at(capturing).settings.goldengate
        schema = goldengate.schema_name
        # Before 12c the Extract leaves out all that GoldenGate's own user writes, its markers too.
        database = step.at(capturing).goldengate_database if has_tags(goldengate) else step.at(capturing).dba
        if not database.select("marker_get", {"schema": schema}, marker_id=self.marker(step)):
            scn = int(step.at(capturing).dba.value("current_scn"))
            database.execute(
                "marker_put",
                {"schema": schema},
                marker_id=self.marker(step),
                site=step.at(capturing).name,
                scn=scn,
            )
            self.log.info("act: marker %s written at SCN %s", self.marker(step), scn)
        self._restart(step)

    def observe(self, step: Step) -> Observation:
        try:
            return self.ask(step)
        except TransientError as error:
            if not self._abended(step):
                raise
            # The probe stops at it; act starts it again.
            return Observation(False, error.what)

    def _abended(self, step: Step) -> bool:
        """The Replicat that this plan has started is ABENDED."""
        if not step.ledger.has(facts.AFTER_CSN.of(self.direction)):
            return False
        applying = step.at(ends(self.direction)[1])
        return applying.ggsci.status(applying.settings.goldengate.groups.replicat) == "ABENDED"

    def _restart(self, step: Step) -> None:
        """Start an ABENDED Replicat again, once for each try. AUTORESTART would leave out the CSN."""
        if not self._abended(step):
            return
        csn = step.ledger.require(facts.AFTER_CSN.of(self.direction))
        # A start by a person or the manager may have led to the abend: another start would hide it.
        require_start_after_csn(step, self.direction, csn)
        applying = step.at(ends(self.direction)[1])
        name = applying.settings.goldengate.groups.replicat
        self.log.info("act: %s", applying.ggsci.start(name, after_csn=csn).what)
        applying.ggsci.wait_running(name)

    def finish(self, step: Step, seen: Observation) -> None:
        """The marker lies behind the CSN of the Replicat's first start: that start counts, unless another followed."""
        csn = step.ledger.get(facts.AFTER_CSN.of(self.direction))
        if csn is not None and not step.ledger.has(facts.AFTER_CSN_PASSED.of(self.direction)):
            require_start_after_csn(step, self.direction, csn, proven=True)
            step.ledger.put_once(facts.AFTER_CSN_PASSED.of(self.direction), True)

    def next_step(self) -> str:
        return "Check the reports of the groups and the link between the sites, then clear this task."


class WaitForFinalCatchUp(WaitForCatchUp):
    """After the writers have stopped: record the SCN, write the marker after it, and wait until it is applied."""

    def prepare(self, step: Step) -> None:
        step.ledger.require(facts.FINAL_STOP)
        scn = step.ledger.put_once(facts.NOTED_SCN, int(step.at("source").dba.value("current_scn")))
        self.log.info("observe: SCN %s recorded after the writers stopped", scn)
        super().prepare(step)

    def limit(self, step: Step) -> float:
        # From the stop on, over all tries: nobody is served meanwhile.
        end = step.ledger.require(facts.FINAL_STOP) + step.topology.timeouts.final_catch_up
        return max(end - time.time(), 0)

    def observe(self, step: Step) -> Observation:
        with self._no_retry_after_the_limit(step):
            return super().observe(step)

    def take(self, step: Step, event: dict[str, Any]) -> Observation | None:
        with self._no_retry_after_the_limit(step):
            return super().take(step, event)

    @contextmanager
    def _no_retry_after_the_limit(self, step: Step) -> Iterator[None]:
        """Let an error stop the run once the limit has passed, so that the service returns to the source."""
        try:
            yield
        except TransientError as error:
            if not step.ledger.has(facts.FINAL_STOP) or self.limit(step) > 0:
                raise
            raise GuardError(
                f"The last changes of {step.at('source').name} did not arrive within "
                f"{span(step.topology.timeouts.final_catch_up)} after the stop: {error.what}",
                self.next_step(),
            ) from error

    def marker(self, step: Step) -> str:
        # When the source has served meanwhile, earlier markers prove nothing: the id has the time of the stop.
        return f"{step.key}-{self.moment}-{step.ledger.require(facts.FINAL_STOP)}"


class ProveTargetFollows(WaitForCatchUp):
    """Prove once more, after the gate and before anything stops, that a change reaches the target.

    An answer at the gate may come days after the catch-up. Each try writes a marker of its own.
    """

    guide = "not in the guide; a person may have answered the gate long after the catch-up"
    also: ClassVar[dict[Direction, str]] = {}
    undo = "nothing has been stopped"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(direction="to_target", moment="recheck", **kwargs)
        self._tried = 0

    def marker(self, step: Step) -> str:
        return f"{step.key}-{self.moment}-{self._tried}"

    def limit(self, step: Step) -> float:
        return step.topology.timeouts.gate_recheck

    def observe(self, step: Step) -> Observation:
        return Observation(False, f"whether {step.at('target').name} follows is proven anew")

    def act(self, step: Step, seen: Observation) -> Observation | None:
        self._tried = int(time.time())
        return super().act(step, seen)

    def collect(self, step: Step, event: dict[str, Any]) -> Observation | None:
        if event["state"] == "timeout":
            source, target = step.at("source").name, step.at("target").name
            raise GuardError(
                f"No change of {source} has reached {target} within {span(self.limit(step))}. The Info Mart Server at "
                f"{source} still runs; nothing was stopped.{lines(replication_now(step, self.direction))}\n"
                f"{event['summary']}",
                self.next_step(),
            )
        return super().collect(step, event)

    def next_step(self) -> str:
        return "Correct the link or the group that stands, then clear this task with Downstream."
