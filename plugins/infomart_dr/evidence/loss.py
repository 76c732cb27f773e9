"""The loss of a failover: counted where an Interaction Database answers, estimated from the call rate elsewhere.

The cases are the guide's (guide:325-346). Each data source gets a lower and an upper bound; a bound that would be a
guess is left open. These are pure functions; :mod:`infomart_dr.guards.loss_reading` reads the data.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from infomart_dr.errors import UnexpectedReplyError
from infomart_dr.evidence.call_rates import Rates
from infomart_dr.guide import readable
from infomart_dr.times import clock, shown

#: Time of the estimate: before the gate, after the standby is drained, at the end of the failover.
Moment = Literal["before", "drained", "end"]
#: Most bytes of the summary in the ledger.
SUMMARY_LIMIT = 3500


# -- input --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failure:
    """The time of the site's loss: between ``low`` and ``high`` (UTC seconds), with the evidence for it."""

    low: int
    high: int
    why: str


def failure_between(given: int | None, tolerance: int, sign: int | None, first_look: int) -> Failure:
    """The time of the site's loss, from a person's statement and from the survivor's data.

    :param given: the time that a person gave; None: no time.
    :param tolerance: seconds by which it may be wrong, from the precision in which it was written.
    :param sign: last sign of life of the lost site at the survivor.
    :param first_look: time of the first estimate: the site was lost before it.
    """
    seen = min(sign if sign is not None else first_look, first_look)
    if given is None:
        what = f"last sign of life {shown(sign)}" if sign is not None else "the survivor has no sign of life of it"
        return Failure(
            seen if sign is not None else 0,
            first_look,
            f"not given; {what}, first estimate {shown(first_look)}. The parameter failure_time narrows the bounds",
        )
    floor = seen if sign is not None else given - tolerance
    low, high = (min(max(given + by, floor), first_look) for by in (-tolerance, tolerance))
    why = f"given as {shown(given)}"
    if given + tolerance < floor:
        why += f", but the site was alive at {shown(sign)}"
    elif given - tolerance > first_look:
        why += f", but the first estimate was at {shown(first_look)}"
    return Failure(low, high, why)


@dataclass(frozen=True)
class Counted:
    """The counts from the remaining IDB of a data source.

    :param last_event: time up to which it is complete.
    :param missing: calls at or below the mark without a fact.
    :param ordinary: most of these that would never have a fact anyway.
    :param waiting: calls above the mark, up to the failure, without a fact.
    :param again: calls above the mark that have a fact.
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
        """Calls in it from ``start`` on; ``start`` is at or after the last event."""
        return sum(number for second, number in self.tail.items() if second >= start)


@dataclass(frozen=True)
class SourceState:
    """One data source as the survivor shows it.

    :param key: DATA_SOURCE_KEY.
    :param at_failed_site: its T-Server was at the lost site.
    :param placed: the topology states this without doubt.
    :param idb: the remaining IDB; empty: none.
    :param trouble: the reason why the remaining IDB was not counted.
    :param carries_calls: calls are extracted from it, not only configuration and the like.
    :param mark: replicated high-water mark; None: it has none.
    :param covered: time up to which its calls are among the facts; None: unknown.
    :param counted: the counts from its IDB; None: it was not counted.
    :param rates: its call rate; None: unknown.
    :param shared: the rate is the joint rate of all sources without a counted IDB.
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


# -- conclusions --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """One fate of a data source's calls.

    :param case: ``a`` to ``e``, as in the guide's order; ``a'`` is the exception from ``a``.
    :param high: None: unknown.
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
    """The fate of one data source's calls."""

    key: int
    name: str
    label: str
    mark: int | None
    parts: tuple[Part, ...]
    shared: bool = False

    @property
    def low(self) -> int:
        # Nobody knows to which of several sources the facts' rate belongs.
        return 0 if self.shared else self.low_alone

    @property
    def low_alone(self) -> int:
        """Lower bound if the joint rate of all uncounted sources were its own."""
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
    """An estimate that was recorded before."""

    moment: str
    low: int
    high: int | None
    sources: dict[int, tuple[int, int | None]]
    #: Bounds of the time of the site's loss; 0 as the lower one: unknown.
    failure: tuple[int, int]

    @classmethod
    def parse(cls, text: str) -> Earlier:
        """Read the text of :meth:`LossEstimate.summary`.

        :raises UnexpectedReplyError: it is another text.
        """
        try:
            noted = json.loads(text)
            low, high = noted["failure"]
            return cls(
                str(noted["moment"]),
                int(noted["low"]),
                None if noted["high"] is None else int(noted["high"]),
                {key: (least, most) for key, _, least, most in noted["sources"]},
                (int(low), int(high)),
            )
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise UnexpectedReplyError(
                f"An earlier estimate of the loss cannot be read ({type(error).__name__}): {text[:80]!r}.",
                "Its row in DR_LEDGER was changed, or another release wrote it. Start a new run with failure_time.",
            ) from None


@dataclass(frozen=True)
class LossEstimate:
    """The loss of a failover, in bounds.

    :param drained: the Replicat has applied everything that arrived, so no further fact will come.
    :param own: the survivor's own server extracts for its own Info Mart (active-active); nothing is replicated.
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
    #: Missing facts, by number, in intervals whose guids were not compared.
    unseen: int = 0
    made_at: int = 0
    own: bool = False

    @property
    def low(self) -> int:
        shared = [source.low_alone for source in self.sources if source.shared]
        return sum(source.low for source in self.sources if not source.shared) + min(shared, default=0)

    @property
    def high(self) -> int | None:
        alone = [source.high for source in self.sources if not source.shared]
        shared = [source.high for source in self.sources if source.shared]
        # The shared rate is their joint rate, so the longest gap at that rate bounds their sum.
        together = None if None in shared else max((high for high in shared if high is not None), default=0)
        return added([*alone, together, self.unseen])

    # -- for people --------------------------------------------------------------------------------

    def sentence(self) -> str:
        """The estimate in one line, for the log."""
        state = "" if self.drained else "; this is an upper limit, because the standby is not drained"
        return f"calls lost: {bounds(self.low, self.high)}, without calls active at {self.failed_site}{state}"

    def to_markdown(self, limit: int | None = None) -> str:
        """The report for the person at the gate.

        :param limit: bytes; a longer report shows the sources that lose least in one common row.
        """
        blocks = [self._rows(source) for source in self._ordered()]
        for whole in range(len(blocks), -1, -1):
            rows = [row for block in blocks[:whole] for row in block]
            if whole < len(blocks):
                rest = self._ordered()[whole:]
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
        if self.own and self.moment != "end":
            title = "Loss estimate"
        lines = [
            f"**{title}. Calls lost: {bounds(self.low, self.high)}**, without calls active at {self.failed_site}",
            "",
        ]
        if not self.drained:
            lines += [
                f"This is an upper limit: facts that have arrived at {self.survivor} but are not applied yet will make "
                "the loss smaller.",
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
        why = readable("no database holds a call before it has ended (guide:327)")
        return f"| all at {self.failed_site} | | calls active at the failure are lost | unknown | | {why} |"

    def _foot(self) -> list[str]:
        lines = [f"- {note}" for note in self.notes]
        if self.unseen:
            lines.append(
                f"- {self.unseen:,} facts are missing by number in older intervals whose calls were not compared."
            )
        lines += [
            f"- Estimate {'before' if e.moment == 'before' else 'after'} the draining: {bounds(e.low, e.high)}."
            for e in self.earlier
        ]
        lines += [f"- {line}" for line in self.disagreements()]
        return ["", *lines] if lines else []

    def disagreements(self) -> list[str]:
        """Sources whose bounds contradict an earlier estimate: one of its assumptions was wrong."""
        found = []
        for earlier in self.earlier:
            for source in self.sources:
                low, high = earlier.sources.get(source.key, (0, None))
                if (high is not None and source.low > high) or (source.high is not None and source.high < low):
                    found.append(
                        f"{source.label}: now {bounds(source.low, source.high)}, outside {bounds(low, high)} of the "
                        f"estimate {earlier.moment!r}: find out why"
                    )
        return found

    # -- for programs ------------------------------------------------------------------------------

    def to_json(self) -> str:
        """The complete estimate, for a file or another program."""
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
        """The part for the ledger: at most :data:`SUMMARY_LIMIT` bytes; the sources that lose least are left out."""
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
    own: bool = False,
) -> LossEstimate:
    """The loss by data source.

    :param drained: the Replicat has applied everything that arrived. Otherwise every lower bound is 0: the rest of the
        trail may contain any fact and any mark up to the failure.
    :param unseen: missing facts, by number, in intervals whose guids were not compared.
    """
    alone = sum(state.shared for state in sources) < 2
    found = []
    for state in sources:
        parts = _Meaning(moment, failed_site, survivor, failure, drained, state, own).parts()
        shared = state.shared and not alone
        found.append(SourceEstimate(state.key, state.name, state.label, state.mark, tuple(parts), shared))
    return LossEstimate(
        moment,
        failed_site,
        survivor,
        failure,
        drained,
        tuple(found),
        tuple(notes),
        tuple(earlier),
        unseen,
        made_at,
        own,
    )


@dataclass(frozen=True)
class _Meaning:
    """The conclusions from the state of one data source."""

    moment: Moment
    failed_site: str
    survivor: str
    failure: Failure
    drained: bool
    state: SourceState
    own: bool = False

    def parts(self) -> list[Part]:
        state = self.state
        if not state.carries_calls:
            return [self._without_calls()]
        if state.counted is not None:
            return self._counted(state.counted)
        return self._uncounted()

    def _without_calls(self) -> Part:
        """Outbound campaigns, configuration, states: named with their times, not counted."""
        state = self.state
        if not self.drained:
            what, end = "no calls; other data are not counted", self.failure.high
        elif state.idb:
            what, end = "no calls; other data will be extracted", None
        else:
            what, end = "no calls; other data are lost", self.failure.high
        why = f"outbound, configuration or state data after the mark; {state.idb or 'no IDB of it is left'}"
        return Part("-", what, start=state.mark, end=end if state.mark else None, why=why)

    # -- with a counted IDB --------------------------------------------------------------------------

    def _counted(self, counted: Counted) -> list[Part]:
        parts = [*self._extracted(counted), *self._waiting(counted)]
        if self.state.at_failed_site:
            parts.append(self._undelivered(counted))
        return parts

    def _extracted(self, counted: Counted) -> Iterable[Part]:
        if self.own:
            yield self._own()
            return
        if not self.drained:
            why = "extracted, no fact here yet; the rest of the trail may still bring it"
            yield Part("c", "may be lost", 0, counted.missing, counted.missing_from, counted.missing_to, why)
            return
        low = max(0, counted.missing - counted.ordinary)
        why = readable(f"extracted, but no fact at {self.survivor}: not transformed or not replicated (guide:338)")
        if counted.ordinary:
            why += f"; going by older intervals, up to {counted.ordinary:,} of them would never become a fact"
        what = "lost" if counted.missing else "nothing extracted is lost"
        if not counted.missing:
            why = f"every call in {self.state.idb} up to the mark has its fact"
        yield Part("c", what, low, counted.missing, counted.missing_from, counted.missing_to, why)

    def _own(self) -> Part:
        why = readable(f"{self.survivor} has extracted them itself, and transforms them (guide:313)")
        return Part("c", "nothing extracted is lost", why=why)

    def _waiting(self, counted: Counted) -> Iterable[Part]:
        mark = self.state.mark
        waiting = f"{counted.waiting:,} calls are in {self.state.idb}" if counted.waiting else "no call waits"
        if self.moment == "end":
            waiting = f"{counted.again:,} waiting calls have their fact now, {counted.waiting:,} have none yet"
            yield Part("a", "extracted after the start", 0, 0, mark, self.failure.high, waiting)
            return
        if self.drained:
            why = readable(f"{waiting} above the mark (guide:337)")
            yield Part("a", "will be extracted", 0, 0, mark, None, why)
        else:
            why = f"{waiting} above the applied mark; the rest of the trail may move the mark without their facts"
            yield Part("a", "will be extracted, or may be lost", 0, counted.waiting, mark, None, why)
        if counted.again and not self.own:
            why = readable(f"{counted.again:,} calls above the mark already have a fact (guide:340-346)")
            yield Part("d", "may be extracted twice", 0, 0, mark, None, why)

    def _undelivered(self, counted: Counted) -> Part:
        state = self.state
        # Up to `covered` all calls have their fact; between the last event and the mark some may have one.
        start = max(counted.last_event, self._covered() or 0)
        high = self._at_most(start, self.failure.high + 1, counted.delivered(start))
        low = 0
        if self.drained and state.placed:
            later = max(counted.last_event, state.mark or 0)
            low = self._at_least(later, self.failure.low, counted.delivered(later))
        why = f"not in {state.idb} when its ICON's site was lost; by the call rate from its last event to the failure"
        if not state.placed:
            why += "; the topology does not say where its T-Server is (source_site)"
        what = "lost in ICON's queue" if self.drained else "may be lost in ICON's queue"
        return Part("a'", what, low, high, start, self.failure.high, why)

    # -- without a counted IDB -----------------------------------------------------------------------

    def _uncounted(self) -> list[Part]:
        state = self.state
        by_rate = f"{state.trouble}; by the call rate" if state.trouble else "by the call rate"
        parts = []
        if state.mark is not None:
            parts.append(self._own() if self.own else self._extracted_uncounted(state.mark, by_rate))
        covered = self._covered()
        start = max(state.mark or 0, covered or 0)
        high = self._at_most(start, self.failure.high + 1) if start else None
        low, what, end = 0, "will be extracted, or may be lost", self.failure.high
        if not state.idb:
            low = self._at_least(start, self.failure.low) if self.drained and start else 0
            what = "lost" if self.drained else "lost, unless the rest of the trail brings them"
            case, why = "b", readable(f"not extracted, and all of its IDBs are lost (guide:337); {by_rate}")
        elif state.at_failed_site:
            case, why = "a'", f"{state.idb} may hold them all, or they were lost in ICON's queue; {by_rate}"
        else:
            case, why = "a", readable(f"{state.idb} is still filled (guide:337)")
            if self.drained:
                what, high = "will be extracted", 0
        parts.append(Part(case, what, low, high, start or None, end if case != "a" else None, why))
        return parts

    def _extracted_uncounted(self, mark: int, by_rate: str) -> Part:
        covered = self._covered()
        if covered is not None and covered >= mark:
            why = "the last transformation in this Info Mart processed all calls up to the mark"
            return Part("c", "nothing extracted is lost", start=mark, end=mark, why=why)
        high = None if covered is None else self._at_most(covered, mark)
        why = readable(f"extracted, but no IDB can show that all have a fact (guide:338); {by_rate}")
        return Part("c", "may be lost", 0, high, covered, mark, why)

    # -- numbers -------------------------------------------------------------------------------------

    def _covered(self) -> int | None:
        """Time up to which all calls have their fact, at most the mark."""
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


# -- words --------------------------------------------------------------------------------------------


def added(numbers: Iterable[int | None]) -> int | None:
    """The sum; None when one of them is unknown."""
    total = 0
    for number in numbers:
        if number is None:
            return None
        total += number
    return total


def between(start: int | None, end: int | None) -> str:
    """Two moments; a common date is written once."""
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
