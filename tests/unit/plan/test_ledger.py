"""A recorded fact stands until it is forgotten on purpose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infomart_dr.errors import GuardError, PermanentError, UnexpectedReplyError
from infomart_dr.plan import facts
from infomart_dr.plan.ledger import Ledger


class CodedError(Exception):
    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Database:
    """DR_LEDGER with its primary key."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], str] = {}
        self.race: str | None = None
        self.created = 0

    def value(self, name, identifiers=None, **binds):
        return self.created

    def select(self, name, identifiers=None, **binds):
        assert identifiers == {"schema": "GGATE"}
        plan = (binds["deployment"], binds["plan_id"])
        if name == "ledger_all":
            return [{"name": key[2], "value": value} for key, value in self.rows.items() if key[:2] == plan]
        assert name == "ledger_get"
        key = (*plan, binds["entry"])
        return [{"value": self.rows[key]}] if key in self.rows else []

    def execute(self, name, identifiers=None, **binds):
        assert identifiers == {"schema": "GGATE"}
        if name == "create_ledger_table":
            self.created += 1
            return 0
        key = (binds["deployment"], binds["plan_id"], binds["entry"])
        if name == "ledger_forget":
            return int(self.rows.pop(key, None) is not None)
        assert name == "ledger_put"
        if self.race is not None:
            self.rows[key], self.race = self.race, None
        if key in self.rows:
            raise CodedError("ORA-00001")
        self.rows[key] = binds["value"]
        return 1


@pytest.fixture
def database():
    return Database()


@pytest.fixture
def ledger(database):
    return Ledger(database, "GGATE", "emea", "plan1")


def test_the_first_value_stands(ledger):
    assert ledger.put_once(facts.SCN, 1440415) == 1440415
    assert ledger.put_once(facts.SCN, 1500000) == 1440415
    assert ledger.get(facts.SCN) == 1440415


def test_of_two_tries_at_the_same_moment_both_get_the_value_that_stands(database, ledger):
    database.race = "1440000"
    assert ledger.put_once(facts.SCN, 1440415) == 1440000


def test_a_missing_fact_is_none_or_an_error_that_names_the_task_to_clear(ledger):
    assert ledger.get(facts.SCN) is None and not ledger.has(facts.SCN)
    with pytest.raises(GuardError, match="Plan plan1 has no recorded 'scn'") as caught:
        ledger.require(facts.SCN)
    assert caught.value.next_step == "Clear capture_scn with Downstream."


def test_a_fact_can_be_forgotten_and_recorded_again(ledger):
    ledger.put_once(facts.SCN, 1)
    assert ledger.forget(facts.SCN) is True
    assert ledger.forget(facts.SCN) is False
    assert ledger.put_once(facts.SCN, 2) == 2


def test_plans_do_not_see_each_others_facts(database, ledger):
    ledger.put_once(facts.SCN, 1)
    other = Ledger(database, "GGATE", "emea", "plan2")
    assert other.get(facts.SCN) is None
    other.put_once(facts.SCN, 2)
    assert (ledger.all().get(facts.SCN), other.all().get(facts.SCN)) == (1, 2)


@pytest.mark.parametrize(("name", "value"), [("", "1"), ("x" * 101, "1"), ("x", ""), ("x", "ü" * 2001)])
def test_what_oracle_cannot_hold_is_refused_before_it_is_cut(database, ledger, name, value):
    with pytest.raises(PermanentError, match="allowed: 1 to"):
        ledger.put_once(replace(facts.EXPORTED, name=name), value)
    assert database.rows == {}


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        (facts.SCN, "12 "),
        (facts.SCN, "1_000"),
        (facts.BEGUN, "true"),
        (facts.PURGE_HOLD, "[]"),
        (facts.PURGE_HOLD, "{"),
    ],
)
def test_a_value_that_somebody_else_wrote_is_an_error_and_not_a_guess(database, ledger, fact, text):
    database.rows[("emea", "plan1", fact.name)] = text
    with pytest.raises(UnexpectedReplyError, match=f"(?s){fact.name}.*cannot be read") as caught:
        ledger.get(fact)
    assert caught.value.next_step.startswith("Clear ")


def test_facts_of_one_kind_are_found_by_their_names_in_order(ledger):
    for key in ("Drop:1", "Hold:2"):
        ledger.put_once(facts.OBJECT_BEFORE.of(key), {"object": key})
    ledger.put_once(facts.SCN, 1)
    found = ledger.all().of(facts.OBJECT_BEFORE)
    assert [(fact.name, value) for fact, value in found] == [
        ("before:Drop:1", {"object": "Drop:1"}),
        ("before:Hold:2", {"object": "Hold:2"}),
    ]


def test_the_table_is_made_once(database, ledger):
    ledger.ensure_table()
    ledger.ensure_table()
    assert database.created == 1
