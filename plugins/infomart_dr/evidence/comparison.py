"""Calls of an IDB and facts of an Info Mart, compared by their ids in windows of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from infomart_dr.errors import InfoMartError
from infomart_dr.evidence.call_rates import SIGMAS, most

#: Seconds of the Info Mart's interval (DATE_TIME_KEY).
INTERVAL = 900


@dataclass(frozen=True)
class Window:
    """Calls of one data source to search for among the facts.

    :param key: DATA_SOURCE_KEY.
    :param after: start (exclusive).
    :param mark: calls up to this time are extracted.
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
    """The result of the comparison of one data source.

    :param missing: calls at or below the mark without a fact, in the incomplete intervals.
    :param ordinary: most of these that would never have a fact anyway.
    :param share: share of calls that never become a fact here.
    :param again: calls above the mark that have a fact.
    :param trouble: the reason why the comparison failed; the numbers are invalid then.
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
    """Calls of IDBs compared with the facts, newest first, until every source is complete again.

    The calls that a lost server had not transformed, or that were not replicated, are the newest: transactions arrive
    in their order, and each transformation processes all extracted calls. So two complete intervals in a row end the
    comparison of guids. Older intervals are compared by number; where the numbers differ, their guids are compared,
    too.

    :param windows: the calls to search for.
    :param calls: ``(key, after, until)`` to guid and end of the calls.
    :param facts: ``(from_key, to_key)`` to the guids of the facts that ended in these intervals.
    :param fact_counts: number of facts by interval.
    """

    #: Complete intervals in a row that end the comparison of guids.
    CALM = 2
    #: Most intervals in a pass, and calls above which a pass gets no further interval.
    PASS_INTERVALS, PASS_CALLS = 4, 400_000
    #: Seconds below the mark at which the share of calls without a fact is measured.
    REFERENCE_AGE = 4 * 3600
    #: Most intervals whose guids are compared because their numbers differ.
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
        #: Missing facts, by number, in intervals whose guids were not compared.
        self.unseen = 0
        #: Ends of the calls without a fact, by source and interval.
        self._missing: dict[tuple[int, int], list[int]] = {}
        self._looked: set[tuple[int, int]] = set()

    def run(self) -> dict[int, Compared]:
        """Run the comparison."""
        self._walk()
        self._look_where_numbers_differ()
        self._sum_up()
        return self.found

    # -- passes ------------------------------------------------------------------------------------

    def _alive(self) -> list[Window]:
        return [window for key, window in self._windows.items() if not self.found[key].trouble]

    def _keys(self) -> list[int]:
        """Intervals with calls to compare, newest first."""
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
        """Compare from the newest interval back, until each source is complete."""
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
                    # Complete intervals without a missing call prove that every call becomes a fact. Without such
                    # intervals the share is measured.
                    measured.add(window.key)
                    self._measure(window)
                    after = self._calm(window, part, calm[window.key])
                calm[window.key] = after

    def _calm(self, window: Window, part: Sequence[int], before: int) -> int:
        """Complete intervals in a row, at or below the mark, once these are counted."""
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
        """Find the calls without a fact in some intervals; no interval is compared twice."""
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
            # The ends of a call and of its fact may be in two neighbouring intervals.
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
        """Measure the share of calls that never become a fact, in an interval that was transformed long ago."""
        interval = (window.mark - self.REFERENCE_AGE) // INTERVAL * INTERVAL
        number = window.calls.get(interval, 0)
        if not number or interval <= window.after:
            return
        self._look([window], [interval])
        missing = len(self._missing.get((window.key, interval), []))
        self.found[window.key].share = min(most(missing) / number, 1.0) if missing else 0.0

    def _look_where_numbers_differ(self) -> None:
        """Compare the guids of older intervals whose numbers show missing facts."""
        short = self._short()
        largest = sorted(short, key=lambda interval: (-short[interval], -interval))
        for interval in largest[: self.DIFFERING]:
            self._look(self._alive(), [interval])
        self.unseen = sum(short[interval] for interval in largest[self.DIFFERING :])

    def _short(self) -> dict[int, int]:
        """Number of missing facts by interval: all facts there are fewer than the calls of these sources."""
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
