"""Data Pump's output, in the words of release 11.2 and of 12c and later: pure functions.

Shapes: Oracle Database Utilities (Data Pump chapters), Database Error Messages (UDE, UDI, ORA-31600 to ORA-39999).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

_RELEASES = {
    "11.2": (
        "11.2.0.1.0",
        None,
        "1982, 2009",
        "Oracle Database 11g Enterprise Edition Release 11.2.0.1.0 - 64bit Production",
    ),
    "19c": (
        "19.0.0.0.0",
        "19.22.0.0.0",
        "1982, 2024",
        "Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production",
    ),
    "21c": (
        "21.0.0.0.0",
        "21.13.0.0.0",
        "1982, 2024",
        "Oracle Database 21c Enterprise Edition Release 21.0.0.0.0 - Production",
    ),
}


def old(release: str) -> bool:
    """True for the wording before 12c."""
    return release == "11.2"


def version(release: str) -> str:
    """Release number as the banner has it."""
    return _RELEASES[release][0]


def when(moment: datetime) -> str:
    """``Mon Nov 2 10:17:00 2026``; the day is not padded."""
    return f"{moment:%a %b} {moment.day} {moment:%H:%M:%S %Y}"


def banner(program: str, release: str, moment: datetime) -> list[str]:
    """First lines of ``Export`` or ``Import``."""
    number, patched, years, _ = _RELEASES[release]
    lines = ["", f"{program}: Release {number} - Production on {when(moment)}"]
    if patched:
        lines.append(f"Version {patched}")
    return [*lines, "", f"Copyright (c) {years}, Oracle and/or its affiliates.  All rights reserved."]


def connected(release: str) -> list[str]:
    lines = ["", f"Connected to: {_RELEASES[release][3]}"]
    if old(release):
        lines.append("With the Partitioning, OLAP, Data Mining and Real Application Testing options")
    return lines


def parfile_values(release: str, values: Iterable[str]) -> list[str]:
    """The parameter file in the log, from 12c on."""
    values = list(values)
    if old(release) or not values:
        return []
    line = ";;; " + "*" * 74
    return [line, ";;; Parfile values:", *(f";;;  parfile:  {value}" for value in values), line]


def resumable_wait(release: str, what: str, now: datetime) -> list[str]:
    """A worker waits for space.

    :param what: the error, such as ORA-01653.
    """
    head = "ORA-39171: Job is experiencing a resumable wait."
    if old(release):
        return [head, what]
    moment = f"{now:%m/%d/%y %H:%M:%S}"
    return [
        head,
        f"Resumable error: {what}",
        "Resumable stmt: BEGIN \n   SYS.KUPW$WORKER.MAIN('GIM', 'SYSTEM', 0, 0);\n END;",
        "Resumable stmt status: SUSPENDED",
        f"Resumable stmt start: {moment} stmt suspend: {moment}",
    ]


def qualified(schema: str, name: str) -> str:
    return f'"{schema}"."{name}"'


def starting(owner: str, job: str, command: str) -> str:
    return f"Starting {qualified(owner, job)}:  {command} "


def restarting(owner: str, job: str, command: str) -> str:
    return f"Restarting {qualified(owner, job)}:  {command} "


def processing(path: str) -> str:
    return f"Processing object type {path}"


def amount(size: int) -> str:
    """``8.562 KB``, ``12.34 MB``, as Data Pump gives the size of a table's data."""
    for unit, limit in (("KB", 1024**2), ("MB", 1024**3), ("GB", 1024**4)):
        if size < limit:
            value = size / (limit / 1024)
            return "0 KB" if not size else f"{value:.4g} {unit}"
    return f"{size / 1024**4:.4g} TB"


def moved(verb: str, schema: str, table: str, partition: str | None, size: int, rows: int) -> str:
    """``. . exported "GIM"."T"      12.34 MB    5000 rows``."""
    name = qualified(schema, table) + (f':"{partition}"' if partition else "")
    return f". . {verb} {name:<42}{amount(size):>12} {rows:>7} rows"


def ended(
    release: str, owner: str, job: str, errors: int, moment: datetime, elapsed: float, how: str = "completed"
) -> str:
    """The job's last line; ``how`` is ``completed``, ``fatal`` or ``stopped``."""
    words = {
        "completed": f"completed with {errors} error(s)" if errors else "successfully completed",
        "fatal": "stopped due to fatal error",
        "stopped": "stopped by user request",
    }[how]
    if old(release):
        return f"Job {qualified(owner, job)} {words} at {moment:%H:%M:%S}"
    days, rest = divmod(int(elapsed), 86400)
    return f"Job {qualified(owner, job)} {words} at {when(moment)} elapsed {days} {timedelta(seconds=rest)!s:0>8}"


def dump_file_set(owner: str, job: str, paths: Iterable[str]) -> list[str]:
    return ["*" * 78, f"Dump file set for {owner}.{job} is:", *(f"  {path}" for path in paths)]


def creation_failed(release: str, object_type: str, schema: str, name: str, causes: list[str], sql: str) -> list[str]:
    """ORA-39083 with its causes; 11.2 names no object and cuts the statement off."""
    if old(release):
        cut = sql[:120]
        return [
            f"ORA-39083: Object type {object_type} failed to create with error:",
            *causes,
            "Failing sql is:",
            cut,
        ]
    # A grant has no name.
    shown = object_type if object_type.endswith("_GRANT") else f"{object_type}:{qualified(schema, name)}"
    head = f"ORA-39083: Object type {shown} failed to create with error:"
    return [head, *causes, "", "Failing sql is:", sql]


def data_failed(schema: str, table: str, partition: str | None, causes: list[str]) -> list[str]:
    name = qualified(schema, table) + (f':"{partition}"' if partition else "")
    return [
        f"ORA-31693: Table data object {name} failed to load/unload and is being skipped due to error:",
        *causes,
    ]


def no_folder(path: str) -> list[str]:
    """Causes of a worker that runs on a host without the dump set's folder."""
    return [
        f'ORA-31617: unable to open dump file "{path}" for write',
        f'ORA-19505: failed to identify file "{path}"',
        "ORA-27037: unable to obtain file status",
        "Linux-x86_64 Error: 2: No such file or directory",
        "Additional information: 3",
    ]


def compile_warnings(object_type: str, schema: str, name: str) -> list[str]:
    return [f"ORA-39082: Object type {object_type}:{qualified(schema, name)} created with compilation warnings"]


def nothing_selected(paths: Iterable[str]) -> list[str]:
    """Filters that select nothing."""
    return [
        *(f"ORA-39168: Object path {path} was not found." for path in paths),
        "ORA-31655: no data or metadata objects selected for job",
    ]


def snapshot_too_old(release: str) -> list[str]:
    segment = "_SYSSMU8_2806142516$"
    return [
        "ORA-02354: error in exporting/importing data",
        f'ORA-01555: snapshot too old: rollback segment number 8 with name "{segment}" too small',
    ]


def exists(object_type: str, schema: str, name: str) -> list[str]:
    shown = f'"{name}"' if object_type == "USER" else qualified(schema, name)
    return [f"ORA-31684: Object type {object_type}:{shown} already exists"]


def table_exists(action: str, schema: str, table: str) -> list[str]:
    """Messages of TABLE_EXISTS_ACTION other than REPLACE."""
    name = f"Table {qualified(schema, table)} exists"
    return {
        "SKIP": [
            f"ORA-39151: {name}. All dependent metadata and data will be skipped due to table_exists_action of skip"
        ],
        "APPEND": [
            f"ORA-39152: {name}. Data will be appended to existing table but all dependent metadata will be "
            "skipped due to table_exists_action of append"
        ],
        "TRUNCATE": [
            f"ORA-39153: {name} and has been truncated. Data will be loaded but all dependent metadata will be "
            "skipped due to table_exists_action of truncate"
        ],
    }[action]


def status_block(
    job: str,
    operation: str,
    mode: str,
    state: str,
    progress: dict[str, object],
    release: str,
    *,
    export: bool,
) -> list[str]:
    """Output of STATUS. "Percent Done" is missing while no bytes are processed.

    :param progress: ``bytes``, ``total_bytes``, ``parallel``, ``errors``, ``files`` (pairs of path and bytes),
        ``workers`` (each with ``object`` and ``type``), ``completed``, ``total``.
    """

    def number(key: str) -> int:
        value = progress.get(key, 0)
        return value if isinstance(value, int) else 0

    lines = [
        "",
        f"Job: {job}",
        f"  Operation: {operation:<31}",
        f"  Mode: {mode:<31}",
        f"  State: {state:<31}",
        f"  Bytes Processed: {number('bytes'):,}",
    ]
    if number("bytes") and number("total_bytes"):
        lines.append(f"  Percent Done: {min(99, number('bytes') * 100 // number('total_bytes'))}")
    lines += [f"  Current Parallelism: {number('parallel')}", f"  Job Error Count: {number('errors')}"]
    files = progress.get("files")
    for path, size in files if isinstance(files, list) else []:
        lines.append(f"  Dump File: {path}")
        if export:
            lines.append(f"    bytes written: {size:,}")
    workers = progress.get("workers")
    for index, worker in enumerate(workers if isinstance(workers, list) else [], start=1):
        lines += [
            "  ",
            f"Worker {index} Status:",
            f"  Process Name: DW{index - 1:02}",
            f"  State: {worker['state']:<31}",
        ]
        if worker.get("object"):
            lines += [
                f"  Object Schema: {worker['schema']}",
                f"  Object Name: {worker['object']}",
                f"  Object Type: {worker['type']}",
                f"  Completed Objects: {number('completed')}",
                f"  Total Objects: {number('total')}",
                "  Worker Parallelism: 1",
            ]
    return lines


DIRECTORY_UNKNOWN = ["ORA-39002: invalid operation", "ORA-39070: Unable to open the log file."]


def directory_unknown(name: str) -> list[str]:
    return [*DIRECTORY_UNKNOWN, f"ORA-39087: directory name {name} is invalid"]


def log_not_writable() -> list[str]:
    return [
        *DIRECTORY_UNKNOWN,
        "ORA-29283: invalid file operation",
        'ORA-06512: at "SYS.UTL_FILE", line 536',
        "ORA-29283: invalid file operation",
    ]


def dump_exists(path: str) -> list[str]:
    return [
        "ORA-39001: invalid argument value",
        "ORA-39000: bad dump file specification",
        f'ORA-31641: unable to create dump file "{path}"',
        "ORA-27038: created file already exists",
        "Additional information: 1",
    ]


def dump_missing(path: str) -> list[str]:
    return [
        "ORA-39001: invalid argument value",
        "ORA-39000: bad dump file specification",
        f'ORA-31640: unable to open dump file "{path}" for read',
        "ORA-27037: unable to obtain file status",
        "Linux-x86_64 Error: 2: No such file or directory",
        "Additional information: 3",
    ]


def dump_foreign(path: str) -> list[str]:
    return [
        "ORA-39001: invalid argument value",
        "ORA-39000: bad dump file specification",
        f'ORA-39143: dump file "{path}" may be an original export dump file',
    ]


def newer_time_zones(source: int, target: int) -> list[str]:
    return [
        "ORA-39002: invalid operation",
        "ORA-39405: Oracle Data Pump does not support importing from a source database with TSTZ version "
        f"{source} into a target database with TSTZ version {target}.",
    ]


def newer_version(path: str, version: str) -> list[str]:
    """The dump file was written for a higher COMPATIBLE."""
    return [
        "ORA-39001: invalid argument value",
        "ORA-39000: bad dump file specification",
        f'ORA-39142: incompatible version number {version} in dump file "{path}"',
    ]


def no_parallel() -> list[str]:
    return ["ORA-39002: invalid operation", "ORA-39094: Parallel execution not supported in this database edition."]


def dump_invalid(path: str) -> list[str]:
    return [
        "ORA-39001: invalid argument value",
        "ORA-39000: bad dump file specification",
        f'ORA-31619: invalid dump file "{path}"',
    ]


def dump_incomplete(missing: str) -> list[str]:
    return ["ORA-39002: invalid operation", "ORA-39059: dump file set is incomplete", f"ORA-39246: {missing}"]


def dump_of_other_set(path: str, first: str) -> list[str]:
    return [
        "ORA-39002: invalid operation",
        f'ORA-31619: invalid dump file "{path}"',
        f'ORA-39278: dump file is not part of the set of "{first}"',
    ]


def no_worker(program: str, error: str = "ORA-31626: job does not exist") -> list[str]:
    prefix = "UDE" if program == "Export" else "UDI"
    return [
        "",
        f"{prefix}-31626: operation generated ORACLE error 31626",
        error,
        "ORA-39086: cannot retrieve job information",
    ]
