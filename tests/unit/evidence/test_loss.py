"""The loss estimate: each of the guide's cases, and bounds that hold the truth."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from infomart_dr.errors import UnreachableError
from infomart_dr.evidence import call_rates, loss
from infomart_dr.evidence.call_rates import Activity, Pattern, Rates
from infomart_dr.evidence.comparison import INTERVAL, Comparison, Window
from infomart_dr.evidence.loss import Counted, Earlier, Failure, LossEstimate, Moment, SourceState

#: A full interval begins here.
T0 = 1_762_000_200 // INTERVAL * INTERVAL
MARK, LAST_EVENT, FAILED = T0 + 7000, T0 + 7060, T0 + 7100


def steady(rate: float, begins: int = T0, ends: int = LAST_EVENT, seconds: int = 10) -> Activity:
    calls = {bucket: round(rate * seconds) for bucket in range(begins, ends, seconds)}
    return Activity(seconds, calls, begins, ends)


def counted(**changes: Any) -> Counted:
    return Counted(**{"last_event": LAST_EVENT, **changes})


def state(**changes: Any) -> SourceState:
    """A data source with an IDB at the survivor whose T-Server stood at the lost site."""
    given: dict[str, Any] = {
        "key": 101,
        "name": "ts1-site2",
        "at_failed_site": True,
        "idb": "ts1-site2",
        "mark": MARK,
        "covered": MARK,
        "counted": counted(),
        "rates": Rates(steady(10.0)),
    }
    return SourceState(**(given | changes))


def estimate(
    *sources: SourceState,
    drained: bool = True,
    moment: Moment = "drained",
    failure: Failure | None = None,
    **more: Any,
) -> LossEstimate:
    failure = failure or Failure(FAILED, FAILED, "given")
    return loss.estimate(moment, "site1", "site2", failure, drained, sources, **more)


def part(made: LossEstimate, case: str, source: int = 0) -> loss.Part:
    (found,) = [part for part in made.sources[source].parts if part.case == case]
    return found


# -- numbers -----------------------------------------------------------------------------------------


def test_a_bound_leaves_three_standard_deviations_of_a_poisson_count() -> None:
    for mean in (400.0, 10_000.0):
        assert call_rates.most(mean) == pytest.approx(mean + 3 * math.sqrt(mean), abs=3)
        assert call_rates.fewest(mean) == pytest.approx(mean - 3 * math.sqrt(mean), abs=3)
    assert call_rates.fewest(1.0) == 0, "a count is never below 0"
    assert call_rates.most(0.0) > 0, "that none is expected does not prove that there was none"


def test_cut_buckets_count_in_part_and_nothing_counts_outside_what_is_known() -> None:
    activity = Activity(10, {0: 10, 10: 20, 20: 5}, 0, 25)
    assert activity.between(0, 25) == 35
    assert activity.between(5, 15) == 15
    # All five calls of the last bucket lie in its known half.
    assert activity.between(20, 25) == 5
    assert activity.between(-50, 0) == 0 and activity.between(25, 90) == 0


def test_the_first_bucket_of_a_new_idb_is_left_out() -> None:
    assert Activity.read(10, {50: 1, 60: 10}, 3, 70).begins == 60
    assert Activity.read(10, {10: 1, 60: 10}, 3, 70).begins == 10
    assert Activity.read(10, {}, 3, 70).begins == 10


def test_stretches_that_follow_each_other_are_seen_at_every_place() -> None:
    activity = Activity(10, {0: 10, 10: 30, 20: 50}, 0, 30)
    assert list(activity.stretches(10)) == [(1.0,), (3.0,), (5.0,)]
    assert list(activity.stretches(20)) == [(2.0,), (4.0,)]
    assert list(activity.stretches(20, 10)) == [(2.0, 5.0)]
    assert list(activity.stretches(40)) == []
    assert list(Activity(10, {0: 10, 10: 3}, 0, 15).stretches(10)) == [(1.0,)], "the last bucket is not over"


def test_a_rate_is_not_taken_over_an_outage() -> None:
    active = dict.fromkeys([*range(0, 1000, 10), *range(1300, 1400, 10)], 20)
    assert Activity(10, active, 0, 1400).after_outage().begins == 1310
    seldom = dict.fromkeys(range(0, 1400, 100), 1)
    assert Activity(10, seldom, 0, 1400).after_outage().begins == 0, "a pause of a source with few calls"
    assert Activity(10, {}, 0, 1400).after_outage().begins == 0
    assert Activity(10, active, 0, 1000).after_outage().begins == 0


def test_a_silence_up_to_the_end_is_the_rate() -> None:
    ended = Activity(10, dict.fromkeys(range(0, 1000, 10), 20), 0, 1400)
    assert ended.after_outage() == ended, "the source may have been down when its site was lost"


def test_activities_are_added_where_all_are_known() -> None:
    one, other = Activity(10, {0: 1, 10: 2, 20: 4}, 0, 27), Activity(10, {10: 10, 20: 20}, 10, 30)
    both = Activity.together([one, other])
    assert both is not None
    assert (both.begins, both.ends, both.between(10, 20)) == (10, 20, 12)
    assert Activity.together([one, Activity(10, {}, 40, 50)]) is None
    assert Activity.together([]) is None


def test_without_history_nobody_knows_a_number() -> None:
    assert Rates(Activity(10, {}, T0, T0)).bounds(T0, T0 + 5) is None
    assert Rates(Activity(10, {}, T0, T0)).bounds(T0, T0) == (0.0, 0.0), "but in no time nothing happens"


def test_a_steady_rate_gives_tight_bounds() -> None:
    low, high = Rates(steady(50.0)).bounds(LAST_EVENT, LAST_EVENT + 60)  # type: ignore[misc]
    assert low < 3000 < high
    assert high - low < 0.25 * 3000


def test_a_rate_that_went_up_and_down_gives_bounds_as_wide() -> None:
    calls = {bucket: 100 if (bucket - T0) // 600 % 2 else 500 for bucket in range(T0, LAST_EVENT, 10)}
    low, high = Rates(Activity(10, calls, T0, LAST_EVENT)).bounds(LAST_EVENT, LAST_EVENT + 60)  # type: ignore[misc]
    assert low < 600 and high > 3000


def test_what_the_survivors_sources_did_meanwhile_widens_the_bounds_their_way() -> None:
    others = Activity(
        10,
        {bucket: 100 if bucket < LAST_EVENT else 300 for bucket in range(T0, LAST_EVENT + 200, 10)},
        T0,
        LAST_EVENT + 200,
    )
    alone, together = (Rates(steady(50.0), patterns) for patterns in ((), (Pattern(others),)))
    bounds = [rates.bounds(LAST_EVENT, LAST_EVENT + 100) for rates in (alone, together)]
    assert bounds[0] is not None and bounds[1] is not None
    assert bounds[0][1] < 3 * 5000 < bounds[1][1], "a threefold rate is within"
    assert bounds[1][0] == pytest.approx(bounds[0][0]), "and so is an unchanged one"


def test_the_day_before_shows_what_comes_after_such_an_hour() -> None:
    day = 86400
    yesterday = {b: 100 if b < LAST_EVENT - day else 400 for b in range(T0 - day, LAST_EVENT + 3600 - day, 10)}
    pattern = Pattern(Activity(10, yesterday, T0 - day, LAST_EVENT + 3600 - day), day)
    low, high = Rates(steady(10.0), (pattern,)).bounds(LAST_EVENT, LAST_EVENT + 1000)  # type: ignore[misc]
    assert low < 10_000 and high > 40_000


def test_when_the_doors_open_in_the_gap_the_day_before_shows_how_many_come() -> None:
    day = 86400
    begins, ends = T0 - day, LAST_EVENT + 3600 - day
    yesterday = {bucket: 400 for bucket in range(begins, ends, 10) if bucket >= LAST_EVENT - day}
    silent = Activity(10, {}, T0, LAST_EVENT)
    alone, told = (Rates(silent, p) for p in ((), (Pattern(Activity(10, yesterday, begins, ends), day),)))
    assert (alone.bounds(LAST_EVENT, LAST_EVENT + 600) or (0, 0))[1] < 10
    low, high = told.bounds(LAST_EVENT, LAST_EVENT + 600)  # type: ignore[misc]
    assert low == 0 and high > 24_000


def test_a_pattern_of_few_calls_says_nothing() -> None:
    few = Activity(10, {T0: 20, T0 + 10: 29}, T0, T0 + 20)
    assert Pattern(few).carried((T0, T0 + 10), (T0 + 10, T0 + 20), 100.0) is None


@pytest.mark.parametrize(("swing", "width"), [(0.0, 0.5), (0.3, 1.0), (0.6, 2.0)])
def test_the_truth_lies_within_the_bounds_of_random_calls(swing: float, width: float) -> None:
    """Rates in waves of twenty to ninety minutes, at random moments, with gaps up to minutes."""
    dice = random.Random(17)
    outside, widths = 0, []
    for _ in range(150):
        mean, period, phase = dice.uniform(0.5, 60), dice.uniform(1200, 5400), dice.uniform(0, 7)
        gap = dice.choice([1, 5, 20, 120, 400])

        def calls(start: int, seconds: int, wave: tuple[float, float, float] = (mean, period, phase)) -> int:
            rate = wave[0] * (1 + swing * math.sin(start / wave[1] * 2 * math.pi + wave[2]))
            return _poisson(dice, rate * seconds)

        ends = T0 + 7200
        activity = Activity(10, {bucket: calls(bucket, 10) for bucket in range(T0, ends, 10)}, T0, ends)
        truth = sum(calls(ends + second, 1) for second in range(gap))
        low, high = Rates(activity).bounds(ends, ends + gap)  # type: ignore[misc]
        outside += not math.floor(low) <= truth <= math.ceil(high)
        widths.append((high - low) / max(truth, 50))
    assert outside == 0
    assert sorted(widths)[len(widths) // 2] < width, "tight enough to be of use"


def test_a_short_history_does_not_show_how_a_rate_changes_and_gets_wider_bounds() -> None:
    short, long = (Rates(steady(50.0, begins=LAST_EVENT - known)) for known in (600, 7000))
    widths = [high - low for low, high in (rates.bounds(LAST_EVENT, LAST_EVENT + 60) for rates in (short, long))]  # type: ignore[misc]
    assert widths[0] > 1.4 * widths[1]


def test_what_lies_far_ahead_of_the_history_gets_wider_bounds() -> None:
    rates = Rates(steady(50.0))
    widths = [rates.bounds(LAST_EVENT + lag, LAST_EVENT + lag + 60) or (0, 0) for lag in (0, 3600)]
    assert widths[1][1] - widths[1][0] > 1.4 * (widths[0][1] - widths[0][0])


def _poisson(dice: random.Random, mean: float) -> int:
    if mean > 30:
        return max(0, round(dice.gauss(mean, math.sqrt(mean))))
    count, product = 0, dice.random()
    while product > math.exp(-mean):
        count, product = count + 1, product * dice.random()
    return count


# -- the moment of failure ---------------------------------------------------------------------------


def test_an_unknown_failure_lies_between_the_last_sign_of_life_and_the_first_estimate() -> None:
    failure = loss.failure_between(None, 1, FAILED - 40, FAILED + 600)
    assert (failure.low, failure.high) == (FAILED - 40, FAILED + 600)
    assert "failure_time" in failure.why


def test_a_given_failure_is_as_exact_as_it_was_written() -> None:
    failure = loss.failure_between(FAILED, 60, FAILED - 900, FAILED + 600)
    assert (failure.low, failure.high) == (FAILED - 60, FAILED + 60)


def test_a_given_failure_is_not_believed_against_what_is_seen() -> None:
    early = loss.failure_between(FAILED - 500, 1, FAILED - 40, FAILED + 600)
    assert (early.low, early.high) == (FAILED - 40, FAILED - 40)
    assert "the site was alive at" in early.why
    late = loss.failure_between(FAILED + 5000, 1, FAILED - 40, FAILED + 600)
    assert (late.low, late.high) == (FAILED + 600, FAILED + 600)
    assert "the first estimate was at" in late.why


def test_without_a_sign_of_life_nothing_is_lost_for_certain() -> None:
    assert loss.failure_between(None, 1, None, FAILED).low == 0
    assert estimate(state(), failure=Failure(0, FAILED, "")).low == 0


# -- the guide's cases -------------------------------------------------------------------------------


def test_a_what_is_not_extracted_is_extracted_from_the_survivors_idb() -> None:
    made = estimate(state(at_failed_site=False, counted=counted(waiting=600)))
    assert (made.low, made.high) == (0, 0)
    assert "600 calls are in ts1-site2 above the mark" in part(made, "a").why


def test_a_except_what_icon_had_not_delivered_when_its_site_was_lost() -> None:
    made = estimate(state())
    undelivered = part(made, "a'")
    # Forty seconds at ten calls a second.
    assert undelivered.low < 400 < (undelivered.high or 0)
    assert (undelivered.start, undelivered.end) == (LAST_EVENT, FAILED)
    assert (made.low, made.high) == (undelivered.low, undelivered.high)


def test_calls_that_arrived_after_the_last_event_are_no_loss() -> None:
    tail = {LAST_EVENT + second: 10 for second in range(20)}
    whole, less = (part(estimate(state(counted=counted(tail=t))), "a'") for t in ({}, tail))
    assert (whole.low - less.low, (whole.high or 0) - (less.high or 0)) == (200, 200)


def test_a_delivered_queue_loses_nothing_for_certain_and_next_to_nothing_at_most() -> None:
    seen = {LAST_EVENT: 7}
    made = estimate(state(counted=counted(tail=seen)), failure=Failure(LAST_EVENT, LAST_EVENT, ""))
    assert made.low == 0
    assert 0 <= (made.high or 0) < 20


def test_the_other_sites_sources_have_no_queue_that_is_lost() -> None:
    made = estimate(state(at_failed_site=False))
    assert not [p for p in made.sources[0].parts if p.case == "a'"]


def test_b_without_an_idb_all_from_the_mark_to_the_failure_is_lost() -> None:
    made = estimate(state(idb="", counted=None))
    lost = part(made, "b")
    # A hundred seconds at ten calls a second.
    assert lost.low < 1000 < (lost.high or 0) < 1400
    assert (lost.start, lost.end) == (MARK, FAILED)


def test_c_what_is_extracted_and_has_no_fact_is_lost_to_the_call() -> None:
    made = estimate(
        state(at_failed_site=False, counted=counted(missing=75, missing_from=MARK - 8, missing_to=MARK, waiting=9))
    )
    assert (made.low, made.high) == (75, 75)
    assert (part(made, "c").start, part(made, "c").end) == (MARK - 8, MARK)


def test_c_without_an_idb_to_ask_is_bounded_by_what_is_known_to_be_transformed() -> None:
    lost = part(estimate(state(idb="", counted=None, covered=MARK - 30)), "c")
    assert lost.low == 0
    assert 300 < (lost.high or 0) < 500
    assert (lost.start, lost.end) == (MARK - 30, MARK)
    assert part(estimate(state(idb="", counted=None, covered=MARK)), "c").high == 0


def test_c_calls_that_never_become_facts_count_in_the_upper_bound_only() -> None:
    made = estimate(state(at_failed_site=False, counted=counted(missing=75, ordinary=30)))
    assert (made.low, made.high) == (45, 75)


def test_d_facts_above_an_older_mark_are_extracted_twice_and_not_lost() -> None:
    made = estimate(state(at_failed_site=False, counted=counted(again=40, waiting=2)))
    assert "40 calls above the mark already have a fact" in part(made, "d").why
    assert (made.low, made.high) == (0, 0)
    with pytest.raises(ValueError):
        part(estimate(state(at_failed_site=False)), "d")


def test_e_active_calls_are_said_to_be_lost_in_an_unknown_number() -> None:
    report = estimate(state()).to_markdown()
    assert "| calls active at the failure are lost | unknown |" in report
    assert "without calls active at site1" in report


def test_before_the_standby_is_drained_everything_without_a_fact_may_be_lost_and_nothing_must_be() -> None:
    seen = counted(missing=75, waiting=9000)
    made = estimate(state(counted=seen), drained=False, moment="before")
    assert made.low == 0
    assert (made.high or 0) > 9075 + 300
    assert "upper limit" in made.to_markdown()
    for moment in ("before", "drained"):
        after = estimate(state(counted=seen), drained=True, moment=moment)  # type: ignore[arg-type]
        assert after.low >= 75 and (after.high or 0) < 800
        assert "upper limit" not in after.to_markdown()


@pytest.mark.parametrize("idb", ["", "ts1-site2"])
def test_before_the_standby_is_drained_nothing_that_cannot_be_counted_is_lost_for_certain(idb: str) -> None:
    made = estimate(state(idb=idb, counted=None), drained=False)
    assert made.low == 0
    assert (made.high or 0) > 1000


def test_facts_below_the_last_event_need_no_delivery_and_calls_up_to_the_mark_may_have_some() -> None:
    """The remote IDB is behind the mark: the lost server has read from the other IDB of the pair."""
    behind = counted(last_event=MARK - 100)
    rates = Rates(steady(10.0, ends=MARK - 100))
    queue = part(estimate(state(counted=behind, covered=MARK - 40, rates=rates)), "a'")
    assert queue.start == MARK - 40
    # Calls after the mark have no fact; calls after the covered time may have none.
    assert queue.low < 1000 and 1400 < (queue.high or 0) < 1800


def test_an_idb_that_was_not_asked_is_an_uncertainty() -> None:
    made = estimate(state(counted=None, trouble="its IDB cannot be asked: no listener"))
    assert made.low == 0
    assert (made.high or 0) >= 1000
    assert "no listener" in made.to_markdown()
    survivors = estimate(state(counted=None, at_failed_site=False, covered=MARK - 10))
    assert 100 <= (survivors.high or 0) < 250, "only what was extracted may be lost"


def test_without_a_rate_the_upper_bound_is_unknown_and_so_is_the_sum() -> None:
    made = estimate(state(counted=counted(missing=5)), state(key=102, counted=None, idb="", rates=None))
    assert made.sources[1].high is None and made.high is None
    assert made.low >= 5
    assert "or more**" in made.to_markdown()


def test_a_source_without_a_mark_has_nothing_extracted() -> None:
    made = estimate(state(mark=None, covered=None, at_failed_site=False, counted=counted(waiting=50)))
    assert (made.low, made.high) == (0, 0)
    assert estimate(state(mark=None, covered=None, counted=None, idb="")).high is None


def test_a_source_that_carries_no_calls_loses_none() -> None:
    made = estimate(state(carries_calls=False, mark=None, counted=None, idb="", rates=None))
    assert (made.low, made.high) == (0, 0)


def test_a_t_server_that_the_topology_does_not_place_is_taken_for_lost_in_the_upper_bound_only() -> None:
    made = estimate(state(placed=False))
    assert made.low == 0
    assert (made.high or 0) > 400
    assert "source_site" in part(made, "a'").why


def test_sources_that_share_the_facts_rate_do_not_lose_it_twice() -> None:
    one = state(idb="", counted=None, shared=True)
    other = state(key=102, idb="", counted=None, shared=True)
    alone, both = estimate(one), estimate(one, other)
    assert both.high == alone.high, "together they had that rate"
    assert both.low == alone.low > 0
    assert [source.low for source in both.sources] == [0, 0], "but whose it was is unknown"


def test_unseen_facts_are_part_of_the_upper_bound() -> None:
    made = estimate(state(at_failed_site=False), unseen=12)
    assert (made.low, made.high) == (0, 12)
    assert "12 facts are missing by number" in made.to_markdown()


def test_the_end_says_what_became_of_the_calls_that_waited() -> None:
    made = estimate(state(at_failed_site=False, counted=counted(missing=75, again=580, waiting=20)), moment="end")
    assert "580 waiting calls have their fact now, 20 have none yet" in part(made, "a").why
    assert (made.low, made.high) == (75, 75)
    with pytest.raises(ValueError):
        part(made, "d")


# -- shown and kept ----------------------------------------------------------------------------------


def test_the_report_is_a_table_that_says_source_mark_what_how_many_when_and_why() -> None:
    made = estimate(state(counted=counted(missing=1234, missing_from=MARK - 20, missing_to=MARK)))
    report = made.to_markdown()
    (row,) = [line for line in report.splitlines() if "| lost | 1,234 |" in line]
    assert "101 (ts1-site2) | 2025-11-01 14:26:40" in row or loss.clock(MARK) in row
    assert loss.between(MARK - 20, MARK) in row
    widths = {line.count("|") for line in report.splitlines() if line.startswith("|")}
    assert widths == {7}, "every row has as many cells"


def test_a_message_with_bars_and_breaks_stays_one_cell() -> None:
    report = estimate(state(counted=None, trouble="a|b\nc")).to_markdown()
    assert {line.count("|") for line in report.splitlines() if line.startswith("|")} == {7}


def test_a_report_for_the_ledger_shows_the_largest_losses_and_sums_up_the_rest() -> None:
    sources = [state(key=100 + n, at_failed_site=False, counted=counted(missing=n)) for n in range(200)]
    report = estimate(*sources).to_markdown(3900)
    assert len(report.encode()) <= 3900
    assert "| 299 (" in report and "| 100 (" not in report
    assert "more | | |" in report
    assert "unknown |" in report, "active calls stay"


def test_a_summary_fits_the_ledger_and_is_read_back() -> None:
    made = estimate(*(state(key=100 + n, at_failed_site=False, counted=counted(missing=n)) for n in range(400)))
    text = made.summary()
    assert len(text.encode()) <= loss.SUMMARY_LIMIT
    earlier = Earlier.parse(text)
    assert (earlier.moment, earlier.low, earlier.high) == ("drained", made.low, made.high)
    assert earlier.sources[499] == (399, 399), "the largest losses are kept"
    assert json.loads(text)["more"] > 0


def test_the_json_has_everything() -> None:
    made = estimate(state(counted=counted(missing=3)))
    whole = json.loads(made.to_json())
    assert (whole["lost_low"], whole["lost_high"]) == (made.low, made.high)
    assert whole["sources"][0]["parts"][0]["case"] == "c"
    assert whole["failure"]["low"] == FAILED


def test_an_estimate_is_held_against_the_earlier_ones() -> None:
    before = Earlier.parse(estimate(state(), drained=False, moment="before").summary())
    now = estimate(state(), moment="end", earlier=[before])
    assert "Estimate before the draining: 0 to " in now.to_markdown()
    assert now.disagreements() == []
    wrong = before._replace(sources={101: (0, 3)})
    (line,) = estimate(state(counted=counted(missing=9)), earlier=[wrong]).disagreements()
    assert "outside 0 to 3" in line


# -- comparison by guid ------------------------------------------------------------------------------


class World:
    """Calls and facts of some sources; counts the reads."""

    def __init__(self, rate: int = 2, hours: float = 6, keys: Sequence[int] = (101,)) -> None:
        self.mark = T0 + int(hours * 3600) + 500
        self.calls: dict[int, dict[str, int]] = {
            key: {f"{key}-{ts}-{n}": ts for ts in range(T0, self.mark + 200) for n in range(rate) if n or ts % 2}
            for key in keys
        }
        self.facts = {guid: ts for calls in self.calls.values() for guid, ts in calls.items() if ts <= self.mark}
        self.read: list[int] = []
        self.broken: set[int] = set()

    def lose(self, after: int, until: int, every: int = 1, key: int = 101) -> int:
        gone = [g for g, ts in self.calls[key].items() if after < ts <= until and g in self.facts][::every]
        for guid in gone:
            del self.facts[guid]
        return len(gone)

    def guids(self, key: int, after: int, until: int) -> Iterable[tuple[str, int]]:
        if key in self.broken:
            raise UnreachableError("no listener")
        self.read += sorted({ts // INTERVAL * INTERVAL for ts in self.calls[key].values() if after < ts <= until})
        return [(guid, ts) for guid, ts in self.calls[key].items() if after < ts <= until]

    def fact_guids(self, first: int, last: int) -> Iterable[str]:
        return [guid for guid, ts in self.facts.items() if first <= ts // INTERVAL * INTERVAL <= last]

    def windows(self, until: int | None = None) -> list[Window]:
        found = []
        for key, calls in self.calls.items():
            by_interval: dict[int, int] = {}
            for ts in calls.values():
                if T0 - 1 < ts <= self.mark:
                    by_interval[ts - ts % INTERVAL] = by_interval.get(ts - ts % INTERVAL, 0) + 1
            found.append(Window(key, T0 - 1, self.mark, until or self.mark, by_interval))
        return found

    def compare(self, until: int | None = None, counts: Mapping[int, int] | None = None) -> Comparison:
        if counts is None:
            by_interval: dict[int, int] = {}
            for ts in self.facts.values():
                by_interval[ts - ts % INTERVAL] = by_interval.get(ts - ts % INTERVAL, 0) + 1
            counts = by_interval
        comparison = Comparison(self.windows(until), self.guids, self.fact_guids, counts)
        comparison.run()
        return comparison


def test_the_newest_calls_without_a_fact_are_counted_to_the_call() -> None:
    world = World()
    lost = world.lose(world.mark - 90, world.mark)
    found = world.compare().found[101]
    assert (found.missing, found.ordinary) == (lost, 0)
    assert (found.missing_from, found.missing_to) == (world.mark - 89, world.mark)


def test_complete_intervals_end_the_comparison_of_guids() -> None:
    world = World()
    world.lose(world.mark - 90, world.mark)
    world.compare()
    assert min(world.read) > world.mark - 5 * INTERVAL, "an hour of six was read"


def test_a_loss_of_hours_is_followed_to_its_beginning() -> None:
    world = World()
    lost = world.lose(world.mark - 3 * 3600, world.mark)
    assert world.compare().found[101].missing == lost


def test_an_older_hole_shows_in_the_numbers_and_is_compared() -> None:
    world = World()
    lost = world.lose(T0 + 3 * INTERVAL + 100, T0 + 3 * INTERVAL + 110)
    comparison = world.compare()
    assert (comparison.found[101].missing, comparison.unseen) == (lost, 0)
    assert len(set(world.read)) <= 6, "the hole's interval, and the newest ones"


def test_more_holes_than_are_compared_are_reported_as_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Comparison, "DIFFERING", 1)
    world = World()
    larger = world.lose(T0 + 3 * INTERVAL + 100, T0 + 3 * INTERVAL + 130)
    smaller = world.lose(T0 + 8 * INTERVAL + 100, T0 + 8 * INTERVAL + 110)
    comparison = world.compare()
    assert (comparison.found[101].missing, comparison.unseen) == (larger, smaller)


def test_facts_on_the_other_side_of_an_intervals_border_are_found() -> None:
    world = World()
    world.facts = {guid: ts + 700 for guid, ts in world.facts.items()}
    assert world.compare().found[101].missing == 0


def test_calls_that_never_become_facts_do_not_pass_for_lost() -> None:
    """A tenth of all calls, such as consultations, has no fact of its own; the newest ninety seconds are lost."""
    world = World(rate=4)
    ordinary = world.lose(T0 - 1, world.mark, every=10)
    lost = world.lose(world.mark - 90, world.mark)
    found = world.compare().found[101]
    assert 0.08 < found.share < 0.16
    assert lost < found.missing < lost + 0.2 * ordinary, "complete intervals are not counted"
    assert found.missing - found.ordinary <= lost <= found.missing
    assert min(world.read) >= world.mark - 4 * 3600 - INTERVAL, "the older hours were left alone"


def test_calls_above_the_mark_with_a_fact_are_counted_apart() -> None:
    world = World()
    late = [guid for guid, ts in world.calls[101].items() if world.mark < ts <= world.mark + 30]
    world.facts |= {guid: world.mark + 1 for guid in late}
    found = world.compare(until=world.mark + 200).found[101]
    assert (found.again, found.missing) == (len(late), 0)


def test_an_idb_that_breaks_off_leaves_the_others_alone() -> None:
    world = World(keys=(101, 102))
    lost = world.lose(world.mark - 50, world.mark, key=102)
    world.broken = {101}
    found = world.compare().found
    assert found[101].trouble == "no listener"
    assert found[102].missing == lost


def test_other_sources_facts_hide_no_loss() -> None:
    world = World(keys=(101, 102))
    lost = world.lose(world.mark - 50, world.mark)
    found = world.compare().found
    assert (found[101].missing, found[102].missing) == (lost, 0)


def test_a_pass_is_limited_in_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Comparison, "PASS_CALLS", 1)
    world = World()
    lost = world.lose(world.mark - 2000, world.mark)
    assert world.compare().found[101].missing == lost


def test_an_idle_source_needs_no_comparison() -> None:
    comparison = Comparison([Window(101, T0, T0 + 9000, T0 + 9000, {})], lambda *_: [], lambda *_: [], {})
    assert comparison.run()[101].missing == 0
