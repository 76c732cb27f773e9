"""Code of a target that was in use before: dropped where the dump set brings it, as an import keeps what exists."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import FakeStep, replace_question

from infomart_dr.errors import GuardError, PermanentError
from infomart_dr.operators.dump_set import DropOldCode


class World:
    """A target with code; ``needs`` has what must go before an object can be dropped."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *brought: str) -> None:
        self.code: list[tuple[str, str]] = []
        self.needs: dict[str, str] = {}
        self.dropped: list[str] = []
        self.digest = "d"
        dictionary = SimpleNamespace(code=dict.fromkeys(brought, "text"))
        manifest = SimpleNamespace(dictionary=dictionary, digest=lambda: self.digest, source_site="site2")
        replace_question(monkeypatch, "proven_manifest", lambda step: manifest)
        self.step: Any = FakeStep(dump_set_proven="d")
        self.step.dba = lambda role: SimpleNamespace(select=self.select)
        self.step.info_mart = lambda role: SimpleNamespace(run_text=self.drop)

    def select(self, name: str, owner: str) -> list[dict[str, Any]]:
        words = {"views": "VIEW", "triggers": "TRIGGER", "units": ""}
        found = [(kind, each) for kind, each in self.code if name in words and kind in (words[name] or kind)]
        if name == "views":
            return [{"view_name": each, "text": "old"} for _, each in found]
        if name == "triggers":
            kinds = {"ON_FACT": "TABLE", "AT_LOGON": "SCHEMA"}
            return [{"trigger_name": each, "base_object_type": kinds[each]} for _, each in found]
        if name == "units":
            units = [pair for pair in found if pair[0] not in ("VIEW", "TRIGGER")]
            return [{"type": kind, "name": each, "line": 1, "text": "old"} for kind, each in units]
        return []

    def drop(self, statement: str) -> None:
        name = statement.rpartition('"."')[2].rstrip('"')
        if any(each == self.needs.get(name) for _, each in self.code):
            raise PermanentError(f"ORA-02303: {name} has dependents.", "")
        self.dropped.append(statement)
        self.code = [pair for pair in self.code if pair[1] != name]

    def run(self) -> dict[str, Any]:
        return DropOldCode(task_id="drop_old_code", role="target")._run(self.step)


def test_code_that_the_dump_set_brings_is_dropped_and_the_rest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(
        monkeypatch, "VIEW V", "PACKAGE P", "PACKAGE BODY P", "TRIGGER ON_FACT", "TRIGGER AT_LOGON", "FUNCTION NEW"
    )
    world.code = [
        *(("VIEW", "V"), ("VIEW", "OWN"), ("PACKAGE", "P"), ("PACKAGE BODY", "P")),
        # That of a table goes with its table.
        *(("TRIGGER", "ON_FACT"), ("TRIGGER", "AT_LOGON")),
    ]
    world.run()
    assert sorted(world.dropped) == [
        'drop package "GIM"."P"',
        'drop trigger "GIM"."AT_LOGON"',
        'drop view "GIM"."V"',
    ]
    assert ("VIEW", "OWN") in world.code and ("TRIGGER", "ON_FACT") in world.code


def test_what_another_object_needs_is_dropped_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, "TYPE INNER", "TYPE OUTER")
    world.code, world.needs = [("TYPE", "INNER"), ("TYPE", "OUTER")], {"INNER": "OUTER"}
    world.run()
    assert world.code == [] and len(world.dropped) == 2


def test_nothing_is_dropped_without_a_proven_dump_set_and_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, "VIEW V")
    world.code, world.digest = [("VIEW", "V")], "another"
    with pytest.raises(GuardError, match="not proven"):
        world.run()
    assert world.dropped == []
    world.digest = "d"
    world.run()
    # The import has brought it anew.
    world.code = [("VIEW", "V")]
    world.run()
    assert len(world.dropped) == 1
