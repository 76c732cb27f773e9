"""Data Pump's words: the shapes of 11.2 and of 12c and later."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from infomart_lab.datapump import wording

MOMENT = datetime(2026, 11, 3, 17, 2, 11)


def test_the_last_line_of_both_wordings() -> None:
    ended = wording.ended
    assert ended("11.2", "SYSTEM", "GIM_EXP", 0, MOMENT, 764) == (
        'Job "SYSTEM"."GIM_EXP" successfully completed at 17:02:11'
    )
    assert ended("19c", "SYSTEM", "GIM_EXP", 0, MOMENT, 764) == (
        'Job "SYSTEM"."GIM_EXP" successfully completed at Tue Nov 3 17:02:11 2026 elapsed 0 00:12:44'
    )
    assert ended("19c", "SYSTEM", "J", 2, MOMENT, 90000).endswith(
        "completed with 2 error(s) at Tue Nov 3 17:02:11 2026 elapsed 1 01:00:00"
    )
    assert "stopped due to fatal error at 17:02:11" in ended("11.2", "SYSTEM", "J", 2, MOMENT, 1, "fatal")


@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0 KB"), (8767, "8.562 KB"), (12939427, "12.34 MB"), (3 * 1024**3, "3 GB")]
)
def test_sizes(size: int, shown: str) -> None:
    assert wording.amount(size) == shown


def test_a_table_and_a_partition() -> None:
    line = wording.moved("exported", "GIM", "INTERACTION_FACT", None, 12939427, 5000)
    assert re.fullmatch(r'\. \. exported "GIM"\."INTERACTION_FACT" +12\.34 MB +5000 rows', line)
    assert '"GIM"."T":"P1"' in wording.moved("imported", "GIM", "T", "P1", 0, 0)


def test_a_failed_index_has_its_name_from_12c_on_and_is_cut_off_before() -> None:
    sql = 'CREATE INDEX "GIM"."I" ON "GIM"."T" (' + ", ".join(f'"COLUMN_{n}"' for n in range(40)) + ")"
    old = wording.creation_failed("11.2", "INDEX", "GIM", "I", ["ORA-14102: x"], sql)
    new = wording.creation_failed("19c", "INDEX", "GIM", "I", ["ORA-01652: x"], sql)
    assert old[0] == "ORA-39083: Object type INDEX failed to create with error:" and sql.startswith(old[-1])
    assert len(old[-1]) < len(sql)
    assert new[0] == 'ORA-39083: Object type INDEX:"GIM"."I" failed to create with error:' and new[-1] == sql


def test_percent_done_is_missing_while_nothing_is_processed() -> None:
    progress: dict[str, object] = {"bytes": 0, "total_bytes": 100, "parallel": 2, "errors": 0}
    assert not [
        x
        for x in wording.status_block("J", "EXPORT", "SCHEMA", "EXECUTING", progress, "19c", export=True)
        if "Percent" in x
    ]
    progress["bytes"] = 40
    assert "  Percent Done: 40" in wording.status_block(
        "J", "EXPORT", "SCHEMA", "EXECUTING", progress, "19c", export=True
    )


def test_only_the_new_wording_shows_the_parameter_file() -> None:
    assert wording.parfile_values("11.2", ["schemas=GIM"]) == []
    assert ";;;  parfile:  schemas=GIM" in wording.parfile_values("19c", ["schemas=GIM"])
