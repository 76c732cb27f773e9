"""The worker of a job: what export and import have in common."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from infomart_lab import config as lab_config
from infomart_lab import life
from infomart_lab.config import LabConfig
from infomart_lab.datapump import jobs, metadata, wording
from infomart_lab.datapump.jobs import Definition, Job
from infomart_lab.datapump.parameters import ParameterError


class Stopped(Exception):
    """The job must stop: STOP_JOB or KILL_JOB."""


class Fatal(Exception):
    """The job ends with exit code 1.

    :param lines: messages.
    :param defining: the job had not started: no line about its end.
    """

    def __init__(self, lines: list[str], *, defining: bool = False) -> None:
        self.lines, self.defining = lines, defining
        super().__init__("; ".join(lines))


class Worker:
    """Log, messages, commands of the clients, progress and faults of one job."""

    def __init__(self, config: LabConfig, site: str, definition: Definition) -> None:
        self.config, self.site, self.definition = config, site, definition
        self.parameters = definition.parameters
        self.release = config.sites[site].data_pump
        self.program = "expdp" if self.parameters.operation == "EXPORT" else "impdp"
        self.job = Job(config, site, definition.database, definition.owner, definition.name)
        self.control = self.job.connect(application="Data Pump control")
        self.stop = threading.Event()
        #: ``stop``, ``stop-now`` or ``kill``, once a client has said so.
        self.order: str | None = None
        self.parallel = self.parameters.parallel
        self.errors = 0
        self.bytes_done = 0
        self.bytes_total = 0
        self.steps = 1
        self.completed = 0
        self.total = 0
        self.state = "EXECUTING"
        self.files: Callable[[], list[tuple[str, int]]] = list
        self.busy: dict[int, dict[str, str]] = {}
        self._log: Any = None
        self._lock = threading.RLock()
        self._begun = time.time()

    # -- words -----------------------------------------------------------------------------------

    def say(self, *lines: str, log_only: bool = False) -> None:
        """Write lines into the log file and to the clients."""
        lines = tuple(part for line in lines for part in (line.splitlines() or [""]))
        with self._lock:
            stamp = ""
            if self.parameters.logtime in ("ALL", "LOGFILE", "STATUS"):
                now = datetime.now()
                stamp = f"{now:%d-%b-%y %H:%M:%S}.{now.microsecond // 1000:03}: ".upper()
            if self._log is not None:
                plain = self.parameters.logtime == "STATUS"
                for line in lines:
                    self._log.write(f"{'' if plain or log_only else stamp}{line}\n")
                self._log.flush()
            if not log_only:
                plain = self.parameters.logtime == "LOGFILE"
                with self.definition.messages.open("a") as file:
                    file.write("".join(f" {'' if plain else stamp}{line}\n" for line in lines))

    def error(self, lines: list[str]) -> None:
        with self._lock:
            self.errors += 1
        self.say(*lines)

    def end(self, code: int) -> None:
        with self.definition.messages.open("a") as file:
            file.write(f"={code}\n")

    def directory(self, name: str | None) -> Path:
        """Folder behind a directory object.

        :raises Fatal: ORA-39087.
        """
        name = name or "DATA_PUMP_DIR"
        row = self.control.execute(
            "select directory_path from sys.lab_directories where upper(directory_name) = %s", (name.upper(),)
        ).fetchone()
        if row is None:
            raise Fatal(wording.directory_unknown(name), defining=True)
        return Path(row[0])

    def located(self, name: str) -> Path:
        """Path of a file given as ``name`` or ``DIRECTORY:name``."""
        directory, colon, rest = name.rpartition(":")
        if Path(rest).name != rest or rest in ("", ".", ".."):
            raise Fatal(
                [
                    "ORA-39001: invalid argument value",
                    "ORA-39000: bad dump file specification",
                    "ORA-39088: file name cannot contain a path specification",
                ],
                defining=True,
            )
        return self.directory(directory if colon else self.parameters.directory) / rest

    def open_log(self, *, again: bool) -> None:
        """Open the log file; an older one is replaced unless the job is resumed.

        :raises Fatal: ORA-39070.
        """
        if self.parameters.nologfile:
            return
        path = self.located(self.parameters.logfile or f"{self.parameters.operation.lower()}.log")
        try:
            self._log = path.open("a" if again else "w")
        except OSError:
            raise Fatal(wording.log_not_writable(), defining=True) from None

    def header(self) -> None:
        """First lines of the log file; the client has printed its own."""
        title = self.parameters.operation.capitalize()
        banner = wording.banner(title, self.release, datetime.now())[1:]
        self.say(";;; ", *banner, ";;; ", *wording.connected(self.release)[1:], log_only=True)
        self.say(*wording.parfile_values(self.release, self.definition.parfile), log_only=True)

    # -- the database --------------------------------------------------------------------------------

    def setting(self, name: str) -> str:
        """A setting of the site's database."""
        row = self.control.execute("select value from sys.lab_parameters where name = %s", (name,)).fetchone()
        assert row is not None, name
        return str(row[0])

    def check_filters(self) -> None:
        """The filters name object paths.

        :raises Fatal: ORA-39041.
        """
        try:
            metadata.check_filters(self.parameters.include, "INCLUDE")
            metadata.check_filters(self.parameters.exclude, "EXCLUDE")
        except ParameterError as error:
            raise Fatal(error.lines, defining=True) from None

    def refuse_parallel(self) -> None:
        """A Standard Edition has one worker.

        :raises Fatal: ORA-39094.
        """
        if self.parallel > 1 and self.setting("edition").startswith("Standard"):
            raise Fatal(wording.no_parallel(), defining=True)

    # -- faults and commands -----------------------------------------------------------------------

    def fault(self, name: str) -> object | None:
        return lab_config.fault(self.config, f"{self.site}.{self.program}.{name}")

    def check(self, *, orderly: bool = True) -> None:
        """Stop here when a client has asked for it.

        :param orderly: also for STOP_JOB without IMMEDIATE, which lets tables finish.
        :raises Stopped: on STOP_JOB or KILL_JOB.
        """
        if self.order and (orderly or self.order != "stop"):
            raise Stopped

    def pause(self) -> None:
        """Take this step's share of the time that the fault ``slow`` adds to the job."""
        begun = time.monotonic()
        while isinstance(slow := self.fault("slow"), int | float):
            left = slow / max(1, self.steps) - (time.monotonic() - begun)
            if left <= 0:
                break
            # checked repeatedly, so that the fault can be switched off
            self.stop.wait(min(left, 0.25))
            self.check(orderly=False)

    def on_other_instance(self, stream: int) -> bool:
        """The worker of a stream runs on another instance of a cluster, which does not have the folder."""
        return bool(self.fault("other_instance")) and self.parameters.cluster and stream > 0

    def wait_for_space(self, what: str, stream: int = 0, *, silent: bool = False) -> None:
        """Wait while the fault ``disk_full`` is on: a resumable wait without limit.

        Nothing is printed at its end: a client sees no difference to a large table.

        :param silent: print nothing at all, as for an index.
        """
        said, began = 0.0, 0.0
        try:
            while (full := self.fault("disk_full")) and (silent or full != "indexes"):
                if not began:
                    began = time.monotonic()
                    self._suspend(stream, what)
                if not silent and (not said or time.monotonic() - said > 30):
                    said = time.monotonic()
                    self.say(*wording.resumable_wait(self.release, what, datetime.now()))
                self.stop.wait(0.3)
                self.check(orderly=False)
        finally:
            if began:
                self._suspend(stream, None)

    def _suspend(self, stream: int, what: str | None) -> None:
        """The session of a worker in DBA_RESUMABLE: suspended with a message, or going on."""
        name = f"{self.definition.owner}.{self.definition.name}.{stream + 1}"
        with self._lock, self.job.connect(application="Data Pump resumable") as connection:
            connection.execute(
                "insert into sys.lab_resumable as r (name, user_name, status, suspend_time, error_msg)"
                " values (%(name)s, %(user)s, %(status)s, now(), %(what)s) on conflict (name) do update set"
                " status = excluded.status, error_msg = excluded.error_msg,"
                " suspend_time = case when excluded.error_msg is null then null else now() end,"
                " resume_time = case when excluded.error_msg is null then now() else r.resume_time end",
                {
                    "name": name,
                    "user": self.definition.owner,
                    "status": "SUSPENDED" if what else "NORMAL",
                    "what": what,
                },
            )

    def _serve(self, connection: psycopg.Connection[Any], done: threading.Event) -> None:
        """Obey the clients' commands; keep the dictionary and STATUS up to date."""
        attached = -1
        with connection:
            while not done.wait(0.25):
                with contextlib.suppress(psycopg.Error, OSError):
                    for command, value in jobs.take_commands(self.definition):
                        self._obey(connection, command, value)
                    clients = sum(
                        life.process_exists(int(path.name)) for path in (self.definition.folder / "clients").iterdir()
                    )
                    if clients != attached:
                        attached = clients
                        self.job.update(
                            connection, attached_sessions=attached, datapump_sessions=attached + 1 + self.parallel
                        )
                    self.publish()

    def _obey(self, connection: psycopg.Connection[Any], command: str, value: int | None) -> None:
        if command == "parallel" and value:
            self.parallel = value
            self.job.update(connection, degree=value)
            return
        if command in ("stop", "stop-now", "kill"):
            self.order = command
            self.state = "STOP PENDING" if command == "stop" else "STOPPING"
            self.job.update(connection, state=self.state)
            self.stop.set()

    def publish(self) -> None:
        with self._lock:
            workers = [{"state": "EXECUTING", **self.busy[key]} for key in sorted(self.busy)] or [
                {"state": "WORK WAITING"}
            ]
        jobs.write_status(
            self.definition,
            {
                "bytes": self.bytes_done,
                "total_bytes": self.bytes_total,
                "parallel": self.parallel,
                "errors": self.errors,
                "files": self.files(),
                "workers": workers,
                "completed": self.completed,
                "total": self.total,
            },
        )

    # -- streams ---------------------------------------------------------------------------------

    def in_parallel(self, items: list[Any], work: Callable[[int, Any], None], *, most: int | None = None) -> None:
        """Do ``work(stream, item)`` for every item, in as many threads as PARALLEL says at the moment.

        :raises Stopped: a client has asked for it.
        """
        waiting = list(items)
        failures: list[BaseException] = []
        threads: dict[int, threading.Thread] = {}

        def run(stream: int) -> None:
            while not failures and not self.order:
                with self._lock:
                    if not waiting or stream >= max(1, self.parallel):
                        return
                    item = waiting.pop(0)
                try:
                    work(stream, item)
                except BaseException as error:
                    failures.append(error)
                finally:
                    self.busy.pop(stream, None)

        while True:
            threads = {number: thread for number, thread in threads.items() if thread.is_alive()}
            if waiting and not failures and not self.order:
                for number in range(min(self.parallel, most or self.parallel, len(waiting) + len(threads))):
                    if number not in threads:
                        threads[number] = threading.Thread(target=run, args=(number,), daemon=True)
                        threads[number].start()
            elif not threads:
                break
            for thread in list(threads.values())[:1]:
                thread.join(0.1)
        for failure in failures:
            if not isinstance(failure, Stopped):
                raise failure
        self.check()

    # -- run -------------------------------------------------------------------------------------

    def run(self, act: Callable[[Worker], None]) -> int:
        """Run the whole job.

        :param act: export or import.
        :returns: the client's exit code.
        """
        definition = self.definition
        self.job.update(self.control, state="EXECUTING", pid=os.getpid())
        done = threading.Event()
        self.errors = self.job.errors(self.control)
        server = threading.Thread(
            target=self._serve, args=(self.job.connect(application="Data Pump status"), done), daemon=True
        )
        server.start()
        how, code = "completed", 1
        try:
            act(self)
            self.job.update(self.control, state="COMPLETING")
            code = 5 if self.errors else 0
        except Stopped:
            how = "fatal" if self.order == "kill" else "stopped"
        except Fatal as fatal:
            self.say(*fatal.lines)
            how = "defining" if fatal.defining else "fatal"
        done.set()
        server.join()
        if how == "stopped":
            self.job.update(self.control, state="NOT RUNNING", attached_sessions=0, datapump_sessions=0)
        else:
            if self.order == "kill" and definition.parameters.operation == "EXPORT":
                for path, _ in self.files():
                    Path(path).unlink(missing_ok=True)
            self.job.drop(self.control)
            (definition.folder / "ended").touch()
        if how != "defining":
            self.say(
                wording.ended(
                    self.release,
                    definition.owner,
                    definition.name,
                    self.errors,
                    datetime.now(),
                    time.time() - self._begun,
                    how,
                )
            )
        self.end(code)
        if self._log is not None:
            self._log.close()
        return code
