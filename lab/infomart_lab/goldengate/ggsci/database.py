"""The site's database as ggsci asks it. Heavy to import: only conversations with a database import it."""

from __future__ import annotations

from datetime import datetime

import psycopg
from psycopg import sql

from infomart_lab.config import LabConfig
from infomart_lab.goldengate.ggsci.commands import CommandError
from infomart_lab.goldengate.replicat import create_checkpoint_table, table_name


class Database:
    """A connection to the database of a site.

    :raises CommandError: there is no listener.
    """

    def __init__(self, config: LabConfig, site: str) -> None:
        try:
            self._connection = psycopg.connect(
                config.postgres_dsn(site), autocommit=True, connect_timeout=5, application_name="ggsci"
            )
        except psycopg.OperationalError:
            raise CommandError(
                "ERROR: Unable to connect to database. OCI Error ORA-12541: TNS:no listener (status = 12541)"
            ) from None

    # -- positions -------------------------------------------------------------------------------

    def current_scn(self) -> int:
        row = self._connection.execute("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint").fetchone()
        assert row is not None
        return int(row[0])

    def scn_at(self, moment: datetime) -> int | None:
        """Last SCN of a time; None when the database no longer knows it."""
        row = self._connection.execute(
            "SELECT max(scn)::bigint FROM sys.lab_scn_time WHERE time_dp <= %s", (moment,)
        ).fetchone()
        return None if row is None or row[0] is None else int(row[0])

    def open_transactions(self) -> list[tuple[int, float, str]]:
        """Transactions with changes: xid, age in seconds, start time."""
        rows = self._connection.execute(
            "SELECT backend_xid::text::bigint, extract(epoch FROM now() - xact_start)::float8, xact_start"
            " FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL"
            " AND pid <> pg_backend_pid() ORDER BY xact_start"
        ).fetchall()
        return [(int(r[0]), float(r[1]), f"{r[2].astimezone():%Y-%m-%d:%H:%M:%S}") for r in rows]

    # -- objects ---------------------------------------------------------------------------------

    def tables(self) -> list[str]:
        """All tables of all users, as ``OWNER.TABLE``."""
        rows = self._connection.execute(
            "SELECT upper(n.nspname || '.' || c.relname)"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition"
            " AND n.nspname !~ '^(pg_|information_schema|sys$)' ORDER BY 1"
        )
        return [row[0] for row in rows.fetchall()]

    def sequences(self) -> list[str]:
        """All sequences, as ``OWNER.SEQUENCE``."""
        rows = self._connection.execute("SELECT upper(schemaname || '.' || sequencename) FROM pg_sequences")
        return [row[0] for row in rows.fetchall()]

    def has_schema(self, owner: str) -> bool:
        row = self._connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (owner.lower(),)).fetchone()
        return row is not None

    def key_columns(self, owner: str, name: str) -> list[str]:
        """Columns of a table's primary key."""
        rows = self._connection.execute(
            "SELECT upper(a.attname)"
            " FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)"
            " WHERE i.indisprimary AND n.nspname = %s AND c.relname = %s ORDER BY a.attnum",
            (owner.lower(), name.lower()),
        )
        return [row[0] for row in rows.fetchall()]

    # -- supplemental logging --------------------------------------------------------------------

    def log_groups(self) -> set[tuple[str, str | None]]:
        """Owners and tables with supplemental logging; ``*`` stands for a whole schema."""
        rows = self._connection.execute("SELECT owner, table_name FROM sys.lab_log_groups").fetchall()
        return {(row[0], row[1]) for row in rows}

    def add_log_group(self, owner: str, table: str, group: str) -> None:
        self._connection.execute(
            "INSERT INTO sys.lab_log_groups (owner, table_name, log_group_name) VALUES (%s, %s, %s)",
            (owner, table, group),
        )

    def drop_log_group(self, owner: str, table: str) -> None:
        self._connection.execute("DELETE FROM sys.lab_log_groups WHERE owner = %s AND table_name = %s", (owner, table))

    # -- captures --------------------------------------------------------------------------------

    def may_capture(self, user: str) -> bool:
        """DBMS_GOLDENGATE_AUTH has granted the capture to a user."""
        row = self._connection.execute(
            "SELECT 1 FROM sys.lab_goldengate_privileges WHERE username = %s AND privilege_type IN ('*', 'CAPTURE')",
            (user,),
        ).fetchone()
        return row is not None

    def has_capture(self, name: str) -> bool:
        row = self._connection.execute("SELECT 1 FROM sys.lab_capture WHERE capture_name = %s", (name,)).fetchone()
        return row is not None

    def add_capture(self, name: str, first: int, start: int) -> None:
        self._connection.execute(
            "INSERT INTO sys.lab_capture (capture_name, first_scn, start_scn) VALUES (%s, %s, %s)",
            (name, first, start),
        )

    def move_capture(self, name: str, start: int) -> None:
        """Set START_SCN of a capture that is registered."""
        self._connection.execute(
            "UPDATE sys.lab_capture SET start_scn = greatest(first_scn, %s) WHERE capture_name = %s", (start, name)
        )

    def drop_capture(self, name: str) -> bool:
        """Forget a capture; False when it is not registered."""
        row = self._connection.execute("DELETE FROM sys.lab_capture WHERE capture_name = %s RETURNING 1", (name,))
        return row.fetchone() is not None

    # -- checkpoint tables -----------------------------------------------------------------------

    def has_table(self, name: str) -> bool:
        row = self._connection.execute("SELECT to_regclass(%s) IS NOT NULL", (name.lower(),)).fetchone()
        assert row is not None
        return bool(row[0])

    def create_checkpoint_table(self, name: str) -> None:
        create_checkpoint_table(self._connection, name)

    def drop_table(self, name: str) -> None:
        self._connection.execute(sql.SQL("DROP TABLE {}").format(table_name(name)))

    def forget_checkpoint(self, table: str, group: str, identity: str) -> None:
        """Delete a group's row of its checkpoint table; a group of the same name in another home keeps its own."""
        try:
            self._connection.execute(
                sql.SQL("DELETE FROM {} WHERE group_name = %s AND replicat_id = %s").format(table_name(table)),
                (group, identity),
            )
        except psycopg.Error:
            return
