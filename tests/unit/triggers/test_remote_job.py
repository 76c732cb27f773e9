"""The trigger without a network: its events for given statuses."""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from typing import Any

import pytest

from infomart_dr.errors import CredentialsError, InfoMartError, UnreachableError
from infomart_dr.hooks.remote_job import JobStatus, RemoteJob
from infomart_dr.operators.base import raise_from
from infomart_dr.triggers.remote_job import RemoteJobTrigger

ARGUMENTS: dict[str, Any] = {
    "ssh_connection": "db2",
    "work_folder": ".infomart_dr",
    "job_id": "run-1.export",
    "poll": 0.01,
    "log_offset": 17,
    "connect_timeout": 3,
    "command_timeout": 4,
    "patience": 5,
    "progress": {"ssh_connection": "db3", "folder": "/dump", "files": [["a.dmp", 1000]], "every": 1},
}


class Script:
    """Statuses of a job, one after the other."""

    def __init__(self, *looks: JobStatus | Exception) -> None:
        self.looks = list(looks)
        self.log = ""

    def status(self) -> JobStatus:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, Exception):
            raise look
        return look

    def read(self, offset: int) -> tuple[str, int]:
        return self.log[offset:], max(len(self.log), offset)


def made(script: Script, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> tuple[RemoteJobTrigger, list[str]]:
    monkeypatch.setattr(RemoteJob, "status", lambda self: script.status())
    monkeypatch.setattr(RemoteJob, "log", lambda self, offset=0: script.read(offset))
    trigger = RemoteJobTrigger(**{**ARGUMENTS, "progress": None, "log_offset": 0, **changes})
    shown: list[str] = []
    monkeypatch.setattr(trigger.log, "info", lambda text, *values: shown.append(text % values))
    return trigger, shown


async def event_of(trigger: RemoteJobTrigger) -> dict[str, Any]:
    events = trigger.run()
    payload = (await asyncio.wait_for(anext(events), 5)).payload
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    return payload


def test_it_can_be_sent_to_the_triggerer_and_back() -> None:
    path, arguments = RemoteJobTrigger(**ARGUMENTS).serialize()
    assert arguments == ARGUMENTS
    assert json.loads(json.dumps(arguments)) == arguments
    module, _, name = path.rpartition(".")
    again = getattr(import_module(module), name)(**arguments)
    assert again.serialize() == (path, arguments)


async def test_the_event_can_be_sent_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    trigger, _ = made(Script(JobStatus("running"), JobStatus("ended", 5, 7, 3.0)), monkeypatch)
    event = await event_of(trigger)
    assert json.loads(json.dumps(event)) == {
        "state": "ended",
        "job_id": "run-1.export",
        "exit_code": 5,
        "seconds": 3.0,
        "log_offset": 0,
        "reason": "",
    }


async def test_lines_are_shown_whole_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(JobStatus("ended", 0))
    script.log = "seen before\none\r\ntwo\nthree"
    trigger, shown = made(script, monkeypatch, log_offset=len("seen before\n"))
    event = await event_of(trigger)
    assert shown == ["one", "two", "three"]
    assert event["log_offset"] == len(script.log)


async def test_a_short_absence_of_the_host_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script(UnreachableError("gone."), JobStatus("ended", 0))
    trigger, _ = made(script, monkeypatch, patience=1.0)
    assert (await event_of(trigger))["state"] == "ended"


async def test_a_long_absence_of_the_host_is_an_event_with_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    trigger, _ = made(Script(UnreachableError("db2 is gone.")), monkeypatch, patience=0.2)
    event = await event_of(trigger)
    assert (event["state"], event["reason"]) == ("unreachable", "db2 is gone.")


async def test_a_job_that_nobody_starts_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RemoteJob, "grace", 0.1)
    trigger, _ = made(Script(JobStatus("starting")), monkeypatch)
    event = await event_of(trigger)
    assert event["state"] == "absent"
    assert "never started" in event["reason"]


async def test_progress_is_shown_between_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    from infomart_dr.triggers import remote_job

    class Target:
        def __enter__(self) -> Target:
            return self

        def __exit__(self, *_: object) -> None: ...

        def file_sizes(self, folder: str, names: list[str]) -> dict[str, int]:
            assert (folder, names) == ("/dump", ["a.dmp"])
            return {"a.dmp": 250}

        def close(self) -> None: ...

    script = Script(JobStatus("running"), JobStatus("ended", 0))
    trigger, shown = made(script, monkeypatch, progress=ARGUMENTS["progress"])
    monkeypatch.setattr(remote_job, "RemoteHost", lambda *_, **__: Target())
    monkeypatch.setattr(RemoteJob, "__init__", lambda self, host, job_id: None)
    await event_of(trigger)
    assert shown == ["0 of 1 files, 0.2 of 1.0 kB (25 %)"]


@pytest.mark.parametrize(
    ("error", "state", "retryable"),
    [
        (CredentialsError("The key was refused.", "Correct it."), "failed", False),
        (UnreachableError("db2 is gone.", "Correct it."), "unreachable", True),
    ],
)
async def test_an_error_keeps_its_kind_and_its_next_step(
    error: InfoMartError, state: str, retryable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger, _ = made(Script(error), monkeypatch, patience=0)
    event = await event_of(trigger)
    assert (event["state"], event["reason"], event["next_step"]) == (state, error.what, "Correct it.")
    assert event["retryable"] == retryable
    with pytest.raises(type(error), match="Next: Correct it"):
        raise_from(event)
