"""Parameter files that the real processes read, and the guide's samples that they abend on."""

from __future__ import annotations

import pytest

from infomart_lab.goldengate.parameters import (
    Kind,
    Mapping,
    ParameterError,
    login,
    matches,
    parse,
    parse_login,
)

EXTRACT = """
-- Extract of the Info Mart
EXTRACT egim
SETENV (NLS_LANG=AMERICAN_AMERICA.AL32UTF8)
USERIDALIAS gg_site2
EXTTRAIL ./dirdat/em
TRANLOGOPTIONS EXCLUDETAG 00
LOGALLSUPCOLS
WILDCARDRESOLVE DYNAMIC
DBOPTIONS ALLOWUNUSEDCOLUMN
DDL INCLUDE OBJNAME GIM.* &
    EXCLUDE OBJNAME GIM.TMP* &
    EXCLUDE OBJNAME GIM.GIDB_G_*
DDLOPTIONS REPORT
REPORTCOUNT EVERY 60 SECONDS, RATE
TABLEEXCLUDE GIM.TMP*;
TABLEEXCLUDE GIM.GIDB_G_*
SEQUENCE GIM.*;
TABLE GIM.*;
TABLE
  GGATE.DR_MARKER;  -- the marker
"""

REPLICAT = """
REPLICAT rgim
USERID ggate@GIM3, PASSWORD "s3cret"
ASSUMETARGETDEFS
DISCARDFILE ./dirrpt/rgim.dsc, PURGE
DDL INCLUDE MAPPED
DDLERROR DEFAULT ABEND
DBOPTIONS DEFERREFCONST
DBOPTIONS SETTAG 0935
REPERROR (DEFAULT, ABEND)
REPERROR (1403, DISCARD)
MAPEXCLUDE GIM.STG_ACW;
MAP GIM.*, TARGET GIM.*;
MAP GGATE.DR_MARKER, TARGET OTHER.MARKER, HANDLECOLLISIONS;
"""


def test_extract_takes_listed_tables_and_leaves_excluded_ones() -> None:
    found = parse(EXTRACT, "extract")
    assert found.group == "EGIM"
    assert found.trail == "./dirdat/em"
    assert found.includes_table("GIM.INTERACTION_FACT")
    assert found.includes_table("GGATE.DR_MARKER")
    assert not found.includes_table("GIM.GIDB_G_CALL_V")
    assert not found.includes_table("GIM.TMP_1")
    assert not found.includes_table("ICON_TS2.G_CALL")
    assert found.includes_sequence("GIM.SEQ_ETL")
    assert not found.includes_sequence("GGATE.SEQ")


def test_ddl_over_continued_lines_has_its_rules() -> None:
    found = parse(EXTRACT, "extract")
    assert found.includes_ddl("GIM.NEW_TABLE")
    assert not found.includes_ddl("GIM.TMP_NEW")
    assert not found.includes_ddl("GGATE.DR_MARKER")


def test_tags_of_an_extract_and_a_replicat() -> None:
    assert parse(EXTRACT, "extract").excluded_tags == {"00"}
    assert parse(EXTRACT, "extract").excluded_users == set()
    by_user = parse("EXTRACT e\nTRANLOGOPTIONS EXCLUDEUSER ggate", "extract", "11.2")
    assert by_user.excluded_users == {"GGATE"} and by_user.excluded_tags == set()
    assert parse(REPLICAT, "replicat").tag == "0935"
    assert parse("REPLICAT r", "replicat").tag == "00"


def test_replicat_maps_names_with_wildcards() -> None:
    found = parse(REPLICAT, "replicat")
    assert found.mapped("GIM.INTERACTION_FACT") == "GIM.INTERACTION_FACT"
    assert found.mapped("GIM.STG_ACW") is None
    assert found.mapped("GGATE.DR_MARKER") == "OTHER.MARKER"
    assert found.mapped("ICON.X") is None
    assert Mapping("A.*", "B.*").target_of("A.T") == "B.T"


def test_responses_to_errors() -> None:
    found = parse(REPLICAT, "replicat")
    assert found.error_response(1) == "ABEND"
    assert found.error_response(1403) == "DISCARD"
    assert found.ddl_error_response() == "ABEND"
    assert not found.collisions()
    assert parse("REPLICAT r\nHANDLECOLLISIONS", "replicat").collisions()
    assert not parse("REPLICAT r\nHANDLECOLLISIONS\nNOHANDLECOLLISIONS", "replicat").collisions()


@pytest.mark.parametrize(
    ("kind", "line", "names"),
    [
        ("extract", "DDOPTIONS ADDTRANDATA RETRYOP RETRYDELAY 20 MAXRETRIES 60 REPORT", "DDOPTIONS"),
        ("replicat", "DBOPTIONS DEFERRREFCONST", "DEFERRREFCONST"),
        ("replicat", "REPEROR (DEFAULT, EXCEPTION)", "REPEROR"),
        ("extract", "SEQUENCE GIM*;", "SEQUENCE"),
        ("extract", "TABLE GIM*;", "TABLE"),
        ("replicat", "MAP GIM.*, TARGET GIM*;", "MAP"),
        ("extract", "TABLE GIM.*", "TABLE"),
        ("extract", "MAP GIM.*, TARGET GIM.*;", "MAP"),
        ("extract", "TRANLOGOPTIONS EXCLUDETAGS 00", "EXCLUDETAGS"),
        ("replicat", "REPERROR (DEFAULT, STOP)", "REPERROR"),
        ("extract", "DDL INCLUDE GIM.*", "DDL"),
    ],
)
def test_a_wrong_line_is_the_error_that_the_process_abends_on(kind: Kind, line: str, names: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse(line, kind)
    assert caught.value.code.startswith("OGG-00")
    assert names in caught.value.text


def test_release_11_2_does_not_know_what_came_later() -> None:
    for line in ("USERIDALIAS a", "TRANLOGOPTIONS EXCLUDETAG 00"):
        with pytest.raises(ParameterError):
            parse(line, "extract", "11.2")
        parse(line, "extract", "19c")


def test_pump_knows_its_target() -> None:
    text = "EXTRACT pgim\nPASSTHRU\nRMTHOST db3.example.com, MGRPORT 7810, COMPRESS\nRMTTRAIL ./dirdat/dp\n"
    found = parse(text + "TABLE GIM.*;", "extract")
    assert found.remote == ("db3.example.com", 7810)
    assert found.trail == "./dirdat/dp"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ggate, PASSWORD secret", ("GGATE", "secret")),
        ("ggate@GIM3 PASSWORD 'secret'", ("GGATE", "secret")),
        ("GGATE@//db:1521/GIM3, password s", ("GGATE", "s")),
        ("GGATE", ("GGATE", None)),
    ],
)
def test_logins(text: str, expected: tuple[str, str | None]) -> None:
    assert parse_login(text) == expected


def test_login_of_a_file() -> None:
    assert login(parse(REPLICAT, "replicat")) == ("GGATE", "s3cret", None)
    assert login(parse(EXTRACT, "extract")) == ("", None, "gg_site2")
    assert login(parse("EXTRACT p\nPASSTHRU", "extract")) is None


def test_only_star_and_question_mark_are_wildcards() -> None:
    assert matches("GIM.A?C*", "GIM.ABCD")
    assert not matches("GIM.A?C*", "GIM.AC")
    assert not matches("GIM.[AB]", "GIM.A")
    assert not matches("GIM.A", "GIM.AB")
