"""Processes are found by their command lines, without the searching command."""

from __future__ import annotations

import re
import shlex

import pytest

from infomart_dr.hooks.processes import pgrep


@pytest.mark.parametrize("pattern", ["gim_etl", "/opt/icon/purge.sh TSFRA", "_server", "8server"])
def test_a_pattern_finds_its_process_and_not_a_shell_that_looks_for_it_at_the_same_time(pattern: str) -> None:
    words = pgrep(pattern)
    assert re.search(words[-1], f"/bin/sh {pattern} --run")
    # As sshd starts it for another task: the whole command is in that shell's own command line.
    assert not re.search(words[-1], f"sh -c {shlex.join(words)}")
