"""Import: a dump file set into the site's database."""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any

import psycopg
from psycopg import sql

from infomart_lab.datapump import dumpset, metadata, wording
from infomart_lab.datapump.dumpset import DumpError, DumpSet, Extent
from infomart_lab.datapump.metadata import SchemaObject, Selection, TableData
from infomart_lab.datapump.worker import Fatal, Worker

#: Seconds to wait for a table that others hold, before ORA-00054.
LOCK_SECONDS = 10
_DUPLICATE = (
    psycopg.errors.DuplicateTable,
    psycopg.errors.DuplicateObject,
    psycopg.errors.DuplicateFunction,
    psycopg.errors.DuplicateSchema,
    psycopg.errors.DuplicateAlias,
    psycopg.errors.UniqueViolation,
)


def act(worker: Worker) -> None:
    """Run an import, or resume one."""
    job, control, parameters = worker.job, worker.control, worker.parameters
    again = "STARTED" in job.marks(control, "IMPORT")
    worker.check_filters()
    worker.refuse_parallel()
    worker.open_log(again=again)
    try:
        files = dumpset.find([worker.located(name) for name in parameters.dumpfile])
        dumps = DumpSet(files)
        catalogue = dumps.catalogue()
    except DumpError as error:
        raise Fatal(_refused(error), defining=True) from None
    worker.files = lambda: [(str(path), path.stat().st_size) for path in files]
    _refuse_newer(worker, catalogue["database"], str(files[0]))
    for schema in parameters.schemas:
        if schema.lower() not in catalogue["schemas"]:
            lines = ["ORA-39002: invalid operation", f"ORA-39165: Schema {schema} was not found."]
            raise Fatal(lines, defining=True)
    if not again:
        worker.header()
        worker.say(f"Master table {wording.qualified(job.owner, job.name)} successfully loaded/unloaded")
    words = wording.restarting if again else wording.starting
    worker.say(words(job.owner, job.name, worker.definition.command))
    job.mark(control, "IMPORT", "STARTED", "DONE")
    _Import(worker, dumps, catalogue).run()


def _refuse_newer(worker: Worker, source: dict[str, Any], path: str) -> None:
    """Refuse a dump set of a higher COMPATIBLE or a newer time zone file.

    :raises Fatal: ORA-39142, ORA-39405.
    """
    numbers = [
        tuple((*map(int, text.split(".")), 0, 0, 0, 0)[:5])
        for text in (source["compatible"], worker.setting("compatible"))
    ]
    if numbers[0] > numbers[1]:
        raise Fatal(wording.newer_version(path, source["compatible"]), defining=True)
    here = int(worker.setting("timezone_version"))
    if source["timezone"] > here:
        raise Fatal(wording.newer_time_zones(source["timezone"], here), defining=True)


def _refused(error: DumpError) -> list[str]:
    return {
        "missing": lambda: wording.dump_missing(error.path),
        "foreign": lambda: wording.dump_foreign(error.path),
        "incomplete": lambda: wording.dump_incomplete(error.path),
        "other-set": lambda: wording.dump_of_other_set(error.path, error.other),
    }.get(error.kind, lambda: wording.dump_invalid(error.path))()


def causes_of(error: psycopg.Error, schema: str, name: str) -> list[str]:
    """PostgreSQL's error in Oracle's words."""
    detail = (error.diag.message_primary or str(error)).strip()
    if isinstance(error, psycopg.errors.UniqueViolation):
        return [f"ORA-00001: unique constraint ({schema}.{(error.diag.constraint_name or '?').upper()}) violated"]
    if isinstance(error, psycopg.errors.InvalidSchemaName):
        return [f"ORA-01918: user '{schema}' does not exist"]
    if isinstance(error, psycopg.errors.UndefinedObject) and (role := re.match(r'role "([^"]+)"', detail)):
        return [f"ORA-01917: user or role '{role[1].upper()}' does not exist"]
    if isinstance(error, psycopg.errors.UndefinedTable):
        return ["ORA-00942: table or view does not exist"]
    if isinstance(error, psycopg.errors.UndefinedColumn):
        return ["ORA-00904: invalid identifier", f"({detail})"]
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return ["ORA-00054: resource busy and acquire with NOWAIT specified or timeout expired"]
    if isinstance(error, psycopg.errors.DiskFull):
        return [f"ORA-01653: unable to extend table {schema}.{name} by 8192 in tablespace {schema}"]
    if isinstance(error, psycopg.errors.ForeignKeyViolation):
        return [f"ORA-02298: cannot validate ({schema}.{name}) - parent keys not found"]
    if isinstance(error, psycopg.errors.InvalidTableDefinition):
        return ["ORA-02260: table can have only one primary key"]
    return [f"ORA-00604: error occurred at recursive SQL level 1 ({type(error).__name__}: {detail})"]


class _Import:
    def __init__(self, worker: Worker, dumps: DumpSet, catalogue: dict[str, Any]) -> None:
        self.worker, self.job, self.dumps = worker, worker.job, dumps
        parameters = worker.parameters
        tables = [t if "." in t else f"{worker.job.owner}.{t}" for t in parameters.tables]
        self.selection = Selection(parameters.schemas, tables, parameters.include, parameters.exclude)
        self.mode = "TABLE_EXPORT" if catalogue["mode"] == "TABLE" else "SCHEMA_EXPORT"
        objects = [SchemaObject.model_validate(item) for item in catalogue["objects"]]
        self.objects = [o for o in objects if self.selection.takes(o.type, o.schema_name, o.name, o.table)]
        if parameters.content == "DATA_ONLY":
            self.objects = []
        data = [TableData.model_validate(item) for item in catalogue["tables"]]
        self.parents = {t.name: t.parent for t in data if t.parent}
        self.data = [t for t in data if self.selection.takes("TABLE_DATA", t.schema_name, t.name, t.table)]
        if parameters.content == "METADATA_ONLY":
            self.data = []
        self.extents: dict[str, dict[str, Any]] = catalogue["data"]
        self.statistics = bool(catalogue.get("statistics", True))
        # a table whose data failed at the export is created empty, as the real one is
        self.data = [t for t in self.data if t.key in self.extents]
        self.action = parameters.table_exists_action or ("APPEND" if parameters.content == "DATA_ONLY" else "SKIP")
        self.release = worker.release
        self.profiles: dict[str, str] = catalogue["database"]["profiles"]
        self.tablespace = str(catalogue["database"]["tablespace"])
        self.has_tablespace = self._has("lab_tablespaces", "tablespace_name", self.tablespace)
        self.streams: dict[int, psycopg.Connection[Any]] = {}
        self.origins: dict[int, str] = {}
        #: Tables whose data or dependents are left out: ``all`` or ``dependents``.
        self.left_out: dict[str, str] = {}
        self.done: set[str] = set()
        self.deferred: list[SchemaObject] = []

    def _has(self, table: str, column: str, name: str) -> bool:
        query = sql.SQL("select 1 from sys.{} where {} = %s").format(sql.Identifier(table), sql.Identifier(column))
        return self.worker.control.execute(query, (name,)).fetchone() is not None

    # -- sessions --------------------------------------------------------------------------------

    def session(self, stream: int) -> psycopg.Connection[Any]:
        """A session under a replication origin of its own, so that the redo reader leaves it out."""
        if stream in self.streams:
            return self.streams[stream]
        connection = self.job.connect(application=f"Data Pump DW{stream:02}")
        name = f"datapump_{self.job.owner}_{self.job.name}_{stream}".lower()
        with contextlib.suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
            connection.execute("select pg_replication_origin_create(%s)", (name,))
        deadline = time.monotonic() + 20
        while True:
            try:
                connection.execute("select pg_replication_origin_session_setup(%s)", (name,))
                break
            except psycopg.errors.ObjectInUse:
                # the sessions of a killed process end only when they notice its end
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        connection.execute(f"set lock_timeout = '{LOCK_SECONDS}s'")
        self.streams[stream] = connection
        self.origins[stream] = name
        return connection

    def close(self) -> None:
        for connection in self.streams.values():
            connection.close()
        deadline = time.monotonic() + 5
        for name in self.origins.values():
            while time.monotonic() < deadline:
                try:
                    self.worker.control.execute("select pg_replication_origin_drop(%s)", (name,))
                    break
                except psycopg.errors.UndefinedObject:
                    break
                except psycopg.Error:
                    time.sleep(0.05)

    # -- order -----------------------------------------------------------------------------------

    def run(self) -> None:
        worker = self.worker
        try:
            self._restore()
            by_type: dict[str, list[SchemaObject]] = {}
            for item in self.objects:
                by_type.setdefault(item.type, []).append(item)
            worker.total = len(self.objects) + len(self.data)
            worker.steps = len(self.data) + len(by_type.get("INDEX", [])) or 1
            worker.bytes_total = sum(self.extents[t.key]["bytes"] for t in self.data)
            if not worker.total:
                paths = sorted({item.object_type for item in worker.parameters.include})
                worker.error(wording.nothing_selected(paths))
            for type_, path in metadata.ORDER.items():
                worker.check()
                if type_ == "TABLE_DATA":
                    self._load(path)
                elif type_ == "TABLE_STATISTICS":
                    self._analyze(path)
                elif items := by_type.get(type_):
                    if path:
                        self._processing(path)
                    for item in items:
                        worker.check()
                        self._one(item)
                if type_ == "VIEW":
                    for schema in sorted({o.schema_name for o in self.objects}):
                        self.session(0).execute("call sys.lab_revive(%s)", (schema.upper(),))
                if type_ == "TABLE_ATTACH":
                    for item in self.deferred:
                        self._create(item)
        finally:
            self.close()

    def _restore(self) -> None:
        job, control = self.job, self.worker.control
        for key, (_, detail) in job.marks(control, "OBJECT").items():
            self.done.add(key)
            if isinstance(detail, dict) and (left := detail.get("left_out")):
                self.left_out[detail["table"]] = left
        if "VIEWS" not in job.marks(control, "IMPORT"):
            rows = control.execute(
                "select lower(owner), lower(view_name) from sys.dba_views where lower(owner) = any(%s)",
                ([o.schema_name for o in self.objects],),
            )
            job.mark(control, "IMPORT", "VIEWS", "DONE", [f"{schema}.{name}" for schema, name in rows])
        self.views = set(job.marks(control, "IMPORT")["VIEWS"][1])

    def _processing(self, path: str) -> None:
        self.worker.say(wording.processing(f"{self.mode}/{path}"))

    # -- objects ---------------------------------------------------------------------------------

    def _left_out(self, item: SchemaObject) -> bool:
        if item.table is None:
            return False
        return (self.parents.get(item.table) or item.table) in self.left_out

    def _one(self, item: SchemaObject) -> None:
        worker = self.worker
        if item.key in self.done:
            return
        with worker._lock:
            worker.busy[0] = {
                "schema": item.schema_name.upper(),
                "object": item.name.upper(),
                "type": f"{self.mode}/{metadata.ORDER.get(item.type) or 'TABLE/TABLE'}",
            }
        try:
            if item.type == "TABLE":
                self._table(item)
            elif item.type == "USER":
                self._user(item)
            elif item.type != "TABLE" and item.type in metadata.OF_TABLE and self._left_out(item):
                self.done.add(item.key)
            else:
                if item.type == "INDEX":
                    worker.wait_for_space(
                        f"ORA-01652: unable to extend temp segment by 128 in tablespace {item.schema_name.upper()}",
                        silent=True,
                    )
                self._create(item)
                if item.type == "INDEX":
                    worker.pause()
        finally:
            worker.busy.pop(0, None)
        worker.completed += 1

    def _finish(self, item: SchemaObject, lines: list[str] | None = None, detail: object = None) -> None:
        """Record an object as done; with ``lines``, as failed."""
        self.job.mark(
            self.session(0),
            "OBJECT",
            item.key,
            "ERROR" if lines else "DONE",
            detail,
            errors=1 if lines else 0,
        )
        self.done.add(item.key)
        if lines:
            self.worker.error(lines)

    def _failed(self, item: SchemaObject, causes: list[str]) -> None:
        statement = metadata.oracle_statement(item.sql, item.schema_name)
        lines = wording.creation_failed(
            self.release, item.type, item.schema_name.upper(), item.name.upper(), causes, statement
        )
        self._finish(item, lines)

    def _user(self, item: SchemaObject) -> None:
        session, name = self.session(0), item.schema_name
        role = session.execute("select 1 from pg_roles where rolname = %s", (name,)).fetchone()
        schema = session.execute("select 1 from pg_namespace where nspname = %s", (name,)).fetchone()
        if role and schema:
            self._finish(item, wording.exists("USER", name.upper(), name.upper()))
            return
        profile = self.profiles.get(name, "DEFAULT")
        if not self._has("lab_profiles", "profile", profile):
            self._failed(item, [f"ORA-02380: profile {profile} does not exist"])
            return
        with session.transaction():
            if not role:
                session.execute(sql.SQL("create role {} login").format(sql.Identifier(name)))
            if not schema:
                session.execute(sql.SQL("create schema {0} authorization {0}").format(sql.Identifier(name)))
            self._finish(item)

    def _create(self, item: SchemaObject) -> None:
        session = self.session(0)
        schema, name = item.schema_name.upper(), item.name.upper()
        if item.type in ("INDEX", "CONSTRAINT") and self._named("fail_index", name):
            cause = (
                "ORA-14102: only one LOGGING or NOLOGGING clause may be specified"
                if wording.old(self.release)
                else f"ORA-01652: unable to extend temp segment by 128 in tablespace {schema}"
            )
            self._failed(item, [cause])
            return
        if item.type in ("VIEW", "MATERIALIZED_VIEW") and f"{item.schema_name}.{item.name}" in self.views:
            # a view outlives its table in Oracle, with its old text
            self._finish(item, wording.exists(item.type, schema, name))
            return
        try:
            warned = self._named("compile_warnings", name) and item.type in ("VIEW", "FUNCTION", "PROCEDURE", "TRIGGER")
            with session.transaction():
                self._execute(item)
                if not warned:
                    self.job.mark(session, "OBJECT", item.key, "DONE")
            if warned:
                self._finish(item, wording.compile_warnings(item.type, schema, name))
            self.done.add(item.key)
            if item.type in ("JOB", "PROCOBJ"):
                self._run(item)
        except _DUPLICATE:
            if item.type.endswith("_ATTACH") or item.type == "OBJECT_GRANT":
                self._finish(item)
            else:
                self._finish(item, wording.exists(item.type, schema, name))
        except psycopg.Error as error:
            if session.closed:
                raise
            if item.type in ("FUNCTION", "PROCEDURE") and item not in self.deferred:
                self.deferred.append(item)
            elif item.type == "COMMENT":
                self._finish(item)
            else:
                self._failed(item, causes_of(error, schema, name))

    def _run(self, item: SchemaObject) -> None:
        """A job that arrives enabled and is due runs at once."""
        found = self.worker.control.execute(
            "select job_action from sys.lab_scheduler_jobs where enabled and lower(owner) = %(owner)s"
            " and lower(job_name) = %(name)s union all select what from sys.lab_jobs where not broken"
            " and lower(owner) = %(owner)s and job::text = %(name)s",
            {"owner": item.schema_name, "name": item.name},
        ).fetchone()
        if found and found[0]:
            with contextlib.suppress(psycopg.Error):
                self.worker.control.execute(str(found[0]).encode())

    def _execute(self, item: SchemaObject) -> None:
        session = self.session(0)
        session.execute(item.sql.encode())
        if item.last_value is not None:
            session.execute(
                "select pg_catalog.setval(%s::regclass, %s, %s)",
                (f'"{item.schema_name}"."{item.name}"', item.last_value, item.is_called),
            )

    def _named(self, fault_name: str, name: str) -> bool:
        """The fault names this object."""
        fault = self.worker.fault(fault_name)
        names = fault if isinstance(fault, list) else [fault]
        return name in {str(n).upper().rpartition(".")[2] for n in names if isinstance(n, str)}

    def _table(self, item: SchemaObject) -> None:
        session = self.session(0)
        schema, name = item.schema_name.upper(), item.name.upper()
        parent = self.parents.get(item.name)
        if parent in self.left_out:
            self._finish(item)
            return
        found = session.execute(
            "select 1 from pg_class c join pg_namespace n on n.oid = relnamespace"
            " where nspname = %s and relname = %s and relkind in ('r', 'p')",
            (item.schema_name, item.name),
        ).fetchone()
        if found and self.action != "REPLACE":
            left = "all" if self.action == "SKIP" else "dependents"
            with session.transaction():
                if self.action == "TRUNCATE":
                    session.execute(sql.SQL("truncate {} cascade").format(sql.Identifier(item.schema_name, item.name)))
                self.left_out[item.name] = left
                self._finish(
                    item,
                    wording.table_exists(self.action, schema, name),
                    {"table": item.name, "left_out": left},
                )
            return
        if not self.has_tablespace:
            # TABLE_EXISTS_ACTION=REPLACE has dropped the old one by then.
            if found:
                session.execute(sql.SQL("drop table {} cascade").format(sql.Identifier(item.schema_name, item.name)))
            self._no_table(item, [f"ORA-00959: tablespace '{self.tablespace}' does not exist"])
            return
        try:
            with session.transaction():
                if found:
                    session.execute(
                        "call sys.lab_invalidate(to_regclass(%s))", (f'"{item.schema_name}"."{item.name}"',)
                    )
                    session.execute(
                        sql.SQL("drop table {} cascade").format(sql.Identifier(item.schema_name, item.name))
                    )
                self._execute(item)
                self.job.mark(session, "OBJECT", item.key, "DONE")
            self.done.add(item.key)
        except psycopg.Error as error:
            if session.closed:
                raise
            self._no_table(item, causes_of(error, schema, name))

    def _no_table(self, item: SchemaObject, causes: list[str]) -> None:
        """A table that cannot be created: its rows and what depends on it are left out."""
        self.left_out[item.name] = "all"
        statement = metadata.oracle_statement(item.sql, item.schema_name)
        schema, name = item.schema_name.upper(), item.name.upper()
        lines = wording.creation_failed(self.release, "TABLE", schema, name, causes, statement)
        self._finish(item, lines, {"table": item.name, "left_out": "all"})

    # -- data ------------------------------------------------------------------------------------

    def _load(self, path: str | None) -> None:
        worker = self.worker
        done = self.job.marks(worker.control, "TABLE_DATA")
        waiting = []
        for table in self.data:
            if self.left_out.get(table.table) == "all":
                continue
            if table.key in done:
                worker.completed += 1
                worker.bytes_done += self.extents[table.key]["bytes"]
            else:
                waiting.append(table)
        if self.data and path:
            self._processing(path)
        waiting.sort(key=lambda table: -int(self.extents[table.key]["bytes"]))
        for stream in range(min(worker.parallel, len(waiting))):
            self.session(stream)

        def work(stream: int, table: TableData) -> None:
            if worker.on_other_instance(stream):
                partition = table.name.upper() if table.parent else None
                self.job.mark(self.session(stream), "TABLE_DATA", table.key, "ERROR", errors=1)
                causes = wording.no_folder(str(worker.located(worker.parameters.dumpfile[0])))
                worker.error(wording.data_failed(table.schema_name.upper(), table.table.upper(), partition, causes))
                return
            worker.busy[stream] = {
                "schema": table.schema_name.upper(),
                "object": table.table.upper(),
                "type": f"{self.mode}/TABLE/TABLE_DATA",
            }
            worker.wait_for_space(
                f"ORA-01653: unable to extend table {table.schema_name.upper()}.{table.table.upper()} by 8192"
                f" in tablespace {table.schema_name.upper()}",
                stream,
            )
            self._load_table(self.session(stream), table)
            worker.completed += 1

        worker.in_parallel(waiting, work)

    def _load_table(self, session: psycopg.Connection[Any], table: TableData) -> None:
        worker, job = self.worker, self.job
        detail = self.extents[table.key]
        names = (table.schema_name.upper(), table.table.upper(), table.name.upper() if table.parent else None)
        before = worker.bytes_done
        try:
            with session.transaction():
                statement = sql.SQL("copy {} ({}) from stdin").format(
                    sql.Identifier(table.schema_name, table.name),
                    sql.SQL(", ").join(map(sql.Identifier, table.columns)),
                )
                with session.cursor() as cursor:
                    with cursor.copy(statement) as copy:
                        for block in self.dumps.read([Extent.model_validate(e) for e in detail["extents"]]):
                            copy.write(block)
                            worker.bytes_done += len(block)
                            worker.check(orderly=False)
                    rows = cursor.rowcount
                worker.pause()
                job.mark(session, "TABLE_DATA", table.key, "DONE", {"rows": rows})
        except DumpError as error:
            causes = [
                "ORA-02354: error in exporting/importing data",
                "ORA-39776: fatal Direct Path API error loading table " + ".".join(f'"{n}"' for n in names[:2]),
                f'ORA-31619: invalid dump file "{error.path}"',
            ]
        except psycopg.Error as error:
            if session.closed:
                raise
            causes = ["ORA-02354: error in exporting/importing data", *causes_of(error, names[0], names[1])]
        else:
            line = wording.moved("imported", *names, int(detail["bytes"]), rows)
            worker.say(f"W-1 {line}" if worker.parameters.metrics else line)
            return
        worker.bytes_done = before
        job.mark(session, "TABLE_DATA", table.key, "ERROR", errors=1)
        worker.error(wording.data_failed(*names, causes))

    def _analyze(self, path: str | None) -> None:
        tables = [
            o
            for o in self.objects
            if o.type == "TABLE"
            and not self._left_out(o)
            and self.selection.takes("TABLE_STATISTICS", o.schema_name, o.name, o.table)
        ]
        if not tables or self.worker.parameters.include:
            return
        if path and self.statistics:
            self._processing(path)
        # Also without statistics in the dump set: PostgreSQL does not sample at the first query, as Oracle does.
        session = self.session(0)
        for table in tables:
            self.worker.check()
            with contextlib.suppress(psycopg.errors.UndefinedTable, psycopg.errors.LockNotAvailable):
                session.execute(sql.SQL("analyze {}").format(sql.Identifier(table.schema_name, table.name)))
