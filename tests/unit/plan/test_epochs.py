"""Epochs: the newest run is known at every site, and an older one is refused wherever it acts."""

from __future__ import annotations

from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.plan.test_ledger import CodedError

from infomart_dr import settings
from infomart_dr.errors import GuardError, OvertakenError, TransientError, UnreachableError
from infomart_dr.plan import facts
from infomart_dr.plan.epochs import Epoch, Epochs

MINE, OTHER = "switchover run-1", "failover run-9"


class Site:
    """One site's ledger; it may be out of reach."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], str] = {}
        self.table, self.reached, self.race = True, True, ""

    def _answer(self) -> None:
        if not self.reached:
            raise UnreachableError("the listener cannot be reached.", "Check it.")

    def value(self, name: str, identifiers: Any = None, **binds: Any) -> int:
        self._answer()
        return int(self.table)

    def select(self, name: str, identifiers: Any = None, **binds: Any) -> list[dict[str, str]]:
        self._answer()
        if not self.table:
            raise CodedError("ORA-00942")
        rows = [{"name": key[1], "value": value} for key, value in self.rows.items() if key[0] == binds["plan_id"]]
        return [row for row in rows if name == "ledger_all" or row["name"] == binds["entry"]]

    def execute(self, name: str, identifiers: Any = None, **binds: Any) -> int:
        self._answer()
        if name == "create_ledger_table":
            self.table = True
            return 0
        key = (binds["plan_id"], binds["entry"])
        if self.race:
            self.rows[key], self.race = self.race, ""
        if name == "ledger_forget":
            return int(self.rows.pop(key, None) is not None)
        if name == "ledger_replace":
            if self.rows.get(key) != binds["expected"]:
                return 0
        elif key in self.rows:
            raise CodedError("ORA-00001")
        self.rows[key] = binds["value"]
        return 1


class World:
    """Three sites and the hosts of the first two."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sites = {name: Site() for name in ("site1", "site2", "site3")}
        #: Epoch that each host has seen.
        self.hosts: dict[str, int] = {}
        self.silent: set[str] = set()
        monkeypatch.setattr(Epochs, "_touch", lambda epochs, host, fence: self.touch(host, fence.epoch))

    def touch(self, host: str, epoch: int) -> None:
        if host in self.silent:
            raise UnreachableError(f"{host} cannot be reached.", "")
        if self.hosts.get(host, 0) > epoch:
            raise OvertakenError(f"{host} has seen more", epoch=self.hosts[host])
        self.hosts[host] = epoch

    def epochs(self, owner: str = MINE, keeper: str = "site1", others: tuple[str, ...] = ("site2",)) -> Epochs:
        return Epochs(self.deployment(), keeper, others, f"plan of {owner}", owner)

    def deployment(self) -> Any:
        def settings_of(name: str) -> Any:
            database = SimpleNamespace(
                dba_connection=f"{name}_dba", info_mart_connection=f"{name}_gim", goldengate_connection=f"{name}_gg"
            )
            goldengate = SimpleNamespace(schema_name="GGATE")
            return SimpleNamespace(database=database, goldengate=goldengate, hosts=lambda: (f"{name}-db",))

        names = {name: settings_of(name) for name in self.sites}
        return SimpleNamespace(
            topology=SimpleNamespace(name="emea", sites=names),
            site=names.__getitem__,
            goldengate_database=self.sites.__getitem__,
        )


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_each_run_gets_a_higher_epoch_that_all_sites_and_hosts_know(world: World) -> None:
    assert world.epochs().begin().number == 1
    second = world.epochs(OTHER, "site2", ("site1",)).begin()
    assert second.number == 2 and world.hosts == {"site1-db": 2, "site2-db": 2}
    assert world.epochs().current() == second


def test_a_run_is_overtaken_where_its_own_site_does_not_know_of_it(world: World) -> None:
    mine = world.epochs()
    mine.begin()
    world.sites["site1"].reached, world.silent = False, {"site1-db"}
    newer = world.epochs(OTHER, "site2", ()).begin()
    world.sites["site1"].reached, world.silent = True, set()
    own = mine.current()
    assert own is not None and own.is_of(MINE)
    found, silent = mine.elsewhere()
    assert found == {"site2": newer} and found["site2"].overtakes(own) and not silent


def test_two_runs_with_the_same_number_overtake_each_other() -> None:
    one = Epoch(3, "p", MINE, "airflow", "open", 0)
    other = Epoch(3, "q", OTHER, "airflow", "open", 0)
    assert one.overtakes(other) and other.overtakes(one) and not one.overtakes(one)
    assert not Epoch(2, "q", OTHER, "airflow", "open", 0).overtakes(one)


def test_a_run_of_the_same_name_in_another_airflow_is_another_run() -> None:
    one = Epoch(3, "p", MINE, "https://other", "open", 0)
    assert not one.is_of(MINE) and replace(one, airflow=settings.base_url()).is_of(MINE)


def test_of_two_runs_at_one_moment_one_gets_the_epoch(world: World) -> None:
    world.epochs().begin()
    site = world.sites["site1"]
    site.race = facts.EPOCH.write(asdict(Epoch(2, "q", OTHER, "x", "open", 0)))
    with pytest.raises(TransientError, match="at the same moment"):
        world.epochs().begin()


def test_a_host_that_has_seen_more_than_the_ledgers_does_not_stop_the_holder(world: World) -> None:
    world.hosts["site2-db"] = 40
    assert world.epochs().begin().number == 41


def test_a_site_that_does_not_answer_is_told_later_and_stops_nothing(world: World) -> None:
    world.sites["site2"].reached, world.silent = False, {"site2-db"}
    assert world.epochs().begin().number == 1
    found, silent = world.epochs().elsewhere()
    assert found == {} and list(silent) == ["site2"]


def test_a_site_without_the_table_gets_it(world: World) -> None:
    world.sites["site2"].table = False
    world.epochs().begin()
    assert world.sites["site2"].table and len(world.sites["site2"].rows) == 1


# -- the right of a try ----------------------------------------------------------------------------


def test_a_retry_overtakes_the_try_before_it(world: World) -> None:
    epochs = world.epochs()
    epochs.begin()
    first = epochs.right("chapter.step", 1, teardown=False)
    other = epochs.right("chapter.other", 1, teardown=False)
    first.prove("site1_gg")
    epochs.right("chapter.step", 2, teardown=False)
    for connection in ("", "site1_gg", "site1_dba", "site2_gim", "site2_gg"):
        with pytest.raises(OvertakenError, match="try 2 of this task, and this is try 1"):
            first.prove(connection)
    other.prove("site2_gg")
    with pytest.raises(OvertakenError):
        epochs.right("chapter.step", 1, teardown=False)


def test_a_new_epoch_overtakes_every_try_before_it_at_every_site(world: World) -> None:
    epochs = world.epochs()
    epochs.begin()
    right = epochs.right("chapter.step", 3, teardown=False)
    epochs.begin("back-out")
    for connection in ("", "site1_dba", "site2_gg"):
        with pytest.raises(OvertakenError, match="epoch 2 of switchover run-1, and this run has epoch 1"):
            right.prove(connection)
    epochs.right("chapter.step", 1, teardown=True).prove("site2_dba")


def test_a_change_at_a_site_is_refused_although_the_own_ledger_knows_nothing_newer(world: World) -> None:
    mine = world.epochs()
    mine.begin()
    right = mine.right("chapter.step", 1, teardown=False)
    world.sites["site1"].reached, world.silent = False, {"site1-db"}
    world.epochs(OTHER, "site2", ()).begin()
    world.sites["site1"].reached = True
    right.prove("site1_dba")
    # Also for a command at a host of the own site, which may know of nothing newer.
    with pytest.raises(OvertakenError, match="The ledger at site2 has epoch 2"):
        right.prove()
    with pytest.raises(OvertakenError, match="The ledger at site2 has epoch 2 of failover run-9, and this"):
        right.prove("site2_dba")


def test_once_the_back_out_has_begun_only_teardowns_may_act(world: World) -> None:
    epochs = world.epochs()
    epochs.begin()
    epochs.begin("back-out")
    epochs.right("return_service_to_source", 1, teardown=True)
    with pytest.raises(GuardError, match="The back-out of this run has begun"):
        epochs.right("chapter.step", 1, teardown=False)
    epochs.begin()
    epochs.right("chapter.step", 1, teardown=False)


def test_a_run_without_an_epoch_or_with_that_of_another_may_not_act(world: World) -> None:
    with pytest.raises(GuardError, match="Clear take_lock with Downstream"):
        world.epochs().right("chapter.step", 1, teardown=False)
    world.epochs(OTHER).begin()
    with pytest.raises(GuardError, match="failover run-9"):
        world.epochs().right("chapter.step", 1, teardown=False)


def test_the_check_asks_in_the_session_of_the_change(world: World) -> None:
    epochs = world.epochs()
    epochs.begin()
    right = epochs.right("chapter.step", 1, teardown=False)
    session = Site()
    session.rows = {(facts.DEPLOYMENT, "epoch"): facts.EPOCH.write(asdict(Epoch(9, "q", OTHER, "x", "open", 0)))}
    with pytest.raises(OvertakenError, match="epoch 9"):
        right.prove("site1_gg", session)  # type: ignore[arg-type]
    right.prove("site1_dba", session)  # type: ignore[arg-type]
    session.table = False
    right.prove("site2_gg", session)  # type: ignore[arg-type]


def test_a_site_that_does_not_answer_is_not_asked_before_each_command(world: World, monkeypatch: Any) -> None:
    epochs = world.epochs()
    epochs.begin()
    right = epochs.right("chapter.step", 1, teardown=False)
    asked: list[str] = []
    noted = epochs.noted
    monkeypatch.setattr(epochs, "noted", lambda site, session=None: (asked.append(site), noted(site, session))[1])
    world.sites["site2"].reached = False
    for _ in range(3):
        right.prove()
    assert asked == ["site1", "site2", "site1", "site1"]
    world.sites["site1"].reached = False
    with pytest.raises(UnreachableError):
        right.prove()


# -- the site that serves --------------------------------------------------------------------------


def test_the_newest_note_about_the_serving_site_wins(world: World) -> None:
    first = world.epochs().begin()
    world.epochs().serves("site1", first)
    world.sites["site1"].reached, world.silent = False, {"site1-db"}
    survivor = world.epochs(OTHER, "site2", ())
    survivor.serves("site2", survivor.begin())
    world.sites["site1"].reached = True
    service = world.epochs().service()
    assert service is not None and service.site == "site2" and "site2 serves since" in str(service)


def test_without_a_note_nothing_is_known(world: World) -> None:
    assert world.epochs().service() is None and world.epochs().current() is None
