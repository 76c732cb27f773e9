"""Records of ggserr.log and replies to REGISTER near the known cases."""

from __future__ import annotations

import pytest

from infomart_dr.hooks.parse_ggsci import is_present_already, is_registered, parse_ggserr, parse_registered, parse_scn

# -- ggserr.log --------------------------------------------------------------------------------------

TEXT = "OGG-01296  Oracle GoldenGate Delivery for Oracle, rgim.prm:  Error mapping from GIM.CALENDAR to GIM.CALENDAR."


@pytest.mark.parametrize(
    "line",
    [
        f"2012-01-11 15:40:42  ERROR   {TEXT}",
        f"2018-09-26T12:34:35.424-0700  ERROR   {TEXT}",
        f"2018-09-26T12:34:35.424-07:00  ERROR   {TEXT}",
        f"2018-09-26T12:34:35.424 +0000\tERROR\t{TEXT}",
        f"2018-09-26T12:34:35Z  ERROR   {TEXT}",
        f"2018-09-26 12:34:35,424  ERROR   {TEXT}",
        f"2018/09/26 12:34:35  ERROR   {TEXT}",
        f"\ufeff2018-09-26 12:34:35  ERROR   {TEXT}\r",
        f"  2018-09-26 12:34:35  ERROR   {TEXT}",
        f"2018-09-26 12:34:35  error   {TEXT}",
        f"2018-09-26 12:34:35  FATAL   {TEXT}",
        f"2018-09-26 12:34:35  エラー   {TEXT}",
        f"2018-09-26 12:34:35  错误   {TEXT}",
        f"2018-09-26 12:34:35  FEHLER   {TEXT}",
        f"2018-09-26T12:34:35.424000123+0000  ERROR   {TEXT}",
    ],
)
def test_an_error_record_is_seen_in_every_shape(line: str) -> None:
    (record,) = parse_ggserr(f"the end of a record that was cut\n{line}\n  further text\n")
    assert (record.severity, record.code) == ("ERROR", "OGG-01296") and record.time is not None
    assert record.message.endswith("further text")


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("INFO", "INFO"),
        ("Info", "INFO"),
        ("情報", "INFO"),
        ("信息", "INFO"),
        ("WARNING", "WARNING"),
        ("警告", "WARNING"),
    ],
)
def test_other_records_are_no_errors(word: str, severity: str) -> None:
    (record,) = parse_ggserr(f"2018-09-26 12:34:35  {word}    OGG-00987  text\n")
    assert record.severity == severity


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_record_that_is_still_being_written_is_no_other_record(cut: int) -> None:
    line = f"2018-09-26 12:34:35  ERROR   {TEXT}"
    assert len(parse_ggserr(f"{line}\n{line[:cut]}")) == (2 if cut > 38 else 1)


# -- REGISTER EXTRACT ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "scn"),
    [
        ("Extract EGIM successfully registered with database at SCN 1440415.", 1440415),
        ("2026-11-03 10:01:30  INFO    OGG-02003  Extract EGIM successfully registered with database at SCN 12.", 12),
        ("Extract EGIM successfully registered with database at SCN 1,440,415.", 1440415),
        ("Extract EGIM successfully registered with database at SCN 1.440.415.", 1440415),
        ("Extract EGIM successfully registered with database at SCN 1\u202f440\u202f415.", 1440415),
        ("Extract EGIM successfully registered with database at SCN 0.1440415.", 1440415),
        ("Extract EGIM successfully registered with database at SCN 1.5.", (1 << 32) + 5),
        ("Extract EGIM successfully registered with database at SCN 281474976710655.", 281474976710655),
        ("Extract EGIM was successfully registered with the database at\nSCN 4295 .", 4295),
        ("OGG-02003  Extract EGIM wurde erfolgreich bei der Datenbank registriert, SCN 1440415.", 1440415),
        ("REGISTERED WITH DATABASE AT SCN: 1440415", 1440415),
        ("Successfully logged into database.\n\nExtract EGIM successfully registered with database.", None),
    ],
)
def test_the_scn_of_a_registration_in_every_shape(reply: str, scn: int | None) -> None:
    assert parse_registered(reply) == scn
    assert is_registered(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "ERROR: Cannot register or unregister EXTRACT EGIM because no Oracle database login was made.",
        "OGG-02022  Logmining server does not exist on this Oracle database.",
        "OGG-01755  Cannot register or unregister EXTRACT EGIM because of the following SQL error: OCI Error ORA-26947",
        "OGG-08221  Cannot register or unregister EXTRACT EGIM: ORA-04031: unable to allocate 4064 bytes",
        "Successfully logged into database.",
        "",
    ],
)
def test_a_refused_registration_is_none(reply: str) -> None:
    assert parse_registered(reply) is None and not is_registered(reply) and not is_present_already(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "ERROR: This EXTRACT EGIM is already registered with the database.",
        "OGG-08241  This EXTRACT EGIM is already registered with the database.",
        "ORA-26665: Oracle GoldenGate or XStream process OGG$CAP_EGIM already exists",
    ],
)
def test_a_registration_that_is_there_is_known(reply: str) -> None:
    assert is_present_already(reply)


@pytest.mark.parametrize(
    ("text", "scn"),
    [
        ("SCN 0.1440415 (1440415)", 1440415),
        ("SCN 1.5 (4,294,967,301)", 4294967301),
        ("SCN: 1,440,415", 1440415),
        ("SCN 0.144", 144),
        ("SCN 5\nSCN 7", 7),
        ("no number", None),
    ],
)
def test_an_scn_in_every_shape(text: str, scn: int | None) -> None:
    assert parse_scn(text) == scn
