"""Parameter files: one exclusion list in four places, none of the guide's misprints, differences between releases."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
from tests.unit.hooks.gg_sample import ENCRYPTED, FROM_ROOT, make_topology

from infomart_dr.errors import GuardError, PermanentError, TopologyError
from infomart_dr.hooks import goldengate_parameters as parameters
from infomart_dr.hooks.raa import uses_labels
from infomart_dr.text import without_passwords
from infomart_lab.goldengate.parameters import parse as lab_parse

#: "Tables Excluded from Replication" of the guide, as printed, for 8.1.4.
PROSE = re.findall(
    r"\S+",
    """
GIDB_G_AGENT_STATE_HISTORY_MM GIDB_G_AGENT_STATE_HISTORY_V GIDB_G_AGENT_STATE_RC_MM
GIDB_G_AGENT_STATE_RC_V GIDB_G_CALL_HISTORY_MM GIDB_G_CALL_HISTORY_V GIDB_G_CALL_MM GIDB_G_CALL_STAT_V
GIDB_G_CALL_V GIDB_G_CUSTOM_DATA_S_MM GIDB_G_CUSTOM_DATA_S_V GIDB_G_DND_HISTORY_MM GIDB_G_DND_HISTORY_V
GIDB_G_IR_HISTORY_MM GIDB_G_IR_HISTORY_V GIDB_G_IR_MM GIDB_G_IR_V GIDB_G_IS_LINK_HISTORY_V
GIDB_G_IS_LINK_V GIDB_G_LOGIN_SESSION_MM GIDB_G_LOGIN_SESSION_V GIDB_G_PARTY_HISTORY_MM
GIDB_G_PARTY_HISTORY_V GIDB_G_PARTY_MM GIDB_G_PARTY_V GIDB_G_ROUTE_RES_VQ_HIST_MM
GIDB_G_ROUTE_RES_VQ_HIST_V GIDB_G_ROUTE_RESULT_MM GIDB_G_ROUTE_RESULT_V GIDB_G_SECURE_UD_HISTORY_MM
GIDB_G_SECURE_UD_HISTORY_V GIDB_G_USERDATA_HISTORY_MM GIDB_G_USERDATA_HISTORY_V GIDB_G_VIRTUAL_QUEUE_MM
GIDB_G_VIRTUAL_QUEUE_V GIDB_GM_F_USERDATA GIDB_GM_L_USERDATA GIDB_GO_CAMPAIGN GIDB_GO_CAMPAIGNHISTORY
GIDB_GO_CHAIN GIDB_GO_CHAINREC_HIST GIDB_GO_FIELDHIST GIDB_GO_METRICS GIDB_GO_SEC_FIELDHIST
GIDB_GOX_CHAIN_CALL AGR_JUNK_NOTIFICATION AGR_LOCK AGR_NOTIFICATION G_CALL G_IR G_IS_LINK STG_ACW
STG_ACTIVE_ACW STG_IDB_FK_VIOLATION STG_SM_RES_ST_REASON_FACT_MM STG_SM_RES_ST_REASON_FACT_V
STG_SM_RES_STATE_FACT_MM STG_SM_RES_STATE_FACT_V STG_TRANSFORM_DISCARDS STG_UDH_CID_V STG_UDH_V
STG_UDH_V_UNP STG_UDH_V2 STG_UDH_V2_UNP CTL_TRANSFORM_HISTORY CTL_EXTRACT_HISTORY CTL_PURGE_HISTORY
CTL_SCHEMA_INFO
""",
)
#: Tables that the guide names for release 8.1.0 only.
ONLY_8_1_0 = ["GIDB_GO_RECORD", "STG_UDH_MM"]
#: Tables that the guide's samples exclude in at least one of the four places.
SAMPLES = re.findall(
    r"\S+",
    """TMP* DBMS_TAB* GIDB_G_* GIDB_GM* GIDB_GO* AGR_JUNK_NOTIFICATION AGR_LOCK AGR_NOTIFICATION G_CALL G_IR
G_IS_LINK STG_ACW STG_ACTIVE_ACW STG_IDB_FK_VIOLATION STG_SM_RES_ST_REASON_FACT_MM STG_SM_RES_ST_REASON_FACT_V
STG_SM_RES_STATE_FACT_MM STG_SM_RES_STATE_FACT_V STG_TRANSFORM_DISCARDS STG_UDH_* CTL_TRANSFORM_HISTORY
CTL_EXTRACT_HISTORY CTL_PURGE_HISTORY CTL_SCHEMA_INFO""",
)
RELEASES = ["8.1.0", "8.1.1", "8.1.4"]


def four_places(release: str) -> dict[str, list[str]]:
    """Names without schema that each of the four places excludes, read from the rendered files."""
    topology = make_topology(release)
    extract = parameters.render_extract(topology, "site2", "site3")
    pump = parameters.render_pump(topology, "site2", "site3")
    replicat = parameters.render_replicat(topology, "site3", "site2")
    name = r"\s+GIM\.(\S+?)[;&]?\s*$"
    return {
        "DDL EXCLUDE": re.findall(r"EXCLUDE OBJNAME GIM\.(\S+)", extract),
        "TABLEEXCLUDE of the Extract": re.findall("^TABLEEXCLUDE" + name, extract, re.MULTILINE),
        "TABLEEXCLUDE of the pump": re.findall("^TABLEEXCLUDE" + name, pump, re.MULTILINE),
        "MAPEXCLUDE": re.findall("^MAPEXCLUDE" + name, replicat, re.MULTILINE),
    }


#: Working tables of Oracle's Compression Advisor, up to 11.2.0.3 and later.
ADVISOR = {"DBMS_TAB*", "CMP1$*", "CMP2$*", "CMP3$*", "CMP4$*"}


@pytest.mark.parametrize("release", RELEASES)
def test_the_four_places_agree_with_the_guides_lists_table_by_table(release: str) -> None:
    expected = {*PROSE, "TMP_*", *ADVISOR} | (set(ONLY_8_1_0) if release == "8.1.0" else set())
    for place, names in four_places(release).items():
        assert set(names) == expected, place
        assert len(names) == len(set(names)), place


def test_the_prose_list_has_all_tables_of_the_guide() -> None:
    assert len(PROSE) == 68
    assert {"GIDB_GOX_CHAIN_CALL", "STG_UDH_V2_UNP", "G_IS_LINK", "CTL_SCHEMA_INFO"} <= set(PROSE)


@pytest.mark.parametrize("release", RELEASES)
def test_what_the_samples_exclude_by_name_is_excluded(release: str) -> None:
    for pattern in SAMPLES:
        if "*" not in pattern:
            assert parameters.is_excluded(release, pattern), pattern


def test_each_named_table_that_a_sample_covers_by_a_wildcard_stands_in_the_list() -> None:
    covered = [t for t in PROSE if any(fnmatchcase(t, p) for p in SAMPLES)]
    # GIDB_GOX_CHAIN_CALL is covered by GIDB_GO*; every named table is covered by some sample.
    assert covered == PROSE


@pytest.mark.parametrize(
    "table",
    [
        "GIDB_GC_AGENT",
        "CTL_EXTRACT_HWM",
        "CTL_AUDIT_LOG",
        "INTERACTION_FACT",
        "G_CALL_X",
        "TMPX",
        "GIDB_G_NEW",
        "AGT_X",
    ],
)
def test_tables_that_nobody_named_are_replicated(table: str) -> None:
    for release in RELEASES:
        assert not parameters.is_excluded(release, table)


def test_is_excluded_takes_patterns_schemas_and_any_case() -> None:
    assert parameters.is_excluded("8.1.4", "GIM.TMP_X")
    assert parameters.is_excluded("8.1.4", "tmp_anything")
    assert parameters.is_excluded("8.1.4", "DBMS_TABCOMP_TEMP_CMP")
    assert all(parameters.is_excluded(release, "CMP3$1047562") for release in RELEASES)
    assert not parameters.is_excluded("8.1.4", "CMP5$1")
    assert parameters.is_excluded("8.1.0", "GIDB_GO_RECORD")
    assert not parameters.is_excluded("8.1.1", "GIDB_GO_RECORD")
    assert parameters.replicated("8.1.4", ["GIM.G_CALL", "GIM.CTL_EXTRACT_HWM"]) == ["GIM.CTL_EXTRACT_HWM"]


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("8.1.0", "8.1.0"),
        ("8.1", "8.1.0"),
        ("8.1.2", "8.1.1"),
        ("8.1.3", "8.1.1"),
        ("8.1.4", "8.1.4"),
        ("8.1.402.07", "8.1.4"),
        ("8.1.001.02", "8.1.1"),
    ],
)
def test_a_release_between_two_lists_takes_the_lower(release: str, expected: str) -> None:
    assert parameters.exclusion_list(release) == expected


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("8.1", (8, 1, 0)),
        ("8.1.2", (8, 1, 2)),
        ("8.1.101.18", (8, 1, 1)),
        ("8.1.001.02", (8, 1, 1)),
        ("8.1.400", (8, 1, 4)),
        ("8.5.116.20", (8, 5, 1)),
    ],
)
def test_a_release_with_its_build_is_known_by_its_three_numbers(release: str, expected: tuple[int, ...]) -> None:
    assert parameters.three_parts(release) == expected


def test_the_release_of_raa_is_read_the_same_way() -> None:
    assert [uses_labels(release) for release in ("8.1.101.04", "8.1.300", "8.1.400.11", "8.5.001")] == [
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("release", ["8.5.0", "8.1.5", "9.0", "7.6", "8.0.1"])
def test_a_release_without_a_list_is_an_error_that_names_the_file_to_add(release: str) -> None:
    with pytest.raises(PermanentError) as error:
        parameters.exclusions(release)
    assert "include/gg/exclusions/" in error.value.next_step


def test_each_entry_names_its_source() -> None:
    for release in RELEASES:
        for entry in parameters.exclusions(release):
            # A number of the guide, or of a note of Oracle's support.
            assert re.fullmatch(r"guide:\d+|oracle:\d+\.1", entry.source)


MISPRINTS = [
    r"\bDDOPTIONS\b",
    r"\bDEFERRREFCONST\b",
    r"\bREPEROR\b",
    r"GIM\*",
    r"DDLERROR\s+DEFAULT\s+IGNORE",
    r"\bEXCEPTION\b",
    r"(?:TABLE|MAP)EXCLUDE[^\n]*;",
    r"\bTMP\*",
    r"PASSWORD\s+(?!AACA)",
    r"dirdat/DP",
]


@pytest.mark.parametrize("release", ["11.2", "12.1", "12.2", "12.3", "19.1", "21.3"])
def test_no_misprint_of_the_guide_is_rendered_and_each_line_is_valid(release: str) -> None:
    topology = make_topology("8.1.1", release=release, login=ENCRYPTED if release == "11.2" else {"alias": "gg"})
    texts = [
        (parameters.render_extract(topology, "site2", "site3"), "extract"),
        (parameters.render_pump(topology, "site2", "site3"), "extract"),
        (parameters.render_replicat(topology, "site3", "site2"), "replicat"),
    ]
    for text, kind in texts:
        for misprint in MISPRINTS:
            assert not re.search(misprint, text), misprint
        # The lab's parser refuses unknown parameters and options, as the real processes do.
        parsed = lab_parse(text, kind, "11.2" if release == "11.2" else "19c")
        assert parsed.group


def test_the_parsed_files_take_exactly_what_is_replicated() -> None:
    topology = make_topology("8.1.4")
    extract = lab_parse(parameters.render_extract(topology, "site2", "site3"), "extract")
    pump = lab_parse(parameters.render_pump(topology, "site2", "site3"), "extract")
    replicat = lab_parse(parameters.render_replicat(topology, "site3", "site2"), "replicat")
    for table in [*PROSE, *ONLY_8_1_0, "TMP_1", "INTERACTION_FACT", "CTL_EXTRACT_HWM", "GIDB_GC_AGENT"]:
        name, taken = f"GIM.{table}", not parameters.is_excluded("8.1.4", table)
        assert extract.includes_table(name) is taken
        assert extract.includes_ddl(name) is taken
        assert pump.includes_table(name) is taken
        assert replicat.mapped(name) == (name if taken else None)
        assert replicat.includes_ddl(name) is taken
    for each in (extract, pump):
        assert each.includes_sequence("GIM.SEQ_X")
        assert each.includes_table("GGATE.DR_MARKER")
        assert not each.includes_table("GGATE.DR_LEDGER")
    assert replicat.mapped("GGATE.DR_MARKER") == "GGATE.DR_MARKER"


def test_a_ddl_statement_ends_without_a_continuation_sign() -> None:
    lines = parameters.render_extract(make_topology(), "site2", "site3").splitlines()
    last = max(i for i, line in enumerate(lines) if "EXCLUDE OBJNAME" in line)
    assert not lines[last].endswith("&")
    assert all(line.endswith("&") for line in lines[:last] if "OBJNAME" in line)


@pytest.mark.parametrize(
    ("release", "line"),
    [
        ("11.2", "DDLOPTIONS ADDTRANDATA RETRYOP RETRYDELAY 20 MAXRETRIES 60, REPORT"),
        ("12.2", "DDLOPTIONS ADDTRANDATA RETRYOP RETRYDELAY 20 MAXRETRIES 60, REPORT"),
        ("12.3", "DDLOPTIONS REPORT"),
        ("19.1", "DDLOPTIONS REPORT"),
    ],
)
def test_ddl_options_follow_the_release(release: str, line: str) -> None:
    topology = make_topology(release=release, login=ENCRYPTED)
    assert line in parameters.statements(parameters.render_extract(topology, "site2", "site3"))


def test_login_and_loop_protection_before_and_since_release_12() -> None:
    old, new = make_topology(release="11.2", login=ENCRYPTED), make_topology(tag="0A")
    extract, replicat = (
        parameters.render_extract(old, "site2", "site3"),
        parameters.render_replicat(old, "site2", "site3"),
    )
    login = "USERID GGATE, PASSWORD AACAAAAAAAAAAAKAPATACEHBIGQGCFZC, BLOWFISH, ENCRYPTKEY DEFAULT"
    assert login in parameters.statements(extract)
    assert login in parameters.statements(replicat)
    assert "TRANLOGOPTIONS EXCLUDEUSER GGATE" in parameters.statements(extract)
    assert "SETTAG" not in replicat
    extract, replicat = (
        parameters.render_extract(new, "site2", "site3"),
        parameters.render_replicat(new, "site2", "site3"),
    )
    assert "USERIDALIAS ggalias" in parameters.statements(extract)
    assert "TRANLOGOPTIONS EXCLUDETAG 0a" in parameters.statements(extract)
    assert "DBOPTIONS SETTAG 0a" in parameters.statements(replicat)


def test_an_alias_with_a_release_without_credential_store_is_an_error() -> None:
    with pytest.raises(TopologyError, match=r"11\.2"):
        parameters.render_extract(make_topology(release="11.2"), "site2", "site3")


def test_the_pump_goes_where_the_topology_says_and_writes_its_sites_own_trail_there() -> None:
    statements = parameters.statements(parameters.render_pump(make_topology(), "site2", "site3"))
    assert "RMTHOST db3.example.com, MGRPORT 7803, COMPRESS" in statements
    assert "RMTTRAIL ./dirdat/d2" in statements


def test_a_pump_to_a_host_that_cannot_be_reached_names_the_field_to_add() -> None:
    with pytest.raises(TopologyError) as error:
        parameters.render_pump(make_topology(), "site3", "site1")
    assert "hosts.db1.seen_from.site3" in error.value.next_step


def test_handle_collisions_is_never_rendered() -> None:
    assert "HANDLECOLLISIONS" not in parameters.render_replicat(make_topology(), "site3", "site2")


def test_the_marker_goes_from_the_schema_of_one_site_into_that_of_the_other() -> None:
    topology = make_topology(unlike={"site2": {"schema": "GGADMIN"}})
    for here, there in (("site2", "site3"), ("site3", "site2")):
        files = parameters.render_site(topology, here, there), parameters.render_site(topology, there, here)
        marker = f"{topology.sites[here].goldengate.schema_name}.DR_MARKER"
        for name in ("egim", "pgim"):
            assert lab_parse(files[0][name.upper()], "extract").includes_table(marker)
        replicat = lab_parse(files[1]["RGIM"], "replicat")
        assert replicat.mapped(marker) == f"{topology.sites[there].goldengate.schema_name}.DR_MARKER"


def test_the_rows_that_stopped_a_replicat_outlive_its_restart() -> None:
    statements = parameters.statements(parameters.render_replicat(make_topology(), "site3", "site2"))
    assert (
        "DISCARDFILE ./dirrpt/rgim.dsc, APPEND, MEGABYTES 100" in statements
        and "DISCARDROLLOVER AT 00:01" in statements
    )


def test_a_replicat_rolls_back_a_transaction_whose_end_does_not_arrive() -> None:
    """A lost source leaves one; without the limit the complete transactions before it would wait for ever."""
    statements = parameters.statements(parameters.render_replicat(make_topology(), "site3", "site2"))
    assert "TRANSACTIONTIMEOUT 60 SECONDS" in statements


# -- the site's own lines ----------------------------------------------------------------------------------

EXTRA = {
    "extract": ["SETENV (ORACLE_SID=GIM2)", "ENCRYPTTRAIL AES192", "REPORTCOUNT EVERY 5 MINUTES, RATE"],
    "pump": ["ENCRYPTTRAIL AES192"],
    "replicat": ["GROUPTRANSOPS 2000"],
}


def test_a_sites_own_lines_stand_before_the_login_and_the_trail() -> None:
    """SETENV counts for the login, and ENCRYPTTRAIL for the trails that follow it."""
    topology = make_topology(extra_parameters=EXTRA, rmthost_options="ENCRYPT AES192, TCPBUFSIZE 1000000")
    files = parameters.render_site(topology, "site2", "site3")
    extract, pump, replicat = (parameters.statements(files[f"{name}GIM"]) for name in "EPR")
    assert extract[:6] == ["EXTRACT EGIM", *EXTRA["extract"], "USERIDALIAS ggalias", "EXTTRAIL ./dirdat/em"]
    assert pump[:3] == [
        "EXTRACT PGIM",
        "ENCRYPTTRAIL AES192",
        "RMTHOST db3.example.com, MGRPORT 7803, ENCRYPT AES192, TCPBUFSIZE 1000000",
    ]
    assert replicat[:3] == ["REPLICAT RGIM", "GROUPTRANSOPS 2000", "USERIDALIAS ggalias"]
    assert [line for line in extract if line.startswith("REPORT")] == [
        "REPORTCOUNT EVERY 5 MINUTES, RATE",
        "REPORT AT 00:01",
        "REPORTROLLOVER AT 00:01",
    ], "a line of the site's own takes the place of the rendered one"
    for name, kind in (("egim", "extract"), ("pgim", "extract"), ("rgim", "replicat")):
        assert lab_parse(files[name.upper()], kind).group


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("TABLE GIM.G_CALL;", "the procedures set it"),
        ("USERID ggate, PASSWORD AACAAAAAAAAAAAKAPATACEHBIGQGCFZC, ENCRYPTKEY DEFAULT", "the procedures set it"),
        ("TRANLOGOPTIONS EXCLUDEUSER GGATE", "the procedures set it"),
        ("DBOPTIONS SETTAG 01", "the procedures set it"),
        ("handlecollisions", "doubles rows, or hides that"),
        ("DDLOPTIONS GETREPLICATES, GETAPPLOPS", "GETAPPLOPS, GETREPLICATES"),
        ("BATCHSQL", "an arrived marker proves nothing"),
        ("MAXTRANSOPS 1000", "an arrived marker proves nothing"),
        ("TRANLOGOPTIONS ASMUSER sys@asm, ASMPASSWORD s3cret", "a line without a password"),
        ("TRANLOGOPTIONS MININGUSER g, MININGPASSWORD\ts3cret", "text of the form"),
        ("DBOPTIONS &", "one line"),
        ("REPORT AT 00:01\nTABLE X.*;", "text of the form"),
        ("-- a comment", "text of the form"),
    ],
)
def test_a_line_that_the_procedures_own_or_that_hides_faults_is_refused_with_the_reason(line: str, reason: str) -> None:
    with pytest.raises(TopologyError) as raised:
        make_topology(extra_parameters={"extract": [line]})
    assert reason in str(raised.value) and "extra_parameters.extract.0" in str(raised.value)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "line",
    [
        "TRANLOGOPTIONS DBLOGREADER, DBLOGREADERBUFSIZE 4194304",
        "TRANLOGOPTIONS INTEGRATEDPARAMS (max_sga_size 1024, parallelism 2)",
        "TRANLOGOPTIONS ASMUSER sys@asm, ASMPASSWORD AACAAAAAAAAAAAKAPATACEHB, BLOWFISH, ENCRYPTKEY DEFAULT",
        "TRANLOGOPTIONS MININGUSERALIAS ggm",
        "CACHEMGR CACHESIZE 8GB",
        "INCLUDE ./dirprm/site.mac",
        "#defaults ()",
    ],
)
def test_what_a_site_needs_of_its_own_is_taken(line: str) -> None:
    topology = make_topology(extra_parameters={"extract": [line]})
    assert line in parameters.render_extract(topology, "site2", "site3").splitlines()


# -- two releases ------------------------------------------------------------------------------------------


def pair(sender: str, receiver: str, database: str = "11.2") -> dict[str, list[str]]:
    """Statements of Extract, pump and Replicat of a direction, by the first letter of the group."""
    topology = make_topology(
        unlike={
            "site2": {"release": sender, "login": ENCRYPTED},
            "site3": {"release": receiver, "login": ENCRYPTED},
        }
    )
    topology.sites["site2"].database.__dict__["release"] = database
    sending = parameters.render_extract(topology, "site2", "site3"), parameters.render_pump(topology, "site2", "site3")
    files = dict(zip("ep", sending, strict=True)) | {"r": parameters.render_replicat(topology, "site3", "site2")}
    return {name: parameters.statements(text) for name, text in files.items()}


@pytest.mark.parametrize(
    ("sender", "receiver", "local", "remote"),
    [
        ("19.1", "19.1", "", ""),
        ("11.2", "19.1", "", ""),
        ("21.3", "19.1", ", FORMAT RELEASE 19.1", ""),
        ("19.1.0.0", "12.2.0.1", ", FORMAT RELEASE 12.2", ""),
        ("12.1", "11.2", ", FORMAT RELEASE 11.2", ", FORMAT RELEASE 11.2"),
    ],
)
def test_the_trail_has_the_format_of_the_older_goldengate(sender: str, receiver: str, local: str, remote: str) -> None:
    """Before 12.3 a pump chooses the format; later ones take that of the local trail."""
    statements = pair(sender, receiver)
    assert f"EXTTRAIL ./dirdat/em{local}" in statements["e"]
    assert f"RMTTRAIL ./dirdat/d2{remote}" in statements["p"]


@pytest.mark.parametrize(
    ("sender", "receiver", "assumed"),
    [("19.1", "19.1", False), ("12.2", "21.3", False), ("11.2", "19.1", True), ("12.2", "12.1", True)],
)
def test_definitions_are_assumed_only_where_the_trail_does_not_carry_them(
    sender: str, receiver: str, assumed: bool
) -> None:
    assert ("ASSUMETARGETDEFS" in pair(sender, receiver)["r"]) is assumed


@pytest.mark.parametrize(
    ("sender", "receiver", "database", "oldest"),
    [("19.1", "11.2", "19.0", "12.2"), ("12.3", "12.1", "12.2", "12.2"), ("19.1", "12.1", "11.2", "12.2")],
)
def test_a_trail_that_the_older_goldengate_cannot_read_is_refused(
    sender: str, receiver: str, database: str, oldest: str
) -> None:
    with pytest.raises(TopologyError, match=f"oldest format is that of {oldest}"):
        pair(sender, receiver, database)


def test_globals_name_the_schema_for_flush_sequence() -> None:
    statements = parameters.statements(parameters.render_globals(make_topology(), "site3"))
    assert statements == ["GGSCHEMA GGATE", "CHECKPOINTTABLE GGATE.GGS_CHECKPOINT"]


RENDERED = "-- GLOBALS of site3\nGGSCHEMA GGATE\nCHECKPOINTTABLE GGATE.GGS_CHECKPOINT\n"


def test_a_missing_globals_is_written_as_rendered() -> None:
    assert parameters.merge_globals(None, RENDERED, "") == RENDERED


def test_globals_keep_what_others_have_put_there_and_get_what_is_missing() -> None:
    there = "-- ours\nMGRSERVNAME GGS\n\nENABLEMONITORING\n"
    merged = parameters.merge_globals(there, RENDERED, "dublin:/ogg/GLOBALS")
    assert merged == there + "GGSCHEMA GGATE\nCHECKPOINTTABLE GGATE.GGS_CHECKPOINT\n"


@pytest.mark.parametrize("there", ["ggschema OLDGG\n", "GGSCHEMA GGATE\nGGSCHEMA &\n  OLDGG\n"])
def test_the_schema_of_another_application_of_the_home_is_never_replaced(there: str) -> None:
    with pytest.raises(
        GuardError, match="dublin:/ogg/GLOBALS has GGSCHEMA OLDGG, and the topology has GGATE"
    ) as caught:
        parameters.merge_globals(there, RENDERED, "dublin:/ogg/GLOBALS")
    assert "use another home" in caught.value.next_step


def test_the_default_checkpoint_table_of_another_application_stays() -> None:
    there = "ggschema ggate\nCHECKPOINTTABLE OTHERS.CHECKPOINTS\n"
    assert parameters.merge_globals(there, RENDERED, "") == there


def test_globals_that_say_it_already_stay_as_they_are_to_the_letter() -> None:
    there = "CHECKPOINTTABLE   GGATE.GGS_CHECKPOINT\nGGSCHEMA\tGGATE\n"
    assert parameters.merge_globals(there, RENDERED, "") == there
    once = parameters.merge_globals("X 1\n", RENDERED, "dublin:/ogg/GLOBALS")
    assert parameters.merge_globals(once, RENDERED, "") == once


@pytest.mark.parametrize(
    "line",
    [
        "USERID ggate, PASSWORD s3cret",
        "USERID ggate@GIM2, password s3cret, BLOWFISH, ENCRYPTKEY DEFAULT",
        'USERID ggate PASSWORD "s3cret, with a comma"',
        "USERID ggate, PASSWORD\ts3cret",
        "USERID ggate, PASSWORD &\n  s3cret, BLOWFISH",
        "TRANLOGOPTIONS ASMUSER sys@asm, ASMPASSWORD s3cret, BLOWFISH",
        "TRANLOGOPTIONS MININGUSER ggm, MININGPASSWORD s3cret",
    ],
)
def test_no_password_of_an_older_file_is_shown(line: str) -> None:
    shown = without_passwords(f"EXTRACT EGIM\n{line}\nEXTTRAIL ./dirdat/em\n")
    assert "s3cret" not in shown and "comma" not in shown and "***" in shown
    assert shown.startswith("EXTRACT EGIM\n") and shown.endswith("EXTTRAIL ./dirdat/em\n")


def test_what_is_no_password_is_shown() -> None:
    text = (
        "USERIDALIAS ggate\n-- the password stands in the credential store\nMAP GIM.PASSWORDS, TARGET GIM.PASSWORDS;\n"
    )
    assert "credential" not in without_passwords("PASSWORD credential\n")
    shown = without_passwords(text)
    assert "USERIDALIAS ggate" in shown and "MAP GIM.PASSWORDS, TARGET GIM.PASSWORDS;" in shown


def test_statements_ignore_comments_blanks_and_continuations() -> None:
    assert parameters.statements("-- x\n\nDDL  INCLUDE &\n   ALL\nREPORT AT 00:01\n") == [
        "DDL INCLUDE ALL",
        "REPORT AT 00:01",
    ]


# -- multitenant databases ---------------------------------------------------------------------------------

ROOT, OTHER = {"site2": {"pdb": "PDB2"}}, {"site3": {"pdb": "PDB3"}}
LATER = {"site2": {"release": "21.0", "pdb": "PDB2"}}


def names_of(text: str) -> set[str]:
    """Owners of a file's objects, with the container where one is named; not those of targets."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
    return set(re.findall(r"(?<!TARGET )(?<![\w.$])((?:\w+\.)?(?:GIM|GGATE))\.[\w*$]", body))


def targets_of(text: str) -> set[str]:
    return set(re.findall(r"TARGET (\S+?);", text))


def test_an_extract_of_the_root_and_its_pump_name_the_pdb_everywhere() -> None:
    topology = make_topology(databases=ROOT, unlike={"site2": FROM_ROOT})
    extract = parameters.render_extract(topology, "site2", "site3")
    assert names_of(extract) == {"PDB2.GIM", "PDB2.GGATE"}
    assert "\nUSERIDALIAS cggalias\n" in extract
    assert "DDL INCLUDE OBJNAME PDB2.GIM.*" in extract
    assert "EXCLUDE OBJNAME PDB2.GIM.GIDB_G_" in extract
    for line in ("SEQUENCE PDB2.GIM.*;", "TABLE PDB2.GIM.*;", "TABLE PDB2.GGATE.DR_MARKER;"):
        assert f"\n{line}\n" in extract
    assert names_of(parameters.render_pump(topology, "site2", "site3")) == {"PDB2.GIM", "PDB2.GGATE"}


@pytest.mark.parametrize("databases", [ROOT, {**ROOT, **OTHER}])
def test_a_replicat_maps_the_pdb_of_the_source_into_its_own_database(databases: dict[str, dict[str, str]]) -> None:
    topology = make_topology(databases=databases, unlike=dict.fromkeys(databases, FROM_ROOT))
    text = parameters.render_replicat(topology, "site3", "site2")
    assert names_of(text) == {"PDB2.GIM", "PDB2.GGATE"}
    assert targets_of(text) == {"GIM.*", "GGATE.DR_MARKER"}
    assert "MAPEXCLUDE PDB2.GIM.GIDB_G_" in text
    # A Replicat logs in to the PDB, never to the root.
    assert "\nUSERIDALIAS ggalias\n" in text


def test_a_replicat_in_a_pdb_maps_the_names_of_a_source_that_is_no_cdb() -> None:
    topology = make_topology(databases=ROOT, unlike={"site2": FROM_ROOT})
    text = parameters.render_replicat(topology, "site2", "site3")
    assert names_of(text) == {"GIM", "GGATE"}
    assert targets_of(text) == {"GIM.*", "GGATE.DR_MARKER"}


def test_with_an_extract_of_the_pdb_both_forms_of_its_names_are_read() -> None:
    topology = make_topology(databases=LATER, release="21.3")
    assert names_of(parameters.render_extract(topology, "site2", "site3")) == {"GIM", "GGATE"}
    both = {"GIM", "GGATE", "PDB2.GIM", "PDB2.GGATE"}
    assert names_of(parameters.render_pump(topology, "site2", "site3")) == both
    replicat = parameters.render_replicat(topology, "site3", "site2")
    assert names_of(replicat) == both
    assert targets_of(replicat) == {"GIM.*", "GGATE.DR_MARKER"}


def test_globals_name_the_schema_alone_since_its_objects_are_in_the_pdb() -> None:
    topology = make_topology(databases=ROOT, unlike={"site2": FROM_ROOT})
    assert "GGSCHEMA GGATE\n" in parameters.render_globals(topology, "site2")


def test_a_file_is_the_procedures_own_until_a_person_changes_it() -> None:
    text = parameters.render_replicat(make_topology(), "site3", "site2")
    assert parameters.is_own(text)
    assert not parameters.is_own(text.replace("REPLICAT", "-- mine\nREPLICAT", 1)), "a comment counts too"
    assert not parameters.is_own(text.partition("\n")[2]) and not parameters.is_own("")
    alone = parameters.one_transaction_at_a_time(text)
    assert alone != text and parameters.is_own(alone), "a failover's own change"
    assert parameters.one_transaction_at_a_time(alone) == alone
    assert not parameters.is_own(parameters.one_transaction_at_a_time(text + "-- mine\n"))
