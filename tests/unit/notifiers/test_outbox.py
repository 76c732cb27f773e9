"""Undelivered messages: kept at a site, delivered later in their order, once, without harm to the run."""

from __future__ import annotations

import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from tests.http_receiver import Answer, Receiver, Request

from infomart_dr.deployment import Deployment
from infomart_dr.errors import GuardError
from infomart_dr.evidence.undelivered import UNDELIVERED, UndeliveredStore
from infomart_dr.notifiers import outbox
from infomart_dr.topology import Tickets

from .telling import Told

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def dag() -> Any:
    return DagBag(str(ROOT / "dags" / "infomart_failover.py")).dags["infomart_failover"]


class System:
    """A webhook that is away or refuses tickets as configured, and keeps the accepted messages."""

    def __init__(self) -> None:
        self.away = False
        self.refuses: set[str] = set()
        self.status = 400
        self.got: list[dict[str, Any]] = []

    def __call__(self, request: Request) -> Answer:
        if self.away:
            return Answer(503)
        if request.body["ticket"] in self.refuses or request.body["event"] in self.refuses:
            return Answer(self.status)
        self.got.append(request.body)
        return Answer(body={})

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(body["ticket"], body["event"]) for body in self.got]


class World(Told):
    """A run of a failover from site1 to site2, whose ticketing system can be away; and the later delivery."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, dag: Any, receiver: Receiver) -> None:
        super().__init__(monkeypatch, dag, receiver)
        self.settings = Tickets(backend="webhook", connection="tickets", timeout=0.3, limit=1)
        self.params = {"failed_site": "site1", "survivor": "site2"}
        self.system = receiver.decide = System()
        self.site = self.sites["site2"]
        self._began, self._shift = time.time(), 0.0
        monkeypatch.setattr(outbox.time, "time", lambda: time.monotonic() - self._zero + self._began + self._shift)
        self._zero = time.monotonic()

    def later(self, seconds: float) -> None:
        self._shift += seconds

    def look(self, *sites: str) -> None:
        deployment = Deployment("")
        deployment.topology = self.topology()
        outbox.deliver_pending(deployment, sites or ("site2", "site3"))

    @property
    def waits(self) -> list[str]:
        """Events that wait at the survivor, in their order."""
        with self.site.transaction() as session:
            found = UndeliveredStore("GGATE", "lab").read(session)
        return [each.message.event for each in found if each.message]

    @property
    def rows(self) -> dict[str, str]:
        return self.site.plans.get(UNDELIVERED, {})


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, dag: Any) -> Any:
    with Receiver() as receiver:
        yield World(monkeypatch, dag, receiver)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


# -- kept, and sent later ------------------------------------------------------------------------------


def test_a_gate_whose_ticketing_system_is_away_is_reported_by_the_next_survey(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.system.away = True
    world("waits", "confirm_site_failure", "running")
    assert world.system.got == [] and world.waits == ["waiting"]
    (warning,) = warnings(caplog)
    assert warning.endswith("Kept in DR_LEDGER at site2: infomart_watch will send it.")
    world.look()
    assert world.waits == ["waiting"], "it is away still"
    world.system.away = False
    world.look()
    (message,) = world.system.got
    assert (message["event"], message["task_id"]) == ("waiting", "confirm_site_failure")
    assert message["link"].endswith("/required_actions?map_index=-1")
    assert world.rows == {}
    world.look()
    assert len(world.system.got) == 1


def test_a_message_of_the_same_run_sends_first_what_waits_so_the_order_stays(world: World) -> None:
    world.system.away = True
    world("begins", "take_lock", "running")
    world("waits", "confirm_site_failure", "running")
    world.system.away = False
    world.states |= {"release_lock": None}
    world("ends", "drain_standby.raise_sequences")
    assert [event for _, event in world.system.told] == ["started", "waiting", "chapter"]
    assert world.rows == {}


def test_a_message_that_comes_while_others_cannot_be_sent_waits_behind_them(world: World) -> None:
    world.system.away = True
    world("begins", "take_lock", "running")
    world.states = {"take_lock": "running"}
    world("fails", "take_lock", "failed", error=GuardError("Locked."))
    assert world.waits == ["started", "failed", "ended"]
    assert {request.body["event"] for request in world.receiver.requests} == {"started"}, "it is asked for one only"
    world.system.away = False
    world.look()
    assert [event for _, event in world.system.told] == ["started", "failed", "ended"]


def test_a_late_message_says_when_it_happened_and_has_the_key_that_it_would_have_had(world: World) -> None:
    world.system.away = True
    world("waits", "confirm_site_failure", "running")
    keys = {request.body["key"] for request in world.receiver.requests}
    at = {request.body["at"] for request in world.receiver.requests}
    world.system.away = False
    world.later(3000)
    world.look()
    assert {message["key"] for message in world.system.got} == keys
    assert {message["at"] for message in world.system.got} == at


def test_the_same_message_waits_once_however_often_it_happens_again(world: World) -> None:
    world.system.away = True
    world("waits", "confirm_site_failure", "running")
    world("waits", "confirm_site_failure", "running")
    assert world.waits == ["waiting"]
    world.system.away = False
    world("waits", "confirm_site_failure", "running")
    assert world.system.told == [("INC0012345", "waiting")]


def test_a_long_message_with_every_letter_is_sent_unchanged(world: World) -> None:
    world.system.away = True
    world.results = {"report_loss": {"report": "Größe 日本 " * 900}}
    world("ends", "release_lock")
    assert len(world.rows) > 2 and max(len(value) for value in world.rows.values()) <= 4000
    (lost,) = {json.dumps(request.body) for request in world.receiver.requests}
    world.system.away = False
    world.look()
    assert json.dumps(world.system.got[0]) == lost and "Größe 日本" in world.system.got[0]["text"]
    assert world.rows == {}


def test_it_waits_where_lock_and_ledger_of_the_plan_are(world: World) -> None:
    world.system.away = True
    world("begins", "take_lock", "running")
    assert [name for name, site in world.sites.items() if site.plans.get(UNDELIVERED)] == ["site2"]
    world.params = {"failed_site": "site1", "survivor": "site3"}
    world("waits", "confirm_site_failure", "running")
    assert world.sites["site3"].plans.get(UNDELIVERED)
    # Not a failover: the source, by default the active site.
    world.params = {"source": "site9"}
    world("fails", "take_lock", "failed", error=GuardError("There is no site9."))
    assert "failed" in world.waits


# -- refused ---------------------------------------------------------------------------------------------


def test_a_refused_message_holds_up_neither_its_run_nor_another_ticket(world: World) -> None:
    world.system.refuses = {"failed"}
    world.states = {"take_lock": "running"}
    world("fails", "take_lock", "failed", error=GuardError("Locked."))
    assert world.system.told == [("INC0012345", "ended")]
    assert world.waits == ["failed"]


def test_what_was_refused_is_tried_by_a_survey_once_an_hour_and_by_each_message_of_its_run(world: World) -> None:
    world.system.refuses = {"INC0012345"}
    world("begins", "take_lock", "running")
    tries = len(world.receiver.requests)
    for _ in range(3):
        world.later(300)
        world.look()
    assert len(world.receiver.requests) == tries
    world.later(3000)
    world.look()
    assert len(world.receiver.requests) == tries + 1
    world.system.refuses = set()
    world("waits", "confirm_site_failure", "running")
    assert [event for _, event in world.system.told] == ["started", "waiting"]


def test_a_wrong_password_is_tried_once_by_a_survey_and_not_again_for_an_hour(world: World) -> None:
    world.system.away = True
    for run in ("INC0000001", "INC0000002", "INC0000003"):
        world.run_id = run
        world("begins", "take_lock", "running")
    world.system.away, world.system.status = False, 401
    world.system.refuses = {"INC0000001", "INC0000002", "INC0000003"}
    tries = len(world.receiver.requests)
    world.look()
    world.later(300)
    world.look()
    assert len(world.receiver.requests) == tries + 1
    world.system.refuses = set()
    world.later(3600)
    world.look()
    assert [ticket for ticket, _ in world.system.told] == ["INC0000001", "INC0000002", "INC0000003"]


# -- several, and too many -------------------------------------------------------------------------------


def test_two_airflows_that_survey_at_the_same_time_send_once(world: World) -> None:
    world.system.away = True
    for run in ("INC0000001", "INC0000002"):
        world.run_id = run
        world("begins", "take_lock", "running")
    world.system.away = False
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: world.look(), range(4)))
    assert sorted(world.system.told) == [("INC0000001", "started"), ("INC0000002", "started")]


def test_what_somebody_took_and_did_not_finish_is_sent_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.system.away = True
    world("waits", "confirm_site_failure", "running")
    world.system.away = False

    def killed(*_: Any) -> Any:
        raise SystemExit("killed")

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(outbox, "send", killed)
        world.look()
    world.look()
    assert world.system.got == [], "somebody may still be telling it"
    world.later(300)
    world.look()
    assert world.system.told == [("INC0012345", "waiting")]


def test_a_message_that_waited_a_week_is_dropped_and_the_log_says_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.system.away = True
    world("waits", "confirm_site_failure", "running")
    world.system.away = False
    world.later(7 * 86400)
    world.look()
    assert world.system.got == [] and world.rows == {}
    assert warnings(caplog)[-1] == "1 ticket message(s) discarded: they waited for 7 days."


def test_of_too_many_messages_the_oldest_go(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox, "KEPT_AT_MOST", 3)
    monkeypatch.setattr(outbox, "send", lambda *_: outbox.Sent(problems=["away."]))
    for number in range(5):
        world.run_id = f"INC000000{number}"
        world("begins", "take_lock", "running")
    with world.site.transaction() as session:
        found = [each.message.ticket for each in UndeliveredStore("GGATE", "lab").read(session) if each.message]
    assert found == ["INC0000002", "INC0000003", "INC0000004"]
    assert "1 ticket message(s) discarded: 3 already wait." in caplog.text


def test_a_message_of_another_release_waits_and_hinders_none(world: World) -> None:
    world.system.away = True
    world("begins", "take_lock", "running")
    (part,) = [name for name in world.rows if name.startswith("part ")]
    world.rows[part] = world.rows[part].replace('"version":1', '"version":2,"colour":"red"')
    world("waits", "confirm_site_failure", "running")
    world.system.away = False
    world.look()
    assert [event for _, event in world.system.told] == ["waiting"]
    assert len(world.rows) == 2
    world.later(8 * 86400)
    world.look()
    assert world.rows == {}


# -- the cost --------------------------------------------------------------------------------------------


def test_a_message_costs_one_query_while_nothing_waits_and_none_without_a_message_or_a_ticket(world: World) -> None:
    world("begins", "take_lock", "running")
    assert world.site.transactions == 1
    world.states |= {"release_lock": None, "drain_standby.raise_sequences": "running"}
    assert world("ends", "drain_standby.stop_goldengate") == []
    world.run_id, world.reason = "manual__2026-11-25T23:00:00+00:00", "a rehearsal"
    assert world("begins", "take_lock", "running") == []
    world.settings = None
    assert world("begins", "take_lock", "running") == []
    world.look()
    assert world.site.transactions == 1


def test_a_database_that_is_away_too_loses_the_message_with_one_warning(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.system.away = world.site.away = True
    world("waits", "confirm_site_failure", "running")
    (warning,) = warnings(caplog)
    assert "HTTP 503" in warning and "Lost: it cannot be kept in DR_LEDGER at site2: no listener answers." in warning


def test_a_database_that_is_away_hinders_no_message(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.site.away = True
    world("waits", "confirm_site_failure", "running")
    assert world.system.told == [("INC0012345", "waiting")] and warnings(caplog) == []


def test_a_connection_that_airflow_does_not_have_loses_no_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        raise GuardError(f"Airflow has no connection {name!r}.")

    with monkeypatch.context() as patch:
        patch.setattr(outbox, "connection", missing)
        world("begins", "take_lock", "running")
        assert world.waits == ["started"]
    world.look()
    assert world.system.told == [("INC0012345", "started")]


def test_a_survey_has_one_limit_for_all_that_waits_and_a_site_that_is_away_hinders_no_other(world: World) -> None:
    world.system.away = True
    for number in range(6):
        world.run_id = f"INC000000{number}"
        world("begins", "take_lock", "running")
    world.receiver.decide = lambda request: Answer(slow=30)
    begun = time.monotonic()
    world.look()
    assert time.monotonic() - begun < 4
    world.receiver.decide, world.system.away = world.system, False
    world.sites["site3"].away = True
    world.look("site3", "site2")
    assert len(world.system.got) == 6


def test_a_survey_goes_on_whatever_happens(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.system.away = True
    world("begins", "take_lock", "running")
    monkeypatch.setattr(outbox, "send", lambda *_: 1 / 0)
    world.look()
    assert "The waiting ticket messages were not sent: ZeroDivisionError" in caplog.text
    assert world.waits == ["started"]


def test_the_database_is_waited_for_shortly_whatever_the_topology_allows(world: World) -> None:
    timeouts = outbox.bounded(world.topology()).timeouts
    assert (timeouts.connect, timeouts.statement) == (5, 5)


def test_a_secret_is_masked_in_what_is_kept(world: World) -> None:
    from airflow.sdk.log import mask_secret

    mask_secret("hunter2-hunter2")
    world.system.away = True
    world("fails", "take_lock", "failed", error=GuardError("login hunter2-hunter2 failed"))
    assert world.rows and "hunter2" not in json.dumps(world.rows)
