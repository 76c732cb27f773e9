"""One plan at a time: the lock is taken once, read back, and released only by its own plan."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from infomart_dr.errors import GuardError
from infomart_dr.plan.lock import PlanLock

PLAN, OTHER = "manual__2026-11-02", "scheduled__2026-11-03"


class CodedError(Exception):
    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Database:
    """DR_LOCK with its primary key, and a log of the executed statements."""

    def __init__(self) -> None:
        self.tables: set[str] = set()
        self.rows: dict[str, dict] = {}
        self.executed: list[str] = []
        self.before: dict[str, list] = {}

    def value(self, name, identifiers=None, **binds):
        assert name == "table_exists" and binds["owner"] == "GGATE"
        return int(binds["table_name"] in self.tables)

    def select(self, name, identifiers=None, **binds):
        assert (name, identifiers) == ("lock_holder", {"schema": "GGATE"})
        row = self.rows.get(binds["deployment"])
        return [row] if row else []

    def execute(self, name, identifiers=None, **binds):
        assert identifiers == {"schema": "GGATE"}
        for action in self.before.pop(name, []):
            action()
        self.executed.append(name)
        now = datetime(2026, 11, 2, 10, 0, len(self.executed) % 60)
        row = self.rows.get(binds.get("deployment"))
        if name.startswith("create_"):
            table = "DR_" + name.split("_")[1].upper()
            if table in self.tables:
                raise CodedError("ORA-00955")
            self.tables.add(table)
            return 0
        if name == "take_lock":
            if row:
                raise CodedError("ORA-00001")
            self.rows[binds["deployment"]] = {
                **{key: binds[key] for key in ("plan_id", "owner", "reason")},
                "taken_at": now,
                "heartbeat_at": now,
            }
            return 1
        mine = "held_by" if name == "steal_lock" else "plan_id"
        if not row or row["plan_id"] != binds[mine]:
            return 0
        if name == "release_lock":
            del self.rows[binds["deployment"]]
        elif name == "steal_lock":
            row.update(plan_id=binds["plan_id"], owner=binds["owner"], reason=binds["reason"], taken_at=now)
        row["heartbeat_at"] = now
        return 1


@pytest.fixture
def database():
    return Database()


@pytest.fixture
def lock(database):
    return PlanLock(database, "GGATE", "emea")


def test_the_first_plan_makes_the_tables_and_takes_the_lock(database, lock):
    holder = lock.take(PLAN, "anna@airflow-1", "return to normal")
    assert (holder.plan_id, holder.owner) == (PLAN, "anna@airflow-1")
    assert holder.taken_at.tzinfo is UTC
    assert database.tables == {"DR_LOCK", "DR_LEDGER", "DR_MARKER"}


def test_the_same_plan_takes_it_again_without_another_insert(database, lock):
    first = lock.take(PLAN, "anna", "x")
    assert lock.take(PLAN, "anna", "x") == first
    assert database.executed.count("take_lock") == 1


def test_another_plan_is_told_who_holds_it_since_when_and_what_to_do(database, lock):
    lock.take(PLAN, "anna@airflow-1", "return to normal")
    with pytest.raises(GuardError) as caught:
        lock.take(OTHER, "ben", "failover")
    for part in (PLAN, "anna@airflow-1", "2026-11-02 10:00", "return to normal", "GGATE.DR_LOCK", "take over the lock"):
        assert part in str(caught.value)
    assert not caught.value.retryable
    assert database.rows["emea"]["plan_id"] == PLAN


def test_of_two_plans_at_the_same_moment_one_wins(database, lock):
    def ben():
        database.tables |= {"DR_LOCK", "DR_LEDGER", "DR_MARKER"}
        PlanLock(database, "GGATE", "emea").take(OTHER, "ben", "y")

    database.before["take_lock"] = [ben]
    with pytest.raises(GuardError, match=OTHER):
        lock.take(PLAN, "anna", "x")


def test_an_insert_whose_answer_was_lost_counts(database, lock):
    lock.ensure_tables()
    database.before["take_lock"] = [lambda: PlanLock(database, "GGATE", "emea").take(PLAN, "anna", "x")]
    assert lock.take(PLAN, "anna", "x").plan_id == PLAN


def test_tables_made_by_another_plan_meanwhile_are_no_error(database, lock):
    database.before["create_lock_table"] = [lambda: database.tables.add("DR_LOCK")]
    lock.ensure_tables()
    assert database.tables == {"DR_LOCK", "DR_LEDGER", "DR_MARKER"}


def test_other_errors_are_not_swallowed(database, lock):
    def denied():
        raise CodedError("ORA-01031")

    database.before["create_lock_table"] = [denied]
    with pytest.raises(CodedError, match="ORA-01031"):
        lock.take(PLAN, "anna", "x")


def test_only_the_own_plan_releases(database, lock):
    assert lock.release(PLAN) is False, "no table yet"
    lock.take(PLAN, "anna", "x")
    assert lock.release(OTHER) is False
    assert lock.holder() is not None
    assert lock.release(PLAN) is True
    assert lock.release(PLAN) is False
    assert lock.holder() is None


def test_each_deployment_has_its_own_lock(database, lock):
    lock.take(PLAN, "anna", "x")
    assert PlanLock(database, "GGATE", "apac").take(OTHER, "ben", "y").plan_id == OTHER


def test_a_step_proves_that_its_plan_still_holds_the_lock(database, lock):
    with pytest.raises(GuardError, match="the lock is free"):
        lock.require(PLAN, "anna")
    before = lock.take(PLAN, "anna", "x").heartbeat_at
    lock.require(PLAN, "anna")
    assert lock.holder().heartbeat_at > before
    with pytest.raises(GuardError, match="is locked by"):
        lock.require(OTHER, "ben")


def test_a_takeover_names_the_plan_that_loses(database, lock):
    lock.take(PLAN, "anna", "x")
    with pytest.raises(GuardError, match=PLAN):
        lock.take_over(OTHER, "ben", "airflow-1 is lost", held_by="a third one")
    assert lock.take_over(OTHER, "ben", "airflow-1 is lost", held_by=PLAN).owner == "ben"
    with pytest.raises(GuardError):
        lock.require(PLAN, "anna")


def test_a_long_reason_is_cut_and_a_long_plan_refused(database, lock):
    lock.take(PLAN, "anna", "ü" * 1000)
    assert len(database.rows["emea"]["reason"].encode()) <= 1000
    for plan in ("", "x" * 251):
        with pytest.raises(GuardError, match=r"1 to 250\.\nNext: Start a new run with a shorter id"):
            lock.take(plan, "anna", "x")


def test_two_runs_of_one_plan_do_not_run_at_the_same_time(lock):
    lock.take(PLAN, "return_to_normal run-1", "x")
    with pytest.raises(GuardError, match="return_to_normal run-1"):
        lock.take(PLAN, "cutover run-2", "x")
    with pytest.raises(GuardError, match="return_to_normal run-1"):
        lock.require(PLAN, "cutover run-2")
    assert lock.take_over(PLAN, "cutover run-2", "its Airflow is lost", held_by=PLAN).is_run(PLAN, "cutover run-2")
    with pytest.raises(GuardError, match="cutover run-2"):
        lock.require(PLAN, "return_to_normal run-1")
