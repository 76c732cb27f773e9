"""Exact SCNs: numbers S for which "in the snapshot" and "CSN not above S" are the same set of transactions.

PostgreSQL writes a commit to the log before it makes it visible, so the log's position and the visible commits may
disagree. Here a snapshot is exported, and the redo reader catches up with the log. S is then the highest CSN among the
transactions that the snapshot sees. It is exact when no transaction with a lower CSN is invisible to the snapshot.
"""

from __future__ import annotations

import contextlib
import json
import logging
import select
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from infomart_lab import config as lab_config
from infomart_lab.config import LabConfig
from infomart_lab.oracle import redo
from infomart_lab.oracle.redo import Reader

log = logging.getLogger(__name__)

ATTEMPTS = 50


class SnapshotTooOld(Exception):
    """ORA-01555: no snapshot of this SCN is held any more."""


class InvalidScn(ValueError):
    """ORA-08181: the number is above every SCN so far."""


@dataclass(frozen=True)
class Visibility:
    """PostgreSQL's ``pg_snapshot``: which transactions a snapshot sees."""

    xmin: int
    xmax: int
    running: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Visibility:
        """Parse ``xmin:xmax:xip,...``.

        :raises ValueError: the text has another form.
        """
        low, high, running = text.split(":")
        return cls(int(low), int(high), frozenset(int(x) for x in running.split(",") if x))

    def sees(self, xid: int) -> bool:
        """True when the snapshot sees the committed transaction ``xid``."""
        return xid < self.xmin or (xid < self.xmax and xid not in self.running)


def exact_scn(visibility: Visibility, commits: list[tuple[int, int]], floor: int) -> int | None:
    """The SCN of a snapshot.

    :param commits: CSN and xid of the committed transactions, in order of the CSN.
    :param floor: the SCN when the snapshot sees none of them.
    :returns: None when a transaction that the snapshot does not see has a lower CSN than one that it sees.
    """
    scn, blocked = floor, False
    for csn, xid in commits:
        if visibility.sees(xid):
            if blocked:
                return None
            scn = max(scn, csn)
        else:
            blocked = True
    return scn


def at_position(scn: int, lsn: int, visibility: Visibility, commits: list[tuple[int, int]]) -> int:
    """The highest SCN that means the same snapshot, up to the log's position.

    Between two commits any number is exact. With the highest one the SCN follows the log, as Oracle's does: a
    transaction that began before the SCN was taken never has a higher START_SCN.

    :param scn: result of :func:`exact_scn`.
    :param lsn: the log's position when the snapshot was taken.
    :param commits: CSN and xid of the committed transactions.
    """
    unseen = [csn for csn, xid in commits if not visibility.sees(xid)]
    # not the position itself: the next record, which may be a commit, begins there
    return max(scn, min([lsn - 1, *(csn - 1 for csn in unseen)]))


@dataclass
class _Holder:
    """A connection whose transaction holds the snapshots that were exported in it."""

    connection: psycopg.Connection[Any]
    opened: float
    last: float = 0.0
    scns: dict[int, str] = field(default_factory=dict)


class Keeper:
    """Takes snapshots and holds them for the site's undo retention.

    A READ COMMITTED transaction may export many snapshots, and holds them all. So a few connections are enough for any
    number of SCNs; each holds the snapshots of a part of the retention.
    """

    def __init__(self, config: LabConfig, site: str, reader: Reader) -> None:
        self.config = config
        self.site = site
        self._reader = reader
        self._holders: list[_Holder] = []
        self._lock = threading.Lock()
        self._taken: dict[int, tuple[str, float]] = {}
        self._write()

    @property
    def _retention(self) -> float:
        return float(self.config.sites[self.site].undo_retention)

    def take(self) -> int:
        """Take a snapshot and hold it; its SCN.

        :raises TimeoutError: the redo reader does not catch up.
        """
        with self._lock:
            for attempt in range(ATTEMPTS):
                if attempt:
                    time.sleep(0.002 * attempt)
                try:
                    scn = self._attempt()
                except psycopg.OperationalError:
                    if attempt:
                        raise
                    continue  # PostgreSQL was restarted: its snapshots are gone, a new one is possible
                if scn is not None:
                    return scn
        raise TimeoutError(f"no exact SCN of {self.site} after {ATTEMPTS} snapshots")

    def _holder(self) -> _Holder:
        now = time.monotonic()
        if self._holders:
            newest = self._holders[-1]
            if now - newest.opened < max(self._retention / 4, 1) and not newest.connection.closed:
                return newest
        connection = psycopg.connect(
            self.config.postgres_dsn(self.site, "gim"), autocommit=True, application_name="lab_snapshots"
        )
        connection.execute("SET idle_in_transaction_session_timeout = 0")
        connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY")
        holder = _Holder(connection, now)
        self._holders.append(holder)
        return holder

    def _attempt(self) -> int | None:
        holder = self._holder()
        try:
            row = holder.connection.execute(
                "SELECT pg_export_snapshot(), pg_current_snapshot()::text, "
                "(pg_current_wal_insert_lsn() - '0/0')::bigint"
            ).fetchone()
            # writes of an open transaction may not be flushed, and only flushed log is decoded
            holder.connection.execute("SELECT pg_logical_emit_message(false, 'lab', '', true)")
        except psycopg.Error:
            self._let_go(holder)
            raise
        assert row is not None
        name, visibility, lsn = row[0], Visibility.parse(row[1]), row[2]
        if not self._reader.wait_for(lsn):
            raise TimeoutError(f"the redo of {self.site} does not reach {lsn}")
        recent = list(self._reader.recent)
        floor = redo.begin(self.config, self.site)
        stored = [(c.csn, c.xid) for c in recent if not c.foreign]
        scn = exact_scn(visibility, stored, floor)
        if scn is None:
            return None
        scn = at_position(scn, lsn, visibility, stored)
        now = time.time()
        holder.last = time.monotonic()
        holder.scns[scn] = name
        self._taken[scn] = (name, now)
        self._write()
        return scn

    def tend(self) -> None:
        """Release snapshots older than the retention; all of them when the fault is on."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            everything = bool(lab_config.fault(self.config, f"{self.site}.oracle.undo_released"))
            now = time.monotonic()
            for holder in list(self._holders):
                gone = _is_gone(holder.connection)
                full = now - holder.opened >= max(self._retention / 4, 1)
                if gone or everything or (full and now - max(holder.last, holder.opened) > self._retention):
                    self._let_go(holder)
        finally:
            self._lock.release()

    def release_all(self) -> None:
        """Release every snapshot."""
        with self._lock:
            for holder in list(self._holders):
                self._let_go(holder)

    def _let_go(self, holder: _Holder) -> None:
        self._holders.remove(holder)
        with contextlib.suppress(psycopg.Error):
            holder.connection.close()
        for scn, name in holder.scns.items():
            if self._taken.get(scn, ("", 0.0))[0] == name:
                del self._taken[scn]
        self._write()

    def _write(self) -> None:
        path = snapshots_file(self.config, self.site)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({str(s): {"snapshot": n, "taken": t} for s, (n, t) in sorted(self._taken.items())})
        temporary = path.with_suffix(".new")
        temporary.write_text(text)
        temporary.replace(path)


def _is_gone(connection: psycopg.Connection[Any]) -> bool:
    """True when the server has ended the connection; a client must check to notice it."""
    if connection.closed or connection.broken:
        return True
    if select.select([connection.fileno()], [], [], 0)[0]:
        try:
            connection.execute("SELECT 1")
        except psycopg.Error:
            return True
    return False


def snapshots_file(config: LabConfig, site: str) -> Path:
    """File that maps each held SCN to its snapshot."""
    return config.site_dir(site) / "snapshots.json"


def resolve(config: LabConfig, site: str, scn: int) -> str:
    """Identifier for ``SET TRANSACTION SNAPSHOT`` that shows the database as of ``scn``.

    :raises SnapshotTooOld: no snapshot is held from which ``scn`` can be seen (ORA-01555).
    :raises InvalidScn: ``scn`` lies in the future (ORA-08181).
    """
    try:
        held = {int(s): v["snapshot"] for s, v in json.loads(snapshots_file(config, site).read_text()).items()}
    except FileNotFoundError:
        held = {}
    if scn in held:
        return held[scn]
    deadline = time.monotonic() + 2
    while redo.position(config, site) < scn:
        if time.monotonic() > deadline:
            raise InvalidScn(f"ORA-08181: specified number is not a valid system change number: {scn}")
        time.sleep(0.05)
    below = [s for s in held if s < scn]
    if below and not redo.has_commit_between(config, site, max(below), scn):
        return held[max(below)]
    raise SnapshotTooOld(f"ORA-01555: snapshot too old: no snapshot of SCN {scn} is held at {site}")
