"""How long the link to a lost site has been out, by the state that watching keeps at the survivor."""

from __future__ import annotations

import time

from infomart_dr.errors import InfoMartError
from infomart_dr.evidence.watch_store import WatchStore
from infomart_dr.evidence.watching import State
from infomart_dr.plan.step import Step
from infomart_dr.times import shown, span

#: Seconds after which the newest survey is an old one.
_OLD = 900.0


def watched(step: Step) -> State:
    """The state of watching at the survivor; empty where nothing has watched, or its database does not answer."""
    schema = step.at("target").settings.goldengate.schema_name
    try:
        with step.at("target").goldengate_database.transaction() as session:
            return WatchStore(schema, step.topology.name).read(session).state
    except InfoMartError:
        return State()


def outage(state: State, lost: str, survivor: str, threshold: float, now: float) -> str:
    """The outage and the time that is left before data is given up, in Markdown.

    :param threshold: ``extract-data-stuck-threshold`` in seconds.
    """
    rule = (
        f"An outage of the network alone loses nothing until extract-data-stuck-threshold ({span(threshold)}) is over"
    )
    seen = [at for link in (f"{lost}-{survivor}", f"{survivor}-{lost}") if (at := state.links.get(link)) is not None]
    if not seen:
        return f"**Link to {lost}:** infomart_watch has never found it up, so the time is unknown. {rule}."
    up = max(seen)
    left = threshold - (now - up)
    said = f"**Link to {lost}:** last found up at {shown(up)}, {span(now - up)} ago"
    if now - state.at > _OLD:
        said += f" (infomart_watch has not looked since {shown(state.at)})"
    if left > 0:
        return f"{said}. {rule}: {span(left)} are left, until {shown(up + threshold)}."
    return f"{said}. {rule}: it has been over since {shown(up + threshold)}."


def link_out(step: Step) -> str:
    """For the gate of a failover."""
    threshold = step.topology.info_mart.stuck_threshold
    return outage(watched(step), step.at("source").name, step.at("target").name, threshold, time.time())
