"""Application objects: effects of a change, GAX's answers and conflicts, and instructions for a person."""

from __future__ import annotations

import copy
import json

import httpx
import pytest
from pydantic import ValidationError
from tests.unit.hooks.gg_sample import make_topology

from infomart_dr.deployment import Deployment
from infomart_dr.errors import (
    CredentialsError,
    PermanentError,
    TopologyError,
    TransientError,
    UnexpectedReplyError,
    UnreachableError,
)
from infomart_dr.hooks.configuration import Change, ManualConfiguration, differences, inverse
from infomart_dr.hooks.gax import GaxConfiguration, from_gax, to_gax
from infomart_dr.topology import Configuration

PASSWORD = "pass-of-gax-42"
DOCUMENT = {
    "name": "GIM Server",
    "dbid": 101,
    "type": "GIM",
    "state": 1,
    "host": "site2-gim",
    "commandLine": "gim -host cfg2 -port 2020",
    "connections": ["ICON_TS2", "DAP_GIM2", "DAP_IDB2"],
    "options": {"schedule": {"run-scheduler": "true", "run-aggregates": "true"}, "log": {"verbose": "standard"}},
    "version": 4,
    "unknownToUs": {"kept": [1, 2]},
}
CUTOVER = Change(
    host="site3-gim",
    command_line="gim -host cfg3 -port 2020",
    connect=["DAP_GIM3"],
    disconnect=["DAP_GIM2"],
    options={"schedule": {"run-aggregates": "false"}, "gim-etl": {"x": "1"}},
)


class Gax:
    """GAX with one object; ``conflicts`` PUTs get 409, after the change of another person."""

    def __init__(self, *, conflicts: int = 0, forget: bool = False, expire: bool = False) -> None:
        self.stored = copy.deepcopy(DOCUMENT)
        self.conflicts, self.forget, self.expire = conflicts, forget, expire
        self.log: list[str] = []
        self.answer: httpx.Response | Exception | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        self.log.append(f"{request.method} {path}")
        if path == "/gax/api/session/login":
            good = json.loads(request.content) == {"username": "default", "password": PASSWORD}
            return httpx.Response(
                200 if good else 401, headers={"set-cookie": "JSESSIONID=1; Path=/gax; HttpOnly"} if good else {}
            )
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        if "JSESSIONID" not in request.headers.get("cookie", ""):
            return httpx.Response(401)
        if self.expire:
            self.expire = False
            return httpx.Response(401)
        if path != "/gax/api/cfg/applications/GIM%20Server":
            return httpx.Response(404)
        if request.method == "PUT":
            new = json.loads(request.content)
            if self.conflicts:
                self.conflicts -= 1
                self.stored["version"] += 1
                self.stored["options"]["log"]["verbose"] = "all"
            if new["version"] != self.stored["version"]:
                return httpx.Response(409)
            if not self.forget:
                self.stored = {**new, "version": new["version"] + 1}
        return httpx.Response(200, json=self.stored)

    def puts(self) -> int:
        return sum(line.startswith("PUT") for line in self.log)


@pytest.fixture(autouse=True)
def connection(monkeypatch):
    def put(**fields):
        values = {
            "conn_type": "http",
            "host": "gax2",
            "port": 8080,
            "schema": "http",
            "login": "default",
            "password": PASSWORD,
        }
        monkeypatch.setenv("AIRFLOW_CONN_GAX_SITE2", json.dumps({**values, **fields}))

    put()
    return put


def client(gax: Gax) -> GaxConfiguration:
    return GaxConfiguration("gax_site2", transport=httpx.MockTransport(gax), sleep=lambda _: None)


# -- pure functions --------------------------------------------------------------------------------


def test_a_change_lists_each_field_that_is_not_as_asked():
    assert [str(item) for item in differences(from_gax(DOCUMENT), CUTOVER)] == [
        "host: 'site2-gim' -> 'site3-gim'",
        "command_line: 'gim -host cfg2 -port 2020' -> 'gim -host cfg3 -port 2020'",
        "connection DAP_GIM3: (missing) -> 'DAP_GIM3'",
        "connection DAP_GIM2: 'DAP_GIM2' -> (missing)",
        "[schedule] run-aggregates: 'true' -> 'false'",
        "[gim-etl] x: (missing) -> '1'",
    ]


def test_a_changed_object_keeps_everything_else():
    changed = to_gax(from_gax(DOCUMENT), CUTOVER)
    assert changed["unknownToUs"] == {"kept": [1, 2]}
    assert changed["version"] == 4
    assert changed["connections"] == ["ICON_TS2", "DAP_IDB2", "DAP_GIM3"]
    assert changed["options"] == {
        "schedule": {"run-scheduler": "true", "run-aggregates": "false"},
        "log": {"verbose": "standard"},
        "gim-etl": {"x": "1"},
    }
    assert differences(from_gax(changed), CUTOVER) == []
    assert DOCUMENT["host"] == "site2-gim", "what was read is not touched"


def test_a_state_is_set_by_its_number():
    off = Change(enabled=False)
    assert str(differences(from_gax(DOCUMENT), off)[0]) == "state: '1' -> '2'"
    assert to_gax(from_gax(DOCUMENT), off)["state"] == 2


def test_a_change_cannot_ask_for_both():
    with pytest.raises(ValidationError, match="both name A"):
        Change(connect=["A"], disconnect=["A"])


def there_and_back(document, change):
    """The object after a change and its inverse, with unordered parts sorted."""
    before = from_gax(document)
    changed = from_gax(to_gax(before, change))
    after = to_gax(changed, inverse(before, change))
    return {**after, "connections": set(after["connections"])}


def test_a_change_and_its_inverse_leave_the_object_as_it_was():
    change = Change(
        host="site3-gim",
        command_line="gim -host cfg3 -port 2020",
        connect=["DAP_GIM3", "DAP_IDB2"],
        disconnect=["DAP_GIM2", "DAP_NOT_THERE"],
        options={"schedule": {"run-scheduler": "false", "run-aggregates": "false"}},
        enabled=False,
    )
    assert there_and_back(DOCUMENT, change) == {**DOCUMENT, "connections": set(DOCUMENT["connections"])}


def test_the_inverse_of_a_change_that_alters_nothing_alters_nothing():
    change = Change(host="site2-gim", connect=["DAP_GIM2"], disconnect=["DAP_X"], enabled=True)
    found = inverse(from_gax(DOCUMENT), change)
    assert (found.connect, found.disconnect) == ([], [])
    assert differences(from_gax(DOCUMENT), found) == []


def test_the_inverse_touches_only_what_the_change_did():
    assert inverse(from_gax(DOCUMENT), Change(enabled=False)) == Change(enabled=True)
    assert inverse(from_gax({**DOCUMENT, "state": 2}), Change(enabled=True)) == Change(enabled=False)
    assert inverse(from_gax(DOCUMENT), Change(options={"schedule": {"run-aggregates": "false"}})) == Change(
        options={"schedule": {"run-aggregates": "true"}}
    )


def test_an_option_that_was_not_there_goes_back_to_its_documented_default():
    """The option cannot be removed again, and aggregation must not stay disabled."""
    bare = {**DOCUMENT, "options": {}}
    change = Change(options={"schedule": {"run-aggregates": "false", "run-scheduler": "true"}, "gim-etl": {"x": "1"}})
    after = there_and_back(bare, change)
    assert after["options"] == {
        "schedule": {"run-aggregates": "true", "run-scheduler": "false"},
        "gim-etl": {"x": "1"},
    }, "an option whose default nobody knows stays"


def test_where_the_state_is_not_shown_it_is_not_put_back():
    assert inverse(from_gax({**DOCUMENT, "state": None}), Change(enabled=False)).enabled is None


@pytest.mark.parametrize(
    "document",
    [
        [],
        "x",
        {},
        {**DOCUMENT, "dbid": "many"},
        {**DOCUMENT, "options": {"schedule": "x"}},
        {**DOCUMENT, "connections": [1]},
    ],
)
def test_an_object_of_another_form_is_refused(document):
    with pytest.raises(UnexpectedReplyError):
        from_gax(document)


# -- GAX -------------------------------------------------------------------------------------------


def test_a_change_is_made_once_and_read_again():
    gax = Gax()
    with client(gax) as configuration:
        assert len(configuration.apply("GIM Server", CUTOVER)) == 6
        assert configuration.apply("GIM Server", CUTOVER) == []
        assert configuration.verify("GIM Server", CUTOVER).proven
        assert not configuration.verify("GIM Server", Change(host="other")).proven
    assert gax.puts() == 1
    assert gax.stored["host"] == "site3-gim" and gax.stored["version"] == 5
    assert gax.log.count("POST /gax/api/session/login") == 1


def test_a_conflict_is_read_again_and_nobodys_change_is_lost():
    gax = Gax(conflicts=2)
    client(gax).apply("GIM Server", CUTOVER)
    assert gax.puts() == 3
    assert gax.stored["options"]["log"]["verbose"] == "all"
    assert gax.stored["host"] == "site3-gim"


def test_conflicts_without_end_stop():
    gax = Gax(conflicts=99)
    with pytest.raises(TransientError, match="5 times in a row"):
        client(gax).apply("GIM Server", CUTOVER)
    assert gax.puts() == 5


def test_a_change_that_gax_accepts_and_forgets_is_noticed():
    with pytest.raises(UnexpectedReplyError, match="still differs: host"):
        client(Gax(forget=True)).apply("GIM Server", Change(host="site3-gim"))


def test_an_expired_session_is_opened_again():
    gax = Gax()
    configuration = client(gax)
    configuration.read("GIM Server")
    gax.expire = True
    assert configuration.read("GIM Server").dbid == 101
    assert gax.log.count("POST /gax/api/session/login") == 2


def test_a_wrong_password_is_a_credentials_error_without_the_password(connection):
    connection(password="wrong-secret")
    with pytest.raises(CredentialsError, match="gax_site2") as caught:
        client(Gax()).read("GIM Server")
    assert "wrong-secret" not in str(caught.value)


def test_an_unknown_object_is_final():
    with pytest.raises(PermanentError, match="has no Application object Other"):
        client(Gax()).read("Other")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(403), CredentialsError),
        (httpx.Response(503), UnreachableError),
        (httpx.Response(500, text="boom"), UnexpectedReplyError),
        (httpx.Response(302, headers={"location": "/login"}), UnexpectedReplyError),
        (httpx.Response(200, text="<html>"), UnexpectedReplyError),
        (httpx.Response(200, json={**DOCUMENT, "name": "Other"}), UnexpectedReplyError),
        (httpx.ConnectError("refused"), UnreachableError),
        (httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), CredentialsError),
        (httpx.ReadTimeout("slow"), UnreachableError),
        (httpx.RemoteProtocolError("gone"), UnreachableError),
    ],
)
def test_each_failure_is_a_typed_error(answer, kind):
    gax = Gax()
    gax.answer = answer
    with pytest.raises(kind):
        client(gax).read("GIM Server")


def test_a_failure_is_reported_in_words_of_gax():
    gax = Gax()
    gax.answer = httpx.ReadTimeout("slow")
    with pytest.raises(UnreachableError) as caught:
        client(gax).read("GIM Server")
    path = "/gax/api/cfg/applications/GIM%20Server"
    assert caught.value.what == f"GAX at http://gax2:8080 did not answer GET {path} within 60 s."


def test_a_body_that_cannot_be_decoded_is_a_typed_error():
    gax = Gax()
    gax.answer = httpx.DecodingError("not gzip")
    with pytest.raises(PermanentError, match="DecodingError: not gzip"):
        client(gax).read("GIM Server")


def test_an_address_without_http_is_refused(connection):
    connection(schema="ftp")
    with pytest.raises(TopologyError, match="has no valid address of GAX") as caught:
        client(Gax()).read("GIM Server")
    assert caught.value.next_step == "Set its schema to http or https."


def test_a_connection_that_is_missing_or_incomplete_is_named(connection, monkeypatch):
    connection(password=None)
    with pytest.raises(TopologyError, match="gax_site2"):
        client(Gax()).read("GIM Server")
    monkeypatch.delenv("AIRFLOW_CONN_GAX_SITE2")
    with pytest.raises(TopologyError, match="no connection gax_site2"):
        client(Gax()).read("GIM Server")


def test_a_ca_file_that_cannot_be_read_is_named(connection):
    connection(extra={"verify": "/nowhere/ca.pem"})
    with pytest.raises(TopologyError, match="CA file"):
        client(Gax()).read("GIM Server")


# -- a person --------------------------------------------------------------------------------------


def test_instructions_are_numbered_and_give_every_value():
    text = ManualConfiguration().instructions("GIM Server", CUTOVER)
    numbers = [line.split(".")[0] for line in text.splitlines() if line[:1].isdigit()]
    assert numbers == [str(n) for n in range(1, 9)]
    lines = [line.strip() for line in text.splitlines()]
    for value in ("site3-gim", "gim -host cfg3 -port 2020", "DAP_GIM2", "DAP_GIM3", "false"):
        assert value in lines, "a value stands alone on its line, to be copied"
    assert text.index("remove the connection") < text.index("add the connection")
    assert "**[schedule]**: set **run-aggregates**" in text


def test_a_person_is_never_taken_for_a_proof():
    manual = ManualConfiguration()
    verification = manual.verify("GIM Server", CUTOVER)
    assert not verification.proven and "confirmation at the gate" in verification.message
    with pytest.raises(PermanentError, match="manual"):
        manual.read("GIM Server")
    with pytest.raises(PermanentError, match="site3-gim"):
        manual.apply("GIM Server", CUTOVER)
    assert "needs no change" in manual.instructions("GIM Server", Change())


def test_the_topology_chooses_the_backend(monkeypatch):
    topology = make_topology()
    topology.sites["site2"] = topology.sites["site2"].model_copy(
        update={"configuration": Configuration(backend="gax", connection="gax_site2")}
    )
    monkeypatch.setattr(Deployment, "topology", topology)
    assert not Deployment().configuration("site3").automatic
    assert Deployment().configuration("site2").automatic
