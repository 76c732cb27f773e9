"""The faults: what happens to a task's process, to the world, or what a person does."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass

from infomart_lab import config as lab_config
from infomart_lab import links, supervisor
from infomart_lab.config import LabConfig
from infomart_lab.postgres import connect
from tests.faults.moments import (
    AFTER_SUCCESS,
    AFTER_VERIFY,
    ASKED,
    BEFORE_ACT,
    BEFORE_VERIFY,
    LOOK,
    REPLY_LOST,
    UNSENT,
    WAITING,
)

#: Kinds of places that a step calls; a kind stands for those that begin with it.
SSH, SSH_DB, SSH_GIM, DATABASE, GAX = "ssh", "ssh_db", "ssh_gim", "oracle", "gax"
#: Processes that a fault ends, and that come back.
KILLED, PAUSED, CLEARED, CUT = (
    "process killed",
    "process paused past its retry",
    "cleared after success",
    "connection cut",
)
MARKED, REJECTED, TIMED_OUT = "run marked failed", "gate rejected", "gate timed out"
_IN_ACT = (UNSENT, REPLY_LOST)
_ANY = (LOOK, UNSENT, REPLY_LOST, BEFORE_VERIFY, WAITING)


@dataclass(frozen=True)
class Fault:
    """A fault, and the moments at which it is tried.

    :param places: kinds of places that the step must call at the fault's site; empty: it has no site.
    :param begin: makes it happen at a site; None: the trial does.
    :param end: is its cure.
    :param seconds: until the cure.
    :param only: parts of ids of the tasks for which it means something; empty: all.
    """

    name: str
    moments: tuple[str, ...]
    places: tuple[str, ...] = ()
    begin: Callable[[LabConfig, str], None] | None = None
    end: Callable[[LabConfig, str], None] | None = None
    seconds: float = 0
    only: tuple[str, ...] = ()


def _kill(part: str) -> Callable[[LabConfig, str], None]:
    return lambda lab, site: void(supervisor.request(lab, "kill", site=site, part=part))


def _start(part: str) -> Callable[[LabConfig, str], None]:
    return lambda lab, site: void(supervisor.request(lab, "start", site=site, part=part))


def _switch(*names: str, on: bool) -> Callable[[LabConfig, str], None]:
    def switch(lab: LabConfig, site: str) -> None:
        for name in names:
            lab_config.set_fault(lab, f"{site}.{name}", True if on else None)

    return switch


def _signal(part: str, number: int) -> Callable[[LabConfig, str], None]:
    def send(lab: LabConfig, site: str) -> None:
        if pid := supervisor.request(lab, "status")["sites"][site]["parts"][part]["pid"]:
            os.kill(pid, number)

    return send


def void(_: object) -> None:
    """Nothing: an answer that is not needed."""


def nothing(lab: LabConfig, site: str) -> None:
    """There is no cure."""


def _kill_sessions(lab: LabConfig, site: str) -> None:
    """End the sessions of all clients but GoldenGate and the lab itself, as ALTER SYSTEM KILL SESSION does."""
    with connect(lab, site, "gim", application_name="lab_killer") as session:
        session.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
            " and backend_type = 'client backend' and application_name not like 'lab%'"
            " and application_name not like 'infomart_lab%'"
            " and application_name not like 'GoldenGate%' and application_name not like '%|OGG-%'"
        )


def _link(**settings: object) -> Callable[[LabConfig, str], None]:
    return lambda lab, site: void(links.change(lab, "site1", "site2", **settings))


def _heal_link(lab: LabConfig, site: str) -> None:
    links.heal(lab, "site1", "site2")


def _reboot(lab: LabConfig, site: str) -> None:
    """All of a site is gone for some seconds; a server that ran there comes back by itself."""
    from infomart_lab import lca

    lab_config.set_fault(lab, f"{site}.gim_server.autostart", lca.status(lab, site) != lca.STOPPED or None)
    supervisor.request(lab, "fail", site=site)


def _back(lab: LabConfig, site: str) -> None:
    supervisor.request(lab, "heal", site=site)
    lab_config.set_fault(lab, f"{site}.gim_server.autostart", None)


FAULTS = (
    Fault(KILLED, (LOOK, BEFORE_ACT, UNSENT, REPLY_LOST, BEFORE_VERIFY, WAITING, AFTER_VERIFY, ASKED)),
    Fault(PAUSED, (BEFORE_ACT, UNSENT, REPLY_LOST, BEFORE_VERIFY)),
    Fault(CLEARED, (AFTER_SUCCESS,)),
    Fault(CUT, (LOOK, *_IN_ACT, WAITING)),
    Fault(MARKED, (BEFORE_ACT, *_IN_ACT, AFTER_VERIFY, ASKED)),
    Fault(REJECTED, (ASKED,)),
    Fault(TIMED_OUT, (ASKED,)),
    Fault("SSH servers gone for 6 s", _ANY, (SSH,), _kill("ssh"), _start("ssh"), 6),
    Fault(
        "SSH servers accept and hang for 12 s",
        _ANY,
        (SSH,),
        _switch("ssh-db.hang", "ssh-gim.hang", on=True),
        _switch("ssh-db.hang", "ssh-gim.hang", on=False),
        12,
    ),
    Fault("listener gone for 6 s (ORA-12541)", _ANY, (DATABASE,), _kill("oracle"), _start("oracle"), 6),
    Fault(
        "listener accepts and hangs for 14 s",
        _ANY,
        (DATABASE,),
        _signal("oracle", signal.SIGSTOP),
        _signal("oracle", signal.SIGCONT),
        14,
    ),
    Fault(
        "no session left for 6 s (ORA-00018)",
        _ANY,
        (DATABASE,),
        _switch("oracle.no_sessions", on=True),
        _switch("oracle.no_sessions", on=False),
        6,
    ),
    Fault("database sessions killed", _ANY, (DATABASE,), _kill_sessions, nothing, 0),
    Fault("Management Layer and GAX gone for 6 s", _ANY, (GAX, SSH_GIM), _kill("genesys"), _start("genesys"), 6),
    Fault(
        "configuration interface refuses for 6 s",
        _ANY,
        (GAX,),
        _switch("gax.refuses", on=True),
        _switch("gax.refuses", on=False),
        6,
    ),
    Fault(
        "configuration interface accepts and forgets for 6 s",
        (LOOK, UNSENT),
        (GAX,),
        _switch("gax.forgets", on=True),
        _switch("gax.forgets", on=False),
        6,
    ),
    Fault(
        "server started, and dies, for 15 s",
        (LOOK, UNSENT),
        (SSH_GIM,),
        _switch("gim_server.dies", on=True),
        _switch("gim_server.dies", on=False),
        15,
        ("start_info_mart_server", "start_at_target.start", "return_service_to_source"),
    ),
    Fault("GoldenGate's Manager gone for 6 s", _ANY, (SSH_DB,), _kill("goldengate"), _start("goldengate"), 6),
    Fault("link cut for 8 s", _ANY, (SSH_DB,), _link(cut=True, mode="drop"), _heal_link, 8),
    Fault("link resets for 8 s", _ANY, (SSH_DB,), _link(cut=True, mode="reset"), _heal_link, 8),
    Fault("link slow for 10 s", _ANY, (SSH_DB,), _link(rate=20_000, delay_ms=200), _heal_link, 10),
    Fault("site rebooted", _ANY, (SSH,), _reboot, _back, 3),
)
BY_NAME = {fault.name: fault for fault in FAULTS}
#: Of the task's asked for, and not built: no cell tries them.
NOT_BUILT = (
    "dump file damaged, disk full, ORA-01555 and the other faults of Data Pump",
    "database and its redo restarted; a group of GoldenGate abends",
    "Airflow's scheduler, triggerer or API server killed (the driver has none; see test_failures_in_airflow.py)",
    "clock off",
    "two runs at the same instant",
)
