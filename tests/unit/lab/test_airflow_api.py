"""The lab's client of Airflow's REST API, against a server of answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.http_receiver import Answer, Receiver

from infomart_lab import airflow_api
from infomart_lab import config as lab_config
from infomart_lab.airflow_api import Airflow, AirflowError


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(airflow_api, "_PAUSE", 0.0)
    with Receiver() as found:
        yield found


@pytest.fixture
def airflow(receiver: Receiver, tmp_path: Path) -> Iterator[Airflow]:
    with Airflow(lab_config.create(tmp_path / "lab", base_port=19600), receiver.port) as found:
        yield found


def test_a_database_that_was_locked_is_asked_again(receiver: Receiver, airflow: Airflow) -> None:
    receiver.answers = [Answer(500, {"detail": "locked"}), Answer(200, {"id": 1})]
    assert airflow.call("POST", "/connections", json={"connection_id": "x"}) == {"id": 1}
    assert len(receiver.requests) == 2


def test_an_error_that_stays_is_reported_after_three_tries(receiver: Receiver, airflow: Airflow) -> None:
    receiver.answers = [Answer(500, {"detail": "locked"})] * 9
    with pytest.raises(AirflowError, match="500"):
        airflow.call("POST", "/connections", json={"connection_id": "x"})
    assert len(receiver.requests) == 3


def test_a_refusal_is_not_asked_again(receiver: Receiver, airflow: Airflow) -> None:
    receiver.answers = [Answer(409, {"detail": "there"})]
    with pytest.raises(AirflowError, match="409"):
        airflow.call("POST", "/connections", json={"connection_id": "x"})
    assert len(receiver.requests) == 1
