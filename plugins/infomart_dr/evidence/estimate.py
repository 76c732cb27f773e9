"""The duration of a procedure, from the rates of earlier runs, or from assumed rates with wide bounds.

Pure functions. An estimate is always two numbers: the duration lies between them, and nobody knows where.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from infomart_dr.plan import facts
from infomart_dr.plan.facts import Fact
from infomart_dr.times import span

Phase = Literal["export", "transfer", "import"]
PHASES: tuple[Phase, ...] = ("export", "transfer", "import")

MEGABYTE = 1_000_000
#: Bytes of the schema a second, slowest and fastest, without a measured run: Data Pump with two workers on anything
#: from one old disk to a flash array; a transfer of a compressed or uncompressed set over 100 Mbit/s to 10 Gbit/s.
ASSUMED_RATES: dict[Phase, tuple[float, float]] = {
    "export": (15 * MEGABYTE, 300 * MEGABYTE),
    "transfer": (10 * MEGABYTE, 800 * MEGABYTE),
    "import": (5 * MEGABYTE, 150 * MEGABYTE),
}
#: Seconds that a phase takes for even the smallest schema.
ASSUMED_BEGIN: dict[Phase, tuple[float, float]] = {"export": (5, 120), "transfer": (1, 60), "import": (5, 300)}
#: Bytes of redo a second that a Replicat applies.
ASSUMED_APPLY = (5 * MEGABYTE, 50 * MEGABYTE)
#: Bytes of the schema a second that the comparison of all tables reads.
ASSUMED_COMPARE = (30 * MEGABYTE, 500 * MEGABYTE)
#: Seconds for stop, configuration and start of an Info Mart Server: without and with a wait for running ETL jobs.
ASSUMED_SWITCH = (60.0, 1800.0)
#: Seconds of a failover without waits for people: the standby is drained, configured and started.
ASSUMED_FAILOVER = (120.0, 3600.0)
#: Factor, up and down, by which a measured rate may be wrong: load and network differ from day to day.
MARGIN = 1.5


@dataclass(frozen=True)
class Span:
    """A duration in seconds between two bounds, and its basis.

    :param high: infinite where it may never end.
    """

    low: float
    high: float
    basis: str = "assumed"

    def __add__(self, other: Span) -> Span:
        basis = self.basis if self.basis == other.basis else "partly assumed"
        return Span(self.low + other.low, self.high + other.high, basis)

    def text(self) -> str:
        """For people."""
        return f"{span(self.low)} to {span(self.high)} ({self.basis})"


@dataclass(frozen=True)
class Measured:
    """The durations of an earlier run.

    :param size: bytes of the schema at that time.
    :param seconds: by phase, for the recorded phases.
    :param outage: seconds from the final stop to the start at the other site.
    """

    size: int
    seconds: Mapping[Phase, float]
    outage: float | None = None
    #: Seconds of a failover from the answer at the gate to the start at the survivor.
    failover: float | None = None


@dataclass(frozen=True)
class Estimate:
    """Durations of the parts of a procedure that copies, and of its outages."""

    export: Span
    transfer: Span
    load: Span
    catch_up: Span
    #: The server is stopped while the export runs.
    export_outage: Span
    #: Final stop, last catch-up, comparison, configuration and start.
    cutover_outage: Span
    failover_outage: Span

    @property
    def copy(self) -> Span:
        """Time from the SCN until the Replicat may start, during which trails and archived redo are kept."""
        return self.export + self.transfer + self.load


def per_second(row: Mapping[str, Any]) -> float:
    """A rate, from the bytes written and the seconds of the writing."""
    seconds = float(row["seconds"] or 0)
    return float(row["bytes"] or 0) / seconds if seconds > 0 else 0.0


def _phase(phase: Phase, size: int, runs: Sequence[Measured]) -> Span:
    measured = [(run.size, run.seconds[phase]) for run in runs if run.size > 0 and run.seconds.get(phase, 0) > 0]
    if measured:
        # The fixed part of the time is unknown: a smaller schema counts as no slower, and a larger one as no faster.
        times = [seconds * max(size / before, 1.0) for before, seconds in measured]
        shrunk = [seconds * min(size / before, 1.0) for before, seconds in measured]
        return Span(min(shrunk) / MARGIN, max(times) * MARGIN, f"measured in {len(measured)} run(s)")
    (slow, fast), (soonest, latest) = ASSUMED_RATES[phase], ASSUMED_BEGIN[phase]
    return Span(soonest + size / fast, latest + size / slow)


def _measured(seconds: Sequence[float | None]) -> Span | None:
    """The span of some measured durations; None: none was measured."""
    known = [value for value in seconds if value]
    if not known:
        return None
    return Span(min(known) / MARGIN, max(known) * MARGIN, f"measured in {len(known)} run(s)")


def _catch_up(copy: Span, redo: float) -> Span:
    """The changes made during the copy are applied while new changes are made."""
    slow, fast = ASSUMED_APPLY
    low = copy.low * redo / fast
    high = copy.high * redo / (slow - redo) if redo < slow else math.inf
    return Span(low, max(high, low))


def estimate(size: int, runs: Sequence[Measured] = (), *, redo: float = 0.0) -> Estimate:
    """Estimate the durations.

    :param size: bytes of the schema.
    :param runs: durations of earlier runs.
    :param redo: bytes of redo a second at the source.
    """
    export, transfer, load = (_phase(phase, size, runs) for phase in PHASES)
    switch = Span(*ASSUMED_SWITCH)
    if (measured := _measured([run.outage for run in runs])) is not None:
        cutover = measured
    else:
        slow, fast = ASSUMED_COMPARE
        cutover = switch + Span(size / fast, size / slow)
    return Estimate(
        export=export,
        transfer=transfer,
        load=load,
        catch_up=_catch_up(export + transfer + load, redo),
        export_outage=export + switch,
        cutover_outage=cutover,
        failover_outage=_measured([run.failover for run in runs]) or Span(*ASSUMED_FAILOVER),
    )


def parts(procedure: str, estimated: Estimate, replicated: bool) -> dict[str, Span]:
    """The parts of an estimate that a procedure has, by their name for people.

    :param replicated: the deployment is active-standby. Without replication there is neither catch-up nor cutover: a
        second server starts beside the first.
    """
    match procedure:
        case "failover":
            return {"outage": estimated.failover_outage}
        case "switchover":
            return {"outage": estimated.cutover_outage}
    found = {"export": estimated.export, "transfer": estimated.transfer, "import": estimated.load}
    if replicated:
        found["catch-up"] = estimated.catch_up
    found["outage for the export"] = estimated.export_outage
    if replicated and procedure == "return_to_normal":
        found["outage for the cutover"] = estimated.cutover_outage
    return found


# -- earlier runs ----------------------------------------------------------------------------------


#: Facts from which :func:`measured_runs` computes the durations of earlier runs.
MEASURED: tuple[Fact[Any], ...] = (
    facts.SCHEMA_BYTES,
    facts.EXPORT_SECONDS,
    facts.MANIFEST_DIGEST,
    facts.TRANSFERRED,
    facts.SEQUENCES_DROPPED,
    facts.IMPORTED,
    facts.FINAL_STOP,
    facts.POINT_OF_NO_RETURN,
    facts.SITE_FAILURE_CONFIRMED,
)


def measured_runs(rows: Iterable[Mapping[str, Any]]) -> list[Measured]:
    """Earlier runs from rows of the ledger: plan_id, name, value and noted_at.

    An uninterrupted export has recorded its duration. The others are differences of times, with their interruptions:
    the transfer from the manifest to the arrival, the import from the drop of the sequences to its end, the cutover's
    outage from the final stop to the new start.
    """
    plans: dict[str, dict[str, tuple[str, datetime]]] = {}
    for row in rows:
        plans.setdefault(str(row["plan_id"]), {})[str(row["name"])] = (str(row["value"]), row["noted_at"])
    found = []
    for recorded in plans.values():
        spans = {
            "export": float(recorded[facts.EXPORT_SECONDS.name][0]) if facts.EXPORT_SECONDS.name in recorded else 0.0,
            "transfer": _apart(recorded, facts.MANIFEST_DIGEST, facts.TRANSFERRED),
            "import": _apart(recorded, facts.SEQUENCES_DROPPED, facts.IMPORTED),
        }
        seconds: dict[Phase, float] = {phase: spans[phase] for phase in PHASES if spans[phase] > 0}
        outage = _between(recorded, facts.FINAL_STOP, facts.POINT_OF_NO_RETURN) or None
        failover = _apart(recorded, facts.SITE_FAILURE_CONFIRMED, facts.POINT_OF_NO_RETURN) or None
        # A switchover and a failover copy nothing, and measure their outage.
        size = int(recorded[facts.SCHEMA_BYTES.name][0]) if facts.SCHEMA_BYTES.name in recorded else 0
        if size or outage or failover:
            found.append(Measured(size, seconds, outage, failover))
    return found


def _between(recorded: Mapping[str, tuple[str, datetime]], first: Fact[Any], second: Fact[Any]) -> float:
    """Seconds between two facts whose values are epoch seconds; 0 without both."""
    if first.name not in recorded or second.name not in recorded:
        return 0.0
    return max(float(recorded[second.name][0]) - float(recorded[first.name][0]), 0.0)


def _apart(recorded: Mapping[str, tuple[str, datetime]], first: Fact[Any], second: Fact[Any]) -> float:
    """Seconds between the recordings of two facts; 0 without both."""
    if first.name not in recorded or second.name not in recorded:
        return 0.0
    return max((recorded[second.name][1] - recorded[first.name][1]).total_seconds(), 0.0)
