"""The part ``oracle`` of a site: listener, held snapshots, redo reader."""

from __future__ import annotations

import contextlib
import itertools
import logging
import socket
import threading
import time
from typing import Any

import psycopg

from infomart_lab import config as lab_config
from infomart_lab import life
from infomart_lab.config import LabConfig
from infomart_lab.oracle.errors import OracleError
from infomart_lab.oracle.redo import Reader
from infomart_lab.oracle.session import Session
from infomart_lab.oracle.snapshots import Keeper

log = logging.getLogger(__name__)

#: Seconds between two samples in sys.lab_scn_time.
SAMPLE_INTERVAL = 0.2
#: Seconds for which samples are kept.
SAMPLES_KEPT = 6 * 3600
_SAMPLE = (
    "INSERT INTO sys.lab_scn_time (scn, time_dp) "
    "SELECT (pg_current_wal_insert_lsn() - '0/0')::numeric, clock_timestamp()"
)
_PRUNE = "DELETE FROM sys.lab_scn_time WHERE time_dp < clock_timestamp() - make_interval(secs => %s)"


class OraclePart:
    """The state of the part, in memory.

    :param site: the site that is served.
    """

    def __init__(self, config: LabConfig, site: str) -> None:
        self.config = config
        self.site = site
        self._stopping = threading.Event()
        self._numbers = itertools.count(1)
        self._sessions: dict[int, Session] = {}
        self._clob: dict[tuple[str, int], bool] = {}
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self.reader = Reader(config, site)
        self.keeper = Keeper(config, site, self.reader)

    # -- what sessions ask -------------------------------------------------------------------------

    def take_scn(self, database: str) -> int:
        """CURRENT_SCN: in the Info Mart's database it is the SCN of a new snapshot, which is held."""
        if database == "gim":
            try:
                return self.keeper.take()
            except (TimeoutError, psycopg.Error) as error:
                raise OracleError(8180, f"no snapshot found based on specified time (lab: {error})") from None
        with psycopg.connect(self.config.postgres_dsn(self.site, database), autocommit=True) as connection:
            row = connection.execute("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint").fetchone()
            assert row is not None
            return int(row[0])

    def is_clob_table(self, database: str, oid: int) -> bool:
        """True when a ``text`` column of this relation stands for CLOB: it is a table of an Oracle user."""
        key = (database, oid)
        if key not in self._clob:
            with psycopg.connect(self.config.postgres_dsn(self.site, database), autocommit=True) as connection:
                row = connection.execute(
                    "SELECT relkind IN ('r', 'p') AND relnamespace NOT IN ('sys'::regnamespace, "
                    "'pg_catalog'::regnamespace) FROM pg_class WHERE oid = %s",
                    [oid],
                ).fetchone()
            self._clob[key] = bool(row and row[0])
        return self._clob[key]

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Listen, and serve every client in a thread of its own."""
        self.reader.start()
        threading.Thread(target=self._tend, name="tend", daemon=True).start()
        listener = socket.create_server((self.config.address, self.config.port(self.site, "oracle")), backlog=64)
        self._listener = listener
        threading.Thread(target=self._accept, name="accept", daemon=True).start()

    def _tend(self) -> None:
        """Sample the SCN for START_SCN and TIMESTAMP_TO_SCN, and release old snapshots."""
        connection: psycopg.Connection[Any] | None = None
        pruned = time.monotonic()
        while not self._stopping.wait(SAMPLE_INTERVAL):
            try:
                self.keeper.tend()
                if connection is None or connection.closed:
                    connection = psycopg.connect(
                        self.config.postgres_dsn(self.site, "gim"), autocommit=True, application_name="lab_scn"
                    )
                    connection.execute("SET synchronous_commit = off")
                connection.execute(_SAMPLE)
                if time.monotonic() - pruned > 60:
                    connection.execute(_PRUNE, [SAMPLES_KEPT])
                    pruned = time.monotonic()
            except (psycopg.Error, OSError) as error:
                if connection is not None:
                    log.warning("sampling the SCN of %s: %s", self.site, str(error).strip())
                with contextlib.suppress(psycopg.Error):
                    if connection is not None:
                        connection.close()
                connection = None
                self._stopping.wait(1)
        if connection is not None:
            connection.close()

    def _accept(self) -> None:
        assert self._listener is not None
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            number = next(self._numbers)
            threading.Thread(target=self._serve, args=(sock, number), name=f"session-{number}", daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        session = Session(self, sock, number)
        with self._lock:
            self._sessions[number] = session
        try:
            session.run()
        except Exception:
            log.exception("session %d failed", number)
        finally:
            with contextlib.suppress(OSError):
                sock.close()
            with self._lock:
                self._sessions.pop(number, None)

    def stop(self) -> None:
        self._stopping.set()
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        with self._lock:
            sessions = list(self._sessions.values())
        for session in sessions:
            with contextlib.suppress(OSError):
                session.packets.sock.shutdown(socket.SHUT_RDWR)
        self.reader.stop()
        self.keeper.release_all()


def main(config: LabConfig, site: str | None) -> None:
    """Run the part until SIGTERM.

    :raises ValueError: no site was given.
    """
    if site is None:
        raise ValueError("the part oracle belongs to a site")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    life.follow_supervisor(config)
    part = OraclePart(config, site)
    stop = life.stop_event()
    part.start()
    lab_config.mark_ready(config, "oracle", site)
    stop.wait()
    part.stop()
