"""A step without sites: ledgers are dictionaries, the lock is one holder."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Self

import pytest

from infomart_dr import settings
from infomart_dr.errors import GuardError, InfoMartError
from infomart_dr.plan.epochs import Epoch, Service, State
from infomart_dr.plan.facts import Fact
from infomart_dr.plan.ledger import Recorded
from infomart_dr.plan.lock import Holder
from infomart_dr.plan.runs import Runs


class FakeLedger(dict[str, str]):
    """Facts as in DR_LEDGER: a recorded one is never overwritten."""

    def get(self, fact: Any, default: Any = None) -> Any:
        if not isinstance(fact, Fact):
            return super().get(fact, default)
        return fact.read(self[fact.name]) if fact.name in self else None

    def has(self, fact: Fact[Any]) -> bool:
        return fact.name in self

    def require(self, fact: Fact[Any]) -> Any:
        if fact.name not in self:
            raise GuardError(f"Plan plan-1 has no recorded {fact.name!r}.", fact.record_again())
        return fact.read(self[fact.name])

    def put_once(self, fact: Fact[Any], value: Any) -> Any:
        text = fact.write(value)
        # The column's size; the real ledger refuses longer values.
        assert 0 < len(text.encode()) <= 4000
        return fact.read(self.setdefault(fact.name, text))

    def forget(self, fact: Fact[Any]) -> bool:
        return self.pop(fact.name, None) is not None

    def ensure_table(self) -> None:
        pass

    def all(self) -> Recorded:
        return Recorded(self)


class FakeLock:
    """The deployment's lock."""

    def __init__(self, plan_id: str | None = None, owner: str = "") -> None:
        self._holder: Holder | None = None
        self.signs_of_life = 0
        if plan_id is not None:
            self._hold(plan_id, owner)

    def _hold(self, plan_id: str, owner: str) -> Holder:
        now = datetime.now(UTC)
        self._holder = Holder(plan_id, owner, "test", now, now)
        return self._holder

    def ensure_tables(self) -> None:
        pass

    def holder(self) -> Holder | None:
        return self._holder

    def take(self, plan_id: str, owner: str, reason: str) -> Holder:
        if self._holder is not None and not self._holder.is_run(plan_id, owner):
            raise GuardError(f"locked by {self._holder}")
        return self._hold(plan_id, owner)

    def take_over(self, plan_id: str, owner: str, reason: str, held_by: str) -> Holder:
        assert self._holder is not None and self._holder.plan_id == held_by
        return self._hold(plan_id, owner)

    def require(self, plan_id: str, owner: str) -> None:
        if self._holder is None or not self._holder.is_run(plan_id, owner):
            raise GuardError(f"Plan {plan_id} does not hold the lock.")
        self.signs_of_life += 1

    def release(self, plan_id: str) -> bool:
        self._holder = None
        return True


class FakeEpochs:
    """The notes of the sites: this run has the deployment, and nobody is newer."""

    def __init__(self, plan_id: str = "plan-1", owner: str = "dag run-1") -> None:
        self.plan_id, self.owner = plan_id, owner
        self.epoch: Epoch | None = None
        self.others: dict[str, Epoch] = {}
        self.silent: dict[str, InfoMartError] = {}
        self.noted_service: Service | None = None
        self.begin("open")

    def begin(self, state: State = "open") -> Epoch:
        number = 1 if self.epoch is None else self.epoch.number + 1
        self.epoch = Epoch(number, self.plan_id, self.owner, settings.base_url(), state, 1790000000)
        return self.epoch

    def current(self) -> Epoch | None:
        return self.epoch

    def is_open(self) -> bool:
        return self.epoch is not None and self.epoch.is_of(self.owner) and self.epoch.state == "open"

    def elsewhere(self) -> tuple[dict[str, Epoch], dict[str, InfoMartError]]:
        return self.others, self.silent

    def service(self) -> Service | None:
        return self.noted_service

    def serves(self, site: str, epoch: Epoch) -> None:
        self.noted_service = Service(site, epoch.number, epoch.plan, 1790000000)


class FakeAt:
    """A site of a fake step, from the step's own methods for a role."""

    def __init__(self, step: Any, role: str) -> None:
        self._step, self._role = step, role

    @property
    def settings(self) -> Any:
        return self._step.site(self._role)

    @property
    def long_queries(self) -> Any:
        return self._step.info_mart(self._role)

    def host(self, kind: str = "db") -> Any:
        return self._step.host(self._role) if kind == "db" else self._step.host(self._role, kind)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)(self._role)


class StepOf(SimpleNamespace):
    """A step of a few answers, each a function of a role."""

    def enter(self, *, backs_out: bool = False) -> None:
        """It may act."""

    def at(self, role: str) -> FakeAt:
        return FakeAt(self, role)


class FakeStep:
    """The part of a step that operators use; tests add what they need."""

    def __init__(self, plan_id: str = "plan-1", owner: str = "dag run-1", **facts: str) -> None:
        self.plan_id, self.owner, self.requester = plan_id, owner, "anna"
        self.run_after = datetime.now(UTC)
        self.params: dict[str, Any] = {}
        self.failover = False
        self.sites = {"source": "site2", "target": "site3"}
        self.pair: Any = SimpleNamespace(other=lambda role: "target" if role == "source" else "source", **self.sites)
        self.ledger, self.replications = FakeLedger(facts), [FakeLedger(), FakeLedger()]
        self.lock = FakeLock(plan_id, owner)
        self.epochs = FakeEpochs(plan_id, owner)
        self.runs = Runs()
        self.key, self.schema, self.plan_folder = "0a1b2c3d", "GIM", "plans/0a1b2c3d"
        self.topology = SimpleNamespace(
            timeouts=SimpleNamespace(
                poll=0.01,
                catch_up=5.0,
                final_catch_up=900,
                inline_wait=0.0,
                expdp=7200,
                impdp=7200,
                transfer=7200,
                space_wait=5400,
            ),
            sites={},
            architecture="active-standby",
        )

    def enter(self, *, backs_out: bool = False) -> None:
        self.lock.require(self.plan_id, self.owner)
        if backs_out and self.epochs.is_open():
            self.begin("back-out")

    def begin(self, state: State = "open") -> None:
        self.epochs.begin(state)

    @property
    def holds_lock(self) -> bool:
        holder = self.lock.holder()
        return holder is not None and holder.is_run(self.plan_id, self.owner)

    def at(self, role: str) -> FakeAt:
        return FakeAt(self, role)

    def name(self, role: str) -> str:
        return self.sites[role]

    def application(self, role: str) -> str:
        return "GIM"

    def application_dbid(self, role: str) -> int:
        return 121

    def arguments(self) -> dict[str, Any]:
        return {"plan_id": self.plan_id, "owner": self.owner}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def replace_question(monkeypatch: pytest.MonkeyPatch, name: str, answer: Any) -> None:
    """Answer a question of the guards in every module that asks it.

    :raises AssertionError: no loaded module has it, so that a renamed question is found.
    """
    asking = [
        module for path, module in list(sys.modules.items()) if path.startswith("infomart_dr.") and name in vars(module)
    ]
    assert asking, f"nobody asks {name}"
    for module in asking:
        monkeypatch.setattr(module, name, answer)
