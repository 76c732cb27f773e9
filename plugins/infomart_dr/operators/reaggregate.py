"""Re-aggregation with the release's own command line."""

from __future__ import annotations

from datetime import UTC, datetime

from infomart_dr.errors import GuardError
from infomart_dr.evidence.loss import Earlier
from infomart_dr.hooks.connections import connection
from infomart_dr.hooks.raa import Reaggregation, ReaggregationWindow, jdbc_url, uses_labels
from infomart_dr.operators.base import CheckOperator, StepOperator
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation, Step
from infomart_dr.times import moment, shown


def requested(step: Step) -> Observation:
    """This plan has made its request, or the topology has no RAA."""
    if not step.topology.raa.enabled:
        return Observation(True, "the topology has no RAA")
    noted = step.ledger.get(facts.REAGGREGATION_REQUESTED)
    return Observation(noted is not None, f"requested: {noted}" if noted else "re-aggregation is not requested")


def known_failure(step: Step) -> tuple[datetime, str]:
    """The time of the failure, or of the planned stop, and how this run knows it.

    :raises GuardError: neither the run's parameters nor the plan's facts say it.
    """
    if (given := moment("failure_time", str(step.params.get("failure_time") or ""))) is not None:
        return given, "failure_time of this run"
    recorded = step.ledger.all()
    estimates = [Earlier.parse(text).failure for _, text in recorded.of(facts.LOSS_SUMMARY)]
    # After the draining, and more so at the end, the survivor's own data hides the last sign of the lost site.
    if signs := [low for low, _ in estimates if low]:
        return datetime.fromtimestamp(min(signs), UTC), "last sign of life of the lost site, by the loss estimate"
    if (first := recorded.get(facts.LOSS_FIRST_LOOK)) is not None:
        asked = [step.run_after.timestamp()] if step.run_after is not None else []
        return (
            datetime.fromtimestamp(int(min([first, *asked])), UTC),
            "the run's request; the lost site has left no sign of life, so it may have failed earlier",
        )
    if (stopped := recorded.get(facts.FINAL_STOP)) is not None:
        return datetime.fromtimestamp(stopped, UTC), "stop of the Info Mart Server at the source, a planned move"
    raise GuardError(
        "The time of the failure is unknown: failure_time and reaggregate_from are empty, and the plan has no fact "
        "about it.",
        "Start a new run with failure_time or reaggregate_from.",
    )


class RequestReaggregation(StepOperator):
    """Request re-aggregation from 24 hours before the failure until now, or of the interval that the run names."""

    guide = "DR 10a (guide:1053-1057, guide:1064); Return to Normal 19a (guide:1127-1147, guide:1153)"
    changes = "a pending request of RAA in the Info Mart"
    undo = "none needed: aggregating twice gives the same aggregates"

    def window(self, step: Step, now: datetime) -> tuple[ReaggregationWindow, str]:
        """The interval of this run, and where its start comes from."""
        params = step.params
        start = moment("reaggregate_from", str(params.get("reaggregate_from") or ""))
        end = moment("reaggregate_to", str(params.get("reaggregate_to") or "")) or now
        if start is not None:
            return ReaggregationWindow(start, end), "reaggregate_from of this run"
        failure, source = known_failure(step)
        default = ReaggregationWindow.after_failure(failure, now)
        return ReaggregationWindow(default.start, end), f"24 h before {shown(failure)}: {source}"

    def observe(self, step: Step) -> Observation:
        return requested(step)

    def act(self, step: Step, seen: Observation) -> None:
        raa, site, name = step.topology.raa, step.at(self.role).settings, step.at(self.role).name
        window, source = self.window(step, datetime.now(UTC))
        self.log.info("act: the interval begins at %s (%s)", shown(window.start), source)
        if uses_labels(raa.release):
            start, end = window.labels(step.at(self.role).info_mart, step.schema)
            asked = f"{start} to {end}"
        else:
            start, end = window.epochs()
            asked = f"{shown(window.start)} to {shown(window.end)}"
        login = connection(site.database.info_mart_connection)
        url = raa.jdbc_url.get(name) or jdbc_url(login.host, int(login.port or 1521), site.database.service)
        printed = Reaggregation(step.at(self.role).host("gim"), raa, site.info_mart_server.root).insert(
            url, login.login, login.password, start, end, job_id=f"{step.key}-reaggregate"
        )
        self.log.info("act: GIMAgg: %s", printed or "(no output)")
        step.ledger.put_once(facts.REAGGREGATION_REQUESTED, f"{asked} ({source})")


class CheckRequested(CheckOperator):
    """Check that the request was made."""

    guide = "DR 10a (guide:1053); Return to Normal 19a (guide:1127)"
    in_report = True

    def observe(self, step: Step) -> Observation:
        return requested(step)

    def next_step(self) -> str:
        return "Read the log of request_reaggregation, correct the cause, then clear this task."
