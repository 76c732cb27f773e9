"""Command lines and parameter files of expdp and impdp are read as the real programs read them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from infomart_lab.datapump import parameters
from infomart_lab.datapump.parameters import ParameterError


def files(**texts: str) -> Callable[[str], str]:
    def read(path: str) -> str:
        try:
            return texts[path.removesuffix(".par")]
        except KeyError:
            raise FileNotFoundError(path) from None

    return read


def lines_of(*arguments: str, operation: parameters.Operation = "EXPORT", release: str = "19c", text: str = "") -> list:
    with pytest.raises(ParameterError) as caught:
        parameters.read(operation, arguments, release=release, read_file=files(x=text))
    return caught.value.lines


def test_a_parameter_file_with_comments_lists_and_any_case() -> None:
    text = """
    # the whole Info Mart
    DUMPFILE=gim_%U.dmp,
             more_%U.dmp
    logfile = exp.log   # beside the dump
    Schemas=(GIM , "ggate")
    flashback_scn=24537616
    EXCLUDE=STATISTICS, INDEX:"IN ('I#1', 'I_2')"
    exclude=TABLE:"LIKE 'TMP\\_%'"
    filesize=2G
    STATUS=100000
    """
    logon, read = parameters.read("EXPORT", ["system", "parfile=x.par"], read_file=files(x=text))
    assert logon == "system"
    assert read.dumpfile == ["gim_%U.dmp", "more_%U.dmp"]
    assert read.logfile == "exp.log"
    assert read.schemas == ["GIM", "ggate"]
    assert read.flashback_scn == 24537616 and read.filesize == 2 * 1024**3 and read.status == 100000
    assert [(f.object_type, f.clause) for f in read.exclude] == [
        ("STATISTICS", ""),
        ("INDEX", "IN ('I#1', 'I_2')"),
        ("TABLE", "LIKE 'TMP_%'"),
    ]


def test_the_guides_misprint_is_named_with_its_file() -> None:
    assert lines_of("system", "parfile=x.par", operation="IMPORT", text="DUMPFIL=gim.dmp\nLOGFILE=a.log") == [
        "LRM-00101: unknown parameter name 'DUMPFIL'",
        "LRM-00113: error when processing file 'x.par'",
    ]


@pytest.mark.parametrize(
    ("arguments", "first"),
    [
        (["system", "parfile=none.par"], "LRM-00109: could not open parameter file 'none.par'"),
        (["system", "parallel=two"], "UDE-00014: invalid value for parameter, 'parallel'."),
        (["system", "content=some"], "UDE-00014: invalid value for parameter, 'content'."),
        (["system", "filesize=2X"], "UDE-00014: invalid value for parameter, 'filesize'."),
        (["system", "job_name=a-b"], "UDE-00014: invalid value for parameter, 'job_name'."),
        (["system", "schemas=gim", "tables=gim.x"], "UDE-00010: multiple job modes requested, schemas and tables."),
        (["system", "logfile=a", "logfile=b"], "LRM-00112: multiple values not allowed for parameter 'logfile'"),
        (["system", "include=table", "exclude=index"], "UDE-00011: parameter include is incompatible"),
        (["system", "table_exists_action=skip"], "LRM-00101: unknown parameter name 'TABLE_EXISTS_ACTION'"),
        (["system", "schemas"], "LRM-00108: invalid positional parameter value 'schemas'"),
        (["system", "schemas=(gim"], "LRM-00116"),
        (["system", 'exclude=index:"NEAR 3"'], "ORA-39001: invalid argument value"),
    ],
)
def test_what_is_wrong_is_said(arguments: list[str], first: str) -> None:
    assert lines_of(*arguments)[0].startswith(first)


def test_release_11_does_not_know_logtime() -> None:
    assert lines_of("system", "logtime=all", release="11.2") == ["LRM-00101: unknown parameter name 'LOGTIME'"]
    assert parameters.read("EXPORT", ["system", "logtime=all"])[1].logtime == "ALL"


def test_a_value_that_a_shell_split_at_the_comma_is_one_list() -> None:
    _, read = parameters.read("EXPORT", ["system", "tables=gim.a,", "gim.b", "parallel=4"])
    assert read.tables == ["GIM.A", "GIM.B"] and read.parallel == 4 and read.mode == "TABLE"


@pytest.mark.parametrize(
    ("clause", "taken"),
    [
        ("", {"A", "AB", "C'"}),
        ("IN ('A','C''')", {"A", "C'"}),
        ("not in ('A')", {"AB", "C'"}),
        ("= 'AB'", {"AB"}),
        ("<> 'AB'", {"A", "C'"}),
        ("LIKE 'A%'", {"A", "AB"}),
        ("LIKE 'A_'", {"AB"}),
        ("NOT LIKE 'A%'", {"C'"}),
    ],
)
def test_name_clauses(clause: str, taken: set[str]) -> None:
    assert {name for name in ("A", "AB", "C'") if parameters.name_clause(clause)(name)} == taken


@pytest.mark.parametrize(
    ("text", "user", "password", "service", "sysdba"),
    [
        ("system", "SYSTEM", None, None, False),
        ("system/se/cret@GIM2", "SYSTEM", "se/cret", "GIM2", False),
        ('system/"p@ss"@gim2', "SYSTEM", "p@ss", "gim2", False),
        ("SYSTEM@//127.0.0.1:1521/GIM2", "SYSTEM", None, "//127.0.0.1:1521/GIM2", False),
        ("sys as sysdba", "SYS", None, None, True),
        ('"sys/x as sysdba"', "SYS", "x", None, True),
    ],
)
def test_logons(text: str, user: str, password: str | None, service: str | None, sysdba: bool) -> None:
    read = parameters.logon(text)
    assert (read.user, read.password, read.service, read.sysdba) == (user, password, service, sysdba)
    assert not read.wallet


def test_a_wallet_logon_has_an_alias_only() -> None:
    read = parameters.logon("/@GIM2_DP")
    assert read.wallet and read.service == "GIM2_DP" and not read.user and read.password is None


def test_attach_alone_and_with_an_owner() -> None:
    assert parameters.read("EXPORT", ["system", "attach"])[1].attach == ""
    assert parameters.read("EXPORT", ["system", "ATTACH=system.gim_exp"])[1].attach == "GIM_EXP"
