"""Extract (redo to local trail) and pump (local to remote trail).

Run as ``python -m infomart_lab.goldengate.extract GROUP``.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import time
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg

from infomart_lab import config as lab
from infomart_lab.goldengate import trail
from infomart_lab.goldengate import wording as words
from infomart_lab.goldengate.group import IDLE_SECONDS, Abend, GroupProcess, hang_up, run_group
from infomart_lab.goldengate.home import GroupKind, Home
from infomart_lab.goldengate.parameters import matches
from infomart_lab.oracle import redo

#: Most records between two checkpoints.
BATCH = 500
#: Seconds between two reads of the sequences.
SEQUENCE_SECONDS = 0.5
#: A pump asks its collector after this many idle seconds, so that a cut link is noticed.
HEARTBEAT_SECONDS = 2.0
#: Seconds for which an Extract keeps its list of supplemental logging.
LOG_GROUP_SECONDS = 5.0
#: Seconds without any progress over the link, after which a pump connects again.
LINK_TIMEOUT = 10.0
#: Bytes of a pump's batch, and its intended seconds: on a slow link batches get smaller.
BATCH_BYTES = (1 << 14, 1 << 20)
BATCH_SECONDS = (0.5, 2.0)
_NO_LISTENER = "OCI Error during OCIServerAttach (status = 12541-ORA-12541: TNS:no listener)."


def select(
    record: dict[str, Any],
    *,
    begin: int,
    excluded_tags: set[str],
    takes_table: Any,
    takes_ddl: Any,
    has_log_group: Any,
    takes_truncate: Any = lambda _: True,
    excluded_users: Collection[str] = (),
    pdb: str | None = None,
) -> dict[str, Any] | None:
    """The record that an Extract writes of a committed transaction; None when it writes nothing.

    :param record: a record of the redo store.
    :param begin: position from which redo is read; a transaction that started below it is incomplete.
    :param takes_table: function of ``OWNER.TABLE``.
    :param takes_ddl: function of ``OWNER.OBJECT``.
    :param has_log_group: function of ``OWNER.TABLE``: supplemental logging writes the key of changes.
    :param takes_truncate: function of ``OWNER.TABLE``, asked for included tables.
    :param excluded_users: users whose transactions are left out.
    :param pdb: first part of all names in the trail of an Extract of the root.
    """
    if record["start"] < begin:
        return None
    tag = record.get("tag")
    if tag is not None and ("+" in excluded_tags or str(tag).lower() in excluded_tags):
        return None
    if record.get("user") in excluded_users:
        return None
    ops = []
    prefix = f"{pdb}." if pdb else ""
    for op in record["ops"]:
        if op["op"] == "DDL":
            if takes_ddl(f"{prefix}{op['schema']}.{op['object']}"):
                ops.append({**op, "schema": prefix + op["schema"]})
        elif takes_table(name := prefix + op["table"]) and (op["op"] != "T" or takes_truncate(name)):
            if op["op"] in "UD" and not has_log_group(op["table"]):
                op = {**op, "key": {}}
            ops.append({**op, "table": name})
    if not ops:
        return None
    return {"csn": record["csn"], "ts": record["ts"], "xid": record.get("xid"), "ops": ops}


def _count(process: GroupProcess, record: dict[str, Any]) -> None:
    for op in record["ops"]:
        name = op.get("table") or f"{op['schema']}.{op['object']}"
        process.counts[name][op["op"]] += 1


class Extract(GroupProcess):
    """Writes committed transactions of the site's redo into the local trail."""

    def __init__(self, config: lab.LabConfig, site: str, kind: GroupKind, name: str) -> None:
        super().__init__(config, site, kind, name)
        self._connection: psycopg.Connection[Any] | None = None
        self._log_groups: set[str] = set()
        self._log_groups_read = 0.0
        self._decided: dict[str, bool] = {}
        self._sequences_read = 0.0
        self._flush: list[str] = []
        self._pending: tuple[int, list[dict[str, Any]], dict[str, list[Any]]] | None = None
        self.flushed = 0
        self.writer: trail.Writer | None = None

    def prepare(self) -> None:
        self.writer = open_trail(self)
        last = self.writer.open(whole=True)
        begin = self.definition["begin_scn"]
        if self.definition.get("integrated"):
            self._check_registration(begin)
        else:
            self._check_classic()
        self.begin = begin
        after = max(begin - 1, int(self.checkpoint.get("csn") or 0), int((last or {}).get("csn") or 0))
        self.save_checkpoint(csn=after, write=list(self.writer.position), first=self.checkpoint.get("first") or begin)
        self.message(
            "INFO",
            "OGG-01517",
            f"Position of first record processed for Thread 1, SCN {after >> 32}.{after & 0xFFFFFFFF}.",
        )

    def _check_classic(self) -> None:
        """A classic Extract reads the redo files itself, and DDL from tables that a trigger fills."""
        site = self.config.sites[self.site]
        threads = int(self.definition.get("threads", 1))
        if threads != site.redo_threads:
            raise Abend(
                "OGG-00118",
                f"The number of Oracle redo threads ({site.redo_threads}) is not the same as the number of checkpoint "
                f"threads ({threads}). EXTRACT groups on RAC systems should be created with the THREADS parameter "
                f"(e.g., ADD EXT {self.name}, TRANLOG, THREADS {site.redo_threads}, BEGIN...).",
            )
        if site.redo_in_asm and not re.search("DBLOGREADER|ASMUSER", " ".join(self.parameters.all("TRANLOGOPTIONS"))):
            raise Abend("OGG-00446", "Opening ASM file +DATA/redo01.log: Not able to establish connection to ASM.")
        if self.parameters.ddl is not None and not site.ddl_objects:
            raise Abend(
                "OGG-00529",
                f"DDL Replication is enabled but table {self.home.schema}.GGS_DDL_HIST is not found. Please check DDL "
                "installation in the database.",
            )

    def _check_registration(self, begin: int) -> None:
        """An integrated Extract cannot begin below the first SCN of its registration."""
        rows = self._query(
            "SELECT first_scn::bigint FROM sys.lab_capture WHERE capture_name = 'OGG$CAP_" + self.name + "'"
        )
        if rows is None:
            raise Abend("OGG-00664", _NO_LISTENER)
        if not rows:
            raise Abend(
                "OGG-02022",
                f"Logmining server does not exist on this Oracle database for Extract {self.name}.",
            )
        if begin < rows[0][0]:
            raise Abend(
                "OGG-02028",
                f"Failed to attach to logmining server OGG$CAP_{self.name}: begin SCN {begin} is below the "
                f"first SCN {rows[0][0]} of its registration.",
            )

    # -- database --------------------------------------------------------------------------------

    def _query(self, statement: str) -> list[tuple[Any, ...]] | None:
        """Rows of a statement; None while the database does not answer."""
        try:
            if self._connection is None:
                self._connection = psycopg.connect(
                    self.config.postgres_dsn(self.site),
                    autocommit=True,
                    connect_timeout=5,
                    application_name=f"GoldenGate {self.name}",
                )
            return self._connection.execute(statement.encode()).fetchall()
        except psycopg.OperationalError:
            self._connection = None
            return None

    def _has_log_group(self, table: str) -> bool:
        names = {table, f"{table.partition('.')[0]}.*"}
        age = time.monotonic() - self._log_groups_read
        if age > LOG_GROUP_SECONDS or (not names & self._log_groups and age > 0.3):
            rows = self._query("SELECT owner, table_name FROM sys.lab_log_groups")
            if rows is not None:
                self._log_groups = {f"{owner}.{name}" for owner, name in rows}
                self._log_groups_read = time.monotonic()
            elif not self._log_groups_read:
                raise Abend("OGG-00664", _NO_LISTENER)
        return bool(names & self._log_groups)

    def _takes_truncate(self, table: str) -> bool:
        return self.parameters.has("GETTRUNCATES") or self.parameters.includes_ddl(table)

    def _takes_table(self, table: str) -> bool:
        if table not in self._decided:
            self._decided[table] = self.parameters.includes_table(table)
        return self._decided[table]

    @property
    def _pdb(self) -> str | None:
        """First part of all names of an Extract that has logged in to the root."""
        return self.config.sites[self.site].pdb if self.container == lab.ROOT else None

    # -- sequences -------------------------------------------------------------------------------

    def _poll_sequences(self) -> None:
        """Read the sequences; changes wait until the redo has been read up to the same moment."""
        if not self.parameters.sequences or self._pending is not None:
            return
        flush = list(self._flush)
        # FLUSH SEQUENCE writes as GoldenGate's user.
        hidden = self.home.schema.upper() in self.parameters.excluded_users
        if not flush and time.monotonic() - self._sequences_read < SEQUENCE_SECONDS:
            return
        self._sequences_read = time.monotonic()
        rows = self._query(
            "SELECT upper(schemaname || '.' || sequencename), coalesce(last_value, start_value),"
            " last_value IS NOT NULL, (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint - 1"
            " FROM pg_sequences WHERE schemaname !~ '^(pg_|sys$)'"
        )
        if rows is None:
            return
        known: dict[str, list[Any]] = dict(self.checkpoint.get("sequences") or {})
        first = "sequences" not in self.checkpoint
        ops = []
        for name, value, called, _ in rows:
            full = f"{self._pdb}.{name}" if self._pdb else name
            if not self.parameters.includes_sequence(full):
                continue
            changed = known.get(name) != [value, called] and not first
            if changed or (not hidden and any(matches(p, name) for p in flush)):
                ops.append({"op": "SEQ", "table": full, "value": value, "called": called})
            known[name] = [value, called]
        if ops:
            self._pending = (max(int(r[3]) for r in rows), ops, known)
        else:
            self.checkpoint["sequences"] = known
            self.flushed += bool(flush)
        self._flush = self._flush[len(flush) :]

    def _write_sequences(self, position: int) -> None:
        if self._pending is None or position < self._pending[0]:
            return
        assert self.writer is not None
        _, ops, known = self._pending
        moment = time.time()
        record = {"csn": position, "ts": _iso(moment), "xid": None, "ops": ops}
        self.writer.append_transaction(record)
        self.writer.flush()
        _count(self, record)
        self._pending = None
        self.flushed += 1
        self.save_checkpoint(sequences=known, write=list(self.writer.position), csn=position)

    # -- work ------------------------------------------------------------------------------------

    def work(self) -> None:
        assert self.writer is not None
        tags, users = self.parameters.excluded_tags, self.parameters.excluded_users
        # The position of the last record, not of the last read: the store finds its place by it.
        last_read = int(self.checkpoint["csn"])
        while not self.stopping.is_set():
            position = redo.position(self.config, self.site)
            self._poll_sequences()
            after = int(self.checkpoint["csn"])
            batch: Iterator[Any] = islice(redo.read(self.config, self.site, last_read), BATCH)
            taken, ts = 0, None
            for record in batch:
                taken += 1
                after = last_read = record["csn"]
                ts = record["ts"]
                chosen = select(
                    record,
                    begin=self.begin,
                    excluded_tags=tags,
                    excluded_users=users,
                    takes_table=self._takes_table,
                    takes_ddl=self.parameters.includes_ddl,
                    has_log_group=self._has_log_group,
                    takes_truncate=self._takes_truncate,
                    pdb=self._pdb,
                )
                if chosen is not None:
                    self.writer.append_transaction(chosen)
                    _count(self, chosen)
            self.writer.flush()
            self.at_end = taken < BATCH
            if taken:
                self.checkpoint["ts"] = ts
            # The records have everything up to a position that was read before them.
            if self.at_end:
                after = max(after, position)
                self._write_sequences(after)
            self.save_checkpoint(
                force=taken > 0,
                csn=after,
                write=list(self.writer.position),
                lag=self.lag_of(ts) if taken else 0.0,
                record_lag=self.lag_of(ts) if taken else self.checkpoint.get("record_lag", 0.0),
                read_ts=ts if taken else _iso(time.time()),
            )
            if self.at_end:
                self.stopping.wait(IDLE_SECONDS)

    def close(self) -> None:
        if self.writer:
            self.writer.close()

    def other_command(self, request: dict[str, Any]) -> dict[str, Any]:
        if request.get("command") == "flush":
            if not self.parameters.sequences:
                return {"ok": False}
            self._flush.append(str(request["pattern"]).upper())
            before, deadline = self.flushed, time.monotonic() + 8
            while self.flushed == before and time.monotonic() < deadline and not self.stopping.is_set():
                time.sleep(0.05)
            return {"ok": self.flushed > before}
        return super().other_command(request)


class Pump(GroupProcess):
    """Ships the local trail to the manager of another site."""

    def __init__(self, config: lab.LabConfig, site: str, kind: GroupKind, name: str) -> None:
        super().__init__(config, site, kind, name)
        self._socket: socket.socket | None = None
        self._stream: Any = None
        self._reader: trail.Reader | None = None
        self._spoken = 0.0
        #: Read and kept back.
        self._kept: list[tuple[dict[str, Any], trail.Position]] = []
        self._batch_bytes = BATCH_BYTES[1]

    def prepare(self) -> None:
        if self.parameters.remote is None:
            raise Abend("OGG-00664", "RMTHOST is missing in the parameter file.")
        self._trail = assigned_trail(self)
        source = self.home.trail_path(self.definition["source"])
        start = self.checkpoint.get("read") or self.definition.get("start")
        self._reader = trail.Reader(
            source,
            trail.Position(*start) if start else None,
            self.checkpoint.get("incarnation"),
            words.release(self.home.wording),
        )
        self.save_checkpoint()

    def _connect(self) -> None:
        assert self.parameters.remote is not None
        assert self._reader is not None
        host, port = self.parameters.remote
        self._socket = socket.create_connection((host, port), timeout=LINK_TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = self._socket.makefile("rb")
        megabytes = self.definition["trails"][self._trail]["megabytes"]
        hello = {
            "collector": self._trail,
            "group": self.name,
            "incarnation": self.definition["id"],
            "limit": megabytes << 20,
            "format": self._format(),
        }
        self._socket.sendall(json.dumps(hello).encode() + b"\n")
        reply = self._answer()
        source = reply.get("source")
        if source is None and self.checkpoint.get("sent"):
            raise Abend(
                "OGG-01033",
                "There is a problem in network communication, a remote file problem, encryption keys for "
                "target and source do not match. Reply received is Unable to open file "
                f'"{self._trail}" (error 2, No such file or directory).',
            )
        if source is not None:
            # The remote trail decides: a lost acknowledgement must not double a record.
            self._reader.close()
            self._reader.position = trail.Position(*source)
        self.message(
            "INFO",
            "OGG-01226",
            f"Socket buffer size set to 87380 (flush size 27985), endpoint: {host}:{port}.",
        )

    def _format(self) -> str:
        """Format of the remote trail: a pump of 11.2 chooses it, later ones keep that of the local trail."""
        assert self._reader is not None
        if self.home.wording == "11.2":
            return self.parameters.trail_format or words.release(self.home.wording)
        return self._reader.format

    def _send(self, data: bytes) -> None:
        """Send all, without a time limit, as long as data arrive."""
        assert self._socket is not None
        view = memoryview(data)
        while view:
            view = view[self._socket.send(view) :]

    def _answer(self) -> dict[str, Any]:
        reply = {"alive": True}
        # The collector reports itself as long as it receives data.
        while reply.get("alive"):
            line = self._stream.readline()
            if not line.endswith(b"\n"):
                raise ConnectionResetError(104, "Connection reset by peer")
            reply = json.loads(line)
        if not reply.get("ok"):
            raise Abend(
                "OGG-01031",
                f"There is a problem in network communication. Reply received is {reply.get('error')}.",
            )
        self._spoken = time.monotonic()
        return reply

    def _filtered(self, record: dict[str, Any]) -> dict[str, Any]:
        ops = []
        for op in record["ops"]:
            if op["op"] == "DDL":
                # PASSTHRU: DDL is sent unchanged.
                ops.append(op)
            elif op["op"] == "SEQ":
                if self.parameters.includes_sequence(op["table"]):
                    ops.append(op)
            elif self.parameters.includes_table(op["table"]):
                ops.append(op)
        return {**record, "ops": ops}

    def _ship(self, batch: list[tuple[dict[str, Any], trail.Position]]) -> None:
        lines = []
        records = []
        for record, position in batch:
            chosen = self._filtered(record)
            # Begin and end of a transaction are sent even without their rows.
            if chosen["ops"] or not (trail.begins(record) and trail.ends(record)):
                lines.append(trail.encode({**chosen, "src": list(position)}))
                records.append(chosen)
        begun = time.monotonic()
        self._send(b"".join(lines) + b'{"flush":%d}\n' % len(lines))
        reply = self._answer()
        if lines:
            self._fit_batches(time.monotonic() - begun)
        for chosen in records:
            _count(self, chosen)
        if batch:
            last = batch[-1][0]
            assert self._reader is not None
            self.save_checkpoint(
                read=list(batch[-1][1]),
                file=self._reader.path.name,
                incarnation=self._reader.incarnation,
                write=reply["position"],
                sent=bool(self.checkpoint.get("sent") or lines),
                csn=last["csn"],
                ts=last["ts"],
                lag=self.lag_of(last["ts"]),
                record_lag=self.lag_of(last["ts"]),
            )

    def _fit_batches(self, seconds: float) -> None:
        """Make the next batch smaller or larger, by the time of this one."""
        least, most = BATCH_BYTES
        if seconds > BATCH_SECONDS[1]:
            self._batch_bytes = max(least, self._batch_bytes // 2)
        elif seconds < BATCH_SECONDS[0]:
            self._batch_bytes = min(most, self._batch_bytes * 2)

    def work(self) -> None:
        assert self._reader is not None
        failures = 0
        while not self.stopping.is_set():
            try:
                if self._socket is None:
                    if not self._reader.ready():
                        self.at_end = True
                        self.stopping.wait(IDLE_SECONDS)
                        continue
                    self._connect()
                    failures = 0
                batch = list(self._reader.read(BATCH, self._batch_bytes))
                self.at_end = self._reader.at_end
                if self._kept or (batch and self._is_cut_off()):
                    batch = self._up_to_the_middle(self._kept + batch)
                if batch:
                    self._ship(batch)
                    self._tear()
                    continue
                if time.monotonic() - self._spoken > HEARTBEAT_SECONDS:
                    self._ship([])
                self.save_checkpoint(force=False, lag=0.0)
                self.stopping.wait(IDLE_SECONDS)
            except trail.TrailError as error:
                raise Abend("OGG-01028", str(error)) from None
            except OSError as error:
                self._disconnect()
                self.at_end = False
                if failures % 10 == 0:
                    host, port = self.parameters.remote or ("", 0)
                    reason = f"{error.errno or 110} ({error.strerror or 'Connection timed out'})"
                    self.message("WARNING", "OGG-01224", f"TCP/IP error {reason}, endpoint: {host}:{port}.")
                failures += 1
                # Read again from the position that is known to have arrived.
                start = self.checkpoint.get("read") or self.definition.get("start")
                self._reader.close()
                self._reader.position = trail.Position(*(start or (0, 0)))
                self.stopping.wait(min(2.0, 0.25 * failures))

    def _disconnect(self) -> None:
        hang_up(self._socket)
        self._socket = None
        self._kept = []

    # -- the end of a site that is lost while the pump sends ------------------------------------------

    def _is_cut_off(self, *faults: str) -> bool:
        names = faults or ("partial_transaction", "partial_record")
        return any(lab.fault(self.config, f"{self.site}.goldengate.{name}") for name in names)

    def _up_to_the_middle(self, batch: list[Any]) -> list[Any]:
        """The part of a batch to send now: up to the middle of its last transaction with several records.

        The rest is kept until a later transaction has several records too. So the remote trail always ends in a
        transaction.
        """
        self._kept = []
        if not self._is_cut_off():
            return batch
        several = [
            number for number, (record, _) in enumerate(batch) if trail.begins(record) and not trail.ends(record)
        ]
        end = 0
        if several:
            length = next(
                (n for n, (record, _) in enumerate(batch[several[-1] :], 1) if trail.ends(record)),
                len(batch) - several[-1] + 1,
            )
            end = several[-1] + max(1, length // 2)
        self._kept = batch[end:]
        return batch[:end]

    def _tear(self) -> None:
        """Send the beginning of the record that comes next."""
        if self._kept and self._is_cut_off("partial_record"):
            record, position = self._kept[0]
            line = trail.encode({**self._filtered(record), "src": list(position)})
            self._send(json.dumps({"torn": line[: len(line) // 2].decode("utf-8", "ignore")}).encode() + b"\n")

    def close(self) -> None:
        self._disconnect()


def assigned_trail(process: GroupProcess) -> str:
    """Name of the trail that the parameter file names and ADD EXTTRAIL has assigned.

    :raises Abend: the two differ (OGG-01044).
    """
    name = process.parameters.trail
    if name is None or name not in process.definition.get("trails", {}):
        raise Abend(
            "OGG-01044",
            f"The trail '{name}' is not assigned to extract '{process.name}'. Assign the trail to the extract with "
            f'the command "ADD EXTTRAIL/RMTTRAIL {name}, EXTRACT {process.name}".',
        )
    return name


def open_trail(process: GroupProcess) -> trail.Writer:
    """Writer of an Extract's trail.

    :raises Abend: it is not assigned (OGG-01044).
    """
    name = assigned_trail(process)
    return trail.Writer(
        Path(process.home.trail_path(name)),
        process.definition["id"],
        process.definition["trails"][name]["megabytes"] << 20,
        process.home.digits,
        process.parameters.trail_format or words.release(process.home.wording),
    )


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def main() -> None:
    """Run the Extract or pump named on the command line."""
    config = lab.load()
    site = os.environ[lab.HOST_VARIABLE].partition("/")[0]
    definition = Home(config, site).group("extract", sys.argv[1]).definition
    run_group("extract", Pump if definition.get("source") else Extract)


if __name__ == "__main__":
    main()
