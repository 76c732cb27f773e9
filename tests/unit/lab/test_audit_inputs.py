"""Input of the audit: spool and journals of ICON, and the configuration that the Info Mart Server obeys."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from infomart_lab import audit, configuration, gim_server, icon, schema
from infomart_lab import config as lab_config
from infomart_lab.config import LabConfig


@pytest.fixture
def config(tmp_path: Path) -> LabConfig:
    return lab_config.create(tmp_path, base_port=31600)


def lines(path: Path, *, chunk: int = 1 << 20) -> list[bytes]:
    return [line for part in audit.read_journal(path, chunk=chunk) for line in part]


@pytest.mark.parametrize("chunk", [1, 7, 44, 1000])
def test_journal_is_read_in_whole_lines_whatever_the_chunk(tmp_path: Path, chunk: int) -> None:
    path = tmp_path / "j.log"
    path.write_bytes(b"aa 1\nbb 2\ncc 3")
    assert lines(path, chunk=chunk) == [b"aa 1", b"bb 2"]


def test_a_journal_that_is_the_beginning_of_another_adds_nothing(tmp_path: Path) -> None:
    for name, text in (("short", "aa 1\n"), ("long", "aa 1\nbb 2\n"), ("other", "cc 3\nbb 2\n")):
        (tmp_path / name).write_text(text)
    found = audit._different([tmp_path / name for name in ("long", "short", "other", "absent")])
    assert {path.name for path in found} == {"long", "other"}


def test_journal_that_was_never_written_is_empty(tmp_path: Path) -> None:
    assert lines(tmp_path / "none.log") == []


@pytest.mark.parametrize(
    ("missing", "duplicated", "extra", "pending", "clean"),
    [(0, 0, 0, 0, True), (0, 0, 0, 9, True), (1, 0, 0, 0, False), (0, 1, 0, 0, False), (0, 0, 1, 0, False)],
)
def test_only_missing_duplicated_and_extra_calls_are_wrong(
    missing: int, duplicated: int, extra: int, pending: int, clean: bool
) -> None:
    result = audit.AuditResult(
        site="site2",
        missing=missing,
        duplicated=duplicated,
        extra=extra,
        pending=pending,
        calls_written=10,
        seeded=5,
        in_database=15,
    )
    assert result.clean is clean


def test_spool_has_lines_of_fixed_length_with_different_guids(tmp_path: Path) -> None:
    spool = icon.Spool(tmp_path / "spool" / "TS2.calls")
    spool.append(5)
    spool.append(2)
    assert spool.path.stat().st_size == 7 * icon.LINE
    assert len({line.split()[0] for line in spool.read(0, 100)}) == 7
    assert spool.read(5, 1) == spool.read(0, 100)[5:6]


def test_spool_drops_a_line_that_a_kill_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "TS2.calls"
    first = icon.Spool(path)
    first.append(3)
    whole = first.read(0, 3)
    with path.open("ab") as file:
        file.write(b"0123456789")
    again = icon.Spool(path)
    assert (again.calls, again.read(0, 9)) == (3, whole)


def test_call_times_never_go_back_even_when_the_clock_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr(icon.time, "time", lambda: now)
    spool = icon.Spool(tmp_path / "TS2.calls")
    spool.append(1)
    now -= 3600
    spool.append(1)
    again = icon.Spool(tmp_path / "TS2.calls")
    again.append(1)
    assert len({line.split()[1] for line in again.read(0, 3)}) == 1


def test_horizon_is_promised_only_when_every_call_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 2_000_000_000.5
    monkeypatch.setattr(icon.time, "time", lambda: now)
    spool = icon.Spool(tmp_path / "TS2.calls")
    spool.append(2)
    assert spool.horizon(1) is None
    now += 10
    promised = spool.horizon(2)
    assert promised == 2_000_000_010
    now -= 10
    spool.append(1)
    # The call after the promise never lies before it, whatever the clock says.
    assert int(spool.read(2, 1)[0].split()[1]) >= promised


def test_load_is_the_configured_rate_until_it_is_switched(config: LabConfig) -> None:
    assert icon.get_load(config) == config.rate
    icon.set_load(config, 0)
    assert icon.get_load(config) == 0
    with pytest.raises(ValueError, match="0 or more"):
        icon.set_load(config, -1)


def test_default_configuration_connects_the_active_info_mart_and_every_idb_and_icon(config: LabConfig) -> None:
    document = configuration.read(config)
    server = document["applications"]["GIM"]
    assert server["host"] == "site2-gim"
    assert server["connections"] == [
        "DAP_GIM_site2",
        "DAP_TS2_site2",
        "DAP_TS2_site3",
        "DAP_TS3_site3",
        "DAP_TS3_site2",
        "ICON_TS2_site2",
        "ICON_TS2_site3",
        "ICON_TS3_site3",
        "ICON_TS3_site2",
    ]
    assert document["applications"]["DAP_GIM_site3"]["options"]["gim-etl"]["role"] == "INFO_MART"
    assert len({app["dbid"] for app in document["applications"].values()}) == len(document["applications"])


def test_a_change_that_fails_leaves_the_configuration_as_it_was(config: LabConfig) -> None:
    def fail(document: configuration.Document) -> None:
        document["applications"].clear()
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        configuration.update(config, fail)
    assert "GIM" in configuration.read(config)["applications"]


@pytest.mark.parametrize("connected", [[], ["DAP_TS2_site2"], ["DAP_GIM_site2", "DAP_GIM_site3"]])
def test_the_server_wants_exactly_one_info_mart(config: LabConfig, connected: list[str]) -> None:
    def change(document: configuration.Document) -> None:
        document["applications"]["GIM"]["connections"] = connected

    configuration.update(config, change)
    with pytest.raises(gim_server.ConfigurationError, match="Exactly one"):
        gim_server.Options(config, "site2").info_mart()


def test_disabled_access_points_are_not_used(config: LabConfig) -> None:
    def change(document: configuration.Document) -> None:
        document["applications"]["DAP_TS2_site3"]["state"] = configuration.DISABLED

    configuration.update(config, change)
    used = [dap["name"] for dap in gim_server.Options(config, "site2").access_points(configuration.ROLE_IDB)]
    assert used == ["DAP_TS2_site2", "DAP_TS3_site3", "DAP_TS3_site2"]


def test_intervals_that_touch_are_aggregated_together() -> None:
    assert gim_server._runs([900, 1800, 3600]) == [(900, 2700), (3600, 4500)]


def test_no_table_is_both_replicated_and_excluded(config: LabConfig) -> None:
    everything = schema.tables(config)
    assert len(everything) == len(set(everything))
    assert len(schema.REPLICATED) >= 60
    early = replace(config, release="8.1.0")
    assert set(schema.tables(early)) - set(everything) == {"GIDB_GO_RECORD", "STG_UDH_MM"}
    assert not schema.has_watermark_index(early) and schema.has_watermark_index(config)
