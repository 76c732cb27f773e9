"""The data of a loss estimate: marks, calls and facts of the survivor and of the remaining IDBs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, SupportsInt, TypeVar

from infomart_dr import files, stopwatch
from infomart_dr.errors import InfoMartError, UnexpectedReplyError
from infomart_dr.evidence import loss
from infomart_dr.evidence.call_rates import Activity, Pattern, Rates
from infomart_dr.evidence.comparison import INTERVAL, Compared, Comparison, Window
from infomart_dr.evidence.high_water_marks import is_of_calls
from infomart_dr.evidence.loss import Counted, Failure, SourceState
from infomart_dr.guide import readable
from infomart_dr.plan.step import Step
from infomart_dr.times import shown, utc
from infomart_dr.topology import Idb, Topology
from infomart_dr.values import Bind, ColumnValue, Row

if TYPE_CHECKING:
    from infomart_dr.hooks.oracle import InfoMartOracleHook

T = TypeVar("T")

DAY = 86400


#: Seconds of history for a call rate, and seconds of a bucket in it.
RATE_SECONDS, RATE_BUCKET = 7200, 2
#: Most bytes of a fact in the ledger.
FACT_LIMIT = 3900
#: Seconds above the high-water mark that are searched for facts.
ABOVE_SECONDS = 3600


#: Rows per fetch.
FETCH_ROWS = 10_000


#: IDBs asked at the same time.
AT_A_TIME = 4


WITH_SECONDS = re.compile(r"\d\d:\d\d:\d\d")


@dataclass(frozen=True)
class Source:
    """A data source of the topology, as a failover sees it.

    :param at_failed_site: its T-Server was at the lost site.
    :param placed: the topology states this without doubt.
    :param idb: the remaining IDB, preferably the survivor's own; None: all of them are lost.
    :param trouble: the reason why this IDB cannot be counted.
    """

    key: int
    name: str
    at_failed_site: bool
    placed: bool
    idb: Idb | None
    trouble: str = ""

    @property
    def countable(self) -> bool:
        return self.idb is not None and not self.trouble


def sources_of(topology: Topology, failed: str, survivor: str) -> list[Source]:
    """The data sources of all sites, ordered by key."""
    entries: dict[int, list[tuple[str, Idb]]] = {}
    for name, site in topology.sites.items():
        for idb in site.idbs:
            entries.setdefault(idb.data_source_key, []).append((name, idb))
    found = []
    for key, idbs in sorted(entries.items()):
        said = {idb.source_site for _, idb in idbs if idb.source_site}
        sites = said or {name for name, _ in idbs}
        left = [(name, idb) for name, idb in idbs if name != failed and topology.sites[name].role != "failed"]
        left.sort(key=lambda entry: entry[0] != survivor)
        remaining = left[0][1] if left else None
        found.append(
            Source(
                key=key,
                name=(remaining or idbs[0][1]).name,
                at_failed_site=failed in sites,
                placed=len(sites) == 1,
                idb=remaining,
                trouble="" if remaining is None or remaining.schema_name else f"{remaining.name} has no schema",
            )
        )
    return _apart(found)


def _apart(sources: Sequence[Source]) -> list[Source]:
    """Exclude sources that share an IDB's tables from the count: their calls cannot be told apart."""
    places = [(s.idb.connection, s.idb.schema_name) if s.idb and s.idb.schema_name else None for s in sources]
    return [
        replace(source, trouble=f"{source.name} holds several data sources")
        if place is not None and places.count(place) > 1
        else source
        for source, place in zip(sources, places, strict=True)
    ]


def epoch(value: datetime | SupportsInt | None) -> int | None:
    """UTC seconds of a number or a time; a time without zone is UTC."""
    if isinstance(value, datetime):
        return int(utc(value).timestamp())
    return None if value is None else int(value)


def marks_of(rows: Iterable[Row]) -> tuple[dict[int, int], dict[int, int]]:
    """High-water marks by data source: those of calls, and those of sources without calls, 0 where there is none."""
    marks: dict[int, int] = {}
    other: dict[int, int] = {}
    for row in rows:
        key, mark = int(row["data_source_key"]), int(row["max_ts"] or 0)
        if mark and is_of_calls(row):
            marks[key] = max(marks.get(key, 0), mark)
        else:
            other[key] = max(other.get(key, 0), 0 if is_of_calls(row) else mark)
    return marks, {key: mark for key, mark in other.items() if key not in marks}


def stream(
    hook: InfoMartOracleHook, name: str, identifiers: Mapping[str, str], **binds: Bind
) -> Iterator[tuple[ColumnValue, ...]]:
    """Rows of a query one by one, never all of them in memory.

    :param name: file in ``include/sql`` without suffix.
    """
    import oracledb

    from infomart_dr.hooks.oracle import classify

    text = files.statement(name, **identifiers)
    with stopwatch.outside():
        connection = hook.get_conn()
        try:
            with connection.cursor() as cursor:
                cursor.arraysize = cursor.prefetchrows = FETCH_ROWS
                cursor.execute(text, dict(binds))
                yield from cursor
        except oracledb.Error as error:
            raise classify(str(error), f"Statement {name}", hook.target()) from None
        finally:
            connection.close()


class Calls:
    """Calls of a data source in its IDB.

    :param schema: owner of the tables.
    """

    def __init__(self, hook: InfoMartOracleHook, schema: str) -> None:
        self._hook, self._in = hook, {"schema": schema}

    def last_event(self) -> int | None:
        """Time up to which the IDB is complete."""
        return epoch(self._hook.value("idb_last_event", self._in))

    def by_bucket(self, seconds: int, after: int, until: int) -> dict[int, int]:
        """Number of calls by the bucket's start, for calls that ended after ``after`` and up to ``until``."""
        if until <= after:
            return {}
        rows = self._hook.select(
            "idb_calls_by_bucket",
            self._in,
            bucket_seconds=seconds,
            after_ts=after,
            until_ts=until,
            oldest_ts=after - DAY,
        )
        return {int(row["bucket"]) * seconds: int(row["calls"]) for row in rows}

    def guids(self, after: int, until: int) -> Iterator[tuple[str, int]]:
        """Guid and end of these calls."""
        for guid, ended in stream(
            self._hook, "idb_guids", self._in, after_ts=after, until_ts=until, oldest_ts=after - DAY
        ):
            yield str(guid), int(ended)


class Facts:
    """The survivor's Info Mart."""

    def __init__(self, hook: InfoMartOracleHook, schema: str) -> None:
        self._hook, self._in = hook, {"schema": schema}

    def marks(self) -> tuple[dict[int, int], dict[int, int]]:
        """See :func:`marks_of`."""
        return marks_of(self._hook.select("hwm", self._in))

    def sign_of_life(self) -> int | None:
        """Time at which the newest transaction in this Info Mart was written."""
        return epoch(self._hook.value("fact_sign_of_life", self._in))

    def covered(self, since: int) -> tuple[dict[int, int], int | None]:
        """By source: time up to which its calls are among the facts; and the end of the newest fact.

        :param since: older facts are not checked.
        """
        key = since - since % INTERVAL
        row = self._hook.select("fact_newest", self._in, from_key=key, oldest_key=key - DAY)[0]
        newest = epoch(row["end_ts"])
        if row["audit_key"] is None or newest is None:
            return {}, newest
        rows = self._hook.select("fact_covered", self._in, audit_key=int(row["audit_key"]), since_ts=since)
        # A transformation may commit in parts, so coverage ends at the newest fact.
        found = {int(r["data_source_key"]): int(r["covered_ts"]) for r in rows if r["covered_ts"] is not None}
        return {source: min(ts, newest) for source, ts in found.items()}, newest

    def by_bucket(self, seconds: int, after: int, until: int) -> dict[int, int]:
        """Number of facts by the bucket's start; whole intervals around ``after`` and ``until``."""
        if until <= after:
            return {}
        first = after - after % INTERVAL
        rows = self._hook.select(
            "fact_by_bucket",
            self._in,
            bucket_seconds=seconds,
            from_key=first,
            to_key=until - until % INTERVAL,
            oldest_key=first - DAY,
        )
        return {int(r["bucket"]) * seconds: int(r["interactions"]) for r in rows if r["bucket"] is not None}

    def guids(self, first: int, last: int) -> Iterator[str]:
        """Guids of the facts that ended in these intervals."""
        for (guid,) in stream(self._hook, "fact_guids", self._in, from_key=first, to_key=last, oldest_key=first - DAY):
            yield guid


@dataclass(frozen=True)
class Base:
    """The data that the lost server left at the survivor; final once the standby is drained.

    :param other: the newest mark of each data source without marks of calls; 0: none.
    :param covered: by source, time up to which its calls are among the facts.
    :param newest: end of the newest fact.
    :param sign: last sign of life of the lost site in the Info Mart.
    :param drained: everything that arrived is applied, and no server has extracted here since.
    :param served: the survivor's server was started.
    :param own: the survivor's own server has extracted all this (active-active).
    """

    marks: Mapping[int, int]
    other: Mapping[int, int]
    covered: Mapping[int, int]
    newest: int | None = None
    sign: int | None = None
    drained: bool = False
    served: bool = False
    own: bool = False

    def to_text(self, proof: str) -> str:
        """For the ledger; times are stored as differences, so that many sources fit."""
        base = max(self.marks.values(), default=0)
        noted = {"proof": proof[:200], "base": base, "newest": self.newest, "sign": self.sign}

        def text(covered: Mapping[int, int]) -> str:
            sources = {
                key: [mark - base, covered[key] - base] if key in covered else [mark - base]
                for key, mark in self.marks.items()
            }
            other = {key: mark - base for key, mark in self.other.items()}
            return json.dumps({**noted, "other": other, "sources": sources}, separators=(",", ":"))

        whole = text(self.covered)
        # The marks are indispensable; without the rest some upper bounds stay open.
        return whole if len(whole) <= FACT_LIMIT else text({})

    @classmethod
    def from_text(cls, text: str, proof: str) -> Base | None:
        """The recorded data; None when they belong to another draining.

        :raises UnexpectedReplyError: it is another text.
        """
        try:
            return cls._read(text, proof)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
            raise UnexpectedReplyError(
                f"The marks of the lost site cannot be read from DR_LEDGER ({type(error).__name__}): {text[:80]!r}.",
                "Their row was changed, or another release wrote it. Start a new plan.",
            ) from None

    @classmethod
    def _read(cls, text: str, proof: str) -> Base | None:
        noted = json.loads(text)
        if noted["proof"] != proof[:200]:
            return None
        base, sources = noted["base"], {int(key): times for key, times in noted["sources"].items()}
        return cls(
            {key: base + times[0] for key, times in sources.items()},
            {int(key): base + mark for key, mark in noted["other"].items()},
            {key: base + times[1] for key, times in sources.items() if len(times) > 1},
            noted["newest"],
            noted["sign"],
            drained=True,
        )


class Reading:
    """The data read for one estimate."""

    def __init__(self, step: Step, failed: str, survivor: str, window: int) -> None:
        self.window = window
        self.facts = Facts(step.at("target").info_mart, step.schema)
        self.sources = sources_of(step.topology, failed, survivor)
        self.unseen = 0
        self._calls = {
            source.key: Calls(step.oracle(source.idb.connection), source.idb.schema_name)
            for source in self.sources
            if source.countable and source.idb is not None and source.idb.schema_name is not None
        }
        self._trouble = {source.key: source.trouble for source in self.sources if source.trouble}
        self._last_event: dict[int, int] = {}
        self._compared: dict[int, Compared] = {}

    # -- asking IDBs ---------------------------------------------------------------------------------

    def _each(self, work: Callable[[int, Calls], T]) -> dict[int, T]:
        """Ask the IDBs that still answer, a few at a time; one that fails is not asked again."""

        def safely(key: int) -> tuple[int, T | InfoMartError]:
            try:
                return key, work(key, self._calls[key])
            except InfoMartError as error:
                return key, error

        found = {}
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            for key, answer in pool.map(safely, self._asked()):
                if isinstance(answer, InfoMartError):
                    self._give_up(key, answer.what)
                else:
                    found[key] = answer
        return found

    def _asked(self) -> list[int]:
        return [key for key in self._calls if key not in self._trouble]

    def _give_up(self, key: int, why: str) -> None:
        self._trouble[key] = f"its IDB cannot be asked: {' '.join(why.split())[:160]}"

    def ask_last_events(self) -> None:
        """Ask the IDBs for the time up to which they are complete."""
        for key, last in self._each(lambda _, calls: calls.last_event()).items():
            if last is None:
                self._give_up(key, "G_DSS_GCC_PROVIDER has no last event")
            elif last > time.time() + INTERVAL:
                self._give_up(key, f"its last event, {shown(last)}, is in the future: LEVENT_ITIME is not in UTC")
            else:
                self._last_event[key] = last

    def signs(self, base: Base) -> int | None:
        """Last sign of life of the lost site: its newest write, or the newest event of its T-Servers."""
        signs = [
            self._last_event[s.key] for s in self.sources if s.at_failed_site and s.placed and s.key in self._asked()
        ]
        if base.sign is not None:
            signs += [base.sign, *base.marks.values()]
        return max(signs, default=None)

    # -- numbers -------------------------------------------------------------------------------------

    def states(self, base: Base, failure: Failure) -> list[SourceState]:
        """The knowledge about each data source."""
        below, above = self._intervals(base, failure)
        self._compare(base, below, above, failure)
        rates = self._rates(base, below)
        tails = self._each(lambda key, calls: calls.by_bucket(1, self._last_event[key] - 1, int(time.time())))
        uncounted = self._uncounted_rates(base, rates)
        return [self._state(source, base, above, rates, tails, uncounted) for source in self.sources]

    def _intervals(self, base: Base, failure: Failure) -> tuple[dict[int, dict[int, int]], dict[int, dict[int, int]]]:
        """Number of calls by interval: up to the mark, and above it up to the failure."""

        def below(key: int, calls: Calls) -> dict[int, int]:
            mark = base.marks.get(key)
            # Longer than the window, so that the day before shows how such an hour goes on.
            return {} if mark is None else calls.by_bucket(INTERVAL, mark - self.window - RATE_SECONDS, mark)

        def above(key: int, calls: Calls) -> dict[int, int]:
            mark = base.marks.get(key, failure.high - self.window)
            return calls.by_bucket(INTERVAL, mark, failure.high)

        return self._each(below), self._each(above)

    def _compare(
        self, base: Base, below: Mapping[int, dict[int, int]], above: Mapping[int, dict[int, int]], failure: Failure
    ) -> None:
        windows = []
        for key in self._asked():
            if (mark := base.marks.get(key)) is None:
                continue
            until = max(mark, min(failure.high, mark + ABOVE_SECONDS)) if above.get(key) else mark
            after = mark - self.window
            calls = {interval: number for interval, number in below.get(key, {}).items() if interval > after}
            windows.append(Window(key, after, mark, until, calls))
        if not windows:
            return
        first = min(window.after for window in windows)
        counts = self.facts.by_bucket(INTERVAL, first, max(window.mark for window in windows))
        comparison = Comparison(
            windows, lambda key, after, until: self._calls[key].guids(after, until), self.facts.guids, counts
        )
        self._compared = comparison.run()
        self.unseen = comparison.unseen
        for key, found in self._compared.items():
            if found.trouble:
                self._give_up(key, found.trouble)

    def _rates(self, base: Base, below: Mapping[int, dict[int, int]]) -> dict[int, Rates]:
        """Call rates of the sources whose IDB answers."""
        oldest = min([*self._last_event.values(), *base.marks.values(), *base.covered.values()], default=0)

        def recent(key: int, calls: Calls) -> Activity:
            after, ends = oldest - RATE_SECONDS, self._last_event[key]
            return Activity.read(RATE_BUCKET, calls.by_bucket(RATE_BUCKET, after, ends - 1), after, ends).after_outage()

        found = self._each(recent)
        alive = [found[s.key] for s in self.sources if not s.at_failed_site and s.key in found]
        others = Activity.together(alive)
        rates = {}
        for key, activity in found.items():
            patterns = [Pattern(others)] if others is not None else []
            if (mark := base.marks.get(key)) is not None and below.get(key):
                # The mark cuts its interval, so that one is left out.
                after, ends = mark - self.window - RATE_SECONDS, mark - mark % INTERVAL
                day = Activity.read(INTERVAL, below[key], after, ends)
                patterns.append(Pattern(day, DAY))
            rates[key] = Rates(activity, tuple(patterns))
        return rates

    def _uncounted_rates(self, base: Base, rates: Mapping[int, Rates]) -> Rates | None:
        """Joint call rate of all sources without a counted IDB: the facts that belong to no counted source."""
        counted = set(rates) & set(self._asked())
        others = [s for s in self.sources if s.key not in counted and s.key not in base.other]
        reach = min((base.covered[key] for key in base.marks if key in base.covered), default=None)
        if not others or reach is None:
            return None
        ends = reach - reach % RATE_BUCKET
        begins = max([ends - RATE_SECONDS, *(rates[key].activity.begins for key in counted)])
        begins += -begins % RATE_BUCKET
        facts = self.facts.by_bucket(RATE_BUCKET, begins, ends)
        left = {}
        for bucket in range(begins, ends, RATE_BUCKET):
            known = sum(
                rates[key].activity.calls.get(bucket, 0) * (1 - self._compared[key].share)
                for key in counted
                if key in self._compared
            )
            left[bucket] = max(0, round(facts.get(bucket, 0) - known))
        activity = Activity.read(RATE_BUCKET, {b: n for b, n in left.items() if n}, begins, ends).after_outage()
        # No IDB shows the later calls of these sources, but the calls of the others show how the rate goes on.
        groups = [
            [s.key for s in self.sources if s.at_failed_site == lost and s.key in counted] for lost in (False, True)
        ]
        known_calls = [Activity.together([rates[key].activity for key in group]) for group in groups]
        return Rates(activity, tuple(Pattern(calls) for calls in known_calls if calls is not None))

    def _state(
        self,
        source: Source,
        base: Base,
        above: Mapping[int, dict[int, int]],
        rates: Mapping[int, Rates],
        tails: Mapping[int, dict[int, int]],
        uncounted: Rates | None,
    ) -> SourceState:
        key = source.key
        asked = key in self._asked()
        counted = None
        if asked:
            found = self._compared.get(key, Compared())
            counted = Counted(
                last_event=self._last_event[key],
                missing=found.missing,
                ordinary=found.ordinary,
                missing_from=found.missing_from,
                missing_to=found.missing_to,
                waiting=max(0, sum(above.get(key, {}).values()) - found.again),
                again=found.again,
                tail=tails[key],
            )
        return loss.SourceState(
            key=key,
            name=source.name,
            at_failed_site=source.at_failed_site,
            placed=source.placed,
            idb=source.idb.name if source.idb else "",
            trouble=self._trouble.get(key, ""),
            carries_calls=key not in base.other,
            mark=base.marks.get(key) or base.other.get(key) or None,
            covered=base.covered.get(key),
            counted=counted,
            rates=rates.get(key) if asked else uncounted,
            shared=not asked and key not in base.other,
        )

    def notes(self, base: Base) -> list[str]:
        """Remarks for a person, beside the numbers."""
        found = []
        known = {source.key for source in self.sources}
        if unknown := sorted((set(base.marks) | set(base.other)) - known):
            found.append(f"Not estimated, because not in the topology: data source {', '.join(map(str, unknown))}.")
        highest = max(base.marks.values(), default=None)
        if base.newest is not None and highest is not None and base.newest > highest and not base.own:
            found.append(
                readable(
                    f"The newest fact is of {shown(base.newest)}, later than every mark: calls after the marks are "
                    "extracted twice where their IDB remains (guide:340-346)."
                )
            )
        if base.served and not base.drained:
            found.append(
                "The survivor's server ran before the marks were recorded: the calls it extracted count as lost."
            )
        return found
