"""The main job with a real OpenSSH server on every host and a real rsync between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infomart_lab import sshd
from infomart_lab.config import LabConfig
from infomart_lab.rsync import real_rsync

from .conftest import assert_clean, judge
from .driver import Procedure, connections

_ABSENT = ", ".join(sshd.missing("ssh", "rsync"))
pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.skipif(bool(_ABSENT), reason=f"not installed: {_ABSENT}")]
REAL_SSH = True


@pytest.mark.timeout(1200)
def test_a_return_to_normal_over_a_real_sshd_and_rsync(lab: LabConfig, serves: Callable[[str], bool]) -> None:
    for site in ("site2", "site3"):
        # as most start files of an Oracle user; rsync's target prints nothing
        (lab.host_dir(site, "gim") / ".bashrc").write_text("echo The Oracle base remains unchanged\n")
    with connections(lab):
        Procedure(plan="return-1").run()
    assert serves("site3") and not serves("site2")
    time.sleep(5)
    assert_clean(judge(lab, "site3", "site2"))
    logs = sorted((lab.host_dir("site2", "db") / ".infomart_dr" / "jobs").glob("*-transfer-*/log"))
    assert ": there" in logs[0].read_text()
    assert real_rsync(":".join((str(lab.bin_dir("site2", "db")), "/usr/local/bin", "/usr/bin", "/bin")))
    banner = Path(lab.log_dir / "site2-ssh.log").read_text() if (lab.log_dir / "site2-ssh.log").exists() else ""
    assert "Traceback" not in banner
