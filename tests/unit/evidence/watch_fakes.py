"""GoldenGate's schema at a site, as far as watching and tickets use it: the ledger's rows, with transactions."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from infomart_dr.errors import UnreachableError


class OracleLike(Exception):
    """An error with Oracle's code."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class FakeSite:
    """One site's DR_LEDGER; a transaction holds it alone, as the row lock of the survey does."""

    def __init__(self) -> None:
        #: Entries and their values, by plan id.
        self.plans: dict[str, dict[str, str]] = {}
        self.away = False
        self.transactions = 0
        self.statements: list[str] = []
        self._alone = threading.RLock()

    @property
    def rows(self) -> dict[str, str]:
        """The state of watching."""
        return self.plans.setdefault("(watch)", {})

    @rows.setter
    def rows(self, rows: dict[str, str]) -> None:
        self.plans["(watch)"] = rows

    @contextmanager
    def transaction(self) -> Iterator[FakeSite]:
        if self.away:
            raise UnreachableError("no listener answers.", "Check it.")
        with self._alone:
            self.transactions += 1
            before = copy.deepcopy(self.plans)
            try:
                yield self
            except BaseException:
                self.plans = before
                raise

    def select(self, name: str, identifiers: Any = None, **binds: Any) -> list[dict[str, Any]]:
        if name == "ledger_measured":
            asked = {value for key, value in binds.items() if key.startswith("fact_")}
            return [
                {"plan_id": plan, "name": entry, "value": value}
                for plan, entries in self.plans.items()
                for entry, value in entries.items()
                if entry in asked
            ]
        assert name == "ledger_all"
        return [{"name": entry, "value": value} for entry, value in self.plans.get(binds["plan_id"], {}).items()]

    def execute(self, name: str, identifiers: Any = None, **binds: Any) -> int:
        self.statements.append(name)
        entry = binds.get("entry", "")
        rows = self.plans.setdefault(binds["plan_id"], {})
        if name == "ledger_put":
            if entry in rows:
                raise OracleLike("ORA-00001")
            assert 0 < len(binds["value"].encode()) <= 4000 and len(entry.encode()) <= 100
            rows[entry] = binds["value"]
            return 1
        if name == "ledger_replace":
            if rows.get(entry) != binds["expected"]:
                return 0
            rows[entry] = binds["value"]
            return 1
        assert name == "ledger_forget"
        return 1 if rows.pop(entry, None) is not None else 0
