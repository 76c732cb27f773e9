"""Settings from Airflow's configuration."""

from __future__ import annotations

from datetime import timedelta

import pytest

from infomart_dr import settings


def test_what_is_not_configured_has_a_default() -> None:
    assert (settings.retries(), settings.retry_delay()) == (6, timedelta(seconds=15))
    assert (settings.watch_timeout(), settings.watch_at_a_time()) == (timedelta(minutes=5), 8)
    assert settings.schedule("readiness_schedule", "@daily") == "@daily"


def test_what_is_configured_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__INFOMART_DR__RETRY_DELAY", "2")
    monkeypatch.setenv("AIRFLOW__INFOMART_DR__WATCH_AT_A_TIME", "3")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.net")
    assert settings.retry_delay() == timedelta(seconds=2)
    assert settings.watch_at_a_time() == 3
    assert settings.base_url() == "https://airflow.example.net"


@pytest.mark.parametrize("value", ["none", "None", " "])
def test_a_schedule_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("AIRFLOW__INFOMART_DR__WATCH_SCHEDULE", value)
    assert settings.schedule("watch_schedule", "*/5 * * * *") is None
