"""The whole way of a call through a server: extracted, transformed, loaded as a fact."""

from __future__ import annotations

from infomart_dr.errors import GuardError
from infomart_dr.evidence.high_water_marks import is_of_calls
from infomart_dr.guards.high_water_marks import high_water_mark_moved
from infomart_dr.guards.server import migration_marks, server_log
from infomart_dr.plan import facts
from infomart_dr.plan.step import Observation, Step
from infomart_dr.times import shown
from infomart_dr.topology import SiteRole

#: Seconds of the interval behind a key of DATE_TIME, and seconds back to which facts are read.
INTERVAL, WINDOW = 900, 86_400


def newest_fact(step: Step, role: SiteRole, moment: int) -> int:
    """End of the newest interaction of a site's Info Mart, as epoch seconds; 0: none of the day before a moment.

    No table of the ETL's own history is as good a proof: a row of INTERACTION_FACT has gone all the way.
    """
    key = moment - moment % INTERVAL - WINDOW
    rows = step.at(role).info_mart.select("fact_newest", {"schema": step.schema}, from_key=key, oldest_key=key)
    return int(rows[0]["end_ts"] or 0) if rows else 0


def calls_extracted(step: Step, role: SiteRole, since: int) -> int:
    """Rows of the tables of calls that a site's server has extracted since a moment."""
    rows = step.at(role).info_mart.select("calls_extracted", {"schema": step.schema}, since_ts=since)
    return sum(int(row["row_count"] or 0) for row in rows if is_of_calls(row))


def loads(step: Step, role: SiteRole, since: int) -> Observation:
    """Probe: since a moment (epoch seconds) the server of a site has extracted, transformed and loaded calls.

    Extraction alone moves the high-water marks, and may go on for days while every transformation fails.

    :raises GuardError: the server reports the migration state, in which it loads nothing.
    """
    seen = _loads(step, role, since)
    started = step.ledger.has(facts.SERVER_LOG_BEGIN)
    if not seen.satisfied and started and (found := migration_marks(server_log(step, role))):
        raise GuardError(
            f"The server at {step.at(role).name} is in the migration state ({', '.join(found)}): it loads nothing.",
            "Run Job_MigrateGIM. Where this procedure has a step for it, clear the check of the migration state "
            "with Downstream.",
        )
    return seen


def _loads(step: Step, role: SiteRole, since: int) -> Observation:
    extracted = high_water_mark_moved(step, role, since)
    if not extracted.satisfied:
        return extracted
    before = step.ledger.get(facts.NEWEST_FACT) if role == "target" else None
    newest = newest_fact(step, role, since)
    if newest > (since if before is None else before):
        return Observation(True, f"{extracted.summary}; calls that ended until {shown(newest)} became facts")
    if calls := calls_extracted(step, role, since):
        return Observation(
            False,
            f"{calls} call(s) were extracted at {step.at(role).name} since the start, and none became a fact: "
            "transformation or loading stands",
        )
    return Observation(True, f"{extracted.summary}; no call was extracted, so none could become a fact")
