"""Export: definitions and data of schemas or tables into a dump file set."""

from __future__ import annotations

import json
import secrets
import time
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from infomart_lab.datapump import dumpset, metadata, wording
from infomart_lab.datapump.dumpset import DumpError, DumpWriter, Header
from infomart_lab.datapump.metadata import SchemaObject, Selection, TableData
from infomart_lab.datapump.worker import Fatal, Worker
from infomart_lab.oracle import snapshots


class TooOld(Exception):
    """The database no longer holds the data as of the SCN (ORA-01555)."""


class NoSuchScn(Exception):
    """The SCN does not exist (ORA-08181)."""


def snapshot_of(worker: Worker, table: str | None) -> str | None:
    """Identifier of the snapshot for FLASHBACK_SCN; None when the job has none.

    :raises TooOld: it was released, or the fault names this table.
    """
    fault = worker.fault("snapshot_too_old")
    if fault is True or (table and isinstance(fault, str | list) and table.upper() in _names(fault)):
        raise TooOld
    scn = worker.parameters.flashback_scn
    if scn is None:
        return None
    try:
        return str(snapshots.resolve(worker.config, worker.site, scn))
    except snapshots.SnapshotTooOld:
        raise TooOld from None
    except ValueError:
        raise NoSuchScn from None


def _names(value: str | list[object]) -> set[str]:
    return {str(name).upper().rpartition(".")[2] for name in ([value] if isinstance(value, str) else value)}


def act(worker: Worker) -> None:
    """Run an export, or resume one."""
    job, control, parameters = worker.job, worker.control, worker.parameters
    worker.check_filters()
    worker.refuse_parallel()
    known = job.marks(control, "FILE")
    again = "METADATA" in job.marks(control, "EXPORT")
    worker.open_log(again=again)
    header = job.marks(control, "HEADER").get("SET", (None, None))[1]
    header = (
        Header.model_validate(header)
        if header
        else Header(
            set_id=secrets.token_hex(16),
            file=0,
            owner=job.owner,
            job=job.name,
            release=wording.version(worker.release),
            flashback_scn=parameters.flashback_scn,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
    )
    job.mark(control, "HEADER", "SET", "DONE", header.model_dump())
    marks = job.connect(application="Data Pump files")
    try:
        writer = DumpWriter(
            [worker.located(name) for name in parameters.dumpfile],
            header,
            filesize=parameters.filesize,
            reuse=parameters.reuse_dumpfiles,
            on_file=lambda path, number: job.mark(marks, "FILE", f"{number:05}", "DONE", path),
            known=[(detail, int(number)) for number, (_, detail) in known.items()],
        )
        # a file without %U is one stream, however high PARALLEL is
        streams = writer.open_first(worker.parallel)
    except FileNotFoundError as error:
        raise Fatal(wording.dump_missing(str(error.filename))) from None
    except DumpError as error:
        raise Fatal(_refused(error), defining=True) from None
    worker.files = writer.files
    words = wording.restarting if again else wording.starting
    if not again:
        worker.header()
    worker.say(words(job.owner, job.name, worker.definition.command))
    if parameters.encryption and parameters.encryption != "NONE":
        worker.say("ORA-39173: Encrypted data has been stored unencrypted in dump file set.")
    try:
        if again:
            content = job.marks(control, "EXPORT")["METADATA"][1]
            objects = [SchemaObject.model_validate(item) for item in content["objects"]]
            tables = [TableData.model_validate(item) for item in content["tables"]]
        else:
            objects, tables = _define(worker)
            content = {
                "objects": [o.model_dump() for o in objects],
                "tables": [t.model_dump() for t in tables],
                "statistics": not any("STATISTICS" in each.object_type for each in parameters.exclude),
            }
            job.mark(control, "EXPORT", "METADATA", "DONE", content)
        _data(worker, writer, tables, streams if not _expandable(worker) else None)
        worker.check()
        done = job.marks(control, "TABLE_DATA")
        catalogue = {
            **content,
            "database": {
                "compatible": parameters.version or worker.setting("compatible"),
                "timezone": int(worker.setting("timezone_version")),
                "tablespace": worker.setting("schema_tablespace"),
                "profiles": dict(control.execute("select lower(username), profile from sys.lab_users").fetchall()),
            },
            "mode": parameters.mode,
            "schemas": sorted({o.schema_name for o in objects} | {t.schema_name for t in tables}),
            "data": {key: detail for key, (status, detail) in done.items() if status == "DONE"},
        }
        worker.say(f"Master table {wording.qualified(job.owner, job.name)} successfully loaded/unloaded")
        writer.finish(json.dumps(catalogue).encode())
        worker.say(*wording.dump_file_set(job.owner, job.name, [path for path, _ in writer.files()]))
    except DumpError as error:
        raise Fatal(_refused(error)) from None
    finally:
        writer.close()
        marks.close()


def _expandable(worker: Worker) -> bool:
    return any(dumpset.is_template(name) for name in worker.parameters.dumpfile)


def _refused(error: DumpError) -> list[str]:
    if error.kind == "exists":
        return wording.dump_exists(error.path)
    if error.kind == "full":
        return ["ORA-39095: Dump file space has been exhausted: Unable to allocate 8192 bytes"]
    return [
        "ORA-31693: Table data object failed to load/unload and is being skipped due to error:",
        f'ORA-31617: unable to write to dump file "{error.path}"',
        f"ORA-19502: write error on file: {error.other}",
    ]


# -- definitions -----------------------------------------------------------------------------------


def _define(worker: Worker) -> tuple[list[SchemaObject], list[TableData]]:
    """Read the definitions and print their object types."""
    job, parameters = worker.job, worker.parameters
    mode = "TABLE_EXPORT" if parameters.tables else "SCHEMA_EXPORT"
    schemas = parameters.schemas or sorted({t.rpartition(".")[0] for t in parameters.tables} - {""}) or [job.owner]
    default = [t if "." in t else f"{job.owner}.{t}" for t in parameters.tables]
    if parameters.tables and any("." not in table for table in parameters.tables):
        schemas = sorted({*schemas, job.owner})
    selection = Selection(schemas, default, parameters.include, parameters.exclude)
    try:
        snapshot = snapshot_of(worker, None)
    except (TooOld, NoSuchScn):
        snapshot = None
    objects: list[SchemaObject] = []
    tables: list[TableData] = []
    missing = []
    for schema in schemas:
        found = worker.control.execute("select 1 from pg_namespace where nspname = %s", (schema.lower(),)).fetchone()
        if found is None:
            missing.append(schema)
            continue
        objects += _objects(worker, schema.lower(), snapshot)
        objects += metadata.rows_of(worker.control, schema.lower())
        tables += read_tables(worker.control, schema.lower())
    objects = [o for o in objects if selection.takes(o.type, o.schema_name, o.name, o.table)]
    taken = [t for t in tables if selection.takes("TABLE_DATA", t.schema_name, t.name, t.table)]
    if parameters.content == "DATA_ONLY":
        objects = []
    if parameters.content == "METADATA_ONLY":
        taken = []
    # the master table of this and of other jobs is no part of an export
    taken = [t for t in taken if (t.schema_name, t.name) != (job.owner.lower(), job.name.lower())]
    if wording.old(worker.release):
        worker.say("Estimate in progress using BLOCKS method...")
    for schema in missing:
        worker.error([f"ORA-39165: Schema {schema} was not found."])
    if taken:
        worker.say(wording.processing(f"{mode}/TABLE/TABLE_DATA"))
    if wording.old(worker.release):
        worker.say(f"Total estimation using BLOCKS method: {wording.amount(sum(t.bytes for t in taken))}")
    if not objects and not taken:
        worker.error(["ORA-31655: no data or metadata objects selected for job"])
    present = {o.type for o in objects}
    if "TABLE" in present and selection.takes("STATISTICS", schemas[0], "", "") and not parameters.include:
        present |= {"STATISTICS", "TABLE_STATISTICS"}
    for type_, path in metadata.ORDER.items():
        if type_ in present and path:
            worker.say(wording.processing(f"{mode}/{path}"))
            if type_ == "USER" and mode == "SCHEMA_EXPORT":
                for grant in ("SYSTEM_GRANT", "ROLE_GRANT", "DEFAULT_ROLE", "PRE_SCHEMA/PROCACT_SCHEMA"):
                    worker.say(wording.processing(f"{mode}/{grant}"))
    for error in range(worker.errors):
        job.mark(worker.control, "ERROR", f"DEFINE{error}", "ERROR", errors=1)
    return objects, taken


def _objects(worker: Worker, schema: str, snapshot: str | None) -> list[SchemaObject]:
    dsn = worker.config.postgres_dsn(worker.site, worker.definition.database)
    try:
        text = metadata.dump(dsn, schema, snapshot)
    except RuntimeError:
        if snapshot is None:
            raise
        # definitions are not part of a flashback: they are read as they are now
        text = metadata.dump(dsn, schema)
    objects = metadata.parse(text)
    for item in objects:
        if item.type == "SEQUENCE":
            if item.sql.startswith("ALTER TABLE"):
                item.type = "TABLE_ATTACH"
            # a sequence has one value, whatever the SCN: the one at the time of the export
            name = sql.Identifier(item.schema_name, item.name)
            row = worker.control.execute(sql.SQL("select last_value, is_called from {}").format(name)).fetchone()
            if row:
                item.last_value, item.is_called = int(row[0]), bool(row[1])
    return objects


def read_tables(connection: psycopg.Connection[Any], schema: str) -> list[TableData]:
    """Tables of a schema that have rows of their own, the largest first."""
    rows = connection.execute(
        """
        select c.relname, p.relname, pg_relation_size(c.oid),
               (select array_agg(a.attname::text order by a.attnum) from pg_attribute a
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '')
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        left join pg_inherits i on i.inhrelid = c.oid and c.relispartition
        left join pg_class p on p.oid = i.inhparent
        where n.nspname = %s and c.relkind = 'r'
        order by 3 desc, 1
        """,
        (schema,),
    )
    return [
        TableData(schema_name=schema, name=name, parent=parent, bytes=size, columns=columns or [])
        for name, parent, size, columns in rows
    ]


# -- data ------------------------------------------------------------------------------------------


def _data(worker: Worker, writer: DumpWriter, tables: list[TableData], most: int | None) -> None:
    job = worker.job
    done = job.marks(worker.control, "TABLE_DATA")
    worker.bytes_total = sum(table.bytes for table in tables)
    worker.steps = worker.total = len(tables)
    waiting = []
    for table in tables:
        if table.key in done:
            worker.completed += 1
            worker.bytes_done += table.bytes
        else:
            waiting.append(table)

    def work(stream: int, table: TableData) -> None:
        worker.busy[stream] = {
            "schema": table.schema_name.upper(),
            "object": table.table.upper(),
            "type": ("TABLE_EXPORT" if worker.parameters.tables else "SCHEMA_EXPORT") + "/TABLE/TABLE_DATA",
        }
        worker.wait_for_space(
            f"ORA-01653: unable to extend table {job.owner}.{job.name} by 128 in tablespace SYSTEM", stream
        )
        if worker.on_other_instance(stream):
            path = worker.located(worker.parameters.dumpfile[0].replace("%U", "02").replace("%L", "02"))
            job.mark(worker.control, "TABLE_DATA", table.key, "ERROR", errors=1)
            partition = table.name.upper() if table.parent else None
            worker.error(
                wording.data_failed(
                    table.schema_name.upper(), table.table.upper(), partition, wording.no_folder(str(path))
                )
            )
            return
        _export_table(worker, writer, table)
        worker.completed += 1

    worker.in_parallel(waiting, work, most=most)


def _export_table(worker: Worker, writer: DumpWriter, table: TableData) -> None:
    job = worker.job
    begun = time.monotonic()
    partition = table.name.upper() if table.parent else None
    names = (table.schema_name.upper(), table.table.upper(), partition)
    stream = writer.stream()
    with job.connect(application="Data Pump worker") as connection:
        try:
            with connection.transaction():
                connection.execute("set transaction isolation level repeatable read read only")
                if (snapshot := snapshot_of(worker, table.table)) is not None:
                    connection.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)))
                statement = sql.SQL("copy {} ({}) to stdout").format(
                    sql.Identifier(table.schema_name, table.name),
                    sql.SQL(", ").join(map(sql.Identifier, table.columns)),
                )
                with connection.cursor() as cursor:
                    size = 0
                    with cursor.copy(statement) as copy:
                        pieces: list[Any] = []
                        for piece in copy:
                            pieces.append(piece)
                            size += len(piece)
                            if size > 262144:
                                stream.write(b"".join(pieces))
                                worker.bytes_done += size
                                pieces, size = [], 0
                                worker.check(orderly=False)
                        stream.write(b"".join(pieces))
                        worker.bytes_done += size
                    rows = cursor.rowcount
                worker.pause()
            extents = stream.close()
        except TooOld:
            causes = wording.snapshot_too_old(worker.release)
        except (NoSuchScn, psycopg.errors.InvalidParameterValue, psycopg.errors.UndefinedObject) as error:
            known = isinstance(error, psycopg.Error)
            causes = (
                wording.snapshot_too_old(worker.release)
                if known
                else [
                    "ORA-02354: error in exporting/importing data",
                    "ORA-08181: specified number is not a valid system change number",
                ]
            )
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
            causes = [
                "ORA-02354: error in exporting/importing data",
                "ORA-01466: unable to read data - table definition has changed",
            ]
        else:
            detail = {
                "rows": rows,
                "bytes": stream.bytes,
                "extents": [extent.model_dump() for extent in extents],
            }
            job.mark(connection, "TABLE_DATA", table.key, "DONE", detail)
            line = wording.moved("exported", *names, stream.bytes, rows)
            if worker.parameters.metrics:
                line = f"W-1 {line} in {int(time.monotonic() - begun)} seconds using direct_path"
            worker.say(line)
            return
        finally:
            stream.abandon()
        job.mark(connection, "TABLE_DATA", table.key, "ERROR", errors=1)
        worker.error(wording.data_failed(*names, causes))
