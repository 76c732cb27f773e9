"""Make Airflow's metadata database and put the lab's connections into it, in one process."""

from __future__ import annotations

import json

from airflow.models.connection import Connection
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from sqlalchemy import select

from infomart_lab import config as lab_config


def main() -> None:
    """Migrate the database and write each connection; both may be repeated."""
    config = lab_config.load()
    initdb()
    wanted = json.loads((config.home / "connections.json").read_text())
    with create_session() as session:
        for name, fields in wanted.items():
            old = session.scalar(select(Connection).where(Connection.conn_id == name))
            if old is not None:
                session.delete(old)
                session.flush()
            session.add(Connection(conn_id=name, **fields))
    print(f"{len(wanted)} connections")


if __name__ == "__main__":
    main()
