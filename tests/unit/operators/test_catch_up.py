"""The marker row that proves a catch-up is written by a user whose changes the Extract captures."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.operators.fakes import FakeLedger, StepOf

from infomart_dr.errors import GuardError
from infomart_dr.guards.replication import marker_arrived
from infomart_dr.sensors.replicated import WaitForCatchUp
from infomart_dr.topology import AliasLogin, EncryptedLogin, GoldenGate


class Database:
    """Records the statements that write; has no marker yet."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def select(self, name: str, identifiers: dict[str, str], **binds: Any) -> list[dict[str, Any]]:
        return []

    def value(self, name: str) -> int:
        return 4711

    def execute(self, name: str, identifiers: dict[str, str], **binds: Any) -> int:
        assert identifiers == {"schema": "GGATE"} and binds["scn"] == 4711
        self.written.append(name)
        return 1


@pytest.mark.parametrize(
    ("release", "login", "by_dba"),
    [
        ("11.2", EncryptedLogin(user="GGATE", encrypted_password="A" * 32), True),
        ("12.1", AliasLogin(alias="ggate"), False),
        ("19.1", AliasLogin(alias="ggate"), False),
    ],
)
def test_before_12c_the_marker_is_not_written_by_the_user_that_excludeuser_names(
    release: str, login: AliasLogin | EncryptedLogin, by_dba: bool
) -> None:
    dba, goldengate = Database(), Database()
    site = SimpleNamespace(goldengate=GoldenGate(home="/ogg", release=release, login=login))
    step: Any = StepOf(
        key="12345678",
        site=lambda role: site,
        name=lambda role: role,
        dba=lambda role: dba,
        goldengate_database=lambda role: goldengate,
        ledger=FakeLedger(),
    )
    WaitForCatchUp(task_id="wait", direction="to_target", moment="now").prepare(step)
    assert (dba.written, goldengate.written) == ((["marker_put"], []) if by_dba else ([], ["marker_put"]))


@pytest.mark.parametrize(("state", "starts"), [("ABENDED", [("RGIM", 77)]), ("RUNNING", []), ("STOPPED", [])])
def test_a_replicat_that_abended_is_started_again_with_the_csn_by_the_retry(
    state: str, starts: list[tuple[str, int]]
) -> None:
    started: list[tuple[str, int]] = []

    def start(name: str, after_csn: int) -> Any:
        started.append((name, after_csn))
        return SimpleNamespace(what="started")

    site = SimpleNamespace(goldengate=GoldenGate(home="/ogg", release="19.1", login=AliasLogin(alias="ggate")))
    step: Any = StepOf(
        key="12345678",
        site=lambda role: site,
        name=lambda role: role,
        dba=lambda role: Database(),
        goldengate_database=lambda role: Database(),
        ggsci=lambda role: SimpleNamespace(status=lambda name: state, start=start),
        ledger=FakeLedger(to_target_after_csn="77"),
    )
    WaitForCatchUp(task_id="wait", direction="to_target", moment="now").prepare(step)
    assert started == starts


@pytest.mark.parametrize(
    ("added_by", "remedy"), [("add_replicat", "Clear add_replicat with Downstream."), ("", "Find out who removed it.")]
)
def test_a_task_that_adds_a_missing_replicat_is_named_where_there_is_one(added_by: str, remedy: str) -> None:
    goldengate = SimpleNamespace(schema_name="GGATE", groups=SimpleNamespace(replicat="RGIM"))
    step: Any = StepOf(
        key="12345678",
        site=lambda role: SimpleNamespace(goldengate=goldengate),
        name=lambda role: role,
        goldengate_database=lambda role: Database(),
        ggsci=lambda role: SimpleNamespace(info=lambda group: None),
    )
    wait = WaitForCatchUp(task_id="wait", direction="to_target", moment="now", added_by=added_by)
    with pytest.raises(GuardError, match="There is no RGIM at target") as caught:
        marker_arrived(step, **wait.arguments(step))
    assert caught.value.next_step.startswith(remedy)
