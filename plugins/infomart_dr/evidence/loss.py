"""What a failover loses: counts where an Interaction Database can be asked, times and a call rate where not.

The cases are the guide's (guide:325-346). Each data source gets a lower and an upper bound; a bound that would need a
guess is left open. Nothing here reads anything: ``operators/loss.py`` does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from typing import Any, Literal, NamedTuple, Self

from infomart_dr.errors import InfoMartError

#: When the estimate is made: before the gate, after the standby is drained, at the end of the failover.
Moment = Literal["before", "drained", "end"]
#: Seconds of the Info Mart's interval (DATE_TIME_KEY).
INTERVAL = 900
#: Standard deviations of a Poisson count that a bound allows for: one estimate in some hundreds lies outside.
SIGMAS = 3.0
#: Seconds before a gap from which the rate is taken: the shortest of them with so many calls.
BASES, BASE_CALLS = (60, 300, 900, 1800, 3600), 1000
#: Seconds of the shortest stretch that shows how a rate changes: shorter ones show chance only.
SHORTEST = 10
#: Calls that a silence must have swallowed to be an outage: no other silence is as long.
SILENT_CALLS = 30
#: Seconds of history, and of it so many times what lies ahead, that show how a rate changes; with less, this more.
HISTORY, HISTORY_GAPS, UNSEEN_CHANGE = 3600, 4, 0.25
#: Calls below which the pattern of another time or source says nothing.
PATTERN_CALLS = 30
#: Bytes of a fact in the ledger.
SUMMARY_LIMIT = 3500


# -- how many calls there may have been --------------------------------------------------------------


def fewest(mean: float) -> float:
    """Lower bound of a count with this mean.

    Calls end independently of each other, so their number is a Poisson count, and the square root of a Poisson count
    has the standard deviation 1/2 whatever its mean.
    """
    return max(0.0, math.sqrt(mean) - SIGMAS / 2) ** 2


def most(mean: float) -> float:
    """Upper bound of a count with this mean; not 0 for a mean of 0."""
    return (math.sqrt(mean) + SIGMAS / 2) ** 2


@dataclass(frozen=True)
class Activity:
    """Calls that ended, by time.

    :param seconds: length of a bucket.
    :param calls: number of calls by the bucket's beginning (UTC seconds); a bucket without calls is left out.
    :param begins: from when on the numbers are complete.
    :param ends: up to when (exclusive); ``calls`` has none after it.
    """

    seconds: int
    calls: Mapping[int, int]
    begins: int
    ends: int

    @classmethod
    def read(cls, seconds: int, calls: Mapping[int, int], after: int, ends: int) -> Self:
        """Activity from the buckets of a statement.

        :param after: where the statement's window begins. Where the calls begin later, the first bucket may be cut
            (an IDB that is new or was purged) and is left out.
        """
        begins = after + -after % seconds
        if calls and min(calls) > begins:
            begins = min(calls) + seconds
        return cls(seconds, calls, begins, max(ends, begins))

    def after_outage(self) -> Activity:
        """What came after the last time at which the data source, or its ICON, was down.

        A rate that is taken over an outage is too low. A silence is one when the calls after it, at their rate, would
        have had to fill it.
        """
        silent_to, calls = self.ends, 0
        for bucket in sorted(
            (b for b, number in self.calls.items() if self.begins <= b < self.ends and number), reverse=True
        ):
            silence = silent_to - bucket - self.seconds
            if calls and calls / (self.ends - silent_to) * silence >= SILENT_CALLS:
                begins = silent_to + self.seconds
                return replace(self, begins=begins) if begins < self.ends else self
            silent_to, calls = bucket, calls + self.calls[bucket]
        return self

    def between(self, start: float, end: float) -> float:
        """Calls from ``start`` to ``end``, of cut buckets a part; only what lies in the known span counts."""
        start, end = max(start, self.begins), min(end, self.ends)
        if end <= start:
            return 0.0
        # The last bucket may be cut by the end of what is known: all its calls lie before that.
        found = 0.0
        bucket = int(start // self.seconds) * self.seconds
        while bucket < end:
            length = min(bucket + self.seconds, self.ends) - bucket
            part = min(end, bucket + length) - max(start, bucket)
            found += self.calls.get(bucket, 0) * part / length if part > 0 else 0.0
            bucket += self.seconds
        return found

    def stretches(self, *lengths: float) -> Iterator[tuple[float, ...]]:
        """Calls a second in stretches of about these lengths that follow each other, at every place they fit in."""
        steps = [max(1, round(length / self.seconds)) for length in lengths]
        first = self.begins + -self.begins % self.seconds
        sums = list(accumulate((self.calls.get(b, 0) for b in range(first, self.ends, self.seconds)), initial=0))
        if self.ends % self.seconds:
            # The last bucket is not over.
            sums.pop()
        borders = list(accumulate(steps, initial=0))
        for place in range(len(sums) - borders[-1]):
            yield tuple(
                (sums[place + end] - sums[place + start]) / ((end - start) * self.seconds)
                for start, end in pairwise(borders)
            )

    @classmethod
    def together(cls, several: Sequence[Activity]) -> Activity | None:
        """The sum of several activities, over the span in which all are known; None: there is no such span."""
        begins = max((one.begins for one in several), default=0)
        ends = min((one.ends for one in several), default=0)
        if not several or len({one.seconds for one in several}) > 1:
            return None
        # A bucket in which one of them ends is whole in another.
        ends -= ends % several[0].seconds
        if ends <= begins:
            return None
        calls: dict[int, int] = {}
        for one in several:
            for bucket, number in one.calls.items():
                calls[bucket] = calls.get(bucket, 0) + number
        return cls(several[0].seconds, calls, begins, ends)


class Pattern(NamedTuple):
    """Calls whose ups and downs tell those of another source or time.

    :param shift: seconds by which it lies earlier: a day, for the source's own calls of the day before.
    """

    activity: Activity
    shift: int = 0

    def carried(self, base: tuple[float, float], wanted: tuple[float, float], expected: float) -> float | None:
        """The number of calls in ``wanted`` if they go on from ``base`` as this does; None where it does not tell.

        :param expected: their number if the rate in ``base`` stays.
        """
        if (ratio := self._ratio(base, wanted)) is not None:
            return expected * ratio
        start, end = (moment - self.shift for moment in wanted)
        if self.shift and self.activity.begins <= start and end <= self.activity.ends:
            # Nothing to compare with right before, as when the doors open: as many as the day before.
            return self.activity.between(start, end)
        return None

    def _ratio(self, base: tuple[float, float], wanted: tuple[float, float]) -> float | None:
        """Rate in ``wanted`` over the rate in ``base``; None where it knows too little of either."""
        rates = []
        for start, end in (base, wanted):
            start, end = start - self.shift, min(end - self.shift, self.activity.ends)
            calls = self.activity.between(start, end)
            if start < self.activity.begins or end <= start or calls < PATTERN_CALLS:
                return None
            rates.append(calls / (end - start))
        return rates[1] / rates[0]


@dataclass(frozen=True)
class Rates:
    """What is known of a data source's call rate.

    :param patterns: what else moves as its calls do.
    """

    activity: Activity
    patterns: tuple[Pattern, ...] = ()

    def bounds(self, start: float, end: float) -> tuple[float, float] | None:
        """Lower and upper bound of the number of calls from ``start`` to ``end``, of which nothing is known.

        The rate right before is carried on: unchanged, as it changed over such a gap anywhere in the known span, and as
        the patterns go. The truth may follow any of them. None: there is no history.
        """
        length = end - start
        if length <= 0:
            return 0.0, 0.0
        base = self._base(min(self.activity.ends, start))
        if base is None:
            return None
        calls, seconds = self.activity.between(*base), base[1] - base[0]
        expected = calls / seconds * length
        found = [fewest(fewest(calls) / seconds * length), most(most(calls) / seconds * length)]
        for pattern in self.patterns:
            if (mean := pattern.carried(base, (start, end), expected)) is not None:
                found += [fewest(mean), most(mean)]
        found += self._as_seen(seconds, length, end - base[1], expected)
        return min(found), max(found)

    def _base(self, ends: float) -> tuple[float, float] | None:
        """The span before a gap from which the rate is taken."""
        known = ends - self.activity.begins
        if known < self.activity.seconds:
            return None
        # Short enough for its changes to be seen in the rest of the history.
        longest = max(known / 3, min(known, SHORTEST))
        fitting: list[float] = [length for length in BASES if length < longest] or [longest]
        for length in fitting:
            if self.activity.between(ends - length, ends) >= BASE_CALLS:
                break
        return ends - length, ends

    def _as_seen(self, base: float, gap: float, ahead: float, expected: float) -> list[float]:
        """Lowest and highest number if the rate changes as it did between such a span and such a gap in the past.

        :param ahead: seconds from what is known to the gap's end.
        """
        known = self.activity.ends - self.activity.begins
        seen = min(max(gap, SHORTEST), max(known / 3, self.activity.seconds))
        changes = [after / before for before, after in self.activity.stretches(base, seen) if before]
        lowest, highest = min(changes, default=1.0), max(changes, default=1.0)
        if known < max(HISTORY, HISTORY_GAPS * ahead):
            lowest, highest = lowest * (1 - UNSEEN_CHANGE), highest * (1 + UNSEEN_CHANGE)
        return [fewest(expected * lowest), most(expected * highest)]


# -- comparison by guid ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """Calls of one data source that are to be looked for among the facts.

    :param key: DATA_SOURCE_KEY.
    :param after: beginning (exclusive).
    :param mark: calls up to here are extracted.
    :param until: end, at or above the mark; calls above the mark may have facts, too.
    :param calls: number of calls at or below the mark, by interval.
    """

    key: int
    after: int
    mark: int
    until: int
    calls: Mapping[int, int]


@dataclass
class Compared:
    """What the comparison of one data source found.

    :param missing: calls at or below the mark without a fact, in the intervals that are not complete.
    :param ordinary: how many of these would have none anyway, at most.
    :param share: share of calls that never become a fact here.
    :param again: calls above the mark that have a fact.
    :param trouble: why it could not be made; the numbers are void then.
    """

    missing: int = 0
    ordinary: int = 0
    share: float = 0.0
    missing_from: int | None = None
    missing_to: int | None = None
    again: int = 0
    trouble: str = ""


Guids = Callable[[int, int, int], Iterable[tuple[str, int]]]


class Comparison:
    """Calls of IDBs against the facts, newest first, until every source is complete again.

    What a lost server had not transformed, or what was not replicated, are the newest calls: transactions arrive in
    their order, and each transformation takes up what is extracted. So two complete intervals in a row end the look
    at guids, and for what is older the numbers by interval must do; where those differ, guids are looked at, too.

    :param windows: what to look for.
    :param calls: ``(key, after, until)`` to guid and end of the calls.
    :param facts: ``(from_key, to_key)`` to the guids of the facts that ended in these intervals.
    :param fact_counts: number of facts by interval.
    """

    #: Complete intervals in a row that end the look.
    CALM = 2
    #: Intervals in one pass, and calls at which a pass gets no further interval.
    PASS_INTERVALS, PASS_CALLS = 4, 400_000
    #: Where the share of calls without a fact is measured: seconds below the mark.
    REFERENCE_AGE = 4 * 3600
    #: Intervals that are looked at because their numbers differ.
    DIFFERING = 32

    def __init__(
        self,
        windows: Sequence[Window],
        calls: Guids,
        facts: Callable[[int, int], Iterable[str]],
        fact_counts: Mapping[int, int],
    ) -> None:
        self._windows = {window.key: window for window in windows}
        self._calls, self._facts, self._fact_counts = calls, facts, fact_counts
        self.found = {window.key: Compared() for window in windows}
        #: Facts that the numbers miss in intervals that were not looked at.
        self.unseen = 0
        #: Ends of the calls without a fact, by source and interval.
        self._missing: dict[tuple[int, int], list[int]] = {}
        self._looked: set[tuple[int, int]] = set()

    def run(self) -> dict[int, Compared]:
        """Make the comparison."""
        self._walk()
        self._look_where_numbers_differ()
        self._sum_up()
        return self.found

    # -- passes ------------------------------------------------------------------------------------

    def _alive(self) -> list[Window]:
        return [window for key, window in self._windows.items() if not self.found[key].trouble]

    def _keys(self) -> list[int]:
        """Intervals with anything to look at, newest first."""
        keys = {interval for window in self._windows.values() for interval in window.calls}
        for window in self._windows.values():
            keys |= set(range(window.mark - window.mark % INTERVAL, window.until + 1, INTERVAL))
        return sorted(keys, reverse=True)

    def _passes(self, keys: Sequence[int]) -> Iterable[list[int]]:
        part: list[int] = []
        calls = 0
        for key in keys:
            number = sum(window.calls.get(key, 0) for window in self._windows.values())
            if part and (len(part) == self.PASS_INTERVALS or calls + number > self.PASS_CALLS):
                yield part
                part, calls = [], 0
            part.append(key)
            calls += number
        if part:
            yield part

    def _walk(self) -> None:
        """Look from the newest interval back, until each source is complete."""
        calm = dict.fromkeys(self._windows, 0)
        measured: set[int] = set()
        for part in self._passes(self._keys()):
            active = [window for window in self._alive() if calm[window.key] < self.CALM]
            if not active:
                break
            self._look(active, part)
            for window in active:
                after = self._calm(window, part, calm[window.key])
                if after < self.CALM and window.key not in measured and window.mark >= min(part):
                    # Complete intervals without one missing call prove that every call becomes a fact; without them:
                    measured.add(window.key)
                    self._measure(window)
                    after = self._calm(window, part, calm[window.key])
                calm[window.key] = after

    def _calm(self, window: Window, part: Sequence[int], before: int) -> int:
        """Complete intervals in a row, at or below the mark, after these ones."""
        for interval in part:
            if number := window.calls.get(interval, 0):
                before = before + 1 if self._complete(window.key, interval, number) else 0
                if before >= self.CALM:
                    return before
        return before

    def _complete(self, key: int, interval: int, number: int) -> bool:
        missing, share = len(self._missing.get((key, interval), [])), self.found[key].share
        return missing == 0 if share == 0 else missing <= most(share * number)

    def _look(self, windows: Sequence[Window], intervals: Sequence[int]) -> None:
        """Find the calls of some intervals that have no fact; no interval twice."""
        first, last = min(intervals), max(intervals) + INTERVAL - 1
        sought: dict[int, dict[str, int]] = {}
        for window in windows:
            after, until = max(window.after, first - 1), min(window.until, last)
            new = {(window.key, interval) for interval in range(first, last + 1, INTERVAL)} - self._looked
            if until <= after or not new:
                continue
            try:
                calls = self._calls(window.key, after, until)
                sought[window.key] = {g: ts for g, ts in calls if (window.key, ts - ts % INTERVAL) in new}
            except InfoMartError as error:
                self.found[window.key].trouble = error.what
            self._looked |= new
        above = {key: sum(ts > self._windows[key].mark for ts in found.values()) for key, found in sought.items()}
        if any(sought.values()):
            # A call's own end and its fact's may lie on either side of an interval's border.
            for guid in self._facts(first - INTERVAL, last + 1):
                for left in sought.values():
                    left.pop(guid, None)
        for key, left in sought.items():
            mark, found = self._windows[key].mark, self.found[key]
            found.again += above[key] - sum(ts > mark for ts in left.values())
            for ts in left.values():
                if ts <= mark:
                    self._missing.setdefault((key, ts - ts % INTERVAL), []).append(ts)

    def _measure(self, window: Window) -> None:
        """Measure the share of calls that never become a fact, where all has long been transformed."""
        interval = (window.mark - self.REFERENCE_AGE) // INTERVAL * INTERVAL
        number = window.calls.get(interval, 0)
        if not number or interval <= window.after:
            return
        self._look([window], [interval])
        missing = len(self._missing.get((window.key, interval), []))
        self.found[window.key].share = min(most(missing) / number, 1.0) if missing else 0.0

    def _look_where_numbers_differ(self) -> None:
        """Look at the older intervals of which the numbers say that facts are missing."""
        short = self._short()
        largest = sorted(short, key=lambda interval: (-short[interval], -interval))
        for interval in largest[: self.DIFFERING]:
            self._look(self._alive(), [interval])
        self.unseen = sum(short[interval] for interval in largest[self.DIFFERING :])

    def _short(self) -> dict[int, int]:
        """Facts that must be missing, by interval: there are fewer than the calls of these sources alone."""
        short: dict[int, int] = {}
        for interval in self._keys():
            windows = [w for w in self._alive() if w.after < interval and interval + INTERVAL <= w.mark]
            if all((window.key, interval) in self._looked for window in windows):
                continue
            calls = sum(window.calls.get(interval, 0) for window in windows)
            expected = sum(window.calls.get(interval, 0) * (1 - self.found[window.key].share) for window in windows)
            known = sum(len(self._missing.get((window.key, interval), [])) for window in windows)
            missing = math.floor(expected) - known - self._fact_counts.get(interval, 0)
            exact = all(self.found[window.key].share == 0 for window in windows)
            if missing > (0 if exact else SIGMAS * math.sqrt(calls)):
                short[interval] = missing
        return short

    def _sum_up(self) -> None:
        for window in self._alive():
            found, calls = self.found[window.key], 0
            for (key, interval), times in sorted(self._missing.items()):
                if key != window.key or self._complete(key, interval, window.calls.get(interval, 0)):
                    continue
                found.missing += len(times)
                calls += window.calls.get(interval, 0)
                found.missing_from = min(filter(None, (found.missing_from, min(times))))
                found.missing_to = max(found.missing_to or 0, max(times))
            found.ordinary = math.ceil(found.share * calls)


# -- what is known -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failure:
    """When the site was lost: somewhere from ``low`` to ``high`` (UTC seconds), and how that is known."""

    low: int
    high: int
    why: str


def failure_between(given: int | None, tolerance: int, sign: int | None, first_look: int) -> Failure:
    """When the site was lost, by what was said and by what is seen at the survivor.

    :param given: what a person said; None: nothing.
    :param tolerance: seconds by which that may be wrong: how finely it was written.
    :param sign: last sign of life of the lost site that the survivor holds.
    :param first_look: when the first estimate was made: the site was lost by then.
    """
    seen = min(sign if sign is not None else first_look, first_look)
    if given is None:
        what = f"last sign of life {clock(sign)}" if sign is not None else "no sign of life is seen at the survivor"
        return Failure(
            seen if sign is not None else 0,
            first_look,
            f"not given; {what}, first look {clock(first_look)}. The parameter failure_time narrows the bounds",
        )
    floor = seen if sign is not None else given - tolerance
    low, high = (min(max(given + by, floor), first_look) for by in (-tolerance, tolerance))
    why = f"given as {clock(given)}"
    if given + tolerance < floor:
        why += f", but the site lived at {clock(sign)}"
    elif given - tolerance > first_look:
        why += f", but the first look was at {clock(first_look)}"
    return Failure(low, high, why)


@dataclass(frozen=True)
class Counted:
    """What the IDB of a data source that is not lost with the site says.

    :param last_event: everything before is in it.
    :param missing: calls at or below the mark without a fact; ``ordinary``: of these would have none anyway, at most.
    :param waiting: calls above the mark, up to the failure, without a fact.
    :param again: calls above the mark that have one.
    :param tail: number of calls by second, from the last event on.
    """

    last_event: int
    missing: int = 0
    ordinary: int = 0
    missing_from: int | None = None
    missing_to: int | None = None
    waiting: int = 0
    again: int = 0
    tail: Mapping[int, int] = field(default_factory=dict)

    def delivered(self, start: int) -> int:
        """Calls in it from ``start`` on, which is not before the last event."""
        return sum(number for second, number in self.tail.items() if second >= start)


@dataclass(frozen=True)
class SourceState:
    """One data source as the survivor shows it.

    :param key: DATA_SOURCE_KEY.
    :param at_failed_site: its T-Server stood at the lost site.
    :param placed: the topology says so for certain.
    :param idb: the IDB that is left; empty: none.
    :param trouble: why the IDB that is left was not counted.
    :param carries_calls: calls are extracted from it, not only configuration or the like.
    :param mark: replicated high-water mark; None: it has none.
    :param covered: its calls up to here are among the facts; None: unknown.
    :param counted: what its IDB says; None: it was not counted.
    :param rates: its call rate; None: unknown.
    :param shared: the rate is that of all sources without a counted IDB together.
    """

    key: int
    name: str
    at_failed_site: bool
    placed: bool = True
    idb: str = ""
    trouble: str = ""
    carries_calls: bool = True
    mark: int | None = None
    covered: int | None = None
    counted: Counted | None = None
    rates: Rates | None = None
    shared: bool = False

    @property
    def label(self) -> str:
        return f"{self.key} ({self.name})" if self.name else str(self.key)


# -- what it means -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """One thing that happens to a data source's calls.

    :param case: ``a`` to ``e``, as in the guide's order; ``a'`` is the exception from ``a``.
    :param high: None: nobody knows.
    """

    case: str
    what: str
    low: int = 0
    high: int | None = 0
    start: int | None = None
    end: int | None = None
    why: str = ""


@dataclass(frozen=True)
class SourceEstimate:
    """What happens to one data source."""

    key: int
    name: str
    label: str
    mark: int | None
    parts: tuple[Part, ...]
    shared: bool = False

    @property
    def low(self) -> int:
        # Which of several sources the facts' rate belongs to is unknown.
        return 0 if self.shared else self.low_alone

    @property
    def low_alone(self) -> int:
        """Lower bound if the rate of all uncounted sources were its own."""
        return sum(part.low for part in self.parts)

    @property
    def high(self) -> int | None:
        return added(part.high for part in self.parts)

    def as_dict(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "name": self.name,
            "mark": self.mark,
            "lost_low": self.low,
            "lost_high": self.high,
            "parts": [asdict(part) for part in self.parts],
        }


class Earlier(NamedTuple):
    """An estimate that was noted before."""

    moment: str
    low: int
    high: int | None
    sources: dict[int, tuple[int, int | None]]

    @classmethod
    def parse(cls, text: str) -> Earlier:
        """Read what :meth:`LossEstimate.summary` wrote."""
        noted = json.loads(text)
        return cls(
            noted["moment"], noted["low"], noted["high"], {key: (low, high) for key, _, low, high in noted["sources"]}
        )


@dataclass(frozen=True)
class LossEstimate:
    """The loss of a failover, in bounds.

    :param drained: the Replicat has applied all that arrived: no fact comes any more.
    :param made_at: UTC seconds.
    """

    moment: Moment
    failed_site: str
    survivor: str
    failure: Failure
    drained: bool
    sources: tuple[SourceEstimate, ...]
    notes: tuple[str, ...] = ()
    earlier: tuple[Earlier, ...] = ()
    #: Facts that the numbers miss in intervals whose guids were not looked at.
    unseen: int = 0
    made_at: int = 0

    @property
    def low(self) -> int:
        shared = [source.low_alone for source in self.sources if source.shared]
        return sum(source.low for source in self.sources if not source.shared) + min(shared, default=0)

    @property
    def high(self) -> int | None:
        alone = [source.high for source in self.sources if not source.shared]
        shared = [source.high for source in self.sources if source.shared]
        # The shared rate is that of all of them together, so the longest gap at the whole rate bounds their sum.
        together = None if None in shared else max((high for high in shared if high is not None), default=0)
        return added([*alone, together, self.unseen])

    # -- shown -------------------------------------------------------------------------------------

    def sentence(self) -> str:
        """The estimate in one line, for the log."""
        state = "" if self.drained else "; an upper view, the standby is not drained"
        return f"calls lost: {bounds(self.low, self.high)}, without those active at {self.failed_site}{state}"

    def to_markdown(self, limit: int | None = None) -> str:
        """The report as the person at the gate reads it.

        :param limit: bytes; the sources that lose least are then put together in one row.
        """
        blocks = [self._rows(source) for source in self._ordered()]
        for shown in range(len(blocks), -1, -1):
            rows = [row for block in blocks[:shown] for row in block]
            if shown < len(blocks):
                rest = self._ordered()[shown:]
                number = bounds(sum(s.low for s in rest), added(s.high for s in rest))
                rows.append(f"| {len(rest)} more | | | {number} | | the task's result lists them |")
            text = "\n".join([*self._head(), *rows, self._active(), *self._foot()])
            if limit is None or len(text.encode()) <= limit:
                return text
        return text.encode()[: limit or None].decode(errors="ignore")

    def _ordered(self) -> list[SourceEstimate]:
        return sorted(self.sources, key=lambda s: (-(math.inf if s.high is None else s.high), s.key))

    def _head(self) -> list[str]:
        titles = {
            "before": "Loss estimate before the standby is drained",
            "drained": "Loss estimate, standby drained",
            "end": "Loss at the end of the failover",
        }
        title = titles[self.moment] if self.moment != "before" or not self.drained else titles["drained"]
        lines = [
            f"**{title}. Calls lost: {bounds(self.low, self.high)}**, without those active at {self.failed_site}",
            "",
        ]
        if not self.drained:
            lines += [
                f"This is an upper view: facts that have arrived at {self.survivor} and are not applied yet make the "
                "loss smaller.",
                "",
            ]
        lines += [f"Failure: {between(self.failure.low or None, self.failure.high)} UTC ({self.failure.why}).", ""]
        lines += ["| data source | extracted to (UTC) | what happens | calls lost | from - to (UTC) | why |"]
        return [*lines, "|---|---|---|---|---|---|"]

    def _rows(self, source: SourceEstimate) -> list[str]:
        first, rows = [source.label, clock(source.mark)], []
        for part in source.parts:
            times = between(part.start, part.end)
            cells = [*first, part.what, bounds(part.low, part.high), times, part.why]
            rows.append(f"| {' | '.join(' '.join(cell.split()).replace('|', '/') for cell in cells)} |")
            first = ["", ""]
        return rows

    def _active(self) -> str:
        why = "a call that has not ended is in no database as one (guide:327)"
        return f"| all at {self.failed_site} | | calls active at the failure are lost | unknown | | {why} |"

    def _foot(self) -> list[str]:
        lines = [f"- {note}" for note in self.notes]
        if self.unseen:
            lines.append(f"- {self.unseen:,} facts are missing by number in older intervals that were not looked at.")
        lines += [
            f"- Told {'before the draining' if e.moment == 'before' else 'after it'}: {bounds(e.low, e.high)}."
            for e in self.earlier
        ]
        lines += [f"- {line}" for line in self.disagreements()]
        return ["", *lines] if lines else []

    def disagreements(self) -> list[str]:
        """Sources whose bounds lie outside those of an earlier estimate: something is not as it was taken to be."""
        found = []
        for earlier in self.earlier:
            for source in self.sources:
                low, high = earlier.sources.get(source.key, (0, None))
                if (high is not None and source.low > high) or (source.high is not None and source.high < low):
                    found.append(
                        f"{source.label}: now {bounds(source.low, source.high)}, outside {bounds(low, high)} of "
                        f"{earlier.moment!r}: look why"
                    )
        return found

    # -- kept --------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """Everything, for a file or another program."""
        return json.dumps(
            {
                "moment": self.moment,
                "made_at": self.made_at,
                "failed_site": self.failed_site,
                "survivor": self.survivor,
                "failure": asdict(self.failure),
                "drained": self.drained,
                "lost_low": self.low,
                "lost_high": self.high,
                "sources": [source.as_dict() for source in self.sources],
                "unseen": self.unseen,
                "notes": list(self.notes),
            },
            ensure_ascii=False,
        )

    def summary(self) -> str:
        """What the ledger keeps: at most :data:`SUMMARY_LIMIT` bytes; the sources that lose least are left out."""
        kept = [[s.key, s.mark, s.low, s.high] for s in self._ordered()]
        while True:
            text = json.dumps(
                {
                    "moment": self.moment,
                    "at": self.made_at,
                    "drained": self.drained,
                    "failure": [self.failure.low, self.failure.high],
                    "low": self.low,
                    "high": self.high,
                    "sources": kept,
                    **({"more": len(self.sources) - len(kept)} if len(kept) < len(self.sources) else {}),
                },
                separators=(",", ":"),
            )
            if len(text) <= SUMMARY_LIMIT:
                return text
            kept = kept[: len(kept) * 9 // 10]


def estimate(
    moment: Moment,
    failed_site: str,
    survivor: str,
    failure: Failure,
    drained: bool,
    sources: Sequence[SourceState],
    *,
    notes: Sequence[str] = (),
    earlier: Sequence[Earlier] = (),
    unseen: int = 0,
    made_at: int = 0,
) -> LossEstimate:
    """The loss by data source.

    :param drained: the Replicat has applied all that arrived. Without it every lower bound is 0: what has arrived may
        hold any fact and any mark up to the failure.
    :param unseen: facts that are missing by number in intervals whose guids were not looked at.
    """
    alone = sum(state.shared for state in sources) < 2
    found = []
    for state in sources:
        parts = _Meaning(moment, failed_site, survivor, failure, drained, state).parts()
        shared = state.shared and not alone
        found.append(SourceEstimate(state.key, state.name, state.label, state.mark, tuple(parts), shared))
    return LossEstimate(
        moment, failed_site, survivor, failure, drained, tuple(found), tuple(notes), tuple(earlier), unseen, made_at
    )


@dataclass(frozen=True)
class _Meaning:
    """What the state of one data source means."""

    moment: Moment
    failed_site: str
    survivor: str
    failure: Failure
    drained: bool
    state: SourceState

    def parts(self) -> list[Part]:
        state = self.state
        if not state.carries_calls:
            return [Part("-", "no calls come from it", why="its marks are of other tables; those data are not counted")]
        if state.counted is not None:
            return self._counted(state.counted)
        return self._uncounted()

    # -- an IDB that was asked -----------------------------------------------------------------------

    def _counted(self, counted: Counted) -> list[Part]:
        parts = [*self._extracted(counted), *self._waiting(counted)]
        if self.state.at_failed_site:
            parts.append(self._undelivered(counted))
        return parts

    def _extracted(self, counted: Counted) -> Iterable[Part]:
        if not self.drained:
            why = "extracted, no fact here yet; what has arrived may still bring it"
            yield Part("c", "may be lost", 0, counted.missing, counted.missing_from, counted.missing_to, why)
            return
        low = max(0, counted.missing - counted.ordinary)
        why = f"extracted once, no fact at {self.survivor}: not transformed or not replicated (guide:338)"
        if counted.ordinary:
            why += f"; up to {counted.ordinary:,} of them never become a fact, by older intervals"
        what = "lost" if counted.missing else "nothing extracted is lost"
        if not counted.missing:
            why = f"every call in {self.state.idb} up to the mark has its fact"
        yield Part("c", what, low, counted.missing, counted.missing_from, counted.missing_to, why)

    def _waiting(self, counted: Counted) -> Iterable[Part]:
        mark = self.state.mark
        waiting = f"{counted.waiting:,} calls are in {self.state.idb}" if counted.waiting else "no call waits"
        if self.moment == "end":
            waiting = f"{counted.again:,} that waited have their fact now, {counted.waiting:,} have none yet"
            yield Part("a", "extracted after the start", 0, 0, mark, self.failure.high, waiting)
            return
        if self.drained:
            yield Part("a", "will be extracted", 0, 0, mark, None, f"{waiting} above the mark (guide:337)")
        else:
            why = f"{waiting}, not extracted by what is applied; what has arrived may move the mark without their facts"
            yield Part("a", "will be extracted, or may be lost", 0, counted.waiting, mark, None, why)
        if counted.again:
            why = f"{counted.again:,} calls above the mark have a fact already (guide:340-346)"
            yield Part("d", "may be extracted twice", 0, 0, mark, None, why)

    def _undelivered(self, counted: Counted) -> Part:
        state = self.state
        # Up to `covered` all calls have their fact; between the last event and the mark some may.
        start = max(counted.last_event, self._covered() or 0)
        high = self._at_most(start, self.failure.high + 1, counted.delivered(start))
        low = 0
        if self.drained and state.placed:
            later = max(counted.last_event, state.mark or 0)
            low = self._at_least(later, self.failure.low, counted.delivered(later))
        why = f"not in {state.idb} when its ICON's site was lost: by the call rate, from its last event to the failure"
        if not state.placed:
            why += "; the topology does not say where its T-Server is (source_site)"
        what = "lost in ICON's queue" if self.drained else "may be lost in ICON's queue"
        return Part("a'", what, low, high, start, self.failure.high, why)

    # -- nothing to ask ------------------------------------------------------------------------------

    def _uncounted(self) -> list[Part]:
        state = self.state
        by_rate = f"{state.trouble}: by the call rate" if state.trouble else "by the call rate"
        parts = [] if state.mark is None else [self._extracted_uncounted(state.mark, by_rate)]
        covered = self._covered()
        start = max(state.mark or 0, covered or 0)
        high = self._at_most(start, self.failure.high + 1) if start else None
        low, what, end = 0, "will be extracted, or may be lost", self.failure.high
        if not state.idb:
            low = self._at_least(start, self.failure.low) if self.drained and start else 0
            what = "lost" if self.drained else "lost, unless what has arrived brings them"
            case, why = "b", f"not extracted, and no IDB of it is left (guide:337); {by_rate}"
        elif state.at_failed_site:
            case, why = "a'", f"{state.idb} may have them all, or they were lost in ICON's queue; {by_rate}"
        else:
            case, why = "a", f"{state.idb} goes on (guide:337)"
            if self.drained:
                what, high = "will be extracted", 0
        parts.append(Part(case, what, low, high, start or None, end if case != "a" else None, why))
        return parts

    def _extracted_uncounted(self, mark: int, by_rate: str) -> Part:
        covered = self._covered()
        if covered is not None and covered >= mark:
            why = "the last transformation that is here took all up to the mark"
            return Part("c", "nothing extracted is lost", start=mark, end=mark, why=why)
        high = None if covered is None else self._at_most(covered, mark)
        why = f"extracted, and there is no IDB to ask whether all have a fact (guide:338); {by_rate}"
        return Part("c", "may be lost", 0, high, covered, mark, why)

    # -- numbers -------------------------------------------------------------------------------------

    def _covered(self) -> int | None:
        """Up to where all calls have their fact, never above the mark."""
        covered, mark = self.state.covered, self.state.mark
        return covered if covered is None or mark is None else min(covered, mark)

    def _at_most(self, start: int, end: int, delivered: int = 0) -> int | None:
        if end <= start:
            return 0
        found = self.state.rates.bounds(start, end) if self.state.rates else None
        return None if found is None else max(0, math.ceil(found[1]) - delivered)

    def _at_least(self, start: int, end: int, delivered: int = 0) -> int:
        found = self.state.rates.bounds(start, end) if self.state.rates and end > start else None
        return 0 if found is None else max(0, math.floor(found[0]) - delivered)


# -- words -------------------------------------------------------------------------------------------


def added(numbers: Iterable[int | None]) -> int | None:
    """The sum; None when one of them is unknown."""
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


def clock(seconds: int | None) -> str:
    """UTC seconds as a person reads them."""
    return "-" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"


def between(start: int | None, end: int | None) -> str:
    """Two moments; the date is not said twice."""
    if start is None or end is None:
        return "" if start is None and end is None else f"{clock(start)} -" if end is None else f"- {clock(end)}"
    if start == end:
        return clock(start)
    later = clock(end)
    return f"{clock(start)} - {later[11:] if later[:10] == clock(start)[:10] else later}"


def bounds(low: int, high: int | None) -> str:
    """Bounds as a person reads them."""
    if high is None:
        return f"{low:,} or more" if low else "unknown"
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
