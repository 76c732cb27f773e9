"""The topology: a valid file is read; all mistakes of another one are in one clear message."""

from __future__ import annotations

import copy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from infomart_dr import topology
from infomart_dr.errors import RequestError, TopologyError
from infomart_dr.topology.mistakes import RENAMED

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "topology.yaml"


@pytest.fixture
def document() -> dict[str, Any]:
    return yaml.safe_load(EXAMPLE.read_text())


def read(document: Any) -> topology.Topology:
    return topology.parse(yaml.safe_dump(document), Path("sites.yaml"))


def test_the_example_for_real_sites_is_right() -> None:
    read_example = topology.parse(EXAMPLE.read_text(), EXAMPLE)
    assert read_example.active_site == "frankfurt"
    assert read_example.pair(None, None).target == "dublin"


def change(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The document with one field changed; ``...`` removes it."""
    changed = copy.deepcopy(document)
    at = changed
    *parents, last = path.split(".")
    for part in parents:
        at = at[part]
    if value is ...:
        del at[last]
    else:
        at[last] = value
    return changed


WRONG = {
    "a ticket pattern that is none": (
        "tickets", {"backend": "jira", "connection": "jira", "pattern": "(INC"}, "a regular expression of Python"),
    "an unknown event": ("tickets", {"backend": "jira", "connection": "jira", "events": ["begun"]}, "'started'"),
    "no event at all": (
        "tickets", {"backend": "jira", "connection": "jira", "events": []}, "found 0 entries; allowed: at least 1"),
    "a ticketing system without a connection": ("tickets", {"backend": "servicenow"}, "missing"),
    "a warning beyond critical": ("watch", {"lag": {"warning": 9, "critical": 5}}, "allowed: at most critical"),
    "a warning below critical": ("watch", {"trail_free": {"warning": 1, "critical": 5}}, "allowed: at least critical"),
    "a message number that is none": ("watch", {"ggserr_ignore": ["ORA-1"]}, "text of the form"),
    "a role that does not exist": ("sites.frankfurt.role", "activee", "'active', 'standby', 'failed' or 'new'"),
    "no site is active": ("sites.frankfurt.role", "standby", "exactly one"),
    "a missing field": ("sites.dublin.database.service", ..., "missing"),
    "an unknown field": ("sites.dublin.database.servicee", "X", "unknown field; did you mean 'service'?"),
    "a host that is not listed": ("sites.dublin.database.host", "gimdb-xxx", "a name under hosts"),
    "a schema with a quote": ("info_mart.schema", 'GIM"; DROP', "text of the form"),
    "a group of nine characters": ("sites.dublin.goldengate.groups", {"extract": "EXTRACTGIM"}, "text of the form"),
    "a group used twice": ("sites.dublin.goldengate.groups", {"extract": "PGIM"}, "three different names"),
    "a trail of three characters": ("sites.dublin.goldengate.trails", {"local": "./dirdat/emx"}, "text of the form"),
    "one trail for both": ("sites.dublin.goldengate.trails", {"local": "dirdat/dp"}, "a name of its own"),
    "a trail from the site itself": (
        "sites.dublin.goldengate.trails", {"remote": {"dublin": "./dirdat/dp"}}, "one from each other site: frankfurt"),
    "a bad trail of a sending site": (
        "sites.dublin.goldengate.trails", {"remote": {"frankfurt": "./dirdat/dpx"}}, "text of the form"),
    "a shell sign in a path": ("sites.dublin.goldengate.home", "/u01/$(reboot)", "absolute path"),
    "a path of Windows": ("sites.dublin.info_mart_server.root", "C:\\GCTI\\gim", "hosts with Windows are refused"),
    "a key that ssh expands": ("hosts.gimdb-fra.transfer_key", "/home/%u/key", "without %"),
    "a relative path": ("sites.dublin.info_mart_server.root", "gim", "absolute path"),
    "a data source at no site": ("sites.dublin.idbs", [{"name": "ts", "data_source_key": 1, "dap": "DAP",
        "connection": "c", "source_site": "paris"}], "allowed: dublin, frankfurt"),
    "a job command without the job": ("info_mart.jobs", {"backend": "command", "command": ["run"]}, "{job}"),
    "reports without a check": ("sites.dublin.reports", {"backend": "command", "start": ["x"]}, "start and check"),
    "a port out of range": ("sites.dublin.goldengate.manager_port", 78090, "found 78090; allowed: at most 65535"),
    "a port that is text": ("sites.dublin.goldengate.manager_port", "gg", "found 'gg'; allowed: a whole number"),
    "a release that is a number": ("info_mart.release", 8.1, "found 8.1; allowed: text; put it in quotes"),
    "gax without its connection": ("sites.dublin.configuration", {"backend": "gax"}, "needs the field connection"),
    "a backend that does not exist": ("sites.dublin.configuration", {"backend": "psdk"}, "'gax' or 'manual'"),
    "a purge job without its owner": ("sites.frankfurt.idbs", [
        {"name": "a", "data_source_key": 1, "dap": "D", "connection": "c", "purge_jobs": ["PURGE"]}
    ], "text of the form"),
    "a purge of no known mechanism": ("sites.frankfurt.idbs", [
        {"name": "a", "data_source_key": 1, "dap": "D", "connection": "c", "purge_jobs": [{"mechanism": "at"}]}
    ], "'dbms_scheduler'"),
    "a crontab line that is a comment": ("sites.frankfurt.idbs", [
        {"name": "a", "data_source_key": 1, "dap": "D", "connection": "c", "purge_jobs": [
            {"mechanism": "cron", "host": "gimdb-fra", "line": "# x", "process_pattern": "purge"}]}
    ], "purge_jobs.0.line"),
    "a purge on a host that is not listed": ("sites.frankfurt.idbs", [
        {"name": "a", "data_source_key": 1, "dap": "D", "connection": "c", "purge_jobs": [
            {"mechanism": "command", "name": "p", "host": "x", "hold": ["h"], "release": ["r"], "state": ["s"]}]}
    ], "purge_jobs.0.host: found 'x'"),
    "a purge of two IDBs whose holds would be in different tables": ("sites.frankfurt.idbs", [
        {"name": name, "data_source_key": 1, "dap": "D", "connection": connection, "purge_jobs": [
            {"mechanism": "cron", "host": "gimdb-fra", "line": "0 2 * * * x", "process_pattern": "purge"}]}
        for name, connection in (("a", "c"), ("b", "d"))
    ], "the same connection for both IDBs, c,"),
    "an IDB listed twice": ("sites.frankfurt.idbs", [
        {"name": "a", "data_source_key": 1, "dap": "D", "connection": "c"}] * 2, "each IDB once"),
    "a view from a site that does not exist": (
        "hosts.gimdb-fra.seen_from", {"paris": {"address": "x.example.net"}}, "no such site"),
    "an address with a blank": ("hosts.gimdb-fra.seen_from", {"dublin": {"address": "a b"}}, "text of the form"),
    "a dump size without a number": ("sites.dublin.database.data_pump", {"file_size": "big"}, "text of the form"),
    "a password in the clear": (
        "sites.dublin.goldengate.login", {"user": "GGATE", "password": "tiger"}, "unknown field"),
    "no sites at all": ("sites", {}, "at least 2"),
    "a value that is left out": ("sites.dublin.role", None, "found no value; allowed: 'active'"),
    "a list for a mapping": ("sites.dublin", [], "found a list; allowed: a mapping"),
    "a mapping for a list": ("sites.dublin.idbs", {}, "found a mapping; allowed: a list"),
    "a number that is too small": ("sites.dublin.goldengate.manager_port", 0, "found 0; allowed: at least 1"),
    "a share of a port": ("sites.dublin.goldengate.manager_port", 1.5, "allowed: a whole number"),
    "a threshold that is text": ("watch", {"lag": {"warning": "long", "critical": 5}}, "allowed: a number"),
    "neither yes nor no": ("info_mart.partitioned", "perhaps", "allowed: true or false"),
    "a date that YAML makes of a text": ("raa.release", date(2026, 1, 1), "found 2026-01-01; allowed: text"),
    "an empty command": ("sites.dublin.info_mart_server.command_line", "", "at least 1 character"),
    "a key of another form": ("hosts.DB", {"ssh_connection": "db"}, "hosts.DB: found the key 'DB'; allowed: text"),
    "a key that is a number": ("sites.dublin.idbs", [{1: 2}], "found the key 1; allowed: text"),
    "a purge without its mechanism": ("sites.frankfurt.idbs", [
        {"name": "a", "data_source_key": 1, "dap": "D", "connection": "c", "purge_jobs": [{"job": "PURGE"}]}
    ], "purge_jobs.0.mechanism: missing"),
    "a section that is spelt almost right": ("infomart", {}, "infomart: unknown field; did you mean 'info_mart'?"),
    "a field like no other": ("raa.xyzzy", 1, "unknown field; allowed: enabled, jar, java"),
    "a slip in a list": ("sites.dublin.idbs", [{"namee": "a"}], "did you mean 'name'?"),
    "a slip below a name of the site's own": (
        "hosts.gimdb-fra.seen_from", {"dublin": {"addrrss": "x"}}, "did you mean 'address'?"),
    "a slip in one kind of a purge": ("sites.frankfurt.idbs", [
        {"name": "a", "data_source_key": 1, "dap": "D", "connection": "c", "purge_jobs": [
            {"mechanism": "cron", "hots": "gimdb-fra"}]}
    ], "did you mean 'host'?"),
    "a slip in a login": (
        "sites.dublin.goldengate.login", {"alais": "gg"}, "login.alais: unknown field; did you mean 'alias'?"),
    "the old name of the wait inside a task": ("timeouts.glance", 5, "timeouts.glance is now timeouts.inline_wait"),
    "the old name of the limit of watching": ("watch", {"look": 60}, "watch.look is now watch.run_limit"),
}  # fmt: skip


#: Settings of a site whose Info Mart is in a PDB; the Extract captures from the root.
IN_A_PDB = {"database": {"pdb": "GIMPDB", "environment": {}}, "goldengate": {"capture_login": {"alias": "cggate"}}}
ENCRYPTED = {"user": "GGATE", "encrypted_password": "AACAAAAAAAAAAAKAPATACEHBIGQGCFZC"}


def in_a_pdb(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The document with its second site in a PDB; ``section__field`` changes a field, ``...`` removes it."""
    for section, fields in IN_A_PDB.items():
        for field, value in fields.items():
            document = change(document, f"sites.dublin.{section}.{field}", value)
    for path, value in changes.items():
        document = change(document, f"sites.dublin.{path.replace('__', '.')}", value)
    return document


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"database__release": "12.1", "goldengate__release": "12.1"},
        {"database__release": "21.0", "goldengate__release": "21.3"},
        {"database__release": "21.0", "goldengate__release": "21.3", "goldengate__capture_login": ...},
    ],
)
def test_a_site_may_be_a_pdb_whose_extract_captures_from_the_root_or_with_21_from_the_pdb(
    document: dict[str, Any], changes: dict[str, Any]
) -> None:
    site = read(in_a_pdb(document, **changes)).site("dublin")
    assert site.database.pdb == "GIMPDB"
    assert (site.goldengate.capture_login is None) is ("goldengate__capture_login" in changes)


@pytest.mark.parametrize(
    ("changes", "mistake"),
    [
        ({"database__pdb": "CDB$ROOT"}, "database.pdb: found 'CDB$ROOT'; allowed: text of the form"),
        ({"database__pdb": ...}, "goldengate.capture_login: found it without database.pdb"),
        ({"goldengate__capture": "classic"}, "goldengate.capture: found 'classic' with database.pdb"),
        ({"goldengate__login": ENCRYPTED}, "goldengate.login: found a user with database.pdb; allowed: an alias"),
        ({"goldengate__capture_login": {"alias": "ggate"}}, "found the alias of login; allowed: an alias of its own"),
        ({"goldengate__capture_login": ...}, "missing with database.pdb, database.release 19.0"),
        (
            {"database__release": "21.0", "goldengate__capture_login": ...},
            "database.release 21.0 and goldengate.release 19.1",
        ),
        (
            {"goldengate__release": "21.3", "goldengate__capture_login": ...},
            "database.release 19.0 and goldengate.release 21.3",
        ),
        ({"database__release": "11.2"}, "older releases have no CDB"),
        ({"database__environment": {"ORACLE_SID": "CDB"}}, "found ORACLE_SID with database.pdb; allowed: neither"),
        ({"database__environment": {"TWO_TASK": "CDB"}}, "found TWO_TASK with database.pdb; allowed: neither"),
    ],
)
def test_settings_that_no_pdb_can_have_are_one_clear_mistake(
    document: dict[str, Any], changes: dict[str, Any], mistake: str
) -> None:
    with pytest.raises(TopologyError) as raised:
        read(in_a_pdb(document, **changes))
    (found,) = raised.value.mistakes
    assert mistake in found
    assert "sites.dublin." in found


@pytest.mark.parametrize("letters", [128, 129])
def test_an_oracle_name_has_at_most_the_128_characters_of_12_2(document: dict[str, Any], letters: int) -> None:
    changed = change(document, "info_mart.schema", "G" * letters)
    if letters > 128:
        with pytest.raises(TopologyError, match="at most 128 characters"):
            read(changed)
    else:
        assert read(changed).info_mart.schema_name == "G" * 128


@pytest.mark.parametrize(
    ("goldengate", "mistake"),
    [
        ({"capture": "classic", "release": "21.3"}, "capture: found 'classic' with release 21.3; allowed: integrated"),
        ({"threads": 2}, "threads: found 2 with integrated capture"),
    ],
)
def test_classic_capture_ends_with_19_and_its_threads_are_its_own(
    document: dict[str, Any], goldengate: dict[str, Any], mistake: str
) -> None:
    document["sites"]["dublin"]["goldengate"] |= goldengate
    with pytest.raises(TopologyError) as raised:
        read(document)
    assert f"sites.dublin.goldengate.{mistake}" in str(raised.value)
    document["sites"]["dublin"]["goldengate"] |= {"capture": "classic", "release": "19.1", "threads": 2}
    assert read(document).site("dublin").goldengate.threads == 2


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_field_is_named_with_file_path_finding_and_what_is_allowed(name: str, document: dict[str, Any]) -> None:
    path, value, allowed = WRONG[name]
    with pytest.raises(TopologyError) as raised:
        read(change(document, path, value))
    line = next(line for line in str(raised.value).splitlines() if "sites.yaml: " in line)
    assert path.split(".")[0] in line
    assert allowed in str(raised.value)
    for word in ("Traceback", "Input should", "NoneType", "[key]"):
        assert word not in str(raised.value)


def test_a_field_with_a_slip_in_its_name_is_one_mistake_and_not_a_missing_field_too(document: dict[str, Any]) -> None:
    with pytest.raises(TopologyError) as raised:
        read({("infomart" if key == "info_mart" else key): value for key, value in document.items()})
    assert raised.value.mistakes == ("sites.yaml: infomart: unknown field; did you mean 'info_mart'?",)


def test_of_two_kinds_of_a_login_only_the_one_that_is_meant_is_judged(document: dict[str, Any]) -> None:
    with pytest.raises(TopologyError) as raised:
        read(change(document, "sites.dublin.goldengate.login", {"user": "GGATE"}))
    (mistake,) = raised.value.mistakes
    assert mistake.endswith("goldengate.login.encrypted_password: missing; allowed: a value is required")


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_renamed_field_names_one_that_exists_and_no_longer_exists_itself(old: str, new: str) -> None:
    for path, known in ((old, False), (new, True)):
        section, field = path.split(".")
        assert (field in getattr(topology, section.capitalize()).model_fields) is known


def test_a_key_that_stands_twice_is_refused_with_its_lines() -> None:
    text = EXAMPLE.read_text().replace("    role: ", "    role: failed\n    role: ", 1)
    first = text[: text.index("    role: failed")].count("\n") + 1
    with pytest.raises(TopologyError) as raised:
        topology.parse(text, Path("sites.yaml"))
    assert raised.value.mistakes == (
        f"sites.yaml, line {first + 1}: sites.frankfurt.role: found twice, first in line {first}; "
        "allowed: each key once",
    )


def test_keys_that_stand_twice_are_found_in_lists_and_on_one_line_and_below_an_anchor_once() -> None:
    text = "a: 1\na: 2\nb: [{c: 1, 'c': 2}]\nd: &d {e: 1, e: 2}\nf: *d\ng:\n  <<: *d\n  e: 3\n"
    with pytest.raises(TopologyError) as raised:
        topology.parse(text, Path("sites.yaml"))
    fields = [mistake.split(": ")[1] for mistake in raised.value.mistakes]
    assert fields == ["a", "b.0.c", "d.e"]


def test_a_document_that_holds_itself_is_read_to_its_end() -> None:
    with pytest.raises(TopologyError, match="unknown field"):
        topology.parse("deployment: &a [*a]\nx: *a\n", Path("sites.yaml"))


def test_a_topology_is_written_with_the_keys_of_the_file(document: dict[str, Any]) -> None:
    written = read(document).model_dump(mode="json")
    assert written["deployment"] == "contact-centre"
    assert topology.Topology.model_validate(written) == read(document)


@pytest.mark.parametrize("release", ["11.1", "10.2", "9.2.0"])
def test_a_database_that_the_statements_do_not_fit_is_refused(document: dict[str, Any], release: str) -> None:
    with pytest.raises(TopologyError, match=rf"database.release: found '{release}'; allowed: 11.2 and later"):
        read(change(document, "sites.frankfurt.database.release", release))
    read(change(document, "sites.frankfurt.database.release", "11.2.0.1"))


def test_all_mistakes_are_reported_at_once(document: dict[str, Any]) -> None:
    wrong = change(document, "sites.dublin.role", "neww")
    wrong = change(wrong, "info_mart.schema", "gim")
    wrong = change(wrong, "sites.frankfurt.database.oracle_home", "home")
    with pytest.raises(TopologyError) as raised:
        read(wrong)
    assert "3 mistake(s)" in str(raised.value)
    for field in ("sites.dublin.role", "info_mart.schema", "sites.frankfurt.database.oracle_home"):
        assert field in str(raised.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sites: [", "not YAML"),
        ("- a\n- b\n", "found a list; allowed: a mapping"),
        ("", "found an empty file; allowed: a mapping"),
        ("sites", "found 'sites'; allowed: a mapping"),
        ("a: b: c", "line 1"),
        ("a: 1\n---\nb: 2", "a single document"),
        ("? [a]\n: 1", "unhashable key"),
    ],
)
def test_what_is_no_mapping_is_one_clear_message(text: str, expected: str) -> None:
    with pytest.raises(TopologyError, match=expected):
        topology.parse(text, Path("sites.yaml"))


def test_without_the_variable_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(topology.PATH_VARIABLE, raising=False)
    with pytest.raises(TopologyError, match=topology.PATH_VARIABLE):
        topology.load()


def test_a_folder_with_two_deployments_asks_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(EXAMPLE.read_text().replace("contact-centre", name))
    monkeypatch.setenv(topology.PATH_VARIABLE, str(tmp_path))
    with pytest.raises(RequestError, match="one of: one, two"):
        topology.load()
    assert topology.load("two").name == "two"
    with pytest.raises(RequestError, match="not a valid name"):
        topology.load("../two")


def test_a_file_of_another_deployment_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(topology.PATH_VARIABLE, str(EXAMPLE))
    with pytest.raises(RequestError, match="found 'contact-centre'"):
        topology.load("elsewhere")


def test_source_and_target_must_differ_exist_and_not_be_failed(document: dict[str, Any]) -> None:
    sites = read(document)
    with pytest.raises(RequestError, match="both frankfurt"):
        sites.pair("frankfurt", "frankfurt")
    with pytest.raises(RequestError, match="no site 'paris'"):
        sites.pair(None, "paris")
    with pytest.raises(TopologyError, match="role failed"):
        read(change(document, "sites.dublin.role", "failed")).pair(None, "dublin")
    with pytest.raises(TopologyError, match="target is not given and no site has the role new or standby"):
        read(change(document, "sites.dublin.role", "failed")).pair(None, None)


def test_the_target_is_the_new_site_or_else_the_standby(document: dict[str, Any]) -> None:
    assert read(document).pair(None, None).target == "dublin"
    assert read(change(document, "sites.dublin.role", "standby")).pair(None, None).target == "dublin"


def test_a_failover_goes_from_the_active_site_to_the_standby_also_when_the_file_calls_the_site_failed(
    document: dict[str, Any],
) -> None:
    sites = read(change(document, "sites.dublin.role", "standby"))
    pair = sites.failover_pair(None, None)
    assert (pair.source, pair.target) == ("frankfurt", "dublin")
    taken_over = copy.deepcopy(document)
    taken_over["sites"]["frankfurt"]["role"] = "failed"
    taken_over["sites"]["dublin"]["role"] = "active"
    assert read(taken_over).failover_pair("frankfurt", "dublin").target == "dublin"
    with pytest.raises(TopologyError, match="survivor is not given and no site has the role standby"):
        read(document).failover_pair(None, None)
    with pytest.raises(RequestError, match="failed_site and survivor are both dublin"):
        sites.failover_pair("dublin", "dublin")


@pytest.fixture
def active_active(document: dict[str, Any]) -> dict[str, Any]:
    document["architecture"] = "active-active"
    for number, site in enumerate(document["sites"].values()):
        site["role"] = "active"
        site["info_mart_server"] |= {"application": f"GIM_{number}", "application_dbid": 200 + number}
    return document


def test_each_server_of_an_active_active_deployment_has_an_object_of_its_own(active_active: dict[str, Any]) -> None:
    sites = read(active_active)
    assert (sites.application("dublin"), sites.application_dbid("dublin")) == ("GIM_1", 201)
    with pytest.raises(RequestError, match="failed_site"):
        sites.failover_pair(None, None)
    assert sites.failover_pair("frankfurt", None).target == "dublin"
    with pytest.raises(TopologyError, match=r"sites\.dublin\.info_mart_server: application or application_dbid"):
        read(change(active_active, "sites.dublin.info_mart_server.application", ...))


def test_the_servers_of_an_active_standby_deployment_share_their_object(document: dict[str, Any]) -> None:
    assert read(document).application("dublin") == "GIM"
    with pytest.raises(TopologyError, match="found an application of its own"):
        read(change(document, "sites.dublin.info_mart_server.application", "GIM_2"))


# -- tickets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ticket"),
    [
        ("INC0012345", "INC0012345"),
        ("CHG0040007.2", "CHG0040007"),
        ("OPS-17", "OPS-17"),
        ("OPS-17~again", "OPS-17"),
        ("INC0012345: fire in hall 2", "INC0012345"),
        ("(OPS-17) fire", "OPS-17"),
        ("manual__2026-11-25T23:00:00+00:00", None),
        ("scheduled__2026-11-25T23:00:00+00:00", None),
        ("fire in hall 2, see INC0012345", None),
        ("site-1", None),
        ("INC12", None),
        ("", None),
        ("INC0012345^active=true", None),
    ],
)
def test_a_ticket_is_known_by_the_first_word(text: str, ticket: str | None) -> None:
    assert topology.Tickets(backend="servicenow", connection="s").ticket_in(text) == ticket


def test_with_three_sites_each_sending_site_has_a_trail_of_its_own(document: dict[str, Any]) -> None:
    cork = copy.deepcopy(document["sites"]["dublin"]) | {"role": "new", "idbs": []}
    three = change(document, "sites.cork", cork)
    with pytest.raises(TopologyError, match=r"(?s)sites\.dublin\.goldengate\.trails\.remote: found .* 2 sending sites"):
        read(three)
    for name, others in (("cork", "dublin frankfurt"), ("dublin", "cork frankfurt"), ("frankfurt", "cork dublin")):
        trails = {other: f"./dirdat/{other[0]}1" for other in others.split()}
        three = change(three, f"sites.{name}.goldengate.trails", {"remote": trails})
    assert read(three).sites["cork"].goldengate.trails.arriving("dublin") == "./dirdat/d1"


def test_the_first_text_that_names_a_ticket_counts() -> None:
    assert topology.Tickets(backend="jira", connection="s").ticket_in("manual__1", "OPS-1", "OPS-2 fire") == "OPS-1"


@pytest.mark.parametrize(
    ("pattern", "ticket"), [(r"dr-(?P<ticket>\d+)", "17"), (r"dr-\d+", "dr-17"), (r"dr-17\S*", None)]
)
def test_a_sites_own_pattern_may_take_a_part_and_lets_nothing_strange_through(pattern: str, ticket: str | None) -> None:
    own = topology.Tickets(backend="webhook", connection="s", pattern=pattern)
    assert own.ticket_in("dr-17^x" if ticket is None else "dr-17") == ticket


def test_the_deployments_of_a_folder_are_its_files_and_of_one_file_the_one_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(EXAMPLE))
    assert topology.deployments() == [topology.load().name]
    monkeypatch.setenv("INFOMART_DR_TOPOLOGY", str(tmp_path))
    with pytest.raises(TopologyError, match="holds no topology file"):
        topology.deployments()
    for name in ("b", "a"):
        (tmp_path / f"{name}.yaml").touch()
    assert topology.deployments() == ["a", "b"]
