"""Searches the lab's passwords where none may be: process list, logs, rendered fields, XCom, files."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable

from infomart_lab import airflow_part
from infomart_lab.config import LabConfig

#: Files that are meant to hold secrets; all are 0600.
_KEPT = (
    "lab.json",
    "connections.json",
    "operator_key",
    "simple_auth_manager_passwords.json",
    "cwallet.sso",
    "id_ed25519",
)
#: Tables of Airflow's database that people and logs see.
_TABLES = ("xcom", "rendered_task_instance_fields", "dag_run", "log", "trigger", "hitl_detail", "task_instance")


def secrets(config: LabConfig) -> set[str]:
    """Passwords of the lab, and a line out of each private key."""
    found = {password for users in config.passwords.values() for password in users.values()}
    found.add(airflow_part.credentials(config)[1])
    key = (config.home / "operator_key").read_text().splitlines()
    found.add(key[len(key) // 2])
    return found


class ProcessList(threading.Thread):
    """Reads every command line of the machine repeatedly, as any user could."""

    def __init__(self, wanted: Iterable[str]) -> None:
        super().__init__(daemon=True)
        self.wanted = [text.encode() for text in wanted]
        self.found: set[str] = set()
        self.looks = 0
        self._stop_event = threading.Event()

    def run(self) -> None:
        while not self._stop_event.wait(0.1):
            self.looks += 1
            # Without Path, which would cost half a processor here.
            for pid in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208
                try:
                    with open(f"/proc/{pid}/cmdline", "rb", buffering=0) as file:  # noqa: PTH123
                        line = file.read()
                except OSError:
                    continue
                if any(text in line for text in self.wanted):
                    self.found.add(line.replace(b"\0", b" ").decode(errors="replace")[:200])

    def stop(self) -> None:
        """End the search."""
        self._stop_event.set()
        self.join(5)


def in_files(config: LabConfig, wanted: Iterable[str]) -> list[str]:
    """Files below the lab's home that hold a secret and must not."""
    needles = [text.encode() for text in wanted]
    hits = []
    for path in config.home.rglob("*"):
        if not path.is_file() or path.is_symlink():
            continue
        if path.name in _KEPT or path.suffix == ".secret" or path.parts[-2:-1] == ("postgres",):
            continue
        relative = path.relative_to(config.home)
        if path.name.startswith("airflow.db") or "pgdata" in relative.parts or "data" in relative.parts[:2]:
            continue
        content = path.read_bytes()
        if any(needle in content for needle in needles):
            hits.append(str(relative))
    return hits


def in_database(config: LabConfig, wanted: Iterable[str]) -> list[str]:
    """Tables of Airflow's database that hold a secret in the clear."""
    hits = []
    with sqlite3.connect(f"file:{airflow_part.home(config) / 'airflow.db'}?mode=ro", uri=True) as connection:
        there = {row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")}
        for table in _TABLES:
            if table not in there:
                continue
            for row in connection.execute(f"select * from {table}"):
                text = " ".join(str(value) for value in row)
                if any(needle in text for needle in wanted):
                    hits.append(table)
                    break
    return hits
