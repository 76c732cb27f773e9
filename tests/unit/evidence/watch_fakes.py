"""GoldenGate's schema at a site, as far as watching uses it: the ledger's rows, with transactions."""

from __future__ import annotations

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
    """One site's DR_LEDGER; a transaction holds it alone, as the row lock of the look does."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.away = False
        self.statements: list[str] = []
        self._alone = threading.RLock()

    @contextmanager
    def transaction(self) -> Iterator[FakeSite]:
        if self.away:
            raise UnreachableError("no listener answers.", "Check it.")
        with self._alone:
            before = dict(self.rows)
            try:
                yield self
            except BaseException:
                self.rows = before
                raise

    def select(self, name: str, identifiers: Any = None, **binds: Any) -> list[dict[str, Any]]:
        assert name == "ledger_all" and binds["plan_id"] == "(watch)"
        return [{"name": entry, "value": value} for entry, value in self.rows.items()]

    def execute(self, name: str, identifiers: Any = None, **binds: Any) -> int:
        self.statements.append(name)
        entry = binds.get("entry", "")
        if name == "ledger_put":
            if entry in self.rows:
                raise OracleLike("ORA-00001")
            self.rows[entry] = binds["value"]
            return 1
        if name == "ledger_replace":
            if self.rows.get(entry) != binds["expected"]:
                return 0
            self.rows[entry] = binds["value"]
            return 1
        assert name == "ledger_forget"
        return 1 if self.rows.pop(entry, None) is not None else 0
