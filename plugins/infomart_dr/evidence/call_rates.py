"""The possible number of calls in a span of time: bounds from the rates of the calls counted before it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import NamedTuple, Self

#: Standard deviations of a Poisson count that a bound allows for: one estimate in several hundred lies outside.
SIGMAS = 3.0
#: Seconds before a gap that give the rate: the shortest of these spans that has this many calls.
BASES, BASE_CALLS = (60, 300, 900, 1800, 3600), 1000
#: Seconds of the shortest span that shows a change of the rate: shorter ones show only chance.
SHORTEST = 10
#: Calls that must be missing from a silence for it to count as an outage: chance causes no silence this long.
SILENT_CALLS = 30
#: Enough history to show the changes of a rate: these seconds, and this many times the span ahead. With less history,
#: the bounds are widened by this part.
HISTORY, HISTORY_GAPS, UNSEEN_CHANGE = 3600, 4, 0.25
#: Calls below which the pattern of another time or source is not used.
PATTERN_CALLS = 30


def fewest(mean: float) -> float:
    """Lower bound of a count with this mean.

    Calls end independently of each other, so their number is a Poisson count. The square root of a Poisson count has
    the standard deviation 1/2, whatever its mean.
    """
    return max(0.0, math.sqrt(mean) - SIGMAS / 2) ** 2


def most(mean: float) -> float:
    """Upper bound of a count with this mean; above 0 even for a mean of 0."""
    return (math.sqrt(mean) + SIGMAS / 2) ** 2


@dataclass(frozen=True)
class Activity:
    """Calls that ended, by time.

    :param seconds: length of a bucket.
    :param calls: number of calls by the bucket's start (UTC seconds); a bucket without calls is left out.
    :param begins: time from which on the numbers are complete.
    :param ends: time up to which they are complete (exclusive); ``calls`` has none after it.
    """

    seconds: int
    calls: Mapping[int, int]
    begins: int
    ends: int

    @classmethod
    def read(cls, seconds: int, calls: Mapping[int, int], after: int, ends: int) -> Self:
        """Activity from the buckets of a statement.

        :param after: start of the statement's window. If the calls start later (a new or purged IDB), the first bucket
            may be incomplete and is left out.
        """
        begins = after + -after % seconds
        if calls and min(calls) > begins:
            begins = min(calls) + seconds
        return cls(seconds, calls, begins, max(ends, begins))

    def after_outage(self) -> Activity:
        """The activity after the last outage of the data source or its ICON.

        A rate that includes an outage is too low. A silence counts as an outage if, at the rate of the calls after it,
        too many calls are missing from it.
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
        """Calls from ``start`` to ``end`` within the known span; a cut bucket counts in proportion."""
        start, end = max(start, self.begins), min(end, self.ends)
        if end <= start:
            return 0.0
        # The end of the known span may cut the last bucket; all of its calls lie before that end.
        found = 0.0
        bucket = int(start // self.seconds) * self.seconds
        while bucket < end:
            length = min(bucket + self.seconds, self.ends) - bucket
            part = min(end, bucket + length) - max(start, bucket)
            found += self.calls.get(bucket, 0) * part / length if part > 0 else 0.0
            bucket += self.seconds
        return found

    def stretches(self, *lengths: float) -> Iterator[tuple[float, ...]]:
        """Calls a second in adjacent spans of about these lengths, at every position in the known span."""
        steps = [max(1, round(length / self.seconds)) for length in lengths]
        first = self.begins + -self.begins % self.seconds
        sums = list(accumulate((self.calls.get(b, 0) for b in range(first, self.ends, self.seconds)), initial=0))
        if self.ends % self.seconds:
            # The last bucket is not complete.
            sums.pop()
        borders = list(accumulate(steps, initial=0))
        for place in range(len(sums) - borders[-1]):
            yield tuple(
                (sums[place + end] - sums[place + start]) / ((end - start) * self.seconds)
                for start, end in pairwise(borders)
            )

    @classmethod
    def together(cls, several: Sequence[Activity]) -> Activity | None:
        """The sum of several activities over the span in which all are known; None: there is no such span."""
        begins = max((one.begins for one in several), default=0)
        ends = min((one.ends for one in several), default=0)
        if not several or len({one.seconds for one in several}) > 1:
            return None
        # A bucket in which one of them ends is complete in another.
        ends -= ends % several[0].seconds
        if ends <= begins:
            return None
        calls: dict[int, int] = {}
        for one in several:
            for bucket, number in one.calls.items():
                calls[bucket] = calls.get(bucket, 0) + number
        return cls(several[0].seconds, calls, begins, ends)


class Pattern(NamedTuple):
    """Calls whose ups and downs predict those of another source or time.

    :param shift: seconds by which it is earlier: a day, for the source's own calls of the day before.
    """

    activity: Activity
    shift: int = 0

    def carried(self, base: tuple[float, float], wanted: tuple[float, float], expected: float) -> float | None:
        """The number of calls in ``wanted`` if the rate changes from ``base`` as this pattern does; None: unknown.

        :param expected: the number at the unchanged rate of ``base``.
        """
        if (ratio := self._ratio(base, wanted)) is not None:
            return expected * ratio
        start, end = (moment - self.shift for moment in wanted)
        if self.shift and self.activity.begins <= start and end <= self.activity.ends:
            # No calls right before it to compare with, as at opening time: as many as the day before.
            return self.activity.between(start, end)
        return None

    def _ratio(self, base: tuple[float, float], wanted: tuple[float, float]) -> float | None:
        """Rate in ``wanted`` divided by the rate in ``base``; None where it has too few calls in either."""
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
    """The known call rate of a data source.

    :param patterns: other activities that change as its calls do.
    """

    activity: Activity
    patterns: tuple[Pattern, ...] = ()

    def bounds(self, start: float, end: float) -> tuple[float, float] | None:
        """Lower and upper bound of the number of calls from ``start`` to ``end``, a span without data.

        The rate right before it is extended in three ways: unchanged; with the changes that it showed over such a gap
        in the known span; and with those of the patterns. The truth may follow any of them. None: there is no history.
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
        """The span before a gap that gives the rate."""
        known = ends - self.activity.begins
        if known < self.activity.seconds:
            return None
        # Short enough that the rest of the history shows its changes.
        longest = max(known / 3, min(known, SHORTEST))
        fitting: list[float] = [length for length in BASES if length < longest] or [longest]
        for length in fitting:
            if self.activity.between(ends - length, ends) >= BASE_CALLS:
                break
        return ends - length, ends

    def _as_seen(self, base: float, gap: float, ahead: float, expected: float) -> list[float]:
        """Lowest and highest number if the rate changes as it did between such a span and such a gap in the past.

        :param ahead: seconds from the end of the known span to the end of the gap.
        """
        known = self.activity.ends - self.activity.begins
        seen = min(max(gap, SHORTEST), max(known / 3, self.activity.seconds))
        changes = [after / before for before, after in self.activity.stretches(base, seen) if before]
        lowest, highest = min(changes, default=1.0), max(changes, default=1.0)
        if known < max(HISTORY, HISTORY_GAPS * ahead):
            lowest, highest = lowest * (1 - UNSEEN_CHANGE), highest * (1 + UNSEEN_CHANGE)
        return [fewest(expected * lowest), most(expected * highest)]
