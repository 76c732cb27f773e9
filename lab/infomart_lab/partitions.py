"""Partitions of a site's Info Mart; only the end of the newest one is kept.

``sys.lab_partitions`` is in each site's database, and is neither replicated nor exported. A standby has partitions of
its own: that is the guide's reason for Job_MaintainGIM in a failover. A site that was never maintained has partitions
up to the moment of its creation.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg import sql

from infomart_lab.config import LabConfig
from infomart_lab.postgres import connect

#: Days for which a maintained Info Mart has partitions: default of [gim-etl] partitioning-ahead-range.
AHEAD_DAYS = 14
DAY = 86400

Connection = psycopg.Connection[Any]


class PartitionError(Exception):
    """The partition for these rows does not exist."""


def create(conn: Connection, config: LabConfig, site: str) -> None:
    """Make the row of the schema; one that is there already is left alone.

    :param conn: superuser's connection to database ``gim``.
    """
    schema = config.info_mart_schema.lower()
    ahead = AHEAD_DAYS * DAY if config.sites[site].info_mart else 0
    conn.execute(
        "insert into sys.lab_partitions values (%s, %s) on conflict do nothing", [schema, int(time.time()) + ahead]
    )
    conn.execute(sql.SQL("grant select, update on sys.lab_partitions to {}").format(sql.Identifier(schema)))


def end(conn: Connection, schema: str) -> int:
    """End of the newest partition, in seconds UTC."""
    row = conn.execute(
        "select partition_end from sys.lab_partitions where schema_name = %s", [schema.lower()]
    ).fetchone()
    return row[0] if row else 0


def check(conn: Connection, schema: str, now: float) -> None:
    """Make sure that rows of this moment have a partition.

    :raises PartitionError: they have none.
    """
    if now >= end(conn, schema):
        raise PartitionError("ORA-14400: inserted partition key does not map to any partition")


def extend(conn: Connection, schema: str, until: float) -> None:
    """Make partitions up to a moment; none is ever removed."""
    conn.execute(
        "update sys.lab_partitions set partition_end = greatest(partition_end, %s) where schema_name = %s",
        [int(until), schema.lower()],
    )


# -- for tests and rehearsals ---------------------------------------------------------------------


def end_at(config: LabConfig, site: str) -> int:
    """End of the newest partition of a site, in seconds UTC."""
    with connect(config, site) as conn:
        return end(conn, config.info_mart_schema)


def set_end(config: LabConfig, site: str, moment: float) -> None:
    """Let the newest partition of a site end at ``moment`` (seconds UTC), as after an earlier maintenance."""
    with connect(config, site) as conn:
        conn.execute(
            "update sys.lab_partitions set partition_end = %s where schema_name = %s",
            [int(moment), config.info_mart_schema.lower()],
        )
