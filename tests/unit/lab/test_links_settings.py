"""Settings of the lab's links and the token bucket that enforces a rate."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from infomart_lab import config as lab_config
from infomart_lab import links


@pytest.fixture
def config(tmp_path: Path) -> lab_config.LabConfig:
    return lab_config.create(tmp_path / "lab", base_port=35000)


def test_a_pair_has_one_name_in_both_orders() -> None:
    assert links.pair("site3", "site2") == links.pair("site2", "site3") == "site2-site3"


@pytest.mark.parametrize(("first", "second"), [("site2", "site2"), ("site2", "site4"), ("", "site1")])
def test_a_pair_needs_two_known_sites(first: str, second: str) -> None:
    with pytest.raises(ValueError, match="site"):
        links.pair(first, second)


def test_a_change_keeps_the_other_settings_and_healing_clears_all(config: lab_config.LabConfig) -> None:
    links.change(config, "site2", "site3", rate=1000)
    links.change(config, "site3", "site2", cut=True)
    state = links.read(config)
    assert state["site2-site3"] == links.LinkState(cut=True, rate=1000)
    assert state["site1-site2"] == links.LinkState()
    links.heal(config, "site2", "site3")
    assert links.read(config)["site2-site3"] == links.LinkState()


@pytest.mark.parametrize("settings", [{"rate": 0}, {"rate": "much"}, {"delay_ms": -1}, {"mode": "slow"}, {"x": 1}])
def test_a_wrong_setting_is_refused_by_name(config: lab_config.LabConfig, settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        links.change(config, "site2", "site3", **settings)
    assert links.read(config)["site2-site3"] == links.LinkState()


@pytest.mark.parametrize("text", ["[]", "{", '{"site2": {}}', '{"site2-site3": {"cut": "perhaps"}}'])
def test_a_wrong_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        links.parse(text)


async def test_a_bucket_passes_no_more_than_its_rate() -> None:
    bucket = links.Bucket(100_000)
    begin = time.monotonic()

    async def sender() -> None:
        for _ in range(5):
            await bucket.take(bucket.piece(65536))

    await asyncio.gather(sender(), sender())
    assert 0.35 < time.monotonic() - begin < 1.5  # 50000 bytes, 10000 of them at once


async def test_a_bucket_without_a_rate_does_not_wait() -> None:
    bucket = links.Bucket()
    begin = time.monotonic()
    for _ in range(100):
        await bucket.take(bucket.piece(65536))
    assert time.monotonic() - begin < 0.1
