"""A Data Pump job that waits for space: begin, end and limit, by the database and by the client's output."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

import pytest

from infomart_dr.errors import UnreachableError
from infomart_dr.hooks.remote_job import JobStatus, RemoteJob
from infomart_dr.plan.step import Observation
from infomart_dr.triggers import data_pump
from infomart_dr.triggers.data_pump import DataPumpTrigger

ARGUMENTS: dict[str, Any] = {
    "ssh_connection": "db2",
    "work_folder": ".infomart_dr",
    "job_id": "0a1b2c3d-impdp-1",
    "poll": 0.01,
    "log_offset": 0,
    "connect_timeout": 3,
    "command_timeout": 4,
    "patience": 5,
    "progress": None,
    "step": {"plan_id": "plan-1"},
    "role": "target",
    "data_pump_job": "GIM_IMP_1",
    "space_wait": 5400,
    "files": [],
    "held_since": None,
    "held_by_log": None,
    "held_in_database": False,
}
WAIT = "ORA-39171: Job is experiencing a resumable wait.\nORA-01653: unable to extend table GIM.T by 8192\n"
LOADED = '. . imported "GIM"."OTHER"                            12.5 KB     365 rows\n'


class World:
    """The client's output, its state, and what DBA_RESUMABLE has."""

    def __init__(self) -> None:
        self.log = ""
        self.running = True
        self.waits: list[str] = []
        self.unreachable = False
        self.asked = 0
        self.unreadable: list[str] = []
        self.there = 0

    def ask(self, step: Any, role: str, job: str) -> Observation:
        self.asked += 1
        if self.unreachable:
            raise UnreachableError("the listener does not answer")
        return Observation(not self.waits, f"job {job} waits for space: {'; '.join(self.waits)}")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(
        RemoteJob, "status", lambda self: JobStatus("running") if world.running else JobStatus("ended", exit_code=0)
    )
    monkeypatch.setattr(RemoteJob, "log", lambda self, at=0: (world.log[at:], max(len(world.log), at)))
    monkeypatch.setattr(data_pump, "space_wait", world.ask)
    monkeypatch.setattr(data_pump, "Step", lambda **arguments: contextlib.nullcontext())
    monkeypatch.setattr(data_pump, "unreadable_files", lambda step, role, files: (world.there, world.unreadable))
    return world


async def event(**changes: Any) -> dict[str, Any]:
    trigger = DataPumpTrigger(**{**ARGUMENTS, **changes})
    payload: dict[str, Any] = (await asyncio.wait_for(anext(trigger.run()), 5)).payload
    return payload


async def silence(**changes: Any) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(DataPumpTrigger(**{**ARGUMENTS, **changes}).run()), 0.3)


def test_it_can_be_sent_to_the_triggerer_and_back() -> None:
    path, arguments = DataPumpTrigger(**ARGUMENTS).serialize()
    assert path.endswith("data_pump.DataPumpTrigger") and arguments == ARGUMENTS
    assert json.loads(json.dumps(arguments)) == arguments


async def test_a_wait_that_data_pump_does_not_print_is_reported(world: World) -> None:
    """The creation of an index waits in silence."""
    world.waits = ["ORA-01652: unable to extend temp segment by 128 in tablespace TEMP"]
    found = await event()
    assert found["state"] == "held" and "ORA-01652" in found["reason"]
    assert found["again"]["held_since"] == found["since"] and found["again"]["held_in_database"]
    await silence(**found["again"])
    world.waits = []
    over = await event(**found["again"])
    assert over["state"] == "released" and over["since"] == found["since"]
    assert over["again"]["held_since"] is None
    await silence(**over["again"])


@pytest.mark.parametrize("reachable", [True, False], ids=["a name that is unknown here", "no answer"])
async def test_a_wait_that_only_the_output_shows_is_reported(world: World, reachable: bool) -> None:
    world.unreachable = not reachable
    world.log = WAIT
    found = await event()
    assert found["state"] == "held" and "ORA-39171" in found["reason"] and "ORA-01653" in found["reason"]
    await silence(**found["again"])
    world.log += LOADED
    assert (await event(**found["again"]))["state"] == "released"


async def test_another_workers_table_is_no_end_of_a_wait_that_the_database_shows(world: World) -> None:
    world.log, world.waits = WAIT, ["ORA-01653"]
    found = await event()
    world.log += LOADED
    await silence(**found["again"])


async def test_a_wait_that_is_over_in_the_database_is_over_though_the_client_prints_nothing(world: World) -> None:
    world.log, world.waits = WAIT, ["ORA-01653"]
    found = await event()
    world.waits = []
    assert (await event(**found["again"]))["state"] == "released"


async def test_the_wait_has_a_limit_of_its_own_and_the_jobs_limit_stands_still_meanwhile(world: World) -> None:
    world.waits, now = ["ORA-01653"], time.time()
    await silence(held_since=now - 100, deadline=now - 10, alarm_at=now - 20)
    found = await event(held_since=now - 5401, deadline=now - 10)
    assert found["state"] == "overdue" and found["since"] == now - 5401 and "ORA-01653" in found["reason"]
    world.waits = []
    over = await event(held_since=now - 100, deadline=now + 10, alarm_at=now + 5)
    assert over["state"] == "released"
    assert over["again"]["deadline"] == pytest.approx(now + 110, abs=5)
    assert over["again"]["alarm_at"] == pytest.approx(now + 105, abs=5)


async def test_an_alarm_comes_once_before_the_limit(world: World) -> None:
    found = await event(alarm_at=time.time() - 1, deadline=time.time() + 1000)
    assert found["state"] == "late" and "alarm_at" not in found["again"]
    await silence(**found["again"])
    assert (await event(deadline=time.time() - 1))["state"] == "overdue"


async def test_a_line_that_is_not_complete_is_read_again_by_the_next_trigger(world: World) -> None:
    world.log, world.waits = LOADED + '. . imported "GIM"."T', ["ORA-01653"]
    found = await event()
    assert found["again"]["log_offset"] == len(LOADED)


async def test_files_that_the_ssh_user_cannot_read_are_reported_as_soon_as_they_are_there(world: World) -> None:
    await silence(files=["GIM_EXP.log", "gim_*.dmp"])
    world.there, world.unreadable = 2, ["gim_01.dmp (-rw-r----- oracle:oinstall)"]
    found = await event(files=["GIM_EXP.log", "gim_*.dmp"])
    assert found["state"] == "unreadable" and "oracle:oinstall" in found["reason"]
    assert found["again"]["files"] == []
    await silence(**found["again"])


async def test_the_end_of_the_job_comes_before_anything_else(world: World) -> None:
    world.running, world.waits = False, ["ORA-01653"]
    assert (await event())["state"] == "ended"
