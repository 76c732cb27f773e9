"""The state between two surveys: read whole, replaced whole, and by one survey only."""

from __future__ import annotations

import pytest

from infomart_dr.evidence.watch_store import WatchStore, is_no_table, parts
from infomart_dr.evidence.watching import Condition, State

from .watch_fakes import FakeSite, OracleLike

STORE = WatchStore("GGATE", "lab")


def state(number: int, conditions: int = 1, sentence: str = "It is stopped.") -> State:
    stands = Condition(level="warning", told="warning", since=1.0, sentence=sentence)
    return State(number=number, at=number * 300.0, conditions={f"site2/groups/G{i}": stands for i in range(conditions)})


def test_a_site_without_a_state_gives_an_empty_one() -> None:
    copy = STORE.read(FakeSite())
    assert copy.state == State() and copy.entries == {}


def test_a_state_of_any_size_is_read_as_it_was_written() -> None:
    site = FakeSite()
    for number, conditions in enumerate([1, 400, 3], start=1):
        copy = STORE.read(site)
        assert STORE.replace(site, copy, state(number, conditions, "Größe 5 µs 日本"))
        assert STORE.read(site).state == state(number, conditions, "Größe 5 µs 日本")
        assert max(len(value.encode()) for value in site.rows.values()) <= 4000
    assert len(site.rows) == 2, "parts that are needed no more are gone"


def test_of_two_surveys_that_read_the_same_state_one_replaces_it() -> None:
    site = FakeSite()
    assert STORE.replace(site, STORE.read(site), state(1))
    one, other = STORE.read(site), STORE.read(site)
    assert STORE.replace(site, one, state(2))
    assert not STORE.replace(site, other, state(2, 2))
    assert STORE.read(site).state == state(2)


def test_of_two_first_surveys_one_is_first() -> None:
    site = FakeSite()
    one, other = STORE.read(site), STORE.read(site)
    assert STORE.replace(site, one, state(1))
    assert not STORE.replace(site, other, state(1, 2))


def test_a_record_of_what_was_sent_stops_a_survey_that_has_not_seen_it() -> None:
    """The number of the survey is equal; the parts differ."""
    site = FakeSite()
    assert STORE.replace(site, STORE.read(site), state(1, 2))
    slow, noting = STORE.read(site), STORE.read(site)
    assert STORE.replace(site, noting, state(1, 1))
    assert not STORE.replace(site, slow, state(2, 2))


def test_a_state_that_is_not_understood_is_recreated() -> None:
    site = FakeSite()
    site.rows = {"look": "9 1.000", "state 000": '{"number":'}
    copy = STORE.read(site)
    assert copy.state == State()
    assert STORE.replace(site, copy, state(1)) and STORE.read(site).state == state(1)


def test_an_error_of_the_database_is_no_lost_race() -> None:
    class Full(FakeSite):
        def execute(self, name: str, identifiers: object = None, **binds: object) -> int:
            raise OracleLike("ORA-01653")

    with pytest.raises(OracleLike):
        STORE.replace(Full(), STORE.read(FakeSite()), state(1))


def test_a_missing_table_is_told_from_other_errors() -> None:
    assert is_no_table(OracleLike("ORA-00942")) and not is_no_table(OracleLike("ORA-01031"))


def test_parts_are_in_the_order_of_their_names() -> None:
    assert list(parts(state(1, 1200))) == sorted(parts(state(1, 1200)))
