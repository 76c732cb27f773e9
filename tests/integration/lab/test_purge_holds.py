"""Purge holds against a lab of one site, whose four data sources are purged by four mechanisms."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.system.driver import Procedure, connections

from infomart_dr.hooks.purge_jobs import CRON_MARK
from infomart_dr.operators.purge_holds import EnforceHolds
from infomart_lab import audit as judge
from infomart_lab import config as lab_config
from infomart_lab import genesys, icon, lca, purge
from infomart_lab.config import DataSource, LabConfig, Site, set_fault
from infomart_lab.postgres import connect

pytestmark = [pytest.mark.lab, pytest.mark.timeout(240)]

SITE = "site2"
MECHANISMS = ("dbms_scheduler", "dbms_job", "cron", "command")
Wait = Callable[..., None]


def make(home: Path, base_port: int) -> LabConfig:
    sites = {name: Site(name=name, present=name == SITE, server_running=name == SITE) for name in lab_config.SITES}
    sources = [
        DataSource(name=f"TS{number}", key=100 + number, site=SITE, idb_sites=[SITE], purge=mechanism)  # type: ignore[arg-type]
        for number, mechanism in enumerate(MECHANISMS, 1)
    ]
    return lab_config.create(home, base_port=base_port, scale=300, rate=20, sites=sites, data_sources=sources)


@pytest.fixture
def lab(whole_lab: LabConfig) -> Iterator[LabConfig]:
    """The lab with its topology; purges run often, and keep the usual time."""
    for name, value in (("every", 1), ("takes", None), ("keep", None)):
        set_fault(whole_lab, f"{SITE}.idb.purge_{name}_seconds", value)
    with connections(whole_lab):
        yield whole_lab


def change(run_id: str, **params: str) -> dict[str, Any]:
    """A run of infomart_purge_hold."""
    return Procedure("infomart_purge_hold", plan=run_id, params=params).run()


def later(seconds: float) -> str:
    return f"{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def place(run_id: str, **params: str) -> dict[str, Any]:
    end = {} if "until_time" in params else {"ends_at": later(3600)}
    return change(run_id, action="place", which=SITE, reason="transfer", **end, **params)


def guard() -> dict[str, Any]:
    """A run of infomart_purge_guard."""
    return EnforceHolds(task_id="guard", deployment="lab").execute({})  # type: ignore[arg-type]


def one(config: LabConfig, query: str) -> Any:
    with connect(config, SITE, "idb") as conn:
        row = conn.execute(query).fetchone()  # type: ignore[arg-type]
        assert row is not None
        return row[0]


def crontab(config: LabConfig) -> bytes:
    return purge.crontab_path(config, SITE).read_bytes()


def enabled(config: LabConfig) -> list[bool]:
    """State of the job in each mechanism, in their order."""
    return [
        one(config, "select enabled from sys.lab_scheduler_jobs"),
        not one(config, "select broken from sys.lab_jobs"),
        CRON_MARK.encode() not in crontab(config),
        not purge.switch_path(config, SITE, "ICON_TS4", "held").exists(),
    ]


def calls(config: LabConfig) -> list[int]:
    """Rows of G_CALL in the IDB of each data source."""
    return [one(config, f"select count(*) from icon_ts{number}.g_call") for number in (1, 2, 3, 4)]


def test_all_four_mechanisms_are_held_and_given_back_with_the_last_hold(lab: LabConfig) -> None:
    before = crontab(lab)
    assert enabled(lab) == [True] * 4
    place("CHG1")
    place("CHG2")
    assert enabled(lab) == [False] * 4
    assert one(lab, "select count(*) from system.dr_purge_hold where released_at is null") == 8
    assert guard()["changed"] == []
    change("run-3", action="release", hold="CHG1")
    assert enabled(lab) == [False] * 4
    change("run-4", action="release", hold="CHG2")
    assert enabled(lab) == [True] * 4
    assert crontab(lab) == before
    assert one(lab, "select next_date from sys.lab_jobs").hour == 2, "the purge runs at its time, not at once"
    assert one(lab, "select count(*) from system.dr_purge_job") == 0


@pytest.mark.slow
def test_jobs_that_somebody_enables_are_disabled_again_by_the_guard_and_reported(lab: LabConfig) -> None:
    place("CHG5")
    with connect(lab, SITE, "idb") as conn:
        conn.execute("update sys.lab_scheduler_jobs set enabled = true, state = 'SCHEDULED'")
        conn.execute("update sys.lab_jobs set broken = false, next_date = sys.sysdate() + interval '1 hour'")
    path = purge.crontab_path(lab, SITE)
    path.write_text(path.read_text().replace(CRON_MARK, ""))
    purge.switch_path(lab, SITE, "ICON_TS4", "held").unlink()
    # The next run of the guard waits for a purge that began in between.
    found = [words for _ in range(4) for words in guard()["reported"]]
    assert enabled(lab) == [False] * 4
    assert sum("somebody enabled" in words for words in found) == 4, found
    assert "enabled 1 time(s) by somebody" in "\n".join(change("run-6", action="list")["list_holds"]["lines"])
    change("run-7", action="release", hold="CHG5")
    assert enabled(lab) == [True] * 4


@pytest.mark.slow
def test_a_purge_that_runs_is_waited_for_and_ends_its_work(lab: LabConfig, wait: Wait) -> None:
    for name, seconds in (("takes", 4), ("every", 2)):
        set_fault(lab, f"{SITE}.idb.purge_{name}_seconds", seconds)
    old = "select count(*) from icon_ts1.g_ir where terminated_ts = 1"

    def state() -> str:
        return one(lab, "select state from sys.lab_scheduler_jobs")

    def let_a_purge_begin(task_id: str) -> None:
        if task_id != "match_jobs" or one(lab, old):
            return
        wait(lambda: state() != "RUNNING", 60, "the end of a purge")
        wait(lambda: state() == "RUNNING", 60, "a purge")
        with connect(lab, SITE, "idb") as conn:
            conn.execute("insert into icon_ts1.g_ir values (-1, 'old', 'old', 'old', 1, 1)")

    params = {"action": "place", "which": "ts1-site2", "ends_at": later(3600), "reason": "transfer"}
    Procedure("infomart_purge_hold", plan="CHG8", params=params, before=let_a_purge_begin, retries=20).run()
    assert state() == "DISABLED"
    assert one(lab, old) == 0, "the purge was not killed: what it was about to delete is gone"
    change("run-9", action="release", hold="CHG8")


@pytest.mark.slow
def test_purging_that_is_resumed_too_early_loses_calls_and_with_the_hold_none_is_lost(
    lab: LabConfig, wait: Wait
) -> None:
    """The server is stopped for a transfer, and calls gather in the IDBs, which keep them for five seconds only."""

    def transfer(run_id: str, *, by_mark: bool) -> None:
        icon.set_load(lab, 20)
        wait(lambda: lca.status(lab, SITE) == "Running", 60, "the server")
        lca.stop(lab, SITE)
        wait(lambda: not lca.processes(lab, SITE), 30, "the stop of the server")
        place(run_id, **({"until_site_passes": SITE, "until_time": later(2)} if by_mark else {}))
        set_fault(lab, f"{SITE}.idb.purge_keep_seconds", 5)
        time.sleep(8)

    # The hold ends by the high-water mark: nothing is purged before it is extracted.
    transfer("CHG10", by_mark=True)
    icon.set_load(lab, 0)
    assert enabled(lab) == [False] * 4
    there = calls(lab)
    assert guard()["holds"] == 4, "the high-water mark stands still"
    assert enabled(lab) == [False] * 4
    genesys.start_server(lab, SITE)
    wait(lambda: guard()["holds"] == 0, 90, "the end of the hold by the high-water mark")
    assert enabled(lab) == [True] * 4
    wait(lambda: sum(calls(lab)) == 0, 30, f"the purge of {there}")
    kept = judge.audit(lab, SITE, wait=60)
    assert (kept.missing, kept.duplicated, kept.extra, kept.pending) == (0, 0, 0, 0)
    assert kept.calls_written > 0

    # The same, but a person releases the hold while the server is still stopped.
    set_fault(lab, f"{SITE}.idb.purge_keep_seconds", None)
    transfer("CHG11", by_mark=False)
    written = sum(len(icon.journal_path(lab, s.name, SITE).read_bytes()) // icon.LINE for s in lab.data_sources)
    change("run-12", action="release", hold="CHG11")
    wait(lambda: sum(calls(lab)) < written - kept.calls_written - 20, 30, "the purge")
    set_fault(lab, f"{SITE}.idb.purge_keep_seconds", None)
    # With later calls, extraction passes the deleted ones.
    time.sleep(3)
    icon.set_load(lab, 0)
    genesys.start_server(lab, SITE)
    lost = judge.audit(lab, SITE, wait=60)
    assert lost.missing > 0
