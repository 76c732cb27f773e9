"""A hostile name stays one word wherever it goes: in a shell, SQL, ggsci, parameter files and Markdown; or is refused.

The shell is a real /bin/sh. SQL is read by sqlglot's Oracle dialect, ggsci's commands by the lab's interpreter,
parameter files by the lab's readers, and Markdown by a parser of CommonMark.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlglot
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from pydantic import BaseModel, ValidationError
from sqlglot import exp
from tests.fuzz.test_parsers import EXAMPLES
from tests.unit.hooks.gg_sample import Call, Completed, FakeHost, make_topology

from infomart_dr import files, statements
from infomart_dr.errors import InfoMartError
from infomart_dr.guards import fencing
from infomart_dr.hooks import data_pump, goldengate_parameters, raa, remote_host, remote_job, tickets, transfer
from infomart_dr.hooks.ggsci import Ggsci
from infomart_dr.hooks.processes import pgrep
from infomart_dr.operators import removal
from infomart_dr.plan.parameters import unprintable
from infomart_dr.text import as_markdown, fenced
from infomart_dr.topology import DataPump, identifiers, parse
from infomart_lab.datapump import parameters as lab_data_pump
from infomart_lab.goldengate.ggsci import commands as lab_ggsci

ROOT = Path(__file__).resolve().parents[2]
#: A real shell runs them if a quote is missing: no name may do harm then.
NAMES = (
    *(
        "x; touch owned",
        "$(id)",
        "`id`",
        "a'b",
        'a"b',
        "a\nb",
        "a\r\nb",
        "a b",
        "a\tb",
        "-rf",
        "--help",
        "*",
        "?",
        "~root",
    ),
    *("${IFS}", "$PATH", "a|b", "a&b", "a>b", "a\\b", "a\\", "\\", "!", "%s", "%n", "#x", "x'; drop table t; --", "/*"),
    *(
        '" or 1=1 --',
        "SELECT",
        "TABLE",
        "EGIM, AFTERCSN 1",
        "EGIM !",
        "EGIM;",
        "GIM.*",
        "a,b",
        "a(b",
        "{{ 7*7 }}",
        "&1",
    ),
    *("<script>alert(1)</script>", "[x](javascript:alert(1))", "![x](http://x/)", "```", "# x", "| a | b |", "> x"),
    *(
        "Ünïcödé",
        "状態",
        "\u202egnp.exe",
        "a\u00a0b",
        "😀",
        "A" * 65_536,
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "con",
    ),
)
#: What an argument of a program can be: no NUL, and whole characters.
words = st.one_of(
    st.sampled_from(NAMES),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60),
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)).map(lambda pair: (pair[0] + pair[1])[:2000]),
)
anything = st.one_of(words, st.text(max_size=40))
some = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
#: A process for each: fewer of them.
few = settings(some, max_examples=max(EXAMPLES // 10, 15))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """In an empty folder, which is home too: a missing quote makes and removes files only there."""
    folder = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder))


def every_name(test: Any) -> Any:
    """Try each hostile name, whatever else is drawn."""
    for name in NAMES:
        test = example(name)(test)
    return test


def sh(text: str, *arguments: str) -> list[str]:
    """Words that a real shell's program has got."""
    done = subprocess.run(["/bin/sh", "-c", text, "sh", *arguments], capture_output=True, timeout=20)
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout.decode().split("\0")[:-1]


# -- shell -------------------------------------------------------------------------------------------


@few
@given(st.lists(words, min_size=1, max_size=4), words)
def test_a_command_over_ssh_gets_its_words_as_they_are(given_words: list[str], value: str) -> None:
    assume(sum(map(len, given_words)) < 20_000)
    show = ["/usr/bin/printf", "%s\\0", *given_words]
    assert sh(remote_host.command_line(show, {"NAME": value[:2000]})) == given_words


@few
@given(words, words)
def test_a_job_gets_its_words_and_variables_as_they_are(word: str, value: str) -> None:
    text = remote_job.program_text(["/bin/sh", "-c", 'printf "%s\\0" "$1" "$NAME"', "sh", word], {"NAME": value})
    assert sh(text) == [word, value]


@some
@every_name
@given(anything)
def test_a_variables_name_is_one_or_is_refused(name: str) -> None:
    for made in (
        lambda: remote_host.command_line(["true"], {name: "x"}),
        lambda: remote_job.program_text(["true"], {name: "x"}),
    ):
        try:
            made()
        except InfoMartError:
            continue
        assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)


@few
@given(words)
def test_checksums_are_of_the_folder_that_was_named(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    name = name.replace("/", "_")[:100]
    assume(name not in (".", "..") and len(name.encode()) < 200)
    folder = tmp_path_factory.mktemp("sums") / name
    folder.mkdir()
    (folder / "a.dmp").write_text("x")
    script, stdin = transfer.checksum_script(str(folder), ["a.dmp"])
    done = subprocess.run(["/bin/sh", "-c", script], input=stdin, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert set(transfer.parse_checksums(done.stdout)) == {"a.dmp"}


@some
@every_name
@given(anything)
def test_a_dump_files_name_is_plain_or_is_refused(name: str) -> None:
    try:
        _, stdin = transfer.checksum_script("/dp", [name])
    except InfoMartError:
        return
    assert stdin == f"{name}\n" and not set(name) & set("\n /\\'\"$`;|&<>*?()") and not name.startswith("-")


@few
@every_name
@given(words)
def test_an_endpoint_is_probed_and_nothing_else_is_run(host: str) -> None:
    assume(len(host) < 2000)
    script = fencing.probe_script([fencing.Endpoint("SSH", host, 9)], 0.2)
    # What the probe would call is replaced by what shows its words.
    calls = "\n".join(line for line in script.splitlines() if line.startswith("probe_endpoint 0 ") or line == "wait")
    shown = script.partition("probe_endpoint 0 ")[2].rsplit("&", 1)[0]
    assert calls or shown
    assert sh(f"printf '%s\\0' 0 {shown}") == ["0", host, "9"]


@few
@given(words)
def test_only_files_in_goldengates_home_are_moved_aside(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    name = name.replace("/", "_")[:60]
    assume(name not in (".", "..") and len(name.encode()) < 100)
    home = tmp_path_factory.mktemp("home") / name
    (home / "dirrpt").mkdir(parents=True)
    (home / "dirrpt" / f"{name}.rpt").write_text("its report")
    (home / "dirrpt" / "OTHER.rpt").write_text("another's")
    site = SimpleNamespace(goldengate=SimpleNamespace(home=str(home)))
    host = SimpleNamespace(run=lambda argv: subprocess.run(argv, check=True, timeout=20, capture_output=True))
    step: Any = SimpleNamespace(at=lambda role: SimpleNamespace(settings=site, host=lambda: host))
    removal.reports_aside(step, "source", name, "old-1")
    assert (home / "dirrpt" / "OTHER.rpt").exists() or name in ("OTHER", "other")
    assert (home / "dirdat" / "old-1" / "dirrpt" / f"{name}.rpt").read_text() == "its report"


@some
@every_name
@given(anything)
def test_a_process_is_searched_by_one_pattern(name: str) -> None:
    try:
        pattern = Checked(process_pattern=name).process_pattern
    except ValidationError:
        return
    argv = pgrep(pattern)
    assert argv[:2] == ["pgrep", "-f"] and len(argv) == 3 and not argv[2].startswith("-")


# -- topology ----------------------------------------------------------------------------------------


class Checked(BaseModel):
    """Names of a topology by their kind; one is given at a time."""

    process_pattern: identifiers.ProcessPattern = "java"
    group: identifiers.GroupName = "EGIM"
    identifier: identifiers.Identifier = "GIM"
    qualified: identifiers.QualifiedName = "GIM.X"
    pdb: identifiers.PdbName = "PDB1"
    trail: identifiers.TrailName = "./dirdat/em"
    name: identifiers.Name = "site1"
    path: identifiers.AbsolutePath = "/ogg"
    ssh_path: identifiers.SshPath = "/ogg"
    address: identifiers.Address = "db1"
    service: identifiers.ServiceName = "GIM"
    connect: identifiers.ConnectText = "//db1:1521/GIM"
    item: identifiers.ObjectName = "GIM"
    program: identifiers.Program = "gi2"
    user: identifiers.UserName = "oracle"
    variable: identifiers.VariableName = "ORACLE_SID"
    connection: identifiers.ConnectionId = "gim_site1"
    tag: identifiers.Tag = "00"
    release: identifiers.Release = "8.1.4"
    size: identifiers.DumpSize = "4G"


@pytest.mark.parametrize("kind", sorted(Checked.model_fields))
@some
@given(name=anything)
def test_a_name_in_the_topology_has_no_sign_of_a_shell_or_of_another_language(kind: str, name: str) -> None:
    try:
        value = str(getattr(Checked.model_validate({kind: name}), kind))
    except ValidationError:
        return
    signs = set("\n\r\0'\"`;|<>{}[]\\!^~*?")
    # A dollar may be in Oracle's and GoldenGate's names; they are quoted for a shell.
    signs |= set() if kind in ("group", "identifier", "qualified", "service", "connect") else {"$"}
    signs |= set() if kind == "item" else set("()&") if kind != "path" else {"&"}
    assert not set(value) & signs, value
    assert not value.startswith("-")
    if kind not in ("item", "path", "ssh_path", "process_pattern"):
        assert not re.search(r"\s", value)


# -- SQL ---------------------------------------------------------------------------------------------

PLACEHOLDER = re.compile(r"{{ *(\w+) *}}")
PLAIN = [
    path.stem
    for path in sorted((ROOT / "include" / "sql").glob("*.sql"))
    if PLACEHOLDER.search(path.read_text()) and "{%" not in path.read_text()
]


@some
@given(st.sampled_from(PLAIN), anything)
def test_a_name_in_a_statement_is_an_identifier_or_is_refused(statement: str, name: str) -> None:
    names = set(PLACEHOLDER.findall((ROOT / "include" / "sql" / f"{statement}.sql").read_text()))
    try:
        text = files.statement(statement, **dict.fromkeys(names, name))
    except InfoMartError:
        return
    assert text == files.statement(statement, **dict.fromkeys(names, "XXXX")).replace("XXXX", name)
    assert re.fullmatch(r"[A-Z][A-Z0-9_$#]*", name)


def tree(sql: str) -> Any:
    (found,) = sqlglot.parse(sql, dialect="oracle")
    return found


@some
@given(anything, anything)
def test_a_name_of_the_dictionary_is_one_quoted_identifier_or_is_refused(schema: str, name: str) -> None:
    columns = [(name, "NUMBER"), ("B", "VARCHAR2"), ("C", "CLOB")]
    for make in (
        lambda: statements.row_hash(schema, name, columns).sql,
        lambda: statements.drop_object(schema, "VIEW", name),
    ):
        try:
            sql = make()
        except InfoMartError:
            continue
        found = tree(sql)
        (table,) = found.find_all(exp.Table)
        assert (table.db, table.name) == (schema, name)
        assert {column.name for column in found.find_all(exp.Column)} <= {name, "B", "C"}


@some
@given(anything, anything, anything)
def test_a_grant_is_one_statement_whatever_the_dictionary_says(privilege: str, grantee: str, table: str) -> None:
    row = {"privilege": privilege, "grantee": grantee, "owner": "GIM", "table_name": table}
    try:
        sql = statements.grant(row)
    except InfoMartError:
        return
    rest = sql.removeprefix(f'grant {privilege.lower()} on "GIM"."{table}" to ')
    assert rest in (f'"{grantee}"', "PUBLIC") and re.fullmatch(r"[A-Z ]+", privilege)
    assert '"' not in grantee + table


@some
@given(anything, anything)
def test_an_index_and_a_sequence_are_named_as_they_are_or_refused(name: str, part: str) -> None:
    makers = (
        lambda: statements.rebuild_index("GIM", name, ("PARTITION", part)),
        lambda: statements.sequence_restart("GIM", name, 5),
        lambda: statements.sequence_options("GIM", name, cache=20),
    )
    for make in makers:
        try:
            sql = make()
        except InfoMartError:
            continue
        assert len([each for each in sqlglot.tokenize(sql, dialect="oracle") if each.text == name]) == 1 or name == part
        assert len(sqlglot.parse(sql, dialect="oracle")) == 1


# -- ggsci, parameter files --------------------------------------------------------------------------


ACTS = ("info", "status", "checkpoints", "lag", "stats", "start", "stop", "remove_group", "definition", "add_extract")


@pytest.mark.parametrize("act", ACTS)
@some
@given(name=anything)
def test_a_groups_name_is_one_word_for_ggsci_or_is_refused(act: str, name: str) -> None:
    sent: list[str] = []

    def answer(call: Call) -> Completed:
        sent.extend(call.stdin.splitlines())
        raise Sent

    host = FakeHost(answer)
    ggsci = Ggsci(host, make_topology().sites["site2"], password=lambda: "x")  # type: ignore[arg-type]
    with contextlib.suppress(InfoMartError, Sent):
        getattr(ggsci, act)(name, *(["./dirdat/em"] if act == "add_extract" else []))
    for line in sent:
        if name in line:
            said = lab_ggsci.split(line)
            assert said[2].upper() == name.upper() and len(said) <= 4, line
    if sent:
        assert re.fullmatch(r"[A-Za-z_$][A-Za-z0-9_$]*", name)


class Sent(Exception):
    """A command was sent."""


@some
@every_name
@given(anything)
def test_a_reply_names_groups_that_a_command_can_name_or_is_refused(name: str) -> None:
    from infomart_dr.hooks import parse_ggsci

    try:
        found = parse_ggsci.parse_info_all(f"MANAGER  RUNNING\nEXTRACT  RUNNING  {name}  00:00:00  00:00:01\n")
    except InfoMartError:
        return
    for program in found:
        if program.group and program.program == "EXTRACT":
            assert lab_ggsci.split(f"DELETE EXTRACT {program.group}") == ["DELETE", "EXTRACT", program.group]
            assert "*" not in program.group and "?" not in program.group


TOPOLOGY = parse((ROOT / "docs" / "examples" / "topology.yaml").read_text(), Path("topology.yaml"))


@some
@given(anything, st.sampled_from(["directory", "file_prefix"]))
def test_a_name_in_data_pumps_parameter_file_is_one_value_or_is_refused(name: str, key: str) -> None:
    site = TOPOLOGY.sites["frankfurt"]
    try:
        settings = DataPump.model_validate({**site.database.data_pump.model_dump(), key: name})
    except ValidationError:
        return
    site = site.model_copy(update={"database": site.database.model_copy(update={"data_pump": settings})})
    try:
        text = data_pump.export_parameters(TOPOLOGY, site, 5, "GIM_EXP_1")
    except InfoMartError:
        return
    found = lab_data_pump.pairs(text)
    assert dict(found)["FLASHBACK_SCN"] == "5" and len(dict(found)) == len(found)
    assert dict(found)["DIRECTORY"] == settings.directory
    assert dict(found)["DUMPFILE"].startswith(settings.file_prefix)


@some
@every_name
@given(anything)
def test_a_dump_files_name_in_a_parameter_file_is_plain_or_is_refused(name: str) -> None:
    plain = data_pump.import_parameters(TOPOLOGY, TOPOLOGY.sites["dublin"], ["XXXX.dmp"], "GIM_IMP_1")
    try:
        text = data_pump.import_parameters(TOPOLOGY, TOPOLOGY.sites["dublin"], [name], "GIM_IMP_1")
    except InfoMartError:
        return
    assert text == plain.replace("XXXX.dmp", name) and not set(name) & set("\n\r,'\"/\\ ")


@some
@every_name
@given(anything)
def test_a_line_of_a_persons_globals_is_never_replaced(line: str) -> None:
    there = f"{line}\n"
    try:
        merged = goldengate_parameters.merge_globals(there, "GGSCHEMA GGATE\n", "GLOBALS")
    except InfoMartError:
        return
    assert line.splitlines() == merged.splitlines()[: len(line.splitlines())]


@some
@given(st.lists(anything, min_size=1, max_size=3))
def test_an_argument_file_of_java_has_each_argument_as_it_is_or_refuses_it(arguments: list[str]) -> None:
    try:
        text = raa.argument_file(arguments)
    except InfoMartError:
        return
    # Java's own rules: words in double quotes, a backslash before a quote or a backslash.
    found = [re.sub(r"\\(.)", r"\1", word) for word in re.findall(r'"((?:[^"\\]|\\.)*)"', text)]
    assert found == arguments


# -- Markdown, tickets, forms ------------------------------------------------------------------------


@some
@every_name
@given(anything)
def test_a_reason_stands_at_the_gate_as_it_is(reason: str) -> None:
    assume(unprintable({"reason": reason}) is None)
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(f"Reason: {as_markdown(reason)}")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    (inline,) = [token for token in tokens if token.type == "inline"]
    children = inline.children or []
    assert {token.type for token in children} <= {"text", "text_special"}
    assert "".join(token.content for token in children) == f"Reason: {' '.join(reason.split())}".rstrip()


@some
@every_name
@given(anything)
def test_a_block_of_code_is_ended_by_nothing_in_it(text: str) -> None:
    assume(not set(text) & set("\0\r"))
    tokens = MarkdownIt("commonmark", {"html": True}).parse(f"before\n\n{fenced(text)}\n\nafter\n")
    kinds = [token.type for token in tokens]
    assert kinds.count("fence") == 1 and kinds[-3:] == ["paragraph_open", "inline", "paragraph_close"]


@some
@every_name
@given(anything)
def test_a_text_in_a_ticket_is_no_markup(text: str) -> None:
    assert not re.search(r"(?<!\\)[{}\[\]|*!^~]", tickets.wiki(text))
    lines = tickets.document(text)["content"]
    assert [line["content"][0]["text"] if line["content"] else "" for line in lines] == text.splitlines()


@some
@given(st.text(max_size=30))
def test_a_value_of_a_form_can_be_stored_and_shown_or_is_refused(text: str) -> None:
    if unprintable({"reason": text}) is None:
        assert text.encode().decode() == text
        assert not re.search("[\x00-\x08\x0e-\x1f\x7f]", text)
