"""The judge: the journals of ICON and the seeded interactions against INTERACTION_FACT of one site.

It reads PostgreSQL directly, and never what the product or GoldenGate recorded.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from pydantic import BaseModel, Field

from infomart_lab import icon, schema
from infomart_lab.config import LabConfig
from infomart_lab.postgres import connect

#: Guids shown of each kind.
EXAMPLES = 5
_POLL_SECONDS = 0.5


class AuditError(RuntimeError):
    """The audit cannot be made; the message says why."""


class AuditResult(BaseModel):
    """The calls that were committed in the IDBs, compared with a site's INTERACTION_FACT."""

    site: str
    #: Calls that should be there and are not: journaled at or below the high-water mark, or before a later call
    #: of their data source that is there; or seeded.
    missing: int
    #: Rows beyond the first of a call.
    duplicated: int
    #: Calls that no journal knows.
    extra: int
    #: Journaled calls that extraction has not reached, or that wait for their transformation.
    pending: int
    #: Calls in the journals (the union over the IDBs of each data source).
    calls_written: int
    #: Interactions that the table was seeded with.
    seeded: int
    #: Rows of INTERACTION_FACT.
    in_database: int
    #: CTL_EXTRACT_HWM of each data source, by name.
    high_water_marks: dict[str, int | None] = Field(default_factory=dict)
    #: At most :data:`EXAMPLES` guids of each kind.
    examples: dict[str, list[str]] = Field(default_factory=dict)
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        """Nothing missing, doubled or unknown."""
        return not (self.missing or self.duplicated or self.extra)


def audit(config: LabConfig, site: str, *, wait: float = 0) -> AuditResult:
    """Compare the journals with a site's INTERACTION_FACT.

    Between the transaction of an extraction and that of its transformation, calls may count as missing for a moment.
    With ``wait`` the audit is repeated until nothing is missing or pending.

    :param wait: seconds; after them the last audit counts.
    :raises AuditError: the database does not answer, or has no Info Mart.
    """
    deadline = time.monotonic() + wait
    while True:
        try:
            with connect(config, site, "gim", application_name="lab_audit") as conn:
                result = _audit(conn, config, site)
        except psycopg.Error as error:
            raise AuditError(f"The Info Mart database of {site} cannot be read: {error}") from error
        if (result.missing == 0 and result.pending == 0) or time.monotonic() >= deadline:
            return result
        time.sleep(_POLL_SECONDS)


def _audit(conn: psycopg.Connection[Any], config: LabConfig, site: str) -> AuditResult:
    began = time.monotonic()
    path = sql.SQL("set local search_path to {}, pg_temp").format(sql.Identifier(config.info_mart_schema.lower()))
    with conn.transaction():
        conn.execute("set transaction isolation level repeatable read")
        conn.execute(path)
        conn.execute("set local work_mem = '256MB'")
        made = conn.execute("select to_regclass('interaction_fact') is not null").fetchone()
        if not (made and made[0]):
            raise AuditError(f"{site} has no INTERACTION_FACT: its Info Mart is not filled yet.")
        # This statement takes the snapshot. The journals are read after it: a call that is in the snapshot
        # was journaled before it could be extracted, and one journaled later lies above the snapshot's mark.
        marks: dict[int, int] = dict(
            conn.execute(
                "select data_source_key, max(max_ts) from ctl_extract_hwm where table_name = %s group by 1",
                [schema.CALL_TABLE],
            ).fetchall()
        )
        _load_journals(conn, config)
        total, own, own_distinct = _collect_rows(conn, config.scale)
        _execute(conn, "audit_other.sql", {})
        _collect_untransformed(conn)
        result = AuditResult(
            site=site,
            missing=0,
            duplicated=own - own_distinct,
            extra=0,
            pending=0,
            calls_written=_one(conn, "select count(*) from audit_call"),
            seeded=config.scale,
            in_database=total,
            high_water_marks={s.name: marks.get(s.key) for s in config.data_sources},
        )
        _judge(conn, config.scale, own_distinct, marks, result)
    result.seconds = round(time.monotonic() - began, 3)
    return result


def _one(conn: psycopg.Connection[Any], query: str, binds: Any = None) -> Any:
    row = conn.execute(query, binds).fetchone()
    return row[0] if row else None


def _execute(conn: psycopg.Connection[Any], name: str, binds: dict[str, Any]) -> None:
    text = (Path(__file__).parent / "sql" / name).read_text(encoding="utf-8")
    psycopg.ClientCursor(conn).execute(text, binds)


def _load_journals(conn: psycopg.Connection[Any], config: LabConfig) -> None:
    conn.execute(
        "create temporary table audit_journal (data_source_key int, guid text, created_ts bigint) on commit drop"
    )
    with conn.cursor() as cursor, cursor.copy("copy audit_journal from stdin") as copy:
        for source in config.data_sources:
            for path in _different([icon.journal_path(config, source.name, s) for s in source.idb_sites]):
                for calls in read_journal(path):
                    copy.write(b"".join(b"%d\t%s\n" % (source.key, line.replace(b" ", b"\t")) for line in calls))


def _different(paths: list[Path], *, chunk: int = 1 << 22) -> list[Path]:
    """The journals that the union needs; one that is only the beginning of another adds nothing."""
    by_size = sorted((p for p in paths if p.exists()), key=lambda p: p.stat().st_size)

    def begins(shorter: Path, longer: Path) -> bool:
        with shorter.open("rb") as one, longer.open("rb") as other:
            while data := one.read(chunk):
                if other.read(len(data)) != data:
                    return False
        return True

    return [p for i, p in enumerate(by_size) if not any(begins(p, q) for q in by_size[i + 1 :])]


def read_journal(path: Path, *, chunk: int = 1 << 22) -> Any:
    """Lists of whole lines ``guid created_ts`` of a journal; a last line without its newline is left out."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        rest = b""
        while data := file.read(chunk):
            *lines, rest = (rest + data).split(b"\n")
            yield lines


def _collect_rows(conn: psycopg.Connection[Any], scale: int) -> tuple[int, int, int]:
    """Count all rows and the seeded ones in their own place; the others go into ``audit_other``.

    A seeded interaction carries its number as INTERACTION_ID, so millions of them need no join.
    """
    own = (
        f"(interaction_id between 1 and {scale} and media_server_ixn_guid = {schema.seeded_guid_sql('interaction_id')})"
    )
    # One pass over the table; all seeded rows in their own place are one group, without a guid.
    conn.execute(
        "create temporary table audit_other on commit drop as"
        f" select case when {own} then null else media_server_ixn_guid::text end as guid, count(*) as copies"
        " from interaction_fact group by 1"
    )
    row = conn.execute(
        "select coalesce(sum(copies), 0)::bigint,"
        " coalesce(sum(copies) filter (where guid is null), 0)::bigint from audit_other"
    ).fetchone()
    assert row is not None
    total, found = row
    conn.execute("delete from audit_other where guid is null")
    distinct = found
    if not _one(
        conn,
        "select exists (select from pg_index where indrelid = 'interaction_fact'::regclass and indisprimary)",
    ):
        # Without its key the table may hold the same row twice.
        distinct = _one(conn, f"select count(distinct interaction_id) from interaction_fact where {own}")
    return total, found, distinct


def _collect_untransformed(conn: psycopg.Connection[Any]) -> None:
    """Collect in ``audit_waiting`` the calls of this site's GIDB that are not transformed yet.

    They count as pending. A standby has none: GIDB is not replicated.
    """
    conn.execute("create temporary table audit_waiting (guid text) on commit drop")
    have = _one(
        conn,
        "select to_regclass('gidb_g_call_v') is not null and to_regclass('ctl_transform_history') is not null",
    )
    if have:
        conn.execute(
            """
            insert into audit_waiting
            select distinct g.callid
              from (select s.data_source_key, coalesce(max(h.hwm_value), -1) as done
                      from (select distinct data_source_key from ctl_extract_hwm) as s
                           left join ctl_transform_history as h on h.hwm_name = s.data_source_key::text
                     group by 1) as t
                   join gidb_g_call_v as g on g.data_source_key = t.data_source_key and g.created_ts > t.done
            """
        )


def _judge(
    conn: psycopg.Connection[Any],
    scale: int,
    seeds_in_place: int,
    marks: dict[int, int],
    result: AuditResult,
) -> None:
    """Classify every deviation; a journaled call with exactly one row is none."""
    conn.execute("create temporary table audit_mark (data_source_key int, max_ts bigint) on commit drop")
    with conn.cursor() as cursor:
        cursor.executemany("insert into audit_mark values (%s, %s)", list(marks.items()))
    # Calls are loaded in the order of their seconds. A call before one that is there was skipped, also where a
    # high-water mark stands still because its own change was lost.
    conn.execute(
        "update audit_mark as m set max_ts = greatest(m.max_ts, h.ts - 1)"
        " from (select c.data_source_key, max(c.created_ts) as ts"
        "         from audit_call as c join audit_other as o using (guid) group by 1) as h"
        " where h.data_source_key = m.data_source_key"
    )
    result.duplicated += _one(
        conn, "select coalesce(sum(copies - 1), 0)::bigint from audit_found where journaled and copies > 1"
    )
    for kind, condition in (("missing", "not"), ("pending", "")):
        rows = f"""
            from audit_found as f left join audit_mark as m using (data_source_key)
                 left join audit_waiting as w on w.guid = f.guid
           where f.journaled and f.copies = 0
             and {condition} (f.created_ts > coalesce(m.max_ts, -1) or w.guid is not null)
        """
        setattr(result, kind, _one(conn, f"select count(*) {rows}"))
        result.examples[kind] = _guids(conn, f"select f.guid {rows} order by f.created_ts, f.guid")
    result.examples["duplicated"] = _guids(
        conn, "select guid from audit_found where journaled and copies > 1 order by guid"
    )
    strange = _one(conn, "select count(*) from audit_found where not journaled")
    if strange or seeds_in_place < scale:
        _judge_seeds(conn, scale, seeds_in_place, result)


def _judge_seeds(conn: psycopg.Connection[Any], scale: int, in_place: int, result: AuditResult) -> None:
    """Find seeded calls under another INTERACTION_ID, lost seeded calls, and calls that no journal has."""
    seed = schema.seeded_guid_sql("n")
    conn.execute(
        "create temporary table audit_moved on commit drop as"
        " select s.n, f.guid, f.copies,"
        "        exists (select from interaction_fact as i"
        "                 where i.interaction_id = s.n and i.media_server_ixn_guid = f.guid) as in_place"
        "   from audit_found as f"
        f"        left join (select n, {seed} as guid from generate_series(1::bigint, {scale}) as n) as s"
        "          on s.guid = f.guid"
        "  where not f.journaled"
    )
    row = conn.execute(
        """
        select coalesce(sum(copies) filter (where n is null), 0)::bigint,
               coalesce(sum(copies - (not in_place)::int) filter (where n is not null), 0)::bigint,
               count(*) filter (where n is not null and not in_place)
          from audit_moved
        """
    ).fetchone()
    assert row is not None
    result.extra, doubled, moved = row
    result.duplicated += doubled
    lost = scale - in_place - moved
    result.missing += lost
    result.examples["extra"] = _guids(conn, "select guid from audit_moved where n is null order by guid")
    found = {
        "duplicated": _guids(
            conn,
            "select guid from audit_moved where n is not null and copies > (not in_place)::int order by n",
        )
    }
    if lost:
        found["missing"] = _guids(
            conn,
            f"select guid from (select n, {seed} as guid from generate_series(1::bigint, {scale}) as n"
            " where n not in (select interaction_id from interaction_fact where interaction_id <="
            f" {scale})) as s where guid not in (select guid from audit_moved where n is not null) order by n",
        )
    for kind, guids in found.items():
        result.examples[kind] = [*result.examples[kind], *guids][:EXAMPLES]


def _guids(conn: psycopg.Connection[Any], query: str) -> list[str]:
    return [guid for (guid,) in conn.execute(f"{query} limit {EXAMPLES}").fetchall()]
