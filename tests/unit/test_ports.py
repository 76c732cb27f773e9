"""A lab of the tests gets ports that nobody else has, says when it had to look on, and may ask for any number."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests import ports

from infomart_lab import config as lab_config

ROOT = Path(__file__).resolve().parents[2]


def quietly(stack: ExitStack) -> int:
    """A block, whatever else runs on this machine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return stack.enter_context(ports.block())


def test_a_block_holds_a_lab_and_what_runs_beside_it(tmp_path: Path) -> None:
    lab = lab_config.create(tmp_path, base_port=0)
    beside = [*range(ports.AIRFLOW, ports.AIRFLOW + 3), *range(ports.SECOND_AIRFLOW, ports.SECOND_AIRFLOW + 3)]
    beside += [*range(ports.STACK, ports.STACK + 6), ports.GUARD]
    assert len(set(beside)) == len(beside)
    assert not set(beside) & set(lab.all_ports())
    assert max(*beside, *lab.all_ports()) < ports.LENGTH


def test_blocks_part_no_port_and_linux_gives_none_of_them_to_whoever_connects() -> None:
    assert all(later - earlier == ports.LENGTH for earlier, later in zip(ports.BLOCKS, ports.BLOCKS[1:], strict=False))
    assert ports.BLOCKS[-1] + ports.LENGTH <= 32768
    assert ports.BLOCKS[0] >= 21_000 + ports.LENGTH, "make up and make demo"


def test_two_blocks_of_one_process_and_of_another_are_different() -> None:
    program = "from tests import ports\nwith ports.block() as first: print(first, flush=True); input()"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "lab"), str(ROOT / "plugins")])}
    with ExitStack() as stack:
        mine = [quietly(stack), quietly(stack)]
        words = [sys.executable, "-W", "ignore", "-c", program]
        other = subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        stack.callback(other.communicate, "\n", timeout=30)
        assert other.stdout is not None
        theirs = int(other.stdout.readline())
        assert len({*mine, theirs}) == 3
        assert {*mine, theirs} <= set(ports.BLOCKS)


@pytest.mark.parametrize("offset", [0, 57, ports.AIRFLOW + 1, ports.GUARD])
def test_a_block_in_which_somebody_listens_is_left_out_and_the_program_is_named(offset: int) -> None:
    with ExitStack() as stack:
        first = quietly(stack)
        stack.close()
        listener = stack.enter_context(socket.create_server((ports.ADDRESS, first + offset)))
        port = listener.getsockname()[1]
        with pytest.warns(UserWarning, match=rf"\b{port} \(process {os.getpid()} \(") as told:
            other = stack.enter_context(ports.block())
        assert other != first
        assert any(re.search(f"takes other ports than {first} to {first + 299}", str(each.message)) for each in told)


def test_a_block_of_another_test_is_left_out_without_a_word() -> None:
    with ExitStack() as stack:
        first = quietly(stack)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            assert stack.enter_context(ports.block()) != first
        assert [each for each in told if str(first + ports.GUARD) in str(each.message)] == []


def test_without_a_free_block_the_error_says_where_it_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        monkeypatch.setattr(ports, "BLOCKS", (quietly(stack),))
        with pytest.raises(ports.NoPortsError, match=f"No 300 free ports from {ports.BLOCKS[0]} to "), ports.block():
            pass
