"""Texts for people, and the forms of names."""

from __future__ import annotations

import pytest

from infomart_dr.errors import PermanentError
from infomart_dr.text import cut, identifier, size_text, sorted_names, unit_of


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_250_000, "1.2 MB"), (3_400_000_000, "3.4 GB"),
        (5_000_000_000_000, "5000.0 GB"),
    ],
)  # fmt: skip
def test_a_size_is_shown_in_a_unit_that_fits(size: float, text: str) -> None:
    assert size_text(size) == text


def test_a_unit_can_be_shared_by_two_sizes() -> None:
    assert unit_of(3_400_000_000) == (1e9, "GB")
    assert unit_of(7) == (1.0, "B")


def test_names_are_sorted_and_a_long_list_is_cut() -> None:
    assert sorted_names(["B", "A"]) == "A, B"
    assert sorted_names([]) == ""
    assert sorted_names(["C", "B", "A"], limit=2) == "A, B and 1 more"


def test_a_text_is_cut_by_its_bytes_and_no_sign_is_broken() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("a\u00e9\u00e9", 4) == "a\u00e9"


@pytest.mark.parametrize("name", ["GIM", "G_IDB$X#1", "A" * 128])
def test_a_plain_oracle_name_is_taken(name: str) -> None:
    assert identifier("The schema", name) == name


@pytest.mark.parametrize("name", ["", "gim", "1GIM", "GIM;DROP", "GIM\n", '"GIM"', "A" * 129])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(PermanentError, match="The schema is not an Oracle identifier"):
        identifier("The schema", name)
