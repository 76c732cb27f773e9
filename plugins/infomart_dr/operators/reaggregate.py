"""Re-aggregation with the release's own command line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

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


class RequestReaggregation(StepOperator):
    """Request re-aggregation from 24 hours before the failure until now, or of the interval that the run names."""

    guide = "DR 10a (guide:1053-1057, guide:1064); Return to Normal 19a (guide:1127-1147, guide:1153)"
    changes = "a pending request of RAA in the Info Mart"
    undo = "none needed: aggregating twice gives the same aggregates"

    def window(self, step: Step, now: datetime) -> Any:
        """The interval of this run."""
        params = step.params
        failure = moment("failure_time", str(params.get("failure_time") or "")) or now
        default = ReaggregationWindow.after_failure(failure, now)
        return ReaggregationWindow(
            moment("reaggregate_from", str(params.get("reaggregate_from") or "")) or default.start,
            moment("reaggregate_to", str(params.get("reaggregate_to") or "")) or default.end,
        )

    def observe(self, step: Step) -> Observation:
        return requested(step)

    def act(self, step: Step, seen: Observation) -> None:
        raa, site, name = step.topology.raa, step.at(self.role).settings, step.at(self.role).name
        window = self.window(step, datetime.now(UTC))
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
        step.ledger.put_once(facts.REAGGREGATION_REQUESTED, asked)


class CheckRequested(CheckOperator):
    """Check that the request was made."""

    guide = "DR 10a (guide:1053); Return to Normal 19a (guide:1127)"
    in_report = True

    def observe(self, step: Step) -> Observation:
        return requested(step)

    def next_step(self) -> str:
        return "Clear request_reaggregation with Downstream."
