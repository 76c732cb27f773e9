"""The Info Mart Server of a site: ``python -m infomart_lab.gim_server <site>``.

Job_ExtractICON copies new calls from the IDBs into GIDB and moves the high-water marks, in one transaction.
Job_TransformGIM turns them into facts in a transaction of its own, some time later. When the scheduler is switched
off, the server finishes the running cycle; on SIGTERM, only the running job. Job_MaintainGIM and Job_MigrateGIM also
run on request (:mod:`infomart_lab.gimjob`), even while the scheduler is off. Nothing prevents a second server from
writing to the same Info Mart.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from infomart_lab import config as lab_config
from infomart_lab import configuration, gimjob, life, partitions, postgres, schema
from infomart_lab.config import LabConfig, fault, mark_ready

#: Seconds between the beginnings of two ETL cycles, and between a cycle's extraction and transformation.
CYCLE_SECONDS = 1.5
PAUSE_SECONDS = 0.7
AGGREGATE_SECONDS = 3.0
#: Seconds for which the histories of extraction and transformation are kept.
HISTORY_SECONDS = 600
#: Calls of a data source in one extraction.
BATCH = 5000
_IDB_DEADLINE = 8.0
_IDB_POLL_SECONDS = 0.7
#: No calls are read from an IDB that has been silent for longer.
_IDB_SILENT_SECONDS = 2.5
_JOB_DEADLINE = 600.0
_RETRY_SECONDS = 5.0
#: Seconds by which another site's IDB must be ahead to be preferred to the own site's.
_NEARER = 2
_DAY = 86400

Connection = psycopg.Connection[Any]


class ConfigurationError(Exception):
    """The Application object does not let the server start."""


class JobError(Exception):
    """A job failed and was rolled back; ADMIN_ETL_JOB_HISTORY and the log say so."""


class Log:
    """The server's log, in the manner of Genesys: time, level, message number, text."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8", buffering=1)
        self._lock = threading.Lock()
        self._said: dict[str, float] = {}

    def __call__(self, level: str, number: str, text: str) -> None:
        stamp = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds")
        with self._lock:
            self._file.write(f"{stamp} {level} {number} {' '.join(text.split())}\n")

    def seldom(self, level: str, number: str, text: str, *, seconds: float = 60) -> None:
        """Log a message only once in a while, as long as it stays true."""
        now = time.monotonic()
        if now - self._said.get(text, -seconds) >= seconds:
            self._said[text] = now
            self(level, number, text)


class Options:
    """The current Application object of a site's server, with its connections."""

    def __init__(self, config: LabConfig, site: str) -> None:
        self.applications = configuration.read(config)["applications"]
        self.server: dict[str, Any] = self.applications.get(configuration.server_of(config, site), {})

    def text(self, section: str, name: str, default: str) -> str:
        value = self.server.get("options", {}).get(section, {}).get(name, default)
        return str(value).strip()

    def flag(self, section: str, name: str, default: str) -> bool:
        return self.text(section, name, default).lower() in {"true", "yes", "on", "1"}

    def seconds(self, section: str, name: str, default: int) -> int:
        try:
            return int(self.text(section, name, str(default)))
        except ValueError:
            return default

    def _is_in_use(self, name: str) -> bool:
        """True for an object that is enabled and among the server's connections."""
        application = self.applications.get(name, {"state": configuration.DISABLED})
        enabled = int(application.get("state", configuration.ENABLED)) == configuration.ENABLED
        return enabled and name in self.server.get("connections", [])

    def access_points(self, role: str) -> list[dict[str, Any]]:
        """Enabled DAPs of a role among the server's connections.

        An IDB is read when its DAP is in use, even without the ICON that writes it: after a failover the guide removes
        the failed site's ICONs, and the pair's surviving IDB may still hold calls to extract.
        """
        return [
            self.applications[name]
            for name in self.server.get("connections", [])
            if self._is_in_use(name)
            and self.applications[name].get("options", {}).get("gim-etl", {}).get("role") == role
        ]

    def is_written(self, dap: str) -> bool:
        """True when an IDB may get more calls: an ICON that writes it is in use, or no ICON is known."""
        writers = [
            name
            for name, application in self.applications.items()
            if application.get("type") == configuration.TYPE_ICON and dap in application.get("connections", [])
        ]
        return not writers or any(map(self._is_in_use, writers))

    def info_mart(self) -> dict[str, Any]:
        """The one DAP of the Info Mart.

        :raises ConfigurationError: there is none, or more than one.
        """
        found = self.access_points(configuration.ROLE_INFO_MART)
        if len(found) != 1:
            names = ", ".join(dap["name"] for dap in found) or "none"
            raise ConfigurationError(
                f"Exactly one connected DAP must have the role {configuration.ROLE_INFO_MART}; found: {names}"
            )
        return found[0]


def _scalar(conn: Connection, query: str, binds: list[Any] | None = None) -> Any:
    row = conn.execute(query, binds).fetchone()
    return row[0] if row else None


def _calendar_end(conn: Connection) -> int | None:
    """Last interval of the calendar; its special row in the far future does not count."""
    return _scalar(conn, "select max(date_time_key) from date_time where date_time_key < 4000000000")


def _utc(seconds: float) -> datetime:
    """A moment as Oracle's DATE: whole seconds, UTC, without zone."""
    return datetime.fromtimestamp(int(seconds), UTC).replace(tzinfo=None)


def _connect(config: LabConfig, site: str, dap: dict[str, Any]) -> Connection:
    """Connect from a site to the database of an access point."""
    return postgres.connect(
        config,
        dap["site"],
        dap["database"],
        user=dap["schema"].lower(),
        seen_from=site,
        application_name=postgres.program_on(f"{site}-gim", "gim_etl_server"),
    )


class Idb(threading.Thread):
    """Connection to one IDB. A thread reads how far it is, so that a lost IDB delays nothing else."""

    def __init__(self, config: LabConfig, site: str, dap: dict[str, Any], log: Log, stop: threading.Event) -> None:
        super().__init__(name=f"idb-{dap['name']}", daemon=True)
        self.config = config
        self.site = site
        self.dap = dap
        self.log = log
        self.stop = stop
        self.dropped = False
        self._conn: Connection | None = None
        self._lock = threading.Lock()
        self._until: tuple[int, float] | None = None

    @property
    def _is_over(self) -> bool:
        """The server stops, or the IDB is no longer among its connections."""
        return self.dropped or self.stop.is_set()

    @property
    def is_near(self) -> bool:
        return self.dap["site"] == self.site

    def run(self) -> None:
        name, lost = self.dap["name"], False
        while not self._is_over:
            try:
                with self._connect() as conn:
                    self.log("Std", "00-04503", f"Connection to server '{name}' at '{self.dap['site']}' made")
                    lost, self._conn = False, conn
                    while not self._is_over:
                        until = self._ask(lambda c: _scalar(c, "select max(levent_itime) from g_dss_gcc_provider"))
                        if until is not None:
                            self._until = until, time.monotonic()
                        self.stop.wait(_IDB_POLL_SECONDS)
            except (psycopg.Error, OSError) as error:
                self._conn = self._until = None
                if not lost:
                    self.log("Std", "00-04504", f"Connection to server '{name}' lost: {error}")
                    lost = True
                self.stop.wait(_IDB_POLL_SECONDS)

    def _connect(self) -> Connection:
        return _connect(self.config, self.site, self.dap)

    def _ask(self, work: Callable[[Connection], Any]) -> Any:
        if not self._lock.acquire(timeout=_IDB_DEADLINE + 1 if threading.current_thread() is self else 1):
            raise psycopg.OperationalError("busy")
        try:
            if (conn := self._conn) is None:
                raise psycopg.OperationalError("not connected")
            with postgres.deadline(conn, _IDB_DEADLINE):
                return work(conn)
        finally:
            self._lock.release()

    def ask(self, work: Callable[[Connection], Any]) -> Any:
        """Result of ``work``; None when the IDB does not answer."""
        try:
            return self._ask(work)
        except (psycopg.Error, OSError):
            # The thread notices it and makes a new connection.
            return None

    def complete_until(self) -> int | None:
        """LEVENT_ITIME: all calls before this second are in the IDB; None when it has not answered lately."""
        known = self._until
        if known is None or time.monotonic() - known[1] > _IDB_SILENT_SECONDS:
            return None
        return known[0]


class Server:
    """One run of the Info Mart Server."""

    def __init__(self, config: LabConfig, site: str, stop: threading.Event) -> None:
        self.config = config
        self.site = site
        self.stop = stop
        self.root = config.server_root(site)
        self.log = Log(self.root / "logs" / "gim_etl.log")
        self.options = Options(config, site)
        # Read once: a change of the role takes effect at a restart.
        self.dap = self.options.info_mart()
        self.idbs: dict[str, Idb] = {}
        self.began = time.monotonic()
        self._trimmed = int(time.time())
        # Until the schema is read for the first time.
        self._migrating = True
        self._said_idbs: list[str] = []

    # -- running ---------------------------------------------------------------------------------

    def connect(self) -> Connection:
        conn = _connect(self.config, self.site, self.dap)
        conn.execute(sql.SQL("set search_path to {}").format(sql.Identifier(self.dap["schema"].lower())))
        return conn

    def run(self) -> None:
        """Run jobs until the stop event is set."""
        self.log("Std", "55-20001", f"Genesys Info Mart Server {self.config.release} started at {self.site}")
        self.log("Std", "55-20002", f"Info Mart database: {self.dap['name']} at {self.dap['site']}")
        aggregator = threading.Thread(target=self._keep, args=(self._aggregate_turn,), name="aggregate")
        aggregator.start()
        self._keep(self._etl_turn)
        aggregator.join()
        self.log("Std", "55-20003", "Genesys Info Mart Server stopped")

    def _keep(self, turn: Callable[[Connection], None]) -> None:
        """Repeat ``turn`` on a connection to the Info Mart; a lost connection is replaced."""
        name = self.dap["name"]
        while not self.stop.is_set():
            try:
                conn = self.connect()
                self.log("Std", "00-04503", f"Connection to server '{name}' at '{self.dap['site']}' made")
                with conn:
                    while not self.stop.is_set():
                        try:
                            self.options = Options(self.config, self.site)
                        except (OSError, ValueError, KeyError) as error:
                            self.log.seldom("Std", "55-20010", f"Configuration cannot be read: {error}")
                        try:
                            with postgres.deadline(conn, _JOB_DEADLINE):
                                turn(conn)
                        except JobError:
                            self.stop.wait(_RETRY_SECONDS)
            except psycopg.OperationalError as error:
                self.log.seldom("Std", "00-04504", f"Connection to server '{name}' lost: {error}", seconds=10)
                self.stop.wait(1)
            except psycopg.Error as error:
                self.log("Std", "55-20120", f"Job failed: {error}")
                self.stop.wait(_RETRY_SECONDS)

    # -- ETL -------------------------------------------------------------------------------------

    def _etl_turn(self, conn: Connection) -> None:
        self._migrating = self._in_migration(conn)
        self._work_off_requests(conn)
        if self._migrating or not self.options.flag("schedule", "run-scheduler", "false"):
            self.stop.wait(0.3)
            return
        began = time.monotonic()
        more = self.extract(conn)
        if not more:
            self.stop.wait(PAUSE_SECONDS)
        # When the server must stop now, extracted calls stay in GIDB.
        if self.stop.is_set():
            return
        self.transform(conn)
        # After the transformation, as scheduled. Where that fails because a partition is missing, only a requested
        # maintenance makes one.
        self.maintain(conn)
        while not more and not self.stop.is_set() and time.monotonic() - began < CYCLE_SECONDS:
            self.stop.wait(0.2)
            if not Options(self.config, self.site).flag("schedule", "run-scheduler", "false"):
                break

    def _in_migration(self, conn: Connection) -> bool:
        version = _scalar(conn, "select schema_version from ctl_schema_info where schema_name = 'GIM'")
        if version in (None, self.config.release):
            return False
        self.log.seldom(
            "Alarm", "55-20152", f"Server is in the migration state: schema {version}, server {self.config.release}"
        )
        if self.options.flag("schedule", "on-demand-migration", "false"):
            self.migrate(conn)
            return False
        return True

    def migrate(self, conn: Connection) -> str:
        """Job_MigrateGIM: bring the schema to the server's release.

        :returns: one line for the log.
        """
        began, job = time.time(), self._job_id(conn)
        with conn.transaction():
            conn.execute("alter table {} add column if not exists {} {}".format(*schema.NEW_COLUMN))
            conn.execute(
                "update ctl_schema_info set schema_version = %s where schema_name = 'GIM'", [self.config.release]
            )
            self._history(conn, job, gimjob.MIGRATE, began)
        self._migrating = False
        return self._finished(f"{gimjob.MIGRATE} {job} finished: schema {self.config.release}")

    def _work_off_requests(self, conn: Connection) -> None:
        """Run the requested jobs; in the migration state only the migration."""
        for job, work in ((gimjob.MIGRATE, self.migrate), (gimjob.MAINTAIN, self.maintain_now)):
            if (number := gimjob.requested(self.root, job)) is None:
                continue
            if self._migrating and job != gimjob.MIGRATE:
                text = f"{job} failed: the server is in the migration state; run {gimjob.MIGRATE} first"
                self.log("Std", "55-20120", text)
                gimjob.answer(self.root, job, gimjob.Result(number, False, text))
                continue
            try:
                text = work(conn)
            except psycopg.Error as error:
                text = f"{job} failed: {' '.join(str(error).split())}"
                gimjob.answer(self.root, job, gimjob.Result(number, False, text))
                raise
            gimjob.answer(self.root, job, gimjob.Result(number, True, text))

    def _finished(self, text: str) -> str:
        self.log("Std", "55-20100", text)
        return text

    @staticmethod
    def _job_id(conn: Connection) -> str:
        return f"JOB-{_scalar(conn, 'select nextval($$seq_etl_job$$)'):08d}"

    @staticmethod
    def _history(conn: Connection, job: str, name: str, began: float, status: str = "success") -> None:
        now = time.time()
        conn.execute(
            "insert into admin_etl_job_history values (%s, %s, %s, %s, %s, %s)",
            [job, name, _utc(began), _utc(now), int(now) - int(began), status],
        )

    def _follow_connections(self) -> None:
        """Release the IDBs that are no longer among the connections, and log those that are."""
        used = [dap["name"] for dap in self.options.access_points(configuration.ROLE_IDB)]
        for key, idb in list(self.idbs.items()):
            if idb.dap["name"] not in used:
                idb.dropped = True
                del self.idbs[key]
        if used != self._said_idbs:
            self.log("Std", "55-20012", f"IDBs in use: {', '.join(used) or 'none'}")
            self._said_idbs = used

    def _idbs_of(self, source: str) -> list[Idb]:
        found = []
        for dap in self.options.access_points(configuration.ROLE_IDB):
            if dap["schema"].upper() == source:
                key = f"{dap['name']}/{dap['site']}/{dap['database']}/{dap['schema']}"
                if key not in self.idbs:
                    self.idbs[key] = Idb(self.config, self.site, dap, self.log, self.stop)
                    self.idbs[key].start()
                found.append(self.idbs[key])
        return found

    def _best(self, source: str) -> tuple[Idb, int] | None:
        """The IDB of an HA pair that is ahead; the own site's when they are nearly equal."""
        best: tuple[Idb, int] | None = None
        for idb in self._idbs_of(source):
            until = idb.complete_until()
            if until is None:
                continue
            if best is None or until + _NEARER * idb.is_near > best[1] + _NEARER * best[0].is_near:
                best = idb, until
        return best

    def extract(self, conn: Connection) -> bool:
        """Job_ExtractICON for all data sources.

        :returns: True when a data source has more than one batch to extract.
        """
        self._follow_connections()
        more = False
        for source in self.config.data_sources:
            best = self._best(source.schema_name)
            if best is None:
                if time.monotonic() - self.began > 5 and self._idbs_of(source.schema_name):
                    self.log.seldom("Std", "55-20011", f"No IDB of {source.name} can be reached")
                continue
            idb, until = best
            delayed = self.options.seconds("gim-etl", "delayed-data-threshold", 900)
            expected = any(self.options.is_written(of.dap["name"]) for of in self._idbs_of(source.schema_name))
            if expected and time.time() - until > delayed:
                self.log.seldom("Alarm", "55-20110", f"Data of {source.name} is delayed by more than {delayed} seconds")
            more |= self._extract_from(conn, idb, source.key, until - 1)
        return more

    def _extract_from(self, conn: Connection, idb: Idb, key: int, limit: int) -> bool:
        began = time.time()
        mark = _scalar(
            conn,
            "select max_ts from ctl_extract_hwm where table_name = %s and data_source_key = %s",
            [schema.CALL_TABLE, key],
        )
        low = -1 if mark is None else mark
        read = idb.ask(lambda c: _read_calls(c, low, limit))
        if not read or not read["calls"]:
            return False
        high: int = read["high"]
        job = self._job_id(conn)
        with conn.transaction():
            audit = _scalar(conn, "select nextval('seq_audit_log')")
            counts = _load_gidb(conn, read, key, audit)
            if mark is None:
                for table in schema.EXTRACTED_TABLES:
                    conn.execute("insert into ctl_extract_hwm values (%s, %s, %s)", [table, key, high])
            conn.execute(
                "update ctl_extract_hwm set max_ts = %s where data_source_key = %s and table_name = any(%s)",
                [high, key, list(schema.EXTRACTED_TABLES)],
            )
            ended = time.time()
            for table, count in counts.items():
                conn.execute(
                    "insert into ctl_extract_history values"
                    " (%s, %s, 1, %s, %s, %s, %s, %s, 0, %s, %s, %s, %s, %s, %s, %s, %s)",
                    [
                        *(table, key, count, _utc(high), high, 10 * key, read["dss_id"]),
                        *(_utc(began), _utc(ended), job, "Job_ExtractICON", self.config.release),
                        *(idb.dap["name"], audit, int(ended)),
                    ],
                )
            conn.execute(
                "insert into ctl_audit_log values (%s, %s, %s, %s, 1, %s, %s, %s, %s, %s, %s)",
                [
                    *(audit, job, _utc(began), _utc(ended), low - low % 900 if low > 0 else None),
                    *(high - high % 900, high, key, counts[schema.CALL_TABLE], int(ended)),
                ],
            )
            self._history(conn, job, "Job_ExtractICON", began)
        self.log(
            "Std",
            "55-20100",
            f"Job_ExtractICON {job}: {counts[schema.CALL_TABLE]} calls of data source {key} from"
            f" {idb.dap['name']}, high-water mark {high}",
        )
        return bool(read["more"])

    def transform(self, conn: Connection) -> None:
        """Job_TransformGIM: everything extracted and not yet transformed, of all data sources at once.

        :raises JobError: there is no partition for it; it stays extracted.
        """
        began = time.time()
        try:
            self._transform(conn, began)
        except partitions.PartitionError as error:
            job = self._job_id(conn)
            self._history(conn, job, "Job_TransformGIM", began, "failure")
            text = f"Job_TransformGIM {job} failed, nothing was loaded: {error}"
            self.log("Std", "55-20120", text)
            raise JobError(text) from None

    def _transform(self, conn: Connection, began: float) -> None:
        with conn.transaction():
            conn.execute("set transaction isolation level repeatable read")
            done: list[tuple[int, int, int]] = []
            for key, low, high in conn.execute(
                """
                select data_source_key, coalesce((select max(hwm_value) from ctl_transform_history
                                                   where hwm_name = data_source_key::text), -1), max_ts
                  from ctl_extract_hwm where table_name = %s order by data_source_key
                """,
                [schema.CALL_TABLE],
            ).fetchall():
                if high > low:
                    taken = conn.execute(_sql("transform_keys.sql"), {"data_source_key": key, "low": low, "high": high})
                    done.append((key, high, taken.rowcount))
            if self.config.partitioned:
                # A real server also loads agent states, so its job always has something to do.
                partitions.check(conn, self.dap["schema"], began)
            if not done:
                return
            job = self._job_id(conn)
            audit = _scalar(conn, "select nextval('seq_audit_log')")
            rows = sum(count for _, _, count in done)
            if rows:
                psycopg.ClientCursor(conn).execute(_sql("transform.sql"), {"audit_key": audit, "now": int(began)})
            ended = time.time()
            for key, high, count in done:
                conn.execute(
                    "insert into ctl_transform_history values (%s, %s, %s, %s, %s, %s, %s, %s)",
                    [
                        *(job, self.config.release, schema.hwm_name(key), high),
                        *(_utc(began), _utc(ended), count, int(ended)),
                    ],
                )
            if rows:
                high = max(mark for _, mark, _ in done)
                conn.execute(
                    "insert into ctl_audit_log values (%s, %s, %s, %s, 8, null, %s, %s, 0, %s, %s)",
                    [audit, job, _utc(began), _utc(ended), high - high % 900, high, rows, int(ended)],
                )
                self._history(conn, job, "Job_TransformGIM", began)
        self.log("Std", "55-20100", f"Job_TransformGIM {job}: {rows} calls")

    def maintain(self, conn: Connection) -> None:
        """The schedule's Job_MaintainGIM: trims the job history, and does its other work when it is due."""
        now = int(time.time())
        if now - self._trimmed > HISTORY_SECONDS / 10:
            # A cycle takes seconds here and a quarter of an hour on real sites: the same number of rows in a shorter
            # time.
            self._trimmed = now
            with conn.transaction():
                psycopg.ClientCursor(conn).execute(_sql("maintain_history.sql"), {"before": now - HISTORY_SECONDS})
        calendar = _calendar_end(conn)
        due = calendar is not None and calendar <= now + 8 * _DAY
        if self.config.partitioned:
            due |= partitions.end(conn, self.dap["schema"]) <= now + self._partitions_ahead() - _DAY
        if due:
            self.maintain_now(conn)

    def _partitions_ahead(self) -> int:
        days = self.options.seconds("gim-etl", "partitioning-ahead-range", partitions.AHEAD_DAYS)
        return days * _DAY

    def maintain_now(self, conn: Connection) -> str:
        """Job_MaintainGIM: extend calendar and partitions, and delete the old rows of GIDB.

        :returns: one line for the log.
        """
        now = int(time.time())
        keep = self.options.seconds("gim-etl", "days-to-keep-gidb-facts", 14) * _DAY
        job = self._job_id(conn)
        with conn.transaction():
            if (calendar := _calendar_end(conn)) is not None:
                conn.execute(_sql("maintain_date_time.sql"), {"after": calendar, "until": now + 10 * _DAY})
            if self.config.partitioned:
                partitions.extend(conn, self.dap["schema"], now + self._partitions_ahead())
            for table in schema.EXTRACTED_TABLES:
                gone = conn.execute(
                    sql.SQL("delete from {} where terminated_ts < %s").format(sql.Identifier(table.lower())),
                    [now - keep],
                )
                conn.execute(
                    "insert into ctl_purge_history values (%s, %s, %s, %s, %s)",
                    [job, table, gone.rowcount, now - keep, now],
                )
            self._history(conn, job, gimjob.MAINTAIN, now)
        return self._finished(f"{gimjob.MAINTAIN} {job} finished")

    # -- aggregation -----------------------------------------------------------------------------

    def _aggregate_turn(self, conn: Connection) -> None:
        runs = self.options.flag("schedule", "run-scheduler", "false") and not self._migrating
        if not (runs and self.options.flag("schedule", "run-aggregates", "true") and self.aggregate(conn)):
            # Short waits: a changed option must work soon.
            self.stop.wait(0.5)
            return
        self.stop.wait(AGGREGATE_SECONDS)

    def aggregate(self, conn: Connection) -> bool:
        """Job_AggregateGIM: notified intervals first, then one day of the oldest pending request.

        :returns: False when there was nothing to do.
        """
        began = time.time()
        with conn.transaction():
            keys = [
                key
                for (key,) in conn.execute(
                    "with taken as (delete from agr_notification returning date_time_key)"
                    " select distinct date_time_key from taken order by 1"
                )
            ]
            if keys:
                job = self._job_id(conn)
                for first, end in _runs(keys):
                    self._aggregate_interval(conn, first, end)
                self._history(conn, job, "Job_AggregateGIM", began)
        return self._aggregate_pending(conn) or bool(keys)

    def _aggregate_pending(self, conn: Connection) -> bool:
        began = time.time()
        with conn.transaction():
            pending = conn.execute(
                "select request_id, from_ts, to_ts from agr_pending_request order by request_id limit 1"
            ).fetchone()
            if pending is None:
                return False
            request, first, end = pending
            first -= first % 900
            upto = min(first - first % _DAY + _DAY, end)
            if slow := fault(self.config, f"{self.site}.gim_server.slow_aggregation"):
                self.stop.wait(float(str(slow)))
            self._aggregate_interval(conn, first, upto + -upto % 900)
            if upto >= end:
                conn.execute("delete from agr_pending_request where request_id = %s", [request])
                job = self._job_id(conn)
                self._history(conn, job, "Job_AggregateGIM", began)
                self.log("Std", "55-20100", f"Job_AggregateGIM {job}: request {request} finished")
            else:
                conn.execute("update agr_pending_request set from_ts = %s where request_id = %s", [upto, request])
        return True

    @staticmethod
    def _aggregate_interval(conn: Connection, first: int, end: int) -> None:
        binds = {
            "from_key": first,
            "to_key": end,
            "from_hour": first - first % 3600,
            "to_hour": end + -end % 3600,
            "from_day": first - first % _DAY,
            "to_day": end + -end % _DAY,
        }
        psycopg.ClientCursor(conn).execute(_sql("aggregate.sql"), binds)


def _sql(name: str) -> str:
    return (Path(__file__).parent / "sql" / name).read_text(encoding="utf-8")


def _runs(keys: list[int]) -> list[tuple[int, int]]:
    """Sorted 15-minute keys as intervals: first key and end (exclusive) of each unbroken run."""
    found: list[tuple[int, int]] = []
    for key in keys:
        if found and found[-1][1] == key:
            found[-1] = found[-1][0], key + 900
        else:
            found.append((key, key + 900))
    return found


def _read_calls(conn: Connection, low: int, limit: int) -> dict[str, Any]:
    """Calls of an IDB with ``low < CREATED_TS <= limit``, at most about one batch of whole seconds."""
    beyond = _scalar(
        conn,
        "select created_ts from g_call where created_ts > %s and created_ts <= %s order by created_ts"
        f" offset {BATCH} limit 1",
        [low, limit],
    )
    high, more = limit, beyond is not None
    if beyond is not None:
        # Whole seconds only: the mark has no finer grain. A second with more than a batch goes as one.
        before = _scalar(
            conn,
            "select max(created_ts) from g_call where created_ts > %s and created_ts < %s",
            [low, beyond],
        )
        high = beyond if before is None else before
    calls = conn.execute(
        "select callid, parentcallid, mergecallid, state, mediatype, calltype, callani, calldnis, tenantid,"
        " irid, id, created_ts, terminated_ts, gsys_domain from g_call"
        " where created_ts > %s and created_ts <= %s order by id",
        [low, high],
    ).fetchall()
    interactions = conn.execute(
        "select irid, rootirid, callid, created_ts, terminated_ts from g_ir"
        " where terminated_ts > %s and terminated_ts <= %s order by id",
        [low, high],
    ).fetchall()
    parties = conn.execute(
        "select partyid, callid, type, agentid, endpointdn, created_ts, terminated_ts from g_party"
        " where terminated_ts > %s and terminated_ts <= %s order by id",
        [low, high],
    ).fetchall()
    return {
        "calls": calls,
        "interactions": interactions,
        "parties": parties,
        "high": max((call[11] for call in calls), default=low),
        "more": more,
        "dss_id": _scalar(conn, "select max(dss_id) from g_dss_gcc_provider"),
    }


def _load_gidb(conn: Connection, read: dict[str, Any], key: int, audit: int) -> dict[str, int]:
    """Write what was read into GIDB; the number of rows of each table."""
    rows = {
        "GIDB_G_CALL_V": read["calls"],
        "GIDB_G_IR_V": read["interactions"],
        "GIDB_G_PARTY_V": read["parties"],
    }
    total = sum(len(found) for found in rows.values())
    ids = iter(conn.execute("select nextval('seq_gidb') from generate_series(1, %s)", [total]).fetchall())
    with conn.cursor() as cursor:
        for table, found in rows.items():
            with cursor.copy(sql.SQL("copy {} from stdin").format(sql.Identifier(table.lower()))) as copy:
                for row in found:
                    copy.write_row((next(ids)[0], *row, key, audit))
    return {table: len(found) for table, found in rows.items()}


def main(config: LabConfig, site: str | None) -> None:
    """Run the Info Mart Server of ``site`` until SIGTERM.

    :raises SystemExit: 1 when the Application object does not name exactly one Info Mart.
    """
    assert site is not None
    life.follow_supervisor(config)
    stop = life.stop_event()
    root = config.server_root(site)
    root.mkdir(parents=True, exist_ok=True)
    try:
        server = Server(config, site, stop)
    except ConfigurationError as error:
        Log(root / "logs" / "gim_etl.log")("Alarm", "55-20004", str(error))
        raise SystemExit(1) from None
    pid_file = root / "gim_etl.pid"
    pid_file.write_text(str(os.getpid()))
    if fault(config, f"{site}.gim_server.dies"):
        raise SystemExit(1)
    mark_ready(config, "gim_server", site)
    try:
        server.run()
    finally:
        if pid_file.exists() and pid_file.read_text() == str(os.getpid()):
            pid_file.unlink()


if __name__ == "__main__":
    main(lab_config.load(), sys.argv[1])
