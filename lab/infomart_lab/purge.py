"""Purges of the IDBs at a site: started by DBMS_SCHEDULER, DBMS_JOB, cron or a site's own program.

The lab's days are short: every purge that is enabled runs every few seconds, whatever its schedule says.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from infomart_lab import postgres, purgectl
from infomart_lab.config import DataSource, LabConfig, fault

#: Name of the scheduler job that purges an IDB; one per ICON schema.
PURGE_JOB = "PURGE_IDB"
#: Days for which a purge keeps calls; fault ``<site>.idb.purge_keep_seconds`` overrides it.
_KEEP_SECONDS = 14 * 86400
_EVERY_SECONDS = 10.0


def _seconds(config: LabConfig, site: str, name: str, usual: float) -> float:
    setting = fault(config, f"{site}.idb.{name}")
    return float(setting) if isinstance(setting, int | float) else usual


def delete_old(config: LabConfig, site: str, schema: str, pause: threading.Event | None = None) -> None:
    """One purge of one IDB: after a pause it deletes the rows that are older than the partition ring.

    :param schema: owner of the IDB's tables.
    :param pause: ends the waiting.
    """
    (pause or threading.Event()).wait(_seconds(config, site, "purge_takes_seconds", 0))
    keep = _seconds(config, site, "purge_keep_seconds", _KEEP_SECONDS)
    with postgres.connect(config, site, "idb", application_name="purge") as conn:
        for table in ("g_call", "g_ir", "g_party"):
            conn.execute(
                sql.SQL("delete from {} where terminated_ts < %s").format(sql.Identifier(schema.lower(), table)),
                [int(time.time() - keep)],
            )


# -- cron ------------------------------------------------------------------------------------------


def crontab_path(config: LabConfig, site: str) -> Path:
    """Crontab of the user ``oracle`` on the database host."""
    return config.host_dir(site, "db") / "crontab"


def cron_line(source: DataSource) -> str:
    """The line that purges an IDB."""
    return f"0 2 * * * purge_idb {source.schema_name}"


def cron_commands(text: str) -> list[str]:
    """Commands of a crontab: lines with five fields of a schedule, without comments and variables."""
    lines = [line.strip() for line in text.splitlines()]
    return [line.split(None, 5)[5] for line in lines if len(line.split(None, 5)) == 6 and not line.startswith("#")]


# -- the site's own program ------------------------------------------------------------------------


def switch_path(config: LabConfig, site: str, schema: str, what: str) -> Path:
    """File that says that the site's own purge is ``held``, or ``running``."""
    return purgectl.switch_path(config.host_dir(site, "db"), schema, what)


# -- what starts them ------------------------------------------------------------------------------


class Purge(threading.Thread):
    """Starts the purges of the IDBs at a site."""

    def __init__(self, config: LabConfig, site: str, stop: threading.Event) -> None:
        super().__init__(name=f"purge-{site}", daemon=True)
        self.config = config
        self.site = site
        self.stop = stop

    def run(self) -> None:
        self._forget_runs()
        while not self.stop.wait(_seconds(self.config, self.site, "purge_every_seconds", _EVERY_SECONDS)):
            with contextlib.suppress(psycopg.Error, OSError):
                self.purge()

    def _connect(self) -> psycopg.Connection[Any]:
        return postgres.connect(self.config, self.site, "idb", application_name="purge")

    def _forget_runs(self) -> None:
        """Forget the runs that ended with the lab."""
        for source in self.config.data_sources:
            switch_path(self.config, self.site, source.schema_name, "running").unlink(missing_ok=True)
        with contextlib.suppress(psycopg.Error), self._connect() as conn:
            conn.execute(
                "update sys.lab_scheduler_jobs set state = case when enabled then 'SCHEDULED' else 'DISABLED' end"
            )
            conn.execute("update sys.lab_jobs set this_date = null")

    def purge(self) -> None:
        """Run every purge that is enabled, one after the other."""
        for source in self.config.data_sources:
            if self.site not in source.idb_sites or self.stop.is_set():
                continue
            match source.purge:
                case "dbms_scheduler":
                    self._scheduler(source.schema_name)
                case "dbms_job":
                    self._job(source.schema_name)
                case "command":
                    self._own_program(source.schema_name)
                case "cron":
                    pass
        self._cron()

    def _scheduler(self, owner: str) -> None:
        with self._connect() as conn:
            began = conn.execute(
                "update sys.lab_scheduler_jobs set state = 'RUNNING', last_start_date = now()"
                " where owner = %s and job_name = %s and enabled",
                [owner, PURGE_JOB],
            )
            if not began.rowcount:
                return
            try:
                delete_old(self.config, self.site, owner, self.stop)
            finally:
                conn.execute(
                    "update sys.lab_scheduler_jobs set state = case when enabled then 'SCHEDULED' else 'DISABLED' end"
                    " where owner = %s and job_name = %s",
                    [owner, PURGE_JOB],
                )

    def _job(self, owner: str) -> None:
        with self._connect() as conn:
            began = conn.execute(
                "update sys.lab_jobs set this_date = sys.sysdate() where owner = %s and not broken", [owner]
            )
            if not began.rowcount:
                return
            try:
                delete_old(self.config, self.site, owner, self.stop)
            finally:
                # As in Oracle, the end of a run clears a mark BROKEN that was set during the run.
                conn.execute(
                    "update sys.lab_jobs set last_date = this_date, this_date = null, broken = false,"
                    " next_date = date_trunc('day', sys.sysdate()) + interval '1 day 2 hours' where owner = %s",
                    [owner],
                )

    def _own_program(self, schema: str) -> None:
        if switch_path(self.config, self.site, schema, "held").exists():
            return
        running = switch_path(self.config, self.site, schema, "running")
        running.touch()
        try:
            delete_old(self.config, self.site, schema, self.stop)
        finally:
            running.unlink(missing_ok=True)

    def _cron(self) -> None:
        try:
            commands = cron_commands(crontab_path(self.config, self.site).read_text(errors="replace"))
        except FileNotFoundError:
            return
        from infomart_lab import host  # slow to import, and a program that cron starts does not need it

        for command in commands:
            process = subprocess.Popen(
                ["/bin/sh", "-c", command],
                env=host.environment(self.config, self.site, "db"),
                cwd=self.config.host_dir(self.site, "db"),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            while process.poll() is None:
                if self.stop.wait(0.1):
                    process.kill()
            process.wait()
