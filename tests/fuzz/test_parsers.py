"""No text that another program has written makes a reader crash, hang, or fail without a typed error.

``FUZZ_EXAMPLES`` sets the inputs of each reader in the slow test. An input that was a fault stays in ``corpus``.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS

from infomart_dr.errors import InfoMartError

CORPUS = Path(__file__).parent / "corpus"
#: Seconds of processor time that a text may take.
SECONDS = 2.0
_COMMON = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "print_blob": False,
}
#: Inputs in `make test`; INFOMART_FUZZ sets another number.
EXAMPLES = int(os.environ.get("INFOMART_FUZZ", "25"))
QUICK = settings(max_examples=EXAMPLES, **_COMMON)  # type: ignore[arg-type]
SLOW = settings(
    settings(max_examples=int(os.environ.get("FUZZ_EXAMPLES", "10000")), **_COMMON),  # type: ignore[arg-type]
    derandomize=False,
)


def read(name: str, text: str) -> None:
    """Read a text as a target does.

    :raises Exception: the reader has a fault.
    """
    began = time.process_time()
    try:
        TARGETS[name].read(text)
    except InfoMartError as error:
        assert error.what and error.next_step, f"{name}: an error without a next step"
        assert len(str(error)) < 20_000, f"{name}: an error of {len(str(error))} characters"
    assert time.process_time() - began < SECONDS, f"{name}: too slow"


@pytest.mark.parametrize("name", TARGETS)
def test_a_hostile_text_is_read_or_refused(name: str) -> None:
    @QUICK
    @given(mutated(TARGETS[name].samples))
    def reads(text: str) -> None:
        read(name, text)

    reads()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", TARGETS)
def test_ten_thousand_hostile_texts_are_read_or_refused(name: str) -> None:
    @SLOW
    @given(st.data())
    def reads(data: st.DataObject) -> None:
        read(name, data.draw(mutated(TARGETS[name].samples)))

    reads()


def kept() -> list[tuple[str, Path]]:
    return [(name, file) for name in TARGETS for file in sorted((CORPUS / slug(name)).glob("*.txt"))]


def slug(name: str) -> str:
    """Name of a target's folder in the corpus."""
    return "".join(letter if letter.isalnum() else "_" for letter in name)


@pytest.mark.parametrize(("name", "file"), kept(), ids=lambda value: value.stem if isinstance(value, Path) else value)
def test_a_text_that_was_a_fault_once_is_read_or_refused(name: str, file: Path) -> None:
    read(name, file.read_bytes().decode("utf-8", "surrogatepass"))
