"""Messages of a run to a ticket; their delivery never harms the run."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from tests.http_receiver import Answer, Receiver

from infomart_dr.errors import GuardError, RequestError, TopologyError
from infomart_dr.notifiers import tickets
from infomart_dr.notifiers.tickets import Alarm, Moment, TicketNotifier, reason_of
from infomart_dr.topology import Tickets

from .telling import RUN, Told

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def dag() -> Any:
    return DagBag(str(ROOT / "dags" / "infomart_failover.py")).dags["infomart_failover"]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, dag: Any) -> Any:
    with Receiver() as receiver:
        yield Told(monkeypatch, dag, receiver)


# -- the messages --------------------------------------------------------------------------------------


def test_the_first_task_reports_the_start_with_who_asked_and_why(told: Told) -> None:
    (start,) = told("begins", "take_lock", "running")
    assert (start["event"], start["ticket"], start["requested_by"]) == ("started", RUN, "anna")
    assert "Requested by anna. Reason: INC0012345 site1 burns." in start["text"]
    assert start["link"] == "https://airflow.example.net/base/dags/infomart_failover/runs/INC0012345"
    assert told("begins", "check_already_done", "running") == []


def test_a_gate_reports_where_its_form_is_and_what_can_be_answered(told: Told) -> None:
    (waiting,) = told("waits", "confirm_site_failure", "running")
    assert waiting["event"] == "waiting" and waiting["task_id"] == "confirm_site_failure"
    assert waiting["link"].endswith("/runs/INC0012345/tasks/confirm_site_failure/required_actions?map_index=-1")
    assert "Is it a site failure, and not a network outage?" in waiting["text"]
    assert "Approve, Reject" in waiting["text"] and waiting["text"].endswith(waiting["link"])


def test_the_last_step_of_a_chapter_reports_that_it_is_done_and_others_report_nothing(told: Told) -> None:
    told.states |= {"release_lock": None, "drain_standby.raise_sequences": "running"}
    assert told("ends", "drain_standby.stop_goldengate") == []
    assert told("ends", "confirm_site_failure") == []
    # Airflow records the state of the task itself only later.
    (done,) = told("ends", "drain_standby.raise_sequences")
    assert (done["event"], done["chapter"]) == ("chapter", "drain_standby")
    told.states["drain_standby.raise_sequences"] = "running"
    (done,) = told("ends", "drain_standby.raise_sequences", "skipped")
    assert done["chapter"] == "drain_standby"


def test_an_alarm_and_its_end_are_two_messages_and_a_second_alarm_is_another(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: dict[str, str] = {}
    context = told.context("gather_evidence.probe_from_airflow", "running")
    context["task_state_store"] = SimpleNamespace(set=store.__setitem__, delete=store.pop)
    monkeypatch.setattr(tickets, "get_current_context", lambda: context)
    alarm = Alarm("space", "job GIM_IMP waits for space: ORA-01653.", "Add a data file.")
    tickets.tell_alarm(alarm, 1000, over=False)
    assert store == {"alarm": "job GIM_IMP waits for space: ORA-01653. Next: Add a data file."}
    tickets.tell_alarm(Alarm("space", "The wait is over.", ""), 1000, over=True)
    assert store == {}
    tickets.tell_alarm(alarm, 2000, over=False)
    first, over, second = [request.body for request in told.receiver.requests]
    assert first["event"] == over["event"] == "alarm" and len({first["key"], over["key"], second["key"]}) == 3
    assert "Alarm: gather_evidence.probe_from_airflow" in first["text"] and "Next: Add a data file." in first["text"]
    assert "Alarm is over" in over["text"] and "Next:" not in over["text"]
    assert (first["reason"], first["next_step"]) == (alarm.what, alarm.next_step)
    assert first["link"].endswith("/tasks/gather_evidence.probe_from_airflow")


def test_an_airflow_that_keeps_no_state_of_a_task_still_tells_the_alarm(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = told.context("gather_evidence.probe_from_airflow", "running")
    monkeypatch.setattr(tickets, "get_current_context", lambda: context)
    tickets.tell_alarm(Alarm("late", "It takes long.", "Look."), 1000, over=False)
    assert [request.body["event"] for request in told.receiver.requests] == ["alarm"]


def test_a_failure_reports_the_reason_and_the_next_action(told: Told) -> None:
    told.states |= {"confirm_site_failure": "running", "return_standby": None, "release_lock": None}
    error = GuardError("site1 is alive: SSH answered.", "Switch it off.")
    (failure,) = told("fails", "gather_evidence.probe_from_airflow", "failed", error=error, tries=2)
    assert (failure["reason"], failure["next_step"]) == ("site1 is alive: SSH answered.", "Switch it off.")
    assert "Failed: gather_evidence.probe_from_airflow (try 2)" in failure["text"]
    assert failure["link"].endswith("/tasks/gather_evidence.probe_from_airflow?try_number=2")


def test_a_run_that_ends_at_its_first_task_reports_the_failure_and_the_end(told: Told) -> None:
    told.states = {"take_lock": "running"}
    failure, end = told("fails", "take_lock", "failed", error=GuardError("Locked."))
    assert failure["event"] == "failed"
    assert (end["event"], end["state"]) == ("ended", "failed")
    assert "Failed: take_lock." in end["text"]


def test_the_end_brings_the_report(told: Told) -> None:
    told.results = {
        "report_new_roles": {"summary": "set in the topology file now: sites.site2.role: active"},
        "report_loss": {"summary": "short", "report": "Between 3 and 5 calls are lost."},
        "gather_evidence.estimate_loss": {"summary": "an estimate of before"},
    }
    (end,) = told("ends", "release_lock")
    assert (end["event"], end["state"]) == ("ended", "success")
    text = end["text"]
    assert "Ended: success after 3 min" in text
    assert "set in the topology file now: sites.site2.role: active" in text
    assert "Between 3 and 5 calls are lost." in text
    assert "an estimate of before" not in text
    (done,) = [line for line in text.splitlines() if line.startswith("Done: ")]
    assert {"gather_evidence", "drain_standby", "start_at_survivor"} <= set(done[6:-1].split(", "))


def test_the_end_of_a_failed_run_names_what_failed_also_what_a_person_marked(told: Told) -> None:
    told.states |= {"confirm_site_failure": "failed", "drain_standby.wait_for_trail_end": "upstream_failed"}
    (end,) = told("ends", "release_lock")
    assert end["state"] == "failed" and "Failed: confirm_site_failure." in end["text"]


def test_a_failed_step_and_the_end_say_from_where_the_run_is_cleared(told: Told) -> None:
    """A step whose chapter the back-out has undone; also when it was killed, or a person marked it."""
    told.states |= {"release_lock": None, "drain_standby.stop_goldengate": "failed"}
    failed, *_ = told("fails", "drain_standby.stop_goldengate", "failed", error=None)
    assert failed["clear"] == ["check_already_done"]
    assert "clear check_already_done with Downstream" in failed["next_step"]
    (end,) = told("ends", "release_lock")
    assert end["clear"] == ["check_already_done"] and "then clear check_already_done." in end["text"]


def test_two_steps_that_failed_together_are_cleared_by_one(told: Told) -> None:
    places = ("gather_evidence.probe_from_airflow", "gather_evidence.probe_from_survivor")
    told.states |= {"release_lock": None, **dict.fromkeys(places, "failed")}
    (end,) = told("ends", "release_lock")
    assert end["clear"] == ["check_already_done"]


def test_the_end_names_what_the_failed_step_itself_has_named(told: Told) -> None:
    told.states |= {"release_lock": None, "drain_standby.stop_goldengate": "failed"}
    told.to_clear["drain_standby.stop_goldengate"] = "take_lock"
    (end,) = told("ends", "release_lock")
    assert end["clear"] == ["take_lock"]
    done = told("ends", "release_lock")
    told.states["drain_standby.stop_goldengate"] = "success"
    (done,) = told("ends", "release_lock")
    assert done["state"] == "success" and done["clear"] == []


def test_of_a_wrong_request_a_clear_is_asked_for_nowhere(told: Told) -> None:
    told.conf = {"soorce": "site2"}
    told.states = {"take_lock": "failed"}
    failed, end = told("fails", "take_lock", "failed", error=RequestError("conf is wrong.", "Start a new run."))
    assert (failed["clear"], end["clear"]) == ([], [])
    assert "A clear cannot help: start a new run." in end["text"] and "then clear" not in end["text"] + failed["text"]


def test_a_run_that_was_cleared_took_as_long_as_since_its_request(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow sets the beginning of a cleared run to the clear."""
    told.clear_number, told.requested_before = 1, timedelta(hours=2)
    (end,) = told("ends", "release_lock")
    assert "Ended: success after 2 h, since 20" in end["text"] and "with 1 clear(s)" in end["text"]


@pytest.mark.parametrize(
    ("run_id", "said"),
    [("INC0077", True), ("manual__2026-11-02T10:00:00+00:00", False), ("INC0012345", False)],
)
def test_a_number_that_the_pattern_does_not_take_is_logged_by_the_first_task(
    told: Told, caplog: pytest.LogCaptureFixture, run_id: str, said: bool
) -> None:
    told.run_id, told.reason = run_id, "fire"
    told("begins", "take_lock", "running")
    words = f"no ticket is told: '{run_id}' does not match tickets.pattern of the topology"
    assert (words in caplog.text) == said
    caplog.clear()
    told("ends", "check_already_done")
    assert "no ticket is told" not in caplog.text, "once a run"


@pytest.fixture
def watching(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A watch of two deployments, started with a ticket's number."""
    with Receiver() as receiver:
        found = Told(monkeypatch, DagBag(str(ROOT / "dags" / "infomart_watch.py")).dags["infomart_watch"], receiver)
        found.states = {"list_deployments": "success", "watch_0": "running", "watch_1": "running"}
        yield found


def test_a_run_whose_mapped_task_runs_has_not_ended_and_its_last_instance_reports_the_end(watching: Told) -> None:
    watching.states["watch_1"] = "failed"
    (end,) = watching("ends", "watch", index=0)
    assert (end["event"], end["state"]) == ("ended", "failed") and "Failed: watch." in end["text"]
    watching.states["watch_1"] = "running"
    assert watching("ends", "watch", index=0) == []


def test_each_instance_of_a_mapped_task_reports_its_own_failure_with_its_own_page(watching: Told) -> None:
    (first,) = watching("fails", "watch", "failed", error=GuardError("No."), index=0)
    watching.states["watch_0"] = "failed"
    second, end = watching("fails", "watch", "failed", error=GuardError("No."), index=1)
    assert first["key"] != second["key"] and first["task_id"] == second["task_id"] == "watch"
    assert first["link"].endswith("/tasks/watch/mapped/0?try_number=1")
    assert "Failed: watch[1] (try 1)" in second["text"]
    assert (end["event"], end["state"]) == ("ended", "failed")


# -- a run without a topology of its own -----------------------------------------------------------------


@pytest.fixture
def several(watching: Told, monkeypatch: pytest.MonkeyPatch) -> Told:
    """A folder with two topology files, and a run that chooses none."""

    def load(name: str | None) -> Any:
        if not name:
            raise TopologyError("/topologies holds 2 topology files.", "Give the parameter deployment.")
        return watching.topology(name)

    monkeypatch.setattr(tickets.topology_module, "load", load)
    monkeypatch.setattr(tickets.topology_module, "deployments", lambda: ["aa", "bb"])
    return watching


def said(run: Told, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Warnings of a whole run."""
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        run("begins", "list_deployments")
        run("ends", "list_deployments")
        run("ends", "watch", index=0)
        run("fails", "watch", "failed", index=1)
        run("run fails", "watch", "failed", index=1)
    assert run.receiver.requests == []
    return [record.message for record in caplog.records]


def test_a_scheduled_run_for_all_deployments_warns_of_no_topology(
    several: Told, caplog: pytest.LogCaptureFixture
) -> None:
    several.run_id, several.run_type, several.reason = "scheduled__2026-11-25T23:00:00+00:00", "scheduled", ""
    assert said(several, caplog) == []


def test_nor_does_a_run_by_hand_that_names_no_ticket(several: Told, caplog: pytest.LogCaptureFixture) -> None:
    several.run_id, several.reason = "manual__2026-11-25T23:00:00+00:00", ""
    assert said(several, caplog) == []


def test_a_run_that_names_a_ticket_and_no_deployment_says_once_why_it_reports_nothing(
    several: Told, caplog: pytest.LogCaptureFixture
) -> None:
    assert said(several, caplog) == [
        "Ticket message not sent (begins): /topologies holds 2 topology files. Give the parameter deployment."
    ]


def test_a_topology_that_is_wrong_is_a_warning_of_every_run_that_somebody_started(
    watching: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def load(name: str | None) -> Any:
        raise TopologyError("The file is wrong.")

    monkeypatch.setattr(tickets.topology_module, "load", load)
    monkeypatch.setattr(tickets.topology_module, "deployments", lambda: [load(None)])
    watching("ends", "watch", index=0)
    assert "Ticket message not sent (ends): no topology: The file is wrong." in caplog.text
    caplog.clear()
    watching.run_type = "scheduled"
    watching("ends", "watch", index=0)
    assert caplog.text == ""


# -- the end, reported by the DAG's callback --------------------------------------------------------------


def test_the_end_of_a_run_whose_last_step_was_killed_is_reported_by_its_dag_once(told: Told) -> None:
    told.settings = Tickets(backend="servicenow", connection="tickets", timeout=1, limit=3)
    notes: list[str] = []

    def records(request: Any) -> Answer:
        if request.method == "PATCH":
            notes.append(request.body["work_notes"])
            return Answer(body={"result": {}})
        return Answer(body={"result": [{"sys_id": "1", "work_notes": "\n".join(notes)}]})

    told.receiver.decide = records
    told.states |= {"release_lock": "failed"}
    told("run fails", "release_lock", "failed")
    assert len(notes) == 1 and "Ended: failed" in notes[0] and "Failed: release_lock." in notes[0]
    # The task's own callback, if it did come, has the same key.
    told("fails", "release_lock", "failed", error=GuardError("No."))
    assert [note.splitlines()[1].split(":")[0] for note in notes] == ["Ended", "Failed"]


def test_the_dags_own_callback_reports_no_webhook_and_no_resumed_run(told: Told) -> None:
    told.states |= {"release_lock": "failed"}
    assert told("run fails", "release_lock", "failed") == [], "it would get nearly every failed end twice"
    told.settings = Tickets(backend="jira", connection="tickets", timeout=1, limit=3)
    told.states["release_lock"] = "running"
    assert told("run fails", "release_lock", "failed") == []


def test_the_dags_own_callback_without_a_task_reports_nothing(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    """Airflow calls it so for a run in which no task has failed."""
    TicketNotifier("run fails")({"dag": told.dag, "run_id": RUN, "reason": "task_failure"})
    assert caplog.text == "" and told.receiver.requests == []


# -- whom, and how often -------------------------------------------------------------------------------


def test_a_run_without_a_ticket_tells_nobody(told: Told) -> None:
    told.run_id, told.reason = "manual__2026-11-25T23:00:00+00:00", "a rehearsal"
    assert told("begins", "take_lock") == []


def test_a_run_from_the_form_is_known_by_the_first_word_of_its_reason_or_by_its_plan(told: Told) -> None:
    told.run_id = "manual__2026-11-25T23:00:00+00:00"
    assert told("begins", "take_lock")[0]["ticket"] == "INC0012345"
    told.reason, told.plan = "going on", "OPS-17.2"
    assert told("begins", "take_lock")[0]["ticket"] == "OPS-17"
    told.reason, told.plan = "see INC0012345", ""
    assert told("begins", "take_lock") == []


def test_a_purge_hold_tells_the_ticket_of_its_form(told: Told) -> None:
    told.run_id, told.reason = "manual__2026-11-25T23:00:00+00:00", "OPS-18 index rebuild"
    told.params = {"ticket": "OPS-17"}
    assert told("begins", "take_lock")[0]["ticket"] == "OPS-17"
    told.params = {"ticket": None}
    assert told("begins", "take_lock")[0]["ticket"] == "OPS-18"
    told.run_id, told.params = RUN, {"ticket": "OPS-17"}
    assert told("begins", "take_lock")[0]["ticket"] == RUN, "the run's id goes first"


def test_a_topology_without_tickets_tells_nobody_and_one_may_choose_the_events(told: Told) -> None:
    told.settings = None
    assert told("begins", "take_lock") == []
    told.settings = Tickets(backend="webhook", connection="tickets", events=["ended"])
    assert told("begins", "take_lock") == []
    assert [each["event"] for each in told("ends", "release_lock")] == ["ended"]


def test_the_same_thing_has_the_same_key_and_another_try_another_one(told: Told) -> None:
    def key(*arguments: Any, **more: Any) -> str:
        return told(*arguments, **more)[0]["key"]

    assert key("begins", "take_lock") == key("begins", "take_lock", tries=2)
    assert key("waits", "confirm_site_failure") == key("waits", "confirm_site_failure")
    assert key("waits", "confirm_site_failure") != key("waits", "confirm_site_failure", tries=2)
    first = key("ends", "release_lock")
    assert first == key("ends", "release_lock", tries=3)
    told.clear_number = 1
    assert first != key("ends", "release_lock")


# -- it costs the run nothing --------------------------------------------------------------------------


def test_a_failure_to_send_is_one_warning_and_no_error(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    told.receiver.decide = lambda request: Answer(400)
    with caplog.at_level(logging.WARNING):
        told("begins", "take_lock")
    assert [record.message for record in caplog.records if "not sent" in record.message] == [
        "Ticket message not sent (begins): the webhook for INC0012345 at 127.0.0.1: HTTP 400.\n"
        "Next: Correct the part of the topology that uses the connection tickets, or the other side. "
        "Kept in DR_LEDGER at site2: infomart_watch will send it."
    ]


@pytest.mark.parametrize("moment", ["begins", "waits", "ends", "fails"])
def test_a_mistake_of_its_own_is_a_warning_too(
    told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, moment: Moment
) -> None:
    def broken(name: str | None) -> Any:
        raise RuntimeError("boom")

    monkeypatch.setattr(tickets.topology_module, "load", broken)
    with caplog.at_level(logging.WARNING):
        told(moment, "take_lock")
    assert f"Ticket message not sent ({moment}): RuntimeError: boom" in caplog.text


def test_a_long_report_is_cut_and_keeps_its_link(told: Told) -> None:
    told.results = {"report_loss": {"report": "x" * 9000}, "report_new_roles": {"summary": "y" * 9000}}
    (end,) = told("ends", "release_lock")
    assert len(end["text"]) <= 3900 and end["text"].endswith(end["link"])


def test_a_secret_that_airflow_knows_is_masked(told: Told) -> None:
    from airflow.sdk.log import mask_secret

    mask_secret("hunter2-hunter2")
    told.states = {"take_lock": "running"}
    failure, _ = told("fails", "take_lock", "failed", error=GuardError("login hunter2-hunter2 failed"))
    assert "hunter2" not in str(failure)


def test_what_a_step_was_stopped_by_has_a_next_action_whatever_it_was() -> None:
    assert reason_of(GuardError("No.", "Look."), "begin") == ("No.", "Look.")
    assert reason_of(GuardError("No."), "begin")[1] == "Read the log of this task, then clear begin with Downstream."
    assert reason_of(ValueError("x"), "begin")[0] == "ValueError: x"
    assert "killed" in reason_of(None, "begin")[0] and "clear begin with" in reason_of(None, "begin")[1]
