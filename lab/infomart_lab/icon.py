"""ICON: writes the calls of a site's data sources into both IDBs of each HA pair and journals what is committed.

Calls of a data source are first appended to a *spool*: one call, one line of fixed length. Each ICON of the HA pair
reads the spool at its own pace. One transaction of its IDB commits a batch of calls and the number of calls written so
far; then the batch's lines are appended to the ICON's journal. So the journal is always a beginning of the spool. A
killed ICON finds in the IDB how far it came. An IDB that cannot be reached gets its calls later, in order, once.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from pathlib import Path
from typing import IO, Any

import psycopg

from infomart_lab import life, postgres
from infomart_lab.config import DataSource, LabConfig, mark_ready
from infomart_lab.purge import Purge

#: Bytes of a line of spool and journal: a guid of 32 characters, a space, seconds of ten digits, a newline.
LINE = 44
#: Most calls in one transaction; a queue is written in such steps.
BATCH = 1000
_TICK = 0.1
_RETRY_SECONDS = 1.0
_DEADLINE = 15.0


def get_load(config: LabConfig) -> float:
    """The current call rate: calls a second over all data sources."""
    try:
        return max(0.0, float(json.loads((config.home / "load.json").read_text())["rate"]))
    except FileNotFoundError:
        return config.rate
    except (ValueError, KeyError, TypeError):
        return 0.0


def set_load(config: LabConfig, rate: float) -> None:
    """Switch the call rate; 0 stops the calls. It takes effect within a second.

    :param rate: calls a second over all data sources.
    :raises ValueError: a negative rate.
    """
    if rate < 0:
        raise ValueError(f"The call rate is {rate}; it must be 0 or more calls a second.")
    path = config.home / "load.json"
    temporary = path.with_suffix(f".{os.getpid()}.new")
    temporary.write_text(json.dumps({"rate": rate}))
    temporary.replace(path)


def journal_path(config: LabConfig, source: str, site: str) -> Path:
    """Journal of the calls committed in the IDB of ``source`` at ``site``: lines ``guid created_ts``."""
    return config.journal_dir / f"{source}-{site}.log"


def spool_path(config: LabConfig, source: str) -> Path:
    """Calls of a data source in the order in which they ended."""
    return config.journal_dir / "spool" / f"{source}.calls"


class Spool:
    """Calls of one data source: appended here, read by the ICONs of the HA pair."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        # Nobody has read a line that a kill cut off.
        whole = path.stat().st_size // LINE
        os.truncate(path, whole * LINE)
        self.path = path
        self.calls = whole
        self._last = 0
        self._changed = threading.Condition()
        self._file = path.open("ab", buffering=0)
        if whole:
            self._last = int(self.read(whole - 1, 1)[0].split()[1])

    def append(self, number: int) -> None:
        """Let ``number`` calls end now, at a time that is never before that of an earlier call."""
        with self._changed:
            self._last = max(self._last, int(time.time()))
            lines = b"".join(b"%s %010d\n" % (secrets.token_hex(16).encode(), self._last) for _ in range(number))
            self._file.write(lines)
            self.calls += number
            self._changed.notify_all()

    def wait_beyond(self, calls: int, seconds: float) -> None:
        """Wait until there are more than ``calls`` calls, for ``seconds`` at most."""
        with self._changed:
            self._changed.wait_for(lambda: self.calls > calls, timeout=seconds)

    def horizon(self, calls: int) -> int | None:
        """A second: all calls before it are among the first ``calls``. None when there is no such second."""
        with self._changed:
            if calls < self.calls:
                return None
            self._last = max(self._last, int(time.time()))
            return self._last

    def read(self, first: int, number: int) -> list[str]:
        """Lines of at most ``number`` calls from call ``first`` (counted from 0), without newline."""
        return self.read_bytes(first, number).decode().splitlines()

    def read_bytes(self, first: int, number: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(first * LINE)
            return file.read(min(number, max(self.calls - first, 0)) * LINE)


class Writer(threading.Thread):
    """One ICON: brings the spool of a data source into the IDB at one site."""

    def __init__(
        self, config: LabConfig, source: DataSource, idb_site: str, spool: Spool, stop: threading.Event
    ) -> None:
        super().__init__(name=f"icon-{source.name}-{idb_site}", daemon=True)
        self.config = config
        self.source = source
        self.idb_site = idb_site
        self.spool = spool
        self.stop = stop
        self.written = 0
        self._dss_id = 0
        self._journal: IO[bytes] | None = None
        self._journaled = 0
        # The two ICONs of a pair have different DBIDs in the configuration.
        self.icon_dbid = 10 * source.key + source.idb_sites.index(idb_site)

    def run(self) -> None:
        said = ""
        while not self.stop.is_set():
            try:
                with postgres.connect(
                    self.config,
                    self.idb_site,
                    "idb",
                    user=self.source.schema_name.lower(),
                    autocommit=False,
                    seen_from=self.source.site,
                    application_name=postgres.program_on(
                        f"{self.source.site}-gim", f"ICON_{self.source.name}_{self.idb_site}"
                    ),
                ) as conn:
                    with postgres.deadline(conn, _DEADLINE):
                        self._begin(conn)
                    _say(f"{self.name}: connected, {self.written} calls written, {self._waiting()} wait")
                    said = ""
                    self._follow(conn)
            except (psycopg.Error, OSError) as error:
                words = " ".join(str(error).split())
                if words != said:
                    _say(f"{self.name}: IDB lost, calls are queued: {words}")
                    said = words
                self.stop.wait(_RETRY_SECONDS)

    def _waiting(self) -> int:
        return self.spool.calls - self.written

    def _begin(self, conn: psycopg.Connection[Any]) -> None:
        """Find out what is committed, complete the journal, open a data source session."""
        # A lost session of this ICON must not lock the checkpoint's row for ever.
        conn.execute("set idle_in_transaction_session_timeout = '10s'")
        conn.execute("set statement_timeout = '30s'")
        self.written = self._committed(conn)
        self._complete_journal()
        now = int(time.time())
        row = conn.execute("select coalesce(max(dss_id), 0) + 1 from g_dss_gcc_provider").fetchone()
        assert row is not None
        self._dss_id = row[0]
        conn.execute("update g_dss_gcc_provider set dsconn_etime = %s where dsconn_etime is null", [now])
        conn.execute(
            "insert into g_dss_gcc_provider values (%s, %s, %s, %s, null, %s, null, null, null)",
            [self._dss_id, self.icon_dbid, self.source.key, now, now],
        )
        conn.commit()

    @staticmethod
    def _committed(conn: psycopg.Connection[Any]) -> int:
        # The lock waits for the end of a lost session's transaction.
        row = conn.execute("select calls from lab_icon_checkpoint for update").fetchone()
        assert row is not None
        return row[0]

    def _complete_journal(self) -> None:
        path = journal_path(self.config, self.source.name, self.idb_site)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._journaled = path.stat().st_size // LINE
        os.truncate(path, self._journaled * LINE)
        if self._journal is not None:
            self._journal.close()
        self._journal = path.open("ab", buffering=0)
        self._bring_journal()

    def _bring_journal(self) -> None:
        assert self._journal is not None
        # A recreated IDB gets the calls again; the journal has them already.
        while self._journaled < self.written:
            lines = self.spool.read_bytes(self._journaled, min(self.written - self._journaled, 100_000))
            self._journal.write(lines)
            self._journaled += len(lines) // LINE

    def _follow(self, conn: psycopg.Connection[Any]) -> None:
        beat = 0.0
        while not self.stop.is_set():
            self.spool.wait_beyond(self.written, 0.2)
            lines = self.spool.read_bytes(self.written, BATCH)
            with postgres.deadline(conn, _DEADLINE):
                if lines:
                    self._write(conn, lines)
                if time.monotonic() - beat >= 1:
                    self._heartbeat(conn)
                    beat = time.monotonic()
            # Calls are collected for a moment: one transaction for each call would be most of the lab's load.
            if not self._waiting():
                self.stop.wait(_TICK)

    def _write(self, conn: psycopg.Connection[Any], lines: bytes) -> None:
        calls = [(guid, int(ts)) for guid, ts in (line.split() for line in lines.decode().splitlines())]
        done = conn.execute(
            "update lab_icon_checkpoint set calls = %s where calls = %s",
            [self.written + len(calls), self.written],
        )
        if done.rowcount != 1:
            conn.rollback()
            raise OSError("another session of this ICON has written meanwhile")
        with conn.cursor() as cursor:
            with cursor.copy("copy g_call from stdin") as copy:
                for number, (guid, ts) in enumerate(calls, self.written + 1):
                    copy.write_row(_call(number, guid, ts, self.source.key))
            with cursor.copy("copy g_ir from stdin") as copy:
                for number, (guid, ts) in enumerate(calls, self.written + 1):
                    copy.write_row((number, guid, guid, guid, ts - _length(number), ts))
            with cursor.copy("copy g_party from stdin") as copy:
                for number, (guid, ts) in enumerate(calls, self.written + 1):
                    dn = str(7000 + number % 50)
                    copy.write_row((number, guid, guid, 1, 1 + number % 40, dn, ts - _length(number), ts))
        conn.commit()
        self.written += len(calls)
        self._bring_journal()

    def _heartbeat(self, conn: psycopg.Connection[Any]) -> None:
        """Record how far this IDB is complete: every call before LEVENT_ITIME is committed and journaled."""
        complete = self.spool.horizon(self.written)
        if complete is None and self.written:
            complete = int(self.spool.read(self.written - 1, 1)[0].split()[1])
        conn.execute(
            "update g_dss_gcc_provider set levent_itime = greatest(levent_itime, %s),"
            " fevent_itime = coalesce(fevent_itime, %s) where dss_id = %s",
            [complete, complete, self._dss_id],
        )
        conn.commit()


def _length(number: int) -> int:
    """Seconds that a call lasted."""
    return 20 + number % 120


def _call(number: int, guid: str, ended: int, domain: int) -> tuple[Any, ...]:
    """Row of G_CALL. CREATED_TS is the time when ICON had the whole call; extraction uses it."""
    began, stamp = (time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ts)) for ts in (ended - _length(number), ended))
    ani = f"49{number % 9999999:08d}"
    return (
        *(number, guid, None, None, 1, 1, 1 + number % 3, ani, str(7000 + number % 50), 101, guid),
        *(began, ended, stamp, ended, domain),
    )


class Generator(threading.Thread):
    """Lets calls of one data source end at its share of the call rate."""

    def __init__(self, config: LabConfig, source: DataSource, spool: Spool, stop: threading.Event) -> None:
        super().__init__(name=f"calls-{source.name}", daemon=True)
        self.config = config
        self.source = source
        self.spool = spool
        self.stop = stop

    def run(self) -> None:
        total = sum(source.share for source in self.config.data_sources) or 1.0
        part = self.source.share / total
        owed, rate, looked = 0.0, 0.0, 0.0
        last = time.monotonic()
        while not self.stop.wait(_TICK):
            now = time.monotonic()
            if now - looked >= 0.5:
                rate, looked = get_load(self.config) * part, now
            # Calls missed during a long sleep of the machine are not written later.
            owed = 0.0 if not rate else owed + rate * min(now - last, 2.0)
            last = now
            if owed >= 1:
                self.spool.append(int(owed))
                owed -= int(owed)


def _say(words: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {words}", flush=True)


def main(config: LabConfig, site: str | None) -> None:
    """Part ``icon``: write the calls of the data sources at ``site`` until SIGTERM."""
    assert site is not None
    life.follow_supervisor(config)
    stop = life.stop_event()
    threads: list[threading.Thread] = [Purge(config, site, stop)]
    for source in config.data_sources:
        if source.site != site:
            continue
        spool = Spool(spool_path(config, source.name))
        threads.append(Generator(config, source, spool, stop))
        threads.extend(Writer(config, source, idb_site, spool, stop) for idb_site in source.idb_sites)
    for thread in threads:
        thread.start()
    mark_ready(config, "icon", site)
    stop.wait()
    # A writer may hang on a cut link; the calls that it has not committed are in the spool.
    deadline = time.monotonic() + 3
    for thread in threads:
        thread.join(timeout=max(0.0, deadline - time.monotonic()))
