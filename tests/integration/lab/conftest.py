"""A whole small lab under its supervisor, for the modules that ask for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest
from tests.waiting import wait_for

from infomart_lab import icon, procs, supervisor
from infomart_lab.config import LabConfig


def _is_up(config: LabConfig) -> bool:
    try:
        answer = supervisor.request(config, "status", timeout=10)
    except supervisor.LabError:
        return False
    assert not answer["error"], answer["error"]
    return answer["state"] == "up"


@pytest.fixture(scope="module")
def whole_lab(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, base_port: int
) -> Iterator[LabConfig]:
    """The lab that the module's function ``make(home, base_port)`` configures, running; it ends with the module."""
    config: LabConfig = request.module.make(tmp_path_factory.mktemp("lab") / "lab", base_port)
    guardian = supervisor.launch(config, owner_pid=os.getpid())
    try:
        wait_for(lambda: guardian.poll() is not None or _is_up(config), 90, "the start of the lab")
        assert guardian.poll() is None, (config.log_dir / "supervisor.log").read_text()[-3000:]
        yield config
    finally:
        supervisor.shut_down(config)
        assert procs.lab_processes(config.home) == []


@pytest.fixture
def wait() -> Callable[..., None]:
    """The function :func:`wait_for`."""
    return wait_for


@pytest.fixture
def still(whole_lab: LabConfig) -> Callable[[], None]:
    """Stops the calls and waits until all reachable IDBs have them and report that they are complete."""

    def stop() -> None:
        icon.set_load(whole_lab, 0)
        # One heartbeat of each ICON after its last call.
        time.sleep(2.5)

    return stop
