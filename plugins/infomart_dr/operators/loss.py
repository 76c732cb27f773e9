"""The loss of a failover, estimated at the survivor: only reads, and records what a retry needs again."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from infomart_dr.evidence import loss
from infomart_dr.evidence.comparison import INTERVAL
from infomart_dr.evidence.loss import Earlier, Failure, LossEstimate, Moment
from infomart_dr.guards.loss_reading import DAY, FACT_LIMIT, WITH_SECONDS, Base, Facts, Reading
from infomart_dr.operators.base import StepOperator
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation, Step
from infomart_dr.times import moment


class EstimateLoss(StepOperator):
    """Estimate how many calls the failover loses: a lower and an upper bound for each data source.

    Where a surviving IDB can be queried, calls are counted: a call up to the replicated high-water mark that has no
    fact is lost, since nothing is extracted twice. Elsewhere, and for data that ICON could not deliver before the site
    was lost, the estimate is a span of time and a call rate. In an active-active deployment the survivor's own server
    has extracted for itself: what it can no longer extract is lost. An IDB that cannot be queried widens the bounds;
    the run continues. Before the standby is drained every lower bound is 0: the trail may still bring the facts.

    :param moment: ``before`` the gate, once ``drained``, or at the ``end``.
    """

    guide = "Potential Data Loss: guide:325-346 (guide:337, guide:338); active-active: guide:307-313"
    changes = "nothing but the estimate in the plan's ledger"
    under_lock = False

    #: Seconds below the mark in which the step searches the facts for calls.
    WINDOW: ClassVar[int] = DAY

    def __init__(self, *, moment: Moment, **kwargs: Any) -> None:
        kwargs.setdefault("role", "target")
        super().__init__(**kwargs)
        if moment not in ("before", "drained", "end"):
            raise ValueError(f"moment: found {moment!r}; allowed: before, drained, end")
        self.moment: Moment = moment
        self.in_report = moment == "end"

    def observe(self, step: Step) -> Observation:
        made = self._estimate(step)
        report = made.to_markdown()
        details = {
            "lost_low": made.low,
            "lost_high": made.high,
            "report": report,
            "sources": [source.as_dict() for source in made.sources],
            "moment": self.moment,
            "drained": made.drained,
            "failure_from": made.failure.low or None,
            "failure_to": made.failure.high,
            "earlier": [{"moment": e.moment, "lost_low": e.low, "lost_high": e.high} for e in made.earlier],
            "disagreements": made.disagreements(),
        }
        self.log.info("observe: the report:\n%s", report)
        self._note(step, made)
        return Observation(True, made.sentence(), details)

    def _note(self, step: Step, made: LossEstimate) -> None:
        report = made.to_markdown(FACT_LIMIT)
        for fact, value in ((facts.LOSS_SUMMARY.of(self.moment), made.summary()), (facts.LOSS_REPORT, report)):
            step.ledger.forget(fact)
            step.ledger.put_once(fact, value)

    def _estimate(self, step: Step) -> LossEstimate:
        # Recorded before anything is read: the site was lost by then. A retry keeps the first value.
        first_look = step.ledger.put_once(facts.LOSS_FIRST_LOOK, int(time.time()))
        # Not by their roles: a lost site is never queried.
        failed, survivor = step.pair.source, step.pair.target
        reading = Reading(step, failed, survivor, self.WINDOW)
        base = self._base(step, reading.facts)
        reading.ask_last_events()
        failure = failure_of(step, reading.signs(base), first_look)
        states = reading.states(base, failure)
        return loss.estimate(
            self.moment,
            failed,
            survivor,
            failure,
            base.drained,
            states,
            notes=reading.notes(base),
            earlier=self._earlier(step),
            unseen=reading.unseen,
            made_at=int(time.time()),
            own=base.own,
        )

    def _base(self, step: Step, there: Facts) -> Base:
        """Marks and covered spans; once drained, the recorded ones: the survivor's server moves the marks later."""
        proof, noted = step.ledger.get(facts.STANDBY_DRAINED), step.ledger.get(facts.LOSS_MARKS)
        if proof is not None and noted is not None and (base := Base.from_text(noted, proof)) is not None:
            return base
        marks, other = there.marks()
        covered, newest = there.covered(max(marks.values(), default=int(time.time())) - self.WINDOW)
        if newest is not None:
            # Without a trace of the transformation the newest fact must do, with an interval's tolerance.
            covered = {key: newest - INTERVAL for key in marks} | covered
        if step.topology.architecture == "active-active":
            return Base(marks, other, covered, newest, drained=True, own=True)
        served = step.ledger.has(facts.POINT_OF_NO_RETURN)
        if served:
            # The survivor's own extraction: no sign of the lost site, and no proof of what had arrived.
            return Base(marks, other, {}, served=True)
        base = Base(marks, other, covered, newest, there.sign_of_life(), drained=proof is not None)
        if base.drained:
            step.ledger.forget(facts.LOSS_MARKS)
            step.ledger.put_once(facts.LOSS_MARKS, base.to_text(str(proof)))
        return base

    def _earlier(self, step: Step) -> list[Earlier]:
        order = ("before", "drained", "end")
        names = order[: order.index(self.moment)]
        return [Earlier.parse(text) for name in names if (text := step.ledger.get(facts.LOSS_SUMMARY.of(name)))]


def failure_of(step: Step, sign: int | None, first_look: int) -> Failure:
    """The time of the site's loss, by the parameter ``failure_time`` and the signs that were found.

    :raises PermanentError: the parameter is not a time.
    """
    text = str(step.params.get("failure_time") or "").strip()
    given = moment("failure_time", text)
    # A time that is written to the minute is meant to the minute, and may be rounded either way.
    tolerance = 1 if WITH_SECONDS.search(text) else 60
    return loss.failure_between(int(given.timestamp()) if given else None, tolerance, sign, first_look)
